"""Physics of the twin: what a device *shows*, derived from the truth about it.

Redfish and IPMI read the world only through ``view``, so they cannot disagree. Everything here is pure: no file, no
clock, no network. The rules (docs/seams.md, section 2):

* A part that is not there is ``Absent``, has no health and no readings.
* A powered-off machine keeps listing its parts (``StandbyOffline``), its fans stand still, and every temperature except
  the inlet's is unknown (``None``): nothing is read that has no current. Its draw is ``STANDBY_WATTS``.
* A PSU without input is ``UnavailableOffline`` and ``Critical``, 0 V in; what is left carries the load.
* A fan that turns, but below its lower critical limit, is ``Critical`` whatever its own ``health`` says.
* A drive whose failure is predicted is at least ``Warning``.
* An NPU in ``Alarm`` (its driver's word between Warning and Critical) is ``Critical``: a BMC knows three healths.
* A machine without any CPU or any memory fails its self-test.
* A reading beyond its limit makes its sensor ``Warning`` (caution) or ``Critical``.

Shapes: ``view(node)`` takes what ``lab.hardware.build_node`` returns and gives a ``View``; ``record(node, now)`` adds
to ``node["log"]`` what changed since the last call, as ``{"id": int, "time": "2026-11-24T06:04:05Z" (true UTC),
"severity": "OK"|"Warning"|"Critical", "sensor": slot or sensor name, "message": English}``. A BMC whose clock is off
adds ``node["bmc"]["clock_offset_seconds"]`` when it shows a time; the log itself holds the true one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Document = dict[str, Any]

STANDBY_WATTS = 45
NOMINAL_INPUT_VOLTS = 220  # a Chinese feed; PSUs read it back when their cord is in
PSU_OUTPUT_VOLTS = 54
PSU_EFFICIENCY = 0.94
CPU_LIMITS = (95, 105)  # upper caution, upper critical, degrees Celsius
NPU_LIMITS = (90, 95)
LOG_LENGTH = 2000  # older entries fall out, as in a real SEL

KINDS = ("cpu", "npu", "dimm", "drive", "fan", "psu", "nic")
SEVERITIES = ("OK", "Warning", "Critical")


@dataclass(frozen=True)
class Part:
    """One replaceable thing. ``truth`` is its entry in the node's document (model, serial, ...)."""

    kind: str  # one of KINDS
    slot: str
    present: bool
    state: str  # Enabled | StandbyOffline | UnavailableOffline | Absent
    health: str | None  # OK | Warning | Critical; None when absent
    reason: str | None  # why it is not OK, in English
    readings: Mapping[str, float | int | None]  # celsius, rpm, input_volts, output_watts, ... by kind
    truth: Mapping[str, Any]


@dataclass(frozen=True)
class Sensor:
    """One number with its limits. ``value`` None: the sensor cannot be read now (no power, no part)."""

    name: str
    kind: str  # temperature | fan | voltage | power
    unit: str  # Cel | RPM | V | W
    value: float | int | None
    context: str  # Redfish PhysicalContext: Intake, Exhaust, CPU, Accelerator, Fan, PowerSupply, SystemBoard
    slot: str | None = None  # the part that it belongs to
    present: bool = True  # False: its part is not there
    lower_critical: float | int | None = None
    upper_caution: float | int | None = None
    upper_critical: float | int | None = None

    @property
    def severity(self) -> str | None:
        """OK, Warning or Critical by the limits; None when there is no value."""
        if self.value is None:
            return None
        if self.lower_critical is not None and self.value < self.lower_critical:
            return "Critical"
        if self.upper_critical is not None and self.value >= self.upper_critical:
            return "Critical"
        if self.upper_caution is not None and self.value >= self.upper_caution:
            return "Warning"
        return "OK"


@dataclass(frozen=True)
class View:
    """Everything that a machine shows of itself. Lists keep the order of the truth."""

    powered: bool
    post: str  # ok | failed | in_progress | off
    cpus: list[Part] = field(default_factory=list)
    npus: list[Part] = field(default_factory=list)
    dimms: list[Part] = field(default_factory=list)
    drives: list[Part] = field(default_factory=list)
    fans: list[Part] = field(default_factory=list)
    psus: list[Part] = field(default_factory=list)
    nics: list[Part] = field(default_factory=list)
    sensors: list[Sensor] = field(default_factory=list)
    power_watts: float = 0  # what the machine draws from its feeds
    rollups: Mapping[str, str] = field(default_factory=dict)  # worst health of the present parts, per kind
    health: str = "OK"  # worst of all parts and sensors

    def parts(self) -> list[Part]:
        return [*self.cpus, *self.npus, *self.dimms, *self.drives, *self.fans, *self.psus, *self.nics]

    def sensor(self, name: str) -> Sensor | None:
        return next((sensor for sensor in self.sensors if sensor.name == name), None)


def worst(values: Iterable[str | None]) -> str:
    """The worst of some healths; nothing known counts as OK."""
    return max((value for value in values if value in SEVERITIES), key=SEVERITIES.index, default="OK")


def view(node: Mapping[str, Any]) -> View:
    """What the machine shows. Never raises for a document of the shape of ``build_node``, whatever its values."""
    feeding = [psu for psu in node["psus"] if psu["present"] and psu["input_connected"]]
    powered = node["power"] == "on" and bool(feeding)
    watts = _draw(node, powered)
    groups = {
        "cpu": [_silicon("cpu", part, powered) for part in node["cpus"]],
        "npu": [_silicon("npu", part, powered) for part in node["npus"]],
        "dimm": [_plain("dimm", part, powered, {}) for part in node["dimms"]],
        "drive": [_drive(part, powered) for part in node["drives"]],
        "fan": [_fan(part, powered) for part in node["fans"]],
        "psu": [_psu(part, watts, len(feeding)) for part in node["psus"]],
        "nic": [_plain("nic", part, powered, {}) for part in node["nics"]],
    }
    sensors = list(_sensors(node, groups, powered, watts))
    rollups = {kind: worst(part.health for part in parts) for kind, parts in groups.items()}
    return View(
        powered=powered,
        post=_post(node, powered),
        cpus=groups["cpu"],
        npus=groups["npu"],
        dimms=groups["dimm"],
        drives=groups["drive"],
        fans=groups["fan"],
        psus=groups["psu"],
        nics=groups["nic"],
        sensors=sensors,
        power_watts=watts,
        rollups=rollups,
        health=worst([*rollups.values(), *(sensor.severity for sensor in sensors)]),
    )


def conditions(seen: View) -> dict[str, tuple[str, str]]:
    """``{part or sensor: (severity, message)}`` for everything that is not as it should be."""
    found: dict[str, tuple[str, str]] = {}
    for part in seen.parts():
        if not part.present:
            found[part.slot] = ("Warning", f"{part.slot} is absent.")
        elif part.health not in (None, "OK"):
            found[part.slot] = (part.health, f"{part.slot} is {part.health.lower()}: {part.reason}.")
    for sensor in seen.sensors:
        severity = sensor.severity
        if severity not in (None, "OK") and sensor.slot not in found:
            found[sensor.name] = (severity, f"{sensor.name} reads {sensor.value} {sensor.unit}, beyond its limit.")
    return found


def record_changes(before: View, after: View) -> list[Document]:
    """The log entries (without id and time) that lead from one view to the next; [] when no health changed."""
    return _entries({name: list(item) for name, item in conditions(before).items()}, conditions(after))


def record(node: Document, now: datetime) -> list[Document]:
    """Append to ``node["log"]`` what changed since the last call and return it. Idempotent; anybody may call it.

    What was already told is kept in ``node["told"]``, so that clearing the log does not tell it again. An entry that
    the planter of a fault wrote itself (same sensor, same severity, newest of that sensor) is not doubled.
    """
    known = conditions(view(node))
    told = node.get("told") or {}
    newest = {entry["sensor"]: entry["severity"] for entry in node["log"]}
    fresh = [entry for entry in _entries(told, known) if newest.get(entry["sensor"], "OK") != entry["severity"]]
    added = [add_entry(node, now, **entry) for entry in fresh]
    node["told"] = {name: list(item) for name, item in known.items()}
    return added


def add_entry(node: Document, now: datetime, severity: str, sensor: str, message: str) -> Document:
    """Append one entry to the node's log, with the next id and the true time; the oldest fall out."""
    number = max((int(entry["id"]) for entry in node["log"]), default=int(node.get("log_last_id", 0))) + 1
    entry = {
        "id": number,
        "time": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "severity": severity,
        "sensor": sensor,
        "message": message,
    }
    node["log"] = [*node["log"], entry][-LOG_LENGTH:]
    node["log_last_id"] = number
    return entry


def _entries(told: Mapping[str, Any], known: Mapping[str, tuple[str, str]]) -> list[Document]:
    entries = [
        {"severity": severity, "sensor": name, "message": message}
        for name, (severity, message) in known.items()
        if name not in told or told[name][0] != severity
    ]
    entries += [
        {"severity": "OK", "sensor": name, "message": f"{name} is back to normal."}
        for name in told
        if name not in known
    ]
    return entries


def _post(node: Mapping[str, Any], powered: bool) -> str:
    """A machine without a CPU or without memory cannot pass its self-test, whatever the truth says of the last one."""
    if not powered:
        return "off"
    bootable = all(any(part["present"] for part in node[kind]) for kind in ("cpus", "dimms"))
    return str(node["post"]) if bootable or node["post"] == "in_progress" else "failed"


def _draw(node: Mapping[str, Any], powered: bool) -> float:
    """Watts from the feeds: the machine's own figure, less what its missing NPUs would have drawn."""
    if not powered:
        return STANDBY_WATTS
    missing = sum(_number(npu["power_watts"]) or 0 for npu in node["npus"] if not npu["present"])
    return max(STANDBY_WATTS, (_number(node["power_watts"]) or STANDBY_WATTS) - missing)


def _number(value: object) -> float | int | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _cause(part: Mapping[str, Any]) -> tuple[str, str | None]:
    health = "Critical" if part["health"] == "Alarm" else part["health"]  # the NPU's own word between the two
    if health not in SEVERITIES:
        health = "OK"
    if health == "OK":
        return health, None
    code = part.get("error_code")
    return health, f"error code {code}" if code else "the device reports a fault"


def _part(
    kind: str,
    truth: Mapping[str, Any],
    state: str,
    cause: tuple[str, str | None],
    readings: Mapping[str, float | int | None],
) -> Part:
    health, reason = cause
    if truth["present"]:
        return Part(kind, truth["slot"], True, state, health, reason, readings, truth)
    return Part(kind, truth["slot"], False, "Absent", None, None, dict.fromkeys(readings), truth)


def _plain(kind: str, truth: Mapping[str, Any], powered: bool, readings: Mapping[str, float | int | None]) -> Part:
    return _part(kind, truth, "Enabled" if powered else "StandbyOffline", _cause(truth), readings)


def _silicon(kind: str, truth: Mapping[str, Any], powered: bool) -> Part:
    readings = {"celsius": _number(truth["temperature_celsius"]) if powered else None}
    if kind == "npu":
        readings["watts"] = _number(truth["power_watts"]) if powered else None
    return _plain(kind, truth, powered, readings)


def _drive(truth: Mapping[str, Any], powered: bool) -> Part:
    health, reason = _cause(truth)
    if truth["failure_predicted"] and health == "OK":
        health, reason = "Warning", "its failure is predicted"
    life = {"life_left_percent": _number(truth["life_left_percent"])}
    return _part("drive", truth, "Enabled" if powered else "StandbyOffline", (health, reason), life)


def _fan(truth: Mapping[str, Any], powered: bool) -> Part:
    health, reason = _cause(truth)
    rpm = (_number(truth["rpm"]) or 0) if powered else 0
    limit = _number(truth["lower_critical_rpm"]) or 0
    if powered and rpm < limit:
        health, reason = "Critical", f"{rpm} rpm is below the limit of {limit} rpm"
    return _part("fan", truth, "Enabled" if powered else "StandbyOffline", (health, reason), {"rpm": rpm})


def _psu(truth: Mapping[str, Any], watts: float, feeding: int) -> Part:
    """The PSUs with input share the load; one without carries nothing."""
    connected = bool(truth["input_connected"])
    share = round(watts / feeding, 1) if connected and feeding else 0
    readings = {
        "input_volts": NOMINAL_INPUT_VOLTS if connected else 0,
        "input_watts": share,
        "output_volts": PSU_OUTPUT_VOLTS if connected else 0,
        "output_watts": round(share * PSU_EFFICIENCY, 1),
    }
    if not connected:
        return _part("psu", truth, "UnavailableOffline", ("Critical", "it has no input"), readings)
    return _part("psu", truth, "Enabled", _cause(truth), readings)


def _sensors(
    node: Mapping[str, Any], groups: Mapping[str, list[Part]], powered: bool, watts: float
) -> Iterable[Sensor]:
    for truth in node["temperatures"]:
        # Only the inlet's sensor hangs on standby power: a machine that is off still knows how warm its room is.
        value = _number(truth["celsius"]) if powered or truth["context"] == "Intake" else None
        yield Sensor(
            truth["name"],
            "temperature",
            "Cel",
            value,
            truth["context"],
            upper_caution=_number(truth["upper_caution"]),
            upper_critical=_number(truth["upper_critical"]),
        )
    for kind, context, (caution, critical) in (("cpu", "CPU", CPU_LIMITS), ("npu", "Accelerator", NPU_LIMITS)):
        for part in groups[kind]:
            yield Sensor(
                f"{part.slot} Temp",
                "temperature",
                "Cel",
                part.readings["celsius"],
                context,
                part.slot,
                part.present,
                upper_caution=caution,
                upper_critical=critical,
            )
    for part in groups["fan"]:
        limit = _number(part.truth["lower_critical_rpm"]) if powered else None
        yield Sensor(
            f"{part.slot} Speed",
            "fan",
            "RPM",
            part.readings["rpm"],
            "Fan",
            part.slot,
            part.present,
            lower_critical=limit,
        )
    for part in groups["psu"]:
        volts, output = part.readings["input_volts"], part.readings["output_watts"]
        yield Sensor(f"{part.slot} Vin", "voltage", "V", volts, "PowerSupply", part.slot, part.present)
        yield Sensor(f"{part.slot} POut", "power", "W", output, "PowerSupply", part.slot, part.present)
    yield Sensor("Total Power", "power", "W", watts, "Chassis")
