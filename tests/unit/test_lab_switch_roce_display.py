"""What the twin's switch shows of RoCE: the manual's shapes, the world's counters, and what others are doing."""

from __future__ import annotations

import re

import pytest

from lab.hardware import Plan, build_site
from lab.switch import RefusedLine, human
from lab.switch.config import SECTIONS
from lab.switch.device import Device
from lab.world import World
from tests.unit.lab_switch_helpers import Clock, enter, session
from tests.unit.lab_switch_roce_helpers import ONE, OTHER, lossless


@pytest.fixture
def switch(tmp_path):
    world = World(tmp_path / "world")
    world.create(*build_site(Plan(nodes=2)))
    made = Device(world, "sw1", Clock())
    made.store.tick()
    return made


@pytest.fixture
def cli(switch):
    return session(switch)


@pytest.fixture
def configured(switch):
    human(switch.world, "sw1", lossless(ONE, OTHER), clock=switch.clock)
    return switch


def change(switch, port: str, **values: object) -> None:
    with switch.world.update("sw1", "switches") as document:
        truth = next(each for each in document["ports"] if each["name"] == port)
        for key, value in values.items():
            if isinstance(truth[key], dict) and isinstance(value, dict):
                truth[key].update(value)
            else:
                truth[key] = value


def lock(switch, **values: object) -> None:
    with switch.world.update("sw1", "switches") as document:
        document["config_lock"] = values or None


HEADERS = [
    ("huawei_ce_display_dcb.txt", "display dcb"),
    ("huawei_ce_display_dcb_pfc.txt", f"display dcb pfc interface {ONE}"),
    ("huawei_ce_display_dcb_pfc_buffer_2.txt", "display dcb pfc buffer"),
    ("huawei_ce_display_dcb_pfc_buffer_3.txt", f"display dcb pfc buffer interface {ONE}"),
    ("huawei_ce_display_drop-profile.txt", "display drop-profile"),
    ("huawei_ce_display_diffserv_domain_2.txt", "display diffserv domain brief"),
    ("huawei_ce_display_drop-profile_4.txt", "display drop-profile brief"),
    ("huawei_ce_display_qos_configuration.txt", f"display qos configuration interface {ONE}"),
    ("huawei_ce_display_qos_ecn_threshold_2.txt", f"display qos ecn threshold interface {ONE}"),
    ("huawei_ce_display_qos_headroom-usage.txt", "display qos headroom-usage"),
    ("huawei_ce_display_lldp_neighbor.txt", f"display lldp neighbor interface {ONE}"),
]


@pytest.mark.parametrize(("capture", "command"), HEADERS, ids=[command for _, command in HEADERS])
def test_header_lines_are_those_of_the_manual(configured, cli, shared, capture, command):
    """Without the lines that hold values: rows, and what follows a colon."""

    def words(text: str) -> list[str]:
        lines = [re.sub(r"\s+", " ", line).strip() for line in text.replace("<HUAWEI>", "\n<").splitlines()]
        return [line for line in lines if line and not line.startswith(("#", "<", "display"))]

    theirs = words((shared / "fixtures" / "switch" / capture).read_text(encoding="utf-8"))
    ours = words(enter(cli, command))
    assert len(ours) > 2
    if " lldp " in command:
        keys = {line.partition(":")[0].strip() for line in theirs}
        assert {line.partition(":")[0].strip() for line in ours[1:]} <= keys
        return
    heads = [line for line in theirs if re.match(r"[A-Z*\[]|-{9}|queue|cir|cbs", line) and "GE1/" not in line]
    heads = [line for line in heads if not re.match(r"Total:|Drop-profile\[", line)]
    assert len(heads) > 2
    missing = [line for line in heads if line not in ours]
    assert missing == []


OWN_SAMPLES = [
    (
        "display dcb pfc deadlock trigger status",
        "Interface      Queue  TriggerMode Threshold  Status  ",
        "100GE1/0/2         5  TurnOff            30  LinkUp",
    ),
    (
        "display configuration sessions",
        "Session User-Intf    User                 Date                Lock",
        "180 *   VTY 2        user                 2011-01-17 12:32:02    -   ",
    ),
]


@pytest.mark.parametrize(("command", "head", "row"), OWN_SAMPLES, ids=[command for command, _, _ in OWN_SAMPLES])
def test_columns_are_where_the_manual_has_them(configured, cli, command, head, row):
    """Head and row are the command reference's, for want of a capture; words begin where they begin there."""
    lines = enter(cli, command).splitlines()
    assert lines[1] == head
    ours = lines[3]

    def starts(line: str) -> list[int]:
        return [match.start() for match in re.finditer(r"(?<= )[A-Z]", line)]

    assert starts(ours) == starts(row) != []


def test_the_columns_of_the_pfc_table(configured, cli, shared):
    """Each number ends where it ends in the capture."""
    change(configured, ONE, counters={"pfc_rx_frames": 12345, "pfc_tx_frames": 678, "deadlocks": 9})
    ours = enter(cli, f"display dcb pfc interface {ONE}").splitlines()
    theirs = (shared / "fixtures" / "switch" / "huawei_ce_display_dcb_pfc.txt").read_text().splitlines()[2:]

    def ends(line: str) -> list[int]:
        return [match.end() for match in re.finditer(r"(?<= )\d+(?= |$)", line.rstrip())]

    assert (len(ends(theirs[4])), len(ends(theirs[5]))) == (4, 3)
    assert [ends(line) for line in ours[4:6]] == [ends(line) for line in theirs[4:6]]
    assert ours[4].split() == [ONE, "4", "12345", "0", "9"]
    assert ours[5].split() == ["678", "0", "9"]


def test_nothing_is_shown_of_a_switch_without_pfc(cli):
    assert ONE not in enter(cli, "display dcb")
    assert ONE not in enter(cli, "display dcb pfc")
    assert enter(cli, "display qos headroom-usage").splitlines()[4].split() == ["1", "0", "0", "0", "0", "0", "0"]
    assert "outer 8021p" in enter(cli, f"display qos configuration interface {ONE}")


def test_the_other_family_sets_xon_and_xoff_as_a_pair(cli, switch, shared):
    with switch.world.update("sw1", "switches") as document:
        document["model"] = "CE8850-64CQ-EI"
    enter(cli, "system-view", "dcb pfc", "priority 4", f"interface {ONE}", "dcb pfc enable")
    enter(cli, "dcb pfc buffer 4 xon dynamic 3 xoff dynamic 6", "commit", "return")
    lines = enter(cli, "display dcb pfc buffer").splitlines()
    assert "Interface      Queue            Xon           Xoff" in lines
    assert [line.split() for line in lines if line.startswith(ONE)] == [
        [ONE, "3", "100(K)", "125(K)"],
        [ONE, "4", "3(D)", "6(D)"],
    ]


def test_deadlocks_and_the_reset_of_counters(configured, cli):
    change(configured, ONE, pfc_turned_off=[4], counters={"deadlocks": 31, "pfc_rx_frames": 7})
    change(configured, OTHER, link="down", counters={"pfc_rx_frames": 5})
    rows = [line.split() for line in enter(cli, "display dcb pfc deadlock trigger status").splitlines()]
    assert [ONE, "4", "TurnOff", "30", "TurnOff"] in rows
    assert [OTHER, "4", "TurnOff", "30", "LinkDown"] in rows
    enter(cli, f"reset dcb pfc interface {ONE}")
    counters = {port["name"]: port["counters"] for port in configured.read()["ports"]}
    assert (counters[ONE]["deadlocks"], counters[ONE]["pfc_rx_frames"], counters[OTHER]["pfc_rx_frames"]) == (0, 0, 5)
    assert "TurnOff            30  TurnOff" in enter(cli, "display dcb pfc deadlock trigger status")


def test_errors_speed_and_neighbours_of_an_interface(configured, cli):
    change(configured, ONE, counters={"crc_errors": 17, "drops": 3})
    text = enter(cli, f"display interface {ONE}")
    assert re.search(r"^Speed: +200000, ", text, re.MULTILINE)
    assert re.search(r"CRC: +17,", text)
    assert re.search(r"Output:\n(?:.*\n)*? +Discard: +3,", text)
    assert "The Maximum Frame Length is 9216" in text
    assert re.search(r"^System name +:node1$", enter(cli, f"display lldp neighbor interface {ONE}"), re.MULTILINE)
    change(configured, ONE, link="down", neighbor=None)
    assert f"{ONE} current state : DOWN" in enter(cli, "display interface")
    assert f"{ONE} has" not in enter(cli, "display lldp neighbor")


def test_optics(configured, cli):
    change(configured, ONE, optics={"rx_power_dbm": -11.25})
    text = enter(cli, f"display interface {ONE} transceiver verbose")
    assert re.search(r"Current RX Power \(dBm\) +:-11\.25$", text, re.MULTILINE)
    change(configured, ONE, optics={"rx_power_dbm": [0.89, 1.9, 2.55, -40.0], "tx_power_dbm": None})
    lines = enter(cli, f"display interface {ONE} transceiver verbose").splitlines()
    at = next(i for i, line in enumerate(lines) if "Current RX" in line)
    # As in the manual's example of an interface with four lanes.
    assert lines[at] == "   Current RX Power (dBm)                :0.89|1.90    (Lane0|Lane1)"
    assert lines[at + 1] == "                                          2.55|-40.00  (Lane2|Lane3)"
    assert "   Current TX Power (dBm)                :-" in lines
    change(configured, ONE, optics={"present": False})
    assert enter(cli, f"display interface {ONE} transceiver verbose") == ""
    assert f" {OTHER} transceiver information:" in enter(cli, "display interface transceiver verbose")


def test_a_lock_keeps_others_from_committing(cli, switch):
    enter(cli, "system-view", f"interface {ONE}", "trust dscp")
    lock(switch, user="admin", lines=["interface 400GE1/0/1:1", "trust 8021p"])
    assert enter(cli, "commit") == "Error: The configuration is locked by user admin."
    assert "User Name: admin" in enter(cli, "display configuration exclusive user")
    assert re.search(r"admin +\S+ \S+ +exclusive$", enter(cli, "display configuration sessions"), re.MULTILINE)
    assert "trust dscp" in enter(cli, "display configuration candidate changes")
    enter(cli, "clear configuration candidate")
    assert "trust 8021p" in enter(cli, "display configuration candidate changes")
    assert enter(cli, "display configuration candidate") == "interface 400GE1/0/1:1\n trust 8021p"
    with pytest.raises(RefusedLine, match="locked by user admin"):
        human(switch.world, "sw1", ["sysname x"])
    lock(switch)
    enter(cli, f"interface {ONE}", "trust dscp")
    assert enter(cli, "commit") == ""
    assert enter(cli, "display configuration exclusive user") == ""


def test_the_candidate_is_shown_as_the_commands_that_would_be_committed(configured, cli):
    enter(cli, "system-view", "undo dcb pfc dscp-mapping enable slot 1", f"interface {ONE}", "undo trust", "mtu 9000")
    enter(cli, "drop-profile roce", "color green buffer-size low-limit 1 high-limit 2 discard-percentage 3")
    enter(cli, "drop-profile new", "quit", "dcb pfc roce", "priority 3")
    assert enter(cli, "display configuration candidate").splitlines() == [
        "undo dcb pfc dscp-mapping enable slot 1",
        "dcb pfc roce",
        " undo priority 3",
        "drop-profile new",
        "drop-profile roce",
        " color green buffer-size low-limit 1 high-limit 2 discard-percentage 3",
        f"interface {ONE}",
        " undo trust dscp",
        " mtu 9000",
    ]
    enter(cli, "clear configuration candidate", "undo drop-profile roce")
    assert enter(cli, "display configuration candidate") == "undo drop-profile roce"


def test_lldp_on_a_port_that_somebody_muted(configured, cli):
    human(configured.world, "sw1", [f"interface {ONE}", "lldp disable"], clock=configured.clock)
    assert enter(cli, f"display lldp neighbor interface {ONE}") == ""
    assert ONE not in enter(cli, "display lldp neighbor brief")
    assert OTHER in enter(cli, "display lldp neighbor brief")
    human(configured.world, "sw1", [f"interface {ONE}", "undo lldp disable"], clock=configured.clock)
    assert ONE in enter(cli, "display lldp neighbor brief")


def test_what_deadlocks_trigger(configured, cli):
    lines = ["dcb pfc roce", "priority 4 error-down threshold 50", "quit", f"interface {ONE}"]
    human(configured.world, "sw1", [*lines, "port pfc-deadlock trigger error-down"], clock=configured.clock)
    rows = [line.split() for line in enter(cli, "display dcb pfc deadlock trigger status").splitlines()]
    assert [ONE, "4", "ErrorDown", "50", "LinkUp"] in rows
    assert [OTHER, "4", "TurnOff", "30", "LinkUp"] in rows


def test_a_person_says_yes_to_what_is_asked(configured):
    human(configured.world, "sw1", ["dcb pfc global disable"], save=True, clock=configured.clock)
    assert "dcb pfc global disable" in configured.store.saved().text()


def test_a_lock_belongs_to_the_session_that_took_it_and_ends_with_it(cli, switch):
    other = session(switch, "s2")
    assert enter(cli, "configuration exclusive") == ""
    assert enter(other, "configuration exclusive").startswith("Error: ")
    assert enter(other, "undo configuration exclusive").startswith("Error: ")
    enter(cli, "system-view", "sysname a")
    assert enter(cli, "commit") == ""
    enter(other, "system-view", "sysname b")
    assert enter(other, "commit").startswith("Error: ")
    cli.end()
    assert enter(other, "commit") == ""


def test_a_person_saves_or_changes_nothing_at_all(switch):
    before = switch.store.running()
    with pytest.raises(RefusedLine, match="nonsense"):
        human(switch.world, "sw1", ["sysname x", "nonsense"], clock=switch.clock)
    assert switch.store.running() == before
    human(switch.world, "sw1", ["sysname x"], clock=switch.clock)
    assert switch.store.saved() == before != switch.store.running()
    human(switch.world, "sw1", [f"interface {ONE}", "trust dscp"], save=True, clock=switch.clock)
    assert switch.store.saved() == switch.store.running()


def test_the_configuration_is_printed_in_the_guides_order_with_the_sites_own_vlanif(configured, cli):
    text = enter(cli, "display current-configuration")
    gateway = "interface Vlanif1\n description gateway of the NPU network\n ip address 10.88.0.1 255.255.255.0\n"
    assert gateway in text
    assert "interface 10GE1/0/1\n description uplink to core, network team, do not touch\n" in text
    starts = [line for line in text.splitlines() if line and line[0] not in "#! "]
    places = [next(i for i, start in enumerate(SECTIONS) if line.startswith(start)) for line in starts[:-1]]
    assert places == sorted(places)
    assert "dcb pfc roce\n priority 4\n undo priority 3\n" in text
