"""The cost figures of docs/benchmarks.md, measured here and now: ``make bench``. Prints a table; judges nothing.

    python tests/bench/run.py [--json figures.json] [--skip-bmc]

Needs root (the twin). The twin is raised when it is not up; it is left up.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RERUNS = 3


def run(argv: list[str], **more: str) -> float:
    """Seconds that a command took; it must succeed."""
    started = time.monotonic()
    done = subprocess.run(argv, cwd=ROOT, env={**os.environ, **more}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(argv)} ended with {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return time.monotonic() - started


def site() -> dict[str, Any]:
    """``site.yml`` on the healthy, converged twin: seconds, what changed, module runs per host."""
    playbook = [str(Path(sys.executable).parent / "ansible-playbook"), "playbooks/site.yml"]
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        outcome = Path(folder) / "outcome.json"
        run(playbook)
        for _ in range(RERUNS):
            seconds.append(run(playbook, NPUFORGE_OUTCOME_FILE=str(outcome)))
        hosts = json.loads(outcome.read_text(encoding="utf-8"))["hosts"]
    return {
        "seconds": [round(value, 1) for value in seconds],
        "changed": sum(host["changed"] for host in hosts.values()),
        "module_runs_per_host": max(host["module_runs"] for host in hosts.values()),
    }


def twin() -> dict[str, float]:
    """Raising the twin: nothing to do, and from nothing but the caches."""
    lab = [sys.executable, "-m", "lab"]
    run([*lab, "up"])
    idle = run([*lab, "up"])
    run([*lab, "down"])
    return {"nothing_to_do_seconds": round(idle, 1), "warm_seconds": round(run([*lab, "up"]), 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    parser.add_argument("--skip-bmc", action="store_true", help="leave out the BMC readings (they take minutes)")
    options = parser.parse_args()
    figures: dict[str, Any] = {"twin_up": twin(), "site_no_change": site()}
    print(f"twin up, nothing to do     {figures['twin_up']['nothing_to_do_seconds']:6.1f} s")
    print(f"twin up, caches warm       {figures['twin_up']['warm_seconds']:6.1f} s")
    row = figures["site_no_change"]
    print(
        f"site.yml, no change        {statistics.median(row['seconds']):6.1f} s (median of {RERUNS})  "
        f"changed={row['changed']}  module runs per host at most {row['module_runs_per_host']}"
    )
    if not options.skip_bmc:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "bmc.json"
            subprocess.run([sys.executable, "tests/bench/bench_bmc.py", "--json", str(path)], cwd=ROOT, check=True)
            figures["bmc"] = json.loads(path.read_text(encoding="utf-8"))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
