"""Output of HCCL Test (``all_reduce_test`` and its kin under mpirun) to typed rows and failures.

The time's header is spelt ``aveg_time(us):`` by the source and ``avg_time(us):`` in the documentation. The printed
bandwidth is GiB/s in some versions (67108864 bytes in 2630.20 us beside 23.76245) and GB/s in others: it is computed
again from bytes and time, GB/s being 1e9 bytes/s, and must agree with the printed one in either unit. A row's verdict
is the root rank's only; another rank that fails prints a line of its own (hccl_opbase_rootinfo_base.cc)::

    local rank_id 13, check result failed, 67108864 | 2630.20 | 25.51474 | failed
    local rankId[13]: check data from rank 2 result[0] error, exp:3, act:5
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

LIMIT = 4 << 20
SUCCESS, FAILED, UNCHECKED = "success", "failed", None
_GIB = float(1 << 30)
TOLERANCE = 0.002  # two columns that are computed from one time

# What mpirun puts before each line of a rank: "[13] " (Hydra), "[1,13]<stdout>:" (Open MPI).
_PREFIX = re.compile(r"^\s*\[\d{1,5}(?:,\d{1,5})?\](?:<std(?:out|err)>:?)?\s*")
_HEADER = re.compile(
    r"^data_size\(Bytes\):?\s*\|\s*(?:aveg|avg|ave)_time\(us\):?\s*\|\s*alg_bandwidth\(GB/s\):?\s*\|\s*check_result:?$"
)
_ROW = re.compile(r"^(\d{1,18})\s*\|\s*(\d{1,12}\.\d{1,6})\s*\|\s*(\d{1,9}\.\d{1,9})\s*\|\s*(success|failed|NULL)$")
_RANK = re.compile(r"local rank_?id\s*\[?\s*(\d{1,5})\s*\]?", re.IGNORECASE)
_FAILURE = re.compile(r"check result failed|\berror, exp:|\btotal err is\b(?!\s*:?\s*0\b)", re.IGNORECASE)
_RANK_FAILURE = re.compile(r"check result failed,\s*(\d{1,18})\s*\|", re.IGNORECASE)
_RANK_SIZE = re.compile(r"\brank_size:\s*(\d{1,6})\b")


class Row(NamedTuple):
    """``result``: success, failed or None (not checked). ``gbytes_per_s``: algorithm bandwidth, None: ``problem``."""

    bytes: int
    microseconds: float
    gbytes_per_s: float | None
    result: str | None
    problem: str | None


class Failure(NamedTuple):
    """A line that says a check failed. ``rank`` and ``bytes`` are None where it does not tell."""

    rank: int | None
    bytes: int | None
    line: str


class Output(NamedTuple):
    """``rank_size``: as the ranks print it; None: they do not, or not all the same."""

    rows: list[Row]
    failures: list[Failure]
    rank_size: int | None


def parse(text: Any) -> Output:
    """Everything in ``text``; what is cut or damaged is left out, a row printed twice with other numbers is doubted."""
    rows: dict[int, Row] = {}
    doubted: set[int] = set()
    failures: list[Failure] = []
    sizes: set[int] = set()
    table = False
    for raw in str(text or "")[:LIMIT].splitlines():
        line = _PREFIX.sub("", raw[:2000]).strip()
        if _HEADER.match(line):
            table = True
            continue
        if _FAILURE.search(line):
            failures.append(_failure(line))
            continue
        size = _RANK_SIZE.search(line)
        if size is not None:
            sizes.add(int(size.group(1)))
        match = _ROW.match(line) if table else None
        if match is not None:
            row = _row(*match.groups())
            if rows.get(row.bytes, row) != row:
                doubted.add(row.bytes)
            rows[row.bytes] = row
    for number in doubted:
        rows[number] = rows[number]._replace(gbytes_per_s=None, problem="printed twice with different numbers")
    ordered = [rows[number] for number in sorted(rows)]
    return Output(ordered, list(dict.fromkeys(failures)), sizes.pop() if len(sizes) == 1 else None)


def _row(size: str, time: str, printed: str, verdict: str) -> Row:
    count, microseconds, shown = int(size), float(time), float(printed)
    result = UNCHECKED if verdict == "NULL" else verdict
    if count <= 0 or microseconds <= 0:
        return Row(count, microseconds, None, result, "size or time is nought")
    # The last digits of what is printed: half of them may be rounding.
    half = 10.0 ** -len(printed.partition(".")[2]) / 2
    blur = TOLERANCE + 10.0 ** -len(time.partition(".")[2]) / 2 / microseconds
    value = count / (microseconds * 1e-6)
    for unit in (1e9, _GIB):
        if abs(shown - value / unit) <= half + blur * value / unit:
            return Row(count, microseconds, value / 1e9, result, None)
    problem = f"{count} bytes in {microseconds:g} us and a bandwidth of {shown:g} disagree in GB/s and in GiB/s"
    return Row(count, microseconds, None, result, problem)


def _failure(line: str) -> Failure:
    rank, size = _RANK.search(line), _RANK_FAILURE.search(line)
    return Failure(int(rank.group(1)) if rank else None, int(size.group(1)) if size else None, line[:200])


def all_reduce_bus(gbytes_per_s: float, ranks: int) -> float:
    """Bus bandwidth of an all-reduce: each byte crosses the slowest link 2(n-1)/n times."""
    return gbytes_per_s * 2 * (ranks - 1) / ranks
