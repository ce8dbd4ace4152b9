"""Whose clock is the site's, in an inventory: time servers or one node, not both, and not nobody by mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from controller.validate import validate_inventory
from tests.unit import validate_helpers as site

SERVERS = "site_ntp_servers:\n  - 10.20.0.1\n"


def judged(folder: Path, text: str) -> tuple[dict[str, str], list[str]]:
    made = site.make_site(folder)
    site.edit(made / "group_vars/all/site.yml", (SERVERS, text))
    report: Any = validate_inventory([str(made / "hosts.yml")], site.vault_secrets(), site.TODAY)
    return {each.key: each.expected for each in report.mistakes}, [each.key for each in report.notes]


@pytest.mark.parametrize(
    ("text", "key", "word"),
    [
        (SERVERS + "site_time: {local_source: node1}\n", "site_time.local_source", "either site_ntp_servers or"),
        (SERVERS + "site_time: {local_stratum: 8}\n", "site_time.local_stratum", "no local_stratum"),
        ("site_ntp_servers: []\nsite_time: {local_source: nod1}\n", "site_time.local_source", "did you mean node1"),
        ("site_ntp_servers: []\nsite_time: {local_source: sw1}\n", "site_time.local_source", "npu_servers"),
        ("site_ntp_servers: []\nsite_time: {}\n", "site_time.local_source", "names no server"),
        ("site_time: {local_source: node1, local_stratum: 16}\n", "site_time.local_stratum", "1 to 15"),
        ("site_time: {servers: [10.20.0.1], local_source: node1}\n", "site_time.servers", ""),
    ],
)
def test_what_contradicts_itself_is_a_mistake(tmp_path: Path, text: str, key: str, word: str) -> None:
    mistakes, _ = judged(tmp_path, text)
    assert list(mistakes) == [key] and word in mistakes[key]


def test_a_site_with_one_source_is_right_and_one_without_any_is_told(tmp_path: Path) -> None:
    assert judged(tmp_path / "a", "site_ntp_servers: []\nsite_time: {local_source: node2}\n") == ({}, [])
    assert judged(tmp_path / "b", SERVERS) == ({}, [])
    assert judged(tmp_path / "c", "site_ntp_servers: []\n") == ({}, ["site_ntp_servers"])
