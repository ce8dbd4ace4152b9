"""Whether an NPU is free for a test, by ``npu-smi info``.

Free means that little of its memory is held: the list of processes is empty inside containers while 29.9 GB are in
use (capture of a 910B2), and a die that nobody uses holds 2.9 to 4.2 GB (up to 9 % on the 32 GB parts). A process in
the list makes it busy in any case. Captures: npu-smi 23.0 to 25.5 of 910A, 910B2, 910B4 and A3.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

_PAIR = re.compile(r"(\d{1,9})\s*/\s*(\d{1,9})")
_NAME_ROW = re.compile(r"^\|\s*(\d{1,5})\s+([A-Za-z0-9][\w.-]*)\s*\|")
_CHIP_ROW = re.compile(r"^\|\s*(\d{1,5})(?:\s+(\d{1,5}))?\s*\|\s*(?:[0-9A-Fa-f]{4}:[0-9A-Fa-f]{2}:|NA)")
_PROCESS_ROW = re.compile(r"^\|\s*(\d{1,5})(?:\s+(\d{1,5}))?\s*\|\s*(\d{1,10})\s*\|([^|]*)\|\s*(\d{1,9})\s*\|")


class Use(NamedTuple):
    """``hbm_percent``: memory held, None when it is not shown. ``processes``: their names (empty: none listed)."""

    hbm_percent: float | None
    processes: list[str]


def uses(text: Any) -> dict[int, Use]:
    """What each device (physical id) is used for; empty when the text is no table of npu-smi.

    The device id is the chip's Phy-ID where the table has one (A3), else the NPU id.
    """
    found: dict[int, Use] = {}
    device_of: dict[tuple[int, int], int] = {}
    npu: int | None = None
    physical = processes = memory = False
    for line in str(text or "")[: 4 << 20].splitlines():
        if "Process id" in line:
            processes = True
        elif "Phy-ID" in line:
            physical = True
        if "HBM-Usage(MB)" in line:
            memory = True
        if processes:
            row = _PROCESS_ROW.match(line)
            if row is not None:
                device = device_of.get((int(row.group(1)), int(row.group(2) or 0)))
                if device is not None:
                    found[device].processes.append(row.group(4).strip() or f"process {row.group(3)}")
            continue
        chip = _CHIP_ROW.match(line)
        if chip is not None and npu is not None:
            number = chip.group(2) if physical else None
            device = int(number) if number is not None else npu
            device_of[(npu, int(chip.group(1)))] = device
            pairs = _PAIR.findall(line)
            percent = None
            if memory and pairs and int(pairs[-1][1]) >= int(pairs[-1][0]) and int(pairs[-1][1]) > 0:
                percent = 100.0 * int(pairs[-1][0]) / int(pairs[-1][1])
            found[device] = Use(percent, [])
            npu = None
            continue
        name = _NAME_ROW.match(line)
        if name is not None:
            npu = int(name.group(1))
    return found


def busy(use: Use, idle_percent: float) -> str | None:
    """Why the device is in use, in words; None when it is free, or nothing is known of its memory."""
    if use.processes:
        return f"in use by {', '.join(use.processes[:3])}"
    if use.hbm_percent is not None and use.hbm_percent > idle_percent:
        return f"{use.hbm_percent:.0f} % of its memory is held (at most {idle_percent:g} % on a free one)"
    return None
