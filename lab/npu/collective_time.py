"""How long a collective operation takes, and which traffic it makes: the slowest link of all decides.

An operation over several servers runs in three parts, as HCCL does it on servers of eight fully meshed NPUs: inside
each server, between the NPUs of one rail (each sends to its peer in the next server, in a ring), and inside each server
again. An all-to-all sends from every rank to every other one directly, so several senders meet at each receiver.

Numbers: HCCS 28 GB/s a link, 26.2 measured (public ascend-dmi output); the rails: ``lab.fabric``; what an operation and
each of its steps cost besides the data are estimates.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lab.fabric import FASTEST_MESSAGE_SECONDS, Path, traffic
from lab.npu.ranks import Member, Pair
from lab.wires import Endpoint, label, spread
from lab.world import World

HCCS_LINK = 26.2e9  # bytes a second between two NPUs of one server
START_SECONDS, STEP_SECONDS = 62e-6, 14e-6
UNPAUSED = 0.55  # what is left where PFC pauses another priority than that of the queue pairs


@dataclass(frozen=True)
class Shape:
    """The traffic of one call. ``bytes``: on each link between servers, in all ``steps`` together; ``shares``: how many
    links use one port at the same time; ``inside``: bytes on the busiest HCCS link.
    """

    links: tuple[Pair, ...]
    bytes: int
    steps: int
    shares: int
    inside: float

    def seconds(self, rates: Mapping[Pair, float], *key: object) -> float:
        """The duration of one call. ``rates``: bytes a second for large messages, of each link."""
        wanted = START_SECONDS + self.inside / HCCS_LINK
        if self.links:
            slowest = min(rates[pair] for pair in self.links) / self.shares
            step = math.hypot(self.bytes / self.steps / slowest, FASTEST_MESSAGE_SECONDS)
            wanted += self.steps * (step + STEP_SECONDS)
        return wanted * (1 + 0.02 * spread("collective", *key))


def rate(path: Path, service_level: int) -> float:
    """Bytes a second of a link. A service level that is not the switch's queue is not paused with it."""
    return path.rate if path.queue in (0, service_level) else path.rate * UNPAUSED


def pairs(name: str, ends: Mapping[Member, Endpoint]) -> tuple[Pair, ...]:
    """The ranks on different servers that must be linked, each in its direction. ``ends``: the NPU of each rank."""
    members = list(ends)
    if name.startswith("alltoall"):
        return tuple((a, b) for a in members for b in members if a.node != b.node)
    nodes = list(dict.fromkeys(member.node for member in members))
    rails: dict[str, dict[str, Member]] = defaultdict(dict)
    for member, (node, slot) in ends.items():
        rails[slot][node] = member
    if all(set(rail) == set(nodes) for rail in rails.values()):
        rings = [[rail[node] for node in nodes] for rail in rails.values()]
    else:
        rings = [members]  # servers that differ: one ring over all
    around = ((a, b) for ring in rings for a, b in zip(ring, [*ring[1:], *ring[:1]], strict=True))
    return tuple((a, b) for a, b in around if a.node != b.node)


def shape(name: str, members: Sequence[Member], links: tuple[Pair, ...], moved: int) -> Shape:
    """The traffic of one call that moves ``moved`` bytes, which is what the row's bandwidth is computed over."""
    ranks, servers = len(members), len({member.node for member in members})
    each = max(1, ranks // servers)  # ranks of one server
    if name.startswith("alltoall"):
        block = max(1, moved // ranks)
        return Shape(links, block, 1, max(1, ranks - each), block)
    part = moved / each  # what one rail carries
    ring = max(1, servers - 1)
    if name == "all_reduce":
        return Shape(links, max(1, int(part * 2 * ring / servers)), 2 * ring, 1, 2 * part)
    if name in ("broadcast", "reduce"):
        return Shape(links, max(1, int(part)), ring, 1, 2 * part)
    return Shape(links, max(1, int(part * ring / servers)), ring, 1, part)


def count(world: World, made: Shape, ends: Mapping[Member, Endpoint], rounds: int, run: int) -> None:
    """Let all counters of NPUs and switches see the traffic of so many calls. Each rank marks what it sends."""
    by_class: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for a, b in made.links:
        by_class[a.value("HCCL_RDMA_TC")].append((label(ends[a]), label(ends[b])))
    for tclass, flows in by_class.items() if rounds else ():
        traffic(world, flows, made.bytes * rounds, tclass, run)
