"""Versions, ranges and rules: the vendor's order, what goes together, and that every rule has a source."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import pytest
import yaml
from bundle_helpers import artifact
from hypothesis import assume, given
from hypothesis import strategies as st

from controller import contract
from controller.bundle import manifest, rules, versions

NUMBERS = st.integers(0, 999).map(str)
WORDS = st.sampled_from(["rc", "RC", "alpha", "beta", "b", "post", "t"])
PART = NUMBERS | st.builds(lambda word, number: f"{word}{number}", WORDS, st.integers(0, 99))
VERSION = st.builds(lambda first, rest: ".".join([first, *rest]), NUMBERS, st.lists(PART, max_size=5))


@given(VERSION, VERSION, VERSION)
def test_versions_have_one_order(a: str, b: str, c: str) -> None:
    def order(left: str, right: str) -> int:
        result = versions.compare(left, right)
        assert result is not None
        return result

    assert order(a, b) == -order(b, a) and order(a, a) == 0
    if order(a, b) <= 0 and order(b, c) <= 0:
        assert order(a, c) <= 0
    assert order(a.upper(), b.lower()) == order(a, b)


ORDER = [
    "7.1.0.11.220", "7.2.99", "7.3.0.1.231", "7.5.0.1.129", "7.5.99", "8.0.RC1", "8.0.RC3", "8.0.0", "8.1.RC1",
    "8.2.RC1.alpha003", "8.2.RC1", "8.5.0.alpha001", "8.5.0", "8.5.1", "23.0.rc3", "23.0.0", "23.0.7", "24.1",
    "24.1.rc1", "24.1.rc2.2", "24.1.rc3", "24.1.0", "24.1.0.3", "25.0.rc1.1", "25.2.0",
]  # fmt: skip


def test_the_order_of_real_versions() -> None:
    for earlier, later in itertools.pairwise(ORDER):
        assert versions.compare(earlier, later) == -1, (earlier, later)


@pytest.mark.parametrize("text", ["", "latest", "v", "1..2", "1.-2", "١.٢", "1." * 50, "8.0-1", " ", None, 8.1, "1\n2"])
def test_what_is_no_version_is_none(text: Any) -> None:
    assert versions.parse(text) is None
    if isinstance(text, str):
        assert versions.within(text, "[1,2]") is None and versions.compare(text, "1") is None


@given(VERSION, VERSION, VERSION)
def test_a_range_holds_its_ends_and_nothing_outside(low: str, version: str, high: str) -> None:
    low, version, high = sorted([low, version, high], key=lambda text: versions.parse(text) or ())
    assert versions.within(version, f"[{low},{high}]")
    assert versions.within(low, f"[{low},{high}]") and versions.within(high, f"[{low},{high}]")
    if versions.compare(low, version) == -1:
        assert not versions.within(low, f"[{version},{high}]")
    assert versions.within(version, f"[{low},{high}],[{high},{high}]")


@given(VERSION, st.lists(PART, max_size=3))
def test_a_dot_at_the_end_is_all_that_begins_so(start: str, rest: list[str]) -> None:
    assert versions.within(".".join([start, *rest]), f"[{start},{start}.]")


@given(VERSION, VERSION)
def test_a_dot_at_the_end_is_nothing_else(start: str, other: str) -> None:
    key, prefix = versions.parse(other), versions.parse(start)
    assert key is not None and prefix is not None
    assume(key[: len(prefix) - 1] != prefix[:-1])
    assert not versions.within(other, f"[{start},{start}.]")


@pytest.mark.parametrize(
    ("version", "ranges", "inside"),
    [
        ("7.1.0.11.220", "[7.0.0,7.2.99]", True),
        ("7.3.0.1.231", "[7.0.0,7.2.99]", False),
        ("7.7.0.1.231", "[6.4.0,6.4.99],[7.0.0,8.9.9]", True),
        ("6.5.0", "[6.4.0,6.4.99],[7.0.0,8.9.9]", False),
        ("24.1.rc3", "[23.0.0,23.0.0.],[24.0,24.0.],[24.1,24.1.]", True),
        ("24.10.0", "[24.1,24.1.]", False),
        ("24.1.rc1", "[23.0.rc3,23.0.rc3.],[23.0.0,23.0.0.]", False),
        ("24.1.rc1", "[24.1.rc2,24.1.]", False),
        ("24.1.0.3", "[24.1.rc2,24.1.]", True),
        ("v1.28.15", "[1.17,1.34.]", True),
        ("1.34.3", "[1.17,1.34.]", True),
        ("1.35.0", "[1.17,1.34.]", False),
        ("1.3", "[1.17,1.34.]", False),
    ],
)
def test_ranges_of_real_version_files(version: str, ranges: str, inside: bool) -> None:
    assert versions.within(version, ranges) is inside


@pytest.mark.parametrize(
    "text",
    ["", "7.0.0,7.2.99", "[7.0.0]", "[7.0.0,7.2.99", "[7.0.0,7.2.99]x", "[2,1]", "[a,b]", "[1.,2]", "[1,2..]", "[,]"],
)
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        versions.parse_ranges(text)


@given(st.text(max_size=60))
def test_any_text_is_a_range_or_a_clear_error(text: str) -> None:
    try:
        assert versions.parse_ranges(text)
    except ValueError as error:
        assert len(str(error)) < 250


def document(**given_versions: str) -> dict[str, Any]:
    artifacts = [artifact(f"{name}.run", id=name, version=version) for name, version in given_versions.items()]
    return {"schema": "npuforge.bundle/1", "release": "t", "title": "t", "artifacts": artifacts}


def test_the_real_case_of_a_firmware_too_new_for_its_driver() -> None:
    (problem,) = rules.problems(document(npu_driver="24.1.rc2.2", npu_firmware="7.3.0.1.231"))
    assert problem["where"] == "npu_driver 24.1.rc2.2, npu_firmware 7.3.0.1.231"
    assert "[7.0.0,7.2.99]" in problem["problem"] and "24.1.rc2.2" in problem["source"]


def test_each_side_is_asked_and_named() -> None:
    found = rules.problems(document(npu_driver="24.1.rc1", npu_firmware="7.1.0.11.220"))
    assert [problem["source"].split()[2] for problem in found] == ["firmware"], (
        "the driver accepts it, the firmware not"
    )


@pytest.mark.parametrize(
    ("parts", "kubernetes", "word"),
    [
        ({"cann_toolkit": "8.5.0", "npu_driver": "24.1.0.3"}, None, "npu_driver in"),
        ({"cann_toolkit": "8.2.RC1", "npu_driver": "25.3.rc1"}, None, "npu_driver in"),
        ({"cann_toolkit": "8.2.RC1", "torch_npu": "2.7.1"}, None, "torch_npu in"),
        ({"cann_toolkit": "8.2.RC1", "cann_kernels": "8.1.RC1"}, None, "version of cann_toolkit"),
        ({"cann_toolkit": "8.2.RC1", "cann_nnal": "8.2.RC2"}, None, "version of cann_toolkit"),
        ({"device_plugin": "7.3.0", "cann_toolkit": "8.0.0"}, None, "cann_toolkit in"),
        ({"device_plugin": "7.3.0", "npu_driver": "24.1.0"}, None, "npu_driver in"),
        ({"device_plugin": "26.0.0"}, "1.35.1", "kubernetes in"),
    ],
)
def test_what_does_not_go_together_is_refused_with_its_source(
    parts: dict[str, str], kubernetes: str | None, word: str
) -> None:
    (problem,) = rules.problems(document(**parts), kubernetes)
    assert word in problem["problem"] and all(version in problem["where"] for version in parts.values())
    assert len(problem["source"]) > 10


def test_what_nobody_knows_is_a_note_and_no_refusal() -> None:
    unknown = document(npu_driver="99.9.0", npu_firmware="7.7.0.6.236", cann_toolkit="latest", torch_npu="2.6.0")
    assert rules.problems(unknown, "1.28.15") == []
    found = {note["where"]: note["problem"] for note in rules.notes(unknown, "1.28.15")}
    assert all(text.startswith("cannot tell: ") for text in found.values())
    assert "cannot be read as a version" in found["cann_toolkit latest, torch_npu 2.6.0"]
    assert "no rule knows" in found["npu_driver 99.9.0, npu_firmware 7.7.0.6.236"]


def test_equal_versions_that_cannot_be_read_are_a_note() -> None:
    unread = document(cann_toolkit="nightly", cann_kernels="latest")
    assert rules.problems(unread) == [] and "cannot be read" in rules.notes(unread)[0]["problem"]
    assert rules.notes(document(cann_toolkit="nightly", cann_kernels="nightly")) == []
    assert rules.problems(document(cann_toolkit="8.2.RC1", cann_kernels="8.2.rc1")) == []


def test_only_what_one_node_could_get_is_compared() -> None:
    mixed = document(npu_driver="24.1.rc2.2")
    mixed["artifacts"].append(artifact("fw.run", id="npu_firmware", version="7.7.0.1.231", chip="a3"))
    assert rules.problems(mixed) == [] and rules.notes(mixed) == []
    mixed["artifacts"][1]["chip"] = None
    assert len(rules.problems(mixed)) == 1
    mixed["artifacts"][0]["arch"], mixed["artifacts"][1]["arch"] = ["aarch64"], ["x86_64"]
    assert rules.problems(mixed) == []


def test_two_architectures_say_it_once() -> None:
    both = document(npu_firmware="7.7.0.1.231")
    for arch in ("aarch64", "x86_64"):
        both["artifacts"].append(artifact(f"{arch}.run", id="npu_driver", version="24.1.rc2.2", arch=[arch]))
    assert len(rules.problems(both)) == 1


@pytest.mark.parametrize("name", manifest.releases())
def test_every_release_goes_together_and_its_rules_know_it(name: str) -> None:
    release = manifest.load_release(name)
    assert rules.problems(release) == [] and rules.notes(release) == []
    assert {"npu_driver", "npu_firmware", "cann_toolkit", "cann_kernels", "cann_nnal"} <= {
        each["id"] for each in release["artifacts"]
    }
    for each in release["artifacts"]:
        assert each["version"] in each["file"] and each["license"]


def test_the_rules_are_sound_and_a_broken_one_is_named(tmp_path: Any) -> None:
    law = rules.load()
    used = {rule["source"] for rule in (*law["needs"], *law["same_version"])}
    assert used == set(law["sources"]), "each source is used, each rule has one"
    for change, word in [
        ({"versions": "[2,1]"}, "ends before it begins"),
        ({"allowed": "[x,y]"}, "no version"),
        ({"source": "hearsay"}, "hearsay"),
    ]:
        broken = copy.deepcopy(law)
        broken["needs"][0].update(change)
        path = tmp_path / f"{word[:3]}.yml"
        path.write_text(yaml.safe_dump(broken), encoding="utf-8")
        with pytest.raises(contract.ContractError, match=word):
            rules.load(path)
