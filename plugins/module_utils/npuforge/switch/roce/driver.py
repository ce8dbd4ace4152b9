"""One interface to the command lines of different makes (docs/fabric.md section 4).

A driver never talks to a switch: it names commands, understands their output and says what to enter. Who talks
(``session``) and who commits (``ce_apply``) are parts of their own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Dict, Mapping, Sequence

from .model import Differences, Found, Steps

Part = Dict[str, Any]  # npuforge.fabric.plan.switch_part: the plan with only this switch and its ports


class Driver(ABC):
    """What each make's driver does. ``part`` is the plan's part for this switch."""

    os: str

    @abstractmethod
    def commands(self, part: Part) -> Sequence[str]:
        """What must be read, in order. Commands that the switch refuses are given to ``parse`` as they answered."""

    def speaks(self, first: str | None) -> bool:
        """Whether the answer to the first command is this make's; if not, nothing else is asked."""
        return True

    def more(self, part: Part, texts: Mapping[str, str | None]) -> Sequence[str]:
        """What must be read besides, now that ``commands`` answered so (older forms, port by port). Asked once."""
        return ()

    @abstractmethod
    def parse(self, texts: Mapping[str, str | None], part: Part) -> Found:
        """Output by command (None: was not answered) as facts about the planned ports. Never raises; notes tell what
        was not understood."""

    @abstractmethod
    def steps(self, part: Part, found: Found, takeover: bool = False) -> Steps:
        """Lines that make ``found`` the plan. ``takeover``: also replace people's configuration that conflicts;
        otherwise that is only told, and no line is planned that would replace it."""

    @abstractmethod
    def verify(self, part: Part, found: Found) -> Differences:
        """Where ``found`` is not the plan."""


class UnknownOs(Exception):
    """No driver for that command line; the text names the known ones."""


def driver_for(os: str) -> Driver:
    """The driver of a command line, of the table in ``drivers``.

    :raises UnknownOs: there is none.
    """
    from .drivers import DRIVERS  # noqa: PLC0415 - the drivers import this module

    if os not in DRIVERS:
        raise UnknownOs("no driver for the command line {!r}; there are {}".format(os, ", ".join(sorted(DRIVERS))))
    return DRIVERS[os]()


def ports_of(part: Part) -> dict[str, Part]:
    """The planned ports of the one switch of a part, by the switch's name of the port."""
    return {port["switch_port"]: port for port in part.get("ports", [])}


def switch_of(part: Part) -> Part:
    """The one switch of a part: ``{name, os, family, headroom_pool_kib, dscp_mapping, buffer, ports}``."""
    (item,) = part["switches"].items()
    return dict(item[1], name=item[0])
