"""bmc_info against the simulated BMCs of ``lab``, in both dialects: two independent readings of the vendors' documents.

The lab's own catalogue of faults is walked: each planted cause must show in the facts, and heal without a trace. It
runs on loopback and needs neither root nor the twin.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from npuforge.bmc import apply, power
from npuforge.bmc.client import Client
from npuforge.bmc.parse import KINDS
from npuforge.bmc.read import Job, read
from npuforge.bmc.wire import Limits, Target

from lab.bmc.server import Fleet
from lab.faults import Engine
from lab.hardware import Plan, build_site
from lab.power import WorldBackend
from lab.world import World

PASSWORD = "fleet-Pa55word-19c4"
LIMITS = Limits(timeout=8.0, deadline=40.0)
COUNTS = {"cpu": 4, "npu": 8, "memory": 32, "drive": 6, "fan": 8, "psu": 4, "nic": 1}


@dataclass
class Site:
    """A started fleet: node1 speaks openUBMC, node2 iBMC."""

    world: World
    fleet: Fleet
    faults: Engine

    def target(self, node: str, **changes: Any) -> Target:
        parts = urlsplit(self.fleet.base_url(node))
        target = Target(parts.hostname or "", "npuforge", PASSWORD, parts.port or 443, str(self.fleet.ca_file))
        return target._replace(**changes)

    def read(self, node: str, limits: Limits = LIMITS) -> Any:
        result = read(Job(node, self.target(node), limits, "never"))
        assert PASSWORD not in json.dumps(result)
        return result["observation"]["facts"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    state = tmp_path_factory.mktemp("fleet")
    world = World(state / "world")
    world.create(*build_site(Plan(nodes=2, dialect="mixed")))
    fleet = Fleet(world, state, WorldBackend(), password=PASSWORD, ephemeral=True)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(fleet.start(), loop).result(30)
    yield Site(world, fleet, Engine(world))
    asyncio.run_coroutine_threadsafe(fleet.stop(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)


@pytest.fixture(params=["node1", "node2"], ids=["openubmc", "ibmc"])
def node(request: pytest.FixtureRequest, site: Site) -> Iterator[str]:
    yield request.param
    site.faults.heal_all()


def healthy(facts: Any) -> bool:
    seen = {kind: facts[kind]["present_count"] for kind in KINDS if facts[kind]}
    bad = [text for kind in KINDS if facts[kind] for text in facts[kind]["unhealthy"] + facts[kind]["unknown_health"]]
    return facts["reachable"] and seen == COUNTS and not bad and facts["post"]["state"] == "ok"


def test_a_healthy_machine_is_seen_whole(site: Site, node: str) -> None:
    facts = site.read(node)
    truth = site.world.read(node)
    assert healthy(facts), facts["notes"]
    assert facts["bmc"]["dialect"] == truth["bmc"]["dialect"]
    assert facts["identity"]["serial"] == truth["serial"]
    assert facts["bios"]["version"] == truth["bios"]["version"]
    assert facts["memory"]["total_mib"] == sum(dimm["capacity_mib"] for dimm in truth["dimms"])
    assert abs(facts["bmc"]["clock_offset_seconds"]) <= 2
    serials = {"npu": "npus", "memory": "dimms", "drive": "drives", "psu": "psus", "cpu": "cpus", "nic": "nics"}
    for kind, name in serials.items():
        seen = {(part["slot"], part["serial"]) for part in facts[kind]["parts"]}
        assert seen == {(part["slot"], part["serial"]) for part in truth[name]}, kind


def test_the_device_says_that_it_is_simulated(site: Site, node: str) -> None:
    assert read(Job(node, site.target(node), LIMITS, "never"))["observation"]["provenance"] == "simulated"


Expectation = Callable[[Any], bool]


def only_unhealthy(kind: str, word: str) -> Expectation:
    return lambda facts: [word in text for text in facts[kind]["unhealthy"]] == [True]


def one_less(kind: str) -> Expectation:
    return lambda facts: facts[kind]["present_count"] == COUNTS[kind] - 1 and facts[kind]["unhealthy"] == []


def note(where: str, word: str) -> Expectation:
    return lambda facts: any(item["where"] == where and word in item["problem"] for item in facts["notes"])


# fault -> what the facts must show. A fault that is not named here must be named in ELSEWHERE.
SHOWN: dict[str, Expectation] = {
    "npu_missing": one_less("npu"),
    "npu_warning": only_unhealthy("npu", "NPU5: Warning"),
    "cpu_absent": one_less("cpu"),
    "dimm_missing": one_less("memory"),
    "dimm_failed": only_unhealthy("memory", "Critical"),
    "drive_failed": only_unhealthy("drive", "Critical"),
    "drive_predictive_failure": lambda facts: len(facts["drive"]["failure_predicted"]) == 1,
    "fan_absent": one_less("fan"),
    "fan_below_threshold": lambda facts: len(facts["fan"]["below_threshold"]) == len(facts["fan"]["unhealthy"]) == 1,
    "psu_unplugged": lambda facts: len(facts["psu"]["without_input"]) == len(facts["psu"]["unhealthy"]) == 1,
    "psu_absent": one_less("psu"),
    "post_failed": lambda facts: facts["post"]["state"] == "failed",
    "bios_unknown_vendor": lambda facts: "Huawei" not in str(facts["bios"]["vendor_evidence"][:1]),
    "bios_version_differs": lambda facts: facts["bios"]["version"] == "7.38",
    "bmc_dead": lambda facts: facts["reachable"] is False,
    "bmc_wrong_password": note("reachable", "BMC refused the password"),
    "bmc_expired_certificate": note("reachable", "certificate expired on"),
    "bmc_unknown_ca": note("reachable", "certificate not accepted"),
    "bmc_error_body": lambda facts: facts["memory"] is None and note("memory", "error in the body")(facts),
    "bmc_503_three_times": healthy,
    "bmc_missing_member": lambda facts: (
        facts["memory"]["present_count"] is None and note("memory", "mainboardDIMM")(facts)
    ),
    "bmc_clock_off_by_a_year": lambda facts: abs(facts["bmc"]["clock_offset_seconds"] + 31536000) < 5,
}
ELSEWHERE = {
    "bmc_slow": "test_a_slow_bmc_is_read_as_far_as_it_goes",
    "duplicate_serial": "test_two_nodes_may_show_one_serial",
    "mainboard_swapped": "test_faults.py, since only the node itself shows it",
}


def test_every_fault_of_the_nodes_is_looked_for(site: Site) -> None:
    named = {name for name, fault in site.faults.catalogue.items() if fault.kind == "nodes" and "4.1.1" in fault.clause}
    assert named == set(SHOWN) | set(ELSEWHERE)


@pytest.mark.parametrize("fault", SHOWN)
def test_a_planted_fault_shows_in_the_facts_and_heals(site: Site, node: str, fault: str) -> None:
    site.faults.plant(node, fault)
    assert until(site, node, SHOWN[fault]) is None
    site.faults.heal(node)
    assert until(site, node, healthy) is None


def until(site: Site, node: str, shown: Expectation) -> Any:
    """``None`` once the facts show it; what they show instead after 10 s (the listeners follow the world)."""
    end = time.monotonic() + 10
    while True:
        facts = site.read(node)
        try:
            if shown(facts):
                return None
        except (TypeError, KeyError):
            pass  # a kind is null: not shown yet
        if time.monotonic() > end:
            kinds = {kind: facts[kind] and {**facts[kind], "parts": None} for kind in KINDS}
            return facts["reachable"], facts["post"], kinds, facts["notes"]
        time.sleep(0.5)


def test_a_slow_bmc_is_read_as_far_as_it_goes(site: Site, node: str) -> None:
    with site.world.update(node) as document:
        document["bmc"]["latency_seconds"] = 0.5
    try:
        started = time.monotonic()
        facts = site.read(node, Limits(timeout=3.0, deadline=2.6))
        assert time.monotonic() - started < 14
    finally:
        with site.world.update(node) as document:
            document["bmc"]["latency_seconds"] = 0.0
    assert not healthy(facts)
    assert any("the deadline of" in item["problem"] for item in facts["notes"])


def test_two_nodes_may_show_one_serial(site: Site) -> None:
    site.faults.plant("node1", "duplicate_serial")
    serials = [site.read(name)["identity"]["serial"] for name in ("node1", "node2")]
    site.faults.heal_all()
    assert serials[0] == serials[1]


def test_power_goes_off_and_on_and_boots_once(site: Site, node: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply, "_POLL_SECONDS", 0.1)

    def press(state: str | None, boot: str | None = None) -> list[Any]:
        with Client(site.target(node), LIMITS) as client:
            system = power.find_system(apply.read_systems(client, client.login()), None)
            steps = power.plan(system, state, boot)
            apply.run_steps(client, system, steps, 20)
            return steps

    assert len(press("off")) == 1
    facts = site.read(node)
    assert facts["power_state"] == facts["post"]["state"] == "off"
    assert not healthy(facts)
    assert press("off") == []
    assert len(press("on", "pxe")) == 2
    assert len(press(None, "pxe")) == 1  # the boot has used the first one up
    assert press(None, "pxe") == []
    assert len(press(None, "none")) == 1
    assert until(site, node, healthy) is None
