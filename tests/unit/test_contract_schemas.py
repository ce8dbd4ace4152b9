"""Each schema accepts what the toolkit makes and refuses what must not cross the seam."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

import jsonschema
import pytest
from evidence_helpers import bmc_facts, healthy, observed, run

from controller import contract
from controller.contract import Document
from controller.judge import judge
from controller.ledger import empty, update

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
NAMES = sorted(path.name.split(".")[0] for path in (contract.DIRECTORY / "schema").glob("*.schema.json"))
CLAUSE = contract.load().clauses[2]
CHECK_FACT: Document = {"fact": "a", "expect": {"equals": 1}}


@cache
def samples() -> dict[str, Document]:
    verdicts = judge(contract.load(), run(), healthy(), NOW)
    return {
        "observation": observed("bmc", "node1", bmc_facts()).document,
        "run": run(),
        "clause": copy.deepcopy(CLAUSE),
        "verdict": copy.deepcopy(verdicts["verdicts"][0]),
        "verdicts": verdicts,
        "ledger": update(empty("twin"), run(), healthy()),
        "profile": copy.deepcopy(contract.load().profiles["atlas_800t_a2"]),
        "bios_vendors": copy.deepcopy(contract.load().bios_vendors),
    }


def good(name: str) -> Document:
    return copy.deepcopy(samples()[name])


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_a_schema_and_its_references_resolve(name: str) -> None:
    path = contract.DIRECTORY / "schema" / f"{name}.schema.json"
    jsonschema.Draft202012Validator.check_schema(json.loads(path.read_text(encoding="utf-8")))
    contract.problems({}, name)


@pytest.mark.parametrize("name", sorted(samples()))
def test_what_the_toolkit_makes_is_valid(name: str) -> None:
    assert contract.problems(good(name), name) == []


Change = Callable[[Any], object]

BAD: list[tuple[str, str, Change]] = [
    ("observation", "an unknown kind", lambda d: d["subject"].update(kind="toaster")),
    ("observation", "an empty id", lambda d: d["subject"].update(id="")),
    ("observation", "a local time", lambda d: d.update(collected_at="2026-11-24T06:00:00+08:00")),
    ("observation", "no facts", lambda d: d.update(facts=None)),
    ("observation", "an unknown provenance", lambda d: d.update(provenance="hearsay")),
    ("observation", "another version", lambda d: d.update(schema="npuforge.observation/2")),
    ("observation", "a key that nobody knows", lambda d: d.update(secret="x")),
    ("observation", "notes as text", lambda d: d["facts"].update(notes="late")),
    ("observation", "a remedy in one language", lambda d: d["facts"].update(remedies={"a.b": {"en": "do"}})),
    (
        "observation",
        "raw output outside raw/",
        lambda d: d.update(raw=[{"argv": [], "rc": 0, "seconds": 0, "sha256": "0" * 64, "file": "../x"}]),
    ),
    ("run", "a site that is a path", lambda d: d.update(site="../etc")),
    ("run", "a run id that is a path", lambda d: d.update(run_id="../../x")),
    ("run", "no inventory", lambda d: d.pop("inventory")),
    ("run", "a stage in an unknown state", lambda d: d["stages"]["hardware"].update(state="half")),
    ("clause", "no tender text", lambda d: d.update(tender="")),
    ("clause", "two operators", lambda d: d["checks"][0].update(expect={"equals": 1, "min": 2})),
    ("clause", "an operator that nobody knows", lambda d: d["checks"][0].update(expect={"about": 1})),
    ("clause", "a remedy in one language", lambda d: d["checks"][0].update(remedy={"zh": "修"})),
    ("clause", "an order over one subject", lambda d: d["checks"][0].update(expect={"all_equal": True})),
    ("clause", "a manual check with a fact", lambda d: d["checks"][0].update(manual=True)),
    ("clause", "a reference to both", lambda d: d["checks"][0].update(expect={"min": {"profile": "a", "site": "b"}})),
    ("clause", "neither fact nor manual", lambda d: d["checks"][0].pop("fact")),
    ("clause", "across without comparison", lambda d: d["checks"][0].update(across="bmc", **CHECK_FACT)),
    ("verdict", "a verdict of its own", lambda d: d.update(verdict="probably")),
    ("verdict", "evidence without hash", lambda d: d.update(evidence=["observations/a.json"])),
    ("verdict", "a reason in one language", lambda d: d.update(reason={"en": "because"})),
    ("verdict", "a waiver that waives a pass", lambda d: d.update(waiver={"was": "pass"})),
    ("verdicts", "no clause list", lambda d: d.pop("clauses")),
    ("verdicts", "a negative count", lambda d: d["counts"].update({"pass": -1})),
    ("ledger", "an unknown event", lambda d: d["events"].append({"event": "vanished"})),
    ("ledger", "a device without key", lambda d: d["devices"][0].pop("key")),
    ("ledger", "a part of an unknown kind", lambda d: d["inventory_items"][0].update(kind="lamp")),
    ("profile", "a list as threshold", lambda d: d["expect"].update(npu_count=[8])),
    ("bios_vendors", "neither origin nor platforms", lambda d: d["vendors"][0].pop("platforms")),
    ("bios_vendors", "a fourth answer", lambda d: d["vendors"][1].update(origin="maybe")),
    ("bios_vendors", "no source", lambda d: d["vendors"][1].pop("source")),
]


@pytest.mark.parametrize(("name", "what", "change"), BAD, ids=[f"{name}: {what}" for name, what, _ in BAD])
def test_what_must_not_cross_the_seam_is_refused(name: str, what: str, change: Change) -> None:
    document = good(name)
    change(document)
    assert contract.problems(document, name), what


FAULT = {
    "psu_unplugged": {
        "kind": "nodes",
        "does": "feed B is lost",
        "clause": "4.1.1-3",
        "check": "hardware.psu_health",
        "verdict": "fail",
        "set": [{"path": "psus[PSU3].input_connected", "value": False}],
    }
}


def test_faults() -> None:
    assert contract.problems(FAULT, "faults") == []
    for key, value in (("kind", "racks"), ("verdict", "waived"), ("set", []), ("clause", "9")):
        assert contract.problems({"psu_unplugged": {**FAULT["psu_unplugged"], key: value}}, "faults")


def test_an_unknown_schema_is_named() -> None:
    with pytest.raises(contract.ContractError, match="no schema named 'moon'"):
        contract.problems({}, "moon")


def test_problems_of_an_endless_document_are_bounded() -> None:
    assert len(contract.problems([{} for _ in range(500)], "clauses")) == 20
