"""Text to typed facts: the identity record, the console banner, and ``dmidecode -s`` answers."""

from __future__ import annotations

import json
from typing import Any

RECORD_SCHEMA = "npuforge.identity/1"
#: Answers that firmware gives when nobody filled the field in (seen in real Redfish and DMI captures).
PLACEHOLDERS = frozenset(
    [
        "",
        "none",
        "null",
        "not specified",
        "not applicable",
        "default string",
        "to be filled by o.e.m.",
        "system serial number",
        "0123456789",
        "unknown",
    ]
)


def parse_record(text: str | None) -> tuple[dict[str, Any] | None, str | None]:
    """``(record, problem)`` of the identity file; ``(None, None)`` when there is none.

    A damaged file is a problem in words and no record: the plan then writes it anew.
    """
    if text is None:
        return None, None
    try:
        record = json.loads(text)
    except ValueError as error:
        return None, f"not JSON: {error}"
    except RecursionError:
        return None, "not JSON: nested too deeply"
    if not isinstance(record, dict) or record.get("schema") != RECORD_SCHEMA:
        return None, f"not an identity record (schema {RECORD_SCHEMA!r} expected)"
    return record, None


def parse_dmi_string(text: str | None) -> str | None:
    """One answer of ``dmidecode -s KEYWORD``: comment lines are skipped, a placeholder is no answer (``None``)."""
    for line in (text or "").splitlines():
        if line.startswith("#"):
            continue
        value = line.strip()
        return None if value.lower() in PLACEHOLDERS else value
    return None
