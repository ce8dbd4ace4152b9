"""The facts of kind ``node`` by ``kernel_tuning`` (docs/node-software.md, section 3)."""

from __future__ import annotations

from typing import Sequence

from ..common import Document
from . import isolation, read, topology
from .model import GROUPS, Setting, facts_of
from .plan import Plan, reboot_reasons


def differences(settings: Sequence[Setting], group: str) -> list[str] | None:
    """Sentences; None: nothing is known to differ, but something could not be seen."""
    own = [each for each in settings if each.group == group]
    told = [sentence for each in own for sentence in each.sentences]
    return None if not told and any(each.unseen for each in own) else told


def facts(plan: Plan, *, check: bool, applied: bool, restored: bool, notes: Sequence[dict[str, str]]) -> Document:
    """``check``: nothing was written, so the reasons for a restart are those after the planned steps."""
    host = plan.context.host
    machine = plan.context.machine
    division = isolation.wanted_division(plan.context)
    divided = division is not None and division.problem is None and bool(division.isolated)
    keep = topology.format_list(division.housekeeping) if division is not None and divided else None
    apart = topology.format_list(division.isolated) if division is not None and divided else None
    reasons = reboot_reasons(plan, applied=not check)
    unseen = [{"where": f"os.{each.id}", "problem": each.unseen} for each in plan.settings if each.unseen]
    told = [*notes, *plan.notes, *unseen]
    if machine is not None and machine.offline:
        cpus = topology.format_list(machine.offline)
        told.append({"where": "os.numa", "problem": f"CPUs {cpus} are offline and belong to nothing here"})
    os_facts: Document = {
        "distribution": read.distribution(host),
        "kernel": plan.context.release or None,
        "architecture": plan.context.architecture or None,
        "boot_id": host.value(read.BOOT_ID),
        "command_line": host.value("/proc/cmdline"),
        "numa": None
        if machine is None
        else [{"node": node.number, "cpus": topology.format_list(node.cpus)} for node in machine.nodes],
        "housekeeping_cpus": keep,
        "isolated_cpus": apart,
        "kubelet_reserved_cpus": keep,
        "settings": [facts_of(each) for each in plan.settings],
        **{f"{group}_differences": differences(plan.settings, group) for group in GROUPS},
        "reboot_required": bool(reasons),
        "reboot_reasons": reasons,
        "applied": applied,
        "restored": restored,
    }
    return {"os": os_facts, "notes": list({(each["where"], each["problem"]): each for each in told}.values())}
