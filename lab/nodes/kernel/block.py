"""/sys/block and /sys/class/block: the drives of the node's document, and the logical volumes over the first one."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .tree import Attribute, Folder, Link, Node, Number, fixed, refuse, told

SCHEDULERS = ("mq-deadline", "kyber", "bfq")
SWAP_SECTORS = 8388608  # 4 GiB
ROOT_SECTORS = 146800640  # 70 GiB
BOOT_SECTORS = (1228800, 2097152)  # /boot/efi, /boot


@dataclass
class Disk:
    """One whole disk. ``scheduler`` None: bio-based, it has none and takes none (dm)."""

    name: str
    number: str
    sectors: int
    rotational: bool
    scheduler: str | None
    extra: Mapping[str, Node] = field(default_factory=dict)
    slot: str | None = None  # in the node's document; None: a volume

    def show_scheduler(self) -> str:
        """elv_iosched_show of 6.6: none first, a blank after each."""
        if self.scheduler is None:
            return "none\n"
        names = ("none", *SCHEDULERS)
        return "".join(f"[{name}] " if name == self.scheduler else f"{name} " for name in names) + "\n"

    def set_scheduler(self, text: str) -> None:
        """elv_iosched_store: blanks around the name do not matter; a device that has none takes anything silently."""
        if self.scheduler is None:
            return
        name = text[:15].strip()
        if name not in ("none", *SCHEDULERS):
            raise refuse(errno.EINVAL)
        self.scheduler = name

    def folder(self) -> Folder:
        root = Folder(dict(self.extra))
        kind = "disk"
        root.put("dev", fixed(self.number))
        root.put("size", fixed(self.sectors))
        for name in ("ro", "removable", "hidden", "alignment_offset", "discard_alignment"):
            root.put(name, fixed(0))
        root.put("range", fixed(256))
        root.put("stat", Attribute(lambda: " ".join(f"{0:>8}" for _ in range(17)) + "\n"))
        major, minor = self.number.split(":")
        event = f"MAJOR={major}\nMINOR={minor}\nDEVNAME={self.name}\nDEVTYPE={kind}\n"
        root.put("uevent", told(event))
        root.put("subsystem", Link("../../class/block"))
        queue = {
            "rotational": int(self.rotational), "nr_requests": 256 if self.scheduler != "none" else 1023,
            "read_ahead_kb": 128, "max_sectors_kb": 1280, "nomerges": 0, "rq_affinity": 1, "add_random": 0,
            "iostats": 1, "wbt_lat_usec": 75000 if self.rotational else 2000, "io_timeout": 30000,
        }  # fmt: skip
        for name, value in queue.items():
            root.put(f"queue/{name}", Number(value).attribute())
        for name in ("logical_block_size", "hw_sector_size", "minimum_io_size"):
            root.put(f"queue/{name}", fixed(512))
        root.put("queue/physical_block_size", fixed(4096))
        root.put("queue/max_hw_sectors_kb", fixed(32767))
        root.put("queue/optimal_io_size", fixed(0))
        root.put("queue/zoned", fixed("none"))
        root.put("queue/write_cache", fixed("write back"))
        root.put("queue/scheduler", Attribute(self.show_scheduler, self.set_scheduler))
        return root


class Disks:
    """The disks that a node's document describes: SATA and SAS as sd*, NVMe as nvme*n1, in the order of their slots."""

    def __init__(self, drives: Sequence[Mapping[str, Any]], address_of: Mapping[str, str]) -> None:
        """``address_of``: slot of an NVMe drive -> PCI address."""
        self.disks: list[Disk] = []
        self.partitions: dict[str, tuple[str, int, int]] = {}  # name -> (disk, number, sectors)
        for drive in drives:
            if works(drive):
                self.disks.append(self._disk(drive, address_of))
        self.gone: set[str] = set()  # names of disks that were pulled out since
        self.root = Folder()
        first = next((disk for disk in self.disks if disk.name == "sda"), None)
        if first is not None:
            rest = first.sectors - sum(BOOT_SECTORS) - 4096
            for number, sectors in enumerate((*BOOT_SECTORS, rest), start=1):
                self.partitions[f"sda{number}"] = ("sda", number, sectors)
            for minor, (name, sectors) in enumerate((("root", ROOT_SECTORS), ("swap", SWAP_SECTORS))):
                extra: dict[str, Node] = {
                    "dm": Folder({"name": fixed(f"openeuler-{name}"), "suspended": fixed(0)}),
                    "slaves": Folder({"sda3": Link("../../sda/sda3")}),
                    "holders": Folder(),
                }
                self.disks.append(Disk(f"dm-{minor}", f"253:{minor}", sectors, first.rotational, None, extra))

    def _disk(self, drive: Mapping[str, Any], address_of: Mapping[str, str]) -> Disk:
        sectors = int(drive["capacity_bytes"]) // 512
        wwn = str(drive["wwn"])
        if drive["protocol"] == "NVMe":
            index = sum(disk.name.startswith("nvme") for disk in self.disks)
            device = Folder(
                {
                    "model": fixed(f"{drive['model']:<40}"),
                    "serial": fixed(f"{drive['serial']:<20}"),
                    "firmware_rev": fixed(f"{drive['firmware']:<8}"),
                    "state": fixed("live"),
                    "transport": fixed("pcie"),
                    "address": fixed(address_of.get(drive["slot"], "")),
                }
            )
            extra: dict[str, Node] = {"device": device, "wwid": fixed(f"eui.{wwn}"), "nsid": fixed(1)}
            return Disk(f"nvme{index}n1", f"259:{index}", sectors, False, "none", extra, drive["slot"])
        index = sum(disk.name.startswith("sd") for disk in self.disks)
        device = Folder(
            {
                "model": fixed(f"{drive['model']:<16}"),
                "vendor": fixed("ATA     " if drive["protocol"] == "SATA" else f"{drive['manufacturer']:<8}"),
                "rev": fixed(f"{drive['firmware']:<4}"),
                "type": fixed(0),
                "state": Attribute(lambda: "running\n", lambda _: None),
                "queue_depth": Number(32, 1, 64).attribute(),
                "wwid": fixed(f"naa.{wwn}"),
            }
        )
        spinning = drive["media_type"] == "HDD"
        extra = {"device": device}
        name = f"sd{chr(97 + index)}"
        return Disk(name, f"8:{16 * index}", sectors, spinning, "mq-deadline", extra, drive["slot"])

    def block_folder(self) -> Folder:
        """/sys/block"""
        root = self.root
        for disk in self.disks:
            root.put(disk.name, disk.folder())
        for name, (disk_name, number, sectors) in self.partitions.items():
            where = f"{disk_name}/{name}"
            root.put(f"{where}/partition", fixed(number))
            root.put(f"{where}/size", fixed(sectors))
            root.put(f"{where}/start", fixed(2048))
            root.put(f"{where}/dev", fixed(f"8:{number}"))
            event = f"MAJOR=8\nMINOR={number}\nDEVNAME={name}\nDEVTYPE=partition\nPARTN={number}\n"
            root.put(f"{where}/uevent", told(event))
        return root

    def refresh(self, drives: Sequence[Mapping[str, Any]]) -> None:
        """Disks that were pulled out or failed vanish; they come back with the next boot."""
        there = {drive["slot"] for drive in drives if works(drive)}
        for disk in self.disks:
            if disk.slot is not None and disk.slot not in there and disk.name not in self.gone:
                self.gone.add(disk.name)
                del self.root.filled()[disk.name]

    def device_folder(self) -> Folder:
        """/sys/dev/block"""
        root = Folder({disk.number: Link(f"../../block/{disk.name}") for disk in self.disks})
        for name, (disk_name, number, _) in self.partitions.items():
            root.put(f"8:{number}", Link(f"../../block/{disk_name}/{name}"))
        return root

    def class_folder(self) -> Folder:
        """/sys/class/block"""
        root = Folder()
        for disk in self.disks:
            root.put(disk.name, Link(f"../../block/{disk.name}"))
        for name, (disk_name, _, _) in self.partitions.items():
            root.put(name, Link(f"../../block/{disk_name}/{name}"))
        return root

    def _there(self) -> list[Disk]:
        return [disk for disk in self.disks if disk.name not in self.gone]

    def proc_partitions(self) -> str:
        rows = [(*_numbers(disk.number), disk.sectors // 2, disk.name) for disk in self._there()]
        if "sda" not in self.gone:
            rows += [(8, number, sectors // 2, name) for name, (_, number, sectors) in self.partitions.items()]
        rows.sort()
        return "major minor  #blocks  name\n\n" + "".join(
            f"{major:>4} {minor:>8} {blocks:>10} {name}\n" for major, minor, blocks, name in rows
        )


def _numbers(text: str) -> tuple[int, int]:
    major, minor = text.split(":")
    return int(major), int(minor)


def works(drive: Mapping[str, Any]) -> bool:
    """Whether the kernel sees a drive of the node's document."""
    return bool(drive["present"]) and drive["health"] != "Critical"
