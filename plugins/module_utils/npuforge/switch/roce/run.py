"""One switch from reading to report: what ``library/switch_roce.py`` does.

Reads, compares with the plan, and, where that is asked for and the make is one that is applied, enters the difference
and reads again. A switch that cannot be read is an observation too.
"""

from __future__ import annotations

import re
import time
from typing import Any, Callable, NamedTuple

from ...common import Document
from .. import parse
from ..session import SessionError, Target
from . import ce_apply, ce_config, ce_read, facts, one_stage
from .driver import Driver, Part, driver_for
from .drivers import one_stage_policy
from .model import Differences, Found, Steps
from .transport import Line, configuring


class Request(NamedTuple):
    """``commit``: the switch is named in commit_to. ``check``: nothing may be written whatever else is asked."""

    subject: str
    os: str
    part: Part
    commit: bool
    takeover: bool
    check: bool
    trial_seconds: int = ce_apply.TRIAL_SECONDS


class Result(NamedTuple):
    """``failed``: it was to be applied and could not be."""

    changed: bool
    failed: bool
    message: str
    lines: list[str]
    before: str
    after: str
    observations: list[Document]


_UNKNOWN = re.compile(r"(?i)\b(?:unrecognized command|too many parameters|incomplete command)")


class _Reading:
    """Commands asked and answers given, in one or several sessions."""

    def __init__(self, driver: Driver, part: Part) -> None:
        self.driver = driver
        self.part = part
        self.texts: dict[str, str | None] = {}
        self.raw: dict[str, Document] = {}
        self.banner = ""

    def ask(self, session: Any, command: str) -> None:
        answer = session.run(command)
        self.texts[command] = answer.text
        problem = parse.rejected(answer.text)
        self.raw[command] = {
            "name": re.sub(r"[^a-z0-9]+", "-", command.lower()).strip("-") + ".txt",
            "argv": command.split(),
            "rc": 0 if problem is None else 1,
            "seconds": answer.seconds,
            "text": ce_config.mask(answer.text),
        }

    def all(self, session: Any) -> Found:
        self.banner = self.banner or str(session.banner)
        for place, command in enumerate(self.driver.commands(self.part)):
            self.ask(session, command)
            if place == 0 and not self.driver.speaks(self.texts[command]):
                break  # an unknown command line: what else would be sent to it is a guess
        else:
            unknown = set()
            for command in self.driver.more(self.part, self.texts):
                # A form that the switch does not know for one port, it does not know for the others either.
                form = re.sub(r"\S*\d/\d\S*", "{}", command)
                if form not in unknown:
                    self.ask(session, command)
                if _UNKNOWN.search(self.texts.get(command) or ""):
                    unknown.add(form)
        return self.found()

    def again(self, session: Any, wanted: Callable[[str], bool]) -> Found:
        """Ask once more what was accepted before."""
        for command in [each for each in self.texts if wanted(each)]:
            if self.raw[command]["rc"] == 0:
                self.ask(session, command)
        return self.found()

    def found(self) -> Found:
        return self.driver.parse(self.texts, self.part)

    def simulated(self) -> bool:
        text = "\n".join([self.banner, *[entry["text"] for entry in self.raw.values()]])
        return re.search(r"simulat", text, re.IGNORECASE) is not None


def run(
    request: Request,
    target: Target,
    open_session: Callable[[Target, str], Any] | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> Result:
    """Everything. Raises ``UnknownOs``; a device's misbehaviour is in the result.

    :param open_session: makes the session from target and command line (a context manager).
    :param pause: waits between two looks at the switch.
    """
    return _Run(request, target, open_session or configuring, pause).go()


class _Run:
    """One run: ``go`` reads, perhaps applies, and makes the result."""

    def __init__(
        self,
        request: Request,
        target: Target,
        opening: Callable[[Target, str], Any],
        pause: Callable[[float], None],
    ) -> None:
        self.request = request
        self.part = request.part
        self.driver = driver_for(request.os)
        self.reading = _Reading(self.driver, request.part)
        self.target = target
        self.opening = opening
        self.pause = pause
        self.found = Found(request.os)
        self.before = Differences()
        self.steps = Steps()
        self.outcome: ce_apply.Outcome | None = None
        self.problem = ""

    def open(self) -> Any:
        """A new session with the switch."""
        return self.opening(self.target, self.request.os)

    def go(self) -> Result:
        request = self.request
        try:
            with self.open() as session:
                self.found = self.reading.all(session)
                self.before = self.driver.verify(self.part, self.found)
                self.steps = self.driver.steps(self.part, self.found, request.takeover)
                if request.commit and not request.check and self.before.whole is not None:
                    if request.os == ce_read.OS:
                        self._apply(session)
                    elif self.steps.lines():
                        self._apply_one_stage(session)
                    self.found = self.reading.found()
        except SessionError as error:
            self.problem = str(error)
            if self.reading.texts:
                self.found = self.reading.found()
            self.found.tell("session", self.problem)
        return self._result()

    def _apply(self, session: Any) -> None:
        trial = self.request.trial_seconds
        unsaved = self.found.unsaved or []
        old = self.reading.texts.get(ce_read.CURRENT) or ""
        try:
            if self.steps.lines():
                self.outcome = ce_apply.apply(session, self.steps, lambda: self._wrong(session), trial, self.pause)
            elif unsaved and all(_ours(line, self.part) for line in unsaved):
                self.outcome = ce_apply.save(session)
            else:
                return
            if self.outcome.saved is not True:
                self.problem = self.outcome.message
            self.reading.again(session, lambda command: _shows_effect(command) or command in _STATE)
        except ce_apply.Refused as refusal:
            self.problem = str(refusal)
        except SessionError as error:
            if self.outcome is not None:  # all was done; only the last look failed
                self.found.tell("session", str(error))
                return
            self.outcome = ce_apply.after_loss(self.open, old, trial, self.pause)
            self.problem = f"{error}; {self.outcome.message}"
            try:
                with self.open() as second:
                    self.reading.again(second, lambda command: True)
            except SessionError:
                pass  # what the switch has is said by the outcome

    def _apply_one_stage(self, session: Any) -> None:
        """Makes without a candidate: each line holds at once, and is taken back if it must be."""
        policy = one_stage_policy(self.part, self.found, f"npuforge-{int(time.time())}", self.request.takeover)
        if policy is None:
            self.problem = "its configuration was not read whole, so nothing was entered"
            return
        made = one_stage.apply(policy, Line(session), lambda: self._wrong(session))
        self.outcome = ce_apply.Outcome(made.applied, made.rolled_back, made.saved or None, [made.message])
        if not made.saved:
            self.problem = made.message
        self.reading.again(session, lambda command: True)

    def _wrong(self, session: Any) -> list[str]:
        """What a trial must not be confirmed with: planned lines that are not in effect, and differences on ports that
        were configured."""
        own = self.request.os == ce_read.OS
        seen = self.reading.again(session, _shows_effect if own else lambda command: True)
        left = self.driver.steps(self.part, seen, self.request.takeover)
        told = self.driver.verify(self.part, seen)
        wrong = [f"{line.strip()!r} is not in effect" for line in left.lines()]
        for name, port in told.ports.items():
            if not any(sentence.startswith(f"{name}: ") for sentence in left.conflicts):
                wrong += [*(port.trust or []), *(port.pfc or []), *(port.buffer or []), *(port.ecn or [])]
        return wrong

    def _result(self) -> Result:
        request, found, outcome = self.request, self.found, self.outcome
        seen = self.driver.verify(self.part, found) if self.reading.texts else Differences()
        configured = seen.whole is not None
        conflicts = self.driver.steps(self.part, found, request.takeover).conflicts if configured else None
        lines = [ce_config.mask(line) for line in self.steps.lines()]
        made = facts.roce(found, seen, conflicts, lines)
        applied = outcome is not None and outcome.applied
        made.update(applied=applied, rolled_back=outcome is not None and outcome.rolled_back)
        made["message"] = message = self._message(configured, lines)
        asked = request.commit and not request.check
        changed = bool(lines) and request.commit
        if asked:
            changed = applied or bool(outcome is not None and outcome.saved)
        failed = asked and (bool(self.problem) or not configured or (bool(lines) and not applied))
        whole = facts.switch_facts(found, made, self.before.sentences())
        observed = facts.observations(
            facts.Seen(self.part, found, seen), whole, list(self.reading.raw.values()), self.reading.simulated()
        )
        return Result(changed, failed, message, lines, self.steps.before, self.steps.after, observed)

    def _message(self, configured: bool, lines: list[str]) -> str:
        subject, request = self.request.subject, self.request
        if self.problem:
            return f"{subject}: {self.problem}"
        if self.outcome is not None:
            return f"{subject}: {self.outcome.message}"
        if not configured:
            told = "; ".join("{where}: {problem}".format(**each) for each in self.found.notes[:3])
            return f"{subject}: the configuration was not seen ({told or 'no reason given'}); nothing was entered"
        if not lines:
            return f"{subject}: nothing to enter"
        count = f"{len(lines)} lines are planned"
        why = "check mode" if request.commit else f"{subject} is not named in commit_to"
        return f"{subject}: {count}, none was entered ({why})"


_STATE = (ce_read.SAVED, ce_read.TRIAL, ce_read.SESSIONS, ce_read.EXCLUSIVE)


_EFFECT = re.compile(
    r"^display (?:current-configuration|diffserv domain|drop-profile|interface(?: \S+)?|qos configuration interface.*"
    r"|qos ecn threshold.*|qos headroom-usage|dcb(?: interface \S+| pfc-profile| pfc buffer.*)?)$"
)


def _shows_effect(command: str) -> bool:
    """What tells whether configuration is in effect (no counters, neighbours or optics)."""
    return _EFFECT.match(command) is not None and not command.endswith("brief")


_OURS = r"(?:trust |dcb pfc |qos queue \d (?:wred|ecn)|flow-control)"


def _ours(line: str, part: Part) -> bool:
    """Whether an unsaved line is of what this toolkit configures, on its ports or its objects."""
    ports = "|".join(re.escape(port["switch_port"]) for port in part["ports"])
    views = [rf"interface (?:{ports}): {_OURS}", r"(?:dcb pfc|diffserv domain|drop-profile) npuforge(?::|$)"]
    lines = [r"qos buffer headroom-pool ", r"dcb pfc dscp-mapping ", r"lldp enable$"]
    return any(re.match(rf"^[+-] {expression}", line) for expression in views + lines)
