"""/proc/sys/{vm,kernel,fs,net/core,...}: typed values, as the handlers of kernel/sysctl.c take and refuse them.

What openEuler has is in ``sysctl.txt``. What else the kernel of the machine below has is there too, with that value
and a type guessed from it, and is the node's own from then on. A few are asked of that kernel each time: what
changes by itself, and what belongs to the container anyway (its name, the settings of its own network).
"""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from .arguments import Arguments
from .memory import Memory
from .topology import Processors
from .tree import Attribute, Folder, numbers, refuse

COVERED = ("vm", "kernel", "fs", "dev", "debug", "user", "abi", "crypto", "sunrpc", "net/core")
SKIPPED = ("fs/binfmt_misc", "kernel/random/boot_id", "kernel/sched_domain")
# Read from the kernel below whenever somebody asks.
ASKED = frozenset({
    *(f"kernel/{name}" for name in ("cap_last_cap", "ns_last_pid", "osrelease", "ostype", "version", "ngroups_max",
                                    "pty/nr", "random/uuid", "random/entropy_avail", "random/poolsize", "arch")),
    *(f"fs/{name}" for name in ("file-nr", "inode-nr", "inode-state", "dentry-state")),
})  # fmt: skip
OWN = frozenset({"kernel/hostname", "kernel/domainname"})  # the container's own: written through
BOUNDS = {"int": (-(2**31), 2**31 - 1), "uint": (0, 2**32 - 1), "ulong": (0, 2**64 - 1)}
# Writing one of a pair clears the other (mm/page-writeback.c, mm/util.c).
PAIRS = {
    "vm/dirty_ratio": "vm/dirty_bytes",
    "vm/dirty_background_ratio": "vm/dirty_background_bytes",
    "vm/overcommit_ratio": "vm/overcommit_kbytes",
}
MOST_TEXT = 4096


class Value:
    """One key. ``kind`` int, uint, ulong (with bounds), ints (so many), text, ro."""

    def __init__(self, kind: str, text: str, low: int = 0, high: int = 0) -> None:
        self.kind, self.text, self.low, self.high = kind, text, low, high
        self.told: list[Callable[[], None]] = []  # called when it was written

    def show(self) -> str:
        separator = "\t" if self.kind == "ints" else " "
        return separator.join(self.text.split(" ")) + "\n" if self.kind == "ints" else self.text + "\n"

    def store(self, text: str) -> None:
        """One write. OSError EINVAL: no number, or beyond the bounds."""
        if self.kind == "text":
            self.text = text.split("\n", 1)[0].strip("\0")[:MOST_TEXT]
        elif self.kind == "ints":
            old = self.text.split(" ")
            given = numbers(text)
            if not given or len(given) > len(old) or not all(self.low <= value <= self.high for value in given):
                raise refuse(errno.EINVAL)
            self.text = " ".join([*(str(value) for value in given), *old[len(given) :]])
        else:
            given = numbers(text)
            if len(given) != 1 or not self.low <= given[0] <= self.high:
                raise refuse(errno.EINVAL)
            self.text = str(given[0])
        for told in self.told:
            told()

    def clear(self) -> None:
        self.text = "0"

    def attribute(self, mode: int = 0) -> Attribute:
        return Attribute(self.show, None if self.kind == "ro" else self.store, mode)


def table(path: Path) -> Iterator[tuple[str, Value]]:
    """The rows of ``sysctl.txt``."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        key, kind, rest = line.split(" ", 2)
        if kind in BOUNDS:
            bounds, _, default = rest.partition(" ")
            low, high = BOUNDS[kind]
            if bounds != "-":
                first, _, last = bounds.partition("..")
                low, high = int(first), int(last) if last else high
            yield key, Value(kind, default, low, high)
        elif kind == "ints":
            yield key, Value(kind, rest.split(" ", 1)[1], *BOUNDS["int"])
        else:
            yield key, Value(kind, rest)


class Below:
    """The kernel of the machine below, by a descriptor of its /proc/sys that nothing is mounted over."""

    def __init__(self, root: int | None) -> None:
        self.root = root

    def keys(self, top: str) -> Iterator[tuple[str, int]]:
        """``(key, mode)`` of all files below a folder."""
        if self.root is None:
            return
        try:
            handle = os.open(top, os.O_RDONLY | os.O_DIRECTORY, dir_fd=self.root)
        except OSError:
            return
        try:
            for entry in os.scandir(handle):
                key = f"{top}/{entry.name}"
                if key in SKIPPED:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    yield from self.keys(key)
                else:
                    yield key, entry.stat(follow_symlinks=False).st_mode & 0o777
        finally:
            os.close(handle)

    def read(self, key: str) -> str:
        with os.fdopen(os.open(key, os.O_RDONLY, dir_fd=self._root()), encoding="utf-8", errors="replace") as stream:
            return stream.read()

    def write(self, key: str, text: str) -> None:
        handle = os.open(key, os.O_WRONLY, dir_fd=self._root())
        try:
            os.write(handle, text.encode())
        finally:
            os.close(handle)

    def _root(self) -> int:
        if self.root is None:
            raise refuse(errno.ENOENT)
        return self.root


class Sysctl:
    """All keys by path (``vm/swappiness``)."""

    def __init__(self, below: Below, arguments: Arguments, memory: Memory, processors: Processors) -> None:
        self.below = below
        self.values: dict[str, Value] = {}
        self.root = Folder()
        for key, value in table(Path(__file__).with_name("sysctl.txt")):
            self._add(key, value)
        for top in COVERED:
            for key, mode in below.keys(top):
                self._from_below(key, mode)
        self._add("kernel/random/boot_id", Value("ro", str(uuid.uuid4())))
        self.values["kernel/watchdog_cpumask"].text = f"0-{processors.count - 1}"
        for name in ("nr_hugepages", "nr_hugepages_mempolicy"):
            self.root.put(f"vm/{name}", memory.pool(memory.default_kib))
        for key, other in PAIRS.items():
            one, two = self.values[key], self.values[other]
            one.told.append(two.clear)
            two.told.append(one.clear)
        for key in ("vm/drop_caches", "vm/compact_memory"):  # an order, not a state
            self.values[key].told.append(self.values[key].clear)
        for name, text in arguments.given:
            if name.startswith("sysctl."):  # do_sysctl_args: before the first process
                self._given(name[7:].replace(".", "/"), text or "")

    def _given(self, key: str, text: str) -> None:
        # names of arguments have "_" for "-"
        for known, value in self.values.items():
            if known.replace("-", "_") == key:
                try:
                    value.store(text)
                except OSError:
                    continue

    def _add(self, key: str, value: Value, mode: int = 0) -> None:
        self.values[key] = value
        self.root.put(key, value.attribute(mode))

    def _from_below(self, key: str, mode: int) -> None:
        if key in ASKED or key in OWN or (key.startswith("net/") and mode & 0o200 and key not in self.values):
            self._ask(key, mode)
            return
        if key in self.values or key in ("vm/nr_hugepages", "vm/nr_hugepages_mempolicy"):
            return
        try:
            text = self.below.read(key).rstrip("\n")
        except OSError:
            text = ""  # one that can only be written
        words = text.split()
        kind = "text"
        if mode & 0o222 == 0:
            kind = "ro"
        elif words and all(word.lstrip("-").isdigit() for word in words):
            kind = "ulong" if len(words) == 1 and int(words[0]) >= 2**31 else "int" if len(words) == 1 else "ints"
        low, high = BOUNDS.get(kind, BOUNDS["int"])
        self._add(key, Value(kind, " ".join(words) if kind == "ints" else text, low, high), mode)

    def _ask(self, key: str, mode: int) -> None:
        store = (lambda text: self.below.write(key, text)) if key not in ASKED else None
        self.root.put(key, Attribute(lambda: self.below.read(key), store, mode))
