"""SONiC's show commands: golden outputs, our own, and garbage."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import switch_sonic_helpers as sample
from hypothesis import given, settings
from hypothesis import strategies as st
from npuforge.switch.roce import sonic_config as config
from npuforge.switch.roce import sonic_parse as read
from npuforge.switch.roce.sonic_table import number, tables

ROOT = Path(__file__).resolve().parents[2]
CAPTURES = Path(os.environ.get("NPUFORGE_SHARED", ROOT.parent / "shared")) / "fixtures" / "switch"


def capture(name: str) -> str:
    path = CAPTURES / name
    if not path.is_file():
        pytest.skip("shared fixtures are not beside this checkout")
    text = path.read_text(encoding="utf-8")
    return text[text.index("\n") + 1 :] if text.startswith("#") else text


def test_pfc_counters_have_commas_and_two_sides() -> None:
    found = read.parse_pfc_counters(capture("sonic_show_pfc_counters_all_na.txt"))
    assert found is not None
    assert len(found) == 6
    assert found["Ethernet0"].received == {0: 1200, 1: 201, 2: 202, 3: 203, 4: 204, 5: 205, 6: 206, 7: 207}
    assert found["Ethernet-BP4"].sent[4] == 814


def test_what_is_not_available_is_not_there() -> None:
    text = capture("sonic_show_pfc_counters_all_na.txt")
    text = text.replace("   1,900     901     902     903     904     905     906     907", "     N/A" * 8)
    found = read.parse_pfc_counters(text)
    assert found is not None
    assert found["Ethernet-BP256"].received == {}
    assert found["Ethernet-BP260"].received[4] == 104


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sonic_show_pfc_priority_pfc_show_priority_all.txt", {"Ethernet0": [3, 4], "Ethernet4": [3, 4]}),
        ("sonic_show_pfc_priority_pfc_show_priority_intf.txt", {"Ethernet0": [3, 4]}),
        ("sonic_show_pfc_priority_pfc_config_priority_on.txt", {"Ethernet0": [3, 4, 5]}),
    ],
)
def test_lossless_priorities(name: str, expected: dict[str, list[int]]) -> None:
    assert read.parse_pfc_priority(capture(name)) == expected


def test_storms() -> None:
    found = read.parse_watchdog_stats(capture("sonic_pfcwd_show_stats_output.txt"))
    assert found == {
        "Ethernet0": {3: read.Storm(True, 1, 0)},
        "Ethernet4": {3: read.Storm(False, 2, 2)},
        "Ethernet8": {4: read.Storm(True, 3, 2)},
    }


def test_headroom_by_group() -> None:
    found = read.parse_groups(capture("sonic_show_pg_wm_hdrm_output.txt"))
    assert found is not None
    assert found["Ethernet4"] == {group: 400 + group for group in range(8)}


def test_stock_sonic_loses_ascend_traffic() -> None:
    """The capture is a real configuration's QoS: 33 has no class of its own."""
    running = config.read(capture("sonic_config_qos.json"))
    assert running is not None
    assert running["DSCP_TO_TC_MAP"]["AZURE"]["33"] == "1"
    for dscp, value in running["DSCP_TO_TC_MAP"]["AZURE"].items():
        assert config.stock("DSCP_TO_TC_MAP", "AZURE", dscp) == value
    for table in ("TC_TO_PRIORITY_GROUP_MAP", "TC_TO_QUEUE_MAP", "MAP_PFC_PRIORITY_TO_QUEUE"):
        for field, value in running[table]["AZURE"].items():
            assert config.stock(table, "AZURE", field) == value
    for field in ("green_min_threshold", "green_max_threshold", "green_drop_probability"):
        stock = running["WRED_PROFILE"]["AZURE_LOSSLESS"][field]
        assert config.stock("WRED_PROFILE", "AZURE_LOSSLESS", field) == stock


def test_own_outputs_are_read() -> None:
    switch = sample.Switch()
    switch.tables["PFC_WD"] = {
        "Ethernet0": {"action": "drop", "detection_time": "200", "restoration_time": "400"},
        "GLOBAL": {"POLL_INTERVAL": "200"},
    }
    texts = sample.display(switch)
    assert read.parse_watchdog_config(texts["pfcwd show config"]) == {"Ethernet0": read.Watchdog("drop", 200, 400)}
    assert read.parse_pfc_asymmetric(texts["show pfc asymmetric"]) == dict.fromkeys(switch.tables["PORT"], False)
    queues = read.parse_queue_drops(texts["show queue counters"])
    assert queues is not None
    assert queues["Ethernet4"] == {queue: queue for queue in range(8)}
    interfaces = read.parse_interfaces(texts["show interfaces status"])
    assert interfaces is not None
    assert interfaces["Ethernet0"] == read.Interface("up", None, 200000, 9100, "rs", False)
    assert read.parse_receive_errors(texts["show interfaces counters"]) == dict.fromkeys(switch.tables["PORT"], 2)
    lldp = read.parse_lldp(texts["show lldp table"])
    assert lldp is not None
    assert lldp["Ethernet4"] == [{"device": "node1", "port": "NPU2"}]
    assert set(lldp) == set(switch.tables["PORT"])
    assert read.parse_ecn(texts["show ecn"]) == {"AZURE_LOSSLESS": {"ecn": "ecn_all"}}
    assert read.parse_version(texts["show version"]) == {"version": "SONiC.202311.100", "model": "Accton-AS9716-32D"}


def test_columns_may_hold_blanks_and_be_missing() -> None:
    text = (
        "      Interface    Speed    MTU    FEC      Alias    Oper    Admin               Type    Asym PFC\n"
        "---------------  -------  -----  -----  ---------  ------  -------  -----------------  ----------\n"
        "      Ethernet0      25G   9100     rs  Ethernet0    down     down    QSFP28 or later         off\n"
        "     Ethernet28    1000M   9100    N/A       etp8      up       up               RJ45         off\n"
        "PortChannel1001      40G   9100    N/A        N/A     N/A      N/A                N/A         N/A\n"
    )
    found = read.parse_interfaces(text)
    assert found is not None
    assert found["Ethernet0"] == read.Interface("down", "administratively down", 25000, 9100, "rs", False)
    assert found["Ethernet28"].speed_mbps == 1000
    assert found["PortChannel1001"].link is None


def test_a_mac_address_is_no_port_name() -> None:
    text = (
        "LocalPort    RemoteDevice    RemotePortID       Capability    RemotePortDescr\n"
        "-----------  --------------  -----------------  ------------  -----------------\n"
        "Ethernet0    node1           0c:42:a1:88:0a:1c  O             enp1s0f0\n"
        "Ethernet4    node1           0c:42:a1:88:0a:1d  O\n"
        "--------------------------------------------------\n"
        "Total entries displayed:  2\n"
    )
    assert read.parse_lldp(text) == {
        "Ethernet0": [{"device": "node1", "port": "enp1s0f0"}],
        "Ethernet4": [{"device": "node1", "port": "0c:42:a1:88:0a:1d"}],
    }


def test_optics() -> None:
    assert read.parse_transceivers(sample.DOM) == {
        "Ethernet0": {
            "present": True,
            "alarms": [],
            "transceiver": "QSFP28 or later",
            "vendor": "Testoptics",
            "serial": "TEST0001",
            "rx_power_dbm": [0.3802, -0.4871],
            "tx_power_dbm": [1.175],
            "rx_power_high_dbm": [3.4001],
            "rx_power_low_dbm": [-13.5067],
            "temperature_celsius": 30.9258,
        },
        "Ethernet4": {"present": False, "alarms": []},
    }


def test_complaints() -> None:
    assert read.refused("bash: pfcwd: command not found") == "bash: pfcwd: command not found"
    assert read.refused("Root privileges are required for this operation") is not None
    assert read.refused(sample.VERSION) is None


@pytest.mark.parametrize(
    ("cell", "expected"), [("1,200", 1200), ("N/A", None), ("12", 12), ("1,20", None), ("-1", None)]
)
def test_number(cell: str, expected: int | None) -> None:
    assert number(cell) == expected


def test_references_of_older_releases() -> None:
    assert config.name_of("[DSCP_TO_TC_MAP|AZURE]") == config.name_of("AZURE") == "AZURE"
    assert config.name_of("[BUFFER_PROFILE_TABLE:pg_lossless_100000_5m_profile]") == "pg_lossless_100000_5m_profile"
    assert config.covers("Ethernet0,Ethernet4|3-4", "Ethernet4", 4)
    assert not config.covers("Ethernet0|3-4", "Ethernet0", 5)
    assert not config.covers("Ethernet0|x", "Ethernet0", 5)


PARSERS = {
    "counters": read.parse_pfc_counters,
    "priority": read.parse_pfc_priority,
    "asymmetric": read.parse_pfc_asymmetric,
    "watchdog": read.parse_watchdog_config,
    "storms": read.parse_watchdog_stats,
    "ecn": read.parse_ecn,
    "queues": read.parse_queue_drops,
    "groups": read.parse_groups,
    "interfaces": read.parse_interfaces,
    "errors": read.parse_receive_errors,
    "lldp": read.parse_lldp,
    "optics": read.parse_transceivers,
    "version": read.parse_version,
    "config": config.read,
    "applied": config.read_applied,
}
TEXTS = [text for text in sample.display(sample.Switch()).values() if text]


@settings(max_examples=80, deadline=None)
@given(data=st.data(), name=st.sampled_from(sorted(PARSERS)))
def test_parsers_take_any_text(data: st.DataObject, name: str) -> None:
    one, two = data.draw(st.sampled_from(TEXTS)), data.draw(st.sampled_from(TEXTS))
    cut = data.draw(st.integers(0, len(one)))
    noise = data.draw(st.text(max_size=40))
    PARSERS[name](
        data.draw(st.sampled_from([one[:cut], one[:cut] + noise + one[cut:], one[:cut] + two, noise, one[cut:]]))
    )
    PARSERS[name](None)


COUNTED = {
    "show pfc counters": lambda text: {
        (port, way, n): count
        for port, row in (read.parse_pfc_counters(text) or {}).items()
        for way, side in (("rx", row.received), ("tx", row.sent))
        for n, count in side.items()
    },
    "show priority-group drop counters": lambda text: {
        (port, n): count for port, row in (read.parse_groups(text) or {}).items() for n, count in row.items()
    },
    "show queue counters": lambda text: {
        (port, n): count for port, row in (read.parse_queue_drops(text) or {}).items() for n, count in row.items()
    },
    "show interfaces counters": lambda text: read.parse_receive_errors(text) or {},
}


@settings(max_examples=120, deadline=None)
@given(data=st.data(), command=st.sampled_from(sorted(COUNTED)))
def test_a_cut_table_shows_no_other_number(data: st.DataObject, command: str) -> None:
    text = sample.display(sample.Switch())[command] or ""
    whole = COUNTED[command](text)
    part = COUNTED[command](text[: data.draw(st.integers(0, len(text)))])
    assert all(whole[key] == count for key, count in part.items())


def test_a_row_out_of_its_columns_is_skipped() -> None:
    text = "     Port    PG0    PG7\n---------  -----  -----\nEthernet10      12     7\nEthernet4      1      2\n"
    assert tables(text, "Port", "PG0") == [{"Port": "Ethernet4", "PG0": "1", "PG7": "2"}]
    assert tables(text, "Port", "PG9") is None


def test_garbage_of_four_mebibytes_is_bounded() -> None:
    for garbage in ("Port    PG0    PG7\n------  -----  -----\n" * 90000, "{" * 4_000_000, "Ethernet0 1,2 " * 300000):
        for parser in PARSERS.values():
            parser(garbage)
