"""Tables as SONiC's tools print them (Python ``tabulate``, "simple" format): a header, dashes, rows.

The dashes tell where each column is. Headings and cells may hold blanks, cells may be aligned left or right. Followed:
golden outputs of sonic-utilities' unit tests.
"""

from __future__ import annotations

import re
from typing import Dict

from .. import parse

Row = Dict[str, str]

_DASHES = re.compile(r"^\s*-+(?:\s+-+)*\s*$")
_NUMBER = re.compile(r"^\d{1,3}(?:,\d{3})*$|^\d{1,20}$")


def tables(text: str | None, *required: str) -> list[Row] | None:
    """Rows of all tables whose header has the ``required`` headings, as ``{heading: cell}``; None: there is no such.

    A heading wanted as ``"Port Rx"`` must be a whole heading. A row whose cells are not under their headings is
    skipped: a broken line must not put a number under another heading.
    """
    rows: list[Row] | None = None
    spans: list[tuple[int, int]] = []
    names: list[str] = []
    before = ""
    lines = parse.clean(text).split("\n")
    for place, line in enumerate(lines):
        if _DASHES.match(line):
            cells = [(match.start(), match.end()) for match in re.finditer(r"-+", line)]
            headings = _cut(before, cells)
            if len(cells) > 1 and headings is not None and all(name in headings for name in required):
                spans, names = cells, headings
                rows = [] if rows is None else rows
            else:
                spans = []
        elif not line.strip():
            spans = []
        elif spans and rows is not None:
            found = _cut(line, spans)
            # Numbers stand at the right end of their column: a last line that ends before it may have been cut.
            cut = place + 1 == len(lines) and len(line) < spans[-1][1] and number((found or [""])[-1]) is not None
            if found is not None and found[0] and not cut:
                rows.append(dict(zip(names, found)))
        before = line
    return rows


def _cut(line: str, spans: list[tuple[int, int]]) -> list[str] | None:
    """The line's cells; None when something stands between the columns, or before a column's end and after it."""
    cells = []
    for index, (start, end) in enumerate(spans):
        last = index + 1 == len(spans)
        cells.append((line[start:] if last else line[start:end]).strip())
        gap = line[end : spans[index + 1][0]] if not last else ""
        if gap.strip() or (start and line[start - 1 : start].strip()):
            return None
    return cells


def whole(row: Row, *names: str) -> bool:
    """Whether a row has something under each of these headings (a line that was cut has not)."""
    return all(row.get(name) for name in names)


def number(cell: str | None) -> int | None:
    """``1,234`` as 1234; ``N/A`` and everything else is None."""
    return int(cell.replace(",", "")) if cell is not None and _NUMBER.match(cell) else None
