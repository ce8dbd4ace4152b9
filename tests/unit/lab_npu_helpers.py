"""A world with NPU ports whose tools are called in process, and switch ports that are as a test says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lab import wires
from lab.hardware import Plan, build_site
from lab.npu import hccn
from lab.npu.call import Call, Gone
from lab.npu.runtime import Runtime
from lab.world import World

LOSSLESS: Mapping[str, Any] = {
    "trust_dscp": True,
    "queue_of": {33: 4, 48: 6},
    "pfc_priorities": [4],
    "pfc_enabled": True,
    "headroom": True,
    "xoff_ok": True,
    "ecn": {4: (204800, 614400, 5)},
    "turned_off": [],
    "mtu": 9216,
}
UNTOUCHED: Mapping[str, Any] = {
    **{"trust_dscp": False, "queue_of": {}, "pfc_priorities": [3], "pfc_enabled": False, "headroom": False},
    **{"xoff_ok": True, "ecn": {}, "turned_off": [], "mtu": 9216},
}


@dataclass
class Said:
    """What a call printed. ``text``: both streams in order."""

    rc: int | None = None
    out: str = ""
    err: str = ""
    text: str = ""


@dataclass
class Site:
    """Three nodes and a switch; ``ports`` overrides the state of single switch ports."""

    world: World
    runtime: Runtime = field(default_factory=Runtime)
    files: dict[str, dict[str, str | None]] = field(default_factory=dict)
    state: Mapping[str, Any] = field(default_factory=lambda: LOSSLESS)
    ports: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def port_state(self, _: Mapping[str, Any], port: str) -> Mapping[str, Any]:
        return {**self.state, **self.ports.get(port, {})}

    def call(self, node: str, *argv: str, heard: Callable[[str], None] | None = None) -> tuple[Call, Said]:
        said = Said()

        def send(message: dict[str, str]) -> None:
            [(stream, text)] = message.items()
            setattr(said, stream, getattr(said, stream) + text)
            said.text += text
            if heard:
                heard(said.text)

        files = self.files.setdefault(node, {"/etc/hccn.conf": ""})
        return Call(self.world, node, list(argv), dict(files), send, self.runtime), said

    def tool(self, node: str, *argv: str) -> Said:
        """One call of hccn_tool, to its end."""
        call, said = self.call(node, *argv)
        self._finish(call, said)
        return said

    def get(self, name: str, node: str = "node1", device: int = 2) -> Said:
        return self.tool(node, "-i", str(device), f"-{name}", "-g")

    def set(self, name: str, *words: str, node: str = "node1", device: int = 2) -> Said:
        return self.tool(node, "-i", str(device), f"-{name}", "-s", *words)

    def background(self, node: str, *argv: str, until: str = "") -> Running:
        """A call in a thread; returns when it has printed ``until``."""
        ready = threading.Event()
        call, said = self.call(node, *argv, heard=lambda text: ready.set() if until in text else None)
        running = Running(call, said, threading.Thread(target=self._finish, args=(call, said), daemon=True))
        running.thread.start()
        assert not until or ready.wait(5), f"{argv} did not say {until!r}: {said.text}"
        return running

    def _finish(self, call: Call, said: Said) -> None:
        try:
            said.rc = hccn.run(call)
        except Gone:
            pass
        finally:
            self.files[call.node].update(call.written)
            for done in call.after:
                done()

    def conf(self, node: str = "node1") -> str:
        return self.files[node]["/etc/hccn.conf"] or ""

    def net(self, node: str, slot: str) -> dict[str, Any]:
        net: dict[str, Any] = wires.npu_of(self.world.read(node), slot)["net"]  # type: ignore[index]  # it is there
        return net

    @contextmanager
    def change(self, node: str, slot: str) -> Iterator[dict[str, Any]]:
        """The ``net`` of one NPU, to break it."""
        with self.world.update(node) as document:
            yield next(npu for npu in document["npus"] if npu["slot"] == slot)["net"]

    @contextmanager
    def tools(self, node: str) -> Iterator[dict[str, Any]]:
        with self.world.update(node) as document:
            yield document["npu_tools"]

    @contextmanager
    def switch_port(self, name: str) -> Iterator[dict[str, Any]]:
        with self.world.update("sw1", "switches") as document:
            yield next(port for port in document["ports"] if port["name"] == name)

    def configure(self) -> None:
        """All 24 ports as the plan of a site would have them; the files are left empty."""
        for number, node in enumerate(self.world.names()):
            with self.world.update(node) as document:
                for index, npu in enumerate(document["npus"]):
                    npu["net"]["conf"] |= {
                        "address": address(number + 1, index + 1),
                        "netmask": "255.255.255.0",
                        "gateway": "10.88.0.1",
                        "netdetect": "10.88.0.1",
                        "mtu": 8192,
                        "bitmap": [0, 0, 0, 0, 1, 0, 0, 0],
                        "dscp_tc": {"33": 3},
                        "roce_port": 4791,
                    }


@dataclass
class Running:
    """A call that runs beside the test."""

    call: Call
    said: Said
    thread: threading.Thread

    def end(self, seconds: float = 10) -> Said:
        self.thread.join(seconds)
        assert not self.thread.is_alive(), f"still runs: {self.said.text}"
        return self.said

    def kill(self) -> None:
        """What killing the tool is: its caller goes away."""
        self.call.gone.set()
        self.thread.join(5)
        assert not self.thread.is_alive()


def address(node: int, npu: int) -> str:
    return f"10.88.0.{100 + 8 * (node - 1) + npu}"


def site(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    world = World(folder / "world")
    world.create(*build_site(Plan()))
    made = Site(world)
    monkeypatch.setattr(wires.roce, "port_state", made.port_state)
    return made
