"""Each subject against what others configured: precedence at boot, conflicts by name, files as people left them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_helpers import Kernel, Machine
from npuforge.kernel import limits, names, run, swap, sysctl, udev


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path, nodes=1, cores=2)


def tune(machine: Machine, wanted: dict[str, Any], *, check: bool = False) -> run.Result:
    return run.run(Kernel(machine), "node1", wanted, check=check, simulated=True)


def told(result: run.Result, group: str) -> list[str] | None:
    found: list[str] | None = result.observations[0]["observation"]["facts"]["os"][f"{group}_differences"]
    return found


def notes(result: run.Result) -> list[str]:
    return [note["problem"] for note in result.observations[0]["observation"]["facts"]["notes"]]


SWAPPINESS = {"sysctl": {"vm.swappiness": 10}}


# ---- sysctl


def test_a_file_that_sorts_after_ours_is_named_and_left(machine: Machine) -> None:
    machine.put("/etc/sysctl.d/k8s.conf", "vm.swappiness=0\n")
    result = tune(machine, SWAPPINESS)
    assert not result.failed and machine.get("/proc/sys/vm/swappiness") == "10\n"
    assert told(result, "sysctl") == ["vm.swappiness is 0 at boot, wanted 10 (/etc/sysctl.d/k8s.conf)"]
    assert machine.get("/etc/sysctl.d/k8s.conf") == "vm.swappiness=0\n"
    assert tune(machine, SWAPPINESS).steps == []


@pytest.mark.parametrize(
    ("files", "differs"),
    [
        ({"/etc/sysctl.d/99-sysctl.conf": "vm.swappiness=1\n"}, False),  # sorts before ours
        ({"/usr/lib/sysctl.d/zz.conf": "vm/swappiness = 1\n"}, True),
        ({"/usr/lib/sysctl.d/zz.conf": "vm.swappiness=1\n", "/etc/sysctl.d/zz.conf": "\n"}, False),  # replaced
        ({"/run/sysctl.d/zz.conf": "# vm.swappiness=1\n; vm.swappiness=2\n"}, False),
        ({"/etc/sysctl.d/zz.conf": "-vm.swappiness=1\n"}, True),
        ({"/etc/sysctl.d/zz.conf": "vm.swap*=1\n"}, False),  # a key that is named is left out of globs
        ({"/etc/sysctl.d/zz": "vm.swappiness=1\n"}, False),  # no .conf
    ],
)
def test_boot_follows_sysctl_d(machine: Machine, files: dict[str, str], differs: bool) -> None:
    for path, text in files.items():
        machine.put(path, text)
    assert bool(told(tune(machine, SWAPPINESS), "sysctl")) is differs


def test_a_masked_file_is_none(machine: Machine) -> None:
    machine.put("/usr/lib/sysctl.d/zz.conf", "vm.swappiness=1\n")
    (machine.root / "etc/sysctl.d").mkdir(parents=True)
    (machine.root / "etc/sysctl.d/zz.conf").symlink_to("/dev/null")
    assert told(tune(machine, SWAPPINESS), "sysctl") == []


def test_a_key_that_the_kernel_lacks(machine: Machine) -> None:
    result = tune(machine, {"sysctl": {"vm.none": 1, "-vm.other": 2, "net.bridge.bridge-nf-call-iptables": 1}})
    assert not result.failed
    assert told(result, "sysctl") == [
        "net.bridge.bridge-nf-call-iptables is not there running, wanted 1 (module br_netfilter is not loaded)",
        "vm.none is not there running, wanted 1 (this kernel has no such key)",
    ]
    assert "-vm.other = 2\n" in machine.get(sysctl.PATH)
    with_module = {"modules": ["br_netfilter"], "sysctl": {"net.bridge.bridge-nf-call-iptables": 1}}
    result = tune(machine, with_module)
    assert not result.failed and told(result, "sysctl") == []


def test_keys_with_dots_and_slashes() -> None:
    assert sysctl.key_path("net.ipv4.conf.eth0/100.forwarding") == "net/ipv4/conf/eth0.100/forwarding"
    assert sysctl.key_path("net/ipv4/conf/eth0.100/forwarding") == "net/ipv4/conf/eth0.100/forwarding"


@given(st.text(max_size=200))
def test_any_text_is_read_as_sysctl_limits_and_hosts(text: str) -> None:
    for line in sysctl.parse(text, "f"):
        assert line.pattern == line.pattern.strip()
    assert all(entry.kinds for entry in limits.parse(text, "f"))
    assert set("".join(names.outside(text)[0])) <= set(text)
    assert all(name == name.lower() and not name.isspace() for name in names.resolved(text))
    assert swap.fstab_lines(swap.without(text)) == []


# ---- limits


def test_limits_that_would_keep_everybody_out_are_not_written(machine: Machine) -> None:
    machine.put("/proc/1/status", "CapEff:\t000001fffeffffff\n")
    machine.put("/proc/1/limits", "Limit  Soft Hard Units\nMax open files            1024  20000  files\n")
    wanted = {"limits": {"*/hard/nofile": 655360, "*/soft/nofile": 20000, "*/soft/nproc": 4096}}
    result = tune(machine, wanted)
    assert not result.failed
    assert machine.get(limits.PATH) == limits.HEAD + "* soft nofile 20000\n* soft nproc 4096\n"
    assert "init lacks CAP_SYS_RESOURCE and may have 20000 at most" in str(told(result, "limits"))
    machine.put("/proc/1/status", "CapEff:\t000001ffffffffff\n")
    assert told(tune(machine, wanted), "limits") == []


def test_open_files_above_nr_open_are_not_written(machine: Machine) -> None:
    result = tune(machine, {"limits": {"*/hard/nofile": 2000000}})
    assert not (machine.root / limits.PATH.lstrip("/")).exists()
    assert "above fs.nr_open (1048576)" in str(told(result, "limits"))
    result = tune(machine, {"limits": {"*/hard/nofile": 2000000}, "sysctl": {"fs.nr_open": 2097152}})
    assert told(result, "limits") == [] and not result.failed


def test_a_later_limits_file_is_named(machine: Machine) -> None:
    machine.put("/etc/security/limits.d/zz.conf", "* - nofile 1024 # old\n")
    result = tune(machine, {"limits": {"*/soft/nofile": 655360}})
    assert told(result, "limits") == ["*/soft/nofile is 1024 at boot, wanted 655360 (/etc/security/limits.d/zz.conf)"]


# ---- schedulers


def test_an_old_kernel_calls_them_otherwise(machine: Machine) -> None:
    machine.put("/sys/block/sda/queue/scheduler", "noop deadline [cfq]\n")
    result = tune(machine, {"io_scheduler": {"sata_ssd": "mq-deadline"}})
    assert not result.failed and told(result, "scheduler") == []
    assert machine.get("/sys/block/sda/queue/scheduler") == "noop [deadline] cfq\n"
    assert 'ATTR{queue/scheduler}="deadline"' in machine.get(udev.PATH)


def test_a_disk_without_scheduler_and_a_later_rule(machine: Machine) -> None:
    (machine.root / "sys/block/nvme0n1/queue/scheduler").unlink()
    machine.put(
        "/etc/udev/rules.d/99-zzz.rules", '# ATTR{queue/scheduler}="none"\nKERNEL=="sd*", ATTR{queue/scheduler}="bfq"\n'
    )
    result = tune(machine, {"io_scheduler": {"nvme": "none", "sata_ssd": "none"}})
    why = "/etc/udev/rules.d/99-zzz.rules comes after 99-zz-npuforge-io-scheduler.rules"
    assert told(result, "scheduler") == [f"scheduler.sda is bfq at boot, wanted none ({why})"]
    assert "nvme0n1: this kernel shows no scheduler of it" in notes(result)


@pytest.mark.parametrize(
    ("name", "rotational", "kind"),
    [("nvme10n2", None, "nvme"), ("sda", "1", "hdd"), ("vdb", "0", "sata_ssd"), ("sdaa", None, None)]
    + [(name, "0", None) for name in ("loop0", "dm-0", "zram0", "ram1", "sr0", "md127", "nvme0c0n1", "nbd0")],
)
def test_classes_of_disks(name: str, rotational: str | None, kind: str | None) -> None:
    assert udev.kind_of(name, rotational) == kind


def test_bfq_is_refused(machine: Machine) -> None:
    result = tune(machine, {"io_scheduler": {"hdd": "bfq"}})
    assert result.failed and "bfq is for desktops" in result.message


# ---- tuned


def test_an_active_tuned_profile_is_told(machine: Machine) -> None:
    machine.put("/run/services", "tuned.service active enabled\n")
    machine.put("/etc/tuned/active_profile", "mine\n")
    machine.put("/etc/tuned/mine/tuned.conf", "[main]\ninclude=throughput-performance\n[disk]\nelevator=bfq\n")
    machine.put(
        "/usr/lib/tuned/throughput-performance/tuned.conf",
        "[cpu]\ngovernor=ondemand\n[vm]\ntransparent_hugepages=always\n",
    )
    wanted = {"io_scheduler": {"hdd": "none"}, "governor": "performance", "transparent_hugepages": "never"}
    before = tune(machine, wanted, check=True)
    assert "governor is ondemand at boot, wanted performance (tuned profile throughput-performance)" in str(
        told(before, "governor")
    )
    assert "thp.enabled is always at boot, wanted never (tuned profile throughput-performance)" in str(
        told(before, "thp")
    )
    after = tune(machine, wanted)
    assert (told(after, "governor"), told(after, "thp")) == ([], [])  # our unit comes after tuned
    assert told(after, "scheduler") == ["scheduler.sdb is bfq at boot, wanted none (tuned profile mine)"]


# ---- governor, modules, swap


def test_no_frequency_driver_is_unknown(machine: Machine) -> None:
    for path in (machine.root / "sys/devices/system/cpu/cpufreq").rglob("*governor*"):
        path.unlink()
    result = tune(machine, {"governor": "performance"})
    assert not result.failed and told(result, "governor") is None
    assert any("no cpufreq driver" in problem for problem in notes(result))


def test_a_governor_that_the_machine_lacks(machine: Machine) -> None:
    result = tune(machine, {"governor": "schedutil"})
    assert not result.failed
    assert told(result, "governor") == [
        "governor is powersave running, wanted schedutil (the machine only has performance, powersave)"
    ]


def test_built_in_and_blacklisted_modules(machine: Machine) -> None:
    machine.put("/lib/modules/5.10.0-216.oe2203sp4/modules.builtin", "kernel/fs/overlayfs/overlay.ko\n")
    machine.put("/etc/modprobe.d/mine.conf", "blacklist br-netfilter\n")
    result = tune(machine, {"modules": ["overlay", "br_netfilter"]})
    assert "load module overlay" not in result.steps
    assert told(result, "modules") == [
        "modules.br_netfilter is blacklisted at boot, wanted loaded (/etc/modprobe.d/mine.conf)"
    ]


def test_a_module_that_does_not_load_is_put_back(machine: Machine) -> None:
    kernel = Kernel(machine)
    kernel.fails.add("modprobe")
    result = run.run(kernel, "node1", {"modules": ["overlay"]}, check=False, simulated=True)
    assert result.failed and "modprobe overlay ended with 1" in result.message
    assert not (machine.root / "etc/modules-load.d/npuforge.conf").exists()


def test_swap_lines_are_kept_as_comments_and_blanks_in_names_are_read(machine: Machine) -> None:
    machine.put(
        "/etc/fstab", "/a\\040b none swap sw 0 0\nLABEL=x none swap noauto 0 0\n/dev/sdz /swap ext4 defaults 0 0\n"
    )
    machine.put("/proc/swaps", "Filename Type Size Used Priority\n/a\\040b file 1 0 -2\n")
    kernel = Kernel(machine)
    result = run.run(kernel, "node1", {"swap": "off"}, check=False, simulated=True)
    assert "swapoff /a b" in kernel.writes
    assert machine.get("/etc/fstab").splitlines() == [
        "# swap is off (npuforge): /a\\040b none swap sw 0 0",
        "LABEL=x none swap noauto 0 0",
        "/dev/sdz /swap ext4 defaults 0 0",
    ]
    assert not result.failed and told(result, "swap") == []
    machine.put("/etc/systemd/zram-generator.conf", "[zram0]\n")
    result = tune(machine, {"swap": "off"})
    assert "/etc/systemd/zram-generator.conf" in str(told(result, "swap"))


# ---- SELinux, names, retention


def test_selinux_from_disabled_needs_labels_and_a_restart(machine: Machine) -> None:
    (machine.root / "sys/fs/selinux/enforce").unlink()
    machine.put("/etc/selinux/config", "SELINUX=disabled # no\nSELINUXTYPE=targeted\n")
    result = tune(machine, {"selinux": "enforcing"})
    assert machine.get("/etc/selinux/config") == "SELINUX=enforcing\nSELINUXTYPE=targeted\n"
    assert (machine.root / ".autorelabel").exists()
    assert result.reboot_reasons == ["SELinux is disabled and becomes enforcing only by a restart"]
    assert tune(machine, {"selinux": "enforcing"}).steps == []


def test_selinux_that_the_command_line_switches_off(machine: Machine) -> None:
    text = machine.get("/etc/default/grub").replace("crashkernel=512M", "crashkernel=512M selinux=0")
    machine.put("/etc/default/grub", text)
    Kernel(machine).run(["grub2-mkconfig", "-o", machine.config])
    result = tune(machine, {"selinux": "permissive"})
    assert told(result, "security") == ["security.selinux is disabled at boot, wanted permissive"]


def test_a_line_of_others_in_hosts_is_told(machine: Machine) -> None:
    machine.put("/etc/hosts", "127.0.1.1 node1 node1.local\n10.0.0.9 other")
    wanted = {"hosts": [{"address": "10.77.0.11", "names": ["node1"]}, {"address": "10.77.0.12", "names": ["node2"]}]}
    result = tune(machine, wanted)
    assert told(result, "names") == [
        "names.hosts.node1 is 127.0.1.1 at boot, wanted 10.77.0.11 (line 1 of /etc/hosts, which is not ours)"
    ]
    assert machine.get("/etc/hosts").startswith("127.0.1.1 node1 node1.local\n10.0.0.9 other\n# BEGIN npuforge hosts\n")
    assert tune(machine, wanted).steps == []
    fewer = tune(machine, {"hosts": []})
    assert not fewer.failed and machine.get("/etc/hosts") == "127.0.1.1 node1 node1.local\n10.0.0.9 other\n"


@given(
    st.lists(
        st.sampled_from([names.BEGIN, names.END, "127.0.0.1 localhost", "10.0.0.1 a", "# note", "", "::1 b  # c"]),
        max_size=10,
    )
)
def test_the_block_stands_once_and_lines_of_others_stay(lines: list[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    block = names.block([{"address": "10.9.9.9", "names": ["x"]}])
    made = names.with_block(text, block)
    assert made.count(names.BEGIN) == 1 and block in made
    assert names.with_block(made, block) == made
    assert [line for line in lines if line.startswith("#") and "npuforge" not in line] == [
        line for line in made.splitlines() if line.startswith("#") and "npuforge" not in line
    ]


def test_a_file_that_is_a_mount_point_is_rewritten_in_place(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno
    import os

    number = (machine.root / "etc/hosts").stat().st_ino

    def busy(source: str, target: str) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(os, "rename", busy)
    result = tune(machine, {"hosts": [{"address": "10.77.0.11", "names": ["node1"]}]})
    assert not result.failed and "10.77.0.11 node1\n" in machine.get("/etc/hosts")
    assert (machine.root / "etc/hosts").stat().st_ino == number
    assert not [path for path in (machine.root / "etc").iterdir() if path.name.startswith(".npuforge")]


def test_debian_has_a_locale_and_a_time_zone_file_of_its_own(machine: Machine) -> None:
    machine.put("/etc/default/locale", '# local\nLANG="en_US.UTF-8"\nLC_TIME=C\n')
    machine.put("/etc/timezone", "Etc/UTC\n")
    result = tune(machine, {"locale": "C.UTF-8", "timezone": "Asia/Shanghai"})
    assert not result.failed and told(result, "locale") == []
    assert machine.get("/etc/default/locale") == "# local\nLC_TIME=C\nLANG=C.UTF-8\n"
    assert machine.get("/etc/timezone") == "Asia/Shanghai\n"
    lacking = tune(machine, {"timezone": "Asia/Urumqi"})
    assert not lacking.failed and "package tzdata" in str(told(lacking, "locale"))


def test_retention_that_others_override_and_auditd_that_is_missing(machine: Machine) -> None:
    machine.put("/etc/systemd/journald.conf.d/zzz.conf", "[Journal]\nMaxRetentionSec=1week\n")
    (machine.root / "etc/audit/auditd.conf").unlink()
    result = tune(machine, {"journal_retention_days": 180, "audit_retention_days": 180})
    assert told(result, "retention") == [
        "retention.journal.MaxRetentionSec is 1week at boot, wanted 180day (/etc/systemd/journald.conf.d/zzz.conf)",
        "retention.audit is not set at boot, wanted 180 days (auditd is not installed)",
    ]


def test_auditd_keeps_its_logs_and_old_ones_are_removed_by_age(machine: Machine) -> None:
    text = "log_file = /data/audit/a.log\nmax_log_file_action = ROTATE\nmax_log_file = 8\n"
    machine.put("/etc/audit/auditd.conf", text)
    result = tune(machine, {"audit_retention_days": 180})
    assert not result.failed and told(result, "retention") == []
    assert machine.get("/etc/audit/auditd.conf") == (
        "log_file = /data/audit/a.log\nmax_log_file = 8\nmax_log_file_action = keep_logs\n"
    )
    assert machine.get("/etc/tmpfiles.d/npuforge-audit.conf").endswith("e /data/audit - - - 180d\n")


def test_an_old_kernel_gets_no_flags_that_it_does_not_know(tmp_path: Path) -> None:
    machine = Machine(tmp_path, nodes=1, cores=4, release="4.19.90-52.22.v2207.ky10")
    wanted = {"isolation": {"enabled": True, "housekeeping_cores_per_numa_node": 2, "npu_irqs": "keep"}}
    assert not tune(machine, wanted).failed
    assert machine.command_line().split()[-3:] == ["isolcpus=2-3", "nohz_full=2-3", "rcu_nocbs=2-3"]


def test_isolation_that_is_switched_off_takes_its_words_away(machine: Machine) -> None:
    wanted = {"isolation": {"enabled": True, "housekeeping_cores_per_numa_node": 1, "npu_irqs": "housekeeping"}}
    assert not tune(machine, wanted).failed and "isolcpus" in machine.command_line()
    result = tune(machine, {"isolation": {"enabled": False}})
    assert not result.failed and "isolcpus" not in machine.command_line()
    assert not (machine.root / "etc/systemd/system/npuforge-kernel-settings.service").exists()
