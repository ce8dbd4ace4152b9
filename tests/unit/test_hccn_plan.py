"""The order in which settings are written: whatever ports hold before, no call is refused and all end as planned."""

from __future__ import annotations

from typing import Any

import pytest
from hccn_helpers import plan
from hypothesis import given, settings
from hypothesis import strategies as st
from npuforge.ascend import hccn_conf, hccn_plan
from npuforge.ascend.hccn_plan import Port

POOL = [f"10.88.0.{n}" for n in range(111, 121)]
HELD = st.permutations(POOL).map(lambda pool: pool[:8])
MISSING = st.lists(st.booleans(), min_size=8, max_size=8)


def ports_of(held: list[str | None], planned: list[str] | None = None) -> list[Port]:
    wanted = plan()
    made = []
    for number, row in enumerate(wanted["ports"]):
        target = hccn_plan.planned_of(row, wanted)
        if planned is not None:
            target["address"] = planned[number]
        found: dict[str, Any] = {**target, "address": held[number], "netmask": held[number] and "255.255.255.0"}
        found["dscp_tc"] = {str(dscp): 3 if dscp == 33 else 0 for dscp in range(64)}
        kept = {
            key: hccn_plan.file_value(name, key, target) or ""
            for name in hccn_plan.ORDER
            for key in hccn_plan.KEYS[name]
        }
        made.append(Port(row["id"], number, target, found, kept, {}))
    return made


@settings(max_examples=300)
@given(held=HELD, planned=HELD, missing=MISSING)
def test_addresses_in_any_disorder_are_put_right_without_a_conflict(
    held: list[str], planned: list[str], missing: list[bool]
) -> None:
    before = [None if gone else address for address, gone in zip(held, missing, strict=True)]
    ports = ports_of(list(before), planned)
    now = dict(enumerate(before))
    steps = hccn_plan.steps(ports)
    for step in steps:
        if step.setting == "address":
            address = step.argv[5]
            assert address not in [other for number, other in now.items() if number != step.device]
            now[step.device] = address
    assert list(now.values()) == planned
    # One more write for each circle, none without.
    writes = sum(step.setting == "address" for step in steps)
    moved = sum(one != two for one, two in zip(before, planned, strict=True))
    assert writes == moved + circles(before, planned)
    order = [step.setting for step in steps]
    assert "address" not in order[writes:]
    assert {step.device for step in steps if step.setting == "gateway"} == {
        number for number in range(8) if before[number] != planned[number]
    }


def circles(before: list[str | None], planned: list[str]) -> int:
    """How often ports hold each other's planned addresses in a ring."""
    holder = {address: number for number, address in enumerate(before) if address is not None}
    seen: set[int] = set()
    found = 0
    for start in range(len(planned)):
        path: list[int] = []
        place: int | None = start
        while place is not None and place not in seen and place not in path:
            path.append(place)
            place = holder.get(planned[place])
        if place in path and before[start] != planned[start] and len(path[path.index(place) :]) > 1:
            found += 1
        seen.update(path)
    return found


def test_what_is_as_planned_needs_no_step() -> None:
    assert hccn_plan.steps(ports_of([f"10.88.0.{n}" for n in range(111, 119)])) == []


def test_a_setting_that_was_not_read_is_not_written_even_if_the_file_lacks_it() -> None:
    [port, *_] = ports_of([f"10.88.0.{n}" for n in range(111, 119)])
    found = {name: value for name, value in port.found.items() if name != "mtu_bytes"}
    assert hccn_plan.differing(port._replace(found=found, kept={})) == [
        name for name in hccn_plan.ORDER if name != "mtu_bytes"
    ]


@pytest.mark.parametrize(
    ("kept", "told"),
    [
        ("33:3,", []),
        ("46:1,33:3,", []),
        ("33:2,", ["node2 NPU1: /etc/hccn.conf has DSCP 33 in TC 2, planned 3"]),
        ("46:1,", ["node2 NPU1: /etc/hccn.conf has DSCP 33 in TC not set, planned 3"]),
        ("33=3", ["node2 NPU1: /etc/hccn.conf has dscp_tc_0=33=3, which the tool cannot read"]),
        (None, ["node2 NPU1: /etc/hccn.conf lacks dscp_tc_0=33:3,; a restart loses it"]),
    ],
)
def test_pairs_in_the_file(kept: str | None, told: list[str]) -> None:
    [port, *_] = ports_of([f"10.88.0.{n}" for n in range(111, 119)])
    values = {key: value for key, value in {**port.kept, "dscp_tc": kept}.items() if value is not None}
    assert hccn_plan.file_sentences(port._replace(kept=values), "dscp_tc") == told


@given(value=st.text(max_size=40), wanted=st.dictionaries(st.integers(0, 63).map(str), st.integers(0, 3), max_size=4))
def test_pairs_that_are_added_keep_the_others(value: str, wanted: dict[str, int]) -> None:
    before = hccn_conf.pairs(value)
    after = hccn_conf.pairs(hccn_conf.with_pairs(value, wanted))
    assert after == {**(before or {}), **wanted}
