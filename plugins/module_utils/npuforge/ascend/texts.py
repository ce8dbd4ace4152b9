"""How every parser here takes text: as it is, and nothing that could have been cut off.

A number whose end was lost looks like a smaller one, so the last line counts only when it is ended. What stands twice
with two values (two answers that ran into each other) has no value.
"""

from __future__ import annotations

import re
from typing import Any, Callable, Iterable, NamedTuple, Pattern

LIMIT = 256 << 10  # characters; the longest answers have some ten thousand, a longer one is garbage as a whole
LONGEST_LINE = 2000  # no tool prints a longer line; what is longer is garbage
_COLOURS = re.compile(r"\x1b\[[0-9;?]{0,20}[A-Za-z]")


class Reading(NamedTuple):
    """One answer. ``value`` None: nothing certain, and ``problem`` says why; without a problem: known to be unset."""

    value: Any
    problem: str | None = None


def lines(text: Any) -> list[str]:
    """The whole lines of ``text`` without their ends; a last line without an end is left out.

    Nothing of a text above ``LIMIT``: the rest could say otherwise than what was looked at.
    """
    words = text if isinstance(text, str) and len(text) <= LIMIT else ""
    if "\x1b" in words:
        words = _COLOURS.sub("", words)
    parts = words.split("\n")
    parts.pop()
    return [part.rstrip("\r").rstrip() for part in parts if len(part) <= LONGEST_LINE]


def once(rows: Iterable[str], pattern: Pattern[str], convert: Callable[[str], Any]) -> Reading:
    """The one value that ``pattern`` (group 1) finds in whole lines; two different ones are none.

    :param convert: the text to a value; None: it is no such value.
    """
    found = []
    for row in rows:
        match = pattern.match(row)
        if match is not None:
            found.append(convert(match.group(1)))
    if not found:
        return Reading(None, "no such line in the answer")
    if any(value != found[0] for value in found):
        return Reading(None, "two different values in one answer")
    return Reading(found[0]) if found[0] is not None else Reading(None, "not a value that can be")


def whole(low: int, high: int) -> Callable[[str], int | None]:
    """Converter for ``once``: a whole number from ``low`` to ``high``."""

    def convert(text: str) -> int | None:
        if not re.match(r"^-?[0-9]{1,20}$", text):
            return None
        number = int(text)
        return number if low <= number <= high else None

    return convert


def sample(text: Any) -> str:
    """A line of an answer that nobody understood, short, for a note."""
    words = text if isinstance(text, str) else ""
    for part in words[:20000].splitlines():
        line = "".join(char if char.isprintable() else "?" for char in part).strip()
        if re.search(r"[A-Za-z0-9]{2}", line):
            return f"{line[:77]}..." if len(line) > 80 else line
    return "nothing"
