"""Fans and power supplies have two views: the old Thermal/Power and the new ThermalSubsystem/PowerSubsystem.

Both often exist and differ. The fuller one counts; the other fills in what it does not tell.
"""

from __future__ import annotations

from typing import NamedTuple

from ..common import Document
from .part import Kind, last, match_key, merge
from .tree import Tree


class View(NamedTuple):
    """One chassis seen through one tree."""

    name: str
    parts: list[Document]
    missing: list[tuple[str, str]]
    shown: bool

    @property
    def size(self) -> int:
        return len(self.parts) + len(self.missing)


def of_collection(tree: Tree, name: str, chassis: str, roles: tuple[str, str, str], parts: list[Document]) -> View:
    """The new view of one chassis: subsystem -> collection -> members. ``roles`` are those three."""
    missing = [item for role in roles for item in tree.unread(role) if tree.owner(item[0], "chassis") == chassis]
    missing += [item for item in tree.gaps(roles[1]) if tree.owner(item[0], "chassis") == chassis]
    shown = any(tree.owner(uri, "chassis") == chassis for uri, _ in tree.role(roles[1]))
    return View(name, parts, missing, shown)


def choose(kind: Kind, new: View, old: View) -> None:
    """Add one chassis' parts to ``kind`` from its two views."""
    views = [view for view in (new, old) if view.shown or view.missing]
    whole = [view for view in views if not view.missing]
    best = max(whole, key=lambda view: len(view.parts)) if whole else None
    if best is None or any(view.size > len(best.parts) for view in views):
        best = max(views, key=lambda view: view.size) if views else None
    if best is None:
        return
    kind.seen = kind.seen or best.shown
    other = old if best is new else new
    for uri, problem in best.missing:
        kind.unread(last(uri), problem)
    for uri, problem in other.missing:
        kind.remark(f"{last(uri)} could not be read ({problem}); the other view, {best.name}, was used")
    if other.parts and len(other.parts) != len(best.parts):
        kind.remark(f"{best.name} lists {len(best.parts)}, {other.name} lists {len(other.parts)}")
    _fill(best.parts, other.parts)
    for part in best.parts:
        kind.add(part)


def _fill(parts: list[Document], others: list[Document]) -> None:
    """Match by name, or by position when both lists are equally long and no name matches."""
    by_label: dict[str, Document] = {match_key(other["_labels"][0]): other for other in others if other["_labels"]}
    pairs = []
    for part in parts:
        match = next((by_label[match_key(item)] for item in part["_labels"] if match_key(item) in by_label), None)
        if match is not None:
            pairs.append((part, match))
    if not pairs and len(parts) == len(others):
        pairs = list(zip(parts, others))
    used: list[Document] = []
    for part, match in pairs:
        if not any(match is item for item in used):
            used.append(match)
            if part["state"] != "absent" or match["state"] == "absent":
                merge(part, match)
