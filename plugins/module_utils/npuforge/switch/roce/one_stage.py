"""Apply lines on a command line where each holds from when it is entered: no candidate, no commit.

What would take a line back is therefore known before the first is entered (``Entry.undo``). The order of work: guard,
entries one by one (stopping at the first that is refused), verification, then either confirmation and save, or taking
back in reverse order what was entered. A guard is what the system itself takes back if nobody confirms in time
(Comware: ``configuration commit delay``); where it is refused, only the undo lines protect, and a lost connection then
leaves what was entered. The outcome always says which of these holds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Callable, NamedTuple, Pattern, Sequence


class Lost(Exception):
    """The connection is gone or silent; nothing more can be entered. The text says why."""


class Terminal(ABC):
    """A session's command line."""

    @abstractmethod
    def send(self, line: str) -> str:
        """Type a line; what was printed until the next prompt.

        :raises Lost: no prompt in time, or no connection.
        """


class Entry(NamedTuple):
    """A line, the lines that lead into its view, and what takes it back (empty: nothing to take back)."""

    line: str
    view: tuple[str, ...] = ()
    undo: tuple[str, ...] = ()


class Policy(NamedTuple):
    """How one make wants it.

    ``enter`` and ``leave``: into and out of configuration from the prompt a login gives. ``between``: what leads from
    any view back to where views start. ``guard`` and ``confirm``: entered where views start; an empty guard is none.
    ``refused`` finds a complaint in an answer; ``saved`` must be found in the answer to the last line of ``save``.
    """

    entries: tuple[Entry, ...]
    refused: Pattern[str]
    saved: Pattern[str]
    enter: tuple[str, ...] = ()
    leave: tuple[str, ...] = ()
    between: tuple[str, ...] = ()
    guard: tuple[str, ...] = ()
    confirm: tuple[str, ...] = ()
    guard_seconds: int = 0
    save: tuple[str, ...] = ()


class Outcome(NamedTuple):
    """``applied``: the lines are there (and saved). ``rolled_back``: they were, and are not any more.

    ``unclear``: lines that may still be there, because taking them back was refused or not possible. ``message``: one
    sentence for the report; ``transcript``: (line, answer) as typed.
    """

    applied: bool
    rolled_back: bool
    saved: bool
    message: str
    unclear: tuple[str, ...]
    transcript: tuple[tuple[str, str], ...]


class _Refused(Exception):
    """A line was answered with a complaint."""


class _Work:
    def __init__(self, policy: Policy, terminal: Terminal) -> None:
        self.policy = policy
        self.terminal = terminal
        self.typed: list[tuple[str, str]] = []
        self.entered: list[Entry] = []
        self.guarded = False

    def send(self, line: str) -> str:
        answer = self.terminal.send(line)
        self.typed.append((line, answer))
        match = self.policy.refused.search(answer)
        if match is not None:
            rest = [each.strip() for each in answer[match.start() :].splitlines() if each.strip(" ^\t")]
            raise _Refused(f"{line!r} was refused: {rest[0] if rest else 'no reason is given'}")
        return answer

    def move(self, view: Sequence[str]) -> None:
        for line in (*self.policy.between, *view):
            self.send(line)

    def enter(self) -> None:
        policy = self.policy
        for line in policy.enter:
            self.send(line)
        if policy.guard:
            try:
                for line in policy.guard:
                    self.send(line)
                self.guarded = True
            except _Refused:
                self.guarded = False
        view: tuple[str, ...] | None = None
        for entry in policy.entries:
            if entry.view != view:
                self.move(entry.view)
                view = entry.view
            self.entered.append(entry)  # before it is typed: an answer that never comes may hide a line that holds
            try:
                self.send(entry.line)
            except _Refused:
                self.entered.pop()
                raise

    def take_back(self) -> list[str]:
        """Undo in reverse order; the lines for which that was refused."""
        unclear = []
        view: tuple[str, ...] | None = None
        for entry in reversed(self.entered):
            try:
                if entry.view != view and entry.undo:
                    self.move(entry.view)
                    view = entry.view
                for line in entry.undo:
                    self.send(line)
            except _Refused:
                unclear.append(entry.line)
        self.entered = []
        return unclear

    def quietly(self, lines: Sequence[str]) -> bool:
        """Type lines; whether none was refused."""
        try:
            for line in lines:
                self.send(line)
        except _Refused:
            return False
        return True

    def outcome(
        self, applied: bool, rolled_back: bool, saved: bool, message: str, unclear: Sequence[str] = ()
    ) -> Outcome:
        return Outcome(applied, rolled_back, saved, message, tuple(unclear), tuple(self.typed))


def apply(policy: Policy, terminal: Terminal, verify: Callable[[], Sequence[str]] | None = None) -> Outcome:
    """Enter a policy's lines, verify, and keep or take back. Never raises for what the switch does.

    ``verify`` reads the switch (through the same session, from outside configuration) and gives what is not as planned;
    it may raise ``Lost``. Nothing to enter: nothing is typed.
    """
    work = _Work(policy, terminal)
    if not policy.entries:
        return work.outcome(False, False, False, "nothing to enter")
    try:
        return _apply(work, verify)
    except Lost as error:
        lines = [entry.line for entry in work.entered]
        if work.guarded:
            return work.outcome(
                False,
                False,
                False,
                f"the connection was lost ({error}); the switch takes back what was entered within "
                f"{policy.guard_seconds} s, since nobody confirms",
                lines,
            )
        return work.outcome(
            False,
            False,
            False,
            f"the connection was lost ({error}); {len(lines)} lines were entered, hold now and are not saved",
            lines,
        )


def _apply(work: _Work, verify: Callable[[], Sequence[str]] | None) -> Outcome:
    policy = work.policy
    problem = None
    try:
        work.enter()
        work.move(())
        for line in policy.leave:
            work.send(line)
        different = list(verify()) if verify is not None else []
        if different:
            problem = "after entering it, the switch is still not as planned: " + "; ".join(different[:5])
    except _Refused as error:
        problem = str(error)
    if problem is None:
        return _keep(work)
    # Back into configuration, whatever view the complaint left us in.
    work.quietly(policy.leave)
    work.quietly(policy.enter)
    unclear = work.take_back()
    if work.guarded:
        # What was entered is gone already; confirming ends the timer, else it would take back others' later work too.
        work.quietly(policy.between)
        work.quietly(policy.confirm)
    work.quietly(policy.leave)
    if unclear:
        return work.outcome(
            False, False, False, f"{problem}; {len(unclear)} lines could not be taken back and are not saved", unclear
        )
    return work.outcome(False, True, False, f"{problem}; what was entered was taken back")


def _keep(work: _Work) -> Outcome:
    policy = work.policy
    if work.guarded:
        confirmed = work.quietly(policy.enter) and work.quietly(policy.confirm)
        work.quietly(policy.leave)
        if not confirmed:
            return work.outcome(
                False,
                False,
                False,
                f"the switch did not take the confirmation and takes back what was entered within "
                f"{policy.guard_seconds} s",
                [entry.line for entry in work.entered],
            )
    answer = ""
    try:
        for line in policy.save:
            answer = work.send(line)
    except _Refused as error:
        return work.outcome(True, False, False, f"entered and verified, but not saved: {error}")
    if not policy.saved.search(answer):
        return work.outcome(True, False, False, "entered and verified, but the switch does not say that it saved")
    return work.outcome(True, False, True, f"{len(policy.entries)} lines entered, verified and saved")
