"""A Comware configuration as far as RoCE is concerned: what each line sets, and what takes it back.

Comware applies a line at once, so what would take it back is known before it is entered: ``inverse`` gives it.
``after`` is what a configuration is once lines were entered. Views and secrets are read as in ``ce_config``: both makes
print one blank per depth and ``#`` between sections.
"""

from __future__ import annotations

import re

from .ce_config import Views
from .comware_names import canonical

# (what a line sets, the line that takes it back). The first group is what is set: a new value replaces the old one.
# Undo forms follow H3C command references; those of a range of values name no value.
_SETTINGS = tuple(
    (re.compile(setting, re.IGNORECASE), undo)
    for setting, undo in (
        (r"^(qos trust) \S+(?: override)?$", r"undo qos trust"),
        (r"^(flow-control)(?: receive enable)?$", r"undo flow-control"),
        (r"^(priority-flow-control) (?:enable|auto)$", r"undo priority-flow-control"),
        (r"^(priority-flow-control no-drop dot1p) \S+$", r"undo priority-flow-control no-drop dot1p"),
        (r"^(priority-flow-control dot1p \d headroom) \d+$", r"undo \1"),
        (r"^(priority-flow-control dot1p \d ingress-buffer dynamic) \d+$", r"undo \1"),
        (r"^(priority-flow-control dot1p \d ingress-buffer static) \d+$", r"undo \1"),
        (r"^(priority-flow-control deadlock enable)$", r"undo \1"),
        (r"^(priority-flow-control deadlock cos \d) interval \d+$", r"undo \1"),
        (r"^(priority-flow-control deadlock auto-recover cos \d) delay \d+$", r"undo \1"),
        (r"^(priority-flow-control poolid \d+ headroom) \d+$", r"undo \1"),
        (r"^(qos wred apply) \S+$", r"undo qos wred apply"),
        (r"^(qos wred queue \d drop-level \d) .*$", r"undo \1"),
        (r"^(qos wred queue \d weighting-constant) \d+$", r"undo \1"),
        (r"^(qos wred queue \d ecn)$", r"undo \1"),
        (r"^(import \d+) export \d+$", r"undo \1"),
    )
)


def setting(line: str) -> str:
    """What a line sets, without its value; an unknown line is its own setting."""
    for pattern, _ in _SETTINGS:
        match = pattern.match(line)
        if match:
            return match.group(1).lower()
    return line


def undo(line: str) -> str:
    """The line that takes a line back to the default."""
    for pattern, form in _SETTINGS:
        match = pattern.match(line)
        if match:
            return match.expand(form)
    return f"undo {line}"


def value_of(lines: list[str], what: str) -> str | None:
    """The line that sets ``what`` (as ``setting`` names it), or None."""
    for line in lines:
        if setting(line) == what.lower():
            return line
    return None


def after(lines: list[str], entered: list[str]) -> list[str]:
    """The lines of a view once others were entered in it; the order is of no weight."""
    kept = list(lines)
    for line in entered:
        gone = next((old for old in kept if undo(old) == line), None) if line.startswith("undo ") else None
        if line.startswith("undo "):
            kept = [old for old in kept if old != gone]
            continue
        places = [index for index, old in enumerate(kept) if setting(old) == setting(line)]
        if places:
            kept[places[0]] = line
        else:
            kept.append(line)
    return kept


def inverse(lines: list[str], entered: list[str]) -> list[tuple[str, str | None]]:
    """Each entered line with the line that takes it back, given what the view held before it; None: nothing to do.

    Taking a line back means entering what set the same before, or the undo form.
    """
    now = list(lines)
    told: list[tuple[str, str | None]] = []
    for line in entered:
        if line.startswith("undo "):
            told.append((line, next((old for old in now if undo(old) == line), None)))
        else:
            old = value_of(now, setting(line))
            told.append((line, None if old == line else old if old is not None else undo(line)))
        now = after(now, [line])
    return told


def view_of(tree: Views, name: str) -> list[str] | None:
    """The lines of an interface's view, by any form of its name; None when the configuration has no such interface."""
    wanted = f"interface {canonical(name)}"
    for line in tree.get((), []):
        if line.startswith("interface ") and f"interface {canonical(line[len('interface ') :])}" == wanted:
            return list(tree.get((line,), []))
    return None


def interface_line(tree: Views, name: str) -> str:
    """The line that leads into an interface's view, as this configuration writes it."""
    wanted = canonical(name)
    for line in tree.get((), []):
        if line.startswith("interface ") and canonical(line[len("interface ") :]) == wanted:
            return line
    return f"interface {wanted}"
