"""Memory: /sys/kernel/mm (transparent and reserved huge pages), /proc/meminfo and /proc/swaps."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass

from .arguments import Arguments
from .tree import Attribute, Choice, Folder, Number, fixed, line, numbers, refuse

PAGE_KIB = (64, 2048, 32768, 1048576)  # of arm64 with pages of 4 KiB
DEFAULT_KIB = 2048
ENABLED = ("always", "madvise", "never")
DEFRAG = ("always", "defer", "defer+madvise", "madvise", "never")
SIZES = {"k": 1, "m": 1024, "g": 1048576}
USED_SHARE = 0.012  # of the memory, by the system itself


@dataclass
class Swap:
    kind: str
    size_kib: int
    priority: int


class Memory:
    """``mib`` by NUMA node. What the command line reserves is there from the start."""

    def __init__(self, mib: Mapping[int, int], arguments: Arguments) -> None:
        self.kib = {node: amount * 1024 for node, amount in mib.items()}
        # pages[size][node]
        self.pages = {size: dict.fromkeys(self.kib, 0) for size in PAGE_KIB}
        self.overcommit = dict.fromkeys(PAGE_KIB, 0)
        self.swaps: dict[str, Swap] = {}
        given = arguments.get("transparent_hugepage")
        self.enabled = Choice(ENABLED, given if given in ENABLED else "always")
        self.defrag = Choice(DEFRAG, "madvise")
        self.shmem = Choice(("always", "within_size", "advise", "never", "deny", "force"), "never")
        self.default_kib = DEFAULT_KIB
        self._reserve(arguments)

    def _reserve(self, arguments: Arguments) -> None:
        """hugepagesz=, hugepages= and default_hugepagesz=, which mean something by their order."""
        size = None
        for name, value in arguments.given:
            if name in ("hugepagesz", "default_hugepagesz"):
                found = page_kib(value or "")
                size = found if found in self.pages else 0
                if name == "default_hugepagesz" and size:
                    self.default_kib = size
            elif name == "hugepages" and value and value.isdigit():
                wanted = self.default_kib if size is None else size
                if wanted:
                    self.reserve(wanted, int(value))

    @property
    def total_kib(self) -> int:
        return sum(self.kib.values())

    def _free(self, node: int) -> int:
        reserved = sum(size * pages[node] for size, pages in self.pages.items())
        return self.kib[node] - int(self.kib[node] * USED_SHARE) - reserved

    def reserve(self, size: int, wanted: int, node: int | None = None) -> None:
        """As many pages as there is memory for, evenly over the nodes; without a word when it is less than wanted."""
        pages = self.pages[size]
        nodes = list(pages) if node is None else [node]
        for number in nodes:
            pages[number] = 0
        room = {number: self._free(number) // size for number in nodes}
        left = min(wanted, sum(room.values()))
        while left:
            open_nodes = [number for number in nodes if room[number]]
            share = max(left // len(open_nodes), 1)
            for number in open_nodes:
                taken = min(share, room[number], left)
                pages[number] += taken
                room[number] -= taken
                left -= taken

    def folder(self) -> Folder:
        """/sys/kernel/mm"""
        root = Folder()
        huge = "transparent_hugepage"
        root.put(f"{huge}/enabled", self.enabled.attribute())
        root.put(f"{huge}/defrag", self.defrag.attribute())
        root.put(f"{huge}/shmem_enabled", self.shmem.attribute())
        root.put(f"{huge}/use_zero_page", Number(1, 0, 1).attribute())
        root.put(f"{huge}/hpage_pmd_size", fixed(DEFAULT_KIB * 1024))
        khugepaged = {"defrag": (1, 1), "pages_to_scan": (4096, 2**32 - 1), "scan_sleep_millisecs": (10000, 2**32 - 1)}
        khugepaged |= {"alloc_sleep_millisecs": (60000, 2**32 - 1), "max_ptes_none": (511, 511)}
        khugepaged |= {"max_ptes_swap": (64, 511), "max_ptes_shared": (256, 511)}
        for name, (value, high) in khugepaged.items():
            root.put(f"{huge}/khugepaged/{name}", Number(value, 0, high).attribute())
        for name in ("full_scans", "pages_collapsed"):
            root.put(f"{huge}/khugepaged/{name}", fixed(0))
        for size in self.pages:
            where = f"hugepages/hugepages-{size}kB"
            for name in ("nr_hugepages", "nr_hugepages_mempolicy"):
                root.put(f"{where}/{name}", self.pool(size))
            root.put(f"{where}/nr_overcommit_hugepages", self._overcommit(size))
            root.put(f"{where}/free_hugepages", line(self._pages, size))
            for name in ("resv_hugepages", "surplus_hugepages"):
                root.put(f"{where}/{name}", fixed(0))
        for name, value in {"run": 0, "pages_to_scan": 100, "sleep_millisecs": 20, "merge_across_nodes": 1}.items():
            root.put(f"ksm/{name}", Number(value).attribute())
        for name in ("pages_shared", "pages_sharing", "full_scans"):
            root.put(f"ksm/{name}", fixed(0))
        root.put("numa/demotion_enabled", fixed("false"))
        root.put("swap/vma_ra_enabled", fixed("true"))
        return root

    def pool(self, size: int, node: int | None = None) -> Attribute:
        """nr_hugepages of a size, of one node or of all."""

        def store(text: str) -> None:
            found = numbers(text)
            if len(found) != 1 or found[0] < 0:
                raise refuse(errno.EINVAL)
            self.reserve(size, found[0], node)

        return Attribute(lambda: f"{self._pages(size, node)}\n", store)

    def _pages(self, size: int, node: int | None = None) -> int:
        return sum(self.pages[size].values()) if node is None else self.pages[size][node]

    def _overcommit(self, size: int) -> Attribute:
        def store(text: str) -> None:
            found = numbers(text)
            if len(found) != 1 or found[0] < 0:
                raise refuse(errno.EINVAL)
            self.overcommit[size] = found[0]

        return Attribute(lambda: f"{self.overcommit[size]}\n", store)

    def node_huge_pages(self, node: int) -> Folder:
        root = Folder()
        for size in self.pages:
            root.put(f"hugepages-{size}kB/nr_hugepages", self.pool(size, node))
            root.put(
                f"hugepages-{size}kB/free_hugepages",
                line(self._pages, size, node),
            )
            root.put(f"hugepages-{size}kB/surplus_hugepages", fixed(0))
        return root

    # --- /proc ------------------------------------------------------------------------------------------------------

    def meminfo(self) -> str:
        """/proc/meminfo, as arm64 has it."""
        total, free = self.total_kib, sum(self._free(node) for node in self.kib)
        cached = min(int(total * 0.004), free)
        swap = sum(entry.size_kib for entry in self.swaps.values())
        default = self.default_kib
        pages = sum(self.pages[default].values())
        rows: list[tuple[str, int, str]] = [
            *((name, value, " kB") for name, value in (
                ("MemTotal", total), ("MemFree", free - cached), ("MemAvailable", free), ("Buffers", cached // 20),
                ("Cached", cached - cached // 20), ("SwapCached", 0), ("SwapTotal", swap), ("SwapFree", swap),
                ("Dirty", 0), ("Writeback", 0), ("AnonHugePages", 0), ("ShmemHugePages", 0),
            )),
            ("HugePages_Total", pages, ""), ("HugePages_Free", pages, ""), ("HugePages_Rsvd", 0, ""),
            ("HugePages_Surp", 0, ""), ("Hugepagesize", default, " kB"),
            ("Hugetlb", sum(size * sum(by.values()) for size, by in self.pages.items()), " kB"),
        ]  # fmt: skip
        return "".join(f"{name + ':':<15} {value:>{8 if unit else 7}}{unit}\n" for name, value, unit in rows)

    def node_meminfo(self, node: int) -> str:
        """meminfo of one NUMA node."""
        total, free = self.kib[node], self._free(node)
        rows = [("MemTotal", total, " kB"), ("MemFree", free, " kB"), ("MemUsed", total - free, " kB")]
        rows += [("HugePages_Total", self.pages[self.default_kib][node], "")]
        rows += [("HugePages_Free", self.pages[self.default_kib][node], ""), ("HugePages_Surp", 0, "")]
        return "".join(f"Node {node} {name + ':':<15} {value:>8}{unit}\n" for name, value, unit in rows)

    def show_swaps(self) -> str:
        """/proc/swaps"""
        lines = ["Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"]
        for name, swap in self.swaps.items():
            tabs = "\t" if swap.size_kib >= 10**7 else "\t\t"
            lines.append(f"{name:<40}{swap.kind}\t{swap.size_kib}{tabs}0\t\t{swap.priority}\n")
        return "".join(lines)

    def swap_on(self, name: str, kind: str, size_kib: int, priority: int | None = None) -> None:
        """swapon(2). EBUSY: it is in use already."""
        if name in self.swaps:
            raise refuse(errno.EBUSY)
        lowest = min((swap.priority for swap in self.swaps.values() if swap.priority < 0), default=-1)
        self.swaps[name] = Swap(kind, size_kib, lowest - 1 if priority is None else priority)

    def swap_off(self, name: str) -> None:
        """swapoff(2). EINVAL: it is not in use."""
        if self.swaps.pop(name, None) is None:
            raise refuse(errno.EINVAL)


def page_kib(text: str) -> int | None:
    """``2M``, ``1G``, ``2048K`` -> KiB (memparse)."""
    digits = text.rstrip("kKmMgG")
    unit = text[len(digits) :].lower()
    if not digits.isdigit() or len(unit) > 1:
        return None
    return int(digits) * SIZES[unit] if unit else int(digits) // 1024
