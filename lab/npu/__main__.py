"""``python -m lab.npu --state DIR``: the NPU tools of the world's nodes, until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

from lab.npu.service import Server
from lab.world import World, WorldError

POLL_SECONDS = 0.25


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m lab.npu", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="the twin's state directory")
    options = parser.parse_args()
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    state = options.state.absolute()
    world = World(state / "world")
    try:
        world.site()  # a clear error when the twin is not up
        server = Server(state, world)
        server.start()
        try:
            while not done.is_set():
                server.tick()
                done.wait(POLL_SECONDS)
        finally:
            server.stop()
    except (WorldError, OSError) as error:
        print(f"lab.npu: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
