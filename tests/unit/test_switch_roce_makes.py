"""The module with makes that have no candidate: the same way of reading, comparing and telling."""

from __future__ import annotations

from typing import Any

import switch_comware_helpers as comware
from npuforge.switch.roce import run
from npuforge.switch.session import Answer, Entered

from tests.unit.switch_roce_helpers import TARGET


class Session:
    """A session with the Comware tests' switch, without SSH."""

    banner = "SSH-2.0-Comware-7.1"
    target = TARGET

    def __init__(self, switch: comware.Switch) -> None:
        self.switch = switch
        self.saved = False

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *details: object) -> None:
        pass

    def run(self, command: str) -> Answer:
        shown = comware.display(self.switch)
        return Answer(shown.get(command) or " % Unrecognized command found at '^' position.", 0.0)

    def enter(self, line: str, answer: str = "N", timeout_seconds: float | None = None) -> Entered:
        if line == "save force":
            self.saved = True
            return Entered("Saved the current configuration to mainboard device successfully.", 0.0, "<leaf1>", ())
        return Entered(self.switch.enter(line), 0.0, "<leaf1>", ())


def configured(switch: comware.Switch, **request: Any) -> tuple[run.Result, Session]:
    session = Session(switch)
    plan = comware.part()
    fields = {"commit": True, "takeover": False, "check": False, **request}
    name = next(iter(plan["switches"]))
    return run.run(run.Request(name, "h3c_comware", plan, **fields), TARGET, lambda _target, _os: session), session


def test_compared_then_configured_then_left() -> None:
    switch = comware.Switch()
    before = switch.state()
    compared, session = configured(switch, commit=False)
    assert compared.lines
    assert (compared.changed, compared.failed, switch.state(), session.saved) == (False, False, before, False)
    made, session = configured(switch)
    assert (made.changed, made.failed, session.saved) == (True, False, True), made.message
    facts = made.observations[0]["observation"]["facts"]
    assert (facts["roce"]["applied"], facts["roce"]["conflicts"]) == (True, [])
    again, session = configured(switch)
    assert (again.changed, again.failed, again.lines, session.saved) == (False, False, [], False)


def test_a_refused_line_takes_back_what_was_entered() -> None:
    switch = comware.Switch()
    before = switch.state()
    switch.refuses = ("qos trust dscp",)
    made, session = configured(switch)
    assert (made.changed, made.failed, session.saved) == (False, True, False)
    assert made.observations[0]["observation"]["facts"]["roce"]["rolled_back"] is True
    left = switch.state()
    # The guard is a command, which this model keeps as if it were configuration.
    left[""] = frozenset(line for line in left[""] if not line.startswith("configuration commit"))
    assert left == before
