"""/sys/devices/system/{cpu,node}: four sockets of 64 cores, two NUMA nodes each (Kunpeng 920 7265), and cpufreq.

Values that only a device shows (cache sizes, frequencies, distances) are those of public ``lscpu`` and
``numactl --hardware`` outputs of two-socket Kunpeng 920 machines, continued to four sockets; from memory.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from .arguments import Isolation
from .cpus import CpuSet, format_list, format_mask, parse_list
from .memory import Memory
from .tree import Attribute, Folder, Link, Node, fixed, line, refuse

GOVERNORS = ("conservative", "ondemand", "userspace", "powersave", "performance", "schedutil")
CACHES = (("1", "Data", "64K", 1), ("1", "Instruction", "64K", 1), ("2", "Unified", "512K", 1), ("3", "Unified", "", 0))
L3_KIB_PER_CORE = 1024
CLUSTER = 4  # cores that share an L3 tag
KHZ = {"cpuinfo_max_freq": 3000000, "cpuinfo_min_freq": 200000, "base_frequency": 3000000}
MOST_CPUS = 4096
NUMASTAT = ("numa_hit", "numa_miss", "numa_foreign", "interleave_hit", "local_node", "other_node")


@dataclass(frozen=True)
class NumaNode:
    number: int
    socket: int
    cpus: CpuSet
    mib: int


def numa_nodes(document: Mapping[str, Any]) -> list[NumaNode]:
    """From a node's document: its key ``numa``, without empty sockets; each die has half the DIMMs of its socket."""
    sockets = {number for number, cpu in enumerate(document["cpus"]) if cpu["present"]}
    rows = [row for row in document["numa"] if row["socket"] in sockets]
    found = []
    for row in rows:
        dies = sum(other["socket"] == row["socket"] for other in rows)
        mib = sum(dimm["capacity_mib"] for dimm in document["dimms"] if _fits(dimm, row["socket"]))
        found.append(NumaNode(row["node"], row["socket"], parse_list(row["cpus"], MOST_CPUS), mib // dies))
    return found


def _fits(dimm: Mapping[str, Any], socket: int) -> bool:
    return bool(dimm["present"]) and dimm["socket"] == socket


def distance(one: NumaNode, other: NumaNode) -> int:
    """10 itself, 12 the other die of the socket, then farther by socket and die."""
    if one.number == other.number:
        return 10
    if one.socket == other.socket:
        return 12
    return 20 + 2 * ((one.number % 2) + (other.number % 2)) + 4 * (abs(one.socket - other.socket) - 1)


class Processors:
    """Which CPUs there are, which are online, how they are governed."""

    def __init__(self, nodes: Sequence[NumaNode], isolated: Isolation, governor: str | None) -> None:
        self.nodes = list(nodes)
        self.node_of = {cpu: node for node in nodes for cpu in node.cpus}
        self.present: CpuSet = frozenset(self.node_of)
        self.count = max(self.present) + 1
        self.online = set(self.present)
        self.isolation = isolated
        default = governor if governor in GOVERNORS else "performance"  # what openEuler's kernel for arm64 starts with
        self.governor = dict.fromkeys(self.present, default)
        self.scaling = {cpu: {"scaling_min_freq": 200000, "scaling_max_freq": 3000000} for cpu in self.present}

    def list(self, cpus: Iterable[int]) -> str:
        """Those of them that are online, as a list."""
        return format_list(self.online.intersection(cpus))

    def mask(self, cpus: Iterable[int]) -> str:
        """Those of them that are online, as a mask."""
        return format_mask(self.online.intersection(cpus), self.count)

    def folder(self) -> Folder:
        """/sys/devices/system/cpu"""
        root = Folder()
        lists: dict[str, Callable[[], str]] = {
            "online": lambda: format_list(self.online),
            "offline": lambda: format_list(self.present - self.online),
            "present": lambda: format_list(self.present),
            "possible": lambda: format_list(self.present),
            "isolated": lambda: format_list(self.isolation.domain),
            "nohz_full": self._nohz_full,
        }  # fmt: skip
        for name, show in lists.items():
            root.put(name, line(show))
        root.put("kernel_max", fixed(MOST_CPUS - 1))
        root.put("smt/active", fixed(0))
        root.put("smt/control", fixed("notimplemented"))
        root.put("modalias", fixed("cpu:type:aarch64:feature:"))
        root.put("uevent", Attribute(lambda: "", lambda _: None, 0o200))
        for name in ("spectre_v2", "meltdown", "spec_store_bypass", "l1tf", "mds", "spectre_v1"):
            affected = name in ("spectre_v1",)
            text = "Mitigation: __user pointer sanitization" if affected else "Not affected"
            root.put(f"vulnerabilities/{name}", fixed(text))
        for cpu in sorted(self.present):
            root.put(f"cpu{cpu}", Folder(make=self._maker(cpu)))
            root.put(f"cpufreq/policy{cpu}", Folder(make=self._policy_maker(cpu)))
        return root

    def _nohz_full(self) -> str:
        found = self.isolation.nohz_full
        return "(null)" if found is None else format_list(found)  # "%*pbl" of no mask at all

    def _maker(self, cpu: int) -> Callable[[], Mapping[str, Node]]:
        return lambda: self._cpu(cpu)

    def _cpu(self, cpu: int) -> Mapping[str, Node]:
        node = self.node_of[cpu]
        package = frozenset(other for other in self.present if self.node_of[other].socket == node.socket)
        cluster = frozenset(other for other in package if other // CLUSTER == cpu // CLUSTER)
        folder = Folder()
        folder.put("online", Attribute(lambda: f"{int(cpu in self.online)}\n", lambda text: self._switch(cpu, text)))
        folder.put("cpufreq", Link(f"../cpufreq/policy{cpu}"))
        folder.put(f"node{node.number}", Link(f"../../node/node{node.number}"))
        folder.put(
            "uevent", Attribute(lambda: "DRIVER=processor\nMODALIAS=cpu:type:aarch64:feature:\n", lambda _: None)
        )
        own = frozenset({cpu})
        sets = {"thread_siblings": own, "core_cpus": own, "cluster_cpus": cluster}
        sets |= {"core_siblings": package, "package_cpus": package}
        for name, cpus in sets.items():
            folder.put(f"topology/{name}", line(self.mask, cpus))
            folder.put(f"topology/{name}_list", line(self.list, cpus))
        folder.put("topology/physical_package_id", fixed(node.socket))
        folder.put("topology/core_id", fixed(cpu - min(package)))
        folder.put("topology/cluster_id", fixed(cpu // CLUSTER))
        folder.put("topology/die_id", fixed(-1))
        for index, (level, kind, size, shared) in enumerate(CACHES):
            cpus = own if shared else node.cpus
            where = f"cache/index{index}"
            folder.put(f"{where}/level", fixed(level))
            folder.put(f"{where}/type", fixed(kind))
            folder.put(f"{where}/size", fixed(size or f"{L3_KIB_PER_CORE * len(node.cpus)}K"))
            folder.put(f"{where}/coherency_line_size", fixed(64 if shared else 128))
            folder.put(f"{where}/shared_cpu_list", line(self.list, cpus))
            folder.put(f"{where}/shared_cpu_map", line(self.mask, cpus))
        return folder.entries

    def _switch(self, cpu: int, text: str) -> None:
        """CPU hotplug; the last CPU stays (EBUSY)."""
        word = text.strip()
        if word not in ("0", "1"):
            raise refuse(errno.EINVAL)
        if word == "0":
            if self.online == {cpu}:
                raise refuse(errno.EBUSY)
            self.online.discard(cpu)
        else:
            self.online.add(cpu)

    def _policy_maker(self, cpu: int) -> Callable[[], Mapping[str, Node]]:
        return lambda: self._policy(cpu)

    def _policy(self, cpu: int) -> Mapping[str, Node]:
        def set_governor(text: str) -> None:
            # sscanf("%15s"): the first word counts
            word = "".join(text.split(maxsplit=1)[:1])[:15]
            if word not in GOVERNORS:
                raise refuse(errno.EINVAL)
            self.governor[cpu] = word

        entries: dict[str, Node] = {
            "scaling_governor": Attribute(lambda: f"{self.governor[cpu]}\n", set_governor),
            "scaling_available_governors": Attribute(lambda: " ".join(GOVERNORS) + " \n"),
            "scaling_driver": fixed("cppc_cpufreq"),
            "affected_cpus": fixed(cpu),
            "related_cpus": fixed(cpu),
            "scaling_cur_freq": line(self._frequency, cpu),
            "cpuinfo_cur_freq": Attribute(lambda: f"{self._frequency(cpu)}\n", None, 0o400),
            "scaling_setspeed": Attribute(lambda: "<unsupported>\n", lambda _: _refuse(errno.EINVAL)),
            **{name: fixed(value) for name, value in KHZ.items()},
        }
        for name in ("scaling_min_freq", "scaling_max_freq"):
            store = partial(self._set_frequency, cpu, name)
            entries[name] = Attribute(line(self.scaling[cpu].__getitem__, name).show, store)
        return entries

    def _set_frequency(self, cpu: int, name: str, text: str) -> None:
        if not text.strip().isdigit():
            raise refuse(errno.EINVAL)
        # A value beyond what the hardware does is brought within it (cpufreq_verify_within_limits).
        value = min(max(int(text), KHZ["cpuinfo_min_freq"]), KHZ["cpuinfo_max_freq"])
        self.scaling[cpu][name] = value

    def _frequency(self, cpu: int) -> int:
        name = "scaling_min_freq" if self.governor[cpu] == "powersave" else "scaling_max_freq"
        return self.scaling[cpu][name]


def _refuse(number: int) -> None:
    raise refuse(number)


def node_folder(processors: Processors, memory: Memory) -> Folder:
    """/sys/devices/system/node"""
    nodes = processors.nodes
    everything = format_list(node.number for node in nodes)
    root = Folder()
    for name in ("online", "possible", "has_cpu", "has_memory", "has_normal_memory"):
        root.put(name, fixed(everything))
    for node in nodes:
        cpus = node.cpus
        where = f"node{node.number}"
        root.put(f"{where}/cpulist", line(processors.list, cpus))
        root.put(f"{where}/cpumap", line(processors.mask, cpus))
        root.put(f"{where}/distance", fixed(" ".join(str(distance(node, other)) for other in nodes)))
        root.put(f"{where}/meminfo", Attribute(partial(memory.node_meminfo, node.number)))
        root.put(f"{where}/numastat", fixed("\n".join(f"{name} 0" for name in NUMASTAT)))
        root.put(f"{where}/hugepages", memory.node_huge_pages(node.number))
        for cpu in sorted(cpus):
            root.put(f"{where}/cpu{cpu}", Link(f"../../cpu/cpu{cpu}"))
    return root
