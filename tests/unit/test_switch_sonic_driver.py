"""The SONiC driver against a pure model of CONFIG_DB: complete, idempotent, and taken back without a trace."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from npuforge.switch.roce.model import Differences, Found
from npuforge.switch.roce.one_stage import Lost, Terminal, apply
from npuforge.switch.roce.sonic_config import TABLES
from npuforge.switch.roce.sonic_driver import SonicDriver
from npuforge.switch.roce.sonic_plan import changes, wanted
from npuforge.switch.roce.sonic_render import Operation, operations, pointer, policy
from switch_sonic_helpers import PORTS, RUNNING, SAVED, Switch, bare, display, filtered, part, patch, stock

DRIVER = SonicDriver()
PORT = PORTS[0]


def read(switch: Switch, plan: dict[str, Any] | None = None, **more: Any) -> Found:
    return DRIVER.parse(display(switch, **more), plan or part())


def told(switch: Switch, plan: dict[str, Any] | None = None, **more: Any) -> Differences:
    plan = plan or part()
    return DRIVER.verify(plan, read(switch, plan, **more))


def typed(switch: Switch, lines: list[str]) -> list[str]:
    """Type lines; the complaints."""
    return [answer for answer in map(switch.enter, lines) if "rror" in answer]


class Typed(Terminal):
    def __init__(self, switch: Switch, lost_at: str | None = None) -> None:
        self.switch = switch
        self.lost_at = lost_at
        self.lines: list[str] = []

    def send(self, line: str) -> str:
        self.lines.append(line)
        if self.lost_at and self.lost_at in line:
            raise Lost("no prompt within 10 s")
        return self.switch.enter(line)


def test_stock_sonic_becomes_lossless_for_ascend() -> None:
    switch = Switch()
    sentences = told(switch).sentences()
    assert f"{PORT}: DSCP 33 becomes traffic class 1 (map AZURE), planned 4" in sentences
    assert f"{PORT}: lossless priorities are 3, 4, planned 4" in sentences
    assert f"{PORT}: the PFC watchdog is off, planned on" in sentences
    assert f"{PORT}: green_min_threshold of AZURE_LOSSLESS is 1048576, planned 204800" in sentences
    steps = DRIVER.steps(part(), read(switch))
    assert steps.conflicts == []
    assert typed(switch, steps.lines()) == []
    assert switch.tables["DSCP_TO_TC_MAP"]["AZURE"]["33"] == "4"
    assert switch.tables["DSCP_TO_TC_MAP"]["AZURE"]["34"] == "1"
    assert told(switch).sentences() == []
    assert not told(switch).unseen()
    assert DRIVER.steps(part(), read(switch)).lines() == []
    assert switch.tables["PORT_QOS_MAP"]["Ethernet8"]["pfc_enable"] == "3,4", "a port outside the plan keeps its own"
    assert "Ethernet8" not in switch.tables["PFC_WD"]


def test_a_port_with_a_conflict_is_left_alone_as_a_whole() -> None:
    switch = Switch()
    switch.tables["PORT_QOS_MAP"][PORT]["pfc_enable"] = "3"
    steps = DRIVER.steps(part(), read(switch))
    assert steps.conflicts == [f"{PORT}: pfc_enable is 3, planned 4"]
    before = copy.deepcopy(switch.tables["PORT_QOS_MAP"][PORT])
    typed(switch, steps.lines())
    assert switch.tables["PORT_QOS_MAP"][PORT] == before
    assert PORT not in switch.tables["PFC_WD"]
    assert switch.tables["PORT_QOS_MAP"][PORTS[1]]["pfc_enable"] == "4"


@pytest.mark.parametrize("model", ["traditional", "dynamic"])
def test_a_switch_without_qos_gets_all_of_it(model: str) -> None:
    switch = Switch(bare())
    switch.tables["DEVICE_METADATA"]["localhost"]["buffer_model"] = model
    assert f"{PORT}: trust is none, planned dscp" in told(switch).sentences()
    steps = DRIVER.steps(part(), read(switch))
    assert steps.conflicts == []
    assert typed(switch, steps.lines()) == []
    assert switch.tables["PORT_QOS_MAP"][PORT] == {
        "dscp_to_tc_map": "AZURE",
        "tc_to_pg_map": "AZURE",
        "tc_to_queue_map": "AZURE",
        "pfc_to_queue_map": "AZURE",
        "pfc_enable": "4",
        "pfcwd_sw_enable": "4",
    }
    assert switch.tables["PFC_WD"][PORT] == {"action": "drop", "detection_time": "200", "restoration_time": "200"}
    assert switch.tables["CABLE_LENGTH"] == {"AZURE": dict.fromkeys(PORTS, "40m")}
    assert switch.tables["QUEUE"][f"{PORT}|4"] == {"wred_profile": "AZURE_LOSSLESS"}
    assert ("BUFFER_PG" in switch.tables) == (model == "dynamic")
    assert told(switch).sentences() == []
    assert DRIVER.steps(part(), read(switch)).lines() == []


def test_found_says_what_is_there() -> None:
    switch = Switch()
    switch.storm = PORT
    found = read(switch)
    port = found.ports[PORT]
    assert (found.model, found.version) == ("Accton-AS9716-32D", "SONiC.202311.100")
    assert (port.exists, port.link, port.speed_mbps, port.max_frame_bytes) == (True, "up", 200000, 9118)
    assert (port.trust, port.domain, port.pfc.priorities) == ("dscp", "AZURE", [3, 4])
    assert (port.ecn.enabled, port.ecn.profile, port.ecn.low_limit_bytes) == (True, "AZURE_LOSSLESS", 1048576)
    assert port.buffer.headroom_bytes == 165100
    assert port.turned_off is True
    assert port.neighbor == {"device": "node1", "port": "NPU1"}
    assert port.counters == {
        "crc_errors": 2, "drops": 8, "pfc_rx_frames": 1400, "pfc_tx_frames": 1400, "ecn_marked": None, "deadlocks": 3,
    }  # fmt: skip
    assert found.whole.domains is not None
    assert found.whole.domains["AZURE"][33] == ("1", None)
    assert found.unsaved == []
    assert found.notes == []
    pfc = DRIVER.verify(part(), found).ports[PORT].pfc
    assert pfc is not None
    assert f"{PORT}: queue 4 is in a pause storm and drops (PFC watchdog), planned none" in pfc
    assert found.document()["ports"][PORT]["optics"]["present"] is True


def test_unsaved_is_told_line_by_line() -> None:
    switch = Switch()
    typed(switch, ["sudo sonic-db-cli CONFIG_DB hset 'DSCP_TO_TC_MAP|AZURE' '33' '4'"])
    switch.saved["PORT"].pop("Ethernet8")
    found = read(switch)
    assert found.unsaved is not None
    assert "+ DSCP_TO_TC_MAP|AZURE 33 4" in found.unsaved
    assert "- DSCP_TO_TC_MAP|AZURE 33 1" in found.unsaved
    assert "+ PORT|Ethernet8 speed 200000" in found.unsaved
    typed(switch, ["sudo config save -y"])
    assert read(switch).unsaved == []
    assert read(switch, extra={SAVED: "jq: error: Could not open file"}).unsaved is None


@pytest.mark.parametrize(
    ("table", "key", "field", "value", "conflict"),
    [
        ("DSCP_TO_TC_MAP", "AZURE", "33", "3", "DSCP_TO_TC_MAP|AZURE: 33 is 3, planned 4"),
        ("TC_TO_QUEUE_MAP", "AZURE", "4", "3", "TC_TO_QUEUE_MAP|AZURE: 4 is 3, planned 4"),
        ("WRED_PROFILE", "AZURE_LOSSLESS", "green_min_threshold", "50000",
         "WRED_PROFILE|AZURE_LOSSLESS: green_min_threshold is 50000, planned 204800"),
        ("WRED_PROFILE", "AZURE_LOSSLESS", "ecn", "ecn_none",
         "WRED_PROFILE|AZURE_LOSSLESS: ecn is ecn_none, planned ecn_all"),
        ("PFC_WD", PORT, "action", "forward", f"PFC_WD|{PORT}: action is forward, planned drop"),
        ("PORT", PORT, "pfc_asym", "on", f"PORT|{PORT}: pfc_asym is on, planned off"),
    ],
)  # fmt: skip
def test_what_people_configured_stays_unless_asked(table: str, key: str, field: str, value: str, conflict: str) -> None:
    switch = Switch()
    for port in PORTS:
        switch.tables["PORT_QOS_MAP"][port].update(pfc_enable="4", pfcwd_sw_enable="4")
    switch.tables.setdefault(table, {}).setdefault(key, {})[field] = value
    steps = DRIVER.steps(part(), read(switch))
    assert steps.conflicts == [conflict]
    assert typed(switch, steps.lines()) == []
    assert switch.tables[table][key][field] == value
    assert told(switch).sentences() != []
    assert DRIVER.steps(part(), read(switch)).lines() == []
    taken = DRIVER.steps(part(), read(switch), takeover=True)
    assert typed(switch, [line.replace("npuforge", "second") for line in taken.lines()]) == []
    assert told(switch).sentences() == []


def test_a_queue_shared_with_others_is_a_conflict() -> None:
    switch = Switch()
    switch.tables["QUEUE"] = {f"{PORT}|3-4": {"scheduler": "scheduler.1"}}
    steps = DRIVER.steps(part(), read(switch))
    assert f"QUEUE|{PORT}|3-4: it has no WRED profile and holds for more than {PORT} queue 4" in steps.conflicts


def test_no_lossless_buffer_in_effect() -> None:
    switch = Switch()
    switch.tables["CABLE_LENGTH"]["AZURE"][PORT] = "0m"
    buffer = told(switch).ports[PORT].buffer
    assert buffer == [
        f"{PORT}: cable length is 0m, planned the cable's (without it there is no lossless buffer)",
        f"{PORT}: priority group 4 has no buffer in effect, planned a lossless one",
    ]
    without = read(switch, extra={"sonic-db-dump -n APPL_DB -y -k 'BUFFER_P*'": "sonic-db-dump: command not found"})
    assert DRIVER.verify(part(), without).ports[PORTS[1]].buffer is None, "not seen is not missing"


def test_buffer_values_that_the_plan_names() -> None:
    switch, plan = Switch(), part(headroom_bytes=200000)
    assert told(switch, plan).ports[PORT].buffer == [
        f"{PORT}: xoff of buffer profile pg_lossless_200000_40m_profile is 165100, planned 200000"
    ]


def test_the_watchdog_never_detects_faster_than_it_polls() -> None:
    tables = stock()
    assert wanted(part(), tables).detection_ms == 200
    tables["PFC_WD"] = {"GLOBAL": {"POLL_INTERVAL": "400"}}
    assert wanted(part(), tables).detection_ms == 400


def test_a_watchdog_that_does_not_run() -> None:
    switch = Switch()
    typed(switch, DRIVER.steps(part(), read(switch), takeover=True).lines())
    shown = display(switch)["pfcwd show config"] or ""
    lines = [line for line in shown.splitlines(keepends=True) if PORT not in line]
    pfc = told(switch, extra={"pfcwd show config": "".join(lines)}).ports[PORT].pfc
    assert pfc == [f"{PORT}: the PFC watchdog is configured but does not run (pfcwd show config), planned running"]


def test_not_read_plans_nothing() -> None:
    found = read(Switch(), extra={RUNNING: "bash: jq: command not found"})
    assert {"where": "CONFIG_DB", "problem": "bash: jq: command not found"} in found.notes
    steps = DRIVER.steps(part(), found)
    assert steps.lines() == []
    assert steps.conflicts == ["leaf1: CONFIG_DB was not read, so nothing is planned"]
    assert DRIVER.verify(part(), found).unseen()


def test_a_port_that_is_not_there() -> None:
    plan = part()
    plan["ports"][0]["switch_port"] = "Ethernet999"
    steps = DRIVER.steps(plan, read(Switch(), plan))
    assert "Ethernet999: the switch has no such port" in steps.conflicts
    assert told(Switch(), plan).ports["Ethernet999"].trust == ["Ethernet999: the switch has no such port"]


def test_no_secret_is_even_asked_for() -> None:
    asked = DRIVER.commands(part())
    assert RUNNING in asked
    assert SAVED in asked
    secret = ("TACPLUS", "RADIUS", "BGP_NEIGHBOR", "SNMP_COMMUNITY", "SNMP_USER", "LDAP", "PASSW_HARDENING", "USER")
    assert filtered({name: {} for name in secret}) == {}
    assert set(filtered({name: {} for name in TABLES})) == set(TABLES), "and all that is needed is"
    assert max(map(len, asked)) < 200, "a command is also a file's name"
    assert DRIVER.speaks("SONiC Software Version: SONiC.1")
    assert not DRIVER.speaks("Linux leaf1 5.10")


def test_names_with_a_slash_are_escaped() -> None:
    assert pointer("PORT_QOS_MAP", "Eth1/1~2") == "/PORT_QOS_MAP/Eth1~11~02"
    assert Operation("remove", "/a").document() == {"op": "remove", "path": "/a"}


@pytest.mark.parametrize("bad", ["x'; reboot; '", "a\nb", "$(id)"])
def test_a_value_that_a_shell_would_run_is_refused(bad: str) -> None:
    tables = stock()
    tables["QUEUE"][f"{PORT}|4"]["wred_profile"] = bad
    with pytest.raises(ValueError, match="may not stand"):
        policy(changes(part(), tables, True), "npuforge-1")


@st.composite
def switches(draw: st.DrawFn) -> Switch:
    """Stock or bare, with what people may have changed."""
    switch = Switch(draw(st.sampled_from([stock, bare]))())
    tables = switch.tables
    for table, key, field, values in (
        ("DSCP_TO_TC_MAP", "AZURE", "33", ["1", "3", "4"]),
        ("DSCP_TO_TC_MAP", "AZURE", "48", ["6", "1"]),
        ("TC_TO_QUEUE_MAP", "AZURE", "4", ["4", "3"]),
        ("PORT_QOS_MAP", PORT, "pfc_enable", ["3", "4", "3,4", ""]),
        ("PORT_QOS_MAP", PORTS[1], "dscp_to_tc_map", ["[DSCP_TO_TC_MAP|AZURE]", "AZURE"]),
        ("QUEUE", f"{PORT}|4", "wred_profile", ["AZURE_LOSSLESS", "[WRED_PROFILE|AZURE_LOSSLESS]"]),
        ("PFC_WD", PORT, "action", ["drop", "alert"]),
        ("PFC_WD", "GLOBAL", "POLL_INTERVAL", ["100", "600"]),
        ("WRED_PROFILE", "AZURE_LOSSLESS", "green_max_threshold", ["614400", "9"]),
        ("CABLE_LENGTH", "AZURE", PORT, ["0m", "300m"]),
        ("DEVICE_METADATA", "localhost", "buffer_model", ["dynamic", "traditional"]),
        ("BUFFER_PG", f"{PORT}|4", "profile", ["NULL", "ingress_lossy_profile"]),
    ):
        if draw(st.booleans()):
            tables.setdefault(table, {}).setdefault(key, {})[field] = draw(st.sampled_from(values))
    switch.saved = copy.deepcopy(tables)
    return switch


def present(tables: dict[str, Any]) -> dict[str, Any]:
    return {name: rows for name, rows in tables.items() if rows}


@settings(max_examples=80, deadline=None)
@given(switch=switches(), takeover=st.booleans())
def test_lines_are_complete_and_taking_back_leaves_no_trace(switch: Switch, takeover: bool) -> None:
    original = present(copy.deepcopy(switch.tables))
    found = read(switch)
    made = policy(changes(part(), found.own.tables, takeover), "npuforge-1")
    assert typed(switch, [entry.line for entry in made.entries]) == []
    again = DRIVER.steps(part(), read(switch), takeover)
    assert again.lines() == []
    if takeover:
        # A profile that somebody put on a priority group by hand is the one thing that is not replaced blindly.
        left = [sentence for sentence in told(switch).sentences() if "buffer" not in sentence]
        assert left == []
    for entry in reversed(made.entries):
        assert typed(switch, list(entry.undo)) == []
    assert present(switch.tables) == original
    assert switch.checkpoints == {}
    assert switch.files == {}


@settings(max_examples=60, deadline=None)
@given(switch=switches(), takeover=st.booleans())
def test_the_patch_makes_what_was_planned(switch: Switch, takeover: bool) -> None:
    """Applied to the tables, as RFC 6902 says, and through the JSON that is typed."""
    made = changes(part(), switch.tables, takeover)
    document = present(copy.deepcopy(switch.tables))
    for operation in operations(made):
        patch(document, json.loads(json.dumps(operation.document())))
    for table in ("WRED_PROFILE", "PFC_WD"):
        document[table] = made.after.get(table, {})
    assert present(document) == present(made.after)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_text_gives_facts_and_only_known_lines(data: st.DataObject) -> None:
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
        assert re.match(
            r"^(?:sudo (?:sonic-db-cli CONFIG_DB hset|config (?:checkpoint|apply-patch)) |printf )", line
        ), line


def test_apply_enters_verifies_and_saves() -> None:
    switch = Switch()
    made = policy(changes(part(), read(switch).own.tables, True), "npuforge-1")
    terminal = Typed(switch)
    outcome = apply(made, terminal, lambda: told(switch).sentences())
    assert (outcome.applied, outcome.rolled_back, outcome.saved) == (True, False, True), outcome.message
    assert terminal.lines[-1] == "sudo config save -y"
    assert switch.saved == switch.tables
    assert switch.checkpoints == {}
    assert switch.files == {}
    order = [line.split()[3] for line in terminal.lines if line.startswith("sudo ")]
    assert order.index("hset") < order.index("npuforge-1"), "the WRED profile is there before queues refer to it"


def test_a_patch_that_fails_half_way_is_rolled_back() -> None:
    switch = Switch()
    switch.breaks_half_way = True
    original = copy.deepcopy(switch.tables)
    outcome = apply(policy(changes(part(), read(switch).own.tables, True), "npuforge-1"), Typed(switch))
    assert (outcome.applied, outcome.rolled_back) == (False, True), outcome.message
    assert "Failed to apply patch due to: something" in outcome.message
    assert switch.tables == original
    assert switch.saved == original
    assert switch.checkpoints == {}


def test_a_lost_connection_says_what_holds() -> None:
    switch = Switch()
    outcome = apply(policy(changes(part(), read(switch).own.tables, True), "npuforge-1"), Typed(switch, "apply-patch"))
    assert (outcome.applied, outcome.rolled_back, outcome.saved) == (False, False, False)
    assert "no prompt within 10 s" in outcome.message
    assert "hold now and are not saved" in outcome.message
    assert outcome.unclear[-1].startswith("sudo config apply-patch")
