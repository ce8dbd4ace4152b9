"""The one-screen summary of a run for a terminal: what the callback and ``make demo`` print at the end."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from .findings import Finding, of_verdicts
from .i18n import Words
from .matrix import WORST_FIRST, verdict_word, worst
from .symbols import SYMBOLS
from .text import as_text, columns, dicts, fit, in_language, natural, one_line

NARROWEST = 40
MOST_CLAUSES = 10
MOST_FINDINGS = 4
_ANSI = {
    "fail": "31;1",
    "unknown": "33;1",
    "manual": "34",
    "waived": "35",
    "not_run": "2",
    "pass": "32",
    "alarm": "41;97;1",
}
_QUIET = ("manual", "not_run")  # many clauses, nothing measured: their ids fit on a line


def summary_lines(
    verdicts: dict[str, Any], width: int, colour: bool, *, report: Path | None = None, language: str = "zh"
) -> list[str]:
    """About twenty lines, each at most ``width`` columns wide (at least 40), without line ends.

    :param verdicts: verdicts.json (docs/seams.md sections 6 and 7); missing parts are left out, never guessed.
    :param colour: with ANSI colours; the words and symbols say the same without them.
    :param report: a file or folder to name as the report.
    """
    words = Words(language)
    pen = _Pen(max(width, NARROWEST), colour)
    judged = dicts(verdicts.get("verdicts"))
    clauses = _clauses(verdicts, judged)
    lines = [pen.line(words.say("console.title", site=_name(verdicts, "site"), run=_name(verdicts, "run_id")), "")]
    provenance = as_text(verdicts.get("provenance"), "unknown")
    if provenance != "hardware":
        key = f"stamp.{provenance}" if provenance in ("simulated", "mixed") else "stamp.unknown"
        lines.append(pen.line(f" {words(key)} ", "alarm"))
    checks = Counter(verdict_word(item.get("verdict")) for item in judged if as_text(item.get("check")))
    lines.append(pen.counts(words("console.clauses"), Counter(word for _, word in clauses), words))
    lines.append(pen.counts(words("console.checks"), checks, words))
    lines += _clause_lines(clauses, verdicts, pen, words)
    lines += _finding_lines(of_verdicts(judged, words, []), pen, words)
    if report is not None:
        # Never cut: a path is there to be copied.
        lines.append(f"{words('console.report')}: {report}")
    return lines


def _name(verdicts: dict[str, Any], key: str) -> str:
    return one_line(as_text(verdicts.get(key), "—"))


class _Pen:
    def __init__(self, width: int, colour: bool) -> None:
        self.width, self.colour = width, colour

    def paint(self, text: str, look: str) -> str:
        return f"\x1b[{_ANSI[look]}m{text}\x1b[0m" if self.colour and look else text

    def line(self, text: str, look: str) -> str:
        return self.paint(fit(one_line(text) if look != "alarm" else text, self.width), look)

    def counts(self, label: str, counts: Counter[str], words: Words) -> str:
        """``label  × 1 fail  ✓ 7 pass``; what does not fit is left off at a word's end."""
        parts, room = [label], self.width - columns(label)
        for word in WORST_FIRST:
            text = f"{SYMBOLS[word]} {counts[word]} {words(f'verdict.{word}')}"
            if counts[word] and room >= columns(text) + 2:
                parts.append(self.paint(text, word))
                room -= columns(text) + 2
        return "  ".join(parts)


def _clauses(verdicts: dict[str, Any], judged: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """``(id, verdict)`` of every clause in the contract's order; those of verdicts alone come last."""
    found: dict[str, list[str]] = {}
    for clause in dicts(verdicts.get("clauses")):
        said = found.setdefault(as_text(clause.get("id")) or "—", [])
        if clause.get("verdict") is not None:
            said.append(verdict_word(clause["verdict"]))
    for item in sorted(judged, key=lambda item: natural(as_text(item.get("clause")))):
        found.setdefault(as_text(item.get("clause")) or "—", []).append(verdict_word(item.get("verdict")))
    return [(identifier, worst(said)) for identifier, said in found.items()]


def _clause_lines(clauses: list[tuple[str, str]], verdicts: dict[str, Any], pen: _Pen, words: Words) -> list[str]:
    titles = {
        as_text(clause.get("id")): in_language(clause.get("title"), words.language)
        for clause in dicts(verdicts.get("clauses"))
    }
    loud = [clause for clause in clauses if clause[1] not in _QUIET]
    loud.sort(key=lambda clause: WORST_FIRST.index(clause[1]))  # stable: the contract's order within a verdict
    lines = []
    for identifier, word in loud[:MOST_CLAUSES]:
        text = f"{SYMBOLS[word]} {identifier}  {words(f'verdict.{word}')}  {titles.get(identifier, '')}"
        lines.append(pen.line(text, word))
    if len(loud) > MOST_CLAUSES:
        lines.append(pen.line("  " + words.say("console.more", count=len(loud) - MOST_CLAUSES), ""))
    for word in _QUIET:
        names = [identifier for identifier, verdict in clauses if verdict == word]
        if names:
            text = f"{SYMBOLS[word]} {len(names)} {words(f'verdict.{word}')}: {' '.join(names)}"
            lines.append(pen.line(text, word))
    return lines


def _finding_lines(findings: list[Finding], pen: _Pen, words: Words) -> list[str]:
    urgent = [finding for finding in findings if finding.verdict != "waived"]
    if not urgent:
        return []
    lines = [pen.line(f"{words('console.findings')}:", "")]
    for finding in urgent[:MOST_FINDINGS]:
        head = f"{SYMBOLS[finding.verdict]} {finding.clause} {finding.title} · {finding.subjects}: {finding.reason}"
        lines.append(pen.line(head, finding.verdict))
        lines.append(fit(f"    {words('console.remedy')}{one_line(finding.remedy)}", pen.width))
    if len(urgent) > MOST_FINDINGS:
        lines.append(pen.line("  " + words.say("console.more", count=len(urgent) - MOST_FINDINGS), ""))
    return lines
