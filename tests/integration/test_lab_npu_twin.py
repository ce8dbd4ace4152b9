"""The NPU tools inside the twin's nodes: fast clients, settings that follow power and file, tests between two nodes."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator

import pytest

from lab import fabric
from lab.world import World
from tests.integration.conftest import Twin

pytestmark = [pytest.mark.twin, pytest.mark.root]
NODES = ("node1", "node2", "node3")
CONF = "/etc/hccn.conf"
# device, file, words: a test is tried again as long as another one is just being started on this node
START = """start() {
 d=$1; f=$2; shift 2
 while hccn_tool -i $d -roce_test "$@" > $f 2>&1; grep -q 'is busy' $f; do sleep 0.05; done
}"""


def shell(node: str, script: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """A root shell in a node."""
    argv = ["podman", "exec", f"npuforge-twin-{node}", "bash", "-c", script]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert not check or done.returncode == 0, done
    return done


def configure(node: str, number: int) -> None:
    """What a site's plan would set, by the tool itself."""
    lines = ["set -e"]
    for device in range(8):
        tool = f"hccn_tool -i {device}"
        lines += [
            f"{tool} -ip -s address 10.88.0.{100 + 8 * (number - 1) + device + 1} netmask 255.255.255.0",
            f"{tool} -gateway -s gateway 10.88.0.1",
            f"{tool} -netdetect -s address 10.88.0.1",
            f"{tool} -mtu -s size 8192",
            f"{tool} -pfc -s bitmap 0,0,0,0,1,0,0,0",
            f"{tool} -dscp_to_tc -s dscp 33 tc 3",
            f"{tool} -udp -s port 4791",
        ]
    shell(node, "\n".join(lines))


@pytest.fixture
def configured(twin: Twin) -> Iterator[World]:
    """All 24 ports set; afterwards they are what they were."""
    for node in NODES:
        shell(node, f"cp {CONF} /root/hccn.conf.before; : > {CONF}")
    for number, node in enumerate(NODES, 1):
        configure(node, number)
    yield World(twin.state / "world")
    for node in NODES:
        shell(node, f"cat /root/hccn.conf.before > {CONF}; rm /root/hccn.conf.before")
        twin.lab("power", node, "cycle")
    twin.lab("up")


def until(node: str, script: str, seconds: float = 60) -> str:
    deadline = time.monotonic() + seconds
    while True:
        done = shell(node, script, check=False)
        if done.returncode == 0:
            return done.stdout
        assert time.monotonic() < deadline, done
        time.sleep(0.3)


def test_the_tool_is_where_the_driver_puts_it_and_for_root_only(twin: Twin) -> None:
    assert shell("node1", "command -v hccn_tool").stdout == "/usr/local/bin/hccn_tool\n"
    assert shell("node1", "/usr/local/Ascend/driver/tools/hccn_tool -i 0 -speed -g").stdout == "Speed: 200000 Mb/s\n"
    denied = shell("node1", "setpriv --reuid deploy --clear-groups hccn_tool -i 0 -speed -g", check=False)
    assert (denied.returncode, denied.stderr) == (12, "permission denied: pls check this cmd run permission.\n")


def test_settings_come_back_after_a_boot_from_the_file_and_only_from_there(configured: World, twin: Twin) -> None:
    before = shell("node2", f"cat {CONF}; stat -c '%a %U' {CONF}").stdout
    assert before.count("\n") == 8 * 8 + 1
    shell("node2", f"sed -i /bitmap_3=/d {CONF}; echo 'arp_0=-i eth0 -s 10.88.0.9 02:00:00:00:00:09' >> {CONF}")
    twin.lab("power", "node2", "cycle")
    shown = until("node2", "systemctl is-active npu-network && hccn_tool -i 3 -ip -g && hccn_tool -i 3 -pfc -g")
    assert "ipaddr:10.88.0.112\n" in shown
    assert "enabled    0 0 0 0 0 0 0 0" in shown  # what the file does not say is gone
    assert "enabled    0 0 0 0 1 0 0 0" in shell("node2", "hccn_tool -i 4 -pfc -g").stdout
    assert "arp_0=-i eth0" in shell("node2", f"cat {CONF}").stdout
    assert shell("node1", "hccn_tool -i 0 -ping -g address 10.88.0.112 pkt 1024").returncode == 0


def test_bandwidth_between_two_nodes_follows_the_switch(configured: World) -> None:
    """Eight ports at a time from node1 to node2; the switch of a fresh twin was never configured."""
    words = "ib_send_bw -s 2097152 -n 1000 -tclass 132 -tcp"
    receive = [f"start {i} /tmp/r{i} {words} &" for i in range(8)]
    shell("node2", "\n".join(["rm -f /tmp/r?", START, *receive]))
    until("node2", "test $(grep -l Waiting /tmp/r? | wc -l) = 8")
    send = "\n".join([START, *(f"start {i} /tmp/s{i} {words} address 10.88.0.{109 + i} &" for i in range(8))])
    text = shell("node1", f"{send}\nwait; cat /tmp/s?").stdout
    rows = [line.split() for line in text.splitlines() if line.startswith(" 2097152")]
    assert len(rows) == 8
    measured = sum(float(row[4]) * 1e6 * 2097152 for row in rows)
    expected = [fabric.path(configured, f"node1/NPU{i}", f"node2/NPU{i}") for i in range(1, 9)]
    assert measured == pytest.approx(sum(way.message_rate(2097152) for way in expected), rel=2e-3)
    lossless = all(way.lossless for way in expected)
    assert (measured > 190e9) == lossless
    retries = shell("node1", "hccn_tool -i 0 -stat -g | grep roce_new_pkt_rty_num").stdout
    assert (retries == "roce_new_pkt_rty_num:0\n") == lossless


def test_a_receiver_that_was_killed_is_reset(configured: World) -> None:
    start = "hccn_tool -i 5 -roce_test ib_send_bw -tcp"
    shell("node3", f"timeout -s KILL 1 {start}", check=False)
    busy = shell("node3", start, check=False)
    assert "Roce perftest is doing, please try later." in busy.stderr
    assert shell("node3", "hccn_tool -i 5 -roce_test reset").stdout == "Cmd executed successfully!\n"
    assert "Waiting for client" in shell("node3", f"timeout -s KILL 1 {start}", check=False).stdout
    shell("node3", "hccn_tool -i 5 -roce_test reset")


def test_calls_at_the_same_time_are_refused_as_busy(twin: Twin) -> None:
    """A ping that nobody answers holds the tool for a second."""
    lines = shell(
        "node1",
        "hccn_tool -i 0 -ip -s address 10.88.0.101 netmask 255.255.255.0 >/dev/null\n"
        "hccn_tool -i 0 -ping -g address 10.88.0.200 pkt 64 >/dev/null 2>&1 &\nsleep 0.3\n"
        "hccn_tool -i 1 -mtu -g; echo $?; wait; hccn_tool -i 1 -mtu -g",
    ).stdout.splitlines()
    assert lines[:2] == ["hccn_tool is busy, please try again.", "11"]
    assert lines[2].startswith("mtu:")
