"""The fabric chapter: on one page whether the network is lossless, how fast each pair of nodes is, and what is wrong
with the one port that is not.

It rests on the verdicts of the stage ``fabric``, on the node pairs' observations (what each port carried) and on
``fabric/plan.json`` (which NPU port belongs to which switch port). docs/fabric.md describes them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .figures import Figure, FigureError, read_svg
from .findings import observed_text
from .heatmap import flows_of, heat_map, number
from .i18n import Words
from .load import RunData
from .matrix import WORST_FIRST, subject_of, verdict_word, worst
from .text import NOTHING, as_dict, as_list, as_text, dicts, in_language, natural, shorten

DRAWING = "fabric.svg"
LOSSLESS, FAST = "4.1.2-1", "4.1.2-2"
MOST_ROWS = 48  # ports of the table; of a larger site those that are not sound, and a sentence about the others
MOST_CAUSES = 12

# Column of the port table -> checks whose worst it shows. NPU side, then switch side.
NPU_ASPECTS = {
    "link": ("npu_link", "npu_link_stable", "npu_speed", "npu_fec"),
    "optics": ("npu_optics",),
    "address": ("npu_address", "npu_gateway", "npu_health"),
    "mtu": ("npu_mtu",),
    "pfc": ("npu_pfc", "npu_dscp"),
    "tls": ("npu_tls", "npu_roce_port"),
    "saved": ("npu_persistent",),
    "cable": ("npu_cabling",),
}
SWITCH_ASPECTS = {
    "link": ("switch_link", "switch_errors"),
    "optics": ("switch_optics",),
    "trust": ("switch_trust",),
    "pfc": ("switch_pfc", "pfc_active"),
    "buffer": ("switch_buffer",),
    "ecn": ("switch_ecn",),
    "cable": ("switch_cabling",),
}


@dataclass(frozen=True)
class PairRow:
    pair: str
    directions: tuple[tuple[str, str], ...]  # (node1 → node2, 195.8 GB/s)
    slowest: str
    lost: str
    verdict: str


@dataclass(frozen=True)
class PortRow:
    """``npu`` and ``switch`` hold a verdict word per aspect; empty where nothing was judged."""

    name: str
    switch_port: str
    npu: tuple[str, ...]
    switch: tuple[str, ...]
    slowest: str
    verdict: str


@dataclass(frozen=True)
class Cause:
    """What is wrong with a port, a switch or a pair; ``lines`` name side, setting, what is and what was planned."""

    subject: str
    verdict: str
    lines: tuple[str, ...]
    remedies: tuple[str, ...]


@dataclass
class Fabric:
    """``badges``: (sentence, verdict word)."""

    badges: list[tuple[str, str]] = field(default_factory=list)
    pairs: list[PairRow] = field(default_factory=list)
    heat: Figure | None = None
    ports: list[PortRow] = field(default_factory=list)
    sound: int = 0  # ports that are not in the table because nothing is wrong with them
    causes: list[Cause] = field(default_factory=list)
    more_causes: int = 0
    drawing: Figure | None = None

    @property
    def present(self) -> bool:
        return bool(self.pairs or self.ports or self.causes or self.drawing)


def read(data: RunData, words: Words) -> Fabric:
    """The chapter; empty (``present`` false) where the stage did not run."""
    judged = [item for item in data.verdicts if as_text(item.get("check")).startswith("fabric.")]
    seen = [item for item in judged if verdict_word(item.get("verdict")) != "not_run"]
    fabric = Fabric()
    if not seen:
        return fabric
    flows = flows_of(data.pairs)
    rates: dict[str, float] = {}
    for flow in flows:
        for name in (flow.source, flow.target):
            if flow.gbit_per_s is not None:
                rates[name] = min(rates.get(name, flow.gbit_per_s), flow.gbit_per_s)
    by_subject: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for item in seen:
        by_subject.setdefault(subject_of(item), {})[as_text(item["check"]).removeprefix("fabric.")] = item
    _ports(fabric, data.fabric_plan, by_subject, rates)
    fabric.pairs = _pairs(data.pairs, by_subject, words)
    _causes(fabric, by_subject, rates, words)
    fabric.badges = _badges(data, fabric, rates, words)
    fabric.heat = heat_map(flows, _threshold(judged), words)
    for name, content in data.figures:
        if name == DRAWING:
            try:
                fabric.drawing = read_svg(name, content, prefix="fabric-")
            except FigureError:
                continue  # the plan is in fabric/plan.json; the chapter stands without its drawing
    return fabric


def _gbytes(value: Any) -> str:
    known = number(value)
    return NOTHING if known is None else f"{known:.1f} GB/s"


def _gbits(value: Any) -> str:
    known = number(value)
    return NOTHING if known is None else f"{known:.1f} Gb/s"


def _aspects(items: dict[str, dict[str, Any]], aspects: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    row = []
    for checks in aspects.values():
        said = [verdict_word(items[check].get("verdict")) for check in checks if check in items]
        row.append(worst(said) if said else "")
    return tuple(row)


def _ports(
    fabric: Fabric,
    plan: dict[str, Any] | None,
    by_subject: dict[tuple[str, str], dict[str, dict[str, Any]]],
    rates: dict[str, float],
) -> None:
    """A row for each NPU port with its switch port; switch ports that no NPU port is planned for come last."""
    planned = {as_text(port.get("id")): _switch_port(port) for port in dicts(as_dict(plan).get("ports"))}
    names = dict.fromkeys([*planned, *sorted((name for kind, name in by_subject if kind == "npu"), key=natural)])
    rows = []
    for name in names:
        npu = _aspects(by_subject.get(("npu", name), {}), NPU_ASPECTS)
        switch = _aspects(by_subject.get(("port", planned.get(name, "")), {}), SWITCH_ASPECTS)
        said = [word for word in (*npu, *switch) if word]
        row = PortRow(
            name=shorten(name, 40),
            switch_port=shorten(planned.get(name) or NOTHING, 60),
            npu=npu,
            switch=switch,
            slowest=_gbits(rates.get(name)),
            verdict=worst(said) if said else "unknown",
        )
        rows.append(row)
    if len(rows) > MOST_ROWS:
        odd = [row for row in rows if row.verdict != "pass"]
        fabric.sound = len(rows) - len(odd)
        rows = odd
    fabric.ports = rows


def _switch_port(port: dict[str, Any]) -> str:
    return "/".join(filter(None, (as_text(port.get("switch")), as_text(port.get("switch_port")))))


def _pairs(
    pairs: Iterable[dict[str, Any]], by_subject: dict[tuple[str, str], dict[str, dict[str, Any]]], words: Words
) -> list[PairRow]:
    facts_of = {as_text(facts.get("pair")): facts for facts in pairs}
    names = dict.fromkeys([*facts_of, *(name for kind, name in by_subject if kind == "node_pair")])
    rows = []
    for name in sorted(names, key=natural):
        facts = facts_of.get(name, {})
        said = [verdict_word(item.get("verdict")) for item in by_subject.get(("node_pair", name), {}).values()]
        directions = as_dict(facts.get("one_way_gbytes_per_s"))
        lost = facts.get("retransmitted_packets")
        rows.append(
            PairRow(
                pair=shorten(name, 80),
                directions=tuple(
                    (as_text(key).replace("->", " → "), _gbytes(value)) for key, value in directions.items()
                ),
                slowest=_slowest(facts),
                lost=NOTHING if lost is None else as_text(lost),
                verdict=worst(said) if said else "not_run",
            )
        )
    order = {word: place for place, word in enumerate(WORST_FIRST)}
    return sorted(rows, key=lambda row: order[row.verdict])


def _slowest(facts: dict[str, Any]) -> str:
    """``196.0 Gb/s (node1/NPU3 → node2/NPU3)``; the ports that gave no number first."""
    rows = dicts(facts.get("ports"))
    silent = [row for row in rows if number(row.get("gbit_per_s")) is None]
    chosen = silent or sorted(rows, key=lambda row: number(row.get("gbit_per_s")) or 0.0)
    if not chosen:
        return NOTHING
    row = chosen[0]
    return f"{_gbits(row.get('gbit_per_s'))} ({as_text(row.get('source'))} → {as_text(row.get('target'))})"


def _causes(
    fabric: Fabric,
    by_subject: dict[tuple[str, str], dict[str, dict[str, Any]]],
    rates: dict[str, float],
    words: Words,
) -> None:
    """What did not pass, worst first: by verdict, by how many checks, by the slowest rate."""
    found: list[tuple[tuple[int, int, float], Cause]] = []
    for (kind, name), items in by_subject.items():
        wrong = [item for item in items.values() if verdict_word(item.get("verdict")) in ("fail", "unknown")]
        if not wrong:
            continue
        wrong.sort(key=lambda item: WORST_FIRST.index(verdict_word(item.get("verdict"))))
        said = [verdict_word(item.get("verdict")) for item in wrong]
        lines = list(dict.fromkeys(_line(item, words) for item in wrong))
        remedies = list(
            dict.fromkeys(filter(None, (in_language(item.get("remedy"), words.language) for item in wrong)))
        )
        cause = Cause(
            subject=shorten(f"{words.word('kind', kind)} {name}", 120),
            verdict=worst(said),
            lines=tuple(shorten(line, 400) for line in lines[:8]),
            remedies=tuple(shorten(text, 400) for text in remedies[:4]),
        )
        place = WORST_FIRST.index(cause.verdict)
        found.append(((place, -len(wrong), rates.get(name, float("inf"))), cause))
    found.sort(key=lambda row: (row[0], natural(row[1].subject)))
    fabric.causes = [cause for _, cause in found[:MOST_CAUSES]]
    fabric.more_causes = max(len(found) - MOST_CAUSES, 0)


def _line(item: dict[str, Any], words: Words) -> str:
    """Title and what was seen; the reason where nothing was."""
    title = in_language(item.get("title"), words.language)
    observed = item.get("observed")
    if isinstance(observed, list) and observed:
        text = "; ".join(as_text(entry) for entry in as_list(observed) if as_text(entry))
    elif verdict_word(item.get("verdict")) == "unknown" or observed is None:
        text = in_language(item.get("reason"), words.language)
    else:
        text = observed_text(item, words)
    return f"{title}: {text}" if text else title


def _badges(data: RunData, fabric: Fabric, rates: dict[str, float], words: Words) -> list[tuple[str, str]]:
    verdict_of = {as_text(item.get("id") or item.get("clause")): item.get("verdict") for item in data.rollup}
    badges = []
    for clause, key in ((LOSSLESS, "fabric.lossless"), (FAST, "fabric.fast")):
        said = [
            verdict_word(item.get("verdict"))
            for item in data.verdicts
            if as_text(item.get("clause")) == clause and as_text(item.get("check"))
        ]
        word = verdict_word(verdict_of[clause]) if clause in verdict_of else worst(said)
        badges.append((words(key), word))
    if rates:
        name = min(rates, key=lambda key: (rates[key], natural(key)))
        row = next((row for row in fabric.ports if row.name == name), None)
        text = words.say("fabric.worst_port", port=name, rate=f"{rates[name]:.1f}")
        badges.append((text, row.verdict if row else "pass"))
    return badges


def _threshold(judged: Iterable[dict[str, Any]]) -> float | None:
    for item in judged:
        if item.get("check") == "fabric.port_bandwidth":
            return number(as_dict(item.get("expected")).get("min"))
    return None
