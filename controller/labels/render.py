"""Label sheets: A4 PDF for office printers, CSV for label printers. Two labels per cable, one for each end.

Network cables get flags (two faces with a part between them that goes round the cable), power cords get plates in
another style, coloured by feed. The QR code holds the cable's id and nothing else.
"""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import segno
import weasyprint

from controller.labels.check import LABEL_CONFLICTS, PORT_CONFLICTS, validate
from controller.labels.model import Cable, Cabling, End

PT_MM = 25.4 / 72
FONT = "'Noto Sans Mono CJK SC','Noto Sans Mono CJK TC','Sarasa Mono SC',monospace"
# Widths that suffice for each of those fonts: Latin 0.61 em (DejaVu Sans Mono; Noto's is 0.5), CJK 1 em.
LATIN_EM, CJK_EM = 0.61, 1.0
SMALLEST_PT = 4.5
FEED_COLOURS = ("#c2410c", "#1d4ed8", "#15803d", "#7e22ce", "#a16207", "#0f766e")


@dataclass(frozen=True)
class Stock:
    """A sheet of labels, in mm. ``face`` is what text may fill of each half of a flag (0: a plain plate)."""

    name: str
    width: float
    height: float
    columns: int
    rows: int
    left: float
    top: float
    face: float = 0.0


PLATE = Stock("48x25", 48, 25, 4, 11, 9, 11)
FLAG = Stock("96x25 flag, 38+20+38", 96, 25, 2, 11, 9, 11, face=38)

WORDS = {
    "zh": {"here": "本端", "far": "对端", "fibre": "光缆", "copper": "铜缆", "power": "电源线", "feed": "馈电",
           "A": "A 端", "B": "B 端"},
    "en": {"here": "HERE", "far": "FAR", "fibre": "fibre", "copper": "copper", "power": "power", "feed": "feed",
           "A": "end A", "B": "end B"},
}  # fmt: skip


@dataclass(frozen=True)
class Printed:
    """What a sheet has: labels by the cable's id (two each), and the cables left out with the reason."""

    labels: tuple[str, ...]
    skipped: tuple[str, ...]
    pages: int = 0


@dataclass(frozen=True)
class Label:
    cable: Cable
    side: str  # A or B
    here: str
    far: str
    feed: str | None


def printable(cabling: Cabling) -> tuple[list[Label], list[str]]:
    """``(labels, skipped)``. A cable whose label or port is in conflict gets none: a wrong label is worse than none."""
    conflicts = {
        number
        for problem in validate(cabling)
        if problem.kind in LABEL_CONFLICTS + PORT_CONFLICTS
        for number in problem.cables
    }
    labels: list[Label] = []
    skipped: list[str] = []
    for cable in cabling.cables:
        ends = cabling.end_id(cable.a), cabling.end_id(cable.b)
        if cable.status == "decommissioning":
            skipped.append(f"{cable}: is to be removed")
        elif cable.number in conflicts:
            skipped.append(f"{cable}: its port or label is used twice")
        elif cable.label is None or ends[0] is None or ends[1] is None:
            skipped.append(f"{cable}: not both ends are known")
        else:
            feed = next((f for f in (_feed(cabling, end) for end in (cable.a, cable.b)) if f), None)
            labels.append(Label(cable, "A", ends[0], ends[1], feed))
            labels.append(Label(cable, "B", ends[1], ends[0], feed))
    return labels, skipped


def _feed(cabling: Cabling, end: End) -> str | None:
    place = cabling.devices.get(end.device or "")
    return place.feed if place else None


def render_csv(cabling: Cabling) -> str:
    """One line per label, for label printers: ``qr`` is what the code holds (the id)."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(["label", "side", "kind", "here", "far", "type", "length", "feed", "color", "qr"])
    for label in printable(cabling)[0]:
        cable = label.cable
        writer.writerow(
            [cable.label, label.side, cable.kind, label.here, label.far, cable.type or "", cable.length_text,
             label.feed or "", cable.color or "", cable.label]
        )  # fmt: skip
    return out.getvalue()


def render_pdf(cabling: Cabling, path: Path | str, language: str = "zh") -> Printed:
    """Write the sheets: first the flags of network cables, then the plates of power cords, each on its own stock.

    :param language: ``zh`` or ``en``.
    :raises OSError: the file cannot be written.
    """
    labels, skipped = printable(cabling)
    sheets = [
        (FLAG, [label for label in labels if label.cable.kind != "power"]),
        (PLATE, [label for label in labels if label.cable.kind == "power"]),
    ]
    feeds = sorted({place.feed for place in cabling.devices.values() if place.feed})
    colours = {feed: FEED_COLOURS[index % len(FEED_COLOURS)] for index, feed in enumerate(feeds)}
    body = "".join(page for stock, some in sheets for page in _pages(stock, some, colours, WORDS[language]))
    document = weasyprint.HTML(
        string=f"<html lang={language!r}><style>{CSS}</style><body>{body}</body></html>"
    ).render()
    document.write_pdf(str(path))
    return Printed(tuple(str(label.cable.label) for label in labels), tuple(skipped), len(document.pages))


CSS = f"""
@page {{ size: 210mm 297mm; margin: 0 }}
body {{ margin: 0; font-family: {FONT}; color: #000 }}
.sheet {{ position: relative; width: 210mm; height: 297mm; break-after: page }}
.sheet:last-child {{ break-after: auto }}
.label {{ position: absolute; box-sizing: border-box; outline: 0.1mm solid #cbd5e1; outline-offset: -0.05mm }}
.t {{ position: absolute; white-space: pre; line-height: 1.2 }}
.b {{ font-weight: 700 }}
.q {{ position: absolute; image-rendering: pixelated }}
.fold {{ position: absolute; top: 0; height: 25mm; border: 0 solid #e2e8f0; border-width: 0 0.1mm }}
.band {{ position: absolute; left: 0; top: 0; height: 5mm; width: 48mm }}
"""


def _pages(stock: Stock, labels: list[Label], colours: dict[str, str], words: dict[str, str]) -> Iterator[str]:
    per_page = stock.columns * stock.rows
    for start in range(0, len(labels), per_page):
        cells = []
        for index, label in enumerate(labels[start : start + per_page]):
            x = stock.left + index % stock.columns * stock.width
            y = stock.top + index // stock.columns * stock.height
            inner = _flag(label, words) if stock.face else _plate(label, colours, words)
            box = f"left:{x:g}mm;top:{y:g}mm;width:{stock.width:g}mm;height:{stock.height:g}mm"
            cells.append(f'<div class="label" style="{box}">{inner}</div>')
        yield f'<div class="sheet">{"".join(cells)}</div>'


def _flag(label: Label, words: dict[str, str]) -> str:
    """Left face: code and id; middle: round the cable; right face: both ends."""
    cable = label.cable
    kind = f"{words[cable.kind]} {cable.length_text}".strip()
    details = "\n".join(filter(None, (kind, cable.type or "", words[label.side])))
    right = FLAG.width - FLAG.face
    return (
        _qr(cable, 1, 4, 17)
        + _text(cable.label or "", 18.5, 3, 18.5, 9, most_pt=8, bold=True)
        + _text(details, 18.5, 13, 18.5, 10, most_pt=6.5)
        + f'<div class="fold" style="left:{FLAG.face:g}mm;width:{right - FLAG.face:g}mm"></div>'
        + _ends(label, words, x=right + 1.5, y=2.5, width=FLAG.face - 3, height=9.5)
    )


def _plate(label: Label, colours: dict[str, str], words: dict[str, str]) -> str:
    """A coloured band with feed and side, then code, id and both ends."""
    cable = label.cable
    feed = f"{words['feed']} {label.feed or '?'}"
    colour = colours.get(label.feed or "", "#334155")
    band = f"{feed}  {words['power']} {cable.length_text}".rstrip()
    return (
        f'<div class="band" style="background:{colour}"></div>'
        + _text(band, 1.5, 0.6, 34, 4, most_pt=8.5, bold=True, colour="#ffffff", lines=1)
        + _text(words[label.side], 37, 0.6, 10, 4, most_pt=8.5, bold=True, colour="#ffffff", lines=1)
        + _qr(cable, 0.5, 6.5, 17)
        + _text(cable.label or "", 18, 5.6, 29, 4.6, most_pt=8, bold=True)
        + _ends(label, words, x=18, y=10.4, width=29, height=6.2)
    )


def _ends(label: Label, words: dict[str, str], *, x: float, y: float, width: float, height: float) -> str:
    parts = []
    for index, (word, end, bold) in enumerate(((words["here"], label.here, True), (words["far"], label.far, False))):
        top = y + index * (height + 0.3)
        parts.append(_text(word, x, top, width, 2.6, most_pt=5.5, lines=1))
        parts.append(_text(end, x, top + 2.6, width, height - 2.6, most_pt=8, bold=bold))
    return "".join(parts)


def _qr(cable: Cable, x: float, y: float, size: float) -> str:
    code = segno.make(cable.label or "", error="m", micro=False)
    # A border of four modules: readers need the quiet zone.
    uri = code.png_data_uri(scale=10, border=4)
    box = f"left:{x:g}mm;top:{y:g}mm;width:{size:g}mm;height:{size:g}mm"
    return f'<img class="q" src="{html.escape(uri)}" style="{box}">'


def width_em(text: str) -> float:
    return sum(CJK_EM if ord(character) > 0x2E7F else LATIN_EM for character in text)


def fit(text: str, width_mm: float, height_mm: float, most_pt: float, lines: int = 3) -> tuple[list[str], float]:
    """``(lines, size in points)``: as large as fits the box, on as few lines as leave it readable.

    Line breaks in ``text`` stay; a longer text is cut after ``-``, ``/`` or ``:`` near its middle.
    """
    best: tuple[list[str], float] = ([text], 0.0)
    given = text.split("\n")
    for count in range(1, lines + 1):
        broken = [piece for line in given for piece in _break(line, count)]
        widest = max(width_em(line) for line in broken) or LATIN_EM
        size = min(most_pt, width_mm / widest / PT_MM, height_mm / (1.2 * len(broken)) / PT_MM)
        if size > best[1] + 0.05:
            best = (broken, size)
        if best[1] >= min(most_pt, SMALLEST_PT + 1):
            break
    return best


def _break(line: str, count: int) -> list[str]:
    pieces: list[str] = []
    rest = line
    for left in range(count, 1, -1):
        target = max(1, round(len(rest) / left))
        cuts = [i + 1 for i, character in enumerate(rest[:-1]) if character in "-/: "]
        near = [cut for cut in cuts if abs(cut - target) <= max(2, target // 2)]
        cut = min(near, key=lambda at: abs(at - target)) if near else target
        pieces.append(rest[:cut])
        rest = rest[cut:]
    return [*pieces, rest] if rest else pieces


def _text(
    text: str,
    x: float,
    y: float,
    width: float,
    height: float,
    *,
    most_pt: float,
    bold: bool = False,
    colour: str = "",
    lines: int = 3,
) -> str:
    broken, size = fit(text, width, height, most_pt, lines)
    style = f"left:{x:g}mm;top:{y:g}mm;font-size:{size:.2f}pt" + (f";color:{colour}" if colour else "")
    return f'<div class="t{" b" if bold else ""}" style="{style}">{html.escape(chr(10).join(broken))}</div>'
