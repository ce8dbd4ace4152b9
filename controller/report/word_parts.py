"""What several chapters of the Word document are made of: headings with numbers, verdicts, badges, figures."""

from __future__ import annotations

from . import symbols
from .figures import Figure, to_png
from .html import CHAPTERS
from .model import Report
from .wordxml import Cell, Writer

MM_PER_PIXEL = 25.4 / 96


def verdict_cell(word: str, report: Report, more: str = "", *, tint: bool = True) -> Cell:
    text = f"{symbols.SYMBOLS[word]} {report.words(f'verdict.{word}')}{more}"
    return Cell(text, bold=True, colour=symbols.COLOURS[word], fill=symbols.TINTS[word] if tint else "")


def title(writer: Writer, report: Report, key: str) -> None:
    number = next(number for _, number, sentence in CHAPTERS if sentence == key)
    writer.heading(f"{number}　{report.words(key)}" if number else report.words(key), 1)


def badges(writer: Writer, report: Report, said: list[tuple[str, str]]) -> None:
    """A line for each (sentence, verdict word)."""
    for text, word in said:
        line = f"{text}{report.words('colon')}{symbols.SYMBOLS[word]} {report.words(f'verdict.{word}')}"
        writer.text(line, bold=True, colour=symbols.COLOURS[word])


def figure_of(writer: Writer, report: Report, figure: Figure | None, caption: str) -> None:
    if figure is None:
        return
    image = to_png(figure)
    if image is None:
        writer.text(report.words("survey.figure_missing"), centre=True)
    else:
        writer.picture(image, figure.width * MM_PER_PIXEL, figure.height * MM_PER_PIXEL)
    writer.text(caption, size=9, centre=True, colour="4A5560")
