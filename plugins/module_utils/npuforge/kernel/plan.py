"""Compares the whole machine with the baseline: every setting's three values, and the steps that are needed.

Reads only. The steps of check mode are those of the real run, since both come from here.
"""

from __future__ import annotations

from typing import Any, Callable, Mapping, NamedTuple, Sequence

from . import (
    boot_loader,
    boot_unit,
    cmdline,
    governor,
    iommu,
    isolation,
    limits,
    memory,
    modules,
    names,
    read,
    retention,
    security,
    swap,
    sysctl,
    udev,
)
from .cmdline import Word, value_in
from .context import Context
from .host import Host
from .model import Part, Setting, Step, setting

# In the order of the steps: what others need (modules, their sysctl keys) comes first, the boot loader last.
_SUBJECTS: Sequence[Callable[[Context], Part]] = (
    modules.part,
    sysctl.part,
    limits.part,
    memory.thp,
    memory.hugepages,
    governor.part,
    isolation.part,
    udev.part,
    swap.part,
    security.part,
    names.part,
    names.locale,
    retention.part,
    boot_unit.part,
)


class Plan(NamedTuple):
    """``words``: what shall stand on the kernel's command line."""

    context: Context
    settings: list[Setting]
    steps: list[Step]
    notes: list[dict[str, str]]
    problems: list[str]
    words: list[Word]


def look(host: Host, wanted: Mapping[str, Any]) -> Plan:
    """Read the machine once and compare it. Never raises for what the machine holds."""
    loader = boot_loader.read(host)
    context = read.context(host, wanted, loader)
    words, problems = wanted_words(context)
    parts = [subject(context) for subject in _SUBJECTS]
    parts.append(Part(tuple(_word(context, word) for word in words if word.group in ("iommu", "kernel_arguments"))))
    parts += [
        Part((setting("iommu.mode", "iommu", str(wanted.get("iommu")), None, None, unseen=problem),))
        for problem in problems
    ]
    parts.append(boot_loader.part(context, loader, words))
    return Plan(
        context,
        [each for part in parts for each in part.settings],
        [each for part in parts for each in part.steps],
        [dict(each) for part in parts for each in part.notes],
        list(dict.fromkeys([*problems, *(each for part in parts for each in part.problems)])),
        words,
    )


def wanted_words(context: Context) -> tuple[list[Word], list[str]]:
    """(all words for the kernel's command line, why some cannot be had)."""
    made = isolation.words(context)
    more, problems = iommu.words(context)
    made += more
    thp = context.wanted.get("transparent_hugepages")
    if thp is not None:
        made.append(Word("transparent_hugepage", str(thp), "thp"))
    made += cmdline.wanted_of(context.wanted.get("kernel_arguments") or {})
    return made, problems


def _word(context: Context, word: Word) -> Setting:
    running = None if context.running is None else value_in(context.running, word.name)
    boot = None if context.booting is None else value_in(context.booting, word.name)
    problem = context.boot_problem if boot is None else "the kernel's command line cannot be read"
    return setting(f"{word.group}.{word.name}", word.group, word.shown, running, boot, unseen=f"{word.name}: {problem}")


def reboot_reasons(plan: Plan, *, applied: bool) -> list[str]:
    """Why only a restart brings the baseline into effect.

    :param applied: the steps have been made, so what boots is what was read; else what the steps would make boot.
    """
    context = plan.context
    found = []
    for word in plan.words:
        if word.group == "thp" or context.running is None or context.booting is None:
            continue  # THP is set at run time, too
        running, booting = value_in(context.running, word.name), value_in(context.booting, word.name)
        comes = booting == word.shown if applied else True
        if running != word.shown and comes:
            found.append(
                f"{word.name} is {running} on the running kernel's command line and {word.shown} after a restart"
            )
    reason = security.reboot_reason(context)
    if reason is not None:
        found.append(reason)
    for each in plan.settings:
        if applied and each.group == "hugepages" and "runtime" in each.differs and "boot" not in each.differs:
            found.append(f"{each.id}: memory is in pieces ({each.runtime} of {each.wanted}), a restart has it whole")
    return found
