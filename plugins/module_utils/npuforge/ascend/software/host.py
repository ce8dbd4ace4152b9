"""The machine that software is installed on: files, users, processes, disks and commands, in one object.

``root`` is another folder in tests. Everything that is only looked at is looked at here, so that a test's host can say
anything; nothing here decides.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import platform
import re
import shutil
from typing import Any, Iterator, NamedTuple, Sequence

from ...fabric.tool import Answer, Tool
from ..files import Files, Locked

READ_LIMIT = 1 << 20
LOCK = "/run/npuforge-software.lock"  # one installer at a time, whatever it installs
_PCI_IDS = ("0xd100", "0xd500", "0xd801", "0xd802", "0xd803", "0xd804")
_LSPCI = re.compile(r"^\S{4,20} [0-9a-f]{4}: 19e5:([0-9a-f]{4})\b", re.MULTILINE)


class Person(NamedTuple):
    name: str
    uid: int
    gid: int


class Process(NamedTuple):
    """``started``: ticks since boot, which tell a process from a later one with its number."""

    pid: int
    command: str
    started: str


class Host:
    """The real machine below ``root``."""

    def __init__(self, root: str = "/") -> None:
        self.root = root
        self.files = Files(root)

    # files
    def locate(self, path: str) -> str:
        return os.path.join(self.root, path.lstrip("/"))

    def read(self, path: str) -> str | None:
        """The text; None: no such file, or not to be read. Bytes that are no text are kept as such."""
        with contextlib.suppress(OSError):
            return self.files.read(path)
        return None

    def tail(self, path: str, start: int, limit: int = READ_LIMIT) -> str:
        """What was added behind byte ``start``, its end; the whole file when it is shorter now (a rotated log)."""
        try:
            with open(self.locate(path), "rb") as stream:
                size = stream.seek(0, os.SEEK_END)
                begin = start if size >= start else 0
                stream.seek(max(begin, size - limit))
                return stream.read(limit).decode("utf-8", "replace")
        except OSError:
            return ""

    def size(self, path: str) -> int:
        try:
            return os.path.getsize(self.locate(path))
        except OSError:
            return 0

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        self.files.write(path, text, mode)

    def read_json(self, path: str) -> dict[str, Any]:
        """A note of our own; one that was cut off or spoilt counts as none."""
        with contextlib.suppress(ValueError):
            found = json.loads(self.read(path) or "{}")
            return found if isinstance(found, dict) else {}
        return {}

    def write_json(self, path: str, document: Any, mode: int = 0o644) -> None:
        self.write(path, json.dumps(document, ensure_ascii=False, sort_keys=True, indent=1) + "\n", mode)

    def remove(self, path: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.locate(path))

    def exists(self, path: str) -> bool:
        return os.path.exists(self.locate(path))

    def is_link(self, path: str) -> bool:
        return os.path.islink(self.locate(path))

    def link_target(self, path: str) -> str | None:
        """The text of a link; None: it is none."""
        try:
            return os.readlink(self.locate(path))
        except OSError:
            return None

    def relink(self, path: str, target: str) -> None:
        """Point a link elsewhere in one step."""
        place = self.locate(path)
        temporary = f"{place}.npuforge-new"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        os.symlink(target, temporary)
        os.rename(temporary, place)

    def listing(self, path: str) -> list[str]:
        try:
            return sorted(os.listdir(self.locate(path)))
        except OSError:
            return []

    def find(self, pattern: str) -> list[str]:
        """Paths below the root that a shell pattern matches."""
        start = self.root.rstrip("/")
        found = sorted(glob.glob(glob.escape(start) + pattern))
        return [path[len(start) :] for path in found]

    def sha256(self, path: str) -> str | None:
        digest = hashlib.sha256()
        try:
            with open(self.locate(path), "rb") as stream:
                for piece in iter(lambda: stream.read(1 << 20), b""):
                    digest.update(piece)
        except OSError:
            return None
        return digest.hexdigest()

    def free_mib(self, path: str) -> int | None:
        """Room on the file system of ``path`` or of the nearest folder above it that exists."""
        place = self.locate(path)
        while place not in ("", "/") and not os.path.exists(place):
            place = os.path.dirname(place)
        try:
            return int(shutil.disk_usage(place).free >> 20)
        except OSError:
            return None

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Be the only one that installs software here. :raises Locked: another run does."""
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(self.files.lock(LOCK))
            except Locked:
                raise Locked(f"another run installs software on this node (lock {LOCK})") from None
            yield

    # machine
    def uid(self) -> int:
        return os.geteuid()

    def machine(self) -> str:
        return platform.machine()

    def kernel(self) -> str:
        """``uname -r``; in a folder for tests (or a twin) what its /proc says."""
        return (self.read("/proc/sys/kernel/osrelease") or "").strip() or platform.release()

    def boot_id(self) -> str | None:
        return (self.read("/proc/sys/kernel/random/boot_id") or "").strip() or None

    def person(self, name: str) -> Person | None:
        for row in self._rows("/etc/passwd"):
            if row[0] == name and len(row) > 3 and row[2].isdigit() and row[3].isdigit():
                return Person(name, int(row[2]), int(row[3]))
        return None

    def group(self, name: str) -> int | None:
        for row in self._rows("/etc/group"):
            if row[0] == name and len(row) > 2 and row[2].isdigit():
                return int(row[2])
        return None

    def members(self, group: str) -> list[str]:
        for row in self._rows("/etc/group"):
            if row[0] == group and len(row) > 3:
                return [name for name in row[3].split(",") if name]
        return []

    def owner_of(self, file: str, number: int) -> str | None:
        """Whose number it is in /etc/passwd or /etc/group."""
        return next((row[0] for row in self._rows(file) if len(row) > 2 and row[2] == str(number)), None)

    def _rows(self, path: str) -> list[list[str]]:
        return [row.split(":") for row in (self.read(path) or "").splitlines() if row]

    def which(self, program: str) -> str | None:
        places = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
        return next(
            (f"{each}/{program}" for each in places if os.access(self.locate(f"{each}/{program}"), os.X_OK)), None
        )

    def processes(self) -> list[Process]:
        """All others than this one and those above it, with their command lines."""
        mine = self._ancestors()
        found = []
        for name in self.listing("/proc"):
            if name.isdigit() and int(name) not in mine:
                command = (self.read(f"/proc/{name}/cmdline") or "").replace("\0", " ").strip()
                started = self.started(int(name))
                if command and started is not None:
                    found.append(Process(int(name), command, started))
        return found

    def started(self, pid: int) -> str | None:
        """When a process began; None: there is none with this number."""
        stat = self.read(f"/proc/{pid}/stat")
        words = (stat or "").rpartition(")")[2].split()
        return words[19] if len(words) > 19 and words[0] != "Z" else None

    def _ancestors(self) -> set[int]:
        pid, found = os.getpid(), set()
        while pid > 1 and pid not in found:
            found.add(pid)
            words = (self.read(f"/proc/{pid}/stat") or "").rpartition(")")[2].split()
            pid = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
        return found

    def chip_holders(self) -> list[str]:
        """Processes that hold a device of an NPU open, as ``python3 (4711) holds /dev/davinci3``."""
        found = []
        for name in self.listing("/proc"):
            if not name.isdigit() or int(name) == os.getpid():
                continue
            held = {self.link_target(f"/proc/{name}/fd/{each}") or "" for each in self.listing(f"/proc/{name}/fd")}
            chips = sorted(each for each in held if re.match(r"^/dev/davinci\d{1,3}$", each))
            if chips:
                comm = (self.read(f"/proc/{name}/comm") or "?").strip()
                found.append(f"{comm} ({name}) holds {', '.join(chips)}")
        return found

    def pci_devices(self) -> list[str] | None:
        """Device ids (``0xd802``) of the NPUs on the PCI bus; None: it cannot be seen.

        A Kunpeng server has dozens of devices of vendor 0x19e5, so the vendor alone counts nothing.
        """
        found: list[str] | None = None
        for name in self.listing("/sys/bus/pci/devices"):
            found = found or []
            base = f"/sys/bus/pci/devices/{name}"
            if (self.read(f"{base}/vendor") or "").strip().lower() == "0x19e5":
                device = (self.read(f"{base}/device") or "").strip().lower()
                if device in _PCI_IDS or (self.read(f"{base}/class") or "").strip().startswith("0x12"):
                    found.append(device)
        if not found and self.which("lspci"):
            answer = self.run(["lspci", "-D", "-n", "-d", "19e5:"], 10.0)
            if answer.rc == 0:
                listed = ["0x" + each for each in _LSPCI.findall(answer.text)]
                found = [each for each in listed if each in _PCI_IDS]
        return found

    def run(self, argv: Sequence[str], seconds: float = 30.0) -> Answer:
        """A command that ends soon; ``Answer.rc`` 127: there is none, None: stopped at its time limit."""
        return Tool(argv[0]).once(list(argv[1:]), seconds)
