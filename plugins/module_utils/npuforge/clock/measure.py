"""What chronyd has measured, asked anew and waited for within a limit.

A source counts as reachable only when it has answered since it was last asked: a clock whose server went away an hour
ago still calls itself synchronised. Asking (``chronyc burst``) sends packets and sets nothing.
"""

from __future__ import annotations

import time
from typing import Any, Callable, NamedTuple, Sequence

from ..kernel.host import Host
from . import chronyc_parse
from .chronyc_parse import Source, Tracking

CALL_SECONDS = 10.0
BURST_SECONDS = 8.0  # four good samples, or eight tries, two seconds apart at the most
SILENT_SECONDS = 12.0  # nobody has answered any of the tries of a burst and of what follows: nobody will
SETTLE_SECONDS = 6.0  # chronyd may step a clock only after its first samples
SETTLED_SECONDS = 0.1  # an offset worth waiting for: no clock of a cluster may be off so far
STABLE_SECONDS = 0.001
USABLE = ("selected", "combined")


class Reading(NamedTuple):
    """``tracking`` None: chronyd could not be asked. ``dead_servers``: those that say that they have no time.
    ``raw``: the answers, for the evidence."""

    tracking: Tracking | None
    sources: Sequence[Source]
    dead_servers: Sequence[str]
    raw: list[dict[str, Any]]


class Verdict(NamedTuple):
    """``ahead_seconds``: the system clock against the source (positive: ahead); None unless ``synchronised``.
    ``why``: what stands against it, in a sentence, None: nothing."""

    synchronised: bool | None
    source: Source | None
    local: bool
    stratum: int | None
    leap: str | None
    ahead_seconds: float | None
    why: str | None


def read(host: Host) -> Reading:
    """What a verdict needs. Correction and sources come from two answers: an update in between is asked again."""
    raw: list[dict[str, Any]] = []
    before, found = None, []
    for _ in range(3):
        raw = [_ask(host, "tracking"), _ask(host, "sources")]
        before = chronyc_parse.tracking(_good(raw[0]))
        found = chronyc_parse.sources(_good(raw[1]))
        if before is None:
            break
        after = chronyc_parse.tracking(_good(_ask(host, "tracking")))
        if after is not None and _same(before, after):
            break
    return Reading(before, found, (), raw)


def read_more(host: Host, reading: Reading) -> Reading:
    """The same with what explains it: the statistics of the sources, and what the servers say of themselves."""
    raw = [_ask(host, "sourcestats"), _ask(host, "ntpdata")]
    dead = chronyc_parse.unsynchronised_servers(_good(raw[1]))
    return reading._replace(dead_servers=dead, raw=[*reading.raw, *raw])


def _ask(host: Host, question: str) -> dict[str, Any]:
    argv = ["chronyc", "-n", "-c", question]
    answer = host.run(argv, CALL_SECONDS)
    name = f"chronyc-{question}.csv"
    return {"name": name, "argv": argv, "rc": answer.rc, "seconds": answer.seconds, "text": answer.text}


def _good(entry: dict[str, Any]) -> str:
    return str(entry["text"]) if entry["rc"] == 0 else ""


def _same(one: Tracking, other: Tracking) -> bool:
    if one.ahead_seconds is None or other.ahead_seconds is None:
        return one == other
    near = abs(one.ahead_seconds - other.ahead_seconds) < STABLE_SECONDS
    return near and one._replace(ahead_seconds=None) == other._replace(ahead_seconds=None)


def judge(reading: Reading, serves: bool, age_seconds: float | None) -> Verdict:
    """``serves``: the node is the site's own source. ``age_seconds``: a sample that old counts as an answer; None:
    judge by each source's own interval (nobody was asked anew)."""
    tracking = reading.tracking
    if tracking is None:
        return Verdict(None, None, False, None, None, None, "chronyd cannot be asked (chronyc tracking)")
    if tracking.leap == "unsynchronised" or tracking.stratum in (None, 0):
        return Verdict(False, None, False, None, tracking.leap, None, _silence(reading, age_seconds))
    if tracking.local:
        if not serves:
            why = "this node goes by its own clock and asks nobody"
            return Verdict(False, None, True, tracking.stratum, tracking.leap, None, why)
        return Verdict(True, None, True, tracking.stratum, tracking.leap, tracking.ahead_seconds, None)
    fresh = [each for each in reading.sources if each.state in USABLE and reachable(each, age_seconds)]
    source = next((each for each in fresh if each.state == "selected"), fresh[0] if fresh else None)
    if source is None:
        return Verdict(False, None, False, tracking.stratum, tracking.leap, None, _silence(reading, age_seconds))
    ahead = None
    if tracking.ahead_seconds is not None and source.ahead_seconds is not None:
        ahead = tracking.ahead_seconds + source.ahead_seconds
    return Verdict(True, source, False, tracking.stratum, tracking.leap, ahead, None)


def reachable(source: Source, age_seconds: float | None) -> bool:
    """Whether it has answered lately."""
    if not source.reach or source.last_seconds is None:
        return False
    if age_seconds is None:
        interval = 2.0 ** max(source.poll if source.poll is not None else 6, 0)
        age_seconds = 2 * interval + 8  # one lost packet is nothing
    return source.last_seconds <= age_seconds


def _silence(reading: Reading, age_seconds: float | None) -> str:
    if not reading.sources:
        return "chronyd has no source"
    told = []
    for each in reading.sources:
        if each.name in reading.dead_servers:
            told.append(f"{each.name} answers and says that it has no time itself")
        elif not reachable(each, age_seconds):
            told.append(f"{each.name} does not answer")
        elif each.state == "falseticker":
            told.append(f"{each.name} answers, and most others have another time")
        else:
            told.append(f"{each.name} answers, and is not usable yet ({each.state})")
    return "; ".join(told)


class Waiting(NamedTuple):
    """``say``: told once a second what is waited for and for how long already."""

    host: Host
    serves: bool
    limit_seconds: float
    restarted: bool
    say: Callable[[str, float], None]
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic


class Measured(NamedTuple):
    """``age_seconds``: a sample that old was an answer to us; None: nobody was asked anew."""

    reading: Reading
    verdict: Verdict
    age_seconds: float | None


def look(host: Host, serves: bool) -> Measured:
    """By what chronyd has measured last."""
    reading = read_more(host, read(host))
    return Measured(reading, judge(reading, serves, None), None)


def wait(waiting: Waiting) -> Measured:
    """Ask the sources anew and wait for a measurement, at the most ``limit_seconds``; less when nobody answers.

    A chronyd that has just been started asks by itself (iburst).
    """
    began = waiting.clock()
    asked, synchronised = began, None
    if not waiting.restarted and not waiting.serves:
        waiting.host.run(["chronyc", "burst", "1/2"], CALL_SECONDS)
        asked = began - BURST_SECONDS + 1.0  # a clock that needs more than one answer gets more soon
    while True:
        reading = read(waiting.host)
        now = waiting.clock()
        elapsed = now - began
        age = elapsed + 1.0  # chronyd tells whole seconds
        verdict = judge(reading, waiting.serves, age)
        over = elapsed >= waiting.limit_seconds
        if verdict.synchronised:
            synchronised = now if synchronised is None else synchronised
            settled = verdict.ahead_seconds is not None and abs(verdict.ahead_seconds) <= SETTLED_SECONDS
            over = over or settled or now - synchronised >= SETTLE_SECONDS
        elif elapsed >= SILENT_SECONDS and not waiting.serves:
            over = over or not any(reachable(each, age) for each in reading.sources)
        if over:
            reading = read_more(waiting.host, reading)
            return Measured(reading, judge(reading, waiting.serves, age), age)
        if now - asked >= BURST_SECONDS and not waiting.serves:
            waiting.host.run(["chronyc", "burst", "4/8"], CALL_SECONDS)
            asked = now
        waiting.say(verdict.why or "the clock is being corrected", elapsed)
        waiting.sleep(0.25 if elapsed < 1 else 1.0)
