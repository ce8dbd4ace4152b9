"""The chapter on the NPUs themselves (4.1.3-2): memory of every chip, and the way between the chips of each node.

It rests on the verdicts of the stages ``npu`` and ``npu_test`` and on the facts of ``npu_info``, ``hbm_test`` and
``interconnect_test``. docs/npu-validation.md describes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from .figures import Figure
from .heatmap import grid, number
from .i18n import Words
from .load import RunData
from .matrix import WORST_FIRST, subject_of, verdict_word, worst
from .text import NOTHING, as_dict, as_list, as_text, in_language, natural, shorten

CLAUSE = "4.1.3-2"
WAYS = (("one_way", "npu.p2p_one_way"), ("two_way", "npu.p2p_two_way"))
# Checks whose verdicts stand at the head of the chapter.
BADGES = ("npu.topology", "npu.hccs_links", "npu.p2p_one_way", "npu.p2p_two_way", "npu.p2p_even", "npu.hbm_bandwidth")
MOST_PAIRS = 8
MOST_CHIPS = 48  # of a larger site those that are not sound, and a sentence about the others
MOST_PLACES = 16  # of a heat-map; more columns than that no page holds
MOST_LINES = 12


@dataclass(frozen=True)
class PairRow:
    node: str
    pair: str
    one_way: str
    two_way: str
    share: str  # of the median of the node's pairs
    verdict: str


@dataclass(frozen=True)
class NodePage:
    """Heat-maps of one node with their captions, and what is wrong in sentences."""

    node: str
    verdict: str
    figures: tuple[tuple[str, Figure], ...]
    lines: tuple[str, ...]


@dataclass(frozen=True)
class ChipRow:
    name: str
    model: str
    capacity: str
    ecc: str
    temperature: str
    d2d: str
    h2d: str
    d2h: str
    verdict: str


@dataclass
class Interconnect:
    """``badges``: (sentence, verdict word)."""

    badges: list[tuple[str, str]] = field(default_factory=list)
    pairs: list[PairRow] = field(default_factory=list)
    more_pairs: int = 0
    nodes: list[NodePage] = field(default_factory=list)
    chips: list[ChipRow] = field(default_factory=list)
    sound: int = 0  # chips that are not in the table because nothing is wrong with them

    @property
    def present(self) -> bool:
        return bool(self.nodes or self.chips)


@dataclass(frozen=True)
class _Node:
    """``rates``: by way and (sender, receiver); None: measured without a number."""

    name: str
    places: tuple[str, ...]
    rates: Mapping[str, Mapping[tuple[str, str], float | None]]
    facts: Mapping[str, Any]


def read(data: RunData, words: Words) -> Interconnect:
    """The chapter; empty (``present`` false) where no chip was seen."""
    judged: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for item in data.verdicts:
        if as_text(item.get("clause")) == CLAUSE and as_text(item.get("check")):
            judged.setdefault(subject_of(item), {})[as_text(item["check"])] = item
    chapter = Interconnect()
    nodes = [_node(name, data.interconnects[name]) for name in sorted(data.interconnects, key=natural)]
    limits = {way: _limit(data.verdicts, check) for way, check in WAYS}
    for place, node in enumerate(nodes):
        chapter.nodes.append(_page(node, place, judged.get(("node", node.name), {}), limits, words))
    order = {word: rank for rank, word in enumerate(WORST_FIRST)}
    chapter.nodes.sort(key=lambda page: order[page.verdict])
    rows = sorted(_pairs(nodes, limits), key=lambda row: row[0])
    chapter.pairs = [row for _, row in rows[:MOST_PAIRS]]
    chapter.more_pairs = max(len(rows) - MOST_PAIRS, 0)
    _chips(chapter, data.chips, judged)
    if chapter.present:
        chapter.badges = _badges(data, chapter, words)
    return chapter


def _node(name: str, facts: Mapping[str, Any]) -> _Node:
    seen = as_dict(facts.get("interconnect"))
    rates: dict[str, dict[tuple[str, str], float | None]] = {}
    count = 0
    for way, _ in WAYS:
        table = [as_list(row) for row in as_list(seen.get(f"{way}_gbytes_per_s"))][:MOST_PLACES]
        count = max(count, len(table))
        rates[way] = {
            (_place(i), _place(j)): number(value)
            for i, row in enumerate(table)
            for j, value in enumerate(row[: len(table)])
            if i != j
        }
    return _Node(name, tuple(_place(i) for i in range(count)), rates, facts)


def _place(index: int) -> str:
    return f"NPU{index + 1}"


def _limit(verdicts: list[dict[str, Any]], check: str) -> float | None:
    for item in verdicts:
        if item.get("check") == check:
            return number(as_dict(item.get("expected")).get("min"))
    return None


def _page(
    node: _Node,
    place: int,
    items: Mapping[str, dict[str, Any]],
    limits: Mapping[str, float | None],
    words: Words,
) -> NodePage:
    seen = as_dict(node.facts.get("interconnect"))
    slow = [as_text(text) for text in as_list(seen.get("slow_pairs"))]
    figures = []
    for way, _ in WAYS:
        rates = node.rates[way]
        if not rates:
            continue
        spoken = {"one_way": "one way", "two_way": "two ways"}[way]
        notable = {pair for pair in rates if any(_names(text, pair, spoken) for text in slow)}
        figure = grid(
            node.places,
            node.places,
            rates,
            limits[way],
            axis=words("interconnect.heat.axis"),
            name=f"interconnect-{place}-{way}.svg",
            prefix=f"p2p-{place}-{way}-",
            notable=notable,
        )
        caption = words.say("interconnect.heat", node=shorten(node.name, 60), way=words(f"interconnect.{way}"))
        if figure is not None:
            figures.append((caption, figure))
    lines = [
        *(as_text(text) for key in ("topology_problems", "link_problems") for text in as_list(seen.get(key))),
        *slow,
        *(as_text(text) for text in as_list(seen.get("failed"))),
    ]
    busy = as_dict(node.facts.get("busy"))
    if busy.get("refused") is True:
        lines.insert(
            0, f"{words('interconnect.busy')}{words('colon')}{'; '.join(map(as_text, as_list(busy.get('chips'))))}"
        )
    said = [verdict_word(items[check].get("verdict")) for check in items if _about(check)]
    return NodePage(
        node=shorten(node.name, 60),
        verdict=worst(said) if said else "not_run",
        figures=tuple(figures),
        lines=tuple(shorten(line, 300) for line in lines[:MOST_LINES] if line),
    )


def _about(check: str) -> bool:
    return check in BADGES and check != "npu.hbm_bandwidth"


def _names(sentence: str, pair: tuple[str, str], spoken: str) -> bool:
    return sentence.startswith(f"{pair[0]} -> {pair[1]}: ") and f" {spoken}," in sentence


def _pairs(nodes: list[_Node], limits: Mapping[str, float | None]) -> list[tuple[tuple[float, str, str], PairRow]]:
    """(sort key, row) of every pair; pairs without a number first, then by their share of the node's median."""
    found = []
    for node in nodes:
        middle: dict[str, float] = {}
        for way, _ in WAYS:
            known = [rate for rate in node.rates[way].values() if rate]
            if known:
                middle[way] = median(known)
        for pair in dict.fromkeys([*node.rates["one_way"], *node.rates["two_way"]]):
            rates = {way: node.rates[way].get(pair) for way, _ in WAYS}
            shares = [rate / middle[way] for way, rate in rates.items() if rate is not None and way in middle]
            said = [_word(rates[way], limits[way]) for way, _ in WAYS]
            row = PairRow(
                node=shorten(node.name, 60),
                pair=f"{pair[0]} → {pair[1]}",
                one_way=_gbytes(rates["one_way"]),
                two_way=_gbytes(rates["two_way"]),
                share=f"{100 * min(shares):.0f} %" if shares else NOTHING,
                verdict=worst(said),
            )
            share = min(shares) if shares and len(shares) == len(WAYS) else -1.0
            found.append(((share, node.name, row.pair), row))
    return found


def _word(rate: float | None, limit: float | None) -> str:
    if rate is None:
        return "unknown"
    return "not_run" if limit is None else "fail" if rate < limit else "pass"


def _gbytes(value: Any, unit: bool = True) -> str:
    known = number(value)
    return NOTHING if known is None else f"{known:.1f} GB/s" if unit else f"{known:.1f}"


def _chips(
    chapter: Interconnect,
    chips: Mapping[str, dict[str, Any]],
    judged: Mapping[tuple[str, str], dict[str, dict[str, Any]]],
) -> None:
    rows = []
    for name in sorted(chips, key=natural):
        facts, hbm, ecc = chips[name], as_dict(chips[name].get("hbm")), as_dict(chips[name].get("ecc"))
        said = [verdict_word(item.get("verdict")) for item in judged.get(("npu", name), {}).values()]
        capacity = facts.get("hbm_total_mib") if facts.get("hbm_total_mib") is not None else hbm.get("capacity_mib")
        counts = [_whole(ecc.get(key)) for key in ("hbm_double_bit", "hbm_isolated_pages")]
        model = " ".join(filter(None, (as_text(facts.get("name")), f"({as_text(facts.get('generation'))})")))
        row = ChipRow(
            name=shorten(name, 60),
            model=shorten(model, 40) if as_text(facts.get("generation")) else as_text(facts.get("name")) or NOTHING,
            capacity=_whole(capacity),
            ecc=" / ".join(counts),
            temperature=_whole(facts.get("temperature_celsius")),
            d2d=_gbytes(hbm.get("device_to_device_gbytes_per_s")),
            h2d=_gbytes(hbm.get("host_to_device_gbytes_per_s")),
            d2h=_gbytes(hbm.get("device_to_host_gbytes_per_s")),
            verdict=worst(said) if said else "not_run",
        )
        rows.append(row)
    if len(rows) > MOST_CHIPS:
        odd = [row for row in rows if row.verdict != "pass"]
        chapter.sound = len(rows) - len(odd)
        rows = odd
    chapter.chips = rows


def _whole(value: Any) -> str:
    known = number(value)
    return NOTHING if known is None else f"{known:.0f}"


def _badges(data: RunData, chapter: Interconnect, words: Words) -> list[tuple[str, str]]:
    said: dict[str, list[str]] = {}
    titles: dict[str, str] = {}
    for item in data.verdicts:
        check = as_text(item.get("check"))
        if check in BADGES:
            said.setdefault(check, []).append(verdict_word(item.get("verdict")))
            titles[check] = in_language(item.get("title"), words.language) or check
    badges = [(shorten(titles[check], 80), worst(said[check])) for check in BADGES if check in said]
    if chapter.pairs:
        row = chapter.pairs[0]
        rate = row.one_way.partition(" ")[0]
        text = words.say("interconnect.worst_pair", node=row.node, pair=row.pair, rate=rate)
        badges.append((text, row.verdict))
    return badges
