"""The programs that make system calls which only a kernel of one's own could answer: swap, modules, SELinux.

The real ones would reach the kernel of the machine below. Each call is a line written to the simulated kernel.
"""

from __future__ import annotations

import errno
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from .boot import MOUNT
from .modules import AVAILABLE, NPU_DRIVER

ROOT = Path("/")
VOLUMES = {"/dev/mapper/openeuler-swap": "/dev/dm-1", "/dev/openeuler/swap": "/dev/dm-1", "/dev/dm-1": "/dev/dm-1"}
VOLUME_KIB = 4194300
MODPROBE_FOLDERS = ("etc/modprobe.d", "run/modprobe.d", "usr/lib/modprobe.d")
LOAD_FOLDERS = ("etc/modules-load.d", "run/modules-load.d", "usr/lib/modules-load.d")


def call(name: str, *words: str) -> None:
    """One system call; OSError with the kernel's errno."""
    handle = os.open(ROOT / str(MOUNT).lstrip("/") / "call" / name, os.O_WRONLY)
    try:
        os.write(handle, " ".join(words).encode())
    finally:
        os.close(handle)


def complain(program: str, text: str) -> None:
    print(f"{program}: {text}", file=sys.stderr)


# --- swap -------------------------------------------------------------------------------------------------------------


def fstab_swaps() -> Iterator[tuple[str, str]]:
    """``(device, options)`` of the swap lines of /etc/fstab."""
    try:
        text = (ROOT / "etc/fstab").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        fields = line.split("#", 1)[0].split()
        if len(fields) >= 3 and fields[2] == "swap":
            yield fields[0], fields[3] if len(fields) > 3 else "defaults"


def active_swaps() -> list[list[str]]:
    """The rows of /proc/swaps."""
    return [line.split() for line in (ROOT / "proc/swaps").read_text(encoding="utf-8").splitlines()[1:]]


def swapon(words: Sequence[str]) -> int:
    if not words or any(word.startswith(("-s", "--s")) for word in words):
        return _show_swaps(words)
    priority = next((options[1] for options in pairwise(words) if options[0] in ("-p", "--priority")), "")
    if "-a" in words or "--all" in words:
        code = 0
        known = {row[0] for row in active_swaps()}
        for device, options in fstab_swaps():
            if "noauto" not in options.split(",") and VOLUMES.get(device, device) not in known:
                found = re.search(r"\bpri=(\d+)", options)
                code |= _swap_on(device, found[1] if found else "")
        return code
    devices = [word for word in words if not word.startswith("-") and word != priority]
    return max((_swap_on(device, priority) for device in devices), default=0)


def _swap_on(device: str, priority: str) -> int:
    name = VOLUMES.get(device, device)
    if name in VOLUMES:
        kind, size = "partition", VOLUME_KIB
    else:
        path = ROOT / device.lstrip("/")
        if not path.is_file():
            complain("swapon", f"cannot open {device}: No such file or directory")
            return 255
        kind, size = "file", path.stat().st_size // 1024 - 4
    try:
        call("swapon", name, kind, str(size), *([priority] if priority else []))
    except OSError as error:
        complain("swapon", f"{device}: swapon failed: {error.strerror}")
        return 255
    return 0


def _show_swaps(words: Sequence[str]) -> int:
    rows = active_swaps()
    if any(word in ("-s", "--summary") for word in words):
        if rows:
            sys.stdout.write((ROOT / "proc/swaps").read_text(encoding="utf-8"))
        return 0
    columns = next((word.partition("=")[2] for word in words if word.startswith("--show=")), "NAME,TYPE,SIZE,USED,PRIO")
    indexes = {"NAME": 0, "TYPE": 1, "SIZE": 2, "USED": 3, "PRIO": 4}
    names = [name for name in columns.upper().split(",") if name in indexes]
    table = [] if "--noheadings" in words or not rows else [names]
    in_bytes = "--bytes" in words
    for row in rows:
        values = list(row)
        values[2:4] = [str(int(value) * 1024) if in_bytes else _human(int(value)) for value in row[2:4]]
        table.append([values[indexes[name]] for name in names])
    widths = [max(len(line[at]) for line in table) for at in range(len(names))] if table else []
    for line in table:
        print(" ".join(f"{text:<{width}}" for text, width in zip(line, widths, strict=True)).rstrip())
    return 0


def _human(kib: int) -> str:
    value, units = float(kib), iter("KMGT")
    unit = next(units)
    while value >= 1024:
        value, unit = value / 1024, next(units)
    return "0B" if kib == 0 else f"{value:.1f}".removesuffix(".0") + unit


def swapoff(words: Sequence[str]) -> int:
    code = 0
    every = "-a" in words or "--all" in words
    devices = [row[0] for row in active_swaps()] if every else [word for word in words if not word.startswith("-")]
    for device in devices:
        try:
            call("swapoff", VOLUMES.get(device, device))
        except OSError as error:
            code = 4
            complain("swapoff", f"{device}: swapoff failed: {error.strerror}")
    return code


# --- modules ----------------------------------------------------------------------------------------------------------


def _lines(folders: Sequence[str]) -> Iterator[list[str]]:
    """Words of the lines of all ``*.conf``, in the order of their names; a name counts once, /etc first."""
    files: dict[str, Path] = {}
    for folder in folders:
        for path in sorted((ROOT / folder).glob("*.conf")):
            files.setdefault(path.name, path)
    for name in sorted(files):
        try:
            text = files[name].read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # a link to /dev/null: masked
        for line in text.splitlines():
            if line.strip() and line.strip()[0] not in "#;":
                yield line.split()


def modprobe(words: Sequence[str]) -> int:
    options = [word for word in words if word.startswith("-")]
    names = [word for word in words if not word.startswith("-")]
    flags = set("".join(word[1:] for word in options if not word.startswith("--")))
    flags |= {word[2] for word in options if word.startswith("--")}
    if not names:
        complain("modprobe", "FATAL: missing parameters. See -h.")
        return 1
    if "r" in flags:
        return max(rmmod([name]) for name in names)
    modules, parameters = (names, []) if "a" in flags else (names[:1], names[1:])
    return max(_load(name, parameters, flags) for name in modules)


def _load(name: str, parameters: Sequence[str], flags: set[str]) -> int:
    wanted = name.replace("-", "_")
    rows = list(_lines(MODPROBE_FOLDERS))
    mine = [row for row in rows if len(row) > 1 and row[1].replace("-", "_") == wanted]
    if "b" in flags and any(row[0] == "blacklist" for row in mine):
        return 0
    for row in mine:
        if row[0] == "install" and "i" not in flags:
            return subprocess.run(["/bin/sh", "-c", " ".join(row[2:])], check=False).returncode
    if "n" in flags or "D" in flags:
        known = wanted in AVAILABLE or wanted in NPU_DRIVER
        return 0 if known or "q" in flags else _no_module(name)
    given = [word for row in mine if row[0] == "options" for word in row[2:]]
    try:
        call("modprobe", wanted, *given, *parameters)
    except OSError as error:
        if error.errno == errno.ENOENT:
            return 1 if "q" in flags else _no_module(name)
        complain("modprobe", f"ERROR: could not insert '{name}': {error.strerror}")
        return 1
    return 0


def _no_module(name: str) -> int:
    complain("modprobe", f"FATAL: Module {name} not found in directory /lib/modules/{platform.release()}")
    return 1


def rmmod(words: Sequence[str]) -> int:
    code = 0
    reasons = {
        errno.ENOENT: "Module {0} is not currently loaded",
        errno.EWOULDBLOCK: "Module {0} is in use",
        errno.EBUSY: "Module {0} is builtin",
    }
    for name in (word for word in words if not word.startswith("-")):
        try:
            call("rmmod", name)
        except OSError as error:
            code = 1
            complain("rmmod", "ERROR: " + reasons.get(error.errno or 0, f"{{0}}: {error.strerror}").format(name))
    return code


def modinfo(words: Sequence[str]) -> int:
    wanted = [word for word in words if not word.startswith("-")]
    field = wanted.pop(0) if "-F" in words and len(wanted) > 1 else None
    code = 0
    for name in wanted:
        module = (AVAILABLE | NPU_DRIVER).get(name.replace("-", "_"))
        if module is None:
            print(f"modinfo: ERROR: Module {name} not found.", file=sys.stderr)
            code = 1
            continue
        where = f"/lib/modules/{platform.release()}/kernel/{name}.ko.xz"
        rows = {"filename": where, "license": "GPL", "depends": ",".join(module[1]), "name": name}
        rows["vermagic"] = f"{platform.release()} SMP mod_unload modversions aarch64"
        for key, value in rows.items():
            if field in (None, key):
                print(value if field else f"{key + ':':<16}{value}")
    return code


def lsmod(_: Sequence[str]) -> int:
    """The real one reads /proc/modules, which a kernel below that loads no modules does not have."""
    text = (ROOT / str(MOUNT).lstrip("/") / "proc/modules").read_text(encoding="utf-8")
    print("Module                  Size  Used by")
    for line in text.splitlines():
        name, size, count, users, *_rest = line.split()
        print(f"{name:<23} {size:>8}  {count} {users.strip(',-')}".rstrip())
    return 0


def modules_load(_: Sequence[str]) -> int:
    """systemd-modules-load: /etc/modules-load.d and modules_load= of the command line."""
    line = (ROOT / "proc/cmdline").read_text(encoding="utf-8")
    given = [name for found in re.findall(r"\b(?:rd\.)?modules[_-]load=(\S+)", line) for name in found.split(",")]
    codes = [_load(name, [], {"b"}) for name in [*given, *(row[0] for row in _lines(LOAD_FOLDERS))]]
    return max(codes, default=0)


# --- SELinux ----------------------------------------------------------------------------------------------------------

ENFORCE = "sys/fs/selinux/enforce"


def getenforce(_: Sequence[str]) -> int:
    path = ROOT / ENFORCE
    if not path.exists():
        print("Disabled")
    else:
        print("Enforcing" if path.read_text(encoding="ascii").strip() == "1" else "Permissive")
    return 0


def setenforce(words: Sequence[str]) -> int:
    values = {"1": "1", "enforcing": "1", "0": "0", "permissive": "0"}
    value = values.get(words[0].lower()) if len(words) == 1 else None
    if value is None:
        print("usage:  setenforce [ Enforcing | Permissive | 1 | 0 ]", file=sys.stderr)
        return 1
    path = ROOT / ENFORCE
    if not path.exists():
        print("setenforce: SELinux is disabled", file=sys.stderr)
        return 1
    try:
        path.write_text(value, encoding="ascii")
    except OSError:
        print("setenforce:  setenforce() failed", file=sys.stderr)
        return 1
    return 0


# --- GRUB -------------------------------------------------------------------------------------------------------------


def grub_probe(words: Sequence[str]) -> int:
    """Answers for grub-mkconfig where a real one looks at disks: /boot on sda2, / on a logical volume, UEFI."""
    target = next((word.partition("=")[2] for word in words if word.startswith(("--target=", "-t="))), "")
    for flag, value in pairwise(words):
        if flag in ("-t", "--target"):
            target = value
    in_boot = any(word.startswith("/boot") or word == "/dev/sda2" for word in words)
    answers = {
        "device": "/dev/sda2" if in_boot else "/dev/mapper/openeuler-root",
        "fs_uuid": "5ad1d1a7-4a3c-4f7e-8f0e-6f1b6a0c2f11" if in_boot else "c2f6f9de-0b1b-4c0e-9d4a-1f8b9a7e5d22",
        "fs": "ext2",
        "abstraction": "" if in_boot else "lvm",
        "partmap": "gpt",
        "drive": "(hd0,gpt2)" if in_boot else "(lvm/openeuler-root)",
        "compatibility_hint": "hd0,gpt2" if in_boot else "lvm/openeuler-root",
        "hints_string": "--hint-efi=hd0,gpt2" if in_boot else "--hint='lvm/openeuler-root'",
        "cryptodisk_uuid": "",
    }
    if target not in answers:
        return 1
    print(answers[target])
    return 0


def grub_mkrelpath(words: Sequence[str]) -> int:
    """A path as GRUB sees it: /boot is a file system of its own."""
    path = os.path.realpath(next(word for word in words if not word.startswith("-")))
    print(re.sub(r"^/boot(?=/|$)", "", path))
    return 0


def grub_editenv(words: Sequence[str]) -> int:
    """The real one looks below /boot/grub when it is told no file."""
    given = [word for word in words if not word.startswith("--")]
    if given[:1] == ["-"]:
        given = given[1:]
    if given[:1] and given[0] in ("create", "list", "set", "unset"):
        given = ["/boot/grub2/grubenv", *given]
    return subprocess.run(["/usr/lib/npuforge-twin/grub-editenv", *given], check=False).returncode


PROGRAMS: dict[str, Callable[[Sequence[str]], int]] = {
    "swapon": swapon,
    "swapoff": swapoff,
    "modprobe": modprobe,
    "rmmod": rmmod,
    "modinfo": modinfo,
    "lsmod": lsmod,
    "modules-load": modules_load,
    "getenforce": getenforce,
    "setenforce": setenforce,
    "grub2-probe": grub_probe,
    "grub2-mkrelpath": grub_mkrelpath,
    "grub2-editenv": grub_editenv,
}


def main(program: str, words: Sequence[str]) -> int:
    """``program`` by the name it was called with."""
    if program == "udevadm":
        from .udev import main as udevadm  # noqa: PLC0415  (modprobe is called often and needs none of it)

        return udevadm(words)
    try:
        return PROGRAMS[program](words)
    except PermissionError:
        complain(program, "Operation not permitted")
        return 1
