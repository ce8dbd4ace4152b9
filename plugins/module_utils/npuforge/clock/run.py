"""One node's clock from reading to report: what ``library/time_sync.py`` does.

Reads service, file and chronyd; writes the file and restarts the service only where something differs; waits within a
limit for a measurement; reads all of it again. A restart that fails puts the old file back. A mark in ``/run`` says
that the file was written and not yet read, so a run that is killed in between is finished by the next.
"""

from __future__ import annotations

import re
import time
from typing import Callable, NamedTuple, Sequence

from ..ascend.dmi_progress import FOLDER, Progress
from ..common import Document, observation
from ..kernel.host import Host
from . import conf, facts, measure, plan, service
from .chronyc_parse import sources as parse_sources
from .measure import Measured, Verdict
from .plan import Plan, Seen

UNREAD_PATH = "/run/npuforge/time_sync.unread"
LEAP_ZONE = "/usr/share/zoneinfo/right/UTC"
RESTART_SECONDS = 60.0
_SECONDS = re.compile(r"\d{1,12}\.\d{1,9}\Z")


class Request(NamedTuple):
    """``conf``: another file than the service's own. ``controller_time``: the controller's clock just before this task,
    in seconds since 1970. ``check``: nothing may be written, nobody may be asked anew."""

    subject: str
    wanted: conf.Wanted
    check: bool = False
    conf: str | None = None
    max_wait_seconds: float = 30.0
    controller_time: float | None = None
    progress_folder: str = FOLDER


class Result(NamedTuple):
    """``steps``: sentences on what was, or in check mode would be, done. ``failed``: it could not be done."""

    changed: bool
    failed: bool
    message: str
    steps: list[str]
    diff: list[Document]
    observations: list[Document]


def run(
    request: Request,
    host: Host,
    simulated: bool,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Result:
    """Do it. :raises kernel.host.Locked: another run works on this node's clock. :raises OSError: a file cannot be
    written; the next run finds what is left to do."""
    work = _Work(request, host, simulated, sleep, clock)
    if request.check:
        return work.do()
    with host.lock():  # the one of the baseline: both write in /etc, and tidy up there
        return work.do()


class _Work:
    def __init__(
        self,
        request: Request,
        host: Host,
        simulated: bool,
        sleep: Callable[[float], None],
        clock: Callable[[], float],
    ) -> None:
        self.request = request
        self.host = host
        self.simulated = simulated
        self.sleep = sleep
        self.clock = clock
        self.raw: list[Document] = []
        self.against: float | None = None

    def do(self) -> Result:
        self.against = self.against_controller()
        seen = self.look()
        made = plan.make(seen, self.request.wanted)
        diff = self.diff(seen, made)
        if made.refused is not None or self.request.check:
            return self.unmeasured(seen, made, diff, made.refused)
        failure = self.apply(seen, made) if made.steps else None
        if made.steps:
            seen = self.look()
            left = plan.make(seen, self.request.wanted)
            made = made._replace(differences=left.differences)
            failure = failure or ("; ".join(left.differences) or None)
        if failure is not None:
            return self.unmeasured(seen, made, diff, failure)
        return self.result(seen, made, diff, self.measure(restarted=made.restart), None)

    def unmeasured(self, seen: Seen, made: Plan, diff: list[Document], failure: str | None) -> Result:
        """By what chronyd has measured last."""
        measured = measure.look(self.host, self.request.wanted.serves)
        verdict = measured.verdict
        if verdict.synchronised is None and seen.service.active is False and not seen.service.rivals:
            measured = measured._replace(verdict=verdict._replace(synchronised=False, why="chronyd does not run"))
        return self.result(seen, made, diff, measured, failure)

    def against_controller(self) -> float | None:
        """This clock, as the system's own program tells it, minus the controller's; in seconds, None: not to be had."""
        if self.request.controller_time is None:
            return None
        answer = self.host.run(["date", "+%s.%N"], measure.CALL_SECONDS)
        told = _SECONDS.match(answer.text.strip()) if answer.rc == 0 else None
        return None if told is None else round(float(told.group(0)) - self.request.controller_time, 1)

    def look(self) -> Seen:
        found, answer = service.read(self.host)
        argv = list(service.ARGV)
        entry = {"argv": argv, "rc": answer.rc, "seconds": answer.seconds, "text": answer.text}
        self.raw = [{"name": "chrony-service.txt", **entry}]
        place = conf.layout(found.unit, self.request.conf or found.conf, self.host.exists(LEAP_ZONE))
        text = self.host.read(place.conf)
        if text is not None:
            self.raw.append(
                {"name": "chrony.conf", "argv": ["read", place.conf], "rc": 0, "seconds": 0.0, "text": text}
            )
        listed = None
        if found.active:
            said = self.host.run(["chronyc", "-n", "-c", "sources"], measure.CALL_SECONDS)
            listed = parse_sources(said.text) if said.rc == 0 else None
        return Seen(found, place, text, self.host.exists(UNREAD_PATH), listed)

    def apply(self, seen: Seen, made: Plan) -> str | None:
        """Why it did not work; None: it did."""
        unit, path = seen.service.unit, seen.place.conf
        if made.restart:
            self.host.write(UNREAD_PATH, "")
        if made.write:
            self.host.tidy([path.rpartition("/")[0]])
            self.host.backup(path)
            self.host.write(path, made.planned)
        if made.enable:
            answer = self.host.run(["systemctl", "enable", unit], RESTART_SECONDS)
            if answer.rc != 0:
                return f"systemctl enable {unit}: {_last(answer.text)}"
        if made.restart:
            failure = self.restart(unit)
            if failure is not None:
                return failure + self.put_back(seen, made)
            self.host.remove(UNREAD_PATH)
        return None

    def restart(self, unit: str) -> str | None:
        answer = self.host.run(["systemctl", "restart", unit], RESTART_SECONDS)
        if answer.rc == 0:
            return None
        journal = self.host.run(["journalctl", "--unit", unit, "--lines=5", "--output=cat", "--no-pager"], 10.0)
        words = [line for line in journal.text.splitlines() if "rror" in line or "Could not" in line]
        return f"{unit} does not start: {_last(words[-1] if words else answer.text)}"

    def put_back(self, seen: Seen, made: Plan) -> str:
        """What was there before a file that chronyd does not take, where chronyd ran on it."""
        if not made.write or seen.text is None or not seen.service.active:
            return ""
        self.host.write(seen.place.conf, seen.text)
        failure = self.restart(seen.service.unit)
        if failure is None:
            self.host.remove(UNREAD_PATH)
        return "; the old file is back" + ("" if failure is None else f", and with it {failure}")

    def measure(self, restarted: bool) -> Measured:
        limit = self.request.max_wait_seconds
        progress = Progress("time_sync", self.request.subject, round(limit), self.request.progress_folder)
        waiting = measure.Waiting(
            host=self.host,
            serves=self.request.wanted.serves,
            limit_seconds=limit,
            restarted=restarted,
            say=lambda text, elapsed: progress.step(f"waiting for a measurement: {text}", round(elapsed)),
            sleep=self.sleep,
            clock=self.clock,
        )
        measured = measure.wait(waiting)
        progress.end("done")
        return measured

    def result(self, seen: Seen, made: Plan, diff: list[Document], measured: Measured, failure: str | None) -> Result:
        request = self.request
        found = facts.facts(measured, made.differences, seen.service.active, self.against)
        entry = {
            "observation": observation("node", request.subject, "time_sync", found, self.simulated),
            "raw": [*self.raw, *measured.reading.raw],
        }
        message = failure or _message(made.steps, measured.verdict, request.check)
        return Result(bool(made.steps), failure is not None, message, made.steps, diff, [entry])

    def diff(self, seen: Seen, made: Plan) -> list[Document]:
        if not made.write:
            return []
        path = seen.place.conf
        return [{"before_header": path, "after_header": path, "before": seen.text or "", "after": made.planned}]


def _message(steps: Sequence[str], verdict: Verdict, check: bool) -> str:
    done = ""
    if steps:
        done = f"{len(steps)} {'step' if len(steps) == 1 else 'steps'} {'planned' if check else 'done'}; "
    if not verdict.synchronised:
        return f"{done}not synchronised: {verdict.why}"
    if verdict.local:
        return f"{done}serves its own clock at stratum {verdict.stratum}"
    name = verdict.source.name if verdict.source else "?"
    offset = "unknown" if verdict.ahead_seconds is None else f"{verdict.ahead_seconds * 1000:+.3f} ms"
    return f"{done}synchronised with {name} at stratum {verdict.stratum}, offset {offset}"


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it says nothing"
