"""Devices and parts as one run saw them: observations of kind bmc and switch in the shape of the asset ledger."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from controller.contract import Document, Observed

PART_KINDS = ("cpu", "npu", "memory", "drive", "psu", "fan", "nic")
ROLES = {"cpu": "CPU", "npu": "NPU", "memory": "DIMM", "drive": "Drive", "psu": "PSU", "fan": "Fan", "nic": "NIC"}
DEVICE_KINDS = {"bmc": "server", "switch": "switch"}
# What makes two parts in the same slot of identical servers the same part (and its serial number not).
SPEC_FIELDS = (
    "manufacturer",
    "model",
    "part_number",
    "firmware",
    "cores",
    "memory_mib",
    "capacity_mib",
    "capacity_bytes",
    "capacity_watts",
    "speed_mhz",
    "media_type",
)


@dataclass
class Part:
    """One fitted part. ``spec``: what is known of SPEC_FIELDS; ``serial`` None where none can be read."""

    kind: str
    slot: str
    serial: str | None
    spec: Document


@dataclass
class Group:
    """All parts of one kind in a device. ``complete``: every member was read, so what is not listed is not there."""

    complete: bool
    parts: list[Part] = field(default_factory=list)
    absent_slots: set[str] = field(default_factory=set)


@dataclass
class Device:
    """One device as one observation saw it."""

    name: str
    kind: str  # server | switch
    serial: str | None
    fields: Document  # NetBox field names
    groups: dict[str, Group]
    collected_at: str
    provenance: str


def snapshots(run: Document, observed: Sequence[Observed]) -> list[Device]:
    """The devices that answered, in the inventory's order; one observation each, the newest that identifies it."""
    best: dict[tuple[str, str], Observed] = {}
    for item in observed:
        if item.kind not in DEVICE_KINDS or item.facts.get("reachable") is not True:
            continue
        if not isinstance(item.facts.get("identity"), dict):
            continue
        known = best.get((item.kind, item.id))
        if known is None or known.document["collected_at"] < item.document["collected_at"]:
            best[(item.kind, item.id)] = item
    subjects = run["inventory"]["subjects"]
    order = [(kind, name) for kind in DEVICE_KINDS for name in subjects.get(kind, [])]
    order += sorted(set(best) - set(order))
    return [_device(run, best[key]) for key in order if key in best]


def _device(run: Document, item: Observed) -> Device:
    facts = item.facts
    identity, kind = facts["identity"], DEVICE_KINDS[item.kind]
    place = (run["inventory"].get("devices") or {}).get(item.id) or {}
    bios, bmc = _dict(facts.get("bios")), _dict(facts.get("bmc"))
    versions = {"BIOS": _text(bios.get("version")), "BMC": _text(bmc.get("firmware")), "": _text(facts.get("version"))}
    shown = ", ".join(f"{name} {version}".strip() for name, version in versions.items() if version)
    fields = {
        "name": item.id,
        "role": place.get("role") or kind,
        "manufacturer": _text(identity.get("manufacturer")),
        "device_type": _text(identity.get("model")),
        "part_number": _text(identity.get("part_number")),
        "asset_tag": _text(identity.get("asset_tag")) or place.get("asset_tag"),
        "site": run["site"],
        "location": place.get("location"),
        "rack": place.get("rack"),
        "position": place.get("position"),
        "face": place.get("face"),
        "firmware": shown or None,
        "bios_version": versions["BIOS"],
        "bmc_firmware": versions["BMC"],
    }
    return Device(
        name=item.id,
        kind=kind,
        serial=_text(identity.get("serial")),
        fields=fields,
        groups=dict(_groups(facts)),
        collected_at=item.document["collected_at"],
        provenance=item.document["provenance"],
    )


def _groups(facts: Document) -> Iterator[tuple[str, Group]]:
    """Each kind that could be seen. A kind without a count was not read to its end."""
    for kind in PART_KINDS:
        given = facts.get(kind)
        if not isinstance(given, dict) or not isinstance(given.get("parts"), list):
            continue
        count = given.get("present_count")
        group = Group(complete=isinstance(count, int) and not isinstance(count, bool))
        for part in given["parts"]:
            slot = _text(part.get("slot")) if isinstance(part, dict) else None
            if slot is None:
                group.complete = False
            elif part.get("state") == "present":
                spec = {key: part[key] for key in SPEC_FIELDS if part.get(key) not in (None, "")}
                group.parts.append(Part(kind, slot, _text(part.get("serial")), spec))
            elif part.get("state") == "absent":
                group.absent_slots.add(slot)
            else:
                group.complete = False
        yield kind, group


def _text(value: Any) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _dict(value: Any) -> Document:
    return value if isinstance(value, dict) else {}
