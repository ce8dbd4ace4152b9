"""Reads NPU ports with ``hccn_tool``: one call at a time, each question once a port.

``-status`` tells link and speed in one call (``-link`` and ``-speed`` are asked where it is not known); nothing else
the tool prints holds two facts at once. A port costs the calls of ``QUESTIONS``. A call that hangs is ended by the
runner; two in a row end the questions to that device, and two devices that hang end them all, so that a host with a
dead driver is read in bounded time.
"""

from __future__ import annotations

import re
from typing import Any, Iterable, Sequence

from ..fabric import counters
from ..fabric.tool import Answer
from . import hccn_parse
from .texts import Reading, lines, once

QUESTIONS = (*hccn_parse.PARSERS, "stat")
# Setting of the plan -> question that shows it.
ASKED_BY = {
    "address": "ip",
    "netmask": "ip",
    "gateway": "gateway",
    "netdetect": "netdetect",
    "mtu_bytes": "mtu",
    "pfc_bitmap": "pfc",
    "dscp_tc": "dscp_to_tc",
    "roce_port": "udp",
    "tls_enable": "tls",
}
HANGS_PER_DEVICE = 2
_VERSION = re.compile(r"^Network Driver Version:\s{1,16}(\S{1,40})$")


class Seen:
    """Answers of one device by question, and every call made for it."""

    def __init__(self, device: int) -> None:
        self.device = device
        self.readings: dict[str, Reading] = {}
        self.answers: list[Answer] = []

    def value(self, question: str) -> Any:
        return self.readings[question].value if question in self.readings else None

    def problem(self, question: str) -> str | None:
        return self.readings[question].problem if question in self.readings else "not asked"

    def settings(self) -> tuple[dict[str, Any], dict[str, str]]:
        """(found, unread) as ``hccn_plan.Port`` takes them."""
        found: dict[str, Any] = {}
        unread: dict[str, str] = {}
        for setting, question in ASKED_BY.items():
            problem = self.problem(question)
            if problem is not None:
                unread[setting] = problem
            elif question == "ip":
                found[setting] = self.value("ip")[setting]
            else:
                found[setting] = self.value(question)
        return found, unread

    def transcript(self) -> dict[str, Any]:
        """One raw record for all calls: what a person would have seen at the prompt."""
        parts = [
            f"$ {' '.join(each.argv)}\n{each.text}{'' if each.text.endswith(chr(10)) else chr(10)}"
            for each in self.answers
        ]
        bad = [each.rc for each in self.answers if each.rc != 0]
        return {
            "name": "hccn_tool.txt",
            "argv": [self.answers[0].argv[0], "-i", str(self.device)] if self.answers else ["hccn_tool"],
            # 124 is what timeout(1) calls a program that it ended.
            "rc": 0 if not bad else 124 if bad[0] is None else bad[0],
            "seconds": round(sum(each.seconds for each in self.answers), 3),
            "text": "".join(parts),
        }


class Reader:
    """``runner``: ``fabric.tool.Tool`` or anything with its ``short``. Remembers what made further calls useless."""

    def __init__(self, runner: Any) -> None:
        self.runner = runner
        self.useless: str | None = None  # why no call to the tool makes sense any more
        self.missing = False
        self.version: str | None = None
        self.hung: set[int] = set()

    def ports(self, devices: Iterable[int]) -> dict[int, Seen]:
        """All questions to all devices, one call at a time."""
        return {device: self.port(device) for device in devices}

    def port(self, device: int, questions: Sequence[str] = QUESTIONS, seen: Seen | None = None) -> Seen:
        """Ask one device. ``seen``: what is known of it already; its answers to these questions are replaced."""
        kept = seen or Seen(device)
        hangs, why = 0, None
        for question in questions:
            if self.useless or why:
                kept.readings[question] = Reading(None, self.useless or why)
                continue
            answer = self._ask(question, kept)
            if question == "status" and answer.rc is not None and kept.problem("status") and not self.useless:
                self._link_and_speed(kept)
            hangs = hangs + 1 if answer.rc is None else 0
            if hangs >= HANGS_PER_DEVICE:
                why = "hccn_tool hung on this device"
                self.hung.add(device)
                if len(self.hung) >= HANGS_PER_DEVICE:
                    self.useless = "hccn_tool hung on several devices"
            elif self.useless is None:
                why = hccn_parse.device_refusal(answer.text)
        return kept

    def _ask(self, question: str, seen: Seen) -> Answer:
        answer: Answer = self.runner.short(["-i", str(seen.device), f"-{question}", "-g"])
        seen.answers.append(answer)
        seen.readings[question] = self._read(question, answer, seen.device)
        return answer

    def _link_and_speed(self, seen: Seen) -> None:
        """Where ``-status`` is not known: the same in two calls."""
        self._ask("link", seen)
        self._ask("speed", seen)
        if seen.problem("link") is None:
            # A speed that is not told is that of a link that is down, or a null with its own check.
            seen.readings["status"] = Reading({"link": seen.value("link"), "speed_mbps": seen.value("speed")})

    def _read(self, question: str, answer: Answer, device: int) -> Reading:
        if answer.rc == 127:
            self.missing = True
            self.useless = f"{answer.argv[0]} cannot be run ({answer.text.strip()[:80]}): is the driver installed?"
            return Reading(None, self.useless)
        if answer.rc is None:
            return Reading(None, f"hccn_tool gave no answer within {answer.seconds:.0f} s")
        why = hccn_parse.refusal(answer.text)
        if why is not None:
            self.useless = why
            return Reading(None, why)
        why = hccn_parse.device_refusal(answer.text)
        if why is not None:
            return Reading(None, why)
        if question == "stat":
            found = counters.parse(answer.text)
            return Reading(found, None if found is not None else hccn_parse.unknown(answer.text))
        parser = hccn_parse.PARSERS.get(question) or hccn_parse.FALLBACKS[question]
        return parser(answer.text, device)

    def ask_version(self, device: int) -> None:
        """The driver's version, by any device; None when it is not told."""
        if self.useless is None:
            answer = self.runner.short(["-i", str(device), "-version", "-g"])
            self.version = once(lines(answer.text), _VERSION, str).value
