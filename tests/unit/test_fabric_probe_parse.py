"""Parsers of the tests: captures and own samples to their values; damaged text to no number, never to a wrong one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from npuforge.fabric import collective_parse, counters, idle, perftest_parse, probe, roce_parse

PING = """device 3 PING 10.88.0.11
recv seq=0,time=1.418000ms
recv seq=1,time=0.034000ms
recv seq=2,time=0.040000ms
3 packets transmitted, 3 received, 0.00% packet loss
"""
LOST = """device 3 PING 10.88.0.11
recv time out seq=0
recv seq=1,time=0.097000ms
recv seq=2,time=0.066000ms
3 packets transmitted, 2 received, 33.33% packet loss
"""
TABLE = """ #bytes       #iterations        BW peak[MB/sec]            BW average[MB/sec]          MsgRate[Mpps]
 2097152      1000               {peak}               23365.53                   0.011683
"""
REPORT = (
    """Dsmi get perftest status end. (status=1)
Dsmi start roce perftest end. (out=1)
roce_report:
                    Send BW Test
 local address: LID 0000 QPN 0x004a PSN 0xe03644
 GID: 00:00:00:00:00:00:00:00:00:00:255:255:10:88:0:1
 remote address: LID 0000 QPN 0x0012 PSN 0x5785c2
 GID: 00:00:00:00:00:00:00:00:00:00:255:255:10:88:0:11
"""
    + TABLE
)
STAT = "packet statistics:\nmac_tx_pfc_pkt_num:12\nroce_new_pkt_rty_num:1234\nnic_tx_all_pkg_num:5\n"
COLLECTIVE = """data_size(Bytes): | aveg_time(us): | alg_bandwidth(GB/s): | check_result:
33554432          | 1714.85        | 19.56698             | success
67108864          | 2630.20        | 25.51474             | success
"""
RATE = 23365.53 * (1 << 20)


def test_our_samples() -> None:
    assert probe.parse(PING, "10.88.0.11") == probe.Ping(3, 3, None)
    assert probe.parse(LOST, "10.88.0.11").passed is False
    report = roce_parse.report(REPORT.format(peak="23370.21"))
    assert report.state == "done" and report.bytes_per_second == pytest.approx(RATE)
    assert (report.local_address, report.remote_address) == ("10.88.0.1", "10.88.0.11")
    assert report.row is not None and report.row.seconds == pytest.approx(0.0856, rel=1e-2)
    assert counters.parse(STAT) == {"mac_tx_pfc_pkt_num": 12, "roce_new_pkt_rty_num": 1234}
    rows = collective_parse.parse(COLLECTIVE).rows
    assert [row.gbytes_per_s for row in rows] == pytest.approx([19.567, 25.51474], rel=1e-4)


@pytest.mark.parametrize(
    ("text", "passed", "why"),
    [
        ("device 3 PING 10.88.0.11\nMessage too long\n", False, "longer than the port's MTU"),
        ("recv time out seq=0\nrecv time out seq=1\n", False, "no answer"),
        ("Destination Host Unreachable\nCommand execute failed!\n", False, "destination unreachable"),
        ("Command execute failed!\n", None, "no sum in the answer: Command execute failed!"),
        ("", None, "no answer"),
        (PING.replace("10.88.0.11", "10.88.0.12"), None, "the answer is about 10.88.0.12"),
        (PING + LOST, None, "two different sums in one answer"),
        (PING.replace("3 received", "2 received"), None, "sum and percentage of the answer disagree"),
        (PING.replace("recv seq=1,", "recv time out seq=1\n"), None, "sum and lines of the answer disagree"),
    ],
)
def test_pings_that_tell_less(text: str, passed: bool | None, why: str) -> None:
    ping = probe.parse(text, "10.88.0.11")
    assert ping.passed is passed and ping.problem == why


@pytest.mark.parametrize(
    ("text", "rc", "state"),
    [
        ("hccn_tool is busy, please try again.\n", 11, "busy"),
        ("Dsmi get perftest status end. (status=2)\nRoce perftest is doing, please try later.\n", 2, "doing"),
        ("roce_report:\nCouldn't connect to 10.88.0.11:18515\n", 255, "refused"),
        ("* Waiting for client to connect... *\n", None, "waiting"),
        ("There isn't enough memory to perform the requested\n", 1, "failed"),
        ("", 0, "failed"),
        (REPORT.format(peak="0.00") + REPORT.format(peak="0.01"), 0, "failed"),
        (REPORT.format(peak="0.00") * 2, 0, "done"),
    ],
)
def test_states_of_a_bandwidth_test(text: str, rc: int | None, state: str) -> None:
    report = roce_parse.report(text, rc)
    assert report.state == state and (report.bytes_per_second is not None) == (state == "done")


def test_the_peak_of_a_receiver_is_no_rate_and_the_reason_is_told() -> None:
    assert roce_parse.report(REPORT.format(peak="0.00")).bytes_per_second == pytest.approx(RATE)
    failed = roce_parse.report("roce_report:\n Failed to complete run_iter_bw function\nCmd execute failed!\n", 255)
    assert failed.problem == "no result (exit code 255): Failed to complete run_iter_bw function"


def test_units_come_from_the_message_rate() -> None:
    for label in ("MB/sec", "Gb/sec", "apples"):
        row = perftest_parse.table(TABLE.format(peak="1.00").replace("MB/sec", label))[0]
        assert (row.unit, row.bytes_per_second) == ("MiB/s", pytest.approx(RATE))
    gbits = "#bytes #iterations BW peak[MB/sec] BW average[MB/sec] MsgRate[Mpps]\n2097152 1000 196.10 196.00 0.011683\n"
    row = perftest_parse.table(gbits)[0]
    assert (row.unit, row.bytes_per_second) == ("Gb/s", pytest.approx(24.5e9))
    slow = "#bytes #iterations BW peak[MB/sec] BW average[MB/sec] MsgRate[Mpps]\n2097152 1000 24.1 24.00 0.000012\n"
    assert perftest_parse.table(slow)[0].bytes_per_second == pytest.approx(25.17e6, rel=0.01)
    wrong = TABLE.format(peak="1.00").replace("0.011683", "0.012683")
    assert perftest_parse.table(wrong)[0].bytes_per_second is None
    assert "disagree" in str(perftest_parse.table(wrong)[0].problem)


def test_lines_between_header_and_row_and_other_columns() -> None:
    head, row = TABLE.format(peak="1.00").splitlines()
    assert perftest_parse.table(f"{head}\nConflicting CPU frequency values detected: 1 != 2\n{row}\n")
    assert perftest_parse.table(f"{head}  CPU_Util[%]\n{row}  1.5\n")[0].bytes_per_second == pytest.approx(RATE)
    assert perftest_parse.table(f"{head}  CPU_Util[%]\n{row}\n") == []
    assert perftest_parse.table(row) == []


def test_failures_of_ranks_are_found_beside_a_good_table() -> None:
    text = (
        COLLECTIVE
        + "[13] local rank_id 13, check result failed, 67108864          | 2630.20        | 25.51474 | failed\n"
        + "[1,4]<stdout>:local rankId[4]: check data from rank 2 result[0] error, exp:3, act:5\n"
        + "total err is 12\ntotal err is 0\n"
    )
    found = collective_parse.parse(text)
    assert len(found.rows) == 2 and all(row.result == "success" for row in found.rows)
    assert [(failure.rank, failure.bytes) for failure in found.failures] == [(13, 67108864), (4, None), (None, None)]


def test_rows_that_contradict_themselves_or_each_other_give_no_bandwidth() -> None:
    twice = COLLECTIVE + COLLECTIVE.replace("2630.20        | 25.51474", "2640.20        | 25.41810")
    assert [row.gbytes_per_s is None for row in collective_parse.parse(twice).rows] == [False, True]
    wrong = collective_parse.parse(COLLECTIVE.replace("25.51474", "35.51474")).rows[1]
    assert wrong.gbytes_per_s is None and "disagree" in str(wrong.problem)
    null = collective_parse.parse(COLLECTIVE.replace("success", "NULL")).rows[0]
    assert null.result is None and null.gbytes_per_s is not None


def test_counters_that_are_cut_or_doubled_are_left_out() -> None:
    assert counters.parse(STAT[: STAT.index("34\n")]) == {"mac_tx_pfc_pkt_num": 12}
    assert counters.parse(STAT + "roce_new_pkt_rty_num:7\n") == {"mac_tx_pfc_pkt_num": 12}
    assert counters.parse(STAT.replace("packet statistics:", "")) is None
    assert counters.parse("packet statistics:\nroce_new_pkt_rty_num:-1\nmac_tx_pfc_pkt_num:1x\n") is None


# --- damaged text -------------------------------------------------------------------------------------------------


def damaged(text: str) -> st.SearchStrategy[str]:
    """Cut, one character changed, a line lost, doubled or moved, or mixed with other text line by line."""
    lines = text.splitlines(keepends=True)
    places = st.integers(0, len(text) - 1)
    cut = places.map(lambda end: text[:end])
    changed = st.tuples(places, st.characters(min_codepoint=32, max_codepoint=126)).map(
        lambda pair: text[: pair[0]] + pair[1] + text[pair[0] + 1 :]
    )
    removed = places.map(lambda at: text[:at] + text[at + 1 :])
    shuffled = st.permutations(lines).map("".join)
    some = st.lists(st.sampled_from(lines)).map("".join)
    other = st.sampled_from([PING, LOST, STAT, COLLECTIVE, TABLE.format(peak="0.00"), "\x00\xff…\n" * 3])
    mixed = st.tuples(other, st.lists(st.booleans(), min_size=60, max_size=60)).map(lambda pair: merge(text, *pair))
    return st.one_of(cut, changed, removed, shuffled, some, mixed)


def merge(first: str, second: str, turns: list[bool]) -> str:
    piles = [first.splitlines(keepends=True), second.splitlines(keepends=True)]
    out = []
    for turn in turns:
        if piles[turn]:
            out.append(piles[turn].pop(0))
    return "".join(out + piles[0] + piles[1])


FAST = settings(max_examples=250, suppress_health_check=[HealthCheck.too_slow])


@FAST
@given(damaged(REPORT.format(peak="23370.21")))
def test_no_wrong_rate(text: str) -> None:
    rate = roce_parse.report(text).bytes_per_second
    assert rate is None or rate == pytest.approx(RATE, rel=0.002)


@FAST
@given(damaged(PING))
def test_no_wrong_loss(text: str) -> None:
    if "time out" not in text and "33.33" not in text:
        assert probe.parse(text, "10.88.0.11").passed is not False


@FAST
@given(damaged(LOST))
def test_a_lost_packet_never_passes(text: str) -> None:
    if PING.splitlines()[-1] not in text:
        assert probe.parse(text, "10.88.0.11").passed is not True


@FAST
@given(damaged(COLLECTIVE))
def test_no_wrong_collective_bandwidth(text: str) -> None:
    right = {33554432: 19.567, 67108864: 25.51474}
    for row in collective_parse.parse(text).rows:
        nearest = min(right, key=lambda size: abs(size - row.bytes))
        assert row.gbytes_per_s is None or row.gbytes_per_s == pytest.approx(right[nearest], rel=0.005)


@FAST
@given(st.integers(0, len(STAT)))
def test_no_cut_counter(end: int) -> None:
    for name, value in (counters.parse(STAT[:end]) or {}).items():
        assert value == {"mac_tx_pfc_pkt_num": 12, "roce_new_pkt_rty_num": 1234}[name]


@FAST
@given(st.one_of(st.text(max_size=300), st.binary(max_size=300).map(lambda raw: raw.decode("latin-1"))))
def test_nothing_of_noise(text: str) -> None:
    assert roce_parse.report(text).bytes_per_second is None
    assert probe.parse(text).passed is None
    assert collective_parse.parse(text).rows == [] and counters.parse(text) is None and idle.uses(text) == {}
    assert perftest_parse.document(text)[0] is None


@pytest.mark.parametrize(
    "piece", ["#bytes " * 40 + "\n", "1 " * 300 + "\n", "9" * 500, " | ", "GID: 00:", "[" * 90, "\n"]
)
def test_four_mebibytes_of_noise_are_read_in_time(piece: str) -> None:
    text = piece * ((4 << 20) // len(piece))
    assert roce_parse.report(text).bytes_per_second is None and probe.parse(text).passed is None
    assert collective_parse.parse(text).rows == [] and counters.parse(text) is None and idle.uses(text) == {}


@pytest.mark.parametrize("value", [None, 3, [], {}, b"x"])
def test_what_is_no_text_gives_nothing(value: Any) -> None:
    assert roce_parse.report(value).bytes_per_second is None and probe.parse(value).passed is None
    assert counters.parse(value) is None and perftest_parse.document(value)[0] is None


@pytest.mark.parametrize(
    "text",
    ["[]", "{}", '{"results": 3}', '{"results": {"MsgSize": "65536"}}', '{"results": {"MsgSize": 1e400}}', "[" * 9999],
)
def test_other_json_is_no_result(text: str) -> None:
    assert perftest_parse.document(text)[0] is None


# --- the vendors' captures ----------------------------------------------------------------------------------------


def captures(shared: Path, *kinds: str) -> list[tuple[Path, dict[str, Any]]]:
    folder = shared / "fixtures" / "ascend"
    rows = [line.split("\t") for line in (folder / "MANIFEST.tsv").read_text(encoding="utf-8").splitlines()[1:]]
    found = [(folder / row[0], json.loads(row[3])) for row in rows if row[1] in kinds]
    assert found
    return found


def test_captures_of_bandwidth_tests(shared: Path) -> None:
    for path, truth in captures(shared, "hccn_roce_test", "perftest_bw"):
        report = roce_parse.report(path.read_text(encoding="utf-8"))
        if truth.get("bw_avg") is None:
            assert report.state == truth["state"] and report.bytes_per_second is None
            continue
        row = report.row
        assert row is not None and (row.message_bytes, row.average) == (truth["bytes"], truth["bw_avg"]), path.name
        assert row.unit is not None and truth["unit"].startswith(row.unit)
        if "gb_s" in truth:
            assert row.bytes_per_second == pytest.approx(truth["gb_s"] * 1e9, rel=1e-3)
            assert row.bytes_per_second * 8 / 1e9 == pytest.approx(truth["gbit_s"], abs=0.05)


def test_captures_of_json_results(shared: Path) -> None:
    for path, truth in captures(shared, "perftest_json"):
        text = path.read_text(encoding="utf-8")
        row, problem = perftest_parse.document(text[text.index("{") :])
        assert row is not None and problem is None and row.unit == truth["unit"]
        assert row.bytes_per_second is not None
        assert row.bytes_per_second * 8 / 1e9 == pytest.approx(truth["gbit_s"], abs=0.05)


def test_captures_of_pings(shared: Path) -> None:
    for path, truth in captures(shared, "hccn_ping"):
        ping = probe.parse(path.read_text(encoding="utf-8"), truth["target"])
        assert (ping.sent, ping.received) == (truth["tx"], truth["rx"])


def test_captures_of_collectives(shared: Path) -> None:
    for path, truth in captures(shared, "hccl_test"):
        found = collective_parse.parse(path.read_text(encoding="utf-8"))
        assert len(found.rows) == truth["rows"] and found.failures == []
        last = found.rows[-1]
        assert last.bytes == truth["max_bytes"]
        assert all((row.result == "success") is truth["all_success"] for row in found.rows)
        assert all(row.gbytes_per_s is not None for row in found.rows)
        if "time_us_at_max" in truth:
            assert last.gbytes_per_s == pytest.approx(25.51, abs=0.01)  # not the 23.76 that the tool calls GB/s


def test_captures_of_npu_smi_tell_who_holds_memory(shared: Path) -> None:
    folder = shared / "fixtures" / "ascend"

    def uses(part: str) -> dict[int, idle.Use]:
        return idle.uses(next(folder.glob(f"npu_smi_info__{part}*")).read_text(encoding="utf-8"))

    held = uses("910b2")
    assert sorted(held) == list(range(8))
    assert [device for device in held if idle.busy(held[device], 15)] == [0, 1, 2, 3]
    assert sorted(uses("A3")) == list(range(16)) and not any(idle.busy(use, 15) for use in uses("A3").values())
    assert list(uses("910b4")) == [5] and idle.busy(uses("910b4")[5], 15) is None
    assert len(uses("910A")) == 8


def test_a_process_makes_a_device_busy_even_with_little_memory() -> None:
    text = """| NPU   Name                | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|
| Chip                      | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |
| 0     910B4               | OK            | 89.9        39                0    / 0             |
| 0                         | 0000:41:00.0  | 0           0    / 0          2922 / 32768         |
| NPU     Chip              | Process id    | Process name             | Process memory(MB)      |
| 0       0                 | 4711          | python3                  | 120                     |
"""
    assert idle.busy(idle.uses(text)[0], 15) == "in use by python3"
