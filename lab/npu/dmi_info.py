"""``ascend-dmi -i``: the chips at a glance.

The JSON form is that of public readers of a server's answer (``hardware_brief.server.devices[]``; units in the values).
The user guide shows the other forms as pictures only: the names of their fields are the guide's, how they are laid out
is the twin's own. ``--dt --fmt json`` has never been published and is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lab import chips
from lab.npu.dmi_options import Options, Refused
from lab.npu.smi_table import bus, idle_hbm_mib
from lab.npu.smi_types import AICORES, HBM_MHZ

Document = Mapping[str, Any]
Cards = Mapping[int, Document]
VECTORS = 2 * AICORES


def text(document: Document, cards: Cards, options: Options) -> str:
    """Refused: a form that the twin does not know."""
    if "detail" in options.flags:
        if options.json:
            raise Refused("The twin does not know the JSON form of --detail.")
        return _detail(document, cards)
    return _json(document, cards) if options.json else _brief(document, cards)


def _used(npu: Document) -> int:
    return chips.memory_used_mib(npu, idle_hbm_mib(npu))


def _json(document: Document, cards: Cards) -> str:
    devices = [
        {
            "ai_core_information": {"ai_core_usage": "0 %"},
            "card_id": number,
            "chip_id": 0,
            "chip_name": npu["model"],
            "device_id": number,
            "health": npu["health"],
            "memory_information": {"total": f"{npu['hbm_mib']} MB", "used": f"{_used(npu)} MB"},
            "pcie_information": {"bus_id": bus(npu)},
            "power_information": {"realtime_power": f"{npu['power_watts']:.1f} W"},
            "temperature": f"{npu['temperature_celsius']} C",
        }
        for number, npu in cards.items()
    ]
    server = {"devices": devices, "npu_count": len(cards), "type": document["model"]}
    return json.dumps({"hardware_brief": {"server": server}}, indent=4) + "\n"


def _brief(document: Document, cards: Cards) -> str:
    """One row for each chip below the guide's names."""
    names = ("Chip Name", "Power", "Health", "Used Memory", "Temperature", "Device ID", "Bus ID", "AI Core Usage")
    rows = [
        (
            str(npu["model"]),
            f"{npu['power_watts']:.1f}W",
            str(npu["health"]),
            f"{_used(npu)}MB/{npu['hbm_mib']}MB",
            f"{npu['temperature_celsius']}C",
            str(number),
            bus(npu),
            "0%",
        )
        for number, npu in cards.items()
    ]
    widths = [max(len(row[place]) for row in (names, *rows)) for place in range(len(names))]
    rule = "+" + "+".join("-" * (width + 2) for width in widths) + "+"

    def line(cells: tuple[str, ...]) -> str:
        return "| " + " | ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)) + " |"

    head = [f"Type : {document['model']}", f"NPU Count : {len(cards)}", rule, line(names), rule]
    return "\n".join([*head, *(line(row) for row in rows), rule]) + "\n"


def _detail(document: Document, cards: Cards) -> str:
    blocks = [f"Type : {document['model']}\nNPU Count : {len(cards)}\n"]
    for number, npu in cards.items():
        counted = npu["ecc"]
        fields: tuple[tuple[str, object], ...] = (
            ("Chip Name", npu["model"]),
            ("Device ID", number),
            ("Chip ID", 0),
            ("AI Core Information", ""),
            ("    AI Core Count", AICORES),
            ("    AI Core Usage (%)", 0),
            ("    Cube Count", AICORES),
            ("    Vector Count", VECTORS),
            ("Memory Information", ""),
            ("    Total (MB)", npu["hbm_mib"]),
            ("    Used (MB)", _used(npu)),
            ("    Bandwidth Usage (%)", 0),
            ("    Frequency (MHz)", HBM_MHZ),
            ("Power Information", ""),
            ("    Real-time Power (W)", f"{npu['power_watts']:.1f}"),
            ("Temperature (C)", npu["temperature_celsius"]),
            ("Health", npu["health"]),
            ("PCIe Information", ""),
            ("    Bus ID", bus(npu)),
            ("ECC Information", ""),
            ("    Single-bit Error Count", counted["single_bit"]),
            ("    Double-bit Error Count", counted["double_bit"]),
        )
        blocks.append("".join(f"{name} : {value}".rstrip() + "\n" for name, value in fields))
    return "\n".join(blocks)
