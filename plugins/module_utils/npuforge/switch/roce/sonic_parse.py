"""What SONiC's show commands print about PFC, its watchdog, ECN, queues, ports, neighbours and optics.

Followed: golden outputs of sonic-utilities' unit tests (pfcstat, pfc, pfcwd, ecnconfig, queuestat, pg-drop, watermark,
intfutil, sfpshow, lldpshow, portstat). Every parser gives None when the text is not that command's answer; nothing
here raises on any text.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ...common import Document
from .. import parse
from .sonic_table import Row, number, tables, whole

PRIORITIES = tuple(f"PFC{priority}" for priority in range(8))


def refused(text: str | None) -> str | None:
    """The shell's or the tool's complaint as one line, or None."""
    match = re.search(
        r"(?mi)^.*(?:command not found|permission denied|root privileges are required|traceback \(most recent|"
        r"no such (?:file|option|command)|^usage:|^error:|is a disabled|a password is required).*$",
        parse.clean(text),
    )
    return match.group(0).strip()[:200] if match else None


def parse_version(text: str | None) -> dict[str, str | None] | None:
    """``show version``: ``{version, model}`` (the hardware SKU); None: it is not SONiC."""
    cleaned = parse.clean(text)
    version = re.search(r"(?m)^\s*SONiC Software Version:\s*(\S+)\s*$", cleaned)
    if version is None:
        return None
    sku = re.search(r"(?m)^\s*HwSKU:\s*(\S+)\s*$", cleaned)
    return {"version": version.group(1), "model": sku.group(1) if sku else None}


class PfcCounters(NamedTuple):
    """Pause frames by priority; a priority that shows ``N/A`` is not there."""

    received: dict[int, int]
    sent: dict[int, int]


def parse_pfc_counters(text: str | None) -> dict[str, PfcCounters] | None:
    """``show pfc counters``: two tables, ``Port Rx`` and ``Port Tx``."""
    found: dict[str, PfcCounters] = {}
    seen = False
    for heading in ("Port Rx", "Port Tx"):
        rows = tables(text, heading, *PRIORITIES)
        if rows is None:
            continue
        seen = True
        for row in rows:
            entry = found.setdefault(row[heading], PfcCounters({}, {}))
            side = entry.received if heading == "Port Rx" else entry.sent
            if not whole(row, *PRIORITIES):
                continue
            for priority, name in enumerate(PRIORITIES):
                count = number(row[name])
                if count is not None:
                    side.setdefault(priority, count)
    return found if seen else None


def priorities(text: str) -> list[int] | None:
    """``3,4`` as a list; N/A and nothing are an empty one; None: not understood."""
    if text.strip() in ("", "N/A"):
        return []
    words = [word.strip() for word in text.split(",")]
    if not all(re.match(r"^[0-7]$", word) for word in words):
        return None
    return sorted({int(word) for word in words})


def parse_pfc_priority(text: str | None) -> dict[str, list[int]] | None:
    """``show pfc priority``: ``{port: lossless priorities}``."""
    rows = tables(text, "Interface", "Lossless priorities")
    if rows is None:
        return None
    found = {}
    for row in rows:
        listed = priorities(row["Lossless priorities"])
        if listed is not None:
            found[row["Interface"]] = listed
    return found


def parse_pfc_asymmetric(text: str | None) -> dict[str, bool] | None:
    """``show pfc asymmetric``: ``{port: on}``."""
    rows = tables(text, "Interface", "Asymmetric")
    if rows is None:
        return None
    return {row["Interface"]: row["Asymmetric"] == "on" for row in rows if row["Asymmetric"] in ("on", "off")}


class Watchdog(NamedTuple):
    """The PFC watchdog of a port; times in milliseconds."""

    action: str
    detection_ms: int
    restoration_ms: int


def parse_watchdog_config(text: str | None) -> dict[str, Watchdog] | None:
    """``pfcwd show config``: ``{port: Watchdog}``."""
    rows = tables(text, "PORT", "ACTION", "DETECTION TIME", "RESTORATION TIME")
    if rows is None:
        return None
    found = {}
    for row in rows:
        detection, restoration = number(row["DETECTION TIME"]), number(row["RESTORATION TIME"])
        if row["ACTION"] in ("drop", "forward", "alert") and detection is not None and restoration is not None:
            found[row["PORT"]] = Watchdog(row["ACTION"], detection, restoration)
    return found


class Storm(NamedTuple):
    """A queue that the watchdog watches. ``stormed``: paused for good just now; None: ``N/A``."""

    stormed: bool | None
    detected: int
    restored: int


def parse_watchdog_stats(text: str | None) -> dict[str, dict[int, Storm]] | None:
    """``pfcwd show stats``: ``{port: {queue: Storm}}``; {}: the watchdog has seen nothing, or watches nothing."""
    rows = tables(text, "QUEUE", "STATUS", "STORM DETECTED/RESTORED")
    if rows is None:
        return None
    found: dict[str, dict[int, Storm]] = {}
    for row in rows:
        queue = re.match(r"^(\S+):(\d{1,2})$", row["QUEUE"])
        counts = re.match(r"^(\d{1,20})/(\d{1,20})$", row["STORM DETECTED/RESTORED"])
        if queue and counts:
            stormed = {"stormed": True, "operational": False}.get(row["STATUS"])
            storm = Storm(stormed, int(counts.group(1)), int(counts.group(2)))
            found.setdefault(queue.group(1), {})[int(queue.group(2))] = storm
    return found


def parse_ecn(text: str | None) -> dict[str, dict[str, str]] | None:
    """``show ecn`` (ecnconfig -l): ``{profile: {field: value}}``, only profiles whose list is closed."""
    found: dict[str, dict[str, str]] = {}
    name: str | None = None
    fields: dict[str, str] = {}
    dashes = 0
    for line in parse.clean(text).split("\n"):
        heading = re.match(r"^\s*Profile:\s*(\S+)\s*$", line)
        if heading:
            name, fields, dashes = heading.group(1), {}, 0
        elif name is not None and re.match(r"^\s*-{3,}\s+-{3,}\s*$", line):
            dashes += 1
            if dashes == 2:
                found.setdefault(name, fields)
                name = None
        elif name is not None:
            words = line.split()
            if len(words) == 2:
                fields[words[0]] = words[1]
    return found or None


def parse_queue_drops(text: str | None) -> dict[str, dict[int, int]] | None:
    """``show queue counters``: packets dropped at egress, ``{port: {unicast queue: packets}}``.

    Platforms name queues ``UC0``; where one kind holds both, ``ALL0``.
    """
    rows = tables(text, "Port", "TxQ", "Drop/pkts")
    if rows is None:
        return None
    found: dict[str, dict[int, int]] = {}
    for row in rows:
        queue = re.match(r"^(?:UC|ALL)(\d{1,2})$", row["TxQ"])
        count = number(row["Drop/pkts"])
        if queue and count is not None and whole(row, "Drop/bytes"):
            found.setdefault(row["Port"], {}).setdefault(int(queue.group(1)), count)
    return found


def parse_groups(text: str | None) -> dict[str, dict[int, int]] | None:
    """A table by priority group: ``show priority-group drop counters`` (packets), ``watermark headroom`` (bytes)."""
    rows = tables(text, "Port", "PG0", "PG7")
    if rows is None:
        return None
    found: dict[str, dict[int, int]] = {}
    for row in rows:
        if whole(row, *(name for name in row if name.startswith("PG"))):
            counts = {int(name[2:]): number(cell) for name, cell in row.items() if re.match(r"^PG\d{1,2}$", name)}
            found[row["Port"]] = {group: count for group, count in counts.items() if count is not None}
    return found


class Interface(NamedTuple):
    """A row of ``show interfaces status``. ``fec``: rs, fc, none or None."""

    link: str | None
    reason: str | None
    speed_mbps: int | None
    mtu_bytes: int | None
    fec: str | None
    asymmetric: bool | None


def parse_interfaces(text: str | None) -> dict[str, Interface] | None:
    """``show interfaces status``: ``{port: Interface}``."""
    rows = tables(text, "Interface", "Speed", "MTU", "Oper", "Admin")
    return None if rows is None else {row["Interface"]: _interface(row) for row in rows}


def _interface(row: Row) -> Interface:
    speed = re.match(r"^(\d{1,7})(G|M)$", row["Speed"])
    link = row["Oper"] if row["Oper"] in ("up", "down") else None
    return Interface(
        link,
        "administratively down" if row["Admin"] == "down" else None,
        int(speed.group(1)) * (1000 if speed.group(2) == "G" else 1) if speed else None,
        number(row["MTU"]),
        row["FEC"] if row.get("FEC") in ("rs", "fc", "none") else None,
        {"on": True, "off": False}.get(row.get("Asym PFC", "")),
    )


def parse_receive_errors(text: str | None) -> dict[str, int] | None:
    """``show interfaces counters``: frames that arrived broken (RX_ERR: FCS errors and runts)."""
    rows = tables(text, "IFACE", "RX_ERR", "TX_ERR")
    if rows is None:
        return None
    found = {}
    for row in rows:
        count = number(row["RX_ERR"])
        if count is not None and whole(row, "TX_ERR"):
            found[row["IFACE"]] = count
    return found


def parse_lldp(text: str | None) -> dict[str, list[dict[str, str]]] | None:
    """``show lldp table``: ``{port: [{device, port}]}``.

    The port is RemotePortID; where that is a MAC address, the description (what hosts send: ``enp1s0f0``), if any.
    """
    rows = tables(text, "LocalPort", "RemoteDevice", "RemotePortID")
    if rows is None:
        return None
    found: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        port = row["RemotePortID"]
        if re.match(r"^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$", port, re.IGNORECASE) and row.get("RemotePortDescr"):
            port = row["RemotePortDescr"]
        if port and re.match(r"^\S+$", row["LocalPort"]) and not row["LocalPort"].startswith("Total"):
            found.setdefault(row["LocalPort"], []).append({"device": row["RemoteDevice"], "port": port})
    return found


_LIMITS = {
    "RxPowerLowAlarm": "rx_power_low_dbm",
    "RxPowerHighAlarm": "rx_power_high_dbm",
    "TxPowerLowAlarm": "tx_power_low_dbm",
    "TxPowerHighAlarm": "tx_power_high_dbm",
}


def parse_transceivers(text: str | None) -> dict[str, Document] | None:
    """``show interfaces transceiver eeprom --dom``: ``{port: {present, transceiver, vendor, serial,
    temperature_celsius, rx_power_dbm: [lane], tx_power_dbm: [lane], <rx|tx>_power_<low|high>_dbm: [limit]}}``.

    The limits are the module's alarm thresholds. A cable without monitoring shows no power.
    """
    found: dict[str, Document] = {}
    optic: Document | None = None
    for line in parse.clean(text).replace("\t", "        ").split("\n"):
        match = re.match(r"^(\S+): SFP EEPROM (detected|[Nn]ot (?:detected|present))\s*$", line)
        if match:
            optic = found.setdefault(match.group(1), {"present": match.group(2) == "detected", "alarms": []})
            continue
        if re.match(r"^\S", line):
            optic = None
        field = re.match(r"^\s+(\w[\w ]*?)\s*:\s*(\S.*?)\s*$", line)
        if optic is None or field is None:
            continue
        name, cell = field.groups()
        power = re.match(r"^(-?\d{1,3}(?:\.\d{1,6})?)dBm$", cell)
        lane = re.match(r"^([RT])X\d{1,2}Power$", name)
        degrees = re.match(r"^(-?\d{1,3}(?:\.\d{1,6})?)C$", cell)
        if lane and power:
            optic.setdefault(f"{lane.group(1).lower()}x_power_dbm", []).append(float(power.group(1)))
        elif name in _LIMITS and power:
            optic[_LIMITS[name]] = [float(power.group(1))]
        elif name == "Temperature" and degrees:
            optic["temperature_celsius"] = float(degrees.group(1))
        else:
            key = {"Identifier": "transceiver", "Vendor Name": "vendor", "Vendor SN": "serial"}.get(name)
            if key is not None and parse.value(cell) is not None:
                optic.setdefault(key, cell)
    return found or None
