"""The three-valued answer to "is this BIOS domestic?", on the strings that real trees and documents show."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from evidence_helpers import bmc_facts, node_facts, observed, run, unreachable
from hypothesis import given, settings
from hypothesis import strategies as st

from controller import contract
from controller.bios_origin import architecture, decide
from controller.contract import Document
from controller.judge import judge

LAW = contract.load()
VENDORS = LAW.bios_vendors
OEM = "firmware_inventory.oem.manufacturer"


def answer(*values: Any, platform: str | None = "arm", source: str = OEM) -> str:
    return decide([{"source": source, "value": value} for value in values], platform, VENDORS).answer


@pytest.mark.parametrize(
    ("values", "platform", "expected"),
    [
        (["Huawei"], "arm", "domestic"),
        (["HUAWEI"], "arm", "domestic"),
        ([" Huawei Technologies Co., Ltd. "], "arm", "domestic"),
        (["华为技术有限公司"], "arm", "domestic"),
        # x86 Purley boards of Huawei run Insyde code: the name proves nothing there
        (["Huawei"], "x86", "undetermined"),
        (["Huawei"], None, "undetermined"),
        (["Huawei"], "loongarch", "undetermined"),
        (["Huawei", "Insyde Corp."], "x86", "foreign"),
        (["Huawei", "American Megatrends Inc."], "arm", "undetermined"),
        (["KunLun BIOS V4.0"], "arm", "domestic"),
        (["Byosoft"], "arm", "undetermined"),
        (["Inspur"], "x86", "undetermined"),
        (["AMI"], "x86", "foreign"),
        (["American Megatrends International, LLC."], "arm", "foreign"),
        (["INSYDE Corp."], "x86", "foreign"),
        (["Phoenix Technologies LTD"], "x86", "foreign"),
        (["Dell Inc."], "x86", "foreign"),
        # names inside other words are not names
        (["Miami Firmware Works"], "arm", "undetermined"),
        (["NotHuaweiAtAll"], "arm", "undetermined"),
        (["Contoso"], "arm", "undetermined"),
        (["Huawei", "Contoso"], "arm", "undetermined"),
        (["", None, "  "], "arm", "undetermined"),
        ([], "arm", "undetermined"),
    ],
)
def test_answers(values: list[Any], platform: str | None, expected: str) -> None:
    assert answer(*values, platform=platform) == expected


def test_a_bare_version_neither_proves_nor_disturbs() -> None:
    version = {"source": "bios.version", "value": "7.44"}
    assert decide([version], "arm", VENDORS).answer == "undetermined"
    assert decide([version, {"source": OEM, "value": "Huawei"}], "arm", VENDORS).answer == "domestic"


def test_a_version_that_names_its_maker_counts() -> None:
    version = {"source": "bios.version", "value": "KunLun BIOS V4.0"}
    assert decide([version], "arm", VENDORS).answer == "domestic"


def test_the_machine_and_its_cpu_do_not_name_the_maker_of_the_firmware() -> None:
    context = [
        {"source": "system.manufacturer", "value": "Huawei"},
        {"source": "system.model", "value": "Atlas 800T A2"},
        {"source": "cpu.manufacturer", "value": "Intel"},
    ]
    assert decide(context, "arm", VENDORS).answer == "undetermined"
    assert decide([{"source": OEM, "value": "Huawei"}, *context], "arm", VENDORS).answer == "domestic"


def test_the_reason_names_what_was_read_and_on_what_ground() -> None:
    origin = decide([{"source": OEM, "value": "Huawei"}], "arm", VENDORS)
    for text in origin.reason.values():
        assert f"{OEM}: Huawei" in text
        assert "EDOC1100114905" in text
    assert "一" <= decide([], "arm", VENDORS).reason["zh"][0] <= "鿿"


@pytest.mark.parametrize("evidence", [None, "Huawei", 7, {"source": "x", "value": "Huawei"}])
def test_evidence_of_another_shape_decides_nothing(evidence: Any) -> None:
    assert decide(evidence, "arm", VENDORS).answer == "undetermined"


FOREIGN = [name for vendor in VENDORS["vendors"] if vendor.get("origin") == "foreign" for name in vendor["names"]]


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.text(max_size=12), max_size=3), st.sampled_from(FOREIGN), st.sampled_from(["arm", "x86", None]))
def test_a_foreign_name_is_never_domestic(words: list[str], foreign: str, platform: str | None) -> None:
    assert answer(*words, foreign, platform=platform) != "domestic"
    assert answer(foreign, *words, "Huawei", platform=platform) != "domestic"


@settings(deadline=None)  # the machine may be busy
@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=5))
def test_any_evidence_gets_an_answer(evidence: Any) -> None:
    assert decide(evidence, None, VENDORS).answer in ("foreign", "undetermined")


def test_the_platform_is_that_of_the_fitted_cpus() -> None:
    facts = bmc_facts()
    assert architecture(facts) == "arm"
    for part in facts["cpu"]["parts"]:
        part.update(architecture="x86", model="Xeon Gold 6148")
    assert architecture(facts) == "x86"
    facts["cpu"]["parts"][0].update(architecture="ARM", model=None)
    assert architecture(facts) is None, "the CPUs disagree"
    facts["cpu"]["parts"][0]["state"] = "absent"
    assert architecture(facts) == "x86"


@pytest.mark.parametrize("cpu", [None, [], "arm", {"parts": None}, {"parts": [None, {"architecture": None}]}])
def test_a_platform_that_cannot_be_seen_is_not_guessed(cpu: Any) -> None:
    assert architecture({"cpu": cpu}) is None


def ruling(bmc: Document, node: Document | None) -> Document:
    """The verdict of hardware.bios_domestic on node1, whose BMC and system tell these facts."""
    seen = [observed("bmc", "node1", bmc)]
    seen += [] if node is None else [observed("node", "node1", node, collector="node_identity")]
    document = judge(LAW, run(nodes=1), seen, datetime(2026, 11, 24, 12, tzinfo=UTC))
    assert contract.problems(document, "verdicts") == []
    (row,) = [row for row in document["verdicts"] if row["check"] == "hardware.bios_domestic"]
    return dict(row)


def of_vendor(bmc_says: list[str] | None, system_says: Any) -> tuple[Document, Document]:
    """Facts of a BMC that gives these makers (None: it cannot be seen), and of a system whose dmidecode says that."""
    bmc, node = bmc_facts(), node_facts()
    bmc["bios"]["vendor_evidence"] = (
        None if bmc_says is None else [{"source": OEM, "value": value} for value in bmc_says]
    )
    node["dmi"]["bios_vendor"] = system_says
    return bmc, node


@pytest.mark.parametrize(
    ("bmc_says", "system_says", "verdict"),
    [
        (["Huawei"], "Huawei Corp.", "pass"),
        ([], "Huawei Corp.", "pass"),  # an iBMC, which names no maker: the system decides
        (None, "Huawei Corp.", "pass"),
        ([], "American Megatrends International, LLC.", "fail"),
        (["Huawei"], "American Megatrends International, LLC.", "unknown"),  # a contradiction decides nothing
        (["American Megatrends Inc."], "Huawei Corp.", "unknown"),
        (["Huawei"], "Contoso", "unknown"),
        (["Huawei"], None, "pass"),
        ([], None, "unknown"),
        ([], 7, "unknown"),
        (None, None, "unknown"),
    ],
)
def test_the_system_is_heard_beside_the_bmc(bmc_says: list[str] | None, system_says: Any, verdict: str) -> None:
    row = ruling(*of_vendor(bmc_says, system_says))
    assert row["verdict"] == verdict, row["reason"]
    assert row["reason"]["zh"]
    heard = any("node-node1" in reference for reference in row["evidence"])
    assert heard == (system_says is not None), "who was heard is named as evidence, and nobody else"


def test_a_contradiction_names_both_sides_and_their_sources() -> None:
    reason = ruling(*of_vendor(["Huawei"], "American Megatrends Inc."))["reason"]["en"]
    assert f"{OEM}: Huawei" in reason
    assert "dmidecode: American Megatrends Inc." in reason


def test_without_the_system_the_bmc_decides_alone_and_a_silent_bmc_stays_undetermined() -> None:
    bmc, _ = of_vendor(["Huawei"], None)
    assert ruling(bmc, None)["verdict"] == "pass"
    bmc, _ = of_vendor([], None)
    assert ruling(bmc, None)["verdict"] == "unknown"


def test_an_unreachable_bmc_leaves_a_name_that_proves_nothing_without_its_platform() -> None:
    assert ruling(unreachable(), node_facts())["verdict"] == "unknown"
