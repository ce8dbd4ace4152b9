"""Two halves become one number, and a bad number becomes the port, side and setting behind it."""

from __future__ import annotations

from typing import Any

import pytest
from fabric_helpers import make_plan
from npuforge.fabric import causes, results, schedule

RATE = 24.5e9
LIMIT = 190.0


def halves(plan: dict[str, Any], rate: float = RATE) -> dict[str, dict[str, Any]]:
    """What healthy nodes return."""
    found: dict[str, dict[str, Any]] = {}
    for node in plan["nodes"]:
        steps = schedule.part_of(schedule.steps(plan), node)
        ports = [port["id"] for port in plan["ports"] if port["node"] == node]
        count = {port: {"roce_new_pkt_rty_num": 5, "mac_tx_pfc_pkt_num": 3, "mac_rx_pfc_pkt_num": 2} for port in ports}
        flows = [
            {
                "role": "send" if step.source == node else "receive",
                "source": flow.source.id,
                "target": flow.target.id,
                "state": "done",
                "bytes_per_second": rate * (1 if step.source == node else 1.00124),
                "message_bytes": 2097152,
                "iterations": 1000,
                "seconds": 0.086,
                "problem": None,
                "step": step.number,
                "during": step.number,
            }
            for step in steps
            for flow in step.flows
        ]
        found[node] = {
            "schema": "npuforge.fabric_half/1",
            "node": node,
            "flows": flows,
            "steps": [step.number for step in steps],
            "counters": [{port: dict(each) for port, each in count.items()} for _ in range(len(steps) + 1)],
            "refused": [],
        }
    return found


def flow(half: dict[str, Any], source: str, target: str) -> dict[str, Any]:
    row: dict[str, Any] = next(row for row in half["flows"] if (row["source"], row["target"]) == (source, target))
    return row


def spoil(half: dict[str, Any], source: str, target: str, **change: Any) -> None:
    flow(half, source, target).update({"bytes_per_second": None, "state": "failed"} | change)


def facts(plan: dict[str, Any], measured: dict[str, dict[str, Any]], name: str = "node1-node2") -> dict[str, Any]:
    return next(pair.facts for pair in results.pairs(plan, measured, LIMIT) if pair.name == name)


def test_healthy_nodes_reach_196_in_both_directions_of_every_pair() -> None:
    plan = make_plan(3, 8)
    found = results.pairs(plan, halves(plan), LIMIT)
    assert [pair.name for pair in found] == ["node2-node3", "node1-node3", "node1-node2"]
    for pair in found:
        assert set(pair.facts["one_way_gbytes_per_s"].values()) == {196.0}
        assert pair.facts["slowest_direction_gbytes_per_s"] == pair.facts["slowest_port_gbit_per_s"] == 196.0
        assert len(pair.facts["ports"]) == 16 and pair.facts["retransmitted_packets"] == 0
        assert pair.facts["failed"] == pair.facts["slow_ports"] == pair.facts["notes"] == []
        assert "note" not in pair.facts["ports"][0]


def test_a_slow_port_is_named_and_sums_still_stand() -> None:
    plan = make_plan(2, 8)
    measured = halves(plan)
    for half in measured.values():
        flow(half, "node1/NPU3", "node2/NPU3")["bytes_per_second"] = 12.28e9
    found = facts(plan, measured)
    assert found["slow_ports"] == ["node1/NPU3 -> node2/NPU3: 98.2 Gb/s, at least 190"]
    assert found["slowest_port_gbit_per_s"] == 98.24
    assert found["slowest_direction_gbytes_per_s"] == pytest.approx(7 * 24.5 + 12.28)


def test_a_port_without_a_number_makes_the_sums_null() -> None:
    plan = make_plan(2, 2)
    measured = halves(plan)
    spoil(measured["node1"], "node1/NPU1", "node2/NPU1", state="hung", problem="x")
    spoil(measured["node2"], "node1/NPU1", "node2/NPU1", state="hung", problem="y")
    found = facts(plan, measured)
    assert found["one_way_gbytes_per_s"] == {"node1->node2": None, "node2->node1": 49.0}
    assert found["slowest_direction_gbytes_per_s"] is None and found["slowest_port_gbit_per_s"] is None
    sentence = "the receiver hung: the sender had connected, and neither ended until they were reset"
    assert found["failed"] == [f"node1/NPU1 -> node2/NPU1: {sentence}"]
    assert found["notes"][0]["problem"] == found["failed"][0]


def test_a_port_known_to_be_too_slow_counts_though_another_gave_no_number() -> None:
    plan = make_plan(2, 2)
    measured = halves(plan)
    for half in measured.values():
        flow(half, "node1/NPU2", "node2/NPU2")["bytes_per_second"] = 1e9
        spoil(half, "node1/NPU1", "node2/NPU1", problem="x")
    assert facts(plan, measured)["slowest_port_gbit_per_s"] == 8.0


def test_sides_that_disagree_give_no_number_and_a_lone_side_counts() -> None:
    plan = make_plan(2, 2)
    measured = halves(plan)
    flow(measured["node2"], "node1/NPU1", "node2/NPU1")["bytes_per_second"] = 20e9
    spoil(measured["node2"], "node1/NPU2", "node2/NPU2", problem="cut")
    spoil(measured["node2"], "node2/NPU2", "node1/NPU2", problem="cut")
    found = {(row["source"], row["target"]): row for row in facts(plan, measured)["ports"]}
    row = found[("node1/NPU1", "node2/NPU1")]
    assert row["gbit_per_s"] is None
    assert row["problem"] == "the sender measured 196.0 Gb/s and the receiver 160.0 Gb/s"
    assert found[("node1/NPU2", "node2/NPU2")]["gbit_per_s"] == 196.0  # the sender's
    assert found[("node2/NPU2", "node1/NPU2")]["gbit_per_s"] == 196.243  # the receiver's
    told = [note["problem"] for note in facts(plan, measured)["notes"]]
    assert "the sender's number alone (the receiver says: cut)" in told


def test_a_sender_that_reached_the_wrong_port_gives_no_number_by_its_receiver() -> None:
    plan = make_plan(2, 1)
    measured = halves(plan)
    spoil(measured["node1"], "node1/NPU1", "node2/NPU1", state="done", problem="connected to 10.88.0.9, planned x")
    row = facts(plan, measured)["ports"][0]
    assert row["gbit_per_s"] is None and "connected to 10.88.0.9" in row["problem"]


def test_nodes_that_did_not_measure_are_named() -> None:
    plan = make_plan(3, 1)
    measured = halves(plan)
    del measured["node3"]
    measured["node1"] |= {"flows": [], "refused": ["node1/NPU1: in use by python3"]}
    measured["node2"]["flows"] = []
    assert "node1 refused the test: node1/NPU1: in use by python3" in facts(plan, measured)["failed"][0]
    assert "node3 did not take part in the test" in facts(plan, measured, "node2-node3")["failed"][0]
    measured["node1"] |= {"refused": [], "problem": "hccn_tool stayed busy"}
    assert "node1 could not test: hccn_tool stayed busy" in facts(plan, measured)["failed"][0]


@pytest.mark.parametrize(
    ("grown", "lost"),
    [({"node1/NPU1": 7}, 7), ({"node2/NPU1": 4}, 4), ({"node1/NPU1": -2}, None), ({"node1/NPU1": None}, None)],
)
def test_packets_sent_again_are_counted_once(grown: dict[str, int | None], lost: int | None) -> None:
    plan = make_plan(2, 1)
    measured = halves(plan)
    for port, growth in grown.items():
        seen = measured[port.partition("/")[0]]["counters"]
        for after in seen[1:]:  # it grows in the first step only
            if growth is None:
                after[port] = None
            else:
                after[port]["roce_new_pkt_rty_num"] += growth
    found = facts(plan, measured)
    assert found["retransmitted_packets"] == lost
    if lost is None:
        assert "counters could not be compared" in found["notes"][0]["problem"]


def test_a_result_that_came_early_is_counted_in_the_step_it_ran_in() -> None:
    plan = make_plan(3, 1)
    measured = halves(plan)
    row = flow(measured["node3"], "node1/NPU1", "node3/NPU1")
    row["during"] = measured["node3"]["steps"][0]
    for after in measured["node3"]["counters"][1:]:
        after["node3/NPU1"]["roce_new_pkt_rty_num"] += 3
    assert facts(plan, measured, "node1-node3")["retransmitted_packets"] == 3


def test_ports_of_a_rail_that_the_other_node_lacks_are_named() -> None:
    plan = make_plan(2, 2)
    plan["ports"].pop()
    found = facts(plan, halves(plan))
    assert found["failed"] == ["node1/NPU2 has no port of its rail on node2"]
    assert found["slowest_direction_gbytes_per_s"] is None


def test_the_matrix_holds_what_was_measured_and_nulls() -> None:
    plan = make_plan(3, 8)
    document = results.matrix(plan, results.pairs(plan, halves(plan), LIMIT), LIMIT)
    table = document["gbit_per_s"]
    assert len(document["ports"]) == len(table) == len(table[0]) == 24
    assert sum(value is not None for row in table for value in row) == 48
    assert table[0][8] == table[8][0] == 196.0 and table[0][0] is None and table[0][9] is None


def switch(value: int, drops: int | None = 0) -> dict[str, dict[str, Any]]:
    return {"sw1/400GE1/0/1:1": {"pfc_rx_frames": value, "pfc_tx_frames": value, "drops": drops}}


@pytest.mark.parametrize(
    ("before", "after", "pfc", "acted", "dropped"),
    [
        ({}, {}, 20, True, None),
        (switch(0), switch(40), 80, True, 0),
        (switch(0), switch(0, 12), 20, True, 12),
        (switch(9), switch(3), 20, True, 0),
        (switch(0, None), switch(40, None), 80, True, None),
    ],
)
def test_counters_around_the_incast(before: Any, after: Any, pfc: int, acted: bool, dropped: int | None) -> None:
    plan = make_plan(2, 2)
    first, last = halves(plan), halves(plan)
    for half in last.values():
        for port in half["counters"][-1].values():
            port["mac_rx_pfc_pkt_num"] += 5
    found = results.incast({"failed_ranks": []}, first, last, before, after)
    assert (found["pfc_frames"], found["pfc_acted"], found["dropped_packets"]) == (pfc, acted, dropped)
    assert found["retransmitted_packets"] == 0 and found["operation"] == "alltoall"


def test_pfc_that_nobody_can_see_is_unknown_and_none_is_false() -> None:
    plan = make_plan(2, 1)
    first, last = halves(plan), halves(plan)
    assert results.incast({"failed_ranks": []}, first, last, {}, {})["pfc_acted"] is False
    hidden = results.incast({"failed_ranks": []}, first, {}, {}, {})
    assert hidden["pfc_acted"] is None and hidden["pfc_frames"] is None
    assert len(results.incast_notes(hidden)) == 2
    assert results.incast({"failed_ranks": None}, first, last, switch(0), switch(9))["pfc_frames"] is None


TRUST = "400GE1/0/2:1: trust is 802.1p, planned dscp"
BAD = causes.Bad("node1/NPU3", "node2/NPU3", ("98.2 Gb/s", "98.2 Gb/s"))


def seen(**facts_of: Any) -> causes.Seen:
    return causes.Seen(facts_of.get("npu", {}), facts_of.get("port", {}), facts_of.get("switch", {}))


def test_a_remedy_names_switch_port_and_setting_in_both_languages() -> None:
    plan = make_plan(2, 8)
    text = causes.remedy([BAD], plan, seen(port={"sw1/400GE1/0/2:1": {"trust_differences": [TRUST]}}))
    assert text is not None
    assert "node1/NPU3 -> node2/NPU3 (98.2 Gb/s): sw1/400GE1/0/2:1: trust is 802.1p, planned dscp" in text["en"]
    assert "交换机端口信任字段：sw1/400GE1/0/2:1: trust is 802.1p, planned dscp" in text["zh"]


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ({"npu": {"node2/NPU3": {"link": "down"}}}, "node2/NPU3: link is down"),
        ({"npu": {"node1/NPU3": {"mtu_differences": ["mtu is 1500, planned 4200"]}}}, "node1/NPU3: mtu is 1500"),
        ({"npu": {"node1/NPU3": {"cabling_differences": ["node1 NPU3 is on x"]}}}, ": node1 NPU3 is on x"),
        ({"port": {"sw1/400GE1/0/6:1": {"pfc_turned_off": True}}}, "sw1/400GE1/0/6:1: PFC was turned off"),
        ({"switch": {"sw1": {"roce": {"differences": ["headroom pool is 0 KiB"]}}}}, "sw1: headroom pool is 0 KiB"),
    ],
)
def test_every_side_is_looked_at(where: dict[str, Any], said: str) -> None:
    text = causes.remedy([BAD], make_plan(2, 8), seen(**where))
    assert text is not None and said in text["en"]


def test_without_a_difference_the_hardware_is_suspected_by_who_else_is_slow() -> None:
    plan = make_plan(3, 8)
    everywhere = [causes.Bad("node2/NPU3", f"{node}/NPU3", ("", "")) for node in ("node1", "node3")]
    text = causes.remedy(everywhere, plan, seen())
    assert text is not None
    assert "node2/NPU3 is bad with every node: change its cable and modules first" in text["en"]
    lone = causes.remedy([BAD], plan, seen())
    assert lone is not None and "only this pair is bad" in lone["en"] and "仅此一对异常" in lone["zh"]
    assert causes.remedy([], plan, seen()) is None


def test_one_cause_of_many_flows_is_told_once() -> None:
    plan = make_plan(2, 8)
    bad = [causes.Bad("node1/NPU3", f"node2/NPU{k}", ("", "")) for k in range(1, 9)]
    text = causes.remedy(bad, plan, seen(port={"sw1/400GE1/0/2:1": {"trust_differences": [TRUST]}}))
    assert text is not None and text["en"].count("trust is 802.1p") == 1 and "and 4 more flows" in text["en"]


def test_unreachable_sentences_become_flows_worst_port_first() -> None:
    told = [
        "node1/NPU1 -> node2/NPU3 (10.88.0.11): 3 of 3 packets of 84 bytes lost",
        "node1/NPU1 -> node2/NPU3 (10.88.0.11): 3 of 3 packets of 4096 bytes lost",
        "node1/NPU2 -> node2/NPU3 (10.88.0.11): 3 of 3 packets of 84 bytes lost",
        "node1/NPU2 -> node2/NPU4 (10.88.0.12): 3 of 3 packets of 84 bytes lost",
        "nonsense",
    ]
    found = [(bad.source, bad.target) for bad in causes.unreachable(told)]
    assert found[0][1] == "node2/NPU3" and len(found) == 3 and found[-1] == ("node1/NPU2", "node2/NPU4")
    assert causes.unreachable(None) == []
