"""Action plugin ``site_labels``: checks the site's cabling table and prints the labels for both ends of each cable.

Runs on the controller, also in check mode; changes nothing on any host. Mistakes of the table do not fail the task: the
observation says so, and the contract's checks judge it. Cables in conflict get no label.

Options:
  ``file``         the cabling table (YAML, or NetBox's CSV); default ``site_cabling_file``.
  ``survey_file``  gives racks, units, ports and feeds; default ``site_survey_file``.
                   Both are relative to the inventory's folder.
  ``language``     of the labels: ``zh`` or ``en``; default ``site_report_language``, else ``zh``.
  ``run_dir``      default: the fact that ``evidence_open`` set. Without one nothing is written.

Writes ``<run>/cabling.json``, ``<run>/labels/labels.pdf`` and ``<run>/labels/labels.csv``. Result: ``observations``
(kind site), ``problems`` (English), ``labels_count``, ``skipped``, ``files`` and ``msg``.
"""

from __future__ import annotations

import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

ROOT = Path(__file__).resolve().parents[2]
for path in (str(ROOT), str(ROOT / "plugins" / "module_utils")):
    if path not in sys.path:
        sys.path.insert(0, path)

from controller import evidence, labels, survey  # noqa: E402 - only after sys.path is set
from controller.survey.task import site_task  # noqa: E402 - only after sys.path is set


class ActionModule(ActionBase):
    """See the module's text."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Check and print; raises AnsibleActionFail when a file is wrong or the run folder cannot be written."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(
            argument_spec={
                "file": {"type": "path"},
                "survey_file": {"type": "path"},
                "language": {"type": "str", "choices": ["zh", "en"]},
                "run_dir": {"type": "path"},
            }
        )
        variables = task_vars or {}

        def here(name: str) -> Any:
            return self._templar.template(variables.get(name))

        task = site_task(variables, here, options)
        table, room = options["file"] or here("site_cabling_file"), options["survey_file"] or here("site_survey_file")
        if not table or not room:
            raise AnsibleActionFail("the inventory names no site_cabling_file and site_survey_file")
        try:
            site = survey.load(task.base / str(room))
            cabling = labels.load(task.base / str(table), site)
        except survey.InputError as error:
            raise AnsibleActionFail(str(error)) from error
        problems = labels.problems(cabling, site)
        files: list[str] = []
        printed = labels.Printed((), ())
        if task.folder is not None:
            try:
                with tempfile.TemporaryDirectory() as scratch:
                    printed = labels.render_pdf(cabling, Path(scratch) / "labels.pdf", task.language)
                    pdf = (Path(scratch) / "labels.pdf").read_bytes()
                written = [
                    task.folder.write_json("cabling.json", labels.document(cabling, problems, site.site)),
                    task.folder.write_bytes("labels/labels.pdf", pdf),
                    task.folder.write_text("labels/labels.csv", labels.render_csv(cabling)),
                ]
            except (evidence.EvidenceError, OSError) as error:
                raise AnsibleActionFail(f"the labels cannot be kept: {error}") from error
            files = [str(file.relative_to(task.folder.path)) for file in written]
        seen = labels.observation(
            cabling,
            problems,
            site=site.site,
            collected_at=evidence.utc(datetime.now(UTC)),
            provenance=task.provenance,
        )
        result.update(
            changed=False,
            observations=[seen],
            problems=[problem.en for problem in problems],
            labels_count=len(printed.labels),
            skipped=list(printed.skipped),
            files=files,
            msg=f"{len(cabling.cables)} cables, {len(problems)} problems",
        )
        return result
