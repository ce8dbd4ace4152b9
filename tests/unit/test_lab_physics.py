"""What a device shows follows from the truth by the rules of docs/seams.md, section 2."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from lab import hardware, physics
from tests.unit.lab_bmc_helpers import truths

NOW = datetime(2026, 11, 24, 6, 4, 5, tzinfo=UTC)


@pytest.fixture
def node() -> dict[str, Any]:
    return hardware.build_node(hardware.Plan(), 1)


def part(node: dict[str, Any], slot: str) -> physics.Part:
    return next(item for item in physics.view(node).parts() if item.slot == slot)


def test_a_healthy_machine_has_nothing_to_report(node: dict[str, Any]) -> None:
    seen = physics.view(node)
    assert seen.health == "OK"
    assert set(seen.rollups.values()) == {"OK"}
    assert seen.post == "ok"
    assert {item.state for item in seen.parts()} == {"Enabled"}
    assert physics.conditions(seen) == {}
    assert physics.record(node, NOW) == []
    assert node["log"] == []


def test_a_machine_that_is_off_reads_nothing_but_its_inlet(node: dict[str, Any]) -> None:
    node["power"] = "off"
    seen = physics.view(node)
    assert seen.post == "off"
    assert seen.power_watts == physics.STANDBY_WATTS
    assert {item.state for item in [*seen.cpus, *seen.npus, *seen.dimms, *seen.fans]} == {"StandbyOffline"}
    assert {item.readings["rpm"] for item in seen.fans} == {0}
    assert {item.health for item in seen.fans} == {"OK"}, "a fan that may stand still is not sick"
    temperatures = {item.name: item.value for item in seen.sensors if item.kind == "temperature"}
    assert temperatures.pop("Inlet Temp") == 24
    assert set(temperatures.values()) == {None}
    assert seen.health == "OK"


@pytest.mark.parametrize(
    ("kind", "slot"),
    [("cpus", "CPU2"), ("npus", "NPU3"), ("dimms", "DIMM010"), ("drives", "Disk1"), ("fans", "Fan4"), ("psus", "PSU2")],
)
def test_an_absent_part_has_neither_health_nor_readings(node: dict[str, Any], kind: str, slot: str) -> None:
    next(item for item in node[kind] if item["slot"] == slot)["present"] = False
    seen = part(node, slot)
    assert (seen.state, seen.health, seen.present) == ("Absent", None, False)
    assert set(seen.readings.values()) <= {None}
    assert physics.view(node).health == "OK", "absence is no sickness of a part; counting it is the reader's business"
    assert [(entry["sensor"], entry["severity"]) for entry in physics.record(node, NOW)] == [(slot, "Warning")]


def test_a_missing_npu_draws_no_power(node: dict[str, Any]) -> None:
    before = physics.view(node).power_watts
    node["npus"][0]["present"] = False
    assert physics.view(node).power_watts == before - node["npus"][0]["power_watts"]


@pytest.mark.parametrize(
    ("kind", "index", "health"), [("npus", 0, "Warning"), ("dimms", 5, "Critical"), ("drives", 2, "Critical")]
)
def test_a_sick_part_shows_in_the_rollups(node: dict[str, Any], kind: str, index: int, health: str) -> None:
    node[kind][index]["health"] = health
    seen = physics.view(node)
    assert seen.health == health
    assert seen.rollups[kind.removesuffix("s")] == health


def test_an_unplugged_psu_is_critical_and_the_others_carry_its_load(node: dict[str, Any]) -> None:
    node["psus"][1]["input_connected"] = False
    seen = {item.slot: item for item in physics.view(node).psus}
    assert (seen["PSU2"].state, seen["PSU2"].health) == ("UnavailableOffline", "Critical")
    assert seen["PSU2"].readings == {"input_volts": 0, "input_watts": 0, "output_volts": 0, "output_watts": 0}
    assert seen["PSU1"].readings["input_watts"] == pytest.approx(node["power_watts"] / 3, abs=0.1)


def test_without_any_input_the_machine_is_off(node: dict[str, Any]) -> None:
    for psu in node["psus"]:
        psu["input_connected"] = False
    assert physics.view(node).powered is False
    assert physics.view(node).post == "off"


def test_a_slow_fan_is_critical_whatever_it_says(node: dict[str, Any]) -> None:
    node["fans"][0]["rpm"] = node["fans"][0]["lower_critical_rpm"] - 1
    assert part(node, "Fan1").health == "Critical"
    assert physics.view(node).sensor("Fan1 Speed").severity == "Critical"
    node["fans"][0]["rpm"] += 1
    assert part(node, "Fan1").health == "OK"


def test_a_predicted_failure_is_a_warning_but_does_not_hide_a_worse_one(node: dict[str, Any]) -> None:
    node["drives"][0]["failure_predicted"] = True
    assert part(node, "Disk0").health == "Warning"
    node["drives"][0]["health"] = "Critical"
    assert part(node, "Disk0").health == "Critical"


@pytest.mark.parametrize(("celsius", "severity"), [(45, "OK"), (46, "Warning"), (48, "Critical"), (None, None)])
def test_a_temperature_is_judged_by_its_limits(node: dict[str, Any], celsius: int | None, severity: str | None) -> None:
    node["temperatures"][0]["celsius"] = celsius
    assert physics.view(node).sensor("Inlet Temp").severity == severity
    assert physics.view(node).health == (severity or "OK")


@pytest.mark.parametrize("kind", ["cpus", "dimms"])
def test_a_machine_without_cpu_or_memory_fails_its_self_test(node: dict[str, Any], kind: str) -> None:
    for item in node[kind]:
        item["present"] = False
    assert physics.view(node).post == "failed"


def test_changes_of_health_are_logged_once_and_the_way_back_too(node: dict[str, Any]) -> None:
    before = physics.view(node)
    node["fans"][0]["rpm"] = 900
    entries = physics.record_changes(before, physics.view(node))
    assert [(entry["sensor"], entry["severity"]) for entry in entries] == [("Fan1", "Critical")]
    assert physics.record(node, NOW)[0]["time"] == "2026-11-24T06:04:05Z"
    assert physics.record(node, NOW) == []
    node["fans"][0]["rpm"] = 7200
    assert [(entry["sensor"], entry["severity"]) for entry in physics.record(node, NOW)] == [("Fan1", "OK")]
    assert [entry["id"] for entry in node["log"]] == [1, 2]


def test_a_cleared_log_stays_clear_and_its_numbers_go_on(node: dict[str, Any]) -> None:
    node["psus"][0]["input_connected"] = False
    physics.record(node, NOW)
    node["log"] = []
    assert physics.record(node, NOW) == []
    node["fans"][1]["present"] = False
    assert [entry["id"] for entry in physics.record(node, NOW)] == [2]


def test_an_entry_that_the_planter_wrote_is_not_doubled(node: dict[str, Any]) -> None:
    node["npus"][2]["present"] = False
    physics.add_entry(node, NOW, "Warning", "NPU3", "NPU3 was pulled out.")
    assert physics.record(node, NOW) == []
    assert len(node["log"]) == 1


def test_the_log_forgets_its_oldest_entries(node: dict[str, Any]) -> None:
    for _ in range(physics.LOG_LENGTH + 5):
        physics.add_entry(node, NOW, "OK", "Test", "x")
    assert len(node["log"]) == physics.LOG_LENGTH
    assert node["log"][0]["id"] == 6


@given(truths())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_truth_gives_a_consistent_view(node: dict[str, Any]) -> None:
    seen = physics.view(node)
    assert seen.health == physics.worst([*seen.rollups.values(), *(sensor.severity for sensor in seen.sensors)])
    for item in seen.parts():
        assert item.present == (item.state != "Absent")
        assert (item.health is None) == (not item.present)
        assert (item.reason is not None) == (item.health in ("Warning", "Critical"))
    physics.record(node, NOW)
    assert physics.record(node, NOW) == [], "telling it twice"
