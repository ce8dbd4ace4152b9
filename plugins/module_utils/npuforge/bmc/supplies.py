"""Power supplies: present and healthy is not enough, they must have input."""

from __future__ import annotations

from ..common import Document, as_dict, as_list, as_number, as_text
from . import views
from .part import CRITICAL, Kind, location, new_part, oem_number, oem_text, reading, say, worsen
from .tree import Tree


def _common(part: Document, document: Document, volts: float | None, watts: float | None) -> Document:
    part.update(capacity_watts=as_number(document.get("PowerCapacityWatts")), input_volts=volts, output_watts=watts)
    line = (as_text(document.get("LineInputStatus")) or "").lower()
    part["_no_input"] = line == "lossofinput" or volts == 0 or part["_state"] == "unavailableoffline"
    if line == "outofrange":
        worsen(part, CRITICAL, "input out of range")
    return part


def _legacy(document: Document, number: int) -> Document:
    bay = oem_number(document, "BayNumber")
    labels = (
        as_text(document.get("Name")),
        location(document, "Location") or oem_text(document, "Position"),
        f"PSU bay {int(bay)}" if bay is not None else None,
        f"PSU #{as_text(document.get('MemberId')) or number}",
    )
    part = new_part(document, "power", labels)
    watts = as_number(document.get("LastPowerOutputWatts"))
    if watts is None:
        watts = as_number(document.get("PowerOutputWatts"))
    return _common(part, document, as_number(document.get("LineInputVoltage")), watts)


def _new(tree: Tree, uri: str, document: Document) -> Document:
    labels = (as_text(document.get("Name")), location(document, "Location"), as_text(document.get("Id")) or uri)
    part = new_part(document, "powersubsystem", labels)
    target = as_dict(document.get("Metrics")).get("@odata.id")
    metrics = tree.get(target if isinstance(target, str) else None)
    return _common(part, document, reading(metrics, "InputVoltage"), reading(metrics, "OutputPowerWatts"))


def parse(tree: Tree, kind: Kind) -> list[Document]:
    """Fill ``kind``; returns the supplies without input (their slots are named later)."""
    for chassis, _ in tree.role("chassis"):
        new_parts = [
            _new(tree, uri, document) for uri, document in tree.role("psu") if tree.owner(uri, "chassis") == chassis
        ]
        roles = ("powersubsystem", "psu*", "psu")
        new = views.of_collection(tree, "PowerSubsystem", chassis, roles, new_parts)
        views.choose(kind, new, _legacy_view(tree, chassis))
    dark = [part for part in kind.parts if part["state"] == "present" and part["_no_input"]]
    for part in dark:
        if part["health"] in ("warning", "critical"):
            say(part, "no input")
        else:
            worsen(part, CRITICAL, "no input")
    return dark


def _legacy_view(tree: Tree, chassis: str) -> views.View:
    parts: list[Document] = []
    shown = False
    for uri, document in tree.role("power"):
        if tree.owner(uri, "chassis") == chassis and isinstance(document.get("PowerSupplies"), list):
            shown = True
            parts += [_legacy(as_dict(item), i) for i, item in enumerate(as_list(document["PowerSupplies"]), 1)]
    missing = [item for item in tree.unread("power") if tree.owner(item[0], "chassis") == chassis]
    return views.View("Power", parts, missing, shown)
