"""The role on two make-believe nodes with real ansible-playbook: modules, action plugin, evidence, check mode."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from fabric_helpers import ROOT, Site, make_plan

MPIRUN = """#!/bin/sh
if [ "$1" = --version ]; then echo "HYDRA build details:"; exit 0; fi
echo "$@" >> {log}
grep . "$2" >> {log}
echo 'data_size(Bytes): |   avg_time(us): | alg_bandwidth(GB/s): | check_result:'
echo '67108864          |    2630.20     |      23.76245        | success'
"""


@pytest.fixture
def play(tmp_path: Path) -> Any:
    """Runs the role; returns (exit code, output, observations by kind and id)."""
    plan = make_plan(2, 2)
    folder = tmp_path / "site"
    folder.mkdir()
    site = Site(folder, plan)
    bench = tmp_path / "hccl_test" / "bin"
    bench.mkdir(parents=True)
    for name in ("all_reduce_test", "alltoall_test"):
        (bench / name).write_text("#!/bin/sh\n")
        (bench / name).chmod(0o755)
    mpirun = tmp_path / "mpirun"
    mpirun.write_text(MPIRUN.format(log=tmp_path / "mpi.txt"))
    mpirun.chmod(0o755)
    hosts = {
        node: {"ansible_connection": "local", "ansible_host": f"192.0.2.{k + 1}"}
        for k, node in enumerate(plan["nodes"])
    }
    for node, variables in hosts.items():
        variables["ansible_python_interpreter"] = sys.executable
        variables["ansible_become"] = "false"
        # local hosts share one PATH: each is given its own programs
        variables["programs"] = str(folder / node)
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(
        yaml.safe_dump({"all": {"children": {"npu_servers": {"hosts": hosts}}, "vars": {"site_name": "s"}}})
    )
    book = tmp_path / "book.yml"
    tasks = [
        {"name": "Tell", "ansible.builtin.set_fact": {"npuforge_fabric_plan": plan}},
    ]
    book.write_text(
        yaml.safe_dump(
            [
                {
                    "hosts": "localhost",
                    "gather_facts": False,
                    "connection": "local",
                    "tasks": [*tasks, {"evidence_open": {}}],
                },
                {
                    "hosts": "npu_servers",
                    "gather_facts": False,
                    "environment": {"PATH": "{{ programs }}:/usr/bin:/bin"},
                    "vars": {"fabric_proof_hccl_test": str(bench.parent), "fabric_proof_mpirun": str(mpirun)}
                    | {"fabric_proof_plan": plan},
                    "roles": ["fabric_proof"],
                },
            ]
        )
    )

    def run(*arguments: str) -> tuple[int, str, dict[tuple[str, str], Any]]:
        done = subprocess.run(
            [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(inventory), str(book), *arguments],
            env=os.environ
            | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "NPUFORGE_ARTIFACTS": str(tmp_path / "art")}
            | {
                "PYTHONPATH": f"{ROOT}:{ROOT}/plugins/module_utils",
                "HOME": str(tmp_path),
            },
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        found = {}
        for path in (tmp_path / "art").rglob("observations/*.json"):
            document = json.loads(path.read_text())
            found[(document["subject"]["kind"], document["subject"]["id"])] = document["facts"]
        return done.returncode, done.stdout + done.stderr, found

    run.site = site  # type: ignore[attr-defined]
    run.folder = tmp_path  # type: ignore[attr-defined]
    return run


def test_the_role_measures_joins_and_keeps(play: Any) -> None:
    code, output, found = play()
    assert code == 0, output
    pair = found[("node_pair", "node1-node2")]
    assert pair["one_way_gbytes_per_s"] == {"node1->node2": 49.001, "node2->node1": 49.001}
    assert pair["slowest_port_gbit_per_s"] == pytest.approx(196.0, abs=0.1)
    assert pair["retransmitted_packets"] == 0 and pair["failed"] == [] and pair["slow_ports"] == []
    for node in ("node1", "node2"):
        assert found[("node", node)]["reachability"] == {
            "probed": 8,
            "expected": 8,
            "complete": True,
            "unreachable": [],
        }
    cluster = found[("cluster", "s")]
    assert cluster["all_reduce"]["ranks"] == cluster["all_reduce"]["planned_ranks"] == 4
    assert cluster["all_reduce"]["bus_gbytes_per_s"] == pytest.approx(25.5148 * 1.5, abs=0.001)
    assert cluster["incast"]["retransmitted_packets"] == 0 and cluster["incast"]["dropped_packets"] is None
    assert "192.0.2.1:2\n192.0.2.2:2" in (play.folder / "mpi.txt").read_text()
    matrix = json.loads(next((play.folder / "art").rglob("fabric/bandwidth.json")).read_text())
    assert len(matrix["gbit_per_s"]) == 4 and matrix["gbit_per_s"][0][2] == pytest.approx(196.0, abs=0.1)
    assert matrix["gbit_per_s"][0][1] is None


def test_check_mode_measures_nothing_and_says_so(play: Any) -> None:
    code, output, found = play("--check")
    assert code == 0, output
    assert play.site.calls() == [] and not (play.folder / "mpi.txt").exists()
    assert found == {}
