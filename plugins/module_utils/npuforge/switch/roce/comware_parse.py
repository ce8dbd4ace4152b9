"""What H3C and HPE Comware switches print about PFC, priority maps, WRED and dropped packets.

Followed: H3C S6850/S9850 and S9825/S9855 (R913x) command references (display priority-flow-control in its two layouts,
display qos map-table, display qos wred interface and table, display packet-drop), and the layouts that deployed
tooling reads off HPE and H3C switches. Every parser gives None when the text is not that command's answer, and skips
rows that it does not understand; nothing here raises on any text.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from .. import parse
from .comware_names import canonical, is_port

# What Comware answers instead of doing something. "^" stands under the word that is wrong.
REFUSED = re.compile(
    r"^\s*(?:%\s*(?:Unrecognized|Incomplete|Ambiguous|Wrong|Too many)|Error\s*:|\^\s*$|"
    r"(?:The|This) (?:operation|command) (?:is not supported|failed|cannot)|Permission denied|"
    r"Failed to|Operation failed|Insufficient|Not enough|Can'?not\b|Invalid\b)",
    re.MULTILINE | re.IGNORECASE,
)
_COUNT = re.compile(r"^\d{1,20}$")


def refused(text: str | None) -> str | None:
    """The switch's complaint as one line, or None when there is none."""
    cleaned = parse.clean(text)
    match = REFUSED.search(cleaned)
    if match is None:
        return None
    rest = [line.strip() for line in cleaned[match.start() :].split("\n") if line.strip() and line.strip() != "^"]
    return rest[0] if rest else "the command is not accepted"


def priorities(text: str) -> list[int] | None:
    """``3``, ``3,4`` or ``1,3-5`` as a sorted list; None for anything else, ``[]`` for a dash or nothing."""
    if text.strip() in ("", "-", "--", "None", "none"):
        return []
    found: set[int] = set()
    for part in re.split(r"[,\s]+", text.strip()):
        match = re.match(r"^([0-7])(?:-([0-7]))?$", part)
        if match is None or int(match.group(2) or match.group(1)) < int(match.group(1)):
            return None
        found.update(range(int(match.group(1)), int(match.group(2) or match.group(1)) + 1))
    return sorted(found)


class PfcRow(NamedTuple):
    """PFC of one port. ``mode``: enabled, disabled or auto as configured; ``active``: what it came to.

    ``priorities`` None: the table does not show them; ``received`` and ``sent``: pause frames by priority.
    """

    mode: str | None
    active: bool | None
    priorities: list[int] | None
    received: dict[int, int]
    sent: dict[int, int]


_MODES = {
    "enabled": "enabled",
    "enable": "enabled",
    "on": "enabled",
    "disabled": "disabled",
    "disable": "disabled",
    "off": "disabled",
    "auto": "auto",
}
_HEADER = re.compile(r"^\s*Interface\s+(?:AdminMode\s+OperMode|Conf\s+Ne)\s+Dot1pList\s+(Prio|P)\s+Recv\b")


def parse_pfc(text: str | None) -> dict[str, PfcRow] | None:
    """``display priority-flow-control interface``: ``{port: PfcRow}`` by long name.

    The layout until R66xx is ``Interface Conf Ne Dot1pList P Recv Send Inpps Outpps``, that of R913x ``Interface
    AdminMode OperMode Dot1pList Prio Recv Send Inpps Outpps``. Both leave Dot1pList blank when there is none (so its
    place in the line tells), name a port only in the first of its rows, and a narrow terminal breaks lines. A port
    whose rows are not whole has neither priorities nor counters.
    """
    rows: dict[str, PfcRow] | None = None
    record: list[str] = []
    width, edge, listed = 3, 0, False
    for line in [*parse.clean(text).split("\n"), ""]:
        words = line.split()
        header = _HEADER.match(line)
        if header:
            _take(rows, record, width, listed)
            record, rows = [], {} if rows is None else rows
            width, edge = 5 if "Inpps" in words else 3, header.start(1)
        elif rows is None:
            continue
        elif "Inpps" in words and not record:
            width = 5
        elif len(words) > 1 and is_port(words[0]) and words[1].lower() in _MODES:
            _take(rows, record, width, listed)
            record = words
            place = re.match(r"^\s*\S+\s+\S+\s+\S+\s+", line)
            listed = place is not None and place.end() < edge and len(words) > 3
        elif record and words and all(_COUNT.match(word) for word in words):
            record = record + words
        elif not words or not re.match(r"^-+$", words[0]):
            _take(rows, record, width, listed)
            record = []
    return rows


def _take(rows: dict[str, PfcRow] | None, record: list[str], width: int, listed: bool) -> None:
    """One port's words: name, configured, operative, [Dot1pList], and ``width`` numbers for each priority."""
    if rows is None or len(record) < 3 or record[2].lower() not in _MODES:
        return
    mode = _MODES[record[1].lower()]
    active = {"enabled": True, "disabled": False}.get(_MODES[record[2].lower()])
    numbers = record[4:] if listed else record[3:]
    found = priorities(record[3]) if listed else []
    row = PfcRow(mode, active, found, {}, {})
    if len(numbers) % width or not numbers:
        row = row._replace(priorities=None)
    else:
        for start in range(0, len(numbers), width):
            priority, received, sent = numbers[start : start + 3]
            if re.match(r"^[0-7]$", priority):
                row.received.setdefault(int(priority), int(received))
                row.sent.setdefault(int(priority), int(sent))
    rows.setdefault(canonical(record[0]), row)


def parse_map(text: str | None, name: str) -> dict[int, int] | None:
    """``display qos map-table <name>``: ``{import: export}``, only as far as the table is whole pairs.

    Rows are ``33    :    4``; the heading ``MAP-TABLE NAME: dscp-lp   TYPE: pre-define`` must name the table.
    """
    table: dict[int, int] | None = None
    inside = False
    for line in parse.clean(text).split("\n"):
        heading = re.match(r"^\s*MAP-TABLE NAME\s*:\s*(\S+)", line)
        if heading:
            inside = heading.group(1).lower() == name
            table = {} if inside and table is None else table
        match = re.match(r"^\s*(\d{1,2})\s*:\s*(\d{1,2})\s*$", line)
        if match and inside and table is not None and int(match.group(1)) < 64:
            table.setdefault(int(match.group(1)), int(match.group(2)))
    return table


class WredRow(NamedTuple):
    """WRED of one queue, in the switch's own unit (cells), by drop level: ``{0: (low, high, per cent)}``."""

    levels: dict[int, tuple[int, int, int]]
    exponent: int
    ecn: bool


_WRED_HEADER = re.compile(
    r"^\s*QID:?\s+gmin\s+gmax\s+gprob\s+ymin\s+ymax\s+yprob\s+rmin\s+rmax\s+rprob\s+exponent\s+ECN"
)


class Wred(NamedTuple):
    """``table``: the WRED table that the port applies; ``queues``: by queue, of the port itself."""

    table: str | None
    queues: dict[int, WredRow]


def parse_wred(text: str | None) -> dict[str, Wred] | None:
    """``display qos wred interface``: ``{port: Wred}``.

    A port shows ``Applied WRED table name: x``, or its own thresholds as the rows of a WRED table (``QID gmin gmax
    gprob ymin ymax yprob rmin rmax rprob exponent ECN``).
    """
    ports: dict[str, Wred] | None = None
    port: str | None = None
    header = False
    for line in parse.clean(text).split("\n"):
        match = re.match(r"^\s*Interface\s*:\s*(\S+)\s*$", line)
        if match:
            ports = {} if ports is None else ports
            port, header = canonical(match.group(1)), False
            ports.setdefault(port, Wred(None, {}))
            continue
        if port is None or ports is None:
            continue
        match = re.match(r"^\s*Applied WRED table name\s*:\s*(\S+)\s*$", line)
        if match:
            ports[port] = ports[port]._replace(table=match.group(1))
        elif _WRED_HEADER.match(line):
            header = True
        elif header:
            words = line.split()
            numbers = words[:-1]
            if len(words) == 12 and all(re.match(r"^\d{1,9}$", word) for word in numbers) and words[-1] in ("Y", "N"):
                n = [int(word) for word in numbers]
                levels = {level: (n[1 + 3 * level], n[2 + 3 * level], n[3 + 3 * level]) for level in range(3)}
                ports[port].queues.setdefault(n[0], WredRow(levels, n[10], words[-1] == "Y"))
    return ports


def parse_packet_drop(text: str | None) -> dict[str, int] | None:
    """``display packet-drop interface``: ``{port: packets lost for want of buffer}``, the loss that PFC must prevent.

    Two wordings are known: ``Packets dropped due to full GBP or insufficient bandwidth: 301`` and ``Packets dropped due
    to insufficient data buffer. Input dropped: 0 Output dropped: 0``. A port of which only part is shown has none.
    """
    ports: dict[str, int] = {}
    seen = False
    port: str | None = None
    for line in parse.clean(text).split("\n"):
        heading = re.match(r"^\s*(\S+\d):\s*$", line)
        if heading:
            port, seen = (canonical(heading.group(1)), True) if is_port(heading.group(1)) else (None, seen)
            continue
        one = re.match(r"^\s*Packets dropped due to full GBP or insufficient bandwidth\s*:\s*(\d{1,20})\s*$", line)
        two = re.match(
            r"^\s*Packets dropped due to insufficient data buffer\.\s*Input dropped:\s*(\d{1,20})\s*"
            r"Output dropped:\s*(\d{1,20})\s*$",
            line,
        )
        match = one or two
        if match and port is not None:
            ports.setdefault(port, sum(int(number) for number in match.groups()))
    return ports if seen else None


def parse_version(text: str | None) -> dict[str, str | None] | None:
    """``display version``: ``{model, version}``: ``H3C S9825-64D``, ``7.1.070, Release 6710``; None: not Comware."""
    cleaned = parse.clean(text)
    match = re.search(
        r"(?m)^\s*(?:H3C|HPE|HP)? ?Comware(?: Platform)? Software, Version (\S+?),? "
        r"(?:Release |ESS |Feature |Alpha )?(\S+)",
        cleaned,
    )
    if match is None:
        return None
    model = re.search(r"(?m)^\s*((?:H3C|HPE|HP)\s+\S.*?) uptime is ", cleaned)
    return {"version": f"{match.group(1)}, {match.group(2).rstrip(',')}", "model": model.group(1) if model else None}


def parse_unsaved(text: str | None) -> list[str] | None:
    """``display current-configuration diff``: what running and next-startup configuration do not share.

    Lines with ``+`` are only running, with ``-`` only saved; ``[]``: nothing differs. None: refused or something else
    (the command is there from 7.1.070 on).
    """
    cleaned = parse.clean(text)
    if text is None or refused(cleaned):
        return None
    lines = [line.rstrip() for line in cleaned.split("\n") if line.strip() and not re.match(r"^\s*[<\[]", line)]
    if not lines:
        return []
    if not any(re.match(r"^(?:---|\+\+\+|@@)", line) for line in lines):
        return None
    return [line for line in lines if re.match(r"^[+-](?![+-]{2})", line) and line[1:].strip() not in ("", "#")]
