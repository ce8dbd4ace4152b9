"""A human's session on the switch as a fault: it goes through the switch's own command line and is taken back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.faults import Engine, Fault, Session
from lab.hardware import Plan, build_site
from lab.state import LabError
from lab.switch.device import Device
from lab.switch.store import Store
from lab.world import World
from tests.unit.lab_faults_helpers import operate

PORT, OTHER = "400GE1/0/6:1", "400GE1/0/7:1"


def fault(name: str, *lines: str, save: bool = True) -> Fault:
    session = Session(lines, save)
    return Fault(name, "switches", "x", "4.1.2-1", "c", "fail", "one", (), None, session)


MINE = fault("mine", f"interface {PORT}", "description mine", "mtu 1500", "quit", "sysname other")
UNSAVED = fault("unsaved", f"interface {PORT}", "description unsaved", save=False)
OFF = fault("off", f"interface {OTHER}", "shutdown", "undo description")
ALL = {item.name: item for item in (MINE, UNSAVED, OFF)}


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path / "world")
    made.create(*build_site(Plan(nodes=2)))
    operate(made, "sw1", [f"interface {PORT}", "description planned", "quit", f"interface {OTHER}", "description two"])
    return made


def content(world: World) -> bytes:
    return (world.root / "switches" / "sw1.json").read_bytes()


def store(world: World) -> Store:
    return Device(world, "sw1").store


def line(world: World, key: str = "description", port: str = PORT, saved: bool = False) -> str | None:
    tree = store(world).saved() if saved else store(world).running()
    return tree.get((f"interface {port}",), key)


@pytest.mark.parametrize("name", ALL)
def test_a_session_is_taken_back_to_the_byte(world: World, name: str) -> None:
    before = content(world)
    engine = Engine(world, ALL)
    engine.plant("sw1", name)
    assert content(world) != before
    assert engine.heal("sw1", name) == [f"sw1: {name} healed"]
    assert content(world) == before


def test_a_switch_that_nobody_has_asked_yet_has_no_configuration_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.create(*build_site(Plan(nodes=2)))
    before = content(world)
    engine = Engine(world, ALL)
    engine.plant("sw1", "mine")
    engine.heal("sw1", "mine")
    assert content(world) == before


def test_what_the_session_did_runs_and_is_saved_as_the_row_says(world: World) -> None:
    engine = Engine(world, ALL)
    engine.plant("sw1", "mine")
    assert line(world) == line(world, saved=True) == "description mine"
    engine.heal("sw1")
    engine.plant("sw1", "unsaved")
    assert (line(world), line(world, saved=True)) == ("description unsaved", "description planned")
    assert store(world).state()["commits"][-1]["user"] == "admin"
    store(world).reboot()
    assert line(world) == "description planned"


def test_a_line_that_the_switch_refuses_changes_nothing(world: World) -> None:
    before = content(world)
    bad = fault("bad", f"interface {PORT}", "description half", "dcb nonsense")
    with pytest.raises(LabError, match=r"sw1 refuses dcb nonsense: Error: .* Is it configured as planned"):
        Engine(world, {"bad": bad}).plant("sw1", "bad")
    assert content(world) == before


def test_a_refused_line_on_a_switch_that_nobody_has_asked_yet(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.create(*build_site(Plan(nodes=2)))
    before = content(world)
    with pytest.raises(LabError, match="refuses"):
        Engine(world, {"bad": fault("bad", "sysname other", "nonsense")}).plant("sw1", "bad")
    assert content(world) == before


def test_a_switch_without_power_cannot_be_configured(world: World) -> None:
    with world.update("sw1", "switches") as switch:
        switch["power"] = "off"
    before = content(world)
    with pytest.raises(LabError, match="sw1 is off"):
        Engine(world, ALL).plant("sw1", "mine")
    assert content(world) == before


def test_values_of_the_same_fault_that_cannot_be_set_take_the_session_back(world: World) -> None:
    from lab.faults import Change

    before = content(world)
    both = replace(MINE, changes=(Change("ports[none].link", "down"),))
    with pytest.raises(LabError, match="has nothing at"):
        Engine(world, {"mine": both}).plant("sw1", "mine")
    assert content(world) == before


def test_what_others_configured_meanwhile_stays(world: World) -> None:
    engine = Engine(world, ALL)
    engine.plant("sw1", "mine")
    operate(world, "sw1", [f"interface {OTHER}", "description theirs", "quit", f"interface {PORT}", "mtu 9000"])
    [healed, said] = engine.heal("sw1", "mine")
    assert healed == "sw1: mine healed"
    assert said == "sw1: 1 of the session's lines were changed meanwhile and stay as they are"
    for saved in (False, True):
        assert line(world, saved=saved) == "description planned"
        assert line(world, "mtu", saved=saved) == "mtu 9000"
        assert line(world, port=OTHER, saved=saved) == "description theirs"
    assert Device(world, "sw1").sysname() == "sw1"


def test_a_session_that_was_repaired_is_left(world: World) -> None:
    engine = Engine(world, ALL)
    engine.plant("sw1", "unsaved")
    operate(world, "sw1", [f"interface {PORT}", "description planned"])
    engine.heal("sw1")
    assert line(world) == line(world, saved=True) == "description planned"


def test_an_unsaved_session_that_a_reboot_has_undone_heals(world: World) -> None:
    engine = Engine(world, ALL)
    engine.plant("sw1", "unsaved")
    store(world).reboot()
    engine.heal("sw1")
    assert line(world) == "description planned"
    assert engine.planted("sw1") == []


def test_many_commits_later_the_oldest_are_still_there(world: World) -> None:
    for number in range(21):
        operate(world, "sw1", [f"interface {PORT}", f"description d{number}"])
    before = content(world)
    engine = Engine(world, ALL)
    engine.plant("sw1", "mine")
    engine.heal("sw1")
    assert content(world) == before


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.sampled_from(sorted(ALL))), max_size=8))
def test_any_sequence_ends_with_the_same_configuration(steps: list[tuple[bool, str]]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        world.create(*build_site(Plan(nodes=2)))
        operate(world, "sw1", [f"interface {PORT}", "description planned"])
        before = store(world).running(), store(world).saved()
        engine = Engine(world, ALL)
        for plant, name in steps:
            if plant:
                engine.plant("sw1", name)
            else:
                engine.heal("sw1", name)
        engine.heal_all()
        assert (store(world).running(), store(world).saved()) == before


def test_sessions_on_one_line_heal_in_any_order(world: World) -> None:
    for order in (("mine", "unsaved"), ("unsaved", "mine")):
        engine = Engine(world, ALL)
        engine.plant("sw1", "mine")
        engine.plant("sw1", "unsaved")
        for name in order:
            engine.heal("sw1", name)
        assert line(world) == line(world, saved=True) == "description planned"


def test_a_lock_keeps_sessions_out_but_not_healing(world: World) -> None:
    engine = Engine(world, ALL)
    engine.plant("sw1", "mine")
    with world.update("sw1", "switches") as switch:
        switch["config_lock"] = {"user": "other", "lines": ["sysname mad"]}
    with pytest.raises(LabError, match="locked by user other"):
        engine.plant("sw1", "off")
    broken = store(world).running()
    engine.heal("sw1", "mine")
    assert store(world).running() != broken
    assert line(world) == line(world, saved=True) == "description planned"
