"""``site_software`` in an inventory: an unknown release, versions that do not go together, an address, a key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from bundle_helpers import manifest_of

from controller.bundle import keys
from controller.validate import software, structure, validate_inventory
from controller.validate.load import HostVars, Loaded
from controller.validate.sources import Sources
from tests.unit.validate_helpers import ROOT, TODAY, make_site, vault_secrets

FILES = {"npu_driver.run": b"d", "npu_firmware.run": b"f", "cann_toolkit.run": b"c"}
URL = "http://10.0.0.5:8077"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("software")
    keys.make(made)
    return made


def report(folder: Path, given: Any, **more: Any) -> tuple[dict[str, str], list[str]]:
    """The mistakes by key, and the notes, of a site that says only this."""
    text = Sources([])
    text.directories.append(folder)
    values = {"site_name": "s", "site_title": {"zh": "s", "en": "s"}, "site_software": given, **more}
    loaded = Loaded([], text, HostVars("all", ["all"], values))
    found = [*structure.check(loaded, ROOT), *software.check(loaded)]
    assert all(mistake.key.startswith("site_software") for mistake in found), found
    assert len({(mistake.key, mistake.value) for mistake in found}) == len(found), "each is told once"
    mistakes: dict[str, str] = {}
    for mistake in found:
        mistakes[mistake.key] = f"{mistakes.get(mistake.key, '')}{mistake.value} | {mistake.expected}\n"
    return mistakes, [note.expected for note in software.notes(loaded)]


def own(folder: Path, **versions: str) -> str:
    document = manifest_of(FILES)
    for artifact in document["artifacts"]:
        artifact["version"] = versions.get(artifact["id"], artifact["version"])
    (folder / "own.yml").write_text(yaml.safe_dump(document), encoding="utf-8")
    return "own.yml"


def test_a_release_with_its_key_is_right(folder: Path) -> None:
    assert report(folder, {"release": "2026.1", "url": URL, "key": "bundle.pub"}) == ({}, [])


def test_a_manifest_of_its_own_is_right(folder: Path) -> None:
    assert report(folder, {"manifest": own(folder), "url": "https://bundle.example.org/npu"}) == ({}, [])


@pytest.mark.parametrize(
    ("change", "key", "word"),
    [
        ({"release": "2026.l"}, "site_software.release", "did you mean 2026.1?"),
        ({"release": "../2026.1"}, "site_software.release", "one of 2026.1"),
        ({"release": 2026.1}, "site_software.release", "put it in quotes"),
        ({"release": None}, "site_software.release", "a release of contract/bundles"),
        ({"url": "10.0.0.5:8077"}, "site_software.url", "as http://10.0.0.1:8077"),
        ({"url": None}, "site_software.url", "as http://10.0.0.1:8077"),
        ({"url": "http://10.0.0.05:8077"}, "site_software.url", "an address as"),
        ({"url": "http://u:p@10.0.0.5:8077"}, "site_software.url", "without user"),
        ({"url": "http://10.0.0.5:99999"}, "site_software.url", "an address as"),
        ({"url": "http://10.0.0.5:0"}, "site_software.url", "port from 1"),
        ({"key": "none.pub"}, "site_software.key", "no such file"),
        ({"key": "bundle.key"}, "site_software.key", "stays at home"),
        ({"key": 5}, "site_software.key", "put it in quotes"),
        ({"manifest": "x.yml"}, "site_software.manifest", "not both"),
        ({"relaese": "2026.1"}, "site_software.relaese", "did you mean release?"),
    ],
)
def test_what_is_wrong_is_told_with_what_was_expected(
    folder: Path, change: dict[str, Any], key: str, word: str
) -> None:
    mistakes, _ = report(folder, {"release": "2026.1", "url": URL, "key": "bundle.pub", **change})
    assert key in mistakes and word in mistakes[key], mistakes


def test_missing_keys_are_told(folder: Path) -> None:
    mistakes, _ = report(folder, {"release": "2026.1"})
    assert set(mistakes) == {"site_software.url", "site_software.key"}
    mistakes, _ = report(folder, {"url": URL})
    assert "(2026.1)" in mistakes["site_software.release"]


def test_versions_that_do_not_go_together_are_refused_with_their_source(folder: Path) -> None:
    mistakes, _ = report(folder, {"manifest": own(folder, npu_driver="24.1.rc2.2", cann_toolkit="8.5.0"), "url": URL})
    driver, cann = mistakes["site_software.manifest"].splitlines()
    assert "npu_firmware in [7.0.0,7.2.99], not 7.7.0.1.231" in driver and "version.info of driver 24.1.rc2.2" in driver
    assert "CANN 8.5.0 release notes" in cann


def test_what_nobody_knows_is_a_note(folder: Path) -> None:
    mistakes, notes = report(folder, {"manifest": own(folder, npu_firmware="7.7.0.6.236"), "url": URL})
    assert mistakes == {} and len(notes) == 1
    assert "no rule knows which npu_driver goes with npu_firmware 7.7.0.6.236" in notes[0]


def test_a_manifest_that_cannot_be_read_is_told(folder: Path) -> None:
    (folder / "broken.yml").write_text("release: [", encoding="utf-8")
    for name in ("broken.yml", "none.yml"):
        mistakes, _ = report(folder, {"manifest": name, "url": URL})
        assert "a manifest that can be used" in mistakes["site_software.manifest"]


@pytest.mark.parametrize("given", [[], "2026.1", 7, None])
def test_another_shape_is_told_by_the_schema(folder: Path, given: Any) -> None:
    mistakes, _ = report(folder, given)
    assert "the node's software" in mistakes["site_software"]


def test_the_whole_inventory_is_judged_with_it(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    file = site / "group_vars" / "all" / "software.yml"
    file.write_text(f"site_software:\n  release: 2026.9\n  url: {URL}\n", encoding="utf-8")
    found = validate_inventory([str(site)], vault_secrets(), TODAY)
    assert {mistake.key for mistake in found.mistakes} == {"site_software.release"}
    assert str(found.mistakes[0].place).endswith("group_vars/all/software.yml:1")
    file.write_text(f"site_software: {{release: '2026.1', url: '{URL}', key: pki/bundle.pub}}\n", encoding="utf-8")
    keys.make(site / "pki")
    assert validate_inventory([str(site)], vault_secrets(), TODAY).ok
