"""The survey of a machine room (tender 4.1.1-1): read, judge by formulas with sources, propose remedies, draw.

``load(path) -> Survey``, ``judge(survey, limits) -> list[Item]``, ``observations(survey, items, ...)`` and
``rack_svg(survey, rack)``. A figure that was not measured makes its item unknown, never good.
"""

from controller.survey.drawing import rack_svg
from controller.survey.items import Item, Limit, Limits, load_limits
from controller.survey.judge import judge
from controller.survey.model import Survey, load
from controller.survey.observe import document, observations
from controller.survey.reading import InputError, Problem

__all__ = [
    "InputError",
    "Item",
    "Limit",
    "Limits",
    "Problem",
    "Survey",
    "document",
    "judge",
    "load",
    "load_limits",
    "observations",
    "rack_svg",
]
