"""What ``hccn_tool -roce_test`` says, to a typed report.

By the tool's source (hccn_tool of the driver) a call first prints ``Dsmi get perftest status end. (status=1)`` (1 done,
2 doing, 3 error), refuses with ``Roce perftest is doing, please try later.`` while the device runs one, and prints
``roce_report:`` with perftest's own output when the device is through. A receiver that nobody connected to has the wait
marker and no row of numbers. Captures: sender and receiver of a *send* test on 200GE.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from . import perftest_parse

BUSY = re.compile(r"\bis busy, please try again", re.IGNORECASE)
_DOING = re.compile(r"perftest is doing", re.IGNORECASE)
_WAITING = re.compile(r"\* *Waiting for client to connect", re.IGNORECASE)
# perftest's words when nobody listens yet at the other side, and the C library's.
_REFUSED = re.compile(
    r"couldn'?t connect to|connection refused|unable to (?:init the|open file descriptor for) socket connection",
    re.IGNORECASE,
)
_TOO_LARGE = re.compile(r"not enough memory|isn'?t enough memory", re.IGNORECASE)
# Lines that say nothing about why.
_EMPTY_WORDS = re.compile(r"Dsmi |roce_report:|Cmd execute failed|new post send flow|Waiting for client", re.IGNORECASE)
_GID = re.compile(
    r"^[ \t]{0,80}(local|remote) address:[^\n]{0,200}\n"
    r"[ \t]{0,80}GID:[ \t]{0,8}((?:\d{1,3}:){15}\d{1,3})[ \t]{0,80}\r?$",
    re.MULTILINE,
)

DONE, WAITING, REFUSED, BUSY_STATE, DOING, FAILED = "done", "waiting", "refused", "busy", "doing", "failed"


class Report(NamedTuple):
    """``state``: done (a row of numbers), waiting, refused, busy, doing, failed. Rates are None unless proven."""

    state: str
    row: perftest_parse.Row | None = None
    local_address: str | None = None
    remote_address: str | None = None
    problem: str | None = None

    @property
    def bytes_per_second(self) -> float | None:
        return self.row.bytes_per_second if self.row is not None else None


def report(text: Any, rc: int | None = 0) -> Report:
    """The report of one call. ``rc``: its exit code, None when it was stopped."""
    words = str(text or "")[: perftest_parse.LIMIT]
    rows = list(dict.fromkeys(perftest_parse.table(words)))
    local, remote = _address(words, "local"), _address(words, "remote")
    if len(rows) == 1:
        return Report(DONE, rows[0], local, remote, rows[0].problem)
    if rows:
        return Report(FAILED, None, local, remote, f"{len(rows)} different results in one report")
    if BUSY.search(words):
        return Report(BUSY_STATE, problem="hccn_tool is busy")
    if _DOING.search(words):
        return Report(DOING, problem="the device still runs an earlier test")
    if _REFUSED.search(words):
        return Report(REFUSED, problem="the receiver did not accept the connection")
    if _WAITING.search(words):
        return Report(WAITING, None, local, remote, "no sender connected")
    if _TOO_LARGE.search(words):
        return Report(FAILED, problem="the device has too little memory for the test")
    return Report(FAILED, None, local, remote, _reason(words, rc))


def _address(text: str, side: str) -> str | None:
    """The IPv4 address in the GID (``0:..:255:255:10:250:45:69``, decimal) of a side; None: not told, or not once."""
    found = set()
    for match in _GID.finditer(text):
        if match.group(1).lower() == side:
            numbers = [int(part) for part in match.group(2).split(":")]
            if max(numbers) > 255 or any(numbers[:10]) or numbers[10:12] != [255, 255]:
                return None
            found.add(".".join(map(str, numbers[12:])))
    return found.pop() if len(found) == 1 else None


def _reason(text: str, rc: int | None) -> str:
    """The last line that says something, for people."""
    lines = [line.strip(" -*\t") for line in text[-4000:].splitlines()]
    told = [line for line in lines if re.search(r"[A-Za-z]{3}", line) and not _EMPTY_WORDS.match(line)]
    ended = "it was stopped" if rc is None else f"exit code {rc}"
    return f"no result ({ended}): {told[-1][:200]}" if told else f"no result ({ended})"
