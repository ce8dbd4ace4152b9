"""Memory of every chip: capacity, bandwidths, counters that grow, chips in use, tools that give nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from npu_smi_helpers import PROCESS_HEAD, chip, closing, table
from npu_validation_helpers import ERROR, DmiTool, SmiTool, bandwidth_text, progress, ready, smi, sound
from npuforge.ascend import dmi_run, hbm

from controller import contract

Answer = Callable[[list[str]], "tuple[int | None, str]"]


def run(folder: Path, dmi: DmiTool, tool: SmiTool | None = None, **options: Any) -> tuple[dict[str, Any], Any]:
    """(facts by subject, the whole result)."""
    result = hbm.run(
        "node2", ready(dmi, tool or smi()), hbm.Options(**options), progress=progress(folder), simulated=False
    )
    for entry in result["observations"]:
        contract.validate({**entry["observation"], "raw": []}, "observation")
        assert json.loads(json.dumps(entry)) == entry
    facts = {entry["observation"]["subject"]["id"]: entry["observation"]["facts"] for entry in result["observations"]}
    return facts, result


def but(device: int, kind: str, rc: int | None, text: str) -> Answer:
    def answer(words: list[str]) -> tuple[int | None, str]:
        mine = words[words.index("-t") + 1] == kind and words[words.index("-d") + 1] == str(device)
        return (rc, text) if mine else sound(words)

    return answer


def test_eight_chips_are_measured_three_ways(tmp_path: Path) -> None:
    tool = DmiTool(sound)
    facts, result = run(tmp_path, tool)
    assert result["refused"] == []
    assert [name for name in facts if "/" in name] == [f"node2/NPU{n}" for n in range(1, 9)]
    assert facts["node2/NPU3"]["hbm"] == {
        "capacity_mib": 65536,
        "device_to_device_gbytes_per_s": 1538.2,
        "host_to_device_gbytes_per_s": 24.8,
        "device_to_host_gbytes_per_s": 27.6,
        "problem": None,
        "ecc_grown": [],
    }
    assert facts["node2/NPU3"]["busy"] == {"refused": False, "chips": []}
    assert len(tool.log) == 24 == facts["node2"]["hbm_test"]["calls"]
    assert "$ ascend-dmi --bw -t d2d -d 0 -q --fmt json" in result["observations"][0]["raw"][0]["text"]
    told = json.loads((tmp_path / "test.json").read_text())
    assert (told["done"], told["total"], told["state"]) == (24, 24, "done")


def test_chips_are_asked_by_their_logical_id(tmp_path: Path) -> None:
    tool = DmiTool(sound)
    facts, _ = run(tmp_path, tool, smi([chip(n) for n in (5, 224)]), kinds=["d2d"])
    assert [words[words.index("-d") + 1] for words in tool.log] == ["0", "1"]
    assert facts["node2/NPU2"]["hbm"]["device_to_device_gbytes_per_s"] == 1538.2


def test_one_chip_with_half_the_memory(tmp_path: Path) -> None:
    chips = [chip(n, total=32768 if n == 2 else 65536) for n in range(8)]

    def special(words: list[str]) -> tuple[int, str] | None:
        if words == ["-t", "memory", "-i", "2"]:
            return 0, closing(2, "\tHBM Capacity(MB)               : 32768\n")
        return None

    facts, _ = run(tmp_path, DmiTool(sound), smi(chips, special=special))
    assert [facts[f"node2/NPU{n}"]["hbm"]["capacity_mib"] for n in (2, 3, 4)] == [65536, 32768, 65536]


def test_two_capacities_are_none(tmp_path: Path) -> None:
    facts, _ = run(tmp_path, DmiTool(sound), smi([chip(n, total=32768 if n == 2 else 65536) for n in range(8)]))
    assert facts["node2/NPU3"]["hbm"]["capacity_mib"] is None
    assert "two capacities: 32768 MiB (table) and 65536" in facts["node2/NPU3"]["notes"][0]["problem"]


def test_an_error_with_status_nought_is_a_failed_measurement(tmp_path: Path) -> None:
    facts, _ = run(tmp_path, DmiTool(but(2, "d2d", 0, ERROR)))
    third = facts["node2/NPU3"]["hbm"]
    assert (third["device_to_device_gbytes_per_s"], third["host_to_device_gbytes_per_s"]) == (None, 24.8)
    assert third["problem"] == "d2d: ascend-dmi reports error 2: internal error"
    assert facts["node2/NPU4"]["hbm"]["problem"] is None


def test_figures_of_a_run_that_failed_are_none(tmp_path: Path) -> None:
    facts, _ = run(tmp_path, DmiTool(but(2, "h2d", 1, bandwidth_text("h2d", 2, 24.8))))
    assert facts["node2/NPU3"]["hbm"]["problem"] == "h2d: ascend-dmi ended with status 1"


@pytest.mark.parametrize("refusal", ["Invalid option: --fmt\n", "ERROR: unrecognized arguments '--fmt json'\n"])
def test_a_version_without_json_is_read_as_text(tmp_path: Path, refusal: str) -> None:
    def answer(words: list[str]) -> tuple[int | None, str]:
        return (2, refusal) if "--fmt" in words else sound(words)

    tool = DmiTool(answer)
    facts, _ = run(tmp_path, tool)
    assert facts["node2/NPU8"]["hbm"]["device_to_host_gbytes_per_s"] == 27.6
    assert len(tool.log) == 25, "the option is tried once"


def test_a_version_that_knows_no_q_either(tmp_path: Path) -> None:
    def answer(words: list[str]) -> tuple[int | None, str]:
        for option in ("-q", "--fmt"):
            if option in words:
                return 2, f"unknown option {option}\n"
        return sound(words)

    tool = DmiTool(answer)
    facts, _ = run(tmp_path, tool)
    assert facts["node2/NPU8"]["hbm"]["problem"] is None and len(tool.log) == 26


def test_a_version_that_prints_its_usage_for_json_is_asked_once_more(tmp_path: Path) -> None:
    tool = DmiTool(lambda words: (1, "Usage: ascend-dmi <option> [args]\n") if "--fmt" in words else sound(words))
    facts, _ = run(tmp_path, tool)
    assert facts["node2/NPU1"]["hbm"]["problem"] is None and len(tool.log) == 25


def test_garbage_after_good_json_is_no_reason_to_change_the_form(tmp_path: Path) -> None:
    tool = DmiTool(but(2, "d2h", 0, "Segmentation fault\n"))
    facts, _ = run(tmp_path, tool)
    assert facts["node2/NPU3"]["hbm"]["problem"] == "d2h: unknown answer: Segmentation fault"
    assert len(tool.log) == 24 and all("json" in words for words in tool.log)


def test_counters_that_grow_under_load_are_told(tmp_path: Path) -> None:
    asked: list[str] = []

    def special(words: list[str]) -> tuple[int, str] | None:
        if words[:2] != ["-t", "ecc"]:
            return None
        asked.append(words[3])
        double = 2 if words[3] == "4" and asked.count("4") == 2 else 0
        lines = f"\tHBM Double Bit Error Count               : {double}\n"
        lines += "".join(
            f"\tHBM {kind} Bit Isolated Pages Count          : {double // 2}\n" for kind in ("Single", "Double")
        )
        return 0, closing(int(words[3]), lines)

    facts, _ = run(tmp_path, DmiTool(sound), smi(special=special))
    assert facts["node2/NPU5"]["hbm"]["ecc_grown"] == ["hbm_double_bit 0 -> 2", "hbm_isolated_pages 0 -> 2"]
    assert facts["node2/NPU4"]["hbm"]["ecc_grown"] == []


def busy_smi() -> SmiTool:
    return smi([chip(n, hbm=29900 if n == 6 else 3300) for n in range(8)])


def test_memory_that_is_held_refuses_the_node(tmp_path: Path) -> None:
    tool = DmiTool(sound)
    facts, result = run(tmp_path, tool, busy_smi())
    assert tool.log == []
    assert result["refused"] == ["NPU7: 46 % of its memory is held (at most 15 % on a free one)"]
    assert facts["node2/NPU7"]["busy"] == {"refused": True, "chips": result["refused"]}
    assert facts["node2/NPU1"]["busy"] == {"refused": True, "chips": []}
    first = facts["node2/NPU1"]["hbm"]
    assert (first["capacity_mib"], first["device_to_device_gbytes_per_s"]) == (65536, None)
    assert "in use: NPU7: 46 %" in first["problem"]
    assert json.loads((tmp_path / "test.json").read_text())["state"] == "refused"


def test_allow_busy_measures_and_says_so(tmp_path: Path) -> None:
    facts, result = run(tmp_path, DmiTool(sound), busy_smi(), allow_busy=True)
    assert result["refused"] == [] and facts["node2/NPU7"]["hbm"]["problem"] is None
    assert any("tested though in use" in row["problem"] for row in facts["node2/NPU7"]["notes"])


def test_a_process_refuses_the_node_though_it_holds_little(tmp_path: Path) -> None:
    chips = [chip(n) for n in range(8)]
    text = table(chips)[: table(chips).index(PROCESS_HEAD)] + PROCESS_HEAD
    text += "| 3       0                 | 4242          | python3                  | 104                     |\n"
    _, result = run(tmp_path, DmiTool(sound), smi(chips, special=lambda words: None if words else (0, text)))
    assert result["refused"] == ["NPU4: in use by python3"]


def test_a_chip_whose_use_cannot_be_seen_counts_as_in_use(tmp_path: Path) -> None:
    short = table([chip(n) for n in range(7)])
    tool = DmiTool(sound)
    _, result = run(tmp_path, tool, smi(special=lambda words: None if words else (0, short)))
    assert result["refused"] == ["NPU8: whether it is free could not be seen"] and tool.log == []


def test_a_node_without_driver_has_one_observation_that_says_why(tmp_path: Path) -> None:
    tool = DmiTool(sound)
    facts, _ = run(tmp_path, tool, SmiTool(lambda words: (127, "No such file or directory")))
    assert list(facts) == ["node2"] and tool.log == []
    assert "is the driver installed?" in facts["node2"]["notes"][0]["problem"]


def test_without_the_toolbox_one_call_is_made(tmp_path: Path) -> None:
    tool = DmiTool(lambda words: (127, "No such file or directory"))
    facts, _ = run(tmp_path, tool)
    assert len(tool.log) == 1
    assert all("is the toolbox installed?" in facts[f"node2/NPU{n}"]["hbm"]["problem"] for n in range(1, 9))


def test_a_tool_that_hangs_is_asked_twice(tmp_path: Path) -> None:
    tool = DmiTool(lambda words: (None, ""))
    facts, _ = run(tmp_path, tool)
    assert len(tool.log) == dmi_run.HANGS
    assert "no answer" in facts["node2/NPU8"]["hbm"]["problem"]


def test_the_same_failure_again_and_again_ends_the_test(tmp_path: Path) -> None:
    tool = DmiTool(lambda words: (0, ERROR))
    facts, _ = run(tmp_path, tool)
    assert len(tool.log) == dmi_run.SAME_FAILURES
    assert "error 2: internal error" in facts["node2/NPU8"]["hbm"]["problem"]


def test_the_time_for_all_calls_is_kept() -> None:
    clock = iter(range(0, 1000, 40))
    tool = DmiTool(sound)
    dmi = dmi_run.Dmi(tool, dmi_run.Limits(call=60, total=100), clock=lambda: float(next(clock)))
    told = [dmi.bandwidth("h2d", device) for device in range(5)]
    assert [reading.value is not None for reading in told] == [True, True, False, False, False]
    assert tool.seconds == [60, 20], "no call may last longer than what is left"
    assert told[4].problem == "the 100 s for the test were used up"


def test_d2d_is_never_given_a_size(tmp_path: Path) -> None:
    tool = DmiTool(sound)
    run(tmp_path, tool)
    for words in tool.log:
        assert ("-s" in words) == ("d2d" not in words)
