"""``python -m lab.vendor --state DIR``: the vendor's download site of a twin, until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from aiohttp import web

from lab.state import State
from lab.vendor import build
from lab.vendor.server import application


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m lab.vendor", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="the twin's state directory")
    options = parser.parse_args()
    state = State(options.state)
    settings = state.settings()
    if settings is None or not build.served(state).exists():
        print("lab.vendor: no twin here, or its packages are not built: 'python -m lab up' does both", file=sys.stderr)
        return 1
    address, port = settings.vendor_address()
    web.run_app(application(build.served(state)), host=address, port=port, print=None, handle_signals=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
