"""The fabric plan: its values, and every contradiction that it refuses, whatever people write."""

from __future__ import annotations

import copy
import ipaddress
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from npuforge.fabric import addresses, values
from npuforge.fabric.plan import build_plan, node_part, switch_part
from npuforge.fabric.refuse import PlanError

from controller import contract
from controller.validate.structure import definitions
from tests.unit.fabric_plan_helpers import LAW, Inventory, family, node, problems, site

RAILS = {
    "layout": "rail_subnets",
    "subnet": None,
    "gateway": None,
    "first_address": None,
    "rail_subnets": [f"10.88.{rail}.0/26" for rail in range(1, 9)],
    "gateways": [f"10.88.{rail}.1" for rail in range(1, 9)],
}


def test_the_plan_of_three_nodes_on_one_switch() -> None:
    plan = build_plan(site())
    assert contract.problems(plan, "fabric_plan") == []
    assert plan["nodes"] == ["node1", "node2", "node3"] and len(plan["ports"]) == 24
    assert plan["qos"] == {
        "traffic_class": 132,
        "dscp": 33,
        "service_level": 4,
        "priority": 4,
        "queue": 4,
        "phb": "af4",
        "npu_tc": 3,
        "cnp": {"dscp": 48, "priority": 6, "queue": 6, "phb": "cs6"},
    }
    assert plan["pfc"]["bitmap"] == [0, 0, 0, 0, 1, 0, 0, 0] and plan["pfc"]["lossless_priorities"] == [4]
    assert plan["ports"][10] == {
        "id": "node2/NPU3",
        "node": "node2",
        "name": "NPU3",
        "device_id": 2,
        "rail": 3,
        "address": "10.88.0.111",
        "netmask": "255.255.255.0",
        "prefix_length": 24,
        "gateway": "10.88.0.1",
        "netdetect": "10.88.0.1",
        "switch": "sw1",
        "switch_port": "400GE1/0/6:1",
    }
    environment = plan["hccl_environment"]
    assert (environment["HCCL_RDMA_TC"], environment["HCCL_RDMA_SL"]) == ("132", "4")
    assert all(isinstance(value, str) for value in environment.values())
    switch = plan["switches"]["sw1"]
    assert switch["headroom_pool_kib"] == 4096 and switch["cell_bytes"] is None
    assert switch["ports"] == [f"400GE1/0/{port}:{lane}" for port in range(1, 13) for lane in (1, 2)]


def test_another_traffic_class_moves_the_whole_chain() -> None:
    plan = build_plan(site(qos={"traffic_class": 160, "service_level": 5}))
    qos = plan["qos"]
    assert (qos["dscp"], qos["priority"], qos["queue"], qos["phb"]) == (40, 5, 5, "ef")
    assert plan["pfc"]["bitmap"] == [0, 0, 0, 0, 0, 1, 0, 0]
    assert plan["hccl_environment"]["HCCL_RDMA_TC"] == "160" and plan["hccl_environment"]["HCCL_RDMA_SL"] == "5"


def test_an_override_of_one_value_leaves_its_neighbours() -> None:
    plan = build_plan(
        site(pfc={"deadlock": {"detect_time": 5}}, qos={"cnp": {"dscp": 25}}, ecn={"discard_percentage": 9})
    )
    assert plan["pfc"]["deadlock"] == {"detect_time": 5, "recovery_time": 10, "turn_off_threshold": 30}
    assert plan["qos"]["cnp"] == {"dscp": 25, "priority": 6, "queue": 6, "phb": "cs6"}
    assert plan["ecn"] == {"low_limit_bytes": 1048576, "high_limit_bytes": 2097152, "discard_percentage": 9}


def test_a_switch_differs_from_its_family_where_the_site_says_so() -> None:
    inventory = site(
        switches={"sw1": {"cell_bytes": 254, "headroom_pool_kib": 8192, "buffer": {"headroom_bytes": 81920}}}
    )
    switch = build_plan(inventory)["switches"]["sw1"]
    assert switch["cell_bytes"] == 254 and switch["headroom_pool_kib"] == 8192
    assert switch["buffer"] == {"form": "dynamic", "xoff": 6, "xoff_bytes": 524288, "headroom_bytes": 81920}


def test_each_rail_has_its_subnet_and_gateway() -> None:
    plan = build_plan(site(**RAILS))
    for port in plan["ports"]:
        number = int(port["node"].removeprefix("node"))
        assert port["address"] == f"10.88.{port['rail']}.{number + 1}"
        assert port["gateway"] == port["netdetect"] == f"10.88.{port['rail']}.1"
        assert (port["netmask"], port["prefix_length"]) == ("255.255.255.192", 26)


def test_without_a_gateway_there_is_nothing_to_ping() -> None:
    plan = build_plan(site(gateway=None, first_address=None))
    assert plan["ports"][0]["address"] == "10.88.0.1"
    assert {(port["gateway"], port["netdetect"]) for port in plan["ports"]} == {(None, None)}
    plan = build_plan(site(netdetect=None))
    assert {(port["gateway"], port["netdetect"]) for port in plan["ports"]} == {("10.88.0.1", None)}
    plan = build_plan(site(gateway=None, netdetect="10.88.0.9"))
    assert {(port["gateway"], port["netdetect"]) for port in plan["ports"]} == {(None, "10.88.0.9")}


def test_parts_hold_what_concerns_one_device() -> None:
    plan = build_plan(site())
    part = node_part(plan, "node2")
    assert [port["id"] for port in part["ports"]] == [f"node2/NPU{npu}" for npu in range(1, 9)]
    assert part["qos"] == plan["qos"] and contract.problems(part, "fabric_plan") == []
    inventory = site()
    inventory["nodes"][2] = node(3, switch="sw2")
    inventory["switches"]["sw2"] = family("ce8855")
    plan = build_plan(inventory)
    part = switch_part(plan, "sw2")
    assert list(part["switches"]) == ["sw2"] and {port["node"] for port in part["ports"]} == {"node3"}
    for unknown in (node_part, switch_part):
        with pytest.raises(KeyError):
            unknown(plan, "nobody")


def cable(npu: int, **changes: str) -> Callable[[Inventory], None]:
    def change(inventory: Inventory) -> None:
        inventory["nodes"][1]["ports"][npu - 1].update(changes)

    return change


def lose_a_cable(inventory: Inventory) -> None:
    del inventory["nodes"][1]["ports"][2]


def add_a_port(inventory: Inventory) -> None:
    inventory["nodes"][1]["ports"].append({"name": "NPU9", "switch": "sw1", "switch_port": "400GE1/0/30"})


def other_product(inventory: Inventory) -> None:
    inventory["nodes"][2]["product"]["link"]["mtu_bytes"] = 1500


def no_product(inventory: Inventory) -> None:
    inventory["nodes"][2]["product"] = None


def unknown_model(inventory: Inventory) -> None:
    inventory["switches"]["sw1"] = {"family": None, "problem": "model 'X1' is of no known family"}


def pool_refused(inventory: Inventory) -> None:
    inventory["switches"]["sw1"] = family("ce6866")
    inventory["fabric"]["switches"] = {"sw1": {"headroom_pool_kib": 4096}}


def times_refused(inventory: Inventory) -> None:
    inventory["switches"]["sw1"] = family("ce6866")
    inventory["fabric"]["pfc"] = {"deadlock": {"detect_time": 15}}


def fabric(**changes: Any) -> Callable[[Inventory], None]:
    def change(inventory: Inventory) -> None:
        inventory["fabric"].update(changes)

    return change


def rails(**changes: Any) -> Callable[[Inventory], None]:
    return fabric(**{**RAILS, **changes})


def taken(inventory: Inventory) -> None:
    inventory["addresses"]["10.88.0.110"] = "sw9's ansible_host"


def no_nodes(inventory: Inventory) -> None:
    inventory["nodes"] = []


SUBNETS = RAILS["rail_subnets"]
assert isinstance(SUBNETS, list)
# One change of a site that can be planned, and the one problem that follows: where, part of the sentence.
REFUSED: list[tuple[Callable[[Inventory], None], str, str]] = [
    (fabric(qos={"dscp": 40}), "site_fabric.qos.dscp", "HCCL_RDMA_TC 132 sends DSCP 33"),
    (fabric(qos={"traffic_class": 133}), "site_fabric.qos.traffic_class", "a multiple of 4"),
    (fabric(qos={"traffic_class": 134}), "site_fabric.qos.traffic_class", "is 134: a multiple of 4"),
    (fabric(qos={"traffic_class": 256}), "site_fabric.qos.traffic_class", "is 256: from 0 to 252"),
    (fabric(qos={"priority": 3, "queue": 3}), "site_fabric.qos.service_level", "is 4, but the PFC priority is 3"),
    (fabric(qos={"queue": 5}), "site_fabric.qos.queue", "is 5, but PFC holds back priority 4"),
    (fabric(qos={"npu_tc": 4}), "site_fabric.qos.npu_tc", "is 4: from 0 to 3"),
    (fabric(qos={"cnp": {"priority": 4}}), "site_fabric.qos.cnp.priority", "is that of the data, 4"),
    (fabric(qos={"cnp": {"dscp": 33}}), "site_fabric.qos.cnp.dscp", "is that of the data, 33"),
    (fabric(qos={"cnp": {"dscp": 64}}), "site_fabric.qos.cnp.dscp", "is 64: from 0 to 63"),
    (fabric(qos={"cnp": {"queue": 4}}), "site_fabric.qos.cnp.queue", "is that of the data, 4"),
    (
        fabric(qos={"cnp": {"queue": 3}}, pfc={"lossless_priorities": [3, 4]}),
        "site_fabric.qos.cnp.queue",
        "is 3, a lossless one",
    ),
    (fabric(pfc={"lossless_priorities": [4, 6]}), "site_fabric.qos.cnp.priority", "is 6, a lossless one"),
    (fabric(pfc={"lossless_priorities": [3]}), "site_fabric.pfc.lossless_priorities", "lacks the data's priority 4"),
    (fabric(pfc={"lossless_priorities": [0, 1, 2, 3, 4]}), "site_fabric.pfc.lossless_priorities", "at most 4"),
    (fabric(pfc={"lossless_priorities": [4, 8]}), "site_fabric.pfc.lossless_priorities", "from 0 to 7"),
    (fabric(pfc={"deadlock": {"detect_time": 16}}), "site_fabric.pfc.deadlock.detect_time", "is 16: from 1 to 15"),
    (fabric(ecn={"low_limit_bytes": 204800}), "switch sw1", "xoff 524288 + headroom 262144 bytes are not below"),
    (fabric(ecn={"low_limit_bytes": 786432}), "switch sw1", "are not below the ECN low limit 786432"),
    (fabric(ecn={"low_limit_bytes": 2097153}), "site_fabric.ecn.low_limit_bytes", "above the high limit 2097152"),
    (fabric(ecn={"discard_percentage": 0}), "site_fabric.ecn.discard_percentage", "is 0: from 1 to 100"),
    (fabric(link={"mtu_bytes": 9703}), "site_fabric.link.mtu_bytes", "is 9703: from 68 to 9702"),
    (fabric(link={"mtu_bytes": 4123}), "site_fabric.test.probe_large_bytes", "exceed the MTU of 4123"),
    (fabric(link={"max_frame_bytes": 4221}), "site_fabric.link.mtu_bytes", "frames of 4221 bytes"),
    (fabric(link={"max_frame_bytes": 9217}), "switch sw1", "frames of 9217 bytes are planned, its family takes 9216"),
    (fabric(link={"fec": "none at all"}), "site_fabric.link.fec", "one of rs, no, auto"),
    (fabric(roce_port=0), "site_fabric.roce_port", "is 0: from 1 to 65535"),
    (fabric(tls_enable=True), "site_fabric.tls_enable", "is True: a whole number"),
    (fabric(hccl_environment={"HCCL_RDMA_TC": 100}), "site_fabric.hccl_environment.HCCL_RDMA_TC", "say it there"),
    (fabric(hccl_environment={"HCCL_RDMA_TIMEOUT": 21}), "site_fabric.hccl_environment.HCCL_RDMA_TIMEOUT", "5 to 20"),
    (fabric(hccl_environment={"HCCL_X": "a\nb"}), "site_fabric.hccl_environment.HCCL_X", "a word without blanks"),
    (fabric(hccl_environment={"path": "x"}), "site_fabric.hccl_environment.path", "no name of a variable"),
    (fabric(qos={"traffic_clas": 160}), "site_fabric.qos.traffic_clas", "is unknown here; there are cnp, dscp"),
    (fabric(subnets=["10.88.0.0/24"]), "site_fabric.subnets", "is unknown here"),
    (fabric(layout="two_planes"), "site_fabric.layout", "one of single_subnet, rail_subnets"),
    (fabric(subnet="10.88.0.1/24"), "site_fabric.subnet", "a subnet without host bits"),
    (fabric(subnet="127.0.0.0/8", gateway=None, first_address=None), "site_fabric.subnet", "no subnet for hosts"),
    (fabric(subnet="10.77.0.0/16", gateway=None, first_address="10.77.9.1"), "site_fabric.subnet", "site_networks.man"),
    (fabric(gateway="10.89.0.1"), "site_fabric.gateway", "is 10.89.0.1: no host of 10.88.0.0/24"),
    (fabric(gateway="10.88.0.255"), "site_fabric.gateway", "no host of"),
    (fabric(gateway="10.88.0.110"), "node2/NPU2", "its address 10.88.0.110 is the gateway's"),
    (fabric(first_address="10.89.0.5"), "site_fabric.first_address", "no host of 10.88.0.0/24"),
    (fabric(first_address="10.88.0.0"), "site_fabric.first_address", "no host of 10.88.0.0/24"),
    (fabric(first_address="10.88.0.232"), "node3/NPU8", "no address is left for it in 10.88.0.0/24"),
    (fabric(netdetect="gatewya"), "site_fabric.netdetect", "gateway, an address, or null"),
    (fabric(netdetect="10.88.0.102"), "node1/NPU2", "is the one that netdetect pings"),
    (fabric(gateway=None, netdetect="10.99.0.1"), "site_fabric.netdetect", "which has no gateway"),
    (fabric(gateways=["10.88.0.1"]), "site_fabric.gateways", "belongs to layout rail_subnets"),
    (taken, "node2/NPU2", "its address 10.88.0.110 is sw9's ansible_host"),
    (rails(rail_subnets=SUBNETS[:7], gateways=None), "site_fabric.rail_subnets", "7 for the 8 NPU ports"),
    (rails(gateways=["10.88.1.1"]), "site_fabric.gateways", "1 for 8 rail_subnets"),
    (
        rails(rail_subnets=[*SUBNETS[:7], "10.88.1.0/27"], gateways=None),
        "site_fabric.rail_subnets[7]",
        "10.88.1.0/27 overlaps site_fabric.rail_subnets[0]",
    ),
    (rails(rail_subnets="10.88.1.0/26", gateways=None), "site_fabric.rail_subnets", "a list"),
    (cable(3, switch_port="400GE1/0/1:1"), "node2/NPU3", "switch port sw1 400GE1/0/1:1 is node1/NPU1's, too"),
    (cable(3, switch_port="400GE1/0/6:3"), "node2/NPU3", "a 400GE port has 2 lanes of 200000 Mb/s"),
    (cable(3, switch_port="400GE1/0/1"), "node2/NPU3", "is a whole port here and split for node1/NPU1"),
    (cable(3, switch_port="100GE1/0/30"), "node2/NPU3", "a 100GE port has 0 lanes"),
    (cable(3, switch_port="400GE1/0/6:1\n shutdown"), "node2/NPU3", "is no name of a switch port"),
    (cable(3, switch="sw7"), "node2/NPU3", "its cable leads to sw7, but the inventory has no such switch"),
    (lose_a_cable, "node2/NPU3", "the cabling table has no cable for this port"),
    (add_a_port, "node2/NPU9", "cabled, but the product has 8 NPU ports"),
    (other_product, "node node3", "other fabric values than node1's"),
    (no_product, "node node3", "its profile has no fabric values"),
    (no_nodes, "npu_servers", "the inventory has no server"),
    (unknown_model, "switch sw1", "model 'X1' is of no known family"),
    (pool_refused, "switch sw1", "set up without a headroom pool"),
    (times_refused, "switch sw1", "detect_time 15: models of its family have one for all queues"),
    (fabric(switches={"sw2": {}}), "site_fabric.switches.sw2", "no cable of an NPU port leads to such a switch"),
    (
        fabric(switches={"sw1": {"buffer": {"form": "fluid"}}}),
        "site_fabric.switches.sw1.buffer.form",
        "dynamic or static",
    ),
    (fabric(switches={"sw1": {"cell_bytes": "254"}}), "site_fabric.switches.sw1.cell_bytes", "a whole number"),
]


@pytest.mark.parametrize(("change", "where", "sentence"), REFUSED, ids=[f"{row[1]}: {row[2][:40]}" for row in REFUSED])
def test_each_contradiction_is_refused_once(change: Callable[[Inventory], None], where: str, sentence: str) -> None:
    inventory = site()
    assert problems(inventory) == []
    change(inventory)
    found = problems(inventory)
    assert [(place, sentence in text) for place, text in found] == [(where, True)], found


def test_all_contradictions_are_told_at_once() -> None:
    inventory = site(qos={"dscp": 40, "cnp": {"priority": 4}}, ecn={"low_limit_bytes": 1000}, gateway="10.89.0.1")
    lose_a_cable(inventory)
    cable(5, switch_port="400GE1/0/1:1")(inventory)
    assert [where for where, _ in problems(inventory)] == [
        "site_fabric.gateway",
        "node2/NPU3",
        "site_fabric.qos.dscp",
        "site_fabric.qos.cnp.priority",
        "switch sw1",
        "node2/NPU6",
    ]


def test_the_limits_themselves_are_allowed() -> None:
    # xoff + headroom + 1; two lanes' worth; the whole subnet; the smallest MTU that holds the large probe
    assert problems(site(ecn={"low_limit_bytes": 524288 + 262144 + 1})) == []
    assert problems(site(link={"mtu_bytes": 4096 + 28})) == []
    assert problems(site(first_address="10.88.0.231")) == []
    assert problems(site(pfc={"lossless_priorities": [1, 2, 3, 4]})) == []


@pytest.mark.parametrize("name", [entry["id"] for entry in LAW.switches["families"]])
@pytest.mark.parametrize("product", [key for key, value in LAW.profiles.items() if "fabric" in value])
def test_every_product_can_be_planned_with_every_family(name: str, product: str) -> None:
    inventory = site()
    inventory["switches"]["sw1"] = family(name)
    for entry in inventory["nodes"]:
        entry["product"] = LAW.profiles[product]["fabric"]
    assert problems(inventory) == []


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["10.88.0.7", "rs"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
    max_leaves=6,
)
KEYS = sorted(definitions()["site"]["properties"]["site_fabric"]["properties"])
INNER = [
    "traffic_class",
    "service_level",
    "cnp",
    "dscp",
    "deadlock",
    "lossless_priorities",
    "mtu_bytes",
    "sw1",
    "buffer",
]


@settings(max_examples=150)
@given(st.dictionaries(st.sampled_from(KEYS), ANYTHING | st.dictionaries(st.sampled_from(INNER), ANYTHING), max_size=4))
def test_whatever_people_write_is_planned_or_refused(changes: dict[str, Any]) -> None:
    inventory = site(1, **changes)
    before = copy.deepcopy(inventory)
    problems(inventory)  # checks the plan against its schema
    assert repr(inventory) == repr(before), "the inventory is not ours to change"


@st.composite
def sites(draw: st.DrawFn) -> Inventory:
    """Sites that are mostly sound: nodes at any place, in any layout, on one or two switches, tight subnets."""
    indexes = draw(st.lists(st.integers(1, 12), min_size=1, max_size=5, unique=True))
    prefix = draw(st.integers(24, 27))
    base = draw(st.sampled_from(["10.88.0.0", "192.168.64.0", "172.16.0.0"]))
    if draw(st.booleans()):
        network = ipaddress.IPv4Network(f"{base}/{prefix}")
        fabric: dict[str, Any] = {"layout": "single_subnet", "subnet": str(network)}
        if draw(st.booleans()):
            fabric["gateway"] = str(network[draw(st.integers(1, network.num_addresses - 2))])
        if draw(st.booleans()):
            fabric["first_address"] = str(network[draw(st.integers(1, network.num_addresses // 2))])
    else:
        nets = list(ipaddress.IPv4Network(f"{base}/18").subnets(new_prefix=prefix))[:8]
        fabric = {"layout": "rail_subnets", "rail_subnets": [str(net) for net in nets]}
        if draw(st.booleans()):
            fabric["gateways"] = [str(net[draw(st.integers(1, net.num_addresses - 2))]) for net in nets]
    inventory = site(0)
    inventory["fabric"] = fabric
    inventory["nodes"] = [
        dict(node(index, draw(st.sampled_from(["sw1", "sw2"])), 4 * index - 3), index=index) for index in indexes
    ]
    inventory["switches"]["sw2"] = family("ce8855")
    return inventory


def planned(inventory: Inventory) -> dict[str, Any] | None:
    try:
        return build_plan(inventory)
    except PlanError as error:
        # The only ways in which these sites can fail.
        for each in error.problems:
            assert "no address is left" in each["problem"] or "is the gateway's" in each["problem"], each
        return None


@settings(max_examples=120)
@given(sites())
def test_no_address_and_no_port_is_given_twice(inventory: Inventory) -> None:
    plan = planned(inventory)
    if plan is None:
        return
    assert contract.problems(plan, "fabric_plan") == []
    ports = plan["ports"]
    assert len({port["address"] for port in ports}) == len(ports) == 8 * len(inventory["nodes"])
    assert len({(port["switch"], port["switch_port"]) for port in ports}) == len(ports)
    listed = [(name, port) for name, switch in plan["switches"].items() for port in switch["ports"]]
    assert sorted(listed) == sorted((port["switch"], port["switch_port"]) for port in ports)
    for port in ports:
        network = ipaddress.IPv4Network(f"{port['address']}/{port['prefix_length']}", strict=False)
        assert ipaddress.IPv4Address(port["address"]) not in (network[0], network[-1])
        assert port["address"] != port["gateway"] and str(network.netmask) == port["netmask"]
        assert port["gateway"] is None or ipaddress.IPv4Address(port["gateway"]) in network


@settings(max_examples=80)
@given(sites(), st.randoms())
def test_another_node_at_the_end_and_the_order_of_nodes_change_nothing(inventory: Inventory, random: Any) -> None:
    plan = planned(copy.deepcopy(inventory))
    shuffled = copy.deepcopy(inventory)
    random.shuffle(shuffled["nodes"])
    again = planned(shuffled)
    assert json.dumps(plan) == json.dumps(again)
    more = copy.deepcopy(inventory)
    more["nodes"].append(dict(node(13, "sw2", 60), index=13))
    larger = planned(more)
    if plan is None or larger is None:
        return
    for name in plan["nodes"]:
        assert node_part(plan, name)["ports"] == node_part(larger, name)["ports"]
    assert {key: value for key, value in larger.items() if key not in ("nodes", "ports", "switches")} == {
        key: value for key, value in plan.items() if key not in ("nodes", "ports", "switches")
    }


def test_schema_and_plan_know_the_same_keys() -> None:
    """An override that the inventory's schema lets pass is one that the plan reads, and the other way round."""
    fabric = definitions()["site"]["properties"]["site_fabric"]["properties"]
    assert set(fabric) == set(addresses.KEYS)
    nodes = {"": fabric, "qos.cnp": fabric["qos"]["properties"]["cnp"]["properties"]}
    nodes["pfc.deadlock"] = fabric["pfc"]["properties"]["deadlock"]["properties"]
    for group in ("qos", "ecn", "link", "test"):
        nodes[group] = fabric[group]["properties"]
    nodes["switches"] = fabric["switches"]["additionalProperties"]["properties"]
    nodes["switches.buffer"] = nodes["switches"]["buffer"]["properties"]
    assert set(nodes) == set(values.LIMITS)
    for group, limits in values.LIMITS.items():
        assert set(limits) <= set(nodes[group]), group
        for key, (low, high) in limits.items():
            rule = nodes[group][key]
            rule = definitions()["port"] if "$ref" in rule else rule
            if "enum" in rule:
                assert rule["enum"] == list(range(low, high + 1)), key
            elif "maximum" in rule:
                assert (rule["minimum"], rule["maximum"]) == (low, high), key
