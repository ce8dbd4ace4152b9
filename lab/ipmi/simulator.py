"""One running ``ipmi_sim``: started from the world, kept in step with it, gone when its owner is gone.

Its commands go in through standard input, which needs no port that others could use, and whose end makes it exit: a
service that is killed leaves nothing behind. SEL entries with their true time are added as a client does it
(``ipmitool exec``: Set SEL Time, Add SEL Entry, Set SEL Time), because ``sel_add`` knows no time.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lab.ipmi import emulator, sel, sensors
from lab.world import World, write_atomic

READY_SECONDS = 5.0
STOP_SECONDS = 3.0
TOOL_SECONDS = 10.0
RETRY_SECONDS = 2.0  # after a failure, so that a port in use does not fill the log
# RMCP presence ping (IPMI v2.0, section 13.2.3); the BMC answers with a pong
PING = bytes.fromhex("0600ff06000011be80000000")


class SimulatorError(Exception):
    """``ipmi_sim`` or ``ipmitool`` did not do what it was told; the text says what."""


class Simulator:
    """The IPMI side of one node's BMC. Not thread-safe: one owner calls ``tick`` and ``stop``."""

    def __init__(
        self,
        world: World,
        name: str,
        root: Path,
        *,
        password: Callable[[], str],
        chassis: list[str],
        say: Callable[[str], None],
    ) -> None:
        self.world = world
        self.name = name
        self.paths = emulator.Paths(Path(root).absolute())
        self._password = password
        self._chassis = chassis
        self._say = say
        # What a BMC that refuses the right password accepts instead: nobody knows it, and we still log in ourselves.
        self._unknown = "x" + secrets.token_hex(9)
        self._process: subprocess.Popen[bytes] | None = None
        self._not_before = 0.0
        self._revision = 0
        self._lan = ""
        self._structure: list[str] = []
        self._catalogue: list[sensors.Sensor] = []
        self._states: dict[int, sensors.State] = {}
        self._frus: dict[int, bytes | None] = {}
        self._sent: list[int] = []  # ids of the log entries that the SEL holds
        self._sel_stamp = 0
        self._clock_offset: float | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def tick(self) -> None:
        """Bring the simulator in step with the world; cheap when nothing changed. Failures are said and retried."""
        if time.monotonic() < self._not_before:
            return
        try:
            self._follow()
        except (OSError, SimulatorError, ValueError, subprocess.SubprocessError) as error:
            self._say(f"{self.name}: {error}")
            self._not_before = time.monotonic() + RETRY_SECONDS
            self._revision = 0
            if not isinstance(error, subprocess.TimeoutExpired):
                return
            self.stop()  # it hangs: a new one starts at the next tick

    def stop(self) -> None:
        """End the process: by the end of its input, else by a signal."""
        process, self._process = self._process, None
        self._revision = 0
        if process is None:
            return
        with contextlib.suppress(OSError):
            if process.stdin:
                process.stdin.close()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _follow(self) -> None:
        revision = self.world.revision(self.name)
        if self.running:
            self._notice_clear()
            if revision == self._revision:
                return
        elif self._process is not None:
            code = self._process.wait()
            self.stop()
            raise SimulatorError(f"ipmi_sim ended by itself (exit code {code}); it is started again")
        elif revision == self._revision:
            return  # dead on purpose, and still so
        node = self.world.read(self.name)
        if node["bmc"]["dead"]:
            if self.running:
                self._say(f"{self.name}: the BMC is dead")
            self.stop()
            self._revision = revision
            return
        catalogue = sensors.catalogue(node)
        password = self._unknown if node["bmc"]["reject_password"] else self._password()
        lan = emulator.lan_conf(node, password, [*self._chassis, self.name])
        structure = emulator.structure(node, catalogue, self.paths)
        if not self.running or lan != self._lan or structure != self._structure:
            self.stop()
            self._lan, self._structure, self._catalogue = lan, structure, catalogue
            self._start(node, password)
        else:
            self._update(node)
        self._log(node)
        self._revision = revision

    def _start(self, node: Mapping[str, Any], password: str) -> None:
        paths = self.paths
        shutil.rmtree(paths.root, ignore_errors=True)  # also the SEL of the last process: the world has the entries
        paths.state.mkdir(parents=True)
        paths.root.chmod(0o700)
        self._states = sensors.states(self._catalogue, node)
        self._frus = {}
        self._write_frus(node)
        write_atomic(paths.lan, self._lan)
        write_atomic(paths.password, password)
        lines = [
            *self._structure,
            *emulator.changes(self._catalogue, {}, self._states, power_up=True),
            f"mc_enable {emulator.MC}",
        ]
        write_atomic(paths.emulator, "\n".join(lines) + "\n")
        self._sent, self._sel_stamp, self._clock_offset = [], 0, None
        self._process = subprocess.Popen(
            ["ipmi_sim", "-c", str(paths.lan), "-f", str(paths.emulator), "-s", str(paths.state)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=paths.root,
        )
        threading.Thread(target=self._listen, args=(self._process,), daemon=True).start()
        self._await(node["bmc"]["address"], node["bmc"]["ipmi_port"])
        self._say(f"{self.name}: IPMI on {node['bmc']['address']}:{node['bmc']['ipmi_port']}")

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        """Keeps its output from filling the pipe, and passes on its complaints (they begin with ``**``)."""
        for line in process.stdout or ():
            text = line.decode("utf-8", "replace").strip()
            if text.startswith("**"):
                self._say(f"{self.name}: ipmi_sim: {text}")

    def _await(self, address: str, port: int) -> None:
        deadline = time.monotonic() + READY_SECONDS
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.settimeout(0.05)
            while self.running and time.monotonic() < deadline:
                with contextlib.suppress(OSError):
                    probe.sendto(PING, (address, port))
                    if probe.recv(64):
                        return
        self.stop()
        raise SimulatorError(f"ipmi_sim does not answer on {address}:{port}; is that port taken?")

    def _update(self, node: Mapping[str, Any]) -> None:
        states = sensors.states(self._catalogue, node)
        self._command(emulator.changes(self._catalogue, self._states, states))
        self._states = states
        self._write_frus(node)

    def _write_frus(self, node: Mapping[str, Any]) -> None:
        for fru_id, data in emulator.frus(node):
            if fru_id in self._frus and self._frus[fru_id] == data:
                continue
            path = self.paths.fru(fru_id)
            if data is None:
                path.unlink(missing_ok=True)
            else:
                temporary = path.with_suffix(".new")
                temporary.write_bytes(data)
                temporary.replace(path)
            self._frus[fru_id] = data

    def _command(self, lines: list[str]) -> None:
        if lines and self._process and self._process.stdin:
            self._process.stdin.write("".join(f"{line}\n" for line in lines).encode())
            self._process.stdin.flush()

    def _log(self, node: Mapping[str, Any]) -> None:
        """Make the SEL say what the node's log says, and the BMC's clock what it should."""
        offset = float(node["bmc"]["clock_offset_seconds"])
        entries = node["log"][-sel.CAPACITY :]
        known = {int(entry["id"]) for entry in entries}
        cleared = bool(self._sent) and self._sent[-1] not in known
        held = set() if cleared else set(self._sent)
        fresh = [item for item in sel.records(entries, self._catalogue) if item[0] not in held]
        if not fresh and not cleared and offset == self._clock_offset:
            return
        lines = ["sel clear"] if cleared else []
        for _, seconds, record in fresh:
            lines += [_set_time(seconds + offset), _raw(0x0A, 0x44, record)]
        lines.append(_set_time(time.time() + offset))
        added = self._tool(node, lines)
        if added != len(fresh):
            raise SimulatorError(f"the SEL took {added} of {len(fresh)} entries")
        self._sent = [] if cleared else self._sent
        self._sent += [item[0] for item in fresh]
        self._clock_offset = offset
        self._sel_stamp = self._stamp()

    def _tool(self, node: Mapping[str, Any], lines: list[str]) -> int:
        """Run IPMI commands in one session; returns how many record ids came back."""
        script = self.paths.root / "commands"
        write_atomic(script, "\n".join(lines) + "\n")
        bmc = node["bmc"]
        where = ["-H", bmc["address"], "-p", str(bmc["ipmi_port"]), "-U", bmc["user"], "-f", str(self.paths.password)]
        done = subprocess.run(
            ["ipmitool", "-I", "lanplus", "-C", "3", *where, "exec", str(script)],
            capture_output=True,
            text=True,
            timeout=TOOL_SECONDS,
            check=False,
        )
        if done.returncode or "Unable" in done.stderr:
            raise SimulatorError(f"ipmitool exec: {done.stderr.strip()[-300:]}")
        return sum(1 for line in done.stdout.splitlines() if len(line.split()) == 2 and len(line.strip()) == 5)

    def _notice_clear(self) -> None:
        """A client that cleared the SEL cleared the node's log: both are one in a real BMC."""
        stamp = self._stamp()
        if stamp == self._sel_stamp:
            return
        self._sel_stamp = stamp
        with contextlib.suppress(FileNotFoundError):
            text = self.paths.sel(self.name).read_text(encoding="latin-1")
            if self._sent and not any(line[:1].isdigit() for line in text.splitlines()):
                last, self._sent = self._sent[-1], []
                with self.world.update(self.name) as node:
                    node["log"] = [entry for entry in node["log"] if int(entry["id"]) > last]

    def _stamp(self) -> int:
        try:
            return self.paths.sel(self.name).stat().st_mtime_ns
        except FileNotFoundError:
            return 0


def _set_time(seconds: float) -> str:
    """Set SEL Time (section 31.11): Unix seconds, 32 bits, least significant byte first."""
    return _raw(0x0A, 0x49, (int(seconds) & 0xFFFFFFFF).to_bytes(4, "little"))


def _raw(net_function: int, command: int, data: list[int] | bytes) -> str:
    return " ".join(["raw", *(f"0x{byte:02x}" for byte in (net_function, command, *data))])
