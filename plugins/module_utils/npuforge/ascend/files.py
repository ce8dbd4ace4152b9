"""The few files that the NPU side keeps, through one object, so that a test can fail any write.

Every write is atomic (a temporary file, flushed, renamed), so a run that is killed leaves the old or the new text. The
temporary files of a killed run are removed by the next.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import tempfile
import time
from datetime import datetime, timezone
from typing import Iterator

MAX_BYTES = 4 << 20
LOCK_PATH = "/run/npuforge-hccn.lock"
KEPT_CHECKPOINTS = 3
_TEMPORARY = ".npuforge-hccn."


class Locked(Exception):
    """Another run works on this node."""


class Files:
    """The real file system; ``root`` for tests."""

    def __init__(self, root: str = "/", lock_seconds: float = 60.0) -> None:
        self.root = root
        self.lock_seconds = lock_seconds

    def locate(self, path: str) -> str:
        # hccn_tool follows a link to the real file before it writes; so must a rename.
        return os.path.realpath(os.path.join(self.root, path.lstrip("/")))

    def read(self, path: str) -> str | None:
        """The text, byte for byte (no newline is translated); None: no such file."""
        try:
            with open(self.locate(path), encoding="utf-8", errors="surrogateescape", newline="") as stream:
                return stream.read(MAX_BYTES)
        except FileNotFoundError:
            return None

    def write(self, path: str, text: str, mode: int = 0o640) -> None:
        """Replace the file atomically; an existing one keeps its mode and owner."""
        target = self.locate(path)
        folder = os.path.dirname(target)
        os.makedirs(folder, mode=0o755, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=_TEMPORARY)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
                stream.write(text)
                stream.flush()
                with contextlib.suppress(FileNotFoundError):
                    old = os.stat(target)
                    mode = stat.S_IMODE(old.st_mode)
                    os.fchown(stream.fileno(), old.st_uid, old.st_gid)
                os.fchmod(stream.fileno(), mode)
                os.fsync(stream.fileno())
            os.rename(temporary, target)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise

    def checkpoint(self, path: str) -> str | None:
        """Copy a file to ``<path>.npuforge-<UTC>`` and keep the three newest of them; None: there is no such file."""
        text = self.read(path)
        if text is None:
            return None
        name = f"{path}.npuforge-{datetime.now(timezone.utc).strftime('%Y%m%dT%H%M%SZ')}"
        # One that was made in this second is older, and so nearer to what people wrote.
        if self.read(name) is None:
            target = self.locate(path)
            self.write(name, text, stat.S_IMODE(os.stat(target).st_mode))
        folder, start = os.path.split(f"{self.locate(path)}.npuforge-")
        old = sorted(each for each in os.listdir(folder) if each.startswith(start))
        for each in old[:-KEPT_CHECKPOINTS]:
            os.unlink(os.path.join(folder, each))
        return name

    def tidy(self, path: str) -> None:
        """Remove what a killed run left beside ``path``. Only under the lock."""
        folder = os.path.dirname(self.locate(path))
        with contextlib.suppress(FileNotFoundError):
            for each in os.listdir(folder):
                if each.startswith(_TEMPORARY):
                    os.unlink(os.path.join(folder, each))

    @contextlib.contextmanager
    def lock(self, path: str = LOCK_PATH) -> Iterator[None]:
        """Be the only run on this node. The kernel frees the lock of a process that was killed.

        :raises Locked: another one holds it for longer than ``lock_seconds``.
        """
        target = self.locate(path)
        os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
        handle = os.open(target, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            deadline = time.monotonic() + self.lock_seconds
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError as error:
                    if error.errno not in (errno.EAGAIN, errno.EACCES):
                        raise
                if time.monotonic() > deadline:
                    raise Locked(f"another run works on the NPU ports of this node (lock {path})")
                time.sleep(0.05)
            yield
        finally:
            os.close(handle)
