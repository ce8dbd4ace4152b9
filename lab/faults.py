"""Breaks devices of the world on purpose and heals them again, by a catalogue (``lab/faults.yml``).

The catalogue maps a fault's name to::

    kind: nodes | switches          the devices that can have it
    does: <sentence>                what a person would see
    clause, check, verdict          what must catch it; verdict "pass": the toolkit must cope with it
    scope: one | pair | all_but_one   default one; pair: it needs another device; all_but_one: it is planted in every
                                    device of that kind except the subject
    set: [{path, value}]            what becomes different; value {from: <path>} copies from another device
    log: {severity, sensor, message}   an entry in the device's own log

A *path* names one value of a device's document: ``bios.version``, ``npus[NPU3].present``. ``list[key]`` selects the
element whose ``slot`` (or ``name``) is the key. It must exist in the device: a fault changes values, it never invents
keys.

Breaking records what was there in the device's ``faults``; healing puts it back. Faults may overlap and be healed in
any order: when a later fault sits on the same value, healing the earlier one hands the value underneath on to the
later one's record. After the last one is healed the document is what it was before the first, byte for byte, unless a
running BMC has told the condition in the meantime: then the log keeps it, as a real one does.
"""

from __future__ import annotations

import copy
import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from lab import physics
from lab.state import LabError
from lab.world import Document, World

CATALOGUE = Path(__file__).with_name("faults.yml")
KINDS = ("nodes", "switches")
VERDICTS = ("fail", "unknown", "pass")
SCOPES = ("one", "pair", "all_but_one")
LOG_KEYS = {"severity", "sensor", "message"}
REQUIRED = {"kind", "does", "clause", "check", "verdict", "set"}
OPTIONAL = {"scope", "log"}
_SEGMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:\[([^\[\]]+)\])?")
UNKNOWN_NAME = 2  # exit code: the name of a fault or device that is not there
ABSENT = "absent"  # how a record says that the key log_last_id was not there


@dataclass(frozen=True)
class Change:
    """One value that becomes another. ``source``: the path to copy from another device, instead of ``value``."""

    path: str
    value: Any = None
    source: str | None = None


@dataclass(frozen=True)
class Fault:
    """One row of the catalogue."""

    name: str
    kind: str
    does: str
    clause: str
    check: str
    verdict: str
    scope: str
    changes: tuple[Change, ...]
    log: Mapping[str, str] | None


def load(path: Path = CATALOGUE) -> dict[str, Fault]:
    """The catalogue by name. LabError names every mistake in it at once."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise LabError(f"{path} cannot be read: {error}") from error
    if not isinstance(document, dict) or not document:
        raise LabError(f"{path}: expected a mapping of faults by name")
    mistakes: list[str] = []
    found: dict[str, Fault] = {}
    for name, row in document.items():
        wrong = list(_mistakes(name, row))
        mistakes += [f"{name}: {text}" for text in wrong]
        if not wrong:
            found[name] = _fault(name, row)
    mistakes += _overlaps(found.values())
    if mistakes:
        raise LabError(f"{path}:\n" + "\n".join(f"  {text}" for text in mistakes))
    return found


def _mistakes(name: object, row: object) -> Iterable[str]:
    if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        yield "a name has a-z, 0-9 and _"
    if not isinstance(row, dict):
        yield "expected a mapping"
        return
    for key in sorted(REQUIRED - row.keys()):
        yield f"{key} is missing"
    for key in sorted(row.keys() - REQUIRED - OPTIONAL, key=str):
        yield f"unknown key {key}" + near(str(key), REQUIRED | OPTIONAL)
    for key, allowed in (("kind", KINDS), ("verdict", VERDICTS), ("scope", SCOPES)):
        if key in row and row[key] not in allowed:
            yield f"{key} {row[key]!r}: expected one of {', '.join(allowed)}"
    for key in ("does", "clause", "check"):
        if key in row and not (isinstance(row[key], str) and row[key].strip()):
            yield f"{key}: expected a text"
    changes = row.get("set")
    if "set" in row and not (isinstance(changes, list) and changes):
        yield "set: expected a list of {path, value}"
        changes = []
    for change in changes or []:
        if not isinstance(change, dict) or set(change) != {"path", "value"}:
            yield f"set: {change!r}: expected exactly path and value"
            continue
        value = change["value"]
        sources = [value["from"]] if isinstance(value, dict) and set(value) == {"from"} else []
        for path in (change["path"], *sources):
            try:
                parse_path(path)
            except ValueError as error:
                yield f"set: {error}"
        if sources and row.get("scope") != "pair":
            yield "set: a value that is copied from another device needs scope: pair"
    log = row.get("log")
    if log is not None and (not isinstance(log, dict) or set(log) != LOG_KEYS):
        yield f"log: expected {', '.join(sorted(LOG_KEYS))}"
    elif log is not None and log["severity"] not in physics.SEVERITIES:
        yield f"log: severity {log['severity']!r}: expected one of {', '.join(physics.SEVERITIES)}"


def _fault(name: str, row: Mapping[str, Any]) -> Fault:
    changes = []
    for change in row["set"]:
        value = change["value"]
        if isinstance(value, dict) and set(value) == {"from"}:
            changes.append(Change(change["path"], source=value["from"]))
        else:
            changes.append(Change(change["path"], value))
    scope = row.get("scope", "one")
    return Fault(
        name,
        row["kind"],
        row["does"],
        row["clause"],
        row["check"],
        row["verdict"],
        scope,
        tuple(changes),
        row.get("log"),
    )


def _overlaps(found: Iterable[Fault]) -> list[str]:
    """Two faults may set the same value, but not one a value and the other the object that holds it."""
    paths = {(fault.kind, change.path): fault.name for fault in found for change in fault.changes}
    mistakes = []
    for (kind, path), name in paths.items():
        for (other_kind, inner), other in paths.items():
            if kind == other_kind and (inner.startswith((path + ".", path + "["))):
                mistakes.append(f"{name} sets {path}, which holds {inner} of {other}: heal could not tell them apart")
    return mistakes


def near(word: str, known: Iterable[str]) -> str:
    """``"; did you mean x or y?"`` for a message about an unknown name; empty when nothing is like it."""
    close = difflib.get_close_matches(word, sorted(known), n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(close)}?" if close else ""


# --- paths -----------------------------------------------------------------------------------------------------------


def parse_path(path: object) -> list[tuple[str, str | None]]:
    """``npus[NPU3].present`` -> ``[("npus", "NPU3"), ("present", None)]``; ValueError says what is wrong with it."""
    segments = []
    for text in re.split(r"\.(?![^\[]*\])", path) if isinstance(path, str) else []:
        match = _SEGMENT.fullmatch(text)
        if match is None:
            raise ValueError(f"path {path!r}: {text!r} is neither a key nor list[slot]")
        segments.append((match[1], match[2]))
    if not segments or segments[-1][1] is not None:
        raise ValueError(f"path {path!r}: expected something like bios.version or npus[NPU3].present")
    return segments


def _holder(document: Document, path: str) -> tuple[Document, str]:
    """The object that holds the value of a path, and its key there. LabError when the device has no such value."""
    here: Any = document
    *outer, (last, _) = parse_path(path)
    for key, slot in outer:
        here = here.get(key) if isinstance(here, dict) else None
        if slot is not None:
            items = here if isinstance(here, list) else []
            here = next((item for item in items if slot in (item.get("slot"), item.get("name"))), None)
    if not isinstance(here, dict) or last not in here:
        raise LabError(f"{document.get('name', 'the device')} has nothing at {path}")
    return here, last


def get(document: Document, path: str) -> Any:
    """A private copy of the value at a path."""
    holder, key = _holder(document, path)
    return copy.deepcopy(holder[key])


def put(document: Document, path: str, value: Any) -> None:
    holder, key = _holder(document, path)
    holder[key] = copy.deepcopy(value)


# --- break and heal --------------------------------------------------------------------------------------------------


class Engine:
    """Break and heal in one world. Every method returns sentences for people, one for each device it looked at."""

    def __init__(self, world: World, catalogue: Mapping[str, Fault] | None = None) -> None:
        self.world = world
        self.catalogue = load() if catalogue is None else catalogue

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
            with self.world.update(target, kind) as device:
                if fault.name in device["faults"]:
                    said.append(f"{target}: {fault.name} is planted already, nothing changed")
                    continue
                self._plant(device, fault, now or datetime.now(UTC))
            said.append(f"{target}: {fault.name} planted: {fault.does}")
        return said

    def heal(self, subject: str, fault_name: str | None = None) -> list[str]:
        """Heal one fault, or all of a device (``fault_name`` None). Healing what is whole changes nothing."""
        kind, subject = self.subject(subject)
        if fault_name is None:
            said = []
            with self.world.update(subject, kind) as device:
                for name in list(device["faults"]):
                    _heal(device, name)
                    said.append(f"{subject}: {name} healed")
            return said or [f"{subject}: nothing is broken, nothing changed"]
        known = {*self.catalogue, *self.planted(subject)}  # a fault may be planted that the catalogue has lost since
        if fault_name not in known:
            self.fault(fault_name)
        targets = [subject]
        if fault_name in self.catalogue:
            targets = self._targets(self.catalogue[fault_name], subject)
        said = []
        for target in targets:
            with self.world.update(target, kind) as device:
                if fault_name in device["faults"]:
                    _heal(device, fault_name)
                    said.append(f"{target}: {fault_name} healed")
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

    def _plant(self, device: Document, fault: Fault, now: datetime) -> None:
        records = device["faults"]
        values = [self._value(device, fault, change) for change in fault.changes]
        before = [{"path": change.path, "value": get(device, change.path)} for change in fault.changes]
        for change, value in zip(fault.changes, values, strict=True):
            put(device, change.path, value)
        record: Document = {"order": 1 + max((int(other["order"]) for other in records.values()), default=0)}
        record["before"] = before
        if fault.log is not None and "log" in device:
            record["log_last_id"] = device.get("log_last_id", ABSENT)
            record["log"] = physics.add_entry(device, now, **fault.log)
        records[fault.name] = record

    def _value(self, device: Document, fault: Fault, change: Change) -> Any:
        if change.source is None:
            return change.value
        others: Sequence[str] = [name for name in self.world.names(fault.kind) if name != device["name"]]
        if not others:
            raise LabError(f"{fault.name} needs a second device, and this site has only {device['name']}")
        return get(self.world.read(others[0], fault.kind), change.source)


def _heal(device: Document, name: str) -> None:
    """Take one fault out of a device; later faults on the same values stay as they are."""
    record = device["faults"].pop(name)
    later = [other for other in device["faults"].values() if other["order"] > record["order"]]
    later.sort(key=lambda other: int(other["order"]))
    for item in record["before"]:
        above = next((entry for other in later for entry in other["before"] if entry["path"] == item["path"]), None)
        if above is not None:
            above["value"] = item["value"]
        else:
            put(device, item["path"], item["value"])
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
