"""The I/O scheduler of each data disk: by class at run time, and for disks to come by one udev rule (udev(7)).

Kernel: block/switching-sched.rst. Virtual devices (loop, dm, md, zram, ram, nbd, rbd) have none of their own or pass
requests on to disks that do, so they are left alone.
"""

from __future__ import annotations

import re
from typing import Mapping, NamedTuple

from .context import Context
from .host import Host
from .memory import chosen
from .model import NOT_SET, Part, Setting, Step, file_steps, setting
from .tuned import profile_value

PATH = "/etc/udev/rules.d/99-zz-npuforge-io-scheduler.rules"
HEAD = "# Written by npuforge. Changes here are replaced by the next run.\n"
CLASSES = ("nvme", "sata_ssd", "hdd")
_FOLDERS = ("/etc/udev/rules.d", "/run/udev/rules.d", "/usr/local/lib/udev/rules.d", "/usr/lib/udev/rules.d")
_NVME = re.compile(r"^nvme\d+n\d+$")
_DISK = re.compile(r"^(?:sd|vd|xvd|hd)[a-z]+$")
# Names before Linux 5.0, where a disk may still be without multiqueue.
_LEGACY = {"none": "noop", "mq-deadline": "deadline"}
_KERNELS = {"nvme": ("nvme[0-9]*n[0-9]*",), "disk": ("sd[a-z]*", "vd[a-z]*", "xvd[a-z]*")}
_SETS = re.compile(r'ATTR\{queue/scheduler\}\s*=\s*"([^"]*)"')


class Disk(NamedTuple):
    """``offered``: schedulers by name; ``chosen``: None where the kernel shows none."""

    name: str
    kind: str
    chosen: str | None
    offered: tuple[str, ...]

    @property
    def path(self) -> str:
        return f"/sys/block/{self.name}/queue/scheduler"


def kind_of(name: str, rotational: str | None) -> str | None:
    """Class of a block device; None: it is no data disk, or what it is cannot be told."""
    if _NVME.match(name):
        return "nvme"
    if _DISK.match(name) and rotational in ("0", "1"):
        return "hdd" if rotational == "1" else "sata_ssd"
    return None


def disks(host: Host) -> list[Disk]:
    found = []
    for name in host.names("/sys/block"):
        kind = kind_of(name, host.value(f"/sys/block/{name}/queue/rotational"))
        if kind is not None:
            text = host.value(f"/sys/block/{name}/queue/scheduler")
            offered = tuple(word.strip("[]") for word in (text or "").split())
            found.append(Disk(name, kind, chosen(text), offered))
    return found


def spelled(wanted: str, disk: Disk) -> str:
    """The scheduler's name on this disk: old kernels call two of them otherwise."""
    old = _LEGACY.get(wanted)
    return old if old in disk.offered and wanted not in disk.offered and old is not None else wanted


def render(wanted: Mapping[str, str], found: list[Disk]) -> str:
    lines = [HEAD]
    for kind in CLASSES:
        if kind not in wanted:
            continue
        names = {spelled(wanted[kind], disk) for disk in found if disk.kind == kind}
        name = names.pop() if len(names) == 1 else wanted[kind]
        rotational = "" if kind == "nvme" else f'ATTR{{queue/rotational}}=="{int(kind == "hdd")}", '
        lines += [
            f'ACTION=="add|change", SUBSYSTEM=="block", ENV{{DEVTYPE}}=="disk", KERNEL=="{pattern}", '
            f'{rotational}ATTR{{queue/scheduler}}="{name}"\n'
            for pattern in _KERNELS["nvme" if kind == "nvme" else "disk"]
        ]
    return "".join(lines)


def part(context: Context) -> Part:
    given = context.wanted.get("io_scheduler")
    if given is None:
        return Part()
    host = context.host
    wanted = {kind: str(given[kind]) for kind in CLASSES if given.get(kind) is not None}
    if not wanted:
        return Part()
    found = disks(host)
    text = render(wanted, found)
    here = host.read(PATH)
    steps = file_steps("scheduler", f"write {PATH}", PATH, here, text)
    settings: list[Setting] = []
    notes = []
    if not found:
        notes.append({"where": "os.scheduler", "problem": "the machine shows no data disk"})
    later = _later_rule(host)
    elevator = profile_value(context, "disk", "elevator")
    for disk in (each for each in found if each.kind in wanted):
        name = spelled(wanted[disk.kind], disk)
        if disk.chosen is None:
            problem = f"{disk.name}: this kernel shows no scheduler of it"
            notes.append({"where": f"os.scheduler.{disk.name}", "problem": problem})
            continue
        boot, why = _boot(here, text, name, later, elevator)
        settings.append(setting(f"scheduler.{disk.name}", "scheduler", name, disk.chosen, boot, why=why))
        if disk.chosen != name:
            words = f"set the I/O scheduler of {disk.name} ({disk.kind}) from {disk.chosen} to {name}"
            steps.append(Step("scheduler", words, "kernel", value=name, paths=(disk.path,)))
    if not settings:
        same = here == text
        settings.append(
            setting("scheduler.rule", "scheduler", "written", None, "written" if same else NOT_SET, sides=("boot",))
        )
    return Part(tuple(settings), tuple(steps), tuple(notes))


def _boot(
    here: str | None, text: str, name: str, later: tuple[str, str] | None, elevator: tuple[str, str] | None
) -> tuple[str, dict[str, str]]:
    """What a disk has after boot: tuned comes after udev, and a rule that sorts after ours wins."""
    if elevator is not None and elevator[0] != name:
        return elevator[0], {"boot": elevator[1]}
    if later is not None and later[0] != name:
        return later[0], {"boot": f"{later[1]} comes after {PATH.rsplit('/', 1)[1]}"}
    if here == text:
        return name, {}
    return ("another rule", {"boot": PATH}) if here is not None else (NOT_SET, {})


def _later_rule(host: Host) -> tuple[str, str] | None:
    """(scheduler, file) of a rule read after ours that sets schedulers, too."""
    own = PATH.rsplit("/", 1)[1]
    found: dict[str, str] = {}
    for folder in _FOLDERS:
        for name in host.names(folder):
            if name.endswith(".rules") and name > own:
                found.setdefault(name, f"{folder}/{name}")
    for name in sorted(found, reverse=True):
        lines = [line for line in (host.read(found[name]) or "").splitlines() if not line.lstrip().startswith("#")]
        sets = [match.group(1) for line in lines for match in _SETS.finditer(line)]
        if sets:
            return sets[-1], found[name]
    return None
