"""The rack picture: well-formed, complete, nothing drawn outside, and accepted by the report."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from survey_helpers import load, rack, server, site

from controller import survey
from controller.report import figures

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> str:
    return "\n".join("".join(node.itertext()) for node in ET.fromstring(svg).iter(f"{SVG}text"))  # noqa: S314 - own text


@pytest.mark.parametrize("language", ["zh", "en"])
def test_everything_of_the_rack_is_shown(tmp_path: Path, language: str) -> None:
    document = site()
    document["racks"][0].update(used_units=["1-2"], position="row <A> & 1")
    document["devices"][0]["model"] = 'Atlas "800T" <A2>'
    found = load(tmp_path, document)
    svg = survey.rack_svg(found, "R01", survey.judge(found), language)
    shown = texts(svg)
    for words in ("R01 · row <A> & 1", "node1", 'Atlas "800T" <A2>', "5200 W", "80 kg", "A 2600 W", "B 2600 W"):
        assert words in shown
    assert ("空闲 32U" if language == "zh" else "32 U free") in shown
    assert ("馈电 A (R01-A)" if language == "zh" else "feed A (R01-A)") in shown
    assert "node3" not in shown
    for unit in (1, 42):
        assert re.search(rf"^{unit}$", shown, re.MULTILINE)


def test_a_device_stands_on_its_units(tmp_path: Path) -> None:
    found = load(tmp_path, site())
    root = ET.fromstring(survey.rack_svg(found, "R01"))  # noqa: S314 - own text
    boxes = [
        node for node in root.iter(f"{SVG}rect") if node.get("stroke") == "#4338ca" and float(node.get("width")) > 99
    ]
    labels = {node.text: float(node.get("y") or 0) for node in root.iter(f"{SVG}text") if (node.text or "").isdigit()}
    node1 = max(boxes, key=lambda node: float(node.get("y") or 0))
    top, height = float(node1.get("y") or 0), float(node1.get("height") or 0)
    # The figures 10 to 13 at the side lie within the box, 9 and 14 do not.
    assert all(top < labels[str(unit)] < top + height for unit in (10, 11, 12, 13))
    assert not any(top < labels[str(unit)] < top + height for unit in (9, 14))


def test_conflicts_and_findings_are_marked(tmp_path: Path) -> None:
    document = site()
    document["devices"][1]["unit"] = 12
    document["devices"].append(server("node4", "R01", 41, power_cords=None, mass_kg=None, max_watts=None))
    found = load(tmp_path, document)
    items = survey.judge(found)
    svg = survey.rack_svg(found, "R01", items, "zh")
    shown = texts(svg)
    assert "node1 (冲突)" in shown
    assert "node2 (冲突)" in shown
    assert "node4 (冲突)" in shown
    assert "≥" in shown
    assert "× rack_units_free:R01" in shown


def test_an_empty_and_a_small_rack(tmp_path: Path) -> None:
    document = site()
    document["racks"] += [rack("R03", pdus=[]), rack("R04", units=4, pdus=[])]
    document["devices"].append(
        server("top-of-rack-switch-with-a-very-long-name", "R04", 2, height_units=1, power_cords=[])
    )
    found = load(tmp_path, document)
    assert "42U" in texts(survey.rack_svg(found, "R03"))
    ET.fromstring(survey.rack_svg(found, "R04"))  # noqa: S314 - own text


def test_the_report_takes_the_drawing_as_it_is(tmp_path: Path) -> None:
    found = load(tmp_path, site())
    svg = survey.rack_svg(found, "R01", survey.judge(found))
    figure = figures.read_svg("rack-R01.svg", svg.encode(), prefix="f1-")
    before = {(node.tag, *sorted(node.attrib)) for node in ET.fromstring(svg).iter()}  # noqa: S314 - own text
    after = {(node.tag, *sorted(node.attrib)) for node in ET.fromstring(figure.svg).iter()}  # noqa: S314 - own text
    assert {tag for tag, *_ in before} == {tag for tag, *_ in after}
