"""What a fabric plan must not say. Each rule adds a ``Problem``; none stops at the first.

Values that are None were found missing or wrong before (``values``); the rules pass over them.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Iterable, NamedTuple

from ..common import Document

# hccn_tool's limits (driver source, hccn_tool): MTU, DSCP, traffic class, and how many priorities PFC takes.
MTU = (68, 9702)
DSCP = (0, 63)
NPU_TC = (0, 3)
PRIORITY = (0, 7)
MOST_LOSSLESS = 4
# RoCE headers beside the payload of one packet: IPv4 20, UDP 8, BTH 12, RETH 16, ICRC 4.
ROCE_HEADERS = 60
SMALLEST_PAYLOAD = 256  # of InfiniBand's path MTUs
PING_HEADERS = 28  # IPv4 20, ICMP 8
DEADLOCK_DEFAULT = 10  # in 10 ms (CE V300R023)
FRAME_HEADERS = 22  # Ethernet with one VLAN tag, and its checksum
# The name becomes part of a line that is entered on the switch.
_PORT_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9/:._-]{0,62}\Z")
_SPLIT = re.compile(r"^(?P<port>(?P<gbit>\d+)GE[\d/]+)(?::(?P<lane>\d+))?\Z")  # as CE names ports


class Problem(NamedTuple):
    """``where``: what it concerns; ``problem``: what is wrong with it, in English. ``host`` and ``key``: whose variable
    of the inventory must change (no host: the site's; no key: ``where`` is the variable)."""

    where: str
    problem: str
    host: str = ""
    key: str = ""


class PlanError(Exception):
    """The inventory contradicts itself. ``problems``: every contradiction as ``{where, problem}``; ``found``: the same
    as ``Problem``."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.found = list(dict.fromkeys(problems))
        self.problems = [{"where": each.where, "problem": each.problem} for each in self.found]
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
    """Whether the address is in the subnet and neither its first nor its last."""
    return ip in net and ip not in (net.network_address, net.broadcast_address)


def overlaps(
    subnets: Iterable[tuple[str, ipaddress.IPv4Network]],
    others: Iterable[tuple[str, ipaddress.IPv4Network]],
    problems: list[Problem],
) -> None:
    """The fabric's subnets among each other and with the site's networks; each with the name of its key."""
    known, others = list(subnets), list(others)
    for place, (where, net) in enumerate(known):
        for name, other in known[:place] + others:
            if net.overlaps(other):
                problems.append(Problem(where, f"{net} overlaps {name}, {other}"))


def chain(plan: Document, problems: list[Problem]) -> None:
    """From HCCL's traffic class to the switch's queue: every link of the chain is the same on both ends."""
    qos, cnp, lossless = plan["qos"], plan["qos"]["cnp"], plan["pfc"]["lossless_priorities"]
    traffic_class, priority = qos["traffic_class"], qos["priority"]

    def wrong(where: str, text: str) -> None:
        problems.append(Problem(f"site_fabric.{where}", text))

    if traffic_class is not None:
        if traffic_class % 4:
            wrong("qos.traffic_class", f"is {traffic_class}: a multiple of 4")
        elif qos["dscp"] not in (None, traffic_class // 4):
            wrong(
                "qos.dscp",
                "is {}, but HCCL_RDMA_TC {} sends DSCP {}".format(qos["dscp"], traffic_class, traffic_class // 4),
            )
    if _differ(qos["service_level"], priority):
        wrong("qos.service_level", "is {}, but the PFC priority is {}".format(qos["service_level"], priority))
    if _differ(qos["queue"], priority):
        wrong("qos.queue", "is {}, but PFC holds back priority {}".format(qos["queue"], priority))
    if _same(qos["dscp"], cnp["dscp"]):
        wrong("qos.cnp.dscp", "is that of the data, {}".format(qos["dscp"]))
    held = "congestion would hold back its own notification"
    if _same(cnp["priority"], priority):
        wrong("qos.cnp.priority", f"is that of the data, {priority}: {held}")
    elif cnp["priority"] is not None and cnp["priority"] in (lossless or ()):
        wrong("qos.cnp.priority", "is {}, a lossless one: {}".format(cnp["priority"], held))
    if cnp["priority"] not in (priority, *(lossless or ())):  # else it was said above
        if _same(cnp["queue"], qos["queue"]):
            wrong("qos.cnp.queue", "is that of the data, {}: {}".format(qos["queue"], held))
        elif cnp["queue"] is not None and cnp["queue"] in (lossless or ()):
            wrong("qos.cnp.queue", "is {}, a lossless one: {}".format(cnp["queue"], held))
    if lossless is not None:
        if priority is not None and priority not in lossless:
            wrong("pfc.lossless_priorities", f"{lossless} lacks the data's priority {priority}")
        if len(lossless) > MOST_LOSSLESS:
            wrong("pfc.lossless_priorities", f"{lossless}: at most {MOST_LOSSLESS} of them")


def sizes(plan: Document, problems: list[Problem]) -> None:
    """ECN limits, MTU, frames and the packets of the tests."""
    ecn, link, test = plan["ecn"], plan["link"], plan["test"]
    low, high = ecn["low_limit_bytes"], ecn["high_limit_bytes"]
    if low is not None and high is not None and low > high:
        problems.append(Problem("site_fabric.ecn.low_limit_bytes", f"is {low}, above the high limit {high}"))
    mtu, frame = link["mtu_bytes"], link.get("max_frame_bytes")
    if mtu is None:
        return
    where = "site_fabric.link.mtu_bytes"
    if mtu < SMALLEST_PAYLOAD + ROCE_HEADERS:
        problems.append(Problem(where, f"is {mtu}: a RoCE packet has {SMALLEST_PAYLOAD + ROCE_HEADERS} bytes or more"))
    if frame is not None and mtu + FRAME_HEADERS > frame:
        problems.append(Problem(where, f"{mtu} does not fit in the switch's frames of {frame} bytes"))
    for key in ("probe_small_bytes", "probe_large_bytes"):
        if test[key] is not None and test[key] + PING_HEADERS > mtu:
            problems.append(
                Problem(f"site_fabric.test.{key}", f"{test[key]} and {PING_HEADERS} of headers exceed the MTU of {mtu}")
            )


def ports(rows: Iterable[Document], speed: int | None, problems: list[Problem]) -> None:
    """No switch port and no address twice; no port whole and split at once; no more lanes than the port has.

    :param rows: ``{id, node, switch, switch_port}`` of the plan's ports, ``address`` where there is one.
    :param speed: of one link in Mb/s.
    """
    cables: dict[tuple[str, ...], str] = {}
    addresses: dict[str, str] = {}
    whole: dict[tuple[str, str], str] = {}
    lanes: dict[tuple[str, str], str] = {}
    for row in rows:
        name = row["switch_port"]

        def cabling(text: str, row: Document = row) -> None:
            problems.append(Problem(row["id"], text, row["node"], "site_cabling_file"))

        if not isinstance(name, str) or not _PORT_NAME.match(name):
            cabling(f"{name!r} is no name of a switch port")
            continue
        other = cables.setdefault((row["switch"], name), row["id"])
        if other != row["id"]:
            cabling("switch port {} {} is {}'s, too".format(row["switch"], name, other))
        if "address" in row:
            other = addresses.setdefault(row["address"], row["id"])
            if other != row["id"]:
                text = "address {} is {}'s, too".format(row["address"], other)
                problems.append(Problem(row["id"], text, row["node"], "site_fabric"))
        split = _SPLIT.match(name)
        if split is None:
            continue
        mine, theirs = (lanes, whole) if split.group("lane") else (whole, lanes)
        port = (row["switch"], split.group("port"))
        mine.setdefault(port, row["id"])
        if port in theirs:
            cabling("{} {} is a whole port here and split for {}".format(row["switch"], port[1], theirs[port]))
        most = int(split.group("gbit")[:6]) * 1000 // speed if speed else None
        if most is not None and int((split.group("lane") or "1")[:6]) > most:
            cabling(f"{name}: a {split.group('gbit')}GE port has {most} lanes of {speed} Mb/s")
        elif split.group("lane") == "0":
            cabling(f"{name}: lanes count from 1")


def buffers(name: str, data: Document, buffer: Document, plan: Document, problems: list[Problem]) -> None:
    """Thresholds of one switch. The vendor's rule (CE V300R023, PFC guide): xoff and headroom together stay below the
    limit at which WRED begins, or lossless packets are dropped.

    :param data: of its family, with the site's overrides; ``buffer``: its buffer.
    """
    where = f"switch {name}"
    if data.get("headroom_pool_kib") is not None and data.get("refuses_headroom_pool"):
        text = "models of its family are set up without a headroom pool"
        problems.append(Problem(where, text, "", f"site_fabric.switches.{name}"))
    times = plan["pfc"].get("deadlock") or {}
    for key in ("detect_time", "recovery_time"):
        if data.get("deadlock_times") == "all_queues" and times.get(key) not in (None, DEADLOCK_DEFAULT):
            text = f"{key} {times[key]}: models of its family have one for all queues, which is left at its default"
            problems.append(Problem(where, text, "", f"site_fabric.pfc.deadlock.{key}"))
    xoff, headroom, low = buffer.get("xoff_bytes"), buffer.get("headroom_bytes"), plan["ecn"]["low_limit_bytes"]
    if buffer.get("form") == "static" and xoff is None:
        text = "xoff is static, but nobody gives xoff_bytes"
        problems.append(Problem(where, text, "", f"site_fabric.switches.{name}"))
    if xoff is not None and headroom is not None and low is not None and xoff + headroom >= low:
        text = f"xoff {xoff} + headroom {headroom} bytes are not below the ECN low limit {low}"
        problems.append(Problem(where, text, "", "site_fabric.ecn.low_limit_bytes"))
    frame, mtu, asked = data.get("max_frame_bytes"), plan["link"]["mtu_bytes"], plan["link"].get("max_frame_bytes")
    if frame is None:
        return
    if mtu is not None and mtu + FRAME_HEADERS > frame:
        text = f"an MTU of {mtu} does not fit in its frames of {frame} bytes"
        problems.append(Problem(where, text, "", "site_fabric.link.mtu_bytes"))
    if asked is not None and asked > frame:
        text = f"frames of {asked} bytes are planned, its family takes {frame}"
        problems.append(Problem(where, text, "", "site_fabric.link.max_frame_bytes"))


def _differ(one: Any, other: Any) -> bool:
    return one is not None and other is not None and bool(one != other)


def _same(one: Any, other: Any) -> bool:
    return one is not None and bool(one == other)
