"""Huawei CloudEngine (VRP8, YunShan) behind the interface of ``driver``; proven on a live command line."""

from __future__ import annotations

from typing import Mapping, Sequence

from .. import parse
from . import ce_plan, ce_read, ce_verify
from .driver import Driver, Part
from .model import Differences, Found, Steps


class CeDriver(Driver):
    """CE6800/CE8800 V300R023C00 command reference; see the modules that it hands to."""

    os = ce_read.OS

    def commands(self, part: Part) -> Sequence[str]:
        return ce_read.commands(part)

    def speaks(self, first: str | None) -> bool:
        return bool(parse.parse_version(first)["understood"])

    def more(self, part: Part, texts: Mapping[str, str | None]) -> Sequence[str]:
        return ce_read.more(part, texts)

    def parse(self, texts: Mapping[str, str | None], part: Part) -> Found:
        return ce_read.read(texts, part)

    def steps(self, part: Part, found: Found, takeover: bool = False) -> Steps:
        return ce_plan.steps(part, found, takeover)

    def verify(self, part: Part, found: Found) -> Differences:
        return ce_verify.verify(part, found)
