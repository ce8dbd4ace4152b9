"""``python -m lab.bmc --state DIR``: the Redfish services of all BMCs of a world, until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import resource
import signal
import sys
from pathlib import Path

from lab import power
from lab.bmc.control import Control
from lab.bmc.server import Fleet
from lab.world import World, WorldError

FILES_PER_BMC = 64


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m lab.bmc", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="the twin's state directory (world/, secrets.json)")
    parser.add_argument("--nodes", help="serve only these nodes, separated by commas")
    parser.add_argument(
        "--backend", choices=("podman", "world"), default="podman", help="what the power button switches"
    )
    parser.add_argument("--latency", type=float, metavar="SECONDS", help="delay each answer, whatever the world says")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        asyncio.run(serve(options.state.absolute(), options.nodes, options.backend, options.latency))
    except (WorldError, OSError, ValueError, KeyError) as problem:
        print(f"lab.bmc: {problem}", file=sys.stderr)
        return 1
    return 0


async def serve(state: Path, nodes: str | None, backend: str, latency: float | None) -> None:
    """Serve until a signal comes. WorldError: no world; OSError: an address cannot be had; ValueError: bad secrets."""
    world = World(state / "world")
    site = world.site()
    password = json.loads((state / "secrets.json").read_text(encoding="utf-8"))["bmc_password"]
    switch = power.PodmanBackend(site["name"]) if backend == "podman" else power.WorldBackend()
    chosen = nodes.split(",") if nodes else None
    fleet = Fleet(world, state, switch, password=password, nodes=chosen, latency_seconds=latency)
    _allow_files(len(fleet.bmcs) * FILES_PER_BMC)
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, done.set)
    control = Control(state / "run" / "bmc-control.sock", fleet.bmcs, fleet.settle)
    await fleet.start()
    try:
        await control.start()
        print(f"serving {len(fleet.bmcs)} BMCs", flush=True)
        await done.wait()
    finally:
        await control.stop()
        await fleet.stop()


def _allow_files(wanted: int) -> None:
    """Many BMCs hold many connections; ask for as many files as the hard limit gives."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    top = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if top > soft:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (top, hard))


if __name__ == "__main__":
    sys.exit(main())
