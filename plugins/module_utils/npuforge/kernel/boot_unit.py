"""One small systemd unit that writes at boot what has no configuration file of its own.

A unit, not tmpfiles.d: that runs before the frequency drivers are there and before tuned, which sets the same files.
It runs after both, and before the container runtime and kubelet, which count the huge pages.
"""

from __future__ import annotations

import re

from . import governor, isolation, memory, topology
from .context import BOOT_UNIT, Context
from .host import Host
from .model import Part, Step, file_steps

PATH = f"/etc/systemd/system/{BOOT_UNIT}"
WANTS = f"/etc/systemd/system/multi-user.target.wants/{BOOT_UNIT}"
MARKER = "/run/npuforge/pending/daemon-reload"
_HEAD = """# Written by npuforge. Changes here are replaced by the next run.
[Unit]
Description=Kernel settings of npuforge that have no other place
After=systemd-modules-load.service systemd-udev-settle.service tuned.service irqbalance.service
Before=containerd.service docker.service kubelet.service

[Service]
Type=oneshot
RemainAfterExit=yes
"""
_TAIL = """
[Install]
WantedBy=multi-user.target
"""
_LINE = re.compile(r"^ExecStart=-/bin/sh -c 'for f in (\S+); do \{ echo (\S+) >\"\$\$f\"; \} 2>/dev/null; done'$")


def wanted_values(context: Context) -> dict[str, str]:
    """Kernel file (or pattern of files) -> value."""
    found = dict(memory.thp_files(context.wanted))
    if not context.host.is_folder(memory.THP_FOLDER):
        found = {}
    found.update((path, value) for path, value in memory.page_files(context.wanted).items() if value != "0")
    if context.wanted.get("governor") is not None:
        found[governor.PATTERN] = str(context.wanted["governor"])
    division = isolation.wanted_division(context)
    if division is not None and division.isolated and isolation.moves_irqs(context):
        found[isolation.DEFAULT_AFFINITY] = topology.format_mask(division.housekeeping)
        found["/proc/irq/[0-9]*/smp_affinity_list"] = topology.format_list(division.housekeeping)
    return found


def render(values: dict[str, str]) -> str:
    # Each line stands for itself ("-") and is silent: a kernel file that is missing and an interrupt that stays stop
    # nothing, and what did not take is told by the next look.
    lines = [
        f"ExecStart=-/bin/sh -c 'for f in {path}; do {{ echo {value} >\"$$f\"; }} 2>/dev/null; done'\n"
        for path, value in values.items()
    ]
    return _HEAD + "".join(lines) + _TAIL


def read(host: Host) -> dict[str, str]:
    """What the unit on the machine will write at boot; empty when it is not there, masked or not enabled."""
    if not host.exists(WANTS) or host.link(PATH) is not None:
        return {}
    found = {}
    for line in (host.read(PATH) or "").splitlines():
        match = _LINE.match(line)
        if match is not None:
            found[match.group(1)] = match.group(2)
    return found


def part(context: Context) -> Part:
    values = wanted_values(context)
    host = context.host
    here = host.read(PATH)
    if not values and (here is None or not host.exists(PATH)):
        return Part()
    steps = file_steps(
        "boot_unit", f"write {PATH}" if values else f"remove {PATH}", PATH, here, render(values) if values else None
    )
    steps = [step._replace(marker=MARKER) for step in steps]
    if values and host.link(WANTS) != PATH:
        steps.append(Step("boot_unit", f"enable {BOOT_UNIT}", "link", WANTS, PATH, marker=MARKER))
    if not values and host.exists(WANTS):
        steps.append(Step("boot_unit", f"disable {BOOT_UNIT}", "remove", WANTS, marker=MARKER))
    if steps or host.exists(MARKER):
        reload = ("systemctl", "daemon-reload")
        steps.append(Step("boot_unit", "let systemd read its units", "run", argv=reload, marker=MARKER, soft=True))
    return Part((), tuple(steps))
