"""The role's seams: limits as the judge reads them, options as the modules have them, facts as the contract asks."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller import contract

ROOT = Path(__file__).resolve().parents[2]
ROLE = ROOT / "roles" / "npu_validation"


def loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def expected() -> Callable[..., Any]:
    spec = importlib.util.spec_from_file_location("npu_filter", ROOT / "plugins" / "filter" / "npu.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[..., Any] = module.FilterModule().filters()["npu_expected"]
    return found


@pytest.mark.parametrize(
    ("site", "value"),
    [
        ({}, 7),
        (None, 7),
        ({"hccs_link_count": 6}, 6),
        ({"hccs_link_count": 6, "hosts": {"node1": {"hccs_link_count": 5}}}, 5),
        ({"hccs_link_count": 6, "hosts": {"node2": {"hccs_link_count": 5}}}, 6),
        ({"hosts": "odd"}, 7),
    ],
)
def test_the_host_then_the_site_then_the_profile(expected: Callable[..., Any], site: Any, value: int) -> None:
    assert expected("hccs_link_count", "atlas_800t_a2", site, "node1") == value


def test_a_profile_or_key_that_nobody_knows_is_none(expected: Callable[..., Any]) -> None:
    assert expected("hccs_link_count", None, {}, "node1") is None
    assert expected("no_such_key", "atlas_800t_a2", {}, "node1") is None


@pytest.mark.parametrize("task_file", ["read.yml", "measure.yml"])
def test_every_option_that_the_role_gives_is_one_of_the_module(task_file: str) -> None:
    def tasks(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [task for row in rows for task in [row, *tasks(row.get("block", []) + row.get("always", []))]]

    seen = 0
    for task in tasks(loaded(ROLE / "tasks" / task_file)):
        for name in ("npu_info", "hbm_test", "interconnect_test"):
            if name in task:
                source = (ROOT / "library" / f"{name}.py").read_text(encoding="utf-8")
                known = yaml.safe_load(source.split('DOCUMENTATION = r"""')[1].split('"""')[0])["options"]
                assert set(task[name]) <= set(known), name
                seen += 1
    assert seen == {"read.yml": 1, "measure.yml": 2}[task_file]


def test_every_profile_of_the_product_family_has_the_limits() -> None:
    for name, profile in contract.load().profiles.items():
        assert {"hccs_link_count", "hccs_link_gbit_per_s", "p2p_below_median_percent"} <= set(profile["expect"]), name
