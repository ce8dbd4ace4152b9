"""``/redfish/v1/Systems/1`` and what hangs on it: processors, memory, storage, BIOS, network interfaces, its log."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from lab.bmc.context import Context, shown
from lab.bmc.odata import CHASSIS, MANAGER, READ, SYSTEM, Json, Resource, Tree, collection, entity, link, links, status
from lab.physics import Part

RESET_TYPES = {
    "On": "on",
    "ForceOn": "on",
    "ForceOff": "force_off",
    "GracefulShutdown": "graceful_off",
    "PushPowerButton": "graceful_off",  # "on" when it is off: see operations.reset
    "GracefulRestart": "graceful_restart",
    "ForceRestart": "reset",
    "PowerCycle": "cycle",
    "Nmi": "nmi",
}
BOOT_TARGETS = ("None", "Pxe", "Floppy", "Cd", "Hdd", "BiosSetup")
BOOT_ENABLED = ("Disabled", "Once", "Continuous")
BOOT_MODES = ("Legacy", "UEFI")
# What the setup of the simulated BIOS offers; the boot order keys are iBMC's.
BIOS_ATTRIBUTES = {
    "BootTypeOrder0": "HardDiskDrive",
    "BootTypeOrder1": "DVDROMDrive",
    "BootTypeOrder2": "PXE",
    "BootTypeOrder3": "Others",
    "QuickBoot": "Enabled",
    "SmmuEnable": "Enabled",
    "NumaEnable": "Enabled",
    "PowerPolicy": "Performance",
}
PROGRESS = {"off": "None", "in_progress": "MemoryInitializationStarted", "ok": "OSRunning", "failed": "OEM"}


def build(context: Context, tree: Tree) -> None:
    """Adds the system and everything below it."""
    node, view = context.node, context.view
    cpus = [part for part in view.cpus if part.present]
    drives = _storage(context, tree)
    boot = node["boot"]
    body = entity(
        SYSTEM,
        "ComputerSystem",
        "1",
        "Computer System",
        SystemType="Physical",
        Manufacturer=node["manufacturer"],
        Model=node["model"],
        SerialNumber=node["serial"],
        PartNumber=node["part_number"],
        AssetTag=node["asset_tag"],
        UUID=node["uuid"],
        HostName=node["name"] if view.powered else None,
        PowerState="On" if view.powered else "Off",
        BiosVersion=node["bios"]["version"],
        LocationIndicatorActive=node["identify_led"] == "on",
        Status=_system_status(context),
        BootProgress={
            "LastState": PROGRESS.get(view.post),
            **({"OemLastState": "POST failed"} if view.post == "failed" else {}),
        },
        Boot={
            "BootSourceOverrideEnabled": boot["enabled"],
            "BootSourceOverrideTarget": boot["target"],
            "BootSourceOverrideMode": boot["mode"],
            "BootSourceOverrideTarget@Redfish.AllowableValues": list(BOOT_TARGETS),
            "BootSourceOverrideMode@Redfish.AllowableValues": list(BOOT_MODES),
            "BootSourceOverrideEnabled@Redfish.AllowableValues": list(BOOT_ENABLED),
        },
        ProcessorSummary={
            "Count": len(cpus),
            "Model": "Central Processor" if context.ibmc else (cpus[0].truth["model"] if cpus else None),
            "Status": {"HealthRollup": context.rollup("cpu")},
        },
        MemorySummary={
            "TotalSystemMemoryGiB": sum(part.truth["capacity_mib"] or 0 for part in view.dimms if part.present) / 1024,
            "Status": {"HealthRollup": context.rollup("dimm")},
        },
        Processors=_processors(context, tree),
        Memory=_memory(context, tree),
        Storage=drives,
        Bios=_bios(context, tree),
        EthernetInterfaces=_interfaces(context, tree),
        LogServices=_log(context, tree),
        PCIeDevices=links(
            f"{CHASSIS}/PCIeDevices/{part.slot}" for part in [*context.listed_npus(), *view.nics] if part.present
        ),
        Links={"Chassis": links([CHASSIS]), "ManagedBy": links([MANAGER])},
        Actions={
            "#ComputerSystem.Reset": {
                "target": f"{SYSTEM}/Actions/ComputerSystem.Reset",
                "ResetType@Redfish.AllowableValues": list(RESET_TYPES),
            }
        },
        Oem=context.oem(
            ProductName=node["model"],
            StorageSummary={"Status": {"HealthRollup": context.rollup("drive")}},
        ),
    )
    tree[SYSTEM] = Resource(body, (*READ, "PATCH"))
    collection(tree, f"{SYSTEM.rpartition('/')[0]}", "ComputerSystem", [SYSTEM])


def _system_status(context: Context) -> Json:
    view = context.view
    state = "Enabled" if view.powered else ("Disabled" if context.ibmc else "StandbyOffline")
    if view.post == "in_progress":
        state = "Starting"
    if context.ibmc:
        return status(state, "OK", "OK")
    health = "Critical" if view.post == "failed" else view.health
    return status(state, health, health)


def _processors(context: Context, tree: Tree) -> Json:
    base = f"{SYSTEM}/Processors"
    members = []
    for number, part in enumerate(context.view.cpus, 1):
        path = f"{base}/{number if context.ibmc else part.slot}"
        tree[path] = Resource(_cpu(context, path, part))
        members.append(path)
    for number, part in enumerate([] if context.ibmc else context.view.npus, 1):
        path = f"{base}/Npu{number}"
        tree[path] = Resource(_npu(context, path, part))
        members.append(path)
    return collection(tree, base, "Processor", members)


def _cpu(context: Context, path: str, part: Part) -> Json:
    return entity(
        path,
        "Processor",
        path.rpartition("/")[2],
        part.slot,
        ProcessorType="CPU",
        ProcessorArchitecture=shown(part, "architecture"),
        InstructionSet=shown(part, "instruction_set"),
        Manufacturer=shown(part, "manufacturer"),
        Model=shown(part, "model"),
        MaxSpeedMHz=shown(part, "max_speed_mhz"),
        TotalCores=shown(part, "cores"),
        TotalThreads=shown(part, "threads"),
        PartNumber=shown(part, "part_number"),
        SerialNumber=shown(part, "serial"),
        Socket=part.slot,
        Status=status(part.state, part.health),
        Links={"Chassis": link(CHASSIS)},
        Oem=context.oem(
            DeviceLocator=part.slot,
            Position="mainboard",
            PartNumber=shown(part, "part_number"),
            Temperature=part.readings["celsius"],
            FrequencyMHz=shown(part, "max_speed_mhz"),
        ),
    )


def _npu(context: Context, path: str, part: Part) -> Json:
    """openUBMC's documentation lists NPU among the values of ProcessorType; DMTF's schema does not."""
    return entity(
        path,
        "Processor",
        path.rpartition("/")[2],
        part.slot,
        ProcessorType="Accelerator" if context.strict else "NPU",
        ProcessorArchitecture="OEM" if part.present else None,
        InstructionSet="OEM" if part.present else None,
        Manufacturer=shown(part, "manufacturer"),
        Model=shown(part, "model"),
        PartNumber=shown(part, "part_number"),
        SerialNumber=shown(part, "serial"),
        **({"FirmwareVersion": part.truth["firmware"]} if part.present else {}),  # the schema knows no null here
        ProcessorId={"VendorId": part.truth["pci"]["vendor_id"] if part.present else None},
        ProcessorMemory=[
            {"MemoryType": "HBM2", "CapacityMiB": part.truth["hbm_mib"], "IntegratedMemory": True},
        ]
        if part.present
        else [],
        Status=status(part.state, part.health),
        Links={
            "Chassis": link(CHASSIS),
            **({"PCIeDevice": link(f"{CHASSIS}/PCIeDevices/{part.slot}")} if part.present else {}),
        },
        Oem=context.oem(
            ProcessorType="NPU",
            DeviceLocator=part.slot,
            Temperature=part.readings["celsius"],
            PowerWatts=part.readings["watts"],
        ),
    )


def _memory(context: Context, tree: Tree) -> Json:
    base = f"{SYSTEM}/Memory"
    members = []
    for part in context.view.dimms:
        path = f"{base}/mainboard{part.slot}"
        members.append(path)
        body = entity(
            path,
            "Memory",
            path.rpartition("/")[2],
            part.slot,
            MemoryType="DRAM" if part.present else None,
            MemoryDeviceType=shown(part, "type"),
            CapacityMiB=shown(part, "capacity_mib"),
            OperatingSpeedMhz=shown(part, "speed_mhz"),
            Manufacturer=shown(part, "manufacturer"),
            PartNumber=shown(part, "part_number"),
            SerialNumber=shown(part, "serial"),
            DeviceLocator=part.slot,
            MemoryLocation={"Socket": part.truth["socket"]},
            Status=status(part.state, part.health),
            Oem=context.oem(Position="mainboard"),
        )
        tree[path] = Resource(body)
    return collection(tree, base, "Memory", members)


def _storage(context: Context, tree: Tree) -> Json:
    base = f"{SYSTEM}/{'Storages' if context.ibmc else 'Storage'}"
    path = f"{base}/{'RAIDStorage0' if context.ibmc else '1'}"
    home = f"{CHASSIS}/Drives" if context.ibmc else f"{path}/Drives"
    members = []
    for part in context.view.drives:
        drive = f"{home}/{'HDDPlane' if context.ibmc else ''}{part.slot}"
        members.append(drive)
        tree[drive] = Resource(_drive(context, drive, part))
    if context.ibmc:
        collection(tree, home, "Drive", members)
        # As in the vendor's guide: only drives behind the RAID card are here, NVMe drives hang off the chassis alone.
        listed = [
            drive
            for drive, part in zip(members, context.view.drives, strict=True)
            if part.truth["protocol"] in ("SATA", "SAS")
        ]
    else:
        listed = members
    rollup = context.rollup("drive")
    tree[path] = Resource(
        entity(
            path,
            "Storage",
            path.rpartition("/")[2],
            "RAID Card1 Controller" if context.ibmc else "Local Storage",
            Drives=links(listed),
            **{"Drives@odata.count": len(listed)},
            Status=status("Enabled" if context.view.powered else "StandbyOffline", "OK", rollup),
        )
    )
    return collection(tree, base, "Storage", [path])


def _drive(context: Context, path: str, part: Part) -> Json:
    wwn = shown(part, "wwn")
    return entity(
        path,
        "Drive",
        path.rpartition("/")[2],
        part.slot,
        Manufacturer=shown(part, "manufacturer"),
        Model=shown(part, "model"),
        SerialNumber=shown(part, "serial"),
        PartNumber=shown(part, "part_number"),
        Revision=shown(part, "firmware"),
        MediaType=shown(part, "media_type"),
        Protocol=shown(part, "protocol"),
        CapacityBytes=shown(part, "capacity_bytes"),
        PredictedMediaLifeLeftPercent=part.readings["life_left_percent"],
        FailurePredicted=shown(part, "failure_predicted"),
        Identifiers=[{"DurableName": wwn.upper(), "DurableNameFormat": "NAA"}] if wwn else [],
        Status=status(None if context.ibmc and part.present else part.state, part.health),
        Links={"Chassis": link(CHASSIS)},
    )


def _bios(context: Context, tree: Tree) -> Json:
    bios = context.node["bios"]
    path, settings = f"{SYSTEM}/Bios", f"{SYSTEM}/Bios/Settings"
    current = {**BIOS_ATTRIBUTES, **bios.get("attributes", {})}
    tree[path] = Resource(
        entity(
            path,
            "Bios",
            "Bios",
            "BIOS Configuration",
            Attributes=current,
            **{
                "@Redfish.Settings": {
                    "@odata.type": "#Settings.v1_3_5.Settings",
                    "SettingsObject": link(settings),
                    "SupportedApplyTimes": ["OnReset"],
                }
            },
            Actions={"#Bios.ResetBios": {"target": f"{path}/Actions/Bios.ResetBios"}},
        )
    )
    tree[settings] = Resource(
        entity(
            settings,
            "Bios",
            "Settings",
            "BIOS Configuration Pending Settings",
            Attributes={**current, **bios.get("pending_attributes", {})},
        ),
        (*READ, "PATCH"),
    )
    return link(path)


def _interfaces(context: Context, tree: Tree) -> Json:
    base = f"{SYSTEM}/EthernetInterfaces"
    members = []
    for card in context.view.nics:
        for port in card.truth["ports"] if card.present else []:
            path = f"{base}/{card.slot}{port['name']}"
            up = port["link"] == "up" and context.view.powered
            members.append(path)
            body = entity(
                path,
                "EthernetInterface",
                path.rpartition("/")[2],
                f"{card.slot} {port['name']}",
                MACAddress=port["mac"],
                PermanentMACAddress=port["mac"],
                SpeedMbps=port["speed_mbps"] if up else None,
                LinkStatus="LinkUp" if up else "LinkDown",
                InterfaceEnabled=True,
                Status=status(card.state, card.health),
            )
            tree[path] = Resource(body)
    return collection(tree, base, "EthernetInterface", members)


def _log(context: Context, tree: Tree) -> Json:
    base = f"{SYSTEM}/LogServices"
    path = f"{base}/Log1"
    tree[path] = Resource(
        entity(
            path,
            "LogService",
            "Log1",
            "System Event Log",
            ServiceEnabled=True,
            LogEntryType="Event",
            MaxNumberOfRecords=2000,
            OverWritePolicy="WrapsWhenFull",
            DateTime=None,  # filled in when it is asked for
            DateTimeLocalOffset="+00:00",
            Entries=link(f"{path}/Entries"),
            Status=status("Enabled", "OK"),
            Actions={"#LogService.ClearLog": {"target": f"{path}/Actions/LogService.ClearLog"}},
        )
    )
    offset = timedelta(seconds=context.node["bmc"]["clock_offset_seconds"] or 0)
    log_entries(tree, f"{path}/Entries", reversed(context.node["log"]), offset)
    return collection(tree, base, "LogService", [path])


def log_entries(tree: Tree, path: str, entries: Any, offset: timedelta = timedelta(0)) -> None:
    """Adds a collection of log entries, newest first, expanded in place as BMCs do: one request reads the log."""
    members = []
    for record in entries:
        body = entity(
            f"{path}/{record['id']}",
            "LogEntry",
            str(record["id"]),
            f"Log Entry {record['id']}",
            EntryType="Event",
            Severity=record["severity"],
            Created=_shifted(record["time"], offset),
            Message=record["message"],
            MessageId=f"ResourceEvent.1.3.ResourceStatusChanged{record['severity']}",
            MessageArgs=[record["sensor"], record["severity"]],
        )
        members.append(body)
        tree[body["@odata.id"]] = Resource(body)
    collection(tree, path, "LogEntry", [])
    tree[path].body.update({"Members": members, "Members@odata.count": len(members)})


def _shifted(moment: str, offset: timedelta) -> str:
    """A time of the log as a BMC shows it whose clock is off by ``offset``; one that cannot be read stays as it is."""
    try:
        shown_time = datetime.fromisoformat(moment) + offset
    except (ValueError, OverflowError):
        return moment
    return shown_time.strftime("%Y-%m-%dT%H:%M:%SZ")
