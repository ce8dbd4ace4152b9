"""What ``hccn_tool -s`` changes: first the device, then /etc/hccn.conf; and what ``-cfg recovery`` makes of that file.

Checks, their order and limits: source of hccn_tool (tool_ops_ip.c, tool_ext_qos.c). A device that was told something
keeps it when the file cannot be written, and the tool says so.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from lab.npu import conf, failure
from lab.npu.call import Call
from lab.npu.failure import Failure, Kind
from lab.npu.hccn_show import slot
from lab.npu.ping import ipv4
from lab.wires import npu_of

Document = dict[str, Any]
MTU_RANGE, PORT_RANGE = (68, 9702), (4097, 65535)
MOST_PRIORITIES, HIGHEST_TC, HIGHEST_DSCP = 4, 3, 63
VNIC_NETWORK = ipaddress.ip_network("192.168.1.0/24")  # the host's own network to the devices


@contextmanager
def _settings(call: Call, device: int) -> Iterator[Document]:
    """The device's own settings, to change them."""
    with call.world.update(call.node) as node:
        npu = npu_of(node, slot(device))
        if npu is None:
            raise Failure(failure.NO_DEVICE)
        settings: Document = npu["net"]["conf"]
        yield settings


def _file(call: Call) -> str:
    text = call.read(conf.PATH)
    if text is None:
        raise Failure(failure.NO_CONF_FILE)
    return text


def _keep(call: Call, device: int, **values: str) -> None:
    """Write keys into /etc/hccn.conf, in this order."""
    text = _file(call)
    for key, value in values.items():
        text = conf.write(text, key, device, value)
    call.write(conf.PATH, text)


def _pairs(words: list[str], *names: str) -> list[str]:
    """The values of ``name value`` pairs, in the order of ``names``."""
    if len(words) != 2 * len(names):
        raise Failure(failure.COUNT)
    given = dict(zip(words[::2], words[1::2], strict=True))
    if set(given) != set(names):
        raise Failure(failure.NO_OPTION)
    return [given[name] for name in names]


def small(text: str, highest: int, kind: Kind) -> int:
    """A number of at most three digits without leading zeros."""
    if not text.isdigit() or len(text) > 3 or (len(text) > 1 and text[0] == "0"):
        raise Failure(failure.INVALID)
    if int(text) > highest:
        raise Failure(kind)
    return int(text)


# --- settings --------------------------------------------------------------------------------------------------------


def ip(call: Call, device: int, words: list[str]) -> None:
    """``address A netmask M``. A gateway in the file that fits goes on; one that does not is forgotten."""
    address, netmask = _pairs(words, "address", "netmask")
    _set_address(call, device, address, netmask)
    text = _file(call)
    gateway = conf.read(text, "gateway", device)
    if gateway is not None and not _same_segment(address, gateway, netmask):
        call.write(conf.PATH, conf.delete(text, "gateway", device))
        gateway = None
    with _settings(call, device) as settings:
        settings["gateway"] = gateway
    _keep(call, device, address=address, netmask=netmask)


def _set_address(call: Call, device: int, address: str, netmask: str) -> None:
    ipv4(address)
    _netmask(netmask)
    node = call.world.read(call.node)
    others = [npu["net"]["conf"]["address"] for npu in node["npus"] if npu["slot"] != slot(device)]
    if address in others or ipaddress.ip_address(address) in VNIC_NETWORK:
        raise Failure(failure.CONFLICT)
    with _settings(call, device) as settings:
        settings.update(address=address, netmask=netmask, gateway=None)


def _netmask(text: str) -> None:
    try:
        ipaddress.ip_network(f"0.0.0.0/{ipv4(text)}")
    except ValueError as error:
        raise Failure(failure.BAD_ADDRESS) from error


def _same_segment(address: str, other: str, netmask: str) -> bool:
    network = ipaddress.ip_network(f"{address}/{netmask}", strict=False)
    return ipaddress.ip_address(other) in network


def gateway(call: Call, device: int, words: list[str]) -> None:
    """``gateway G``: it must be in the segment of the device's address."""
    [address] = _pairs(words, "gateway")
    _set_gateway(call, device, ipv4(address))
    _keep(call, device, gateway=address)


def _set_gateway(call: Call, device: int, address: str) -> None:
    with _settings(call, device) as settings:
        if settings["address"] is None:
            raise Failure(failure.GATEWAY_NO_IP)
        if not _same_segment(settings["address"], address, settings["netmask"]):
            raise Failure(failure.GATEWAY_SEGMENT)
        settings["gateway"] = address


def netdetect(call: Call, device: int, words: list[str]) -> None:
    [address] = _pairs(words, "address")
    _set_netdetect(call, device, address)
    _keep(call, device, netdetect=address)


def _set_netdetect(call: Call, device: int, address: str) -> None:
    if ipv4(address) == "255.255.255.255":
        raise Failure(failure.BROADCAST)
    with _settings(call, device) as settings:
        settings["netdetect"] = address


def mtu(call: Call, device: int, words: list[str]) -> None:
    [size] = _pairs(words, "size")
    _set_mtu(call, device, size)
    _keep(call, device, mtu=size)


def _set_mtu(call: Call, device: int, size: str) -> None:
    if not size.isdigit():
        raise Failure(failure.INVALID)
    if not MTU_RANGE[0] <= int(size) <= MTU_RANGE[1]:
        raise Failure(failure.MTU_RANGE)
    with _settings(call, device) as settings:
        settings["mtu"] = int(size)


def pfc(call: Call, device: int, words: list[str]) -> None:
    [bitmap] = _pairs(words, "bitmap")
    _set_pfc(call, device, bitmap)
    _keep(call, device, bitmap=bitmap)


def _set_pfc(call: Call, device: int, bitmap: str) -> None:
    bits = bitmap.split(",")
    if len(bits) != 8 or set(bits) - {"0", "1"}:
        raise Failure(failure.INVALID)
    if bits.count("1") > MOST_PRIORITIES:
        raise Failure(failure.PFC_NUMBER)
    with _settings(call, device) as settings:
        settings["bitmap"] = [int(bit) for bit in bits]


def dscp_to_tc(call: Call, device: int, words: list[str]) -> None:
    """``dscp D tc T``; the file's one line of pairs gets this pair, or its new traffic class."""
    if len(words) != 4:
        raise Failure(failure.COUNT)
    if words[0::2] != ["dscp", "tc"]:
        raise Failure(failure.NO_OPTION)
    dscp = small(words[1], HIGHEST_DSCP, failure.DSCP_RANGE)
    tc = small(words[3], HIGHEST_TC, failure.TC_RANGE)
    with _settings(call, device) as settings:
        settings["dscp_tc"][str(dscp)] = tc
    pairs = _dscp_pairs(conf.read(_file(call), "dscp_tc", device) or "")
    pairs[dscp] = tc
    _keep(call, device, dscp_tc="".join(f"{dscp}:{tc}," for dscp, tc in pairs.items()))


def _dscp_pairs(text: str) -> dict[int, int]:
    """``33:3,`` -> {33: 3}; Failure: not such a line, or beyond the limits."""
    pairs = {}
    for part in text.split(","):
        if len(part) <= 1:
            continue
        dscp, colon, tc = part.partition(":")
        if not (colon and dscp.isdigit() and tc.isdigit() and int(dscp) <= HIGHEST_DSCP and int(tc) <= HIGHEST_TC):
            raise Failure(failure.PARSE_CONF)
        pairs[int(dscp)] = int(tc)
    return pairs


def udp(call: Call, device: int, words: list[str]) -> None:
    """``port P`` or ``auto`` (-1 in the file)."""
    if not words or len(words) > 2:
        raise Failure(failure.COUNT)
    if words == ["auto"]:
        port = "-1"
    elif words[0] == "port" and len(words) == 2:
        port = words[1]
    else:
        raise Failure(failure.NO_OPTION)
    _set_port(call, device, port)
    _keep(call, device, roce_port=port)


def _set_port(call: Call, device: int, port: str) -> None:
    if port != "-1" and not (port.isdigit() and PORT_RANGE[0] <= int(port) <= PORT_RANGE[1]):
        raise Failure(failure.INVALID)
    with _settings(call, device) as settings:
        settings["roce_port"] = int(port)


def tls(call: Call, device: int, words: list[str]) -> None:
    [enable] = _pairs(words, "enable")
    _set_tls(call, device, enable)
    _keep(call, device, tls_enable=enable)


def _set_tls(call: Call, device: int, enable: str) -> None:
    if enable not in ("0", "1"):
        raise Failure(failure.TLS_ENABLE)
    with _settings(call, device) as settings:
        settings["tls_enable"] = int(enable)


def link(call: Call, device: int, words: list[str]) -> None:
    """``up`` also replays the file; ``down`` is in no file and ends with the next boot, ``up`` or recovery."""
    if not words:
        raise Failure(failure.COUNT)
    if words not in (["up"], ["down"]):
        raise Failure(failure.NO_OPTION)
    with _settings(call, device) as settings:
        settings["link"] = words[0]
    if words == ["up"]:
        recover(call, device)


def clear_link_stat(call: Call, device: int, words: list[str]) -> None:
    _clear(call, device, words, "flaps", [])


def clear_stat(call: Call, device: int, words: list[str]) -> None:
    _clear(call, device, words, "counters", {})


def _clear(call: Call, device: int, words: list[str], key: str, empty: object) -> None:
    if words:
        raise Failure(failure.COUNT)
    with call.world.update(call.node) as node:
        npu = npu_of(node, slot(device))
        if npu is not None:
            npu["net"][key] = empty


# --- recovery --------------------------------------------------------------------------------------------------------

Setter = Callable[[Call, int, str], None]


def _set_dscp(call: Call, device: int, text: str) -> None:
    for dscp, tc in _dscp_pairs(text).items():
        with _settings(call, device) as settings:
            settings["dscp_tc"][str(dscp)] = tc


# In the tool's order: what all devices have in common, then IPv4, where nothing goes on without the address.
COMMON: tuple[tuple[str, Setter], ...] = (
    ("mtu", _set_mtu),
    ("dscp_tc", _set_dscp),
    ("roce_port", _set_port),
    ("bitmap", _set_pfc),
    ("tls_enable", _set_tls),
)
IPV4: tuple[tuple[str, Setter], ...] = (("netdetect", _set_netdetect), ("gateway", _set_gateway))


def recover(call: Call, device: int) -> None:
    """Tell the device what /etc/hccn.conf says of it; keys that are not there change nothing."""
    text = _file(call)
    failed = sum(not _apply(call, device, text, key, setter) for key, setter in COMMON)
    address, netmask = conf.read(text, "address", device), conf.read(text, "netmask", device)
    try:
        if address is not None and netmask is not None:
            _set_address(call, device, address, netmask)
        failed += sum(not _apply(call, device, text, key, setter) for key, setter in IPV4)
    except Failure:
        failed += 1
    with _settings(call, device) as settings:
        settings["cfg_status"] = "FAIL" if failed else "SUCCESS"
        settings["link"] = "up"
    if failed:
        raise Failure(failure.RECOVERY)


def _apply(call: Call, device: int, text: str, key: str, setter: Setter) -> bool:
    value = conf.read(text, key, device)
    try:
        if value is not None:
            setter(call, device, value)
    except Failure:
        return False
    return True
