"""Builders of healthy observations and runs for the tests of the evidence engine."""

from __future__ import annotations

import copy
import hashlib
import json
from typing import Any

from controller.contract import Document, Observed

AT = "2026-11-24T06:10:00Z"


def bmc_facts(number: int = 1) -> Document:
    """Facts of kind bmc (docs/seams.md section 5) of a healthy Atlas 800T A2, as ``lab/hardware.py`` builds them."""
    tail = f"{number:03d}"

    def group(parts: list[Document], **more: Any) -> Document:
        parts = [{"state": "present", "health": "ok", "source": "redfish", **part} for part in parts]
        return {
            "present_count": len(parts),
            "absent_count": 0,
            "unhealthy": [],
            "unknown_health": [],
            "parts": parts,
            **more,
        }

    def part(slot: str, model: str, serial: str | None, **more: Any) -> Document:
        number_ = f"PN-{model}"
        return {
            "slot": slot,
            "manufacturer": "Huawei",
            "model": model,
            "part_number": number_,
            "serial": serial,
            **more,
        }

    dimm = {"capacity_mib": 32768, "speed_mhz": 2933, "firmware": None}
    cpu = {"architecture": "ARM", "cores": 64, "firmware": None}
    return {
        "reachable": True,
        "identity": {
            "manufacturer": "Huawei",
            "model": "Atlas 800T A2",
            "serial": f"2102314TWN10P0000{tail}",
            "part_number": "02314TWN",
            "sku": None,
            "asset_tag": f"TWIN-{tail}",
            "uuid": None,
        },
        "power_state": "on",
        "post": {"state": "ok", "evidence": "BootProgress OSRunning"},
        "bmc": {
            "dialect": "openubmc",
            "firmware": "5.03.02.11",
            "model": "openUBMC",
            "clock_offset_seconds": 1.5,
            "tls": "verified",
        },
        "bios": {
            "version": "7.44",
            "release_date": "2026-03-18",
            "vendor_evidence": [
                {"source": "firmware_inventory.oem.manufacturer", "value": "Huawei"},
                {"source": "bios.version", "value": "7.44"},
                {"source": "system.manufacturer", "value": "Huawei"},
                {"source": "cpu.manufacturer", "value": "HiSilicon"},
            ],
        },
        "cpu": group([part(f"CPU{i}", "Kunpeng 920", f"C{tail}{i}", **cpu) for i in range(1, 5)]),
        "npu": group(
            [part(f"NPU{i}", "Ascend 910B3", f"N{tail}{i}", firmware="7.5") for i in range(1, 9)], source="pcie"
        ),
        "memory": group([part(f"DIMM{i:02d}", "DDR4", f"D{tail}{i}", **dimm) for i in range(32)], total_mib=1048576),
        "drive": group([part(f"Disk{i}", "SSD", f"H{tail}{i}", firmware="1053") for i in range(6)]),
        "fan": group([part(f"Fan{i}", "8086+", None) for i in range(1, 9)]),
        "psu": group([part(f"PSU{i}", "PAC2600", f"P{tail}{i}", firmware="108") for i in range(1, 5)]),
        "nic": group([part("NIC1", "SP680", f"E{tail}1", firmware="17.12")]),
        "notes": [],
    }


def switch_facts() -> Document:
    """Facts of kind switch of a healthy switch."""
    group = {"present_count": 2, "absent_count": 0, "unhealthy": [], "unknown_health": [], "parts": []}
    return {
        "reachable": True,
        "identity": {"manufacturer": "Huawei", "model": "CE8855", "serial": "2102353TWNCE10000001", "part_number": "1"},
        "version": "V300R023C00SPC500",
        "psu": copy.deepcopy(group),
        "fan": copy.deepcopy(group),
        "notes": [],
    }


def node_facts(number: int = 1) -> Document:
    """Facts of kind node (``library/node_identity.py``) of a server that is wired as the inventory says."""
    dmi = {"manufacturer": "Huawei", "model": "Atlas 800T A2", "bios_vendor": "Huawei Corp.", "bios_version": "7.44"}
    serial = f"2102314TWN10P0000{number:03d}"
    return {"dmi": {**dmi, "serial": serial}, "serial_matches_bmc": True, "notes": []}


def unreachable(problem: str = "connection refused") -> Document:
    """Facts of a BMC that did not answer."""
    facts = dict.fromkeys(bmc_facts())
    return {**facts, "reachable": False, "notes": [{"where": "bmc", "problem": problem}]}


def observation(kind: str, name: str, facts: Document, *, at: str = AT, collector: str = "bmc_info") -> Document:
    return {
        "schema": "npuforge.observation/1",
        "subject": {"kind": kind, "id": name},
        "collected_at": at,
        "collector": collector,
        "tool": {"name": collector, "version": "1"},
        "provenance": "hardware",
        "facts": facts,
    }


def observed(kind: str, name: str, facts: Document, **more: Any) -> Observed:
    """As ``RunFolder.observed`` gives it back."""
    document = {**observation(kind, name, copy.deepcopy(facts), **more), "raw": []}
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
    return Observed(document, f"observations/{kind}-{name}-{document['collector']}.json#{digest}")


def inventory(nodes: int = 3, **more: Any) -> Document:
    names = [f"node{number}" for number in range(1, nodes + 1)]
    return {
        "subjects": {"bmc": names, "node": names, "switch": ["sw1"], "site": ["twin"]},
        "profiles": dict.fromkeys(names, "atlas_800t_a2"),
        "expect": {},
        "waivers": [],
        "devices": {name: {"role": "server", "rack": "R01", "position": 8 * n} for n, name in enumerate(names, 1)},
        **more,
    }


def run(
    nodes: int = 3, stages: tuple[str, ...] = ("hardware", "identity"), run_id: str = "20261124T060405Z", **more: Any
) -> Document:
    done = {"started_at": AT, "finished_at": AT, "state": "done"}
    return {
        "schema": "npuforge.run/1",
        "site": "twin",
        "run_id": run_id,
        "started_at": AT,
        "finished_at": None,
        "provenance": "hardware",
        "inventory": inventory(nodes, **more),
        "stages": {stage: dict(done) for stage in stages},
        "tool": {"name": "npuforge", "version": "0"},
    }


def healthy(nodes: int = 3, **more: Any) -> list[Observed]:
    """Observations of a site on which nothing is wrong."""
    servers = [observed("bmc", f"node{number}", bmc_facts(number), **more) for number in range(1, nodes + 1)]
    nodes_told = [
        observed("node", f"node{number}", node_facts(number), **{"collector": "node_identity", **more})
        for number in range(1, nodes + 1)
    ]
    return [*servers, *nodes_told, observed("switch", "sw1", switch_facts(), **{"collector": "switch_info", **more})]
