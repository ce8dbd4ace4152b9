"""What ascend-dmi prints: JSON and text to one figure, the largest size; whatever is doubtful to none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from npu_validation_helpers import ERROR, bandwidth_json, bandwidth_text, matrix_text, pair_json, results
from npuforge.ascend import dmi_parse
from npuforge.ascend.dmi_parse import ONE_WAY, TWO_WAY

TEXTS = (
    bandwidth_json("d2d", 3, 1538.2),
    bandwidth_text("h2d", 3, 24.8),
    pair_json(3, 5),
    matrix_text(lambda s, t, way: round(26 + s / 10 + t / 100, 2)),
    ERROR,
)


@pytest.mark.parametrize("form", [bandwidth_json, bandwidth_text])
@pytest.mark.parametrize(("kind", "rate"), [("d2d", 1538.2), ("h2d", 24.8), ("d2h", 27.6)])
def test_the_largest_size_counts(form: Any, kind: str, rate: float) -> None:
    value = dmi_parse.parse_bandwidth(form(kind, 3, rate), kind, 3).value
    assert value["gbytes_per_s"] == rate
    assert value["form"] == ("json" if form is bandwidth_json else "text")
    assert value["size_bytes"] > 2


def test_sizes_in_other_units_are_compared_by_bytes() -> None:
    rows = [{"size": "32 MB", "bandwidth": "24.8 GB/s"}, {"size": "1024 KB", "bandwidth": "11.0 GB/s"}]
    text = json.dumps({"bandwidths": [{"type": "Host to Device Test", "device_id": "3", "results": rows}]})
    assert dmi_parse.parse_bandwidth(text, "h2d", 3).value["gbytes_per_s"] == 24.8


@pytest.mark.parametrize(("told", "rate"), [("24800 MB/s", 24.8), ("24.8GB/s", 24.8), ("1.5382 TB/s", 1538.2)])
def test_units_are_taken_as_printed(told: str, rate: float) -> None:
    text = json.dumps({"bandwidths": [{"type": "h2d", "device_id": 3, "results": [{"size": 4, "bandwidth": told}]}]})
    assert dmi_parse.parse_bandwidth(text, "h2d", 3).value["gbytes_per_s"] == pytest.approx(rate)


@pytest.mark.parametrize("told", [24.8, "24.8", "24.8 Gb", "fast", None, True, {}, "1e400 GB/s", "999999999 GB/s"])
def test_a_number_without_its_unit_is_no_bandwidth(told: Any) -> None:
    text = json.dumps({"bandwidths": [{"type": "h2d", "device_id": 3, "results": [{"size": 4, "bandwidth": told}]}]})
    reading = dmi_parse.parse_bandwidth(text, "h2d", 3)
    assert reading.value is None and reading.problem


def test_an_error_in_json_is_a_failed_measurement() -> None:
    for reading in (
        dmi_parse.parse_bandwidth(ERROR, "d2d", 0),
        dmi_parse.parse_pair(ERROR, 0, 1),
        dmi_parse.parse_matrix(ERROR),
    ):
        assert reading == (None, "ascend-dmi reports error 2: internal error")


def test_an_error_beside_figures_is_still_an_error() -> None:
    text = json.dumps({**json.loads(pair_json(0, 1)), "error": {"code": 7, "description": "x"}})
    assert dmi_parse.parse_pair(text, 0, 1).value is None


def test_text_around_the_json_does_not_matter() -> None:
    text = f"[WARNING] log level is INFO\n\n{bandwidth_json('d2d', 3, 1538.2)}\ndone {{3}}\n"
    assert dmi_parse.parse_bandwidth(text, "d2d", 3).value["gbytes_per_s"] == 1538.2


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (bandwidth_json("d2d", 4, 1538.2), "about chip 4"),
        (bandwidth_json("h2d", 3, 24.8), "another test"),
        (bandwidth_text("d2d", 4, 1538.2), "about chip 4"),
        (bandwidth_json("d2d", 3, 1.0) * 2, "two answers in one"),
        ("", "unknown answer"),
        ("Bandwidth: 1538\n", "unknown answer"),
        ("ID  Size(Bytes)  Bandwidth\n3 4 1538.2\n", "unknown answer"),
        ("ID  Size(Bytes)  Bandwidth(GB/s)  Novelty(%)\n3 4 1538.2 7\n", "unknown answer"),
    ],
)
def test_an_answer_about_something_else_is_refused(text: str, why: str) -> None:
    reading = dmi_parse.parse_bandwidth(text, "d2d", 3)
    assert reading.value is None and why in str(reading.problem)


@pytest.mark.parametrize(("named", "known"), [(3, True), (4, False)])
def test_the_line_behind_the_heading_names_the_chip(named: int, known: bool) -> None:
    text = (
        f"Host to Device Test\nDevice {named}: Ascend 910B3.\n-----\n"
        "Size(Bytes)  Execute Times   Bandwidth(GB/s)   Elapsed Time(us)\n536870912  50  24.908228  21553.96\n"
    )
    reading = dmi_parse.parse_bandwidth(text, "h2d", 3)
    assert (reading.value is not None) == known


def test_two_figures_for_one_size_are_none() -> None:
    rows = [{"size": "4 Bytes", "bandwidth": "24.8 GB/s"}, {"size": "4 Bytes", "bandwidth": "12.0 GB/s"}]
    text = json.dumps({"bandwidths": [{"type": "h2d", "device_id": 3, "results": rows}]})
    assert dmi_parse.parse_bandwidth(text, "h2d", 3) == (None, "two figures for 4 bytes")


def test_a_pair_tells_both_ways() -> None:
    assert dmi_parse.parse_pair(pair_json(3, 5, 198.9, 377.6), 3, 5).value == {ONE_WAY: 198.9, TWO_WAY: 377.6}


def test_a_pair_the_other_way_round_is_refused() -> None:
    reading = dmi_parse.parse_pair(pair_json(5, 3), 3, 5)
    assert reading == (None, "the answer has nothing about chip 3 to chip 5")


def test_a_pair_in_text_under_headings() -> None:
    text = "".join(
        f"{title} Peer to Peer Test\nSize(Bytes)  Execute Times  Bandwidth(GB/s)  Elapsed Time(us)\n"
        f"33554432 5 {rate} 9\n"
        for title, rate in (("Unidirectional", 26.2), ("Bidirectional", 50.8))
    )
    assert dmi_parse.parse_pair(text, 3, 5).value == {ONE_WAY: 26.2, TWO_WAY: 50.8}


def test_a_matrix_is_read_by_its_labels() -> None:
    value = dmi_parse.parse_matrix(matrix_text(lambda s, t, way: 10 * s + t + (0.5 if way == "two" else 0), 4)).value
    assert value["unit"] == "GB/s"
    assert value[ONE_WAY][(3, 1)] == 31 and value[TWO_WAY][(0, 2)] == 2.5
    assert len(value[ONE_WAY]) == len(value[TWO_WAY]) == 12


def test_a_matrix_in_megabytes_becomes_gigabytes() -> None:
    value = dmi_parse.parse_matrix(matrix_text(lambda s, t, way: 26200, 2, "(MB/s)")).value
    assert value["unit"] == "GB/s" and value[ONE_WAY][(0, 1)] == pytest.approx(26.2)


def test_a_matrix_without_a_unit_says_so() -> None:
    assert dmi_parse.parse_matrix(matrix_text(lambda s, t, way: 391.2, 3, "")).value["unit"] is None


def test_cells_without_a_figure_are_left_out() -> None:
    value = dmi_parse.parse_matrix(matrix_text(lambda s, t, way: "NA" if (s, t) == (0, 1) else 26.2, 3)).value
    assert (0, 1) not in value[ONE_WAY] and len(value[ONE_WAY]) == 5


def test_a_matrix_that_comes_twice_is_refused() -> None:
    text = matrix_text(lambda s, t, way: 26.2, 3)
    assert dmi_parse.parse_matrix(text + text) == (None, "two answers in one")


def test_a_pair_in_json_could_also_be_all_pairs() -> None:
    entries = [entry for pair in ((0, 1), (1, 0)) for entry in json.loads(pair_json(*pair))["bandwidths"]]
    value = dmi_parse.parse_matrix(json.dumps({"bandwidths": entries})).value
    assert value[ONE_WAY] == {(0, 1): 26.2, (1, 0): 26.2}


def everything(text: Any) -> list[Any]:
    found = [dmi_parse.parse_bandwidth(text, kind, 3) for kind in ("d2d", "h2d", "d2h")]
    return [*found, dmi_parse.parse_pair(text, 3, 5), dmi_parse.parse_matrix(text)]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_truncated_or_spoilt_answer_never_tells_another_figure(data: st.DataObject) -> None:
    """Cut off, mixed with another, lines lost: either the true figure, or none with its reason."""
    text = data.draw(st.sampled_from(TEXTS))
    cut = text[: data.draw(st.integers(0, len(text)))]
    told = {str(value) for reading in everything(text) for value in figures(reading)}
    for reading in everything(cut):
        assert reading.value is not None or reading.problem
        # A table that lost its end may lack the largest size; nothing but a printed figure may come out.
        assert {str(value) for value in figures(reading)} <= told | {"0.0004"}


def figures(reading: Any) -> list[float]:
    value = reading.value or {}
    if "gbytes_per_s" in value:
        return [value["gbytes_per_s"]]
    return [rate for kind in (ONE_WAY, TWO_WAY) for rate in _flat(value.get(kind))]


def _flat(value: Any) -> list[float]:
    return list(value.values()) if isinstance(value, dict) else [] if value is None else [value]


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(TEXTS),
    st.sampled_from(TEXTS),
    st.lists(st.integers(0, 400), max_size=6),
    st.text(alphabet='\x00\x1b[{}":,|GB/s 0123456789\n\r\t单向é', max_size=40),
)
def test_garbage_is_no_traceback(one: str, two: str, places: list[int], rubbish: str) -> None:
    text = one
    for place in places:
        text = text[:place] + rubbish + two[place : place + 50] + text[place:]
    for reading in everything(text):
        assert reading.value is not None or reading.problem


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["bandwidths", "type", "results", "size", "bandwidth", "device_id", "error", "x"]),
                inner,
                max_size=5,
            )
        ),
        max_leaves=20,
    )
)
def test_any_json_is_taken(document: Any) -> None:
    for reading in everything(json.dumps({"bandwidths": document}) + "\n"):
        assert reading.value is not None or reading.problem


@pytest.mark.parametrize("text", [None, 7, "x" * (4 << 20), "{" * (200 << 10), '{"bandwidths": ' + "[" * 60000])
def test_four_mebibytes_are_refused_in_time(text: Any) -> None:
    for reading in everything(text):
        assert reading.value is None and reading.problem


def test_results_helper_puts_the_small_size_first() -> None:
    assert [row["size"] for row in results(1.0)] == ["2 Bytes", "33554432 Bytes"]
