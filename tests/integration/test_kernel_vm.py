"""A kernel that really has it: the module tunes a virtual machine, which reboots by its own GRUB, twice.

The module's word counts only for what it says; what the kernel has is read over plain ssh from its own files. One story
is played once (a boot and two reboots in software emulation, about two minutes) and each test asks one thing of it.
docs/vm-tier.md explains the machine.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.state import LabError, State
from lab.vm import guest
from lab.vm.machine import Machine
from tests.integration.conftest import ENVIRONMENT, ROOT

# Building the image needs root. Half of the time is the guest's own work, which a busy machine makes long.
pytestmark = [pytest.mark.root, pytest.mark.timeout(1200)]

ISOLATED, HOUSEKEEPING = "1,3", "0,2"  # the second core of each of the two NUMA nodes is isolated
WANTED: dict[str, Any] = {
    "sysctl": {"vm.swappiness": 7, "net.core.somaxconn": 8192},
    "transparent_hugepages": "never",
    "isolation": {"enabled": True, "housekeeping_cores_per_numa_node": 1, "npu_irqs": "housekeeping"},
    "io_scheduler": {"nvme": "none", "sata_ssd": "mq-deadline", "hdd": "mq-deadline"},
    "kernel_arguments": {"panic": "23"},  # the kernel shows what it took in /proc/sys/kernel/panic
}
FALLBACK = "npuforge-fallback"
FILES = {
    "command_line": "/proc/cmdline",
    "isolated": "/sys/devices/system/cpu/isolated",
    "nohz_full": "/sys/devices/system/cpu/nohz_full",
    "thp": "/sys/kernel/mm/transparent_hugepage/enabled",
    "sda": "/sys/block/sda/queue/scheduler",
    "nvme": "/sys/block/nvme0n1/queue/scheduler",
    "swappiness": "/proc/sys/vm/swappiness",
    "somaxconn": "/proc/sys/net/core/somaxconn",
    "panic": "/proc/sys/kernel/panic",
    "boot_id": "/proc/sys/kernel/random/boot_id",
}
# What a run in check mode must leave as it is: names, sizes, times and targets of every file that decides a boot.
INVENTORY = "find /etc /boot /usr/lib/udev/rules.d /usr/lib/sysctl.d -printf '%p %y %s %T@ %l\\n' | LC_ALL=C sort"


@dataclass
class Story:
    """What happened, in this order. ``seen``: the kernel's own files; ``told``: results of the module."""

    seen: dict[str, dict[str, str]] = field(default_factory=dict)
    told: dict[str, dict[str, Any]] = field(default_factory=dict)
    inventories: list[str] = field(default_factory=list)
    foreign_key: str = ""
    seconds: dict[str, float] = field(default_factory=dict)


class Guest:
    """The virtual machine as ansible and as plain ssh see it."""

    def __init__(self, machine: Machine, folder: Path) -> None:
        self.machine = machine
        self.inventory = folder / "hosts.yml"
        ssh = machine.state.ssh
        known = f"-o UserKnownHostsFile={ssh / 'known_hosts'} -o GlobalKnownHostsFile=none -o IdentitiesOnly=yes"
        host = {
            "ansible_host": "127.0.0.1",
            "ansible_port": machine.port,
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(ssh / "id_ed25519"),
            "ansible_ssh_common_args": known,
            "ansible_python_interpreter": "/usr/bin/python3",
        }
        self.inventory.write_text(yaml.safe_dump({"all": {"hosts": {"vm": host}}}), encoding="utf-8")
        self.environment = {**ENVIRONMENT, "ANSIBLE_SSH_CONTROL_PATH_DIR": str(folder / "cp")}

    def ansible(self, *argv: str) -> subprocess.CompletedProcess[str]:
        program = str(Path(sys.executable).parent / "ansible")
        return subprocess.run(
            [program, "vm", "-i", str(self.inventory), *argv],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def tune(self, *options: str) -> dict[str, Any]:
        """One call of the module: its result, with ``facts`` (those of ``os``) and the ``diff`` that a person saw."""
        arguments = json.dumps({"subject": "vm", "wanted": WANTED})
        done = self.ansible("-m", "kernel_tuning", "-a", arguments, "--diff", *options)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        shown, answer = re.split(r"^vm \| (?:SUCCESS|CHANGED) => ", done.stdout, maxsplit=1, flags=re.MULTILINE)
        result: dict[str, Any] = {**json.loads(answer), "diff": shown}
        result["facts"] = result["observations"][0]["observation"]["facts"]["os"]
        return result

    def look(self) -> dict[str, str]:
        """The kernel's files, once udev has seen every disk, and two things that only a kernel itself knows."""
        reads = "; ".join(f"echo '== {name}'; cat {path}" for name, path in FILES.items())
        done = self.machine.ssh(
            f"udevadm settle --timeout=60; {reads}; echo '== init'; grep Cpus_allowed_list: /proc/1/status; "
            "echo '== rcu'; dmesg | grep -o 'Offload RCU callbacks from CPUs: .*'; "
            "echo '== grubenv'; grub-editenv list; echo '== machine'; cat /etc/machine-id; systemctl is-system-running"
        )
        parts = re.split(r"^== (\w+)$", done.stdout, flags=re.MULTILINE)
        return {name: text.strip() for name, text in zip(parts[1::2], parts[2::2], strict=True)}

    def inventoried(self) -> str:
        return self.machine.ssh(INVENTORY).stdout


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    made = Machine(State(tmp_path_factory.mktemp("vm") / "state"))
    try:
        made.start(tied=True)
        made.wait()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def story(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Story:
    vm, happened = Guest(machine, tmp_path_factory.mktemp("ansible")), Story()
    begin = time.monotonic()

    def lap(name: str) -> None:
        nonlocal begin
        happened.seconds[name] = round(time.monotonic() - begin, 1)
        begin = time.monotonic()

    happened.foreign_key = refused_key(machine)
    happened.seen["before"] = vm.look()
    happened.inventories.append(vm.inventoried())
    lap("look")
    happened.told["check"] = vm.tune("--check")
    happened.seen["checked"] = vm.look()
    happened.inventories.append(vm.inventoried())
    lap("check")
    happened.told["real"] = vm.tune()
    happened.seen["tuned"] = vm.look()
    lap("real")
    happened.told["again"] = vm.tune()
    lap("again")
    machine.reboot()
    happened.seen["rebooted"] = vm.look()
    lap("reboot")
    happened.told["settled"] = vm.tune()
    lap("settled")
    machine.ssh(f"grub-reboot {FALLBACK}")
    happened.seen["chosen"] = vm.look()
    machine.reboot()
    happened.seen["fallback"] = vm.look()
    lap("fallback")
    happened.told["fallback"] = vm.tune("--check")
    lap("told")
    print(json.dumps(happened.seconds))
    return happened


def refused_key(machine: Machine) -> str:
    """What ssh says when the machine shows another key than the one that known_hosts names."""
    other = machine.state.ssh / "other_known_hosts"
    public = (machine.state.ssh / "id_ed25519.pub").read_text(encoding="utf-8").split()[:2]
    other.write_text(f"[127.0.0.1]:{machine.port} {' '.join(public)}\n", encoding="utf-8")
    [program, *rest] = machine.ssh_argv("true")
    argv = [program, "-o", f"UserKnownHostsFile={other}", *rest]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False).stderr


def words(seen: dict[str, str]) -> list[str]:
    return seen["command_line"].split()


def chosen(text: str) -> str:
    """The value in brackets of a kernel file that lists what it could be."""
    [value] = re.findall(r"\[([^]]+)\]", text)
    return str(value)


def added(story: Story) -> set[str]:
    return set(words(story.seen["rebooted"])) - set(words(story.seen["before"]))


def test_the_machine_starts_untuned(story: Story) -> None:
    before = story.seen["before"]
    assert (before["isolated"], before["nohz_full"]) == ("", "(null)")
    assert chosen(before["thp"]) == "always"
    assert chosen(before["sda"]) == "none"
    assert chosen(before["nvme"]) == "mq-deadline", "as the vendor's rule in the image says"
    assert before["swappiness"] == "60"
    assert before["rcu"] == ""
    assert before["machine"].endswith("running")


def test_a_machine_with_another_host_key_is_not_spoken_to(story: Story) -> None:
    assert "Host key verification failed" in story.foreign_key


def test_check_mode_touches_nothing(story: Story) -> None:
    assert story.seen["checked"] == story.seen["before"]
    first, second = story.inventories
    assert first.count("\n") > 200
    assert hashlib.sha256(second.encode()).hexdigest() == hashlib.sha256(first.encode()).hexdigest()
    assert story.told["check"]["changed"] is True


def test_check_mode_planned_what_the_real_run_did(story: Story) -> None:
    check, real = story.told["check"], story.told["real"]
    assert check["steps"] == real["steps"]
    assert check["steps"], "there was something to do"
    assert check["diff"] == real["diff"]
    assert "nohz_full" in check["diff"], "what will be in which file is shown beforehand"
    assert check["reboot_required"] is real["reboot_required"] is True


def test_what_needs_no_reboot_is_there_at_once(story: Story) -> None:
    tuned = story.seen["tuned"]
    assert tuned["boot_id"] == story.seen["before"]["boot_id"], "the module never reboots"
    assert chosen(tuned["thp"]) == "never"
    assert chosen(tuned["sda"]) == "mq-deadline"
    assert chosen(tuned["nvme"]) == "none"
    assert (tuned["swappiness"], tuned["somaxconn"]) == ("7", "8192")


def test_what_needs_a_reboot_is_told_until_then(story: Story) -> None:
    assert (story.seen["tuned"]["isolated"], story.seen["tuned"]["command_line"]) == (
        story.seen["before"]["isolated"],
        story.seen["before"]["command_line"],
    )
    for name in ("real", "again"):
        facts = story.told[name]["facts"]
        assert facts["reboot_required"] is True
        assert facts["reboot_reasons"]
        assert facts["isolation_differences"], name
        assert facts["kernel_arguments_differences"], name
        assert facts["boot_loader_differences"] == [], "what boots next is as wanted"
        assert facts["sysctl_differences"] == []


def test_a_second_run_before_the_reboot_changes_nothing(story: Story) -> None:
    assert story.told["again"]["changed"] is False
    assert story.told["again"]["steps"] == []
    assert story.told["again"]["reboot_required"] is True


def test_the_kernel_booted_with_the_wanted_words_and_kept_the_site_s_own(story: Story) -> None:
    line = words(story.seen["rebooted"])
    assert set(guest.WORDS.split()) <= set(line)
    assert f"nohz_full={ISOLATED}" in line
    assert f"rcu_nocbs={ISOLATED}" in line
    [isolcpus] = [word for word in line if word.startswith("isolcpus=")]
    assert isolcpus.endswith(f",{ISOLATED}")
    assert "transparent_hugepage=never" in line
    assert "panic=23" in line
    assert len(line) == len(set(line)), "no word twice"
    names = {word.split("=")[0] for word in added(story)}
    assert names <= {"root", "isolcpus", "nohz_full", "rcu_nocbs", "transparent_hugepage", "panic", "irqaffinity"}


def test_the_rebooted_kernel_really_has_every_setting(story: Story) -> None:
    seen = story.seen["rebooted"]
    assert seen["isolated"] == ISOLATED
    assert seen["nohz_full"] == ISOLATED
    assert seen["rcu"] == f"Offload RCU callbacks from CPUs: {ISOLATED}."
    assert seen["init"].split()[-1] == HOUSEKEEPING, "what nobody pins stays off the isolated CPUs"
    assert chosen(seen["thp"]) == "never"
    assert chosen(seen["sda"]) == "mq-deadline"
    assert chosen(seen["nvme"]) == "none", "our rule wins over the vendor's at boot"
    assert (seen["swappiness"], seen["somaxconn"], seen["panic"]) == ("7", "8192", "23")
    assert seen["machine"].endswith("running"), "no unit failed"


def test_after_the_reboot_nothing_is_left_to_do(story: Story) -> None:
    settled = story.told["settled"]
    facts = settled["facts"]
    assert settled["changed"] is False
    assert settled["steps"] == []
    assert settled["reboot_required"] is facts["reboot_required"] is False
    assert facts["reboot_reasons"] == []
    differences = {name: value for name, value in facts.items() if name.endswith("_differences") and value}
    assert differences == {}
    assert [row for row in facts["settings"] if row["differs"]] == []


def test_the_module_says_of_the_machine_what_ssh_says(story: Story) -> None:
    facts, seen = story.told["settled"]["facts"], story.seen["rebooted"]
    assert facts["boot_id"] == seen["boot_id"]
    assert facts["command_line"].split() == words(seen)
    assert [(node["node"], str(node["cpus"])) for node in facts["numa"]] == [(0, "0-1"), (1, "2-3")]
    assert (facts["isolated_cpus"], facts["housekeeping_cpus"]) == (ISOLATED, HOUSEKEEPING)
    assert facts["kubelet_reserved_cpus"] == HOUSEKEEPING
    assert facts["distribution"]["id"] == "debian"


def test_the_fallback_entry_boots_once_with_the_old_command_line(story: Story) -> None:
    before, chosen_, fallback = (story.seen[name] for name in ("before", "chosen", "fallback"))
    assert f"next_entry={FALLBACK}" in chosen_["grubenv"]
    old = [word for word in words(before) if not word.startswith(("root=", "BOOT_IMAGE="))]
    now = [word for word in words(fallback) if not word.startswith(("root=", "BOOT_IMAGE="))]
    assert now == old
    assert (fallback["isolated"], fallback["nohz_full"]) == ("", "(null)")
    assert fallback["rcu"] == ""
    assert fallback["panic"] == before["panic"]
    assert FALLBACK not in fallback["grubenv"], "the boot after this one takes the default again"


def test_a_boot_into_the_old_command_line_is_told_as_a_difference(story: Story) -> None:
    told = story.told["fallback"]
    facts = told["facts"]
    assert facts["isolation_differences"]
    assert facts["kernel_arguments_differences"]
    assert told["reboot_required"] is facts["reboot_required"] is True
    assert facts["boot_loader_differences"] == [], "the default entry is still as wanted"
    by_id = {row["id"]: row for row in facts["settings"]}
    assert by_id["kernel_arguments.panic"]["differs"] == ["runtime"]
    # What udev, sysctl and our unit set at boot does not hang on the command line.
    fallback = story.seen["fallback"]
    assert chosen(fallback["thp"]) == "never"
    assert chosen(fallback["nvme"]) == "none"
    assert fallback["swappiness"] == "7"


def test_every_boot_has_an_id_of_its_own(story: Story) -> None:
    ids = [story.seen[name]["boot_id"] for name in ("before", "rebooted", "fallback")]
    assert len(set(ids)) == 3
    assert {story.told[name]["facts"]["boot_id"] for name in ("real", "settled", "fallback")} == set(ids)
    assert len({story.seen[name]["machine"].split()[0] for name in ("before", "fallback")}) == 1, "the same machine"


def test_the_guest_reaches_neither_this_machine_nor_the_network(machine: Machine) -> None:
    probe = "import socket; socket.create_connection(('10.0.2.2', 22), timeout=4)"
    with pytest.raises(LabError, match=r"Error|refused|timed out|unreachable"):
        machine.ssh(f'python3 -c "{probe}"', seconds=30)
