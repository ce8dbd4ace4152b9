"""Counters of an NPU port: ``hccn_tool -i N -stat -g`` to numbers, and what they grew by.

The tool prints ``packet statistics:`` and one ``name:number`` a line (source of hccn_tool; vendor's fault guide). A
line without its end is not trusted: a number that was cut off looks like a smaller one.
"""

from __future__ import annotations

import re
from typing import Any, Dict, Iterable, Mapping

RETRANSMITTED = "roce_new_pkt_rty_num"  # grows when packets were lost on the way and are sent again
PFC_SENT, PFC_RECEIVED = "mac_tx_pfc_pkt_num", "mac_rx_pfc_pkt_num"
KEPT = (
    RETRANSMITTED,
    PFC_SENT,
    PFC_RECEIVED,
    "roce_out_of_order_num",
    "roce_rx_err_pkt_num",
    "roce_tx_err_pkt_num",
    "roce_rx_cnp_pkt_num",
    "roce_tx_cnp_pkt_num",
    "mac_rx_fcs_err_pkt_num",
)
_LINE = re.compile(r"^[ \t]*([a-z][a-z0-9_]{3,60})[ \t]*:[ \t]*(\d{1,20})[ \t]*\r?\n", re.MULTILINE)

Counters = Dict[str, int]


def parse(text: Any) -> Counters | None:
    """The counters of ``KEPT`` that stand in ``text``; None when it is no statistics at all.

    A name that occurs with two values is left out.
    """
    words = str(text or "")[: 4 << 20]
    start = words.find("packet statistics:")
    if start < 0:
        return None
    found: Counters = {}
    doubted = set()
    for match in _LINE.finditer(words, start):
        name, value = match.group(1), int(match.group(2))
        if name in KEPT:
            if found.get(name, value) != value:
                doubted.add(name)
            found[name] = value
    return {name: value for name, value in found.items() if name not in doubted} or None


def growth(before: Mapping[str, int] | None, after: Mapping[str, int] | None, name: str) -> int | None:
    """By how much a counter grew; None when one side does not show it, or it became smaller (somebody cleared it)."""
    first, second = (before or {}).get(name), (after or {}).get(name)
    if first is None or second is None or second < first:
        return None
    return second - first


def total(pairs: Iterable[tuple[Mapping[str, int] | None, Mapping[str, int] | None]], name: str) -> int | None:
    """The growth of a counter over several ports; None when one of them is not known, or there is none."""
    grown = [growth(before, after, name) for before, after in pairs]
    if not grown:
        return None
    return None if any(value is None for value in grown) else sum(value for value in grown if value is not None)
