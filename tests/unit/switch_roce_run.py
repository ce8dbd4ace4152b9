"""The whole module on the tests' device, without SSH."""

from __future__ import annotations

from typing import Any

from npuforge.switch.roce import ce_read, run
from npuforge.switch.roce.model import Found

from tests.unit.switch_roce_helpers import TARGET, Device, Session, part


class Opened:
    """Opens sessions with a device and keeps them."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.sessions: list[Session] = []

    def __call__(self, target: Any = None, os: str = "") -> Session:
        self.sessions.append(Session(self.device))
        return self.sessions[-1]

    @property
    def entered(self) -> list[str]:
        return [line for session in self.sessions for line in session.entered]


def apply(
    device: Device, opened: Opened | None = None, plan: dict[str, Any] | None = None, **options: Any
) -> run.Result:
    """The module's run; ``options``: fields of the request."""
    fields = {"commit": True, "takeover": False, "check": False, **options}
    request = run.Request("sw1", "huawei_vrpv8", plan or part(), **fields)
    return run.run(request, TARGET, opened or Opened(device), lambda _: None)


def read(device: Device, plan: dict[str, Any]) -> Found:
    """What the driver finds on the device."""
    with Session(device) as session:
        texts = {command: session.run(command).text for command in ce_read.commands(plan)}
        texts.update({command: session.run(command).text for command in ce_read.more(plan, texts)})
    return ce_read.read(texts, plan)


def facts(result: run.Result, subject: str = "sw1") -> dict[str, Any]:
    """The facts of one subject of a result."""
    (found,) = [entry for entry in result.observations if entry["observation"]["subject"]["id"] == subject]
    made: dict[str, Any] = found["observation"]["facts"]
    return made
