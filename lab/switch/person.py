"""A person's session on the switch without a terminal: lines, a commit, and perhaps a save."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable

from lab.switch.cli import Cli
from lab.switch.device import Device
from lab.switch.store import Who
from lab.world import World

USER, LINE = "admin", "VTY 14"


class RefusedLine(Exception):
    """The switch did not take a line; the text has the line and what the switch said."""


def human(
    world: World, switch: str, lines: Iterable[str], save: bool = False, clock: Callable[[], float] = time.time
) -> None:
    """Type lines in the system view as somebody who logged in, says yes to what is asked, and commits them; ``save``:
    for the next boot too.

    RefusedLine: one was refused, by its grammar or by the commit. Nothing is in effect then, unless the lines have
    commits of their own.
    """
    cli = Cli(Device(world, switch, clock), Who(USER, LINE, secrets.token_hex(8)))
    try:
        for line in ("system-view", *lines, "commit", "return"):
            _type(cli, line)
        if save:
            _type(cli, "save")
    finally:
        cli.end()


def _type(cli: Cli, line: str) -> None:
    said = cli.enter(line)
    while cli.asking:
        said += "\n" + cli.enter("y")
    if "Error:" in said:
        raise RefusedLine(f"{line}: {said.strip()}")
