"""All NPUs of a node in one reading: places, generation, counts, health, and what could not be seen."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hccn_helpers import by_kind
from npu_smi_helpers import SmiTool, board, chip, closing, healthy
from npuforge.ascend import npu_info

from controller import contract

Answer = Callable[[list[str]], "tuple[int | None, str]"]


def facts_of(answer: Answer) -> dict[str, Any]:
    made = npu_info.observations("node2", npu_info.read(SmiTool(answer)), False)
    for entry in made:
        contract.validate({**entry["observation"], "raw": []}, "observation")
        assert json.loads(json.dumps(entry)) == entry
    return dict(by_kind(made))


def instead(answer: Answer, words: list[str], rc: int | None, text: str) -> Answer:
    return lambda asked: (rc, text) if asked == words else answer(asked)


def test_eight_npus_are_read_whole() -> None:
    tool = SmiTool(healthy([chip(n) for n in range(8)]))
    made = npu_info.observations("node2", npu_info.read(tool), False)
    facts = dict(by_kind(made))
    node = facts["node2"]["npu_smi"]
    assert (node["npu_count"], node["chip_count"], node["generation"], node["unhealthy"]) == (8, 8, "910B", [])
    assert (node["tool"], node["incompatible"]) == ({"present": True, "version": "25.5.1"}, [])
    assert (node["driver_versions"], node["calls"]) == (["25.5.1"], 4 + 4 * 8)
    assert len(tool.log) == node["calls"] == len(made[0]["raw"])
    assert len({row["name"] for row in made[0]["raw"]}) == len(made[0]["raw"])
    assert facts["node2"]["notes"] == []
    third = facts["node2/NPU3"]
    assert (third["npu_id"], third["logic_id"], third["power_watts"], third["hbm_used_mib"]) == (2, 2, 92.0, 3302)
    assert (third["board"]["serial"], third["ecc"]["hbm_single_bit"], third["idle"]) == ("SN0002", 3, True)
    assert (third["health"], third["health_report"]["health"], third["health_problems"]) == ("OK", "OK", [])
    assert third["notes"] == []


def test_ids_of_small_machines_keep_their_order() -> None:
    facts = facts_of(healthy([chip(n) for n in (224, 5, 1792)]))
    assert [facts[f"node2/NPU{place}"]["npu_id"] for place in (1, 2, 3)] == [5, 224, 1792]


def test_two_dies_of_an_a3_card_are_two_places_by_physical_id() -> None:
    dies = [chip(npu, die, phy=npu + 2 * die, name="Ascend910") for npu in range(2) for die in range(2)]
    facts = facts_of(healthy(dies, "0xD803"))
    assert [(facts[f"node2/NPU{n}"]["npu_id"], facts[f"node2/NPU{n}"]["chip_id"]) for n in (1, 2, 3, 4)] == [
        (0, 0),
        (1, 0),
        (0, 1),
        (1, 1),
    ]
    assert {facts[f"node2/NPU{n}"]["generation"] for n in (1, 2, 3, 4)} == {"A3"}
    assert (facts["node2"]["npu_smi"]["npu_count"], facts["node2"]["npu_smi"]["chip_count"]) == (2, 4)


def test_a_910a_that_calls_itself_910b_is_a_910a() -> None:
    facts = facts_of(healthy([chip(0, name="910B", total=32768)], "0xD801"))
    assert (facts["node2/NPU1"]["name"], facts["node2/NPU1"]["generation"]) == ("910B", "910A")


def test_a_sick_npu_is_named_with_its_error() -> None:
    report = (
        "\tHealth Status    : Alarm\n\tError Code       : 80E3A203\n\tError Information: node type=LPM,\n"
        "\t                   state=bad\n"
    )
    answer = instead(healthy([chip(0), chip(1, health="Alarm")]), ["-t", "health", "-i", "1"], 0, closing(1, report))
    facts = facts_of(answer)
    assert facts["node2/NPU2"]["health_problems"] == ["health is Alarm", "error 80E3A203: node type=LPM, state=bad"]
    assert facts["node2"]["npu_smi"]["unhealthy"] == [
        "NPU 1 chip 0: health is Alarm",
        "NPU 1 chip 0: error 80E3A203: node type=LPM, state=bad",
    ]


def test_driver_and_firmware_that_do_not_match() -> None:
    answer = healthy([chip(0), chip(1)])
    bad = instead(answer, ["-t", "board", "-i", "1"], 0, board(1, compatibility="NOK"))
    assert facts_of(bad)["node2"]["npu_smi"]["incompatible"] == ["NPU 1: driver and firmware do not match (NOK)"]
    silent = instead(answer, ["-t", "board", "-i", "1"], 0, board(1, compatibility="UNKNOWN"))
    assert facts_of(silent)["node2"]["npu_smi"]["incompatible"] is None


def test_a_count_on_which_table_and_list_differ_is_none() -> None:
    node = facts_of(instead(healthy([chip(0), chip(1)]), ["-l"], 0, healthy([chip(0)])(["-l"])[1]))["node2"]
    assert node["npu_smi"]["npu_count"] is None
    assert [row["where"] for row in node["notes"]] == ["npu_smi.npu_count"]


def test_a_chip_that_only_the_list_knows_is_there_with_nulls() -> None:
    cut = healthy([chip(0)])([])[1]
    facts = facts_of(instead(healthy([chip(0), chip(1)]), [], 0, cut))
    second = facts["node2/NPU2"]
    assert (second["npu_id"], second["health"], second["board"]["serial"]) == (1, None, "SN0001")
    assert "the table of npu-smi info does not have this chip" in second["notes"][0]["problem"]


def test_an_answer_about_another_npu_is_refused() -> None:
    facts = facts_of(instead(healthy([chip(0), chip(1)]), ["-t", "board", "-i", "1"], 0, board(0)))
    assert facts["node2/NPU2"]["board"] is None
    assert {"where": "board", "problem": "the answer is about NPU 0"} in facts["node2/NPU2"]["notes"]


def test_a_layout_that_nobody_knows_is_told_as_such() -> None:
    facts = facts_of(lambda words: (0, "npu-smi 29.0 report\n* npu 0 ascend ok 91.2\n"))
    assert list(facts) == ["node2"]
    assert facts["node2"]["npu_smi"]["npu_count"] is None
    assert facts["node2"]["notes"][0]["problem"] == "unknown layout: npu-smi 29.0 report"


@pytest.mark.parametrize(
    ("rc", "text", "present", "why"),
    [
        (127, "No such file or directory", False, "is the driver installed?"),
        (None, "", True, "gave no answer within"),
        (1, "dcmi model initialized failed, because the device is used. ret is -8020\n", True, "held by another"),
        (1, "permission denied: pls check this cmd run permission.\n", True, "no permission"),
    ],
)
def test_a_tool_that_gives_nothing_is_asked_once(rc: int | None, text: str, present: bool, why: str) -> None:
    tool = SmiTool(lambda words: (rc, text))
    [entry] = npu_info.observations("node2", npu_info.read(tool), True)
    facts = entry["observation"]["facts"]
    assert len(tool.log) == 1
    assert facts["npu_smi"]["tool"]["present"] is present
    assert facts["npu_smi"]["unhealthy"] is None
    assert all(why in row["problem"] for row in facts["notes"])
