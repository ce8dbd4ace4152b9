"""The Word document's building blocks: paragraphs, tables, fields, sections.

Tables are built as XML at once: python-docx looks every cell up by scanning its table, which is quadratic, and a
cluster of a hundred nodes has tens of thousands of cells.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from docx import Document
from docx.enum.section import WD_ORIENT, WD_SECTION
from docx.enum.style import WD_STYLE_TYPE
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml.ns import qn
from docx.shared import Mm, Pt, RGBColor
from lxml import etree  # type: ignore[import-untyped]  # ships no types

from .text import clean

# Typefaces that Word and WPS have everywhere; Chinese text needs its own attribute (w:eastAsia) or Word picks one.
LATIN, CHINESE, CHINESE_HEADING, MONO = "Arial", "宋体", "黑体", "Consolas"
PAGE_WIDTH, PAGE_HEIGHT = 210, 297
SIDE_MARGIN = 15
PORTRAIT_WIDTH = PAGE_WIDTH - 2 * SIDE_MARGIN
LANDSCAPE_WIDTH = PAGE_HEIGHT - 2 * SIDE_MARGIN
TWIPS_PER_MM = 56.7
_SPACE = "{http://www.w3.org/XML/1998/namespace}space"


@dataclass(frozen=True)
class Cell:
    """One table cell. ``colour`` and ``fill`` are six hexadecimal digits; ``size`` is in points."""

    text: str
    bold: bool = False
    colour: str = ""
    fill: str = ""
    code: bool = False
    centre: bool = False
    size: float = 8.0


def sub(parent: etree._Element, tag: str, **attributes: str) -> etree._Element:
    """Append ``w:tag`` with attributes of the same namespace."""
    element = etree.SubElement(parent, qn(f"w:{tag}"))
    for name, value in attributes.items():
        element.set(qn(f"w:{name}"), value)
    return element


def fonts(properties: etree._Element, latin: str, chinese: str) -> None:
    element = properties.find(qn("w:rFonts"))
    if element is None:  # the schema wants it before the other properties
        element = sub(properties, "rFonts")
        properties.insert(0, element)
    for name, value in (("ascii", latin), ("hAnsi", latin), ("cs", latin), ("eastAsia", chinese)):
        element.set(qn(f"w:{name}"), value)
    for name in ("asciiTheme", "hAnsiTheme", "eastAsiaTheme", "cstheme"):
        element.attrib.pop(qn(f"w:{name}"), None)


def run(paragraph: etree._Element, text: str, cell: Cell) -> None:
    """Append text to a ``w:p``; line feeds become line breaks."""
    element = sub(paragraph, "r")
    properties = sub(element, "rPr")
    if cell.code:
        fonts(properties, MONO, CHINESE)
    if cell.bold:
        sub(properties, "b")
    if cell.colour:
        sub(properties, "color", val=cell.colour)
    sub(properties, "sz", val=str(round(cell.size * 2)))
    for number, line in enumerate(clean(text).split("\n")):
        if number:
            sub(element, "br")
        if line:
            piece = sub(element, "t")
            piece.text = line
            piece.set(_SPACE, "preserve")


def field(paragraph: etree._Element, instruction: str, look: Cell) -> None:
    """A Word field such as PAGE; ``look.text`` stands there until Word computes it."""

    def piece() -> etree._Element:
        element = sub(paragraph, "r")
        properties = sub(element, "rPr")
        sub(properties, "color", val=look.colour)
        sub(properties, "sz", val=str(round(look.size * 2)))
        return element

    sub(piece(), "fldChar", fldCharType="begin")
    code = sub(piece(), "instrText")
    code.text = f" {instruction} "
    code.set(_SPACE, "preserve")
    sub(piece(), "fldChar", fldCharType="separate")
    sub(piece(), "t").text = look.text
    sub(piece(), "fldChar", fldCharType="end")


class Writer:
    """Writes one document from top to bottom."""

    def __init__(self, title: str, author: str) -> None:
        self.document: Any = Document()
        self.width_mm: float = PORTRAIT_WIDTH
        properties = self.document.core_properties
        properties.title, properties.author, properties.comments = clean(title)[:250], clean(author)[:250], ""
        self._styles()
        self._page(self.document.sections[0], landscape=False)

    def _styles(self) -> None:
        styles = self.document.styles
        for style in styles:
            if style.type == WD_STYLE_TYPE.PARAGRAPH:
                heading = style.name.startswith(("Heading", "Title"))
                fonts(style.element.get_or_add_rPr(), LATIN, CHINESE_HEADING if heading else CHINESE)
        for language in styles.element.iter(qn("w:lang")):
            language.set(qn("w:eastAsia"), "zh-CN")
        normal = styles["Normal"]
        normal.font.size = Pt(10)
        normal.paragraph_format.space_after = Pt(4)
        for level, size in ((1, 15), (2, 11.5), (3, 10)):
            style = styles[f"Heading {level}"]
            style.font.size, style.font.bold, style.font.color.rgb = Pt(size), True, RGBColor(0x1C, 0x21, 0x26)
            style.paragraph_format.space_before, style.paragraph_format.space_after = Pt(10), Pt(5)

    @staticmethod
    def _page(section: Any, *, landscape: bool) -> None:
        width, height = (PAGE_HEIGHT, PAGE_WIDTH) if landscape else (PAGE_WIDTH, PAGE_HEIGHT)
        section.orientation = WD_ORIENT.LANDSCAPE if landscape else WD_ORIENT.PORTRAIT
        section.page_width, section.page_height = Mm(width), Mm(height)
        section.left_margin = section.right_margin = Mm(SIDE_MARGIN)
        section.top_margin, section.bottom_margin = Mm(24), Mm(18)
        section.header_distance, section.footer_distance = Mm(8), Mm(8)

    def section(self, *, landscape: bool) -> None:
        """Go on on a new page of this orientation. Header and footer run on."""
        self._page(self.document.add_section(WD_SECTION.NEW_PAGE), landscape=landscape)
        self.width_mm = LANDSCAPE_WIDTH if landscape else PORTRAIT_WIDTH

    def header_and_footer(self, heading: str, stamp: Cell, footer: str, page: Sequence[str]) -> None:
        """``page`` holds the words before, between and after the two numbers."""
        section = self.document.sections[0]
        top = section.header.paragraphs[0]
        top.alignment = WD_ALIGN_PARAGRAPH.CENTER
        if heading:
            run(top._p, heading + "　　", Cell("", colour="4A5560", size=8))
        run(top._p, f" {stamp.text} ", stamp)
        self._boxed(top._p, stamp.colour)
        bottom = section.footer.paragraphs[0]
        bottom.alignment = WD_ALIGN_PARAGRAPH.CENTER
        grey = Cell("1", colour="4A5560", size=8)
        run(bottom._p, f"{footer}　·　{page[0]}", grey)
        field(bottom._p, "PAGE", grey)
        run(bottom._p, page[1], grey)
        field(bottom._p, "NUMPAGES", grey)
        run(bottom._p, page[2], grey)

    @staticmethod
    def _boxed(paragraph: etree._Element, colour: str) -> None:
        properties = paragraph.get_or_add_pPr()
        border = etree.Element(qn("w:pBdr"))
        for side in ("top", "left", "bottom", "right"):
            sub(border, side, val="single", sz="12", space="3", color=colour)
        # The schema orders pPr's children: borders stand before justification.
        justification = properties.find(qn("w:jc"))
        properties.insert(
            list(properties).index(justification) if justification is not None else len(properties), border
        )

    def heading(self, text: str, level: int) -> None:
        self.document.add_heading(clean(text), level)

    def text(self, text: str, **look: Any) -> None:
        """A paragraph; ``look`` is that of ``Cell`` (bold, colour, size, centre, code)."""
        paragraph = self.document.add_paragraph()
        cell = Cell(text, **{"size": 10.0, **look})
        if cell.centre:
            paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
        run(paragraph._p, text, cell)

    def bullet(self, text: str) -> None:
        run(self.document.add_paragraph(style="List Bullet")._p, text, Cell(text, size=10))

    def picture(self, image: bytes, width_mm: float, height_mm: float) -> None:
        """Scaled down, never up, to what the page holds."""
        scale = min(1.0, self.width_mm / width_mm, 215 / height_mm)
        paragraph = self.document.add_paragraph()
        paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
        paragraph.add_run().add_picture(BytesIO(image), width=Mm(width_mm * scale), height=Mm(height_mm * scale))

    def table(
        self,
        shares: Sequence[float],
        head: Sequence[str],
        rows: Iterable[Sequence[Cell | str]],
        *,
        row_height_mm: Sequence[float] = (),
        outlined: bool = True,
    ) -> None:
        """A table over the whole width, ``shares`` the columns' parts of it. The head repeats on every page."""
        total = sum(shares)
        widths = [max(round(self.width_mm * TWIPS_PER_MM * share / total), 1) for share in shares]
        body = self.document.element.body
        table = etree.Element(qn("w:tbl"))
        properties = sub(table, "tblPr")
        sub(properties, "tblW", w=str(sum(widths)), type="dxa")
        borders = sub(properties, "tblBorders")
        for side in ("top", "left", "bottom", "right", "insideH", "insideV"):
            sub(borders, side, val="single" if outlined else "none", sz="4", space="0", color="AAB1B9")
        sub(properties, "tblLayout", type="fixed")
        margins = sub(properties, "tblCellMar")
        for side in ("left", "right"):
            sub(margins, side, w="70", type="dxa")
        grid = sub(table, "tblGrid")
        for width in widths:
            sub(grid, "gridCol", w=str(width))
        if head:
            cells = [Cell(text, bold=True, fill="EEF1F4") for text in head]
            self._row(table, cells, widths, repeat=True, height_mm=0)
        for number, row in enumerate(rows):
            cells = [cell if isinstance(cell, Cell) else Cell(cell) for cell in row]
            height = row_height_mm[number] if number < len(row_height_mm) else 0
            self._row(table, cells, widths, repeat=False, height_mm=height)
        body.insert(len(body) - 1, table)  # before the section properties, which come last
        after = self.document.add_paragraph()
        after.paragraph_format.space_after = Pt(2)

    @staticmethod
    def _row(
        table: etree._Element, cells: Sequence[Cell], widths: Sequence[int], *, repeat: bool, height_mm: float
    ) -> None:
        row = sub(table, "tr")
        properties = sub(row, "trPr")
        if sum(len(cell.text) for cell in cells) < 1500:  # a longer row may not fit one page, so it may split
            sub(properties, "cantSplit")
        if height_mm:
            sub(properties, "trHeight", val=str(round(height_mm * TWIPS_PER_MM)), hRule="atLeast")
        if repeat:
            sub(properties, "tblHeader")
        for cell, width in zip(cells, widths, strict=True):
            element = sub(row, "tc")
            look = sub(element, "tcPr")
            sub(look, "tcW", w=str(width), type="dxa")
            if cell.fill:
                sub(look, "shd", val="clear", color="auto", fill=cell.fill)
            if height_mm:
                sub(look, "vAlign", val="center")
            paragraph = sub(element, "p")
            layout = sub(paragraph, "pPr")
            sub(layout, "spacing", before="20", after="20")
            if cell.centre:
                sub(layout, "jc", val="center")
            if cell.text:
                run(paragraph, cell.text, cell)

    def save(self) -> bytes:
        buffer = BytesIO()
        self.document.save(buffer)
        return buffer.getvalue()
