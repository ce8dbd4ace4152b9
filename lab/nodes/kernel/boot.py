"""The first process of a node: firmware, GRUB, the simulated kernel, and then systemd in its place.

It runs before systemd, which itself writes to /proc/sys while it starts. What it says goes to the container's console
(``podman logs``). A machine that cannot boot stays where it is, with power and without a system.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .grub import start
from .grub_script import GrubError

MOUNT = Path("/run/npuforge-twin-kernel")
WORLD = Path("/opt/npuforge-twin/nodes")
BOOT = Path("/boot")
CONFIGURE = ("/usr/sbin/grub2-mkconfig", "-o", "/boot/grub2/grub.cfg")
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
MNT_DETACH = 2
# What is bound over the real thing, where there is a real thing to be covered.
PLACES = (
    *("proc/cmdline", "proc/interrupts", "proc/irq", "proc/meminfo", "proc/modules", "proc/partitions", "proc/swaps"),
    *("proc/sysrq-trigger", "sys/block", "sys/bus/pci", "sys/class/block", "sys/dev/block", "sys/devices/system/cpu"),
    *("sys/devices/system/node", "sys/kernel/iommu_groups", "sys/kernel/mm", "sys/module", "sys/fs"),
)
SYSCTL = ("vm", "kernel", "fs", "dev", "debug", "user", "abi", "crypto", "sunrpc", "net/core")
# Of the real /sys these stay writable: the container's own network devices, and where others are mounted.
OWN_DEVICES = "sys/devices/virtual/net"
CGROUPS = "sys/fs/cgroup"
WORLD_WAIT = 10.0


def libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def document(node: str) -> dict[str, Any]:
    """The truth about this server."""
    found: dict[str, Any] = json.loads((WORLD / f"{node}.json").read_text(encoding="utf-8"))
    return found


def main(arguments: Sequence[str]) -> None:
    """``arguments``: the program that is started when all is ready."""
    node = os.uname().nodename
    if document(node).get("kernel_boot") == "hangs":
        hang("the self-test ended; no operating system starts")
    try:
        deliver(os.uname().release)
        begun = start(BOOT)
    except (GrubError, OSError) as error:
        hang(str(error))
    say(f"Booting {begun.entry!r}: {begun.command_line}")
    try:
        own_name()
        serve(node, begun.command_line)
        cover()
    except (OSError, RuntimeError) as error:
        # Going on would let the node's programs write to the kernel of the machine below.
        hang(f"Kernel panic - not syncing: {error}")
    # It becomes the first process of the system, so no shell may stand between.
    os.execv(arguments[0], [*arguments, *for_init(begun.command_line)])  # noqa: S606  (see above)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def hang(text: str) -> None:
    """Power without a system; only the power button helps."""
    say(text)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while True:
        signal.pause()


def deliver(release: str) -> None:
    """The kernel's files. Which kernel runs is the machine's below, so the files are named after it."""
    if (BOOT / f"vmlinuz-{release}").exists():
        return
    for old in [*BOOT.glob("vmlinuz-*"), *BOOT.glob("initramfs-*.img"), *BOOT.glob("config-*")]:
        old.unlink()
    (BOOT / f"vmlinuz-{release}").write_text("npuforge twin: a simulated kernel\n", encoding="utf-8")
    (BOOT / f"initramfs-{release}.img").write_text("npuforge twin: a simulated initramfs\n", encoding="utf-8")
    (BOOT / f"config-{release}").write_text("CONFIG_NO_HZ_FULL=y\nCONFIG_CPU_ISOLATION=y\n", encoding="utf-8")
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
    done = subprocess.run(CONFIGURE, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        say(f"grub2-mkconfig: {done.stderr.strip()}")


def own_name() -> None:
    """/etc/hostname becomes the node's own file, in place of podman's, so that it can be replaced and stays."""
    path = Path("/etc/hostname")
    name = path.read_text(encoding="utf-8") if path.exists() else os.uname().nodename + "\n"
    while libc().umount2(str(path).encode(), MNT_DETACH) == 0:
        pass
    if not path.exists() or not path.read_text(encoding="utf-8").strip():
        path.write_text(name, encoding="utf-8")
        path.chmod(0o644)


def serve(node: str, command_line: str) -> None:
    """Start the server and wait until its file system is mounted. RuntimeError: it ended."""
    MOUNT.mkdir(parents=True, exist_ok=True)
    heard, ready = os.pipe()
    if os.fork() == 0:
        os.close(heard)
        os.set_inheritable(ready, True)
        os.setsid()
        library = next(Path("/usr/lib").glob("*/libfuse.so.2"))
        environment = {**os.environ, "FUSE_LIBRARY_PATH": str(library), "PYTHONPATH": str(Path(__file__).parents[1])}
        module = f"{__package__}.server"
        # systemd ends everything at shutdown but what calls itself "@...": a kernel lives as long as its system.
        os.execve(  # noqa: S606  (a shell would keep the name)
            sys.executable,
            ["@npuforge-twin-kernel", "-S", "-c", START.format(module=module), node, command_line, str(ready)],
            environment,
        )
    os.close(ready)
    with os.fdopen(heard, "rb") as stream:
        if not stream.read(1):
            raise RuntimeError("the simulated kernel did not start")


START = (
    "import sys; sys.path.insert(1, '/usr/lib/python3/dist-packages'); from {module} import main; main(*sys.argv[1:])"
)


def mount(source: str, target: str, flags: int, kind: str | None = None) -> None:
    arguments = (source.encode(), target.encode(), kind.encode() if kind else None, ctypes.c_ulong(flags), None)
    if libc().mount(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"mount {source} {target}: {os.strerror(number)}")


def cover() -> None:
    """Bind the simulated over the real. What is left of the real /sys becomes read-only."""
    spare = MOUNT.with_name(f"{MOUNT.name}-spare")
    spare.mkdir(exist_ok=True)
    mount(f"/{CGROUPS}", str(spare), MS_BIND | MS_REC)
    own = Path(f"/{OWN_DEVICES}")
    if own.exists():
        mount(str(own), str(own), MS_BIND)
    mount("", "/sys", MS_REMOUNT | MS_BIND | MS_RDONLY)
    for place in (*PLACES, *(f"proc/sys/{name}" for name in SYSCTL)):
        if Path(f"/{place}").exists() and (MOUNT / place).exists():
            mount(f"{MOUNT}/{place}", f"/{place}", MS_BIND)
    mount(str(spare), f"/{CGROUPS}", MS_BIND | MS_REC)
    libc().umount2(str(spare).encode(), MNT_DETACH)
    spare.rmdir()


def for_init(command_line: str) -> Iterator[str]:
    """The words that systemd looks for; in a container it reads its own arguments in their place."""
    for word in command_line.split():
        if word.startswith("systemd.") or re.fullmatch(r"single|s|[1-5]|emergency|rescue", word):
            yield word


if __name__ == "__main__":
    main(sys.argv[1:])
