"""The rules of judgement, each on the contract as it is and on a healthy site with one thing changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from evidence_helpers import bmc_facts, healthy, node_facts, observed, run, switch_facts, unreachable
from hypothesis import given, settings
from hypothesis import strategies as st

from controller import contract
from controller.contract import Contract, Document, Observed
from controller.judge import ANY, STATES, judge, worst

LAW = contract.load()
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def judged(observations: list[Observed], the_run: Document | None = None, law: Contract = LAW) -> Document:
    document = judge(law, the_run or run(), observations, NOW)
    assert contract.problems(document, "verdicts") == []
    return document


def of(document: Document, check: str, subject: str | None = None) -> Document:
    rows = [v for v in document["verdicts"] if v["check"] == check and subject in (None, v["subject"]["id"])]
    assert len(rows) == 1, [row["subject"] for row in rows]
    row: Document = rows[0]
    return row


def with_node2(change: Callable[[Document], Any], **more: Any) -> list[Observed]:
    """The healthy site, except for what ``change`` does to the facts of node2."""
    facts = bmc_facts(2)
    change(facts)
    rest = [item for item in healthy() if item.id != "node2"]
    system = node_facts(2)
    system["dmi"]["bios_vendor"] = None  # so that the BMC's word on the BIOS stands alone
    rest.append(observed("node", "node2", system, collector="node_identity"))
    return [*rest, observed("bmc", "node2", facts, **more)]


def findings(document: Document) -> list[tuple[str, str, str]]:
    return [
        (v["check"], v["subject"]["id"], v["verdict"])
        for v in document["verdicts"]
        if v["verdict"] in ("fail", "unknown")
    ]


def test_a_healthy_site_has_no_finding() -> None:
    document = judged(healthy())
    assert findings(document) == []
    assert document["run_passed"]
    assert not document["site_accepted"], "clauses without checks are not_run"
    clause = next(clause for clause in document["clauses"] if clause["id"] == "4.1.1-3")
    assert clause["verdict"] == "pass"


def spoil(facts: Document, kind: str, text: str) -> None:
    facts[kind]["unhealthy"] = [text]


def one_less(facts: Document, kind: str) -> None:
    facts[kind]["present_count"] -= 1


FAILING: list[tuple[str, Callable[[Document], Any], str, str]] = [
    ("npu missing", lambda f: one_less(f, "npu"), "hardware.npu_count", "node2"),
    ("npu warning", lambda f: spoil(f, "npu", "NPU5: Warning"), "hardware.npu_health", "node2"),
    ("cpu absent", lambda f: one_less(f, "cpu"), "hardware.cpu_count", "node2"),
    ("dimm missing", lambda f: one_less(f, "memory"), "hardware.dimm_count", "node2"),
    ("dimm failed", lambda f: spoil(f, "memory", "DIMM03: Critical"), "hardware.dimm_health", "node2"),
    ("drive failed", lambda f: spoil(f, "drive", "Disk3: Critical"), "hardware.drive_health", "node2"),
    ("fan absent", lambda f: one_less(f, "fan"), "hardware.fan_count", "node2"),
    ("fan slow", lambda f: spoil(f, "fan", "Fan1: Critical, 900 rpm"), "hardware.fan_health", "node2"),
    ("psu unplugged", lambda f: spoil(f, "psu", "PSU2: Critical, no input"), "hardware.psu_health", "node2"),
    ("psu absent", lambda f: one_less(f, "psu"), "hardware.psu_count", "node2"),
    ("less memory", lambda f: f["memory"].update(total_mib=1015808), "hardware.memory_total", "node2"),
    ("post failed", lambda f: f["post"].update(state="failed"), "hardware.post", "node2"),
    ("tls skipped", lambda f: f["bmc"].update(tls="skipped"), "hardware.bmc_tls", "node2"),
    ("clock off", lambda f: f["bmc"].update(clock_offset_seconds=-31536000), "hardware.bmc_clock", "node2"),
    ("another bios", lambda f: f["bios"].update(version="7.10"), "hardware.bios_uniform", "twin"),
    ("shared serial", lambda f: f["identity"].update(serial="2102314TWN10P0000001"), "hardware.serial_unique", "twin"),
    ("no serial", lambda f: f["identity"].update(serial=""), "hardware.serial_recorded", "node2"),
    (
        "ami",
        lambda f: f["bios"].update(vendor_evidence=[{"source": "x", "value": "AMI"}]),
        "hardware.bios_domestic",
        "node2",
    ),
]


@pytest.mark.parametrize(("what", "change", "check", "subject"), FAILING, ids=[row[0] for row in FAILING])
def test_one_cause_fails_its_check(what: str, change: Callable[[Document], Any], check: str, subject: str) -> None:
    document = judged(with_node2(change))
    others = [row for row in findings(document) if row[0] != check]
    verdict = of(document, check, subject)
    assert verdict["verdict"] == "fail", what
    assert verdict["remedy"] is not None
    assert verdict["evidence"]
    # An empty serial number cannot be compared with the others either.
    assert others == ([("hardware.serial_unique", "twin", "unknown")] if what == "no serial" else [])


UNKNOWN: list[tuple[str, Callable[[Document], Any], str]] = [
    ("npu not listed", lambda f: f.update(npu=None), "hardware.npu_count"),
    ("npu key missing", lambda f: f.pop("npu"), "hardware.npu_count"),
    ("no count", lambda f: f["drive"].update(present_count=None), "hardware.drive_count"),
    ("count is a text", lambda f: f["drive"].update(present_count="6"), "hardware.drive_count"),
    ("count is a flag", lambda f: f["drive"].update(present_count=True), "hardware.drive_count"),
    ("count is no number", lambda f: f["drive"].update(present_count=float("nan")), "hardware.drive_count"),
    (
        "health of one unread",
        lambda f: f["fan"].update(unknown_health=["Fan3: no health given"]),
        "hardware.fan_health",
    ),
    ("nothing to be healthy", lambda f: f["psu"].update(present_count=0), "hardware.psu_health"),
    ("health list null", lambda f: f["psu"].update(unhealthy=None), "hardware.psu_health"),
    ("health list a text", lambda f: f["psu"].update(unhealthy=""), "hardware.psu_health"),
    ("guard missing", lambda f: f["psu"].pop("unknown_health"), "hardware.psu_health"),
    ("switched off", lambda f: f["post"].update(state="off"), "hardware.post"),
    ("still starting", lambda f: f["post"].update(state="in_progress"), "hardware.post"),
    ("tls unknown", lambda f: f["bmc"].update(tls=None), "hardware.bmc_tls"),
    ("bmc null", lambda f: f.update(bmc=None), "hardware.bmc_clock"),
    ("bmc is a text", lambda f: f.update(bmc="gone"), "hardware.bmc_clock"),
    ("bios unnamed", lambda f: f["bios"].update(vendor_evidence=[]), "hardware.bios_domestic"),
    ("bios null", lambda f: f["bios"].update(vendor_evidence=None), "hardware.bios_domestic"),
]


@pytest.mark.parametrize(("what", "change", "check"), UNKNOWN, ids=[row[0] for row in UNKNOWN])
def test_what_was_not_seen_is_unknown(what: str, change: Callable[[Document], Any], check: str) -> None:
    assert of(judged(with_node2(change)), check, "node2")["verdict"] == "unknown", what


def test_a_bad_part_fails_even_where_others_could_not_be_seen() -> None:
    def change(facts: Document) -> None:
        facts["fan"].update(unhealthy=["Fan1: Critical"], unknown_health=["Fan2: ?"], present_count=None)

    assert of(judged(with_node2(change)), "hardware.fan_health", "node2")["verdict"] == "fail"


def test_the_note_that_explains_is_in_the_reason() -> None:
    def change(facts: Document) -> None:
        facts["npu"] = None
        facts["notes"] = [
            {"where": "fan", "problem": "two fans share a name"},
            {"where": "npu", "problem": "the BMC shows no list of this kind"},
        ]

    reason = of(judged(with_node2(change)), "hardware.npu_count", "node2")["reason"]
    for text in reason.values():
        assert "the BMC shows no list of this kind" in text
        assert "two fans" not in text


def test_an_unreachable_bmc_makes_its_own_checks_unknown_and_no_others() -> None:
    others = [item for item in healthy() if (item.kind, item.id) != ("bmc", "node2")]
    document = judged([*others, observed("bmc", "node2", unreachable("connection refused"))])
    assert {row[2] for row in findings(document)} == {"unknown"}
    assert {row[1] for row in findings(document)} == {"node2", "twin"}
    readable = of(document, "hardware.bmc_readable", "node2")
    assert readable["verdict"] == "unknown"
    assert "connection refused" in readable["reason"]["en"]
    checks = {check["id"] for _, check in LAW.checks() if check["subjects"] == "bmc"}
    assert {row[0] for row in findings(document) if row[1] == "node2"} == checks - {"hardware.serial_matches"}


def test_a_difference_among_the_seen_fails_although_one_was_not_seen() -> None:
    items = with_node2(lambda facts: facts["bios"].update(version="7.10"))
    items = [item for item in items if item.id != "node3"] + [observed("bmc", "node3", unreachable())]
    assert of(judged(items), "hardware.bios_uniform")["verdict"] == "fail"


def test_servers_of_different_models_may_have_different_bios() -> None:
    the_run = run()
    the_run["inventory"]["profiles"]["node2"] = "atlas_800i_a2"
    document = judged(with_node2(lambda facts: facts["bios"].update(version="9.9")), the_run)
    assert of(document, "hardware.bios_uniform")["verdict"] == "pass"


def test_an_expected_subject_without_observation() -> None:
    without = [item for item in healthy() if item.id != "node2"]
    ran = of(judged(without), "hardware.npu_count", "node2")
    assert ran["verdict"] == "unknown"
    assert "without an observation of bmc node2" in ran["reason"]["en"]
    assert of(judged([], run(stages=())), "hardware.npu_count", "node2")["verdict"] == "not_run"


def test_a_stage_that_ran_without_any_subject_is_unknown() -> None:
    document = judged([], run(nodes=0, stages=("hardware", "survey")))
    assert of(document, "hardware.npu_count")["subject"] == {"kind": "bmc", "id": ANY}
    assert of(document, "hardware.npu_count")["verdict"] == "unknown"
    assert of(document, "survey.feed_load")["verdict"] == "unknown"
    assert of(document, "hardware.bios_uniform")["verdict"] == "unknown"


def test_a_subject_that_nobody_expected_is_judged_too() -> None:
    document = judged([*healthy(), observed("bmc", "node9", unreachable())])
    assert of(document, "hardware.npu_count", "node9")["verdict"] == "unknown"


def test_a_clause_without_checks_is_not_run_or_manual() -> None:
    document = judged(healthy())
    by_id = {clause["id"]: clause["verdict"] for clause in document["clauses"]}
    assert by_id["4.1.2-2"] == "not_run"
    assert by_id["4.5.2-2"] == "manual"
    assert by_id["4.1.1-2"] == "manual", "racking is inspected by people, whatever the labels say"


def test_expected_values_come_from_host_then_site_then_profile() -> None:
    the_run = run(expect={"npu_count": 7, "hosts": {"node2": {"npu_count": 6}}})
    document = judged(healthy(), the_run)
    assert of(document, "hardware.npu_count", "node1")["expected"] == {"equals": 7}
    assert of(document, "hardware.npu_count", "node2")["expected"] == {"equals": 6}
    assert of(document, "hardware.cpu_count", "node2")["expected"] == {"equals": 4}


def test_a_chip_is_judged_by_its_machine() -> None:
    chips = [observed("npu", f"node{n}/NPU1", {"hbm_total_mib": 65536}, collector="npu_info") for n in (1, 2)]
    the_run = run(stages=("npu",), expect={"hosts": {"node2": {"chip_hbm_mib": 32768}}})
    document = judged(chips, the_run)
    assert of(document, "npu.hbm_capacity", "node1/NPU1")["verdict"] == "pass"
    assert of(document, "npu.hbm_capacity", "node2/NPU1")["expected"] == {"equals": 32768}
    assert of(document, "npu.hbm_capacity", "node2/NPU1")["verdict"] == "fail"


def test_a_value_that_nobody_gave_makes_the_verdict_unknown() -> None:
    the_run = run()
    the_run["inventory"]["profiles"] = {"node1": "no_such_profile"}
    document = judged(healthy(), the_run)
    for name in ("node1", "node2"):
        verdict = of(document, "hardware.npu_count", name)
        assert verdict["verdict"] == "unknown"
        assert "profile.npu_count" in verdict["reason"]["en"]


def test_the_delivered_serial_is_compared_only_where_it_is_given() -> None:
    given_ = {"node1": {"asset_serial": "2102314TWN10P0000001"}, "node2": {"asset_serial": "another"}}
    document = judged(healthy(), run(expect={"hosts": given_}))
    assert of(document, "hardware.serial_matches", "node1")["verdict"] == "pass"
    assert of(document, "hardware.serial_matches", "node2")["verdict"] == "fail"
    assert not [
        v for v in document["verdicts"] if v["check"] == "hardware.serial_matches" and v["subject"]["id"] == "node3"
    ]


def test_two_tools_that_disagree_the_worse_counts() -> None:
    facts = {"reachable": True, "npu": {"present_count": 7}}
    second = observed("bmc", "node1", facts, collector="ipmi_info", at="2026-11-24T05:00:00Z")
    verdict = of(judged([*healthy(), second]), "hardware.npu_count", "node1")
    assert verdict["verdict"] == "fail"
    assert len(verdict["evidence"]) == 2
    silent = observed("bmc", "node1", {"npu": None}, collector="ipmi_info")
    assert of(judged([*healthy(), silent]), "hardware.npu_count", "node1")["verdict"] == "pass"


def test_a_switch_fails_on_either_of_two_facts() -> None:
    facts = switch_facts()
    facts["fan"]["unhealthy"] = ["FAN2: Critical"]
    items = [item for item in healthy() if item.kind != "switch"] + [observed("switch", "sw1", facts)]
    verdict = of(judged(items), "hardware.switch_health")
    assert verdict["verdict"] == "fail"
    assert verdict["reason"]["en"] == "fan.unhealthy: FAN2: Critical"
    assert verdict["observed"] == {"psu.unhealthy": [], "fan.unhealthy": ["FAN2: Critical"]}


def test_the_observers_remedy_is_preferred() -> None:
    remedy = {"zh": "将node3移至R02", "en": "move node3 to R02"}
    facts = {"rack_units_free": -2, "remedies": {"survey.rack_units": remedy}}
    document = judged([observed("rack", "R01", facts, collector="survey")], run(stages=("survey",)))
    verdict = of(document, "survey.rack_units")
    assert (verdict["verdict"], verdict["remedy"]) == ("fail", remedy)


def test_simulated_evidence_stamps_everything_that_rests_on_it() -> None:
    items = healthy()
    items[0].document["provenance"] = "simulated"
    document = judged(items)
    assert document["provenance"] == "simulated"
    assert of(document, "hardware.npu_count", "node1")["provenance"] == "simulated"
    assert of(document, "hardware.npu_count", "node2")["provenance"] == "hardware"
    assert of(document, "hardware.bios_uniform")["provenance"] == "simulated"


def waiver(**more: Any) -> Document:
    row = {
        "check": "hardware.drive_health",
        "subject": "node2",
        "reason": "RMA",
        "by": "Head of IT",
        "until": "2026-11-24",
    }
    return {**row, **more}


def drive_failed() -> list[Observed]:
    return with_node2(lambda facts: spoil(facts, "drive", "Disk3: Critical"))


def test_a_waiver_turns_its_finding_into_waived_and_says_what_it_was() -> None:
    document = judged(drive_failed(), run(waivers=[waiver()]))
    verdict = of(document, "hardware.drive_health", "node2")
    assert verdict["verdict"] == "waived"
    assert verdict["waiver"] == {"was": "fail", "reason": "RMA", "by": "Head of IT", "until": "2026-11-24"}
    assert next(c for c in document["clauses"] if c["id"] == "4.1.1-3")["verdict"] == "waived"
    assert document["run_passed"]
    assert of(judged(drive_failed(), run(waivers=[waiver(subject="bmc:node2")])), "hardware.drive_health", "node2")[
        "waiver"
    ]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (waiver(until="2026-11-23"), "expired on 2026-11-23"),
        (waiver(until=date(2026, 11, 23)), "expired on 2026-11-23"),
        (waiver(until="2026-11-24T11:59:59Z"), "expired"),
        (waiver(until="soon"), "is not a date"),
        (waiver(until=None), "lacks until"),
        (waiver(by=" "), "lacks by"),
        ("everything", "not a mapping"),
    ],
)
def test_a_waiver_that_does_not_hold_waives_nothing_and_is_named(row: Any, why: str) -> None:
    document = judged(drive_failed(), run(waivers=[row]))
    assert of(document, "hardware.drive_health", "node2")["verdict"] == "fail"
    assert why in document["problems"][0]


def test_a_waiver_touches_nothing_else() -> None:
    rows = [waiver(subject="node1"), waiver(check="hardware.drive_count"), waiver(subject="switch:node2")]
    document = judged(drive_failed(), run(waivers=rows))
    assert of(document, "hardware.drive_health", "node2")["verdict"] == "fail"
    assert document["counts"]["waived"] == 0


def test_counts_agree_with_the_verdicts() -> None:
    document = judged(drive_failed())
    for state, count in document["counts"].items():
        assert count == sum(verdict["verdict"] == state for verdict in document["verdicts"])
    for clause in document["clauses"]:
        own = [verdict["verdict"] for verdict in document["verdicts"] if verdict["clause"] == clause["id"]]
        assert sum(clause["counts"].values()) == len(own)
        assert clause["verdict"] == worst(own)


@settings(deadline=None, max_examples=60)  # the machine may be busy
@given(st.lists(st.sampled_from(STATES)))
def test_worst_is_the_first_in_the_order_of_the_seams(states: list[str]) -> None:
    order = ["fail", "unknown", "manual", "not_run", "waived", "pass"]
    assert worst(states) == next((state for state in order if state in states), "pass")
    assert worst([*states, "fail"]) == "fail"


BASELINE = {
    (v["clause"], v["check"], v["subject"]["id"]): v["verdict"] for v in judge(LAW, run(), healthy(), NOW)["verdicts"]
}
PATHS = sorted(
    {
        (check["id"], path)
        for _, check in LAW.checks()
        if check["subjects"] == "bmc" and check["id"] != "hardware.serial_matches"
        for path in [check["fact"], *(condition["fact"] for condition in check.get("given", []))]
    }
)
JUNK = st.one_of(
    st.none(), st.text(max_size=8), st.floats(), st.booleans(), st.lists(st.none(), max_size=2), st.just({})
)


@settings(deadline=None, max_examples=60)  # the machine may be busy
@given(st.sampled_from(PATHS), st.booleans())
def test_a_null_or_missing_fact_never_passes(row: tuple[str, str], remove: bool) -> None:
    """Whatever fact of a check is taken away, at whatever depth, the check does not pass on that subject."""
    check, path = row
    keys = path.split(".")
    for depth in range(1, len(keys) + 1):
        facts = bmc_facts(2)
        node = facts
        for key in keys[: depth - 1]:
            node = node[key]
        if remove:
            del node[keys[depth - 1]]
        else:
            node[keys[depth - 1]] = None
        items = [item for item in healthy() if item.id != "node2"] + [observed("bmc", "node2", facts)]
        assert of(judge(LAW, run(), items, NOW), check, "node2")["verdict"] == "unknown"


@settings(deadline=None, max_examples=60)  # the machine may be busy
@given(st.dictionaries(st.sampled_from(list(bmc_facts())), JUNK, min_size=1))
def test_junk_in_facts_never_crashes_and_never_makes_a_verdict_better(junk: Document) -> None:
    junk = {key: value for key, value in junk.items() if key != "notes"}  # the schema guards the shape of notes
    document = judge(LAW, run(), with_node2(lambda facts: facts.update(junk)), NOW)
    for verdict in document["verdicts"]:
        before = BASELINE[(verdict["clause"], verdict["check"], verdict["subject"]["id"])]
        assert STATES.index(verdict["verdict"]) <= STATES.index(before)


@pytest.mark.parametrize(("matches", "verdict"), [(True, "pass"), (False, "fail"), (None, "unknown")])
def test_a_bmc_of_another_server_is_told_by_the_serial_number_in_the_system(matches: Any, verdict: str) -> None:
    others = [item for item in healthy() if (item.kind, item.id) != ("node", "node2")]
    system = {**node_facts(2), "serial_matches_bmc": matches}
    document = judged([*others, observed("node", "node2", system, collector="node_identity")])
    assert of(document, "hardware.bmc_pairs_with_node", "node2")["verdict"] == verdict
    assert next(c for c in document["clauses"] if c["id"] == "4.1.1-3")["verdict"] == verdict


def test_the_pairing_is_not_run_while_nobody_was_inside_the_systems() -> None:
    only_bmc = [item for item in healthy() if item.kind != "node"]
    document = judged(only_bmc, run(stages=("hardware",)))
    assert {v["verdict"] for v in document["verdicts"] if v["check"] == "hardware.bmc_pairs_with_node"} == {"not_run"}
