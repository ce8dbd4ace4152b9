"""Background processes of the twin: started once, found again by pid *and* start time, stopped for certain.

``<state>/run/<name>.json`` = ``{pid, started, argv, log, code}``; ``started`` is field 22 of ``/proc/<pid>/stat``
(clock ticks since boot), which tells a process from a later one with the same pid; ``code`` is a fingerprint of the
program, so that ``up`` restarts what runs an old version. Every process that the twin starts also carries ``MARK`` in
its environment, and its children inherit it: what lost its record (its starter was killed) is still found.
Signals go through a pidfd that was opened before the identity was checked, so a reused pid is never hit.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.state import CHECKOUT, LabError, State
from lab.world import write_atomic

MARK = "NPUFORGE_TWIN_PROCESS_OF"
GRACE_SECONDS = 6.0
LOG_LIMIT_BYTES = 5_000_000


@dataclass(frozen=True)
class Process:
    """One process, by what cannot be confused: its pid and when it started (clock ticks since boot)."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The process that has this pid now; None when there is none, or only a zombie."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return None
        fields = stat.rpartition(")")[2].split()  # the name may hold spaces and parentheses
        return None if fields[0] in "ZX" else cls(pid, int(fields[19]))

    @property
    def alive(self) -> bool:
        return Process.of(self.pid) == self

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal to exactly this process; False when it is gone."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            if not self.alive:
                return False
            signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(handle)
        return True


def end(processes: Iterable[Process], grace: float = GRACE_SECONDS) -> list[Process]:
    """TERM, then KILL for what is left after ``grace`` seconds. Returns what survived even that (normally [])."""
    left = list(processes)
    for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 3.0)):
        for process in left:
            process.signal(number)
        left = _await(left, patience)
        if not left:
            break
    return left


def _await(processes: list[Process], seconds: float) -> list[Process]:
    deadline = time.monotonic() + seconds
    left = [process for process in processes if process.alive]
    while left and time.monotonic() < deadline:
        time.sleep(0.03)
        left = [process for process in left if process.alive]
    return left


def marked(state: State) -> list[Process]:
    """Every process that this twin started, whether recorded or not; never ourselves or those who called us."""
    mine = _ancestors()
    wanted = f"{MARK}={state.root}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) in mine:
            continue
        process = Process.of(int(entry.name))
        try:
            environment = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if process and wanted in environment:
            found.append(process)
    return found


def _ancestors() -> set[int]:
    seen, pid = set(), os.getpid()
    while pid > 0 and pid not in seen:
        seen.add(pid)
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            break
        pid = int(stat.rpartition(")")[2].split()[1])
    return seen


def marked_environment(state: State) -> dict[str, str]:
    """The environment for what the twin starts: ours, with the mark."""
    return {**os.environ, MARK: str(state.root), "NPUFORGE_LAB_STATE": str(state.root), "PYTHONUNBUFFERED": "1"}


class Supervisor:
    """Starts and stops the named background processes of one twin."""

    def __init__(self, state: State) -> None:
        self.state = state

    def names(self) -> list[str]:
        return sorted(path.stem for path in self.state.run.glob("*.json"))

    def log(self, name: str) -> Path:
        return self.state.log / f"{name}.log"

    def running(self, name: str) -> Process | None:
        record = self._record(name)
        process = Process(record["pid"], record["started"]) if record else None
        return process if process and process.alive else None

    def code(self, name: str) -> str | None:
        """The fingerprint that the running process was started with."""
        record = self._record(name)
        code = record.get("code") if record else None
        return code if isinstance(code, str) else None

    def start(self, name: str, argv: list[str], code: str = "") -> Process:
        """Start it in its own session with output to its log. Raises LabError when it cannot be started at all."""
        log = self.log(name)
        if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
            log.replace(log.with_suffix(".log.1"))
        with log.open("ab") as stream:
            stream.write(f"--- {time.strftime('%Y-%m-%dT%H:%M:%S%z')} {' '.join(argv)}\n".encode())
            stream.flush()
            try:
                child = subprocess.Popen(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=stream,
                    stderr=stream,
                    cwd=CHECKOUT,
                    env=marked_environment(self.state),
                    start_new_session=True,
                )
            except OSError as error:
                raise LabError(f"{name}: {argv[0]} cannot be started: {error}") from error
        process = Process.of(child.pid)
        if process is None:
            child.wait()
            raise LabError(f"{name} ended at once; {self.tail(name)}")
        self._write(name, process, argv, code)
        return process

    def record_self(self, name: str) -> None:
        """Make ourselves known, so that ``down`` can stop an ``up`` that is still at work."""
        process = Process.of(os.getpid())
        if process:
            self._write(name, process, ["(this process)"], "")

    def forget(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            (self.state.run / f"{name}.json").unlink()

    def stop(self, name: str, grace: float = GRACE_SECONDS) -> bool:
        """Stop it and forget it; False when it did not run. A pid that now belongs to another process is left alone."""
        process = self.running(name)
        survivors = end([process], grace) if process else []
        if survivors:
            raise LabError(f"{name} (process {survivors[0].pid}) does not end, not even by SIGKILL")
        self.forget(name)
        return process is not None

    def tail(self, name: str, lines: int = 10) -> str:
        """The end of its log, for an error message."""
        try:
            text = self.log(name).read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
        except FileNotFoundError:
            text = []
        return f"last lines of {self.log(name)}:\n" + "\n".join(f"  | {line}" for line in text)

    def wait_until(self, name: str, ready: Callable[[], str | None], seconds: float) -> None:
        """Wait until ``ready()`` returns None. It returns what is still missing, which ends up in the LabError."""
        deadline = time.monotonic() + seconds
        while True:
            missing = ready()
            if missing is None:
                return
            if self.running(name) is None:
                raise LabError(f"{name} ended before it was ready ({missing}); {self.tail(name)}")
            if time.monotonic() > deadline:
                raise LabError(f"{name} is not ready after {seconds:.0f} s: {missing}; {self.tail(name)}")
            time.sleep(0.1)

    def _record(self, name: str) -> dict[str, Any] | None:
        try:
            record = json.loads((self.state.run / f"{name}.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):  # a damaged record names no process; ``marked`` finds it
            return None
        complete = isinstance(record, dict) and all(isinstance(record.get(key), int) for key in ("pid", "started"))
        return record if complete else None

    def _write(self, name: str, process: Process, argv: list[str], code: str) -> None:
        record = {
            "pid": process.pid,
            "started": process.started,
            "argv": argv,
            "log": str(self.log(name)),
            "code": code,
        }
        write_atomic(self.state.run / f"{name}.json", json.dumps(record, indent=1) + "\n")
