"""What validation finds: mistakes and notes, where they stand and what was expected; and how they are written down."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HIDDEN = "(secret, not shown)"
MISSING = "(missing)"
SECRET_KEY = re.compile(
    r"(^|[_-])(pass|passwd|password|passphrase|secret|token|community|apikey|api_key|private_key)\d*$|^vault_",
    re.IGNORECASE,
)


def is_secret_key(key: str) -> bool:
    """Whether the value under ``key`` must never be printed (``bmc_password``, ``vault_x``; not ``bmc_user``)."""
    return bool(SECRET_KEY.search(key))


@dataclass(frozen=True)
class Place:
    """A line of an inventory file; ``line`` is 0 where only the file is known."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass
class Mistake:
    """One thing that is wrong. ``value`` is already fit to be shown: secrets never get here."""

    hosts: tuple[str, ...]  # empty: the inventory as a whole
    key: str
    value: str
    expected: str
    place: Place | None = None

    def as_dict(self) -> dict[str, Any]:
        """``{hosts, key, value, expected, file, line}``; file and line null where unknown."""
        return {
            "hosts": list(self.hosts),
            "key": self.key,
            "value": self.value,
            "expected": self.expected,
            "file": self.place.file if self.place else None,
            "line": (self.place.line or None) if self.place else None,
        }


@dataclass
class Report:
    """All mistakes of one inventory, and notes: choices that are allowed but that a reader must know of."""

    sources: list[str]
    mistakes: list[Mistake] = field(default_factory=list)
    notes: list[Mistake] = field(default_factory=list)
    hosts: dict[str, int] = field(default_factory=dict)  # group -> number of hosts

    @property
    def ok(self) -> bool:
        return not self.mistakes

    def as_dict(self) -> dict[str, Any]:
        return {
            "schema": "npuforge.validation/1",
            "sources": self.sources,
            "hosts": self.hosts,
            "ok": self.ok,
            "mistakes": [mistake.as_dict() for mistake in self.mistakes],
            "notes": [note.as_dict() for note in self.notes],
        }

    def lines(self) -> list[str]:
        """The report as text: a headline, then the mistakes by host, then the notes."""
        hosts = ", ".join(f"{count} in {group}" for group, count in self.hosts.items()) or "no hosts"
        where = ", ".join(relative(source) for source in self.sources)
        found = (
            "no mistakes" if self.ok else "1 mistake" if len(self.mistakes) == 1 else f"{len(self.mistakes)} mistakes"
        )
        lines = [f"{found} in {where} ({hosts})"]
        lines += _by_host(self.mistakes)
        if self.notes:
            lines += ["", "notes (allowed, but know it):", *_by_host(self.notes)]
        return lines


def _by_host(mistakes: Iterable[Mistake]) -> list[str]:
    groups: dict[str, list[Mistake]] = {}
    for mistake in mistakes:
        groups.setdefault(", ".join(mistake.hosts) or "inventory", []).append(mistake)
    lines = []
    for title, members in groups.items():
        lines += ["", f"  {title}"]
        for mistake in members:
            lines.append(f"    {mistake.key}: {mistake.value}" + (f"   [{mistake.place}]" if mistake.place else ""))
            lines.append(f"      expected {mistake.expected}")
    return lines


def merge(mistakes: Iterable[Mistake]) -> list[Mistake]:
    """One entry per mistake as written: a wrong line of group_vars is wrong once, however many hosts inherit it."""
    merged: dict[tuple[Any, ...], Mistake] = {}
    for mistake in mistakes:
        identity = (mistake.key, mistake.value, mistake.expected, mistake.place)
        known = merged.get(identity)
        if known is None:
            merged[identity] = mistake
        else:
            known.hosts = tuple(dict.fromkeys([*known.hosts, *mistake.hosts]))
    return list(merged.values())


def show(value: Any, key: str, secrets: Iterable[str] = ()) -> str:
    """``value`` for the eyes of a reader: short, on one line, never a secret (by its key or by its text)."""
    if any(is_secret_key(part) for part in re.split(r"[.\[\]]", key)):
        return HIDDEN if value not in (None, "") else '""' if value == "" else "null"
    text = f'"{value}"' if isinstance(value, str) else repr_yaml(value)
    if any(secret in text for secret in secrets if len(secret) >= 4):
        return HIDDEN
    text = "".join(character if character.isprintable() else "?" for character in text)
    return text if len(text) <= 100 else text[:97] + "..."


def repr_yaml(value: Any) -> str:
    """As an inventory would write it: ``true``, ``null``, ``{a: 1}``; values under secret keys are left out."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return (
            "{" + ", ".join(f"{k}: {HIDDEN if is_secret_key(str(k)) else repr_yaml(v)}" for k, v in value.items()) + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(repr_yaml(item) for item in value) + "]"
    return str(value)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that ``word`` was probably meant to be; null where none is near."""
    best, best_distance = None, 1 + max(2, len(word) // 4)
    for candidate in sorted(known):
        distance = edits(word.lower(), candidate.lower(), best_distance)
        if distance < best_distance:
            best, best_distance = candidate, distance
    return best


def edits(left: str, right: str, limit: int) -> int:
    """Number of insertions, deletions, replacements and swaps of neighbours between two words; stops at ``limit``."""
    if abs(len(left) - len(right)) >= limit:
        return limit
    before: list[int] = []
    previous = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        current = [i]
        for j, b in enumerate(right, 1):
            cost = min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            current.append(cost)
        if min(current) >= limit:
            return limit
        before, previous = previous, current
    return min(previous[-1], limit)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``; did you mean bmc_port?`` or nothing."""
    near = nearest(word, known)
    return f"; did you mean {near}?" if near else ""


def first_key(path: str) -> str:
    """``site_waivers`` of ``site_waivers[0].until``: the key that stands in a file."""
    return re.split(r"[.\[]", path, maxsplit=1)[0]


def relative(path: str) -> str:
    """The path as seen from the working directory where that is shorter."""
    try:
        return str(Path(path).resolve().relative_to(Path.cwd()))
    except ValueError:
        return path
