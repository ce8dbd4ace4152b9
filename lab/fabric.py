"""Physics of the NPU network: how fast and how cleanly data goes between two NPU ports, and why no better.

Everything is derived from the truth: the ports of both NPUs (``npus[].net``), the cables (``ports[].neighbor`` of the
switches) and the *running* configuration of both switch ports. ``path`` reads the world; ``traffic`` also counts in it.
Reasons are for tests; nothing prints them.

Assumptions, where no document says it (more in ``lab.wires``):

* A path is lossless when the whole chain is: both ports trust DSCP and put it into one queue; both NPUs have it in
  the traffic class of that priority; PFC is on for that priority on both NPUs and both ports; both have headroom and
  a fitting xoff; no deadlock has turned PFC off. Otherwise the rate falls to about half, and packets are sent again.
* A healthy 200GE port carries 23365 MiB/s of 1-2 MiB messages (public measurements of ``hccn_tool -roce_test``).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lab.wires import FRAME_BYTES, Document, Endpoint, Link, Reach, Wires, endpoint, label, spread
from lab.world import World

# Which traffic class of the NPU belongs to a priority. The vendor's guides pair dscp_tc 33:3 with priority 4.
PRIORITY_TC = (0, 1, 2, 0, 3, 0, 0, 0)
OVERHEAD_BYTES = 83.5  # headers, preamble and gap around 4096 bytes of payload: 24.50 of 25.00 GB/s
IB_MTUS = (4096, 2048, 1024, 512, 256)
IB_HEADER = 60  # IP, UDP, BTH, RETH and ICRC within the Ethernet MTU
ACK_BYTES, PACKETS_AN_ACK = 78, 32
FASTEST_MESSAGE_SECONDS = 1.25e-7  # 8 million messages a second
BURST_BYTES = 2 << 20  # how much arrives before back pressure works


@dataclass(frozen=True)
class Path:
    """One direction between two NPUs for one traffic class. ``rate``: bytes of payload a second for large messages."""

    source: Endpoint
    target: Endpoint
    connected: bool
    lossless: bool
    rate: float
    loss: float  # share of packets that must be sent again, when the path is not shared
    ib_mtu: int
    queue: int
    ecn: bool
    tls_equal: bool
    reasons: tuple[str, ...]

    def message_rate(self, size: int) -> float:
        """Bytes a second for messages of one size: small ones are bounded by how fast they can be posted."""
        if not self.connected or not self.rate:
            return 0.0
        return size / math.hypot(size / self.rate, FASTEST_MESSAGE_SECONDS)


@dataclass(frozen=True)
class Flow:
    """What came of one of many concurrent transfers."""

    path: Path
    bytes: int
    rate: float
    packets: int
    retransmitted: int
    pfc_frames: int

    @property
    def seconds(self) -> float:
        return self.bytes / self.rate if self.rate else 0.0


class Fabric(Wires):
    """The network at one moment."""

    def path(self, source: Endpoint, target: Endpoint, tclass: int = 132, run: int = 0) -> Path:
        """One direction. ``tclass``: the IP traffic class (DSCP x 4); ``run``: which of many measurements this is."""
        links = self.link(source), self.link(target)
        reasons = [reason for link in links for reason in link.reasons]
        a, b = self.conf(source), self.conf(target)
        tls_equal = a.get("tls_enable") == b.get("tls_enable")
        if not tls_equal:
            reasons.append(f"{label(source)} and {label(target)}: TLS switches differ")
        connected = all(link.up for link in links) and source != target
        if connected:
            there = self.reach(source, b["address"]) if b["address"] else Reach(False, reason="no address")
            if not there.answers or there.end != target:
                reasons.append(there.reason or f"{b['address']} is not {label(target)}")
                connected = False
        if not connected:
            return Path(source, target, False, False, 0.0, 0.0, 0, 0, False, tls_equal, tuple(reasons))
        ib_mtu = next((mtu for mtu in IB_MTUS if mtu + IB_HEADER <= min(a["mtu"], b["mtu"])), IB_MTUS[-1])
        if ib_mtu < IB_MTUS[0]:
            reasons.append(f"MTU {a['mtu']} and {b['mtu']}: packets of {ib_mtu} bytes")
        queue, share, broken = self._lossless(source, target, links, tclass // 4)
        reasons += broken
        line = min(link.speed_mbps or 0 for link in links) * 1e6 / 8
        rate = line * ib_mtu / (ib_mtu + OVERHEAD_BYTES)
        rate *= 1.0 if source[1] == target[1] else 0.9995  # across rails: one hop more
        rate *= 1 + 0.0004 * spread("rate", source, target, run)
        loss = sum(link.damage for link in links)
        rate *= 1 - min(0.5, 300 * loss)
        if broken:
            share += 0.1 * spread("loss", source, target, tclass)
            rate *= share
            loss += 0.004 * (1 - share)
        slow = _slow(self.npu(source), target[0]) * _slow(self.npu(target), source[0])
        if slow < 1:
            reasons.append(f"{source[0]} and {target[0]}: {slow:.0%} of the rate")
        ecn = queue in self.port_state(str(links[1].switch), str(links[1].port))["ecn"]
        return Path(source, target, True, not broken, rate * slow, loss, ib_mtu, queue, ecn, tls_equal, tuple(reasons))

    def _lossless(
        self, source: Endpoint, target: Endpoint, links: Sequence[Link], dscp: int
    ) -> tuple[int, float, list[str]]:
        """The switch's queue; which share of the rate is left; what breaks the chain ([]: it is lossless)."""
        broken: list[tuple[float, str]] = []
        queue = 0
        for link in links:
            state, where = self.port_state(str(link.switch), str(link.port)), f"{link.switch} {link.port}"
            trusted = state["queue_of"].get(dscp, 0) if state["trust_dscp"] else 0
            if not state["trust_dscp"]:
                broken.append((0.5, f"{where}: DSCP is not trusted"))
            elif queue and trusted != queue:
                broken.append((0.5, f"{where}: DSCP {dscp} goes to queue {trusted}, at the other end to {queue}"))
            queue = queue or trusted
            if not state["pfc_enabled"]:
                broken.append((0.5, f"{where}: PFC is off"))
            elif trusted not in state["pfc_priorities"]:
                broken.append((0.5, f"{where}: no PFC for priority {trusted}"))
            elif trusted in state["turned_off"]:
                broken.append((0.55, f"{where}: a deadlock turned PFC off for priority {trusted}"))
            if not state["headroom"]:
                broken.append((0.65, f"{where}: no headroom"))
            if not state["xoff_ok"]:
                broken.append((0.75, f"{where}: xoff too high"))
        for end in (source, target) if queue else ():
            conf = self.conf(end)
            tc = _dscp_tc(conf, dscp)
            if tc != PRIORITY_TC[queue]:
                broken.append((0.55, f"{label(end)}: DSCP {dscp} is in traffic class {tc}"))
            if not conf["bitmap"][queue]:
                broken.append((0.55, f"{label(end)}: no PFC for priority {queue}"))
        return queue, min((share for share, _ in broken), default=1.0), [text for _, text in broken]


def path(world: World, source: str, target: str, tclass: int = 132, run: int = 0) -> Path:
    """``source`` and ``target`` as ``node2/NPU3``."""
    return Fabric.of(world).path(endpoint(source), endpoint(target), tclass, run)


def _slow(npu: Document | None, peer: str) -> float:
    return float(npu["net"]["slow_factor"].get(peer, 1.0)) if npu else 1.0


def _dscp_tc(conf: Mapping[str, Any], dscp: int) -> int:
    return int(conf["dscp_tc"].get(str(dscp), 0))


# --- load ------------------------------------------------------------------------------------------------------------


def traffic(world: World, flows: Iterable[tuple[str, str]], size: int, tclass: int = 132, run: int = 0) -> list[Flow]:
    """Send ``size`` bytes over every flow (``("node1/NPU1", "node2/NPU1")``) at the same time, and count it everywhere.

    Ports are shared fairly. Where several senders meet at one receiver, a lossless path answers with PFC frames (fewer
    where ECN slows the senders down first), a lossy one with drops and packets that are sent again.
    """
    fabric = Fabric.of(world)
    paths = [fabric.path(endpoint(a), endpoint(b), tclass, run) for a, b in flows]
    senders = Counter(p.source for p in paths if p.connected)
    receivers = Counter(p.target for p in paths if p.connected)
    done = [_flow(p, size, senders[p.source], receivers[p.target]) for p in paths]
    tally = Tally()
    for flow in done:
        tally.count(fabric, flow)
    tally.write(world)
    return done


def _flow(p: Path, size: int, senders: int, receivers: int) -> Flow:
    if not p.connected:
        return Flow(p, size, 0.0, 0, 0, 0)
    packets = max(1, -(-size // p.ib_mtu))
    crowd = receivers > 1
    loss = p.loss + (0.01 * (1 - 1 / receivers) if crowd and not p.lossless else 0.0)
    lost = int(packets * loss + 0.5 + 0.5 * spread("lost", p.source, p.target, packets))
    bursts = max(1, size // BURST_BYTES) * (receivers - 1)
    pfc = bursts if crowd and p.lossless and not p.ecn else max(1, bursts // 4) if crowd and p.lossless else 0
    return Flow(p, size, p.rate / max(senders, receivers), packets, lost if loss else 0, pfc)


@dataclass
class Tally:
    """What counters must grow by: of NPUs by endpoint, of switch ports by (switch, port)."""

    npus: dict[Endpoint, Counter[str]] = field(default_factory=dict)
    ports: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)

    def count(self, fabric: Fabric, flow: Flow) -> None:
        """One flow: data there, acknowledgements back."""
        p = flow.path
        if not p.connected:
            return
        frame = p.ib_mtu + IB_HEADER + FRAME_BYTES
        acks = -(-flow.packets // PACKETS_AN_ACK)
        marked = flow.packets // 200 if flow.pfc_frames and p.ecn else 0
        sent, sends = flow.packets + flow.retransmitted, self._npu(p.source)
        gets = self._npu(p.target)
        _moved(sends, "tx", sent, frame, acks)
        _moved(gets, "rx", flow.packets, frame, acks)
        sends["roce_new_pkt_rty_num"] += flow.retransmitted
        gets["roce_out_of_order_num"] += flow.retransmitted
        sends["roce_rx_cnp_pkt_num"] += marked // 2
        gets["roce_tx_cnp_pkt_num"] += marked // 2
        for key in ("mac_rx_pfc_pkt_num", f"mac_rx_pfc_pri{p.queue}_pkt_num"):
            sends[key] += flow.pfc_frames
        into, out = fabric.link(p.source), fabric.link(p.target)
        broken = int(sent * (into.damage + out.damage))
        gets["mac_rx_bad_pkt_num"] += broken
        gets["mac_rx_fcs_err_pkt_num"] += broken
        ingress, egress = self._port(into), self._port(out)
        ingress.update(rx_packets=sent, rx_bytes=sent * frame, tx_packets=acks, tx_bytes=acks * ACK_BYTES)
        egress.update(
            tx_packets=flow.packets, tx_bytes=flow.packets * frame, rx_packets=acks, rx_bytes=acks * ACK_BYTES
        )
        ingress["pfc_tx_frames"] += flow.pfc_frames
        ingress["crc_errors"] += int(sent * into.damage)
        egress["ecn_marked"] += marked
        egress["drops"] += max(0, flow.retransmitted - broken)

    def write(self, world: World) -> None:
        """Add everything to the world, one device after the other."""
        for node in sorted({end[0] for end in self.npus}):
            with world.update(node) as document:
                for npu in document["npus"]:
                    _add(npu["net"]["counters"], self.npus.get((node, npu["slot"]), Counter()))
        for switch in sorted({key[0] for key in self.ports}):
            with world.update(switch, "switches") as document:
                for port in document["ports"]:
                    _add(port.setdefault("counters", {}), self.ports.get((switch, port["name"]), Counter()))

    def _npu(self, end: Endpoint) -> Counter[str]:
        return self.npus.setdefault(end, Counter())

    def _port(self, link: Link) -> Counter[str]:
        return self.ports.setdefault((str(link.switch), str(link.port)), Counter())


def _moved(counters: Counter[str], way: str, packets: int, frame: int, acks: int) -> None:
    """Frames one way and their acknowledgements the other way, in every counter of the NPU that sees them."""
    back = "rx" if way == "tx" else "tx"
    for direction, number, octets in ((way, packets, packets * frame), (back, acks, acks * ACK_BYTES)):
        counters[f"mac_{direction}_total_pkt_num"] += number
        counters[f"mac_{direction}_total_oct_num"] += octets
        counters[f"roce_{direction}_all_pkt_num"] += number
        counters[f"roce_{direction}_rc_pkt_num"] += number
        counters[f"nic_{direction}_all_pkg_num"] += number
        counters[f"nic_{direction}_all_oct_num"] += octets


def _add(counters: dict[str, Any], more: Mapping[str, int]) -> None:
    for name, number in more.items():
        if number:
            counters[name] = int(counters.get(name, 0)) + number
