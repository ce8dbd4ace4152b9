"""A node's simulated kernel on the running twin: settings that a reboot brings or loses, faults, and the machine below,
whose own kernel stays as it is."""

from __future__ import annotations

import ctypes
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.faults import load
from tests.integration.conftest import Twin

pytestmark = [pytest.mark.twin, pytest.mark.root]
NODE = "node3"
WORDS = "isolcpus=managed_irq,domain,4-31 nohz_full=4-31 rcu_nocbs=4-31 transparent_hugepage=never hugepages=64"
FILES = ("/etc/default/grub", "/boot/grub2/grub.cfg", "/boot/grub2/grubenv", "/etc/sysctl.conf", "/etc/fstab")
MADE = ("/etc/sysctl.d/90-test.conf", "/etc/udev/rules.d/90-test.rules", "/etc/modules-load.d/90-test.conf")
RULE = 'ACTION=="add|change", SUBSYSTEM=="block", KERNEL=="sd[a-z]", ATTR{queue/scheduler}="kyber"\n'
# What the kernel counts by itself.
COUNTERS = {
    *("uuid", "entropy_avail", "nr", "ns_last_pid", "hung_task_detect_count", "hung_task_warnings"),
    *("file-nr", "inode-nr", "inode-state", "dentry-state", "aio-nr", "syncs"),
}
THP = "/sys/kernel/mm/transparent_hugepage/enabled"
BOOT_ID = "/proc/sys/kernel/random/boot_id"


class Node:
    """One node of the twin, by podman."""

    def __init__(self, twin: Twin) -> None:
        self.twin = twin
        settings = json.loads((twin.state / "world" / "site.json").read_text(encoding="utf-8"))
        self.container = f"npuforge-{settings['name']}-{NODE}"

    def run(self, command: str, check: bool = True, stdin: str = "") -> str:
        """What a shell in the node says."""
        argv = ["podman", "exec", "--interactive", self.container, "sh", "-c", command]
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=60, check=False)
        assert not check or done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def read(self, path: str) -> str:
        return self.run(f"cat {path}").strip()

    def write(self, path: str, text: str) -> None:
        self.run(f"cat > {path}", stdin=text)

    def up(self) -> bool:
        return self.run("systemctl is-system-running", check=False).strip() in ("running", "degraded")

    def reboot(self) -> None:
        before = self.read(BOOT_ID)
        self.run("systemctl reboot", check=False)
        until(lambda: self.run(f"cat {BOOT_ID}", check=False).strip() not in ("", before) and self.up(), "it boots")

    def power(self) -> str:
        document = json.loads((self.twin.state / "world" / "nodes" / f"{NODE}.json").read_text(encoding="utf-8"))
        return str(document["power"])


def until(true: Callable[[], bool], what: str, seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.3)


@pytest.fixture
def node(twin: Twin) -> Iterator[Node]:
    """The node, whose files are put back afterwards, and which is restarted to forget the rest."""
    node = Node(twin)
    kept = {path: node.run(f"cat {path}") for path in FILES}
    yield node
    twin.restore()
    until(node.up, "the node is there again")
    for path, text in kept.items():
        node.write(path, text)
    node.run(f"rm -f {' '.join(MADE)}; ln -sfn /usr/share/zoneinfo/UTC /etc/localtime")
    node.reboot()


def below() -> dict[str, str]:
    """The settings of the machine's own kernel, its clock against the time since it booted, and its time zone."""
    found = {}
    for top in ("vm", "kernel", "fs", "net/core"):
        for path in sorted(Path("/proc/sys", top).rglob("*")):
            if path.is_file() and path.name not in COUNTERS and "binfmt_misc" not in path.parts:
                try:
                    found[str(path)] = path.read_text(errors="replace")
                except OSError:
                    continue
    others = [*Path("/sys/kernel/mm").rglob("*"), *Path("/sys/block").glob("*/queue/scheduler")]
    others += [Path("/proc/swaps"), Path("/proc/cmdline"), Path("/sys/devices/system/cpu/online")]
    for path in others:
        changes = path.name in ("full_scans", "pages_collapsed") or "damon" in path.parts or "stats" in path.parts
        if path.is_file() and not changes:
            try:
                found[str(path)] = path.read_text(errors="replace")
            except OSError:
                continue
    found["clock"] = str(round((time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)) / 10))
    zone = (ctypes.c_int * 2)()
    ctypes.CDLL(None).syscall(96, ctypes.byref((ctypes.c_long * 2)()), ctypes.byref(zone))  # gettimeofday
    found["time zone"] = str(list(zone))
    return found


def test_nothing_in_a_node_changes_the_machine_below(node: Node) -> None:
    before = below()
    assert len(before) > 200
    orders = (
        "sysctl -w vm.swappiness=7 vm.overcommit_memory=1 kernel.panic=11 kernel.pid_max=99999 fs.file-max=4242424",
        "sysctl -w fs.inotify.max_user_watches=777777 net.core.rmem_max=16777216 net.core.netdev_max_backlog=5000",
        f"echo never > {THP}",
        "echo 12 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages",
        "echo kyber > /sys/block/nvme0n1/queue/scheduler",
        "swapoff -a; swapon -a; modprobe br_netfilter; rmmod br_netfilter",
        "timedatectl set-timezone Asia/Shanghai",
        "! date -s '2031-01-01' 2>/dev/null",
        "! sh -c 'echo 1 > /sys/kernel/profiling' 2>/dev/null",
        "systemctl restart systemd-sysctl systemd-modules-load systemd-udev-trigger",
    )
    for order in orders:
        node.run(order)
    assert node.read("/proc/sys/kernel/panic") == "11"
    assert node.read("/proc/sys/net/core/rmem_max") == "16777216"
    assert node.read(THP) == "always madvise [never]"
    node.reboot()
    after = below()
    assert {key: (before[key], after.get(key)) for key in before if after.get(key) != before[key]} == {}


def test_a_reboot_brings_what_is_configured_and_loses_what_was_set_by_hand(node: Node) -> None:
    plain = node.read("/proc/cmdline")
    node.run(f"echo always > {THP}; sysctl -w vm.swappiness=3")
    node.run(
        f"sed -i 's/^GRUB_CMDLINE_LINUX=\"/&{WORDS} /' /etc/default/grub && grub2-mkconfig -o /boot/grub2/grub.cfg"
    )
    node.write(MADE[0], "vm.max_map_count = 262144\n")
    node.write(MADE[1], RULE)
    node.write(MADE[2], "br_netfilter\n")
    assert node.read("/proc/cmdline") == plain
    assert node.read("/sys/devices/system/cpu/isolated") == ""
    assert "[mq-deadline]" in node.read("/sys/block/sda/queue/scheduler")

    node.reboot()
    assert WORDS in node.read("/proc/cmdline")
    assert node.read("/sys/devices/system/cpu/isolated") == "4-31"
    assert node.read("/sys/devices/system/cpu/nohz_full") == "4-31"
    assert node.read(THP) == "always madvise [never]"
    assert node.read("/proc/sys/vm/swappiness") == "60"
    assert node.read("/proc/sys/vm/max_map_count") == "262144"
    assert node.read("/proc/sys/vm/nr_hugepages") == "64"
    assert "[kyber]" in node.read("/sys/block/sda/queue/scheduler")
    assert node.read("/sys/module/br_netfilter/initstate") == "live"
    assert "openeuler-swap" in node.read("/etc/fstab")
    assert "/dev/dm-1" in node.read("/proc/swaps")
    assert node.run("systemctl is-system-running").strip() == "running"
    assert node.power() == "on"
    assert len(node.run("journalctl --list-boots --quiet").splitlines()) >= 1

    # another entry, once
    entry = f"menuentry old --id old {{\n linux {node.run('ls /boot | grep vmlinuz').strip()} ro old\n}}\n"
    node.run("cat >> /etc/grub.d/40_custom; grub2-mkconfig -o /boot/grub2/grub.cfg", stdin=entry)
    node.run("grub2-reboot old")
    node.reboot()
    assert node.read("/proc/cmdline").endswith(" ro old")
    assert node.read("/sys/devices/system/cpu/nohz_full") == "(null)"
    node.reboot()
    assert WORDS in node.read("/proc/cmdline")
    node.run("sed -i '/^menuentry old/,$d' /etc/grub.d/40_custom")


def test_poweroff_from_inside_stays_off(node: Node) -> None:
    node.run("systemctl poweroff", check=False)
    until(lambda: node.power() == "off", "the BMC sees it")
    time.sleep(3)
    assert node.power() == "off"


def test_a_node_that_does_not_come_back(node: Node) -> None:
    twin = node.twin
    twin.lab("break", NODE, "node_does_not_come_back")
    assert node.up(), "the fault shows at the next boot only"
    before = node.read(BOOT_ID)
    node.run("systemctl reboot", check=False)
    until(lambda: node.run("true; cat /proc/1/cmdline", check=False).startswith("/usr/bin/python3"), "it hangs")
    time.sleep(5)
    assert not node.up()
    assert node.power() == "on"
    twin.lab("heal", NODE, "node_does_not_come_back")
    twin.lab("power", NODE, "reset")
    until(node.up, "it comes back")
    assert node.read(BOOT_ID) != before


def test_settings_broken_by_hand_heal_again(node: Node) -> None:
    rows = {name: fault for name, fault in load().items() if any(item.write for item in fault.files)}
    assert len(rows) >= 5
    node.run(f"echo never > {THP}; echo 64 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
    paths = {item.path for fault in rows.values() for item in fault.files}
    before = {path: node.run(f"cat {path}", check=False) for path in paths}
    for name, fault in rows.items():
        node.twin.lab("break", NODE, name)
        for item in fault.files:
            now = node.read(item.path)
            wanted = item.write or str(item.create)
            assert now == wanted.strip() or f"[{wanted}]" in now, name
    node.twin.lab("heal", NODE, "--all")
    assert {path: node.run(f"cat {path}", check=False) for path in paths} == before
