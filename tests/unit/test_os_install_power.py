"""A simulated server that starts from its virtual CD: the installer instead of the system, until power says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import power
from lab.world import World
from tests.unit.lab_bmc_helpers import make_world


class Backend(power.WorldBackend):
    """Notes what is asked of it; ``alive``: whether a system runs."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.alive = True
        self.reboots = False

    def start(self, node: str) -> None:
        self.done.append("start")
        self.alive = True

    def kill(self, node: str) -> None:
        self.alive = False

    def running(self, node: str) -> bool | None:
        return self.alive

    def rebooting(self, node: str) -> bool:
        return self.reboots

    def install(self, world: World, node: str, install: str) -> None:
        assert world.read(node)["install"] == {"id": install, "state": "running"}
        self.done.append("install")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


def prepare(world: World, inserted: bool = True) -> Backend:
    with world.update("node1") as node:
        node["boot"].update(target="Cd", enabled="Once")
        node["virtual_media"].update(image="http://x/y.iso", inserted=inserted)
    return Backend()


def test_once_from_the_disc_and_then_from_the_disk(world: World) -> None:
    backend = prepare(world)
    power.apply(world, "node1", "cycle", backend)
    node = world.read("node1")
    assert backend.done == ["install"]
    assert (node["power"], node["booted_from"], node["boot"]["enabled"]) == ("on", "Cd", "Disabled")
    power.apply(world, "node1", "cycle", backend)
    assert backend.done == ["install", "start"]
    assert "install" not in world.read("node1")


def test_an_empty_drive_is_passed_over(world: World) -> None:
    backend = prepare(world, inserted=False)
    power.apply(world, "node1", "cycle", backend)
    assert backend.done == ["start"]


def test_a_restart_from_inside_starts_the_disc_as_well(world: World) -> None:
    backend = prepare(world)
    backend.alive, backend.reboots = False, True
    power.reconcile(world, "node1", backend)
    assert backend.done == ["install"]


def test_a_machine_without_a_system_stays_on_while_it_installs_or_stands_still(world: World) -> None:
    backend = prepare(world)
    power.apply(world, "node1", "cycle", backend)
    for state in ("running", "stopped"):
        with world.update("node1") as node:
            node["install"]["state"] = state
        power.reconcile(world, "node1", backend)
        assert world.read("node1")["power"] == "on"
    power.boot_from_disk(world, "node1", backend)
    node = world.read("node1")
    assert (backend.done, node["booted_from"], node["post"]) == (["install", "start"], "None", "in_progress")
    backend.alive = False
    power.reconcile(world, "node1", backend)
    assert world.read("node1")["power"] == "off"  # the new system ended, as any other


@pytest.mark.parametrize(("before", "after"), [("running", "done"), ("failed", "failed")])
def test_what_became_of_it_is_kept(world: World, before: str, after: str) -> None:
    backend = prepare(world)
    power.apply(world, "node1", "cycle", backend)
    with world.update("node1") as node:
        node["install"]["state"] = before
    power.boot_from_disk(world, "node1", backend)
    assert world.read("node1")["install"]["state"] == after


def test_nobody_starts_what_was_switched_off(world: World) -> None:
    backend = prepare(world)
    power.apply(world, "node1", "cycle", backend)
    power.apply(world, "node1", "force_off", backend)
    power.boot_from_disk(world, "node1", backend)
    assert (backend.done, world.read("node1")["power"]) == (["install"], "off")
