"""``npu-smi info -t hccs | hccs-bw -i NPU -c CHIP`` and ``-t topo`` for the 910B: what the links between chips show.

``hccs`` and ``hccs-bw`` follow the program's published source (npu_info_print.c: names, widths, ports 1 to 7, a speed
of 56 Gb/s for each lane); no capture of them is public, only a description of a 910B3 that agrees. ``topo`` is the
capture of a 910B1 host. Assumptions: ports that are not linked have no lanes and make the chip NOK, idle links carry
nothing while somebody measures, and two chips without a link between them are SYS to each other in ``topo``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lab import chips
from lab.npu.smi_table import number

Document = Mapping[str, Any]
WINDOW_MS = (1, 1000)
NO_CHIP = "\nThis command must input card id and chip id.\n\n"
NO_TIME = "\nThis command must input profiling_time(1-1000, ms).\n\n"
# Which eighth of the host's cores is near to each NPU, in the order of the capture.
NEAR = (6, 0, 6, 0, 4, 2, 4, 2)
LEGEND = """
Legend:
  X    = Self
  SYS  = Path traversing PCIe and NUMA nodes. Nodes are connected through SMP, such as QPI, UPI.
  PHB  = Path traversing PCIe and the PCIe host bridge of a CPU.
  PIX  = Path traversing a single PCIe switch
  PXB  = Path traversing multipul PCIe switches
  HCCS = Connection traversing HCCS.
"""


def hccs(document: Document, npu: Document) -> str:
    """Health, lanes, speed (Gb/s) and counters, one column for each port."""
    found = chips.links(document, npu)
    bad = next((link for link in found if not link.up), None)
    return (
        _line("hccs health status", "OK" if bad is None else "NOK")
        + _ports("hccs lane mode", [link.lanes for link in found])
        + _ports("hccs link lane list", [f"{'1' * link.lanes:0<{chips.LANES}}" for link in found])
        + _ports("hccs link speed", [link.gbits for link in found])
        + "".join(
            _ports(name, [0] * len(found))
            for name in (
                *("hccs tx packets", "hccs tx bytes", "hccs rx packets", "hccs rx bytes"),
                *("hccs retry count", "hccs error count"),
            )
        )
        + _line("hccs first error lane", "NA" if bad is None else bad.number)
    )


def hccs_bw(document: Document, npu: Document) -> str:
    """GB/s of each port during the window; nobody else sends while this is asked."""
    lines = [f"{'hccs link':<30} {'tx_bandwidth(GB/S)':<30} {'rx_bandwidth(GB/S)':<30}"]
    names = [*(str(link.number) for link in chips.links(document, npu)), "total"]
    lines += [f"{name:<35} {0:<30.6f} {0:<30.6f}" for name in names]
    return "".join(line + "\n" for line in lines)


def topo(document: Document, cards: Sequence[Document]) -> str:
    """The NPUs of a server see each other over HCCS; the cores near to each follow the order of the capture."""
    cores = sum(cpu["cores"] for cpu in document["cpus"] if cpu["present"]) // 8
    names = [f"NPU{number(npu)}" for npu in cards]
    lines = ["".join(f"{text:<11}" for text in ("", *names)) + "CPU Affinity"]
    for npu, own in zip(cards, names, strict=True):
        words = [_path(document, npu, other) for other in cards]
        first = NEAR[number(npu) % len(NEAR)] * cores
        lines.append("".join(f"{text:<11}" for text in (own, *words)) + f"{first}-{first + cores - 1}")
    return "\n".join(lines) + "\n" + LEGEND


def _path(document: Document, npu: Document, other: Document) -> str:
    if other["slot"] == npu["slot"]:
        return "X"
    found = chips.link(document, npu, other["slot"])
    return "HCCS" if found is not None and found.up else "SYS"


def _line(name: str, value: object) -> str:
    return f"\t{name + ' ':<30} : {value}\n"


def _ports(name: str, values: Sequence[object]) -> str:
    return _line(name, f"[{''.join(f'{value!s:<20} ' for value in values)}]")


TYPES: Mapping[str, Callable[[Document, Document], str]] = {"hccs": hccs, "hccs-bw": hccs_bw}
