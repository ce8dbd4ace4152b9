"""What single causes do to the facts, on our own small trees; and that no damage to a tree makes a count up."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from bmc_helpers import CHASSIS, SYSTEM, Documents, FakeClient, facts_of, sample
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from npuforge.bmc import apply, plan
from npuforge.bmc.wire import Limits

COUNTS = {"cpu": 2, "npu": 2, "memory": 2, "drive": 2, "fan": 2, "psu": 2, "nic": 1}


@pytest.fixture(params=["openubmc", "ibmc"])
def tree(request: pytest.FixtureRequest) -> Documents:
    return sample(request.param)


def test_a_healthy_machine_is_seen_whole(tree: Documents) -> None:
    facts = facts_of(tree)
    assert facts["notes"] == []
    for kind, count in COUNTS.items():
        assert facts[kind]["present_count"] == count, kind
        assert facts[kind]["unhealthy"] == facts[kind]["unknown_health"] == [], kind
        assert all(part["serial"] or kind == "fan" for part in facts[kind]["parts"]), kind
    assert facts["memory"]["total_mib"] == 65536
    assert {part["pci_vendor_id"] for part in facts["npu"]["parts"]} == {"0x19e5"}
    assert facts["post"] == {"state": "ok", "evidence": "BootProgress.LastState is OSRunning"}
    assert facts["bios"]["version"] == "7.44"
    assert [entry["message"] for entry in facts["log"]["critical"]] == ["PSU2 lost its input"]
    assert facts["nic"]["parts"][0]["ports"] == [
        {"name": "1", "mac": "02:00:00:00:00:01", "link": "up", "speed_mbps": 25000}
    ]


def test_the_dialect_says_where_the_npus_are() -> None:
    assert facts_of(sample("openubmc"))["npu"]["source"] == "processors"
    assert facts_of(sample("ibmc"))["npu"]["source"] == "pcie"
    assert facts_of(sample("openubmc"))["bios"]["vendor_evidence"][0] == {
        "source": "firmware_inventory.oem.manufacturer",
        "value": "Huawei",
    }


def absent(document: Any) -> None:
    document["Status"] = {"State": "Absent", "Health": "Warning"}


def test_absent_parts_are_not_counted_and_their_health_is_nothing() -> None:
    tree = sample("openubmc")
    for uri in ("processors/npu2", "processors/2", "memory/mainboarddimm010"):
        absent(tree[f"{SYSTEM}/{uri}"])
    facts = facts_of(tree)
    for kind in ("cpu", "npu", "memory"):
        assert (facts[kind]["present_count"], facts[kind]["absent_count"]) == (1, 1), kind
        assert facts[kind]["unhealthy"] == [], kind
    assert facts["memory"]["total_mib"] == 32768
    assert any("MemorySummary says 64" in note["problem"] for note in facts["notes"])


def test_a_fan_below_its_threshold_is_critical_whatever_it_says(tree: Documents) -> None:
    tree[f"{CHASSIS}/thermal"]["Fans"][1]["Reading"] = 600
    if f"{CHASSIS}/thermalsubsystem/fans/2" in tree:
        tree[f"{CHASSIS}/thermalsubsystem/fans/2"]["SpeedPercent"]["SpeedRPM"] = 600
    facts = facts_of(tree)
    slot = facts["fan"]["parts"][1]["slot"]
    assert facts["fan"]["below_threshold"] == [slot]
    assert facts["fan"]["unhealthy"] == [f"{slot}: Critical, 600 rpm is below 1800 rpm"]
    assert facts["fan"]["present_count"] == 2


@pytest.mark.parametrize(
    "change",
    [
        {"LineInputVoltage": 0, "Status": {"State": "Enabled", "Health": "OK"}},
        {"Status": {"State": "UnavailableOffline", "Health": "Critical"}},
        {"LineInputStatus": "LossOfInput"},
    ],
)
def test_a_power_supply_without_input_is_critical(change: dict[str, Any]) -> None:
    tree = sample("ibmc")
    tree[f"{CHASSIS}/power"]["PowerSupplies"][1].update(change)
    facts = facts_of(tree)
    assert facts["psu"]["without_input"] == ["PSU2"]
    assert facts["psu"]["unhealthy"] == ["PSU2: Critical, no input"]
    assert facts["psu"]["present_count"] == 2


def test_a_predicted_failure_is_a_warning(tree: Documents) -> None:
    tree[f"{CHASSIS}/drives/hddplanedisk1"]["FailurePredicted"] = True
    facts = facts_of(tree)
    assert facts["drive"]["failure_predicted"] == ["Disk1"]
    assert facts["drive"]["unhealthy"] == ["Disk1: Warning, failure predicted"]


def test_a_part_that_is_bad_beats_a_system_that_says_ok(tree: Documents) -> None:
    tree[f"{SYSTEM}/memory/mainboarddimm000"]["Status"]["Health"] = "Critical"
    facts = facts_of(tree)
    assert facts["memory"]["unhealthy"] == ["DIMM000: Critical"]
    assert {"where": "system", "problem": "the system calls itself ok although parts are not"} in facts["notes"]


def test_health_that_is_not_given_is_unknown(tree: Documents) -> None:
    tree[f"{SYSTEM}/processors/1"]["Status"] = {"State": "Enabled", "Health": None}
    facts = facts_of(tree)
    assert facts["cpu"]["present_count"] == 2
    assert facts["cpu"]["unknown_health"] == ["CPU1: no health given"]


@pytest.mark.parametrize(
    ("uri", "kinds"),
    [
        (f"{SYSTEM}/processors/2", ["cpu", "npu"]),
        (f"{SYSTEM}/memory/mainboarddimm000", ["memory"]),
        (f"{CHASSIS}/drives/hddplanedisk0", ["drive"]),
        (f"{CHASSIS}/networkadapters/mainboardnic1", ["nic"]),
        (f"{SYSTEM}/memory", ["memory"]),
        (CHASSIS, ["drive", "fan", "psu", "nic"]),
    ],
)
def test_what_cannot_be_read_leaves_no_count_and_is_named(uri: str, kinds: list[str]) -> None:
    tree = sample("openubmc")
    del tree[uri]
    facts = facts_of(tree)
    for kind, count in COUNTS.items():
        seen = facts[kind]["present_count"] if facts[kind] else None
        assert seen == (None if kind in kinds else count), kind
    noted = {note["where"] for note in facts["notes"]}
    assert set(kinds) <= noted


def test_one_view_answers_for_the_other() -> None:
    tree = sample("openubmc")
    del tree[f"{CHASSIS}/thermalsubsystem/fans/1"]
    del tree[f"{CHASSIS}/powersubsystem/powersupplies"]
    facts = facts_of(tree)
    assert facts["fan"]["present_count"] == facts["psu"]["present_count"] == 2
    assert {note["where"] for note in facts["notes"]} == {"fan", "psu"}


def test_a_member_that_answers_with_an_error_body_is_unread() -> None:
    tree = sample("openubmc")
    tree[f"{SYSTEM}/memory/mainboarddimm000"] = {"error": {"code": "Base.1.0.GeneralError"}}
    facts = facts_of(tree)
    assert facts["memory"]["present_count"] is None
    assert facts["memory"]["total_mib"] is None


def test_a_collection_that_declares_more_than_it_lists_has_no_count() -> None:
    tree = sample("openubmc")
    tree[f"{SYSTEM}/memory"]["Members@odata.count"] = 32
    assert facts_of(tree)["memory"]["present_count"] is None


def test_pages_of_a_collection_are_joined_and_endless_ones_cut() -> None:
    tree = sample("openubmc")
    members = tree[f"{SYSTEM}/memory"]["Members"]
    tree[f"{SYSTEM}/memory"].update(
        {"Members": members[:1], "Members@odata.nextLink": "/redfish/v1/Systems/1/Memory?$skip=1"}
    )
    tree[f"{SYSTEM}/memory?$skip=1"] = {"@odata.id": "/redfish/v1/Systems/1/Memory", "Members": members[1:]}
    assert facts_of(tree)["memory"]["present_count"] == 2

    class Endless(FakeClient):
        def get(self, uri: str) -> Any:
            reply = super().get(uri)
            if uri.lower().startswith(f"{SYSTEM}/memory?"):
                number = int(uri.rsplit("=", 1)[1])
                reply.status, reply.problem = 200, None
                reply.body = {"Members": [], "Members@odata.nextLink": f"{uri.rsplit('=', 1)[0]}={number + 1}"}
            return reply

    del tree[f"{SYSTEM}/memory?$skip=1"]
    client = Endless(tree, Limits(pool=2, pages=8))
    found = apply.crawl(client, tree["/redfish/v1"])  # type: ignore[arg-type]  # a stand-in for the client
    assert len(found.truncated) == 1
    assert sum(1 for uri in client.asked if "$skip" in uri) <= 9


def test_a_powered_off_machine_is_not_healthy_and_complete(tree: Documents) -> None:
    tree[SYSTEM].update(PowerState="Off", BootProgress=None)
    for fan in tree[f"{CHASSIS}/thermal"]["Fans"]:
        fan["Reading"] = 0
    facts = facts_of(tree)
    assert facts["power_state"] == facts["post"]["state"] == "off"
    assert facts["fan"]["below_threshold"] == []
    for kind in ("cpu", "npu", "memory", "drive", "fan", "nic"):
        assert len(facts[kind]["unknown_health"]) == COUNTS[kind], kind


def test_no_npu_anywhere_is_unknown_not_nought() -> None:
    tree = sample("ibmc")
    tree[f"{CHASSIS}/pciedevices"].update({"Members": [], "Members@odata.count": 0})
    facts = facts_of(tree)
    assert facts["npu"] is None
    assert any(note["where"] == "npu" for note in facts["notes"])


def test_an_unread_function_leaves_the_npu_count_open() -> None:
    tree = sample("ibmc")
    del tree[f"{CHASSIS}/pciedevices/pciecard9/functions/1"]
    assert facts_of(tree)["npu"]["present_count"] is None


def test_helpers_of_a_host_lend_it_their_accelerators() -> None:
    tree = sample("openubmc")
    second = copy.deepcopy(tree[SYSTEM])
    base = "/redfish/v1/systems/hgx"
    tree["/redfish/v1/systems"]["Members"].insert(0, {"@odata.id": base})
    tree[base] = {"@odata.id": base, "Id": "hgx", "Processors": {"@odata.id": f"{base}/Processors"}}
    tree[f"{base}/processors"] = {"Members": [{"@odata.id": f"{base}/Processors/GPU_0"}]}
    tree[f"{base}/processors/gpu_0"] = {
        "Id": "GPU_0",
        "ProcessorType": "GPU",
        "Model": "GPU",
        "Status": {"State": "Enabled", "Health": "OK"},
    }
    facts = facts_of(tree)
    assert facts["identity"]["serial"] == second["SerialNumber"]
    assert facts["npu"]["present_count"] == 3
    assert any("accelerators of" in note["problem"] for note in facts["notes"])


@pytest.mark.parametrize(
    ("value", "state"),
    [("OSRunning", "ok"), ("MemoryInitializationStarted", "in_progress"), ("None", None), (7, None)],
)
def test_post_follows_the_boot_progress(value: object, state: str | None) -> None:
    tree = sample("openubmc")
    tree[SYSTEM]["BootProgress"] = {"LastState": value}
    assert facts_of(tree)["post"]["state"] == state


def test_the_bmc_clock_is_compared_with_ours() -> None:
    facts = facts_of(sample("openubmc"))
    assert facts["bmc"]["clock_offset_seconds"] is not None
    tree = sample("openubmc")
    tree["/redfish/v1/managers/1"]["DateTime"] = "2026-03-18T08:00:00"
    facts = facts_of(tree)
    assert facts["bmc"]["clock_offset_seconds"] is None
    assert any(note["where"] == "bmc.clock_offset_seconds" for note in facts["notes"])


def test_the_walk_is_small_and_reads_each_uri_once() -> None:
    client = FakeClient(sample("openubmc"))
    apply.crawl(client, client.documents["/redfish/v1"])  # type: ignore[arg-type]  # a stand-in for the client
    asked = [uri.lower().rstrip("/") for uri in client.asked]
    assert len(asked) == len(set(asked)) <= 45
    assert not any("backupbmc" in uri and "Bios" in uri for uri in asked)


def test_log_services_without_hardware_events_are_left_alone() -> None:
    assert plan.follow("log", {"Id": "AuditLog", "Entries": {"@odata.id": "/x"}}, 10) == []
    assert plan.follow("log", {"Id": "Sel", "Entries": {"@odata.id": "/x"}}, 10) == [("entry*", "/x")]


# Damage ----------------------------------------------------------------------------------------------------------

JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.text(max_size=8),
    st.just([]),
    st.just({}),
    st.lists(st.one_of(st.none(), st.integers(), st.text(max_size=3), st.just({"@odata.id": 7})), max_size=3),
)


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value in a JSON document."""
    found = []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found.append((*at, key))
        found += paths(item, (*at, key))
    return found


def holder_of(tree: Any, path: tuple[Any, ...]) -> Any:
    """The object or list that holds the last key of a path, or ``None`` when earlier damage took it away."""
    for key in path[:-1]:
        try:
            tree = tree[key]
        except (KeyError, IndexError, TypeError):
            return None
    known = isinstance(tree, dict) and path[-1] in tree
    return tree if known or (isinstance(tree, list) and isinstance(path[-1], int) and path[-1] < len(tree)) else None


WHERE = {
    name: [(uri, *path) for uri, body in sample(name).items() for path in paths(body)] for name in ("openubmc", "ibmc")
}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_no_damage_raises_or_invents_a_count(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["openubmc", "ibmc"]))
    tree: Any = sample(name)
    for path in data.draw(st.lists(st.sampled_from(WHERE[name]), min_size=1, max_size=6)):
        holder = holder_of(tree, path)
        if holder is None:
            continue
        if data.draw(st.booleans()):
            del holder[path[-1]]
        else:
            holder[path[-1]] = data.draw(JUNK)
    facts = facts_of(tree)
    assert isinstance(facts["reachable"], bool)
    for kind, count in COUNTS.items():
        seen = facts[kind]["present_count"] if facts[kind] else None
        assert seen is None or 0 <= seen <= count, kind
        if seen is not None:
            listed = [part for part in facts[kind]["parts"] if part["state"] == "present"]
            assert seen == len(listed), kind
        elif facts["reachable"]:
            assert any(note["where"] == kind for note in facts["notes"]), f"{kind} is null without a note"


# A drive that only the chassis lists is gone without a trace when that list is gone.
UNTRACEABLE = {"drive": {(CHASSIS, "Links"), (CHASSIS, "Links", "Drives")}}


@pytest.mark.parametrize("name", ["openubmc", "ibmc"])
@pytest.mark.parametrize("value", ["gone", None], ids=["gone", "null"])
def test_any_one_missing_value_leaves_a_count_right_or_open(name: str, value: str | None) -> None:
    wrong = []
    for path in WHERE[name]:
        if any(isinstance(key, int) for key in path[-1:]):
            continue  # a list without one of its entries is another machine
        tree: Any = sample(name)
        holder = holder_of(tree, path)
        if value == "gone":
            del holder[path[-1]]
        else:
            holder[path[-1]] = None
        facts = facts_of(tree)
        for kind, count in COUNTS.items():
            if path not in UNTRACEABLE.get(kind, set()):
                seen = facts[kind]["present_count"] if facts[kind] else None
                wrong += [] if seen in (None, count) else [(kind, seen, path)]
    assert wrong == []


def test_a_log_whose_members_are_no_list_has_no_members() -> None:
    tree: Any = sample("openubmc")
    [uri] = [uri for uri in tree if uri.lower().endswith("/logservices/log1/entries")]
    tree[uri]["Members"] = 1
    tree[uri].pop("Members@odata.count", None)
    assert facts_of(tree)["log"] == {"entries_count": 0, "critical": [], "warning": []}
