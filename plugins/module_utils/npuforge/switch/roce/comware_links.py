"""What H3C and HPE Comware switches print about links: interfaces, LLDP neighbours and optics.

Followed: ntc-templates' device captures of ``display interface`` and ``display lldp neighbor-information``
(list, verbose), and the layouts of ``display transceiver diagnosis interface`` that deployed tooling reads. As in
``comware_parse``: None for a text that is not that command's answer; nothing raises.
"""

from __future__ import annotations

import re
from typing import Dict, List, NamedTuple

from ...common import Document
from .. import parse
from .comware_names import canonical, is_port


class Interface(NamedTuple):
    """One interface. ``speed_mbps`` None: not negotiated or not shown; ``crc_errors`` None: not shown (``-``)."""

    link: str | None
    reason: str | None
    speed_mbps: int | None
    max_frame_bytes: int | None
    flow_control: bool | None
    crc_errors: int | None


_TITLE = re.compile(r"^\s?([A-Za-z0-9][A-Za-z0-9-]*[A-Za-z]\d+(?:/\d+)*(?::\d+)?(?:\.\d+)?)\s*$")
_OLD_TITLE = re.compile(r"^\s?([A-Za-z0-9][\w/:.-]*\d)\s+current state\s*:\s*(\S.*?)\s*$", re.IGNORECASE)
_STATE = re.compile(r"^\s*Current state\s*:\s*(\S.*?)\s*$")
_SPEED = re.compile(r"(?m)^\s*(\d{1,4})(G|M)b(?:ps-speed mode\b|/s, )")
_FRAME = re.compile(r"(?mi)^\s*(?:The )?Maximum frame length\s*(?::|is)\s*(\d{3,5})\s*$")
_FLOW = re.compile(r"(?m)^\s*Flow-control(?: is (not )?enabled|: (Enabled|Disabled))\s*$")
_CRC = re.compile(r"^\s*(\d{1,20}) CRC,", re.MULTILINE)


def parse_interfaces(text: str | None) -> dict[str, Interface] | None:
    """``display interface``: one block per interface, by long name.

    A block begins with the name alone and ``Current state: UP``; before Comware 7 with ``X current state: DOWN (
    Administratively )``.
    """
    blocks: dict[str, list[str]] = {}
    states: dict[str, str] = {}
    lines: list[str] | None = None
    title: str | None = None
    for line in parse.clean(text).split("\n"):
        old = _OLD_TITLE.match(line)
        state = _STATE.match(line)
        if old or (state and title is not None):
            name = canonical(old.group(1) if old else title or "")
            lines = blocks.setdefault(name, [])
            states.setdefault(name, (old or state).group(2 if old else 1))  # type: ignore[union-attr] # one of them is
            title = None
            continue
        named = _TITLE.match(line)
        title = named.group(1) if named else None
        if lines is not None and named is None:
            lines.append(line)
    return {name: _interface(states[name], "\n".join(block)) for name, block in blocks.items()} or None


def _interface(state: str, block: str) -> Interface:
    speed, frame, flow = _SPEED.search(block), _FRAME.search(block), _FLOW.search(block)
    crc = _CRC.search(re.split(r"\n\s?Output \(total\)", block, maxsplit=1)[0])
    word = state.upper()
    link = "up" if re.match(r"^UP\b", word) else "down" if re.search(r"\bDOWN\b", word) else None
    reason = None if word in ("UP", "DOWN") else re.sub(r"[()\s]+", " ", state).strip().lower()
    if reason is not None and "administratively" in reason:
        reason = "administratively down"
    return Interface(
        link,
        reason,
        int(speed.group(1)) * (1000 if speed.group(2) == "G" else 1) if speed else None,
        int(frame.group(1)) if frame else None,
        None if flow is None else flow.group(2) == "Enabled" if flow.group(2) else flow.group(1) is None,
        int(crc.group(1)) if crc else None,
    )


Neighbors = Dict[str, List[Dict[str, str]]]


def parse_lldp(text: str | None) -> Neighbors | None:
    """``display lldp neighbor-information verbose``: ``{port: [{device, port}]}``, of the nearest-bridge agent.

    A neighbour without a system name is named by its chassis id. Other agents (nearest customer bridge, nearest
    non-TPMR) hear frames from farther away than the cable's other end, so they tell nothing about the cable.
    """
    found: dict[str, list[dict[str, str]]] = {}
    port: str | None = None
    nearest, seen = True, False
    fields: dict[str, str] = {}

    def take() -> None:
        if port is not None and nearest and fields.get("Port ID"):
            device = parse.value(fields.get("System name")) or fields.get("Chassis ID", "")
            entry = {"device": device, "port": fields["Port ID"]}
            if entry not in found.setdefault(port, []):
                found[port].append(entry)

    for line in parse.clean(text).split("\n"):
        head = re.match(r"^\s*LLDP neighbor-information of port \d+\s*\[([^\]\s]+)\]\s*:\s*$", line)
        agent = re.match(r"^\s*LLDP agent (nearest-\S+?)\s*:\s*$", line)
        if head or agent or re.match(r"^\s*LLDP neighbor index\s*:", line):
            take()
            fields = {}
        if head:
            port, nearest, seen = canonical(head.group(1)), True, True
        elif agent:
            nearest = agent.group(1) == "nearest-bridge"
        else:
            field = re.match(r"^ {1,2}(Chassis ID|Port ID|System name)\s*:\s*(\S.*?)\s*$", line)
            if field:
                fields.setdefault(field.group(1), field.group(2))
    take()
    return found if seen else None


_LIST = ("System Name", "Local Interface", "Chassis ID", "Port ID")


def parse_lldp_list(text: str | None) -> Neighbors | None:
    """``display lldp neighbor-information list``: ``{port: [{device, port}]}``. Columns may stand in any order.

    A neighbour of another agent is marked by ``*`` or ``#`` and passed over. A row whose cells are not under their
    headings is not understood and skipped.
    """
    found: dict[str, list[dict[str, str]]] | None = None
    starts: list[tuple[int, str]] = []
    for line in parse.clean(text).split("\n"):
        if all(column in line for column in _LIST):
            # "Chassis ID" must not be found in the legend above ("Chassis ID : * -- -- Nearest nontpmr ...").
            starts = sorted((line.index(column), column) for column in _LIST)
            found = {} if found is None else found
            continue
        if found is None or not line.strip():
            continue
        cells: dict[str, str] = {}
        for index, (start, column) in enumerate(starts):
            end = starts[index + 1][0] if index + 1 < len(starts) else len(line)
            if start > 0 and line[start - 1 : start].strip():
                cells = {}
                break
            cells[column] = line[start:end].strip()
        if not cells or not is_port(cells["Local Interface"]) or not cells["Port ID"]:
            continue
        if cells["Chassis ID"][:1] in ("*", "#"):
            continue
        entry = {"device": parse.value(cells["System Name"]) or cells["Chassis ID"], "port": cells["Port ID"]}
        found.setdefault(canonical(cells["Local Interface"]), []).append(entry)
    return found


_COLUMN = re.compile(
    r"\[?Channel\]?|\[module\]|"
    r"Temp\.?\s?\([^)]*\)|Voltage\(V\)|Bias\(mA\)|RX power\(dBm\)|TX power\(dBm\)",
    re.IGNORECASE,
)
_VALUE = re.compile(r"^[+-]?\d{1,5}(?:\.\d{1,4})?$")


def parse_transceivers(text: str | None) -> dict[str, Document] | None:
    """``display transceiver diagnosis interface``: ``{port: {present, temperature_celsius, rx_power_dbm: [lane],
    tx_power_dbm: [lane], <rx|tx>_power_<low|high>_dbm: [limit]}}``; powers are None when not shown.

    Modules of one lane print one row of five values; QSFP ones a row for the module and one for each channel. The
    limits are the module's alarm thresholds.
    """
    found: dict[str, Document] = {}
    optic: Document | None = None
    columns: list[str] = []
    section = ""
    for line in parse.clean(text).split("\n"):
        match = re.match(r"^\s*(\S+\d) transceiver diagnostic information\s*:\s*$", line)
        if match:
            optic = found.setdefault(canonical(match.group(1)), {"present": True, "alarms": []})
            columns, section = [], "current"
            continue
        if optic is None:
            continue
        if re.match(r"^\s*The transceiver is absent\.?\s*$", line):
            optic["present"] = False
        elif re.match(r"^\s*(Alarm|Warning) thresholds\s*:\s*$", line):
            columns, section = [], line.split()[0].lower()
        elif re.match(r"^\s*Current diagnostic parameters\s*:\s*$", line):
            columns, section = [], "current"
        else:
            named = [re.sub(r"[\[\]]", "", each).lower() for each in _COLUMN.findall(line)]
            if named and not _COLUMN.sub("", line).strip():
                columns = [each for each in named if each != "module"]
            else:
                _values(optic, section, columns, line.split())
    return found or None


def _values(optic: Document, section: str, columns: list[str], words: list[str]) -> None:
    limit = words[0].lower() if words and words[0].lower() in ("high", "low") else None
    cells = words[1:] if limit else words
    if not columns or len(cells) != len(columns) or (limit is None) != (section == "current"):
        return
    if not all(_VALUE.match(cell) or cell in ("-", "--", "N/A") for cell in cells):
        return
    row = {name: float(cell) if _VALUE.match(cell) else None for name, cell in zip(columns, cells)}
    lanes = "channel" in row or "bias(ma)" in row  # else it is the module's sum, which tells nothing about a lane
    for name, key in (("rx power(dbm)", "rx_power"), ("tx power(dbm)", "tx_power")):
        if name not in row or row[name] is None:
            continue
        if section == "current" and lanes:
            optic.setdefault(f"{key}_dbm", []).append(row[name])
        elif section == "alarm" and f"{key}_{limit}_dbm" not in optic:
            optic[f"{key}_{limit}_dbm"] = [row[name]]
    if section == "current":
        for name, value in row.items():
            if name.startswith("temp") and value is not None:
                optic.setdefault("temperature_celsius", value)
