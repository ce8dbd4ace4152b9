"""Sessions as terminals for ``one_stage``: Comware's views, and a Linux shell for SONiC."""

from __future__ import annotations

import re
import time
from typing import Any

from ..session import Configurator, Entered, Session, SessionError, Target
from .one_stage import Lost, Terminal

# ``config apply-patch`` checks a whole configuration against its models, ``save force`` writes it to flash.
SECONDS = 180.0

SETTLED = "npuforge-settled"


class Shell(Session):
    """A Linux shell whose prompt stays the same. A question for a password is not answered."""

    def __init__(self, target: Target) -> None:
        super().__init__(target, "sonic")

    def enter(self, line: str, answer: str = "N", timeout_seconds: float | None = None) -> Entered:
        """Type a line and wait for the prompt.

        :raises SessionError: no prompt in time, or the connection is gone.
        """
        started = time.monotonic()
        limit = timeout_seconds or self.target.timeout_seconds
        ends = rf"(?:(?:^|[\r\n]){re.escape(self._prompt)}\s*$|\[sudo\] password[^\r\n]*:\s*$|\[y/N\]:?\s*$)"
        text, questions = "", []
        try:
            self._connection.read_timeout_override = limit
            self._connection.write_channel(line + self._connection.RETURN)
            for _ in range(3):
                text += self._read(ends, limit)
                asked = re.search(r"(\[sudo\] password[^\n]*|[^\n]*\[y/N\]):?\s*$", text)
                if asked is None:
                    break
                questions.append(asked.group(1))
                # Ctrl-C: neither a password nor a guess.
                self._connection.write_channel("\x03" if "password" in asked.group(1) else answer + "\n")
            if questions:
                self._settle(limit)
        except Exception as error:
            raise SessionError(
                f"{line!r}: no prompt within {limit:g} s"
                if type(error).__name__ == "ReadTimeout"
                else f"{line!r}: the connection is gone ({type(error).__name__})"
            ) from error
        body = re.sub(rf"(?:^|\n){re.escape(self._prompt)}\s*$", "", text)
        body = body[len(line) :] if body.startswith(line) else body
        return Entered(body.strip("\n"), round(time.monotonic() - started, 3), self._prompt, tuple(questions))

    def _settle(self, limit: float) -> None:
        """A shell that was interrupted may show its prompt twice; whatever came before the mark is over."""
        self._connection.write_channel(f"echo {SETTLED}{self._connection.RETURN}")
        self._read(rf"[\r\n]{SETTLED}\s*[\r\n]+{re.escape(self._prompt)}\s*$", limit)

    def _read(self, ends: str, limit: float) -> str:
        return str(self._connection.read_until_pattern(pattern=ends, read_timeout=limit)).replace("\r", "")


class Line(Terminal):
    """An open session as a terminal. A line that asks something is refused: nobody is there to decide."""

    def __init__(self, session: Any) -> None:
        self.session = session

    def send(self, line: str) -> str:
        try:
            entered = self.session.enter(line, timeout_seconds=max(SECONDS, self.session.target.timeout_seconds))
        except SessionError as error:
            raise Lost(str(error)) from error
        asked = "".join(f"\nError: it asked {question!r}" for question in entered.questions)
        return str(entered.text) + asked


def configuring(target: Target, os: str) -> Session:
    """A session that may enter lines, not yet open; ``Line(session)`` is its terminal."""
    return Shell(target) if os == "sonic" else Configurator(target, os)
