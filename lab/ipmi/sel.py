"""The node's log as a System Event Log: one type 0x02 record per entry (IPMI v2.0, section 32.1).

A record has no room for text, so it says what the entry says in offsets of the sensor that it is about. The end of a
condition ("OK") deasserts what was last asserted for that sensor, as real BMCs do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from lab.ipmi import sdr, sensors

CAPACITY = 1000  # entries; a real BMC's SEL holds a few hundred to a few thousand
SYSTEM_EVENT, UNDETERMINED_FAILURE = 0x12, 0x02  # for a thing that has no sensor
GENERATOR = (0x20, 0x00)
EVENT_FORMAT = 0x04  # IPMI 2.0
UNSPECIFIED = 0xFF

Entry = Mapping[str, Any]
Event = tuple[int, int, int, int]  # sensor type, number, event type, offset


def records(entries: Iterable[Entry], catalogue: list[sensors.Sensor]) -> list[tuple[int, int, list[int]]]:
    """``(entry id, time as Unix seconds, record of 16 bytes)`` for each entry, in their order."""
    asserted: dict[str, tuple[Event, bool]] = {}
    made = []
    for entry in entries:
        about = str(entry["sensor"])
        if entry["severity"] == "OK" and about in asserted:
            event, inverted = asserted.pop(about)
            deassert = not inverted
        else:
            event, deassert = _event(entry, catalogue)
            asserted[about] = (event, deassert)
        made.append((int(entry["id"]), unix_seconds(str(entry["time"])), _record(event, deassert)))
    return made


def unix_seconds(time: str) -> int:
    """Seconds since 1970 of an ISO time; 0 (which a SEL shows as not set) for what is none."""
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        return 0
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _event(entry: Entry, catalogue: list[sensors.Sensor]) -> tuple[Event, bool]:
    """The event, and whether it is a deassertion (a part that went away deasserts its presence)."""
    about, severity = str(entry["sensor"]), entry["severity"]
    message = str(entry["message"]).lower()
    mine = [s for s in catalogue if about in ((s.part if isinstance(s, sensors.Discrete) else s.source), s.name)]
    if not mine:
        return (SYSTEM_EVENT, 0, sensors.SENSOR_SPECIFIC, UNDETERMINED_FAILURE), severity == "OK"
    absent = any(word in message for word in ("absent", "missing", "removed"))
    if absent:
        for sensor in mine:
            if isinstance(sensor, sensors.Discrete) and sensor.reading_type == sensors.AVAILABILITY:
                return _of(sensor, sensors.DEVICE_ABSENT), severity == "OK"
    sensor = mine[0]
    if isinstance(sensor, sensors.Analog):
        return _of(sensor, _threshold(sensor, severity)), severity == "OK"
    words = sensor.offsets
    if words is None:
        return _of(sensor, sensors.DEVICE_ABSENT), severity == "OK"
    if absent and words.present is not None:
        return _of(sensor, words.present), severity != "OK"
    if words.no_input is not None and "input" in message:
        return _of(sensor, words.no_input), severity == "OK"
    return _of(sensor, words.warning if severity == "Warning" else words.critical), severity == "OK"


def _threshold(sensor: sensors.Analog, severity: str) -> int:
    if sdr.LOWER_CRITICAL in sensor.limits:
        return sdr.LOWER_CRITICAL
    return sdr.UPPER_CAUTION if severity == "Warning" else sdr.UPPER_CRITICAL


def _of(sensor: sensors.Sensor, offset: int) -> Event:
    return sensor.sensor_type, sensor.place.number, sensor.reading_type, offset


def _record(event: Event, deassert: bool) -> list[int]:
    kind, number, reading_type, offset = event
    direction = 0x80 if deassert else 0x00
    # Record id and time are the repository's business.
    head = [0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, *GENERATOR, EVENT_FORMAT]
    return [*head, kind, number, direction | reading_type, offset, UNSPECIFIED, UNSPECIFIED]
