"""The tree of resources: whole in both dialects for any truth, and the same facts in every view of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from lab import hardware
from lab.bmc import tree
from lab.bmc.context import Context
from lab.bmc.odata import CHASSIS, ROOT, SYSTEM, Tree, etag
from lab.bmc.runtime import Runtime
from tests.unit.lab_bmc_helpers import truths

INVENTORY = f"{ROOT}/UpdateService/FirmwareInventory"


def whole(node: dict[str, Any]) -> Tree:
    context = Context.of(node)
    runtime = Runtime("npuforge", "Sim-passw0rd")
    runtime.open_session(runtime.accounts["2"], "127.0.0.1")
    runtime.note("npuforge", "looked")
    runtime.new_task("Firmware update")
    return {**tree.hardware(context), **tree.memory(context, runtime)}


def bodies(node: dict[str, Any], path: str) -> list[dict[str, Any]]:
    found = whole(node)
    return [found[item["@odata.id"]].body for item in found[path].body["Members"]]


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key in ("@odata.id", "DataSourceUri", "target") and isinstance(item, str):
                yield item
            else:
                yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def node_of(dialect: str) -> dict[str, Any]:
    return hardware.build_node(hardware.Plan(dialect=dialect), 1)


@given(truths())
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_truth_gives_a_whole_tree(node: dict[str, Any]) -> None:
    found = whole(node)
    for path, resource in found.items():
        json.dumps(resource.body, allow_nan=False)
        assert resource.body["@odata.id"].rstrip("/") == path
        assert resource.body["@odata.type"].startswith("#")
        for reference in references(resource.body):
            target, _, pointer = reference.partition("#")
            if "/Actions/" in target:
                continue
            assert target.rstrip("/") in found, f"{path} refers to {target}, which is not there"
            if pointer:
                _, name, index = pointer.split("/")
                assert found[target].body[name][int(index)]["@odata.id"] == reference
        if "Members" in resource.body:
            assert resource.body["Members@odata.count"] == len(resource.body["Members"])
    unreached = set(found) - reachable(found)
    assert not unreached, f"nothing leads to {sorted(unreached)[:3]}"


def reachable(found: Tree) -> set[str]:
    seen: set[str] = set()
    waiting = [ROOT]
    while waiting:
        path = waiting.pop()
        if path in seen or path not in found:
            continue
        seen.add(path)
        waiting += [reference.partition("#")[0].rstrip("/") for reference in references(found[path].body)]
    return seen


@given(truths())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_all_views_of_one_thing_agree(node: dict[str, Any]) -> None:
    found = whole(node)
    system = found[SYSTEM].body
    cpus = [
        item
        for item in bodies(node, f"{SYSTEM}/Processors")
        if item["ProcessorType"] == "CPU" and item["Status"]["State"] != "Absent"
    ]
    assert system["ProcessorSummary"]["Count"] == len(cpus)
    memory = bodies(node, f"{SYSTEM}/Memory")
    assert system["MemorySummary"]["TotalSystemMemoryGiB"] * 1024 == sum(item["CapacityMiB"] or 0 for item in memory)
    old_fans = {item["Name"]: (item["Reading"], item["Status"]) for item in found[f"{CHASSIS}/Thermal"].body["Fans"]}
    old_psus = {item["Name"]: item for item in found[f"{CHASSIS}/Power"].body["PowerSupplies"]}
    if node["bmc"]["dialect"] == "openubmc":
        new_fans = {
            item["Name"]: (item["SpeedPercent"]["SpeedRPM"], item["Status"])
            for item in bodies(node, f"{CHASSIS}/ThermalSubsystem/Fans")
        }
        assert new_fans == old_fans
        for item in bodies(node, f"{CHASSIS}/PowerSubsystem/PowerSupplies"):
            old = old_psus.pop(item["Name"])
            assert (item["Status"], item["SerialNumber"]) == (old["Status"], old["SerialNumber"])
            metrics = found[item["Metrics"]["@odata.id"]].body
            assert metrics["InputVoltage"]["Reading"] == old["LineInputVoltage"]
        assert not old_psus
    consumed = found[f"{CHASSIS}/Power"].body["PowerControl"][0]["PowerConsumedWatts"]
    assert consumed == Context.of(node).view.power_watts
    assert system["PowerState"] == found[CHASSIS].body["PowerState"]
    npus = [item for item in node["npus"] if item["present"]]
    cards = [item for item in bodies(node, f"{CHASSIS}/PCIeDevices") if item["Id"].startswith("NPU")]
    assert [item["SerialNumber"] for item in cards] == [item["serial"] for item in npus]


def test_openubmc_lists_npus_as_processors_of_their_own_type() -> None:
    node = node_of("openubmc")
    node["npus"][2]["present"] = False
    npus = {item["Id"]: item for item in bodies(node, f"{SYSTEM}/Processors") if item["ProcessorType"] == "NPU"}
    assert list(npus) == [f"Npu{number}" for number in range(1, 9)]
    assert npus["Npu3"]["Status"] == {"State": "Absent", "Health": None}
    assert npus["Npu3"]["SerialNumber"] is None
    assert npus["Npu1"]["ProcessorMemory"][0]["CapacityMiB"] == 65536
    assert npus["Npu1"]["ProcessorId"]["VendorId"] == "0x19e5"


def test_strict_schema_keeps_to_the_standard_list_of_processor_types() -> None:
    node = node_of("openubmc")
    node["bmc"]["strict_schema"] = True
    npus = [item for item in bodies(node, f"{SYSTEM}/Processors") if item["Id"].startswith("Npu")]
    assert {item["ProcessorType"] for item in npus} == {"Accelerator"}
    assert {item["Oem"]["Public"]["ProcessorType"] for item in npus} == {"NPU"}


def test_ibmc_hides_npus_in_pcie_devices_and_drops_the_absent_one() -> None:
    node = node_of("ibmc")
    node["npus"][2]["present"] = False
    assert {item["ProcessorType"] for item in bodies(node, f"{SYSTEM}/Processors")} == {"CPU"}
    found = whole(node)
    npus = []
    for card in bodies(node, f"{CHASSIS}/PCIeDevices"):
        function = bodies(node, card["PCIeFunctions"]["@odata.id"])[0]
        if function["VendorId"] == "0x19e5" and function["DeviceClass"] == "ProcessingAccelerators":
            npus.append(card["Id"])
    assert npus == ["NPU1", "NPU2", "NPU4", "NPU5", "NPU6", "NPU7", "NPU8"]
    assert f"{CHASSIS}/PCIeDevices/NPU3" not in found


def test_ibmc_has_the_quirks_of_the_vendors_tree() -> None:
    node = node_of("ibmc")
    node["psus"][1]["input_connected"] = False
    found = whole(node)
    system, chassis = found[SYSTEM].body, found[CHASSIS].body
    assert system["Status"]["HealthRollup"] == "OK", "the lie"
    assert chassis["Oem"]["Huawei"]["PowerSupplySummary"]["Status"]["HealthRollup"] == "Critical"
    assert system["Storage"]["@odata.id"] == f"{SYSTEM}/Storages"
    assert system["ProcessorSummary"]["Model"] == "Central Processor"
    drives = [found[item["@odata.id"]].body for item in chassis["Links"]["Drives"]]
    assert [item["Id"] for item in drives] == [f"HDDPlaneDisk{number}" for number in range(6)]
    assert {item["Status"]["State"] for item in drives} == {None}
    assert "ThermalSubsystem" not in chassis
    assert "Manufacturer" not in found[f"{INVENTORY}/Bios"].body["Oem"]["Huawei"]


def test_the_vendor_really_has_those_quirks(shared: Path) -> None:
    base = shared / "fixtures/redfish/huawei_ibmc_2288hv5_docs/redfish/v1"

    def vendor(path: str) -> dict[str, Any]:
        return dict(json.loads((base / path / "index.json").read_text(encoding="utf-8")))

    system, chassis = vendor("Systems/1"), vendor("Chassis/1")
    assert system["Storage"]["@odata.id"].endswith("/Storages")
    assert system["Status"]["Health"] == "OK"
    assert chassis["Oem"]["Huawei"]["PowerSupplySummary"]["Status"]["HealthRollup"] == "Critical"
    assert system["ProcessorSummary"]["Model"] == "Central Processor"
    assert vendor("Chassis/1/Drives/HDDPlaneDisk0")["Status"]["State"] is None
    ours = whole(node_of("ibmc"))
    assert set(vendor("Systems/1/Processors/1")["Oem"]["Huawei"]) & set(
        ours[f"{SYSTEM}/Processors/1"].body["Oem"]["Huawei"]
    ) >= {"DeviceLocator", "Position", "PartNumber", "Temperature", "FrequencyMHz"}


def test_openubmc_tells_the_truth_in_its_rollups_and_names_the_bios_vendor() -> None:
    node = node_of("openubmc")
    node["dimms"][0]["health"] = "Critical"
    node["bios"]["vendor"] = "Unknown Ltd"
    found = whole(node)
    assert found[SYSTEM].body["Status"]["HealthRollup"] == "Critical"
    assert found[SYSTEM].body["MemorySummary"]["Status"]["HealthRollup"] == "Critical"
    bios = found[f"{INVENTORY}/Bios"].body
    assert bios["Oem"]["Public"]["Manufacturer"] == "Unknown Ltd"
    assert "Manufacturer" not in bios
    assert bios["Version"] == found[SYSTEM].body["BiosVersion"]


@pytest.mark.parametrize(
    ("post", "state", "last"),
    [
        ("ok", "Enabled", "OSRunning"),
        ("in_progress", "Starting", "MemoryInitializationStarted"),
        ("failed", "Enabled", "OEM"),
    ],
)
def test_the_self_test_shows(post: str, state: str, last: str) -> None:
    node = node_of("openubmc")
    node["post"] = post
    system = whole(node)[SYSTEM].body
    assert (system["Status"]["State"], system["BootProgress"]["LastState"]) == (state, last)
    assert (system["Status"]["Health"] == "Critical") == (post == "failed")


def test_it_says_that_it_is_simulated() -> None:
    root = whole(node_of("openubmc"))[ROOT].body
    assert root["Product"] == "npuforge twin"
    assert root["Oem"]["Npuforge"]["Simulated"] is True


def test_the_clock_of_the_bmc_shifts_its_log() -> None:
    node = node_of("openubmc")
    node["log"] = [
        {"id": 1, "time": "2026-11-24T06:04:05Z", "severity": "OK", "sensor": "x", "message": "y"},
        {"id": 2, "time": "no time", "severity": "OK", "sensor": "x", "message": "y"},
    ]
    node["bmc"]["clock_offset_seconds"] = -365 * 86400
    entries = whole(node)[f"{SYSTEM}/LogServices/Log1/Entries"].body["Members"]
    assert [entry["Created"] for entry in entries] == ["no time", "2025-11-24T06:04:05Z"]


def test_an_etag_follows_the_content_and_not_the_clock() -> None:
    first = {"Id": "1", "DateTime": "2026-01-01T00:00:00Z"}
    assert etag(first) == etag({**first, "DateTime": "2027-01-01T00:00:00Z"})
    assert etag(first) != etag({**first, "Id": "2"})


@pytest.mark.parametrize("dialect", ["openubmc", "ibmc"])
def test_the_metadata_document_names_every_type_of_the_tree(dialect: str) -> None:
    named = set(re.findall(r'Include Namespace="([^"]+)"', tree.metadata_document()))
    used = {
        resource.body["@odata.type"].lstrip("#").rpartition(".")[0] for resource in whole(node_of(dialect)).values()
    }
    assert used <= named
