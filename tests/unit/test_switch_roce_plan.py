"""From what a Huawei CE has to the lines it gets: what is planned, what is a conflict, what is left alone."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from npuforge.switch.roce import ce_config, ce_plan
from npuforge.switch.roce.model import Found

from tests.unit.switch_roce_helpers import FACTORY, PORTS, Config, Device, part
from tests.unit.switch_roce_run import apply, read

P0 = PORTS[0]


def device(*changes: tuple[tuple[str, ...], list[str]], configured: bool = False) -> Device:
    """A switch, unconfigured or as planned, with lines added to views (a view's header is added too)."""
    made = Device()
    if configured:
        assert apply(made).changed
    config: Config = copy.deepcopy(made.running)
    for view, lines in changes:
        for depth, header in enumerate(view):
            parent = config.setdefault(view[:depth], [])
            if header not in parent:
                parent.append(header)
        config.setdefault(view, []).extend(lines)
    made.running, made.saved = config, copy.deepcopy(config)
    return made


def port(*lines: str) -> tuple[tuple[str, ...], list[str]]:
    return (f"interface {P0}",), list(lines)


def planned(of: Device, takeover: bool = False, **overrides: Any) -> list[str]:
    return steps(of, takeover, **overrides).lines()


def steps(of: Device, takeover: bool = False, **overrides: Any) -> Any:
    wanted = part(**overrides)
    return ce_plan.steps(wanted, read(of, wanted), takeover)


def test_an_unconfigured_switch_gets_everything_once() -> None:
    lines = planned(device())
    assert lines[:7] == [
        "qos buffer headroom-pool size 4096 kbytes slot 1",
        "dcb pfc dscp-mapping enable slot 1",
        "dcb pfc npuforge",
        " priority 4",
        " undo priority 3",
        "drop-profile npuforge",
        " color green buffer-size low-limit 524288 high-limit 1048576 discard-percentage 5",
    ]
    assert lines[7:14] == [
        f"interface {P0}",
        " trust dscp",
        " dcb pfc enable npuforge mode manual",
        " dcb pfc buffer 4 xoff dynamic 6",
        " dcb pfc buffer 4 hdrm 256 kbytes",
        " qos queue 4 wred npuforge",
        " qos queue 4 ecn",
    ]
    # The manual wants the profile to be applied before its times are set.
    assert lines[-2:] == ["dcb pfc npuforge", " priority 4 turn-off threshold 20"]


def test_a_configured_switch_gets_nothing() -> None:
    made = steps(device(configured=True))
    assert (made.lines(), made.conflicts, made.before, made.after) == ([], [], "", "")


def test_lldp_is_switched_on_because_cables_are_checked_by_it() -> None:
    made = device()
    made.running[()].remove("lldp enable")
    assert planned(made)[0] == "lldp enable"


def test_families_without_pool_set_xon_and_xoff_as_a_pair() -> None:
    made = device()
    made.running = copy.deepcopy(FACTORY)
    lines = planned(made, headroom_pool_kib=None, dscp_mapping=False, buffer={"form": "dynamic", "xoff": 6})
    assert not any("headroom-pool" in line or "dscp-mapping" in line or "hdrm" in line for line in lines)
    assert lines.count(" dcb pfc buffer 4 xon dynamic 3 xoff dynamic 6") == 4
    told = {"form": "dynamic", "xoff": 6, "xon": 4}
    lines = planned(made, headroom_pool_kib=None, dscp_mapping=False, buffer=told)
    assert lines.count(" dcb pfc buffer 4 xon dynamic 4 xoff dynamic 6") == 4
    static = {"form": "static", "xoff": None, "xoff_bytes": 128000, "headroom_bytes": None}
    lines = planned(made, headroom_pool_kib=None, dscp_mapping=False, buffer=static)
    assert lines.count(" dcb pfc buffer 4 xon static 100 kbytes xoff static 125 kbytes") == 4


def test_a_domain_is_made_only_where_the_default_does_not_map_as_planned() -> None:
    wanted = part()
    wanted["qos"]["cnp"] = {"dscp": 25, "priority": 6, "queue": 6, "phb": "cs6"}
    lines = ce_plan.steps(wanted, read(device(), wanted)).lines()
    place = lines.index("diffserv domain npuforge")
    assert lines[place + 1 : place + 3] == [" ip-dscp-inbound 25 phb cs6 green", " ip-dscp-inbound 33 phb af4 green"]
    assert lines.count(" trust upstream npuforge") == 4


def test_another_domain_profile_and_drop_profile_with_the_planned_effect_are_left() -> None:
    made = device(
        ((), ["qos buffer headroom-pool size 4 mbytes slot 1", "dcb pfc dscp-mapping enable slot 1"]),
        (("dcb pfc",), ["priority 4", "undo priority 3", "priority 4 turn-off threshold 20"]),
        (("diffserv domain ds1",), ["ip-dscp-inbound 24 phb af4 green"]),
        (
            ("drop-profile roce_ecn",),
            ["color green buffer-size low-limit 524288 high-limit 1048576 discard-percentage 5"],
        ),
        port("trust dscp", "trust upstream ds1", "dcb pfc enable mode manual", "dcb pfc buffer 4 xoff dynamic 6"),
        port("dcb pfc buffer 4 hdrm 256", "qos queue 4 wred roce_ecn", "qos queue 4 ecn"),
    )
    made_steps = steps(made)
    assert f"interface {P0}" not in made_steps.lines()
    assert made_steps.conflicts == []
    assert not any("headroom-pool" in line for line in made_steps.lines())


CONFLICTS = [
    (port("flow-control"), "802.3x flow control is configured (flow-control), which excludes PFC"),
    (port("trust 8021p outer"), "trust is configured as 802.1p (trust 8021p outer), planned dscp"),
    (port("dcb pfc enable mode manual"), "PFC profile default is applied with priorities 3, planned 4"),
    (
        port("dcb pfc enable mode auto"),
        "PFC is in mode auto (profile default), planned manual: NPUs do not negotiate",
    ),
    (
        port("dcb pfc buffer 4 xoff dynamic 9"),
        "buffer of queue 4 is configured otherwise (dcb pfc buffer 4 xoff dynamic 9)",
    ),
]


@pytest.mark.parametrize(("change", "sentence"), CONFLICTS, ids=[sentence[:30] for _, sentence in CONFLICTS])
def test_peoples_configuration_is_told_and_its_port_left_alone(change: Any, sentence: str) -> None:
    made = device(change)
    found = steps(made)
    assert found.conflicts == [f"{P0}: {sentence}"]
    assert f"interface {P0}" not in found.lines()
    assert f"interface {PORTS[1]}" in found.lines()
    # Taken over, the port becomes as planned, and nothing is left to plan.
    assert steps(made, takeover=True).conflicts == []
    assert apply(made, takeover=True).changed
    assert (planned(made), read(made, part()).unsaved) == ([], [])


def test_other_objects_that_differ_are_conflicts() -> None:
    made = device(
        (("diffserv domain ds1",), ["ip-dscp-inbound 33 phb be green"]),
        (("drop-profile old",), ["color green buffer-size low-limit 1024 high-limit 2048 discard-percentage 100"]),
        port("trust upstream ds1", "qos queue 4 wred old"),
    )
    assert steps(made).conflicts == [
        f"{P0}: diffserv domain ds1 is applied, which does not map as planned",
        f"{P0}: drop profile old is applied to queue 4, its limits are not the planned",
    ]
    lines = planned(made, takeover=True)
    assert lines[lines.index(f"interface {P0}") + 1 :][:2] == [" undo trust upstream", " undo qos queue 4 wred"]
    # People's objects themselves are left as they are.
    assert "diffserv domain ds1" not in lines
    assert apply(made, takeover=True).changed
    assert made.lines("diffserv domain ds1") == ["ip-dscp-inbound 33 phb be green"]


def test_ai_ecn_on_the_queue() -> None:
    made = device((("ai-service", "ai-ecn"), ["ai-ecn enable", "assign queue 4"]))
    assert steps(made).conflicts == [f"{name}: queue 4 has AI ECN, which excludes the planned limits" for name in PORTS]
    lines = planned(made, takeover=True)
    assert lines[lines.index("ai-service") :][:3] == ["ai-service", " ai-ecn", "  undo assign queue 4"]
    assert apply(made, takeover=True).changed
    assert planned(made) == []


def test_pfc_disabled_globally_and_another_pool() -> None:
    made = device(((), ["dcb pfc global disable"]))
    assert (steps(made).conflicts, planned(made)) == (["sw1: PFC is disabled globally"], [])
    assert planned(made, takeover=True)[0] == "undo dcb pfc global disable"
    made = device(((), ["qos buffer headroom-pool size 8 mbytes slot 1"]))
    line = "qos buffer headroom-pool size 8 mbytes slot 1"
    assert steps(made).conflicts == [f"sw1: the headroom pool is configured otherwise ({line}), planned 4096 KiB"]
    assert not any("headroom-pool" in line for line in planned(made))
    assert "qos buffer headroom-pool size 4096 kbytes slot 1" in planned(made, takeover=True)


def test_no_room_for_another_pfc_profile() -> None:
    made = device((("dcb pfc roce",), ["priority 5"]))
    found = steps(made)
    assert found.conflicts == ["sw1: all 2 PFC profiles are taken (default, roce), there is no room for npuforge"]
    assert not any(line.startswith(("interface", "dcb pfc")) for line in found.lines())


OWN = [
    ((("dcb pfc npuforge",), ["priority 3"]), ["dcb pfc npuforge", " undo priority 3"]),
    (
        (("dcb pfc npuforge",), ["priority 4 turn-off threshold 200"]),
        ["dcb pfc npuforge", " priority 4 turn-off threshold 20"],
    ),
    (
        (("drop-profile npuforge",), ["color green buffer-size low-limit 1 high-limit 2 discard-percentage 5"]),
        [
            "drop-profile npuforge",
            " color green buffer-size low-limit 524288 high-limit 1048576 discard-percentage 5",
        ],
    ),
    (
        port("dcb pfc buffer 4 xoff dynamic 11"),
        [f"interface {P0}", " dcb pfc buffer 4 xoff dynamic 6"],
    ),
]


@pytest.mark.parametrize(("change", "lines"), OWN, ids=["priority 3", "threshold", "limits", "xoff too high"])
def test_what_the_toolkit_made_is_repaired_without_asking(change: Any, lines: list[str]) -> None:
    made = device(configured=True)
    view, added = change
    for line in added:
        old = [each for each in made.running[view] if ce_config.setting(each) == ce_config.setting(line)]
        made.running[view] = [each for each in made.running[view] if each not in old and each != f"undo {line}"]
        made.running[view].append(line)
    found = steps(made)
    assert (found.lines(), found.conflicts) == (lines, [])
    assert apply(made).changed
    assert planned(made) == []


def test_the_diff_shows_only_what_is_touched_and_no_secret() -> None:
    made = device(
        ((), ["snmp-agent community read cipher %^%#secret"]), port("description to node1", "trust 8021p outer")
    )
    found = steps(made, takeover=True)
    assert f"interface {P0}\n description to node1\n trust 8021p outer\n" in found.before
    assert f"interface {P0}\n description to node1\n trust dscp\n dcb pfc enable npuforge mode manual" in found.after
    assert "secret" not in found.before + found.after
    assert "hospital" not in found.before + found.after  # the port to the core is not of the plan


def test_nothing_is_planned_for_what_was_not_seen() -> None:
    assert ce_plan.steps(part(), Found("huawei_vrpv8")).lines() == []


def test_a_trunk_member_is_configured_elsewhere() -> None:
    found = steps(device(port("eth-trunk 7")), takeover=True)
    assert found.conflicts == [f"{P0}: is a member of Eth-Trunk 7, where its QoS is configured"]
    assert f"interface {P0}" not in found.lines()


@pytest.mark.parametrize(
    ("lines", "entered", "expected"),
    [
        (["trust 8021p outer", "mtu 9000"], ["trust dscp"], ["trust dscp", "mtu 9000"]),
        (["dcb pfc enable mode auto"], ["undo dcb pfc enable"], []),
        (["dcb pfc buffer 4 xoff static 9 kbytes"], ["dcb pfc buffer 4 hdrm 8 kbytes"], ["x", "y"]),
        (["priority 4"], ["undo priority 3"], ["priority 4", "undo priority 3"]),
        (
            ["qos queue 4 wred a", "qos queue 5 wred b"],
            ["qos queue 4 wred c"],
            ["qos queue 4 wred c", "qos queue 5 wred b"],
        ),
    ],
)
def test_what_lines_do_to_a_view(lines: list[str], entered: list[str], expected: list[str]) -> None:
    made = ce_config.after(lines, entered)
    if expected == ["x", "y"]:
        assert made == lines + entered  # two settings of one queue, side by side
    else:
        assert made == expected


def test_running_and_saved_are_compared_without_order_and_without_secrets() -> None:
    running = "sysname a\n#\ninterface 1\n trust dscp\n mtu 9000\n#\naaa\n local-user x password cipher abc\nreturn"
    saved = "!x\nsysname a\n#\naaa\n#\ninterface 1\n mtu 9000\n#\nreturn"
    assert ce_config.differences(running, saved) == [
        "+ interface 1: trust dscp",
        "+ aaa: local-user x password cipher ******",
    ]
    assert ce_config.differences(saved, saved.replace(" mtu 9000", " mtu 9000 ")) == []
