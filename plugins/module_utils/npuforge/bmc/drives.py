"""Drives, wherever they are listed: Storage, Chassis drives, SimpleStorage, HPE SmartStorage. One drive is one drive:
by URI first, then by serial number. A bad storage controller is named among the unhealthy, but is no drive."""

from __future__ import annotations

from ..common import Document, as_dict, as_integer, as_list, as_number, as_text
from .part import WARNING, Kind, last, location, merge, new_part, status, worsen
from .tree import Tree
from .wire import link

_MIB = 1024 * 1024


def _wwn(document: Document) -> str | None:
    for item in as_list(document.get("Identifiers")):
        if as_dict(item).get("DurableNameFormat") in ("NAA", "EUI", "UUID", "NGUID"):
            return as_text(as_dict(item).get("DurableName"))
    return None


def _drive(document: Document, source: str, fallback: str) -> Document:
    labels = (
        location(document, "PhysicalLocation", "Location"),
        as_text(document.get("Name")),
        as_text(document.get("Id")) or fallback,
        fallback,
    )
    part = new_part(document, source, labels)
    predicted = document.get("FailurePredicted")
    capacity = as_integer(document.get("CapacityBytes"))
    if capacity is None and as_integer(document.get("CapacityMiB")):
        capacity = (as_integer(document.get("CapacityMiB")) or 0) * _MIB
    part.update(
        capacity_bytes=capacity,
        media_type=as_text(document.get("MediaType")),
        protocol=as_text(document.get("Protocol")) or as_text(document.get("InterfaceType")),
        life_left_percent=as_number(document.get("PredictedMediaLifeLeftPercent")),
        failure_predicted=predicted if isinstance(predicted, bool) else None,
        wwn=_wwn(document),
    )
    return part


def parse(tree: Tree, kind: Kind) -> None:
    """Fill ``kind``."""
    by_serial: dict[str, Document] = {}
    parts: list[Document] = []
    for uri, document in tree.role("drive"):
        part = _drive(document, "storage", last(uri))
        _add(part, parts, by_serial)
    from_storage = bool(parts) or bool(tree.unread("drive"))
    smart = [_drive(document, "oem", last(uri)) for uri, document in tree.role("smartdrive")]
    for part in smart:
        if part["serial"] or not from_storage:
            _add(part, parts, by_serial)
    _simple(tree, kind, parts, by_serial, from_storage or bool(smart))
    for part in parts:
        if part["failure_predicted"]:
            worsen(part, WARNING, "failure predicted")
        kind.add(part)
    for role in ("storage*", "drive*", "storage", "drive"):
        for uri, problem in tree.unread(role):
            kind.unread(last(uri), problem)
    for uri, body in [*tree.role("chassis"), *tree.role("storage")]:
        for holder in (body, as_dict(body.get("Links"))):
            listed = as_list(holder.get("Drives"))
            told = max(len(listed), as_integer(holder.get("Drives@odata.count")) or 0)
            usable = sum(1 for item in listed if link(item))
            if usable < told and listed:
                kind.doubt(f"{last(uri)} tells of {told} drives and links to {usable}")
    if smart or not from_storage:
        for role in ("smartstorage", "arraycontroller*", "arraycontroller", "smartdrive*", "smartdrive"):
            for uri, problem in tree.unread(role):
                kind.unread(last(uri), problem)
    kind.seen = kind.seen or any(True for role in ("storage*", "drive*", "smartdrive*") for _ in tree.role(role))
    _controllers(tree, kind)


def _add(part: Document, parts: list[Document], by_serial: dict[str, Document]) -> None:
    serial = part["serial"]
    if serial and serial in by_serial:
        merge(by_serial[serial], part)
        return
    if serial:
        by_serial[serial] = part
    parts.append(part)


def _simple(tree: Tree, kind: Kind, parts: list[Document], by_serial: dict[str, Document], better: bool) -> None:
    """SimpleStorage lists devices without URIs and often without serials: only used where nothing better is."""
    devices = [
        _drive(as_dict(device), "simplestorage", f"{last(uri)}/{number}")
        for uri, document in tree.role("simplestorage")
        for number, device in enumerate(as_list(document.get("Devices")), 1)
    ]
    if devices and better:
        if len(devices) != len(parts):
            kind.remark(f"SimpleStorage lists {len(devices)} devices, the fuller view {len(parts)} drives")
        return
    for part in devices:
        _add(part, parts, by_serial)
    if not better:
        for role in ("simplestorage*", "simplestorage"):
            for uri, problem in tree.unread(role):
                kind.unread(last(uri), problem)
            kind.seen = kind.seen or any(True for _ in tree.role(role))


def _controllers(tree: Tree, kind: Kind) -> None:
    """Controllers in a bad state, each once (by serial number, else by name)."""
    seen: dict[str, Document] = {}
    listed = [
        as_dict(item) for _, document in tree.role("storage") for item in as_list(document.get("StorageControllers"))
    ]
    for role in ("controller", "arraycontroller"):
        listed += [document for _, document in tree.role(role)]
    listed += [document for _, document in tree.role("hpedevice") if document.get("DeviceType") == "Smart Storage"]
    for document in listed:
        found = status(document)
        if found.state == "absent":
            continue
        name = as_text(document.get("Model")) or as_text(document.get("Name")) or "storage controller"
        key = as_text(document.get("SerialNumber")) or name
        known = seen.setdefault(key, {"slot": name, "state": "present", "health": None})
        merge(known, {"state": "present", "health": found.health})
    for known in seen.values():
        if known["health"] in ("warning", "critical"):
            kind.extra_unhealthy.append("controller {}: {}".format(known["slot"], known["health"].capitalize()))
