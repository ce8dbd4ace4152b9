"""Joins what the nodes measured: two halves of each flow to one number, flows to pairs of nodes, counters to incast.

Pure, for the controller. A sender's and a receiver's number must agree; where only one side has a number it counts, and
a note says so. What nobody measured is null and stands in ``failed``.
"""

from __future__ import annotations

from typing import Any, Iterable, Mapping, NamedTuple, Sequence

from ..common import Document, as_dict, as_integer, as_list, as_number, as_text, note
from . import counters, measure, roce_parse, roce_test, schedule

AGREEMENT = 0.02  # of two sides' rates; captures of a send test differ by 0.12 %
BANDWIDTH_SCHEMA = "npuforge.fabric_bandwidth/1"


class Pair(NamedTuple):
    """Two nodes and the facts of their observation (docs/fabric.md section 6)."""

    name: str
    nodes: tuple[str, str]
    facts: Document


def halves_of(results: Any) -> dict[str, Document]:
    """The halves in the results of ``fabric_test``, by node. What is no half of ours is passed over."""
    found = {}
    for result in as_list(results):
        half = as_dict(as_dict(result).get("half"))
        node = as_text(half.get("node"))
        if node is not None and half.get("schema") == measure.HALF_SCHEMA:
            found[node] = half
    return found


def pairs(plan: Any, halves: Mapping[str, Document], slow_below_gbit_per_s: float | None = None) -> list[Pair]:
    """Every pair of the plan's nodes, measured or not.

    ``slow_below_gbit_per_s``: the contract's limit per port; None: nothing is called slow.
    """
    order = schedule.nodes_of(plan)
    flows: dict[str, dict[str, list[Document]]] = {}
    nodes: dict[str, tuple[str, str]] = {}
    lone: dict[str, list[str]] = {}
    ports, _ = schedule.ports_of(plan)
    for step in schedule.steps(plan):
        name = schedule.pair_name(step.source, step.target, order)
        nodes.setdefault(name, (step.source, step.target))
        rows = flows.setdefault(name, {}).setdefault(f"{step.source}->{step.target}", [])
        rows += [_flow(flow, halves) for flow in step.flows]
        paired = {flow.source.id for flow in step.flows}
        alone = [port.id for port in ports.get(step.source, []) if port.id not in paired]
        lone.setdefault(name, []).extend(f"{port} has no port of its rail on {step.target}" for port in alone)
    return [Pair(name, nodes[name], _pair(flows[name], lone[name], slow_below_gbit_per_s)) for name in flows]


def _half_flow(half: Document | None, role: str, flow: schedule.Flow) -> Document:
    for row in as_list(as_dict(half).get("flows")):
        entry = as_dict(row)
        if (entry.get("role"), entry.get("source"), entry.get("target")) == (role, flow.source.id, flow.target.id):
            return entry
    return {}


def _flow(flow: schedule.Flow, halves: Mapping[str, Document]) -> Document:
    """One row of ``ports``, with ``note`` beside the seam's keys (taken out again by ``_pair``)."""
    source, target = halves.get(flow.source.node), halves.get(flow.target.node)
    sent, received = _half_flow(source, roce_test.SEND, flow), _half_flow(target, roce_test.RECEIVE, flow)
    said: tuple[float | None, str | None, str | None] = (None, _absent(flow, halves), None)
    rate, problem, remark = _rate(sent, received) if sent or received else said
    side = sent if as_number(sent.get("bytes_per_second")) is not None else received
    here = measure.retransmitted(as_dict(source), flow.source.id, sent.get("during"))
    there = measure.retransmitted(as_dict(target), flow.target.id, received.get("during"))
    return {
        "source": flow.source.id,
        "target": flow.target.id,
        "gbit_per_s": None if rate is None else round(rate * 8 / 1e9, 3),
        "gbytes_per_s": None if rate is None else round(rate / 1e9, 4),
        "message_bytes": as_integer(side.get("message_bytes")) if rate is not None else None,
        "iterations": as_integer(side.get("iterations")) if rate is not None else None,
        "seconds": as_number(side.get("seconds")) if rate is not None else None,
        # One lost packet may be counted at both ends; the sender is the one that sends again.
        "retransmitted_packets": None if here is None else max(here, there or 0),
        "problem": problem,
        "note": remark,
    }


def _rate(sent: Document, received: Document) -> tuple[float | None, str | None, str | None]:
    """``(bytes per second, problem, note)`` of one flow by what its two sides say."""
    first, second = as_number(sent.get("bytes_per_second")), as_number(received.get("bytes_per_second"))
    if first is not None and second is not None:
        if second <= 0 or abs(first / second - 1) > AGREEMENT:
            both = f"the sender measured {first * 8 / 1e9:.1f} Gb/s and the receiver {second * 8 / 1e9:.1f} Gb/s"
            return None, both, None
        return first, None, None
    if first is not None:
        silent = as_text(received.get("problem")) or "nothing"
        return first, None, f"the sender's number alone (the receiver says: {silent})"
    told = as_text(sent.get("problem"))
    # A sender with a whole report that was not the planned one: then the receiver's is not either.
    if second is not None and sent.get("state") != roce_parse.DONE:
        return second, None, f"the receiver's number alone (the sender says: {told or 'nothing'})"
    if sent.get("state") == roce_test.HUNG and received.get("state") == roce_test.HUNG:
        return None, "the receiver hung: the sender had connected, and neither ended until they were reset", None
    other = as_text(received.get("problem"))
    reasons = [f"sender: {told}" if told else "", f"receiver: {other}" if other else ""]
    return None, "; ".join(reason for reason in reasons if reason) or "no result", None


def _absent(flow: schedule.Flow, halves: Mapping[str, Document]) -> str:
    """Why nobody measured a flow."""
    for node in (flow.source.node, flow.target.node):
        half = halves.get(node)
        if half is None:
            return f"{node} did not take part in the test"
        refused = [text for text in map(as_text, as_list(half.get("refused"))) if text]
        if refused:
            return f"{node} refused the test: {'; '.join(refused[:2])}"
        if half.get("problem"):
            return f"{node} could not test: {as_text(half.get('problem'))}"
    return "neither side has tried"


def _pair(directions: dict[str, list[Document]], lone: Sequence[str], limit: float | None) -> Document:
    rows = [row for flows in directions.values() for row in flows]
    remarks = [(f"{row['source']} -> {row['target']}", row.pop("note")) for row in rows]
    failed = [f"{row['source']} -> {row['target']}: {row['problem'] or 'no result'}" for row in rows if _none(row)]
    failed += list(lone)
    slow = []
    if limit is not None:
        below = sorted((row for row in rows if not _none(row) and row["gbit_per_s"] < limit), key=_speed)
        slow = [
            f"{row['source']} -> {row['target']}: {row['gbit_per_s']:.1f} Gb/s, at least {limit:g}" for row in below
        ]
    sums: dict[str, float | None] = {}
    for direction, flows in directions.items():
        whole = flows and not any(map(_none, flows)) and not lone
        sums[direction] = round(sum(row["gbytes_per_s"] for row in flows), 3) if whole else None
    known = [row["gbit_per_s"] for row in rows if not _none(row)]
    slowest = min(known) if known else None
    if failed and not slow:
        slowest = None  # the slowest is among those that gave no number; one that is known to be too slow stays
    lost = [row["retransmitted_packets"] for row in rows]
    facts: Document = {
        "one_way_gbytes_per_s": sums,
        "slowest_direction_gbytes_per_s": _least(list(sums.values())),
        "slowest_port_gbit_per_s": slowest,
        "ports": rows,
        "retransmitted_packets": None if not lost or None in lost else sum(lost),
        "failed": failed,
        "slow_ports": slow,
    }
    where = "slowest_direction_gbytes_per_s, slowest_port_gbit_per_s, retransmitted_packets"
    notes = [note(where, sentence) for sentence in failed[:8]]
    if facts["retransmitted_packets"] is None and not failed:
        unseen = [f"{row['source']} -> {row['target']}" for row in rows if row["retransmitted_packets"] is None]
        notes.append(note("retransmitted_packets", f"counters could not be compared for {', '.join(unseen[:4])}"))
    notes += [note(name, remark) for name, remark in remarks if remark]
    facts["notes"] = notes[:40]
    return facts


def _none(row: Document) -> bool:
    return row["gbit_per_s"] is None


def _least(values: list[float | None]) -> float | None:
    """The smallest, None when one is not known."""
    known = [value for value in values if value is not None]
    return min(known) if known and len(known) == len(values) else None


def _speed(row: Document) -> float:
    return float(row["gbit_per_s"])


def incast(
    facts: Any,
    before: Mapping[str, Document],
    after: Mapping[str, Document],
    switch_before: Mapping[str, Document],
    switch_after: Mapping[str, Document],
) -> Document:
    """The ``incast`` facts with the counters around the collectives; null where a side could not be seen.

    :param facts: ``incast`` as ``collective_test`` has it.
    :param before: halves of the bandwidth test (their last counters count), ``after``: halves of the snapshot.
    :param switch_before: ``counters`` of each planned switch port (``sw1/400GE1/0/6:1``), ``switch_after`` after it.
    """
    found: Document = {"operation": "alltoall", "failed_ranks": None, **as_dict(facts)}
    found.update(dict.fromkeys(("pfc_frames", "dropped_packets", "retransmitted_packets", "pfc_acted")))
    if found["failed_ranks"] is None:
        return found
    first, last = _last_counters(before), _last_counters(after)
    couples = [(first.get(port), last.get(port)) for port in dict.fromkeys([*first, *last])]
    sent = counters.total(couples, counters.PFC_SENT)
    received = counters.total(couples, counters.PFC_RECEIVED)
    names = dict.fromkeys([*switch_before, *switch_after])
    switches = [(switch_before.get(name), switch_after.get(name)) for name in names]
    paused = [counters.total(switches, key) for key in ("pfc_rx_frames", "pfc_tx_frames")]
    seen = [_sum(sent, received), _sum(paused[0], paused[1])]
    # Both ends of a cable count the same frames: not added, the larger view counts.
    frames = max((value for value in seen if value is not None), default=None)
    found["pfc_frames"] = frames
    found["pfc_acted"] = None if frames is None else frames > 0
    found["dropped_packets"] = counters.total(switches, "drops")
    found["retransmitted_packets"] = counters.total(couples, counters.RETRANSMITTED)
    return found


def incast_notes(facts: Document) -> list[Document]:
    """Why counters of the incast are null."""
    if facts.get("failed_ranks") is None:
        return []
    reasons = {
        "dropped_packets": "drops are counted by the switches, whose ports were not all read before and after the test",
        "pfc_frames": "PFC frames were counted neither on all NPU ports nor on all switch ports before and after",
    }
    return [note("incast", text) for key, text in reasons.items() if facts.get(key) is None]


def _sum(first: int | None, second: int | None) -> int | None:
    return None if first is None or second is None else first + second


def _last_counters(halves: Mapping[str, Document]) -> dict[str, Any]:
    """The newest counters of each port."""
    found: dict[str, Any] = {}
    for half in halves.values():
        seen = as_list(half.get("counters"))
        found.update(as_dict(seen[-1]) if seen else {})
    return found


def matrix(plan: Any, found: Iterable[Pair], limit: float | None) -> Document:
    """What ``fabric/bandwidth.json`` holds: port by port, Gb/s, rows send to columns; null: not measured.

    Only ports of one rail are measured with each other; ``worst`` lists flows, those without a number first.
    """
    ports, _ = schedule.ports_of(plan)
    names = [port.id for node in schedule.nodes_of(plan) for port in ports.get(node, [])]
    rates: dict[tuple[str, str], float | None] = {}
    rows = [row for pair in found for row in pair.facts["ports"]]
    for row in rows:
        rates[(row["source"], row["target"])] = row["gbit_per_s"]
    worst = sorted(rows, key=lambda row: (not _none(row), row["gbit_per_s"] or 0.0))
    keys = ("source", "target", "gbit_per_s", "retransmitted_packets", "problem")
    return {
        "schema": BANDWIDTH_SCHEMA,
        "unit": "Gb/s",
        "ports": names,
        "gbit_per_s": [[rates.get((source, target)) for target in names] for source in names],
        "slow_below_gbit_per_s": limit,
        "worst": [{key: row[key] for key in keys} for row in worst[:48]],
    }
