"""What ``chronyc`` prints, as typed values: its CSV (``-c``) and the tables for people, of chrony 3 and 4.

Sources: chronyc(1) of chrony 3.5 and 4.3, and what chrony 4.3 prints. Text that is cut off, mixed with others or no
answer at all gives ``None`` or fewer rows, never an error and never a guess.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Sequence

from ..common import as_number

# chronyd's own clock as its reference ("local stratum ..."): 127.127.1.1.
LOCAL_REFERENCE = "7F7F01"
LEAPS = {
    "Normal": "normal",
    "Insert second": "insert",
    "Delete second": "delete",
    "Not synchronised": "unsynchronised",
}
STATES = {"*": "selected", "+": "combined", "-": "not_combined", "?": "unusable", "x": "falseticker", "~": "variable"}
KINDS = {"^": "server", "=": "peer", "#": "clock"}
MAX_LINES = 20000
_NEVER = 4294967295  # an unsigned -1: no sample yet
_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}
_AGES = {"": 1, "m": 60, "h": 3600, "d": 86400, "y": 31536000}
_HEX = re.compile(r"[0-9A-F]{8}\Z")
_ROW = re.compile(
    r"([\^=#])([*+\-?x~]) (\S{1,255})\s{1,40}(\d{1,2})\s{1,10}(-?\d{1,2})\s{1,10}([0-7]{1,3})\s{1,10}(-|\d{1,5}[mhdy]?)"
    r"\s{1,10}([+-]?\d{1,6}(?:ns|us|ms|s))\[\s{0,8}([+-]?\d{1,6}(?:ns|us|ms|s))\]\s{1,10}\+/-\s{1,10}(\d{1,6}(?:ns|us|ms|s))\s{0,8}\Z"
)
_FIELD = re.compile(r"([A-Z][A-Za-z ()]{1,23}?)\s{0,20}: (.{0,300})\Z")
_REFERENCE = re.compile(r"([0-9A-F]{8}) \((\S{0,255})\)\s{0,8}\Z")
_CORRECTION = re.compile(r"(\d{1,12}\.\d{1,12}) seconds (slow|fast) of NTP time\s{0,8}\Z")


class Tracking(NamedTuple):
    """``ahead_seconds``: how far the system clock is ahead of what chronyd takes for the time (it corrects that
    gradually). ``leap``: normal, insert, delete or unsynchronised. ``reference_id``: eight hex digits, 00000000: none.
    """

    reference_id: str
    name: str | None
    stratum: int | None
    ahead_seconds: float | None
    leap: str | None

    @property
    def local(self) -> bool:
        return self.reference_id.startswith(LOCAL_REFERENCE)


class Source(NamedTuple):
    """``reach``: the last eight polls as bits, the newest the lowest. ``last_seconds``: age of the last good sample,
    None: there is none. ``ahead_seconds``: the local clock against the source at that sample, allowing for what chronyd
    has corrected since; ``error_seconds``: how wrong that may be.
    """

    kind: str
    state: str
    name: str
    stratum: int | None
    poll: int | None
    reach: int | None
    last_seconds: int | None
    ahead_seconds: float | None
    error_seconds: float | None


def tracking(text: str) -> Tracking | None:
    """``chronyc tracking``, CSV or not; None: no such answer in this text."""
    for line in _lines(text):
        cells = line.split(",")
        if len(cells) == 14 and _HEX.match(cells[0]) and cells[13] in LEAPS:
            behind = as_number(cells[4])
            return Tracking(
                cells[0], cells[1] or None, _whole(cells[2]), None if behind is None else 0.0 - behind, LEAPS[cells[13]]
            )
    fields = _fields(_lines(text))
    reference = _REFERENCE.match(fields.get("Reference ID", ""))
    leap = LEAPS.get(fields.get("Leap status", ""))
    if reference is None or leap is None:
        return None  # the last line is missing, too: whatever was read in between may be another's
    correction = _CORRECTION.match(fields.get("System time", ""))
    ahead = None
    if correction is not None:
        ahead = float(correction.group(1)) * (1 if correction.group(2) == "fast" else -1)
    return Tracking(reference.group(1), reference.group(2) or None, _whole(fields.get("Stratum", "")), ahead, leap)


def sources(text: str) -> list[Source]:
    """``chronyc sources``, CSV or not. One row for each source; rows that are none are left out."""
    found: dict[str, Source] = {}
    for line in _lines(text):
        row = _csv_source(line.split(",")) or _table_source(line)
        if row is not None:
            found[row.name] = row
    return list(found.values())


def _csv_source(cells: Sequence[str]) -> Source | None:
    if len(cells) != 10 or cells[0] not in KINDS or cells[1] not in STATES or not cells[2]:
        return None
    if not re.match(r"[0-7]{1,3}\Z", cells[5]):
        return None
    age = _whole(cells[6])
    seen = age is not None and age < _NEVER
    return Source(
        KINDS[cells[0]],
        STATES[cells[1]],
        cells[2],
        _whole(cells[3]),
        _whole(cells[4]),
        int(cells[5], 8),
        age if seen else None,
        as_number(cells[7]) if seen else None,
        as_number(cells[9]) if seen else None,
    )


def _table_source(line: str) -> Source | None:
    match = _ROW.match(line)
    if match is None:
        return None
    kind, state, name, stratum, poll, reach, age, ahead, _, error = match.groups()
    if int(reach, 8) > 0o377:
        return None
    seen = age != "-"
    seconds = None
    if seen:
        unit = age[-1] if age[-1] in _AGES else ""
        seconds = int(age[: len(age) - len(unit)]) * _AGES[unit]
    return Source(
        KINDS[kind],
        STATES[state],
        name,
        int(stratum),
        int(poll),
        int(reach, 8),
        seconds,
        _span(ahead) if seen else None,
        _span(error) if seen else None,
    )


def unsynchronised_servers(text: str) -> list[str]:
    """``chronyc ntpdata``, CSV or not: the addresses of servers that say of themselves that they have no time."""
    found: list[str] = []
    block: list[str] = []
    for line in [*_lines(text), "Remote address  : "]:
        cells = line.split(",")
        if len(cells) > 20 and _HEX.match(cells[1]) and cells[5] in LEAPS:
            if LEAPS[cells[5]] == "unsynchronised":
                found.append(cells[0])
            continue
        if line.startswith("Remote address"):
            fields = _fields(block)
            address = fields.get("Remote address", "").split(" ", 1)[0]
            if address and fields.get("Leap status") == "Not synchronised":
                found.append(address)
            block = []
        block.append(line)
    return list(dict.fromkeys(found))


def _lines(text: str) -> list[str]:
    return [line.rstrip("\r") for line in text.split("\n", MAX_LINES)[:MAX_LINES]]


def _fields(lines: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        match = _FIELD.match(line)
        if match is not None:
            found.setdefault(match.group(1), match.group(2).strip())
    return found


def _span(text: str) -> float | None:
    match = re.match(r"([+-]?\d{1,6})(ns|us|ms|s)\Z", text)
    return None if match is None else int(match.group(1)) * _UNITS[match.group(2)]


def _whole(text: str) -> int | None:
    text = text.strip()
    return int(text) if re.match(r"-?[0-9]{1,10}\Z", text) else None
