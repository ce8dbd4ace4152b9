"""Every captured tree is read over HTTPS and held against EXPECT.tsv: the expected value, or null with a reason.

``KNOWN`` says what must not be null, so that a reader that sees nothing does not pass.
"""

from __future__ import annotations

import csv
import re
from typing import Any

import pytest
from bmc_helpers import PASSWORD, load_tree, serving, shared
from npuforge.bmc.parse import KINDS
from npuforge.bmc.read import Job, read

FIXTURES = shared() / "fixtures" / "redfish"
EXPECT = FIXTURES / "EXPECT.tsv"
pytestmark = pytest.mark.skipif(not EXPECT.is_file(), reason="shared fixtures are not beside this checkout")

# tree -> what can be seen there (of the columns below).
KNOWN = {
    "dell_idrac9": {"power", "serial", "bios"},
    "dmtf_public-rackmount1": {"power", "serial", "bios", "cpu", "memory", "dimms", "drive", "fan", "psu"},
    "dmtf_public-rackmount1_old": {"power", "serial", "bios", "cpu", "memory", "dimms", "drive", "fan", "psu"},
    "hpe_dl360_ilo5": {"power", "serial", "bios", "cpu", "npu", "drive", "fan", "psu"},
    "hpe_xl675d_a100": {"power", "serial", "bios", "cpu", "memory", "dimms", "npu", "drive", "fan", "psu"},
    "huawei_ibmc_2288hv5_docs": {"power", "serial", "bios", "cpu", "memory", "dimms", "drive", "fan", "psu"},
    "lenovo_xcc": {"power", "serial", "bios", "fan", "psu"},
    "supermicro_x10": {"power", "serial", "bios", "cpu", "memory", "dimms", "fan", "psu"},
}
# Exactly these parts are unhealthy (the column of EXPECT.tsv, as the reader words it).
UNHEALTHY = {
    "dell_idrac9": [],
    "dmtf_public-rackmount1": ["SATA Bay 2: Warning", "Power Supply Bay 1: Warning"],
    "dmtf_public-rackmount1_old": ["SATA Bay 2: Warning", "Power Supply Bay: Warning"],
    "hpe_dl360_ilo5": [],
    "hpe_xl675d_a100": [
        "controller HPE Smart Array P408i-a SR Gen10: Critical",
        "Slot=25:Port=1I:Box=3:Bay=4: Warning",
        "Slot=25:Port=Unknown:Box=Unknown:Bay=Unknown: Critical",
    ],
    "huawei_ibmc_2288hv5_docs": ["CPU1: Warning", "PS2: Critical, no input"],
    "lenovo_xcc": [],
    "supermicro_x10": [],
}


def rows() -> list[dict[str, str]]:
    if not EXPECT.is_file():
        return []
    with EXPECT.open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


@pytest.fixture(scope="module")
def read_tree() -> Any:
    done: dict[str, Any] = {}

    def of(name: str) -> Any:
        if name not in done:
            with serving(load_tree(FIXTURES / name)) as server:
                done[name] = read(Job(name, server.target(), ipmi="never"))
        return done[name]

    return of


def number(text: str) -> int | None:
    """The leading count of a column: ``2/4 (SimpleStorage)`` -> 2."""
    found = re.match(r"\d+", text)
    return int(found.group()) if found else None


def drives(text: str) -> int | None:
    """A count, or as many as the column names: ``drive 0: OK ...; drive 3 Critical`` -> 2."""
    return number(text) if number(text) is not None else len(set(re.findall(r"drive \d+", text))) or None


def count(facts: Any, kind: str) -> int | None:
    return facts[kind]["present_count"] if facts[kind] else None


def held(row: dict[str, str], facts: Any) -> dict[str, tuple[Any, Any, str]]:
    """field -> (seen, expected, where its note must be)."""
    total = facts["memory"]["total_mib"] if facts["memory"] else None
    bios = row["bios"]
    inventory = re.search(r"BIOS ([\d.]+)", bios)
    return {
        "power": (facts["power_state"], row["power"].lower(), "power_state"),
        "serial": (facts["identity"]["serial"], row["serial"].split(" ")[0], "identity.serial"),
        "bios": (facts["bios"]["version"], inventory.group(1) if inventory else bios, "bios.version"),
        "cpu": (count(facts, "cpu"), number(row["cpu_present"]), "cpu"),
        "memory": (total, (number(row["memory_GiB"]) or 0) * 1024, "memory"),
        "dimms": (count(facts, "memory"), number(row["dimms"]), "memory"),
        "npu": (count(facts, "npu"), number(row["accel_count"]), "npu"),
        "drive": (count(facts, "drive"), drives(row["drives"]), "drive"),
        "fan": (count(facts, "fan"), number(row["fans"]), "fan"),
        "psu": (count(facts, "psu"), number(row["psus"]), "psu"),
    }


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["tree"])
def test_tree_reads_as_expected_or_says_why_not(row: dict[str, str], read_tree: Any) -> None:
    result = read_tree(row["tree"])
    facts = result["observation"]["facts"]
    assert facts["reachable"] is True
    noted = {note["where"] for note in facts["notes"]}
    for field, (seen, expected, where) in held(row, facts).items():
        if seen is None:
            assert field not in KNOWN[row["tree"]], f"{field} can be seen in this tree"
            assert where in noted, f"{field} is null without a note"
        else:
            assert seen == expected, field
    unhealthy = [text for kind in KINDS if facts[kind] for text in facts[kind]["unhealthy"]]
    assert unhealthy == UNHEALTHY[row["tree"]]
    assert PASSWORD not in str(result)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["tree"])
def test_identity_and_firmware(row: dict[str, str], read_tree: Any) -> None:
    facts = read_tree(row["tree"])["observation"]["facts"]
    assert facts["identity"]["model"] == row["model"]
    assert facts["identity"]["manufacturer"] == (None if row["vendor"] == "Dell" else row["vendor"])
    assert facts["bmc"]["firmware"] == row["bmc"]
    if row["cpu_model"] != "-":
        assert {part["model"] for part in facts["cpu"]["parts"] if part["state"] == "present"} == {row["cpu_model"]}


def test_absent_slots_are_counted_and_their_health_ignored(read_tree: Any) -> None:
    facts = read_tree("hpe_xl675d_a100")["observation"]["facts"]
    assert (facts["psu"]["present_count"], facts["psu"]["absent_count"]) == (4, 2)
    assert facts["psu"]["unhealthy"] == []  # the empty bays say Health Warning
    assert facts["npu"]["source"] == "oem"
    assert {part["model"] for part in facts["npu"]["parts"]} == {"NVIDIA A100-SXM4-40GB"}


def test_an_unreadable_member_leaves_no_count_but_is_named(read_tree: Any) -> None:
    facts = read_tree("hpe_dl360_ilo5")["observation"]["facts"]
    assert facts["memory"]["present_count"] is None
    assert facts["memory"]["total_mib"] is None
    assert len(facts["memory"]["parts"]) == 4
    assert any("proc2dimm12" in note["problem"] for note in facts["notes"] if note["where"] == "memory")


def test_a_machine_that_is_off_proves_nothing(read_tree: Any) -> None:
    facts = read_tree("huawei_ibmc_2288hv5_docs")["observation"]["facts"]
    assert facts["post"]["state"] == "off"
    assert len(facts["memory"]["unknown_health"]) == 8
    assert facts["psu"]["without_input"] == ["PS2"]
    assert facts["bmc"]["dialect"] == "ibmc"
    dell = read_tree("dell_idrac9")["observation"]["facts"]
    assert all(dell[kind] is None for kind in KINDS)


def test_summaries_are_doubted(read_tree: Any) -> None:
    notes = read_tree("supermicro_x10")["observation"]["facts"]["notes"]
    assert any("ProcessorSummary says 20" in note["problem"] for note in notes)


def test_a_device_that_says_it_is_simulated_is_stamped(read_tree: Any) -> None:
    assert read_tree("hpe_dl360_ilo5")["observation"]["provenance"] == "simulated"
    assert read_tree("hpe_xl675d_a100")["observation"]["provenance"] == "hardware"
