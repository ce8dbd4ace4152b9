"""DIMMs of the host: counted and summed from the modules; on-package memory (HBM) is none of them."""

from __future__ import annotations

from ..common import Document, as_dict, as_integer, as_number, as_text
from .part import Kind, last, location, new_part
from .tree import Tree


def _module(uri: str, document: Document) -> Document:
    labels = (
        as_text(document.get("DeviceLocator")),
        location(document, "Location"),
        as_text(document.get("Name")),
        as_text(document.get("Id")) or last(uri),
    )
    part = new_part(document, "memory", labels)
    capacity = as_integer(document.get("CapacityMiB"))
    if part["_state"] is None and capacity == 0:
        part["state"] = "absent"  # an empty socket without a State
    elif part["state"] is None and capacity:
        part["state"] = "present"
    part.update(
        capacity_mib=capacity,
        speed_mhz=as_integer(document.get("OperatingSpeedMhz")),
        type=as_text(document.get("MemoryDeviceType")) or as_text(document.get("MemoryType")),
    )
    return part


def parse(tree: Tree, host: str, kind: Kind) -> None:
    """Fill ``kind`` from the host's Memory collection."""
    for uri, document in tree.role("memory"):
        if tree.owner(uri, "system") not in (host, ""):
            continue
        if (as_text(document.get("MemoryDeviceType")) or "").upper().startswith("HBM"):
            kind.seen = True
            continue
        kind.add(_module(uri, document))
    for role in ("memory*", "memory"):
        for uri, problem in tree.unread(role):
            if tree.owner(uri, "system") in (host, ""):
                kind.unread(last(uri), problem)
    kind.seen = kind.seen or any(tree.owner(uri, "system") in (host, "") for uri, _ in tree.role("memory*"))


def total_mib(kind: Kind, system: Document) -> int | None:
    """The sum of the modules' sizes, ``None`` when a module or its size is missing. Doubts the summary aloud."""
    present = [part for part in kind.parts if part["state"] == "present"]
    sizes = [part["capacity_mib"] for part in present]
    if not kind.complete or not present or any(size is None for size in sizes):
        return None
    total = sum(sizes)
    told = as_number(as_dict(system.get("MemorySummary")).get("TotalSystemMemoryGiB"))
    # Makers mean GiB or GB; anything off by more than that difference is a disagreement.
    if told and not 0.9 <= told * 1024 / max(total, 1) <= 1.1:
        kind.remark(f"the modules sum up to {total} MiB, but MemorySummary says {round(told, 2)} GiB")
    return int(total)
