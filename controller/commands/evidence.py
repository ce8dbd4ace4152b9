"""``npuforge report``, ``ledger`` and ``runs``: what past runs left behind."""

from __future__ import annotations

import json
import webbrowser
from argparse import Namespace
from pathlib import Path
from typing import Any

from controller import evidence as run_folders
from controller.progress import pad, width_of

from . import CommandError, Exit
from .site import site_name

SHOWN_VERDICTS = ("fail", "unknown", "manual", "waived", "not_run", "pass")


def report(options: Namespace) -> Exit:
    """Render the run's report again, perhaps in the other language. A run that was never judged is judged first."""
    site = site_name(options)
    folder = find_run(site, options.run)
    # Typesetting libraries load slowly.
    from controller.report import ReportError, render_all  # noqa: PLC0415 - see above

    try:
        if (folder / "verdicts.json").is_file():
            files = render_all(folder, options.language)
        else:
            from controller.verdicts import judge_run  # noqa: PLC0415 - see above

            judged = judge_run(run_folders.RunFolder(folder), options.language)
            files = {name: Path(path) for name, path in judged["reports"].items()}
            for warning in judged["warnings"]:
                raise CommandError(Exit.INTERNAL, warning)
    except (ReportError, run_folders.EvidenceError) as error:
        raise CommandError(Exit.BROKEN, f"the report cannot be made: {error}") from error
    for name, path in files.items():
        print(f"{pad(name, 8)}  {path}")
    if options.open and "html" in files:
        webbrowser.open(files["html"].absolute().as_uri())
    return Exit.OK


def ledger(options: Namespace) -> Exit:
    """Print the site's asset ledger."""
    site = site_name(options)
    directory = run_folders.artifacts_root() / site
    if not (directory / "ledger.json").is_file():
        raise CommandError(
            Exit.BROKEN, f"{site} has no ledger yet: it is written by 'npuforge run site' or 'run report'"
        )
    if options.format == "csv":
        print((directory / "ledger.csv").read_text(encoding="utf-8-sig"), end="")
        return Exit.OK
    from controller import ledger_files  # noqa: PLC0415 - the spreadsheet library loads slowly

    try:
        document = ledger_files.load(directory, site)
    except run_folders.EvidenceError as error:
        raise CommandError(Exit.BROKEN, str(error)) from error
    if options.format == "json":
        print(json.dumps(document, indent=1, ensure_ascii=False))
        return Exit.OK
    devices = [row for row in document["devices"] if options.all or row["status"] == "active"]
    items = [row for row in document["inventory_items"] if options.all or row["status"] == "active"]
    print_table(devices, ("name", "role", "manufacturer", "device_type", "serial", "rack", "position", "status"))
    print()
    print_table(items, ("device", "name", "role", "manufacturer", "part_id", "serial", "firmware", "status"))
    for outlier in document["outliers"]:
        print(f"\noutlier: {outlier.get('text', '')}")
    stamp = "  SIMULATED" if document["provenance"] == "simulated" else ""
    print(f"\n{len(devices)} devices, {len(items)} parts, as of {document['updated_at']}{stamp}")
    return Exit.OK


def runs(options: Namespace) -> Exit:
    """List the site's runs, newest last, with their verdicts."""
    site = site_name(options)
    rows = [describe(path) for path in run_directories(site)]
    if options.json:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
    elif not rows:
        print(f"no runs of {site} under {run_folders.artifacts_root()}")
    else:
        print_table(rows, ("run_id", "started_at", "stages", *SHOWN_VERDICTS, "provenance"))
    return Exit.OK


def run_directories(site: str) -> list[Path]:
    """The folders of the site's runs, oldest first."""
    root = run_folders.artifacts_root() / site
    return sorted(path.parent for path in root.glob("*/run.json") if not path.parent.is_symlink())


def describe(folder: Path) -> dict[str, Any]:
    """A row for the list; what cannot be read is null, the folder is still listed."""
    row: dict[str, Any] = {"run_id": folder.name, "started_at": None, "stages": None, "provenance": None}
    try:
        run = run_folders.RunFolder(folder).run()
        row |= {"started_at": run["started_at"], "provenance": run["provenance"], "stages": " ".join(run["stages"])}
    except run_folders.EvidenceError:
        row["stages"] = "(run.json cannot be read)"
    counts: dict[str, Any] = {}
    try:
        counts = json.loads((folder / "verdicts.json").read_text(encoding="utf-8"))["counts"]
    except (OSError, ValueError, KeyError, TypeError):
        counts = {}
    return row | {name: counts.get(name) for name in SHOWN_VERDICTS}


def find_run(site: str, run_id: str) -> Path:
    try:
        return run_folders.find_run(run_folders.artifacts_root(), site, run_id)
    except run_folders.EvidenceError as error:
        raise CommandError(Exit.BROKEN, f"{error}; npuforge runs lists them") from error


def print_table(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    """Columns padded to their widest cell; nulls are shown as ``-``."""
    cells = [list(columns), *[["-" if row.get(name) is None else str(row[name]) for name in columns] for row in rows]]
    widths = [max(width_of(line[i]) for line in cells) for i in range(len(columns))]
    for line in cells:
        print("  ".join(pad(cell, widths[i]) for i, cell in enumerate(line)).rstrip())
