"""What is wrong with the interconnect, in sentences: topology against the mesh, links against each other, slow pairs.

The mesh: on A2 every chip reaches every other over HCCS (capture of a 910B1); on A3 the two dies of a card over SIO and
all others over HCCS through a switch (public A3 notes). Limits of bandwidth are the contract's; here pairs are compared
with each other only.
"""

from __future__ import annotations

import re
from statistics import median
from typing import Any, Mapping, Sequence

from ..common import Document
from .texts import Reading

Rates = Mapping["tuple[str, str]", float]
MESHES = ("910B", "A3")
_LANE_GBIT_PER_S = 56  # the program's source: link speed is lanes x 56


def matrix(words: Reading, rows: Sequence[Mapping[str, Any]]) -> Reading:
    """The topology's words in the order of the chips' places; None where a chip is not in the table."""
    if words.value is None:
        return Reading(None, words.problem)
    names = []
    for row in rows:
        known = [name for name in words.value["names"] if _number(name) == _key(name, row)]
        if len(known) != 1:
            return Reading(None, f"{row['place']} is not in the topology")
        names.append(known[0])
    links = words.value["links"]
    return Reading([[links[one][two] for two in names] for one in names])


def _number(name: str) -> int:
    return int(re.sub(r"\D", "", name) or -1)


def _key(name: str, row: Mapping[str, Any]) -> Any:
    """A2 rows are named by NPU id, A3 rows by physical id."""
    return row.get("phy_id") if name.startswith("Phy") else row["npu_id"]


def topology_problems(
    topology: Sequence[Sequence[str]] | None,
    rows: Sequence[Mapping[str, Any]],
    generation: str | None,
    chip_count: int | None,
) -> list[str] | None:
    """Sentences; None: the topology, or which mesh it must be, is not known.

    :param generation: ``910B`` or ``A3``, as ``npu_info.generation`` tells it.
    :param chip_count: how many chips there must be; None: as many as there are.
    """
    if topology is None or generation not in MESHES:
        return None
    told = []
    if chip_count is not None and len(rows) != chip_count:
        told.append(f"{len(rows)} of {chip_count} chips are in the mesh")
    for i, one in enumerate(rows):
        for j in range(i + 1, len(rows)):
            wanted: tuple[str, ...] = ("HCCS",)
            if generation == "A3":
                wanted = ("SIO",) if one["npu_id"] == rows[j]["npu_id"] else ("HCCS_SW", "HCCS")
            word = topology[i][j]
            if word not in wanted:
                told.append(f"{one['place']} - {rows[j]['place']}: {word}, {wanted[0]} is wanted")
    return told


def links(
    states: Mapping[str, Reading], link_count: int | None, link_gbit_per_s: float | None
) -> tuple[list[Document] | None, list[str] | None]:
    """(facts ``links``, sentences): the HCCS links of each chip by place; (None, None): no chip told them.

    Without ``link_count`` and ``link_gbit_per_s`` the best chip and the fastest link of the node are the measure. A
    port without lanes is a link that is down only where its chip has too few: boards have ports that are no HCCS links.
    """
    told = {place: state.value for place, state in states.items() if state.value is not None}
    if not told:
        return None, None
    up = {place: sum((link["gbit_per_s"] or 0) > 0 for link in state["links"]) for place, state in told.items()}
    wanted = max(up.values()) if link_count is None else link_count
    speeds = [link["gbit_per_s"] for state in told.values() for link in state["links"] if link["gbit_per_s"]]
    speed = (max(speeds) if speeds else 0) if link_gbit_per_s is None else link_gbit_per_s
    facts: list[Document] = []
    sentences = []
    for place, state in told.items():
        short = up[place] < wanted
        if state["health"] == "NOK":
            first = state["first_error_lane"]
            sentences.append(f"{place}: HCCS health is NOK" + ("" if first is None else f", first error at {first}"))
        if short:
            sentences.append(f"{place}: {up[place]} of {wanted} HCCS links are up")
        for link in state["links"]:
            row = _link(place, link, state, speed, short)
            if row is None:
                continue
            facts.append(row)
            if row["ok"] is False and (row["gbit_per_s"] or 0) > 0:
                lanes = "" if link["lanes_up"] in (None, link["lane_count"]) else f", {link['lanes_up']} lanes are up"
                sentences.append(f"{place} link {link['link']}: {row['gbit_per_s']} of {speed:g} Gb/s{lanes}")
            elif row["ok"] is False:
                sentences.append(f"{place} link {link['link']} is down")
    if any(state.value is None for state in states.values()):
        # What the others say is told, but that nothing is wrong cannot be.
        return facts, sentences or None
    return facts, sentences


def _link(place: str, link: Mapping[str, Any], state: Mapping[str, Any], speed: float, short: bool) -> Document | None:
    """Fact of one link; None: a port that is no HCCS link."""
    rate = link["gbit_per_s"]
    if rate == 0 and not short:
        return None
    ok: bool | None = None
    if rate is not None:
        lanes = link["lanes_up"]
        ok = rate >= speed and (lanes is None or lanes * _LANE_GBIT_PER_S >= rate)
        if ok and state["health"] != "OK":
            # The chip is not well: the link that is named is at fault, of the others nobody knows.
            ok = False if state["first_error_lane"] == link["link"] else None
    return {"npu": place, **{k: link[k] for k in ("link", "gbit_per_s", "retry_count", "error_count")}, "ok": ok}


def link_errors(before: Mapping[str, Reading], after: Mapping[str, Reading]) -> list[str]:
    """Links whose CRC errors grew while bandwidth was measured."""
    told = []
    for place, state in before.items():
        now = after.get(place, Reading(None))
        if state.value is None or now.value is None:
            continue
        counts = {link["link"]: link["error_count"] for link in now.value["links"]}
        for link in state.value["links"]:
            old, new = link["error_count"], counts.get(link["link"])
            if old is not None and new is not None and new > old:
                told.append(f"{place} link {link['link']}: {new - old} CRC errors during the test")
    return told


def groups(topology: Sequence[Sequence[str]] | None, places: Sequence[str]) -> dict[tuple[str, str], str]:
    """The kind of way between two places, so that SIO is compared with SIO; one kind where the topology is unknown."""
    return {
        (one, two): "" if topology is None else topology[i][j]
        for i, one in enumerate(places)
        for j, two in enumerate(places)
        if i != j
    }


def middle(rates: Rates) -> float | None:
    return round(median(rates.values()), 3) if rates else None


def slow_pairs(rates: Rates, ways: Mapping[tuple[str, str], str], percent: float, direction: str) -> list[str]:
    """Pairs more than ``percent`` below the median of their kind, slowest first.

    :param direction: ``one way`` or ``two ways``, for the sentence.
    """
    by_way: dict[str, list[float]] = {}
    for pair, rate in rates.items():
        by_way.setdefault(ways.get(pair, ""), []).append(rate)
    found = []
    for pair, rate in rates.items():
        usual = median(by_way[ways.get(pair, "")])
        if usual > 0 and rate < usual * (1 - percent / 100.0):
            below = 100.0 * (1 - rate / usual)
            against = f"{below:.0f} % below the median of {usual:.1f} GB/s"
            found.append((rate / usual, f"{pair[0]} -> {pair[1]}: {rate:.1f} GB/s {direction}, {against}"))
    return [sentence for _, sentence in sorted(found)]


def table(rates: Rates, places: Sequence[str]) -> list[list[float | None]]:
    """Rows: senders; columns: receivers; None on the diagonal and where nothing was measured."""
    return [[None if one == two else rates.get((one, two)) for two in places] for one in places]
