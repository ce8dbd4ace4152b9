"""Disks by what is written on them: a serial number or a WWN, never a name such as ``/dev/sda``.

``parts`` are the parts of ``facts.drive`` of an observation of kind ``bmc`` (docs/seams.md, section 5). Pure.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from ..common import Document, as_dict, as_integer, as_list, as_text

IDENTITY = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{3,63}$")
_HEX = re.compile(r"^(0x|naa\.|eui\.|wwn-0x)?([0-9a-f]{16}|[0-9a-f]{32})$")


class Disk(NamedTuple):
    """One disk that the BMC shows. ``named`` is how the inventory names it: its serial number or its WWN."""

    named: str
    slot: str
    serial: str | None
    wwn: str | None
    model: str | None
    capacity_bytes: int | None
    protocol: str | None

    @property
    def device(self) -> str:
        """What the installer takes for a disk: a udev link below /dev, which names one disk whatever its letter is.

        By its serial number a pattern, as the link's middle (bus and model) is udev's own choice
        (``ata-<model>_<serial>``, ``nvme-<model>_<serial>``, ``scsi-S<vendor>_<model>_<serial>``).
        """
        if self.wwn is not None and wwn_of(self.named) == wwn_of(self.wwn):
            digits = wwn_of(self.wwn)
            return f"disk/by-id/nvme-eui.{digits}" if self.is_nvme else f"disk/by-id/wwn-0x{digits}"
        return f"disk/by-id/*_{self.named}"

    @property
    def is_nvme(self) -> bool:
        return (self.protocol or "").lower().startswith("nvme")

    def told(self) -> str:
        """``Disk0, serial DRV00210P00, HWE62ST3480L003N, 480.1 GB``."""
        size = "size unknown" if self.capacity_bytes is None else f"{self.capacity_bytes / 1e9:.1f} GB"
        return f"{self.slot}, serial {self.serial or 'unknown'}, {self.model or 'model unknown'}, {size}"


def wwn_of(text: str | None) -> str | None:
    """The 16 or 32 hexadecimal digits of a WWN, in lower case; ``None`` for what is none."""
    match = _HEX.match(text.strip().lower()) if text else None
    return match.group(2) if match else None


def known(parts: Any) -> list[Disk]:
    """The disks that are there, by their serial numbers."""
    found = []
    for item in as_list(parts):
        part = as_dict(item)
        serial, wwn = as_text(part.get("serial")), as_text(part.get("wwn"))
        if part.get("state") != "present" or not (serial or wwn):
            continue
        found.append(_disk(serial or str(wwn), part))
    return found


def _disk(named: str, part: Document) -> Disk:
    return Disk(
        named,
        as_text(part.get("slot")) or "?",
        as_text(part.get("serial")),
        as_text(part.get("wwn")),
        as_text(part.get("model")),
        as_integer(part.get("capacity_bytes")),
        as_text(part.get("protocol")),
    )


def find(named: str, parts: Any) -> list[Disk]:
    """The disks that a serial number or a WWN means: one, or none, or (wrongly) several."""
    wanted = wwn_of(named)
    found = []
    for item in as_list(parts):
        part = as_dict(item)
        if part.get("state") != "present":
            continue
        serial, wwn = as_text(part.get("serial")), wwn_of(as_text(part.get("wwn")))
        if (serial or "").lower() == named.lower():
            found.append(_disk(str(serial), part))  # as the device writes it: udev's links mind the case
        elif wanted is not None and wwn == wanted:
            found.append(_disk(named, part))
    return found


class Chosen(NamedTuple):
    """The disks of an installation: those of the system (one, or a pair), and those with data of their own."""

    system: list[Disk]
    data: list[Disk]

    def all(self) -> list[Disk]:
        return [*self.system, *self.data]


def choose(wanted: Document, parts: Any) -> tuple[Chosen, list[tuple[str, str, str]]]:
    """The disks that ``os_install`` names, and ``[(key, value, expected)]`` for what is wrong about them, all at once.

    Two names of one disk (its serial number and its WWN) are the same disk. ``wanted`` passed ``model.problems``.
    """
    problems = []
    chosen: dict[str, list[Disk]] = {"system_disks": [], "data_disks": []}
    taken: dict[str, str] = {}
    names = [("system_disks", f"system_disks[{i}]", item) for i, item in enumerate(wanted["system_disks"])]
    names += [("data_disks", f"data_disks[{i}].disk", item["disk"]) for i, item in enumerate(wanted["data_disks"])]
    there = ", ".join(disk.told() for disk in known(parts)) or "none"
    for group, key, named in names:
        found = find(named, parts)
        if len(found) != 1:
            what = "a disk that the BMC shows" if not found else f"one disk, not {len(found)} with that name"
            problems.append((key, named, f"{what}: {there}"))
            continue
        disk = found[0]
        if disk.slot in taken:
            problems.append((key, named, f"another disk than {taken[disk.slot]}: both are {disk.told()}"))
            continue
        taken[disk.slot] = key
        chosen[group].append(disk)
    return Chosen(chosen["system_disks"], chosen["data_disks"]), problems
