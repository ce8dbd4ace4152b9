"""validate on ``site_os``, a host's ``os`` and ``reboot_hosts``: each mistake with key and nearest known word."""

from __future__ import annotations

from pathlib import Path

import pytest
from validate_helpers import edit, make_site, vault_secrets

from controller.validate import validate_inventory


def mistakes(tmp_path: Path, line: str) -> list[tuple[tuple[str, ...], str, str, str]]:
    site = make_site(tmp_path)
    edit(next(site.rglob("site.yml")), ("site_report_language:", f"{line}\nsite_report_language:"))
    found = validate_inventory([str(site)], vault_secrets()).mistakes
    return [(each.hosts, each.key, each.value, each.expected) for each in found]


@pytest.mark.parametrize(
    ("line", "key", "value", "expected"),
    [
        ("site_os: {swapp: 'off'}", "site_os.swapp", '"off"', "did you mean swap?"),
        ("site_os: {isolation: {housekeeping: 2}}", "site_os.isolation.housekeeping", "2", "no such setting"),
        ("site_os: {transparent_hugepages: some}", "site_os.transparent_hugepages", '"some"', "madvise"),
        ("site_os: [1]", "site_os", "[1]", "settings of contract/os_baseline.yml"),
        ("reboot_hosts: [node1, nod2]", "reboot_hosts", '"nod2"', "did you mean node2?"),
        ("reboot_hosts: node1,node9", "reboot_hosts", '"node9"', "the name of a server"),
    ],
)
def test_each_mistake_is_named(tmp_path: Path, line: str, key: str, value: str, expected: str) -> None:
    found = mistakes(tmp_path, line)
    assert [(row[0], row[1], row[2]) for row in found][:1] == [(("all",), key, value)], found
    assert expected in found[0][3]


def test_what_is_right_is_no_mistake(tmp_path: Path) -> None:
    assert mistakes(tmp_path, "site_os: {transparent_hugepages: madvise}\nreboot_hosts: node1, node2") == []
    assert mistakes(tmp_path / "nobody", "reboot_hosts: ''") == []
