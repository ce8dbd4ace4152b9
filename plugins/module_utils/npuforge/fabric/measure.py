"""One node's part of the fabric tests, from the free devices to the last reset.

What comes out is the node's *half*: what its ports sent and received, and their counters around each step. The
controller joins the halves of all nodes (``results``). Nothing is judged here.
"""

from __future__ import annotations

import contextlib
import signal
import time
from types import FrameType
from typing import Any, Iterator, NamedTuple, Sequence

from ..common import Document, note, observation
from . import counters, idle, probe, roce_test, schedule
from .tool import Answer, Tool

HALF_SCHEMA = "npuforge.fabric_half/1"
BANDWIDTH, REACHABILITY, COUNTERS = "bandwidth", "reachability", "counters"
COLLECTOR = "fabric_test"
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Stopped(Exception):
    """A signal ended the run; the devices have been reset."""


class Options(NamedTuple):
    """``do``: of BANDWIDTH, REACHABILITY, COUNTERS. ``nodes``: who takes part (None: all of the plan).
    ``message_bytes``, ``iterations``: instead of the plan's. ``hbm_idle_percent``: memory that a free device may hold;
    ``allow_busy``: test devices that are in use. ``probe_seconds``: time for all probes of the node. ``imply_small``:
    send the small packet only where the large one did not come back."""

    do: Sequence[str] = (BANDWIDTH, REACHABILITY)
    nodes: Sequence[str] | None = None
    operation: str = "ib_send_bw"
    message_bytes: int | None = None
    iterations: int | None = None
    limits: roce_test.Limits = roce_test.Limits()
    probe_seconds: float = 60.0
    imply_small: bool = False
    allow_busy: bool = False
    hbm_idle_percent: float = 15.0
    npu_smi: str = "npu-smi"


class _Log:
    """The answers that are kept as evidence, up to a size."""

    LIMIT = 2 << 20

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self._left = self.LIMIT

    def add(self, answer: Answer) -> None:
        if self._left > 0:
            self._left -= len(answer.text) + 200
            self.answers.append(answer._replace(text=answer.text[:65536]))


def run(plan: Any, node: str, tool: Tool, options: Options, simulated: bool) -> Document:
    """``{observations, half, refused}``: the module's result. ``refused``: sentences; then nothing was measured.

    :raises ValueError: the plan lacks what the tests need; the text says what.
    :raises Stopped: SIGTERM, SIGINT or SIGHUP came; the devices were reset before.
    """
    ports, problems = schedule.ports_of(plan)
    mine = ports.get(node, [])
    problems += [] if mine else [f"the plan has no port of {node}"]
    test = schedule.test_of(plan)
    size, count = options.message_bytes or test.message_bytes, options.iterations or test.iterations
    if BANDWIDTH in options.do and (size is None or count is None):
        problems.append("the plan says no test.message_bytes or test.iterations")
    if problems:
        raise ValueError("; ".join(problems))
    load = roce_test.Load(options.operation, size or 1, count or 1, test.traffic_class)
    log = _Log()
    bench = roce_test.Bench(tool, load, options.limits, log.add)
    reach = probe.Results(sum(map(len, schedule.probes(plan, node, options.nodes))))
    half: Document = {
        "schema": HALF_SCHEMA,
        "node": node,
        "nodes": schedule.nodes_of(plan, options.nodes),
        "operation": options.operation,
        "flows": [],
        "steps": [],
        "counters": [],
        "notes": [],
    }
    began = time.monotonic()
    refused = _in_use(tool, mine, options, bench) if list(options.do) != [COUNTERS] else []
    if not refused:
        reach = _measure(plan, bench, options, half, mine) or reach
    half["refused"] = refused
    half["notes"] = [note(where, problem) for where, problem in bench.notes]
    half["tool"] = {"calls": tool.calls, "busy_retries": tool.busy_retries, "seconds": time.monotonic() - began}
    facts: Document = {"reachability": reach.facts()} if REACHABILITY in options.do else {}
    busy = [note("reachability", f"not tested, the device is in use: {sentence}") for sentence in refused]
    facts["fabric_test"] = {key: half["tool"][key] for key in ("calls", "busy_retries")}
    facts["notes"] = (busy + half["notes"])[:50]
    entry = observation("node", node, COLLECTOR, facts, simulated)
    raw = []
    if log.answers:
        text = roce_test.spoken(log.answers)
        raw.append({"name": "hccn_tool.txt", "argv": [tool.path], "rc": None, "seconds": None, "text": text})
    return {"observations": [{"observation": entry, "raw": raw}], "half": half, "refused": refused}


def _measure(
    plan: Any, bench: roce_test.Bench, options: Options, half: Document, mine: Sequence[schedule.Port]
) -> probe.Results | None:
    """The tests themselves; ``half`` is filled."""
    tool, node = bench.tool, half["node"]
    if list(options.do) == [COUNTERS]:
        half["counters"] = [bench.count(mine)]
        return None
    found = None
    with _reset_in_the_end(bench, mine):
        # What an earlier run that was killed left in the devices would answer for this one.
        failed = bench.reset(mine)
        if len(failed) == len(mine) and (tool.stuck or all(answer.rc == 127 for answer in failed)):
            reason = "hccn_tool stayed busy" if tool.stuck else f"{tool.path}: {failed[0].text}"
            bench.notes.insert(0, ("reachability", reason))
            half["problem"] = reason
            return None
        if BANDWIDTH in options.do:
            steps = schedule.steps(plan, options.nodes)
            half["steps"] = [step.number for step in schedule.part_of(steps, node)]
            half.update(bench.steps(steps, node, mine))
        if REACHABILITY in options.do:
            found = _probe(plan, node, bench, options)
            bench.notes += found.notes()
        if BANDWIDTH not in options.do:
            half["counters"] = [bench.count(mine)]
    return found


def _probe(plan: Any, node: str, bench: roce_test.Bench, options: Options) -> probe.Results:
    tool = bench.tool
    deadline = time.monotonic() + options.probe_seconds

    def ping(one: schedule.Probe) -> probe.Ping:
        if time.monotonic() > deadline + tool.short_seconds:
            return probe.Ping(None, None, "the time was used up")
        address = one.target.address
        words = ["-i", str(one.source.device), "-ping", "-g", "address", address, "pkt", str(one.size)]
        answer = tool.short(words)
        result = probe.parse(answer.text, address)
        if not result.passed:
            bench.log(answer)
        return result

    rounds = schedule.probes(plan, node, options.nodes)

    def in_time() -> bool:
        return time.monotonic() < deadline and not tool.stopping.is_set()

    return probe.run(rounds, ping, tool.spread, in_time, imply=options.imply_small)


def _in_use(tool: Tool, mine: Sequence[schedule.Port], options: Options, bench: roce_test.Bench) -> list[str]:
    """Why the node's devices must not be tested now; empty when they are free, or it is allowed all the same."""
    answer = Tool(options.npu_smi, tool.short_seconds).short(["info"])
    uses = idle.uses(answer.text) if answer.rc == 0 else {}
    if not uses:
        told = roce_test.last_words(answer)
        bench.notes.append(("npu-smi info", f"whether the devices are free could not be seen ({told})"))
        return []
    busy = []
    for port in mine:
        reason = idle.busy(uses[port.device], options.hbm_idle_percent) if port.device in uses else None
        if reason is not None:
            busy.append(f"{port.id}: {reason}")
    if busy and options.allow_busy:
        bench.notes.append(("npu-smi info", "tested though in use: " + "; ".join(busy)))
        return []
    return busy


@contextlib.contextmanager
def _reset_in_the_end(bench: roce_test.Bench, ports: Sequence[schedule.Port]) -> Iterator[None]:
    """Whatever ends the block, the calls that run are ended and the devices are reset.

    A second signal does not cut the reset short: it takes seconds, and a device left in a test answers the next run.
    """
    tool = bench.tool
    caught: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        if not caught:
            caught.append(number)
            tool.stopping.set()
            raise Stopped(f"stopped by signal {number}")

    kept = {number: signal.signal(number, stop) for number in _SIGNALS}
    try:
        yield
    finally:
        caught.append(0)  # from here on signals wait until the devices are reset
        tool.stop()
        tool.resume()
        bench.reset(ports)
        for number, handler in kept.items():
            signal.signal(number, handler)


def retransmitted(half: Document, port: str, step: Any) -> int | None:
    """Packets that a port sent again during a step, by its node's half; None when that is not known."""
    numbers = half.get("steps")
    seen = half.get("counters")
    if not isinstance(numbers, list) or not isinstance(seen, list) or step not in numbers:
        return None
    place = numbers.index(step)
    if place + 1 >= len(seen) or not isinstance(seen[place], dict) or not isinstance(seen[place + 1], dict):
        return None
    return counters.growth(seen[place].get(port), seen[place + 1].get(port), counters.RETRANSMITTED)
