"""What every subject needs to know of the machine before it can compare: wanted values, kernel, command lines."""

from __future__ import annotations

import re
from typing import Any, Mapping, NamedTuple

from . import cmdline
from .host import Host
from .topology import Topology

BOOT_UNIT = "npuforge-kernel-settings.service"


class Context(NamedTuple):
    """``running``: words of /proc/cmdline, ``booting``: words of the entry that boots next; None: cannot be seen.

    ``unit``: kernel file -> value that our unit writes at boot (empty when it is not there or not enabled).
    ``services``: unit -> (active state, state of its file), None where systemd cannot be asked.
    ``machine``: its CPUs; None: cannot be seen. ``refused``: names of interrupts that this kernel does not move.
    """

    host: Host
    wanted: Mapping[str, Any]
    architecture: str
    release: str
    running: list[str] | None
    booting: list[str] | None
    boot_problem: str | None
    machine: Topology | None
    unit: Mapping[str, str]
    services: Mapping[str, tuple[str, str]] | None
    refused: frozenset[str]

    @property
    def kernel(self) -> tuple[int, int]:
        """Version of the running kernel, (0, 0) when it cannot be told."""
        match = re.match(r"^(\d{1,3})\.(\d{1,3})", self.release)
        return (int(match.group(1)), int(match.group(2))) if match else (0, 0)

    def active(self, service: str) -> bool:
        return (self.services or {}).get(service, ("", ""))[0] in ("active", "activating", "reloading")

    def enabled(self, service: str) -> bool:
        return (self.services or {}).get(service, ("", ""))[1] in ("enabled", "enabled-runtime")


def command_line(host: Host) -> list[str] | None:
    text = host.read("/proc/cmdline")
    return None if text is None else cmdline.split(text)
