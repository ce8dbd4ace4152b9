"""A make-believe hccn_tool and npu-smi for several nodes, written by us from the vendor's source and captures.

Each node has a folder with the programs; what the "devices" do lies in files of the folder above, so that programs of
several nodes meet. ``Site.set`` changes behaviour: ``rates`` (MiB/s by "source address>target address"), ``hangs``
(addresses whose receiver never ends), ``busy`` (how many calls are answered with busy first), ``deaf`` (addresses
that do not answer pings), ``long`` (addresses that larger packets do not reach), ``lost`` (packets sent again per
test by source address), ``deny`` (addresses that refuse each connection), ``garble`` (addresses whose report is cut).
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = r"""
import json, os, sys, time
here = os.path.dirname(os.path.abspath(sys.argv[0]))
node, state = os.path.basename(here), os.path.dirname(here)
with open(state + "/config.json") as stream:
    config = json.load(stream)
words = sys.argv[1:]
device = int(words[1])
mine = config["addresses"][node][str(device)]
with open(state + "/calls.txt", "a") as stream:
    stream.write(node + " " + " ".join(words) + "\n")

def say(text):
    sys.stdout.write(text)
    sys.stdout.flush()

def path(kind, address):
    return state + "/" + kind + "-" + address

def put(name, text):
    with open(name + ".new" + str(os.getpid()), "w") as stream:
        stream.write(text)
    os.rename(name + ".new" + str(os.getpid()), name)

def get(name):
    try:
        with open(name) as stream:
            return stream.read()
    except FileNotFoundError:
        return None

def fail(text=""):
    say(text + "Cmd execute failed!\n")
    sys.exit(255)

for number in range(config.get("busy", 0)):
    try:
        os.close(os.open(state + "/busy-" + str(number), os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        continue
    say("hccn_tool is busy, please try again.\n")
    sys.exit(11)

def report(own, peer, rate, size, count, receiver):
    mib = rate * (1.00124 if receiver else 1)
    gid = "GID: 00:00:00:00:00:00:00:00:00:00:255:255:"
    line = "-" * 116 + "\n"
    text = line + line.join([
        "                    Send BW Test\n Dual-port       : OFF          Device         : hns_0\n",
        " local address: LID 0000 QPN 0x004a PSN 0xe03644\n " + gid + own.replace(".", ":")
        + "\n remote address: LID 0000 QPN 0x0012 PSN 0x5785c2\n " + gid + peer.replace(".", ":") + "\n",
        " #bytes       #iterations        BW peak[MB/sec]            BW average[MB/sec]          MsgRate[Mpps]\n"
        + " %-13d%-19d%-27.2f%-28.2f%.6f\n" % (
            size, count, 0 if receiver else mib * 1.0002, mib, mib * 1048576 / size / 1e6),
        ""])
    if own in config.get("garble", []):
        text = text[:text.index("MsgRate") + 40]
    say(text)

if words[2] == "-stat":
    counts = json.loads(get(path("count", mine)) or "{}")
    say("packet statistics:\n")
    for name in ("mac_tx_pfc_pkt_num", "mac_rx_pfc_pkt_num", "roce_new_pkt_rty_num"):
        say("%s:%d\n" % (name, counts.get(name, 0)))
elif words[2] == "-ping":
    target, size = words[words.index("address") + 1], int(words[words.index("pkt") + 1])
    lost = 3 if target in config.get("deaf", []) or (size > 1000 and target in config.get("long", [])) else 0
    say("device %d PING %s\n" % (device, target))
    for number in range(3):
        say("recv time out seq=%d\n" % number if lost else "recv seq=%d,time=0.034000ms\n" % number)
    say("3 packets transmitted, %d received, %.2f%% packet loss\n" % (3 - lost, 100 * lost / 3))
    if lost:
        fail()
elif words[3] == "reset":
    for kind in ("recv", "send"):
        if os.path.exists(path(kind, mine)):
            os.unlink(path(kind, mine))
else:
    size, count = int(words[words.index("-s") + 1]), int(words[words.index("-n") + 1])
    assert words[words.index("-tclass") + 1] == "132" and words[-1] == "-tcp"
    target = words[words.index("address") + 1] if "address" in words else None
    place = path("send" if target else "recv", mine)
    if os.path.exists(place):
        say("Dsmi get perftest status end. (status=2)\n")
        fail("Roce perftest is doing, please try later.\n")
    put(place, "waiting")
    say("Dsmi get perftest status end. (status=1)\nDsmi start roce perftest end. (out=1)\n")
    if target is None:
        say("roce_report:\n" + "*" * 36 + "\n* Waiting for client to connect... *\n" + "*" * 36 + "\n")
        while True:
            told = get(place)
            if told is None:
                fail()
            if told != "waiting" and told != "taken":
                peer, rate = told.split()
                os.unlink(place)
                report(mine, peer, float(rate), size, count, True)
                break
            time.sleep(0.01)
    else:
        ready = get(path("recv", target)) == "waiting" and mine not in config.get("deny", [])
        if not ready:
            os.unlink(place)
            time.sleep(0.02)
            fail("roce_report:\nCouldn't connect to %s:18515\nUnable to init the socket connection\n" % target)
        put(path("recv", target), "taken")
        while target in config.get("hangs", []) and os.path.exists(place):
            time.sleep(0.01)
        if not os.path.exists(place):
            fail()
        rate = config.get("rates", {}).get(mine + ">" + target, 23365.53)
        time.sleep(config.get("seconds", 0.05))
        counts = json.loads(get(path("count", mine)) or "{}")
        counts["roce_new_pkt_rty_num"] = counts.get("roce_new_pkt_rty_num", 0) + config.get("lost", {}).get(mine, 0)
        put(path("count", mine), json.dumps(counts))
        put(path("recv", target), "%s %r" % (mine, rate))
        os.unlink(place)
        report(mine, target, rate, size, count, False)
"""

DRIVER = """
import json, sys
from npuforge.fabric import measure, roce_test
from npuforge.fabric.tool import Tool
given = json.load(sys.stdin)
options = measure.Options(limits=roce_test.Limits(**given["limits"]), npu_smi=given["npu_smi"], **given["options"])
tool = Tool(given["tool"], short_seconds=10, busy_seconds=given["busy_seconds"])
try:
    print(json.dumps(measure.run(given["plan"], given["node"], tool, options, True)))
except measure.Stopped as error:
    print(json.dumps({"stopped": str(error)}))
"""

IDLE = """
+---------------------------+---------------+----------------------------------------------------+
| NPU   Name                | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|
| Chip                      | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |
+===========================+===============+====================================================+
"""


def make_plan(nodes: int = 2, ports: int = 2, **test: int) -> dict[str, Any]:
    """A plan as docs/fabric.md section 3 has it, one subnet, one switch."""
    names = [f"node{number}" for number in range(1, nodes + 1)]
    rows = []
    for place, node in enumerate(names):
        for device in range(ports):
            row = {"id": f"{node}/NPU{device + 1}", "node": node, "name": f"NPU{device + 1}", "device_id": device}
            row |= {"rail": device + 1, "address": f"10.88.0.{100 + place * ports + device + 1}"}
            row |= {"switch": "sw1", "switch_port": f"400GE1/0/{(place * ports + device) // 2 + 1}:{device % 2 + 1}"}
            rows.append(row)
    sizes = {"message_bytes": 2097152, "iterations": 1000, "probe_small_bytes": 56, "probe_large_bytes": 4068}
    return {
        "schema": "npuforge.fabric_plan/1",
        "site": "twin",
        "nodes": names,
        "qos": {"traffic_class": 132},
        "hccl_environment": {"HCCL_RDMA_TC": "132", "HCCL_RDMA_SL": "4"},
        "test": sizes | test,
        "ports": rows,
    }


class Site:
    """Nodes with make-believe tools in a folder."""

    def __init__(self, folder: Path, plan: dict[str, Any]) -> None:
        self.folder, self.plan = folder, plan
        self.config: dict[str, Any] = {"addresses": {}}
        for port in plan["ports"]:
            self.config["addresses"].setdefault(port["node"], {})[str(port["device_id"])] = port["address"]
        for node in plan["nodes"]:
            (folder / node).mkdir()
            self.program(node, "hccn_tool", f"#!{sys.executable} -SE\n{PROGRAM}")
            self.smi(node)
        self.set()

    def program(self, node: str, name: str, text: str) -> Path:
        path = self.folder / node / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def smi(self, node: str, held: dict[int, int] | None = None) -> None:
        """npu-smi that shows how much of 65536 MB each device of the node holds."""
        rows = [
            f"| {device}     910B2               | OK            | 96.5        36                0    / 0     |\n"
            f"| 0                         | 0000:C{device}:00.0  | 0           0    / 0"
            f"          {(held or {}).get(device, 3347):<5}/ 65536         |\n"
            for device in range(len(self.config["addresses"][node]))
        ]
        self.program(node, "npu-smi", f"#!/bin/sh\ncat <<'END'\n{IDLE}{''.join(rows)}\nEND\n")

    def set(self, **config: Any) -> None:
        self.config |= config
        (self.folder / "config.json").write_text(json.dumps(self.config))

    def calls(self) -> list[str]:
        path = self.folder / "calls.txt"
        return path.read_text().splitlines() if path.exists() else []

    def left(self) -> list[str]:
        """Tests that a device still runs."""
        return sorted(path.name for kind in ("recv", "send") for path in self.folder.glob(f"{kind}-*"))

    def start(self, node: str, limits: dict[str, float] | None = None, **options: Any) -> subprocess.Popen[str]:
        given = {
            "plan": self.plan,
            "node": node,
            "tool": options.pop("tool", str(self.folder / node / "hccn_tool")),
            "npu_smi": options.pop("npu_smi", str(self.folder / node / "npu-smi")),
            "busy_seconds": options.pop("busy_seconds", 10),
            "limits": {"skew": 5.0, "step": 10.0, "straggler": 1.0, "absent": 0.5, "head_start": 0.1} | (limits or {}),
            "options": options,
        }
        process = subprocess.Popen(
            [sys.executable, "-c", DRIVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": f"{ROOT}/plugins/module_utils", "PATH": "/usr/bin:/bin"},
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(given))
        process.stdin.close()
        process.stdin = None
        return process

    def run(self, nodes: list[str] | None = None, **options: Any) -> dict[str, dict[str, Any]]:
        """All nodes at the same time; their results by name."""
        started = {node: self.start(node, **dict(options)) for node in nodes or self.plan["nodes"]}
        return {node: finish(process) for node, process in started.items()}


def finish(process: subprocess.Popen[str], seconds: float = 60) -> dict[str, Any]:
    text, _ = process.communicate(timeout=seconds)
    result: dict[str, Any] = json.loads(text)
    return result


def wait_for(condition: Any, seconds: float = 10) -> None:
    """Until the condition holds; fails the test when it does not come true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def kill(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> None:
    process.send_signal(number)
