"""The running twin, shared by the session: raised when it is not up, healed, and left as it was found."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = dict(
    os.environ,
    PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    PYTHONPATH=f"{ROOT}:{ROOT / 'plugins' / 'module_utils'}",
    ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"),
    LC_ALL="C.UTF-8",
)


@dataclass(frozen=True)
class Twin:
    """The default twin of this checkout."""

    state: Path

    def lab(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return run([sys.executable, "-m", "lab", *argv], check=check)

    def npuforge(self, *argv: str) -> subprocess.CompletedProcess[str]:
        return run([sys.executable, "-m", "controller", *argv], check=False)

    def playbook(self, *argv: str, callback: str = "npuforge") -> subprocess.CompletedProcess[str]:
        """Plain ansible-playbook. Ansible's own callback (``default``) prints ``changed=N`` per host."""
        program = str(Path(sys.executable).parent / "ansible-playbook")
        return run([program, *argv], check=False, extra={"ANSIBLE_STDOUT_CALLBACK": callback})

    def restore(self) -> None:
        self.lab("heal", "--all")
        for path in sorted((self.state / "world" / "nodes").glob("*.json")):
            if json.loads(path.read_text(encoding="utf-8"))["power"] != "on":
                self.lab("power", path.stem, "on")
                self.lab("up")  # waits until the node lets us in

    def secrets(self) -> dict[str, str]:
        values: dict[str, str] = json.loads((self.state / "secrets.json").read_text(encoding="utf-8"))
        return values


def run(
    argv: list[str], check: bool, timeout: float = 900, extra: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {**ENVIRONMENT, **(extra or {})}
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=timeout, check=False)
    if check and done.returncode:
        raise AssertionError(f"{argv} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def kill_tree(pid: int) -> None:
    """Kill a process and all that descends from it: Ansible's workers have sessions of their own."""
    below = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout.split()
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    for child in below:
        kill_tree(int(child))


@pytest.fixture(scope="session")
def raised() -> Iterator[Twin]:
    if os.geteuid() != 0:
        pytest.fail("the twin needs root (podman, low ports): run through sudo, as make test does")
    twin = Twin(Path(os.environ.get("NPUFORGE_LAB_STATE", ROOT / ".lab")))
    was_up = (twin.state / "world" / "site.json").exists()
    twin.lab("up")
    run([str(ROOT / "bin" / "twin-bundle")], check=True)
    yield twin
    if not was_up:
        twin.lab("down")


@pytest.fixture
def twin(raised: Twin) -> Iterator[Twin]:
    """A healthy twin with power before and after the test, however the test before ended."""
    raised.restore()
    yield raised
    raised.restore()
