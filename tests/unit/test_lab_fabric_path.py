"""Which causes break a path of the twin's fabric, where they are found, and how much is left."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab import fabric
from lab.fabric import Fabric
from lab.fabric import Path as Way
from tests.unit.lab_npu_helpers import UNTOUCHED, Site, address
from tests.unit.lab_npu_helpers import site as make_site

A, B = "node1/NPU3", "node2/NPU3"
PORT_A, PORT_B = "400GE1/0/2:1", "400GE1/0/6:1"
HEALTHY = 24.5e9


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    made = make_site(tmp_path, monkeypatch)
    made.configure()
    return made


def path(site: Site, source: str = A, target: str = B, **options: Any) -> Way:
    return fabric.path(site.world, source, target, **options)


def set_net(site: Site, end: str, **values: Any) -> None:
    with site.change(*end.split("/")) as net:
        net.update(values)


def set_conf(site: Site, end: str, **values: Any) -> None:
    with site.change(*end.split("/")) as net:
        net["conf"].update(values)


def set_optics(site: Site, end: str, **values: Any) -> None:
    with site.change(*end.split("/")) as net:
        net["optics"].update(values)


def test_every_pair_of_a_healthy_fabric_is_fast_and_lossless(site: Site) -> None:
    net = Fabric.of(site.world)
    ends = [(node, f"NPU{i}") for node in net.nodes for i in range(1, 9)]
    for source in ends:
        for target in ends:
            if source[0] != target[0]:
                way = net.path(source, target)
                assert way.reasons == ()
                assert way.lossless and way.connected and way.loss == 0 and way.queue == 4 and way.ecn
                assert way.rate == pytest.approx(HEALTHY, rel=1.5e-3)
                assert way.rate > 190e9 / 8


def test_across_rails_is_a_little_slower(site: Site) -> None:
    def mean(target: str) -> float:
        return sum(path(site, A, target, run=run).rate for run in range(40)) / 40

    assert 0.999 < mean("node2/NPU5") / mean(B) < 1.0


CONNECTION: list[tuple[str, Callable[[Site], None], str]] = [
    ("admin", lambda s: set_net(s, B, link_admin="down"), "node2/NPU3: link is shut down"),
    ("tool", lambda s: set_conf(s, B, link="down"), "node2/NPU3: link is shut down"),
    ("no module", lambda s: set_optics(s, A, present=False), "node1/NPU3: no optical module"),
    ("no optics", lambda s: set_net(s, A, optics=None), "node1/NPU3: no optical module"),
    ("dark", lambda s: set_optics(s, A, rx_power_mw=0.001), "node1/NPU3: no light"),
    ("fec", lambda s: set_net(s, B, fec="off"), "node2/NPU3: FEC off, switch port rs"),
    ("no address", lambda s: set_conf(s, B, address=None, netmask=None), "no address"),
    ("no own address", lambda s: set_conf(s, A, address=None, netmask=None), "node1/NPU3 has no route"),
    ("taken address", lambda s: set_conf(s, B, address=address(1, 1)), "10.88.0.101 is not node2/NPU3"),
    ("other network", lambda s: set_conf(s, B, address="10.99.0.9"), "node2/NPU3 has no route to 10.88.0.103"),
    ("narrow mask", lambda s: set_conf(s, A, netmask="255.255.255.252", gateway=None), "node1/NPU3 has no route"),
    ("their mask", lambda s: set_conf(s, B, netmask="255.255.255.252", gateway=None), "node2/NPU3 has no route"),
]


@pytest.mark.parametrize(("cause", "reason"), [c[1:] for c in CONNECTION], ids=[c[0] for c in CONNECTION])
@pytest.mark.parametrize("back", [False, True])
def test_what_cuts_a_path_cuts_it_both_ways_and_no_other(
    site: Site, cause: Callable[[Site], None], reason: str, back: bool
) -> None:
    cause(site)
    way = path(site, B, A) if back else path(site)
    assert not way.connected
    assert way.rate == 0
    if not back:
        assert any(reason in text for text in way.reasons), way.reasons
    assert path(site, "node1/NPU4", "node2/NPU4").lossless


@pytest.mark.parametrize(
    ("kind", "name", "values"),
    [
        ("switches", "sw1", {"power": "off"}),
        ("nodes", "node2", {"power": "off"}),
    ],
)
def test_without_power_nothing_goes(site: Site, kind: str, name: str, values: dict[str, Any]) -> None:
    with site.world.update(name, kind) as document:
        document.update(values)
    assert not path(site).connected


def test_a_port_that_is_down_or_not_plugged(site: Site) -> None:
    site.ports[PORT_B] = {"shutdown": True}
    assert not path(site).connected
    site.ports.clear()
    with site.switch_port(PORT_B) as port:
        port["neighbor"] = None
    assert path(site).reasons == ("node2/NPU3: no cable",)


def test_a_narrow_mask_is_helped_by_a_gateway_that_is_there(site: Site) -> None:
    set_conf(site, A, netmask="255.255.255.128", gateway="10.88.0.1")
    set_conf(site, B, address="10.88.0.200")
    assert path(site).connected
    set_conf(site, A, gateway="10.88.0.99")
    assert not path(site).connected


LOSSES: list[tuple[str, Callable[[Site], None], str]] = [
    ("trust", lambda s: s.ports.update({PORT_B: {"trust_dscp": False}}), f"sw1 {PORT_B}: DSCP is not trusted"),
    ("queue", lambda s: s.ports.update({PORT_A: {"queue_of": {33: 1}}}), f"sw1 {PORT_A}: no PFC for priority 1"),
    ("pfc", lambda s: s.ports.update({PORT_A: {"pfc_enabled": False}}), f"sw1 {PORT_A}: PFC is off"),
    ("priority", lambda s: s.ports.update({PORT_A: {"pfc_priorities": [3]}}), f"{PORT_A}: no PFC for priority 4"),
    ("deadlock", lambda s: s.ports.update({PORT_A: {"turned_off": [4]}}), "a deadlock turned PFC off for priority 4"),
    ("headroom", lambda s: s.ports.update({PORT_B: {"headroom": False}}), f"sw1 {PORT_B}: no headroom"),
    ("xoff", lambda s: s.ports.update({PORT_A: {"xoff_ok": False}}), f"sw1 {PORT_A}: xoff too high"),
    ("npu pfc", lambda s: set_conf(s, B, bitmap=[0] * 8), "node2/NPU3: no PFC for priority 4"),
    ("npu pfc 3", lambda s: set_conf(s, A, bitmap=[0, 0, 0, 1, 0, 0, 0, 0]), "node1/NPU3: no PFC for priority 4"),
    ("npu dscp", lambda s: set_conf(s, A, dscp_tc={}), "node1/NPU3: DSCP 33 is in traffic class 0"),
    ("npu tc", lambda s: set_conf(s, B, dscp_tc={"33": 1}), "node2/NPU3: DSCP 33 is in traffic class 1"),
]


@pytest.mark.parametrize(("cause", "reason"), [c[1:] for c in LOSSES], ids=[c[0] for c in LOSSES])
def test_one_broken_link_of_the_chain_makes_the_path_lossy(
    site: Site, cause: Callable[[Site], None], reason: str
) -> None:
    cause(site)
    for way in (path(site), path(site, B, A)):
        assert way.connected and not way.lossless
        assert way.rate < 190e9 / 8
        assert way.loss > 0
        assert any(reason in text for text in way.reasons), way.reasons
    assert path(site, "node1/NPU4", "node3/NPU4").lossless


def test_an_untouched_switch_leaves_about_half(site: Site) -> None:
    site.state = UNTOUCHED
    rates = [path(site, f"node1/NPU{i}", f"node3/NPU{j}").rate / HEALTHY for i in range(1, 9) for j in range(1, 9)]
    assert 0.38 < min(rates) < 0.45
    assert 0.55 < max(rates) < 0.62


@pytest.mark.parametrize(
    ("cause", "low", "high"),
    [
        (lambda s: set_net(s, A, capability_mbps=100000), 0.49, 0.51),
        (lambda s: set_net(s, A, slow_factor={"node2": 0.7}), 0.69, 0.71),
        (lambda s: set_conf(s, B, mtu=1500), 0.93, 0.96),
        (lambda s: set_optics(s, A, rx_power_mw=0.05), 0.98, 0.999),
        (lambda s: set_optics(s, A, snr_db=6.0), 0.98, 0.999),
    ],
    ids=["100G", "slow pair", "mtu", "weak light", "snr"],
)
def test_what_slows_without_the_switch(site: Site, cause: Callable[[Site], None], low: float, high: float) -> None:
    cause(site)
    for way in (path(site), path(site, B, A)):
        assert low < way.rate / HEALTHY < high
        assert way.lossless
        assert way.reasons
    assert path(site, A, "node3/NPU3").rate / HEALTHY > (0.99 if "slow" in str(path(site).reasons) else 0.4)


def test_no_fec_at_both_ends_is_up_but_damages(site: Site) -> None:
    set_net(site, A, fec="off")
    with site.switch_port(PORT_A) as port:
        port["fec"] = "off"
    way = path(site)
    assert way.connected and way.loss > 0 and "node1/NPU3: no FEC" in way.reasons
    [flow] = fabric.traffic(site.world, [(A, B)], 1 << 30)
    assert flow.retransmitted > 0
    with site.switch_port(PORT_A) as port:
        assert port["counters"]["crc_errors"] > 0


def test_a_missing_ecn_is_no_loss(site: Site) -> None:
    site.ports[PORT_B] = {"ecn": {}}
    assert path(site).lossless and not path(site).ecn


def test_tls_switches_that_differ_are_told_but_carry_data(site: Site) -> None:
    set_conf(site, B, tls_enable=1)
    way = path(site)
    assert way.connected and not way.tls_equal
    assert path(site, A, "node3/NPU3").tls_equal


def test_cables_that_are_swapped_still_work_by_address(site: Site) -> None:
    with site.world.update("sw1", "switches") as switch:
        one, two = (next(p for p in switch["ports"] if p["name"] == name) for name in (PORT_A, PORT_B))
        one["neighbor"], two["neighbor"] = two["neighbor"], one["neighbor"]
    assert path(site).lossless
    site.ports[PORT_B] = {"trust_dscp": False}
    assert f"sw1 {PORT_B}: DSCP is not trusted" in path(site, A, "node3/NPU3").reasons  # node1 is there now
    assert path(site, B, "node3/NPU3").lossless


def test_the_same_question_has_the_same_answer(site: Site) -> None:
    assert path(site) == path(site)
    assert path(site, run=1).rate != path(site, run=2).rate


def test_nothing_goes_to_oneself(site: Site) -> None:
    assert not path(site, A, A).connected
