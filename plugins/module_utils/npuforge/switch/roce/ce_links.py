"""What Huawei CE switches print about links: interfaces, their neighbours and their optics; and who is configuring.

Followed: Huawei CE6800/CE8800 V300R023C00 command reference (display interface, interface brief, interface transceiver,
lldp neighbor [brief], configuration trial status, configuration sessions, configuration exclusive user). As in
``ce_parse``: None for a text that is not that command's answer; nothing raises.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ...common import Document
from .. import parse
from .ce_parse import NAME, name, table


class Interface(NamedTuple):
    """One interface. ``speed_mbps`` None: not negotiated; counters None: not shown (``--``)."""

    link: str
    reason: str | None
    speed_mbps: int | None
    max_frame_bytes: int | None
    flow_control: bool | None
    crc_errors: int | None
    input_discards: int | None
    output_discards: int | None


def parse_interfaces(text: str | None) -> dict[str, Interface] | None:
    """``display interface``: one block per interface."""
    blocks: dict[str, list[str]] = {}
    lines: list[str] | None = None
    for line in parse.clean(text).split("\n"):
        match = re.match(rf"^({NAME}|NULL0) current state\s*:\s*(\S.*?)\s*(?:\(ifindex: \d+\))?\s*$", line)
        if match:
            lines = blocks.setdefault(name(match.group(1)), [match.group(2)])
        elif lines is not None:
            lines.append(line)
    return {port: _interface(block[0], "\n".join(block[1:])) for port, block in blocks.items()} or None


def _interface(state: str, block: str) -> Interface:
    speed = re.search(r"(?m)^Speed:\s*(\d{1,7}),", block)
    frame = re.search(r"The Maximum Frame Length is (\d{1,5})\s*$", block, re.MULTILINE)
    control = re.search(r"Input Flow-control:\s*(ENABLE|DISABLE),\s*Output Flow-control:\s*(ENABLE|DISABLE)", block)
    # The counters come in two parts; ``Discard`` is in both.
    parts = re.split(r"\n\s+Output:\s*\n", block, maxsplit=1)
    up = state.upper() == "UP"
    return Interface(
        "up" if up else "down",
        None if up or state.upper() == "DOWN" else state.lower(),
        int(speed.group(1)) if speed else None,
        int(frame.group(1)) if frame else None,
        "ENABLE" in control.groups() if control else None,
        _counter(parts[0], "CRC"),
        _counter(parts[0], "Discard"),
        _counter(parts[1], "Discard") if len(parts) == 2 else None,
    )


def _counter(block: str, label: str) -> int | None:
    match = re.search(rf"(?m)^\s+{label}:\s+(\d{{1,20}}),", block)
    return int(match.group(1)) if match else None


def parse_interface_brief(text: str | None) -> dict[str, Interface] | None:
    """``display interface brief``: the link alone; ``*down`` is shut down by an administrator."""
    rows = table(text, r"^Interface\s+PHY\s+Protocol\b", closed=False)
    if rows is None:
        return None
    found = {}
    for row in rows:
        match = re.match(r"^([*^]?)(up|down)(?:\(\w+\))?$", row[1]) if len(row) == 7 and row[0] else None
        if match:
            reason = {"*": "administratively down", "^": "standby"}.get(match.group(1))
            found[name(row[0])] = Interface(match.group(2), reason, None, None, None, None, None, None)
    return found


def parse_lldp(text: str | None) -> dict[str, list[dict[str, str]]] | None:
    """``display lldp neighbor brief``, or the long form: ``{port: [{device, port}]}``; {} when nobody is seen.

    A neighbour without a host name is named by its chassis id (the long form shows it).
    """
    rows = table(text, r"^Local Inter?f\w*\s+Exptime", closed=False)
    found: dict[str, list[dict[str, str]]] = {}
    if rows is not None:
        for row in rows:
            if len(row) >= 4 and re.match(rf"^{NAME}$", row[0]) and row[1].isdigit():
                found.setdefault(name(row[0]), []).append({"device": " ".join(row[3:]), "port": row[2]})
        return found
    port = None
    seen = False
    fields: dict[str, str] = {}
    for line in [*parse.clean(text).split("\n"), "Neighbor index :0"]:
        match = re.match(rf"^({NAME})\s+has\s+\d+\s+neighbor", line)
        index = re.match(r"^Neighbor index\s*:\s*\d+\s*$", line)
        if match or index:
            if port is not None and fields.get("Port ID"):
                device = parse.value(fields.get("System name")) or fields.get("Chassis ID", "")
                found.setdefault(port, []).append({"device": device, "port": fields["Port ID"]})
            fields = {}
        if match:
            port, seen = name(match.group(1)), True
            continue
        field = re.match(r"^(Chassis ID|Port ID|System name)\s*:\s*(\S.*?)\s*$", line)
        if field and port is not None:
            fields.setdefault(field.group(1), field.group(2))
    return found if seen else None


_OPTIC = {
    "current rx power (dbm)": "rx_power_dbm",
    "current tx power (dbm)": "tx_power_dbm",
    "default rx power high threshold (dbm)": "rx_power_high_dbm",
    "default rx power low threshold (dbm)": "rx_power_low_dbm",
    "default tx power high threshold (dbm)": "tx_power_high_dbm",
    "default tx power low threshold (dbm)": "tx_power_low_dbm",
    "temperature (celsius)": "temperature_celsius",
}


def parse_transceivers(text: str | None) -> dict[str, Document] | None:
    """``display interface transceiver verbose``: ``{port: {present, transceiver, vendor, serial, temperature_celsius,
    rx_power_dbm: [lane], tx_power_dbm: [lane], <rx|tx>_power_<low|high>_dbm: [lane], alarms: [text]}}``.

    A port without a module has no block (the manual: "the command output is empty"): an accepted answer without any
    block is {}. The limits are the module's own.
    """
    found: dict[str, Document] = {}
    optic: Document | None = None
    key: str | None = None
    section = ""
    for line in parse.clean(text).split("\n"):
        match = re.match(rf"^\s*({NAME}) transceiver(?: diagnostic)? information:\s*$", line)
        if match:
            optic = found.setdefault(name(match.group(1)), {"present": True, "alarms": []})
            key, section = None, ""
            continue
        if optic is None or _RULE_OR_BLANK.match(line):
            key = None
            continue
        match = re.match(r"^\s(\w[\w ]+) information:\s*$", line)
        if match:
            key, section = None, match.group(1).lower()
            continue
        match = re.match(r"^\s+(\S.*?)\s*:\s*(.*?)\s*$", line)
        if match and section not in ("alarm", "warning"):
            label = match.group(1).lower()
            key = _OPTIC.get(label)
            words = {"transceiver type": "transceiver", "vendor name": "vendor", "manu. serial number": "serial"}
            if key == "temperature_celsius":
                temperatures = _powers(match.group(2))
                optic[key], key = (temperatures[0] if temperatures else None), None
            elif key is not None:
                optic[key] = _powers(match.group(2))
            elif label in words and parse.value(match.group(2)):
                optic.setdefault(words[label], parse.value(match.group(2)))
        elif key is not None:
            optic[key] = (optic[key] or []) + (_powers(line) or []) or None
        elif section in ("alarm", "warning") and re.match(r"^\s+\w", line) and line.strip().lower() != "none":
            optic["alarms"].append(line.strip())
    if not found and (text is None or parse.rejected(text) is not None or parse.clean(text).strip()):
        return None
    return found


_RULE_OR_BLANK = re.compile(r"^\s*-*\s*$")


def _powers(cell: str) -> list[float] | None:
    """``0.89|1.90    (Lane0|Lane1)`` as numbers; None when any of them is none."""
    words = re.sub(r"\([^)]*\)", "", cell).strip().split("|")
    if not all(re.match(r"^[+-]?\d{1,3}(?:\.\d{1,3})?$", word.strip()) for word in words):
        return None
    return [float(word) for word in words]


class Trial(NamedTuple):
    """``display configuration trial status``."""

    active: bool
    seconds_left: int | None


def parse_trial(text: str | None) -> Trial | None:
    """``display configuration trial status``: anything but INACTIVE counts as active."""
    match = re.search(r"(?mi)^\s*Trial status\s*:\s*(\w+)\s*$", parse.clean(text))
    if match is None:
        return None
    left = re.search(r"(?mi)^\s*Trial time left \(sec\)\s*:\s*(\d{1,6})\s*$", parse.clean(text))
    return Trial(match.group(1).upper() != "INACTIVE", int(left.group(1)) if left else None)


def parse_locks(text: str | None) -> list[str] | None:
    """``display configuration sessions``: who holds a lock, as words for a sentence; None when not understood."""
    rows = table(text, r"^Session\s+User-Intf\b.*\bLock\s*$")
    if rows is None:
        return None
    held = []
    for line in parse.clean(text).split("\n"):
        match = re.match(
            r"^\d{1,6}\s*\*?\s+(?P<line>(?:VTY|CON) \d{1,4})?\s*(?P<user>\S+)?\s+"
            r"(?P<since>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\S*\s+(?P<lock>\S+)\s*$",
            line,
        )
        if match and parse.value(match.group("lock")):
            who = match.group("user") or "somebody"
            held.append("{} ({}) since {}".format(who, match.group("line") or "no terminal", match.group("since")))
    return held


def parse_exclusive(text: str | None) -> str | None:
    """``display configuration exclusive user``: who has the configuration to himself; None when nobody is told."""
    user = re.search(r"(?mi)^\s*User Name\s*:\s*(\S+)\s*$", parse.clean(text))
    session = re.search(r"(?mi)^\s*User Session Name\s*:\s*(\S.*?)\s*$", parse.clean(text))
    if session is None:
        return None
    return "{} ({})".format(user.group(1) if user else "somebody", session.group(1))


def total_drops(interface: Interface) -> int | None:
    """Discards of both directions, or None when neither is shown."""
    numbers = [number for number in (interface.input_discards, interface.output_discards) if number is not None]
    return sum(numbers) if numbers else None
