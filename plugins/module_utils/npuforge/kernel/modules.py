"""Kernel modules: loaded now by modprobe, at boot by modules-load.d(5)."""

from __future__ import annotations

import re

from .context import Context
from .host import Host
from .model import NOT_SET, Part, Setting, Step, file_steps, setting

PATH = "/etc/modules-load.d/npuforge.conf"
HEAD = "# Written by npuforge. Changes here are replaced by the next run.\n"
_FOLDERS = ("/etc/modules-load.d", "/run/modules-load.d", "/usr/local/lib/modules-load.d", "/usr/lib/modules-load.d")
_BLACKLISTS = ("/etc/modprobe.d", "/run/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d")


def canonical(name: str) -> str:
    return name.strip().replace("-", "_")


def loaded(host: Host, name: str) -> bool | None:
    """Whether a module is loaded or part of the kernel; None: cannot be seen.

    /sys/module has every loaded module, and of those that are part of the kernel the ones with parameters.
    """
    text = host.read("/proc/modules")
    if text is not None and canonical(name) in {line.split(" ", 1)[0] for line in text.splitlines()}:
        return True
    if host.is_folder(f"/sys/module/{canonical(name)}") or built_in(host, name):
        return True
    return None if text is None and not host.names("/sys/module") else False


def built_in(host: Host, name: str) -> bool:
    release = host.value("/proc/sys/kernel/osrelease")
    if release is None:
        return False
    for folder in (f"/lib/modules/{release}", f"/usr/lib/modules/{release}"):
        listed = host.read(f"{folder}/modules.builtin")
        if listed is not None:
            names = {canonical(line.rsplit("/", 1)[-1].split(".ko")[0]) for line in listed.splitlines()}
            return canonical(name) in names
    return False


def part(context: Context) -> Part:
    given = context.wanted.get("modules")
    if given is None:
        return Part()
    host = context.host
    wanted = sorted({canonical(str(name)) for name in given})
    listed = _listed(host)
    banned = _blacklisted(host)
    settings: list[Setting] = []
    steps: list[Step] = []
    for name in wanted:
        is_ = loaded(host, name)
        built = built_in(host, name)
        boot, why = ("loaded", {}) if built or name in listed else (NOT_SET, {})
        if name in banned and not built:
            boot, why = "blacklisted", {"boot": banned[name]}
        runtime = None if is_ is None else "loaded" if is_ else "not loaded"
        settings.append(
            setting(
                f"modules.{name}",
                "modules",
                "loaded",
                runtime,
                boot,
                why=why,
                unseen="modules: neither /proc/modules nor /sys/module can be read",
            )
        )
        if is_ is False:
            argv, undo = ("modprobe", name), ("modprobe", "-r", name)
            steps.append(Step("modules", f"load module {name}", "run", argv=argv, undo=undo))
    text = HEAD + "".join(f"{name}\n" for name in wanted) if wanted else None
    words = f"write {PATH}" if text else f"remove {PATH}"
    return Part(tuple(settings), (*file_steps("modules", words, PATH, host.read(PATH), text), *steps))


def _listed(host: Host) -> set[str]:
    files: dict[str, str] = {}
    for folder in _FOLDERS:
        for name in host.names(folder):
            if name.endswith(".conf"):
                files.setdefault(name, f"{folder}/{name}")
    found = set()
    for path in files.values():
        for line in (host.read(path) or "").splitlines():
            row = line.strip()
            if row and row[0] not in "#;":
                found.add(canonical(row))
    return found


def _blacklisted(host: Host) -> dict[str, str]:
    """Module -> file that keeps systemd from loading it at boot."""
    found: dict[str, str] = {}
    for folder in _BLACKLISTS:
        for name in host.names(folder):
            if name.endswith(".conf"):
                text = host.read(f"{folder}/{name}") or ""
                for match in re.finditer(r"^\s*blacklist\s+(\S+)", text, re.MULTILINE):
                    found.setdefault(canonical(match.group(1)), f"{folder}/{name}")
    return found
