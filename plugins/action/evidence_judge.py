"""Action plugin ``evidence_judge``: judges the run's evidence by the contract; writes verdicts, ledger and reports.

Runs on the controller, also in check mode; changes nothing on any host.

Options:
  ``run_dir``   default: the fact that ``evidence_open`` set.
  ``language``  of the report, ``zh`` (default) or ``en``.
  ``fail_on``   verdicts that make the task fail once everything is written; default none.

Result: ``counts`` (verdict -> number), ``clauses`` ([{id, title, verdict, counts}] for the summary), ``findings`` (fail
and unknown: [{check, subject, verdict, reason}]), ``run_passed``, ``site_accepted``, ``provenance``, ``ledger``
(rows per table), ``problems``, ``reports`` (name -> path), ``run_dir``.
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

from controller import evidence, playbook  # noqa: E402 - only after sys.path is set
from controller.contract import ContractError  # noqa: E402 - only after sys.path is set
from controller.verdicts import STATES, judge_run  # noqa: E402 - only after sys.path is set


class ActionModule(ActionBase):
    """See the module's text."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Judge; raises AnsibleActionFail when the run folder or the contract cannot be used."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(
            argument_spec={
                "run_dir": {"type": "path"},
                "language": {"type": "str", "choices": ["zh", "en"], "default": "zh"},
                "fail_on": {"type": "list", "elements": "str", "choices": list(STATES), "default": []},
            },
        )
        variables = task_vars or {}
        hostvars = variables["hostvars"]
        run_dir = options["run_dir"] or playbook.opened_run(hostvars)
        if not run_dir:
            raise AnsibleActionFail("no run folder is open: playbooks/open.yml (evidence_open) comes first")
        folder = evidence.RunFolder(Path(run_dir), playbook.secrets_of([hostvars[name] for name in hostvars]))
        try:
            judged = judge_run(folder, options["language"])
        except (evidence.EvidenceError, ContractError, OSError) as error:
            raise AnsibleActionFail(f"the evidence cannot be judged: {error}") from error
        for warning in judged.pop("warnings"):
            self._display.warning(warning)
        result.update(changed=False, **judged)
        bad = {state: judged["counts"][state] for state in options["fail_on"] if judged["counts"][state]}
        if bad:
            listed = ", ".join(f"{count} {state}" for state, count in bad.items())
            result.update(failed=True, msg=f"{listed}; see {folder.path}")
        return result
