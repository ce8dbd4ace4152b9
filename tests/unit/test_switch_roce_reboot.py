"""Restarting a switch: only when named twice, only when nothing would be lost, and proven by its boot time."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from npuforge.switch import reboot
from npuforge.switch.session import SessionError

from tests.unit.switch_roce_helpers import PORTS, Device, Session

ROOT = Path(__file__).resolve().parents[2]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


def restarted(device: Device, discard: bool = False, seconds: float = 60) -> tuple[reboot.Plan, reboot.Boot]:
    clock = Clock()
    with Session(device) as session:
        plan = reboot.plan(session, discard)
        reboot.send(session)
    return plan, reboot.wait(lambda: Session(device), plan.before, seconds, clock.pause, clock)


def test_it_restarts_and_the_boot_time_proves_it() -> None:
    plan, after = restarted(Device())
    assert (plan.before, plan.lost) == (reboot.Boot("2026-11-23 06:04:05", True), [])
    assert after == reboot.Boot("2026-11-24 06:04:05", True)


def test_unsaved_configuration_is_only_lost_on_demand_and_never_saved() -> None:
    device = Device()
    device.running = copy.deepcopy(device.running)
    device.running.setdefault((f"interface {PORTS[0]}",), []).append("trust dscp")
    with Session(device) as session, pytest.raises(reboot.Refused, match="1 lines are not as saved"):
        reboot.plan(session, False)
    saved = copy.deepcopy(device.saved)
    plan, _ = restarted(device, discard=True)
    assert plan.lost == [f"+ interface {PORTS[0]}: trust dscp"]
    assert device.running == device.saved == saved


def test_a_switch_that_did_not_restart_is_not_taken_for_one_that_did() -> None:
    device = Device()
    device.restarts = False
    with pytest.raises(reboot.Failed, match="still says that it started at 2026-11-23 06:04:05"):
        restarted(device)


def test_a_switch_that_stays_away() -> None:
    def reconnect() -> Session:
        raise SessionError("127.0.0.1:22 refuses connections")

    clock = Clock()
    with pytest.raises(reboot.Failed, match=r"did not come back within 30 s: 127\.0\.0\.1:22 refuses connections"):
        reboot.wait(reconnect, reboot.Boot("2026-11-23 06:04:05", True), 30, clock.pause, clock)


def test_a_trial_another_make_and_a_refusal_stop_it() -> None:
    device = Device()
    device.before_trial = copy.deepcopy(device.running)
    with pytest.raises(reboot.Refused, match="trial run"):
        reboot.plan(Session(device), False)
    device = Device()
    device.wrong_model = True
    with pytest.raises(reboot.Refused, match="not a Huawei VRP switch"):
        reboot.plan(Session(device), False)

    class Asks(Session):
        def enter(self, line: str, answer: Any = "N", timeout_seconds: float | None = None) -> Any:
            assert answer("Warning: All cards will be powered off. Continue? [Y/N]:") == "N"
            return self._says("", "Warning: All cards will be powered off. Continue? [Y/N]:")

    with pytest.raises(reboot.Failed, match="it did not restart; to 'reboot' it said 'Warning: All cards"):
        reboot.send(Asks(Device()))


def test_boot_times() -> None:
    now = datetime(2026, 11, 24, 6, 4, 5, tzinfo=UTC)
    text = (
        "Huawei Versatile Routing Platform Software\nVRP (R) software, Version 8.180 (CE6800 V200R005C10)\n"
        "HUAWEI CE6850 uptime is 1 day, 2 hours, 4 minutes\n"
    )
    assert reboot.boot_time(text, now) == reboot.Boot("2026-11-23 04:00", False)
    assert reboot.boot_time("anything", now) is None
    # A boot time counted back from minutes wavers by one; that is no restart.
    before = reboot.Boot("2026-11-23 04:00", False)
    assert not reboot.later(reboot.Boot("2026-11-23 04:01", False), before)
    assert reboot.later(reboot.Boot("2026-11-24 06:03", False), before)


def module(name: str, **options: Any) -> dict[str, Any]:
    """What a module prints, run as Ansible runs it."""
    program = (
        "import sys, types, json, importlib.util as u\n"
        "import npuforge, ansible.module_utils as m\n"
        "sys.modules['ansible.module_utils.npuforge'] = npuforge\n"
        "import npuforge.switch.reboot, npuforge.switch.roce.run\n"
        "for key in [k for k in sys.modules if k.startswith('npuforge.')]:\n"
        "    sys.modules['ansible.module_utils.' + key] = sys.modules[key]\n"
        "from ansible.module_utils import basic\n"
        "basic._ANSIBLE_ARGS = sys.argv[2].encode(); basic._ANSIBLE_PROFILE = 'legacy'\n"
        "spec = u.spec_from_file_location('made', sys.argv[1]); made = u.module_from_spec(spec)\n"
        "spec.loader.exec_module(made); made.main()\n"
    )
    arguments = json.dumps({"ANSIBLE_MODULE_ARGS": options})
    path = f"{ROOT}:{ROOT / 'plugins' / 'module_utils'}"
    done = subprocess.run(
        [sys.executable, "-c", program, str(ROOT / "library" / f"{name}.py"), arguments],
        capture_output=True, text=True, check=False, timeout=60, env={"PYTHONPATH": path},
    )  # fmt: skip
    assert done.stdout, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


LOGIN = {"address": "127.0.0.1", "user": "u", "password": "Sw-Secret-78", "known_hosts": "/nowhere"}


def test_the_modules_refuse_what_is_not_meant() -> None:
    told = module("switch_reboot", subject="sw1", confirm="sw2", **LOGIN)
    assert told["failed"] is True
    assert told["msg"] == "nothing was done: confirm is 'sw2', not the subject 'sw1'"
    told = module("switch_reboot", subject="sw1", confirm="sw1", **LOGIN)
    assert told["msg"] == "sw1: nothing was restarted: the known_hosts file /nowhere does not exist"
    told = module("switch_roce", subject="sw1", plan={"switches": {}}, **LOGIN)
    assert told["msg"] == "sw1: plan lacks qos, pfc, ecn, link, ports"
    assert "Sw-Secret-78" not in json.dumps(told)
