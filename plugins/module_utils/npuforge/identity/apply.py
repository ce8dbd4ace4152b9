"""Steps to changes, through one injectable file system, so that tests can fail any write."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from typing import Any

from .plan import BANNER_PATH, RECORD_PATH

MAX_BYTES = 1 << 20


class Files:
    """The real file system below ``root`` (``/`` on a target)."""

    def __init__(self, root: str = "/") -> None:
        self.root = root

    def locate(self, path: str) -> str:
        return os.path.join(self.root, path.lstrip("/"))

    def read(self, path: str) -> str | None:
        """The text of a file, None when there is none. Bytes that are no UTF-8 are kept as surrogates."""
        try:
            with open(self.locate(path), encoding="utf-8", errors="surrogateescape") as stream:
                return stream.read(MAX_BYTES)
        except FileNotFoundError:
            return None

    def write(self, path: str, text: str) -> None:
        """Replace the file atomically, readable by everyone (0644), as its neighbours in /etc are."""
        target = self.locate(path)
        folder = os.path.dirname(target)
        os.makedirs(folder, mode=0o755, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=".npuforge.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(temporary, 0o644)
            os.rename(temporary, target)
        except BaseException:
            if os.path.exists(temporary):
                os.unlink(temporary)
            raise

    def remove(self, path: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.locate(path))


class Runner:
    """Runs a program and returns ``(rc, stdout)``; a missing program is rc 127, one that hangs is rc 124."""

    def __init__(self, timeout_seconds: float = 10.0) -> None:
        self.timeout_seconds = timeout_seconds

    def run(self, argv: list[str]) -> tuple[int, str]:
        environment = dict(os.environ, LC_ALL="C")
        try:
            done = subprocess.run(
                argv,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=self.timeout_seconds,
                check=False,
            )
        except FileNotFoundError:
            return 127, ""
        except subprocess.TimeoutExpired:
            return 124, ""
        return done.returncode, done.stdout.decode("utf-8", "replace")


def observe(files: Files) -> dict[str, str | None]:
    """The managed files as they are."""
    return {path: files.read(path) for path in (RECORD_PATH, BANNER_PATH)}


def apply(steps: list[dict[str, Any]], files: Files) -> None:
    """Do the steps; if one fails, what was done before it is undone and the error goes on."""
    done: list[dict[str, Any]] = []
    try:
        for step in steps:
            done.append(step)
            put(files, step["path"], step["after"])
    except OSError:
        undo(done, files)
        raise


def undo(steps: list[dict[str, Any]], files: Files) -> None:
    """Put back what was there before the steps, last one first, as far as the file system lets us."""
    for step in reversed(steps):
        try:
            put(files, step["path"], step["before"])
        except OSError:
            continue  # the caller reports the error that led here; a second one would hide it


def put(files: Files, path: str, text: str | None) -> None:
    if text is None:
        files.remove(path)
    else:
        files.write(path, text)
