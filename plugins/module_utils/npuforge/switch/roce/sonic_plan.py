"""What SONiC's CONFIG_DB must hold for the plan, and which fields must be changed for it.

Stock values are replaced; values that people set are conflicts, and a port with one is left alone as a whole unless
they are taken over: half of the settings would be worse than none. The lossless buffer itself is SONiC's
work: buffermgrd makes it from port speed, cable length and the lossless priorities (traditional model), or from a
priority group with profile NULL (dynamic model).
"""

from __future__ import annotations

import copy
from typing import NamedTuple

from .driver import Part, ports_of
from .sonic_config import (
    MAPS,
    STOCK,
    STOCK_LOSSLESS,
    STOCK_WRED,
    Fields,
    Tables,
    cable,
    covering,
    map_name,
    name_of,
    stock,
)
from .sonic_parse import priorities

# Long enough for any cable within a row. Too long costs buffer, too short (or 0m, which makes no lossless buffer at
# all) loses frames.
CABLE = "40m"
# What else a new WRED profile needs; the NPU's packets are green.
_WRED = {"wred_green_enable": "true", "wred_yellow_enable": "true", "wred_red_enable": "true", "ecn": "ecn_all"}


class Wanted(NamedTuple):
    """The plan in SONiC's words; times in milliseconds. A traffic class is the PFC priority of the same number."""

    classes: dict[int, int]  # DSCP -> traffic class
    queues: dict[int, int]  # traffic class -> queue
    priority: int
    queue: int
    detection_ms: int | None
    restoration_ms: int | None
    wred: Fields
    headroom_bytes: int | None
    dynamic: int | None


def wanted(part: Part, tables: Tables | None = None) -> Wanted:
    """:param tables: the watchdog must not detect faster than it polls (``PFC_WD|GLOBAL POLL_INTERVAL``)."""
    qos, deadlock, ecn = part["qos"], part["pfc"].get("deadlock") or {}, part.get("ecn") or {}
    buffer = next(iter(part["switches"].values())).get("buffer") or {}
    classes, queues = {qos["dscp"]: qos["priority"]}, {qos["priority"]: qos["queue"]}
    if qos.get("cnp"):
        classes[qos["cnp"]["dscp"]] = qos["cnp"]["priority"]
        queues[qos["cnp"]["priority"]] = qos["cnp"]["queue"]
    poll = (tables or {}).get("PFC_WD", {}).get("GLOBAL", {}).get("POLL_INTERVAL", "")
    least = max(100, int(poll) if poll.isdigit() else 0)

    def milliseconds(units: int | None, most: int) -> int | None:
        return None if units is None else min(max(units * 10, least), most)

    limits = {
        "green_min_threshold": ecn.get("low_limit_bytes"),
        "green_max_threshold": ecn.get("high_limit_bytes"),
        "green_drop_probability": ecn.get("discard_percentage"),
    }
    whole = all(value is not None for value in limits.values())
    return Wanted(
        classes,
        queues,
        qos["priority"],
        qos["queue"],
        milliseconds(deadlock.get("detect_time"), 5000),
        milliseconds(deadlock.get("recovery_time"), 60000),
        {field: str(value) for field, value in limits.items()} if whole else {},
        buffer.get("headroom_bytes"),
        buffer.get("xoff") if buffer.get("form") == "dynamic" else None,
    )


class Changes(NamedTuple):
    """``after``: the tables as they are to be; ``conflicts``: what people set otherwise."""

    before: Tables
    after: Tables
    conflicts: list[str]


class _Work:
    """The tables while they are changed."""

    def __init__(self, tables: Tables, takeover: bool) -> None:
        self.before = tables
        self.tables = copy.deepcopy(tables)
        self.takeover = takeover
        self.conflicts: list[str] = []
        self.hit = False

    def put(self, table: str, key: str, field: str, value: str) -> None:
        """Set a field where nobody, or only the image, set it otherwise."""
        row = self.tables.setdefault(table, {}).setdefault(key, {})
        old = row.get(field)
        if old == value:
            return
        if old is not None and old != stock(table, key, field):
            self.conflict(f"{table}|{key}: {field} is {old}, planned {value}")
            if not self.takeover:
                return
        row[field] = value

    def conflict(self, sentence: str) -> None:
        self.hit = True
        if sentence not in self.conflicts:
            self.conflicts.append(sentence)


def changes(part: Part, tables: Tables, takeover: bool = False) -> Changes:
    """What is to be, for the planned ports that the switch has."""
    work = _Work(tables, takeover)
    want = wanted(part, tables)
    for port in ports_of(part):
        if port not in tables.get("PORT", {}):
            work.conflict(f"{port}: the switch has no such port")
            continue
        kept, work.hit = copy.deepcopy(work.tables), False
        _maps(work, port, want)
        _lossless(work, port, want)
        _ecn(work, port, want)
        _watchdog(work, port, want)
        _buffer(work, port, want)
        if work.hit and not takeover:
            work.tables = kept
    # A row that was only looked at is none.
    after = {
        table: {key: row for key, row in rows.items() if row or key in tables.get(table, {})}
        for table, rows in work.tables.items()
    }
    return Changes(tables, {table: rows for table, rows in after.items() if rows or table in tables}, work.conflicts)


def _maps(work: _Work, port: str, want: Wanted) -> None:
    names = {}
    for field, table in MAPS:
        name = map_name(work.tables, port, field)
        if name is None:
            name = (
                STOCK if STOCK in work.tables.get(table, {}) else next(iter(sorted(work.tables.get(table, {}))), STOCK)
            )
            work.put("PORT_QOS_MAP", port, field, name)
        names[table] = name
    for dscp, traffic_class in sorted(want.classes.items()):
        work.put("DSCP_TO_TC_MAP", names["DSCP_TO_TC_MAP"], str(dscp), str(traffic_class))
    for traffic_class, queue in sorted(want.queues.items()):
        work.put("TC_TO_QUEUE_MAP", names["TC_TO_QUEUE_MAP"], str(traffic_class), str(queue))
    # Only the lossless class has a group of its own: PFC pauses priority n for what is in group n.
    work.put("TC_TO_PRIORITY_GROUP_MAP", names["TC_TO_PRIORITY_GROUP_MAP"], str(want.priority), str(want.priority))
    work.put("MAP_PFC_PRIORITY_TO_QUEUE", names["MAP_PFC_PRIORITY_TO_QUEUE"], str(want.priority), str(want.queue))


def _lossless(work: _Work, port: str, want: Wanted) -> None:
    row = work.tables.get("PORT_QOS_MAP", {}).get(port, {})
    for field in ("pfc_enable", "pfcwd_sw_enable"):
        listed = priorities(row.get(field, ""))
        if listed == [want.priority]:
            continue
        if listed is None or (set(listed) - {want.priority} and row[field] != STOCK_LOSSLESS):
            work.conflict(f"{port}: {field} is {row[field]}, planned {want.priority}")
        work.tables.setdefault("PORT_QOS_MAP", {}).setdefault(port, {})[field] = str(want.priority)
    if work.tables["PORT"][port].get("pfc_asym", "off") != "off":
        work.put("PORT", port, "pfc_asym", "off")


def _ecn(work: _Work, port: str, want: Wanted) -> None:
    if not want.wred:
        return
    key = covering(work.tables, "QUEUE", port, want.queue)
    name = name_of(work.tables.get("QUEUE", {}).get(key or "", {}).get("wred_profile")) or STOCK_WRED
    profiles = work.tables.setdefault("WRED_PROFILE", {})
    if name not in profiles:
        colors = {
            f"{color}_{field[len('green_') :]}": value
            for field, value in want.wred.items()
            for color in ("green", "yellow", "red")
        }
        profiles[name] = {**_WRED, **colors}
    for field, value in want.wred.items():
        work.put("WRED_PROFILE", name, field, value)
    for field, value in (("wred_green_enable", "true"), ("ecn", "ecn_all")):
        if field == "ecn" and "green" in profiles[name].get("ecn", ""):
            continue  # ecn_green, ecn_green_yellow: green packets are marked
        work.put("WRED_PROFILE", name, field, value)
    queue = key or f"{port}|{want.queue}"
    if name_of(work.tables.get("QUEUE", {}).get(queue, {}).get("wred_profile")) == name:
        return
    if queue != f"{port}|{want.queue}":
        work.conflict(f"QUEUE|{queue}: it has no WRED profile and holds for more than {port} queue {want.queue}")
    work.put("QUEUE", queue, "wred_profile", name)


def _watchdog(work: _Work, port: str, want: Wanted) -> None:
    if want.detection_ms is None or want.restoration_ms is None:
        return
    work.put("PFC_WD", port, "action", "drop")
    work.put("PFC_WD", port, "detection_time", str(want.detection_ms))
    work.put("PFC_WD", port, "restoration_time", str(want.restoration_ms))


def _buffer(work: _Work, port: str, want: Wanted) -> None:
    known = cable(work.tables, port)
    if known is None or known[1] == "0m":
        key = known[0] if known else next(iter(sorted(work.tables.get("CABLE_LENGTH", {}))), STOCK)
        work.tables.setdefault("CABLE_LENGTH", {}).setdefault(key, {})[port] = CABLE
    if work.tables.get("DEVICE_METADATA", {}).get("localhost", {}).get("buffer_model") != "dynamic":
        return
    group = covering(work.tables, "BUFFER_PG", port, want.priority)
    if group is None:
        work.put("BUFFER_PG", f"{port}|{want.priority}", "profile", "NULL")
    elif not lossless_profile(work.tables, group):
        profile = work.tables["BUFFER_PG"][group].get("profile")
        work.conflict(f"BUFFER_PG|{group}: profile is {profile}, which is not lossless, planned NULL (computed)")
        if work.takeover and group == f"{port}|{want.priority}":
            work.tables["BUFFER_PG"][group]["profile"] = "NULL"


def lossless_profile(tables: Tables, group: str) -> bool:
    """Whether a priority group is lossless: computed by SONiC, or with a profile that has headroom (``xoff``)."""
    name = name_of(tables.get("BUFFER_PG", {}).get(group, {}).get("profile"))
    if name is None:
        return False
    return name == "NULL" or name.startswith("pg_lossless_") or "xoff" in tables.get("BUFFER_PROFILE", {}).get(name, {})
