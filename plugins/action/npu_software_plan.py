"""Action plugin ``npu_software_plan``: which NPU software the site's nodes shall have, and where its files are.

Runs on the controller, also in check mode; changes nothing on any host. A release whose parts do not belong together
fails the task, all reasons at once; what nobody can tell about versions is shown and left to the node's own tools.

Prints the table where the playbook was asked for the plan (``--tags plan``). Result: ``release``, ``table`` (lines),
``notes`` and ``ansible_facts.npuforge_bundle``: ``{url, artifacts}``, with the artifacts of every architecture; a node
takes its own.
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

from controller.bundle import rules, show, site  # noqa: E402 - only after sys.path is set
from controller.bundle.manifest import ManifestError  # noqa: E402 - only after sys.path is set
from controller.playbook import plain  # noqa: E402 - only after sys.path is set
from controller.survey.task import inventory_directory  # noqa: E402 - only after sys.path is set


class ActionModule(ActionBase):
    """See the module's text."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Plan; raises AnsibleActionFail when no release is named, it cannot be had, or its parts do not fit."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        self.validate_argument_spec(argument_spec={})
        variables = task_vars or {}

        def here(name: str) -> Any:
            return self._templar.template(variables.get(name))

        software = plain(here("site_software"))
        if not isinstance(software, dict):
            raise AnsibleActionFail("site_software: the inventory does not give it")
        try:
            document = site.recorded(software, inventory_directory(here))
        except ManifestError as error:
            raise AnsibleActionFail(f"site_software: {error}") from error
        problems, notes = rules.problems(document), rules.notes(document)
        if problems:
            lines = [f"{each['where']}: {each['problem']}" for each in problems]
            raise AnsibleActionFail("the release's parts do not belong together:\n  " + "\n  ".join(lines))
        table = show.table(document, problems, notes)
        if "plan" in (variables.get("ansible_run_tags") or ()):
            self._display.display(table)
        result.update(
            changed=False,
            release=document["release"],
            table=table.splitlines(),
            notes=notes,
            ansible_facts={"npuforge_bundle": {"url": software.get("url"), "artifacts": document["artifacts"]}},
        )
        return result
