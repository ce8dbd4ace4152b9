"""SELinux mode and the host's firewall service.

SELinux (selinux(8), kernel: admin-guide/LSM/SELinux.rst): enforcing and permissive change at run time; to and from
disabled only by a restart, and a file system that was used without SELinux is labelled anew at that restart.
"""

from __future__ import annotations

import re

from .cmdline import value_in
from .context import Context
from .model import Part, Setting, Step, file_steps, setting

CONFIG = "/etc/selinux/config"
ENFORCE = "/sys/fs/selinux/enforce"
RELABEL = "/.autorelabel"
FIREWALLS = ("firewalld.service", "nftables.service")
_LINE = re.compile(r"^[ \t]*SELINUX=[ \t]*([A-Za-z]*)[^\n]*$", re.MULTILINE)


def part(context: Context) -> Part:
    first, second = _selinux(context), _firewall(context)
    return Part(first.settings + second.settings, first.steps + second.steps, first.notes + second.notes)


def selinux_running(context: Context) -> str | None:
    text = context.host.value(ENFORCE)
    if text is None:
        return None if context.host.exists(ENFORCE) else "disabled"
    return {"1": "enforcing", "0": "permissive"}.get(text)


def selinux_booting(context: Context) -> str | None:
    """What the configuration and the command line make of the next boot; None: no SELinux is installed."""
    words = context.booting or []
    if value_in(words, "selinux") == "0":
        return "disabled"
    text = context.host.read(CONFIG)
    found = _LINE.findall(text or "")
    if not found:
        return None
    mode = str(found[-1]).lower()
    if mode != "disabled" and value_in(words, "enforcing") in ("0", "1"):
        return "enforcing" if value_in(words, "enforcing") == "1" else "permissive"
    return mode


def _selinux(context: Context) -> Part:
    wanted = context.wanted.get("selinux")
    if wanted in (None, "keep"):
        return Part()
    running, booting = selinux_running(context), selinux_booting(context)
    text = context.host.read(CONFIG)
    why = {}
    if booting is None:
        why = {"boot": "SELinux is not installed"}
        running = running or "disabled"
    elif running == "disabled" and wanted != "disabled":
        why["runtime"] = "only a restart switches it on"
    elif running != wanted == "disabled":
        why["runtime"] = "only a restart switches it off"
    made = setting(
        "security.selinux",
        "security",
        str(wanted),
        running,
        booting or "disabled",
        why=why,
        unseen=f"security.selinux: {ENFORCE} cannot be read",
    )
    steps = []
    match = list(_LINE.finditer(text or ""))
    if text is not None and match and match[-1].group(1).lower() != wanted:
        last = match[-1]
        if wanted != "disabled" and running == "disabled" and not context.host.exists(RELABEL):
            steps += file_steps("selinux", "have all files labelled at the next boot", RELABEL, None, "")
        edited = f"{text[: last.start()]}SELINUX={wanted}{text[last.end() :]}"
        words = f"set SELINUX={wanted} in {CONFIG}"
        steps += file_steps("selinux", words, CONFIG, text, edited, backup=True)
    if running in ("enforcing", "permissive") and wanted in ("enforcing", "permissive") and running != wanted:
        value = "1" if wanted == "enforcing" else "0"
        steps.append(
            Step("selinux", f"set SELinux from {running} to {wanted}", "kernel", value=value, paths=(ENFORCE,))
        )
    return Part((made,), tuple(steps))


def reboot_reason(context: Context) -> str | None:
    """SELinux is switched on or off by a restart only."""
    wanted, running = context.wanted.get("selinux"), selinux_running(context)
    if wanted in (None, "keep") or running is None or selinux_booting(context) is None:
        return None
    if (running == "disabled") != (wanted == "disabled"):
        return f"SELinux is {running} and becomes {wanted} only by a restart"
    return None


def _firewall(context: Context) -> Part:
    """``off``, ``firewalld`` or ``nftables``: that service runs and starts at boot, the other does neither."""
    wanted = context.wanted.get("firewall")
    if wanted in (None, "keep"):
        return Part()
    if context.services is None:
        unseen = setting(
            "security.firewall",
            "security",
            str(wanted),
            None,
            None,
            unseen="security.firewall: systemd cannot be asked",
        )
        return Part((unseen,))
    on = [name for name in FIREWALLS if context.active(name)]
    at_boot = [name for name in FIREWALLS if context.enabled(name)]
    target = [] if wanted == "off" else [f"{wanted}.service"]
    missing = bool(target) and context.services.get(target[0], ("", ""))[1] == ""
    why = {side: f"{wanted} is not installed" for side in ("runtime", "boot") if missing}
    made: list[Setting] = [
        setting("security.firewall", "security", str(wanted), _words(on), _words(at_boot), why=why),
    ]
    if missing:
        return Part(tuple(made))
    steps = []
    for name in FIREWALLS:
        want = name in target
        if (name in at_boot) != want:
            verb, back = ("enable", "disable") if want else ("disable", "enable")
            argv, undo = ("systemctl", verb, name), ("systemctl", back, name)
            steps.append(Step("firewall", f"{verb} {name}", "run", argv=argv, undo=undo))
    # The one that goes first, so that never two are at work.
    for name in sorted(FIREWALLS, key=lambda name: name in target):
        want = name in target
        if (name in on) != want:
            verb, back = ("start", "stop") if want else ("stop", "start")
            argv, undo = ("systemctl", verb, name), ("systemctl", back, name)
            steps.append(Step("firewall", f"{verb} {name}", "run", argv=argv, undo=undo))
    return Part(tuple(made), tuple(steps))


def _words(names: list[str]) -> str:
    return ", ".join(name.split(".")[0] for name in names) or "off"
