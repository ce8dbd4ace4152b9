"""The fabric plan: rails, ports, addresses and the priority chain, computed once from the inventory.

Switch, NPU ports, HCCL environment, tests and report all take their values from here, so they cannot disagree
(docs/fabric.md, section 3). Nothing is read and nothing is sent: input and output are plain JSON.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Iterable

from ..common import Document
from . import refuse
from .refuse import PlanError, Problem

SCHEMA = "npuforge.fabric_plan/1"
LAYOUTS = ("single_subnet", "rail_subnets")
# Queue and PHB names of a Huawei DiffServ domain, by queue (CE V300R023 configuration guide, QoS: priority mapping).
PHBS = ("be", "af1", "af2", "af3", "af4", "ef", "cs6", "cs7")

__all__ = ["PlanError", "build_plan", "node_part", "switch_part"]


def build_plan(inventory: Document) -> Document:
    """The plan of a site.

    :param inventory: ``{site, fabric, networks: {name: subnet}, nodes: [{name, index, product, ports: [{name,
        switch, switch_port}]}], switches: {name: family data}}``; ``fabric`` is the inventory's ``site_fabric``,
        ``product`` the key ``fabric`` of its profile, family data as in ``contract/switches.yml``, or ``{family: None,
        problem}``.
    :raises PlanError: with every contradiction, before anything is touched.
    """
    problems: list[Problem] = []
    fabric = inventory["fabric"]
    nodes = sorted(inventory["nodes"], key=lambda node: node["index"])
    product = _product(nodes, problems)
    values = _values(product, fabric, problems)
    refuse.values(values, problems)
    ports = _ports(nodes, fabric, inventory.get("networks") or {}, problems)
    switches = {}  # type: Document
    for name in dict.fromkeys(port["switch"] for port in ports):
        data = inventory["switches"].get(name)
        if data is None:
            problems.append(Problem("switch " + name, "cables lead to it, but the inventory has no such switch"))
            continue
        used = [port["switch_port"] for port in ports if port["switch"] == name]
        switches[name] = _switch(name, data, used, values, problems)
    refuse.ports(ports, problems)
    if problems:
        raise PlanError(problems)
    plan = {"schema": SCHEMA, "site": inventory["site"], "layout": fabric["layout"]}
    plan.update(nodes=[node["name"] for node in nodes], ports=ports, switches=switches)
    plan.update(values)
    return plan


def node_part(plan: Document, node: str) -> Document:
    """The plan with the ports of one node only. ``KeyError``: the plan has no such node."""
    if node not in plan["nodes"]:
        raise KeyError(node)
    return dict(plan, ports=[port for port in plan["ports"] if port["node"] == node])


def switch_part(plan: Document, switch: str) -> Document:
    """The plan with one switch and its ports only. ``KeyError``: the plan has no such switch."""
    ports = [port for port in plan["ports"] if port["switch"] == switch]
    return dict(plan, ports=ports, switches={switch: plan["switches"][switch]})


def _product(nodes: Iterable[Document], problems: list[Problem]) -> Document:
    """The fabric defaults of the servers' product: one network has one set of them."""
    first = None
    for node in nodes:
        product = node.get("product")
        if not product:
            problems.append(Problem("node " + node["name"], "its profile has no fabric values"))
        elif first is None:
            first = (node["name"], product)
        elif product != first[1]:
            problems.append(Problem("node " + node["name"], f"other fabric values than {first[0]}'s"))
    return first[1] if first else {}


def _values(product: Document, fabric: Document, problems: list[Problem]) -> Document:
    """qos, pfc, ecn, link and the rest: the product's, overridden by the site's."""
    values = {}  # type: Document
    for group in ("qos", "ecn", "link", "test"):
        values[group] = dict(product.get(group) or {}, **(fabric.get(group) or {}))
    qos = values["qos"]
    qos["cnp"] = dict((product.get("qos") or {}).get("cnp") or {}, **((fabric.get("qos") or {}).get("cnp") or {}))
    for key in ("traffic_class", "service_level", "npu_tc"):
        if not isinstance(qos.get(key), int):
            problems.append(Problem("qos." + key, "not given"))
            qos[key] = -1
    given = fabric.get("qos") or {}
    # The chain follows from what HCCL sends, unless somebody insists; refuse.values compares what was insisted on.
    qos["dscp"] = given.get("dscp", qos["traffic_class"] // 4)
    qos["priority"] = given.get("priority", qos["service_level"])
    qos["queue"] = given.get("queue", qos["priority"])
    qos["phb"] = PHBS[qos["queue"]] if 0 <= qos["queue"] < 8 else "?"
    cnp = qos["cnp"]
    cnp["queue"] = cnp.get("queue", cnp.get("priority", -1))
    cnp["phb"] = PHBS[cnp["queue"]] if 0 <= cnp["queue"] < 8 else "?"
    pfc = dict(product.get("pfc") or {}, **(fabric.get("pfc") or {}))
    lossless = list(pfc.get("lossless_priorities") or [qos["priority"]])
    pfc["lossless_priorities"] = lossless
    pfc["bitmap"] = [1 if priority in lossless else 0 for priority in range(8)]
    values["pfc"] = pfc
    values["roce_port"] = fabric.get("roce_port", product.get("roce_port"))
    values["tls_enable"] = fabric.get("tls_enable", product.get("tls_enable"))
    environment = dict(product.get("hccl_environment") or {}, **(fabric.get("hccl_environment") or {}))
    environment.update(HCCL_RDMA_TC=qos["traffic_class"], HCCL_RDMA_SL=qos["service_level"])
    values["hccl_environment"] = {key: str(environment[key]) for key in sorted(environment)}
    return values


def _ports(nodes: list[Document], fabric: Document, networks: Document, problems: list[Problem]) -> list[Document]:
    space = _Space(fabric, networks, problems)
    ports = []
    for node in nodes:
        expected = (node.get("product") or {}).get("npu_ports") or 0
        cabled = {port["name"]: port for port in node["ports"]}
        for number in range(1, expected + 1):
            name = f"NPU{number}"
            subject = "{}/{}".format(node["name"], name)
            cable = cabled.pop(name, None)
            if cable is None:
                problems.append(Problem(subject, "the cabling table has no cable for this port"))
                continue
            address = space.address(node["index"], number, expected, subject)
            if address is None:
                continue
            port = {"id": subject, "node": node["name"], "name": name, "device_id": number - 1, "rail": number}
            port.update(address, switch=cable["switch"], switch_port=cable["switch_port"])
            ports.append(port)
        for name in cabled:
            problems.append(
                Problem("{}/{}".format(node["name"], name), f"cabled, but the product has {expected} NPU ports")
            )
    return ports


class _Space:
    """The address plan: one subnet for all, or one for each rail."""

    def __init__(self, fabric: Document, networks: Document, problems: list[Problem]) -> None:
        self.problems = problems
        self.netdetect = fabric.get("netdetect", "gateway")
        self.rails = fabric.get("layout") == "rail_subnets"
        if fabric.get("layout") not in LAYOUTS:
            problems.append(
                Problem("site_fabric.layout", "is {!r}: one of {}".format(fabric.get("layout"), ", ".join(LAYOUTS)))
            )
        texts = (fabric.get("rail_subnets") or []) if self.rails else [fabric.get("subnet")]
        gateways = (fabric.get("gateways") or [None] * len(texts)) if self.rails else [fabric.get("gateway")]
        if len(gateways) != len(texts):
            problems.append(Problem("site_fabric.gateways", f"{len(gateways)} for {len(texts)} rail_subnets"))
            gateways = (list(gateways) + [None] * len(texts))[: len(texts)]
        self.subnets = [self._subnet(text) for text in texts]
        self.gateways = [self._gateway(text, net) for text, net in zip(gateways, self.subnets)]
        self.first = self._first(fabric.get("first_address"))
        others = [(name, refuse.network(text)) for name, text in sorted(networks.items())]
        refuse.overlaps(self.subnets, [(name, net) for name, net in others if net is not None], problems)
        if self.netdetect != "gateway" and refuse.address(self.netdetect) is None:
            problems.append(Problem("site_fabric.netdetect", f"is {self.netdetect!r}: gateway, or an address"))

    def _subnet(self, text: Any) -> ipaddress.IPv4Network | None:
        net = refuse.network(text)
        if net is None:
            self.problems.append(Problem("site_fabric", f"{text!r} is not a subnet such as 10.88.0.0/24"))
        return net

    def _gateway(self, text: Any, net: ipaddress.IPv4Network | None) -> ipaddress.IPv4Address | None:
        if text is None:
            return None
        gateway = refuse.address(text)
        if gateway is None or net is None or not refuse.host_of(net, gateway):
            self.problems.append(Problem("site_fabric.gateway", f"{text!r} is no host of {net}"))
        return gateway

    def _first(self, text: Any) -> int:
        """How far the first address is from its subnet's."""
        if text is None:
            return 1 if not self.gateways or self.gateways[0] is None else 2
        first = refuse.address(text)
        if first is None or not self.subnets or self.subnets[0] is None or first not in self.subnets[0]:
            self.problems.append(Problem("site_fabric.first_address", f"{text!r} is not in the first subnet"))
            return 1
        return int(first) - int(self.subnets[0].network_address)

    def address(self, index: int, number: int, per_node: int, subject: str) -> Document | None:
        """Of one port; None (and a problem) where the subnet has no room. A node's place alone decides, so that another
        node at the end changes nothing."""
        rail = number - 1 if self.rails else 0
        if rail >= len(self.subnets):
            self.problems.append(Problem(subject, f"site_fabric.rail_subnets has no subnet for rail {number}"))
            return None
        net, gateway = self.subnets[rail], self.gateways[rail]
        if net is None:
            return None
        offset = self.first + (index - 1 if self.rails else (index - 1) * per_node + number - 1)
        value = int(net.network_address) + offset
        if value >= int(net.broadcast_address):
            self.problems.append(Problem(subject, f"no address is left for it in {net}"))
            return None
        address = ipaddress.IPv4Address(value)
        if address == gateway:
            self.problems.append(Problem(subject, f"its address {address} is the gateway's"))
        detect = gateway if self.netdetect == "gateway" else refuse.address(self.netdetect)
        return {
            "address": str(address),
            "netmask": str(net.netmask),
            "prefix_length": net.prefixlen,
            "gateway": None if gateway is None else str(gateway),
            "netdetect": None if detect is None else str(detect),
        }


def _switch(name: str, data: Document, used: list[str], values: Document, problems: list[Problem]) -> Document:
    where = "switch " + name
    if data.get("family") is None:
        problems.append(Problem(where, data.get("problem") or "its model is of no known family"))
    buffer = dict(data.get("buffer") or {})
    pool = data.get("headroom_pool_kib")
    refuse.buffers(where, data, buffer, values, problems)
    return {
        "os": data.get("os"),
        "family": data.get("family"),
        "headroom_pool_kib": pool,
        "dscp_mapping": bool(data.get("dscp_mapping")),
        "buffer": buffer,
        "ports": sorted(used, key=_natural),
    }


def _natural(text: str) -> list[Any]:
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", text)]
