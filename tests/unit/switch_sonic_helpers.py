"""A SONiC switch for tests: CONFIG_DB as tables, a shell that changes them, and show commands printed from them.

The stock tables are our own writing of what sonic-buildimage's qos_config.j2 makes; the layouts are those of
sonic-utilities' golden outputs. Nothing here is npuforge's.
"""

from __future__ import annotations

import copy
import json
import re
import shlex
from typing import Any

PORTS = ("Ethernet0", "Ethernet4")
Tables = dict[str, dict[str, dict[str, str]]]


def part(**buffer: Any) -> dict[str, Any]:
    """The plan's part of one switch, as ``npuforge.fabric.plan.switch_part`` gives it."""
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
            "deadlock": {"detect_time": 20, "recovery_time": 20, "turn_off_threshold": 30},
        },
        "ecn": {"low_limit_bytes": 204800, "high_limit_bytes": 614400, "discard_percentage": 5},
        "link": {"speed_mbps": 200000, "fec": "rs", "mtu_bytes": 4200, "max_frame_bytes": 9216},
        "ports": [
            {"id": f"node1/NPU{n}", "node": "node1", "name": f"NPU{n}", "device_id": n - 1, "switch_port": port}
            for n, port in enumerate(PORTS, 1)
        ],
        "switches": {
            "leaf1": {
                "os": "sonic",
                "family": "sonic",
                "headroom_pool_kib": None,
                "dscp_mapping": False,
                "buffer": {"form": "dynamic", "xoff": None, "xoff_bytes": None, "headroom_bytes": None, **buffer},
                "ports": list(PORTS),
            }
        },
    }


def bare() -> Tables:
    """A switch without any QoS: ports and metadata alone."""
    return {
        "DEVICE_METADATA": {"localhost": {"hostname": "leaf1", "buffer_model": "traditional"}},
        "PORT": {port: {"speed": "200000", "mtu": "9100", "fec": "rs"} for port in (*PORTS, "Ethernet8")},
    }


def stock() -> Tables:
    """After ``config qos reload``: the maps called AZURE, lossless 3 and 4, and no watchdog."""
    dscp = {str(n): "1" for n in range(64)}
    dscp.update({"3": "3", "4": "4", "5": "2", "8": "0", "46": "5", "48": "6"})
    tables = bare()
    maps = {"dscp_to_tc_map": "AZURE", "tc_to_pg_map": "AZURE", "tc_to_queue_map": "AZURE", "pfc_to_queue_map": "AZURE"}
    limits = {"min_threshold": "1048576", "max_threshold": "2097152", "drop_probability": "5"}
    tables.update(
        {
            "DSCP_TO_TC_MAP": {"AZURE": dscp},
            "TC_TO_PRIORITY_GROUP_MAP": {"AZURE": {str(n): str(n) if n in (3, 4, 7) else "0" for n in range(8)}},
            "TC_TO_QUEUE_MAP": {"AZURE": {str(n): str(n) for n in range(8)}},
            "MAP_PFC_PRIORITY_TO_QUEUE": {"AZURE": {str(n): str(n) for n in range(8)}},
            "PORT_QOS_MAP": {port: {**maps, "pfc_enable": "3,4", "pfcwd_sw_enable": "3,4"} for port in tables["PORT"]},
            "WRED_PROFILE": {
                "AZURE_LOSSLESS": {
                    **{
                        f"{color}_{field}": value
                        for color in ("green", "yellow", "red")
                        for field, value in limits.items()
                    },
                    "ecn": "ecn_all",
                    "wred_green_enable": "true",
                    "wred_yellow_enable": "true",
                    "wred_red_enable": "true",
                }
            },
            "QUEUE": {
                f"{port}|{queue}": {"scheduler": "scheduler.1", "wred_profile": "AZURE_LOSSLESS"}
                for port in tables["PORT"]
                for queue in (3, 4)
            },
            "CABLE_LENGTH": {"AZURE": dict.fromkeys(tables["PORT"], "5m")},
        }
    )
    return tables


class Switch:
    """CONFIG_DB, the file it boots from, and a shell."""

    def __init__(self, tables: Tables | None = None) -> None:
        self.tables = tables if tables is not None else stock()
        self.saved = copy.deepcopy(self.tables)
        self.checkpoints: dict[str, Tables] = {}
        self.files: dict[str, str] = {}
        self.refuses: tuple[str, ...] = ()
        self.breaks_half_way = False
        self.storm = ""

    def enter(self, line: str) -> str:
        """Type a line; what it prints."""
        if any(word in line for word in self.refuses):
            return "Traceback (most recent call last):\nError: it does not work"
        if line.startswith("printf "):
            match = re.match(r"^printf '%s\\n' '(.*)' (>>?) (\S+)$", line)
            assert match, line
            text, sign, name = match.groups()
            self.files[name] = (self.files[name] if sign == ">>" else "") + text + "\n"
            return ""
        words = shlex.split(line)
        if words[:2] == ["rm", "-f"]:
            self.files.pop(words[2], None)
            return ""
        assert words[0] == "sudo", line
        if words[1:3] == ["sonic-db-cli", "CONFIG_DB"]:
            return self._database(words[3], words[4:])
        assert words[1] == "config", line
        return self._config(words[2], words[3:])

    def _database(self, verb: str, words: list[str]) -> str:
        table, _, key = words[0].partition("|")
        rows = self.tables.setdefault(table, {})
        if verb == "hset":
            rows.setdefault(key, {}).update(zip(words[1::2], words[2::2], strict=True))
        elif verb == "hdel":
            rows[key].pop(words[1])
        else:
            assert verb == "del"
            rows.pop(key)
        self.tables = {name: each for name, each in self.tables.items() if each}
        return "1"

    def _config(self, verb: str, words: list[str]) -> str:
        if verb == "checkpoint":
            if words[0] in self.checkpoints:
                return "Failed to create checkpoint\nError: it exists"
            self.checkpoints[words[0]] = copy.deepcopy(self.tables)
            return "Checkpoint created successfully."
        if verb == "rollback":
            target = self.checkpoints[words[0]]
            # What the updater refuses to change, it refuses to take back.
            for table in ("WRED_PROFILE", "PFC_WD", "BUFFER_PROFILE"):
                if target.get(table) != self.tables.get(table):
                    return f"Failed to rollback config\nError: Modification of {table} table is illegal"
            self.tables = copy.deepcopy(target)
            return "Config rolled back successfully."
        if verb == "delete-checkpoint":
            if self.checkpoints.pop(words[0], None) is None:
                return "Failed to delete checkpoint\nError: it does not exist"
            return "Checkpoint deleted successfully."
        if verb == "save":
            self.saved = copy.deepcopy(self.tables)
            return "Running command: /usr/local/bin/sonic-cfggen -d --print-data > /etc/sonic/config_db.json"
        assert verb == "apply-patch", verb
        operations = json.loads(self.files[words[0]])
        for place, operation in enumerate(operations):
            table = operation["path"].split("/")[1]
            if table in ("WRED_PROFILE", "PFC_WD", "BUFFER_PROFILE", "BUFFER_POOL"):
                return f"Failed to apply patch\nError: Modification of {table} table is illegal"
            if self.breaks_half_way and place == len(operations) // 2:
                return "Failed to apply patch due to: something\nError: something"
            patch(self.tables, operation)
        return "Patch applied successfully."


def patch(document: Any, operation: dict[str, Any]) -> None:
    """One operation of RFC 6902, as strict as it says."""
    path = [each.replace("~1", "/").replace("~0", "~") for each in operation["path"].split("/")[1:]]
    for name in path[:-1]:
        document = document[name]
    if operation["op"] != "add":
        assert path[-1] in document, operation
    if operation["op"] == "remove":
        del document[path[-1]]
    else:
        document[path[-1]] = copy.deepcopy(operation["value"])


def table(headings: list[str], rows: list[list[str]], right: bool = True) -> str:
    """As ``tabulate(rows, headings, tablefmt="simple")`` prints it."""
    widths = [max([len(heading), *(len(row[n]) for row in rows)]) for n, heading in enumerate(headings)]

    def line(cells: list[str]) -> str:
        placed = [cell.rjust(width) if right else cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
        return "  ".join(placed).rstrip()

    return "\n".join([line(headings), "  ".join("-" * width for width in widths), *map(line, rows)]) + "\n"


def display(switch: Switch, extra: dict[str, str | None] | None = None) -> dict[str, str | None]:
    """What the read commands answer. Buffers are in effect where the configuration lets buffermgrd make them."""
    tables = switch.tables
    ports = list(tables["PORT"])
    qos = tables.get("PORT_QOS_MAP", {})
    enabled = {port: qos.get(port, {}).get("pfc_enable", "") for port in ports}
    profile = "pg_lossless_200000_40m_profile"
    applied: dict[str, Any] = {f"BUFFER_PROFILE_TABLE:{profile}": {"type": "hash", "value": {"xoff": "165100"}}}
    cables = {port: length for row in tables.get("CABLE_LENGTH", {}).values() for port, length in row.items()}
    dynamic = tables["DEVICE_METADATA"]["localhost"].get("buffer_model") == "dynamic"
    for port in ports:
        for priority in filter(None, enabled[port].split(",")):
            configured = f"{port}|{priority}" in tables.get("BUFFER_PG", {})
            if cables.get(port, "0m") != "0m" and (configured or not dynamic):
                applied[f"BUFFER_PG_TABLE:{port}:{priority}"] = {"type": "hash", "value": {"profile": profile}}
    commands: dict[str, str | None] = {
        "show version": VERSION,
        RUNNING: json.dumps(filtered(tables), indent=2),
        SAVED: json.dumps(filtered(switch.saved), indent=2),
        "sonic-db-dump -n APPL_DB -y -k 'BUFFER_P*'": json.dumps(applied, indent=2),
        **_pfc(switch, enabled),
        **_drops(ports),
        **_links(ports),
    }
    return {**commands, **(extra or {})}


def _pfc(switch: Switch, enabled: dict[str, str]) -> dict[str, str | None]:
    counters = [f"1,{n}00" for n in range(8)]
    headings = [f"PFC{n}" for n in range(8)]
    watchdog = [
        [port, *(row.get(field, "N/A") for field in ("action", "detection_time", "restoration_time")), "disable"]
        for port, row in switch.tables.get("PFC_WD", {}).items()
        if port != "GLOBAL"
    ]
    storms = [[f"{switch.storm}:4", "stormed", "3/2", "1/0", "1/0", "0/0", "0/0"]] if switch.storm else []
    listed = [[port, text or "N/A"] for port, text in enabled.items()]
    sides = [table([f"Port {way}", *headings], [[port, *counters] for port in enabled]) for way in ("Rx", "Tx")]
    columns = ["QUEUE", "STATUS", "STORM DETECTED/RESTORED", "TX OK/DROP", "RX OK/DROP"]
    return {
        "show pfc priority": "\n" + table(["Interface", "Lossless priorities"], listed, False),
        "show pfc asymmetric": "\n" + table(["Interface", "Asymmetric"], [[port, "off"] for port in enabled], False),
        "show pfc counters": "\n".join(sides),
        "pfcwd show config": table(["PORT", "ACTION", "DETECTION TIME", "RESTORATION TIME", "HISTORY"], watchdog),
        "pfcwd show stats": table([*columns, "TX LAST OK/DROP", "RX LAST OK/DROP"], storms),
        "show ecn": "Profile: AZURE_LOSSLESS\n-------  -------\necn      ecn_all\n-------  -------\n",
    }


def _drops(ports: list[str]) -> dict[str, str | None]:
    queues = ["Port", "TxQ", "Counter/pkts", "Counter/bytes", "Drop/pkts", "Drop/bytes"]
    groups = ["Port", *(f"PG{n}" for n in range(8))]
    rows = [table(queues, [[port, f"UC{n}", "60", "43", str(n), "1"] for n in range(8)]) for port in ports]
    headroom = table(groups, [[port, *"00000000"] for port in ports])
    return {
        "show queue counters": "".join(f"For namespace :\n{text}\n" for text in rows),
        "show priority-group drop counters": "Ingress PG dropped packets:\n"
        + table(groups, [[port, *"01234567"] for port in ports]),
        "show priority-group watermark headroom": "Ingress headroom per PG:\n" + headroom,
    }


def _links(ports: list[str]) -> dict[str, str | None]:
    status = ["Interface", "Lanes", "Speed", "MTU", "FEC", "Alias", "Vlan", "Oper", "Admin", "Type", "Asym PFC"]
    counters = ["IFACE", "STATE", "RX_OK", "RX_BPS", "RX_UTIL", "RX_ERR", "RX_DRP", "RX_OVR", "TX_OK", "TX_ERR"]
    counted = ["U", "471,729,839,997", "653.87 MB/s", "12.77%", "2", "18,682", "0", "7", "0"]
    lldp = ["LocalPort", "RemoteDevice", "RemotePortID", "Capability", "RemotePortDescr"]
    cells = ["1,2", "200G", "9100", "rs", "etp1", "routed", "up", "up", "QSFP56 or later", "off"]
    seen = [[port, "node1", f"NPU{n}", "O", "Interface   8 as npu"] for n, port in enumerate(ports, 1)]
    return {
        "show interfaces status": table(status, [[port, *cells] for port in ports]),
        "show interfaces counters": table(counters, [[port, *counted] for port in ports]),
        "show lldp table": "Capability codes: (R) Router, (B) Bridge, (O) Other\n"
        + table(lldp, seen, False)
        + "-" * 50
        + f"\nTotal entries displayed:  {len(ports)}\n",
        "show interfaces transceiver eeprom --dom": DOM,
    }


_JQ = "jq 'with_entries(select(.key|test(\"_MAP$|^WRED|QUEUE$|^BUFFER_P|^PFC_WD$|^CABLE|^PORT$|METADATA$\")))'"
RUNNING = f"sonic-cfggen -d --print-data | {_JQ}"
SAVED = f"{_JQ} /etc/sonic/config_db.json"


def filtered(tables: Tables) -> Tables:
    """What that filter lets through (jq's ``test`` is a search)."""
    pattern = _JQ.split('"')[1]
    return {name: rows for name, rows in tables.items() if re.search(pattern, name)}


VERSION = """
SONiC Software Version: SONiC.202311.100
SONiC OS Version: 11
Distribution: Debian 11.8
Build commit: 0123456789
Platform: x86_64-accton_as9716_32d-r0
HwSKU: Accton-AS9716-32D
ASIC: broadcom
"""
DOM = """Ethernet0: SFP EEPROM detected
        Identifier: QSFP28 or later
        Vendor Name: Testoptics
        Vendor SN: TEST0001
        ChannelMonitorValues:
                RX1Power: 0.3802dBm
                RX2Power: -0.4871dBm
                TX1Bias: 6.7500mA
                TX1Power: 1.1750dBm
                TX2Power: N/A
        ChannelThresholdValues:
                RxPowerHighAlarm  : 3.4001dBm
                RxPowerLowAlarm   : -13.5067dBm
        ModuleMonitorValues:
                Temperature: 30.9258C
                Vcc: 3.2824Volts

Ethernet4: SFP EEPROM Not detected
"""
