"""Facts and wish to steps: pure, so that check mode shows exactly what the real run does."""

from __future__ import annotations

import json
from typing import Any

from .parse import RECORD_SCHEMA

RECORD_PATH = "/etc/npuforge/identity.json"
BANNER_PATH = "/etc/issue.d/npuforge.issue"
FIELDS = ("name", "site", "rack", "rack_position", "asset_serial", "bmc_address")


def render_record(wanted: dict[str, Any]) -> str:
    """The identity file for ``wanted`` (keys: FIELDS; a value may be None)."""
    record: dict[str, Any] = {"schema": RECORD_SCHEMA}
    record.update((field, wanted.get(field)) for field in FIELDS)
    return json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def render_banner(wanted: dict[str, Any]) -> str:
    """What the console shows before login, so that a technician in the aisle knows the machine."""
    place = " ".join(
        str(part)
        for part in (
            wanted.get("rack"),
            "U{}".format(wanted["rack_position"]) if wanted.get("rack_position") is not None else None,
        )
        if part
    )
    lines = ["{}  {}".format(wanted.get("site"), wanted.get("name"))]
    if place:
        lines.append(f"Rack {place}")
    if wanted.get("asset_serial"):
        lines.append("Serial {}".format(wanted["asset_serial"]))
    if wanted.get("bmc_address"):
        lines.append("BMC {}".format(wanted["bmc_address"]))
    return "".join(escape_issue(line) + "\n" for line in lines)


def escape_issue(text: str) -> str:
    """agetty(8) expands backslashes in issue files; control characters would reach the console."""
    return "".join(c for c in text if c.isprintable()).replace("\\", "\\\\")


def plan(present: dict[str, str | None], wanted: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Steps from the files that are there to the ones that should be.

    ``present`` maps each managed path to its text (None: absent); ``wanted`` None means that the node shall have no
    record. A step is ``{"path", "before", "after"}``; ``after`` None removes the file.
    """
    target: dict[str, str | None] = {RECORD_PATH: None, BANNER_PATH: None}
    if wanted is not None:
        target = {RECORD_PATH: render_record(wanted), BANNER_PATH: render_banner(wanted)}
    return [
        {"path": path, "before": present.get(path), "after": target[path]}
        for path in sorted(target)
        if present.get(path) != target[path]
    ]
