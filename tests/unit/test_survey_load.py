"""Reading a site file: typed values, or every mistake at once with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from survey_helpers import load, server, site, write

from controller import survey


def problems(folder: Path, document: Any) -> list[str]:
    with pytest.raises(survey.InputError) as caught:
        load(folder, document)
    return [str(problem) for problem in caught.value.problems]


def test_values_are_typed_and_units_are_spans(tmp_path: Path) -> None:
    document = site()
    document["racks"][0]["used_units"] = ["1-2", "42"]
    document["surveyed_at"] = "2026-11-20"
    found = load(tmp_path, document)
    assert found.rack("R01").used_units == {1, 2, 42}
    assert found.surveyed_at == "2026-11-20"
    assert list(found.device("node1").occupies) == [10, 11, 12, 13]
    assert found.pdu("R01-A").outlets == {
        "C19-1": "L1", "C19-2": "L1", "C19-3": "L2", "C19-4": "L2", "C19-5": "L3", "C19-6": "L3",
    }  # fmt: skip


def test_an_unquoted_date_stays_text(tmp_path: Path) -> None:
    path = write(tmp_path, site())
    path.write_text(path.read_text() + "surveyed_at: 2026-11-20\n")
    assert survey.load(path).surveyed_at == "2026-11-20"


def test_all_mistakes_of_shape_are_told_at_once(tmp_path: Path) -> None:
    document = site()
    document["racks"][0]["units"] = "42"
    document["racks"][1]["footprint_m2"] = -1
    document["devices"][0]["max_wats"] = 5200
    document["room"]["humidity_percent"] = 140
    document["feeds"][0]["phases"] = 2
    found = "\n".join(problems(tmp_path, document))
    assert "racks[0].units: '42' is not of type integer" in found
    assert "racks[1].footprint_m2" in found
    assert "devices[0].max_wats: unknown key, did you mean 'max_watts'?" in found
    assert "room.humidity_percent" in found
    assert "feeds[0].phases" in found


def test_all_names_that_lead_nowhere_are_told_at_once(tmp_path: Path) -> None:
    document = site()
    document["feeds"][0]["ups"] = "U9"
    document["racks"][1]["name"] = "R01"
    document["racks"][1]["pdus"][0]["feed"] = "C"
    document["racks"][0]["used_units"] = ["40-43"]
    document["devices"][0]["rack"] = "R7"
    document["devices"][1]["power_cords"][1]["psu"] = "PSU1"
    document["devices"][2]["power_cords"][0]["pdu"] = "R09-A"
    del document["devices"][2]["unit"]
    found = problems(tmp_path, document)
    for words in (
        "feeds[0].ups: no UPS is named 'U9'",
        "racks[1].name: 'R01' is used twice",
        "racks[1].pdus[0].feed: no feed is named 'C'",
        "racks[0].used_units[0]: '40-43' is not a span within U1-U42",
        "devices[0].rack: no rack is named 'R7'",
        "devices[1].power_cords[1].psu: 'PSU1' has a cord already",
        "devices[2].power_cords[0].pdu: no PDU is named 'R09-A'",
        "devices[2]: rack and unit belong together",
    ):
        assert any(words in problem for problem in found), words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [1", "line 1, column 6"),
        ("site: x\nsite: y\n", "'site' is written twice"),
        ("1: x\n", "the key 1 is not a word"),
        ("- a\n", "is not of type object"),
        ("", "is not of type object"),
        ("a: !!python/object:os.system x", "could not determine a constructor"),
        ("? [x]\n: 1\n", "is not a word"),
    ],
)
def test_what_is_not_a_survey_is_refused_in_words(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "survey.yml"
    path.write_text(text)
    with pytest.raises(survey.InputError) as caught:
        survey.load(path)
    assert words in str(caught.value)


def test_absent_binary_and_infinite_are_refused(tmp_path: Path) -> None:
    with pytest.raises(survey.InputError, match="No such file"):
        survey.load(tmp_path / "none.yml")
    (tmp_path / "b.yml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(survey.InputError, match="not UTF-8"):
        survey.load(tmp_path / "b.yml")
    document = site()
    document["room"]["grounding_ohm"] = float("nan")
    assert any("not a finite number" in problem for problem in problems(tmp_path, document))


def test_an_override_of_no_limit_is_refused(tmp_path: Path) -> None:
    document = site()
    document["limits"] = {"feed_lode_percent": {"max": 90, "source": "the owner"}}
    with pytest.raises(survey.InputError, match="no such limit"):
        survey.judge(load(tmp_path, document))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_value_stands_anywhere_there_is_an_answer_or_a_list(tmp_path: Path, data: st.DataObject) -> None:
    document = site()
    document["devices"].append(server("node4", "R02", 20))
    node: Any = document
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(node[key], dict | list) or not node[key] or data.draw(st.booleans()):
            break
        node = node[key]
    value = st.one_of(
        st.none(), st.booleans(), st.integers(-5, 200), st.floats(), st.text(max_size=8), st.just([]), st.just({})
    )
    node[key] = data.draw(value)
    try:
        items = survey.judge(load(tmp_path, document))
    except survey.InputError as error:
        assert error.problems
        return
    for item in items:
        assert (item.ok is None) == (item.value is None)
        assert item.ok is not False or item.remedy
        assert item.ok is not None or item.missing
