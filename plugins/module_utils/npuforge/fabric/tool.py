"""Runs ``hccn_tool`` for the tests: many calls at a time, each in a process group of its own that can be stopped.

``hccn_tool is busy, please try again.`` is retried. A host on which that happens gets its short calls one after the
other from then on, since some drivers serve one call at a time per host.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Callable, Iterator, NamedTuple, Sequence, TypeVar

from .roce_parse import BUSY

LIMIT = 4 << 20  # bytes kept of one answer; what comes after is read and thrown away
PLACES = ("/usr/local/Ascend/driver/tools", "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin")
_In = TypeVar("_In")
_Out = TypeVar("_Out")


class Answer(NamedTuple):
    """``rc``: None when the call was stopped at its time limit, 127 when there is no such program."""

    argv: list[str]
    rc: int | None
    text: str
    seconds: float


class Child:
    """One call that runs. ``wait`` ends it at its limit at the latest."""

    def __init__(self, argv: Sequence[str], environment: dict[str, str]) -> None:
        self.argv = list(argv)
        self.started = time.monotonic()
        self._text = bytearray()
        self._process = subprocess.Popen(
            self.argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    def _read(self, stream: IO[bytes]) -> None:
        with contextlib.suppress(OSError, ValueError):
            for piece in iter(lambda: os.read(stream.fileno(), 1 << 16), b""):
                if len(self._text) < LIMIT:
                    self._text += piece[: LIMIT - len(self._text)]

    @property
    def text(self) -> str:
        """What it has printed so far."""
        return bytes(self._text).decode("utf-8", "replace")

    def poll(self) -> int | None:
        return self._process.poll()

    def stop(self) -> None:
        """End it and whatever it started. Harmless when it has ended already."""
        if self._process.poll() is None:
            with contextlib.suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)

    def answer(self) -> Answer:
        """Stop it if it still runs, and what it said."""
        rc = self._process.poll()
        self.stop()
        self._reader.join(2)  # a grandchild that left the group may hold the pipe open
        if not self._reader.is_alive() and self._process.stdout is not None:
            self._process.stdout.close()
        return Answer(self.argv, rc, self.text, time.monotonic() - self.started)


class Tool:
    """``path``: program, found on PATH or in ``PLACES`` when it has no slash. ``width``: calls at a time."""

    def __init__(self, path: str, short_seconds: float = 20.0, busy_seconds: float = 30.0, width: int = 16) -> None:
        self.path = path
        self.short_seconds = short_seconds
        self.busy_seconds = busy_seconds
        self.width = width
        self.environment = dict(os.environ, LC_ALL="C")
        self.environment["PATH"] = os.pathsep.join(
            [part for part in os.environ.get("PATH", "").split(os.pathsep) if part] + list(PLACES)
        )
        self.calls = 0
        self.busy_retries = 0
        self.stopping = threading.Event()
        self.stuck = False  # it stayed busy for all of ``busy_seconds`` once: no more patience with it
        self.serial = False  # one call at a time, since the tool was busy once
        self._one = threading.Lock()
        self._book = threading.Lock()
        self._running: list[Child] = []

    def start(self, words: Sequence[str]) -> Child:
        """Begin a call. :raises OSError: there is no such program, or no process can be made."""
        with self._book:
            self.calls += 1
        child = Child([self.path, *list(words)], self.environment)
        with self._book:
            self._running.append(child)
            late = self.stopping.is_set()
        if late:
            child.stop()
        return child

    def finish(self, child: Child) -> Answer:
        """The end of a call begun with ``start``."""
        try:
            return child.answer()
        finally:
            with self._book:
                if child in self._running:
                    self._running.remove(child)

    def once(self, words: Sequence[str], seconds: float) -> Answer:
        """One call, ended after ``seconds``; a missing program is rc 127 with the reason as its text."""
        began = time.monotonic()
        try:
            child = self.start(words)
        except OSError as error:
            return Answer([self.path, *list(words)], 127, str(error.strerror or error), 0.0)
        while child.poll() is None and time.monotonic() - began < seconds and not self.stopping.is_set():
            time.sleep(0.005)
        return self.finish(child)

    def short(self, words: Sequence[str], seconds: float | None = None) -> Answer:
        """A call that ends by itself soon, again while the tool is busy."""
        deadline = time.monotonic() + self.busy_seconds
        pause = 0.1
        while True:
            with self.turn():
                answer = self.once(words, self.short_seconds if seconds is None else seconds)
            if not BUSY.search(answer.text) or self.stopping.is_set() or self.stuck:
                return answer
            self.retried()
            if time.monotonic() + pause > deadline:
                self.stuck = True
                return answer
            self.stopping.wait(pause)
            pause = min(pause * 1.6, 1.5)

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for one's turn, on a host whose tool serves one call at a time."""
        if self.serial:
            with self._one:
                yield
        else:
            yield

    def retried(self) -> None:
        """Count one busy answer that is tried again, and take turns from now on."""
        with self._book:
            self.busy_retries += 1
            self.serial = True

    def stop(self) -> None:
        """End every call that runs and let no other run on; for the end of the run, however it comes."""
        self.stopping.set()
        with self._book:
            running = list(self._running)
        for child in running:
            child.stop()

    def resume(self) -> None:
        """Allow calls again after ``stop``: the reset of the devices needs some."""
        self.stopping.clear()

    def spread(self, function: Callable[[_In], _Out], items: Sequence[_In]) -> list[_Out]:
        """``function`` of each item, at the same time."""
        if not items:
            return []
        with ThreadPoolExecutor(max_workers=min(self.width, len(items))) as pool:
            return list(pool.map(function, items))
