"""Action plugin ``inventory_validate``: reports every mistake of the inventory at once and fails where there is one.

Runs on the controller, takes no options, changes nothing. Result: ``validation`` (docs/inventory.md),
``mistakes_count``; ``msg`` is the text that ``npuforge validate`` prints.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

ROOT = str(Path(__file__).resolve().parents[2])
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)


class ActionModule(ActionBase):
    """See the module's text."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        from controller.contract import ContractError  # noqa: PLC0415 - only after sys.path is set
        from controller.validate import validate_inventory  # noqa: PLC0415 - only after sys.path is set

        result: dict[str, Any] = super().run(tmp, task_vars)
        if self._task.args:
            raise AnsibleActionFail(f"inventory_validate takes no options, got {', '.join(self._task.args)}")
        sources = [str(source) for source in (task_vars or {}).get("ansible_inventory_sources") or []]
        if not sources:
            raise AnsibleActionFail("there is no inventory: give one with -i")
        try:
            report = validate_inventory(sources, list(self._loader._vault.secrets or []))
        except ContractError as error:
            raise AnsibleActionFail(str(error)) from error
        result.update(
            changed=False,
            failed=not report.ok,
            msg="\n".join(report.lines()),
            mistakes_count=len(report.mistakes),
            validation=report.as_dict(),
        )
        return result
