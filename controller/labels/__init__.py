"""Labels and the cabling check (tender 4.1.1-2): read the cabling table, find its mistakes, print both ends' labels.

``load(path, survey) -> Cabling``, ``validate(cabling) -> list[CablingProblem]``,
``render_pdf(cabling, path, language)``, ``render_csv(cabling)``, ``observation(...)``.
"""

from controller.labels.check import CablingProblem, problems, validate
from controller.labels.model import Cable, Cabling, End, Place, load, places
from controller.labels.observe import document, facts, observation
from controller.labels.render import Printed, render_csv, render_pdf

__all__ = [
    "Cable",
    "Cabling",
    "CablingProblem",
    "End",
    "Place",
    "Printed",
    "document",
    "facts",
    "load",
    "observation",
    "places",
    "problems",
    "render_csv",
    "render_pdf",
    "validate",
]
