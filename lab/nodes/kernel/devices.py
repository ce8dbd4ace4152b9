"""/sys/bus/pci/devices, /proc/irq, /proc/interrupts and /sys/kernel/iommu_groups: NPUs, NVMe drives, ports and their
interrupts.

NPUs are where the node's document has them; the other addresses, the number of vectors and all names of interrupts are
made up after drivers of the same kind (nvme, hinic3, hisi_sas); the NPU driver's are from memory.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from .cpus import CpuSet, format_list, format_mask, parse_list, parse_mask
from .topology import NumaNode, Processors
from .tree import Attribute, Folder, Link, Node, Number, fixed, refuse, told

HUAWEI = "0x19e5"
CLASSES = {"npu": "0x120000", "nvme": "0x010802", "nic": "0x020000", "sas": "0x010700"}
VECTORS = {"npu": 8, "nvme": 33, "nic": 17, "sas": 17}
DRIVERS = {"npu": "devdrv_device_driver", "nvme": "nvme", "nic": "hinic3", "sas": "hisi_sas_v3_hw"}
FIRST_IRQ = 40


@dataclass
class Irq:
    """One interrupt. ``managed``: the kernel spreads it, and nobody may move it (EIO)."""

    number: int
    name: str
    near: CpuSet
    managed: bool
    affinity: CpuSet
    slot: int  # tells vectors of one device apart
    device: Device


@dataclass
class Device:
    """One PCI function. ``bound``: its driver is loaded, so it has interrupts."""

    kind: str
    slot: str
    address: str
    vendor: str
    device: str
    node: NumaNode
    names: Sequence[str]  # of its vectors
    present: bool = True
    bound: bool = True
    irqs: list[Irq] = field(default_factory=list)


def pci_devices(document: Mapping[str, Any], nodes: Sequence[NumaNode]) -> list[Device]:
    """The functions of a node's document; which NPUs are there and driven says ``npus_seen``."""
    by_number = {node.number: node for node in nodes}
    near = {slot: row["node"] for row in document["numa"] for slot in row.get("npus", ())}
    found = []
    for index, npu in enumerate(document["npus"]):
        if npu["pci"]:
            names = [f"devdrv_{name}{index}" for name in ("mbox", "hdc", "tsdrv", "dma0", "dma1", "dma2", "dma3", "vf")]
            pci = npu["pci"]
            node = by_number.get(near.get(npu["slot"], 0), nodes[0])
            found.append(Device("npu", npu["slot"], pci["address"], pci["vendor_id"], pci["device_id"], node, names))
    addresses = nvme_addresses(document["drives"])
    for index, slot in enumerate(addresses):
        node = nodes[index % 2 % len(nodes)]
        names = [f"nvme{index}q{queue}" for queue in range(VECTORS["nvme"])]
        found.append(Device("nvme", slot, addresses[slot], HUAWEI, "0x3755", node, names))
    for card, nic in enumerate(document["nics"]):
        for port in range(len(nic["ports"]) if nic["present"] else 0):
            names = [f"hinic3_aeq{card}{port}", *(f"enp{3 + card}s0f{port}_qp{queue}" for queue in range(16))]
            found.append(
                Device("nic", nic["slot"], f"0000:{3 + card:02x}:00.{port}", HUAWEI, "0x0222", nodes[0], names)
            )
    if any(drive["present"] and drive["protocol"] != "NVMe" for drive in document["drives"]):
        names = ["hisi_sas_v3_hw phy", *(f"hisi_sas_v3_hw cq{queue}" for queue in range(16))]
        found.append(Device("sas", "SAS", "0000:74:02.0", HUAWEI, "0xa230", nodes[0], names))
    return sorted(found, key=lambda device: device.address)


def npus_seen(devices: Sequence[Device], document: Mapping[str, Any]) -> None:
    """Which NPUs are there now, and whether their driver is loaded."""
    present = {npu["slot"]: bool(npu["present"]) for npu in document["npus"]}
    loaded = driver_loaded(document)
    for device in devices:
        if device.kind == "npu":
            device.present = present.get(device.slot, False)
            device.bound = loaded and device.present


def driver_loaded(document: Mapping[str, Any]) -> bool:
    """Whether the NPUs' driver is in the kernel."""
    return bool(document["npu_driver"]["loaded"])


def nvme_addresses(drives: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """PCI addresses of the NVMe drives that are there, by slot."""
    slots = [drive["slot"] for drive in drives if drive["present"] and drive["protocol"] == "NVMe"]
    return {slot: f"0000:{0x81 + index:02x}:00.0" for index, slot in enumerate(slots)}


class Interrupts:
    """The interrupts of all devices. A CPU that goes offline hands its interrupts on."""

    def __init__(self, devices: Sequence[Device], processors: Processors, default: CpuSet | None) -> None:
        """``default``: of irqaffinity=; new interrupts go there."""
        self.processors = processors
        self.default = default or processors.present
        self.irqs: dict[int, Irq] = {}
        self.root = Folder()
        for device in devices:
            for slot, name in enumerate(device.names):
                number = FIRST_IRQ + len(self.irqs)
                managed = device.kind in ("nvme", "sas") and slot > 0
                near = device.node.cpus
                affinity = self._spread(slot - 1, len(device.names) - 1) if managed else self.default
                irq = Irq(number, name, near, managed, affinity, slot, device)
                device.irqs.append(irq)
                self.irqs[number] = irq

    def _spread(self, queue: int, queues: int) -> CpuSet:
        """irq_create_affinity_masks: every CPU belongs to one queue."""
        cpus = sorted(self.processors.present)
        share = len(cpus) / queues
        return frozenset(cpus[int(queue * share) : int((queue + 1) * share)])

    def effective(self, irq: Irq) -> int:
        """The one CPU that gets it (GICv3 ITS): near and online when there is one; managed ones avoid isolated CPUs."""
        online = frozenset(self.processors.online)
        candidates = irq.affinity & online or online
        if irq.managed:
            candidates = candidates - self.processors.isolation.managed_irq or candidates
        ordered = sorted(candidates & irq.near or candidates)
        return ordered[irq.slot % len(ordered)]

    def folder(self) -> Folder:
        """/proc/irq"""
        root = Folder()
        count = self.processors.count

        def set_default(text: str, parse: Callable[[str, int], CpuSet]) -> None:
            self.default = self._parsed(text, parse)

        root.put(
            "default_smp_affinity",
            Attribute(lambda: format_mask(self.default, count) + "\n", lambda text: set_default(text, parse_mask)),
        )
        self.root = root
        self.refresh()
        return root

    def seen(self) -> list[Irq]:
        """Those of devices that are driven."""
        return [irq for irq in self.irqs.values() if irq.device.bound]

    def refresh(self) -> None:
        """/proc/irq shows what ``seen`` says; what stays keeps its settings."""
        entries = self.root.filled()
        seen = {str(irq.number): irq for irq in self.seen()}
        for name in [name for name in entries if name.isdigit() and name not in seen]:
            del entries[name]
        for name, irq in seen.items():
            if name not in entries:
                entries[name] = Folder(make=partial(self._folder, irq))

    def _folder(self, irq: Irq) -> Mapping[str, Node]:
        count = self.processors.count

        def store(parse: Callable[[str, int], CpuSet]) -> Callable[[str], None]:
            return lambda text: self._move(irq, text, parse)

        return {
            "smp_affinity": Attribute(lambda: format_mask(irq.affinity, count) + "\n", store(parse_mask)),
            "smp_affinity_list": Attribute(lambda: format_list(irq.affinity) + "\n", store(parse_list)),
            "effective_affinity": Attribute(lambda: format_mask([self.effective(irq)], count) + "\n"),
            "effective_affinity_list": Attribute(lambda: f"{self.effective(irq)}\n"),
            "affinity_hint": Attribute(lambda: format_mask([], count) + "\n"),
            "node": fixed(self.processors.node_of[min(irq.near)].number),
            "spurious": Attribute(lambda: "count 0\nunhandled 0\nlast_unhandled 0 ms\n"),
            irq.name.replace("/", "_"): Folder(),
        }

    def _parsed(self, text: str, parse: Callable[[str, int], CpuSet]) -> CpuSet:
        try:
            cpus = parse(text.strip("\0\n "), self.processors.count)
        except ValueError as error:
            raise refuse(errno.EINVAL) from error
        if not cpus & self.processors.online:
            raise refuse(errno.EINVAL)
        return cpus

    def _move(self, irq: Irq, text: str, parse: Callable[[str, int], CpuSet]) -> None:
        """write_irq_affinity"""
        if irq.managed:
            raise refuse(errno.EIO)
        irq.affinity = self._parsed(text, parse)

    def show(self) -> str:
        """/proc/interrupts: a column for each online CPU."""
        online = sorted(self.processors.online)
        width = len(str(max(self.irqs, default=0))) + 1
        lines = [" " * (width + 8) + "".join(f"CPU{cpu:<8}" for cpu in online) + "\n"]
        zeros = "".join(f"{0:>10} " for _ in online)
        for irq in self.seen():
            at = online.index(self.effective(irq))
            counts = zeros[: at * 11] + f"{1000 + irq.number * 17:>10} " + zeros[(at + 1) * 11 :]
            lines.append(f"{irq.number:>{width}}: {counts}  ITS-MSI {irq.number + 524248:>9} Edge      {irq.name}\n")
        for name, text in (("IPI0", "Rescheduling interrupts"), ("IPI1", "Function call interrupts")):
            lines.append(f"{name:>{width}}: {zeros}      {text}\n")
        lines.append(f"{'Err':>{width}}: {0:>10}\n")
        return "".join(lines)


def pci_folder(devices: Sequence[Device], processors: Processors) -> Folder:
    """/sys/bus/pci"""
    root = Folder()
    for group, device in enumerate(devices):
        if not device.present:
            continue
        where = f"devices/{device.address}"
        node = device.node
        values: dict[str, object] = {
            "vendor": device.vendor,
            "device": device.device,
            "class": CLASSES[device.kind],
            "subsystem_vendor": HUAWEI,
            "subsystem_device": "0x0110",
            "revision": "0x20",
            "numa_node": node.number,
            "local_cpulist": format_list(node.cpus),
            "local_cpus": format_mask(node.cpus, processors.count),
            "current_link_speed": "16.0 GT/s PCIe",
            "max_link_speed": "16.0 GT/s PCIe",
            "current_link_width": 4 if device.kind == "nvme" else 16,
            "max_link_width": 4 if device.kind == "nvme" else 16,
            "irq": 0,
            "enable": 1,
            "modalias": "",
        }
        for name, value in values.items():
            root.put(f"{where}/{name}", fixed(value))
        for irq in device.irqs if device.bound else ():
            root.put(f"{where}/msi_irqs/{irq.number}", fixed("msix"))
        ids = f"{device.vendor[2:]}:{device.device[2:]}".upper()
        event = f"PCI_CLASS={CLASSES[device.kind][2:].lstrip('0')}\nPCI_ID={ids}\nPCI_SLOT_NAME={device.address}\n"
        if device.bound:
            event = f"DRIVER={DRIVERS[device.kind]}\n{event}"
            root.put(f"{where}/driver", Link(f"../../drivers/{DRIVERS[device.kind]}"))
            root.put(f"drivers/{DRIVERS[device.kind]}/{device.address}", Link(f"../../devices/{device.address}"))
        root.put(f"{where}/uevent", told(event))
        root.put(f"{where}/iommu_group", Link(f"../../../../kernel/iommu_groups/{group}"))
    for name in ("rescan", "drivers_probe"):
        root.put(name, Attribute(lambda: "", lambda _: None, 0o200))
    root.put("drivers_autoprobe", Number(1, 0, 1).attribute())
    root.put("slots", Folder())
    return root


def iommu_folder(devices: Sequence[Device], kind: str | None) -> Folder:
    """/sys/kernel/iommu_groups; ``kind`` identity, DMA or DMA-FQ; None: there is no IOMMU, so no group."""
    root = Folder()
    for group, device in enumerate(devices if kind is not None else ()):
        if not device.present:
            continue
        root.put(f"{group}/type", fixed(kind))
        root.put(f"{group}/reserved_regions", fixed("0x0000000008000000 0x00000000080fffff msi"))
        root.put(f"{group}/devices/{device.address}", Link(f"../../../../bus/pci/devices/{device.address}"))
    return root
