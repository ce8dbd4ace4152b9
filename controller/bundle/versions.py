"""Versions and ranges as the vendor writes them (``24.1.rc3``, ``7.5.0.1.129``, ``[7.0.0,7.5.99],[24.1,24.1.]``).

The order is the one that the version files need, not PEP 440's: number by number, ``rcN`` before a number and after
nothing (``24.1 < 24.1.rc1 < 24.1.0``: the firmware's ``[24.1,24.1.]`` covers driver 24.1.rc3, as a real pair of version
files shows), ``alpha`` and ``beta`` before nothing (``8.5.0.alpha001 < 8.5.0``). Letters' case does not matter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

Key = tuple[tuple[int, int, str], ...]

_PART = re.compile(r"(?P<word>[a-z]*)(?P<number>\d*)")
_RANGE = re.compile(r"\[\s*([^\[\],]+?)\s*,\s*([^\[\],]+?)\s*\]")
_EARLIER = {"alpha": -2, "beta": -1}
_END = (0, 0, "")
_RC, _WORD, _NUMBER = 1, 2, 3


def parse(version: object) -> Key | None:
    """A key that sorts as versions do; ``None`` for what is no version (``latest``, nothing, a number)."""
    if not isinstance(version, str):
        return None
    text = version.strip().lower()
    if re.match(r"v\d", text):  # Kubernetes' own spelling
        text = text[1:]
    parts = text.split(".")
    if not parts[0].isdigit() or len(text) > 60 or not text.isascii():
        return None
    key = []
    for part in parts:
        match = _PART.fullmatch(part)
        if match is None or not part:
            return None
        word, number = match.group("word"), int(match.group("number") or 0)
        if word in _EARLIER:
            key.append((_EARLIER[word], number, ""))
        else:
            key.append((_RC if word == "rc" else _WORD if word else _NUMBER, number, word))
    return (*key, _END)


def compare(left: str, right: str) -> int | None:
    """-1, 0 or 1; ``None`` where one of them is no version."""
    a, b = parse(left), parse(right)
    if a is None or b is None:
        return None
    return (a > b) - (a < b)


@dataclass(frozen=True)
class Range:
    """``[low,high]``, both included. A high end with a dot after it stands for everything that begins with it."""

    low: str
    high: str

    def __contains__(self, version: str) -> bool:
        """Whether it is in the range. :raises ValueError: it is no version (ask parse() first)"""
        key = parse(version)
        low, high = parse(self.low), parse(self.high.rstrip("."))
        if key is None or low is None or high is None:
            raise ValueError(f"{version!r} or {self} is no version")
        if self.high.endswith(".") and _begins(key, high):
            # [24.1,24.1.] is all of 24.1, whatever comes after it.
            return key >= low or low == high
        return low <= key <= high

    def __str__(self) -> str:
        return f"[{self.low},{self.high}]"


def _begins(key: Key, prefix: Key) -> bool:
    length = len(prefix) - 1  # without its end
    return key[:length] == prefix[:length]


def parse_ranges(text: str) -> list[Range]:
    """``[6.4.0,6.4.99],[7.0.0,8.9.9]``. :raises ValueError: it is not written like that, or an end is no version"""
    found = [Range(low, high) for low, high in _RANGE.findall(text)]
    rest = _RANGE.sub("", text).replace(",", "").strip()
    if not found or rest:
        raise ValueError(f"not a list of ranges: {text[:100]!r}")
    for item in found:
        low, high = parse(item.low), parse(item.high.rstrip("."))
        if low is None or high is None or item.low.endswith(".") or item.high.endswith(".."):
            raise ValueError(f"{item} has an end that is no version")
        if low > high and not (item.high.endswith(".") and _begins(low, high)):
            raise ValueError(f"{item} ends before it begins")
    return found


def within(version: str, ranges: str) -> bool | None:
    """Whether the version is in one of the ranges; ``None`` where it is no version."""
    return None if parse(version) is None else any(version in item for item in parse_ranges(ranges))
