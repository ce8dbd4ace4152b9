"""The contract's files: complete, word for word, consistent with each other and with the twin."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import yaml

from controller import contract
from controller.judge import STATES
from lab.hardware import Plan, build_node

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("NPUFORGE_SHARED", ROOT.parent / "shared"))
LAW = contract.load()
CHECKS = {check["id"]: (clause, check) for clause, check in LAW.checks()}

HARDWARE = [
    "post",
    "bmc_readable",
    "bmc_tls",
    "cpu_count",
    "cpu_health",
    "npu_count",
    "npu_health",
    "dimm_count",
    "dimm_health",
    "memory_total",
    "drive_count",
    "drive_health",
    "fan_count",
    "fan_health",
    "psu_count",
    "psu_health",
    "bios_domestic",
    "bios_uniform",
    "serial_recorded",
    "serial_unique",
    "serial_matches",
    "bmc_clock",
    "switch_recorded",
    "switch_health",
]


def tender_lines() -> list[str]:
    """The numbered part of the tender (4.1 to 4.5), without headings and without what introduces a list."""
    path = SHARED / "tender.txt"
    if not path.is_file():
        pytest.skip("shared fixtures are not beside this checkout")
    text = path.read_text(encoding="utf-8")
    body = text[text.index("4.1 环境准备") : text.index("5. 其他要求")]
    lines = [line.strip() for line in body.splitlines() if line.strip()]
    heading = re.compile(r"4\.\d(\.\d)? |\d\) ")
    lines = [line for line in lines if not heading.match(line) and not line.endswith("具体包括：")]
    return [re.sub(r"^\d\. ", "", line) for line in lines]


def test_every_sentence_of_the_tender_is_a_clause_word_for_word() -> None:
    ours = [line for clause in LAW.clauses for line in clause["tender"].splitlines()]
    assert ours == tender_lines()


def test_clauses_are_numbered_as_the_tender_numbers_them() -> None:
    groups: dict[str, list[int]] = {}
    for clause in LAW.clauses:
        head, number = clause["id"].split("-")
        groups.setdefault(head, []).append(int(number))
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in groups.values())
    assert {head: len(numbers) for head, numbers in groups.items()} == {
        "4.1.1": 3,
        "4.1.2": 2,
        "4.1.3": 4,
        "4.1.4": 3,
        "4.2.1": 4,
        "4.2.2": 2,
        "4.2.3": 3,
        "4.3.1": 4,
        "4.3.2": 3,
        "4.3.3": 2,
        "4.4.1": 4,
        "4.4.2": 2,
        "4.4.3": 4,
        "4.5.1": 3,
        "4.5.2": 2,
        "4.5.3": 1,
    }


def test_the_hardware_checks_are_all_there() -> None:
    assert {f"hardware.{name}" for name in HARDWARE} <= set(CHECKS)
    assert {CHECKS[f"hardware.{name}"][0]["id"] for name in HARDWARE} == {"4.1.1-3"}


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_each_check_speaks_both_languages(name: str) -> None:
    _, check = CHECKS[name]
    for text in (check["title"], check["remedy"]):
        assert re.search(r"[\u4e00-\u9fff]", text["zh"]), "no Chinese in the Chinese text"
        assert not re.search(r"[\u4e00-\u9fff]", text["en"]), "Chinese in the English text"


def test_a_health_check_never_passes_on_what_nobody_saw() -> None:
    for name, (_, check) in CHECKS.items():
        if name.startswith("hardware.") and name.endswith("_health"):
            facts = {condition["fact"].split(".")[1] for condition in check["given"]}
            assert facts == {"present_count", "unknown_health"}, name


def test_the_profile_of_the_twin_agrees_with_its_healthy_node() -> None:
    node = build_node(Plan(), 1)
    expect = LAW.profiles["atlas_800t_a2"]["expect"]
    counted = {
        "cpu_count": len(node["cpus"]),
        "npu_count": len(node["npus"]),
        "dimm_count": len(node["dimms"]),
        "memory_total_mib": sum(dimm["capacity_mib"] for dimm in node["dimms"]),
        "drive_count": len(node["drives"]),
        "fan_count": len(node["fans"]),
        "psu_count": len(node["psus"]),
        "chip_hbm_mib": node["npus"][0]["hbm_mib"],
    }
    assert {key: expect[key] for key in counted} == counted
    assert LAW.profiles["atlas_800t_a2"]["model"] == node["model"]


def test_profiles_know_the_same_keys() -> None:
    keys = {frozenset(profile["expect"]) for profile in LAW.profiles.values()}
    assert len(LAW.profiles) == 2
    assert len(keys) == 1


def test_every_fault_of_the_twin_is_caught_by_a_check_that_exists() -> None:
    faults = yaml.safe_load((ROOT / "lab" / "faults.yml").read_text(encoding="utf-8"))
    assert contract.problems(faults, "faults") == []
    for name, fault in faults.items():
        assert fault["check"] in CHECKS, name
        assert CHECKS[fault["check"]][0]["id"] == fault["clause"], name


def test_a_foreign_vendor_is_not_named_as_a_domestic_one() -> None:
    names: dict[str, str] = {}
    for vendor in LAW.bios_vendors["vendors"]:
        for name in vendor["names"]:
            assert names.setdefault(name.lower(), vendor["id"]) == vendor["id"]


def test_the_verdict_schema_and_the_judge_know_the_same_states() -> None:
    verdict = {"pass", "fail", "unknown", "manual", "waived", "not_run"}
    assert set(STATES) == verdict


def write_contract(tmp_path: Path, clauses: str) -> Path:
    for name in ("profiles", "bios_vendors.yml", "switches.yml"):
        (tmp_path / name).symlink_to(contract.DIRECTORY / name)
    (tmp_path / "clauses.yml").write_text(clauses, encoding="utf-8")
    return tmp_path


CHECK = """
- id: 4.1.1-1
  title: {zh: 甲, en: a}
  tender: 句
  proof: measured
  checks:
    - {id: x.one, title: {zh: 甲, en: a}, subjects: bmc, fact: a.b, expect: {equals: {profile: KEY}}, severity: major,
       remedy: {zh: 甲, en: a}}
"""


def test_a_check_that_refers_to_a_key_no_profile_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(contract.ContractError, match=r"x\.one: no profile knows 'lamp_count'"):
        contract.load(write_contract(tmp_path, CHECK.replace("KEY", "lamp_count")))


def test_ids_that_occur_twice_are_refused(tmp_path: Path) -> None:
    with pytest.raises(contract.ContractError, match=r"4\.1\.1-1 occurs twice; x\.one occurs twice"):
        contract.load(write_contract(tmp_path, CHECK.replace("KEY", "npu_count") * 2))


def test_all_faults_of_a_contract_are_named_at_once(tmp_path: Path) -> None:
    broken = CHECK.replace("measured", "felt").replace("severity: major", "severity: grave")
    with pytest.raises(contract.ContractError) as caught:
        contract.load(write_contract(tmp_path, broken))
    assert "felt" in str(caught.value)
    assert "grave" in str(caught.value)


def test_a_contract_that_is_no_yaml_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(contract.ContractError, match=r"clauses\.yml"):
        contract.load(write_contract(tmp_path, "- {"))
