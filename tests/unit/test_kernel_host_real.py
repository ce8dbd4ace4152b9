"""Reading files of a real kernel, which answer otherwise than files on a disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from npuforge.kernel.host import MAX_BYTES, Host


@pytest.mark.parametrize("name", ["kernel/random/boot_id", "vm/swappiness", "kernel/osrelease"])
def test_a_sysctl_of_the_running_kernel_is_read(name: str) -> None:
    """The kernel answers ENOMEM to a read(2) of 4 MiB from /proc/sys (proc_sys_call_handler, KMALLOC_MAX_SIZE)."""
    path = f"/proc/sys/{name}"
    assert Host().read(path) == Path(path).read_text(encoding="utf-8")


def test_a_file_is_read_up_to_the_limit(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"x" * (MAX_BYTES + 10))
    assert Host(str(tmp_path)).read("/big") == "x" * MAX_BYTES, "and no more than the limit is read"
    assert Host(str(tmp_path)).read("/none") is None
    assert Host(str(tmp_path)).read(os.sep) is None, "a folder"
