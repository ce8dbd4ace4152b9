"""Observations of a switch and its planned ports, whatever its make (docs/fabric.md section 4)."""

from __future__ import annotations

import re
from typing import Mapping, NamedTuple, Sequence

from ...common import Document, observation
from .driver import Part, ports_of, switch_of
from .model import Differences, Found, Port, PortDifferences

COLLECTOR = "switch_roce"


def switch_facts(found: Found, roce: Document, before: Sequence[str]) -> Document:
    """Facts of kind ``switch``. ``before``: the differences that were there when the module came."""
    return {
        "identity": {"model": found.model, "version": found.version},
        "roce": roce,
        "found": {"differences": list(before)},
        "notes": list(found.notes),
    }


def roce(found: Found, differences: Differences, conflicts: Sequence[str] | None, lines: Sequence[str]) -> Document:
    """``facts.roce``. ``conflicts`` None: the configuration was not seen."""
    return {
        "differences": differences.whole,
        "conflicts": None if conflicts is None else list(conflicts),
        "unsaved": found.unsaved,
        "uncommitted": found.uncommitted,
        "lines_planned": list(lines),
        "applied": False,
        "rolled_back": False,
        "message": "",
    }


def port_facts(part: Part, found: Found, differences: Differences) -> dict[str, Document]:
    """Facts of kind ``port`` by ``sw1/400GE1/0/6:1``, one for every planned port."""
    planned = ports_of(part)
    switch = switch_of(part)["name"]
    homes = {_key(port["node"], port["name"]): name for name, port in planned.items()}
    facts = {}
    for name, plan in planned.items():
        port = found.ports.get(name) or Port(name)
        told = differences.ports.get(name) or PortDifferences()
        facts[f"{switch}/{name}"] = _port(part, plan, port, told, homes)
    return facts


def _port(part: Part, plan: Part, port: Port, told: PortDifferences, homes: Mapping[str, str]) -> Document:
    notes: list[dict[str, str]] = []
    cabling = _cabling(part, plan, port, homes, notes)
    return {
        "link": port.link,
        "link_reason": port.link_reason,
        "speed_mbps": port.speed_mbps,
        "planned_speed_mbps": part["link"]["speed_mbps"],
        "neighbor": port.neighbor,
        "planned_neighbor": {"device": plan["node"], "port": plan["name"]},
        "trust_differences": told.trust,
        "pfc_differences": told.pfc,
        "buffer_differences": told.buffer,
        "ecn_differences": told.ecn,
        "cabling_differences": cabling,
        "optics_problems": _optics(port),
        "error_problems": _errors(port),
        "pfc_turned_off": port.turned_off,
        "optics": port.optics,
        "counters": port.counters,
        "notes": notes,
    }


def _key(device: str, port: str) -> str:
    """Names that mean the same NPU: ``node2 NPU3``, ``Node2.example npu-3``."""
    return device.partition(".")[0].lower() + " " + re.sub(r"[^a-z0-9]", "", port.lower())


def _cabling(
    part: Part, plan: Part, port: Port, homes: Mapping[str, str], notes: list[dict[str, str]]
) -> list[str] | None:
    """None with a note: nobody was seen, or one of whom it cannot be told whose he is."""
    if port.neighbor is None:
        if port.neighbor_seen:
            notes.append({"where": "cabling_differences", "problem": "no LLDP neighbour is seen on the port"})
        return None
    device, name = port.neighbor["device"], port.neighbor["port"]
    seen = _key(device, name)
    if seen == _key(plan["node"], plan["name"]):
        return []
    if seen in homes:
        return [f"{device} {name} is on {port.name}, planned {homes[seen]}"]
    if re.match(
        r"^(?:[0-9a-f]{4}[-.:]){2}[0-9a-f]{4}$|^(?:[0-9a-f]{2}[-:]){5}[0-9a-f]{2}$|^-*$", device, re.IGNORECASE
    ):
        problem = f"the neighbour tells no name, only {device or 'nothing'} {name}"
        notes.append({"where": "cabling_differences", "problem": problem})
        return None
    return ["{} {} is on {}, planned {} {}".format(device, name, port.name, plan["node"], plan["name"])]


def _optics(port: Port) -> list[str] | None:
    """Against the module's own limits; a module that tells none has no problem that could be seen."""
    optics = port.optics
    if optics is None:
        return None
    if not optics.get("present"):
        return [f"{port.name}: no optical module or cable is plugged in"]
    told = []
    for way in ("rx", "tx"):
        powers = optics.get(f"{way}_power_dbm") or []
        for bound, side, sign in (("low", "below", 1), ("high", "above", -1)):
            limits = optics.get(f"{way}_power_{bound}_dbm") or []
            for lane, power in enumerate(powers):
                limit = limits[lane] if lane < len(limits) else limits[0] if len(limits) == 1 else None
                if limit is not None and sign * power < sign * limit:
                    where = f" of lane {lane}" if len(powers) > 1 else ""
                    bound_now = f"{side} the module's {limit:.2f} dBm"
                    told.append(f"{port.name}: {way.upper()} power{where} is {power:.2f} dBm, {bound_now}")
    # Who certified a module says nothing about its light.
    alarms = [alarm for alarm in optics.get("alarms") or [] if "certified" not in alarm.lower()]
    return told + [f"{port.name}: optical module alarm: {alarm}" for alarm in alarms]


def _errors(port: Port) -> list[str] | None:
    crc = (port.counters or {}).get("crc_errors")
    if crc is None:
        return None
    return [f"{port.name}: {crc} frames arrived with CRC errors since the counters were cleared"] if crc else []


class Seen(NamedTuple):
    """The plan's part for a switch, what was read, and where the two differ."""

    part: Part
    found: Found
    differences: Differences


def observations(seen: Seen, facts: Document, raw: list[Document], simulated: bool) -> list[Document]:
    """Entries for ``evidence_record``: the switch with what it printed, then its ports."""
    name = switch_of(seen.part)["name"]
    entries: list[Document] = [{"observation": observation("switch", name, COLLECTOR, facts, simulated), "raw": raw}]
    for subject, port in port_facts(seen.part, seen.found, seen.differences).items():
        entries.append({"observation": observation("port", subject, COLLECTOR, port, simulated), "raw": []})
    return entries
