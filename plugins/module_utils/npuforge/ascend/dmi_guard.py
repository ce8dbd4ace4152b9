"""Nothing that a bandwidth test started runs on after it, however the test ends.

Every child carries a mark in its environment, and so does what the child starts, also in a session of its own. A
watcher, forked before anything else, holds one end of a pipe whose other end only this process has: when it closes,
by the normal end as by a kill that no handler sees, the watcher ends every process with the mark and goes.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
import uuid
from types import TracebackType

VARIABLE = "NPUFORGE_DMI"
_ROUNDS = 20
_PAUSE = 0.05


def marked(mark: str, proc: str = "/proc") -> list[int]:
    """Processes with the mark in their environment; ``mark`` may be its beginning: of any run of a scope."""
    wanted = mark.encode()
    found = []
    for name in os.listdir(proc):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        with contextlib.suppress(OSError), open(os.path.join(proc, name, "environ"), "rb") as stream:
            if any(part.startswith(wanted) for part in stream.read(1 << 20).split(b"\0")):
                found.append(int(name))
    return found


def end_marked(mark: str) -> int:
    """Kill what has the mark until nothing is left; how many were there. What is a zombie has no environment."""
    ended = set()
    for _ in range(_ROUNDS):
        found = marked(mark)
        if not found:
            break
        for pid in found:
            ended.add(pid)
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_PAUSE)
    return len(ended)


class Guard:
    """``with Guard() as guard:`` before any thread is started; ``guard.mark`` goes into the children's environment."""

    def __init__(self, scope: str = "/") -> None:
        """``scope``: what the lock is for; runs of another scope are not of the same node."""
        self.scope = f"{VARIABLE}={scope}:"
        self.value = f"{scope}:{uuid.uuid4().hex}"
        self._pipe: int | None = None
        self._watcher: int | None = None

    @property
    def mark(self) -> dict[str, str]:
        return {VARIABLE: self.value}

    def __enter__(self) -> Guard:
        inside, self._pipe = os.pipe()
        self._watcher = os.fork()
        if self._watcher == 0:
            self._watch(inside)
        os.close(inside)
        return self

    def _watch(self, pipe: int) -> None:
        """The watcher; never returns. It holds none of our files: who waits for our output must see it end."""
        try:
            os.setsid()
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            null = os.open(os.devnull, os.O_RDWR)
            for standard in (0, 1, 2):
                os.dup2(null, standard)
            for name in os.listdir("/proc/self/fd"):
                if int(name) > 2 and int(name) != pipe:
                    with contextlib.suppress(OSError):
                        os.close(int(name))
            while os.read(pipe, 16):
                pass
            end_marked(f"{VARIABLE}={self.value}")
        finally:
            os._exit(0)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None
        if self._watcher:
            with contextlib.suppress(OSError):
                os.waitpid(self._watcher, 0)
            self._watcher = None
