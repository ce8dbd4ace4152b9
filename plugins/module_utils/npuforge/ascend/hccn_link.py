"""The history of a port's link: ``hccn_tool -i N -link_stat -g``, and whether it went down of late.

Captures: a 910B (prefix ``[devid 0]``, with ``link down count``) and a 910A (``[device 0]``, without that line). Times
are the device's own clock; only the distance between its "current time" and a record is used.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Mapping

from .texts import Reading, lines, sample

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_LINE = re.compile(r"^(?:\[dev(?:id|ice) (\d{1,3})\])?\s{0,8}(\S.{0,200})$")
_FIELD = re.compile(r"^(current time|link up count|link down count|link change records)\s{0,12}:\s{0,4}(.{0,60})$")
_RECORD = re.compile(r"^([A-Z][a-z]{2} [A-Z][a-z]{2} {1,2}\d{1,2} \d\d:\d\d:\d\d \d{4})\s{1,8}LINK (UP|DOWN)$")
_TIME = re.compile(r"^([A-Z][a-z]{2}) ([A-Z][a-z]{2}) {1,2}(\d{1,2}) (\d\d):(\d\d):(\d\d) (\d{4})$")


def parse_time(text: str) -> datetime | None:
    """``Sun Oct  5 10:13:51 2025``; the day of the week must fit, so that a damaged date is none."""
    match = _TIME.match(text)
    if match is None or match.group(2) not in MONTHS:
        return None
    day, hour, minute, second, year = (int(match.group(place)) for place in (3, 4, 5, 6, 7))
    try:
        moment = datetime(year, MONTHS.index(match.group(2)) + 1, day, hour, minute, second)
    except ValueError:
        return None
    return moment if DAYS[moment.weekday()] == match.group(1) else None


def parse_link_stat(text: Any, device: int | None = None) -> Reading:
    """``{"now", "up_count", "down_count", "records": [(datetime, up|down)], newest first}``; counts may be None.

    The order of the records must run back in time from "current time"; anything else is not this list.
    """
    fields: dict[str, str] = {}
    records: list[tuple[datetime, str]] = []
    named = set()
    for row in lines(text):
        match = _LINE.match(row)
        if match is None:
            continue
        field, record = _FIELD.match(match.group(2)), _RECORD.match(match.group(2))
        if field is None and record is None:
            continue
        named.add(match.group(1))
        if field is not None:
            if field.group(1) in fields:
                return Reading(None, "two different values in one answer")
            fields[field.group(1)] = field.group(2).strip()
        elif record is not None:
            moment = parse_time(record.group(1))
            if moment is None:
                return Reading(None, f"a record without a time that can be: {row[:60]}")
            records.append((moment, record.group(2).lower()))
    now = parse_time(fields.get("current time", ""))
    if now is None or "link change records" not in fields:
        return Reading(None, f"unknown answer: {sample(text)}")
    if len(named) > 1 or (device is not None and named - {None, str(device)}):
        return Reading(None, "the answer is about another device")
    if any(earlier[0] > later[0] for later, earlier in zip(records, records[1:])):
        return Reading(None, "the records are not in order")
    counts = {name: fields.get(f"link {name} count") for name in ("up", "down")}
    if any(value is not None and not re.match(r"^\d{1,10}$", value) for value in counts.values()):
        return Reading(None, "a count that is no number")
    return Reading(
        {
            "now": now,
            "up_count": None if counts["up"] is None else int(counts["up"]),
            "down_count": None if counts["down"] is None else int(counts["down"]),
            "records": records,
        }
    )


def recent_downs(history: Mapping[str, Any], window_seconds: float) -> list[int] | None:
    """How long ago (seconds) the link went down, within the window, newest first.

    None: a record lies after "current time", so the device's clock was set back and no distance means anything.
    """
    ages = [(history["now"] - moment).total_seconds() for moment, word in history["records"] if word == "down"]
    if any((history["now"] - moment).total_seconds() < 0 for moment, _ in history["records"]):
        return None
    return [int(age) for age in ages if age <= window_seconds]


def problems(name: str, history: Mapping[str, Any], window_seconds: float, allowed: int) -> Reading:
    """Sentences on a link that went down more than ``allowed`` times within the window.

    :param name: how the port is called, ``node2 NPU3``.
    """
    ages = recent_downs(history, window_seconds)
    if ages is None:
        return Reading(None, "the device's clock was set back: the age of its records is not known")
    if len(ages) <= allowed:
        return Reading([])
    times = "once" if len(ages) == 1 else f"{len(ages)} times"
    within = f"{window_seconds / 60:g} min"
    return Reading([f"{name}: the link went down {times} within the last {within}, last {ages[0] // 60} min ago"])


def flaps(history: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every recorded loss of the link, newest first, for the facts: ``{"at": device's local time, "seconds_ago"}``."""
    return [
        {"at": moment.isoformat(), "seconds_ago": int((history["now"] - moment).total_seconds())}
        for moment, word in history["records"]
        if word == "down"
    ]
