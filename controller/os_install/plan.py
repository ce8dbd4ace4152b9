"""What an installation of one host would do: its merged wishes, its disks as the BMC shows them, and sentences."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from npuforge.install import disks, model

from controller.contract import Document

KEY = "os_install"


@dataclass
class Plan:
    """One host's installation. Nothing may be done while there are ``problems`` (``{key, value, expected}``)."""

    host: str
    wanted: Document
    chosen: disks.Chosen
    erase: list[str] = field(default_factory=list)
    keep: list[str] = field(default_factory=list)
    problems: list[Document] = field(default_factory=list)

    def told(self) -> Document:
        """What may be shown: no hash, no key."""
        return {"host": self.host, "erase": self.erase, "keep": self.keep, "problems": self.problems}


def wanted_of(host: str, site: Any, own: Any, variables: Document) -> Document:
    """``os_install`` of a host with all defaults; its name and address come from the inventory where it gives none.

    :param variables: may have ``ansible_host`` and ``site_networks``
    """
    wanted = model.merged(site, own)
    wanted["hostname"] = wanted["hostname"] or host
    network = wanted["network"]
    if isinstance(network, dict) and "address" not in network:
        address = _address(variables)
        wanted["network"] = {**network, "address": address} if address else network
    return wanted


def _address(variables: Document) -> str | None:
    """The host's address with the prefix length of the management network it lies in."""
    management = (variables.get("site_networks") or {}).get("management") or {}
    try:
        address = ipaddress.IPv4Address(str(variables.get("ansible_host")))
        subnet = ipaddress.IPv4Network(str(management.get("subnet")))
    except ValueError:
        return None
    return f"{address}/{subnet.prefixlen}" if address in subnet else None


def plan_of(host: str, wanted: Document, facts: Any) -> Plan:
    """Compare the wishes with the machine.

    :param facts: of an observation of kind ``bmc``; where it does not show disks, nothing is installed
    """
    found = [_problem(key, value, expected) for key, value, expected in model.problems(wanted)]
    plan = Plan(host, wanted, disks.Chosen([], []), problems=found)
    if any(item["key"].startswith((f"{KEY}.system_disks", f"{KEY}.data_disks")) for item in found):
        return plan
    parts = ((facts or {}).get("drive") or {}).get("parts")
    if not isinstance(parts, list):
        expected = "a BMC that shows the machine's disks: what it does not show is not erased"
        plan.problems.append(_problem("system_disks", wanted["system_disks"], expected))
        return plan
    plan.chosen, problems = disks.choose(wanted, parts)
    plan.problems += [_problem(key, value, expected) for key, value, expected in problems]
    if found:
        return plan
    plan.problems += _sizes(wanted, plan.chosen)
    plan.problems += _port(wanted, facts)
    chosen = plan.chosen
    uses = {disk.slot: "system" for disk in chosen.system}
    uses |= {disk.slot: data["mount"] for disk, data in zip(chosen.data, wanted["data_disks"], strict=False)}
    plan.erase = [f"{disk.told()}: {uses[disk.slot]}" for disk in chosen.all()]
    plan.keep = [disk.told() for disk in disks.known(parts) if disk.slot not in uses]
    return plan


def _problem(key: str, value: Any, expected: str) -> Document:
    return {"key": f"{KEY}.{key}", "value": value, "expected": expected}


def _sizes(wanted: Document, chosen: disks.Chosen) -> list[Document]:
    needed = sum(volume["size_gib"] for volume in wanted["volumes"]) * 2**30
    needed += (model.BOOT_MIB + model.EFI_MIB + 64) * 2**20
    small = [disk for disk in chosen.system if disk.capacity_bytes is not None and disk.capacity_bytes < needed]
    expected = f"volumes that fit: they need {needed / 1e9:.1f} GB"
    return [_problem("system_disks", disk.told(), expected) for disk in small]


def _port(wanted: Document, facts: Document) -> list[Document]:
    """The port must be one of the machine's, where the BMC shows its ports' addresses."""
    parts = ((facts.get("nic") or {}).get("parts")) or []
    macs = [str(port["mac"]).lower() for part in parts for port in part.get("ports") or [] if port.get("mac")]
    mac = wanted["network"]["mac"].lower()
    if not macs or mac in macs:
        return []
    return [_problem("network.mac", mac, f"the address of one of the machine's ports ({', '.join(macs)})")]


def folder_of(site: str, host: str) -> Path:
    """Where a host's image and its server's record are while it is installed: outside the project, the user's own."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", f"{site}-{host}")
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "npuforge" / "os_install" / plain
