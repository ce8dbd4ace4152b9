"""What a node's kernel serves: writes mean what they mean to the kernel, and what is refused is refused as there."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.nodes.kernel.arguments import Arguments
from lab.nodes.kernel.cpus import parse_list
from lab.nodes.kernel.machine import Machine
from lab.nodes.kernel.memory import Memory
from tests.unit.lab_kernel_helpers import TUNED, document, machine, names, read, write

CPU, THP, MEMORY = "sys/devices/system/cpu", "sys/kernel/mm/transparent_hugepage", "sys/kernel/mm/hugepages"


def refused(kernel: Machine, path: str, text: str, number: int = errno.EINVAL) -> None:
    before = read(kernel, path)
    with pytest.raises(OSError, match=r".*") as caught:
        write(kernel, path, text)
    assert caught.value.errno == number
    assert read(kernel, path) == before


def test_transparent_huge_pages() -> None:
    kernel = machine()
    assert read(kernel, f"{THP}/enabled") == "[always] madvise never\n"
    write(kernel, f"{THP}/enabled", "never\n")
    assert read(kernel, f"{THP}/enabled") == "always madvise [never]\n"
    write(kernel, f"{THP}/defrag", "defer+madvise")
    assert read(kernel, f"{THP}/defrag") == "always defer [defer+madvise] madvise never\n"
    for wrong in ("nev", "never ", " never", "never\n\n", "", "always madvise [never]"):
        refused(kernel, f"{THP}/enabled", wrong)
    assert read(machine("transparent_hugepage=never"), f"{THP}/enabled") == "always madvise [never]\n"
    assert read(machine("transparent_hugepage=bogus"), f"{THP}/enabled") == "[always] madvise never\n"


def test_schedulers() -> None:
    kernel = machine()
    queue = "sys/block/{}/queue/scheduler"
    assert read(kernel, queue.format("nvme0n1")) == "[none] mq-deadline kyber bfq \n"
    assert read(kernel, queue.format("sda")) == "none [mq-deadline] kyber bfq \n"
    write(kernel, queue.format("nvme0n1"), "kyber\n")
    assert read(kernel, queue.format("nvme0n1")) == "none mq-deadline [kyber] bfq \n"
    refused(kernel, queue.format("sda"), "cfq\n")
    write(kernel, queue.format("dm-0"), "bfq")  # silently without effect
    assert read(kernel, queue.format("dm-0")) == "none\n"
    assert names(kernel, "sys/block") == ["dm-0", "dm-1", "nvme0n1", "nvme1n1", "nvme2n1", "nvme3n1", "sda", "sdb"]
    assert read(kernel, "sys/block/sda/queue/rotational") == "0\n"


def test_isolation_needs_the_command_line() -> None:
    assert (read(machine(), f"{CPU}/isolated"), read(machine(), f"{CPU}/nohz_full")) == ("\n", "(null)\n")
    kernel = machine(TUNED)
    assert read(kernel, f"{CPU}/isolated") == "4-31,36-63\n"
    assert read(kernel, f"{CPU}/nohz_full") == "4-31,36-63\n"


def test_topology() -> None:
    kernel = machine()
    assert read(kernel, f"{CPU}/online") == "0-255\n"
    assert [read(kernel, f"sys/devices/system/node/node{number}/cpulist").strip() for number in (0, 7)] == [
        "0-31",
        "224-255",
    ]
    distances = [
        [int(word) for word in read(kernel, f"sys/devices/system/node/node{number}/distance").split()]
        for number in range(8)
    ]
    assert all(distances[a][b] == distances[b][a] for a in range(8) for b in range(8))
    assert [row[number] for number, row in enumerate(distances)] == [10] * 8
    assert distances[0][1] == 12
    assert min(distances[0][2:]) == 20
    assert read(kernel, f"{CPU}/cpu70/topology/thread_siblings_list") == "70\n"
    assert read(kernel, f"{CPU}/cpu70/topology/physical_package_id") == "1\n"
    assert read(kernel, f"{CPU}/cpu70/topology/core_siblings_list") == "64-127\n"


def test_an_empty_socket_has_no_nodes() -> None:
    cpus = document()["cpus"]
    cpus[3]["present"] = False
    kernel = machine(cpus=cpus)
    assert read(kernel, f"{CPU}/present") == "0-191\n"
    assert read(kernel, "sys/devices/system/node/online") == "0-5\n"


def test_a_cpu_goes_and_comes_back() -> None:
    kernel = machine()
    write(kernel, f"{CPU}/cpu9/online", "0\n")
    assert read(kernel, f"{CPU}/online") == "0-8,10-255\n"
    assert read(kernel, f"{CPU}/offline") == "9\n"
    assert "CPU9 " not in read(kernel, "proc/interrupts").splitlines()[0]
    refused(kernel, f"{CPU}/cpu9/online", "2")
    write(kernel, f"{CPU}/cpu9/online", "1")
    assert read(kernel, f"{CPU}/online") == "0-255\n"


def test_governors() -> None:
    kernel = machine()
    governor = f"{CPU}/cpufreq/policy7/scaling_governor"
    assert read(kernel, governor) == "performance\n"
    write(kernel, governor, "powersave\n")
    assert read(kernel, governor) == "powersave\n"
    refused(kernel, governor, "fast")
    refused(kernel, governor, "")
    assert read(machine("cpufreq.default_governor=ondemand"), governor) == "ondemand\n"


def test_interrupts_can_be_moved_unless_the_kernel_manages_them() -> None:
    kernel = machine(TUNED)
    by_name = {irq.name: irq for irq in kernel.interrupts.irqs.values()}
    npu = f"proc/irq/{by_name['devdrv_mbox0'].number}"
    write(kernel, f"{npu}/smp_affinity_list", "0-3\n")
    assert read(kernel, f"{npu}/smp_affinity_list") == "0-3\n"
    assert read(kernel, f"{npu}/smp_affinity").endswith("00000000,0000000f\n")
    assert int(read(kernel, f"{npu}/effective_affinity_list")) in range(4)
    write(kernel, f"{npu}/smp_affinity", "f0")
    assert read(kernel, f"{npu}/smp_affinity_list") == "4-7\n"
    for wrong in ("256", "x", ""):
        refused(kernel, f"{npu}/smp_affinity_list", wrong)
    refused(kernel, f"proc/irq/{by_name['nvme0q3'].number}/smp_affinity_list", "0", errno.EIO)
    managed = [irq for irq in kernel.interrupts.irqs.values() if irq.managed]
    housekeeping = [irq for irq in managed if irq.affinity - kernel.isolation.managed_irq]
    assert housekeeping
    assert not {kernel.interrupts.effective(irq) for irq in housekeeping} & kernel.isolation.managed_irq
    rows = read(kernel, "proc/interrupts").splitlines()
    assert len(rows[0].split()) == 256
    assert any(row.endswith("devdrv_mbox0") for row in rows)


def test_irqaffinity() -> None:
    kernel = machine("irqaffinity=0-3")
    assert read(kernel, "proc/irq/default_smp_affinity").endswith("00000000,0000000f\n")
    number = next(irq.number for irq in kernel.interrupts.irqs.values() if not irq.managed)
    assert read(kernel, f"proc/irq/{number}/smp_affinity_list") == "0-3\n"


def test_huge_pages() -> None:
    kernel = machine("hugepagesz=1G hugepages=16 hugepagesz=2M hugepages=80")
    assert read(kernel, f"{MEMORY}/hugepages-1048576kB/nr_hugepages") == "16\n"
    assert read(kernel, "sys/devices/system/node/node3/hugepages/hugepages-2048kB/nr_hugepages") == "10\n"
    assert "HugePages_Total:      80\n" in read(kernel, "proc/meminfo")
    write(kernel, "proc/sys/vm/nr_hugepages", "8")
    assert read(kernel, f"{MEMORY}/hugepages-2048kB/nr_hugepages") == "8\n"
    refused(kernel, f"{MEMORY}/hugepages-2048kB/nr_hugepages", "many")
    write(kernel, f"{MEMORY}/hugepages-2048kB/nr_hugepages", "99999999")
    got = int(read(kernel, f"{MEMORY}/hugepages-2048kB/nr_hugepages"))
    assert 0 < got * 2 < 1048576 - 16 * 1024  # what fits beside the others, without a word


@given(st.lists(st.tuples(st.sampled_from([64, 2048, 32768, 1048576]), st.integers(0, 10**7)), max_size=6))
def test_pages_never_exceed_the_memory(orders: list[tuple[int, int]]) -> None:
    memory = Memory(dict.fromkeys(range(8), 131072), Arguments("quiet"))
    for size, wanted in orders:
        memory.reserve(size, wanted)
        assert sum(memory.pages[size].values()) <= wanted
    for node, total in memory.kib.items():
        assert sum(size * pages[node] for size, pages in memory.pages.items()) <= total
    assert "-" not in memory.meminfo()


def test_swap() -> None:
    kernel = machine()
    write(kernel, "call/swapon", "/dev/dm-1 partition 4194300")
    assert read(kernel, "proc/swaps").splitlines()[1].split() == ["/dev/dm-1", "partition", "4194300", "0", "-2"]
    refused(kernel, "call/swapon", "/dev/dm-1 partition 4194300", errno.EBUSY)
    write(kernel, "call/swapoff", "/dev/dm-1")
    assert len(read(kernel, "proc/swaps").splitlines()) == 1
    refused(kernel, "call/swapoff", "/dev/dm-1")


def test_modules() -> None:
    kernel = machine()
    assert "br_netfilter" not in names(kernel, "sys/module")
    write(kernel, "call/modprobe", "br_netfilter")
    assert read(kernel, "proc/modules").startswith("br_netfilter 36864 0 - Live ")
    assert read(kernel, "sys/module/br_netfilter/initstate") == "live\n"
    refused(kernel, "call/modprobe", "no_such", errno.ENOENT)
    refused(kernel, "call/rmmod", "bridge", errno.EWOULDBLOCK)
    write(kernel, "call/rmmod", "br_netfilter")
    assert "br_netfilter" not in read(kernel, "proc/modules")
    write(kernel, "call/modprobe", "nf-conntrack hashsize=65536")
    assert read(kernel, "sys/module/nf_conntrack/parameters/hashsize") == "65536\n"


def test_hardware_changes_while_it_runs() -> None:
    truth = document()
    kernel = machine()
    address = truth["npus"][2]["pci"]["address"]
    number = next(irq.number for irq in kernel.interrupts.irqs.values() if irq.name == "devdrv_mbox0")
    write(kernel, f"proc/irq/{number}/smp_affinity_list", "5")
    truth["npus"][2]["present"] = False
    truth["drives"][5]["present"] = False
    kernel.update(truth)
    assert address not in names(kernel, "sys/bus/pci/devices")
    assert "nvme3n1" not in names(kernel, "sys/block")
    assert "devdrv_mbox2" not in read(kernel, "proc/interrupts")
    assert read(kernel, f"proc/irq/{number}/smp_affinity_list") == "5\n"  # the others keep what they were told
    truth["npus"][2]["present"], truth["npu_driver"]["loaded"] = True, None
    kernel.update(truth)
    assert "driver" not in names(kernel, f"sys/bus/pci/devices/{address}")
    assert "drv_pcie_host" not in read(kernel, "proc/modules")
    assert "devdrv" not in read(kernel, "proc/interrupts")


def test_npus_are_near_to_their_numa_node() -> None:
    kernel = machine()
    for row in document()["numa"]:
        for npu in (npu for npu in document()["npus"] if npu["slot"] in row["npus"]):
            where = f"sys/bus/pci/devices/{npu['pci']['address']}"
            assert read(kernel, f"{where}/numa_node") == f"{row['node']}\n"
            assert parse_list(read(kernel, f"{where}/local_cpulist").strip(), 256) == parse_list(row["cpus"], 256)
            assert read(kernel, f"{where}/class") == "0x120000\n"


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("quiet", "DMA"),
        ("iommu.passthrough=1", "identity"),
        ("iommu=pt", "identity"),
        ("iommu=pt iommu.passthrough=0", "DMA"),
        ("iommu.strict=0", "DMA-FQ"),
    ],
)
def test_iommu(line: str, kind: str) -> None:
    assert read(machine(line), "sys/kernel/iommu_groups/0/type") == f"{kind}\n"
    assert names(machine("iommu=off"), "sys/kernel/iommu_groups") == []


def test_selinux(tmp_path: Path) -> None:
    (tmp_path / "selinux").mkdir()
    configuration = tmp_path / "selinux" / "config"
    configuration.write_text("# SELINUX=disabled\nSELINUX=enforcing\nSELINUXTYPE=targeted\n")
    kernel = machine(etc=tmp_path)
    assert read(kernel, "sys/fs/selinux/enforce") == "1"
    write(kernel, "sys/fs/selinux/enforce", "0")
    assert read(kernel, "sys/fs/selinux/enforce") == "0"
    refused(kernel, "sys/fs/selinux/enforce", "2")
    assert read(machine("enforcing=0", tmp_path), "sys/fs/selinux/enforce") == "0"
    assert names(machine("selinux=0", tmp_path), "sys/fs/selinux") == []
    configuration.write_text("SELINUX=disabled\n")
    assert names(machine(etc=tmp_path), "sys/fs/selinux") == []


def test_sysrq_restarts() -> None:
    asked: list[str] = []
    kernel = Machine(document(), "", machine().sysctl.below, Path("/nowhere"), asked.append)
    write(kernel, "proc/sysrq-trigger", "s")
    write(kernel, "proc/sysrq-trigger", "b\n")
    assert asked == ["b"]
