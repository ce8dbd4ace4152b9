"""The event log of a run: one JSON object per line, durations and states, never arguments or results of modules."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from controller.files import FILE_MODE
from controller.redact import Redactor

FILE_NAME = "events.jsonl"
# A run that never opens a run folder is not kept in memory for ever.
KEPT_BEFORE_OPEN = 10_000


class EventLog:
    """Appends events to ``<run folder>/events.jsonl``; those before the folder is known are kept and written then.

    The log is an aid: when it cannot be written, ``problem`` says why and the run goes on.
    """

    def __init__(self, secrets: Iterable[object] = ()) -> None:
        self._redactor = Redactor(secrets)
        self._waiting: list[str] = []
        self._path: Path | None = None
        self.problem: str | None = None

    def secrets(self, secrets: Iterable[object]) -> None:
        """From now on these are kept out; what waits to be written is redacted again."""
        self._redactor = Redactor(secrets)
        self._waiting = [self._redactor.literal(line) for line in self._waiting]

    def open(self, run_dir: Path) -> None:
        """The run folder is known (again): events go there."""
        path = Path(run_dir) / FILE_NAME
        if path == self._path:
            return
        self._path = path
        waiting, self._waiting = self._waiting, []
        self._append("".join(waiting))

    def add(self, event: str, **values: Any) -> None:
        """One event. ``values`` are names, states, counts and seconds; nulls are left out."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        document = {"at": now, "event": event, **{key: value for key, value in values.items() if value is not None}}
        line = json.dumps(self._redactor.document(document), ensure_ascii=False) + "\n"
        if self._path is not None:
            self._append(line)
        elif len(self._waiting) < KEPT_BEFORE_OPEN:
            self._waiting.append(line)

    def _append(self, text: str) -> None:
        if self._path is None or not text:
            return
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
            try:
                # One write per call: lines of two processes in one run do not mix.
                os.write(handle, text.encode("utf-8", "surrogateescape"))
            finally:
                with contextlib.suppress(OSError):
                    os.close(handle)
        except OSError as error:
            self.problem = f"{self._path}: {error.strerror}"
