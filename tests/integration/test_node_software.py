"""The stages os and npu on the twin: bare servers become tuned nodes with proven NPUs, a second run has nothing to do,
an upgrade goes node by node, and every fault of the catalogue that concerns tender 4.1.3-1 and 4.1.3-2 is caught.

What a setting is, is looked at in check mode (a real run would mend it before anybody saw it), on all three nodes at a
time; what only a run shows (a clock, an installer, a restart) is run.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.integration.conftest import ROOT, Twin, run
from tests.integration.outcome import changed, verdicts

pytestmark = [pytest.mark.twin, pytest.mark.root]
CATALOGUE: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "lab" / "faults.yml").read_text(encoding="utf-8"))
SOFTWARE = {name: row for name, row in CATALOGUE.items() if row["clause"].startswith("4.1.3-")}
NODES = ("node1", "node2", "node3")
MODULE_RUNS = 12  # a node's, of both stages when there is nothing to do

# Planted together: on one node those that do not hide each other. One row is one run.
SYSTEM = (
    (
        ("thp_changed_by_hand", "scheduler_reset_by_udev", "sysctl_overridden", "swap_on_again", "chrony_conf_edited"),
        ("isolation_without_nohz_full", "sysctl_changed_by_hand", "governor_powersave"),
        ("boots_old_command_line", "hosts_line_changed"),
    ),
)
CHIPS = (
    (
        ("npu_half_memory", "npu_ecc_double_bit", "npu_isolated_pages", "npu_hot", "npu_chip_warning"),
        ("npu_seven_of_eight",),
        ("npu_chip_alarm", "npu_hccs_link_down", "npu_hbm_slow", "npu_pcie_slow"),
    ),
    (("npu_pair_slow",), ("npu_in_use",), ("ascend_dmi_missing",)),
    (("npu_in_use_unlisted",), ("ascend_dmi_error",), ("npu_smi_missing",)),
)
INSTALLED = (
    (("npu_firmware_left_behind",), ("driver_firmware_mismatch",), ("driver_install_incomplete",)),
    (("cann_too_new",), ("driver_not_loaded",), ("npu_smi_unknown_layout",)),
)
STUCK = ((("npu_smi_hangs",),),)
CLOCKS = ((("clock_ahead",), ("ntp_unreachable",), ("ntp_stratum_high",)), (("ntp_server_without_time",),))
INSTALLERS = (
    (("installer_user_missing",), ("installer_not_root",), ("installer_busy",)),
    (("installer_user_differs",), ("installer_bad_input",), ("installer_dkms",)),
    (("installer_disk_full",), ("installer_killed",), ("installer_lies",)),
    (("kernel_headers_missing",),),
)
# Their tests are below: one needs huge pages, one a restart.
ALONE = ("hugepages_missing", "node_does_not_come_back")


def play(twin: Twin, *arguments: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
    done = twin.playbook("-i", "inventory/twin", *arguments, callback="default")
    assert code is None or done.returncode == code, done.stdout[-6000:] + done.stderr[-3000:]
    return done


def otherwise(**settings: Any) -> tuple[str, str]:
    """The twin's baseline with other settings."""
    site = yaml.safe_load((ROOT / "inventory/twin/group_vars/all/site.yml").read_text(encoding="utf-8"))
    return "-e", json.dumps({"site_os": {**site["site_os"], **settings}})


def found() -> list[dict[str, Any]]:
    """What is neither proven nor still to come."""
    return [row for row in verdicts("4.1.3-") if row["verdict"] in ("fail", "unknown")]


def bundle(twin: Twin, release: str = "") -> None:
    run([str(ROOT / "bin" / "twin-bundle"), *([release] if release else [])], check=True)


@pytest.fixture(scope="module")
def bare(raised: Twin) -> Iterator[Twin]:
    """Nodes as they come without the vendor's software; afterwards as the other tests expect them."""
    raised.restore()
    raised.lab("up", "--bare", "--fresh")
    bundle(raised)
    yield raised
    raised.restore()
    raised.lab("up", "--no-bare")


@pytest.fixture
def ready(bare: Twin) -> Iterator[Twin]:
    """The nodes after the first test, and healed after each."""
    yield bare
    bare.restore()


def test_every_fault_of_the_catalogue_is_planted_below() -> None:
    planted = [
        name
        for batch in (*SYSTEM, *CHIPS, *INSTALLED, *STUCK, *CLOCKS, *INSTALLERS)
        for group in batch
        for name in group
    ]
    assert sorted([*planted, *ALONE]) == sorted(SOFTWARE)


def test_bare_servers_become_proven_nodes(bare: Twin) -> None:
    planned = play(bare, "playbooks/os.yml", "playbooks/npu.yml", "--check", "--diff")
    assert {row["check"] for row in found()} >= {
        "os.thp",
        "os.isolation",
        "npu.driver_version",
        "npu.count",
        "npu.cann",
    }
    done = play(bare, "playbooks/os.yml", "playbooks/npu.yml")
    assert found() == [], [(row["check"], row["subject"]["id"], row["reason"]["en"]) for row in found()]
    assert {row["verdict"] for row in verdicts("4.1.3-")} == {"pass"}
    for node in NODES:
        # Beside what was planned, the node was restarted: for the kernel's command line and for the firmware.
        assert changed(done)[node] >= changed(planned)[node] >= 5


def test_a_second_run_changes_nothing_and_takes_few_module_runs(ready: Twin) -> None:
    done = ready.playbook("-i", "inventory/twin", "playbooks/os.yml", "playbooks/npu.yml")
    assert done.returncode == 0, done.stdout[-4000:]
    rows = dict(re.findall(r"^(node\d)\s+(\d.*)$", done.stdout, re.MULTILINE))
    assert sorted(rows) == sorted(NODES)
    for node, row in rows.items():
        columns = row.split()
        assert columns[1] == "0", f"{node} was changed: {row}"
        assert int(columns[5]) <= MODULE_RUNS, row
    assert found() == []


def caught(name: str, subject: str, seen: list[dict[str, Any]]) -> str | None:
    """How the toolkit failed to catch a fault; None when it did its work."""
    row = SOFTWARE[name]
    named = str(row["names"]).replace("node2", subject)
    hits = [hit for hit in seen if hit["check"] == row["check"] and hit["subject"]["id"].startswith(subject)]
    hits = [hit for hit in hits if named in json.dumps(hit, ensure_ascii=False)]
    if row["verdict"] in {hit["verdict"] for hit in hits}:
        return None
    said = sorted({(hit["check"], hit["verdict"]) for hit in seen if hit["subject"]["id"].startswith(subject)})
    return f"{name} on {subject}: {row['check']} did not say {row['verdict']} of {named}; said {said}"


def walk(twin: Twin, batches: Any, *arguments: str) -> None:
    wrong = []
    for batch in batches:
        planted = [(name, node) for node, group in zip(NODES, batch, strict=False) for name in group]
        for name, node in planted:
            twin.lab("break", node, name)
        try:
            play(twin, *arguments, code=None)
            seen = found()
        finally:
            twin.lab("heal", "--all")
        wrong += [text for name, node in planted if (text := caught(name, node, seen))]
    assert wrong == [], "\n".join(wrong)


def test_what_somebody_changed_in_the_system_is_caught(ready: Twin) -> None:
    walk(ready, SYSTEM, "playbooks/os.yml", "--check")
    play(ready, "playbooks/os.yml")
    assert found() == [], "healing and a run bring everything back"


def test_clocks_that_are_off_are_caught(ready: Twin) -> None:
    walk(ready, CLOCKS, "playbooks/os.yml", "--tags", "time")
    play(ready, "playbooks/os.yml", "--tags", "time")
    assert [row for row in found() if row["check"].startswith("time.")] == []


def test_reserved_huge_pages_that_are_gone_are_caught(ready: Twin) -> None:
    wanted = (*otherwise(hugepages={"2048": 64}), "--tags", "baseline")
    play(ready, "playbooks/os.yml", *wanted)
    walk(ready, (((), ("hugepages_missing",)),), "playbooks/os.yml", "--check", *wanted)
    play(ready, "playbooks/os.yml", "--tags", "baseline")


def test_what_ails_the_chips_is_caught(ready: Twin) -> None:
    # The measurements load chips, so there are none in check mode; they change nothing.
    walk(ready, CHIPS, "playbooks/npu.yml", "--tags", "validate,measure")
    walk(ready, INSTALLED, "playbooks/npu.yml", "--check")
    quick = ("-e", "npu_driver_call_seconds=2", "-e", "npu_validation_info_seconds=2")
    walk(ready, STUCK, "playbooks/npu.yml", "--check", *quick)
    play(ready, "playbooks/npu.yml")
    assert found() == [], [(row["check"], row["subject"]["id"], row["reason"]["en"]) for row in found()]


def test_installers_that_fail_are_explained_and_the_next_run_converges(ready: Twin) -> None:
    bundle(ready, "twin-2026.2")
    walk(
        ready,
        INSTALLERS,
        "playbooks/npu.yml",
        "--tags",
        "install",
        "-e",
        "reboot_hosts=",
        "-e",
        "npu_driver_poll_seconds=1",
    )
    done = play(ready, "playbooks/npu.yml", "-e", "npu_driver_poll_seconds=1", "-e", "cann_poll_seconds=1")
    assert found() == [], [(row["check"], row["subject"]["id"], row["reason"]["en"]) for row in found()]
    restarted = re.findall(
        r"^changed: \[(node\d)\]", done.stdout.split("Restart the node and wait for it", 1)[1], re.MULTILINE
    )
    assert restarted[:1] == ["node1"], "one node at a time, in the order of the inventory"
    bundle(ready)


def test_a_node_that_does_not_come_back_stops_the_others(ready: Twin) -> None:
    ready.lab("break", "node1", "node_does_not_come_back")
    other = otherwise(kernel_arguments={"mitigations": "auto"})
    done = play(ready, "playbooks/os.yml", *other, "-e", "node_reboot_seconds=25", code=None)
    assert done.returncode != 0
    restarts = done.stdout.split("PLAY [Restart where it is needed and allowed]", 1)[1].split("PLAY [Time]", 1)[0]
    assert "fatal: [node1]" in restarts
    assert not re.search(r"^(changed|fatal): \[node[23]\]", restarts, re.MULTILINE), "nobody else was restarted"
    ready.lab("heal", "--all")
    for action in ("force_off", "on"):
        ready.lab("power", "node1", action, check=False)
    ready.lab("up")
    play(ready, "playbooks/os.yml")
    assert found() == []
