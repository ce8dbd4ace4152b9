"""Values of /proc/sys: types and bounds, pairs, what is asked of the kernel below and what is only the node's."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.nodes.kernel.machine import Machine, real_kernel
from lab.nodes.kernel.sysctl import Value
from tests.unit.lab_kernel_helpers import document, machine, read, write


@pytest.mark.parametrize(
    ("key", "text", "shown"),
    [
        ("vm/swappiness", "10\n", "10\n"),
        ("vm/swappiness", " 0x10 ", "16\n"),
        ("kernel/hung_task_warnings", "-1", "-1\n"),
        ("kernel/printk", "3 4 1", "3\t4\t1\t7\n"),
        ("kernel/core_pattern", "/var/core.%p\n", "/var/core.%p\n"),
        ("kernel/shmmax", str(2**64 - 1), f"{2**64 - 1}\n"),
    ],
)
def test_taken(key: str, text: str, shown: str) -> None:
    kernel = machine()
    write(kernel, f"proc/sys/{key}", text)
    assert read(kernel, f"proc/sys/{key}") == shown


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("vm/swappiness", "201"),
        ("vm/swappiness", "-1"),
        ("vm/swappiness", "ten"),
        ("vm/swappiness", "1 2"),
        ("vm/swappiness", ""),
        ("kernel/pid_max", "300"),
        ("kernel/pid_max", "4194305"),
        ("kernel/printk", "1 2 3 4 5"),
        ("fs/nr_open", str(2**32)),
        ("vm/overcommit_memory", "3"),
    ],
)
def test_refused(key: str, text: str) -> None:
    kernel = machine()
    before = read(kernel, f"proc/sys/{key}")
    with pytest.raises(OSError, match=r".*") as caught:
        write(kernel, f"proc/sys/{key}", text)
    assert caught.value.errno == errno.EINVAL
    assert read(kernel, f"proc/sys/{key}") == before


@given(st.text(max_size=30))
def test_numbers_stay_within_their_bounds(text: str) -> None:
    value = Value("int", "5", -10, 10)
    try:
        value.store(text)
    except OSError as error:
        assert error.errno == errno.EINVAL
        assert value.text == "5"
    else:
        assert -10 <= int(value.text) <= 10


def test_one_of_a_pair_clears_the_other() -> None:
    kernel = machine()
    write(kernel, "proc/sys/vm/dirty_bytes", "1048576")
    assert read(kernel, "proc/sys/vm/dirty_ratio") == "0\n"
    write(kernel, "proc/sys/vm/dirty_ratio", "15")
    assert read(kernel, "proc/sys/vm/dirty_bytes") == "0\n"
    assert read(kernel, "proc/sys/vm/dirty_ratio") == "15\n"


def test_sysctl_words_of_the_command_line() -> None:
    kernel = machine("sysctl.vm.swappiness=7 sysctl.vm.page_cluster=0 sysctl.vm.overcommit_memory=9")
    assert [read(kernel, f"proc/sys/vm/{key}") for key in ("swappiness", "page-cluster", "overcommit_memory")] == [
        "7\n",
        "0\n",
        "0\n",
    ]


def test_each_boot_has_its_own_id() -> None:
    ids = {read(machine(), "proc/sys/kernel/random/boot_id") for _ in range(3)}
    assert len(ids) == 3


def test_what_the_kernel_below_has_is_there_and_only_read(tmp_path: Path) -> None:
    """A make-believe /proc/sys: what is unknown is the node's own copy, names go through, the rest is asked."""
    files = {"vm/only_here": "5\n", "kernel/hostname": "below\n", "kernel/osrelease": "6.6\n", "vm/swappiness": "33\n",
             "net/core/somaxconn": "4096\n", "fs/file-nr": "1\t0\t9\n", "kernel/random/boot_id": "x\n"}  # fmt: skip
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    kernel = Machine(document(), "", real_kernel(str(tmp_path)), tmp_path)
    assert read(kernel, "proc/sys/vm/only_here") == "5\n"
    write(kernel, "proc/sys/vm/only_here", "6")
    assert read(kernel, "proc/sys/vm/only_here") == "6\n"
    with pytest.raises(OSError, match=r".*"):
        write(kernel, "proc/sys/vm/only_here", "word")
    assert read(kernel, "proc/sys/vm/swappiness") == "60\n"
    write(kernel, "proc/sys/vm/swappiness", "1")
    (tmp_path / "fs/file-nr").write_text("2\t0\t9\n")
    assert read(kernel, "proc/sys/fs/file-nr") == "2\t0\t9\n"
    write(kernel, "proc/sys/kernel/hostname", "renamed")
    write(kernel, "proc/sys/net/core/somaxconn", "1024")
    now = {name: (tmp_path / name).read_text() for name in files}
    assert now["kernel/hostname"].startswith("renamed")  # the container's own name
    assert now["net/core/somaxconn"].startswith("1024")  # the container's own network
    assert now["vm/only_here"] == "5\n"
    assert now["vm/swappiness"] == "33\n"
    os.close(kernel.sysctl.below.root or 0)
