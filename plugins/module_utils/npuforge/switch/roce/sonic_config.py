"""SONiC's CONFIG_DB as far as RoCE is concerned: tables of rows of fields, and the chain from a DSCP to a queue.

``{table: {key: {field: value}}}``, all text. Followed: sonic-utilities' mock databases, sonic-buildimage's templates
qos_config.j2 and buffers_config.j2 (the stock maps called AZURE).
"""

from __future__ import annotations

import json
import re
from typing import Any, Dict, NamedTuple

Fields = Dict[str, str]
Tables = Dict[str, Dict[str, Fields]]

TABLES = (
    "DEVICE_METADATA",
    "PORT",
    "DSCP_TO_TC_MAP",
    "TC_TO_PRIORITY_GROUP_MAP",
    "TC_TO_QUEUE_MAP",
    "MAP_PFC_PRIORITY_TO_QUEUE",
    "PORT_QOS_MAP",
    "WRED_PROFILE",
    "QUEUE",
    "BUFFER_PG",
    "BUFFER_PROFILE",
    "PFC_WD",
    "CABLE_LENGTH",
)
STOCK = "AZURE"
STOCK_WRED = "AZURE_LOSSLESS"
STOCK_LOSSLESS = "3,4"  # pfc_enable of every port
# qos_config.j2: what a map of the image says, so that nobody decided it. DSCP 33 is lossy there.
_STOCK_DSCP = {"3": "3", "4": "4", "5": "2", "8": "0", "46": "5", "48": "6"}
_STOCK_GROUP = {"3": "3", "4": "4", "7": "7"}
_STOCK_WRED = {"green_min_threshold": "1048576", "green_max_threshold": "2097152", "green_drop_probability": "5"}


def stock(table: str, key: str, field: str) -> str | None:
    """The value that SONiC's own templates put there, None where they put none."""
    if table == "DSCP_TO_TC_MAP":
        return _STOCK_DSCP.get(field, "1") if key == STOCK else None
    if table == "TC_TO_PRIORITY_GROUP_MAP":
        return _STOCK_GROUP.get(field, "0") if key == STOCK else None
    if table in ("TC_TO_QUEUE_MAP", "MAP_PFC_PRIORITY_TO_QUEUE"):
        return field if key == STOCK else None
    if table == "WRED_PROFILE":
        return _STOCK_WRED.get(field) if key == STOCK_WRED else None
    return None


def read(text: str | None) -> Tables | None:
    """JSON as ``sonic-cfggen -d --print-data`` and ``config_db.json`` have it, with null for a table that is not there.

    None: not answered, or no such JSON; what is not of the known shape is left out.
    """
    document = _json(text)
    if document is None:
        return None
    known = [name for name in TABLES if name in document]
    return {name: _rows(document[name]) for name in known} if known else None


def _json(text: str | None) -> dict[str, Any] | None:
    start = (text or "").find("{")
    if start < 0:
        return None
    try:
        document, _ = json.JSONDecoder().raw_decode((text or "")[start:])
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def read_applied(text: str | None) -> Tables | None:
    """Buffers in effect, from ``sonic-db-dump -n APPL_DB -y -k 'BUFFER_P*'``: ``{BUFFER_PG, BUFFER_PROFILE}``.

    There buffermgrd writes what it computed, whether the model is dynamic or traditional:
    ``{"BUFFER_PG_TABLE:Ethernet0:3-4": {"type": "hash", "value": {"profile": ...}}}``. Keys come back in CONFIG_DB's
    form, ``Ethernet0|3-4``.
    """
    document = _json(text)
    if document is None:
        return None
    found: Tables = {"BUFFER_PG": {}, "BUFFER_PROFILE": {}}
    for name, entry in document.items():
        match = re.match(r"^(BUFFER_PG|BUFFER_PROFILE)_TABLE:(.+)$", str(name))
        value = entry.get("value") if isinstance(entry, dict) else None
        if match and isinstance(value, dict):
            port, _, span = match.group(2).rpartition(":")
            key = f"{port}|{span}" if match.group(1) == "BUFFER_PG" else match.group(2)
            found[match.group(1)][key] = {str(field): str(each) for field, each in value.items()}
    return found


def _rows(table: Any) -> dict[str, Fields]:
    if not isinstance(table, dict):
        return {}
    return {
        str(key): {str(field): str(value) for field, value in row.items() if isinstance(value, (str, int))}
        for key, row in table.items()
        if isinstance(row, dict)
    }


def name_of(reference: str | None) -> str | None:
    """``AZURE`` of ``AZURE`` and of the older ``[DSCP_TO_TC_MAP|AZURE]`` (in APPL_DB with a colon)."""
    if not reference:
        return None
    match = re.match(r"^\[?(?:[A-Z_]+[|:])?([^\]|:]+)\]?$", reference)
    return match.group(1) if match else None


def covers(key: str, port: str, number: int) -> bool:
    """Whether a key of QUEUE or BUFFER_PG is of a port and a queue: ``Ethernet0|3-4``, ``Ethernet0,Ethernet4|4``."""
    ports, _, span = key.rpartition("|")
    match = re.match(r"^(\d{1,2})(?:-(\d{1,2}))?$", span)
    if match is None or port not in ports.split(","):
        return False
    return int(match.group(1)) <= number <= int(match.group(2) or match.group(1))


def covering(tables: Tables, table: str, port: str, number: int) -> str | None:
    """The key of QUEUE or BUFFER_PG that holds for a port's queue; the narrowest if several do."""
    keys = [key for key in tables.get(table, {}) if covers(key, port, number)]
    return min(keys, key=lambda key: (key != f"{port}|{number}", len(key), key)) if keys else None


MAPS = (
    ("dscp_to_tc_map", "DSCP_TO_TC_MAP"),
    ("tc_to_pg_map", "TC_TO_PRIORITY_GROUP_MAP"),
    ("tc_to_queue_map", "TC_TO_QUEUE_MAP"),
    ("pfc_to_queue_map", "MAP_PFC_PRIORITY_TO_QUEUE"),
)


def map_name(tables: Tables, port: str, field: str) -> str | None:
    """Which map a port uses; the DSCP map may also be set for the whole switch (``PORT_QOS_MAP|global``)."""
    rows = tables.get("PORT_QOS_MAP", {})
    name = name_of(rows.get(port, {}).get(field))
    if name is None and field == "dscp_to_tc_map":
        name = name_of(rows.get("global", {}).get(field))
    return name


class Chain(NamedTuple):
    """What becomes of one DSCP on a port; None: the port has no such map, or the map no such entry."""

    traffic_class: str | None
    queue: str | None
    group: str | None


def chain(tables: Tables, port: str, dscp: int) -> Chain:
    """Follow a DSCP through the port's maps."""

    def entry(field: str, table: str, value: str | None) -> str | None:
        name = map_name(tables, port, field)
        return None if name is None or value is None else tables.get(table, {}).get(name, {}).get(value)

    traffic_class = entry("dscp_to_tc_map", "DSCP_TO_TC_MAP", str(dscp))
    return Chain(
        traffic_class,
        entry("tc_to_queue_map", "TC_TO_QUEUE_MAP", traffic_class),
        entry("tc_to_pg_map", "TC_TO_PRIORITY_GROUP_MAP", traffic_class),
    )


def cable(tables: Tables, port: str) -> tuple[str, str] | None:
    """The key of CABLE_LENGTH that names a port, and the length (``40m``)."""
    for key, row in tables.get("CABLE_LENGTH", {}).items():
        if port in row:
            return key, row[port]
    return None


def unsaved(running: Tables, saved: Tables) -> list[str]:
    """What is only running (``+``) or only saved (``-``) of the tables that both have been asked for."""
    told = []
    for table in TABLES:
        now, then = running.get(table, {}), saved.get(table, {})
        for key in sorted({*now, *then}):
            for field in sorted({*now.get(key, {}), *then.get(key, {})}):
                one, two = now.get(key, {}).get(field), then.get(key, {}).get(field)
                if one != two:
                    told += [f"+ {table}|{key} {field} {one}"] if one is not None else []
                    told += [f"- {table}|{key} {field} {two}"] if two is not None else []
            if key not in then and not now[key]:
                told.append(f"+ {table}|{key}")
            if key not in now and not then[key]:
                told.append(f"- {table}|{key}")
    return told
