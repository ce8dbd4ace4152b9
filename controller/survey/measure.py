"""Every quantity of a site, measured by its formula."""

from __future__ import annotations

from controller.survey import climate, electrical, mechanical
from controller.survey.items import Item, Limits
from controller.survey.model import Survey


def measure(survey: Survey, limits: Limits) -> list[Item]:
    """All items without remedies; ``limits`` are already the site's."""
    return [
        *electrical.feed_items(survey, limits),
        *electrical.pdu_items(survey, limits),
        *electrical.redundancy_items(survey, limits),
        *mechanical.rack_items(survey, limits),
        *mechanical.site_items(survey, limits),
        *climate.room_items(survey, limits),
        *electrical.ups_items(survey, limits),
    ]
