"""The one-screen summary: bounded in width and height, the same with and without colour, worst first."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from report_helpers import RUN_ID, make_site

from controller.report.console import MOST_CLAUSES, summary_lines
from controller.report.text import columns


@pytest.fixture
def verdicts(tmp_path: Path) -> dict[str, Any]:
    site = make_site(tmp_path)
    titles = {"4.1.1-1": "机房环境复核", "4.1.1-3": "加电自检", "4.1.2-2": "节点间带宽", "4.5.3": "文档交付"}
    clauses = [{"id": key, "title": {"zh": title, "en": title}, "verdict": "pass"} for key, title in titles.items()]
    head = {"site": "demo", "run_id": RUN_ID, "provenance": "simulated"}
    return {**head, "verdicts": site.verdicts, "clauses": clauses}


def test_what_it_says(verdicts: dict[str, Any]) -> None:
    lines = summary_lines(verdicts, 100, False, report=Path("artifacts/demo/report.html"), language="en")
    text = "\n".join(lines)
    assert lines[0] == f"demo run {RUN_ID}"
    assert "SIMULATED - not measured on hardware" in lines[1]
    assert lines[2] == "clauses  × 2 fail  □ 2 manual  – 2 not run"
    assert lines[3] == "checks  × 2 fail  ? 2 unknown  △ 1 waived  ✓ 73 pass"
    assert lines[4].startswith("× 4.1.1-3 fail 加电自检")
    assert "– 2 not run: 4.1.1-1 4.1.4-2" in lines
    where = next(index for index, line in enumerate(lines) if "Number of NPUs" in line)
    assert "node2" in lines[where] and "8 NPUs expected" in lines[where]
    assert lines[where + 1].strip() == "remedy: Reseat or replace NPU3, then check again."
    assert text.index("Number of NPUs") < text.index("BIOS is domestic")
    assert lines[-1] == "report: artifacts/demo/report.html"


@pytest.mark.parametrize("width", [0, 40, 60, 80, 200])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_it_fits_a_screen(verdicts: dict[str, Any], width: int, language: str) -> None:
    verdicts["verdicts"] *= 30
    lines = summary_lines(verdicts, width, False, language=language)
    assert len(lines) <= 24
    assert all(columns(line) <= max(width, 40) for line in lines)


def test_colour_changes_nothing_but_colour(verdicts: dict[str, Any]) -> None:
    plain, coloured = (summary_lines(verdicts, 70, colour) for colour in (False, True))
    assert [re.sub(r"\x1b\[[\d;]*m", "", line) for line in coloured] == plain
    assert any("\x1b[31;1m×" in line for line in coloured) and not any("\x1b" in line for line in plain)


def test_many_clauses_are_counted_not_listed(verdicts: dict[str, Any]) -> None:
    verdicts["clauses"] = [{"id": f"4.{number}", "verdict": "pass"} for number in range(50)]
    verdicts["verdicts"] = []
    lines = summary_lines(verdicts, 80, False, language="en")
    assert sum(line.startswith("✓") for line in lines) == MOST_CLAUSES
    assert "40 more in the report" in "\n".join(lines)


@pytest.mark.parametrize("broken", [{}, {"verdicts": None}, {"verdicts": [None, 3, {}]}, {"clauses": "x"}])
def test_a_broken_file_is_summarised_too(broken: dict[str, Any]) -> None:
    lines = summary_lines(broken, 80, True, language="en")
    assert "PROVENANCE UNKNOWN" in lines[1]


def test_hardware_has_no_alarm(verdicts: dict[str, Any]) -> None:
    verdicts["provenance"] = "hardware"
    assert not any("SIMULATED" in line for line in summary_lines(verdicts, 80, False))
