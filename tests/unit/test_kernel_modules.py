"""Whether a kernel module is there: by /proc/modules, by /sys/module where the kernel has no loadable modules."""

from __future__ import annotations

from pathlib import Path

import pytest
from npuforge.kernel.host import Host
from npuforge.kernel.modules import loaded


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"proc/modules": "br_netfilter 32768 0 - Live 0x0\n"}, True),
        ({"proc/modules": "ext4 1 0 - Live 0x0\n"}, False),
        ({"sys/module/br_netfilter/initstate": "live\n"}, True),
        ({"proc/modules": "", "sys/module/br_netfilter/parameters/x": "1\n"}, True),
        ({"sys/module/loop/initstate": "live\n"}, False),
        ({}, None),
    ],
)
def test_a_module_is_loaded_absent_or_unseen(tmp_path: Path, files: dict[str, str], told: bool | None) -> None:
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert loaded(Host(str(tmp_path)), "br-netfilter") is told
