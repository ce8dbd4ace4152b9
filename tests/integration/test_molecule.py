"""The molecule scenarios, each as ``molecule test`` runs it on the twin's nodes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.integration.conftest import ROOT, Twin, run

pytestmark = [pytest.mark.twin, pytest.mark.root]
SCENARIOS = sorted(path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml"))


def test_the_three_life_cycle_scenarios_exist() -> None:
    assert {"converge", "drift", "fault"} <= set(SCENARIOS)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(twin: Twin, scenario: str) -> None:
    done = run([str(Path(sys.executable).parent / "molecule"), "test", "-s", scenario], check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
    assert "passed" in done.stdout + done.stderr, "the verifier ran no test"
