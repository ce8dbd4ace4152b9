"""What RoCE lines on the twin's switch mean: effective state of a port, and a path that becomes lossless."""

from __future__ import annotations

import pytest

from lab import fabric
from lab.hardware import Plan, build_site
from lab.switch.cli import Cli
from lab.switch.device import Device
from lab.switch.roce import port_state
from lab.world import World
from tests.unit.lab_npu_helpers import Site
from tests.unit.lab_switch_helpers import Clock, enter, session
from tests.unit.lab_switch_roce_helpers import ONE, OTHER, PORT, WHOLE, lossless


@pytest.fixture
def switch(tmp_path):
    world = World(tmp_path / "world")
    world.create(*build_site(Plan(nodes=2)))
    made = Device(world, "sw1", Clock())
    made.store.tick()
    Site(world).configure()  # the NPUs' side, as planned
    return made


@pytest.fixture
def cli(switch) -> Cli:
    return session(switch)


def type_in(cli: Cli, *lines: str) -> None:
    """All of them without an error, committed."""
    if cli.path is None:
        enter(cli, "system-view")
    for line in [*lines, "commit"]:
        said = cli.enter(line)
        while cli.asking:
            said += cli.enter("y")
        assert "Error:" not in said, f"{line}: {said}"
    assert cli.prompt.startswith("[~")


def way(switch):
    return fabric.path(switch.world, "node1/NPU3", "node2/NPU3")


def state(switch, port: str = ONE):
    return port_state(switch.read(), port)


def test_a_switch_as_delivered_is_lossy(switch):
    assert not way(switch).lossless
    seen = state(switch)
    assert (seen["trust_dscp"], seen["pfc_enabled"], seen["headroom"]) == (False, False, False)
    assert (seen["pfc_priorities"], seen["ecn"], seen["mtu"]) == ([], {}, 9216)


def test_a_configured_switch_gives_a_lossless_path(cli, switch):
    type_in(cli, *lossless(ONE))
    assert not way(switch).lossless  # one port is not enough
    type_in(cli, *lossless(OTHER, whole=()))
    found = way(switch)
    assert found.lossless and found.ecn and found.queue == 4
    assert found.reasons == ()
    assert state(switch)["ecn"] == {4: [204800, 614400, 5]}


BROKEN = [
    ("undo trust", "DSCP is not trusted"),
    ("undo dcb pfc enable", "PFC is off"),
    ("flow-control", "PFC is off"),
    ("dcb pfc enable roce mode auto", "PFC is off"),
    ("dcb pfc enable mode manual", "no PFC for priority 4"),  # the default profile has 3
    ("dcb pfc buffer 4 xoff dynamic 12", "xoff too high"),
    ("dcb pfc buffer 4 xoff static 300 kbytes", "xoff too high"),  # with its headroom above the WRED limit
]


@pytest.mark.parametrize(("line", "reason"), BROKEN)
def test_what_breaks_it_on_a_port(cli, switch, line, reason):
    type_in(cli, *lossless(ONE, OTHER), f"interface {ONE}", line)
    assert [text for text in way(switch).reasons if reason in text] == [f"sw1 {ONE}: {reason}"]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["qos buffer headroom-pool size 16 kbytes slot 1"], "no headroom"),
        (["undo dcb pfc dscp-mapping enable slot 1"], "no PFC for priority 4"),
        (["dcb pfc global disable"], "PFC is off"),
        (["dcb pfc roce", "undo priority 4"], "PFC is off"),
        (["diffserv domain roce", "ip-dscp-inbound 33 phb be green"], "no PFC for priority 0"),
    ],
)
def test_what_breaks_it_on_the_whole_switch(cli, switch, lines, reason):
    type_in(cli, *lossless(ONE, OTHER), *lines)
    assert not way(switch).lossless
    assert any(reason in text for text in way(switch).reasons), way(switch).reasons


def test_a_profile_adds_to_priority_3(cli, switch):
    type_in(cli, *WHOLE[:2], "dcb pfc", "priority 4 5", f"interface {ONE}", "dcb pfc enable")
    assert state(switch)["pfc_priorities"] == [3, 4, 5]
    type_in(cli, "dcb pfc", "undo priority 3 5")
    assert state(switch)["pfc_priorities"] == [4]
    type_in(cli, "dcb pfc default", "priority 3")
    assert state(switch)["pfc_priorities"] == [3, 4]
    assert cli.device.store.running().lines(("dcb pfc",)) == ["priority 4"]


def test_default_times_are_not_kept(cli, switch):
    type_in(cli, "dcb pfc", "priority 4", "priority 4 turn-off threshold 20", "priority 4 deadlock-detect time 10")
    assert switch.store.running().lines(("dcb pfc",)) == ["priority 4", "priority 4 turn-off threshold 20"]
    type_in(cli, "priority 4 turn-off threshold 30", "quit", "dcb pfc deadlock-detect interval 100")
    assert switch.store.running().lines(("dcb pfc",)) == ["priority 4"]
    type_in(cli, "dcb pfc deadlock-detect interval 10")
    assert "interval" not in "\n".join(switch.store.running().text())


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("dcb pfc enable none mode manual", "The PFC profile none does not exist."),
        ("trust upstream none", "The DiffServ domain none does not exist."),
        ("qos queue 4 wred none", "The drop profile none does not exist."),
    ],
)
def test_a_reference_to_nothing_fails_when_it_is_committed(cli, switch, line, what):
    before = switch.store.running()
    enter(cli, "system-view", f"interface {ONE}")
    assert enter(cli, line) == ""
    assert enter(cli, "commit").startswith(f"Error: {what}")
    assert cli.prompt.startswith("[*")
    assert switch.store.running() == before


@pytest.mark.parametrize("line", ["undo dcb pfc roce", "undo diffserv domain roce", "undo drop-profile roce"])
def test_what_is_in_use_cannot_be_taken_away(cli, switch, line):
    type_in(cli, *lossless(ONE))
    enter(cli, line)
    assert enter(cli, "commit").startswith("Error: ")
    type_in(cli, "clear configuration candidate", f"interface {ONE}", *(f"undo {each}" for each in PORT), "quit", line)
    assert line.removeprefix("undo ") not in "\n".join(switch.store.running().text())


def test_a_third_profile_and_crossed_limits_are_refused(cli):
    enter(cli, "system-view", "dcb pfc a", "quit", "dcb pfc b")
    assert enter(cli, "commit") == "Error: The number of PFC profiles exceeds the maximum (2)."
    enter(cli, "clear configuration candidate")
    enter(cli, "drop-profile x")
    enter(cli, "color green buffer-size low-limit 9000 high-limit 8000 discard-percentage 5")
    assert enter(cli, "commit").startswith("Error: The low limit is larger")


def test_pfc_needs_a_pool_first_and_a_pool_in_use_stays(cli, switch):
    enter(cli, "system-view", "dcb pfc", "priority 4", f"interface {ONE}", "dcb pfc enable mode manual")
    assert enter(cli, "commit") == f"Error: PFC needs a headroom pool: qos buffer headroom-pool. (Interface={ONE})"
    enter(cli, "quit", "qos buffer headroom-pool size 4 mbytes slot 1")
    assert enter(cli, "commit") == ""
    enter(cli, "undo qos buffer headroom-pool slot 1")
    assert enter(cli, "commit").startswith("Error: ")
    type_in(cli, f"interface {ONE}", "undo dcb pfc enable", "quit", "undo qos buffer headroom-pool slot 1")
    assert not state(switch)["headroom"]


def test_a_pool_must_hold_what_the_queues_of_a_port_may_take(cli, switch):
    type_in(cli, *lossless(ONE), f"interface {ONE}", "dcb pfc buffer 4 hdrm 40 kbytes")
    type_in(cli, "quit", "qos buffer headroom-pool size 40 kbytes slot 1")
    assert state(switch)["headroom"]
    type_in(cli, f"interface {ONE}", "undo dcb pfc buffer 4 hdrm")  # 256 by default
    assert not state(switch)["headroom"]


def test_a_queue_that_is_set_up_keeps_its_pfc(cli):
    type_in(cli, "dcb pfc", "priority 4", "priority 4 error-down threshold 20")
    enter(cli, "undo priority 4")
    assert enter(cli, "commit").startswith("Error: The error-down of priority 4 is set")
    assert enter(cli, "undo priority 4 error-down threshold 20") == ""
    assert enter(cli, "commit") == ""
    enter(cli, "priority 0 1 2 4")
    assert (
        enter(cli, "commit")
        == "Error: The number of priority queues with PFC exceeds the maximum (4). (Profile=default)"
    )
    enter(cli, "undo priority 3")
    assert enter(cli, "commit") == ""


def test_disabling_pfc_for_all_asks(cli, switch):
    type_in(cli, *lossless(ONE), "lldp enable")
    assert enter(cli, "dcb pfc global disable") == ""
    assert cli.prompt == "Warning: This command will disable PFC on all ports. Continue? [Y/N]:"
    assert enter(cli, "n") == ""
    assert not cli.dirty
    enter(cli, "dcb pfc global disable", "y", "commit")
    assert not state(switch)["pfc_enabled"]


@pytest.mark.parametrize(
    "line",
    [
        "dcb pfc buffer 4 xon dynamic 3 xoff dynamic 6",
        "dcb pfc buffer 4 xoff dynamic 13",
        "dcb pfc deadlock-detect timer 100",
        "dcb pfc deadlock-detect interval 50",
        "qos buffer headroom-pool size 8 kbytes slot 1",
    ],
)
def test_lines_of_the_other_family_are_refused(cli, line):
    enter(cli, "system-view", f"interface {ONE}")
    assert "Error: " in enter(cli, line)


def model(switch, name: str) -> None:
    with switch.world.update("sw1", "switches") as document:
        document["model"] = name


def test_a_model_that_sets_thresholds_in_pairs(cli, switch):
    model(switch, "CE8850-64CQ-EI")
    enter(cli, "system-view")
    for line in (*WHOLE[:2], "dcb pfc deadlock-detect interval 100", "qos buffer headroom-pool size 3 mbytes slot 1"):
        assert "Error: " in enter(cli, line)
    assert enter(cli, "qos buffer headroom-pool size 2 mbytes slot 1") == ""
    assert enter(cli, "dcb pfc deadlock-detect timer 512") == ""
    assert enter(cli, "undo dcb pfc deadlock-detect") == ""
    enter(cli, "dcb pfc")
    for line in ("priority 6", "priority 0 1 2 4", "priority 4 deadlock-detect time 10"):
        assert "Error: " in enter(cli, line)
    enter(cli, "clear configuration candidate")
    port = ["dcb pfc buffer 4 xon dynamic 3 xoff dynamic 6" if "buffer" in line else line for line in PORT]
    type_in(cli, *lossless(ONE, OTHER, whole=WHOLE[2:], port=port))
    assert way(switch).lossless


@pytest.mark.parametrize("line", ["dcb pfc", "dcb pfc global disable", "qos buffer headroom-pool size 1 mbytes slot 1"])
def test_a_model_without_pfc(cli, switch, line):
    model(switch, "CE6820H-48S6CQ")
    enter(cli, "system-view")
    assert "Error: Unrecognized command" in enter(cli, line)
    assert "Error: Unrecognized command" in enter(cli, f"interface {ONE}", "dcb pfc enable")
    assert "Error: " in enter(cli, "display dcb pfc")
    type_in(cli, f"interface {ONE}", "trust dscp")
    seen = state(switch)
    assert (seen["trust_dscp"], seen["pfc_enabled"], seen["pfc_priorities"]) == (True, False, [])


def test_pfc_that_a_deadlock_turned_off_comes_back_when_it_is_enabled_anew(cli, switch):
    type_in(cli, *lossless(ONE, OTHER))
    with switch.world.update("sw1", "switches") as document:
        for port in document["ports"]:
            port["pfc_turned_off"] = [4]
    assert f"sw1 {ONE}: a deadlock turned PFC off for priority 4" in way(switch).reasons
    type_in(cli, f"interface {ONE}", "undo dcb pfc enable", "dcb pfc enable roce mode manual")
    assert state(switch)["turned_off"] == []
    assert state(switch, OTHER)["turned_off"] == [4]


def test_small_frames_and_a_shut_port(cli, switch):
    type_in(cli, *lossless(ONE, OTHER), f"interface {ONE}", "jumboframe enable 2000")
    assert state(switch)["mtu"] == 2000
    type_in(cli, "undo jumboframe enable", "mtu 1500")
    assert state(switch)["mtu"] == 1518
    type_in(cli, "undo mtu", "shutdown")
    assert state(switch)["shutdown"] and not way(switch).connected
