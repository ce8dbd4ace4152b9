"""The report that a customer signs: HTML, PDF, Word, CTRF and JUnit from one run folder."""

from __future__ import annotations

from pathlib import Path

from controller.redact import Redactor

from .fonts import MissingFontError, ReportError

__all__ = ["MissingFontError", "ReportError", "render_all"]


def render_all(
    run_dir: Path, language: str = "zh", *, contract: Path | None = None, redactor: Redactor | None = None
) -> dict[str, Path]:
    """Write all forms of a run's report into its folder; see ``controller.report.render.render_all``."""
    from .render import render_all as render  # noqa: PLC0415 - WeasyPrint costs a second that the callback must not pay

    return render(run_dir, language, contract=contract, redactor=redactor)
