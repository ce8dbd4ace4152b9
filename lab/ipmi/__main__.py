"""``python -m lab.ipmi --state DIR``: IPMI for every node of the world, until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from pathlib import Path

from lab.ipmi import chassis
from lab.ipmi.simulator import Simulator
from lab.world import World, WorldError

POLL_SECONDS = 0.25  # one stat per node; a cause shows within this time


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m lab.ipmi", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="the twin's state directory")
    options = parser.parse_args()
    state: Path = options.state.absolute()
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    try:
        serve(state, done)
    except WorldError as error:
        print(f"lab.ipmi: {error}", file=sys.stderr)
        return 1
    return 0


def serve(state: Path, done: threading.Event) -> None:
    """Follow the world until ``done``. Nodes that join it are served, nodes that leave it are stopped."""
    world = World(state / "world")
    world.site()  # a clear error when the twin is not up
    running: dict[str, Simulator] = {}
    try:
        while not done.is_set():
            names = world.names()
            for gone in set(running) - set(names):
                running.pop(gone).stop()
            for name in names:
                if name not in running:
                    running[name] = simulator(state, world, name)
                running[name].tick()
            done.wait(POLL_SECONDS)
    finally:
        for item in running.values():
            item.stop()


def simulator(state: Path, world: World, name: str) -> Simulator:
    """The simulator of one node, with its files under ``<state>/ipmi/<node>``."""

    def password() -> str:
        return str(json.loads((state / "secrets.json").read_text(encoding="utf-8"))["bmc_password"])

    control = [sys.executable, "-I", "-S", str(Path(chassis.__file__).absolute()), str(state / "run/bmc-control.sock")]
    return Simulator(world, name, state / "ipmi" / name, password=password, chassis=control, say=_say)


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
