"""Gathers what the fabric plan is computed from: inventory, cabling table, product profiles, families of switches."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from npuforge.fabric.plan import build_plan
from npuforge.fabric.refuse import PlanError, Problem

from controller import contract, labels, survey
from controller.contract import Document
from controller.playbook import SERVERS, SWITCHES, plain

_NPU_PORT = re.compile(r"NPU\d+")
Value = Callable[[str, str], Any]


def plan_of(
    base: Path,
    groups: Mapping[str, Iterable[str]],
    value: Value,
    here: Callable[[str], Any],
    law: contract.Contract | None = None,
) -> Document:
    """The fabric plan of a site.

    :param base: what the inventory's files are relative to.
    :param groups: Ansible's groups.
    :param value: ``value(host, variable)``, None where a host has none.
    :param here: a variable of the site.
    :raises PlanError: everything that stands against a plan, unreadable files included.
    """
    return build_plan(inputs(base, groups, value, here, law))


def inputs(
    base: Path,
    groups: Mapping[str, Iterable[str]],
    value: Value,
    here: Callable[[str], Any],
    law: contract.Contract | None = None,
) -> Document:
    """What ``npuforge.fabric.plan.build_plan`` takes. Parameters and errors as of ``plan_of``."""
    law = law or contract.load()
    fabric = plain(here("site_fabric"))
    if not isinstance(fabric, dict):
        raise PlanError([Problem("site_fabric", "the inventory does not give it")])
    cabling_file = here("site_cabling_file")
    if not cabling_file:
        raise PlanError([Problem("site_cabling_file", "the inventory does not name the cabling table")])
    try:
        cables = labels.load(base / str(cabling_file)).cables
    except survey.InputError as error:
        raise PlanError([Problem(str(cabling_file), str(error))]) from error
    servers = [str(name) for name in groups.get(SERVERS, [])]
    switches = [str(name) for name in groups.get(SWITCHES, [])]
    networks = plain(here("site_networks"))
    models = _surveyed_models(base, here("site_survey_file"))
    return {
        "site": str(here("site_name") or ""),
        "fabric": fabric,
        "networks": {
            # "parameter" is the NPU network's own entry, where a site lists it among its networks.
            str(name): entry.get("subnet")
            for name, entry in (networks or {}).items()
            if isinstance(entry, dict) and name != "parameter"
        },
        "nodes": _nodes(servers, switches, value, cables, law),
        "switches": {
            name: _switch(plain(value(name, "switch_model")) or models.get(name), plain(value(name, "switch_os")), law)
            for name in switches
        },
    }


def _nodes(
    servers: list[str], switches: list[str], value: Value, cables: Iterable[labels.Cable], law: contract.Contract
) -> list[Document]:
    ports: dict[str, list[Document]] = {name: [] for name in servers}
    for cable in cables:
        for near, far in ((cable.a, cable.b), (cable.b, cable.a)):
            if near.device in ports and near.name and _NPU_PORT.fullmatch(near.name) and far.device and far.name:
                ports[near.device].append({"name": near.name, "switch": far.device, "switch_port": far.name})
    nodes, taken = [], {}
    problems = []
    for place, name in enumerate(servers, start=1):
        index = plain(value(name, "fabric_index"))
        index = place if index is None else index
        if not isinstance(index, int) or isinstance(index, bool) or index < 1:
            problems.append(Problem(f"node {name}", f"fabric_index is {index!r}: a whole number from 1"))
            continue
        if index in taken:
            problems.append(
                Problem(f"node {name}", f"its place in the address plan, {index}, is {taken[index]}'s, too")
            )
        taken.setdefault(index, name)
        twice = {row["name"] for row in ports[name] if sum(other["name"] == row["name"] for other in ports[name]) > 1}
        problems += [Problem(f"{name}/{port}", "the cabling table has two cables for it") for port in sorted(twice)]
        profile = law.profiles.get(str(value(name, "npu_profile") or "")) or {}
        nodes.append({"name": name, "index": index, "product": profile.get("fabric"), "ports": ports[name]})
    if problems:
        raise PlanError(problems)
    return nodes


def _surveyed_models(base: Path, file: Any) -> dict[str, str | None]:
    """The models of the survey's devices; none when there is no survey that can be read (its own stage says why)."""
    if not file:
        return {}
    try:
        return {device.name: device.model for device in survey.load(base / str(file)).devices}
    except survey.InputError:
        return {}


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
