"""What the ``npuforge`` command does, one module per subject; ``controller.cli`` reads the command line and calls them.

A command is a function of the parsed options that returns an ``Exit``. It prints to stdout; what goes wrong is raised
as ``CommandError`` with the exit code and one clear sentence.
"""

from __future__ import annotations

import enum
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Exit(enum.IntEnum):
    """Exit codes (docs/seams.md section 8)."""

    OK = 0
    FAIL = 1
    UNKNOWN = 2
    INVALID = 3
    BROKEN = 4
    INTERNAL = 5
    INTERRUPTED = 130  # as shells have it for Ctrl-C


class CommandError(Exception):
    """The command cannot go on; the message is one sentence for the user."""

    def __init__(self, code: Exit, message: str) -> None:
        super().__init__(message)
        self.code = code
