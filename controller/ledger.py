"""The asset ledger: what is fitted where, by serial number, and what became of it. Pure: a ledger in, a ledger out.

Rows use NetBox's field names (devices: name, role, manufacturer, device_type, serial, asset_tag, site, location, rack,
position, face, status; inventory items: device, parent, name, part_id, serial, discovered ...). A row's key is its kind
and serial number; a part whose serial number cannot be read is keyed by its place and flagged ``serial_missing``.

A part leaves the ledger's active rows only on evidence: its slot is seen empty or taken by another part, it is seen
elsewhere, or the list of its kind was read to the end without it. A device that did not answer changes nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from controller.contract import Document, Observed
from controller.outliers import outliers
from controller.snapshots import ROLES, Device, Part, snapshots

SCHEMA = "npuforge.ledger/1"
ACTIVE = "active"
GONE = "offline"  # NetBox's word for what is no longer in place


def empty(site: str) -> Document:
    """A ledger that knows nothing."""
    return {
        "schema": SCHEMA,
        "site": site,
        "updated_at": None,
        "run_id": None,
        "provenance": "hardware",
        "devices": [],
        "inventory_items": [],
        "events": [],
        "outliers": [],
    }


def update(ledger: Document, run: Document, observed: Sequence[Observed]) -> Document:
    """The ledger after one run. Applying the same run again changes nothing; an older one does not turn time back.

    :param ledger: a valid ledger of the same site (``empty(site)`` at first); it is not changed.
    :param observed: the run's observations; kinds bmc and switch count.
    """
    result = copy.deepcopy(ledger)
    seen = snapshots(run, observed)
    if not seen:
        return result
    book = _Book(result, run["run_id"])
    fresh = [device for device in seen if device.collected_at >= book.observed_at(device.name)]
    for device in fresh:
        device.provenance = "simulated" if run["provenance"] == "simulated" else device.provenance
    keys = book.enter_devices(fresh)
    book.enter_parts(fresh, keys)
    result["devices"].sort(key=lambda row: (row["status"] != ACTIVE, row["kind"], row["name"], row["key"]))
    result["inventory_items"].sort(
        key=lambda row: (
            row["status"] != ACTIVE,
            row["device"],
            list(ROLES).index(row["kind"]),
            row["name"],
            row["key"],
        )
    )
    if fresh:
        result["outliers"] = outliers(seen, run["inventory"]["profiles"])
        newest = max(device.collected_at for device in fresh)
        if newest >= (result["updated_at"] or ""):
            result["updated_at"], result["run_id"] = newest, run["run_id"]
        if any(device.provenance == "simulated" for device in fresh):
            result["provenance"] = "simulated"
    return result


@dataclass
class _Entry:
    """Something seen at a place that wants a row."""

    kind: str
    serial: str | None
    place: tuple[str, str]  # device, slot; ("", name) for a device
    device: Device
    part: Part | None = None


@dataclass
class _Book:
    ledger: Document
    run_id: str
    replaced: set[str] = field(default_factory=set)  # names whose chassis is another one since this run

    def observed_at(self, name: str) -> str:
        return max((row["observed_at"] for row in self.ledger["devices"] if row["name"] == name), default="")

    def enter_devices(self, devices: Sequence[Device]) -> dict[str, str]:
        """Devices into rows. Returns the key of each device's row by name."""
        rows = self.ledger["devices"]
        entries = [_Entry(device.kind, device.serial, ("", device.name), device) for device in devices]
        keys = _assign(entries, rows, lambda row: ("", row["name"]))
        by_key = {row["key"]: row for row in rows}
        for entry, key in zip(entries, keys, strict=True):
            device, row = entry.device, by_key.get(key)
            for old in rows:
                if (
                    old["name"] == device.name
                    and old["key"] != key
                    and old["status"] == ACTIVE
                    and old["key"] not in keys
                ):
                    old["status"] = GONE
                    self.replaced.add(device.name)
                    change = {"from": old["serial"], "to": device.serial}
                    self._event("replaced", device, device.kind, "", old["serial"], **change)
            if row is None:
                row = {"key": key, "kind": device.kind, "first_seen": self._moment(device), "seen_kinds": []}
                rows.append(row)
                by_key[key] = row
            else:
                self._changes(row, device)
            row.update({name: value for name, value in device.fields.items() if value is not None or name not in row})
            row.update(
                serial=device.serial or row.get("serial"),
                status=ACTIVE,
                provenance=device.provenance,
                observed_at=device.collected_at,
                last_seen=self._moment(device),
                serial_shared=device.serial is not None and key != f"{device.kind}:{device.serial}",
            )
            row["serial_missing"] = row["serial"] is None
        return {entry.device.name: key for entry, key in zip(entries, keys, strict=True)}

    def _changes(self, row: Document, device: Device) -> None:
        """Events of a device that is known already."""
        kind, serial = device.kind, device.serial or row["serial"]
        if row["status"] != ACTIVE:
            self._event("returned", device, kind, "", serial)
        if row["name"] != device.name:
            self._event("renamed", device, kind, "", serial, **{"from": row["name"], "to": device.name})
        before, after = (_position(fields) for fields in (row, device.fields))
        if before and after and before != after:
            self._event("moved", device, kind, "", serial, **{"from": before, "to": after})
        if row["firmware"] and device.fields["firmware"] and row["firmware"] != device.fields["firmware"]:
            change = {"from": row["firmware"], "to": device.fields["firmware"]}
            self._event("firmware_changed", device, kind, "", serial, **change)

    def enter_parts(self, devices: Sequence[Device], device_keys: dict[str, str]) -> None:
        """Parts into rows, then what is provably gone out of the active ones."""
        rows = self.ledger["inventory_items"]
        entries = [
            _Entry(part.kind, part.serial, (device.name, part.slot), device, part)
            for device in devices
            for group in device.groups.values()
            for part in group.parts
        ]
        keys = _assign(entries, rows, lambda row: (row["device"], row["name"]))
        by_key = {row["key"]: row for row in rows}
        by_device = {row["key"]: row for row in self.ledger["devices"]}
        for entry, key in zip(entries, keys, strict=True):
            row = by_key.get(key) or self._identified(entry, key, rows, set(keys))
            if row is None:
                row = {"key": key, "kind": entry.kind, "first_seen": self._moment(entry.device)}
                rows.append(row)
                by_key[key] = row
                known = by_device[device_keys[entry.device.name]]["seen_kinds"]
                if entry.kind in known and entry.device.name not in self.replaced:
                    self._event("appeared", entry.device, entry.kind, entry.place[1], entry.serial)
            else:
                self._part_changes(row, entry)
            self._fill(row, entry, key)
        self._remove(devices, entries, set(keys))
        for device in devices:
            row = by_device[device_keys[device.name]]
            row["seen_kinds"] = sorted({*row["seen_kinds"], *device.groups})

    def _identified(self, entry: _Entry, key: str, rows: list[Document], taken: set[str]) -> Document | None:
        """A row without serial number at this place, when the serial number can be read for the first time."""
        if entry.serial is None:
            return None
        for row in rows:
            place = (row["device"], row["name"])
            if row["kind"] == entry.kind and place == entry.place and row["serial"] is None and row["key"] not in taken:
                row["key"] = key
                return row
        return None

    def _part_changes(self, row: Document, entry: _Entry) -> None:
        device, slot = entry.device, entry.place[1]
        serial = entry.serial or row["serial"]
        place, firmware = (row["device"], row["name"]), (entry.part.spec if entry.part else {}).get("firmware")
        change = {"from": " ".join(place), "to": " ".join(entry.place)}
        if place != entry.place:
            self._event("moved", device, entry.kind, slot, serial, **change)
        elif row["status"] != ACTIVE:
            self._event("returned", device, entry.kind, slot, serial)
        if row["firmware"] and firmware and row["firmware"] != firmware:
            change = {"from": row["firmware"], "to": firmware}
            self._event("firmware_changed", device, entry.kind, slot, serial, **change)

    def _fill(self, row: Document, entry: _Entry, key: str) -> None:
        assert entry.part is not None  # noqa: S101 - entries of parts are made with their part, just above
        spec = {**row.get("spec", {}), **entry.part.spec}
        row.update(
            device=entry.place[0],
            parent=None,
            name=entry.place[1],
            role=ROLES[entry.kind],
            manufacturer=spec.get("manufacturer"),
            part_id=spec.get("part_number"),
            serial=entry.serial or row.get("serial"),
            asset_tag=row.get("asset_tag"),
            discovered=True,
            status=ACTIVE,
            description=spec.get("model"),
            firmware=spec.get("firmware"),
            spec=spec,
            provenance=entry.device.provenance,
            last_seen=self._moment(entry.device),
            serial_shared=entry.serial is not None and key != f"{entry.kind}:{entry.serial}",
        )
        row["serial_missing"] = row["serial"] is None

    def _remove(self, devices: Sequence[Device], entries: Sequence[_Entry], seen: set[str]) -> None:
        by_name = {device.name: device for device in devices}
        taken = {(entry.kind, *entry.place) for entry in entries}
        for row in self.ledger["inventory_items"]:
            device = by_name.get(row["device"])
            group = device.groups.get(row["kind"]) if device else None
            if device is None or group is None or row["status"] != ACTIVE or row["key"] in seen:
                continue
            emptied = row["name"] in group.absent_slots or (row["kind"], row["device"], row["name"]) in taken
            if group.complete or emptied:
                row["status"] = GONE
                if device.name not in self.replaced:
                    self._event("removed", device, row["kind"], row["name"], row["serial"])

    def _moment(self, device: Device) -> Document:
        return {"run_id": self.run_id, "at": device.collected_at}

    def _event(self, event: str, device: Device, kind: str, slot: str, serial: str | None, **change: Any) -> None:
        row = {"event": event, "kind": kind, "device": device.name, "slot": slot or None, "serial": serial}
        self.ledger["events"].append({"run_id": self.run_id, "at": device.collected_at, **row, **change})


def _assign(
    entries: Sequence[_Entry], rows: Sequence[Document], place_of: Callable[[Document], tuple[str, str]]
) -> list[str]:
    """A key for each entry, all different.

    Of several entries with one serial number the one that stood in the ledger already keeps it, else the first; the
    others are told apart by their place. An entry without serial number is the row that stands at its place, unless
    that row's serial number is seen somewhere else.
    """
    by_key = {row["key"]: row for row in rows}
    at_place = {(row["kind"], *place_of(row)): row for row in rows if row["status"] == ACTIVE}
    holders: dict[str, list[_Entry]] = {}
    for entry in entries:
        if entry.serial is not None:
            holders.setdefault(f"{entry.kind}:{entry.serial}", []).append(entry)
    owner: dict[str, _Entry] = {}
    for key, claimants in holders.items():
        known = place_of(by_key[key]) if key in by_key else None
        owner[key] = next((entry for entry in claimants if entry.place == known), claimants[0])
    keys = []
    for entry in entries:
        place = "/".join(part for part in entry.place if part)
        if entry.serial is None:
            row = at_place.get((entry.kind, *entry.place))
            keys.append(row["key"] if row and row["key"] not in owner else f"{entry.kind}@{place}")
        else:
            key = f"{entry.kind}:{entry.serial}"
            keys.append(key if owner[key] is entry else f"{key}@{place}")
    return keys


def _position(fields: Document) -> str:
    """``R01 U8`` of a device; empty when the inventory does not say."""
    rack, position = fields.get("rack"), fields.get("position")
    return " ".join(part for part in (rack, f"U{position}" if position is not None else None) if part)
