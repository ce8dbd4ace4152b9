"""Switches that are not what somebody expects, for tests and faults: the key ``persona`` of a switch's document.

``{"os", "banner", "login_asks", "terminals", "commit_fails"}``, each optional:

* ``os``: ``ios``, another make with an enable prompt (``sw1>``) that knows no command of ours; or ``vrp5``, a Huawei
  switch of the generation before, where each line is in effect at once and there is nothing to commit;
* ``banner``: what ``header shell`` prints at login, prompts and questions in it included;
* ``login_asks``: a question at login that must be answered before there is a prompt;
* ``terminals``: how many may be logged in at once (``server.MAX_VTY``);
* ``commit_fails``: why every commit is refused, trials too.

What somebody else has locked and not committed is in ``config_lock`` (``lab.switch.sessions``).
"""

from __future__ import annotations

from typing import Protocol

from lab.switch import display
from lab.switch.cli import GRAMMAR, Cli
from lab.switch.device import Device, persona
from lab.switch.grammar import ANY_VIEW, Grammar, Rule
from lab.switch.store import StoreError, Who

# Of the two-phase configuration, which VRP5 does not have.
_TWO_PHASE = ("commit", "abort", "rollback", "clear", "display configuration", "configuration", "undo configuration")


class Shell(Protocol):
    """What a terminal needs of a command line; see ``Cli``."""

    device: Device
    who: Who
    screen_length: int
    closed: bool
    reboot: bool

    @property
    def prompt(self) -> str: ...

    def enter(self, line: str) -> str: ...

    def help(self, beginning: str) -> str: ...

    def end(self) -> None: ...


def shell(device: Device, who: Who) -> Shell:
    """The command line that the switch has for who logs in."""
    wanted = persona(device.read())
    if wanted.get("os") == "ios":
        return Foreign(device, who)
    cli = OneStage(device, who) if wanted.get("os") == "vrp5" else Cli(device, who)
    if wanted.get("login_asks"):
        # No is taken; behind yes there are dialogues that this switch does not have.
        cli.confirm(wanted["login_asks"], lambda: _hang_up(cli))
    return cli


def _hang_up(cli: Cli) -> str:
    cli.closed = True
    return ""


class OneStage(Cli):
    """VRP5: prompts ``<X>`` and ``[X]``, and every line runs when it is entered."""

    def __init__(self, device: Device, who: Who) -> None:
        super().__init__(device, who)
        self.grammar = _VRP5

    @property
    def prompt(self) -> str:
        return super().prompt.replace("[~", "[", 1)

    def enter(self, line: str) -> str:
        output = super().enter(line)
        edits, self.edits = self.edits, []
        if edits:
            try:
                self.device.store.commit(self.who, edits)
            except StoreError as error:
                return f"Error: {error}"
        return output


def version5(device: Device) -> str:
    """Capture of an S7706 (ntc-templates huawei_vrp display_version5), the lines about the software."""
    document = device.read()
    series = document["model"].partition("-")[0]
    uptime = display.uptime(device.clock() - device.store.state()["booted"])
    return "\n".join(
        [
            "Huawei Versatile Routing Platform Software",
            f"VRP (R) software, Version 5.170 ({series} {document['version']})",
            "Copyright (C) 2000-2020 HUAWEI TECH CO., LTD",
            f"HUAWEI {document['model']} Routing Switch uptime is {uptime}",
        ]
    )


_VRP5 = Grammar(
    [
        Rule("display version", ANY_VIEW, lambda cli, _: version5(cli.device)),
        *(rule for rule in GRAMMAR.rules if not rule.form.startswith(_TWO_PHASE) and rule.form != "display version"),
    ]
)


class Foreign:
    """The unprivileged level of another make (Cisco IOS, Ruijie RGOS): it knows ``enable`` and how to leave."""

    def __init__(self, device: Device, who: Who) -> None:
        self.device = device
        self.who = who
        self.screen_length = 24
        self.closed = False
        self.reboot = False
        self._asked = False

    @property
    def prompt(self) -> str:
        return "Password: " if self._asked else f"{self.device.name}>"

    def enter(self, line: str) -> str:
        word = line.strip()
        if self._asked:
            self._asked = False
            return "% Access denied"
        if not word:
            return ""
        if word in ("exit", "quit", "logout"):
            self.closed = True
            return ""
        if word == "enable":
            self._asked = True
            return ""
        return f"{' ' * len(self.prompt)}^\n% Invalid input detected at '^' marker.\n"

    def help(self, beginning: str) -> str:
        return "\n".join(f"  {word}" for word in ("enable", "exit") if word.startswith(beginning.strip()))

    def end(self) -> None:
        """Nothing was changed."""
