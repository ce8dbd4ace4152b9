"""Action plugin ``os_plan``: merges the operating system's baseline of each node from contract and inventory.

Runs on the controller, takes no options, also in check mode; changes nothing on any host. Everything that is wrong
with the overrides fails the task, all at once.

Result: ``plan`` (node -> what ``kernel_tuning`` takes) and ``ansible_facts.npuforge_os_plan``, the same.
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

from controller import contract, os_plan  # noqa: E402 - only after sys.path is set


class ActionModule(ActionBase):
    """See the module's text."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Merge; raises AnsibleActionFail when there is no plan."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        if self._task.args:
            raise AnsibleActionFail(f"os_plan takes no options, got {', '.join(self._task.args)}")
        variables = task_vars or {}
        hostvars = variables["hostvars"]

        def here(name: str) -> Any:
            return self._templar.template(variables.get(name))

        def of_host(host: str, name: str) -> Any:
            return hostvars[host].get(name)

        try:
            plan = os_plan.plan_of(variables["groups"], of_host, here)
        except os_plan.OsPlanError as error:
            lines = "\n  ".join(error.problems)
            raise AnsibleActionFail(f"the operating system cannot be planned:\n  {lines}") from error
        except contract.ContractError as error:
            raise AnsibleActionFail(str(error)) from error
        result.update(changed=False, plan=plan, ansible_facts={"npuforge_os_plan": plan})
        return result
