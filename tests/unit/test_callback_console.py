"""The console callback in real runs of ansible-playbook: what a reader sees, and what nobody may see."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLAY = Path(sys.executable).parent / "ansible-playbook"
SECRET = "Planted-Secret-41"
PLAYBOOK = """
- name: Evidence
  hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - name: Open the run
      ansible.builtin.set_fact:
        npuforge_run_dir: "{{ run_dir }}"

- name: Hardware
  hosts: servers
  gather_facts: false
  tasks:
    - name: Read the machine
      ansible.builtin.command: "true"
      changed_when: false
    - name: Two things
      ansible.builtin.stat:
        path: "{{ item }}"
      loop: [/, /tmp]
      when: inventory_hostname == 'node1'
    - name: Write a file
      ansible.builtin.copy:
        content: "new line of {{ inventory_hostname }}\\n"
        dest: "{{ run_dir }}/file-{{ inventory_hostname }}"
        mode: "0600"
    - name: Quiet step
      ansible.builtin.set_fact:
        nothing: 1
    - name: Tell a secret
      ansible.builtin.command: "printf 'password is %s' {{ vault_bmc_password }}"
      changed_when: false
    - name: Hide a secret
      ansible.builtin.command: "printf %s {{ vault_bmc_password }}"
      changed_when: false
      no_log: true
    - name: Break
      ansible.builtin.command: "sh -c 'echo the disk is full {{ vault_bmc_password }} >&2; exit 3'"
      changed_when: false
      when: inventory_hostname == 'node2'

- name: Far away
  hosts: far
  gather_facts: true
  tasks: []
"""
HOSTS = """
all:
  children:
    servers: {hosts: {node1: {ansible_connection: local}, node2: {ansible_connection: local}}}
    far: {hosts: {node9: {ansible_host: 127.0.0.1, ansible_port: 1}}}
  vars: {ansible_python_interpreter: "{{ ansible_playbook_python }}"}
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str, Path]]:
    """Each way of running once: ``{name: (return code, stdout and stderr, run folder)}``."""
    ways = {
        "plain": (["--diff"], {"LANG": "C.UTF-8"}),
        "check": (["--check"], {"LANG": "C"}),
        "verbose": (["-vvv"], {"LANG": "C.UTF-8", "NPUFORGE_LANG": "zh"}),
    }
    found = {}
    for name, (options, environment) in ways.items():
        directory = tmp_path_factory.mktemp(name)
        (directory / "site.yml").write_text(PLAYBOOK, encoding="utf-8")
        (directory / "hosts.yml").write_text(HOSTS, encoding="utf-8")
        (directory / "group_vars").mkdir()
        (directory / "group_vars/all.yml").write_text(f"vault_bmc_password: {SECRET}\n", encoding="utf-8")
        (directory / "ansible.cfg").write_text(
            f"[defaults]\nstdout_callback = npuforge\ncallback_plugins = {ROOT}/plugins/callback\n", encoding="utf-8"
        )
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "LC_", "LANG"))}
        process = subprocess.run(
            [PLAY, "-i", "hosts.yml", "site.yml", "-e", f"run_dir={directory}", *options],
            cwd=directory,
            env={
                **clean,
                **environment,
                "COLUMNS": "110",
                "NPUFORGE_OUTCOME_FILE": str(directory / "outcome.json"),
                "ANSIBLE_CONFIG": str(directory / "ansible.cfg"),
            },
            capture_output=True,
            check=False,
            timeout=120,
        )
        found[name] = (process.returncode, (process.stdout + process.stderr).decode(), directory)
    return found


def test_a_line_for_each_stage_host_and_piece_of_work(runs: dict[str, tuple[int, str, Path]]) -> None:
    code, output, directory = runs["plain"]
    assert code == 4, output  # Ansible's: a host was unreachable
    lines = output.splitlines()
    (read,) = [line.split() for line in lines if "node1" in line and " command " in line and line.split()[2] == "ok"][
        :1
    ]
    assert read[0] == "Hardware" and read[4].replace(".", "").isdigit() and read[5] == "s" and "/" in "".join(read[6:])
    assert any(line.split()[:4] == ["Hardware", "node1", "ok", "stat"] and "(2 items)" in line for line in lines)
    assert any(line.split()[:4] == ["Hardware", "node1", "changed", "copy"] for line in lines)
    assert "set_fact" not in output, "quiet steps on the controller are not shown"
    at = next(i for i, line in enumerate(lines) if line.split()[:3] == ["Hardware", "node2", "failed"])
    assert "non-zero return code" in lines[at + 1] and "the disk is full" in lines[at + 2]
    at = next(i for i, line in enumerate(lines) if line.split()[:3] == ["Far", "away", "node9"])
    assert "unreachable" in lines[at] and "Connection refused" in lines[at + 1]
    assert "    +new line of node1" in output.replace("\x1b[0;32m", "").replace("\x1b[0m", "")
    assert f"evidence: {directory}" in output


def test_the_summary_counts_module_runs(runs: dict[str, tuple[int, str, Path]]) -> None:
    _, output, directory = runs["plain"]
    rows = {
        line.split()[0]: line.split() for line in output.splitlines() if line.split()[0:1] in (["node1"], ["node2"])
    }
    # command, stat twice, copy, command, hidden command; node2 skips stat and fails in a seventh
    assert rows["node1"][1:7] == ["5", "1", "0", "0", "1", "6"], output
    assert rows["node2"][1:7] == ["4", "1", "1", "0", "1", "5"], output
    outcome = json.loads((directory / "outcome.json").read_text(encoding="utf-8"))
    assert outcome["hosts"]["node1"]["module_runs"] == 6 and outcome["hosts"]["node9"]["unreachable"] == 1
    assert outcome["run_dir"] == str(directory) and outcome["inventory_mistakes"] == 0


def test_check_mode_is_said_and_a_poor_terminal_gets_ascii(runs: dict[str, tuple[int, str, Path]]) -> None:
    _, output, directory = runs["check"]
    assert "check mode: nothing is changed" in output
    assert output.isascii()
    assert not (directory / "file-node1").exists()


def test_more_is_shown_when_asked_and_in_chinese(runs: dict[str, tuple[int, str, Path]]) -> None:
    _, output, _ = runs["verbose"]
    assert "模块次数" in output and "失败" in output
    assert '"invocation"' in output and "Quiet step" in output and "skip_reason" in output


def test_a_secret_is_nowhere(runs: dict[str, tuple[int, str, Path]]) -> None:
    for name, (_, output, directory) in runs.items():
        assert SECRET not in output, name
        assert SECRET not in (directory / "events.jsonl").read_text(encoding="utf-8"), name
        assert SECRET not in (directory / "outcome.json").read_text(encoding="utf-8"), name
    assert "password is [redacted]" in runs["verbose"][1], "the masked output is still there"
    assert "no_log" in runs["verbose"][1]


def test_the_event_log(runs: dict[str, tuple[int, str, Path]]) -> None:
    _, _, directory = runs["plain"]
    rows = [json.loads(line) for line in (directory / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    assert rows[0]["event"] == "playbook_start" and rows[-1]["event"] == "playbook_end"
    results = [row for row in rows if row["event"] == "result"]
    (failed,) = [row for row in results if row["state"] == "failed"]
    assert (failed["host"], failed["play"], failed["task"], failed["action"]) == (
        "node2",
        "Hardware",
        "Break",
        "command",
    )
    assert failed["seconds"] > 0
    allowed = {"at", "event", "play", "role", "task", "action", "host", "delegate", "state", "seconds"}
    assert all(set(row) <= allowed for row in results), "no arguments and no results of modules"
