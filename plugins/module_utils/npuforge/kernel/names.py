"""Host name, hosts file, locale and time zone, by file: what hostnamectl, localectl and timedatectl would write.

hostname(5), hosts(5), locale.conf(5), localtime(5). In the hosts file only our block is ours; a line of others that
gives one of our names another address is told, since the first line wins.
"""

from __future__ import annotations

import re
from typing import Any, Mapping, Sequence

from .context import Context
from .model import NOT_SET, Part, Setting, Step, file_steps, setting

HOSTNAME, HOSTS, LOCALE = "/etc/hostname", "/etc/hosts", "/etc/locale.conf"
DEBIAN_LOCALE, DEBIAN_ZONE = "/etc/default/locale", "/etc/timezone"
LOCALTIME, ZONES = "/etc/localtime", "/usr/share/zoneinfo"
BEGIN, END = "# BEGIN npuforge hosts", "# END npuforge hosts"
_KERNEL_NAME = "/proc/sys/kernel/hostname"
# What a line of our block looks like: a block whose end was lost ends with the last of them.
_ROW = re.compile(r"^[0-9a-fA-F:.]+[ \t]+\S")


def part(context: Context) -> Part:
    parts = [_hostname(context), _hosts(context)]
    return _joined(parts)


def locale(context: Context) -> Part:
    return _joined([_locale(context), _timezone(context)])


def _joined(parts: Sequence[Part]) -> Part:
    return Part(
        tuple(each for part_ in parts for each in part_.settings),
        tuple(each for part_ in parts for each in part_.steps),
        tuple(each for part_ in parts for each in part_.notes),
        tuple(each for part_ in parts for each in part_.problems),
    )


def _hostname(context: Context) -> Part:
    wanted = context.wanted.get("hostname")
    if wanted is None:
        return Part()
    host = context.host
    running = host.value(_KERNEL_NAME)
    text = host.read(HOSTNAME)
    lines = [line.strip() for line in (text or "").splitlines() if line.strip() and not line.strip().startswith("#")]
    boot = lines[0] if lines else NOT_SET
    made = setting(
        "names.hostname", "names", wanted, running, boot, unseen=f"names.hostname: {_KERNEL_NAME} cannot be read"
    )
    steps = []
    if boot != wanted:
        steps += file_steps("hostname", f"write {wanted} into {HOSTNAME}", HOSTNAME, text, f"{wanted}\n")
    if running is not None and running != wanted:
        words = f"set the host name from {running} to {wanted}"
        steps.append(Step("hostname", words, "kernel", value=wanted, paths=(_KERNEL_NAME,)))
    return Part((made,), tuple(steps))


def block(entries: Sequence[Mapping[str, Any]]) -> str:
    lines = [f"{entry['address']} {' '.join(entry['names'])}\n" for entry in entries]
    return f"{BEGIN}\n{''.join(lines)}{END}\n"


def outside(text: str) -> tuple[list[str], int | None]:
    """(lines that are not of our block, index of the one before which it stood; None: there was none)."""
    kept: list[str] = []
    place: int | None = None
    lines = text.splitlines(True)
    number = 0
    while number < len(lines):
        if lines[number].strip() != BEGIN:
            kept.append(lines[number])
            number += 1
            continue
        place = len(kept) if place is None else place
        number += 1
        while number < len(lines) and _ROW.match(lines[number]):
            number += 1
        if number < len(lines) and lines[number].strip() == END:
            number += 1
    return kept, place


def with_block(text: str, wanted: str) -> str:
    """The hosts file with our block where it stood, else at its end; a second block of ours goes."""
    kept, place = outside(text)
    if place is None:
        place = len(kept)
    if wanted and place and not kept[place - 1].endswith("\n"):
        kept[place - 1] += "\n"
    return "".join([*kept[:place], wanted, *kept[place:]])


def resolved(text: str) -> dict[str, tuple[str, int]]:
    """Name -> (first IPv4 or IPv6 address of it, number of its line)."""
    found: dict[str, tuple[str, int]] = {}
    for number, line in enumerate(text.splitlines()):
        words = line.split("#", 1)[0].split()
        for name in words[1:]:
            found.setdefault(name.lower(), (words[0], number))
    return found


def _hosts(context: Context) -> Part:
    entries = context.wanted.get("hosts")
    if entries is None:
        return Part()
    host = context.host
    text = host.read(HOSTS)
    if text is None and host.exists(HOSTS):
        unseen = setting("names.hosts", "names", "block", None, None, unseen=f"names.hosts: {HOSTS} cannot be read")
        return Part((unseen,))
    text = text or ""
    wanted = with_block(text, block(entries)) if entries else with_block(text, "") if BEGIN in text else text
    now, foreign = resolved(text), resolved("".join(outside(text)[0]))
    settings: list[Setting] = []
    for entry in entries:
        for name in entry["names"]:
            is_, line = now.get(name.lower(), (NOT_SET, -1))
            others = is_ != entry["address"] and name.lower() in foreign
            why = {"boot": f"line {line + 1} of {HOSTS}, which is not ours"} if others else {}
            settings.append(
                setting(f"names.hosts.{name}", "names", entry["address"], is_, is_, sides=("boot",), why=why)
            )
    steps = file_steps("hosts", f"write our block into {HOSTS}", HOSTS, text, wanted)
    return Part(tuple(settings), tuple(steps))


def _locale(context: Context) -> Part:
    wanted = context.wanted.get("locale")
    if wanted is None:
        return Part()
    host = context.host
    made, steps = [], []
    for path in (LOCALE, DEBIAN_LOCALE):
        text = host.read(path)
        if path == DEBIAN_LOCALE and (text is None or host.resolve(path) == host.resolve(LOCALE)):
            continue  # only where Debian's own file is there, and not the same one
        is_ = _lang(text or "")
        ident = "locale.lang" if path == LOCALE else "locale.lang_of_logins"
        made.append(setting(ident, "locale", wanted, is_, is_, sides=("boot",), why={"boot": path}))
        if is_ != wanted:
            kept = [line for line in (text or "").splitlines(True) if not re.match(r"\s*LANG=", line)]
            if kept and not kept[-1].endswith("\n"):
                kept[-1] += "\n"
            words = f"set LANG={wanted} in {path}"
            steps += file_steps("locale", words, path, text, "".join([*kept, f"LANG={wanted}\n"]))
    return Part(tuple(made), tuple(steps))


def _lang(text: str) -> str:
    found = re.findall(r"^\s*LANG=[\"']?([^\"'\s#]*)", text, re.MULTILINE)
    return found[-1] if found and found[-1] else NOT_SET


def _timezone(context: Context) -> Part:
    wanted = context.wanted.get("timezone")
    if wanted is None:
        return Part()
    host = context.host
    known = host.exists(f"{ZONES}/{wanted}")
    why = {} if known else {"boot": f"this machine has no {ZONES}/{wanted}: package tzdata"}
    target = host.link(LOCALTIME)
    is_ = target.split("zoneinfo/", 1)[1] if target and "zoneinfo/" in target else None
    if is_ is None:
        is_ = "unnamed" if host.exists(LOCALTIME) else "UTC"
    made = [setting("locale.timezone", "locale", wanted, is_, is_, sides=("boot",), why=why)]
    steps: list[Step] = []
    if is_ != wanted and known:
        words = f"set the time zone from {is_} to {wanted}"
        steps.append(Step("timezone", words, "link", LOCALTIME, f"..{ZONES}/{wanted}"))
    named = host.read(DEBIAN_ZONE)
    if named is not None and named.strip() != wanted:
        made.append(setting("locale.timezone_name", "locale", wanted, named.strip(), named.strip(), sides=("boot",)))
        steps += file_steps("timezone", f"write {wanted} into {DEBIAN_ZONE}", DEBIAN_ZONE, named, f"{wanted}\n")
    return Part(tuple(made), tuple(steps))
