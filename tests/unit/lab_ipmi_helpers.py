"""A world with one or more nodes on loopback, the IPMI service in a process of its own, and ipmitool to ask it."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lab.hardware import Plan, build_site
from lab.world import World

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "planted-Ipmi7f3a"
USER = "npuforge"


def free_udp_port(address: str) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def until(true: Callable[[], object], what: str, seconds: float = 40.0) -> None:
    """Ask until it is true. An answer that fails (a BMC that restarts meanwhile) counts as not yet."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if true():
                return
            why = ""
        except AssertionError as error:
            why = f" ({error})"
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}{why}"
        time.sleep(0.05)


@dataclass
class FakeControl:
    """The Redfish service's control socket, keeping what it was asked. ``answers``: fixed answers by request."""

    path: Path
    power: str = "1"
    boot: str = "none"
    asked: list[str] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0

    def answer(self, request: str) -> str:
        self.asked.append(request)
        time.sleep(self.delay)
        if request in self.answers:
            return self.answers[request]
        words = request.split()
        if words[1] == "get":
            return self.power if words[2] == "power" else self.boot
        if words[1:3] == ["set", "power"]:
            self.power = words[3]
        elif words[1:3] == ["set", "boot"]:
            self.boot = words[3]
        return "ok"

    @contextlib.contextmanager
    def serving(self) -> Iterator[FakeControl]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(str(self.path))
            listener.listen()
            thread = threading.Thread(target=self._serve, args=(listener,))
            thread.start()
            try:
                yield self
            finally:
                listener.shutdown(socket.SHUT_RDWR)
                thread.join()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client, contextlib.suppress(ConnectionError):
                client.sendall(self.answer(client.makefile().readline().strip()).encode() + b"\n")


@dataclass
class Bench:
    """The service over a state directory. ``tool`` runs ipmitool against one node."""

    state: Path
    world: World
    process: subprocess.Popen[str]
    control: FakeControl | None = None

    def tool(self, *words: str, node: str = "node1", password: str = PASSWORD) -> subprocess.CompletedProcess[str]:
        bmc = self.world.read(node)["bmc"]
        where = ["-H", bmc["address"], "-p", str(bmc["ipmi_port"]), "-U", bmc["user"], "-E"]
        argv = ["ipmitool", "-I", "lanplus", "-C", "3", *where, *words]
        environment = {**os.environ, "IPMI_PASSWORD": password, "TZ": "UTC"}
        try:
            return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=15, check=False)
        except subprocess.TimeoutExpired:
            # ipmitool waits long for a BMC that was restarted in the middle of a session
            return subprocess.CompletedProcess(argv, 124, "", "no end within 15 s")

    def ask(self, *words: str) -> str:
        done = self.tool(*words)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def sdr(self) -> dict[str, str]:
        """``{sensor name: "ok | Presence detected"}`` of ``sdr elist``."""
        rows = [[cell.strip() for cell in line.split("|")] for line in self.ask("sdr", "elist").splitlines()]
        return {row[0]: f"{row[2]} | {row[4]}" for row in rows}

    def sel(self) -> list[str]:
        """The rows of ``sel elist`` from the date on."""
        output = self.ask("sel", "elist")
        return [line.split("|", 1)[1].strip() for line in output.splitlines() if "|" in line]


@contextlib.contextmanager
def bench(state: Path, nodes: int = 1) -> Iterator[Bench]:
    """A fresh world and the running service; both gone afterwards."""
    port = free_udp_port("127.88.1.11")
    world = World(state / "world")
    world.create(*build_site(Plan(nodes=nodes, bmc_network="127.88.1", ipmi_port=port, bmc_port=0)))
    (state / "secrets.json").write_text(json.dumps({"bmc_password": PASSWORD}), encoding="utf-8")
    with (state / "ipmi.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "lab.ipmi", "--state", str(state)], cwd=ROOT, stdout=log, stderr=log, text=True
        )
    running = Bench(state, world, process)
    try:
        until(lambda: (state / "ipmi.log").read_text().count("IPMI on") == nodes, "IPMI service is up")
        yield running
    finally:
        process.terminate()
        assert process.wait(10) == 0
    assert "ipmi_sim: **" not in (state / "ipmi.log").read_text()  # it understood every command
