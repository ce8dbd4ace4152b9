"""The cabling table: read from YAML and CSV, and every mistake found at once."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from survey_helpers import load as load_survey
from survey_helpers import server, site, write

from controller import contract, labels, survey
from controller.labels.model import expand

ROOT = Path(__file__).resolve().parents[2]
CHECKS = {"labels.cable_ends_complete", "labels.port_unique", "labels.label_unique", "labels.power_redundancy"}


def cable(a: str, a_port: str, b: str, b_port: str, **changes: Any) -> dict[str, Any]:
    return {
        "side_a_device": a, "side_a_name": a_port, "side_b_device": b, "side_b_name": b_port,
        "type": "aoc", "length": 3, "length_unit": "m", **changes,
    }  # fmt: skip


def power(device: str, psu: str, pdu: str, outlet: str) -> dict[str, Any]:
    return cable(device, psu, pdu, outlet, type="power", side_a_type="dcim.powerport", side_b_type="dcim.poweroutlet")


@pytest.fixture
def room(tmp_path: Path) -> survey.Survey:
    document = site()
    switch = server(
        "sw1", "R02", 38, height_units=2, role="switch", psus_needed=1,
        ports=["200GE1/0/[1-4]"], breakout_lanes={"200GE1/0/[1-2]": 2},
    )  # fmt: skip
    switch["power_cords"] = []
    document["devices"].append(switch)
    return load_survey(tmp_path, document)


def table(folder: Path, room: survey.Survey, *cables: dict[str, Any]) -> labels.Cabling:
    path = write(folder, {"schema": "npuforge.cabling/1", "cables": list(cables)}, "cabling.yml")
    return labels.load(path, room)


def kinds(cabling: labels.Cabling) -> dict[str, list[tuple[int, ...]]]:
    found: dict[str, list[tuple[int, ...]]] = {}
    for problem in labels.validate(cabling):
        found.setdefault(problem.kind, []).append(problem.cables)
    return found


def test_a_clean_table(tmp_path: Path, room: survey.Survey) -> None:
    cabling = table(
        tmp_path,
        room,
        cable("node1", "NPU1", "sw1", "200GE1/0/1:1"),
        cable("node1", "NPU2", "sw1", "200GE1/0/1:2"),
        power("node1", "PSU1", "R01-A", "C19-1"),
        power("node1", "PSU2", "R01-A", "C19-3"),
        power("node1", "PSU3", "R01-B", "C19-1"),
        power("node1", "PSU4", "R01-B", "C19-3"),
    )
    assert labels.validate(cabling) == []
    assert [each.label for each in cabling.cables[:3]] == ["F-R01U10-NPU1", "F-R01U10-NPU2", "P-R01U10-PSU1"]
    assert cabling.end_id(cabling.cables[0].b) == "R02-U38-SW1-200GE1/0/1:1"
    assert cabling.end_id(cabling.cables[2].b) == "R01-A-C19-1"


def test_all_mistakes_at_once(tmp_path: Path, room: survey.Survey) -> None:
    cabling = table(
        tmp_path,
        room,
        cable("node1", "NPU1", "sw1", "200GE1/0/3"),
        cable("node2", "NPU1", "sw1", "200GE1/0/3"),  # 2: port twice
        cable("node1", "NPU2", "sw1", "200GE1/0/1:1", label="X-1"),
        cable("node1", "NPU3", "sw1", "200GE1/0/1:1", label="x-1"),  # 4: lane twice, label twice but for its case
        cable("node1", "NPU4", "sw1", "200GE1/0/2"),
        cable("node1", "NPU5", "sw1", "200GE1/0/2:2"),  # 6: lane of a port that is used whole
        cable("node9", "NPU1", "sw1", "200GE1/0/4"),  # 7: unknown device, no label can be made
        cable("node1", "NPU9", "sw1", None),  # type: ignore[arg-type]  # 8: unknown port, missing end
        cable("node1", "NPU6", "node1", "NPU6"),  # 9: both ends the same
        cable("node1", "NPU7", "node2", "NPU7", length=None),  # 10: no length
        cable("node1", "NPU8", "R01-A", "C19-6"),  # 11: a fibre in an outlet
        cable("node3", "NPU8", "sw1", "200GE1/0/1:3"),  # 12: a lane that the port has not
        cable("node1", "NPU1", "node2", "NPU1", status="decommissioning"),  # is taken out, counts nothing
    )
    assert kinds(cabling) == {
        "port_twice": [(1, 2)],
        "breakout_lane": [(3, 4), (6, 5)],
        "label_twice": [(3, 4)],
        "unknown_device": [(7,)],
        "label_missing": [(7,)],
        "missing_end": [(8,)],
        "unknown_port": [(8,), (12,)],
        "same_end": [(9,)],
        "length_missing": [(10,)],
        "power_end": [(11,)],
    }
    for problem in labels.validate(cabling):
        assert problem.en
        assert problem.zh
        assert problem.en != problem.zh


@pytest.mark.parametrize(
    ("pdus", "lost"),
    [
        (["R01-A", "R01-A", "R01-B", "R01-B"], False),
        (["R01-A", "R01-A", "R01-A", "R01-B"], True),  # one left, two needed
        (["R01-A", "R01-A", "R01-A", "R01-A"], True),
        (["R01-A"], False),  # one supply alone was never redundant; the survey's psu_spare_count says so
    ],
)
def test_redundancy_lost_by_cords_on_one_feed(tmp_path: Path, room: survey.Survey, pdus: list[str], lost: bool) -> None:
    cords = [power("node1", f"PSU{n}", pdu, f"C19-{n}") for n, pdu in enumerate(pdus, start=1)]
    # Written from the PDU's side too: the direction of a cable means nothing.
    swap = {"side_a_device": "side_b_device", "side_a_name": "side_b_name"}
    swap |= {new: old for old, new in swap.items()}
    turned = [{swap.get(key, key): value for key, value in cord.items() if "type" not in key} for cord in cords]
    for cord in turned:
        cord["type"] = "power"
    for cables in (cords, turned):
        found = kinds(table(tmp_path, room, *cables))
        assert ("power_redundancy" in found) == lost
        assert set(found) <= {"power_redundancy"}


def test_cords_that_the_survey_knows_and_the_table_does_not(tmp_path: Path, room: survey.Survey) -> None:
    cabling = table(tmp_path, room, power("node1", "PSU1", "R01-A", "C19-5"))
    found = [problem.en for problem in labels.problems(cabling, room) if problem.kind == "uncabled"]
    assert len(found) == 12
    assert found[0] == ("node1 PSU1: the survey plugs it into R01-A C19-1, the cabling table into R01-A C19-5")
    assert found[1].endswith("C19-3, the cabling table nowhere")


def test_the_twin_is_clean_and_complete() -> None:
    room = survey.load(ROOT / "inventory" / "twin" / "survey.yml")
    cabling = labels.load(ROOT / "inventory" / "twin" / "cabling.yml", room)
    assert labels.problems(cabling, room) == []
    npus = [c for c in cabling.cables if (c.a.name or "").startswith("NPU")]
    assert len({c.b for c in npus}) == len(npus) == 24
    facts = labels.facts(cabling, [])
    assert facts["cabling_cables_count"] == len(cabling.cables)
    assert facts["cabling_ends_labelled_percent"] == 100


def test_facts_by_check_and_the_contract(tmp_path: Path, room: survey.Survey) -> None:
    cabling = table(
        tmp_path,
        room,
        cable("node1", "NPU1", "sw1", "200GE1/0/3"),
        cable("node2", "NPU1", "sw1", "200GE1/0/3", label="F-R01U10-NPU1"),
        cable("node1", None, "sw1", "200GE1/0/4"),  # type: ignore[arg-type]  # an end that nobody filled in
        power("node1", "PSU1", "R01-A", "C19-1"),
        power("node1", "PSU2", "R01-A", "C19-3"),
    )
    entry = labels.observation(
        cabling, labels.validate(cabling), site="test", collected_at="2026-11-24T06:04:05Z", provenance="hardware"
    )
    assert contract.problems({**entry["observation"], "raw": []}, "observation") == []
    facts = entry["observation"]["facts"]
    assert facts["cabling_port_conflicts"]
    assert facts["cabling_label_conflicts"]
    assert facts["cabling_incomplete"]
    assert facts["cabling_power_redundancy_lost"]
    assert len(facts["cabling_problems"]) == 5
    assert facts["cabling_ends_labelled_percent"] == 80.0
    assert set(facts["remedies"]) == CHECKS
    clauses = yaml.safe_load((ROOT / "contract" / "clauses.yml").read_text(encoding="utf-8"))
    asked = [c for clause in clauses for c in clause["checks"] if c["id"].startswith("labels.") and "fact" in c]
    assert asked
    for check in asked:
        assert check["id"] in CHECKS
        assert check["fact"] in facts
    document = labels.document(cabling, labels.validate(cabling), "test")
    assert [item["ok"] for item in document["items"]] == [False] * 4


def test_csv_and_yaml_say_the_same(tmp_path: Path, room: survey.Survey) -> None:
    rows = [cable("node1", "NPU1", "sw1", "200GE1/0/1:1", length=2.5), power("node1", "PSU1", "R01-A", "C19-1")]
    out = io.StringIO()
    columns = sorted({key for row in rows for key in row})
    writer = csv.DictWriter(out, columns)
    writer.writeheader()
    writer.writerows(rows)
    path = tmp_path / "cables.CSV"
    path.write_text("\ufeff" + out.getvalue(), encoding="utf-8")
    assert labels.load(path, room).cables == table(tmp_path, room, *rows).cables


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no header"),
        ("side_a_device,side_c_device\n", "unknown column 'side_c_device'"),
        ("label,label\n", "occurs twice"),
        ("label\nA,B\n", "line 2: more fields"),
        ("label,length\nA,three\n", "cables[0].length: 'three' is not of type"),
        ('label\n"A\n', "not CSV"),
        ("label\nA;B\n", "cables[0].label"),
        ("label,type\nA,fibre\n", "cables[0].type"),
    ],
)
def test_a_csv_that_is_wrong_says_where(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "cables.csv"
    path.write_text(text)
    with pytest.raises(survey.InputError) as caught:
        labels.load(path)
    assert words in str(caught.value)


def test_a_label_is_an_id_and_nothing_else(tmp_path: Path, room: survey.Survey) -> None:
    for label in ("https://host/?token=x", "pass word", "名", "", "x" * 41):
        with pytest.raises(survey.InputError):
            table(tmp_path, room, cable("node1", "NPU1", "sw1", "200GE1/0/3", label=label))


def test_ranges() -> None:
    assert expand("NPU[1-3]") == ["NPU1", "NPU2", "NPU3"]
    assert expand("[1-2]/0/[7-8]") == ["1/0/7", "1/0/8", "2/0/7", "2/0/8"]
    assert expand("BMC") == ["BMC"]
    for wrong in ("x[3-1]", "x[1-99999]", "[1-99][1-99][1-99]"):
        with pytest.raises(ValueError, match="not a usable range"):
            expand(wrong)


@settings(max_examples=60, deadline=None)
@given(
    ends=st.lists(
        st.tuples(st.integers(1, 3), st.integers(1, 8), st.integers(1, 3), st.integers(1, 8)), min_size=1, max_size=12
    )
)
def test_a_port_is_in_conflict_exactly_when_two_cables_have_it(ends: list[tuple[int, int, int, int]]) -> None:
    places = {f"node{n}": labels.Place(f"node{n}", "R01", n * 5, None) for n in (1, 2, 3)}
    cables = tuple(
        labels.Cable(i, labels.End(f"node{a}", f"NPU{p}"), labels.End(f"node{b}", f"NPU{q}"), "aoc", "connected", None,
                     f"L{i}", 1, "m")
        for i, (a, p, b, q) in enumerate(ends, start=1)
    )  # fmt: skip
    found = labels.validate(labels.Cabling(cables, places))
    users: dict[labels.End, set[int]] = {}
    for each in cables:
        for end in (each.a, each.b):
            users.setdefault(end, set()).add(each.number)
    expected = sorted(tuple(sorted(numbers)) for numbers in users.values() if len(numbers) > 1)
    assert sorted(problem.cables for problem in found if problem.kind == "port_twice") == expected
