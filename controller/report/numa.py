"""A node's NUMA nodes as a drawing: which CPUs keep house, which are isolated, and which NPUs belong where."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from xml.sax.saxutils import escape

from . import symbols
from .figures import Figure, read_svg
from .i18n import Words
from .text import clean, fit

LARGEST_CPU = 8192  # the kernel's own largest NR_CPUS; a list beyond it is none
MOST_NUMA = 16
MOST_NPUS = 5  # boxes in a row; the others are counted
LABEL, BAR, LISTS, BOX, ROW, TOP = 78, 380, 236, 50, 18, 22  # CSS pixels
# State of a CPU: (fill, ink). Each also has a mark of its own (``system.numa.mark.*``), so that no colour is needed.
LOOKS = {
    "keep": ("#4a5560", "#ffffff"),
    "apart": (f"#{symbols.TINTS['manual']}", f"#{symbols.COLOURS['manual']}"),
    "missing": (f"#{symbols.TINTS['fail']}", f"#{symbols.COLOURS['fail']}"),
    "extra": (f"#{symbols.TINTS['unknown']}", f"#{symbols.COLOURS['unknown']}"),
    "plain": ("#f3f4f6", "#4a5560"),
}
_PART = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?", re.ASCII)
_FLAG = re.compile(r"[a-z][a-z_]*")


@dataclass(frozen=True)
class Layout:
    """How one node's CPUs are divided; nodes with equal layouts share a drawing.

    ``housekeeping`` and ``isolated`` are the baseline's division (None: it has none). ``running`` are the CPUs that the
    running kernel isolates (None: not known). ``npus``: (name, number of its NUMA node, or "" where it is not known).
    """

    numa: tuple[tuple[str, frozenset[int]], ...]
    housekeeping: frozenset[int] | None
    isolated: frozenset[int] | None
    running: frozenset[int] | None
    npus: tuple[tuple[str, str], ...]

    @property
    def wrong(self) -> bool:
        """Whether the running kernel isolates other CPUs than it should."""
        return any(self.state(cpu) in ("missing", "extra") for _, cpus in self.numa for cpu in cpus)

    def state(self, cpu: int) -> str:
        """One of ``LOOKS``: ``missing`` should be isolated and is not yet, ``extra`` is isolated and should not be."""
        if self.isolated and cpu in self.isolated:
            return "apart" if self.running is None or cpu in self.running else "missing"
        if self.running and cpu in self.running:
            return "extra"
        return "keep" if self.housekeeping and cpu in self.housekeeping else "plain"


def cpu_list(text: str) -> frozenset[int] | None:
    """The kernel's list form (``0-3,32``); None for anything else, strides included.

    >>> sorted(cpu_list("0-2,8"))
    [0, 1, 2, 8]
    """
    found: set[int] = set()
    for part in text.split(",") if text.strip() else ():
        match = _PART.fullmatch(part.strip())
        if match is None:
            return None
        low, high = int(match.group(1)), int(match.group(2) or match.group(1))
        if not low <= high <= LARGEST_CPU:
            return None
        found.update(range(low, high + 1))
    return frozenset(found)


def isolated_by(value: str) -> frozenset[int] | None:
    """The CPUs that a value of ``isolcpus=`` isolates from the scheduler; ``not set`` isolates none.

    >>> sorted(isolated_by("managed_irq,domain,4-5"))
    [4, 5]
    """
    if value == "not set":
        return frozenset()
    words = value.split(",")
    flags = [word for word in words if _FLAG.fullmatch(word)]
    if flags and "domain" not in flags:  # other flags alone leave the CPUs to the scheduler
        return frozenset()
    return cpu_list(",".join(words[len(flags) :]))


def list_text(cpus: Iterable[int]) -> str:
    """The kernel's list form of some CPUs.

    >>> list_text([3, 0, 1, 2, 9])
    '0-3,9'
    """
    runs: list[list[int]] = []
    for cpu in sorted(cpus):
        if runs and cpu == runs[-1][1] + 1:
            runs[-1][1] = cpu
        else:
            runs.append([cpu, cpu])
    return ",".join(f"{low}" if low == high else f"{low}-{high}" for low, high in runs)


def draw(layout: Layout, words: Words, *, name: str, prefix: str) -> Figure | None:
    """A bar for each NUMA node; None where no NUMA node is known."""
    if not layout.numa:
        return None
    shown = layout.numa[:MOST_NUMA]
    most = max(len(cpus) for _, cpus in layout.numa) or 1
    parts = [
        _text(0, 14, words("system.numa.node"), "start"),
        _text(LABEL, 14, words("system.numa.cpus"), "start"),
        _text(LABEL + BAR + LISTS, 14, words("system.numa.npus"), "start"),
    ]
    used: set[str] = set()
    for line, (number, cpus) in enumerate(shown):
        y = TOP + line * ROW
        states: dict[str, list[int]] = {state: [] for state in LOOKS}
        for cpu in sorted(cpus):
            states[layout.state(cpu)].append(cpu)
        parts.append(_text(0, y + 12, f"NUMA {fit(number, 8)}", "start"))
        x, lists = float(LABEL), []
        for state, members in states.items():
            if not members:
                continue
            used.add(state)
            mark, width = words(f"system.numa.mark.{state}"), BAR * len(members) / most
            parts.append(_box(x, y, width, LOOKS[state], f"{mark} {len(members)}" if width > 34 else ""))
            lists.append(f"{mark} {list_text(members)}")
            x += width
        parts.append(_text(LABEL + BAR + 8, y + 12, fit(" | ".join(lists), 36), "start"))
        parts += _npus([npu for npu, place in layout.npus if place == number], y)
    height = TOP + len(shown) * ROW
    lost = [npu for npu, place in layout.npus if place not in {number for number, _ in shown}]
    if lost or len(layout.numa) > len(shown):
        more = len(layout.numa) - len(shown)
        parts.append(_text(0, height + 12, words.say("system.numa.more", count=more) if more else "NUMA ?", "start"))
        parts += _npus(lost, height)
        height += ROW
    x = float(LABEL)
    for state in (state for state in LOOKS if state in used):
        meaning = words(f"system.numa.state.{state}")
        parts.append(_box(x, height + 6, 24, LOOKS[state], words(f"system.numa.mark.{state}")))
        parts.append(_text(x + 30, height + 18, meaning, "start"))
        x += 60 + sum(12 if ord(char) > 0x2E80 else 6.4 for char in meaning)
    width, height = LABEL + BAR + LISTS + (MOST_NPUS + 1) * BOX, height + ROW + 8
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}">{"".join(parts)}</svg>'
    )
    return read_svg(name, svg.encode("utf-8", "replace"), prefix=prefix)


def _text(x: float, y: float, text: str, anchor: str, ink: str = "#1c2126") -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-size="11" fill="{ink}">{escape(clean(text))}</text>'


def _box(x: float, y: float, width: float, look: tuple[str, str], text: str) -> str:
    fill, ink = look
    box = f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{ROW - 2}" fill="{fill}" stroke="{ink}"/>'
    return box + (_text(x + width / 2, y + 12, text, "middle", ink) if text else "")


def _npus(names: list[str], y: float) -> list[str]:
    names = names if len(names) <= MOST_NPUS + 1 else [*names[:MOST_NPUS], f"+{len(names) - MOST_NPUS}"]
    left = LABEL + BAR + LISTS
    look = (f"#{symbols.TINTS['pass']}", f"#{symbols.COLOURS['pass']}")
    return [_box(left + place * BOX, y, BOX - 4, look, fit(name, 6)) for place, name in enumerate(names)]
