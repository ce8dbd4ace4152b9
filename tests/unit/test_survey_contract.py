"""The survey chapter and the clause table are two views of one judgement: whatever a site measures or allows."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from evidence_helpers import observed, run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from survey_helpers import load, site

from controller import contract, survey
from controller.judge import judge
from controller.survey.reading import InputError

LAW = contract.load()
NAMED = survey.load_limits().named
BOUNDS = sorted((name, bound) for name, limit in NAMED.items() for bound in limit.bounds())
STATE = {True: "pass", False: "fail", None: "unknown"}


def both(folder: Path, document: dict[str, Any]) -> tuple[list[survey.Item], dict[str, Any]]:
    """The items of a site as its survey chapter shows them, and the verdicts that the contract draws from them."""
    found = load(folder, document)
    items = survey.judge(found)
    entries = survey.observations(found, items, collected_at="2026-11-24T06:10:00Z", provenance="hardware")
    seen = []
    for entry in entries:
        subject = entry["observation"]["subject"]
        seen.append(observed(subject["kind"], subject["id"], entry["observation"]["facts"], collector="survey"))
    the_run = run(stages=("survey",))
    the_run["inventory"]["subjects"] = {"site": ["test"]}
    verdicts = judge(LAW, the_run, seen, datetime(2026, 11, 24, 12, tzinfo=UTC))
    assert contract.problems(verdicts, "verdicts") == []
    return items, verdicts


def agree(items: list[survey.Item], verdicts: dict[str, Any]) -> None:
    """Each check says what the worst of its items says; the clause what the worst of all says."""
    rows = {
        (v["check"], v["subject"]["kind"], v["subject"]["id"]): v
        for v in verdicts["verdicts"]
        if v["clause"] == "4.1.1-1"
    }
    by_check: dict[tuple[str, str, str], set[bool | None]] = {}
    for item in items:
        by_check.setdefault((item.check, item.kind, item.subject), set()).add(item.ok)
    assert set(rows) == set(by_check)
    for key, answers in by_check.items():
        worst = next(ok for ok in (False, None, True) if ok in answers)
        assert rows[key]["verdict"] == STATE[worst], (key, rows[key])
    everything = {item.ok for item in items}
    worst = next(ok for ok in (False, None, True) if ok in everything)
    clause = next(clause for clause in verdicts["clauses"] if clause["id"] == "4.1.1-1")
    assert clause["verdict"] == STATE[worst]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    limits=st.dictionaries(
        st.sampled_from(BOUNDS), (st.floats(-200, 200) | st.floats(1, 100)).map(lambda n: round(n, 2)), max_size=4
    ),
    measured=st.fixed_dictionaries(
        {},
        optional={
            "grounding_ohm": st.none() | st.floats(0.1, 100).map(lambda n: round(n, 3)),
            "inlet_celsius": st.none() | st.integers(1, 45),
            "humidity_percent": st.none() | st.integers(1, 99),
            "clear_height_m": st.none() | st.floats(2, 6).map(lambda n: round(n, 2)),
        },
    ),
)
def test_survey_and_contract_never_disagree(
    tmp_path: Path, limits: dict[tuple[str, str], float], measured: dict[str, float | None]
) -> None:
    document = site()
    document["room"].update(measured)
    document["limits"] = {}
    for (name, bound), value in limits.items():
        document["limits"].setdefault(name, {"source": "agreed with the owner"})[bound] = value
    try:
        found = both(tmp_path, document)
    except InputError as error:
        assert limits, error
        assert all(problem.where.startswith("limits.") for problem in error.problems)
        return
    agree(*found)


def test_a_limit_of_the_site_is_the_one_that_the_contract_shows(tmp_path: Path) -> None:
    document = site()
    document["room"]["grounding_ohm"] = 3
    assert verdict(both(tmp_path, document)[1], "survey.grounding")["verdict"] == "fail"
    document["limits"] = {"grounding_ohm": {"max": 4, "source": "agreed with the owner"}}
    row = verdict(both(tmp_path, document)[1], "survey.grounding")
    assert (row["verdict"], row["expected"]) == ("pass", {"max": 4})


def verdict(verdicts: dict[str, Any], check: str) -> dict[str, Any]:
    (row,) = [row for row in verdicts["verdicts"] if row["check"] == check]
    return dict(row)


@pytest.mark.parametrize(
    ("check", "item", "change"),
    [
        ("survey.other_site", "dew_point_celsius:test", lambda d: d["room"].update(humidity_percent=20)),
        ("survey.other_site", "clear_height_m:test", lambda d: d["room"].update(clear_height_m=2.4)),
        ("survey.inlet", "inlet_celsius:test", lambda d: d["room"].update(inlet_celsius=31, humidity_percent=30)),
        ("survey.humidity", "humidity_percent:test", lambda d: d["room"].update(humidity_percent=70, inlet_celsius=19)),
    ],
)
def test_an_item_without_a_check_of_its_own_fails_the_clause_with_its_remedy(
    tmp_path: Path, check: str, item: str, change: Any
) -> None:
    document = site()
    change(document)
    items, verdicts = both(tmp_path, document)
    failing = {each.id: each for each in items if each.ok is False}
    assert set(failing) == {item}
    row = verdict(verdicts, check)
    assert row["verdict"] == "fail"
    assert row["remedy"] == failing[item].remedy
    agree(items, verdicts)


def test_what_was_not_measured_leaves_the_clause_unknown_and_says_what_is_lacking(tmp_path: Path) -> None:
    document = site()
    document["room"]["clear_height_m"] = None
    row = verdict(both(tmp_path, document)[1], "survey.other_site")
    assert row["verdict"] == "unknown"
    assert "room.clear_height_m" in row["reason"]["en"]


def test_a_bound_that_the_contract_does_not_know_is_refused() -> None:
    with pytest.raises(InputError, match=r"humidity_percent has no min"):
        survey.load_limits().for_site({"humidity_percent": {"min": 30, "source": "the owner"}})


@pytest.mark.parametrize(
    ("name", "own", "why"),
    [
        ("humidity_percent", {"max": 0}, "above 0"),
        ("inlet_celsius", {"min": 30}, "min 30 is above max 27"),
        ("power_factor", {"value": 0}, "nor 0 or above 1"),
        ("ups_reserve_percent", {"value": -5}, "must not be negative"),
    ],
)
def test_a_limit_that_cannot_be_meant_is_refused(name: str, own: dict[str, float], why: str) -> None:
    with pytest.raises(InputError, match=why):
        survey.load_limits().for_site({name: {**own, "source": "the owner"}})
    assert survey.load_limits().for_site({"ups_reserve_percent": {"value": 0, "source": "the owner"}})
