"""A configuration as VRP keeps it: views with lines, compared and changed by edits.

A view is named by its path, the headers from the system view inwards: ``()`` is the system view, an interface is
``("interface 100GE1/0/1",)``. In a view each line has a key that says what it sets, so that a second ``description``
replaces the first. As JSON (the form in the world): ``[{"view": [...], "lines": {key: line}}]``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

Path = tuple[str, ...]
SYSTEM: Path = ()

# In which order a configuration is printed, by how a line or a view's header begins (from a V600R023 device and the
# examples of the CE6800 V300R023 guide). What is not listed comes last, in the order of its first entry.
SECTIONS = (
    "sysname",
    "port split",
    "dcb",
    "qos",
    "diffserv",
    "drop-profile",
    "lldp",
    "interface Vlanif",
    "interface MEth",
    "interface 10GE",
    "interface 25GE",
    "interface 100GE",
    "interface 200GE",
    "interface 400GE",
    "interface NULL",
    "interface",
    "stelnet",
    "ssh",
)


@dataclass(frozen=True)
class Edit:
    """One change: ``set`` or ``unset`` a line, ``enter`` (make) or ``remove`` a view with all that is in it."""

    action: Literal["set", "unset", "enter", "remove"]
    path: Path
    key: str = ""
    line: str = ""


class Tree:
    """Views and their lines. Equal when they say the same, whatever the order in which it was entered."""

    def __init__(self, views: dict[Path, dict[str, str]] | None = None) -> None:
        self._views = {path: dict(lines) for path, lines in (views or {SYSTEM: {}}).items()}
        self._views.setdefault(SYSTEM, {})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tree) and self._views == other._views

    __hash__ = None  # type: ignore[assignment]  # changes, so it is no key (the way Python spells it)

    @classmethod
    def from_json(cls, document: list[dict[str, Any]]) -> Tree:
        return cls({tuple(view["view"]): dict(view["lines"]) for view in document})

    def to_json(self) -> list[dict[str, Any]]:
        return [{"view": list(path), "lines": dict(lines)} for path, lines in self._views.items()]

    def __contains__(self, path: Path) -> bool:
        return path in self._views

    def views(self) -> list[Path]:
        return list(self._views)

    def lines(self, path: Path) -> list[str]:
        """The lines of one view in the order in which they are printed; [] when there is no such view."""
        return list(self.settings(path).values())

    def settings(self, path: Path) -> dict[str, str]:
        """{key: line} of one view, in the order of ``lines``."""
        lines = self._views.get(path, {})
        return {key: lines[key] for key in sorted(lines, key=lambda key: _rank(lines[key]))}

    def get(self, path: Path, key: str) -> str | None:
        return self._views.get(path, {}).get(key)

    def after(self, edits: Iterable[Edit]) -> Tree:
        """A copy with the edits done. A line set in a view that is not there makes that view."""
        result = Tree(self._views)
        for edit in edits:
            result._do(edit)
        return result

    def _do(self, edit: Edit) -> None:
        if edit.action == "enter":
            for depth in range(1, len(edit.path) + 1):
                self._views.setdefault(edit.path[:depth], {})
        elif edit.action == "set":
            self._do(Edit("enter", edit.path))
            self._views[edit.path][edit.key] = edit.line
        elif edit.action == "unset":
            self._views.get(edit.path, {}).pop(edit.key, None)
        else:
            for path in [path for path in self._views if path[: len(edit.path)] == edit.path]:
                del self._views[path]

    def text(self, path: Path = SYSTEM) -> list[str]:
        """The configuration below a view as it is printed: blocks that begin with ``#``, lines indented by depth."""
        if path != SYSTEM:
            return ["#", *self._block(path, 0), "#"] if path in self else []
        return [line for block in self._blocks() for line in ("#", *block)] + ["#"]

    def _blocks(self) -> Iterator[list[str]]:
        items: list[tuple[tuple[int, list[object]], list[str]]] = []
        items += [(_rank(line), [line]) for line in self._views[SYSTEM].values()]
        items += [(_rank(path[0]), self._block(path, 0)) for path in self._views if len(path) == 1]
        for _, block in sorted(items, key=lambda item: item[0]):
            yield block

    def _block(self, path: Path, depth: int) -> list[str]:
        inner = [f"{' ' * (depth + 1)}{line}" for line in self.lines(path)]
        below = sorted((p for p in self._views if p[:-1] == path and p), key=lambda p: _rank(p[-1]))
        for child in below:
            inner += self._block(child, depth + 1)
        return [f"{' ' * depth}{path[-1]}", *inner]


def changes(running: Tree, candidate: Tree) -> list[str]:
    """What a commit would change, as ``display configuration candidate changes`` prints it.

    Two columns of marks: ``-`` what goes, ``+`` what comes, blank for the header of a view that stays.
    """
    if running == candidate:
        return []
    output = ["Building configuration", "  #"]
    paths = sorted({*running.views(), *candidate.views()}, key=lambda path: [_rank(header) for header in path])
    for path in paths:
        old, new = running.lines(path), candidate.lines(path)
        before, after = path in running, path in candidate
        if old == new and before == after:
            continue
        depth = max(len(path) - 1, 0)
        if path != SYSTEM:
            output.append(f"{' ' if before and after else '+' if after else '-'} {' ' * depth}{path[-1]}")
        indent = " " * len(path)
        output += [f"- {indent}{line}" for line in old if line not in new]
        output += [f"+ {indent}{line}" for line in new if line not in old]
        output.append("  #")
    return output


def uncommitted(running: Tree, candidate: Tree) -> list[str]:
    """What ``display configuration candidate`` prints: the commands that a commit would carry out, view by view."""
    output = []
    for path in sorted({*running.views(), *candidate.views()}, key=lambda path: [_rank(header) for header in path]):
        old, new = running.settings(path), candidate.settings(path)
        if path not in candidate:
            output.append(f"undo {path[-1]}")
            continue
        lines = [f"undo {line.removeprefix('undo ')}" for key, line in old.items() if key not in new]
        lines += [line for key, line in new.items() if old.get(key) != line]
        if path == SYSTEM:
            output += lines
        elif lines or path not in running:
            output += [path[-1], *(f" {line}" for line in lines)]
    return output


def _rank(text: str) -> tuple[int, list[object]]:
    """Sorts by section, then as people count: 100GE1/0/2 before 100GE1/0/10."""
    place = next((i for i, start in enumerate(SECTIONS) if text.startswith(start)), len(SECTIONS))
    parts = re.split(r"(\d+)", text)
    return place, [int(part) if index % 2 else part for index, part in enumerate(parts)]
