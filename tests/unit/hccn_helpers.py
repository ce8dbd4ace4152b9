"""An own small hccn_tool in memory, written from the facts about the real one: what ports hold, print and refuse."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from npuforge.ascend.files import Files
from npuforge.fabric.tool import Answer

Hook = Callable[[list[str]], "Answer | None"]
BUSY = "hccn_tool is busy, please try again.\n"
STATUS = """Netdev status:Settings for eth{device}:
        Supported ports: [ FIBRE ]
        Supported FEC modes: None        RS
        Speed: {speed}
        Duplex: Full
        Link detected: {link}
"""
OPTICAL = """optical info:
present              : present
temperature          : 46 C
vendor name          : ACME
vendor part number   : Q200
vendor serial number : S0000{device}
Vcc                  : 3301.00 mV
Tx Power0            : 1.1000 mW
Rx Power0            : {rx} mW
Tx Power1            : 1.1000 mW
Rx Power1            : 0.9000 mW
Tx Power2            : NA
Rx Power2            : NA
TxPower High Thres   : 3.5481 mW
TxPower Low Thres    : 0.2818 mW
RxPower High Thres   : 3.5481 mW
RxPower Low Thres    : 0.1445 mW
Tx Bias0             : 7.9360 mA
Tx Los Flag          : 0x0
Rx Los Flag          : 0x0
Host SNR Lane0       : 20.1000 dB
Media SNR Lane0      : {snr} dB
"""
LLDP = """Chassis ID TLV
        MAC: 02:00:00:00:00:01
Port ID TLV
        Ifname: {port}
System Name TLV
        {name}
System Description TLV
        Some Platform Software
VRP (R) software, Version 8.2

Maximum Frame Size TLV
        9216
End of LLDPDU TLV
"""
LINK_STAT = """[devid {device}]current time        : Tue Nov 24 10:00:00 2026
[devid {device}]link up count       : {ups}
[devid {device}]link down count     : {downs}
[devid {device}]link change records :
{records}"""


@dataclass
class Device:
    """One port's own settings."""

    address: str | None = None
    netmask: str | None = None
    gateway: str | None = None
    netdetect: str = "0.0.0.0"  # noqa: S104 - how the tool shows an address that is not set
    mtu: int = 1500
    bitmap: str = "0,0,0,0,0,0,0,0"
    dscp: dict[int, int] = field(default_factory=dict)
    port: int = -1
    tls: int = 1
    link: bool = True
    speed: int = 200000
    fec: str = "rs"
    rx: str = "0.9100"
    snr: str = "19.5000"
    records: str = ""
    downs: int = 0
    neighbour: tuple[str, str] | None = None
    health: str | None = None


class FakeTool:
    """Stands where ``fabric.tool.Tool`` stands. ``hook``: sees every call first and may answer it."""

    def __init__(self, root: Path, devices: int = 8, hook: Hook | None = None) -> None:
        self.conf = root / "etc" / "hccn.conf"
        self.devices = [Device(neighbour=("sw1", f"400GE1/0/{n // 2 + 1}:{n % 2 + 1}")) for n in range(devices)]
        self.hook = hook
        self.calls = 0
        self.busy_retries = 0
        self.log: list[list[str]] = []

    def short(self, words: Sequence[str], seconds: float | None = None) -> Answer:
        argv = list(words)
        self.calls += 1
        self.log.append(argv)
        made = self.hook(argv) if self.hook else None
        if made is not None:
            return made
        rc, text = self.answer(argv)
        return Answer(["hccn_tool", *argv], rc, text, 0.01)

    def writes(self) -> list[list[str]]:
        return [argv for argv in self.log if "-s" in argv]

    def answer(self, argv: list[str]) -> tuple[int, str]:
        number, what, mode, rest = int(argv[1]), argv[2], argv[3], argv[4:]
        if number >= len(self.devices):
            return 5, "Get invalid device id.\n"
        if mode == "-g":
            return self.get(number, what)
        problem = self.set(number, what, rest)
        return (7, problem + "\n") if problem else (0, "Cmd executed successfully!\n")

    def get(self, number: int, what: str) -> tuple[int, str]:
        device = self.devices[number]
        if what == "-ip" and device.address is None:
            return 13, "Get ipconf failed, because no ip was preset there!\n"
        if what == "-gateway" and device.gateway is None:
            return 2, "Get gateway failed, because no gateway was preset there!\n"
        if what == "-lldp" and device.neighbour is None:
            return 0, ""
        bits = device.bitmap.replace(",", " ")
        name, port = device.neighbour or ("", "")
        texts = {
            "-ip": f"ipaddr:{device.address}\nnetmask:{device.netmask}\n",
            "-gateway": f"default gateway:{device.gateway}, Iface:eth{number}\n",
            "-netdetect": f"netdetect address: {device.netdetect}\n",
            "-mtu": f"mtu:{device.mtu}\n",
            "-pfc": f"PFC configuration:\npriority   0 1 2 3 4 5 6 7\nenabled    {bits}\n",
            "-dscp_to_tc": "dscp      tc\n" + "".join(f"{n:4d}{device.dscp.get(n, 0):8d}\n" for n in range(64)),
            "-udp": "udp_port:Unknown\nstatus:auto\n"
            if device.port < 0
            else f"udp_port:{device.port}\nstatus:custom\n",
            "-tls": f"dev_id:{number}, tls switch[{device.tls}](0:disable, 1:enable), tls preconfigured[1]"
            "(0:non-preset, 1:preset), tls alarm time threshold[60]days\n",
            "-mac": f"mac addr: 02:00:00:00:00:{number:02x}\n",
            "-status": STATUS.format(
                device=number,
                speed=f"{device.speed}Mb/s" if device.link else "Unknown!",
                link="yes" if device.link else "no",
            ),
            "-link": f"link status: {'UP' if device.link else 'DOWN'}\n",
            "-speed": f"Speed: {device.speed} Mb/s\n" if device.link else "Speed: Unknown!\n",
            "-fec": f"fec mode: {device.fec} FEC mode\n",
            "-net_health": f"net health status: {device.health or self.health(device)}\n",
            "-link_stat": LINK_STAT.format(
                device=number, ups=device.downs + 1, downs=device.downs, records=device.records
            ),
            "-lldp": LLDP.format(port=port, name=name),
            "-optical": OPTICAL.format(device=number, rx=device.rx, snr=device.snr),
            "-stat": "packet statistics:\nmac_tx_pfc_pkt_num:0\nroce_new_pkt_rty_num:0\n",
            "-version": "Network Driver Version:    25.5.1\n",
        }
        return (0, texts[what]) if what in texts else (3, "Get invalid major cmd.\n")

    def health(self, device: Device) -> str:
        return "Init" if device.netdetect == "0.0.0.0" else "Success" if device.link else "Fault"  # noqa: S104

    def set(self, number: int, what: str, rest: list[str]) -> str | None:
        """Why it is refused; None: device and file hold it."""
        device = self.devices[number]
        if what == "-ip":
            address, netmask = rest[1], rest[3]
            if any(other.address == address for other in self.devices if other is not device):
                return "The ip address configured is conflicted!"
            device.address, device.netmask, device.gateway = address, netmask, None
            kept = self.file().get(f"gateway_{number}")
            if kept is not None and self.near(device, kept):
                device.gateway = kept
            elif kept is not None:
                self.store(f"gateway_{number}", None)
            return self.store(f"address_{number}", address) or self.store(f"netmask_{number}", netmask)
        if what == "-gateway":
            if device.address is None:
                return "Unable to configure gateway, because ip is not configured!"
            if not self.near(device, rest[1]):
                return "The segment of configured gateway doesn't match that of the configured ip adress!"
            device.gateway = rest[1]
            return self.store(f"gateway_{number}", rest[1])
        if what == "-netdetect":
            device.netdetect = rest[1]
            return self.store(f"netdetect_{number}", rest[1])
        if what == "-mtu":
            device.mtu = int(rest[1])
            return self.store(f"mtu_{number}", rest[1])
        if what == "-pfc":
            device.bitmap = rest[1]
            return self.store(f"bitmap_{number}", rest[1])
        if what == "-dscp_to_tc":
            device.dscp[int(rest[1])] = int(rest[3])
            parts = [part for part in self.file().get(f"dscp_tc_{number}", "").split(",") if len(part) > 1]
            if not all(re.match(r"(\d|[1-5]\d|6[0-3]):[0-3]\b", part) for part in parts):
                return "Parsing configurations from config file failed, pls check the config file."
            pairs = dict(part.split(":") for part in parts)
            pairs[rest[1]] = rest[3]
            return self.store(f"dscp_tc_{number}", "".join(f"{dscp}:{tc}," for dscp, tc in pairs.items()))
        if what == "-udp":
            device.port = -1 if rest == ["auto"] else int(rest[1])
            return self.store(f"roce_port_{number}", str(device.port))
        device.tls = int(rest[1])
        return self.store(f"tls_enable_{number}", rest[1])

    def near(self, device: Device, gateway: str) -> bool:
        network = ipaddress.ip_network(f"{device.address}/{device.netmask}", strict=False)
        try:
            return ipaddress.ip_address(gateway) in network
        except ValueError:
            return False

    def file(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for line in self.conf.read_bytes().decode().split("\n"):
            key, equals, value = line.partition("=")
            if equals and not line.startswith("#"):
                found.setdefault(key, value)
        return found

    def store(self, key: str, value: str | None) -> str | None:
        """As the tool does: the key's lines go, the new one is put behind whatever comes last."""
        if not self.conf.exists():
            return "The hccn.conf can't access, cmd execute failed! pls check the conf file or cmd run permission."
        text = self.conf.read_bytes().decode()
        kept = "".join(line for line in text.splitlines(keepends=True) if not line.startswith(f"{key}="))
        self.conf.write_bytes((kept + (f"{key}={value}\n" if value is not None else "")).encode())
        return None

    @staticmethod
    def _kept(file: Mapping[str, str], number: int, key: str) -> str | None:
        return file.get(f"{key}_{number}")

    def restart(self) -> None:
        """What a restart of the host does: devices forget everything and are told what the file says."""
        fresh = [Device(neighbour=old.neighbour, records=old.records) for old in self.devices]
        self.devices = fresh
        file = self.file() if self.conf.exists() else {}
        for number, device in enumerate(fresh):
            get = partial(self._kept, file, number)
            device.address, device.netmask, device.gateway = get("address"), get("netmask"), get("gateway")
            device.netdetect = get("netdetect") or device.netdetect
            device.mtu = int(get("mtu") or device.mtu)
            device.bitmap = get("bitmap") or device.bitmap
            pairs = [part.split(":") for part in (get("dscp_tc") or "").split(",") if part]
            device.dscp = {int(dscp): int(tc) for dscp, tc in pairs}
            device.port = int(get("roce_port") or device.port)
            device.tls = int(get("tls_enable") or device.tls)


def plan(devices: int = 8, node: str = "node2", gateway: str | None = "10.88.0.1") -> dict[str, Any]:
    """A fabric plan with one node's ports."""
    return {
        "qos": {"dscp": 33, "npu_tc": 3, "priority": 4},
        "pfc": {"bitmap": [0, 0, 0, 0, 1, 0, 0, 0]},
        "link": {"speed_mbps": 200000, "fec": "rs", "mtu_bytes": 4200},
        "roce_port": 4791,
        "tls_enable": 0,
        "ports": [
            {
                "id": f"{node}/NPU{n + 1}",
                "node": node,
                "name": f"NPU{n + 1}",
                "device_id": n,
                "address": f"10.88.0.{111 + n}",
                "netmask": "255.255.255.0",
                "gateway": gateway,
                "netdetect": gateway,
                "switch": "sw1",
                "switch_port": f"400GE1/0/{n // 2 + 1}:{n % 2 + 1}",
            }
            for n in range(devices)
        ],
        "switches": {"sw1": {}},
        "hccl_environment": {"HCCL_RDMA_TC": "132", "HCCL_RDMA_SL": "4"},
    }


class Host:
    """A node: files below ``root``, and a tool. ``sleeps``: how often somebody waited."""

    def __init__(self, root: Path, devices: int = 8) -> None:
        (root / "etc").mkdir(parents=True, exist_ok=True)
        (root / "run").mkdir(exist_ok=True)
        self.root = root
        self.files = Files(str(root), lock_seconds=0.2)
        self.tool = FakeTool(root, devices)
        self.sleeps = 0

    def sleep(self, _: float) -> None:
        self.sleeps += 1

    def write(self, text: str) -> None:
        self.tool.conf.write_bytes(text.encode())

    def conf(self) -> str:
        return self.tool.conf.read_bytes().decode()


def by_kind(observations: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(subject id, facts) of every observation."""
    for entry in observations:
        yield entry["observation"]["subject"]["id"], entry["observation"]["facts"]
