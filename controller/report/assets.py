"""The asset ledger as tables: devices, parts summarised by kind and model, serial numbers, history and outliers.

The ledger (``controller.ledger``, contract/schema/ledger.schema.json) uses NetBox's field names. Rows whose status is
not ``active`` describe what is no longer in place: they are counted nowhere, and the history tells of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .i18n import Words
from .text import NOTHING, as_dict, as_text, dicts, in_language, natural, shorten, show

KIND_ORDER = ("cpu", "npu", "memory", "drive", "psu", "fan", "nic")
ACTIVE = "active"
# Long enough for half the DIMMs of a server; more parts of one model go on in the next row.
SERIALS_PER_ROW = 16
MOST_EVENTS = 200
MOST_NAMES = 6


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
    devices, parts = active_rows(ledger)
    parts.sort(key=lambda part: (natural(_text(part, "device")), _rank(part), natural(_text(part, "name"))))
    events = sorted(dicts(ledger.get("events")), key=lambda event: as_text(event.get("at")), reverse=True)
    return Assets(
        present=True,
        devices=[_device(device, words) for device in devices],
        parts=_summary(parts, words),
        serials=_serials(parts, words),
        events=[_event(event, words) for event in events[:MOST_EVENTS]],
        outliers=[_outlier(outlier, words) for outlier in dicts(ledger.get("outliers"))],
    )


def active_rows(ledger: dict[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """``(devices, parts)`` that are in place; a row without a status counts as in place."""
    devices, parts = (
        [row for row in dicts(ledger.get(name)) if row.get("status", ACTIVE) == ACTIVE]
        for name in ("devices", "inventory_items")
    )
    return devices, parts


def _text(row: dict[str, Any], name: str, limit: int = 120) -> str:
    return shorten(as_text(row.get(name)).strip(), limit)


def _rank(part: dict[str, Any]) -> tuple[int, str]:
    kind = _text(part, "kind")
    return (KIND_ORDER.index(kind) if kind in KIND_ORDER else len(KIND_ORDER), kind)


def _serial(row: dict[str, Any], words: Words) -> str:
    serial = _text(row, "serial") or NOTHING
    return f"{serial} {words('assets.shared')}" if row.get("serial_shared") is True else serial


def _device(row: dict[str, Any], words: Words) -> tuple[str, ...]:
    position = as_text(row.get("position"))
    place = " ".join(filter(None, (_text(row, "location"), _text(row, "rack"), position and f"U{position}")))
    return (
        _text(row, "name") or NOTHING,
        words.word("kind", _text(row, "kind")),
        _text(row, "manufacturer"),
        _text(row, "device_type"),
        _serial(row, words),
        _text(row, "part_number"),
        _text(row, "asset_tag"),
        _text(row, "firmware"),
        place,
    )


def _summary(parts: list[dict[str, Any]], words: Words) -> list[tuple[str, ...]]:
    """``(kind, manufacturer, model, part number, firmware, count, devices)`` per model."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for part in parts:
        key = (_text(part, "manufacturer"), _text(part, "description"), _text(part, "part_id"))
        groups.setdefault((_text(part, "kind"), *key), []).append(part)
    rows: list[tuple[str, ...]] = []
    for (kind, *model), members in sorted(groups.items(), key=lambda item: (_rank(item[1][0]), item[0])):
        firmware = _distinct(_text(part, "firmware") for part in members)
        devices = _distinct(_text(part, "device") for part in members)
        shown = shorten(", ".join(firmware), 60)
        rows.append((words.word("kind", kind), *model, shown, str(len(members)), _names(devices, words)))
    return rows


def _distinct(values: Iterable[str]) -> list[str]:
    return sorted({value for value in values if value}, key=natural)


def _names(names: list[str], words: Words) -> str:
    shown = words("and").join(names[:MOST_NAMES])
    return shown if len(names) <= MOST_NAMES else f"{shown} {words.say('more', count=len(names))}"


def _serials(parts: list[dict[str, Any]], words: Words) -> list[tuple[str, ...]]:
    """``(device, kind, model, "slot serial" list)``; equal parts of one device share a row: hundreds stay readable."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for part in parts:
        entry = f"{_text(part, 'name')}\u00a0{_serial(part, words)}".strip()
        key = (_text(part, "device"), _text(part, "kind"), _text(part, "description"))
        groups.setdefault(key, []).append(entry)
    rows: list[tuple[str, ...]] = []
    for (device, kind, model), entries in groups.items():
        for start in range(0, len(entries), SERIALS_PER_ROW):
            rows.append((device, words.word("kind", kind), model, "; ".join(entries[start : start + SERIALS_PER_ROW])))
    return rows


def _event(event: dict[str, Any], words: Words) -> tuple[str, ...]:
    what = words.word("event", _text(event, "event"))
    if event.get("from") is not None or event.get("to") is not None:
        what = f"{what}: {show(event.get('from'))} → {show(event.get('to'))}"
    where = " ".join(filter(None, (_text(event, "device"), _text(event, "slot"))))
    return (
        _text(event, "at"),
        where or NOTHING,
        words.word("kind", _text(event, "kind")),
        _text(event, "serial"),
        shorten(what, 300),
    )


def _outlier(outlier: dict[str, Any], words: Words) -> tuple[str, ...]:
    kind, slot = words.word("kind", _text(outlier, "kind")), _text(outlier, "slot")
    votes, voters = outlier.get("votes"), outlier.get("voters")
    usual = show(outlier.get("majority"), limit=200)
    if isinstance(votes, int) and isinstance(voters, int) and outlier.get("majority") is not None:
        usual = f"{usual} ({votes}/{voters})"
    return (
        _text(outlier, "device") or NOTHING,
        " ".join(filter(None, (kind, slot, words.word("field", _text(outlier, "field"))))),
        show(outlier.get("observed"), limit=200),
        usual,
        shorten(in_language(as_dict(outlier.get("text")) or outlier.get("text"), words.language), 300),
    )
