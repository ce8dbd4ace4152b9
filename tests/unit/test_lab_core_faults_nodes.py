"""The faults of NPU ports and their tools: planted in a provisioned twin, its own tools show them, and healing leaves
no trace in the world or in the nodes' files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab import fabric, wires
from lab.breaking import files as node_files
from lab.breaking.catalogue import FileChange
from lab.faults import Engine
from lab.npu import collective, launch
from lab.state import LabError
from tests.unit.lab_faults_helpers import CATALOGUE, FABRIC, HCCN_TOOL, Memory, Twin, provisioned
from tests.unit.lab_npu_collective_helpers import HOSTS, Bench, rows
from tests.unit.lab_npu_helpers import Site

NODE_FAULTS = [name for name, fault in FABRIC.items() if fault.kind == "nodes"]
SMALL = ("-b", "64M", "-e", "64M", "-n", "1", "-w", "0")


@pytest.fixture
def twin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Twin:
    monkeypatch.setattr(collective, "LONGEST_WAIT", 0.0)
    return provisioned(tmp_path / "world")


@pytest.fixture
def site(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The same twin with its tools."""
    monkeypatch.setattr(
        launch, "node_file", lambda call, node, path: (twin.files.read(node, path) or b"").decode(errors="replace")
    )
    return Site(twin.world)


# What the tools say of node2/NPU3 once the fault is there, and did not say before.
SHOWS: dict[str, tuple[str, str]] = {
    "npu_link_down": ("link", "link status: DOWN"),
    "npu_link_flaps": ("link_stat", "link down count     : 3"),
    "npu_speed_100g": ("speed", "Speed: 100000 Mb/s"),
    "npu_fec_off": ("fec", "fec mode: no FEC mode"),
    "npu_optics_weak": ("optical", ": 0.08"),
    "npu_optics_missing": ("optical", "not present"),
    "npu_mtu_small": ("mtu", "mtu:1500"),
    "npu_address_stale": ("ip", "ipaddr:10.88.0.67"),
    "npu_netmask_wrong": ("ip", "netmask:255.255.255.128"),
    "npu_gateway_missing": ("gateway", "no gateway was preset"),
    "npu_pfc_off": ("pfc", "enabled    0 0 0 0 0 0 0 0"),
    "npu_dscp_missing": ("dscp_to_tc", "  33       0"),
    "node_tls_on": ("tls", "tls switch[1]"),
    "hccn_tool_busy": ("ip", "hccn_tool is busy"),
    "hccn_tool_stuck": ("ip", "hccn_tool is busy"),
    "hccn_tool_unknown_layout": ("ip", "| Ipaddr | 10.88.0.111 |"),
}


@pytest.mark.parametrize("name", NODE_FAULTS)
def test_a_fault_touches_one_node_and_heals_without_a_trace(twin: Twin, name: str) -> None:
    before, content, files = twin.everything(), twin.content(), dict(twin.files.content)
    engine = twin.engine
    [said] = engine.plant("node2", name)
    assert said == f"node2: {name} planted: {CATALOGUE[name].does}"
    assert twin.everything() != before
    changed = {path for path, text in twin.content().items() if content[path] != text}
    assert changed == {"nodes/node2.json"}
    assert {node for (node, path), text in files.items() if twin.files.content.get((node, path)) != text} <= {"node2"}
    again = twin.everything()
    assert engine.plant("node2", name) == [f"node2: {name} is planted already, nothing changed"]
    assert twin.everything() == again
    assert engine.heal("node2", name) == [f"node2: {name} healed"]
    assert twin.everything() == before


@pytest.mark.parametrize("name", SHOWS)
def test_hccn_tool_shows_it(twin: Twin, site: Site, name: str) -> None:
    question, answer = SHOWS[name]
    assert answer not in site.get(question, node="node2").text
    twin.engine.plant("node2", name)
    assert answer in site.get(question, node="node2").text
    assert answer not in site.get(question, node="node1").text
    twin.engine.heal("node2", name)
    assert answer not in site.get(question, node="node2").text


def test_who_tries_again_gets_through_a_busy_tool(twin: Twin, site: Site) -> None:
    twin.engine.plant("node2", "hccn_tool_busy")
    told = [site.get("ip", node="node2").out for _ in range(4)]
    assert [text.startswith("ipaddr:") for text in told] == [False, False, False, True]
    twin.engine.plant("node2", "hccn_tool_stuck")
    assert not any(site.get("ip", node="node2").out.startswith("ipaddr:") for _ in range(6))


def test_a_stale_address_is_in_the_file_too(twin: Twin) -> None:
    twin.engine.plant("node2", "npu_address_stale")
    lines = (twin.files.read("node2", "/etc/hccn.conf") or b"").decode().splitlines()
    assert "address_2=10.88.0.67" in lines
    assert "address_1=10.88.0.110" in lines


def test_a_damaged_package(twin: Twin) -> None:
    twin.engine.plant("node2", "hccn_tool_missing")
    assert twin.files.read("node2", HCCN_TOOL) is None
    twin.engine.heal("node2")
    assert twin.files.like["node2", HCCN_TOOL] == (0o755, 0, 0)


# Which faults break the path between node1 and node2, and in which way.
BROKEN: dict[str, str] = {
    "npu_link_down": "link is shut down",
    "npu_speed_100g": "link runs at 100000 Mb/s",
    "npu_fec_off": "FEC off, switch port rs",
    "npu_optics_weak": "optics rx_power_mw 0.08 mW",
    "npu_optics_missing": "no optical module",
    "npu_mtu_small": "packets of 1024 bytes",
    "npu_netmask_wrong": "",
    "npu_pfc_off": "no PFC for priority 4",
    "npu_dscp_missing": "DSCP 33 is in traffic class 0",
    "node_tls_on": "TLS switches differ",
    "node_pair_slow": "70% of the rate",
}


@pytest.mark.parametrize("name", BROKEN)
def test_the_path_between_two_nodes_suffers(twin: Twin, site: Site, name: str) -> None:
    healthy = fabric.path(twin.world, "node1/NPU3", "node2/NPU3")
    assert (healthy.lossless, healthy.reasons) == (True, ())
    twin.engine.plant("node2", name)
    path = fabric.path(twin.world, "node1/NPU3", "node2/NPU3")
    if BROKEN[name]:
        assert BROKEN[name] in "; ".join(path.reasons)
    assert path.rate < healthy.rate or not path.tls_equal or name == "npu_netmask_wrong"
    untouched = fabric.path(twin.world, "node1/NPU4", "node3/NPU4")
    assert untouched.reasons == ()


def test_collective_operations_show_what_no_port_shows(twin: Twin, site: Site) -> None:
    bench = Bench(site, HOSTS)
    healthy = rows(bench.test("all_reduce", *SMALL))[0].microseconds
    twin.engine.plant("node2", "npu_rank_fails")
    assert "local rank_id 10, check result failed" in bench.test("all_reduce", *SMALL).out
    twin.engine.heal("node2")
    twin.engine.plant("node2", "node_hccl_tc_differs")
    assert rows(bench.test("all_reduce", *SMALL))[0].microseconds > 1.2 * healthy
    twin.engine.heal("node2")
    twin.engine.plant("node2", "node_pair_slow")
    assert rows(bench.test("all_reduce", *SMALL))[0].microseconds > 1.1 * healthy
    twin.engine.heal("node2")
    twin.engine.plant("node2", "node_tls_on")
    assert rows(bench.test("all_reduce", *SMALL)) == []


def test_a_receiver_that_hangs(twin: Twin, site: Site) -> None:
    twin.engine.plant("node2", "npu_receiver_hangs")
    words = ("-roce_test", "ib_send_bw", "-s", "65536", "-n", "5", "-tcp")
    receiver = site.background("node2", "-i", "2", *words, until="Waiting for client")
    sender = site.background("node1", "-i", "2", *words, "address", "10.88.0.111", until="start roce perftest")
    receiver.thread.join(0.5)
    assert receiver.thread.is_alive()
    assert sender.thread.is_alive()
    for running in (receiver, sender):
        running.kill()


# --- files -----------------------------------------------------------------------------------------------------------


def test_times_are_counted_back_from_the_moment_of_planting(twin: Twin) -> None:
    from datetime import UTC, datetime

    now = datetime(2026, 11, 24, 6, 4, 5, tzinfo=UTC)
    twin.engine.plant("node2", "npu_link_flaps", now)
    npu = wires.npu_of(twin.world.read("node2"), "NPU3")
    assert npu
    assert [now.timestamp() - at for at in npu["net"]["flaps"]] == [300, 120, 20]


def test_without_nodes_a_fault_of_files_is_refused(twin: Twin) -> None:
    before = twin.everything()
    with pytest.raises(LabError, match="changes files of a node"):
        Engine(twin.world, CATALOGUE).plant("node2", "hccn_tool_missing")
    assert twin.everything() == before


@pytest.mark.parametrize("name", ["npu_address_stale", "node_hccl_tc_differs"])
def test_a_node_that_is_not_provisioned_is_left_as_it_is(twin: Twin, name: str) -> None:
    for path in ("/etc/hccn.conf", "/etc/npuforge/hccl.env"):
        twin.files.write("node2", path, b"# empty\n")
    before = twin.everything()
    with pytest.raises(LabError, match="is it provisioned as planned"):
        twin.engine.plant("node2", name)
    assert twin.everything() == before


def test_what_others_wrote_into_a_file_stays(twin: Twin) -> None:
    path = "/etc/npuforge/hccl.env"
    twin.engine.plant("node2", "node_hccl_tc_differs")
    text = twin.files.read("node2", path) or b""
    twin.files.write("node2", path, text + b"HCCL_BUFFSIZE=400\n")
    assert twin.engine.heal("node2") == ["node2: node_hccl_tc_differs healed"]
    assert twin.files.read("node2", path) == b"HCCL_RDMA_SL=4\nHCCL_RDMA_TC=132\nHCCL_BUFFSIZE=400\n"


def test_a_file_that_was_repaired_meanwhile_is_left_and_that_is_said(twin: Twin) -> None:
    path = "/etc/npuforge/hccl.env"
    twin.engine.plant("node2", "node_hccl_tc_differs")
    twin.files.write("node2", path, b"HCCL_RDMA_TC=132\n")
    assert twin.engine.heal("node2")[1:] == [f"node2: {path} was changed meanwhile, it stays as it is"]
    assert twin.files.read("node2", path) == b"HCCL_RDMA_TC=132\n"
    twin.engine.plant("node2", "hccn_tool_missing")
    twin.files.write("node2", HCCN_TOOL, b"reinstalled")
    assert twin.engine.heal("node2")[1:] == [f"node2: {HCCN_TOOL} is there again, it stays as it is"]
    assert twin.files.read("node2", HCCN_TOOL) == b"reinstalled"


def test_lines_can_be_appended_and_several_changes_are_all_or_none() -> None:
    files = Memory({("n", "/a"): b"one\n", ("n", "/b"): b"\xff\n"})
    before = files.state()
    done = node_files.change(files, "n", [FileChange("/a", append="two\n"), FileChange("/b", append="x")])
    assert files.content == {("n", "/a"): b"one\ntwo\n", ("n", "/b"): b"\xff\nx"}
    assert node_files.restore(files, "n", json.loads(json.dumps(done))) == []
    assert files.content == before[0]
    with pytest.raises(LabError, match="no file /c"):
        node_files.change(files, "n", [FileChange("/a"), FileChange("/c")])
    assert files.content == before[0]


@pytest.mark.parametrize("order", [("node_tls_on", "npu_address_stale"), ("npu_address_stale", "hccn_tool_missing")])
def test_faults_of_one_node_heal_in_any_order(twin: Twin, order: tuple[str, str]) -> None:
    before = twin.everything()
    for names in (order, order[::-1]):
        for name in order:
            twin.engine.plant("node2", name)
        for name in names:
            twin.engine.heal("node2", name)
        assert twin.everything() == before
