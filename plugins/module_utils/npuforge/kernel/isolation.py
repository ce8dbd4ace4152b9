"""Which CPUs are isolated for the NPUs' work: derived from the machine's own NUMA topology, as words and as IRQs.

Kernel: admin-guide/kernel-parameters.rst (isolcpus, nohz_full, rcu_nocbs, irqaffinity), core-api/irq/irq-affinity.rst.
The first cores of every NUMA node keep house: the operating system, kubelet and the interrupts of the NPUs stay near
each NPU. Siblings of one core are never parted, and CPU 0, which keeps the time, is always among them.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from . import topology
from .cmdline import Word, value_in
from .context import Context
from .host import Host
from .model import NOT_SET, Part, Setting, Step, setting

WORDS = ("isolcpus", "nohz_full", "rcu_nocbs", "irqaffinity")
DEFAULT_AFFINITY = "/proc/irq/default_smp_affinity"
IRQ_PATTERN = "/proc/irq/[0-9]*/smp_affinity_list"
# Kept over restarts: what a kernel manages itself it does not hand out after the next one either.
REFUSED = "/var/lib/npuforge/interrupts-that-stay.json"
_IRQ_FILES = frozenset(
    (
        "affinity_hint",
        "effective_affinity",
        "effective_affinity_list",
        "node",
        "smp_affinity",
        "smp_affinity_list",
        "spurious",
    )
)
_MANAGED_IRQ_SINCE = (5, 6)  # an older kernel does not know the flag and then ignores the whole parameter
_SEEN = {"isolcpus": "isolated", "nohz_full": "nohz_full"}


class Division(NamedTuple):
    """``problem``: why there is none. Lists of CPU numbers, sorted."""

    housekeeping: list[int]
    isolated: list[int]
    problem: str | None = None


def divide(machine: topology.Topology, cores_per_node: int) -> Division:
    """The first ``cores_per_node`` cores of every NUMA node with CPUs are housekeeping, the rest isolated."""
    short = [node for node in machine.nodes if len(node.cores) <= cores_per_node]
    if short:
        told = ", ".join(f"node {node.number} has {len(node.cores)}" for node in short)
        return Division(
            [],
            [],
            f"isolation: {cores_per_node} housekeeping cores of every NUMA node leave none to isolate: {told} cores",
        )
    keep = sorted(cpu for node in machine.nodes for core in node.cores[:cores_per_node] for cpu in core)
    isolated = sorted(cpu for node in machine.nodes for core in node.cores[cores_per_node:] for cpu in core)
    if isolated and isolated[0] < keep[0]:
        return Division([], [], f"isolation: CPU {isolated[0]} boots the machine and cannot be isolated")
    return Division(keep, isolated)


def wanted_division(context: Context) -> Division | None:
    """What the baseline wants of this machine; None: it says nothing, or the topology cannot be seen."""
    asked = context.wanted.get("isolation") or {}
    if asked.get("enabled") is None:
        return None
    machine = context.machine
    if machine is None:
        return None
    if not asked["enabled"]:
        return Division([cpu for node in machine.nodes for cpu in node.cpus], [])
    return divide(machine, int(asked.get("housekeeping_cores_per_numa_node") or 1))


def words(context: Context) -> list[Word]:
    division = wanted_division(context)
    if division is None or division.problem is not None:
        return []
    if not division.isolated:
        return [Word(name, False, "isolation") for name in WORDS]
    cpus = topology.format_list(division.isolated)
    flags = "managed_irq,domain," if context.kernel >= _MANAGED_IRQ_SINCE else ""
    keep = topology.format_list(division.housekeeping)
    values = (f"{flags}{cpus}", cpus, cpus, keep if moves_irqs(context) else None)
    return [Word(name, value, "isolation") for name, value in zip(WORDS, values) if value is not None]


def moves_irqs(context: Context) -> bool:
    asked = context.wanted.get("isolation") or {}
    return bool(asked.get("enabled")) and asked.get("npu_irqs") == "housekeeping"


def part(context: Context) -> Part:
    asked = context.wanted.get("isolation") or {}
    if asked.get("enabled") is None:
        return Part()
    division = wanted_division(context)
    if division is None:
        problem = "the CPUs and their NUMA nodes cannot be seen in sysfs"
        unseen = Setting("isolation.cpus", "isolation", None, None, "derived from the topology", (), (), problem)
        return Part((unseen,), (), ({"where": "os.isolation", "problem": problem},))
    if division.problem is not None:
        return Part(problems=(division.problem,))
    settings = [_word(context, word, division) for word in words(context)]
    found = Part(tuple(settings))
    return _interrupts(context, division, found) if moves_irqs(context) else found


def _word(context: Context, word: Word, division: Division) -> Setting:
    """One parameter: what the kernel shows to be in force where it shows it, else its command line."""
    boot = None if context.booting is None else value_in(context.booting, word.name)
    running = None if context.running is None else value_in(context.running, word.name)
    why, equal = {}, {}
    name = _SEEN.get(word.name)
    if name is not None and running is not None:
        text = context.host.value(f"/sys/devices/system/cpu/{name}")
        cpus = topology.parse_list(text)
        wanted = [] if word.value is False else division.isolated
        equal["runtime"] = cpus == wanted
        if cpus is None:
            # A kernel that does not show the file does not know the parameter either.
            equal["runtime"] = not wanted
            why["runtime"] = f"this kernel does not show /sys/devices/system/cpu/{name}"
        elif cpus != wanted:
            shown = topology.format_list(cpus) or "no CPU"
            why["runtime"] = f"the kernel has {shown} in force"
    unseen = context.boot_problem if boot is None else "the kernel's command line cannot be read"
    return setting(
        f"isolation.{word.name}",
        "isolation",
        word.shown,
        running,
        boot,
        equal=equal,
        why=why,
        unseen=f"isolation.{word.name}: {unseen}",
    )


def live(context: Context, division: Division) -> bool:
    """Whether the running kernel keeps these CPUs isolated already."""
    return topology.parse_list(context.host.value("/sys/devices/system/cpu/isolated")) == division.isolated


def _interrupts(context: Context, division: Division, found: Part) -> Part:
    settings, steps, notes = list(found.settings), [], list(found.notes)
    host = context.host
    keep = topology.format_list(division.housekeeping)
    isolated = set(division.isolated)
    boot = context.unit.get(DEFAULT_AFFINITY, NOT_SET)
    mask = topology.format_mask(division.housekeeping)
    is_ = topology.parse_mask(host.value(DEFAULT_AFFINITY))
    shown = None if is_ is None else topology.format_list(is_)
    settings.append(
        setting(
            "isolation.irq_default",
            "isolation",
            keep,
            shown,
            topology.format_list(topology.parse_mask(boot) or []) or NOT_SET,
            equal={"runtime": is_ is not None and not isolated.intersection(is_), "boot": boot == mask},
            unseen=f"isolation.irq_default: {DEFAULT_AFFINITY} cannot be read",
        )
    )
    if is_ is not None and isolated.intersection(is_):
        words_ = f"let new interrupts go to CPUs {keep}, not {shown}"
        steps.append(Step("interrupts", words_, "kernel", value=mask, paths=(DEFAULT_AFFINITY,)))
    away, stay = _astray(context, isolated)
    balancer = context.active("irqbalance.service") and not live(context, division)
    if balancer:
        why = "irqbalance keeps off isolated CPUs only once they are isolated"
        notes.append({"where": "os.isolation.irqs", "problem": why})
    elif away:
        words_ = f"move {len(away)} interrupts to CPUs {keep}: {_numbers(away)}"
        steps.append(Step("interrupts", words_, "kernel", value=keep, paths=tuple(away), soft=True))
    if stay:
        problem = f"the kernel does not let these be moved: {_numbers(stay)}"
        notes.append({"where": "os.isolation.irqs", "problem": problem})
    count = len(away)
    settings.append(
        setting(
            "isolation.irqs",
            "isolation",
            "0 on isolated CPUs",
            f"{count} on isolated CPUs",
            "0 on isolated CPUs" if context.unit.get(IRQ_PATTERN) == keep else NOT_SET,
            why={"runtime": "irqbalance spreads them until the CPUs are isolated"} if balancer else {},
        )
    )
    return Part(tuple(settings), tuple(steps), tuple(notes))


def _numbers(paths: list[str]) -> str:
    """``40-71,90``: a machine has hundreds."""
    return topology.format_list(int(path.split("/")[3]) for path in paths)


def _astray(context: Context, isolated: set[int]) -> tuple[list[str], list[str]]:
    """Files of the interrupts that may go to isolated CPUs, and of those that this kernel refused to move."""
    used = set(re.findall(r"^\s*(\d+):", context.host.read("/proc/interrupts") or "", re.MULTILINE))
    away: list[str] = []
    stay: list[str] = []
    for number in sorted((name for name in context.host.names("/proc/irq") if name.isdigit()), key=int):
        path = f"/proc/irq/{number}/smp_affinity_list"
        cpus = topology.parse_list(context.host.value(path))
        if number not in used or not cpus or not isolated.intersection(cpus):
            continue
        (stay if irq_name(context.host, path) in context.refused else away).append(path)
    return away, stay


def irq_name(host: Host, path: str) -> str:
    """The interrupt's name by its driver (``nvme0q1``), which stays the same over restarts; else its number."""
    folder = path.rsplit("/", 1)[0]
    names = [name for name in host.names(folder) if name not in _IRQ_FILES]
    return "+".join(names) or folder.rsplit("/", 1)[1]


def refused(host: Host) -> frozenset[str]:
    """Names of the interrupts that this kernel refused to move once (managed ones, per-CPU ones)."""
    try:
        kept = json.loads(host.read(REFUSED) or "{}")
    except ValueError:
        return frozenset()
    if not isinstance(kept, dict) or kept.get("kernel") != host.value("/proc/sys/kernel/osrelease"):
        return frozenset()
    names = kept.get("names")
    return frozenset(each for each in names if isinstance(each, str)) if isinstance(names, list) else frozenset()


def remember(host: Host, paths: list[str]) -> None:
    """Keep the names of interrupts that did not move. :raises OSError:"""
    names = sorted(refused(host) | {irq_name(host, path) for path in paths})
    text = json.dumps({"kernel": host.value("/proc/sys/kernel/osrelease"), "names": names}) + "\n"
    host.write(REFUSED, text)
