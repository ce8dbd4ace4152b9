"""The tables of ``npu-smi info``, ``info -l`` and ``info -m`` for the 910B.

Captures: the 98-column table of 23.0.7 (910B2, eight NPUs), 24.1.0 and 25.5.2; ``-l`` of 25.5.1; a public copy of the
116-column table of 26.1.0 (910B3, eight NPUs). The table of 99 columns is that of the published source only, which
came between them. The memory that an idle NPU holds is as in these captures (3347 to 3407 of 65536 MB).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab import chips
from lab.npu import software
from lab.wires import spread

Document = Mapping[str, Any]
IDLE_HBM_MIB, IDLE_HBM_SPREAD_MIB = 3377, 30


@dataclass(frozen=True)
class Layout:
    """Column widths of one generation; before a slash: ``pages``, ``used``, ``hbm_used``; after it: the others."""

    title: tuple[int, int]  # the tool's version, the driver's version
    body: int  # all right of Health
    power: int
    temperature: int
    pages: int
    used: int
    memory: int
    hbm_used: int
    total: int
    process: str

    @property
    def width(self) -> int:
        return 46 + self.body


def _process(name: int, memory: int, more: str = "") -> str:
    own = f"| {'Process name':<{name}} | {'Process memory(MB)':<{memory}} |"
    return f"| NPU     Chip              | Process id    {own}{more}"


NARROW = Layout((24, 52), 52, 11, 17, 5, 5, 10, 5, 13, _process(24, 23))
SOURCE = Layout((24, 53), 53, 11, 17, 6, 5, 10, 6, 13, _process(24, 24))
WIDE = Layout((35, 59), 70, 20, 23, 5, 5, 16, 5, 16, _process(18, 21, " Process id in container |"))


def release(version: str) -> tuple[int, int]:
    """24.1.rc3 -> (24, 1); what is no version is older than all of them."""
    found = re.match(r"(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def layout(version: str) -> Layout:
    """Which table a version prints: up to 25.5 the narrow one, from 26 on the wide one."""
    made = release(version)
    return NARROW if made < (25, 6) else SOURCE if made < (26, 0) else WIDE


def present(document: Document) -> list[Document]:
    """The NPUs that the driver sees, by their place."""
    return [npu for npu in document["npus"] if npu["present"]]


def number(npu: Document) -> int:
    """The NPU's id: NPU3 has 2."""
    return int(str(npu["slot"]).removeprefix("NPU")) - 1


def name(npu: Document) -> str:
    """Ascend 910B3 -> 910B3."""
    return str(npu["model"]).rpartition(" ")[2]


def bus(npu: Document) -> str:
    return str(npu["pci"]["address"]).upper()


def idle_hbm_mib(npu: Document) -> int:
    """What the firmware itself holds of the HBM; another number for each NPU, always the same."""
    return int(IDLE_HBM_MIB + IDLE_HBM_SPREAD_MIB * spread("hbm", npu["serial"]))


def table(document: Document, cards: Sequence[Document], version: str) -> str:
    """``npu-smi info``: header, two rows for each NPU, and the processes that the host lists."""
    form = layout(version)
    rule = f"+{'-' * 27}+{'-' * 15}+{'-' * form.body}+"
    double = rule.replace("-", "=")
    head, tail = form.title
    pages = "Hugepages-Usage(page)"
    lines = [
        f"+{'-' * (form.width - 2)}+",
        f"| npu-smi {version:<{head}} Version: {software.loaded(document) or '':<{tail}} |",
        rule,
        _fit(
            form,
            f"| NPU   Name                | Health        | {'Power(W)':<{form.power}} "
            f"{'Temp(C)':<{form.temperature}} {pages}",
        ),
        _fit(
            form,
            f"| Chip                      | Bus-Id        | {'AICore(%)':<{form.power}} "
            f"{'Memory-Usage(MB)':<{form.used + form.memory + 2}} HBM-Usage(MB)",
        ),
        double,
    ]
    for npu in cards:
        lines += [*_rows(form, npu), double]
    lines += [rule, form.process, double]
    for npu in cards:
        nobody = [_fit(form, f"| No running processes found in NPU {number(npu)}")]
        lines += [_process_row(form, npu, process) for process in chips.listed(npu)] or nobody
        lines.append(double)
    return "\n".join(lines) + "\n"


def _rows(form: Layout, npu: Document) -> tuple[str, str]:
    first = (
        f"| {number(npu):<5} {name(npu):<20}| {npu['health']:<13} | {npu['power_watts']:<{form.power}.1f} "
        f"{npu['temperature_celsius']:<{form.temperature}} {0:<{form.pages}}/ {0:<{form.total}} |"
    )
    second = (
        f"| {0:<26}| {bus(npu):<13} | {0:<{form.power}} {0:<{form.used}}/ {0:<{form.memory}} "
        f"{chips.memory_used_mib(npu, idle_hbm_mib(npu)):<{form.hbm_used}}/ {npu['hbm_mib']:<{form.total}} |"
    )
    return first, second


def _process_row(form: Layout, npu: Document, process: Document) -> str:
    """Under the columns of the layout's own header; the last one, of version 26, is empty outside containers."""
    cells = form.process.split("|")[1:-1]
    values = [f"{number(npu):<8}0", process["pid"], process["name"], process["memory_mib"], ""]
    row = "|".join(f" {value!s:<{len(cell) - 1}}" for value, cell in zip(values, cells, strict=False))
    return f"|{row}|"


def _fit(form: Layout, text: str) -> str:
    return f"{text:<{form.width - 1}}|"


def listing(cards: Sequence[Document]) -> str:
    """``-l``: how many there are, and how many chips each has."""
    blocks = [_field("Total Count", len(cards))]
    blocks += [_field("NPU ID", number(npu)) + _field("Chip Count", 1) for npu in cards]
    return "".join(block + "\n" for block in blocks)


def mapping(cards: Sequence[Document]) -> str:
    """``-m``: ids of all chips. The controller of each card has no logic id (public copy of a 910B3 host)."""
    row = "\t{:<30} {:<30} {:<30} {:<30}\n".format
    lines = [row("NPU ID", "Chip ID", "Chip Logic ID", "Chip Name")]
    for logic, npu in enumerate(cards):
        lines.append(f"\t{number(npu):<30} {0:<30} {logic:<30} {npu['model']}\n")
        lines.append(row(number(npu), 1, "-", "Mcu"))
    return "".join(lines)


def _field(key: str, value: object) -> str:
    return f"\t{key:<30} : {value}\n"
