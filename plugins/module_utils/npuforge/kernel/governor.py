"""The CPU frequency governor (kernel: admin-guide/pm/cpufreq.rst): of every policy at run time, by our unit at boot."""

from __future__ import annotations

import re

from .context import BOOT_UNIT, Context
from .model import NOT_SET, Part, Step, setting
from .tuned import profile_value

FOLDER = "/sys/devices/system/cpu/cpufreq"
PATTERN = f"{FOLDER}/policy*/scaling_governor"


def part(context: Context) -> Part:
    wanted = context.wanted.get("governor")
    if wanted is None:
        return Part()
    host = context.host
    names = [name for name in host.names(FOLDER) if re.match(r"^policy\d+$", name)]
    found = {f"{FOLDER}/{name}/scaling_governor": host.value(f"{FOLDER}/{name}/scaling_governor") for name in names}
    known = {path: value for path, value in found.items() if value is not None}
    if not known:
        problem = "no cpufreq driver: firmware runs the cores (the site says governor: null where that is so)"
        unseen = setting("governor", "governor", wanted, None, None, unseen=f"governor: {problem}")
        return Part((unseen,), (), ({"where": "os.governor", "problem": problem},))
    offered = {
        word
        for path in known
        for word in (host.value(path.replace("scaling_governor", "scaling_available_governors")) or wanted).split()
    }
    lacks = wanted not in offered
    wrong = {path: value for path, value in known.items() if value != wanted}
    counts = {value: sum(1 for each in known.values() if each == value) for value in sorted(known.values())}
    shown = " ".join(f"{value}" if len(counts) == 1 else f"{value} x{count}" for value, count in counts.items())
    boot, why = context.unit.get(PATTERN), {"boot": BOOT_UNIT}
    if boot is None:
        said = profile_value(context, "cpu", "governor")
        boot, why = (said[0], {"boot": said[1]}) if said is not None else (NOT_SET, {})
    if lacks:
        why = {**why, "runtime": f"the machine only has {', '.join(sorted(offered))}"}
    made = setting("governor", "governor", wanted, shown, boot, why=why)
    steps = []
    if wrong and not lacks:
        words = f"set the governor of {len(wrong)} frequency policies to {wanted}, now {shown}"
        steps.append(Step("governor", words, "kernel", value=wanted, paths=tuple(sorted(wrong))))
    return Part((made,), tuple(steps))
