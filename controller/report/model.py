"""What a report says, decided once, in one language; HTML, PDF, Word and console only set it.

``build`` turns a ``RunData`` into a ``Report`` whose every field is ready to print: clean text, verdict words, numbers.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from . import assets, fabric, interconnect, matrix, survey, system
from .expect import expectation
from .findings import Finding, Findings, collect, observed_text
from .i18n import Words
from .load import EvidenceFile, Problem, RunData
from .matrix import WORST_FIRST, Matrix, subject_of, verdict_word, worst
from .text import NOTHING, as_dict, as_list, as_text, dicts, in_language, natural, shorten

FEW_CHECKS = 3  # a clause with so many checks states its thresholds and values in the clause table itself
FEW_VALUES = 4
MOST_EVIDENCE = 3
MOST_PROBLEMS = 12
MOST_WORST = 8
SHORT_DIGEST = 8


@dataclass(frozen=True)
class ClauseRow:
    id: str
    title: str
    tender: str
    proof: str
    threshold: str
    measured: str
    verdict: str
    evidence: tuple[tuple[str, str], ...]  # (file, first digits of its SHA-256)
    more_evidence: int


@dataclass(frozen=True)
class Detail:
    clause: ClauseRow
    matrices: tuple[Matrix, ...]


@dataclass
class Report:
    """All that is printed. ``provenance``: simulated, hardware, mixed or unknown.

    ``state``: accepted; to_sign (only signatures are missing); rehearsed (all of that, but not measured on hardware);
    open (unknown or not run); not_accepted (something failed).
    """

    words: Words
    site: str
    run_id: str
    started: str
    finished: str
    tool: str
    provenance: str
    subjects: str
    stages: str
    state: str
    clause_counts: Counter[str]
    check_counts: Counter[str]
    conclusion: list[str]
    problems: list[str]
    clauses: list[ClauseRow]
    details: list[Detail]
    quiet: dict[str, list[str]]  # verdict -> clauses without any check
    findings: list[Finding]
    waived: list[Finding]
    system: system.System
    fabric: fabric.Fabric
    interconnect: interconnect.Interconnect
    survey: survey.Survey
    assets: assets.Assets
    evidence: list[tuple[str, ...]]
    raw_evidence: list[tuple[str, ...]]
    to_sign: list[ClauseRow] = field(default_factory=list)

    @property
    def wide(self) -> bool:
        """True where the detail chapter has a table too wide for a portrait page."""
        return any(table.wide for detail in self.details for table in detail.matrices)

    @property
    def worst(self) -> list[Finding]:
        return self.findings[:MOST_WORST]

    @property
    def stamp(self) -> str:
        return self.words(f"stamp.{self.provenance}")

    @property
    def alarming(self) -> bool:
        """True where the stamp must warn: anything but hardware alone."""
        return self.provenance != "hardware"


def build(data: RunData, language: str) -> Report:
    """The report of a run in ``zh`` or ``en``."""
    words = Words(language)
    provenance = _provenance(data)
    mixed = provenance == "mixed"
    clauses, details = _clauses(data, words, mixed)
    found: Findings = collect(data, words, mixed)
    clause_counts = Counter(clause.verdict for clause in clauses)
    check_counts = Counter(verdict_word(item.get("verdict")) for item in data.verdicts if as_text(item.get("check")))
    state = _state(data, clause_counts, provenance)
    run, inventory = data.run, as_dict(data.run.get("inventory"))
    tool = as_dict(run.get("tool"))
    problems = _problems(data.problems, words)
    if data.accepted and state in ("open", "not_accepted"):
        problems.insert(0, words("problem.accepted"))
    judged = {detail.clause.id for detail in details}
    return Report(
        words=words,
        site=shorten(as_text(run.get("site")) or as_text(data.folder.resolve().parent.name), 120),
        run_id=shorten(as_text(run.get("run_id")) or as_text(data.folder.resolve().name), 80),
        started=shorten(as_text(run.get("started_at"), NOTHING), 40),
        finished=shorten(as_text(run.get("finished_at")) or data.judged_at or NOTHING, 40),
        tool=shorten(" ".join(filter(None, (as_text(tool.get("name")), as_text(tool.get("version"))))), 120) or NOTHING,
        provenance=provenance,
        subjects=_subjects(inventory, words),
        stages=_stages(run.get("stages"), words) or words("none"),
        state=state,
        clause_counts=clause_counts,
        check_counts=check_counts,
        conclusion=_conclusion(data, words, clauses, check_counts, state),
        problems=problems,
        clauses=clauses,
        details=details,
        quiet=_quiet([clause for clause in clauses if clause.id not in judged]),
        findings=found.open,
        waived=found.waived,
        system=system.read(data, words),
        fabric=fabric.read(data, words),
        interconnect=interconnect.read(data, words),
        survey=survey.read(data, words),
        assets=assets.read(data.ledger, words),
        evidence=[_evidence_row(item, words) for item in data.observations],
        raw_evidence=[_evidence_row(item, words) for item in data.raw],
        to_sign=[clause for clause in clauses if clause.verdict == "manual"],
    )


def _quiet(clauses: list[ClauseRow]) -> dict[str, list[str]]:
    groups = {word: [clause.id for clause in clauses if clause.verdict == word] for word in WORST_FIRST}
    return {word: ids for word, ids in groups.items() if ids}


def _evidence_row(item: EvidenceFile, words: Words) -> tuple[str, ...]:
    source = words.word("mark", item.provenance).strip("[]") if item.provenance else ""
    collected = shorten(item.collected_at, 40)
    return (as_text(item.file), item.sha256, str(item.size_bytes), shorten(item.collector, 60), collected, source)


def _provenance(data: RunData) -> str:
    """Simulated and hardware together are mixed. Nothing that says neither may pass for hardware."""
    said = {
        as_text(item.get("provenance")) for item in data.verdicts if as_list(item.get("evidence"))
    } | data.provenances
    # The inventory of a simulated site adds the stamp, whatever the devices say of themselves.
    said |= (
        {as_text(data.run.get("provenance"))}
        if as_text(data.run.get("provenance")) != "hardware" or not said
        else set()
    )
    devices, parts = assets.active_rows(data.ledger or {})
    said |= {"simulated"} & {as_text(row.get("provenance")) for row in [*devices, *parts]}
    said.discard("")
    if said == {"hardware"}:
        return "hardware"
    if said == {"simulated"}:
        return "simulated"
    return "mixed" if "simulated" in said or "mixed" in said else "unknown"


def _state(data: RunData, counts: Counter[str], provenance: str) -> str:
    if counts["fail"]:
        return "not_accepted"
    if not counts or counts["unknown"] or counts["not_run"] or data.accepted is False:
        return "open"
    if provenance != "hardware":
        return "rehearsed"
    return "to_sign" if counts["manual"] else "accepted"


def _subjects(inventory: dict[str, Any], words: Words) -> str:
    parts = []
    for kind, names in as_dict(inventory.get("subjects")).items():
        known = [as_text(name) for name in (names if isinstance(names, list) else [names]) if as_text(name)]
        if known:
            shown = words("and").join(known[:8]) + (words.say("more", count=len(known)) if len(known) > 8 else "")
            parts.append(f"{words.word('kind', as_text(kind))} × {len(known)} ({shown})")
    return shorten("; ".join(parts), 500) or NOTHING


def _stages(stages: Any, words: Words) -> str:
    parts = []
    for name, stage in as_dict(stages).items():
        state = as_text(as_dict(stage).get("state")) if isinstance(stage, dict) else as_text(stage)
        title = words.word("stage", as_text(name))
        parts.append(words.say("stage.with", stage=title, state=words.word("stage.state", state)) if state else title)
    return shorten("; ".join(parts), 300)


def _problems(problems: list[Problem], words: Words) -> list[str]:
    texts = list(
        dict.fromkeys(
            shorten(words.say(item.key, **{k: as_text(v) for k, v in item.values.items()}), 300) for item in problems
        )
    )
    if len(texts) > MOST_PROBLEMS:
        texts[MOST_PROBLEMS:] = [words.say("problem.many", count=len(texts) - MOST_PROBLEMS)]
    return texts


def counts_text(counts: Counter[str], words: Words) -> str:
    """``3 fail, 57 pass``: worst first, nothing that did not occur."""
    shown = [f"{counts[word]} {words(f'verdict.{word}')}" for word in WORST_FIRST if counts[word]]
    return words("and").join(shown) or words("none")


def _conclusion(data: RunData, words: Words, clauses: list[ClauseRow], checks: Counter[str], state: str) -> list[str]:
    by_verdict: dict[str, list[str]] = {}
    for clause in clauses:
        by_verdict.setdefault(clause.verdict, []).append(clause.id)
    subjects = {subject_of(item) for item in data.verdicts if as_text(item.get("check"))}
    site = as_text(data.run.get("site")) or as_text(data.folder.resolve().parent.name)
    lines = [
        words.say(
            "conclusion.scope", site=site, subjects=len(subjects), checks=sum(checks.values()), clauses=len(clauses)
        ),
        words.say("conclusion.counts", counts=counts_text(Counter({k: len(v) for k, v in by_verdict.items()}), words)),
    ]
    for word in ("fail", "unknown", "waived"):
        if ids := by_verdict.get(word):
            lines.append(words.say(f"conclusion.{word}", clauses=words("and").join(ids)))
    for word in ("manual", "not_run"):
        if ids := by_verdict.get(word):
            lines.append(words.say(f"conclusion.{word}", count=len(ids)))
    return [*lines, words(f"conclusion.{state}")]


def _clauses(data: RunData, words: Words, mixed: bool) -> tuple[list[ClauseRow], list[Detail]]:
    contract = {as_text(clause["id"]): clause for clause in data.contract}
    rollup = {as_text(item.get("id") or item.get("clause")): item for item in data.rollup}
    rollup.pop("", None)
    verdicts: dict[str, list[dict[str, Any]]] = {}
    for item in data.verdicts:
        verdicts.setdefault(as_text(item.get("clause"), NOTHING), []).append(item)
    extra = sorted((rollup.keys() | verdicts.keys()) - contract.keys(), key=natural)
    rows, details = [], []
    for identifier in [*contract, *extra]:
        clause = {**rollup.get(identifier, {}), **contract.get(identifier, {}), "id": identifier}
        items = verdicts.get(identifier, [])
        judged = [item for item in items if as_text(item.get("check"))]
        unlisted = bool(contract) and identifier not in contract
        row = _clause_row(clause, rollup.get(identifier, {}), items, unlisted, words)
        rows.append(row)
        if judged:
            details.append(Detail(row, tuple(_matrices(judged, words, mixed))))
    return rows, details


def _clause_row(
    clause: dict[str, Any], rollup: dict[str, Any], items: list[dict[str, Any]], unlisted: bool, words: Words
) -> ClauseRow:
    judged = [item for item in items if as_text(item.get("check"))]
    said = [verdict_word(item.get("verdict")) for item in items]
    if rollup.get("verdict") is not None:
        said.append(verdict_word(rollup["verdict"]))
    proof = as_text(clause.get("proof"))
    verdict = worst(said) if said else ("manual" if proof == "signed" else "not_run")
    files = _evidence(judged or items)
    title = shorten(in_language(clause.get("title"), words.language), 200)
    return ClauseRow(
        id=shorten(as_text(clause["id"]), 40),
        title=f"{title} {words('clause.unlisted')}".strip() if unlisted else title,
        tender=shorten(in_language(clause.get("tender"), "zh") or NOTHING),
        proof=words.word("proof", proof) if proof else "",
        threshold=_threshold(clause, proof, judged, words),
        measured=_measured(judged, words),
        verdict=verdict,
        evidence=tuple(files[:MOST_EVIDENCE]),
        more_evidence=max(len(files) - MOST_EVIDENCE, 0),
    )


def _evidence(items: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Distinct evidence files, those of the worst verdicts first."""
    ordered = sorted(items, key=lambda item: WORST_FIRST.index(verdict_word(item.get("verdict"))))
    references = dict.fromkeys(
        reference for item in ordered for reference in as_list(item.get("evidence")) if isinstance(reference, str)
    )
    split = [as_text(reference).partition("#") for reference in references]
    return [(shorten(name, 120), digest.removeprefix("sha256:")[:SHORT_DIGEST]) for name, _, digest in split]


def _threshold(clause: dict[str, Any], proof: str, judged: list[dict[str, Any]], words: Words) -> str:
    wanted: dict[str, str] = {}
    for item in judged:
        text = wanted_text(item, words)
        before = wanted.setdefault(title_of(item, words), text)
        if text not in before.split(" / "):
            wanted[title_of(item, words)] = f"{before} / {text}"
    if not wanted:
        for check in dicts(clause.get("checks")):
            wanted[title_of(check, words)] = expectation(check.get("expect"), as_text(check.get("unit")), words)
    if not wanted:
        return words("threshold.none" if proof == "signed" else "threshold.later")
    if len(wanted) > FEW_CHECKS:
        return words.say("threshold.many", count=len(wanted))
    return shorten("\n".join(f"{title}: {text}" if text else title for title, text in wanted.items()), 300)


def _measured(judged: list[dict[str, Any]], words: Words) -> str:
    if not judged:
        return NOTHING
    counts = Counter(verdict_word(item.get("verdict")) for item in judged)
    lines = [words.say("measured.counts", total=len(judged), counts=counts_text(counts, words))]
    checks: dict[str, list[dict[str, Any]]] = {}
    for item in judged:
        checks.setdefault(title_of(item, words), []).append(item)
    if len(checks) <= FEW_CHECKS:
        for title, items in checks.items():
            values = list(dict.fromkeys(observed_text(item, words) for item in items))
            if len(values) <= FEW_VALUES:
                lines.append(f"{title}: {shorten(', '.join(values), 120)}")
    return shorten("\n".join(lines), 400)


def _matrices(judged: list[dict[str, Any]], words: Words, mixed: bool) -> list[Matrix]:
    return matrix.build(
        judged,
        title=lambda item: title_of(item, words),
        expected=lambda item: wanted_text(item, words),
        observed=lambda item: observed_text(item, words, mixed),
        varies=words("detail.varies"),
        group=lambda first, last, count: words.say("detail.group", first=first, last=last, count=count),
    )


def title_of(item: dict[str, Any], words: Words) -> str:
    return shorten(in_language(item.get("title"), words.language) or as_text(item.get("check") or item.get("id")), 120)


def wanted_text(item: dict[str, Any], words: Words) -> str:
    return expectation(item.get("expected"), as_text(item.get("unit")), words)


def short_file(name: str) -> str:
    """The file's own name: the clause table has no room for folders, the appendix gives them."""
    return PurePosixPath(name).name or name
