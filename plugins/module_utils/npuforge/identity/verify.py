"""Reads back: did the files become what the steps said, and does the firmware agree with the record?"""

from __future__ import annotations

from typing import Any

from .apply import Files, Runner
from .parse import parse_dmi_string

#: dmidecode(8) keyword -> fact.
DMI_KEYWORDS = (
    ("system-manufacturer", "manufacturer"),
    ("system-product-name", "model"),
    ("system-serial-number", "serial"),
    ("bios-vendor", "bios_vendor"),
    ("bios-version", "bios_version"),
    ("bios-release-date", "bios_release_date"),
)


def mismatches(steps: list[dict[str, Any]], files: Files) -> list[str]:
    """Paths that do not read back as the steps wrote them."""
    return [step["path"] for step in steps if files.read(step["path"]) != step["after"]]


def firmware(runner: Runner) -> dict[str, Any]:
    """What the firmware says of the machine: ``{fact: value or None, ..., "notes": [{where, problem}]}``."""
    facts: dict[str, Any] = {}
    notes: list[dict[str, str]] = []
    for keyword, fact in DMI_KEYWORDS:
        argv = ["dmidecode", "-s", keyword]
        code, text = runner.run(argv)
        facts[fact] = parse_dmi_string(text) if code == 0 else None
        if facts[fact] is None:
            reason = {127: "dmidecode is not installed", 124: "dmidecode did not answer"}.get(
                code, "no usable answer" if code == 0 else f"exit code {code}"
            )
            notes.append({"where": " ".join(argv), "problem": reason})
    facts["notes"] = notes
    return facts


def same_serial(in_band: str | None, by_bmc: str | None) -> bool | None:
    """Is the BMC that we read the BMC of this node? None when one side does not say."""
    if not in_band or not by_bmc:
        return None
    return in_band.strip().lower() == by_bmc.strip().lower()
