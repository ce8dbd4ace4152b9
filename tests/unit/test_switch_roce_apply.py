"""All of the lines in effect and saved, or none: whatever goes wrong on the way, and what the evidence says of it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from npuforge.switch.roce import ce_apply
from npuforge.switch.roce.model import Block, Steps
from npuforge.switch.session import Entered, SessionError

from controller import contract
from tests.unit.switch_roce_helpers import PORTS, Device, Session, part
from tests.unit.switch_roce_run import Opened, apply, facts, verdicts

P0 = PORTS[0]


def untouched(device: Device, before: object) -> bool:
    """Running and saved configuration are what they were, and no trial is left."""
    return bool(device.running == device.saved == before and device.before_trial is None)


def test_once_and_then_never_again() -> None:
    device = Device()
    first = apply(device)
    assert (first.changed, first.failed) == (True, False), first.message
    assert first.message == "sw1: the lines are in effect and confirmed; the running configuration is saved"
    roce = facts(first)["roce"]
    assert (roce["applied"], roce["rolled_back"], roce["differences"], roce["unsaved"]) == (True, False, [], [])
    assert facts(first)["found"]["differences"][0] == "sw1: headroom pool is not set, planned 4096 KiB"
    assert device.lines("interface 10GE1/0/48") == ["description to the hospital's core"]
    opened = Opened(device)
    second = apply(device, opened)
    assert (second.changed, second.failed, second.lines, second.before) == (False, False, [], "")
    assert (opened.entered, len(opened.sessions)) == ([], 1)


def test_the_order_of_a_transaction() -> None:
    opened = Opened(Device())
    apply(opened.device, opened)
    entered = opened.entered
    assert entered[0] == "system-view"
    assert entered[-4:] == ["commit trial 120", "commit", "return", "save"]
    assert len(opened.sessions) == 1


@pytest.mark.parametrize(("commit", "check"), [(False, False), (False, True), (True, True)])
def test_nothing_is_entered_unless_the_switch_is_named_and_it_is_no_check(commit: bool, check: bool) -> None:
    device = Device()
    before = copy.deepcopy(device.running)
    opened = Opened(device)
    result = apply(device, opened, commit=commit, check=check)
    assert (result.changed, result.failed) == (commit and check, False)
    assert result.lines == apply(Device()).lines
    assert opened.entered == []
    assert untouched(device, before)
    assert facts(result, f"sw1/{P0}")["trust_differences"] == [f"{P0}: trust is 802.1p, planned dscp"]


@pytest.mark.parametrize("line", ["^priority 4$", "^qos queue 4 ecn$", "^interface 400GE1/0/2:2$", "^commit trial"])
def test_a_refused_line_clears_the_candidate(line: str) -> None:
    device = Device()
    before = copy.deepcopy(device.running)
    device.refuses = line
    opened = Opened(device)
    result = apply(device, opened)
    assert (result.changed, result.failed) == (False, True)
    assert "was refused: Error: The operation failed." in result.message
    assert result.message.endswith("the candidate was cleared, the switch runs what it ran before")
    assert facts(result)["roce"]["rolled_back"] is True
    assert opened.sessions[0].entered[-2:] == ["clear configuration candidate", "return"]
    assert untouched(device, before)


def test_a_line_that_asks_is_answered_with_no_and_undone() -> None:
    device = Device()
    before = copy.deepcopy(device.running)
    device.asks = "^dcb pfc enable"
    result = apply(device)
    assert "which was answered with no" in result.message
    assert untouched(device, before)


def test_a_difference_that_is_left_aborts_the_trial() -> None:
    """PFC may be refused by the hardware while the port is congested: configured, but not in effect."""
    device = Device()
    before = copy.deepcopy(device.running)
    device.shown_off = (P0,)
    opened = Opened(device)
    result = apply(device, opened)
    assert (result.changed, result.failed) == (False, True)
    assert f"{P0}: PFC is off, planned on for priority 4" in result.message
    assert result.message.endswith("the trial was rolled back, the switch runs what it ran before")
    assert opened.entered[-2:] == ["abort trial", "return"]
    assert untouched(device, before)


def test_a_commit_that_does_not_confirm_aborts_the_trial() -> None:
    device = Device()
    before = copy.deepcopy(device.running)
    device.refuses = "^commit$"
    result = apply(device)
    assert "the trial could not be confirmed" in result.message
    assert untouched(device, before)


@pytest.mark.parametrize("line", ["^trust dscp$", "^commit trial", "^commit$"])
def test_a_lost_session_ends_in_what_ran_before_and_says_so(line: str) -> None:
    device = Device()
    before = copy.deepcopy(device.running)
    device.hangs_up = line
    opened = Opened(device)
    result = apply(device, opened)
    assert (result.changed, result.failed) == (False, True)
    assert result.message.endswith("the session was lost; the switch runs the configuration from before")
    assert facts(result)["roce"]["rolled_back"] is True
    assert facts(result)["roce"]["differences"]
    assert untouched(device, before)


def test_a_session_lost_after_the_commit_arrived_leaves_it_in_effect_and_says_so() -> None:
    device = Device()
    device.answers_no_more = "^commit$"
    result = apply(device)
    assert (result.changed, result.failed) == (True, True)
    assert "no trial is active, so the commit had arrived: the lines are in effect, and not saved" in result.message
    assert facts(result)["roce"]["applied"] is True
    assert facts(result)["roce"]["unsaved"]
    device.answers_no_more = "(?!)"
    again = apply(device)
    assert (again.changed, again.failed, device.running == device.saved) == (True, False, True)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


def test_after_a_loss_it_waits_for_the_trial_to_end() -> None:
    device, clock = Device(), Clock()
    before = device.text(device.running)
    device.before_trial, device.running = device.running, {(): ["sysname sw1", "lldp enable"]}
    looks: list[float] = []

    class Later(Session):
        def drop(self) -> None:
            """This session is not the one that the trial belongs to."""

    def reconnect() -> Session:
        looks.append(clock.now)
        if clock.now >= 60 and device.before_trial is not None:
            device.running, device.before_trial = device.before_trial, None
        return Later(device)

    outcome = ce_apply.after_loss(reconnect, before, 120, clock.pause, clock)
    assert outcome.state[-1] == "the switch runs the configuration from before"
    assert outcome.rolled_back is True
    assert looks[-1] == 60


def test_after_a_loss_a_switch_that_stays_away_is_told() -> None:
    clock = Clock()

    def reconnect() -> Session:
        raise SessionError("127.0.0.1:22 does not answer within 5 s")

    outcome = ce_apply.after_loss(reconnect, "", 120, clock.pause, clock)
    assert (outcome.applied, outcome.rolled_back, outcome.saved) == (False, False, None)
    assert outcome.state[1:] == [
        "127.0.0.1:22 does not answer within 5 s",
        "within the trial's time it was not seen to return to the configuration from before: look at it by hand",
    ]
    assert 120 <= clock.now <= 140


def test_somebody_elses_trial_lock_and_candidate_are_left_as_they_are() -> None:
    device = Device()
    device.locked_by = "root"
    opened = Opened(device)
    result = apply(device, opened)
    assert result.failed
    assert "root (VTY 0) has locked the configuration; nothing was entered" in result.message
    assert opened.entered == []
    told = ["root (VTY 0) has locked the configuration (configuration exclusive)"]
    assert facts(result)["roce"]["uncommitted"] == told

    device = Device()
    device.before_trial = copy.deepcopy(device.running)
    device.running[()].append("stp mode rstp")

    class Others(Opened):
        def __call__(self, target: object = None, os: str = "") -> Session:
            session = super().__call__(target, os)
            session.drop = lambda: None  # type: ignore[method-assign] # the trial is not this session's
            return session

    opened = Others(device)
    result = apply(device, opened)
    assert "a trial run of somebody else is active" in result.message
    assert opened.entered == []
    assert facts(result)["roce"]["uncommitted"][0].startswith("a trial run of the configuration is active, 51 s")
    assert device.before_trial is not None


def test_a_dirty_candidate_found_on_entering_is_left_by_hanging_up() -> None:
    device = Device()

    class Dirty(Session):
        def enter(self, line: str, answer: Any = "N", timeout_seconds: float | None = None) -> Entered:
            made = super().enter(line, answer, timeout_seconds)
            if line == "system-view":
                made = made._replace(prompt="[*sw1]")
            return made

    session = Dirty(device)
    steps = Steps()
    steps.blocks = [Block((), ("lldp enable",))]
    with pytest.raises(ce_apply.Refused, match="uncommitted candidate of somebody else"):
        ce_apply.apply(session, steps, list, 120, lambda _: None)
    assert (session.dropped, session.entered) == (True, ["system-view"])


def test_a_save_that_fails_is_told_and_repaired_by_the_next_run() -> None:
    device = Device()
    device.clean_save = False
    result = apply(device)
    assert (result.changed, result.failed) == (True, True)
    assert "the lines are in effect and confirmed; save failed: Error: The disk is full." in result.message
    roce = facts(result)["roce"]
    assert roce["applied"] is True
    assert f"+ interface {P0}: trust dscp" in roce["unsaved"]
    device.clean_save = True
    opened = Opened(device)
    again = apply(device, opened)
    assert (again.changed, again.failed) == (True, False)
    assert again.message == "sw1: the running configuration is saved"
    assert opened.entered == ["save"]
    assert facts(again)["roce"]["unsaved"] == []


def test_what_others_did_not_save_is_told_and_not_saved_for_them() -> None:
    device = Device()
    apply(device)
    device.running[("interface 10GE1/0/48",)].append("shutdown")
    opened = Opened(device)
    result = apply(device, opened)
    assert (result.changed, result.failed, opened.entered) == (False, False, [])
    assert facts(result)["roce"]["unsaved"] == ["+ interface 10GE1/0/48: shutdown"]


def test_a_port_in_conflict_does_not_stop_the_others() -> None:
    device = Device()
    device.running.setdefault((f"interface {P0}",), []).append("flow-control")
    device.saved = copy.deepcopy(device.running)
    result = apply(device)
    assert (result.changed, result.failed) == (True, False)
    assert facts(result)["roce"]["conflicts"] == [
        f"{P0}: 802.3x flow control is configured (flow-control), which excludes PFC"
    ]
    assert facts(result, f"sw1/{P0}")["pfc_differences"] == [
        f"{P0}: 802.3x flow control is on, planned off",
        f"{P0}: PFC is off, planned on for priority 4",
    ]
    assert facts(result, f"sw1/{PORTS[1]}")["pfc_differences"] == []


def test_a_switch_that_answers_only_port_by_port() -> None:
    device = Device(one_by_one=True)
    opened = Opened(device)
    result = apply(device, opened)
    assert (result.changed, result.failed) == (True, False), result.message
    assert f"display qos ecn threshold interface {P0}" in opened.sessions[0].asked
    assert facts(result)["notes"] == []
    assert facts(result, f"sw1/{P0}")["optics"]["present"] is True
    assert apply(device).changed is False


def test_what_is_configured_but_not_shown_in_effect_is_unknown() -> None:
    device = Device()
    device.hides = ("display dcb", "display dcb pfc buffer", "display dcb pfc deadlock trigger status")
    opened = Opened(device)
    compared = facts(apply(device, opened, commit=False), f"sw1/{P0}")
    # What one port's form is refused with, holds for all of them.
    assert [command for command in opened.sessions[0].asked if command.startswith("display dcb interface")] == [
        f"display dcb interface {P0}"
    ]
    assert compared["pfc_differences"] == [f"{P0}: PFC is off, planned on for priority 4"]
    result = apply(device)
    assert (result.changed, result.failed) == (True, False)
    port = facts(result, f"sw1/{P0}")
    assert (port["pfc_differences"], port["buffer_differences"], port["pfc_turned_off"]) == (None, None, None)
    assert (port["trust_differences"], port["ecn_differences"]) == ([], [])
    assert {note["where"] for note in facts(result)["notes"]} == set(device.hides)


@pytest.mark.parametrize("trouble", ["reachable", "wrong_model"])
def test_a_switch_that_is_not_there_or_is_another_make(trouble: str) -> None:
    device = Device()
    setattr(device, trouble, trouble == "wrong_model")
    opened = Opened(device)
    result = apply(device, opened)
    assert (result.changed, result.failed, opened.entered) == (False, True, [])
    assert result.message.startswith("sw1: ")
    made = facts(result)
    assert [note["where"] for note in made["notes"]] == ["session" if trouble == "reachable" else "display version"]
    assert (made["roce"]["differences"], made["roce"]["unsaved"]) == (None, None)
    port = facts(result, f"sw1/{P0}")
    assert (port["trust_differences"], port["link"], port["pfc_turned_off"]) == (None, None, None)
    # Where nothing was to be done, that is no failure of the play.
    assert apply(device, commit=False).failed is False


def test_a_configured_switch_passes_every_check_of_it_and_an_unconfigured_one_does_not() -> None:
    device = Device()
    before, after = verdicts(apply(device, commit=False)), verdicts(apply(device))
    assert len(before) == len(after) == 4 + 9 * 4
    assert set(after.values()) == {"pass"}
    failed = {check for (check, _), verdict in before.items() if verdict != "pass"}
    assert failed == {f"fabric.switch_{what}" for what in ("config", "trust", "pfc", "buffer", "ecn")}


def test_observations_are_as_their_schema_says_and_raw_names_are_unique() -> None:
    result = apply(Device(one_by_one=True))
    for entry in result.observations:
        assert contract.problems({**entry["observation"], "raw": []}, "observation") == []
    names = [entry["name"] for entry in result.observations[0]["raw"]]
    assert len(names) == len(set(names)) > 40


def test_faults_name_the_port_and_the_setting() -> None:
    device = Device()
    apply(device)
    device.turned_off, device.crc[PORTS[1]], device.rx_dbm[PORTS[1]] = (P0,), 12, -12.5
    device.without_module = (PORTS[2],)
    device.neighbors[PORTS[2]], device.neighbors[PORTS[3]] = device.neighbors[PORTS[3]], device.neighbors[PORTS[2]]
    device.running[("dcb pfc npuforge",)].remove("undo priority 3")
    result = apply(device, commit=False)
    ports = [facts(result, f"sw1/{port}") for port in PORTS]
    assert [port["pfc_turned_off"] for port in ports] == [True, False, False, False]
    assert ports[1]["error_problems"] == [
        f"{PORTS[1]}: 12 frames arrived with CRC errors since the counters were cleared"
    ]
    assert ports[1]["optics_problems"] == [
        f"{PORTS[1]}: RX power of lane 0 is -12.50 dBm, below the module's -8.40 dBm"
    ]
    assert ports[2]["optics_problems"] == [f"{PORTS[2]}: no optical module or cable is plugged in"]
    assert ports[2]["cabling_differences"] == [f"node2 NPU2 is on {PORTS[2]}, planned {PORTS[3]}"]
    assert ports[3]["cabling_differences"] == [f"node2 NPU1 is on {PORTS[3]}, planned {PORTS[2]}"]
    for name, port in zip(PORTS, ports, strict=True):
        assert port["pfc_differences"] == [f"{name}: lossless priorities are 3, 4, planned 4 (PFC profile npuforge)"]
    assert facts(result)["roce"]["lines_planned"] == ["dcb pfc npuforge", " undo priority 3"]


@pytest.mark.parametrize(
    ("neighbor", "told"),
    [
        (("Node1.hospital.example", "npu-1"), []),
        (("sw2", "400GE1/0/1"), [f"sw2 400GE1/0/1 is on {P0}, planned node1 NPU1"]),
        (("00e0-fc12-3456", "eth0"), None),
    ],
)
def test_neighbours(neighbor: tuple[str, str], told: list[str] | None) -> None:
    device = Device()
    device.neighbors[P0] = neighbor
    assert facts(apply(device, commit=False), f"sw1/{P0}")["cabling_differences"] == told
    del device.neighbors[P0]
    port = facts(apply(device, commit=False), f"sw1/{P0}")
    assert port["cabling_differences"] is None
    assert port["notes"] == [{"where": "cabling_differences", "problem": "no LLDP neighbour is seen on the port"}]


def test_a_plan_for_a_port_that_the_switch_lacks() -> None:
    plan = part()
    plan["ports"][0] = dict(plan["ports"][0], switch_port="400GE1/0/9:1")
    result = apply(Device(), plan=plan)
    assert facts(result)["roce"]["differences"] == ["400GE1/0/9:1: sw1 has no such port"]
    assert facts(result, "sw1/400GE1/0/9:1")["pfc_differences"] is None
    assert (result.changed, result.failed) == (True, False)
