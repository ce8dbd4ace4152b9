"""The fabric plan as people see it: every port in table and drawing, well-formed, legible, always the same."""

from __future__ import annotations

import copy
import io
import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from npuforge.fabric.plan import build_plan
from PIL import Image

from controller.fabric import show
from controller.report import figures
from tests.unit.fabric_plan_helpers import family, node, site

SVG = "{http://www.w3.org/2000/svg}"
TEXT_WIDTH_MM = 170  # of an A4 page with margins of 20 mm


def elements(svg: str, name: str) -> list[etree._Element]:
    return list(etree.fromstring(svg).iter(SVG + name))


def boxes(svg: str) -> list[tuple[float, float, float, float]]:
    """``(left, top, right, bottom)`` of each text, with letters taken as wide as wide ones are."""
    found = []
    for text in elements(svg, "text"):
        size = float(text.get("font-size") or 12)
        content = text.text or ""
        width = sum(size if ord(letter) > 0x2000 else 0.58 * size for letter in content)
        x, y = float(text.get("x") or 0), float(text.get("y") or 0)
        left = x - width if text.get("text-anchor") == "end" else x
        found.append((left, y - 0.8 * size, left + width, y + 0.2 * size))
    return found


def check(svg: str) -> None:
    """Nothing lies over another text or outside the drawing; letters are legible in print."""
    root = etree.fromstring(svg)
    width, height = float(root.get("width") or 0), float(root.get("height") or 0)
    assert root.get("viewBox") == f"0 0 {width:g} {height:g}"
    places = boxes(svg)
    for one, other in itertools.combinations(places, 2):
        apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
        assert apart, (one, other)
    assert all(left >= 0 and top >= 0 and right <= width and bottom <= height for left, top, right, bottom in places)


def test_the_table_has_a_row_for_each_port() -> None:
    plan = build_plan(site())
    text = show.table(plan)
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line.startswith("node")}
    assert list(rows) == [port["id"] for port in plan["ports"]]
    assert rows["node2/NPU3"] == ["node2/NPU3", "-i", "2", "3", "10.88.0.111/24", "10.88.0.1", "sw1", "400GE1/0/6:1"]
    assert "TC 132 -> DSCP 33 -> priority 4 -> queue 4; CNP DSCP 48 -> queue 6; MTU 4200" in text
    assert "HCCL_RDMA_TC=132\n" in text and "sw1: huawei_vrpv8, family ce8855, headroom pool 4096 KiB" in text
    assert text.isascii(), "a terminal may know no more"
    assert not any(line != line.rstrip() for line in text.splitlines())


def test_the_table_says_what_there_is_not() -> None:
    inventory = site(gateway=None, switches={"sw1": {"cell_bytes": 254}})
    inventory["switches"]["sw1"] = family("h3c_s98xx")
    text = show.table(build_plan(inventory))
    assert "10.88.0.111/24  -        sw1" in text
    assert "headroom pool none" in text and "cells of 254 bytes" in text


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_drawing_has_every_port_at_both_ends(language: str) -> None:
    plan = build_plan(site())
    svg = show.drawing(plan, language)
    texts = [text.text for text in elements(svg, "text")]
    for port in plan["ports"]:
        assert texts.count(f"{port['address']}/{port['prefix_length']}") == 1
        assert texts.count(port["switch_port"]) == 1 and texts.count(port["id"]) == 1
    lines = elements(svg, "line")
    assert len(lines) == 24
    # A cable begins at its NPU's row and ends at its switch port's, in its rail's colour.
    height = {text.text: float(text.get("y") or 0) for text in elements(svg, "text")}
    colour = {text.text: text.get("fill") for text in elements(svg, "text")}
    for port, line in zip(sorted(plan["ports"], key=lambda port: height[port["switch_port"]]), lines, strict=True):
        address = f"{port['address']}/{port['prefix_length']}"
        assert float(line.get("y1") or 0) == height[address] - show.MIDDLE
        assert float(line.get("y2") or 0) == height[port["switch_port"]] - show.MIDDLE
        assert line.get("stroke") == colour[address] == colour[port["switch_port"]]
    assert len({line.get("stroke") for line in lines}) == 8
    check(svg)
    width = float(etree.fromstring(svg).get("width") or 0)
    assert 12 * (TEXT_WIDTH_MM / 25.4 * 72) / width >= 8, "letters of 8 points and more on an A4 page"


def test_lanes_of_one_port_share_a_background() -> None:
    svg = show.drawing(build_plan(site()))
    shaded = [float(rect.get("y") or 0) for rect in elements(svg, "rect") if rect.get("height") == str(show.ROW)]
    rows = {text.text: float(text.get("y") or 0) - show.BASELINE for text in elements(svg, "text")}
    odd = [f"400GE1/0/{port}:{lane}" for port in range(1, 13, 2) for lane in (1, 2)]
    assert shaded == [rows[name] for name in odd]


def test_it_becomes_a_bitmap_for_word() -> None:
    svg = show.drawing(build_plan(site()))
    figure = figures.read_svg("fabric.svg", svg.encode(), "f-")
    assert figure.svg.count("<line") == 24
    png = figures.to_png(figure)
    assert png is not None
    image = Image.open(io.BytesIO(png)).convert("RGB")
    assert image.width > 1.5 * figure.width
    colours = {colour for _, colour in image.getcolors(1 << 24) or []}
    for rail in show.RAILS:
        red, green, blue = (int(rail[at : at + 2], 16) for at in (1, 3, 5))
        assert (red, green, blue) in colours


def test_names_cannot_break_out_of_the_drawing() -> None:
    plan = copy.deepcopy(build_plan(site()))
    plan["site"] = '"><script>alert(1)</script>\x00&'
    svg = show.drawing(plan)
    assert not elements(svg, "script") and "alert(1)" in "".join(text.text or "" for text in elements(svg, "text"))


NAMES = st.text("abcnode-W9", min_size=1, max_size=40)


@settings(max_examples=40, deadline=None)
@given(st.lists(NAMES, min_size=1, max_size=6, unique=True), st.integers(1, 3), st.booleans())
def test_any_plan_is_drawn_without_overlaps(names: list[str], switches: int, long: bool) -> None:
    inventory = site(0)
    inventory["nodes"] = [
        dict(node(place, f"sw{place % switches}", 4 * place), name=name) for place, name in enumerate(names, start=1)
    ]
    inventory["switches"] = {f"sw{number}": family("h3c_s98xx") for number in range(switches)}
    if long:
        for entry in inventory["nodes"]:
            for port in entry["ports"]:
                port["switch_port"] = "FourHundredGigE" + port["switch_port"].removeprefix("400GE")
    plan: dict[str, Any] = build_plan(inventory)
    svg = show.drawing(plan, "en")
    check(svg)
    assert len(elements(svg, "line")) == 8 * len(names)
    assert svg == show.drawing(copy.deepcopy(plan), "en") and show.table(plan) == show.table(copy.deepcopy(plan))
