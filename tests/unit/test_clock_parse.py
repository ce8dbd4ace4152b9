"""What chronyc prints: CSV and tables of chrony 4.3 as printed by it, and anything else, mutated and cut off."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from npuforge.clock import chronyc_parse as parse

TRACKING = "0A4D0001,10.77.0.1,3,1795528139.238683186,-89.999977112,89.9,89.9,-0.671,-0.574,5.5,0.1,0.1,2.0,Normal\n"
TABLE = """\
Reference ID    : 0A4D0001 (10.77.0.1)
Stratum         : 3
Ref time (UTC)  : Tue Nov 24 13:43:54 2026
System time     : 89.999977112 seconds fast of NTP time
Last offset     : +0.000008618 seconds
RMS offset      : 0.000008618 seconds
Frequency       : 0.177 ppm slow
Residual freq   : -0.000 ppm
Skew            : 320.838 ppm
Root delay      : 0.000128902 seconds
Root dispersion : 0.001510027 seconds
Update interval : 2.0 seconds
Leap status     : Normal
"""
SOURCES = "^,*,10.77.0.1,2,6,377,4,0.000024320,0.000032938,0.000073133\n^,?,10.77.0.2,0,6,0,4294967295,0,0,0\n"
SOURCES_TABLE = """\
210 Number of sources = 2
MS Name/IP address         Stratum Poll Reach LastRx Last sample
===============================================================================
^* 10.77.0.1                     2   6   377     4    +24us[  +33us] +/-   73us
^? 10.77.0.2                     0   6     0     -     +0ns[   +0ns] +/-    0ns
^x ntp3.hospital.example         3  10   357   34m  -1205ms[-1205ms] +/-   12ms
"""
NTPDATA_CSV = (
    "10.77.0.1,0A4D0001,123,10.77.0.12,0A4D000C,Not synchronised,4,Server,0,6,64,-26,0.0,0.0,0.0,7F7F0101,,1.0,-0.1,"
    "0.1,0.1,0.1,0.00,111,111,1110,No,No,Kernel,Kernel,4,4,4,0\n"
)
NTPDATA_TABLE = """\

Remote address  : 10.77.0.1 (0A4D0001)
Remote port     : 123
Leap status     : Not synchronised
Stratum         : 0

Remote address  : 10.77.0.2 (0A4D0002)
Leap status     : Normal
"""


@pytest.mark.parametrize("text", [TRACKING, TABLE, "warning: x\n" + TRACKING, TABLE.replace("\n", "\r\n")])
def test_tracking_is_read_from_csv_and_table(text: str) -> None:
    found = parse.tracking(text)
    assert found == parse.Tracking("0A4D0001", "10.77.0.1", 3, 89.999977112, "normal")
    assert found is not None and not found.local


def test_a_clock_that_is_behind_has_a_negative_lead() -> None:
    slow = parse.tracking(TABLE.replace("fast", "slow"))
    csv = parse.tracking(TRACKING.replace("-89.9999", "89.9999"))
    assert slow is not None and csv is not None
    assert slow.ahead_seconds == csv.ahead_seconds == pytest.approx(-89.999977112)


@pytest.mark.parametrize("text", ["", "506 Cannot talk to daemon\n", TABLE[:-25], TRACKING[:60], "garbage,\n" * 9])
def test_no_tracking_is_no_tracking(text: str) -> None:
    assert parse.tracking(text) is None


def test_a_server_without_any_clock_of_its_own_is_local() -> None:
    found = parse.tracking("7F7F0101,,10,1.0,0.0,0,0,0,0,0,0,0,0.0,Normal\n")
    assert found is not None and found.local and found.name is None and found.stratum == 10


def test_sources_are_read_from_csv_and_table() -> None:
    csv, table = parse.sources(SOURCES), parse.sources(SOURCES_TABLE)
    assert [each[:7] for each in csv] == [each[:7] for each in table[:2]]
    assert csv[0].ahead_seconds == pytest.approx(2.432e-5) and table[0].ahead_seconds == pytest.approx(2.4e-5)
    assert csv[1].last_seconds is None and csv[1].ahead_seconds is None and csv[1].reach == 0
    last = table[2]
    assert (last.state, last.poll, last.reach, last.last_seconds) == ("falseticker", 10, 0o357, 2040)
    assert last.ahead_seconds == pytest.approx(-1.205) and last.error_seconds == pytest.approx(0.012)


@pytest.mark.parametrize("text", [NTPDATA_CSV, NTPDATA_TABLE])
def test_servers_that_have_no_time_are_named(text: str) -> None:
    assert parse.unsynchronised_servers(text) == ["10.77.0.1"]
    assert parse.unsynchronised_servers(text.replace("Not synchronised", "Normal")) == []


SAMPLES = (TRACKING, TABLE, SOURCES, SOURCES_TABLE, NTPDATA_CSV, NTPDATA_TABLE)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(SAMPLES), max_size=4), st.data())
def test_no_text_is_too_odd(parts: list[str], data: st.DataObject) -> None:
    text = "".join(parts)
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + data.draw(st.text(max_size=8)) + text[at + data.draw(st.integers(0, 30)) :]
    found = parse.tracking(text)
    assert found is None or (len(found.reference_id) == 8 and found.leap in parse.LEAPS.values())
    for source in parse.sources(text):
        assert source.state in parse.STATES.values() and source.reach is not None and 0 <= source.reach <= 511
    assert all(isinstance(each, str) for each in parse.unsynchronised_servers(text))


@pytest.mark.parametrize("text", ["x" * (4 << 20), ",\n" * (2 << 20), "^* a " + " " * (4 << 20), "9" * (4 << 20)])
def test_four_mebibytes_of_anything_are_read_in_time(text: str) -> None:
    assert parse.tracking(text) is None and parse.sources(text) == [] and parse.unsynchronised_servers(text) == []
