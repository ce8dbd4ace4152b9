"""Memory of every chip: capacity and ECC counters by ``npu-smi``, bandwidths by ``ascend-dmi``; nothing is judged here.

Chips are measured one after the other: h2d and d2h of two chips would share the host's memory and PCIe switches.
"""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple, Sequence

from ..common import Document, note, observation
from ..fabric.tool import Answer
from . import dmi_session, npu_info, npu_smi_fields
from .dmi_parse import D2D, D2H, H2D
from .dmi_progress import Progress
from .texts import Reading

COLLECTOR = "hbm_test"
TYPES = ("memory", "ecc")
FACTS = {
    D2D: "device_to_device_gbytes_per_s",
    H2D: "host_to_device_gbytes_per_s",
    D2H: "device_to_host_gbytes_per_s",
}
# What may not grow while a chip is tested: corrected single bit errors may.
COUNTERS = ("hbm_double_bit", "hbm_double_bit_total", "hbm_isolated_pages")


class Options(NamedTuple):
    """``kinds``: of d2d, h2d, d2h. ``idle_percent``: memory that a free chip may hold."""

    kinds: Sequence[str] = (D2D, H2D, D2H)
    allow_busy: bool = False
    idle_percent: float = 15.0


def run(
    subject: str,
    session: dmi_session.Session,
    options: Options,
    *,
    progress: Progress,
    simulated: bool,
) -> Document:
    """``{"observations": one of kind npu a chip and one of kind node, "refused": sentences}``."""
    smi = session.smi
    chips = dmi_session.look(smi, TYPES, options.idle_percent)
    busy = dmi_session.busy_facts(chips, options.allow_busy)
    rates: dict[str, dict[str, Reading]] = {}
    if not busy["refused"]:
        rates = _measure(chips.rows, session, options, progress)
    after = _ecc(smi, chips.rows) if rates else {}
    entries = []
    for row in chips.rows:
        facts = _facts(row, chips, rates.get(row["place"], {}), options=options, busy=busy, after=after)
        facts["notes"] += session.notes
        entries.append(observation("npu", f"{subject}/{row['place']}", COLLECTOR, facts, simulated))
    node = _node(chips, busy, session)
    raw = [session.dmi.transcript()] if session.dmi.answers else []
    made: list[Document] = [{"observation": observation("node", subject, COLLECTOR, node, simulated), "raw": raw}]
    made += [{"observation": entry, "raw": []} for entry in entries]
    progress.end("refused" if busy["refused"] else "done")
    return {"observations": made, "refused": busy["chips"] if busy["refused"] else []}


def _node(chips: dmi_session.Chips, busy: Document, session: dmi_session.Session) -> Document:
    """Of the node: how much was done, and why not more. Bandwidths are facts of the chips."""
    why = dmi_session.unusable(chips) or session.dmi.useless
    notes = ([note("hbm", why)] if why else []) + session.notes
    return {
        "hbm_test": {"chip_count": len(chips.rows), "calls": len(session.dmi.answers), "busy": busy},
        "notes": notes,
    }


def _measure(
    rows: Sequence[Mapping[str, Any]], session: dmi_session.Session, options: Options, progress: Progress
) -> dict[str, dict[str, Reading]]:
    total = len(rows) * len(options.kinds)
    rates: dict[str, dict[str, Reading]] = {}
    done = 0
    for row in rows:
        found = rates.setdefault(row["place"], {})
        for kind in options.kinds:
            progress.step(f"{kind} of {row['place']}", done, total)
            found[kind] = _one(row, kind, session)
            done += 1
    progress.step("", done, total)
    return rates


def _one(row: Mapping[str, Any], kind: str, session: dmi_session.Session) -> Reading:
    device = row.get("logic_id")
    if device is None:
        return Reading(None, "its logical id, which ascend-dmi asks for, was not read")
    return session.dmi.bandwidth(kind, int(device))


def _facts(
    row: Mapping[str, Any],
    chips: dmi_session.Chips,
    rates: Mapping[str, Reading],
    *,
    options: Options,
    busy: Document,
    after: Mapping[int, Reading],
) -> Document:
    notes: list[dict[str, str]] = []
    mine = [sentence for sentence in busy["chips"] if sentence.startswith(f"{row['place']}: ")]
    capacity = _capacity(row, chips)
    if capacity.value is None:
        notes.append(note("hbm.capacity_mib", str(capacity.problem)))
    hbm: Document = {"capacity_mib": capacity.value}
    problems = []
    for kind, fact in FACTS.items():
        reading = rates.get(kind, Reading(None, _why_not(kind, options, busy)))
        hbm[fact] = None if reading.value is None else round(reading.value["gbytes_per_s"], 4)
        if reading.value is None:
            notes.append(note(f"hbm.{fact}", str(reading.problem)))
            problems.append(f"{kind}: {reading.problem}")
    hbm["problem"] = "; ".join(dict.fromkeys(problems)) or None
    hbm["ecc_grown"] = _grown(row, chips, after) if rates else None
    if mine and not busy["refused"]:
        notes.append(note("hbm", f"tested though in use: {mine[0]}"))
    return {"hbm": hbm, "busy": {"refused": busy["refused"], "chips": mine}, "notes": notes}


def _why_not(kind: str, options: Options, busy: Document) -> str:
    if busy["refused"]:
        return f"not tested, chips of the node are in use: {'; '.join(busy['chips'][:3])}"
    return "was not asked for" if kind not in options.kinds else "was not measured"


def _type(kind: str, row: Mapping[str, Any], chips: dmi_session.Chips) -> Reading:
    reading = chips.seen.types.get(kind, {}).get(row["npu_id"], Reading(None, "not asked"))
    alone = sum(each["npu_id"] == row["npu_id"] for each in chips.rows) == 1
    value = npu_info.of_chip(reading, row["chip_id"], alone)
    if value is None:
        return Reading(None, reading.problem or "the answer does not tell which chip it is about")
    return Reading(value)


def _capacity(row: Mapping[str, Any], chips: dmi_session.Chips) -> Reading:
    """HBM of the chip in MiB, by table and ``-t memory``; two that differ are none."""
    memory = _type("memory", row, chips)
    # A table of a product without HBM has a column of noughts or none at all.
    told = [value for value in (row.get("hbm_total_mib"), (memory.value or {}).get("hbm_total_mib")) if value]
    if len(set(told)) > 1:
        return Reading(None, f"npu-smi tells two capacities: {told[0]} MiB (table) and {told[1]} MiB (-t memory)")
    if told:
        return Reading(told[0])
    return Reading(None, memory.problem or "npu-smi does not tell it")


def _ecc(smi: Any, rows: Sequence[Mapping[str, Any]]) -> dict[int, Reading]:
    """The counters again, by NPU id."""
    ids = sorted({row["npu_id"] for row in rows})

    def ask(npu: int) -> Answer:
        answer: Answer = smi.short(["info", "-t", "ecc", "-i", str(npu)])
        return answer

    return {
        npu: npu_smi_fields.parse_type("ecc", answer.text, npu) if answer.rc == 0 else Reading(None, "no answer")
        for npu, answer in zip(ids, smi.spread(ask, ids))
    }


def _grown(row: Mapping[str, Any], chips: dmi_session.Chips, after: Mapping[int, Reading]) -> list[str] | None:
    """Counters that grew while the chip was tested; None: they were not read both times."""
    before = _type("ecc", row, chips).value
    alone = sum(each["npu_id"] == row["npu_id"] for each in chips.rows) == 1
    now = npu_info.of_chip(after.get(row["npu_id"], Reading(None)), row["chip_id"], alone)
    if before is None or now is None:
        return None
    before, now = npu_info.flat_ecc(before), npu_info.flat_ecc(now)
    pairs = [(name, before.get(name), now.get(name)) for name in COUNTERS]
    return [f"{name} {old} -> {new}" for name, old, new in pairs if old is not None and new is not None and new > old]
