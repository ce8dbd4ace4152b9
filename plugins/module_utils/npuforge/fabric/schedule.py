"""What is measured when, computed from the fabric plan alone, so that every node comes to the same schedule. Pure.

Bandwidth: per round of the tournament two steps, one per direction; in a step every port of the sending node sends to
the port of its rail. Probes: per round both directions at once, each port of one node with each of the other, by
``tournament.shifts``, with a small packet and with one that fills the MTU.
"""

from __future__ import annotations

from typing import Any, Iterable, NamedTuple, Sequence

from ..common import Document, as_dict, as_integer, as_list, as_text
from . import tournament


class Port(NamedTuple):
    """One NPU port of the plan (docs/fabric.md section 3)."""

    id: str
    node: str
    device: int
    rail: int
    address: str


class Flow(NamedTuple):
    """One port sends to another."""

    source: Port
    target: Port

    @property
    def name(self) -> str:
        return f"{self.source.id} -> {self.target.id}"


class Step(NamedTuple):
    """Ports of ``source`` send to ports of ``target``, all at the same time. ``number`` counts over the schedule;
    steps of several pairs of nodes share a number when they run at the same time."""

    number: int
    source: str
    target: str
    flows: tuple[Flow, ...]


class Probe(NamedTuple):
    """``source`` pings ``target`` with ``size`` bytes of data."""

    source: Port
    target: Port
    size: int

    @property
    def name(self) -> str:
        return f"{self.source.id} -> {self.target.id} ({self.target.address})"


class Test(NamedTuple):
    """Numbers of the plan's ``test`` and ``qos``; None: the plan does not say."""

    message_bytes: int | None
    iterations: int | None
    probe_small_bytes: int | None
    probe_large_bytes: int | None
    traffic_class: int | None


def ports_of(plan: Any) -> tuple[dict[str, list[Port]], list[str]]:
    """The ports of each node, by rail, and in words what of the plan could not be used."""
    ports: dict[str, list[Port]] = {}
    problems = []
    for number, entry in enumerate(as_list(as_dict(plan).get("ports"))):
        row = as_dict(entry)
        name, node, address = (as_text(row.get(key)) for key in ("id", "node", "address"))
        device, rail = (as_integer(row.get(key)) for key in ("device_id", "rail"))
        if name is None or node is None or address is None or device is None or device < 0:
            problems.append(f"port {number + 1} of the plan ({name or '?'}) lacks id, node, address or device_id")
            continue
        ports.setdefault(node, []).append(Port(name, node, device, device + 1 if rail is None else rail, address))
    for mine in ports.values():
        mine.sort(key=lambda port: (port.rail, port.device))
    return ports, problems


def nodes_of(plan: Any, wanted: Iterable[str] | None = None) -> list[str]:
    """The plan's nodes in its order, those of ``wanted`` only."""
    document = as_dict(plan)
    names = [name for name in map(as_text, as_list(document.get("nodes"))) if name is not None]
    names = names or list(ports_of(document)[0])
    chosen = None if wanted is None else set(wanted)
    return [name for name in dict.fromkeys(names) if chosen is None or name in chosen]


def test_of(plan: Any) -> Test:
    """What the plan says about the tests."""
    test, qos = as_dict(as_dict(plan).get("test")), as_dict(as_dict(plan).get("qos"))
    keys = ("message_bytes", "iterations", "probe_small_bytes", "probe_large_bytes")
    sizes = [as_integer(test.get(key)) for key in keys]
    return Test(sizes[0], sizes[1], sizes[2], sizes[3], as_integer(qos.get("traffic_class")))


def steps(plan: Any, nodes: Sequence[str] | None = None) -> list[Step]:
    """The bandwidth test: every pair of nodes once, both directions, each port once in a step."""
    ports, _ = ports_of(plan)
    found = []
    for number, pairs in enumerate(tournament.rounds(nodes_of(plan, nodes))):
        for turn in (0, 1):
            for pair in pairs:
                source, target = pair if turn == 0 else pair[::-1]
                facing = {port.rail: port for port in ports.get(target, [])}
                flows = tuple(Flow(port, facing[port.rail]) for port in ports.get(source, []) if port.rail in facing)
                found.append(Step(2 * number + turn, source, target, flows))
    return found


def probes(plan: Any, node: str, nodes: Sequence[str] | None = None) -> list[list[Probe]]:
    """The probes that ``node`` sends, in rounds; in a round each of its ports is a source once at most, and (with the
    probes of the other nodes in the same place) a target once at most. Without sizes in the plan there are none.

    The large packet comes first: it says most about the path, should the time not suffice for all.
    """
    ports, _ = ports_of(plan)
    test = test_of(plan)
    sizes = [size for size in (test.probe_large_bytes, test.probe_small_bytes) if size is not None]
    found: list[list[Probe]] = []
    for size in dict.fromkeys(sizes):
        for pairs in tournament.rounds(nodes_of(plan, nodes)):
            for pair in pairs:
                if node not in pair:
                    continue
                mine = ports.get(node, [])
                theirs = ports.get(pair[1] if pair[0] == node else pair[0], [])
                for places in tournament.shifts(len(mine), len(theirs)):
                    found.append([Probe(mine[here], theirs[there], size) for here, there in places])
    return found


def part_of(found: Sequence[Step], node: str) -> list[Step]:
    """The steps in which ``node`` sends or receives."""
    return [step for step in found if node in (step.source, step.target)]


def pair_name(first: str, second: str, order: Sequence[str]) -> str:
    """``node1-node2``: the id of a pair, in the plan's order of nodes."""
    place = {name: number for number, name in enumerate(order)}
    one, other = sorted((first, second), key=lambda name: (place.get(name, len(place)), name))
    return f"{one}-{other}"


def needed(plan: Any) -> Document:
    """The part of a plan that the tests need: what goes to the nodes (no switches, no quality of service but the
    traffic class)."""
    document = as_dict(plan)
    keys = ("id", "node", "name", "device_id", "rail", "address")
    return {
        "schema": document.get("schema"),
        "nodes": nodes_of(document),
        "qos": {"traffic_class": as_dict(document.get("qos")).get("traffic_class")},
        "test": as_dict(document.get("test")),
        "ports": [{key: as_dict(port).get(key) for key in keys} for port in as_list(document.get("ports"))],
    }
