"""Sets a ``Report`` as PDF through WeasyPrint, with the Chinese font embedded and nothing fetched from anywhere."""

from __future__ import annotations

import logging
from typing import Any

import weasyprint

from . import fonts
from .html import print_page
from .model import Report


def render(report: Report) -> bytes:
    """The PDF file. Raises MissingFontError when no Chinese font is installed, rather than printing empty boxes."""
    family = fonts.stack()
    logging.getLogger("weasyprint").setLevel(logging.ERROR)
    document = weasyprint.HTML(string=print_page(report, family), url_fetcher=_no_fetching).render()
    pdf: bytes = document.write_pdf()
    return pdf


def _no_fetching(url: str, *_: Any, **__: Any) -> dict[str, Any]:
    raise ValueError("a report refers to nothing outside itself")
