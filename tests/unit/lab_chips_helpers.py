"""A server with eight simulated chips, and one call of ascend-dmi or npu-smi on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lab.hardware import Document, Plan, build_site
from lab.npu import dmi, smi
from lab.npu.call import Call
from lab.npu.runtime import Runtime
from lab.world import World


def node() -> Document:
    """The healthy node1."""
    return build_site(Plan(nodes=1))[1][0]


def chip(document: Document, slot: str) -> dict[str, Any]:
    found: dict[str, Any] = next(npu for npu in document["npus"] if npu["slot"] == slot)
    return found


def world(folder: Path, edit: Callable[[Document], None] = lambda _: None, nodes: int = 1) -> World:
    """A site whose node1 is as ``edit`` leaves it."""
    made = World(folder / "world")
    made.create(*build_site(Plan(nodes=nodes)))
    with made.update("node1") as document:
        edit(document)
    return made


def ascend_dmi(site: World, *argv: str) -> tuple[str, int]:
    """What it prints on node1 and its exit status; the waits are left out."""
    said: list[str] = []
    call = Quick(site, "node1", list(argv), {}, lambda message: said.extend(message.values()), Runtime())
    rc = dmi.run(call)
    return "".join(said), rc


class Quick(Call):
    """A call for which no time passes."""

    def wait(self, seconds: float) -> None:
        assert seconds >= 0
        super().wait(0)


def npu_smi(document: Mapping[str, Any], *argv: str) -> str:
    return smi.info(document, argv)[0]
