"""Action plugin ``site_survey``: judges the machine room by the site's survey file and draws its racks.

Runs on the controller, also in check mode; changes nothing on any host. A room that is not fit does not fail the task:
the observations say so, and the contract's checks judge them (``evidence_record``, ``evidence_judge``).

Options:
  ``file``      the survey file; default ``site_survey_file``, relative to the inventory's folder.
  ``language``  of the drawings: ``zh`` or ``en``; default ``site_report_language``, else ``zh``.
  ``run_dir``   default: the fact that ``evidence_open`` set. Without one nothing is written.

Writes ``<run>/survey.json`` and ``<run>/figures/rack-<name>.svg``. Result: ``observations`` (kinds site, rack, feed),
``counts`` (ok, failed, unknown), ``files`` and ``msg``. A survey file that cannot be used fails the task with every
mistake in it.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

ROOT = Path(__file__).resolve().parents[2]
for path in (str(ROOT), str(ROOT / "plugins" / "module_utils")):
    if path not in sys.path:
        sys.path.insert(0, path)

from controller import evidence, survey  # noqa: E402 - only after sys.path is set
from controller.survey.task import site_task  # noqa: E402 - only after sys.path is set


class ActionModule(ActionBase):
    """See the module's text."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Judge; raises AnsibleActionFail when the survey file is wrong or the run folder cannot be written."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(
            argument_spec={
                "file": {"type": "path"},
                "language": {"type": "str", "choices": ["zh", "en"]},
                "run_dir": {"type": "path"},
            }
        )
        variables = task_vars or {}

        def here(name: str) -> Any:
            return self._templar.template(variables.get(name))

        task = site_task(variables, here, options)
        given = options["file"] or here("site_survey_file")
        if not given:
            raise AnsibleActionFail("the inventory names no site_survey_file")
        try:
            site = survey.load(task.base / str(given))
            if task.site not in (None, site.site):
                raise AnsibleActionFail(f"{site.path} is the survey of {site.site!r}, not of {task.site!r}")
            limits = survey.load_limits()
            items = survey.judge(site, limits)
        except survey.InputError as error:
            raise AnsibleActionFail(str(error)) from error
        document = survey.document(site, items, limits)
        files: list[str] = []
        if task.folder is not None:
            try:
                written = [task.folder.write_json("survey.json", document)]
                for rack in site.racks:
                    drawing = survey.rack_svg(site, rack.name, items, task.language)
                    written.append(task.folder.write_text(f"figures/rack-{rack.name}.svg", drawing))
            except (evidence.EvidenceError, OSError) as error:
                raise AnsibleActionFail(f"the survey cannot be kept: {error}") from error
            files = [str(file.relative_to(task.folder.path)) for file in written]
        counts = document["counts"]
        now = evidence.utc(datetime.now(UTC))
        result.update(
            changed=False,
            observations=survey.observations(site, items, collected_at=now, provenance=task.provenance),
            counts=counts,
            files=files,
            msg=f"{counts['ok']} fit, {counts['failed']} not fit, {counts['unknown']} not known",
        )
        return result
