"""CPU sets as the kernel reads and prints them (lib/bitmap.c: bitmap_parselist, bitmap_parse, %*pbl, %*pb)."""

from __future__ import annotations

from collections.abc import Iterable

CpuSet = frozenset[int]


def parse_list(text: str, count: int) -> CpuSet:
    """``0-3,8``, ``0-31:2/8`` (the first 2 of each 8), ``all``, ``N`` (the last). ValueError: the kernel refuses it."""
    found: set[int] = set()
    for part in text.replace("\n", ",").replace(" ", ",").split(","):
        if not part:
            continue
        span, _, stride = part.partition(":")
        if span == "all":
            first, last = 0, count - 1
        else:
            low, dash, high = span.partition("-")
            first = _number(low, count)
            last = _number(high, count) if dash else first
        used, group = 1, 1
        if stride:
            left, slash, right = stride.partition("/")
            if not (slash and left.isdigit() and right.isdigit()):
                raise ValueError(f"{part!r} is no range with groups")
            used, group = int(left), int(right)
        if first > last or last >= count or not 0 < used <= group:
            raise ValueError(f"{part!r} is no range of CPUs below {count}")
        found.update(cpu for cpu in range(first, last + 1) if (cpu - first) % group < used)
    return frozenset(found)


def _number(text: str, count: int) -> int:
    if text == "N":
        return count - 1
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{text!r} is no CPU")
    return int(text)


def format_list(cpus: Iterable[int]) -> str:
    """``0-3,8``; empty for no CPU."""
    parts: list[str] = []
    first = last = -2
    for cpu in [*sorted(cpus), -1]:
        if cpu == last + 1:
            last = cpu
            continue
        if first >= 0:
            parts.append(str(first) if first == last else f"{first}-{last}")
        first = last = cpu
    return ",".join(parts)


def parse_mask(text: str, count: int) -> CpuSet:
    """``ff,00000001``: groups of 32 bits in hex. ValueError: the kernel refuses it."""
    value = 0
    for group in text.strip().split(","):
        if not 0 < len(group) <= 8 or not all(digit in "0123456789abcdefABCDEF" for digit in group):
            raise ValueError(f"{group!r} is no group of 32 bits")
        value = value << 32 | int(group, 16)
    if value >> count:
        raise ValueError(f"a CPU beyond {count}")
    return frozenset(cpu for cpu in range(count) if value >> cpu & 1)


def format_mask(cpus: Iterable[int], count: int) -> str:
    """As ``parse_mask`` reads it: the first group as short as ``count`` allows, the others with 8 digits."""
    value = sum(1 << cpu for cpu in cpus)
    groups = [f"{value >> shift & 0xFFFFFFFF:08x}" for shift in range((count - 1) // 32 * 32, -1, -32)]
    return ",".join([groups[0][-((count - 1) % 32 // 4 + 1) :], *groups[1:]])
