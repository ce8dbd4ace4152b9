"""Lines that make a port of the twin's switch lossless, as a site's plan has them."""

from __future__ import annotations

from collections.abc import Iterable

WHOLE = (
    "qos buffer headroom-pool size 4 mbytes slot 1",
    "dcb pfc dscp-mapping enable slot 1",
    "dcb pfc roce",
    "priority 4",
    "undo priority 3",
    "quit",
    "diffserv domain roce",
    "ip-dscp-inbound 33 phb af4 green",
    "quit",
    "drop-profile roce",
    "color green buffer-size low-limit 204800 high-limit 614400 discard-percentage 5",
    "quit",
)
PORT = (
    "trust dscp",
    "trust upstream roce",
    "dcb pfc enable roce mode manual",
    "dcb pfc buffer 4 xoff dynamic 6",
    "qos queue 4 wred roce",
    "qos queue 4 ecn",
)
ONE, OTHER = "400GE1/0/2:1", "400GE1/0/6:1"  # node1/NPU3 and node2/NPU3


def lossless(*ports: str, whole: Iterable[str] = WHOLE, port: Iterable[str] = PORT) -> list[str]:
    """Lines to type in the system view."""
    lines = list(whole)
    for name in ports:
        lines += [f"interface {name}", *port, "quit"]
    return lines
