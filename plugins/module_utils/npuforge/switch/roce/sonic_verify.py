"""Where a SONiC switch is not the plan: sentences that name object, setting, what is and what was planned."""

from __future__ import annotations

from .driver import Part, ports_of
from .model import Differences, Found, Port, PortDifferences
from .sonic_config import Tables, cable, chain, covering, map_name, name_of
from .sonic_parse import Watchdog
from .sonic_plan import Wanted, lossless_profile, wanted


def verify(
    part: Part,
    found: Found,
    tables: Tables | None,
    watchdog: dict[str, Watchdog] | None,
    applied: Tables | None,
) -> Differences:
    """Compare. A switch has nothing of its own besides its ports here; maps are told where ports use them.

    ``applied``: the buffers in effect. Without them a buffer that CONFIG_DB does not name may still be there.
    """
    differences = Differences()
    differences.whole = None if tables is None else []
    want = wanted(part, tables)
    for name in ports_of(part):
        port = found.ports.get(name)
        told = PortDifferences()
        differences.ports[name] = told
        if tables is None or port is None:
            continue
        if name not in tables.get("PORT", {}):
            told.trust = [f"{name}: the switch has no such port"]
            continue
        told.trust = _trust(name, tables, want)
        told.pfc = _pfc(name, port, tables, want, watchdog)
        told.buffer = _buffer(name, tables, want, applied)
        told.ecn = _ecn(name, port, tables, want)
    return differences


def _trust(name: str, tables: Tables, want: Wanted) -> list[str]:
    if map_name(tables, name, "dscp_to_tc_map") is None:
        row = tables.get("PORT_QOS_MAP", {}).get(name, {})
        return [f"{name}: trust is {'802.1p' if 'dot1p_to_tc_map' in row else 'none'}, planned dscp"]
    told = []
    for dscp, traffic_class in sorted(want.classes.items()):
        is_now = chain(tables, name, dscp)
        used = map_name(tables, name, "dscp_to_tc_map")
        if is_now.traffic_class != str(traffic_class):
            told.append(
                f"{name}: DSCP {dscp} becomes traffic class {is_now.traffic_class or 'none'} (map {used}), "
                f"planned {traffic_class}"
            )
        elif is_now.queue != str(want.queues[traffic_class]):
            told.append(
                f"{name}: traffic class {traffic_class} becomes queue {is_now.queue or 'none'}, "
                f"planned {want.queues[traffic_class]}"
            )
    return told


def _pfc(name: str, port: Port, tables: Tables, want: Wanted, watchdog: dict[str, Watchdog] | None) -> list[str] | None:
    told = []
    listed = port.pfc.priorities
    if listed is not None and listed != [want.priority]:
        words = ", ".join(str(each) for each in listed) or "none"
        told.append(f"{name}: lossless priorities are {words}, planned {want.priority}")
    if tables["PORT"][name].get("pfc_asym", "off") != "off":
        told.append(f"{name}: asymmetric PFC is on, planned off")
    group = tables.get("TC_TO_PRIORITY_GROUP_MAP", {}).get(map_name(tables, name, "tc_to_pg_map") or "", {})
    if group.get(str(want.priority)) != str(want.priority):
        told.append(
            f"{name}: traffic class {want.priority} becomes priority group {group.get(str(want.priority), 'none')}, "
            f"planned {want.priority}"
        )
    queues = tables.get("MAP_PFC_PRIORITY_TO_QUEUE", {}).get(map_name(tables, name, "pfc_to_queue_map") or "", {})
    if queues.get(str(want.priority)) != str(want.queue):
        told.append(
            f"{name}: PFC of priority {want.priority} pauses queue {queues.get(str(want.priority), 'none')}, "
            f"planned {want.queue}"
        )
    if port.turned_off:
        told.append(f"{name}: queue {want.queue} is in a pause storm and drops (PFC watchdog), planned none")
    return (told + _watchdog(name, tables, want, watchdog)) or ([] if listed is not None else None)


def _watchdog(name: str, tables: Tables, want: Wanted, shown: dict[str, Watchdog] | None) -> list[str]:
    if want.detection_ms is None or want.restoration_ms is None:
        return []
    row = tables.get("PFC_WD", {}).get(name)
    if row is None:
        return [f"{name}: the PFC watchdog is off, planned on"]
    told = []
    planned = (("action", "drop"), ("detection_time", want.detection_ms), ("restoration_time", want.restoration_ms))
    for field, value in planned:
        if row.get(field) != str(value):
            told.append(f"{name}: {field} of the PFC watchdog is {row.get(field, 'not set')}, planned {value}")
    watched = tables.get("PORT_QOS_MAP", {}).get(name, {}).get("pfcwd_sw_enable")
    if watched is not None and str(want.priority) not in watched.split(","):
        told.append(f"{name}: the PFC watchdog watches priorities {watched or 'none'}, planned {want.priority}")
    if shown is not None and name not in shown and not told:
        told.append(f"{name}: the PFC watchdog is configured but does not run (pfcwd show config), planned running")
    return told


def _buffer(name: str, tables: Tables, want: Wanted, applied: Tables | None) -> list[str] | None:
    known = cable(tables, name)
    told = []
    if known is None or known[1] == "0m":
        length = "not set" if known is None else "0m"
        told.append(f"{name}: cable length is {length}, planned the cable's (without it there is no lossless buffer)")
    source = tables if applied is None else applied
    group = covering(source, "BUFFER_PG", name, want.priority)
    if group is None:
        if applied is None:
            return told or None
        return [*told, f"{name}: priority group {want.priority} has no buffer in effect, planned a lossless one"]
    profile = name_of(source["BUFFER_PG"][group].get("profile"))
    if not lossless_profile(source, group):
        told.append(f"{name}: buffer profile of priority group {want.priority} is {profile}, planned a lossless one")
        return told
    values = source.get("BUFFER_PROFILE", {}).get(profile or "", {})
    for field, value in (("xoff", want.headroom_bytes), ("dynamic_th", want.dynamic)):
        if value is not None and values.get(field) not in (None, str(value)):
            told.append(f"{name}: {field} of buffer profile {profile} is {values[field]}, planned {value}")
    return told


def _ecn(name: str, port: Port, tables: Tables, want: Wanted) -> list[str]:
    if not want.wred:
        return []
    if port.ecn.profile is None:
        return [f"{name}: ECN of queue {want.queue} is off (no WRED profile), planned on"]
    row = tables.get("WRED_PROFILE", {}).get(port.ecn.profile)
    if row is None:
        return [f"{name}: WRED profile {port.ecn.profile} of queue {want.queue} is not there, planned one"]
    told = []
    if not port.ecn.enabled:
        told.append(f"{name}: ECN of queue {want.queue} is {row.get('ecn', 'off')}, planned on for green packets")
    for field, value in want.wred.items():
        if row.get(field) != value:
            told.append(f"{name}: {field} of {port.ecn.profile} is {row.get(field, 'not set')}, planned {value}")
    return told
