"""What ``hccn_tool -i N -<what> -g`` says, to typed values.

Words by the tool's own source as published with the driver (hccn_tool: tool.c, tool_ops_ip.c, cmd.c), and by captures
of a 910B. Each parser takes the whole answer and gives a ``Reading``; an answer that it does not know gives none, with
a problem that quotes it. ``device`` is the physical id that was asked for: an answer that names another one is refused.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Callable, Mapping

from . import hccn_link, hccn_lldp, hccn_optics
from .texts import Reading, lines, once, sample, whole

UNSET = "0.0.0.0"  # noqa: S104 - how the device holds an address that nobody set; nothing is bound to it
AUTO = -1  # RoCE port that the device chooses; so the file has it, too
HEALTH = ("Success", "Socket fail", "Receive timeout", "Unreachable", "Time exceeded", "Fault", "Init")

BUSY = re.compile(r"\bis busy, please try again", re.IGNORECASE)
# Errors that concern the tool as a whole, in the order in which they are looked for -> why nothing can be read.
_WHOLE = (
    (re.compile(r"permission denied: pls check this cmd run permission", re.IGNORECASE), "no permission: needs root"),
    (re.compile(r"pls check this cmd run environment", re.IGNORECASE), "may not run in this container or machine"),
    (re.compile(r"error while loading shared libraries|cannot open shared object", re.IGNORECASE), "driver incomplete"),
    (re.compile(r"dcmi model initialized failed|dsmi.{0,40}init.{0,20}fail", re.IGNORECASE), "driver not loaded"),
)
_DEVICE = (
    (re.compile(r"Get invalid device id|The device is not exist", re.IGNORECASE), "there is no such device"),
    (
        re.compile(r"Get device health status failed|Get device info failed", re.IGNORECASE),
        "the device does not answer",
    ),
)
_UNSUPPORTED = re.compile(r"not supported on this product|VM does not support|Get invalid major cmd\.", re.IGNORECASE)

_ADDRESS = r"(\S{7,40})"
_IPADDR = re.compile(r"^ipaddr:\s{0,4}" + _ADDRESS + "$")
_NETMASK = re.compile(r"^netmask:\s{0,4}" + _ADDRESS + "$")
_GATEWAY = re.compile(r"^default gateway:\s{0,4}([^\s,]{7,40}),\s{0,4}Iface:\s{0,4}\S{1,16}$")
_NETDETECT = re.compile(r"^netdetect addr(?:ess)?:\s{0,4}" + _ADDRESS + "$")
_MTU = re.compile(r"^mtu:\s{0,4}(\d{1,6})$")
_MAC = re.compile(r"^mac addr:\s{0,4}(\S{17})$")
_FEC = re.compile(r"^fec mode: (rs|no|auto) FEC mode$")
_HEALTH = re.compile(r"^net health status:\s{0,4}([A-Za-z][A-Za-z ]{2,30})$")
_LINK = re.compile(r"^link status: (UP|DOWN)$")
_SPEED = re.compile(r"^Speed:\s{0,4}(\d{1,7}) ?Mb/s$")
_UDP = re.compile(r"^udp_port:\s{0,4}(\d{1,6}|Unknown)$")
_UDP_STATE = re.compile(r"^status:\s{0,4}([a-z_]{3,16})$")
_TLS = re.compile(r"^(?:dev_id:|device )(\d{1,3}), tls switch\[([01])\]\(0:disable, 1:enable\)")
_SETTINGS = re.compile(r"^(?:Netdev status:)?Settings for eth\d{1,3}:$")
_STATUS_SPEED = re.compile(r"^\s{1,16}Speed: (\S{1,24}(?: \(\d+\))?)$")
_DETECTED = re.compile(r"^\s{1,16}Link detected: (yes|no)$")
_PAIR = re.compile(r"^\s{0,8}(\d{1,3})\s{1,16}(\d{1,3})$")


def _ipv4(text: str) -> str | None:
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        return None


def _mask(text: str) -> str | None:
    try:
        network = ipaddress.IPv4Network(f"{UNSET}/{text}")
    except ValueError:
        return None
    # "0.0.0.255" is taken as a host mask by the library; the device holds the netmask as it stands.
    return text if str(network.netmask) == text else None


def refusal(text: Any) -> str | None:
    """Why the tool as a whole gives no answers (no permission, no driver); None: it is no such answer."""
    words = str(text or "")[:4000]
    for pattern, why in _WHOLE:
        if pattern.search(words):
            return why
    return None


def device_refusal(text: Any) -> str | None:
    """Why this device gives no answers; None: it is no such answer."""
    words = str(text or "")[:4000]
    for pattern, why in _DEVICE:
        if pattern.search(words):
            return why
    return None


def unknown(text: Any) -> str:
    """A problem for an answer that no parser knows."""
    if _UNSUPPORTED.search(str(text or "")[:4000]):
        return "the tool says that it does not know this here"
    if BUSY.search(str(text or "")[:4000]):
        return "hccn_tool stayed busy"
    return f"unknown answer: {sample(text)}"


def _or_unknown(reading: Reading, text: Any) -> Reading:
    if reading.value is not None:
        return reading
    return Reading(None, reading.problem if "two" in str(reading.problem) else unknown(text))


def parse_ip(text: Any, device: int | None = None) -> Reading:
    """``{"address", "netmask"}``; both None when the tool says that no address was set."""
    rows = lines(text)
    if any(row == "Get ipconf failed, because no ip was preset there!" for row in rows) or any(
        row == "Get ip failed, because no ip was preset there!" for row in rows
    ):
        set_too = any(_IPADDR.match(row) for row in rows)
        return (
            Reading(None, "two different values in one answer")
            if set_too
            else Reading({"address": None, "netmask": None})
        )
    address, netmask = once(rows, _IPADDR, _ipv4), once(rows, _NETMASK, _mask)
    if address.value is None or netmask.value is None:
        return _or_unknown(address if address.value is None else netmask, text)
    return Reading({"address": address.value, "netmask": netmask.value})


def parse_gateway(text: Any, device: int | None = None) -> Reading:
    """The default gateway; None without a problem: the tool says that there is none."""
    rows = lines(text)
    if "Get gateway failed, because no gateway was preset there!" in rows:
        both = any(_GATEWAY.match(row) for row in rows)
        return Reading(None, "two different values in one answer") if both else Reading(None)
    return _or_unknown(once(rows, _GATEWAY, _ipv4), text)


def parse_netdetect(text: Any, device: int | None = None) -> Reading:
    """The address that the port watches; None without a problem: none is set (the device holds 0.0.0.0)."""
    reading = once(lines(text), _NETDETECT, _ipv4)
    return Reading(None) if reading.value == UNSET else _or_unknown(reading, text)


def parse_mtu(text: Any, device: int | None = None) -> Reading:
    """Bytes of an IP packet; the tool takes 68 to 9702."""
    return _or_unknown(once(lines(text), _MTU, whole(68, 9702)), text)


def parse_mac(text: Any, device: int | None = None) -> Reading:
    """Lower case, with colons."""

    def convert(word: str) -> str | None:
        return word.lower() if re.match(r"^(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$", word) else None

    return _or_unknown(once(lines(text), _MAC, convert), text)


def parse_fec(text: Any, device: int | None = None) -> Reading:
    """``rs``, ``no`` or ``auto``."""
    return _or_unknown(once(lines(text), _FEC, str), text)


def parse_net_health(text: Any, device: int | None = None) -> Reading:
    """One of ``HEALTH``; a port that watches no address stays ``Init``."""
    return _or_unknown(once(lines(text), _HEALTH, lambda word: word if word in HEALTH else None), text)


def parse_link(text: Any, device: int | None = None) -> Reading:
    """``up`` or ``down``."""
    return _or_unknown(once(lines(text), _LINK, str.lower), text)


def parse_speed(text: Any, device: int | None = None) -> Reading:
    """Mbit/s of ``-speed``; None without a problem: the tool says ``Unknown`` (the link is down)."""
    rows = lines(text)
    if "Speed: Unknown!" in rows:
        both = any(_SPEED.match(row) for row in rows)
        return Reading(None, "two different values in one answer") if both else Reading(None)
    return _or_unknown(once(rows, _SPEED, whole(1, 1600000)), text)


def parse_status(text: Any, device: int | None = None) -> Reading:
    """``{"link": up|down|None, "speed_mbps": n|None}`` of ``-status``, which is ethtool's view of the port."""
    rows = lines(text)
    if sum(1 for row in rows if _SETTINGS.match(row)) != 1:
        return Reading(None, unknown(text))
    detected = once(rows, _DETECTED, lambda word: "up" if word == "yes" else "down")
    if detected.value is None:
        return _or_unknown(detected, text)
    speed = once(rows, _STATUS_SPEED, _mbps)
    return Reading({"link": detected.value, "speed_mbps": speed.value if speed.value else None})


def _mbps(word: str) -> int | None:
    match = re.match(r"^(\d{1,7})Mb/s$", word)
    if match is not None:
        return int(match.group(1))
    return 0 if word.startswith("Unknown!") else None


def parse_pfc(text: Any, device: int | None = None) -> Reading:
    """Eight bits, priority 0 first."""
    rows = lines(text)
    heads = [place for place, row in enumerate(rows) if row.split() == ["priority", *"01234567"]]
    bits = {tuple(words[1:]) for words in (row.split() for row in rows) if words[:1] == ["enabled"]}
    if len(heads) != 1 or len(bits) != 1:
        two = len(heads) > 1 or len(bits) > 1
        return Reading(None, "two different values in one answer" if two else unknown(text))
    found = bits.pop()
    after = rows[heads[0] + 1].split() if heads[0] + 1 < len(rows) else []
    if len(found) != 8 or set(found) - {"0", "1"} or after[1:] != list(found):
        return Reading(None, unknown(text))
    return Reading([int(bit) for bit in found])


def parse_dscp_to_tc(text: Any, device: int | None = None) -> Reading:
    """``{"33": 3, ...}``: every DSCP that the answer shows, with its traffic class."""
    rows = lines(text)
    heads = [place for place, row in enumerate(rows) if row.split() == ["dscp", "tc"]]
    if len(heads) != 1:
        return Reading(None, "two different values in one answer" if heads else unknown(text))
    pairs: dict[str, int] = {}
    for row in rows[heads[0] + 1 :]:
        match = _PAIR.match(row)
        if match is None:
            break
        dscp, tc = int(match.group(1)), int(match.group(2))
        # The tool counts up; anything else is not its table.
        if dscp > 63 or tc > 7 or (pairs and dscp <= int(list(pairs)[-1])):
            return Reading(None, unknown(text))
        pairs[str(dscp)] = tc
    return Reading(pairs) if pairs else Reading(None, unknown(text))


def parse_udp(text: Any, device: int | None = None) -> Reading:
    """The RoCE UDP port; ``AUTO`` when the device chooses it."""
    rows = lines(text)
    state = once(rows, _UDP_STATE, str)
    port = once(rows, _UDP, lambda word: AUTO if word == "Unknown" else whole(1, 65535)(word))
    if state.value == "auto" and port.value is not None:
        return Reading(AUTO)
    if state.value == "custom" and port.value is not None and port.value > 0:
        return port
    return _or_unknown(Reading(None, port.problem or state.problem), text)


def parse_tls(text: Any, device: int | None = None) -> Reading:
    """0 (off) or 1 (on)."""
    found = [match.groups() for match in (_TLS.match(row) for row in lines(text)) if match is not None]
    if not found:
        return Reading(None, unknown(text))
    if len(set(found)) > 1:
        return Reading(None, "two different values in one answer")
    if device is not None and int(found[0][0]) != device:
        return Reading(None, f"the answer is about device {found[0][0]}")
    return Reading(int(found[0][1]))


# What is asked for -> its parser. Every key is an option of the tool, sent as "-<key> -g".
PARSERS: Mapping[str, Callable[..., Reading]] = {
    "ip": parse_ip,
    "gateway": parse_gateway,
    "netdetect": parse_netdetect,
    "mtu": parse_mtu,
    "pfc": parse_pfc,
    "dscp_to_tc": parse_dscp_to_tc,
    "udp": parse_udp,
    "tls": parse_tls,
    "mac": parse_mac,
    "status": parse_status,
    "fec": parse_fec,
    "net_health": parse_net_health,
    "link_stat": hccn_link.parse_link_stat,
    "lldp": hccn_lldp.parse_lldp,
    "optical": hccn_optics.parse_optical,
}
# Asked where "-status" is not known.
FALLBACKS: Mapping[str, Callable[..., Reading]] = {"link": parse_link, "speed": parse_speed}
