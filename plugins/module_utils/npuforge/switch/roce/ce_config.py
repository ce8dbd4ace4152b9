"""A VRP8 configuration as ``display current-configuration`` prints it: views with lines, compared and searched.

A view is named by the lines that lead into it: ``("interface 400GE1/0/6:1",)``, ``("ai-service", "ai-ecn")``; ``()`` is
the system view. Followed: Huawei CE6800/CE8800 V300R023C00 command reference and the configuration scripts of its
guide (one blank per depth, ``#`` between sections). Any text gives a tree; what is no configuration gives an empty one.
"""

from __future__ import annotations

import re
from typing import Dict, Iterable, List, Tuple

from .. import parse

Path = Tuple[str, ...]
Views = Dict[Path, List[str]]

# Passwords and keys, hashed or not, which no diff, log or evidence needs (local-user ... irreversible-cipher $1c$...;
# Comware: password hash $h$6$..., password simple x).
_SECRET = re.compile(
    r"((?:cipher|simple|(?<=password\s)hash|password|community(?:\s+(?:read|write))?|(?<=\s)key|secret|hash-?key)\s+)"
    r"(?!(?:cipher|simple|hash)\s)\S+",
    re.IGNORECASE,
)
# Lines that set the same thing, whatever the value: the first group of the pattern that matches is what they set.
_KEYS = tuple(
    re.compile(expression)
    for expression in (
        r"^(trust) (?:dscp|8021p)\b",
        r"^(trust upstream)\b",
        r"^(dcb pfc enable)\b",
        r"^(dcb pfc buffer \d+ hdrm)\b",
        r"^(dcb pfc buffer \d+ guaranteed)\b",
        r"^(dcb pfc buffer \d+) (?:xoff|xon)\b",
        r"^(qos queue \d+ wred)\b",
        r"^(priority \d+ turn-off)\b",
        r"^(priority \d+ deadlock-detect)\b",
        r"^(priority \d+ deadlock-recovery)\b",
        r"^(color \w+)\b",
        r"^(ip-dscp-inbound \d+)\b",
        r"^(qos buffer headroom-pool) .*\bslot (?:\S+)$",
    )
)


def mask(text: str) -> str:
    """The text without passwords and keys."""
    return _SECRET.sub(r"\1******", text)


def views(text: str | None) -> Views:
    """The configuration's views, their lines in order. A line that leads into a view is also a line of its parent."""
    tree: Views = {(): []}
    stack: list[tuple[int, str]] = []  # (indentation, line) of the views that are open
    last: tuple[int, str] | None = None
    for raw in parse.clean(text).split("\n"):
        line = raw.rstrip()
        content = line.strip()
        depth = len(line) - len(line.lstrip())
        if not content or content.startswith(("!", "<", "[")):
            continue
        if content == "#":
            if last is not None and depth > last[0]:  # "ai-service", then an indented "#": its views follow
                stack.append(last)
            last = None
            stack = [entry for entry in stack if entry[0] < depth]
            continue
        if content == "return" and depth == 0:
            break
        if last is not None and depth > last[0]:
            stack.append(last)
        stack = [entry for entry in stack if entry[0] < depth]
        path = tuple(entry[1] for entry in stack)
        tree.setdefault(path, []).append(content)
        last = (depth, content)
    return tree


def is_configuration(text: str | None) -> bool:
    """Whether a text is a switch's whole configuration: it has a host name or interfaces, and ends with ``return``."""
    cleaned = parse.clean(text)
    return (
        parse.rejected(cleaned) is None
        and re.search(r"(?m)^(?:sysname \S|interface \S)", cleaned) is not None
        and re.search(r"(?m)^return\s*(?:\n<[^\n]*>)?\s*$", cleaned.rstrip()) is not None
    )


def lines_of(tree: Views, *path: str) -> list[str]:
    """The lines of a view; none when it is not there."""
    return tree.get(tuple(path), [])


def differences(running: str | None, saved: str | None) -> list[str]:
    """What is only running (``+``) or only saved (``-``), without secrets; empty when a reboot would lose nothing.

    The order of lines is of no weight: VRP prints a configuration in its own order.
    """
    now, then = views(running), views(saved)
    told = []
    for path in list(now) + [path for path in then if path not in now]:
        where = " / ".join(path)
        for sign, these, others in (("+", now.get(path, []), then), ("-", then.get(path, []), now)):
            other = set(others.get(path, []))
            told += [mask(f"{sign} {where}{': ' if where else ''}{line}") for line in these if line not in other]
    return told


def setting(line: str) -> str:
    """What a line sets, so that a new value replaces the old one."""
    for pattern in _KEYS:
        match = pattern.match(line)
        if match:
            slot = re.search(r"\bslot (\S+)$", line)
            return match.group(1) + (f" slot {slot.group(1)}" if slot else "")
    return line


def after(lines: Iterable[str], entered: Iterable[str]) -> list[str]:
    """The lines of a view once others were entered in it (``undo x`` takes away what begins with ``x``)."""
    kept = list(lines)
    for line in entered:
        if line.startswith("undo "):
            gone = line[len("undo ") :]
            kept = [old for old in kept if old != gone and not old.startswith(gone + " ")]
            if re.match(r"^priority \d+$", gone):  # also the default priority, which no line shows
                kept.append(line)
            continue
        places = [index for index, old in enumerate(kept) if setting(old) == setting(line)]
        if places:
            kept[places[0]] = line
        else:
            kept.append(line)
    return kept


def render(tree: Views, paths: Iterable[Path]) -> str:
    """The named views as text, one after the other, without secrets; a view that is not there gives nothing."""
    told = []
    for path in paths:
        if path and path not in tree and path[-1] not in tree.get(path[:-1], []):
            continue
        block = [" " * depth + line for depth, line in enumerate(path)]
        block += [" " * len(path) + line for line in tree.get(path, [])]
        told.append("\n".join(block))
    return mask("\n#\n".join(each for each in told if each) + "\n") if told else ""
