"""The BMC's power button stops and starts a node, whoever presses it: our module by Redfish, ipmitool by IPMI."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Twin, run

pytestmark = [pytest.mark.twin, pytest.mark.root]
NODE = "node3"
CONTAINER = f"npuforge-twin-{NODE}"


def container_runs() -> bool:
    done = subprocess.run(
        ["podman", "inspect", "--format", "{{.State.Running}}", CONTAINER], capture_output=True, text=True, check=True
    )
    return done.stdout.strip() == "true"


def ssh_works(twin: Twin) -> bool:
    argv = ["ssh", "-F", str(twin.state / "ssh" / "config"), "-o", "ConnectTimeout=2", NODE, "true"]
    return subprocess.run(argv, capture_output=True, timeout=20, check=False).returncode == 0


def until(true: Callable[[], bool], what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.2)


def press(twin: Twin, tmp_path: Path, *more: str, **options: Any) -> dict[str, Any]:
    """``bmc_power`` through a playbook; the password stays in the vaulted inventory. The module's own result."""
    arguments = {
        "subject": NODE,
        "address": "{{ bmc_address }}",
        "port": "{{ bmc_port }}",
        "user": "{{ bmc_user }}",
        "password": "{{ bmc_password }}",
        "ca_file": "{{ bmc_ca_file }}",
        **options,
    }
    tasks = [
        {"bmc_power": arguments, "delegate_to": "localhost", "register": "pressed", "ignore_errors": True},
        {"copy": {"content": "{{ pressed }}", "dest": str(tmp_path / "pressed.json")}, "delegate_to": "localhost",
         "check_mode": False},
    ]  # fmt: skip
    book = tmp_path / "press.yml"
    book.write_text(json.dumps([{"hosts": NODE, "gather_facts": False, "tasks": tasks}]))
    program = str(Path(sys.executable).parent / "ansible-playbook")
    run([program, str(book), *more], check=True)
    result: dict[str, Any] = json.loads((tmp_path / "pressed.json").read_text(encoding="utf-8"))
    return result


def ipmi(twin: Twin, *words: str) -> str:
    bmc = json.loads((twin.state / "world" / "nodes" / f"{NODE}.json").read_text(encoding="utf-8"))["bmc"]
    where = ["-H", bmc["address"], "-p", str(bmc["ipmi_port"]), "-U", bmc["user"], "-E"]
    environment = {**os.environ, "IPMI_PASSWORD": twin.secrets()["bmc_password"]}
    argv = ["ipmitool", "-I", "lanplus", "-C", "3", *where, *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True, env=environment).stdout


def test_one_power_button(twin: Twin, tmp_path: Path) -> None:
    assert container_runs()
    refused = press(twin, tmp_path, state="off", confirm_target="node1")
    assert refused["failed"]
    assert container_runs(), "the target was not named, and yet it was switched off"

    planned = press(twin, tmp_path, "--check", state="off", confirm_target=NODE)
    assert planned["changed"]
    assert container_runs(), "check mode pressed the button"

    done = press(twin, tmp_path, state="off", confirm_target=NODE)
    assert done["changed"]
    assert done["plan"] == planned["plan"], "check mode must show what the run then does"
    until(lambda: not container_runs(), "the node stops")
    assert "off" in ipmi(twin, "chassis", "power", "status")
    assert not press(twin, tmp_path, state="off", confirm_target=NODE)["changed"]

    ipmi(twin, "chassis", "power", "on")
    until(container_runs, "the node starts")
    until(lambda: ssh_works(twin), "the node lets us in")
    assert not press(twin, tmp_path, state="on", confirm_target=NODE)["changed"]
