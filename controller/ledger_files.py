"""The asset ledger's files: ledger.json (the truth), ledger.csv and ledger.xlsx (for people and other systems).

CSV: UTF-8 with a byte order mark, since Excel in a Chinese Windows reads GBK without it; NetBox field names, CRLF
(RFC 4180). Text that a spreadsheet would take for a formula gets an apostrophe in front; XLSX needs none, there a cell
is typed as text.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font, PatternFill
from openpyxl.utils import get_column_letter

from controller import contract
from controller.contract import ContractError, Document
from controller.evidence import EvidenceError
from controller.files import write_atomic
from controller.ledger import empty
from controller.redact import Redactor

# Column -> header of the XLSX in (zh, en). The CSV's headers are the columns themselves.
DEVICE_COLUMNS = {
    "name": ("名称", "Name"),
    "role": ("角色", "Role"),
    "manufacturer": ("厂商", "Manufacturer"),
    "device_type": ("型号", "Device type"),
    "part_number": ("部件号", "Part number"),
    "serial": ("序列号", "Serial"),
    "asset_tag": ("资产编号", "Asset tag"),
    "site": ("站点", "Site"),
    "location": ("位置", "Location"),
    "rack": ("机柜", "Rack"),
    "position": ("U位", "Position"),
    "face": ("朝向", "Face"),
    "status": ("状态", "Status"),
    "bios_version": ("BIOS版本", "BIOS"),
    "bmc_firmware": ("BMC固件", "BMC firmware"),
    "firmware": ("固件", "Firmware"),
    "serial_missing": ("无序列号", "No serial"),
    "serial_shared": ("序列号重复", "Serial shared"),
    "first_seen": ("首次发现", "First seen"),
    "last_seen": ("最近发现", "Last seen"),
    "provenance": ("数据来源", "Provenance"),
}
ITEM_COLUMNS = {
    "device": ("设备", "Device"),
    "parent": ("上级部件", "Parent"),
    "name": ("槽位", "Slot"),
    "role": ("类别", "Role"),
    "manufacturer": ("厂商", "Manufacturer"),
    "part_id": ("部件号", "Part id"),
    "serial": ("序列号", "Serial"),
    "asset_tag": ("资产编号", "Asset tag"),
    "discovered": ("自动发现", "Discovered"),
    "status": ("状态", "Status"),
    "description": ("型号", "Model"),
    "firmware": ("固件", "Firmware"),
    "serial_missing": ("无序列号", "No serial"),
    "serial_shared": ("序列号重复", "Serial shared"),
    "first_seen": ("首次发现", "First seen"),
    "last_seen": ("最近发现", "Last seen"),
    "provenance": ("数据来源", "Provenance"),
}
EVENT_COLUMNS = {
    "at": ("时间", "Time"),
    "run_id": ("运行编号", "Run"),
    "event": ("事件", "Event"),
    "device": ("设备", "Device"),
    "kind": ("类别", "Kind"),
    "slot": ("槽位", "Slot"),
    "serial": ("序列号", "Serial"),
    "from": ("变更前", "From"),
    "to": ("变更后", "To"),
}
OUTLIER_COLUMNS = {
    "device": ("设备", "Device"),
    "kind": ("类别", "Kind"),
    "slot": ("槽位", "Slot"),
    "field": ("字段", "Field"),
    "observed": ("实际值", "Observed"),
    "majority": ("多数值", "Majority"),
    "text": ("说明", "In words"),
}
SHEETS = (
    ("devices", ("设备", "Devices"), DEVICE_COLUMNS),
    ("inventory_items", ("部件", "Inventory items"), ITEM_COLUMNS),
    ("events", ("变更历史", "History"), EVENT_COLUMNS),
    ("outliers", ("差异", "Outliers"), OUTLIER_COLUMNS),
)
_SIMULATED = ("仿真数据：本台账来自仿真环境，不代表真实设备", "SIMULATED: this ledger comes from a simulated site")


def load(directory: Path, site: str) -> Document:
    """ledger.json of the site; an empty ledger where there is none.

    :raises EvidenceError: it is there but damaged or of another site: history is not thrown away silently.
    """
    path = directory / "ledger.json"
    try:
        document: Document = json.loads(path.read_bytes())
        contract.validate(document, "ledger")
    except FileNotFoundError:
        return empty(site)
    except (OSError, ValueError, ContractError) as error:
        raise EvidenceError(f"{path} cannot be read ({error}); move it away to begin a new ledger") from error
    if document["site"] != site:
        raise EvidenceError(f"{path} is the ledger of {document['site']!r}, not of {site!r}")
    return document


def save(directory: Path, ledger: Document, redactor: Redactor, language: str = "zh") -> list[Path]:
    """Write ledger.json, ledger.csv and ledger.xlsx; the caller holds the site's lock.

    :param language: of the XLSX's headers, ``zh`` or ``en``.
    :raises EvidenceError: the ledger does not follow its schema; nothing is written.
    """
    clean: Document = redactor.document(ledger)
    wrong = contract.problems(clean, "ledger")
    if wrong:
        raise EvidenceError("not a valid ledger: " + "; ".join(wrong))
    text = json.dumps(clean, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    contents = {
        "ledger.json": text.encode("utf-8", "surrogatepass"),
        "ledger.csv": to_csv(clean).encode("utf-8-sig", "replace"),
        "ledger.xlsx": to_xlsx(clean, language),
    }
    for name, data in contents.items():
        write_atomic(directory / name, data)
    return [directory / name for name in contents]


def to_csv(ledger: Document) -> str:
    """Devices and their parts in one table, active ones and those that are gone."""
    columns = ["kind", *dict.fromkeys([*ITEM_COLUMNS, *DEVICE_COLUMNS])]
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(columns)
    for row in [*ledger["devices"], *ledger["inventory_items"]]:
        writer.writerow([_guarded(_cell(row.get(column), "en")) for column in columns])
    return stream.getvalue()


def to_xlsx(ledger: Document, language: str) -> bytes:
    """A workbook with one sheet each for devices, parts, history and outliers."""
    index = 0 if language == "zh" else 1
    book = Workbook(write_only=True)  # rows are streamed: a hundred servers have thousands of parts
    for key, titles, columns in SHEETS:
        sheet = book.create_sheet(titles[index])
        lines = [[header[index] for header in columns.values()]]
        lines += [[_clean(_cell(row.get(column), language)) for column in columns] for row in ledger[key]]
        top = 2 if ledger["provenance"] == "simulated" else 1
        for column, values in enumerate(zip(*lines, strict=True), 1):
            width = max(sum(2 if ord(char) > 0x2E80 else 1 for char in str(value or "")) for value in values)
            sheet.column_dimensions[get_column_letter(column)].width = min(max(width + 2, 8), 48)
        sheet.freeze_panes = f"A{top + 1}"
        sheet.auto_filter.ref = f"A{top}:{get_column_letter(len(columns))}{top + len(lines) - 1}"
        if top == 2:
            sheet.append([_styled(sheet, _SIMULATED[index], font=Font(bold=True, color="FFC00000"))])
        header = {"font": Font(bold=True), "fill": PatternFill("solid", fgColor="FFDDE6F0")}
        sheet.append([_styled(sheet, text, **header) for text in lines[0]])
        for line in lines[1:]:
            sheet.append([_styled(sheet, value) if _is_formula(value) else value for value in line])
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def _styled(sheet: Any, value: str, **styles: Any) -> Any:
    """A cell that is text whatever it looks like."""
    cell = WriteOnlyCell(sheet, value)
    cell.data_type = "s"
    for name, style in styles.items():
        setattr(cell, name, style)
    return cell


def _is_formula(value: Any) -> bool:
    return isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r", "\n")


def _cell(value: Any, language: str) -> Any:
    """What a cell shows: a moment as its time, a text in the language, a list joined."""
    if isinstance(value, dict):
        return value.get("at") or value.get(language) or json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    if isinstance(value, bool):
        return {True: "yes", False: "no"}[value] if language == "en" else {True: "是", False: "否"}[value]
    return value


def _guarded(value: Any) -> Any:
    """Text that a spreadsheet would run as a formula is defused (OWASP: CSV injection)."""
    return f"'{value}" if _is_formula(value) else value


def _clean(value: Any) -> Any:
    """Without the control characters that a workbook cannot hold."""
    if not isinstance(value, str):
        return value
    return "".join(char for char in value if char >= " " or char in "\n\t")
