"""Action plugin ``fabric_plan``: computes the fabric plan from inventory, cabling table and profiles.

Runs on the controller, also in check mode; changes nothing on any host. Contradictions fail the task, all at once.

Options:
  ``language``  of the drawing: ``zh`` or ``en``; default ``site_report_language``, else ``zh``.
  ``run_dir``   default: the fact that ``evidence_open`` set. Without one nothing is written.

Writes ``<run>/fabric/plan.json`` and ``<run>/figures/fabric.svg``; prints the table where the playbook was asked for
the plan (``--tags plan``). Result: ``plan``, ``table`` (lines), ``files`` and ``ansible_facts.npuforge_fabric_plan``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

ROOT = Path(__file__).resolve().parents[2]
for path in (str(ROOT), str(ROOT / "plugins" / "module_utils")):
    if path not in sys.path:
        sys.path.insert(0, path)

from npuforge.fabric.refuse import PlanError  # noqa: E402 - only after sys.path is set

from controller import evidence  # noqa: E402 - only after sys.path is set
from controller.fabric import show, source  # noqa: E402 - only after sys.path is set
from controller.survey.task import site_task  # noqa: E402 - only after sys.path is set


class ActionModule(ActionBase):
    """See the module's text."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Compute; raises AnsibleActionFail when there is no plan or the run folder cannot be written."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(
            argument_spec={"language": {"type": "str", "choices": ["zh", "en"]}, "run_dir": {"type": "path"}}
        )
        variables = task_vars or {}
        hostvars = variables["hostvars"]

        def here(name: str) -> Any:
            return self._templar.template(variables.get(name))

        def of_host(host: str, name: str) -> Any:
            return hostvars[host].get(name)

        task = site_task(variables, here, options)
        try:
            plan = source.plan_of(task.base, variables["groups"], of_host, here)
        except PlanError as error:
            lines = [f"{problem['where']}: {problem['problem']}" for problem in error.problems]
            raise AnsibleActionFail("the fabric cannot be planned:\n  " + "\n  ".join(lines)) from error
        table = show.table(plan)
        if "plan" in (variables.get("ansible_run_tags") or ()):
            self._display.display(table)
        files: list[str] = []
        if task.folder is not None:
            try:
                written = [
                    task.folder.write_json("fabric/plan.json", plan),
                    task.folder.write_text("figures/fabric.svg", show.drawing(plan, task.language)),
                ]
            except (evidence.EvidenceError, OSError) as error:
                raise AnsibleActionFail(f"the plan cannot be kept: {error}") from error
            files = [str(file.relative_to(task.folder.path)) for file in written]
        result.update(
            changed=False,
            plan=plan,
            table=table.splitlines(),
            files=files,
            ansible_facts={"npuforge_fabric_plan": plan},
        )
        return result
