"""Driver and firmware of a make-believe node: order, checks beforehand, lies, failures, restore, kills, check mode."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from npu_software_helpers import DRIVERS, FIRMWARES, KERNEL, NEW, OLD, Killed, World, facts, snapshot, software
from npuforge.ascend.files import Files, Locked
from npuforge.ascend.software import driver_plan, driver_run, installer
from npuforge.ascend.software.driver_facts import result
from npuforge.ascend.software.driver_preflight import Rules
from npuforge.ascend.software.host import LOCK, Host, Process

WORLD_ONLY = ("world/", "run/npuforge")


@pytest.fixture(autouse=True)
def quick_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test loses no power; waiting for the disk is most of its time."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "node")


def settle(world: World) -> None:
    world.how("driver", "ok")
    world.how("firmware", "ok")
    world.host.kill_at = None


def whole(world: World, versions: tuple[str, str] = NEW) -> bool:
    status = "Driver_Install_Status=complete" in world.read("etc/ascend_install.info")
    return status and (world.version("driver"), world.version("firmware")) == versions


def test_first_installation_is_driver_then_firmware_and_makes_the_user(world: World) -> None:
    made = world.run(user=driver_plan.User(uid=1002, gid=1003))
    assert (made.failed, made.changed) == (False, True)
    assert made.steps == [
        "create group HwHiAiUser (gid 1003)",
        "create user HwHiAiUser (uid 1002)",
        "install driver 25.0.rc1.1 (--full)",
        "install firmware 7.7.0.1.231 (--full)",
    ]
    assert "HwHiAiUser:x:1002:1003:" in world.read("etc/passwd")
    assert world.calls("driver") == ["25.0.rc1.1 --full --quiet --install-for-all"]
    assert world.calls("firmware") == ["7.7.0.1.231 --full --quiet"]
    assert software(made)["reboot_reasons"] == ["firmware 7.7.0.1.231 is installed and 7.1.0.1.1 runs"]
    assert made.reboot_required


def test_after_the_restart_nothing_is_left_to_say_and_a_rerun_is_quick(world: World) -> None:
    world.run()
    world.restart()
    began = time.monotonic()
    made = world.run()
    assert time.monotonic() - began < 0.5
    assert (made.changed, made.steps, made.message, made.reboot_required) == (False, [], "as wanted", False)
    told = software(made)
    assert (told["driver"]["differs"], told["firmware"]["differs"], told["install_status"]) == ([], [], "complete")
    assert (told["compatibility"], told["firmware"]["running"]) == ("ok", ["7.7.0.1.231"] * 8)
    assert facts(made)["notes"] == []
    assert len(world.fetched) == 2


def test_upgrade_is_firmware_then_driver(world: World) -> None:
    world.have(*OLD)
    made = world.run()
    assert made.steps == [
        "upgrade firmware 7.5.0.1.129 to 7.7.0.1.231 (--upgrade)",
        "upgrade driver 24.1.rc3 to 25.0.rc1.1 (--upgrade)",
    ]
    assert world.calls("driver") == ["25.0.rc1.1 --upgrade --quiet --install-for-all"]
    assert software(made)["driver"]["loaded"] == "25.0.rc1.1"


def test_a_missing_key_means_the_bundle_and_null_leaves_alone(world: World) -> None:
    world.have(*OLD)
    made = world.run((None, None))
    assert (made.steps, software(made)["driver"]["differs"]) == ([], None)
    bench = driver_run.Bench(world.host, world.tool, world.fetch, lambda _: None)
    work = driver_run.run(world.request()._replace(wanted={"firmware": None}), bench)
    assert work.done == ["upgrade driver 24.1.rc3 to 25.0.rc1.1 (--upgrade)"]


def test_a_driver_that_asks_for_a_restart_is_no_failure(world: World) -> None:
    world.have(*OLD)
    world.how("driver", "reboot")
    made = world.run()
    assert not made.failed
    reasons = software(made)["reboot_reasons"]
    assert "the installer of driver 25.0.rc1.1 asks for a restart" in reasons
    assert "driver 25.0.rc1.1 is installed and 24.1.rc3 is loaded" in reasons
    assert software(made)["driver"]["differs"] == ["driver 24.1.rc3 is loaded, 25.0.rc1.1 is wanted"]
    world.restart()
    assert software(world.run())["reboot_required"] is False


def test_all_problems_are_told_at_once_and_nothing_is_touched(world: World) -> None:
    world.uid = 1000
    world.programs = {"gcc"}
    world.kernel = "6.6.0-1.oe2403.aarch64"
    (world.root / f"usr/src/kernels/{KERNEL}").mkdir(parents=True)
    world.free_mib = {"/usr/local/Ascend": 200}
    world.processes = [Process(4711, "/bin/sh /tmp/Ascend-hdk-910b-npu-driver_1_linux-aarch64.run --full", "1")]
    with (world.root / "etc/passwd").open("a") as stream:
        stream.write("nginx:x:1000:1000::/:/bin/false\n")
    before = snapshot(world.root)
    made = world.run(user=driver_plan.User(uid=1000))
    assert (made.failed, made.changed) == (True, False)
    told = "\n".join(made.problems)
    assert len(made.problems) == 6
    assert "root is needed" in told
    assert "uid 1000 for HwHiAiUser belongs to nginx" in told
    assert "programs are missing: dkms, make, ifconfig, lspci (install dkms make net-tools pciutils)" in told
    assert f"headers of kernel 6.6.0-1.oe2403.aarch64 are missing; there are those of {KERNEL}" in told
    assert "(install kernel-devel-6.6.0-1.oe2403.aarch64 kernel-headers-6.6.0-1.oe2403.aarch64)" in told
    assert "/usr/local/Ascend: 200 MiB are free and 332 MiB are needed" in told
    assert "another installer runs (pid 4711" in told
    assert facts(made)["remedies"]["npu.driver_version"]["zh"].startswith("安装前检查未通过")
    after = {name: text for name, text in snapshot(world.root).items() if not name.startswith(WORLD_ONLY)}
    assert after == {name: text for name, text in before.items() if not name.startswith(WORLD_ONLY)}
    assert world.calls("driver") == []


def test_packages_for_another_machine_or_chip_are_refused(world: World) -> None:
    request = world.request()
    bench = driver_run.Bench(world.host, world.tool, world.fetch, lambda _: None)
    foreign = {"url": "http://192.0.2.1", "artifacts": world.artifacts(arch="x86_64")}
    work = driver_run.run(request._replace(bundle=foreign), bench)
    assert work.refused == ["the bundle has npu_driver 25.0.rc1.1 for x86_64, and this machine is aarch64"]
    rows = world.artifacts()
    rows[0]["file"] = rows[0]["file"].replace("aarch64", "x86-64")
    rows[1]["chip"] = "a3"
    refused = driver_run.run(request._replace(bundle={"url": "u", "artifacts": rows}), bench).refused
    assert refused[0].endswith("is for x86-64 and this machine is aarch64")
    assert refused[1].endswith("is for chip a3 (0xd803) and the NPUs here are 0xd802")
    assert driver_run.run(request._replace(bundle={}), bench).refused[0] == "the bundle has no npu_driver 25.0.rc1.1"


def test_chips_in_use_are_not_taken_away(world: World) -> None:
    world.have(*OLD)
    world.holders = ["python3 (4711) holds /dev/davinci3"]
    made = world.run()
    assert made.problems == ["chips are in use: python3 (4711) holds /dev/davinci3 (stop it, or allow_busy)"]
    assert not world.run(rules=Rules(allow_busy=True)).failed


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("ERR_NO:0x0091;ERR_DES:HwHiAiUser not exists! Please add HwHiAiUser", "0x0091", "create HwHiAiUser"),
        ("ERR_NO:0x0094;ERR_DES:There is already a process being executed", "0x0094", "wait for it"),
        ("ERR_NO:0x0095;ERR_DES:The user and group are not same", "0x0095", "set install_user"),
        ("Drv_dkms_env_check failed, details in : x", "dkms_environment", "kernel-devel and kernel-headers"),
        ("cp: No space left on device", "no_space", "make room"),
        ("Arch mismatch, src package is x86_64, cur os is aarch64", "wrong_arch", "put the one for this machine"),
    ],
)
def test_a_refusal_is_explained_and_the_old_driver_stays(world: World, text: str, code: str, words: str) -> None:
    world.have(*OLD)
    world.how("driver", "code", text)
    made = world.run((NEW[0], None))
    told = software(made)
    assert made.failed
    assert (told["last_error"]["code"], told["restored"]) == (code, [])
    assert words in made.message
    assert "driver 24.1.rc3 is there" in made.message
    assert whole(world, OLD)
    assert words in facts(made)["remedies"]["npu.driver_version"]["en"]
    names = [row["name"] for row in made.observations[0]["raw"]]
    assert "install-1-driver.txt" in names
    assert "install-1-driver-ascend-install-log.txt" in names
    assert not world.run(OLD).changed


def test_success_that_installed_nothing_is_a_failure(world: World) -> None:
    world.have(*OLD)
    world.how("driver", "lies")
    made = world.run((NEW[0], None))
    assert made.failed
    assert software(made)["last_error"]["code"] == "no_effect"
    assert "the installer says success, and 24.1.rc3 is there" in made.message
    assert whole(world, OLD)
    world.how("driver", "ok")
    assert not world.run((NEW[0], None)).failed


def test_a_first_installation_that_lies_leaves_no_driver_and_says_so(world: World) -> None:
    world.how("driver", "lies")
    made = world.run()
    assert "no version is there" in made.message
    assert world.calls("firmware") == []


def test_firmware_on_seven_chips_of_eight_is_a_failure(world: World) -> None:
    world.have(*OLD)
    world.how("firmware", "few")
    made = world.run()
    assert software(made)["last_error"]["code"] == "chip_count"
    assert "the firmware of 7 chips was upgraded, 8 are expected" in made.message
    assert world.calls("driver") == []


def test_a_failed_upgrade_is_put_back_from_the_packages_that_are_kept(world: World) -> None:
    world.have(*OLD, kept=True)
    world.how("driver", f"late{NEW[0]}", "Driver_ko_install failed, details in : x")
    made = world.run()
    assert made.failed
    assert software(made)["restored"] == ["driver 24.1.rc3", "firmware 7.5.0.1.129"]
    assert "put back: driver 24.1.rc3" in made.message
    assert whole(world, OLD)
    assert world.calls("driver")[-1] == "24.1.rc3 --full --quiet --install-for-all"
    assert software(made)["install_status"] == "complete"
    assert not world.run(OLD).changed


def test_without_its_package_the_loss_is_told_and_repaired_by_the_next_run(world: World) -> None:
    world.have(*OLD)
    world.how("driver", f"late{NEW[0]}", "Driver_ko_install failed, details in : x")
    made = world.run()
    assert software(made)["restored"] == []
    assert "driver is not whole: an installation of driver 25.0.rc1.1 was interrupted" in made.message
    assert software(made)["install_status"] == "incomplete"
    settle(world)
    again = world.run()
    assert again.steps == ["reinstall driver 25.0.rc1.1 (--full): an installation of driver 25.0.rc1.1 was interrupted"]
    assert whole(world)


def test_a_package_that_was_changed_since_is_not_put_back(world: World) -> None:
    world.have(*OLD, kept=True)
    (kept,) = (world.root / "var/lib/npuforge/packages").glob("*driver*")
    kept.write_text("#!/bin/sh\nexit 0\n")
    world.how("driver", f"late{NEW[0]}", "x")
    assert software(world.run())["restored"] == ["firmware 7.5.0.1.129"]


def test_a_tampered_package_is_refused_by_name_before_anything_runs(world: World) -> None:
    world.have(*OLD)
    world.broken_files = {"Ascend-hdk-910b-npu-driver_25.0.rc1.1_linux-aarch64.run"}
    made = world.run()
    assert made.failed
    assert "Ascend-hdk-910b-npu-driver_25.0.rc1.1_linux-aarch64.run: the SHA-256 is wrong" in made.message
    assert (world.calls("driver"), world.calls("firmware")) == ([], [])
    assert whole(world, OLD)


def test_an_installer_that_hangs_is_stopped_with_all_it_started(world: World) -> None:
    world.how("driver", "hangs2")
    began = time.monotonic()
    made = world.run(timeout_seconds=0.5)
    assert time.monotonic() - began < 8
    assert software(made)["last_error"]["code"] == "timeout"
    assert not [p for p in Host("/").processes() if str(world.root) in p.command]
    settle(world)
    assert not world.run().failed
    assert whole(world)


@pytest.mark.parametrize("smi", ["hangs", "absent"])
def test_npu_smi_that_hangs_or_is_absent_is_unknown_and_no_reason_to_install(world: World, smi: str) -> None:
    world.have(*NEW)
    world.smi = smi
    made = world.run()
    assert (made.failed, made.changed) == (False, False)
    told = software(made)
    assert told["driver"]["loaded"] is None
    assert told["driver"]["differs"] == (None if smi == "hangs" else ["driver 25.0.rc1.1 is installed and not loaded"])
    assert told["firmware"]["differs"] is None
    assert told["reboot_required"] is (smi == "absent")
    assert any("npu-smi" in row["problem"] for row in facts(made)["notes"])


@pytest.mark.parametrize(
    ("status", "tail", "why"),
    [
        ("Driver_Install_Status=failed\n", "", "Driver_Install_Status is 'failed', not complete"),
        ("", "[WARNING]The driver package may not be completely installed, which may", "npu-smi says"),
    ],
)
def test_a_driver_that_is_not_complete_is_made_anew(world: World, status: str, tail: str, why: str) -> None:
    world.have(*NEW)
    path = world.root / "etc/ascend_install.info"
    path.write_text(path.read_text().replace("Driver_Install_Status=complete\n", status))
    world.smi_tail = tail + "\n" if tail else ""
    planned = world.run(check=True)
    assert why in planned.steps[0]
    refused = world.run(rules=Rules(allow_reinstall=False))
    assert "reinstalling is not allowed here" in refused.problems[0]
    world.smi_tail = ""
    made = world.run() if status else world.run(check=True)
    assert whole(world) if status else not made.failed


def test_a_driver_built_for_another_kernel_is_built_again(world: World) -> None:
    world.run()
    world.kernel = "6.6.0-2.aarch64"
    (world.root / "usr/src/kernels/6.6.0-2.aarch64").mkdir(parents=True)
    (world.root / "usr/src/kernels/6.6.0-2.aarch64/Makefile").write_text("")
    (world.root / "world/loaded").unlink()
    made = world.run()
    assert f"its modules were built for kernel {KERNEL}, 6.6.0-2.aarch64 runs" in made.steps[0]
    assert not world.run().changed


def test_progress_and_the_running_note(world: World) -> None:
    seen: list[Any] = []
    write = world.host.files.write

    def spy(path: str, text: str, mode: int = 0o640) -> None:
        seen.append((path, json.loads(text) if text.startswith("{") else text))
        write(path, text, mode)

    world.host.files.write = spy  # type: ignore[method-assign] - the test listens to every file that is written
    world.run()
    progress = [document for path, document in seen if path == "/run/npuforge/progress/npu_driver.json"]
    assert {"step", "words", "percent", "line", "seconds", "steps_count"} <= set(progress[0])
    assert progress[-1]["percent"] == 100
    notes = [document for path, document in seen if path == installer.RUNNING]
    assert notes[0]["package"] == "driver 25.0.rc1.1"
    assert not (world.root / installer.RUNNING.lstrip("/")).exists()


def test_an_installer_of_a_run_that_was_killed_is_waited_for(world: World) -> None:
    import subprocess

    child = subprocess.Popen(["/bin/sleep", "0.3"])
    note = {"pid": child.pid, "started": Host("/").started(child.pid), "package": "driver x"}
    world.host.write_json(installer.RUNNING, note)
    assert installer.left_over(world.host) == note
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        child.wait(5)

    bench = driver_run.Bench(world.host, world.tool, world.fetch, sleep)
    assert driver_run.run(world.request(), bench).failed is None
    assert waits[0] == 1.0
    note["started"] = "1"  # another process with that number
    world.host.write_json(installer.RUNNING, {**note, "pid": os.getpid()})
    assert installer.left_over(world.host) is None


def test_two_runs_on_one_node(world: World) -> None:
    world.host.files.lock_seconds = 0.1
    with Files(str(world.root)).lock(LOCK), pytest.raises(Locked, match="installs software"):
        world.run()


def test_another_user_of_the_last_installation_is_kept(world: World) -> None:
    world.have(*OLD)
    path = world.root / "etc/ascend_install.info"
    path.write_text(path.read_text().replace("HwHiAiUser", "npu"))
    made = world.run()
    assert made.steps[:2] == ["create group npu", "create user npu"]
    fresh = World(world.root.parent / "fresh")
    fresh.run(user=driver_plan.User("npu", "npu"))
    assert fresh.calls("driver") == [
        "25.0.rc1.1 --full --quiet --install-for-all --install-username=npu --install-usergroup=npu"
    ]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"name": "a b"}, "no names"),
        ({"uid": "x"}, "uid 'x'"),
        ({"uid": -4}, "uid -4"),
        ({"shell": "x"}, "unknown keys shell"),
    ],
)
def test_a_user_that_cannot_be(given: dict[str, Any], problem: str) -> None:
    assert problem in str(driver_plan.User.of(given)[1])
    assert driver_plan.User.of({"name": "npu", "uid": "1001"}) == (driver_plan.User("npu", "npu", 1001, None), None)


@pytest.mark.parametrize("start", ["bare", "old"])
@pytest.mark.parametrize("component", ["driver", "firmware"])
@pytest.mark.parametrize("place", [1, 2, 3, 4])
def test_an_installer_killed_half_way_is_found_and_repaired(
    world: World, start: str, component: str, place: int
) -> None:
    if start == "old":
        world.have(*OLD)
    world.how(component, f"dies{place}")
    made = world.run()
    assert made.failed
    assert software(made)["last_error"]["code"] == "killed"
    settle(world)
    again = world.run()
    assert not again.failed, again.message
    assert whole(world)
    assert not world.run().changed


@pytest.mark.parametrize("start", ["bare", "kept"])
def test_our_own_process_killed_at_every_change_converges(tmp_path: Path, start: str) -> None:
    place = 0
    while True:
        place += 1
        world = World(tmp_path / f"{start}{place}")
        if start != "bare":
            world.have(*OLD, kept=start == "kept")
        world.host.changes = 0
        world.host.kill_at = place
        try:
            world.run()
            break
        except Killed:
            settle(world)
        again = world.run()
        assert not again.failed, (place, again.message)
        assert whole(world), place
        assert not world.run().changed, place
    assert place > 6


STATES = st.sampled_from([None, *DRIVERS]), st.sampled_from([None, *FIRMWARES])
WANTED = st.sampled_from([None, *DRIVERS]), st.sampled_from([None, *FIRMWARES])


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    has=st.tuples(*STATES),
    wants=st.tuples(*WANTED),
    spoilt=st.sampled_from(["", "", "status", "half", "missing"]),
    breaks=st.sampled_from(["", "", "", "root", "busy", "tools"]),
)
def test_check_mode_equals_reality_and_a_second_run_is_empty(
    tmp_path: Path, has: tuple[str | None, str | None], wants: Any, spoilt: str, breaks: str
) -> None:
    world = World(tmp_path / f"n{time.monotonic_ns()}")
    if has[0] is not None:
        world.have(has[0], has[1])
        version = world.root / "usr/local/Ascend/driver/version.info"
        if spoilt == "status":
            path = world.root / "etc/ascend_install.info"
            path.write_text(path.read_text().replace("complete", "half"))
        elif spoilt == "half":
            version.write_text("Version=24.")
        elif spoilt == "missing":
            version.unlink()
    world.uid = 1000 if breaks == "root" else 0
    world.holders = ["python3 (1) holds /dev/davinci0"] if breaks == "busy" else []
    world.programs = set() if breaks == "tools" else world.programs
    before = snapshot(world.root)
    planned = world.run(wants, check=True)
    assert snapshot(world.root) == before
    done = world.run(wants)
    assert (planned.steps, planned.problems, planned.failed) == (done.steps, done.problems, done.failed)
    assert (planned.diff, planned.changed) == (done.diff, done.changed)
    if not done.failed:
        for component, version in zip(("driver", "firmware"), wants, strict=True):
            assert version is None or world.version(component) == version
        again = world.run(wants)
        assert (again.changed, again.steps, again.diff) == (False, [], [])
    else:
        assert {name: text for name, text in snapshot(world.root).items() if not name.startswith("run/")} == {
            name: text for name, text in before.items() if not name.startswith("run/")
        }
        assert re.search("root is needed|in use|programs are missing", done.message)


def test_putting_the_firmware_back_does_not_hide_that_the_driver_is_half_done(world: World) -> None:
    world.have(*OLD, kept=True)
    next((world.root / "var/lib/npuforge/packages").glob("*driver*")).unlink()
    world.how("driver", "dies4")
    made = world.run()
    assert software(made)["restored"] == ["firmware 7.5.0.1.129"]
    settle(world)
    again = world.run()
    assert "reinstall driver 25.0.rc1.1" in again.steps[0]
    assert whole(world)


def test_an_installer_that_never_ends_lets_nobody_else_begin(world: World) -> None:
    world.host.write_json(
        installer.RUNNING, {"pid": os.getpid(), "started": Host("/").started(os.getpid()), "package": "x"}
    )
    with pytest.raises(Locked, match="that an earlier run left"):
        world.run(timeout_seconds=3.0)
    assert world.calls("driver") == []
    bench = driver_run.Bench(world.host, world.tool, world.fetch, lambda _: None)
    told = result(world.request(), driver_run.look(world.request(), bench, "broken off: x"), True)
    assert (told.failed, told.changed, told.steps) == (True, False, [])
    assert software(told)["driver"]["differs"] == ["driver none is installed, 25.0.rc1.1 is wanted"]
