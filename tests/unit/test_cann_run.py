"""CANN of a make-believe node: side by side, one active, both layouts, environment, lies, kills, check mode."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from cann_helpers import CannWorld, cann_facts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from npu_software_helpers import Killed, snapshot
from npuforge.ascend.software import cann_environment, cann_plan, cann_read

ENVIRONMENT, PROFILE = cann_environment.ENVIRONMENT, cann_environment.PROFILE


@pytest.fixture(autouse=True)
def quick_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test loses no power; waiting for the disk is most of its time."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def world(tmp_path: Path) -> CannWorld:
    return CannWorld(tmp_path / "node")


def settled(world: CannWorld, *versions: str, **more: Any) -> None:
    """As wanted, and a second run changes nothing."""
    again = world.cann(*versions, **more)
    assert (again.changed, again.steps, again.failed) == (False, [], False), again.message
    told = cann_facts(again)
    assert (told["differences"], told["environment_differences"]) == ([], [])


def test_toolkit_kernels_nnal_and_the_environment(world: CannWorld) -> None:
    made = world.cann("8.2.RC1")
    assert made.steps == [
        "install toolkit 8.2.RC1",
        "install kernels 8.2.RC1",
        "install nnal 8.2.RC1",
        "make toolkit 8.2.RC1 the active one",
        "make nnal 8.2.RC1 the active one",
        f"write {ENVIRONMENT}",
        f"write {PROFILE}",
    ]
    assert not made.failed
    calls = world.calls("cann")
    assert calls[0].startswith(
        "toolkit 8.2.RC1 --install --quiet --install-for-all home=/usr/local/Ascend/ascend-toolkit/8"
    )
    told = cann_facts(made)
    assert told["active"] == "8.2.RC1"
    assert (told["driver_compatible"], told["driver_compatible_relied_on"]) == (True, "cann")
    assert {(row["package"], row["active"]) for row in told["installed"]} == {
        ("toolkit", True),
        ("kernels", True),
        ("nnal", True),
    }
    began = time.monotonic()
    settled(world, "8.2.RC1")
    assert time.monotonic() - began < 0.5


def test_the_environment_is_one_for_systemd_and_shells(world: CannWorld) -> None:
    world.cann("8.2.RC1")
    text = world.read(ENVIRONMENT.lstrip("/"))
    assert "ASCEND_TOOLKIT_HOME=/usr/local/Ascend/ascend-toolkit/latest\n" in text
    assert "$" not in text and "\nPATH=" not in text
    profile = world.root / PROFILE.lstrip("/")
    program = f'. {profile}; . {profile}; echo "$PATH"; echo "$LD_LIBRARY_PATH"; echo "$ATB_HOME_PATH"'
    done = subprocess.run(
        ["/bin/sh", "-euc", program], capture_output=True, text=True, check=True, env={"PATH": "/usr/bin:/bin"}
    )
    path, libraries, atb = done.stdout.splitlines()
    assert path == (
        "/usr/local/Ascend/ascend-toolkit/latest/bin:/usr/local/Ascend/ascend-toolkit/latest/compiler/ccec_compiler/bin"
        ":/usr/bin:/bin"
    )
    assert libraries.endswith("/atb/cxx_abi_1/lib")
    assert atb == "/usr/local/Ascend/nnal/atb/latest/atb/cxx_abi_1"


def test_two_versions_side_by_side_and_the_active_one_by_variable(world: CannWorld) -> None:
    both = ("8.1.RC1", "8.2.RC1")
    world.cann(*both, active="8.1.RC1")
    told = cann_facts(world.cann(*both, active="8.1.RC1", check=True))
    assert (told["active"], told["active_nnal"]) == ("8.1.RC1", "8.1.RC1")
    assert len(told["installed"]) == 6
    made = world.cann(*both)
    assert made.steps == [
        "make toolkit 8.2.RC1 the active one",
        "make nnal 8.2.RC1 the active one",
        f"write {ENVIRONMENT}",
        f"write {PROFILE}",
    ]
    latest = world.root / "usr/local/Ascend/ascend-toolkit/latest"
    assert {str(each.readlink()).split("/")[1] for each in latest.iterdir()} == {"8.2.RC1"}
    settled(world, *both)


def test_a_version_that_lacks_kernels_takes_no_other_versions(world: CannWorld) -> None:
    both = ("8.1.RC1", "8.2.RC1")
    wanted = {"toolkit": list(both), "kernels": "8.2.RC1", "nnal": None}
    world.cann(*both, wanted=wanted)
    world.cann(*both, wanted=wanted, active="8.1.RC1")
    latest = world.root / "usr/local/Ascend/ascend-toolkit/latest"
    assert sorted(each.name for each in latest.iterdir()) == ["aarch64-linux", "opp"]
    settled(world, *both, wanted=wanted, active="8.1.RC1")
    world.cann(*both, wanted=wanted)
    assert (latest / "opp_kernel" / "version.info").is_file()


def test_from_the_old_layout_to_the_new_root_and_back(world: CannWorld) -> None:
    world.cann("8.2.RC1")
    made = world.cann("8.2.RC1", "8.5.0")
    assert not made.failed
    assert cann_facts(made)["active"] == "8.5.0"
    assert str((world.root / "usr/local/Ascend/cann").readlink()) == "cann-8.5.0"
    assert "ASCEND_TOOLKIT_HOME=/usr/local/Ascend/cann\n" in world.read(ENVIRONMENT.lstrip("/"))
    settled(world, "8.2.RC1", "8.5.0")
    world.cann("8.2.RC1", "8.5.0", active="8.2.RC1")
    settled(world, "8.2.RC1", "8.5.0", active="8.2.RC1")


def test_latest_as_a_plain_link(world: CannWorld) -> None:
    world.cann("8.1.RC1", "8.2.RC1")
    latest = world.root / "usr/local/Ascend/ascend-toolkit/latest"
    for each in latest.iterdir():
        each.unlink()
    latest.rmdir()
    latest.symlink_to("8.2.RC1")
    settled(world, "8.1.RC1", "8.2.RC1")
    world.cann("8.1.RC1", "8.2.RC1", active="8.1.RC1")
    assert str(latest.readlink()) == "8.1.RC1"


def test_a_toolkit_too_new_for_the_driver_is_not_activated(world: CannWorld) -> None:
    world.cann("8.2.RC1")
    made = world.cann("8.2.RC1", "9.9.0")
    assert made.failed
    assert "it does not go with the driver and was not activated" in made.message
    told = cann_facts(made)
    assert (told["active"], told["driver_compatible"]) == ("8.2.RC1", True)
    assert "nnal 8.2.RC1 is active again" in told["restored"]
    again = world.cann("8.2.RC1", "9.9.0")
    assert "neither names the other" in again.problems[0]
    assert cann_facts(again)["differences"][0] == "toolkit 8.2.RC1 is active, 9.9.0 is wanted"
    forced = world.cann("8.2.RC1", "9.9.0", allow_incompatible=True)
    assert (forced.failed, cann_facts(forced)["driver_compatible"]) == (False, False)


@pytest.mark.parametrize("package", ["toolkit", "kernels", "nnal"])
def test_success_that_installed_nothing_is_a_failure(world: CannWorld, package: str) -> None:
    world.how("cann", f"lies{package}")
    made = world.cann("8.2.RC1")
    assert made.failed
    assert cann_facts(made)["last_error"]["code"] == "no_effect"
    assert f"install {package} 8.2.RC1" in made.message
    world.how("cann", "")
    assert not world.cann("8.2.RC1").failed
    settled(world, "8.2.RC1")


def test_a_failure_leaves_the_version_before_active(world: CannWorld) -> None:
    world.cann("8.1.RC1")
    world.how("cann", "failskernels", "cp: No space left on device")
    made = world.cann("8.1.RC1", "8.2.RC1")
    told = cann_facts(made)
    assert (told["last_error"]["code"], told["active"]) == ("no_space", "8.1.RC1")
    assert told["restored"] == ["toolkit 8.1.RC1 is active again"]
    assert "磁盘空间不足" in made.observations[0]["observation"]["facts"]["remedies"]["npu.cann"]["zh"]
    settled(world, "8.1.RC1", active="8.1.RC1")


def test_problems_are_told_at_once_and_nothing_is_touched(world: CannWorld) -> None:
    world.uid = 1000
    (world.root / "usr/local/Ascend/driver/version.info").unlink()
    world.free_mib = {"/usr/local/Ascend": 0}
    before = snapshot(world.root)
    made = world.cann("8.2.RC1", wanted={"toolkit": "8.2.RC1", "kernels": "8.1.RC1"})
    told = "\n".join(made.problems)
    assert "the bundle has no cann_kernels 8.1.RC1" in told
    assert "kernels 8.1.RC1 need toolkit 8.1.RC1" in told
    assert "root is needed" in told
    assert "no driver is installed, and it comes before CANN" in told
    assert "0 MiB are free" in told
    after = {name: text for name, text in snapshot(world.root).items() if not name.startswith("run/")}
    assert after == {name: text for name, text in before.items() if not name.startswith("run/")}
    assert "active" in "\n".join(world.cann("8.2.RC1", active="8.3.RC1").problems)


def test_a_changed_environment_is_found_and_written_again(world: CannWorld) -> None:
    world.cann("8.2.RC1")
    path = world.root / ENVIRONMENT.lstrip("/")
    path.write_text(path.read_text().replace("/opp\n", "/oops\n") + "EXTRA=1\n")
    told = cann_facts(world.cann("8.2.RC1", check=True))["environment_differences"]
    latest = "/usr/local/Ascend/ascend-toolkit/latest"
    assert told == [
        f"{ENVIRONMENT}: ASCEND_OPP_PATH is {latest}/oops, wanted {latest}/opp",
        f"{ENVIRONMENT}: EXTRA is 1, wanted none",
    ]
    assert world.cann("8.2.RC1").steps == [f"write {ENVIRONMENT}"]
    settled(world, "8.2.RC1")


def test_nothing_wanted_is_nothing_done_and_said_so(world: CannWorld) -> None:
    made = world.cann()
    told = cann_facts(made)
    assert (made.changed, told["differences"], told["driver_compatible"]) == (False, None, None)
    notes = made.observations[0]["observation"]["facts"]["notes"]
    assert {"where": "cann.differences", "problem": "nobody said which CANN is wanted"} in notes


def test_a_tampered_package_is_refused_by_name(world: CannWorld) -> None:
    world.broken_files = {"Ascend-cann-nnal_8.2.RC1_linux-aarch64.run"}
    made = world.cann("8.2.RC1")
    assert "Ascend-cann-nnal_8.2.RC1_linux-aarch64.run: the SHA-256 is wrong" in made.message
    assert world.calls("cann") == []


@pytest.mark.parametrize("place", ["1toolkit8.2.RC1", "2toolkit8.2.RC1", "1kernels8.2.RC1", "2nnal8.2.RC1"])
def test_an_installer_killed_half_way_is_repaired(world: CannWorld, place: str) -> None:
    world.cann("8.1.RC1")
    world.how("cann", f"dies{place}")
    made = world.cann("8.1.RC1", "8.2.RC1")
    assert cann_facts(made)["last_error"]["code"] == "killed"
    assert "installed half" in cann_facts(made)["differences"][0]
    world.how("cann", "")
    again = world.cann("8.1.RC1", "8.2.RC1")
    assert any("an installation was interrupted" in step for step in again.steps)
    settled(world, "8.1.RC1", "8.2.RC1")


def test_our_own_process_killed_at_every_change_converges(tmp_path: Path) -> None:
    has, wants, place = ["8.1.RC1"], ["8.5.0"], 0
    wanted = {"toolkit": wants, "kernels": None, "nnal": wants}
    while True:
        place += 1
        world = CannWorld(tmp_path / str(place))
        world.cann(*has, wanted={"toolkit": has})
        world.host.changes = 0
        world.host.kill_at = place
        try:
            world.cann(*wants, wanted=wanted)
            break
        except Killed:
            world.host.kill_at = None
        again = world.cann(*wants, wanted=wanted)
        assert not again.failed, (place, again.message)
        settled(world, *wants, wanted=wanted)
    assert place > 8


VERSIONS = ["8.1.RC1", "8.2.RC1", "8.5.0"]


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    has=st.lists(st.sampled_from(VERSIONS), max_size=2, unique=True),
    wants=st.lists(st.sampled_from(VERSIONS), max_size=2, unique=True),
    active=st.sampled_from([None, None, *VERSIONS]),
    spoilt=st.sampled_from(["", "environment", "mixture", "file"]),
)
def test_check_mode_equals_reality_and_a_second_run_is_empty(
    tmp_path: Path, has: list[str], wants: list[str], active: str | None, spoilt: str
) -> None:
    world = CannWorld(tmp_path / f"n{time.monotonic_ns()}")
    if has:
        world.cann(*has, wanted={"toolkit": has, "kernels": has[:1], "nnal": None})
    if spoilt == "environment":
        world.host.remove(ENVIRONMENT)
    latest = world.root / "usr/local/Ascend/ascend-toolkit/latest"
    if spoilt == "mixture" and (latest / "opp").is_symlink():
        (latest / "opp").unlink()
        (latest / "opp").symlink_to("../0.0.0/opp")
    for path in list(world.root.glob("usr/local/Ascend/*/*/*-linux/*toolkit_install.info"))[: spoilt == "file"]:
        path.write_text("package_name=Ascend-cann-toolkit\nversion=8.")
    before = snapshot(world.root)
    planned = world.cann(*wants, active=active, check=True)
    assert snapshot(world.root) == before
    done = world.cann(*wants, active=active)
    assert (planned.steps, planned.problems, planned.failed) == (done.steps, done.problems, done.failed)
    assert (planned.diff, planned.changed) == (done.diff, done.changed)
    if not done.failed:
        again = world.cann(*wants, active=active)
        assert (again.changed, again.steps, again.diff) == (False, [], [])
        if wants or active:
            told = cann_facts(again)
            assert (told["differences"], told["environment_differences"]) == ([], [])
            assert told["active"] == (active or cann_plan.newest(wants))
    else:
        assert active is not None and active not in wants


def test_layouts_and_the_newest() -> None:
    assert [
        cann_read.new_layout(each) for each in ("8.2.RC1", "8.5.0", "8.5.0.alpha001", "9.0.0-beta.1", "10.1.0")
    ] == [
        False,
        True,
        True,
        True,
        True,
    ]
    assert cann_plan.newest(["8.5.0", "8.2.RC1"]) == "8.5.0"
    assert cann_plan.newest([]) is None


@settings(max_examples=60)
@given(text=st.text(max_size=200))
def test_environment_files_of_any_kind(text: str) -> None:
    found = cann_environment.parse(text)
    assert found is None or isinstance(found, dict)
    assert cann_environment.differences("f", text, {"A": "1"}) or found == {"A": "1"}
