"""Unattended installation (``os_install``): every mistake of its keys, and disks that the last run did not see.

Hosts without ``os_install`` are not installed, so nothing is said about them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from npuforge.install import model

from controller.contract import Document
from controller.evidence import artifacts_root
from controller.os_install import plan

from .load import HostVars, Loaded
from .model import MISSING, Mistake, show

KEY, SITE_KEY = "os_install", "site_os_install"
GROUP = "npu_servers"


def check(loaded: Loaded, artifacts: Path | None = None) -> Iterator[Mistake]:
    """What is wrong about each host's ``os_install``, merged with the site's.

    :param artifacts: where runs are kept; null takes the usual place
    """
    site = loaded.site.values.get(SITE_KEY)
    for name in loaded.groups.get(GROUP, []):
        host = loaded.hosts.get(name)
        if host is None or not isinstance(host.values.get(KEY), dict) or not host.values[KEY]:
            continue  # another type is judged by the schema; nothing given: it is not installed
        wanted = plan.wanted_of(name, site, host.values[KEY], {**loaded.site.values, **host.values})
        facts = last_facts(loaded, name, artifacts)
        found = plan.plan_of(name, wanted, facts or {})
        for problem in found.problems:
            if facts is None and problem["key"] == f"{KEY}.system_disks" and not _shape(wanted):
                continue  # nothing is known of this machine yet: the installation itself will ask its BMC
            yield _mistake(loaded, host, problem)


def _shape(wanted: Document) -> bool:
    """Whether the disks are wrong as they are written."""
    return any(key == "system_disks" for key, _, _ in model.problems(wanted))


def last_facts(loaded: Loaded, host: str, artifacts: Path | None = None) -> Document | None:
    """What the newest run with an answer of this host's BMC saw; null when there is none."""
    folder = artifacts or artifacts_root()
    site = loaded.site.values.get("site_name")
    if not isinstance(site, str) or "/" in site:
        return None
    for path in sorted((folder / site).glob(f"2*/observations/bmc-{host}.json"), reverse=True):
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        facts = document.get("facts") if isinstance(document, dict) else None
        if isinstance(facts, dict) and facts.get("reachable") is True and facts.get("drive"):
            return facts
    return None


def _mistake(loaded: Loaded, host: HostVars, problem: Document) -> Mistake:
    """Where the key stands: with the host, or in the site's part."""
    key = str(problem["key"])
    first = re.split(r"[.\[]", key)[1]
    own = first in host.values[KEY] or not isinstance(loaded.site.values.get(SITE_KEY), dict)
    own = own or first not in loaded.site.values[SITE_KEY]
    shown = _shown(problem["value"], key, loaded)
    if own:
        place = loaded.text.place(KEY, host.name, host.groups)
        return Mistake((host.name,), key, shown, problem["expected"], place)
    place = loaded.text.place(SITE_KEY, None, ["all"])
    return Mistake(("all",), key.replace(KEY, SITE_KEY, 1), shown, problem["expected"], place)


def _shown(value: Any, key: str, loaded: Loaded) -> str:
    return MISSING if value is None else show(value, key, loaded.secrets)
