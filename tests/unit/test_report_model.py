"""What the report concludes: states, provenance, the whole contract, findings in order, equal subjects together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_helpers import CHECKS, TENDER_HARDWARE, Site, make_site

from controller.report import matrix
from controller.report.load import load
from controller.report.matrix import LANDSCAPE_COLUMNS, WORST_FIRST, verdict_word, worst
from controller.report.model import Report, build


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path)


def report_of(site: Site, language: str = "en") -> Report:
    return build(load(site.write(), site.contract), language)


def clause(report: Report, identifier: str) -> Any:
    return next(row for row in report.clauses if row.id == identifier)


def all_pass(site: Site, *, signed: bool = False) -> None:
    """Every clause of the contract passes (or awaits a signature)."""
    clauses = ("4.1.1-1", "4.1.1-3", "4.1.2-2", "4.1.4-2", "4.4.1-1", "4.5.3")
    site.verdicts = [{**site.verdict(CHECKS[0], "node1"), "clause": identifier} for identifier in clauses]
    if signed:
        site.verdicts[-1].update(check=None, verdict="manual", evidence=[])


def test_the_clause_table_is_the_whole_contract_in_its_order(site: Site) -> None:
    report = report_of(site)
    assert [row.id for row in report.clauses] == ["4.1.1-1", "4.1.1-3", "4.1.2-2", "4.1.4-2", "4.4.1-1", "4.5.3"]
    hardware = clause(report, "4.1.1-3")
    assert hardware.tender == TENDER_HARDWARE
    assert hardware.verdict == "fail"
    assert hardware.threshold == "25 checks, see chapter 3"
    assert hardware.measured == "75: 1 fail, 2 unknown, 1 waived, 71 pass"
    # The failing node's evidence comes first, and names the file's true digest.
    name, digest = hardware.evidence[0]
    assert (name, site.evidence["node2"]) == (
        "observations/bmc-node2-bmc_info.json",
        f"{name}#{site.evidence['node2'].partition('#')[2]}",
    )
    assert len(digest) == 8 and site.evidence["node2"].partition("#")[2].startswith(digest)
    bandwidth = clause(report, "4.1.2-2")
    assert bandwidth.threshold == "One-way bandwidth: ≥ 190 GB/s"
    assert bandwidth.measured == "3: 1 fail, 2 pass\nOne-way bandwidth: 193.7 GB/s, 121.25 GB/s, 192.1 GB/s"
    # Thresholds of a clause that nothing proved yet come from the contract.
    assert clause(report, "4.1.1-1").threshold == "Cooling left: ≥ 0 kW"
    assert clause(report, "4.4.1-1").verdict == "manual"


def test_clauses_without_any_verdict_are_not_run_or_manual(site: Site) -> None:
    site.verdicts.clear()
    report = report_of(site)
    assert {row.id: row.verdict for row in report.clauses} == {
        "4.1.1-1": "not_run",
        "4.1.1-3": "not_run",
        "4.1.2-2": "not_run",
        "4.1.4-2": "not_run",
        "4.4.1-1": "manual",
        "4.5.3": "manual",
    }
    assert report.state == "open"


def test_a_rollup_never_hides_a_failed_check(site: Site) -> None:
    site.clauses = [{"id": "4.1.1-3", "verdict": "pass"}, {"id": "4.1.4-2", "verdict": "fail"}]
    report = report_of(site)
    assert clause(report, "4.1.1-3").verdict == "fail"
    assert clause(report, "4.1.4-2").verdict == "fail"


def test_a_clause_outside_the_contract_is_shown_and_marked(site: Site) -> None:
    site.verdicts.append({**site.verdict(CHECKS[0], "node1", "fail"), "clause": "9.9"})
    row = clause(report_of(site), "9.9")
    assert row.verdict == "fail" and "not among the clauses" in row.title


@pytest.mark.parametrize(
    ("provenance", "signed", "word", "state"),
    [
        ("hardware", False, "pass", "accepted"),
        ("hardware", True, "pass", "to_sign"),
        ("hardware", False, "waived", "accepted"),
        ("hardware", False, "unknown", "open"),
        ("hardware", False, "not_run", "open"),
        ("hardware", False, "fail", "not_accepted"),
        ("hardware", False, "splendid", "open"),  # a word that nobody defined is never a pass
        ("simulated", False, "pass", "rehearsed"),
        ("simulated", True, "fail", "not_accepted"),
    ],
)
def test_states(tmp_path: Path, provenance: str, signed: bool, word: str, state: str) -> None:
    site = make_site(tmp_path, provenance=provenance)
    all_pass(site, signed=signed)
    site.verdicts[0]["verdict"] = word
    folder = site.write()
    document = json.loads((folder / "verdicts.json").read_text())
    del document["site_accepted"]
    site.save("verdicts.json", document)
    report = build(load(folder, site.contract), "en")
    assert report.state == state
    assert report.conclusion[-1] == report.words(f"conclusion.{state}")


def test_a_flag_of_the_verdicts_file_cannot_accept_what_failed(site: Site) -> None:
    folder = site.write()
    site.save("verdicts.json", {"site_accepted": True, "verdicts": site.verdicts})
    report = build(load(folder, site.contract), "en")
    assert report.state == "not_accepted"
    assert "does not follow it" in report.problems[0]


@pytest.mark.parametrize(
    ("run", "observed", "stamp"),
    [
        ("hardware", "hardware", "hardware"),
        ("simulated", "simulated", "simulated"),
        ("hardware", "simulated", "simulated"),  # the devices themselves say so
        ("simulated", "hardware", "mixed"),
        (None, "hardware", "hardware"),
        ("hardware", None, "unknown"),  # an observation that does not say is no proof of hardware
        ("hardware", "somewhere", "unknown"),
    ],
)
def test_provenance(tmp_path: Path, run: str | None, observed: str | None, stamp: str) -> None:
    site = make_site(tmp_path, provenance=observed)  # type: ignore[arg-type]  # null is what is tested
    folder = site.write()
    site.save("run.json", {**site.run(), "provenance": run})
    report = build(load(folder, site.contract), "zh")
    assert report.provenance == stamp
    assert report.alarming is (stamp != "hardware")


def test_one_simulated_part_in_the_ledger_stamps_the_report(tmp_path: Path) -> None:
    site = make_site(tmp_path, provenance="hardware")
    folder = site.write()
    ledger = site.ledger()
    ledger["inventory_items"][0]["provenance"] = "simulated"
    site.save("../ledger.json", ledger)
    assert build(load(folder, site.contract), "zh").provenance == "mixed"


def test_in_a_mixed_run_each_value_says_where_it_comes_from(tmp_path: Path) -> None:
    site = make_site(tmp_path, provenance="hardware")
    site.verdicts[0]["provenance"] = "simulated"
    report = report_of(site)
    assert report.provenance == "mixed"
    first = report.details[0].matrices[0].rows[0]
    assert first.cells[0].text == "[simulated] 4" and first.cells[1].text == "[measured] 4"


def test_findings_come_by_severity_and_carry_their_remedy(site: Site) -> None:
    report = report_of(site)
    assert [(item.severity, item.verdict, item.clause) for item in report.findings] == [
        ("blocker", "fail", "4.1.1-3"),
        ("blocker", "fail", "4.1.2-2"),
        ("blocker", "unknown", "4.1.1-3"),
        ("minor", "unknown", "4.1.1-3"),
    ]
    assert report.findings[0].remedy == "Reseat or replace NPU3, then check again."
    assert report.findings[2].remedy == "升级BMC固件后重试 / update the BMC firmware"  # plain text in any language
    assert report.findings[3].remedy == report.words("findings.no_remedy")
    assert report.findings[3].reason == "no time in the Manager resource"
    waived = report.waived[0]
    assert "by 甲方代表; until 2026-12-31" in waived.reason and waived.subjects == "BMC node1"


def test_a_waiver_of_the_inventory_is_told_when_the_verdict_has_none(site: Site) -> None:
    site.set("hardware.fan_health", "node1", waiver=None)
    folder = site.write()
    run = site.run()
    run["inventory"]["waivers"] = [
        {"check": "hardware.fan_health", "subject": "node2", "reason": "other", "by": "x", "until": "2027-01-01"},
        {"check": "hardware.fan_health", "subject": "node1", "reason": "ours", "by": "y", "until": "2027-01-02"},
    ]
    site.save("run.json", run)
    waived = build(load(folder, site.contract), "en").waived[0]
    assert "Waived: ours; by y; until 2027-01-02" in waived.reason


def test_equal_findings_of_many_subjects_are_told_once(tmp_path: Path) -> None:
    site = make_site(tmp_path, nodes=20)
    for node in site.node_names():
        site.set("hardware.psu_count", node, verdict="fail", observed=3, reason="a PSU is missing", remedy="plug it in")
    report = report_of(site)
    finding = next(item for item in report.findings if item.check == "hardware.psu_count")
    assert finding.observed == "3"
    assert finding.subjects.endswith("and more: 20 in all") and "node12" in finding.subjects


def test_three_nodes_keep_a_column_each(site: Site) -> None:
    table = report_of(site).details[0].matrices[0]
    assert [column.title for column in table.columns] == ["node1", "node2", "node3"]
    assert len(table.rows) == len(CHECKS) and not table.wide
    npu = next(row for row in table.rows if row.check == "hardware.npu_count")
    assert [(cell.verdict, cell.text) for cell in npu.cells] == [("pass", "8"), ("fail", "7"), ("pass", "8")]


def test_a_hundred_nodes_share_columns_and_the_odd_ones_stand_out(tmp_path: Path) -> None:
    site = make_site(tmp_path, nodes=100)
    site.verdicts[0]["observed"] = 5  # a pass with another value does not break a group, the value then reads "varies"
    tables = report_of(site).details[0].matrices
    assert len(tables) == 1
    assert [column.title for column in tables[0].columns] == ["node1", "node2", "node3", "97 subjects: node4 … node100"]
    assert tables[0].columns[-1].members[:2] == ("node4", "node5")
    assert tables[0].shared == (tables[0].columns[-1],)


@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.sampled_from("abc"), st.sampled_from([*WORST_FIRST, "odd", None])), max_size=90
    )
)
def test_a_matrix_neither_loses_nor_improves_a_verdict(rows: list[tuple[int, str, str | None]]) -> None:
    verdicts = [
        {"check": check, "subject": {"kind": "bmc", "id": f"n{number}"}, "verdict": word, "observed": number}
        for number, check, word in rows
    ]
    tables = matrix.build(
        verdicts,
        title=lambda item: item["check"],
        expected=lambda _: "",
        observed=lambda item: str(item["observed"]),
        varies="varies",
        group=lambda first, last, count: f"{first}..{last} {count}",
    )
    shown: dict[tuple[str, str], str] = {}
    for table in tables:
        assert len(table.columns) <= LANDSCAPE_COLUMNS
        for row in table.rows:
            for column, cell in zip(table.columns, row.cells, strict=True):
                for member in column.members:
                    if cell.verdict:
                        assert (member, row.check) not in shown
                        shown[member, row.check] = cell.verdict
    wanted: dict[tuple[str, str], list[str]] = {}
    for number, check, word in rows:
        wanted.setdefault((f"n{number}", check), []).append(verdict_word(word))
    assert shown == {key: worst(words) for key, words in wanted.items()}


def test_the_ledger_counts_what_is_in_place(site: Site) -> None:
    assets = report_of(site).assets
    assert [row[0] for row in assets.devices] == ["node1", "node2", "node3"]
    assert assets.devices[0][4] == "2102314TWN10P0000001" and assets.devices[0][8] == "R01 U8"
    assert [(row[0], row[5]) for row in assets.parts] == [
        *(("CPU", "12"), ("NPU", "24"), ("memory", "96"), ("drive", "18"), ("power supply", "12")),
        *(("fan", "24"), ("network adapter", "3")),
    ]
    text = "\n".join(row[3] for row in assets.serials)
    assert text.count("MEMORY") == 2 * 96 and "GONE-SERIAL" not in text
    assert assets.events == [("2026-11-20T01:00:00Z", "node2 NPU3", "NPU", "NPU-OLD-1", "removed")]
    assert assets.outliers[0][:4] == ("node2", "memory MEMORY12 model", "M393B", "M393A (2/3)")


def test_the_survey_lists_what_needs_action_first(site: Site) -> None:
    survey = report_of(site).survey
    assert [(item.verdict, item.limit, item.value) for item in survey.items] == [
        ("fail", "≤ 80 %", "91 %"),
        ("unknown", "≤ 80 %", "—"),
        ("pass", "≤ 80 %", "74.2 %"),
    ]
    assert survey.items[0].remedy == "Move node3 to R02, or fit a 7.4 kW feed."
    assert survey.items[1].remedy == "missing: grounding_ohm"
    assert [figure.name for figure in survey.figures] == ["rack-R01"]


def test_changed_and_missing_evidence_is_told(site: Site) -> None:
    folder = site.write()
    path = folder / "observations" / "bmc-node1-bmc_info.json"
    path.write_text(path.read_text() + " ")
    (folder / "observations" / "bmc-node2-bmc_info.json").unlink()
    (folder / "raw" / "node3-redfish.json").write_text("{}")
    problems = build(load(folder, site.contract), "en").problems
    assert set(problems) == {
        "Evidence raw/node3-redfish.json differs from the digest that the verdict names",
        "Evidence observations/bmc-node2-bmc_info.json that a verdict names is not in the run folder",
        "Evidence observations/bmc-node1-bmc_info.json differs from the digest that the verdict names",
    }


def test_links_in_a_run_folder_are_not_followed(site: Site, tmp_path: Path) -> None:
    folder = site.write()
    secret = tmp_path / "secret.svg"
    secret.write_text('<svg xmlns="http://www.w3.org/2000/svg"><text>secret</text></svg>')
    (folder / "figures" / "rack-X.svg").symlink_to(secret)
    (folder / "raw" / "link.txt").symlink_to("/etc/hostname")
    data = load(folder, site.contract)
    assert [name for name, _ in data.figures] == ["rack-R01.svg"]
    assert all(item.file != "raw/link.txt" for item in data.raw)
