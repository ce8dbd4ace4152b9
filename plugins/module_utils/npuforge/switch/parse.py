"""What Huawei VRP8 and YunShan switches print, as typed rows.

Followed: Huawei CE6800/CE8800 V300R023C00 command reference (display version, display device, display device elabel
[brief], display device esn, display device power, display device fan); VRP8 V200 and VRP5 forms (display device
manufacture-info, display elabel, display power, display fan) as device captures show them. Tables are read by their
header, so a release that lacks a column or adds one is read too. Output that is none of these gives nothing, and
``parse_version`` says so; nothing here raises on any text.
"""

from __future__ import annotations

import re
from typing import Any, Dict

from ..common import as_text

Row = Dict[str, Any]

_RULE = re.compile(r"^\s*(?:-\s?){8,}\s*$")
_ERROR = re.compile(r"^\s*(?:Error\s*:|\^\s*$|%\s*(?:Unrecognized|Incomplete|Wrong|Too many))", re.MULTILINE)
_UNITS = {"week": 604800, "day": 86400, "hour": 3600, "minute": 60, "second": 1}
# What stands in a product line after the model's name ("Quidway S7706 Terabit Routing Switch uptime is ...").
_PRODUCT = re.compile(r"(?:\s+(?:Terabit|Routing|Core|Ethernet|Data Center))*\s+(?:Switch|Router)$", re.IGNORECASE)
LARGEST_CHARACTERS = 1024 * 1024


def clean(text: str | None) -> str:
    """The text with plain line ends, without escape sequences, and never longer than a switch would print."""
    text = (text or "")[:LARGEST_CHARACTERS].replace("\r\n", "\n").replace("\r", "\n")
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)


def rejected(text: str | None) -> str | None:
    """The switch's complaint when it did not accept the command, else None."""
    match = _ERROR.search(clean(text))
    if match is None:
        return None
    line = clean(text)[match.start() :].strip().split("\n")[0].strip()
    return line if line != "^" else "the command is not accepted"


def value(token: str | None) -> str | None:
    """A cell: ``-``, ``--``, ``NA``, ``XXX`` and blanks are nothing."""
    text = as_text(token)
    if text is None or re.match(r"^(?:-+|NA|X{3,})$", text):
        return None
    return text


def number(token: str | None) -> float | None:
    """A cell that is a number; ``--`` and ``N/A`` are none."""
    text = value(token)
    if text is None or not re.match(r"^\d{1,9}(?:\.\d{1,6})?$", text):
        return None
    return float(text)


def parse_version(text: str | None) -> Row:
    """``display version``: ``{understood, reason, os, os_version, platform, version, model, patch, uptime_seconds}``.

    ``os`` is ``yunshan``, ``vrp8`` or ``vrp5``; ``platform`` what the release is for (``CE6800``), ``version`` the
    release (``V300R023C00SPC500``). Output of another vendor: ``understood`` false with the reason, all else None.
    """
    row: Row = dict.fromkeys(("reason", "os", "os_version", "platform", "version", "model", "patch", "uptime_seconds"))
    row["understood"] = False
    lines = [line.strip() for line in clean(text).split("\n")]
    # The output must begin so: a list of neighbours has the same lines, but of other machines. (Captures begin with a
    # prompt or a remark.)
    lines = [line for line in lines if line and not line.startswith(("<", "#"))]
    if not lines or not re.match(r"^(?:Huawei Versatile Routing Platform Software$|YunShan OS|VRP)", lines[0]):
        row["reason"] = "neither Huawei VRP nor YunShan; it begins: {!r}".format((lines or ["nothing"])[0][:80])
        return row
    for line in lines:
        match = re.match(
            r"^(YunShan OS|VRP \(R\) software), Version\s+(\S+?)\s*(?:\(([^()]*)\))?$", line, re.IGNORECASE
        )
        if match and not row["understood"]:
            row["understood"] = True
            row["os_version"] = value(match.group(2))
            row["os"] = "yunshan" if match.group(1).lower().startswith("yun") else _vrp(match.group(2))
            release = re.match(r"^(.*?)\s*\b(V\d{3}R\d{3}\w*)$", (match.group(3) or "").strip())
            row["platform"] = value(release.group(1)) if release else None
            row["version"] = release.group(2) if release else value(match.group(3))
        match = re.match(r"^(?:HUAWEI|Quidway)\s+(.+?)\s+uptime is\s+(.+)$", line, re.IGNORECASE)
        if match and row["model"] is None:
            row["model"] = value(_PRODUCT.sub("", match.group(1)))
            row["uptime_seconds"] = uptime_seconds(match.group(2))
        match = re.match(r"^Patch Version\s*:\s*(\S+)$", line, re.IGNORECASE)
        if match and row["patch"] is None:
            row["patch"] = value(match.group(1))
    if not row["understood"]:
        row = dict.fromkeys(row)
        row.update(understood=False, reason="it begins as Huawei VRP does, but no line tells the version")
    return row


def _vrp(version: str) -> str | None:
    major = version.partition(".")[0]
    return f"vrp{major}" if major in ("5", "8") else None


def uptime_seconds(text: str) -> int | None:
    """``161 days, 0 hour, 20 minutes``; None when any part of it is not understood."""
    total = 0
    parts = [part.strip() for part in text.split(",")]
    for part in parts:
        match = re.match(r"^(\d{1,6})\s+(week|day|hour|minute|second)s?$", part, re.IGNORECASE)
        if match is None:
            return None
        total += int(match.group(1)) * _UNITS[match.group(2).lower()]
    return total if parts else None


_DEVICE = re.compile(
    r"^(?P<slot>\d+)?\s+(?P<card>-+|[A-Za-z]+\d+|\d+)\s+(?P<type>\S+)\s+(?P<online>Present|Offline|Absent)\s+"
    r"(?P<power>On|Off|PowerOn|PowerOff|-+)\s+(?P<register>Registered|Unregistered|-+)\s+"
    r"(?P<alarm>Normal|Abnormal|WrongType|-+)(?:\s+(?P<primary>\S+))?\s*$"
)


def parse_device(text: str | None) -> list[Row]:
    """``display device``: ``{chassis, card, type, present, power, registered, alarm, configured}`` per component.

    ``card`` is ``FAN1``, ``PWR2``, or None for the board of a slot; ``power`` and ``registered`` are true, false or
    None; ``alarm`` is ``normal``, ``abnormal``, ``wrongtype`` or None. A terminal of 80 columns breaks the last
    column over two lines: the rest of the word is skipped. ``configured``: only configured, not there (``*``).
    """
    rows: list[Row] = []
    chassis = None
    for line in clean(text).split("\n"):
        match = _DEVICE.match(line)
        if match is None:
            continue
        chassis = match.group("slot") or chassis
        power, register, alarm = match.group("power"), match.group("register"), value(match.group("alarm"))
        rows.append(
            {
                "chassis": chassis,
                "card": value(match.group("card")),
                "type": value(match.group("type").lstrip("*")),
                "configured": match.group("type").startswith("*"),
                "present": match.group("online") == "Present",
                "power": None if value(power) is None else power in ("On", "PowerOn"),
                "registered": None if value(register) is None else register == "Registered",
                "alarm": alarm.lower() if alarm else None,
            }
        )
    return rows


def tables(text: str | None, *required: str) -> list[Row]:
    """Rows of the tables whose header has all ``required`` columns, as ``{column: cell}``.

    The first column may be left blank in a row: the value above holds. A row with another number of cells than its
    header has columns is none of the table's, and where it begins tells whether the first cell is there: else a
    damaged header would shift the cells.
    """
    rows: list[Row] = []
    header: list[str] | None = None
    above, second = None, 0
    for line in map(_cells, clean(text).split("\n")):
        tokens, starts = line.split(), len(line) - len(line.lstrip())
        if all(column in tokens for column in required):
            header, above = tokens, None
            second = line.index(tokens[1]) if len(tokens) > 1 else 0
        elif header is None or _RULE.match(line) or not tokens:
            continue
        elif tokens[0].endswith(":") or line.lstrip().startswith("<"):
            header = None
        elif len(tokens) == len(header) and starts < second:
            above = tokens[0]
            rows.append(dict(zip(header, tokens)))
        elif len(tokens) == len(header) - 1 and starts >= len(header[0]):
            rows.append(dict(zip(header, [above, *tokens])))
    return rows


def _cells(line: str) -> str:
    """The line with what is one cell as one word: ``[ 1 ]``, and the column ``Airflow Direction``."""
    line = re.sub(r"\[\s*([\d-]+)\s*\]", r"[\1]", line)
    return re.sub(r"Airflow\s+Direction", "Airflow", line)


def _slot(token: str | None, prefix: str) -> str | None:
    """``PWR1`` for ``PWR1`` and for ``1``; None for what is no slot's name."""
    match = re.match(rf"^({prefix})?(\d{{1,3}})$", value(token) or "", re.IGNORECASE)
    return f"{prefix}{match.group(2)}" if match else None


def parse_power(text: str | None) -> list[Row]:
    """``display device power`` / ``display power``: ``{slot, present, supplying, output_watts, capacity_watts, ...}``.

    ``supplying``: whether it gives current (State ``Supply``); None when the switch does not say.
    """
    rows = []
    inputs = {}
    for line in tables(text, "PowerNo", "Type", "InputVoltage"):
        inputs[line["PowerNo"]] = number(line["InputVoltage"])
    for name in ("PowerNo", "PowerID"):
        for online in ("Present", "Online"):
            for line in tables(text, name, online, "State"):
                slot, state = _slot(line[name], "PWR"), (value(line["State"]) or "").lower()
                if slot is None:
                    continue
                rows.append(
                    {
                        "slot": slot,
                        "chassis": value(line.get("Slot")),
                        "present": _yes(line[online]),
                        "supplying": {"supply": True, "notsupply": False}.get(state),
                        "output_watts": number(line.get("ActualPower")),
                        "capacity_watts": number(line.get("RatedPower")),
                        "input_volts": inputs.get(line[name]),
                    }
                )
    return rows


def parse_fan(text: str | None) -> list[Row]:
    """``display device fan`` / ``display fan``: ``{slot, present, status, rpm, percent, airflow}``.

    ``status`` is ``normal``, ``abnormal`` or None. Older releases have no column Present: a listed fan is present.
    """
    rows = []
    for line in tables(text, "FanID", "Status"):
        slot, status = _slot(line["FanID"], "FAN"), (value(line["Status"]) or "").lower()
        if slot is None:
            continue
        speed = re.match(r"^(?:(\d{1,3})%)?(?:\((\d{1,6})\)|(\d{3,6}))?$", line.get("Speed") or "")
        rows.append(
            {
                "slot": slot,
                "chassis": value(line.get("Slot")),
                "present": _yes(line["Present"]) if "Present" in line else True,
                "status": status if status in ("normal", "abnormal") else None,
                "percent": number(speed.group(1)) if speed else None,
                "rpm": number(speed.group(2) or speed.group(3)) if speed else None,
                "airflow": value(line.get("Airflow")),
            }
        )
    return rows


def _yes(token: str) -> bool | None:
    return {"yes": True, "present": True, "no": False, "absent": False}.get(token.lower())


def parse_labels(text: str | None) -> Row:
    """Serial and part numbers from whichever of the label commands answered.

    ``{serial, parts: [{chassis, slot, type, serial, part_number}]}``; ``slot`` is ``FAN1``, ``PWR2`` or the number of
    a board.
    Understood: ``display device elabel brief``, ``display device manufacture-info`` and ``display [device] elabel``.
    """
    serial = None
    match = re.search(r"^\s*Equipment SN\s*\(ESN\)\s*:\s*(\S+)", clean(text), re.MULTILINE | re.IGNORECASE)
    if match:
        serial = value(match.group(1))
    parts = []
    for slot_name, sub, serial_name in (("SlotID", "Sub", "SN"), ("Slot", "Sub", "Serial-number")):
        for line in tables(text, slot_name, sub, serial_name):
            parts.append(_label(line[slot_name], line[sub], line.get("Type"), line[serial_name], line.get("P/N")))
    for line in tables(text, "Slot", "Card", "Serial-number"):
        parts.append(_label(line["Slot"], line["Card"], line.get("Type"), line["Serial-number"], None))
    if not parts:
        parts = _elabel(text)
    boards = [part for part in parts if part["serial"] and (part["slot"] or "").isdigit()]
    # With one board the switch's serial number is its board's; a stack has several and none stands for all.
    if serial is None and len({part["serial"] for part in boards}) == 1:
        serial = boards[0]["serial"]
    return {"serial": serial, "parts": parts}


def _label(slot: str | None, sub: str | None, kind: str | None, serial: str | None, part_number: str | None) -> Row:
    place = value(sub) or value(slot)
    if place is not None and value(sub) is not None and place.isdigit():
        place = f"{value(slot)}/{place}" if value(slot) else place  # a subcard
    return {
        "chassis": value(slot),
        "slot": place,
        "type": value(kind),
        "serial": value(serial),
        "part_number": value(part_number),
    }


_PLACE = re.compile(r"^\[(?:Slot_?)?(\d+|(?:PWR|FAN|POWER)_?\d+|BackPlane_?\d*)\]$", re.IGNORECASE)
_INNER = re.compile(r"^(?:/\$)?\[(?:Board Properties|Main_Board|[\w ]+ Version)\]$", re.IGNORECASE)


def _elabel(text: str | None) -> list[Row]:
    """The key=value form: the first properties under each place are its own. Ports and cards are passed over."""
    parts: dict[str, Row] = {}
    place = None
    for line in map(str.strip, clean(text).split("\n")):
        match = _PLACE.match(line)
        if match:
            place = match.group(1).upper().replace("_", "").replace("POWER", "PWR")
            continue
        if re.match(r"^(?:/\$)?\[", line):
            place = place if _INNER.match(line) else None
            continue
        match = re.match(r"^(BoardType|BarCode|Item)=(.*)$", line)
        if match and place is not None:
            part = parts.setdefault(place, _label(None, place, None, None, None))
            key = {"BoardType": "type", "BarCode": "serial", "Item": "part_number"}[match.group(1)]
            if part[key] is None:
                part[key] = value(match.group(2))
    return list(parts.values())


def parse_esn(text: str | None) -> str | None:
    """``display device esn`` / ``display esn``; None with several (a stack), of which none stands for all."""
    found = {
        match.group(1)
        for match in re.finditer(r"^\s*ESN of [\w ]+?\s*:\s*(\S+)\s*$", clean(text), re.MULTILINE | re.IGNORECASE)
    }
    known = {esn for esn in (value(esn) for esn in found) if esn is not None}
    return known.pop() if len(known) == 1 else None
