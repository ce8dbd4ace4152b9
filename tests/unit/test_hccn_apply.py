"""The NPU ports of a node set to the plan: order, difference, read back, restore, kill, lock, file."""

from __future__ import annotations

import json
import re
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

import pytest
from hccn_helpers import BUSY, Host, by_kind, plan
from npuforge.ascend import files, hccn_facts, hccn_run
from npuforge.fabric.tool import Answer

from controller import contract


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def run(host: Host, check: bool = False, **changes: Any) -> hccn_run.Result:
    request = hccn_run.Request("node2", changes.pop("plan", None) or plan(), check, **changes)
    return hccn_run.run(request, host.tool, host.files, True, host.sleep)


def facts_of(made: hccn_run.Result) -> dict[str, Any]:
    return dict(by_kind(made.observations))


def test_an_unconfigured_node_is_set_once_and_survives_a_restart(host: Host) -> None:
    made = run(host)
    assert (made.changed, made.failed) == (True, False)
    assert facts_of(made)["node2/NPU3"]["address"] == "10.88.0.113"
    again = run(host)
    assert (again.changed, again.steps, again.message) == (False, [], "as planned")
    assert len(host.tool.log) == host.tool.calls
    host.tool.restart()
    last = run(host)
    assert last.changed is False
    for name, facts in facts_of(last).items():
        if name != "node2":
            wrong = {key: value for key, value in facts.items() if re.search("_(differences|problems)$", key) and value}
            assert wrong == {}, name
            assert facts["net_health"] == "Success"
            assert facts["notes"] == []


def test_a_run_that_changes_nothing_costs_sixteen_calls_a_port_and_one(host: Host) -> None:
    run(host)
    before = host.tool.calls
    made = run(host)
    assert host.tool.calls - before == 8 * 16 + 1
    assert facts_of(made)["node2"]["hccn"]["calls_per_port"] == 16


def test_check_mode_plans_the_same_and_writes_nothing(host: Host) -> None:
    host.write("# mine\nmtu_0=1500\n")
    planned = run(host, check=True)
    assert host.conf() == "# mine\nmtu_0=1500\n"
    assert host.tool.writes() == []
    assert sorted(path.name for path in host.root.rglob("*") if path.is_file()) == ["hccn.conf"]
    assert facts_of(planned)["node2/NPU1"]["mtu_differences"] == ["node2 NPU1: MTU is 1500, planned 4200"]
    done = run(host)
    assert (planned.steps, planned.diff) == (done.steps, done.diff)
    assert "node2 NPU1 dscp_tc: 33:0\n" in planned.diff[0]["before"]
    assert planned.changed and done.changed


def test_order_of_one_port(host: Host) -> None:
    run(host)
    first = [argv[2] for argv in host.tool.writes() if argv[1] == "0"]
    assert first == ["-ip", "-gateway", "-netdetect", "-mtu", "-pfc", "-dscp_to_tc", "-udp", "-tls"]


@pytest.mark.parametrize("shift", [1, 7, 4])
def test_addresses_that_went_round_are_put_right_though_the_tool_refuses_conflicts(host: Host, shift: int) -> None:
    run(host)
    for number, device in enumerate(host.tool.devices):
        device.address = f"10.88.0.{111 + (number + shift) % 8}"
        host.tool.store(f"address_{number}", device.address)
    made = run(host)
    assert made.failed is False
    assert [device.address for device in host.tool.devices] == [f"10.88.0.{111 + n}" for n in range(8)]
    assert all(device.gateway == "10.88.0.1" for device in host.tool.devices)
    assert "198.51.100" not in host.conf()
    assert run(host).changed is False


def test_an_address_that_a_device_outside_the_plan_holds_is_refused_by_name_and_undone(host: Host) -> None:
    two = plan(devices=2)
    host.tool.devices[6].address = "10.88.0.112"
    made = run(host, plan=two)
    assert made.failed
    assert "node2/NPU2: node2 NPU2: set address to 10.88.0.112" in made.message
    assert "The ip address configured is conflicted!" in made.message
    assert (host.tool.devices[0].address, host.tool.devices[1].address) == ("10.88.0.111", None)
    assert host.tool.devices[1].mtu == 1500


def test_one_stale_address_is_one_write_and_its_gateway(host: Host) -> None:
    run(host)
    before = len(host.tool.writes())
    host.tool.devices[4].address = "10.88.0.77"
    found = facts_of(run(host, check=True))["node2/NPU5"]
    assert found["address_differences"] == ["node2 NPU5: address is 10.88.0.77, planned 10.88.0.115"]
    assert found["file_differences"] == [
        "node2 NPU5: address is 10.88.0.77, /etc/hccn.conf has 10.88.0.115 (device and file disagree)"
    ]
    made = run(host)
    assert [argv[1:3] for argv in host.tool.writes()[before:]] == [["4", "-ip"], ["4", "-gateway"]]
    assert facts_of(made)["node2/NPU5"]["address_differences"] == []


def test_a_value_that_is_only_in_the_device_is_found_before_a_restart_loses_it(host: Host) -> None:
    run(host)
    host.tool.store("bitmap_2", None)
    found = facts_of(run(host, check=True))["node2/NPU3"]
    assert (found["pfc_differences"], found["file_differences"]) == (
        [],
        ["node2 NPU3: /etc/hccn.conf lacks bitmap_2=0,0,0,0,1,0,0,0; a restart loses it"],
    )
    run(host)
    host.tool.restart()
    assert host.tool.devices[2].bitmap == "0,0,0,0,1,0,0,0"


def test_unknown_keys_comments_and_a_half_written_last_line_survive(host: Host) -> None:
    run(host)
    mine = (
        "# by hand\narp_0=-i eth0 -s 10.88.0.9 02:00:00:00:00:09\nsend_arp_status_7=1\n"
        "route_address_10.0.0.0_netmask_255.0.0.0_1=10.88.0.2\n"
    )
    host.write(mine + host.conf().replace("mtu_3=4200\n", "") + "nslb_dp_listen_port_0=16668")
    run(host)
    assert host.conf().startswith(mine)
    assert "nslb_dp_listen_port_0=16668\n" in host.conf()
    assert host.conf().endswith("mtu_3=4200\n")


def test_carriage_returns_in_the_file_are_differences_and_go(host: Host) -> None:
    run(host)
    host.write(host.conf().replace("\n", "\r\n"))
    found = facts_of(run(host, check=True))["node2/NPU1"]
    assert "node2 NPU1: /etc/hccn.conf has mtu_0='4200\\r', planned 4200" in found["file_differences"]
    run(host)
    # The tool skips a part of one character, so this value means what it should.
    assert {line.split("_0=")[0] for line in host.conf().split("\n") if "_0=" in line and "\r" in line} == {"dscp_tc"}
    assert run(host).changed is False


@pytest.mark.parametrize("broken", ["33:3,garbage,", "33=3", "64:1,", "33:4,", "3333333"])
def test_a_line_of_pairs_that_the_tool_cannot_read_would_stop_every_write_and_goes(host: Host, broken: str) -> None:
    host.write(f"dscp_tc_0={broken}\n")
    made = run(host)
    assert made.failed is False
    assert "dscp_tc_0=33:3,\n" in host.conf()


def test_what_people_mapped_beside_the_plan_stays(host: Host) -> None:
    host.write("dscp_tc_0=46:1,\n")
    host.tool.devices[0].dscp[46] = 1
    made = run(host)
    assert "dscp_tc_0=46:1,33:3,\n" in host.conf()
    assert facts_of(made)["node2/NPU1"]["dscp_tc"] == {"33": 3, "46": 1}
    assert run(host).changed is False


def test_without_a_planned_gateway_the_old_one_is_taken_out_of_the_file(host: Host) -> None:
    run(host)
    wanted = plan(gateway=None)
    made = run(host, plan=wanted)
    assert "gateway_" not in host.conf()
    port = facts_of(made)["node2/NPU1"]
    assert port["gateway_differences"] == ["node2 NPU1: gateway is 10.88.0.1, planned not set"]
    assert port["netdetect"] is None
    assert run(host, plan=wanted).changed is False
    host.tool.restart()
    assert facts_of(run(host, plan=wanted))["node2/NPU1"]["gateway_differences"] == []


def test_a_port_that_cannot_be_set_gets_its_old_settings_and_the_others_the_new(host: Host) -> None:
    run(host)
    before = host.conf()
    wanted = plan()
    wanted["link"]["mtu_bytes"] = 9000
    wanted["ports"] = [{**row, "address": f"10.88.0.{200 + n}"} for n, row in enumerate(wanted["ports"])]

    def hook(argv: list[str]) -> Answer | None:
        if argv[:4] == ["-i", "2", "-mtu", "-s"] and "9000" in argv:
            return Answer(argv, 13, "The value of mtu you input is out of the valid range!\n", 0.01)
        return None

    host.tool.hook = hook
    made = run(host, plan=wanted)
    assert made.failed
    assert made.message.startswith(
        "node2/NPU3: node2 NPU3: set MTU to 9000: The value of mtu you input is out of the valid range!"
    )
    assert "old settings are back on node2/NPU3" in made.message
    hccn = facts_of(made)["node2"]["hccn"]
    assert (hccn["applied"], hccn["restored"], hccn["not_undone"]) == (True, True, [])
    device = host.tool.devices[2]
    assert (device.address, device.gateway, device.mtu, device.netdetect) == (
        "10.88.0.113",
        "10.88.0.1",
        4200,
        "10.88.0.1",
    )
    assert [line for line in sorted(host.conf().splitlines()) if line.split("=")[0].endswith("_2")] == [
        line for line in sorted(before.splitlines()) if line.split("=")[0].endswith("_2")
    ]
    assert host.tool.devices[3].mtu == 9000
    assert facts_of(made)["node2/NPU3"]["mtu_differences"] == ["node2 NPU3: MTU is 4200, planned 9000"]
    host.tool.hook = None
    assert run(host, plan=wanted).failed is False
    assert host.tool.devices[2].mtu == 9000


def test_a_device_that_says_yes_and_does_nothing_is_found_and_put_back(host: Host) -> None:
    def hook(argv: list[str]) -> Answer | None:
        deaf = argv[:4] == ["-i", "5", "-pfc", "-s"]
        return Answer(argv, 0, "Cmd executed successfully!\n", 0.01) if deaf else None

    run(host)
    host.tool.devices[5].bitmap = "0,0,0,1,0,0,0,0"
    host.tool.hook = hook
    made = run(host)
    assert made.failed
    assert "PFC bitmap is 0,0,0,1,0,0,0,0, planned 0,0,0,0,1,0,0,0" in made.message
    assert host.sleeps >= 2


def test_what_cannot_be_undone_is_told(host: Host) -> None:
    def hook(argv: list[str]) -> Answer | None:
        refused = argv[:4] == ["-i", "0", "-tls", "-s"]
        return Answer(argv, 1, "Command execute failed!\n", 0.01) if refused else None

    host.tool.hook = hook
    made = run(host)
    assert made.failed
    left = facts_of(made)["node2"]["hccn"]["not_undone"]
    assert "node2 NPU1: address is 10.88.0.111, before not set" in left
    assert "address_0" not in host.conf()
    assert host.tool.devices[0].mtu == 1500


def test_a_late_device_is_given_time(host: Host) -> None:
    late = {"looks": 2}

    def hook(argv: list[str]) -> Answer | None:
        if argv == ["-i", "1", "-mtu", "-g"] and host.tool.devices[1].mtu == 4200 and late["looks"]:
            late["looks"] -= 1
            return Answer(argv, 0, "mtu:1500\n", 0.01)
        return None

    host.tool.hook = hook
    assert run(host).failed is False
    assert late["looks"] == 0


@pytest.mark.parametrize("after", [0, 1, 3, 9, 20, 40, 63])
def test_a_run_killed_anywhere_is_finished_by_the_next(host: Host, after: int) -> None:
    for number, device in enumerate(host.tool.devices):
        device.address, device.netmask = f"10.88.0.{111 + (number + 1) % 8}", "255.255.255.0"
    host.write("address_0=10.88.0.112\nmtu_1=1500")

    def hook(argv: list[str]) -> Answer | None:
        if "-s" in argv and len(host.tool.writes()) > after:
            raise KeyboardInterrupt
        return None

    host.tool.hook = hook
    with pytest.raises(KeyboardInterrupt):
        run(host)
    host.tool.hook = None
    (host.root / "etc" / ".npuforge-hccn.abc").write_text("left by a kill")
    made = run(host)
    assert made.failed is False
    assert run(host).changed is False
    assert [device.address for device in host.tool.devices] == [f"10.88.0.{111 + n}" for n in range(8)]
    assert not list((host.root / "etc").glob(".npuforge*"))


class Clock(datetime):
    """A day a look, so that every checkpoint has a name of its own."""

    day = 0

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Clock:
        cls.day += 1
        return cls(2026, 11, cls.day, tzinfo=tz)


def test_three_checkpoints_are_kept_with_the_mode_of_the_file(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.write("# first\n")
    host.tool.conf.chmod(0o600)
    monkeypatch.setattr(files, "datetime", Clock)
    for _ in range(5):
        host.tool.devices[0].mtu = 1500
        run(host)
    found = sorted(host.tool.conf.parent.glob("hccn.conf.npuforge-*"))
    assert [path.name for path in found] == [f"hccn.conf.npuforge-2026110{day}T000000Z" for day in (3, 4, 5)]
    assert {path.stat().st_mode & 0o777 for path in found} == {0o600}
    assert all(path.read_text().startswith("# first\naddress_0") for path in found)


def test_two_runs_do_not_interleave(host: Host) -> None:
    with host.files.lock(), pytest.raises(files.Locked, match="another run works on the NPU ports"):
        run(host)
    assert host.tool.log == []
    assert run(host).changed


def test_a_missing_tool_is_a_fact(host: Host) -> None:
    host.tool.hook = lambda argv: Answer(["hccn_tool", *argv], 127, "No such file or directory", 0.0)
    made = run(host)
    facts = facts_of(made)
    assert made.failed is False
    assert facts["node2"]["hccn"]["tool"] == {"present": False, "version": None}
    assert "is the driver installed?" in facts["node2"]["notes"][0]["problem"]
    assert host.tool.calls == 1
    port = facts["node2/NPU8"]
    assert port["mtu_differences"] is None
    assert any("mtu_differences" in row["where"] and "driver" in row["problem"] for row in port["notes"])
    assert run(host).changed is False


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("permission denied: pls check this cmd run permission.\n", "no permission"),
        ("hccn_tool: error while loading shared libraries: libdrvdsmi_host.so: cannot open\n", "driver incomplete"),
        ("dcmi model initialized failed, because the device is used. ret is -8020\n", "driver not loaded"),
    ],
)
def test_a_tool_that_refuses_everything_is_asked_once(host: Host, text: str, why: str) -> None:
    host.tool.hook = lambda argv: Answer(argv, 1, text, 0.01)
    made = run(host)
    assert why in made.message
    assert host.tool.calls == 1


def test_a_hanging_device_costs_two_calls_and_its_neighbours_are_set(host: Host) -> None:
    host.tool.hook = lambda argv: Answer(argv, None, "", 15.0) if argv[1] == "6" else None
    made = run(host)
    facts = facts_of(made)
    assert sum(1 for argv in host.tool.log if argv[1] == "6") == 2
    assert facts["node2/NPU7"]["mtu_bytes"] is None
    assert facts["node2/NPU8"]["mtu_bytes"] == 4200
    assert host.tool.devices[6].mtu == 1500
    assert made.message == "57 changes made; not all could be read of node2 NPU7, and nothing unread was set"


def test_a_hanging_driver_is_given_up(host: Host) -> None:
    host.tool.hook = lambda argv: Answer(argv, None, "", 15.0)
    made = run(host)
    assert host.tool.calls == 4
    assert "hung" in made.message


def test_a_layout_that_nobody_knows_is_unknown_and_nothing_is_written(host: Host) -> None:
    run(host)
    before = host.conf()
    host.tool.hook = lambda argv: Answer(argv, 0, "| hccn_tool 29.0 |\n| state = up; mtu = 4200 |\n", 0.01)
    made = run(host)
    assert made.message.startswith("nothing to do; not all could be read of node2 NPU1, ")
    assert (made.changed, host.conf()) == (False, before)
    port = facts_of(made)["node2/NPU4"]
    nulls = {key for key in port if key.endswith(("differences", "problems")) and port[key] is None}
    assert len(nulls) == 12
    assert {row["problem"] for row in port["notes"] if "pfc" in row["where"]} == {"unknown answer: | hccn_tool 29.0 |"}
    assert len(port["notes"]) == len({tuple(row.items()) for row in port["notes"]})


def test_a_device_that_is_busy_all_the_time_is_unknown_not_wrong(host: Host) -> None:
    host.tool.hook = lambda argv: Answer(argv, 11, BUSY, 0.01) if argv[1] == "0" else None
    port = facts_of(run(host))["node2/NPU1"]
    assert (port["mtu_bytes"], port["mtu_differences"]) == (None, None)
    assert {row["problem"] for row in port["notes"] if "mtu" in row["where"]} == {"hccn_tool stayed busy"}


def test_the_environment_file(host: Host) -> None:
    path = host.root / "etc" / "npuforge" / "hccl.env"
    made = facts_of(run(host, check=True))["node2"]["hccn"]
    assert (made["environment"], made["environment_differences"]) == (
        None,
        ["node2: /etc/npuforge/hccl.env: there is no such file"],
    )
    run(host)
    assert path.read_text().splitlines()[1:] == ["HCCL_RDMA_SL=4", "HCCL_RDMA_TC=132"]
    assert path.stat().st_mode & 0o777 == 0o644
    path.write_text("HCCL_RDMA_TC=160\nHCCL_RDMA_SL=4\nHCCL_DEBUG=1\n")
    found = facts_of(run(host, check=True))["node2"]["hccn"]["environment_differences"]
    assert found == ["node2: HCCL_DEBUG is 1, planned none", "node2: HCCL_RDMA_TC is 160, planned 132"]
    run(host)
    assert "160" not in path.read_text()


def test_values_that_an_environment_file_cannot_hold_are_refused() -> None:
    wanted = plan()
    wanted["hccl_environment"]["HCCL_X"] = "a; rm -rf /"
    assert "cannot stand in an environment file" in str(hccn_run.wrong_plan(wanted, "node2"))
    assert hccn_run.wrong_plan({"ports": []}, "node2") is not None
    assert hccn_run.wrong_plan(plan(), "node9") == "the plan has no NPU port of node9"
    assert hccn_run.wrong_plan(plan(), "node2") is None


def test_what_a_port_shows_beside_its_settings(host: Host) -> None:
    run(host)
    devices = host.tool.devices
    devices[0].link = False
    devices[1].speed, devices[2].fec, devices[3].rx, devices[4].snr = 100000, "no", "0.0400", "6.2000"
    devices[5].neighbour, devices[6].neighbour = ("sw1", "400GE1/0/4:1"), None
    devices[7].downs = 3
    devices[7].records = "".join(
        f"[devid 7]    Tue Nov 24 09:{minute}:0{second} 2026    LINK {word}\n"
        for minute in (50, 40, 30)
        for second, word in ((1, "UP"), (0, "DOWN"))
    )
    facts = facts_of(run(host))
    one = facts["node2/NPU1"]
    assert (one["link"], one["speed_mbps"], one["speed_differences"]) == ("down", None, None)
    assert facts["node2/NPU2"]["speed_differences"] == ["node2 NPU2: speed is 100000 Mbit/s, planned 200000"]
    assert facts["node2/NPU3"]["fec_differences"] == ["node2 NPU3: FEC is no, planned rs"]
    assert facts["node2/NPU4"]["optics_problems"] == [
        "node2 NPU4: RX power of lane 0 is 0.0400 mW, below its own limit 0.1445 mW"
    ]
    assert facts["node2/NPU5"]["optics_problems"] == ["node2 NPU5: SNR of lane 0 is 6.2 dB, below 8 dB"]
    assert facts["node2/NPU6"]["cabling_differences"] == ["node2 NPU6 is on 400GE1/0/4:1, planned 400GE1/0/3:2"]
    assert facts["node2/NPU7"]["cabling_differences"] is None
    assert facts["node2/NPU8"]["link_problems"] == [
        "node2 NPU8: the link went down 3 times within the last 60 min, last 10 min ago"
    ]
    quiet = run(host, limits=hccn_facts.Limits(link_window_seconds=300))
    assert facts_of(quiet)["node2/NPU8"]["link_problems"] == []
    assert len(facts_of(quiet)["node2/NPU8"]["link_flaps"]) == 3


def test_link_and_speed_are_asked_one_by_one_where_status_is_not_known(host: Host) -> None:
    host.tool.devices[1].link = False
    refused = "The command is not supported on this product.\n"
    host.tool.hook = lambda argv: Answer(argv, 3, refused, 0.01) if argv[2] == "-status" else None
    facts = facts_of(run(host))
    one, two = facts["node2/NPU1"], facts["node2/NPU2"]
    assert (one["link"], one["speed_mbps"], one["speed_differences"]) == ("up", 200000, [])
    assert (two["link"], two["speed_mbps"], two["speed_differences"]) == ("down", None, None)


def test_observations_satisfy_the_contract(host: Host) -> None:
    made = run(host)
    for entry in made.observations:
        assert set(entry) == {"observation", "raw"}
        contract.validate({**entry["observation"], "raw": []}, "observation")
        assert json.loads(json.dumps(entry)) == entry
        assert {"name", "argv", "rc", "seconds", "text"} == set(entry["raw"][0])
        assert entry["observation"]["provenance"] == "simulated"
    facts = facts_of(made)
    checks = [
        check
        for clause in contract.load().clauses
        for check in clause["checks"]
        if check["id"].startswith("fabric.npu_")
    ]
    assert len(checks) == 15
    for check in checks:
        assert check["fact"] in facts["node2/NPU1"], check["id"]
    raw = made.observations[1]["raw"][0]
    assert raw["text"].startswith("$ hccn_tool -i 0 -ip -g\n")
