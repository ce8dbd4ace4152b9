"""What the machine is: distribution, kernel, architecture, boot, services. And the context that every subject needs."""

from __future__ import annotations

import os
import re
import time
from typing import Any, Mapping

from . import boot_unit, isolation, topology
from .boot_loader import Loader
from .context import Context, command_line
from .host import Host
from .security import FIREWALLS
from .tuned import SERVICE as TUNED

_SERVICES = (*FIREWALLS, TUNED, "irqbalance.service")
# A boot that hangs in some service is looked at all the same.
_BOOT_SECONDS = 60.0
_TIMER_SECONDS = 40.0  # the timer goes off 20 s after the kernel started
BOOT_ID = "/proc/sys/kernel/random/boot_id"


def distribution(host: Host) -> dict[str, str | None]:
    """``{id, version, name}`` by os-release(5); None where it does not say."""
    text = host.read("/etc/os-release") or host.read("/usr/lib/os-release") or ""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, sign, value = line.strip().partition("=")
        if sign and not name.startswith("#"):
            found[name] = re.sub(r"\\(.)", r"\1", value.strip().strip("\"'"))
    return {
        "id": found.get("ID") or None,
        "version": found.get("VERSION_ID") or None,
        "name": found.get("PRETTY_NAME") or found.get("NAME") or None,
    }


def architecture(host: Host) -> str:
    answer = host.run(["uname", "-m"], 10)
    if answer.rc == 0 and answer.text.strip():
        return answer.text.strip()
    return host.value("/proc/sys/kernel/arch") or (os.uname().machine if host.root == "/" else "")


def services(host: Host) -> dict[str, tuple[str, str]] | None:
    """Unit -> (active state, state of the unit file, empty when it is not installed); None: systemd does not answer."""
    if host.program("systemctl") is None:
        return None
    answer = host.run(["systemctl", "show", "--property=Id,ActiveState,UnitFileState,LoadState", *_SERVICES], 30)
    found = {}
    for block in re.split(r"\n\s*\n", answer.text):
        row = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if "Id" in row:
            state = "" if row.get("LoadState") == "not-found" else row.get("UnitFileState", "")
            found[row["Id"]] = (row.get("ActiveState", ""), state)
    return found if answer.rc == 0 and found else None


def settle(host: Host) -> None:
    """Wait until a machine that boots has started everything: our unit may not have run yet. Reads only."""
    if host.program("systemctl") is None:
        return
    host.run(["systemctl", "is-system-running", "--wait"], _BOOT_SECONDS)
    if not host.exists(boot_unit.TIMER_WANTS):
        return
    ask = ["systemctl", "show", "--property=ActiveState,LastTriggerUSec", boot_unit.TIMER]
    deadline = time.monotonic() + _TIMER_SECONDS
    # An active timer that never went off yet: network drivers may have taken interrupts that it moves back.
    while time.monotonic() < deadline:
        said = host.run(ask, 10).text
        if "ActiveState=active" not in said or not re.search(r"^LastTriggerUSec=(n/a|0)?$", said, re.MULTILINE):
            return
        time.sleep(1.0)


def context(host: Host, wanted: Mapping[str, Any], loader: Loader) -> Context:
    default = loader.default
    return Context(
        host=host,
        wanted=wanted,
        architecture=architecture(host),
        release=host.value("/proc/sys/kernel/osrelease") or "",
        running=command_line(host),
        booting=None if default is None else default.words,
        boot_problem=loader.problem,
        machine=topology.read(host),
        unit=boot_unit.read(host),
        services=services(host),
        refused=isolation.refused(host),
    )
