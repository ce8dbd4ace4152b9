"""Writes all forms of the report into the run folder."""

from __future__ import annotations

from pathlib import Path

from controller.files import write_atomic
from controller.redact import Redactor

from . import html, machine, pdf, word
from .fonts import MissingFontError
from .load import load
from .model import build


def render_all(
    run_dir: Path, language: str = "zh", *, contract: Path | None = None, redactor: Redactor | None = None
) -> dict[str, Path]:
    """Write ``report.html``, ``report.docx``, ``report.pdf``, ``ctrf.json`` and ``junit.xml`` of a run.

    :param run_dir: the run's folder (docs/seams.md section 7); what it lacks is said in the report.
    :param language: ``zh`` or ``en``. The tender's sentences stay as they were signed, in Chinese.
    :param contract: the clauses; the project's ``contract/clauses.yml`` unless given.
    :param redactor: it knows the literal secrets of this run; none of them gets into any form of the report.
    :returns: format -> path, for ``html, docx, ctrf, junit, pdf``. Files are replaced atomically, mode 0600.
    :raises FileNotFoundError: there is no such folder.
    :raises ValueError: no such language.
    :raises MissingFontError: no Chinese font is installed; all but the PDF were written, and an older PDF is gone.
    """
    folder = Path(run_dir)
    data = load(folder, contract, redactor)
    report = build(data, language)
    contents: dict[str, tuple[str, bytes]] = {
        "html": ("report.html", html.screen_page(report).encode("utf-8")),
        "docx": ("report.docx", word.render(report)),
        "ctrf": ("ctrf.json", machine.ctrf(data, language).encode("utf-8")),
        "junit": ("junit.xml", machine.junit(data, language).encode("utf-8")),
    }
    paths = {}
    for form, (name, content) in contents.items():
        write_atomic(folder / name, content)
        paths[form] = folder / name
    target = folder / "report.pdf"
    try:
        write_atomic(target, pdf.render(report))
    except MissingFontError:
        # A PDF of an earlier rendering would be taken for this one's.
        target.unlink(missing_ok=True)
        raise
    paths["pdf"] = target
    return paths
