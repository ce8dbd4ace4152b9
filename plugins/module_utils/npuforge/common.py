"""Small things that several parts share: time stamps, tolerant readers of foreign JSON, the observation envelope.

A device's JSON may hold anything anywhere. The ``as_*`` readers never raise: what has not the asked shape is ``None``
(or empty), so that callers say "could not be seen" and never stumble.
"""

from __future__ import annotations

import math
import re
from datetime import datetime, timezone
from typing import Any, Dict

Document = Dict[str, Any]

VERSION = "0.1.0"
OBSERVATION_SCHEMA = "npuforge.observation/1"

# What firmware prints where nobody filled in a value (Supermicro, HPE, AMI and Dell trees).
_PLACEHOLDERS = frozenset(
    (
        "n/a",
        "na",
        "nil",
        "none",
        "null",
        "unknown",
        "unspecified",
        "undefined",
        "default string",
        "not available",
        "not specified",
        "not present",
        "to be filled by o.e.m.",
        "to be filled by oem",
        "system serial number",
        "system product name",
    )
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NUMBER = re.compile(r"^[+-]?\d{1,15}(\.\d{1,15})?$")


def as_text(value: Any) -> str | None:
    """The text without control characters and outer blanks; ``None`` for blanks, placeholders and other types."""
    if not isinstance(value, str):
        return None
    text = _CONTROL.sub(" ", value).strip()
    if not text or text.lower() in _PLACEHOLDERS:
        return None
    return text


def as_number(value: Any) -> float | None:
    """A finite number, or a string that is nothing but one; booleans and everything else are ``None``."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and _NUMBER.match(value.strip()):
        value = float(value)
    if isinstance(value, (int, float)):
        try:
            number = float(value)
        except OverflowError:
            return None
        if math.isfinite(number):
            return int(number) if number == int(number) else number
    return None


def as_integer(value: Any) -> int | None:
    """A number rounded to a whole one, or ``None``."""
    number = as_number(value)
    return None if number is None else round(number)


def as_dict(value: Any) -> Document:
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def utc_now() -> str:
    """``2026-11-24T06:04:05Z``."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(value: Any) -> datetime | None:
    """An ISO 8601 time with its offset, in UTC; without an offset it is no moment: ``None``."""
    text = as_text(value)
    if text is None:
        return None
    match = re.match(r"^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.\d+)?\s*(Z|[+-]\d\d:?\d\d)$", text, re.IGNORECASE)
    if match is None:
        return None
    offset = "+0000" if match.group(3).upper() == "Z" else match.group(3).replace(":", "")
    try:
        moment = datetime.strptime(f"{match.group(1)}T{match.group(2)}{offset}", "%Y-%m-%dT%H:%M:%S%z")
        return moment.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None


def note(where: str, problem: str) -> dict[str, str]:
    """One entry of ``facts.notes``: why something could not be seen, in English."""
    return {"where": where, "problem": problem}


def observation(kind: str, subject: str, collector: str, facts: Document, simulated: bool) -> Document:
    """The envelope of docs/seams.md section 5, without ``raw`` (the controller adds files and hashes)."""
    return {
        "schema": OBSERVATION_SCHEMA,
        "subject": {"kind": kind, "id": subject},
        "collected_at": utc_now(),
        "collector": collector,
        "tool": {"name": "npuforge", "version": VERSION},
        "provenance": "simulated" if simulated else "hardware",
        "facts": facts,
    }
