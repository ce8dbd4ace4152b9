"""Measure everything, then find a remedy for each item that fails."""

from __future__ import annotations

from dataclasses import replace

from controller.survey.items import Item, Limits, load_limits
from controller.survey.measure import measure
from controller.survey.model import Survey
from controller.survey.remedy import Advisor


def judge(survey: Survey, limits: Limits | None = None) -> list[Item]:
    """Judge a site: one ``Item`` per quantity and subject, failing ones with a concrete remedy.

    :param limits: those of ``contract/survey.yml`` when omitted; the site's own overrides are applied to either.
    :raises InputError: the survey overrides a limit that does not exist.
    """
    limits = (limits or load_limits()).for_site(survey.limits)
    items = measure(survey, limits)
    advisor = Advisor(survey, limits, items)
    return [replace(item, remedy=advisor.advise(item)) if item.ok is False else item for item in items]
