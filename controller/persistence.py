"""What a device shows after a restart that really happened, compared with what was configured before it.

The state modules are asked in check mode after the restart: whatever they would change was lost by it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from npuforge.common import Document, note, observation

COLLECTOR = "fabric_persistence"


def boot_mark(text: str | None) -> str | None:
    """A text that changes with every start of the system: the kernel's boot id and when its first process began.

    :param text: ``/proc/sys/kernel/random/boot_id`` followed by ``/proc/1/stat``. A container shares the kernel's boot
        id with its machine; its first process is its own.
    :returns: None when the text is not that.
    """
    match = re.match(r"\s*([0-9a-f-]{36})\s+1 \((.*)\) \S (.*)", text or "", re.DOTALL)
    if match is None:
        return None
    fields = match.group(3).split()
    # Field 22 of proc(5), starttime; three fields stand before this list.
    return f"{match.group(1)}+{fields[18]}" if len(fields) > 18 and fields[18].isdigit() else None


def differences(results: Iterable[Mapping[str, Any]]) -> list[str] | None:
    """Every difference that modules name in their observations, each once.

    :param results: what the state modules returned in check mode.
    :returns: None when there is nothing to tell it from, or a module failed.
    """
    found: dict[str, None] = {}
    entries = 0
    for result in results:
        if result.get("failed") or result.get("unreachable"):
            return None
        for entry in result.get("observations") or []:
            entries += 1
            facts = entry["observation"]["facts"]
            for where, value in _walk(facts):
                if where.endswith("differences") and "found" not in where.split("."):
                    found.update(dict.fromkeys(str(text) for text in value))
    return list(found) if entries else None


def _walk(node: Mapping[str, Any], path: str = "") -> Iterable[tuple[str, list[Any]]]:
    for key, value in node.items():
        where = f"{path}.{key}" if path else str(key)
        if isinstance(value, Mapping):
            yield from _walk(value, where)
        elif isinstance(value, list):
            yield where, value


def seen(
    kind: str,
    subject: str,
    marks: tuple[str | None, str | None],
    results: Iterable[Mapping[str, Any]],
    simulated: bool,
) -> Document:
    """The observation of one device, ready for ``evidence_record``.

    :param kind: ``node`` or ``switch``.
    :param marks: of the boot before and after; equal ones mean that nothing was restarted, None that it cannot be told.
    """
    before, after = marks
    restarted = None if before is None or after is None else before != after
    lost = differences(results)
    notes = []
    if restarted is None:
        notes.append(note("persistence.restarted", "the device did not say when it started"))
    if lost is None:
        notes.append(note("persistence.lost", "the device could not be read after the restart"))
    facts = {"persistence": {"restarted": restarted, "lost": lost}, "notes": notes}
    return {"observation": observation(kind, subject, COLLECTOR, facts, simulated), "raw": []}
