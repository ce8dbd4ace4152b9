"""The configuration store: candidate, running, saved; trial runs, reboots, roll-backs. With a clock of our own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.switch.config import SYSTEM, Edit, Tree, changes
from lab.switch.device import Device
from lab.switch.store import COMMITS_KEPT, FIRST_COMMIT, StoreError, Who
from tests.unit.lab_switch_helpers import Clock, device, enter, session

PORT = ("interface 400GE1/0/1:1",)
ME = Who("npuforge", "VTY 0", "s1")
OTHER = Who("colleague", "VTY 1", "s2")


def describe(text: str, port: int = 1) -> list[Edit]:
    return [Edit("set", (f"interface 400GE1/0/{port}:1",), "description", f"description {text}")]


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def switch(tmp_path, clock):
    return device(tmp_path, clock)


@pytest.fixture
def store(switch):
    return switch.store


paths = st.sampled_from([SYSTEM, PORT, ("dcb pfc",), ("diffserv domain ds1",), ("aaa", "domain default")])
edits = st.lists(
    st.builds(
        Edit,
        st.sampled_from(["set", "unset", "enter"]),
        paths,
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["a 1", "a 2", "b 1"]),
    ),
    max_size=12,
)


@given(edits)
def test_a_tree_survives_json(made):
    tree = Tree().after(made)
    assert Tree.from_json(tree.to_json()) == tree


@given(edits, edits)
def test_edits_in_two_steps_are_edits_in_one(first, second):
    assert Tree().after(first).after(second) == Tree().after([*first, *second])


@given(edits)
def test_edits_leave_the_original_alone_and_no_difference_is_no_change(made):
    tree = Tree().after(made)
    copy = Tree.from_json(tree.to_json())
    tree.after([Edit("set", SYSTEM, "x", "x 1")])
    assert tree == copy
    assert changes(tree, copy) == []


@given(edits, edits)
def test_changes_name_exactly_the_lines_that_differ(before, after):
    old, new = Tree().after(before), Tree().after(after)
    marked = changes(old, new)
    for path in {*old.views(), *new.views()}:
        for line in set(new.lines(path)) - set(old.lines(path)):
            assert f"+ {' ' * len(path)}{line}" in marked
        for line in set(old.lines(path)) - set(new.lines(path)):
            assert f"- {' ' * len(path)}{line}" in marked
    assert bool(marked) == (old != new)


def test_nested_views_are_indented_and_ports_are_counted_as_people_count():
    tree = Tree().after(
        [
            Edit("set", ("aaa", "domain default"), "x", "accounting-scheme default"),
            Edit("enter", ("interface 100GE1/0/10",)),
            Edit("enter", ("interface 100GE1/0/2",)),
            Edit("set", SYSTEM, "sysname", "sysname sw1"),
        ]
    )
    assert tree.text() == [
        "#", "sysname sw1",
        "#", "interface 100GE1/0/2",
        "#", "interface 100GE1/0/10",
        "#", "aaa", " domain default", "  accounting-scheme default",
        "#",
    ]  # fmt: skip


def test_removing_a_view_removes_what_is_in_it():
    tree = Tree().after([Edit("set", ("aaa", "domain default"), "x", "x")]).after([Edit("remove", ("aaa",))])
    assert tree == Tree()


def test_a_commit_runs_and_is_lost_by_a_reboot_unless_saved(store):
    store.commit(ME, describe("first"))
    store.save(ME.user)
    store.commit(ME, describe("second"))
    assert store.running().lines(PORT) == ["description second"]
    store.reboot()
    assert store.running().lines(PORT) == ["description first"]


def test_a_saved_configuration_that_cannot_be_loaded_starts_as_delivered(switch, clock):
    store = switch.store
    delivered = store.running()
    store.commit(ME, describe("saved"))
    store.save(ME.user)
    with switch.world.update("sw1", "switches") as document:
        document["flash_damaged"] = True
    assert store.saved().lines(PORT) == ["description saved"]  # it shows
    store.reboot()
    assert store.running() == delivered


def test_power_loss_is_a_reboot(switch, clock):
    switch.store.commit(ME, describe("unsaved"))
    booted = switch.store.state()["booted"]
    for power in ("off", "on"):
        clock.now += 60
        with switch.world.update("sw1", "switches") as document:
            document["power"] = power
        switch.store.tick()
    assert switch.store.running().lines(PORT) == []
    assert switch.store.state()["booted"] == booted + 120


def test_the_store_is_in_the_world_so_a_restarted_service_knows_it(switch, clock):
    switch.store.commit(ME, describe("kept"))
    again = Device(switch.world, "sw1", clock)
    assert again.store.running().lines(PORT) == ["description kept"]


def test_two_sessions_commit_on_top_of_each_other(store):
    """VRP8 does a session's edits on what runs when it commits: neither undoes the other's."""
    store.commit(ME, describe("mine", 1))
    store.commit(OTHER, describe("theirs", 2))
    running = store.running()
    assert running.lines(PORT) == ["description mine"]
    assert running.lines(("interface 400GE1/0/2:1",)) == ["description theirs"]


def test_a_trial_is_undone_when_its_time_is_over(store, clock):
    store.commit(ME, describe("before"))
    store.commit_trial(ME, describe("tried"), 120)
    clock.now += 119
    assert store.running().lines(PORT) == ["description tried"]
    clock.now += 1
    assert store.running().lines(PORT) == ["description before"]
    assert store.state()["trial"] is None


def test_a_commit_confirms_a_trial(store, clock):
    store.commit_trial(ME, describe("tried"), 60)
    store.commit(ME, [])
    clock.now += 3600
    assert store.running().lines(PORT) == ["description tried"]


def test_a_second_trial_starts_the_time_anew_and_goes_back_to_the_beginning(store, clock):
    store.commit(ME, describe("before"))
    store.commit_trial(ME, describe("one"), 60)
    clock.now += 50
    store.commit_trial(ME, describe("two"), 60)
    clock.now += 50
    assert store.running().lines(PORT) == ["description two"]
    clock.now += 10
    assert store.running().lines(PORT) == ["description before"]


def test_a_trial_ends_with_its_session_unless_it_persists(store):
    store.commit_trial(ME, describe("tried"), 600)
    store.end_session(OTHER.session)
    assert store.running().lines(PORT) == ["description tried"]
    store.end_session(ME.session)
    assert store.running().lines(PORT) == []
    store.commit_trial(ME, describe("kept"), 600, persist="p1")
    store.end_session(ME.session)
    assert store.running().lines(PORT) == ["description kept"]


def test_abort_trial(store):
    with pytest.raises(StoreError):
        store.abort_trial()
    store.commit_trial(ME, describe("tried"), 600)
    store.abort_trial()
    assert store.running().lines(PORT) == []


def test_commits_are_numbered_labelled_and_bounded(store):
    store.commit(ME, describe("a"), label="one", description="why")
    store.commit(ME, [])  # nothing to do: no new point
    newest = store.state()["commits"][-1]
    assert (newest["id"], newest["label"], newest["description"]) == (FIRST_COMMIT + 1, "one", "why")
    with pytest.raises(StoreError, match="label"):
        store.commit(ME, describe("b"), label="one")
    assert store.running().lines(PORT) == ["description a"]
    for number in range(COMMITS_KEPT + 5):
        store.commit(ME, describe(str(number)))
    assert len(store.state()["commits"]) == COMMITS_KEPT


def test_roll_back(store):
    store.commit(ME, describe("good"))
    good = store.state()["commits"][-1]["id"]
    store.commit(ME, describe("bad"))
    store.roll_back_to(ME, good)
    assert store.running().lines(PORT) == ["description good"]
    assert store.state()["commits"][-1]["type"] == "ROLLBACK"
    with pytest.raises(StoreError):
        store.roll_back_to(ME, 1)


def test_a_candidate_follows_what_others_commit(switch):
    mine, theirs = session(switch, "s1"), session(switch, "s2")
    enter(mine, "system-view", "interface 400GE1/0/1:1", "description mine")
    enter(theirs, "system-view", "interface 400GE1/0/1:1", "shutdown", "commit")
    assert mine.candidate().lines(PORT) == ["description mine", "shutdown"]
    enter(mine, "commit")
    assert switch.store.running().lines(PORT) == ["description mine", "shutdown"]
