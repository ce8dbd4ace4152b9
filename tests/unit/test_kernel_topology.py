"""CPU lists and masks, and which CPUs are isolated on which machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_helpers import Kernel, Machine
from npuforge.kernel import isolation, topology
from npuforge.kernel.topology import Node, Topology

CPUS = st.sets(st.integers(0, 511), max_size=80)


@given(CPUS)
def test_lists_and_masks_are_read_back(cpus: set[int]) -> None:
    assert topology.parse_list(topology.format_list(cpus)) == sorted(cpus)
    assert topology.parse_mask(topology.format_mask(cpus)) == sorted(cpus)


@given(st.text(max_size=60))
def test_garbage_is_no_list(text: str) -> None:
    for found in (topology.parse_list(text), topology.parse_mask(text)):
        assert found is None or all(isinstance(cpu, int) for cpu in found)


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        ("0-3,8\n", [0, 1, 2, 3, 8]),
        ("(null)\n", []),
        ("", []),
        ("0-7:2/4", [0, 1, 4, 5]),  # the first 2 of each 4, as the command line takes it
        ("3-1", None),
        ("0-99999", None),
        ("a", None),
    ],
)
def test_lists_as_the_kernel_writes_them(text: str, cpus: list[int] | None) -> None:
    assert topology.parse_list(text) == cpus


def test_masks_have_words_of_32_bits() -> None:
    assert topology.format_mask([0, 32, 33]) == "3,00000001"
    assert topology.format_mask([]) == "0"
    assert topology.parse_mask("ff,00000000\n") == list(range(32, 40))


def machine(tmp_path: Path, **changes: int) -> tuple[Machine, Topology]:
    made = Machine(tmp_path, grub=False, **changes)  # type: ignore[arg-type]  # the sizes alone
    found = topology.read(Kernel(made))
    assert found is not None
    return made, found


def test_eight_nodes_of_32_cores_keep_four_each(tmp_path: Path) -> None:
    _, found = machine(tmp_path, nodes=8, cores=32)
    divided = isolation.divide(found, 4)
    assert topology.format_list(divided.housekeeping) == "0-3,32-35,64-67,96-99,128-131,160-163,192-195,224-227"
    assert len(divided.isolated) == 8 * 28 and divided.problem is None


def test_siblings_of_a_core_stay_together(tmp_path: Path) -> None:
    _, found = machine(tmp_path, nodes=2, cores=4, threads=2)
    divided = isolation.divide(found, 1)
    assert divided.housekeeping == [0, 4, 8, 12]  # CPU 8 is the sibling of 0, 12 of 4
    assert divided.isolated == [1, 2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15]


def test_a_node_without_cpus_and_offline_cpus_are_left_out(tmp_path: Path) -> None:
    made, _ = machine(tmp_path, nodes=2, cores=4)
    made.put("/sys/devices/system/node/node2/cpulist", "\n")  # memory only
    made.put("/sys/devices/system/cpu/online", "0-2,4-7\n")
    made.put("/sys/devices/system/node/node0/cpulist", "0-2\n")
    found = topology.read(Kernel(made))
    assert found is not None and [node.number for node in found.nodes] == [0, 1] and found.offline == (3,)
    divided = isolation.divide(found, 1)
    assert (divided.housekeeping, divided.isolated) == ([0, 4], [1, 2, 5, 6, 7])


def test_a_kernel_without_numa_is_one_node(tmp_path: Path) -> None:
    made, _ = machine(tmp_path, nodes=1, cores=4)
    for path in sorted((tmp_path / "sys/devices/system/node").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    found = topology.read(Kernel(made))
    assert found == Topology((Node(0, ((0,), (1,), (2,), (3,))),), ())


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/sys/devices/system/cpu/online", "garbage"),
        ("/sys/devices/system/node/node1/cpulist", "x-y"),
        ("/sys/devices/system/node/node1/cpulist", "5-7"),  # CPU 4 is of no node
    ],
)
def test_half_a_picture_is_none(tmp_path: Path, path: str, text: str) -> None:
    made, _ = machine(tmp_path, nodes=2, cores=4)
    made.put(path, text)
    assert topology.read(Kernel(made)) is None


def test_more_housekeeping_than_cores_is_refused_by_name(tmp_path: Path) -> None:
    _, found = machine(tmp_path, nodes=2, cores=4)
    problem = isolation.divide(found, 4).problem
    assert problem is not None and "node 0 has 4, node 1 has 4" in problem and "4 housekeeping cores" in problem


@given(
    st.integers(1, 4).flatmap(
        lambda nodes: st.tuples(st.just(nodes), st.integers(2, 16), st.integers(1, 4), st.integers(1, 15))
    )
)
def test_every_node_keeps_house_and_has_cores_to_give(sizes: tuple[int, int, int, int]) -> None:
    nodes, cores, threads, kept = sizes
    all_cores = nodes * cores
    found = Topology(
        tuple(
            Node(n, tuple(tuple(n * cores + c + t * all_cores for t in range(threads)) for c in range(cores)))
            for n in range(nodes)
        ),
        (),
    )
    divided = isolation.divide(found, kept)
    if kept >= cores:
        assert divided.problem is not None and not divided.isolated
        return
    assert divided.problem is None
    assert sorted(divided.housekeeping + divided.isolated) == list(range(all_cores * threads))
    assert 0 in divided.housekeeping
    for node in found.nodes:
        assert len(set(node.cpus) & set(divided.housekeeping)) == kept * threads
        for core in node.cores:
            assert set(core) <= set(divided.housekeeping) or set(core) <= set(divided.isolated)
