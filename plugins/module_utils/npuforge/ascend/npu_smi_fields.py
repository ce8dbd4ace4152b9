"""What ``npu-smi info -l``, ``-m``, ``-t <type>`` and ``-t topo`` print, to typed facts.

``-t`` prints ``name : value`` lines, padded in several ways. ``Chip ID`` opens a chip's lines in ``common`` and closes
them in ``usages`` and ``ecc`` (captures: 910A, 910B, 310B4); lines behind ``Chip Name : mcu`` are of the board's
controller, not of a chip, and name temperature and power again.
"""

from __future__ import annotations

import re
from typing import Any, Callable, Mapping, NamedTuple, Sequence

from .npu_smi_table import HEALTH
from .texts import Reading, lines, sample

_LINE = re.compile(r"^\s{0,16}([A-Za-z][A-Za-z0-9 ()%/_-]{0,60}?)\s{0,48}: ?(.{0,400})$")
_TOPO_WORDS = ("X", "SYS", "PHB", "PIX", "PXB", "HCCS", "SIO", "HCCS_SW", "UB", "NA")
_TOPO_NAME = re.compile(r"^(?:NPU|Phy-ID)\d{1,3}$")
_TOPO_NIC = re.compile(r"^NIC\d{1,3}$")
_RANGES = re.compile(r"^\d{1,4}(?:-\d{1,4})?(?:,\d{1,4}(?:-\d{1,4})?)*$|^NA$")
_MAP_HEAD = re.compile(
    r"^\s{0,8}NPU ID\s{2,40}Chip ID\s{2,40}Chip Logic ID(?:\s{2,40}(Chip Phy-ID))?\s{2,40}Chip Name$"
)
_UNSUPPORTED = re.compile(r"does not support querying|This device does not support", re.IGNORECASE)
HEADS = ("NPU ID", "Chip Count")


def whole(text: str) -> int | None:
    return int(text) if re.match(r"^\d{1,12}$", text) else None


def real(text: str) -> float | None:
    return float(text) if re.match(r"^-?\d{1,9}(?:\.\d{1,6})?$", text) else None


def word(text: str) -> str | None:
    return text if text and text.upper() not in ("NA", "N/A", "-", "UNKNOWN") else None


def _health(text: str) -> str | None:
    return HEALTH.get(text.lower())


def _hex(text: str) -> str | None:
    return text if re.match(r"^0x[0-9A-Fa-f]{1,8}$", text) else None


def _codes(text: str) -> list[str] | None:
    """``80E3A203, 80E18005`` -> list; NA: none."""
    if text.upper() == "NA":
        return []
    codes = [part.strip() for part in text.split(",")]
    return codes if all(re.match(r"^(?:0x)?[0-9A-Fa-f]{4,16}$", code) for code in codes) else None


def _compatibility(text: str) -> str | None:
    return text if text in ("OK", "NOK", "UNKNOWN") else None


class Field(NamedTuple):
    """Fact and converter of one line."""

    fact: str
    convert: Callable[[str], Any]


def _ecc() -> dict[str, Field]:
    made = {}
    for memory in ("DDR", "HBM"):
        for kind in ("Single", "Double"):
            start, fact = f"{memory} {kind} Bit", f"{memory.lower()}_{kind.lower()}_bit"
            made[f"{start} Error Count"] = Field(fact, whole)
            made[f"{start} Aggregate Total Err Cnt"] = Field(f"{fact}_total", whole)
            made[f"{start} Isolated Pages Count"] = Field(f"{fact}_isolated_pages", whole)
            made[f"{start} Next Isolated Pages Count"] = Field(f"{fact}_next_isolated_pages", whole)
    return made


def _percents(*names: str) -> dict[str, Field]:
    return {f"{name} Usage Rate(%)": Field(f"{name.lower().replace(' ', '_')}_usage_percent", whole) for name in names}


FIELDS: Mapping[str, Mapping[str, Field]] = {
    "board": {
        "Product Name": Field("product", word),
        "Model": Field("model", word),
        "Manufacturer": Field("manufacturer", word),
        "Serial Number": Field("serial", word),
        "Software Version": Field("driver_version", word),
        "Firmware Version": Field("firmware_version", word),
        "Compatibility": Field("compatibility", _compatibility),
        "Board ID": Field("board_id", _hex),
        "PCB ID": Field("pcb_id", word),
        "BOM ID": Field("bom_id", word),
        "PCIe Bus Info": Field("bus_id", word),
        "Slot ID": Field("slot_id", whole),
        "PCI Vendor ID": Field("pci_vendor_id", _hex),
        "PCI Device ID": Field("pci_device_id", _hex),
        "Subsystem Vendor ID": Field("subsystem_vendor_id", _hex),
        "Subsystem Device ID": Field("subsystem_device_id", _hex),
    },
    "common": {
        **_percents("Memory", "HBM", "Aicore"),
        "Aicore Freq(MHZ)": Field("aicore_rated_mhz", whole),
        "Aicore curFreq(MHZ)": Field("aicore_current_mhz", whole),
        "Aicore Count": Field("aicore_count", whole),
        "Temperature(C)": Field("temperature_celsius", whole),
        "NPU Real-time Power(W)": Field("power_watts", real),
    },
    "health": {
        "Health Status": Field("health", _health),
        "Health": Field("health", _health),
        "Error Code": Field("error_codes", _codes),
        "Error Information": Field("error_information", word),
    },
    "ecc": _ecc(),
    "memory": {
        "DDR Capacity(MB)": Field("ddr_total_mib", whole),
        "DDR Clock Speed(MHz)": Field("ddr_clock_mhz", whole),
        "HBM Capacity(MB)": Field("hbm_total_mib", whole),
        "HBM Clock Speed(MHz)": Field("hbm_clock_mhz", whole),
        "HBM Temperature(C)": Field("hbm_temperature_celsius", whole),
        "HBM Manufacturer ID": Field("hbm_manufacturer_id", _hex),
    },
    "usages": {
        "DDR Capacity(MB)": Field("ddr_total_mib", whole),
        "HBM Capacity(MB)": Field("hbm_total_mib", whole),
        "DDR Hugepages Total(page)": Field("ddr_hugepages_total", whole),
        "NPU Utilization(%)": Field("npu_utilization_percent", whole),
        **_percents("DDR", "HBM", "Aicore", "Aivector", "Aicpu", "Ctrlcpu", "Aicube"),
        **_percents("DDR Hugepages", "DDR Bandwidth", "HBM Bandwidth"),
    },
}


def parse_type(kind: str, text: Any, npu: int | None = None) -> Reading:
    """One ``-t`` answer: ``{"npu_id": n|None, "chips": [{"chip_id": n|None, fact: value}]}``.

    :param kind: a key of ``FIELDS``.
    :param npu: the NPU that was asked for; an answer that names another one is refused.
    """
    rows = _rows(text)
    named = {value for name, value in rows if name == "NPU ID"}
    if len(named) > 1 or (npu is not None and named - {str(npu)}):
        return Reading(None, f"the answer is about NPU {', '.join(sorted(named))}")
    chips = []
    segments = _segments(rows, opens=kind == "common")
    counts = {value for name, value in rows if name == "Chip Count"}
    # A board's lines are the card's and name no chip; everywhere else as many chips must be named as are counted.
    named_chips = [chip_id for chip_id, _ in segments if chip_id is not None]
    if kind != "board" and counts and counts != {str(len(named_chips) or 1)}:
        return Reading(None, f"the answer counts {', '.join(sorted(counts))} chips and names {len(named_chips)}")
    for chip_id, part in segments:
        facts = _typed(FIELDS[kind], part)
        if facts:
            chips.append({"chip_id": chip_id, **facts})
    identities = [chip["chip_id"] for chip in chips]
    if not chips or len(set(identities)) != len(identities):
        problem = "two answers in one" if chips else _unknown(text)
        return Reading(None, problem)
    return Reading({"npu_id": whole(next(iter(named), "")), "chips": chips})


def _unknown(text: Any) -> str:
    if _UNSUPPORTED.search(str(text or "")[:4000]):
        return "the tool says that it does not know this here"
    return f"unknown answer: {sample(text)}"


def _rows(text: Any) -> list[tuple[str, str]]:
    """(name, value) of every line; a line that goes on (indented, no name) belongs to the value before."""
    rows: list[tuple[str, str]] = []
    for row in lines(text):
        match = _LINE.match(row)
        if match is not None:
            rows.append((match.group(1), match.group(2).strip()))
        elif rows and re.match(r"^\s{4,40}\S", row) and rows[-1][0] == "Error Information":
            rows[-1] = (rows[-1][0], f"{rows[-1][1]} {row.strip()}")
    return rows


def _segments(rows: Sequence[tuple[str, str]], opens: bool) -> list[tuple[int | None, list[tuple[str, str]]]]:
    """(chip id, its lines) for each chip; the controller's lines are left out.

    :param opens: ``Chip ID`` stands before a chip's lines, not behind them. With one chip it may stand anywhere.
    """
    kept: list[tuple[str, str]] = []
    for name, value in rows:
        if name == "Chip Name" and value.lower() == "mcu":
            break
        if name not in HEADS:
            kept.append((name, value))
    places = [place for place, (name, _) in enumerate(kept) if name == "Chip ID"]
    if len(places) < 2:
        chip_id = whole(kept[places[0]][1]) if places else None
        return [(chip_id, [row for row in kept if row[0] != "Chip ID"])]
    if opens:
        parts = [kept[place + 1 : after] for place, after in zip(places, [*places[1:], len(kept)])]
    else:
        parts = [kept[before + 1 : place] for before, place in zip([-1, *places], places)]
    return [(whole(kept[place][1]), part) for place, part in zip(places, parts)]


def _typed(fields: Mapping[str, Field], part: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Facts of one chip; a line that stands twice with two values tells nothing."""
    facts: dict[str, Any] = {}
    doubted = set()
    for name, text in part:
        field = fields.get(name)
        if field is None:
            continue
        value = field.convert(text)
        if field.fact in facts and facts[field.fact] != value:
            doubted.add(field.fact)
        facts[field.fact] = value
    return {fact: None if fact in doubted else value for fact, value in facts.items()}


def parse_list(text: Any) -> Reading:
    """``-l``: ``{"total_count", "npus": [{"npu_id", "chip_count"}]}``; refused when it counts another number."""
    total: list[str] = []
    npus: list[dict[str, Any]] = []
    for name, value in _rows(text):
        if name in ("Total Count", "Card Count"):
            total.append(value)
        elif name == "NPU ID":
            npus.append({"npu_id": whole(value), "chip_count": None})
        elif name == "Chip Count" and npus:
            npus[-1]["chip_count"] = whole(value)
    if len(total) != 1 or whole(total[0]) is None:
        return Reading(None, "two answers in one" if len(total) > 1 else _unknown(text))
    ids = [row["npu_id"] for row in npus]
    if len(ids) != whole(total[0]) or len(set(ids)) != len(ids) or any(None in row.values() for row in npus):
        return Reading(None, f"the list has {len(ids)} NPUs and says {total[0]}")
    return Reading({"total_count": len(ids), "npus": npus})


def parse_map(text: Any) -> Reading:
    """``-m``: chips (not the controllers, whose logic id is ``-``) as ``{npu_id, chip_id, logic_id, phy_id, name}``."""
    chips: list[dict[str, Any]] = []
    head: Any = None
    for row in lines(text):
        match = _MAP_HEAD.match(row)
        if match is not None:
            if head is not None:
                return Reading(None, "two answers in one")
            head = match
            continue
        words = row.split()
        if head is None or len(words) < 4 or not (words[0].isdigit() and words[1].isdigit()):
            continue
        numbers = 4 if head.group(1) else 3
        if words[2].isdigit():
            phy = words[3] if numbers == 4 else ""
            if numbers == 4 and not phy.isdigit():
                return Reading(None, f"unknown row: {sample(row + chr(10))}")
            made = {"npu_id": int(words[0]), "chip_id": int(words[1]), "logic_id": int(words[2])}
            chips.append({**made, "phy_id": whole(phy), "name": " ".join(words[numbers:])})
    if head is None or not chips:
        return Reading(None, _unknown(text))
    if len({chip["logic_id"] for chip in chips}) != len(chips):
        return Reading(None, "a logic id stands twice")
    return Reading(chips)


def parse_topo(text: Any) -> Reading:
    """``{"names", "links": {name: {name: word}}, "cpu_affinity": {name: "0-23"}}``; refused unless it is symmetric.

    Newer versions have columns and rows for network cards behind the NPUs' (program's source); they are left out.
    """
    names: list[str] = []
    cards = 0
    links: dict[str, dict[str, str]] = {}
    affinity: dict[str, str | None] = {}
    for row in lines(text):
        words = row.split()
        if not words or not _TOPO_NAME.match(words[0]):
            continue
        # Leading blanks of the header may be lost in a paste; with one NPU only the affinity follows its name.
        if len(words) > 1 and (_TOPO_NAME.match(words[1]) or words[1:] == ["CPU", "Affinity"]):
            if names:
                return Reading(None, "two answers in one")
            names = [each for each in words if _TOPO_NAME.match(each)]
            cards = sum(1 for each in words if _TOPO_NIC.match(each))
        elif names:
            cells, rest = words[1 : 1 + len(names)], words[1 + len(names) + cards :]
            wrong = words[0] in links or words[0] not in names or len(cells) != len(names)
            if wrong or any(each not in _TOPO_WORDS for each in cells) or len(rest) > 1:
                return Reading(None, f"unknown row: {sample(row + chr(10))}")
            links[words[0]] = dict(zip(names, cells))
            affinity[words[0]] = rest[0] if rest and _RANGES.match(rest[0]) and rest[0] != "NA" else None
    if not names or set(links) != set(names):
        return Reading(None, _unknown(text))
    for one in names:
        if links[one][one] != "X" or any(links[one][two] != links[two][one] for two in names):
            return Reading(None, "the table says one link in two ways")
    return Reading({"names": names, "links": links, "cpu_affinity": affinity})
