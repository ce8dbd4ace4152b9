"""A switch in a world of its own, with a clock that only moves when told, and the SSH service for clients."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.hardware import Plan, build_site
from lab.switch.cli import Cli
from lab.switch.device import Device
from lab.switch.store import Who
from lab.world import World

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "planted-Switch7f3"
ADDRESS = "127.88.2.1"


class Clock:
    def __init__(self, now: float = 1795500245.0) -> None:  # 2026-11-24 06:04:05 UTC
        self.now = now

    def __call__(self) -> float:
        return self.now


def device(folder: Path, clock: Clock | None = None) -> Device:
    world = World(folder / "world")
    world.create(*build_site(Plan(nodes=1)))
    made = Device(world, "sw1", clock or Clock())
    made.store.tick()  # as the service does when it starts
    return made


def session(of: Device, name: str = "s1") -> Cli:
    return Cli(of, Who("npuforge", "VTY 0", name))


def enter(cli: Cli, *lines: str) -> str:
    """What the last of these lines prints."""
    output = ""
    for line in lines:
        output = cli.enter(line)
    return output


@dataclass
class Service:
    state: Path
    world: World
    port: int
    process: subprocess.Popen[str]

    @property
    def log(self) -> str:
        return (self.state / "switch.log").read_text()


def free_port(address: str) -> int:
    with socket.create_server((address, 0)) as probe:
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    try:
        with socket.create_connection((ADDRESS, port), 1) as stream:
            return stream.recv(8).startswith(b"SSH-2.0")
    except OSError:
        return False


def until(true: Callable[[], object], what: str, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)


@contextlib.contextmanager
def service(state: Path, nodes: int = 1) -> Iterator[Service]:
    """``python -m lab.switch`` over a fresh world; gone afterwards."""
    port = free_port(ADDRESS)
    world = World(state / "world")
    world.create(*build_site(Plan(nodes=nodes, switch_address=ADDRESS, switch_port=port)))
    (state / "secrets.json").write_text(json.dumps({"switch_password": PASSWORD}), encoding="utf-8")
    with (state / "switch.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "lab.switch", "--state", str(state)], cwd=ROOT, stdout=log, stderr=log, text=True
        )
    try:
        until(lambda: answers(port), "the switch answers")
        yield Service(state, world, port, process)
    finally:
        process.terminate()
        assert process.wait(10) == 0
