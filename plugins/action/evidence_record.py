"""Action plugin ``evidence_record``: keeps the observations that a module returned.

Runs on the controller, also in check mode; changes nothing on any host. Works per host (``result`` of this host) and
once for many (``results`` from a loop or ``hostvars``, on localhost).

Options:
  ``stage``     required; run.json notes that it ran.
  ``result`` / ``results``  what was registered: a module's result, a loop's, or a list of such.
  ``state``     ``done`` (default) or ``started``, to note a stage that begins without a result.
  ``kind``      kind of the subject (default ``bmc`` in the group npu_servers, ``switch`` in switches, else none) for a
                result that failed without an observation: it is recorded as one that saw nothing, with the message.
  ``run_dir``   default: the fact that ``evidence_open`` set.

Result: ``files`` (written, relative to the run folder), ``recorded_count``, ``problems`` (entries that were refused).
A refused entry fails the task after the others are written.
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

from controller import contract, evidence, playbook  # noqa: E402 - only after sys.path is set


class ActionModule(ActionBase):
    """See the module's text."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Record; raises AnsibleActionFail when there is no run folder."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(
            argument_spec={
                "stage": {"type": "str", "required": True},
                "result": {"type": "raw"},
                "results": {"type": "raw"},
                "state": {"type": "str", "choices": ["started", "done"], "default": "done"},
                "kind": {"type": "str", "choices": list(contract.KINDS)},
                "run_dir": {"type": "path"},
            },
            mutually_exclusive=[["result", "results"]],
        )
        variables = task_vars or {}
        host = str(variables["inventory_hostname"])
        hostvars = variables["hostvars"]
        run_dir = options["run_dir"] or playbook.opened_run(hostvars)
        if not run_dir:
            raise AnsibleActionFail("no run folder is open: playbooks/open.yml (evidence_open) comes first")
        # A result of one host can hold what that host's tasks knew. Reading the variables of all hosts on each of
        # them would make the cost grow with the square of the site.
        servants = [host] if host in variables["groups"]["all"] else list(hostvars)
        folder = evidence.RunFolder(Path(run_dir), playbook.secrets_of([hostvars[name] for name in servants]))
        entries = playbook.entries_of(
            options["result"] if options["results"] is None else options["results"],
            self._subject(options["kind"], host, variables["groups"]),
            options["stage"],
            evidence.utc(datetime.now(UTC)),
            contract.version(),
        )
        files, problems = [], []
        try:
            simulated = folder.run()["provenance"] == "simulated"
            for entry in entries:
                try:
                    files.append(str(folder.record(entry, simulated).relative_to(folder.path)))
                except evidence.EvidenceError as error:
                    problems.append(str(error))
            folder.mark_stage(options["stage"], options["state"])
        except (evidence.EvidenceError, OSError) as error:
            raise AnsibleActionFail(f"the evidence cannot be kept: {error}") from error
        result.update(changed=False, files=files, recorded_count=len(files), problems=problems)
        if problems:
            result.update(failed=True, msg="; ".join(problems))
        return result

    @staticmethod
    def _subject(kind: str | None, host: str, groups: dict[str, list[str]]) -> dict[str, str] | None:
        for group, usual in ((playbook.SERVERS, "bmc"), (playbook.SWITCHES, "switch")):
            if host in groups.get(group, []):
                return {"kind": kind or usual, "id": host}
        return {"kind": kind, "id": host} if kind else None
