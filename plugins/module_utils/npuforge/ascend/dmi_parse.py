"""What ``ascend-dmi --bw`` prints, to gigabytes per second: JSON of one chip or one pair, text tables, the p2p matrix.

Sources: the bandwidth page of the toolbox guide (MindCluster 5.0 to 26.1: types, options, which products refuse which),
and public notes of measurements with ascend-dmi 26.1 on an A3 and a 910B3 for the JSON shape::

    {"bandwidths": [{"type": "Unidirectional Peer to Peer Test", "source_device_id": 2, "target_device_id": 3,
                     "results": [{"size": "33554432 Bytes", "bandwidth": "198.9 GB/s", "elapsed_time": "168.7 us"}]}]}

and for a failed run that still ends with status 0: ``{"error": {"code": 2, "description": "internal error"}}``.
No raw output of the tool is public, so every reader here takes other orders, missing keys and text around the JSON, and
says what it did not understand. A number without a unit is no bandwidth. ``1 GB/s`` is 1000 ``MB/s`` here; the guide
does not say whether the tool counts 1000 or 1024.
"""

from __future__ import annotations

import json
import re
from typing import Any, Iterator, Mapping, NamedTuple, Sequence

from .texts import LIMIT, Reading, lines, sample

H2D, D2H, D2D = "h2d", "d2h", "d2d"
ONE_WAY, TWO_WAY = "one_way", "two_way"
# Titles of the guide, as substrings of a type or a heading; the p2p ones first, "Device to Device" is none of theirs.
_TITLES = (
    (ONE_WAY, re.compile(r"unidirectional\s{1,4}peer\s{1,4}to\s{1,4}peer|单向", re.IGNORECASE)),
    (TWO_WAY, re.compile(r"bidirectional\s{1,4}peer\s{1,4}to\s{1,4}peer|双向", re.IGNORECASE)),
    (H2D, re.compile(r"host\s{1,4}to\s{1,4}device|\bh2d\b", re.IGNORECASE)),
    (D2H, re.compile(r"device\s{1,4}to\s{1,4}host|\bd2h\b", re.IGNORECASE)),
    (D2D, re.compile(r"device\s{1,4}to\s{1,4}device|\bd2d\b", re.IGNORECASE)),
)
_UNITS = {"tb/s": 1000.0, "gb/s": 1.0, "mb/s": 1e-3, "kb/s": 1e-6}
_RATE = re.compile(r"^(\d{1,9}(?:\.\d{1,12})?)\s{0,4}([TGMK]B/s)$", re.IGNORECASE)
_SIZE = re.compile(r"^(\d{1,15})\s{0,4}(?:([KMG]?)i?B?(?:ytes?)?)$", re.IGNORECASE)
_FACTORS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_NUMBER = re.compile(r"^\d{1,9}(?:\.\d{1,12})?$")
_HIGHEST = 100000.0  # GB/s; no memory is faster, a larger number is something else
_MOST_DOCUMENTS = 4
_COLUMN = re.compile(
    r"(?P<device>\b(?:Device(?:\s{1,3}ID)?|ID|Chip)\b)|(?P<size>Size\s{0,2}\(\s{0,2}(?P<size_unit>[A-Za-z]{1,8})\s{0,2}\))"
    r"|(?P<times>Execute\s{1,3}Times?)|(?P<rate>Bandwidth\s{0,2}\(\s{0,2}(?P<rate_unit>[TGMK]B/s)\s{0,2}\))"
    r"|(?P<time>(?:Elapsed\s{1,3})?Time\s{0,2}\([a-z]{1,3}\))",
    re.IGNORECASE,
)
_TITLE_DEVICE = re.compile(r"\bDevice(?:\s{1,3}ID)?\s{0,3}[:=]?\s{0,3}(\d{1,4})\b", re.IGNORECASE)
_UNIT_NEAR = re.compile(r"\(?\b([TGMK]B/s)\)?", re.IGNORECASE)
_EMPTY_CELLS = ("-", "--", "NA", "N/A", "X", "*")


class Rate(NamedTuple):
    """One figure. ``kind``: of the names above. ``source``: the chip, or the sender of a pair; None: not told."""

    kind: str | None
    source: int | None
    target: int | None
    size_bytes: int | None
    gbytes_per_s: float


def parse_bandwidth(text: Any, kind: str, device: int) -> Reading:
    """The answer to ``--bw -t <kind> -d <device>``: ``{"gbytes_per_s", "size_bytes", "form": "json"|"text"}``.

    The largest size counts. An answer about another chip or direction, an error, two figures for one size: no value.
    """
    found = _json_rates(text)
    form = "json"
    if found is None:
        found, form = _table_rates(text, kind, device), "text"
    if found.value is None:
        return found
    others = {rate.source for rate in found.value if rate.kind == kind} - {device, None}
    rates = [rate for rate in found.value if rate.kind in (kind, None) and rate.source in (device, None)]
    if not rates:
        about = f"chip {sorted(others)[0]}" if others else "another test"
        return Reading(None, f"the answer is about {about}")
    best = _largest(rates)
    if best.value is None:
        return best
    return Reading({"gbytes_per_s": best.value.gbytes_per_s, "size_bytes": best.value.size_bytes, "form": form})


def parse_pair(text: Any, source: int, target: int) -> Reading:
    """The answer to ``--bw -t p2p --ds <source> --dd <target>``: ``{"one_way": GB/s|None, "two_way": GB/s|None}``."""
    found = _json_rates(text)
    if found is None:
        found = _pair_table(text, source, target)
    if found.value is None:
        return found
    value: dict[str, float | None] = {}
    for kind in (ONE_WAY, TWO_WAY):
        rates = [rate for rate in found.value if rate.kind == kind and _is_pair(rate, source, target)]
        best = _largest(rates) if rates else Reading(None)
        if best.problem is not None:
            return best
        value[kind] = None if best.value is None else best.value.gbytes_per_s
    if value[ONE_WAY] is None and value[TWO_WAY] is None:
        return Reading(None, f"the answer has nothing about chip {source} to chip {target}")
    return Reading(value)


def _is_pair(rate: Rate, source: int, target: int) -> bool:
    return rate.source in (source, None) and rate.target in (target, None)


def parse_matrix(text: Any) -> Reading:
    """The answer to ``--bw -t p2p``, all chips with all: ``{"unit", "one_way": {(source, target): rate}, "two_way"}``.

    ``unit``: ``GB/s`` where the answer says a unit (rates are GB/s then), None where it says none: the bare numbers are
    then worth nothing before somebody proves what they are. Cells that hold no number above nought are left out.
    """
    found = _json_rates(text)
    if found is not None:
        if found.value is None:
            return found
        told: dict[str, dict[tuple[int, int], float]] = {ONE_WAY: {}, TWO_WAY: {}}
        for kind, cells in told.items():
            pairs: dict[tuple[int, int], list[Rate]] = {}
            for rate in found.value:
                if rate.kind == kind and rate.source is not None and rate.target is not None:
                    pairs.setdefault((rate.source, rate.target), []).append(rate)
            for pair, rates in pairs.items():
                best = _largest(rates)
                if best.value is not None and best.value.gbytes_per_s > 0:
                    cells[pair] = best.value.gbytes_per_s
        return _matrix("GB/s", told, text)
    return _matrix_text(text)


def _matrix(unit: str | None, told: Mapping[str, Mapping[tuple[int, int], float]], text: Any) -> Reading:
    if not any(told.values()):
        return Reading(None, f"no bandwidth between chips in the answer: {sample(text)}")
    return Reading({"unit": unit, ONE_WAY: dict(told[ONE_WAY]), TWO_WAY: dict(told[TWO_WAY])})


def _largest(rates: Sequence[Rate]) -> Reading:
    """The rate of the largest size; sizes that are not told only where there is one figure."""
    if any(rate.size_bytes is None for rate in rates):
        if len({rate.gbytes_per_s for rate in rates}) > 1:
            return Reading(None, "several figures, and not for which size")
        return Reading(rates[0])
    size = max(rate.size_bytes or 0 for rate in rates)
    chosen = [rate for rate in rates if rate.size_bytes == size]
    if len({rate.gbytes_per_s for rate in chosen}) > 1:
        return Reading(None, f"two figures for {size} bytes")
    return Reading(chosen[0])


# -- JSON ---------------------------------------------------------------------------------------------------------


def documents(text: Any) -> list[dict[str, Any]]:
    """The JSON objects that begin a line of ``text``, whatever is printed around them; broken ones are left out."""
    words = text if isinstance(text, str) and len(text) <= LIMIT else ""
    found: list[dict[str, Any]] = []
    decoder = json.JSONDecoder(parse_constant=lambda _word: None)
    place, tried = 0, 0
    while tried < _MOST_DOCUMENTS:
        match = re.compile(r"^[ \t]{0,80}\{", re.MULTILINE).search(words, place)
        if match is None:
            break
        tried += 1
        try:
            value, place = decoder.raw_decode(words, match.end() - 1)
        except (ValueError, RecursionError):
            place = match.end()
            continue
        if isinstance(value, dict):
            found.append(value)
    return found


def _json_rates(text: Any) -> Reading | None:
    """All figures of a JSON answer; None: there is no JSON in it."""
    found = documents(text)
    if not found:
        return None
    for document in found:
        if "error" in document:
            return Reading(None, _error(document["error"]))
    if len(found) > 1:
        return Reading(None, "two answers in one")
    entries = found[0].get("bandwidths", found[0].get("bandwidth"))
    entries = entries if isinstance(entries, list) else [entries]
    rates = [rate for entry in entries if isinstance(entry, dict) for rate in _entry_rates(entry)]
    return Reading(rates) if rates else Reading(None, f"no bandwidth in the answer: {sample(text)}")


def _error(error: Any) -> str:
    if not isinstance(error, dict):
        return f"ascend-dmi reports an error: {str(error)[:80]}"
    description = re.sub(r"\s+", " ", str(error.get("description", error.get("message", ""))))[:120]
    return f"ascend-dmi reports error {str(error.get('code', '?'))[:12]}: {description}"


def _entry_rates(entry: Mapping[str, Any]) -> Iterator[Rate]:
    kind = kind_of(entry.get("type"))
    source = _whole(entry.get("source_device_id", entry.get("src_device_id", entry.get("device_id"))))
    target = _whole(entry.get("target_device_id", entry.get("dst_device_id")))
    results = entry.get("results")
    for result in results if isinstance(results, list) else [results if isinstance(results, dict) else entry]:
        if not isinstance(result, dict):
            continue
        rate = _rate(result.get("bandwidth"))
        if rate is not None:
            yield Rate(kind, source, target, _size(result.get("size")), rate)


def kind_of(title: Any) -> str | None:
    """Which test a type or heading names; None: none, or more than one."""
    words = str(title)[:200] if isinstance(title, str) else ""
    named = [kind for kind, pattern in _TITLES if pattern.search(words)]
    return named[0] if len(named) == 1 else None


def _whole(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if 0 <= value < 10000 else None
    return int(value) if isinstance(value, str) and re.match(r"^\d{1,4}$", value.strip()) else None


def _rate(value: Any) -> float | None:
    """``198.9 GB/s`` -> 198.9; a number without a unit is none."""
    match = _RATE.match(value.strip()) if isinstance(value, str) and len(value) < 60 else None
    if match is None:
        return None
    number = float(match.group(1)) * _UNITS[match.group(2).lower()]
    return number if number <= _HIGHEST else None


def _size(value: Any) -> int | None:
    """``33554432 Bytes``, ``32 MB`` or a whole number of bytes."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 0 < value < 10**15 else None
    match = _SIZE.match(value.strip()) if isinstance(value, str) and len(value) < 60 else None
    return None if match is None else int(match.group(1)) * _FACTORS[match.group(2).lower()]


# -- text ---------------------------------------------------------------------------------------------------------


def _cells(row: str) -> list[str]:
    return row.replace("|", " ").split()


def _columns(row: str) -> tuple[list[str], str, str] | None:
    """(names, unit of the size, unit of the rate) of a header; None: it is none, or has columns that nobody knows."""
    names, size_unit, rate_unit = [], "", ""
    for match in _COLUMN.finditer(row):
        names.append(str(match.lastgroup and next(key for key in _NAMES if match.group(key))))
        size_unit = match.group("size_unit") or size_unit
        rate_unit = match.group("rate_unit") or rate_unit
    if "rate" not in names or len(set(names)) != len(names) or _COLUMN.sub("", row).replace("|", "").strip():
        return None
    return names, size_unit, rate_unit


_NAMES = ("device", "size", "times", "rate", "time")


def _table_rates(text: Any, kind: str, device: int) -> Reading:
    """Figures of a table whose header says its units. ``kind``, ``device``: where no heading says others."""
    rates: list[Rate] = []
    title_kind: str | None = kind
    title_device: int | None = device
    columns: tuple[list[str], str, str] | None = None
    for row in lines(text):
        header = _columns(row)
        if header is not None:
            columns = header
            continue
        named, told = kind_of(row), _TITLE_DEVICE.search(row)
        if named is not None:
            title_kind, columns = named, None
        if named is not None or told is not None:
            # A heading, or the line behind it that names the chip, also where the table has no column for it.
            title_device = int(told.group(1)) if told else title_device
            continue
        cells = _cells(row)
        if columns is None or len(cells) != len(columns[0]) or not all(_NUMBER.match(cell) for cell in cells):
            continue
        values = dict(zip(columns[0], cells))
        rate = _rate(f"{values['rate']} {columns[2]}")
        size = _size(f"{values['size']} {columns[1]}") if "size" in values else None
        source = _whole(values["device"]) if "device" in values else title_device
        if rate is not None:
            rates.append(Rate(title_kind, source, None, size, rate))
    return Reading(rates) if rates else Reading(None, f"unknown answer: {sample(text)}")


def _pair_table(text: Any, source: int, target: int) -> Reading:
    """Text of one pair: a table for each direction under its heading, or a matrix of two chips."""
    matrix = _matrix_text(text)
    if matrix.value is not None and matrix.value["unit"] is not None:
        return Reading(
            [
                Rate(kind, pair[0], pair[1], None, rate)
                for kind in (ONE_WAY, TWO_WAY)
                for pair, rate in matrix.value[kind].items()
            ]
        )
    found = _table_rates(text, "", -1)
    if found.value is None:
        return found
    # The one column for chips cannot tell a pair; the heading's direction and what was asked for can.
    return Reading([rate._replace(source=source, target=target) for rate in found.value if rate.kind])


def _matrix_text(text: Any) -> Reading:
    told: dict[str, dict[tuple[int, int], float]] = {ONE_WAY: {}, TWO_WAY: {}}
    kind: str | None = None
    heads: list[int] = []
    units: set[str] = set()
    for row in lines(text):
        units.update(unit.lower() for unit in _UNIT_NEAR.findall(row))
        named = kind_of(row)
        if named in (ONE_WAY, TWO_WAY):
            if told[str(named)]:
                return Reading(None, "two answers in one")
            kind, heads = named, []
            continue
        cells = [cell for cell in _cells(row) if not re.match(r"^(?:Device|NPU|Card|D/D|S\\D|ID)\S{0,8}$", cell)]
        if kind is None or not cells:
            continue
        numbers = [int(cell) for cell in cells if re.match(r"^\d{1,4}$", cell)]
        if not heads:
            # At least two chips in rising order: nothing else begins a matrix.
            if len(numbers) == len(cells) >= 2 and all(a < b for a, b in zip(numbers, numbers[1:])):
                heads = numbers
            continue
        source = _whole(cells[0])
        if source not in heads or len(cells) != len(heads) + 1:
            continue
        for target, cell in zip(heads, cells[1:]):
            if cell in _EMPTY_CELLS or not _NUMBER.match(cell) or source == target or float(cell) <= 0:
                continue
            if (source, target) in told[kind] and told[kind][(source, target)] != float(cell):
                return Reading(None, "a pair stands twice with two figures")
            if float(cell) <= _HIGHEST * 1000:
                told[kind][(source, target)] = float(cell)
    if len(units) > 1:
        return Reading(None, "the answer names two units")
    factor = _UNITS[units.pop()] if units else None
    if factor is None:
        return _matrix(None, told, text)
    return _matrix(
        "GB/s", {kind: {p: r * float(factor) for p, r in cells.items()} for kind, cells in told.items()}, text
    )
