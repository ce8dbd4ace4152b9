"""The fault engine and its catalogue: what is planted can be taken out again, in any order, without a trace."""

from __future__ import annotations

import copy
import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lab import faults, physics
from lab.faults import Engine
from lab.hardware import Plan, build_site
from lab.state import CHECKOUT, LabError
from lab.world import World

NOW = datetime(2026, 11, 24, 6, 4, 5, tzinfo=UTC)
CATALOGUE = faults.load()
DEMANDED = {
    "npu_missing",
    "npu_warning",
    "dimm_missing",
    "dimm_failed",
    "drive_failed",
    "drive_predictive_failure",
    "fan_absent",
    "fan_below_threshold",
    "psu_unplugged",
    "psu_absent",
    "cpu_absent",
    "bios_unknown_vendor",
    "bios_version_differs",
    "bmc_slow",
    "bmc_dead",
    "bmc_wrong_password",
    "bmc_expired_certificate",
    "bmc_error_body",
    "bmc_503_three_times",
    "bmc_missing_member",
    "duplicate_serial",
    "bmc_clock_off_by_a_year",
}


# What a network of NPUs fails by, in the order in which the project lists it.
DEMANDED_OF_THE_FABRIC = {
    *("npu_link_down", "npu_link_flaps", "npu_speed_100g", "npu_fec_off", "npu_optics_weak", "npu_optics_missing"),
    *("npu_mtu_small", "npu_address_stale", "npu_gateway_missing", "npu_netmask_wrong", "npu_pfc_off"),
    *("switch_pfc_priority_3", "npu_dscp_missing", "switch_trust_8021p", "switch_headroom_missing"),
    *("switch_xoff_high", "switch_ecn_missing", "switch_pfc_turned_off", "switch_unsaved", "switch_candidate_dirty"),
    *("switch_cables_swapped", "node_tls_on", "node_hccl_tc_differs", "node_pair_slow", "npu_rank_fails"),
    *("npu_receiver_hangs", "hccn_tool_busy", "hccn_tool_missing", "hccn_tool_unknown_layout"),
}


SUBJECT = {"nodes": "node2", "switches": "sw1"}
HARDWARE = [name for name, fault in CATALOGUE.items() if fault.clause.startswith("4.1.1-")]
# Those that need nothing but the document.
SIMPLE = [name for name, fault in CATALOGUE.items() if not fault.session and not fault.files]


def new_world(root: Path, nodes: int = 3) -> World:
    world = World(root)
    world.create(*build_site(Plan(nodes=nodes)))
    return world


@pytest.fixture
def world(tmp_path: Path) -> World:
    return new_world(tmp_path / "world")


def content(world: World) -> dict[str, bytes]:
    return {str(path.relative_to(world.root)): path.read_bytes() for path in world.root.rglob("*.json")}


def test_catalogue_has_every_demanded_fault() -> None:
    assert set(CATALOGUE) >= DEMANDED | DEMANDED_OF_THE_FABRIC


def test_faults_of_the_fabric_say_what_the_verdict_must_name() -> None:
    fabric = [fault for fault in CATALOGUE.values() if fault.clause.startswith("4.1.2-")]
    assert {fault.name for fault in fabric if fault.names is None} == {"hccn_tool_busy"}
    assert all(fault.verdict != "pass" for fault in fabric if fault.names)


def test_catalogue_names_checks_and_clauses_of_the_contract() -> None:
    clauses = yaml.safe_load((CHECKOUT / "contract" / "clauses.yml").read_text(encoding="utf-8"))
    clauses = clauses["clauses"] if isinstance(clauses, dict) else clauses
    checks = {check["id"]: clause["id"] for clause in clauses for check in clause.get("checks") or []}
    for fault in CATALOGUE.values():
        assert checks.get(fault.check) == fault.clause, fault.name


@pytest.mark.parametrize("name", HARDWARE)
def test_each_fault_changes_the_world_and_heals_to_the_byte(world: World, name: str) -> None:
    kind = CATALOGUE[name].kind
    subject = SUBJECT[kind]
    before = content(world)
    engine = Engine(world, CATALOGUE)
    said = engine.plant(subject, name, NOW)
    assert said == [f"{subject}: {name} planted: {CATALOGUE[name].does}"]
    broken = world.read(subject, kind)
    pristine = json.loads(before[f"{kind}/{subject}.json"])
    changes = CATALOGUE[name].changes
    assert any(faults.get(broken, change.path) != faults.get(pristine, change.path) for change in changes)
    assert engine.planted(subject) == [name]
    others = {key: value for key, value in content(world).items() if subject not in key}
    assert others == {key: value for key, value in before.items() if subject not in key}
    assert engine.heal(subject, name) == [f"{subject}: {name} healed"]
    assert content(world) == before


def test_twice_is_once_and_says_so(world: World) -> None:
    engine = Engine(world, CATALOGUE)
    engine.plant("node1", "psu_unplugged", NOW)
    once = content(world)
    assert engine.plant("node1", "psu_unplugged", NOW) == ["node1: psu_unplugged is planted already, nothing changed"]
    assert content(world) == once
    engine.heal("node1", "psu_unplugged")
    assert engine.heal("node1", "psu_unplugged") == ["node1: psu_unplugged is not planted, nothing changed"]
    assert engine.heal("node1") == ["node1: nothing is broken, nothing changed"]
    assert engine.heal_all() == ["nothing is broken, nothing changed"]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["break", "heal", "heal everything"]),
        st.sampled_from(["node1", "node2"]),
        st.sampled_from(SIMPLE),
    ),
    max_size=14,
)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_any_sequence_heals_to_the_byte(steps: list[tuple[str, str, str]]) -> None:
    """Two nodes are enough: a fault touches one document, or copies what another one shows at that moment."""
    with tempfile.TemporaryDirectory() as folder:
        world = new_world(Path(folder), nodes=2)
        before = content(world)
        engine = Engine(world, CATALOGUE)
        for what, subject, name in steps:
            if what == "break":
                engine.plant(subject if CATALOGUE[name].kind == "nodes" else "sw1", name, NOW)
            elif what == "heal":
                engine.heal(subject if CATALOGUE[name].kind == "nodes" else "sw1", name)
            else:
                engine.heal(subject)
        engine.heal_all()
        assert content(world) == before


def _row(value: object, **more: object) -> dict[str, object]:
    row = {"kind": "nodes", "does": "x", "clause": "4.1.1-3", "check": "hardware.post", "verdict": "fail"}
    return {**row, "set": [{"path": "bios.version", "value": value}], **more}


OVERLAPPING = {
    "a": _row("1", log={"severity": "Warning", "sensor": "A", "message": "a"}),
    "b": _row("2", log={"severity": "Warning", "sensor": "B", "message": "b"}),
    "c": _row("3"),
    "d": _row("4", log={"severity": "Critical", "sensor": "A", "message": "d"}),
    "e": _row("5", scope="all_but_one"),
}


@settings(max_examples=80, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.booleans(), st.sampled_from(["node1", "node2"]), st.sampled_from(sorted(OVERLAPPING))), max_size=16
    )
)
def test_faults_on_one_value_keep_their_order(steps: list[tuple[bool, str, str]]) -> None:
    """The newest fault that is still planted shows, whatever was healed underneath it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "faults.yml"
        file.write_text(yaml.safe_dump(OVERLAPPING), encoding="utf-8")
        catalogue = faults.load(file)
        world = new_world(Path(folder) / "world", nodes=2)
        before = content(world)
        engine = Engine(world, catalogue)
        planted: dict[str, list[str]] = {"node1": [], "node2": []}
        for plant, subject, name in steps:
            target = subject if name != "e" else {"node1": "node2", "node2": "node1"}[subject]
            if plant:
                engine.plant(subject, name, NOW)
                if name not in planted[target]:
                    planted[target].append(name)
            else:
                engine.heal(subject, name)
                if name in planted[target]:
                    planted[target].remove(name)
            for node, names in planted.items():
                shown = OVERLAPPING[names[-1]]["set"][0]["value"] if names else "7.44"
                assert world.read(node)["bios"]["version"] == shown
                assert engine.planted(node) == names
        engine.heal_all()
        assert content(world) == before


def test_log_entry_comes_and_goes_unless_a_bmc_told_it(world: World) -> None:
    engine = Engine(world, CATALOGUE)
    engine.plant("node1", "psu_unplugged", NOW)
    [entry] = world.read("node1")["log"]
    assert entry == {
        "id": 1,
        "time": "2026-11-24T06:04:05Z",
        "severity": "Critical",
        "sensor": "PSU2",
        "message": "PSU2: AC input lost.",
    }
    with world.update("node1") as node:  # what a running BMC does
        assert physics.record(node, NOW) == []  # not told a second time
    engine.heal("node1", "psu_unplugged")
    with world.update("node1") as node:
        physics.record(node, NOW)
    assert [(item["severity"], item["sensor"]) for item in world.read("node1")["log"]] == [
        ("Critical", "PSU2"),
        ("OK", "PSU2"),
    ]


def test_duplicate_serial_needs_two_nodes(tmp_path: Path) -> None:
    world = new_world(tmp_path, nodes=1)
    before = content(world)
    with pytest.raises(LabError, match="needs a second device"):
        Engine(world, CATALOGUE).plant("node1", "duplicate_serial")
    assert content(world) == before


def test_duplicate_serial_shows_the_serial_of_another(world: World) -> None:
    Engine(world, CATALOGUE).plant("node3", "duplicate_serial")
    assert world.read("node3")["serial"] == world.read("node1")["serial"]


@pytest.mark.parametrize(
    ("subject", "fault", "hint"),
    [
        ("node2", "psu_unpluged", "did you mean psu_unplugged"),
        ("nod2", "psu_unplugged", "did you mean node2"),
        ("node2", "zzz", "python -m lab faults"),
        ("sw1", "psu_unplugged", "a fault of nodes"),
        ("node2", "switch_dead", "a fault of switches"),
    ],
)
def test_unknown_names_are_explained(world: World, subject: str, fault: str, hint: str) -> None:
    before = content(world)
    with pytest.raises(LabError, match=hint) as caught:
        Engine(world, CATALOGUE).plant(subject, fault)
    assert caught.value.code == 2
    assert content(world) == before


def test_a_fault_that_the_catalogue_lost_still_heals(world: World) -> None:
    before = content(world)
    Engine(world, CATALOGUE).plant("node1", "fan_absent", NOW)
    smaller = {name: fault for name, fault in CATALOGUE.items() if name != "fan_absent"}
    Engine(world, smaller).heal("node1", "fan_absent")
    assert content(world) == before


GOOD = yaml.safe_load(faults.CATALOGUE.read_text(encoding="utf-8"))["duplicate_serial"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"kind": "node"}, "kind 'node': expected one of nodes, switches"),
        ({"verdict": "maybe"}, "verdict 'maybe'"),
        ({"scope": "one"}, "needs scope: pair"),
        ({"does": ""}, "does: expected a text"),
        ({"verdikt": "fail"}, "unknown key verdikt; did you mean verdict"),
        ({"set": []}, "set: expected a list"),
        ({"names": ""}, "names: expected a text"),
        ({"set": [{"path": "a.b", "value": {"seconds_ago": "1"}}]}, "seconds_ago: expected a list of numbers"),
        ({"configure": {"lines": ["x"], "save": True}}, "configure: only switches have that"),
        ({"kind": "switches", "files": [{"path": "/a", "remove": True}]}, "files: only nodes have that"),
        ({"kind": "switches", "configure": {"lines": ["x"]}}, "expected lines and save"),
        ({"kind": "switches", "configure": {"lines": [], "save": True}}, "lines: expected a list of texts"),
        ({"kind": "switches", "configure": {"lines": ["x"], "save": "no"}}, "expected true or false"),
        ({"kind": "switches", "configure": {"lines": ["x"], "save": True, "commit": True}}, "lines and save"),
        ({"files": []}, "files: expected a list"),
        ({"files": [{"path": "/a"}]}, "path and one of replace, remove, append"),
        ({"files": [{"path": "a", "remove": True}]}, "expected an absolute path"),
        ({"files": [{"path": "/a", "remove": False}]}, "remove: expected true"),
        ({"files": [{"path": "/a", "replace": ["x"]}]}, "expected [old, new]"),
        ({"files": [{"path": "/a", "append": ""}]}, "append: expected a text"),
        ({"set": [{"path": "serial"}]}, "expected exactly path and value"),
        ({"set": [{"path": "npus[NPU1]", "value": 1}]}, "expected something like"),
        ({"set": [{"path": "a..b", "value": 1}]}, "neither a key"),
        ({"log": {"severity": "Bad", "sensor": "x", "message": "y"}}, "severity 'Bad'"),
        ({"log": {"sensor": "x"}}, "log: expected message, sensor, severity"),
    ],
)
def test_mistakes_in_a_catalogue_are_named(tmp_path: Path, change: dict[str, object], complaint: str) -> None:
    row = {**copy.deepcopy(GOOD), **change}
    file = tmp_path / "faults.yml"
    file.write_text(yaml.safe_dump({"mine": row}), encoding="utf-8")
    with pytest.raises(LabError) as caught:
        faults.load(file)
    assert complaint in str(caught.value)


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    file = tmp_path / "faults.yml"
    file.write_text("one: {}\ntwo: [1]\nThree: {kind: x}\n", encoding="utf-8")
    with pytest.raises(LabError) as caught:
        faults.load(file)
    assert all(text in str(caught.value) for text in ("one: set is missing", "two: expected a mapping", "Three: kind"))


def test_a_value_inside_another_faults_value_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "faults.yml"
    outer = _row({}, set=[{"path": "bios", "value": {}}])
    file.write_text(yaml.safe_dump({"outer": outer, "inner": _row("1")}), encoding="utf-8")
    with pytest.raises(LabError, match="heal could not tell them apart"):
        faults.load(file)


@pytest.mark.parametrize("text", ["", "[]", "a: [", "just text", "null"])
def test_what_is_no_catalogue_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "faults.yml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(LabError):
        faults.load(file)


@given(st.text(max_size=40))
def test_any_text_is_a_path_or_a_clear_refusal(text: str) -> None:
    try:
        segments = faults.parse_path(text)
    except ValueError as error:
        assert repr(text) in str(error)
    else:
        assert segments[-1][1] is None


@pytest.mark.parametrize("path", ["nothing", "bios.nothing", "npus[NPU9].present", "bios[x].y", "serial.x"])
def test_a_path_that_the_device_has_not_is_an_error_and_changes_nothing(world: World, path: str) -> None:
    row = faults.Fault(
        "f", "nodes", "x", "4.1.1-3", "c", "fail", "one", (faults.Change("serial", "S"), faults.Change(path, 1)), None
    )
    before = content(world)
    with pytest.raises(LabError, match="has nothing at"):
        Engine(world, {"f": row}).plant("node1", "f")
    assert content(world) == before
