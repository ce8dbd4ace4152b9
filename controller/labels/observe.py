"""The cabling check as an observation of kind site (docs/seams.md section 5)."""

from __future__ import annotations

from typing import Any

from controller import contract
from controller.labels.check import (
    INCOMPLETE,
    LABEL_CONFLICTS,
    PORT_CONFLICTS,
    POWER,
    CablingProblem,
)
from controller.labels.model import Cabling

CHECKS = {
    "labels.cable_ends_complete": INCOMPLETE,
    "labels.port_unique": PORT_CONFLICTS,
    "labels.label_unique": LABEL_CONFLICTS,
    "labels.power_redundancy": POWER,
}

TITLES = {
    "labels.cable_ends_complete": {"zh": "两端登记不完整的线缆", "en": "Cables with an end that is not recorded"},
    "labels.port_unique": {"zh": "端口重复使用", "en": "Ports used more than once"},
    "labels.label_unique": {"zh": "标签编号重复", "en": "Labels used more than once"},
    "labels.power_redundancy": {"zh": "失去电源冗余的设备", "en": "Devices without redundant power"},
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


def document(cabling: Cabling, problems: list[CablingProblem], site: str) -> dict[str, Any]:
    """``cabling.json`` of the run folder: one item per check, with the problems that it counts."""
    found = facts(cabling, problems)
    items = []
    for check, kinds in CHECKS.items():
        failed = [problem for problem in problems if problem.kind in kinds]
        items.append(
            {
                "id": check.replace("labels.", "cabling_"),
                "title": TITLES[check],
                "check": check,
                "subject": {"kind": "site", "id": site},
                "value": len(failed),
                "unit": "",
                "limit": {"max": 0},
                "ok": not failed if cabling.cables else None,
                "detail": [{"zh": problem.zh, "en": problem.en} for problem in failed],
                "remedy": found["remedies"].get(check),
            }
        )
    return {"schema": "npuforge.cabling_result/1", "site": site, "cables": len(cabling.cables), "items": items}


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
            "tool": {"name": "npuforge labels", "version": contract.version()},
            "provenance": provenance,
            "facts": facts(cabling, problems),
        },
        "raw": [{"name": name, "argv": ["npuforge", "labels"], "rc": 0, "seconds": 0.0, "text": cabling.text}],
    }
