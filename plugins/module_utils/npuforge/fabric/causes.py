"""Why a port is slow, loses packets or cannot be reached: what of its two sides differs from the plan, in words.

The NPU side and the switch side of the same run (observations of kinds ``npu``, ``port`` and ``switch``) are looked at
for each end of a bad flow. The result is a remedy in both languages that names port, side and setting. Where no setting
differs it says which hardware to suspect, by who else the port is slow with.
"""

from __future__ import annotations

import re
from typing import Any, Iterable, Mapping, NamedTuple, Sequence

from ..common import Document, as_dict, as_list, as_text
from .schedule import nodes_of

MOST_FLOWS, MOST_CAUSES = 4, 4

# Fact of an observation -> (zh, en) of the setting, the most telling first.
NPU_ASPECTS = (
    ("speed_differences", "NPU端口速率", "speed of the NPU port"),
    ("fec_differences", "NPU端口FEC", "FEC of the NPU port"),
    ("link_problems", "NPU端口链路震荡", "link of the NPU port"),
    ("optics_problems", "NPU侧光模块", "optics at the NPU"),
    ("address_differences", "NPU端口地址", "address of the NPU port"),
    ("mtu_differences", "NPU端口MTU", "MTU of the NPU port"),
    ("pfc_differences", "NPU端口PFC", "PFC of the NPU port"),
    ("dscp_differences", "NPU端口DSCP映射", "DSCP map of the NPU port"),
    ("gateway_differences", "NPU端口网关", "gateway of the NPU port"),
    ("tls_differences", "NPU端口TLS开关", "TLS switch of the NPU port"),
    ("roce_port_differences", "NPU端口RoCE端口号", "RoCE port of the NPU port"),
    ("cabling_differences", "线缆", "cabling"),
    ("file_differences", "hccn.conf持久化", "persistence in hccn.conf"),
)
PORT_ASPECTS = (
    ("trust_differences", "交换机端口信任字段", "trust of the switch port"),
    ("pfc_differences", "交换机端口PFC", "PFC of the switch port"),
    ("buffer_differences", "交换机端口缓存水线", "buffer of the switch port"),
    ("ecn_differences", "交换机端口ECN", "ECN of the switch port"),
    ("optics_problems", "交换机侧光模块", "optics at the switch"),
    ("error_problems", "交换机端口误码", "errors on the switch port"),
    ("cabling_differences", "线缆", "cabling"),
)


class Cause(NamedTuple):
    """``sentence``: English, as the observation has it, with the device in front."""

    zh: str
    en: str
    sentence: str


class Seen(NamedTuple):
    """Facts of the same run, by subject: ``node2/NPU3``, ``sw1/400GE1/0/6:1``, ``sw1``."""

    npu: Mapping[str, Document]
    port: Mapping[str, Document]
    switch: Mapping[str, Document]


class Bad(NamedTuple):
    """A flow that is not as it should be; ``what`` in (zh, en): "98.2 Gb/s"."""

    source: str
    target: str
    what: tuple[str, str]


def switch_ports(plan: Any) -> dict[str, str]:
    """NPU port -> switch port (``sw1/400GE1/0/6:1``)."""
    found = {}
    for entry in as_list(as_dict(plan).get("ports")):
        row = as_dict(entry)
        name, switch, port = (as_text(row.get(key)) for key in ("id", "switch", "switch_port"))
        if name and switch and port:
            found[name] = f"{switch}/{port}"
    return found


def of_port(name: str, switch_port: str | None, seen: Seen) -> list[Cause]:
    """What differs from the plan on the NPU port ``name`` and on the switch port that it is planned for."""
    found = []
    npu = as_dict(seen.npu.get(name))
    if npu.get("link") == "down":
        found.append(Cause("NPU端口链路", "link of the NPU port", f"{name}: link is down"))
    found += _told(npu, NPU_ASPECTS, name)
    if switch_port is None:
        return found
    port = as_dict(seen.port.get(switch_port))
    switch = switch_port.partition("/")[0]
    if port.get("link") == "down":
        found.append(Cause("交换机端口链路", "link of the switch port", f"{switch_port}: link is down"))
    if port.get("pfc_turned_off") is True:
        off = f"{switch_port}: PFC was turned off after deadlocks"
        found.append(Cause("交换机端口PFC被关闭", "PFC of the switch port", off))
    found += _told(port, PORT_ASPECTS, switch_port)
    whole = as_list(as_dict(as_dict(seen.switch.get(switch)).get("roce")).get("differences"))
    found += [
        Cause("交换机全局配置", "global configuration of the switch", _placed(text, switch))
        for text in map(as_text, whole)
        if text
    ]
    return list(dict.fromkeys(found))


def _told(facts: Document, aspects: Sequence[tuple[str, str, str]], name: str) -> list[Cause]:
    return [
        Cause(zh, en, _placed(text, name))
        for key, zh, en in aspects
        for text in map(as_text, as_list(facts.get(key)))
        if text
    ]


def _placed(sentence: str, name: str) -> str:
    """``sentence`` with its device in front: observations of a switch leave its own name out."""
    device, _, port = name.partition("/")
    if name in sentence or f"{device} " in sentence or f"{device}:" in sentence:
        return sentence
    if port and sentence.startswith(port):
        return f"{device}/{sentence}"
    return f"{name}: {sentence}"


def remedy(bad: Sequence[Bad], plan: Any, seen: Seen, every: Iterable[Bad] = ()) -> dict[str, str] | None:
    """The remedy of some bad flows in ``{zh, en}``; None when there is none. ``every``: the bad flows of all pairs,
    from which the port that is bad with everybody is told from a bad pair."""
    if not bad:
        return None
    planned = switch_ports(plan)
    zh, en = [], []
    named: set[Cause] = set()
    for flow in bad[:MOST_FLOWS]:
        causes = [cause for end in (flow.source, flow.target) for cause in of_port(end, planned.get(end), seen)]
        fresh = [cause for cause in dict.fromkeys(causes) if cause not in named][:MOST_CAUSES]
        if causes and not fresh:
            continue  # the same cause as of a flow before
        named.update(fresh)
        if fresh:
            why = (
                "；".join(f"{cause.zh}：{cause.sentence}" for cause in fresh),
                "; ".join(cause.sentence for cause in fresh),
            )
        else:
            suspect = _suspect(flow, [*every, *bad], plan, planned)
            why = (f"两侧设置均与规划一致；{suspect[0]}", f"no setting of either side differs; {suspect[1]}")
        zh.append(f"{flow.source} → {flow.target}（{flow.what[0]}）：{why[0]}")
        en.append(f"{flow.source} -> {flow.target} ({flow.what[1]}): {why[1]}")
    if len(bad) > MOST_FLOWS:
        zh.append(f"另有{len(bad) - MOST_FLOWS}条流量异常")
        en.append(f"and {len(bad) - MOST_FLOWS} more flows")
    mend = "Mend what is named (run the fabric stage again, or change the part) and measure again."
    return {
        "zh": "。".join(zh) + "。请按所列项修正（重新运行fabric阶段或更换部件）后复测。",
        "en": ". ".join(en) + f". {mend}",
    }


def _suspect(flow: Bad, every: Sequence[Bad], plan: Any, planned: Mapping[str, str]) -> tuple[str, str]:
    """Which hardware to look at first, by how many nodes an end is bad with."""
    others = len(nodes_of(plan)) - 1
    for end in (flow.source, flow.target):
        peers = {
            _node(bad.target if bad.source == end else bad.source) for bad in every if end in (bad.source, bad.target)
        }
        if others > 1 and len(peers) >= others:
            where = f" / {planned[end]}" if end in planned else ""
            return (
                f"{end}与所有节点间均异常，先检查并更换该端口的线缆与光模块（{end}{where}）",
                f"{end} is bad with every node: change its cable and modules first ({end}{where})",
            )
    ends = "、".join(planned.get(end, end) for end in (flow.source, flow.target))
    return (
        f"仅此一对异常，检查路径两端端口（{ends}）的误码与交换机拥塞",
        f"only this pair is bad: look at errors and congestion of {ends.replace('、', ' and ')}",
    )


def _node(port: str) -> str:
    return port.partition("/")[0]


_UNREACHABLE = re.compile(r"^(\S+) -> (\S+) \(")


def unreachable(sentences: Any) -> list[Bad]:
    """The flows in ``reachability.unreachable``, each once, ports that are deaf to most first."""
    found: dict[tuple[str, str], Bad] = {}
    often: dict[str, int] = {}
    for sentence in filter(None, map(as_text, as_list(sentences))):
        match = _UNREACHABLE.match(sentence)
        if match is not None:
            source, target = match.groups()
            for end in (source, target):
                often[end] = often.get(end, 0) + 1
            lost = sentence.partition("): ")[2]
            found.setdefault((source, target), Bad(source, target, (lost, lost)))
    return sorted(found.values(), key=lambda bad: -max(often[bad.source], often[bad.target]))


def slow_or_failed(rows: Sequence[Document], limit: float | None) -> list[Bad]:
    """The flows of a pair without a number or below the limit, worst first."""
    found = []
    for row in sorted(rows, key=lambda row: (row["gbit_per_s"] is not None, row["gbit_per_s"] or 0.0)):
        rate = row["gbit_per_s"]
        if rate is None:
            found.append(Bad(row["source"], row["target"], ("无结果", f"no number: {row['problem']}")))
        elif limit is not None and rate < limit:
            found.append(Bad(row["source"], row["target"], (f"{rate:.1f} Gb/s", f"{rate:.1f} Gb/s")))
    return found


def lossy(rows: Sequence[Document]) -> list[Bad]:
    """The flows of a pair that sent packets again, most first."""
    found = []
    for row in sorted(rows, key=lambda row: -(row["retransmitted_packets"] or 0)):
        count = row["retransmitted_packets"]
        if count:
            found.append(Bad(row["source"], row["target"], (f"重传{count}包", f"{count} packets sent again")))
    return found
