"""A machine with systemd, chronyd and files in memory, whose clock is off by a known time.

It can be cut off at any deed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from npuforge.clock import conf
from npuforge.kernel.host import Answer, Host

CONF = "/etc/chrony.conf"
STOCK = "# stock\npool pool.ntp.org iburst\nmakestep 1.0 3\n"


class Killed(BaseException):
    """The run ends here, as by a power cut."""


class Machine(Host):
    """``answering``: the servers that answer. ``ahead``: its clock, in seconds. ``loaded``: what chronyd has read.

    A source is usable after ``polls_needed`` answers; time goes on only by ``sleep``.
    """

    def __init__(self, text: str | None = STOCK, unit: str = "chronyd.service") -> None:
        super().__init__()
        self.texts: dict[str, str] = {} if text is None else {CONF: text}
        self.unit = unit
        self.states = {"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled"}
        self.rivals: set[str] = set()
        self.loaded: str | None = text
        self.answering: set[str] = set()
        self.refused: set[str] = set()  # directives that chronyd does not take
        self.ahead = 0.0
        self.polls_needed = 3
        self.polls = 0
        self.answered_at: float | None = None
        self.now = 1000.0
        self.stratum = 2
        self.calls: list[list[str]] = []
        self.left: int | None = None  # so many more deeds before it is cut off
        self.wall = 5000.0

    def deed(self) -> None:
        if self.left is not None:
            if self.left == 0:
                raise Killed
            self.left -= 1

    # files
    def read(self, path: str) -> str | None:
        return self.texts.get(path)

    def exists(self, path: str) -> bool:
        return path in self.texts

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        self.deed()
        self.texts[path] = text

    def remove(self, path: str) -> None:
        self.deed()
        self.texts.pop(path, None)

    def backup(self, path: str) -> str | None:
        self.deed()
        if path in self.texts:
            self.texts[path + ".npuforge-1"] = self.texts[path]
        return path

    def tidy(self, folders: Sequence[str]) -> None:
        pass

    @contextlib.contextmanager
    def lock(self, path: str = "") -> Iterator[None]:
        yield

    # programs
    def run(self, argv: Sequence[str], seconds: float = 0.0) -> Answer:
        self.calls.append(list(argv))
        rc, text = self.answer(list(argv))
        return Answer(rc, text, 0.0)

    def answer(self, argv: list[str]) -> tuple[int, str]:
        if argv[0] == "date":
            return 0, f"{self.wall + self.ahead:.9f}\n"
        if argv[:2] == ["systemctl", "show"]:
            return 0, "\n".join(self.blocks())
        if argv[:2] == ["systemctl", "enable"]:
            self.deed()
            self.states["UnitFileState"] = "enabled"
            return 0, ""
        if argv[:2] == ["systemctl", "restart"]:
            self.deed()
            return self.restart()
        if argv[0] == "journalctl":
            return 0, "chronyd[1]: Fatal error : Invalid directive at line 3\n"
        if argv[0] == "chronyc":
            if self.states["ActiveState"] != "active":
                return 1, "506 Cannot talk to daemon\n"
            return 0, self.chronyc(argv[-2:])
        return 127, "no such program"

    def blocks(self) -> Iterator[str]:
        for name in ("chronyd.service", "chrony.service", "ntpd.service", "systemd-timesyncd.service"):
            if name == self.unit:
                values = {"MainPID": "0", "Id": name, **self.states}
            else:
                active = "active" if name in self.rivals else "inactive"
                values = {"Id": name, "LoadState": "not-found", "ActiveState": active, "UnitFileState": ""}
            yield "".join(f"{key}={value}\n" for key, value in values.items())

    def restart(self) -> tuple[int, str]:
        text = self.texts.get(CONF, "")
        if any(line in self.refused for line in conf.directives(text)):
            self.states["ActiveState"] = "failed"
            return 1, "Job for chronyd.service failed.\n"
        self.states["ActiveState"] = "active"
        self.loaded = text
        self.polls, self.answered_at = 0, None
        self.poll()
        return 0, ""

    def servers(self) -> list[str]:
        words = [line.split() for line in conf.directives(self.loaded or "")]
        return [each[1] for each in words if each[0] == "server"]

    def poll(self) -> None:
        if self.answering & set(self.servers()):
            self.polls += 1
            self.answered_at = self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.poll()

    def chronyc(self, argv: list[str]) -> str:
        if argv[0] == "burst":
            self.poll()
            return "200 OK\n"
        usable = self.polls >= self.polls_needed
        local = any(line.startswith("local ") for line in conf.directives(self.loaded or ""))
        if argv[1] == "tracking":
            if usable and self.servers():
                return f"0A000001,10.0.0.1,{self.stratum + 1},1.0,{-self.ahead:.9f},0,0,0,0,0,0,0,2.0,Normal\n"
            if local:
                return "7F7F0101,,10,1.0,0.000000000,0,0,0,0,0,0,0,0.0,Normal\n"
            return "00000000,,0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,1.0,1.0,0.0,Not synchronised\n"
        if argv[1] == "sources":
            return "".join(self.source(name, usable) for name in self.servers())
        return ""

    def source(self, name: str, usable: bool) -> str:
        if name not in self.answering and self.answered_at is None:
            return f"^,?,{name},0,6,0,4294967295,0.0,0.0,0.0\n"
        age = int(self.now - (self.answered_at or 0.0))
        state = "*" if usable and name == min(self.answering or {name}) else "?"
        return f"^,{state},{name},{self.stratum},6,{'377' if usable else '1'},{age},0.000010,{self.ahead:.9f},0.0004\n"
