"""The twin prints the bytes of the vendors' captures, where they are beside the checkout."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.lab_npu_helpers import Site, address
from tests.unit.lab_npu_helpers import site as make_site

PREFIX = "hccn_tool_"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    made = make_site(tmp_path, monkeypatch)
    made.configure()
    return made


def capture(shared: Path, start: str) -> str:
    [path] = (shared / "fixtures" / "ascend").glob(f"{PREFIX}{start}*")
    return path.read_text(encoding="utf-8")


def give(site: Site, node: str, **settings: object) -> None:
    for index in range(8):
        with site.change(node, f"NPU{index + 1}") as net:
            net["conf"].update({key: value(index) if callable(value) else value for key, value in settings.items()})


def all_ports(site: Site, name: str) -> str:
    return "".join(site.get(name, device=device).out for device in range(8))


def test_addresses_and_gateways(site: Site, shared: Path) -> None:
    give(site, "node1", address=lambda i: f"11.12.165.{80 + i}", gateway="11.12.165.1")
    assert all_ports(site, "ip") == capture(shared, "ip__8port")
    assert all_ports(site, "gateway") == capture(shared, "gateway")


def test_no_address(site: Site, shared: Path) -> None:
    give(site, "node1", address=None)
    assert site.get("ip").text == capture(shared, "ip__not-set")


def test_tls(site: Site, shared: Path) -> None:
    assert all_ports(site, "tls") == capture(shared, "tls")


def test_pfc(site: Site, shared: Path) -> None:
    assert site.get("pfc").out == capture(shared, "pfc")
    lines = (shared / "fixtures" / "switch" / "ascend_hccn_tool_pfc_g.txt").read_text(encoding="utf-8").splitlines(True)
    assert site.get("pfc").out == "".join(line for line in lines if not line.startswith("#"))


def test_net_health(site: Site, shared: Path) -> None:
    site.set("link", "down")
    assert site.get("net_health").out == capture(shared, "net_health")


def shape(text: str) -> str:
    """Without numbers, names of days and months, and hexadecimal identities."""
    text = re.sub(r"0x[0-9a-f]+", "0x", text)
    text = re.sub(r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} [ \d]\d ", "DAY ", text)
    return re.sub(r"\d+", "N", text)


def test_link_stat(site: Site, shared: Path) -> None:
    with site.world.update("node1") as node:
        node["post_since"] = 1759630415.0
    with site.change("node1", "NPU1") as net:
        net["flaps"] = [15]
    text = capture(shared, "link_stat")
    assert shape(site.get("link_stat", device=0).out) == shape(text)
    assert site.get("link_stat", device=0).out.splitlines()[1:4] == text.splitlines()[1:4]


def test_ping(site: Site, shared: Path) -> None:
    give(site, "node2", address=lambda i: f"29.1.137.{205 + i}", netmask="255.255.0.0")
    give(site, "node1", address=lambda i: f"29.1.170.{143 + i}", netmask="255.255.0.0")
    command, *wanted = capture(shared, "ping").splitlines(keepends=True)
    said = site.tool("node1", *command.split()[2:])
    assert said.rc == 0
    text = "".join(wanted)
    assert re.sub(r"time=[\d.]+ms", "time", said.out) == re.sub(r"time=[\d.]+ms", "time", text)
    assert all(len(t.partition(".")[2]) == 6 for t in re.findall(r"time=([\d.]+)ms", said.out))


def test_lldp(site: Site, shared: Path) -> None:
    """Every line of the capture that is no name or number of that site, in its order."""
    wanted = [line for line in capture(shared, "lldp").splitlines()[1:] if line not in ("...", "Huarong DX511")]
    kept = [line for line in wanted if not re.search(r"MAC: |IPv4: |Ifname: |Version 8", line)]
    lines = iter(site.get("lldp").out.splitlines())
    assert all(line in lines for line in kept)  # each is found after the one before
    assert re.search(r"^        Ifname: \d+GE1/\d+/\d+:[12]$", site.get("lldp").out, re.MULTILINE)


def test_roce_test(site: Site, shared: Path) -> None:
    argv = ["-roce_test", "ib_send_bw", "-s", "2097152", "-n", "1000", "-tclass", "132"]
    receiver = site.background("node2", "-i", "2", *argv, "-tcp", until="Waiting")
    waiting = receiver.said.out
    sender = site.tool("node1", "-i", "2", *argv, "address", address(2, 3), "-tcp")
    receiver.end()
    assert waiting == "".join(capture(shared, "roce_test__receiver").splitlines(keepends=True)[2:])
    text = "".join(capture(shared, "roce_test__ib_send").splitlines(keepends=True)[2:])
    assert shape(sender.out) == shape(text)
    assert row_columns(sender.out) == row_columns(text)


def row_columns(text: str) -> list[int]:
    """Where the numbers of the one row of results begin."""
    [line] = [line for line in text.splitlines() if line.startswith(" 2097152")]
    return [match.start() for match in re.finditer(r"\S+", line)]
