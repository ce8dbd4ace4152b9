"""What both bandwidth tests share: one at a time on a node, on free chips, and nothing that runs on after it."""

from __future__ import annotations

import contextlib
import os
import signal
from types import FrameType
from typing import Any, Iterator, Mapping, NamedTuple, Sequence

from ..common import Document, note
from ..fabric.tool import Tool
from . import chips_idle, dmi_run, npu_info
from .dmi_guard import Guard, end_marked
from .files import Files

LOCK_PATH = "/run/npuforge-dmi.lock"
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Stopped(Exception):
    """A signal ended the test; nothing of it runs on."""


class Session(NamedTuple):
    """``dmi``: ready to measure. ``notes``: what may make the figures worse, or could not be prepared. ``smi``: the
    runner of npu-smi, whose calls end with the session too."""

    dmi: dmi_run.Dmi
    notes: list[dict[str, str]]
    smi: Any = None


@contextlib.contextmanager
def session(
    program: str,
    files: Sequence[str],
    limits: dmi_run.Limits,
    *,
    npu_smi: str = "npu-smi",
    lock_seconds: float = 60.0,
    root: str = "/",
) -> Iterator[Session]:
    """Prepare ``ascend-dmi``, and end all that it started when the block ends. Enter it before any thread is started.

    :raises files.Locked: another test runs on this node.
    :raises Stopped: SIGTERM, SIGINT or SIGHUP came.
    """
    tools = [Tool(program), Tool(npu_smi, width=npu_info.WIDTH)]
    with Guard(root) as guard, _signals(tools), Files(root, lock_seconds).lock(LOCK_PATH):
        notes = []
        # Only a test that the watcher could not end either (both killed) leaves something; nobody else holds the lock.
        ended = end_marked(guard.scope)
        if ended:
            notes.append(note("ascend-dmi", f"{ended} processes of an earlier test were ended"))
        for name in dmi_run.exporters():
            notes.append(note("ascend-dmi", f"{name} reads the chips meanwhile: figures may be lower"))
        variables, used, problem = dmi_run.environment(files, dict(os.environ, LC_ALL="C", **guard.mark))
        if problem is not None:
            notes.append(note("ascend-dmi", problem))
        elif not used:
            notes.append(note("ascend-dmi", f"none of {', '.join(files)} is there: the program's own environment"))
        tools[0].environment.update(variables)
        for tool in tools:
            tool.environment.update(guard.mark)
        try:
            yield Session(dmi_run.Dmi(tools[0], limits), notes, tools[1])
        finally:
            for tool in tools:
                tool.stop()


@contextlib.contextmanager
def _signals(tools: Sequence[Tool]) -> Iterator[None]:
    """The first of the signals ends the block with ``Stopped``; later ones wait until the children are gone.

    :param tools: their calls end at once, so that threads which wait for one do not hold up the end.
    """
    caught: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        if not caught:
            caught.append(number)
            for tool in tools:
                tool.stopping.set()
            raise Stopped(f"stopped by signal {number}")

    kept = {number: signal.signal(number, stop) for number in _SIGNALS}
    try:
        yield
    finally:
        caught.append(0)
        for number, handler in kept.items():
            signal.signal(number, handler)


class Chips(NamedTuple):
    """``rows``: as ``npu_info.chips_of``, each with its ``place`` (``NPU3``). ``busy``: sentences."""

    rows: list[Document]
    busy: list[str]
    seen: npu_info.Seen


def look(
    smi: Any,
    types: Sequence[str],
    idle_percent: float,
    traffic: Mapping[tuple[int, int], float] | None = None,
    seen: npu_info.Seen | None = None,
) -> Chips:
    """The node's chips and who uses them, by ``npu-smi``. ``seen``: what was read before, then nothing is asked."""
    known = npu_info.read(smi, types) if seen is None else seen
    rows = [dict(row, place=f"NPU{place}") for place, row in enumerate(npu_info.chips_of(known), 1)]
    processes = (known.table.value or {}).get("processes")
    return Chips(rows, chips_idle.in_use(rows, processes, idle_percent, traffic), known)


def busy_facts(chips: Chips, allow_busy: bool) -> Document:
    """Fact ``busy``."""
    return {"refused": bool(chips.busy) and not allow_busy, "chips": chips.busy}


def unusable(chips: Chips) -> str | None:
    """Why there is nothing to test."""
    if chips.rows:
        return None
    return chips.seen.useless or chips.seen.table.problem or "npu-smi lists no chip"
