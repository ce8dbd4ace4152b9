"""The chassis script: ipmi_sim's words there, the control socket's words back, and quickly."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab.ipmi import chassis
from tests.unit.lab_ipmi_helpers import FakeControl


@pytest.fixture
def control(tmp_path):
    with FakeControl(tmp_path / "control.sock").serving() as fake:
        yield fake


def run(control: FakeControl, *words: str) -> subprocess.CompletedProcess[str]:
    """As ipmi_sim runs it: a new interpreter each time."""
    argv = [sys.executable, "-I", "-S", str(Path(chassis.__file__)), str(control.path), "node1", "0x20", *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False)


def test_get_power(control):
    assert run(control, "get", "power").stdout == "power:1\n"
    control.power = "0"
    assert run(control, "get", "power").stdout == "power:0\n"


@pytest.mark.parametrize(("device", "word"), [("pxe", "pxe"), ("disk", "default"), ("none", "none"), ("bios", "bios")])
def test_get_boot_says_it_in_ipmi_sims_words(control, device, word):
    control.boot = device
    assert run(control, "get", "boot").stdout == f"boot:{word}\n"


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (("set", "power", "0"), "node1 set power 0"),
        (("set", "boot", "default"), "node1 set boot disk"),
        (("set", "boot", "cdrom"), "node1 set boot cdrom"),
        (("set", "reset", "1"), "node1 reset"),
        (("set", "shutdown", "1"), "node1 shutdown"),
    ],
)
def test_set_passes_the_request_on(control, words, asked):
    assert run(control, *words).returncode == 0
    assert control.asked == [asked]


def test_a_refusal_fails_with_its_reason(control):
    control.answers["node1 set power 1"] = "error: no power supply with input"
    done = run(control, "set", "power", "1")
    assert done.returncode == 1
    assert "no power supply with input" in done.stderr


def test_without_a_service_it_fails_instead_of_guessing(tmp_path):
    done = run(FakeControl(tmp_path / "nobody.sock"), "get", "power")
    assert (done.returncode, done.stdout) == (1, "")


def test_a_slow_start_does_not_hold_up_the_bmc(control):
    """ipmi_sim answers nobody while the script runs; a server that takes 2 s to start must not cost that."""
    control.delay = 2.0
    began = time.monotonic()
    assert run(control, "set", "power", "1").returncode == 0
    assert time.monotonic() - began < 1.0
    assert control.asked == ["node1 set power 1"]
