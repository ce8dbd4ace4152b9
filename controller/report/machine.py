"""The verdicts for machines: CTRF JSON (https://ctrf.io, schema 0.0.0 and 1.x) and JUnit XML."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as ET

from .expect import expectation
from .findings import SEVERITIES
from .i18n import Words
from .load import RunData
from .matrix import subject_of, verdict_word
from .text import as_dict, as_list, as_text, in_language, shorten, show

SPEC_VERSION = "0.0.0"
# Unknown is "other", never "skipped": something was asked and not answered. A waiver is a decision, hence skipped.
STATUS = {
    "pass": "passed",
    "fail": "failed",
    "unknown": "other",
    "manual": "pending",
    "waived": "skipped",
    "not_run": "skipped",
}


def _milliseconds(value: Any) -> int | None:
    try:
        moment = datetime.fromisoformat(as_text(value))
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000)


def _message(item: dict[str, Any], words: Words) -> str:
    unit = as_text(item.get("unit"))
    parts = [
        in_language(item.get("reason"), words.language),
        f"{words('col.expected')}: {expectation(item.get('expected'), unit, words) or '—'}",
        f"{words('col.observed')}: {show(item.get('observed'), unit)}",
    ]
    if remedy := in_language(item.get("remedy"), words.language):
        parts.append(f"{words('col.remedy')}: {remedy}")
    return shorten("\n".join(filter(None, parts)), 4000)


def _name(item: dict[str, Any], words: Words) -> str:
    title = in_language(item.get("title"), words.language) or as_text(item.get("check")) or as_text(item.get("clause"))
    kind, subject = subject_of(item)
    where = subject if as_text(item.get("check")) else ""
    return shorten(" ".join(filter(None, (title or "—", f"[{kind} {subject}]" if where else ""))), 300)


def ctrf(data: RunData, language: str) -> str:
    """CTRF JSON: one test per verdict."""
    words = Words(language)
    run = data.run
    start = _milliseconds(run.get("started_at")) or 0
    stop = _milliseconds(run.get("finished_at")) or start
    tests = [_ctrf_test(item, words) for item in data.verdicts]
    counts = Counter(test["status"] for test in tests)
    tool = as_dict(run.get("tool"))
    run_id, site = as_text(run.get("run_id"), data.folder.name), as_text(run.get("site"))
    document = {
        "reportFormat": "CTRF",
        "specVersion": SPEC_VERSION,
        # The same run gives the same identifier, however often its report is written.
        "reportId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"npuforge:{site}/{run_id}")),
        "generatedBy": "npuforge",
        "results": {
            "tool": {"name": as_text(tool.get("name")) or "npuforge", "version": as_text(tool.get("version"))},
            "summary": {
                "tests": len(tests),
                **{word: counts[word] for word in ("passed", "failed", "pending", "skipped", "other")},
                "start": start,
                "stop": stop,
            },
            "tests": tests,
            "environment": {
                "reportName": run_id,
                "appName": site,
                "testEnvironment": as_text(run.get("provenance"), "unknown"),
            },
        },
    }
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def _ctrf_test(item: dict[str, Any], words: Words) -> dict[str, Any]:
    verdict = verdict_word(item.get("verdict"))
    kind, subject = subject_of(item)
    severity = as_text(item.get("severity"))
    test: dict[str, Any] = {
        "name": _name(item, words),
        "status": STATUS[verdict],
        "duration": 0,
        "rawStatus": verdict,
        "suite": [as_text(item.get("clause")) or "—", as_text(item.get("check")) or "—"],
        "type": "acceptance",
        "tags": [
            word for word in (severity if severity in SEVERITIES else "", as_text(item.get("provenance"))) if word
        ],
        "extra": {
            "clause": as_text(item.get("clause")),
            "check": as_text(item.get("check")),
            "subject": {"kind": kind, "id": subject},
            "evidence": [
                as_text(reference) for reference in as_list(item.get("evidence")) if isinstance(reference, str)
            ],
        },
    }
    if verdict != "pass":
        test["message"] = _message(item, words)
    return test


def junit(data: RunData, language: str) -> str:
    """JUnit XML (the dialect of Jenkins and GitLab): one suite per clause, one case per verdict.

    Unknown is an ``error`` (the check could not be done), fail a ``failure``; manual, waived and not run are skipped.
    """
    words = Words(language)
    root = ET.Element("testsuites", name=as_text(data.run.get("run_id"), data.folder.name) or "npuforge")
    suites: dict[str, list[dict[str, Any]]] = {}
    for item in data.verdicts:
        suites.setdefault(as_text(item.get("clause")) or "—", []).append(item)
    totals: Counter[str] = Counter()
    for clause, items in suites.items():
        suite = ET.SubElement(root, "testsuite", name=shorten(clause, 80))
        if timestamp := as_text(data.run.get("started_at")):
            suite.set("timestamp", shorten(timestamp.removesuffix("Z"), 40))
        counts: Counter[str] = Counter()
        properties = ET.SubElement(suite, "properties")
        ET.SubElement(properties, "property", name="provenance", value=as_text(data.run.get("provenance"), "unknown"))
        for item in items:
            counts[_case(suite, item, words)] += 1
        _totals(suite, counts)
        totals.update(counts)
    _totals(root, totals)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _totals(element: ET.Element, counts: Counter[str]) -> None:
    element.set("tests", str(sum(counts.values())))
    for name, key in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        element.set(name, str(counts[key]))


def _case(suite: ET.Element, item: dict[str, Any], words: Words) -> str:
    verdict = verdict_word(item.get("verdict"))
    class_name = ".".join(filter(None, (as_text(item.get("clause")), as_text(item.get("check")))))
    case = ET.SubElement(suite, "testcase", name=_name(item, words), classname=shorten(class_name, 200), time="0")
    if verdict == "pass":
        return "passed"
    kind = {"fail": "failure", "unknown": "error"}.get(verdict, "skipped")
    reason = in_language(item.get("reason"), words.language) or words(f"verdict.{verdict}")
    outcome = ET.SubElement(case, kind, message=shorten(reason, 1000))
    if kind != "skipped":
        outcome.set("type", verdict)
        outcome.text = _message(item, words)
    return kind
