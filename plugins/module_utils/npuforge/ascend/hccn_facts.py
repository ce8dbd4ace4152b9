"""Facts of a node's NPU ports from what was read (docs/fabric.md section 5), kinds ``npu`` and ``node``."""

from __future__ import annotations

from typing import Any, Iterable, Mapping, NamedTuple, Sequence

from ..common import Document, note, observation
from . import hccn_conf, hccn_link, hccn_lldp, hccn_optics, hccn_plan
from .hccn_plan import Port
from .hccn_read import Seen
from .texts import Reading

COLLECTOR = "hccn"
# Fact as read -> question that shows it.
PLAIN = {
    "mac": "mac",
    "fec": "fec",
    "net_health": "net_health",
    "optics": "optical",
    "lldp": "lldp",
    "counters": "stat",
}
FEC_WORDS = {"off": "no", "none": "no"}  # how a plan may call what the tool calls "no"


class Limits(NamedTuple):
    """``link_window_seconds``, ``link_downs_allowed``: how often within which time a link may go down.

    ``optics``: limits for modules that tell none (``rx_power_low_mw``, ``tx_power_low_mw``, ``snr_low_db``).
    """

    link_window_seconds: float = 3600.0
    link_downs_allowed: int = 1
    optics: Mapping[str, Any] = {}


def npu_facts(port: Port, seen: Seen, switches: Iterable[str], limits: Limits) -> Document:
    """Facts of one port; notes explain every null."""
    notes: list[dict[str, str]] = []
    facts: Document = {"device_id": port.device}
    for setting in ("address", "netmask", "gateway", "netdetect", "mtu_bytes", "pfc_bitmap", "roce_port", "tls_enable"):
        facts[setting] = port.found.get(setting)
    facts["dscp_tc"] = _mapped(port)
    for setting, why in port.unread.items():
        where = [setting] if setting == "netmask" else list(dict.fromkeys((setting, hccn_plan.FACTS[setting])))
        notes += [note(each, why) for each in where]
    for fact, question in PLAIN.items():
        facts[fact] = _value(seen, question, fact, notes)
    facts.update(_status(seen, notes))
    facts.update(_history(port, seen, limits, notes))
    facts["planned"] = {key: value for key, value in port.planned.items() if key != "switch"}
    facts.update(_setting_differences(port))
    facts["file_differences"] = _file_differences(port)
    facts["speed_differences"] = _speed(port, facts, notes)
    facts["fec_differences"] = _fec(port, facts, notes)
    optics = seen.value("optical")
    _keep(facts, "optics_problems", hccn_optics.problems(port.label, optics, limits.optics), notes)
    _keep(facts, "cabling_differences", _cabling(port, seen, switches), notes)
    # Gateway and detection share a list of differences, and often a reason.
    facts["notes"] = [each for place, each in enumerate(notes) if each not in notes[:place]]
    return facts


def _mapped(port: Port) -> dict[str, int] | None:
    """Code points that are mapped to a class, and those of the plan; all others are in class 0."""
    shown = port.found.get("dscp_tc")
    if shown is None:
        return None
    return {dscp: tc for dscp, tc in shown.items() if tc or dscp in port.planned["dscp_tc"]}


def _value(seen: Seen, question: str, fact: str, notes: list[dict[str, str]]) -> Any:
    problem = seen.problem(question)
    if problem is not None:
        notes.append(note(fact, problem))
    return seen.value(question)


def _keep(facts: Document, fact: str, reading: Reading, notes: list[dict[str, str]]) -> None:
    facts[fact] = reading.value
    if reading.problem is not None:
        notes.append(note(fact, reading.problem))


def _status(seen: Seen, notes: list[dict[str, str]]) -> Document:
    status = _value(seen, "status", "link", notes) or {"link": None, "speed_mbps": None}
    return {"link": status["link"], "speed_mbps": status["speed_mbps"]}


def _history(port: Port, seen: Seen, limits: Limits, notes: list[dict[str, str]]) -> Document:
    history = _value(seen, "link_stat", "link_down_count, link_flaps, link_problems", notes)
    if history is None:
        return {"link_down_count": None, "link_flaps": None, "link_problems": None}
    facts: Document = {"link_down_count": history["down_count"], "link_flaps": hccn_link.flaps(history)}
    if history["down_count"] is None:
        notes.append(note("link_down_count", "this version of the tool does not count it"))
    told = hccn_link.problems(port.label, history, limits.link_window_seconds, limits.link_downs_allowed)
    _keep(facts, "link_problems", told, notes)
    return facts


def _setting_differences(port: Port) -> Document:
    """By fact. What is known to be wrong is told; null when nothing is, and a setting could not be read."""
    told: dict[str, list[str]] = {fact: [] for fact in hccn_plan.FACTS.values()}
    unread = set()
    for setting, fact in hccn_plan.FACTS.items():
        sentences = hccn_plan.device_sentences(port, setting)
        told[fact] += sentences or []
        if sentences is None:
            unread.add(fact)
    return {fact: sentences or (None if fact in unread else []) for fact, sentences in told.items()}


def _file_differences(port: Port) -> list[str]:
    """Where the file is not as planned, and where it is and the device is not: one of the two is gone at a restart."""
    told = []
    for setting in hccn_plan.ORDER:
        sentences = hccn_plan.file_sentences(port, setting)
        if not sentences and hccn_plan.device_differs(port, setting):
            shown = hccn_plan.device_sentences(port, setting, f"{hccn_conf.PATH} has") or []
            sentences = [f"{text} (device and file disagree)" for text in shown]
        told += sentences
    return told


def _speed(port: Port, facts: Document, notes: list[dict[str, str]]) -> list[str] | None:
    speed, planned = facts["speed_mbps"], port.planned["speed_mbps"]
    if speed is None:
        why = "the link is down" if facts["link"] == "down" else "the speed was not told"
        notes.append(note("speed_mbps, speed_differences", why))
        return None
    return [] if speed == planned else [f"{port.label}: speed is {speed} Mbit/s, planned {planned}"]


def _fec(port: Port, facts: Document, notes: list[dict[str, str]]) -> list[str] | None:
    if facts["fec"] is None:
        notes.append(note("fec_differences", "the FEC mode was not read"))
        return None
    planned = str(port.planned["fec"])
    same = facts["fec"] == FEC_WORDS.get(planned, planned)
    return [] if same else [f"{port.label}: FEC is {facts['fec']}, planned {planned}"]


def _cabling(port: Port, seen: Seen, switches: Iterable[str]) -> Reading:
    told = hccn_lldp.cabling(port.label, seen.value("lldp"), port.planned, list(switches))
    return Reading(None, seen.problem("lldp")) if seen.value("lldp") is None else told


def node_facts(hccn: Document, notes: Sequence[Mapping[str, str]]) -> Document:
    """Facts of kind ``node``."""
    return {"hccn": hccn, "notes": [dict(each) for each in notes]}


def observations(
    subject: str,
    ports: Mapping[str, Document],
    raw: Mapping[str, list[Document]],
    node: Document,
    node_raw: list[Document],
    *,
    simulated: bool,
) -> list[Document]:
    """Entries for ``evidence_record``: the node, then its ports by name."""
    entries: list[Document] = [
        {"observation": observation("node", subject, COLLECTOR, node, simulated), "raw": node_raw}
    ]
    for name, facts in ports.items():
        entries.append({"observation": observation("npu", name, COLLECTOR, facts, simulated), "raw": raw.get(name, [])})
    return entries
