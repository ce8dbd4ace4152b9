"""The judgement against figures worked out by hand, and the rule that a missing figure never counts as good."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from survey_helpers import by_id, failed, load, server, site

from controller import contract, labels, survey
from controller.survey import formulas

ROOT = Path(__file__).resolve().parents[2]


def judged(folder: Path, document: Any) -> dict[str, survey.Item]:
    return by_id(survey.judge(load(folder, document)))


def test_a_healthy_site_has_no_finding(tmp_path: Path) -> None:
    assert all(item.ok is True for item in survey.judge(load(tmp_path, site())))


def test_the_twins_room_has_no_finding() -> None:
    found = survey.load(ROOT / "inventory" / "twin" / "survey.yml")
    assert [item.id for item in survey.judge(found) if item.ok is not True] == []


def test_figures_as_worked_out_by_hand(tmp_path: Path) -> None:
    items = judged(tmp_path, site())
    # Feed B lost: all 15.6 kW on A; two cords of 2600 W on each phase of 219.4 V x 63 A x 0.95 = 13130.7 W.
    assert items["feed_load_failover_percent:A"].value == pytest.approx(39.60, abs=0.01)
    assert items["feed_load_normal_percent:A"].value == pytest.approx(19.80, abs=0.01)
    assert items["phase_imbalance_percent:A"].value == 0
    assert items["rack_power_percent:R01"].value == 52.0
    # R01: (140 + 2 x 80) kg x 9.81 / 1000 / 0.72 m2 = 4.0875 kN/m2; four feet: 0.73575 kN each.
    assert items["floor_margin_kn_per_m2:R01"].value == pytest.approx(8 - 4.0875, abs=0.001)
    assert items["floor_point_margin_kn:R01"].value == pytest.approx(4.5 - 0.73575, abs=0.001)
    assert items["rack_units_free:R01"].value == 34
    assert items["rack_depth_margin_mm:R01"].value == 100
    # 15.6 kW = 53227 BTU/h = 4.44 RT; one of two units of 30 kW lost.
    assert items["cooling_margin_kw:test"].value == pytest.approx(14.4)
    assert "53227 BTU/h = 4.44 RT" in items["cooling_margin_kw:test"].formula
    # 15600 / (0.335 x 12) = 3880.6 m3/h
    assert items["airflow_margin_m3_per_h:test"].value == pytest.approx(8000 - 3880.6, abs=0.1)
    # 15.6 / 0.95 x 1.2 = 19.705 kVA
    assert items["ups_margin_kva:test:U1"].value == pytest.approx(60 - 19.705, abs=0.001)
    # psychrometric chart: 23 °C at 45 % has a dew point of 10.4 °C
    assert items["dew_point_celsius:test"].value == pytest.approx(10.4, abs=0.1)


def test_a_single_phase_feed_is_counted_by_u_i_pf(tmp_path: Path) -> None:
    document = site()
    for feed in document["feeds"]:
        feed.update(phases=1, voltage_volts=220, breaker_amps=100, power_factor=0.9)
    for rack in document["racks"]:
        for pdu in rack["pdus"]:
            pdu["outlets"] = [{"type": "C19", "count": 6}]
            pdu["rated_amps"] = 63
    items = judged(tmp_path, document)
    assert items["feed_load_failover_percent:A"].value == pytest.approx(100 * 15600 / (220 * 100 * 0.9), abs=0.01)
    assert "phase_imbalance_percent:A" not in items
    assert items["pdu_load_percent:R01:R01-A"].value == pytest.approx(100 * 10400 / (220 * 63 * 0.9), abs=0.01)


def test_other_load_spare_supplies_and_the_lost_feed_count(tmp_path: Path) -> None:
    document = site()
    document["feeds"][0]["other_load_kw"] = 9
    # node3 with all cords on A: nothing left when A is lost.
    for cord in document["devices"][2]["power_cords"]:
        cord["pdu"] = "R02-A"
    document["devices"][2]["power_cords"][2]["outlet"] = "C19-1"
    document["devices"][2]["power_cords"][3]["outlet"] = "C19-2"
    items = judged(tmp_path, document)
    assert items["psu_spare_count:R02:node3"].value == -2
    assert items["psu_spare_count:R01:node1"].value == 0
    # B with A lost carries node1 and node2 only: phases 2600 + 2600, 2600 + 2600, 0 W.
    assert items["feed_load_failover_percent:B"].value == pytest.approx(100 * 5200 / 13130.7, abs=0.01)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda s: s["devices"][1].update(unit=12), {"rack_units_free:R01": -2}),
        (lambda s: s["devices"][1].update(unit=40), {"rack_units_free:R01": -1}),
        (lambda s: s["racks"][0].update(used_units=["13"]), {"rack_units_free:R01": -1}),
        (lambda s: s["devices"][0].update(unit=-1), {"rack_units_free:R01": -2}),
        (lambda s: s["racks"][0].update(usable_depth_mm=950), {"rack_depth_margin_mm:R01": -50}),
        (lambda s: s["racks"][0].update(power_budget_kw=8), {"rack_power_percent:R01": 130}),
        (lambda s: s["room"].update(grounding_ohm=1.5), {"grounding_ohm:test": 1.5}),
        (lambda s: s["room"].update(clear_height_m=2.7), {"clear_height_m:test": 2.7}),
        (lambda s: s["room"]["floor"].update(point_capacity_kn=0.7), {"floor_point_margin_kn:R01": -0.036}),
        (lambda s: s["room"]["cooling"].update(redundant_units=2),
         {"cooling_margin_kw:test": -15.6, "airflow_margin_m3_per_h:test": -3880.597}),
        (lambda s: s["ups"][1].update(rated_kva=15), {"ups_margin_kva:test:U2": -4.705}),
        (lambda s: s["ups"][0].update(runtime_minutes=5), {"ups_runtime_minutes:test:U1": 5}),
        (lambda s: s["devices"][0].update(airflow="back_to_front"), {"airflow_conflicts_count:R01": 1}),
        (lambda s: s["devices"][0]["power_cords"][0].update(outlet="C19-7"),
         {"pdu_outlets_margin:R01:R01-A": -1, "phase_imbalance_percent:A": 33.33}),
        (lambda s: s["devices"][0]["power_cords"][0].update(outlet="C19-2"),
         {"pdu_outlets_margin:R01:R01-A": -1}),
        (lambda s: (s["devices"][2].pop("rack"), s["devices"][2].pop("unit")), {"devices_unplaced_count:test": 1}),
    ],
)  # fmt: skip
def test_each_fault_is_found_and_nothing_else(tmp_path: Path, change: Any, expected: dict[str, float]) -> None:
    document = site()
    change(document)
    items = survey.judge(load(tmp_path, document))
    found = by_id(items)
    assert failed(items) == set(expected)
    for name, value in expected.items():
        assert found[name].value == pytest.approx(value, abs=0.01)
        remedy = found[name].remedy
        assert remedy is not None
        assert remedy["zh"].endswith("。")
        assert remedy["en"].endswith(".")


def test_a_converted_room_may_be_lower_and_a_site_may_set_its_own_limit(tmp_path: Path) -> None:
    document = site()
    document["room"].update(clear_height_m=2.7, renovated=True, grounding_ohm=3)
    document["limits"] = {"grounding_ohm": {"max": 4, "source": "agreed with the owner on 2026-11-02"}}
    items = judged(tmp_path, document)
    assert items["clear_height_m:test"].ok is True
    assert items["grounding_ohm:test"].ok is True
    assert items["grounding_ohm:test"].document(survey.load_limits().titles)["source_is_site"] is True


@pytest.mark.parametrize(
    ("where", "key", "items"),
    [
        ("room", "grounding_ohm", ["grounding_ohm:test"]),
        ("room", "humidity_percent", ["humidity_percent:test", "dew_point_celsius:test"]),
        ("racks", "mass_kg", ["floor_margin_kn_per_m2:R01", "floor_point_margin_kn:R01"]),
        ("racks", "power_budget_kw", ["rack_power_percent:R01"]),
        ("racks", "usable_depth_mm", ["rack_depth_margin_mm:R01"]),
        ("devices", "depth_mm", ["rack_depth_margin_mm:R01"]),
        ("devices", "mass_kg", ["floor_margin_kn_per_m2:R01"]),
        ("devices", "max_watts", ["feed_load_failover_percent:A", "rack_power_percent:R01", "cooling_margin_kw:test"]),
        ("devices", "power_cords", ["feed_load_failover_percent:B", "psu_spare_count:R01:node1"]),
        ("feeds", "breaker_amps", ["feed_load_failover_percent:A"]),
        ("ups", "rated_kva", ["ups_margin_kva:test:U1"]),
    ],
)
def test_what_was_not_measured_is_unknown(tmp_path: Path, where: str, key: str, items: list[str]) -> None:
    document = site()
    part = document[where] if where == "room" else document[where][0]
    part[key] = None
    found = judged(tmp_path, document)
    for name in items:
        assert found[name].ok is None, name
        assert found[name].value is None
        assert any(key in missing for missing in found[name].missing)


def test_a_sum_that_fails_without_the_missing_part_fails(tmp_path: Path) -> None:
    document = site()
    document["racks"][0]["power_budget_kw"] = 5
    document["devices"][1]["max_watts"] = None
    item = judged(tmp_path, document)["rack_power_percent:R01"]
    assert item.ok is False
    assert item.value == 104.0
    assert item.missing


def test_judged_as_it_is_shown(tmp_path: Path) -> None:
    document = site()
    document["room"]["grounding_ohm"] = 1.0000001
    item = judged(tmp_path, document)["grounding_ohm:test"]
    assert (item.value, item.ok) == (1.0, True)


def test_formulas_are_inverse_to_each_other() -> None:
    assert formulas.delta_t_kelvin(12000, formulas.airflow_m3_per_h(12000, 11)) == pytest.approx(11)
    assert formulas.humidity_percent(25, formulas.dew_point_celsius(25, 40)) == pytest.approx(40)
    assert 1 / (1 / 2.5 + 1 / formulas.parallel_ohm(2.5, 1)) == pytest.approx(1)
    three = 3 * formulas.phase_capacity_watts(3, 380, 10, 1)
    assert three == pytest.approx(math.sqrt(3) * 380 * 10)


def test_observations_follow_the_schema_and_carry_the_remedies(tmp_path: Path) -> None:
    document = site()
    document["racks"][0]["power_budget_kw"] = 8
    document["room"]["grounding_ohm"] = None
    document["ups"][1]["rated_kva"] = 15
    document["ups"][0]["rated_kva"] = None
    found = load(tmp_path, document)
    entries = survey.observations(
        found, survey.judge(found), collected_at="2026-11-24T06:04:05Z", provenance="simulated"
    )
    subjects = {(e["observation"]["subject"]["kind"], e["observation"]["subject"]["id"]): e for e in entries}
    assert set(subjects) == {("site", "test"), ("rack", "R01"), ("rack", "R02"), ("feed", "A"), ("feed", "B")}
    for entry in entries:
        assert contract.problems({**entry["observation"], "raw": []}, "observation") == []
    facts = subjects["rack", "R01"]["observation"]["facts"]
    assert facts["rack_power_percent"] == 130.0
    assert set(facts["remedies"]) == {"survey.rack_power"}
    assert facts["limits"]["rack_power_percent"] == {"max": 100}
    assert facts["other_failed"] == [], "what has a check of its own is told once"
    room = subjects["site", "test"]["observation"]["facts"]
    assert room["grounding_ohm"] is None
    assert {"where": "grounding_ohm", "problem": "the site file lacks room.grounding_ohm"} in room["notes"]
    # One UPS unknown, one too small: the worst is known, so the site fails.
    assert room["ups_margin_kva"] == pytest.approx(-4.705, abs=0.01)
    assert subjects["site", "test"]["raw"][0]["text"] == found.text


def test_the_contract_asks_only_for_what_the_survey_tells(tmp_path: Path) -> None:
    items = survey.judge(load(tmp_path, site()))
    told = {(item.check, item.kind, item.quantity) for item in items}
    limits = survey.load_limits()
    clauses = yaml.safe_load((ROOT / "contract" / "clauses.yml").read_text(encoding="utf-8"))
    every = [c for clause in clauses for c in clause["checks"] if c["id"].startswith("survey.")]
    assert {item.check for item in items} == {check["id"] for check in every}, "each item decides a check"
    checks = [check for check in every if not check["id"].startswith("survey.other_")]
    assert {item.quantity for item in items if item.has_own_check} == {check["fact"] for check in checks}
    for check in checks:
        assert (check["id"], check["subjects"], check["fact"]) in told, check["id"]
        # Two files state the limit; they must not drift apart.
        limit = next(item.limit for item in items if item.quantity == check["fact"])
        ((operator, value),) = check["expect"].items()
        stated = dict(zip(("min", "max"), value, strict=True)) if operator == "between" else {operator: value}
        assert {bound: row["default"] for bound, row in stated.items()} == limit.bounds(), check["id"]
        # What the survey judged by counts, so that a site's own limit cannot differ between the two.
        assert {bound: row["fact"] for bound, row in stated.items()} == {
            bound: f"limits.{check['fact']}.{bound}" for bound in stated
        }
    assert {item.quantity for item in items} <= set(limits.titles)


def test_a_document_for_the_report(tmp_path: Path) -> None:
    document = site()
    document["devices"].append(server("node4", "R01", 10))
    found = load(tmp_path, document)
    items = survey.judge(found)
    result = survey.document(found, items, survey.load_limits())
    assert result["counts"]["failed"] == len(failed(items)) > 0
    assert {"zh", "en"} == set(result["items"][0]["title"])
    assert all(item["source"] for item in result["items"])


@pytest.mark.parametrize("name", ["twin", "example"])
def test_survey_and_inventory_put_devices_in_the_same_place(name: str) -> None:
    folder = ROOT / "inventory" / name
    found = survey.load(folder / "survey.yml")
    groups = yaml.safe_load((folder / "hosts.yml").read_text(encoding="utf-8"))["all"]["children"]
    hosts = {host: values for group in groups.values() for host, values in group["hosts"].items()}
    assert hosts
    for host, values in hosts.items():
        device = found.device(host)
        assert (device.rack, device.unit) == (values["rack"], values["rack_position"]), host
    cabling = labels.load(folder / "cabling.yml", found)
    assert labels.problems(cabling, found) == []
    assert failed(survey.judge(found)) == set()
