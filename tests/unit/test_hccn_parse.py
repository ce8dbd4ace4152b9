"""What hccn_tool prints: captures, own samples of each shape, and damaged, mixed and foreign text."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hccn_helpers import FakeTool
from hypothesis import given, settings
from hypothesis import strategies as st
from npuforge.ascend import environment, hccn_conf, hccn_link, hccn_lldp, hccn_optics, hccn_parse, hccn_read, texts
from npuforge.fabric.tool import Answer


def capture(shared: Path, start: str) -> tuple[str, Any]:
    """Text and truth of the capture whose name starts so."""
    folder = shared / "fixtures" / "ascend"
    rows = [line.split("\t") for line in (folder / "MANIFEST.tsv").read_text().splitlines()[1:]]
    [(name, truth)] = [(row[0], json.loads(row[3])) for row in rows if row[0].startswith(start)]
    return (folder / name).read_bytes().decode(), truth


def answers(text: str, size: int) -> list[str]:
    """A loop over the devices gives one answer after the other, each of ``size`` lines."""
    rows = text.splitlines(keepends=True)
    return ["".join(rows[at : at + size]) for at in range(0, len(rows), size)]


def test_captured_addresses(shared: Path) -> None:
    text, truth = capture(shared, "hccn_tool_ip__8port")
    found = [hccn_parse.parse_ip(part).value for part in answers(text, 2)]
    assert [row["address"] for row in found] == truth["ip"]
    assert {row["netmask"] for row in found} == {truth["netmask"]}
    assert hccn_parse.parse_ip(text) == (None, "two different values in one answer")
    text, truth = capture(shared, "hccn_tool_ip__not-set")
    assert hccn_parse.parse_ip(text) == ({"address": truth["ip"], "netmask": None}, None)


def test_captured_gateways(shared: Path) -> None:
    text, truth = capture(shared, "hccn_tool_gateway")
    assert [hccn_parse.parse_gateway(part).value for part in answers(text, 1)] == truth["gateway"]


def test_captured_tls(shared: Path) -> None:
    text, truth = capture(shared, "hccn_tool_tls")
    found = [hccn_parse.parse_tls(part, device).value for device, part in enumerate(answers(text, 1))]
    assert found == truth["tls_switch"]
    assert hccn_parse.parse_tls(answers(text, 1)[3], 4) == (None, "the answer is about device 3")


def test_captured_pfc_and_health(shared: Path) -> None:
    text, truth = capture(shared, "hccn_tool_pfc")
    assert hccn_parse.parse_pfc(text).value == truth["bitmap"]
    text, truth = capture(shared, "hccn_tool_net_health")
    assert hccn_parse.parse_net_health(text).value == truth["net_health"]


def test_a_captured_link_history(shared: Path) -> None:
    text, truth = capture(shared, "hccn_tool_link_stat")
    found = hccn_parse.PARSERS["link_stat"](text, truth["devid"]).value
    assert (found["up_count"], found["down_count"], len(found["records"])) == (
        truth["up"],
        truth["down"],
        truth["records"],
    )
    assert found["records"][0] == (datetime(2025, 10, 5, 10, 13, 51), "up")
    assert hccn_link.problems("node1 NPU1", found, 3600, 0).value == []
    assert hccn_link.problems("node1 NPU1", found, 90 * 86400, 0).value == [
        "node1 NPU1: the link went down once within the last 129600 min, last 33812 min ago"
    ]


def test_a_captured_neighbour(shared: Path) -> None:
    text, truth = capture(shared, "hccn_tool_lldp")
    # The name was cut out of this capture.
    expected = {"device": None, "port": truth["switch_port"], "max_frame_bytes": truth["max_frame"]}
    assert hccn_lldp.parse_lldp(text).value == expected


def test_a_captured_file(shared: Path) -> None:
    text, truth = capture(shared, "hccn_conf")
    conf = hccn_conf.parse(text)
    assert {str(n): conf.value("address", n) for n in truth["ports"]} == truth["address"]
    assert {conf.value("gateway", n) for n in truth["ports"]} == {truth["gateway"]}
    assert conf.render() == text


# --- own samples -----------------------------------------------------------------------------------------------------

OLD_LINK_STAT = """[device 0]current time        : Wed Jun  7 10:08:28 2023
[device 0]link up count       : 2
[device 0]link change records :
[device 0]    Tue Jun  6 16:32:12 2023    LINK UP
[device 0]    Tue Jun  6 16:32:10 2023    LINK DOWN
[device 0]    Tue Jun  6 16:30:10 2023    LINK UP
"""


@pytest.mark.parametrize(
    ("question", "text", "value"),
    [
        ("gateway", "Get gateway failed, because no gateway was preset there!\n", None),
        ("netdetect", "netdetect addr: 10.1.1.1\n", "10.1.1.1"),
        ("netdetect", "netdetect address: 0.0.0.0\n", None),
        ("mtu", "mtu:9702\n", 9702),
        ("udp", "udp_port:49152\nstatus:auto\n", -1),
        ("udp", "udp_port:4791\nstatus:custom\n", 4791),
        ("fec", "fec mode: no FEC mode\n", "no"),
        ("fec", "fec mode: auto FEC mode\n", "auto"),
        ("mac", "mac addr: 00:18:82:AB:CD:EF\n", "00:18:82:ab:cd:ef"),
        ("tls", "device 0, tls switch[1](0:disable, 1:enable), tls preconfigured[0](0:non-preset, 1:preset)\n", 1),
        ("ip", "root@host:~# hccn_tool -i 0 -ip -g\nipaddr:10.1.1.1\r\nnetmask:255.255.0.0\r\n",
         {"address": "10.1.1.1", "netmask": "255.255.0.0"}),
        ("optical", "Optical module is not present.\n", {"present": False}),
    ],
)  # fmt: skip
def test_known_answers(question: str, text: str, value: Any) -> None:
    assert hccn_parse.PARSERS[question](text, 0) == (value, None)


def test_other_speeds() -> None:
    assert hccn_parse.parse_speed("Speed: 200000 Mb/s\n").value == 200000
    assert hccn_parse.parse_speed("Speed: Unknown!\n") == (None, None)


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("ip", "ipaddr:10.1.1.1\n"),
        ("ip", "ipaddr:10.1.1.256\nnetmask:255.255.255.0\n"),
        ("ip", "ipaddr:10.1.1.1\nnetmask:255.0.255.0\n"),
        ("ip", "ipaddr:10.1.1.1\nnetmask:0.0.0.255\n"),
        ("mtu", "mtu:1500"),
        ("mtu", "mtu:99999\n"),
        ("mtu", "mtu : 1500 bytes\n"),
        ("udp", "udp_port:4791\n"),
        ("udp", "Unknown udp port\n"),
        ("pfc", "PFC configuration:\npriority   0 1 2 3 4 5 6 7\nenabled    0 0 0 0 1 0 0\n"),
        ("pfc", "PFC configuration:\nenabled    0 0 0 0 1 0 0 0\n"),
        ("dscp_to_tc", "dscp      tc\n"),
        ("dscp_to_tc", "dscp      tc\n  33       9\n"),
        ("dscp_to_tc", "dscp      tc\n  33       3\n  32       0\n"),
        ("net_health", "net health status: Fine\n"),
        ("tls", "tls switch[0]\n"),
        ("mac", "mac addr: 0:0:0:0:0:0\n"),
        ("status", "Netdev status:Settings for eth0:\n        Speed: 200000Mb/s\n"),
        ("link_stat", OLD_LINK_STAT.replace("Jun  7", "Jun  8", 1)),
        ("link_stat", OLD_LINK_STAT.replace("Jun  6 16:30:10", "Jun  6 16:40:10")),
        ("lldp", ""),
        ("lldp", "Port ID TLV\n        Ifname: 400GE1/0/1:1\n"),
        ("lldp", "Port ID TLV\n        MAC: 02:00:00:00:00:01\nEnd of LLDPDU TLV\n"),
        ("optical", "optical info:\ntemperature          : 40 C\n"),
        *[(question, "The command is not supported on this product.\n") for question in hccn_parse.PARSERS],
        *[(question, "NPU port 0\n\tstate = up; mtu 4200\n\tv4 10.1.1.1/24\n") for question in hccn_parse.PARSERS],
    ],
)
def test_what_is_not_certain_is_nothing_with_a_reason(question: str, text: str) -> None:
    reading = hccn_parse.PARSERS[question](text, 0)
    assert reading.value is None
    assert reading.problem


def test_a_history_of_the_older_kind_counts_no_losses() -> None:
    found = hccn_link.parse_link_stat(OLD_LINK_STAT, 0).value
    assert (found["up_count"], found["down_count"]) == (2, None)
    assert [row["seconds_ago"] for row in hccn_link.flaps(found)] == [63378]
    assert hccn_link.parse_link_stat(OLD_LINK_STAT, 1).value is None
    assert hccn_link.parse_link_stat(OLD_LINK_STAT.replace("[device 0]", ""), 1).value == found


def test_a_clock_that_was_set_back_leaves_the_age_of_records_open() -> None:
    text = OLD_LINK_STAT.replace("Wed Jun  7 10:08:28 2023", "Mon Jun  5 10:08:28 2023")
    found = hccn_link.parse_link_stat(text, 0).value
    assert hccn_link.problems("n NPU1", found, 3600, 0) == (
        None,
        "the device's clock was set back: the age of its records is not known",
    )


def test_optical_modules() -> None:
    text = (
        "optical info:\npresent              : present\ntemperature          : 41 C\nTx Power             : 4.4035 mW\n"
        "Rx Power             : 0.1019 mW\nRxPower Low Thres    : 0.1445 mW\nRx Los Flag          : 0x1\n"
    )
    module = hccn_optics.parse_optical(text).value
    assert (module["rx_power_mw"], module["tx_power_mw"], module["snr_db"]) == ([0.1019], [4.4035], None)
    assert hccn_optics.problems("n NPU1", module).value == [
        "n NPU1: RX power of lane 0 is 0.1019 mW, below its own limit 0.1445 mW",
        "n NPU1: the module receives no light (Rx Los Flag 0x1)",
    ]
    module["rx_power_low_mw"] = None
    module["rx_los"] = 0xF0  # the other port's lanes
    assert hccn_optics.problems("n NPU1", module).value is None
    assert hccn_optics.problems("n NPU1", module, {"rx_power_low_mw": 0.2}).value == [
        "n NPU1: RX power of lane 0 is 0.1019 mW, below the plan's limit 0.2000 mW"
    ]
    copper = text.replace("41 C", "not supported").replace("0.1019 mW", "NA").replace("4.4035 mW", "NA")
    assert hccn_optics.problems("n NPU1", hccn_optics.parse_optical(copper).value).value == []
    gone = hccn_optics.parse_optical(text.replace(": present", ": not present")).value
    assert gone == {"present": False}
    assert hccn_optics.problems("n NPU1", gone).value == ["n NPU1: no optical module or cable is plugged in"]


@pytest.mark.parametrize(
    ("seen", "switches", "told"),
    [
        (("sw1", "400GE1/0/6:1"), ["sw1"], []),
        (("SW1", "FourHundredGigE 1/0/6:1"), ["sw1"], []),
        (("HUAWEI", "400GE1/0/6:1"), ["sw1"], []),
        ((None, "400GE1/0/7:1"), ["sw1"], ["n NPU3 is on 400GE1/0/7:1, planned 400GE1/0/6:1"]),
        (("sw2", "400GE1/0/6:1"), ["sw1", "sw2"], ["n NPU3 is on sw2 400GE1/0/6:1, planned sw1 400GE1/0/6:1"]),
        (("HUAWEI", "400GE1/0/6:1"), ["sw1", "sw2"], None),
        (("sw1", "200GE1/0/6:1"), ["sw1"], ["n NPU3 is on 200GE1/0/6:1, planned 400GE1/0/6:1"]),
    ],
)
def test_cables(seen: tuple[str | None, str], switches: list[str], told: list[str] | None) -> None:
    neighbour = {"device": seen[0], "port": seen[1]}
    planned = {"switch": "sw1", "switch_port": "400GE1/0/6:1"}
    reading = hccn_lldp.cabling("n NPU3", neighbour, planned, switches)
    assert reading.value == told
    assert (reading.problem is None) == (told is not None)


def test_an_answer_that_names_a_missing_device_ends_the_questions_to_it() -> None:
    class Runner:
        calls = 0

        def short(self, words: list[str]) -> Answer:
            self.calls += 1
            return Answer(["hccn_tool", *words], 5, "Get invalid device id.\n", 0.1)

    runner = Runner()
    seen = hccn_read.Reader(runner).port(9)
    assert runner.calls == 1
    assert {seen.problem(question) for question in hccn_read.QUESTIONS} == {"there is no such device"}


# --- damaged text ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A whole answer to each question, of a port with odd numbers."""
    tool = FakeTool(tmp_path_factory.mktemp("tool"))
    one = tool.devices[1]
    one.address, one.netmask, one.gateway, one.netdetect = "10.88.0.112", "255.255.255.128", "10.88.0.1", "10.88.0.1"
    one.mtu, one.bitmap, one.port, one.dscp = 4200, "0,0,0,0,1,0,0,0", 4791, {33: 3}
    one.records, one.downs = "[devid 1]    Tue Nov 24 09:10:11 2026    LINK UP\n", 1
    return {question: tool.get(1, f"-{question}")[1] for question in hccn_parse.PARSERS}


QUESTION = st.sampled_from(sorted(hccn_parse.PARSERS))
ODD = st.text(st.characters(codec="utf-8"), max_size=60)


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every single value of a nested one; lists are one value, except a history's records."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from leaves(each, (*path, key))
    elif path[-1:] == ("records",):
        yield from ((path, each) for each in value)
    else:
        yield path, value


def nothing_wrong(question: str, text: str, whole: str) -> None:
    """Every value of the damaged answer is one of the whole answer's, or none."""
    true = list(leaves(hccn_parse.PARSERS[question](whole, 1).value))
    reading = hccn_parse.PARSERS[question](text, 1)
    assert reading.value is not None or reading.problem is not None or question in ("gateway", "netdetect")
    for path, value in leaves(reading.value):
        if value is not None and value is not False:
            if question == "optical" and isinstance(value, list):
                lanes = dict(true)[path] or []
                assert all(each is None or each in lanes for each in value), (path, value)
            else:
                assert (path, value) in true, (path, value)


@settings(max_examples=150)
@given(question=QUESTION, data=st.data())
def test_a_truncated_answer_has_no_wrong_number(samples: dict[str, str], question: str, data: st.DataObject) -> None:
    text = samples[question]
    nothing_wrong(question, text[: data.draw(st.integers(0, len(text)))], text)


@settings(max_examples=150)
@given(question=QUESTION, data=st.data(), junk=ODD)
def test_junk_between_and_instead_of_lines_makes_no_wrong_number(
    samples: dict[str, str], question: str, data: st.DataObject, junk: str
) -> None:
    rows = samples[question].splitlines(keepends=True)
    at = data.draw(st.integers(0, len(rows)))
    drop = data.draw(st.integers(0, 2))
    nothing_wrong(question, "".join([*rows[:at], f"junk {junk}\n", *rows[at + drop :]]), samples[question])


@settings(max_examples=150)
@given(question=QUESTION, data=st.data())
def test_two_answers_that_run_into_each_other_are_none_or_one_of_them(
    samples: dict[str, str], question: str, data: st.DataObject
) -> None:
    """Line by line in any order, the other answer being another question's."""
    other = data.draw(QUESTION.filter(lambda name: name != question))
    rows = [samples[question].splitlines(keepends=True), samples[other].splitlines(keepends=True)]
    mixed = []
    while any(rows):
        side = data.draw(st.integers(0, 1))
        mixed.append((rows[side] or rows[1 - side]).pop(0))
    nothing_wrong(question, "".join(mixed), samples[question])


@pytest.mark.parametrize("question", sorted(set(hccn_parse.PARSERS) - {"fec", "net_health"}))
def test_the_same_question_of_two_ports_in_one_answer_is_none(tmp_path: Path, question: str) -> None:
    tool = FakeTool(tmp_path)
    texts = []
    for number, device in enumerate(tool.devices[:2]):
        device.address, device.netmask, device.gateway = f"10.0.{number}.1", "255.255.255.0", f"10.0.{number}.254"
        device.netdetect, device.mtu, device.port = f"10.0.{number}.254", 1500 + number, 4791 + number
        device.bitmap, device.dscp, device.tls = f"{number},0,0,0,1,0,0,0", {33: number}, number
        device.speed, device.link = 100000 * (1 + number), bool(number)
        texts.append(tool.get(number, f"-{question}")[1])
    assert hccn_parse.PARSERS[question]("".join(texts)).value is None


@settings(max_examples=100)
@given(
    question=QUESTION,
    text=st.text(max_size=400) | st.binary(max_size=400).map(lambda raw: raw.decode("utf-8", "replace")),
)
def test_any_text_at_all(question: str, text: str) -> None:
    reading = hccn_parse.PARSERS[question](text, 0)
    assert reading.value is None
    assert hccn_parse.refusal(text) is None


@pytest.mark.parametrize(
    "piece",
    [
        "A",
        " ",
        "\n",
        ":",
        "a: ",
        "TLV\n",
        "[devid 0]",
        "1 ",
        "ipaddr:1.1.1.1",
        "\x1b[",
        "Tx Power : 1.0 mW ",
        "0 1 2\n",
    ],
)
def test_much_of_anything_in_bounded_time(piece: str) -> None:
    """As much as is looked at, and 4 MiB."""
    began = time.monotonic()
    for size in (texts.LIMIT, 4 << 20):
        text = piece * (size // len(piece))
        for question, parser in hccn_parse.PARSERS.items():
            assert parser(text, 0).value is None, question
    hccn_conf.parse(text).values(0)
    environment.parse(text)
    assert time.monotonic() - began < 20  # a second at most here; a backtracking expression takes minutes


# --- the file --------------------------------------------------------------------------------------------------------

LINE = st.one_of(
    st.sampled_from(["# a comment", "", "...", "mtu_0=1500", "mtu_0=1400", "mtu_10=9000", "arp_0=-i eth0 -s 1.1.1.1",
                     " mtu_0=1", "mtu_0 =1", "bitmap_0=0,0,0,0,1,0,0,0\r", "=", "_0=", "a_0="]),
    st.text(st.characters(exclude_characters="\n", codec="utf-8"), max_size=30),
)  # fmt: skip


@given(rows=st.lists(LINE, max_size=12), ended=st.booleans())
def test_every_byte_of_the_file_comes_back(rows: list[str], ended: bool) -> None:
    text = "\n".join(rows) + ("\n" if ended else "")
    assert hccn_conf.parse(text).render() == text


@given(rows=st.lists(LINE, max_size=12), ended=st.booleans(), device=st.sampled_from([0, 1, 10]))
def test_setting_a_key_changes_only_its_own_lines(rows: list[str], ended: bool, device: int) -> None:
    text = "\n".join(rows) + ("\n" if ended else "")
    conf = hccn_conf.parse(text)
    conf.set("mtu", device, "4200")
    assert conf.value("mtu", device) == "4200"
    mine = f"mtu_{device}="
    kept = [line for line in text.split("\n") if not line.startswith(mine)]
    assert [line for line in conf.render().split("\n") if line and not line.startswith(mine)] == [x for x in kept if x]
    assert sum(line.startswith(mine) for line in conf.render().split("\n")) == 1
    conf.set("mtu", device, None)
    assert conf.value("mtu", device) is None


def test_the_first_line_of_a_key_counts_and_long_lines_do_not() -> None:
    conf = hccn_conf.parse("mtu_0=1500\nmtu_0=9000\n#mtu_1=1\nmtu_1=" + "9" * 400 + "\nmtu_2=1500")
    assert (conf.value("mtu", 0), conf.value("mtu", 1), conf.value("mtu", 2)) == ("1500", None, "1500")


def test_taking_over_one_device_leaves_the_others() -> None:
    conf = hccn_conf.parse("mtu_0=1\nmtu_1=2\nbitmap_0=3\n# end\n")
    conf.take_over(hccn_conf.parse("mtu_0=9\ntls_enable_0=0\nmtu_1=7\n"), 0)
    assert conf.render() == "mtu_0=9\nmtu_1=2\n# end\ntls_enable_0=0\n"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (None, None),
        ("", {}),
        ("export HCCL_RDMA_TC=132\n# x\n\nHCCL_RDMA_SL='4'\n", {"HCCL_RDMA_TC": "132", "HCCL_RDMA_SL": "4"}),
        ("if true; then HCCL_X=1; fi\n", None),
    ],
)
def test_environment_files(text: str | None, value: Any) -> None:
    assert environment.parse(text).value == value
