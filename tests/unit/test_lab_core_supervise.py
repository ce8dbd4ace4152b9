"""Background processes: the right one is stopped, for certain, and nobody else's is ever touched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.state import LabError, State
from lab.supervise import MARK, Process, Supervisor, end, marked

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    state = State(tmp_path / "state")
    state.make_folders()
    yield state
    end(marked(state), grace=0)


@pytest.fixture
def supervisor(state: State) -> Supervisor:
    return Supervisor(state)


def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def test_start_records_and_stop_ends(supervisor: Supervisor, state: State) -> None:
    process = supervisor.start("nap", ["sleep", "60"], code="v1")
    record = json.loads((state.run / "nap.json").read_text())
    assert record["pid"] == process.pid
    assert record["started"] == process.started
    assert record["argv"] == ["sleep", "60"]
    assert supervisor.running("nap") == process
    assert supervisor.code("nap") == "v1"
    assert supervisor.stop("nap") is True
    assert not process.alive
    assert supervisor.stop("nap") is False
    assert not (state.run / "nap.json").exists()


def test_who_ignores_term_is_killed(supervisor: Supervisor) -> None:
    process = supervisor.start("stubborn", [sys.executable, "-c", STUBBORN])
    until(lambda: "up" in supervisor.log("stubborn").read_text())
    begin = time.monotonic()
    assert supervisor.stop("stubborn", grace=0.3) is True
    assert not process.alive
    assert time.monotonic() - begin < 3


def test_a_reused_pid_is_left_alone(supervisor: Supervisor, state: State) -> None:
    """A record from before: the same pid, but another start time."""
    process = supervisor.start("nap", ["sleep", "60"])
    file = state.run / "nap.json"
    record = json.loads(file.read_text())
    file.write_text(json.dumps({**record, "started": record["started"] - 1}))
    assert supervisor.running("nap") is None
    assert supervisor.stop("nap") is False
    assert process.alive
    assert Process(process.pid, process.started - 1).signal(signal.SIGKILL) is False
    assert process.alive


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"pid": "1", "started": 2}', '{"pid": null, "started": null}'])
def test_a_damaged_record_names_no_process(supervisor: Supervisor, state: State, text: str) -> None:
    (state.run / "nap.json").write_text(text)
    assert supervisor.running("nap") is None
    assert supervisor.stop("nap") is False


def test_what_lost_its_record_is_found_by_its_mark_with_its_children(supervisor: Supervisor, state: State) -> None:
    """As after SIGKILL of an 'up' between starting a process and recording it."""
    parent = supervisor.start("nap", ["sh", "-c", "sleep 60 & sleep 60"])
    supervisor.forget("nap")
    until(lambda: len(marked(state)) == 3)
    parent.signal(signal.SIGKILL)
    until(lambda: len(marked(state)) == 2)  # orphans
    assert end(marked(state), grace=1) == []
    assert marked(state) == []


def test_the_mark_of_another_twin_and_ourselves_are_not_ours(state: State, tmp_path: Path) -> None:
    other = subprocess.Popen(["sleep", "60"], env={**os.environ, MARK: str(tmp_path / "other")})
    program = (
        "import sys; from pathlib import Path; from lab.state import State; from lab.supervise import marked;"
        "print(len(marked(State(Path(sys.argv[1])))))"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-c", program, str(state.root)],
            env={**os.environ, MARK: str(state.root)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == "0"  # it carries the mark itself
        assert marked(state) == []
    finally:
        other.kill()
        other.wait()


def test_a_zombie_is_dead() -> None:
    child = subprocess.Popen(["true"])
    try:
        until(lambda: Process.of(child.pid) is None)
    finally:
        child.wait()


def test_wait_until_tells_why_it_did_not_get_ready(supervisor: Supervisor) -> None:
    supervisor.start("broken", ["sh", "-c", "sleep 0.2; echo no such port >&2; exit 3"])
    with pytest.raises(LabError, match=r"broken ended before it was ready \(still deaf\)(.|\n)*no such port"):
        supervisor.wait_until("broken", lambda: "still deaf", seconds=5)
    supervisor.start("slow", ["sleep", "60"])
    with pytest.raises(LabError, match="slow is not ready after 0 s: still deaf"):
        supervisor.wait_until("slow", lambda: "still deaf", seconds=0.2)
    supervisor.wait_until("slow", lambda: None, seconds=1)


def test_a_program_that_is_not_there_is_an_error(supervisor: Supervisor) -> None:
    with pytest.raises(LabError, match="no-such-program-here cannot be started"):
        supervisor.start("missing", ["no-such-program-here"])


def test_an_overgrown_log_is_put_aside(supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.supervise.LOG_LIMIT_BYTES", 10)
    supervisor.log("nap").write_text("x" * 100)
    supervisor.start("nap", ["sleep", "60"])
    assert supervisor.log("nap").read_text().startswith("--- ")
    assert supervisor.log("nap").with_suffix(".log.1").read_text() == "x" * 100
