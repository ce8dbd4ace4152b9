"""What the tests' device shows, from its configuration: the shapes of the CE6800/CE8800 V300R023C00 manual."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.unit.switch_roce_helpers import Device

RULE = "-" * 80
UNKNOWN = "         ^\nError: Unrecognized command found at '^' position."
VERSION = """Huawei Versatile Routing Platform Software
YunShan OS, Version 1.23.0.1 (CE8800 V300R023C00SPC500)
Copyright (C) 2021-2023 Huawei Technologies Co., Ltd.
HUAWEI CE8855-32CQ4BQ uptime is 1 day, 2 hours, 3 minutes
"""
BEHAVIOURS = ("be", "af1", "af2", "af3", "af4", "ef", "cs6", "cs7")


def display(device: Device, command: str) -> str:
    from tests.unit.switch_roce_helpers import PORTS

    if command == "display version":
        started = f"CE8855-32CQ4BQ (Master) 1 : uptime is  1 day\n        StartupTime {device.started}\n"
        return "Cisco Nexus Operating System (NX-OS) Software" if device.wrong_model else VERSION + started
    if command == "display current-configuration":
        return device.text(device.running)
    if command == "display saved-configuration":
        return device.text(device.saved)
    if command == "display configuration trial status":
        active = device.before_trial is not None
        return f"Trial status: {'ACTIVE' if active else 'INACTIVE'}\nTrial time left (sec): {51 if active else 0}"
    if command == "display configuration exclusive user":
        return f"User Index: 34\nUser Session Name: VTY 0\nUser Name: {device.locked_by}" if device.locked_by else ""
    if command == "display configuration sessions":
        row = "180 *   VTY 2        npuforge             2026-11-24 06:04:05    -"
        return "\n".join([RULE, "Session User-Intf    User                 Date                Lock", RULE, row, RULE])
    match = re.match(r"^(.*?) interface (\S+?)( transceiver verbose)?$", command)
    base, ports = command, PORTS
    if match and match.group(2) in PORTS:
        tail = match.group(3) or ""
        base, ports = match.group(1) + (f" interface{tail}" if match.group(1) == "display" else tail), (match.group(2),)
        base = {"display qos queue statistics": base + " slot 1"}.get(base, base)
        base = {"display qos configuration": "display qos configuration interface"}.get(base, base)
    elif device.one_by_one and command.startswith(("display dcb pfc ", "display qos", "display interface tr")):
        return UNKNOWN
    screen = None if base in device.hides else SCREENS.get(base)
    return screen(device, ports) if screen else UNKNOWN


def _pfc(device: Device, port: str) -> tuple[str, str] | None:
    for line in device.lines(f"interface {port}"):
        match = re.match(r"^dcb pfc enable(?: (?!mode)(\S+))?(?: mode (\w+))?$", line)
        if match:
            return match.group(1) or "default", match.group(2) or "manual"
    return None


def _priorities(device: Device, profile: str) -> list[int]:
    found = {3}
    for line in device.lines("dcb pfc" if profile == "default" else f"dcb pfc {profile}"):
        match = re.match(r"^(undo )?priority ((?:[0-7] ?)+)$", line)
        if match:
            digits = {int(digit) for digit in match.group(2).split()}
            found = found - digits if match.group(1) else found | digits
    return sorted(found)


def _lossless(device: Device, port: str) -> list[int]:
    pfc = _pfc(device, port)
    on = pfc and port not in device.shown_off and "dcb pfc global disable" not in device.lines()
    return _priorities(device, pfc[0]) if on and pfc else []


def dcb(device: Device, ports: tuple[str, ...]) -> str:
    rows = []
    for port in ports:
        pfc = _pfc(device, port)
        if pfc:
            state = "ENABLE" if _lossless(device, port) else "DISABLE"
            rows.append(f"{port:<18}{pfc[0]:<13}{state + ('(M)' if pfc[1] == 'manual' else '(A)'):<12}default     -")
    head = "Interface         PFC Name     PFC Status  ETS Name    ETS Status App-Profile"
    return "\n".join(["M:Manual;    A:Auto", RULE, head, RULE, *rows, RULE])


def profiles(device: Device, ports: tuple[str, ...]) -> str:
    names = ["default", *[line[8:] for line in device.lines() if re.match(r"^dcb pfc [\w-]+$", line)]]
    rows = [row for name in names for row in (f"{name:<38}{' '.join(map(str, _priorities(device, name)))}", RULE)]
    return "\n".join(
        [
            f"PFC-Profile Maximum: 2\nTotal: {len(names)}",
            RULE,
            "PFC-profile Name                      Priority",
            RULE,
            *rows,
        ]
    )


def pfc(device: Device, ports: tuple[str, ...]) -> str:
    rows = []
    for port in ports:
        for queue in _lossless(device, port):
            rows.append(f"{port:<15}{queue:>9}{17:>24}{0:>25}{0:>16}\n{21:>48}{0:>25}{0:>16}")
    heads = [
        "Interface         Queue         Received(Frames)        ReceivedRate(pps)     DeadlockNum",
        "                             Transmitted(Frames)     TransmittedRate(pps)     RecoveryNum",
    ]
    return "\n".join([RULE, *heads, RULE, *rows, RULE])


def buffer(device: Device, ports: tuple[str, ...]) -> str:
    rows = []
    for port in ports:
        for queue in _lossless(device, port):
            xoff, hdrm = "3(D)", "256(K)"
            for line in device.lines(f"interface {port}"):
                match = re.match(rf"^dcb pfc buffer {queue} xoff (dynamic|static) (\d+)", line)
                if match:
                    xoff = f"{match.group(2)}({'D' if match.group(1) == 'dynamic' else 'K'})"
                match = re.match(rf"^dcb pfc buffer {queue} hdrm (\d+)", line)
                if match:
                    hdrm = f"{match.group(1)}(K)"
            rows.append(f"{port:<15}{queue:>5}{'1600(B)':>14}{'640(B)':>15}{'6(K)':>12}{xoff:>11}{hdrm:>12}")
    head = "Interface      Queue    Guaranteed     Xon-Lowest  Xon-Offset       Xoff        Hdrm"
    return "\n".join(["B:bytes   \tK:kilobytes   \tD:dynamic alpha", RULE, head, RULE, *rows, RULE])


def deadlock(device: Device, ports: tuple[str, ...]) -> str:
    rows = []
    for port in ports:
        for queue in _lossless(device, port):
            status = "TurnOff" if port in device.turned_off else "LinkUp"
            rows.append(f"{port:<15}{queue:>5}  TurnOff            30  {status}")
    head = "Interface      Queue  TriggerMode Threshold  Status"
    return "\n".join([RULE, head, RULE, *rows, RULE])


def domains(device: Device, ports: tuple[str, ...]) -> str:
    out = []
    for name in ["default", *[line[16:] for line in device.lines() if line.startswith("diffserv domain ")]]:
        mapping = {dscp: f"{BEHAVIOURS[dscp // 8]} green" for dscp in range(64)}
        for line in device.lines(f"diffserv domain {name}"):
            words = line.split()
            mapping[int(words[1])] = f"{words[3]} {words[4] if len(words) > 4 else 'green'}"
        out.append(f"Diffserv domain name:{name}")
        out += [f" 8021p-inbound {priority} phb {phb} green" for priority, phb in enumerate(BEHAVIOURS)]
        out += [f" ip-dscp-inbound {dscp} phb {phb}   " for dscp, phb in mapping.items()]
    return "\n".join(out)


def _limits(device: Device, name: str) -> tuple[int, int, int] | None:
    for line in device.lines(f"drop-profile {name}"):
        match = re.match(r"^color green buffer-size low-limit (\d+) high-limit (\d+) discard-percentage (\d+)$", line)
        if match:
            return int(match.group(1)), int(match.group(2)), int(match.group(3))
    return None


def drops(device: Device, ports: tuple[str, ...]) -> str:
    out = []
    names = ["default", *[line[13:] for line in device.lines() if line.startswith("drop-profile ")]]
    for index, name in enumerate(names, 1):
        limits = _limits(device, name)
        out.append(f"Drop-profile[{index}]: {name}")
        out.append("Color    Mode         Low-limit   High-limit  Unit    Discard(%)\n" + RULE)
        if limits:
            out.append(f"Green    Buffer-size  {limits[0]:<12}{limits[1]:<12}Bytes   {limits[2]}")
        else:
            out.append("Green    Percentage   100         100         %       100")
        for colour in ("Yellow", "Red", "ECN"):
            out.append(f"{colour:<9}Percentage   100         100         %       100")
        out.append(RULE)
    return "\n".join(out)


def qos(device: Device, ports: tuple[str, ...]) -> str:
    out = []
    for port in ports:
        lines = device.lines(f"interface {port}")
        trust = "dscp" if "trust dscp" in lines else "inner 8021p" if "trust 8021p inner" in lines else "outer 8021p"
        domain = next((line.split()[2] for line in lines if line.startswith("trust upstream ")), "default")
        out += [f" interface {port}", f" {RULE}", f" trust flag        : {trust}", f" diffserv domain   : {domain}"]
        out += [" port priority     : 0", " port lr           : cir = -, cbs = -", f" {RULE}"]
        for queue in range(8):
            wred = next((line.split()[4] for line in lines if line.startswith(f"qos queue {queue} wred ")), "-")
            out += [f" {queue}             -         -    pq           {wred}", "               -         -", ""]
    return "\n".join(out)


def thresholds(device: Device, ports: tuple[str, ...]) -> str:
    rows = []
    ai = "ai-ecn enable" in device.lines("ai-service", "ai-ecn")
    for port in ports:
        lines = device.lines(f"interface {port}")
        for queue in range(8):
            profile = next((line.split()[4] for line in lines if line.startswith(f"qos queue {queue} wred ")), None)
            limits = _limits(device, profile) if profile and f"qos queue {queue} ecn" in lines else None
            low, high, percentage = (limits[0] // 1024, limits[1] // 1024, limits[2]) if limits else (0, 0, 0)
            star = "*" if ai and f"assign queue {queue}" in device.lines("ai-service", "ai-ecn") else ""
            shown = port if queue == 0 else ""
            rows.append(f"{shown:<15}{queue!s:>6}{star}{low:>8}{high:>8}{percentage:>13}{0:>12}")
    head = ["* : indicates AI ECN", "[] : indicates the upper ECN threshold"]
    head += [
        "Interface       Queue     Min     Max  Probability  Queue Size",
        "                         (KB)    (KB)          (%)        (KB)",
    ]
    return "\n".join([*head, "-" * 62, *rows])


def marked(device: Device, ports: tuple[str, ...]) -> str:
    rows = [f"{port:<15}{5:>15}" for port in ports]
    return "\n".join(["Interface          ECN-marked packets", "-" * 36, *rows, "-" * 36])


def headroom(device: Device, ports: tuple[str, ...]) -> str:
    total = 0
    for line in device.lines():
        match = re.match(r"^qos buffer headroom-pool size (\d+) ([km])bytes", line)
        if match:
            total = int(match.group(1)) * (1024 if match.group(2) == "m" else 1)
    head = "Slot    Chip    Core       Total     Current        Peak     Average"
    row = f"   1       0       0{total:>12}           0           0           0"
    return "\n".join(["Headroom Buffer Usage on lossless slot: (KBytes)", RULE, head, RULE, row, RULE])


def statistics(device: Device, ports: tuple[str, ...]) -> str:
    out = []
    for port in ports:
        out.append(f" Queue statistics info: interface {port}\n {RULE}")
        for queue in range(8):
            out.append(
                f"     {queue}         0                1330             0                   3             0          -"
            )
            out.append(f"       100000000              195356           152                   0             0\n {RULE}")
    return "\n".join(out)


def lldp(device: Device, ports: tuple[str, ...]) -> str:
    if "lldp enable" not in device.lines():
        return "Info: Global LLDP is not enabled."
    rows = [f"{port:<23}   120           {name:<19}{node}" for port, (node, name) in device.neighbors.items()]
    return "\n".join(["Local Interface         Exptime(s) Neighbor Interface      Neighbor Device", "-" * 74, *rows])


def interfaces(device: Device, ports: tuple[str, ...]) -> str:
    out = []
    for port in ports:
        control = "ENABLE" if "flow-control" in device.lines(f"interface {port}") else "DISABLE"
        out.append(f"""{port} current state : UP (ifindex: 6)
Line protocol current state : UP
Description:
Switch Port, PVID :    1, TPID : 8100(Hex), The Maximum Frame Length is 9216
Speed:               200000,     Loopback:                        NONE
Input Flow-control: {control},     Output Flow-control:          {control}
    Input :             207592 bytes,                616 packets
    Output:            1325324 bytes,               9268 packets
    Input:
      Unicast:                      0,   Multicast:                     616
      Discard:                      2,   Frames:                         --

      Total Error:                  0
      CRC:                          {device.crc[port]},   Giants:                          0

    Output:
      Unicast:                      0,   Multicast:                    9268
      Discard:                      1,   Buffers Purged:                  0
""")
    return "\n".join(out)


def optics(device: Device, ports: tuple[str, ...]) -> str:
    out = []
    for port in ports:
        if port not in device.without_module:
            out.append(f"""
{port} transceiver information:
{RULE}
 Common information:
   Transceiver Type                      :200GBASE_SR4
   Vendor Name                           :HUAWEI
{RULE}
 Manufacture information:
   Manu. Serial Number                   :TESTOPTIC01
{RULE}
 Alarm information:
   Non-Huawei-certified transceiver
{RULE}
 Diagnostic information:
   Temperature (Celsius)                 :41.88
   Current RX Power (dBm)                :{device.rx_dbm[port]:.2f}|-1.90   (Lane0|Lane1)
                                          -2.55|-2.71   (Lane2|Lane3)
   Default RX Power High Threshold (dBm) :4.50
   Default RX Power Low  Threshold (dBm) :-8.40
   Default RX Power Low Threshold (dBm)  :-8.40
   Current TX Power (dBm)                :0.89|1.90    (Lane0|Lane1)
                                          0.55|0.71    (Lane2|Lane3)
   Default TX Power High Threshold (dBm) :5.00
   Default TX Power Low Threshold (dBm)  :-7.40
{RULE}""")
    return "\n".join(out)


SCREENS = {
    "display dcb": dcb,
    "display dcb pfc-profile": profiles,
    "display dcb pfc": pfc,
    "display dcb pfc buffer": buffer,
    "display dcb pfc deadlock trigger status": deadlock,
    "display diffserv domain": domains,
    "display drop-profile": drops,
    "display qos configuration interface": qos,
    "display qos ecn threshold": thresholds,
    "display qos ecn statistics": marked,
    "display qos headroom-usage": headroom,
    "display qos queue statistics slot 1": statistics,
    "display lldp neighbor brief": lldp,
    "display interface": interfaces,
    "display interface transceiver verbose": optics,
}
