"""Sets a ``Report`` as an editable Word document with the same chapters as the PDF."""

from __future__ import annotations

from collections import Counter

from . import symbols, word_measured
from .findings import Finding
from .html import CHAPTERS, legend, state_look
from .matrix import WORST_FIRST, Matrix
from .model import ClauseRow, Report, short_file
from .survey import SurveyItem
from .word_parts import figure_of, title, verdict_cell
from .wordxml import Cell, Writer


def render(report: Report) -> bytes:
    """The .docx file."""
    words = report.words
    writer = Writer(f"{words('title')} {report.run_id}", report.tool)
    colour = symbols.ALARM if report.alarming else symbols.NEUTRAL
    writer.header_and_footer(
        words("title"),
        Cell(report.stamp, bold=True, colour=colour, size=10.5),
        f"{words('run')} {report.run_id}",
        [words(f"page.{part}") for part in ("before", "between", "after")],
    )
    _cover(writer, report, colour)
    _summary(writer, report, colour)
    writer.section(landscape=True)
    _clauses(writer, report)
    writer.section(landscape=report.wide)
    _detail(writer, report)
    writer.section(landscape=False)
    _findings(writer, report)
    writer.section(landscape=report.system.present)
    word_measured.system_chapter(writer, report)
    writer.section(landscape=bool(report.fabric.ports))
    word_measured.fabric_chapter(writer, report)
    writer.section(landscape=bool(report.interconnect.chips))
    word_measured.interconnect_chapter(writer, report)
    writer.section(landscape=bool(report.survey.items or report.survey.cabling))
    _survey(writer, report)
    writer.section(landscape=True)
    _assets(writer, report)
    writer.section(landscape=False)
    _method(writer, report)
    writer.section(landscape=False)
    _signatures(writer, report)
    writer.section(landscape=True)
    _appendices(writer, report)
    return writer.save()


def _cover(writer: Writer, report: Report, colour: str) -> None:
    words = report.words
    for _ in range(3):
        writer.text("")
    writer.text(words("title"), bold=True, size=26, centre=True)
    writer.text(words("subtitle"), size=12, centre=True, colour="4A5560")
    writer.text("")
    writer.text(report.stamp.replace(" / ", "\n"), bold=True, size=16, centre=True, colour=colour)
    writer.text(words(f"provenance.{report.provenance}"), centre=True)
    writer.text("")
    pairs = (
        ("site", report.site),
        ("run", report.run_id),
        ("started", report.started),
        ("finished", report.finished),
        ("inventory", report.subjects),
        ("stages", report.stages),
        ("tool", report.tool),
        ("provenance", report.stamp),
    )
    writer.table(
        (28, 72),
        (),
        [(Cell(words(key), bold=True, fill="EEF1F4", size=10), Cell(value, size=10)) for key, value in pairs],
    )
    writer.text(words("contents"), bold=True, size=12)
    for _, number, key in CHAPTERS:
        writer.text(f"{number}　{words(key)}" if number else words(key))


def _summary(writer: Writer, report: Report, colour: str) -> None:
    words = report.words
    writer.section(landscape=False)
    title(writer, report, "section.summary")
    symbol, state_colour = state_look(report.state)
    writer.text(f"{symbol} {words(report.state)}", bold=True, size=14, colour=state_colour)
    writer.text((" " if words.language == "en" else "").join(report.conclusion))
    if report.alarming:
        writer.text(words(f"provenance.{report.provenance}"), colour=colour)
    for key, counts in (("counts.clauses", report.clause_counts), ("counts.checks", report.check_counts)):
        writer.heading(words.say(key, count=sum(counts.values())), 2)
        _bar(writer, report, counts)
    if report.worst:
        writer.heading(words("worst"), 2)
        rows = [(verdict_cell(item.verdict, report), item.clause, item.title, item.subjects) for item in report.worst]
        heads = [words(f"col.{name}") for name in ("verdict", "clause", "check", "subject")]
        writer.table((14, 10, 40, 36), heads, rows)
        if len(report.findings) > len(report.worst):
            writer.text(words.say("findings.more", count=len(report.findings) - len(report.worst)), size=9)
    if report.problems:
        writer.heading(words("problems"), 2)
        for problem in report.problems:
            writer.bullet(problem)


def _bar(writer: Writer, report: Report, counts: Counter[str]) -> None:
    """The counts as a row of cells whose widths are their shares, and in words below it."""
    shown = [word for word in WORST_FIRST if counts[word]]
    if shown:
        # A share below 5 % keeps a visible sliver; the numbers below are exact.
        shares = [max(counts[word] / sum(counts.values()), 0.05) for word in shown]
        writer.table(
            shares,
            (),
            [
                [
                    Cell(f"{counts[word]}", bold=True, colour="FFFFFF", fill=symbols.COLOURS[word], centre=True)
                    for word in shown
                ]
            ],
        )
    row = [verdict_cell(word, report, f"  {counts[word]}") for word in WORST_FIRST]
    writer.table([1] * len(row), (), [row])


def evidence_text(clause: ClauseRow, report: Report) -> str:
    lines = [f"{short_file(name)}#{digest}" if digest else short_file(name) for name, digest in clause.evidence]
    if clause.more_evidence:
        lines.append(report.words.say("more_evidence", count=clause.more_evidence))
    return "\n".join(lines) or "—"


def _clauses(writer: Writer, report: Report) -> None:
    words = report.words
    title(writer, report, "section.clauses")
    rows = []
    for clause in report.clauses:
        tender = clause.tender if clause.tender != "—" else clause.title or "—"
        if words.language != "zh" and clause.title:
            tender = f"{clause.title}\n{clause.tender}"
        rows.append(
            (
                f"{clause.id}\n{clause.proof}".strip(),
                tender,
                clause.threshold,
                clause.measured,
                verdict_cell(clause.verdict, report),
                Cell(evidence_text(clause, report), code=True, size=7),
            )
        )
    heads = [words(f"col.{name}") for name in ("clause", "tender", "threshold", "measured", "verdict", "evidence")]
    writer.table((7, 33, 15, 15, 9, 21), heads, rows)


def _detail(writer: Writer, report: Report) -> None:
    words = report.words
    title(writer, report, "section.detail")
    writer.text(words.say("detail.intro", legend=legend(report)) if report.details else words("detail.none"))
    for detail in report.details:
        symbol = symbols.SYMBOLS[detail.clause.verdict]
        word = words(f"verdict.{detail.clause.verdict}")
        writer.heading(f"{detail.clause.id}　{detail.clause.title}　{symbol} {word}", 2)
        writer.text(detail.clause.tender, size=9, colour="4A5560")
        for table in detail.matrices:
            _matrix(writer, report, table)
    if report.quiet:
        writer.heading(words("detail.quiet"), 2)
        for word, clauses in report.quiet.items():
            writer.text(f"{symbols.SYMBOLS[word]} {words(f'verdict.{word}')}: {words('and').join(clauses)}")


def _matrix(writer: Writer, report: Report, table: Matrix) -> None:
    words = report.words
    rows: list[list[Cell | str]] = []
    for row in table.rows:
        cells: list[Cell | str] = [row.title, row.expected or "—"]
        for cell in row.cells:
            if not cell.verdict:
                cells.append("")
            elif cell.verdict == "pass":
                cells.append(Cell(f"{symbols.SYMBOLS['pass']} {cell.text}", colour=symbols.COLOURS["pass"]))
            else:
                cells.append(verdict_cell(cell.verdict, report, f" {cell.text}"))
        rows.append(cells)
    first = (20.0, 12.0) if table.wide else (27.0, 18.0)
    rest = (100 - sum(first)) / max(len(table.columns), 1)
    check = f"{words('col.check')} · {words.word('kind', table.kind)}"
    heads = [check, words("col.expected"), *(column.title for column in table.columns)]
    writer.table((*first, *[rest] * len(table.columns)), heads, rows)
    if table.shared:
        members = " ".join(f"{column.title}: {', '.join(column.members)}." for column in table.shared)
        writer.text(f"{words('detail.same')} {members}", size=8, colour="4A5560")


def _findings(writer: Writer, report: Report) -> None:
    words = report.words
    title(writer, report, "section.findings")
    if not report.findings:
        writer.text(words("findings.none"))
    _finding_tables(writer, report, report.findings)
    if report.waived:
        writer.heading(words("findings.waived"), 2)
        _finding_tables(writer, report, report.waived)


def _finding_tables(writer: Writer, report: Report, findings: list[Finding]) -> None:
    words = report.words
    for item in findings:
        severity = f" [{words.word('severity', item.severity)}]" if item.severity else ""
        rows: list[tuple[Cell, Cell]] = [
            (verdict_cell(item.verdict, report), Cell(f"{item.clause}　{item.title}{severity}", bold=True, size=9)),
        ]
        for key in ("subjects", "expected", "observed", "reason", "remedy"):
            value = getattr(item, key)
            if value:
                name = words(f"col.{'subject' if key == 'subjects' else key}")
                rows.append((Cell(name, colour="4A5560", size=9), Cell(value, size=9)))
        writer.table((16, 84), (), rows)


def _survey(writer: Writer, report: Report) -> None:
    words = report.words
    title(writer, report, "section.survey")
    if not report.survey.present:
        writer.text(words("survey.none"))
    if report.survey.items:
        _survey_table(writer, report, report.survey.items)
    if report.survey.cabling:
        writer.heading(words("cabling.title"), 2)
        _survey_table(writer, report, report.survey.cabling)
    if report.survey.figures and (report.survey.items or report.survey.cabling):
        writer.section(landscape=False)
    for number, figure in enumerate(report.survey.figures, start=1):
        figure_of(writer, report, figure, words.say("survey.figure", number=number, name=figure.name))
    for name, problem in report.survey.bad_figures:
        writer.text(words.say("survey.figure_bad", name=name, problem=problem))


def _survey_table(writer: Writer, report: Report, items: list[SurveyItem]) -> None:
    words = report.words
    cures = any(item.remedy for item in items)  # where nothing is to be done, the sources get the room
    keys = ("survey.item", "col.subject", "survey.limit", "survey.value", "col.verdict", "survey.source", "col.remedy")
    heads = [words(key) for key in keys[: 7 if cures else 6]]
    rows = [
        (
            item.item,
            item.subject,
            item.limit,
            item.value,
            verdict_cell(item.verdict, report),
            Cell(item.source or "—", colour="4A5560", size=7),
            *((item.remedy or "—",) if cures else ()),
        )
        for item in items
    ]
    writer.table((15, 11, 9, 9, 8, 29, 19) if cures else (17, 14, 10, 10, 9, 40), heads, rows)


def _assets(writer: Writer, report: Report) -> None:
    words, assets = report.words, report.assets
    title(writer, report, "section.assets")
    if not assets.present:
        writer.text(words("assets.none"))
    else:
        writer.heading(words("assets.servers"), 2)
        names: tuple[str, ...] = (
            *("name", "kind", "manufacturer", "model", "serial"),
            *("part_number", "asset_tag", "firmware", "place"),
        )
        _rows(writer, report, names, (10, 7, 9, 13, 18, 10, 10, 13, 10), assets.devices)
        writer.heading(words("assets.parts"), 2)
        names = ("kind", "manufacturer", "model", "part_number", "firmware", "count", "devices")
        _rows(writer, report, names, (10, 14, 21, 17, 13, 6, 19), assets.parts)
        writer.text(words("assets.serials"))
        if assets.events:
            writer.heading(words("assets.events"), 2)
            _rows(writer, report, ("time", "subject", "kind", "serial", "event"), (15, 17, 9, 20, 39), assets.events)
    title(writer, report, "section.outliers")
    if assets.outliers:
        names = ("subject", "attribute", "observed", "usual", "note")
        _rows(writer, report, names, (14, 20, 20, 20, 26), assets.outliers)
    else:
        writer.text(words("outliers.none" if assets.present else "assets.none"))


def _rows(
    writer: Writer,
    report: Report,
    names: tuple[str, ...],
    shares: tuple[float, ...],
    rows: list[tuple[str, ...]],
    *,
    code: tuple[int, ...] = (),
) -> None:
    cells = (
        [Cell(text or "—", code=number in code, size=7 if number in code else 8) for number, text in enumerate(row)]
        for row in rows
    )
    writer.table(shares, [report.words(f"col.{name}") for name in names], cells)


def _method(writer: Writer, report: Report) -> None:
    words = report.words
    title(writer, report, "section.method")
    for number in range(1, 6):
        writer.text(f"{number}. {words(f'method.{number}')}")
    writer.heading(words("method.words"), 2)
    rows = [(verdict_cell(word, report), words(f"define.{word}")) for word in WORST_FIRST]
    writer.table((20, 80), [words("col.verdict"), words("col.meaning")], rows)


def _signatures(writer: Writer, report: Report) -> None:
    words = report.words
    title(writer, report, "section.signatures")
    writer.text(words.say("sign.statement", run=report.run_id))
    if report.alarming:
        note = words("provenance.unknown" if report.provenance == "unknown" else "sign.simulated")
        writer.text(note, bold=True, colour=symbols.ALARM)
    if report.to_sign:
        writer.heading(words("sign.manual"), 2)
        heads = [words(key) for key in ("col.clause", "col.tender", "sign.confirm", "sign.initials")]
        rows = [
            (clause.id, clause.tender if clause.tender != "—" else clause.title, words("sign.boxes"), "")
            for clause in report.to_sign
        ]
        writer.table((10, 54, 20, 16), heads, rows)
    parties = [words(f"sign.{party}") for party in ("customer", "supplier", "supervisor")]
    lines: list[list[Cell | str]] = []
    for key in ("company", "name", "printed", "stamp", "date"):
        blank = {"stamp": f"（{words('sign.stamp')}）", "date": words("sign.day")}.get(key, "")
        label = Cell(words(f"sign.{key}"), bold=True, fill="EEF1F4", size=9)
        lines.append([label, *[Cell(blank, centre=True, colour="7B848D", size=9) for _ in parties]])
    writer.table((16, 28, 28, 28), ["", *parties], lines, row_height_mm=(11, 14, 11, 36, 11))


def _appendices(writer: Writer, report: Report) -> None:
    words = report.words
    title(writer, report, "section.serials")
    if report.assets.serials:
        names: tuple[str, ...] = ("devices", "kind", "model", "slots_serials")
        _rows(writer, report, names, (10, 9, 17, 64), report.assets.serials, code=(3,))
    else:
        writer.text(words("none"))
    title(writer, report, "section.evidence")
    if not report.evidence and not report.raw_evidence:
        writer.text(words("evidence.none"))
    for key, rows in (("evidence.observations", report.evidence), ("evidence.raw", report.raw_evidence)):
        if rows:
            writer.heading(words(key), 2)
            heads = ("file", "sha", "bytes", "collector", "collected", "provenance")
            _rows(writer, report, heads, (27, 39, 6, 9, 12, 7), rows, code=(0, 1))
