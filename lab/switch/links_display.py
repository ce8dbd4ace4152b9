"""What the ``display`` commands print about links: counters of an interface, its neighbour, its module, its queues.

Shapes: [CR] the examples of Huawei's CE6800/CE8800 V300R023C00 command reference. The names of the thresholds of a
module are from the table of its ``display interface transceiver``; their values are those of a 200GBASE-SR4 module.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from lab.switch import roce
from lab.switch.config import SYSTEM
from lab.switch.device import MANAGEMENT, Device, interfaces, link, ports
from lab.switch.display import LLDP_EXPIRY_SECONDS, port_status, speaks_lldp
from lab.world import WorldError

RX_DBM, TX_DBM = (4.5, -8.4), (5.0, -7.4)  # high and low threshold


def interface(device: Device, port: str | None = None) -> str:
    """[CR] display interface: the block of a switch port, one after the other."""
    document, running = device.read(), device.store.running()
    blocks = []
    for index, name in enumerate(interfaces(document), 6):
        truth = link(document, name)
        if port not in (None, name) or (truth is None and name != MANAGEMENT):
            continue
        physical, protocol = port_status(document, running, name)
        state = {"up": "UP", "down": "DOWN", "*down": "Administratively DOWN"}[physical]
        lines = [f"{name} current state : {state} (ifindex: {index})"]
        lines.append(f"Line protocol current state : {protocol.upper()}")
        text = (running.get(roce.interface(name), "description") or "").partition(" ")[2]
        lines.append(f"Description:{text}")
        if truth is not None:
            control = "ENABLE" if running.get(roce.interface(name), "flow-control") else "DISABLE"
            frame = roce.largest_frame(running, name)
            lines += _port_block(truth, physical == "up", frame, control, device.clock())
        blocks.append("\n".join(lines))
    return "\n".join(blocks)


def _port_block(truth: Mapping[str, Any], up: bool, frame: int, control: str, now: float) -> list[str]:
    count = {key: int(number) for key, number in truth.get("counters", {}).items()}
    speed = str(truth["speed_mbps"]) if up else "AUTO"
    fec = "RS-FEC" if truth["speed_mbps"] > 10000 else "-"
    jumbo_in, jumbo_out = count.get("rx_packets", 0), count.get("tx_packets", 0)
    return [
        f"Switch Port, PVID :    1, TPID : 8100(Hex), The Maximum Frame Length is {frame}",
        "Internet protocol processing : disabled",
        "IP Sending Frames' Format is PKTFMT_ETHNT_2, Hardware address is 0277-00ff-0001",
        f"{'Port Mode:':<12}{'COMMON FIBER':>15},     {'Port Split/Aggregate:':<22}{_split(truth['name']):>15}",
        f"{'Speed:':<12}{speed:>15},     {'Loopback:':<22}{'NONE':>15}",
        f"{'Duplex:':<12}{'FULL':>15},     {'Negotiation:':<22}{'-':>15}",
        f"Input Flow-control: {control:>7},     {'Output Flow-control:':<22}{control:>15}",
        f"{'Mdi:':<12}{'-':>15},     {'Fec:':<22}{fec:>15}",
        f"Current system time: {datetime.fromtimestamp(now, UTC).strftime('%Y-%m-%d %H:%M:%S')}",
        "Statistics last cleared:never",
        "    Last 300 seconds input rate: 0 bits/sec, 0 packets/sec",
        "    Last 300 seconds output rate: 0 bits/sec, 0 packets/sec",
        f"    Input :{count.get('rx_bytes', 0):>19} bytes,{count.get('rx_packets', 0):>19} packets",
        f"    Output:{count.get('tx_bytes', 0):>19} bytes,{count.get('tx_packets', 0):>19} packets",
        "    Input:",
        _counters("Unicast", count.get("rx_packets", 0), "Multicast", 0),
        _counters("Broadcast", 0, "Jumbo", jumbo_in),
        _counters("Discard", 0, "Frames", 0),
        f"      {'Pause:':<20}{count.get('pfc_rx_frames', 0):>11}",
        "",
        f"      {'Total Error:':<20}{count.get('crc_errors', 0):>11}",
        _counters("CRC", count.get("crc_errors", 0), "Giants", 0),
        _counters("Jabbers", 0, "Fragments", 0),
        _counters("Runts", 0, "DropEvents", 0),
        _counters("Alignments", 0, "Symbols", 0),
        f"      {'Ignoreds:':<20}{0:>11}",
        "",
        "    Output:",
        _counters("Unicast", count.get("tx_packets", 0), "Multicast", 0),
        _counters("Broadcast", 0, "Jumbo", jumbo_out),
        _counters("Discard", count.get("drops", 0), "Buffers Purged", 0),
        f"      {'Pause:':<20}{count.get('pfc_tx_frames', 0):>11}",
        "",
        "    Input bandwidth utilization threshold : 90.00%",
        "    Output bandwidth utilization threshold: 90.00%",
        "    Last 300 seconds input utility rate:  0.00%",
        "    Last 300 seconds output utility rate: 0.00%",
    ]


def _split(name: str) -> str:
    return "ENABLE" if ":" in name else "DISABLE"


def _counters(left: str, a: int, right: str, b: int) -> str:
    return f"      {left + ':':<20}{a:>11},   {right + ':':<20}{b:>14}"


def queue_statistics(device: Device, port: str | None = None) -> str:
    """[CR] display qos queue statistics; of a slot: with a line that names each port. A port counts its drops once:
    they are in its queue 4, where the marked traffic is, or in 0, where all traffic is while DSCP is not trusted."""
    document, running = device.read(), device.store.running()
    rule, lines = f" {'-' * 94}", []
    for name in ports(document):
        if port not in (None, name):
            continue
        count = (link(document, name) or {}).get("counters", {})
        used = 4 if running.get(roce.interface(name), "trust") == "trust dscp" else 0
        if port is None:
            lines += [f" Queue statistics info: interface {name}", rule]
        lines.append(" Queue   CIR/PIR              Passed     Pass Rate             Dropped     Drop Rate  Drop Time")
        lines.append("        (% or kbps)   (Packets/Bytes)    (pps/bps)      (Packets/Bytes)    (pps/bps)")
        lines.append(rule)
        for queue in range(8):
            passed, octets, dropped = (
                int(count.get(key, 0)) if queue == used else 0 for key in ("tx_packets", "tx_bytes", "drops")
            )
            lines.append(f"{queue:>6}{0:>10}{passed:>20}{0:>14}{dropped:>20}{0:>14}          -")
            lines.append(f"{100000000:>16}{octets:>20}{0:>14}{0:>20}{0:>14}")
            lines.append(rule)
    return "\n".join(lines)


def lldp(device: Device, port: str | None = None) -> str:
    """[CR] display lldp neighbor: what an NPU tells of itself. That there is ``hccn_tool -local_lldp`` says that it
    tells something, but no document or capture at hand says what: here the name of its host and of its port, as in the
    cabling table. The truth about the cable is ``ports[].neighbor``."""
    document, running = device.read(), device.store.running()
    if running.get(SYSTEM, "lldp enable") is None:
        return "Info: Global LLDP is not enabled."
    blocks = []
    for name in ports(document):
        neighbor = (link(document, name) or {}).get("neighbor")
        if port in (None, name) and neighbor and speaks_lldp(document, running, name):
            blocks.append("\n".join([f"{name} has 1 neighbor(s):", "", *_neighbor(device, neighbor)]))
    return "\n\n".join(blocks)


def _neighbor(device: Device, neighbor: Mapping[str, str]) -> list[str]:
    mac = _mac(device, neighbor)
    fields = {
        "Neighbor index": "1",
        "Chassis type": "MAC Address",
        "Chassis ID": mac,
        "Port ID subtype": "Interface Name",
        "Port ID": neighbor["interface"],
        "Port description": "--",
        "System name": neighbor["device"],
        "System description": "--",
        "System capabilities supported": "station only",
        "System capabilities enabled": "station only",
        "Management address type": "--",
        "Management address": "--",
        "Expired time": f"{LLDP_EXPIRY_SECONDS}s",
    }
    return [f"{key:<35}:{value}" for key, value in fields.items()]


def _mac(device: Device, neighbor: Mapping[str, str]) -> str:
    try:
        node = device.world.read(neighbor["device"])
    except WorldError:
        return "--"
    text = next((npu["net"]["mac"] for npu in node["npus"] if npu["slot"] == neighbor["interface"]), "")
    digits = text.replace(":", "")
    return "-".join(digits[start : start + 4] for start in (0, 4, 8)) if digits else "--"


def transceiver(device: Device, port: str | None = None) -> str:
    """[CR] display interface transceiver verbose: "If the optical module is not in position, the command output is
    empty"."""
    document, rule = device.read(), "-" * 67
    blocks = []
    for number, name in enumerate(ports(document), 1):
        optics = (link(document, name) or {}).get("optics") or {}
        if port not in (None, name) or not optics.get("present"):
            continue
        blocks += [
            "",
            f" {name} transceiver information:",
            rule,
            " Common information:",
            *_fields({"Transceiver Type": "200GBASE_SR4", "Connector Type": "MPO", "Wavelength (nm)": "850"}),
            *_fields({"Transfer Distance (m)": "70(50um/125um OM3)"}),
            f"{'':<42}100(50um/125um OM4)",
            *_fields({"Digital Diagnostic Monitoring": "YES", "Vendor Name": "HUAWEI"}),
            *_fields({"Vendor Part Number": "02314TWN", "Ordering Name": ""}),
            rule,
            " Manufacture information:",
            *_fields({"Manu. Serial Number": f"TWINOPT{number:03d}", "Manufacturing Date": "2026-01-15"}),
            *_fields({"Vendor Name": "HUAWEI"}),
            rule,
            " Alarm information:",
            rule,
            " Warning information:",
            rule,
            " Diagnostic information:",
            *_fields({"Temperature (Celsius)": "41.88", "Voltage (V)": "3.29", "Bias Current (mA)": "7.94"}),
            *_fields({"Bias High Threshold (mA)": "15.00", "Bias Low Threshold (mA)": "3.00"}),
            *_power("RX", optics.get("rx_power_dbm"), RX_DBM),
            *_power("TX", optics.get("tx_power_dbm"), TX_DBM),
            rule,
        ]
    return "\n".join(blocks)


def _power(which: str, dbm: float | list[float] | None, limits: tuple[float, float]) -> list[str]:
    """ "-" for what a module does not tell; a list is a number per lane, two lanes to a line."""
    lanes = dbm if isinstance(dbm, list) else []
    pairs = [
        f"{'|'.join(f'{each:.2f}' for each in lanes[at : at + 2]):<13}"
        f"({'|'.join(f'Lane{lane}' for lane in range(at, min(at + 2, len(lanes))))})"
        for at in range(0, len(lanes), 2)
    ]
    one = "-" if dbm is None or isinstance(dbm, list) else f"{dbm:.2f}"
    return [
        *_fields({f"Current {which} Power (dBm)": pairs[0] if pairs else one}),
        *(f"{'':<42}{pair}" for pair in pairs[1:]),
        *_fields({f"Default {which} Power High Threshold (dBm)": f"{limits[0]:.2f}"}),
        *_fields({f"Default {which} Power Low Threshold (dBm)": f"{limits[1]:.2f}"}),
    ]


def _fields(values: Mapping[str, str]) -> list[str]:
    return [f"   {key:<38}:{value}" for key, value in values.items()]
