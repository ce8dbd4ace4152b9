"""Where what a Huawei CE does is not what the plan says, in sentences: what is, and what was planned."""

from __future__ import annotations

from .ce_plan import Wanted, size_near
from .ce_read import Configured
from .driver import Part
from .model import Buffer, Differences, Found, PfcProfile, Port, PortDifferences


def verify(part: Part, found: Found) -> Differences:
    """``Driver.verify`` of Huawei CE. A switch whose configuration was not seen is not compared (all None)."""
    told = Differences()
    wanted = Wanted(part)
    seen = isinstance(found.own, Configured)
    if seen:
        told.whole = _whole(wanted, found)
    for name in wanted.ports:
        differences = told.ports[name] = PortDifferences()
        port = found.ports.get(name)
        if seen and port is not None and port.exists:
            differences.trust = _trust(wanted, found, port)
            differences.pfc = _proven(found, "display dcb", _pfc(wanted, found, port))
            differences.buffer = _proven(found, "display dcb pfc buffer", _buffer(wanted, port))
            differences.ecn = _ecn(wanted, port)
    return told


def _proven(found: Found, command: str, told: list[str]) -> list[str] | None:
    """PFC and its thresholds may be configured and yet fail in a congested port (the manual's precautions): without
    the command that shows the effect, nobody knows that there is no difference."""
    return told if told or command in found.own.in_effect else None


def _whole(wanted: Wanted, found: Found) -> list[str]:
    told, system = [], found.own.tree[()]
    pool = found.whole.headroom_pool_kib
    if wanted.pool_kib is not None and pool != wanted.pool_kib:
        is_now = "not set" if not pool else f"{pool} KiB"
        told.append(f"{wanted.name}: headroom pool is {is_now}, planned {wanted.pool_kib} KiB")
    if wanted.dscp_mapping and not found.whole.dscp_mapping:
        told.append(f"{wanted.name}: PFC by mapped DSCP (dcb pfc dscp-mapping) is off, planned on")
    if "dcb pfc global disable" in system:
        told.append(f"{wanted.name}: PFC is disabled globally, planned enabled")
    if "lldp enable" not in system:
        told.append(f"{wanted.name}: LLDP is off, planned on (without it cables cannot be checked)")
    for name in wanted.ports:
        port = found.ports.get(name)
        if port is None or not port.exists:
            told.append(f"{name}: {wanted.name} has no such port")
        elif wanted.frame and port.max_frame_bytes is not None and port.max_frame_bytes < wanted.frame:
            told.append(f"{name}: largest frame is {port.max_frame_bytes} bytes, planned {wanted.frame}")
    return told


def _trust(wanted: Wanted, found: Found, port: Port) -> list[str]:
    told = []
    if port.trust != "dscp":
        told.append(f"{port.name}: trust is {port.trust or 'not seen'}, planned dscp")
    mapping = (found.whole.domains or {}).get(port.domain or "")
    if mapping is None:
        return [*told, f"{port.name}: diffserv domain is {port.domain}, which is not there, planned one that maps DSCP"]
    for dscp, phb in sorted(wanted.markings.items()):
        is_now, colour = mapping.get(dscp, ("not mapped", "green"))
        if (is_now, colour) != (phb, "green"):
            colour = "" if colour in (None, "green") else f" {colour}"
            told.append(
                f"{port.name}: DSCP {dscp} becomes {is_now}{colour}, planned {phb} (diffserv domain {port.domain})"
            )
    return told


def _pfc(wanted: Wanted, found: Found, port: Port) -> list[str]:
    planned = ", ".join(map(str, wanted.priorities))
    told = []
    if port.flow_control:
        told.append(f"{port.name}: 802.3x flow control is on, planned off")
    if not port.pfc.enabled:
        return [*told, f"{port.name}: PFC is off, planned on for priority {planned}"]
    if port.pfc.mode != "manual":
        told.append(f"{port.name}: PFC mode is {port.pfc.mode}, planned manual")
    profile = (found.whole.pfc_profiles or {}).get(port.pfc.profile or "")
    if profile is None:
        return [*told, f"{port.name}: PFC profile {port.pfc.profile} is not there, planned priority {planned}"]
    if profile.priorities != wanted.priorities:
        have = ", ".join(map(str, profile.priorities)) or "none"
        told.append(f"{port.name}: lossless priorities are {have}, planned {planned} (PFC profile {port.pfc.profile})")
    return told + _times(wanted, port, profile)


def _times(wanted: Wanted, port: Port, profile: PfcProfile) -> list[str]:
    told = []
    have = {
        "deadlock-detect": profile.detect_time,
        "deadlock-recovery": profile.recovery_time,
        "turn-off": profile.turn_off_threshold,
    }
    for priority in wanted.priorities:
        for kind, value in wanted.times.items():
            if value is not None and have[kind].get(priority, value) != value:
                words = f"{kind} of priority {priority} is {have[kind][priority]}, planned {value}"
                told.append(f"{port.name}: {words} (PFC profile {port.pfc.profile})")
    return told


def _buffer(wanted: Wanted, port: Port) -> list[str]:
    told, planned = [], wanted.buffer
    if planned.get("form") and not _same(planned, port.buffer):
        told.append(f"{port.name}: xoff of queue {wanted.queue} is {_xoff(port.buffer)}, planned {wanted.xoff()}")
    headroom = planned.get("headroom_bytes")
    if headroom and wanted.pool_kib is not None and not size_near(port.buffer.headroom_bytes, headroom):
        have = port.buffer.headroom_bytes
        is_now = "not set" if have is None else f"{have // 1024} KiB"
        told.append(f"{port.name}: headroom of queue {wanted.queue} is {is_now}, planned {headroom // 1024} KiB")
    return told


def _same(planned: Part, buffer: Buffer) -> bool:
    if planned["form"] != buffer.form:
        return False
    if buffer.form == "dynamic":
        return bool(buffer.xoff == planned.get("xoff"))
    return size_near(buffer.xoff_bytes, planned.get("xoff_bytes"))


def _xoff(buffer: Buffer) -> str:
    if buffer.form == "dynamic":
        return f"dynamic {buffer.xoff}"
    return "not set" if buffer.xoff_bytes is None else f"static {buffer.xoff_bytes // 1024} kbytes"


def _ecn(wanted: Wanted, port: Port) -> list[str]:
    ecn, queue = port.ecn, wanted.queue
    planned = f"{wanted.low}-{wanted.high} bytes {wanted.percentage} %"
    if ecn.kind == "ai":
        return [f"{port.name}: queue {queue} has AI ECN, planned the limits {planned}"]
    if not ecn.enabled:
        return [f"{port.name}: ECN of queue {queue} is off, planned on with the limits {planned}"]
    have = (ecn.low_limit_bytes, ecn.high_limit_bytes, ecn.discard_percentage)
    if None in have:
        return [
            f"{port.name}: ECN of queue {queue} has no limits in bytes (drop profile {ecn.profile}), planned {planned}"
        ]
    same = size_near(have[0], wanted.low) and size_near(have[1], wanted.high) and have[2] == wanted.percentage
    if same:
        return []
    is_now = f"{have[0]}-{have[1]} bytes {have[2]} %"
    return [f"{port.name}: ECN limits of queue {queue} are {is_now}, planned {planned} (drop profile {ecn.profile})"]
