"""The NPU network: whether a plan can be made of the inventory, and who may configure which switch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from npuforge.fabric.refuse import PlanError, Problem

from controller.contract import Contract, Document
from controller.fabric import source

from .load import Loaded
from .model import MISSING, Mistake, did_you_mean, first_key, show

_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def plan_of(loaded: Loaded, law: Contract | None = None) -> Document:
    """The fabric plan of an inventory. :raises PlanError: with everything that stands against one."""

    def of_host(host: str, key: str) -> Any:
        return loaded.hosts[host].values.get(key) if host in loaded.hosts else None

    return source.plan_of(loaded.directory or Path(), loaded.groups, of_host, loaded.site.values.get, law=law)


def check(loaded: Loaded, law: Contract, found: Iterable[Mistake]) -> Iterator[Mistake]:
    """What contradicts itself in the NPU network; nothing where the site gives none.

    ``found``: the mistakes so far. What only follows from one of them is not told again.
    """
    yield from _permitted(loaded)
    if not isinstance(loaded.site.values.get("site_fabric"), dict):
        return
    told = [(host, mistake.key) for mistake in found for host in mistake.hosts]
    try:
        plan_of(loaded, law)
    except PlanError as error:
        groups: dict[tuple[str, str], list[Problem]] = {}
        for problem in error.found:
            if not _follows(problem, told):
                # One reason for many ports (no room in the subnet) is one mistake.
                groups.setdefault((problem.key or problem.where, problem.problem), []).append(problem)
        for (key, text), problems in groups.items():
            yield _mistake(loaded, key, text, problems)


def _follows(problem: Problem, told: list[tuple[str, str]]) -> bool:
    key = problem.key or problem.where
    for host, other in told:
        within = other == key or key.startswith((f"{other}.", f"{other}[")) or other.startswith((f"{key}.", f"{key}["))
        # A key of the site is everybody's; one of a host is that host's.
        if within and (host in ("all", problem.host) or key.startswith("site_")):
            return True
        if key == "switch_model" and other == "site_survey_file":
            return True  # the survey file would have said it
    return False


def _mistake(loaded: Loaded, key: str, text: str, problems: list[Problem]) -> Mistake:
    hosts = tuple(dict.fromkeys(problem.host for problem in problems if problem.host in loaded.hosts)) or ("all",)
    wheres = [problem.where for problem in problems]
    expected = f"a network that can be planned: {text}"
    if wheres[0] != key:
        more = f" and {len(wheres) - 1} more" if len(wheres) > 1 else ""
        expected = f"a network that can be planned: {wheres[0]}{more}: {text}"
    owner = loaded.hosts[hosts[0]] if hosts != ("all",) and not key.startswith("site_") else loaded.site
    place = loaded.text.place(first_key(key), owner.name if owner is not loaded.site else None, owner.groups)
    return Mistake(hosts, key, _value(owner.values, key, loaded), expected, place)


def _value(values: Document, key: str, loaded: Loaded) -> str:
    """What the inventory gives under a path such as ``site_fabric.gateways[2]``."""
    node: Any = values
    for name, number in _STEP.findall(key):
        if number and isinstance(node, list) and int(number) < len(node):
            node = node[int(number)]
        elif name and isinstance(node, dict) and name in node:
            node = node[name]
        else:
            return MISSING
    return show(node, key, loaded.secrets)


def _permitted(loaded: Loaded) -> Iterator[Mistake]:
    """``switch_roce_commit_to`` names switches; a misspelt one would be left unconfigured without a word."""
    switches = loaded.groups.get("switches", [])
    for host in loaded.hosts.values():
        given = host.values.get("switch_roce_commit_to")
        if given is None:
            continue
        place = loaded.text.place("switch_roce_commit_to", host.name, host.groups)
        if not isinstance(given, list):
            value = show(given, "switch_roce_commit_to", loaded.secrets)
            yield Mistake((host.name,), "switch_roce_commit_to", value, "a list of names of switches", place)
            continue
        for number, name in enumerate(given):
            if name not in switches:
                key = f"switch_roce_commit_to[{number}]"
                expected = f"the name of a switch{did_you_mean(str(name), switches)}"
                yield Mistake((host.name,), key, show(name, key, loaded.secrets), expected, place)
