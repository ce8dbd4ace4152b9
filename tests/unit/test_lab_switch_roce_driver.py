"""RoCE configured by the toolkit's own driver, in process: two readings of the same manual meet."""

from __future__ import annotations

from npuforge.switch.roce.ce_driver import CeDriver

from lab.switch.roce import port_state
from tests.unit.lab_switch_helpers import device, enter, session
from tests.unit.switch_roce_helpers import PORTS, part


def test_the_toolkits_driver_finds_its_plan_fulfilled(tmp_path):
    """What the driver plans is taken, and what is shown then is what was planned."""
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
