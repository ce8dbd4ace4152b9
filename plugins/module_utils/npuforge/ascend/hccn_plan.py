"""Which settings of which port differ from the plan, and in which order they may be written.

Order and rules by the tool's source (tool_ops_ip.c, tool_ext_qos.c, cfg.c):
- an address that another device of the host holds is refused, so a port gets its address after the port that gives it
  up; where they hold each other's, one of them takes an address of TEST-NET-2 (RFC 5737) in between;
- to set an address takes the gateway away, and a gateway needs an address in its own segment: address, gateway, then
  netdetect, which the device tries at once;
- a setting is written into /etc/hccn.conf by the same call. A key that is missing or wrong there is written by setting
  the device again to the value that it has.
"""

from __future__ import annotations

import ipaddress
from typing import Any, Iterable, Mapping, NamedTuple, Sequence

from . import hccn_conf
from .hccn_parse import AUTO, UNSET

Settings = Mapping[str, Any]
# What can be set, in the order of writing within one port. "address" stands for address and netmask.
ORDER = ("address", "gateway", "netdetect", "mtu_bytes", "pfc_bitmap", "dscp_tc", "roce_port", "tls_enable")
# Setting -> keys of the file.
KEYS = {
    "address": ("address", "netmask"),
    "gateway": ("gateway",),
    "netdetect": ("netdetect",),
    "mtu_bytes": ("mtu",),
    "pfc_bitmap": ("bitmap",),
    "dscp_tc": ("dscp_tc",),
    "roce_port": ("roce_port",),
    "tls_enable": ("tls_enable",),
}
# Setting -> fact that lists its differences.
FACTS = {
    "address": "address_differences",
    "gateway": "gateway_differences",
    "netdetect": "gateway_differences",
    "mtu_bytes": "mtu_differences",
    "pfc_bitmap": "pfc_differences",
    "dscp_tc": "dscp_differences",
    "roce_port": "roce_port_differences",
    "tls_enable": "tls_differences",
}
WORDS = {
    "gateway": "gateway",
    "netdetect": "netdetect",
    "mtu_bytes": "MTU",
    "pfc_bitmap": "PFC bitmap",
    "dscp_tc": "DSCP to TC map",
    "roce_port": "RoCE UDP port",
    "tls_enable": "TLS switch",
}


class Port(NamedTuple):
    """One port: its name (``node2/NPU3``), physical id, what is planned, what its device holds, what the file says.

    ``found``: by the names of ``ORDER`` and ``netmask``; a setting that could not be read is not in it, one that is
    known to be unset is None. ``unread``: setting -> why.
    """

    name: str
    device: int
    planned: Settings
    found: Settings
    kept: Mapping[str, str]
    unread: Mapping[str, str]

    @property
    def label(self) -> str:
        """``node2 NPU3``, as sentences call it."""
        return self.name.replace("/", " ")


class Step(NamedTuple):
    """``argv`` after the tool's name. ``setting``: name of ``ORDER``; ``words``: for people."""

    port: str
    device: int
    setting: str
    argv: list[str]
    words: str


def planned_of(row: Mapping[str, Any], plan: Mapping[str, Any]) -> dict[str, Any]:
    """The planned settings of a port: one row of the fabric plan's ``ports``, and what holds for all of them."""
    qos = plan["qos"]
    return {
        "address": row["address"],
        "netmask": row["netmask"],
        "gateway": row.get("gateway"),
        "netdetect": row.get("netdetect"),
        "mtu_bytes": plan["link"]["mtu_bytes"],
        "pfc_bitmap": list(plan["pfc"]["bitmap"]),
        "dscp_tc": {str(qos["dscp"]): qos["npu_tc"]},
        "roce_port": plan["roce_port"],
        "tls_enable": plan["tls_enable"],
        "speed_mbps": plan["link"]["speed_mbps"],
        "fec": plan["link"]["fec"],
        "switch": row.get("switch"),
        "switch_port": row.get("switch_port"),
    }


def device_differs(port: Port, setting: str) -> bool | None:
    """None: the device's value could not be read."""
    if setting not in port.found:
        return None
    if setting == "address":
        return any(port.found[key] != port.planned[key] for key in ("address", "netmask"))
    if setting == "dscp_tc":
        shown = port.found["dscp_tc"]
        # Only the planned code points are ours; what people mapped beside them stays.
        return any(shown.get(dscp) != tc for dscp, tc in port.planned["dscp_tc"].items())
    return bool(port.found[setting] != port.planned[setting])


def device_sentences(port: Port, setting: str, word: str = "planned") -> list[str] | None:
    """Differences of the device in one setting; None: not read. ``word``: what the other value is called."""
    differs = device_differs(port, setting)
    if differs is None:
        return None
    if not differs:
        return []
    if setting == "address":
        pairs = [(key, port.found[key], port.planned[key]) for key in ("address", "netmask")]
        return [f"{port.label}: {key} is {show(is_)}, {word} {show(want)}" for key, is_, want in pairs if is_ != want]
    if setting == "dscp_tc":
        shown = port.found["dscp_tc"]
        return [
            f"{port.label}: DSCP {dscp} is in TC {show(shown.get(dscp))}, {word} {tc}"
            for dscp, tc in port.planned["dscp_tc"].items()
            if shown.get(dscp) != tc
        ]
    is_, want = port.found[setting], port.planned[setting]
    return [f"{port.label}: {WORDS[setting]} is {show(is_)}, {word} {show(want)}"]


def show(value: Any) -> str:
    """A setting's value for people."""
    if value is None:
        return "not set"
    if isinstance(value, (list, tuple)):
        return ",".join(str(each) for each in value)
    if isinstance(value, dict):
        return " ".join(f"{key}:{each}" for key, each in value.items())
    return "auto" if value == AUTO else str(value)


def file_value(setting: str, key: str, planned: Settings) -> str | None:
    """What the file should hold for a key (``dscp_tc``: the planned pairs only); None: nothing."""
    value = planned[key] if setting == "address" else planned[setting]
    if value is None:
        return None
    if setting == "pfc_bitmap":
        return ",".join(str(bit) for bit in value)
    if setting == "dscp_tc":
        return hccn_conf.with_pairs(None, value)
    return str(value)


def file_sentences(port: Port, setting: str) -> list[str]:
    """Where the file lacks a planned key or would set something else at the next boot."""
    told = []
    for key in KEYS[setting]:
        name, kept, wanted = f"{key}_{port.device}", port.kept.get(key), file_value(setting, key, port.planned)
        if setting == "dscp_tc":
            told += _pair_sentences(port, name, kept)
        elif wanted is None:
            # A watched address that was switched off stays in the file as 0.0.0.0.
            if kept is not None and kept != UNSET:
                told.append(f"{port.label}: {hccn_conf.PATH} has {name}={quoted(kept)}, planned is none")
        elif kept is None:
            told.append(f"{port.label}: {hccn_conf.PATH} lacks {name}={wanted}; a restart loses it")
        elif kept != wanted:
            told.append(f"{port.label}: {hccn_conf.PATH} has {name}={quoted(kept)}, planned {wanted}")
    return told


def _pair_sentences(port: Port, name: str, kept: str | None) -> list[str]:
    if kept is None:
        wanted = file_value("dscp_tc", "dscp_tc", port.planned)
        return [f"{port.label}: {hccn_conf.PATH} lacks {name}={wanted}; a restart loses it"]
    found = hccn_conf.pairs(kept)
    if found is None:
        return [f"{port.label}: {hccn_conf.PATH} has {name}={quoted(kept)}, which the tool cannot read"]
    return [
        f"{port.label}: {hccn_conf.PATH} has DSCP {dscp} in TC {show(found.get(dscp))}, planned {tc}"
        for dscp, tc in port.planned["dscp_tc"].items()
        if found.get(dscp) != tc
    ]


def quoted(value: str) -> str:
    """A value of the file whose odd characters (a carriage return) can be seen."""
    return value if value.isprintable() and value == value.strip() else repr(value)


def differing(port: Port) -> list[str]:
    """Settings to write, in ``ORDER``: those that differ in the device or in the file.

    A setting that could not be read is not written: nobody could tell afterwards whether it had to be.
    """
    wanted = []
    for setting in ORDER:
        differs = device_differs(port, setting)
        if differs is None or not settable(port, setting):
            continue
        if differs or file_sentences(port, setting):
            wanted.append(setting)
    # The gateway goes when an address is set, and the tool writes back only one that its file knew.
    lost = "address" in wanted and "gateway" not in wanted and "gateway" in port.found
    if lost and port.planned["gateway"] is not None:
        wanted.insert(1, "gateway")
    return wanted


def settable(port: Port, setting: str) -> bool:
    """Whether the tool has a way to the planned value: it cannot take a gateway or an address away."""
    return port.planned[setting] is not None or setting == "netdetect"


def argv(device: int, setting: str, planned: Settings) -> list[list[str]]:
    """The calls (after the tool's name) that set one setting."""
    value = planned[setting]
    head = ["-i", str(device)]
    if setting == "address":
        return [[*head, "-ip", "-s", "address", value, "netmask", planned["netmask"]]]
    if setting == "gateway":
        return [[*head, "-gateway", "-s", "gateway", value]]
    if setting == "netdetect":
        return [[*head, "-netdetect", "-s", "address", value or UNSET]]
    if setting == "mtu_bytes":
        return [[*head, "-mtu", "-s", "size", str(value)]]
    if setting == "pfc_bitmap":
        return [[*head, "-pfc", "-s", "bitmap", ",".join(str(bit) for bit in value)]]
    if setting == "dscp_tc":
        return [[*head, "-dscp_to_tc", "-s", "dscp", dscp, "tc", str(tc)] for dscp, tc in value.items()]
    if setting == "roce_port":
        return [[*head, "-udp", "-s", "auto"] if value == AUTO else [*head, "-udp", "-s", "port", str(value)]]
    return [[*head, "-tls", "-s", "enable", str(value)]]


def steps(ports: Sequence[Port], holders: Sequence[Port] = ()) -> list[Step]:
    """All calls of one node in a safe order: first every address, then the other settings port by port.

    ``holders``: further ports of the node, which are not to be changed and keep their addresses.
    """
    wanted = {port.name: differing(port) for port in ports}
    moving = [port for port in ports if "address" in wanted[port.name]]
    made = _addresses(moving, [*ports, *holders])
    for port in ports:
        for setting in wanted[port.name]:
            if setting != "address":
                words = f"{port.label}: set {WORDS[setting]} to {show(port.planned[setting])}"
                calls = argv(port.device, setting, port.planned)
                made += [Step(port.name, port.device, setting, call, words) for call in calls]
    return made


def drops(ports: Sequence[Port]) -> list[tuple[str, int]]:
    """(key, device) to take out of the file: what is planned to be unset and the tool cannot unset.

    The device itself keeps such a setting until the host restarts.
    """
    return [
        (key, port.device)
        for port in ports
        for setting in ORDER
        if not settable(port, setting)
        for key in KEYS[setting]
        if key in port.kept
    ]


def _addresses(moving: Iterable[Port], ports: Sequence[Port]) -> list[Step]:
    held = {port.name: port.found.get("address") for port in ports}
    waiting = list(moving)
    made: list[Step] = []
    while waiting:
        port = next((each for each in waiting if not _holders(each, held)), waiting[0])
        holder = next((each for each in waiting if each.name in _holders(port, held)), None)
        if holder is not None:
            # They hold each other's addresses: the holder steps aside, and gets its own later.
            between = _between(held.values())
            made.append(_address_step(holder, between, "255.255.255.0"))
            held[holder.name] = between
            continue
        # Also when a port that is not to be changed keeps it: the tool will refuse, and its words are told.
        waiting.remove(port)
        made.append(_address_step(port, port.planned["address"], port.planned["netmask"]))
        held[port.name] = port.planned["address"]
    return made


def _holders(port: Port, held: Mapping[str, str | None]) -> list[str]:
    """Names of the other ports that hold this port's planned address."""
    return [name for name, address in held.items() if name != port.name and address == port.planned["address"]]


def _between(taken: Iterable[str | None]) -> str:
    """An address that is on no wire (RFC 5737) and that no port of this host holds."""
    used = set(taken)
    network = ipaddress.IPv4Network("198.51.100.0/24")
    return next(str(host) for host in network.hosts() if str(host) not in used)


def _address_step(port: Port, address: str, netmask: str) -> Step:
    words = f"{port.label}: set address to {address} netmask {netmask}"
    only = argv(port.device, "address", {"address": address, "netmask": netmask})[0]
    return Step(port.name, port.device, "address", only, words)
