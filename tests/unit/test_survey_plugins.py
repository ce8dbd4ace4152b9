"""The action plugins as a playbook uses them: files in the run folder, observations, words when a file is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from survey_helpers import site, write

ROOT = Path(__file__).resolve().parents[2]
PLAY = [
    {
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": [
            {"evidence_open": None},
            {"site_survey": None, "register": "room"},
            {"evidence_record": {"stage": "survey", "result": "{{ room }}"}},
            {"site_labels": {"language": "en"}, "register": "cables"},
            {"evidence_record": {"stage": "survey", "result": "{{ cables }}"}},
            {"copy": {"dest": "{{ playbook_dir }}/out.json", "content": "{{ {'room': room, 'cables': cables} }}"},
             "check_mode": False},
        ],
    }
]  # fmt: skip


def inventory(folder: Path, room: Any, cables: list[dict[str, Any]]) -> None:
    where = folder / "inventory"
    where.mkdir()
    hosts = {"all": {"hosts": {"localhost": {"ansible_connection": "local"}}, "vars": {
        "ansible_python_interpreter": sys.executable,
        "site_name": "test", "site_provenance": "simulated", "site_report_language": "zh",
        "site_survey_file": "survey.yml", "site_cabling_file": "cabling.yml", "vault_x_password": "planted-4711",
    }}}  # fmt: skip
    (where / "hosts.yml").write_text(yaml.safe_dump(hosts))
    write(where, room)
    write(where, {"schema": "npuforge.cabling/1", "cables": cables}, "cabling.yml")
    (folder / "play.yml").write_text(yaml.safe_dump(PLAY, sort_keys=False))
    (folder / "password").write_text("x")


def play(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "inventory", "play.yml", *argv],
        cwd=folder,
        env=dict(
            os.environ,
            ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"),
            ANSIBLE_STDOUT_CALLBACK="ansible.builtin.default",
            ANSIBLE_VAULT_PASSWORD_FILE=str(folder / "password"),
            NPUFORGE_ARTIFACTS=str(folder / "artifacts"),
            LC_ALL="C.UTF-8",
        ),
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def fibre(port: str, other: str) -> dict[str, Any]:
    return {
        "side_a_device": "node1", "side_a_name": port, "side_b_device": "node2", "side_b_name": other,
        "type": "aoc", "length": 3, "length_unit": "m",
    }  # fmt: skip


@pytest.mark.parametrize("check", [False, True])
def test_results_go_into_the_run_folder_also_in_check_mode(tmp_path: Path, check: bool) -> None:
    room = site()
    room["room"]["grounding_ohm"] = 2
    room["room"]["name"] = "planted-4711"
    inventory(tmp_path, room, [fibre("NPU1", "NPU1"), fibre("NPU2", "NPU1")])
    done = play(tmp_path, *(["--check"] if check else []))
    assert done.returncode == 0, done.stdout + done.stderr
    run = (tmp_path / "artifacts" / "test" / "latest").resolve()
    files = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    assert {
        "survey.json", "figures/rack-R01.svg", "figures/rack-R02.svg", "cabling.json", "labels/labels.pdf",
        "labels/labels.csv", "observations/site-test-survey.json", "observations/site-test-labels.json",
        "observations/rack-R01-survey.json", "observations/feed-A-survey.json",
    } <= files  # fmt: skip
    document = json.loads((run / "survey.json").read_text())
    [wrong] = [item for item in document["items"] if item["ok"] is False]
    assert wrong["id"] == "grounding_ohm:test"
    seen = json.loads((run / "observations" / "site-test-survey.json").read_text())
    assert seen["provenance"] == "simulated"
    assert seen["facts"]["grounding_ohm"] == 2
    assert "survey.grounding" in seen["facts"]["remedies"]
    labels = json.loads((run / "observations" / "site-test-labels.json").read_text())
    assert len(labels["facts"]["cabling_port_conflicts"]) == 1
    assert (run / "labels" / "labels.pdf").read_bytes().startswith(b"%PDF")
    assert all(b"planted-4711" not in path.read_bytes() for path in run.rglob("*") if path.is_file())
    out = json.loads((tmp_path / "out.json").read_text())
    assert out["room"]["changed"] is out["cables"]["changed"] is False
    assert out["room"]["counts"]["failed"] == 1
    assert (out["cables"]["labels_count"], len(out["cables"]["skipped"])) == (0, 2)


def test_a_wrong_file_fails_with_every_mistake(tmp_path: Path) -> None:
    room = site()
    room["site"] = 7
    room["racks"][0]["units"] = "many"
    inventory(tmp_path, room, [])
    done = play(tmp_path)
    assert done.returncode != 0
    assert "site: 7 is not of type string" in done.stdout + done.stderr
    assert "racks[0].units" in done.stdout + done.stderr


def test_another_sites_survey_is_refused(tmp_path: Path) -> None:
    room = site()
    room["site"] = "other"
    inventory(tmp_path, room, [])
    done = play(tmp_path)
    assert done.returncode != 0
    assert "is the survey of 'other', not of 'test'" in done.stdout + done.stderr
