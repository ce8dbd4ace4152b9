"""Answers NTP questions. How it fares with a node stands in that node's document: ``ntp: {answers, stratum}``.

``answers: false`` is what a firewall does: nothing comes back. ``stratum`` 16 is a server that lost its reference.
Others than the site's nodes get the plain truth.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
import threading
import time
from typing import Any

from lab.ntp import packet
from lab.world import World, WorldError

PORT = 123
STRATUM = 2
SO_TIMESTAMPNS = 35  # linux/socket.h; Python has no name for it
IP_FREEBIND = 15  # the bridge's address comes with the first container
WAKE_SECONDS = 0.5


class Server:
    """One socket, one thread. ``serve`` returns when ``done`` is set."""

    def __init__(self, world: World, address: str, port: int = PORT) -> None:
        self.world = world
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self.socket.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
            self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            self.socket.settimeout(WAKE_SECONDS)
            self.socket.bind((address, port))
        except OSError as error:
            self.socket.close()
            if error.errno == errno.EADDRINUSE:
                raise OSError(error.errno, f"another time server of this machine has {address}:{port}") from error
            raise
        self.address: tuple[str, int] = self.socket.getsockname()

    def serve(self, done: threading.Event) -> None:
        with contextlib.closing(self.socket):
            while not done.is_set():
                try:
                    data, extra, _, client = self.socket.recvmsg(1024, 64)
                except TimeoutError:
                    continue
                self._one(data, _received(extra), client)

    def _one(self, data: bytes, received: float, client: tuple[str, int]) -> None:
        asked = packet.query(data)
        if asked is None:
            return
        given = self._given(client[0])
        if given["answers"]:
            with contextlib.suppress(OSError):  # a client that is gone meanwhile
                self.socket.sendto(packet.answer(asked, given["stratum"], received, time.time()), client)

    def _given(self, address: str) -> dict[str, Any]:
        """How the server fares with whom it is asked by."""
        with contextlib.suppress(WorldError):
            for name in self.world.names():
                node = self.world.read(name)
                if node["address"] == address:
                    given: dict[str, Any] = node["ntp"]
                    return given
        return {"answers": True, "stratum": STRATUM}


def _received(extra: list[tuple[int, int, bytes]]) -> float:
    """When the kernel got the packet: this program may be late on a busy machine."""
    for level, kind, data in extra:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(data) == 16:
            seconds, nanoseconds = struct.unpack("@qq", data)
            return float(seconds + nanoseconds * 1e-9)
    return time.time()


def probe(address: str, port: int = PORT, timeout: float = 2.0) -> str | None:
    """Whether the server answers; None: it does."""
    question = bytes([4 << 3 | packet.CLIENT]) + bytes(39) + packet.stamp(time.time())
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as channel:
        channel.settimeout(timeout)
        try:
            channel.connect((address, port))
            channel.send(question)
            data = channel.recv(1024)
        except OSError as error:
            return "no answer" if isinstance(error, TimeoutError) else error.strerror or type(error).__name__
    good = len(data) >= packet.LENGTH and data[0] & 7 == packet.SERVER and data[24:32] == question[40:48]
    return None if good else "answers, but not as NTP"
