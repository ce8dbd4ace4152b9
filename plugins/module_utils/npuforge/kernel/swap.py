"""Swap: off now by swapoff, at boot by fstab (fstab(5)). Lines of others are kept, as comments."""

from __future__ import annotations

import re

from .context import Context
from .host import Host
from .model import Part, Step, file_steps, setting

FSTAB = "/etc/fstab"
MARK = "# swap is off (npuforge): "


def active(host: Host) -> list[str] | None:
    """Devices and files that swap now; None: cannot be seen."""
    text = host.read("/proc/swaps")
    if text is None:
        return None
    # A blank in a name is written \040, as in fstab.
    return [line.split()[0] for line in text.splitlines()[1:] if line.split()]


def fstab_lines(text: str) -> list[int]:
    """Numbers of the lines that switch swap on at boot."""
    found = []
    for number, line in enumerate(text.splitlines()):
        words = line.split()
        swaps = len(words) >= 3 and not words[0].startswith("#") and words[2] == "swap"
        if swaps and "noauto" not in (words[3] if len(words) > 3 else "").split(","):
            found.append(number)
    return found


def without(text: str) -> str:
    lines = text.splitlines(True)
    for number in fstab_lines(text):
        lines[number] = MARK + lines[number]
    return "".join(lines)


def part(context: Context) -> Part:
    if context.wanted.get("swap") != "off":
        return Part()
    host = context.host
    now = active(host)
    text = host.read(FSTAB)
    sources = [text.splitlines()[number].split()[0] for number in fstab_lines(text)] if text is not None else []
    units = _units(host)
    boot = [*(f"{each} in {FSTAB}" for each in sources), *units]
    made = setting(
        "swap",
        "swap",
        "off",
        None if now is None else ", ".join(now) or "off",
        ", ".join(boot) or "off",
        unseen="swap: /proc/swaps cannot be read",
        why={"boot": "a unit of others, which is left to them"} if units and not sources else {},
    )
    steps = []
    if text is not None and sources:
        steps += file_steps("swap", f"take swap out of {FSTAB}", FSTAB, text, without(text), backup=True)
    for device in now or ():
        name = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), device)
        argv, undo = ("swapoff", name), ("swapon", name)
        steps.append(Step("swap", f"switch swap off on {name}", "run", argv=argv, undo=undo))
    return Part((made,), tuple(steps))


def _units(host: Host) -> list[str]:
    """Swap that others switch on at boot: units of the administrator, and zram generators."""
    found = []
    for folder in ("/etc/systemd/system/swap.target.wants", "/etc/systemd/system/multi-user.target.wants"):
        found += [f"{folder}/{name}" for name in host.names(folder) if name.endswith(".swap")]
    found += [path for path in ("/etc/systemd/zram-generator.conf",) if "[zram" in (host.read(path) or "")]
    return found
