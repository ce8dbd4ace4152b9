"""Arranges many verdicts for reading: checks as rows, subjects as columns, equal subjects in one column.

Three nodes keep a column each. A hundred healthy nodes would be a hundred equal columns, so from ``ALONE`` subjects on
those that were judged alike share one, and what differs stands out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from .text import as_dict, as_text, natural, one_line, shorten

# Worst first; a clause is as good as its worst check (docs/seams.md section 6).
WORST_FIRST = ("fail", "unknown", "manual", "not_run", "waived", "pass")
ANY = "*"  # the judge's name for "no subject of this kind is known"
ALONE = 8  # up to so many subjects nobody shares a column
CELL_CHARACTERS = {1: 200, 2: 100, 3: 60}  # by number of columns
FEWEST_CHARACTERS = 40
LONGEST_NAME = 64
PORTRAIT_COLUMNS = 4
LANDSCAPE_COLUMNS = 10


@dataclass(frozen=True)
class Cell:
    """``verdict`` is one of WORST_FIRST, or empty where the check does not concern the subject."""

    verdict: str = ""
    text: str = ""


@dataclass(frozen=True)
class Column:
    title: str
    members: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    check: str
    title: str
    expected: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Matrix:
    """One table of the detail chapter; at most LANDSCAPE_COLUMNS subject columns."""

    kind: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    @property
    def wide(self) -> bool:
        return len(self.columns) > PORTRAIT_COLUMNS

    @property
    def shared(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if len(column.members) > 1)


@dataclass
class _Line:
    title: str
    expected: list[str] = field(default_factory=list)
    cells: dict[str, Cell] = field(default_factory=dict)


def verdict_word(value: Any) -> str:
    """One of WORST_FIRST; whatever else a file says is ``unknown``: it must never read as passed."""
    return value if isinstance(value, str) and value in WORST_FIRST else "unknown"


def worst(verdicts: Iterable[str]) -> str:
    """The worst of some verdict words; ``not_run`` of none at all."""
    ranks = [WORST_FIRST.index(verdict) for verdict in verdicts]
    return WORST_FIRST[min(ranks)] if ranks else "not_run"


def subject_of(verdict: dict[str, Any]) -> tuple[str, str]:
    """``(kind, id)``; a verdict without a subject concerns the whole cluster."""
    subject = verdict.get("subject")
    if isinstance(subject, str):
        return "", _name(subject)
    body = as_dict(subject)
    return _name(body.get("kind")) or "cluster", _name(body.get("id")) or "—"


def _name(value: Any) -> str:
    """Names head columns, so they are one line and bounded; a digest keeps two long ones apart."""
    text = one_line(as_text(value))
    if len(text) <= LONGEST_NAME:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:8]
    return f"{text[: LONGEST_NAME - 9]}…{digest}"


def build(
    verdicts: list[dict[str, Any]],
    *,
    title: Callable[[dict[str, Any]], str],
    expected: Callable[[dict[str, Any]], str],
    observed: Callable[[dict[str, Any]], str],
    varies: str,
    group: Callable[[str, str, int], str],
) -> list[Matrix]:
    """Tables for the verdicts of one clause, one or more per kind of subject.

    ``title``, ``expected`` and ``observed`` write a verdict's parts; ``group(first, last, count)`` names a shared
    column.
    """
    kinds: dict[str, dict[str, _Line]] = {}
    for verdict in verdicts:
        check = as_text(verdict.get("check"))
        if not check:
            continue
        kind, subject = subject_of(verdict)
        line = kinds.setdefault(kind, {}).setdefault(check, _Line(title(verdict)))
        wanted = expected(verdict)
        if wanted and wanted not in line.expected:
            line.expected.append(wanted)
        cell = Cell(
            verdict_word(verdict.get("verdict")),
            one_line(observed(verdict)),
        )
        before = line.cells.get(subject)
        if before is None or worst((before.verdict, cell.verdict)) != before.verdict:
            line.cells[subject] = cell
    matrices: list[Matrix] = []
    for kind, lines in kinds.items():
        matrices += _matrices(kind, lines, varies, group)
    return matrices


def _matrices(kind: str, lines: dict[str, _Line], varies: str, group: Callable[[str, str, int], str]) -> list[Matrix]:
    subjects = sorted({subject for line in lines.values() for subject in line.cells}, key=natural)
    columns = [Column(subject, (subject,)) for subject in subjects]
    if len(subjects) > ALONE:
        columns = _share(subjects, lines, group)
    # Few columns are wide: a sentence fits there, a few words in the others.
    limit = CELL_CHARACTERS.get(len(columns), FEWEST_CHARACTERS)
    matrices = []
    for start in range(0, len(columns), LANDSCAPE_COLUMNS):
        part = columns[start : start + LANDSCAPE_COLUMNS]
        rows = []
        for check, line in lines.items():
            groups = ([line.cells.get(name, Cell()) for name in column.members] for column in part)
            cells = tuple(_merge(group, varies, limit) for group in groups)
            if any(cell.verdict for cell in cells):
                rows.append(
                    Row(
                        check,
                        line.title,
                        line.expected[0] if len(line.expected) == 1 else varies if line.expected else "",
                        cells,
                    )
                )
        matrices.append(Matrix(kind, tuple(part), tuple(rows)))
    return matrices


def _share(subjects: list[str], lines: dict[str, _Line], group: Callable[[str, str, int], str]) -> list[Column]:
    """Subjects with the same verdicts (and, where not passed, the same values) share a column; odd ones come first."""
    groups: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for subject in subjects:
        cells = [line.cells.get(subject, Cell()) for line in lines.values()]
        signature = tuple((cell.verdict, "" if cell.verdict == "pass" else cell.text) for cell in cells)
        groups.setdefault(signature, []).append(subject)
    ordered = sorted(groups.values(), key=lambda members: (len(members), natural(members[0])))
    return [
        Column(members[0] if len(members) == 1 else group(members[0], members[-1], len(members)), tuple(members))
        for members in ordered
    ]


def _merge(cells: list[Cell], varies: str, limit: int) -> Cell:
    texts = {cell.text for cell in cells}
    return Cell(cells[0].verdict, shorten(cells[0].text, limit) if len(texts) == 1 else varies)
