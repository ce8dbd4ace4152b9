"""A node for the tests of memory and interconnect: an own ascend-dmi, npu-smi with HCCS, and a session around them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from npu_smi_helpers import SmiTool, chip, healthy
from npuforge.ascend import dmi_run, dmi_session
from npuforge.ascend.dmi_progress import Progress
from npuforge.fabric.tool import Answer

SPEEDS = {"d2d": 1538.2, "h2d": 24.8, "d2h": 27.6}
TITLES = {"d2d": "Device to Device Test", "h2d": "Host to Device Test", "d2h": "Device to Host Test"}
ONE, TWO = 26.2, 50.8
ERROR = '{"error":{"code":2,"description":"internal error"}}\n'


def results(rate: float, unit: str = "GB/s") -> list[dict[str, Any]]:
    """A small and a large size: only the large one is the bandwidth."""
    return [
        {"size": "2 Bytes", "bandwidth": "0.0004 GB/s", "elapsed_time": "4.8 us", "execute_times": 5},
        {"size": "33554432 Bytes", "bandwidth": f"{rate} {unit}", "elapsed_time": "168.7 us", "execute_times": 5},
    ]


def bandwidth_json(kind: str, device: int, rate: float) -> str:
    entry = {"type": TITLES[kind], "device_id": device, "results": results(rate)}
    return json.dumps({"bandwidths": [entry]}, indent=2) + "\n"


def bandwidth_text(kind: str, device: int, rate: float) -> str:
    return (
        f"Device {device} {TITLES[kind]}\n----------------------------------------------------------------\n"
        "ID  Size(Bytes)  Execute Times  Bandwidth(GB/s)  Elapsed Time(us)\n"
        f"{device}   2            50             0.0004           4.8\n"
        f"{device}   536870912    50             {rate}           461900\n"
        "----------------------------------------------------------------\n"
    )


def pair_json(source: int, target: int, one: float = ONE, two: float = TWO) -> str:
    entries = [
        {
            "type": f"{title} Peer to Peer Test",
            "source_device_id": source,
            "target_device_id": target,
            "results": results(rate),
        }
        for title, rate in (("Unidirectional", one), ("Bidirectional", two))
    ]
    return json.dumps({"bandwidths": entries}) + "\n"


def matrix_text(rate: Callable[[int, int, str], float | str], count: int = 8, unit: str = "(GB/s)") -> str:
    """``rate(source, target, "one"|"two")``."""
    text = ""
    for title, way in (("Unidirectional", "one"), ("Bidirectional", "two")):
        text += f"{title} Peer to Peer Test {unit}\n" + " " * 7 + "".join(f"{n:<8}" for n in range(count)) + "\n"
        for source in range(count):
            cells = [0 if source == target else rate(source, target, way) for target in range(count)]
            text += f"{source:<7}" + "".join(f"{cell!s:<8}" for cell in cells) + "\n"
        text += "\n"
    return text


class DmiTool:
    """Stands where ``fabric.tool.Tool`` of ascend-dmi stands. ``answer``: words -> (rc, text)."""

    def __init__(self, answer: Callable[[list[str]], tuple[int | None, str]]) -> None:
        self.answer = answer
        self.log: list[list[str]] = []
        self.seconds: list[float] = []

    def once(self, words: Sequence[str], seconds: float) -> Answer:
        self.log.append(list(words))
        self.seconds.append(seconds)
        rc, text = self.answer(list(words))
        return Answer(["ascend-dmi", *words], rc, text, 0.2)


def sound(words: list[str]) -> tuple[int | None, str]:
    """A healthy node of eight; a matrix in text whatever format is asked for, as the guide says."""
    kind = words[words.index("-t") + 1]
    if kind != "p2p":
        device = int(words[words.index("-d") + 1])
        if kind == "d2d" and ("-s" in words or "--et" in words):
            return 1, "d2d does not support -s and --et on this product.\n"
        form = bandwidth_json if "json" in words else bandwidth_text
        return 0, form(kind, device, SPEEDS[kind])
    if "--ds" in words:
        return 0, pair_json(int(words[words.index("--ds") + 1]), int(words[words.index("--dd") + 1]))
    return 0, matrix_text(lambda _s, _t, way: ONE if way == "one" else TWO)


def hccs(speed: Sequence[int] = (224,) * 7, health: str = "OK", first: str = "NA", errors: Sequence[int] = ()) -> str:
    def row(name: str, cells: Sequence[Any]) -> str:
        return f"\t{name:<30} : [{''.join(f'{cell:<20} ' for cell in cells)}]\n"

    lanes = ["1" * (each // 56) + "0" * (4 - each // 56) for each in speed]
    noughts = [0] * len(speed)
    return (
        f"\t{'hccs health status ':<30} : {health}\n"
        + row("hccs lane mode ", [each // 56 for each in speed])
        + row("hccs link lane list ", lanes)
        + row("hccs link speed ", speed)
        + row("hccs tx packets ", noughts)
        + row("hccs retry count ", noughts)
        + row("hccs error count ", errors or noughts)
        + f"\t{'hccs first error lane ':<30} : {first}\n"
    )


def traffic(rate: float = 0.0) -> str:
    text = f"{'hccs link':<30} {'tx_bandwidth(GB/S)':<30} {'rx_bandwidth(GB/S)':<30}\n"
    for link in range(1, 8):
        text += f"{link:<35} {rate / 7:<30.6f} {rate / 7:<30.6f}\n"
    return f"{text}{'total':<35} {rate:<30.6f} {rate:<30.6f}\n"


def smi(
    chips: Sequence[dict[str, Any]] | None = None,
    device: str = "0xD802",
    special: Callable[[list[str]], tuple[int | None, str] | None] = lambda words: None,
) -> SmiTool:
    """npu-smi of a node that also knows HCCS; ``special``: words after ``info`` -> another answer, or None."""
    usual = healthy(chips or [chip(n) for n in range(8)], device)

    def answer(words: list[str]) -> tuple[int | None, str]:
        other = special(words)
        if other is not None:
            return other
        if words[:2] == ["-t", "hccs"]:
            return 0, hccs()
        if words[:2] == ["-t", "hccs-bw"]:
            return 0, traffic()
        return usual(words)

    return SmiTool(answer)


def ready(tool: DmiTool, npu_smi: SmiTool) -> dmi_session.Session:
    return dmi_session.Session(dmi_run.Dmi(tool, dmi_run.Limits()), [], npu_smi)


def progress(folder: Path, module: str = "test") -> Progress:
    return Progress(module, "node2", 0, str(folder))
