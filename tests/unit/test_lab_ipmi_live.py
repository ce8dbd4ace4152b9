"""The service as a whole, asked with ipmitool: causes planted in the world show, and nothing is lost on the way."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lab import physics
from tests.unit.lab_ipmi_helpers import PASSWORD, ROOT, Bench, FakeControl, bench, until

NOON = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    state = tmp_path_factory.mktemp("ipmi")
    with FakeControl(state / "run" / "bmc-control.sock").serving() as control, bench(state) as made:
        made.control = control
        yield made


@pytest.fixture
def ipmi(running):
    """A healthy node before each test."""
    healthy = running.world.read("node1")
    yield running
    with running.world.update("node1") as node:
        node.clear()
        node.update(healthy)
    until(lambda: running.tool("mc", "info").returncode == 0, "the node answers again", seconds=40)
    until(
        lambda: running.sdr()["Fan1 Speed"].endswith("7200 RPM") and not running.sel(),
        "the node is healthy again",
        seconds=40,
    )


def plant(ipmi: Bench, kind: str, index: int, **cause: object) -> None:
    with ipmi.world.update("node1") as node:
        node[kind][index].update(cause)
        physics.record(node, NOON)


@pytest.mark.parametrize(
    ("where", "cause", "sensor", "shown"),
    [
        (("psus", 1), {"input_connected": False}, "PSU2 Status", "ok | Presence detected, Power Supply AC lost"),
        (("psus", 1), {"present": False}, "PSU2 Status", "ok | "),
        (("psus", 0), {"health": "Critical"}, "PSU1 Status", "ok | Presence detected, Failure detected"),
        (("fans", 2), {"present": False}, "Fan3 Presence", "ok | Device Absent"),
        (("fans", 2), {"present": False}, "Fan3 Speed", "ns | Disabled"),
        (("fans", 0), {"rpm": 900}, "Fan1 Speed", "lcr | 900 RPM"),
        (("dimms", 3), {"health": "Critical"}, "DIMM030 Status", "ok | Uncorrectable ECC, Presence Detected"),
        (("drives", 0), {"health": "Critical"}, "Disk0 Status", "ok | Drive Present, Drive Fault"),
        (("drives", 0), {"failure_predicted": True}, "Disk0 Status", "ok | Drive Present, Predictive Failure"),
        (("npus", 2), {"present": False}, "NPU3 Status", "ok | "),
        (("npus", 2), {"present": False}, "NPU3 Temp", "ns | Disabled"),
        (("npus", 2), {"health": "Warning"}, "NPU3 Status", "ok | Presence detected, Correctable machine check error"),
        (("cpus", 3), {"present": False}, "CPU4 Status", "ok | "),
        (("temperatures", 0), {"celsius": 48}, "Inlet Temp", "ucr | 48 degrees C"),
    ],
)
def test_a_fault_shows_in_the_sensors_and_in_the_log(ipmi, where, cause, sensor, shown):
    before = ipmi.sdr()[sensor]
    plant(ipmi, *where, **cause)
    until(lambda: ipmi.sdr()[sensor] == shown, f"{sensor} reads {shown!r}")
    assert before != shown
    until(lambda: len(ipmi.sel()) == 1, "one entry in the SEL")
    assert ipmi.sel()[0].startswith("11/24/26 | 12:00:00 UTC")


def test_a_missing_power_supply_has_no_fru(ipmi):
    assert "PAC2600S54-B1" in ipmi.ask("fru", "print", "2")
    plant(ipmi, "psus", 1, present=False)
    until(lambda: "Device not present" in ipmi.tool("fru", "print", "2").stdout, "its FRU is gone")


def test_powered_off(ipmi):
    with ipmi.world.update("node1") as node:
        node["fans"][0]["rpm"] = 900
    until(lambda: ipmi.sdr()["Fan1 Speed"] == "lcr | 900 RPM", "the slow fan shows")
    with ipmi.world.update("node1") as node:
        node["power"] = "off"
    until(lambda: ipmi.sdr()["ACPI State"] == "ok | S5/G2: soft-off", "it is off")
    shown = ipmi.sdr()
    assert shown["Fan1 Speed"] == "ok | 0 RPM"  # standing still is right now
    assert shown["NPU1 Temp"] == "ns | Disabled"
    assert shown["Inlet Temp"] == "ok | 24 degrees C"


def test_later_entries_are_added_to_the_log(ipmi):
    plant(ipmi, "psus", 1, input_connected=False)
    until(lambda: len(ipmi.sel()) == 1, "the first entry")
    plant(ipmi, "psus", 1, input_connected=True)
    until(lambda: len(ipmi.sel()) == 2, "the second entry")
    assert [row.split(" | ")[-1] for row in ipmi.sel()] == ["Asserted", "Deasserted"]


def test_clearing_the_sel_clears_the_nodes_log(ipmi):
    plant(ipmi, "psus", 1, input_connected=False)
    until(lambda: len(ipmi.sel()) == 1, "an entry")
    ipmi.ask("sel", "clear")
    until(lambda: ipmi.world.read("node1")["log"] == [], "the log is empty")
    assert ipmi.sel() == []


def test_clearing_the_nodes_log_clears_the_sel(ipmi):
    plant(ipmi, "psus", 1, input_connected=False)
    until(lambda: len(ipmi.sel()) == 1, "an entry")
    with ipmi.world.update("node1") as node:
        node["log"] = []
    until(lambda: ipmi.sel() == [], "the SEL is empty")


def test_the_log_survives_a_restart_of_the_bmc(ipmi):
    plant(ipmi, "psus", 1, input_connected=False)
    until(lambda: len(ipmi.sel()) == 1, "an entry")
    with ipmi.world.update("node1") as node:
        node["bmc"]["firmware"] = "5.04.00.01"  # an update makes the BMC start anew
    until(lambda: "Firmware Revision         : 5.04" in ipmi.tool("mc", "info").stdout, "the new firmware runs")
    until(lambda: ipmi.sel() and ipmi.sel()[0].startswith("11/24/26 | 12:00:00 UTC"), "the entry is there again")


def test_a_clock_that_is_off_shows_in_clock_and_log(ipmi):
    plant(ipmi, "psus", 1, input_connected=False)
    until(lambda: len(ipmi.sel()) == 1, "an entry")
    with ipmi.world.update("node1") as node:
        node["bmc"]["clock_offset_seconds"] = 366 * 86400
    year = str(datetime.now(UTC).year + 1)[2:]
    until(lambda: ipmi.ask("sel", "time", "get").split()[0].endswith(f"/{year}"), "the clock is a year ahead")
    plant(ipmi, "psus", 2, input_connected=False)
    until(lambda: len(ipmi.sel()) == 2, "an entry of the new time")
    assert ipmi.sel()[1].startswith("11/25/27 | 12:00:00 UTC")


def test_a_dead_bmc_is_silent_until_it_is_healed(ipmi):
    with ipmi.world.update("node1") as node:
        node["bmc"]["dead"] = True
    until(lambda: ipmi.tool("-N", "1", "-R", "1", "mc", "info").returncode != 0, "nobody answers")
    with ipmi.world.update("node1") as node:
        node["bmc"]["dead"] = False
    until(lambda: ipmi.tool("mc", "info").returncode == 0, "it answers again")


def test_a_bmc_may_refuse_the_right_password(ipmi):
    plant(ipmi, "psus", 1, input_connected=False)
    with ipmi.world.update("node1") as node:
        node["bmc"]["reject_password"] = True
    until(lambda: ipmi.tool("mc", "info").returncode != 0, "the password is refused")
    with ipmi.world.update("node1") as node:
        node["bmc"]["reject_password"] = False
    until(lambda: ipmi.tool("mc", "info").returncode == 0, "it is accepted again")
    until(lambda: len(ipmi.sel()) == 1, "and the log is whole")


def test_wrong_password_and_anonymous_login_are_refused(ipmi):
    assert ipmi.tool("mc", "info", password="wrong-One-1").returncode != 0
    assert ipmi.tool("-U", "", "mc", "info", password="").returncode != 0


def test_the_password_is_in_no_command_line(ipmi):
    """Neither while it runs nor in its log; the files that hold it are the owner's alone."""
    plant(ipmi, "psus", 1, input_connected=False)
    ps = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert "ipmi_sim" in ps
    assert PASSWORD not in ps
    assert PASSWORD not in (ipmi.state / "ipmi.log").read_text()
    for path in (ipmi.state / "ipmi" / "node1").rglob("*"):
        if path.is_file() and PASSWORD.encode() in path.read_bytes():
            assert path.stat().st_mode & 0o077 == 0, path
    assert (ipmi.state / "ipmi" / "node1").stat().st_mode & 0o077 == 0


def test_power_goes_through_the_control_socket(ipmi):
    control = ipmi.control
    control.asked.clear()
    assert ipmi.ask("chassis", "power", "status").strip() == "Chassis Power is on"
    ipmi.ask("chassis", "power", "off")
    assert ipmi.ask("chassis", "power", "status").strip() == "Chassis Power is off"
    ipmi.ask("chassis", "power", "on")
    ipmi.ask("chassis", "bootdev", "pxe")
    assert "Force PXE" in ipmi.ask("chassis", "bootparam", "get", "5")
    ipmi.ask("chassis", "power", "reset")
    ipmi.ask("chassis", "power", "soft")
    wanted = ["set power 0", "set power 1", "set boot pxe", "reset", "shutdown"]
    asked = [request.removeprefix("node1 ") for request in control.asked if " get " not in request]
    assert asked == wanted


def test_a_killed_service_leaves_no_process(tmp_path):
    with pytest.raises(AssertionError), bench(tmp_path) as made:  # its exit code is not 0 then
        children = subprocess.run(
            ["pgrep", "-P", str(made.process.pid)], capture_output=True, text=True, check=True
        ).stdout.split()
        assert children
        made.process.kill()
        made.process.wait()
        until(lambda: not any(Path(f"/proc/{child}").exists() for child in children), "all gone")


def test_without_a_world_it_says_so(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "lab.ipmi", "--state", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "is the twin up?" in done.stderr
