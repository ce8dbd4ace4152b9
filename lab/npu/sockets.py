"""The Unix sockets between a node's tools and their service: where they are, and how one is made or asked."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

SOCKET = "npu.sock"
ANSWER_SECONDS = 2.0


def folder(state: Path, node: str) -> Path:
    """Where the socket of a node is on this machine; the folder is what its container gets to see."""
    return state / "run" / "npu" / node


def listen(place: Path) -> socket.socket:
    """A new socket in a folder; what a service left there that was killed is replaced."""
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    (place / SOCKET).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with _short(place) as path:
        listener.bind(path)
    (place / SOCKET).chmod(0o600)
    listener.listen(64)
    return listener


def connect(place: Path) -> socket.socket:
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    channel.settimeout(ANSWER_SECONDS)
    try:
        with _short(place) as path:
            channel.connect(path)
    except OSError:
        channel.close()
        raise
    return channel


def probe(place: Path) -> str | None:
    """Whether the service answers for a node; None: it does. It is asked for a tool that nobody has."""
    try:
        with connect(place) as channel:
            channel.sendall(b'{"tool": "", "argv": []}\n')
            for line in channel.makefile("rb"):
                if "rc" in json.loads(line):
                    return None
    except (OSError, ValueError) as error:
        return "no answer" if isinstance(error, TimeoutError) else str(error)
    return "closes without an answer"


@contextlib.contextmanager
def _short(place: Path) -> Iterator[str]:
    """By way of /proc: the path of a socket may have 107 bytes only, and state directories may be deep."""
    handle = os.open(place, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{handle}/{SOCKET}"
    finally:
        os.close(handle)
