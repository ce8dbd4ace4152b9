"""Small systemd units that write at boot what has no configuration file of its own.

A unit, not tmpfiles.d: that runs before the frequency drivers are there and before tuned, which sets the same files.
It runs after both, and before the container runtime and kubelet, which count the huge pages.

Interrupts have a service of their own with a timer: drivers of network ports choose CPUs anew each time a port comes
up (virtio_net, mlx5, hinic), whatever ``irqaffinity`` says, and where no irqbalance runs nobody else moves them back.
"""

from __future__ import annotations

import re
from typing import Mapping

from . import governor, isolation, memory, topology
from .context import BOOT_UNIT, Context
from .host import Host
from .model import Part, Step, file_steps

_FOLDER = "/etc/systemd/system"
PATH = f"{_FOLDER}/{BOOT_UNIT}"
WANTS = f"{_FOLDER}/multi-user.target.wants/{BOOT_UNIT}"
IRQ_PATH = f"{_FOLDER}/npuforge-interrupts.service"
TIMER = "npuforge-interrupts.timer"
TIMER_PATH = f"{_FOLDER}/{TIMER}"
TIMER_WANTS = f"{_FOLDER}/timers.target.wants/{TIMER}"
MARKER = "/run/npuforge/pending/daemon-reload"
_WRITTEN = "# Written by npuforge. Changes here are replaced by the next run.\n"
_HEAD = f"""{_WRITTEN}[Unit]
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
_IRQ_HEAD = f"""{_WRITTEN}[Unit]
Description=Keep interrupts off the isolated CPUs (npuforge)

[Service]
Type=oneshot
"""
_TIMER = f"""{_WRITTEN}[Unit]
Description=Keep interrupts off the isolated CPUs (npuforge)

[Timer]
OnBootSec=20s
OnUnitInactiveSec=10min
AccuracySec=5s

[Install]
WantedBy=timers.target
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
        found[isolation.IRQ_PATTERN] = topology.format_list(division.housekeeping)
    return found


def render(values: Mapping[str, str]) -> str:
    """The unit of all values but the interrupts'."""
    return _HEAD + _lines({path: value for path, value in values.items() if path != isolation.IRQ_PATTERN}) + _TAIL


def _lines(values: Mapping[str, str]) -> str:
    # Each line stands for itself ("-") and is silent: a kernel file that is missing and an interrupt that stays stop
    # nothing, and what did not take is told by the next look.
    return "".join(
        f"ExecStart=-/bin/sh -c 'for f in {path}; do {{ echo {value} >\"$$f\"; }} 2>/dev/null; done'\n"
        for path, value in values.items()
    )


def read(host: Host) -> dict[str, str]:
    """What the units on the machine will write at boot; nothing of one that is not there, masked or not enabled."""
    found = {}
    for path, enabled in ((PATH, WANTS), (IRQ_PATH, TIMER_WANTS)):
        masked = host.link(path) is not None or (path == IRQ_PATH and not host.read(TIMER_PATH))
        if masked or not host.exists(enabled):
            continue
        for line in (host.read(path) or "").splitlines():
            match = _LINE.match(line)
            if match is not None:
                found[match.group(1)] = match.group(2)
    return found


def part(context: Context) -> Part:
    values = wanted_values(context)
    host = context.host
    irqs = {path: value for path, value in values.items() if path == isolation.IRQ_PATTERN}
    texts = {
        PATH: render(values) if set(values) - set(irqs) else None,
        IRQ_PATH: _IRQ_HEAD + _lines(irqs) if irqs else None,
        TIMER_PATH: _TIMER if irqs else None,
    }
    steps: list[Step] = []
    for path, text in texts.items():
        steps += file_steps("boot_unit", f"{'write' if text else 'remove'} {path}", path, host.read(path), text)
    for link, path in ((WANTS, PATH), (TIMER_WANTS, TIMER_PATH)):
        name = path.rsplit("/", 1)[1]
        if texts[path] is not None and host.link(link) != path:
            steps.append(Step("boot_unit", f"enable {name}", "link", link, path))
        if texts[path] is None and host.exists(link):
            steps.append(Step("boot_unit", f"disable {name}", "remove", link))
    steps = [step._replace(marker=MARKER) for step in steps]
    if steps or host.exists(MARKER):
        reload = ("systemctl", "daemon-reload")
        steps.append(Step("boot_unit", "let systemd read its units", "run", argv=reload, marker=MARKER, soft=True))
    return Part((), tuple(steps))
