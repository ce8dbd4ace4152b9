"""Builds the healthy truth of a site: three Atlas 800T A2 servers and a switch, or many servers for load tests.

The shape of one node (all keys always present) is what ``build_node`` returns; the simulators rely on it.
Serial numbers and MAC addresses are derived from the node's number, so that two builds agree.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]

# Raised whenever a key is added that the simulators rely on: a world of another shape is made anew by "up".
SHAPE = 10
NAMESPACE = uuid.UUID("6f0cf3a4-6d0e-5a0e-9f0e-0d5c0f6d4c11")


@dataclass(frozen=True)
class Plan:
    """Where the site's devices live. BMCs and the switch are on loopback addresses; nodes on the lab's own bridge."""

    name: str = "twin"
    nodes: int = 3
    dialect: str = "openubmc"  # or "ibmc", or "mixed": the last node speaks the other one
    bmc_network: str = "127.77.1"  # node n -> .10+n (load tests: counted on over the third byte)
    bmc_port: int = 443
    ipmi_port: int = 623
    node_network: str = "10.77.0"  # node n -> .10+n
    switch_address: str = "127.77.2.1"
    switch_port: int = 2222
    bmc_user: str = "npuforge"


def bmc_address(plan: Plan, number: int) -> str:
    """127.77.1.11 for node 1; after 200 nodes the third byte counts on."""
    prefix, third = plan.bmc_network.rsplit(".", 1)
    return f"{prefix}.{int(third) + (number - 1) // 200}.{11 + (number - 1) % 200}"


def build_site(plan: Plan) -> tuple[Document, list[Document], list[Document]]:
    """``(site, nodes, switches)`` ready for ``World.create``. Secrets are not part of the world."""
    nodes = [build_node(plan, number) for number in range(1, plan.nodes + 1)]
    switches = [build_switch(plan)]
    site = {
        "name": plan.name,
        "simulated": True,
        "shape": SHAPE,
        "nodes": [node["name"] for node in nodes],
        "switches": [switch["name"] for switch in switches],
        "node_network": f"{plan.node_network}.0/24",
    }
    return site, nodes, switches


def build_node(plan: Plan, number: int) -> Document:
    """One healthy, powered server. ``present``/``health`` are causes; what a device shows follows in ``physics``."""
    tail = f"{number:03d}"
    dialect = plan.dialect
    if dialect == "mixed":
        dialect = "ibmc" if number == plan.nodes else "openubmc"
    return {
        "name": f"node{number}",
        "number": number,
        "manufacturer": "Huawei",
        "model": "Atlas 800T A2",
        "serial": f"2102314TWN10P0000{tail}",
        "part_number": "02314TWN",
        "board": {"serial": f"024TWN10P0000{tail}", "part_number": "03024TWN", "model": "IT21SK4E"},
        "smbios": {"serial": f"2102314TWN10P0000{tail}"},  # what the host's firmware says; the BMC keeps its own copy
        "asset_tag": f"TWIN-{tail}",
        "uuid": str(uuid.uuid5(NAMESPACE, f"node{number}")),
        "address": f"{plan.node_network}.{10 + number}",
        "power": "on",
        "post": "ok",
        "identify_led": "off",
        "bmc": {
            "address": bmc_address(plan, number),
            "port": plan.bmc_port,
            "ipmi_port": plan.ipmi_port,
            "user": plan.bmc_user,
            "dialect": dialect,
            "model": "openUBMC" if dialect == "openubmc" else "iBMC",
            "firmware": "5.03.02.11" if dialect == "openubmc" else "3.18.00.45",
            "serial": f"025BMC10P0000{tail}",
            "mac": mac(number, 0xB0),
            "hostname": f"node{number}-bmc",
            "clock_offset_seconds": 0,
            # How the BMC itself misbehaves; null or 0 = it does not.
            "latency_seconds": 0.0,
            "dead": False,
            "reject_password": False,
            "certificate": "valid",  # valid | expired | wrong_name | unknown_ca
            "error_body_paths": [],  # these URIs answer 200 with a Redfish error body
            "missing_paths": [],  # these URIs answer 404 although a collection lists them
            "unavailable_times": 0,  # the next n requests answer 503 with Retry-After
        },
        "bios": {"vendor": "Huawei", "version": "7.44", "release_date": "2026-03-18"},
        "cpus": [
            {
                "slot": f"CPU{i}",
                "present": True,
                "health": "OK",
                "manufacturer": "HiSilicon",
                "model": "Kunpeng 920 7265",
                "architecture": "ARM",
                "instruction_set": "ARM-A64",
                "cores": 64,
                "threads": 64,
                "max_speed_mhz": 3000,
                "part_number": "41020TWN",
                "serial": f"CPU{tail}10P{i:02d}",
                "temperature_celsius": 52,
            }
            for i in range(1, 5)
        ],
        # Two dies to a socket, each a NUMA node; the NPUs near to them are those of a public capture of a 910B host.
        "numa": [
            {
                "node": i,
                "socket": i // 2,
                "cpus": f"{32 * i}-{32 * i + 31}",
                "npus": {0: ["NPU2", "NPU4"], 2: ["NPU6", "NPU8"], 4: ["NPU5", "NPU7"], 6: ["NPU1", "NPU3"]}.get(i, []),
            }
            for i in range(8)
        ],
        "ntp": {"answers": True, "stratum": 2},  # what the site's time server is to this node; stratum 16: without time
        "kernel_boot": "ok",  # "hangs": power and a self-test, but no system comes up
        "npus": [
            {
                "slot": f"NPU{i}",
                "present": True,
                "health": "OK",
                "manufacturer": "Huawei",
                "model": "Ascend 910B3",
                "part_number": "02315NPU",
                "serial": f"NPU{tail}10P{i:02d}",
                "firmware": "7.5.0.5.220",
                "firmware_pending": None,  # runs from the next boot on
                "hbm_mib": 65536,
                "pci": {"vendor_id": "0x19e5", "device_id": "0xd802", "address": f"0000:{0xC1 + i:02x}:00.0"},
                "temperature_celsius": 48,
                "power_watts": 92,
                "error_code": None,
                **npu_chip(i),
                "net": npu_port(number, i),
            }
            for i in range(1, 9)
        ],
        "npu_tools": {
            "version": "24.1.0.3",  # of the tools on the node's disk
            # How the tools misbehave. busy: true (for good) or how many calls; receiver_hangs: slots whose roce_test
            # never ends; failing_ranks: whose result is wrong; layout "future": of a version that nobody knows.
            "busy": False,
            "layout": "known",
            "receiver_hangs": [],
            "failing_ranks": [],
            "dmi_error": False,  # ascend-dmi measures nothing, and says so with exit status 0
            "boot": None,  # which boot of its host the NPUs' settings belong to
            "powered": True,  # whether the NPUs had power when somebody last looked
            "hangs": False,  # npu-smi never answers
        },
        "npu_driver": {"loaded": "24.1.0.3"},  # version, or None
        # How the vendor's installers fare: fails_with an error code, "dkms", "no_space" or "killed"; lies: says that
        # all went well and installs nothing; seconds: how long a driver takes.
        "installer": {"fails_with": None, "lies": False, "seconds": 5.0},
        "dimms": [
            {
                "slot": f"DIMM{cpu}{channel}{unit}",
                "present": True,
                "health": "OK",
                "manufacturer": "Samsung",
                "type": "DDR4",
                "part_number": "M393A4K40EB3-CWE",
                "serial": f"D{tail}{cpu}{channel}{unit}0A",
                "capacity_mib": 32768,
                "speed_mhz": 2933,
                "socket": cpu,
            }
            for cpu in range(4)
            for channel in range(8)
            for unit in range(1)
        ],
        "drives": [
            {
                "slot": f"Disk{i}",
                "present": True,
                "health": "OK",
                "failure_predicted": False,
                "manufacturer": "Huawei",
                "model": "HWE62ST3480L003N" if i < 2 else "HWE52P434T0M002N",
                "serial": f"DRV{tail}10P{i:02d}",
                "part_number": "02312SSD",
                "firmware": "3154" if i < 2 else "1053",
                "media_type": "SSD",
                "protocol": "SATA" if i < 2 else "NVMe",
                "capacity_bytes": 480103981056 if i < 2 else 3840755982336,
                "life_left_percent": 100,
                "wwn": f"5000c500{number:04x}{i:04x}",
            }
            for i in range(6)
        ],
        "fans": [
            {
                "slot": f"Fan{i}",
                "present": True,
                "health": "OK",
                "model": "8086+",
                "part_number": "02312FAN",
                "rpm": 7200,
                "lower_critical_rpm": 1800,
                "max_rpm": 15000,
            }
            for i in range(1, 9)
        ],
        "psus": [
            {
                "slot": f"PSU{i}",
                "present": True,
                "input_connected": True,
                "health": "OK",
                "manufacturer": "Huawei",
                "model": "PAC2600S54-B1",
                "part_number": "02312PSU",
                "serial": f"PSU{tail}10P{i:02d}",
                "firmware": "108",
                "capacity_watts": 2600,
                "feed": "A" if i <= 2 else "B",
            }
            for i in range(1, 5)
        ],
        "nics": [
            {
                "slot": "NIC1",
                "present": True,
                "health": "OK",
                "manufacturer": "Huawei",
                "model": "SP680",
                "part_number": "02312NIC",
                "serial": f"NIC{tail}10P01",
                "firmware": "17.12.1.1",
                "ports": [
                    {"name": f"Port{i}", "mac": mac(number, 0x10 + i), "speed_mbps": 25000, "link": "up"}
                    for i in (1, 2)
                ],
            }
        ],
        "temperatures": [
            {"name": "Inlet Temp", "context": "Intake", "celsius": 24, "upper_caution": 46, "upper_critical": 48},
            {"name": "Outlet Temp", "context": "Exhaust", "celsius": 38, "upper_caution": 75, "upper_critical": 80},
        ],
        "power_watts": 2150,
        "log": [],  # {"id", "time" (UTC ISO), "severity": OK|Warning|Critical, "sensor", "message"}
        "boot": {"target": "None", "enabled": "Disabled", "mode": "UEFI"},
        "virtual_media": {"image": None, "inserted": False, "sha256": None},
        "faults": {},  # fault name -> what to put back when it heals
    }


def npu_chip(i: int) -> Document:
    """What ails the chip of one NPU (``lab.chips``): counters of its memory, links to the others, shares that are left.

    ``processes``: who uses it, ``{pid, name, memory_mib, listed}``; a process in a container may hold memory unlisted.
    """
    return {
        "ecc": {
            "single_bit": 0,
            "double_bit": 0,
            "single_bit_total": 0,
            "double_bit_total": 0,
            "single_bit_isolated_pages": 0,
            "double_bit_isolated_pages": 0,
        },
        "hccs": [{"peer": f"NPU{peer}", "ok": True, "factor": 1.0} for peer in range(1, 9) if peer != i],
        "hbm_factor": 1.0,
        "pcie_factor": {"h2d": 1.0, "d2h": 1.0},
        "processes": [],
    }


def npu_port(number: int, i: int) -> Document:
    """The 200GE port of one NPU: causes, what the device was told (``conf``, lost without power), what it counted."""
    return {
        "mac": mac(number, 0x80 + i),
        "link_admin": "up",
        "capability_mbps": 200000,
        "fec": "rs",
        "optics": {
            "present": True,
            "vendor": "HUAWEI",
            "part_number": "02314TWN",
            "serial": f"OPT{number:03d}10P{i:02d}",
            "temperature_celsius": 43,
            "vcc_mv": 3290.0,
            "tx_power_mw": 1.31,
            "rx_power_mw": 1.02,
            "tx_bias_ma": 7.94,
            "snr_db": 19.5,
        },
        "flaps": [],  # when the link went down for a second: Unix seconds, or seconds after the last boot
        "conf": factory_port(),
        "counters": {},  # name in "hccn_tool -stat -g" -> number; what is not there is 0
        "slow_factor": {},  # peer's node -> share of the rate that is left
    }


def factory_port() -> Document:
    """What the network part of an NPU is set to before anybody told it anything, by the keys of /etc/hccn.conf.

    ``link`` and ``cfg_status`` have no key there. ``roce_port`` -1: chosen by the device ("auto").
    """
    return {
        "address": None,
        "netmask": None,
        "gateway": None,
        "netdetect": None,
        "mtu": 1500,
        "bitmap": [0, 0, 0, 0, 0, 0, 0, 0],
        "dscp_tc": {},
        "roce_port": -1,
        "tls_enable": 0,
        "link": "up",
        "cfg_status": "NONE",
    }


def build_switch(plan: Plan) -> Document:
    """The healthy switch: 32 ports of 400GE, split in two lanes of 200GE as far as NPUs are plugged in.

    The model and its ports (32 of 400GE, 2 of 10GE) are those of a public list of switches for AI clusters; serial and
    part numbers are made up. From memory, never seen on a device: the model of the power supplies and their watts, the
    number of fans, all speeds, and what the switch draws.
    """
    return {
        "name": "sw1",
        "manufacturer": "Huawei",
        "model": "CE9855-32DQ",
        "serial": "2102353TWNCE10000001",
        "part_number": "02353TWN",
        "version": "V300R023C00SPC500",
        "address": plan.switch_address,
        "port": plan.switch_port,
        "user": "npuforge",
        "power": "on",
        "dead": False,  # answers nothing although it has power
        "power_watts": 700,
        "psus": [
            {
                "slot": f"PWR{i}",
                "present": True,
                "input_connected": True,
                "health": "OK",
                "model": "PAC2000S12-CB",
                "serial": f"2102PWR000{i}",
                "capacity_watts": 2000,
            }
            for i in (1, 2)
        ],
        "fans": [
            {"slot": f"FAN{i}", "present": True, "health": "OK", "rpm": 10500, "max_rpm": 25000} for i in range(1, 7)
        ],
        "ports": _switch_ports(plan.nodes),
        "flash_damaged": False,  # the saved configuration shows, but cannot be loaded at the next startup
        "config_lock": None,  # who has the configuration to himself, and what he typed and did not commit
        "faults": {},
    }


def _switch_ports(nodes: int) -> list[Document]:
    """Two NPUs to a 400GE port, node after node, as in the cabling table; nodes that find no port have none."""
    ports: list[Document] = []
    for number in range(1, 33):
        name, node = f"400GE1/0/{number}", (number - 1) // 4 + 1
        if node > nodes:
            ports.append(_switch_port(name, 400000, None))
            continue
        for lane in (1, 2):
            npu = (number - 1) % 4 * 2 + lane
            ports.append(_switch_port(f"{name}:{lane}", 200000, {"device": f"node{node}", "interface": f"NPU{npu}"}))
    for number in (1, 2):
        ports.append(_switch_port(f"10GE1/0/{number}", 10000, None))
    return ports


def _switch_port(name: str, speed_mbps: int, neighbor: Document | None) -> Document:
    """A port with its module, where a cable is plugged, and what it counted. ``pfc_turned_off``: priorities for which
    deadlocks switched PFC off. The powers are of a healthy multimode link."""
    plugged = neighbor is not None
    return {
        "name": name,
        "speed_mbps": speed_mbps,
        "link": "up" if plugged else "down",
        "neighbor": neighbor,
        "pfc_turned_off": [],
        "optics": {
            "present": plugged,
            "rx_power_dbm": 0.85 if plugged else None,
            "tx_power_dbm": 1.12 if plugged else None,
        },
        "counters": {
            "rx_packets": 0,
            "tx_packets": 0,
            "rx_bytes": 0,
            "tx_bytes": 0,
            "crc_errors": 0,
            "drops": 0,
            "pfc_rx_frames": 0,
            "pfc_tx_frames": 0,
            "ecn_marked": 0,
            "deadlocks": 0,
        },
    }


def mac(node: int, port: int) -> str:
    """A locally administered address that no real device has."""
    return f"02:77:00:{node >> 8:02x}:{node & 255:02x}:{port:02x}"
