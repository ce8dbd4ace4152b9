"""An own small npu-smi: tables of the known widths, and a runner that answers for a whole node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from npuforge.fabric.tool import Answer

WIDE = "+---------------------------+---------------+----------------------------------------------------+"
DOUBLE = WIDE.replace("-", "=")
HEAD = f"""{WIDE}
| npu-smi 25.5.1                   Version: 25.5.1                                               |
{WIDE}
| NPU   Name                | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|
| Chip  {{beside:<20}}| Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |
{DOUBLE}
"""
PROCESS_HEAD = f"""{WIDE}
| NPU     Chip              | Process id    | Process name             | Process memory(MB)      |
{DOUBLE}
"""


def table(chips: Sequence[dict[str, Any]], processes: str | None = None) -> str:
    """``chips``: npu, chip, name, health, power, temp, hbm, total, bus, and phy for an A3."""
    beside = "Phy-ID" if "phy" in chips[0] else ""
    rows = []
    for chip in chips:
        second = f"{chip['chip']:<5} {chip['phy']:<20}" if beside else f"{chip['chip']:<26}"
        rows.append(
            f"| {chip['npu']:<5} {chip['name']:<20}| {chip['health']:<14}| {chip['power']:<11} {chip['temp']:<17} "
            f"{'0':<5}/ {'0':<14}|\n"
            f"| {second}| {chip['bus']:<14}| {'0':<11} {'0':<5}/ {'0':<10} "
            f"{chip['hbm']:<5}/ {chip['total']:<14}|\n{DOUBLE}\n"
        )
    idle = "".join(
        f"| No running processes found in NPU {npu:<61}|\n{DOUBLE}\n" for npu in dict.fromkeys(c["npu"] for c in chips)
    )
    return HEAD.format(beside=beside) + "".join(rows) + PROCESS_HEAD + (idle if processes is None else processes)


def chip(npu: int, number: int = 0, **changes: Any) -> dict[str, Any]:
    """A healthy 910B2 with odd numbers, so that a mixed-up one shows."""
    return {
        "npu": npu,
        "chip": number,
        "name": "910B2",
        "health": "OK",
        "power": f"{90 + npu}.{number}",
        "temp": 30 + npu,
        "hbm": 3300 + npu,
        "total": 65536,
        "bus": f"0000:{npu + 1:02X}:0{number}.0",
        **changes,
    }


class SmiTool:
    """Stands where ``fabric.tool.Tool`` stands. ``answer``: words after ``info`` -> (rc, text)."""

    def __init__(self, answer: Callable[[list[str]], tuple[int | None, str]]) -> None:
        self.answer = answer
        self.log: list[list[str]] = []

    def short(self, words: Sequence[str], seconds: float | None = None) -> Answer:
        self.log.append(list(words))
        rc, text = self.answer(list(words[1:]))
        return Answer(["npu-smi", *words], rc, text, 0.1)

    def spread(self, function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
        return [function(item) for item in items]


def listing(ids: Sequence[int], chips: int = 1) -> str:
    rows = "".join(
        f"\n\tNPU ID                         : {npu}\n\tChip Count                     : {chips}\n" for npu in ids
    )
    return f"\tTotal Count                    : {len(ids)}\n{rows}"


def mapping(chips: Sequence[dict[str, Any]]) -> str:
    text = "\tNPU ID                         Chip ID                        Chip Logic ID                  Chip Name\n"
    for logic, each in enumerate(chips):
        text += f"\t{each['npu']:<31}{each['chip']:<31}{logic:<31}Ascend 910B2\n"
        text += f"\t{each['npu']:<31}{1:<31}{'-':<31}Mcu\n"
    return text


def topo(ids: Sequence[int]) -> str:
    names = [f"NPU{npu}" for npu in ids]
    text = "           " + "".join(f"{name:<11}" for name in names) + "CPU Affinity\n"
    for place, name in enumerate(names):
        cells = "".join(f"{'X' if place == other else 'HCCS':<11}" for other in range(len(names)))
        text += f"{name:<11}{cells}{24 * place}-{24 * place + 23}\n"
    return text + "\nLegend:\n  X    = Self\n  HCCS = Connection traversing HCCS.\n"


def board(npu: int, device: str = "0xD802", compatibility: str = "OK") -> str:
    return (
        f"\tNPU ID                         : {npu}\n\tModel                          : NA\n"
        f"\tSerial Number                  : SN{npu:04d}\n\tSoftware Version               : 25.5.1\n"
        f"\tFirmware Version               : 7.8.0.6.201\n\tCompatibility                  : {compatibility}\n"
        f"\tPCI Vendor ID                  : 0x19E5\n\tPCI Device ID                  : {device}\n"
        f"\tChip Count                     : 1\n"
    )


def closing(npu: int, lines: str, chips: Sequence[int] = (0,)) -> str:
    """An answer whose chips end with their id, as ``usages`` and ``ecc`` print it."""
    head = f"\tNPU ID                         : {npu}\n\tChip Count                     : {len(chips)}\n"
    return head + "".join(f"\n{lines}\tChip ID                        : {number}\n" for number in chips)


def healthy(chips: Sequence[dict[str, Any]], device: str = "0xD802") -> Callable[[list[str]], tuple[int | None, str]]:
    """A node's answers."""
    ids = list(dict.fromkeys(each["npu"] for each in chips))
    per_npu = [each["chip"] for each in chips if each["npu"] == ids[0]]

    def answer(words: list[str]) -> tuple[int | None, str]:
        if not words:
            return 0, table(chips)
        if words == ["-l"]:
            return 0, listing(ids, len(per_npu))
        if words == ["-m"]:
            return 0, mapping(chips)
        if words == ["-t", "topo"]:
            return 0, topo(ids)
        kind, npu = words[1], int(words[3])
        if kind == "board":
            return 0, board(npu, device)
        texts = {
            "health": "\tHealth Status                  : OK\n\tError Code                     : NA\n"
            "\tError Information              : NA\n",
            "ecc": "\tHBM Single Bit Error Count               : 3\n\tHBM Double Bit Error Count               : 0\n",
            "common": "\tTemperature(C)                 : 41\n\tAicore Count                   : 24\n",
            "memory": f"\tHBM Capacity(MB)               : {chips[0]['total']}\n",
            "usages": "\tHBM Usage Rate(%)              : 5\n\tAicore Usage Rate(%)           : 0\n",
        }
        return 0, closing(npu, texts[kind], per_npu)

    return answer
