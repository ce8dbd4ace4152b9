"""Action plugin ``evidence_open``: opens the run folder of this ansible-playbook process, or joins the one it has.

Runs on the controller, also in check mode; changes nothing on any host.

Options: ``run`` (``latest`` or a run id: work on that run; default the variable ``npuforge_run``, the environment's
``NPUFORGE_RUN_ID``, else this process's own run). Read from the inventory: ``site_name``, ``site_provenance``,
``site_expect``, ``site_waivers``, the groups ``npu_servers`` and ``switches``, and of each host ``npu_profile``,
``asset_serial``, ``asset_tag``, ``location``, ``rack``, ``rack_position``, ``rack_face``.

Result: ``run_dir``, ``run_id``, ``joined`` and the fact ``npuforge_run_dir`` (on this host's ``ansible_facts``).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

ROOT = Path(__file__).resolve().parents[2]
for path in (str(ROOT), str(ROOT / "plugins" / "module_utils")):
    if path not in sys.path:
        sys.path.insert(0, path)

from npuforge.fabric.refuse import PlanError  # noqa: E402 - only after sys.path is set

from controller import evidence, playbook  # noqa: E402 - only after sys.path is set
from controller.fabric import source  # noqa: E402 - only after sys.path is set
from controller.survey.task import inventory_directory  # noqa: E402 - only after sys.path is set


class ActionModule(ActionBase):
    """See the module's text."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Open or join; raises AnsibleActionFail with what is wrong with the inventory or the folder."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(argument_spec={"run": {"type": "str"}})
        variables = task_vars or {}
        hostvars = variables["hostvars"]

        def here(name: str) -> Any:
            return self._templar.template(variables.get(name))

        def of_host(host: str, name: str) -> Any:
            return hostvars[host].get(name)

        site = here("site_name")
        if not site:
            raise AnsibleActionFail("the inventory gives no site_name, so there is no place for the evidence")
        inventory = playbook.inventory_of(
            str(site),
            variables["groups"],
            of_host,
            here("site_expect"),
            here("site_waivers"),
            fabric=self._fabric(variables, here, of_host),
        )
        wanted = options["run"] or here("npuforge_run") or os.environ.get("NPUFORGE_RUN_ID")
        try:
            # A worker's parent is the ansible-playbook process: it tells one call of it from the next.
            folder, joined = evidence.join_or_create(
                evidence.artifacts_root(),
                str(site),
                inventory,
                "simulated" if here("site_provenance") == "simulated" else "hardware",
                wanted=str(wanted) if wanted else None,
                process=evidence.process_identity(os.getppid()),
                secrets=playbook.secrets_of([hostvars[host] for host in hostvars]),
            )
            run = folder.run()
        except (evidence.EvidenceError, OSError) as error:
            raise AnsibleActionFail(f"the run folder cannot be opened: {error}") from error
        result.update(
            changed=False,
            run_dir=str(folder.path),
            run_id=run["run_id"],
            joined=joined,
            ansible_facts={"npuforge_run_dir": str(folder.path)},
        )
        return result

    def _fabric(
        self, variables: dict[str, Any], here: Callable[[str], Any], of_host: Callable[[str, str], Any]
    ) -> dict[str, Any] | None:
        """The fabric plan, whose ports are subjects; a plan that contradicts itself is the fabric stage's to refuse."""
        if here("site_fabric") is None:
            return None
        try:
            return source.plan_of(inventory_directory(here), variables["groups"], of_host, here)
        except PlanError as error:
            first = error.problems[0]
            self._display.warning(
                f"no fabric plan, {len(error.problems)} problems, the first: {first['where']}: {first['problem']}"
            )
            return None
