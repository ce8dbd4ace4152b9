"""Reads all NPUs of a node with ``npu-smi``: one table, one list, one topology, and a few questions to each NPU.

The generation is told by PCI device id and memory, never by the name: a 910A can print ``910B``. An NPU's place in the
node (NPU1, NPU2, ...) is its place by physical id where the tool tells one, else by NPU id and chip: ids of small
machines are 5, 24 or 1792.
"""

from __future__ import annotations

import re
from typing import Any, Iterable, Mapping, NamedTuple, Sequence

from ..common import Document, note, observation
from ..fabric.tool import Answer
from . import npu_smi_fields, npu_smi_table
from .hccn_parse import refusal
from .texts import Reading, sample

COLLECTOR = "npu_info"
# Asked of each NPU unless the caller says otherwise. Every type is one more call a card, and calls are most of the
# time: what ``common`` and ``usages`` tell beside the table (frequencies, shares of use) no check needs.
TYPES = ("board", "health", "ecc", "memory")
CHOICES = (*TYPES, "common", "usages")
WIDTH = 4  # npu-smi may run several times at once; more than this only waits for the driver
# PCI device id -> generation and the HBM sizes (MiB a chip) that it is sold with; None: no HBM column.
# d801, d802, d500: npu-smi captures and boards of those products; d803: boards of A3 servers.
GENERATIONS: Mapping[str, tuple[str, tuple[int | None, ...]]] = {
    "0xd801": ("910A", (32768,)),
    "0xd802": ("910B", (32768, 65536)),
    "0xd803": ("A3", (65536,)),
    "0xd500": ("310P", (None,)),
}
_HELD = re.compile(r"ret is -8020")


class Seen(NamedTuple):
    """Readings: the table, the list, the map, the topology, and by type and NPU id; and every call made."""

    table: Reading
    listing: Reading
    mapping: Reading
    topology: Reading
    types: dict[str, dict[int, Reading]]
    answers: list[Answer]
    present: bool
    useless: str | None


def generation(pci_device_id: str | None, hbm_total_mib: int | None) -> Reading:
    """``910A``, ``910B`` (A2), ``A3`` or ``310P``; None when id and memory do not belong together."""
    if pci_device_id is None:
        return Reading(None, "the PCI device id was not read")
    known = GENERATIONS.get(pci_device_id.lower())
    if known is None:
        return Reading(None, f"PCI device id {pci_device_id} is of no NPU that is known")
    name, sizes = known
    if hbm_total_mib not in sizes:
        return Reading(None, f"PCI device id {pci_device_id} ({name}) with {hbm_total_mib} MiB of HBM is no known part")
    return Reading(name)


def read(runner: Any, types: Sequence[str] = TYPES) -> Seen:
    """Ask the tool. ``runner``: ``fabric.tool.Tool`` of npu-smi, or anything with its ``short`` and ``spread``."""
    answers: list[Answer] = []
    first: Answer = runner.short(["info"])
    answers.append(first)
    useless = _useless(first)
    if useless is not None:
        nothing = Reading(None, useless)
        return Seen(nothing, nothing, nothing, nothing, {}, answers, first.rc != 127, useless)
    table = npu_smi_table.parse_table(first.text)
    whole = runner.spread(lambda words: runner.short(["info", *words]), [["-l"], ["-m"], ["-t", "topo"]])
    answers += whole
    listing = _parsed(npu_smi_fields.parse_list, whole[0])
    mapping = _parsed(npu_smi_fields.parse_map, whole[1])
    topology = _parsed(npu_smi_fields.parse_topo, whole[2])
    ids = _ids(table, listing)
    questions = [(kind, npu) for kind in types for npu in ids]

    def ask_one(question: tuple[str, int]) -> Answer:
        kind, npu = question
        answer: Answer = runner.short(["info", "-t", kind, "-i", str(npu)])
        return answer

    told: list[Answer] = runner.spread(ask_one, questions)
    found: dict[str, dict[int, Reading]] = {kind: {} for kind in types}
    for (kind, npu), answer in zip(questions, told):
        answers.append(answer)
        found[kind][npu] = _typed(kind, npu, answer)
    return Seen(table, listing, mapping, topology, found, answers, True, None)


def _typed(kind: str, npu: int, answer: Answer) -> Reading:
    if answer.rc is None:
        return Reading(None, f"npu-smi gave no answer within {answer.seconds:.0f} s")
    return npu_smi_fields.parse_type(kind, answer.text, npu)


def _parsed(parser: Any, answer: Answer) -> Reading:
    if answer.rc is None:
        return Reading(None, f"npu-smi gave no answer within {answer.seconds:.0f} s")
    reading: Reading = parser(answer.text)
    return reading


def _useless(answer: Answer) -> str | None:
    if answer.rc == 127:
        return f"npu-smi cannot be run ({answer.text.strip()[:80]}): is the driver installed?"
    if answer.rc is None:
        return f"npu-smi gave no answer within {answer.seconds:.0f} s"
    if _HELD.search(answer.text[:4000]):
        return "the devices are held by another container (ret is -8020); the hardware may be sound"
    why = refusal(answer.text)
    if why is not None:
        return why
    return None if "|" in answer.text or answer.rc == 0 else sample(answer.text)


def _ids(table: Reading, listing: Reading) -> list[int]:
    """NPU ids to ask about: what table and list name together."""
    found = {row["npu_id"] for row in (listing.value or {}).get("npus", [])}
    found |= {chip["npu_id"] for chip in (table.value or {}).get("chips", [])}
    return sorted(found)


def chips_of(seen: Seen) -> list[dict[str, Any]]:
    """One row for each chip in the order of their places in the node: table, map and types joined."""
    rows: dict[tuple[int, int], dict[str, Any]] = {}
    for chip in (seen.table.value or {}).get("chips", []):
        rows[(chip["npu_id"], chip["chip_id"])] = dict(chip)
    for npu in (seen.listing.value or {}).get("npus", []):
        for chip_id in range(npu["chip_count"]):
            rows.setdefault((npu["npu_id"], chip_id), {"npu_id": npu["npu_id"], "chip_id": chip_id})
    for chip in seen.mapping.value or []:
        row = rows.get((chip["npu_id"], chip["chip_id"]))
        if row is not None:
            row["logic_id"] = chip["logic_id"]
            if row.get("phy_id") is None:
                row["phy_id"] = chip["phy_id"]
    keys = sorted(rows)
    physical = [rows[key].get("phy_id") for key in keys]
    if None not in physical and len(set(physical)) == len(physical):
        keys.sort(key=lambda key: int(rows[key]["phy_id"]))
    return [rows[key] for key in keys]


def chip_facts(chip: Mapping[str, Any], alone: bool, seen: Seen) -> Document:
    """Facts of one chip. ``alone``: its NPU has no other chip, so an answer without a chip id is about it."""
    notes: list[dict[str, str]] = []
    facts: Document = {key: chip.get(key) for key in TABLE_FACTS}
    if "name" not in chip:
        why = seen.table.problem or "the table of npu-smi info does not have this chip"
        notes.append(note("name, health, power_watts, temperature_celsius, hbm_used_mib, hbm_total_mib, idle", why))
    for kind, by_npu in seen.types.items():
        fact = FACT_OF.get(kind, kind)
        reading = by_npu.get(chip["npu_id"], Reading(None, "not asked"))
        facts[fact] = of_chip(reading, chip["chip_id"], alone)
        if facts[fact] is None:
            notes.append(note(fact, reading.problem or "the answer does not tell which chip it is about"))
    if facts.get("ecc") is not None:
        facts["ecc"] = flat_ecc(facts["ecc"])
    hbm = _first(
        facts["hbm_total_mib"], *((facts.get(kind) or {}).get("hbm_total_mib") for kind in ("memory", "usages"))
    )
    if facts["hbm_total_mib"] is None:
        facts["hbm_total_mib"] = hbm
    told = generation((facts.get("board") or {}).get("pci_device_id"), hbm or None)
    facts["generation"] = told.value
    if told.problem is not None:
        notes.append(note("generation", told.problem))
    facts["health_problems"] = _problems(facts)
    facts["idle"] = npu_smi_table.idle(chip)
    facts["notes"] = notes
    return facts


FACT_OF = {"health": "health_report"}  # "health" is the table's word
TABLE_FACTS = (
    *("npu_id", "chip_id", "phy_id", "logic_id", "name", "health", "bus_id", "power_watts", "temperature_celsius"),
    *("aicore_percent", "npu_percent", "memory_used_mib", "memory_total_mib", "hbm_used_mib", "hbm_total_mib"),
)


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def of_chip(reading: Reading, chip_id: int, alone: bool) -> Document | None:
    """A chip's part of an answer; board facts are the card's and hold for all its chips."""
    if reading.value is None:
        return None
    chips = reading.value["chips"]
    exact = [row for row in chips if row["chip_id"] == chip_id]
    shared = [row for row in chips if row["chip_id"] is None]
    row = exact[0] if exact else shared[0] if shared and (alone or "pci_device_id" in shared[0]) else None
    return None if row is None else {key: value for key, value in row.items() if key != "chip_id"}


def flat_ecc(counters: Mapping[str, Any]) -> Document:
    """The counters with the sum of isolated pages, ``hbm_isolated_pages`` and ``ddr_isolated_pages``: a page is lost to
    its chip whether single or double bit errors took it. None: one of the two was not told."""
    flat = dict(counters)
    for memory in ("hbm", "ddr"):
        parts = [counters.get(f"{memory}_{kind}_bit_isolated_pages") for kind in ("single", "double")]
        flat[f"{memory}_isolated_pages"] = (
            None if None in parts else sum(int(part) for part in parts if part is not None)
        )
    return flat


def _problems(facts: Mapping[str, Any]) -> list[str] | None:
    """What the chip says of its own health, by table and by report; None: neither told."""
    report = facts.get("health_report") or {}
    words = [each for each in (facts["health"], report.get("health")) if each is not None]
    bad = [each for each in dict.fromkeys(words) if each != "OK"]
    codes = report.get("error_codes") or []
    told = [f"health is {each}" for each in bad]
    if codes:
        information = report.get("error_information")
        told.append(f"error {', '.join(codes)}" + (f": {information}" if information else ""))
    return told if words or codes else None


def node_facts(seen: Seen, chips: Sequence[Document]) -> Document:
    """Facts ``npu_smi`` of kind ``node``: counts only where table and list agree."""
    notes: list[dict[str, str]] = []
    for where, reading in (
        ("table", seen.table),
        ("list", seen.listing),
        ("map", seen.mapping),
        ("topology", seen.topology),
    ):
        if reading.problem is not None:
            notes.append(note(f"npu_smi.{where}", reading.problem))
    counts = {len({chip["npu_id"] for chip in (seen.table.value or {}).get("chips", [])}) if seen.table.value else None}
    counts.add((seen.listing.value or {}).get("total_count"))
    known = counts - {None}
    agreed = known.pop() if len(known) == 1 and seen.listing.value is not None else None
    if agreed is None and seen.useless is None:
        notes.append(note("npu_smi.npu_count", "table and list do not agree, or the list was not read"))
    generations = {chip["generation"] for chip in chips}
    facts = {
        "tool": {"present": seen.present, "version": (seen.table.value or {}).get("tool_version")},
        "npu_count": agreed,
        "chip_count": len(chips) if agreed is not None else None,
        "generation": generations.pop() if len(generations) == 1 else None,
        "unhealthy": _unhealthy(chips) if chips else None,
        "driver_versions": _values(chips, "driver_version"),
        "firmware_versions": _values(chips, "firmware_version"),
        "incompatible": _incompatible(chips) if chips else None,
        "processes": (seen.table.value or {}).get("processes"),
        "topology": seen.topology.value,
        "calls": len(seen.answers),
    }
    return {"npu_smi": facts, "notes": notes}


def _unhealthy(chips: Iterable[Mapping[str, Any]]) -> list[str]:
    return [
        f"NPU {chip['npu_id']} chip {chip['chip_id']}: {text}"
        for chip in chips
        for text in chip["health_problems"] or []
    ]


def _incompatible(chips: Iterable[Mapping[str, Any]]) -> list[str] | None:
    """The tool's own verdict on driver against firmware; None: it told none."""
    verdicts = [(chip["npu_id"], (chip.get("board") or {}).get("compatibility")) for chip in chips]
    if any(verdict in (None, "UNKNOWN") for _, verdict in verdicts):
        return None
    return [f"NPU {npu}: driver and firmware do not match ({verdict})" for npu, verdict in verdicts if verdict != "OK"]


def _values(chips: Iterable[Mapping[str, Any]], fact: str) -> list[str]:
    return sorted({str(value) for value in ((chip.get("board") or {}).get(fact) for chip in chips) if value})


def observations(subject: str, seen: Seen, simulated: bool) -> list[Document]:
    """Entries for ``evidence_record``: the node with all the tool printed, then its chips as ``node2/NPU3``."""
    chips = chips_of(seen)
    cards = [chip["npu_id"] for chip in chips]
    facts = [chip_facts(chip, cards.count(chip["npu_id"]) == 1, seen) for chip in chips]
    raw = [_raw(answer) for answer in seen.answers]
    node = observation("node", subject, COLLECTOR, node_facts(seen, facts), simulated)
    made: list[Document] = [{"observation": node, "raw": raw}]
    for place, each in enumerate(facts, 1):
        entry = observation("npu", f"{subject}/NPU{place}", COLLECTOR, each, simulated)
        made.append({"observation": entry, "raw": []})
    return made


def _raw(answer: Answer) -> Document:
    words = [re.sub(r"[^A-Za-z0-9]+", "", part) for part in answer.argv[1:]]
    return {
        "name": "-".join(["npu-smi", *[word for word in words if word]]) + ".txt",
        "argv": answer.argv,
        "rc": 124 if answer.rc is None else answer.rc,
        "seconds": round(answer.seconds, 3),
        "text": answer.text,
    }
