"""What has to be done to chrony on a node, from what was seen there. Nothing here touches anything."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple, Sequence

from . import conf
from .chronyc_parse import Source
from .service import Service


class Seen(NamedTuple):
    """``text``: of ``chrony.conf``, None: there is none. ``unread``: a run was killed after it had written the file.
    ``sources``: whom the running chronyd asks, None: it could not be asked."""

    service: Service
    place: conf.Layout
    text: str | None
    unread: bool
    sources: Sequence[Source] | None


class Plan(NamedTuple):
    """``steps``: sentences, in the order in which they are done. ``refused``: why nothing may be done."""

    planned: str
    write: bool
    enable: bool
    restart: bool
    steps: list[str]
    differences: list[str]
    refused: str | None


def make(seen: Seen, wanted: conf.Wanted) -> Plan:
    """Compare. A node that someone else's time service runs on is refused: two of them would pull at one clock."""
    service, path = seen.service, seen.place.conf
    planned = conf.render(wanted, seen.place)
    differs = conf.differences(seen.text, planned, path)
    told = list(differs)
    if service.problem is not None:
        return Plan(planned, False, False, False, [], [service.problem], service.problem)
    if service.rivals:
        names = " and ".join(service.rivals)
        refused = f"{names} sets the clock on this node: stop and disable it (systemctl disable --now {names})"
        return Plan(planned, False, False, False, [], [*told, f"{names} sets the clock, too"], refused)
    steps = [f"write {path}"] if differs else []
    if not service.at_boot:
        told.append(f"{service.unit} does not start at boot")
        steps.append(f"let {service.unit} start at boot")
    stale = None if differs else _stale(seen, wanted)
    if not service.active:
        told.append(f"{service.unit} does not run")
        steps.append(f"start {service.unit}")
    elif stale is not None:
        told.append(stale)
        steps.append(f"restart {service.unit}: {stale}")
    elif differs:
        steps.append(f"restart {service.unit}")
    restart = bool(differs) or stale is not None or not service.active
    return Plan(planned, bool(differs), not service.at_boot, restart, steps, told, None)


def _stale(seen: Seen, wanted: conf.Wanted) -> str | None:
    """Why the running chronyd cannot have read the file as it is; None: nothing says so."""
    if not seen.service.active:
        return None
    if seen.unread:
        return f"the running chronyd has not read {seen.place.conf} yet"
    if seen.sources is None:
        return None
    asked, planned = _addresses([each.name for each in seen.sources]), _addresses(wanted.servers)
    if asked is None or planned is None or asked == planned:
        return None  # a name may stand for any address: nobody can tell
    return f"the running chronyd asks {', '.join(sorted(asked)) or 'nobody'}, not what {seen.place.conf} says"


def _addresses(names: Sequence[str]) -> set[str] | None:
    try:
        return {str(ipaddress.ip_address(name)) for name in names}
    except ValueError:
        return None
