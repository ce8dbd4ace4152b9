"""Puts a node's kernel together: from its document (hardware), its command line and its files to all that it serves."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from .arguments import Arguments, isolation
from .block import Disks
from .cpus import parse_list
from .devices import Interrupts, driver_loaded, iommu_folder, npus_seen, nvme_addresses, pci_devices, pci_folder
from .memory import Memory
from .modules import Modules
from .sysctl import Below, Sysctl
from .topology import Processors, node_folder, numa_nodes
from .tree import Attribute, Folder, Number, fixed, refuse

CALLS = "call"  # what takes the place of system calls: swapon(2), init_module(2), ...


class Machine:
    """One node's kernel. ``root``: what it serves, with ``proc``, ``sys`` and ``call`` in it.

    ``below``: the kernel of the machine below; ``etc``: the node's /etc; ``restart(kind)`` ends the node at once
    (``b`` restart, ``o`` off), for SysRq.
    """

    def __init__(
        self,
        document: Mapping[str, Any],
        command_line: str,
        below: Below,
        etc: Path = Path("/etc"),
        restart: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.command_line = command_line
        arguments = Arguments(command_line)
        nodes = numa_nodes(document)
        count = max(max(node.cpus) for node in nodes) + 1
        self.isolation = isolation(arguments, count)
        self.processors = Processors(nodes, self.isolation, arguments.get("cpufreq.default_governor"))
        self.memory = Memory({node.number: node.mib for node in nodes}, arguments)
        self.devices = pci_devices(document, nodes)
        npus_seen(self.devices, document)
        self.interrupts = Interrupts(self.devices, self.processors, _irq_affinity(arguments, count))
        self.disks = Disks(document["drives"], nvme_addresses(document["drives"]))
        self.modules = Modules(driver_loaded(document))
        self.sysctl = Sysctl(below, arguments, self.memory, self.processors)
        self.root = Folder()
        self._proc(restart)
        put = self.root.put
        put("sys/devices/system/cpu", self.processors.folder())
        put("sys/devices/system/node", node_folder(self.processors, self.memory))
        put("sys/kernel/mm", self.memory.folder())
        self.iommu = iommu(arguments)
        put("sys/block", self.disks.block_folder())
        put("sys/class/block", self.disks.class_folder())
        put("sys/dev/block", self.disks.device_folder())
        self._bus()
        put("sys/module", self.modules.root)
        put("sys/fs", self._file_systems(arguments, etc))
        self._calls()

    def update(self, document: Mapping[str, Any]) -> None:
        """The hardware has changed while the system runs: NPUs and drives that went, a driver that was loaded."""
        npus_seen(self.devices, document)
        self.modules.drive(driver_loaded(document))
        self.disks.refresh(document["drives"])
        self.interrupts.refresh()
        self._bus()

    def _bus(self) -> None:
        self.root.put("sys/bus/pci", pci_folder(self.devices, self.processors))
        self.root.put("sys/kernel/iommu_groups", iommu_folder(self.devices, self.iommu))

    def _proc(self, restart: Callable[[str], None]) -> None:
        put = self.root.put
        put("proc/sys", self.sysctl.root)
        shown: dict[str, Callable[[], str]] = {
            "cmdline": lambda: self.command_line + "\n",
            "interrupts": self.interrupts.show,
            "meminfo": self.memory.meminfo,
            "modules": self.modules.show,
            "partitions": self.disks.proc_partitions,
            "swaps": self.memory.show_swaps,
        }
        for name, show in shown.items():
            put(f"proc/{name}", Attribute(show))
        put("proc/irq", self.interrupts.folder())

        def sysrq(text: str) -> None:
            if text[:1] in ("b", "o", "c"):
                restart("b" if text[0] == "c" else text[0])

        put("proc/sysrq-trigger", Attribute(lambda: "", sysrq, 0o200))

    def _file_systems(self, arguments: Arguments, etc: Path) -> Folder:
        """/sys/fs: places where others are mounted, and selinuxfs when SELinux is on."""
        root = Folder({name: Folder() for name in ("bpf", "cgroup", "pstore", "selinux")})
        root.put("fuse/connections", Folder())
        root.put("ext4/features/lazy_itable_init", fixed("supported"))
        mode = selinux(arguments, etc)
        if mode is not None:
            root.put("selinux/enforce", _digit(Number(int(mode == "enforcing"), 0, 1)))
            for name, value in {"policyvers": 33, "mls": 1, "deny_unknown": 0, "checkreqprot": 0}.items():
                root.put(f"selinux/{name}", Attribute(partial(str, value)))
        return root

    def _calls(self) -> None:
        """``<verb> <arguments>`` written to call/<name>; a refusal is the errno of the system call."""
        verbs: dict[str, Callable[[list[str]], None]] = {
            "swapon": self._swap_on,
            "swapoff": lambda words: self.memory.swap_off(_only(words)),
            "modprobe": lambda words: self.modules.load(words[0], dict(_pair(word) for word in words[1:])),
            "rmmod": lambda words: self.modules.unload(_only(words)),
        }
        for name, call in verbs.items():
            self.root.put(f"{CALLS}/{name}", Attribute(lambda: "", partial(_call, call), 0o200))

    def _swap_on(self, words: list[str]) -> None:
        """``<path> <kind> <KiB> [<priority>]``"""
        if len(words) not in (3, 4) or not words[2].isdigit():
            raise refuse(errno.EINVAL)
        self.memory.swap_on(words[0], words[1], int(words[2]), int(words[3]) if len(words) == 4 else None)


def _call(verb: Callable[[list[str]], None], text: str) -> None:
    verb(text.split() or [""])


def _only(words: list[str]) -> str:
    if len(words) != 1:
        raise refuse(errno.EINVAL)
    return words[0]


def _pair(word: str) -> tuple[str, str]:
    name, _, value = word.partition("=")
    return name, value


def _digit(number: Number) -> Attribute:
    """selinuxfs ends its values without a newline."""
    return Attribute(lambda: str(number.value), number.store)


def _irq_affinity(arguments: Arguments, count: int) -> frozenset[int] | None:
    try:
        return parse_list(arguments.get("irqaffinity") or "", count) or None
    except ValueError:
        return None


def iommu(arguments: Arguments) -> str | None:
    """The kind of domain that devices start in: ``identity`` with passthrough. None: no IOMMU (iommu=off)."""
    words = (arguments.get("iommu") or "").split(",")
    if "off" in words:
        return None
    passthrough = arguments.enabled("iommu.passthrough")
    if passthrough is None:
        passthrough = "pt" in words
    if passthrough:
        return "identity"
    return "DMA-FQ" if arguments.enabled("iommu.strict") is False else "DMA"


def selinux(arguments: Arguments, etc: Path) -> str | None:
    """``enforcing``, ``permissive``, or None: off, by the kernel's command line or /etc/selinux/config."""
    if arguments.enabled("selinux") is False:
        return None
    try:
        text = (etc / "selinux" / "config").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    found = re.findall(r"^\s*SELINUX=\s*(\w+)", text, re.MULTILINE)
    mode = found[-1].lower() if found else "disabled"
    if mode not in ("enforcing", "permissive"):
        return None
    forced = arguments.enabled("enforcing")
    return mode if forced is None else "enforcing" if forced else "permissive"


def real_kernel(path: str = "/proc/sys") -> Below:
    """The kernel of the machine below; the descriptor stays good whatever is mounted over the path later."""
    return Below(os.open(path, os.O_RDONLY | os.O_DIRECTORY))
