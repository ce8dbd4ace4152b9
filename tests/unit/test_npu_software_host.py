"""The machine as it is looked at, and installers that are cancelled, orphaned and followed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from npuforge.ascend.software import driver_run, installer
from npuforge.ascend.software.host import Host, Person
from npuforge.fabric.tool import Tool

MODULE_UTILS = Path(driver_run.__file__).resolve().parents[3]
# Runs a package as the modules do, in a process of its own that a test can stop.
PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from npuforge.ascend.software import installer
from npuforge.ascend.software.host import Host
class Mine(Host):
    def started(self, pid):
        return Host("/").started(pid)
try:
    installer.run(Mine(sys.argv[2]), [sys.argv[3]], 60.0, lambda percent, line: None, "driver 1")
except installer.Cancelled as error:
    print("cancelled:", error, flush=True)
"""


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(str(tmp_path))


def put(host: Host, path: str, text: str = "") -> None:
    place = Path(host.locate(path))
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)


def test_npus_on_the_bus_among_other_devices_of_the_vendor(host: Host) -> None:
    assert host.pci_devices() is None
    # A Kunpeng board: network, the BMC's display and a bridge are of the same vendor.
    for number, (vendor, device, kind) in enumerate(
        [
            ("0x19e5", "0xd802", "0x120000"),
            ("0x19e5", "0xd802", "0x120000"),
            ("0x19e5", "0xa222", "0x020000"),
            ("0x19e5", "0x1711", "0x030000"),
            ("0x8086", "0x1592", "0x020000"),
        ]
    ):
        base = f"/sys/bus/pci/devices/0000:0{number}:00.0"
        for name, text in (("vendor", vendor), ("device", device), ("class", kind)):
            put(host, f"{base}/{name}", text + "\n")
    assert host.pci_devices() == ["0xd802", "0xd802"]


def test_people_and_groups(host: Host) -> None:
    put(host, "/etc/passwd", "root:x:0:0::/root:/bin/sh\nbroken\nnpu:x:1002:1003::/h:/bin/sh\n")
    put(host, "/etc/group", "npu:x:1003:deploy,ops\nbad:x:y:\n")
    assert host.person("npu") == Person("npu", 1002, 1003)
    assert (host.person("nobody"), host.group("npu"), host.group("bad")) == (None, 1003, None)
    assert host.members("npu") == ["deploy", "ops"]
    assert (host.owner_of("/etc/passwd", 1002), host.owner_of("/etc/group", 7)) == ("npu", None)


def test_who_holds_a_chip_and_who_runs_an_installer(host: Host) -> None:
    for pid, words in ((4711, "python3\0serve.py"), (4712, "/bin/sh\0/tmp/Ascend-cann-toolkit_8.2.RC1.run\0--install")):
        put(host, f"/proc/{pid}/cmdline", words)
        put(host, f"/proc/{pid}/comm", "python3\n")
        put(host, f"/proc/{pid}/stat", f"{pid} (a b) S 1 " + "0 " * 17 + "99 0\n")
    fd = Path(host.locate("/proc/4711/fd"))
    fd.mkdir()
    for number, target in enumerate(("/dev/davinci3", "/dev/davinci_manager", "/dev/null")):
        (fd / str(number)).symlink_to(target)
    assert host.chip_holders() == ["python3 (4711) holds /dev/davinci3"]
    assert installer.others(host) == ["pid 4712: /bin/sh /tmp/Ascend-cann-toolkit_8.2.RC1.run --install"]
    put(host, installer.RUNNING, json.dumps({"pid": 4712, "started": "99"}))
    assert installer.others(host) == []  # it is one of ours, and is waited for
    assert installer.wait_for(host, 2.0, lambda seconds: None) is False


def test_logs_that_grow_and_rotate(host: Host) -> None:
    put(host, "/l", "old\n")
    start = host.size("/l")
    put(host, "/l", "old\nnew\n")
    assert host.tail("/l", start) == "new\n"
    put(host, "/l", "x\n")
    assert host.tail("/l", start) == "x\n"
    assert (host.tail("/none", 0), host.size("/none")) == ("", 0)
    assert host.tail("/l", 0, 1) == "\n"


def test_room_is_that_of_the_nearest_folder(host: Host) -> None:
    assert host.free_mib("/not/yet/there") == Host("/").free_mib(host.root)


def test_notes_that_are_spoilt_count_as_none(host: Host) -> None:
    for text in ("", "{", "[1]", '{"a": 1}'):
        put(host, "/n", text)
        assert host.read_json("/n") == ({"a": 1} if text.startswith('{"') else {})


def script(folder: Path, text: str) -> Path:
    path = folder / "Ascend-test.run"
    path.write_text("#!/bin/sh\n" + text)
    return path


def alive(pid: int) -> bool:
    return Host("/").started(pid) is not None


def until(folder: Path, name: str) -> str:
    for _ in range(400):
        if (folder / name).is_file() and (folder / name).read_text().endswith("\n"):
            return (folder / name).read_text()
        time.sleep(0.02)
    raise AssertionError(f"{name} never came")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_run_that_is_cancelled_takes_the_whole_group_along(tmp_path: Path, number: signal.Signals) -> None:
    package = script(tmp_path, f"sleep 60 & echo $! > {tmp_path}/child\nwait\n")
    ours = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(MODULE_UTILS), str(tmp_path), str(package)],
        stdout=subprocess.PIPE,
        text=True,
    )
    child = int(until(tmp_path, "child"))
    until(tmp_path, installer.RUNNING.lstrip("/"))
    ours.send_signal(number)
    output, _ = ours.communicate(timeout=20)
    assert f"cancelled: stopped by signal {int(number)}" in output
    assert not alive(child)
    assert not (tmp_path / installer.RUNNING.lstrip("/")).exists()


def test_a_run_that_is_killed_leaves_an_installer_that_the_next_one_knows(tmp_path: Path) -> None:
    package = script(tmp_path, f"echo $$ > {tmp_path}/child\nwhile [ ! -f {tmp_path}/go ]; do sleep 0.05; done\n")
    ours = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(MODULE_UTILS), str(tmp_path), str(package)], stdout=subprocess.DEVNULL
    )
    child = int(until(tmp_path, "child"))
    note = until(tmp_path, installer.RUNNING.lstrip("/"))
    ours.kill()
    ours.wait(10)

    class Here(Host):
        def started(self, pid: int) -> str | None:
            return Host("/").started(pid)

    host = Here(str(tmp_path))
    assert alive(child) and json.loads(note)["pid"] == child
    left = installer.left_over(host)
    assert left is not None and left["package"] == "driver 1"
    (tmp_path / "go").write_text("")
    assert installer.wait_for(host, 100, lambda seconds: time.sleep(0.05))
    assert not alive(child)


def test_progress_comes_from_the_installers_own_log(host: Host, tmp_path: Path) -> None:
    put(host, installer.LOG, "upgradePercentage:90%\n")  # of an installation long ago
    log = host.locate(installer.LOG)
    package = script(
        tmp_path,
        f"echo '[Driver] [now] [INFO]upgradePercentage:40%' >> {log}\necho begun\nsleep 0.8\necho done\n",
    )
    seen: list[tuple[int | None, str]] = []
    outcome = installer.run(host, [str(package)], 20, lambda percent, line: seen.append((percent, line)), "x")
    assert (outcome.rc, outcome.output) == (0, "begun\ndone\n")
    assert outcome.log.endswith("upgradePercentage:40%\n") and "90%" not in outcome.log
    assert (40, "begun") in seen


def test_a_daemon_that_is_left_behind_is_neither_waited_for_nor_killed(host: Host, tmp_path: Path) -> None:
    package = script(tmp_path, f"sleep 5 & echo $! > {tmp_path}/child\necho done\n")
    began = time.monotonic()
    outcome = installer.run(host, [str(package)], 20, lambda percent, line: None, "x")
    child = int(until(tmp_path, "child"))
    assert (outcome.rc, outcome.output) == (0, "done\n")
    assert time.monotonic() - began < 4
    assert alive(child)
    os.kill(child, signal.SIGKILL)


def test_what_cannot_be_started_and_output_without_end(host: Host, tmp_path: Path) -> None:
    assert installer.run(host, [str(tmp_path / "none.run")], 5, lambda percent, line: None, "x").rc == 127
    package = script(tmp_path, "yes | head -c 5000000\necho the end\nexit 3\n")
    outcome = installer.run(host, [str(package)], 30, lambda percent, line: None, "x")
    assert outcome.rc == 3
    assert len(outcome.output) <= installer.OUTPUT_LIMIT + (1 << 16)
    assert outcome.output.endswith("the end\n")


def test_npu_smi_that_hangs_is_ended(tmp_path: Path) -> None:
    tool = tmp_path / "npu-smi"
    tool.write_text("#!/bin/sh\nexec sleep 60\n")
    tool.chmod(0o755)
    answer = Tool(str(tool), short_seconds=0.2).short(["info", "-l"])
    assert answer.rc is None
