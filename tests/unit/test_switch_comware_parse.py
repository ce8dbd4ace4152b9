"""Comware's displays: the documented layouts, device captures with ntc-templates as a second reader, and garbage."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import switch_comware_helpers as sample
from hypothesis import given, settings
from hypothesis import strategies as st
from npuforge.switch.roce import comware_links as links
from npuforge.switch.roce import comware_parse as read
from npuforge.switch.roce.comware_names import canonical, is_port

ROOT = Path(__file__).resolve().parents[2]
CAPTURES = Path(os.environ.get("NPUFORGE_SHARED", ROOT.parent / "shared")) / "fixtures" / "switch"

NEW = """Interface                        AdminMode  OperMode  Dot1pList   Prio  Recv       Send       Inpps      Outpps
---------------------------------------------------------------------------------------------------
HGE1/0/1                         Enabled    Enabled               0     5          5          3          3
200GE1/0/4:1                     Enabled    Enabled   3,4         3     0          0          0          0
                                                                  4     18         7          0          0
400GE1/0/9                       Auto       Disabled              0     0          0          0          0
"""
OLD = """Conf -- Configured mode   Ne -- Negotiated mode   P -- Priority
Interface        Conf  Ne    Dot1pList   P   Recv       Send       Inpps      Outpps
HGE1/0/1         On    On    4           4   12         34         5          6
XGE1/0/2         Off   Off               0   0          0          0          0
"""


def capture(name: str) -> str:
    path = CAPTURES / name
    if not path.is_file():
        pytest.skip("shared fixtures are not beside this checkout")
    return path.read_text(encoding="utf-8")


def test_names_long_and_short_are_one() -> None:
    assert canonical("HGE1/0/1") == canonical("hundredgige 1/0/1") == "HundredGigE1/0/1"
    assert canonical("200GE1/0/4:1") == "TwoHundredGigE1/0/4:1"
    assert canonical("XGE1/0/1") == "Ten-GigabitEthernet1/0/1"
    assert canonical("Vlan-interface2000") == "Vlan-interface2000"
    assert is_port("GigabitEthernet1/1/0/31")
    assert not is_port("1/0/1")


def test_pfc_of_r913x_tells_a_blank_list_by_its_place() -> None:
    rows = read.parse_pfc(NEW)
    assert rows is not None
    assert rows["HundredGigE1/0/1"] == read.PfcRow("enabled", True, [], {0: 5}, {0: 5})
    assert rows["TwoHundredGigE1/0/4:1"] == read.PfcRow("enabled", True, [3, 4], {3: 0, 4: 18}, {3: 0, 4: 7})
    assert rows["FourHundredGigE1/0/9"].mode == "auto"
    assert rows["FourHundredGigE1/0/9"].active is False


def test_pfc_of_older_releases() -> None:
    rows = read.parse_pfc(OLD)
    assert rows is not None
    assert rows["HundredGigE1/0/1"] == read.PfcRow("enabled", True, [4], {4: 12}, {4: 34})
    assert rows["Ten-GigabitEthernet1/0/2"] == read.PfcRow("disabled", False, [], {0: 0}, {0: 0})


def test_pfc_broken_at_80_columns() -> None:
    text = NEW.replace("   Send       Inpps      Outpps", "\n   Send       Inpps      Outpps").replace(
        "4     18         7          0          0", "4     18\n   7          0          0"
    )
    assert read.parse_pfc(text) == read.parse_pfc(NEW)


def test_pfc_row_that_is_cut_shows_no_numbers() -> None:
    cut = NEW.replace("18         7          0          0", "18         7")
    rows = read.parse_pfc(cut)
    assert rows is not None
    assert rows["TwoHundredGigE1/0/4:1"].priorities is None
    assert rows["TwoHundredGigE1/0/4:1"].received == {}


@pytest.mark.parametrize(
    ("text", "expected"), [("3", [3]), ("3,4", [3, 4]), ("1,3-5", [1, 3, 4, 5]), ("-", []), ("8", None), ("5-3", None)]
)
def test_list_of_priorities(text: str, expected: list[int] | None) -> None:
    assert read.priorities(text) == expected


def test_map_is_read_only_under_its_own_name() -> None:
    heading = "MAP-TABLE NAME: {}   TYPE: pre-define\n"
    text = heading.format("dot1p-lp") + "0 : 2\n" + heading.format("dscp-lp") + " 33    :    4\n"
    assert read.parse_map(text, "dscp-lp") == {33: 4}
    assert read.parse_map(text, "dscp-dot1p") is None
    assert read.parse_map(sample.REFUSED, "dscp-lp") is None


def test_wred_of_a_port_and_of_a_table() -> None:
    text = (
        "Interface: 200GE1/0/4:1\n Current WRED configuration:\n"
        "QID   gmin  gmax  gprob  ymin  ymax  yprob  rmin  rmax  rprob  exponent  ECN\n"
        "----------------------------------------------------------------------------\n"
        "4     800   2400  5      800   2400  5      800   2400  5      0         Y\n"
        "5     100   1000  10     100   1000\n"
        "Interface: HGE1/0/1\n Current WRED configuration:\n Applied WRED table name: q1\n"
    )
    rows = read.parse_wred(text)
    assert rows is not None
    assert rows["TwoHundredGigE1/0/4:1"].queues == {4: read.WredRow(dict.fromkeys(range(3), (800, 2400, 5)), 0, True)}
    assert rows["HundredGigE1/0/1"].table == "q1"


def test_packet_drop_counts_only_what_buffers_lost() -> None:
    assert read.parse_packet_drop(sample.PACKET_DROP) == {"TwoHundredGigE1/0/1:1": 0, "TwoHundredGigE1/0/1:2": 301}
    assert read.parse_packet_drop("nothing of it") is None


def test_version_of_another_make_is_none() -> None:
    assert read.parse_version(sample.VERSION) == {"version": "7.1.070, 6710", "model": "H3C S9825-64D"}
    assert read.parse_version("Huawei Versatile Routing Platform Software") is None


def test_unsaved_lines() -> None:
    text = "--- Startup configuration\n+++ Current configuration\n@@ -3,4 +3,5 @@\n interface X\n"
    text += "+ qos trust dscp\n- shutdown\n"
    assert read.parse_unsaved(text) == ["+ qos trust dscp", "- shutdown"]
    assert read.parse_unsaved("") == []
    assert read.parse_unsaved("<leaf1>\n") == []
    assert read.parse_unsaved(sample.REFUSED) is None
    assert read.parse_unsaved(None) is None
    assert read.parse_unsaved("what is this") is None


def test_complaints_are_seen_and_answers_are_not() -> None:
    assert read.refused(sample.REFUSED) == "% Unrecognized command found at '^' position."
    assert read.refused(" % Incomplete command found at '^' position.") is not None
    assert read.refused("Not enough hardware resources.") is not None
    assert read.refused("") is None
    assert read.refused(NEW) is None


def test_transceivers_by_lane_with_their_limits() -> None:
    optics = links.parse_transceivers(sample.TRANSCEIVERS)
    assert optics == {
        "TwoHundredGigE1/0/1:1": {
            "present": True,
            "alarms": [],
            "temperature_celsius": 37.0,
            "rx_power_dbm": [0.70, 0.61],
            "tx_power_dbm": [-0.90, -0.88],
            "rx_power_high_dbm": [4.0],
            "rx_power_low_dbm": [-10.9],
            "tx_power_high_dbm": [4.0],
            "tx_power_low_dbm": [-8.3],
        },
        "TwoHundredGigE1/0/1:2": {"present": False, "alarms": []},
    }


def test_lldp_hears_only_the_nearest_bridge() -> None:
    text = (
        "LLDP neighbor-information of port 1[HundredGigE1/0/1]:\n"
        "LLDP agent nearest-customer:\n LLDP neighbor index : 1\n Chassis ID          : 0001\n"
        " Port ID             : far\n System name         : beyond\n"
        "LLDP agent nearest-bridge:\n LLDP neighbor index : 1\n Chassis ID          : 0002\n"
        " Port ID             : NPU3\n System name         : node2\n"
        " System description  : says\n                       Port ID : nonsense\n"
    )
    assert links.parse_lldp(text) == {"HundredGigE1/0/1": [{"device": "node2", "port": "NPU3"}]}


INTERFACES = sorted(CAPTURES.glob("ntc_hp_comware_display_interface*.txt")) if CAPTURES.is_dir() else []


@pytest.mark.parametrize("name", [path.name for path in INTERFACES if "brief" not in path.name] or ["absent.txt"])
def test_interfaces_as_ntc_templates_read_them(name: str) -> None:
    from ntc_templates.parse import parse_output

    text = capture(name)
    text = text[text.index("\n") + 1 :]
    found = links.parse_interfaces(text)
    assert found is not None
    rows = parse_output("hp_comware", "display interface", text)
    # The template takes the line "Output:" of a router's asynchronous line for an interface.
    rows = [row for row in rows if row["interface"] != "Output:"]
    names = {canonical(row["interface"]) for row in rows}
    assert names == set(found) or "0615P16" in name
    for row in rows:
        mine = found[canonical(row["interface"])]
        assert mine.link == ("up" if row["line_status"] == "UP" else "down"), row["interface"]
        speed = re.match(r"^(\d+)(G|M)b", row["speed"])
        assert mine.speed_mbps == (int(speed.group(1)) * (1000 if speed.group(2) == "G" else 1) if speed else None), (
            row["interface"]
        )
        if row["l2mtu"]:
            assert mine.max_frame_bytes == int(row["l2mtu"])


def test_neighbours_as_ntc_templates_read_them() -> None:
    from ntc_templates.parse import parse_output

    text = capture("ntc_hp_comware_display_lldp_neighbor-information_list.txt")
    found = links.parse_lldp_list(text[text.index("\n") + 1 :])
    rows = parse_output("hp_comware", "display lldp neighbor-information list", text[text.index("\n") + 1 :])
    assert found is not None
    assert len(found) == len(rows) == 4
    assert found["Ten-GigabitEthernet1/0/1"] == [{"device": "SW-TEST-001", "port": "Ten-GigabitEthernet1/0/30"}]
    for row in rows:
        assert found[canonical(row["local_interface"])][0]["port"] == row["neighbor_interface"]


def test_verbose_neighbours_as_ntc_templates_read_them() -> None:
    from ntc_templates.parse import parse_output

    text = capture("ntc_hp_comware_display_lldp_neighbor-information_verbose.txt")
    found = links.parse_lldp(text[text.index("\n") + 1 :])
    rows = parse_output("hp_comware", "display lldp neighbor-information verbose", text[text.index("\n") + 1 :])
    assert found is not None
    for row in rows:
        mine = found[canonical(row["local_interface"])]
        assert row["neighbor_interface"] in [each["port"] for each in mine]
        assert row["neighbor_name"] in [each["device"] for each in mine]


PARSERS = {
    "pfc": read.parse_pfc,
    "map": lambda text: read.parse_map(text, "dscp-lp"),
    "wred": read.parse_wred,
    "drop": read.parse_packet_drop,
    "version": read.parse_version,
    "unsaved": read.parse_unsaved,
    "interfaces": links.parse_interfaces,
    "lldp": links.parse_lldp,
    "list": links.parse_lldp_list,
    "optics": links.parse_transceivers,
}
TEXTS = [NEW, OLD, *[text for text in sample.display(sample.Switch()).values() if text], sample.PACKET_DROP]


@settings(max_examples=60, deadline=None)
@given(data=st.data(), name=st.sampled_from(sorted(PARSERS)))
def test_parsers_take_any_text(data: st.DataObject, name: str) -> None:
    """Truncated, interleaved and mutated outputs, and any characters: a result or None, never an exception."""
    one, two = data.draw(st.sampled_from(TEXTS)), data.draw(st.sampled_from(TEXTS))
    cut = data.draw(st.integers(0, len(one)))
    noise = data.draw(st.text(max_size=40))
    text = data.draw(st.sampled_from([one[:cut], one[:cut] + noise + one[cut:], one[:cut] + two, noise, one[cut:]]))
    PARSERS[name](text)
    PARSERS[name](None)


@settings(max_examples=80, deadline=None)
@given(cut=st.integers(0, len(NEW)))
def test_a_cut_pfc_table_shows_no_other_number(cut: int) -> None:
    """What a cut table shows is what the whole one shows, or nothing."""
    whole, part = read.parse_pfc(NEW), read.parse_pfc(NEW[:cut])
    assert whole is not None
    for port, row in (part or {}).items():
        if row.priorities is None and not row.received:
            continue
        assert row.priorities == whole[port].priorities
        for priority, count in row.received.items():
            assert whole[port].received[priority] == count
        for priority, count in row.sent.items():
            assert whole[port].sent[priority] == count


def test_garbage_of_four_mebibytes_is_bounded() -> None:
    garbage = ("Interface: HGE1/0/1 4 : 4 " * 10 + "\n") * 16000
    for parser in PARSERS.values():
        parser(garbage)
