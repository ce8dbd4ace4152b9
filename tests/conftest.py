"""Shared by all tests: where things are, the twin, and the rule that nothing is skipped silently."""

from __future__ import annotations

import os
import re
from pathlib import Path

import hypothesis
import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
# CI shares its two cores with the twin: how long one example takes says nothing about the code.
hypothesis.settings.register_profile("npuforge", deadline=None)
hypothesis.settings.load_profile("npuforge")
SKIPPED: list[tuple[str, str]] = []


def skip_reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """The words after ``Skipped:`` of a skip's report."""
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    return str(report.longrepr)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        SKIPPED.append((report.nodeid, skip_reason(report)))


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.skipped:
        SKIPPED.append((report.nodeid, skip_reason(report)))


def forbidden_skips() -> list[tuple[str, str]]:
    rows = yaml.safe_load((ROOT / "tests" / "allowed_skips.yml").read_text(encoding="utf-8")) or []
    patterns = [re.compile(row["reason"]) for row in rows]
    return [(test, reason) for test, reason in SKIPPED if not any(p.fullmatch(reason) for p in patterns)]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    # Workers of xdist only report to the controller, which judges.
    if not hasattr(session.config, "workerinput") and exitstatus == 0 and forbidden_skips():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if SKIPPED:
        forbidden = forbidden_skips()
        terminalreporter.section("skips and their reasons")
        for test, reason in SKIPPED:
            verdict = "NOT ALLOWED" if (test, reason) in forbidden else "allowed"
            terminalreporter.line(f"{verdict}: {test}: {reason}")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of the vendors' captures; tests that need it are skipped where it is absent."""
    path = Path(os.environ.get("NPUFORGE_SHARED", ROOT.parent / "shared"))
    if not (path / "fixtures").is_dir():
        pytest.skip("shared fixtures are not beside this checkout")
    return path
