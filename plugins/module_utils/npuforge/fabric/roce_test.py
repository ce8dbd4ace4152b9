"""One node's part of the bandwidth test: receivers and senders of ``hccn_tool -roce_test`` for all its ports at a time.

The nodes do not talk to each other: a sender calls again until the receiver listens, a receiver waits, for as long as
the steps before may have kept the other node. Once one port of a step is through, the others have little time left and
one that hangs is named.

What is killed does not stop on the device: ``-roce_test reset`` does. It is sent to every used device before the first
test, after each call that did not end by itself, and always at the end, also when the run is stopped by a signal.
"""

from __future__ import annotations

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Iterable, NamedTuple, Sequence

from ..common import Document
from . import counters, roce_parse
from .schedule import Flow, Port, Step, part_of
from .tool import Answer, Tool

SEND, RECEIVE = "send", "receive"
HUNG = "hung"
_BEGUN = re.compile(r"start roce perftest end|roce_report|Waiting for client", re.IGNORECASE)
REFUSAL_SECONDS = 5.0  # the tool asks its device once a second: a refusal is told within a few
OPERATIONS = ("ib_send_bw", "ib_write_bw")


class Limits(NamedTuple):
    """Seconds. ``skew``: how much later another node may start. ``step``: for one step. ``straggler``: for the other
    ports of a step once the first is through. ``absent``: for a peer of which no port answered in the step before.
    ``head_start``: by which a sender lets the receiver go first."""

    skew: float = 20.0
    step: float = 30.0
    straggler: float = 15.0
    absent: float = 5.0
    head_start: float = 0.3


class Load(NamedTuple):
    """What a test sends."""

    operation: str
    message_bytes: int
    iterations: int
    traffic_class: int | None

    def words(self, device: int, address: str | None) -> list[str]:
        """Arguments of the tool; with ``address`` those of the sender."""
        told = ["-i", str(device), "-roce_test", self.operation, "-s", str(self.message_bytes)]
        told += ["-n", str(self.iterations)]
        if self.traffic_class is not None:
            told += ["-tclass", str(self.traffic_class)]
        if address is not None:
            told += ["address", address]
        return [*told, "-tcp"]


class _Clock:
    """When a step is over for a port: at its deadline, or soon after another port of the step was through."""

    def __init__(self, deadline: float, straggler: float) -> None:
        self._deadline = deadline
        self._straggler = straggler
        self._lock = threading.Lock()
        self.contact = False

    def through(self) -> None:
        """A port of the step has its result."""
        with self._lock:
            self.contact = True
            self._deadline = min(self._deadline, time.monotonic() + self._straggler)

    def left(self) -> float:
        with self._lock:
            return self._deadline - time.monotonic()


class Bench:
    """Measures. ``log``: called with every answer of the tool, for the evidence."""

    def __init__(
        self,
        tool: Tool,
        load: Load,
        limits: Limits,
        log: Callable[[Answer], None] | None = None,
    ) -> None:
        self.tool = tool
        self.load = load
        self.limits = limits
        self.log = log or (lambda answer: None)
        self.notes: list[tuple[str, str]] = []
        # Whom the ports of this node will receive from: (own port, address of the sender) -> flow; and what came in
        # before its step, since the other node was ahead: flow -> result.
        self._awaited: dict[tuple[str, str], Flow] = {}
        self._early: dict[Flow, Document] = {}

    def reset(self, ports: Iterable[Port]) -> list[Answer]:
        """End what the devices of ``ports`` still run; the answers of those whose reset failed."""
        devices = list({port.device: port for port in ports}.values())

        def one(port: Port) -> Answer:
            return self.tool.short(["-i", str(port.device), "-roce_test", "reset"])

        failed: list[Answer] = []
        for port, answer in zip(devices, self.tool.spread(one, devices)):
            if answer.rc != 0:
                self.log(answer)
                failed.append(answer)
                self.notes.append(("reset", f"{port.id}: -roce_test reset failed: {last_words(answer)}"))
        return failed

    def count(self, ports: Sequence[Port]) -> dict[str, counters.Counters | None]:
        """The counters of each port; None where they could not be read."""

        def one(port: Port) -> counters.Counters | None:
            answer = self.tool.short(["-i", str(port.device), "-stat", "-g"])
            found = counters.parse(answer.text) if answer.rc == 0 else None
            if found is None:
                self.log(answer)
            return found

        return dict(zip([port.id for port in ports], self.tool.spread(one, ports)))

    def steps(self, schedule: Sequence[Step], node: str, ports: Sequence[Port]) -> Document:
        """The node's part of the whole ``schedule``: ``{flows: [Document], counters: [{port: counters}]}``.

        ``counters`` has one entry more than there are steps: before the first, and after each.
        """
        seen = [self.count(ports)]
        flows: list[Document] = []
        silent: set[str] = set()  # peers of which no port answered
        met = -1  # the step in which this node last had to do with another: everybody was there or beyond
        steps = part_of(schedule, node)
        self._awaited = {(flow.target.id, flow.source.address): flow for step in steps for flow in step.flows}
        for step in steps:
            role = SEND if step.source == node else RECEIVE
            peer = step.target if role == SEND else step.source
            patience = self.limits.absent if peer in silent else self._patience(part_of(schedule, peer), met, step)
            clock = _Clock(time.monotonic() + patience, self.limits.straggler)
            done = self._step(step, role, clock)
            if clock.contact:
                silent.discard(peer)
                met = step.number
            elif step.flows:
                silent.add(peer)
            flows += done
            seen.append(self.count(ports))
        return {"flows": flows, "counters": seen}

    def _patience(self, peers: Sequence[Step], met: int, step: Step) -> float:
        """How long a peer (whose steps are ``peers``) may keep this node waiting: for each of its steps since ``met``
        and before this one it may have to wait for a third node, and at the beginning it may start late."""
        before = {other.number for other in peers if met < other.number < step.number}
        return self.limits.step * (1 + len(before)) + (self.limits.skew if met < 0 else 0.0)

    def _step(self, step: Step, role: str, clock: _Clock) -> list[Document]:
        if not step.flows:
            return []

        def one(flow: Flow) -> Document:
            if flow in self._early:
                clock.through()
                return self._early[flow]
            return self._port(flow, role, clock, step.number)

        with ThreadPoolExecutor(max_workers=len(step.flows)) as pool:
            done = list(pool.map(one, step.flows))
        unclean = [
            flow.target if role == RECEIVE else flow.source
            for flow, result in zip(step.flows, done)
            if result.pop("unclean")
        ]
        if unclean and not self.tool.stopping.is_set():
            self.reset(unclean)
        for result in done:
            result["step"] = step.number
            result.setdefault("during", step.number)
        return done

    def _port(self, flow: Flow, role: str, clock: _Clock, number: int) -> Document:
        """One port of a step: listen for the planned sender, or call until the receiver listens; until the test is
        through, or the time is."""
        sending = role == SEND
        here, there = (flow.source, flow.target) if sending else (flow.target, flow.source)
        peer = there.address
        words = self.load.words(here.device, peer if sending else None)
        if sending:
            self.tool.stopping.wait(min(self.limits.head_start, max(clock.left(), 0.0)))
        pause = 0.1
        last: roce_parse.Report | None = None
        unclean = False
        while clock.left() > 0 and not self.tool.stopping.is_set():
            answer, in_time = self._call(words, clock)
            report = roce_parse.report(answer.text, answer.rc)
            if report.state not in (roce_parse.REFUSED, roce_parse.BUSY_STATE):
                self.log(answer)
            if answer.rc == 127:
                return self._result(flow, role, None, f"{self.tool.path}: {answer.text}", False)
            if not in_time:
                unclean = True
                # A caller that was refused until now is not one that hangs.
                if last is None or last.state != roce_parse.REFUSED or answer.seconds > REFUSAL_SECONDS:
                    last = report._replace(state=HUNG)
                break
            last = report
            if report.state == roce_parse.DONE:
                stranger = report.remote_address not in (None, peer)
                if not stranger or sending:
                    clock.through()
                    if stranger:
                        told = f"connected to {report.remote_address}, planned {peer}"
                        return self._result(flow, role, report, told, False)
                    return self._result(flow, role, report, self._odd(report), False)
                self._stranger(here, report, number)
                continue
            if report.state == roce_parse.BUSY_STATE:
                self.tool.retried()
            elif report.state == roce_parse.DOING:
                self.reset([here])
            elif report.state != roce_parse.REFUSED:
                unclean = True
                if sending or report.state == roce_parse.FAILED:
                    break  # an answer that calling again will not change
            self.tool.stopping.wait(min(pause, max(clock.left(), 0.0)))
            pause = min(pause * 1.5, 1.0)
        return self._result(flow, role, last, self._why(role, last, peer), unclean)

    def _stranger(self, here: Port, report: roce_parse.Report, number: int) -> None:
        """Somebody else than planned has sent: a node that is ahead (its result counts when its step comes), or one
        that has nothing to do with this."""
        flow = self._awaited.get((here.id, report.remote_address or ""))
        if flow is None or flow in self._early:
            self.notes.append((here.id, f"{report.remote_address} connected, which was not planned; listening again"))
            return
        self._early[flow] = self._result(flow, RECEIVE, report, self._odd(report), False)
        self._early[flow]["during"] = number

    def _call(self, words: Sequence[str], clock: _Clock) -> tuple[Answer, bool]:
        """One call, watched: ``(answer, whether it ended by itself)``."""
        with self.tool.turn():
            try:
                child = self.tool.start(words)
            except OSError as error:
                return Answer([self.tool.path, *words], 127, str(error.strerror or error), 0.0), True
            # Where calls exclude each other, those of a test do so until the device has begun it.
            while self.tool.serial and child.poll() is None and not _BEGUN.search(child.text) and clock.left() > 0:
                time.sleep(0.01)
        while child.poll() is None and clock.left() > 0 and not self.tool.stopping.is_set():
            time.sleep(0.01)
        ended = child.poll() is not None
        return self.tool.finish(child), ended

    def _odd(self, report: roce_parse.Report) -> str | None:
        """What of a result does not fit what was asked for."""
        row = report.row
        if row is None:
            return "no result"
        asked = (self.load.message_bytes, self.load.iterations)
        if (row.message_bytes, row.iterations) != asked:
            told = f"{row.iterations} messages of {row.message_bytes} bytes"
            return f"the result is about {told}, not {asked[1]} of {asked[0]}"
        return row.problem

    def _why(self, role: str, last: roce_parse.Report | None, peer: str) -> str:
        if self.tool.stopping.is_set():
            return "the test was stopped"
        if last is None:
            return "no time was left"
        if last.state == HUNG and role == RECEIVE:
            return f"the receiver waited for {peer} and did not end in time; it was reset"
        if last.state == HUNG:
            return "the sender connected and did not end in time; it was reset"
        if last.state == roce_parse.REFUSED:
            return f"{peer} did not accept a connection (no receiver listens, or the path is down)"
        if last.state == roce_parse.BUSY_STATE:
            return "hccn_tool stayed busy"
        return last.problem or "no result"

    def _result(
        self, flow: Flow, role: str, report: roce_parse.Report | None, problem: str | None, unclean: bool
    ) -> Document:
        row = report.row if report is not None else None
        state = report.state if report is not None else "stopped" if self.tool.stopping.is_set() else "none"
        rate = row.bytes_per_second if row is not None and problem is None else None
        return {
            "role": role,
            "source": flow.source.id,
            "target": flow.target.id,
            "state": state,
            "bytes_per_second": rate,
            "message_bytes": row.message_bytes if row is not None else None,
            "iterations": row.iterations if row is not None else None,
            "seconds": row.seconds if row is not None and problem is None else None,
            "problem": problem,
            "unclean": unclean,
        }


def last_words(answer: Answer) -> str:
    """Why a call failed, in a few words."""
    lines = [line.strip() for line in answer.text[-2000:].splitlines() if line.strip()]
    ended = "no answer in time" if answer.rc is None else f"exit code {answer.rc}"
    return f"{ended}: {lines[-1][:120]}" if lines else ended


def spoken(answers: Iterable[Answer]) -> str:
    """What the tool said, as one text for the evidence: each call after its command line."""
    parts: list[Any] = []
    for answer in answers:
        ended = "stopped" if answer.rc is None else f"rc {answer.rc}"
        text = answer.text if answer.text.endswith("\n") or not answer.text else answer.text + "\n"
        parts.append(f"$ {' '.join(answer.argv)}\n{text}[{ended}, {answer.seconds:.2f} s]\n")
    return "\n".join(parts)
