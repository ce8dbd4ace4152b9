"""The fabric stage on the twin: from nothing to proven, again, killed in the middle, restarted, and with every fault of
the catalogue that concerns tender 4.1.2.

Faults in settings are looked for in check mode (a real run would mend them before anybody saw them), several at a time
on different machines; faults that only a measurement shows are measured.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.conftest import ENVIRONMENT, ROOT, Twin, kill_tree
from tests.integration.outcome import changed, verdicts

pytestmark = [pytest.mark.twin, pytest.mark.root]
CATALOGUE: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "lab" / "faults.yml").read_text(encoding="utf-8"))
FABRIC = {name: row for name, row in CATALOGUE.items() if row["clause"].startswith("4.1.2-")}
MEASURED = (
    ("node_pair_slow", "npu_rank_fails"),
    ("npu_receiver_hangs", "switch_cable_cut"),
    ("npu_port_slow", "switch_pfc_lost_at_node1", "switch_pfc_lost_at_node2"),
    ("switch_dscp_mapping_missing",),  # a run that may configure the switch mends it before it measures
)
RESTARTED = ("npu_replay_broken", "switch_flash_damaged")
SUBJECT = {"nodes": "node2", "switches": "sw1"}  # where the catalogue's `names` holds
QUICK = ("-e", "fabric_proof_step_seconds=8", "-e", "fabric_proof_probe_seconds=20")


def found() -> dict[tuple[str, str], dict[str, Any]]:
    """What is neither proven nor still to come, by check and subject."""
    return {
        (row["check"], row["subject"]["id"]): row for row in verdicts("4.1.2-") if row["verdict"] in ("fail", "unknown")
    }


def stage(twin: Twin, *options: str) -> subprocess.CompletedProcess[str]:
    done = twin.playbook("-i", "inventory/twin", "playbooks/fabric.yml", *options, callback="default")
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-3000:]
    return done


@pytest.fixture
def bare(twin: Twin) -> Twin:
    """A twin whose switch and NPU ports nobody has configured."""
    twin.lab("down")
    for kind in ("nodes", "switches"):
        for path in (twin.state / "world" / kind).glob("*.json"):
            path.unlink()
    (twin.state / "world" / "site.json").unlink()
    twin.lab("up")
    return twin


def test_from_nothing_to_proven_and_nothing_to_do_the_second_time(bare: Twin) -> None:
    planned = stage(bare, "--check", "--diff", "--skip-tags", "measure")
    assert {row["check"] for row in found().values()} >= {
        "fabric.npu_address",
        "fabric.switch_trust",
        "fabric.switch_config",
    }
    done = stage(bare, "--diff")
    assert changed(done) == changed(planned)
    assert changed(done) == {"localhost": 0, "node1": 1, "node2": 1, "node3": 1, "sw1": 1}
    assert found() == {}, json.dumps(list(found()), indent=1)
    rows = {row["check"]: row["observed"] for row in verdicts("4.1.2-") if row["verdict"] == "pass"}
    assert rows["fabric.node_bandwidth"] >= 190
    assert rows["fabric.port_bandwidth"] >= 190
    assert rows["fabric.zero_loss"] == 0
    assert rows["fabric.incast_drops"] == 0
    assert rows["fabric.incast_pfc"] is True
    again = stage(bare, "--skip-tags", "measure")
    assert set(changed(again).values()) == {0}
    assert found() == {}


def test_a_lossy_switch_cannot_pass(bare: Twin) -> None:
    """The twin obeys causes: NPU ports alone are not enough."""
    stage(bare, "-e", '{"switch_roce_commit_to": []}', *QUICK)
    said = {row["check"]: row for row in found().values()}
    assert said["fabric.node_bandwidth"]["verdict"] == "fail"
    assert said["fabric.zero_loss"]["verdict"] == "fail"
    assert "trust" in said["fabric.port_bandwidth"]["remedy"]["en"]


# Which faults are planted together: on one machine those that do not hide each other.
ON_A_NODE = (
    ("npu_mtu_small", "npu_pfc_off", "npu_dscp_missing", "npu_roce_port_wrong", "npu_optics_weak", "npu_link_flaps"),
    ("npu_address_stale",),
    ("npu_netmask_wrong", "npu_gateway_missing", "node_tls_on", "node_hccl_tc_differs"),
    ("npu_speed_100g", "npu_file_stale"),
    ("npu_link_down",),
    ("npu_fec_off",),
    ("npu_optics_missing",),
    ("npu_netdetect_dead",),
    ("hccn_tool_busy",),
    ("hccn_tool_stuck",),
    ("hccn_tool_missing",),
    ("hccn_tool_unknown_layout",),
)
ON_THE_SWITCH = (
    (
        *("switch_trust_8021p", "switch_xoff_high", "switch_ecn_missing", "switch_optics_weak", "switch_crc_errors"),
        *("switch_headroom_missing", "switch_pfc_priority_3"),
    ),
    ("switch_cables_swapped", "switch_cables_of_node1_swapped", "switch_pfc_turned_off"),
    ("switch_link_down", "switch_foreign_drop_profile"),
    ("switch_unsaved",),
    ("switch_candidate_dirty",),
)
NODES = ("node1", "node2", "node3")


def batches() -> list[list[tuple[str, str]]]:
    """``(fault, subject)`` of each run: a group on each node and one on the switch."""
    nodes, switches = list(ON_A_NODE), list(ON_THE_SWITCH)
    found: list[list[tuple[str, str]]] = []
    while nodes or switches:
        batch = [(name, node) for node in NODES if nodes for name in nodes.pop(0)]
        if switches:
            batch += [(name, "sw1") for name in switches.pop(0)]
        found.append(batch)
    return found


def test_every_fault_of_the_catalogue_is_planted_below() -> None:
    planted = [name for group in (*ON_A_NODE, *ON_THE_SWITCH, *MEASURED, RESTARTED) for name in group]
    assert sorted(planted) == sorted(FABRIC)
    # Its address is true of node2 only.
    assert ("npu_address_stale", "node2") in batches()[0]


def missed(name: str, subject: str, seen: dict[tuple[str, str], dict[str, Any]]) -> str | None:
    """How the toolkit failed to catch a fault, or was misled by it; None when it did its work."""
    row = FABRIC[name]
    named = str(row.get("names") or "").replace(SUBJECT[row["kind"]], subject)
    hits = [hit for (check, _), hit in seen.items() if check == row["check"]]
    if row["verdict"] == "pass":
        misled = [hit for hit in hits if hit["subject"]["id"].startswith(subject)]
        return f"{name} on {subject}: {row['check']} was misled" if misled else None
    hits = [hit for hit in hits if named in json.dumps(hit, ensure_ascii=False)]
    if row["verdict"] in {hit["verdict"] for hit in hits}:
        return None
    return f"{name} on {subject}: {row['check']} did not say {row['verdict']} of {named}; said: {sorted(seen)}"


def test_every_fault_in_a_setting_is_caught_with_its_port_named(twin: Twin) -> None:
    stage(twin, "--skip-tags", "measure")
    stage(twin, "--check", "--skip-tags", "measure")
    assert found() == {}, "the healthy twin has findings"
    wrong = []
    for batch in batches():
        for name, subject in batch:
            twin.lab("break", subject, name)
        try:
            stage(twin, "--check", "--skip-tags", "measure")
            seen = found()
        finally:
            twin.lab("heal", "--all")
        wrong += [text for name, subject in batch if (text := missed(name, subject, seen))]
    assert wrong == [], "\n".join(wrong)
    stage(twin, "--check", "--skip-tags", "measure")
    assert found() == {}, "healing left something behind"


@pytest.mark.parametrize("names", MEASURED, ids="+".join)
def test_what_only_a_measurement_shows_is_caught(twin: Twin, names: tuple[str, ...]) -> None:
    for name in names:
        twin.lab("break", SUBJECT[FABRIC[name]["kind"]], name)
    configured = [name for name in names if "configure" in FABRIC[name]]
    stage(twin, *QUICK, *(["-e", '{"switch_roce_commit_to": []}'] if configured else []))
    seen = found()
    wrong = [text for name in names if (text := missed(name, SUBJECT[FABRIC[name]["kind"]], seen))]
    assert wrong == [], "\n".join(wrong)


def test_a_run_that_is_killed_anywhere_converges_on_the_next_one(bare: Twin) -> None:
    argv = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "inventory/twin", "playbooks/fabric.yml"]
    for seconds in (2.5, 5.0, 8.0):
        process = subprocess.Popen(
            [*argv, "--skip-tags", "measure"],
            cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        time.sleep(seconds)
        kill_tree(process.pid)
        process.wait(timeout=30)
    # What a killed run left on the switch is a trial commit at most; it ends with its session.
    stage(bare, "--skip-tags", "measure")
    again = stage(bare, "--skip-tags", "measure")
    assert set(changed(again).values()) == {0}
    assert found() == {}


def test_settings_survive_restarts_that_really_happen(twin: Twin) -> None:
    stage(twin, "--skip-tags", "measure")
    refused = twin.playbook("-i", "inventory/twin", "playbooks/persistence.yml", "-e", "persistence_reboot=node9")
    assert refused.returncode != 0
    assert "node9" in refused.stdout
    arguments = ("-i", "inventory/twin", "playbooks/persistence.yml", "-e", "npuforge_run=latest")
    done = twin.playbook(*arguments, "-e", "persistence_reboot=sw1,node1,node2,node3")
    assert done.returncode == 0, done.stdout[-5000:]
    rows = {(row["check"], row["subject"]["id"]): row["verdict"] for row in verdicts("4.1.2-")}
    for node in ("node1", "node2", "node3"):
        assert rows["persistence.node_settings", node] == "pass"
    assert rows["persistence.switch_settings", "sw1"] == "pass"
    assert found() == {}


def test_what_only_a_restart_shows_is_caught(twin: Twin) -> None:
    stage(twin, "--skip-tags", "measure")
    for name in RESTARTED:
        twin.lab("break", SUBJECT[FABRIC[name]["kind"]], name)
    stage(twin, "--check", "--skip-tags", "measure")
    assert found() == {}, "what is configured and saved is right before the restart"
    arguments = ("-i", "inventory/twin", "playbooks/persistence.yml", "-e", "npuforge_run=latest")
    done = twin.playbook(*arguments, "-e", "persistence_reboot=sw1,node2")
    assert done.returncode == 0, done.stdout[-5000:]
    seen = found()
    wrong = [text for name in RESTARTED if (text := missed(name, SUBJECT[FABRIC[name]["kind"]], seen))]
    assert wrong == [], "\n".join(wrong)
    twin.lab("heal", "--all")
    stage(twin, "--skip-tags", "measure")
    assert found() == {}, "the stage brings back what the restart lost"


def test_wrong_credentials_stop_only_the_switch(twin: Twin) -> None:
    arguments = ("-i", "inventory/twin", "playbooks/site.yml", "--tags", "fabric,report", "--skip-tags", "measure")
    done = twin.playbook(*arguments, "-e", "switch_roce_password=wrong-password-of-a-test", callback="default")
    assert done.returncode != 0
    assert "user npuforge is refused" in done.stdout
    assert "Judge the evidence" in done.stdout, "the report was not made"
    seen = found()
    assert {check for check, _ in seen} >= {"fabric.switch_config", "fabric.switch_trust"}
    assert {row["verdict"] for row in seen.values()} == {"unknown"}
    assert not [subject for check, subject in seen if check.startswith("fabric.npu")]
