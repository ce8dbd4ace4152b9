"""``ascend-dmi`` of the twin: the printed forms of its documents, values of the world, and how it fails."""

from __future__ import annotations

import json
import re
import statistics
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab import chips
from lab.hardware import Document
from lab.npu import dmi
from lab.npu.call import Call, Gone
from lab.npu.runtime import Runtime
from lab.npu.tools import TOOLS
from lab.world import World
from tests.unit.lab_chips_helpers import ascend_dmi, chip, world

Edit = Callable[[Document], None]
ROW = re.compile(r"^(?:(\d+) +)?(\d+) +(\d+) +([\d.]+) +([\d.]+)$")


@pytest.fixture
def healthy(tmp_path: Path) -> World:
    return world(tmp_path)


def out(site: World, *argv: str) -> str:
    text, rc = ascend_dmi(site, *argv)
    assert rc == 0, text
    return text


def rows(text: str) -> list[tuple[str | None, int, int, float, float]]:
    found = [match.groups() for line in text.splitlines() if (match := ROW.match(line))]
    return [(own, int(size), int(times), float(rate), float(took)) for own, size, times, rate, took in found]


def matrices(text: str) -> list[list[list[str]]]:
    """The two matrices, row by row, without the rows' own ids."""
    sections = re.split(r"^(?:Uni|Bi)directional Peer to Peer Test$", text, flags=re.MULTILINE)[1:]
    return [[line.split()[1:] for line in part.splitlines() if re.match(r"\d+ +\S", line)] for part in sections]


def test_version_and_help(healthy: World) -> None:
    assert out(healthy, "-v") == "ascend-dmi version: 6.0.0\n"
    assert json.loads(out(healthy, "--version", "--fmt", "json")) == {"version": "6.0.0"}
    assert out(healthy, "-h") == out(healthy) == dmi.HELP
    assert out(healthy, "--bw", "-h").startswith("Usage: ascend-dmi --bw")
    assert "ascend-dmi" in TOOLS


def test_stepped_sizes_are_those_of_the_transcript(healthy: World) -> None:
    text = out(healthy, "--bw", "-t", "h2d", "-d", "3", "--et", "100", "-q")
    lines = text.splitlines()
    assert lines[:2] == ["Host to Device Test", "Device 3: Ascend 910B3."]
    assert lines[3].split() == ["Size(Bytes)", "Execute", "Times", "Bandwidth(GB/s)", "Elapsed", "Time(us)"]
    assert lines[2] == lines[4] == lines[-1] == "-" * 64
    found = rows(text)
    assert [size for _, size, *_ in found] == [2**power for power in range(1, 26)]
    assert {(own, times) for own, _, times, *_ in found} == {(None, 100)}
    assert found[-1][3] == pytest.approx(24.8, rel=0.01)
    assert found[0][3] < 0.001
    # as in the transcript: bandwidth is the bytes of one copy by its time
    assert all(size / took / 1e3 == pytest.approx(rate, rel=0.01) for _, size, _, rate, took in found)


def test_one_size_has_a_column_for_the_device(healthy: World) -> None:
    text = out(healthy, "--bandwidth", "-t", "d2h", "-d", "0", "-s", "8388608", "--et", "100", "--quiet")
    lines = text.splitlines()
    assert lines[0] == "Device to Host Test"
    assert lines[2] == "-" * 67
    assert lines[3].split() == ["ID", "Size(Bytes)", "Execute", "Times", "Bandwidth(GB/s)", "Elapsed", "Time(us)"]
    assert [(own, size, times) for own, size, times, *_ in rows(text)] == [("0", 8388608, 100)]


def test_d2d_copies_what_it_always_copies(healthy: World) -> None:
    text = out(healthy, "--bw", "-t", "d2d", "-d", "7", "-s", "8", "--et", "9", "-q")
    [(own, size, times, rate, took)] = rows(text)
    assert (own, size, times) == ("7", 20_971_520_000, 5)
    assert rate == pytest.approx(1538, rel=0.01)
    assert took == pytest.approx(13_600, rel=0.02)


def test_without_a_type_it_measures_three_ways_on_device_0(healthy: World) -> None:
    text = out(healthy, "--bw", "-q")
    assert re.findall(r"^\w+ to \w+ Test$", text, re.MULTILINE) == [
        "Host to Device Test",
        "Device to Host Test",
        "Device to Device Test",
    ]
    assert set(re.findall(r"^Device (\d+):", text, re.MULTILINE)) == {"0"}


def test_json_carries_units_and_the_devices(healthy: World) -> None:
    body = json.loads(out(healthy, "--bw", "-t", "h2d", "-d", "2,5", "-s", "536870912", "--fmt", "json", "-q"))
    assert [entry["device_id"] for entry in body["bandwidths"]] == [2, 5]
    assert {entry["type"] for entry in body["bandwidths"]} == {"Host to Device Test"}
    for entry in body["bandwidths"]:
        [result] = entry["results"]
        assert result["size"] == "536870912 Bytes"
        assert result["execute_times"] == 5
        assert re.fullmatch(r"2[45]\.\d+ GB/s", result["bandwidth"])
        assert result["elapsed_time"].endswith(" us")


def test_one_pair_as_json_is_that_of_the_sample(healthy: World) -> None:
    body = json.loads(out(healthy, "--bw", "-t", "p2p", "--ds", "2", "--dd", "3", "-fmt", "json", "-q"))
    one, two = body["bandwidths"]
    assert [entry["type"] for entry in (one, two)] == [
        "Unidirectional Peer to Peer Test",
        "Bidirectional Peer to Peer Test",
    ]
    assert [(entry["source_device_id"], entry["target_device_id"]) for entry in (one, two)] == [(2, 3)] * 2
    assert set(one["results"][0]) == {"size", "bandwidth", "elapsed_time", "execute_times"}
    assert [one["results"][place]["size"] for place in (0, -1)] == ["2 Bytes", "33554432 Bytes"]
    small, large = ([float(e["results"][at]["bandwidth"].split()[0]) for e in (one, two)] for at in (0, -1))
    assert large == pytest.approx([26.2, 50.8], rel=0.01)
    assert [round(value, 4) for value in small] == [0.0004, 0.0008]


def test_the_matrix_of_all_pairs_ignores_the_format(healthy: World) -> None:
    text = out(healthy, "--bw", "-t", "p2p", "-q", "--fmt", "json", "-s", "8", "--et", "3")
    assert text == out(healthy, "--bw", "-t", "p2p", "-q")
    found = matrices(text)
    assert [(len(rows_), {len(row) for row in rows_}) for rows_ in found] == [(8, {8})] * 2
    for values, middle in zip(found, (26.2, 50.8), strict=True):
        assert [values[place][place] for place in range(8)] == ["NA"] * 8
        numbers = [float(cell) for row in values for cell in row if cell != "NA"]
        assert statistics.median(numbers) == pytest.approx(middle, rel=0.005)
    assert found[1] == [list(column) for column in zip(*found[1], strict=True)]


def test_a_link_that_is_down_or_slow_shows_in_the_matrix(tmp_path: Path) -> None:
    def edit(document: Document) -> None:
        ports = {port["peer"]: port for port in chip(document, "NPU3")["hccs"]}
        ports["NPU5"]["ok"] = False
        ports["NPU8"]["factor"] = 0.8

    one, _ = matrices(out(world(tmp_path, edit), "--bw", "-t", "p2p", "-q"))
    cells = {(a, b): float(cell) for a, row in enumerate(one) for b, cell in enumerate(row) if cell != "NA"}
    low = {ends: rate for ends, rate in cells.items() if rate < 25}
    assert set(low) == {(2, 4), (4, 2), (2, 7), (7, 2)}
    assert low[2, 4] < 10 < low[2, 7] < 22


def test_logic_ids_close_the_gap_of_a_missing_chip(tmp_path: Path) -> None:
    site = world(tmp_path, lambda document: chip(document, "NPU3").update(present=False))
    text = out(site, "--bw", "-t", "p2p", "-q")
    assert [len(found) for found in matrices(text)] == [7, 7]
    assert json.loads(out(site, "-i", "--fmt", "json"))["hardware_brief"]["server"]["npu_count"] == 7
    assert "invalid" in ascend_dmi(site, "--bw", "-t", "d2d", "-d", "7", "-q")[0]


def test_others_on_the_chip_are_told_and_felt(tmp_path: Path, healthy: World) -> None:
    def edit(document: Document) -> None:
        chip(document, "NPU3")["processes"] = [{"pid": 9, "name": "python3", "memory_mib": 28672, "listed": True}]

    site = world(tmp_path / "busy", edit)
    text = out(site, "--bw", "-t", "d2d", "-d", "2", "-q")
    assert "Some processes are seizing the NPU" in text
    assert rows(text)[0][3] < 0.7 * rows(out(healthy, "--bw", "-t", "d2d", "-d", "2", "-q"))[0][3]
    assert "seizing" not in out(site, "--bw", "-t", "d2d", "-d", "3", "-q")


def without_driver(document: Document) -> None:
    document["npu_driver"] = {"loaded": None}


def without_chips(document: Document) -> None:
    for npu in document["npus"]:
        npu["present"] = False


def critical(document: Document) -> None:
    chip(document, "NPU1")["health"] = "Critical"


@pytest.mark.parametrize("edit", [without_driver, without_chips, critical])
def test_a_device_that_cannot_be_opened(tmp_path: Path, edit: Edit) -> None:
    site = world(tmp_path, edit)
    text, rc = ascend_dmi(site, "--bw", "-t", "h2d", "-q")
    assert (text, rc) == (dmi.NO_DEVICE + "\n", 1)
    text, rc = ascend_dmi(site, "--bw", "-t", "h2d", "-q", "--fmt", "json")
    assert (json.loads(text), rc) == (dmi.ERROR, 0)
    assert out(site, "-v").startswith("ascend-dmi version")


def test_an_error_in_json_is_no_error_to_the_shell(tmp_path: Path) -> None:
    site = world(tmp_path, lambda document: document["npu_tools"].update(dmi_error=True))
    for argv in (["--bw", "-t", "d2d"], ["--bw", "-t", "p2p", "--ds", "0", "--dd", "1"], ["--dg", "-i", "bandwidth"]):
        text, rc = ascend_dmi(site, *argv, "-q", "--fmt", "json")
        assert (json.loads(text), rc) == ({"error": {"code": 2, "description": "internal error"}}, 0)
    assert ascend_dmi(site, "--bw", "-t", "p2p", "-q") == ("internal error\n", 1)


def test_a_test_that_disturbs_asks_first(healthy: World) -> None:
    for argv in (["--bw"], ["--dg"], ["--dg", "-i", "bandwidth"]):
        text, rc = ascend_dmi(healthy, *argv)
        assert text.endswith("Do you want to continue?(Y/N)\n")
        assert rc != 0
    assert "HEALTH" in out(healthy, "--dg", "-i", "driver,device")


@pytest.mark.parametrize(
    "argv",
    [
        ["nonsense"],
        ["--bw", "-t", "x2x", "-q"],
        ["--bw", "-t"],
        ["--bw", "-q", "-d", "8"],
        ["--bw", "-q", "-d", "a"],
        ["--bw", "-q", "-t", "p2p", "-d", "1"],
        ["--bw", "-q", "-t", "p2p", "--ds", "1"],
        ["--bw", "-q", "-t", "p2p", "--ds", "1", "--dd", "1"],
        ["--bw", "-q", "-t", "h2d", "--ds", "1", "--dd", "2"],
        ["--bw", "-q", "-t", "p2p", "-m", "card"],
        ["--bw", "-q", "-s", "0"],
        ["--bw", "-q", "--et", "1001"],
        ["--bw", "-q", "--fmt", "xml"],
        ["--dg", "-q", "-i", "everything"],
        ["--dg", "-q", "-d", "9"],
        ["-i", "--dt", "--fmt", "json"],
        ["-f"],
    ],
)
def test_what_it_does_not_understand(healthy: World, argv: list[str]) -> None:
    text, rc = ascend_dmi(healthy, *argv)
    assert rc == 1
    assert re.search("invalid|together|belong|same|several dies|does not", text)


def test_info_shows_the_world(tmp_path: Path) -> None:
    def edit(document: Document) -> None:
        chip(document, "NPU3").update(health="Warning", temperature_celsius=71, power_watts=311.5, hbm_mib=32768)
        chip(document, "NPU3")["ecc"]["double_bit"] = 2

    site = world(tmp_path, edit)
    server = json.loads(out(site, "-i", "-fmt", "json"))["hardware_brief"]["server"]
    device: Any = server["devices"][2]
    assert (device["health"], device["temperature"], device["power_information"]["realtime_power"]) == (
        "Warning",
        "71 C",
        "311.5 W",
    )
    assert device["memory_information"]["total"] == "32768 MB"
    assert len(server["devices"]) == 8
    brief = out(site, "--info", "--brief")
    assert brief == out(site, "-i")
    assert re.search(r"Ascend 910B3 \| 311\.5W \| Warning \| \d+MB/32768MB +\| 71C", brief)
    detail = out(site, "-i", "--dt")
    assert detail.count("Chip Name : Ascend 910B3") == 8
    assert "Double-bit Error Count : 2" in detail


def broken(document: Document) -> None:
    npu = chip(document, "NPU1")
    npu.update(hbm_factor=0.5, health="Alarm", error_code="0x80E01801")
    npu["ecc"]["double_bit"] = 1
    next(port for port in npu["hccs"] if port["peer"] == "NPU2")["ok"] = False


def test_diagnosis_names_what_is_wrong(tmp_path: Path, healthy: World) -> None:
    wanted = ["--dg", "-i", "driver,device,hbm,signalQuality,bandwidth,aiflops", "-q"]
    text = out(world(tmp_path / "broken", broken), *wanted)
    results = dict(re.findall(r"^    (\w+):\n        (\w+)$", text, re.MULTILINE))
    assert results == {
        "driver": "HEALTH",
        "device": "IMPORTANT_WARN",
        "hbm": "FAIL",
        "signalQuality": "FAIL",
        "bandwidth": "FAIL",
        "aiflops": "SKIP",
    }
    assert re.search(r"d2d bandwidth diagnosis failed on device 0 with bandwidth 7\d\d\.\d+ / 1384", text)
    assert "p2p unidirectional bandwidth diagnosis failed from device 0 to device 1" in text
    assert "FAIL" not in out(healthy, *wanted)


def test_diagnosis_as_json_is_that_of_the_guide(tmp_path: Path) -> None:
    site = world(tmp_path, broken)
    body = json.loads(out(site, "--dg", "-i", "bandwidth", "-d", "0,1", "--fmt", "json", "-q"))
    assert set(body) == {"DiagnosisItems", "Summary"}
    [group] = body["DiagnosisItems"]
    assert (group["group_name"], group["group_results"]) == ("Hardware", "FAIL")
    [item] = group["sub_items"]
    assert (item["item_name"], item["item_result"]) == ("bandwidth", "FAIL")
    assert len(item["item_info"]) == 1  # with -d the pairs are left out
    [element] = item["item_info_element"]
    [missed] = element["threshold_info"]
    assert (element["device_id"], missed["test_item"]) == ("0", "d2d")
    assert missed["expected_status"].startswith("The value must be greater than ")
    assert float(missed["actual_value"]) == chips.rate(site.read("node1")["npus"][0], "d2d")


def test_killing_it_ends_it(healthy: World) -> None:
    begun = threading.Event()
    call = Call(
        healthy, "node1", ["--bw", "-t", "h2d", "-d", ",".join("01234567"), "-q"], {}, lambda _: begun.set(), Runtime()
    )
    ended: list[str] = []

    def test() -> None:
        try:
            dmi.run(call)
            ended.append("finished")
        except Gone:
            ended.append("gone")

    thread = threading.Thread(target=test, daemon=True)
    thread.start()
    assert begun.wait(5)
    call.gone.set()
    thread.join(5)
    assert ended == ["gone"]


WORDS = [
    "--bw",
    "--dg",
    "-i",
    "-v",
    "-t",
    "p2p",
    "h2d",
    "-d",
    "0",
    "7",
    "99",
    "--ds",
    "--dd",
    "-q",
    "--fmt",
    "json",
    "²",
    "",
]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(argv=st.lists(st.sampled_from(WORDS), max_size=8))
def test_any_words_are_answered(healthy: World, argv: list[str]) -> None:
    text, rc = ascend_dmi(healthy, *argv)
    assert text
    assert rc in (0, 1)
