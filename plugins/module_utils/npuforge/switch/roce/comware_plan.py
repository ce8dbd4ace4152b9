"""The plan of one switch in Comware's own units, and how a configuration differs from it.

Comware counts buffers in cells, whose size is the chip's: without ``cell_bytes`` (of the switch's family) no size can
be turned into a line, and that is said instead of guessed.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from .ce_config import Views, lines_of
from .comware_config import setting, value_of, view_of
from .comware_parse import priorities
from .driver import Part, switch_of

LEVELS = (0, 1, 2)  # green, yellow, red: what the NPU sends is green, but a policer upstream may have coloured it


class Wanted(NamedTuple):
    """What the lines must say. Sizes are cells; None: the plan leaves it, or the size of a cell is not known."""

    dscp: dict[int, int]  # DSCP -> local precedence (queue)
    priority: int
    queue: int
    pool: int | None
    detect: int | None
    recover: int | None
    headroom: int | None
    ingress: str | None  # "dynamic 6", "static 13000"
    low: int | None
    high: int | None
    discard: int | None
    missing: bool  # whether a size was planned that could not be turned into cells


def wanted(part: Part) -> Wanted:
    """:raises KeyError: the part is none of ``switch_part``."""
    switch, qos = switch_of(part), part["qos"]
    buffer = switch.get("buffer") or {}
    cell = switch.get("cell_bytes") or buffer.get("cell_bytes")
    deadlock = part["pfc"].get("deadlock") or {}
    ecn = part.get("ecn") or {}

    def cells(size: int | None) -> int | None:
        return None if size is None or not cell else max(1, round(size / cell))

    pool = switch.get("headroom_pool_kib")
    sizes = [buffer.get("headroom_bytes"), ecn.get("low_limit_bytes"), ecn.get("high_limit_bytes"), pool]
    ingress = None
    if buffer.get("form") == "dynamic" and buffer.get("xoff") is not None:
        ingress = "dynamic {}".format(buffer["xoff"])
    elif buffer.get("form") == "static":
        sizes.append(buffer.get("xoff_bytes"))
        xoff = cells(buffer.get("xoff_bytes"))
        ingress = None if xoff is None else f"static {xoff}"
    dscp = {qos["dscp"]: qos["queue"]}
    if qos.get("cnp"):
        dscp[qos["cnp"]["dscp"]] = qos["cnp"]["queue"]
    return Wanted(
        dscp,
        qos["priority"],
        qos["queue"],
        cells(None if pool is None else pool * 1024),
        deadlock.get("detect_time"),
        deadlock.get("recovery_time"),
        cells(buffer.get("headroom_bytes")),
        ingress,
        cells(ecn.get("low_limit_bytes")),
        cells(ecn.get("high_limit_bytes")),
        ecn.get("discard_percentage"),
        not cell and any(size is not None for size in sizes),
    )


def maps(part: Part, direct: bool) -> dict[str, dict[int, int]]:
    """Which entries the priority maps must have, by map.

    ``direct``: this switch maps a DSCP to a queue in one step (``dscp-lp``). Others do it in two: ``dscp-dot1p`` gives
    the priority that PFC looks at, ``dot1p-lp`` the queue.
    """
    want = wanted(part)
    if direct:
        return {"dscp-lp": dict(want.dscp)}
    qos = part["qos"]
    to_dot1p = {qos["dscp"]: qos["priority"]}
    to_queue = {qos["priority"]: qos["queue"]}
    if qos.get("cnp"):
        to_dot1p[qos["cnp"]["dscp"]] = qos["cnp"]["priority"]
        to_queue[qos["cnp"]["priority"]] = qos["cnp"]["queue"]
    return {"dscp-dot1p": to_dot1p, "dot1p-lp": to_queue}


# H3C S6850/S9850 ACL and QoS configuration guide, appendix: DSCP / 8, and 802.1p 0 and 2 in exchanged places.
_DOT1P_LP = {0: 2, 1: 0, 2: 1, 3: 3, 4: 4, 5: 5, 6: 6, 7: 7}


def default_of(table: str, value: int) -> int:
    """What a priority map gives for a value that nobody configured."""
    return _DOT1P_LP[value] if table == "dot1p-lp" else value // 8


def configured_map(tree: Views, table: str, value: int) -> int | None:
    """What the configuration says about one entry of a map; None: nothing, the default holds."""
    line = value_of(lines_of(tree, f"qos map-table {table}"), f"import {value}")
    match = re.match(r"^import \d+ export (\d+)$", line or "")
    return int(match.group(1)) if match else None


def system_lines(part: Part) -> list[str]:
    """Lines of the system view. The poll interval and delay count in the switch's deadlock precision, which is left."""
    want = wanted(part)
    lines = []
    if want.pool is not None:
        lines.append(f"priority-flow-control poolid 0 headroom {want.pool}")
    if want.detect is not None:
        lines.append(f"priority-flow-control deadlock cos {want.priority} interval {want.detect}")
    if want.recover is not None:
        lines.append(f"priority-flow-control deadlock auto-recover cos {want.priority} delay {want.recover}")
    return lines


def port_lines(part: Part) -> list[str]:
    """Lines of a port, in an order in which each is allowed: thresholds and deadlock detection need PFC to be on."""
    want = wanted(part)
    lines = ["qos trust dscp", "priority-flow-control enable", f"priority-flow-control no-drop dot1p {want.priority}"]
    if want.headroom is not None:
        lines.append(f"priority-flow-control dot1p {want.priority} headroom {want.headroom}")
    if want.ingress is not None:
        lines.append(f"priority-flow-control dot1p {want.priority} ingress-buffer {want.ingress}")
    if want.detect is not None:
        lines.append("priority-flow-control deadlock enable")
    if None not in (want.low, want.high, want.discard):
        # The thresholds before ECN: with ECN on and the defaults of 100 and 1000 cells every burst would be marked.
        lines += [
            f"qos wred queue {want.queue} drop-level {level} low-limit {want.low} high-limit {want.high} "
            f"discard-probability {want.discard}"
            for level in LEVELS
        ]
        lines.append(f"qos wred queue {want.queue} weighting-constant 0")
        lines.append(f"qos wred queue {want.queue} ecn")
    return lines


def effective(tree: Views, port: str) -> list[str] | None:
    """A port's lines, with those of the system view that hold for every port unless it has its own.

    PFC may be configured in both; None: the switch has no such port.
    """
    lines = view_of(tree, port)
    if lines is None:
        return None
    own = {setting(line) for line in lines}
    for line in lines_of(tree):
        if re.match(r"^priority-flow-control (?:enable|auto|no-drop dot1p .*)$", line) and setting(line) not in own:
            lines.append(line)
    return lines


def lossless(lines: list[str]) -> list[int] | None:
    """Which priorities the lines make lossless; None when their list is not understood."""
    line = value_of(lines, "priority-flow-control no-drop dot1p")
    return [] if line is None else priorities(line[len("priority-flow-control no-drop dot1p ") :])


def same(line: str, other: str | None) -> bool:
    """Whether two lines say the same; a list of priorities may be written in several ways."""
    head = "priority-flow-control no-drop dot1p "
    if other is not None and line.startswith(head) and other.startswith(head):
        return priorities(line[len(head) :]) == priorities(other[len(head) :])
    return other is not None and line.lower() == other.lower()
