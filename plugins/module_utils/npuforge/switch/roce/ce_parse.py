"""What Huawei CE switches print about PFC, QoS and ECN, as typed rows.

Followed: Huawei CE6800/CE8800 V300R023C00 command reference (display dcb, dcb pfc, dcb pfc-profile, dcb pfc buffer in
its two layouts, dcb pfc deadlock trigger status, diffserv domain, drop-profile, qos configuration, qos ecn threshold,
qos ecn statistics, qos headroom-usage, qos queue statistics). Every parser gives None when the text is not that
command's answer, and skips rows that it does not understand; nothing here raises on any text. Where the manual closes a
table with a rule, a row is believed only if a rule follows: a text that was cut shows no number that was cut.
"""

from __future__ import annotations

import re
from typing import Iterator, NamedTuple

from .. import parse
from .model import DropProfile, Marking

_RULE = re.compile(r"^\s*-{20,}\s*$")
# Interface names as they stand in the first column: 400GE1/0/6:1, Eth-Trunk1, 10GE1/0/1.5
NAME = r"[A-Za-z0-9][\w-]*\d(?:/\d+)*(?::\d+)?(?:\.\d+)?(?:\(\w+\))?"


class Threshold(NamedTuple):
    """One cell of a buffer table: ``unit`` is bytes, kib or dynamic."""

    value: int
    unit: str

    @property
    def size(self) -> int | None:
        """Bytes, or None for a dynamic alpha."""
        return {"bytes": self.value, "kib": self.value * 1024}.get(self.unit)


class Ecn(NamedTuple):
    """Limits of one queue: KiB, per cent; ``ai``: computed by the switch. All zero: ECN is off."""

    low_kib: int
    high_kib: int
    percentage: int
    ai: bool


def name(text: str) -> str:
    """An interface's name without what brief tables put behind it: ``40GE1/0/1:1(10GE)``."""
    return re.sub(r"\(\w+\)$", "", text)


def table(text: str | None, header: str, closed: bool = True) -> list[list[str]] | None:
    """The words of each row under a header that matches, rules left out; None when the header is not there.

    Rows that begin with a blank keep ``""`` as their first word: the first column of the row above holds.
    ``closed``: only rows that a rule follows.
    """
    rows: list[list[str]] | None = None
    sure = 0
    for line in parse.clean(text).replace("\t", " ").split("\n"):
        if rows is None:
            if re.match(header, line.rstrip()):
                rows = []
            continue
        if _RULE.match(line):
            sure = len(rows)
        elif line.strip():
            rows.append(([""] if line[0] == " " else []) + line.split())
    if rows is None:
        return None
    return rows[:sure] if closed else rows


def _filled(rows: list[list[str]] | None) -> Iterator[tuple[str, list[str]]]:
    """(interface, the other words) of each row, blank interfaces taken from above."""
    above = None
    for row in rows or []:
        if row[0]:
            above = name(row[0]) if re.match(rf"^{NAME}$", row[0]) else None
        if above is not None:
            yield above, row[1:]


def _whole(word: str) -> int | None:
    return int(word) if re.match(r"^\d{1,19}$", word) else None


class Dcb(NamedTuple):
    """One row of ``display dcb``."""

    profile: str | None
    enabled: bool | None
    mode: str | None


def parse_dcb(text: str | None) -> dict[str, Dcb] | None:
    """``display dcb``: PFC profile, state and mode of each port. Ports without PFC may be missing."""
    rows = table(text, r"^Interface\s+PFC Name\s+PFC Status\b")
    if rows is None:
        return None
    found = {}
    for port, cells in _filled(rows):
        if len(cells) < 2:
            continue
        match = re.match(r"^(ENABLE|DISABLE|-)(?:\((M|A)\))?$", cells[1], re.IGNORECASE)
        if match is None:
            continue
        enabled = match.group(1).upper() == "ENABLE"
        mode = {"M": "manual", "A": "auto"}.get((match.group(2) or "").upper())
        found[port] = Dcb(parse.value(cells[0]), enabled, mode if enabled else None)
    return found


class Profiles(NamedTuple):
    """``display dcb pfc-profile``: how many there may be, and the priorities of each."""

    maximum: int | None
    priorities: dict[str, list[int]]


def parse_pfc_profiles(text: str | None) -> Profiles | None:
    """``display dcb pfc-profile``."""
    rows = table(text, r"^PFC-profile Name\s+Priority\s*$")
    if rows is None:
        return None
    found: dict[str, list[int]] = {}
    for row in rows:
        if not row[0] or not all(re.match(r"^[0-7](?:[,;][0-7])*[,;]?$|^-$", word) for word in row[1:]):
            continue
        found[row[0]] = sorted({int(digit) for word in row[1:] for digit in re.findall(r"[0-7]", word)})
    maximum = re.search(r"(?mi)^PFC-Profile Maximum:\s*(\d{1,4})\s*$", parse.clean(text))
    return Profiles(int(maximum.group(1)) if maximum else None, found)


class Pfc(NamedTuple):
    """Frames and deadlocks of one queue since the counters were cleared."""

    rx_frames: int
    tx_frames: int
    deadlocks: int
    recoveries: int


def parse_pfc(text: str | None) -> dict[str, dict[int, Pfc]] | None:
    """``display dcb pfc``: two lines per row, the second with what was sent."""
    rows = table(text, r"^Interface\s+Queue\s+Received\(Frames\)")
    if rows is None:
        return None
    found: dict[str, dict[int, Pfc]] = {}
    above: tuple[str, int, int, int] | None = None
    port = None
    for row in rows:
        if row[0].startswith("Transmitted") or (len(row) > 1 and row[1].startswith("Transmitted")):
            continue
        numbers = [_whole(word) for word in row[1:]]
        if row[0]:
            port = name(row[0]) if re.match(rf"^{NAME}$", row[0]) else None
        if None in numbers:
            above = None
        elif len(numbers) == 4 and port is not None:
            queue, received, _, deadlocks = [number or 0 for number in numbers]
            above = (port, queue, received, deadlocks) if queue < 8 else None
        elif len(numbers) == 3 and not row[0] and above is not None:
            sent, _, recoveries = [number or 0 for number in numbers]
            found.setdefault(above[0], {})[above[1]] = Pfc(above[2], sent, above[3], recoveries)
            above = None
        else:
            above = None
    return found


_COLUMNS = {"guaranteed": "guaranteed", "xon-lowest": "xon_lowest", "xon-offset": "xon_offset", "xon": "xon"}
_COLUMNS.update({"xoff": "xoff", "hdrm": "hdrm"})


def parse_pfc_buffer(text: str | None) -> dict[str, dict[int, dict[str, Threshold]]] | None:
    """``display dcb pfc buffer``: ``{port: {queue: {guaranteed, xon_lowest, xon_offset, xon, xoff, hdrm}}}``.

    Only the columns that the model's layout has (with Hdrm: CE8855, CE6885 and kin; Xon and Xoff alone: CE6866 and
    kin). Effective values: the switch rounds up to its blocks of 320 bytes or less.
    """
    header = re.search(r"(?m)^Interface\s+Queue\s+(\S.*?)\s*$", parse.clean(text).replace("\t", " "))
    rows = table(text, r"^Interface\s+Queue\s+(?:Guaranteed|Xon)")
    if header is None or rows is None:
        return None
    columns = [_COLUMNS.get(word.lower()) for word in header.group(1).split()]
    found: dict[str, dict[int, dict[str, Threshold]]] = {}
    for port, cells in _filled(rows):
        if len(cells) != len(columns) + 1 or not re.match(r"^[0-7]$", cells[0]):
            continue
        queue: dict[str, Threshold] = {}
        for column, cell in zip(columns, cells[1:]):
            match = re.match(r"^(\d{1,9})\(([BKD])\)$", cell)
            if column and match:
                queue[column] = Threshold(
                    int(match.group(1)), {"B": "bytes", "K": "kib", "D": "dynamic"}[match.group(2)]
                )
        found.setdefault(port, {})[int(cells[0])] = queue
    return found


def parse_deadlock(text: str | None) -> dict[str, dict[int, str]] | None:
    """``display dcb pfc deadlock trigger status``: ``{port: {queue: TurnOff|LinkUp|LinkDown|ErrorDown|ShutDown}}``."""
    rows = table(text, r"^Interface\s+Queue\s+TriggerMode\s+Threshold\s+Status\s*$")
    if rows is None:
        return None
    found: dict[str, dict[int, str]] = {}
    for port, cells in _filled(rows):
        if len(cells) == 4 and re.match(r"^[0-7]$", cells[0]) and cells[3].isalpha():
            found.setdefault(port, {})[int(cells[0])] = cells[3]
    return found


def parse_domains(text: str | None) -> dict[str, dict[int, Marking]] | None:
    """``display diffserv domain``: what each DSCP becomes on the way in, domain by domain."""
    found: dict[str, dict[int, Marking]] = {}
    lines: dict[int, Marking] | None = None
    for line in parse.clean(text).split("\n"):
        match = re.match(r"^\s*Diffserv domain name\s*:\s*(\S+)\s*$", line, re.IGNORECASE)
        if match:
            lines = found.setdefault(match.group(1), {})
            continue
        match = re.match(r"^\s*ip-dscp-inbound\s+(\d{1,2})\s+phb\s+(\w+)\s+(green|yellow|red)\s*$", line, re.IGNORECASE)
        if match and lines is not None and int(match.group(1)) < 64:
            lines[int(match.group(1))] = (match.group(2).lower(), match.group(3).lower())
    return found or None


class Drop(NamedTuple):
    """One drop profile: thresholds of green packets, and those of ECN where the profile has its own."""

    green: DropProfile | None
    ecn: DropProfile | None


def parse_drop_profiles(text: str | None) -> dict[str, Drop] | None:
    """``display drop-profile``. An ECN row at its default (100 % everywhere) means that none is set."""
    found: dict[str, dict[str, DropProfile]] = {}
    profile: str | None = None
    colours: dict[str, DropProfile] = {}
    for line in parse.clean(text).split("\n"):
        match = re.match(r"^Drop-profile\[\d+\]\s*:\s*(\S+)\s*$", line)
        if match:
            profile, colours = match.group(1), {}
            continue
        if _RULE.match(line) and profile is not None and colours:
            found[profile], colours = colours, {}
        match = re.match(
            r"^(Green|Yellow|Red|ECN)\s+(Buffer-size|Percentage)\s+(\d{1,9})\s+(\d{1,9})\s+"
            r"(Bytes|Cells?|%)\s+(\d{1,3})\s*$",
            line,
            re.IGNORECASE,
        )
        if match:
            unit = {"bytes": "bytes", "%": "percentage"}.get(match.group(5).lower(), "cells")
            low, high, percentage = (int(match.group(index)) for index in (3, 4, 6))
            colours[match.group(1).lower()] = DropProfile(low, high, percentage, unit)
    unset = DropProfile(100, 100, 100, "percentage")
    drops = {}
    for profile, rows in found.items():
        ecn = rows.get("ecn")
        drops[profile] = Drop(rows.get("green"), None if ecn == unset else ecn)
    return drops or None


def parse_ecn_threshold(text: str | None) -> dict[str, dict[int, Ecn]] | None:
    """``display qos ecn threshold``: the limits in effect, queue by queue. ``4*`` is a queue with AI ECN."""
    rows = table(text, r"^Interface\s+Queue\s+Min\s+Max\s+Probability\b", closed=False)
    if rows is None:
        return None
    found: dict[str, dict[int, Ecn]] = {}
    for port, cells in _filled(rows):
        if len(cells) != 5:
            continue
        queue = re.match(r"^(\*)?([0-7])(\*)?$", cells[0])
        limits = [re.match(r"^\[?(\d{1,9})\]?$", cell) for cell in cells[1:4]]
        if queue is None or None in limits:
            continue
        low, high, percentage = (int(limit.group(1)) for limit in limits if limit)
        ai = bool(queue.group(1) or queue.group(3))
        found.setdefault(port, {})[int(queue.group(2))] = Ecn(low, high, percentage, ai)
    return found


def parse_ecn_statistics(text: str | None) -> dict[str, int] | None:
    """``display qos ecn statistics``: packets marked, port by port."""
    rows = table(text, r"^Interface\s+ECN-marked packets\s*$")
    if rows is None:
        return None
    found = {}
    for port, cells in _filled(rows):
        marked = _whole(cells[0]) if len(cells) == 1 else None
        if marked is not None:
            found[port] = marked
    return found


def parse_headroom(text: str | None) -> dict[int, int] | None:
    """``display qos headroom-usage``: KiB of the pool by slot (the largest of its chips); 0 where none is set."""
    rows = table(text, r"^Slot\s+Chip\s+Core\s+Total\b")
    if rows is None:
        return None
    found: dict[int, int] = {}
    for row in rows:
        numbers = [_whole(word) for word in row if word]
        if len(numbers) == 7 and None not in numbers:
            slot, total = numbers[0] or 0, numbers[3] or 0
            found[slot] = max(found.get(slot, 0), total)
    return found


class Qos(NamedTuple):
    """``display qos configuration`` of one port. ``wred``: drop profile by queue."""

    trust: str | None
    domain: str | None
    wred: dict[int, str | None]


def parse_qos_configuration(text: str | None) -> dict[str, Qos] | None:
    """``display qos configuration interface``: trust as ``dscp``, ``802.1p``, ``802.1p inner`` or ``none``."""
    found: dict[str, Qos] = {}
    port: str | None = None
    trust: str | None = None
    domain: str | None = None
    wred: dict[int, str | None] = {}
    for line in [*parse.clean(text).split("\n"), " interface end0"]:
        match = re.match(rf"^\s*interface\s+({NAME})\s*$", line)
        if match:
            if port is not None and domain is not None:
                found[port] = Qos(trust, domain, wred)
            port, trust, domain, wred = name(match.group(1)), None, None, {}
            continue
        match = re.match(r"^\s*(trust flag|diffserv domain)\s*:\s*(\S.*?)\s*$", line)
        if match and match.group(1) == "trust flag":
            trust = _trust(match.group(2))
        elif match:
            domain = match.group(2)
        match = re.match(r"^\s*([0-7])\s+(?:\S+\s+){2,4}?(?:pq|drr|wrr|wfq|lpq)\S*\s+(?:\S+\s+)?(\S+)\s*$", line)
        if match:
            wred[int(match.group(1))] = parse.value(match.group(2))
    return found or None


def _trust(flag: str) -> str | None:
    words = flag.lower().split()
    if "dscp" in words:
        return "dscp"
    if "8021p" in words:
        return "802.1p inner" if "inner" in words else "802.1p"
    return "none" if words in (["-"], ["none"]) else None


def parse_queue_statistics(text: str | None) -> dict[str, dict[int, int]] | None:
    """``display qos queue statistics``: packets dropped, by port and queue. ``-``: not counted, left out."""
    found: dict[str, dict[int, int]] = {}
    port = None
    for line in parse.clean(text).split("\n"):
        match = re.match(rf"^\s*Queue statistics info\s*:\s*interface\s+({NAME})\s*$", line)
        if match:
            port = name(match.group(1))
            found.setdefault(port, {})
            continue
        match = re.match(r"^\s+([0-7])\s+\d+\s+\d+\s+(?:\d+|-)\s+(\d{1,19})\s+(?:\d+|-)\s+\S.*$", line)
        if match and port is not None:
            found[port][int(match.group(1))] = int(match.group(2))
    return found or None
