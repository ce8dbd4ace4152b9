"""The roles on a make-believe node with real ansible-playbook: modules, bundle over HTTP, async, evidence."""

from __future__ import annotations

import functools
import http.server
import json
import os
import platform
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cann_helpers import CannWorld
from npu_software_helpers import NEW, OLD

ROOT = Path(__file__).resolve().parents[2]
SMI = """#!/bin/sh
if [ ! -f {world}/loaded ]; then echo "dcmi module initialize failed. ret is -8005"; exit 1; fi
if [ "$2" = -l ]; then
  printf '        Total Count                    : 8\\n\\n'
  for n in 0 1 2 3 4 5 6 7; do
    printf '        NPU ID                         : %s\\n        Chip Count                     : 1\\n\\n' $n
  done
  exit 0
fi
[ "$3" = board ] || exit 1
printf '        NPU ID                         : %s\\n' "$5"
printf '        Software Version               : %s\\n' "$(cat {world}/loaded)"
printf '        Firmware Version               : %s\\n' "$(cat {world}/running)"
printf '        Compatibility                  : OK\\n        PCI Device ID                  : 0xD802\\n'
"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Any]:
    """(world, play): a node with the old driver, and what runs both roles on it."""
    world = CannWorld(tmp_path / "node")
    world.have(*OLD)
    world.machine = platform.machine()
    build = world.root / f"lib/modules/{platform.release()}/build"
    build.mkdir(parents=True)
    (build / "Makefile").write_text("")
    for program in world.programs - {"lspci"}:
        path = world.root / "usr/bin" / program
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    smi = tmp_path / "npu-smi"
    smi.write_text(SMI.format(world=world.root / "world"))
    smi.chmod(0o755)
    artifacts = world.artifacts(arch=world.machine) + world.bundle("8.2.RC1")["artifacts"]
    served = tmp_path / "bundle" / "files"
    served.mkdir(parents=True)
    for row in artifacts:
        row["arch"] = ["noarch"] if "noarch" in row["arch"] else [world.machine]
        hdk = row["id"].startswith("npu_")
        make = world.package if hdk else world.cann_package
        (served / row["file"]).write_text(make(row["id"].partition("_")[2], row["version"]))
    handler = functools.partial(Quiet, directory=str(tmp_path / "bundle"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    bundle = {"url": f"http://127.0.0.1:{server.server_address[1]}", "artifacts": artifacts}
    node = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "ansible_become": "false"}
    node["ansible_async_dir"] = str(tmp_path / "async")
    inventory = tmp_path / "hosts.yml"
    groups = {"npu_servers": {"hosts": {"node1": node}}}
    inventory.write_text(yaml.safe_dump({"all": {"children": groups, "vars": {"site_name": "s"}}}))
    variables = {
        **{"npu_driver_bundle": bundle, "npu_driver_tool": str(smi), "npu_driver_poll_seconds": 1},
        "npu_driver_required_programs": {"dkms": "dkms", "gcc": "gcc", "make": "make", "ifconfig": "net-tools"},
        **{"cann_bundle": bundle, "cann_poll_seconds": 1},
    }
    told = "restart {{ npu_driver_reboot_required }}: {{ npu_driver_reboot_reasons | join('; ') }}"
    book = tmp_path / "book.yml"
    book.write_text(
        yaml.safe_dump(
            [
                {"hosts": "localhost", "gather_facts": False, "connection": "local", "tasks": [{"evidence_open": {}}]},
                {
                    "hosts": "npu_servers",
                    "gather_facts": False,
                    "vars": variables,
                    "module_defaults": {each: {"root": str(world.root)} for each in ("npu_driver", "cann")},
                    "roles": ["npu_driver", "cann"],
                    "post_tasks": [{"ansible.builtin.debug": {"msg": told}}],
                },
            ]
        )
    )

    def play(*arguments: str) -> tuple[int, str, dict[str, Any]]:
        done = subprocess.run(
            [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(inventory), str(book), *arguments],
            env=os.environ
            | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "NPUFORGE_ARTIFACTS": str(tmp_path / "art")}
            | {"PYTHONPATH": f"{ROOT}:{ROOT}/plugins/module_utils", "HOME": str(tmp_path)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        found: dict[str, Any] = {}
        for path in sorted((tmp_path / "art").rglob("observations/*.json")):
            document = json.loads(path.read_text())
            found[document["collector"]] = document
        return done.returncode, done.stdout + done.stderr, found

    yield world, play
    server.shutdown()
    server.server_close()


def test_roles_plan_fail_with_evidence_install_and_rest(site: Any) -> None:
    world, play = site
    before = sorted(str(path) for path in world.root.rglob("*"))
    code, output, found = play("--check", "--diff")
    if os.geteuid() != 0:
        assert code != 0 and "root is needed" in output
        return
    assert code == 0, output
    assert "+driver: 25.0.rc1.1" in output and "+toolkit 8.2.RC1" in output
    assert sorted(str(path) for path in world.root.rglob("*")) == before

    world.how("firmware", "code", "ERR_NO:0x0094;ERR_DES:There is already a process being executed")
    code, output, found = play()
    assert code != 0
    assert found["npu_driver"]["facts"]["npu_software"]["last_error"]["code"] == "0x0094"
    assert "安装程序正在运行" in found["npu_driver"]["facts"]["remedies"]["npu.driver_version"]["zh"]
    assert (world.version("driver"), world.version("firmware")) == OLD

    world.how("firmware", "ok")
    code, output, found = play()
    assert code == 0, output
    told = found["npu_driver"]["facts"]["npu_software"]
    assert told["steps"] == [
        "upgrade firmware 7.5.0.1.129 to 7.7.0.1.231 (--upgrade)",
        "upgrade driver 24.1.rc3 to 25.0.rc1.1 (--upgrade)",
    ]
    assert (world.version("driver"), world.version("firmware")) == NEW
    assert "restart True: firmware 7.7.0.1.231 is installed and 7.5.0.1.129 runs" in output
    assert found["cann"]["facts"]["cann"]["active"] == "8.2.RC1"
    assert any(row["file"].endswith("ascend-install-log.txt") for row in found["npu_driver"]["raw"])

    world.restart()
    code, output, found = play()
    assert code == 0, output
    assert re.search(r"^node1 +\d+ +0 +0 ", output, re.MULTILINE), output
    assert "restart False" in output
    assert found["npu_driver"]["facts"]["npu_software"]["driver"]["differs"] == []
    assert found["cann"]["facts"]["cann"]["differences"] == []
