"""The nodes' clocks on the twin: set by the role, measured by chrony against a real server, and faults told apart."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from controller import contract
from controller.judge import judge
from tests.integration.conftest import ROOT, Twin

PLAY = """\
- hosts: npu_servers
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: time_sync}
    - ansible.builtin.copy:
        content: "{{ __time_sync_result | to_json }}"
        dest: "{{ out }}/{{ inventory_hostname }}.json"
      delegate_to: localhost
      become: false
      check_mode: false
      changed_when: false
"""
FAULTS = {
    name: row
    for name, row in yaml.safe_load((ROOT / "lab/faults.yml").read_text(encoding="utf-8")).items()
    if row["check"].startswith("time.")
}


def play(twin: Twin, folder: Path, *more: str) -> dict[str, Any]:
    """Each node's result of the module."""
    book = folder / "play.yml"
    book.write_text(PLAY, encoding="utf-8")
    for old in folder.glob("*.json"):
        old.unlink()
    done = twin.playbook("-i", "inventory/twin", str(book), "-e", f"out={folder}", *more)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")}


def verdicts(results: dict[str, Any]) -> dict[tuple[str, str], str]:
    """``(node, check)``: verdict, by the contract, of the checks of time."""
    run = {
        "schema": "npuforge.run/1",
        "site": "twin",
        "run_id": "20261124T000000Z",
        "started_at": "2026-11-24T00:00:00Z",
        "finished_at": None,
        "provenance": "simulated",
        "inventory": {
            "subjects": {"node": sorted(results)},
            "profiles": dict.fromkeys(results, "atlas_800t_a2"),
            "expect": {},
            "waivers": [],
            "devices": {},
        },
        "stages": {"os": {"started_at": None, "finished_at": None, "state": "done"}},
        "tool": {"name": "npuforge", "version": "test"},
    }
    seen = []
    for name, result in results.items():
        document = {**result["observations"][0]["observation"], "raw": []}
        assert contract.problems(document, "observation") == []
        seen.append(contract.Observed(document, f"observations/node-{name}.json#0"))
    return {
        (row["subject"]["id"], row["check"]): row["verdict"]
        for row in judge(contract.load(), run, seen, datetime.now(UTC))["verdicts"]
        if (row["check"] or "").startswith("time.")
    }


def test_faults_of_time_are_caught_by_the_checks_that_their_rows_name(twin: Twin, tmp_path: Path) -> None:
    assert set(verdicts(play(twin, tmp_path)).values()) == {"pass"}
    # One in each node: a real run asks the servers anew, and all at once.
    planted = {"node1": "ntp_stratum_high", "node2": "clock_ahead", "node3": "ntp_unreachable"}
    for node, name in planted.items():
        twin.lab("break", node, name)
    found = verdicts(play(twin, tmp_path))
    for node, name in planted.items():
        assert found[node, FAULTS[name]["check"]] == FAULTS[name]["verdict"], (name, found)
    assert found["node2", "time.controller"] == "fail", "the second witness does not see the clock"
    others = {check for (node, check), verdict in found.items() if node == "node1" and verdict != "pass"}
    assert others == {"time.stratum"}
    twin.lab("heal", "--all")

    # A real run would mend an edited file before anybody judges it.
    twin.lab("break", "node2", "chrony_conf_edited")
    checked = play(twin, tmp_path, "--check")
    assert verdicts(checked)["node2", "time.configuration"] == "fail"
    assert [checked[node]["changed"] for node in sorted(checked)] == [False, True, False]
    results = play(twin, tmp_path)
    assert results["node2"]["steps"] == checked["node2"]["steps"]
    assert set(verdicts(results).values()) == {"pass"}


def test_a_second_run_changes_nothing_and_one_node_can_serve_the_others(twin: Twin, tmp_path: Path) -> None:
    own = json.dumps({"site_ntp_servers": [], "site_time": {"local_source": "node1"}})
    try:
        results = play(twin, tmp_path, "-e", own)
        assert set(verdicts(results).values()) == {"pass"}
        assert [re.findall(r"stratum (\d+)", results[node]["message"]) for node in ("node1", "node2", "node3")] == [
            ["10"],
            ["11"],
            ["11"],
        ]
    finally:
        results = play(twin, tmp_path)
    assert set(verdicts(results).values()) == {"pass"}
    assert [result["changed"] for result in play(twin, tmp_path).values()] == [False] * 3
