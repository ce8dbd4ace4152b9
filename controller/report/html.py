"""Sets a ``Report`` as HTML: one self-contained page for browsers, one variant for the PDF."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from string import Template

import jinja2
from markupsafe import Markup

from . import fabric, symbols
from .matrix import WORST_FIRST
from .model import Report, counts_text, short_file
from .text import columns, fit

TEMPLATES = Path(__file__).parent / "templates"
SCREEN_FONTS = (
    '"Noto Sans CJK SC", "Source Han Sans SC", "PingFang SC", "Microsoft YaHei", "HarmonyOS Sans SC", '
    '"WenQuanYi Micro Hei", Arial, sans-serif'
)
MONO_FONTS = '"Noto Sans Mono CJK SC", "DejaVu Sans Mono", Consolas, monospace'

# Anchor, number and sentence of each chapter, in the order of the page.
CHAPTERS = (
    ("summary", "1", "section.summary"),
    ("clauses", "2", "section.clauses"),
    ("detail", "3", "section.detail"),
    ("findings", "4", "section.findings"),
    ("system", "5", "section.system"),
    ("fabric", "6", "section.fabric"),
    ("interconnect", "7", "section.interconnect"),
    ("survey", "8", "section.survey"),
    ("assets", "9", "section.assets"),
    ("outliers", "10", "section.outliers"),
    ("method", "11", "section.method"),
    ("signatures", "12", "section.signatures"),
    ("serials", "", "section.serials"),
    ("evidence", "", "section.evidence"),
)
_STATES = {"accepted": "pass", "to_sign": "manual", "rehearsed": "not_run", "not_accepted": "fail", "open": "unknown"}


def state_look(state: str) -> tuple[str, str]:
    """``(symbol, colour)`` of a report's state."""
    word = _STATES[state]
    return symbols.SYMBOLS[word], symbols.COLOURS[word]


def legend(report: Report) -> str:
    return report.words("and").join(
        f"{symbols.SYMBOLS[word]} {report.words(f'verdict.{word}')}" for word in reversed(WORST_FIRST)
    )


def screen_page(report: Report) -> str:
    """The report as one HTML page without scripts or outside references."""
    return _render(report, _css(report, "screen.css", SCREEN_FONTS))


def print_page(report: Report, fonts: str) -> str:
    """The report as HTML for WeasyPrint; ``fonts`` is a CSS font-family that leads with an installed Chinese font."""
    return _render(report, _css(report, "pdf.css", fonts))


@functools.lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=False
    )
    environment.filters["short_file"] = short_file
    return environment


def _render(report: Report, css: str) -> str:
    symbol, colour = state_look(report.state)
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            r=report,
            w=report.words,
            css=Markup(css),  # noqa: S704 - the style sheet is ours, strings put into it passed css_string
            tone="alarm" if report.alarming else "neutral",
            chapters=CHAPTERS,
            number={anchor: number for anchor, number, _ in CHAPTERS},
            order=WORST_FIRST,
            symbols=symbols.SYMBOLS,
            colours=symbols.COLOURS,
            tints=symbols.TINTS,
            counts_text=lambda counts: counts_text(counts, report.words),
            state_symbol=symbol,
            state_colour=colour,
            legend=legend(report),
            npu_aspects=tuple(fabric.NPU_ASPECTS),
            switch_aspects=tuple(fabric.SWITCH_ASPECTS),
        )
    )


def _css(report: Report, name: str, fonts: str) -> str:
    words = report.words
    before, between, after = (css_string(words(f"page.{part}")) for part in ("before", "between", "after"))
    room = 490 - 4.3 * columns(report.stamp)
    values = {
        "FONTS": fonts,
        "MONO": f'"Noto Sans Mono CJK SC", {fonts}' if name == "pdf.css" else MONO_FONTS,
        "ALARM": symbols.ALARM,
        "NEUTRAL": symbols.NEUTRAL,
        "STAMP": css_string(report.stamp),
        "STAMPCOLOUR": symbols.ALARM if report.alarming else symbols.NEUTRAL,
        "STAMPBORDER": "1.4pt" if report.alarming else ".6pt",
        "STAMPWIDTH": f"{4.3 * columns(report.stamp) + 12:.0f}pt",
        # What the stamp leaves of a portrait line; a longer name is cut there, the cover has it whole.
        "HEADWIDTH": f"{room:.0f}pt",
        "HEAD": css_string(_head(report, room)),
        "RUN": css_string(f"{words('run')} {report.run_id}"),
        "PAGE": f"{before} counter(page) {between} counter(pages) {after}",
    }
    return "\n".join(Template((TEMPLATES / part).read_text("utf-8")).substitute(values) for part in ("base.css", name))


def _head(report: Report, room_pt: float) -> str:
    """Title and site where both fit beside the stamp, else as much of the site as fits; one column is about 4.3 pt."""
    both = f"{report.words('title')} · {report.site}"
    return both if columns(both) * 4.3 <= room_pt else fit(report.site, int(room_pt / 4.3))


def css_string(text: str) -> str:
    """A CSS string literal in which only letters and digits stand for themselves, so that no text can end it early.

    >>> css_string('a</style>')
    '"a\\\\3c \\\\2f style\\\\3e "'
    """
    return '"' + re.sub(r"[^A-Za-z0-9]", lambda match: f"\\{ord(match.group()):x} ", text) + '"'
