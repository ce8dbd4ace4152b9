"""The npuforge command: arguments, exit codes, one clear line for every error."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller import cli
from controller.commands import CommandError, Exit
from controller.commands import evidence as evidence_commands
from controller.commands.running import conclude, extra_variables, find_playbook, playbooks
from tests.unit.validate_helpers import ROOT, SECRETS, edit, make_site

PLAYBOOK = """
- name: Tiny
  hosts: npu_servers
  connection: local
  gather_facts: false
  vars: {ansible_python_interpreter: "{{ ansible_playbook_python }}"}
  tasks:
    - name: Sleep
      ansible.builtin.command: "sleep {{ seconds | default(0) }}"
      changed_when: false
    - name: Tell
      ansible.builtin.debug:
        msg: "I am {{ inventory_hostname }}, {{ word | default('silent') }}, {{ vault_bmc_password | length }}"
    - name: Break
      ansible.builtin.fail:
        msg: broken on purpose
      when: broken | default(false) | bool
"""


def call(*arguments: str, environment: dict[str, str] | None = None, directory: Path = ROOT) -> tuple[int, str, str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "NPUFORGE_"))}
    process = subprocess.run(
        [sys.executable, "-m", "controller", *arguments],
        cwd=directory,
        env={**clean, "PYTHONPATH": f"{ROOT}:{ROOT}/plugins/module_utils", "COLUMNS": "110", **(environment or {})},
        capture_output=True,
        check=False,
        timeout=120,
    )
    return process.returncode, process.stdout.decode(), process.stderr.decode()


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "vault_password").write_text("vault-password-of-the-test\n", encoding="utf-8")
    (tmp_path / "tiny.yml").write_text(PLAYBOOK, encoding="utf-8")
    return make_site(tmp_path)


@pytest.fixture
def vault(site: Path) -> dict[str, str]:
    return {"NPUFORGE_VAULT_PASSWORD_FILE": str(site.parent / "vault_password")}


def test_help_tells_of_examples_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["--help"])
    text = capsys.readouterr().out
    assert stopped.value.code == 0 and "exit codes:" in text and "npuforge run hardware" in text
    assert all(name in text for name in cli.COMMANDS)
    for name in cli.COMMANDS:
        with pytest.raises(SystemExit) as stopped:
            cli.main([name, "--help"])
        assert stopped.value.code == 0 and "exit codes:" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [[], ["frobnicate"], ["run"], ["ledger", "--format", "pdf"], ["validate", "--jsno"]]
)
def test_wrong_arguments_are_exit_code_3(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    assert stopped.value.code == Exit.INVALID
    assert "npuforge" in capsys.readouterr().err


def test_an_unforeseen_error_is_one_line_and_a_hint(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_options: object) -> Exit:
        raise ZeroDivisionError("first line\nsecond line")

    monkeypatch.setattr(evidence_commands, "runs", broken)
    assert cli.main(["runs"]) == Exit.INTERNAL
    assert capsys.readouterr().err == "npuforge: internal error: ZeroDivisionError: first line (-v shows where)\n"
    assert cli.main(["runs", "-v"]) == Exit.INTERNAL
    assert "Traceback" in capsys.readouterr().err


def test_a_playbook_is_found_by_name_and_by_path(tmp_path: Path) -> None:
    assert find_playbook("hardware") == ROOT / "playbooks/hardware.yml"
    assert "open" not in playbooks()
    (tmp_path / "mine.yml").write_text("[]", encoding="utf-8")
    assert find_playbook(str(tmp_path / "mine.yml")) == tmp_path / "mine.yml"
    for name, words in (
        ("nosuch", "there is no playbook nosuch"),
        ("platform", "the stage platform has no playbook yet"),
    ):
        with pytest.raises(CommandError, match=words) as raised:
            find_playbook(name)
        assert raised.value.code == Exit.INVALID and "hardware" in str(raised.value)


def test_extra_variables_as_ansible_takes_them(tmp_path: Path) -> None:
    file = tmp_path / "more.yml"
    file.write_text("c: 3", encoding="utf-8")
    assert extra_variables(["a=1 b='two words'", '{"n": 3, "l": [1]}', f"@{file}"]) == (
        {"a": "1", "b": "two words", "n": 3, "l": [1]},
        [file],
    )
    for wrong in ("a", "=1", "{a", "a='1", "@nowhere.yml", "{1}: {"):
        with pytest.raises(CommandError) as raised:
            extra_variables([wrong])
        assert raised.value.code == Exit.INVALID


@given(st.text(max_size=40))
def test_any_extra_variable_is_taken_or_refused(text: str) -> None:
    try:
        variables, files = extra_variables([text])
    except CommandError as error:
        assert error.code == Exit.INVALID
    else:
        assert isinstance(variables, dict) and not files


@pytest.mark.parametrize(
    ("code", "outcome", "expected"),
    [
        (0, {"counts": None, "broken": 0}, Exit.OK),
        (0, {"counts": {"fail": 0, "unknown": 0, "pass": 3}, "broken": 0}, Exit.OK),
        (2, {"counts": {"fail": 2, "unknown": 1}, "broken": 0}, Exit.FAIL),
        (0, {"counts": {"fail": 2, "unknown": 1}, "broken": 0}, Exit.FAIL),
        (2, {"counts": {"fail": 0, "unknown": 1}, "broken": 0}, Exit.UNKNOWN),
        (2, {"counts": None, "inventory_mistakes": 3, "broken": 0}, Exit.INVALID),
        (2, {"counts": None, "broken": 1}, Exit.BROKEN),
        (2, {"counts": None, "broken": 0}, Exit.BROKEN),
        (250, {"counts": {"pass": 3}, "broken": 0}, Exit.BROKEN),
        (4, {"counts": {"fail": 1}, "broken": 1}, Exit.BROKEN),
        (4, None, Exit.BROKEN),
        (0, None, Exit.INTERNAL),
    ],
)
def test_the_exit_code_follows_from_the_outcome(code: int, outcome: dict[str, Any] | None, expected: Exit) -> None:
    try:
        found = conclude(code, outcome)
    except CommandError as error:
        found = error.code
    assert found == expected


def test_validate_prints_text_or_json(site: Path, vault: dict[str, str]) -> None:
    code, out, err = call("validate", "-i", str(site), environment=vault)
    assert (code, err) == (0, "") and "no mistakes" in out
    edit(site / "hosts.yml", ("bmc_address: 10.20.1.12", "bmc_address: 10.20.9.12"))
    code, out, _ = call("validate", "-i", str(site), environment=vault, directory=site.parent)
    assert code == Exit.INVALID and "10.20.9.12" in out and "site/hosts.yml:" in out
    code, out, _ = call("validate", "-i", str(site), "--json", environment=vault)
    report = json.loads(out)
    assert code == Exit.INVALID and [mistake["key"] for mistake in report["mistakes"]] == ["bmc_address"]
    code, _, err = call("validate", "-i", str(site.parent / "nowhere"))
    assert code == Exit.INVALID and err.startswith("npuforge: there is no inventory") and "example, twin" in err


def test_the_playbook_says_the_same(site: Path, vault: dict[str, str]) -> None:
    edit(site / "hosts.yml", ("bmc_address: 10.20.1.12", "bmc_address: 10.20.9.12"))
    _, expected, _ = call("validate", "-i", str(site / "hosts.yml"), environment=vault)
    code, out, err = call("run", "validate", "-i", str(site), environment=vault)
    assert code == Exit.INVALID, out + err
    shown = [line.strip() for line in out.splitlines()]
    assert all(line.strip() in shown for line in expected.splitlines() if line.strip())
    assert "1 mistake in the inventory; nothing was touched" in err


def test_run_shows_what_the_callback_shows_and_leaves_nothing_behind(site: Path, vault: dict[str, str]) -> None:
    private = site.parent / "private"
    private.mkdir()
    environment = {**vault, "XDG_RUNTIME_DIR": str(private)}
    arguments = ["run", str(site.parent / "tiny.yml"), "-i", str(site), "-e", "word=hello", "--limit", "node1,node2"]
    code, out, err = call(*arguments, environment=environment)
    assert code == 0, out + err
    lines = sorted(line.split()[:4] for line in out.splitlines() if " command " in line)
    assert lines == [["Tiny", "node1", "ok", "command"], ["Tiny", "node2", "ok", "command"]]
    assert "I am node1, hello, 18" in out and "node3" not in out and "\r" not in out and "\x1b" not in out
    assert list(private.iterdir()) == []


def test_a_broken_play_is_exit_code_4(site: Path, vault: dict[str, str]) -> None:
    code, out, err = call(
        "run", str(site.parent / "tiny.yml"), "-i", str(site), "-e", '{"broken": true}', environment=vault
    )
    assert code == Exit.BROKEN and "broken on purpose" in out and "a play failed" in err
    (site.parent / "wrong.yml").write_text("- hosts: all\n  tasks: {{{\n", encoding="utf-8")
    code, out, err = call("run", str(site.parent / "wrong.yml"), "-i", str(site), environment=vault)
    assert code == Exit.BROKEN and "stopped before its end" in err and "Traceback" not in out + err


def test_ctrl_c_stops_ansible_and_cleans_up(site: Path, vault: dict[str, str]) -> None:
    private = site.parent / "private"
    private.mkdir()
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "NPUFORGE_"))}
    process = subprocess.Popen(
        [sys.executable, "-m", "controller", "run", str(site.parent / "tiny.yml"), "-i", str(site), "-e", "seconds=60"],
        cwd=ROOT,
        env={
            **clean,
            **vault,
            "PYTHONPATH": f"{ROOT}:{ROOT}/plugins/module_utils",
            "XDG_RUNTIME_DIR": str(private),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        deadline = time.monotonic() + 30
        while not children(process.pid) and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(2)  # ansible-playbook has read its configuration and works
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=40)
    finally:
        process.kill()
    assert process.returncode == Exit.INTERRUPTED, output.decode()
    assert time.monotonic() - begun < 30 and b"interrupted" in output
    assert list(private.iterdir()) == []


def children(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    except OSError:
        return []


def test_no_secret_on_a_command_line_in_the_output_or_in_a_file(site: Path, vault: dict[str, str]) -> None:
    """At -vvv, while it runs: every process's arguments, everything printed, every file of the private folder."""
    private = site.parent / "private"
    private.mkdir()
    told = "Extra-Secret-77"
    (site.parent / "tell.yml").write_text(
        """
- name: Tell
  hosts: node1
  connection: local
  gather_facts: false
  vars: {ansible_python_interpreter: "{{ ansible_playbook_python }}"}
  tasks:
    - name: Print secrets
      ansible.builtin.command:
        cmd: cat
        stdin: "{{ vault_bmc_password }} {{ vault_become_password }}"
      changed_when: false
    - name: Wait
      ansible.builtin.command: sleep 2
      changed_when: false
""",
        encoding="utf-8",
    )
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "NPUFORGE_"))}
    arguments = ["run", str(site.parent / "tell.yml"), "-i", str(site), "-vvv", "-e", f"@{site.parent}/extra.yml"]
    (site.parent / "extra.yml").write_text(f"local_password: {told}\n", encoding="utf-8")
    seen: set[str] = set()
    files: set[str] = set()
    with (site.parent / "output").open("w+", encoding="utf-8") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "controller", *arguments],
            cwd=ROOT,
            env={
                **clean,
                **vault,
                "PYTHONPATH": f"{ROOT}:{ROOT}/plugins/module_utils",
                "XDG_RUNTIME_DIR": str(private),
            },
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            while process.poll() is None:
                seen |= command_lines()
                files |= contents(private)
                time.sleep(0.05)
        finally:
            process.kill()
            process.wait()
        output.seek(0)
        text = output.read()
    assert process.returncode == 0, text
    assert "[redacted] [redacted]" in text and any("ansible-playbook" in line for line in seen) and files
    for secret in (*SECRETS.values(), told, "vault-password-of-the-test"):
        assert secret not in text
        assert not any(secret in line for line in seen)
        assert not any(secret in content for content in files)


def command_lines() -> set[str]:
    found = set()
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.add(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found


def contents(directory: Path) -> set[str]:
    found = set()
    for file in directory.rglob("*"):
        with contextlib.suppress(OSError):
            if file.is_file():
                found.add(file.read_text(encoding="utf-8", errors="replace"))
    return found
