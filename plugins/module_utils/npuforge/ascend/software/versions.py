"""Versions of the vendor's packages, their order, and the ranges that version files name.

``24.1.rc2.2``, ``25.5.1``, ``7.8.0.6.201``, ``8.2.RC1``, ``8.3.RC1.alpha001``, ``9.0.0-beta.1``. A release candidate
comes before the numbers that may follow the same beginning (24.1.rc3 before 24.1.0.3). Internal builds (``T8``,
``B059``) have no known place among the others: they equal only themselves.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Sequence, Tuple

Part = Tuple[float, int]
_PART = re.compile(r"^(?:(rc|beta|alpha)?(\d{1,9})|(beta|alpha))$")
_SHAPE = re.compile(r"^[0-9][0-9A-Za-z]{0,15}(?:[.-][0-9A-Za-z]{1,16}){0,9}$")
_RANGE = re.compile(r"\[\s{0,4}([^\[\],\s]{1,40})\s{0,4},\s{0,4}([^\[\],\s]{1,40})\s{0,4}\]")
_RANGES = re.compile(r"^" + _RANGE.pattern + r"(?:\s{0,4},\s{0,4}" + _RANGE.pattern + r"){0,63}$")
_RANKS = {"alpha": 0.0, "beta": 1.0, "rc": 2.0, "": 3.0}
_END: Part = (2.5, 0)  # "8.1" stands between "8.1.rc1" and "8.1.0"


class Range(NamedTuple):
    """``[low, high]``; a high end that ends in a dot takes in everything that begins so."""

    low: str
    high: str

    def __str__(self) -> str:
        return f"[{self.low},{self.high}]"


def is_version(text: object) -> bool:
    """Whether it looks like a version at all; a half-written one (``24.``) does not."""
    return isinstance(text, str) and _SHAPE.match(text) is not None


def same(one: str | None, two: str | None) -> bool:
    """``8.2.RC1`` and ``8.2.rc1`` are one version; an unknown one is no other's equal."""
    return one is not None and two is not None and one.strip().lower() == two.strip().lower()


def parts(text: str) -> list[Part] | None:
    """The version for ordering; None: it has a part whose place nobody knows, or is none."""
    if not is_version(text):
        return None
    found = []
    for piece in re.split(r"[.-]", text.lower()):
        match = _PART.match(piece)
        if match is None:
            return None
        found.append((_RANKS[match.group(1) or match.group(3) or ""], int(match.group(2) or 0)))
    return found


def compare(one: str, two: str) -> int | None:
    """-1, 0, 1; None: it cannot be told."""
    if same(one, two):
        return 0
    left, right = parts(one), parts(two)
    if left is None or right is None:
        return None
    length = max(len(left), len(right))
    ends = [[*each, *[_END] * (length - len(each))] for each in (left, right)]
    return (ends[0] > ends[1]) - (ends[0] < ends[1])


def begins(version: str, start: str) -> bool:
    """Whether ``version`` is ``start`` or goes on from it at a dot."""
    return same(version, start) or bool(re.match(re.escape(start.lower()) + r"[.-]", version.lower()))


def inside(version: str, one: Range) -> bool | None:
    """Whether a range takes the version in; None: it cannot be told."""
    if not one.low or not one.high or not is_version(version):
        return None
    if begins(version, one.low):
        low: int | None = 1
    else:
        low = compare(version, one.low)
    prefix = one.high.endswith(".")
    high_end = one.high.rstrip(".")
    high = -1 if prefix and begins(version, high_end) else compare(version, high_end)
    if low is None or high is None:
        return None
    return low >= 0 and high <= 0


def inside_any(version: str, ranges: Sequence[Range]) -> bool | None:
    """Whether one of several ranges does; None: none does for certain, and one cannot be judged."""
    told = [inside(version, one) for one in ranges]
    if True in told:
        return True
    return None if None in told or not told else False


def parse_ranges(text: str | None) -> list[Range] | None:
    """``[6.4.0,6.4.99],[7.0.0,8.9.9]``; None: anything else, also a list that was cut off."""
    words = (text or "").strip()
    if not words or len(words) > 4000 or _RANGES.match(words) is None:
        return None
    return [Range(*pair) for pair in _RANGE.findall(words)]
