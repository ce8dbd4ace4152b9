"""Which IPMI sensors a node has, and what each shows: ``lab.physics.view`` in IPMI's terms.

Numbers, names and steps depend only on what the machine is made of, never on its state, so that an SDR repository
that a client cached stays right. The state is a value per sensor: ``Reading`` or a mask of asserted offsets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lab import physics
from lab.ipmi import sdr

# Sensor types, IPMI v2.0 table 42-3
TEMPERATURE, VOLTAGE, FAN, PROCESSOR, POWER_SUPPLY, OTHER, MEMORY, DRIVE, FIRMWARE, ADD_IN_CARD, ACPI = (
    0x01, 0x02, 0x04, 0x07, 0x08, 0x0B, 0x0C, 0x0D, 0x0F, 0x17, 0x22,
)  # fmt: skip
# Event/reading types, table 42-1
THRESHOLD, SEVERITY, AVAILABILITY, SENSOR_SPECIFIC = 0x01, 0x07, 0x08, 0x6F
# Entities, table 43-13
DRIVE_BAY, CPU_ENTITY, SYSTEM_BOARD, PSU_ENTITY, CARD, FAN_ENTITY, DIMM_ENTITY, FIRMWARE_ENTITY, AIR_INLET = (
    0x04, 0x03, 0x07, 0x0A, 0x0B, 0x1D, 0x20, 0x22, 0x40,
)  # fmt: skip

SENSORS_MAX = 254  # numbers 1 to 254; 255 is reserved
POWER_STEP_MIN = 16  # watts per raw count of the total draw; one byte must hold a whole server

ENTITY_OF_CONTEXT = {"Intake": AIR_INLET, "CPU": CPU_ENTITY, "Accelerator": CARD}
TYPE_OF_KIND = {"temperature": TEMPERATURE, "fan": FAN, "voltage": VOLTAGE, "power": OTHER}


@dataclass(frozen=True)
class Analog:
    """A threshold sensor: ``raw * step`` of ``unit``. ``limits`` {event offset: raw} hold while the machine runs."""

    place: sdr.Place
    name: str
    sensor_type: int
    unit: str
    step: int
    limits: Mapping[int, int]
    source: str  # name of the sensor in the view
    reading_type: int = THRESHOLD

    def record(self) -> list[int]:
        return sdr.full(
            self.place, self.sensor_type, self.name, unit=self.unit, step=self.step, limits=dict(self.limits)
        )


@dataclass(frozen=True)
class Offsets:
    """How a discrete sensor says it. None: it has no word for that."""

    present: int | None
    critical: int
    warning: int
    no_input: int | None = None
    ok: int | None = None


@dataclass(frozen=True)
class Discrete:
    """A sensor of states. ``part``: the slot it watches, None for one that watches the whole machine."""

    place: sdr.Place
    name: str
    sensor_type: int
    reading_type: int
    mask: int
    part: str | None
    offsets: Offsets | None = None

    def record(self) -> list[int]:
        return sdr.compact(self.place, self.sensor_type, self.reading_type, self.name, self.mask)


@dataclass(frozen=True)
class Reading:
    """What an analog sensor shows. ``value`` None: it cannot be read. ``limits``: those that are in force."""

    value: int | None
    limits: Mapping[int, int] = field(default_factory=dict)


Sensor = Analog | Discrete
State = Reading | int  # an int is the mask of asserted offsets

POST = Offsets(present=None, critical=0, warning=0)
# sensor type, event type, entity, words, mask of possible states; per kind of part
STATUS = {
    "psu": (POWER_SUPPLY, SENSOR_SPECIFIC, PSU_ENTITY, Offsets(present=0, critical=1, warning=2, no_input=3), 0x0F),
    "dimm": (MEMORY, SENSOR_SPECIFIC, DIMM_ENTITY, Offsets(present=6, critical=1, warning=5), 0x62),
    "drive": (DRIVE, SENSOR_SPECIFIC, DRIVE_BAY, Offsets(present=0, critical=1, warning=2), 0x07),
    "cpu": (PROCESSOR, SENSOR_SPECIFIC, CPU_ENTITY, Offsets(present=7, critical=0, warning=12), 0x1081),
    # No sensor type of the standard says "accelerator"; one that computes is a processor on an add-in card.
    "npu": (PROCESSOR, SENSOR_SPECIFIC, CARD, Offsets(present=7, critical=0, warning=12), 0x1081),
    "fan": (FAN, SEVERITY, FAN_ENTITY, Offsets(present=None, critical=2, warning=1, ok=0), 0x07),
    "nic": (ADD_IN_CARD, SEVERITY, CARD, Offsets(present=None, critical=2, warning=1, ok=0), 0x07),
}
DEVICE_ABSENT, DEVICE_PRESENT = 0, 1  # offsets of AVAILABILITY
S0_WORKING, S5_OFF = 0, 5  # offsets of ACPI
FIRMWARE_ERROR, FIRMWARE_PROGRESS = 0, 2  # offsets of FIRMWARE


def catalogue(node: Mapping[str, Any]) -> list[Sensor]:
    """The node's sensors in order of their numbers. Raises ValueError for more than IPMI can number."""
    seen = physics.view(_running(node))
    sensors: list[Sensor] = []
    instances: dict[int, int] = {}
    of_part: dict[str, int] = {}

    def place(entity: int, part: str | None = None) -> sdr.Place:
        """All sensors of one part share its instance; cards are told apart by it, NPUs from NICs too."""
        if part is None or part not in of_part:
            instances[entity] = instances.get(entity, 0) + 1
            if part is not None:
                of_part[part] = instances[entity]
        instance = of_part[part] if part is not None else instances[entity]
        return sdr.Place(len(sensors) + 1, entity, instance)

    for part in seen.parts():
        kind, reading_type, entity, offsets, mask = STATUS[part.kind]
        name = _name(part.slot, "Status")
        sensors.append(Discrete(place(entity, part.slot), name, kind, reading_type, mask, part.slot, offsets))
        if part.kind == "fan":
            where = place(entity, part.slot)
            sensors.append(Discrete(where, _name(part.slot, "Presence"), kind, AVAILABILITY, 0x03, part.slot))
    for shown in seen.sensors:
        entity = _entity(shown)
        step = _step(shown, node)
        where = place(entity, shown.slot)
        sensors.append(
            Analog(
                where, _clip(shown.name), TYPE_OF_KIND[shown.kind], shown.unit, step, _limits(shown, step), shown.name
            )
        )
    sensors.append(Discrete(place(FIRMWARE_ENTITY), "POST Status", FIRMWARE, SENSOR_SPECIFIC, 0x05, None, POST))
    sensors.append(Discrete(place(SYSTEM_BOARD), "ACPI State", ACPI, SENSOR_SPECIFIC, 0x21, None))
    if len(sensors) > SENSORS_MAX:
        raise ValueError(f"{node['name']}: {len(sensors)} sensors, IPMI numbers at most {SENSORS_MAX}")
    return sensors


def states(sensors: list[Sensor], node: Mapping[str, Any]) -> dict[int, State]:
    """What each sensor shows now: {number: state}."""
    seen = physics.view(node)
    parts = {part.slot: part for part in seen.parts()}
    return {sensor.place.number: _state(sensor, seen, parts) for sensor in sensors}


def _state(sensor: Sensor, seen: physics.View, parts: Mapping[str, physics.Part]) -> State:
    if isinstance(sensor, Analog):
        shown = seen.sensor(sensor.source)
        if shown is None or not shown.present or shown.value is None:
            return Reading(None)
        # Rounded down where a limit counts, so that one step never hides that it is crossed (see _limits).
        raw = _clamp(shown.value // sensor.step if sensor.limits else round(shown.value / sensor.step))
        return Reading(raw, _limits(shown, sensor.step))
    if sensor.part is not None:
        return sum(1 << offset for offset in _offsets(sensor, parts[sensor.part]))
    if sensor.sensor_type == ACPI:
        return 1 << (S0_WORKING if seen.powered else S5_OFF)
    return {"failed": 1 << FIRMWARE_ERROR, "in_progress": 1 << FIRMWARE_PROGRESS}.get(seen.post, 0)


def _offsets(sensor: Discrete, part: physics.Part) -> Iterator[int]:
    if sensor.offsets is None:
        yield DEVICE_PRESENT if part.present else DEVICE_ABSENT
        return
    if not part.present:
        return
    words = sensor.offsets
    if words.present is not None:
        yield words.present
    if part.state == "UnavailableOffline" and words.no_input is not None:
        yield words.no_input
    elif part.health == "Critical":
        yield words.critical
    elif part.health == "Warning":
        yield words.warning
    elif words.ok is not None:
        yield words.ok


def _running(node: Mapping[str, Any]) -> dict[str, Any]:
    """The same machine with everything plugged in: limits of a machine that is off are not in its view."""
    psus = [{**psu, "present": True, "input_connected": True} for psu in node["psus"]]
    return {**node, "power": "on", "psus": psus}


def _limits(shown: physics.Sensor, step: int) -> dict[int, int]:
    """Raw limits such that IPMI's ``<=`` and ``>=`` on raw values say what ``physics`` says on real ones, at steps."""
    limits: dict[int, int] = {}
    if shown.lower_critical is not None and shown.lower_critical > 0:
        limits[sdr.LOWER_CRITICAL] = _clamp(-(-shown.lower_critical // step) - 1)
    for offset, limit in ((sdr.UPPER_CAUTION, shown.upper_caution), (sdr.UPPER_CRITICAL, shown.upper_critical)):
        if limit is not None:
            limits[offset] = _clamp(-(-limit // step))
    return limits


def _clamp(value: float) -> int:
    return min(sdr.RAW_MAX, max(0, int(value)))


def _step(shown: physics.Sensor, node: Mapping[str, Any]) -> int:
    """Units per raw count, so that the largest reading of that sensor fits in one byte."""
    if shown.kind == "fan":
        fan = next(fan for fan in node["fans"] if fan["slot"] == shown.slot)
        return max(50, _ceil_to(fan["max_rpm"] / sdr.RAW_MAX, 50))
    if shown.unit == "W" and shown.slot is not None:
        psu = next(psu for psu in node["psus"] if psu["slot"] == shown.slot)
        return max(1, _ceil_to(psu["capacity_watts"] / sdr.RAW_MAX, 1))
    if shown.unit == "W":
        return max(POWER_STEP_MIN, _ceil_to(node["power_watts"] * 1.5 / sdr.RAW_MAX, 1))
    return 1


def _ceil_to(value: float, multiple: int) -> int:
    return -(int(-value // multiple)) * multiple


def _entity(shown: physics.Sensor) -> int:
    if shown.kind == "fan":
        return FAN_ENTITY
    if shown.context == "PowerSupply":
        return PSU_ENTITY
    return ENTITY_OF_CONTEXT.get(shown.context, SYSTEM_BOARD)


def _name(slot: str, suffix: str) -> str:
    return f"{slot[: sdr.ID_STRING_MAX - len(suffix) - 1]} {suffix}"


def _clip(name: str) -> str:
    return name[: sdr.ID_STRING_MAX]
