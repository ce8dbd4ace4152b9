"""The evidence plugins under a real ansible-playbook, and what they take from Ansible."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from evidence_helpers import bmc_facts, observation, switch_facts

from controller import contract, playbook
from controller.contract import Document

ROOT = Path(__file__).resolve().parents[2]
SECRET = "Pl4nted-bmc-password"
NOW = "2026-11-24T06:04:05Z"

PLAYBOOK = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - evidence_open:
      register: opened
    - evidence_open:
      register: again
    - ansible.builtin.assert:
        that: [again.joined, not opened.joined, again.run_dir == opened.run_dir, again is not changed]
- hosts: npu_servers:switches
  gather_facts: false
  tasks:
    - evidence_record:
        stage: hardware
        result: "{{ results[inventory_hostname] }}"
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - evidence_record:
        stage: survey
        results: "{{ [results.survey] }}"
    - evidence_judge:
        language: en
        fail_on: [fail]
      register: judged
    - ansible.builtin.copy:
        content: "{{ judged | to_json }}"
        dest: "{{ playbook_dir }}/judged.json"
        mode: "0600"
      check_mode: false
"""

INVENTORY = {
    "all": {
        "vars": {
            "site_name": "plug",
            "site_provenance": "simulated",
            "site_waivers": [],
            "vault_bmc_password": SECRET,
            "broken_password": "{{ nobody_defined_this }}",
            "results": "{{ lookup('file', playbook_dir ~ '/results.json') | from_json }}",
        },
        "children": {
            "npu_servers": {
                "vars": {"npu_profile": "atlas_800t_a2", "bmc_password": "{{ vault_bmc_password }}"},
                "hosts": {
                    "node1": {"asset_serial": "2102314TWN10P0000001", "rack": "R01", "rack_position": 8},
                    "node2": {"asset_serial": "another"},
                    "node3": {},
                },
            },
            "switches": {"hosts": {"sw1": {}}},
        },
    }
}


def module_result(kind: str, name: str, facts: Document, collector: str) -> Document:
    raw = {"name": "out.txt", "argv": ["x", SECRET], "rc": 0, "seconds": 0.1, "text": f"login {SECRET} ok"}
    return {
        "changed": False,
        "observations": [{"observation": observation(kind, name, facts, collector=collector), "raw": [raw]}],
    }


@pytest.fixture(scope="module", params=[[], ["--check"]], ids=["run", "check mode"])
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A play over one good BMC, one with a foreign serial, one whose module crashed, and a switch."""
    place = tmp_path_factory.mktemp("play")
    results = {
        "node1": module_result("bmc", "node1", bmc_facts(1), "bmc_info"),
        "node2": module_result("bmc", "node2", bmc_facts(2), "bmc_info"),
        "node3": {"failed": True, "msg": f"crashed while using {SECRET}"},
        "sw1": module_result("switch", "sw1", switch_facts(), "switch_info"),
        "survey": module_result("rack", "R01", {"rack_units_free": 3}, "survey"),
    }
    (place / "results.json").write_text(json.dumps(results), encoding="utf-8")
    (place / "hosts.json").write_text(json.dumps(INVENTORY), encoding="utf-8")
    (place / "play.yml").write_text(PLAYBOOK, encoding="utf-8")
    (place / "ansible.cfg").write_text(
        f"[defaults]\naction_plugins = {ROOT}/plugins/action\ninject_facts_as_vars = false\n", encoding="utf-8"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "NPUFORGE_"))}
    environment |= {"ANSIBLE_CONFIG": str(place / "ansible.cfg"), "NPUFORGE_ARTIFACTS": str(place / "artifacts")}
    ansible = Path(sys.executable).with_name("ansible-playbook")
    argv = [str(ansible), "-i", str(place / "hosts.json"), str(place / "play.yml"), *request.param]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=120, check=False)
    return place, done.stdout + done.stderr


def test_the_play_writes_one_run_and_fails_on_what_it_was_told_to_fail_on(played: tuple[Path, str]) -> None:
    place, output = played
    runs = [path for path in (place / "artifacts" / "plug").glob("2*") if path.is_dir()]
    assert len(runs) == 1, output
    assert "1 fail; see" in output, output
    verdicts = json.loads((runs[0] / "verdicts.json").read_text(encoding="utf-8"))
    assert contract.problems(verdicts, "verdicts") == []
    failed = [(v["check"], v["subject"]["id"]) for v in verdicts["verdicts"] if v["verdict"] == "fail"]
    assert failed == [("hardware.serial_matches", "node2")]
    units = next(v for v in verdicts["verdicts"] if v["check"] == "survey.rack_units")
    assert (units["verdict"], units["provenance"]) == ("pass", "simulated")


def test_a_module_that_crashed_leaves_its_reason(played: tuple[Path, str]) -> None:
    place, _ = played
    (path,) = (place / "artifacts" / "plug").glob("2*/verdicts.json")
    verdicts = json.loads(path.read_text(encoding="utf-8"))["verdicts"]
    of_node3 = [v for v in verdicts if v["subject"] == {"kind": "bmc", "id": "node3"} and v["verdict"] != "manual"]
    assert {v["verdict"] for v in of_node3} == {"unknown"}
    assert all("crashed while using [redacted]" in v["reason"]["en"] for v in of_node3)


def test_the_secret_is_in_no_file_of_the_run(played: tuple[Path, str]) -> None:
    place, _ = played
    files = [path for path in (place / "artifacts").rglob("*") if path.is_file()]
    assert len(files) > 8
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []


class Secretive(dict[str, Any]):
    """Variables of which one cannot be templated."""

    def __getitem__(self, key: str) -> Any:
        if key == "broken_password":
            raise ValueError("undefined")
        return super().__getitem__(key)


def test_secrets_are_found_by_name_in_lists_and_mappings_too() -> None:
    host = Secretive(
        vault_users={"root": ["aaa111", {"deep": "bbb222"}]},
        ansible_become_pass="ccc333",
        bmc_password=4711,
        switch_community="ddd444",
        broken_password=None,
        passwordless=True,
        site_name="twin",
        vault_flag=True,
    )
    assert playbook.secrets_of([host]) == {"aaa111", "bbb222", "ccc333", "4711", "ddd444"}


def test_the_inventory_of_a_run() -> None:
    hosts = {
        "node1": {"npu_profile": "p", "asset_serial": 42, "rack": "R01", "rack_position": "8"},
        "sw1": {"rack": " "},
    }
    document = playbook.inventory_of(
        "twin",
        {"npu_servers": ["node1"], "switches": ["sw1"]},
        lambda host, name: hosts[host].get(name),
        {"npu_count": 8, "hosts": {"node1": {"dimm_count": 16}}},
        [{"check": "a.b", "until": date(2027, 1, 31)}],
    )
    assert document == {
        "subjects": {"bmc": ["node1"], "node": ["node1"], "switch": ["sw1"], "site": ["twin"]},
        "profiles": {"node1": "p"},
        "expect": {"npu_count": 8, "hosts": {"node1": {"dimm_count": 16, "asset_serial": "42"}}},
        "waivers": [{"check": "a.b", "until": "2027-01-31"}],
        "devices": {
            "node1": {
                "role": "server",
                "location": None,
                "rack": "R01",
                "asset_tag": None,
                "position": 8,
                "face": None,
            },
            "sw1": {
                "role": "switch",
                "location": None,
                "rack": None,
                "asset_tag": None,
                "position": None,
                "face": None,
            },
        },
    }


@pytest.mark.parametrize("junk", [None, "x", [], {"hosts": []}, {"hosts": None}])
def test_an_expectation_of_another_shape_is_survived(junk: Any) -> None:
    document = playbook.inventory_of("twin", {"npu_servers": ["n"]}, lambda *_: None, junk, junk)
    assert document["expect"] == {"hosts": {}}


def test_entries_are_found_in_whatever_was_registered() -> None:
    one = {"observations": [{"observation": {"n": 1}}]}
    two = {"observations": [{"observation": {"n": 2}}, "junk"]}
    subject = {"kind": "bmc", "id": "node1"}

    def numbers(results: Any) -> list[Any]:
        entries = playbook.entries_of(results, subject, "hardware", NOW, "1")
        return [entry["observation"].get("n", entry["observation"].get("collector")) for entry in entries]

    assert numbers(one) == [1]
    assert numbers([one, {"results": [two, {"skipped": True}]}]) == [1, 2]
    assert numbers([None, "x", {}, {"skipped": True}]) == []
    assert numbers({"unreachable": True, "msg": "no route"}) == ["evidence_record"]
    assert numbers({"failed": True, "observations": [{"observation": {"n": 3}}]}) == [3]
    assert playbook.entries_of({"failed": True}, None, "hardware", NOW, "1") == []
