"""The baseline of each node from contract and inventory; the action plugin; the module through Ansible itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kernel_helpers import Machine, baseline
from npuforge.kernel import run
from npuforge.kernel import wanted as rules
from npuforge.kernel.host import Host

from controller import contract, os_plan

ROOT = Path(__file__).resolve().parents[2]
HOSTS: dict[str, dict[str, Any]] = {
    "node1": {"ansible_host": "10.77.0.11"},
    "node2": {"ansible_host": "10.77.0.12"},
}


def plan(site: Any = None, **hosts: dict[str, Any]) -> dict[str, Any]:
    known = {name: {**HOSTS.get(name, {}), **hosts.get(name, {})} for name in {**HOSTS, **hosts}}
    return os_plan.plan_of(
        {"npu_servers": list(known)},
        lambda host, key: known[host].get(key),
        {"site_os": site}.get,
    )


def problems(site: Any = None, **hosts: dict[str, Any]) -> list[str]:
    with pytest.raises(os_plan.OsPlanError) as found:
        plan(site, **hosts)
    return found.value.problems


def test_without_overrides_every_node_gets_the_baseline_its_name_and_all_hosts() -> None:
    made = plan()
    law = os_plan.baseline()
    assert made["node1"]["hostname"] == "node1" and made["node2"]["hostname"] == "node2"
    assert made["node1"]["hosts"] == [
        {"address": "10.77.0.11", "names": ["node1"]},
        {"address": "10.77.0.12", "names": ["node2"]},
    ]
    assert {key: made["node1"][key] for key in law} == law
    assert all(rules.problems(node) == [] for node in made.values())


def test_the_host_wins_over_the_site_and_tables_are_merged_entry_by_entry() -> None:
    made = plan(
        {
            "sysctl": {"vm.swappiness": 1, "kernel.numa_balancing": 1, "kernel.panic": None},
            "governor": None,
            "modules": [],
        },
        node2={"os": {"sysctl": {"vm.swappiness": 2}, "hostname": "n2", "isolation": {"enabled": False}}},
    )
    one, two = made["node1"], made["node2"]
    assert (one["sysctl"]["vm.swappiness"], two["sysctl"]["vm.swappiness"]) == (1, 2)
    assert one["sysctl"]["kernel.numa_balancing"] == 1 and "-kernel.numa_balancing" not in one["sysctl"]
    assert "kernel.panic" not in one["sysctl"] and "vm.max_map_count" in one["sysctl"]
    assert "governor" not in one and one["modules"] == []
    assert two["isolation"] == {"enabled": False, "housekeeping_cores_per_numa_node": 4, "npu_irqs": "housekeeping"}
    assert two["hostname"] == "n2" and one["hosts"][1]["names"] == ["n2", "node2"]


def test_entries_of_the_hosts_file_are_added_and_null_leaves_it_alone() -> None:
    more = {"address": "10.1.1.1", "names": ["registry"]}
    assert plan({"hosts": [more]})["node1"]["hosts"][-1] == more
    assert "hosts" not in plan({"hosts": None})["node1"]
    made = plan(None, node1={"os": {"hosts": None, "hostname": None}})
    assert "hosts" not in made["node1"] and "hostname" not in made["node1"] and "hosts" in made["node2"]


def test_every_mistake_is_told_at_once_with_the_nearest_known_word() -> None:
    found = problems(
        {
            "sysctrl": {},
            "isolation": {"enable": True},
            "io_scheduler": {"nvme": "bfq"},
            "hostname": "all",
            "kernel_arguments": {"mitigations": False, "isolcpus": "1-3"},
        },
        node2={"ansible_host": "node2.local", "os": {"swap": "none", "journal_retention_days": 0}},
        node_3={"ansible_host": "10.77.0.11"},
    )
    text = "\n".join(found)
    for words in (
        "site_os.sysctrl: there is no such setting; did you mean sysctl?",
        "site_os.isolation.enable: there is no such setting; did you mean enabled?",
        "site_os.io_scheduler.nvme: bfq is for desktops",
        "site_os.hostname: a name is of one host",
        "site_os.kernel_arguments.mitigations: False is no text: quote it",
        "site_os.kernel_arguments.isolcpus: is given by isolation",
        "node2: os.swap: 'none' is none of off, keep",
        "node2: os.journal_retention_days: 0 is no number of days",
        "node2: ansible_host is 'node2.local': the hosts file needs an address",
        "node_3: ansible_host 10.77.0.11 is node1's, too",
        "node_3: hostname: 'node_3' is not a host name",
    ):
        assert words in text
    assert len(found) == len(set(found)) == 11


def test_off_without_quotes_is_off() -> None:
    site = yaml.safe_load("{swap: off, firewall: off, iommu: on}")
    assert site["swap"] is False
    made = plan(site)["node1"]
    assert (made["swap"], made["firewall"], made["iommu"]) == ("off", "off", "on")


# ---- the contract's own data


def leaves(node: Any, path: str = "") -> Iterator[str]:
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from leaves(value, f"{path}.{key}" if path else str(key))
    else:
        yield path


def test_every_default_has_its_reason_and_no_reason_is_left_over() -> None:
    document = yaml.safe_load((contract.DIRECTORY / "os_baseline.yml").read_text(encoding="utf-8"))
    assert contract.problems(document, "os_baseline") == []
    assert sorted(document["reasons"]) == sorted(leaves(document["wanted"]))
    assert rules.problems(document["wanted"]) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("swap", "no"),
        ("sysctl", {"a b": 1}),
        ("modules", "overlay"),
        ("unknown", 1),
        ("hugepages", {"2M": 1}),
        ("isolation", {"housekeeping_cores_per_numa_node": 0}),
        ("io_scheduler", {"nvme": "bfq"}),
    ],
)
def test_schema_and_rules_refuse_the_same(key: str, value: Any) -> None:
    document = yaml.safe_load((contract.DIRECTORY / "os_baseline.yml").read_text(encoding="utf-8"))
    document["wanted"][key] = value
    assert contract.problems(document, "os_baseline")
    assert rules.problems({key: value})


def test_schema_and_rules_know_the_same_settings() -> None:
    schema = json.loads((contract.DIRECTORY / "schema" / "os_baseline.schema.json").read_text(encoding="utf-8"))
    assert set(schema["$defs"]["wanted"]["properties"]) == set(rules.KEYS)
    for key, choices in rules.CHOICES.items():
        assert {c for c in schema["$defs"]["wanted"]["properties"][key]["enum"] if isinstance(c, str)} == set(choices)


# ---- through Ansible


def ansible(*argv: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "HOME": str(folder)}
    environment["PYTHONPATH"] = f"{ROOT}:{ROOT}/plugins/module_utils"
    program = Path(sys.executable).parent / argv[0]
    return subprocess.run(
        [str(program), *argv[1:]], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_the_plugin_leaves_the_plan_on_localhost_and_tells_every_mistake(tmp_path: Path) -> None:
    hosts = {"npu_servers": {"hosts": HOSTS, "vars": {"site_os": "{{ chosen }}", "chosen": {"governor": "powersave"}}}}
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"all": {"children": hosts, "vars": {"site_os": {"locale": "zh_CN.UTF-8"}}}}))
    show = {"ansible.builtin.debug": {"msg": "{{ ansible_facts.npuforge_os_plan.node2 | to_json }}"}}
    book = tmp_path / "book.yml"
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [{"os_plan": {}}, show]}
    book.write_text(yaml.safe_dump([play]))
    done = ansible("ansible-playbook", "-i", str(inventory), str(book), folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "zh_CN.UTF-8" in done.stdout and '"hostname": "node2"' in done.stdout.replace('\\"', '"')
    done = ansible(
        "ansible-playbook",
        "-i",
        str(inventory),
        str(book),
        "-e",
        '{"site_os": {"lokale": "C", "iommu": "x"}}',
        folder=tmp_path,
    )
    assert done.returncode == 2
    assert "did you mean locale?" in done.stdout and "site_os.iommu: 'x' is none of" in done.stdout


def test_the_module_runs_for_real_on_a_tree(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "root", nodes=1, cores=4)
    machine.program("systemctl", "#!/bin/sh\nexit 1\n")
    wanted = baseline(modules=None, swap=None, firewall=None, sysctl={"vm.swappiness": 10})
    argument = json.dumps({"subject": "n1", "wanted": wanted, "root": str(machine.root)})
    call = [
        "ansible",
        "localhost",
        "-i",
        "localhost,",
        "-c",
        "local",
        "-e",
        f"ansible_python_interpreter={sys.executable}",
    ]
    results = []
    for extra in (["--check"], []):
        done = ansible(*call, "-m", "kernel_tuning", "-a", argument, *extra, folder=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        results.append(json.loads(done.stdout.partition("=>")[2]))
    assert [result["changed"] for result in results] == [True, True]
    assert results[0]["steps"] == results[1]["steps"] and results[1]["reboot_required"]
    again = run.run(Host(str(machine.root)), "n1", wanted, check=False, simulated=True)
    assert (again.steps, again.changed, again.reboot_reasons) == ([], False, results[1]["reboot_reasons"])
    assert "isolcpus=managed_irq,domain,1-3" in machine.command_line()
