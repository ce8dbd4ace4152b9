"""site.yml on the twin, as a user runs it: healthy, again, in check mode, with faults, and with secrets planted."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import ROOT, Twin

pytestmark = [pytest.mark.twin, pytest.mark.root]
ARTIFACTS = ROOT / "artifacts" / "twin"
BRIEF = ("--skip-tags", "measure")  # the bandwidth tests have their own tests
ROOM_AND_HARDWARE = ("--skip-tags", "os,npu,fabric")


def latest() -> Path:
    return (ARTIFACTS / "latest").resolve()


def verdicts() -> list[dict[str, Any]]:
    document = json.loads((latest() / "verdicts.json").read_text(encoding="utf-8"))
    rows: list[dict[str, Any]] = document["verdicts"]
    return rows


def findings() -> set[tuple[str, str, str]]:
    """``(check, subject, verdict)`` of what is neither proven nor still to come."""
    return {
        (row["check"], row["subject"]["id"], row["verdict"])
        for row in verdicts()
        if row["verdict"] in {"fail", "unknown"}
    }


def changed_counts(output: str) -> list[int]:
    """The ``changed=N`` of each host in the closing table."""
    return [int(count) for count in re.findall(r"changed=(\d+)", output)]


def test_healthy_site_is_accepted_and_a_second_run_changes_nothing(twin: Twin) -> None:
    first = twin.npuforge("run", "site", "-i", "inventory/twin")
    assert first.returncode == 0, first.stdout + first.stderr
    assert findings() == set()
    passed = {row["check"] for row in verdicts() if row["verdict"] == "pass"}
    assert {"hardware.npu_count", "hardware.bios_domestic", "hardware.post", "survey.feed_load"} <= passed
    for name in ("report.html", "report.docx", "report.pdf", "ctrf.json", "junit.xml", "verdicts.json", "events.jsonl"):
        assert (latest() / name).stat().st_size > 100, name
    second = twin.playbook("playbooks/site.yml", *BRIEF, callback="default")
    assert second.returncode == 0, second.stdout + second.stderr
    assert changed_counts(second.stdout)
    assert set(changed_counts(second.stdout)) == {0}, second.stdout


def test_check_mode_predicts_the_run(twin: Twin) -> None:
    assert twin.playbook("playbooks/identity.yml", "-e", "node_identity_state=absent").returncode == 0
    planned = twin.playbook("playbooks/identity.yml", "--check", "--diff", callback="default")
    done = twin.playbook("playbooks/identity.yml", "--diff", callback="default")
    again = twin.playbook("playbooks/identity.yml", callback="default")
    assert planned.returncode == done.returncode == again.returncode == 0
    assert changed_counts(planned.stdout) == changed_counts(done.stdout)
    assert sum(changed_counts(done.stdout)) == 3
    assert set(changed_counts(again.stdout)) == {0}
    wanted = [line for line in planned.stdout.splitlines() if line.startswith("+")]
    assert wanted
    assert sorted(wanted) == sorted(line for line in done.stdout.splitlines() if line.startswith("+"))


@pytest.mark.parametrize("name", ["hardware", "survey", "identity"])
def test_every_stage_also_runs_alone(twin: Twin, name: str) -> None:
    done = twin.playbook(f"playbooks/{name}.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_fault_ends_the_run_non_zero_and_is_named(twin: Twin) -> None:
    twin.lab("break", "node2", "psu_unplugged")
    done = twin.npuforge("run", "site", "-i", "inventory/twin", *ROOM_AND_HARDWARE)
    assert done.returncode == 1, done.stdout + done.stderr
    assert ("hardware.psu_health", "node2", "fail") in findings()
    assert {subject for _, subject, _ in findings()} == {"node2"}
    assert "psu_health" in done.stdout or "PSU" in done.stdout


def test_a_dead_bmc_never_stops_the_others(twin: Twin) -> None:
    twin.lab("break", "node3", "bmc_dead")
    done = twin.npuforge("run", "hardware", "-i", "inventory/twin")
    judged = twin.npuforge("run", "report", "-i", "inventory/twin", "-e", "npuforge_run=latest")
    assert judged.returncode in {1, 2}, done.stdout + judged.stdout + judged.stderr
    rows = [row for row in verdicts() if row["check"] == "hardware.npu_count"]
    assert {row["subject"]["id"]: row["verdict"] for row in rows} == {
        "node1": "pass",
        "node2": "pass",
        "node3": "unknown",
    }
    assert all(row["reason"] for row in rows if row["verdict"] == "unknown")


def watch_processes(secrets: list[str], stop: threading.Event, seen: list[str]) -> None:
    """Reads every process's command line and environment some fifty times a second, as a curious neighbour could."""
    while not stop.is_set():
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    text = (entry / "cmdline").read_bytes().decode("utf-8", "replace")
                except OSError:
                    continue
                seen.extend(secret for secret in secrets if secret in text)
        time.sleep(0.02)


def test_planted_secrets_occur_nowhere(twin: Twin) -> None:
    secrets = {name: value for name, value in twin.secrets().items() if name.endswith("_password")}
    assert {"bmc_password", "switch_password", "become_password"} <= set(secrets)
    vault = (twin.state / "vault_password").read_text(encoding="utf-8").strip()
    planted = [*secrets.values(), vault]
    assert all(len(value) >= 12 for value in planted)
    stop, seen = threading.Event(), list[str]()
    watcher = threading.Thread(target=watch_processes, args=(planted, stop, seen))
    watcher.start()
    try:
        done = twin.playbook("playbooks/site.yml", "-vvv", *ROOM_AND_HARDWARE)
        plain = twin.playbook("playbooks/site.yml", "-vvv", callback="default")
        quiet = twin.npuforge("run", "site", "-i", "inventory/twin", *ROOM_AND_HARDWARE)
    finally:
        stop.set()
        watcher.join()
    assert done.returncode == plain.returncode == quiet.returncode == 0
    assert seen == [], "a secret was on a command line"
    for output in (text for run in (done, plain, quiet) for text in (run.stdout, run.stderr)):
        assert not [name for name in planted if name in output]
    leaks = []
    for folder in (ARTIFACTS, twin.state / "log", twin.state / "world"):
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                content = path.read_bytes()
                leaks += [path for value in planted if value.encode() in content]
    assert leaks == []
    text = subprocess.run(
        ["pdftotext", str(latest() / "report.pdf"), "-"], capture_output=True, text=True, check=True
    ).stdout
    assert not [value for value in planted if value in text]
