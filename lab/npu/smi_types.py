"""``npu-smi info -t TYPE -i NPU [-c CHIP]`` for the 910B: one function for each type.

Captures: board (25.5.1), usages (23.0.rc2), memory (a 64 GB 910B), ecc and common (910A), health (310B). proc-mem: the
published source (npu_chip_info.c) and many public copies of its lines. hccs, hccs-bw and topo: ``smi_hccs``.
Where a 910B differs from the captured chip, its lines are those of the published source (npu_info_print.c): DDR has two
ECC counters instead of six. temp and power: the fields that a monitoring agent's test data shows of 25.5.1. Made up,
because nobody published them: product name and board numbers, the words behind an error code, counters that are not 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lab import chips
from lab.npu import software
from lab.npu.smi_table import bus, idle_hbm_mib, name, number, release
from lab.wires import spread

Document = Mapping[str, Any]
Type = Callable[[Document, Document, int | None], str]
CHIP, MCU = 0, 1  # chip ids of a 910B: the NPU itself and the card's controller
UNSUPPORTED = ("product", "spod-info", "sio-info")  # which the source has for other chips only
AICORE_MHZ, IDLE_AICORE_MHZ, AICORES = 1800, 800, 20
HBM_MHZ = 1600
# What the code of an error says. The form is that of a captured 310B; code and counter belong to the twin's catalogue.
ERRORS = {
    "80E01801": "node type=HBM, sensor type=Memory, event state=Single-bit ECC errors exceed the upper limit",
}
SINGLE_BIT_ERRORS = {"80E01801": 4113}


def _fields(*fields: tuple[str, object], width: int = 30) -> str:
    return "".join(f"\t{key:<{width}} : {value}\n" for key, value in fields)


def _whole(npu: Document, chip: int | None, body: str, width: int = 30) -> str:
    """A card's answer has a head and the chip's id below its fields; one chip's answer has its fields only."""
    if chip is not None:
        return body
    head = _fields(("NPU ID", number(npu)), ("Chip Count", 1), width=width)
    return f"{head}\n{body}{_fields(('Chip ID', CHIP), width=width)}"


def _hbm_percent(npu: Document) -> int:
    return chips.memory_used_mib(npu, idle_hbm_mib(npu)) * 100 // int(npu["hbm_mib"])


def _codes(npu: Document) -> list[str]:
    code = npu["error_code"]
    return [str(code).removeprefix("0x").upper()] if code else []


def board(document: Document, npu: Document, chip: int | None) -> str:
    if chip == MCU:
        return _fields(
            ("NPU ID", number(npu)),
            ("Chip ID", MCU),
            ("Chip Name", "Mcu"),
            ("Board ID", "0x60"),
            ("PCB ID", "NA"),
            ("BOM ID", 1),
            ("Chip Position ID", MCU),
            ("Firmware Version", "23.4.6"),
        )
    if chip == CHIP:
        return _fields(
            ("NPU ID", number(npu)),
            ("Chip ID", CHIP),
            ("Chip Type", "Ascend"),
            ("Chip Name", name(npu)),
            ("Chip Version", "V1"),
            ("Board ID", "0x60"),
            ("PCB ID", "NA"),
            ("BOM ID", 1),
            ("VDie ID", _die(npu, "V")),
            ("NDie ID", _die(npu, "N")),
            ("Chip Position ID", CHIP),
            ("PCIe Bus Info", bus(npu)),
            ("Firmware Version", npu["firmware"]),
        )
    vendor, device = (f"0x{str(npu['pci'][key])[2:].upper()}" for key in ("vendor_id", "device_id"))
    return _fields(
        ("NPU ID", number(npu)),
        ("Product Name", "IT21TWIN_B3"),
        ("Model", "NA"),
        ("Manufacturer", npu["manufacturer"]),
        ("Serial Number", npu["serial"]),
        ("Software Version", software.loaded(document)),
        ("Firmware Version", npu["firmware"]),
        ("Compatibility", software.compatibility(document, npu)),
        ("Board ID", "0x60"),
        ("PCB ID", "A"),
        ("BOM ID", 1),
        ("PCIe Bus Info", bus(npu)),
        ("Slot ID", number(npu)),
        ("Class ID", "NA"),
        ("PCI Vendor ID", vendor),
        ("PCI Device ID", device),
        ("Subsystem Vendor ID", vendor),
        ("Subsystem Device ID", "0x3003"),
        ("Chip Count", 1),
    )


def _die(npu: Document, which: str) -> str:
    return " ".join(f"{int((spread(which, npu['serial'], word) + 1) * 0x7FFFFFFF):08X}" for word in range(5))


def common(_: Document, npu: Document, chip: int | None) -> str:
    fields = _fields(
        ("Memory Usage Rate(%)", 0),
        ("HBM Usage Rate(%)", _hbm_percent(npu)),
        ("Aicore Usage Rate(%)", 0),
        ("Aicore Freq(MHZ)", AICORE_MHZ),
        ("Aicore curFreq(MHZ)", IDLE_AICORE_MHZ),
        ("Aicore Count", AICORES),
        ("Temperature(C)", npu["temperature_celsius"]),
        ("NPU Real-time Power(W)", f"{npu['power_watts']:.1f}"),
    )
    mcu = _fields(("Chip Name", "mcu"), ("Temperature(C)", _mcu_celsius(npu)))
    if chip is not None:
        return mcu if chip == MCU else fields
    head = _fields(("NPU ID", number(npu)), ("Chip Count", 1))
    return f"{head}\n{_fields(('Chip ID', CHIP))}{fields}\n{mcu}"


def _mcu_celsius(npu: Document) -> int:
    """The controller sits beside the NPU, in its air."""
    return int(npu["temperature_celsius"]) - 5


def health(_: Document, npu: Document, chip: int | None) -> str:
    codes = _codes(npu) if chip != MCU else []
    body = _fields(("Health Status", npu["health"] if chip != MCU else "OK"))
    if not codes:
        body += _fields(("Error Code", "NA"), ("Error Information", "NA"))
    else:
        body += _fields(("Error Code", " ".join(codes)))
        body += _fields(("Error Information", ERRORS.get(codes[0], int(codes[0], 16))))
        body += "".join(f"\n\t{' ':<30} : {ERRORS.get(code, int(code, 16))}\n" for code in codes[1:])
    return _whole(npu, chip, body)


def ecc(document: Document, npu: Document, chip: int | None) -> str:
    """The source of 26 has no DDR counters for the 910B, and tells how many pages the next restart will isolate."""
    newer = release(str(document["npu_tools"]["version"])) >= (26, 0)
    errors = sum(SINGLE_BIT_ERRORS.get(code, 0) for code in _codes(npu))
    counted = npu["ecc"]
    ddr = (("DDR Single Bit Error Count", 0), ("DDR Double Bit Error Count", 0))
    following = (("HBM Single Bit Next-Isolated Pages Count", 0), ("HBM Double Bit Next-Isolated Pages Count", 0))
    body = _fields(
        *(() if newer else ddr),
        ("HBM Single Bit Error Count", errors + counted["single_bit"]),
        ("HBM Double Bit Error Count", counted["double_bit"]),
        ("HBM Single Bit Aggregate Total Err Cnt", errors + counted["single_bit_total"]),
        ("HBM Double Bit Aggregate Total Err Cnt", counted["double_bit_total"]),
        ("HBM Single Bit Isolated Pages Count", counted["single_bit_isolated_pages"]),
        ("HBM Double Bit Isolated Pages Count", counted["double_bit_isolated_pages"]),
        *(following if newer else ()),
        width=40,
    )
    return _whole(npu, chip, body, 40)


def memory(_: Document, npu: Document, chip: int | None) -> str:
    body = _fields(
        ("DDR Capacity(MB)", 0),
        ("DDR Clock Speed(MHz)", 0),
        ("HBM Capacity(MB)", npu["hbm_mib"]),
        ("HBM Clock Speed(MHz)", HBM_MHZ),
        ("HBM Temperature(C)", npu["temperature_celsius"]),
        ("HBM Manufacturer ID", "0x56"),
    )
    return _whole(npu, chip, body)


def usages(document: Document, npu: Document, chip: int | None) -> str:
    """Versions from 25 on have two lines more."""
    newer = release(str(document["npu_tools"]["version"])) >= (25, 0)
    body = _fields(
        ("DDR Capacity(MB)", 0),
        ("DDR Usage Rate(%)", 0),
        ("DDR Hugepages Total(page)", 0),
        ("DDR Hugepages Usage Rate(%)", 0),
        ("HBM Capacity(MB)", npu["hbm_mib"]),
        ("HBM Usage Rate(%)", _hbm_percent(npu)),
        ("Aicore Usage Rate(%)", 0),
        ("Aivector Usage Rate(%)", 0),
        ("Aicpu Usage Rate(%)", 0),
        ("Ctrlcpu Usage Rate(%)", 0),
        ("DDR Bandwidth Usage Rate(%)", 0),
        ("HBM Bandwidth Usage Rate(%)", 0),
        *((("NPU Utilization(%)", 0), ("Aicube Usage Rate(%)", 0)) if newer else ()),
    )
    return _whole(npu, chip, body)


def temp(_: Document, npu: Document, chip: int | None) -> str:
    body = _fields(("NPU Temperature (C)", npu["temperature_celsius"]))
    mcu = f"\t{'LM75A_TE':<8}{' (C)':<22} : {_mcu_celsius(npu)}\n\t{'LM75B_TE':<8}{' (C)':<22} : {_mcu_celsius(npu)}\n"
    if chip == MCU:
        return mcu
    return _whole(npu, chip, body) + (f"\n{mcu}{_fields(('Chip Name', 'MCU'))}" if chip is None else "")


def power(_: Document, npu: Document, chip: int | None) -> str:
    return _whole(npu, chip, _fields(("NPU Real-time Power(W)", f"{npu['power_watts']:.1f}")))


def proc_mem(_: Document, npu: Document, chip: int | None) -> str:
    """The processes that the host lists: a container's may hold memory and not be here."""
    found = chips.listed(npu) if chip != MCU else []
    body = "".join(
        f"\tProcess id:{process['pid']:<7} Process name:{process['name']:<17} "
        f"Process memory(MB):{process['memory_mib']}\n"
        for process in found
    )
    return _whole(npu, chip, body or "\tNo process in device.\n")


TYPES: Mapping[str, Type] = {
    "board": board,
    "memory": memory,
    "usages": usages,
    "temp": temp,
    "power": power,
    "common": common,
    "health": health,
    "ecc": ecc,
    "proc-mem": proc_mem,
}
