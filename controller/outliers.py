"""Outliers: where one of several identical devices differs from the others ("node2 differs in DIMM120").

Per slot and field the devices vote; what differs from a strict majority is an outlier. With no majority (two devices,
or a tie) the difference is listed without saying who is right. What could not be seen neither votes nor differs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from controller.contract import Document
from controller.snapshots import ROLES, SPEC_FIELDS, Device

_DEVICE_FIELDS = ("part_number", "bios_version", "bmc_firmware")
_FIELDS = {
    "manufacturer": ("厂商", "manufacturer"),
    "model": ("型号", "model"),
    "part_number": ("部件号", "part number"),
    "firmware": ("固件", "firmware"),
    "bios_version": ("BIOS版本", "BIOS version"),
    "bmc_firmware": ("BMC固件", "BMC firmware"),
    "cores": ("核数", "cores"),
    "memory_mib": ("显存(MiB)", "memory (MiB)"),
    "capacity_mib": ("容量(MiB)", "capacity (MiB)"),
    "capacity_bytes": ("容量(字节)", "capacity (bytes)"),
    "capacity_watts": ("额定功率(W)", "rating (W)"),
    "speed_mhz": ("频率(MHz)", "speed (MHz)"),
    "media_type": ("介质", "medium"),
}


class _Difference(NamedTuple):
    """How a device differs: ``own`` against the majority's value, which ``votes`` of ``voters`` show."""

    device: str
    kind: str | None
    field: str
    own: str
    majority: str | None
    votes: int
    voters: int


_Votes = dict[str, Any]  # device -> value
_Question = tuple[str | None, str | None, str]  # part kind, slot, field


def outliers(devices: Sequence[Device], profiles: Mapping[str, str]) -> list[Document]:
    """Rows ``{device, kind, slot, slots, field, observed, majority, votes, voters, text {zh, en}}``.

    Devices are identical when they have one kind, profile and model. Slots of one device that differ in the same way
    make one row; ``majority`` is null where there is none, and ``device`` then names all who differ.
    """
    peers: dict[tuple[Any, ...], list[Device]] = {}
    for device in devices:
        peers.setdefault((device.kind, profiles.get(device.name), device.fields["device_type"]), []).append(device)
    folded: dict[_Difference, list[str]] = {}
    for members in peers.values():
        for (kind, slot, field), votes in _questions(members).items():
            for difference in _split(kind, field, votes):
                folded.setdefault(difference, []).extend([slot] if slot else [])
    return [_row(difference, slots) for difference, slots in folded.items()]


def _questions(members: Sequence[Device]) -> dict[_Question, _Votes]:
    questions: dict[_Question, _Votes] = {}
    for device in members:
        for name in _DEVICE_FIELDS:
            if device.fields[name] is not None:
                questions.setdefault((None, None, name), {})[device.name] = device.fields[name]
        for kind, group in device.groups.items():
            for part in group.parts:
                for name in SPEC_FIELDS:
                    if name in part.spec:
                        questions.setdefault((kind, part.slot, name), {})[device.name] = part.spec[name]
    for kind in ROLES:
        # Only who shows the whole kind can say that a slot is empty.
        whole = [device for device in members if kind in device.groups and device.groups[kind].complete]
        fitted = {device.name: {part.slot for part in device.groups[kind].parts} for device in whole}
        for slot in sorted(set().union(*fitted.values()), key=_natural):
            questions[(kind, slot, "fitted")] = {name: slot in slots for name, slots in fitted.items()}
    return questions


def _split(kind: str | None, field: str, votes: _Votes) -> list[_Difference]:
    """Everyone who differs from the majority; all of them as one where there is no majority."""
    shown = {name: _show(value) for name, value in votes.items()}
    counts = Counter(shown.values())
    if len(counts) < 2:
        return []
    value, count = counts.most_common(1)[0]
    voters = len(shown)
    if count * 2 > voters:
        return [
            _Difference(name, kind, field, own, value, count, voters) for name, own in shown.items() if own != value
        ]
    names = sorted(shown, key=_natural)
    listed = " / ".join(shown[name] for name in names)
    return [_Difference(", ".join(names), kind, field, listed, None, count, voters)]


def _row(difference: _Difference, slots: list[str]) -> Document:
    device, kind, field, own, majority, count, voters = difference
    slot = ", ".join(slots[:4]) + (f" ... ({len(slots)})" if len(slots) > 4 else "")
    return {
        "device": device,
        "kind": kind,
        "slot": slot or None,
        "slots": slots,
        "field": field,
        "observed": own,
        "majority": majority,
        "votes": count,
        "voters": voters,
        "text": _text(difference, slot),
    }


def _text(difference: _Difference, slot: str) -> dict[str, str]:
    device, _, field, own, majority, count, _ = difference
    name = _FIELDS.get(field, (field, field))
    zh = f"{device} {slot + ' ' if slot else ''}{name[0]}"
    en = f"{device} differs in {slot + ' ' if slot else ''}{name[1]}"
    if majority is None:
        return {"zh": f"{zh}互不相同：{own}", "en": f"{en}: {own} (no majority)"}
    if field != "fitted":
        return {"zh": f"{zh}为{own}，其余{count}台为{majority}", "en": f"{en}: {own}, the {count} others {majority}"}
    if own == "no":
        return {
            "zh": f"{device} 缺少 {slot}（其余{count}台有）",
            "en": f"{device} lacks {slot}, which the {count} others have",
        }
    return {
        "zh": f"{device} 多出 {slot}（其余{count}台没有）",
        "en": f"{device} has {slot}, which the {count} others lack",
    }


def _show(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _natural(name: str) -> list[tuple[int, int | str]]:
    return [(0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", name)]
