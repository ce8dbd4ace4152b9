"""Which machine it is: the host among several systems, its identity, power, self-test, BIOS and BMC."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any, Dict, List, NamedTuple

from ..common import Document, as_dict, as_list, as_text, note, parse_time
from .part import oem_text
from .plan import oem_values
from .tree import Tree

Notes = List[Dict[str, str]]

_POWER = {"on": "on", "off": "off", "poweringon": "off", "poweringoff": "on", "paused": "on"}
# ComputerSystem.BootProgress.LastState (DSP0268): from here on the self-test is over.
_POST_DONE = ("systemhardwareinitializationcomplete", "setupentered", "osbootstarted", "osrunning")
_POST_RUNNING = (
    "primaryprocessorinitializationstarted",
    "businitializationstarted",
    "memoryinitializationstarted",
    "secondaryprocessorinitializationstarted",
    "pciresourceconfigstarted",
)
_OEM_POST = re.compile(r"^(finishedpost|post ?ok|postcomplete|completed?|ok|pass(ed)?|osrunning|osboot.*)$", re.I)
_OEM_FAILED = re.compile(r"fail|error|hang|timeout", re.I)
_OEM_RUNNING = re.compile(r"^(in ?post.*|reset|inprogress|in_progress|started|running|initializing)$", re.I)
# The maker's word for one firmware family; see ``dialect``.
_DIALECTS = {"huawei": "ibmc", "public": "openubmc", "openubmc": "openubmc"}
_BIOS_NAME = re.compile(r"\bbios\b|system ?rom|^bios|\buefi\b", re.I)
_SPARE = re.compile(r"backup|redundant|previous|golden|recovery|standby|alternate", re.I)


class Host(NamedTuple):
    """The system that is the server, and those that only carry accelerators for it."""

    uri: str
    document: Document
    helpers: list[str]


def choose_host(tree: Tree, notes: Notes) -> Host | None:
    """The host is the system with CPUs, a reset action and a BIOS. ``None`` when no system could be read."""
    systems = list(tree.role("system"))
    if not systems:
        return None
    with_cpu = {tree.owner(uri, "system") for uri, body in tree.role("processor") if body.get("ProcessorType") == "CPU"}

    def score(item: tuple[str, Document]) -> int:
        uri, body = item
        physical = as_text(body.get("SystemType")) in (None, "Physical")
        can_reset = "#ComputerSystem.Reset" in as_dict(body.get("Actions"))
        bios = as_text(body.get("BiosVersion")) is not None or "Bios" in body
        points = (8 if uri in with_cpu else 0) + (4 if bios else 0) + (2 if can_reset else 0)
        return points + (1 if physical and as_text(body.get("PowerState")) else 0)

    ranked = sorted(systems, key=score, reverse=True)  # stable: the first of equals stays first
    host_uri, host = ranked[0]
    twins = [uri for uri, body in ranked[1:] if score((uri, body)) >= 12]
    helpers = [uri for uri, _ in ranked[1:] if uri not in twins]
    if twins:
        names = ", ".join([host_uri, *twins])
        notes.append(note("identity", f"the BMC serves several servers ({names}): {host_uri} was read"))
    if helpers:
        names = ", ".join(helpers)
        notes.append(note("identity", f"accelerators of {names} were added to those of {host_uri}"))
    return Host(host_uri, host, helpers)


def _chassis_of(tree: Tree, host: Document) -> Document:
    """The chassis that the host lives in."""
    for item in as_list(as_dict(host.get("Links")).get("Chassis")):
        uri = as_dict(item).get("@odata.id")
        found = tree.get(uri if isinstance(uri, str) else None)
        if found:
            return found
    return next((body for _, body in tree.role("chassis")), {})


def identity(tree: Tree, host: Document) -> Document:
    """Who the machine is; what the system leaves blank comes from its chassis."""
    chassis = _chassis_of(tree, host)

    def first(key: str) -> str | None:
        return as_text(host.get(key)) or as_text(chassis.get(key))

    return {
        "manufacturer": first("Manufacturer"),
        "model": first("Model") or oem_text(host, "ProductName"),
        "serial": first("SerialNumber"),
        "part_number": first("PartNumber"),
        "sku": first("SKU"),
        "asset_tag": first("AssetTag"),
        "uuid": as_text(host.get("UUID")),
    }


def power_state(host: Document, notes: Notes) -> str | None:
    given = as_text(host.get("PowerState"))
    state = _POWER.get((given or "").lower())
    if state is None:
        notes.append(note("power_state", "PowerState is %s" % (given or "missing")))
    return state


def post(host: Document, power: str | None, notes: Notes) -> Document:
    """``{state, evidence}`` of the power-on self-test."""
    if power == "off":
        return {"state": "off", "evidence": "PowerState is Off"}
    progress = as_dict(host.get("BootProgress"))
    last_state = as_text(progress.get("LastState"))
    candidates = [("BootProgress.LastState", last_state)]
    if (last_state or "").lower() == "oem":
        candidates = [("BootProgress.OemLastState", as_text(progress.get("OemLastState")))]
    for key in ("PostState", "POSTState", "SystemStartupState", "BootProgress"):
        candidates += [(f"Oem.{key}", as_text(value)) for value in oem_values(host, key)]
    for where, value in candidates:
        state = _post_state(value)
        if state is not None:
            return {"state": state, "evidence": f"{where} is {value}"}
    told = ["{} is {}".format(*item) for item in candidates if item[1]]
    notes.append(note("post.state", "; ".join(told) or "the BMC shows neither BootProgress nor a self-test state"))
    return {"state": None, "evidence": None}


def _post_state(value: str | None) -> str | None:
    text = (value or "").lower()
    if not text:
        return None
    if text in _POST_DONE or _OEM_POST.match(text):
        return "ok"
    if _OEM_FAILED.search(text):
        return "failed"
    if text in _POST_RUNNING or _OEM_RUNNING.match(text):
        return "in_progress"
    if text in ("poweroff", "off"):
        return "off"
    return None


def dialect(tree: Tree, host: Document) -> str | None:
    """``ibmc`` (Oem.Huawei), ``openubmc`` (Oem.Public), else the maker's key in lower case; ``None`` without one.

    A resource may carry several keys (a simulation's mark beside the maker's): a known one counts first.
    """
    keys: list[str] = []
    for document in [host, *[body for _, body in tree.role("manager")], tree.root]:
        oem = as_dict(document.get("Oem"))
        keys += [key.lower() for key, value in oem.items() if isinstance(value, dict) and "@" not in key]
    known = [_DIALECTS[key] for key in keys if key in _DIALECTS]
    return next(iter(known + keys), None)


def bios(tree: Tree, host: Document, cpus: list[Document], notes: Notes) -> Document:
    """``{version, release_date, vendor_evidence}``; evidence comes in the order of its weight."""
    entry = _bios_entry(tree)
    version = as_text(host.get("BiosVersion"))
    inventory = as_text(entry.get("Version"))
    if version and inventory and version not in inventory and inventory not in version:
        notes.append(note("bios.version", f"System says {version}, FirmwareInventory {inventory}"))
    if version is None:
        version = inventory
        if version is None:
            notes.append(note("bios.version", "neither the system nor FirmwareInventory tells a BIOS version"))
    released = as_text(entry.get("ReleaseDate")) or oem_text(entry, "ReleaseDate") or oem_text(host, "BIOSReleaseDate")
    evidence: list[tuple[str, str | None]] = [
        ("firmware_inventory.oem.manufacturer", oem_text(entry, "Manufacturer")),
        ("firmware_inventory.manufacturer", as_text(entry.get("Manufacturer"))),
        ("system.oem.bios_vendor", oem_text(host, "BiosVendor", "BIOSVendor")),
    ]
    evidence += [
        ("chassis.oem.bios_vendor", oem_text(body, "BIOSVendor", "BiosVendor")) for _, body in tree.role("chassis")
    ]
    evidence += [
        ("bios.version", version),
        ("system.manufacturer", as_text(host.get("Manufacturer"))),
        ("system.model", as_text(host.get("Model"))),
        ("cpu.manufacturer", next((cpu["manufacturer"] for cpu in cpus if cpu["manufacturer"]), None)),
        ("cpu.model", next((cpu["model"] for cpu in cpus if cpu["model"]), None)),
    ]
    told = [{"source": source, "value": value} for source, value in evidence if value]
    return {
        "version": version,
        "release_date": released[:10] if released and re.match(r"^\d{4}-\d\d-\d\d", released) else released,
        "vendor_evidence": told or None,
    }


def _bios_entry(tree: Tree) -> Document:
    """The active BIOS in FirmwareInventory: by id or name, not the backup image."""
    for uri, body in tree.role("firmware"):
        names = [as_text(body.get(key)) or "" for key in ("Id", "Name", "Description")]
        names.append(uri.rsplit("/", 1)[-1])
        text = " ".join(names)
        if any(_BIOS_NAME.search(name) for name in names) and not _SPARE.search(text):
            return body
    return {}


def bmc(tree: Tree, host: Document, read_at: datetime, notes: Notes) -> Document:
    """What the BMC says of itself. ``read_at``: the controller's UTC time when it was read (middle of the request)."""
    managers = [body for _, body in tree.role("manager")]
    ours = [body for body in managers if as_text(body.get("ManagerType")) == "BMC"] or managers
    manager = next((body for body in ours if as_text(body.get("FirmwareVersion"))), ours[0] if ours else {})
    if len(ours) > 1:
        names = ", ".join(as_text(body.get("Id")) or "?" for body in ours)
        notes.append(note("bmc", f"the BMC shows several managers: {names}"))
    told = as_text(manager.get("DateTime"))
    moment = parse_time(told)
    if moment is None:
        problem = f"DateTime {told} is no time with an offset" if told else "the manager tells no DateTime"
        notes.append(note("bmc.clock_offset_seconds", problem))
    return {
        "dialect": dialect(tree, host),
        "firmware": as_text(manager.get("FirmwareVersion")),
        "model": as_text(manager.get("Model")),
        "redfish_version": as_text(tree.root.get("RedfishVersion")),
        "time": told,
        "clock_offset_seconds": None if moment is None else round((moment - read_at).total_seconds()),
    }


def is_simulated(tree: Tree, host: Document) -> bool:
    """Whether the device itself says that it is a simulation."""
    for document in [tree.root, host, *[body for _, body in tree.role("manager")]]:
        words: list[Any] = [document.get(key) for key in ("Name", "Product", "Description", "Model", "Vendor")]
        if any(re.search(r"simulat", word, re.I) for word in words if isinstance(word, str)):
            return True
        if any(value is True for value in oem_values(document, "Simulated")):
            return True
    return False


def utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)
