"""The one way to a machine's files, sysfs, procfs and programs, so that a test can give a folder and fail any call.

Ordinary files are replaced atomically; kernel files are written by one ``write(2)``, as the kernel wants it. Below a
``root`` other than ``/`` programs are looked for in that folder only: a tree without them has none.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import stat
import subprocess
import tempfile
import time
from datetime import datetime, timezone
from typing import Iterator, NamedTuple, Sequence

MAX_BYTES = 4 << 20
_PIECE_BYTES = 1 << 16
LOCK_PATH = "/run/npuforge/kernel_tuning.lock"
KEPT_BACKUPS = 3
PROGRAM_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_TEMPORARY = ".npuforge-kernel."
_LINKS_FOLLOWED = 40  # as the kernel


class Locked(Exception):
    """Another run works on this machine."""


class Answer(NamedTuple):
    """``rc``: None when the program was stopped at its time limit, 127 when there is none."""

    rc: int | None
    text: str
    seconds: float


class Host:
    """The machine below ``root``. Paths are absolute, as the machine sees them. Reading never raises."""

    def __init__(self, root: str = "/", lock_seconds: float = 300.0) -> None:
        self.root = os.path.abspath(root)
        self.lock_seconds = lock_seconds

    # ---- where things are

    def resolve(self, path: str) -> str:
        """The path without symbolic links, as the machine sees it; links stay below ``root``."""
        done: list[str] = []
        left = [part for part in path.split("/") if part]
        followed = 0
        while left:
            part = left.pop(0)
            if part in (".", ".."):
                done = done[:-1] if part == ".." else done
                continue
            here = "/" + "/".join([*done, part])
            try:
                target = os.readlink(self._below(here))
            except OSError:
                done.append(part)
                continue
            followed += 1
            if followed > _LINKS_FOLLOWED:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            if target.startswith("/"):
                done = []
            left = [piece for piece in target.split("/") if piece] + left
        return "/" + "/".join(done)

    def locate(self, path: str) -> str:
        """Where ``path`` lies for this process. :raises OSError: symbolic links go round in a circle."""
        # On the machine itself the kernel follows links, which saves a call for each part of each path.
        return path if self.root == "/" else self._below(self.resolve(path))

    def _below(self, path: str) -> str:
        return path if self.root == "/" else self.root + path

    # ---- reading

    def read(self, path: str) -> str | None:
        """The text, byte for byte; None: there is no such file, or it cannot be read."""
        try:
            with open(self.locate(path), "rb", buffering=0) as stream:
                data = b""
                while len(data) < MAX_BYTES:
                    # In pieces: the kernel answers ENOMEM to whoever reads a sysctl with room for 4 MiB or more.
                    piece = stream.read(min(_PIECE_BYTES, MAX_BYTES - len(data)))
                    if not piece:
                        break
                    data += piece
                return data.decode("utf-8", "surrogateescape")
        except OSError:
            return None

    def value(self, path: str) -> str | None:
        """A kernel file's content without outer blanks, inner blanks single; None: cannot be read."""
        text = self.read(path)
        return None if text is None else " ".join(text.split())

    def names(self, folder: str) -> list[str]:
        """What lies in the folder, sorted; empty when there is none."""
        try:
            return sorted(os.listdir(self.locate(folder)))
        except OSError:
            return []

    def exists(self, path: str) -> bool:
        try:
            return os.path.lexists(self._below(self._parent_resolved(path)))
        except OSError:
            return False

    def is_folder(self, path: str) -> bool:
        try:
            return os.path.isdir(self.locate(path))
        except OSError:
            return False

    def link(self, path: str) -> str | None:
        """What a symbolic link says; None: it is none."""
        try:
            return os.readlink(self._below(self._parent_resolved(path)))
        except OSError:
            return None

    def mode(self, path: str) -> int | None:
        try:
            return stat.S_IMODE(os.stat(self.locate(path)).st_mode)
        except OSError:
            return None

    def program(self, name: str) -> str | None:
        """Where a program lies, as the machine sees it; None: it has none of that name."""
        for folder in PROGRAM_FOLDERS:
            path = f"{folder}/{name}"
            try:
                real = self.locate(path)
            except OSError:
                continue
            if os.path.isfile(real) and os.access(real, os.X_OK):
                return path
        return None

    # ---- writing

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Replace an ordinary file atomically; an existing one keeps its mode and owner, a link leads to its target.

        :raises OSError: it could not be written; the old text is still there.
        """
        target = self._below(self.resolve(path))
        folder = os.path.dirname(target)
        os.makedirs(folder, mode=0o755, exist_ok=True)
        data = text.encode("utf-8", "surrogateescape")
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=_TEMPORARY)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                stream.flush()
                with contextlib.suppress(FileNotFoundError):
                    old = os.stat(target)
                    mode = stat.S_IMODE(old.st_mode)
                    os.fchown(stream.fileno(), old.st_uid, old.st_gid)
                os.fchmod(stream.fileno(), mode)
                os.fsync(stream.fileno())
            try:
                os.rename(temporary, target)
            except OSError as error:
                # A file that is itself a mount point (/etc/hosts in a container) cannot be replaced, only rewritten.
                if error.errno not in (errno.EBUSY, errno.EXDEV):
                    raise
                with open(target, "wb") as stream:
                    stream.write(data)
                    stream.flush()
                    os.fsync(stream.fileno())
                os.unlink(temporary)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise

    def make_link(self, path: str, target: str) -> None:
        """A symbolic link, atomically in place of what was there. :raises OSError:"""
        place = self._below(self._parent_resolved(path))
        os.makedirs(os.path.dirname(place), mode=0o755, exist_ok=True)
        temporary = f"{os.path.dirname(place)}/{_TEMPORARY}{os.getpid()}"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        os.symlink(target, temporary)
        os.rename(temporary, place)

    def remove(self, path: str) -> None:
        """Take a file or link away; harmless when there is none. :raises OSError:"""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._below(self._parent_resolved(path)))

    def set_kernel(self, path: str, value: str) -> None:
        """Write a value into a kernel file, in one call. :raises OSError: the kernel refuses, or has no such file."""
        handle = os.open(self.locate(path), os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
        try:
            os.write(handle, f"{value}\n".encode())
        finally:
            os.close(handle)

    def backup(self, path: str) -> str | None:
        """Copy a file to ``<path>.npuforge-<UTC>``, the three newest are kept; None: there is no such file."""
        text = self.read(path)
        if text is None:
            return None
        real = self.resolve(path)
        name = f"{real}.npuforge-{datetime.now(timezone.utc).strftime('%Y%m%dT%H%M%SZ')}"
        if self.read(name) is None:  # one made in this second is nearer to what people wrote
            self.write(name, text, self.mode(path) or 0o600)
        folder, start = os.path.split(f"{real}.npuforge-")
        for old in [each for each in self.names(folder) if each.startswith(start)][:-KEPT_BACKUPS]:
            self.remove(f"{folder}/{old}")
        return name

    def run(self, argv: Sequence[str], seconds: float = 120.0) -> Answer:
        """Run a program to its end, ended with its children after ``seconds``. Never raises."""
        began = time.monotonic()
        path = self.program(argv[0])
        if path is None:
            return Answer(127, f"there is no program {argv[0]}", 0.0)
        environment = dict(os.environ, LC_ALL="C", PATH=":".join(self._below(each) for each in PROGRAM_FOLDERS))
        if self.root != "/":
            environment["PATH"] += ":" + ":".join(PROGRAM_FOLDERS)
            environment["NPUFORGE_ROOT"] = self.root
        try:
            child = subprocess.Popen(
                [self.locate(path), *argv[1:]],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            return Answer(126, str(error), 0.0)
        try:
            data, _ = child.communicate(timeout=seconds)
            rc: int | None = child.returncode
        except subprocess.TimeoutExpired:
            with contextlib.suppress(OSError):
                os.killpg(child.pid, signal.SIGKILL)
            data, _ = child.communicate()
            rc = None
        return Answer(rc, data[:MAX_BYTES].decode("utf-8", "replace"), time.monotonic() - began)

    # ---- one run at a time

    @contextlib.contextmanager
    def lock(self, path: str = LOCK_PATH) -> Iterator[None]:
        """Be the only run on this machine. The kernel frees the lock of a process that was killed.

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
                    raise Locked(f"another run works on this machine's baseline (lock {path})")
                time.sleep(0.05)
            yield
        finally:
            os.close(handle)

    def tidy(self, folders: Sequence[str]) -> None:
        """Remove the temporary files of a run that was killed. Only under the lock."""
        for folder in folders:
            for name in self.names(folder):
                if name.startswith(_TEMPORARY):
                    with contextlib.suppress(OSError):
                        self.remove(f"{folder}/{name}")

    def _parent_resolved(self, path: str) -> str:
        folder, name = os.path.split(path)
        if self.root == "/":
            return path
        parent = self.resolve(folder)
        return f"{'' if parent == '/' else parent}/{name}"
