"""Sites to plan a fabric for: the real profiles and families of switches, nodes and cables as a test wants them."""

from __future__ import annotations

import copy
from typing import Any

import yaml
from npuforge.fabric.plan import build_plan
from npuforge.fabric.refuse import PlanError

from controller import contract
from tests.unit.validate_helpers import ROOT

LAW = contract.load()
Inventory = dict[str, Any]
FABRIC = {"layout": "single_subnet", "subnet": "10.88.0.0/24", "gateway": "10.88.0.1", "first_address": "10.88.0.101"}


def family(name: str) -> dict[str, Any]:
    """A family's data as ``controller.fabric.source`` hands it to the plan."""
    entry = next(entry for entry in LAW.switches["families"] if entry["id"] == name)
    return {
        "family": name,
        **{key: value for key, value in copy.deepcopy(entry).items() if key not in ("id", "models")},
    }


def node(number: int, switch: str = "sw1", first_port: int = 1) -> dict[str, Any]:
    """A node whose eight NPUs are on four split 400GE ports."""
    ports = [
        {"name": f"NPU{npu}", "switch": switch, "switch_port": f"400GE1/0/{first_port + (npu - 1) // 2}:{2 - npu % 2}"}
        for npu in range(1, 9)
    ]
    product = copy.deepcopy(LAW.profiles["atlas_800t_a2"]["fabric"])
    return {"name": f"node{number}", "index": number, "product": product, "ports": ports}


def site(nodes: int = 3, **fabric: Any) -> Inventory:
    """The twin's fabric; keywords override ``site_fabric``."""
    return {
        "site": "twin",
        "fabric": {**FABRIC, **fabric},
        "networks": {"management": "10.77.0.0/24", "bmc": "127.77.1.0/24"},
        "addresses": {"10.77.0.11": "node1's ansible_host"},
        "nodes": [node(number, first_port=4 * number - 3) for number in range(1, nodes + 1)],
        "switches": {"sw1": family("ce8855")},
    }


def problems(inventory: Inventory) -> list[tuple[str, str]]:
    """``(where, problem)`` of the refusal; none where the plan is made."""
    try:
        plan = build_plan(inventory)
    except PlanError as error:
        assert error.problems == [{"where": each.where, "problem": each.problem} for each in error.found]
        return [(each.where, each.problem) for each in error.found]
    assert contract.problems(plan, "fabric_plan") == []
    return []


def twin_variables() -> tuple[dict[str, list[str]], dict[str, dict[str, Any]], dict[str, Any]]:
    """Groups, each host's variables and the site's, of inventory/twin, without its secrets."""
    base = ROOT / "inventory" / "twin"
    groups, values = {}, {}
    for group, entry in read(base / "hosts.yml")["all"]["children"].items():
        groups[group] = list(entry["hosts"])
        shared = read(base / "group_vars" / f"{group}.yml")
        values.update({host: {**shared, **own} for host, own in entry["hosts"].items()})
    return groups, values, read(base / "group_vars" / "all" / "site.yml")


def read(path: Any) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))
