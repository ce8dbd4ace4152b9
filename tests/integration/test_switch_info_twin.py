"""The reader of switches and the twin's switch, written from the same manuals by two hands, meet over SSH.

The switch is a process of its own on a world of its own; the running twin is not touched.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from npuforge.switch.read import read
from npuforge.switch.session import Target

from controller import contract, judge
from lab import faults
from lab.hardware import Plan, build_site
from lab.world import World
from tests.unit.lab_switch_helpers import until

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "Planted-Secret-4711"


SWITCH_FAULTS = {
    name: fault
    for name, fault in faults.load().items()
    if fault.kind == "switches" and fault.clause.startswith("4.1.1-")
}


@dataclass(frozen=True)
class Running:
    world: World
    target: Target

    def observation(self) -> Any:
        entry = read("sw1", self.target)
        document = {**entry["observation"], "raw": []}
        assert contract.problems(document, "observation") == []
        assert PASSWORD not in json.dumps(entry)
        return document

    def facts(self) -> Any:
        return self.observation()["facts"]

    def findings(self) -> set[tuple[str, str, str]]:
        """``(clause, check, verdict)`` of what the contract does not accept of the switch."""
        now = datetime.now(UTC)
        run = {
            "schema": "npuforge.run/1",
            "site": "twin",
            "run_id": "20261124T000000Z",
            "started_at": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "finished_at": None,
            "provenance": "simulated",
            "inventory": {"subjects": {"switch": ["sw1"]}, "profiles": {}, "expect": {}, "waivers": [], "devices": {}},
            "stages": {"hardware": {"started_at": None, "finished_at": None, "state": "done"}},
            "tool": {"name": "npuforge", "version": "test"},
        }
        seen = contract.Observed(self.observation(), "observations/switch-sw1.json#0")
        return {
            (row["clause"], row["check"], row["verdict"])
            for row in judge.judge(contract.load(), run, [seen], now)["verdicts"]
            if row["check"] and row["verdict"] in ("fail", "unknown") and row["subject"]["kind"] == "switch"
        }


def listens(target: Target) -> bool:
    try:
        socket.create_connection((target.address, target.port), 1).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    state = tmp_path_factory.mktemp("switch")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    world = World(state / "world")
    world.create(*build_site(Plan(switch_address="127.0.0.1", switch_port=port)))
    secrets = {"bmc_password": "-", "bmc_wrong_password": "-", "switch_password": PASSWORD, "become_password": "-"}
    (state / "secrets.json").write_text(json.dumps(secrets))
    process = subprocess.Popen([sys.executable, "-m", "lab.switch", "--state", str(state)], cwd=ROOT)
    try:
        target = Target("127.0.0.1", port, "npuforge", PASSWORD, str(state / "ssh" / "known_hosts"), 15)
        until(lambda: process.poll() is not None or listens(target), "the switch listens")
        yield Running(world, target)
    finally:
        process.terminate()
        process.wait(20)


def test_what_is_read_is_the_truth(switch: Running) -> None:
    truth = switch.world.read("sw1", "switches")
    found = switch.facts()
    assert found["reachable"] is True
    for key in ("manufacturer", "model", "serial", "part_number"):
        assert found["identity"][key] == truth[key], key
    assert truth["version"].startswith(found["version"])
    for kind, parts in (("psu", truth["psus"]), ("fan", truth["fans"])):
        assert found[kind]["present_count"] == len(parts)
        assert [part["slot"] for part in found[kind]["parts"]] == [part["slot"] for part in parts]
        assert found[kind]["unhealthy"] == found[kind]["unknown_health"] == []
    assert [part["serial"] for part in found["psu"]["parts"]] == [part["serial"] for part in truth["psus"]]
    assert found["notes"] == []


@pytest.mark.parametrize(
    ("kind", "change", "seen"),
    [
        ("psus", {"present": False}, lambda f: f["psu"]["present_count"] == 1),
        ("psus", {"health": "Critical"}, lambda f: [t.split(":")[0] for t in f["psu"]["unhealthy"]] == ["PWR1"]),
        ("fans", {"present": False}, lambda f: f["fan"]["present_count"] == 5),
        ("fans", {"health": "Critical"}, lambda f: [t.split(":")[0] for t in f["fan"]["unhealthy"]] == ["FAN1"]),
    ],
)
def test_what_breaks_is_seen(switch: Running, kind: str, change: dict[str, Any], seen: Any) -> None:
    with switch.world.update("sw1", "switches") as document:
        before = dict(document[kind][0])
        document[kind][0].update(change)
    try:
        assert seen(switch.facts())
    finally:
        with switch.world.update("sw1", "switches") as document:
            document[kind][0] = before
    assert switch.facts()["psu"]["unhealthy"] == []


def test_the_switch_says_that_it_is_simulated(switch: Running) -> None:
    assert switch.observation()["provenance"] == "simulated"


def test_labels_come_from_the_command_of_its_generation(switch: Running) -> None:
    raw = {" ".join(entry["argv"]): entry["rc"] for entry in read("sw1", switch.target)["raw"]}
    assert raw["display device elabel brief"] == 0
    assert not any("manufacture-info" in command for command in raw)


@pytest.mark.parametrize("name", SWITCH_FAULTS)
def test_a_fault_of_the_catalogue_is_caught_by_the_check_that_its_row_names(switch: Running, name: str) -> None:
    fault, engine = SWITCH_FAULTS[name], faults.Engine(switch.world)
    assert switch.findings() == set()
    engine.plant("sw1", name)
    try:
        if name == "switch_dead":
            until(lambda: not listens(switch.target), "it stops to listen")
        assert (fault.clause, fault.check, fault.verdict) in switch.findings()
    finally:
        engine.heal("sw1", name)
    until(lambda: listens(switch.target), "it listens again")
    assert switch.findings() == set()


def module(target: Target, *, check: bool = False) -> tuple[dict[str, Any], str]:
    """``ansible -m switch_info`` as a user runs it; the password goes in by file."""
    options = {
        "subject": "sw1",
        "address": target.address,
        "port": target.port,
        "user": target.user,
        "password": "{{ lookup('file', lookup('env', 'PASSWORD_FILE')) }}",
        "known_hosts": target.known_hosts,
        "timeout_seconds": target.timeout_seconds,
    }
    secret = Path(target.known_hosts).with_name("password")
    secret.write_text(target.password)
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible")), "localhost", "-i", "localhost,", "-c", "local", "-vvv",
            "-e", f"ansible_python_interpreter={sys.executable}",
            "-m", "switch_info", "-a", json.dumps(options), *(["--check"] if check else []),
        ],
        cwd=ROOT,
        env=dict(
            os.environ,
            ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"),
            ANSIBLE_STDOUT_CALLBACK="ansible.builtin.minimal",
            ANSIBLE_VAULT_PASSWORD_FILE=str(secret),
            PASSWORD_FILE=str(secret),
            LC_ALL="C.UTF-8",
        ),
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    text = done.stdout[done.stdout.index("localhost | SUCCESS") :]
    answer, _ = json.JSONDecoder().raw_decode(text[text.index("{") :])
    return answer, done.stdout + done.stderr


def test_the_module_also_in_check_mode_and_without_the_password_in_its_output(switch: Running) -> None:
    for check in (False, True):
        answer, output = module(switch.target, check=check)
        assert answer["changed"] is False
        [entry] = answer["observations"]
        assert entry["observation"]["facts"]["identity"]["serial"] == switch.world.read("sw1", "switches")["serial"]
        assert {raw["rc"] for raw in entry["raw"]} <= {0, 1}
        assert PASSWORD not in output


def test_a_wrong_password_is_an_observation_not_a_failure(switch: Running) -> None:
    answer, output = module(switch.target._replace(password="Wrong-Secret-4711"))
    [entry] = answer["observations"]
    assert entry["observation"]["facts"]["reachable"] is False
    assert "is refused" in entry["observation"]["facts"]["notes"][0]["problem"]
    assert "Wrong-Secret-4711" not in output
