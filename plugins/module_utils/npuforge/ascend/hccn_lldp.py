"""The neighbour of a port: ``hccn_tool -i N -lldp -g``, and whether it is the planned one.

The tool prints what the kernel's lldptool does: headings that end in ``TLV``, each followed by indented lines, only a
system description runs on without indent (capture: a 910B at a Huawei switch).
"""

from __future__ import annotations

import re
from typing import Any, Mapping

from .texts import Reading, lines, sample

_HEADING = re.compile(r"^([A-Z][A-Za-z0-9/ -]{1,60}) TLV$")
_PORT = re.compile(r"^\s{1,16}(?:Ifname|Local|Interface alias|Port component): (\S{1,64})$")
_NAME = re.compile(r"^\s{1,16}(\S.{0,254})$")
_FRAME = re.compile(r"^\s{1,16}(\d{2,6})$")
_SPEEDS = {
    "fourhundredgige": "400ge",
    "twohundredgige": "200ge",
    "hundredgige": "100ge",
    "fiftygige": "50ge",
    "fortygige": "40ge",
    "twenty-fivegige": "25ge",
    "ten-gigabitethernet": "10ge",
}
_SPLIT = re.compile(r"^([a-z][a-z-]*?)(\d.*)$")


def parse_lldp(text: Any, device: int | None = None) -> Reading:
    """``{"device", "port", "max_frame_bytes"}``, each None where it is not told.

    None with a problem when no neighbour is heard: on this side that cannot be told from LLDP being off.
    """
    sections: dict[str, list[str]] = {}
    current: list[str] | None = None
    for row in lines(text):
        heading = _HEADING.match(row)
        if heading is not None:
            name = heading.group(1)
            # Management Address may come once for each address; all others once.
            if name in sections and name != "Management Address":
                return Reading(None, "two answers in one")
            current = sections.setdefault(name, [])
        elif current is not None:
            current.append(row)
    if "Port ID" not in sections:
        why = (
            f"unknown answer: {sample(text)}" if str(text or "").strip() else "no neighbour is heard (link or LLDP off)"
        )
        return Reading(None, why)
    if "End of LLDPDU" not in sections:
        return Reading(None, "the answer has no end")
    port = _only(sections["Port ID"], _PORT)
    # A name is any text: only when nothing else stands in its section it is not another answer's line.
    names = [row for row in sections.get("System Name", []) if row]
    name = _only(names, _NAME) if len(names) == 1 else None
    frame = _only(sections.get("Maximum Frame Size", []), _FRAME)
    if port is None:
        return Reading(None, f"a neighbour that tells no port name: {sample(chr(10).join(sections['Port ID']))}")
    return Reading({"device": name, "port": port, "max_frame_bytes": None if frame is None else int(frame)})


def _only(rows: list[str], pattern: Any) -> str | None:
    found = {match.group(1) for match in (pattern.match(row) for row in rows) if match is not None}
    return str(found.pop()) if len(found) == 1 else None


def port_key(name: str) -> str:
    """One spelling of a switch port's name: ``FourHundredGigE 1/0/6:1`` and ``400GE1/0/6:1`` are the same port."""
    text = re.sub(r"\s+", "", name).lower()
    match = _SPLIT.match(text)
    return _SPEEDS[match.group(1)] + match.group(2) if match is not None and match.group(1) in _SPEEDS else text


def cabling(name: str, neighbour: Mapping[str, Any] | None, planned: Mapping[str, Any], switches: Any) -> Reading:
    """Sentences on a cable that is not where it was planned.

    :param name: how the port is called, ``node2 NPU3``.
    :param planned: the port's row of the plan (``switch``, ``switch_port``).
    :param switches: names of all planned switches. A switch that calls itself by none of them cannot be told from the
        planned one by its name; its port still can when there is only one switch.
    """
    if planned.get("switch_port") is None:
        return Reading(None, "the plan says no switch port")
    if neighbour is None:
        return Reading(None, "no neighbour was read")
    seen, wanted = neighbour["port"], planned["switch_port"]
    names = {str(each).lower(): str(each) for each in switches}
    device = names.get(str(neighbour["device"] or "").lower())
    same_port = port_key(seen) == port_key(wanted)
    if device is None and len(names) > 1:
        return Reading(None, f"the neighbour calls itself {neighbour['device'] or 'nothing'}: which switch is that?")
    if device is not None and device.lower() != str(planned.get("switch")).lower():
        return Reading([f"{name} is on {device} {seen}, planned {planned.get('switch')} {wanted}"])
    return Reading([] if same_port else [f"{name} is on {seen}, planned {wanted}"])
