"""The operating system's baseline (``site_os``, a host's ``os``), and who may be restarted (``reboot_hosts``)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from controller import os_plan

from .load import Loaded
from .model import Mistake, did_you_mean, first_key, show

RESTARTS = "reboot_hosts"
_WHERE = re.compile(r"^(?:(?P<host>[^\s:]+): )?(?P<key>(?:site_os|os)(?:\.[^\s:]+)?): (?P<text>.+)$", re.DOTALL)


def check(loaded: Loaded) -> Iterator[Mistake]:
    """What contradicts itself in the baseline, with the nearest known word; and misspelt names of ``reboot_hosts``."""
    yield from _restarts(loaded)

    def of_host(host: str, key: str) -> Any:
        return loaded.hosts[host].values.get(key) if host in loaded.hosts else None

    try:
        os_plan.plan_of(loaded.groups, of_host, loaded.site.values.get)
    except os_plan.OsPlanError as error:
        for problem in error.problems:
            yield from _mistakes(loaded, problem)


def _mistakes(loaded: Loaded, problem: str) -> Iterator[Mistake]:
    """A problem of the plan as a mistake of the inventory; nothing where other checks tell it (host addresses)."""
    match = _WHERE.match(problem)
    if match is not None:
        host, key, text = match.group("host", "key", "text")
    else:
        # What stands against the merged baseline, and came from the site.
        setting, _, text = problem.partition(": ")
        host, key = None, f"{os_plan.SITE}.{setting}"
        if _under(loaded.site.values.get(os_plan.SITE), setting.split(".")) is None:
            return
    owner = loaded.hosts.get(host or "", loaded.site)
    given = _under(owner.values, key.split("."))
    place = loaded.text.place(first_key(key), host if owner is not loaded.site else None, owner.groups)
    yield Mistake((host or "all",), key, show(given, key, loaded.secrets), text, place)


def _under(values: Any, path: list[str]) -> Any:
    """What lies under a path; names of kernel parameters have dots themselves."""
    if not path or not isinstance(values, dict):
        return values
    for length in range(len(path), 0, -1):
        name = ".".join(path[:length])
        if name in values:
            return _under(values[name], path[length:])
    return None


def _restarts(loaded: Loaded) -> Iterator[Mistake]:
    """A misspelt name would be left running without a word."""
    servers = loaded.groups.get("npu_servers", [])
    given = loaded.site.values.get(RESTARTS)
    names = given.split(",") if isinstance(given, str) else given if isinstance(given, list) else []
    for name in names:
        text = str(name).strip()
        if text and text not in servers:  # an empty text names nobody
            place = loaded.text.place(RESTARTS, None, loaded.site.groups)
            expected = f"the name of a server{did_you_mean(text, servers)}"
            yield Mistake(("all",), RESTARTS, show(text, RESTARTS, loaded.secrets), expected, place)
