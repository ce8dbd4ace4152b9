"""The Comware driver against a pure model of a configuration: complete, idempotent, and taken back without a trace."""

from __future__ import annotations

import re
from typing import Any

import pytest
import switch_comware_helpers as sample
from hypothesis import given, settings
from hypothesis import strategies as st
from npuforge.switch.roce import comware_config as config
from npuforge.switch.roce.ce_config import mask
from npuforge.switch.roce.comware_apply import policy
from npuforge.switch.roce.comware_driver import ComwareDriver
from npuforge.switch.roce.model import Differences, Found
from npuforge.switch.roce.one_stage import Terminal, apply
from switch_comware_helpers import PORTS, Switch, display, part

DRIVER = ComwareDriver()
PORT = PORTS[0]
VIEW = f"interface {PORT}"


def read(switch: Switch, plan: dict[str, Any] | None = None, **more: Any) -> Found:
    return DRIVER.parse(display(switch, **more), plan or part())


def told(switch: Switch, plan: dict[str, Any] | None = None, **more: Any) -> Differences:
    plan = plan or part()
    return DRIVER.verify(plan, read(switch, plan, **more))


class Typed(Terminal):
    """The model as a terminal."""

    def __init__(self, switch: Switch) -> None:
        self.switch = switch
        self.lines: list[str] = []

    def send(self, line: str) -> str:
        self.lines.append(line)
        if line.startswith("configuration commit"):
            return ""
        if line == "save force":
            return (
                "Validating file. Please wait...\nSaved the current configuration to mainboard device successfully.\n"
            )
        return self.switch.enter(line)


def test_a_factory_switch_becomes_the_plan_and_needs_nothing_more() -> None:
    switch = Switch()
    before = told(switch)
    assert f"{PORT}: trust is none, planned dscp" in before.sentences()
    assert f"{PORT}: PFC is off, planned on" in before.sentences()
    assert f"{PORT}: lossless priorities are none, planned 4" in before.sentences()
    assert f"{PORT}: ECN of queue 4 is off, planned on" in before.sentences()
    steps = DRIVER.steps(part(), read(switch))
    assert steps.conflicts == []
    assert switch.enter_all(steps.lines()) == []
    assert switch.views[VIEW] == [
        "port link-mode bridge",
        "description NPU1 of node1",
        "port access vlan 171",
        "qos trust dscp",
        "priority-flow-control enable",
        "priority-flow-control no-drop dot1p 4",
        "priority-flow-control dot1p 4 headroom 2000",
        "priority-flow-control dot1p 4 ingress-buffer dynamic 6",
        "priority-flow-control deadlock enable",
        "qos wred queue 4 drop-level 0 low-limit 800 high-limit 2400 discard-probability 5",
        "qos wred queue 4 drop-level 1 low-limit 800 high-limit 2400 discard-probability 5",
        "qos wred queue 4 drop-level 2 low-limit 800 high-limit 2400 discard-probability 5",
        "qos wred queue 4 weighting-constant 0",
        "qos wred queue 4 ecn",
    ]
    assert "priority-flow-control deadlock cos 4 interval 10" in switch.views[""]
    assert "qos map-table dscp-lp" not in switch.views, "33 becomes 4 and 48 becomes 6 without a line"
    found = read(switch)
    assert DRIVER.steps(part(), found).lines() == []
    assert DRIVER.verify(part(), found).sentences() == []
    assert not DRIVER.verify(part(), found).unseen()
    assert "interface TwoHundredGigE1/0/2:1" not in "\n".join(steps.lines()), "a port outside the plan is not touched"


def test_found_says_what_is_there() -> None:
    switch = Switch()
    switch.enter_all(DRIVER.steps(part(), read(switch)).lines())
    found = read(switch)
    port = found.ports[PORT]
    assert (found.model, found.version) == ("H3C S9825-64D", "7.1.070, 6710")
    assert (port.link, port.speed_mbps, port.max_frame_bytes, port.flow_control) == ("up", 200000, 9216, False)
    assert (port.trust, port.pfc.enabled, port.pfc.mode, port.pfc.priorities) == ("dscp", True, "manual", [4])
    assert (port.buffer.form, port.buffer.xoff, port.buffer.headroom_bytes) == ("dynamic", 6, 512000)
    assert (port.ecn.low_limit_bytes, port.ecn.high_limit_bytes, port.ecn.discard_percentage) == (204800, 614400, 5)
    assert port.turned_off is False
    assert port.neighbor == {"device": "node1", "port": "NPU1"}
    assert port.counters == {
        "crc_errors": 3, "drops": 0, "pfc_rx_frames": 18, "pfc_tx_frames": 20, "ecn_marked": None, "deadlocks": None,
    }  # fmt: skip
    assert port.optics is not None
    assert port.optics["rx_power_dbm"] == [0.70, 0.61]
    assert found.whole.domains is not None
    assert found.whole.domains["dscp-lp"][33] == ("4", None)
    assert found.uncommitted == []
    assert found.unsaved == []


def test_a_switch_that_maps_in_two_steps() -> None:
    switch = Switch()
    switch.views["qos map-table dscp-dot1p"] = ["import 33 export 1"]
    switch.views[VIEW].append("qos trust dscp")
    assert read(switch, direct=False).ports[PORT].domain == "dscp-dot1p"
    assert "leaf1: DSCP 33 becomes 1 in map dscp-dot1p, planned 4" in told(switch, direct=False).sentences()
    steps = DRIVER.steps(part(), read(switch, direct=False), takeover=True)
    switch.enter_all(steps.lines())
    assert switch.views["qos map-table dscp-dot1p"] == ["import 33 export 4"]
    assert told(switch, direct=False).sentences() == []


@pytest.mark.parametrize(
    ("human", "conflict"),
    [
        ("flow-control", f"{PORT}: 'flow-control' is configured (802.3x flow control, which excludes PFC)"),
        ("qos trust dot1p", f"{PORT}: 'qos trust dot1p' is configured, planned 'qos trust dscp'"),
        (
            "priority-flow-control auto",
            f"{PORT}: 'priority-flow-control auto' is configured, planned 'priority-flow-control enable'",
        ),
        ("priority-flow-control no-drop dot1p 3", f"{PORT}: lossless priorities are 3, planned 4"),
        (
            "qos wred apply q1",
            f"{PORT}: 'qos wred apply q1' is configured (a WRED table, which excludes thresholds of the port)",
        ),
    ],
)
def test_what_people_configured_stays_unless_asked(human: str, conflict: str) -> None:
    switch = Switch()
    switch.views[VIEW].append(human)
    kept = switch.copy()
    steps = DRIVER.steps(part(), read(switch))
    assert steps.conflicts == [conflict]
    assert kept.enter_all(steps.lines()) == []
    assert kept.views[VIEW] == switch.views[VIEW], "the port is left alone as a whole"
    assert "qos trust dscp" in kept.views[f"interface {PORTS[1]}"], "the other port is not"
    assert DRIVER.steps(part(), read(kept)).lines() == [], "what is not taken over is not tried again"
    assert told(kept).sentences() != []
    taken = DRIVER.steps(part(), read(switch), takeover=True)
    assert taken.conflicts == [conflict]
    switch.enter_all(taken.lines())
    assert human not in switch.views[VIEW]
    assert told(switch).sentences() == []
    assert DRIVER.steps(part(), read(switch)).conflicts == []


def test_a_priority_map_of_people_leaves_all_ports_alone() -> None:
    switch = Switch()
    switch.views["qos map-table dscp-lp"] = ["import 33 export 1"]
    steps = DRIVER.steps(part(), read(switch))
    assert steps.conflicts == ["map dscp-lp: 33 becomes 1, planned 4"]
    assert not any("interface" in line or "import" in line for line in steps.lines())


def test_a_wred_table_that_agrees_is_left_in_peace() -> None:
    switch = Switch()
    switch.enter_all(DRIVER.steps(part(), read(switch)).lines())
    own = [line for line in switch.views[VIEW] if line.startswith("qos wred")]
    switch.views["qos wred queue table roce"] = [line[len("qos wred ") :] for line in own]
    switch.views[VIEW] = [line for line in switch.views[VIEW] if line not in own] + ["qos wred apply roce"]
    assert DRIVER.steps(part(), read(switch)).lines() == []
    assert DRIVER.steps(part(), read(switch)).conflicts == []
    assert told(switch).sentences() == []


def test_pfc_of_the_system_view_holds_for_ports() -> None:
    switch = Switch()
    switch.views[""] += ["priority-flow-control enable", "priority-flow-control no-drop dot1p 4"]
    lines = DRIVER.steps(part(), read(switch)).lines()
    assert not any("no-drop" in line or line.strip() == "priority-flow-control enable" for line in lines)


def test_pfc_given_up_by_the_switch_is_a_difference() -> None:
    switch = Switch()
    switch.enter_all(DRIVER.steps(part(), read(switch)).lines())
    texts = display(switch)
    shown = texts["display priority-flow-control interface"] or ""
    texts["display priority-flow-control interface"] = shown.replace("Enabled    Enabled ", "Enabled    Disabled", 1)
    found = DRIVER.parse(texts, part())
    assert found.ports[PORT].turned_off is True
    assert DRIVER.verify(part(), found).ports[PORT].pfc == [
        f"{PORT}: PFC is configured but not in effect (disabled by the switch), planned in effect"
    ]


def test_an_unknown_cell_size_is_said_and_nothing_is_guessed() -> None:
    switch, plan = Switch(), part(cell_bytes=None)
    steps = DRIVER.steps(plan, read(switch, plan))
    assert steps.conflicts == [
        "leaf1: the size of a buffer cell of family S9825 is not known, so headroom and ECN limits are not planned"
    ]
    assert not any("headroom" in line or "wred" in line for line in steps.lines())
    switch.enter_all(steps.lines())
    differences = told(switch, plan)
    assert differences.ports[PORT].pfc == []
    assert differences.ports[PORT].ecn is None
    assert differences.ports[PORT].buffer is None


def test_a_configuration_not_read_whole_plans_nothing() -> None:
    texts = display(Switch())
    texts["display current-configuration"] = (texts["display current-configuration"] or "")[:400]
    found = DRIVER.parse(texts, part())
    steps = DRIVER.steps(part(), found)
    assert steps.lines() == []
    assert steps.conflicts == ["leaf1: the running configuration was not read whole, so no line is planned"]
    differences = DRIVER.verify(part(), found)
    assert differences.whole is None
    assert differences.ports[PORT].trust is None


def test_a_port_that_is_not_there() -> None:
    plan = part()
    plan["ports"][0]["switch_port"] = "TwoHundredGigE1/0/77"
    steps = DRIVER.steps(plan, read(Switch(), plan))
    assert "TwoHundredGigE1/0/77: the switch has no such port" in steps.conflicts
    assert "TwoHundredGigE1/0/77" not in "\n".join(steps.lines())


def test_a_port_may_be_named_in_short_in_the_plan() -> None:
    plan = part()
    plan["ports"][0]["switch_port"] = "200GE1/0/1:1"
    steps = DRIVER.steps(plan, read(Switch(), plan))
    assert VIEW in steps.lines()


def test_another_makes_switch() -> None:
    found = DRIVER.parse({"display version": "Huawei Versatile Routing Platform Software\n"}, part())
    assert "it may be another make" in found.notes[0]["problem"]
    assert not DRIVER.speaks("Cisco IOS")
    assert DRIVER.speaks(sample.VERSION)
    assert DRIVER.steps(part(), found).lines() == []


def test_the_diff_shows_no_secret() -> None:
    steps = DRIVER.steps(part(), read(Switch()))
    assert "TESTHASH" not in steps.before + steps.after
    assert " qos trust dscp" in steps.after
    assert " qos trust dscp" not in steps.before


@pytest.mark.parametrize(
    "line",
    ["password hash $h$6$QQQQ", "password simple QQQQ", "password cipher $c$3$QQQQ", "snmp-agent community read QQQQ"],
)
def test_secrets_of_comware_are_masked(line: str) -> None:
    assert "QQQQ" not in mask(line)
    assert mask(line).endswith(" ******")


HUMAN = [
    "flow-control", "qos trust dot1p", "qos trust dscp", "priority-flow-control auto", "priority-flow-control enable",
    "priority-flow-control no-drop dot1p 3", "priority-flow-control no-drop dot1p 3-5",
    "priority-flow-control dot1p 4 headroom 900", "priority-flow-control dot1p 4 ingress-buffer static 100",
    "qos wred queue 4 drop-level 1 low-limit 10 high-limit 20 discard-probability 3", "qos wred queue 4 ecn",
    "qos wred queue 4 weighting-constant 9", "qos wred apply q1", "priority-flow-control deadlock enable", "shutdown",
]  # fmt: skip
SYSTEM = [
    "priority-flow-control deadlock cos 4 interval 3",
    "priority-flow-control no-drop dot1p 3",
    "stp global enable",
]


@st.composite
def switches(draw: st.DrawFn) -> Switch:
    """A factory switch with what people may have configured on it."""
    switch = Switch()
    for port in PORTS:
        switch.enter_all(
            [f"interface {port}", *(f" {line}" for line in draw(st.lists(st.sampled_from(HUMAN), max_size=6)))]
        )
    switch.enter_all(draw(st.lists(st.sampled_from(SYSTEM), max_size=2)))
    imports = draw(
        st.lists(st.sampled_from(["import 33 export 1", "import 48 export 6", "import 7 export 2"]), max_size=2)
    )
    switch.enter_all(["qos map-table dscp-lp", *(f" {line}" for line in imports)] if imports else [])
    return switch


@settings(max_examples=60, deadline=None)
@given(switch=switches(), takeover=st.booleans(), pool=st.sampled_from([None, 4096]))
def test_steps_are_complete_and_taking_back_leaves_no_trace(switch: Switch, takeover: bool, pool: int | None) -> None:
    plan = part(headroom_pool_kib=pool)
    original = switch.state()
    found = read(switch, plan)
    steps = DRIVER.steps(plan, found, takeover)
    entries = policy(steps, found.own.tree).entries
    for block in steps.blocks:
        switch.enter_all([*block.view, *(f" {line}" if block.view else line for line in block.lines)])
    again = DRIVER.steps(plan, read(switch, plan), takeover)
    assert again.lines() == []
    if takeover:
        assert told(switch, plan).sentences() == []
    for entry in reversed(entries):
        switch.enter_all([*entry.view, *(f" {line}" if entry.view else line for line in entry.undo)])
    assert switch.state() == original


@settings(max_examples=60, deadline=None)
@given(lines=st.lists(st.sampled_from(HUMAN), max_size=8), entered=st.lists(st.sampled_from(HUMAN), max_size=8))
def test_after_is_what_the_model_does(lines: list[str], entered: list[str]) -> None:
    switch = Switch()
    switch.views[VIEW] = []
    switch.enter_all([VIEW, *(f" {line}" for line in lines)])
    start = list(switch.views[VIEW])
    switch.enter_all([VIEW, *(f" {line}" for line in entered)])
    assert set(config.after(start, entered)) == set(switch.views[VIEW])
    back = [line for _, undo in reversed(config.inverse(start, entered)) for line in ([undo] if undo else [])]
    switch.enter_all([VIEW, *(f" {line}" for line in back)])
    assert set(switch.views[VIEW]) == set(start)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_text_gives_facts_and_never_a_wrong_line(data: st.DataObject) -> None:
    texts = display(Switch())
    for command in data.draw(st.lists(st.sampled_from(sorted(texts)), max_size=5)):
        text = texts[command] or ""
        cut = data.draw(st.integers(0, len(text)))
        texts[command] = data.draw(
            st.sampled_from([None, text[:cut], text[cut:], data.draw(st.text(max_size=30)) + text])
        )
    found = DRIVER.parse(texts, part())
    found.document()
    DRIVER.verify(part(), found)
    for line in DRIVER.steps(part(), found).lines():
        assert re.match(r"^ ?(?:interface|qos map-table|import|qos|priority-flow-control|undo) ", line), line


def test_apply_enters_verifies_confirms_and_saves() -> None:
    switch = Switch()
    found = read(switch)
    terminal = Typed(switch)
    steps = DRIVER.steps(part(), found)
    outcome = apply(policy(steps, found.own.tree), terminal, lambda: told(switch).sentences())
    assert (outcome.applied, outcome.rolled_back, outcome.saved) == (True, False, True)
    assert terminal.lines[:2] == ["system-view", "configuration commit delay 5"]
    assert terminal.lines.index("configuration commit") > terminal.lines.index("qos wred queue 4 ecn")
    assert terminal.lines[-1] == "save force"
    assert DRIVER.steps(part(), read(switch)).lines() == []


@pytest.mark.parametrize("refused", ["headroom", "wred queue 4 ecn", "qos trust", "deadlock cos"])
def test_a_refused_line_takes_everything_back(refused: str) -> None:
    switch = Switch()
    switch.refuses = (refused,)
    original = switch.state()
    found = read(switch)
    outcome = apply(policy(DRIVER.steps(part(), found), found.own.tree), Typed(switch))
    assert (outcome.applied, outcome.rolled_back, outcome.saved) == (False, True, False)
    assert refused in outcome.message
    assert "Unrecognized command" in outcome.message
    assert switch.state() == original
    assert "save force" not in [line for line, _ in outcome.transcript]


def test_what_does_not_verify_is_taken_back() -> None:
    switch = Switch()
    original = switch.state()
    found = read(switch)
    outcome = apply(policy(DRIVER.steps(part(), found), found.own.tree), Typed(switch), lambda: [f"{PORT}: PFC is off"])
    assert outcome.rolled_back
    assert "PFC is off" in outcome.message
    assert switch.state() == original
