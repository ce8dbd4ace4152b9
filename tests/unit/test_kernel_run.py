"""Whole machines from reading to report: check mode tells the truth, a second run is empty, a killed run converges."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernel_helpers import THP, Kernel, Killed, Machine, baseline
from npuforge.kernel import host, run
from npuforge.kernel.host import LOCK_PATH, Locked

from controller import contract


@pytest.fixture(autouse=True)
def _no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody pulls the plug of a test: waiting for the disk takes half of its time."""
    monkeypatch.setattr(host.os, "fsync", lambda handle: None)


def tune(kernel: Kernel, wanted: dict[str, Any], *, check: bool = False) -> run.Result:
    return run.run(kernel, "node1", wanted, check=check, simulated=True)


def os_facts(result: run.Result) -> dict[str, Any]:
    document = result.observations[0]["observation"]
    assert contract.problems({**document, "raw": []}, "observation") == []
    facts: dict[str, Any] = document["facts"]["os"]
    return facts


def differing(result: run.Result) -> dict[str, list[str] | None]:
    facts = os_facts(result)
    return {key[:-12]: value for key, value in facts.items() if key.endswith("_differences") and value != []}


MACHINES: list[dict[str, Any]] = [
    {},
    {"persona": "debian", "arch": "x86_64", "efi": True, "threads": 2},
    {"nodes": 1, "cores": 8, "efi": True},
]


@pytest.mark.parametrize("shape", MACHINES, ids=["openeuler", "debian-efi", "openeuler-efi"])
def test_a_bare_machine_becomes_what_is_wanted_and_a_reboot_completes_it(tmp_path: Path, shape: dict[str, Any]) -> None:
    machine = Machine(tmp_path, **shape)
    kernel = Kernel(machine)
    before = machine.tree()
    planned = tune(kernel, baseline(), check=True)
    assert planned.changed and planned.reboot_reasons and machine.tree() == before and kernel.writes == []
    assert not os_facts(planned)["applied"]
    made = tune(kernel, baseline())
    assert not made.failed, made.message
    assert (made.steps, made.diff, made.reboot_reasons) == (planned.steps, planned.diff, planned.reboot_reasons)
    # Only what a restart brings into effect still differs, and only as it runs.
    left = differing(made)
    assert set(left) == {"isolation", "iommu", "kernel_arguments"}
    assert all(" running, wanted " in sentence for told in left.values() for sentence in told or ())
    assert "quiet" not in machine.command_line().split() and "console=ttyS0,115200" in machine.command_line()
    assert "isolcpus" not in machine.command_line("npuforge-fallback")
    again = tune(kernel, baseline())
    assert not again.changed and again.steps == [] and again.reboot_reasons == made.reboot_reasons
    kernel.reboot()
    after = tune(kernel, baseline(), check=True)
    assert (after.changed, after.steps, after.reboot_reasons, differing(after)) == (False, [], [], {})
    facts = os_facts(after)
    assert facts["kubelet_reserved_cpus"] == facts["housekeeping_cpus"]
    assert machine.get("/sys/devices/system/cpu/isolated").strip() == facts["isolated_cpus"]


def test_the_values_are_really_in_the_machine(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    kernel = Kernel(machine)
    assert not tune(kernel, baseline()).failed
    assert machine.get(f"{THP}/enabled") == "always madvise [never]\n"
    assert machine.get("/proc/sys/vm/swappiness") == "10\n"
    assert machine.get("/sys/block/nvme0n1/queue/scheduler") == "[none] bfq mq-deadline kyber\n"
    assert machine.get("/sys/block/sdb/queue/scheduler") == "none bfq [mq-deadline] kyber\n"
    assert machine.get("/sys/block/dm-0/queue/scheduler") == "none [bfq] mq-deadline kyber\n"
    assert machine.get("/sys/devices/system/cpu/cpufreq/policy3/scaling_governor") == "performance\n"
    assert machine.get("/proc/irq/40/smp_affinity_list") == "0,4\n"
    assert machine.get("/proc/irq/99/smp_affinity_list") == "0-7\n"  # nobody uses it
    assert machine.get("/proc/swaps").count("\n") == 1 and "/dev/dm-1\tnone" in machine.get("/etc/fstab")
    assert machine.get("/sys/fs/selinux/enforce") == "0\n" and "SELINUX=permissive\n" in machine.get(
        "/etc/selinux/config"
    )
    assert machine.get("/proc/sys/kernel/hostname") == machine.get("/etc/hostname") == "node1\n"
    assert machine.get("/etc/hosts").startswith("127.0.0.1 localhost\n") and "10.77.0.12 node2\n" in machine.get(
        "/etc/hosts"
    )
    assert (tmp_path / "etc/localtime").readlink() == Path("../usr/share/zoneinfo/Asia/Shanghai")
    assert machine.get("/run/services").splitlines()[0] == "firewalld.service inactive disabled"
    backups = list((tmp_path / "etc/default").glob("grub.npuforge-*"))
    assert [path.read_text() for path in backups] == [machine_default()]


def machine_default() -> str:
    from kernel_helpers import GRUB_DEFAULT

    return GRUB_DEFAULT


WORDS = st.sampled_from(
    [
        "quiet",
        "isolcpus=1-3",
        "nohz_full=2",
        "rcu-nocbs=1",
        "iommu=off",
        "iommu.passthrough=0",
        "transparent_hugepage=always",
        "cgroup.memory=nosocket",
        "crashkernel=512M",
        "console=tty0",
        "console=ttyS0",
        'dyndbg=\\"file a +p\\"',
    ]
)
OPTIONAL = st.sampled_from(sorted(baseline()))


@st.composite
def states(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, str], dict[str, Any]]:
    """(shape of the machine, files that differ from the usual, what is wanted)."""
    persona = draw(st.sampled_from(["openeuler", "debian"]))
    shape = {
        "persona": persona,
        "arch": draw(st.sampled_from(["aarch64", "x86_64"])),
        "nodes": draw(st.integers(1, 3)),
        "cores": draw(st.integers(2, 4)),
        "threads": draw(st.integers(1, 2)),
        "efi": draw(st.booleans()),
        "release": draw(st.sampled_from(["4.19.90-2107", "5.10.0-216", "6.6.0-28"])),
    }
    quote = draw(st.sampled_from(["'", '"']))
    line = draw(st.lists(WORDS, max_size=5))
    longer = ["", 'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX audit=1"\n']
    more = draw(st.sampled_from([*longer, 'GRUB_CMDLINE_LINUX+=" audit=1"\n'] if persona == "openeuler" else longer))
    if quote == "'":
        line = [word.replace("\\", "") for word in line]
    files = {
        "/etc/default/grub": f"GRUB_CMDLINE_LINUX={quote}{' '.join(line)}{quote}\n{more if quote == chr(34) else ''}",
        f"{THP}/enabled": draw(st.sampled_from(["[always] madvise never\n", "always madvise [never]\n"])),
        "/proc/sys/vm/swappiness": draw(st.sampled_from(["10\n", "60\n"])),
        "/etc/sysctl.d/10-site.conf": draw(st.sampled_from(["vm.swappiness = 1\n", "vm/swappiness=10\n", "#\n"])),
        "/etc/hosts": draw(
            st.sampled_from(["", "127.0.0.1 localhost", "# BEGIN npuforge hosts\n10.0.0.1 old\n", "::1 node1 # x\n"])
        ),
        "/etc/fstab": draw(st.sampled_from(["/swap.img none swap sw 0 0\n", "UUID=1 / ext4 defaults 0 1", "\n"])),
        "/sys/fs/selinux/enforce": draw(st.sampled_from(["0\n", "1\n"])),
        "/sys/block/sda/queue/scheduler": draw(st.sampled_from(["[none] mq-deadline\n", "none [mq-deadline] bfq\n"])),
    }
    wanted = baseline(
        sysctl={"vm.swappiness": draw(st.integers(0, 100))},
        transparent_hugepages=draw(st.sampled_from(["never", "madvise", "always"])),
        isolation={"enabled": draw(st.booleans()), "housekeeping_cores_per_numa_node": 1, "npu_irqs": "housekeeping"},
        hugepages={"2048": draw(st.integers(0, 64))},
        iommu=draw(st.sampled_from(["passthrough", "on", "keep"])),
        kernel_arguments={"cgroup.memory": draw(st.sampled_from(["nokmem", "", "absent"]))},
        selinux=draw(st.sampled_from(["enforcing", "permissive", "disabled"])),
        swap=draw(st.sampled_from(["off", "keep"])),
        modules=draw(st.sampled_from([[], ["overlay"], ["br_netfilter", "vfio-pci"]])),
        firewall=draw(st.sampled_from(["off", "firewalld", "nftables"])),
    )
    for key in draw(st.sets(OPTIONAL, max_size=8)):
        wanted[key] = None
    return shape, files, wanted


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(states())
def test_check_mode_tells_what_the_real_run_does_and_a_second_run_is_empty(
    tmp_path_factory: pytest.TempPathFactory, state: tuple[dict[str, Any], dict[str, str], dict[str, Any]]
) -> None:
    shape, files, wanted = state
    machine = Machine(tmp_path_factory.mktemp("machine"), **shape)
    for path, text in files.items():
        machine.put(path, text)
    kernel = Kernel(machine)
    before = machine.tree()
    planned = tune(kernel, wanted, check=True)
    assert machine.tree() == before
    assert not planned.failed, planned.message
    made = tune(kernel, wanted)
    assert not made.failed, made.message
    assert (made.steps, made.diff, made.changed) == (planned.steps, planned.diff, planned.changed)
    assert made.changed == (machine.tree() != before)
    after = machine.tree()
    again = tune(kernel, wanted)
    assert (again.steps, again.changed, machine.tree()) == ([], False, after)
    # Whatever boots now, others' words are still on its command line.
    for word in ("crashkernel=512M", "console=tty0", "console=ttyS0", "quiet"):
        source = files["/etc/default/grub"].replace('"', " ").replace("'", " ").split()
        assert machine.get("/etc/default/grub").replace('"', " ").replace("'", " ").split().count(word) == source.count(
            word
        )
    kernel.reboot()
    last = tune(kernel, wanted, check=True)
    assert last.steps == []
    # A line of others may hold a name of ours, and this kernel does not switch SELinux off when it boots.
    assert set(differing(last)) <= {"names"} | ({"security"} if wanted["selinux"] == "disabled" else set())
    words = [reason for reason in last.reboot_reasons if "command line" in reason]
    assert words == []


class Template:
    """A tuned plan to be interrupted: the tree is made once and copied."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.number = 0
        Machine(folder / "base", nodes=1, cores=2, disks=(("sda", "0"),))

    def fresh(self) -> Machine:
        self.number += 1
        place = self.folder / f"copy{self.number}"
        shutil.copytree(self.folder / "base", place, symlinks=True)
        machine = Machine.__new__(Machine)
        machine.root, machine.grub_name, machine.config = place, "grub2", "/boot/grub2/grub.cfg"
        return machine


def test_a_run_that_is_killed_anywhere_is_completed_by_the_next(tmp_path: Path) -> None:
    template = Template(tmp_path)
    whole = template.fresh()
    counted = Kernel(whole)
    assert not tune(counted, baseline()).failed
    assert tune(whole_again := Kernel(whole), baseline()).steps == [] and whole_again.writes == []
    assert len(counted.writes) > 45
    for moment in range(len(counted.writes)):
        machine = template.fresh()
        left = moment

        def strike(word: str) -> None:
            nonlocal left
            if left == 0:
                raise Killed(word)
            left -= 1

        with pytest.raises(Killed):
            tune(Kernel(machine, strike), baseline())
        survivor = Kernel(machine)
        result = tune(survivor, baseline())
        assert not result.failed, (counted.writes[moment], result.message)
        assert machine.tree() == whole.tree(), counted.writes[moment]
        assert not any(path.is_file() for path in (machine.root / "run/npuforge/pending").rglob("*"))
        shutil.rmtree(machine.root)


def test_a_run_that_is_killed_after_the_write_is_completed_as_well(tmp_path: Path) -> None:
    """The services and GRUB are told what was written before the kill, though the files are right already."""
    machine = Machine(tmp_path)

    def strike(word: str) -> None:
        if word.startswith(("systemctl restart", "grub2-mkconfig")):
            raise Killed(word)

    for wanted in (baseline(), baseline(journal_retention_days=None)):
        with pytest.raises(Killed):
            tune(Kernel(machine, strike), wanted)
    survivor = Kernel(machine)
    result = tune(survivor, baseline())
    assert not result.failed
    assert "systemctl restart systemd-journald.service" in survivor.writes
    assert any(word.startswith("grub2-mkconfig") for word in survivor.writes)
    assert "isolcpus" in machine.command_line()


@pytest.mark.parametrize(
    ("path", "unit"),
    [
        ("/proc/sys/vm/swappiness", "sysctl"),
        (f"{THP}/enabled", "thp"),
        ("/sys/block/sda/queue/scheduler", "scheduler"),
        ("/proc/sys/kernel/hostname", "hostname"),
        ("/sys/fs/selinux/enforce", "selinux"),
    ],
)
def test_what_the_kernel_refuses_is_put_back_and_the_rest_stays(tmp_path: Path, path: str, unit: str) -> None:
    machine = Machine(tmp_path)
    kernel = Kernel(machine)
    before = machine.tree()
    kernel.refuses[path] = errno.EINVAL
    result = tune(kernel, baseline())
    assert result.failed and result.changed
    assert f"{path} does not take" in result.message and f"the old state is back of {unit}" in result.message
    facts = os_facts(result)
    assert facts["restored"] and facts["applied"]
    after = machine.tree()
    own = {
        "sysctl": ["/etc/sysctl.d/99-zz-npuforge.conf", "/proc/sys/net/ipv4/tcp_rmem"],
        "thp": [f"{THP}/defrag"],
        "scheduler": ["/etc/udev/rules.d/99-zz-npuforge-io-scheduler.rules", "/sys/block/nvme0n1/queue/scheduler"],
        "hostname": ["/etc/hostname"],
        "selinux": ["/etc/selinux/config"],
    }[unit]
    for name in own:
        same = (after.get(name) or "").split() == (before.get(name) or "").split()
        assert same, name
    assert machine.command_line() != before  # the boot loader has its words all the same
    assert "isolcpus" in machine.command_line()
    del kernel.refuses[path]
    assert not tune(kernel, baseline()).failed


def test_a_value_that_reads_back_otherwise_is_no_success(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    kernel = Kernel(machine)
    kernel.clamps["/proc/sys/vm/swappiness"] = "12"
    result = tune(kernel, {"sysctl": {"vm.swappiness": 10, "kernel.numa_balancing": 0}})
    assert result.failed and "did not take: set vm.swappiness from 12 to 10" in result.message
    assert machine.get("/proc/sys/kernel/numa_balancing").strip() == "1"
    assert not (tmp_path / "etc/sysctl.d/99-zz-npuforge.conf").exists()


def test_a_boot_loader_that_fails_is_put_back_whole(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    kernel = Kernel(machine)
    boot = {
        name: text for name, text in machine.tree().items() if name.startswith(("/boot", "/etc/default", "/etc/grub.d"))
    }
    kernel.fails.add("grub2-mkconfig")
    result = tune(kernel, baseline())
    assert result.failed and "grub2-mkconfig -o /boot/grub2/grub.cfg ended with 1: grub2-mkconfig: no" in result.message
    assert {name: machine.tree().get(name) for name in boot} == boot
    assert not (tmp_path / "etc/grub.d/42_npuforge_fallback").exists()
    facts = os_facts(result)
    assert not facts["reboot_required"]  # nothing of ours would boot
    assert facts["boot_loader_differences"] and machine.get("/proc/sys/vm/swappiness").strip() == "10"


def test_a_configuration_without_our_words_is_put_back(tmp_path: Path) -> None:
    """grub2-mkconfig says 0 and the entry that boots has nothing of ours: an entry by hand."""
    machine = Machine(tmp_path)
    machine.program_at(
        "/etc/grub.d/10_linux",
        "#!/bin/sh\ncat <<'EOF'\nmenuentry 'mine' --id mine {\n linux /vmlinuz root=UUID=1 ro\n}\nEOF\n",
    )
    before = machine.tree()
    kernel = Kernel(machine)
    result = tune(kernel, {"iommu": "passthrough"})
    assert result.failed and "it did not take" in result.message
    assert machine.tree() == before


def test_interrupts_that_stay_are_noted_and_not_tried_again(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    kernel = Kernel(machine)
    kernel.stuck = {"41"}
    first = tune(kernel, baseline())
    assert not first.failed and machine.get("/proc/irq/40/smp_affinity_list") == "0,4\n"
    kernel.reboot()
    machine.put("/proc/irq/41/smp_affinity_list", "0-7\n")
    again = tune(kernel, baseline(), check=True)
    assert again.steps == [] and not again.changed
    notes = again.observations[0]["observation"]["facts"]["notes"]
    assert {"where": "os.isolation.irqs", "problem": "the kernel does not let these be moved: 41"} in notes
    assert differing(again) == {}


def test_irqbalance_keeps_its_interrupts_until_the_cpus_are_isolated(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.put("/run/services", "irqbalance.service active enabled\n")
    kernel = Kernel(machine)
    wanted = {"isolation": baseline()["isolation"]}
    result = tune(kernel, wanted)
    assert not result.failed and not any("move 3 interrupts" in step for step in result.steps)
    assert "isolation.irqs is 3 on isolated CPUs running, wanted 0 on isolated CPUs (irqbalance" in str(
        differing(result)
    )
    assert tune(kernel, wanted).steps == []
    kernel.reboot()
    assert tune(kernel, wanted).steps == ["move 3 interrupts to CPUs 0,4: 5,40-41"]


def test_too_few_huge_pages_are_a_reason_to_restart_and_no_failure(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    kernel = Kernel(machine)
    kernel.clamps["/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"] = "7"
    result = tune(kernel, {"hugepages": {"2048": 16}})
    assert not result.failed
    assert result.reboot_reasons == ["hugepages.2048kB: memory is in pieces (7 of 16), a restart has it whole"]


def test_contradictions_touch_nothing(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    kernel = Kernel(machine)
    before = machine.tree()
    wanted = baseline(
        hugepages={"123": 4}, iommu="off", isolation={"enabled": True, "housekeeping_cores_per_numa_node": 9}
    )
    for check in (True, False):
        result = tune(kernel, wanted, check=check)
        assert result.failed and not result.changed and machine.tree() == before
        for words in ("no pages of 123 KiB", "switches the SMMU off", "9 housekeeping cores of every NUMA node"):
            assert words in result.message
        os_facts(result)


def test_mistakes_are_all_told_before_anything_is_looked_at(tmp_path: Path) -> None:
    kernel = Kernel(Machine(tmp_path, grub=False))
    wanted = {"sysctl": {"a/../b": 1, "vm.swappiness": "1\nkernel.modules_disabled=1"}, "hostname": "a b", "what": 1}
    result = tune(kernel, wanted)
    assert result.failed and kernel.writes == []
    for words in ("a/../b", "sysctl.vm.swappiness", "hostname", "what: there is no such setting"):
        assert words in result.message


def test_another_run_is_waited_for(tmp_path: Path) -> None:
    machine = Machine(tmp_path, grub=False)
    with Kernel(machine).lock(LOCK_PATH), pytest.raises(Locked, match="another run"):
        tune(Kernel(machine), {"sysctl": {"vm.swappiness": 1}})
    assert machine.get("/proc/sys/vm/swappiness") == "60\n"


def test_a_machine_that_shows_nothing_is_unknown_and_not_wrong(tmp_path: Path) -> None:
    machine = Machine.__new__(Machine)
    machine.root = tmp_path
    machine.put("/run/services", "")
    kernel = Kernel(machine)
    wanted = baseline(hosts=None, sysctl=None, limits=None, modules=None, timezone=None, audit_retention_days=None)
    result = tune(kernel, wanted, check=True)
    facts = os_facts(result)
    for group in ("isolation", "governor", "iommu", "kernel_arguments", "boot_loader", "swap"):
        assert facts[f"{group}_differences"] is None, group
    assert facts["numa"] is None and facts["distribution"] == {"id": None, "version": None, "name": None}
    wheres = {note["where"] for note in result.observations[0]["observation"]["facts"]["notes"]}
    assert {"os.boot_loader", "os.isolation", "os.governor"} <= wheres


def test_the_unit_for_boot_is_a_shell_script_that_does_it(tmp_path: Path) -> None:
    """Its lines, as systemd hands them to a shell, really run on files that are there, and on others do no harm."""
    import re
    import subprocess

    machine = Machine(tmp_path, grub=False)
    kernel = Kernel(machine)
    wanted = {"transparent_hugepages_defrag": "never", "governor": "performance", "hugepages": {"2048": 8}}
    assert not tune(kernel, wanted).failed
    unit = machine.get("/etc/systemd/system/npuforge-kernel-settings.service")
    lines = re.findall(r"^ExecStart=-/bin/sh -c '(.*)'$", unit, re.MULTILINE)
    assert len(lines) == 3
    for name in (f"{THP}/defrag", "/sys/devices/system/cpu/cpufreq/policy0/scaling_governor"):
        machine.put(name, "old\n")
    shutil.rmtree(tmp_path / "sys/kernel/mm/hugepages/hugepages-2048kB")
    for line in lines:
        script = line.replace("$$", "$").replace(" /sys/", f" {tmp_path}/sys/")
        said = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=10, check=False)
        assert said.stdout + said.stderr == ""
    assert machine.get(f"{THP}/defrag") == "never\n"
    assert machine.get("/sys/devices/system/cpu/cpufreq/policy0/scaling_governor") == "performance\n"
    # Disabled, it sets nothing at boot, and that is told.
    (tmp_path / "etc/systemd/system/multi-user.target.wants/npuforge-kernel-settings.service").unlink()
    assert "governor is not set at boot" in str(differing(tune(kernel, wanted, check=True)))


def test_interrupts_are_moved_back_by_a_timer_and_a_fresh_boot_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from npuforge.kernel import read
    from npuforge.kernel.host import Answer

    machine = Machine(tmp_path)
    kernel = Kernel(machine)
    wanted = {"isolation": baseline()["isolation"]}
    assert not tune(kernel, wanted).failed
    service = machine.get("/etc/systemd/system/npuforge-interrupts.service")
    assert "in /proc/irq/[0-9]*/smp_affinity_list; do { echo 0,4 >" in service
    link = tmp_path / "etc/systemd/system/timers.target.wants/npuforge-interrupts.timer"
    assert link.readlink() == Path("/etc/systemd/system/npuforge-interrupts.timer")

    said = ["ActiveState=active\nLastTriggerUSec=n/a\n"] * 3 + ["ActiveState=active\nLastTriggerUSec=Tue 2026-11-24\n"]
    slept: list[float] = []
    monkeypatch.setattr(read.time, "sleep", slept.append)
    monkeypatch.setattr(kernel, "run", lambda argv, seconds=0: Answer(0, said.pop(0) if "show" in argv else "", 0.0))
    read.settle(kernel)
    assert said == [] and slept == [1.0] * 3
    monkeypatch.undo()

    link.unlink()
    told = differing(tune(kernel, wanted, check=True))["isolation"]
    assert "isolation.irqs is not set at boot, wanted 0 on isolated CPUs" in (told or ())


def test_a_step_that_was_partly_refused_has_changed_something(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    kernel = Kernel(machine)
    wanted = {"isolation": baseline()["isolation"]}
    assert not tune(kernel, wanted).failed
    kernel.stuck = {"41"}
    for number in (40, 41):
        machine.put(f"/proc/irq/{number}/smp_affinity_list", "0-7\n")
    result = tune(kernel, wanted)
    assert result.changed and result.steps == ["move 2 interrupts to CPUs 0,4: 40-41"] and not result.failed
    assert not tune(kernel, wanted).changed
