"""The wishes of every host among the mistakes of the whole inventory, and disks against what the last run saw."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from os_install_helpers import HASH, KEY, LUKS, MAC, facts
from validate_helpers import make_site, vault_secrets

from controller.validate import load, os_install

SITE = {"installer": "/srv/x.iso", "repository": "http://10.20.0.1/os/", "ssh_keys": [KEY], "password_hash": HASH}
OWN: dict[str, Any] = {
    "system_disks": ["DRV00210P00", "DRV00210P01"],
    "data_disks": [{"disk": "DRV00210P02", "mount": "/data0", "filesystem": "xfs", "luks": True}],
    "luks": {"key": LUKS},
    "network": {"mac": MAC, "address": "10.20.0.12/24"},
}


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_site(tmp_path_factory.mktemp("inventory"))


def mistakes(
    inventory: Path, site: Any, own: Any, seen: Any = None, artifacts: Path | None = None
) -> list[tuple[tuple[str, ...], str, str, str]]:
    """[(hosts, key, value, expected)] with these wishes of node2."""
    loaded = load.load([str(inventory)], vault_secrets())
    loaded.site.values["site_os_install"] = site
    loaded.hosts["node2"].values["os_install"] = own
    folder = artifacts or inventory.parent / "none"
    if seen is not None:
        for number, document in enumerate(seen):
            path = folder / loaded.site.values["site_name"] / f"2026112{number}T000000Z" / "observations"
            path.mkdir(parents=True, exist_ok=True)
            (path / "bmc-node2.json").write_text(document if isinstance(document, str) else json.dumps(document))
    return [(item.hosts, item.key, item.value, item.expected) for item in os_install.check(loaded, folder)]


def test_right_wishes_and_none_are_no_mistake(inventory: Path, tmp_path: Path) -> None:
    assert mistakes(inventory, SITE, OWN) == []
    assert mistakes(inventory, None, None) == []
    assert mistakes(inventory, SITE, {}) == []
    assert mistakes(inventory, SITE, OWN, [{"facts": facts()}], tmp_path) == []


def test_all_mistakes_are_told_at_once_where_they_stand(inventory: Path) -> None:
    own = copy.deepcopy(OWN)
    own["data_disks"][0]["disk"] = "/dev/nvme0n1"
    own["network"]["mac"] = "02-00"
    found = mistakes(inventory, {**SITE, "password_hash": "Pl4in-words", "repository": 5}, own)
    assert [(hosts, key) for hosts, key, _, _ in found] == [
        (("all",), "site_os_install.repository"),
        (("node2",), "os_install.data_disks[0].disk"),
        (("node2",), "os_install.network.mac"),
        (("all",), "site_os_install.password_hash"),
    ]
    assert "Pl4in-words" not in str(found)


def test_the_same_disk_twice_and_a_key_that_is_missing(inventory: Path) -> None:
    twice = {**OWN, "system_disks": ["DRV00210P00", "DRV00210P00"], "luks": {"key": None}}
    found = {key: expected for _, key, _, expected in mistakes(inventory, SITE, twice)}
    assert "another disk than system_disks[0]" in found["os_install.system_disks[1]"]
    assert "data_disks[0].luks is true" in found["os_install.luks.key"]


def test_disks_are_looked_up_in_the_newest_run_that_saw_the_machine(inventory: Path, tmp_path: Path) -> None:
    stranger = {**OWN, "system_disks": ["DRV00210P00", "DRV99999P01"]}
    blind = {"facts": {"reachable": False, "drive": None}}
    ((hosts, key, value, expected),) = mistakes(
        inventory, SITE, stranger, [{"facts": facts()}, blind, "not json"], tmp_path
    )
    assert (hosts, key, value) == (("node2",), "os_install.system_disks[1]", '"DRV99999P01"')
    assert "a disk that the BMC shows: Disk0, serial DRV00210P00" in expected
    both = {**stranger, "luks": {"key": None}}
    told = [key for _, key, _, _ in mistakes(inventory, SITE, both, [{"facts": facts()}], tmp_path)]
    assert told == ["os_install.luks.key", "os_install.system_disks[1]"]
    assert mistakes(inventory, SITE, stranger) == []  # nothing is known of the machine: its BMC will be asked
