"""Limits of logins (pam_limits, limits.conf(5)): one file of ours.

A limit that root itself may not raise keeps everybody out: pam_limits then refuses the session. So ``nofile`` above
``fs.nr_open``, and anything above the hard limit of a machine whose init lacks CAP_SYS_RESOURCE, is not written.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from .context import Context
from .model import NOT_SET, Part, Setting, file_steps, setting
from .sysctl import key_path

PATH = "/etc/security/limits.d/99-zz-npuforge.conf"
HEAD = "# Written by npuforge. Changes here are replaced by the next run.\n"
_CONF, _FOLDER = "/etc/security/limits.conf", "/etc/security/limits.d"
_CAP_SYS_RESOURCE = 24
# Item -> row of /proc/<pid>/limits, and its unit in bytes where the item counts KiB.
_ROWS = {
    "nofile": ("Max open files", 1),
    "nproc": ("Max processes", 1),
    "memlock": ("Max locked memory", 1024),
    "stack": ("Max stack size", 1024),
    "core": ("Max core file size", 1024),
    "sigpending": ("Max pending signals", 1),
    "msgqueue": ("Max msgqueue size", 1),
    "as": ("Max address space", 1024),
    "data": ("Max data size", 1024),
    "fsize": ("Max file size", 1024),
}
_ENDLESS = ("unlimited", "infinity", "-1")


class Entry(NamedTuple):
    domain: str
    kinds: tuple[str, ...]  # soft, hard or both
    item: str
    value: str
    file: str


def parse(text: str, file: str) -> list[Entry]:
    found = []
    for line in text.splitlines():
        words = line.split("#", 1)[0].split()
        if len(words) == 4 and words[1] in ("soft", "hard", "-"):
            kinds = ("soft", "hard") if words[1] == "-" else (words[1],)
            found.append(Entry(words[0], kinds, words[2], _normal(words[3]), file))
    return found


def part(context: Context) -> Part:
    given = context.wanted.get("limits")
    if given is None:
        return Part()
    host = context.host
    names = [name for name in host.names(_FOLDER) if name.endswith(".conf")]
    entries = [
        entry
        for path in [_CONF, *(f"{_FOLDER}/{name}" for name in names)]
        for entry in parse(host.read(path) or "", path)
    ]
    settings: list[Setting] = []
    lines, notes = [], []
    for key in sorted(key for key, value in given.items() if value is not None):
        domain, kind, item = key.rsplit("/", 2)
        wanted = _normal(str(given[key]))
        found = [each for each in entries if each.domain == domain and kind in each.kinds and each.item == item]
        last = found[-1] if found else None
        refusal = _refusal(context, item, wanted)
        why = refusal or (last.file if last is not None and last.file != PATH else "")
        settings.append(
            setting(
                f"limits.{key}",
                "limits",
                wanted,
                last.value if last else NOT_SET,
                last.value if last else NOT_SET,
                sides=("boot",),
                why={"boot": why} if why else {},
            )
        )
        if refusal is None:
            lines.append(f"{domain} {kind} {item} {wanted}\n")
        else:
            notes.append({"where": f"os.limits.{key}", "problem": refusal})
    text = HEAD + "".join(lines) if lines else None
    words = f"write {PATH}" if text else f"remove {PATH}"
    return Part(tuple(settings), tuple(file_steps("limits", words, PATH, host.read(PATH), text)), tuple(notes))


def _normal(value: str) -> str:
    return "unlimited" if value in _ENDLESS else value


def _refusal(context: Context, item: str, wanted: str) -> str | None:
    """Why logins would be refused with this limit."""
    number = None if wanted == "unlimited" else int(wanted) if wanted.isdigit() else 0
    if item == "nofile":
        top = _nr_open(context)
        if top is not None and (number is None or number > top):
            return f"above fs.nr_open ({top}): every login would be refused"
    row = _ROWS.get(item)
    if row is None or _may_raise(context):
        return None
    match = re.search(rf"^{row[0]}\s+\S+\s+(\d+|unlimited)", context.host.read("/proc/1/limits") or "", re.MULTILINE)
    if match is None or match.group(1) == "unlimited":
        return None
    if number is None or number * row[1] > int(match.group(1)):
        return f"init lacks CAP_SYS_RESOURCE and may have {match.group(1)} at most: every login would be refused"
    return None


def _nr_open(context: Context) -> int | None:
    wanted = {key_path(str(key)): value for key, value in (context.wanted.get("sysctl") or {}).items()}
    text = str(wanted.get("fs/nr_open") or context.host.value("/proc/sys/fs/nr_open") or "")
    return int(text) if text.isdigit() else None


def _may_raise(context: Context) -> bool:
    match = re.search(r"^CapEff:\s*([0-9a-fA-F]{1,32})$", context.host.read("/proc/1/status") or "", re.MULTILINE)
    return match is None or bool(int(match.group(1), 16) >> _CAP_SYS_RESOURCE & 1)
