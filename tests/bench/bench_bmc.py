"""How long the hardware read takes: bmc_info against redfish_info, and a hundred BMCs at once.

    .venv/bin/python tests/bench/bench_bmc.py [--latency 0.2] [--many 100] [--json figures.json]

The simulated BMCs run in a process of their own, on loopback, and wait ``--latency`` seconds before each answer. Both
ways run through ``ansible-playbook`` with the same inventory of three servers at once; redfish_info is asked for the
same categories one by one, as its users do. Figures depend on the machine; this is no test.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "plugins" / "module_utils")]
PASSWORD = "bench-only-9d1f"  # of simulated BMCs on loopback

# What bmc_info reads in one call, in redfish_info's words.
COMMANDS = [
    ("Systems", "GetSystemInventory"),
    ("Systems", "GetCpuInventory"),
    ("Systems", "GetMemoryInventory"),
    ("Systems", "GetStorageControllerInventory"),
    ("Systems", "GetDiskInventory"),
    ("Systems", "GetNicInventory"),
    ("Chassis", "GetChassisInventory"),
    ("Chassis", "GetFanInventory"),
    ("Chassis", "GetPsuInventory"),
    ("Chassis", "GetChassisThermals"),
    ("Chassis", "GetChassisPower"),
    ("Manager", "GetManagerInventory"),
    ("Manager", "GetLogs"),
    ("Update", "GetFirmwareInventory"),
]


def serve(count: int, latency: float, folder: str) -> None:
    """The child with the BMCs: prints ``{"ca": path, "urls": {node: url}}`` and runs until its input ends."""
    from lab.bmc.server import Fleet
    from lab.hardware import Plan, build_site
    from lab.power import WorldBackend
    from lab.world import World

    async def run() -> None:
        world = World(Path(folder) / "world")
        world.create(*build_site(Plan(nodes=count, dialect="mixed")))
        fleet = Fleet(world, Path(folder), WorldBackend(), password=PASSWORD, ephemeral=True, latency_seconds=latency)
        await fleet.start()
        urls = {name: fleet.base_url(name) for name in world.names()}
        print(json.dumps({"ca": str(fleet.ca_file), "urls": urls}), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        await fleet.stop()

    asyncio.run(run())


class Bmcs:
    """The child process, for a ``with`` statement."""

    def __init__(self, count: int, latency: float, folder: Path) -> None:
        arguments = [sys.executable, __file__, "--serve", str(count), "--latency", str(latency), "--state", str(folder)]
        self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("the simulated BMCs did not start")
        started: dict[str, Any] = json.loads(line)
        return started

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()


def play(folder: Path, bmcs: dict[str, Any], name: str, tasks: list[dict[str, Any]]) -> float:
    """Run tasks for all BMCs at once with ansible-playbook; seconds from start to end."""
    hosts = {}
    for node, url in bmcs["urls"].items():
        parts = urlsplit(url)
        hosts[node] = {"bmc_address": parts.hostname, "bmc_port": parts.port, "ansible_connection": "local"}
    settings = {"ansible_python_interpreter": sys.executable, "bmc_user": "npuforge", "ca": bmcs["ca"]}
    (folder / "inventory.json").write_text(json.dumps({"all": {"hosts": hosts, "vars": settings}}))
    book = [{"hosts": "all", "gather_facts": False, "tasks": tasks}]
    (folder / f"{name}.json").write_text(json.dumps(book))
    (folder / "ansible.cfg").write_text("")
    environment = {
        **os.environ,
        "ANSIBLE_LIBRARY": str(ROOT / "library"),
        "ANSIBLE_MODULE_UTILS": str(ROOT / "plugins" / "module_utils"),
        "ANSIBLE_FORKS": "50",
        "ANSIBLE_STDOUT_CALLBACK": "minimal",
        "ANSIBLE_CONFIG": "ansible.cfg",
        "BENCH_BMC_PASSWORD": PASSWORD,
    }
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "inventory.json", f"{name}.json"]
    started = time.monotonic()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - started
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stdout[-3000:]}\n{done.stderr[-1000:]}")
    return seconds


PASSWORD_VARIABLE = "{{ lookup('env', 'BENCH_BMC_PASSWORD') }}"


def ours() -> list[dict[str, Any]]:
    arguments = {
        "subject": "{{ inventory_hostname }}",
        "address": "{{ bmc_address }}",
        "port": "{{ bmc_port }}",
        "user": "{{ bmc_user }}",
        "password": PASSWORD_VARIABLE,
        "ca_file": "{{ ca }}",
        "ipmi": "never",
    }
    check = "read.observations[0].observation.facts.npu.present_count == 8"
    return [
        {"name": "read", "bmc_info": arguments, "register": "read"},
        {"name": "all was seen", "ansible.builtin.assert": {"that": [check]}},
    ]


def theirs() -> list[dict[str, Any]]:
    tasks = []
    for category, command in COMMANDS:
        arguments = {
            "category": category,
            "command": command,
            "baseuri": "{{ bmc_address }}:{{ bmc_port }}",
            "username": "{{ bmc_user }}",
            "password": PASSWORD_VARIABLE,
            "timeout": 35,
        }
        tasks.append({"name": command, "community.general.redfish_info": arguments, "ignore_errors": True})
    return tasks


def many(bmcs: dict[str, Any]) -> dict[str, Any]:
    """All BMCs in one process, as one module run does it: seconds, requests and peak memory of that process."""
    done = subprocess.run(
        [sys.executable, __file__, "--read"], input=json.dumps(bmcs), capture_output=True, text=True, check=True
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def read_all() -> None:
    """The child of ``many``."""
    from npuforge.bmc.read import Job, read_many
    from npuforge.bmc.wire import Limits, Target

    bmcs = json.load(sys.stdin)
    jobs = []
    for node, url in bmcs["urls"].items():
        parts = urlsplit(url)
        target = Target(parts.hostname or "", "npuforge", PASSWORD, parts.port or 443, bmcs["ca"])
        jobs.append(Job(node, target, Limits(), "never"))
    started = time.monotonic()
    results = read_many(jobs, 16)
    seconds = time.monotonic() - started
    facts = [item["observation"]["facts"] for item in results]
    whole = sum(1 for item in facts if item["reachable"] and item["npu"] and item["npu"]["present_count"] == 8)
    requests = sum(len(json.loads(item["raw"][0]["text"])["requests"]) for item in results)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        json.dumps({"bmcs": len(jobs), "seen_whole": whole, "seconds": seconds, "requests": requests, "peak_mib": peak})
    )


def measure(latency: float, count: int) -> dict[str, Any]:
    figures: dict[str, Any] = {"latency_seconds": latency, "commands_of_redfish_info": len(COMMANDS)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Bmcs(3, latency, folder / "three") as bmcs:
            figures["three_direct"] = many(bmcs)
            figures["bmc_info_seconds"] = play(folder, bmcs, "ours", ours())
            figures["redfish_info_seconds"] = play(folder, bmcs, "theirs", theirs())
        figures["times_faster"] = figures["redfish_info_seconds"] / figures["bmc_info_seconds"]
        figures["many"] = []
        for size in sorted({max(1, count // 4), max(1, count // 2), count}):
            with Bmcs(size, latency, folder / f"many{size}") as bmcs:
                figures["many"].append(many(bmcs))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latency", type=float, default=0.2, help="seconds before each answer of a BMC")
    parser.add_argument("--many", type=int, default=100, help="how many BMCs at once")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--state", help=argparse.SUPPRESS)
    parser.add_argument("--read", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.latency, options.state)
        return
    if options.read:
        read_all()
        return
    figures = measure(options.latency, options.many)
    print(f"three BMCs, {options.latency:g} s per answer, through ansible-playbook")
    direct = figures["three_direct"]["seconds"]
    print(f"  bmc_info      {figures['bmc_info_seconds']:7.2f} s   (without Ansible: {direct:.2f} s)")
    print(f"  redfish_info  {figures['redfish_info_seconds']:7.2f} s   ({len(COMMANDS)} commands)")
    print(f"  times faster  {figures['times_faster']:7.1f}")
    print("many BMCs in one process (16 at a time)")
    for item in figures["many"]:
        print(
            f"  {item['bmcs']:4d} BMCs  {item['seconds']:6.1f} s  {item['requests']:6d} requests  "
            f"{item['peak_mib']:5.0f} MiB at most  {item['seen_whole']} seen whole"
        )
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
