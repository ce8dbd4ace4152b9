"""Action plugin ``python_bootstrap``: a node has a Python that Ansible's modules run on, by raw commands only.

Options: ``state`` (``present``, ``absent``), ``prefix``, ``minimum``, ``transfer`` (``auto``: the node fetches, or gets
it over SSH when it has nothing to fetch with; ``http``; ``ssh``), ``bundle`` (``{url, artifacts}``; empty: that of
``site_software``).
Result: ``changed``, ``interpreter``, ``shipped``, ``pythons``, ``system``, ``msg`` (see ``controller.bootstrap.run``).

A node whose Python is new enough costs one command. Check mode looks and says what would be done.
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

from npuforge.bundle.fetch import fetch  # noqa: E402 - only after sys.path is set

from controller.bootstrap import run  # noqa: E402 - only after sys.path is set
from controller.bundle import site  # noqa: E402 - only after sys.path is set
from controller.bundle.manifest import ManifestError  # noqa: E402 - only after sys.path is set
from controller.playbook import plain  # noqa: E402 - only after sys.path is set
from controller.survey.task import inventory_directory  # noqa: E402 - only after sys.path is set

CACHE = Path("~/.cache/npuforge/python").expanduser()


class ActionModule(ActionBase):
    """See the module's text."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Look, decide, do; raises AnsibleActionFail with the reason when the node cannot be given a Python."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(
            argument_spec={
                "state": {"type": "str", "default": "present", "choices": ["present", "absent"]},
                "prefix": {"type": "str", "default": "/opt/npuforge/python"},
                "minimum": {"type": "str", "default": "3.8"},
                "transfer": {"type": "str", "default": "auto", "choices": ["auto", "http", "ssh"]},
                "bundle": {"type": "dict", "default": {}},
            },
        )
        self._site = task_vars or {}
        self._given = options["bundle"]
        given = self._var("ansible_python_interpreter")
        try:
            wanted = run.wanted_of_options(
                options["prefix"],
                options["minimum"],
                str(given or "") or None,
                options["transfer"],
                self._task.check_mode,
            )
            if options["state"] == "absent":
                result.update(run.absent(self._call, wanted))
            else:
                result.update(run.present(self._call, wanted, self._bundle, self._say))
        except run.BootstrapError as error:
            raise AnsibleActionFail(str(error)) from error
        return result

    def _call(self, script: str, data: bytes | None) -> tuple[int, str, str]:
        done = self._low_level_execute_command(script, in_data=data)
        return int(done.get("rc") or 0), str(done.get("stdout") or ""), str(done.get("stderr") or "")

    def _var(self, name: str) -> Any:
        return plain(self._templar.template(self._site.get(name)))

    def _bundle(self) -> run.Bundle:
        url, artifacts = self._given.get("url"), self._given.get("artifacts")
        software = self._var("site_software")
        if not artifacts:
            if not isinstance(software, dict) or not software:
                raise run.BootstrapError("the inventory names no bundle to take one from (site_software)")
            url = software.get("url")
            try:
                artifacts = site.recorded(software, inventory_directory(self._var))["artifacts"]
            except ManifestError as error:
                raise run.BootstrapError(f"site_software: {error}") from error
        if not url:
            raise run.BootstrapError("site_software: url: where the bundle is served is not given")
        return run.Bundle(str(url), plain(artifacts), lambda entry: fetch(str(url), entry, CACHE, self._say))

    def _say(self, text: str) -> None:
        self._display.display(f"{self._site.get('inventory_hostname')}: {text}")
