"""The ledger's files: what a spreadsheet, a person and the next run read."""

from __future__ import annotations

import csv
import io
import stat
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from evidence_helpers import healthy, run

from controller.contract import Document
from controller.evidence import EvidenceError
from controller.ledger import empty, update
from controller.ledger_files import load, save, to_csv, to_xlsx
from controller.redact import Redactor


def ledger(**asset: Any) -> Document:
    document = update(empty("twin"), run(), healthy())
    document["devices"][0].update(asset)
    return document


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_what_is_saved_is_loaded_again(tmp_path: Path) -> None:
    document = ledger()
    paths = save(tmp_path, document, Redactor())
    assert [path.name for path in paths] == ["ledger.json", "ledger.csv", "ledger.xlsx"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o600}
    assert load(tmp_path, "twin") == document


def test_without_a_file_there_is_an_empty_ledger(tmp_path: Path) -> None:
    assert load(tmp_path, "twin") == empty("twin")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"schema": "npuforge.ledger/9"}', b"\xff\xfe"])
def test_a_damaged_ledger_is_not_overwritten(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "ledger.json").write_bytes(content)
    with pytest.raises(EvidenceError, match=r"ledger\.json cannot be read"):
        load(tmp_path, "twin")


def test_the_ledger_of_another_site_is_refused(tmp_path: Path) -> None:
    save(tmp_path, ledger(), Redactor())
    with pytest.raises(EvidenceError, match="the ledger of 'twin', not of 'other'"):
        load(tmp_path, "other")


def test_an_invalid_ledger_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match="not a valid ledger"):
        save(tmp_path, {**ledger(), "devices": [{}]}, Redactor())
    assert list(tmp_path.iterdir()) == []


def test_csv_lists_devices_and_parts_for_excel(tmp_path: Path) -> None:
    save(tmp_path, ledger(location="三楼机房"), Redactor())
    data = (tmp_path / "ledger.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbf"), "without the mark a Chinese Excel reads GBK"
    rows = rows_of(data.decode("utf-8-sig"))
    assert len(rows) == 4 + 189
    assert rows[0]["name"] == "node1"
    assert rows[0]["location"] == "三楼机房"
    npu = next(row for row in rows if row["serial"] == "N0013")
    assert (npu["kind"], npu["device"], npu["name"], npu["description"]) == ("npu", "node1", "NPU3", "Ascend 910B3")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "=cmd|' /C calc'!A0"])
def test_a_cell_cannot_become_a_formula(text: str) -> None:
    document = ledger(asset_tag=text)
    assert rows_of(to_csv(document))[0]["asset_tag"] == f"'{text}"
    sheet = openpyxl.load_workbook(io.BytesIO(to_xlsx(document, "zh"))).worksheets[0]
    cell = next(cell for cell in sheet[2] if str(cell.value).strip() == text.strip())
    assert cell.data_type == "s"


def test_xlsx_has_a_sheet_for_each_table_with_chinese_headers() -> None:
    book = openpyxl.load_workbook(io.BytesIO(to_xlsx(ledger(), "zh")))
    assert book.sheetnames == ["设备", "部件", "变更历史", "差异"]
    headers = [cell.value for cell in book["部件"][1]]
    assert headers[:4] == ["设备", "上级部件", "槽位", "类别"]
    assert book["部件"].max_row == 1 + 189
    english = openpyxl.load_workbook(io.BytesIO(to_xlsx(ledger(), "en")))
    assert english.sheetnames == ["Devices", "Inventory items", "History", "Outliers"]


def test_a_simulated_ledger_says_so_on_every_sheet() -> None:
    book = openpyxl.load_workbook(io.BytesIO(to_xlsx({**ledger(), "provenance": "simulated"}, "zh")))
    for sheet in book:
        assert "仿真" in str(sheet["A1"].value)
    assert book["设备"]["A2"].value == "名称"


def test_control_characters_do_not_break_the_workbook() -> None:
    book = openpyxl.load_workbook(io.BytesIO(to_xlsx(ledger(asset_tag="A\x00\x0b1"), "en")))
    assert "A1" in [cell.value for cell in book["Devices"][2]]


def test_secrets_stay_out_of_all_three(tmp_path: Path) -> None:
    save(tmp_path, ledger(asset_tag="tag-Pl4nted-secret"), Redactor(["Pl4nted-secret"]))
    for path in tmp_path.iterdir():
        if path.suffix != ".xlsx":
            assert b"Pl4nted" not in path.read_bytes()
    book = openpyxl.load_workbook(tmp_path / "ledger.xlsx")
    assert "tag-[redacted]" in [cell.value for cell in book.worksheets[0][2]]
