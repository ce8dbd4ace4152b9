"""The bandwidth test of several nodes with a make-believe hccn_tool: results, hangs, strangers, kills, resets."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from fabric_helpers import Site, finish, kill, make_plan, wait_for


def site_of(tmp_path: Path, nodes: int = 2, ports: int = 2) -> Site:
    return Site(tmp_path, make_plan(nodes, ports))


def flows(result: dict[str, Any], role: str) -> dict[str, dict[str, Any]]:
    return {f"{flow['source']}>{flow['target']}": flow for flow in result["half"]["flows"] if flow["role"] == role}


def facts(result: dict[str, Any]) -> dict[str, Any]:
    return result["observations"][0]["observation"]["facts"]  # type: ignore[no-any-return]


def test_three_nodes_measure_every_pair_in_both_directions(tmp_path: Path) -> None:
    site = site_of(tmp_path, 3)
    site.set(rates={"10.88.0.103>10.88.0.105": 11700.0}, lost={"10.88.0.103": 7})
    results = site.run(do=["bandwidth"])
    sent = {name: flow for result in results.values() for name, flow in flows(result, "send").items()}
    received = {name: flow for result in results.values() for name, flow in flows(result, "receive").items()}
    pairs = {(a, b) for a in (1, 2, 3) for b in (1, 2, 3) if a != b}
    assert set(sent) == set(received) == {f"node{a}/NPU{k}>node{b}/NPU{k}" for a, b in pairs for k in (1, 2)}
    assert all(flow["problem"] is None for flow in [*sent.values(), *received.values()])
    assert sent["node1/NPU1>node2/NPU1"]["bytes_per_second"] == pytest.approx(24.5005e9, rel=1e-4)
    assert sent["node2/NPU1>node3/NPU1"]["bytes_per_second"] == pytest.approx(12.268e9, rel=1e-3)
    half = results["node2"]["half"]
    steps = half["steps"]
    assert len(half["counters"]) == len(steps) + 1 == 5
    grown = [
        after["node2/NPU1"]["roce_new_pkt_rty_num"] - before["node2/NPU1"]["roce_new_pkt_rty_num"]
        for before, after in zip(half["counters"], half["counters"][1:], strict=False)
    ]
    assert sorted(grown) == [0, 0, 7, 7]  # it sends in two of its four steps
    assert site.left() == []


def test_a_hung_receiver_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    site = site_of(tmp_path)
    site.set(hangs=["10.88.0.104"])
    results = site.run(do=["bandwidth"])
    sent, received = flows(results["node1"], "send"), flows(results["node2"], "receive")
    assert sent["node1/NPU1>node2/NPU1"]["problem"] is None
    assert sent["node1/NPU2>node2/NPU2"]["bytes_per_second"] is None
    assert sent["node1/NPU2>node2/NPU2"]["state"] == received["node1/NPU2>node2/NPU2"]["state"] == "hung"
    back = flows(results["node2"], "send")
    assert all(flow["bytes_per_second"] for flow in back.values())  # the other direction is not hurt
    assert site.left() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_in_the_middle_leaves_no_test_in_the_devices(tmp_path: Path, number: int) -> None:
    site = site_of(tmp_path)
    process = site.start("node2", do=["bandwidth"])  # the receiver of the first step; nobody comes
    wait_for(lambda: site.left() == ["recv-10.88.0.103", "recv-10.88.0.104"])
    kill(process, number)
    assert "stopped by signal" in finish(process)["stopped"]
    assert site.left() == []


def test_a_run_that_was_killed_is_cleared_by_the_next(tmp_path: Path) -> None:
    site = site_of(tmp_path)
    process = site.start("node2", do=["bandwidth"])
    wait_for(lambda: len(site.left()) == 2)
    kill(process, signal.SIGKILL)
    process.communicate()
    assert len(site.left()) == 2  # the devices go on: that is the trap
    results = site.run(do=["bandwidth"])
    assert all(flow["problem"] is None for result in results.values() for flow in result["half"]["flows"])
    assert site.left() == []


def test_a_test_that_another_left_in_the_device_is_reset_on_the_way(tmp_path: Path) -> None:
    site = site_of(tmp_path, ports=1)
    receiver = site.start("node2", do=["bandwidth"])
    wait_for(lambda: site.left() == ["recv-10.88.0.102"])
    site.folder.joinpath("send-10.88.0.101").write_text("waiting")  # appears after node1 would have reset
    sender = site.start("node1", do=["bandwidth"], limits={"head_start": 0.3})
    wait_for(lambda: any("node1" in call and "reset" in call for call in site.calls()))
    site.folder.joinpath("send-10.88.0.101").write_text("waiting")
    assert finish(sender)["half"]["flows"][0]["problem"] is None
    assert finish(receiver)["half"]["flows"][0]["problem"] is None


def test_an_absent_peer_costs_one_slot_and_is_said(tmp_path: Path) -> None:
    site = site_of(tmp_path)
    results = site.run(["node1"], do=["bandwidth"], limits={"skew": 0.5, "step": 1.0})
    half = results["node1"]["half"]
    assert {flow["bytes_per_second"] for flow in half["flows"]} == {None}
    assert "did not accept a connection" in flows(results["node1"], "send")["node1/NPU1>node2/NPU1"]["problem"]
    assert "waited for 10.88.0.103" in flows(results["node1"], "receive")["node2/NPU1>node1/NPU1"]["problem"]
    assert half["tool"]["seconds"] < 6
    assert site.left() == []


def test_a_stranger_at_the_receiver_is_sent_away(tmp_path: Path) -> None:
    site = site_of(tmp_path, ports=1)
    receiver = site.start("node2", do=["bandwidth"])
    wait_for(lambda: site.left() == ["recv-10.88.0.102"])
    site.folder.joinpath("recv-10.88.0.102").write_text("10.88.0.199 20000.0")
    sender = site.start("node1", do=["bandwidth"])
    result = finish(receiver)
    assert finish(sender)["half"]["flows"][0]["problem"] is None
    assert flows(result, "receive")["node1/NPU1>node2/NPU1"]["bytes_per_second"] == pytest.approx(24.53e9, rel=1e-3)
    assert "10.88.0.199 connected, which was not planned" in result["half"]["notes"][0]["problem"]


def test_a_cut_report_is_no_number(tmp_path: Path) -> None:
    site = site_of(tmp_path)
    site.set(garble=["10.88.0.101"])
    results = site.run(do=["bandwidth"])
    flow = flows(results["node1"], "send")["node1/NPU1>node2/NPU1"]
    assert flow["bytes_per_second"] is None and "no result" in flow["problem"]
    assert flows(results["node2"], "receive")["node1/NPU1>node2/NPU1"]["bytes_per_second"] is not None


def test_busy_answers_are_tried_again(tmp_path: Path) -> None:
    site = site_of(tmp_path)
    site.set(busy=9)
    results = site.run()
    assert sum(result["half"]["tool"]["busy_retries"] for result in results.values()) == 9
    assert all(flow["problem"] is None for result in results.values() for flow in result["half"]["flows"])
    assert all(facts(result)["reachability"]["complete"] for result in results.values())


def test_a_tool_that_stays_busy_ends_soon_and_says_so(tmp_path: Path) -> None:
    site = site_of(tmp_path, ports=8)
    site.set(busy=100000)
    result = site.run(["node1"], busy_seconds=0.5)["node1"]
    assert result["half"]["problem"] == "hccn_tool stayed busy"
    assert facts(result)["reachability"] == {"probed": 0, "expected": 128, "complete": False, "unreachable": None}
    assert facts(result)["notes"][0]["problem"] == "hccn_tool stayed busy"


def test_a_missing_tool_is_said_at_once(tmp_path: Path) -> None:
    result = site_of(tmp_path).run(["node1"], tool="/nowhere/hccn_tool")["node1"]
    assert result["half"]["problem"].startswith("/nowhere/hccn_tool: No such file")
    assert facts(result)["reachability"]["unreachable"] is None


def test_devices_in_use_are_left_alone_unless_told(tmp_path: Path) -> None:
    site = site_of(tmp_path)
    site.smi("node1", {1: 29954})
    result = site.run(["node1"])["node1"]
    assert result["refused"] == ["node1/NPU2: 46 % of its memory is held (at most 15 % on a free one)"]
    assert site.calls() == [] and result["half"]["flows"] == []
    assert "device is in use" in facts(result)["notes"][0]["problem"]
    results = site.run(allow_busy=True, do=["bandwidth"])
    assert all(flow["problem"] is None for each in results.values() for flow in each["half"]["flows"])


def test_probes_name_deaf_ports_and_short_paths(tmp_path: Path) -> None:
    site = site_of(tmp_path)
    site.set(deaf=["10.88.0.103"], long=["10.88.0.104"])
    result = site.run(["node1"], do=["reachability"])["node1"]
    reach = facts(result)["reachability"]
    assert (reach["probed"], reach["expected"], reach["complete"]) == (8, 8, True)
    assert len(reach["unreachable"]) == 6
    assert "node1/NPU2 -> node2/NPU2 (10.88.0.104): 3 of 3 packets of 4096 bytes lost" in reach["unreachable"]
    assert site.calls()[-2:] != [] and all("-roce_test reset" in call for call in site.calls()[-2:])


def test_small_packets_may_be_implied_by_large_ones(tmp_path: Path) -> None:
    site = site_of(tmp_path)
    site.set(deaf=["10.88.0.103"], long=["10.88.0.104"])
    result = site.run(["node1"], do=["reachability"], imply_small=True)["node1"]
    reach = facts(result)["reachability"]
    assert (reach["probed"], len(reach["unreachable"])) == (8, 6)
    site.set(deaf=[], long=[])
    before = len([call for call in site.calls() if "-ping" in call])
    reach = facts(site.run(["node1"], do=["reachability"], imply_small=True)["node1"])["reachability"]
    assert reach == {"probed": 8, "expected": 8, "complete": True, "unreachable": []}
    assert len([call for call in site.calls() if "-ping" in call]) == before + 4


def test_probes_stop_when_the_time_is_used_up(tmp_path: Path) -> None:
    result = site_of(tmp_path, ports=4).run(["node1"], do=["reachability"], probe_seconds=0.05)["node1"]
    reach = facts(result)["reachability"]
    assert reach["complete"] is False and reach["probed"] < reach["expected"] == 32
    assert any("the time was used up" in note["problem"] for note in facts(result)["notes"])


def test_counters_alone_test_nothing(tmp_path: Path) -> None:
    site = site_of(tmp_path)
    result = site.run(["node1"], do=["counters"])["node1"]
    assert [call.split()[3] for call in site.calls()] == ["-stat", "-stat"]
    assert result["half"]["counters"][0]["node1/NPU1"]["roce_new_pkt_rty_num"] == 0
    assert "reachability" not in facts(result)
