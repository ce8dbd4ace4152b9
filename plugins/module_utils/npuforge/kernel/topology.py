"""CPU lists as the kernel writes them, and which CPUs lie on which NUMA node and core (kernel: cputopology.rst)."""

from __future__ import annotations

import re
from typing import Iterable, NamedTuple

from .host import Host

MAX_CPU = 8191  # CONFIG_NR_CPUS of distributions' kernels is at most 8192
_RANGE = re.compile(r"^(\d{1,5})(?:-(\d{1,5})(?::(\d{1,5})/(\d{1,5}))?)?$")
_CPU_FOLDER = "/sys/devices/system/cpu"
_NODE_FOLDER = "/sys/devices/system/node"


class Node(NamedTuple):
    """``cores``: the online CPUs of the node, siblings of one core together, in the order of their lowest number."""

    number: int
    cores: tuple[tuple[int, ...], ...]

    @property
    def cpus(self) -> list[int]:
        return sorted(cpu for core in self.cores for cpu in core)


class Topology(NamedTuple):
    """``nodes``: NUMA nodes that have CPUs. ``offline``: present but not online."""

    nodes: tuple[Node, ...]
    offline: tuple[int, ...]


def parse_list(text: str | None) -> list[int] | None:
    """``0-3,8`` -> numbers; an empty text and the kernel's ``(null)`` are no CPU; None: it is no list."""
    if text is None:
        return None
    row = text.strip()
    if row in ("", "(null)"):
        return []
    found: set[int] = set()
    for piece in row.split(","):
        match = _RANGE.match(piece.strip())
        if match is None:
            return None
        first, last = int(match.group(1)), int(match.group(2) or match.group(1))
        if first > last or last > MAX_CPU:
            return None
        if match.group(3) is None:
            found.update(range(first, last + 1))
            continue
        used, size = int(match.group(3)), int(match.group(4))
        if size == 0 or used > size:
            return None
        found.update(cpu for cpu in range(first, last + 1) if (cpu - first) % size < used)
    return sorted(found)


def format_list(cpus: Iterable[int]) -> str:
    """Numbers -> ``0-3,8``."""
    parts: list[str] = []
    start = last = None
    for cpu in [*sorted(set(cpus)), None]:
        if last is not None and cpu == last + 1:
            last = cpu
            continue
        if start is not None:
            parts.append(str(start) if start == last else f"{start}-{last}")
        start = last = cpu
    return ",".join(parts)


def parse_mask(text: str | None) -> list[int] | None:
    """``ff,00000001`` (32 bits a word, highest first) -> numbers; None: it is no mask."""
    row = (text or "").strip().replace(",", "")
    if not re.match(r"^[0-9a-fA-F]{1,2048}$", row):
        return None
    bits = int(row, 16)
    return [cpu for cpu in range(bits.bit_length()) if bits >> cpu & 1]


def format_mask(cpus: Iterable[int]) -> str:
    """Numbers -> the kernel's hexadecimal words."""
    bits = 0
    for cpu in cpus:
        bits |= 1 << cpu
    row = f"{bits:x}"
    row = row.zfill((len(row) + 7) // 8 * 8)
    words = [row[place : place + 8] for place in range(0, len(row), 8)]
    return ",".join([words[0].lstrip("0") or "0", *words[1:]])


def read(host: Host) -> Topology | None:
    """The machine's topology; None when it cannot be seen.

    Without NUMA support in the kernel all CPUs are one node. CPUs that are offline have no topology and are left out.
    """
    online = parse_list(host.value(f"{_CPU_FOLDER}/online"))
    if not online:
        return None
    present = parse_list(host.value(f"{_CPU_FOLDER}/present")) or online
    siblings = {cpu: _siblings(host, cpu, online) for cpu in online}
    nodes = []
    placed: set[int] = set()
    for name in host.names(_NODE_FOLDER):
        if not re.match(r"^node\d{1,4}$", name):
            continue
        cpus = parse_list(host.value(f"{_NODE_FOLDER}/{name}/cpulist"))
        if cpus is None:
            return None
        own = [cpu for cpu in cpus if cpu in siblings]
        placed.update(own)
        if own:
            nodes.append(Node(int(name[4:]), _cores(own, siblings)))
    rest = [cpu for cpu in online if cpu not in placed]
    if rest and nodes:
        return None  # a CPU of no node: half a picture is none
    if rest:
        nodes = [Node(0, _cores(rest, siblings))]
    nodes.sort()
    return Topology(tuple(nodes), tuple(cpu for cpu in present if cpu not in siblings))


def _siblings(host: Host, cpu: int, online: list[int]) -> tuple[int, ...]:
    for name in ("core_cpus_list", "thread_siblings_list"):  # the first since Linux 5.3
        found = parse_list(host.value(f"{_CPU_FOLDER}/cpu{cpu}/topology/{name}"))
        if found and cpu in found:
            return tuple(each for each in found if each in online)
    return (cpu,)


def _cores(cpus: list[int], siblings: dict[int, tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
    own = set(cpus)
    cores = {tuple(each for each in siblings[cpu] if each in own) for cpu in cpus}
    return tuple(sorted(cores))
