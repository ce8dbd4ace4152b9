"""What the twin looks like now: one look at everything, as a table or as JSON."""

from __future__ import annotations

import unicodedata
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lab import readiness
from lab.nodes.containers import Nodes
from lab.nodes.podman import Podman
from lab.state import Settings, State
from lab.supervise import Supervisor
from lab.up import SERVICES, probe_ipmi, probe_redfish, probe_switch

Document = dict[str, Any]
ANSWERS = "answers"
COLUMNS = ("name", "power", "container", "ssh", "redfish", "ipmi", "faults")


def look(state: State, settings: Settings) -> Document:
    """``{"site", "state", "up": bool, "devices": [rows by COLUMNS], "services": [...]}``.

    ``up``: all is as it should be; so is a device that is off, or broken on purpose.
    """
    world = state.world
    nodes = [world.read(name) for name in world.names()]
    switches = [world.read(name, "switches") for name in world.names("switches")]
    containers = Nodes(state, settings, Podman()).found()
    prefix = f"npuforge-{settings.site}-"

    def node_row(node: Document) -> Document:
        container = containers.get(prefix + node["name"])
        row = {
            "name": node["name"],
            "power": node["power"],
            "container": container.state if container else "missing",
            "ssh": readiness.ssh(node["address"]) or ANSWERS if node["power"] == "on" else "off",
            "redfish": probe_redfish(node) or ANSWERS,
            "ipmi": probe_ipmi(node) or ANSWERS,
            "faults": sorted(node["faults"]),
        }
        powered = node["power"] == "on"
        healthy = container is not None and container.running == powered and row["ssh"] in (ANSWERS, "off")
        if not node["bmc"]["dead"]:
            healthy = healthy and (row["redfish"], row["ipmi"]) == (ANSWERS, ANSWERS)
        return {**row, "as_it_should_be": healthy}

    def switch_row(switch: Document) -> Document:
        answer = probe_switch(switch) or ANSWERS if switch["power"] == "on" else "off"
        row = {"name": switch["name"], "power": switch["power"], "container": None, "ssh": answer}
        row |= {"redfish": None, "ipmi": None, "faults": sorted(switch["faults"])}
        return {**row, "as_it_should_be": answer in (ANSWERS, "off")}

    with ThreadPoolExecutor(max_workers=16) as pool:
        devices = [*pool.map(node_row, nodes), *pool.map(switch_row, switches)]
    services = _services(Supervisor(state))
    return {
        "site": settings.site,
        "state": str(state.root),
        "up": bool(devices)
        and all(row["as_it_should_be"] for row in devices)
        and all(service["pid"] for service in services),
        "devices": devices,
        "services": services,
    }


def _services(supervisor: Supervisor) -> list[Document]:
    rows = []
    for service in SERVICES:
        process = supervisor.running(service.name)
        log = str(supervisor.log(service.name))
        rows.append({"name": service.name, "pid": process.pid if process else None, "log": log})
    return rows


def table(seen: Document) -> str:
    """The same for people."""
    rows = [list(COLUMNS)]
    for row in seen["devices"]:
        cells = {**row, "faults": ", ".join(row["faults"]) or "none"}
        rows.append([str(cells[column] or "-") for column in COLUMNS])
    lines = [f"site {seen['site']} (simulated), state in {seen['state']}", "", *align(rows), ""]
    for service in seen["services"]:
        running = f"process {service['pid']}" if service["pid"] else "not running"
        lines.append(f"service {service['name']}: {running}; log: {service['log']}")
    lines.append(
        "all is as it should be" if seen["up"] else "not all is as it should be: 'python -m lab up' repairs it"
    )
    return "\n".join(lines)


def align(rows: list[list[str]]) -> list[str]:
    """Columns under each other, two spaces between; Chinese characters count double."""
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell + " " * (size - width(cell)) for cell, size in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
