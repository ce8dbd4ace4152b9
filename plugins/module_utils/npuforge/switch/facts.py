"""Rows of a switch's command line as the facts of docs/seams.md section 5, kind ``switch``.

A part is present or absent only where the switch says so; its health is the worst of what the commands say of it.
"""

from __future__ import annotations

from typing import Any, Iterable

from ..common import Document, note
from . import parse

_RANK = {None: 0, "ok": 1, "warning": 2, "critical": 3}
_ALARM = {"normal": "ok", "abnormal": "critical", "wrongtype": "warning"}


def nothing_seen(notes: list[dict[str, str]], reachable: bool) -> Document:
    """The facts of a switch that could not be read: all null, the notes say why."""
    return {
        "reachable": reachable,
        "identity": {"manufacturer": None, "model": None, "serial": None, "part_number": None},
        "version": None,
        "patch": None,
        "uptime_seconds": None,
        "psu": None,
        "fan": None,
        "parts": None,
        "notes": notes,
    }


def facts(texts: dict[str, str | None], notes: list[dict[str, str]]) -> Document:
    """The facts from the commands' output.

    :param texts: ``version, device, labels, esn, power, fan`` to the output; None where no command was accepted.
    :param notes: what went wrong so far; more is added.
    """
    version = parse.parse_version(texts.get("version"))
    if not version["understood"]:
        if texts.get("version") is not None:
            notes.append(note("display version", "not understood: {}".format(version["reason"])))
        return nothing_seen(notes, True)
    devices = parse.parse_device(texts.get("device"))
    labels = parse.parse_labels(texts.get("labels"))
    power, fans = parse.parse_power(texts.get("power")), parse.parse_fan(texts.get("fan"))
    _tell_chassis_apart(devices, labels["parts"], power, fans)
    by_slot = {label["slot"]: label for label in labels["parts"] if label["slot"]}
    boards = [row for row in devices if (row["card"] or "0").rpartition("/")[2].isdigit()]
    serial = labels["serial"] or parse.parse_esn(texts.get("esn"))
    if serial is None:
        notes.append(note("identity.serial", "no command showed one serial number for the switch"))
    main = next((row for row in boards if row["present"] and row["chassis"]), None)
    label = by_slot.get(main["chassis"] if main else "1", {})
    psu = _psus(devices, power, by_slot)
    fan = _fans(devices, fans, by_slot)
    for name, group in (("psu", psu), ("fan", fan)):
        if group is None:
            notes.append(note(name, "neither display device nor its own command listed any"))
    return {
        "reachable": True,
        "identity": {
            "manufacturer": "Huawei",
            "model": version["model"] or label.get("type") or (main["type"] if main else None),
            "serial": serial,
            "part_number": label.get("part_number"),
        },
        "version": version["version"] or version["os_version"],
        "patch": version["patch"],
        "uptime_seconds": version["uptime_seconds"],
        "os": {"name": version["os"], "version": version["os_version"], "platform": version["platform"]},
        "psu": psu,
        "fan": fan,
        "parts": [_board(row, by_slot) for row in boards] if devices else None,
        "notes": notes,
    }


def _tell_chassis_apart(devices: list[Document], *tables: list[Document]) -> None:
    """In a stack each chassis has its FAN1: there the slots become ``2/FAN1``."""
    if len({row["chassis"] for row in devices if row["present"]}) < 2:
        return
    for rows, key in ((devices, "card"), *((table, "slot") for table in tables)):
        for row in rows:
            if row["chassis"] and row[key] and row[key] != row["chassis"] and "/" not in row[key]:
                row[key] = "{}/{}".format(row["chassis"], row[key])


def _part(slot: str, row: Document | None, label: Document, source: str) -> Document:
    """What ``display device`` and the electronic label say of one part."""
    part: Document = {
        "slot": slot,
        "state": None,
        "health": None,
        "manufacturer": None,
        "model": label.get("type"),
        "part_number": label.get("part_number"),
        "serial": label.get("serial"),
        "firmware": None,
        "source": source,
        "_words": [],
    }
    if row is None:
        return part
    part["state"] = "present" if row["present"] else "absent"
    part["model"] = part["model"] or row["type"]
    if row["present"]:
        _worsen(part, _ALARM.get(row["alarm"]), "alarm: {}".format(row["alarm"]))
        if row["registered"] is False:
            _worsen(part, "warning", "not registered")
        if row["power"] is False:
            _worsen(part, "critical", "not powered")
    return part


def _worsen(part: Document, health: str | None, word: str) -> None:
    if _RANK[health] > _RANK[part["health"]]:
        part["health"] = health
    if _RANK[health] > 1:
        part["_words"].append(word)


def _board(row: Document, by_slot: dict[str, Document]) -> Document:
    slot = row["chassis"] or "?"
    if row["card"] is not None:
        slot = row["card"] if "/" in row["card"] else "{}/{}".format(slot, row["card"])
    part = _part(slot, row, by_slot.get(slot, {}), "display device")
    del part["_words"]
    return part


def _names(devices: list[Document], prefix: str, rows: list[Document]) -> list[str]:
    """The slots that any command names, in that order, each once."""
    named = [row["card"] for row in devices if (row["card"] or "").rpartition("/")[2].upper().startswith(prefix)]
    return list(dict.fromkeys([*named, *[row["slot"] for row in rows]]))


def _on(devices: list[Document], slot: str) -> Document | None:
    return next((row for row in devices if row["card"] == slot), None)


def _told(part: Document, present: bool | None, source: str) -> None:
    """A second command's word on presence: the part counts as absent as soon as one says so."""
    if present is None:
        return
    state = "present" if present else "absent"
    if part["state"] is None:
        part["source"] = source
    if part["state"] in (None, "present"):
        part["state"] = state


def _psus(devices: list[Document], rows: list[Document], by_slot: dict[str, Document]) -> Document | None:
    parts, dark = [], []
    for slot in _names(devices, "PWR", rows):
        part = _part(slot, _on(devices, slot), by_slot.get(slot, {}), "display device")
        row = next((row for row in rows if row["slot"] == slot), {})
        _told(part, row.get("present"), "display power")
        for key in ("capacity_watts", "input_volts", "output_watts"):
            part[key] = row.get(key)
        if part["state"] == "present" and row.get("supplying") is not None:
            if row["supplying"]:
                _worsen(part, "ok", "")
            else:
                dark.append(slot)
                _worsen(part, "critical", "no output")
        parts.append(part)
    return _group(parts, without_input=dark)


def _fans(devices: list[Document], rows: list[Document], by_slot: dict[str, Document]) -> Document | None:
    parts = []
    for slot in _names(devices, "FAN", rows):
        part = _part(slot, _on(devices, slot), by_slot.get(slot, {}), "display device")
        row = next((row for row in rows if row["slot"] == slot), {})
        _told(part, row.get("present"), "display fan")
        part.update(rpm=row.get("rpm"), lower_critical_rpm=None)
        if part["state"] == "present" and row.get("status"):
            _worsen(part, _ALARM[row["status"]], "status: {}".format(row["status"]))
        parts.append(part)
    # The switch tells no threshold, so none can be below it.
    return _group(parts, below_threshold=[])


def _group(parts: list[Document], **lists: Iterable[Any]) -> Document | None:
    if not parts:
        return None
    unhealthy, unknown = [], []
    for part in parts:
        words = part.pop("_words")
        if part["state"] == "absent":
            part["health"] = None  # an empty bay's alarm says nothing of a part
        elif part["health"] in ("warning", "critical"):
            unhealthy.append("{}: {}, {}".format(part["slot"], part["health"].capitalize(), ", ".join(words)))
        elif part["health"] is None:
            unknown.append(part["slot"])
    group: Document = {
        "present_count": sum(part["state"] == "present" for part in parts),
        "absent_count": sum(part["state"] == "absent" for part in parts),
        "unhealthy": unhealthy,
        "unknown_health": unknown,
        "parts": parts,
    }
    group.update(lists)
    return group
