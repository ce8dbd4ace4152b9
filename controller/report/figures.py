"""Drawings of the run folder (rack elevations): made safe to stand inside a page, and turned into bitmaps for Word.

An SVG may carry scripts, event handlers, links to other hosts, and style rules that leak into the page around it.
Only elements and attributes of the drawing vocabulary pass; identifiers are made unique per figure.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import tinycss2  # type: ignore[import-untyped]  # ships no types
import weasyprint
from lxml import etree  # type: ignore[import-untyped]  # ships no types

from .text import as_text, clean

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"
LARGEST_BYTES = 4 * 1024 * 1024
BITMAP_DPI = 160
# Put before the drawing's own fonts: a generic family would take Japanese shapes of Chinese characters, or none.
FONTS = "Noto Sans CJK SC, Source Han Sans SC, WenQuanYi Zen Hei"

_ELEMENTS = frozenset(
    """
    svg g defs symbol use rect circle ellipse line polyline polygon path text tspan title desc style clipPath
    mask linearGradient radialGradient stop pattern marker
    """.split()  # noqa: SIM905 - as words they can be read
)
_ATTRIBUTES = frozenset(
    """
    id class x y x1 y1 x2 y2 cx cy r rx ry width height d points viewBox preserveAspectRatio transform fill
    stroke opacity style offset gradientUnits gradientTransform patternUnits patternTransform
    patternContentUnits clipPathUnits maskUnits markerWidth markerHeight refX refY orient markerUnits dx dy
    rotate textLength lengthAdjust version role fx fy spreadMethod href visibility display color overflow
    dominant-baseline text-anchor text-decoration letter-spacing word-spacing writing-mode shape-rendering
    vector-effect paint-order clip-path clip-rule mask marker-start marker-mid marker-end pointer-events
    alignment-baseline baseline-shift
    """.split()  # noqa: SIM905 - as words they can be read
)
_PREFIXES = ("fill-", "stroke-", "font-", "stop-", "aria-")
_LOCAL_URL = re.compile(r"url\(\s*(['\"]?)#([^'\")]+)\1\s*\)", re.IGNORECASE)
_LENGTH = re.compile(r"\s*([0-9.]+(?:e[0-9]+)?)\s*(px|mm|cm|in|pt|)\s*", re.IGNORECASE)
_PIXELS = {"": 1.0, "px": 1.0, "mm": 96 / 25.4, "cm": 96 / 2.54, "in": 96.0, "pt": 96 / 72}


class FigureError(Exception):
    """The file is no drawing that the report can show; the message says why."""


@dataclass(frozen=True)
class Figure:
    """``svg`` stands in HTML as it is; sizes are in CSS pixels."""

    name: str
    svg: str
    width: float
    height: float


def read_svg(name: str, content: bytes, prefix: str) -> Figure:
    """A safe copy of a drawing; ``prefix`` is put before its identifiers. Raises FigureError.

    Entities are not resolved and nothing is fetched.
    """
    if len(content) > LARGEST_BYTES:
        raise FigureError(f"larger than {LARGEST_BYTES} bytes")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True, huge_tree=False, load_dtd=False
    )
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise FigureError(str(error)[:160]) from error
    if root.tag != f"{{{SVG}}}svg":
        raise FigureError("the root element is not svg")
    safe = _copy(root, prefix)
    width, height = _size(root)
    safe.set("viewBox", safe.get("viewBox") or f"0 0 {width:g} {height:g}")
    safe.set("width", f"{width:g}")
    safe.set("height", f"{height:g}")
    safe.set("id", f"{prefix}root")
    safe.set("font-family", safe.get("font-family") or f"{FONTS}, sans-serif")
    text = etree.tostring(safe, encoding="unicode")
    return Figure(clean(Path(name).stem), text, width, height)


def _copy(source: etree._Element, prefix: str) -> etree._Element:
    local = etree.QName(source).localname
    target = etree.Element(f"{{{SVG}}}{local}", nsmap={None: SVG})
    if local == "style":
        target.text = _scoped(source.text or "", prefix)
        return target
    for key, value in source.attrib.items():
        name = etree.QName(key)
        if name.namespace not in (None, XLINK) or not _allowed(name.localname):
            continue
        safe = _attribute(name.localname, as_text(value), prefix)
        if safe is not None:
            target.set(name.localname, safe)
    target.text = clean(source.text) if source.text else None
    for child in source:
        if isinstance(child.tag, str):
            qname = etree.QName(child)
            if qname.namespace == SVG and qname.localname in _ELEMENTS:
                copied = _copy(child, prefix)
                copied.tail = clean(child.tail) if child.tail else None
                target.append(copied)
    return target


def _allowed(name: str) -> bool:
    return name in _ATTRIBUTES or name.startswith(_PREFIXES)


def _attribute(name: str, value: str, prefix: str) -> str | None:
    if name == "id":
        return prefix + value
    if name == "href":
        return f"#{prefix}{value[1:]}" if value.startswith("#") else None
    if name == "style":
        return _declarations(tinycss2.parse_blocks_contents(value), prefix)
    return f"{FONTS}, {value}" if name == "font-family" else _urls(value, prefix)


def _urls(value: str, prefix: str) -> str | None:
    """References inside the drawing keep working; references to anything else make the value unusable."""
    local = _LOCAL_URL.sub(lambda match: f"url(#{prefix}{match.group(2)})", value)
    if "url(" in _LOCAL_URL.sub("", local).lower() or "javascript:" in local.lower():
        return None
    return local


def _declarations(nodes: list[tinycss2.ast.Node], prefix: str) -> str:
    kept = []
    for node in nodes:
        if node.type == "declaration":
            value = _urls(tinycss2.serialize(node.value).strip(), prefix)
            if value is not None and "image" not in value.lower() and "<" not in value:
                value = f"{FONTS}, {value}" if node.lower_name == "font-family" else value
                kept.append(f"{node.lower_name}:{value}")
    return ";".join(kept)


def _scoped(css: str, prefix: str) -> str:
    """The rules of a drawing's style element, valid inside this drawing only; at-rules (imports, fonts) are dropped."""
    rules = []
    for rule in tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True):
        if rule.type != "qualified-rule":
            continue
        selectors = tinycss2.serialize(rule.prelude)
        body = _declarations(tinycss2.parse_blocks_contents(rule.content), prefix)
        if body and not re.search(r"[<\\#]", selectors):
            scoped = ", ".join(f"#{prefix}root {selector.strip()}" for selector in selectors.split(","))
            rules.append(f"{scoped} {{{body}}}")
    return clean("\n".join(rules))


def _size(root: etree._Element) -> tuple[float, float]:
    """Width and height in CSS pixels, from the attributes or else the view box."""
    sizes = []
    for name in ("width", "height"):
        match = _LENGTH.fullmatch(root.get(name) or "")
        sizes.append(float(match.group(1)) * _PIXELS[match.group(2).lower()] if match else 0.0)
    try:
        box = [float(part) for part in re.split(r"[\s,]+", (root.get("viewBox") or "").strip())]
    except ValueError:
        box = []
    if len(box) == 4 and box[2] > 0 and box[3] > 0:
        if not sizes[0]:
            sizes[0] = sizes[1] * box[2] / box[3] if sizes[1] else box[2]
        sizes[1] = sizes[1] or sizes[0] * box[3] / box[2]
    width, height = (min(max(size or 400.0, 1.0), 20000.0) for size in sizes)
    return width, height


def to_png(figure: Figure) -> bytes | None:
    """The drawing as a bitmap, for Word. ``None`` where poppler's pdftoppm is not installed."""
    program = shutil.which("pdftoppm")
    if program is None:
        return None
    page = (
        f"<style>@page {{size: {figure.width:g}px {figure.height:g}px; margin: 0}}"
        f" body {{margin: 0}} svg {{display: block}}</style>{figure.svg}"
    )
    with tempfile.TemporaryDirectory(prefix="npuforge-figure-") as folder:
        source = Path(folder) / "figure.pdf"
        weasyprint.HTML(string=page).write_pdf(source)
        # Very large drawings are bounded by pixels, or one figure would fill the memory.
        scale = ["-scale-to", "3000"] if max(figure.width, figure.height) > 1800 else ["-r", str(BITMAP_DPI)]
        done = subprocess.run(
            [program, "-png", "-singlefile", *scale, str(source), str(Path(folder) / "figure")],
            capture_output=True,
            timeout=120,
            check=False,
        )
        image = Path(folder) / "figure.png"
        return image.read_bytes() if done.returncode == 0 and image.is_file() else None
