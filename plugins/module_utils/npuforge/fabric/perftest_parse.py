"""Output of the perftest family (``ib_send_bw`` and its kin, also inside ``hccn_tool -roce_test``) to typed numbers.

Units: a rate is computed as message rate times message size and accepted only when the printed bandwidth, in one of the
units that perftest prints, says the same. The label is not asked: "MB/sec" is MiB/s (23365.53 beside 0.011683 Mpps of
2 MiB is 24.50 GB/s), and the JSON file carries no label at all. One damaged digit anywhere therefore gives no number.

Shapes (captures of perftest and hccn_tool)::

    #bytes       #iterations        BW peak[MB/sec]            BW average[MB/sec]          MsgRate[Mpps]
    2097152      1000               23370.21                   23365.53                    0.011683
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from ..common import as_dict, as_number

LIMIT = 4 << 20  # characters of a text that are looked at
# Bytes per second of one printed unit, by the name that a person would use.
UNITS = (("MiB/s", float(1 << 20)), ("Gb/s", 1e9 / 8), ("MB/s", 1e6))
# Rounding of a printed bandwidth, and jitter between two columns that perftest computes from one time.
TOLERANCE = 0.0008

_COLUMN = re.compile(r"#bytes|#iterations|BW peak\[[^\]]{1,16}\]|BW average\[[^\]]{1,16}\]|MsgRate\[[^\]]{1,16}\]|\S+")
_NUMBER = re.compile(r"\d{1,15}(?:\.(\d{1,9}))?$")


class Row(NamedTuple):
    """One line of results. ``peak`` is 0.00 at the receiver of a *send* test and means nothing there; ``average`` is in
    the unit ``label`` names rightly or wrongly. ``bytes_per_second`` is None where ``problem`` says why."""

    message_bytes: int
    iterations: int
    peak: float
    average: float
    messages_mpps: float
    label: str | None
    bytes_per_second: float | None
    unit: str | None
    problem: str | None

    @property
    def seconds(self) -> float | None:
        """How long the messages took, by their rate."""
        rate = self.bytes_per_second
        return self.message_bytes * self.iterations / rate if rate else None


def rate(message_bytes: int, average: float, mpps: float, step: float) -> tuple[float | None, str | None, str | None]:
    """``(bytes per second, unit of the printed average, problem)``; ``step``: the last digit of ``mpps`` (1e-6)."""
    computed = mpps * 1e6 * message_bytes
    if computed <= 0 or average <= 0:
        return None, None, "the message rate or the bandwidth is nought"
    blur = TOLERANCE + step / 2 / mpps + 0.005 / average  # the bandwidth has two decimals
    if blur > 0.5:
        return None, None, "the message rate has too few digits to check the bandwidth with"
    for unit, size in UNITS:
        if abs(average * size / computed - 1) <= blur:
            # Both columns say the same, and the printed bandwidth has more digits. Where the message rate is too coarse
            # to tell MiB from MB (a nearly dead path) it alone is the number.
            return (average * size, unit, None) if blur < 0.02 else (computed, None, None)
    problem = f"bandwidth {average:g} and message rate {mpps:g} Mpps of {message_bytes} bytes disagree in every unit"
    return None, None, problem


def table(text: Any) -> list[Row]:
    """The rows of all tables in ``text``. A header without a whole row below it gives none.

    Other lines may stand between header and row ("Conflicting CPU frequency values detected").
    """
    rows: list[Row] = []
    columns: list[str] = []
    for line in str(text or "")[:LIMIT].splitlines():
        stripped = line.strip()
        if stripped.startswith("#bytes") and len(stripped) < 400:
            columns = _COLUMN.findall(stripped)
            continue
        if columns and stripped[:1].isdigit() and len(stripped) < 400:
            row = _row(columns, stripped.split())
            if row is not None:
                rows.append(row)
    return rows


def _row(columns: list[str], words: list[str]) -> Row | None:
    if len(words) != len(columns):
        return None
    found = {}
    label = None
    for column, word in zip(columns, words):
        name = column.partition("[")[0]
        if not _NUMBER.match(word) or name in found:
            return None
        found[name] = word
        if name == "BW average":
            label = column.partition("[")[2].rstrip("]") or None
    names = ("#bytes", "#iterations", "BW peak", "BW average", "MsgRate")
    if any(name not in found for name in names) or "." in found["#bytes"] + found["#iterations"]:
        return None
    if "MsgRate[Mpps]" not in columns:
        return None  # another unit of the message rate than any perftest prints: nothing to check with
    digits = len(found["MsgRate"].partition(".")[2])
    if digits < 6 or len(found["BW average"].partition(".")[2]) < 2:
        return None  # cut: perftest prints six and two decimals
    size, count = int(found["#bytes"]), int(found["#iterations"])
    average, mpps = float(found["BW average"]), float(found["MsgRate"])
    known, unit, problem = rate(size, average, mpps, 10.0**-digits)
    return Row(size, count, float(found["BW peak"]), average, mpps, label, known, unit, problem)


def document(text: Any) -> tuple[Row | None, str | None]:
    """The result of ``--out_json`` (bandwidth tests): ``(row, problem)``. The file names no unit."""
    try:
        results = as_dict(as_dict(json.loads(str(text or "")[:LIMIT])).get("results"))
    except (ValueError, RecursionError):
        return None, "not JSON"
    keys = ("MsgSize", "n_iterations", "BW_peak", "BW_average", "MsgRate")
    numbers = [None if isinstance(results.get(key), str) else as_number(results.get(key)) for key in keys]
    if any(number is None for number in numbers[:2] + numbers[3:]):
        return None, "not a result of a bandwidth test"
    size, count, peak, average, mpps = (0.0 if number is None else float(number) for number in numbers)
    if size != int(size) or count != int(count) or min(size, count, average, mpps) <= 0:
        return None, "not a result of a bandwidth test"
    known, unit, problem = rate(int(size), average, mpps, 1e-6)
    return Row(int(size), int(count), peak, average, mpps, None, known, unit, problem), problem
