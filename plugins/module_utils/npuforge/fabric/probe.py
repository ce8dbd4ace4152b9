"""Pings between NPU ports: ``hccn_tool -i N -ping -g address A pkt BYTES`` to a verdict per probe.

The tool sends three packets (that number is fixed) with the "don't fragment" bit; ``pkt`` is the length of the data, 28
bytes less than the packet. Words by its source and a capture of a 910B: ``recv seq=0,time=1.418000ms``,
``recv time out seq=1``, ``Message too long``, ``Destination Host Unreachable``, and the last line
``3 packets transmitted, 3 received, 0.00% packet loss``.
"""

from __future__ import annotations

import re
from typing import Any, Callable, NamedTuple, Sequence

from .schedule import Port, Probe

HEADERS_BYTES = 28  # IPv4 and ICMP
_SUMMARY = re.compile(
    r"(\d{1,6}) packets transmitted, (\d{1,6}) received, (\d{1,3}(?:\.\d{1,6})?)% packet loss[ \t]{0,80}\r?$",
    re.MULTILINE,
)
_HEAD = re.compile(r"^device (\d{1,3}) PING (\S{1,40})[ \t]{0,80}\r?$", re.MULTILINE)
_CAME, _LATE = re.compile(r"^recv seq[=-]", re.MULTILINE), re.compile(r"^recv time out seq", re.MULTILINE)


class Ping(NamedTuple):
    """``received`` is None where the answer tells nothing certain; ``problem`` says why, or why packets were lost."""

    sent: int | None
    received: int | None
    problem: str | None

    @property
    def passed(self) -> bool | None:
        """All packets came back; None: cannot be told."""
        if self.sent is None or self.received is None:
            return None
        return self.sent > 0 and self.received == self.sent


def parse(text: Any, address: str | None = None) -> Ping:
    """One answer. ``address``: what was asked for; an answer about another one tells nothing.

    Sum, percentage and the single lines must agree with each other, else nothing is certain.
    """
    words = str(text or "")[: 1 << 20]
    about = {match.group(2) for match in _HEAD.finditer(words)}
    if address is not None and about - {address}:
        return Ping(None, None, f"the answer is about {', '.join(sorted(about - {address}))}")
    why = None
    if "Message too long" in words:
        why = "longer than the port's MTU"
    elif "Destination Host Unreachable" in words:
        why = "destination unreachable"
    sums = {match.groups() for match in _SUMMARY.finditer(words)}
    if len(sums) > 1:
        return Ping(None, None, "two different sums in one answer")
    came, late = len(_CAME.findall(words)), len(_LATE.findall(words))
    if not sums:
        if not came and (late or why):
            return Ping(late or 1, 0, why or "no answer")
        return Ping(None, None, _reason(words))
    sent, received, percent = (float(word) for word in sums.pop())
    if not sent or received > sent or abs(100 * (sent - received) / sent - percent) > 0.6:
        return Ping(None, None, "sum and percentage of the answer disagree")
    if came > received or late > sent - received or (why is not None and received == sent):
        return Ping(None, None, "sum and lines of the answer disagree")
    return Ping(int(sent), int(received), why)


def _reason(words: str) -> str:
    lines = [line.strip() for line in words[-2000:].splitlines() if re.search(r"[A-Za-z]{3}", line)]
    return f"no sum in the answer: {lines[-1][:120]}" if lines else "no answer"


class Results:
    """What the probes of one node found. Thread-safe by use: ``add`` is called from one thread."""

    def __init__(self, expected: int) -> None:
        self.expected = expected
        self.probed = 0
        self.unreachable: list[str] = []
        self.unknown: dict[str, int] = {}  # why -> how often

    def add(self, probe: Probe, ping: Ping) -> None:
        if ping.passed is None:
            reason = ping.problem or "no answer"
            self.unknown[reason] = self.unknown.get(reason, 0) + 1
            return
        self.probed += 1
        if not ping.passed:
            lost = (ping.sent or 0) - (ping.received or 0)
            detail = f" ({ping.problem})" if ping.problem else ""
            self.unreachable.append(
                f"{probe.name}: {lost} of {ping.sent} packets of {probe.size + HEADERS_BYTES} bytes lost{detail}"
            )

    def facts(self) -> dict[str, Any]:
        """``reachability`` of docs/fabric.md section 6; nothing probed: ``unreachable`` is null, not empty."""
        return {
            "probed": self.probed,
            "expected": self.expected,
            "complete": self.expected > 0 and self.probed == self.expected,
            "unreachable": sorted(self.unreachable) if self.probed else None,
        }

    def notes(self) -> list[tuple[str, str]]:
        """(where, problem) for what was not probed."""
        told = [
            ("reachability", f"{count} probes told nothing: {reason}") for reason, count in sorted(self.unknown.items())
        ]
        left = self.expected - self.probed - sum(self.unknown.values())
        if left > 0:
            told.append(("reachability", f"{left} of {self.expected} probes were not sent: the time was used up"))
        return told[:20]


def run(
    rounds: Sequence[Sequence[Probe]],
    ping: Callable[[Probe], Ping],
    spread: Callable[[Callable[[Probe], Ping], Sequence[Probe]], list[Ping]],
    in_time: Callable[[], bool],
    *,
    imply: bool = False,
) -> Results:
    """Send the probes, round by round, while there is time. ``spread(function, probes)``: one call each, at the same
    time as far as the tool allows; a round that was begun is finished.

    ``imply``: a probe is not sent where a larger one came back before; it counts as probed with that one's result.
    """
    results = Results(sum(len(probes) for probes in rounds))
    through: dict[tuple[Port, Port], Ping] = {}
    for probes in rounds:
        if not in_time():
            break
        sent = [probe for probe in probes if not imply or (probe.source, probe.target) not in through]
        answers = dict(zip(sent, spread(ping, sent)))
        for probe in probes:
            ends = (probe.source, probe.target)
            answer = answers[probe] if probe in answers else through[ends]
            results.add(probe, answer)
            if answer.passed:
                through[ends] = answer
    return results
