"""udev rules, the programs that speak to the simulated kernel, faults in running settings, and reboots from inside."""

from __future__ import annotations

import errno
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab import power
from lab.breaking import files as node_files
from lab.breaking.catalogue import FileChange
from lab.faults import load
from lab.nodes.kernel import boot, install, tools, udev
from lab.state import LabError
from tests.unit.lab_bmc_helpers import make_world
from tests.unit.lab_faults_helpers import Memory

BFQ = 'ACTION=="add|change", KERNEL=="nvme[0-9]*n[0-9]*", ATTR{queue/scheduler}="bfq"'


# --- udev -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two disks and a CPU in a folder."""
    for name, rotational in (("nvme0n1", 0), ("sda", 1)):
        queue = tmp_path / "sys/block" / name / "queue"
        queue.mkdir(parents=True)
        (queue / "scheduler").write_text("none")
        (queue / "rotational").write_text(f"{rotational}\n")
        (queue.parent / "uevent").write_text("MAJOR=8\nDEVTYPE=disk\n")
        link = tmp_path / "sys/class/block" / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(f"../../block/{name}")
    cpu = tmp_path / "sys/devices/system/cpu/cpu0/cpufreq"
    cpu.mkdir(parents=True)
    (cpu / "scaling_governor").write_text("performance")
    return tmp_path


def rule(root: Path, *lines: str, name: str = "60-a.rules", folder: str = "etc/udev/rules.d") -> None:
    path = root / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def schedulers(root: Path, *words: str) -> tuple[str, str]:
    assert udev.main(["trigger", *words], root) == 0
    return tuple((root / f"sys/block/{name}/queue/scheduler").read_text() for name in ("nvme0n1", "sda"))  # type: ignore[return-value]  # two disks


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (BFQ, ("bfq", "none")),
        (f"# {BFQ}", ("none", "none")),
        (
            'SUBSYSTEM=="block", ATTR{queue/rotational}=="1", ATTR{queue/scheduler}="mq-deadline"',
            ("none", "mq-deadline"),
        ),
        ('SUBSYSTEM!="block", ATTR{queue/scheduler}="bfq"', ("none", "none")),
        ('ENV{DEVTYPE}=="disk", KERNEL=="sd*|vd*", ATTR{queue/scheduler}="$kernel-%k"', ("none", "sda-sda")),
        ('KERNEL=="sda", GOTO="end"\nATTR{queue/scheduler}="x"\nLABEL="end"', ("x", "none")),
        ('ACTION=="add", \\\n ATTR{queue/scheduler}="x"', ("none", "none")),
        ('KERNEL==sda, ATTR{queue/scheduler}="x"', ("none", "none")),
        ('TEST=="queue/none", ATTR{queue/scheduler}="x"', ("none", "none")),
    ],
)
def test_rules(root: Path, text: str, expected: tuple[str, str]) -> None:
    rule(root, *text.split("\n"))
    assert schedulers(root) == expected


def test_the_last_rule_wins_and_etc_hides_usr(root: Path) -> None:
    rule(root, BFQ.replace("bfq", "one"), name="99-z.rules")
    rule(root, BFQ.replace("bfq", "two"), name="60-a.rules")
    assert schedulers(root)[0] == "one"
    rule(root, BFQ.replace("bfq", "three"), name="99-zz.rules", folder="usr/lib/udev/rules.d")
    assert schedulers(root)[0] == "three"
    rule(root, "", name="99-zz.rules")
    assert schedulers(root)[0] == "one"


def test_trigger_chooses_devices_and_actions(root: Path) -> None:
    rule(root, BFQ, 'SUBSYSTEM=="cpu", ACTION=="add", ATTR{cpufreq/scaling_governor}="powersave"')
    assert schedulers(root, "--subsystem-match=cpu") == ("none", "none")
    assert schedulers(root, "--sysname-match=sda") == ("none", "none")
    assert schedulers(root, "--action=remove") == ("none", "none")
    assert schedulers(root, "-s", "block", "-c", "change") == ("bfq", "none")
    governor = root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
    assert governor.read_text() == "performance"
    schedulers(root, "--type=devices", "--action=add")
    assert governor.read_text() == "powersave"


@given(st.text(alphabet='ABC{}=!+"\\,ab $%*|[]', max_size=40))
def test_any_line_is_a_rule_or_none(text: str) -> None:
    found = udev.parse(text)
    assert found is None or all(token.key for token in found)


# --- programs ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A node's root; calls are noted in ``calls``, and ``nosuch`` is refused."""
    monkeypatch.setattr(tools, "ROOT", tmp_path)
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/swaps").write_text("Filename Type Size Used Priority\n")
    (tmp_path / "proc/cmdline").write_text("quiet\n")

    def call(name: str, *words: str) -> None:
        if "nosuch" in words:
            raise OSError(errno.ENOENT, "No such file or directory")
        with (tmp_path / "calls").open("a") as stream:
            stream.write(" ".join((name, *words)) + "\n")

    monkeypatch.setattr(tools, "call", call)
    return tmp_path


def calls(system: Path) -> list[str]:
    path = system / "calls"
    return path.read_text().splitlines() if path.exists() else []


def test_swapon_all_reads_fstab(system: Path) -> None:
    (system / "etc").mkdir()
    (system / "etc/fstab").write_text(
        "/dev/mapper/openeuler-root / ext4 defaults 1 1\n# /swapfile none swap defaults 0 0\n"
        "/dev/mapper/openeuler-swap none swap pri=5 0 0\n/extra none swap noauto 0 0\n"
    )
    assert tools.main("swapon", ["-a"]) == 0
    assert calls(system) == ["swapon /dev/dm-1 partition 4194300 5"]
    (system / "proc/swaps").write_text("Filename Type Size Used Priority\n/dev/dm-1 partition 4194300 0 -2\n")
    assert tools.main("swapon", ["-a"]) == 0
    assert len(calls(system)) == 1


def test_swapon_shows_and_swapoff_ends(system: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (system / "proc/swaps").write_text("Filename Type Size Used Priority\n/dev/dm-1 partition 4194300 0 -2\n")
    assert tools.main("swapon", ["--show=NAME,SIZE", "--noheadings"]) == 0
    assert capsys.readouterr().out == "/dev/dm-1 4G\n"
    assert tools.main("swapoff", ["-a"]) == 0
    assert calls(system) == ["swapoff /dev/dm-1"]
    assert tools.main("swapon", ["/no/file"]) == 255


def test_modprobe_reads_its_configuration(system: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = system / "etc/modprobe.d"
    folder.mkdir(parents=True)
    (folder / "a.conf").write_text("options nf_conntrack hashsize=65536\nblacklist nbd\ninstall usb-storage exit 7\n")
    assert tools.main("modprobe", ["nf-conntrack", "acct=1"]) == 0
    assert tools.main("modprobe", ["-b", "nbd"]) == 0
    assert tools.main("modprobe", ["usb_storage"]) == 7
    assert tools.main("modprobe", ["nosuch"]) == 1
    assert "FATAL: Module nosuch not found" in capsys.readouterr().err
    assert tools.main("modprobe", ["-q", "nosuch"]) == 1
    assert capsys.readouterr().err == ""
    assert calls(system) == ["modprobe nf_conntrack hashsize=65536 acct=1"]


def test_modules_load(system: Path) -> None:
    folder = system / "etc/modules-load.d"
    folder.mkdir(parents=True)
    (folder / "k8s.conf").write_text("# both\nbr_netfilter\noverlay\n")
    (system / "proc/cmdline").write_text("quiet modules_load=vxlan\n")
    assert tools.main("modules-load", []) == 0
    assert calls(system) == ["modprobe vxlan", "modprobe br_netfilter", "modprobe overlay"]


def test_selinux_programs(system: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tools.main("getenforce", []) == 0
    assert tools.main("setenforce", ["0"]) == 1
    path = system / "sys/fs/selinux/enforce"
    path.parent.mkdir(parents=True)
    path.write_text("1")
    assert tools.main("getenforce", []) == 0
    assert tools.main("setenforce", ["Permissive"]) == 0
    assert path.read_text() == "0"
    assert capsys.readouterr().out == "Disabled\nEnforcing\n"


def test_what_systemd_is_told() -> None:
    assert list(boot.for_init("ro systemd.unit=rescue.target 3 quiet systemd.log_level=debug root=/dev/x")) == [
        "systemd.unit=rescue.target",
        "3",
        "systemd.log_level=debug",
    ]


def test_the_image_has_every_file_that_boots_it() -> None:
    files = install.files()
    assert {f"{install.HOME}/{install.PACKAGE}/{name}.py" for name in ("boot", "server", "machine", "udev")} <= set(
        files
    )
    for name in (*install.PROGRAMS, install.START):
        assert files[name].startswith("#!/usr/bin/python3")
        assert Path(name).name in {*tools.PROGRAMS, "udevadm", "boot"}
    assert subprocess.run(["sh", "-n"], input=install.SETUP, text=True, check=False).returncode == 0


# --- faults -----------------------------------------------------------------------------------------------------------

THP = "/sys/kernel/mm/transparent_hugepage/enabled"


def test_a_setting_written_by_hand_is_put_back() -> None:
    files = Memory({("node2", THP): b"always madvise [never]\n"})
    done = node_files.change(files, "node2", [FileChange(THP, write="always")])
    assert files.read("node2", THP) == b"always"
    assert node_files.restore(files, "node2", done) == []
    assert files.read("node2", THP) == b"never"
    done = node_files.change(files, "node2", [FileChange(THP, write="always")])
    files.write("node2", THP, b"always [madvise] never\n")
    [said] = node_files.restore(files, "node2", done)
    assert "set anew meanwhile" in said
    assert files.read("node2", THP) == b"always [madvise] never\n"
    with pytest.raises(LabError, match="no file"):
        node_files.change(files, "node3", [FileChange(THP, write="always")])


def test_a_file_that_a_fault_makes_goes_again() -> None:
    files = Memory({})
    item = FileChange("/etc/udev/rules.d/99-z.rules", create=BFQ)
    done = node_files.change(files, "node2", [item])
    with pytest.raises(LabError, match="already"):
        node_files.change(files, "node2", [item])
    assert node_files.restore(files, "node2", done) == []
    assert files.read("node2", item.path) is None
    done = node_files.change(files, "node2", [item])
    files.write("node2", item.path, b"of somebody else")
    [said] = node_files.restore(files, "node2", done)
    assert "changed meanwhile" in said


def test_faults_of_the_system_name_checks_of_its_clause() -> None:
    rows = {
        name: fault for name, fault in load().items() if fault.clause == "4.1.3-1" and fault.check.startswith("os.")
    }
    assert {"os.thp", "os.isolation", "os.scheduler", "os.sysctl", "os.swap", "os.names", "os.governor"} <= {
        fault.check for fault in rows.values()
    }
    page = (Path(__file__).parents[2] / "docs/faults-os.md").read_text(encoding="utf-8")
    assert [name for name in rows if f"| `{name}` |" not in page] == []


# --- power ------------------------------------------------------------------------------------------------------------


class Ended(power.WorldBackend):
    """A machine that does not run; ``again``: it ended to start again."""

    def __init__(self, again: bool) -> None:
        self.again, self.calls = again, 0

    def running(self, node: str) -> bool | None:
        return self.calls > 0

    def rebooting(self, node: str) -> bool:
        return self.again

    def start(self, node: str) -> None:
        self.calls += 1


@pytest.mark.parametrize(("again", "ends", "post"), [(True, "on", "in_progress"), (False, "off", "ok")])
def test_a_machine_that_ended_by_itself(tmp_path: Path, again: bool, ends: str, post: str) -> None:
    world = make_world(tmp_path, nodes=1)
    backend = Ended(again)
    power.reconcile(world, "node1", backend)
    node = world.read("node1")
    assert (node["power"], node["post"], backend.calls) == (ends, post, int(again))
    power.reconcile(world, "node1", backend)
    assert backend.calls == int(again)


@pytest.mark.parametrize(("code", "again"), [(129, True), (130, False), (137, False), (0, False)])
def test_how_podman_shows_a_reboot(tmp_path: Path, code: int, again: bool) -> None:
    command = tmp_path / "podman"
    command.write_text(f'#!/bin/sh\necho \'{{"Running": false, "Pid": 0, "ExitCode": {code}}}\'\n')
    command.chmod(0o755)
    backend = power.PodmanBackend("x", [str(command)])
    assert backend.running("node1") is False
    assert backend.rebooting("node1") is again
