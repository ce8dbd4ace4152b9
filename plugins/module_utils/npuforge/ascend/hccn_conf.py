"""/etc/hccn.conf: ``<key>_<device>=<value>``, one a line, which hccn_tool writes with every ``-s`` and replays at boot.

By the tool's source (cfg.c): the first line of a key counts; a line that begins with ``#``, has no ``=`` or is shorter
than three characters is skipped; a line is at most 383 characters. The value is everything after the ``=``, blanks and
a carriage return included: a value that ends in one is not the value that somebody meant. A new line is written behind
the last one, also when that was never ended, so an unended line must be ended before the tool may write.
"""

from __future__ import annotations

import re
from typing import Iterable, Mapping

PATH = "/etc/hccn.conf"
LONGEST_LINE = 383
# Keys of routes have addresses in them: route_address_10.0.0.0_netmask_255.0.0.0_0=10.1.1.1
_KEY = re.compile(r"^([A-Za-z][^=\s]{0,200}?)_(\d{1,3})=(.*)$", re.DOTALL)


class Conf:
    """The file as it stands. ``lines`` keep their ends, so that ``render`` gives back every byte."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = list(lines)

    def value(self, key: str, device: int) -> str | None:
        """What the tool reads for this key, exactly; None: the key is not there."""
        for line in self.lines:
            found = split(line)
            if found is not None and found[:2] == (key, device):
                return found[2]
        return None

    def values(self, device: int) -> dict[str, str]:
        """All keys of one device."""
        found: dict[str, str] = {}
        for line in self.lines:
            row = split(line)
            if row is not None and row[1] == device:
                found.setdefault(row[0], row[2])
        return found

    def set(self, key: str, device: int, value: str | None) -> None:
        """Put the value where the key stands first (else at the end) and drop its other lines; None drops the key."""
        kept: list[str] = []
        placed = value is None
        for line in self.lines:
            found = split(line)
            if found is None or found[:2] != (key, device):
                kept.append(line)
            elif not placed:
                kept.append(f"{key}_{device}={value}\n")
                placed = True
        if not placed:
            if kept and not kept[-1].endswith("\n"):
                kept[-1] += "\n"
            kept.append(f"{key}_{device}={value}\n")
        self.lines = kept

    def end_last_line(self) -> bool:
        """End a last line that was never ended; True when there was one."""
        if not self.lines or self.lines[-1].endswith("\n"):
            return False
        self.lines[-1] += "\n"
        return True

    def take_over(self, other: Conf, device: int) -> None:
        """Make this device's keys what they are in ``other``, and touch no other line."""
        wanted = other.values(device)
        for key in self.values(device):
            if key not in wanted:
                self.set(key, device, None)
        for key, value in wanted.items():
            if self.value(key, device) != value:
                self.set(key, device, value)

    def render(self) -> str:
        return "".join(self.lines)


def split(line: str) -> tuple[str, int, str] | None:
    """(key, device, value) of a line as the tool reads it; None: a comment, or not such a line."""
    text = line[:-1] if line.endswith("\n") else line
    if text.startswith("#") or len(text) > LONGEST_LINE:
        return None
    match = _KEY.match(text)
    return (match.group(1), int(match.group(2)), match.group(3)) if match is not None else None


def parse(text: str | None) -> Conf:
    """Of the whole file; None (no file) is an empty one. Only ``\\n`` ends a line, as for the tool."""
    parts = (text or "").split("\n")
    last = parts.pop()
    return Conf([f"{part}\n" for part in parts] + ([last] if last else []))


def pairs(value: str | None) -> dict[str, int] | None:
    """``33:3,46:1,`` -> {"33": 3, "46": 1}; None: the tool cannot read it (DSCP 0 to 63, TC 0 to 3)."""
    found: dict[str, int] = {}
    for part in (value or "").split(","):
        # The tool skips what is shorter than two characters.
        if len(part) <= 1:
            continue
        match = re.match(r"^(\d{1,2}):([0-3])$", part)
        if match is None or int(match.group(1)) > 63:
            return None
        found[match.group(1)] = int(match.group(2))
    return found


def with_pairs(value: str | None, wanted: Mapping[str, int]) -> str:
    """The line's value with these pairs in it, as the tool writes it; other pairs stay."""
    merged = dict(pairs(value) or {})
    merged.update(wanted)
    return "".join(f"{dscp}:{tc}," for dscp, tc in merged.items())
