"""What npu-smi prints: captures, own samples of each shape, and damaged, mixed and foreign text."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from npu_smi_helpers import board, chip, closing, listing, mapping, table, topo
from npuforge.ascend import npu_info, npu_smi_fields, npu_smi_table, texts
from npuforge.ascend.texts import Reading


def captures(shared: Path, kind: str) -> list[tuple[str, str, Any]]:
    """(name, text, truth) of every capture of this kind."""
    folder = shared / "fixtures" / "ascend"
    rows = [line.split("\t") for line in (folder / "MANIFEST.tsv").read_text().splitlines()[1:]]
    return [(row[0], (folder / row[0]).read_bytes().decode(), json.loads(row[3])) for row in rows if row[1] == kind]


def one(shared: Path, kind: str) -> tuple[str, Any]:
    [(_, text, truth)] = captures(shared, kind)
    return text, truth


# Key of the manifest -> key of a chip.
COLUMNS = {
    "names": "name",
    "health": "health",
    "power_w": "power_watts",
    "temp_c": "temperature_celsius",
    "device_id": "device_id",
    "phy_id": "phy_id",
    "aicore_pct": "aicore_percent",
    "mem_used_mb": "memory_used_mib",
    "mem_total_mb": "memory_total_mib",
    "hbm_used_mb": "hbm_used_mib",
    "hbm_total_mb": "hbm_total_mib",
}


def test_every_captured_table(shared: Path) -> None:
    rows = captures(shared, "npu_smi_info")
    assert len(rows) == 6
    for name, text, truth in rows:
        found = npu_smi_table.parse_table(text).value
        assert found["tool_version"] == truth["tool_version"], name
        assert list(dict.fromkeys(each["npu_id"] for each in found["chips"])) == truth["npu_ids"], name
        assert len(found["chips"]) == truth["chips"], name
        for key, fact in COLUMNS.items():
            if key in truth:
                assert [each[fact] for each in found["chips"]] == truth[key], (name, key)
        buses = [each["bus_id"] or "NA" for each in found["chips"]]
        assert buses == truth["bus_id"], name
        if "npus_without_process" in truth:
            assert (found["processes"], found["npus_without_process"], found["whole"]) == (
                truth["processes"],
                truth["npus_without_process"],
                True,
            )
        else:
            assert (found["processes"], found["whole"]) == (None, None)


def test_memory_held_without_a_process_is_not_idle(shared: Path) -> None:
    [text] = [text for name, text, _ in captures(shared, "npu_smi_info") if "910b2" in name]
    chips = npu_smi_table.parse_table(text).value["chips"]
    assert [npu_smi_table.idle(each) for each in chips] == [False] * 4 + [True] * 4
    assert npu_smi_table.idle({"hbm_used_mib": None}) is None


def test_captured_types(shared: Path) -> None:
    text, truth = one(shared, "npu_smi_l")
    found = npu_smi_fields.parse_list(text).value
    assert (found["total_count"], [row["npu_id"] for row in found["npus"]]) == (truth["total_count"], truth["npu_ids"])
    assert {row["chip_count"] for row in found["npus"]} == {truth["chip_count_each"]}
    text, truth = one(shared, "npu_smi_t_board")
    found = npu_smi_fields.parse_type("board", text, truth["npu_id"]).value["chips"][0]
    expected = {key: value for key, value in truth.items() if key != "npu_id"}
    assert {key: found[key] for key in expected} == expected
    text, truth = one(shared, "npu_smi_t_common")
    found = npu_smi_fields.parse_type("common", text, 0).value["chips"][0]
    assert (found["temperature_celsius"], found["power_watts"]) == (truth["temp_c"], truth["power_w"])
    assert (found["aicore_rated_mhz"], found["aicore_count"]) == (truth["aicore_freq_mhz"], truth["aicore_count"])
    text, truth = one(shared, "npu_smi_t_ecc")
    reading = npu_smi_fields.parse_type("ecc", text).value
    found = reading["chips"][0]
    assert (reading["npu_id"], found["chip_id"], len(found) - 1) == (
        truth["npu_id"],
        truth["chip_id"],
        truth["counters"],
    )
    assert (found["hbm_single_bit"], found["hbm_double_bit_isolated_pages"]) == (
        truth["hbm_single_bit"],
        truth["hbm_isolated_pages"],
    )
    text, truth = one(shared, "npu_smi_t_health")
    found = npu_smi_fields.parse_type("health", text).value["chips"][0]
    assert (found["health"], found["error_codes"]) == (truth["health"], truth["error_codes"])
    assert found["error_information"].endswith("event state=The function of obtaining the current is abnormal")
    text, truth = one(shared, "npu_smi_t_memory")
    found = npu_smi_fields.parse_type("memory", text).value["chips"][0]
    assert (found["hbm_total_mib"], found["hbm_clock_mhz"]) == (truth["hbm_total_mb"], truth["hbm_clock_mhz"])
    assert (found["hbm_temperature_celsius"], found["ddr_total_mib"]) == (truth["hbm_temp_c"], truth["ddr_total_mb"])
    text, truth = one(shared, "npu_smi_t_usages")
    found = npu_smi_fields.parse_type("usages", text, 0).value["chips"][0]
    assert (found["hbm_total_mib"], found["hbm_usage_percent"]) == (truth["hbm_total_mb"], truth["hbm_usage_pct"])
    assert found.get("npu_utilization_percent") is truth["npu_utilization_pct"]
    text, truth = one(shared, "npu_smi_t_topo")
    topology = npu_smi_fields.parse_topo(text).value
    assert list(topology["cpu_affinity"].values()) == truth["cpu_affinity"]
    assert {word for row in topology["links"].values() for word in row.values()} == {"X", truth["all_pairs"]}


# --- own samples -----------------------------------------------------------------------------------------------------

RULE = "+---------------------------+---------------+" + 70 * "-" + "+"
NEWEST = f"""{RULE}
| npu-smi 26.0.rc1                           Version: 26.0.rc1                                                     |
{RULE}
| NPU   Name                | Health        | Power(W)             Temp(C)                 Hugepages-Usage(page)   |
| Chip                      | Bus-Id        | AICore(%)            Memory-Usage(MB)        HBM-Usage(MB)           |
{RULE.replace("-", "=")}
| 0     910B3               | Warning       | 97.8                 49                      0    / 0                |
| 0                         | 0000:41:00.0  | 7                    0    / 0                59718/ 65536            |
{RULE.replace("-", "=")}
{RULE}
| NPU     Chip              | Process id    | Process name       | Process memory(MB)    | Process id in container |
{RULE.replace("-", "=")}
| 0       0                 | 485946        | pytest             | 5175                  | 17                      |
| 0       0                 | 485947        |                    | 51750                 | NA                      |
{RULE.replace("-", "=")}
"""
OWN_CELL = """| npu-smi 99.0   Version: 99.0 |
| NPU ID | Name        | Health | Power(W) Temp(C) Hugepages-Usage(page) |
|        |             | Bus-Id | NPU Util(%) Memory-Usage(MB) HBM-Usage(MB) |
| 3      | Ascend950DT | Alarm  | 120.0 45 0 / 0 |
|        |             | NA     | 20 0 / 0 2048 / 131072 |
"""


def test_the_newest_width_with_processes() -> None:
    found = npu_smi_table.parse_table(NEWEST).value
    [row] = found["chips"]
    assert (row["hbm_used_mib"], row["hbm_total_mib"], row["health"], row["aicore_percent"]) == (
        59718,
        65536,
        "Warning",
        7,
    )
    assert [(p["pid"], p["name"], p["memory_mib"], p["container_pid"]) for p in found["processes"]] == [
        (485946, "pytest", 5175, 17),
        (485947, None, 51750, None),
    ]
    assert found["whole"] is True


def test_a_name_in_a_cell_of_its_own() -> None:
    [row] = npu_smi_table.parse_table(OWN_CELL).value["chips"]
    assert (row["npu_id"], row["chip_id"], row["name"], row["npu_percent"]) == (3, 0, "Ascend950DT", 20)
    assert (row["aicore_percent"], row["hbm_total_mib"]) == (None, 131072)


def test_a_chip_without_power_or_bus() -> None:
    text = table([chip(0, 0, power="178.5", phy=0), chip(0, 1, power="-", phy=1, bus="NA")])
    rows = npu_smi_table.parse_table(text).value["chips"]
    assert [(row["chip_id"], row["phy_id"], row["power_watts"], row["bus_id"]) for row in rows] == [
        (0, 0, 178.5, "0000:01:00.0"),
        (1, 1, None, None),
    ]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace("| 0                       ", "| 0  9                    "),
        lambda text: text.replace("Memory-Usage(MB)  HBM-Usage(MB)", "HBM-Usage(MB)                  "),
        lambda text: text + text,
        lambda text: text.replace("| 1     910B2               | OK ", "| 0     910B2               | OK "),
        lambda text: "\n".join(row for row in text.splitlines() if "0000:02:00.0" not in row) + "\n",
        lambda text: "\n".join(row for row in text.splitlines() if "| 1     910B2" not in row) + "\n",
        lambda text: text.split("Hugepages")[0] + "\n",
    ],
)  # fmt: skip
def test_what_is_not_one_table_is_none(spoil: Callable[[str], str]) -> None:
    text = table([chip(0), chip(1), chip(2)])
    assert npu_smi_table.parse_table(text).value is not None
    spoilt = npu_smi_table.parse_table(spoil(text))
    assert spoilt.value is None
    assert spoilt.problem


def test_two_chips_of_one_card_in_either_style() -> None:
    opening = (
        "NPU ID                         : 1\nChip Count                     : 2\n\n"
        "Chip ID                        : 0\nTemperature(C)                 : 60\n\n"
        "Chip ID                        : 1\nTemperature(C)                 : 59\n\n"
        "Chip Name                      : mcu\nTemperature(C)                 : 48\n"
        "NPU Real-time Power(W)         : 45.2\n"
    )
    expected = [{"chip_id": 0, "temperature_celsius": 60}, {"chip_id": 1, "temperature_celsius": 59}]
    assert npu_smi_fields.parse_type("common", opening, 1).value == {"npu_id": 1, "chips": expected}
    text = closing(4, "\tHBM Usage Rate(%)              : 16\n", (0, 1))
    assert [row["chip_id"] for row in npu_smi_fields.parse_type("usages", text, 4).value["chips"]] == [0, 1]
    assert npu_smi_fields.parse_type("usages", text, 5).value is None


def test_a_controller_is_no_npu() -> None:
    chips = npu_smi_fields.parse_map(mapping([chip(0), chip(1)])).value
    assert [(row["npu_id"], row["logic_id"], row["name"]) for row in chips] == [
        (0, 0, "Ascend 910B2"),
        (1, 1, "Ascend 910B2"),
    ]


def test_a_map_with_physical_ids() -> None:
    text = (
        "\tNPU ID       Chip ID      Chip Logic ID      Chip Phy-ID      Chip Name\n"
        "\t0            0            0                  0                Ascend910\n"
        "\t0            1            1                  8                Ascend910\n"
        "\t0            2            -                  -                Mcu\n"
    )
    assert [(row["logic_id"], row["phy_id"]) for row in npu_smi_fields.parse_map(text).value] == [(0, 0), (1, 8)]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (listing([0, 1]).replace(": 2", ": 3"), "the list has 2 NPUs and says 3"),
        (listing([0, 0]), "the list has 2 NPUs and says 2"),
        (listing([0]) + listing([1]), "two answers in one"),
        ("", "unknown answer: nothing"),
    ],
)
def test_lists_that_do_not_add_up(text: str, problem: str) -> None:
    assert npu_smi_fields.parse_list(text) == (None, problem)


def test_topologies() -> None:
    assert npu_smi_fields.parse_topo(topo([5])).value["links"] == {"NPU5": {"NPU5": "X"}}
    assert npu_smi_fields.parse_topo(topo([0, 1]).replace("HCCS", "SYS", 1)).value is None
    assert npu_smi_fields.parse_topo(topo([0, 1]) + topo([0, 1])).value is None
    assert npu_smi_fields.parse_topo("\n".join(topo([0, 1, 2]).splitlines()[:3]) + "\n").value is None


@pytest.mark.parametrize(
    ("device", "hbm", "told"),
    [
        ("0xD801", 32768, "910A"),
        ("0xD802", 65536, "910B"),
        ("0xD802", 32768, "910B"),
        ("0xD803", 65536, "A3"),
        ("0xD500", None, "310P"),
        ("0xD801", 65536, None),
        ("0xD999", 65536, None),
        (None, 65536, None),
    ],
)
def test_the_generation_comes_from_id_and_memory(device: str | None, hbm: int | None, told: str | None) -> None:
    reading = npu_info.generation(device, hbm)
    assert reading.value == told
    assert (reading.problem is None) == (told is not None)


# --- damaged text ----------------------------------------------------------------------------------------------------

TABLE = table([chip(0), chip(1, power="-"), chip(7)], "| 7       0                 | 4711          | train  | 2175 |\n")
ECC = (
    "NPU ID                                   : 3\nChip Count                               : 2\n\n"
    "HBM Single Bit Error Count               : 1234\nDDR Double Bit Error Count               : 55\n"
    "Chip ID                                  : 0\n\n"
    "HBM Single Bit Error Count               : 77\nDDR Double Bit Error Count               : 8\n"
    "Chip ID                                  : 1\n"
)
PARSERS: dict[str, tuple[Callable[[str], Reading], str]] = {
    "table": (npu_smi_table.parse_table, TABLE),
    "newest": (npu_smi_table.parse_table, NEWEST),
    "list": (npu_smi_fields.parse_list, listing([0, 1, 7])),
    "map": (npu_smi_fields.parse_map, mapping([chip(0), chip(1), chip(7)])),
    "topo": (npu_smi_fields.parse_topo, topo([0, 1, 2])),
    "board": (lambda text: npu_smi_fields.parse_type("board", text), board(3)),
    "ecc": (
        lambda text: npu_smi_fields.parse_type("ecc", text),
        ECC,
    ),
}
KIND = st.sampled_from(sorted(PARSERS))


def flat(value: Any, place: tuple[Any, ...] = ()) -> dict[tuple[Any, ...], Any]:
    """Every single value by its place; rows are placed by what they are about, not by their number."""
    if isinstance(value, dict):
        return {key: each for name in value for key, each in flat(value[name], (*place, name)).items()}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        names = ("npu_id", "chip_id", "logic_id", "pid")
        rows = [((*place, *(row.get(name) for name in names)), row) for row in value]
        return {key: each for where, row in rows for key, each in flat(row, where).items()}
    return {place: value}


def nothing_wrong(kind: str, damaged: str) -> None:
    """Every value of the damaged answer is the whole answer's at that place, or none."""
    parser, whole = PARSERS[kind]
    true = flat(parser(whole).value)
    reading = parser(damaged)
    assert reading.value is not None or reading.problem
    for place, value in flat(reading.value).items() if reading.value is not None else ():
        if value in (None, False, []) or place[-1] in ("npus_without_process", "whole"):
            continue
        assert place in true and true[place] == value, (place, value)


@settings(max_examples=150)
@given(kind=KIND, data=st.data())
def test_a_truncated_answer_has_no_wrong_number(kind: str, data: st.DataObject) -> None:
    text = PARSERS[kind][1]
    nothing_wrong(kind, text[: data.draw(st.integers(0, len(text)))])


@settings(max_examples=150)
@given(kind=KIND, data=st.data(), junk=st.text(st.characters(codec="utf-8"), max_size=60))
def test_junk_between_and_instead_of_lines_makes_no_wrong_number(kind: str, data: st.DataObject, junk: str) -> None:
    rows = PARSERS[kind][1].splitlines(keepends=True)
    at, drop = data.draw(st.integers(0, len(rows))), data.draw(st.integers(0, 2))
    nothing_wrong(kind, "".join([*rows[:at], f"junk {junk}\n", *rows[at + drop :]]))


@settings(max_examples=100)
@given(data=st.data())
def test_two_tables_that_run_into_each_other_are_none(data: st.DataObject) -> None:
    """Line by line in any order; the other node's numbers differ."""
    other = table([chip(0, hbm=50000, temp=99), chip(1, hbm=50001, temp=98)])
    rows = [TABLE.splitlines(keepends=True), other.splitlines(keepends=True)]
    mixed = []
    while any(rows):
        side = data.draw(st.integers(0, 1))
        mixed.append((rows[side] or rows[1 - side]).pop(0))
    assert npu_smi_table.parse_table("".join(mixed)).value is None


@settings(max_examples=100)
@given(kind=KIND, text=st.text(max_size=400) | st.binary(max_size=400).map(lambda raw: raw.decode("latin-1")))
def test_any_text_at_all(kind: str, text: str) -> None:
    reading = PARSERS[kind][0](text)
    assert reading.value is None
    assert reading.problem


@pytest.mark.parametrize(
    "piece", ["A", " ", "\n", "|", "| ", "a : b\n", "| 0 A | OK | 1 1 1 / 1 |\n", "NPU0 X ", "0 / "]
)
def test_much_of_anything_in_bounded_time(piece: str) -> None:
    began = time.monotonic()
    for size in (texts.LIMIT, 4 << 20):
        for parser, _ in PARSERS.values():
            assert parser(piece * (size // len(piece))).value is None
    assert time.monotonic() - began < 20  # a second at most here; a backtracking expression takes minutes


def test_columns_of_network_cards_are_left_out() -> None:
    text = (
        "           NPU0       NPU1       NIC0       NIC1       CPU Affinity\n"
        "NPU0       X          HCCS       PIX        SYS        0-23\n"
        "NPU1       HCCS       X          SYS        PIX        24-47\n"
        "NIC0       PIX        SYS        X          NA\n"
        "NIC1       SYS        PIX        NA         X\n\nNIC0: enp1s0\n"
    )
    value = npu_smi_fields.parse_topo(text).value
    assert value["links"] == {"NPU0": {"NPU0": "X", "NPU1": "HCCS"}, "NPU1": {"NPU0": "HCCS", "NPU1": "X"}}
    assert value["cpu_affinity"] == {"NPU0": "0-23", "NPU1": "24-47"}
