"""The report's text layer: whatever a device says can stand in XML, and nothing hides or reorders what is around it."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from controller.report import i18n
from controller.report.expect import expectation
from controller.report.i18n import STRINGS, Words
from controller.report.text import clean, columns, fit, in_language, natural, shorten, show

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)  # lone surrogates included
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=8,
)


@given(ANY_TEXT)
def test_clean_text_survives_xml(text: str) -> None:
    element = etree.Element("a", x=clean(text))
    element.text = clean(text)
    back = etree.fromstring(etree.tostring(element, encoding="utf-8"))
    assert (back.text or "") == clean(text)
    assert clean(clean(text)) == clean(text)


@given(ANY_TEXT)
def test_clean_text_has_no_invisible_direction_changes(text: str) -> None:
    assert not {unicodedata.bidirectional(char) for char in clean(text)} & {
        *("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"),
    }


def test_control_characters_become_visible() -> None:
    assert clean("a\x00b\x1b[31m") == "a␀b␛[31m"
    assert clean("exe\u202egnp") == "exe⟨U+202E⟩gnp"
    assert clean("x\r\ny\rz\tt") == "x\ny\nz\tt"
    assert clean("\ud800") == clean("\uffff") == "\ufffd"


@given(JSON)
def test_any_json_value_can_be_shown(value: object) -> None:
    text = show(value, "GB/s", limit=100)
    assert text and len(text) <= 100 and clean(text) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "GB/s", "—"),
        (190, "GB/s", "190 GB/s"),
        (190.123456789, "GB/s", "190.123 GB/s"),
        (True, "GB/s", "true"),
        (["PSU2: Critical", None], "", "PSU2: Critical, —"),
        ({"node1": "7.44", "node2": "7.45"}, "", "node1: 7.44; node2: 7.45"),
        ([], "", "[]"),
        ({"fan.unhealthy": [], "psu": {"PSU2": None}}, "", "fan.unhealthy: []; psu: (PSU2: —)"),
        ([{"source": "Bios", "value": "Huawei"}], "", "Huawei (Bios)"),
    ],
)
def test_show(value: object, unit: str, text: str) -> None:
    assert show(value, unit) == text


def test_a_text_in_the_other_language_is_better_than_none() -> None:
    assert in_language({"zh": "甲", "en": "A"}, "en") == "A"
    assert in_language({"zh": "甲", "en": " "}, "en") == "甲"
    assert in_language("plain", "zh") == "plain"
    assert in_language(None, "zh") == in_language({}, "zh") == ""
    assert in_language({"fr": "B"}, "zh") == "fr: B"


@given(ANY_TEXT, st.integers(1, 40))
def test_fit_never_exceeds_its_width(text: str, width: int) -> None:
    assert columns(fit(clean(text), width)) <= width


def test_wide_characters_take_two_columns() -> None:
    assert columns("节点a") == 5
    assert fit("节点节点", 5) == "节点…"
    assert shorten("abcdef", 4) == "abc…"


def test_natural_order() -> None:
    assert sorted(["node10", "node2", "", "²"], key=natural) == ["", "node2", "node10", "²"]


@pytest.mark.parametrize(
    ("expect", "text"),
    [
        ({"min": 190}, "≥ 190 GB/s"),
        ({"max": 0.5}, "≤ 0.5 GB/s"),
        ({"equals": 8}, "= 8 GB/s"),
        ({"between": [1, 2]}, "1 to 2 GB/s"),
        ({"one_of": ["a", "b"]}, "one of: a / b"),
        ({"empty": True}, "none"),
        ({"empty": False}, "empty: no"),
        ({"unique": True}, "unique"),
        ({"decide": "domestic_bios"}, "domestic firmware"),
        ({"decide": "other"}, "other"),
        ({"min": {"profile": "npu_count"}}, "≥ product profile: npu_count"),
        ({"max": {"site": "limit", "default": 80}}, "≤ 80 GB/s"),
        ({"min": 18, "max": 27}, "≥ 18 GB/s; ≤ 27 GB/s"),
        ({"resembles": "x"}, "resembles: x"),
        ({"between": [1]}, "between: 1"),
        (8, "8 GB/s"),
        (None, ""),
        ({}, ""),
    ],
)
def test_expectations_read_as_people_write_them(expect: object, text: str) -> None:
    assert expectation(expect, "GB/s", Words("en")) == text


@given(JSON)
def test_any_expectation_can_be_shown(expect: object) -> None:
    assert clean(expectation(expect, "%", Words("zh"))) == expectation(expect, "%", Words("zh"))


def test_both_languages_say_the_same_things() -> None:
    assert STRINGS["zh"].keys() == STRINGS["en"].keys()
    for key, chinese in STRINGS["zh"].items():
        english = STRINGS["en"][key]
        assert chinese.strip() or key == "page.after", key
        assert sorted(re.findall(r"{\w+}", chinese)) == sorted(re.findall(r"{\w+}", english)), key
        if not key.startswith("stamp."):
            assert not re.search(r"[\u4e00-\u9fff]", english), key


def test_no_sentence_stands_in_two_tables() -> None:
    assert sum(len(table) for table in i18n.TABLES) == len(STRINGS["zh"])


def test_every_sentence_is_used() -> None:
    """A key stands in the sources as a whole, or its group is looked up by name."""
    folder = Path(i18n.__file__).parent
    sources = [*folder.glob("*.py"), *folder.glob("templates/*")]
    code = "\n".join(path.read_text("utf-8") for path in sources if not path.name.startswith("words_"))
    dynamic = set(re.findall(r"""f["']([\w.]+)\.\{""", code)) | set(re.findall(r"""["']([\w.]+)\.["'] ~""", code))
    dynamic |= set(re.findall(r"""word\(["']([\w.]+)["'],""", code)) | set(re.findall(r"""["'](\w+)\.%d["']""", code))
    unused = [
        key
        for key in STRINGS["zh"]
        if f'"{key}"' not in code and f"'{key}'" not in code and key.rpartition(".")[0] not in dynamic
    ]
    assert unused == []


def test_values_with_braces_are_taken_as_they_are() -> None:
    assert Words("en").say("expect.profile", key="{0.__class__}") == "product profile: {0.__class__}"
    with pytest.raises(ValueError, match="no report language 'fr'"):
        Words("fr")
