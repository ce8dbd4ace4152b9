"""Rates as heat-maps: what each NPU port carried by directions, and any other table of rates."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
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
    """A JSON number; None for anything else, and for what no measurement can be (too large, not a number)."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    try:
        known = float(value)
    except OverflowError:
        return None
    return known if isfinite(known) else None


def heat_map(flows: list[Flow], threshold: float | None, words: Words) -> Figure | None:
    """Rows: directions; columns: the sending ports, rail by rail."""
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
    rates = {key: flow.gbit_per_s for key, flow in cells.items()}
    return grid(
        directions, rails, rates, threshold, axis=words("fabric.heat.axis"), name="bandwidth.svg", prefix="heat-"
    )


def grid(
    rows: Sequence[str],
    columns: Sequence[str],
    rates: Mapping[tuple[str, str], float | None],
    threshold: float | None,
    *,
    axis: str,
    name: str,
    prefix: str,
    notable: Collection[tuple[str, str]] = (),
) -> Figure | None:
    """A table of rates as a drawing, with a number in each cell, so that colour is not needed.

    :param rates: by (row, column); None: measured without a number, a missing key: nothing to measure.
    :param notable: cells that are marked although they are above the threshold.
    """
    parts = [f'<text x="{LEFT - 8}" y="22" text-anchor="end" font-size="11">{escape(clean(axis))}</text>']
    for place, column in enumerate(columns):
        x = LEFT + place * WIDTH + WIDTH / 2
        parts.append(f'<text x="{x:g}" y="22" text-anchor="middle" font-size="11">{escape(clean(column))}</text>')
    for line, row in enumerate(rows):
        y = TOP + line * HEIGHT
        parts.append(f'<text x="{LEFT - 8}" y="{y + 16}" text-anchor="end" font-size="11">{escape(clean(row))}</text>')
        for place, column in enumerate(columns):
            x = LEFT + place * WIDTH
            known = (row, column) in rates
            fill, ink, text = _cell(known, rates.get((row, column)), threshold, (row, column) in notable)
            parts.append(
                f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" fill="{fill}" stroke="#ffffff"/>'
                f'<text x="{x + WIDTH / 2:g}" y="{y + 16}" text-anchor="middle" font-size="11" fill="{ink}">'
                f"{text}</text>"
            )
    total_width, total_height = LEFT + len(columns) * WIDTH + 10, TOP + len(rows) * HEIGHT + 10
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{total_width}" height="{total_height}" '
        f'viewBox="0 0 {total_width} {total_height}">{"".join(parts)}</svg>'
    )
    return read_svg(name, svg.encode("utf-8", "replace"), prefix=prefix)


def _cell(known: bool, rate: float | None, threshold: float | None, notable: bool) -> tuple[str, str, str]:
    """(fill, ink, text): green from the threshold on, red the further below it, grey where nothing was measured."""
    if not known:
        return "#f3f4f6", "#8a929b", ""
    if rate is None:
        return f"#{symbols.TINTS['unknown']}", f"#{symbols.COLOURS['unknown']}", "?"
    text = f"{rate:.1f}"
    if threshold is not None and rate < threshold:
        if rate < 0.6 * threshold:
            return f"#{symbols.COLOURS['fail']}", "#ffffff", f"× {text}"
        return f"#{symbols.TINTS['fail']}", f"#{symbols.COLOURS['fail']}", f"× {text}"
    if notable:
        return f"#{symbols.TINTS['fail']}", f"#{symbols.COLOURS['fail']}", f"! {text}"
    if threshold is None:
        return f"#{symbols.TINTS['not_run']}", "#000000", text
    return f"#{symbols.TINTS['pass']}", f"#{symbols.COLOURS['pass']}", text
