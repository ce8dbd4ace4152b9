"""``/redfish/v1/Chassis/1`` with its PCIe devices and network cards; cooling and power are in ``environment``."""

from __future__ import annotations

from lab.bmc import environment
from lab.bmc.context import Context, shown
from lab.bmc.odata import CHASSIS, MANAGER, SYSTEM, Json, Resource, Tree, collection, entity, link, links, status


def build(context: Context, tree: Tree) -> None:
    """Adds the chassis and everything below it."""
    node, view = context.node, context.view
    drives = [path for path, resource in tree.items() if resource.body["@odata.type"].startswith("#Drive.")]
    body = entity(
        CHASSIS,
        "Chassis",
        "1",
        "Main Chassis",
        ChassisType="RackMount",
        Manufacturer=node["manufacturer"],
        Model=node["model"],
        SerialNumber=node["serial"],
        PartNumber=node["part_number"],
        AssetTag=node["asset_tag"],
        PowerState="On" if view.powered else "Off",
        LocationIndicatorActive=node["identify_led"] == "on",
        Status=status("Enabled" if view.powered else "StandbyOffline", view.health),
        Thermal=environment.thermal(context, tree),
        Power=environment.power(context, tree),
        PCIeDevices=_pcie(context, tree),
        NetworkAdapters=_adapters(context, tree),
        Links={
            "ComputerSystems": links([SYSTEM]),
            "ManagedBy": links([MANAGER]),
            "Drives": links(drives),
            "Drives@odata.count": len(drives),
        },
        Oem=context.oem(
            # An iBMC's chassis tells the truth, other than its system (see the vendor's tree).
            DriveSummary={"Status": {"HealthRollup": view.rollups["drive"]}},
            PowerSupplySummary={"Status": {"HealthRollup": view.rollups["psu"]}},
            NetworkAdaptersSummary={"Status": {"HealthRollup": view.rollups["nic"]}},
        ),
    )
    if context.ibmc:
        body["Drives"] = link(f"{CHASSIS}/Drives")
    else:
        body["Sensors"] = environment.sensors(context, tree)
        body["ThermalSubsystem"] = environment.thermal_subsystem(context, tree)
        body["PowerSubsystem"] = environment.power_subsystem(context, tree)
        body["EnvironmentMetrics"] = environment.metrics(context, tree)
    tree[CHASSIS] = Resource(body)
    collection(tree, CHASSIS.rpartition("/")[0], "Chassis", [CHASSIS])


def _pcie(context: Context, tree: Tree) -> Json:
    base = f"{CHASSIS}/PCIeDevices"
    members = []
    for part in [*context.listed_npus(), *context.view.nics]:
        if not part.present:
            continue  # nothing answers on the bus where no card is
        path = f"{base}/{part.slot}"
        members.append(path)
        function = f"{path}/PCIeFunctions/1"
        is_npu = part.kind == "npu"
        pci = part.truth["pci"] if is_npu else {"vendor_id": "0x19e5", "device_id": "0x0222"}
        tree[function] = Resource(
            entity(
                function,
                "PCIeFunction",
                "1",
                f"{part.slot} Function",
                FunctionId=0,
                FunctionType="Physical",
                DeviceClass="ProcessingAccelerators" if is_npu else "NetworkController",
                VendorId=pci["vendor_id"],
                DeviceId=pci["device_id"],
                Status=status(part.state, part.health),
                Links={"PCIeDevice": link(path)},
            )
        )
        tree[path] = Resource(
            entity(
                path,
                "PCIeDevice",
                part.slot,
                part.slot,
                DeviceType="SingleFunction",
                Manufacturer=shown(part, "manufacturer"),
                Model=shown(part, "model"),
                PartNumber=shown(part, "part_number"),
                SerialNumber=shown(part, "serial"),
                FirmwareVersion=shown(part, "firmware"),
                PCIeFunctions=collection(tree, f"{path}/PCIeFunctions", "PCIeFunction", [function]),
                Status=status(part.state, part.health),
                Links={"Chassis": links([CHASSIS])},
                Oem=context.oem(
                    PCIeCardType="NPU" if is_npu else "NIC",
                    DeviceLocator=part.slot,
                    Temperature=part.readings.get("celsius"),
                    Power=part.readings.get("watts"),
                ),
            )
        )
    return collection(tree, base, "PCIeDevice", members)


def _adapters(context: Context, tree: Tree) -> Json:
    base = f"{CHASSIS}/NetworkAdapters"
    members = []
    for part in context.view.nics:
        path = f"{base}/{part.slot}"
        members.append(path)
        ports = []
        for number, port in enumerate(part.truth["ports"] if part.present else [], 1):
            port_path = f"{path}/Ports/{number}"
            ports.append(port_path)
            up = port["link"] == "up" and context.view.powered
            tree[port_path] = Resource(
                entity(
                    port_path,
                    "Port",
                    str(number),
                    port["name"],
                    PortId=str(number),
                    PortProtocol="Ethernet",
                    LinkStatus="LinkUp" if up else "LinkDown",
                    CurrentSpeedGbps=port["speed_mbps"] / 1000 if up and port["speed_mbps"] else None,
                    Ethernet={"AssociatedMACAddresses": [port["mac"]]},
                    Status=status(part.state, part.health),
                )
            )
        body = entity(
            path,
            "NetworkAdapter",
            part.slot,
            part.slot,
            Manufacturer=shown(part, "manufacturer"),
            Model=shown(part, "model"),
            PartNumber=shown(part, "part_number"),
            SerialNumber=shown(part, "serial"),
            Ports=collection(tree, f"{path}/Ports", "Port", ports),
            Controllers=[
                {
                    "FirmwarePackageVersion": part.truth["firmware"],
                    "Links": {"PCIeDevices": links([f"{CHASSIS}/PCIeDevices/{part.slot}"]), "Ports": links(ports)},
                }
            ]
            if part.present
            else [],
            Status=status(part.state, part.health),
        )
        tree[path] = Resource(body)
    return collection(tree, base, "NetworkAdapter", members)
