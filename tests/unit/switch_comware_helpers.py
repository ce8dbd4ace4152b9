"""A Comware switch for tests: its configuration as a tree that lines change, printing what H3C's references show.

Our own samples in the shapes of the H3C command references and of ntc-templates' captures; nothing here is npuforge's.
"""

from __future__ import annotations

import copy
from typing import Any

PORTS = ("TwoHundredGigE1/0/1:1", "TwoHundredGigE1/0/1:2")


def part(cell_bytes: int | None = 256, **switch: Any) -> dict[str, Any]:
    """The plan's part of one switch, as ``npuforge.fabric.plan.switch_part`` gives it."""
    name = "leaf1"
    buffer = {"form": "dynamic", "xoff": 6, "xoff_bytes": None, "headroom_bytes": 512000}
    return {
        "schema": "npuforge.fabric_plan/1",
        "site": "test",
        "nodes": ["node1"],
        "qos": {
            "traffic_class": 132,
            "dscp": 33,
            "service_level": 4,
            "priority": 4,
            "queue": 4,
            "phb": "af4",
            "npu_tc": 3,
            "cnp": {"dscp": 48, "priority": 6, "queue": 6, "phb": "cs6"},
        },
        "pfc": {
            "lossless_priorities": [4],
            "bitmap": [0, 0, 0, 0, 1, 0, 0, 0],
            "deadlock": {"detect_time": 10, "recovery_time": 10, "turn_off_threshold": 30},
        },
        "ecn": {"low_limit_bytes": 204800, "high_limit_bytes": 614400, "discard_percentage": 5},
        "link": {"speed_mbps": 200000, "fec": "rs", "mtu_bytes": 4200, "max_frame_bytes": 9216},
        "ports": [
            {
                "id": f"node1/NPU{n}",
                "node": "node1",
                "name": f"NPU{n}",
                "device_id": n - 1,
                "switch": name,
                "switch_port": port,
            }
            for n, port in enumerate(PORTS, 1)
        ],
        "switches": {
            name: {
                "os": "h3c_comware",
                "family": "S9825",
                "headroom_pool_kib": None,
                "dscp_mapping": False,
                "buffer": buffer,
                "cell_bytes": cell_bytes,
                "ports": list(PORTS),
                **switch,
            }
        },
    }


FACTORY = """#
 version 7.1.070, Release 6710
#
 sysname leaf1
#
 lldp global enable
#
 password-recovery enable
#
vlan 1
#
interface NULL0
#
interface TwoHundredGigE1/0/1:1
 port link-mode bridge
 description NPU1 of node1
 port access vlan 171
#
interface TwoHundredGigE1/0/1:2
 port link-mode bridge
#
interface TwoHundredGigE1/0/2:1
 port link-mode bridge
 flow-control
#
local-user admin class manage
 password hash $h$6$TESTHASHTESTHASH
#
return
"""


class Switch:
    """The configuration: a view (``()`` for the system view) and its lines. What Comware hides by default is absent."""

    def __init__(self, text: str = FACTORY) -> None:
        self.views: dict[str, list[str]] = {"": []}
        view = ""
        for line in text.splitlines():
            if line in ("#", "return"):
                view = ""
            elif line.startswith(" "):
                self.views[view].append(line.strip())
            else:
                view = line.strip()
                self.views.setdefault(view, [])
        self.now = ""
        self.refuses: tuple[str, ...] = ()

    def copy(self) -> Switch:
        return copy.deepcopy(self)

    def text(self) -> str:
        told = ["#"] + [f" {line}" for line in self.views[""]] + ["#"]
        for view, lines in self.views.items():
            if view and (lines or not view.startswith("qos map-table")):
                told += [view, *(f" {line}" for line in lines), "#"]
        return "\n".join([*told, "return"]) + "\n"

    def enter(self, line: str) -> str:
        """Type a line; the answer is what the switch complains."""
        line = line.strip()
        if any(word in line for word in self.refuses):
            return "                ^\n % Unrecognized command found at '^' position."
        if line in ("system-view", "return", "quit"):
            self.now = ""
            return ""
        if line.startswith(("interface ", "qos map-table ")):
            if line.startswith("interface ") and line not in self.views:
                return " % Wrong parameter found at '^' position."
            self.views.setdefault(line, [])
            self.now = line
            return ""
        lines = self.views[self.now]
        if line.startswith("undo "):
            what = line[5:]
            lines[:] = [old for old in lines if not _undoes(what, old)]
            return ""
        lines[:] = [old for old in lines if _head(old) != _head(line)] + [line]
        return ""

    def enter_all(self, lines: list[str]) -> list[str]:
        """Type lines as ``Steps.lines`` gives them: a line without indentation is of the system view."""
        complaints = []
        for line in lines:
            if not line.startswith(" "):
                self.now = ""
            answer = self.enter(line)
            if answer:
                complaints.append(f"{line}: {answer}")
        return complaints

    def state(self) -> dict[str, frozenset[str]]:
        """What is configured, whatever the order; an empty map view is nothing."""
        return {view: frozenset(lines) for view, lines in self.views.items() if lines or view.startswith("interface ")}


def _head(line: str) -> str:
    """What a line sets, in the switch's grammar: the words before its last value."""
    words = line.split()
    if words[:2] == ["qos", "trust"]:
        return "qos trust"
    if words[:3] == ["qos", "wred", "queue"]:
        return " ".join(words[:6]) if words[4] == "drop-level" else " ".join(words[:5])
    if words[0] == "import":
        return " ".join(words[:2])
    if words[0] == "priority-flow-control" and words[1] in ("enable", "auto"):
        return "priority-flow-control mode"
    if (words[0] == "priority-flow-control" and words[-1].isdigit()) or "no-drop" in words:
        return " ".join(words[:-1])
    return line


def _undoes(what: str, line: str) -> bool:
    """``undo priority-flow-control`` turns PFC off and leaves its other settings; else a line is named by its start."""
    if what == "priority-flow-control":
        return line in ("priority-flow-control enable", "priority-flow-control auto")
    return line == what or line.startswith(what + " ")


def display(switch: Switch, direct: bool = True, extra: dict[str, str | None] | None = None) -> dict[str, str | None]:
    """What the read commands answer, derived from the configuration: link up, PFC active where it is configured."""
    columns = ("Interface", 33), ("AdminMode", 11), ("OperMode", 10), ("Dot1pList", 12), ("Prio", 6), ("Recv", 11)
    pfc = ["".join(name.ljust(width) for name, width in columns) + "Send       Inpps      Outpps", "-" * 99]
    interfaces, neighbors = [], []
    for view, lines in switch.views.items():
        if not view.startswith("interface TwoHundredGigE"):
            continue
        name = view[len("interface ") :]
        short = name.replace("TwoHundredGigE", "200GE")
        on = "priority-flow-control enable" in lines
        listed = next((line.split()[-1] for line in lines if "no-drop" in line), "")
        word = "Enabled" if on else "Disabled"
        pfc.append(f"{short:<33}{word:<11}{word:<10}{listed:<12}{'4':<6}{'18':<11}{'20':<11}{'0':<11}0")
        flow = "is enabled" if "flow-control" in lines else "is not enabled"
        interfaces.append(
            f"{name}\nCurrent state: UP\nLine protocol state: UP\nBandwidth: 200000000 kbps\n"
            f"200Gbps-speed mode, full-duplex mode\nFlow-control {flow}\nMaximum frame length: 9216\n"
            "Input:  0 input errors, 0 runts, 0 giants, 0 throttles\n        3 CRC, 0 frame, - overruns, 0 aborts\n"
            "Output (total): 1 packets, 64 bytes\n"
        )
        neighbors.append(
            f"LLDP neighbor-information of port 7[{name}]:\nLLDP agent nearest-bridge:\n LLDP neighbor index : 1\n"
            f" Chassis ID          : 0011-2233-4455\n Port ID             : NPU{name[-1]}\n"
            " System name         : node1\n"
        )
    table = "dscp-lp" if direct else "dscp-dot1p"
    names = ("dscp-lp", "dscp-dot1p", "dot1p-lp")
    maps: dict[str, str | None] = {f"display qos map-table {name}": REFUSED for name in names}
    for name, size in ((table, 64), ("dot1p-lp", 8)):
        entries = dict(enumerate([2, 0, 1, 3, 4, 5, 6, 7])) if size == 8 else {n: n // 8 for n in range(64)}
        for line in switch.views.get(f"qos map-table {name}", []):
            entries[int(line.split()[1])] = int(line.split()[3])
        body = "\n".join(f"{key:>4}    :    {value}" for key, value in entries.items())
        maps[f"display qos map-table {name}"] = (
            f"MAP-TABLE NAME: {name}   TYPE: pre-define\nIMPORT  :  EXPORT\n{body}\n"
        )
    return {
        "display version": VERSION,
        "display current-configuration": switch.text(),
        "display current-configuration diff": "",
        **maps,
        "display priority-flow-control interface": "\n".join(pfc) + "\n",
        "display qos wred interface": REFUSED,
        "display interface": "\n".join(interfaces),
        "display packet-drop interface": PACKET_DROP,
        "display lldp neighbor-information verbose": "\n".join(neighbors),
        "display lldp neighbor-information list": REFUSED,
        "display transceiver diagnosis interface": TRANSCEIVERS,
        **(extra or {}),
    }


REFUSED = "                ^\n % Unrecognized command found at '^' position.\n"
VERSION = """H3C Comware Software, Version 7.1.070, Release 6710
Copyright (c) 2004-2024 New H3C Technologies Co., Ltd. All rights reserved.
H3C S9825-64D uptime is 3 weeks, 1 day, 2 hours, 5 minutes
"""
PACKET_DROP = """TwoHundredGigE1/0/1:1:
  Packets dropped due to insufficient data buffer. Input dropped: 0 Output dropped:0
  Packets dropped due to Fast Filter Processor (FFP): 17
TwoHundredGigE1/0/1:2:
  Packets dropped due to full GBP or insufficient bandwidth: 301
  Packets dropped due to STP non-forwarding state: 321
"""
TRANSCEIVERS = """TwoHundredGigE1/0/1:1 transceiver diagnostic information:
  Current diagnostic parameters:
    [module] Temp.(C)   Voltage(V)   RX power(dBm)   TX power(dBm)
             37         3.32         6.65            5.22
    [channel] Bias(mA)   RX power(dBm)   TX power(dBm)
    1         6.03       0.70            -0.90
    2         6.05       0.61            -0.88
  Alarm thresholds:
    Temp.(C) Voltage(V)  Bias(mA)  RX power(dBm)  TX power(dBm)
    High  80         3.60        15.00     4.00           4.00
    Low   -15        3.00        0.00      -10.90         -8.30
TwoHundredGigE1/0/1:2 transceiver diagnostic information:
  The transceiver is absent.
"""
