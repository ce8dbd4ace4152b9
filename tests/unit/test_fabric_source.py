"""From an inventory's files to the plan's input, and ``npuforge fabric plan``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from npuforge.fabric.refuse import PlanError

from controller import cli, contract
from controller.fabric import source
from tests.unit.fabric_plan_helpers import LAW, ROOT, build_plan, site, twin_variables
from tests.unit.validate_helpers import edit, make_site


class Twin:
    """The twin's inventory in a folder of its own; ``values`` and ``here`` may be changed."""

    def __init__(self, folder: Path) -> None:
        for name in ("survey.yml", "cabling.yml"):
            shutil.copy(ROOT / "inventory/twin" / name, folder / name)
        self.folder = folder
        self.groups, self.values, self.here = twin_variables()

    def plan(self) -> dict[str, Any]:
        return source.plan_of(
            self.folder, self.groups, lambda host, key: self.values[host].get(key), self.here.get, law=LAW
        )

    def problems(self) -> list[tuple[str, str, str, str]]:
        try:
            self.plan()
        except PlanError as error:
            return [tuple(each) for each in error.found]
        return []


@pytest.fixture
def twin(tmp_path: Path) -> Twin:
    return Twin(tmp_path)


def test_the_twin_is_planned_as_its_files_say(twin: Twin) -> None:
    plan = twin.plan()
    assert contract.problems(plan, "fabric_plan") == []
    assert plan == build_plan(site())


def test_ports_on_either_side_of_a_cable_are_found(twin: Twin) -> None:
    expected = twin.plan()
    row = 'side_a_device: node2, side_a_name: NPU3, side_b_device: sw1, side_b_name: "400GE1/0/6:1"'
    turned = 'side_a_device: sw1, side_a_name: "400GE1/0/6:1", side_b_device: node2, side_b_name: NPU3'
    edit(twin.folder / "cabling.yml", (row, turned))
    assert twin.plan() == expected


def test_a_cable_that_is_taken_away_does_not_count(twin: Twin) -> None:
    row = 'side_b_name: "400GE1/0/6:1", type: aoc'
    edit(twin.folder / "cabling.yml", (row, row + ", status: decommissioning"))
    assert twin.problems() == [
        ("node2/NPU3", "the cabling table has no cable for this port", "node2", "site_cabling_file")
    ]


def test_a_cable_to_a_port_that_the_survey_does_not_list(twin: Twin) -> None:
    edit(twin.folder / "cabling.yml", ('side_b_name: "400GE1/0/6:1"', 'side_b_name: "400GE1/0/33:1"'))
    text = "its cable leads to sw1 400GE1/0/33:1, a port that the survey file does not list"
    assert twin.problems() == [("node2/NPU3", text, "node2", "site_cabling_file")]
    # A survey that lists no ports, or none that can be read, says nothing about them.
    survey = twin.folder / "survey.yml"
    listed = 'ports: ["400GE1/0/[1-32]", "10GE1/0/[1-2]", "MEth0/0/0"]'
    edit(survey, (listed, "ports: []"))
    edit(survey, ('breakout_lanes: {"400GE1/0/[1-12]": 2}', "breakout_lanes: {}"))
    assert twin.plan()["ports"][10]["switch_port"] == "400GE1/0/33:1"
    edit(survey, ("ports: []", 'ports: ["400GE1/0/[32-1]"]'))
    assert twin.problems() == []
    twin.here["site_survey_file"] = None
    for values in twin.values.values():
        values.setdefault("switch_model", "CE9855-32DQ")
    assert twin.plan()["ports"][10]["switch_port"] == "400GE1/0/33:1"


def test_two_cables_for_one_port(twin: Twin) -> None:
    edit(
        twin.folder / "cabling.yml",
        ("side_a_device: node2, side_a_name: NPU3", "side_a_device: node2, side_a_name: NPU2"),
    )
    assert [problem[:2] for problem in twin.problems()] == [
        ("node2/NPU2", "the cabling table has 2 cables for it"),
        ("node2/NPU3", "the cabling table has no cable for this port"),
    ]


def test_a_node_keeps_its_addresses_by_its_index(twin: Twin) -> None:
    before = {port["id"]: port["address"] for port in twin.plan()["ports"]}
    twin.groups["npu_servers"] = ["node3", "node1", "node2"]
    for name, index in (("node1", 1), ("node2", 2), ("node3", 3)):
        twin.values[name]["fabric_index"] = index
    assert {port["id"]: port["address"] for port in twin.plan()["ports"]} == before


@pytest.mark.parametrize("index", [0, -1, 4097, True, "2", 1.5, [1]])
def test_an_index_that_is_none(twin: Twin, index: Any) -> None:
    twin.values["node2"]["fabric_index"] = index
    found = twin.problems()
    assert [(each[0], each[2], each[3]) for each in found] == [("node node2", "node2", "fabric_index")]
    assert "a whole number from 1 to 4096" in found[0][1]


def test_an_index_that_another_has(twin: Twin) -> None:
    twin.values["node3"]["fabric_index"] = 1
    assert [each[:2] for each in twin.problems()] == [
        ("node node3", "its place in the address plan, 1, is node1's, too")
    ]


def test_problems_of_files_and_of_the_plan_are_told_together(twin: Twin) -> None:
    twin.values["node3"]["fabric_index"] = 1
    twin.here["site_fabric"] = {**twin.here["site_fabric"], "qos": {"dscp": 40}}
    assert [each[0] for each in twin.problems()] == ["node node3", "site_fabric.qos.dscp"]


@pytest.mark.parametrize(
    ("model", "os", "family"),
    [
        ("CE9855-32DQ", "huawei_vrpv8", "ce8855"),
        ("CE8851-32CQ4BQ", "huawei_vrpv8", "ce8855"),
        ("ce6866-48s8cq-p", "huawei_vrpv8", "ce6866"),
        ("CE8851-32CQ8DQ-P", "huawei_vrpv8", "ce6866"),
        ("S9855-48CD8D", "h3c_comware", "h3c_s98xx"),
        ("sonic-x86_64-accton_as9716_32d", "sonic", "sonic"),
    ],
)
def test_the_family_follows_from_the_model(twin: Twin, model: str, os: str, family: str) -> None:
    twin.values["sw1"].update(switch_model=model, switch_os=os)
    switch = twin.plan()["switches"]["sw1"]
    assert (switch["family"], switch["os"]) == (family, os)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"switch_model": "QFX5220-32CD"}, "model 'QFX5220-32CD' is of no known family; families: ce8855, ce6866"),
        ({"switch_model": "S9855-48CD8D"}, "a S9855-48CD8D speaks h3c_comware, the inventory says huawei_vrpv8"),
    ],
)
def test_a_model_that_does_not_fit(twin: Twin, changes: dict[str, str], sentence: str) -> None:
    twin.values["sw1"].update(changes)
    (found,) = twin.problems()
    assert (found[0], found[2], found[3]) == ("switch sw1", "sw1", "switch_model") and sentence in found[1]


def test_a_model_that_nobody_says(twin: Twin) -> None:
    (twin.folder / "survey.yml").write_text("schema: [", encoding="utf-8")
    (found,) = twin.problems()
    assert "nobody says its model (switch_model, or the survey file)" in found[1]
    twin.values["sw1"]["switch_model"] = "CE8855-32CQ4BQ"
    assert twin.problems() == []


@pytest.mark.parametrize(
    ("key", "value", "where", "sentence"),
    [
        ("site_fabric", None, "site_fabric", "the inventory does not give it"),
        ("site_fabric", ["x"], "site_fabric", "the inventory does not give it"),
        ("site_cabling_file", None, "site_cabling_file", "does not name the cabling table"),
        ("site_cabling_file", {"a": 1}, "site_cabling_file", "does not name the cabling table"),
        ("site_cabling_file", "nothing.yml", "nothing.yml", ""),
    ],
)
def test_nothing_to_plan_from(twin: Twin, key: str, value: Any, where: str, sentence: str) -> None:
    twin.here[key] = value
    (found,) = twin.problems()
    assert found[0].startswith(where) and sentence in found[1] and (found[3] or found[0]) == key


def test_odd_values_beside_the_fabric_do_not_matter(twin: Twin) -> None:
    expected = twin.plan()
    twin.here.update(site_networks=["odd"], site_survey_file="survey.yml")
    twin.values["node1"].update(ansible_host=17, bmc_address=["x"])
    assert twin.plan() == expected
    twin.here["site_networks"] = {"storage": "odd", "bmc": {"subnet": 5}, "management": {"subnet": "fd00::/64"}}
    assert twin.plan() == expected


def test_an_address_that_a_machine_has(twin: Twin) -> None:
    twin.values["sw1"]["ansible_host"] = "10.88.0.111"
    assert [each[:2] for each in twin.problems()] == [("node2/NPU3", "its address 10.88.0.111 is sw1's ansible_host")]


# npuforge fabric plan


@pytest.fixture
def example(tmp_path: Path) -> Path:
    return make_site(tmp_path)


def test_the_command_prints_table_json_and_drawing(
    example: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["fabric", "plan", "-i", str(example)]) == 0
    text = capsys.readouterr().out
    assert "node3/NPU8  -i 7  8     10.30.0.34/22  10.30.0.1  sw1     400GE1/0/12:2\n" in text
    file = tmp_path / "plan.svg"
    assert cli.main(["fabric", "plan", "-i", str(example), "--json", "--svg", str(file), "--language", "en"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert contract.problems(plan, "fabric_plan") == [] and len(plan["ports"]) == 24
    assert "Fabric plan · example-hospital" in file.read_text(encoding="utf-8")
    assert cli.main(["fabric", "plan", "-i", str(example), "--svg", str(file)]) == 0
    assert "算力网络规划" in file.read_text(encoding="utf-8")


def test_the_command_tells_every_contradiction(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(
        example / "group_vars/all/site.yml",
        ("  netdetect: gateway\n", "  netdetect: gateway\n  qos: {dscp: 40}\n  ecn: {low_limit_bytes: 1000}\n"),
    )
    assert cli.main(["fabric", "plan", "-i", str(example)]) == 3
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("npuforge: the fabric cannot be planned:\n  site_fabric.qos.dscp: is 40, but")
    assert "\n  switch sw1: xoff 524288 + headroom 262144 bytes are not below the ECN low limit 1000\n" in shown.err
    assert cli.main(["fabric", "plan", "-i", str(example), "--json"]) == 3
    found = json.loads(capsys.readouterr().out)["problems"]
    assert [each["where"] for each in found] == ["site_fabric.qos.dscp", "switch sw1"]


def test_a_drawing_that_cannot_be_written(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["fabric", "plan", "-i", str(example), "--svg", str(example / "no/such/plan.svg")]) == 3
    assert "cannot be written" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        cli.main(["fabric", "draw"])
    assert stopped.value.code == 3
