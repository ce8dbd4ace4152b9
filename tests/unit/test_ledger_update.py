"""The asset ledger over several runs: swaps, moves, silence, and who differs."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

from evidence_helpers import bmc_facts, healthy, observed, run, unreachable
from hypothesis import given, settings
from hypothesis import strategies as st

from controller import contract
from controller.contract import Document, Observed
from controller.ledger import empty, update

LATER = "2026-11-25T06:00:00Z"
SECOND = "20261125T055900Z"
START = update(empty("twin"), run(), healthy())
Change = Callable[[dict[str, Document]], Any]


def next_run(change: Change, *, at: str = LATER, run_id: str = SECOND, base: Document = START) -> Document:
    """The ledger after a second run in which ``change`` has altered the facts of nodes (by name)."""
    nodes = {f"node{number}": bmc_facts(number) for number in (1, 2, 3)}
    change(nodes)
    items = [observed("bmc", name, facts, at=at) for name, facts in nodes.items()]
    ledger = update(base, run(run_id=run_id), items)
    assert contract.problems(ledger, "ledger") == []
    return ledger


def events(ledger: Document) -> list[tuple[Any, ...]]:
    return [(e["event"], e["kind"], e["device"], e["slot"], e["serial"]) for e in ledger["events"]]


def item(ledger: Document, device: str, slot: str) -> Document:
    rows = [r for r in ledger["inventory_items"] if (r["device"], r["name"], r["status"]) == (device, slot, "active")]
    assert len(rows) == 1
    row: Document = rows[0]
    return row


def parts(nodes: dict[str, Document], node: str, kind: str) -> list[Document]:
    found: list[Document] = nodes[node][kind]["parts"]
    return found


def take_out(nodes: dict[str, Document], node: str, kind: str, slot: str) -> None:
    """The part is gone, and its slot is reported as empty."""
    group = nodes[node][kind]
    part = next(part for part in group["parts"] if part["slot"] == slot)
    part.update(state="absent", serial=None, model=None, manufacturer=None, part_number=None, health=None)
    group["present_count"] -= 1
    group["absent_count"] += 1


def test_the_first_run_lists_everything_under_netbox_names() -> None:
    assert contract.problems(START, "ledger") == []
    assert len(START["devices"]) == 4
    assert len(START["inventory_items"]) == 3 * (4 + 8 + 32 + 6 + 8 + 4 + 1)
    assert START["events"] == []
    assert START["outliers"] == []
    node = START["devices"][0]
    assert node["key"] == "server:2102314TWN10P0000001"
    assert (node["name"], node["role"], node["rack"], node["position"]) == ("node1", "server", "R01", 8)
    assert (node["bios_version"], node["bmc_firmware"]) == ("7.44", "5.03.02.11")
    npu = item(START, "node1", "NPU3")
    assert npu["key"] == "npu:N0013"
    assert (npu["role"], npu["description"], npu["firmware"], npu["discovered"]) == ("NPU", "Ascend 910B3", "7.5", True)
    fan = item(START, "node1", "Fan1")
    assert (fan["key"], fan["serial_missing"]) == ("fan@node1/Fan1", True)


def test_the_same_run_again_changes_nothing() -> None:
    assert update(START, run(), healthy()) == START


def test_the_given_ledger_is_not_changed() -> None:
    before = copy.deepcopy(START)
    next_run(lambda nodes: take_out(nodes, "node2", "drive", "Disk3"))
    assert before == START


def test_a_quiet_second_run_only_moves_last_seen() -> None:
    ledger = next_run(lambda nodes: None)
    assert ledger["events"] == []
    assert {row["last_seen"]["run_id"] for row in ledger["inventory_items"]} == {SECOND}
    assert {row["first_seen"]["run_id"] for row in ledger["inventory_items"]} == {"20261124T060405Z"}
    assert next_run(lambda nodes: None, base=ledger) == ledger


def test_a_part_that_was_taken_out() -> None:
    ledger = next_run(lambda nodes: take_out(nodes, "node2", "memory", "DIMM12"))
    assert events(ledger) == [("removed", "memory", "node2", "DIMM12", "D00212")]
    gone = next(row for row in ledger["inventory_items"] if row["key"] == "memory:D00212")
    assert gone["status"] == "offline"
    assert gone["last_seen"]["run_id"] == "20261124T060405Z"
    back = next_run(lambda nodes: None, base=ledger, at="2026-11-26T06:00:00Z", run_id="20261126T055900Z")
    assert events(back)[1:] == [("returned", "memory", "node2", "DIMM12", "D00212")]


def test_a_part_that_was_swapped_for_a_new_one() -> None:
    ledger = next_run(lambda nodes: parts(nodes, "node2", "drive")[3].update(serial="NEW1"))
    assert sorted(events(ledger)) == [
        ("appeared", "drive", "node2", "Disk3", "NEW1"),
        ("removed", "drive", "node2", "Disk3", "H0023"),
    ]
    assert item(ledger, "node2", "Disk3")["serial"] == "NEW1"
    again = next_run(lambda nodes: parts(nodes, "node2", "drive")[3].update(serial="NEW1"), base=ledger)
    assert again == ledger


def test_two_parts_that_changed_places_across_nodes() -> None:
    def change(nodes: dict[str, Document]) -> None:
        first, second = parts(nodes, "node1", "npu")[0], parts(nodes, "node2", "npu")[4]
        first["serial"], second["serial"] = second["serial"], first["serial"]

    ledger = next_run(change)
    moves = [(e["event"], e["serial"], e["from"], e["to"]) for e in ledger["events"]]
    assert sorted(moves) == [
        ("moved", "N0011", "node1 NPU1", "node2 NPU5"),
        ("moved", "N0025", "node2 NPU5", "node1 NPU1"),
    ]
    assert len(ledger["inventory_items"]) == len(START["inventory_items"])


def test_new_firmware_of_a_part_and_of_a_device() -> None:
    def change(nodes: dict[str, Document]) -> None:
        parts(nodes, "node3", "drive")[0]["firmware"] = "2000"
        nodes["node3"]["bios"]["version"] = "7.50"

    ledger = next_run(change)
    assert sorted((e["event"], e["kind"], e["device"], e["to"]) for e in ledger["events"]) == [
        ("firmware_changed", "drive", "node3", "2000"),
        ("firmware_changed", "server", "node3", "BIOS 7.50, BMC 5.03.02.11"),
    ]


def test_a_bmc_that_does_not_answer_removes_nothing() -> None:
    def change(nodes: dict[str, Document]) -> None:
        nodes["node2"] = unreachable()

    ledger = next_run(change)
    assert ledger["events"] == []
    assert {row["status"] for row in ledger["inventory_items"]} == {"active"}
    assert item(ledger, "node2", "NPU1")["last_seen"]["run_id"] == "20261124T060405Z"


def test_a_kind_that_could_not_be_seen_removes_nothing() -> None:
    ledger = next_run(lambda nodes: nodes["node2"].update(npu=None))
    assert ledger["events"] == []


def test_a_list_that_was_not_read_to_its_end_removes_nothing_by_silence() -> None:
    def change(nodes: dict[str, Document]) -> None:
        group = nodes["node2"]["drive"]
        group["present_count"] = group["absent_count"] = None
        group["parts"] = group["parts"][:2]

    assert next_run(change)["events"] == []

    def emptied(nodes: dict[str, Document]) -> None:
        take_out(nodes, "node2", "drive", "Disk1")
        change(nodes)

    assert events(next_run(emptied)) == [("removed", "drive", "node2", "Disk1", "H0021")]


def test_a_serial_that_cannot_be_read_this_time_is_the_same_part() -> None:
    def change(nodes: dict[str, Document]) -> None:
        for part in parts(nodes, "node1", "memory"):
            part.update(serial=None, model=None)

    ledger = next_run(change)
    assert ledger["events"] == []
    row = item(ledger, "node1", "DIMM07")
    assert (row["serial"], row["description"]) == ("D0017", "DDR4")


def test_a_serial_that_is_read_for_the_first_time_is_the_same_part() -> None:
    ledger = next_run(lambda nodes: parts(nodes, "node1", "fan")[0].update(serial="F1"))
    assert ledger["events"] == []
    row = item(ledger, "node1", "Fan1")
    assert (row["key"], row["serial_missing"], row["first_seen"]["run_id"]) == ("fan:F1", False, "20261124T060405Z")


def test_two_servers_with_one_serial_stay_two_and_are_flagged() -> None:
    def change(nodes: dict[str, Document]) -> None:
        nodes["node2"]["identity"]["serial"] = nodes["node1"]["identity"]["serial"]

    ledger = next_run(change)
    active = [(row["key"], row["serial_shared"]) for row in ledger["devices"] if row["status"] == "active"]
    assert ("server:2102314TWN10P0000001", False) in active
    assert ("server:2102314TWN10P0000001@node2", True) in active
    assert {row["status"] for row in ledger["inventory_items"]} == {"active"}
    assert next_run(change, base=ledger) == ledger


def test_a_replaced_chassis_is_one_event_and_not_a_hundred() -> None:
    def change(nodes: dict[str, Document]) -> None:
        nodes["node2"] = bmc_facts(9)

    ledger = next_run(change)
    assert events(ledger) == [("replaced", "server", "node2", None, "2102314TWN10P0000002")]
    assert item(ledger, "node2", "NPU1")["serial"] == "N0091"
    gone = [row for row in ledger["inventory_items"] if row["status"] == "offline"]
    assert len(gone) == 4 + 8 + 32 + 6 + 4 + 1  # all but the fans, which have no serial numbers


def test_servers_that_changed_names_keep_their_parts() -> None:
    def change(nodes: dict[str, Document]) -> None:
        nodes["node1"], nodes["node2"] = nodes["node2"], nodes["node1"]

    ledger = next_run(change)
    renamed = [(e["from"], e["to"]) for e in ledger["events"] if e["event"] == "renamed"]
    assert sorted(renamed) == [("node1", "node2"), ("node2", "node1")]
    assert {e["event"] for e in ledger["events"]} <= {"renamed", "moved"}
    assert len([row for row in ledger["devices"] if row["status"] == "active"]) == 4


def test_an_older_run_does_not_turn_time_back() -> None:
    newer = next_run(lambda nodes: take_out(nodes, "node2", "drive", "Disk3"))
    again = update(newer, run(), healthy())
    assert again["events"] == newer["events"]
    assert again["inventory_items"] == newer["inventory_items"]
    assert (again["updated_at"], again["run_id"]) == (LATER, SECOND)


def test_a_run_without_devices_changes_nothing() -> None:
    silent = [observed("bmc", f"node{number}", unreachable(), at=LATER) for number in (1, 2, 3)]
    assert update(START, run(run_id=SECOND), silent) == START


def test_simulated_evidence_stamps_the_ledger_for_good() -> None:
    items = healthy(at=LATER)
    items[0].document["provenance"] = "simulated"
    ledger = update(START, run(run_id=SECOND), items)
    assert ledger["provenance"] == "simulated"
    assert {row["provenance"] for row in ledger["inventory_items"] if row["device"] == "node1"} == {"simulated"}
    assert {row["provenance"] for row in ledger["inventory_items"] if row["device"] == "node2"} == {"hardware"}


def outliers(change: Change) -> list[tuple[Any, ...]]:
    return [(r["device"], r["slot"], r["field"], r["observed"], r["majority"]) for r in next_run(change)["outliers"]]


def test_node2_differs_in_dimm_12() -> None:
    def change(nodes: dict[str, Document]) -> None:
        parts(nodes, "node2", "memory")[12].update(capacity_mib=16384)

    assert outliers(change) == [("node2", "DIMM12", "capacity_mib", "16384", "32768")]
    text = next_run(change)["outliers"][0]["text"]
    assert text["en"] == "node2 differs in DIMM12 capacity (MiB): 16384, the 2 others 32768"
    assert text["zh"] == "node2 DIMM12 容量(MiB)为16384，其余2台为32768"


def test_a_slot_that_only_one_server_has_empty() -> None:
    rows = next_run(lambda nodes: take_out(nodes, "node3", "npu", "NPU3"))["outliers"]
    assert [(row["device"], row["slot"], row["field"]) for row in rows] == [("node3", "NPU3", "fitted")]
    assert rows[0]["text"]["en"] == "node3 lacks NPU3, which the 2 others have"


def test_equal_differences_of_many_slots_are_one_row() -> None:
    def change(nodes: dict[str, Document]) -> None:
        for part in parts(nodes, "node2", "memory"):
            part["model"] = "DDR5"

    rows = next_run(change)["outliers"]
    assert [(row["device"], row["field"], len(row["slots"])) for row in rows] == [("node2", "model", 32)]
    assert rows[0]["slot"].endswith("... (32)")


def test_bios_versions_without_a_majority_are_shown_without_a_winner() -> None:
    def change(nodes: dict[str, Document]) -> None:
        for number, node in enumerate(nodes.values()):
            node["bios"]["version"] = f"7.{number}"

    assert outliers(change) == [("node1, node2, node3", None, "bios_version", "7.0 / 7.1 / 7.2", None)]


def test_what_was_not_seen_neither_votes_nor_differs() -> None:
    def change(nodes: dict[str, Document]) -> None:
        nodes["node1"].update(npu=None)
        nodes["node2"]["bios"]["version"] = None
        nodes["node3"]["drive"].update(present_count=None, parts=nodes["node3"]["drive"]["parts"][:3])

    assert outliers(change) == []


def test_servers_of_different_profiles_are_not_compared() -> None:
    the_run = run()
    the_run["inventory"]["profiles"]["node2"] = "atlas_800i_a2"
    items = healthy()
    items[1].document["facts"]["bios"]["version"] = "9.9"
    assert update(empty("twin"), the_run, items)["outliers"] == []


JUNK = st.one_of(st.none(), st.text(max_size=5), st.integers(), st.lists(st.none(), max_size=2), st.just({}))


@settings(deadline=None, max_examples=40)  # the machine may be busy
@given(st.dictionaries(st.sampled_from(list(bmc_facts())), JUNK, min_size=1, max_size=4), st.randoms())
def test_junk_in_facts_neither_crashes_nor_removes_what_it_does_not_speak_of(
    junk: Document, chance: random.Random
) -> None:
    items: list[Observed] = healthy(at=LATER)
    facts = items[1].document["facts"]
    kind = chance.choice(["npu", "memory", "drive"])
    facts[kind]["parts"][0] = chance.choice([None, "x", {}, {"slot": 7}, {"slot": "Disk0", "state": "?"}])
    facts.update(junk)
    ledger = update(START, run(run_id=SECOND), items)
    assert contract.problems(ledger, "ledger") == []
    touched = {*junk, kind}
    lost = [row for row in ledger["inventory_items"] if row["status"] != "active"]
    assert {row["device"] for row in lost} <= {"node2"}
    assert not [row for row in lost if row["kind"] not in touched]
    assert update(ledger, run(run_id=SECOND), items) == ledger
