"""What the simulated chips carry: figures of a healthy server, and what each cause takes away from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab import chips, physics
from lab.hardware import Document, Plan, build_site
from tests.unit.lab_chips_helpers import chip, node

PUBLISHED = {"d2d": 1538.0, "h2d": 24.8, "d2h": 27.6}
SLOTS = [f"NPU{number}" for number in range(1, 9)]


@pytest.mark.parametrize(("way", "published"), PUBLISHED.items())
def test_healthy_chips_reach_the_published_rates_and_differ_a_little(way: str, published: float) -> None:
    rates = [chips.rate(npu, way) for npu in node()["npus"]]
    assert all(abs(rate / published - 1) < 0.01 for rate in rates)
    assert len(set(rates)) == 8
    assert rates == [chips.rate(npu, way) for npu in node()["npus"]]


def healthy(document: Document, npu: Mapping[str, Any]) -> bool:
    return all(link.up for link in chips.links(document, npu))


def pairs(document: Document) -> dict[tuple[str, str], tuple[float, float]]:
    return {
        (one["slot"], other["slot"]): chips.pair(document, one, other)
        for one in document["npus"]
        for other in document["npus"]
        if one is not other
    }


def test_healthy_pairs_reach_the_published_rates_both_ways_the_same_from_either_side() -> None:
    found = pairs(node())
    assert len(found) == 56
    assert all(abs(one / 26.2 - 1) < 0.01 and abs(two / 50.8 - 1) < 0.01 for one, two in found.values())
    assert all(found[a, b][1] == found[b, a][1] for a, b in found)
    assert any(found[a, b][0] != found[b, a][0] for a, b in found)


def test_every_chip_has_seven_links_of_224_gbits_to_the_seven_others() -> None:
    document = node()
    for npu in document["npus"]:
        links = chips.links(document, npu)
        assert [link.number for link in links] == list(range(1, 8))
        assert {link.peer for link in links} == set(SLOTS) - {npu["slot"]}
        assert {(link.lanes, link.gbits, link.up) for link in links} == {(4, 224, True)}


def test_a_link_that_one_end_says_is_down_is_down_for_both() -> None:
    document = node()
    next(port for port in chip(document, "NPU3")["hccs"] if port["peer"] == "NPU5")["ok"] = False
    for own, peer in (("NPU3", "NPU5"), ("NPU5", "NPU3")):
        link = chips.link(document, chip(document, own), peer)
        assert link is not None
        assert (link.up, link.lanes, link.gbits) == (False, 0, 0)
        assert not healthy(document, chip(document, own))
    assert healthy(document, chip(document, "NPU4"))
    found = pairs(document)
    slow = {ends for ends, (one, _) in found.items() if one < 20}
    assert slow == {("NPU3", "NPU5"), ("NPU5", "NPU3")}
    assert found["NPU3", "NPU5"][0] == pytest.approx(9.6, rel=0.01)


def test_a_slow_link_slows_its_pair_only_and_stays_up() -> None:
    document = node()
    next(port for port in chip(document, "NPU3")["hccs"] if port["peer"] == "NPU5")["factor"] = 0.8
    found = pairs(document)
    assert found["NPU5", "NPU3"] == pytest.approx((26.2 * 0.8, 50.8 * 0.8), rel=0.01)
    assert sorted(ends for ends, (one, _) in found.items() if one < 25) == [("NPU3", "NPU5"), ("NPU5", "NPU3")]
    assert all(healthy(document, npu) for npu in document["npus"])


def test_the_links_to_a_chip_that_is_gone_are_down() -> None:
    document = node()
    chip(document, "NPU6")["present"] = False
    down = [(npu["slot"], link.peer) for npu in document["npus"] for link in chips.links(document, npu) if not link.up]
    assert {peer for own, peer in down if own != "NPU6"} == {"NPU6"}
    assert len([own for own, _ in down if own != "NPU6"]) == 7


def test_each_cause_slows_what_it_should() -> None:
    document = node()
    npu = chip(document, "NPU3")
    before = {way: chips.rate(npu, way) for way in PUBLISHED}
    npu["hbm_factor"] = 0.7
    assert chips.rate(npu, "d2d") == pytest.approx(before["d2d"] * 0.7)
    assert [chips.rate(npu, way) for way in ("h2d", "d2h")] == [before["h2d"], before["d2h"]]
    npu.update(hbm_factor=1.0, pcie_factor={"h2d": 0.5, "d2h": 1.0})
    assert chips.rate(npu, "h2d") == pytest.approx(before["h2d"] / 2)
    assert [chips.rate(npu, way) for way in ("d2d", "d2h")] == [before["d2d"], before["d2h"]]
    npu.update(pcie_factor={"h2d": 1.0, "d2h": 1.0}, temperature_celsius=97)
    assert chips.rate(npu, "d2d") == pytest.approx(before["d2d"] / 2)
    assert chips.rate(npu, "h2d") == before["h2d"]


def test_somebody_elses_process_takes_its_share_of_everything_and_holds_memory() -> None:
    document = node()
    npu = chip(document, "NPU3")
    before = chips.rate(npu, "d2d"), chips.pair(document, npu, chip(document, "NPU1"))[0]
    npu["processes"] = [{"pid": 1, "name": "", "memory_mib": 28672, "listed": False}]
    assert chips.rate(npu, "d2d") < 0.7 * before[0]
    assert chips.pair(document, chip(document, "NPU1"), npu)[0] < 0.7 * before[1]
    assert chips.memory_used_mib(npu, 3377) == 32049
    assert chips.listed(npu) == []
    npu["processes"][0]["memory_mib"] = 99999
    assert chips.memory_used_mib(npu, 3377) == 65536


@pytest.mark.parametrize(("health", "bmc"), [("OK", "OK"), ("Warning", "Warning"), ("Alarm", "Critical")])
def test_the_bmc_knows_three_healths(health: str, bmc: str) -> None:
    document = node()
    chip(document, "NPU3")["health"] = health
    seen = physics.view(document)
    assert next(part.health for part in seen.npus if part.slot == "NPU3") == bmc
    assert seen.rollups["npu"] == bmc


def test_only_a_critical_or_missing_chip_cannot_be_opened() -> None:
    npu = chip(node(), "NPU1")
    assert [chips.usable({**npu, "health": word}) for word in ("OK", "Warning", "Alarm", "Critical")] == [
        True,
        True,
        True,
        False,
    ]
    assert not chips.usable({**npu, "present": False})


def test_a_host_without_a_driver() -> None:
    document = node()
    assert chips.driver_loaded({**document, "npu_driver": {"loaded": "24.1.0.3"}})
    assert not chips.driver_loaded({**document, "npu_driver": {"loaded": None}})


@given(st.integers(1, 2**29), st.integers(1, 2**29), st.sampled_from(["h2d", "d2h", "p2p"]))
def test_larger_copies_take_longer_and_are_never_faster_than_the_rate(one: int, other: int, way: str) -> None:
    small, large = sorted((one, other))
    short, long = chips.seconds(small, 25, way), chips.seconds(large, 25, way)
    assert short <= long
    assert small / short <= large / long * (1 + 1e-9)
    assert large / long <= 25e9


def test_every_site_has_the_same_shape_of_chips() -> None:
    shapes = {
        tuple(sorted(npu)) for document in build_site(Plan(nodes=3, dialect="mixed"))[1] for npu in document["npus"]
    }
    assert len(shapes) == 1
