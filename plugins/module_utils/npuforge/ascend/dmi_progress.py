"""How far a long test is, as a file that anybody may look at: ``/run/npuforge/progress/<module>.json``."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile

from ..common import utc_now

FOLDER = "/run/npuforge/progress"


class Progress:
    """``step`` rewrites the file atomically. A file that cannot be written stops no test."""

    def __init__(self, module: str, subject: str, total: int, folder: str = FOLDER) -> None:
        self.path = os.path.join(folder, f"{module}.json")
        self._document = {
            "module": module,
            "subject": subject,
            "pid": os.getpid(),
            "started_at": utc_now(),
            "done": 0,
            "total": total,
            "state": "running",
        }

    def step(self, text: str, done: int, total: int | None = None) -> None:
        """``text``: what runs now. ``done`` of ``total`` calls are over."""
        self._document.update(text=text, done=done, updated_at=utc_now())
        if total is not None:
            self._document["total"] = total
        self._write()

    def end(self, state: str) -> None:
        """``done``, ``refused`` or ``stopped``."""
        self._document.update(state=state, updated_at=utc_now())
        self._write()

    def _write(self) -> None:
        folder = os.path.dirname(self.path)
        with contextlib.suppress(OSError):
            os.makedirs(folder, mode=0o755, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=folder, prefix=".progress.")
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as stream:
                    json.dump(self._document, stream)
                    os.fchmod(stream.fileno(), 0o644)
                os.rename(temporary, self.path)
            except BaseException:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(temporary)
                raise
