"""Doubts about what was read: summaries and roll-ups against the parts."""

from __future__ import annotations

from ..common import Document, as_dict, as_integer, note
from .part import status
from .tree import Tree

_RANK = {None: 0, "ok": 1, "warning": 2, "critical": 3}


def cross_check(tree: Tree, host: Document, facts: Document) -> None:
    """Compare summaries and roll-ups with the parts. They prove nothing, so a disagreement is only a note."""
    notes = facts["notes"]
    told = as_integer(as_dict(host.get("ProcessorSummary")).get("Count"))
    counted = facts["cpu"]["present_count"] if facts["cpu"] else None
    if told and counted is not None and told != counted:
        notes.append(note("cpu", f"{counted} CPUs are fitted, but ProcessorSummary says {told}"))
    bad = any(
        facts[kind] and facts[kind]["unhealthy"] for kind in ("cpu", "npu", "memory", "drive", "fan", "psu", "nic")
    )
    for where, document in [("system", host)] + [("chassis", body) for _, body in tree.role("chassis")]:
        health = status(document).health
        if _RANK[health] >= 2 and not bad:
            notes.append(note(where, f"the {where} calls itself {health}, but no part shows why"))
        if _RANK[health] == 1 and bad and where == "system":
            notes.append(note(where, "the system calls itself ok although parts are not"))
