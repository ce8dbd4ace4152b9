"""The cabling check as an observation of kind site (docs/seams.md section 5)."""

from __future__ import annotations

from typing import Any

from controller.labels.check import (
    INCOMPLETE,
    LABEL_CONFLICTS,
    PORT_CONFLICTS,
    POWER,
    CablingProblem,
)
from controller.labels.model import Cabling
from controller.survey.reading import project_version

CHECKS = {
    "labels.cable_ends_complete": INCOMPLETE,
    "labels.port_unique": PORT_CONFLICTS,
    "labels.label_unique": LABEL_CONFLICTS,
    "labels.power_redundancy": POWER,
}


def facts(cabling: Cabling, problems: list[CablingProblem]) -> dict[str, Any]:
    """Counts, and the problems (English) by the check that each fails; ``remedies`` name them in both languages."""

    def of(kinds: tuple[str, ...]) -> list[str]:
        return [problem.en for problem in problems if problem.kind in kinds]

    cables = [cable for cable in cabling.cables if cable.status != "decommissioning"]
    ends = [end for cable in cables for end in (cable.a, cable.b) if cable.label and cabling.end_id(end)]
    remedies = {}
    for check, kinds in CHECKS.items():
        failed = [problem for problem in problems if problem.kind in kinds]
        if failed:
            remedies[check] = {
                "zh": "更正布线表后重新打印标签:" + ";".join(problem.zh for problem in failed) + "。",
                "en": "Correct the cabling table and print again: " + "; ".join(p.en for p in failed) + ".",
            }
    return {
        "cabling_cables_count": len(cables),
        "cabling_ends_labelled_percent": round(100 * len(ends) / (2 * len(cables)), 2) if cables else None,
        "cabling_incomplete": of(INCOMPLETE),
        "cabling_port_conflicts": of(PORT_CONFLICTS),
        "cabling_label_conflicts": of(LABEL_CONFLICTS),
        "cabling_power_redundancy_lost": of(POWER),
        "cabling_problems": [problem.en for problem in problems],
        "remedies": remedies,
        "notes": [] if cables else [{"where": "cabling", "problem": "the cabling table has no cables"}],
    }


def observation(
    cabling: Cabling, problems: list[CablingProblem], *, site: str, collected_at: str, provenance: str
) -> dict[str, Any]:
    """``{"observation": {...}, "raw": [...]}`` as a module returns it. ``collected_at``: UTC, ISO 8601."""
    name = "cabling.csv" if cabling.path.lower().endswith(".csv") else "cabling.yml"
    return {
        "observation": {
            "schema": "npuforge.observation/1",
            "subject": {"kind": "site", "id": site},
            "collected_at": collected_at,
            "collector": "labels",
            "tool": {"name": "npuforge labels", "version": project_version()},
            "provenance": provenance,
            "facts": facts(cabling, problems),
        },
        "raw": [{"name": name, "argv": ["npuforge", "labels"], "rc": 0, "seconds": 0.0, "text": cabling.text}],
    }
