"""hccn_tool of the twin: what it shows, sets, refuses, keeps in /etc/hccn.conf and replays."""

from __future__ import annotations

import time
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies as st

from lab.npu import conf
from tests.unit.lab_npu_helpers import UNTOUCHED, Site
from tests.unit.lab_npu_helpers import site as make_site

OK = "Cmd executed successfully!\n"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return make_site(tmp_path, monkeypatch)


# --- show ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mtu", "mtu:1500\n"),
        ("netdetect", "netdetect address: 0.0.0.0\n"),
        ("pfc", "PFC configuration:\npriority   0 1 2 3 4 5 6 7\nenabled    0 0 0 0 0 0 0 0\n"),
        ("udp", "udp_port:Unknown\nstatus:auto\n"),
        ("link", "link status: UP\n"),
        ("speed", "Speed: 200000 Mb/s\n"),
        ("duplex", "Duplex: Full\n"),
        ("fec", "fec mode: rs FEC mode\n"),
        ("mac", "mac addr: 02:77:00:00:01:83\n"),
        ("net_health", "net health status: Init\n"),
        ("version", "Network Driver Version:    24.1.0.3\nNetwork Firmware Version:  7.5.0.5.220\n"),
    ],
)
def test_what_a_fresh_port_shows(site: Site, name: str, text: str) -> None:
    said = site.get(name)
    assert (said.rc, said.out, said.err) == (0, text, "")


def test_what_was_never_set_is_an_error_on_standard_error(site: Site) -> None:
    said = site.get("ip")
    assert (said.rc, said.out, said.err) == (13, "", "Get ipconf failed, because no ip was preset there!\n")
    assert site.get("gateway").err == "Get gateway failed, because no gateway was preset there!\n"


def test_the_dscp_map_lists_all_64(site: Site) -> None:
    site.set("dscp_to_tc", "dscp", "33", "tc", "3")
    lines = site.get("dscp_to_tc").out.splitlines()
    assert lines[0] == "dscp      tc"
    assert len(lines) == 65
    assert lines[34] == "  33       3"
    assert site.tool("node1", "-i", "2", "-dscp_to_tc", "-g", "dscp", "33").out == "dscp      tc\n  33       3\n"


def test_link_speed_status_and_health_follow_the_cable(site: Site) -> None:
    site.configure()
    assert site.get("net_health").out == "net health status: Success\n"
    with site.switch_port("400GE1/0/2:1") as port:  # node1 NPU3
        port["link"] = "down"
    assert site.get("link").out == "link status: DOWN\n"
    assert site.get("speed").out == "Speed: Unknown!\n"
    assert site.get("net_health").out == "net health status: Fault\n"
    assert "        Speed: Unknown!\n" in site.get("status").out
    assert "Link detected: no" in site.get("status").out
    assert site.get("lldp").out == ""
    assert site.get("link_stat").out.splitlines()[2] == "[devid 2]link down count     : 1"
    assert site.get("link", device=3).out == "link status: UP\n"


def test_health_names_why_nobody_answers(site: Site) -> None:
    site.configure()
    for detect, word in (("10.88.0.77", "Receive timeout"), ("10.99.0.1", "Success"), (None, "Init")):
        with site.change("node1", "NPU3") as net:
            net["conf"]["netdetect"] = detect
        assert site.get("net_health").out == f"net health status: {word}\n"
    with site.change("node1", "NPU3") as net:
        net["conf"].update(netdetect="10.99.0.1", gateway=None)
    assert site.get("net_health").out == "net health status: Unreachable\n"


def test_lldp_tells_where_the_cable_really_is(site: Site) -> None:
    text = site.get("lldp").out
    assert "Port ID TLV\n        Ifname: 400GE1/0/2:1\n" in text
    assert "System Name TLV\n        sw1\n" in text
    assert "Maximum Frame Size TLV\n        9216\nEnd of LLDPDU TLV\n" in text
    with site.world.update("sw1", "switches") as switch:
        one, two = switch["ports"][2], switch["ports"][3]
        one["neighbor"], two["neighbor"] = two["neighbor"], one["neighbor"]
    assert "Ifname: 400GE1/0/2:2\n" in site.get("lldp").out
    assert "Ifname: 400GE1/0/2:1\n" in site.get("lldp", device=3).out


def test_flaps_are_counted_and_recorded_newest_first(site: Site) -> None:
    now = time.time()
    with site.change("node1", "NPU3") as net:
        net["flaps"] = [now - 500, 30]  # a moment, and seconds after the boot
    with site.world.update("node1") as node:
        node["post_since"] = now - 1000
    lines = site.get("link_stat").out.splitlines()
    assert lines[1:4] == [
        "[devid 2]link up count       : 3",
        "[devid 2]link down count     : 2",
        "[devid 2]link change records :",
    ]
    assert [line[-9:].strip() for line in lines[4:]] == ["LINK UP", "LINK DOWN", "LINK UP", "LINK DOWN", "LINK UP"]
    assert site.tool("node1", "-i", "2", "-link_stat", "-c").out == OK
    assert "link down count     : 0\n" in site.get("link_stat").out


def test_optics(site: Site) -> None:
    fields = dict(line.split(":", 1) for line in site.get("optical").out.splitlines()[1:])
    fields = {name.strip(): value.strip() for name, value in fields.items()}
    assert fields["present"] == "present"
    assert 0.9 < float(fields["Rx Power0"].removesuffix(" mW")) < 1.1
    assert fields["Rx Los Flag"] == "0x0"
    with site.change("node1", "NPU3") as net:
        net["optics"]["rx_power_mw"] = 0.01
    text = site.get("optical").out
    assert "Rx Power0            : 0.010" in text
    assert "Rx Los Flag          : 0xf\n" in text
    with site.change("node1", "NPU3") as net:
        net["optics"]["present"] = False
    text = site.get("optical").out
    assert "present              : not present\n" in text
    assert "Rx Power             : NA\n" in text
    assert site.get("link").out == "link status: DOWN\n"


def test_an_npu_that_is_not_there_has_no_device_id(site: Site) -> None:
    with site.world.update("node1") as node:
        node["npus"][2]["present"] = False
    said = site.get("ip")
    assert (said.rc, said.err) == (4, "Get invalid device id.\n")
    assert "dev:2 " not in site.tool("node1", "-a", "-cfg", "recovery").text
    assert site.get("mtu", device=3).rc == 0


# --- set and keep ----------------------------------------------------------------------------------------------------


def test_every_setting_is_on_the_device_and_in_the_file(site: Site) -> None:
    site.files["node1"] = {"/etc/hccn.conf": "# by hand\nsend_arp_status_0=1\narp_0=-i eth0 -s 10.0.0.9 aa:bb\n"}
    for name, words in (
        ("ip", ("address", "10.88.0.103", "netmask", "255.255.255.0")),
        ("gateway", ("gateway", "10.88.0.1")),
        ("netdetect", ("address", "10.88.0.1")),
        ("mtu", ("size", "8192")),
        ("pfc", ("bitmap", "0,0,0,0,1,0,0,0")),
        ("dscp_to_tc", ("dscp", "33", "tc", "3")),
        ("udp", ("port", "4791")),
        ("tls", ("enable", "1")),
    ):
        said = site.set(name, *words)
        assert (said.rc, said.text) == (0, OK), name
    assert site.conf() == (
        "# by hand\nsend_arp_status_0=1\narp_0=-i eth0 -s 10.0.0.9 aa:bb\n"
        "address_2=10.88.0.103\nnetmask_2=255.255.255.0\ngateway_2=10.88.0.1\nnetdetect_2=10.88.0.1\nmtu_2=8192\n"
        "bitmap_2=0,0,0,0,1,0,0,0\ndscp_tc_2=33:3,\nroce_port_2=4791\ntls_enable_2=1\n"
    )
    assert site.get("ip").out == "ipaddr:10.88.0.103\nnetmask:255.255.255.0\n"
    assert site.get("gateway").out == "default gateway:10.88.0.1, Iface:eth2\n"
    assert site.get("netdetect").out == "netdetect address: 10.88.0.1\n"
    assert site.get("mtu").out == "mtu:8192\n"
    assert site.get("pfc").out.endswith("enabled    0 0 0 0 1 0 0 0\n")
    assert site.get("udp").out == "udp_port:4791\nstatus:custom\n"
    assert "tls switch[1]" in site.get("tls").out
    assert site.get("mtu", device=1).out == "mtu:1500\n"


def test_a_new_value_goes_to_the_end_and_pairs_stay_in_one_line(site: Site) -> None:
    site.set("mtu", "size", "4200")
    site.set("dscp_to_tc", "dscp", "33", "tc", "3")
    site.set("mtu", "size", "9000")
    site.set("dscp_to_tc", "dscp", "48", "tc", "1")
    site.set("dscp_to_tc", "dscp", "33", "tc", "2")
    site.set("udp", "auto")
    assert site.conf() == "mtu_2=9000\ndscp_tc_2=33:2,48:1,\nroce_port_2=-1\n"


def test_a_new_network_forgets_a_gateway_that_is_outside(site: Site) -> None:
    site.set("ip", "address", "10.88.0.103", "netmask", "255.255.255.0")
    site.set("gateway", "gateway", "10.88.0.1")
    site.set("ip", "address", "10.88.0.104", "netmask", "255.255.255.0")
    assert site.get("gateway").out == "default gateway:10.88.0.1, Iface:eth2\n"
    site.set("ip", "address", "10.99.0.103", "netmask", "255.255.255.0")
    assert site.get("gateway").rc == 2
    assert "gateway_2" not in site.conf()


@pytest.mark.parametrize(
    ("name", "words", "rc", "text"),
    [
        ("mtu", ("size", "67"), 13, "The value of mtu you input is out of the valid range!\n"),
        ("mtu", ("size", "9703"), 13, "The value of mtu you input is out of the valid range!\n"),
        ("mtu", ("size", "x"), 1, "Get invalid parameters!\n"),
        ("mtu", ("sise", "1500"), 3, "Get unknown option!\n"),
        ("mtu", ("size",), 4, "The total count of input parameters is wrong!\n"),
        ("dscp_to_tc", ("dscp", "64", "tc", "3"), 9, "The value of dscp you input is out of the valid range!\n"),
        ("dscp_to_tc", ("dscp", "33", "tc", "4"), 10, "The value of tc you input is out of the valid range!\n"),
        ("dscp_to_tc", ("dscp", "033", "tc", "3"), 1, "Get invalid parameters!\n"),
        ("pfc", ("bitmap", "1,1,1,1,1,0,0,0"), 25, "The number of pfc priority queues exceeds the maximum value(4).\n"),
        ("pfc", ("bitmap", "0,0,0,0,1"), 1, "Get invalid parameters!\n"),
        ("udp", ("port", "4096"), 1, "Get invalid parameters!\n"),
        ("tls", ("enable", "2"), 16, "Get invalid enable value!\n"),
        (
            "ip",
            ("address", "10.88.0.999", "netmask", "255.255.255.0"),
            6,
            "The ip address you configured is invalid!\n",
        ),
        ("ip", ("address", "10.88.0.9", "netmask", "255.0.255.0"), 6, "The ip address you configured is invalid!\n"),
        ("ip", ("address", "192.168.1.9", "netmask", "255.255.255.0"), 7, "The ip address configured is conflicted!\n"),
        ("gateway", ("gateway", "10.88.0.1"), 26, "Unable to configure gateway, because ip is not configured!\n"),
        ("netdetect", ("address", "255.255.255.255"), 37, "Can not config broadcast address!\n"),
    ],
)
def test_what_it_refuses(site: Site, name: str, words: tuple[str, ...], rc: int, text: str) -> None:
    before = site.world.read("node1")
    said = site.set(name, *words)
    assert said.rc == rc
    assert said.text.startswith(text)
    assert said.out == text if rc == 25 else said.err == text
    assert site.conf() == ""
    assert site.world.read("node1") == before


def test_an_address_of_another_npu_of_the_host_conflicts(site: Site) -> None:
    site.set("ip", "address", "10.88.0.103", "netmask", "255.255.255.0")
    assert site.set("ip", "address", "10.88.0.103", "netmask", "255.255.255.0", device=3).rc == 7
    assert site.set("ip", "address", "10.88.0.103", "netmask", "255.255.255.0").rc == 0
    said = site.set("gateway", "gateway", "10.99.0.1")
    assert said.err == "The segment of configured gateway doesn't match that of the configured ip adress!\n"


def test_without_its_file_the_device_is_set_and_the_tool_says_that_nothing_persists(site: Site) -> None:
    site.files["node1"] = {"/etc/hccn.conf": None}
    said = site.set("mtu", "size", "8192")
    assert said.rc == 29
    assert said.err.startswith("The hccn.conf can't access")
    assert site.get("mtu").out == "mtu:8192\n"
    said = site.tool("node1", "-a", "-cfg", "recovery")
    assert said.rc == 29
    assert said.out == "Recovery failed. Check '/var/log/hccn_tool/hccn_config.log' for details.\n"


# --- recovery and boot -----------------------------------------------------------------------------------------------


def test_a_boot_forgets_and_recovery_replays_the_file(site: Site) -> None:
    site.runtime.settle(site.world, "node1", "boot 1")
    site.set("ip", "address", "10.88.0.103", "netmask", "255.255.255.0")
    site.set("mtu", "size", "8192")
    site.set("pfc", "bitmap", "0,0,0,0,1,0,0,0")
    site.runtime.settle(site.world, "node1", "boot 1")
    assert site.get("mtu").out == "mtu:8192\n"
    site.runtime.settle(site.world, "node1", "boot 2")
    assert site.get("mtu").out == "mtu:1500\n"
    assert site.get("ip").rc == 13
    assert site.tool("node1", "-i", "2", "-cfg", "status").out == "config status:NONE\n"
    said = site.tool("node1", "-a", "-cfg", "recovery")
    assert said.out == "".join(f"dev:{i} recovery success\n" for i in range(8)) + OK
    assert site.get("mtu").out == "mtu:8192\n"
    assert site.get("ip").out == "ipaddr:10.88.0.103\nnetmask:255.255.255.0\n"
    assert site.tool("node1", "-i", "2", "-cfg", "status").out == "config status:SUCCESS\n"


def test_power_that_goes_is_noticed_once(site: Site) -> None:
    site.configure()
    with site.world.update("node1") as node:
        node["power"] = "off"
    site.runtime.settle(site.world, "node1")
    assert site.net("node1", "NPU3")["conf"]["address"] is None
    # The host boots and replays before the world says that it has power: that must not be lost.
    site.runtime.settle(site.world, "node1", "boot 2")
    site.set("mtu", "size", "8192")
    site.runtime.settle(site.world, "node1")
    with site.world.update("node1") as node:
        node["power"] = "on"
    site.runtime.settle(site.world, "node1")
    assert site.get("mtu").out == "mtu:8192\n"


def test_one_bad_line_fails_the_recovery_of_its_device_only(site: Site) -> None:
    site.files["node1"] = {"/etc/hccn.conf": "mtu_0=9999\nmtu_1=4200\naddress_0=10.0.0.5\nnetmask_0=255.255.255.0\n"}
    said = site.tool("node1", "-a", "-cfg", "recovery")
    assert said.rc == 1
    assert said.err == "dev:0 recovery fail\nCommand execute failed!\n"
    assert "dev:1 recovery success\n" in said.out
    assert site.get("ip", device=0).rc == 0  # the rest of it was done
    assert site.tool("node1", "-i", "0", "-cfg", "status").out == "config status:FAIL\n"
    said = site.tool("node1", "-i", "0", "-cfg", "recovery")
    assert said.rc != 0
    assert "Recovery failed." in said.out


def test_a_link_that_was_shut_down_comes_back_by_recovery(site: Site) -> None:
    assert site.set("link", "down").out == OK
    assert site.get("link").out == "link status: DOWN\n"
    site.tool("node1", "-i", "2", "-cfg", "recovery")
    assert site.get("link").out == "link status: UP\n"
    with site.change("node1", "NPU3") as net:
        net["link_admin"] = "down"  # a cause that no command heals
    site.set("link", "up")
    assert site.get("link").out == "link status: DOWN\n"


# --- busy, layouts, command line -------------------------------------------------------------------------------------


def test_one_call_at_a_time(site: Site) -> None:
    give_back = site.runtime.take("node1")
    assert give_back is not None
    said = site.get("mtu")
    assert (said.rc, said.out, said.err) == (11, "hccn_tool is busy, please try again.\n", "")
    assert site.get("mtu", node="node2").rc == 0
    give_back()
    give_back()
    assert site.get("mtu").rc == 0
    assert site.get("mtu").rc == 0  # and it is given back after each call


@pytest.mark.parametrize(("busy", "answers"), [(2, [11, 11, 0, 0]), (True, [11, 11, 11, 11]), (False, [0, 0, 0, 0])])
def test_busy_by_a_fault(site: Site, busy: bool | int, answers: list[int]) -> None:
    with site.tools("node1") as tools:
        tools["busy"] = busy
    assert [site.get("mtu").rc for _ in answers] == answers


def test_the_layout_of_a_version_that_nobody_knows(site: Site) -> None:
    site.configure()
    known = {name: site.get(name).out for name in ("ip", "pfc", "mtu", "link", "tls", "lldp", "optical")}
    with site.tools("node1") as tools:
        tools["layout"] = "future"
    for name, text in known.items():
        said = site.get(name)
        assert said.rc == 0
        assert "hccn_tool 29.0.rc1" in said.out
        assert not set(text.splitlines()) & set(said.out.splitlines()), name
    assert "10.88.0.103" in site.get("ip").out


@pytest.mark.parametrize(
    ("argv", "rc", "text"),
    [
        ([], 2, "Get invalid major cmd number. Please check your input.\n"),
        (["-x", "0", "-ip", "-g"], 1, 'Get invalid major cmd type. The valid major cmd type should be "-a" or "-i".\n'),
        (["-i", "0", "-nothing", "-g"], 3, "Get invalid major cmd.\n"),
        (["-i", "8", "-ip", "-g"], 4, "Get invalid device id.\n"),
        (["-i", "-1", "-ip", "-g"], 4, "Get invalid device id.\n"),
        (["-i", "0", "-mtu"], 4, "The total count of input parameters is wrong!\n"),
        (["-i", "0", "-mtu", "-q"], 3, "Get unknown option!\n"),
        (["-i", "0", "-cfg", "undo"], 3, "Get unknown option!\n"),
        (["-a", "-ip", "-g"], 3, "Get invalid major cmd.\n"),
    ],
)
def test_command_lines_that_make_no_sense(site: Site, argv: list[str], rc: int, text: str) -> None:
    said = site.tool("node1", *argv)
    assert said.rc == rc
    assert said.err.startswith(text)


def test_help_names_every_command(site: Site) -> None:
    said = site.tool("node1", "--help")
    assert said.rc == 0
    assert "hccn_tool -i devid -dscp_to_tc\n" in said.out


def test_settings_do_not_depend_on_the_switch(site: Site) -> None:
    site.state = UNTOUCHED
    assert site.set("mtu", "size", "8192").rc == 0
    assert site.get("link").out == "link status: UP\n"


# --- the file --------------------------------------------------------------------------------------------------------

KEYS = st.sampled_from(["address", "mtu", "dscp_tc", "x"])
VALUES = st.text("0123456789.:,abc -", min_size=1, max_size=12)


@hypothesis.given(st.text(max_size=200), KEYS, st.integers(0, 15), VALUES)
def test_a_key_that_was_written_is_read_and_nothing_else_changes(text: str, key: str, device: int, value: str) -> None:
    text = "".join(part for part in text if part.isprintable() or part == "\n")
    after = conf.write(text, key, device, value)
    assert conf.read(after, key, device) == value
    others = [line for line in text.splitlines() if not line.startswith(f"{key}_{device}=")]
    assert after.splitlines() == [*others, f"{key}_{device}={value}"]
    assert conf.write(after, key, device, value) == after


WORDS = (
    *("-i", "0", "2", "-a", "-ip", "-mtu", "-s", "-g", "-c", "size", "8192", "address", "10.0.0.1", "netmask", ""),
    *("-cfg", "recovery", "-ping", "pkt", "-roce_test", "ib_send_bw", "reset", "-dscp_to_tc", "dscp", "tc", "-link"),
    *("-udp", "-pfc", "bitmap", "0,0,0,0,1,0,0,0", "255.255.255.0", "\0", "九" * 40),
)


@hypothesis.settings(
    max_examples=150, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture], deadline=None
)
@hypothesis.given(
    st.lists(
        st.sampled_from(WORDS),
        max_size=9,
    )
)
def test_no_command_line_breaks_it(site: Site, argv: list[str]) -> None:
    if "ib_send_bw" in argv and "-tcp" in argv:
        return
    said = site.tool("node1", *argv)
    assert said.rc is not None
    assert said.text
