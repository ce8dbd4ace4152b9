"""The whole module on the tests' device, without SSH."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from npuforge.switch.roce import ce_read, run
from npuforge.switch.roce.model import Found

from controller import contract, judge
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


def verdicts(result: run.Result) -> dict[tuple[str, str], str]:
    """(check, subject) to verdict, of what the contract asks of a switch and its ports in the fabric stage."""
    now = datetime.now(UTC)
    subjects: dict[str, list[str]] = {}
    for entry in result.observations:
        subject = entry["observation"]["subject"]
        subjects.setdefault(subject["kind"], []).append(subject["id"])
    inventory = {"subjects": subjects, "profiles": {}, "expect": {}, "waivers": [], "devices": {}}
    document = {
        "schema": "npuforge.run/1",
        "site": "test",
        "run_id": "20261124T000000Z",
        "started_at": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "finished_at": None,
        "provenance": "hardware",
        "inventory": inventory,
        "stages": {"fabric": {"started_at": None, "finished_at": None, "state": "done"}},
        "tool": {"name": "npuforge", "version": "test"},
    }
    seen = [
        contract.Observed({**entry["observation"], "raw": []}, "observations/x.json#0") for entry in result.observations
    ]
    return {
        (row["check"], row["subject"]["id"]): row["verdict"]
        for row in judge.judge(contract.load(), document, seen, now)["verdicts"]
        if (row["check"] or "").startswith(("fabric.switch", "fabric.pfc_active"))
    }
