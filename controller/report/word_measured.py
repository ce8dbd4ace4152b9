"""The chapters of the Word document on what was measured on nodes and between them."""

from __future__ import annotations

from . import fabric, symbols
from .differences import Block
from .model import Report
from .word_parts import badges, figure_of, title, verdict_cell
from .wordxml import Cell, Writer


def system_chapter(writer: Writer, report: Report) -> None:
    words, page = report.words, report.system
    title(writer, report, "section.system")
    if not page.present:
        writer.text(words("system.none"))
        return
    said = words("and").join(f"{text} {symbols.SYMBOLS[word]} {words(f'verdict.{word}')}" for text, word in page.badges)
    writer.text(said, bold=True, size=9)
    if page.total:
        unseen = f" {words.say('system.unseen', count=page.unseen)}" if page.unseen else ""
        writer.text(words.say("system.agree", agree=page.agree, total=page.total) + unseen)
    if page.blocks:
        writer.heading(words("system.differences"), 2)
    for block in page.blocks:
        _block(writer, report, block)
    if page.nodes and page.groups:
        rows = [
            (row.node, *(verdict_cell(word, report, tint=word != "pass") if word else "" for word in row.cells))
            for row in page.nodes
        ]
        shares = (7, *[93 / len(page.groups)] * len(page.groups))
        writer.table(shares, [words("system.col.node"), *page.groups], rows)
    if page.nodes:
        keys = ("node", "distribution", "kernel", "agree", "reboot", "synchronised", "source", "stratum", "offset")
        facts = [tuple(getattr(row, key) for key in (*keys, "against")) for row in page.nodes]
        heads = [words(f"system.col.{key}") for key in (*keys, "against")]
        writer.table((8, 15, 16, 8, 7, 9, 16, 6, 8, 7), heads, facts)
    if page.sound:
        writer.text(words.say("system.sound", count=page.sound), size=9)
    for caption, figure in page.drawings:
        figure_of(writer, report, figure, caption)
    if page.more_drawings:
        writer.text(words.say("system.numa.others", count=page.more_drawings), size=9)
    if page.command_lines:
        writer.heading(words("system.command_line"), 2)
    for nodes, text in page.command_lines:
        writer.text(f"{nodes}{words('colon')}{text}", size=8)
    if page.more_command_lines:
        writer.text(words.say("system.more", count=page.more_command_lines), size=9)


def _block(writer: Writer, report: Report, block: Block) -> None:
    words = report.words
    severity = f" [{words.word('severity', block.severity)}]" if block.severity else ""
    head = (
        f"{symbols.SYMBOLS[block.verdict]} {words(f'verdict.{block.verdict}')}　{block.title}{severity}　{block.nodes}"
    )
    writer.text(head, bold=True, colour=symbols.COLOURS[block.verdict])
    if block.rows:
        heads = [words(f"system.col.{key}") for key in ("node", "setting", "runtime", "boot", "wanted")]
        rows = [
            (
                row.nodes,
                Cell(row.setting, code=True, size=7),
                *(_value(value, side in row.differs) for side, value in (("runtime", row.runtime), ("boot", row.boot))),
                row.wanted,
                *((row.reason or "—",) if block.reasoned else ()),
            )
            for row in block.rows
        ]
        if block.reasoned:
            writer.table((14, 20, 17, 17, 17, 15), [*heads, words("col.reason")], rows)
        else:
            writer.table((16, 24, 20, 20, 20), heads, rows)
    for line in block.lines:
        writer.bullet(line)
    if block.more:
        writer.text(words.say("system.more", count=block.more), size=9)
    for remedy in block.remedies:
        writer.text(f"{words('console.remedy')}{remedy}", size=9)


def _value(text: str, differs: bool) -> Cell:
    if not differs:
        return Cell(text)
    return Cell(f"{symbols.SYMBOLS['fail']} {text}", bold=True, colour=symbols.COLOURS["fail"])


def fabric_chapter(writer: Writer, report: Report) -> None:
    words, page = report.words, report.fabric
    title(writer, report, "section.fabric")
    if not page.present:
        writer.text(words("fabric.none"))
        return
    badges(writer, report, page.badges)
    if page.pairs:
        writer.heading(words("fabric.pairs"), 2)
        heads = [words(f"fabric.col.{key}") for key in ("pair", "one_way", "slowest", "lost")] + [words("col.verdict")]
        rows = [
            (
                row.pair,
                "\n".join(f"{way}: {rate}" for way, rate in row.directions) or "—",
                row.slowest,
                row.lost,
                verdict_cell(row.verdict, report),
            )
            for row in page.pairs
        ]
        writer.table((18, 32, 30, 10, 10), heads, rows)
    figure_of(writer, report, page.heat, words("fabric.heat"))
    if page.causes:
        writer.heading(words("fabric.causes"), 2)
    for cause in page.causes:
        writer.text(
            f"{symbols.SYMBOLS[cause.verdict]} {cause.subject}", bold=True, colour=symbols.COLOURS[cause.verdict]
        )
        for line in cause.lines:
            writer.bullet(line)
        for remedy in cause.remedies:
            writer.text(f"{words('console.remedy')}{remedy}", size=9)
    if page.more_causes:
        writer.text(words.say("findings.more", count=page.more_causes), size=9)
    if page.ports:
        writer.heading(words("fabric.ports"), 2)
        aspects = [*fabric.NPU_ASPECTS, *fabric.SWITCH_ASPECTS]
        heads = [words("fabric.col.npu"), words("fabric.col.switch_port")]
        heads += [words(f"fabric.aspect.{aspect}") for aspect in aspects] + [words("fabric.col.slowest")]
        table: list[tuple[Cell | str, ...]] = [
            (
                row.name,
                row.switch_port,
                *(
                    Cell(symbols.SYMBOLS[w], colour=symbols.COLOURS[w], fill=symbols.TINTS[w])
                    for w in row.npu + row.switch
                ),
                row.slowest,
            )
            for row in page.ports
        ]
        writer.table((10, 15, *([4.4] * len(aspects)), 9), heads, table)
        if page.sound:
            writer.text(words.say("fabric.sound", count=page.sound), size=9)
    figure_of(writer, report, page.drawing, words("fabric.drawing"))


def interconnect_chapter(writer: Writer, report: Report) -> None:
    words, page = report.words, report.interconnect
    title(writer, report, "section.interconnect")
    if not page.present:
        writer.text(words("interconnect.none"))
        return
    badges(writer, report, page.badges)
    if page.pairs:
        writer.heading(words("interconnect.pairs"), 2)
        heads = [words(f"interconnect.col.{key}") for key in ("node", "pair", "one_way", "two_way", "median")]
        pairs = [
            (row.node, row.pair, row.one_way, row.two_way, row.share, verdict_cell(row.verdict, report))
            for row in page.pairs
        ]
        writer.table((20, 26, 16, 16, 12, 10), [*heads, words("col.verdict")], pairs)
        if page.more_pairs:
            writer.text(words.say("interconnect.more_pairs", count=page.more_pairs), size=9)
    for node in page.nodes:
        writer.heading(f"{node.node}{words('colon')}{words(f'verdict.{node.verdict}')}", 2)
        for line in node.lines:
            writer.bullet(line)
        for caption, figure in node.figures:
            figure_of(writer, report, figure, caption)
    if page.chips:
        writer.heading(words("interconnect.chips"), 2)
        keys = ("chip", "model", "capacity", "ecc", "temperature", "d2d", "h2d", "d2h")
        chips = [
            (
                *(row.name, row.model, row.capacity, row.ecc, row.temperature, row.d2d, row.h2d, row.d2h),
                verdict_cell(row.verdict, report),
            )
            for row in page.chips
        ]
        heads = [words(f"interconnect.col.{key}") for key in keys]
        writer.table((14, 12, 10, 12, 9, 12, 11, 11, 9), [*heads, words("col.verdict")], chips)
    if page.sound:
        writer.text(words.say("interconnect.sound", count=page.sound), size=9)
