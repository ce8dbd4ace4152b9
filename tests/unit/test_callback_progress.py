"""Counting and wording of the console, without Ansible."""

from __future__ import annotations

import json
import stat
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from controller.events import EventLog
from controller.progress import Console, HostTally, Tally, pad, shorten, width_of

WORDS = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=60)


@given(WORDS, st.integers(4, 40))
def test_columns_stay_columns(text: str, width: int) -> None:
    short = shorten(text, width)
    assert width_of(short) <= width
    assert width_of(pad(short, width)) == width
    assert width_of(shorten(text, width, ascii_only=True)) <= width


@given(st.text(max_size=80), st.integers(80, 140), st.booleans())
def test_a_result_is_one_line_that_fits(what: str, width: int, poor: bool) -> None:
    line = Console("zh", poor, width).result("硬件", "node1", "ok", what, seconds=3.4, progress="[12/24]")
    assert "\n" not in line and width_of(line) <= width
    assert line.endswith("3.4 s  [12/24]")


def test_progress_counts_results_and_closes_plays_that_end_early() -> None:
    tally = Tally()
    tally.plan([6, 4])
    tally.begin_play(6)
    tally.add("a", "ok", 1.0)
    tally.add("b", "failed", 1.0)
    assert tally.progress == "[ 2/10]"
    tally.begin_play(4)
    tally.add("a", "ok", 0.5)
    assert tally.progress == "[ 7/10]"
    for _ in range(9):  # included tasks that nobody could foresee
        tally.add("a", "ok", 0.0)
    assert tally.progress == "[10/10]"
    assert tally.hosts["a"].states["ok"] == 11 and tally.hosts["a"].seconds == 1.5


def test_the_table_adds_up() -> None:
    one, two = HostTally(module_runs=3, seconds=1.25), HostTally(module_runs=4, seconds=2.0)
    one.states["ok"], two.states["failed"] = 5, 2
    lines = Console("en", True).table({"node1": one, "node2": two})
    assert lines[0].split() == ["host", "ok", "changed", "failed", "unreachable", "skipped", "modules", "seconds"]
    assert lines[-1].split() == ["total", "5", "0", "2", "0", "0", "7", "3.2"]
    assert all(line.isascii() for line in lines) and len({width_of(line) for line in lines}) == 1
    chinese = Console("zh").table({"node1": one})
    assert "模块次数" in chinese[0] and len({width_of(line) for line in chinese}) == 1


def test_events_wait_for_the_run_folder_and_hold_no_secret(tmp_path: Path) -> None:
    log = EventLog()
    log.add("result", task="tell Planted-Secret-1 to nobody", host="node1")
    log.secrets(["Planted-Secret-1"])
    log.add("result", host="node2", reason=None, password="another")
    log.open(tmp_path)
    log.add("result", task="Planted-Secret-1", host="node3")
    log.open(tmp_path)
    path = tmp_path / "events.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [row["host"] for row in rows] == ["node1", "node2", "node3"]
    assert "Planted-Secret-1" not in path.read_text(encoding="utf-8") and rows[1]["password"] == "[redacted]"
    assert "reason" not in rows[1]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_log_that_cannot_be_written_is_told_and_stops_nothing(tmp_path: Path) -> None:
    log = EventLog()
    log.open(tmp_path / "gone")
    log.add("result", host="node1")
    assert log.problem is not None and "gone" in log.problem
