"""The way between the chips: all pairs in one call or one by one, slow pairs, sick links, a mesh with holes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from npu_smi_helpers import chip, topo
from npu_validation_helpers import (
    ERROR,
    ONE,
    TWO,
    DmiTool,
    SmiTool,
    hccs,
    matrix_text,
    pair_json,
    progress,
    ready,
    smi,
    sound,
    traffic,
)
from npuforge.ascend import hccs_parse, interconnect
from npuforge.ascend import interconnect_rules as rules
from npuforge.ascend.texts import Reading

from controller import contract

Answer = Callable[[list[str]], "tuple[int | None, str]"]


def run(folder: Path, dmi: DmiTool, tool: SmiTool | None = None, **options: Any) -> dict[str, Any]:
    """The node's facts."""
    result = interconnect.run(
        "node2", ready(dmi, tool or smi()), interconnect.Options(**options), progress=progress(folder), simulated=False
    )
    [entry] = result["observations"]
    contract.validate({**entry["observation"], "raw": []}, "observation")
    assert json.loads(json.dumps(entry)) == entry
    facts: dict[str, Any] = entry["observation"]["facts"]
    return facts


def with_matrix(text: str, rc: int | None = 0) -> Answer:
    """All pairs in one call as ``text``; single pairs as on a healthy node."""
    return lambda words: sound(words) if "--ds" in words else (rc, text)


def test_a_healthy_node_costs_one_call(tmp_path: Path) -> None:
    tool = DmiTool(sound)
    facts = run(tmp_path, tool, chip_count=8, link_count=7, link_gbit_per_s=224)
    seen = facts["interconnect"]
    assert len(tool.log) == 1 and "--fmt" not in tool.log[0]
    assert (seen["topology_problems"], seen["link_problems"], seen["slow_pairs"], seen["failed"]) == ([], [], [], [])
    assert (seen["lowest_one_way_gbytes_per_s"], seen["median_two_way_gbytes_per_s"]) == (ONE, TWO)
    assert seen["topology"][0] == ["X"] + ["HCCS"] * 7
    matrix = seen["one_way_gbytes_per_s"]
    assert [len(row) for row in matrix] == [8] * 8
    assert all(matrix[i][j] == (None if i == j else ONE) for i in range(8) for j in range(8))
    assert len(seen["links"]) == 56
    assert seen["links"][0] == {
        "npu": "NPU1",
        "link": 1,
        "gbit_per_s": 224,
        "retry_count": 0,
        "error_count": 0,
        "ok": True,
    }
    assert facts["notes"] == [] and facts["busy"] == {"refused": False, "chips": []}
    told = json.loads((tmp_path / "test.json").read_text())
    assert (told["done"], told["total"], told["state"]) == (1, 1, "done")


def test_a_slow_pair_is_named_though_it_may_be_fast_enough(tmp_path: Path) -> None:
    text = matrix_text(lambda s, t, way: (22.1 if (s, t) == (2, 5) else ONE) if way == "one" else TWO)
    seen = run(tmp_path, DmiTool(with_matrix(text)))["interconnect"]
    assert seen["slow_pairs"] == ["NPU3 -> NPU6: 22.1 GB/s one way, 16 % below the median of 26.2 GB/s"]
    assert (seen["lowest_one_way_gbytes_per_s"], seen["one_way_gbytes_per_s"][2][5]) == (22.1, 22.1)
    wide = run(tmp_path, DmiTool(with_matrix(text)), below_median_percent=20)["interconnect"]
    assert wide["slow_pairs"] == []


def test_a_matrix_without_unit_is_proven_by_one_pair(tmp_path: Path) -> None:
    text = matrix_text(lambda s, t, way: ONE if way == "one" else TWO, unit="")
    tool = DmiTool(with_matrix(text))
    seen = run(tmp_path, tool)["interconnect"]
    assert len(tool.log) == 2 and seen["lowest_one_way_gbytes_per_s"] == ONE
    megabytes = matrix_text(lambda s, t, way: (ONE if way == "one" else TWO) * 1000, unit="")
    seen = run(tmp_path, DmiTool(with_matrix(megabytes)))["interconnect"]
    assert seen["lowest_two_way_gbytes_per_s"] == pytest.approx(TWO)


def test_numbers_that_no_unit_explains_are_measured_one_by_one(tmp_path: Path) -> None:
    tool = DmiTool(with_matrix(matrix_text(lambda s, t, way: 7.5, unit="")))
    seen = run(tmp_path, tool)["interconnect"]
    assert len(tool.log) == 2 + 56 and seen["lowest_one_way_gbytes_per_s"] == ONE


@pytest.mark.parametrize("text", ["", "Peer to Peer Test\nnew layout\n", ERROR])
def test_without_the_matrix_every_pair_is_asked(tmp_path: Path, text: str) -> None:
    tool = DmiTool(with_matrix(text))
    seen = run(tmp_path, tool)["interconnect"]
    asked = [(words[words.index("--ds") + 1], words[words.index("--dd") + 1]) for words in tool.log[1:]]
    assert len(asked) == len(set(asked)) == 56
    assert (seen["lowest_one_way_gbytes_per_s"], seen["lowest_two_way_gbytes_per_s"]) == (ONE, TWO)
    assert json.loads((tmp_path / "test.json").read_text())["total"] == 57


def test_only_what_the_matrix_lacks_is_asked_again(tmp_path: Path) -> None:
    text = matrix_text(lambda s, t, way: "NA" if (s, t) in ((0, 1), (1, 0)) else ONE if way == "one" else TWO)
    tool = DmiTool(with_matrix(text))
    seen = run(tmp_path, tool)["interconnect"]
    assert len(tool.log) == 3 and seen["failed"] == []


def test_a_pair_without_a_figure_makes_the_lowest_unknown(tmp_path: Path) -> None:
    def answer(words: list[str]) -> tuple[int | None, str]:
        if "--ds" not in words:
            return 0, matrix_text(lambda s, t, way: "NA" if (s, t) == (0, 1) else ONE if way == "one" else TWO)
        return 0, ERROR

    facts = run(tmp_path, DmiTool(answer))
    seen = facts["interconnect"]
    assert seen["failed"] == ["NPU1 -> NPU2: ascend-dmi reports error 2: internal error"]
    assert (seen["lowest_one_way_gbytes_per_s"], seen["slow_pairs"]) == (None, None)
    assert seen["one_way_gbytes_per_s"][0][1] is None and seen["one_way_gbytes_per_s"][1][0] == ONE
    assert "1 pairs gave no figure" in facts["notes"][0]["problem"]


@pytest.mark.parametrize(("rc", "most"), [(None, 2), (127, 1)])
def test_a_dead_tool_ends_in_few_calls(tmp_path: Path, rc: int | None, most: int) -> None:
    tool = DmiTool(lambda words: (rc, "no such file"))
    facts = run(tmp_path, tool)
    assert len(tool.log) == most
    assert facts["interconnect"]["lowest_one_way_gbytes_per_s"] is None
    assert len(facts["interconnect"]["failed"]) == 41


def test_busy_chips_refuse_the_test_but_not_the_reading(tmp_path: Path) -> None:
    tool = DmiTool(sound)
    facts = run(tmp_path, tool, smi([chip(n, hbm=29900 if n == 6 else 3300) for n in range(8)]))
    seen = facts["interconnect"]
    assert tool.log == [] and facts["busy"]["refused"] is True
    assert (seen["topology_problems"], seen["link_problems"], seen["failed"], seen["slow_pairs"]) == (
        [],
        [],
        None,
        None,
    )
    assert "NPU7: 46 %" in facts["notes"][0]["problem"]


def test_traffic_on_the_links_counts_as_use(tmp_path: Path) -> None:
    def special(words: list[str]) -> tuple[int, str] | None:
        return (0, traffic(3.1)) if words[:4] == ["-t", "hccs-bw", "-i", "0"] else None

    facts = run(tmp_path, DmiTool(sound), smi(special=special))
    assert facts["busy"] == {"refused": True, "chips": ["NPU1: 3.1 GB/s pass its HCCS links"]}


def test_a_tool_without_hccs_leaves_the_links_unknown(tmp_path: Path) -> None:
    def special(words: list[str]) -> tuple[int, str] | None:
        known = words[:1] != ["-t"] or not words[1].startswith("hccs")
        return None if known else (255, "This device does not support querying hccs.\n")

    facts = run(tmp_path, DmiTool(sound), smi(special=special))
    assert (facts["interconnect"]["links"], facts["interconnect"]["link_problems"]) == (None, None)
    assert facts["busy"]["refused"] is False
    assert "does not know this here" in facts["notes"][0]["problem"]


def sick(texts: dict[str, list[str]]) -> SmiTool:
    """HCCS answers by NPU id, one after the other."""
    left = {npu: list(answers) for npu, answers in texts.items()}

    def special(words: list[str]) -> tuple[int, str] | None:
        if words[:2] != ["-t", "hccs"] or words[3] not in left:
            return None
        answers = left[words[3]]
        return 0, answers.pop(0) if len(answers) > 1 else answers[0]

    return smi(special=special)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            hccs((224, 224, 0, 224, 224, 224, 224), "NOK", "3"),
            [
                "NPU4: HCCS health is NOK, first error at 3",
                "NPU4: 6 of 7 HCCS links are up",
                "NPU4 link 3 is down",
            ],
        ),
        (hccs((224, 224, 224, 224, 112, 224, 224)), ["NPU4 link 5: 112 of 224 Gb/s"]),
        (hccs(health="NOK"), ["NPU4: HCCS health is NOK"]),
        (hccs((0, *(224,) * 7)), []),
    ],
)
def test_sick_links_are_named(tmp_path: Path, text: str, told: list[str]) -> None:
    seen = run(tmp_path, DmiTool(sound), sick({"3": [text]}), link_count=7, link_gbit_per_s=224)["interconnect"]
    assert seen["link_problems"] == told


def test_of_a_chip_that_is_not_well_the_other_links_are_not_known(tmp_path: Path) -> None:
    seen = run(tmp_path, DmiTool(sound), sick({"3": [hccs(health="NOK", first="5")]}))["interconnect"]
    assert [row["ok"] for row in seen["links"] if row["npu"] == "NPU4"] == [None, None, None, None, False, None, None]


def test_errors_that_come_under_load_are_told(tmp_path: Path) -> None:
    later = hccs(errors=(0, 9, 0, 0, 0, 0, 0))
    seen = run(tmp_path, DmiTool(sound), sick({"3": [hccs(), later]}))["interconnect"]
    assert seen["link_problems"] == ["NPU4 link 2: 9 CRC errors during the test"]


def test_old_errors_are_a_fact_and_no_problem(tmp_path: Path) -> None:
    seen = run(tmp_path, DmiTool(sound), sick({"3": [hccs(errors=(0, 9, 0, 0, 0, 0, 0))]}))["interconnect"]
    assert seen["link_problems"] == []
    assert [row["error_count"] for row in seen["links"] if row["npu"] == "NPU4"][1] == 9


def test_a_mesh_with_a_hole(tmp_path: Path) -> None:
    rows = topo(range(8)).splitlines()
    for row, column in ((3, 5), (6, 2)):
        cells = rows[row].split()
        cells[column + 1] = "SYS"
        rows[row] = " ".join(cells)
    text = "\n".join(rows) + "\n"
    node = smi(special=lambda words: (0, text) if words == ["-t", "topo"] else None)
    seen = run(tmp_path, DmiTool(sound), node)["interconnect"]
    assert seen["topology_problems"] == ["NPU3 - NPU6: SYS, HCCS is wanted"]


def test_seven_of_eight_are_no_full_mesh(tmp_path: Path) -> None:
    answer = DmiTool(lambda words: (0, matrix_text(lambda s, t, way: ONE, 7)) if "--ds" not in words else sound(words))
    seen = run(tmp_path, answer, smi([chip(n) for n in range(7)]), chip_count=8)["interconnect"]
    assert seen["topology_problems"] == ["7 of 8 chips are in the mesh"]


def a3_topology(word: str = "HCCS_SW") -> str:
    names = [f"Phy-ID{n}" for n in range(4)]
    rows = "".join(
        f"{name:<11}"
        + "".join(f"{'X' if i == j else 'SIO' if i // 2 == j // 2 else word:<11}" for j in range(4))
        + "\n"
        for i, name in enumerate(names)
    )
    return "           " + "".join(f"{name:<11}" for name in names) + "\n" + rows


def test_the_two_dies_of_an_a3_card_are_compared_among_themselves(tmp_path: Path) -> None:
    dies = [chip(npu, die, phy=2 * npu + die, name="Ascend910") for npu in range(2) for die in range(2)]
    tool = smi(dies, "0xD803", lambda words: (0, a3_topology()) if words == ["-t", "topo"] else None)

    def rate(source: int, target: int, way: str) -> float:
        return (391.2 if source // 2 == target // 2 else 198.9) * (1 if way == "one" else 1.9)

    facts = run(tmp_path, DmiTool(with_matrix(matrix_text(rate, 4))), tool)
    seen = facts["interconnect"]
    assert (seen["topology_problems"], seen["slow_pairs"]) == ([], [])
    assert seen["one_way_gbytes_per_s"][0] == [None, 391.2, 198.9, 198.9]
    wrong = smi(dies, "0xD803", lambda words: (0, a3_topology("SIO")) if words == ["-t", "topo"] else None)
    problems = run(tmp_path, DmiTool(with_matrix(matrix_text(rate, 4))), wrong)["interconnect"]["topology_problems"]
    assert problems[0] == "NPU1 - NPU3: SIO, HCCS_SW is wanted"


# -- rules and parsers -----------------------------------------------------------------------------------------------

PLACES = [f"NPU{n}" for n in range(1, 9)]
PAIRS = [(one, two) for one in PLACES for two in PLACES if one != two]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(24.5, 28.0), min_size=56, max_size=56),
    st.sets(st.sampled_from(range(56)), max_size=6),
    st.floats(0.1, 0.7),
)
def test_exactly_the_pairs_below_the_share_are_named(rates: list[float], slow: set[int], share: float) -> None:
    told = {
        pair: rate * share if place in slow else rate
        for place, (pair, rate) in enumerate(zip(PAIRS, rates, strict=True))
    }
    sentences = rules.slow_pairs(told, {}, 15.0, "one way")
    assert {tuple(text.split(":")[0].split(" -> ")) for text in sentences} == {PAIRS[place] for place in slow}
    ways = [float(text.split(": ")[1].split(" ")[0]) for text in sentences]
    assert ways == sorted(ways)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_hccs_truncated_or_mixed_is_the_truth_or_nothing(data: st.DataObject) -> None:
    speeds = data.draw(st.lists(st.sampled_from([0, 56, 112, 224]), min_size=1, max_size=8))
    text = hccs(speeds, data.draw(st.sampled_from(["OK", "NOK"])))
    truth = hccs_parse.parse_hccs(text).value
    assert [link["gbit_per_s"] for link in truth["links"]] == speeds
    assert truth["links"][-1]["link"] == hccs_parse.LAST_LINK
    cut = text[: data.draw(st.integers(0, len(text)))]
    reading = hccs_parse.parse_hccs(cut)
    assert reading.value is not None or reading.problem
    for link in (reading.value or {"links": []})["links"]:
        whole = next(row for row in truth["links"] if row["link"] == link["link"])
        assert all(value is None or value == whole[key] for key, value in link.items())
    place = data.draw(st.integers(0, len(text)))
    spoilt = text[:place] + data.draw(st.text(max_size=20)) + text[place:]
    for parse in (hccs_parse.parse_hccs, hccs_parse.parse_traffic):
        assert isinstance(parse(spoilt), Reading)


def test_two_different_answers_about_hccs_are_none() -> None:
    assert hccs_parse.parse_hccs(hccs() + hccs(health="NOK")) == (None, "two answers in one")
    assert hccs_parse.parse_traffic(traffic(1.0) + traffic(2.0)) == (None, "two answers in one")
    assert hccs_parse.parse_traffic(traffic(7.0)).value == {"sent_gbytes_per_s": 7.0, "received_gbytes_per_s": 7.0}


def test_lists_of_different_length_are_none() -> None:
    text = hccs().replace(f"{224:<20} ", "", 1)
    assert hccs_parse.parse_hccs(text) == (None, "the lists of links differ in length")


def test_a_pair_helper_tells_what_was_asked() -> None:
    assert json.loads(pair_json(3, 4))["bandwidths"][1]["type"] == "Bidirectional Peer to Peer Test"
