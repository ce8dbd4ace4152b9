"""The kernel's command line: its words, and what those about CPUs mean (kernel/params.c, sched/isolation.c)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from .cpus import CpuSet, parse_list

NOHZ_FULL = frozenset({"tick", "wq", "timer", "rcu", "misc", "kthread"})
ISOLATION_FLAGS = {"nohz": "tick", "domain": "domain", "managed_irq": "managed_irq"}


def words(line: str) -> Iterator[tuple[str, str | None]]:
    """``(name, value)``; value None without "=". Quotes hold spaces together; what follows ``--`` is init's."""
    word, quoted = "", False
    for character in line + " ":
        if character == '"':
            quoted = not quoted
        elif character.isspace() and not quoted:
            if word == "--":
                return
            if word:
                name, equals, value = word.partition("=")
                yield name, value if equals else None
            word = ""
        else:
            word += character


@dataclass
class Arguments:
    """``get`` gives the last of a name; "-" and "_" in names are the same, as the kernel has it."""

    line: str
    given: list[tuple[str, str | None]] = field(init=False)

    def __post_init__(self) -> None:
        self.given = [(name.replace("-", "_"), value) for name, value in words(self.line)]

    def get(self, name: str) -> str | None:
        wanted = name.replace("-", "_")
        return next((value or "" for given, value in reversed(self.given) if given == wanted), None)

    def enabled(self, name: str) -> bool | None:
        """``kstrtobool``; None: not given, or no truth value."""
        value = self.get(name)
        if value is None:
            return None
        first = value[:2].lower()
        if first[:1] in ("1", "y", "t") or first == "on":
            return True
        return False if first[:1] in ("0", "n", "f") or first == "of" else None


@dataclass(frozen=True)
class Isolation:
    """What is isolated. ``nohz_full`` None: none was given; the file then says ``(null)``. ``notes``: as in dmesg."""

    domain: CpuSet = frozenset()
    managed_irq: CpuSet = frozenset()
    nohz_full: CpuSet | None = None
    notes: tuple[str, ...] = ()


def isolation(arguments: Arguments, count: int) -> Isolation:
    """The housekeeping that ``isolcpus`` and ``nohz_full`` set up, in the order in which they are given."""
    found: dict[str, CpuSet] = {}
    notes: list[str] = []
    for name, value in arguments.given:
        if name not in ("isolcpus", "nohz_full"):
            continue
        kinds, text = (set(NOHZ_FULL), value or "") if name == "nohz_full" else _flags(value or "", notes)
        try:
            cpus = parse_list(text, count)
        except ValueError:
            notes.append("Housekeeping: nohz_full= or isolcpus= incorrect CPU range")
            continue
        if len(cpus) == count:
            notes.append("Housekeeping: must include one present CPU, using boot CPU:0")
            cpus -= {0}
        if any(found[kind] != cpus for kind in kinds & found.keys()):
            notes.append("Housekeeping: nohz_full= must match isolcpus=")
            continue
        found.update(dict.fromkeys(kinds, cpus))
    ticks = found.get("tick")
    if ticks and 0 in ticks:
        notes.append("NO_HZ: Clearing 0 from nohz_full range for timekeeping")
        ticks -= {0}
    return Isolation(found.get("domain", frozenset()), found.get("managed_irq", frozenset()), ticks, tuple(notes))


def _flags(value: str, notes: list[str]) -> tuple[set[str], str]:
    """``managed_irq,domain,2-3`` -> the kinds of housekeeping, and the list. No flag means ``domain``."""
    kinds: set[str] = set()
    while value[:1].isalpha() and not value.startswith(("all", "N")):
        flag, comma, rest = value.partition(",")
        if flag in ISOLATION_FLAGS:
            kinds.add(ISOLATION_FLAGS[flag])
        else:
            notes.append(f"isolcpus: Skipped unknown flag {flag}")
        value = rest if comma else ""
    return kinds or {"domain"}, value
