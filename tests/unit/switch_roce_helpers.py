"""A two-stage Huawei command line for tests, of our own reading of the CE6800/CE8800 V300R023C00 command reference.

Not the twin's switch: it knows just the lines that matter here, keeps candidate, running, trial and saved
configuration, and can be told to refuse a line, to hang up at one, or to be in somebody else's hands.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from npuforge.switch.session import Answer, Entered, SessionError, Target

PORTS = ("400GE1/0/1:1", "400GE1/0/1:2", "400GE1/0/2:1", "400GE1/0/2:2")
TARGET = Target("127.0.0.1", 22, "npuforge", "-", "/dev/null", 5)
Config = dict[tuple[str, ...], list[str]]


def part(**overrides: Any) -> dict[str, Any]:
    """A plan's part for sw1 with four ports; ``overrides`` replace keys of the switch."""
    ports = [
        {
            "id": f"node{1 + index // 2}/NPU{1 + index % 2}",
            "node": f"node{1 + index // 2}",
            "name": f"NPU{1 + index % 2}",
            "device_id": index % 2,
            "rail": 1 + index % 2,
            "switch": "sw1",
            "switch_port": port,
        }
        for index, port in enumerate(PORTS)
    ]
    switch = {
        "os": "huawei_vrpv8",
        "family": "ce8855",
        "headroom_pool_kib": 4096,
        "dscp_mapping": True,
        "buffer": {"form": "dynamic", "xoff": 6, "xoff_bytes": None, "headroom_bytes": 262144},
        "ports": list(PORTS),
    }
    return {
        "site": "test",
        "nodes": ["node1", "node2"],
        "qos": {
            "traffic_class": 132,
            "dscp": 33,
            "service_level": 4,
            "priority": 4,
            "queue": 4,
            "phb": "af4",
            "npu_tc": 3,
            "cnp": {"dscp": 48, "priority": 6, "queue": 6, "phb": "cs6"},
        },
        "pfc": {
            "lossless_priorities": [4],
            "bitmap": [0, 0, 0, 0, 1, 0, 0, 0],
            "deadlock": {"detect_time": 10, "recovery_time": 10, "turn_off_threshold": 20},
        },
        "ecn": {"low_limit_bytes": 524288, "high_limit_bytes": 1048576, "discard_percentage": 5},
        "link": {"speed_mbps": 200000, "fec": "rs", "mtu_bytes": 4200, "max_frame_bytes": 9216},
        "ports": ports,
        "switches": {"sw1": {**switch, **overrides}},
    }


FACTORY: Config = {
    (): [
        "sysname sw1",
        "lldp enable",
        *(f"interface {port}" for port in PORTS),
        "interface 10GE1/0/48",
        "stelnet server enable",
    ],
    ("interface 10GE1/0/48",): ["description to the hospital's core"],
}

# (view's first word, line) that the device takes; a view's header opens it.
_TAKES = {
    "": (
        r"qos buffer headroom-pool size \d+ [km]bytes slot 1",
        r"dcb pfc dscp-mapping enable slot 1",
        r"dcb pfc global disable",
        r"lldp enable",
        r"sysname \S+",
    ),
    "dcb": (
        r"priority [0-7]( [0-7])*",
        r"priority [0-7] deadlock-(detect|recovery) time \d+",
        r"priority [0-7] turn-off threshold \d+",
    ),
    "diffserv": (r"ip-dscp-inbound \d+ phb \w+( green| yellow| red)?",),
    "drop-profile": (
        r"color \w+ buffer-size low-limit \d+ high-limit \d+ discard-percentage \d+",
        r"ecn buffer-size low-limit \d+ high-limit \d+ discard-percentage \d+",
    ),
    "interface": (
        r"trust (dscp|8021p (inner|outer))",
        r"trust upstream \S+",
        r"dcb pfc enable( \S+)?( mode (manual|auto))?",
        r"dcb pfc buffer [0-7] (xon (static|dynamic) \d+( kbytes)? )?xoff (dynamic|static) \d+( kbytes)?",
        r"dcb pfc buffer [0-7] hdrm \d+( kbytes)?",
        r"qos queue [0-7] wred \S+",
        r"qos queue [0-7] ecn",
        r"flow-control",
        r"shutdown",
        r"description .*",
    ),
    "ai-service": (r"ai-ecn enable", r"assign queue [0-7]"),
}
_OPENS = (
    r"dcb pfc( [\w-]+)?",
    r"diffserv domain \S+",
    r"drop-profile \S+",
    r"interface \S+",
    r"ai-service",
    r"ai-ecn",
)
_SAME = (
    r"trust upstream",
    r"trust (?:dscp|8021p)",
    r"dcb pfc enable",
    r"dcb pfc buffer \d xo",
    r"dcb pfc buffer \d hdrm",
    r"qos queue \d wred",
    r"color \w+",
    r"ecn buffer",
    r"ip-dscp-inbound \d+",
    r"priority \d turn-off",
    r"priority \d deadlock-\w+",
    r"qos buffer headroom-pool",
    r"sysname",
)


class Device:
    """The switch. ``refuses``: expression of lines it refuses; ``hangs_up``: of lines at which the session is lost,
    ``answers_no_more``: after it did them."""

    def __init__(self, config: Config | None = None, one_by_one: bool = False) -> None:
        self.running: Config = _copy(config or FACTORY)
        self.saved: Config = _copy(self.running)
        self.before_trial: Config | None = None
        self.refuses = self.hangs_up = self.answers_no_more = self.asks = "(?!)"
        self.one_by_one = one_by_one  # tables only port by port
        self.hides: tuple[str, ...] = ()  # commands that this model does not have
        self.shown_off: tuple[str, ...] = ()  # ports where PFC is configured but not in effect
        self.locked_by = ""
        self.turned_off: tuple[str, ...] = ()
        self.neighbors = {port: (f"node{1 + i // 2}", f"NPU{1 + i % 2}") for i, port in enumerate(PORTS)}
        self.commits = 0
        self.started = "2026/11/23   06:04:05"
        self.restarts = True  # whether "reboot" does
        self.reachable = True
        self.clean_save = True
        self.wrong_model = False
        self.crc = dict.fromkeys(PORTS, 0)
        self.rx_dbm = dict.fromkeys(PORTS, -2.0)
        self.without_module: tuple[str, ...] = ()

    def lines(self, *view: str) -> list[str]:
        return self.running.get(view, [])

    def text(self, config: Config) -> str:
        out = ["!Software Version V300R023C00SPC500", "#"]
        for line in config[()]:
            out.append(line)
            if (line,) in config or _opens(line):
                out += self._view(config, (line,))
                out.append("#")
        return "\n".join([*out, "#", "return"])

    def _view(self, config: Config, path: tuple[str, ...]) -> list[str]:
        out = []
        for line in config.get(path, []):
            out.append(" " * len(path) + line)
            if (*path, line) in config:
                out += self._view(config, (*path, line))
        return out


def _copy(config: Config) -> Config:
    return {path: list(lines) for path, lines in config.items()}


def _said(config: Config) -> Config:
    """Without views that are empty."""
    return {path: lines for path, lines in config.items() if lines}


def _opens(line: str) -> bool:
    if re.match(r"dcb pfc (enable|buffer|global|dscp-mapping)", line):
        return False
    return any(re.fullmatch(expression, line) for expression in _OPENS)


class Session:
    """A session with the device, as ``Configurator`` is one, without SSH."""

    banner = "SSH-2.0-HUAWEI-1.5"
    target = TARGET

    def __init__(self, device: Device) -> None:
        self.device = device
        self.path: tuple[str, ...] | None = None
        self.candidate: Config | None = None
        self.asked: list[str] = []
        self.entered: list[str] = []
        self.dropped = False

    def __enter__(self) -> Session:
        if not self.device.reachable:
            raise SessionError("127.0.0.1:22 refuses connections")
        return self

    def __exit__(self, *details: object) -> None:
        self.drop()

    def drop(self) -> None:
        self.dropped = True
        if self.device.before_trial is not None:
            self.device.running, self.device.before_trial = self.device.before_trial, None

    @property
    def prompt(self) -> str:
        if self.path is None:
            return "<sw1>"
        dirty = "*" if self.candidate is not None and _said(self.candidate) != _said(self.device.running) else "~"
        suffix = "".join(f"-{line.split()[-1]}" for line in self.path)
        return f"[{dirty}sw1{suffix}]"

    def run(self, command: str) -> Answer:
        assert command.startswith("display ")
        self.asked.append(command)
        return Answer(self._display(command), 0.0)

    def enter(
        self, line: str, answer: str | Callable[[str], str] = "N", timeout_seconds: float | None = None
    ) -> Entered:
        self.entered.append(line)
        device = self.device
        if line == "reboot":
            return self._reboot(answer)
        assert isinstance(answer, str)
        if re.search(device.hangs_up, line):
            self.drop()
            raise SessionError(f"{line!r}: the connection is gone (EOFError)")
        if re.search(device.refuses, line):
            return self._says("Error: The operation failed.")
        if re.search(device.asks, line):
            return Entered("Warning: This may interrupt services.", 0.0, self.prompt, ("Continue? [Y/N]:",))
        said = self._does(line, answer)
        if re.search(device.answers_no_more, line):
            self.drop()
            raise SessionError(f"{line!r}: the connection is gone (EOFError)")
        return said

    def _says(self, text: str = "", *questions: str) -> Entered:
        return Entered(text, 0.0, self.prompt, questions)

    def _reboot(self, answer: str | Callable[[str], str]) -> Entered:
        device = self.device
        asked = ["Warning: The system will reboot. Continue? [Y/N]:"]
        if device.running != device.saved:
            first = "Warning: The current configuration will be saved to the next startup saved-configuration file. "
            asked.insert(0, first + "Continue? [Y/N]:")
        said = [answer if isinstance(answer, str) else answer(question) for question in asked]
        if said[-1] != "Y":
            return self._says("", *asked)
        if len(said) == 2 and said[0] == "Y":
            device.saved = _copy(device.running)
        if device.restarts:
            device.running, device.started = _copy(device.saved), "2026/11/24   06:04:05"
        raise SessionError("'reboot': the connection is gone (EOFError)")

    def _does(self, line: str, answer: str) -> Entered:
        device = self.device
        if line == "system-view":
            self.path, self.candidate = (), _copy(device.running)
            return self._says("Enter system view, return user view with return command.")
        if line == "save":
            if answer == "Y" and device.clean_save:
                device.saved = _copy(device.running)
                return self._says("Info: Save the configuration successfully.", "Are you sure to continue?[Y/N]")
            return self._says("Error: The disk is full.", "Are you sure to continue?[Y/N]")
        assert self.path is not None and self.candidate is not None, f"{line!r} in the user view"
        if line in ("quit", "return"):
            self.path = None if line == "return" or not self.path else self.path[:-1]
        elif line == "clear configuration candidate":
            self.path, self.candidate = (), _copy(device.running)
        elif line.startswith("commit trial "):
            device.before_trial = device.before_trial or device.running
            device.running = _copy(self.candidate)
            return self._says("Info: The system enters the trial configuration mode.")
        elif line == "commit":
            device.running, device.before_trial = _copy(self.candidate), None
            device.commits += 1
        elif line == "abort trial":
            assert device.before_trial is not None and answer == "Y"
            device.running, device.before_trial = device.before_trial, None
            self.candidate = _copy(device.running)
            return self._says("Info: The trial configuration rollback succeeded.", "Continue? [Y/N]:")
        elif not self._edit(line):
            return self._says("         ^\nError: Unrecognized command found at '^' position.")
        return self._says()

    def _edit(self, line: str) -> bool:
        assert self.path is not None and self.candidate is not None
        kind = self.path[0].split()[0] if self.path else ""
        lines = self.candidate.setdefault(self.path, [])
        if line.startswith("undo "):
            gone = line[5:]
            kept = [old for old in lines if old != gone and not old.startswith(gone + " ")]
            if re.fullmatch(r"priority [0-7]", gone):
                kept.append(line)
            self.candidate[self.path] = kept
            return True
        if _opens(line):
            if line.startswith("interface ") and line not in self.candidate[()]:
                return False
            if line not in lines:
                lines.append(line)
            self.path = (*self.path, line)
            self.candidate.setdefault(self.path, [])
            return True
        if not any(re.fullmatch(expression, line) for expression in _TAKES[kind]):
            return False
        name = re.match(r"(?:trust upstream|qos queue \d wred|dcb pfc enable) (?!mode)(\S+)", line)
        if name and name.group(1) not in ("default", "none"):
            header = {"t": "diffserv domain ", "q": "drop-profile ", "d": "dcb pfc "}[line[0]] + name.group(1)
            if header not in self.candidate[()]:
                return False
        for expression in _SAME:
            if re.match(expression, line):
                for place, old in enumerate(lines):
                    if (
                        re.match(expression, old)
                        and re.match(expression, old).group() == re.match(expression, line).group()
                    ):  # type: ignore[union-attr] # the line before says so
                        lines[place] = line
                        return True
        if line not in lines:
            lines.append(line)
        return True

    def _display(self, command: str) -> str:
        from tests.unit import switch_roce_screens as screens

        return screens.display(self.device, command)
