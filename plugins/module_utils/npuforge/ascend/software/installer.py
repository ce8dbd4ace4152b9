"""Runs one ``.run`` package: in a process group of its own, with progress from its log, a time limit and a clean end.

While one runs, a note says so (``RUNNING``: pid and start time). When our own process is told to stop, the group is
stopped with it. When our process is killed without a word the installer goes on, since firmware is not to be
interrupted; the next run finds the note, waits for it to end, and looks at what it left.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import threading
import time
from typing import Any, Callable, Iterator, Mapping, NamedTuple, Sequence

from ..files import Locked
from . import install_log
from .host import Host

LOG = "/var/log/ascend_seclog/ascend_install.log"
OPERATION_LOG = "/var/log/ascend_seclog/operation.log"
RUNNING = "/run/npuforge/installer.json"
PROGRESS_FOLDER = "/run/npuforge/progress"
OUTPUT_LIMIT = 2 << 20
GRACE_SECONDS = 5.0


class Cancelled(Exception):
    """Our process was told to stop; the installer was stopped with it."""


class Outcome(NamedTuple):
    """``rc`` None: stopped at its time limit. ``log``: what it added to its own log. ``started``: it ran at all."""

    argv: list[str]
    rc: int | None
    output: str
    log: str
    operation: str
    seconds: float
    started: bool = True

    @property
    def text(self) -> str:
        """All that it said, the log first: some say the reason only there."""
        return f"{self.log}\n{self.output}"


class Progress:
    """``/run/npuforge/progress/<module>.json``: what is being done, for whoever looks; twice a second at most."""

    def __init__(self, host: Host, module: str, clock: Callable[[], float] = time.time) -> None:
        self.host = host
        self.path = f"{PROGRESS_FOLDER}/{module}.json"
        self.module = module
        self.clock = clock
        self.began = clock()
        self.steps_count = 0
        self._last = 0.0

    def tell(self, step: int, words: str, percent: int | None = None, line: str = "", force: bool = True) -> None:
        """Best effort: a full disk must not stop an installation that is under way."""
        now = self.clock()
        if not force and now - self._last < 0.5:
            return
        self._last = now
        with contextlib.suppress(OSError):
            self.host.write_json(
                self.path,
                {
                    "module": self.module,
                    "step": step,
                    "steps_count": self.steps_count,
                    "words": words,
                    "percent": percent,
                    "line": line[-300:],
                    "started_at": _utc(self.began),
                    "updated_at": _utc(now),
                    "seconds": round(now - self.began, 1),
                    "pid": os.getpid(),
                },
            )


def _utc(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def run(
    host: Host,
    argv: Sequence[str],
    seconds: float,
    told: Callable[[int | None, str], None],
    package: str,
    *,
    variables: Mapping[str, str] | None = None,
) -> Outcome:
    """Run it to its end. ``told(percent, line)`` is called as it goes on.

    :param package: what it installs, for the note. :param variables: more of its environment.
    :raises Cancelled: after the group was stopped.
    """
    began = time.monotonic()
    starts = {path: host.size(path) for path in (LOG, OPERATION_LOG)}
    with contextlib.suppress(OSError):
        os.chmod(argv[0], 0o700)  # as it was fetched, a package is no program
    environment = {**os.environ, "LC_ALL": "C", "PATH": _path(), **(variables or {})}
    environment.pop("LD_PRELOAD", None)
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        return Outcome(list(argv), 127, f"{argv[0]}: {error.strerror or error}\n", "", "", 0.0, started=False)
    output = bytearray()
    rc: int | None = None
    try:
        with _told_to_stop():
            host.write_json(
                RUNNING, {"pid": process.pid, "started": host.started(process.pid), "package": package}, 0o600
            )
            rc = _follow(host, process, output, began + seconds, log_start=starts[LOG], told=told)
    finally:
        stop(process)
        host.remove(RUNNING)
    return Outcome(
        list(argv),
        rc,
        bytes(output).decode("utf-8", "replace"),
        host.tail(LOG, starts[LOG]),
        host.tail(OPERATION_LOG, starts[OPERATION_LOG]),
        time.monotonic() - began,
    )


def _path() -> str:
    """sudo and Ansible may leave a PATH without the folders of the system's tools."""
    have = [part for part in os.environ.get("PATH", "").split(":") if part]
    wanted = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
    return ":".join(have + [part for part in wanted if part not in have])


def _follow(
    host: Host,
    process: subprocess.Popen[bytes],
    output: bytearray,
    deadline: float,
    *,
    log_start: int,
    told: Callable[[int | None, str], None],
) -> int | None:
    """Read what it prints until it ends; None: the time is used up."""
    stream = process.stdout
    if stream is None:
        return process.wait()
    os.set_blocking(stream.fileno(), False)
    percent: int | None = None
    quiet_since = 0.0
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        closed = False
        while time.monotonic() < deadline:
            if closed:
                time.sleep(0.02)
            elif selector.select(0.2):
                piece = os.read(stream.fileno(), 1 << 16)
                closed = not piece
                if closed:
                    selector.unregister(stream)
                output += piece
                if len(output) > OUTPUT_LIMIT:
                    del output[: len(output) - OUTPUT_LIMIT]  # the end tells what went wrong
            now = time.monotonic()
            if now - quiet_since >= 0.5:
                quiet_since = now
                words = host.tail(LOG, log_start, 1 << 16) + bytes(output[-(1 << 16) :]).decode("utf-8", "replace")
                percent = _most(percent, install_log.last_percent(words))
                told(percent, _last_line(bytes(output[-4000:]).decode("utf-8", "replace")))
            code = process.poll()
            if code is not None:
                output += _rest(stream.fileno(), closed)
                return code
    return None


def _rest(descriptor: int, closed: bool) -> bytes:
    """What is still in the pipe; a grandchild may hold it open, so nobody waits for its end."""
    pieces = []
    with contextlib.suppress(BlockingIOError, OSError):
        while not closed:
            piece = os.read(descriptor, 1 << 16)
            closed = not piece
            pieces.append(piece)
    return b"".join(pieces)


def _most(one: int | None, two: int | None) -> int | None:
    return max((each for each in (one, two) if each is not None), default=None)


def _last_line(text: str) -> str:
    rows = [row.strip() for row in install_log.rows(text) if row.strip()]
    return rows[-1] if rows else ""


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the whole group: first by asking, so that its traps can write its log, then without. Harmless at its end."""
    if process.poll() is None:  # one that has ended may have left daemons of the driver behind, which stay
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
    if process.stdout is not None:
        process.stdout.close()


@contextlib.contextmanager
def _told_to_stop() -> Iterator[None]:
    """SIGTERM, SIGINT and SIGHUP become ``Cancelled`` while an installer runs. Only the main thread may do that."""

    def raise_it(number: int, frame: Any) -> None:
        raise Cancelled(f"stopped by signal {number}")

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = [(number, signal.signal(number, raise_it)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def left_over(host: Host) -> dict[str, Any] | None:
    """An installer of an earlier run of ours that still works: its note; None: there is none."""
    note = host.read_json(RUNNING)
    pid, started = note.get("pid"), note.get("started")
    if isinstance(pid, int) and started is not None and host.started(pid) == started:
        return note
    return None


def wait_for(host: Host, seconds: float, sleep: Callable[[float], None] = time.sleep) -> bool:
    """Let an installer of an earlier run come to its end. :returns: whether none works any more."""
    waited = 0.0
    while left_over(host) is not None:
        if waited >= seconds:
            return False
        sleep(1.0)
        waited += 1.0
    return True


def settle(host: Host, seconds: float, sleep: Callable[[float], None] = time.sleep) -> None:
    """Let an installer of an earlier run end. :raises Locked: it still works when the time is used up."""
    if not wait_for(host, seconds, sleep):
        note = left_over(host) or {}
        words = f"the installer of {note.get('package')} that an earlier run left (pid {note.get('pid')}) still works"
        raise Locked(f"{words} after {seconds:.0f} s")


def others(host: Host) -> list[str]:
    """Installers that somebody else runs, as ``pid 4711: /tmp/Ascend-hdk-910b-npu-driver_25.5.1.run --full``.

    None while one of an earlier run of ours works: that one is waited for.
    """
    found: list[str] = []
    if left_over(host) is not None:
        return found
    for process in host.processes():
        words = process.command.split()
        if any(
            "/" in word and word.rpartition("/")[2].startswith(("Ascend", "Atlas")) and word.endswith(".run")
            for word in words
        ):
            found.append(f"pid {process.pid}: {process.command[:200]}")
    return found
