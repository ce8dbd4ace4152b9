"""Sensor Data Records, encoded as in "IPMI v2.0 rev 1.1", section 43 (bytes from the record header on).

A record is a list of byte values: record id (2, filled in by the repository), SDR version 0x51, type, length, body.
"""

from __future__ import annotations

from dataclasses import dataclass

BMC_ADDRESS = 0x20
ID_STRING_MAX = 16  # bytes that a sensor's name may have
SDR_VERSION = 0x51
RAW_MAX = 255  # readings are one unsigned byte

UNITS = {"Cel": 1, "V": 4, "W": 6, "RPM": 18}  # table 43-15

# Offsets of threshold events (table 42-2), each with the bit that tells a reader which comparison is returned.
LOWER_CRITICAL, UPPER_CAUTION, UPPER_CRITICAL = 2, 7, 9
READABLE = {LOWER_CRITICAL: 0x02, UPPER_CAUTION: 0x08, UPPER_CRITICAL: 0x10}


@dataclass(frozen=True)
class Place:
    """Which thing a sensor watches: entity id (table 43-13), its instance from 1, and the sensor's number from 1."""

    number: int
    entity: int
    instance: int


def id_string(name: str) -> list[int]:
    """The type/length byte (8-bit ASCII) and the name. One character is padded: 0xC1 would end a list of fields."""
    text = name.encode("ascii", "replace")[:ID_STRING_MAX]
    if len(text) == 1:
        text += b" "
    return [0xC0 | len(text), *text]


def full(
    place: Place,
    sensor_type: int,
    name: str,
    *,
    unit: str,
    step: int,
    limits: dict[int, int],
) -> list[int]:
    """Type 0x01 for a threshold sensor that reads ``step * raw`` of ``unit``; ``limits``: {event offset: raw value}."""
    events = sum(1 << offset for offset in limits)
    lower = 0x2000 if LOWER_CRITICAL in limits else 0
    upper = (0x1000 if UPPER_CAUTION in limits else 0) | (0x2000 if UPPER_CRITICAL in limits else 0)
    readable = sum(READABLE[offset] for offset in limits)
    body = [
        *_owner(place),
        0x7F,  # initialise everything, sensor and scanning on
        0x40 | (0x28 if limits else 0),  # re-arms itself; hysteresis and thresholds readable and settable
        sensor_type,
        0x01,  # threshold
        *_word(events | lower),
        *_word(events | upper),
        readable,
        readable,
        0x00,  # unsigned, no rate, no modifier
        UNITS[unit],
        0x00,
        0x00,  # linear
        *_ten_bits(step),  # M, tolerance 0
        *_ten_bits(0),  # B, accuracy 0
        0x00,
        0x00,  # exponents 0
        0x00,  # no nominal reading given
        0x00,
        0x00,
        0x00,
        RAW_MAX,  # sensor maximum
        0x00,
        0x00,  # upper non-recoverable: not used
        limits.get(UPPER_CRITICAL, 0),
        limits.get(UPPER_CAUTION, 0),
        0x00,
        limits.get(LOWER_CRITICAL, 0),
        0x00,
        0x00,  # hysteresis
        0x00,
        0x00,
        0x00,
        0x00,
        *id_string(name),
    ]
    return _record(0x01, body)


def compact(place: Place, sensor_type: int, reading_type: int, name: str, offsets: int) -> list[int]:
    """Type 0x02 for a discrete sensor; ``offsets`` is the mask of states that it can show."""
    body = [
        *_owner(place),
        0x63,
        0x40,
        sensor_type,
        reading_type,
        *_word(offsets),
        *_word(offsets),
        *_word(offsets),
        0xC0,  # unit: none
        0x00,
        0x00,
        0x00,  # record is not shared
        0x00,
        0x00,
        0x00,
        0x00,
        0x00,
        0x00,
        0x00,
        *id_string(name),
    ]
    return _record(0x02, body)


def fru_locator(fru_id: int, entity: int, instance: int, name: str) -> list[int]:
    """Type 0x11: a logical FRU device behind the BMC (Read FRU Data with ``fru_id``)."""
    body = [BMC_ADDRESS, fru_id, 0x80, 0x00, 0x00, 0x10, 0x00, entity, instance, 0x00, *id_string(name)]
    return _record(0x11, body)


def controller_locator(name: str) -> list[int]:
    """Type 0x12: the BMC itself; it keeps sensors, SDRs, a SEL and FRUs and controls the chassis."""
    body = [BMC_ADDRESS, 0x00, 0x00, 0xBF, 0x00, 0x00, 0x00, 0x07, 0x01, 0x00, *id_string(name)]
    return _record(0x12, body)


def _owner(place: Place) -> list[int]:
    return [BMC_ADDRESS, 0x00, place.number, place.entity, place.instance]


def _record(kind: int, body: list[int]) -> list[int]:
    return [0x00, 0x00, SDR_VERSION, kind, len(body), *body]


def _word(value: int) -> list[int]:
    return [value & 0xFF, value >> 8]


def _ten_bits(value: int) -> list[int]:
    """Eight low bits, then the two high ones at the top of the second byte."""
    return [value & 0xFF, value >> 2 & 0xC0]
