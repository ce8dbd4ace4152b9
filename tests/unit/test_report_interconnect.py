"""The chapter on NPUs: the worst pair first, a heat-map each way, a row for each chip; hostile facts harm nobody."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lxml import html as lxml_html
from report_helpers import Site, make_site

from controller.report import html as page
from controller.report import word
from controller.report.load import load
from controller.report.model import Report, build

ONE, TWO = 26.2, 50.8


def check(name: str, kind: str, subject: str, verdict: str, **more: Any) -> dict[str, Any]:
    return {
        "clause": "4.1.3-2",
        "check": name,
        "title": {"zh": name, "en": name},
        "subject": {"kind": kind, "id": subject},
        "verdict": verdict,
        "expected": {"empty": True},
        "observed": [],
        "unit": None,
        "severity": "blocker",
        "reason": {"zh": "原因", "en": "reason"},
        "remedy": {"zh": "复测。", "en": "Measure again."},
        "evidence": [],
        "provenance": "simulated",
        **more,
    }


def keep(site: Site, kind: str, subject: str, collector: str, facts: dict[str, Any]) -> None:
    document = {"subject": {"kind": kind, "id": subject}, "collector": collector, "provenance": "simulated"}
    name = f"{kind}-{subject.replace('/', '-')}-{collector}.json"
    (site.folder / "observations" / name).write_text(json.dumps({**document, "facts": facts}), encoding="utf-8")


def table(rate: float, special: dict[tuple[int, int], float | None]) -> list[list[float | None]]:
    return [[None if i == j else special.get((i, j), rate) for j in range(8)] for i in range(8)]


def write(site: Site) -> None:
    """Two nodes: on node2 one pair is slow and one gave no figure; one of its chips is too small."""
    site.verdicts = [item for item in site.verdicts if not str(item["check"]).startswith("npu.")]
    for node in ("node1", "node2"):
        bad = node == "node2"
        facts = {
            "topology_problems": [],
            "link_problems": ["NPU3 link 4: 112 of 224 Gb/s"] if bad else [],
            "slow_pairs": ["NPU3 -> NPU6: 22.1 GB/s one way, 16 % below the median of 26.2 GB/s"] if bad else [],
            "failed": [],
            "one_way_gbytes_per_s": table(ONE, {(2, 5): 22.1, (1, 0): 12.0} if bad else {}),
            "two_way_gbytes_per_s": table(TWO, {(6, 7): None} if bad else {}),
        }
        busy = {"refused": False, "chips": []}
        keep(site, "node", node, "interconnect_test", {"interconnect": facts, "busy": busy})
        for place in range(1, 9):
            chip = f"{node}/NPU{place}"
            small = bad and place == 4
            keep(
                site,
                "npu",
                chip,
                "npu_info",
                {
                    "name": "910B2",
                    "generation": "910B",
                    "hbm_total_mib": 32768 if small else 65536,
                    "temperature_celsius": 41,
                    "ecc": {"hbm_double_bit": 0, "hbm_isolated_pages": 2},
                },
            )
            rates = {"device_to_device_gbytes_per_s": 1538.2, "host_to_device_gbytes_per_s": 24.8}
            keep(site, "npu", chip, "hbm_test", {"hbm": {**rates, "device_to_host_gbytes_per_s": None}})
            site.verdicts.append(check("npu.hbm_capacity", "npu", chip, "fail" if small else "pass"))
        word_of = "fail" if bad else "pass"
        site.verdicts.append(check("npu.p2p_one_way", "node", node, word_of, expected={"min": 23}))
        site.verdicts.append(check("npu.p2p_two_way", "node", node, "pass", expected={"min": 44}))
        site.verdicts.append(check("npu.p2p_even", "node", node, word_of))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = make_site(tmp_path)
    write(made)
    made.write()
    return made


def report(site: Site, language: str = "en") -> Report:
    return build(load(site.folder, site.contract), language)


def test_the_worst_pair_comes_first(site: Site) -> None:
    chapter = report(site).interconnect
    rows = [(row.node, row.pair, row.one_way, row.two_way, row.share, row.verdict) for row in chapter.pairs[:3]]
    assert rows == [
        ("node2", "NPU7 → NPU8", "26.2 GB/s", "—", "100 %", "unknown"),
        ("node2", "NPU2 → NPU1", "12.0 GB/s", "50.8 GB/s", "46 %", "fail"),
        ("node2", "NPU3 → NPU6", "22.1 GB/s", "50.8 GB/s", "84 %", "fail"),
    ]
    assert chapter.more_pairs == 2 * 56 - len(chapter.pairs)


def test_each_node_has_a_heat_map_for_each_way_and_the_sick_node_leads(site: Site) -> None:
    first, second = report(site).interconnect.nodes
    assert (first.node, first.verdict, second.node, second.verdict) == ("node2", "fail", "node1", "pass")
    assert [len(node.figures) for node in (first, second)] == [2, 2]
    assert any("NPU3 link 4: 112 of 224" in line for line in first.lines) and second.lines == ()
    (caption, one_way), (_, two_way) = first.figures
    assert "node2, one way, GB/s" in caption
    assert "× 12.0" in one_way.svg and "× 22.1" in one_way.svg
    assert "?" in two_way.svg and "×" not in two_way.svg


def test_a_pair_above_the_limit_but_below_the_median_is_marked(site: Site) -> None:
    for item in site.verdicts:
        if item["check"] == "npu.p2p_one_way":
            item["expected"] = {"min": 20}
    site.write()
    svg = report(site).interconnect.nodes[0].figures[0][1].svg
    assert "! 22.1" in svg and "× 12.0" in svg and svg.count("!") == 1


def test_every_chip_has_a_row_with_memory_errors_temperature_and_bandwidths(site: Site) -> None:
    rows = {row.name: row for row in report(site).interconnect.chips}
    assert len(rows) == 16
    small = rows["node2/NPU4"]
    assert (small.model, small.capacity, small.ecc, small.temperature) == ("910B2 (910B)", "32768", "0 / 2", "41")
    assert (small.d2d, small.h2d, small.d2h, small.verdict) == ("1538.2 GB/s", "24.8 GB/s", "—", "fail")
    assert rows["node1/NPU1"].verdict == "pass"


def test_of_many_chips_only_those_that_are_not_sound_are_listed(site: Site) -> None:
    for number in range(3, 12):
        for place in range(1, 9):
            name = f"node{number}/NPU{place}"
            keep(site, "npu", name, "npu_info", {"hbm_total_mib": 65536})
            site.verdicts.append(check("npu.hbm_capacity", "npu", name, "pass"))
    site.write()
    chapter = report(site).interconnect
    assert [row.name for row in chapter.chips] == ["node2/NPU4"] and chapter.sound == 16 + 72 - 1


def test_refused_chips_say_why(site: Site) -> None:
    busy = {"refused": True, "chips": ["NPU7: in use by python3"]}
    keep(site, "node", "node1", "interconnect_test", {"interconnect": {"failed": None}, "busy": busy})
    pages = {node.node: node for node in report(site).interconnect.nodes}
    assert pages["node1"].lines == ("chips were in use, not measured: NPU7: in use by python3",)
    assert pages["node1"].figures == ()


@pytest.mark.parametrize("language", ["zh", "en"])
def test_pages_and_word_files_carry_the_chapter(site: Site, language: str) -> None:
    made = report(site, language)
    tree = lxml_html.fromstring(page.screen_page(made))
    [section] = tree.xpath('//section[@id="interconnect"]')
    text = section.text_content()
    assert "NPU2 → NPU1" in text and "node2/NPU4" in text and "1538.2 GB/s" in text
    assert len(section.xpath(".//figure")) == 4
    ids = [node.get("id") for node in tree.xpath("//*[@id]")]
    assert len(ids) == len(set(ids))
    assert len(word.render(made)) > 10000


def test_a_run_without_the_stage_says_so(tmp_path: Path) -> None:
    made = make_site(tmp_path)
    made.write()
    assert not report(made).interconnect.present


@pytest.mark.parametrize(
    "value", [None, 7, "x" * 9000, [[[]]], {"a": 1}, [["<b>", True, float("1e308")]] * 9, [None] * 40]
)
def test_facts_of_any_shape_are_taken(site: Site, value: Any) -> None:
    keys = (
        "one_way_gbytes_per_s",
        "two_way_gbytes_per_s",
        "slow_pairs",
        "link_problems",
        "topology_problems",
        "failed",
    )
    keep(site, "node", "node1", "interconnect_test", {"interconnect": dict.fromkeys(keys, value), "busy": value})
    keep(site, "npu", "node1/NPU1", "hbm_test", {"hbm": value, "ecc": value, "name": value, "hbm_total_mib": value})
    made = report(site)
    assert "<b>" not in page.screen_page(made)
