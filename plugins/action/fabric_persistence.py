"""Action plugin ``fabric_persistence``: says whether a device kept its settings over a restart that really happened.

Runs on the controller, also in check mode; changes nothing on any host.

Options:
  ``kind``     ``node`` or ``switch``.
  ``before``, ``after``  what tells one start from the next: for a node the text of ``/proc/sys/kernel/random/boot_id``
               and ``/proc/1/stat``, for a switch the moment of its start.
  ``results``  what the state modules returned in check mode after the restart.

Result: ``observations`` (collector fabric_persistence, facts ``persistence: {restarted, lost}``) and ``msg``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

ROOT = Path(__file__).resolve().parents[2]
for path in (str(ROOT), str(ROOT / "plugins" / "module_utils")):
    if path not in sys.path:
        sys.path.insert(0, path)

from controller import persistence, playbook  # noqa: E402 - only after sys.path is set


class ActionModule(ActionBase):
    """See the module's text."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Compare."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(
            argument_spec={
                "kind": {"type": "str", "choices": ["node", "switch"], "required": True},
                "before": {"type": "str"},
                "after": {"type": "str"},
                "results": {"type": "list", "elements": "dict", "required": True},
            }
        )
        variables = task_vars or {}
        marks = (options["before"], options["after"])
        if options["kind"] == "node":
            marks = (persistence.boot_mark(marks[0]), persistence.boot_mark(marks[1]))
        seen = persistence.seen(
            options["kind"],
            str(variables["inventory_hostname"]),
            (marks[0] or None, marks[1] or None),
            playbook.plain(options["results"]),
            self._templar.template(variables.get("site_provenance")) == "simulated",
        )
        told = seen["observation"]["facts"]["persistence"]
        words = {True: "restarted", False: "not restarted", None: "restart not seen"}[told["restarted"]]
        lost = "not read" if told["lost"] is None else f"{len(told['lost'])} settings lost"
        result.update(changed=False, observations=[seen], msg=f"{words}, {lost}")
        return result
