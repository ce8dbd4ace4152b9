"""The way between the chips of a node: topology, HCCS links, and bandwidth of every pair one way and two ways.

Pairs are measured with one call that measures all of them; what it does not tell, pair by pair. A matrix that prints no
unit counts only when one pair, measured alone with its unit, shows what the numbers are. So a node costs one call to
``ascend-dmi`` at best, ``n * (n - 1) + 2`` at worst, and never more than the time given.
"""

from __future__ import annotations

from typing import Any, Callable, Mapping, NamedTuple, Sequence

from ..common import Document, note, observation
from . import dmi_run, dmi_session, hccs_parse, npu_info
from . import interconnect_rules as rules
from .dmi_parse import ONE_WAY, TWO_WAY
from .dmi_progress import Progress
from .texts import Reading

COLLECTOR = "interconnect_test"
TYPES = ("board",)
TRAFFIC_MILLISECONDS = 100
_ALIKE = 0.3  # how far a pair measured twice may differ; a wrong unit is off by a thousand
_MOST_FAILED = 40  # sentences


class Options(NamedTuple):
    """``generation``: of ``rules.MESHES``, None: by PCI id. ``chip_count``, ``link_count``, ``link_gbit_per_s``: what
    must be there, None: as the node's best. ``below_median_percent``: from where on a pair is slow."""

    generation: str | None = None
    chip_count: int | None = None
    link_count: int | None = None
    link_gbit_per_s: float | None = None
    below_median_percent: float = 15.0
    allow_busy: bool = False
    idle_percent: float = 15.0


class Pairs(NamedTuple):
    """Rates in GB/s by (place, place), and why a pair has none."""

    one_way: dict[tuple[str, str], float]
    two_way: dict[tuple[str, str], float]
    failed: dict[tuple[str, str], str]


def run(
    subject: str, session: dmi_session.Session, options: Options, *, progress: Progress, simulated: bool
) -> Document:
    """``{"observations": one of kind node, "refused": sentences}``."""
    smi = session.smi
    seen = npu_info.read(smi, TYPES)
    rows = npu_info.chips_of(seen)
    chips = dmi_session.look(smi, TYPES, options.idle_percent, _traffic(smi, rows), seen)
    busy = dmi_session.busy_facts(chips, options.allow_busy)
    before = _links(smi, chips.rows)
    pairs, after = Pairs({}, {}, {}), {}
    if chips.rows and not busy["refused"]:
        pairs = measure(session.dmi, chips.rows, progress)
        after = _links(smi, chips.rows)
    facts = _facts(chips, options, (before, after), pairs, busy)
    if not pairs.one_way and session.dmi.useless:
        facts["notes"].append(note("interconnect", session.dmi.useless))
    facts["notes"] += session.notes
    raw = [session.dmi.transcript()] if session.dmi.answers else []
    progress.end("refused" if busy["refused"] else "done")
    entry = {"observation": observation("node", subject, COLLECTOR, facts, simulated), "raw": raw}
    return {"observations": [entry], "refused": busy["chips"] if busy["refused"] else []}


def _per_chip(
    smi: Any, rows: Sequence[Mapping[str, Any]], words: Sequence[str], parse: Callable[[str], Reading]
) -> Any:
    """The answer of each chip by (NPU id, chip id); both ids are needed for questions about HCCS."""

    def ask(row: Mapping[str, Any]) -> Reading:
        asked = ["info", "-t", words[0], "-i", str(row["npu_id"]), "-c", str(row["chip_id"]), *words[1:]]
        answer = smi.short(asked)
        return parse(answer.text) if answer.rc is not None else Reading(None, "npu-smi gave no answer")

    return {(row["npu_id"], row["chip_id"]): told for row, told in zip(rows, smi.spread(ask, rows))}


def _traffic(smi: Any, rows: Sequence[Mapping[str, Any]]) -> dict[tuple[int, int], float]:
    told = _per_chip(smi, rows, ["hccs-bw", "-time", str(TRAFFIC_MILLISECONDS)], hccs_parse.parse_traffic)
    return {key: max(each.value.values()) for key, each in told.items() if each.value is not None}


def _links(smi: Any, rows: Sequence[Mapping[str, Any]]) -> dict[str, Reading]:
    told = _per_chip(smi, rows, ["hccs"], hccs_parse.parse_hccs)
    return {row["place"]: told[(row["npu_id"], row["chip_id"])] for row in rows}


def measure(dmi: dmi_run.Dmi, rows: Sequence[Mapping[str, Any]], progress: Progress) -> Pairs:
    """Every pair of the chips, in both orders. ``rows``: with ``place`` and ``logic_id``."""
    place_of = {row["logic_id"]: row["place"] for row in rows if row.get("logic_id") is not None}
    wanted = [(one, two) for one in place_of for two in place_of if one != two]
    pairs = Pairs({}, {}, {})
    for row in rows:
        if row.get("logic_id") is None:
            others = (other["place"] for other in rows if other is not row)
            why = "the logical id, which ascend-dmi asks for, was not read"
            pairs.failed.update({(row["place"], other): why for other in others})
    total = len(wanted) + 1
    progress.step("all pairs", 0, total)
    told = _whole(dmi, wanted) if wanted else None
    if told is not None:
        for kind, kept in ((ONE_WAY, pairs.one_way), (TWO_WAY, pairs.two_way)):
            kept.update(
                {(place_of[a], place_of[b]): rate for (a, b), rate in told[kind].items() if (a, b) in set(wanted)}
            )
    missing = [pair for pair in wanted if not _has(pairs, place_of[pair[0]], place_of[pair[1]])]
    total = 1 + len(missing)
    for done, (one, two) in enumerate(missing, 1):
        name = (place_of[one], place_of[two])
        progress.step(f"{name[0]} -> {name[1]}", done, total)
        reading = dmi.pair(one, two)
        for kind, kept in ((ONE_WAY, pairs.one_way), (TWO_WAY, pairs.two_way)):
            rate = None if reading.value is None else reading.value[kind]
            if rate is not None and name not in kept:
                kept[name] = rate
        if not _has(pairs, *name):
            kinds = [
                word for word, kept in (("one way", pairs.one_way), ("two ways", pairs.two_way)) if name not in kept
            ]
            pairs.failed[name] = reading.problem or f"the answer has no figure for {' and '.join(kinds)}"
    progress.step("", total, total)
    return pairs


def _has(pairs: Pairs, one: str, two: str) -> bool:
    return (one, two) in pairs.one_way and (one, two) in pairs.two_way


def _whole(dmi: dmi_run.Dmi, wanted: Sequence[tuple[int, int]]) -> Document | None:
    """What the one call for all pairs told, in GB/s; None: nothing that can be used."""
    reading = dmi.matrix()
    if reading.value is None:
        return None
    value: Document = reading.value
    if value["unit"] is not None:
        return value
    # Numbers without a unit: one pair, measured alone, says whether they are gigabytes or megabytes.
    known = next((pair for pair in wanted if pair in value[ONE_WAY]), None)
    alone = dmi.pair(*known) if known is not None else Reading(None)
    rate = None if alone.value is None else alone.value[ONE_WAY]
    if known is None or not rate:
        return None
    for factor in (1.0, 1e-3):
        if abs(value[ONE_WAY][known] * factor / rate - 1) <= _ALIKE:
            return {kind: {p: r * factor for p, r in value[kind].items()} for kind in (ONE_WAY, TWO_WAY)}
    return None


def _facts(
    chips: dmi_session.Chips,
    options: Options,
    links: tuple[Mapping[str, Reading], Mapping[str, Reading]],
    pairs: Pairs,
    busy: Document,
) -> Document:
    notes: list[dict[str, str]] = []
    places = [row["place"] for row in chips.rows]
    words = rules.matrix(chips.seen.topology, chips.rows) if places else Reading(None, dmi_session.unusable(chips))
    if words.value is None:
        notes.append(note("interconnect.topology", str(words.problem)))
    mesh = _generation(chips) if options.generation is None else Reading(options.generation)
    problems = rules.topology_problems(words.value, chips.rows, mesh.value, options.chip_count)
    if problems is None:
        why = words.problem or mesh.problem or f"no mesh is known for {mesh.value}"
        notes.append(note("interconnect.topology_problems", str(why)))
    before, after = links
    link_rows, link_problems = rules.links({**before, **after}, options.link_count, options.link_gbit_per_s)
    grown = rules.link_errors(before, after)
    if link_problems is None and grown:
        link_problems = grown
    elif link_problems is not None:
        link_problems += grown
    unread = [f"{place}: {state.problem}" for place, state in before.items() if state.value is None]
    if unread:
        notes.append(note("interconnect.link_problems", "; ".join(unread[:4])))
    ways = rules.groups(words.value, places)
    percent = options.below_median_percent
    slow = rules.slow_pairs(pairs.one_way, ways, percent, "one way")
    slow += rules.slow_pairs(pairs.two_way, ways, percent, "two ways")
    measured = bool(pairs.one_way or pairs.two_way or pairs.failed)
    facts: Document = {
        "topology": words.value,
        "topology_problems": problems,
        "links": link_rows,
        "link_problems": link_problems,
        "one_way_gbytes_per_s": rules.table(pairs.one_way, places) if measured else None,
        "two_way_gbytes_per_s": rules.table(pairs.two_way, places) if measured else None,
        "lowest_one_way_gbytes_per_s": _lowest(pairs.one_way, len(places)),
        "lowest_two_way_gbytes_per_s": _lowest(pairs.two_way, len(places)),
        "median_one_way_gbytes_per_s": rules.middle(pairs.one_way),
        "median_two_way_gbytes_per_s": rules.middle(pairs.two_way),
        "below_median_percent": percent,
        # A comparison needs the whole: with a pair missing nobody knows whether all are even.
        "slow_pairs": slow if measured and (slow or not pairs.failed) else None,
        "failed": _failed(pairs) if measured else None,
        "chips": [_chip(row) for row in chips.rows],
    }
    unmeasured = _unmeasured(pairs, places, busy)
    if unmeasured is not None:
        notes.append(note("interconnect", unmeasured))
    if busy["chips"] and not busy["refused"]:
        notes.append(note("interconnect", f"tested though in use: {'; '.join(busy['chips'][:4])}"))
    return {"interconnect": facts, "busy": busy, "notes": notes}


def _chip(row: Mapping[str, Any]) -> Document:
    return {key: row.get(key) for key in ("place", "npu_id", "chip_id", "phy_id", "logic_id")}


def _generation(chips: dmi_session.Chips) -> Reading:
    """The one generation of all chips, by PCI id and memory."""
    told = set()
    for row in chips.rows:
        reading = chips.seen.types.get("board", {}).get(row["npu_id"], Reading(None))
        board = npu_info.of_chip(reading, row["chip_id"], True) or {}
        told.add(npu_info.generation(board.get("pci_device_id"), row.get("hbm_total_mib")).value)
    if len(told) == 1 and None not in told:
        return Reading(told.pop())
    return Reading(None, "the chips' generation was not read, or is not one")


def _lowest(rates: Mapping[tuple[str, str], float], count: int) -> float | None:
    """The slowest pair; None unless every pair was measured: the one that is missing may be slower."""
    return round(min(rates.values()), 3) if rates and len(rates) == count * (count - 1) else None


def _failed(pairs: Pairs) -> list[str]:
    sentences = [f"{one} -> {two}: {why}" for (one, two), why in pairs.failed.items()]
    more = len(sentences) - _MOST_FAILED
    return sentences if more <= 0 else [*sentences[:_MOST_FAILED], f"and {more} more pairs"]


def _unmeasured(pairs: Pairs, places: Sequence[str], busy: Document) -> str | None:
    if busy["refused"]:
        return f"not tested, chips of the node are in use: {'; '.join(busy['chips'][:4])}"
    if len(places) < 2:
        return "there are no two chips to measure between"
    if pairs.failed:
        return f"{len(pairs.failed)} pairs gave no figure: {next(iter(pairs.failed.values()))}"
    return None
