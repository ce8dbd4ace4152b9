"""Simulated kernels without FUSE: a machine over the healthy document of a node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lab.hardware import Plan, build_node
from lab.nodes.kernel.machine import Machine
from lab.nodes.kernel.sysctl import Below
from lab.nodes.kernel.tree import Attribute

TUNED = "isolcpus=managed_irq,domain,4-31,36-63 nohz_full=4-31,36-63 rcu_nocbs=4-31,36-63"


def document() -> dict[str, Any]:
    return build_node(Plan(), 1)


def machine(command_line: str = "quiet", etc: Path = Path("/nowhere"), **changes: Any) -> Machine:
    """Nothing of the machine that runs the tests is asked."""
    return Machine({**document(), **changes}, command_line, Below(None), etc)


def attribute(kernel: Machine, path: str) -> Attribute:
    found = kernel.root.find(path)
    assert isinstance(found, Attribute), path
    return found


def read(kernel: Machine, path: str) -> str:
    return attribute(kernel, path).show()


def write(kernel: Machine, path: str, text: str) -> None:
    store = attribute(kernel, path).store
    assert store is not None, f"{path} is read-only"
    store(text)


def names(kernel: Machine, path: str) -> list[str]:
    folder = kernel.root.find(path)
    return sorted(folder.filled())  # type: ignore[union-attr]  # a folder, or the test is wrong
