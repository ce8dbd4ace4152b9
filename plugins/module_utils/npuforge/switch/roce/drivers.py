"""The makes of switches: their drivers, and for those without a candidate configuration what applies a difference."""

from __future__ import annotations

from typing import Callable

from .ce_driver import CeDriver
from .comware_apply import policy as _comware
from .comware_driver import ComwareDriver
from .comware_driver import Own as ComwareOwn
from .driver import Driver, Part
from .model import Found
from .one_stage import Policy
from .sonic_driver import Own as SonicOwn
from .sonic_driver import SonicDriver
from .sonic_plan import changes
from .sonic_render import policy as _sonic

DRIVERS: dict[str, Callable[[], Driver]] = {
    CeDriver.os: CeDriver,
    ComwareDriver.os: ComwareDriver,
    SonicDriver.os: SonicDriver,
}


def one_stage_policy(part: Part, found: Found, name: str, takeover: bool = False) -> Policy | None:
    """What ``one_stage.apply`` types for the difference between plan and ``found``.

    None: another kind of switch (Huawei CE has its own ``ce_apply``), or its configuration was not read; then nothing
    may be typed. ``name`` must be new on the switch: SONiC keeps a checkpoint and a file by it while it works.
    """
    own = found.own
    if isinstance(own, ComwareOwn) and own.tree is not None:
        return _comware(ComwareDriver().steps(part, found, takeover), own.tree)
    if isinstance(own, SonicOwn) and own.tables is not None:
        return _sonic(changes(part, own.tables, takeover), name)
    return None
