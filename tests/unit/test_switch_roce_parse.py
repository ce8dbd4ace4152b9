"""Parsers of what Huawei CE shows about PFC, QoS, ECN and links: captures, our own screens, and damaged text."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from npuforge.switch.roce import ce_config, ce_links, ce_parse, ce_read
from npuforge.switch.roce.ce_parse import Dcb, Ecn, Pfc, Qos, Threshold
from npuforge.switch.roce.model import DropProfile

from tests.unit import switch_roce_screens as screens
from tests.unit.switch_roce_helpers import PORTS, Device, Session, part

UNSET = DropProfile(100, 100, 100, "percentage")
SIX = {queue: Ecn(0, 0, 0, False) for queue in range(1, 6)}
CAPTURES: dict[str, tuple[Callable[[str], Any], Any]] = {
    "display_dcb": (ce_parse.parse_dcb, {"25GE1/0/1": Dcb("default", True, "manual")}),
    "display_dcb_pfc": (ce_parse.parse_pfc, {"100GE1/0/1": {5: Pfc(0, 0, 0, 0)}}),
    "display_dcb_pfc_buffer_2": (
        ce_parse.parse_pfc_buffer,
        {
            "100GE1/0/1": {
                3: {
                    "guaranteed": Threshold(1600, "bytes"),
                    "xon_lowest": Threshold(640, "bytes"),
                    "xon_offset": Threshold(6, "kib"),
                    "xoff": Threshold(5, "dynamic"),
                    "hdrm": Threshold(40, "kib"),
                }
            }
        },
    ),
    "display_drop-profile": (
        ce_parse.parse_drop_profiles,
        {"default": ce_parse.Drop(UNSET, None), "dp1": ce_parse.Drop(UNSET, None)},
    ),
    "display_qos_ecn_threshold_2": (
        ce_parse.parse_ecn_threshold,
        {"100GE1/0/1": {0: Ecn(2048, 2048, 100, False), **SIX}},
    ),
    "display_qos_headroom-usage": (ce_parse.parse_headroom, {1: 0}),
    "display_qos_configuration": (
        ce_parse.parse_qos_configuration,
        {"100GE1/0/1": Qos("802.1p", "default", dict.fromkeys(range(8)))},
    ),
    "display_lldp_neighbor": (ce_links.parse_lldp, {"100GE1/0/1": [{"device": "232.167", "port": "100GE1/0/1"}]}),
}


def capture(shared: Path, name: str) -> str:
    return (shared / "fixtures" / "switch" / f"huawei_ce_{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", CAPTURES)
def test_captures(shared: Path, name: str) -> None:
    parser, expected = CAPTURES[name]
    assert parser(capture(shared, name)) == expected


def test_the_other_layout_of_buffers(shared: Path) -> None:
    third = ce_parse.parse_pfc_buffer(capture(shared, "display_dcb_pfc_buffer_3"))
    assert third is not None
    assert third["100GE1/0/1"][3]["guaranteed"] == Threshold(1632, "bytes")
    pair = """K:kilobytes   D:dynamic alpha
--------------------------------------------------
Interface      Queue            Xon           Xoff
--------------------------------------------------
100GE1/0/7         4           3(K)           4(K)
                   5           1(D)           2(D)
--------------------------------------------------
"""
    assert ce_parse.parse_pfc_buffer(pair) == {
        "100GE1/0/7": {
            4: {"xon": Threshold(3, "kib"), "xoff": Threshold(4, "kib")},
            5: {"xon": Threshold(1, "dynamic"), "xoff": Threshold(2, "dynamic")},
        }
    }
    assert Threshold(4, "kib").size == 4096
    assert Threshold(2, "dynamic").size is None


def test_captured_interfaces_in_brief(shared: Path) -> None:
    rows = ce_links.parse_interface_brief(capture(shared, "display_interface_brief"))
    assert rows is not None
    assert {name: (row.link, row.reason) for name, row in rows.items()} == {
        "100GE1/0/1": ("down", "administratively down"),
        "100GE1/0/2": ("down", "administratively down"),
        "MEth0/0/0": ("up", None),
        "NULL0": ("up", None),
    }


def test_the_captured_configuration_of_the_guide(shared: Path) -> None:
    """Remarks behind // are the guide's. DSCP 33 is left at the factory's af4."""
    text = re.sub(r"\s*//.*", "", capture(shared, "example_ai_ecn_config")).partition("\n")[2]
    tree = ce_config.views(text)
    assert ce_config.is_configuration(text)
    assert tree[("interface 100GE1/0/2",)] == ["trust dscp", "trust upstream ds1", "dcb pfc enable mode manual"]
    assert ce_read.ai_queues(tree) == [4]
    found = ce_read.read({ce_read.VERSION: screens.VERSION, ce_read.CURRENT: text}, guide_part())
    assert found.whole.headroom_pool_kib == 4096
    assert found.whole.dscp_mapping is True
    assert found.whole.domains is not None
    assert [found.whole.domains["ds1"][dscp][0] for dscp in (24, 25, 33)] == ["af4", "cs6", "af4"]
    port = found.ports["100GE1/0/1"]
    assert (port.trust, port.domain, port.pfc.enabled, port.pfc.mode) == ("dscp", "ds1", True, "manual")
    assert (port.ecn.enabled, port.ecn.kind) == (True, "ai")


def guide_part() -> dict[str, Any]:
    made = part()
    made["ports"] = [dict(made["ports"][0], switch_port="100GE1/0/1")]
    return made


def test_no_parser_takes_another_commands_answer(shared: Path) -> None:
    """Each capture is understood by the parsers of its own command only."""
    for path in sorted((shared / "fixtures" / "switch").glob("*.txt")):
        text = path.read_text(encoding="utf-8", errors="replace")
        for name, (parser, _) in CAPTURES.items():
            own = re.sub(r"_\d$", "", name)
            if f"huawei_ce_{own}" not in path.name and "lldp" not in path.name:
                assert not parser(text), (path.name, name)


def screen(command: str) -> str:
    device = Device()
    with Session(device) as session:
        session.enter("system-view")
        for line in ("dcb pfc npuforge", "priority 4", "undo priority 3", "quit"):
            session.enter(line)
        for port in PORTS:
            for line in (
                f"interface {port}",
                "trust dscp",
                "dcb pfc enable npuforge mode manual",
                "dcb pfc buffer 4 xoff dynamic 6",
                "dcb pfc buffer 4 hdrm 200 kbytes",
                "quit",
            ):
                session.enter(line)
        session.enter("commit")
        return session.run(command).text


SCREENS: dict[str, Callable[[Any], Any]] = {
    command.format(slot=1): parser for command, parser in ce_read.PARSERS.items()
} | {
    "display dcb pfc-profile": ce_parse.parse_pfc_profiles,
    "display diffserv domain": ce_parse.parse_domains,
    "display drop-profile": ce_parse.parse_drop_profiles,
    "display qos headroom-usage": ce_parse.parse_headroom,
    "display lldp neighbor brief": ce_links.parse_lldp,
}
TEXTS = {command: screen(command) for command in SCREENS}


@pytest.mark.parametrize("command", SCREENS)
def test_every_screen_is_understood(command: str) -> None:
    assert SCREENS[command](TEXTS[command])


def test_values_of_the_screens() -> None:
    assert ce_parse.parse_pfc(TEXTS["display dcb pfc"])[PORTS[1]] == {4: Pfc(17, 21, 0, 0)}  # type: ignore[index] # seen above
    assert ce_parse.parse_queue_statistics(TEXTS["display qos queue statistics slot 1"])[PORTS[0]][4] == 3  # type: ignore[index] # as above
    profiles = ce_parse.parse_pfc_profiles(TEXTS["display dcb pfc-profile"])
    assert profiles == (2, {"default": [3], "npuforge": [4]})
    port = ce_links.parse_interfaces(TEXTS["display interface"])[PORTS[0]]  # type: ignore[index] # as above
    assert (port.link, port.speed_mbps, port.max_frame_bytes, port.crc_errors) == ("up", 200000, 9216, 0)
    assert (port.input_discards, port.output_discards, port.flow_control) == (2, 1, False)
    optic = ce_links.parse_transceivers(TEXTS["display interface transceiver verbose"])[PORTS[0]]  # type: ignore[index] # as above
    assert optic["rx_power_dbm"] == [-2.0, -1.9, -2.55, -2.71]
    assert (optic["rx_power_low_dbm"], optic["tx_power_high_dbm"]) == ([-8.4], [5.0])
    assert ce_links.parse_lldp(TEXTS["display lldp neighbor brief"])[PORTS[2]] == [{"device": "node2", "port": "NPU1"}]  # type: ignore[index] # as above


def flat(value: Any, path: tuple[Any, ...] = ()) -> dict[tuple[Any, ...], Any]:
    """Every leaf of a result by the keys that lead to it; a list is a leaf."""
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, dict):
        return {key: leaf for name, inner in value.items() for key, leaf in flat(inner, (*path, name)).items()}
    return {path: value}


def no_wrong_number(command: str, text: str) -> None:
    """What is read from a damaged screen is what stands on the whole one, or nothing."""
    whole = flat(SCREENS[command](TEXTS[command]))
    for path, value in flat(SCREENS[command](text)).items():
        if isinstance(value, int | float | list) and value not in ([], {}) and not isinstance(value, bool):
            expected = whole.get(path)
            if isinstance(value, list) and isinstance(expected, list):
                expected = expected[: len(value)]  # lanes that were cut off are missing, not wrong
            assert value == expected, (command, path)


LOGS = (
    "Nov 24 2026 06:04:05+00:00 sw1 %%01IFNET/2/linkDown_active(l):CID=0x807a0405;The interface status changes.",
    "<sw1>",
    "Info: The max number of VTY users is 5.",
)


@settings(max_examples=300)
@given(st.sampled_from(sorted(SCREENS)), st.randoms(use_true_random=False))
def test_cut_and_interleaved_screens_give_no_wrong_number(command: str, dice: random.Random) -> None:
    text = TEXTS[command]
    lines = text.split("\n")
    lines.insert(dice.randrange(len(lines) + 1), dice.choice(LOGS))
    no_wrong_number(command, "\n".join(lines))
    # A session's answer ends at a prompt; a text that was cut ends with a line that was not.
    no_wrong_number(command, "\n".join(text.split("\n")[: dice.randrange(len(lines))]))
    gone = text.split("\n")
    del gone[dice.randrange(len(gone))]
    SCREENS[command]("\n".join(gone))


@settings(max_examples=300)
@given(st.sampled_from(sorted(SCREENS)), st.randoms(use_true_random=False))
def test_closed_tables_cut_anywhere_give_no_wrong_number(command: str, dice: random.Random) -> None:
    if command in ("display interface", "display lldp neighbor brief", "display interface transceiver verbose"):
        return  # not tables with a rule below: a session never ends inside a line of theirs
    no_wrong_number(command, TEXTS[command][: dice.randrange(len(TEXTS[command]))])


@settings(max_examples=500)
@given(st.sampled_from(sorted(SCREENS)), st.text(max_size=300), st.randoms(use_true_random=False))
def test_no_parser_raises(command: str, noise: str, dice: random.Random) -> None:
    text = TEXTS[command]
    start, length = dice.randrange(len(text)), dice.randrange(40)
    SCREENS[command](text[:start] + noise + text[start + length :])
    SCREENS[command](noise)
    ce_links.parse_trial(noise)
    ce_links.parse_locks(noise)
    ce_links.parse_exclusive(noise)
    ce_config.views(noise)
    ce_config.differences(noise, text)


def test_four_mebibytes_of_garbage() -> None:
    garbage = (bytes(range(256)) * 16384).decode("latin-1")
    for parser in SCREENS.values():
        assert not parser(garbage)
    assert not ce_config.is_configuration(garbage)


@settings(max_examples=300)
@given(st.randoms(use_true_random=False))
def test_any_mixture_of_answers_is_a_finding_with_notes(dice: random.Random) -> None:
    """Answers swapped, cut and missing: typed facts, never an exception."""
    commands = [*ce_read.commands(part()), *SCREENS]
    answers = [screens.VERSION, Device().text(Device().running), *TEXTS.values(), "", screens.UNKNOWN, None]
    texts = {command: dice.choice(answers) for command in commands}
    texts[ce_read.VERSION] = screens.VERSION
    found = ce_read.read(texts, part())
    assert set(found.ports) == set(PORTS)
    found.document()
