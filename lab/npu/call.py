"""One call of a tool on a node: its arguments, the files it may use, and the way back to whoever waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lab.world import World

if TYPE_CHECKING:
    from lab.npu.runtime import Runtime

Say = Callable[[str], None]
Run = Callable[[World, str, Sequence[str], Say], int]


class Gone(Exception):
    """The caller is no longer there: the tool was killed, or its node lost power."""


@dataclass
class Call:
    """What a tool gets. ``files``: path -> text of the node's files as the client sent them (None: not there).

    ``send`` takes ``{"out": text}`` or ``{"err": text}``. ``after`` is done when the client has replaced its files.
    """

    world: World
    node: str
    argv: list[str]
    files: dict[str, str | None]
    send: Callable[[dict[str, str]], None]
    runtime: Runtime
    environment: dict[str, str] = field(default_factory=dict)  # the caller's variables HCCL_* and ASCEND_*
    gone: threading.Event = field(default_factory=threading.Event)
    written: dict[str, str] = field(default_factory=dict)
    after: list[Callable[[], None]] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Text to the caller's standard output, now. Gone: nobody hears it."""
        self._send("out", text)

    def complain(self, text: str) -> None:
        """The same for standard error."""
        self._send("err", text)

    def read(self, path: str) -> str | None:
        """A file of the node as it is after this call's own writes; None: not there."""
        return self.written.get(path, self.files.get(path))

    def write(self, path: str, text: str) -> None:
        """Replace a file of the node when the call ends."""
        self.written[path] = text

    def wait(self, seconds: float) -> None:
        """Let time pass. Gone: the caller went away meanwhile."""
        if self.gone.wait(seconds):
            raise Gone(self.node)

    def _send(self, stream: str, text: str) -> None:
        if self.gone.is_set():
            raise Gone(self.node)
        self.send({stream: text})


Session = Callable[[Call], int]


def plain(run: Run) -> Session:
    """A tool that needs neither files nor waiting, as a row of the table."""

    def session(call: Call) -> int:
        return run(call.world, call.node, call.argv, call.say)

    return session
