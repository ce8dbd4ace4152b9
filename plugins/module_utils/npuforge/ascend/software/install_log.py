"""What an installer's output tells: progress, success, whether a reboot is asked for, chips, user.

Lines look like ``[Driver] [2025-12-24 14:54:19] [INFO]upgradePercentage:10%`` (driver 25.3.rc1; the firmware has a
blank before the number). Only whole sentences of success ask for a reboot or deny it: each log
also holds ``[WARNING]Do not power off or restart the system during the installation/upgrade``, which asks for nothing.
"""

from __future__ import annotations

import re
from typing import Any, Iterable

from ..texts import LONGEST_LINE
from .errors import plain

LIMIT = 4 << 20
_STAMPED = re.compile(
    r"^\s{0,4}\[([A-Za-z][A-Za-z0-9_-]{0,31})\] \[([0-9: -]{19})\] ?(?:\[([A-Z]{4,7})\]:? ?)?(.{0,1500})$"
)
_PERCENT = re.compile(r"upgradePercentage:\s{0,4}(\d{1,3})\s{0,2}%")
_SUCCESS = re.compile(
    r"^(?:\[INFO\])?"
    r"(?:(Driver|Firmware) package (?:install|upgrad)ed (?:successfully|finished)!|(\S{1,80}) install success)"
)
_NOW = re.compile(r"The new version takes effect immediately")
_REBOOT = re.compile(
    r"Reboot now or after driver installation for the installation/upgrade to take effect"
    r"|[Rr]eboot needed for installation/upgrade to take effect"
)
_CHIPS = re.compile(r"The firmware of \[(\d{1,3})\] chips are successfully upgraded")
_TYPE = re.compile(r"driver install type:\s{0,4}([A-Za-z]{2,20})")
_USER = re.compile(r"set username and usergroup,\s{0,4}([^\s,]{1,64}:[^\s,]{1,64})")
_FILE = re.compile(r"npu-(?:driver|firmware)_([0-9][0-9A-Za-z.-]{0,40}?)(?:_linux-[a-z0-9_-]{2,12}?)?\.run\b")


def parse(text: Any) -> dict[str, Any]:
    """``{component, version, success, reboot_required, percent, install_type, user, firmware_chips, started, ended}``.

    ``version``: of the file that was run, where the text names one. ``success``: a sentence of success stands there
    (a claim, no more). ``reboot_required``: True, False or None (the text does not tell).
    """
    found: dict[str, Any] = dict.fromkeys(
        (
            "component",
            "version",
            "install_type",
            "user",
            "firmware_chips",
            "percent",
            "started",
            "ended",
            "reboot_required",
        )
    )
    found["success"] = False
    words = text[-LIMIT:] if isinstance(text, str) else ""
    for row in rows(words):
        _take(found, row)
    return found


def rows(text: str) -> Iterable[str]:
    """Lines without colours; carriage returns of a progress bar end a line, too."""
    for row in re.split(r"[\r\n]", text):
        if row and len(row) <= LONGEST_LINE:
            yield plain(row).rstrip()


def _take(found: dict[str, Any], row: str) -> None:
    stamped = _STAMPED.match(row)
    message = stamped.group(4) if stamped else row.strip()
    if stamped:
        if stamped.group(1) in ("Driver", "Firmware"):
            found["component"] = stamped.group(1).lower()
        if message.startswith("Start time:"):
            found["started"] = stamped.group(2)
        elif message.startswith("End time:"):
            found["ended"] = stamped.group(2)
    percent = _PERCENT.search(message)
    if percent and int(percent.group(1)) <= 100:
        found["percent"] = max(found["percent"] or 0, int(percent.group(1)))
    for key, pattern in (("install_type", _TYPE), ("user", _USER), ("version", _FILE)):
        match = pattern.search(message)
        if match:
            found[key] = match.group(1)
    chips = _CHIPS.search(message)
    if chips:
        found["firmware_chips"] = int(chips.group(1))
    level = stamped.group(3) if stamped else None
    if level == "ERROR":
        return
    success = _SUCCESS.match(message)
    if success:
        found["success"] = True
        found["component"] = success.group(1).lower() if success.group(1) else found["component"]
    if _REBOOT.search(message):
        found["reboot_required"] = True
    elif success and _NOW.search(message) and found["reboot_required"] is None:
        found["reboot_required"] = False


def last_percent(text: str) -> int | None:
    """The newest percentage in a piece of output, for a progress line."""
    found = [int(number) for number in _PERCENT.findall(text[-20000:]) if int(number) <= 100]
    return found[-1] if found else None
