"""What is asked of a Huawei CE, and its answers as facts about the planned ports.

A command is asked for all ports at once; where the switch refuses that, port by port (``more``). What is configured
comes from the configuration, what is in effect from the ``display`` commands; where both are seen, the effect counts.
"""

from __future__ import annotations

import re
from typing import Any, Callable, Mapping, NamedTuple, Sequence

from .. import parse
from . import ce_config, ce_links, ce_parse
from .driver import Part, ports_of
from .model import DropProfile, Found, Marking, PfcProfile, Port

OS = "huawei_vrpv8"
VERSION = "display version"
CURRENT = "display current-configuration"
SAVED = "display saved-configuration"
LLDP = "display lldp neighbor brief"
LLDP_LONG = "display lldp neighbor"
BRIEF = "display interface brief"
EXCLUSIVE = "display configuration exclusive user"
SESSIONS = "display configuration sessions"
TRIAL = "display configuration trial status"

# For all ports at once, and the form for one port.
PER_PORT: dict[str, str] = {
    "display dcb": "display dcb interface {}",
    "display dcb pfc": "display dcb pfc interface {}",
    "display dcb pfc buffer": "display dcb pfc buffer interface {}",
    "display dcb pfc deadlock trigger status": "display dcb pfc deadlock trigger status interface {}",
    "display qos configuration interface": "display qos configuration interface {}",
    "display qos ecn threshold": "display qos ecn threshold interface {}",
    "display qos ecn statistics": "display qos ecn statistics interface {}",
    "display qos queue statistics slot {slot}": "display qos queue statistics interface {}",
    "display interface": "display interface {}",
    "display interface transceiver verbose": "display interface {} transceiver verbose",
}
PARSERS: dict[str, Callable[[Any], Any]] = {
    "display dcb": ce_parse.parse_dcb,
    "display dcb pfc": ce_parse.parse_pfc,
    "display dcb pfc buffer": ce_parse.parse_pfc_buffer,
    "display dcb pfc deadlock trigger status": ce_parse.parse_deadlock,
    "display qos configuration interface": ce_parse.parse_qos_configuration,
    "display qos ecn threshold": ce_parse.parse_ecn_threshold,
    "display qos ecn statistics": ce_parse.parse_ecn_statistics,
    "display qos queue statistics slot {slot}": ce_parse.parse_queue_statistics,
    "display interface": ce_links.parse_interfaces,
    "display interface transceiver verbose": ce_links.parse_transceivers,
}
# What a switch does with a DSCP unless told otherwise ([CR] display diffserv domain): eight to a behaviour.
_BEHAVIOURS = ("be", "af1", "af2", "af3", "af4", "ef", "cs6", "cs7")
_YELLOW, _RED = (12, 20, 28, 36), (14, 22, 30, 38)
DEFAULT_PRIORITY = 3
DEFAULT_TIMES = {"deadlock-detect": 10, "deadlock-recovery": 10, "turn-off": 30}


def default_marking(dscp: int) -> Marking:
    """The factory's mapping of one DSCP."""
    return _BEHAVIOURS[dscp // 8], "yellow" if dscp in _YELLOW else "red" if dscp in _RED else "green"


class Configured(NamedTuple):
    """The driver's own part of ``Found``: the running configuration, and how many PFC profiles there may be."""

    tree: ce_config.Views
    profile_maximum: int | None
    xon_layout: bool | None  # the model's buffers are set as a pair of xon and xoff
    in_effect: frozenset[str]  # commands that told what is in effect; of the others only the configuration is known


def slots(part: Part) -> tuple[int, ...]:
    """Slots of the planned ports: the 1 of 400GE1/0/6:1."""
    numbers = {re.match(r"^\D*\d*[A-Za-z]+(\d+)/", port) for port in ports_of(part)}
    return tuple(sorted({int(match.group(1)) for match in numbers if match})) or (1,)


def commands(part: Part) -> Sequence[str]:
    """What is asked first."""
    asked = [VERSION, CURRENT, SAVED, "display dcb pfc-profile", "display diffserv domain", "display drop-profile"]
    for command in PER_PORT:
        asked += [command.format(slot=slot) for slot in slots(part)] if "{slot}" in command else [command]
    return [*asked, "display qos headroom-usage", LLDP, TRIAL, SESSIONS, EXCLUSIVE]


def more(part: Part, texts: Mapping[str, str | None]) -> Sequence[str]:
    """What is asked next, because the answer to the first question was not understood."""
    if not parse.parse_version(texts.get(VERSION))["understood"]:
        return ()
    asked: list[str] = []
    for command, form in PER_PORT.items():
        answers = [texts.get(command.format(slot=slot)) for slot in slots(part)]
        if any(PARSERS[command](answer) is None for answer in answers):
            asked += [form.format(port) for port in ports_of(part)]
    if ce_links.parse_lldp(texts.get(LLDP)) is None and "not enabled" not in (texts.get(LLDP) or ""):
        asked.append(LLDP_LONG)
    if PARSERS["display interface"](texts.get("display interface")) is None:
        asked.append(BRIEF)
    return [command for command in asked if command not in texts]


def _all(command: str, part: Part, texts: Mapping[str, str | None]) -> dict[str, Any] | None:
    """The answers to all forms of a command as one table; None when none was understood."""
    forms = [command.format(slot=slot) for slot in slots(part)]
    forms += [PER_PORT[command].format(port) for port in ports_of(part)]
    merged: dict[str, Any] | None = None
    for form in forms:
        rows = PARSERS[command](texts.get(form))
        if rows is not None:
            merged = {**(merged or {}), **rows}
    return merged


def read(texts: Mapping[str, str | None], part: Part) -> Found:
    """``Driver.parse`` of Huawei CE."""
    found = Found(OS)
    for name in ports_of(part):
        found.ports[name] = Port(name)
    version = parse.parse_version(texts.get(VERSION))
    if not version["understood"]:
        if texts.get(VERSION) is not None:
            found.tell(VERSION, "not understood: {}".format(version["reason"]))
        return found
    found.model, found.version = version["model"], version["version"]
    if version["os"] == "vrp5":
        found.tell(VERSION, "VRP5 has no two-stage configuration; it is not configured by this toolkit")
        return found
    tables = {command: _all(command, part, texts) for command in PER_PORT}
    for command, rows in tables.items():
        if rows is None:
            found.tell(command.format(slot=slots(part)[0]), "refused, or its answer was not understood")
    if not ce_config.is_configuration(texts.get(CURRENT)):
        found.tell(CURRENT, "refused, cut, or not understood")
        _links(found, part, texts, tables)
        return found
    tree = ce_config.views(texts.get(CURRENT))
    _whole(found, part, texts, tree)
    buffers = tables["display dcb pfc buffer"] or {}
    layouts = {"hdrm" in queue for queues in buffers.values() for queue in queues.values()}
    profiles = ce_parse.parse_pfc_profiles(texts.get("display dcb pfc-profile"))
    found.own = Configured(
        tree,
        profiles.maximum if profiles else None,
        layouts == {False} if layouts else None,
        frozenset(command for command, rows in tables.items() if rows is not None),
    )
    for port in found.ports.values():
        _port(found, port, part, tables)
    _links(found, part, texts, tables)
    _who(found, texts)
    return found


def _whole(found: Found, part: Part, texts: Mapping[str, str | None], tree: ce_config.Views) -> None:
    system = tree[()]
    pools = {}
    for line in system:
        match = re.match(r"^qos buffer headroom-pool size (\d{1,6}) ([km])bytes slot (\d{1,3})$", line)
        if match:
            pools[int(match.group(3))] = int(match.group(1)) * (1024 if match.group(2) == "m" else 1)
    found.whole.headroom_pool_kib = min(pools.get(slot, 0) for slot in slots(part))
    shown = ce_parse.parse_headroom(texts.get("display qos headroom-usage"))
    if shown is not None and any(pools.get(slot, 0) and not shown.get(slot, 0) for slot in slots(part)):
        found.tell("headroom_pool_kib", "a headroom pool is configured, but display qos headroom-usage shows none")
    found.whole.dscp_mapping = all(f"dcb pfc dscp-mapping enable slot {slot}" in system for slot in slots(part))
    found.whole.pfc_profiles = _profiles(texts.get("display dcb pfc-profile"), tree)
    found.whole.domains = _domains(texts.get("display diffserv domain"), tree)
    found.whole.drop_profiles = _drops(texts.get("display drop-profile"), tree)


def _profiles(text: str | None, tree: ce_config.Views) -> dict[str, PfcProfile]:
    """The switch's table has the priorities, the configuration the times (lines at their default are not shown)."""
    shown = ce_parse.parse_pfc_profiles(text)
    configured: dict[str, list[str]] = {"default": []}
    for line in tree[()]:
        match = re.match(r"^dcb pfc(?: (?!enable|global|dscp-mapping|deadlock|buffer)([\w-]{1,31}))?$", line)
        if match:
            configured[match.group(1) or "default"] = ce_config.lines_of(tree, line)
    profiles = {}
    for name in [*configured, *[each for each in (shown.priorities if shown else {}) if each not in configured]]:
        lines = configured.get(name, [])
        priorities = {DEFAULT_PRIORITY}
        times: dict[str, dict[int, int]] = {kind: {} for kind in DEFAULT_TIMES}
        for line in lines:
            match = re.match(r"^(undo )?priority ([0-7](?: [0-7])*)$", line)
            if match:
                digits = {int(digit) for digit in match.group(2).split()}
                priorities = priorities - digits if match.group(1) else priorities | digits
            match = re.match(
                r"^priority ([0-7]) (deadlock-detect|deadlock-recovery|turn-off) (?:time|threshold) (\d{1,3})$", line
            )
            if match:
                times[match.group(2)][int(match.group(1))] = int(match.group(3))
        if shown is not None and name in shown.priorities:
            priorities = set(shown.priorities[name])
        full = {
            kind: {priority: times[kind].get(priority, default) for priority in priorities}
            for kind, default in DEFAULT_TIMES.items()
        }
        profiles[name] = PfcProfile(
            sorted(priorities), full["deadlock-detect"], full["deadlock-recovery"], full["turn-off"]
        )
    return profiles


def _domains(text: str | None, tree: ce_config.Views) -> dict[str, dict[int, Marking]]:
    shown = ce_parse.parse_domains(text) or {}
    names = ["default", *[line[len("diffserv domain ") :] for line in tree[()] if line.startswith("diffserv domain ")]]
    domains = {}
    for name in dict.fromkeys([*names, *shown]):
        mapping = {dscp: default_marking(dscp) for dscp in range(64)}
        for line in ce_config.lines_of(tree, f"diffserv domain {name}"):
            match = re.match(r"^ip-dscp-inbound (\d{1,2}) phb (\w+)(?: (green|yellow|red))?$", line)
            if match and int(match.group(1)) < 64:
                mapping[int(match.group(1))] = (match.group(2).lower(), match.group(3) or "green")
        mapping.update(shown.get(name, {}))
        domains[name] = mapping
    return domains


def _drops(text: str | None, tree: ce_config.Views) -> dict[str, DropProfile]:
    """Thresholds that mark: a profile's own ECN limits where it has them, else those of green packets."""
    unset = DropProfile(100, 100, 100, "percentage")
    drops = {"default": unset}
    for line in tree[()]:
        if not line.startswith("drop-profile "):
            continue
        rows = {}
        for inner in ce_config.lines_of(tree, line):
            match = re.match(
                r"^(?:color )?(green|ecn) (buffer-size )?(cell )?low-limit (\d{1,9}) high-limit (\d{1,9}) "
                r"discard-percentage (\d{1,3})$",
                inner,
            )
            if match:
                unit = "cells" if match.group(3) else "bytes" if match.group(2) else "percentage"
                low, high, percentage = (int(match.group(index)) for index in (4, 5, 6))
                rows[match.group(1)] = DropProfile(low, high, percentage, unit)
        drops[line[len("drop-profile ") :]] = rows.get("ecn") or rows.get("green") or unset
    for name, drop in (ce_parse.parse_drop_profiles(text) or {}).items():
        marking = drop.ecn or drop.green
        if marking is not None:
            drops[name] = marking
    return drops


def ai_queues(tree: ce_config.Views) -> Sequence[int]:
    """Queues whose ECN limits the switch computes."""
    lines = ce_config.lines_of(tree, "ai-service", "ai-ecn")
    if "ai-ecn enable" not in lines:
        return ()
    queues = [line.split()[2:] for line in lines if line.startswith("assign queue ")]
    return sorted({int(word) for words in queues for word in words if word.isdigit()})


def _port(found: Found, port: Port, part: Part, tables: Mapping[str, dict[str, Any] | None]) -> None:
    tree = found.own.tree
    header = f"interface {port.name}"
    port.exists = header in tree[()]
    if not port.exists:
        found.tell(port.name, "the switch has no such port (is its parent port split as planned?)")
        return
    lines = ce_config.lines_of(tree, header)
    words = {line.split()[0]: line.split() for line in lines}
    trusts = [line for line in lines if re.match(r"^trust (?:dscp|8021p)\b", line)]
    port.trust = "dscp" if "undo portswitch" in lines else "802.1p"
    if trusts:
        port.trust = "dscp" if trusts[-1] == "trust dscp" else "802.1p inner" if "inner" in trusts[-1] else "802.1p"
    port.domain = next((line.split()[2] for line in lines if line.startswith("trust upstream ")), "default")
    shown = (tables["display qos configuration interface"] or {}).get(port.name)
    if shown is not None:
        port.trust, port.domain = shown.trust or port.trust, shown.domain or port.domain
    port.flow_control = "flow-control" in words
    _pfc(found, port, lines, tables["display dcb"])
    queue = part["qos"]["queue"]
    _buffer(port, lines, queue, (tables["display dcb pfc buffer"] or {}).get(port.name, {}).get(queue))
    _ecn(found, port, lines, queue, (tables["display qos ecn threshold"] or {}).get(port.name, {}).get(queue))


def _pfc(found: Found, port: Port, lines: Sequence[str], table: dict[str, Any] | None) -> None:
    enable = next((line.split() for line in lines if re.match(r"^dcb pfc enable\b", line)), None)
    port.pfc.enabled = enable is not None
    if enable is not None:
        rest = enable[3:]
        port.pfc.mode = rest[rest.index("mode") + 1] if "mode" in rest[:-1] else "manual"
        port.pfc.profile = rest[0] if rest and rest[0] != "mode" else "default"
    if table is not None:
        row = table.get(port.name)
        port.pfc.enabled = bool(row is not None and row.enabled)
        if port.pfc.enabled and row is not None:
            port.pfc.mode, port.pfc.profile = row.mode or port.pfc.mode, row.profile or port.pfc.profile
    if "dcb pfc global disable" in found.own.tree[()]:
        port.pfc.enabled = False
    profile = (found.whole.pfc_profiles or {}).get(port.pfc.profile or "")
    port.pfc.priorities = profile.priorities if port.pfc.enabled and profile is not None else None


_SIZES = {"bytes": 1, "kbytes": 1024, "mbytes": 1024 * 1024}


def _buffer(port: Port, lines: Sequence[str], queue: int, shown: Mapping[str, ce_parse.Threshold] | None) -> None:
    for line in lines:
        match = re.match(
            rf"^dcb pfc buffer {queue} (?:xon .*?)?xoff (static|dynamic) (\d{{1,6}})(?: ([km]bytes))?", line
        )
        if match:
            port.buffer.form = match.group(1)
            number = int(match.group(2))
            port.buffer.xoff = number if match.group(1) == "dynamic" else None
            port.buffer.xoff_bytes = number * _SIZES[match.group(3) or "kbytes"] if match.group(1) == "static" else None
        match = re.match(rf"^dcb pfc buffer {queue} hdrm (\d{{1,6}})(?: (kbytes))?$", line)
        if match:
            port.buffer.headroom_bytes = int(match.group(1)) * 1024
    if shown is None:
        return
    if "xoff" in shown:
        port.buffer.form = "dynamic" if shown["xoff"].unit == "dynamic" else "static"
        port.buffer.xoff = shown["xoff"].value if shown["xoff"].unit == "dynamic" else None
        port.buffer.xoff_bytes = shown["xoff"].size
    if "hdrm" in shown:
        port.buffer.headroom_bytes = shown["hdrm"].size


def _ecn(found: Found, port: Port, lines: Sequence[str], queue: int, shown: ce_parse.Ecn | None) -> None:
    ecn = port.ecn
    ecn.profile = next((line.split()[4] for line in lines if line.startswith(f"qos queue {queue} wred ")), None)
    static = f"qos queue {queue} ecn" in lines
    ecn.enabled, ecn.kind = static, "static" if static else None
    drop = (found.whole.drop_profiles or {}).get(ecn.profile or "")
    if drop is not None and drop.unit == "bytes":
        ecn.low_limit_bytes, ecn.high_limit_bytes = drop.low_limit, drop.high_limit
        ecn.discard_percentage = drop.discard_percentage
    if queue in ai_queues(found.own.tree) or (shown is not None and shown.ai):
        ecn.enabled, ecn.kind = True, "ai"
        return
    if shown is None or not static:
        return
    if not shown.high_kib:
        ecn.enabled = False  # configured, but the queue marks nothing
    elif not _near(ecn.low_limit_bytes, shown.low_kib) or not _near(ecn.high_limit_bytes, shown.high_kib):
        ecn.low_limit_bytes, ecn.high_limit_bytes = shown.low_kib * 1024, shown.high_kib * 1024
    if shown.high_kib:
        ecn.discard_percentage = shown.percentage


def _near(size: int | None, kib: int) -> bool:
    """Whether a size is what the switch shows in whole KiB."""
    return size is not None and abs(size - kib * 1024) < 1024


def _links(
    found: Found, part: Part, texts: Mapping[str, str | None], tables: Mapping[str, dict[str, Any] | None]
) -> None:
    """Link, neighbour, optics and counters of the ports."""
    interfaces = tables["display interface"] or ce_links.parse_interface_brief(texts.get(BRIEF)) or {}
    optics = tables["display interface transceiver verbose"]
    neighbors = ce_links.parse_lldp(texts.get(LLDP))
    neighbors = ce_links.parse_lldp(texts.get(LLDP_LONG)) if neighbors is None else neighbors
    if neighbors is None:
        off = "not enabled" in (texts.get(LLDP) or "")
        found.tell(LLDP, "LLDP is off on the switch" if off else "refused, or its answer was not understood")
    queue = part["qos"]["queue"]
    deadlocks = tables["display dcb pfc deadlock trigger status"]
    for port in found.ports.values():
        interface = interfaces.get(port.name)
        if interface is not None:
            port.exists = True
            port.link, port.link_reason = interface.link, interface.reason
            port.speed_mbps, port.max_frame_bytes = interface.speed_mbps, interface.max_frame_bytes
            if interface.flow_control is not None:
                port.flow_control = interface.flow_control
        if neighbors is not None:
            port.neighbor_seen = True
            port.neighbor = next(iter(neighbors.get(port.name, [])), None)
        if optics is not None:
            port.optics = optics.get(port.name) or optics.get(port.name.partition(":")[0]) or {"present": False}
        if deadlocks is not None:
            port.turned_off = deadlocks.get(port.name, {}).get(queue, "").lower() == "turnoff"
        _counters(port, queue, interface, tables)


def _counters(
    port: Port, queue: int, interface: ce_links.Interface | None, tables: Mapping[str, dict[str, Any] | None]
) -> None:
    pfc = (tables["display dcb pfc"] or {}).get(port.name, {}).get(queue)
    dropped = (tables["display qos queue statistics slot {slot}"] or {}).get(port.name, {}).get(queue)
    if dropped is None and interface is not None:
        dropped = ce_links.total_drops(interface)
    port.counters = {
        "crc_errors": interface.crc_errors if interface is not None else None,
        "drops": dropped,
        "pfc_rx_frames": pfc.rx_frames if pfc is not None else None,
        "pfc_tx_frames": pfc.tx_frames if pfc is not None else None,
        "ecn_marked": (tables["display qos ecn statistics"] or {}).get(port.name),
        "deadlocks": pfc.deadlocks if pfc is not None else None,
    }


def _who(found: Found, texts: Mapping[str, str | None]) -> None:
    """Unsaved and uncommitted: what a reboot would lose, and what somebody else is doing."""
    if ce_config.is_configuration(texts.get(SAVED)):
        found.unsaved = ce_config.differences(texts.get(CURRENT), texts.get(SAVED))
    else:
        found.tell(SAVED, "refused, cut, or not understood")
    told = []
    trial = ce_links.parse_trial(texts.get(TRIAL))
    if trial is not None and trial.active:
        left = "" if trial.seconds_left is None else f", {trial.seconds_left} s are left"
        told.append(f"a trial run of the configuration is active{left}; it is undone unless it is confirmed")
    owner = ce_links.parse_exclusive(texts.get(EXCLUSIVE))
    if owner is not None:
        told.append(f"{owner} has locked the configuration (configuration exclusive)")
    else:  # the list of sessions tells the same lock again
        told += [f"{who} holds a lock on the configuration" for who in ce_links.parse_locks(texts.get(SESSIONS)) or []]
    if trial is None and owner is None:
        found.tell("uncommitted", "the switch did not tell about trial runs and locks")
    else:
        found.uncommitted = told
