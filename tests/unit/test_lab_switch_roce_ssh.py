"""RoCE configured by clients that know nothing of the simulator: netmiko over SSH, and the toolkit's own driver."""

from __future__ import annotations

import netmiko
import pytest
from npuforge.switch.roce.ce_driver import CeDriver

from lab import fabric
from lab.switch.roce import port_state
from tests.unit.lab_npu_helpers import Site
from tests.unit.lab_switch_helpers import ADDRESS, PASSWORD, device, enter, service, session
from tests.unit.lab_switch_roce_helpers import ONE, OTHER, lossless
from tests.unit.switch_roce_helpers import PORTS, part

ERRORS = r"Error:|\^|Unrecognized command|Incomplete command|Wrong parameter"


@pytest.fixture
def switch(tmp_path):
    with service(tmp_path, nodes=2) as made:
        yield made


def test_netmiko_configures_a_lossless_path(switch):
    Site(switch.world).configure()
    with netmiko.ConnectHandler(
        device_type="huawei_vrpv8",
        host=ADDRESS,
        port=switch.port,
        username="npuforge",
        password=PASSWORD,
        system_host_keys=False,
        ssh_strict=False,
        allow_agent=False,
        fast_cli=True,
    ) as connection:
        # Many lines at once and prompts that are waited for: netmiko's other reads take seconds each.
        said = connection.send_config_set(
            lossless(ONE, OTHER), exit_config_mode=False, error_pattern=ERRORS, read_timeout=20
        )
        assert said.count("dcb pfc enable roce mode manual") == 2
        assert not fabric.path(switch.world, "node1/NPU3", "node2/NPU3").lossless  # not committed yet
        connection.send_command("commit", expect_string=r"\[~sw1\]")
        connection.send_command("return", expect_string=r"<sw1>")
        assert "ENABLE(M)" in connection.send_command(f"display dcb interface {ONE}", expect_string=r"<sw1>")
        connection.send_command("save", expect_string=r"\[Y/N\]")
        assert "successfully" in connection.send_command("y", expect_string=r"<sw1>")
    found = fabric.path(switch.world, "node1/NPU3", "node2/NPU3")
    assert found.lossless and found.reasons == ()
    config = switch.world.read("sw1", "switches")["config"]
    assert config["saved"] == config["running"]


def test_the_toolkits_driver_finds_its_plan_fulfilled(tmp_path):
    """Two readings of the manual: what the driver plans is taken, and what is shown then is what was planned."""
    switch = device(tmp_path)
    cli, driver, plan = session(switch), CeDriver(), part()

    def look():
        texts = {command: enter(cli, command) for command in driver.commands(plan)}
        assert list(driver.more(plan, texts)) == []  # every answer was understood
        return driver.parse(texts, plan)

    found = look()
    assert all(port.exists and not port.pfc.enabled for port in found.ports.values())
    steps = driver.steps(plan, found)
    assert steps.conflicts == [] and steps.blocks
    enter(cli, "system-view")
    for block in steps.blocks:
        for line in (*block.view, *block.lines):
            assert enter(cli, line) == "", line
        for _ in block.view:
            enter(cli, "quit")
    assert enter(cli, "commit") == ""
    enter(cli, "return")
    found = look()
    assert found.notes == []
    told = driver.verify(plan, found)
    assert told.whole == []
    for name in PORTS:
        port = told.ports[name]
        assert (port.trust, port.pfc, port.buffer, port.ecn) == ([], [], [], [])
        assert found.ports[name].optics["rx_power_dbm"] == [0.85]
        assert found.ports[name].neighbor["device"] == "node1"
        assert port_state(switch.read(), name)["pfc_priorities"] == [4]
    assert driver.steps(plan, found).blocks == []
