"""The switch side of the fabric and the twin's switch, written from the same manual by two hands, meet over SSH.

The switch is a process of its own on a world of its own; the running twin is not touched. The plan is the twin's. What
the switch does afterwards is asked of the twin's physics (``lab.switch.roce.port_state``), not of our own reading.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from npuforge.fabric.plan import switch_part
from npuforge.switch import reboot
from npuforge.switch.roce import run
from npuforge.switch.session import Configurator, Entered, SessionError, Target

from controller.fabric import source
from lab import faults
from lab.hardware import Plan, build_site
from lab.switch import roce
from lab.switch.config import Tree
from lab.world import World
from tests.unit.lab_switch_helpers import ADDRESS, PASSWORD, Service, service
from tests.unit.switch_roce_run import verdicts

ROOT = Path(__file__).resolve().parents[2]
PORT = "400GE1/0/6:1"


def twin_plan() -> dict[str, Any]:
    """The part for sw1 of the plan that the twin's inventory gives."""
    base = ROOT / "inventory" / "twin"

    def read(path: str) -> dict[str, Any]:
        return yaml.safe_load((base / path).read_text(encoding="utf-8")) or {}

    children = read("hosts.yml")["all"]["children"]
    site = read("group_vars/all/site.yml")
    groups = {group: list(entry["hosts"]) for group, entry in children.items()}
    values = {
        host: {**site, **read(f"group_vars/{group}.yml"), **(entry["hosts"][host] or {})}
        for group, entry in children.items()
        for host in entry["hosts"]
    }
    plan = source.plan_of(base, groups, lambda host, name: values[host].get(name), site.get)
    return switch_part(plan, "sw1")


PLAN = twin_plan()
PORTS = PLAN["switches"]["sw1"]["ports"]


@dataclass
class Switch:
    """The twin's switch, and the module against it."""

    service: Service
    known_hosts: Path

    @property
    def world(self) -> World:
        return self.service.world

    @property
    def document(self) -> dict[str, Any]:
        return dict(self.world.read("sw1", "switches"))

    @property
    def config(self) -> dict[str, Any]:
        return dict(self.document["config"])

    def target(self, password: str = PASSWORD) -> Target:
        return Target(ADDRESS, self.service.port, "npuforge", password, str(self.known_hosts), 15)

    def apply(self, plan: dict[str, Any] = PLAN, **options: Any) -> run.Result:
        fields = {"commit": True, "takeover": False, "check": False, **options}
        opened = fields.pop("opened", None)
        result = run.run(run.Request("sw1", "huawei_vrpv8", plan, **fields), self.target(), opened, lambda _: None)
        assert PASSWORD not in json.dumps(result.observations)
        return result

    def enter(self, *lines: str, save: bool = True) -> None:
        """A human configures, commits and perhaps saves."""
        with Configurator(self.target()) as session:
            for line in ("system-view", *lines, "commit", "return"):
                said = session.enter(line)
                assert "Error:" not in said.text, (line, said.text)
            if save:
                session.enter("save", answer="Y")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Switch]:
    state = tmp_path_factory.mktemp("roce")
    with service(state) as made:
        # The helper's world has one node; this one has the twin's three, at the same address.
        document = build_site(Plan(switch_address=ADDRESS, switch_port=made.port))
        fresh = World(state / "fresh")
        fresh.create(*document)
        with made.world.update("sw1", "switches") as switch:
            switch["ports"] = fresh.read("sw1", "switches")["ports"]
            switch.pop("config", None)
        yield Switch(made, state / "ssh" / "known_hosts")


@pytest.fixture
def switch(running: Switch) -> Iterator[Switch]:
    """As it was delivered; put back afterwards."""
    before = copy.deepcopy(running.world.read("sw1", "switches"))
    before.pop("config", None)
    with running.world.update("sw1", "switches") as document:
        document.pop("config", None)
    yield running
    with running.world.update("sw1", "switches") as document:
        document.clear()
        document.update(before)


@pytest.fixture
def configured(switch: Switch) -> Switch:
    result = switch.apply()
    assert (result.changed, result.failed) == (True, False), result.message
    return switch


def facts(result: run.Result, subject: str = "sw1") -> dict[str, Any]:
    (entry,) = [each for each in result.observations if each["observation"]["subject"]["id"] == subject]
    made: dict[str, Any] = entry["observation"]["facts"]
    return made


def found(result: run.Result, port: str = PORT) -> dict[str, Any]:
    return {
        key: value
        for key, value in facts(result, f"sw1/{port}").items()
        if key.endswith(("_differences", "_problems")) and value != []
    }


def test_from_delivered_to_lossless_and_then_nothing_more(switch: Switch) -> None:
    compared = switch.apply(commit=False)
    assert (compared.changed, compared.failed) == (False, False)
    assert set(found(compared)) == {f"{what}_differences" for what in ("trust", "pfc", "buffer", "ecn")}
    assert switch.config["commits"][-1]["type"] == "RESTORE"  # nobody committed anything

    first = switch.apply()
    assert (first.changed, first.failed) == (True, False), first.message
    document = switch.document
    assert document["config"]["running"] == document["config"]["saved"]
    for port in PORTS:
        state = roce.port_state(document, port)
        assert (state["trust_dscp"], state["queue_of"][33], state["queue_of"][48]) == (True, 4, 6)
        assert (state["pfc_enabled"], state["pfc_priorities"], state["turned_off"]) == (True, [4], [])
        assert (state["headroom"], state["xoff_ok"]) == (True, True)
        assert state["ecn"] == {4: [1048576, 2097152, 5]}
    made = facts(first)
    assert (made["notes"], made["roce"]["differences"], made["roce"]["unsaved"]) == ([], [], [])
    for port in PORTS:
        assert found(first, port) == {}
        assert facts(first, f"sw1/{port}")["pfc_turned_off"] is False
        assert facts(first, f"sw1/{port}")["speed_mbps"] == 200000

    commits = switch.config["commits"]
    started = time.monotonic()
    second = switch.apply()
    seconds = time.monotonic() - started
    assert (second.changed, second.failed, second.lines) == (False, False, [])
    assert switch.config["commits"] == commits
    assert seconds < 12, f"a run that changes nothing took {seconds:.1f} s"


def test_what_was_saved_survives_a_restart_and_what_was_not_is_found_before_it(configured: Switch) -> None:
    configured.enter(f"interface {PORT}", "undo trust dscp", "quit", save=False)
    compared = configured.apply(commit=False)
    assert facts(compared)["roce"]["unsaved"] == [f"- interface {PORT}: trust dscp"]
    assert found(compared) == {"trust_differences": [f"{PORT}: trust is 802.1p, planned dscp"]}
    with Configurator(configured.target()) as session, pytest.raises(reboot.Refused, match="1 lines are not as saved"):
        reboot.plan(session, False)
    with Configurator(configured.target()) as session:
        plan = reboot.plan(session, True)
        reboot.send(session)
    reboot.wait(lambda: Configurator(configured.target()), plan.before, 60)
    again = configured.apply(commit=False)
    assert (again.lines, facts(again)["roce"]["unsaved"]) == ([], [])


def test_a_model_that_refuses_the_headroom_pool_is_left_as_it_was(switch: Switch) -> None:
    with switch.world.update("sw1", "switches") as document:
        document["model"] = "CE6866-48S8CQ-P"
    assert switch.apply(commit=False).lines
    before = switch.config
    result = switch.apply()
    assert (result.changed, result.failed) == (False, True)
    assert "headroom-pool" in result.message
    assert result.message.endswith("the candidate was cleared, the switch runs what it ran before")
    assert switch.config == before
    # With the plan of its family it is configured.
    plan = copy.deepcopy(PLAN)
    plan["switches"]["sw1"].update(
        headroom_pool_kib=None, dscp_mapping=False, buffer={"form": "dynamic", "xon": 4, "xoff": 6}
    )
    result = switch.apply(plan)
    assert (result.changed, result.failed) == (True, False), result.message
    assert roce.port_state(switch.document, PORT)["pfc_priorities"] == [4]
    assert switch.apply(plan).lines == []


class Cut(Configurator):
    """Loses its connection when it is about to enter a line."""

    at = ""

    def enter(self, line: str, answer: Any = "N", timeout_seconds: float | None = None) -> Entered:
        if line == self.at:
            self.drop()
            raise SessionError(f"{line!r}: the connection is gone (EOFError)")
        return super().enter(line, answer, timeout_seconds)


@pytest.mark.parametrize("line", ["commit trial 120", "commit"])
def test_a_lost_connection_ends_in_what_ran_before(switch: Switch, line: str) -> None:
    switch.apply(commit=False)
    before = switch.config["running"]

    class Once(Cut):
        at = line

    result = switch.apply(opened=lambda target, os: Once(target))
    assert (result.changed, result.failed) == (False, True)
    assert result.message.endswith("the session was lost; the switch runs the configuration from before")
    assert switch.config["running"] == before
    assert switch.config["trial"] is None


def test_a_human_in_the_middle_of_a_trial_is_left_alone(configured: Switch) -> None:
    configured.enter(f"interface {PORT}", "undo trust dscp", "quit")
    with Configurator(configured.target()) as human:
        for line in ("system-view", "interface 10GE1/0/1", "description trying", "commit trial 600"):
            human.enter(line)
        commits = configured.config["commits"]
        result = configured.apply()
        assert (result.changed, result.failed) == (False, True)
        assert "a trial run of somebody else is active" in result.message
        assert facts(result)["roce"]["uncommitted"][0].startswith("a trial run of the configuration is active")
        assert configured.config["commits"] == commits
        human.enter("abort trial", answer="Y")
    assert configured.apply().changed


CONFLICTS = [
    (("flow-control",), "802.3x flow control is configured (flow-control), which excludes PFC"),
    (("trust 8021p outer",), "trust is configured as 802.1p (trust 8021p outer), planned dscp"),
    (("dcb pfc enable mode manual",), "PFC profile default is applied with priorities 3, planned 4"),
]


@pytest.mark.parametrize(("lines", "sentence"), CONFLICTS, ids=["flow control", "802.1p", "priority 3"])
def test_peoples_configuration_is_replaced_only_when_asked(switch: Switch, lines: Any, sentence: str) -> None:
    pool = "qos buffer headroom-pool size 4 mbytes slot 1"  # which PFC needs, whoever enables it
    switch.enter(pool, f"interface {PORT}", *lines, "quit", "interface 10GE1/0/1", "description to the core", "quit")
    first = switch.apply()
    assert (first.changed, first.failed) == (True, False), first.message
    assert facts(first)["roce"]["conflicts"] == [f"{PORT}: {sentence}"]
    view = Tree.from_json(switch.config["running"]).lines((f"interface {PORT}",))
    assert set(lines) <= set(view)
    assert roce.port_state(switch.document, PORTS[0])["pfc_priorities"] == [4]
    taken = switch.apply(takeover=True)
    assert (taken.changed, taken.failed) == (True, False), taken.message
    assert found(taken) == {}
    assert roce.port_state(switch.document, PORT)["pfc_priorities"] == [4]
    core = Tree.from_json(switch.config["running"]).lines(("interface 10GE1/0/1",))
    assert core == ["description to the core"]


CATALOGUE = faults.load()
CAUGHT = [
    name
    for name, fault in CATALOGUE.items()
    if fault.kind == "switches" and fault.check.startswith(("fabric.switch_", "fabric.pfc_active"))
]


def findings(result: run.Result) -> set[tuple[str, str]]:
    """``(check, subject)`` of what the contract does not accept of the switch and its ports."""
    return {key for key, verdict in verdicts(result).items() if verdict != "pass"}


def test_every_fault_of_the_switch_is_caught_by_its_check_at_its_port(configured: Switch) -> None:
    """Compared only, so that the run does not heal it; and nothing is found before and after."""
    engine = faults.Engine(configured.world)
    assert findings(configured.apply(commit=False)) == set()
    assert len(CAUGHT) > 10
    for name in CAUGHT:
        engine.plant("sw1", name)
        result = configured.apply(commit=False)
        assert result.failed is False
        assert (CATALOGUE[name].check, CATALOGUE[name].names) in findings(result), (name, findings(result))
        engine.heal("sw1", name)
    assert findings(configured.apply(commit=False)) == set()


def test_wrong_password_is_an_observation_and_leaves_the_switch_alone(switch: Switch) -> None:
    request = run.Request("sw1", "huawei_vrpv8", PLAN, False, False, False)
    result = run.run(request, switch.target("Wrong-Password-1"))
    assert (result.changed, result.failed) == (False, False)
    assert "refused (wrong password, or not allowed)" in result.message
    assert facts(result)["roce"]["differences"] is None
    assert len(result.observations) == 1 + len(PORTS)
