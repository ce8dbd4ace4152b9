"""``hccn_tool -ping``: three packets of 4096 bytes of data, or of as many as ``pkt`` says (source: tool_ext_qos.c).

Capture of an answer: public 910B notes; lines for lost packets: a public note on multi-node inference. Packets are not
cut in pieces. Waiting for one that is lost takes ``LOST_SECONDS``.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from lab.fabric import Fabric
from lab.npu import failure, layout
from lab.npu.call import Call
from lab.npu.failure import Failure
from lab.wires import Endpoint, spread

PACKETS, DEFAULT_BYTES, MOST_BYTES = 3, 4096, 65507
LOST_SECONDS = 0.3


def execute(call: Call, end: Endpoint, device: int, words: Sequence[str]) -> None:
    """``words``: what follows ``-ping``."""
    if len(words) < 3 or len(words) > 5:
        raise Failure(failure.COUNT)
    if words[0] != "-g":
        raise Failure(failure.NO_OPTION)
    address, size = _parse(words[1:])
    there = Fabric.of(call.world).reach(end, address, size)
    lines, received = [f"device {device} PING {address}"], 0
    for number in range(PACKETS):
        if there.local == "too long":
            lines.append("Message too long")
        elif there.local:
            lines.append("Destination Host Unreachable")
        elif there.answers:
            received += 1
            lines.append(f"recv seq={number},time={_milliseconds(end, address, size, number):f}ms")
        else:
            call.wait(LOST_SECONDS)
            lines.append(f"recv time out seq={number}")
    lost = 100 * (PACKETS - received) / PACKETS
    lines.append(f"{PACKETS} packets transmitted, {received} received, {lost:.2f}% packet loss")
    call.say(layout.dress(call, "\n".join(lines) + "\n"))
    if received < PACKETS:
        raise Failure(failure.EXECUTE)


def _parse(words: Sequence[str]) -> tuple[str, int]:
    address, size, rest = None, DEFAULT_BYTES, list(words)
    while rest:
        option = rest.pop(0)
        if option not in ("address", "pkt"):
            raise Failure(failure.NO_OPTION)
        if not rest:
            raise Failure(failure.COUNT)
        value = rest.pop(0)
        if option == "pkt":
            if not value.isdigit() or int(value) > MOST_BYTES:
                raise Failure(failure.INVALID)
            size = int(value)
        else:
            address = ipv4(value)
    if address is None:
        raise Failure(failure.BAD_ADDRESS)
    return address, size


def ipv4(text: str) -> str:
    """A dotted address as it was written; Failure when it is none."""
    try:
        ipaddress.IPv4Address(text)
    except ValueError as error:
        raise Failure(failure.BAD_ADDRESS) from error
    return text


def _milliseconds(end: Endpoint, address: str, size: int, number: int) -> float:
    """The first packet waits for ARP; larger ones take longer."""
    usual = 0.036 + size * 2e-6 + 0.004 * spread("ping", end, address, number)
    return round(usual + (0.4 + 0.3 * spread("arp", end, address) if number == 0 else 0.0), 3)
