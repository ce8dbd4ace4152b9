"""The power button: the plan as data, its effect on a BMC over HTTPS, and both modules as Ansible runs them."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bmc_helpers import PASSWORD, SYSTEM, USER, FakeClient, Handler, Server, sample, serving
from npuforge.bmc import apply, power
from npuforge.bmc.client import Client
from npuforge.bmc.tree import Tree
from npuforge.bmc.wire import Limits

ROOT = Path(__file__).resolve().parents[2]
RESET = "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset"


def system_of(documents: Any, wanted: str | None = None) -> power.System:
    tree: Tree = apply.read_systems(FakeClient(documents), documents["/redfish/v1"])  # type: ignore[arg-type]  # a stand-in
    return power.find_system(tree, wanted)


def machine(**changes: Any) -> power.System:
    documents = sample("openubmc")
    documents[SYSTEM].update(changes)
    return system_of(documents)


# The plan ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "state", "reset", "expect"),
    [
        ("On", "on", None, None),
        ("Off", "on", "On", "on"),
        ("On", "off", "ForceOff", "off"),
        ("Off", "off", None, None),
        ("On", "graceful_off", "GracefulShutdown", "off"),
        ("Off", "graceful_off", None, None),
        ("On", "cycle", "ForceRestart", "on"),
        ("Off", "cycle", "On", "on"),
        ("On", "graceful_restart", "GracefulRestart", "on"),
        ("Off", "graceful_restart", "On", "on"),
    ],
)
def test_the_plan_has_only_what_is_needed(now: str, state: str, reset: str | None, expect: str | None) -> None:
    steps = power.plan(machine(PowerState=now), state, None)
    if reset is None:
        assert steps == []
    else:
        (step,) = steps
        assert (step["uri"], step["body"], step["expect"]) == (RESET, {"ResetType": reset}, {"power": expect})


def test_boot_comes_before_the_restart_and_is_left_alone_when_it_is_right() -> None:
    steps = power.plan(machine(), "cycle", "pxe")
    assert [step["do"] for step in steps] == ["boot_override", "reset"]
    assert steps[0]["body"]["Boot"] == {"BootSourceOverrideTarget": "Pxe", "BootSourceOverrideEnabled": "Once"}
    set_already = machine(Boot={"BootSourceOverrideTarget": "Pxe", "BootSourceOverrideEnabled": "Once"})
    assert power.plan(set_already, None, "pxe") == []
    assert power.plan(machine(), None, "none") == []


@pytest.mark.parametrize(
    ("changes", "state", "boot", "why"),
    [
        ({"PowerState": None}, "off", None, "does not tell whether the machine is on"),
        ({"Boot": {"BootSourceOverrideTarget@Redfish.AllowableValues": ["Hdd"]}}, None, "pxe", "it allows Hdd"),
        (
            {"Actions": {"#ComputerSystem.Reset": {"target": RESET, "ResetType@Redfish.AllowableValues": ["On"]}}},
            "off",
            None,
            "offers no reset type for off; it allows On",
        ),
        ({"Actions": {"#ComputerSystem.Reset": {"target": "https://elsewhere/x"}}}, "off", None, "no target"),
    ],
)
def test_what_cannot_be_done_is_refused(changes: Any, state: str | None, boot: str | None, why: str) -> None:
    with pytest.raises(power.Refused, match=why):
        power.plan(machine(**changes), state, boot)


def test_two_systems_need_an_id() -> None:
    documents = sample("openubmc")
    second = copy.deepcopy(documents[SYSTEM])
    second["Id"] = "2"
    documents["/redfish/v1/systems"]["Members"].append({"@odata.id": "/redfish/v1/Systems/2"})
    documents["/redfish/v1/systems/2"] = second
    with pytest.raises(power.Refused, match="system_id must say which"):
        system_of(documents)
    assert system_of(documents, "2").uri.endswith("/2")
    with pytest.raises(power.Refused, match="no system with id 3"):
        system_of(documents, "3")


# Against a BMC ----------------------------------------------------------------------------------------------------


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(apply, "_POLL_SECONDS", 0.02)
    monkeypatch.setattr(apply, "_BOOT_SECONDS", 0.2)
    with serving(sample("openubmc")) as running:
        running.special[RESET] = press
        yield running


def press(handler: Handler) -> bool:
    """The power button of the test BMC."""
    kind = handler.body()["ResetType"]
    system = handler.server.documents[SYSTEM]
    system["PowerState"] = "Off" if kind in ("ForceOff", "GracefulShutdown") else "On"
    system["LastResetTime"] = str(len(handler.server.seen))
    handler.reply(204)
    return True


def run(server: Server, state: str | None, boot: str | None = None, wait: float = 1.0) -> list[str]:
    with Client(server.target(), Limits(timeout=2.0, deadline=20.0, pool=2)) as client:
        system = power.find_system(apply.read_systems(client, client.login()), None)
        return apply.run_steps(client, system, power.plan(system, state, boot), wait)


def test_off_is_read_back(server: Server) -> None:
    assert run(server, "off") == []
    assert server.documents[SYSTEM]["PowerState"] == "Off"
    assert run(server, "off") == []
    assert server.paths("POST").count(RESET) == 1


def test_a_restart_must_leave_a_trace_or_it_is_said(server: Server) -> None:
    assert run(server, "cycle") == []
    server.special[RESET] = lambda handler: handler.body() is None or handler.reply(204) is None
    assert "no trace of the restart" in run(server, "cycle", wait=0.2)[0]


def test_a_machine_that_does_not_obey_fails_with_its_state(server: Server) -> None:
    server.special[RESET] = lambda handler: handler.body() is None or handler.reply(202, {}) is None
    with pytest.raises(apply.Failed, match=r"after 0\.2 s the machine is on, not off"):
        run(server, "graceful_off", wait=0.2)


def test_a_patch_carries_the_etag_and_survives_one_412(server: Server) -> None:
    left = [1]

    def outdated(handler: Handler) -> bool:
        if handler.command != "PATCH":
            return False
        left[0] -= 1
        if left[0] < 0:
            return False
        handler.body()
        handler.reply(412)
        return True

    server.special["/redfish/v1/systems/1"] = outdated
    run(server, None, "cd")
    boot = server.documents[SYSTEM]["Boot"]
    assert (boot["BootSourceOverrideTarget"], boot["BootSourceOverrideEnabled"]) == ("Cd", "Once")
    assert len(server.paths("PATCH")) == 2


def test_a_boot_override_is_put_back_when_the_restart_is_refused(server: Server) -> None:
    server.special[RESET] = lambda handler: handler.body() is None or handler.reply(409) is None
    with pytest.raises(
        apply.Failed,
        match="refused: HTTP 409; the machine was on before; the boot override was put back to None/Disabled",
    ):
        run(server, "cycle", "pxe")
    assert server.documents[SYSTEM]["Boot"]["BootSourceOverrideTarget"] == "None"


def test_a_boot_override_that_does_not_stick_fails(server: Server) -> None:
    def deaf(handler: Handler) -> bool:
        if handler.command == "PATCH":
            handler.body()
            handler.reply(204)
        return handler.command == "PATCH"

    server.special["/redfish/v1/systems/1"] = deaf
    with pytest.raises(apply.Failed, match="reads None/Disabled instead of Pxe/Once"):
        run(server, None, "pxe")


# The modules ------------------------------------------------------------------------------------------------------


def module(name: str, arguments: dict[str, Any], check: bool = False) -> dict[str, Any]:
    """Run a module as Ansible does: JSON arguments on stdin, JSON result on stdout."""
    arguments = {**arguments, "_ansible_check_mode": check, "_ansible_diff": True, "_ansible_remote_tmp": "/tmp"}
    code = (
        "import sys, ansible.module_utils as utils;"
        f"utils.__path__.append({str(ROOT / 'plugins' / 'module_utils')!r});"
        f"import runpy; runpy.run_path({str(ROOT / 'library' / (name + '.py'))!r}, run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", PROFILE + code],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    assert done.stdout.strip(), done.stderr
    assert PASSWORD not in done.stdout
    result: dict[str, Any] = json.loads(done.stdout)
    return result


# ansible-core 2.19 wants to be told how results are written; older ones do not know it.
PROFILE = (
    "import ansible.module_utils.basic as basic\n"
    "if hasattr(basic, '_ANSIBLE_PROFILE'): basic._ANSIBLE_PROFILE = 'legacy'\n"
)


def access(server: Server) -> dict[str, Any]:
    return {
        "subject": "node1",
        "address": "127.0.0.1",
        "port": server.server_address[1],
        "user": USER,
        "password": PASSWORD,
        "ca_file": str(server.certificate),
    }


def test_bmc_power_checks_plans_and_changes(server: Server) -> None:
    arguments = {**access(server), "confirm_target": "node1", "state": "off", "wait_seconds": 20}
    planned = module("bmc_power", arguments, check=True)
    assert planned["changed"] is True
    assert server.documents[SYSTEM]["PowerState"] == "On"
    done = module("bmc_power", arguments)
    assert done["changed"] is True
    assert done["plan"] == planned["plan"]
    assert done["diff"] == planned["diff"]
    assert (done["diff"]["before"]["power"], done["diff"]["after"]["power"]) == ("on", "off")
    assert server.documents[SYSTEM]["PowerState"] == "Off"
    again = module("bmc_power", arguments)
    assert (again["changed"], again["plan"]) == (False, [])
    assert server.tokens == set()


def test_bmc_power_wants_the_target_named(server: Server) -> None:
    arguments = {**access(server), "confirm_target": "node2", "state": "off"}
    refused = module("bmc_power", arguments)
    assert refused["failed"] is True
    assert "nothing was done" in refused["msg"]
    assert server.seen == []


def test_bmc_info_reads_one_and_many(server: Server) -> None:
    one = module("bmc_info", {**access(server), "ipmi": "never"}, check=True)
    assert one["changed"] is False
    assert one["observations"][0]["observation"]["facts"]["npu"]["present_count"] == 2
    shared_options = {key: value for key, value in access(server).items() if key not in ("subject", "address")}
    targets = [{"subject": f"n{i}", "address": "127.0.0.1"} for i in (1, 2)]
    targets.append({"subject": "dead", "address": "127.0.0.1", "port": 1})
    many = module("bmc_info", {**shared_options, "ipmi": "never", "targets": targets})
    seen = {item["observation"]["subject"]["id"]: item["observation"]["facts"] for item in many["observations"]}
    assert [seen[name]["reachable"] for name in ("n1", "n2", "dead")] == [True, True, False]
    assert seen["dead"]["notes"][0]["problem"] == "connection refused"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"password": None}, "password"),
        ({"fingerprint": "12:34"}, "64 hex digits"),
        ({"port": 70000}, "a port is between 1 and 65535"),
        ({"pool": 0}, "pool must be above nought"),
        ({"targets": []}, "mutually exclusive"),
    ],
)
def test_bmc_info_fails_only_for_wrong_arguments(server: Server, change: dict[str, Any], why: str) -> None:
    result = module("bmc_info", {**access(server), "ipmi": "never", **change})
    assert result["failed"] is True
    assert why in result["msg"]
    assert server.seen == []
