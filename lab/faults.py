"""Breaks devices of the world on purpose and heals them again, by a catalogue (``lab/faults.yml``).

The catalogue maps a fault's name to::

    kind: nodes | switches          the devices that can have it
    does: <sentence>                what a person would see
    clause, check, verdict          what must catch it; verdict "pass": the toolkit must cope with it
    names: <text>                   what the caught verdict must name: node2/NPU3, sw1/400GE1/0/6:1 (optional)
    scope: one | pair | all_but_one   default one; pair: it needs another device; all_but_one: it is planted in every
                                    device of that kind except the subject
    log: {severity, sensor, message}   an entry in the device's own log

and at least one of::

    set: [{path, value}]            what becomes different in the device's document. value {from: <path>} copies from
                                    another device; {seconds_ago: [n, ...]}: times before the moment of planting
    configure: {lines: [...], save: bool}   (switches) what a human enters from the system view on, commits, and saves
                                    or not (``lab.breaking.sessions``)
    files: [{path, replace: [old, new]} | {path, remove: true} | {path, append: text} | {path, create: text}
            | {path, write: value}]   (nodes) in the node's container; write: into a setting of its running kernel

A *path* names one value of a device's document: ``bios.version``, ``npus[NPU3].present``. ``list[key]`` selects the
element whose ``slot`` (or ``name``) is the key. It must exist in the device: a fault changes values, it never invents
keys.

Breaking records what was there in the device's ``faults``; healing puts it back. Faults may overlap and be healed in
any order: when a later fault sits on the same value, healing the earlier one hands the value underneath on to the
later one's record. After the last one is healed the document is what it was before the first, byte for byte, unless a
running BMC has told the condition in the meantime: then the log keeps it, as a real one does. Of a session and of a
file only that is put back which nobody has changed since; what is left alone is said.

Files can be changed whether the node is on or off, and stay changed over its restart; a setting of the kernel needs a
node that runs, and is gone with its next boot; what is set below ``net.conf`` of
an NPU is gone with the node's power, as the device forgets it. A session needs a switch that has power.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from lab import physics
from lab.breaking import files as node_files
from lab.breaking import sessions
from lab.breaking.catalogue import (
    CATALOGUE,
    KINDS,
    SCOPES,
    VERDICTS,
    Change,
    Fault,
    FileChange,
    Session,
    load,
    near,
)
from lab.breaking.files import Files
from lab.breaking.paths import get, parse_path, put
from lab.state import LabError
from lab.world import Document, World

__all__ = [
    "CATALOGUE",
    "KINDS",
    "SCOPES",
    "VERDICTS",
    "Change",
    "Engine",
    "Fault",
    "FileChange",
    "Session",
    "get",
    "load",
    "near",
    "parse_path",
    "put",
]

UNKNOWN_NAME = 2  # exit code: the name of a fault or device that is not there
ABSENT = "absent"  # how a record says that the key log_last_id was not there


# --- break and heal --------------------------------------------------------------------------------------------------


class Engine:
    """Break and heal in one world. Every method returns sentences for people, one for each device it looked at.

    ``files``: the nodes' files; without them faults that change files are refused.
    """

    def __init__(self, world: World, catalogue: Mapping[str, Fault] | None = None, files: Files | None = None) -> None:
        self.world = world
        self.catalogue = load() if catalogue is None else catalogue
        self.files = files

    def subject(self, name: str) -> tuple[str, str]:
        """``(kind, name)`` of a device; LabError names the nearest one."""
        for kind in KINDS:
            if name in self.world.names(kind):
                return kind, name
        known = [device for kind in KINDS for device in self.world.names(kind)]
        hint = near(name, known) or f"; there are {', '.join(known)}"
        raise LabError(f"no device {name!r} on this site{hint}", code=UNKNOWN_NAME)

    def fault(self, name: str) -> Fault:
        """A row of the catalogue; LabError names the nearest one."""
        if name not in self.catalogue:
            hint = near(name, self.catalogue) or "; 'python -m lab faults' lists them"
            raise LabError(f"no fault {name!r}{hint}", code=UNKNOWN_NAME)
        return self.catalogue[name]

    def planted(self, name: str) -> list[str]:
        """The faults that a device has, oldest first."""
        kind, name = self.subject(name)
        records = self.world.read(name, kind)["faults"]
        return sorted(records, key=lambda fault: int(records[fault]["order"]))

    def plant(self, subject: str, fault_name: str, now: datetime | None = None) -> list[str]:
        """Break it. Breaking what is broken already changes nothing and says so."""
        kind, subject = self.subject(subject)
        fault = self.fault(fault_name)
        if fault.kind != kind:
            raise LabError(f"{fault.name} is a fault of {fault.kind}; {subject} is one of {kind}", code=UNKNOWN_NAME)
        said = []
        for target in self._targets(fault, subject):
            if fault.name in self.world.read(target, kind)["faults"]:
                said.append(f"{target}: {fault.name} is planted already, nothing changed")
                continue
            self._plant(target, fault, now or datetime.now(UTC))
            said.append(f"{target}: {fault.name} planted: {fault.does}")
        return said

    def heal(self, subject: str, fault_name: str | None = None) -> list[str]:
        """Heal one fault, or all of a device (``fault_name`` None). Healing what is whole changes nothing."""
        kind, subject = self.subject(subject)
        if fault_name is None:
            said = []
            for name in reversed(self.planted(subject)):
                said += self._heal(subject, kind, name)
            return said or [f"{subject}: nothing is broken, nothing changed"]
        known = {*self.catalogue, *self.planted(subject)}  # a fault may be planted that the catalogue has lost since
        if fault_name not in known:
            self.fault(fault_name)
        targets = [subject]
        if fault_name in self.catalogue:
            targets = self._targets(self.catalogue[fault_name], subject)
        said = []
        for target in targets:
            if fault_name in self.world.read(target, kind)["faults"]:
                said += self._heal(target, kind, fault_name)
            else:
                said.append(f"{target}: {fault_name} is not planted, nothing changed")
        return said

    def heal_all(self) -> list[str]:
        """Heal every device of the site."""
        said = []
        for kind in KINDS:
            for name in self.world.names(kind):
                if self.world.read(name, kind)["faults"]:
                    said += self.heal(name)
        return said or ["nothing is broken, nothing changed"]

    def _targets(self, fault: Fault, subject: str) -> list[str]:
        if fault.scope != "all_but_one":
            return [subject]
        return [name for name in self.world.names(fault.kind) if name != subject]

    def _plant(self, target: str, fault: Fault, now: datetime) -> None:
        """All of a fault or nothing of it: what was done first is taken back when the rest is refused."""
        done: Document = {}
        try:
            if fault.session is not None:
                self._powered(target)
                done["session"] = sessions.play(self.world, target, fault.session)
            if fault.files:
                done["files"] = node_files.change(self._files(fault.name), target, fault.files)
            with self.world.update(target, fault.kind) as device:
                self._record(device, fault, now, done)
        except Exception:
            self._undo(target, done)
            raise

    def _powered(self, switch: str) -> None:
        if self.world.read(switch, "switches")["power"] != "on":
            raise LabError(f"{switch} is off: nobody can configure it")

    def _files(self, name: str) -> Files:
        if self.files is None:
            raise LabError(f"{name} changes files of a node, and there are no nodes here")
        return self.files

    def _undo(self, target: str, done: Document) -> list[str]:
        said: list[str] = []
        if "files" in done:
            said += node_files.restore(self._files("a fault"), target, done["files"])
        if "session" in done:
            said += sessions.take_back(self.world, target, done["session"])
        return said

    def _heal(self, target: str, kind: str, name: str) -> list[str]:
        """Take one fault out of a device; later faults on the same values stay as they are."""
        record = self.world.read(target, kind)["faults"][name]
        said = self._undo(target, record)
        with self.world.update(target, kind) as device:
            _put_back(device, name)
        return [f"{target}: {name} healed", *said]

    def _record(self, device: Document, fault: Fault, now: datetime, done: Document) -> None:
        records = device["faults"]
        values = [self._value(device, fault, change, now) for change in fault.changes]
        before = [{"path": change.path, "value": get(device, change.path)} for change in fault.changes]
        for change, value in zip(fault.changes, values, strict=True):
            put(device, change.path, value)
        record: Document = {"order": 1 + max((int(other["order"]) for other in records.values()), default=0)}
        record |= {"before": before, **done}
        if fault.log is not None and "log" in device:
            record["log_last_id"] = device.get("log_last_id", ABSENT)
            record["log"] = physics.add_entry(device, now, **fault.log)
        records[fault.name] = record

    def _value(self, device: Document, fault: Fault, change: Change, now: datetime) -> Any:
        if change.ago is not None:
            return [round(now.timestamp() - seconds, 3) for seconds in change.ago]
        if change.source is None:
            return change.value
        others: Sequence[str] = [name for name in self.world.names(fault.kind) if name != device["name"]]
        if not others:
            raise LabError(f"{fault.name} needs a second device, and this site has only {device['name']}")
        return get(self.world.read(others[0], fault.kind), change.source)


def _put_back(device: Document, name: str) -> None:
    """The values of one fault; later faults on the same values stay as they are."""
    record = device["faults"].pop(name)
    later = [other for other in device["faults"].values() if other["order"] > record["order"]]
    later.sort(key=lambda other: int(other["order"]))
    for item in record["before"]:
        above = next((entry for other in later for entry in other["before"] if entry["path"] == item["path"]), None)
        if above is not None:
            above["value"] = item["value"]
        else:
            put(device, item["path"], item["value"])
    if "session" in record:
        sessions.hand_over(record["session"], [other["session"] for other in later if "session" in other])
    if "log" in record:
        _forget_entry(device, record, later)


def _forget_entry(device: Document, record: Document, later: list[Document]) -> None:
    """Take the fault's log entry out again, unless a BMC has told the condition: then it is history, and stays."""
    entry = record["log"]
    if entry["sensor"] in (device.get("told") or {}):
        return
    device["log"] = [other for other in device["log"] if other != entry]
    above = next((other for other in later if "log" in other), None)
    if above is not None:
        above["log_last_id"] = record["log_last_id"]
    elif device.get("log_last_id") == entry["id"]:
        device["log_last_id"] = record["log_last_id"]
        if record["log_last_id"] == ABSENT:
            del device["log_last_id"]
