"""HCCL Test of the twin: what it prints, and how its numbers follow from the slowest link."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.npu import collective, collective_arguments, collective_time, launch
from lab.npu.call import Gone
from lab.npu.ranks import Member
from lab.npu.tools import TOOLS
from tests.unit.lab_npu_collective_helpers import HOSTS, SIZES, Bench, Row, rows
from tests.unit.lab_npu_helpers import UNTOUCHED, Said
from tests.unit.lab_npu_helpers import site as make_site

BIG = ("-b", "64M", "-e", "64M")
GIB = 1 << 30


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(collective, "LONGEST_WAIT", 0.01)
    monkeypatch.setattr(collective, "LONGEST_ROW", 0.0)
    monkeypatch.setattr(launch, "SSH_SECONDS", 0.0)
    site = make_site(tmp_path, monkeypatch)
    site.configure()
    return Bench(site)


def version(bench: Bench, text: str) -> None:
    for node in bench.site.world.names():
        with bench.site.tools(node) as tools:
            tools["version"] = text


# --- what it prints --------------------------------------------------------------------------------------------------


def test_documented_spelling_is_that_of_the_capture(bench: Bench, shared: Path) -> None:
    theirs = (next((shared / "fixtures" / "ascend").glob("hccl_test_all_reduce*"))).read_text(encoding="utf-8")
    bench.hosts = "node1:8\n"
    ours = bench.test("all_reduce", *SIZES, "-w", "5", count=8).out
    shape = [re.sub(r"[0-9.]", "9", line) for line in theirs.splitlines()]
    lengths = [len(line) for line in shape]
    assert [len(line) for line in ours.splitlines()] == lengths
    assert ours.splitlines()[:2] == theirs.splitlines()[:2]
    assert [row.bytes for row in rows_of(ours)] == [row.bytes for row in rows_of(theirs)]
    for text in (ours, theirs):
        for row in rows_of(text):
            assert row.printed == pytest.approx(row.bytes / row.microseconds * 1e6 / GIB, rel=2e-3, abs=1e-5)


def rows_of(text: str) -> list[Row]:
    return rows(Said(out=text))


def test_spelling_and_unit_of_the_source(bench: Bench, shared: Path) -> None:
    version(bench, "25.5.1")
    text = bench.test("all_reduce", *BIG).out
    theirs = (next((shared / "fixtures" / "ascend").glob("hccl_test__simulated*"))).read_text(encoding="utf-8")
    assert theirs.splitlines()[0] in text.splitlines()
    [row] = rows_of(text)
    assert row.printed == pytest.approx(row.bytes / row.microseconds / 1e3, rel=1e-4)
    assert re.search(r"^67108864 {9} \| [\d.]+ +\| [\d.]+ +\| success$", text, re.MULTILINE)


def test_the_same_call_prints_the_sizes_that_were_asked_for(bench: Bench) -> None:
    assert [row.bytes for row in bench.rows("all_reduce", "-b", "1K", "-e", "4K", "-i", "1024")] == [
        1024,
        2048,
        3072,
        4096,
    ]
    default = [row.bytes for row in bench.rows("all_reduce", "-b", "1M", "-e", "11M")]
    assert default == [number << 20 for number in range(1, 12)]


def test_sizes_are_fitted_to_the_ranks(bench: Bench) -> None:
    assert [row.bytes for row in bench.rows("alltoall", "-b", "8K", "-e", "16K", "-f", "2")] == [8184, 16368]
    [row] = bench.rows("reduce_scatter", *BIG)
    assert row.bytes == 67108864 // (24 * 512) * (24 * 512)


@pytest.mark.parametrize("name", collective.OPERATIONS)
def test_each_program_runs(bench: Bench, name: str) -> None:
    [row] = bench.rows(name, *BIG)
    assert row.result == "success"
    assert 0.1 < row.printed < 400
    assert f"{name}_test" in TOOLS


def test_a_program_that_reduces_nothing_warns_of_an_operation(bench: Bench) -> None:
    assert "does not take effect" in bench.test("alltoall", "-o", "sum", *BIG).out
    assert "does not take effect" not in bench.test("reduce", "-o", "max", *BIG).out


def test_help_and_a_test_without_a_launcher(bench: Bench) -> None:
    said = bench.tool(launch.alone("all_reduce"), "-p", "1", *BIG)
    assert (said.rc, [row.result for row in rows(said)]) == (0, ["success"])
    assert "USAGE" in bench.tool(launch.alone("all_reduce"), "--help").out


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        (["-b", "x"], "invalid size specified"),
        (["-b", "2M", "-e", "1M"], "maxbytes < minbytes"),
        (["-f", "1"], "[-f,--stepfactor] Must be greater"),
        (["-d", "fp31"], "[-d,--datatype] is invalid"),
        (["-o", "avg"], "[-o,--op] is invalid"),
        (["-r", "24"], "less than or equal to 23"),
        (["-c", "3"], "[-c,--check] is invalid"),
        (["-n", "x"], "positive integer"),
        (["-Q"], "invalid option"),
        (["what"], "non-option ARGV-elements: what"),
        (["-p", "9"], "less than or equal to 8"),
    ],
)
def test_every_rank_refuses_what_it_does_not_understand(bench: Bench, argv: list[str], complaint: str) -> None:
    said = bench.test("all_reduce", *argv)
    assert said.rc == 255
    assert said.out.count(complaint) == 24
    assert "This is an error in" in said.out
    assert rows(said) == []


# --- checks ----------------------------------------------------------------------------------------------------------


def test_a_rank_that_fails_has_a_line_of_its_own_and_the_row_says_success(bench: Bench) -> None:
    with bench.site.tools("node2") as tools:
        tools["failing_ranks"] = ["NPU3"]
    said = bench.test("all_reduce", *BIG)
    [line] = [line for line in said.out.splitlines() if line.startswith("local rank_id")]
    assert re.fullmatch(r"local rank_id 10, check result failed, 67108864 +\|.*\| failed", line)
    assert "total err is 16777216\n" in said.out
    assert [row.result for row in rows(said)] == ["success"]
    assert said.rc == 0
    assert "exp:48.000000, act:46.000000" in bench.test("all_reduce", "-c", "2", *BIG).out


def test_the_roots_own_failure_is_in_the_row(bench: Bench) -> None:
    with bench.site.tools("node1") as tools:
        tools["failing_ranks"] = ["NPU1"]
    said = bench.test("all_reduce", *BIG)
    assert [row.result for row in rows(said)] == ["failed"]
    assert "local rank_id 0, check" in said.out
    assert [row.result for row in rows(bench.test("all_reduce", "-c", "0", *BIG))] == ["NULL"]


@pytest.mark.parametrize(
    ("name", "words", "result"),
    [
        ("all_reduce", ["-d", "fp32", "-o", "sum"], "success"),
        ("all_reduce", ["-d", "int8", "-o", "sum"], "success"),
        ("all_reduce", ["-d", "int8", "-o", "prod"], "NULL"),
        ("reduce_scatter", ["-d", "int8", "-o", "sum"], "NULL"),
        ("reduce_scatter", ["-d", "fp16", "-o", "sum"], "success"),
        ("all_reduce", ["-d", "fp16", "-o", "prod"], "NULL"),
        ("all_gather", ["-d", "int8"], "success"),
    ],
)
def test_results_that_cannot_be_exact_are_not_checked(bench: Bench, name: str, words: list[str], result: str) -> None:
    [row] = bench.rows(name, *words, *BIG)
    assert row.result == result


# --- numbers ---------------------------------------------------------------------------------------------------------


def seconds(bench: Bench, name: str = "all_reduce", **environment: str) -> float:
    [row] = bench.rows(name, *BIG, **environment)
    return row.microseconds / 1e6


def test_the_slowest_link_decides(bench: Bench) -> None:
    healthy = seconds(bench)
    with bench.site.change("node2", "NPU3") as net:
        net["slow_factor"] = {"node3": 0.25}
    slow = seconds(bench)
    part, rate = 64e6 * 1.048576 / 8 * 4 / 3, 24.5e9
    assert slow - healthy == pytest.approx(part / rate * 3, rel=0.15)


def test_a_lossy_port_slows_everybody(bench: Bench) -> None:
    healthy = seconds(bench)
    bench.site.ports["400GE1/0/6:1"] = UNTOUCHED
    assert seconds(bench) > 1.3 * healthy


def test_larger_messages_use_the_links_better(bench: Bench) -> None:
    speeds = [row.bytes / row.microseconds for row in bench.rows("all_reduce", *SIZES)]
    assert speeds == sorted(speeds)
    assert speeds[-1] > 200 * speeds[0]


def test_bus_bandwidth_is_plausible(bench: Bench) -> None:
    [row] = bench.rows("all_reduce", *BIG)
    bus = row.bytes / row.microseconds / 1e3 * 2 * 23 / 24
    assert 60 < bus < 196


def test_traffic_class_and_service_level_of_the_ranks_count(bench: Bench) -> None:
    healthy = seconds(bench)
    assert seconds(bench, HCCL_RDMA_TC="96") > 1.2 * healthy  # DSCP 24: nobody's lossless class
    assert seconds(bench, HCCL_RDMA_SL="5") > 1.2 * healthy
    assert seconds(bench, HCCL_RDMA_TC="132", HCCL_RDMA_SL="4") == pytest.approx(healthy, rel=0.05)


def test_one_node_whose_environment_file_differs(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    healthy = seconds(bench)
    files = {"node2": "# by hand\nexport HCCL_RDMA_TC=96\n"}
    monkeypatch.setattr(launch, "node_file", lambda call, node, path: files.get(node))
    assert seconds(bench) > 1.2 * healthy
    lost = bench.site.net("node2", "NPU1")["counters"]["roce_new_pkt_rty_num"]
    assert lost > 0
    assert bench.site.net("node1", "NPU1")["counters"].get("roce_new_pkt_rty_num", 0) == 0
    before = lost
    assert seconds(bench, HCCL_RDMA_TC="132") == pytest.approx(healthy, rel=0.05)  # what the launcher hands on wins
    assert bench.site.net("node2", "NPU1")["counters"]["roce_new_pkt_rty_num"] == before


def counters(bench: Bench, name: str) -> int:
    return sum(npu["net"]["counters"].get(name, 0) for node in NODES for npu in bench.site.world.read(node)["npus"])


NODES = ("node1", "node2", "node3")


def ports(bench: Bench, name: str) -> int:
    document = bench.site.world.read("sw1", "switches")
    return sum(port.get("counters", {}).get(name, 0) for port in document["ports"])


def test_incast_makes_pfc_act_and_loses_nothing(bench: Bench) -> None:
    bench.test("alltoall", *BIG)
    assert ports(bench, "pfc_tx_frames") > 0
    assert counters(bench, "mac_rx_pfc_pri4_pkt_num") > 0
    assert (ports(bench, "drops"), counters(bench, "roce_new_pkt_rty_num")) == (0, 0)


def test_incast_without_pfc_drops(bench: Bench) -> None:
    bench.site.state = UNTOUCHED
    bench.test("alltoall", *BIG)
    assert ports(bench, "pfc_tx_frames") == 0
    assert ports(bench, "drops") > 0
    assert counters(bench, "roce_new_pkt_rty_num") > 0


def test_a_ring_needs_no_pfc(bench: Bench) -> None:
    bench.test("all_reduce", *BIG)
    assert (ports(bench, "pfc_tx_frames"), ports(bench, "drops")) == (0, 0)
    assert ports(bench, "tx_packets") > 0


# --- trouble ---------------------------------------------------------------------------------------------------------


def test_tls_that_differs_is_a_link_that_times_out(bench: Bench) -> None:
    with bench.site.change("node2", "NPU3") as net:
        net["conf"]["tls_enable"] = 1
    quiet = bench.test("all_reduce", *BIG)
    assert quiet.rc == 0  # as the published program ends
    assert rows(quiet) == []
    assert quiet.out.count("retcode: 9") == 24
    assert "ERROR" not in quiet.out
    told = bench.test("all_reduce", *BIG, ASCEND_SLOG_PRINT_TO_STDOUT="1", HCCL_CONNECT_TIMEOUT="240").out
    assert "(EI0006)" in told
    assert "timeout[240 s]" in told
    links = re.findall(r"\| +([\d.]+)\((\d+)\) +\| +\d+ +\| +([\d.]+)\((\d+)\) .*\| +(\w+) +\| LinkInfo", told)
    assert {(own, rank, tls) for _, _, own, rank, tls in links if rank == "10"} == {("10.88.0.111", "10", "ENABLE")}
    assert {rank for link in links for rank in (link[1], link[3])} == {"2", "10", "18"}


def test_a_dead_port_times_out_with_its_peers(bench: Bench) -> None:
    with bench.site.change("node3", "NPU8") as net:
        net["link_admin"] = "down"
    told = bench.test("alltoall", *BIG, ASCEND_SLOG_PRINT_TO_STDOUT="1").out
    side = r"\(server ([\d.]+), device ID (\d)\)"
    dead = re.findall(rf"srcRank {side} fails to connect to dstRank {side}", told)
    assert dead
    assert all(("10.77.0.13", "7") in ((a, b), (c, d)) for a, b, c, d in dead)


def test_a_node_with_seven_npus(bench: Bench) -> None:
    with bench.site.world.update("node2") as node:
        node["npus"][2]["present"] = False
    said = bench.test("all_reduce", *BIG, ASCEND_SLOG_PRINT_TO_STDOUT="1")
    assert said.rc == 255
    assert said.out.count("less than or equal to 7") == 8
    assert "Failed to connect agent[8,9,10,11,12,13,14,15,]" in said.out


def test_two_ranks_on_one_device_are_refused(bench: Bench) -> None:
    said = bench.test("all_reduce", *BIG, count=32)
    assert (said.out.count("retcode: 1 "), rows(said)) == (32, [])


def test_chosen_devices(bench: Bench) -> None:
    with bench.site.change("node2", "NPU3") as net:
        net["link_admin"] = "down"
    bench.hosts = HOSTS.replace(":8", ":4")
    said = bench.mpirun(
        *("-f", "hosts", "-n", "12", "-genv", "HCCL_TEST_USE_DEVS", "7,4,5,6", "all_reduce_test", "-p", "4", *BIG)
    )
    assert [row.result for row in rows(said)] == ["success"]


def test_killing_it_ends_it(bench: Bench) -> None:
    call, said = bench.site.call("node1", "-n", "2", "all_reduce_test", "-b", "1K", "-e", "2K", "-i", "0")
    told = said

    def send(message: dict[str, str]) -> None:
        told.out += message.get("out", "")
        if told.out.count("success") == 5:  # a step of nought goes on for ever
            call.gone.set()

    call.send = send
    with pytest.raises(Gone):
        launch.mpirun(call)
    assert told.out.count("success") == 5


# --- pure parts ------------------------------------------------------------------------------------------------------


def members(servers: int, each: int) -> dict[Member, tuple[str, str]]:
    return {
        Member(server * each + i, f"node{server}", {}): (f"node{server}", f"NPU{i + 1}")
        for server in range(servers)
        for i in range(each)
    }


def test_rings_and_meshes() -> None:
    ends = members(3, 8)
    ring = collective_time.pairs("all_reduce", ends)
    assert len(ring) == 24
    assert {(ends[a][1], ends[b][1]) for a, b in ring} == {(f"NPU{i}", f"NPU{i}") for i in range(1, 9)}
    assert len(collective_time.pairs("alltoall", ends)) == 24 * 16
    assert collective_time.pairs("all_reduce", members(1, 8)) == ()
    uneven = dict(list(ends.items())[:20])
    assert len(collective_time.pairs("all_reduce", uneven)) == 3


@given(st.lists(st.text(alphabet="-bfecdopnwr0123456789KMxfp ", max_size=6), max_size=8), st.integers(1, 64))
def test_any_words_are_parsed_or_refused_with_words(argv: list[str], ranks: int) -> None:
    try:
        found = collective_arguments.parse("all_reduce", argv)
        collective_arguments.check(found, ranks, 8)
    except collective_arguments.Ends as end:
        assert end.text
        assert end.rc in (0, 255)
    else:
        assert 0 < found.first <= found.last
