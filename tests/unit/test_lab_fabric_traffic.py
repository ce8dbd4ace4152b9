"""What counters of NPUs and switch ports say after traffic: back pressure on a lossless path, loss on a lossy one."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import fabric
from tests.unit.lab_npu_helpers import UNTOUCHED, Site
from tests.unit.lab_npu_helpers import site as make_site

TARGET, EGRESS = "node3/NPU1", "400GE1/0/9:1"
MANY = [(f"node{n}/NPU{i}", TARGET) for n in (1, 2) for i in range(1, 5)]
SIZE = 64 << 20


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    made = make_site(tmp_path, monkeypatch)
    made.configure()
    return made


def counters(site: Site, end: str) -> dict[str, int]:
    found: dict[str, int] = site.net(*end.split("/"))["counters"]
    return found


def port(site: Site, name: str) -> dict[str, int]:
    with site.switch_port(name) as found:
        return dict(found.get("counters", {}))


def test_one_flow_moves_its_packets_and_nothing_else(site: Site) -> None:
    [flow] = fabric.traffic(site.world, [("node1/NPU3", "node2/NPU3")], SIZE)
    assert flow.packets == SIZE // 4096
    assert (flow.retransmitted, flow.pfc_frames) == (0, 0)
    assert flow.seconds == pytest.approx(SIZE / 24.5e9, rel=2e-3)
    sent, got = counters(site, "node1/NPU3"), counters(site, "node2/NPU3")
    assert sent["roce_tx_rc_pkt_num"] == got["roce_rx_rc_pkt_num"] == flow.packets
    assert sent["roce_rx_rc_pkt_num"] == got["roce_tx_rc_pkt_num"] > 0  # acknowledgements
    assert "roce_new_pkt_rty_num" not in sent
    assert counters(site, "node3/NPU3") == {}
    assert port(site, "400GE1/0/2:1")["rx_packets"] == port(site, "400GE1/0/6:1")["tx_packets"] == flow.packets
    assert set(port(site, EGRESS).values()) == {0}


def test_counters_add_up(site: Site) -> None:
    for _ in range(3):
        fabric.traffic(site.world, [("node1/NPU3", "node2/NPU3")], SIZE)
    assert counters(site, "node1/NPU3")["roce_tx_rc_pkt_num"] == 3 * SIZE // 4096


def test_incast_on_a_lossless_fabric_pauses_and_drops_nothing(site: Site) -> None:
    flows = fabric.traffic(site.world, MANY, SIZE)
    assert all(flow.pfc_frames > 0 and flow.retransmitted == 0 for flow in flows)
    assert sum(flow.rate for flow in flows) == pytest.approx(24.5e9, rel=2e-3)  # one port's worth
    for source, _ in MANY:
        seen = counters(site, source)
        assert seen["mac_rx_pfc_pkt_num"] == seen["mac_rx_pfc_pri4_pkt_num"] > 0
        assert seen["roce_rx_cnp_pkt_num"] > 0
    assert counters(site, TARGET)["roce_tx_cnp_pkt_num"] > 0
    assert port(site, EGRESS)["ecn_marked"] > 0
    assert port(site, EGRESS)["drops"] == 0
    assert port(site, "400GE1/0/1:1")["pfc_tx_frames"] == counters(site, "node1/NPU1")["mac_rx_pfc_pkt_num"]
    assert "mac_rx_pfc_pri4_pkt_num:" in site.get("stat", device=0).out


def test_without_ecn_there_is_more_pfc_and_no_mark(site: Site) -> None:
    with_ecn = fabric.traffic(site.world, MANY, SIZE)
    site.ports[EGRESS] = {"ecn": {}}
    without = fabric.traffic(site.world, MANY, SIZE)
    assert sum(flow.pfc_frames for flow in without) > 2 * sum(flow.pfc_frames for flow in with_ecn)
    assert without[0].retransmitted == 0


def test_incast_on_an_untouched_switch_drops(site: Site) -> None:
    site.state = UNTOUCHED
    flows = fabric.traffic(site.world, MANY, SIZE)
    assert all(flow.retransmitted > 0 and flow.pfc_frames == 0 for flow in flows)
    assert port(site, EGRESS)["drops"] == sum(flow.retransmitted for flow in flows)
    assert counters(site, "node1/NPU1")["roce_new_pkt_rty_num"] == flows[0].retransmitted
    assert "mac_rx_pfc_pkt_num" not in counters(site, "node1/NPU1")


def test_a_flow_that_cannot_go_is_told_and_counts_nowhere(site: Site) -> None:
    with site.change("node1", "NPU1") as net:
        net["link_admin"] = "down"
    flows = fabric.traffic(site.world, MANY, SIZE)
    assert (flows[0].rate, flows[0].packets, flows[0].seconds) == (0.0, 0, 0.0)
    assert "node1/NPU1: link is shut down" in flows[0].path.reasons
    assert counters(site, "node1/NPU1") == {}
    assert flows[1].rate == pytest.approx(24.5e9 / 7, rel=2e-3)


def test_all_to_all_over_24_ranks_is_quick(site: Site) -> None:
    ends = [f"node{n}/NPU{i}" for n in (1, 2, 3) for i in range(1, 9)]
    flows = fabric.traffic(site.world, [(a, b) for a in ends for b in ends if a[:5] != b[:5]], 1 << 20)
    assert len(flows) == 384
    assert all(flow.path.lossless for flow in flows)
