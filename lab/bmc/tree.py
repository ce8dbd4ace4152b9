"""The whole tree of one BMC: what follows from the truth (costly, cached by the caller) and from its own memory."""

from __future__ import annotations

from lab.bmc import chassis, managers, services, systems
from lab.bmc.context import Context
from lab.bmc.odata import ROOT, TYPES, Json, Tree
from lab.bmc.runtime import Runtime


def hardware(context: Context) -> Tree:
    """Everything that follows from the node's truth alone; the same until that changes."""
    tree: Tree = {}
    systems.build(context, tree)
    chassis.build(context, tree)
    managers.build(context, tree)
    return tree


def memory(context: Context, runtime: Runtime) -> Tree:
    """Everything that follows from the BMC's own memory; changes with each session."""
    tree: Tree = {}
    services.build(context, runtime, tree)
    return tree


def odata_document(root: Json) -> Json:
    """The OData service document: the top-level resources of the service root."""
    values = [
        {"name": key, "kind": "Singleton", "url": value["@odata.id"]}
        for key, value in root.items()
        if isinstance(value, dict) and "@odata.id" in value
    ]
    values.insert(0, {"name": "Service", "kind": "Singleton", "url": f"{ROOT}/"})
    return {"@odata.context": f"{ROOT}/$metadata", "value": values}


def metadata_document() -> str:
    """The OData metadata document: which schema files describe the resources, and the service's entity container."""
    schemas = "http://redfish.dmtf.org/schemas/v1"
    kinds = sorted({*TYPES, "Settings", "Resource", "Message", "Event"})
    collections = ["Chassis", "ComputerSystem", "Drive", "EthernetInterface", "EventDestination", "Fan", "LogEntry"]
    collections += ["LogService", "Manager", "ManagerAccount", "Memory", "NetworkAdapter", "PCIeDevice", "PCIeFunction"]
    collections += ["Port", "PowerSupply", "Processor", "Role", "Sensor", "Session", "SoftwareInventory", "Storage"]
    collections += ["Task", "VirtualMedia"]
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<edmx:Edmx xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx" Version="4.0">',
    ]
    for kind in kinds:
        lines.append(f'  <edmx:Reference Uri="{schemas}/{kind}_v1.xml">')
        lines.append(f'    <edmx:Include Namespace="{kind}"/>')
        if kind in TYPES:
            lines.append(f'    <edmx:Include Namespace="{kind}.{TYPES[kind]}"/>')
        lines.append("  </edmx:Reference>")
    for kind in collections:
        lines.append(f'  <edmx:Reference Uri="{schemas}/{kind}Collection_v1.xml">')
        lines.append(f'    <edmx:Include Namespace="{kind}Collection"/>')
        lines.append("  </edmx:Reference>")
    lines += [
        "  <edmx:DataServices>",
        '    <Schema xmlns="http://docs.oasis-open.org/odata/ns/edm" Namespace="Service">',
        f'      <EntityContainer Name="Service" Extends="ServiceRoot.{TYPES["ServiceRoot"]}.ServiceContainer"/>',
        "    </Schema>",
        "  </edmx:DataServices>",
        "</edmx:Edmx>",
    ]
    return "\n".join(lines) + "\n"
