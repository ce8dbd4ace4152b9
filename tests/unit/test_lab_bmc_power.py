"""The power button: what it does to the world, and how it drives containers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lab import power
from lab.world import World
from tests.unit.lab_bmc_helpers import make_world


class Recorder(power.WorldBackend):
    """Notes what is switched; ``is_running`` is what it says of the machine."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.is_running: bool | None = None

    def start(self, node: str) -> None:
        self.calls.append("start")

    def kill(self, node: str) -> None:
        self.calls.append("kill")

    def stop(self, node: str, seconds: int) -> None:
        self.calls.append("stop")

    def running(self, node: str) -> bool | None:
        return self.is_running


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path, nodes=1)


@pytest.mark.parametrize(
    ("start", "action", "calls", "end"),
    [
        ("on", "on", [], "on"),
        ("off", "on", ["start"], "on"),
        ("on", "force_off", ["kill"], "off"),
        ("off", "force_off", [], "off"),
        ("on", "graceful_off", ["stop"], "off"),
        ("on", "cycle", ["kill", "start"], "on"),
        ("on", "reset", ["kill", "start"], "on"),
        ("on", "graceful_restart", ["stop", "start"], "on"),
        ("on", "nmi", [], "on"),
    ],
)
def test_actions(world: World, start: str, action: str, calls: list[str], end: str) -> None:
    with world.update("node1") as node:
        node["power"] = start
    backend = Recorder()
    power.apply(world, "node1", action, backend)
    assert backend.calls == calls
    assert world.read("node1")["power"] == end
    assert (world.read("node1")["post"] == "in_progress") == ("start" in calls)


@pytest.mark.parametrize("action", ["cycle", "reset", "graceful_restart", "nmi"])
def test_what_is_off_cannot_be_restarted(world: World, action: str) -> None:
    power.apply(world, "node1", "force_off", Recorder())
    backend = Recorder()
    with pytest.raises(power.PowerError, match="powered off"):
        power.apply(world, "node1", action, backend)
    assert backend.calls == []


def test_unknown_actions_and_machines_without_input_are_refused(world: World) -> None:
    with pytest.raises(ValueError, match="explode"):
        power.apply(world, "node1", "explode", Recorder())
    with world.update("node1") as node:
        node["power"] = "off"
        for psu in node["psus"]:
            psu["input_connected"] = False
    with pytest.raises(power.PowerError, match="no power supply"):
        power.apply(world, "node1", "on", Recorder())


def test_the_self_test_takes_its_time_and_keeps_its_result(world: World) -> None:
    with world.update("node1") as node:
        node["post"] = "failed"
    power.apply(world, "node1", "cycle", Recorder())
    power.settle(world, "node1")
    assert world.read("node1")["post"] == "in_progress", "0.4 s are not over"
    time.sleep(0.45)
    power.settle(world, "node1")
    assert world.read("node1")["post"] == "failed", "nobody removed the cause"


def test_a_boot_uses_up_what_waited_for_it(world: World) -> None:
    with world.update("node1") as node:
        node["boot"].update(target="Pxe", enabled="Once")
        node["bios"].update(pending_version="7.45", pending_attributes={"QuickBoot": "Disabled"})
    power.apply(world, "node1", "reset", Recorder())
    node = world.read("node1")
    assert node["booted_from"] == "Pxe"
    assert (node["boot"]["target"], node["boot"]["enabled"]) == ("None", "Disabled")
    assert node["bios"]["version"] == "7.45"
    assert node["bios"]["attributes"] == {"QuickBoot": "Disabled"}
    assert "pending_version" not in node["bios"]


def test_a_continuous_boot_source_stays(world: World) -> None:
    with world.update("node1") as node:
        node["boot"].update(target="Hdd", enabled="Continuous")
    power.apply(world, "node1", "reset", Recorder())
    assert world.read("node1")["boot"]["target"] == "Hdd"


def test_a_machine_that_went_off_by_itself_is_noticed(world: World) -> None:
    backend = Recorder()
    power.reconcile(world, "node1", backend)
    assert world.read("node1")["power"] == "on", "a backend without an opinion changes nothing"
    backend.is_running = False
    power.reconcile(world, "node1", backend)
    assert world.read("node1")["power"] == "off"
    backend.is_running = True
    power.reconcile(world, "node1", backend)
    assert (world.read("node1")["power"], world.read("node1")["post"]) == ("on", "in_progress")
    assert backend.calls == [], "looking must not switch"


def test_nobody_looks_while_the_button_is_pressed(world: World) -> None:
    pressed, release = threading.Event(), threading.Event()

    class Slow(Recorder):
        def kill(self, node: str) -> None:
            pressed.set()
            release.wait(10)

    slow = Slow()
    slow.is_running = False
    thread = threading.Thread(target=power.apply, args=(world, "node1", "cycle", slow))
    thread.start()
    assert pressed.wait(10)
    power.reconcile(world, "node1", slow)
    assert world.read("node1")["power"] == "on", "in the middle of a cycle nothing is to be seen"
    release.set()
    thread.join(10)
    assert slow.calls == ["start"]


@pytest.fixture
def podman(tmp_path: Path) -> tuple[power.PodmanBackend, Path]:
    """A stand-in for podman that keeps one container's state in a file; the real one is tried on the twin."""
    script = tmp_path / "podman"
    script.write_text(
        f"""#!{sys.executable}
import json, pathlib, subprocess, sys
here = pathlib.Path({str(tmp_path)!r})
with (here / "calls").open("a") as log: log.write(" ".join(sys.argv[1:]) + "\\n")
state = json.loads((here / "state.json").read_text())
if sys.argv[-1] != "npuforge-twin-node1":
    sys.exit("Error: no such container " + sys.argv[-1])
if sys.argv[1] == "container":
    print(json.dumps(state))
elif sys.argv[1] in ("kill", "stop"):
    state["Running"] = False
elif sys.argv[1] == "start":
    state["Running"] = True
(here / "state.json").write_text(json.dumps(state))
"""
    )
    script.chmod(0o755)
    (tmp_path / "state.json").write_text(json.dumps({"Running": True, "Pid": os.getpid()}))
    return power.PodmanBackend("twin", [str(script)]), tmp_path


def calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text().splitlines()


def test_podman_is_asked_once_for_a_process_that_lives(podman: tuple[power.PodmanBackend, Path]) -> None:
    backend, folder = podman
    assert [backend.running("node1") for _ in range(5)] == [True] * 5
    assert len(calls(folder)) == 1
    done = subprocess.Popen(["true"])
    done.wait()
    backend._processes["node1"] = (done.pid, "0")
    assert backend.running("node1") is True
    assert len(calls(folder)) == 2, "the known process is gone, so podman is asked again"


def test_podman_commands(podman: tuple[power.PodmanBackend, Path]) -> None:
    backend, folder = podman
    backend.kill("node1")
    assert backend.running("node1") is False
    backend.kill("node1")  # not running: nothing to kill
    backend.start("node1")
    backend.stop("node1", 7)
    done = [line for line in calls(folder) if not line.startswith("container inspect")]
    assert done == ["kill npuforge-twin-node1", "start npuforge-twin-node1", "stop -t 7 npuforge-twin-node1"]


def test_podman_that_fails_says_why(podman: tuple[power.PodmanBackend, Path]) -> None:
    backend, _ = podman
    assert backend.running("node9") is None
    with pytest.raises(power.PowerError, match="no such container npuforge-twin-node9"):
        backend.start("node9")
    with pytest.raises(power.PowerError, match="podman start"):
        power.PodmanBackend("twin", ["/nowhere/podman"]).start("node1")
