"""Kernel parameters below /proc/sys: one file of ours for boot, direct writes at run time.

Boot follows sysctl.d(5): of files with one name the first folder counts, files are read in the order of their names
wherever they lie, and the last value of a key wins. systemd does not read /etc/sysctl.conf; distributions link it as
99-sysctl.conf. A key that begins with ``-`` may be missing from the kernel, as in that manual page.
"""

from __future__ import annotations

import fnmatch
from typing import Mapping, NamedTuple

from .context import Context
from .host import Host
from .model import NOT_SET, Part, Setting, Step, file_steps, setting

PATH = "/etc/sysctl.d/99-zz-npuforge.conf"
HEAD = "# Written by npuforge. Changes here are replaced by the next run.\n"
FOLDERS = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d")
# Keys that a module brings, and which.
MODULES = (("net/bridge/", "br_netfilter"), ("net/netfilter/nf_conntrack", "nf_conntrack"))
# These bound others and are written first.
_FIRST = ("fs/nr_open", "net/core/rmem_max", "net/core/wmem_max")


class Line(NamedTuple):
    """``value`` is None where a glob is told to leave the key out."""

    pattern: str
    value: str | None
    file: str


def key_path(key: str) -> str:
    """``net.ipv4.conf.eth0/1.forwarding`` -> ``net/ipv4/conf/eth0.1/forwarding`` (sysctl.d(5))."""
    row = key.strip().lstrip("-")
    first = next((sign for sign in row if sign in "./"), "/")
    return row if first == "/" else row.translate(str.maketrans("./", "/."))


def normal(value: str) -> str:
    return " ".join(str(value).split())


def render(wanted: Mapping[str, str]) -> str:
    return HEAD + "".join(f"{key} = {normal(wanted[key])}\n" for key in sorted(wanted))


def parse(text: str, file: str) -> list[Line]:
    found = []
    for line in text.splitlines():
        row = line.strip()
        if not row or row[0] in "#;":
            continue
        key, sign, value = row.partition("=")
        if sign:
            found.append(Line(key_path(key), normal(value), file))
        elif row.startswith("-"):
            found.append(Line(key_path(row), None, file))
    return found


def boot_files(host: Host) -> list[str]:
    """The files that count at boot, in their order."""
    found: dict[str, str] = {}
    for folder in FOLDERS:
        for name in host.names(folder):
            if name.endswith(".conf"):
                found.setdefault(name, f"{folder}/{name}")
    return [found[name] for name in sorted(found) if host.link(found[name]) != "/dev/null"]


def boot_lines(host: Host) -> list[Line]:
    return [line for path in boot_files(host) for line in parse(host.read(path) or "", path)]


def boot_value(lines: list[Line], path: str) -> Line | None:
    """The line that decides on a key at boot; None: none, the kernel's own value stays.

    A key that is named is left out of every glob.
    """
    named = [line for line in lines if line.pattern == path]
    if named:
        return named[-1] if named[-1].value is not None else None
    globs = [line for line in lines if line.value is not None and fnmatch.fnmatchcase(path, line.pattern)]
    return globs[-1] if globs else None


def part(context: Context) -> Part:
    wanted = context.wanted.get("sysctl")
    if wanted is None:
        return Part()
    keys = {str(key): normal(value) for key, value in wanted.items() if value is not None}
    host = context.host
    lines = boot_lines(host)
    settings: list[Setting] = []
    steps: list[Step] = []
    order = sorted(keys, key=lambda key: (key_path(key) not in _FIRST, key_path(key)))
    for key in order:
        made, step = _one(context, lines, key, keys[key])
        settings.append(made)
        if step is not None:
            steps.append(step)
    text = render(keys) if keys else None
    steps = [*file_steps("sysctl", f"write {PATH}" if text else f"remove {PATH}", PATH, host.read(PATH), text), *steps]
    return Part(tuple(settings), tuple(steps))


def _one(context: Context, lines: list[Line], key: str, wanted: str) -> tuple[Setting, Step | None]:
    path = key_path(key)
    name = path.replace(".", "\0").replace("/", ".").replace("\0", "/")
    file = f"/proc/sys/{path}"
    is_ = context.host.value(file)
    line = boot_value(lines, path)
    boot = NOT_SET if line is None else str(line.value)
    why = {} if line is None or line.file == PATH else {"boot": line.file}
    optional = key.startswith("-")
    if is_ is None and not context.host.exists(file):
        module = next((name for prefix, name in MODULES if path.startswith(prefix)), None)
        comes = module in (context.wanted.get("modules") or ())
        if optional and not comes:  # nothing to be set is as good
            as_good = {"runtime": True, "boot": True}
            return setting(f"sysctl.{name}", "sysctl", wanted, "not there", boot, equal=as_good), None
        reason = f"module {module} is not loaded" if module else "this kernel has no such key"
        made = setting(f"sysctl.{name}", "sysctl", wanted, "not there", boot, why={**why, "runtime": reason})
        return made, _write(name, file, is_, wanted) if comes else None
    made = setting(
        f"sysctl.{name}",
        "sysctl",
        wanted,
        is_,
        boot,
        why=why,
        unseen=f"{name}: the kernel does not let it be read",
    )
    return made, None if is_ is None or is_ == wanted else _write(name, file, is_, wanted)


def _write(name: str, file: str, is_: str | None, wanted: str) -> Step:
    return Step("sysctl", f"set {name} from {is_ or 'not there'} to {wanted}", "kernel", value=wanted, paths=(file,))
