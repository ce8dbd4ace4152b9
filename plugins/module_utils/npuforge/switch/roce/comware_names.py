"""Names of interfaces on H3C and HPE Comware, long (``HundredGigE1/0/1``) and as tables shorten them (``HGE1/0/1``).

Abbreviations: ntc-templates' device captures (GE, XGE, BAGG), H3C PFC command references (WGE, HGE), captures of
S98xx switches (200GE, 400GE).
"""

from __future__ import annotations

import re

_LONG = {
    "ge": "GigabitEthernet",
    "xge": "Ten-GigabitEthernet",
    "wge": "Twenty-FiveGigE",
    "25ge": "Twenty-FiveGigE",
    "fge": "FortyGigE",
    "40ge": "FortyGigE",
    "50ge": "FiftyGigE",
    "hge": "HundredGigE",
    "100ge": "HundredGigE",
    "200ge": "TwoHundredGigE",
    "400ge": "FourHundredGigE",
    "800ge": "EightHundredGigE",
    "mge": "M-GigabitEthernet",
    "bagg": "Bridge-Aggregation",
}
_KNOWN = {long.lower(): long for long in _LONG.values()}
# 1/0/1, a breakout 1/0/1:2, a subinterface 1/0/1.100
_NAME = re.compile(r"^([A-Za-z0-9][A-Za-z0-9-]*?)\s*((?:\d+/)*\d+(?::\d+)?(?:\.\d+)?)$")


def canonical(name: str) -> str:
    """The long name, written as the switch writes it; a name of another kind is given back as it is.

    ``hge 1/0/1`` and ``HundredGigE1/0/1`` are one: ``HundredGigE1/0/1``.
    """
    match = _NAME.match(name.strip())
    if match is None:
        return name.strip()
    kind, number = match.group(1), match.group(2)
    if "/" not in number:  # 200GE1 has no slot: a kind that begins with digits would be cut in the wrong place
        return name.strip()
    long = _LONG.get(kind.lower()) or _KNOWN.get(kind.lower()) or kind
    return long + number


def is_port(name: str) -> bool:
    """Whether a word can be the name of a port at all (``HGE1/0/1``, ``GigabitEthernet1/1/0/31``)."""
    match = _NAME.match(name.strip())
    return match is not None and "/" in match.group(2) and re.search(r"[A-Za-z]", match.group(1)) is not None
