"""A small healthy site as a document, to be changed by tests and loaded through the real reader."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

from controller import survey

Document = dict[str, Any]


def outlets(*phases: str | None) -> list[Document]:
    return [{"type": "C19", "count": 2, "phase": phase} for phase in phases]


def rack(name: str, **changes: Any) -> Document:
    return {
        "name": name,
        "units": 42,
        "usable_depth_mm": 1100,
        "footprint_m2": 0.72,
        "feet": 4,
        "mass_kg": 140,
        "power_budget_kw": 20,
        "pdus": [
            {"name": f"{name}-A", "feed": "A", "rated_amps": 63, "outlets": outlets("L1", "L2", "L3")},
            {"name": f"{name}-B", "feed": "B", "rated_amps": 63, "outlets": outlets("L1", "L2", "L3")},
        ],
        **changes,
    }


def server(name: str, rack_name: str, unit: int, plugs: tuple[int, int] = (1, 3), **changes: Any) -> Document:
    """2+2 power supplies, 4 U, 5200 W; its cords are in outlets ``plugs`` of both PDUs."""
    return {
        "name": name,
        "role": "server",
        "rack": rack_name,
        "unit": unit,
        "height_units": 4,
        "depth_mm": 900,
        "mass_kg": 80,
        "max_watts": 5200,
        "airflow": "front_to_back",
        "psus_needed": 2,
        "power_cords": [
            {
                "psu": f"PSU{number + 1}",
                "pdu": f"{rack_name}-{'AABB'[number]}",
                "outlet": f"C19-{plugs[number % 2]}",
            }
            for number in range(4)
        ],
        "ports": ["NPU[1-8]", "BMC"],
        **changes,
    }


def site() -> Document:
    return {
        "schema": "npuforge.survey/1",
        "site": "test",
        "room": {
            "clear_height_m": 3.2,
            "inlet_celsius": 23,
            "humidity_percent": 45,
            "grounding_ohm": 0.5,
            "floor": {"capacity_kn_per_m2": 8, "point_capacity_kn": 4.5},
            "cooling": {
                "delta_t_kelvin": 12,
                "units": [
                    {"name": "C1", "sensible_kw": 30, "airflow_m3_per_h": 8000},
                    {"name": "C2", "sensible_kw": 30, "airflow_m3_per_h": 8000},
                ],
            },
        },
        "ups": [
            {"name": "U1", "rated_kva": 60, "runtime_minutes": 20},
            {"name": "U2", "rated_kva": 60, "runtime_minutes": 20},
        ],
        "feeds": [
            {"name": "A", "phases": 3, "voltage_volts": 380, "breaker_amps": 63, "power_factor": 0.95, "ups": "U1"},
            {"name": "B", "phases": 3, "voltage_volts": 380, "breaker_amps": 63, "power_factor": 0.95, "ups": "U2"},
        ],
        "racks": [rack("R01"), rack("R02")],
        "devices": [server("node1", "R01", 10), server("node2", "R01", 16, (2, 5)), server("node3", "R02", 10, (3, 5))],
    }


def write(folder: Path, document: Document, name: str = "survey.yml") -> Path:
    path = folder / name
    path.write_text(yaml.safe_dump(copy.deepcopy(document), allow_unicode=True, sort_keys=False), encoding="utf-8")
    return path


def load(folder: Path, document: Document) -> survey.Survey:
    return survey.load(write(folder, document))


def by_id(items: list[survey.Item]) -> dict[str, survey.Item]:
    return {item.id: item for item in items}


def failed(items: list[survey.Item]) -> set[str]:
    return {item.id for item in items if item.ok is False}
