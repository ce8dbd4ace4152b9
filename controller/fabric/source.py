"""Gathers what the fabric plan is computed from: inventory, cabling table, product profiles, families of switches."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from npuforge.fabric.plan import build_plan
from npuforge.fabric.refuse import PlanError, Problem, address

from controller import contract, labels, survey
from controller.contract import Document
from controller.playbook import SERVERS, SWITCHES, plain

LAST_INDEX = 4096  # as in contract/schema/inventory.schema.json
_NPU_PORT = re.compile(r"NPU\d+")
Value = Callable[[str, str], Any]


def plan_of(
    base: Path,
    groups: Mapping[str, Iterable[str]],
    value: Value,
    here: Callable[[str], Any],
    *,
    law: contract.Contract | None = None,
) -> Document:
    """The fabric plan of a site.

    :param base: what the inventory's files are relative to.
    :param groups: Ansible's groups.
    :param value: ``value(host, variable)``, None where a host has none.
    :param here: a variable of the site.
    :raises PlanError: everything that stands against a plan, unreadable files included.
    """
    problems: list[Problem] = []
    found = inputs(base, groups, value, here, problems=problems, law=law)
    try:
        plan = build_plan(found)
    except PlanError as error:
        raise PlanError([*problems, *error.found]) from error
    if problems:
        raise PlanError(problems)
    return plan


def inputs(
    base: Path,
    groups: Mapping[str, Iterable[str]],
    value: Value,
    here: Callable[[str], Any],
    *,
    problems: list[Problem],
    law: contract.Contract | None = None,
) -> Document:
    """What ``npuforge.fabric.plan.build_plan`` takes; ``problems`` gets what is wrong but leaves the rest to be judged.

    Other parameters as of ``plan_of``. :raises PlanError: there is nothing to plan from.
    """
    law = law or contract.load()
    fabric = plain(here("site_fabric"))
    if not isinstance(fabric, dict):
        raise PlanError([Problem("site_fabric", "the inventory does not give it")])
    servers = [str(name) for name in groups.get(SERVERS, [])]
    switches = [str(name) for name in groups.get(SWITCHES, [])]
    cables = _cables(base, plain(here("site_cabling_file")))
    given = plain(here("site_networks"))
    networks = given if isinstance(given, dict) else {}
    room = _survey(base, plain(here("site_survey_file")))
    models = {} if room is None else {device.name: device.model for device in room.devices}
    nodes = _nodes(servers, value, cables, law, problems)
    problems += _surveyed_ports(room, nodes)
    return {
        "site": str(here("site_name") or ""),
        "fabric": fabric,
        "networks": {str(name): entry.get("subnet") for name, entry in networks.items() if isinstance(entry, dict)},
        "addresses": _addresses((*servers, *switches), value),
        "nodes": nodes,
        "switches": {
            name: _switch(_text(value(name, "switch_model")) or models.get(name), _text(value(name, "switch_os")), law)
            for name in switches
        },
    }


def _cables(base: Path, file: Any) -> list[labels.Cable]:
    """The cables that stay. :raises PlanError: the table cannot be read."""
    key = "site_cabling_file"
    if not isinstance(file, str) or not file:
        raise PlanError([Problem(key, "the inventory does not name the cabling table")])
    try:
        table = labels.load(base / file)
    except survey.InputError as error:
        found = [Problem(f"{file}, {entry.where}", entry.problem, key=key) for entry in error.problems]
        raise PlanError(found or [Problem(file, str(error), key=key)]) from error
    return [cable for cable in table.cables if cable.status != "decommissioning"]


def _addresses(hosts: Iterable[str], value: Value) -> dict[str, str]:
    """IPv4 addresses that machines of the inventory have already, and whose they are."""
    found: dict[str, str] = {}
    for host in hosts:
        for key in ("ansible_host", "bmc_address"):
            text = _text(value(host, key))
            if address(text) is not None:
                found.setdefault(str(text), f"{host}'s {key}")
    return found


def _nodes(
    servers: list[str], value: Value, cables: Iterable[labels.Cable], law: contract.Contract, problems: list[Problem]
) -> list[Document]:
    ports: dict[str, list[Document]] = {name: [] for name in servers}
    for cable in cables:
        for near, far in ((cable.a, cable.b), (cable.b, cable.a)):
            if near.device in ports and near.name and _NPU_PORT.fullmatch(near.name) and far.device and far.name:
                ports[near.device].append({"name": near.name, "switch": far.device, "switch_port": far.name})
    nodes: list[Document] = []
    taken: dict[int, str] = {}
    for place, name in enumerate(servers, start=1):
        index = plain(value(name, "fabric_index"))
        index = place if index is None else index
        if not isinstance(index, int) or isinstance(index, bool) or not 1 <= index <= LAST_INDEX:
            text = f"fabric_index is {index!r}: a whole number from 1 to {LAST_INDEX}"
            problems.append(Problem(f"node {name}", text, name, "fabric_index"))
            continue
        if index in taken:
            text = f"its place in the address plan, {index}, is {taken[index]}'s, too"
            problems.append(Problem(f"node {name}", text, name, "fabric_index"))
            continue
        taken[index] = name
        for port, count in Counter(row["name"] for row in ports[name]).items():
            if count > 1:
                text = f"the cabling table has {count} cables for it"
                problems.append(Problem(f"{name}/{port}", text, name, "site_cabling_file"))
        profile = law.profiles.get(_text(value(name, "npu_profile")) or "") or {}
        nodes.append({"name": name, "index": index, "product": profile.get("fabric"), "ports": ports[name]})
    return nodes


def _text(value: Any) -> str | None:
    text = plain(value)
    return text if isinstance(text, str) and text else None


def _survey(base: Path, file: Any) -> survey.Survey | None:
    """None when there is no survey that can be read (its own stage says why)."""
    if not isinstance(file, str) or not file:
        return None
    try:
        return survey.load(base / file)
    except survey.InputError:
        return None


def _surveyed_ports(room: survey.Survey | None, nodes: Iterable[Document]) -> Iterator[Problem]:
    """Cables of NPU ports to ports that their switch does not have, where the survey lists its ports."""
    try:
        places = {} if room is None else labels.places(room)
    except survey.InputError:
        return
    for node in nodes:
        for port in node["ports"]:
            place = places.get(port["switch"])
            if place is not None and place.ports is not None and port["switch_port"] not in place.ports:
                end = f"{port['switch']} {port['switch_port']}"
                text = f"its cable leads to {end}, a port that the survey file does not list"
                yield Problem(f"{node['name']}/{port['name']}", text, node["name"], "site_cabling_file")


def _switch(model: str | None, os: str | None, law: contract.Contract) -> Document:
    """The family's data; ``family`` None and ``problem`` where the model is not known."""
    for family in law.switches["families"]:
        if model and any(re.fullmatch(pattern, model, re.IGNORECASE) for pattern in family["models"]):
            data = {key: entry for key, entry in family.items() if key not in ("id", "models")}
            if os and os != family["os"]:
                return {"family": None, "problem": f"a {model} speaks {family['os']}, the inventory says {os}"}
            return {"family": family["id"], **data}
    known = ", ".join(family["id"] for family in law.switches["families"])
    asked = (
        "nobody says its model (switch_model, or the survey file)"
        if not model
        else f"model {model!r} is of no known family"
    )
    return {"family": None, "problem": f"{asked}; families: {known}"}
