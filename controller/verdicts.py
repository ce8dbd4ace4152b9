"""Judges a run folder: reads its evidence, writes verdicts.json, updates the site's ledger, makes the reports.

This is the file-writing shell around the pure ``controller.judge`` and ``controller.ledger``.
"""

from __future__ import annotations

import importlib.util
from datetime import UTC, datetime
from pathlib import Path

from controller import contract, ledger_files
from controller.contract import Contract, Document
from controller.evidence import RunFolder
from controller.files import locked
from controller.judge import STATES, judge
from controller.ledger import update

__all__ = ["STATES", "judge_run"]


def judge_run(
    folder: RunFolder,
    language: str = "zh",
    *,
    law: Contract | None = None,
    now: datetime | None = None,
) -> Document:
    """Judge everything in ``folder`` and write what follows from it. May be called again as evidence grows.

    :param language: ``zh`` or ``en``: of the report and the ledger's headers.
    :param law: the contract; default the project's.
    :returns: ``{run_dir, counts, clauses, findings, run_passed, site_accepted, provenance, ledger, problems, reports,
        warnings}``; ``ledger`` counts rows per table, ``reports`` maps a name to its path.
    :raises EvidenceError, ContractError: the folder or the contract cannot be used.
    """
    law = law or contract.load()
    moment = now or datetime.now(UTC)
    folder.finish(moment)
    run = folder.run()
    observed, problems = folder.observed()
    verdicts = judge(law, run, observed, moment)
    verdicts["problems"] = problems + verdicts["problems"]
    folder.write_json("verdicts.json", verdicts, "verdicts")
    with locked(folder.site_directory / ".lock"):
        ledger = update(ledger_files.load(folder.site_directory, run["site"]), run, observed)
        ledger_files.save(folder.site_directory, ledger, folder.redactor, language)
    reports, warnings = _render(folder, language)
    keys = ("id", "title", "verdict", "counts")
    return {
        "run_dir": str(folder.path),
        "counts": verdicts["counts"],
        "clauses": [{key: clause[key] for key in keys} for clause in verdicts["clauses"]],
        "findings": [
            {key: row[key] for key in ("clause", "check", "subject", "verdict", "reason")}
            for row in verdicts["verdicts"]
            if row["verdict"] in ("fail", "unknown")
        ],
        "run_passed": verdicts["run_passed"],
        "site_accepted": verdicts["site_accepted"],
        "provenance": verdicts["provenance"],
        "ledger": {key: len(ledger[key]) for key in ("devices", "inventory_items", "events", "outliers")},
        "problems": verdicts["problems"],
        "reports": {name: str(path) for name, path in reports.items()},
        "warnings": warnings,
    }


def _render(folder: RunFolder, language: str) -> tuple[dict[str, Path], list[str]]:
    """The reports. A report that cannot be made is a warning: the verdicts are written and stand."""
    if importlib.util.find_spec("controller.report") is None:
        return {}, ["this installation has no controller.report: no report is made"]
    try:
        from controller.report import render_all  # noqa: PLC0415 - its typesetting libraries load slowly

        return dict(render_all(folder.path, language, redactor=folder.redactor)), []
    except Exception as error:  # whatever a typesetter throws: it is told, and the verdicts are there
        return {}, [f"the report could not be made: {type(error).__name__}: {error}"]
