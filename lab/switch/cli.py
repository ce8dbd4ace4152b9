"""One operator's session on the switch: a line goes in, text comes out. Knows nothing of SSH.

Behaviour from [CR] (see ``display``) unless said otherwise: two-phase configuration, prompts ``<X>``, ``[~X]`` and,
while something is uncommitted, ``[*X]``. The question on leaving with uncommitted configuration is from device
sessions (CE and NE40E); so is the rule that any other answer is asked again.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from lab.switch import display, sessions
from lab.switch.config import SYSTEM, Edit, Path, Tree
from lab.switch.device import Device
from lab.switch.grammar import ANY_VIEW, CONFIGURATION, USER_VIEW, Grammar, Rule, SyntaxFault
from lab.switch.roce import DEFAULT_PRIORITY
from lab.switch.roce_commands import roce_rules
from lab.switch.roce_settings import ROCE_OPENINGS, ROCE_SETTINGS
from lab.switch.settings import OPENINGS, SETTINGS, Opening, Setting, kind_of, prompt_suffix
from lab.switch.store import StoreError, Who

Arguments = dict[str, str]
Run = Callable[["Cli", Arguments], str]
Answer = Callable[[str], "str | None"]  # None: ask again

DIRTY = (
    "Warning: Uncommitted configurations found. Are you sure to commit them before exiting? [Y(yes)/N(no)/C(cancel)]:"
)
CHOOSE = "Error: Please choose 'YES', 'NO' or 'CANCEL' first before pressing 'Enter'. [Y/N/C]:"
TRIAL_SECONDS = 600
DEFAULT_LENGTH = 24


class Cli:
    """``prompt`` is what waits for the next line (a view's prompt, or a question); ``enter`` takes it."""

    def __init__(self, device: Device, who: Who) -> None:
        self.device = device
        self.who = who
        self.path: Path | None = None  # None: user view
        self.edits: list[Edit] = []
        self.grammar = GRAMMAR
        self.screen_length = DEFAULT_LENGTH
        self.closed = False
        self.reboot = False
        self._question = ""
        self._answer: Answer | None = None
        self._again = ""

    @property
    def prompt(self) -> str:
        if self._answer is not None:
            return self._question
        name = self.device.sysname()
        if self.path is None:
            return f"<{name}>"
        return f"[{'*' if self.dirty else '~'}{name}{prompt_suffix(self.path)}]"

    @property
    def asking(self) -> bool:
        """Whether the next line is an answer."""
        return self._answer is not None

    @property
    def dirty(self) -> bool:
        return bool(self.edits) and self.candidate() != self.device.store.running()

    @property
    def view(self) -> str:
        return USER_VIEW if self.path is None else kind_of(self.path)

    def candidate(self) -> Tree:
        return self.device.store.running().after(self.edits)

    def shown_candidate(self) -> Tree:
        """What ``display configuration candidate`` is about: this session's, or else what the holder of the lock has
        not committed."""
        other = None if self.dirty else sessions.pending(self.device, self.who)
        if other is None:
            return self.candidate()
        theirs = Cli(self.device, other[0])
        for line in ("system-view", *other[1]):
            theirs.enter(line)
        return theirs.candidate()

    def enter(self, line: str) -> str:
        """Do what a line says. The text has no final newline."""
        if self._answer is not None:
            answer, self._answer = self._answer, None
            try:
                output = answer(line.strip())
            except StoreError as error:
                return f"Error: {error}"
            if output is None:
                self._answer, self._question = answer, self._again
                return ""
            return output
        if not line.strip() or line.lstrip().startswith("!"):
            return ""
        if line.strip() == "#":
            self.path = SYSTEM if self.path is not None else None
            return ""
        command, _, pipe = line.partition("|")
        prompt = self.prompt
        try:
            match = self.grammar.match(command, self.view, self.device.context())
            wanted = _filter(pipe, len(line) - len(pipe)) if pipe else None
        except SyntaxFault as fault:
            return fault.text(prompt)
        try:
            output = match.rule.run(self, match.arguments)
        except StoreError as error:
            return f"Error: {error}"
        return "\n".join(wanted(output.splitlines())) if wanted else output

    def help(self, beginning: str) -> str:
        """What the ``?`` key shows."""
        words = self.grammar.words(beginning, self.view, self.device.context())
        return "\n".join(f"  {word}" for word in words) or "Error: Unrecognized command found."

    def end(self) -> None:
        """The connection is gone: the candidate with it, and a trial run that does not persist."""
        self.edits = []
        sessions.left(self.device, self.who)
        self.device.store.end_session(self.who.session)

    def ask(self, question: str, answer: Answer, again: str = "") -> None:
        self._question, self._answer, self._again = question, answer, again or question

    def confirm(self, question: str, then: Callable[[], str]) -> str:
        """[Y/N]: anything but yes is no."""

        def answer(text: str) -> str | None:
            if text.lower() in ("y", "yes"):
                return then()
            return "" if text.lower() in ("n", "no", "") else None

        self.ask(question, answer)
        return ""

    def leave(self, to: Path | None) -> str:
        """To another view. Leaving the configuration with something uncommitted asks first."""
        if to is not None or not self.dirty:
            if to is None:
                self.edits = []
            self.path = to
            return ""

        def answer(text: str) -> str | None:
            word = text.lower()
            if word in ("c", "cancel"):
                return ""
            if word in ("y", "yes"):
                self.commit({})
            elif word not in ("n", "no"):
                return None
            self.edits, self.path = [], None
            return ""

        self.ask(DIRTY, answer, CHOOSE)
        return ""

    def commit(self, arguments: Arguments) -> str:
        self.device.store.commit(self.who, self.edits, arguments.get("label"), arguments.get("comment"))
        self.edits = []
        return ""

    def commit_trial(self, arguments: Arguments) -> str:
        seconds = int(arguments.get("seconds", TRIAL_SECONDS))
        persist, label = arguments.get("persist"), arguments.get("label")
        self.device.store.commit_trial(self.who, self.edits, seconds, label, persist)
        self.edits = []
        return (
            "Info: The system enters the trial configuration mode.\n"
            "The system will revert to previous configuration if the trial configuration is not confirmed in "
            f"{seconds} seconds."
        )

    def set(self, setting: Setting, arguments: Arguments) -> str:
        path, key = self.path or SYSTEM, setting.key.format(**arguments)
        line = " ".join(arguments[e[1:-1]] if e.startswith("<") else e for e in (setting.shown or setting.form).split())
        usual = setting.default and line == setting.default.format(**arguments)
        edit = Edit("unset", path, key) if usual else Edit("set", path, key, line)

        def then() -> str:
            self.edits.append(edit)
            return ""

        return self.confirm(setting.asks, then) if setting.asks else then()

    def unset(self, setting: Setting, arguments: Arguments) -> str:
        self.edits.append(Edit("unset", self.path or SYSTEM, setting.key.format(**arguments)))
        return ""

    def open(self, opening: Opening, arguments: Arguments) -> str:
        path = (opening.path(arguments)[0].replace("dcb pfc default", "dcb pfc"),)
        if path not in self.candidate():
            self.edits.append(Edit("enter", path))
        self.path = path
        return ""

    def close(self, opening: Opening, arguments: Arguments) -> str:
        """Remove a view with all that is in it."""
        self.edits.append(Edit("remove", opening.path(arguments)))
        return ""

    def priority(self, arguments: Arguments, on: bool) -> str:
        """[CR] priority (DCB PFC view): adds to the profile's priorities, of which 3 is one from the start."""
        for number in arguments["priorities"].split():
            path, key = self.path or SYSTEM, f"priority {number}"
            if on == (int(number) == DEFAULT_PRIORITY):
                self.edits.append(Edit("unset", path, key))
            else:
                self.edits.append(Edit("set", path, key, key if on else f"undo {key}"))
        return ""

    def clear_candidate(self, _: Arguments) -> str:
        """[CR] clear configuration candidate: "... will be deleted, and the system view will be displayed"."""
        self.edits, self.path = [], SYSTEM
        return ""

    def system_view(self, _: Arguments) -> str:
        """The line is from a V600R023 session."""
        self.path = SYSTEM
        return "Enter system view, return user view with return command."

    def quit(self, _: Arguments) -> str:
        if self.path is None:
            self.closed = True
            return ""
        return self.leave(self.path[:-1] if self.path else None)

    def save(self, _: Arguments) -> str:
        """[CR] save."""

        def then() -> str:
            self.device.store.save(self.who.user)
            return "Now saving all configuration to the slot 1\nInfo: Save the configuration successfully."

        self.confirm("Are you sure to continue?[Y/N]", then)
        return "Warning: all configuration will be written to the device."

    def restart(self, _: Arguments, ask_to_save: bool = True) -> str:
        """[CR] reboot, reboot fast: asks whether to save only when that would change the saved configuration."""
        store = self.device.store
        sentence = "Warning: The system will reboot. Continue? [Y/N]:"

        def go() -> str:
            self.closed = self.reboot = True
            return ""

        def save(text: str) -> str | None:
            if text.lower() not in ("y", "yes", "n", "no"):
                return None
            self.confirm(sentence, go)
            if text.lower().startswith("n"):
                return ""
            store.save(self.who.user)
            return "Now saving the current configuration.....\nSave the configuration successfully."

        if ask_to_save and store.running() != store.saved():
            self.ask(
                "Warning: The current configuration will be saved to the next startup saved-configuration file. "
                "Continue? [Y/N]:",
                save,
            )
        else:
            self.confirm(sentence, go)
        return "\n".join(
            [
                "MPU 1:",
                "Next startup system software: flash:/software.cc",
                "Next startup saved-configuration file: flash:/vrpcfg.zip",
                "Next startup paf file: default",
                "Next startup patch package: NULL",
            ]
        )

    def abort_trial(self, _: Arguments) -> str:
        """[CR] abort trial."""

        def then() -> str:
            self.device.store.abort_trial()
            return "Info: The trial configuration rollback succeeded."

        return self.confirm("Warning: The trial configuration will be rolled back. Continue? [Y/N]:", then)

    def roll_back(self, arguments: Arguments) -> str:
        """[CR] rollback configuration. ``last n``: to what ran before the newest n commits."""
        points: list[dict[str, Any]] = self.device.store.state()["commits"]
        if "count" in arguments:
            index = len(points) - 1 - int(arguments["count"])
            target = points[index]["id"] if index >= 0 else 0
        elif "label" in arguments:
            target = next((point["id"] for point in points if point["label"] == arguments["label"]), 0)
        else:
            target = int(arguments["commit-id"])

        def then() -> str:
            self.device.store.roll_back_to(self.who, target)
            return (
                "Checking changes...\nLoading rollback changes\nCommitting\nCheck rollback result\n"
                "Configuration rollback succeeded.\n"
                "Please use 'display configuration commit changes last 1' to view the changes."
            )

        return self.confirm(
            "Warning: This operation will revert configuration changes to the previous status. During the rollback "
            "configuration process, some configurations involving differences may be temporarily invalid. "
            "Continue? [Y/N]:",
            then,
        )

    def length(self, arguments: Arguments) -> str:
        self.screen_length = int(arguments["lines"])
        return "Info: The configuration takes effect on the current user terminal interface only."


def _filter(pipe: str, column: int) -> Callable[[list[str]], list[str]]:
    """``include|exclude|begin <regular expression>`` after a bar."""
    word, _, expression = pipe.strip().partition(" ")
    names = [name for name in display.FILTERS if word and name.startswith(word.lower())]
    if len(names) != 1 or not expression.strip():
        raise SyntaxFault("Unrecognized command" if not names else "Incomplete command", column + 1)
    try:
        wanted = re.compile(expression.strip().strip('"'))
    except re.error:
        raise SyntaxFault("Wrong parameter", column + 1) from None
    return lambda lines: display.FILTERS[names[0]](lines, wanted)


def _show(form: str, shown: Callable[[Device], str], view: str = ANY_VIEW) -> Rule:
    return Rule(form, view, lambda cli, _: shown(cli.device))


def _opens(opening: Opening) -> Run:
    return lambda cli, arguments: cli.open(opening, arguments)


def _closes(opening: Opening) -> Run:
    return lambda cli, arguments: cli.close(opening, arguments)


def _undos(setting: Setting) -> tuple[str, ...]:
    return setting.undo, *setting.also


def _sets(setting: Setting) -> Run:
    return lambda cli, arguments: cli.set(setting, arguments)


def _unsets(setting: Setting) -> Run:
    return lambda cli, arguments: cli.unset(setting, arguments)


def _rules() -> list[Rule]:
    rules = [
        _show("display version", display.version),
        _show("display device", display.parts),
        _show("display device slot <slot>", display.parts),
        _show("display device elabel", display.elabel),
        _show("display device elabel brief", display.elabel_brief),
        _show("display device elabel slot <slot> brief", display.elabel),
        _show("display elabel", display.elabel),
        _show("display device esn", display.esn),
        _show("display esn", display.esn),
        _show("display device power", display.power),
        _show("display power", display.power),
        _show("display device fan", display.fan),
        _show("display fan", display.fan),
        _show("display device alarm hardware", display.hardware_alarms),
        _show("display alarm active", display.alarms),
        _show("display patch-information", display.patch),
        _show("display interface brief", display.interface_brief),
        _show("display interface description", display.interface_description),
        _show("display lldp neighbor brief", display.lldp_brief),
        _show("display clock", display.clock),
        _show("display current-configuration", display.current_configuration),
        _show("display saved-configuration", display.saved_configuration),
        _show("display configuration commit list", display.commit_list),
        _show("display configuration commit list verbose", display.commit_list),
        _show("display configuration trial status", display.trial_status),
        Rule(
            "display current-configuration interface <interface>",
            ANY_VIEW,
            lambda cli, a: display.current_configuration(cli.device, (f"interface {a['interface']}",)),
        ),
        Rule("display this", CONFIGURATION, lambda cli, _: display.this(cli.device, cli.path)),
        Rule(
            "display configuration candidate",
            CONFIGURATION,
            lambda cli, _: display.candidate_lines(cli.device, cli.shown_candidate()),
        ),
        Rule(
            "display configuration candidate merge",
            CONFIGURATION,
            lambda cli, _: display.candidate_merge(cli.shown_candidate()),
        ),
        Rule(
            "display configuration candidate changes",
            CONFIGURATION,
            lambda cli, _: display.candidate_changes(cli.device, cli.shown_candidate()),
        ),
        *roce_rules(),
        Rule("screen-length <lines> temporary", ANY_VIEW, Cli.length),
        Rule("system-view", USER_VIEW, Cli.system_view),
        Rule("quit", ANY_VIEW, Cli.quit),
        Rule("return", CONFIGURATION, lambda cli, _: cli.leave(None)),
        Rule("save", USER_VIEW, Cli.save),
        Rule("reboot", USER_VIEW, Cli.restart, whole=True),
        Rule("reboot fast", USER_VIEW, lambda cli, a: cli.restart(a, ask_to_save=False), whole=True),
        Rule("abort trial", CONFIGURATION, Cli.abort_trial),
        Rule("clear configuration candidate", CONFIGURATION, Cli.clear_candidate),
        Rule("rollback configuration last <count>", USER_VIEW, Cli.roll_back),
        Rule("rollback configuration to label <label>", USER_VIEW, Cli.roll_back),
        Rule("rollback configuration to commit-id <commit-id>", USER_VIEW, Cli.roll_back),
    ]
    for tail in ("", " label <label>", " description <comment>", " label <label> description <comment>"):
        rules.append(Rule(f"commit{tail}", CONFIGURATION, Cli.commit))
    for time in ("", " <seconds>"):
        for tail in ("", " label <label>", " persist <persist>"):
            rules.append(Rule(f"commit trial{time}{tail}", CONFIGURATION, Cli.commit_trial))
    for opening in (*OPENINGS, *ROCE_OPENINGS):
        # VRP accepts a system view command in any view of the configuration and goes there.
        rules.append(Rule(opening.form, CONFIGURATION, _opens(opening), families=opening.families))
        if opening.undo:
            rules.append(Rule(opening.undo, opening.kind, _closes(opening), families=opening.families))
    # Before "priority <priority> turn-off ...": of two readings the first one's words are taken.
    rules.append(Rule("priority <priorities>", "dcb", lambda cli, a: cli.priority(a, True)))
    rules.append(Rule("undo priority <priorities>", "dcb", lambda cli, a: cli.priority(a, False)))
    for setting in (*SETTINGS, *ROCE_SETTINGS):
        for kind in setting.kinds:
            rules.append(Rule(setting.form, kind, _sets(setting), families=setting.families))
            rules += [Rule(form, kind, _unsets(setting), families=setting.families) for form in _undos(setting)]
    return rules


GRAMMAR = Grammar(_rules())
