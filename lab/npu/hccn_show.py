"""What ``hccn_tool -g`` prints. Each function returns the whole answer of a 910B for one device.

Formats: the captures named below and the printf lines of the tool's source (tool.c, tool_ops_ip.c, tool_ext.c). No
capture: LLDP's order of "System Name TLV" (elided in the capture; it is put where the gap is), ``-local_lldp``, and the
numbers of the optical module, whose lines are the source's.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Sequence
from typing import Any

from lab.fabric import Fabric
from lab.npu import failure, software
from lab.npu.call import Call
from lab.npu.failure import Failure
from lab.wires import RX_LOS_MW, RX_LOW_MW, Endpoint, npu_of, spread

Document = dict[str, Any]
SPLIT_TIME = 1_000_000_000  # a flap below it is counted from the last boot
UNSET = "0.0.0.0"  # noqa: S104 - how an address looks that is not set; nothing is bound to it
LINK_MODES = (
    *("40000baseCR4", "40000baseSR4", "40000baseLR4", "25000baseCR", "25000baseSR", "50000baseCR2", "100000baseSR4"),
    *("100000baseCR4", "100000baseLR4_ER4", "50000baseSR2", "1000baseX", "10000baseCR", "10000baseSR", "10000baseLR"),
    *("50000baseLR_ER_FR", "200000baseSR4", "200000baseLR4_ER4_FR4", "200000baseCR4"),
)
PRIORITIES = range(8)
COUNTERS = (
    *("mac_tx_mac_pause_num", "mac_rx_mac_pause_num"),
    *("mac_tx_pfc_pkt_num", *(f"mac_tx_pfc_pri{i}_pkt_num" for i in PRIORITIES)),
    *("mac_rx_pfc_pkt_num", *(f"mac_rx_pfc_pri{i}_pkt_num" for i in PRIORITIES)),
    *("mac_tx_total_pkt_num", "mac_tx_total_oct_num", "mac_tx_bad_pkt_num", "mac_tx_bad_oct_num"),
    *("mac_rx_total_pkt_num", "mac_rx_total_oct_num", "mac_rx_bad_pkt_num", "mac_rx_bad_oct_num"),
    "mac_rx_fcs_err_pkt_num",
    *("roce_rx_rc_pkt_num", "roce_rx_all_pkt_num", "roce_rx_err_pkt_num"),
    *("roce_tx_rc_pkt_num", "roce_tx_all_pkt_num", "roce_tx_err_pkt_num"),
    *("roce_cqe_num", "roce_rx_cnp_pkt_num", "roce_tx_cnp_pkt_num"),
    *("roce_unexpected_ack_num", "roce_out_of_order_num", "roce_verification_err_num", "roce_qp_status_err_num"),
    *("roce_new_pkt_rty_num", "roce_ecn_db_num"),
    *("nic_tx_all_pkg_num", "nic_tx_all_oct_num", "nic_rx_all_pkg_num", "nic_rx_all_oct_num"),
)


def slot(device: int) -> str:
    """The slot of a physical id: 2 -> NPU3."""
    return f"NPU{device + 1}"


def end(call: Call, device: int) -> Endpoint:
    return call.node, slot(device)


def _npu(call: Call, device: int) -> Document:
    npu = npu_of(call.world.read(call.node), slot(device))
    if npu is None:
        raise Failure(failure.NO_DEVICE)
    return dict(npu)


def _net(call: Call, device: int) -> Document:
    net: Document = _npu(call, device)["net"]
    return net


def _conf(call: Call, device: int) -> Document:
    settings: Document = _net(call, device)["conf"]
    return settings


def ip(call: Call, device: int) -> str:
    """Capture: 8 ports in a deployment note; no address: a connector's document."""
    settings = _conf(call, device)
    if settings["address"] is None:
        raise Failure(failure.NO_ADDRESS)
    return f"ipaddr:{settings['address']}\nnetmask:{settings['netmask']}\n"


def gateway(call: Call, device: int) -> str:
    """Capture: 8 ports in a deployment note."""
    settings = _conf(call, device)
    if settings["gateway"] is None:
        raise Failure(failure.NO_GATEWAY)
    return f"default gateway:{settings['gateway']}, Iface:eth{device}\n"


def netdetect(call: Call, device: int) -> str:
    """Words of a deployment note. An address that was never set is 0.0.0.0, as the device holds it."""
    return f"netdetect address: {_conf(call, device)['netdetect'] or UNSET}\n"


def mtu(call: Call, device: int) -> str:
    return f"mtu:{_conf(call, device)['mtu']}\n"


def pfc(call: Call, device: int) -> str:
    """Capture: a transfer library's FAQ."""
    bits = " ".join(str(bit) for bit in _conf(call, device)["bitmap"])
    return f"PFC configuration:\npriority   0 1 2 3 4 5 6 7\nenabled    {bits}\n"


def dscp_to_tc(call: Call, device: int, wanted: Sequence[int] = range(64)) -> str:
    known = _conf(call, device)["dscp_tc"]
    rows = "".join(f"{dscp:4d}{known.get(str(dscp), 0):8d}\n" for dscp in wanted)
    return f"{'dscp':>4}{'tc':>8}\n{rows}"


def tls(call: Call, device: int) -> str:
    """Capture: 8 ports in a deployment note."""
    return (
        f"dev_id:{device}, tls switch[{_conf(call, device)['tls_enable']}](0:disable, 1:enable), "
        "tls preconfigured[1](0:non-preset, 1:preset), tls alarm time threshold[60]days\n"
    )


def udp(call: Call, device: int) -> str:
    port = _conf(call, device)["roce_port"]
    return "udp_port:Unknown\nstatus:auto\n" if port == -1 else f"udp_port:{port}\nstatus:custom\n"


def cfg_status(call: Call, device: int) -> str:
    return f"config status:{_conf(call, device)['cfg_status']}\n"


def link(call: Call, device: int) -> str:
    up = Fabric.of(call.world).link(end(call, device)).up
    return f"link status: {'UP' if up else 'DOWN'}\n"


def speed(call: Call, device: int) -> str:
    mbps = Fabric.of(call.world).link(end(call, device)).speed_mbps
    return f"Speed: {mbps} Mb/s\n" if mbps else "Speed: Unknown!\n"


def duplex(call: Call, device: int) -> str:
    return "Duplex: Full\n" if Fabric.of(call.world).link(end(call, device)).up else "Duplex: Unknown!\n"


def fec(call: Call, device: int) -> str:
    return f"fec mode: {'rs' if _net(call, device)['fec'] == 'rs' else 'no'} FEC mode\n"


def mac(call: Call, device: int) -> str:
    return f"mac addr: {_net(call, device)['mac']}\n"


def net_health(call: Call, device: int) -> str:
    """Words: the tool's table. ``Init`` as long as no address is watched; ``Fault`` without a link."""
    settings, fabric = _conf(call, device), Fabric.of(call.world)
    if settings["netdetect"] is None:
        word = "Init"
    elif not fabric.link(end(call, device)).up:
        word = "Fault"
    else:
        there = fabric.reach(end(call, device), settings["netdetect"])
        word = "Success" if there.answers else "Unreachable" if there.local == "no route" else "Receive timeout"
    return f"net health status: {word}\n"


def version(call: Call, device: int) -> str:
    node = call.world.read(call.node)
    return (
        f"Network Driver Version:    {software.loaded(node)}\n"
        f"Network Firmware Version:  {_npu(call, device)['firmware']}\n"
    )


def stat(call: Call, device: int) -> str:
    counters = _net(call, device)["counters"]
    return "packet statistics:\n" + "".join(f"{name}:{counters.get(name, 0)}\n" for name in COUNTERS)


def status(call: Call, device: int) -> str:
    """Capture: ethtool's view of a 910B port, in public notes."""
    state = Fabric.of(call.world).link(end(call, device))
    modes = "\n                                ".join(f"{mode}/Full" for mode in LINK_MODES)
    return (
        f"Netdev status:Settings for eth{device}:\n"
        "        Supported ports: [ FIBRE ]\n"
        f"        Supported link modes:   {modes}\n"
        "        Supported pause frame use: Symmetric\n"
        "        Supports auto-negotiation: No\n"
        "        Supported FEC modes: None        RS\n"
        "        Advertised link modes:  Not reported\n"
        "        Advertised pause frame use: No\n"
        "        Advertised auto-negotiation: No\n"
        "        Advertised FEC modes: None       RS\n"
        f"        Speed: {f'{state.speed_mbps}Mb/s' if state.up else 'Unknown!'}\n"
        f"        Duplex: {'Full' if state.up else 'Unknown! (255)'}\n"
        "        Auto-negotiation: off\n"
        "        Port: FIBRE\n"
        "        PHYAD: 0\n"
        "        Transceiver: internal\n"
        "        Current message level: 0x00000036 (54)\n"
        "                               probe link ifdown ifup\n"
        f"        Link detected: {'yes' if state.up else 'no'}\n\n"
    )


def route(call: Call, device: int) -> str:
    """Capture: public notes on a 910B."""
    settings = _conf(call, device)
    rows = []
    if settings["gateway"]:
        rows.append(("default", settings["gateway"], UNSET, "UG"))
    if settings["address"]:
        network = ipaddress.ip_network(f"{settings['address']}/{settings['netmask']}", strict=False)
        rows.append((str(network.network_address), "*", settings["netmask"], "U"))
    head = "Destination     Gateway         Genmask         Flags Metric Ref    Use Iface\n"
    lines = [f"{to:<16}{via:<16}{mask:<16}{flags:<6}0      0        0 eth{device}\n" for to, via, mask, flags in rows]
    lines.append("127.0.0.1       *               255.255.255.255 UH    0      0        0 lo\n")
    return "Routing table:\n" + head + "".join(lines) + "\n"


def link_stat(call: Call, device: int) -> str:
    """Capture: the collective library's guide (910B). A link comes up at boot, and a second after each flap."""
    node, net = call.world.read(call.node), _net(call, device)
    now = time.time()
    booted = float(node.get("post_since") or 0) or now - 3600
    downs = sorted(min(at if at > SPLIT_TIME else booted + at, now - 1) for at in net["flaps"])
    events = [(booted, "LINK UP")]
    events += [event for at in downs for event in ((at, "LINK DOWN"), (at + 1, "LINK UP"))]
    ups = 1 + len(downs)
    if not Fabric.of(call.world).link(end(call, device)).up:
        if node["power"] == "on":
            events.append((max(events[-1][0] + 1, booted + 5), "LINK DOWN"))
        downs.append(now)
    mark = f"[devid {device}]"
    records = "".join(
        f"{mark}    {time.asctime(time.localtime(at))}    {word}\n" for at, word in reversed(events[-10:])
    )
    return (
        f"{mark}current time        : {time.asctime(time.localtime(now))}\n"
        f"{mark}link up count       : {ups}\n"
        f"{mark}link down count     : {len(downs)}\n"
        f"{mark}link change records :\n{records}"
    )


def lldp(call: Call, device: int) -> str:
    """Capture: a 910B at a Huawei switch. Nothing is printed for a port that hears of no neighbour."""
    fabric = Fabric.of(call.world)
    found = fabric.neighbor(end(call, device))
    if found is None:
        return ""
    switch, port = found
    frame = fabric.port_state(switch["name"], port["name"])["mtu"]
    number = int(spread("lldp", switch["serial"]) * 0x7FFF) & 0xFFFF
    return (
        f"Chassis ID TLV\n        MAC: 02:77:ff:00:{number >> 8:02x}:{number & 255:02x}\n"
        f"Port ID TLV\n        Ifname: {port['name']}\n"
        "System Description TLV\n        Versatile Routing Platform Software\n"
        f"VRP (R) software, Version 8.211 ({switch['model']} {switch['version']})\n\n"
        f"{switch['manufacturer']} {switch['model']}\n\n"
        "System Capabilities TLV\n        Enabled capabilities: Bridge, Router\n"
        f"Management Address TLV\n        IPv4: {switch['address']}\n"
        f"System Name TLV\n        {switch['name']}\n"
        f"Maximum Frame Size TLV\n        {frame}\n"
        "End of LLDPDU TLV\n"
    )


def local_lldp(call: Call, device: int) -> str:
    """What this port tells its neighbour, in the words of ``-lldp``."""
    address = _net(call, device)["mac"]
    return (
        f"Chassis ID TLV\n        MAC: {address}\nPort ID TLV\n        MAC: {address}\n"
        "Time to Live TLV\n        120\nEnd of LLDPDU TLV\n"
    )


def optical(call: Call, device: int) -> str:
    """Lines: the tool's source; thresholds: a capture in the fault diagnosis guide. Four lanes that differ a little."""
    module = _net(call, device)["optics"] or {"present": False}
    if not module["present"]:
        missing = [
            "Vcc",
            "Tx Power",
            "Rx Power",
            "Vcc High Thres",
            "Vcc Low Thres",
            "Temp High Thres",
            "Temp Low Thres",
        ]
        missing += ["TxPower High Thres", "TxPower Low Thres", "RxPower High Thres", "RxPower Low Thres"]
        fields = [("present", "not present"), ("temperature", "NA"), ("high power enable reg", "not enabled")]
        fields += [("vendor name", ""), ("vendor part number", ""), ("vendor serial number", "")]
        fields += [
            ("vendor org unique id", "0x0 0x0 0x0"),
            ("xsfp identifier", "UNKNOWN"),
            ("xsfp wave length", "0 nm"),
        ]
        fields += [("manufact date code", ""), *((name, "NA") for name in missing)]
        return _fields(fields)
    dark = module["rx_power_mw"] < RX_LOS_MW
    lanes = range(4)
    fields = [
        ("present", "present"),
        ("temperature", f"{module['temperature_celsius']} C"),
        ("high power enable reg", "enabled"),
        ("vendor name", f"{module['vendor']:<16}"),
        ("vendor part number", f"{module['part_number']:<16}"),
        ("vendor serial number", f"{module['serial']:<16}"),
        ("vendor org unique id", "0x0 0x18 0x82"),
        ("xsfp identifier", "QSFP+ or later"),
        ("xsfp wave length", "850 nm"),
        ("manufact date code", "260318"),
        ("Vcc", f"{module['vcc_mv']:.2f} mV"),
    ]
    for lane in lanes:
        fields.append((f"Tx Power{lane}", f"{_lane(module, 'tx_power_mw', lane):.4f} mW"))
        fields.append((f"Rx Power{lane}", f"{_lane(module, 'rx_power_mw', lane):.4f} mW"))
    fields += [
        ("Vcc High Thres", "3465.00 mV"),
        ("Vcc Low Thres", "3135.00 mV"),
        ("Temp High Thres", "70 C"),
        ("Temp Low Thres", "0 C"),
        ("TxPower High Thres", "3.5481 mW"),
        ("TxPower Low Thres", "0.2818 mW"),
        ("RxPower High Thres", "3.5481 mW"),
        ("RxPower Low Thres", f"{RX_LOW_MW:.4f} mW"),
        *((f"Tx Bias{lane}", f"{_lane(module, 'tx_bias_ma', lane):.4f} mA") for lane in lanes),
        ("Tx Los Flag", "0x0"),
        ("Rx Los Flag", "0xf" if dark else "0x0"),
        ("Tx LoL Flag", "0x0"),
        ("Rx LoL Flag", "0xf" if dark else "0x0"),
        *((f"Host SNR Lane{lane}", f"{_lane(module, 'snr_db', lane) + 1:.4f} dB") for lane in lanes),
        *((f"Media SNR Lane{lane}", f"{_lane(module, 'snr_db', lane):.4f} dB") for lane in lanes),
    ]
    return _fields(fields)


def _lane(module: Document, key: str, lane: int) -> float:
    return float(module[key]) * (1 + 0.02 * spread(module["serial"], key, lane))


def _fields(fields: Sequence[tuple[str, str]]) -> str:
    return "optical info:\n" + "".join(f"{name:<21}: {value}\n" for name, value in fields)
