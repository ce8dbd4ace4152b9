"""``npu-smi info -t hccs`` and ``-t hccs-bw``: state, speed and traffic of a chip's HCCS links.

From the program's source as published with the driver (npu_topo_info.c; no capture of either is public). ``-t hccs``
prints one health word for the chip and lists in brackets, one number a link; a link's speed is its lanes times 56 Gb/s.
The lists end with link 7 and begin with 1 on A2 boards; other boards begin elsewhere, so a link's number follows from
the length. A port that is no HCCS link stands in them with 0 lanes. ``-t hccs-bw`` prints a row a link and ``total``.
"""

from __future__ import annotations

import re
from typing import Any

from .texts import Reading, lines, sample

LAST_LINK = 7  # DCMI_HCCS_910B_PCS_NUM
_LINE = re.compile(r"^\s{0,16}(hccs [a-z ]{2,24}?)\s{0,30}: ?(.{0,400})$", re.IGNORECASE)
_LISTS = {
    "hccs lane mode": "lane_count",
    "hccs link lane list": "lanes",
    "hccs link speed": "gbit_per_s",
    "hccs retry count": "retry_count",
    "hccs error count": "error_count",
}
_UNSUPPORTED = re.compile(r"does not support querying|This device does not support", re.IGNORECASE)
_TRAFFIC = re.compile(r"^\s{0,16}(\d{1,3}|total)\s{1,60}(\d{1,9}\.\d{1,9})\s{1,60}(\d{1,9}\.\d{1,9})$", re.IGNORECASE)


def parse_hccs(text: Any) -> Reading:
    """``{"health": OK|NOK|None, "first_error_lane": n|None, "links": [Link]}``.

    Link: ``link, lane_count, lanes_up, gbit_per_s, retry_count, error_count``; None what is not told. No value when a
    line stands twice, or the lists differ in length.
    """
    found: dict[str, str] = {}
    for row in lines(text):
        match = _LINE.match(row)
        if match is None:
            continue
        name, value = match.group(1).lower(), match.group(2).strip()
        if found.get(name, value) != value:
            return Reading(None, "two answers in one")
        found[name] = value
    if "hccs health status" not in found and "hccs link speed" not in found:
        why = "the tool says that it does not know this here" if _UNSUPPORTED.search(str(text or "")[:4000]) else None
        return Reading(None, why or f"unknown answer: {sample(text)}")
    lists: dict[str, list[str]] = {}
    for name, fact in _LISTS.items():
        cells = _list(found.get(name))
        if cells is None and name in found:
            return Reading(None, f"{name} is no list of numbers")
        if cells is not None:
            lists[fact] = cells
    if len({len(cells) for cells in lists.values()}) > 1:
        return Reading(None, "the lists of links differ in length")
    health = found.get("hccs health status", "").upper()
    first = found.get("hccs first error lane", "")
    count = len(next(iter(lists.values()), []))
    if count > LAST_LINK + 1:
        return Reading(None, f"{count} links, more than the tool has")
    links = [_link(place, count, lists) for place in range(count)]
    return Reading(
        {
            "health": health if health in ("OK", "NOK") else None,
            "first_error_lane": int(first) if re.match(r"^\d{1,3}$", first) else None,
            "links": links,
        }
    )


def _list(value: str | None) -> list[str] | None:
    match = re.match(r"^\[([\d ]{1,390})\]$", value or "")
    return match.group(1).split() if match and match.group(1).strip() else None


def _link(place: int, count: int, lists: dict[str, list[str]]) -> dict[str, Any]:
    def number(fact: str) -> int | None:
        return int(lists[fact][place]) if fact in lists else None

    lanes = lists["lanes"][place] if "lanes" in lists else None
    return {
        "link": LAST_LINK + 1 - count + place,
        "lane_count": number("lane_count"),
        "lanes_up": lanes.count("1") if lanes is not None and set(lanes) <= {"0", "1"} else None,
        "gbit_per_s": number("gbit_per_s"),
        "retry_count": number("retry_count"),
        "error_count": number("error_count"),
    }


def parse_traffic(text: Any) -> Reading:
    """``-t hccs-bw``: what the chip sends and receives, GB/s: ``{"sent_gbytes_per_s", "received_gbytes_per_s"}``."""
    rows: dict[str, tuple[float, float]] = {}
    for row in lines(text):
        match = _TRAFFIC.match(row)
        if match is None:
            continue
        name, values = match.group(1).lower(), (float(match.group(2)), float(match.group(3)))
        if rows.get(name, values) != values:
            return Reading(None, "two answers in one")
        rows[name] = values
    if "total" not in rows or len(rows) < 2:
        return Reading(None, f"unknown answer: {sample(text)}")
    return Reading({"sent_gbytes_per_s": rows["total"][0], "received_gbytes_per_s": rows["total"][1]})
