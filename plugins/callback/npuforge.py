"""The console of npuforge: a calm line per stage, host and piece of work; a table and the verdicts at the end."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from ansible import constants as C
from ansible import context
from ansible.plugins.callback import CallbackBase
from ansible.plugins.loader import module_loader
from ansible.utils.color import ANSIBLE_COLOR

DOCUMENTATION = """
name: npuforge
type: stdout
short_description: One line per stage and host with progress and time, then a summary
description:
  - Prints a line for each module that ran on a host, for what changed, failed or was unreachable. Quiet steps on the
    controller are only counted. C(-v) shows every task, C(-vvv) every result as Ansible's own callback does.
  - At the end a table per host, with the number of modules that ran, and the verdicts of the run.
  - Writes the run's C(events.jsonl) (times and states, never arguments).
  - Secrets of the inventory are masked wherever they would be printed.
options:
  language:
    description: Language of headings and states, V(en) or V(zh).
    type: str
    choices: [en, zh]
    default: en
    env: [{name: NPUFORGE_LANG}]
    ini: [{section: callback_npuforge, key: language}]
  outcome_file:
    description: Where to write counts and the run folder as JSON when the run ends; the C(npuforge) command reads it.
    type: path
    env: [{name: NPUFORGE_OUTCOME_FILE}]
"""

ROOT = str(Path(__file__).resolve().parents[2])
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

from controller import playbook as controller_playbook  # noqa: E402 - only after sys.path is set
from controller.events import EventLog  # noqa: E402 - only after sys.path is set
from controller.files import write_atomic  # noqa: E402 - only after sys.path is set
from controller.progress import Console, Tally  # noqa: E402 - only after sys.path is set
from controller.redact import Redactor  # noqa: E402 - only after sys.path is set

# Our own actions work on the controller (judge, draw, print); those that only take notes are not worth a line.
OWN_ACTIONS = frozenset(path.stem for path in (Path(ROOT) / "plugins" / "action").glob("*.py"))
QUIET_ACTIONS = ("evidence_open", "evidence_record")
# Actions of ansible-core that run no module, though there is a file of that name.
CONTROLLER_ONLY = (
    "add_host", "assert", "debug", "fail", "group_by", "include_vars", "pause", "set_fact", "set_stats",
    "validate_argument_spec",
)  # fmt: skip
COLORS = {
    "ok": C.COLOR_OK,
    "changed": C.COLOR_CHANGED,
    "skipped": C.COLOR_SKIP,
    "ignored": C.COLOR_WARN,
    "failed": C.COLOR_ERROR,
    "unreachable": C.COLOR_UNREACHABLE,
}


class CallbackModule(CallbackBase):  # type: ignore[misc]  # Ansible has no types
    """See DOCUMENTATION."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "npuforge"

    def __init__(self) -> None:
        super().__init__()
        self._tally = Tally()
        self._console = Console()
        self._redactor = Redactor()
        self._events = EventLog()
        self._begun = time.time()
        self._started: dict[tuple[str, str], float] = {}
        self._play_name = ""
        self._run_dir: Path | None = None
        self._judged: dict[str, Any] | None = None  # verdict -> number, once this run was judged
        self._mistakes = 0  # of the inventory
        self._own_failures = 0  # tasks that failed to tell of verdicts or mistakes: nothing broke
        self._masked = False

    # --- plays and tasks

    def v2_playbook_on_start(self, playbook: Any) -> None:
        # Python turns LC_CTYPE into UTF-8 where the user asked for C; what was asked for is in LC_ALL or LANG.
        poor = (os.environ.get("LC_ALL") or os.environ.get("LANG")) in ("C", "POSIX")
        plays = playbook.get_plays()
        hosts = [host.get_name() for play in plays for host in _hosts(play)]
        longest = max([8, *(len(name) for name in hosts)])
        width = max(80, min(shutil.get_terminal_size((100, 24)).columns, 140))
        self._console = Console(self.get_option("language"), poor, width, min(longest, 24))
        self._tally.plan([_size(play) for play in plays])
        self._events.add("playbook_start", playbook=Path(playbook._file_name).name, plays=len(plays))
        if context.CLIARGS.get("check"):
            self._print(self._console.word("check"), C.COLOR_CHANGED)

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._mask(play)
        self._play_name = play.get_name().strip()
        self._tally.begin_play(_size(play))
        self._events.add("play_start", play=self._play_name, hosts=len(_hosts(play)))

    def v2_playbook_on_no_hosts_matched(self) -> None:
        self._print(f"{self._play_name}: {self._console.word('no_hosts')}", C.COLOR_SKIP)

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._events.add("task_start", play=self._play_name, task=task.get_name(), action=_short(task.action))
        if self._display.verbosity >= 2:
            self._print(f"{self._play_name}: {task.get_name()}   ({task.get_path()})", C.COLOR_DEBUG)

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        self.v2_playbook_on_task_start(task, False)

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        self._started[host.get_name(), task._uuid] = time.monotonic()

    # --- results

    def v2_runner_on_ok(self, result: Any) -> None:
        self._learn(result, failed=False)
        state = "changed" if result.result.get("changed") else "ok"
        ran = self._count_modules(result)
        works = _short(result.task.action) in OWN_ACTIONS and _short(result.task.action) not in QUIET_ACTIONS
        self._finish(result, state, shown=ran or works or state == "changed" or self._run_is_verbose(result))

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._learn(result, failed=not ignore_errors)
        self._count_modules(result)
        self._finish(result, "ignored" if ignore_errors else "failed", shown=True, reason=True)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._finish(result, "unreachable", shown=True, reason=True)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._finish(result, "skipped", shown=self._display.verbosity > 0)

    def v2_runner_item_on_ok(self, result: Any) -> None:
        self._count_module(result, result.result)
        if self._display.verbosity > 0:
            self._item(result, "changed" if result.result.get("changed") else "ok")

    def v2_runner_item_on_failed(self, result: Any) -> None:
        self._count_module(result, result.result)
        self._item(result, "failed")

    def v2_runner_item_on_skipped(self, result: Any) -> None:
        if self._display.verbosity > 1:
            self._item(result, "skipped")

    def v2_runner_retry(self, result: Any) -> None:
        left = result.result.get("retries", 0) - result.result.get("attempts", 0)
        what = f"{_short(result.task.action)}: {self._console.word('again')} ({left})"
        self._print(self._console.result(self._play_name, _host(result), "failed", what), C.COLOR_DEBUG)

    def v2_on_file_diff(self, result: Any) -> None:
        results = result.result.get("results") if result.task.loop else None
        for entry in results if isinstance(results, list) else [result.result]:
            if isinstance(entry, dict) and entry.get("diff") and entry.get("changed"):
                text = self._get_diff(entry["diff"]).rstrip("\n")
                if text:
                    self._print("\n".join(f"    {line}" for line in text.splitlines()))

    # --- the end

    def v2_playbook_on_stats(self, stats: Any) -> None:
        hosts = {name: self._tally.hosts[name] for name in sorted(self._tally.hosts) if name in stats.processed}
        if hosts:
            self._print("\n" + "\n".join(self._console.table(hosts)))
        for name, entry in hosts.items():
            self._events.add("host_summary", host=name, **entry.as_dict())
        self._events.add("playbook_end", seconds=round(time.time() - self._begun, 3))
        self._summary()
        if self._events.problem:
            self._display.warning(f"the event log is incomplete: {self._events.problem}")
        outcome = self.get_option("outcome_file")
        if outcome:
            broken = sum(stats.failures.values()) + sum(stats.dark.values()) - self._own_failures
            document = {
                "run_dir": str(self._run_dir) if self._run_dir else None,
                "counts": self._judged,
                "inventory_mistakes": self._mistakes,
                "broken": broken,
                "hosts": {name: entry.as_dict() for name, entry in hosts.items()},
            }
            write_atomic(Path(outcome), json.dumps(document).encode())

    def _summary(self) -> None:
        """The verdicts of this run in one screen, and where its report lies."""
        if self._run_dir is None:
            return
        report = self._run_dir / "report.html"
        if self._judged is None:
            self._print(f"\n{self._console.word('evidence')}: {self._run_dir}")
            return
        # The report's modules take a moment to import; a run that judges nothing does not pay for them.
        from controller.report.console import summary_lines  # noqa: PLC0415 - see above

        verdicts = json.loads((self._run_dir / "verdicts.json").read_text(encoding="utf-8"))
        language = "en" if self._console.ascii else self.get_option("language")
        lines = summary_lines(
            verdicts,
            self._console.width,
            bool(ANSIBLE_COLOR),
            report=report if report.is_file() else self._run_dir,
            language=language,
        )
        self._print("\n" + "\n".join(lines))

    # --- helpers

    def _finish(self, result: Any, state: str, shown: bool, reason: bool = False) -> None:
        host = result.host.get_name()
        begun = self._started.pop((host, result.task._uuid), None)
        seconds = time.monotonic() - begun if begun is not None else None
        self._tally.add(host, state, seconds or 0.0)
        self._events.add(
            "result",
            play=self._play_name,
            role=result.task._role.get_name() if result.task._role else None,
            task=result.task_name,
            action=_short(result.task.action),
            host=host,
            delegate=str(result.task.delegate_to) if result.task.delegate_to else None,
            state=state,
            seconds=round(seconds, 3) if seconds is not None else None,
        )
        failure = None
        if reason:
            failure = _reason(result.result)
            result.result.pop("exception", None)  # what Ansible would print of it is the same reason, at length
        self._handle_warnings_and_exception(result)
        if not shown:
            return
        what = _short(result.task.action)
        if self._display.verbosity > 0:
            what = f"{what}  {result.task_name}"
        elif what in OWN_ACTIONS and not failure and result.result.get("msg"):
            what = f"{what}  {str(result.result['msg']).splitlines()[0]}"
        if isinstance(result.result.get("results"), list):
            what += f"  ({len(result.result['results'])} {self._console.word('items')})"
        line = self._console.result(
            self._play_name, _host(result), state, what, seconds=seconds, progress=self._tally.progress
        )
        if failure:
            line += "\n" + "\n".join(f"    {text}" if text else "" for text in failure.splitlines())
        line += self._details(result)
        self._print(line, COLORS[state])

    def _item(self, result: Any, state: str) -> None:
        label = self._get_item_label(result.result)
        what = f"{_short(result.task.action)}  {label}"
        line = self._console.result(self._play_name, _host(result), state, what)
        if state == "failed":
            line += "\n" + "\n".join(f"    {text}" for text in _reason(result.result).splitlines())
        if self._display.verbosity > 2:
            line += "\n" + self._dump_results(self._redactor.document(result.result), indent=4)
        self._print(line, COLORS[state])

    def _details(self, result: Any) -> str:
        """What follows the line: what ``debug`` was told to print, and at -vvv the whole result."""
        if result.result.get("_ansible_verbose_always", False) is True and self._display.verbosity < 3:
            self._clean_results(result.result, result.task.action)
            message = result.result.get("msg")
            text = message if isinstance(message, str) else self._dump_results(result.result, indent=4)
            return "".join(f"\n    {line}" for line in text.splitlines())
        if self._display.verbosity > 2:
            return f"\n{self._dump_results(self._redactor.document(result.result), indent=4)}"
        return ""

    def _count_modules(self, result: Any) -> bool:
        """Count the result's module run; loops were counted item by item. Returns whether a module ran."""
        if isinstance(result.result.get("results"), list) and result.task.loop:
            return any(_ran(entry, result.task.action) for entry in result.result["results"])
        return self._count_module(result, result.result)

    def _count_module(self, result: Any, entry: Any) -> bool:
        ran = _ran(entry, result.task.action)
        if ran:
            self._tally.module_run(result.host.get_name())
        return ran

    def _learn(self, result: Any, failed: bool) -> None:
        """Take from a result where the run's evidence is, its verdicts, and mistakes of the inventory."""
        entry = result.result
        facts = entry.get("ansible_facts")
        run_dir = facts.get("npuforge_run_dir") if isinstance(facts, dict) else None
        if isinstance(run_dir, str) and Path(run_dir).is_dir():
            self._run_dir = Path(run_dir)
            self._events.open(self._run_dir)
        action = _short(result.task.action)
        if action == "evidence_judge" and isinstance(entry.get("counts"), dict) and entry.get("run_dir"):
            self._run_dir = Path(str(entry["run_dir"]))
            self._judged = {str(name): int(count) for name, count in entry["counts"].items()}
            self._own_failures += failed
        if action == "inventory_validate" and isinstance(entry.get("mistakes_count"), int):
            self._mistakes += int(entry["mistakes_count"])
            self._own_failures += failed

    def _mask(self, play: Any) -> None:
        """Learn the inventory's secrets once, so that none is printed or logged whatever a module returns."""
        if self._masked:
            return
        self._masked = True
        manager = play.get_variable_manager()
        variables = [manager.get_vars(host=host, include_hostvars=False) for host in _all_hosts(play)]
        variables.append(manager.get_vars(include_hostvars=False))
        secrets = {text for text in controller_playbook.secrets_of(variables) if "{{" not in text}
        self._redactor = Redactor(secrets)
        self._events.secrets(secrets)

    def _print(self, text: str, color: str | None = None) -> None:
        self._display.display(self._console.fit(self._redactor.literal(text)), color=color)


def _inventory(play: Any) -> Any:
    return play.get_variable_manager()._inventory


def _hosts(play: Any) -> list[Any]:
    """The hosts that the play names; none where its pattern is a template that only the run can resolve."""
    pattern = play.hosts
    if any("{{" in str(part) for part in (pattern if isinstance(pattern, list) else [pattern])):
        return []
    return list(_inventory(play).get_hosts(pattern, ignore_restrictions=True))


def _all_hosts(play: Any) -> list[Any]:
    return list(_inventory(play).get_hosts(ignore_limits=True, ignore_restrictions=True))


def _size(play: Any) -> int:
    """Results to expect of the play: its tasks times its hosts (``run_once`` counts once)."""
    hosts = len(_hosts(play))
    total = 0
    for block in play.compile():
        for task in _tasks(block.filter_tagged_tasks({})):
            total += 0 if task.action in C._ACTION_META else 1 if task.run_once is True else hosts
    return total


def _tasks(block: Any) -> list[Any]:
    found = []
    for entry in block.block:  # rescue and always run only sometimes
        found += _tasks(entry) if hasattr(entry, "block") else [entry]
    return found


def _host(result: Any) -> str:
    return str(result.host.get_name())


def _short(action: str) -> str:
    return str(action).removeprefix("ansible.builtin.").removeprefix("ansible.legacy.")


def _ran(entry: Any, action: str) -> bool:
    """Whether a module ran: each returns its invocation. What ``no_log`` hid counts unless the action is ours."""
    if not isinstance(entry, dict) or entry.get("skipped"):
        return False
    if "invocation" in entry or _short(action) == "gather_facts":
        return True
    return "censored" in entry and _short(action) not in CONTROLLER_ONLY and module_loader.has_plugin(action)


def _reason(result: dict[str, Any]) -> str:
    """Why it failed, in a few lines: the message, and what the program said last."""
    if "censored" in result:
        return str(result["censored"])
    message = str(result.get("msg") or "").strip()
    lines = [message or "it failed without a message"]
    for key in ("module_stderr", "stderr", "module_stdout", "stdout"):
        text = str(result.get(key) or "").strip()
        if text and text not in message:
            lines += [f"{key}: {line}" for line in text.splitlines()[-5:]]
            break
    return "\n".join(lines)
