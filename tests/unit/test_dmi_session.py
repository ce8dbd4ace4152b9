"""With real processes: the environment files, one test at a time, and nothing that runs on after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from npuforge.ascend import dmi_guard, dmi_run, dmi_session
from npuforge.ascend.files import Locked

ROOT = Path(__file__).resolve().parents[2]
# Like the real one: a child of its own, which leaves the group and the session.
TOOL = """#!/bin/bash
echo "$$" >> "{folder}/pids"
setsid sleep 60 &
echo "$!" >> "{folder}/pids"
echo started
wait
"""
# What the module does, with the files of the test: the session, then a call that does not end.
PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from npuforge.ascend import dmi_run, dmi_session
try:
    with dmi_session.session(sys.argv[2], [], dmi_run.Limits(), npu_smi=sys.argv[2], root=sys.argv[3]) as ready:
        if sys.argv[4] == "dmi":
            ready.dmi.bandwidth("h2d", 0)
        else:
            ready.smi.spread(ready.smi.short, [["info"]])
except dmi_session.Stopped as error:
    print(error)
"""


def alive(pids: list[int]) -> list[int]:
    """Those that run; a zombie does not."""
    found = []
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            continue
        if state != "Z":
            found.append(pid)
    return found


def within(seconds: float, pids: list[int]) -> list[int]:
    """What still runs after that time at the latest."""
    deadline = time.monotonic() + seconds
    while alive(pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    return alive(pids)


@pytest.fixture(params=["dmi", "smi"])
def running(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A test in the middle of a call, and the processes of the tool."""
    tool = tmp_path / "ascend-dmi"
    tool.write_text(TOOL.format(folder=tmp_path))
    tool.chmod(0o755)
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            PROGRAM,
            str(ROOT / "plugins" / "module_utils"),
            str(tool),
            str(tmp_path),
            request.param,
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    pids: list[int] = []
    deadline = time.monotonic() + 10
    while len(pids) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
        pids = [int(word) for word in (tmp_path / "pids").read_text().split()] if (tmp_path / "pids").exists() else []
    try:
        yield process, pids
    finally:
        process.kill()
        process.communicate(timeout=10)
        for pid in alive(pids):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_killed_test_leaves_no_process(
    running: tuple[subprocess.Popen[str], list[int]], number: signal.Signals
) -> None:
    process, pids = running
    assert len(pids) == 2 and alive(pids) == pids
    process.send_signal(number)
    output, _ = process.communicate(timeout=10)
    assert within(5, pids) == []
    if number != signal.SIGKILL:
        assert output == f"stopped by signal {number.value}\n"


def test_what_a_killed_test_and_its_watcher_left_is_ended_by_the_next(tmp_path: Path) -> None:
    left = subprocess.Popen(["sleep", "60"], env={**os.environ, dmi_guard.VARIABLE: f"{tmp_path}:earlier"})
    bystander = subprocess.Popen(["sleep", "60"], env={**os.environ, dmi_guard.VARIABLE: "/elsewhere:now"})
    try:
        with dmi_session.session("ascend-dmi", [], dmi_run.Limits(), root=str(tmp_path)) as ready:
            assert left.wait(5) == -signal.SIGKILL
            assert {"where": "ascend-dmi", "problem": "1 processes of an earlier test were ended"} in ready.notes
        assert bystander.poll() is None
    finally:
        for process in (left, bystander):
            process.kill()
            process.wait()


def test_two_tests_on_one_node_wait_for_each_other(tmp_path: Path) -> None:
    def enter(seconds: float) -> AbstractContextManager[dmi_session.Session]:
        return dmi_session.session("ascend-dmi", [], dmi_run.Limits(), lock_seconds=seconds, root=str(tmp_path))

    with enter(1), pytest.raises(Locked), enter(0.1):
        raise AssertionError("both run")
    with enter(0.1):
        pass  # the lock is free again


def test_the_watcher_does_not_hold_the_output_open(tmp_path: Path) -> None:
    """Who reads the module's output sees its end when the module has ended, whatever the watcher does."""
    program = "import sys; sys.path.insert(0, sys.argv[1])\n" + textwrap.dedent(
        """
        from npuforge.ascend.dmi_guard import Guard
        guard = Guard().__enter__()
        print("done", flush=True)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(ROOT / "plugins" / "module_utils")],
        capture_output=True,
        text=True,
        timeout=10,
        check=True,
    )
    assert done.stdout == "done\n"


def script(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def test_the_environment_files_are_sourced_in_order(tmp_path: Path) -> None:
    first = script(tmp_path, "a.sh", 'export PATH=/opt/dmi:$PATH\nexport A="two\nlines"\necho noise\necho more >&2\n')
    second = script(tmp_path, "b.sh", "export B=$A-b\n")
    found, used, problem = dmi_run.environment([first, "/nowhere/set_env.sh", second], {"PATH": "/usr/bin:/bin"})
    assert (used, problem) == ([first, second], None)
    assert found["PATH"].startswith("/opt/dmi:/usr/bin:/bin")
    assert (found["A"], found["B"]) == ("two\nlines", "two\nlines-b")


@pytest.mark.parametrize(
    ("text", "why"),
    [("exit 3\n", "the shell ended in it"), ("export A=1\nfalse\n", "ended with an error"), ("sleep 3061\n", "no end")],
)
def test_an_environment_file_that_fails_is_named(tmp_path: Path, text: str, why: str) -> None:
    path = script(tmp_path, "set_env.sh", text)
    found, _, problem = dmi_run.environment([path], {"PATH": "/usr/bin:/bin"}, 0.5)
    assert problem is not None and path in problem and why in problem
    assert found["PATH"].startswith("/usr/bin:/bin")
    # It was killed; whoever inherits it may take a moment to notice.
    deadline = time.monotonic() + 20
    while [each for each in Path("/proc").glob("[0-9]*/cmdline") if b"sleep\x003061" in content(each)]:
        assert time.monotonic() < deadline, "what the file started is still there"
        time.sleep(0.05)


def content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_the_tool_runs_in_that_environment(tmp_path: Path) -> None:
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    script(
        bin_folder, "ascend-dmi", '#!/bin/bash\necho "{\\"error\\": {\\"code\\": 1, \\"description\\": \\"$A\\"}}"\n'
    )
    (bin_folder / "ascend-dmi").chmod(0o755)
    path = script(tmp_path, "set_env.sh", f"export PATH={bin_folder}:$PATH A=here\n")
    with dmi_session.session("ascend-dmi", [path], dmi_run.Limits(), root=str(tmp_path)) as ready:
        assert ready.notes == []
        assert ready.dmi.bandwidth("d2d", 0).problem == "ascend-dmi reports error 1: here"
