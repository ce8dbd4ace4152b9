"""What needs action: failed, unknown and waived checks, equal ones of several subjects told once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .expect import expectation
from .i18n import Words
from .load import RunData
from .matrix import ANY, WORST_FIRST, subject_of, verdict_word
from .text import as_dict, as_text, dicts, in_language, natural, one_line, shorten, show

SEVERITIES = ("blocker", "major", "minor")
MOST_SUBJECTS = 12


@dataclass(frozen=True)
class Finding:
    """``verdict`` is fail, unknown or waived; ``severity`` blocker, major, minor or empty."""

    clause: str
    check: str
    title: str
    verdict: str
    severity: str
    subjects: str
    expected: str
    observed: str
    reason: str
    remedy: str


@dataclass
class Findings:
    open: list[Finding] = field(default_factory=list)
    waived: list[Finding] = field(default_factory=list)


def collect(data: RunData, words: Words, mixed: bool) -> Findings:
    """All of a run's findings, the gravest first: severity, then fail before unknown, then clause."""
    waivers = dicts(as_dict(data.run.get("inventory")).get("waivers"))
    found = of_verdicts(data.verdicts, words, waivers, mixed=mixed)
    return Findings(
        [item for item in found if item.verdict != "waived"], [item for item in found if item.verdict == "waived"]
    )


def of_verdicts(
    verdicts: list[dict[str, Any]], words: Words, waivers: list[dict[str, Any]], *, mixed: bool = False
) -> list[Finding]:
    """Findings of verdicts (docs/seams.md section 6); ``waivers`` are the inventory's, ``mixed`` marks each source."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for item in verdicts:
        verdict = verdict_word(item.get("verdict"))
        if verdict not in ("fail", "unknown", "waived"):
            continue
        reason = shorten(in_language(item.get("reason"), words.language))
        if verdict == "waived":
            reason = "\n".join(filter(None, (reason, _waiver(item, waivers, words))))
        key = (
            as_text(item.get("clause")),
            as_text(item.get("check")),
            verdict,
            as_text(item.get("severity")),
            reason,
            shorten(in_language(item.get("remedy"), words.language)),
        )
        groups.setdefault(key, []).append(item)
    findings = [_finding(key, items, words, mixed) for key, items in groups.items()]
    return sorted(findings, key=_gravity)


def observed_text(item: dict[str, Any], words: Words, mixed: bool = False) -> str:
    """What a verdict saw. Where simulated and measured data stand side by side (``mixed``), each value says which."""
    text = show(
        item.get("observed"),
        as_text(item.get("unit")),
        yes=words("yes"),
        no=words("no"),
        empty=words("none"),
        limit=200,
    )
    provenance = as_text(item.get("provenance"), "unknown")
    return f"{words.word('mark', provenance)} {text}" if mixed else text


def _gravity(finding: Finding) -> tuple[int, int, list[tuple[int, int, str]], str]:
    rank = SEVERITIES.index(finding.severity) if finding.severity in SEVERITIES else len(SEVERITIES)
    return (rank, WORST_FIRST.index(finding.verdict), natural(finding.clause), finding.check)


def _finding(key: tuple[str, ...], items: list[dict[str, Any]], words: Words, mixed: bool) -> Finding:
    clause, check, verdict, severity, reason, remedy = key
    values: dict[str, list[str]] = {}
    names = []
    for item in items:
        kind, subject = subject_of(item)
        if subject == ANY:
            subject = words("subject.any")
        names.append(
            subject if kind in ("", "cluster") or subject.startswith(kind) else f"{words.word('kind', kind)} {subject}"
        )
        observed = observed_text(item, words, mixed)
        values.setdefault(observed, []).append(subject)
    observed = "; ".join(
        value if len(values) == 1 else f"{_names(subjects, words)}: {value}" for value, subjects in values.items()
    )
    expected = expectation(items[0].get("expected"), as_text(items[0].get("unit")), words)
    if not reason:
        reason = words.say("findings.no_reason", expected=expected or "—", observed=shorten(observed, 200))
    return Finding(
        clause=clause,
        check=check,
        title=shorten(in_language(items[0].get("title"), words.language) or check or clause, 200),
        verdict=verdict,
        severity=severity,
        subjects=_names(sorted(dict.fromkeys(names), key=natural), words),
        expected=expected,
        observed=shorten(one_line(observed), 400),
        reason=reason,
        remedy=remedy or words("findings.no_remedy"),
    )


def _names(names: list[str], words: Words) -> str:
    shown = words("and").join(shorten(name, 80) for name in names[:MOST_SUBJECTS])
    return shown if len(names) <= MOST_SUBJECTS else f"{shown} {words.say('more', count=len(names))}"


def _waiver(item: dict[str, Any], waivers: list[dict[str, Any]], words: Words) -> str:
    """The waiver that the verdict carries, or else the inventory's for this check and subject."""
    subject = subject_of(item)[1]
    waiver = as_dict(item.get("waiver")) or next(
        (
            entry
            for entry in waivers
            if as_text(entry.get("check")) == as_text(item.get("check"))
            and (as_dict(entry.get("subject")).get("id") or entry.get("subject")) in (subject, None, "*")
        ),
        {},
    )
    if not waiver:
        return ""
    return words.say(
        "findings.waiver",
        reason=shorten(in_language(waiver.get("reason"), words.language) or "—", 300),
        by=as_text(waiver.get("by"), "—"),
        until=as_text(waiver.get("until"), "—"),
    )
