"""Documents -> the ``bmc`` facts of docs/seams.md section 5. Pure: no clock, no network, never raises for odd data."""

from __future__ import annotations

from datetime import datetime

from ..common import Document, note
from . import cooling, drives, identity, logs, memory, nics, processors, supplies, verify
from .part import Kind, last, unpowered
from .tree import Tree

KINDS = ("cpu", "npu", "memory", "drive", "fan", "psu", "nic")
_COLLECTIONS: dict[str, tuple[str, ...]] = {
    "cpu": ("processor*",),
    "memory": ("memory*",),
    "drive": ("chassis*", "storage*", "drive*"),
    "fan": ("chassis*",),
    "psu": ("chassis*",),
    "nic": ("chassis*", "adapter*"),
}
_NPU_COLLECTIONS: dict[str, tuple[str, ...]] = {
    "processors": ("processor*",),
    "pcie": ("pcie*",),
    "oem": ("hpedevice*",),
}


def unreachable(reason: str) -> Document:
    """The facts of a BMC that could not be used: everything is null, the note says why."""
    facts: Document = {"reachable": False, "identity": None, "power_state": None, "post": None, "bmc": None}
    facts.update({"bios": None, "log": None, "sensors": None, "notes": [note("reachable", reason)]})
    facts.update(dict.fromkeys(KINDS))
    return facts


def facts(tree: Tree, read_at: datetime) -> Document:
    """All that one BMC's documents tell. ``read_at`` is the controller's UTC time of the reading."""
    notes: list[dict[str, str]] = []
    host = identity.choose_host(tree, notes)
    if host is None:
        return unreachable(_why_no_system(tree))
    power = identity.power_state(host.document, notes)
    powered = None if power is None else power == "on"
    if powered is False:
        problem = "the machine is powered off: the list is what the BMC remembers, and health is not proven"
        notes.append(note("power_state", problem))
    kinds = {name: Kind(name, notes) for name in KINDS}
    found = processors.parse(tree, host.uri, host.helpers, kinds["cpu"], kinds["npu"])
    memory.parse(tree, host.uri, kinds["memory"])
    drives.parse(tree, kinds["drive"])
    slow = cooling.fans(tree, kinds["fan"], powered)
    dark = supplies.parse(tree, kinds["psu"])
    nics.parse(tree, host.uri, kinds["nic"])
    _incomplete(tree, kinds, found)
    total = memory.total_mib(kinds["memory"], host.document)
    if powered is False:
        for name in KINDS:
            for part in kinds[name].parts if name != "psu" else []:
                unpowered(part)
    result: Document = {"reachable": True}
    result["identity"] = identity.identity(tree, host.document)
    result["power_state"] = power
    result["post"] = identity.post(host.document, power, notes)
    result["bmc"] = identity.bmc(tree, host.document, read_at, notes)
    for name in KINDS:
        result[name] = kinds[name].summary(powered, empty_is_possible=name in ("drive", "nic"))
    cpu_parts = result["cpu"]["parts"] if result["cpu"] else []
    result["bios"] = identity.bios(tree, host.document, cpu_parts, notes)
    _extras(result, found, total, slow, dark)
    result["log"] = logs.parse(tree, notes)
    result["sensors"] = cooling.sensors(tree)
    if result["sensors"] is None:
        notes.append(note("sensors", "the BMC shows no list of temperatures or voltages"))
    if result["identity"]["serial"] is None:
        notes.append(note("identity.serial", "neither the system nor its chassis tells a serial number"))
    result["notes"] = notes
    verify.cross_check(tree, host.document, result)
    return result


def _extras(facts: Document, found: str | None, total: int | None, slow: list[Document], dark: list[Document]) -> None:
    """The fields that only one kind has."""
    if facts["npu"]:
        facts["npu"]["source"] = found
    if facts["memory"]:
        facts["memory"]["total_mib"] = total
    if facts["psu"]:
        facts["psu"]["without_input"] = [part["slot"] for part in dark]
    if facts["fan"]:
        facts["fan"]["below_threshold"] = [part["slot"] for part in slow]
    if facts["drive"]:
        parts = facts["drive"]["parts"]
        facts["drive"]["failure_predicted"] = [part["slot"] for part in parts if part["failure_predicted"]]


def _incomplete(tree: Tree, kinds: dict[str, Kind], npu_source: str | None) -> None:
    """What makes a count doubtful besides unreadable members: chassis that could not be read, collections that were
    cut at the limit, and collections that declare more members than they list."""
    for role in ("chassis*", "chassis"):
        for uri, problem in tree.unread(role):
            for name in ("fan", "psu", "nic", "drive"):
                kinds[name].unread(last(uri), problem)
    if not any(True for _ in tree.role("chassis")):
        for name in ("fan", "psu", "nic", "drive"):
            kinds[name].doubt("the BMC shows no chassis, where parts of this kind are listed")
    collections = dict(_COLLECTIONS, npu=_NPU_COLLECTIONS.get(npu_source or "", ()))
    for name, roles in collections.items():
        for role in roles:
            for uri, problem in tree.gaps(role):
                kinds[name].unread(last(uri), problem)


def _why_no_system(tree: Tree) -> str:
    for role in ("system*", "system"):
        for uri, problem in tree.unread(role):
            return f"{uri}: {problem}"
    return "the BMC lists no computer system"
