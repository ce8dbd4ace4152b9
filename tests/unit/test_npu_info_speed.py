"""How many questions a node costs, and that the time grows with the chips and no faster."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from npu_smi_helpers import chip, healthy
from npuforge.ascend import npu_info
from npuforge.fabric.tool import Answer, Tool

CALL_SECONDS = 0.02


class SlowTool(Tool):
    """Each call takes 20 ms, as many at a time as the real runner allows."""

    def __init__(self, count: int) -> None:
        super().__init__("npu-smi", width=npu_info.WIDTH)
        self.answers = healthy([chip(n) for n in range(count)])

    def once(self, words: Sequence[str], seconds: float) -> Answer:
        asked = list(words)
        self.calls += 1
        time.sleep(CALL_SECONDS)
        rc, text = self.answers(asked[1:])
        return Answer(["npu-smi", *asked], rc, text, CALL_SECONDS)


def seconds(count: int) -> tuple[float, int]:
    tool = SlowTool(count)
    began = time.monotonic()
    made = npu_info.observations("node2", npu_info.read(tool), False)
    assert len(made) == count + 1
    return time.monotonic() - began, tool.calls


def test_eight_npus_cost_36_questions_and_64_grow_linearly() -> None:
    short, calls = seconds(8)
    assert calls == 4 + 4 * 8
    long, many = seconds(64)
    assert many == 4 + 4 * 64
    assert short < 1.0, "two rounds and eight of four at a time: about 0.2 s"
    assert long < 8 * short + 1.0


def test_real_processes_of_20_ms_are_read_in_time(tmp_path: Path) -> None:
    """The whole cost of 36 processes, not only of the tool: the limit is 1.5 s for a node of eight."""
    answers = healthy([chip(n) for n in range(8)])
    words = [[], ["-l"], ["-m"], ["-t", "topo"], *(["-t", k, "-i", str(n)] for k in npu_info.TYPES for n in range(8))]
    for each in words:
        (tmp_path / ("-".join(["info", *each]) + ".txt")).write_text(answers(each)[1])
    tool = tmp_path / "npu-smi"
    tool.write_text(f'#!/bin/sh\nsleep {CALL_SECONDS}\nIFS=-\nexec cat "{tmp_path}/$*.txt"\n')
    tool.chmod(0o755)
    began = time.monotonic()
    seen = npu_info.read(Tool(str(tool), width=npu_info.WIDTH))
    took = time.monotonic() - began
    assert seen.table.problem is None and seen.useless is None
    assert [reading.problem for reading in seen.types["ecc"].values()] == [None] * 8
    assert took < 1.5
