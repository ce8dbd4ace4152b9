"""The FUSE file system that shows a ``Machine``: one process per node, started by ``boot`` before systemd.

Each open reads its content anew and keeps it (as seq_file does); each write(2) is one ``store``. The process answers
one question after the other, and asks nothing of its own file system.
"""

from __future__ import annotations

import ctypes
import errno
import itertools
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fusepy as fuse  # type: ignore[import-not-found]  # of the node, where this runs

from .boot import MOUNT, MS_PRIVATE, MS_REC, WORLD, document, libc, mount
from .machine import Machine, real_kernel
from .tree import Attribute, Folder, Link, Node, file_type, refuse

CACHE_SECONDS = 1.0
LOOK_SECONDS = 0.2  # how often the node's document is looked at
CLONE_NEWNS = 0x00020000
RESTART = {"b": 0x01234567, "o": 0x4321FEDC}  # reboot(2): restart, power off


class Files(fuse.Operations):  # type: ignore[misc]  # it has no types
    """FUSE's questions, answered from a tree."""

    use_ns = True

    def __init__(self, machine: Machine, node: str, ready: int) -> None:
        self.machine = machine
        self.node = node
        self.looked = time.monotonic()
        self.revision = revision(node)
        self.ready = ready
        self.began = time.time_ns()
        self.numbers = itertools.count(1)
        self.contents: dict[int, bytes] = {}

    def init(self, path: str) -> None:
        """The kernel below has accepted the mount: whoever waits may go on.

        What is then bound over /proc and /sys stays invisible here, or this process would ask itself and wait for ever.
        """
        alone()
        self.machine.sysctl.below = real_kernel()
        os.write(self.ready, b"\n")
        os.close(self.ready)

    def _find(self, path: str) -> Node:
        """The node at a path, in the hardware as it is now."""
        now = time.monotonic()
        if now - self.looked > LOOK_SECONDS:
            self.looked = now
            changed = revision(self.node)
            if changed != self.revision:
                self.revision = changed
                self.machine.update(document(self.node))
        return self.machine.root.find(path)

    def getattr(self, path: str, fh: int | None = None) -> dict[str, int]:
        node = self._find(path)
        size = 0 if path.startswith("/proc") or not isinstance(node, Attribute) else 4096
        times = dict.fromkeys(("st_atime", "st_mtime", "st_ctime"), self.began)
        return {"st_mode": file_type(node), "st_nlink": 2 if isinstance(node, Folder) else 1, "st_size": size, **times}

    def readdir(self, path: str, fh: int) -> Sequence[str]:
        node = self._find(path)
        if not isinstance(node, Folder):
            raise refuse(errno.ENOTDIR)
        return [".", "..", *node.filled()]

    def readlink(self, path: str) -> str:
        node = self._find(path)
        if not isinstance(node, Link):
            raise refuse(errno.EINVAL)
        return node.target

    def open(self, path: str, flags: int) -> int:
        node = self._find(path)
        if isinstance(node, Attribute) and node.store is None and flags & os.O_ACCMODE != os.O_RDONLY:
            raise refuse(errno.EACCES)
        return next(self.numbers)

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        if offset == 0 or fh not in self.contents:
            node = self._find(path)
            if not isinstance(node, Attribute):
                raise refuse(errno.EISDIR)
            self.contents[fh] = node.show().encode()
        return self.contents[fh][offset : offset + size]

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        node = self._find(path)
        if not isinstance(node, Attribute) or node.store is None:
            raise refuse(errno.EACCES)
        node.store(data.decode("utf-8", errors="replace"))
        return len(data)

    def release(self, path: str, fh: int) -> int:
        self.contents.pop(fh, None)
        return 0

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        """What ``>`` does first; attributes have no length."""
        self._find(path)
        return 0

    def create(self, path: str, mode: int, fi: Any = None) -> int:
        raise refuse(errno.EACCES)

    def statfs(self, path: str) -> dict[str, int]:
        return {"f_bsize": 4096, "f_namemax": 255}


def revision(node: str) -> int:
    """Changes with the node's document; 0: it is not there, so nothing can be said."""
    try:
        return (WORLD / f"{node}.json").stat().st_mtime_ns
    except OSError:
        return 0


def alone() -> None:
    """A mount namespace of its own: mounts made from now on are not seen."""
    if libc().unshare(CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "unshare")
    mount("none", "/", MS_REC | MS_PRIVATE)


def restart(kind: str) -> None:
    """Ends all processes of the node at once, as SysRq does: the container's init dies of a signal."""
    libc().reboot(ctypes.c_int(RESTART[kind]))


def main(node: str, command_line: str, ready: str) -> None:
    machine = Machine(document(node), command_line, real_kernel(), Path("/etc"), restart)
    fuse.FUSE(
        Files(machine, node, int(ready)),
        str(MOUNT),
        foreground=True,
        nothreads=True,
        raw_fi=False,
        allow_other=True,
        default_permissions=True,
        direct_io=True,
        attr_timeout=CACHE_SECONDS,
        entry_timeout=CACHE_SECONDS,
        fsname="npuforge-twin-kernel",
        nonempty=True,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
