"""A remedy must work: what it says is done to the site, and the item is judged again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from survey_helpers import by_id, failed, load, rack, server, site

from controller import survey
from controller.survey.remedy import more_units

QUIET = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def said(folder: Path, document: Any, item: str) -> str:
    found = by_id(survey.judge(load(folder, document)))[item]
    assert found.ok is False
    assert found.remedy is not None
    return found.remedy["en"]


def value(folder: Path, document: Any, item: str) -> survey.Item:
    return by_id(survey.judge(load(folder, document)))[item]


def number(pattern: str, text: str) -> float:
    match = re.search(pattern, text)
    assert match, text
    return float(match.group(1))


def one_phase(amps: float) -> Any:
    """Each rack on a single-phase feed pair of its own."""
    document = site()
    document["feeds"] = [
        {"name": name, "phases": 1, "voltage_volts": 230, "breaker_amps": amps, "power_factor": 1, "ups": ups}
        for name, ups in (("A1", "U1"), ("B1", "U2"), ("A2", "U1"), ("B2", "U2"))
    ]
    for position, some in enumerate(document["racks"], start=1):
        for side, pdu in zip("AB", some["pdus"], strict=True):
            pdu.update(feed=f"{side}{position}", outlets=[{"type": "C19", "count": 6}])
    return document


def test_an_overloaded_feed_names_the_move_and_the_smallest_feed(tmp_path: Path) -> None:
    # Two servers, 10400 W, on 40 A x 230 V = 9200 W at 80 %: 113 %. One of them beside node3 would overload that feed.
    document = one_phase(40)
    assert said(tmp_path, document, "feed_load_failover_percent:A1") == "a feed A1 of 63 A (14.5 kVA, now 40 A)."
    # With node3 gone, there is room: a move as well.
    del document["devices"][2]
    text = said(tmp_path, document, "feed_load_failover_percent:A1")
    assert text == "move node1 to R02 U1-U4 (42 free units at U1-U42), or a feed A1 of 63 A (14.5 kVA, now 40 A)."
    # Do it: the finding is gone.
    for cord in document["devices"][0]["power_cords"]:
        cord["pdu"] = cord["pdu"].replace("R01", "R02")
    document["devices"][0].update(rack="R02", unit=1)
    assert failed(survey.judge(load(tmp_path, document))) == set()


@QUIET
@given(amps=st.integers(10, 62), other=st.floats(0, 20))
def test_the_breaker_that_is_named_is_the_smallest_that_satisfies(tmp_path: Path, amps: int, other: float) -> None:
    document = site()
    document["feeds"][0].update(breaker_amps=amps, other_load_kw=other)
    item = "feed_load_failover_percent:A"
    if value(tmp_path, document, item).ok:
        return
    size = number(r"a feed A of (\d+) A", said(tmp_path, document, item))
    sizes = survey.load_limits().sizes["breaker_amps"]
    document["feeds"][0]["breaker_amps"] = size
    assert value(tmp_path, document, item).ok is True
    smaller = [each for each in sizes if each < size]
    if smaller:
        document["feeds"][0]["breaker_amps"] = smaller[-1]
        assert value(tmp_path, document, item).ok is False


@QUIET
@given(
    present=st.lists(st.integers(1, 50).map(float), max_size=4),
    redundant=st.integers(0, 2),
    needed=st.floats(1, 200),
)
def test_cooling_that_is_named_is_enough_and_not_more(present: list[float], redundant: int, needed: float) -> None:
    count, size = more_units(present, redundant, needed)

    def left(number: int, each: float) -> float:
        every = sorted([*present, *[each] * number])
        return sum(every[: max(0, len(every) - redundant)])

    assert left(count, size) >= needed - 1e-6
    if left(0, 0) < needed:
        assert count == 1 or left(count - 1, 10 * needed) < needed
        assert left(count, size * 0.99) < needed or size * 0.01 < 1e-3


@QUIET
@given(powers=st.lists(st.integers(2, 20), min_size=0, max_size=3), redundant=st.integers(0, 2))
def test_the_cooling_remedy_cures(tmp_path: Path, powers: list[int], redundant: int) -> None:
    document = site()
    units = [{"name": f"C{i}", "sensible_kw": kw, "airflow_m3_per_h": 300 * kw} for i, kw in enumerate(powers)]
    document["room"]["cooling"].update(units=units, redundant_units=redundant)
    for item, key, pattern in (
        ("cooling_margin_kw:test", "sensible_kw", r"(\d+) more cooling unit\(s\) of ([\d.]+) kW"),
        ("airflow_margin_m3_per_h:test", "airflow_m3_per_h", r"(\d+) more cooling unit\(s\) that move ([\d.]+) m3/h"),
    ):
        if value(tmp_path, document, item).ok:
            continue
        match = re.search(pattern, said(tmp_path, document, item))
        assert match
        more = [{"name": f"N{i}", "sensible_kw": 0.1, "airflow_m3_per_h": 0.1} for i in range(int(match.group(1)))]
        for unit in more:
            unit[key] = float(match.group(2))
        document["room"]["cooling"]["units"] = units + more
        assert value(tmp_path, document, item).ok is True
        document["room"]["cooling"]["units"] = units


@QUIET
@given(ohm=st.floats(1.01, 50))
def test_the_electrode_that_is_named_grounds_the_room(tmp_path: Path, ohm: float) -> None:
    document = site()
    document["room"]["grounding_ohm"] = ohm
    if value(tmp_path, document, "grounding_ohm:test").ok:
        return
    parallel = number(r"electrode of ([\d.]+) ohm", said(tmp_path, document, "grounding_ohm:test"))
    assert round(1 / (1 / ohm + 1 / parallel), 3) <= 1


def test_a_spreader_plate_of_the_named_size_carries_the_rack(tmp_path: Path) -> None:
    document = site()
    document["room"]["floor"].update(capacity_kn_per_m2=3.5, point_capacity_kn=0.5)
    text = said(tmp_path, document, "floor_margin_kn_per_m2:R01")
    document["racks"][0]["spread_m2"] = number(r"plate of ([\d.]+) m2", text)
    found = by_id(survey.judge(load(tmp_path, document)))
    assert found["floor_margin_kn_per_m2:R01"].ok is True
    assert found["floor_point_margin_kn:R01"].ok is True


@pytest.mark.parametrize("units", [(12, 10), (8, 10), (40, 10), (10, 10)])
def test_devices_in_conflict_are_sent_where_they_fit(tmp_path: Path, units: tuple[int, int]) -> None:
    document = site()
    document["devices"][1]["unit"], document["devices"][0]["unit"] = units
    document["devices"].append(server("node4", "R01", 11, power_cords=[]))
    document["racks"][0]["used_units"] = ["1-3", "30"]
    text = said(tmp_path, document, "rack_units_free:R01")
    moves = re.findall(r"move (\w+) to (R\d\d) U(\d+)-U\d+", text)
    assert moves
    for name, where, unit in moves:
        device = next(each for each in document["devices"] if each["name"] == name)
        device.update(rack=where, unit=int(unit))
    assert value(tmp_path, document, "rack_units_free:R01").ok is True


def test_a_full_room_needs_another_rack(tmp_path: Path) -> None:
    document = site()
    for some in document["racks"]:
        some["used_units"] = ["1-9", "17-42"]
    document["devices"][1]["unit"] = 12
    document["devices"][2].update(unit=14)
    assert said(tmp_path, document, "rack_units_free:R01") == "another rack with 4 free units in a row."


def test_no_move_to_a_rack_that_cannot_be_judged(tmp_path: Path) -> None:
    document = site()
    document["racks"][0]["power_budget_kw"] = 8
    document["racks"][1]["power_budget_kw"] = None
    assert said(tmp_path, document, "rack_power_percent:R01") == "a power budget of 10.4 kW for R01 (now 8 kW)."
    document["racks"][1]["power_budget_kw"] = 20
    assert said(tmp_path, document, "rack_power_percent:R01").startswith("move node1 to R02 ")


def test_unplaced_devices_do_not_share_a_gap(tmp_path: Path) -> None:
    document = site()
    for some in document["racks"]:
        some["used_units"] = ["1-5", "20-42"]
    document["devices"] = [
        {**server(f"node{n}", "R01", 1, power_cords=None), "rack": None, "unit": None} for n in range(1, 8)
    ]
    text = said(tmp_path, document, "devices_unplaced_count:test")
    places = re.findall(r"to (R\d\d U\d+-U\d+)", text)
    assert len(places) == len(set(places)) == 6
    assert "a rack with 4 free units in a row for node7" in text


def test_a_cord_moved_as_told_balances_the_phases(tmp_path: Path) -> None:
    document = site()
    document["devices"] = [document["devices"][0], server("node2", "R02", 10, (1, 3))]
    for pdu in document["racks"][1]["pdus"]:
        pdu["outlets"].append({"type": "C19", "count": 1, "phase": "L3"})
    document["devices"].append(server("node3", "R02", 20, (2, 5), max_watts=5000))
    text = said(tmp_path, document, "phase_imbalance_percent:A")
    match = re.fullmatch(r"move the cord of (\w+) (PSU\d) on ([\w-]+) from C19-\d to (C19-\d)\.", text)
    assert match, text
    device = next(each for each in document["devices"] if each["name"] == match.group(1))
    cord = next(each for each in device["power_cords"] if each["psu"] == match.group(2))
    assert cord["pdu"] == match.group(3)
    cord["outlet"] = match.group(4)
    assert value(tmp_path, document, "phase_imbalance_percent:A").ok is True


def test_cords_and_outlets(tmp_path: Path) -> None:
    document = site()
    document["devices"][0]["power_cords"][0]["outlet"] = "C19-2"  # node2 has it
    assert said(tmp_path, document, "pdu_outlets_margin:R01:R01-A") == "plug node2 PSU1 into R01-A C19-1."
    document["devices"][0]["power_cords"][0]["outlet"] = "C13-1"
    assert "add a PDU with 1 C13 outlet(s) on feed A" in said(tmp_path, document, "pdu_outlets_margin:R01:R01-A")
    document = site()
    for cord, outlet in zip(document["devices"][2]["power_cords"], ("C19-1", "C19-2", "C19-3", "C19-4"), strict=True):
        cord.update(pdu="R02-A", outlet=outlet)
    text = said(tmp_path, document, "psu_spare_count:R02:node3")
    assert re.fullmatch(r"move 2 cord\(s\) of node3 from feed A to feed B \(PSU1 to R02-B C19-\d\)\.", text)


def test_the_others_name_their_figures(tmp_path: Path) -> None:
    document = site()
    document["room"].update(inlet_celsius=29.5, humidity_percent=75, clear_height_m=2.7)
    document["racks"][0]["usable_depth_mm"] = 950
    document["racks"].append(rack("R03", usable_depth_mm=1000, pdus=[]))
    document["ups"][0].update(rated_kva=10, runtime_minutes=6)
    assert "2.5 K cooler" in said(tmp_path, document, "inlet_celsius:test")
    assert "from 75 % to 60 %" in said(tmp_path, document, "humidity_percent:test")
    assert "0.3 m more height" in said(tmp_path, document, "clear_height_m:test")
    assert "a UPS of at least 20 kVA as U1 (now 10 kVA)" in said(tmp_path, document, "ups_margin_kva:test:U1")
    assert "about 2.5 times" in said(tmp_path, document, "ups_runtime_minutes:test:U1")
    assert "usable depth of 1000 mm" in said(tmp_path, document, "rack_depth_margin_mm:R01")
    dry = number(r"humidity of (\d+) %", said(tmp_path, document, "dew_point_celsius:test"))
    document["room"]["humidity_percent"] = dry
    assert value(tmp_path, document, "dew_point_celsius:test").value == pytest.approx(15, abs=0.3)
