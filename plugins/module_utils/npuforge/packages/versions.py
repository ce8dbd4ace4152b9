"""The order of RPM versions, as ``rpmvercmp`` has it (rpm, rpmio/rpmvercmp.c). Pure."""

from __future__ import annotations

import re
from typing import Tuple

# What an end of a version is worth beside another part: a tilde sorts before the end, a caret and all else after it.
_TILDE, _END, _CARET, _WORD, _NUMBER = range(5)
_PART = re.compile(r"\d+|[A-Za-z]+|~|\^")

Key = Tuple[int, int, str]


def compare(one: str, other: str) -> int:
    """-1, 0 or 1. Of two versions the one whose first differing part is the greater is the greater."""
    mine, theirs = ([_key(part) for part in _PART.findall(text)] for text in (one, other))
    end = (_END, 0, "")
    for place in range(max(len(mine), len(theirs))):
        left = mine[place] if place < len(mine) else end
        right = theirs[place] if place < len(theirs) else end
        if left != right:
            return 1 if left > right else -1
    return 0


def evr(one: str, other: str) -> int:
    """Compare ``[epoch:]version[-release]``. A release that one of them does not tell is not compared."""
    mine, theirs = _split(one), _split(other)
    if mine[0] != theirs[0]:
        return 1 if mine[0] > theirs[0] else -1
    return compare(mine[1], theirs[1]) or (compare(mine[2], theirs[2]) if mine[2] and theirs[2] else 0)


def _key(part: str) -> Key:
    if part in ("~", "^"):
        return (_TILDE if part == "~" else _CARET, 0, "")
    return (_NUMBER, int(part), "") if part.isdigit() else (_WORD, 0, part)


def _split(text: str) -> tuple[int, str, str]:
    epoch, colon, rest = text.partition(":")
    number = int(epoch) if colon and epoch.isdigit() and len(epoch) < 10 else 0
    version, _, release = (rest if colon else text).partition("-")
    return number, version, release
