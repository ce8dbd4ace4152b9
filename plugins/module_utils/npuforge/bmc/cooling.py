"""Fans and sensors. A fan below its critical threshold is critical, whatever health it claims."""

from __future__ import annotations

from typing import Optional, Tuple

from ..common import Document, as_dict, as_list, as_number, as_text
from . import views
from .part import CRITICAL, WARNING, Kind, location, new_part, oem_text, say, status, worsen, worst
from .tree import Tree

_IDLE = ("absent", "disabled", "unavailableoffline", "standbyoffline", "deferring")


def _legacy_fan(document: Document, number: int) -> Document:
    labels = (
        as_text(document.get("Name")) or as_text(document.get("FanName")),
        oem_text(document, "Position", "Location"),
        f"Fan #{as_text(document.get('MemberId')) or number}",
    )
    part = new_part(document, "thermal", labels)
    units = (as_text(document.get("ReadingUnits")) or "").lower()
    value = as_number(document.get("Reading"))
    limit = as_number(document.get("LowerThresholdCritical"))
    if limit is None:
        limit = as_number(document.get("LowerThresholdFatal"))
    if part["state"] is None and value:
        part["state"] = "present"
    rpm = value if units in ("rpm", "") else None
    part.update(rpm=rpm, lower_critical_rpm=limit if units in ("rpm", "") else None)
    if units not in ("rpm", ""):
        part["_percent"], part["_percent_limit"] = value, limit
    return part


def _new_fan(tree: Tree, uri: str, document: Document) -> Document:
    labels = (as_text(document.get("Name")), location(document, "Location"), as_text(document.get("Id")) or uri)
    part = new_part(document, "thermalsubsystem", labels)
    speed = as_dict(document.get("SpeedPercent"))
    rpm = as_number(speed.get("SpeedRPM"))
    limit = None
    sensor = tree.get(as_text(speed.get("DataSourceUri")))
    threshold = as_number(as_dict(as_dict(sensor.get("Thresholds")).get("LowerCritical")).get("Reading"))
    if (as_text(sensor.get("ReadingUnits")) or "").upper() == "RPM":
        limit = threshold
        rpm = rpm if rpm is not None else as_number(sensor.get("Reading"))
    elif sensor:
        part["_percent"], part["_percent_limit"] = as_number(sensor.get("Reading")), threshold
    part.update(rpm=rpm, lower_critical_rpm=limit)
    return part


def fans(tree: Tree, kind: Kind, powered: bool | None) -> list[Document]:
    """Fill ``kind``; returns the fans that turn below their threshold (their slots are named later)."""
    for chassis, _ in tree.role("chassis"):
        new_parts = [
            _new_fan(tree, uri, document) for uri, document in tree.role("fan") if tree.owner(uri, "chassis") == chassis
        ]
        roles = ("thermalsubsystem", "fan*", "fan")
        new = views.of_collection(tree, "ThermalSubsystem", chassis, roles, new_parts)
        views.choose(kind, new, _legacy_view(tree, chassis))
    slow = []
    for part in kind.parts:
        if part["state"] == "present" and powered is not False and _is_slow(part):
            slow.append(part)
    return slow


def _legacy_view(tree: Tree, chassis: str) -> views.View:
    parts: list[Document] = []
    shown = False
    for uri, document in tree.role("thermal"):
        if tree.owner(uri, "chassis") == chassis and isinstance(document.get("Fans"), list):
            shown = True
            parts += [_legacy_fan(as_dict(item), i) for i, item in enumerate(as_list(document["Fans"]), 1)]
    missing = [item for item in tree.unread("thermal") if tree.owner(item[0], "chassis") == chassis]
    return views.View("Thermal", parts, missing, shown)


def _is_slow(part: Document) -> bool:
    """Below its threshold, in rpm or percent; a fan that stands still without a threshold has no proven health."""
    for value, limit, unit in (
        (part["rpm"], part["lower_critical_rpm"], "rpm"),
        (part.get("_percent"), part.get("_percent_limit"), "%"),
    ):
        if value is not None and limit is not None and value < limit:
            worsen(part, CRITICAL, f"{value:g} {unit} is below {limit:g} {unit}")
            return True
    if part["rpm"] == 0 and part["lower_critical_rpm"] is None and part["health"] == "ok":
        part["health"] = None
        say(part, "0 rpm, and no threshold is known")
    return False


def sensors(tree: Tree) -> Document | None:
    """``{source, critical, warning}`` over temperatures and voltages; ``None`` when no list of them could be read."""
    found: dict[str, str | None] = {}
    shown = False
    for role, key in (("thermal", "Temperatures"), ("power", "Voltages")):
        for _, document in tree.role(role):
            if isinstance(document.get(key), list):
                shown = True
                for item in as_list(document[key]):
                    _judge(as_dict(item), _legacy_limits(as_dict(item)), found)
    for _, document in tree.role("sensor"):
        shown = True
        _judge(document, _new_limits(document), found)
    if not shown:
        return None
    return {
        "source": "redfish",
        "critical": sorted(name for name, health in found.items() if health == CRITICAL),
        "warning": sorted(name for name, health in found.items() if health == WARNING),
    }


_Limits = Tuple[Optional[float], Optional[float], Optional[float]]


def _legacy_limits(document: Document) -> _Limits:
    value = as_number(document.get("ReadingCelsius"))
    if value is None:
        value = as_number(document.get("ReadingVolts"))
    low, high = as_number(document.get("LowerThresholdCritical")), as_number(document.get("UpperThresholdCritical"))
    return value, low, high


def _new_limits(document: Document) -> _Limits:
    limits = as_dict(document.get("Thresholds"))
    low, high = (as_number(as_dict(limits.get(key)).get("Reading")) for key in ("LowerCritical", "UpperCritical"))
    return as_number(document.get("Reading")), low, high


def _judge(document: Document, limits: _Limits, found: dict[str, str | None]) -> None:
    name = as_text(document.get("Name")) or as_text(document.get("Id")) or "?"
    seen = status(document)
    if seen.state in _IDLE:
        return
    value, low, high = limits
    health = seen.health
    # Equal thresholds (0 and 0 on boards that have none) are no thresholds.
    if value is not None and low != high:
        if high and value >= high:
            health = CRITICAL
        if low and value <= low:
            health = CRITICAL
    found[name] = worst(found.get(name), health)
