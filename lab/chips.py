"""Physics of the NPU chips of a server: what their memory, their PCIe and the HCCS links between them carry.

Pure, as ``lab.physics``: a node's document (``lab.hardware.build_node``) in, numbers out, the same for the same one.
Rates are in GB/s (10^9 bytes), as the vendor's tools count.

Figures of a healthy 910B3 are published measurements (``ascend-dmi`` 6.0.0 on an Atlas 800T A2 with driver 24.1.0.3):
device to device 1538, host to device 24.8, device to host 27.6, one pair 26.2 one way and 50.8 two ways. A link has
four lanes of 56 Gb/s and there are seven of them (the driver's published source). Assumptions, where no source says it:

* Chips differ from each other, and pairs from pairs, by less than one percent; each always by the same.
* Link *n* of a chip leads to the *n*-th of the other chips in the order of their slots. It is up while both ends are;
  ``factor`` of the weaker end is the share of the rate that is left.
* Two chips whose link is down reach each other over PCIe and the CPUs, at ``PCIE_ONE_WAY`` and ``PCIE_TWO_WAYS``.
* A chip with somebody else's processes has ``BUSY_SHARE`` of every rate left.
* A chip at or above ``HOT_CELSIUS`` halves its core clock, which device-to-device copies (done by the cores) feel.
* A chip whose health is Critical cannot be opened; one in Alarm still measures as before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lab import physics
from lab.wires import npu_of, spread

Document = Mapping[str, Any]

D2D, H2D, D2H = 1538.0, 24.8, 27.6
ONE_WAY, TWO_WAYS = 26.2, 50.8
PCIE_ONE_WAY, PCIE_TWO_WAYS = 9.6, 17.4
CHIP_SPREAD, PAIR_SPREAD = 0.006, 0.008
HOT_CELSIUS = physics.NPU_LIMITS[0]
HOT_SHARE, BUSY_SHARE = 0.5, 0.6
LANES, LANE_GBITS = 4, 56
# Seconds that a copy of nothing takes: what small copies measure (published runs of the same tool on other chips).
LATENCY = {"h2d": 11.2e-6, "d2h": 11.4e-6, "d2d": 11.2e-6, "p2p": 4.8e-6}


@dataclass(frozen=True)
class Link:
    """One HCCS port of a chip. ``number``: 1 to 7, as the tools count; ``factor``: share of the rate that is left."""

    number: int
    peer: str
    up: bool
    factor: float

    @property
    def lanes(self) -> int:
        return LANES if self.up else 0

    @property
    def gbits(self) -> int:
        return self.lanes * LANE_GBITS


def usable(npu: Document) -> bool:
    """Whether a program can open the chip."""
    return bool(npu["present"]) and npu["health"] != "Critical"


def driver_loaded(document: Document) -> bool:
    """Whether the host has a driver that runs; a world that says nothing about it has one."""
    return document.get("npu_driver", {"loaded": True})["loaded"] not in (None, False)


def link(document: Document, npu: Document, peer: str) -> Link | None:
    """The HCCS link of a chip to the one in slot ``peer``; None: there is none."""
    return next((found for found in links(document, npu) if found.peer == peer), None)


def links(document: Document, npu: Document) -> list[Link]:
    """All HCCS ports of a chip, by their number."""
    return [_link(document, npu, number, port) for number, port in enumerate(npu["hccs"], 1)]


def _link(document: Document, npu: Document, number: int, port: Document) -> Link:
    other = npu_of(document, port["peer"])
    back = next((end for end in other["hccs"] if end["peer"] == npu["slot"]), None) if other else None
    if other is None or back is None:
        return Link(number, port["peer"], False, 0.0)
    up = bool(npu["present"] and other["present"] and port["ok"] and back["ok"])
    return Link(number, port["peer"], up, min(float(port["factor"]), float(back["factor"])) if up else 0.0)


def memory_used_mib(npu: Document, idle_mib: int) -> int:
    """What of the HBM is taken: by the firmware, and by processes whether the host can list them or not."""
    return min(int(npu["hbm_mib"]), idle_mib + sum(int(process["memory_mib"]) for process in npu["processes"]))


def listed(npu: Document) -> list[Document]:
    """The processes that the host sees. Those of a container are not always among them, though they hold memory."""
    return [process for process in npu["processes"] if process["listed"]]


def rate(npu: Document, way: str) -> float:
    """GB/s that large copies reach: ``d2d`` in the chip's own memory, ``h2d`` and ``d2h`` over PCIe."""
    nominal = {"d2d": D2D, "h2d": H2D, "d2h": D2H}[way]
    left = float(npu["hbm_factor"]) if way == "d2d" else float(npu["pcie_factor"][way])
    if way == "d2d" and npu["temperature_celsius"] >= HOT_CELSIUS:
        left *= HOT_SHARE
    return nominal * left * _share(npu) * (1 + CHIP_SPREAD * spread(way, npu["serial"]))


def pair(document: Document, source: Document, target: Document) -> tuple[float, float]:
    """GB/s between two chips: from ``source`` to ``target``, and both ways at once (the same from either side)."""
    found = link(document, source, target["slot"])
    up = found is not None and found.up
    one, two = (ONE_WAY, TWO_WAYS) if up else (PCIE_ONE_WAY, PCIE_TWO_WAYS)
    left = found.factor if found is not None and up else 1.0
    left *= min(_share(source), _share(target))
    ends = sorted((str(source["serial"]), str(target["serial"])))
    return (
        one * left * (1 + PAIR_SPREAD * spread("one", source["serial"], target["serial"])),
        two * left * (1 + PAIR_SPREAD * spread("two", *ends)),
    )


def seconds(size_bytes: int, gbytes_per_s: float, way: str) -> float:
    """How long one copy takes: a small one its latency, a large one its bytes."""
    return math.hypot(LATENCY[way], size_bytes / (gbytes_per_s * 1e9))


def _share(npu: Document) -> float:
    return BUSY_SHARE if npu["processes"] else 1.0
