"""The operating system's baseline of each node: ``contract/os_baseline.yml``, then ``site_os``, then the host's ``os``.

Host names and the entries of /etc/hosts come from the inventory. Whatever is wrong is told at once.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import yaml
from npuforge.kernel import wanted as rules

from controller import contract
from controller.contract import Document
from controller.playbook import SERVERS, plain
from controller.validate.model import did_you_mean

SITE, HOST = "site_os", "os"
# Settings that are tables of entries, merged entry by entry; of every other setting the nearest word counts.
TABLES = ("sysctl", "limits", "isolation", "io_scheduler", "hugepages", "kernel_arguments")
_NAMED = {
    "isolation": ("enabled", "housekeeping_cores_per_numa_node", "npu_irqs"),
    "io_scheduler": ("nvme", "sata_ssd", "hdd"),
}
Value = Callable[[str, str], Any]


class OsPlanError(Exception):
    """``problems``: sentences, each with the place in the inventory."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def baseline() -> Document:
    """``wanted`` of contract/os_baseline.yml. :raises ContractError: the file does not follow its schema."""
    path = contract.DIRECTORY / "os_baseline.yml"
    document: Document = yaml.safe_load(path.read_text(encoding="utf-8"))
    contract.validate(document, "os_baseline")
    wanted: Document = document["wanted"]
    return wanted


def plan_of(
    groups: Mapping[str, Iterable[str]],
    value: Value,
    here: Callable[[str], Any],
    *,
    law: Document | None = None,
) -> dict[str, Document]:
    """Node -> what ``kernel_tuning`` takes as ``wanted``. Settings that are left alone are not in it.

    :param groups: Ansible's groups.
    :param value: ``value(host, variable)``, None where a host has none.
    :param here: a variable of the site.
    :param law: the defaults; contract/os_baseline.yml when not given.
    :raises OsPlanError: everything that is wrong with the overrides, at once.
    """
    servers = [str(name) for name in groups.get(SERVERS, [])]
    problems: list[str] = []
    site = _overrides(SITE, here(SITE), problems)
    if site.get("hostname") is not None:
        problems.append(f"{SITE}.hostname: a name is of one host, give it there ({HOST}: {{hostname: ...}})")
    start = merged(baseline() if law is None else law, site)
    own = {name: _overrides(f"{name}: {HOST}", value(name, HOST), problems) for name in servers}
    names = {name: own[name].get("hostname") or name for name in servers}
    entries = _entries(names, value, problems)
    made = {}
    for name in servers:
        wanted = merged(start, own[name])
        more = wanted.get("hosts") or []
        alone = own[name].get("hosts", site.get("hosts", [])) is None
        wanted["hosts"] = None if alone else [*entries, *more]
        if not ("hostname" in own[name] and own[name]["hostname"] is None):
            wanted["hostname"] = names[name]
        made[name] = cleaned(wanted)
        told = rules.problems(made[name])
        problems += [problem if problem in problems else f"{name}: {problem}" for problem in told]
    if problems:
        raise OsPlanError(list(dict.fromkeys(problems)))
    return made


def merged(base: Document, over: Document) -> Document:
    """``over`` on top of ``base``: tables entry by entry, everything else as a whole. Null stays, it means "alone"."""
    made = {key: dict(entry) if isinstance(entry, dict) else entry for key, entry in base.items()}
    for key, entry in over.items():
        below = made.get(key)
        if key in TABLES and isinstance(entry, dict) and isinstance(below, dict):
            made[key] = _table(key, below, entry)
        else:
            made[key] = dict(entry) if isinstance(entry, dict) else entry
    return made


def _table(key: str, below: Document, over: Document) -> Document:
    """``-key`` and ``key`` are one kernel parameter: the override's way to write it counts."""
    bare = {name.lstrip("-"): name for name in below} if key == "sysctl" else {}
    made = dict(below)
    for name, value in over.items():
        made.pop(bare.get(name.lstrip("-"), name), None)
        made[name] = value
    return made


def cleaned(wanted: Document) -> Document:
    """Without what is null, which is left alone."""
    made = {}
    for key, entry in wanted.items():
        if isinstance(entry, dict):
            made[key] = {name: value for name, value in entry.items() if value is not None}
        elif entry is not None:
            made[key] = entry
    return made


def _overrides(where: str, given: Any, problems: list[str]) -> Document:
    """The overrides of one place, without what nobody knows; ``problems`` gets that, with the nearest known word."""
    given = plain(given)
    if given is None:
        return {}
    if not isinstance(given, dict):
        problems.append(f"{where}: must be a table of settings")
        return {}
    made = {}
    for key, entry in given.items():
        if key not in rules.KEYS:
            problems.append(f"{where}.{key}: there is no such setting{did_you_mean(key, rules.KEYS)}")
            continue
        if key in _NAMED and isinstance(entry, dict):
            for name in entry:
                if name not in _NAMED[key]:
                    hint = did_you_mean(name, _NAMED[key])
                    problems.append(f"{where}.{key}.{name}: there is no such setting{hint}")
            kept = {name: value for name, value in entry.items() if name in _NAMED[key]}
        else:
            kept = entry
        kept = rules.normal({key: kept})[key]
        told = rules.problems({key: kept})
        problems += [f"{where}.{problem}" for problem in told]
        if not told:
            made[key] = kept
    return made


def _entries(names: Mapping[str, str], value: Value, problems: list[str]) -> list[Document]:
    """An entry of /etc/hosts for each server; the inventory's name is among its names."""
    found = []
    taken: dict[str, str] = {}
    for host, name in names.items():
        address = str(plain(value(host, "ansible_host")) or "")
        try:
            ipaddress.ip_address(address)
        except ValueError:
            said = f"is {address!r}" if address else "is not given"
            problems.append(f"{host}: ansible_host {said}: the hosts file needs an address")
            continue
        if address in taken:
            problems.append(f"{host}: ansible_host {address} is {taken[address]}'s, too")
            continue
        taken[address] = host
        found.append({"address": address, "names": list(dict.fromkeys([name, host]))})
    doubled = [name for name in set(names.values()) if list(names.values()).count(name) > 1]
    problems += [f"{HOST}.hostname: {name} is the name of more than one host" for name in sorted(doubled)]
    return found
