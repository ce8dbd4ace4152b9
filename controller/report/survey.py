"""The survey chapter: what ``controller.survey`` judged of room, feeds and racks, and its drawings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from . import fabric
from .expect import expectation
from .figures import Figure, FigureError, read_svg
from .i18n import Words
from .load import RunData
from .matrix import WORST_FIRST, verdict_word
from .text import NOTHING, as_list, as_text, dicts, in_language, shorten, show

_TITLES = ("quantity", "check", "id")


@dataclass(frozen=True)
class SurveyItem:
    item: str
    subject: str
    limit: str
    value: str
    verdict: str
    source: str
    remedy: str


@dataclass
class Survey:
    items: list[SurveyItem] = field(default_factory=list)
    cabling: list[SurveyItem] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    bad_figures: list[tuple[str, str]] = field(default_factory=list)

    @property
    def present(self) -> bool:
        return bool(self.items or self.cabling or self.figures or self.bad_figures)


def read(data: RunData, words: Words) -> Survey:
    """Items (those that need action first) and drawings. An item's title is that of the contract's check it decides."""
    titles = {
        as_text(check.get("id")): in_language(check.get("title"), words.language)
        for clause in data.contract
        for check in dicts(clause.get("checks"))
    }
    survey = Survey(items=_items(data.survey, titles, words), cabling=_items(data.cabling, titles, words))
    for number, (name, content) in enumerate(data.figures, start=1):
        if name == fabric.DRAWING:
            continue  # it has its own chapter
        try:
            survey.figures.append(read_svg(name, content, prefix=f"f{number}-"))
        except FigureError as error:
            survey.bad_figures.append((as_text(name), str(error)))
    return survey


def _items(document: dict[str, Any] | None, titles: dict[str, str], words: Words) -> list[SurveyItem]:
    if document is None:
        return []
    for name in ("items", "findings", "results", "problems"):
        if found := dicts(document.get(name)):
            items = [_item(item, titles, words) for item in found]
            return sorted(items, key=lambda item: WORST_FIRST.index(item.verdict))
    return []


def _first(item: dict[str, Any], *names: str) -> Any:
    return next((item[name] for name in names if item.get(name) is not None), None)


def _item(item: dict[str, Any], titles: dict[str, str], words: Words) -> SurveyItem:
    unit = words.word("unit", as_text(item.get("unit")))
    subject = _first(item, "subject", "where", "device", "rack", "feed")
    if isinstance(subject, dict):
        kind, name = as_text(subject.get("kind")), as_text(subject.get("id"))
        # Of several PDUs of a rack, which one.
        name = " · ".join(filter(None, (name, as_text(item.get("part")))))
        subject = f"{words.word('kind', kind)} {name}" if kind else name
    limit = _first(item, "expected", "expect", "limit", "limits", "threshold")
    verdict = _first(item, "verdict", "state", "status")
    if verdict is None and "ok" in item:  # null: the site file lacks what the formula needs
        verdict = {True: "pass", False: "fail"}.get(item["ok"]) if isinstance(item["ok"], bool) else "unknown"
    source = in_language(item.get("source"), words.language)
    if source and item.get("source_verified") is False and not item.get("source_is_site"):
        source = f"{source} {words('survey.unverified')}"
    basis = [in_language(item.get("formula"), words.language), source]
    remedy = [in_language(_first(item, "remedy", "reason", "message"), words.language)]
    if item.get("missing"):
        remedy.insert(0, words.say("survey.missing", what=show(item["missing"])))
    basis[1:1] = [in_language(line, words.language) for line in as_list(item.get("detail"))]
    title = in_language(item.get("title"), words.language) or titles.get(as_text(item.get("check")))
    return SurveyItem(
        item=shorten(title or in_language(_first(item, *_TITLES), words.language) or NOTHING, 200),
        subject=show(subject, limit=80),
        limit=expectation(limit, unit, words) or NOTHING,
        value=show(_first(item, "observed", "value", "measured"), unit, yes=words("yes"), no=words("no"), limit=160),
        verdict=verdict_word(verdict),
        source=shorten("\n".join(filter(None, basis)), 400),
        remedy=shorten("\n".join(filter(None, remedy)), 500),
    )
