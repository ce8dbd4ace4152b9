"""What to read next, as data (what to change is planned in ``power``).

Reading is a walk over the links of the service root, driven by *roles*: a document's role says which of its links are
followed and with which role. ``follow`` looks at one document; ``follow_up`` looks at all that was read and asks for
what is still missing (a second look is dearer than a first, so it asks only where something is missing).
"""

from __future__ import annotations

import re
from typing import Any, Callable, Tuple

from ..common import Document, as_dict, as_list, as_number, as_text
from .tree import Tree
from .wire import ROOT, link

Wanted = Tuple[str, str]  # (role, uri)

# What a collection's members are. "system*" = the collection of systems.
COLLECTION = "*"

# Log services that hold no hardware events: their entries are not worth a BMC's time.
_NO_EVENTS = re.compile(r"audit|secur|operat|crash|dump|debug|journal|postcode|host ?log|lifecycle|^lclog$|^iel$", re.I)
_FIRMWARE = re.compile(r"bios|rom|uefi", re.I)
_LOG_LINKS = 50


def seeds(root: Document) -> list[Wanted]:
    """Where the walk starts. A service root that is null or half empty (Supermicro X10) has the usual places."""
    wanted = []
    for role, key in (("system", "Systems"), ("chassis", "Chassis"), ("manager", "Managers")):
        wanted.append((role + COLLECTION, link(root.get(key)) or f"{ROOT}/{key}"))
    wanted.append(("update", link(root.get("UpdateService")) or ROOT + "/UpdateService"))
    return wanted


def oem_values(document: Document, key: str) -> list[Any]:
    """``Oem.<any vendor>.<key>``: the vendor's key is not constant (Huawei, xFusion, Public, public, Hpe...)."""
    return [
        vendor[key] for vendor in as_dict(document.get("Oem")).values() if isinstance(vendor, dict) and key in vendor
    ]


def _one(role: str, value: Any) -> list[Wanted]:
    uri = link(value)
    return [(role, uri)] if uri else []


def _each(role: str, values: Any) -> list[Wanted]:
    return [wanted for value in as_list(values) for wanted in _one(role, value)]


def _either(role: str, value: Any) -> list[Wanted]:
    """A link to a collection, or the list of links itself: both are found under the same property name."""
    return _each(role, value) if isinstance(value, list) else _one(role + COLLECTION, value)


def _oem_links(role: str, document: Document, key: str) -> list[Wanted]:
    found = []
    for links in oem_values(document, "Links"):
        found += _one(role, as_dict(links).get(key))
    return found


def _system(document: Document) -> list[Wanted]:
    wanted = _one("processor*", document.get("Processors")) + _one("memory*", document.get("Memory"))
    for key in ("Storage", "Storages"):
        wanted += _one("storage*", document.get(key))
    wanted += _one("simplestorage*", document.get("SimpleStorage"))
    wanted += _one("log*", document.get("LogServices"))
    return wanted + _oem_links("smartstorage", document, "SmartStorage")


def _chassis(document: Document) -> list[Wanted]:
    wanted: list[Wanted] = []
    for role, key in (
        ("thermal", "Thermal"),
        ("thermalsubsystem", "ThermalSubsystem"),
        ("power", "Power"),
        ("powersubsystem", "PowerSubsystem"),
        ("adapter*", "NetworkAdapters"),
        ("log*", "LogServices"),
    ):
        wanted += _one(role, document.get(key))
    wanted += _either("drive", document.get("Drives"))
    wanted += _each("drive", as_dict(document.get("Links")).get("Drives"))
    return wanted + _oem_links("hpedevice*", document, "Devices")


def _storage(document: Document) -> list[Wanted]:
    controllers = document.get("Controllers")
    return _either("drive", document.get("Drives")) + _either("controller", controllers)


def _update(document: Document) -> list[Wanted]:
    wanted = _one("firmware*", document.get("FirmwareInventory"))
    for value in oem_values(document, "FirmwareInventory"):
        wanted += _one("firmware*", value)
    return wanted


def _array_controller(document: Document) -> list[Wanted]:
    return _one("smartdrive*", as_dict(document.get("Links")).get("PhysicalDrives"))


def _log(document: Document) -> list[Wanted]:
    name = "{} {}".format(as_text(document.get("Id")) or "", as_text(document.get("Name")) or "")
    if any(_NO_EVENTS.search(part) for part in (as_text(document.get("Id")) or "", name)):
        return []
    return _one("entry*", document.get("Entries"))


_FOLLOW: dict[str, Callable[[Document], list[Wanted]]] = {
    "system": _system,
    "chassis": _chassis,
    "manager": lambda document: _one("log*", document.get("LogServices")),
    "update": _update,
    "storage": _storage,
    "smartstorage": lambda document: _one("arraycontroller*", as_dict(document.get("Links")).get("ArrayControllers")),
    "arraycontroller": _array_controller,
    "thermalsubsystem": lambda document: _one("fan*", document.get("Fans")),
    "powersubsystem": lambda document: _one("psu*", document.get("PowerSupplies")),
    "adapter": lambda document: _one("port*", document.get("Ports")) + _one("port*", document.get("NetworkPorts")),
    "log": _log,
}


def leads_on(role: str) -> bool:
    """Whether a resource of this role leads to others: such are read first, so that no thread runs out of work."""
    return role.endswith(COLLECTION) or role in _FOLLOW


def follow(role: str, document: Document, members: int) -> list[Wanted]:
    """The links of one document that a reading follows; at most ``members`` of a collection."""
    if not role.endswith(COLLECTION):
        return _FOLLOW[role](document) if role in _FOLLOW else []
    member = role[: -len(COLLECTION)]
    links = [uri for uri in (link(value) for value in as_list(document.get("Members"))[:members]) if uri]
    if member == "firmware":
        # Thirty entries are common and two are of use; when no name tells, all are read.
        chosen = [uri for uri in links if _FIRMWARE.search(uri.rstrip("/").rsplit("/", 1)[-1])]
        links = chosen or links
    if member == "entry":
        links = _newest(links)
    wanted = [(member, uri) for uri in links]
    following = document.get("Members@odata.nextLink")
    if isinstance(following, str):
        wanted += _one(role, {"@odata.id": following})
    return wanted


def _newest(links: list[str]) -> list[str]:
    """Of entries that must be read one by one, those with the highest numbers (DSP0268: ids grow)."""

    def number(uri: str) -> int:
        digits = re.findall(r"\d+", uri.rstrip("/").rsplit("/", 1)[-1])
        return int(digits[-1][:12]) if digits else 0

    return sorted(links, key=number, reverse=True)[:_LOG_LINKS]


ACCELERATORS = ("npu", "gpu", "accelerator")


def follow_up(tree: Tree) -> list[Wanted]:
    """What is still missing after a round, and where it may be found. Empty when nothing more can be asked."""
    wanted: list[Wanted] = []
    kinds = [(as_text(body.get("ProcessorType")) or "").lower() for _, body in tree.role("processor")]
    if not any(kind in ACCELERATORS for kind in kinds):
        for role in ("system", "chassis"):
            for _, body in tree.role(role):
                wanted += _either("pcie", body.get("PCIeDevices"))
                wanted += _each("pcie", as_dict(body.get("Links")).get("PCIeDevices"))
    for _, body in tree.role("pcie"):
        wanted += _functions(body)
    for _, body in tree.role("pciefunction*"):
        wanted += _each("pciefunction", body.get("Members"))[:1]
    for _, body in tree.role("hpedevice"):
        if body.get("DeviceType") == "GPU":
            wanted += _each("hpepci", body.get("DeviceInstances"))[:1]
    for _, body in tree.role("processor"):
        if (as_text(body.get("ProcessorType")) or "").lower() in ACCELERATORS:
            wanted += _one("environment", body.get("EnvironmentMetrics"))
    if not any(True for _ in tree.role("adapter")):
        for _, body in tree.role("system"):
            wanted += _one("ethernet*", body.get("EthernetInterfaces"))
    wanted += _cooling_and_power(tree)
    return [item for item in wanted if not tree.has(item[1])]


def _functions(device: Document) -> list[Wanted]:
    """The first function of a PCIe device: it carries vendor, device and class code."""
    listed = _each("pciefunction", as_dict(device.get("Links")).get("PCIeFunctions"))
    inline = device.get("PCIeFunctions")
    return (listed or _each("pciefunction", inline))[:1] or _one("pciefunction*", inline)


def _cooling_and_power(tree: Tree) -> list[Wanted]:
    """Sensors of fans without a legacy view (their thresholds), metrics of power supplies, and all sensors where
    there is no legacy list of temperatures."""
    wanted: list[Wanted] = []
    legacy_fans = [as_dict(fan) for _, body in tree.role("thermal") for fan in as_list(body.get("Fans"))]
    if _fewer(legacy_fans, "LowerThresholdCritical", tree, "fan"):
        for _, body in tree.role("fan"):
            source = as_dict(body.get("SpeedPercent")).get("DataSourceUri")
            wanted += _one("sensor", {"@odata.id": source})
    legacy_supplies = [as_dict(item) for _, body in tree.role("power") for item in as_list(body.get("PowerSupplies"))]
    if _fewer(legacy_supplies, "LineInputVoltage", tree, "psu"):
        for _, body in tree.role("psu"):
            wanted += _one("psumetrics", body.get("Metrics"))
    if not any(as_list(body.get("Temperatures")) for _, body in tree.role("thermal")):
        for _, body in tree.role("chassis"):
            wanted += _one("sensor*", body.get("Sensors"))
        for _, body in tree.role("sensor*"):
            wanted += _each("sensor", body.get("Members"))
    return wanted


def _fewer(legacy: list[Document], key: str, tree: Tree, role: str) -> bool:
    """Whether the legacy list gives ``key`` for fewer parts than the new view has."""
    return sum(1 for item in legacy if as_number(item.get(key)) is not None) < sum(1 for _ in tree.role(role))
