"""Whose clock is the site's: time servers, or one node that serves the others (``site_time``), never both."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .load import Loaded
from .model import MISSING, Mistake, did_you_mean, first_key, show

KEY = "site_time"
SERVERS = "site_ntp_servers"


def check(loaded: Loaded) -> Iterator[Mistake]:
    """What contradicts itself; types are judged by the schema."""
    given, servers = loaded.site.values.get(KEY), loaded.site.values.get(SERVERS)
    source = given.get("local_source") if isinstance(given, dict) else None
    nodes = loaded.groups.get("npu_servers", [])
    if isinstance(source, str) and source:
        if servers:
            expected = f"either {SERVERS} or a local_source: a site with time servers goes by them"
            yield _mistake(loaded, f"{KEY}.local_source", source, expected)
        if source not in nodes:
            yield _mistake(
                loaded, f"{KEY}.local_source", source, f"a server of the group npu_servers{did_you_mean(source, nodes)}"
            )
        return
    if isinstance(given, dict) and not servers:
        expected = f"the node whose clock is everybody's: {SERVERS} names no server"
        yield _mistake(loaded, f"{KEY}.local_source", source, expected)
    elif isinstance(given, dict) and "local_stratum" in given:
        expected = "no local_stratum: there is no local_source"
        yield _mistake(loaded, f"{KEY}.local_stratum", given["local_stratum"], expected)


def notes(loaded: Loaded) -> Iterator[Mistake]:
    """A site that keeps no time: allowed where only hardware is proven."""
    if not loaded.site.values.get(SERVERS) and not isinstance(loaded.site.values.get(KEY), dict):
        expected = f"time servers, or {KEY}.local_source: without either the stage os cannot keep the nodes' clocks"
        yield _mistake(loaded, SERVERS, None, expected)


def _mistake(loaded: Loaded, key: str, value: Any, expected: str) -> Mistake:
    shown = MISSING if value is None else show(value, key, loaded.secrets)
    return Mistake(("all",), key, shown, expected, loaded.text.place(first_key(key), None, ["all"]))
