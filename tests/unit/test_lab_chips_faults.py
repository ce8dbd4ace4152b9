"""The faults of the NPU chips: each shows in the tool that is asked, in the BMC where that sees it, and heals."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from lab import physics
from lab.faults import Engine, load
from lab.npu import smi
from lab.world import World
from tests.unit.lab_chips_helpers import ascend_dmi, world

CLAUSE = "4.1.3-2"
Sees = Callable[[World], bool]


def info(site: World, *argv: str) -> str:
    return smi.info(site.read("node1"), argv)[0]


def measured(site: World, way: str, device: int = 2) -> float:
    text, rc = ascend_dmi(site, "--bw", "-t", way, "-d", str(device), "-q", "--fmt", "json")
    assert rc == 0
    return float(json.loads(text)["bandwidths"][0]["results"][-1]["bandwidth"].split()[0])


def counter(site: World, name: str) -> int:
    found = re.search(rf"{name} +: (\d+)", info(site, "-t", "ecc", "-i", "2", "-c", "0"))
    assert found
    return int(found[1])


def pair(site: World) -> float:
    text, _ = ascend_dmi(site, "--bw", "-t", "p2p", "--ds", "2", "--dd", "4", "-q", "--fmt", "json")
    return float(json.loads(text)["bandwidths"][0]["results"][-1]["bandwidth"].split()[0])


def bmc_health(site: World, slot: str) -> str | None:
    return next(part.health for part in physics.view(site.read("node1")).npus if part.slot == slot)


SHOWS: dict[str, Sees] = {
    "npu_seven_of_eight": lambda site: (
        "Total Count                    : 7" in info(site, "-l") and bmc_health(site, "NPU6") is None
    ),
    "npu_half_memory": lambda site: "HBM Capacity(MB)               : 32768" in info(site, "-t", "memory", "-i", "2"),
    "npu_chip_warning": lambda site: "| Warning " in info(site) and bmc_health(site, "NPU3") == "Warning",
    "npu_chip_alarm": lambda site: "| Alarm " in info(site) and bmc_health(site, "NPU3") == "Critical",
    "npu_ecc_double_bit": lambda site: (
        counter(site, "HBM Double Bit Error Count") == 2 and bmc_health(site, "NPU3") == "OK"
    ),
    "npu_isolated_pages": lambda site: (
        counter(site, "HBM Single Bit Isolated Pages Count") + counter(site, "HBM Double Bit Isolated Pages Count")
        == 96
    ),
    "npu_hot": lambda site: (
        " 97 " in info(site)
        and getattr(physics.view(site.read("node1")).sensor("NPU3 Temp"), "severity", None) == "Critical"
        and measured(site, "d2d") < 1000
    ),
    "npu_hccs_link_down": lambda site: "NOK" in info(site, "-t", "hccs", "-i", "4", "-c", "0") and pair(site) < 15,
    "npu_pair_slow": lambda site: "NOK" not in info(site, "-t", "hccs", "-i", "4", "-c", "0") and 15 < pair(site) < 22,
    "npu_hbm_slow": lambda site: measured(site, "d2d") < 1100,
    "npu_pcie_slow": lambda site: measured(site, "h2d") < 13 < measured(site, "d2h"),
    "npu_in_use": lambda site: "48213" in info(site, "-t", "proc-mem", "-i", "2"),
    "npu_in_use_unlisted": lambda site: (
        info(site).count("No running processes") == 8
        and re.search(r"HBM Usage Rate\(%\) +: 48", info(site, "-t", "usages", "-i", "2")) is not None
    ),
    "ascend_dmi_error": lambda site: (
        ascend_dmi(site, "--bw", "-q", "--fmt", "json")
        == ('{\n    "error": {\n        "code": 2,\n        "description": "internal error"\n    }\n}\n', 0)
    ),
}


@pytest.mark.parametrize(("name", "sees"), SHOWS.items())
def test_a_fault_shows_and_heals(tmp_path: Path, name: str, sees: Sees) -> None:
    site = world(tmp_path, nodes=2)
    engine = Engine(site)
    before = site.read("node1")
    assert not sees(site)
    engine.plant("node1", name)
    assert sees(site)
    engine.heal("node1", name)
    assert site.read("node1") == before


def test_every_demanded_fault_is_in_the_catalogue() -> None:
    catalogue = load()
    for name in (*SHOWS, "ascend_dmi_missing"):
        row = catalogue[name]
        assert (row.clause, row.check.partition(".")[0], row.kind) == (CLAUSE, "npu", "nodes")
        assert row.names in ("node2", "node2/NPU3")
        assert row.verdict in ("fail", "unknown")


def test_the_missing_tool_is_the_one_that_nodes_have() -> None:
    [change] = load()["ascend_dmi_missing"].files
    assert change.removes
    assert change.path == "/usr/local/Ascend/toolbox/latest/Ascend-DMI/bin/ascend-dmi"


def test_faults_of_both_ends_of_a_link_heal_in_any_order(tmp_path: Path) -> None:
    site = world(tmp_path, nodes=2)
    engine = Engine(site)
    before = site.read("node1")
    for name in ("npu_hccs_link_down", "npu_pair_slow", "npu_seven_of_eight"):
        engine.plant("node1", name)
    for name in ("npu_pair_slow", "npu_seven_of_eight", "npu_hccs_link_down"):
        engine.heal("node1", name)
    assert site.read("node1") == before
