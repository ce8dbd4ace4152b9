"""Validates a whole inventory before anything is touched, and reports every mistake at once.

Used by ``npuforge validate`` and by ``playbooks/validate.yml`` alike. The submodules: ``sources`` (the files as text),
``load`` (Ansible's view, templates resolved), ``structure`` (JSON Schema, unknown keys), ``network``, ``site``,
``room``, ``software``, ``os_install`` and ``fabric`` (cross-field checks), ``model`` (the report).
"""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from .model import Mistake, Report

__all__ = ["Mistake", "Report", "validate_inventory"]

ROOT = Path(__file__).resolve().parents[2]


def validate_inventory(
    sources: list[str], vault_secrets: list[tuple[str, Any]] | None = None, today: datetime.date | None = None
) -> Report:
    """Read the inventory and report all mistakes.

    :param sources: paths of inventory files or folders, as given to ``-i``
    :param vault_secrets: Ansible's ``[(vault id, secret)]``; null takes what ansible.cfg names
    :param today: the day on which waivers are judged; null is today (UTC)
    :raises controller.contract.ContractError: when our own contract is broken
    """
    # Ansible reads its configuration when it is imported; whoever calls may have had to set it first.
    from controller import contract  # noqa: PLC0415 - see above

    from . import clock, fabric, load, network, os_install, room, site, software, structure, system  # noqa: PLC0415 - see above
    from .model import merge  # noqa: PLC0415 - see above

    loaded = load.load(sources, vault_secrets)
    rules = contract.load()
    day = today or datetime.datetime.now(datetime.UTC).date()
    found = [
        *loaded.text.mistakes,
        *loaded.mistakes,
        *structure.check(loaded, ROOT),
        *network.check(loaded),
        *site.check(loaded, rules, day),
        *room.check(loaded),
        *software.check(loaded),
        *os_install.check(loaded),
        *clock.check(loaded),
        *system.check(loaded),
    ]
    found += fabric.check(loaded, rules, found)
    order = {name: number for number, name in enumerate(["all", *loaded.hosts])}
    mistakes = sorted(merge(found), key=lambda mistake: order.get(mistake.hosts[0] if mistake.hosts else "", -1))
    counts = {group: len(hosts) for group, hosts in loaded.groups.items()}
    return Report(
        sources, mistakes, merge([*site.notes(loaded), *software.notes(loaded), *clock.notes(loaded)]), counts
    )
