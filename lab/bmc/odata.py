"""What every Redfish resource is made of: identity, type, links and entity tags.

A BMC's tree is a ``dict`` from path to ``Resource``; paths are absolute, without a trailing slash (``/redfish/v1`` is
the service root). The types below are those of DMTF's DSP8010 bundle 2025; ``rf_service_validator`` checks each
property against them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

ROOT = "/redfish/v1"
SYSTEM = f"{ROOT}/Systems/1"
CHASSIS = f"{ROOT}/Chassis/1"
MANAGER = f"{ROOT}/Managers/1"

REDFISH_VERSION = "1.20.0"
TYPES = {
    "AccountService": "v1_15_0",
    "Bios": "v1_2_1",
    "Chassis": "v1_25_0",
    "ComputerSystem": "v1_22_0",
    "Drive": "v1_19_0",
    "EnvironmentMetrics": "v1_3_1",
    "EthernetInterface": "v1_12_1",
    "EventDestination": "v1_14_0",
    "EventService": "v1_10_0",
    "Fan": "v1_5_0",
    "LogEntry": "v1_16_0",
    "LogService": "v1_7_0",
    "Manager": "v1_19_0",
    "ManagerAccount": "v1_12_0",
    "ManagerNetworkProtocol": "v1_10_0",
    "Memory": "v1_20_0",
    "NetworkAdapter": "v1_11_0",
    "PCIeDevice": "v1_14_0",
    "PCIeFunction": "v1_5_0",
    "Port": "v1_12_0",
    "Power": "v1_7_2",
    "PowerSubsystem": "v1_1_1",
    "PowerSupply": "v1_6_0",
    "PowerSupplyMetrics": "v1_1_1",
    "Processor": "v1_20_0",
    "Role": "v1_3_1",
    "Sensor": "v1_9_0",
    "ServiceRoot": "v1_17_0",
    "Session": "v1_7_0",
    "SessionService": "v1_1_8",
    "SoftwareInventory": "v1_10_0",
    "Storage": "v1_16_0",
    "Task": "v1_7_2",
    "TaskService": "v1_2_0",
    "Thermal": "v1_7_3",
    "ThermalMetrics": "v1_3_1",
    "ThermalSubsystem": "v1_3_1",
    "UpdateService": "v1_13_0",
    "VirtualMedia": "v1_6_3",
}

READ = ("GET", "HEAD")


@dataclass(frozen=True)
class Resource:
    """One resource: its representation and the methods that it takes."""

    body: Json
    allow: tuple[str, ...] = READ


Tree = dict[str, Resource]


def link(path: str) -> Json:
    return {"@odata.id": path}


def links(paths: Iterable[str]) -> list[Json]:
    return [link(path) for path in paths]


def entity(path: str, kind: str, identifier: str, name: str, **properties: Any) -> Json:
    """A resource's representation; ``kind`` is a key of ``TYPES``."""
    return {
        "@odata.id": path + "/" if path == ROOT else path,
        "@odata.type": f"#{kind}.{TYPES[kind]}.{kind}",
        "Id": identifier,
        "Name": name,
        **properties,
    }


def collection(
    tree: Tree, path: str, kind: str, members: Iterable[str], *, name: str = "", allow: tuple[str, ...] = READ
) -> Json:
    """Adds a collection with these members to the tree; its link."""
    found = links(members)
    body = {
        "@odata.id": path,
        "@odata.type": f"#{kind}Collection.{kind}Collection",
        "Name": name or f"{kind} Collection",
        "Members": found,
        "Members@odata.count": len(found),
    }
    tree[path] = Resource(body, allow)
    return link(path)


def status(state: str | None, health: str | None, rollup: str | None = None) -> Json:
    """A Redfish Status; a rollup only where one is given."""
    body: Json = {"State": state, "Health": health}
    if rollup is not None:
        body["HealthRollup"] = rollup
    return body


def etag(body: Json) -> str:
    """Changes exactly when the representation does; the running clock does not count (DSP0266, ETags)."""
    steady = {key: value for key, value in body.items() if key not in ("DateTime", "@odata.etag")}
    text = json.dumps(steady, sort_keys=True, ensure_ascii=False)
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:16]}"'
