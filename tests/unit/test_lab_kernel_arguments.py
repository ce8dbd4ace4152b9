"""CPU sets and the command line, as the kernel reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.nodes.kernel.arguments import Arguments, isolation
from lab.nodes.kernel.cpus import format_list, format_mask, parse_list, parse_mask


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        ("0-3,8", {0, 1, 2, 3, 8}),
        ("3,3,2", {2, 3}),
        ("0-7:2/4", {0, 1, 4, 5}),
        ("all", set(range(16))),
        ("14-N", {14, 15}),
        ("", set()),
        ("1,,2\n", {1, 2}),
    ],
)
def test_lists(text: str, cpus: set[int]) -> None:
    assert parse_list(text, 16) == cpus


@pytest.mark.parametrize("text", ["16", "3-1", "a", "1-", "-1", "0x3", "0-7:0/4", "0-7:5/4", "0-7:2", "1.5", "²"])
def test_refused_lists(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse_list(text, 16)


@given(st.frozensets(st.integers(0, 255)))
def test_what_is_printed_is_read_again(cpus: frozenset[int]) -> None:
    assert parse_list(format_list(cpus), 256) == cpus
    assert parse_mask(format_mask(cpus, 256), 256) == cpus
    assert parse_mask(format_mask(cpus, 300), 300) == cpus


def test_masks_have_groups_of_32_bits() -> None:
    assert format_mask({0, 33}, 64) == "00000002,00000001"
    assert format_mask({0}, 4) == "1"
    for wrong in ("", "g", "1,", "123456789", "10"):
        with pytest.raises(ValueError, match=r".*"):
            parse_mask(wrong, 4)


def found(line: str) -> tuple[str, str, str]:
    made = isolation(Arguments(line), 64)
    ticks = "null" if made.nohz_full is None else format_list(made.nohz_full)
    return format_list(made.domain), format_list(made.managed_irq), ticks


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("quiet", ("", "", "null")),
        ("isolcpus=4-7", ("4-7", "", "null")),
        ("isolcpus=managed_irq,domain,4-7 nohz_full=4-7", ("4-7", "4-7", "4-7")),
        ("isolcpus=managed_irq,4-7", ("", "4-7", "null")),
        ("isolcpus=nohz,domain,4-7 nohz_full=8-9", ("4-7", "", "4-7")),  # they contradict: the later is dropped
        ("isolcpus=4-7 isolcpus=8-9", ("4-7", "", "null")),
        ("isolcpus=4-99 nohz_full=2-3", ("", "", "2-3")),
        ("isolcpus=turbo,4-7", ("4-7", "", "null")),
        ("nohz_full=0-3", ("", "", "1-3")),  # somebody keeps the time
        ("isolcpus=0-63", ("1-63", "", "null")),
        ("-- isolcpus=4-7", ("", "", "null")),
        ('dyndbg="file x isolcpus=4-7"', ("", "", "null")),
    ],
)
def test_isolation(line: str, expected: tuple[str, str, str]) -> None:
    assert found(line) == expected


def test_arguments() -> None:
    given_line = Arguments('a=1 a=2 iommu.passthrough=1 sysctl.vm.swappiness=3 foo-bar="x y" selinux=off')
    assert given_line.get("a") == "2"
    assert given_line.get("foo_bar") == "x y"
    assert given_line.enabled("iommu.passthrough") is True
    assert given_line.enabled("selinux") is False
    assert given_line.enabled("b") is None
    assert given_line.get("b") is None
