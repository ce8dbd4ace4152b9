"""Everybody meets everybody once, no port twice in a round, and every node comes to the same schedule."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, permutations

import pytest
from fabric_helpers import make_plan
from hypothesis import given
from hypothesis import strategies as st
from npuforge.fabric import schedule, tournament


@given(st.integers(0, 33))
def test_every_pair_meets_once_and_nobody_twice_in_a_round(count: int) -> None:
    names = [f"n{number}" for number in range(count)]
    found = tournament.rounds(names)
    assert len(found) == (0 if count < 2 else count - 1 if count % 2 == 0 else count)
    for pairs in found:
        used = Counter(name for pair in pairs for name in pair)
        assert set(used.values()) <= {1}
        assert len(pairs) == count // 2  # for odd counts one sits out
    assert Counter(pair for pairs in found for pair in pairs) == Counter(combinations(names, 2))


@given(st.integers(0, 17), st.integers(0, 17))
def test_every_port_meets_every_port_once_and_none_twice_in_a_round(sources: int, targets: int) -> None:
    found = tournament.shifts(sources, targets)
    for places in found:
        assert len({here for here, _ in places}) == len({there for _, there in places}) == len(places)
    assert Counter(place for places in found for place in places) == Counter(
        (here, there) for here in range(sources) for there in range(targets)
    )


def test_three_nodes_of_eight_ports_need_768_probes_with_each_port_once_per_round() -> None:
    plan = make_plan(3, 8)
    by_node = {node: schedule.probes(plan, node) for node in plan["nodes"]}
    every = [probe for rounds in by_node.values() for probes in rounds for probe in probes]
    assert len(every) == len(set(every)) == 768
    expected = {(a["id"], b["id"]) for a, b in permutations(plan["ports"], 2) if a["node"] != b["node"]}
    assert {(probe.source.id, probe.target.id) for probe in every} == expected
    assert Counter(probe.size for probe in every) == {56: 384, 4068: 384}
    for rounds in by_node.values():
        for probes in rounds:
            assert len({probe.source for probe in probes}) == len({probe.target for probe in probes}) == 8
    # Both directions of a pair have the same place in their nodes' orders: together a port is a target once as well.
    mine, theirs = by_node["node2"][0], by_node["node3"][0]
    assert {probe.target.node for probe in mine} == {"node3"} and {probe.target.node for probe in theirs} == {"node2"}
    assert by_node["node1"][0][0].size == 4068  # the telling one first


@given(st.integers(2, 7), st.integers(1, 4))
def test_steps_use_a_port_once_and_cover_both_directions(nodes: int, ports: int) -> None:
    plan = make_plan(nodes, ports)
    steps = schedule.steps(plan)
    flows = [flow for step in steps for flow in step.flows]
    assert len(flows) == len(set(flows)) == nodes * (nodes - 1) * ports
    assert all(flow.source.rail == flow.target.rail for flow in flows)
    for number in {step.number for step in steps}:
        together = [flow for step in steps if step.number == number for flow in step.flows]
        used = Counter(port for flow in together for port in flow)
        assert set(used.values()) == {1}
    for node in plan["nodes"]:
        mine = schedule.part_of(steps, node)
        numbers = [step.number for step in mine]
        assert numbers == sorted(numbers) and len(numbers) == 2 * (nodes - 1)


def test_the_schedule_is_of_those_who_take_part() -> None:
    steps = schedule.steps(make_plan(4, 1), ["node4", "node2"])
    assert [(step.source, step.target) for step in steps] == [("node2", "node4"), ("node4", "node2")]


@pytest.mark.parametrize(
    "damage",
    [None, [], "x", {"ports": 3}, {"ports": [3, {"id": "a"}]}, {"nodes": [None], "test": [], "qos": 1, "ports": [{}]}],
)
def test_a_damaged_plan_gives_no_schedule_and_no_traceback(damage: object) -> None:
    assert schedule.steps(damage) == [] and schedule.probes(damage, "node1") == []
    assert schedule.test_of(damage).message_bytes is None
    assert schedule.ports_of(damage)[0] == {}


def test_the_needed_part_gives_the_same_schedule() -> None:
    plan = make_plan(3, 8)
    part = schedule.needed(plan)
    assert schedule.steps(part) == schedule.steps(plan)
    assert schedule.probes(part, "node2") == schedule.probes(plan, "node2")
    assert "switch" not in part["ports"][0]
