"""IPMI through a stand-in for pyghmi in the real child process: what it fills in, its time limit, its discretion."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from bmc_helpers import PASSWORD, SYSTEM, facts_of, sample
from npuforge.bmc import ipmi
from npuforge.bmc.wire import Target

TARGET = Target("127.0.0.1", "reader", PASSWORD)

COMMAND = """
import os, time
from pathlib import Path
{extra}
class Reading:
    def __init__(self, name, value, health):
        self.name, self.value, self.units, self.health = name, value, "C", health
class Command:
    def __init__(self, bmc, userid, password, port):
        here = Path(__file__).parent
        (here / "seen").write_bytes(Path("/proc/self/cmdline").read_bytes() + Path("/proc/self/environ").read_bytes())
        self.password = password
        {start}
    def get_power(self):
        return {{"powerstate": "on"}}
    def get_inventory_of_component(self, name):
        {serial}
    def get_sensor_data(self):
        yield Reading("Inlet Temp", 24.0, 0)
        yield Reading("Fan3 Speed", 0.0, 2)
    def get_event_log(self):
        yield {{"timestamp": "2026-03-18T08:00:00", "component": "PSU2", "event": "input lost", "severity": 2}}
        yield {{"timestamp": "2026-03-18T08:01:00", "component": "PSU2", "event": "input back", "severity": 0}}
"""


@pytest.fixture
def pyghmi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Install a stand-in; ``pyghmi(start=..., serial=...)`` writes lines of Python into it."""

    def install(start: str = "pass", serial: str = 'return {"Serial Number": "FRU0001"}', extra: str = "") -> Path:
        package = tmp_path / "pyghmi" / "ipmi"
        package.mkdir(parents=True)
        (tmp_path / "pyghmi" / "__init__.py").touch()
        (package / "__init__.py").touch()
        (package / "command.py").write_text(COMMAND.format(start=start, serial=serial, extra=extra))
        monkeypatch.syspath_prepend(str(tmp_path))
        return package

    return install


def lacking_facts() -> Any:
    """The facts of a BMC whose Redfish tells no power state, serial number, sensors or log."""
    tree = sample("ibmc")
    tree[SYSTEM].update(PowerState=None, SerialNumber="  ")
    del tree[SYSTEM]["LogServices"]
    chassis = tree["/redfish/v1/chassis/1"]
    del chassis["Thermal"], chassis["Power"]
    return facts_of(tree)


def test_it_fills_in_what_redfish_lacks(pyghmi: Any) -> None:
    pyghmi()
    facts = lacking_facts()
    assert ipmi.lacking(facts) == ["power", "serial", "sensors", "log"]
    raw = ipmi.complete(TARGET, 623, facts, always=False)
    assert facts["power_state"] == "on"
    assert facts["identity"]["serial"] == "FRU0001"
    assert facts["sensors"] == {"source": "ipmi", "critical": ["Fan3 Speed"], "warning": []}
    assert facts["log"] == {
        "entries_count": 2,
        "critical": [{"time": "2026-03-18T08:00:00", "message": "PSU2 input lost"}],
        "warning": [],
    }
    assert raw[0]["name"] == "ipmi.json"
    assert raw[0]["rc"] == 0


def test_nothing_is_asked_when_redfish_told_it_all(pyghmi: Any) -> None:
    package = pyghmi()
    assert ipmi.complete(TARGET, 623, facts_of(sample("openubmc")), always=False) == []
    assert not (package / "seen").exists()


def test_always_compares_and_overwrites_nothing(pyghmi: Any) -> None:
    pyghmi()
    tree = sample("openubmc")
    tree[SYSTEM]["PowerState"] = "Off"
    facts = facts_of(tree)
    ipmi.complete(TARGET, 623, facts, always=True)
    assert facts["power_state"] == "off"
    assert facts["identity"]["serial"] == "SAMPLE0000000001"
    assert {"where": "power_state", "problem": "Redfish says off, IPMI says on"} in facts["notes"]


def test_the_password_is_in_neither_arguments_nor_environment(pyghmi: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    package = pyghmi(serial="raise RuntimeError('session for ' + self.password + ' lost')")
    monkeypatch.setenv("VAULT_PASSWORD", PASSWORD)
    answer = ipmi.ask(TARGET, 623, ["power", "serial"], 20)
    assert answer["power"] == "on"
    assert answer["problem"] == "serial: RuntimeError session for *** lost"
    assert PASSWORD.encode() not in (package / "seen").read_bytes()
    assert PASSWORD not in json.dumps(answer)


def test_a_hanging_session_ends_with_its_limit(pyghmi: Any) -> None:
    pyghmi(start="time.sleep(60)")
    facts = lacking_facts()
    started = time.monotonic()
    assert ipmi.ask(TARGET, 623, ["power"], 1.0) == {"problem": "no answer within 1 s"}
    assert time.monotonic() - started < 5
    ipmi._fill(facts, {"problem": "no answer within 1 s"})
    assert facts["power_state"] is None


def test_a_missing_pyghmi_is_a_note(pyghmi: Any) -> None:
    pyghmi(extra="raise ImportError('not here')")
    facts = lacking_facts()
    raw = ipmi.complete(TARGET, 623, facts, always=False)
    assert raw[0]["rc"] == 1
    problem = "power, serial, sensors, log was asked of IPMI: pyghmi is not installed beside this Python"
    assert {"where": "ipmi", "problem": problem} in facts["notes"]
    assert facts["sensors"] is None


def test_a_dying_child_is_a_problem(pyghmi: Any) -> None:
    pyghmi(start="os._exit(3)")
    assert ipmi.ask(TARGET, 623, ["power"], 20) == {"problem": "the IPMI helper ended with code 3"}
