"""The fabric plan: rails, ports, addresses and the priority chain, computed once from the inventory.

Switch, NPU ports, HCCL environment, tests and report all take their values from here, so they cannot disagree
(docs/fabric.md, section 3; contract/schema/fabric_plan.schema.json). Nothing is read and nothing is sent: input and
output are plain JSON.
"""

from __future__ import annotations

import re
from typing import Any, Iterable

from ..common import Document
from . import refuse, values
from .addresses import Space
from .refuse import PlanError, Problem

SCHEMA = "npuforge.fabric_plan/1"

__all__ = ["PlanError", "build_plan", "node_part", "switch_part"]


def build_plan(inventory: Document) -> Document:
    """The plan of a site.

    :param inventory: ``{site, fabric, networks: {name: subnet}, addresses: {address: "sw1's ansible_host"}, nodes:
        [{name, index, product, ports: [{name, switch, switch_port}]}], switches: {name: family data}}``; ``fabric`` is
        the inventory's ``site_fabric``, ``product`` the key ``fabric`` of its profile, family data as in
        ``contract/switches.yml``, or ``{family: None, problem}``. ``networks`` and ``addresses`` (in use by others) may
        be left out.
    :raises PlanError: with every contradiction, before anything is touched. Only ``fabric`` may hold anything.
    """
    problems: list[Problem] = []
    fabric = values.mapping(inventory["fabric"], values.SITE, problems)
    nodes = sorted(inventory["nodes"], key=lambda node: node["index"])
    if not nodes:
        problems.append(Problem("npu_servers", "the inventory has no server", "", values.SITE))
    product = _product(nodes, problems)
    space = Space(inventory, product.get("npu_ports") or 0, problems)
    ports = _ports(nodes, space, problems)
    shared = {}  # type: Document
    switches = {}  # type: Document
    if product:  # without one every value would be missing, which says nothing new
        shared = values.of(product, fabric, problems)
        refuse.chain(shared, problems)
        refuse.sizes(shared, problems)
        switches = _switches(ports, inventory["switches"], fabric, shared, problems)
        refuse.ports(ports, shared["link"]["speed_mbps"], problems)
    if problems:
        raise PlanError(problems)
    plan = {"schema": SCHEMA, "site": inventory["site"], "layout": fabric["layout"]}
    plan.update(nodes=[node["name"] for node in nodes], ports=ports, switches=switches)
    plan.update(shared)
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
        where, key = "node " + node["name"], "npu_profile"
        if not product:
            problems.append(Problem(where, "its profile has no fabric values", node["name"], key))
        elif first is None:
            first = (node["name"], product)
        elif product != first[1]:
            problems.append(Problem(where, f"other fabric values than {first[0]}'s", node["name"], key))
    return first[1] if first else {}


def _ports(nodes: list[Document], space: Space, problems: list[Problem]) -> list[Document]:
    """A row for each NPU port that has a cable; without addresses where the subnet has none left."""
    ports = []
    for node in nodes:
        expected = (node.get("product") or {}).get("npu_ports")
        if not expected:
            continue
        cabled = {port["name"]: port for port in node["ports"]}
        for number in range(1, expected + 1):
            name = f"NPU{number}"
            row = {"id": "{}/{}".format(node["name"], name), "node": node["name"], "name": name}
            row.update(device_id=number - 1, rail=number)
            cable = cabled.pop(name, None)
            if cable is None:
                text = "the cabling table has no cable for this port"
                problems.append(Problem(row["id"], text, node["name"], "site_cabling_file"))
                continue
            row.update(space.address(node["index"], number, expected, node["name"], name) or {})
            row.update(switch=cable["switch"], switch_port=cable["switch_port"])
            ports.append(row)
        for name in cabled:
            where, text = "{}/{}".format(node["name"], name), f"cabled, but the product has {expected} NPU ports"
            problems.append(Problem(where, text, node["name"], "site_cabling_file"))
    return ports


def _switches(
    ports: list[Document], known: Document, fabric: Document, shared: Document, problems: list[Problem]
) -> Document:
    """The switches that cables of NPU ports lead to."""
    where = f"{values.SITE}.switches"
    given = values.mapping(fabric.get("switches"), where, problems)
    found = {}  # type: Document
    for name in dict.fromkeys(port["switch"] for port in ports):
        if name not in known:
            first = next(port for port in ports if port["switch"] == name)
            text = f"its cable leads to {name}, but the inventory has no such switch"
            problems.append(Problem(first["id"], text, first["node"], "site_cabling_file"))
            continue
        own = values.mapping(given.get(name), f"{where}.{name}", problems)
        found[name] = _switch(name, known[name], own, shared, problems)
        used = [str(port["switch_port"]) for port in ports if port["switch"] == name]
        found[name]["ports"] = sorted(used, key=_natural)
    for name in given:
        if name not in found:
            problems.append(Problem(f"{where}.{name}", "no cable of an NPU port leads to such a switch"))
    return found


def _switch(name: str, data: Document, given: Document, shared: Document, problems: list[Problem]) -> Document:
    """Of its family's values, overridden by the site's.

    A size of a buffer's cell that nobody knows stays None: the driver says what it cannot set up without."""
    if data.get("family") is None:
        text = data.get("problem") or "its model is of no known family"
        problems.append(Problem(f"switch {name}", text, name, "switch_model"))
        return {}
    where = f"{values.SITE}.switches.{name}"
    values.known(given, (*values.LIMITS["switches"], "buffer"), where, problems)
    inner = values.mapping(given.get("buffer"), f"{where}.buffer", problems)
    values.known(inner, (*values.LIMITS["switches.buffer"], "form"), f"{where}.buffer", problems)
    if inner.get("form") not in (None, "dynamic", "static"):
        problems.append(Problem(f"{where}.buffer.form", "is {!r}: dynamic or static".format(inner["form"])))
    both = dict(data, **values.numbers(given, "switches", where, problems, partial=True))
    buffer = dict(
        data.get("buffer") or {},
        **values.numbers(inner, "switches.buffer", f"{where}.buffer", problems, partial=True),
    )
    buffer["form"] = inner.get("form") or buffer.get("form")
    refuse.buffers(name, both, buffer, shared, problems)
    return {
        "os": data.get("os"),
        "family": data.get("family"),
        "headroom_pool_kib": both.get("headroom_pool_kib"),
        "dscp_mapping": bool(data.get("dscp_mapping")),
        "cell_bytes": both.get("cell_bytes"),
        "buffer": buffer,
    }


def _natural(text: str) -> list[Any]:
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d{1,18})", text)]
