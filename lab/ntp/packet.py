"""NTP version 4 packets (RFC 5905, 7.3): what a client asks, and what a server answers."""

from __future__ import annotations

import struct
from dataclasses import dataclass

LENGTH = 48
CLIENT, SERVER = 3, 4
UNSYNCHRONISED = 3  # leap indicator: the server has no time itself
EPOCH = 2208988800  # seconds from 1900 to 1970
PRECISION = -20  # 2^-20 s: what this program's clock readings are worth
_HEAD = struct.Struct("!BBbbII4s8s8s8s8s")


@dataclass(frozen=True)
class Query:
    """A client's question. ``transmitted``: its own stamp, given back unchanged."""

    version: int
    poll: int
    transmitted: bytes


def query(data: bytes) -> Query | None:
    """None: no question of a client of version 1 to 4 (extension fields behind it are not looked at)."""
    if len(data) < LENGTH:
        return None
    first, _, poll = struct.unpack("!BBb", data[:3])
    version, mode = first >> 3 & 7, first & 7
    if mode != CLIENT or not 1 <= version <= 4:
        return None
    return Query(version, poll, data[40:48])


def stamp(seconds: float) -> bytes:
    """A moment since 1970 as an NTP timestamp, of the era that it is in."""
    whole = int(seconds // 1)
    return struct.pack("!II", (whole + EPOCH) % (1 << 32), int((seconds - whole) * (1 << 32)) % (1 << 32))


def answer(asked: Query, stratum: int, received: float, now: float) -> bytes:
    """A server's packet. ``stratum`` 16: it has no time itself, which a packet says by 0 and the leap indicator."""
    lost = stratum >= 16
    leap = UNSYNCHRONISED if lost else 0
    reference = b"GPS\0" if stratum == 1 else b"\x7f\x00\x00\x02"
    return _HEAD.pack(
        leap << 6 | asked.version << 3 | SERVER,
        0 if lost else stratum,
        asked.poll,
        PRECISION,
        0 if stratum == 1 else 0x0040,  # root delay, 1/65536 s: 1 ms
        0x0040,  # root dispersion
        reference,
        stamp(now - now % 16),
        asked.transmitted,
        stamp(received),
        stamp(now),
    )
