"""The command line without SSH: prompts, views, abbreviations, errors, questions, and what is displayed."""

from __future__ import annotations

import re

import pytest
import yaml

from lab.hardware import Plan, build_switch
from lab.switch.device import splits
from lab.switch.settings import SETTINGS
from tests.unit.lab_switch_helpers import ROOT, Clock, device, enter, session


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def switch(tmp_path, clock):
    return device(tmp_path, clock)


@pytest.fixture
def cli(switch):
    return session(switch)


def damage(switch, kind: str, index: int, **cause: object) -> None:
    with switch.world.update("sw1", "switches") as document:
        document[kind][index].update(cause)


def test_prompts_of_the_views(cli):
    assert cli.prompt == "<sw1>"
    assert enter(cli, "system-view") == "Enter system view, return user view with return command."
    assert cli.prompt == "[~sw1]"
    enter(cli, "interface 400GE1/0/1:1")
    assert cli.prompt == "[~sw1-400GE1/0/1:1]"
    enter(cli, "description to node1")
    assert cli.prompt == "[*sw1-400GE1/0/1:1]"
    enter(cli, "commit")
    assert cli.prompt == "[~sw1-400GE1/0/1:1]"
    enter(cli, "quit")
    assert cli.prompt == "[~sw1]"
    enter(cli, "quit")
    assert cli.prompt == "<sw1>"
    enter(cli, "quit")
    assert cli.closed


def test_a_new_name_shows_when_it_is_committed(cli):
    enter(cli, "sys", "sysname leaf1")
    assert cli.prompt == "[*sw1]"
    enter(cli, "commit")
    assert cli.prompt == "[~leaf1]"
    enter(cli, "undo sysname", "commit")
    assert cli.prompt == "[~HUAWEI]"


def test_what_changes_nothing_is_not_uncommitted(cli):
    enter(cli, "sys", "int 400GE1/0/1:1", "description x", "commit", "description x")
    assert cli.prompt.startswith("[~")
    enter(cli, "undo description", "description x")
    assert cli.prompt.startswith("[~")


@pytest.mark.parametrize(
    "line", ["interface 400GE1/0/1:1", "interface 400GE 1/0/1:1", "int 400ge1/0/1:1", "INTERFACE 400ge 1/0/1:1"]
)
def test_interface_names_as_operators_write_them(cli, line):
    enter(cli, "system-view")
    assert enter(cli, line) == ""
    assert cli.prompt == "[~sw1-400GE1/0/1:1]"


@pytest.mark.parametrize(
    ("line", "column", "what"),
    [
        ("foo", 0, "Unrecognized command"),
        ("display foo", 8, "Unrecognized command"),
        ("display", 7, "Incomplete command"),
        ("display version now", 16, "Too many parameters"),
        ("s", 0, "Ambiguous command"),
        ("display device slot 9", 20, "Wrong parameter"),
        ("interface 400GE1/0/1:1", 0, "Unrecognized command"),  # not in the user view
        ("reb", 0, "Unrecognized command"),  # reboot takes no abbreviation
        ("display version | grep x", 18, "Unrecognized command"),
    ],
)
def test_errors_point_at_the_word(cli, line, column, what):
    assert enter(cli, line) == f"{' ' * (len('<sw1>') + column)}^\nError: {what} found at '^' position."


@pytest.mark.parametrize(
    ("line", "column", "what"),
    [
        ("interface 400GE1/0/33", 10, "Wrong parameter"),
        ("interface", 9, "Incomplete command"),
        ("dcb nonsense", 4, "Unrecognized command"),
        ("commit trial 30", 13, "Wrong parameter"),
        ("commit comment hello", 7, "Unrecognized command"),  # what netmiko sends; the real device refuses it too
        ("save", 0, "Unrecognized command"),
    ],
)
def test_errors_in_the_system_view_change_nothing(cli, line, column, what):
    enter(cli, "system-view")
    assert enter(cli, line) == f"{' ' * (len('[~sw1]') + column)}^\nError: {what} found at '^' position."
    assert cli.prompt == "[~sw1]"


def test_every_setting_can_be_set_and_undone(cli, switch):
    """Also those that later slices add: a setting whose undo does not undo is a bug."""
    values = {"<sysname>": "x", "<description>": "some text", "<mtu>": "9216", "<frame>": "9000"}
    for setting in SETTINGS:
        view = {"interface": "interface 400GE1/0/1:1", "management": "interface MEth0/0/0"}.get(setting.kinds[0])
        enter(cli, "system-view", *([view] if view else []))
        before = switch.store.running()
        if setting.undo.removeprefix("undo ") in {line for p in before.views() for line in before.lines(p)}:
            enter(cli, setting.undo, "commit")
        line = " ".join(values.get(word, word) for word in setting.form.split())
        assert enter(cli, line) == "", line
        enter(cli, "commit")
        assert line in switch.store.running().lines(cli.path), line
        assert enter(cli, setting.undo) == "", setting.undo
        enter(cli, "commit")
        assert line not in switch.store.running().lines(cli.path), line
        enter(cli, "return")


class TestLeavingWithUncommittedChanges:
    @pytest.fixture
    def dirty(self, cli):
        enter(cli, "system-view", "sysname leaf1", "return")
        assert "Uncommitted configurations found" in cli.prompt
        assert cli.prompt.endswith("[Y(yes)/N(no)/C(cancel)]:")
        return cli

    @pytest.mark.parametrize(("answer", "prompt"), [("y", "<leaf1>"), ("No", "<sw1>"), ("cancel", "[*sw1]")])
    def test_answers(self, dirty, answer, prompt):
        enter(dirty, answer)
        assert dirty.prompt == prompt

    def test_anything_else_is_asked_again(self, dirty):
        enter(dirty, "quit")
        assert dirty.prompt.startswith("Error: Please choose 'YES', 'NO' or 'CANCEL' first")
        enter(dirty, "n")
        assert dirty.prompt == "<sw1>"

    def test_clear_discards_and_goes_to_the_system_view(self, cli):
        enter(cli, "system-view", "interface 400GE1/0/1:1", "shutdown", "clear configuration candidate")
        assert cli.prompt == "[~sw1]"


def test_trial_shows_its_time_and_rolls_back(cli, clock):
    output = enter(cli, "system-view", "sysname trial1", "commit trial 120")
    assert output.splitlines() == [
        "Info: The system enters the trial configuration mode.",
        "The system will revert to previous configuration if the trial configuration is not confirmed in 120 seconds.",
    ]
    clock.now += 69
    assert enter(cli, "display configuration trial status").splitlines() == [
        "Trial status: ACTIVE",
        "Trial time left (sec): 51",
    ]
    assert cli.prompt == "[~trial1]"
    clock.now += 51
    assert cli.prompt == "[~sw1]"
    assert enter(cli, "display configuration trial status").startswith("Trial status: INACTIVE")


def test_a_lost_session_takes_its_trial_with_it(cli, switch):
    enter(cli, "system-view", "sysname trial1", "commit trial")
    assert switch.sysname() == "trial1"
    cli.end()
    assert switch.sysname() == "sw1"


def test_save_asks(cli, switch):
    enter(cli, "system-view", "sysname leaf1", "commit", "return")
    assert enter(cli, "save") == "Warning: all configuration will be written to the device."
    assert cli.prompt == "Are you sure to continue?[Y/N]"
    enter(cli, "n")
    assert switch.store.saved() != switch.store.running()
    assert enter(cli, "save", "y").splitlines() == [
        "Now saving all configuration to the slot 1",
        "Info: Save the configuration successfully.",
    ]
    assert switch.store.saved() == switch.store.running()


def test_reboot_asks_whether_to_save_only_when_there_is_something_to_save(cli):
    enter(cli, "reboot")
    assert cli.prompt == "Warning: The system will reboot. Continue? [Y/N]:"
    enter(cli, "n")
    assert not cli.closed
    enter(cli, "system-view", "sysname leaf1", "commit", "return", "reboot")
    assert "will be saved" in cli.prompt
    enter(cli, "n")
    assert cli.prompt == "Warning: The system will reboot. Continue? [Y/N]:"
    enter(cli, "y")
    assert (cli.closed, cli.reboot) == (True, True)


def test_rollback_to_the_last_commit(cli):
    enter(cli, "system-view", "sysname one", "commit label first", "sysname two", "commit", "return")
    enter(cli, "rollback configuration last 1", "y")
    assert cli.prompt == "<one>"
    enter(cli, "system-view", "sysname three", "commit", "return", "rollback configuration to label first", "y")
    assert cli.prompt == "<one>"
    assert enter(cli, "rollback configuration to label none", "y") == (
        "Error: The configuration rollback point does not exist."
    )


def test_candidate_changes_in_the_shape_of_the_manual(cli):
    enter(cli, "system-view", "interface 400GE1/0/1:1", "mtu 1400", "commit", "mtu 1300", "quit", "undo lldp enable")
    assert enter(cli, "display configuration candidate changes").splitlines() == [
        "Building configuration",
        "  #",
        "- lldp enable",
        "  #",
        "  interface 400GE1/0/1:1",
        "-  mtu 1400",
        "+  mtu 1300",
        "  #",
    ]


def test_display_this_and_current_configuration_show_what_is_committed(cli):
    enter(cli, "system-view", "interface 400GE1/0/1:1", "description a b", "commit", "shutdown")
    block = ["#", "interface 400GE1/0/1:1", " description a b", "#", "return"]
    assert enter(cli, "display this").splitlines() == block
    assert enter(cli, "display current-configuration interface 400ge 1/0/1:1").splitlines() == block
    lines = enter(cli, "display current-configuration").splitlines()
    assert lines[0] == "!Software Version V300R023C00SPC500"
    assert lines[1] == "!Last configuration was updated at 2026-11-24 06:04:05+00:00 by npuforge"
    assert lines[-1] == "return"
    assert enter(cli, "dis cur | include sysname") == "sysname sw1"
    assert enter(cli, "dis cur | begin NULL").splitlines()[0] == "interface NULL0"
    assert "sysname" not in enter(cli, "dis cur | exclude sysname")


def part_row(output: str, slot: str) -> list[str]:
    return next((line.split() for line in output.splitlines() if line.split()[:1] == [slot]), [])


@pytest.mark.parametrize(
    ("fault", "command", "row"),
    [
        (("psus", {"health": "Critical"}), "display device", ("PWR2", {2: "Present", 3: "Off", 5: "Abnormal"})),
        (("psus", {"health": "Warning"}), "display device", ("PWR2", {3: "On", 5: "Abnormal"})),
        (("psus", {"present": False}), "display device", ("PWR2", None)),
        (("psus", {"present": False}), "display power", ("PWR2", {1: "NO", 3: "N/A"})),
        (("psus", {"input_connected": False}), "display power", ("PWR2", {1: "YES", 3: "NotSupply", 6: "0"})),
        (("fans", {"health": "Critical"}), "display device", ("FAN2", {5: "Abnormal"})),
        (("fans", {"health": "Critical"}), "display fan", ("FAN2", {4: "YES", 6: "Abnormal", 7: "0%(0)"})),
        (("fans", {"present": False}), "display fan", ("FAN2", {4: "NO", 5: "--", 6: "--"})),
        (("fans", {"present": False}), "display device", ("FAN2", None)),
    ],
)
def test_hardware_faults_show(cli, switch, fault, command, row):
    (kind, cause), (slot, columns) = fault, row
    healthy = part_row(enter(cli, command), slot)
    damage(switch, kind, 1, **cause)
    shown = part_row(enter(cli, command), slot)
    assert healthy
    assert shown != healthy
    assert shown == [] if columns is None else {place: shown[place] for place in columns} == columns


def test_the_other_supply_carries_the_load(cli, switch):
    before = float(part_row(enter(cli, "display power"), "1")[7])
    damage(switch, "psus", 1, present=False)
    assert float(part_row(enter(cli, "display power"), "1")[7]) == pytest.approx(2 * before, abs=1)


def test_alarms_come_and_go(cli, switch, clock):
    assert "Critical" not in enter(cli, "display alarm active")
    damage(switch, "psus", 0, present=False)
    output = enter(cli, "display alarm active")
    assert re.search(r"^1 +0x\w+ +Critical +2026-11-24 The power totally failed", output, re.M)
    clock.now += 60
    damage(switch, "fans", 2, health="Warning")
    rows = [line for line in enter(cli, "display device alarm hardware").splitlines() if line[:1].isdigit()]
    assert [row.split()[:2] for row in rows] == [["1", "Critical"], ["2", "Major"]]
    damage(switch, "psus", 0, present=True)
    assert [row[:1] for row in enter(cli, "display alarm active").splitlines() if row[:1].isdigit()] == ["2"]


def test_links_and_neighbours_come_from_the_world(cli, switch):
    with switch.world.update("sw1", "switches") as document:
        next(port for port in document["ports"] if port["name"] == "400GE1/0/2:1")["link"] = "down"
    brief, lldp = enter(cli, "display interface brief"), enter(cli, "display lldp neighbor brief")
    assert part_row(brief, "400GE1/0/2:2")[1:3] == ["up", "up"]
    assert part_row(lldp, "400GE1/0/2:2")[2:] == ["NPU4", "node1"]
    assert part_row(brief, "400GE1/0/2:1")[1:3] == ["down", "down"]
    assert part_row(lldp, "400GE1/0/2:1") == []
    enter(cli, "system-view", "interface 400GE1/0/2:2", "shutdown", "commit")
    assert part_row(enter(cli, "display interface brief"), "400GE1/0/2:2")[1:3] == ["*down", "down"]
    assert part_row(enter(cli, "display lldp neighbor brief"), "400GE1/0/2:2") == []
    enter(cli, "quit", "undo lldp enable", "commit")
    assert enter(cli, "display lldp neighbor brief") == "Info: Global LLDP is not enabled."


def test_a_split_port_is_its_lanes_and_the_configuration_says_so(cli):
    names = {line.split()[0] for line in enter(cli, "display interface brief").splitlines() if "GE1/0/" in line}
    assert {"400GE1/0/4:1", "400GE1/0/4:2", "400GE1/0/5", "10GE1/0/2"} <= names
    assert not {"400GE1/0/4", "400GE1/0/4:3", "400GE1/0/5:1"} & names
    lines = enter(cli, "display current-configuration").splitlines()
    assert "port split dimension interface 400GE1/0/1 to 400GE1/0/4 split-type 2*200GE" in lines
    enter(cli, "system-view")
    assert "Wrong parameter" in enter(cli, "interface 400GE1/0/4")


def test_the_world_is_wired_as_the_cabling_table_says():
    """Both sites have the same fibres; the twin's switch has them plugged in."""
    plugged = {
        (port["neighbor"]["device"], port["neighbor"]["interface"]): port["name"]
        for port in build_switch(Plan())["ports"]
        if port["neighbor"]
    }
    for site in ("twin", "example"):
        table = yaml.safe_load((ROOT / "inventory" / site / "cabling.yml").read_text(encoding="utf-8"))
        fibres = {
            (row["side_a_device"], row["side_a_name"]): row["side_b_name"]
            for row in table["cables"]
            if row["side_a_name"].startswith("NPU")
        }
        assert len(fibres) == 24
        assert plugged == fibres


def test_more_nodes_than_ports_leave_the_last_ones_unplugged():
    assert {port["neighbor"]["device"] for port in build_switch(Plan(nodes=100))["ports"] if port["neighbor"]} == {
        f"node{number}" for number in range(1, 9)
    }


def test_splits_are_written_in_runs_of_alike_neighbours():
    ports = [
        {"name": f"400GE1/0/{number}:{lane}", "speed_mbps": speed}
        for number, lanes, speed in ((9, 2, 200000), (10, 2, 200000), (11, 4, 100000), (13, 4, 100000))
        for lane in range(1, lanes + 1)
    ]
    start = "port split dimension interface"
    assert splits({"ports": [{"name": "400GE1/0/1", "speed_mbps": 400000}, *ports]}) == [
        f"{start} 400GE1/0/9 to 400GE1/0/10 split-type 2*200GE",
        f"{start} 400GE1/0/11 split-type 4*100GE",
        f"{start} 400GE1/0/13 split-type 4*100GE",
    ]


def test_uptime_counts_from_the_boot(cli, clock):
    clock.now += 5 * 3600 + 32 * 60
    assert "uptime is 0 day, 5 hours, 32 minutes" in enter(cli, "display version")


def test_identity(cli, switch):
    truth = switch.read()
    assert f"HUAWEI {truth['model']} uptime" in enter(cli, "display version")
    assert f"BarCode={truth['serial']}" in enter(cli, "display device elabel slot 1 brief")
    brief = enter(cli, "display device elabel brief")
    assert f"Equipment SN(ESN): {truth['serial']}" in brief
    assert part_row(brief, "1")[2:] == [truth["model"], truth["serial"], truth["part_number"]]
    assert part_row(brief, "PWR1")[2] == truth["psus"][0]["serial"]
    assert part_row(brief, "FAN1")[1:] == ["--", "--", "--"]
    assert enter(cli, "display esn") == f" ESN of slot 1: {truth['serial']}"


def layout(text: str, name: str) -> list[tuple[int, int]]:
    """Where the columns of the row that begins with a name are: left edges of the first three, right of the rest."""
    row = next(line for line in text.splitlines() if line.startswith(f"{name} "))
    spans = [match.span() for match in re.finditer(r"\S+", row)]
    return [span[0] if index < 3 else span[1] for index, span in enumerate(spans)]


def test_interface_brief_has_the_columns_of_the_manual(cli, shared):
    capture = (shared / "fixtures/switch/huawei_ce_display_interface_brief.txt").read_text(encoding="utf-8")
    enter(cli, "system-view", "interface 400GE1/0/1:1", "shutdown", "commit")
    ours = enter(cli, "display interface brief")
    for name, theirs in (("400GE1/0/1:1", "100GE1/0/1"), ("NULL0", "NULL0")):
        assert layout(ours, name) == layout(capture, theirs)
    legend = [line for line in capture.splitlines()[2:] if not line[:1].isdigit() and not line.startswith(("ME", "NU"))]
    assert ours.splitlines()[: len(legend)] == legend


def test_display_device_has_the_columns_of_the_capture(cli, shared):
    capture = (shared / "fixtures/switch/huawei_ce_display_device_2.txt").read_text(encoding="utf-8").splitlines()
    ours = enter(cli, "display device").splitlines()
    theirs = next(line for line in capture if "FAN1" in line).rstrip()
    assert next(line for line in ours if "FAN1" in line) == theirs


def test_help_lists_what_may_follow(cli):
    assert cli.help("display device ").split() == [
        "<cr>", "alarm", "elabel", "esn", "fan", "power", "slot",
    ]  # fmt: skip
    assert cli.help("sys").split() == ["system-view"]
