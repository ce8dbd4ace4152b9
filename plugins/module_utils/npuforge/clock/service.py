"""chrony's service, and others that would set the clock, too: one ``systemctl show`` for all of them."""

from __future__ import annotations

import re
from typing import NamedTuple

from ..kernel.host import Answer, Host

UNITS = ("chronyd.service", "chrony.service")
RIVALS = ("ntpd.service", "ntp.service", "ntpsec.service", "openntpd.service", "systemd-timesyncd.service")
PROPERTIES = "Id,LoadState,ActiveState,UnitFileState,MainPID,ExecStart"
ARGV = ("systemctl", "show", f"--property={PROPERTIES}", *UNITS, *RIVALS)
CALL_SECONDS = 20.0
AT_BOOT = ("enabled", "enabled-runtime", "static", "alias", "indirect", "generated")
_CONF_OPTION = re.compile(r"(?:\A|[\s\0])-f[\s\0]?(/[^\s\0;]{1,250})")


class Service(NamedTuple):
    """``unit``: the name it really has. ``conf``: the file that it is told to read, None: its built-in one.
    ``active``: None, it cannot be seen. ``rivals``: other services for the clock that run now. ``problem``: why nothing
    can be done with it."""

    unit: str
    conf: str | None
    active: bool | None
    at_boot: bool
    rivals: tuple[str, ...]
    problem: str | None = None


def read(host: Host) -> tuple[Service, Answer]:
    """The service as systemd shows it, and its answer. Never raises."""
    answer = host.run(ARGV, CALL_SECONDS)
    blocks = _blocks(answer.text)
    rivals = tuple(unit for unit in RIVALS if blocks.get(unit, {}).get("ActiveState") in ("active", "activating"))
    found = next((blocks[unit] for unit in UNITS if blocks.get(unit, {}).get("LoadState") == "loaded"), None)
    if found is None:
        return Service(UNITS[0], None, False if blocks else None, False, rivals, _why(blocks, answer)), answer
    service = Service(
        unit=found["Id"],
        conf=_conf(host, found),
        active=found.get("ActiveState") in ("active", "reloading"),
        at_boot=found.get("UnitFileState") in AT_BOOT,
        rivals=rivals,
    )
    return service, answer


def _why(blocks: dict[str, dict[str, str]], answer: Answer) -> str:
    for unit in UNITS:
        state = blocks.get(unit, {}).get("LoadState")
        if state == "masked":
            return f"{unit} is masked: systemctl unmask {unit}"
        if state in ("error", "bad-setting"):
            return f"systemd cannot read {unit} ({state})"
    if blocks:
        return "chrony is not installed"
    said = answer.text.strip().splitlines()
    return "systemd does not answer: " + (said[0][:200] if said else f"systemctl ended with {answer.rc}")


def _blocks(text: str) -> dict[str, dict[str, str]]:
    """Properties by ``Id``; a block that was cut off before its ``Id`` belongs to nobody."""
    found: dict[str, dict[str, str]] = {}
    for part in re.split(r"\n\s*\n", text):
        block: dict[str, str] = {}
        for line in part.splitlines():
            key, sign, value = line.partition("=")
            if sign and key in PROPERTIES.split(","):
                block.setdefault(key, value)
        if block.get("Id") in (*UNITS, *RIVALS):
            found.setdefault(block["Id"], block)
    return found


def _conf(host: Host, block: dict[str, str]) -> str | None:
    """From the running process, whose options are no longer variables, else from the unit."""
    pid = block.get("MainPID", "0")
    running = host.read(f"/proc/{pid}/cmdline") if re.match(r"[1-9]\d{0,9}\Z", pid) else None
    for text in (running or "", block.get("ExecStart", "")):
        match = _CONF_OPTION.search(text)
        if match is not None:
            return match.group(1)
    return None
