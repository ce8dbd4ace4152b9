"""What a fabric plan must not say. Each rule adds a ``Problem``; none stops at the first."""

from __future__ import annotations

import ipaddress
from typing import Any, Iterable, NamedTuple

from ..common import Document

# hccn_tool's limits (driver source, hccn_tool): MTU, DSCP, traffic class, and how many priorities PFC takes.
MTU = (68, 9702)
DSCP = (0, 63)
NPU_TC = (0, 3)
MOST_LOSSLESS = 4
# RoCE headers beside the payload of one packet: IPv4 20, UDP 8, BTH 12, RETH 16, ICRC 4.
ROCE_HEADERS = 60
FRAME_HEADERS = 22  # Ethernet with one VLAN tag, and its checksum


class Problem(NamedTuple):
    """``where``: what it concerns; ``problem``: what is wrong with it, in English."""

    where: str
    problem: str


class PlanError(Exception):
    """The inventory contradicts itself; ``problems`` has every contradiction."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = [problem._asdict() for problem in dict.fromkeys(problems)]
        super().__init__("; ".join("{where}: {problem}".format(**problem) for problem in self.problems))


def network(text: Any) -> ipaddress.IPv4Network | None:
    """An IPv4 subnet, or None."""
    try:
        return ipaddress.IPv4Network(text) if isinstance(text, str) else None
    except ValueError:
        return None


def address(text: Any) -> ipaddress.IPv4Address | None:
    """An IPv4 address, or None."""
    try:
        return ipaddress.IPv4Address(text) if isinstance(text, str) else None
    except ValueError:
        return None


def host_of(net: ipaddress.IPv4Network, ip: ipaddress.IPv4Address) -> bool:
    return ip in net and ip not in (net.network_address, net.broadcast_address)


def overlaps(
    subnets: Iterable[ipaddress.IPv4Network | None],
    others: Iterable[tuple[str, ipaddress.IPv4Network]],
    problems: list[Problem],
) -> None:
    """The fabric's subnets among each other and with the site's networks."""
    known = [net for net in subnets if net is not None]
    for place, net in enumerate(known):
        for other in known[place + 1 :]:
            if net.overlaps(other):
                problems.append(Problem("site_fabric", f"{net} and {other} overlap"))
        for name, other in others:
            if net.overlaps(other):
                problems.append(Problem("site_fabric", f"{net} overlaps site_networks.{name} ({other})"))


def values(plan: Document, problems: list[Problem]) -> None:
    """The chain from HCCL's traffic class to the switch's queue, thresholds, sizes."""
    qos, pfc, ecn, link = plan["qos"], plan["pfc"], plan["ecn"], plan["link"]
    traffic_class, cnp = qos["traffic_class"], qos["cnp"]

    def wrong(where: str, text: str) -> None:
        problems.append(Problem(where, text))

    if not 0 <= traffic_class <= 255 or traffic_class % 4:
        wrong("qos.traffic_class", f"is {traffic_class}: a multiple of 4 from 0 to 252")
    elif qos["dscp"] != traffic_class // 4:
        wrong(
            "qos.dscp",
            "is {}, but HCCL_RDMA_TC {} sends DSCP {}".format(qos["dscp"], traffic_class, traffic_class // 4),
        )
    for where, value in (("qos.dscp", qos["dscp"]), ("qos.cnp.dscp", cnp.get("dscp"))):
        if not _between(value, DSCP):
            wrong(where, f"is {value}: from 0 to 63")
    if qos["dscp"] == cnp.get("dscp"):
        wrong("qos.cnp.dscp", "is that of the data, {}".format(qos["dscp"]))
    if not _between(qos["npu_tc"], NPU_TC):
        wrong("qos.npu_tc", "is {}: from 0 to 3".format(qos["npu_tc"]))
    for where, value in (("qos.priority", qos["priority"]), ("qos.cnp.priority", cnp.get("priority"))):
        if not _between(value, (0, 7)):
            wrong(where, f"is {value}: from 0 to 7")
    if qos["service_level"] != qos["priority"]:
        wrong("qos.service_level", "is {}, but the PFC priority is {}".format(qos["service_level"], qos["priority"]))
    if cnp.get("priority") == qos["priority"]:
        wrong(
            "qos.cnp.priority",
            "is that of the data, {}: congestion would hold back its own notification".format(qos["priority"]),
        )
    lossless = pfc["lossless_priorities"]
    if qos["priority"] not in lossless:
        wrong("pfc.lossless_priorities", "{} lacks the data's priority {}".format(lossless, qos["priority"]))
    if len(lossless) > MOST_LOSSLESS or not all(_between(priority, (0, 7)) for priority in lossless):
        wrong("pfc.lossless_priorities", f"{lossless}: at most {MOST_LOSSLESS} of 0 to 7")
    low, high = ecn.get("low_limit_bytes"), ecn.get("high_limit_bytes")
    if not (isinstance(low, int) and isinstance(high, int) and 0 < low <= high):
        wrong(
            "ecn",
            f"low limit {low} and high limit {high}: the low one is positive and not above the high one",
        )
    if not _between(ecn.get("discard_percentage"), (1, 100)):
        wrong("ecn.discard_percentage", "is {}: from 1 to 100".format(ecn.get("discard_percentage")))
    mtu = link.get("mtu_bytes")
    if not _between(mtu, MTU):
        wrong("link.mtu_bytes", "is {}: from {} to {}".format(mtu, *MTU))
    elif isinstance(link.get("max_frame_bytes"), int) and mtu + FRAME_HEADERS > link["max_frame_bytes"]:
        wrong(
            "link.mtu_bytes", "{} does not fit in the switch's frames of {} bytes".format(mtu, link["max_frame_bytes"])
        )
    if not _between(plan["roce_port"], (1, 65535)):
        wrong("roce_port", "is {}: from 1 to 65535".format(plan["roce_port"]))
    if plan["tls_enable"] not in (0, 1) or isinstance(plan["tls_enable"], bool):
        wrong("tls_enable", "is {!r}: 0 or 1".format(plan["tls_enable"]))


def ports(rows: Iterable[Document], problems: list[Problem]) -> None:
    """No switch port and no address twice."""
    for key, noun in (("switch_port", "switch port"), ("address", "address")):
        first: dict[tuple[str, ...], str] = {}
        for row in rows:
            what = (row["switch"], row["switch_port"]) if key == "switch_port" else (row["address"],)
            other = first.setdefault(what, row["id"])
            if other != row["id"]:
                problems.append(Problem(row["id"], "{} {} is {}'s, too".format(noun, " ".join(what), other)))


def buffers(where: str, data: Document, buffer: Document, plan: Document, problems: list[Problem]) -> None:
    """Thresholds of one switch. The vendor's rule (CE V300R023, PFC guide): xoff and headroom together stay below the
    limit at which WRED begins, or lossless packets are dropped."""
    if data.get("headroom_pool_kib") is not None and data.get("refuses_headroom_pool"):
        problems.append(Problem(where, "models of its family take no headroom pool"))
    xoff, headroom, low = buffer.get("xoff_bytes"), buffer.get("headroom_bytes"), plan["ecn"].get("low_limit_bytes")
    if isinstance(xoff, int) and isinstance(headroom, int) and isinstance(low, int) and xoff + headroom >= low:
        problems.append(
            Problem(where, f"xoff {xoff} + headroom {headroom} bytes are not below the ECN low limit {low}")
        )
    frame = data.get("max_frame_bytes")
    mtu = plan["link"].get("mtu_bytes")
    if isinstance(frame, int) and isinstance(mtu, int) and mtu + FRAME_HEADERS > frame:
        problems.append(Problem(where, f"an MTU of {mtu} does not fit in its frames of {frame} bytes"))


def _between(value: Any, limits: tuple[int, int]) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and limits[0] <= value <= limits[1]
