"""Reads and changes files of a node, whether its container runs or not.

podman mounts the root of a container for root (``podman mount``), running or stopped. What lies on a mount of its own
inside the node (/run, /tmp, /srv/repo, /opt/npuforge-twin) is not seen that way. Absolute links inside the node lead
where they lead in the node. What lies below /proc and /sys are settings of the node's kernel: they are there while it
runs, and are asked of it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from lab.nodes.podman import Podman, need_root
from lab.state import LabError

MOST_LINKS = 16
KERNEL = ("/proc/", "/sys/")


class Disk:
    """The files of the nodes of one site. Paths are absolute, as in the node."""

    def __init__(self, site: str, podman: Podman | None = None) -> None:
        self.site = site
        self.podman = podman or Podman()

    def read(self, node: str, path: str) -> bytes | None:
        """A file's content; None: there is no such file (or the node is off, for a setting of its kernel)."""
        if path.startswith(KERNEL):
            return self._ask(node, path)
        with self._root(node) as root:
            real = inside(root, path)
            return real.read_bytes() if real.is_file() else None

    def write(self, node: str, path: str, content: bytes, like: tuple[int, int, int] | None = None) -> None:
        """Replace a file in place: owner and mode stay. ``like``: mode, user and group of one that is not there.

        LabError: it cannot be written, or the kernel refuses the value.
        """
        if path.startswith(KERNEL):
            self.podman.run(
                "exec", "--interactive", self._container(node), "dd", f"of={path}", "bs=4096", stdin=content
            )
            return
        with self._root(node) as root:
            real = inside(root, path)
            fresh = not real.exists()
            try:
                real.write_bytes(content)
                if fresh and like:
                    os.chown(real, like[1], like[2])
                    real.chmod(like[0])
            except OSError as error:
                raise LabError(f"{node}: {path} cannot be written: {error.strerror}") from error

    def remove(self, node: str, path: str) -> tuple[int, int, int]:
        """Remove a file; its mode, user and group. LabError: it is not there."""
        with self._root(node) as root:
            real = inside(root, path)
            if not real.is_file():
                raise LabError(f"{node} has no file {path}")
            found = real.stat()
            real.unlink()
            return stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid

    def _ask(self, node: str, path: str) -> bytes | None:
        container = self._container(node)
        if not self.podman.ok("exec", container, "test", "-f", path):
            return None
        return self.podman.run_bytes("exec", container, "cat", path)

    def _container(self, node: str) -> str:
        return f"npuforge-{self.site}-{node}"

    @contextmanager
    def _root(self, node: str) -> Iterator[Path]:
        need_root()
        container = self._container(node)
        root = Path(self.podman.run("mount", container).strip())
        try:
            yield root
        finally:
            self.podman.run("unmount", container)


def inside(root: Path, path: str) -> Path:
    """Where a path of the node is on this machine. Links are followed as the node follows them, never out of it.

    :raises LabError: the path is not absolute, or its links go round in circles.
    """
    if not path.startswith("/"):
        raise LabError(f"{path!r} is no absolute path")
    parts, here = list(reversed(PurePosixPath(path).parts[1:])), root
    links = 0
    while parts:
        part = parts.pop()
        if part == "..":
            here = here.parent if here != root else root
            continue
        if (here / part).is_symlink():
            links += 1
            if links > MOST_LINKS:
                raise LabError(f"{path}: too many symbolic links")
            target = PurePosixPath((here / part).readlink())
            if target.is_absolute():
                here = root
            parts += [piece for piece in reversed(target.parts) if piece != "/"]
            continue
        here = here / part
    return here
