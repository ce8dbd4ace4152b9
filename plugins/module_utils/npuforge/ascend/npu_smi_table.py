"""The table of ``npu-smi info`` to typed rows, whatever its width.

Captures: 910A, 910B2, 910B4, A3 (98 columns), 310P3 and 310B4 (106), 26.0 with ``Process id in container`` (116, from a
public issue). Cells are what stands between ``|``; which numbers they hold is told by the two header rows, never by a
column. Two lines make a chip. A number may touch the slash (``59718/ 65536``). ``-`` and ``NA`` are None: the second
die of an A3 card has no power of its own, a 310P none at all.
"""

from __future__ import annotations

import re
from typing import Any, Mapping, Sequence

from .texts import Reading, lines, sample

HEALTH = {"ok": "OK", "warning": "Warning", "alarm": "Alarm", "critical": "Critical", "unknown": "UNKNOWN"}
_VERSION = re.compile(r"^npu-smi (\S{1,40})\s{1,60}Version: (\S{1,40})$")
_NUMBER = r"(NA|-|\d{1,9})"
_PAIR = rf"{_NUMBER}\s{{0,12}}/\s{{0,12}}{_NUMBER}"
_FIRST = re.compile(rf"^(NA|-|\d{{1,6}}(?:\.\d{{1,3}})?)\s{{1,40}}(NA|-?\d{{1,4}}|-)\s{{1,40}}{_PAIR}$")
_SECOND = re.compile(rf"^{_NUMBER}\s{{1,40}}{_PAIR}(?:\s{{1,40}}{_PAIR})?$")
_NAMED = re.compile(r"^(\d{1,6})\s{1,12}([A-Za-z0-9][A-Za-z0-9 ._-]{0,24})$")
_CHIP = re.compile(r"^(\d{1,4})(?:\s{1,12}(\d{1,6}))?$")
_BUS = re.compile(r"^(?:[0-9A-Fa-f]{4}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-9A-Fa-f]|NA)$")
_NONE = re.compile(r"^No running processes found in NPU (\d{1,6})$")
_PROCESS_HEAD = "Process id"


def parse_table(text: Any) -> Reading:
    """``{"tool_version", "chips": [Chip], "processes": [Process]|None, "npus_without_process": [ids]|None, "whole"}``.

    Chip: ``npu_id, chip_id, phy_id, device_id, name, health, power_watts, temperature_celsius, hugepages_used,
    hugepages_total, bus_id, aicore_percent, npu_percent, memory_used_mib, memory_total_mib, hbm_used_mib,
    hbm_total_mib``, None where the table does not tell. Process: ``npu_id, chip_id, pid, name, memory_mib,
    container_pid``. ``processes`` None: the table has no such list. ``whole``: every NPU of the upper part is named in
    that list, so nothing of the upper part is missing at its end; None without the list.

    No value at all when a chip stands twice or half in the table: then it is not one table.
    """
    found = _Table()
    for row in lines(text):
        found.take(row.strip())
    if found.problem or not found.chips or found.half is not None or not found.columns:
        return Reading(None, found.problem or f"unknown layout: {sample(text)}")
    npus = {chip["npu_id"] for chip in found.chips}
    named = {process["npu_id"] for process in found.processes} | set(found.idle)
    return Reading(
        {
            "tool_version": found.version,
            "chips": found.chips,
            "processes": found.processes if found.listed else None,
            "npus_without_process": sorted(set(found.idle)) if found.listed else None,
            "whole": named == npus if found.listed else None,
        }
    )


class _Table:
    """Collects rows. ``columns``: words of the header's second line."""

    def __init__(self) -> None:
        self.version: str | None = None
        self.columns: tuple[str, ...] = ()
        self.second_number: str | None = None  # what stands beside the chip: phy_id, device_id or nothing
        self.chips: list[dict[str, Any]] = []
        self.half: dict[str, Any] | None = None
        self.processes: list[dict[str, Any]] = []
        self.idle: list[int] = []
        self.listed = False
        self.container = False
        self.problem: str | None = None

    def take(self, row: str) -> None:
        if not row.startswith("|") or not row.endswith("|") or len(row) < 2:
            return
        cells = [cell.strip() for cell in row[1:-1].split("|")]
        if len(cells) == 1:
            self._alone(cells[0])
        elif _PROCESS_HEAD in cells:
            if self.listed:
                self.problem = "two tables in one answer"
            self.listed = True
            self.container = "Process id in container" in cells
        elif any("Usage(" in cell and "Hugepages" not in cell for cell in cells):
            self._header(cells)
        elif self.listed:
            self._process(cells)
        elif not any("Hugepages" in cell for cell in cells):
            self._chip(cells)

    def _alone(self, cell: str) -> None:
        version, idle = _VERSION.match(cell), _NONE.match(cell)
        if version is not None:
            if self.version is not None:
                self.problem = "two tables in one answer"
            self.version = version.group(2)
        elif idle is not None and self.listed:
            self.idle.append(int(idle.group(1)))

    def _header(self, cells: Sequence[str]) -> None:
        if self.columns:
            self.problem = "two tables in one answer"
        beside = cells[0].split()
        self.second_number = {"Phy-ID": "phy_id", "Device": "device_id"}.get(beside[-1]) if len(beside) > 1 else None
        self.columns = tuple(re.sub(r"\(.*", "", word) for word in cells[-1].split())

    def _chip(self, cells: list[str]) -> None:
        # The 950's table has a cell of its own for the name.
        if len(cells) == 4:
            cells = [f"{cells[0]} {cells[1]}".strip(), *cells[2:]]
        if len(cells) != 3 or not self.columns:
            return
        named, first = _NAMED.match(cells[0]), _FIRST.match(cells[2])
        if named is not None and first is not None and cells[1].lower() in HEALTH:
            if self.half is not None:
                self.problem = "half a chip in the table"
            self.half = {
                "npu_id": int(named.group(1)),
                "name": named.group(2),
                "health": HEALTH[cells[1].lower()],
                "power_watts": _float(first.group(1)),
                "temperature_celsius": _int(first.group(2)),
                "hugepages_used": _int(first.group(3)),
                "hugepages_total": _int(first.group(4)),
            }
        else:
            self._second(cells)

    def _second(self, cells: Sequence[str]) -> None:
        chip, second = _CHIP.match(cells[0] or "0"), _SECOND.match(cells[2])
        if chip is None or second is None or not _BUS.match(cells[1]) or self.half is None:
            if self.half is not None or (second is not None and _BUS.match(cells[1])):
                self.problem = "half a chip in the table"
            return
        pairs = [second.group(2, 3)] + ([second.group(4, 5)] if second.group(4) is not None else [])
        memories = [word for word in self.columns if word.endswith("-Usage")]
        if len(pairs) != len(memories) or (chip.group(2) is None) != (self.second_number is None):
            self.problem = f"unknown layout: {sample(' '.join(cells) + chr(10))}"
            return
        usage = dict(zip(memories, pairs))
        made = {
            **self.half,
            "chip_id": int(chip.group(1)),
            "phy_id": _int(chip.group(2)) if self.second_number == "phy_id" else None,
            "device_id": _int(chip.group(2)) if self.second_number == "device_id" else None,
            "bus_id": None if cells[1] == "NA" else cells[1].upper(),
            "aicore_percent": _int(second.group(1)) if self.columns[0] == "AICore" else None,
            "npu_percent": _int(second.group(1)) if self.columns[0] == "NPU" else None,
        }
        for name, key in (("Memory-Usage", "memory"), ("HBM-Usage", "hbm")):
            used, total = usage.get(name, (None, None))
            made[f"{key}_used_mib"], made[f"{key}_total_mib"] = _int(used), _int(total)
        self.half = None
        if any(made["npu_id"] == each["npu_id"] and made["chip_id"] == each["chip_id"] for each in self.chips):
            self.problem = "a chip stands twice in the table"
        self.chips.append(made)

    def _process(self, cells: Sequence[str]) -> None:
        place = _CHIP.match(cells[0])
        if place is None or len(cells) not in (4, 5) or not (cells[1].isdigit() and cells[3].isdigit()):
            return
        inner = cells[4] if len(cells) == 5 else None
        self.processes.append(
            {
                "npu_id": int(place.group(1)),
                "chip_id": int(place.group(2) or 0),
                "pid": int(cells[1]),
                # Blank for a process of another container.
                "name": cells[2] or None,
                "memory_mib": int(cells[3]),
                "container_pid": int(inner) if inner and inner.isdigit() else None,
            }
        )


def _int(text: str | None) -> int | None:
    return int(text) if text is not None and re.match(r"^-?\d{1,9}$", text) else None


def _float(text: str | None) -> float | None:
    return float(text) if text is not None and re.match(r"^\d", text) else None


def held_percent(chip: Mapping[str, Any]) -> float | None:
    """Share of the chip's memory that is held; None: neither HBM nor memory is told."""
    for kind in ("hbm", "memory"):
        used, total = chip.get(f"{kind}_used_mib"), chip.get(f"{kind}_total_mib")
        if used is not None and total:
            return 100.0 * float(used) / float(total)
    return None


def idle(chip: Mapping[str, Any], idle_percent: float = 15.0) -> bool | None:
    """Whether nobody uses the chip, by the memory it holds: the list of processes is empty inside containers.

    A die that nobody uses holds up to 9 % (32 GB parts). None: neither HBM nor memory is told.
    """
    percent = held_percent(chip)
    return None if percent is None else percent <= idle_percent
