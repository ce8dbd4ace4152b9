"""Transparent and explicit huge pages (kernel: transhuge.rst, hugetlbpage.rst).

Both are set in sysfs at run time and by our unit at boot; ``transparent_hugepage=`` on the command line holds from the
first process on.
"""

from __future__ import annotations

import re
from typing import Any, Mapping

from .context import BOOT_UNIT, Context
from .model import NOT_SET, Part, Setting, Step, setting
from .tuned import profile_value

THP_FOLDER = "/sys/kernel/mm/transparent_hugepage"
PAGES_FOLDER = "/sys/kernel/mm/hugepages"
_CHOSEN = re.compile(r"\[([^\]\s]+)\]")


def chosen(text: str | None) -> str | None:
    """``always [madvise] never`` -> ``madvise``; a single word is itself; None: neither."""
    match = _CHOSEN.search(text or "")
    if match is not None:
        return match.group(1)
    words = (text or "").split()
    return words[0] if len(words) == 1 else None


def thp_files(wanted: Mapping[str, Any]) -> dict[str, str]:
    """Files of the wanted THP settings -> value. ``wanted``: the baseline."""
    pairs = (
        ("enabled", wanted.get("transparent_hugepages")),
        ("defrag", wanted.get("transparent_hugepages_defrag")),
    )
    return {f"{THP_FOLDER}/{name}": value for name, value in pairs if value is not None}


def thp(context: Context) -> Part:
    settings: list[Setting] = []
    steps: list[Step] = []
    notes = []
    for path, wanted in thp_files(context.wanted).items():
        name = path.rsplit("/", 1)[1]
        if not context.host.is_folder(THP_FOLDER) and wanted == "never":
            as_good = {"runtime": True, "boot": True}
            settings.append(setting(f"thp.{name}", "thp", wanted, "not there", "not there", equal=as_good))
            notes.append({"where": f"os.thp.{name}", "problem": "this kernel has no transparent huge pages at all"})
            continue
        is_ = chosen(context.host.read(path))
        boot, why = _boot(context, path, name)
        made = setting(f"thp.{name}", "thp", wanted, is_, boot, why=why, unseen=f"thp.{name}: {path} cannot be read")
        settings.append(made)
        if is_ is not None and is_ != wanted:
            steps.append(
                Step(
                    "thp",
                    f"set transparent huge pages {name} from {is_} to {wanted}",
                    "kernel",
                    value=wanted,
                    paths=(path,),
                )
            )
    return Part(tuple(settings), tuple(steps), tuple(notes))


def _boot(context: Context, path: str, name: str) -> tuple[str | None, dict[str, str]]:
    """The value that stands after boot: our unit's (it runs after tuned), tuned's, the command line's."""
    if path in context.unit:
        return context.unit[path], {"boot": BOOT_UNIT}
    if name == "enabled":
        said = profile_value(context, "vm", "transparent_hugepages")
        if said is not None:
            return said[0], {"boot": said[1]}
        for word in reversed(context.booting or []):
            if word.startswith("transparent_hugepage="):
                return word.split("=", 1)[1], {"boot": "kernel command line"}
    return NOT_SET, {}


def page_files(wanted: Mapping[str, Any]) -> dict[str, str]:
    """Files of the wanted pools -> pages. ``wanted``: the baseline."""
    pools = wanted.get("hugepages") or {}
    return {
        f"{PAGES_FOLDER}/hugepages-{size}kB/nr_hugepages": str(count)
        for size, count in pools.items()
        if count is not None
    }


def hugepages(context: Context) -> Part:
    settings: list[Setting] = []
    steps: list[Step] = []
    problems = []
    for path, wanted in sorted(page_files(context.wanted).items()):
        size = path.split("hugepages-")[1].split("kB")[0]
        is_ = context.host.value(path)
        if is_ is None and context.host.is_folder(PAGES_FOLDER) and not context.host.exists(path):
            sizes = ", ".join(name[10:-2] for name in context.host.names(PAGES_FOLDER)) or "none"
            problems.append(f"hugepages: this machine has no pages of {size} KiB (it has: {sizes})")
            continue
        boot = context.unit.get(path, NOT_SET)
        # Nobody sets a pool at boot that is wanted empty.
        if wanted == "0" and boot == NOT_SET:
            boot = "0"
        settings.append(
            setting(
                f"hugepages.{size}kB",
                "hugepages",
                wanted,
                is_,
                boot,
                unseen=f"hugepages.{size}kB: {path} cannot be read",
            )
        )
        if is_ is not None and is_ != wanted:
            # Memory in pieces gives fewer pages than asked: no failure, a restart has them whole.
            words = f"set huge pages of {size} KiB from {is_} to {wanted}"
            steps.append(Step("hugepages", words, "kernel", value=wanted, paths=(path,), soft=True))
    return Part(tuple(settings), tuple(steps), (), tuple(problems))
