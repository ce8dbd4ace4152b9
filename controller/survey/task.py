"""What the action plugins ``site_survey`` and ``site_labels`` take from Ansible."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller.evidence import RunFolder
from controller.playbook import secrets_of


@dataclass(frozen=True)
class SiteTask:
    """``folder`` is None when no run is open; then nothing is written."""

    base: Path  # what files in the inventory are relative to
    site: str | None
    language: str
    provenance: str
    folder: RunFolder | None


def site_task(variables: dict[str, Any], here: Callable[[str], Any], options: dict[str, Any]) -> SiteTask:
    """:param here: the templated value of a variable, None where there is none.
    :param options: the task's ``language`` and ``run_dir`` win over what the inventory and ``evidence_open`` say.
    """
    hostvars = variables["hostvars"]
    facts = hostvars["localhost"].get("ansible_facts") or {} if "localhost" in hostvars else {}
    run_dir = options["run_dir"] or facts.get("npuforge_run_dir")
    secrets = secrets_of([hostvars[host] for host in hostvars]) if run_dir else ()
    return SiteTask(
        base=inventory_directory(here),
        site=here("site_name"),
        language=options["language"] or here("site_report_language") or "zh",
        provenance="simulated" if here("site_provenance") == "simulated" else "hardware",
        folder=RunFolder(Path(run_dir), secrets) if run_dir else None,
    )


def inventory_directory(here: Callable[[str], Any]) -> Path:
    """The folder of the inventory. An implicit localhost has no ``inventory_dir``, but the sources are known. Of
    several it is the one with the site's files."""
    sources = [Path(str(source)) for source in here("ansible_inventory_sources") or []]
    folders = [source if source.is_dir() else source.parent for source in sources if source.exists()]
    if here("inventory_dir"):
        folders.insert(0, Path(str(here("inventory_dir"))))
    names = [str(name) for name in (here("site_cabling_file"), here("site_survey_file")) if name]
    holding = [folder for folder in folders if any((folder / name).is_file() for name in names)]
    return (holding or folders or [Path()])[0]
