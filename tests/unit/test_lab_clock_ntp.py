"""The twin's time server: packets as RFC 5905 says, the time it tells, and how it treats each node."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.ntp import packet
from lab.ntp.server import Server, probe
from lab.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    node = {"name": "node1", "address": "127.0.0.1", "ntp": {"answers": True, "stratum": 2}, "faults": {}}
    made.create({"name": "s"}, [node], [])
    return made


@pytest.fixture
def server(world: World) -> Iterator[Server]:
    made, done = Server(world, "127.0.0.1", 0), threading.Event()
    thread = threading.Thread(target=made.serve, args=(done,))
    thread.start()
    yield made
    done.set()
    thread.join()


def ask(server: Server, data: bytes, source: str = "127.0.0.1") -> bytes | None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.settimeout(0.5)
        channel.bind((source, 0))
        channel.sendto(data, server.address)
        try:
            return channel.recv(1024)
        except TimeoutError:
            return None


QUERY = bytes([4 << 3 | 3, 0, 6]) + bytes(37) + b"\x01\x02\x03\x04\x05\x06\x07\x08"


def test_it_tells_this_machines_time(server: Server) -> None:
    before = time.time()
    data = ask(server, QUERY)
    after = time.time()
    assert data is not None and len(data) == 48
    assert data[0] == 4 << 3 | 4 and data[1] == 2 and data[24:32] == QUERY[40:48]
    received, sent = (
        int.from_bytes(data[at : at + 4], "big") - packet.EPOCH + int.from_bytes(data[at + 4 : at + 8], "big") / 2**32
        for at in (32, 40)
    )
    assert before - 0.001 <= received <= sent <= after + 0.001


def test_stratum_and_silence_are_the_nodes_own(server: Server, world: World) -> None:
    for stratum, first, second in ((13, 0x24, 13), (1, 0x24, 1), (16, 0xE4, 0)):
        with world.update("node1") as node:
            node["ntp"]["stratum"] = stratum
        data = ask(server, QUERY)
        assert data is not None and data[0] == first and data[1] == second
    with world.update("node1") as node:
        node["ntp"]["answers"] = False
    assert ask(server, QUERY) is None
    other = ask(server, QUERY, "127.0.0.2")
    assert other is not None and other[1] == 2


@pytest.mark.parametrize(
    "data", [b"", b"\x23", QUERY[:47], bytes([4 << 3 | 4]) + QUERY[1:], bytes([5 << 3 | 3]) + QUERY[1:]]
)
def test_what_is_no_question_gets_no_answer(data: bytes) -> None:
    assert packet.query(data) is None


def test_a_stamp_is_of_its_era() -> None:
    assert struct.unpack("!II", packet.stamp(0.5)) == (packet.EPOCH, 1 << 31)
    assert struct.unpack("!I", packet.stamp(2**32 - packet.EPOCH)[:4]) == (0,)  # 2036


def test_the_probe_tells_what_is_there(server: Server, world: World) -> None:
    assert probe(*server.address) is None
    with world.update("node1") as node:
        node["ntp"]["answers"] = False
    assert probe(*server.address, timeout=0.2) == "no answer"
