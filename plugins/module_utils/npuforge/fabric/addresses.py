"""The address plan: one subnet for all NPU ports, or one for each rail."""

from __future__ import annotations

import ipaddress
from typing import Any

from ..common import Document
from . import refuse
from .refuse import Problem
from .values import SITE, known, mapping

LAYOUTS = {"single_subnet": ("subnet", "gateway"), "rail_subnets": ("rail_subnets", "gateways")}
KEYS = (
    *("layout", "first_address", "netdetect", "qos", "pfc", "ecn", "link", "roce_port", "tls_enable"),
    *("hccl_environment", "test", "switches"),
    *(key for keys in LAYOUTS.values() for key in keys),
)


class Space:
    """Hands out addresses by a node's place alone, so that another node at the end changes nothing."""

    def __init__(self, inventory: Document, rails: int, problems: list[Problem]) -> None:
        """
        :param inventory: as ``plan.build_plan`` takes it: ``fabric``, ``networks``, ``addresses``.
        :param rails: NPU ports of a node; 0 when not known.
        """
        self.problems = problems
        fabric = mapping(inventory["fabric"], SITE, problems)
        known(fabric, KEYS, SITE, problems)
        layout = fabric.get("layout")
        if not isinstance(layout, str) or layout not in LAYOUTS:
            problems.append(Problem(f"{SITE}.layout", "is {!r}: one of {}".format(layout, ", ".join(LAYOUTS))))
            layout = "single_subnet" if "subnet" in fabric else "rail_subnets"
        else:
            for other, keys in LAYOUTS.items():
                for key in keys:
                    if other != layout and fabric.get(key) is not None:
                        problems.append(Problem(f"{SITE}.{key}", f"belongs to layout {other}, not {layout}"))
        self.per_rail = layout == "rail_subnets"
        texts, gateways = self._given(fabric, rails)
        names = [f"{SITE}.rail_subnets[{rail}]" if self.per_rail else f"{SITE}.subnet" for rail in range(len(texts))]
        doors = [f"{SITE}.gateways[{rail}]" if self.per_rail else f"{SITE}.gateway" for rail in range(len(texts))]
        self.subnets = [self._subnet(text, where) for text, where in zip(texts, names)]
        self.gateways = [self._gateway(each, net, door) for each, net, door in zip(gateways, self.subnets, doors)]
        self.first = self._first(fabric.get("first_address"))
        self.netdetect = fabric.get("netdetect", "gateway")
        self.target = self._target()
        self.taken = mapping(inventory.get("addresses"), "addresses", problems)
        networks = mapping(inventory.get("networks"), "site_networks", problems)
        others = [(f"site_networks.{name}", refuse.network(text)) for name, text in sorted(networks.items())]
        before = len(problems)
        refuse.overlaps(
            [(where, net) for where, net in zip(names, self.subnets) if net is not None],
            [(where, net) for where, net in others if net is not None],
            problems,
        )
        # Without a place to count from, or with subnets that share addresses, whatever is counted only repeats that.
        self.usable = self.first is not None and len(problems) == before

    def _given(self, fabric: Document, rails: int) -> tuple[list[Any], list[Any]]:
        if not self.per_rail:
            return [fabric.get("subnet")], [fabric.get("gateway")]
        lists: list[list[Any]] = []
        for key in LAYOUTS["rail_subnets"]:
            value = fabric.get(key)
            if value is None and key == "gateways":
                value = [None] * len(lists[0])
            elif not isinstance(value, list):
                self.problems.append(Problem(f"{SITE}.{key}", f"is {value!r}: a list, an entry for each rail"))
                value = []
            lists.append(value)
        texts, gateways = lists
        if len(gateways) != len(texts):
            self.problems.append(Problem(f"{SITE}.gateways", f"{len(gateways)} for {len(texts)} rail_subnets"))
            gateways = (list(gateways) + [None] * len(texts))[: len(texts)]
        if rails and texts and len(texts) != rails:
            self.problems.append(Problem(f"{SITE}.rail_subnets", f"{len(texts)} for the {rails} NPU ports of a node"))
        return texts, gateways

    def _subnet(self, text: Any, where: str) -> ipaddress.IPv4Network | None:
        net = refuse.network(text)
        if net is None:
            self.problems.append(Problem(where, f"is {text!r}: a subnet without host bits such as 10.88.0.0/24"))
        elif net.is_multicast or net.is_loopback or net.is_link_local or net.network_address.is_unspecified:
            self.problems.append(Problem(where, f"is {net}: no subnet for hosts"))
            return None
        return net

    def _gateway(self, text: Any, net: ipaddress.IPv4Network | None, where: str) -> ipaddress.IPv4Address | None:
        gateway = refuse.address(text)
        if gateway is None and text is not None:
            self.problems.append(Problem(where, f"is {text!r}: an address, or null"))
        elif gateway is not None and net is not None and not refuse.host_of(net, gateway):
            self.problems.append(Problem(where, f"is {gateway}: no host of {net}"))
        return gateway

    def _first(self, text: Any) -> int | None:
        """How far the first address is from its subnet's; None where it is wrong."""
        net = self.subnets[0] if self.subnets else None
        if text is None:
            used = [0 if each is None or own is None else int(each) - int(own.network_address)
                    for each, own in zip(self.gateways, self.subnets)]  # fmt: skip
            return 2 if 1 in used else 1
        first = refuse.address(text)
        if first is None:
            self.problems.append(Problem(f"{SITE}.first_address", f"is {text!r}: an address"))
        elif net is not None:
            if refuse.host_of(net, first):
                return int(first) - int(net.network_address)
            self.problems.append(Problem(f"{SITE}.first_address", f"is {first}: no host of {net}"))
        return None

    def _target(self) -> ipaddress.IPv4Address | None:
        """What all ports ping; None for each one's gateway, or for nothing."""
        if self.netdetect is None or self.netdetect == "gateway":
            return None
        where = f"{SITE}.netdetect"
        target = refuse.address(self.netdetect)
        if target is None:
            self.problems.append(Problem(where, f"is {self.netdetect!r}: gateway, an address, or null"))
            return None
        for net, gateway in zip(self.subnets, self.gateways):
            if net is not None and gateway is None and not refuse.host_of(net, target):
                self.problems.append(Problem(where, f"is {target}: no host of {net}, which has no gateway"))
        return target

    def address(self, index: int, rail: int, per_node: int, node: str, port: str) -> Document | None:
        """Addresses of one port; None (and a problem) where the subnet has no room.

        :param index: the node's place, from 1; ``rail``: the port's number, from 1.
        """
        place = rail - 1 if self.per_rail else 0
        net = self.subnets[place] if place < len(self.subnets) else None
        if net is None or self.first is None or not self.usable:
            return None
        where, gateway = f"{node}/{port}", self.gateways[place]
        offset = self.first + (index - 1 if self.per_rail else (index - 1) * per_node + rail - 1)
        value = int(net.network_address) + offset
        if value >= int(net.broadcast_address):
            self.problems.append(Problem(where, f"no address is left for it in {net}", node, SITE))
            return None
        own = ipaddress.IPv4Address(value)
        if own == gateway:
            self.problems.append(Problem(where, f"its address {own} is the gateway's", node, SITE))
        if own == self.target:
            self.problems.append(Problem(where, f"its address {own} is the one that netdetect pings", node, SITE))
        if str(own) in self.taken:
            self.problems.append(Problem(where, f"its address {own} is {self.taken[str(own)]}", node, SITE))
        detect = gateway if self.netdetect == "gateway" else self.target
        return {
            "address": str(own),
            "netmask": str(net.netmask),
            "prefix_length": net.prefixlen,
            "gateway": None if gateway is None else str(gateway),
            "netdetect": None if detect is None else str(detect),
        }
