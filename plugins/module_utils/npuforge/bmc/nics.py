"""Network cards and their ports, from the chassis' NetworkAdapters. Where a BMC lists only ports of the system
(EthernetInterfaces), the ports are shown, but cards cannot be counted."""

from __future__ import annotations

from ..common import Document, as_dict, as_integer, as_list, as_number, as_text
from .part import Kind, last, location, new_part, oem_text
from .tree import Tree

_LINK = {"linkup": "up", "up": "up", "linkdown": "down", "down": "down", "nolink": "down", "starting": "down"}


def _port(uri: str, document: Document) -> Document:
    addresses = as_list(as_dict(document.get("Ethernet")).get("AssociatedMACAddresses"))
    addresses = addresses or as_list(document.get("AssociatedNetworkAddresses"))
    addresses += [document.get("PermanentMACAddress"), document.get("MACAddress")]
    mac = next((text for text in (as_text(item) for item in addresses) if text), None)
    gbps = as_number(document.get("CurrentSpeedGbps"))
    speed = as_integer(gbps * 1000) if gbps is not None else as_integer(document.get("CurrentLinkSpeedMbps"))
    if speed is None:
        speed = as_integer(document.get("SpeedMbps"))
    state = (as_text(document.get("LinkStatus")) or "").lower()
    return {
        "name": as_text(document.get("PortId")) or as_text(document.get("Id")) or last(uri),
        "mac": mac.lower() if mac else None,
        "link": _LINK.get(state),
        "speed_mbps": speed,
    }


def parse(tree: Tree, host: str, kind: Kind) -> None:
    """Fill ``kind``."""
    ports: dict[str, list[Document]] = {}
    for uri, document in tree.role("port"):
        ports.setdefault(tree.owner(uri, "adapter"), []).append(_port(uri, document))
    for uri, document in tree.role("adapter"):
        labels = (
            oem_text(document, "DeviceLocator"),
            location(document, "Location"),
            as_text(document.get("Name")),
            as_text(document.get("Id")) or last(uri),
        )
        part = new_part(document, "networkadapters", labels)
        part["firmware"] = part["firmware"] or _package(document)
        part["ports"] = ports.get(uri, [])
        kind.add(part)
    for role in ("adapter*", "adapter"):
        for uri, problem in tree.unread(role):
            kind.unread(last(uri), problem)
    for uri, problem in tree.unread("port"):
        kind.remark(f"port {last(uri)} could not be read: {problem}")
    if kind.parts or tree.unread("adapter"):
        return
    for uri, document in tree.role("ethernet"):
        if tree.owner(uri, "system") in (host, ""):
            names = (as_text(document.get("Name")), as_text(document.get("Id")) or last(uri), last(uri))
            part = new_part(document, "ethernetinterfaces", names)
            part["state"] = "absent" if part["_state"] == "absent" else "present"
            part["ports"] = [_port(uri, document)]
            kind.add(part)
    if kind.parts:
        kind.doubt("the BMC lists the system's ports, not its cards: cards cannot be counted")
        return
    kind.seen = kind.seen or any(True for _ in tree.role("adapter*"))


def _package(document: Document) -> str | None:
    for controller in as_list(document.get("Controllers")):
        text = as_text(as_dict(controller).get("FirmwarePackageVersion"))
        if text:
            return text
    return None
