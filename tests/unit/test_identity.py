"""The node's own record: plan, apply, undo, and what its firmware says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from npuforge.identity import apply, parse, plan, verify

WANTED = {
    "name": "node1",
    "site": "site-a",
    "rack": "R01",
    "rack_position": 20,
    "asset_serial": "2102314TWN10P0000001",
    "bmc_address": "192.0.2.11",
}


def test_converges_and_then_has_nothing_to_do(tmp_path: Path) -> None:
    files = apply.Files(str(tmp_path))
    steps = plan.plan(apply.observe(files), WANTED)
    assert {step["path"] for step in steps} == {plan.BANNER_PATH, plan.RECORD_PATH}
    apply.apply(steps, files)
    assert verify.mismatches(steps, files) == []
    assert plan.plan(apply.observe(files), WANTED) == []
    record, problem = parse.parse_record(files.read(plan.RECORD_PATH))
    assert problem is None
    assert record is not None
    assert record["rack_position"] == 20
    assert (tmp_path / "etc/npuforge/identity.json").stat().st_mode & 0o777 == 0o644


def test_removal_leaves_neither_file(tmp_path: Path) -> None:
    files = apply.Files(str(tmp_path))
    apply.apply(plan.plan(apply.observe(files), WANTED), files)
    apply.apply(plan.plan(apply.observe(files), None), files)
    assert apply.observe(files) == {plan.RECORD_PATH: None, plan.BANNER_PATH: None}


class BrokenFiles(apply.Files):
    """Refuses to write one path, as a full or read-only file system does."""

    def __init__(self, root: str, broken: str) -> None:
        super().__init__(root)
        self.broken = broken

    def write(self, path: str, text: str) -> None:
        if path == self.broken:
            raise OSError(28, "No space left on device")
        super().write(path, text)


@pytest.mark.parametrize("broken", [plan.RECORD_PATH, plan.BANNER_PATH])
def test_a_failing_write_puts_the_old_files_back(tmp_path: Path, broken: str) -> None:
    good = apply.Files(str(tmp_path))
    apply.apply(plan.plan(apply.observe(good), WANTED), good)
    before = apply.observe(good)
    steps = plan.plan(before, dict(WANTED, rack="R09"))
    assert len(steps) == 2
    with pytest.raises(OSError, match="No space left"):
        apply.apply(steps, BrokenFiles(str(tmp_path), broken))
    assert apply.observe(good) == before
    assert not list(tmp_path.rglob(".npuforge.*")), "a temporary file was left behind"


def test_mismatch_is_seen_when_something_else_rewrites_the_file(tmp_path: Path) -> None:
    files = apply.Files(str(tmp_path))
    steps = plan.plan(apply.observe(files), WANTED)
    apply.apply(steps, files)
    files.write(plan.RECORD_PATH, "{}")
    assert verify.mismatches(steps, files) == [plan.RECORD_PATH]


@given(st.text() | st.none() | st.recursive(st.none() | st.text(), st.lists).map(json.dumps))
def test_any_file_content_is_a_record_or_a_problem(text: str | None) -> None:
    record, problem = parse.parse_record(text)
    assert (record is None) or (problem is None)
    if text is not None:
        assert record is not None or problem


@given(st.text(), st.text())
def test_banner_cannot_be_made_to_control_the_console(site: str, rack: str) -> None:
    banner = plan.render_banner(dict(WANTED, site=site, rack=rack))
    assert "\x1b" not in banner
    # agetty expands a lone backslash: every one must be doubled
    assert "\\" not in banner.replace("\\\\", "")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2102314TWN10P0000001\n", "2102314TWN10P0000001"),
        ("# SMBIOS implementations newer than version 3.5.0 are not\n# fully supported.\nHuawei\n", "Huawei"),
        ("To Be Filled By O.E.M.\n", None),
        ("Default string\n", None),
        ("   \n", None),
        ("", None),
    ],
)
def test_dmi_placeholders_are_no_answer(text: str, value: str | None) -> None:
    assert parse.parse_dmi_string(text) == value


class FakeRunner(apply.Runner):
    def __init__(self, code: int, text: str) -> None:
        super().__init__()
        self.answer = (code, text)

    def run(self, argv: list[str]) -> tuple[int, str]:
        return self.answer


def test_without_dmidecode_every_fact_is_unknown_and_says_why() -> None:
    facts = verify.firmware(FakeRunner(127, ""))
    assert facts["serial"] is None
    assert {note["problem"] for note in facts["notes"]} == {"dmidecode is not installed"}


@pytest.mark.parametrize(
    ("in_band", "by_bmc", "same"),
    [("A1", "a1 ", True), ("A1", "B2", False), (None, "B2", None), ("A1", None, None)],
)
def test_crossed_bmc_cables_show(in_band: str | None, by_bmc: str | None, same: bool | None) -> None:
    assert verify.same_serial(in_band, by_bmc) is same
