"""The asset ledger as tables: devices, parts summarised by kind and model, serial numbers, history and outliers.

The ledger is written by another part of the toolkit with NetBox's field names and keyed by serial number; older files
and hand-made ones list devices with their parts nested. All of these are read; nothing in them is guessed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .i18n import Words
from .text import NOTHING, as_dict, as_text, dicts, in_language, natural, shorten, show

DEVICE_KINDS = ("server", "node", "switch", "device")
KIND_ORDER = ("cpu", "npu", "memory", "drive", "psu", "fan", "nic", "board", "bmc")
_KIND_NAMES = {"processor": "cpu", "dimm": "memory", "disk": "drive", "ssd": "drive", "power_supply": "psu"}
# Long enough for 32 DIMMs; a chassis with more parts of one model continues in the next row.
SERIALS_PER_ROW = 16


@dataclass(frozen=True)
class Part:
    device: str
    kind: str
    slot: str
    manufacturer: str
    model: str
    part_number: str
    serial: str
    firmware: str
    asset_tag: str = ""


@dataclass
class Assets:
    """Table rows, ready to print: every cell is text."""

    present: bool = False
    devices: list[tuple[str, ...]] = field(default_factory=list)
    parts: list[tuple[str, ...]] = field(default_factory=list)
    serials: list[tuple[str, ...]] = field(default_factory=list)
    events: list[tuple[str, ...]] = field(default_factory=list)
    outliers: list[tuple[str, ...]] = field(default_factory=list)


def read(ledger: dict[str, Any] | None, words: Words) -> Assets:
    """Rows of the ledger chapter. ``None`` (no ledger file) gives ``present=False`` and no rows."""
    if ledger is None:
        return Assets()
    entries = [part for part in _entries(ledger) if part.kind or part.serial or part.model]
    devices = [part for part in entries if part.kind in DEVICE_KINDS]
    parts = [part for part in entries if part.kind not in DEVICE_KINDS]
    parts.sort(key=lambda part: (natural(part.device), _rank(part.kind), natural(part.slot)))
    assets = Assets(present=True)
    assets.devices = [
        (
            part.device or part.slot or NOTHING,
            words.word("kind", part.kind),
            part.manufacturer,
            part.model,
            part.serial,
            part.part_number,
            part.asset_tag,
            part.firmware,
        )
        for part in sorted(devices, key=lambda part: (part.kind == "switch", natural(part.device)))
    ]
    assets.parts = _summary(parts, words)
    assets.serials = _serials(parts, words)
    assets.events = [_event(event, words) for event in _lists(ledger, "history", "events", "changes")]
    assets.outliers = [_outlier(outlier, words) for outlier in _lists(ledger, "outliers", "differences")]
    return assets


def _rank(kind: str) -> tuple[int, str]:
    return (KIND_ORDER.index(kind) if kind in KIND_ORDER else len(KIND_ORDER), kind)


def _lists(ledger: dict[str, Any], *names: str) -> Iterator[dict[str, Any]]:
    for name in names:
        value = ledger.get(name)
        if isinstance(value, dict):
            for key, items in value.items():
                for item in dicts(items) or ([items] if isinstance(items, dict) else []):
                    yield {"serial": key, **item}
        else:
            yield from dicts(value)


def _entries(ledger: dict[str, Any]) -> Iterator[Part]:
    for name in ("assets", "entries", "items", "devices", "parts", "inventory_items"):
        value = ledger.get(name)
        if isinstance(value, dict):  # keyed by serial number
            value = [{"serial": key, **item} for key, item in value.items() if isinstance(item, dict)]
        for item in dicts(value):
            part = _part(item, "device" if name == "devices" else "")
            yield part
            for nested_name in ("parts", "inventory_items", "components"):
                nested = item.get(nested_name)
                if isinstance(nested, dict):  # {kind: [part, ...]}
                    nested = [{"kind": kind, **entry} for kind, list_ in nested.items() for entry in dicts(list_)]
                for entry in dicts(nested):
                    yield _part({"device": part.device or part.serial, **entry}, "")


def _text(item: dict[str, Any], *names: str) -> str:
    """The first of some fields that holds text; NetBox's nested ``{name: ...}`` objects give their name."""
    for name in names:
        value = item.get(name)
        if isinstance(value, dict):
            value = value.get("name") or value.get("model") or value.get("slug") or value.get("id")
        if text := as_text(value).strip():
            return shorten(text, 120)
    return ""


def _part(item: dict[str, Any], default_kind: str) -> Part:
    custom = as_dict(item.get("custom_fields"))
    kind = _text(item, "kind", "role").lower() or _text(custom, "kind").lower() or default_kind
    kind = _KIND_NAMES.get(kind, kind)
    is_device = kind in DEVICE_KINDS
    return Part(
        device=_text(item, "name", "device", "host", "subject", "id")
        if is_device
        else _text(item, "device", "host", "parent"),
        kind="server" if kind in ("node", "device") else kind,
        slot="" if is_device else _text(item, "slot", "name", "label", "position"),
        manufacturer=_text(item, "manufacturer"),
        model=_text(item, "model", "device_type", "description"),
        part_number=_text(item, "part_number", "part_id"),
        serial=_text(item, "serial"),
        firmware=_text(item, "firmware", "firmware_version", "version") or _text(custom, "firmware", "version"),
        asset_tag=_text(item, "asset_tag"),
    )


def _summary(parts: list[Part], words: Words) -> list[tuple[str, ...]]:
    """``(kind, manufacturer, model, part number, firmware, count, devices)`` per model."""
    groups: dict[tuple[str, ...], list[Part]] = {}
    for part in parts:
        groups.setdefault((part.kind, part.manufacturer, part.model, part.part_number), []).append(part)
    rows: list[tuple[str, ...]] = []
    for (kind, manufacturer, model, number), members in sorted(
        groups.items(), key=lambda item: (_rank(item[0][0]), item[0])
    ):
        firmware = sorted({part.firmware for part in members if part.firmware}, key=natural)
        devices = sorted({part.device for part in members if part.device}, key=natural)
        rows.append(
            (
                words.word("kind", kind),
                manufacturer,
                model,
                number,
                shorten(", ".join(firmware), 60),
                str(len(members)),
                _names(devices, words),
            )
        )
    return rows


def _names(names: list[str], words: Words, most: int = 6) -> str:
    shown = words("and").join(names[:most])
    return shown if len(names) <= most else f"{shown} {words.say('more', count=len(names))}"


def _serials(parts: list[Part], words: Words) -> list[tuple[str, ...]]:
    """``(device, kind, model, "slot serial" list)``; equal parts of one device share a row: hundreds stay readable."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for part in parts:
        if part.serial or part.slot:
            entry = f"{part.slot}\u00a0{part.serial or NOTHING}".strip()
            groups.setdefault((part.device, part.kind, part.model), []).append(entry)
    rows: list[tuple[str, ...]] = []
    for (device, kind, model), entries in groups.items():
        for start in range(0, len(entries), SERIALS_PER_ROW):
            rows.append((device, words.word("kind", kind), model, "; ".join(entries[start : start + SERIALS_PER_ROW])))
    return rows


def _event(event: dict[str, Any], words: Words) -> tuple[str, ...]:
    known = ("time", "at", "seen_at", "device", "slot", "kind", "event", "change", "action", "serial")
    rest = {key: value for key, value in event.items() if key not in known and value is not None}
    where = " ".join(filter(None, (_text(event, "device"), _text(event, "slot"))))
    what = in_language(event.get("event") or event.get("change") or event.get("action"), words.language)
    return (
        _text(event, "time", "at", "seen_at"),
        where or NOTHING,
        _text(event, "serial"),
        shorten("; ".join(filter(None, (what, show(rest) if rest else ""))), 300),
    )


def _outlier(outlier: dict[str, Any], words: Words) -> tuple[str, ...]:
    subject = outlier.get("subject") or outlier.get("device") or outlier.get("node") or outlier.get("name")
    if isinstance(subject, dict):
        subject = subject.get("id")
    attribute = outlier.get("attribute") or outlier.get("field") or outlier.get("slot") or outlier.get("kind")
    found = next((outlier[key] for key in ("found", "observed", "value") if key in outlier), None)
    usual = next((outlier[key] for key in ("usual", "expected", "majority", "others") if key in outlier), None)
    note = next((outlier[key] for key in ("note", "message", "reason", "difference", "text") if outlier.get(key)), None)
    return (
        show(subject),
        shorten(in_language(attribute, words.language) or NOTHING, 120),
        show(found, limit=200),
        show(usual, limit=200),
        shorten(in_language(note, words.language), 300),
    )
