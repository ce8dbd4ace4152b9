"""The switch's faults: planted in a provisioned twin, its command line and the paths behind it show them, and healing
leaves no trace."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import fabric
from lab.switch import roce
from lab.switch.cli import Cli
from lab.switch.device import Device
from lab.switch.store import Who
from tests.unit.lab_faults_helpers import CATALOGUE, FABRIC, Twin, operate, provisioned
from tests.unit.lab_npu_helpers import Site

SWITCH_FAULTS = [name for name, fault in FABRIC.items() if fault.kind == "switches"]
PORT = "400GE1/0/6:1"


@pytest.fixture
def twin(tmp_path: Path) -> Twin:
    return provisioned(tmp_path / "world")


def show(twin: Twin, command: str) -> str:
    """What the switch answers in the user view, all of it."""
    cli = Cli(Device(twin.world, "sw1"), Who("reader", "VTY 1", "reader"))
    cli.enter("screen-length 0 temporary")
    return cli.enter(command)


def state(twin: Twin, port: str = PORT) -> dict[str, object]:
    return roce.port_state(twin.world.read("sw1", "switches"), port)


def path(twin: Twin, peer: str = "node1/NPU3") -> fabric.Path:
    return fabric.path(twin.world, peer, "node2/NPU3")


def test_the_provisioned_twin_is_lossless(twin: Twin) -> None:
    assert (path(twin).lossless, path(twin).ecn, path(twin).reasons) == (True, True, ())
    store = Device(twin.world, "sw1").store
    assert store.running() == store.saved()


@pytest.mark.parametrize("name", SWITCH_FAULTS)
def test_a_fault_touches_the_switch_only_and_heals_without_a_trace(twin: Twin, name: str) -> None:
    before, content = twin.everything(), twin.content()
    [said] = twin.engine.plant("sw1", name)
    assert said == f"sw1: {name} planted: {CATALOGUE[name].does}"
    assert {path for path, text in twin.content().items() if content[path] != text} == {"switches/sw1.json"}
    again = twin.everything()
    assert twin.engine.plant("sw1", name) == [f"sw1: {name} is planted already, nothing changed"]
    assert twin.everything() == again
    assert twin.engine.heal("sw1", name) == [f"sw1: {name} healed"]
    assert twin.everything() == before


# What is wrong with the port of node2/NPU3 then: the key of its state, healthy, broken.
STATES: dict[str, tuple[str, object, object]] = {
    "switch_trust_8021p": ("trust_dscp", True, False),
    "switch_pfc_priority_3": ("pfc_priorities", [4], [3, 4]),
    "switch_headroom_missing": ("headroom", True, False),
    "switch_xoff_high": ("xoff_ok", True, False),
    "switch_ecn_missing": ("ecn", {4: [1048576, 2097152, 5]}, {}),
    "switch_pfc_turned_off": ("turned_off", [], [4]),
}


@pytest.mark.parametrize("name", STATES)
def test_the_port_is_not_as_planned(twin: Twin, name: str) -> None:
    key, healthy, broken = STATES[name]
    assert state(twin)[key] == healthy
    twin.engine.plant("sw1", name)
    assert state(twin)[key] == broken


# Why the path to node2/NPU3 is no better then.
REASONS = {
    "switch_link_down": f"sw1 {PORT}: link is down",
    "switch_trust_8021p": f"sw1 {PORT}: DSCP is not trusted",
    "switch_headroom_missing": f"sw1 {PORT}: no headroom",
    "switch_xoff_high": f"sw1 {PORT}: xoff too high",
    "switch_pfc_turned_off": f"sw1 {PORT}: a deadlock turned PFC off for priority 4",
}


@pytest.mark.parametrize("name", REASONS)
def test_the_path_suffers(twin: Twin, name: str) -> None:
    healthy = path(twin).rate
    twin.engine.plant("sw1", name)
    broken = path(twin)
    assert REASONS[name] in broken.reasons
    assert not broken.lossless
    assert broken.rate < 0.9 * healthy


LINES = {
    "switch_trust_8021p": ("trust dscp", False),
    "switch_xoff_high": ("dcb pfc buffer 4 xoff dynamic 10", True),
    "switch_ecn_missing": ("qos queue 4 ecn", False),
    "switch_unsaved": ("description moved on Friday", True),
}


@pytest.mark.parametrize("name", LINES)
def test_the_configuration_shows_it(twin: Twin, name: str) -> None:
    line, there = LINES[name]
    command = f"display current-configuration interface {PORT}"
    assert (line in show(twin, command)) is not there
    twin.engine.plant("sw1", name)
    assert (line in show(twin, command)) is there
    assert (line in show(twin, "display current-configuration interface 400GE1/0/5:1")) is not there


def test_only_the_unsaved_one_is_lost_with_a_reboot(twin: Twin) -> None:
    store = Device(twin.world, "sw1").store
    for name in SWITCH_FAULTS:
        session = CATALOGUE[name].session
        twin.engine.plant("sw1", name)
        assert (store.running() == store.saved()) is (session is None or session.save)
        twin.engine.heal("sw1", name)


def test_swapped_cables_are_seen_from_both_sides(twin: Twin) -> None:
    site = Site(twin.world)
    twin.engine.plant("sw1", "switch_cables_swapped")
    assert "Ifname: 400GE1/0/7:1" in site.get("lldp", node="node2", device=2).out
    assert f"Ifname: {PORT}" in site.get("lldp", node="node2", device=4).out
    neighbors = {port["name"]: port["neighbor"] for port in twin.world.read("sw1", "switches")["ports"]}
    assert neighbors[PORT] == {"device": "node2", "interface": "NPU5"}
    assert path(twin).lossless  # one network: only the plan is broken


def test_what_was_wrong_before_is_wrong_again_afterwards(twin: Twin) -> None:
    operate(twin.world, "sw1", [f"interface {PORT}", "undo qos queue 4 ecn"])
    twin.engine.plant("sw1", "switch_ecn_missing")
    twin.engine.heal("sw1", "switch_ecn_missing")
    assert state(twin)["ecn"] == {}


def test_all_faults_of_the_switch_at_once(twin: Twin) -> None:
    before = Device(twin.world, "sw1").store.running()
    for name in SWITCH_FAULTS:
        twin.engine.plant("sw1", name)
    for name in SWITCH_FAULTS:
        twin.engine.heal("sw1", name)
    store = Device(twin.world, "sw1").store
    assert store.running() == store.saved() == before
    assert path(twin).reasons == ()


def test_a_candidate_that_somebody_left_is_seen_and_keeps_others_out(twin: Twin) -> None:
    before = state(twin)
    twin.engine.plant("sw1", "switch_candidate_dirty")
    assert "User Name: admin" in show(twin, "display configuration exclusive user")
    assert state(twin) == before  # nothing of it is in effect
    cli = Cli(Device(twin.world, "sw1"), Who("npuforge", "VTY 0", "test"))
    said = [cli.enter(text) for text in ("system-view", "sysname other", "commit")]
    assert "locked by user admin" in said[-1]
    twin.engine.heal("sw1", "switch_candidate_dirty")
    assert "User Name" not in show(twin, "display configuration exclusive user")
