"""``/redfish/v1/Managers/1`` (the BMC itself: network, virtual media, its log) and ``/redfish/v1/UpdateService``."""

from __future__ import annotations

import uuid
from typing import Any

from lab.bmc.context import Context, shown
from lab.bmc.odata import (
    CHASSIS,
    MANAGER,
    READ,
    ROOT,
    SYSTEM,
    Json,
    Resource,
    Tree,
    collection,
    entity,
    link,
    links,
    status,
)
from lab.physics import Part

MEDIA = f"{MANAGER}/VirtualMedia/CD"
CONTROL = "Actions/VirtualMedia.VmmControl"  # below Oem/<vendor>: iBMC's own way to insert and eject
UPDATE = f"{ROOT}/UpdateService"
INVENTORY = f"{UPDATE}/FirmwareInventory"


def build(context: Context, tree: Tree) -> None:
    """Adds the manager, its virtual media and the firmware inventory; its operation log comes from the runtime."""
    bmc = context.node["bmc"]
    body = entity(
        MANAGER,
        "Manager",
        "1",
        "Manager",
        ManagerType="BMC",
        Manufacturer=context.node["manufacturer"],
        Model=bmc["model"],
        SerialNumber=bmc["serial"],
        FirmwareVersion=bmc["firmware"],
        UUID=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{context.node['uuid']}/bmc")),
        DateTime=None,  # filled in when it is asked for
        DateTimeLocalOffset="+00:00",
        PowerState="On",
        Status=status("Enabled", "OK"),
        NetworkProtocol=_protocols(context, tree),
        EthernetInterfaces=_interfaces(context, tree),
        LogServices=link(f"{MANAGER}/LogServices"),
        VirtualMedia=_media(context, tree),
        Links={
            "ManagerForServers": links([SYSTEM]),
            "ManagerForChassis": links([CHASSIS]),
            "ManagerInChassis": link(CHASSIS),
        },
        Actions={
            "#Manager.Reset": {
                "target": f"{MANAGER}/Actions/Manager.Reset",
                "ResetType@Redfish.AllowableValues": ["GracefulRestart", "ForceRestart"],
            }
        },
    )
    tree[MANAGER] = Resource(body, (*READ, "PATCH"))
    collection(tree, MANAGER.rpartition("/")[0], "Manager", [MANAGER])
    _update(context, tree)


def _protocols(context: Context, tree: Tree) -> Json:
    path = f"{MANAGER}/NetworkProtocol"
    bmc = context.node["bmc"]
    body = entity(
        path,
        "ManagerNetworkProtocol",
        "NetworkProtocol",
        "Manager Network Protocol",
        HostName=bmc["hostname"],
        FQDN=bmc["hostname"],
        HTTP={"ProtocolEnabled": False, "Port": 80},
        HTTPS={"ProtocolEnabled": True, "Port": bmc["port"]},
        IPMI={"ProtocolEnabled": True, "Port": bmc["ipmi_port"]},
        SSH={"ProtocolEnabled": False, "Port": 22},
        SSDP={"ProtocolEnabled": False, "Port": 1900},
        Status=status("Enabled", "OK"),
    )
    tree[path] = Resource(body)
    return link(path)


def _interfaces(context: Context, tree: Tree) -> Json:
    base = f"{MANAGER}/EthernetInterfaces"
    path = f"{base}/1"
    bmc = context.node["bmc"]
    body = entity(
        path,
        "EthernetInterface",
        "1",
        "Management Port",
        HostName=bmc["hostname"],
        FQDN=bmc["hostname"],
        MACAddress=bmc["mac"],
        PermanentMACAddress=bmc["mac"],
        InterfaceEnabled=True,
        LinkStatus="LinkUp",
        SpeedMbps=1000,
        FullDuplex=True,
        IPv4Addresses=[
            {"Address": bmc["address"], "AddressOrigin": "Static", "SubnetMask": "255.255.255.0", "Gateway": None}
        ],
        Status=status("Enabled", "OK"),
    )
    tree[path] = Resource(body)
    return collection(tree, base, "EthernetInterface", [path])


def _media(context: Context, tree: Tree) -> Json:
    media = context.node["virtual_media"]
    image, inserted = media["image"], bool(media["inserted"])
    body = entity(
        MEDIA,
        "VirtualMedia",
        "CD",
        "Virtual CD",
        MediaTypes=["CD", "DVD"],
        Image=image,
        ImageName=image.rstrip("/").rpartition("/")[2] if image else None,
        Inserted=inserted,
        ConnectedVia="URI" if inserted else "NotConnected",
        WriteProtected=True,
        TransferProtocolType=image.partition(":")[0].upper() if image else None,
        TransferMethod="Stream",
        Actions={
            "#VirtualMedia.InsertMedia": {
                "target": f"{MEDIA}/Actions/VirtualMedia.InsertMedia",
                "TransferProtocolType@Redfish.AllowableValues": ["HTTP", "HTTPS"],
            },
            "#VirtualMedia.EjectMedia": {"target": f"{MEDIA}/Actions/VirtualMedia.EjectMedia"},
        },
        Oem={"Npuforge": {"SHA256": media["sha256"], "SizeBytes": media.get("size_bytes")}},
    )
    if context.node["bmc"].get("media_control"):
        # As public reports have it of iBMC 6: no standard action is shown, and the vendor's answers with a task.
        body["Actions"] = {}
        target = f"{MEDIA}/Oem/{context.oem_key}/{CONTROL}"
        body["Oem"][context.oem_key] = {"Actions": {"#VirtualMedia.VmmControl": {"target": target}}}
    tree[MEDIA] = Resource(body)
    return collection(tree, MEDIA.rpartition("/")[0], "VirtualMedia", [MEDIA])


def _update(context: Context, tree: Tree) -> None:
    node, view = context.node, context.view
    bios = node["bios"]
    vendor: Any = None if context.ibmc else bios["vendor"]
    members = [
        _firmware(context, tree, "ActiveBMC", node["bmc"]["firmware"], MANAGER),
        _firmware(context, tree, "Bios", bios["version"], SYSTEM, vendor=vendor, released=bios["release_date"]),
    ]
    for part in [*view.npus, *view.nics, *view.psus]:
        if part.present:
            members.append(_part_firmware(context, tree, part))
    inventory = collection(tree, INVENTORY, "SoftwareInventory", members, name="Firmware Inventory")
    body = entity(
        UPDATE,
        "UpdateService",
        "UpdateService",
        "Update Service",
        ServiceEnabled=True,
        FirmwareInventory=inventory,
        Status=status("Enabled", "OK"),
        Actions={
            "#UpdateService.SimpleUpdate": {
                "target": f"{UPDATE}/Actions/UpdateService.SimpleUpdate",
                "TransferProtocol@Redfish.AllowableValues": ["HTTP", "HTTPS"],
            }
        },
    )
    tree[UPDATE] = Resource(body)


def _firmware(
    context: Context,
    tree: Tree,
    identifier: str,
    version: str | None,
    related: str,
    *,
    vendor: str | None = None,
    released: str | None = None,
) -> str:
    """openUBMC shows the vendor of a firmware in its OEM object only; it has no standard Manufacturer."""
    path = f"{INVENTORY}/{identifier}"
    body = entity(
        path,
        "SoftwareInventory",
        identifier,
        identifier,
        Version=version,
        SoftwareId=f"{identifier}-{context.node['model'].replace(' ', '-')}",
        Updateable=identifier in ("ActiveBMC", "Bios"),
        RelatedItem=links([related]),
        Status=status("Enabled", "OK"),
        Oem=context.oem(Manufacturer=vendor, PositionId="mainboard"),
    )
    if released:
        body["ReleaseDate"] = f"{released}T00:00:00Z" if "T" not in released else released
    tree[path] = Resource(body)
    return path


def _part_firmware(context: Context, tree: Tree, part: Part) -> str:
    homes = {
        "npu": f"{CHASSIS}/PCIeDevices/{part.slot}",
        "nic": f"{CHASSIS}/NetworkAdapters/{part.slot}",
        "psu": f"{CHASSIS}/Power" if context.ibmc else f"{CHASSIS}/PowerSubsystem/PowerSupplies/{part.slot}",
    }
    return _firmware(context, tree, part.slot, shown(part, "firmware"), homes[part.kind])
