"""A node of the twin becomes Kylin V10 with its Python 3.7: no module runs, then one is shipped, used and removed.

Afterwards the node is what it was before.
"""

from __future__ import annotations

import copy
import functools
import http.server
import json
import platform
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import credentials
from lab.state import State
from tests.integration.conftest import ROOT, Twin

pytestmark = [pytest.mark.twin, pytest.mark.root]
BOOK = """\
- import_playbook: @BOOTSTRAP@
- import_playbook: @BOOTSTRAP@
- hosts: npu_servers
  gather_facts: false
  become: true
  tasks:
    - ansible.builtin.setup: {gather_subset: [min]}
      when: python_bootstrap_missing is not defined
    - ansible.builtin.copy: {content: here, dest: /root/here, mode: "0600"}
      when: python_bootstrap_missing is not defined
    - ansible.builtin.debug:
        msg: "runs on {{ ansible_facts.distribution_version }} {{ ansible_facts.python_version }}"
      when: python_bootstrap_missing is not defined
    - ansible.builtin.debug: {msg: "reason {{ python_bootstrap_failed }}"}
      when: python_bootstrap_failed is defined
"""


@dataclass
class Site:
    """One node that is Kylin, an inventory with it alone, and the bundle's server."""

    twin: Twin
    folder: Path
    container: str
    bundle: dict[str, Any]

    def play(self, *more: str, bundle: dict[str, Any] | None = None, book: str = "book.yml") -> str:
        given = self.folder / "given.json"
        given.write_text(json.dumps({"python_bootstrap_bundle": bundle or self.bundle}), encoding="utf-8")
        inventory, path = str(self.folder / "hosts.yml"), str(self.folder / book)
        done = self.twin.playbook("-i", inventory, "-e", f"@{given}", path, *more, callback="default")
        return done.stdout + done.stderr

    def inside(self, command: str) -> str:
        argv = ["podman", "exec", self.container, "sh", "-c", command]
        return subprocess.run(argv, capture_output=True, text=True, check=False).stdout


@pytest.fixture
def site(twin: Twin, tmp_path: Path) -> Iterator[Site]:
    state = State(twin.state)
    settings = state.settings()
    assert settings is not None
    node = state.world.read(state.world.names()[-1])
    hosts = {
        "all": {
            "vars": {
                "ansible_user": credentials.USER,
                "ansible_become_password": twin.secrets()["become_password"],
                "ansible_ssh_private_key_file": str(twin.state / "ssh/id_ed25519"),
                "ansible_ssh_common_args": f"-o UserKnownHostsFile={twin.state / 'ssh/known_hosts'}",
            },
            "children": {"npu_servers": {"hosts": {node["name"]: {"ansible_host": node["address"]}}}},
        }
    }
    (tmp_path / "hosts.yml").touch(0o600)
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(hosts), encoding="utf-8")
    (tmp_path / "book.yml").write_text(
        BOOK.replace("@BOOTSTRAP@", str(ROOT / "playbooks/bootstrap.yml")), encoding="utf-8"
    )
    (tmp_path / "ping.yml").write_text(
        "- hosts: npu_servers\n  gather_facts: false\n  tasks: [ansible.builtin.ping: ]\n", encoding="utf-8"
    )
    twin.lab("up", "--persona", f"{node['name']}=kylin")
    served = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(twin.state / "vendor"))
    with http.server.ThreadingHTTPServer((settings.time_address(), 0), served) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        manifest = yaml.safe_load((twin.state / "vendor/manifest-twin-2026.1.yml").read_text(encoding="utf-8"))
        fitting = [entry for entry in manifest["artifacts"] if entry["id"] == "python"]
        assert [entry["arch"] for entry in fitting] == [[platform.machine()]]
        url = f"http://{settings.time_address()}:{server.server_address[1]}"
        yield Site(twin, tmp_path, f"npuforge-{settings.site}-{node['name']}", {"url": url, "artifacts": fitting})
        server.shutdown()
    twin.lab("up", "--persona", settings.persona or "none")


def test_a_node_with_python_3_7_gets_one_that_modules_run_on(site: Site) -> None:
    assert "Module result deserialization failed" in site.play(book="ping.yml")
    assert site.inside("systemctl is-system-running; dnf --version").split()[0] == "running"

    planned = site.play("--check")
    assert "/usr/bin/python3 is 3.7.9, and Ansible's modules need 3.8: would ship Python 3.11" in planned
    assert ("unreachable=0    failed=0" in planned, "runs on" in planned) == (True, False)
    assert site.inside("ls /opt/npuforge") == ""

    wrong = copy.deepcopy(site.bundle)
    wrong["artifacts"][0]["sha256"] = "0" * 64
    refused = site.play(bundle=wrong)
    assert "wrong content (expected SHA-256 000000" in refused
    assert "reason /usr/bin/python3 is 3.7.9" in refused
    assert site.inside("ls -A /opt/npuforge") == ""

    first = site.play()
    assert "runs on V10 3.11." in first, first
    assert "changed=2 " in first  # shipped, and the file of the play
    again = site.play()
    assert ("changed=0 " in again, "runs on V10 3.11." in again) == (True, True)
    assert site.inside("python3 --version") == "Python 3.7.9\n"

    assert "changed=1 " in site.play("-e", "python_bootstrap_state=absent", book=str(ROOT / "playbooks/bootstrap.yml"))
    assert site.inside("ls /opt") == "npuforge-twin\n"
    pushed = site.play("-e", "python_bootstrap_transfer=ssh")
    assert ("pushed" in pushed, "runs on V10 3.11." in pushed) == (True, True)
