"""``python -m lab.install run --state DIR --node NAME --install ID`` carries one installation out (``lab.power`` starts
it); ``python -m lab.install image PATH`` makes the stand-in for a vendor's installation image."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lab import power
from lab.install import installer
from lab.install.run import Containers, Machine, run
from lab.state import LabError, State


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m lab.install", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    sub = commands.add_parser("run", help="carry an installation out")
    sub.add_argument("--state", type=Path, required=True, help="the twin's state directory")
    sub.add_argument("--node", required=True)
    sub.add_argument("--install", required=True, help="the id in the node's document")
    sub = commands.add_parser("image", help="make an installation image")
    sub.add_argument("path", type=Path)
    options = parser.parse_args()
    if options.command == "image":
        installer.write(options.path)
        return 0
    try:
        state = State(options.state)
        containers = Containers(state)
        machine = Machine(state.world, options.node, options.install)
        return run(
            machine,
            containers.make,
            lambda: power.boot_from_disk(state.world, options.node, containers.backend),
        )
    except (LabError, power.PowerError) as error:
        print(f"lab.install: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
