"""Items as observations (docs/seams.md section 5) of the kinds site, rack and feed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from controller import contract
from controller.survey.items import Item, Limits
from controller.survey.model import Survey

COLLECTOR = "survey"
TOOL = "npuforge survey"
WORST: dict[str, Callable[[list[float]], float]] = {
    # Quantities that several parts of one subject have: which of them stands for the subject.
    "ups_margin_kva": min,
    "ups_runtime_minutes": min,
    "pdu_load_percent": max,
    "pdu_outlets_margin": min,
    "psu_spare_count": min,
}


def observations(survey: Survey, items: list[Item], *, collected_at: str, provenance: str) -> list[dict[str, Any]]:
    """One entry per site, rack and feed, as a module returns them: ``{"observation": {...}, "raw": [...]}``.

    :param collected_at: UTC, ISO 8601. :param provenance: ``hardware`` or ``simulated``.
    Facts: each quantity by its name (null: the site file lacks what it needs, ``notes`` say what), ``limits`` (what
    each was judged by: ``{quantity: {min, max}}``), ``other_failed`` and ``other_unknown`` (sentences, English, of the
    items that have no check of their own) and ``remedies`` (check id to ``{zh, en}``).
    """
    subjects = [("site", survey.site)]
    subjects += [("rack", rack.name) for rack in survey.racks]
    subjects += [("feed", feed.name) for feed in survey.feeds]
    result = []
    for kind, subject in subjects:
        own = [item for item in items if (item.kind, item.subject) == (kind, subject)]
        raw = []
        if kind == "site":
            raw.append(
                {"name": "survey.yml", "argv": ["npuforge", "survey"], "rc": 0, "seconds": 0.0, "text": survey.text}
            )
        result.append(
            {
                "observation": {
                    "schema": "npuforge.observation/1",
                    "subject": {"kind": kind, "id": subject},
                    "collected_at": collected_at,
                    "collector": COLLECTOR,
                    "tool": {"name": TOOL, "version": contract.version()},
                    "provenance": provenance,
                    "facts": _facts(own),
                },
                "raw": raw,
            }
        )
    return result


def document(survey: Survey, items: list[Item], limits: Limits) -> dict[str, Any]:
    """``survey.json`` of the run folder: every item with value, limit, formula, source and remedy."""
    return {
        "schema": "npuforge.survey_result/1",
        "site": survey.site,
        "surveyed_at": survey.surveyed_at,
        "counts": {
            "ok": sum(item.ok is True for item in items),
            "failed": sum(item.ok is False for item in items),
            "unknown": sum(item.ok is None for item in items),
        },
        "items": [item.document(limits.titles) for item in items],
    }


def _facts(items: list[Item]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for quantity in dict.fromkeys(item.quantity for item in items):
        facts[quantity] = _value([item for item in items if item.quantity == quantity])
    facts["limits"] = {item.quantity: item.limit.bounds() for item in items}
    others = [item for item in items if not item.has_own_check]
    facts["other_failed"] = [
        f"{item.id}: {item.formula}; limit {item.limit.text()}" for item in others if item.ok is False
    ]
    facts["other_unknown"] = [f"{item.id} lacks {', '.join(item.missing)}" for item in others if item.ok is None]
    facts["remedies"] = remedies(items)
    facts["notes"] = [
        {"where": item.quantity, "problem": note}
        for item in items
        if item.missing
        for note in [
            f"the site file lacks {', '.join(item.missing)}"
            + ("" if item.value is None else "; the figure is a bound that fails already")
        ]
    ]
    return facts


def _value(items: list[Item]) -> float | None:
    """The subject's figure: the worst of its parts; unknown when a part is, unless another fails already."""
    failed = [item.value for item in items if item.ok is False and item.value is not None]
    if failed or all(item.value is not None for item in items):
        values = failed or [item.value for item in items if item.value is not None]
        return WORST.get(items[0].quantity, max)(values)
    return None


def remedies(items: list[Item]) -> dict[str, dict[str, str]]:
    """What each failing check's items say, joined when several parts fail (two UPS)."""
    result: dict[str, dict[str, str]] = {}
    for item in items:
        if item.ok is not False or item.remedy is None:
            continue
        known = result.get(item.check)
        if known is None:
            result[item.check] = dict(item.remedy)
        elif item.remedy["en"] not in known["en"]:
            result[item.check] = {
                "zh": known["zh"] + item.remedy["zh"],
                "en": f"{known['en']} {item.remedy['en']}",
            }
    return result
