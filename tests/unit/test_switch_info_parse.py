"""Parsers of the switch's command line: captures, our own samples of each shape, and any text at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from npuforge.switch import facts, parse
from switch_helpers import DEVICE, FAN, LABELS, MANUFACTURE, POWER, UNKNOWN, VERSION

# file -> os, os_version, version, model, patch, uptime. EXPECT.tsv has these in words.
CAPTURES = {
    "huawei_ce_display_version_All_views.txt":
        ("yunshan", "1.23.0.X", "V300R023C00", "CE6866-48S8CQ-P", None, 5 * 3600 + 32 * 60),
    "ntc_huawei_vrp_display_version.txt":
        ("vrp8", "8.180", "V800R011C00SPC200", "NE40E-X2-M8A", None, 161 * 86400 + 20 * 60),
    "ntc_huawei_vrp_display_version1.txt":
        ("vrp8", "8.100", "V800R007C10SPC100", "CX600-M2E", "V800R007SPH019", 266 * 86400 + 8 * 3600 + 59 * 60),
    "ntc_huawei_vrp_display_version2.txt":
        ("vrp8", "8.180", "V300R003C10SPC500", "ATN 910C-B", None, 358 * 86400 + 16 * 3600 + 59 * 60),
    "ntc_huawei_vrp_display_version3.txt":
        ("vrp5", "5.170", "V300R019C10SPC300", "AR6280", None, (60 * 7 + 4) * 86400 + 11 * 3600 + 20 * 60),
    "ntc_huawei_vrp_display_version5.txt":
        ("vrp5", "5.170", "V200R010C00SPC600", "S7706", None, (85 * 7 + 4) * 86400 + 10 * 60),
}  # fmt: skip


def capture(shared: Path, name: str) -> str:
    return (shared / "fixtures" / "switch" / name).read_bytes().decode()


@pytest.mark.parametrize("name", CAPTURES)
def test_captured_versions(shared: Path, name: str) -> None:
    row = parse.parse_version(capture(shared, name))
    assert row["understood"] is True
    assert tuple(row[k] for k in ("os", "os_version", "version", "model", "patch", "uptime_seconds")) == CAPTURES[name]


def test_a_captured_device_list_broken_at_80_columns(shared: Path) -> None:
    rows = parse.parse_device(capture(shared, "huawei_ce_display_device_2.txt"))
    assert [row["card"] for row in rows] == [None, *[f"FAN{n}" for n in range(1, 7)], "PWR1"]
    assert [row["alarm"] for row in rows] == ["normal"] * 7 + ["abnormal"]
    assert {row["chassis"] for row in rows} == {"1"}


def test_a_captured_stack_with_a_member_that_is_only_configured(shared: Path) -> None:
    rows = parse.parse_device(capture(shared, "ntc_huawei_vrp_display_device_all.txt"))
    assert (rows[-1]["chassis"], rows[-1]["present"], rows[-1]["configured"]) == ("2", False, True)
    assert rows[-1]["alarm"] is None
    assert rows[2]["type"] == "PAC-150WA"


def test_other_vendors_and_other_output_are_not_understood(shared: Path) -> None:
    folder = shared / "fixtures" / "switch"
    others = [p for p in sorted(folder.glob("*.txt")) if "display_version" not in p.name]
    assert len(others) > 40
    for path in others:
        row = parse.parse_version(path.read_bytes().decode())
        assert row["understood"] is False, path.name
        assert row["reason"]
        assert all(value is None for key, value in row.items() if key not in ("understood", "reason"))
    for path in folder.glob("ntc_hp_comware_*"):
        text = path.read_text()
        assert parse.parse_device(text) == []
        assert parse.parse_labels(text) == {"serial": None, "parts": []}, path.name
        assert parse.parse_power(text) == parse.parse_fan(text) == []


def test_serial_and_part_numbers() -> None:
    found = parse.parse_labels(LABELS)
    assert found["serial"] == "2102353TESTCE0000001"
    parts = {part["slot"]: part for part in found["parts"]}
    assert parts["1"]["part_number"] == "02353TST"
    assert parts["PWR2"]["serial"] == "2102PWRTEST02"
    assert parts["FAN1"]["serial"] is None
    found = parse.parse_labels(MANUFACTURE)
    assert found["serial"] == "2102350TESTCE0000002"
    assert found["parts"][1]["slot"] == "PWR1"


def test_the_form_without_type_and_with_subcards() -> None:
    text = (
        "Slot  Sub  Serial-number          Manu-date\n- - - - - - - - - - - - - - - - - - - - - -\n"
        "0     -    2102353169TEST00001    2019-12-26\n      1    021TEST0000001         2019-12-14\n"
    )
    found = parse.parse_labels(text)
    assert found["serial"] == "2102353169TEST00001"
    assert [part["slot"] for part in found["parts"]] == ["0", "0/1"]
    # In a stack no serial stands for all.
    assert parse.parse_labels(text + "1     -    2102353169TEST00002    2019-12-26\n")["serial"] is None


def test_the_electronic_label_as_keys_and_values() -> None:
    text = """[Slot_1]
/$[Board Integration Version]
[Main_Board]
[Board Properties]
BoardType=CE6855-48S6Q-HI
BarCode=2102350TESTCE0000009
Item=02350TST
Description=a board, BarCode=NOT-THIS
[FAN1]
/$[ArchivesInfo Version]
[Board Properties]
BoardType=FAN
BarCode=
[Port_100GE1/0/1]
[Board Properties]
BoardType=QSFP
BarCode=OPTICTEST01
[PWR_1]
[Board Properties]
BoardType=PAC600S12
BarCode=2102PWRTEST09
Item=02312PWR
"""
    found = parse.parse_labels(text)
    assert found["serial"] == "2102350TESTCE0000009"
    assert [(p["slot"], p["serial"], p["part_number"]) for p in found["parts"]] == [
        ("1", "2102350TESTCE0000009", "02350TST"),
        ("FAN1", None, None),  # and not the serial number of the optical module below it
        ("PWR1", "2102PWRTEST09", "02312PWR"),
    ]


def test_esn() -> None:
    assert parse.parse_esn(" ESN of slot 1: 2102ESN0001\n") == "2102ESN0001"
    assert parse.parse_esn(" ESN of slot 1: A1\n ESN of slot 2: A2\n") is None
    assert parse.parse_esn(" ESN of slot 1: --\n") is None
    assert parse.parse_esn(UNKNOWN) is None


def test_power_supplies() -> None:
    rows = {row["slot"]: row for row in parse.parse_power(POWER)}
    assert list(rows) == ["PWR1", "PWR2", "PWR3"]
    assert rows["PWR1"] == {
        "slot": "PWR1", "chassis": "1", "present": True, "supplying": True, "output_watts": 116.0,
        "capacity_watts": 1200.0, "input_volts": None,
    }  # fmt: skip
    assert (rows["PWR2"]["supplying"], rows["PWR2"]["output_watts"]) == (False, None)
    assert (rows["PWR3"]["present"], rows["PWR3"]["supplying"]) == (False, None)
    verbose = POWER + (
        "Power supply details:\n---------------------\nSlot   PowerNo  Type InputVoltage     InputPower\n"
        "                     (Volt)           (Watts)\n---------------------\n"
        "1      PWR1     AC          220.0            133\n       PWR2     AC          --               --\n"
    )
    assert [row["input_volts"] for row in parse.parse_power(verbose)] == [220.0, None, None]


def test_fans_with_their_sub_lines_and_in_the_older_form() -> None:
    rows = {row["slot"]: row for row in parse.parse_fan(FAN)}
    assert list(rows) == ["FAN1", "FAN2", "FAN3"]
    assert (rows["FAN1"]["rpm"], rows["FAN1"]["percent"], rows["FAN1"]["airflow"]) == (10700.0, 43.0, "Front-to-Back")
    assert (rows["FAN3"]["present"], rows["FAN3"]["status"], rows["FAN3"]["rpm"]) == (False, None, None)
    old = """Slot  FanID   FanNum   Status      Speed     Mode     Airflow
----------------------------------------------------------------
 1    FAN1    [1-2]    Abnormal    30%       AUTO     Side-to-Back
      2       [1]      Normal      7200      AUTO     --
"""
    rows = {row["slot"]: row for row in parse.parse_fan(old)}
    assert (rows["FAN1"]["status"], rows["FAN1"]["present"], rows["FAN1"]["rpm"]) == ("abnormal", True, None)
    assert rows["FAN2"]["rpm"] == 7200.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0 day, 5 hours, 32 minutes", 19920),
        ("1 week, 1 day", 691200),
        ("3 fortnights", None),
        ("", None),
        ("1 day, ?", None),
    ],
)
def test_uptime(text: str, seconds: int | None) -> None:
    assert parse.uptime_seconds(text) == seconds


def test_a_refused_command_is_told_from_output() -> None:
    assert parse.rejected(UNKNOWN) == "the command is not accepted"
    assert parse.rejected("Error: Too many parameters found at '^' position.\n") is not None
    assert parse.rejected(VERSION + DEVICE + LABELS + POWER + FAN) is None


PARSERS = (
    parse.parse_version, parse.parse_device, parse.parse_labels, parse.parse_esn, parse.parse_power, parse.parse_fan,
    parse.rejected,
)  # fmt: skip
SAMPLES = (VERSION, DEVICE, LABELS, MANUFACTURE, POWER, FAN, UNKNOWN)


@settings(max_examples=150, deadline=None)
@given(text=st.one_of(st.none(), st.text(), st.binary().map(lambda raw: raw.decode("latin-1"))))
def test_any_text_is_read_without_complaint_and_gives_nothing(text: str | None) -> None:
    for parser in PARSERS:
        parser(text)  # type: ignore[operator]  # a tuple of functions
    found = facts.facts({"version": text, "device": text}, [])
    assert found["identity"]["model"] is None
    assert found["psu"] is None


@settings(max_examples=250, deadline=None)
@given(data=st.data())
def test_damaged_output_never_invents(data: st.DataObject) -> None:
    """Lines lost, cut or doubled: what is still read was in the output, and counts never exceed it."""
    sample = data.draw(st.sampled_from(SAMPLES))
    lines = sample.split("\n")
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(lines) - 1))
        change = data.draw(st.sampled_from(("drop", "cut", "double", "blank")))
        if change == "drop" and len(lines) > 1:
            del lines[at]
        elif change == "cut":
            lines[at] = lines[at][: data.draw(st.integers(0, len(lines[at])))]
        elif change == "double":
            lines.insert(at, lines[at])
        else:
            lines[at] = ""
    text = "\n".join(lines)
    for row in [*parse.parse_power(text), *parse.parse_fan(text), *parse.parse_labels(text)["parts"]]:
        slot = row["slot"]
        assert slot is None or slot in sample or slot.rpartition("/")[2] in sample
        assert row.get("serial") is None or row["serial"] in sample
    names = {row["slot"] for row in parse.parse_power(text)}
    assert names <= {"PWR1", "PWR2", "PWR3"}
    version = parse.parse_version(text)
    for key in ("model", "version", "patch", "os_version"):
        assert version[key] is None or version[key] in sample
