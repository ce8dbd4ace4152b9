"""What each NPU port carried, as a heat-map of directions by ports; a number in each cell, so colour is not needed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from . import symbols
from .figures import Figure, read_svg
from .i18n import Words
from .text import as_text, clean, dicts, natural

MOST_DIRECTIONS = 24
LEFT, TOP, WIDTH, HEIGHT = 150, 34, 74, 24  # CSS pixels


@dataclass(frozen=True)
class Flow:
    """``gbit_per_s`` is None where the port gave no number."""

    source: str
    target: str
    gbit_per_s: float | None

    @property
    def direction(self) -> str:
        return f"{_node(self.source)} → {_node(self.target)}"


def flows_of(pairs: Iterable[dict[str, Any]]) -> list[Flow]:
    """The measurements in the facts of node pairs."""
    flows = []
    for facts in pairs:
        for row in dicts(facts.get("ports")):
            source, target = as_text(row.get("source")), as_text(row.get("target"))
            if source and target:
                flows.append(Flow(source, target, number(row.get("gbit_per_s"))))
    return flows


def _node(port: str) -> str:
    return port.partition("/")[0]


def number(value: Any) -> float | None:
    """A JSON number; None for anything else."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def heat_map(flows: list[Flow], threshold: float | None, words: Words) -> Figure | None:
    """Rows: directions; columns: the sending ports, rail by rail. A number in each cell, so colour is not needed."""
    if not flows:
        return None
    rails = sorted({flow.source.partition("/")[2] for flow in flows}, key=natural)
    cells: dict[tuple[str, str], Flow] = {}
    for flow in flows:
        key = (flow.direction, flow.source.partition("/")[2])
        if key not in cells or (flow.gbit_per_s or 0.0) < (cells[key].gbit_per_s or 0.0):
            cells[key] = flow
    directions = sorted({flow.direction for flow in flows}, key=natural)
    if len(directions) > MOST_DIRECTIONS:

        def slowest(direction: str) -> float:
            return min((cells[key].gbit_per_s or 0.0) for key in cells if key[0] == direction)

        directions = sorted(directions, key=slowest)[:MOST_DIRECTIONS]
    parts = [
        f'<text x="{LEFT - 8}" y="22" text-anchor="end" font-size="11">{escape(words("fabric.heat.axis"))}</text>',
    ]
    for column, rail in enumerate(rails):
        x = LEFT + column * WIDTH + WIDTH / 2
        parts.append(f'<text x="{x:g}" y="22" text-anchor="middle" font-size="11">{escape(clean(rail))}</text>')
    for row, direction in enumerate(directions):
        y = TOP + row * HEIGHT
        parts.append(
            f'<text x="{LEFT - 8}" y="{y + 16}" text-anchor="end" font-size="11">{escape(clean(direction))}</text>'
        )
        for column, rail in enumerate(rails):
            carried = cells.get((direction, rail))
            x = LEFT + column * WIDTH
            fill, ink, text = _cell(carried, threshold)
            parts.append(
                f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" fill="{fill}" stroke="#ffffff"/>'
                f'<text x="{x + WIDTH / 2:g}" y="{y + 16}" text-anchor="middle" font-size="11" fill="{ink}">'
                f"{text}</text>"
            )
    total_width, total_height = LEFT + len(rails) * WIDTH + 10, TOP + len(directions) * HEIGHT + 10
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{total_width}" height="{total_height}" '
        f'viewBox="0 0 {total_width} {total_height}">{"".join(parts)}</svg>'
    )
    return read_svg("bandwidth.svg", svg.encode("utf-8", "replace"), prefix="heat-")


def _cell(flow: Flow | None, threshold: float | None) -> tuple[str, str, str]:
    """(fill, ink, text): green from the threshold on, red the further below it, grey where nothing was measured."""
    if flow is None:
        return "#f3f4f6", "#8a929b", ""
    if flow.gbit_per_s is None:
        return f"#{symbols.TINTS['unknown']}", f"#{symbols.COLOURS['unknown']}", "?"
    text = f"{flow.gbit_per_s:.1f}"
    if threshold is None:
        return f"#{symbols.TINTS['not_run']}", "#000000", text
    if flow.gbit_per_s >= threshold:
        return f"#{symbols.TINTS['pass']}", f"#{symbols.COLOURS['pass']}", text
    share = max(flow.gbit_per_s / threshold, 0.0)
    if share < 0.6:
        return f"#{symbols.COLOURS['fail']}", "#ffffff", f"× {text}"
    return f"#{symbols.TINTS['fail']}", f"#{symbols.COLOURS['fail']}", f"× {text}"
