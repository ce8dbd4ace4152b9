"""Filter on a node's profile: what it must show, as the judge will read it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError

ROOT = Path(__file__).resolve().parents[2]
for path in (str(ROOT), str(ROOT / "plugins" / "module_utils")):
    if path not in sys.path:
        sys.path.insert(0, path)

from controller import contract  # noqa: E402 - only after sys.path is set


def expected(key: str, profile: str | None, site: Any, host: str) -> Any:
    """The value of a profile's key for ``host``: the site's for this host, the site's for all, else the profile's.

    The same order as ``controller.judge``, so that what a module compares with is what its facts are judged by. None:
    nobody gave one.
    """
    given = site if isinstance(site, Mapping) else {}
    hosts = given.get("hosts")
    own = hosts.get(host) if isinstance(hosts, Mapping) else None
    for values in (own, given):
        if isinstance(values, Mapping) and values.get(key) is not None:
            return values[key]
    try:
        return contract.load().profile_value(profile, key)
    except contract.ContractError as error:
        raise AnsibleFilterError(f"the contract cannot be read: {error}") from error


class FilterModule:
    """``'hccs_link_count' | npu_expected(npu_profile, site_expect, inventory_hostname)``."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"npu_expected": expected}
