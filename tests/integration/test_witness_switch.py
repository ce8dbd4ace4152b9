"""Witnesses that the switch's command line is real: netmiko's huawei_vrpv8 driver, and the parsers of ntc-templates."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator

import pytest
from netmiko import ConnectHandler
from netmiko.exceptions import NetmikoAuthenticationException
from netmiko.huawei.huawei import HuaweiVrpv8SSH
from ntc_templates.parse import parse_output
from textfsm.parser import TextFSMError

from lab import fabric
from lab.switch.config import Tree
from tests.unit.lab_npu_helpers import Site
from tests.unit.lab_switch_helpers import ADDRESS, PASSWORD, Service, answers, service, until
from tests.unit.lab_switch_roce_helpers import ONE, OTHER, lossless

# What netmiko is told to take for a failed command (it does not look by itself)
FAILURE = r"Error:|\^"


@pytest.fixture(scope="module")
def switch(tmp_path_factory) -> Iterator[Service]:
    with service(tmp_path_factory.mktemp("witness")) as made:
        yield made


@contextlib.contextmanager
def login(switch: Service, password: str = PASSWORD) -> Iterator[HuaweiVrpv8SSH]:
    """With the host key checked."""
    connection = ConnectHandler(
        device_type="huawei_vrpv8",
        host=ADDRESS,
        port=switch.port,
        username="npuforge",
        password=password,
        ssh_strict=True,
        system_host_keys=False,
        alt_host_keys=True,
        alt_key_file=str(switch.state / "ssh" / "known_hosts"),
    )
    try:
        yield connection
    finally:
        connection.disconnect()


@pytest.fixture
def netmiko(switch) -> Iterator[HuaweiVrpv8SSH]:
    before = switch.world.read("sw1", "switches")
    with login(switch) as connection:
        yield connection
    with switch.world.update("sw1", "switches") as document:
        document.clear()
        document.update(before)


def test_login_and_prompt(netmiko):
    assert netmiko.find_prompt() == "<sw1>"
    assert netmiko.base_prompt == "sw1"


def test_wrong_password(switch):
    with pytest.raises(NetmikoAuthenticationException), login(switch, "wrong"):
        pass


def test_long_output_comes_whole(netmiko):
    """netmiko turned paging off when it logged in."""
    assert netmiko.send_command("display interface brief").splitlines()[-1].startswith("Vlanif1")


def test_configure_commit_save(switch, netmiko):
    output = netmiko.send_config_set(
        ["interface 400GE1/0/1:1", "description to node1 port 1", "quit"], error_pattern=FAILURE
    )
    assert "[*sw1-400GE1/0/1:1]" in output
    netmiko.commit()
    assert netmiko.find_prompt() == "<sw1>"
    assert "Save the configuration successfully" in netmiko.save_config()
    config = switch.world.read("sw1", "switches")["config"]
    for kept in ("running", "saved"):
        assert Tree.from_json(config[kept]).lines(("interface 400GE1/0/1:1",)) == ["description to node1 port 1"]


def test_configure_a_lossless_path(tmp_path):
    """Lines of the manual's examples in one go; what they mean is asked of the twin's physics."""
    with service(tmp_path, nodes=2) as switch, login(switch) as connection:
        Site(switch.world).configure()  # the NPUs' side
        output = connection.send_config_set(
            lossless(ONE, OTHER), exit_config_mode=False, error_pattern=FAILURE, read_timeout=20
        )
        assert output.count("dcb pfc enable roce mode manual") == 2
        assert not fabric.path(switch.world, "node1/NPU3", "node2/NPU3").lossless  # not committed yet
        connection.commit()
        assert "ENABLE(M)" in connection.send_command(f"display dcb interface {ONE}")
        assert "Save the configuration successfully" in connection.save_config()
        found = fabric.path(switch.world, "node1/NPU3", "node2/NPU3")
        assert found.lossless
        assert found.reasons == ()
        config = switch.world.read("sw1", "switches")["config"]
        assert config["saved"] == config["running"]


def test_an_unknown_command_is_noticed(netmiko):
    with pytest.raises(Exception, match="Invalid input detected at command: dcb nonsense"):
        netmiko.send_config_set(["dcb nonsense"], error_pattern=FAILURE)
    netmiko.send_command("clear configuration candidate", expect_string=r"\]")
    netmiko.exit_config_mode()


def test_uncommitted_work_is_gone_after_a_disconnect(switch):
    with login(switch) as connection:
        connection.send_config_set(["sysname lost"], error_pattern=FAILURE)
        connection.send_command("return", expect_string=r"C\(cancel\)")
        connection.send_command("n", expect_string=r">")
    with login(switch) as connection:
        assert connection.find_prompt() == "<sw1>"


def test_commit_trial_rolls_back_by_itself(switch):
    """With the shortest time that the device accepts, brought forward in the world so that nobody waits a minute."""
    with login(switch) as connection:
        connection.config_mode()
        connection.send_command("sysname trial1", expect_string=r"\[\*sw1\]")
        output = connection.send_command("commit trial 60", expect_string=r"\[~trial1\]")
        assert "not confirmed in 60 seconds" in output
        with switch.world.update("sw1", "switches") as document:
            document["config"]["trial"]["deadline"] = time.time() + 0.3
        until(lambda: switch.world.read("sw1", "switches")["config"]["trial"] is None, "the trial is over")
        connection.set_base_prompt()
        assert connection.base_prompt == "~sw1"


def test_a_trial_of_a_minute_takes_a_minute(switch):
    """Nobody confirms it, its session is gone (the trial outlives it), and nobody brings the time forward."""
    before = switch.world.read("sw1", "switches")["config"]["running"]
    with login(switch) as connection:
        connection.config_mode()
        for line in ("interface 400GE1/0/1:1", "trust dscp"):
            connection.send_command(line, expect_string=r"\]")
        began = time.time()
        connection.send_command("commit trial 60 persist witness", expect_string=r"\[~sw1-400GE1/0/1:1\]")
    time.sleep(55 - (time.time() - began))
    config = switch.world.read("sw1", "switches")["config"]
    assert config["trial"]
    assert config["running"] != before
    until(lambda: switch.world.read("sw1", "switches")["config"]["trial"] is None, "the trial is over", 15)
    assert 59.5 <= time.time() - began < 65
    assert switch.world.read("sw1", "switches")["config"]["running"] == before


def test_reboot_loses_what_was_not_saved(switch):
    with login(switch) as connection:
        connection.send_config_set(["interface 400GE1/0/1:2", "shutdown"], error_pattern=FAILURE)
        connection.commit()
        connection.send_command("reboot fast", expect_string=r"\[Y/N\]:")
        connection.write_channel("y\n")
        until(lambda: not answers(switch.port), "it goes down")
    until(lambda: answers(switch.port), "it comes back")
    with login(switch) as connection:
        assert "shutdown" not in connection.send_command("display current-configuration interface 400GE1/0/1:2")


def parsed(netmiko: HuaweiVrpv8SSH, command: str) -> list[dict[str, str]]:
    return parse_output(platform="huawei_vrp", command=command, data=netmiko.send_command(command))


def test_ntc_display_device(switch, netmiko):
    with switch.world.update("sw1", "switches") as document:
        document["psus"][0]["present"] = False
        document["fans"][1]["health"] = "Critical"
    rows = {row["card"]: row for row in parsed(netmiko, "display device")}
    assert rows["-"]["pid"] == "CE9855-32DQ"
    assert rows["-"]["ha_status"] == "Master"
    assert "PWR1" not in rows
    assert rows["PWR2"]["alarm_status"] == "Normal"
    assert rows["FAN2"]["alarm_status"] == "Abnormal"


def test_ntc_display_interface_description(netmiko):
    netmiko.send_config_set(["interface 400GE1/0/1:1", "description to node1", "shutdown"], error_pattern=FAILURE)
    netmiko.commit()
    rows = {row["interface"]: row for row in parsed(netmiko, "display interface description")}
    assert (rows["400GE1/0/1:1"]["phy"], rows["400GE1/0/1:1"]["description"]) == ("*down", "to node1")
    assert rows["10GE1/0/1"]["description"].startswith("uplink to core")
    assert rows["Vlanif1"]["phy"] == "up"
    assert len(rows) == 8 + 28 + 2 + 3  # lanes, whole ports, 10GE, management, NULL0 and Vlanif1


def test_ntc_display_lldp_neighbor(netmiko, shared):
    """The template wants a port description of three letters and takes no "--", ours and the manual's alike."""
    capture = (shared / "fixtures/switch/huawei_ce_display_lldp_neighbor.txt").read_text(encoding="utf-8")
    ours = netmiko.send_command("display lldp neighbor")
    for text in (capture.split("\n", 2)[2], ours):
        with pytest.raises(TextFSMError):
            parse_output("huawei_vrp", "display lldp neighbor", text)
    rows = parse_output("huawei_vrp", "display lldp neighbor", ours.replace(":--", ":none"))
    found = {row["local_interface"]: (row["neighbor_name"], row["neighbor_port_id"]) for row in rows}
    assert found["400GE1/0/1:1"] == ("node1", "NPU1")
    assert found["400GE1/0/4:2"] == ("node1", "NPU8")
    assert len(found) == 8


def test_ntc_display_interface(netmiko):
    """The template knows "Speed :" with a blank, and neither splits nor FEC; the rest of a port's head it reads."""
    text = netmiko.send_command("display interface 400GE1/0/1:1")
    with pytest.raises(TextFSMError):
        parse_output("huawei_vrp", "display interface", text)
    known = re.sub(r"(?m)^(?:Input Flow-control|Mdi|Statistics|Port Mode|Duplex):?.*\n", "", text)
    known = re.sub(r"(?m)^Speed: +(\d+), +Loopback: +(\S+)$", r"Speed : \1, Loopback: \2", known)
    (row,) = parse_output("huawei_vrp", "display interface", known)
    assert (row["interface"], row["link_status"].split()[0], row["protocol_status"]) == ("400GE1/0/1:1", "UP", "UP")
    assert (row["speed"], row["mtu"], row["loopback"]) == ("200000", "9216", "NONE")


def test_ntc_display_patch_information(switch, netmiko):
    with switch.world.update("sw1", "switches") as document:
        document["patch"] = "V300R023SPH120"
    (row,) = parsed(netmiko, "display patch-information")
    assert (row["version"], row["state"]) == ("V300R023SPH120", "Running")


def test_ntc_display_interface_brief(netmiko, shared):
    """The template refuses the legend of this generation, ours and the manual's alike; the table it reads."""
    capture = (shared / "fixtures/switch/huawei_ce_display_interface_brief.txt").read_text(encoding="utf-8")
    theirs = capture.split("\n", 2)[2]
    ours = netmiko.send_command("display interface brief")
    for text in (theirs, ours):
        with pytest.raises(TextFSMError):
            parse_output(platform="huawei_vrp", command="display interface brief", data=text)
    (table,) = (re.split(r"(?m)^InUti/OutUti.*\n", text)[1] for text in (ours,))
    rows = {row["interface"]: row for row in parse_output("huawei_vrp", "display interface brief", table)}
    assert (rows["MEth0/0/0"]["phy"], rows["MEth0/0/0"]["protocol"]) == ("up", "up")
    assert (rows["NULL0"]["protocol"], rows["400GE1/0/5"]["phy"], rows["400GE1/0/1:1"]["phy"]) == (
        "up(s)",
        "down",
        "up",
    )


def test_ntc_display_version(netmiko):
    """The template knows VRP up to 8.1xx: "YunShan OS" is none of its lines. Once renamed, the rest is read."""
    text = netmiko.send_command("display version")
    with pytest.raises(TextFSMError):
        parse_output("huawei_vrp", "display version", text)
    (row,) = parse_output(
        "huawei_vrp", "display version", text.replace("YunShan OS, Version", "VRP (R) software, Version")
    )
    assert row["model"] == "CE9855-32DQ"
    assert row["product_version"] == "CE9800 V300R023C00SPC500"
    assert row["uptime"].startswith("0 day")
