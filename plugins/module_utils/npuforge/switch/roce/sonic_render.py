"""Changed CONFIG_DB tables as what is typed: a JSON patch for ``config apply-patch``, and what it would refuse.

``config apply-patch`` (sonic-utilities' generic configuration updater) checks a patch against the YANG models, orders
it, and can go back to a checkpoint. It refuses most changes of PFC_WD, WRED_PROFILE and BUFFER_PROFILE unless the ASIC
and release are on its list (gcu_field_operation_validators.conf.json; sonic-buildimage issue 24933), and a rollback
across such a change is refused too (issue 20664). These tables are therefore written with ``sonic-db-cli``, each with
its own way back, around the checkpoint: WRED before it, since queues refer to it; the watchdog after the patch, since
it needs the port's PFC.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from .one_stage import Entry, Policy
from .sonic_config import Fields, Tables
from .sonic_plan import Changes

BEFORE_PATCH = ("WRED_PROFILE",)
AFTER_PATCH = ("PFC_WD",)
REFUSED = re.compile(
    r"(?im)^.*(?:command not found|permission denied|root privileges are required|traceback \(most recent|failed to |"
    r"no such (?:file|option|command)|^usage:|^error:|\(error\)|is illegal|a password is required|\bERR\b).*$"
)
# "Running command: /usr/local/bin/sonic-cfggen -d --print-data > /etc/sonic/config_db.json"
SAVED = re.compile(r"(?m)^Running command: \S*sonic-cfggen -d --print-data(?: > \S+)?|^Saved\b")
# What may stand in a command line between quotes: names and values of CONFIG_DB.
_SAFE = re.compile(r"^[A-Za-z0-9_|,.:/\[\] -]*$")


class Operation(NamedTuple):
    """One operation of RFC 6902, with ``value`` None for remove."""

    op: str
    path: str
    value: Any = None

    def document(self) -> dict[str, Any]:
        told = {"op": self.op, "path": self.path}
        return told if self.op == "remove" else dict(told, value=self.value)


def pointer(*parts: str) -> str:
    """RFC 6901: ``/PORT_QOS_MAP/Eth1~11``."""
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)


def operations(changes: Changes) -> list[Operation]:
    """The patch: a table that is not there is added whole, a row likewise, else field by field."""
    told = []
    for table, rows in changes.after.items():
        if table in BEFORE_PATCH + AFTER_PATCH:
            continue
        old = changes.before.get(table)
        if not old:  # CONFIG_DB has no empty tables
            if rows:
                told.append(Operation("add", pointer(table), rows))
            continue
        for key, row in rows.items():
            if key not in old:
                told.append(Operation("add", pointer(table, key), row))
                continue
            for field, value in row.items():
                if old[key].get(field) != value:
                    told.append(Operation("replace" if field in old[key] else "add", pointer(table, key, field), value))
    return told


def _quoted(text: str) -> str:
    if not _SAFE.match(text):
        raise ValueError(f"{text!r} may not stand in a command line")
    return f"'{text}'"


def _write(table: str, key: str, fields: Fields) -> str:
    words = " ".join(f"{_quoted(field)} {_quoted(value)}" for field, value in sorted(fields.items()))
    return f"sudo sonic-db-cli CONFIG_DB hset {_quoted(table + '|' + key)} {words}"


def _rows(changes: Changes, tables: tuple[str, ...]) -> list[Entry]:
    """Rows of some tables, written directly. All fields of a row at once: thresholds must never cross on the way."""
    entries = []
    for table in tables:
        for key, row in changes.after.get(table, {}).items():
            old = changes.before.get(table, {}).get(key)
            fields = {field: value for field, value in row.items() if (old or {}).get(field) != value}
            if not fields:
                continue
            name = _quoted(f"{table}|{key}")
            if old is None:
                undo = [f"sudo sonic-db-cli CONFIG_DB del {name}"]
            else:
                kept = {field: old[field] for field in fields if field in old}
                undo = [_write(table, key, kept)] if kept else []
                added = sorted(field for field in fields if field not in old)
                undo += [f"sudo sonic-db-cli CONFIG_DB hdel {name} {_quoted(field)}" for field in added]
            entries.append(Entry(_write(table, key, fields), (), tuple(undo)))
    return entries


def entries(changes: Changes, name: str = "npuforge") -> list[Entry]:
    """Everything to type, in order. ``name``: of the checkpoint and of the patch's file (``~/<name>.json``), both new.

    What takes the patch back stands with the checkpoint: a patch that fails half-way is not undone by itself.
    """
    told = _rows(changes, BEFORE_PATCH)
    patch = [json.dumps(operation.document(), sort_keys=True) for operation in operations(changes)]
    if patch:
        if any("'" in line for line in patch):
            raise ValueError("a quote may not stand in a command line")
        file = f"~/{name}.json"
        told.append(
            Entry(
                f"sudo config checkpoint {name}",
                (),
                (f"sudo config rollback {name}", f"sudo config delete-checkpoint {name}", f"rm -f {file}"),
            )
        )
        # One operation per line: a shell's line may be cut at some thousand characters.
        for place, line in enumerate(patch):
            head, sign = ("[", ">") if place == 0 else ("", ">>")
            told.append(Entry(f"printf '%s\\n' '{head}{line}{',' if place + 1 < len(patch) else ']'}' {sign} {file}"))
        told.append(Entry(f"sudo config apply-patch {file}"))
    return told + _rows(changes, AFTER_PATCH)


def policy(changes: Changes, name: str) -> Policy:
    """For ``one_stage``. ``name`` must be new on the switch (``npuforge-20261124T060405Z``): a checkpoint may exist."""
    told = entries(changes, name)
    patched = any(entry.line.startswith("sudo config checkpoint") for entry in told)
    tidy = (f"sudo config delete-checkpoint {name}", f"rm -f ~/{name}.json") if patched else ()
    return Policy(entries=tuple(told), refused=REFUSED, saved=SAVED, save=(*tidy, "sudo config save -y"))


def texts(changes: Changes) -> tuple[str, str]:
    """The touched rows before and after, as JSON, for a diff."""
    before: Tables = {}
    after: Tables = {}
    for table, rows in changes.after.items():
        for key, row in rows.items():
            old = changes.before.get(table, {}).get(key)
            if old == row:
                continue
            if old is not None:
                before.setdefault(table, {})[key] = old
            after.setdefault(table, {})[key] = row
    return tuple(json.dumps(each, indent=1, sort_keys=True) + "\n" for each in (before, after))  # type: ignore[return-value]
