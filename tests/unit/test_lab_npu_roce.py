"""Pings and bandwidth tests between NPUs of the twin, and what a killed, hung or unfriendly tool leaves behind."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from tests.unit.lab_npu_helpers import UNTOUCHED, Running, Said, Site, address
from tests.unit.lab_npu_helpers import site as make_site

WAITING = "* Waiting for client to connect... *"
SIZE, COUNT = 2097152, 1000


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    made = make_site(tmp_path, monkeypatch)
    made.configure()
    return made


def words(kind: str = "ib_send_bw", size: int = SIZE, count: int = COUNT, tclass: str = "132") -> list[str]:
    return ["-roce_test", kind, "-s", str(size), "-n", str(count), "-tclass", tclass]


def receive(site: Site, node: str = "node2", device: int = 2, **options: object) -> Running:
    return site.background(node, "-i", str(device), *words(**options), "-tcp", until=WAITING)  # type: ignore[arg-type]


def send(site: Site, to: str = address(2, 3), node: str = "node1", device: int = 2, **options: object) -> Said:
    return site.tool(node, "-i", str(device), *words(**options), "address", to, "-tcp")  # type: ignore[arg-type]


def row(said: Said) -> tuple[int, int, float, float, float]:
    """bytes, iterations, peak and average in MiB/s, million messages a second."""
    lines = said.out.splitlines()
    size, count, peak, average, rate = lines[lines.index(next(x for x in lines if x.startswith(" #bytes"))) + 1].split()
    return int(size), int(count), float(peak), float(average), float(rate)


# --- ping ------------------------------------------------------------------------------------------------------------


def ping(site: Site, to: str, *more: str) -> Said:
    return site.tool("node1", "-i", "2", "-ping", "-g", "address", to, *more)


def test_a_ping_that_comes_back(site: Site) -> None:
    said = ping(site, address(3, 8))
    assert said.rc == 0
    assert re.fullmatch(
        r"device 2 PING 10\.88\.0\.124\n(recv seq=[012],time=0\.\d{3}000ms\n){3}"
        r"3 packets transmitted, 3 received, 0\.00% packet loss\n",
        said.out,
    )


def test_a_ping_that_is_lost_ends_in_bounded_time(site: Site) -> None:
    started = time.monotonic()
    said = ping(site, "10.88.0.200")
    assert time.monotonic() - started < 3
    assert said.rc == 1
    assert said.err == "Command execute failed!\n"
    assert "recv time out seq=0\nrecv time out seq=1\nrecv time out seq=2\n" in said.out
    assert said.out.endswith("3 packets transmitted, 0 received, 100.00% packet loss\n")


def test_large_packets_find_the_smallest_mtu(site: Site) -> None:
    assert ping(site, address(2, 3), "pkt", str(8192 - 28)).rc == 0
    assert "Message too long" in ping(site, address(2, 3), "pkt", str(8192 - 27)).out
    with site.change("node2", "NPU3") as net:
        net["conf"]["mtu"] = 1500
    assert "recv time out seq=0" in ping(site, address(2, 3)).out  # 4096 bytes, as long as nobody says otherwise
    assert ping(site, address(2, 3), "pkt", "1400").rc == 0
    site.ports["400GE1/0/5:2"] = {"mtu": 1518}  # node2 NPU2
    assert ping(site, address(2, 2)).rc == 1


def test_no_route_is_no_timeout(site: Site) -> None:
    with site.change("node1", "NPU3") as net:
        net["conf"]["gateway"] = None
    assert "Destination Host Unreachable" in ping(site, "10.99.0.1").out


@pytest.mark.parametrize(
    ("argv", "rc"),
    [
        (["-g"], 4),
        (["-s", "address", "10.0.0.1"], 3),
        (["-g", "address", "10.0.0"], 6),
        (["-g", "address", "10.88.0.1", "pkt", "65508"], 1),
        (["-g", "adress", "10.88.0.1"], 3),
    ],
)
def test_pings_that_make_no_sense(site: Site, argv: list[str], rc: int) -> None:
    assert site.tool("node1", "-i", "2", "-ping", *argv).rc == rc


# --- bandwidth -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ib_send_bw", "ib_write_bw", "ib_read_bw"])
def test_a_healthy_path_carries_95_percent_of_200_gigabit(site: Site, kind: str) -> None:
    receiver = receive(site, kind=kind)
    sender = send(site, kind=kind)
    got = receiver.end()
    assert (sender.rc, got.rc) == (0, 0)
    size, count, peak, average, rate = row(sender)
    assert (size, count) == (SIZE, COUNT)
    assert 23340 < average < 23395  # MiB/s, whatever the label says
    assert average < peak < average * 1.002
    assert rate * 1e6 * size == pytest.approx(average * 2**20, rel=1e-4)
    assert 190e9 / 8 < rate * 1e6 * size < 25e9
    assert row(got)[2] == (0.0 if kind == "ib_send_bw" else peak)
    assert row(got)[3] == pytest.approx(average, rel=2e-3)
    assert "GID: 00:00:00:00:00:00:00:00:00:00:255:255:10:88:0:103" in sender.out
    assert " Mtu             : 4096[B]" in sender.out
    assert site.net("node1", "NPU3")["counters"].get("roce_new_pkt_rty_num", 0) == 0


def test_small_messages_are_slower(site: Site) -> None:
    rates = []
    for size in (64, 4096, 65536, 1048576):
        receiver = receive(site, size=size)
        rates.append(row(send(site, size=size))[3])
        receiver.end()
    assert rates == sorted(rates)
    assert rates[0] < 600  # 8 million messages a second
    assert rates[2] > 0.95 * rates[3]


def test_results_differ_a_little_from_run_to_run(site: Site) -> None:
    averages = set()
    for _ in range(3):
        receiver = receive(site)
        averages.add(row(send(site))[3])
        receiver.end()
    assert len(averages) == 3
    assert max(averages) - min(averages) < 40


def test_an_untouched_switch_makes_it_slow_and_lossy(site: Site) -> None:
    site.state = UNTOUCHED
    receiver = receive(site)
    average = row(send(site))[3]
    receiver.end()
    assert 0.38 * 23365 < average < 0.62 * 23365
    retries = site.net("node1", "NPU3")["counters"]["roce_new_pkt_rty_num"]
    assert retries > 100
    assert f"roce_new_pkt_rty_num:{retries}\n" in site.get("stat").out
    with site.switch_port("400GE1/0/6:1") as port:  # node2 NPU3
        assert port["counters"]["drops"] == retries


def test_without_a_traffic_class_nobody_is_lossless(site: Site) -> None:
    receiver = receive(site, tclass="0")
    assert row(send(site, tclass="0"))[3] < 0.7 * 23365
    receiver.end()


def test_reads_are_marked_by_who_is_read(site: Site) -> None:
    receiver = receive(site, kind="ib_read_bw", tclass="0")
    assert row(send(site, kind="ib_read_bw"))[3] < 0.7 * 23365
    receiver.end()
    assert site.net("node2", "NPU3")["counters"]["roce_tx_all_pkt_num"] > 400000


def test_gigabits_on_demand(site: Site) -> None:
    receiver = receive(site)
    said = site.tool("node1", "-i", "2", *words(), "address", address(2, 3), "-tcp", "-report_gbits")
    receiver.end()
    assert "BW average[Gb/sec]" in said.out
    assert 195.5 < row(said)[3] < 196.5


def test_a_report_in_the_layout_of_a_version_that_nobody_knows(site: Site) -> None:
    with site.tools("node1") as tools:
        tools["layout"] = "future"
    receiver = receive(site)
    said = send(site)
    receiver.end()
    assert said.rc == 0
    assert "\n #bytes" not in said.out and "hccn_tool 29.0.rc1" in said.out
    assert "packets transmitted, 3 received" not in ping(site, address(2, 3)).out


def test_nobody_there(site: Site) -> None:
    for to in (address(2, 3), "10.88.0.200"):
        said = send(site, to)
        assert said.rc == 255
        assert f"Couldn't connect to {to}:18515\n" in said.out
        assert "(status=3)" in said.out
        assert said.err == "Cmd execute failed!\n"
    assert " #bytes" not in said.out


def test_ends_that_want_different_tests_do_not_meet(site: Site) -> None:
    receiver = receive(site, kind="ib_write_bw")
    assert "Couldn't connect" in send(site, kind="ib_send_bw").out
    assert not receiver.said.rc
    failed = send(site, kind="ib_write_bw", count=500)
    assert failed.rc == 255
    assert receiver.end().rc == 255
    assert "Failed to complete run_iter_bw function successfully" in failed.out


def test_what_is_missing_or_too_large(site: Site) -> None:
    said = site.tool("node1", "-i", "2", *words())
    assert (said.rc, said.out) == (0, 'Please add "-tcp"\n')  # the tool's own exit status: 0x2000
    assert site.tool("node1", "-i", "2", *words(size=874736001), "-tcp").rc == 1
    assert site.tool("node1", "-i", "2", "-roce_test", "ib_send_lat", "-tcp").rc == 3


# --- what stays in the device ----------------------------------------------------------------------------------------


def test_a_killed_receiver_stays_in_the_device_until_reset(site: Site) -> None:
    receive(site).kill()
    again = site.tool("node2", "-i", "2", *words(), "-tcp")
    assert (again.rc, again.err) == (2, "Roce perftest is doing, please try later.\nCmd execute failed!\n")
    assert site.tool("node2", "-i", "2", "-roce_test", "reset").out == "Cmd executed successfully!\n"
    receiver = receive(site)
    assert send(site).rc == 0
    receiver.end()


def test_a_sender_finds_the_test_of_a_killed_receiver(site: Site) -> None:
    receive(site).kill()
    assert send(site).rc == 0
    receiver = receive(site)  # and then the device is free
    assert send(site).rc == 0
    receiver.end()


def test_reset_ends_a_receiver_that_waits(site: Site) -> None:
    receiver = receive(site)
    site.tool("node2", "-i", "2", "-roce_test", "reset")
    said = receiver.end()
    assert said.rc == 255
    assert " #bytes" not in said.out


def test_a_hung_receiver_keeps_both_ends_until_reset(site: Site) -> None:
    with site.tools("node2") as tools:
        tools["receiver_hangs"] = ["NPU3"]
    receiver = receive(site)
    sender = site.background("node1", "-i", "2", *words(), "address", address(2, 3), "-tcp", until="(out=1)")
    sender.thread.join(0.5)
    assert sender.thread.is_alive()
    assert receiver.thread.is_alive()
    sender.kill()
    assert site.tool("node1", "-i", "2", *words(), "address", address(2, 4), "-tcp").rc == 2
    for node in ("node1", "node2"):
        assert site.tool(node, "-i", "2", "-roce_test", "reset").rc == 0
    assert receiver.end().rc == 255


def test_a_running_test_lets_others_use_the_tool(site: Site) -> None:
    receivers = [receive(site, device=device) for device in range(3)]
    assert site.get("mtu", node="node2").rc == 0
    for device, receiver in enumerate(receivers):
        assert send(site, address(2, device + 1), device=device).rc == 0
        assert receiver.end().rc == 0


def test_eight_ports_at_a_time(site: Site) -> None:
    receivers = [receive(site, device=device) for device in range(8)]
    senders = []
    for device in range(8):
        argv = ["-i", str(device), *words(), "address", address(2, device + 1), "-tcp"]
        senders.append(site.background("node1", *argv, until="(out=1)"))
    total = sum(row(sender.end())[4] * 1e6 * SIZE for sender in senders)
    for receiver in receivers:
        receiver.end()
    assert 190e9 < total < 200e9


def test_power_that_goes_ends_the_tests_of_its_node(site: Site) -> None:
    receiver = receive(site)
    with site.world.update("node2") as node:
        node["power"] = "off"
    site.runtime.settle(site.world, "node2")
    assert receiver.end().rc == 255
    assert "Couldn't connect" in send(site).out
