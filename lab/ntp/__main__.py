"""``python -m lab.ntp --state DIR``: the time server of a twin's site, until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

from lab.ntp.server import Server
from lab.state import State


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m lab.ntp", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="the twin's state directory")
    state = State(parser.parse_args().state)
    settings = state.settings()
    if settings is None:
        print("lab.ntp: no twin here: 'python -m lab up' makes one", file=sys.stderr)
        return 1
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    try:
        Server(state.world, settings.time_address()).serve(done)
    except OSError as error:
        print(f"lab.ntp: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
