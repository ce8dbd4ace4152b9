"""Action plugin ``os_install_media``: plans, serves, follows and cleans up the installation of one host.

Runs on the controller for the host of the task; a host without any system is no obstacle. Also in check mode, where
only ``planned`` does anything (it reads).

Options:
  ``state``          ``planned``  compares ``os_install`` with what the BMC shows and looks at the running system
                     ``present``  makes the image with the kickstart and serves it
                     ``followed`` waits until the new system answers, and judges it
                     ``absent``   ends the server and removes the image, whatever there is
  ``result``         for ``planned`` and ``present``: what ``bmc_info`` returned for this host
  ``wanted``         ``os_install`` of the host, ``site`` that of the site (docs/os-install.md)
  ``allowed``        ``os_install_hosts``: hosts that may be installed; ``erase``: those whose mounted data may go
  ``listen``         address and port of the image's server (default: the one towards the BMC, and a free port)
  ``export``         ``{folder, url}`` of a share instead of the server, for BMCs that take NFS or CIFS only
  ``bmc``            ``{address, port, user, password, ca_file, fingerprint, validate_certs}``
  ``ssh``            ``{address, port, key, user, arguments, known_hosts}``
  ``limit_seconds``  for ``present`` and ``followed``

Result of ``planned``: ``erase``, ``keep``, ``problems`` (sentences; the task fails when there are any); of ``present``:
``url_file``, which holds the image's address (a secret); of ``followed``: ``facts``, ``seconds``, ``notes``.
"""

from __future__ import annotations

import secrets
import shlex
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

ROOT = Path(__file__).resolve().parents[2]
for path in (str(ROOT), str(ROOT / "plugins" / "module_utils")):
    if path not in sys.path:
        sys.path.insert(0, path)

from npuforge.bmc import power  # noqa: E402 - only after sys.path is set
from npuforge.bmc.client import Unreachable  # noqa: E402
from npuforge.bmc.wire import Target  # noqa: E402
from npuforge.install import kickstart, verify  # noqa: E402

from controller.bundle.background import BackgroundError  # noqa: E402
from controller.files import make_directory, write_atomic  # noqa: E402
from controller.os_install import follow, image, plan, serve  # noqa: E402

MEDIA_SECONDS = 900  # the image is served so much longer than an installation may take


class ActionModule(ActionBase):
    """See the module's text."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Do what ``state`` says; raises AnsibleActionFail when it cannot be done."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(
            argument_spec={
                "state": {"type": "str", "required": True, "choices": ["planned", "present", "followed", "absent"]},
                "result": {"type": "raw"},
                "wanted": {"type": "raw"},
                "site": {"type": "raw"},
                "allowed": {"type": "raw"},
                "erase": {"type": "raw"},
                "listen": {"type": "dict", "default": {}},
                "export": {"type": "dict", "default": {}},
                "bmc": {"type": "dict", "default": {}},
                "ssh": {"type": "dict", "default": {}},
                "limit_seconds": {"type": "int", "default": 3600},
            },
        )
        variables = task_vars or {}
        self._host = str(variables["inventory_hostname"])
        self._options = options
        self._site = variables
        self._folder = plan.folder_of(str(self._var("site_name") or "site"), self._host)
        do = {"planned": self._plan, "present": self._present, "followed": self._follow, "absent": self._absent}
        result.update(do[options["state"]]())
        return result

    def _var(self, name: str) -> Any:
        return self._templar.template(self._site.get(name))

    def _wanted(self) -> dict[str, Any]:
        variables = {name: self._var(name) for name in ("ansible_host", "site_networks")}
        return plan.wanted_of(self._host, self._options["site"], self._options["wanted"], variables)

    def _planned(self) -> plan.Plan:
        """The plan. Fails when this host is not named, with nothing looked at."""
        if self._host not in _names(self._options["allowed"]):
            raise AnsibleActionFail(f"{self._host} is not named in os_install_hosts: nothing was done")
        seen = (self._options["result"] or {}).get("observations") or [{}]
        facts = seen[0].get("observation", {}).get("facts")
        return plan.plan_of(self._host, self._wanted(), facts)

    def _plan(self) -> dict[str, Any]:
        planned = self._planned()
        problems = [f"{item['key']}: {item['value']}: expected {item['expected']}" for item in planned.problems]
        if self._host not in _names(self._options["erase"]):
            problems += [
                f"{sentence}; name the host in os_install_erase as well if this may be erased"
                for sentence in follow.in_use(self._login(str(self._options["ssh"].get("user") or "root")))
            ]
        answer = {"changed": False, **planned.told(), "problems": problems}
        if problems:
            lines = "\n  ".join(problems)
            answer.update(failed=True, msg=f"{self._host} is not installed, nothing was done:\n  {lines}")
        return answer

    def _present(self) -> dict[str, Any]:
        if self._task.check_mode:
            return {"changed": True, "url_file": None}
        planned = self._planned()
        if planned.problems:
            raise AnsibleActionFail(f"{self._host}: the plan is no longer right: {planned.problems}")
        self._absent()
        make_directory(self._folder)
        install, word = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        text = kickstart.render(planned.wanted, planned.chosen, install)
        words = [f"inst.repo={planned.wanted['repository']}", kickstart.boot_network(planned.wanted)]
        target = self._folder / f"{self._host}.iso"
        self._keep("install", install)
        try:
            installer = Path(planned.wanted["installer"]).expanduser()
            size = image.build(installer, text, words, target)
            self._keep("url", self._offer(target, word))
            return {"changed": True, "url_file": str(self._folder / "url"), "size_bytes": size}
        except (image.ImageError, BackgroundError, OSError) as error:
            self._absent()
            raise AnsibleActionFail(f"{self._host}: no image to install from: {error}") from error

    def _keep(self, name: str, text: str) -> None:
        """A file beside the image, and as secret: results are shown and logged, files of the folder are not."""
        write_atomic(self._folder / name, text.encode())

    def _offer(self, target: Path, word: str) -> str:
        """The image's address as the BMC reaches it."""
        export = self._options["export"]
        if export:
            shared = Path(export["folder"]) / f"{word}-{target.name}"
            self._keep("shared", str(shared))
            shared.touch(0o600)
            shutil.copyfile(target, shared)
            return f"{str(export['url']).rstrip('/')}/{shared.name}"
        listen = self._options["listen"]
        address = listen.get("address") or serve.towards(str(self._options["bmc"]["address"]))
        seconds = self._options["limit_seconds"] + MEDIA_SECONDS
        return serve.start(self._folder, word, (str(address), int(listen.get("port") or 0)), seconds)

    def _follow(self) -> dict[str, Any]:
        if self._task.check_mode:
            return {"changed": False, "facts": None, "notes": []}
        planned = self._planned()
        begun = time.monotonic()
        install = (self._folder / "install").read_text(encoding="ascii")
        login = self._login(planned.wanted["user"])
        try:
            limit = float(self._options["limit_seconds"])
            seen = follow.follow(self._target(), login, self._folder, limit, self._say)
        except follow.FollowError as error:
            raise AnsibleActionFail(f"{self._host}: {error}") from error
        judged = verify.judge(planned.wanted, planned.chosen, install, seen)
        try:
            source = follow.boot_order(self._target())
            if source:
                judged["problems"].append(f"the next boot would be from {source}, not from the machine's own order")
        except (Unreachable, power.Refused) as error:
            judged["notes"].append(f"the BMC does not tell what the next boot starts from: {error}")
        known = self._options["ssh"].get("known_hosts")
        if known:
            follow.keep_key(self._folder / "known_hosts", Path(known).expanduser())
        answer: dict[str, Any] = {
            "changed": True,
            "facts": {key: judged[key] for key in ("distribution", "layout")},
            "notes": judged["notes"],
            "seconds": round(time.monotonic() - begun, 1),
        }
        if judged["problems"]:
            answer.update(failed=True, msg=f"{self._host} was installed, but " + "; ".join(judged["problems"]))
        return answer

    def _absent(self) -> dict[str, Any]:
        if self._task.check_mode:
            return {"changed": False}
        shared = self._folder / "shared"
        if shared.exists():
            Path(shared.read_text(encoding="utf-8")).unlink(missing_ok=True)
        try:
            return {"changed": serve.remove(self._folder)}
        except (BackgroundError, OSError) as error:
            raise AnsibleActionFail(
                f"{self._host}: {self._folder} holds secrets and is still there: {error}"
            ) from error

    def _target(self) -> Target:
        given = self._options["bmc"]
        return Target(
            str(given["address"]),
            str(given["user"]),
            str(given["password"]),
            int(given.get("port") or 443),
            given.get("ca_file") or None,
            given.get("fingerprint") or None,
            bool(given.get("validate_certs", True)),
        )

    def _login(self, user: str) -> follow.Login:
        given = self._options["ssh"]
        options = tuple(shlex.split(str(given.get("arguments") or "")))
        return follow.Login(
            str(given["address"]), int(given.get("port") or 22), user, given.get("key") or None, options
        )

    def _say(self, text: str) -> None:
        self._display.display(f"{self._host}: {text}")


def _names(given: Any) -> list[str]:
    """A list of names, or one text with commas."""
    text = given if isinstance(given, str) else ",".join(str(item) for item in given or [])
    return [name.strip() for name in text.split(",") if name.strip()]
