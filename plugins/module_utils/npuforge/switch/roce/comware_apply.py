"""Planned lines as a policy for ``one_stage``: each with what takes it back, under ``configuration commit delay``."""

from __future__ import annotations

import re

from .ce_config import Views, lines_of
from .comware_config import inverse
from .comware_parse import REFUSED
from .model import Steps
from .one_stage import Entry, Policy

# H3C fundamentals guide, "Configuring configuration commit delay": minutes; the point to which the switch returns is
# the one at which the timer was started.
GUARD_MINUTES = 5
# "Saved the current configuration to mainboard device successfully.", and "Configuration is saved to device
# successfully." on other platforms (device captures).
SAVED = re.compile(r"(?i)\b(?:saved the current configuration|configuration is saved)\b[^\n]*\bsuccessfully\b")


def policy(steps: Steps, tree: Views) -> Policy:
    """What to type, from the user view (``<leaf1>``) and back to it."""
    entries = []
    for block in steps.blocks:
        for line, back in inverse(lines_of(tree, *block.view), list(block.lines)):
            entries.append(Entry(line, block.view, () if back is None else (back,)))
    return Policy(
        entries=tuple(entries),
        refused=REFUSED,
        saved=SAVED,
        enter=("system-view",),
        leave=("return",),
        between=("return", "system-view"),
        guard=(f"configuration commit delay {GUARD_MINUTES}",),
        confirm=("configuration commit",),
        guard_seconds=GUARD_MINUTES * 60,
        save=("save force",),
    )
