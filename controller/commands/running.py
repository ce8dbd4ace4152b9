"""``npuforge run``: a playbook through ansible-runner, shown as the console callback shows it.

ansible-runner wants a folder of its own; it is made in memory where possible, holds no results (its events carry none)
and is removed at the end, whatever that end is.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import shlex
import shutil
import signal
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import yaml

from . import ROOT, CommandError, Exit
from .site import hosts_files, inventories, settle_ansible

STAGES = ("survey", "hardware", "os", "fabric", "npu", "kubernetes", "platform", "frameworks", "acceptance")
# Parts of playbooks, not meant to be run alone.
PARTS = ("open",)
GRACE_SECONDS = 15


def playbooks() -> dict[str, Path]:
    """The project's playbooks by name."""
    return {path.stem: path for path in sorted((ROOT / "playbooks").glob("*.yml")) if path.stem not in PARTS}


def find_playbook(name: str) -> Path:
    """A playbook by name, stage or path. :raises CommandError: there is none; the message lists those that are."""
    known = playbooks()
    if name in known:
        return known[name]
    path = Path(name).absolute()
    if path.suffix in (".yml", ".yaml") and path.is_file():
        return path
    hint = f"the stage {name} has no playbook yet" if name in STAGES else f"there is no playbook {name}"
    raise CommandError(Exit.INVALID, f"{hint}; there are: {', '.join(known)}")


def run(options: Namespace) -> Exit:
    """Run the playbook; the exit code follows from its verdicts, or from what broke."""
    settle_ansible()
    playbook = find_playbook(options.playbook)
    files = hosts_files(inventories(options))
    variables, variable_files = extra_variables(options.extra_vars)
    arguments = [*(word for path in variable_files for word in ("-e", f"@{path}"))]
    for flag, given in (("--check", options.check), ("--diff", options.diff)):
        arguments += [flag] if given else []
    for flag, given in (("--tags", options.tags), ("--skip-tags", options.skip_tags)):
        arguments += [flag, given] if given else []
    with private_directory() as private, Interruption() as interruption:
        outcome_file = private / "outcome.json"
        environment = child_environment(outcome_file)
        if options.ask_vault_pass:
            environment["NPUFORGE_VAULT_PASSWORD_FILE"] = str(ask_vault_password(private))
        # Slow to import, and only this command needs it.
        import ansible_runner  # type: ignore[import-untyped]  # noqa: PLC0415 - see above

        runner = ansible_runner.run(
            private_data_dir=str(private),
            project_dir=str(ROOT),
            playbook=str(playbook),
            inventory=[str(path) for path in files],
            cmdline=shlex.join(arguments) or None,
            limit=with_localhost(options.limit),
            extravars=variables or None,
            verbosity=options.verbose,
            envvars=environment,
            settings={"suppress_output_file": True, "pexpect_timeout": 1},
            omit_event_data=True,  # results of modules are not written anywhere by the runner
            fact_cache_type="",
            quiet=True,  # what is shown is printed by the handler below
            event_handler=interruption.event,
            cancel_callback=interruption.cancelled,
        )
        outcome = read_outcome(outcome_file)
    if interruption.count:
        raise CommandError(Exit.INTERRUPTED, "interrupted; what was seen so far is in the run folder")
    return conclude(int(runner.rc if runner.rc is not None else 1), outcome)


def conclude(code: int, outcome: dict[str, Any] | None) -> Exit:
    """The exit code, and a sentence on stderr where it is not 0.

    :param code: of ansible-playbook
    :param outcome: what the callback wrote at the end; null when the run did not get there
    """
    if outcome is None:
        if code == 0:
            raise CommandError(Exit.INTERNAL, "ansible-playbook ended well but left no outcome (is the callback on?)")
        raise CommandError(Exit.BROKEN, f"ansible-playbook stopped before its end (its exit code: {code})")
    counts = outcome.get("counts") or {}
    mistakes = outcome.get("inventory_mistakes")
    if mistakes:
        what = "1 mistake" if mistakes == 1 else f"{mistakes} mistakes"
        raise CommandError(Exit.INVALID, f"{what} in the inventory; nothing was touched")
    # 2 is Ansible's for a failed task: expected of the judge, which fails to tell of its verdicts.
    if outcome.get("broken") or code not in (0, 2) or (code == 2 and not counts):
        raise CommandError(Exit.BROKEN, "a play failed or a host was unreachable, see above")
    failed, unknown = counts.get("fail", 0), counts.get("unknown", 0)
    if failed:
        raise CommandError(Exit.FAIL, f"verdicts: {failed} fail" + (f", {unknown} unknown" if unknown else ""))
    if unknown:
        raise CommandError(Exit.UNKNOWN, f"verdicts: {unknown} unknown (what could not be seen is not proven)")
    return Exit.OK


def with_localhost(limit: str | None) -> str | None:
    """The evidence is opened and judged on localhost, whatever hosts a run is limited to."""
    return f"{limit},localhost" if limit else None


def read_outcome(file: Path) -> dict[str, Any] | None:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None


def extra_variables(given: list[str]) -> tuple[dict[str, Any], list[Path]]:
    """``-e`` as Ansible takes it: ``k=v k2=v2``, a JSON or YAML mapping, or ``@file``.

    :returns: variables (they travel in a private file, not on a command line), and files
    """
    variables: dict[str, Any] = {}
    files: list[Path] = []
    for text in given:
        if text.startswith("@"):
            path = Path(text[1:]).expanduser().absolute()
            if not path.is_file():
                raise CommandError(Exit.INVALID, f"-e {text}: there is no such file")
            files.append(path)
        elif text.lstrip().startswith("{"):
            try:
                document = yaml.safe_load(text)
            except yaml.YAMLError:
                document = None
            if not isinstance(document, dict):
                raise CommandError(Exit.INVALID, "-e {...}: not a mapping in JSON or YAML")
            variables.update(document)
        else:
            for word in split_words(text):
                key, separator, value = word.partition("=")
                if not separator or not key.isidentifier():
                    raise CommandError(Exit.INVALID, f"-e {word.partition('=')[0]}: write name=value, {{...}} or @file")
                variables[key] = value
    return variables, files


def split_words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise CommandError(Exit.INVALID, f"-e: {error}") from error


def child_environment(outcome_file: Path) -> dict[str, str]:
    """What ansible-playbook gets on top of our own environment; ansible-runner would else change the first three."""
    environment = {
        "ANSIBLE_STDOUT_CALLBACK": "npuforge",
        "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "plugins" / "callback"),
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "NPUFORGE_OUTCOME_FILE": str(outcome_file),
        "COLUMNS": str(shutil.get_terminal_size((100, 24)).columns),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    }
    # The child writes to a pseudo-terminal of the runner's; colours are for ours.
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    environment["ANSIBLE_FORCE_COLOR" if colour else "ANSIBLE_NOCOLOR"] = "1"
    if os.environ.get("LC_ALL") in ("C", "POSIX"):
        # Ansible refuses to start in a locale that is not UTF-8; the callback still learns what was asked for.
        environment |= {"LC_ALL": "", "LC_CTYPE": "C.UTF-8", "LANG": "C"}
    return environment


def ask_vault_password(private: Path) -> Path:
    """Ask on the terminal; the file is read by bin/vault-password and goes with the folder."""
    password = getpass.getpass("Vault password: ")
    if not password:
        raise CommandError(Exit.INVALID, "the vault password is empty")
    file = private / "vault_password"
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(password + "\n")
    return file


@contextlib.contextmanager
def private_directory() -> Iterator[Path]:
    """A folder for us alone, in memory where the system has such a place, removed at the end."""
    memory = Path(os.environ.get("XDG_RUNTIME_DIR") or "/dev/shm")  # noqa: S108 - mkdtemp below makes it ours alone
    place = str(memory) if memory.is_dir() and os.access(memory, os.W_OK) else None
    directory = Path(tempfile.mkdtemp(prefix="npuforge-run-", dir=place))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


class Interruption:
    """Hands Ctrl-C on to ansible-playbook (in a session of its own), which may tidy up; a second one kills it."""

    def __init__(self) -> None:
        self.count = 0
        self._since = 0.0
        self._child: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interruption:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def event(self, event: dict[str, Any]) -> bool:
        """ansible-runner's event handler: print what the callback printed; nothing is kept (False)."""
        pid = event.get("pid")
        if self._child is None and isinstance(pid, int) and parent_of(pid) == os.getpid():
            self._child = pid
        text = event.get("stdout")
        if text:
            print(text.replace("\r\n", "\n"), flush=True)
        return False

    def cancelled(self) -> bool:
        """ansible-runner asks every second; True makes it kill the child."""
        return self.count > 1 or (self.count > 0 and time.monotonic() - self._since > GRACE_SECONDS)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1
        if self.count == 1:
            self._since = time.monotonic()
            print("\nstopping (again to stop at once) ...", file=sys.stderr, flush=True)
            if self._child is not None and parent_of(self._child) == os.getpid():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._child, signal.SIGINT)


def parent_of(pid: int) -> int | None:
    """The parent's process id; null when there is no such process."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return None
