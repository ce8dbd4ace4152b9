"""A twin whose network is provisioned as its plan says: NPU ports, files of the nodes, and the switch."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from lab import faults
from lab.faults import Engine
from lab.hardware import Plan, build_site
from lab.state import LabError
from lab.switch.cli import Cli
from lab.switch.device import Device
from lab.switch.store import Who
from lab.vendor.payload import NETWORK_UNIT
from lab.world import Document, World
from tests.unit.lab_npu_helpers import address

SUBJECT = {"nodes": "node2", "switches": "sw1"}
CATALOGUE = faults.load()
FABRIC = {name: fault for name, fault in CATALOGUE.items() if fault.clause.startswith("4.1.2-")}
HCCN_TOOL = "/usr/local/Ascend/driver/tools/hccn_tool"
SWITCH_LINES = (
    "qos buffer headroom-pool size 4096 kbytes slot 1",
    "dcb pfc npuforge",
    "priority 4",
    "undo priority 3",
    "quit",
    "dcb pfc dscp-mapping enable slot 1",
    "diffserv domain npuforge",
    "ip-dscp-inbound 33 phb af4 green",
    "ip-dscp-inbound 48 phb cs6 green",
    "quit",
    "drop-profile npuforge",
    "color green buffer-size low-limit 1048576 high-limit 2097152 discard-percentage 5",
    "quit",
)
PORT_LINES = (
    "undo flow-control",
    "trust dscp",
    "trust upstream npuforge",
    "dcb pfc enable npuforge mode manual",
    "dcb pfc buffer 4 xoff dynamic 6",
    "dcb pfc buffer 4 hdrm 40 kbytes",
    "qos queue 4 wred npuforge",
    "qos queue 4 ecn",
)


@dataclass
class Memory:
    """The files of the nodes, kept in memory; ``like``: what each file's mode and owner are."""

    content: dict[tuple[str, str], bytes] = field(default_factory=dict)
    like: dict[tuple[str, str], tuple[int, int, int]] = field(default_factory=dict)

    def read(self, node: str, path: str) -> bytes | None:
        return self.content.get((node, path))

    def write(self, node: str, path: str, content: bytes, like: tuple[int, int, int] | None = None) -> None:
        self.content[node, path] = content
        self.like.setdefault((node, path), like or (0o644, 0, 0))

    def remove(self, node: str, path: str) -> tuple[int, int, int]:
        if (node, path) not in self.content:
            raise LabError(f"{node} has no file {path}")
        del self.content[node, path]
        return self.like.pop((node, path))

    def state(self) -> tuple[dict[tuple[str, str], bytes], dict[tuple[str, str], tuple[int, int, int]]]:
        return dict(self.content), dict(self.like)


@dataclass
class Twin:
    world: World
    files: Memory

    @property
    def engine(self) -> Engine:
        return Engine(self.world, CATALOGUE, self.files)

    def content(self) -> dict[str, bytes]:
        return {str(path.relative_to(self.world.root)): path.read_bytes() for path in self.world.root.rglob("*.json")}

    def everything(self) -> tuple[object, ...]:
        return (self.content(), *self.files.state())


def provisioned(root: Path) -> Twin:
    """Three nodes and a switch after the fabric stage."""
    content, files = _template()
    for name, text in content.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text)
    return Twin(World(root), Memory(dict(files.content), dict(files.like)))


@functools.cache
def _template() -> tuple[dict[str, bytes], Memory]:
    """Its world and files, made once."""
    with tempfile.TemporaryDirectory() as folder:
        twin = _provision(World(Path(folder)))
        return twin.content(), twin.files


def _provision(world: World) -> Twin:
    world.create(*build_site(Plan()))
    files = Memory()
    for number, node in enumerate(world.names(), 1):
        with world.update(node) as document:
            lines = [line for npu in document["npus"] for line in _configure(number, npu)]
        files.write(node, "/etc/hccn.conf", "".join(f"{line}\n" for line in lines).encode())
        files.write(node, "/etc/npuforge/hccl.env", b"HCCL_RDMA_SL=4\nHCCL_RDMA_TC=132\n")
        files.write(node, "/etc/systemd/system/npu-network.service", NETWORK_UNIT.encode())
        files.write(node, HCCN_TOOL, b"#!/usr/bin/python3\n\xff\n", (0o755, 0, 0))
    operate(world, "sw1", [*SWITCH_LINES, *_port_lines(world)])
    return Twin(world, files)


def _configure(number: int, npu: Document) -> Iterable[str]:
    index = int(npu["slot"].removeprefix("NPU"))
    plan = {
        "address": address(number, index),
        "netmask": "255.255.255.0",
        "gateway": "10.88.0.1",
        "netdetect": "10.88.0.1",
        "mtu": 4200,
        "bitmap": [0, 0, 0, 0, 1, 0, 0, 0],
        "dscp_tc": {"33": 3},
        "roce_port": 4791,
        "tls_enable": 0,
    }
    npu["net"]["conf"] |= plan
    for key, value in plan.items():
        text = ",".join(map(str, value)) if isinstance(value, list) else "33:3," if key == "dscp_tc" else value
        yield f"{key}_{index - 1}={text}"


def _port_lines(world: World) -> Iterable[str]:
    for port in world.read("sw1", "switches")["ports"]:
        if port["neighbor"]:
            yield from (f"interface {port['name']}", *PORT_LINES, "quit")


def operate(world: World, switch: str, lines: Iterable[str]) -> None:
    """Enter lines from the system view on, commit and save."""
    cli = Cli(Device(world, switch), Who("npuforge", "VTY 0", "test"))
    for line in ("system-view", *lines, "commit", "return", "save", "y"):
        said = cli.enter(line)
        assert "Error" not in said, f"{line}: {said}"
    cli.end()
