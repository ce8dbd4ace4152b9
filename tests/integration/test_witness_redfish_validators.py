"""Witnesses: DMTF's own validators, run against the simulated BMCs as anybody would run them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.witness_redfish_helpers import BIN, Service, environment, run, schemas, service
from tests.unit.lab_bmc_helpers import PASSWORD, USER

EXCEPTIONS = yaml.safe_load((Path(__file__).parents[1] / "data" / "validator_exceptions.yml").read_text("utf-8"))
SUMMARY = re.compile(r"^\|\s+(\d+)\s+\|\s+(\d+)\s+\|\s+(\d+)\s+\|\s+(\d+)\s+\|$", re.M)
COMPLAINT = re.compile(r" - ERROR - FAIL - (.*)$", re.M)
NODES = {"openubmc": "node1", "strict": "node2", "ibmc": "node3"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with service(tmp_path_factory.mktemp("validators")) as running:
        yield running


@pytest.fixture(scope="module")
def csdl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return schemas(tmp_path_factory.mktemp("csdl"))


def service_validator(served: Service, node: str, csdl: Path, folder: Path, *more: str) -> tuple[int, list[str]]:
    """How many checks passed, and every complaint."""
    argv = [str(BIN / "rf_service_validator"), "-u", USER, "-p", PASSWORD, "-r", served.base_url(node)]
    argv += ["--logdir", str(folder / "logs"), "--schema_directory", str(csdl), "--skipschema", *more]
    done = run(argv, environment(served.ca_file, folder), folder)
    summary = SUMMARY.search(done.stdout)
    assert summary, done.stdout + done.stderr
    passed, _, failed, _ = (int(number) for number in summary.groups())
    log = next((folder / "logs").rglob("*.log")).read_text(encoding="utf-8")
    complaints = COMPLAINT.findall(log)
    assert len(complaints) == failed, "the log and the summary disagree: this test does not read the log right"
    return passed, complaints


def rows(program: str, dialect: str) -> list[dict[str, Any]]:
    return [row for row in EXCEPTIONS if (row["program"], row["dialect"]) == (program, dialect)]


@pytest.mark.parametrize("dialect", list(NODES))
def test_service_validator(served: Service, csdl: Path, tmp_path: Path, dialect: str) -> None:
    """Every resource against DMTF's schemas. Only what is listed with its reason may fail."""
    passed, complaints = service_validator(served, NODES[dialect], csdl, tmp_path)
    assert passed > 2000, "the validator did not see the whole tree"
    allowed = rows("rf_service_validator", dialect)
    assert [line for line in complaints if not any(re.search(row["match"], line) for row in allowed)] == []
    stale = [row["match"] for row in allowed if not any(re.search(row["match"], line) for line in complaints)]
    assert stale == [], "these exceptions are no longer needed"


def test_service_validator_on_a_faulty_machine(served: Service, csdl: Path, tmp_path: Path) -> None:
    """Absent and sick parts, no power, entries in the log: still according to the schemas."""
    world = served.world
    before = world.read("node2")
    try:
        with world.update("node2") as node:
            for kind in ("cpus", "npus", "dimms", "drives", "fans", "psus"):
                node[kind][1]["present"] = False
                node[kind][2]["health"] = "Critical"
            node["nics"][0]["present"] = False
            node["psus"][3]["input_connected"] = False
            node["drives"][3]["failure_predicted"] = True
            node["fans"][4]["rpm"] = 100
            node["power"] = "off"
        passed, complaints = service_validator(served, "node2", csdl, tmp_path)
    finally:
        with world.update("node2") as node:
            node.update(before)
    assert passed > 2000
    assert complaints == []


def test_the_vendor_is_complained_about_in_the_same_words(
    served: Service, csdl: Path, tmp_path: Path, shared: Path
) -> None:
    """The listed exceptions that name a vendor's tree: the same validator over that tree finds the same."""
    listed = [row for row in EXCEPTIONS if row["shown"].startswith("tree: ")]
    assert listed
    for number, row in enumerate(listed):
        tree, uri = row["shown"].removeprefix("tree: ").split()
        folder = tmp_path / str(number)
        folder.mkdir()
        mockup = str(shared / "fixtures" / "redfish" / tree)
        _, complaints = service_validator(
            served, NODES[row["dialect"]], csdl, folder, "--mockup", mockup, "--payload", "Single", uri
        )
        assert any(re.search(row["match"], line) for line in complaints), complaints


@pytest.mark.parametrize("dialect", ["openubmc", "ibmc"])
def test_protocol_validator(served: Service, tmp_path: Path, dialect: str) -> None:
    """Every "shall" of the protocol that the validator can test: no failure, no warning."""
    argv = [str(BIN / "rf_protocol_validator"), "-u", USER, "-p", PASSWORD, "-r", served.base_url(NODES[dialect])]
    argv += ["--ca-bundle", str(served.ca_file), "--avoid-http-redirect", "--report-type", "tsv"]
    done = run([*argv, "--report-dir", str(tmp_path)], environment(served.ca_file, tmp_path), tmp_path)
    report = next(iter(tmp_path.glob("*.tsv")), None)
    assert report, done.stdout + done.stderr
    with report.open(encoding="utf-8", newline="") as stream:
        lines = [line for line in csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE) if len(line) > 4]
    results = [line[4] for line in lines]
    assert results.count("PASS") > 300, "the validator did not get far"
    assert [line[:6] for line in lines if line[4] in ("FAIL", "WARN")] == []
