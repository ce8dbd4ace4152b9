"""Editing /etc/default/grub: our words in GRUB_CMDLINE_LINUX, everything else byte for byte as people left it.

The file is a shell script that grub-mkconfig sources (GRUB manual, Simple configuration): of two assignments the later
counts, ``+=`` and ``"$GRUB_CMDLINE_LINUX ..."`` go on from the earlier one.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Sequence

from . import cmdline
from .cmdline import Word

PATH = "/etc/default/grub"
LINE = "GRUB_CMDLINE_LINUX"
_ASSIGNS = re.compile(r"^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)(\+?=)", re.MULTILINE)


class Assignment(NamedTuple):
    """``quote``: ``"``, ``'``, empty, or None where the value is pieced together and must not be touched.

    ``start``, ``end``: place of the value with its quotes; ``inner``: the raw text between them.
    """

    name: str
    sign: str
    quote: str | None
    start: int
    end: int
    inner: str


def assignments(text: str) -> list[Assignment]:
    """The assignments of the script in their order; those in comments, strings and conditions' tests are none."""
    found: list[Assignment] = []
    place = 0
    while True:
        match = _ASSIGNS.search(text, place)
        if match is None:
            return found
        end, pieces = _value_end(text, match.end())
        quote: str | None = None
        inner = text[match.end() : end]
        if not pieces:
            quote = ""
        elif len(pieces) == 1:
            quote = pieces[0]
            inner = inner[1:-1] if quote else inner
        found.append(Assignment(match.group(1), match.group(2), quote, match.end(), end, inner))
        place = max(end, match.end())


def _value_end(text: str, place: int) -> tuple[int, list[str]]:
    """Where a shell word ends, and the quotes of its pieces."""
    pieces: list[str] = []
    while place < len(text) and text[place] not in " \t\n;#&|":
        sign = text[place]
        if sign in "\"'":
            pieces.append(sign)
            place += 1
            while place < len(text) and text[place] != sign:
                place += 2 if sign == '"' and text[place] == "\\" else 1
            if place >= len(text):
                return len(text), [*pieces, "open"]
            place += 1
        else:
            if not pieces or pieces[-1]:
                pieces.append("")
            place += 2 if sign == "\\" else 1
    return min(place, len(text)), pieces


def value(text: str, name: str) -> str | None:
    """The value of a simple setting such as GRUB_ENABLE_BLSCFG; None: not set."""
    found = [each for each in assignments(text) if each.name == name]
    return found[-1].inner if found else None


def mentions(text: str, names: Sequence[str]) -> list[str]:
    """Assignments of GRUB_CMDLINE variables that name one of the parameters, as ``VARIABLE: word``."""
    own = {cmdline.name_of(name) for name in names}
    return [
        f"{each.name}: {token}"
        for each in assignments(text)
        if each.name.startswith(LINE)
        for token in cmdline.split(each.inner)
        if cmdline.name_of(token) in own
    ]


def edit(text: str, words: Sequence[Word]) -> tuple[str, str | None]:
    """(the script with our words, why it cannot be edited). What already says so is not touched."""
    edited, problem = _edit(text, words)
    if problem is None and edited != text and _edit(edited, words) != (edited, None):
        # Read again, our own words are not found: a quote that somebody left open swallows them.
        return text, f"{PATH} cannot be edited safely: a quote is open in it"
    return (text, problem) if problem is not None else (edited, None)


def _edit(text: str, words: Sequence[Word]) -> tuple[str, str | None]:
    found = [each for each in assignments(text) if each.name == LINE]
    if not found:
        line = cmdline.edit("", words)
        if not line:
            return text, None
        end = "" if not text or text.endswith("\n") else "\n"
        if re.search(r"\\\n?$", text):
            end += "\n"  # a backslash at the end would take our line for its own
        return f'{text}{end}{LINE}="{line}"\n', None
    alive = found[_first_alive(found) :]
    made, place = [], 0
    for each in alive:
        if each.quote is None:
            row = text.count("\n", 0, each.start) + 1
            return text, f"line {row} of {PATH} gives {LINE} in pieces, which cannot be edited safely"
        inner = cmdline.edit(each.inner, words, add=each is alive[-1])
        if inner != each.inner:
            if each.sign == "+=" and not each.inner.strip():
                inner = f" {inner.strip()}"
            if not each.quote and not re.match(r"^[A-Za-z0-9_.,:/@+%=-]*$", each.inner):
                row = text.count("\n", 0, each.start) + 1
                return (
                    text,
                    f"line {row} of {PATH} gives {LINE} unquoted with shell signs, which cannot be edited safely",
                )
            quote = each.quote or '"'
            made.append(text[place : each.start] + quote + inner + quote)
            place = each.end
    return "".join(made) + text[place:], None


def _first_alive(found: Sequence[Assignment]) -> int:
    """Index of the first assignment whose text reaches the result."""
    for number in range(len(found) - 1, -1, -1):
        each = found[number]
        refers = re.search(rf"\$\{{?{LINE}\b(?!_)", each.inner) and each.quote != "'"
        if each.sign == "=" and not refers:
            return number
    return 0
