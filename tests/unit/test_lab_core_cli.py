"""The command line, as far as it works without podman: help, names, exit codes, break and heal, logs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml

from lab import cli, status
from lab.hardware import build_site
from lab.state import CHECKOUT, BusyError, LabError, Settings, State, move
from lab.up import Progress, code_fingerprint, up, wanted_settings

COMMANDS = ("up", "down", "status", "break", "heal", "faults", "logs", "power")


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> State:
    """A world that nobody serves."""
    state = State(tmp_path / "state")
    state.make_folders()
    state.world.create(*build_site(Settings().plan()))
    state.save_settings(Settings())
    monkeypatch.setenv("NPUFORGE_LAB_STATE", str(state.root))
    return state


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main([command, "--help"])
    assert caught.value.code == 0
    assert "--state" in capsys.readouterr().out


def test_help_lists_commands_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    text = capsys.readouterr().out
    assert all(f"\n    {command} " in text for command in COMMANDS)
    assert "exit codes:" in text


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["explode"],
        ["up", "--nodes", "0"],
        ["up", "--subnet", "x"],
        ["power", "node1", "explode"],
        ["break", "node1"],
    ],
)
def test_wrong_arguments_end_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_without_a_twin_every_command_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (
        ["status"],
        ["break", "node1", "bmc_dead"],
        ["heal", "--all"],
        ["logs"],
        ["power", "node1", "on"],
    ):
        assert cli.main([*arguments, "--state", str(tmp_path / "none")]) == 5
        assert "'python -m lab up' makes one" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_break_and_heal(state: State, capsys: pytest.CaptureFixture[str]) -> None:
    before = state.world.read("node2")
    assert cli.main(["break", "node2", "bios_version_differs"]) == 0
    assert "node2: bios_version_differs planted" in capsys.readouterr().out
    assert cli.main(["break", "node2", "bios_version_difers"]) == 2
    assert "did you mean bios_version_differs" in capsys.readouterr().err
    assert cli.main(["heal", "node2", "bios_version_differs"]) == 0
    assert cli.main(["break", "node3", "bmc_dead"]) == 0
    assert cli.main(["heal", "node3", "--all"]) == 0
    assert cli.main(["break", "node1", "bmc_dead"]) == 0
    assert cli.main(["heal", "--all"]) == 0
    assert "node1: bmc_dead healed" in capsys.readouterr().out
    assert state.world.read("node2") == before


@pytest.mark.parametrize("arguments", [[], ["node1"], ["node1", "bmc_dead", "--all"]])
def test_heal_wants_to_know_what(state: State, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["heal", *arguments]) == 2
    assert "heal what?" in capsys.readouterr().err


def test_faults_as_table_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    names = list(yaml.safe_load((CHECKOUT / "lab" / "faults.yml").read_text(encoding="utf-8")))
    assert cli.main(["faults"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["fault", *names]
    assert cli.main(["faults", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert list(rows) == names
    assert rows["psu_unplugged"]["check"] == "hardware.psu_health"


def test_a_closed_pipe_is_no_error() -> None:
    """As with ``| head -1``: the reader goes away before everything is written."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "lab", "faults"], cwd=CHECKOUT, stdout=writing, stderr=subprocess.PIPE, check=False
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_what_belongs_to_root_is_explained(
    state: State, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", str(state.world.root / "lock"))

    monkeypatch.setattr("lab.world.World.lock", refuse)
    assert cli.main(["break", "node1", "bmc_dead"]) == 3
    assert "belongs to root" in capsys.readouterr().err
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert cli.main(["status"]) == 3
    assert cli.main(["down"]) == 3
    assert capsys.readouterr().err.count("needs root") == 2


def test_logs(state: State, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["logs"]) == 0
    assert "bmc" in capsys.readouterr().out
    (state.log / "bmc.log").write_text("".join(f"line {number}\n" for number in range(100)))
    assert cli.main(["logs", "bmc", "-n", "2"]) == 0
    assert capsys.readouterr().out == "line 98\nline 99\n"
    assert cli.main(["logs", "bmcc"]) == 2
    assert "did you mean bmc" in capsys.readouterr().err
    assert cli.main(["logs", "switch"]) == 0
    assert "not there yet" in capsys.readouterr().out


def test_logs_follow_what_is_added_and_what_is_replaced(state: State) -> None:
    log = state.log / "bmc.log"
    log.write_text("first\n")
    child = subprocess.Popen(
        [sys.executable, "-m", "lab", "logs", "bmc", "-f"],
        cwd=CHECKOUT,
        env={**os.environ, "NPUFORGE_LAB_STATE": str(state.root)},
        stdout=subprocess.PIPE,
        text=True,
    )
    watchdog = threading.Timer(20, child.kill)
    watchdog.start()
    try:
        assert child.stdout.readline() == "first\n"
        with log.open("a") as stream:
            stream.write("second\n")
        assert child.stdout.readline() == "second\n"
        log.write_text("new\n")
        assert child.stdout.readline() == "new\n"
    finally:
        watchdog.cancel()
        child.kill()
        child.wait()
        child.stdout.close()


def test_settings_of_sites_do_not_meet() -> None:
    twin = Settings.for_site("twin")
    assert (twin.subnet, twin.nodes) == (77, 3)
    plan = twin.plan()
    assert (plan.bmc_network, plan.node_network, plan.switch_address) == ("127.77.1", "10.77.0", "127.77.2.1")
    for name in ("a", "test-1", "molecule"):
        other = Settings.for_site(name)
        assert 78 <= other.subnet <= 227
        assert Settings.for_site(name) == other


@pytest.mark.parametrize("name", ["", "Twin", "1st", "a b", "x" * 21, "a/b", "../x"])
def test_site_names_that_would_break_something_are_refused(name: str) -> None:
    with pytest.raises(LabError, match="site name"):
        Settings.for_site(name)


def test_settings_are_kept_and_options_win(state: State) -> None:
    kept = Settings(site="other", subnet=99, nodes=5, dialect="mixed")
    state.save_settings(kept)
    assert wanted_settings(state, None) == kept
    assert wanted_settings(state, None, nodes=2, dialect=None).nodes == 2
    assert wanted_settings(state, "twin").site == "twin"


@pytest.mark.parametrize("text", ["{", "[]", '"x"', '{"nodes": 3, "site": '])
def test_damaged_settings_are_an_error(state: State, text: str) -> None:
    (state.root / "twin.json").write_text(text)
    with pytest.raises(LabError, match="is damaged"):
        state.settings()


def test_two_ups_do_not_run_at_once(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.up.check_machine", lambda: None)
    with state.exclusive(), pytest.raises(BusyError, match=f"process {os.getpid()}") as caught:
        up(state, Settings(), Progress())
    assert caught.value.code == 4
    with state.exclusive():  # and the lock is free again
        pass


def test_progress_shows_time_and_step(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    progress.start = time.monotonic() - 12.34
    progress.say("world: kept")
    assert capsys.readouterr().out == "[  12.3 s] world: kept\n"


def test_move_puts_files_and_folders_in_place(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").write_text("x")
    move(source, tmp_path / "deep" / "target")
    assert (tmp_path / "deep" / "target" / "file").read_text() == "x"
    assert not source.exists()


def test_fingerprint_is_stable() -> None:
    assert code_fingerprint() == code_fingerprint()


def test_table_aligns_also_chinese() -> None:
    assert status.align([["名", "b"], ["abc", "d"]]) == ["名   b", "abc  d"]


def test_table_says_what_is_wrong() -> None:
    row = {"name": "node1", "power": "on", "container": "exited", "ssh": "no answer", "redfish": "answers"}
    seen = {
        "site": "twin",
        "state": "/x",
        "up": False,
        "devices": [{**row, "ipmi": "answers", "faults": ["bmc_dead"]}],
        "services": [{"name": "bmc", "pid": None, "log": "/x/log/bmc.log"}],
    }
    text = status.table(seen)
    assert "node1  on     exited" in text
    assert "bmc_dead" in text
    assert "service bmc: not running" in text
    assert text.endswith("'python -m lab up' repairs it")
