"""The site file as typed values, as far as they are judged. A number that is ``None`` was not measured.

Units are in the names. ``load`` reads ``contract/schema/survey.schema.json`` files and reports every mistake at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from controller.survey.reading import InputError, Problem, check_schema, parse_yaml, read_text

PHASES = ("L1", "L2", "L3")


@dataclass(frozen=True)
class CoolingUnit:
    name: str
    sensible_kw: float | None
    airflow_m3_per_h: float | None


@dataclass(frozen=True)
class Room:
    clear_height_m: float | None = None
    renovated: bool = False
    inlet_celsius: float | None = None
    humidity_percent: float | None = None
    grounding_ohm: float | None = None
    floor_kn_per_m2: float | None = None
    floor_point_kn: float | None = None
    cooling_units: tuple[CoolingUnit, ...] | None = None  # None: not surveyed
    redundant_units: int = 1
    cooling_other_kw: float = 0.0
    delta_t_kelvin: float | None = None


@dataclass(frozen=True)
class Ups:
    name: str
    rated_kva: float | None
    other_load_kw: float
    runtime_minutes: float | None


@dataclass(frozen=True)
class Feed:
    name: str
    phases: int
    voltage_volts: float | None
    breaker_amps: float | None
    power_factor: float | None
    other_load_kw: float
    ups: str | None


@dataclass(frozen=True)
class Pdu:
    """``outlets`` maps ``C19-3`` to its phase, or to None (single phase, or load shared by the three)."""

    name: str
    feed: str
    rated_amps: float | None
    outlets: dict[str, str | None]


@dataclass(frozen=True)
class Rack:
    name: str
    position: str | None
    units: int
    used_units: frozenset[int]
    usable_depth_mm: float | None
    footprint_m2: float | None
    spread_m2: float | None
    feet: int | None
    mass_kg: float | None
    other_mass_kg: float
    other_load_kw: float
    power_budget_kw: float | None
    pdus: tuple[Pdu, ...]


@dataclass(frozen=True)
class Cord:
    psu: str
    pdu: str
    outlet: str

    @property
    def plug(self) -> str:
        return self.outlet.rpartition("-")[0]


@dataclass(frozen=True)
class Device:
    name: str
    role: str
    model: str | None
    rack: str | None
    unit: int | None
    height_units: int
    depth_mm: float | None
    mass_kg: float | None
    max_watts: float | None
    airflow: str | None
    psus_needed: int | None
    cords: tuple[Cord, ...] | None  # None: not surveyed
    ports: tuple[str, ...] = ()
    breakout_lanes: dict[str, int] = field(default_factory=dict)

    @property
    def occupies(self) -> range:
        return range(0) if self.unit is None else range(self.unit, self.unit + self.height_units)


@dataclass(frozen=True)
class Survey:
    """One site. ``limits`` are the site's own overrides of ``contract/survey.yml``; ``text`` is the file as read."""

    site: str
    surveyed_at: str | None
    room: Room
    ups: tuple[Ups, ...]
    feeds: tuple[Feed, ...]
    racks: tuple[Rack, ...]
    devices: tuple[Device, ...]
    limits: dict[str, dict[str, Any]]
    text: str = ""
    path: str = ""

    def rack(self, name: str) -> Rack:
        return next(rack for rack in self.racks if rack.name == name)

    def feed(self, name: str) -> Feed:
        return next(feed for feed in self.feeds if feed.name == name)

    def device(self, name: str) -> Device:
        return next(device for device in self.devices if device.name == name)

    def in_rack(self, name: str) -> tuple[Device, ...]:
        return tuple(device for device in self.devices if device.rack == name)

    def pdus(self) -> Iterator[tuple[Rack, Pdu]]:
        for rack in self.racks:
            for pdu in rack.pdus:
                yield rack, pdu

    def pdu(self, name: str) -> Pdu:
        return next(pdu for _, pdu in self.pdus() if pdu.name == name)


def load(path: Path | str) -> Survey:
    """Read a site file.

    :raises InputError: the file is absent, not YAML, or wrong; ``problems`` has every mistake with its place.
    """
    text = read_text(path)
    document = parse_yaml(text, path)
    problems = check_schema(document, "survey.schema.json")
    if problems:
        # References are only worth checking in a document whose shape is right.
        raise InputError(path, problems)
    problems = list(_references(document))
    if problems:
        raise InputError(path, problems)
    return _build(document, text, str(path))


def _build(document: dict[str, Any], text: str, path: str) -> Survey:
    return Survey(
        site=document["site"],
        surveyed_at=document.get("surveyed_at"),
        room=_room(document["room"]),
        ups=tuple(
            Ups(u["name"], u.get("rated_kva"), u.get("other_load_kw") or 0.0, u.get("runtime_minutes"))
            for u in document.get("ups", [])
        ),
        feeds=tuple(
            Feed(
                name=feed["name"],
                phases=feed["phases"],
                voltage_volts=feed.get("voltage_volts"),
                breaker_amps=feed.get("breaker_amps"),
                power_factor=feed.get("power_factor"),
                other_load_kw=feed.get("other_load_kw") or 0.0,
                ups=feed.get("ups"),
            )
            for feed in document["feeds"]
        ),
        racks=tuple(_rack(rack) for rack in document["racks"]),
        devices=tuple(_device(device) for device in document["devices"]),
        limits=document.get("limits", {}),
        text=text,
        path=path,
    )


def _room(room: dict[str, Any]) -> Room:
    cooling = room.get("cooling", {})
    units = cooling.get("units")
    floor = room.get("floor", {})
    return Room(
        clear_height_m=room.get("clear_height_m"),
        renovated=room.get("renovated", False),
        inlet_celsius=room.get("inlet_celsius"),
        humidity_percent=room.get("humidity_percent"),
        grounding_ohm=room.get("grounding_ohm"),
        floor_kn_per_m2=floor.get("capacity_kn_per_m2"),
        floor_point_kn=floor.get("point_capacity_kn"),
        cooling_units=None
        if units is None
        else tuple(CoolingUnit(u["name"], u.get("sensible_kw"), u.get("airflow_m3_per_h")) for u in units),
        redundant_units=cooling.get("redundant_units", 1),
        cooling_other_kw=cooling.get("other_load_kw") or 0.0,
        delta_t_kelvin=cooling.get("delta_t_kelvin"),
    )


def _rack(rack: dict[str, Any]) -> Rack:
    return Rack(
        name=rack["name"],
        position=rack.get("position"),
        units=rack["units"],
        used_units=frozenset(unit for span in rack.get("used_units", []) for unit in _span(span)),
        usable_depth_mm=rack.get("usable_depth_mm"),
        footprint_m2=rack.get("footprint_m2"),
        spread_m2=rack.get("spread_m2"),
        feet=rack.get("feet"),
        mass_kg=rack.get("mass_kg"),
        other_mass_kg=rack.get("other_mass_kg") or 0.0,
        other_load_kw=rack.get("other_load_kw") or 0.0,
        power_budget_kw=rack.get("power_budget_kw"),
        pdus=tuple(
            Pdu(pdu["name"], pdu["feed"], pdu.get("rated_amps"), outlet_names(pdu["outlets"]))
            for pdu in rack.get("pdus", [])
        ),
    )


def _device(device: dict[str, Any]) -> Device:
    cords = device.get("power_cords")
    return Device(
        name=device["name"],
        role=device.get("role", "other"),
        model=device.get("model"),
        rack=device.get("rack"),
        unit=device.get("unit"),
        height_units=device["height_units"],
        depth_mm=device.get("depth_mm"),
        mass_kg=device.get("mass_kg"),
        max_watts=device.get("max_watts"),
        airflow=device.get("airflow"),
        psus_needed=device.get("psus_needed"),
        cords=None if cords is None else tuple(Cord(c["psu"], c["pdu"], c["outlet"]) for c in cords),
        ports=tuple(device.get("ports", [])),
        breakout_lanes=dict(device.get("breakout_lanes", {})),
    )


def outlet_names(groups: list[dict[str, Any]]) -> dict[str, str | None]:
    """``{"C19-1": "L1", ...}``: numbered per type, on through the groups, as the PDU's print is read top to bottom."""
    numbers: dict[str, int] = {}
    outlets: dict[str, str | None] = {}
    for group in groups:
        for _ in range(group["count"]):
            numbers[group["type"]] = numbers.get(group["type"], 0) + 1
            outlets[f"{group['type']}-{numbers[group['type']]}"] = group.get("phase")
    return outlets


def _span(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def _references(document: dict[str, Any]) -> Iterator[Problem]:
    """Names that are used twice or lead nowhere, spans outside their rack, phases that a feed has not."""
    feeds = {feed["name"]: feed for feed in document["feeds"]}
    ups = {unit["name"] for unit in document.get("ups", [])}
    racks = {rack["name"] for rack in document["racks"]}
    for key in ("feeds", "racks", "devices", "ups"):
        yield from _twice(document.get(key, []), key)
    pdus: dict[str, dict[str, str | None]] = {}
    for index, feed in enumerate(document["feeds"]):
        if feed.get("ups") is not None and feed["ups"] not in ups:
            yield Problem(f"feeds[{index}].ups", f"no UPS is named {feed['ups']!r}; known: {_names(ups)}")
    for number, rack in enumerate(document["racks"]):
        for index, span in enumerate(rack.get("used_units", [])):
            units = _span(span)
            if not units or units[0] < 1 or units[-1] > rack["units"]:
                yield Problem(
                    f"racks[{number}].used_units[{index}]", f"{span!r} is not a span within U1-U{rack['units']}"
                )
        for index, pdu in enumerate(rack.get("pdus", [])):
            where = f"racks[{number}].pdus[{index}]"
            if pdu["name"] in pdus or pdu["name"] in {device["name"] for device in document["devices"]}:
                yield Problem(f"{where}.name", f"{pdu['name']!r} is used twice")
            pdus[pdu["name"]] = outlet_names(pdu["outlets"])
            if pdu["feed"] not in feeds:
                yield Problem(f"{where}.feed", f"no feed is named {pdu['feed']!r}; known: {_names(feeds)}")
            elif feeds[pdu["feed"]]["phases"] == 1 and any(group.get("phase") for group in pdu["outlets"]):
                yield Problem(f"{where}.outlets", f"feed {pdu['feed']!r} has one phase: an outlet cannot name one")
    for number, device in enumerate(document["devices"]):
        where = f"devices[{number}]"
        if device.get("rack") is not None and device["rack"] not in racks:
            yield Problem(f"{where}.rack", f"no rack is named {device['rack']!r}; known: {_names(racks)}")
        if (device.get("rack") is None) != (device.get("unit") is None):
            yield Problem(where, "rack and unit belong together: give both or neither")
        seen: set[str] = set()
        for index, cord in enumerate(device.get("power_cords") or []):
            place = f"{where}.power_cords[{index}]"
            if cord["psu"] in seen:
                yield Problem(f"{place}.psu", f"{cord['psu']!r} has a cord already")
            seen.add(cord["psu"])
            if cord["pdu"] not in pdus:
                yield Problem(f"{place}.pdu", f"no PDU is named {cord['pdu']!r}; known: {_names(pdus)}")


def _twice(entries: list[dict[str, Any]], key: str) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, entry in enumerate(entries):
        if entry["name"] in seen:
            yield Problem(f"{key}[{index}].name", f"{entry['name']!r} is used twice")
        seen.add(entry["name"])


def _names(names: Any) -> str:
    return ", ".join(sorted(names)) or "none"
