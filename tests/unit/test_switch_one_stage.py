"""One-stage switches over SSH with netmiko: read, enter, verify, save; and every way in which that goes wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import switch_comware_helpers as comware
import switch_sonic_helpers as sonic
from npuforge.switch.roce import run
from npuforge.switch.roce.driver import Driver, UnknownOs, driver_for
from npuforge.switch.roce.drivers import DRIVERS, one_stage_policy
from npuforge.switch.roce.model import Found
from npuforge.switch.roce.one_stage import Entry, Lost, Outcome, Policy, Terminal, apply
from npuforge.switch.roce.sonic_render import REFUSED, SAVED
from npuforge.switch.roce.transport import Line, configuring
from switch_line_ssh import Comware, bash, serving, sonic_home


def look(driver: Driver, session: Any, part: dict[str, Any]) -> Found:
    texts: dict[str, str | None] = {command: session.enter(command).text for command in driver.commands(part)}
    return driver.parse(texts, part)


@contextmanager
def session(serve: Any, folder: Path, os: str) -> Iterator[Any]:
    with serving(serve) as server, configuring(server.target(folder), os) as opened:
        yield opened


def everything(opened: Any, os: str, part: dict[str, Any]) -> Outcome:
    driver = driver_for(os)
    made = one_stage_policy(part, look(driver, opened, part), "npuforge-1", takeover=True)
    assert made is not None
    return apply(made, Line(opened), lambda: driver.verify(part, look(driver, opened, part)).sentences())


def test_comware_from_factory_to_plan(tmp_path: Path) -> None:
    model = Comware(comware.Switch())
    with session(model.serve, tmp_path, "h3c_comware") as opened:
        outcome = everything(opened, "h3c_comware", comware.part())
        again = one_stage_policy(comware.part(), look(driver_for("h3c_comware"), opened, comware.part()), "x")
    assert (outcome.applied, outcome.saved) == (True, True), outcome.message
    assert model.saved == model.switch.state()
    assert model.point is None, "confirmed"
    assert again is not None
    assert again.entries == ()


def test_comware_without_commit_delay_still_takes_back(tmp_path: Path) -> None:
    model = Comware(comware.Switch(), knows_delay=False)
    model.switch.refuses = ("wred queue 4 ecn",)
    before = model.switch.state()
    with session(model.serve, tmp_path, "h3c_comware") as opened:
        outcome = everything(opened, "h3c_comware", comware.part())
    assert (outcome.applied, outcome.rolled_back) == (False, True), outcome.message
    assert "'qos wred queue 4 ecn' was refused: % Unrecognized command" in outcome.message
    assert model.switch.state() == before
    assert model.saved == {}


@pytest.mark.parametrize("guarded", [True, False])
def test_comware_connection_lost_in_the_middle(tmp_path: Path, guarded: bool) -> None:
    model = Comware(comware.Switch(), knows_delay=guarded, dies_at="ingress-buffer dynamic")
    before = model.switch.state()
    with session(model.serve, tmp_path, "h3c_comware") as opened:
        outcome = everything(opened, "h3c_comware", comware.part())
    assert (outcome.applied, outcome.rolled_back, outcome.saved) == (False, False, False)
    assert outcome.unclear
    assert model.saved == {}
    if guarded:
        assert "the switch takes back what was entered within 300 s" in outcome.message
        assert model.switch.state() == before
    else:
        assert "hold now and are not saved" in outcome.message


def test_sonic_through_a_real_shell(tmp_path: Path) -> None:
    switch = sonic.Switch()
    environment = sonic_home(tmp_path, switch)
    part = sonic.part()
    with session(bash(environment), tmp_path, "sonic") as opened:
        outcome = everything(opened, "sonic", part)
    assert (outcome.applied, outcome.saved) == (True, True), outcome.message
    state = json.loads((tmp_path / "state.json").read_text())
    assert state["tables"]["DSCP_TO_TC_MAP"]["AZURE"]["33"] == "4"
    assert state["tables"]["PORT_QOS_MAP"]["Ethernet4"]["pfc_enable"] == "4"
    assert state["saved"] == state["tables"]
    assert state["checkpoints"] == {}
    assert list(tmp_path.glob("npuforge-*")) == []


def test_sonic_refusal_through_a_real_shell(tmp_path: Path) -> None:
    switch = sonic.Switch()
    switch.refuses = ("apply-patch",)
    environment = sonic_home(tmp_path, switch)
    with session(bash(environment), tmp_path, "sonic") as opened:
        outcome = everything(opened, "sonic", sonic.part())
    assert (outcome.applied, outcome.rolled_back) == (False, True), outcome.message
    state = json.loads((tmp_path / "state.json").read_text())
    assert state["tables"] == sonic.stock()
    assert state["saved"] == sonic.stock()
    assert list(tmp_path.glob("npuforge-*")) == []


def test_sudo_that_asks_for_a_password_is_a_refusal(tmp_path: Path) -> None:
    environment = sonic_home(tmp_path, sonic.Switch())
    (tmp_path / "bin" / "sudo").write_text('#!/bin/sh\nprintf "[sudo] password for admin: "\nread -r word\n')
    with session(bash(environment), tmp_path, "sonic") as opened:
        outcome = everything(opened, "sonic", sonic.part())
        assert opened.enter("echo alive").text == "alive"
    assert not outcome.applied
    assert "it asked '[sudo] password for admin" in outcome.message
    assert json.loads((tmp_path / "state.json").read_text())["tables"] == sonic.stock()


@pytest.mark.parametrize("os", ["h3c_comware", "sonic"])
def test_what_is_compared_reaches_the_facts(tmp_path: Path, os: str) -> None:
    """The way of ``switch_roce``: read with a session that only reads, compare, say what would be entered."""
    part = sonic.part() if os == "sonic" else comware.part()
    for port in part["ports"]:
        port["switch"] = "leaf1"
    serve = bash(sonic_home(tmp_path, sonic.Switch())) if os == "sonic" else Comware(comware.Switch()).serve
    request = run.Request(subject="leaf1", os=os, part=part, commit=False, takeover=False, check=True)
    with serving(serve) as server:
        result = run.run(request, server.target(tmp_path))
    assert (result.changed, result.failed) == (False, False), result.message
    assert result.lines
    switch, *ports = [entry["observation"]["facts"] for entry in result.observations]
    assert switch["roce"]["conflicts"] == []
    assert switch["roce"]["unsaved"] == []
    assert len(ports) == 2
    for facts in ports:
        assert (facts["link"], facts["speed_mbps"], facts["cabling_differences"]) == ("up", 200000, [])
        assert facts["trust_differences"]
        assert facts["pfc_differences"]
        assert facts["ecn_differences"]
        assert facts["counters"]["drops"] is not None


def test_drivers_by_command_line() -> None:
    assert sorted(DRIVERS) == ["h3c_comware", "huawei_vrpv8", "sonic"]
    for os in DRIVERS:
        assert driver_for(os).os == os
    with pytest.raises(UnknownOs, match="'ios'; there are h3c_comware, huawei_vrpv8, sonic"):
        driver_for("ios")
    assert one_stage_policy(sonic.part(), Found("huawei_vrpv8"), "x") is None


class Script(Terminal):
    """Answers by line; ``None`` is a lost connection."""

    def __init__(self, answers: dict[str, str | None]) -> None:
        self.answers = answers
        self.lines: list[str] = []

    def send(self, line: str) -> str:
        self.lines.append(line)
        answer = self.answers.get(line, "")
        if answer is None:
            raise Lost("gone")
        return answer


def policy(**more: Any) -> Policy:
    entries = (Entry("one", ("view a",), ("undo one",)), Entry("two", ("view a",)), Entry("three", (), ("undo three",)))
    return Policy(entries, REFUSED, SAVED, ("in",), ("out",), ("top",), save=("save",), **more)


def test_nothing_to_enter_types_nothing() -> None:
    terminal = Script({})
    outcome = apply(policy()._replace(entries=()), terminal)
    assert (outcome.applied, outcome.message, terminal.lines) == (False, "nothing to enter", [])


def test_the_way_back_is_the_way_there_reversed() -> None:
    terminal = Script({"three": "Error: no"})
    outcome = apply(policy(), terminal)
    assert outcome.rolled_back
    assert terminal.lines == [
        "in",
        "top",
        "view a",
        "one",
        "two",
        "top",
        "three",
        "out",
        "in",
        "top",
        "view a",
        "undo one",
        "out",
    ]


def test_a_line_that_cannot_be_taken_back_is_named() -> None:
    outcome = apply(policy(), Script({"three": "Error: no", "undo one": "Error: never"}))
    assert (outcome.applied, outcome.rolled_back) == (False, False)
    assert outcome.unclear == ("one",)
    assert "1 lines could not be taken back and are not saved" in outcome.message


@pytest.mark.parametrize(
    ("answers", "saved", "words"),
    [
        (
            {"save": "Error: flash is full"},
            False,
            "entered and verified, but not saved: 'save' was refused: Error: flash",
        ),
        ({"save": "hm"}, False, "the switch does not say that it saved"),
        ({"save": "Saved"}, True, "3 lines entered, verified and saved"),
    ],
)
def test_saving(answers: dict[str, str | None], saved: bool, words: str) -> None:
    outcome = apply(policy(), Script(answers))
    assert outcome.applied
    assert outcome.saved is saved
    assert words in outcome.message


def test_an_unconfirmed_guard_is_told() -> None:
    guard = {"guard": ("guard",), "confirm": ("confirm",), "guard_seconds": 300}
    outcome = apply(policy(**guard), Script({"confirm": "Error: no", "save": "Saved"}))
    assert not outcome.applied
    assert "did not take the confirmation and takes back what was entered within 300 s" in outcome.message


def test_a_verification_that_loses_the_session() -> None:
    def verify() -> list[str]:
        raise Lost("gone while reading")

    outcome = apply(policy(), Script({"save": "Saved"}), verify)
    assert not outcome.applied
    assert outcome.unclear == ("one", "two", "three")
