"""Packages of the bundle on a node: rpm's order, what is installed, refused files, a rerun with nothing to do."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from npuforge.bundle.manifest import BundleError
from npuforge.kernel.host import Host
from npuforge.packages import versions
from npuforge.packages.run import Request, Result, look, run

# From rpm's own tests (tests/rpmvercmp.at).
ORDER = [
    ("1.0", "1.0", 0), ("1.0", "2.0", -1), ("2.0.1", "2.0", 1), ("2.0.1a", "2.0.1", 1), ("5.5p1", "5.5p2", -1),
    ("5.5p10", "5.5p1", 1), ("10xyz", "10.1xyz", -1), ("xyz10", "xyz10.1", -1), ("xyz.4", "8", -1),
    ("5.5p2", "5.6p1", -1), ("6.0.rc1", "6.0", 1), ("10b2", "10a1", 1), ("1.0aa", "1.0a", 1),
    ("10.0001", "10.0039", -1), ("4.999.9", "5.0", -1),
    ("20101121", "20101122", -1), ("2_0", "2_0", 0), ("2.0", "2_0", 0), ("a", "a+", 0), ("+_", "_+", 0),
    ("1.0~rc1", "1.0", -1), ("1.0~rc1", "1.0~rc2", -1), ("1.0~rc1~git123", "1.0~rc1", -1),
    ("1.0^", "1.0", 1), ("1.0^git1", "1.0", 1), ("1.0^git1", "1.0^git2", -1), ("1.0^git1", "1.01", -1),
    ("1.0^20160101", "1.0.1", -1), ("1.0^20160101^git1", "1.0^20160102", -1), ("1.0~rc1^git1", "1.0~rc1", 1),
]  # fmt: skip
URL = "http://192.0.2.1:8077"
GCC = {"id": "rpm:gcc", "file": "gcc-12.3.1-1.noarch.rpm", "version": "12.3.1-1", "arch": ["noarch"]}
FILE = "kernel-devel-5.10.0-60.aarch64.rpm"
DEVEL = {"id": "rpm:kernel-devel", "file": FILE, "version": "5.10.0-60", "arch": ["aarch64"]}
OTHER = {"id": "rpm:make", "file": "make-4.4-1.x86_64.rpm", "version": "4.4-1", "arch": ["x86_64"]}
BUNDLE = {"url": URL, "artifacts": [GCC, DEVEL, OTHER, {"id": "npu_driver", "file": "x.run", "arch": ["aarch64"]}]}

RPM = """\
#!/bin/sh
# rpm and dnf over a text file, one "name version" a line
db=$NPUFORGE_ROOT/db
case "$0" in
*dnf)
  for word; do case $word in *.rpm) [ -f "$word" ] || exit 3; base=$(basename "$word" .rpm); base=${base%.*}
    [ -f "$NPUFORGE_ROOT/lies" ] || echo "$base" | sed 's/-\\([0-9]\\)/ \\1/' >> "$db";; esac; done
  [ ! -f "$NPUFORGE_ROOT/fails" ] || { echo "Error: nothing provides libfoo needed by gcc"; exit 1; } ;;
*)
  shift 3
  for name; do grep "^$name " "$db" || echo "package $name is not installed"; done ;;
esac
"""


@pytest.mark.parametrize(("one", "other", "order"), ORDER)
def test_versions_are_ordered_as_rpm_does(one: str, other: str, order: int) -> None:
    assert versions.compare(one, other) == order
    assert versions.compare(other, one) == -order


@pytest.mark.skipif(shutil.which("rpm") is None, reason="rpm is not installed")
@settings(max_examples=80, deadline=None)
@given(*[st.text("019abZ.~^_", min_size=1, max_size=8)] * 2)
def test_rpm_itself_agrees(one: str, other: str) -> None:
    program = f'%{{lua:print(rpm.vercmp("{one}","{other}"))}}'
    done = subprocess.run(["rpm", "--eval", program], capture_output=True, text=True, check=True)
    assert versions.compare(one, other) == int(done.stdout)


def test_epoch_version_release() -> None:
    assert versions.evr("1:1.0-1", "2.0-9") == 1
    assert versions.evr("2.0-1", "2.0") == 0
    assert versions.evr("2.0-1", "2.0-2") == -1


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("rpm", "dnf"):
        program = tmp_path / "usr/bin" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(RPM)
        program.chmod(0o755)
    (tmp_path / "db").write_text("bash 5.2-1\n")
    return tmp_path


def arrive(_url: str, artifact: Any, folder: str, _say: Any) -> Path:
    path = Path(folder) / artifact["file"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("rpm")
    return path


def act(root: Path, check: bool = False, get: Any = arrive, **more: Any) -> Result:
    request = Request("node1", more.pop("bundle", BUNDLE), more.pop("names", None), "/var/lib/npuforge/packages", check)
    return run(request, Host(str(root)), True, get, "aarch64")


def facts(result: Result) -> Any:
    [entry] = result.observations
    return entry["observation"]["facts"]["packages"]


def test_the_plan_is_what_is_done_and_the_second_run_is_empty(root: Path) -> None:
    planned = act(root, check=True)
    assert (planned.changed, planned.failed) == (True, False)
    assert (root / "db").read_text() == "bash 5.2-1\n"
    assert facts(planned)["differences"] == [
        "gcc: none is installed, the bundle has 12.3.1-1",
        "kernel-devel: none is installed, the bundle has 5.10.0-60",
    ]
    done = act(root)
    assert (done.changed, done.failed, done.steps) == (True, False, planned.steps), done.message
    assert facts(done)["differences"] == []
    again = act(root)
    assert (again.changed, again.steps, again.message) == (False, [], "node1: every package is there")


def test_newer_is_left_alone_older_is_not_and_kernels_live_side_by_side(root: Path) -> None:
    (root / "db").write_text("gcc 13.0-1\nkernel-devel 6.6.0-1\n")
    assert act(root, check=True).steps == ["install kernel-devel 5.10.0-60"]
    (root / "db").write_text("gcc 12.2-7\nkernel-devel 6.6.0-1\nkernel-devel 5.10.0-60\n")
    assert act(root, check=True).steps == ["install gcc 12.3.1-1"]


def test_a_refused_file_is_named_and_nothing_is_installed(root: Path) -> None:
    def refuse(*_: Any) -> Path:
        raise BundleError("gcc-12.3.1-1.noarch.rpm", "is not what the manifest says", "aa", "bb")

    made = act(root, get=refuse)
    assert (made.changed, made.failed) == (False, True)
    assert "gcc-12.3.1-1.noarch.rpm: is not what the manifest says (expected aa, seen bb)" in made.message
    assert (root / "db").read_text() == "bash 5.2-1\n"


def test_a_manager_that_fails_or_lies_is_a_failure(root: Path) -> None:
    (root / "lies").touch()
    made = act(root)
    assert (made.changed, made.failed) == (False, True)
    assert "reports success, but gcc: none is installed" in made.message
    (root / "fails").touch()
    made = act(root)
    assert "dnf did not install gcc, kernel-devel: Error: nothing provides libfoo needed by gcc" in made.message
    [entry] = made.observations
    assert entry["raw"][0]["rc"] == 1


def test_what_cannot_be_seen_is_not_touched(root: Path) -> None:
    (root / "usr/bin/rpm").write_text("#!/bin/sh\necho 'rpmdb: damaged'\nexit 1\n")
    made = act(root)
    assert (made.changed, made.failed) == (False, True)
    assert facts(made)["differences"] is None
    assert "rpm does not tell" in made.message


def test_a_name_that_the_bundle_lacks_is_told(root: Path) -> None:
    assert "the bundle has no make for aarch64" in act(root, names=["make"]).message
    assert act(root, names=["gcc"], check=True).steps == ["install gcc 12.3.1-1"]
    assert look(Host(str(root)), []) == []
