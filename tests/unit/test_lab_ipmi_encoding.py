"""SDRs, FRU data and SEL records, decoded again by pyghmi's parsers (an independent reading of the standard)."""

from __future__ import annotations

import copy
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyghmi.ipmi import fru as pyghmi_fru
from pyghmi.ipmi import sdr as pyghmi_sdr
from pyghmi.ipmi.private import constants

from lab import physics
from lab.hardware import Plan, build_node
from lab.ipmi import emulator, fru, sdr, sel, sensors

SCANNING = 0x40


def node() -> dict:
    return copy.deepcopy(build_node(Plan(), 1))


def entry(record: list[int]) -> pyghmi_sdr.SDREntry:
    return pyghmi_sdr.SDREntry(bytearray(record), constants)


names = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=2, max_size=16)
places = st.builds(sdr.Place, st.integers(1, 254), st.sampled_from([3, 7, 10, 11, 29, 32, 64]), st.integers(1, 60))


@given(places, names, st.sampled_from(sorted(sdr.UNITS)), st.integers(1, 511), st.integers(0, 254))
def test_full_record_reads_back_as_it_was_meant(place, name, unit, step, raw):
    record = sdr.full(place, sensors.TEMPERATURE, name, unit=unit, step=step, limits={sdr.UPPER_CRITICAL: 90})
    assert record[4] == len(record) - 5
    seen = entry(record)
    assert (seen.sensor_name, seen.sensor_number, seen.has_thresholds) == (name, place.number, True)
    reading = seen.decode_sensor_reading(None, bytearray([raw, SCANNING, 0]))
    assert math.isclose(reading.value, raw * step)
    assert reading.units.strip() == {"Cel": "°C", "V": "V", "W": "W", "RPM": "RPM"}[unit]


@given(places, names, st.integers(0, 6))
def test_compact_record_reads_back_as_it_was_meant(place, name, bit):
    seen = entry(sdr.compact(place, sensors.POWER_SUPPLY, sensors.SENSOR_SPECIFIC, name, 0x7F))
    assert (seen.sensor_name, seen.sensor_number, seen.sensor_type) == (name, place.number, "Power Supply")
    reading = seen.decode_sensor_reading(None, bytearray([0, SCANNING, 1 << bit, 0]))
    assert reading.states == [constants.sensor_type_offsets[8][bit]["desc"]]


@given(st.integers(0, 254), names)
def test_fru_locator_names_the_device(fru_id, name):
    seen = entry(sdr.fru_locator(fru_id, sensors.PSU_ENTITY, 1, name))
    assert (seen.fru_name, seen.fru_number, seen.fru_logical) == (name, fru_id, True)


words = st.text(
    st.characters(
        min_codepoint=0x20,
        max_codepoint=0xFD,  # pyghmi drops 0xFE and 0xFF at the end
        exclude_categories=["Cc"],
    ),
    max_size=63,
).map(lambda text: "".join(letter for letter in text if letter.isprintable()).strip())


@given(st.lists(words, min_size=7, max_size=7))
def test_fru_fields_survive_whatever_they_hold(values):
    """63 bytes per field, none, and one character (which must not end the list of fields)."""
    maker, model, part, serial, tag, board_model, board_serial = values
    document = node() | {
        "manufacturer": maker, "model": model, "part_number": part, "serial": serial, "asset_tag": tag,
        "board": {"model": board_model, "serial": board_serial, "part_number": part},
    }  # fmt: skip
    data = fru.system(document)
    assert len(data) == fru.SIZE
    seen = pyghmi_fru.FRU(rawdata=bytearray(data)).info
    expected = {
        "Chassis part number": part, "Chassis serial number": serial,
        "Board manufacturer": maker, "Board product name": board_model, "Board model": part,
        "Board serial number": board_serial,
        "Manufacturer": maker, "Product name": model, "Model": part, "Serial Number": serial, "Asset Number": tag,
    }  # fmt: skip
    read = {key: (seen.get(key) or "").strip() for key in expected}
    assert read == expected


def test_fru_turns_what_latin1_lacks_into_question_marks():
    assert fru.field("华为A") == b"\xc3??A"
    assert fru.field("x") == b"\xc2x "
    assert fru.field(None) == b"\xc0"


def test_areas_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="do not fit"):
        fru.image(b"x" * 600, b"x" * 600, b"")


def checksum_is_zero(area: bytes) -> bool:
    return sum(area) % 256 == 0


@given(words)
def test_every_fru_area_sums_to_zero(serial):
    data = fru.system(node() | {"serial": serial})
    assert checksum_is_zero(data[:8])
    for offset in data[2:5]:
        start = offset * 8
        assert checksum_is_zero(data[start : start + data[start + 1] * 8])


def test_every_sensor_of_a_node_has_its_own_name_and_number():
    catalogue = sensors.catalogue(node())
    assert [sensor.place.number for sensor in catalogue] == list(range(1, len(catalogue) + 1))
    assert len({sensor.name for sensor in catalogue}) == len(catalogue)
    assert all(len(sensor.name) <= sdr.ID_STRING_MAX for sensor in catalogue)


def test_catalogue_does_not_depend_on_the_state():
    """A client may keep the SDRs; they must stay right when parts fail and the machine is off."""
    broken = node()
    broken["power"] = "off"
    for kind in ("cpus", "npus", "dimms", "drives", "fans", "psus", "nics"):
        broken[kind][0]["present"] = False
    records = [[sensor.record() for sensor in sensors.catalogue(document)] for document in (node(), broken)]
    assert records[0] == records[1]


def test_too_many_sensors_are_refused():
    big = node()
    big["dimms"] = [dict(big["dimms"][0], slot=f"DIMM{i}") for i in range(260)]
    with pytest.raises(ValueError, match="at most 254"):
        sensors.catalogue(big)


@given(st.integers(0, 120))
def test_a_temperature_crosses_its_limits_where_physics_says(celsius):
    document = node()
    document["temperatures"][0]["celsius"] = celsius
    shown = physics.view(document).sensor("Inlet Temp")
    catalogue = sensors.catalogue(document)
    analog = next(sensor for sensor in catalogue if sensor.name == "Inlet Temp")
    reading = sensors.states(catalogue, document)[analog.place.number]
    crossed = [offset for offset, limit in reading.limits.items() if reading.value >= limit]
    severity = "Critical" if sdr.UPPER_CRITICAL in crossed else "Warning" if crossed else "OK"
    assert severity == shown.severity


@given(st.integers(0, 15000))
def test_a_slow_fan_is_critical_where_physics_says(rpm):
    document = node()
    document["fans"][0]["rpm"] = rpm
    catalogue = sensors.catalogue(document)
    analog = next(sensor for sensor in catalogue if sensor.name == "Fan1 Speed")
    reading = sensors.states(catalogue, document)[analog.place.number]
    critical = reading.value <= reading.limits[sdr.LOWER_CRITICAL]
    assert critical == (rpm < document["fans"][0]["lower_critical_rpm"])
    assert 0 <= rpm - reading.value * analog.step < analog.step


def states_of(document: dict) -> dict[str, sensors.State]:
    catalogue = sensors.catalogue(document)
    now = sensors.states(catalogue, document)
    return {sensor.name: now[sensor.place.number] for sensor in catalogue}


def test_powered_off_machine_reads_like_one():
    document = node() | {"power": "off"}
    now = states_of(document)
    assert now["NPU1 Temp"].value is None
    assert now["Inlet Temp"].value == 24
    assert now["Fan1 Speed"] == sensors.Reading(0, {})  # stands still, and no alarm about it
    assert now["ACPI State"] == 1 << sensors.S5_OFF
    assert now["CPU1 Status"] == 1 << 7  # still there


@pytest.mark.parametrize(("post", "mask"), [("ok", 0), ("failed", 1), ("in_progress", 4)])
def test_post_shows(post, mask):
    assert states_of(node() | {"post": post})["POST Status"] == mask


def test_changes_say_only_what_changed():
    document = node()
    catalogue = sensors.catalogue(document)
    before = sensors.states(catalogue, document)
    assert emulator.changes(catalogue, before, before) == []
    document["drives"][2]["health"] = "Critical"
    after = sensors.states(catalogue, document)
    number = next(s.place.number for s in catalogue if s.name == "Disk2 Status")
    assert emulator.changes(catalogue, before, after) == [f"sensor_set_bit 0x20 0 {number} 1 1 0"]


def decoded(document: dict) -> list[tuple[str, str, bool]]:
    """``(sensor name, event, deasserted)`` of each entry of the node's log, in pyghmi's words."""
    catalogue = sensors.catalogue(document)
    by_number = {sensor.place.number: sensor.name for sensor in catalogue}
    seen = []
    for _, _, record in sel.records(document["log"], catalogue):
        assert len(record) == 16
        number, direction, offset = record[11], record[12], record[13] & 0x0F
        kind, reading_type, gone = record[10], direction & 0x7F, bool(direction & 0x80)
        generic, specific = constants.generic_type_offsets, constants.sensor_type_offsets
        words = specific[kind] if reading_type == sensors.SENSOR_SPECIFIC else generic[reading_type]
        seen.append((by_number.get(number, "-"), words[offset]["desc"], gone))
    return seen


def logged(severity: str, sensor: str, message: str, number: int = 1) -> dict:
    return {
        "id": number, "time": "2026-11-24T06:04:05Z", "severity": severity, "sensor": sensor, "message": message,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("logs", "expected"),
    [
        ([("Critical", "PSU2", "PSU2 is critical: it has no input.")], ("PSU2 Status", "Power input lost", False)),
        ([("Warning", "PSU4", "PSU4 is absent.")], ("PSU4 Status", "Present", True)),
        ([("Warning", "Fan3", "Fan3 is absent.")], ("Fan3 Presence", "Absent", False)),
        ([("Critical", "DIMM030", "DIMM030 is critical.")], ("DIMM030 Status", "Uncorrectable error", False)),
        ([("Warning", "Disk0", "its failure is predicted")], ("Disk0 Status", "Predictive drive failure", False)),
        ([("Warning", "Inlet Temp", "reads 47")], ("Inlet Temp", "Upper non-critical", False)),
    ],
)
def test_log_entries_become_events_of_their_sensor(logs, expected):
    document = node() | {"log": [logged(*log) for log in logs]}
    assert decoded(document) == [expected]


def test_an_end_deasserts_what_began():
    document = node()
    document["log"] = [
        logged("Critical", "PSU2", "PSU2 is critical: it has no input.", 1),
        logged("OK", "PSU2", "PSU2 is back to normal.", 2),
        logged("Warning", "PSU4", "PSU4 is absent.", 3),
        logged("OK", "PSU4", "PSU4 is back to normal.", 4),
    ]
    assert [event[1:] for event in decoded(document)] == [
        ("Power input lost", False),
        ("Power input lost", True),
        ("Present", True),
        ("Present", False),
    ]


def test_an_entry_about_something_without_a_sensor_is_a_system_event():
    (_, _, record) = sel.records([logged("Critical", "Lid", "The lid is open.")], sensors.catalogue(node()))[0]
    assert (record[10], record[11], record[13]) == (sel.SYSTEM_EVENT, 0, sel.UNDETERMINED_FAILURE)


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        ("2026-11-24T06:04:05Z", 1795500245),
        ("2026-11-24T14:04:05+08:00", 1795500245),
        ("2026-11-24T06:04:05", 1795500245),
        ("yesterday", 0),
    ],
)
def test_times(time, seconds):
    assert sel.unix_seconds(time) == seconds


@pytest.mark.parametrize("password", ["", "has blank", 'has"quote', "back\\slash", "x" * 20, "密码"])
def test_passwords_that_ipmi_sim_would_misread_are_refused(password):
    with pytest.raises(ValueError, match="IPMI password"):
        emulator.lan_conf(node(), password, ["/bin/true"])


def test_guid_is_least_significant_byte_first():
    document = node() | {"uuid": "00112233-4455-6677-8899-aabbccddeeff"}
    assert "guid ffeeddccbbaa99887766554433221100" in emulator.lan_conf(document, "secret", ["/bin/true"])
