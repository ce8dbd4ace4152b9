"""The fabric chapter: from its page a reader can tell what is lossless, how fast, and which port is at fault."""

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

NODES = ("node1", "node2", "node3")
SLOW = ("node2/NPU3", "node3/NPU3")


def check(name: str, kind: str, subject: str, verdict: str, observed: Any, **more: Any) -> dict[str, Any]:
    return {
        "clause": "4.1.2-2" if "bandwidth" in name else "4.1.2-1",
        "check": f"fabric.{name}",
        "title": {"zh": name, "en": name},
        "subject": {"kind": kind, "id": subject},
        "verdict": verdict,
        "expected": {"empty": True},
        "observed": observed,
        "unit": None,
        "severity": "blocker",
        "reason": {"zh": "原因", "en": "reason"},
        "remedy": {"zh": "重新运行fabric阶段。", "en": "Run the fabric stage again."},
        "evidence": [],
        "provenance": "simulated",
        **more,
    }


def flows(first: str, second: str) -> list[dict[str, Any]]:
    rows = []
    for source, target in ((first, second), (second, first)):
        for port in range(1, 9):
            names = (f"{source}/NPU{port}", f"{target}/NPU{port}")
            rate = 98.2 if names == SLOW else 196.0
            rows.append({"source": names[0], "target": names[1], "gbit_per_s": rate, "retransmitted_packets": 0})
    return rows


def write(site: Site) -> None:
    """A fabric of 24 ports on which one switch port trusts the wrong field and one pair is slow."""
    site.verdicts = [item for item in site.verdicts if not str(item["check"]).startswith("fabric.")]
    ports = [
        {"id": f"{node}/NPU{k}", "switch": "sw1", "switch_port": f"400GE1/0/{place * 4 + (k + 1) // 2}:{2 - k % 2}"}
        for place, node in enumerate(NODES)
        for k in range(1, 9)
    ]
    (site.folder / "fabric").mkdir()
    (site.folder / "fabric" / "plan.json").write_text(json.dumps({"ports": ports}), encoding="utf-8")
    for port in ports:
        wrong = port["id"] == SLOW[0]
        said = [f"{port['switch_port']}: trust is 802.1p, planned dscp"] if wrong else []
        site.verdicts.append(check("npu_mtu", "npu", port["id"], "pass", []))
        subject = f"sw1/{port['switch_port']}"
        site.verdicts.append(check("switch_trust", "port", subject, "fail" if wrong else "pass", said))
    site.verdicts.append(check("npu_optics", "npu", "node1/NPU5", "unknown", None))
    for first, second in (("node1", "node2"), ("node1", "node3"), ("node2", "node3")):
        rows = flows(first, second)
        slow = min(row["gbit_per_s"] for row in rows)
        document = {
            "subject": {"kind": "node_pair", "id": f"{first}-{second}"},
            "collector": "fabric_results",
            "provenance": "simulated",
            "facts": {
                "one_way_gbytes_per_s": {f"{first}->{second}": 183.8 if slow < 190 else 196.0},
                "ports": rows,
                "retransmitted_packets": 0,
            },
        }
        name = site.folder / "observations" / f"node_pair-{first}-{second}-fabric_results.json"
        name.write_text(json.dumps(document), encoding="utf-8")
        verdict = "fail" if slow < 190 else "pass"
        site.verdicts.append(
            check("port_bandwidth", "node_pair", f"{first}-{second}", verdict, slow, expected={"min": 190}, unit="Gb/s")
        )


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = make_site(tmp_path)
    write(made)
    made.write()
    return made


def report(site: Site, language: str = "en") -> Report:
    return build(load(site.folder, site.contract), language)


def test_the_worst_port_comes_first_with_side_and_setting(site: Site) -> None:
    first, *others = report(site).fabric.causes
    assert first.verdict == "fail"
    assert any("trust is 802.1p, planned dscp" in line for cause in (first, *others) for line in cause.lines)
    assert [cause.verdict for cause in (first, *others)] == sorted(
        (cause.verdict for cause in (first, *others)), key=["fail", "unknown"].index
    )
    assert "unknown" in {cause.verdict for cause in others}


def test_each_port_has_a_row_with_both_sides(site: Site) -> None:
    rows = {row.name: row for row in report(site).fabric.ports}
    assert len(rows) == 24
    assert rows["node2/NPU3"].switch_port == "sw1/400GE1/0/6:1"
    assert rows["node2/NPU3"].verdict == "fail"
    assert rows["node2/NPU3"].slowest == "98.2 Gb/s"
    assert rows["node1/NPU5"].verdict == "unknown"
    assert rows["node1/NPU1"].verdict == "pass"
    assert rows["node1/NPU1"].slowest == "196.0 Gb/s"


def test_pairs_show_their_slowest_port_and_the_failed_pair_leads(site: Site) -> None:
    pairs = report(site).fabric.pairs
    assert [row.pair for row in pairs] == ["node2-node3", "node1-node2", "node1-node3"]
    assert pairs[0].slowest == "98.2 Gb/s (node2/NPU3 → node3/NPU3)"
    assert pairs[0].directions == (("node2 → node3", "183.8 GB/s"),)
    assert pairs[1].verdict == "pass"


def test_the_heat_map_marks_what_is_below_the_threshold(site: Site) -> None:
    heat = report(site).fabric.heat
    assert heat is not None
    assert heat.svg.count("196.0") == 47
    assert heat.svg.count("× 98.2") == 1
    assert "node2 → node3" in heat.svg


def test_a_port_without_a_number_is_a_question_mark_and_not_a_zero(site: Site) -> None:
    path = site.folder / "observations" / "node_pair-node1-node2-fabric_results.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    document["facts"]["ports"][0].update(gbit_per_s=None, problem="the receiver did not answer")
    path.write_text(json.dumps(document), encoding="utf-8")
    fabric = report(site).fabric
    assert fabric.heat is not None
    assert ">?<" in fabric.heat.svg
    [pair] = [row for row in fabric.pairs if row.pair == "node1-node2"]
    assert pair.slowest == "— (node1/NPU1 → node2/NPU1)"


@pytest.mark.parametrize("language", ["zh", "en"])
def test_html_and_word_carry_the_chapter(site: Site, language: str) -> None:
    made = report(site, language)
    document = lxml_html.fromstring(page.screen_page(made))
    [section] = document.xpath("//section[@id='fabric']")
    text = section.text_content()
    assert "sw1/400GE1/0/6:1" in text
    assert "trust is 802.1p" in text
    assert len(section.xpath(".//table[contains(@class,'fabric')]/tbody/tr")) == 24
    assert len(word.render(made)) > 10000


def test_a_run_without_the_stage_says_so_and_garbage_does_not_stop_it(tmp_path: Path) -> None:
    quiet = make_site(tmp_path / "quiet")
    quiet.verdicts = [item for item in quiet.verdicts if not str(item["check"]).startswith("fabric.")]
    quiet.write()
    made = report(quiet)
    assert not made.fabric.present
    assert "did not run" in lxml_html.fromstring(page.screen_page(made)).xpath("string(//section[@id='fabric'])")

    odd = make_site(tmp_path / "odd")
    odd.write()
    (odd.folder / "fabric").mkdir()
    (odd.folder / "fabric" / "plan.json").write_text('{"ports": [1, {"id": null}, {"id": "x/<b>"}]}', encoding="utf-8")
    path = odd.folder / "observations" / "node_pair-x.json"
    path.write_text('{"subject": {"kind": "node_pair", "id": "x-y"}, "facts": {"ports": [{"source": 3}, 4]}}')
    made = report(odd)
    assert made.fabric.present
    assert "x/<b>" in lxml_html.fromstring(page.screen_page(made)).xpath("string(//section[@id='fabric'])")


def test_a_large_site_lists_only_ports_with_something_wrong(site: Site) -> None:
    plan = json.loads((site.folder / "fabric" / "plan.json").read_text(encoding="utf-8"))
    verdicts = list(site.verdicts)
    for number in range(100):
        plan["ports"].append({"id": f"far{number}/NPU1", "switch": "sw2", "switch_port": f"400GE1/0/{number}"})
        verdicts.append(check("npu_mtu", "npu", f"far{number}/NPU1", "pass", []))
    (site.folder / "fabric" / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    (site.folder / "verdicts.json").write_text(json.dumps({"verdicts": verdicts}), encoding="utf-8")
    fabric = report(site).fabric
    assert {row.name for row in fabric.ports} == {"node2/NPU3", "node1/NPU5"}
    assert fabric.sound == 122
