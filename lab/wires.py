"""The wires of the NPU network: links, neighbours, and whether an address answers. Pure; ``lab.fabric`` builds on it.

Assumptions, where no document says it:

* The switches are one layer-2 network. A router that is not simulated answers at .1 and .254 of every /24.
* A link runs at the lowest speed of its parts; unlike FEC modes keep it down; without FEC it damages some frames.
"""

from __future__ import annotations

import ipaddress
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from lab.switch import roce
from lab.world import World

Document = Mapping[str, Any]
Endpoint = tuple[str, str]  # ("node2", "NPU3")

ROUTER_HOSTS = (1, 254)
RX_LOS_MW, RX_LOW_MW = 0.03, 0.1445  # loss of signal; the module's own low threshold (capture of -optical -g)
SNR_LOW_DB = 8.0
ICMP_BYTES = 28  # IP and ICMP headers
FRAME_BYTES = 18  # Ethernet header and checksum, which a switch counts in its largest frame
NO_FEC_DAMAGE, WEAK_LIGHT_DAMAGE = 2e-4, 2e-5


@dataclass(frozen=True)
class Link:
    """One NPU port with its cable. ``damage``: share of frames that arrive broken."""

    up: bool
    speed_mbps: int | None
    switch: str | None
    port: str | None
    damage: float = 0.0
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reach:
    """Whether an address answers. ``end``: whose it is (None: the router's or nobody's); ``local``: not sent."""

    answers: bool
    end: Endpoint | None = None
    local: str | None = None  # "too long" | "no route"
    reason: str = ""


def spread(*keys: object) -> float:
    """A number from -1 to 1 that follows from its keys."""
    return zlib.crc32("/".join(map(str, keys)).encode()) / 0x7FFFFFFF - 1.0


def npu_of(node: Document, slot: str) -> Document | None:
    return next((npu for npu in node["npus"] if npu["slot"] == slot), None)


def endpoint(text: str) -> Endpoint:
    """``node2/NPU3`` -> ``("node2", "NPU3")``."""
    node, _, slot = text.partition("/")
    return node, slot


@dataclass
class Wires:
    """The network at one moment."""

    nodes: Mapping[str, Document]
    switches: Mapping[str, Document]
    _states: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    _links: dict[Endpoint, Link] = field(default_factory=dict)

    @classmethod
    def of(cls, world: World) -> Self:
        return cls(
            {name: world.read(name) for name in world.names()},
            {name: world.read(name, "switches") for name in world.names("switches")},
        )

    def npu(self, end: Endpoint) -> Document | None:
        node = self.nodes.get(end[0])
        return npu_of(node, end[1]) if node else None

    def conf(self, end: Endpoint) -> Mapping[str, Any]:
        npu = self.npu(end)
        return npu["net"]["conf"] if npu else {}

    def port_state(self, switch: str, port: str) -> Mapping[str, Any]:
        """How a switch port treats RoCE, by the configuration that runs."""
        key = (switch, port)
        if key not in self._states:
            self._states[key] = roce.port_state(self.switches[switch], port)
        return self._states[key]

    def cable(self, end: Endpoint) -> tuple[str, Document] | None:
        """The switch and its port in which an NPU is plugged."""
        for name, switch in self.switches.items():
            for port in switch["ports"]:
                neighbor = port["neighbor"]
                if neighbor and (neighbor["device"], neighbor["interface"]) == end:
                    return name, port
        return None

    def link(self, end: Endpoint) -> Link:
        """Whether the link is up, how fast, and what is wrong with it."""
        if end not in self._links:
            self._links[end] = self._link(end)
        return self._links[end]

    def _link(self, end: Endpoint) -> Link:
        npu, cable = self.npu(end), self.cable(end)
        switch, port = cable if cable else (None, None)
        name = port["name"] if port else None
        down = [reason for reason in self._down(end, npu, switch, port) if reason]
        if down or npu is None or port is None:
            return Link(False, None, switch, name, 0.0, tuple(down))
        net, reasons, damage = npu["net"], [], 0.0
        speed = min(net["capability_mbps"], port["speed_mbps"])
        if net["fec"] == "off":
            reasons.append(f"{label(end)}: no FEC")
            damage += NO_FEC_DAMAGE
        for key, low, unit in (("rx_power_mw", RX_LOW_MW, "mW"), ("snr_db", SNR_LOW_DB, "dB")):
            if net["optics"][key] < low:
                reasons.append(f"{label(end)}: optics {key} {net['optics'][key]} {unit}")
                damage += WEAK_LIGHT_DAMAGE
        if speed < net["capability_mbps"] or speed < port["speed_mbps"]:
            reasons.append(f"{label(end)}: link runs at {speed} Mb/s")
        return Link(True, speed, switch, name, damage, tuple(reasons))

    def _down(self, end: Endpoint, npu: Document | None, switch: str | None, port: Document | None) -> Iterable[str]:
        node = self.nodes.get(end[0])
        if node is None or npu is None or not npu["present"]:
            yield f"{label(end)}: not there"
            return
        net = npu["net"]
        if node["power"] != "on":
            yield f"{end[0]} is off"
        if net["link_admin"] != "up" or net["conf"].get("link") == "down":
            yield f"{label(end)}: link is shut down"
        optics = net["optics"]
        if not optics or not optics["present"]:
            yield f"{label(end)}: no optical module"
        elif optics["rx_power_mw"] < RX_LOS_MW:
            yield f"{label(end)}: no light"
        if switch is None or port is None:
            yield f"{label(end)}: no cable"
            return
        if self.switches[switch]["power"] != "on":
            yield f"{switch} is off"
        if port["link"] != "up" or self.port_state(switch, port["name"]).get("shutdown"):
            yield f"{switch} {port['name']}: link is down"
        if port.get("fec", "rs") != net["fec"]:
            yield f"{label(end)}: FEC {net['fec']}, switch port {port.get('fec', 'rs')}"

    def neighbor(self, end: Endpoint) -> tuple[Document, Document] | None:
        """The switch and port that LLDP tells an NPU of; None while the link is down."""
        cable = self.cable(end)
        return (self.switches[cable[0]], cable[1]) if cable and self.link(end).up else None

    # --- addresses ---------------------------------------------------------------------------------------------------

    def owner(self, address: str) -> Endpoint | None:
        """The first NPU with power that has this address."""
        for name, node in self.nodes.items():
            for npu in node["npus"] if node["power"] == "on" else ():
                if npu["present"] and npu["net"]["conf"]["address"] == address:
                    return name, npu["slot"]
        return None

    def reach(self, source: Endpoint, address: str, size: int = 56) -> Reach:
        """Whether ``size`` bytes of ICMP data come back from an address. Nothing is cut in pieces."""
        conf, link = self.conf(source), self.link(source)
        packet = size + ICMP_BYTES
        if packet > conf["mtu"]:
            return Reach(False, local="too long", reason=f"{label(source)}: MTU {conf['mtu']} < {packet}")
        if not _routed(conf, address):
            return Reach(False, local="no route", reason=f"{label(source)} has no route to {address}")
        if not link.up:
            return Reach(False, reason="; ".join(link.reasons))
        if not _on_link(conf, address) and not _is_router(conf["gateway"]):
            return Reach(False, reason=f"nobody answers at the gateway {conf['gateway']}")
        if self.owner(conf["address"]) != source:
            return Reach(False, reason=f"{conf['address']} is not {label(source)} alone: answers go elsewhere")
        end = self.owner(address)
        if end is None:
            answers = _is_router(address)
            return Reach(answers, reason="" if answers else f"nobody has {address}")
        if end == source:
            return Reach(True, end)
        far, there = self.conf(end), self.link(end)
        if not there.up:
            return Reach(False, end, reason="; ".join(there.reasons))
        for side in (link, there):
            limit = self.port_state(str(side.switch), str(side.port))["mtu"]
            if packet + FRAME_BYTES > limit:
                return Reach(False, end, reason=f"{side.switch} {side.port}: frames up to {limit}")
        if packet > far["mtu"]:
            return Reach(False, end, reason=f"{label(end)}: MTU {far['mtu']} < {packet}")
        if not _routed(far, conf["address"]) or not (_on_link(far, conf["address"]) or _is_router(far["gateway"])):
            return Reach(False, end, reason=f"{label(end)} has no route to {conf['address']}")
        return Reach(True, end)


def label(end: Endpoint) -> str:
    return "/".join(end)


def _on_link(conf: Mapping[str, Any], address: str) -> bool:
    """Whether an NPU takes an address for a neighbour."""
    if not conf["address"] or not conf["netmask"]:
        return False
    network = ipaddress.ip_network(f"{conf['address']}/{conf['netmask']}", strict=False)
    return ipaddress.ip_address(address) in network


def _routed(conf: Mapping[str, Any], address: str) -> bool:
    return _on_link(conf, address) or bool(conf["gateway"] and _on_link(conf, conf["gateway"]))


def _is_router(address: str | None) -> bool:
    return bool(address) and int(str(address).rpartition(".")[2]) in ROUTER_HOSTS
