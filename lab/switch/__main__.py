"""``python -m lab.switch --state DIR``: the switches of the world, until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
import threading
from pathlib import Path

from lab.switch import keys
from lab.switch.device import Device
from lab.switch.server import Server
from lab.world import World, WorldError

POLL_SECONDS = 0.25


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m lab.switch", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="the twin's state directory")
    options = parser.parse_args()
    # Its threads report every client that hangs up, a probe of the port included, with a traceback.
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    try:
        serve(options.state.absolute(), done)
    except (WorldError, OSError) as error:
        print(f"lab.switch: {error}", file=sys.stderr)
        return 1
    return 0


def serve(state: Path, done: threading.Event) -> None:
    """Follow the world until ``done``."""
    world = World(state / "world")
    world.site()  # a clear error when the twin is not up
    servers = [server(state, world, name) for name in world.names("switches")]
    try:
        while not done.is_set():
            for item in servers:
                item.tick()
            done.wait(POLL_SECONDS)
    finally:
        for item in servers:
            item.stop()


def server(state: Path, world: World, name: str) -> Server:
    """The server of one switch; its host key is in ``known_hosts`` when this returns."""

    def password() -> str:
        return str(json.loads((state / "secrets.json").read_text(encoding="utf-8"))["switch_password"])

    device = Device(world, name)
    document = device.read()
    key = keys.host_key(state / "ssh", name)
    keys.announce(state / "ssh", document["address"], document["port"], key)
    return Server(device, key, password, _say)


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
