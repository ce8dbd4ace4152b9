"""Enter lines on a Huawei CE so that either all of them are in effect and saved, or none.

One session: lines into the candidate, ``commit trial``, a look at what is in effect, ``commit``, ``save``, and a look
at what was saved. Whatever goes wrong before the confirming ``commit`` is undone: an error clears the candidate, a bad
look aborts the trial, and a lost session ends the trial by itself (a trial without a persist id does not outlive its
session, nor its time: Huawei CE6800/CE8800 V300R023C00 command reference, commit). Another user's trial, lock or
candidate is found before anything is entered and left as it is: our commit would confirm it.
"""

from __future__ import annotations

import re
import time
from typing import Any, Callable, NamedTuple

from .. import parse
from ..session import SessionError
from . import ce_config, ce_links, ce_read
from .model import Steps

_ERROR = re.compile(
    r"^\s*(?:Error\s*:|\^\s*$|(?:Unrecognized|Incomplete|Ambiguous) command|Wrong parameter|Too many parameters)",
    re.MULTILINE | re.IGNORECASE,
)
TRIAL_SECONDS = 120
SAVE_SECONDS = 180.0  # "It will take several minutes to save configuration file"
# How often the box is looked at before a difference counts: hardware follows the configuration with some delay.
LOOKS, PAUSE_SECONDS = 3, 2.0


class Outcome(NamedTuple):
    """What became of it. ``applied``: in effect and confirmed. ``rolled_back``: entered, and undone again.
    ``state``: sentences, in order; the last one says what the switch was left with."""

    applied: bool
    rolled_back: bool
    saved: bool | None
    state: list[str]

    @property
    def message(self) -> str:
        return "; ".join(self.state)


class Refused(Exception):
    """Nothing was entered; the text says why."""


class _Failed(Exception):
    """Something was entered and must be undone."""


def apply(
    session: Any,
    steps: Steps,
    verify: Callable[[], list[str]],
    trial_seconds: int = TRIAL_SECONDS,
    pause: Callable[[float], None] = time.sleep,
) -> Outcome:
    """Make the steps.

    :param session: an open ``Configurator`` in the user view.
    :param verify: reads the switch within the session and says what is not as planned; [] confirms the trial.
    :raises SessionError: the session was lost; what the switch does then is ``after_loss``'s to find out.
    :raises Refused: someone else is at work; nothing was entered.
    """
    _is_free(session)
    entered = session.enter("system-view")
    if not entered.prompt.startswith("["):
        raise Refused(f"the user may not configure: system-view answers {_said(entered.text)!r}")
    if entered.dirty:
        session.drop()
        raise Refused("there is an uncommitted candidate of somebody else; it was left as it is")
    try:
        for block in steps.blocks:
            _enter(session, *block.view, *block.lines)
            if block.view:
                _enter(session, *["quit"] * len(block.view))
        _commit(session, f"commit trial {trial_seconds}")
    except _Failed as failure:
        return _clear(session, str(failure))
    wrong = _look(verify, pause)
    if wrong:
        return _abort(session, "the switch does not do what was entered: " + "; ".join(wrong[:5]))
    try:
        _commit(session, "commit")
    except _Failed as failure:
        return _abort(session, f"the trial could not be confirmed: {failure}")
    trial = ce_links.parse_trial(session.run(ce_read.TRIAL).text)
    if trial is not None and trial.active:
        return _abort(session, "the trial is still running after commit")
    session.enter("return")
    return _save(session, applied=True)


def save(session: Any) -> Outcome:
    """Save what is running: a configuration that a reboot would lose. The session is in the user view."""
    _is_free(session)
    return _save(session, applied=False)


def after_loss(
    reconnect: Callable[[], Any],
    before: str,
    trial_seconds: int = TRIAL_SECONDS,
    pause: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """After a lost session: wait for the switch, and say what it has.

    :param reconnect: opens a session or raises SessionError.
    :param before: the running configuration before anything was entered.
    """
    lost = "the session was lost"
    deadline = clock() + trial_seconds + 15
    last, confirmed = "no new session was tried", 0
    while True:
        try:
            with reconnect() as session:
                trial = ce_links.parse_trial(session.run(ce_read.TRIAL).text)
                running = session.run(ce_read.CURRENT).text
        except SessionError as error:
            last, running, trial = str(error), "", None
        if ce_config.is_configuration(running):
            if not ce_config.differences(running, before):
                return Outcome(False, True, None, [lost, "the switch runs the configuration from before"])
            last = "the switch still runs what was entered"
            # Without a trial there is nothing left that would undo it: the commit had arrived. Looked at three
            # times, since a trial that ends is first over and then undone.
            confirmed = confirmed + 1 if trial is not None and not trial.active else 0
            if confirmed >= 3:
                state = "no trial is active, so the commit had arrived: the lines are in effect, and not saved"
                return Outcome(True, False, False, [lost, state])
        if clock() >= deadline:
            break
        pause(5.0)
    unknown = "within the trial's time it was not seen to return to the configuration from before: look at it by hand"
    return Outcome(False, False, None, [lost, last, unknown])


def _is_free(session: Any) -> None:
    trial = ce_links.parse_trial(session.run(ce_read.TRIAL).text)
    if trial is not None and trial.active:
        raise Refused("a trial run of somebody else is active; a commit would confirm it, so nothing was entered")
    owner = ce_links.parse_exclusive(session.run(ce_read.EXCLUSIVE).text)
    if owner is not None:
        raise Refused(f"{owner} has locked the configuration; nothing was entered")
    locks = ce_links.parse_locks(session.run(ce_read.SESSIONS).text)
    if locks:
        raise Refused(f"{locks[0]} holds a lock on the configuration; nothing was entered")


def _said(text: str) -> str:
    """The switch's complaint on one line; the caret line before it says nothing."""
    match = re.search(r"(?m)^\s*Error\s*:.*$", text)
    complaint = match.group() if match else parse.rejected(text) or text
    return ce_config.mask(" ".join(complaint.split()))[:300]


def _enter(session: Any, *lines: str) -> None:
    for line in lines:
        entered = session.enter(line)
        if _ERROR.search(entered.text):
            raise _Failed(f"{ce_config.mask(line)!r} was refused: {_said(entered.text)}")
        if entered.questions:
            raise _Failed(f"{ce_config.mask(line)!r} asked {entered.questions[0]!r}, which was answered with no")
        if not entered.prompt.startswith("["):
            raise _Failed(f"{ce_config.mask(line)!r} left the configuration (prompt {entered.prompt})")


def _commit(session: Any, command: str) -> None:
    """netmiko's own commit knows neither ``trial`` nor Huawei's errors. The prompt is the witness: ``[*`` is not
    committed."""
    entered = session.enter(command, timeout_seconds=max(120.0, session.target.timeout_seconds))
    if _ERROR.search(entered.text) or entered.questions:
        raise _Failed(f"{command!r} was refused: {_said(entered.text)}")
    if entered.dirty:
        raise _Failed(f"{command!r} left the candidate uncommitted: {_said(entered.text) or 'no reason given'}")


def _look(verify: Callable[[], list[str]], pause: Callable[[float], None]) -> list[str]:
    wrong: list[str] = []
    for look in range(LOOKS):
        if look:
            pause(PAUSE_SECONDS)
        wrong = verify()
        if not wrong:
            break
    return wrong


def _clear(session: Any, why: str) -> Outcome:
    """Nothing was committed: take the candidate away."""
    entered = session.enter("clear configuration candidate", answer="Y")
    if entered.dirty or _ERROR.search(entered.text):
        left = session.enter("return", answer="N")
        cleared = left.prompt.startswith("<")
    else:
        cleared = True
        session.enter("return", answer="N")
    if cleared:
        return Outcome(False, True, None, [why, "the candidate was cleared, the switch runs what it ran before"])
    session.drop()
    return Outcome(
        False, True, None, [why, "the session was hung up with an uncommitted candidate, which ends with it"]
    )


def _abort(session: Any, why: str) -> Outcome:
    """Committed for a trial: end it."""
    entered = session.enter("abort trial", answer="Y", timeout_seconds=max(120.0, session.target.timeout_seconds))
    trial = ce_links.parse_trial(session.run(ce_read.TRIAL).text)
    session.enter("return", answer="N")
    if _ERROR.search(entered.text) is None and (trial is None or not trial.active):
        return Outcome(False, True, None, [why, "the trial was rolled back, the switch runs what it ran before"])
    session.drop()
    end = f"abort trial answered {_said(entered.text)!r}; the session was hung up, which ends the trial"
    return Outcome(False, True, None, [why, end])


def _save(session: Any, applied: bool) -> Outcome:
    """``save``, and what is in the file then. An unsaved change is in effect all the same, and is told."""
    told = ["the lines are in effect and confirmed"] if applied else []
    try:
        entered = session.enter("save", answer="Y", timeout_seconds=SAVE_SECONDS)
        if _ERROR.search(entered.text) or "successfully" not in entered.text.lower():
            return Outcome(applied, False, False, [*told, f"save failed: {_said(entered.text)}"])
        unsaved = ce_config.differences(session.run(ce_read.CURRENT).text, session.run(ce_read.SAVED).text)
    except SessionError as error:
        return Outcome(applied, False, False, [*told, f"the session was lost while saving ({error})"])
    if unsaved:
        return Outcome(applied, False, False, [*told, "saved, but running and saved configuration still differ"])
    return Outcome(applied, False, True, [*told, "the running configuration is saved"])
