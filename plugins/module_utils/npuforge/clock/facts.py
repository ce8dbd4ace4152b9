"""The facts ``time`` of a node (docs/node-software.md, section 4) from what was measured."""

from __future__ import annotations

from typing import Sequence

from ..common import Document, note
from .chronyc_parse import Source
from .measure import Measured, Verdict, reachable

LOCAL_NAME = "local clock"


def facts(
    measured: Measured, differences: Sequence[str], active: bool | None, against_controller_seconds: float | None
) -> Document:
    """``offset_milliseconds``: the system clock against its source, positive when it is ahead; of the site's own source
    against itself. ``clock_against_controller_seconds``: the same against the machine that runs Ansible, and the time
    that the task needed to get here is in it."""
    verdict = measured.verdict
    ahead = verdict.ahead_seconds
    notes = [] if verdict.why is None else [note("time", verdict.why)]
    if against_controller_seconds is None:
        notes.append(
            note("time.clock_against_controller_seconds", "date told no time, or the controller's was not given")
        )
    return {
        "time": {
            "source": _source(verdict),
            "offset_milliseconds": None if ahead is None else round(ahead * 1000, 3),
            "stratum": verdict.stratum,
            "leap": verdict.leap,
            "clock_against_controller_seconds": against_controller_seconds,
            "synchronised": verdict.synchronised,
            "configuration_differences": list(differences),
            "service_active": active,
            "sources": [_row(each, measured.age_seconds) for each in measured.reading.sources],
        },
        "notes": notes,
    }


def _source(verdict: Verdict) -> Document | None:
    if verdict.local:
        return {"name": LOCAL_NAME, "reachable": True, "stratum": verdict.stratum, "kind": "local"}
    if verdict.source is None:
        return None
    return {"name": verdict.source.name, "reachable": True, "stratum": verdict.source.stratum, "kind": "server"}


def _row(source: Source, age_seconds: float | None) -> Document:
    return {
        "name": source.name,
        "kind": source.kind,
        "state": source.state,
        "reachable": reachable(source, age_seconds),
        "stratum": source.stratum if source.reach else None,
        "last_answer_seconds": source.last_seconds,
        "offset_milliseconds": None if source.ahead_seconds is None else round(source.ahead_seconds * 1000, 3),
        "error_milliseconds": None if source.error_seconds is None else round(source.error_seconds * 1000, 3),
    }
