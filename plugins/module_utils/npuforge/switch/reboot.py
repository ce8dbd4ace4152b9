"""Restart a Huawei switch through its command line, and prove that it did: its boot time is another one afterwards.

Dialogue: Huawei CE6800/CE8800 V300R023C00 command reference, reboot. A configuration that was not saved would be lost;
that is looked at before, and only on demand accepted.
"""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, NamedTuple

from . import parse
from .roce import ce_config, ce_links, ce_read
from .session import SessionError


class Refused(Exception):
    """Nothing was sent; the text says why."""


class Failed(Exception):
    """It was sent, and the switch did not come back as it should; the text says how it is."""


class Boot(NamedTuple):
    """When a switch started. ``exact``: as the switch says it (StartupTime); else counted back from its uptime, which
    is told in minutes."""

    time: str
    exact: bool


class Plan(NamedTuple):
    """What would be done: the boot time before, and the lines that a restart loses."""

    before: Boot
    lost: list[str]


def boot_time(text: str | None, now: datetime) -> Boot | None:
    """From ``display version``; None when it tells neither."""
    match = re.search(r"(?m)^\s*StartupTime\s+(\d{4}/\d\d/\d\d)\s+(\d\d:\d\d:\d\d)", parse.clean(text))
    if match:
        return Boot("{} {}".format(match.group(1).replace("/", "-"), match.group(2)), True)
    uptime = parse.parse_version(text)["uptime_seconds"]
    if uptime is None:
        return None
    return Boot((now - timedelta(seconds=uptime)).strftime("%Y-%m-%d %H:%M"), False)


def _now() -> datetime:
    return datetime.now(timezone.utc)


def plan(session: Any, discard_unsaved: bool) -> Plan:
    """Look at the switch. Raises Refused, and SessionError."""
    version = session.run(ce_read.VERSION).text
    if not parse.parse_version(version)["understood"]:
        raise Refused("it is not a Huawei VRP switch: {}".format(parse.parse_version(version)["reason"]))
    before = boot_time(version, _now())
    if before is None:
        raise Refused("it does not tell when it started, so a restart could not be proven")
    trial = ce_links.parse_trial(session.run(ce_read.TRIAL).text)
    if trial is not None and trial.active:
        raise Refused("a trial run of its configuration is active")
    running, saved = session.run(ce_read.CURRENT).text, session.run(ce_read.SAVED).text
    if not (ce_config.is_configuration(running) and ce_config.is_configuration(saved)):
        raise Refused("its running and saved configuration could not be compared")
    lost = ce_config.differences(running, saved)
    if lost and not discard_unsaved:
        raise Refused("{} lines are not as saved and would be lost, e.g. {}".format(len(lost), "; ".join(lost[:3])))
    return Plan(before, lost)


def send(session: Any) -> None:
    """Say ``reboot``; to the question whether to save first the answer is no (``plan`` looked at that).

    :raises Failed: the switch refused, or asked something that is not known (which is answered with no).
    """
    agreed = False

    def answer(question: str) -> str:
        nonlocal agreed
        if re.search(r"(?i)will reboot|reboot.*continue", question):
            agreed = True
            return "Y"
        return "N"

    try:
        entered = session.enter("reboot", answer=answer)
    except SessionError:
        if agreed:
            return  # it hung up, as it should
        raise
    if not agreed:
        asked = "; ".join(entered.questions) or parse.rejected(entered.text) or entered.text[:200]
        raise Failed(f"it did not restart; to 'reboot' it said {asked!r}")


def wait(
    reconnect: Callable[[], Any],
    before: Boot,
    seconds: float,
    pause: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Boot:
    """Until the switch answers with another boot time.

    :param reconnect: opens a session or raises SessionError.
    :raises Failed: not within the time.
    """
    deadline = clock() + seconds
    last = "no session was tried"
    while clock() < deadline:
        pause(2.0)
        try:
            with reconnect() as session:
                after = boot_time(session.run(ce_read.VERSION).text, _now())
        except SessionError as error:
            last = str(error)
            continue
        if after is None:
            last = "it answers, but does not tell when it started"
        elif after.time != before.time and (after.exact or later(after, before)):
            return after
        else:
            last = f"it answers, and still says that it started at {after.time}"
    raise Failed(f"it did not come back within {seconds:g} s: {last}")


def later(after: Boot, before: Boot) -> bool:
    """Counted boot times waver by a minute; a restart moves them by the uptime, which is more."""
    form = "%Y-%m-%d %H:%M"
    moved = datetime.strptime(after.time, form) - datetime.strptime(before.time[:16], form)
    return moved > timedelta(minutes=1)
