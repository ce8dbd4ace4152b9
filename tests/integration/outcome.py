"""What a playbook's run left: the changes that Ansible counted, and the evidence of the last run, judged."""

from __future__ import annotations

import re
import subprocess
from datetime import UTC, datetime
from typing import Any

from controller import contract, evidence, judge
from tests.integration.conftest import ROOT

LATEST = ROOT / "artifacts" / "twin" / "latest"


def changed(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """Host -> the number in the closing table of Ansible's own callback."""
    rows = re.findall(r"^(\w+)\s+: ok=\d+\s+changed=(\d+)", done.stdout, re.MULTILINE)
    return {host: int(count) for host, count in rows}


def verdicts(clauses: str) -> list[dict[str, Any]]:
    """Verdicts of the clauses that begin so; the reports are left out, they take longer than the stages."""
    folder = evidence.RunFolder(LATEST.resolve(), ())
    observed, problems = folder.observed()
    assert problems == []
    rows = judge.judge(contract.load(), folder.run(), observed, datetime.now(UTC))["verdicts"]
    return [row for row in rows if row["clause"].startswith(clauses) and row["check"]]
