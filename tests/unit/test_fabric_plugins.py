"""``fabric_plan`` and the filters as a playbook uses them: the run folder, the parts, a plan that cannot be."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from npuforge.fabric.plan import build_plan, node_part, switch_part

from controller import contract
from tests.unit.fabric_plan_helpers import site
from tests.unit.validate_helpers import ROOT, edit, make_site

PLAY = [
    {
        "hosts": "localhost",
        "gather_facts": False,
        "tags": ["always"],
        "tasks": [
            {"evidence_open": None},
            {"evidence_open": None},
            {"fabric_plan": {"language": "en"}, "register": "made"},
            {"copy": {"dest": "{{ playbook_dir }}/out.json", "content": "{{ parts }}"}, "check_mode": False},
        ],
        "vars": {
            "parts": {
                "made": "{{ made }}",
                "node": "{{ ansible_facts.npuforge_fabric_plan | fabric_node_part('node2') }}",
                "switch": "{{ ansible_facts.npuforge_fabric_plan | fabric_switch_part('sw1') }}",
            }
        },
    },
]
ROW = "node2/NPU3  -i 2  3     10.30.0.21/22"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    site = make_site(tmp_path)
    (tmp_path / "play.yml").write_text(yaml.safe_dump(PLAY, sort_keys=False), encoding="utf-8")
    (tmp_path / "password").write_text("vault-password-of-the-test\n", encoding="utf-8")
    assert site == tmp_path / "site"
    return tmp_path


def play(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    environment = dict(
        os.environ,
        ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"),
        ANSIBLE_STDOUT_CALLBACK="ansible.builtin.default",
        ANSIBLE_VAULT_PASSWORD_FILE=str(folder / "password"),
        NPUFORGE_ARTIFACTS=str(folder / "artifacts"),
        LC_ALL="C.UTF-8",
    )
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "site/hosts.yml", "play.yml", *argv]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("check", [False, True])
def test_the_plan_is_kept_and_handed_on_also_in_check_mode(folder: Path, check: bool) -> None:
    done = play(folder, *(["--check"] if check else []))
    assert done.returncode == 0, done.stdout + done.stderr
    run = (folder / "artifacts" / "example-hospital" / "latest").resolve()
    plan: dict[str, Any] = json.loads((run / "fabric/plan.json").read_text(encoding="utf-8"))
    assert contract.problems(plan, "fabric_plan") == [] and plan["site"] == "example-hospital"
    assert "Fabric plan · example-hospital" in (run / "figures/fabric.svg").read_text(encoding="utf-8")
    out = json.loads((folder / "out.json").read_text(encoding="utf-8"))
    assert out["made"]["plan"] == plan and out["made"]["changed"] is False
    assert out["made"]["files"] == ["fabric/plan.json", "figures/fabric.svg"]
    assert any(line.startswith("node2/NPU3  -i 2  3     10.30.0.21/22") for line in out["made"]["table"])
    assert out["node"] == node_part(plan, "node2") and out["switch"] == switch_part(plan, "sw1")
    assert ROW not in done.stdout
    subjects = json.loads((run / "run.json").read_text(encoding="utf-8"))["inventory"]["subjects"]
    assert subjects["npu"] == [f"node{node}/NPU{npu}" for node in (1, 2, 3) for npu in range(1, 9)]
    lanes = [f"sw1/400GE1/0/{port}:{lane}" for port in range(1, 13) for lane in (1, 2)]
    assert sorted(subjects["port"]) == sorted(lanes)
    assert subjects["node_pair"] == ["node1-node2", "node1-node3", "node2-node3"]
    assert subjects["cluster"] == subjects["site"] == ["example-hospital"]


def test_the_table_is_printed_where_it_was_asked_for(folder: Path) -> None:
    asked = play(folder, "--tags", "plan").stdout
    assert ROW in asked and "HCCL_RDMA_TC=132" in asked


def test_every_contradiction_fails_the_task_at_once(folder: Path) -> None:
    change = ("  netdetect: gateway\n", "  netdetect: nowhere\n  qos: {dscp: 40}\n")
    edit(folder / "site/group_vars/all/site.yml", change)
    done = play(folder)
    assert done.returncode == 2
    assert "the fabric cannot be planned" in done.stdout
    assert "site_fabric.netdetect: is 'nowhere'" in done.stdout and "site_fabric.qos.dscp: is 40" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert not (folder / "out.json").exists()
    assert not list(folder.glob("artifacts/*/*/fabric/plan.json"))
    # The run is open for the other stages, without the subjects that only a plan can name; said once, opened twice.
    run = (folder / "artifacts" / "example-hospital" / "latest").resolve()
    subjects = json.loads((run / "run.json").read_text(encoding="utf-8"))["inventory"]["subjects"]
    assert sorted(subjects) == ["bmc", "node", "site", "switch"]
    assert " ".join(done.stderr.split()).count("no fabric plan, 2 problems, the first: site_fabric.netdetect") == 1


def test_what_the_plan_does_not_know() -> None:
    spec = importlib.util.spec_from_file_location("fabric_filters", ROOT / "plugins/filter/fabric.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    filters, plan = module.FilterModule().filters(), build_plan(site())
    for name, asked in (("fabric_node_part", "node9"), ("fabric_switch_part", "sw9")):
        with pytest.raises(AnsibleFilterError, match=f"the fabric plan knows no '{asked}'"):
            filters[name](plan, asked)
        with pytest.raises(AnsibleFilterError, match="there is no fabric plan: the task fabric_plan comes first"):
            filters[name](None, asked)
