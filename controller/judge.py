"""Judges observations by the contract: one verdict per check and subject, one per clause. Pure: no file, no clock.

The rules are those of docs/seams.md section 6; docs/evidence.md tells them with examples. The one that everything
else serves: what was not seen never passes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any

from controller.contract import Contract, Document, Observed, stage_of
from controller.expectations import MISSING, Outcome, Text, compare, dig, evaluate, outcome, resolve, show

# From worst to best; a clause is as good as the worst of its checks.
STATES = ("fail", "unknown", "manual", "not_run", "waived", "pass")
ANY = "*"  # the subject's id when no subject of the kind is known


def worst(states: Iterable[str]) -> str:
    """The worst of some verdicts; ``pass`` when there is none."""
    return min(states, key=STATES.index, default="pass")


def judge(contract: Contract, run: Document, observed: Sequence[Observed], now: datetime) -> Document:
    """The verdicts document (``verdicts.schema.json``) of one run.

    :param run: run.json; its ``inventory`` says which subjects must be there, what the site expects and its waivers.
    :param observed: valid observations of this run.
    :param now: the moment that decides whether a waiver still lasts; with time zone.
    """
    court = _Court(contract, run, observed)
    waivers = _Waivers(run["inventory"]["waivers"], now)
    verdicts: list[Document] = []
    clauses: list[Document] = []
    for clause in contract.clauses:
        own = [waivers.apply(verdict) for check in clause["checks"] for verdict in court.verdicts(clause, check)]
        own = own or [court.without_check(clause)]
        verdicts += own
        clauses.append(
            {
                **{key: clause[key] for key in ("id", "title", "tender", "proof")},
                "verdict": worst(verdict["verdict"] for verdict in own),
                "counts": _counts(own),
            }
        )
    counts = _counts(verdicts)
    simulated = run["provenance"] == "simulated" or any(v["provenance"] == "simulated" for v in verdicts)
    return {
        "schema": "npuforge.verdicts/1",
        "site": run["site"],
        "run_id": run["run_id"],
        "judged_at": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "provenance": "simulated" if simulated else "hardware",
        "counts": counts,
        "clause_counts": _counts(clauses),
        "run_passed": counts["fail"] == 0 and counts["unknown"] == 0,
        "site_accepted": all(clause["verdict"] in ("pass", "waived", "manual") for clause in clauses),
        "clauses": clauses,
        "verdicts": verdicts,
        "problems": waivers.problems,
    }


def _counts(rows: Iterable[Document]) -> dict[str, int]:
    counter = Counter(row["verdict"] for row in rows)
    return {state: counter[state] for state in ("pass", "fail", "unknown", "manual", "waived", "not_run")}


@dataclass
class _Court:
    """What the judgement of every check shares."""

    contract: Contract
    run: Document
    observed: Sequence[Observed]
    by_subject: dict[tuple[str, str], list[Observed]] = field(init=False)

    def __post_init__(self) -> None:
        self.by_subject = {}
        for item in self.observed:
            self.by_subject.setdefault((item.kind, item.id), []).append(item)

    @property
    def inventory(self) -> Document:
        inventory: Document = self.run["inventory"]
        return inventory

    def subjects(self, kind: str) -> list[str]:
        """Who is expected (in the inventory's order), then who was observed without being expected."""
        expected = list(dict.fromkeys(self.inventory["subjects"].get(kind, [])))
        others = {name for known, name in self.by_subject if known == kind} - set(expected)
        return expected + sorted(others, key=_natural)

    def expectation(self, expect: Document, subject: str, facts: Document) -> tuple[Document, list[str]]:
        """What is expected of one witness, whose ``facts`` may say the threshold themselves; and what nobody gave."""

        def value_of(where: str, key: str) -> Any:
            if where != "fact":
                return self._given(subject, where, key)
            found = dig(facts, key)
            return None if found is MISSING else found

        return resolve(expect, value_of)

    def _given(self, subject: str, where: str, key: str) -> Any:
        """A value that a check refers to: the site's for this subject or its machine (``node1`` of ``node1/NPU3``), the
        site's for all, else the profile's."""
        expect, machine = self.inventory["expect"], subject.partition("/")[0]
        hosts = expect.get("hosts") or {}
        for given in (*((hosts.get(name) or {}).get(key) for name in (subject, machine)), expect.get(key)):
            if given is not None:
                return given
        if where == "profile":
            return self.contract.profile_value(self.inventory["profiles"].get(machine), key)
        return None

    def verdicts(self, clause: Document, check: Document) -> Iterable[Document]:
        if check["subjects"] == "cluster" and "across" in check:
            yield self._across(clause, check)
            return
        for subject in self.subjects(check["subjects"]) or [ANY]:
            verdict = self._single(clause, check, subject)
            if verdict is not None:
                yield verdict

    def without_check(self, clause: Document) -> Document:
        """The verdict of a clause that no check proves (yet)."""
        if clause["proof"] == "signed":
            result = outcome("manual", "由双方签字确认", "to be confirmed by signature")
        else:
            result = outcome("not_run", "尚无检查项证明本条款", "no check proves this clause yet")
        blank: Document = {"id": None, "title": clause["title"]}
        return self._verdict(clause, blank, ("site", self.run["site"]), result, [])

    def _single(self, clause: Document, check: Document, subject: str) -> Document | None:
        """The verdict of one check on one subject; None where the check does not apply."""
        kind = check["subjects"]
        seen = self.by_subject.get((kind, subject), [])
        if check.get("manual"):
            result = outcome("manual", "需人工检查并签字", "a person must look and sign")
            return self._verdict(clause, check, (kind, subject), result, seen)
        expect, missing = self.expectation(check["expect"], subject, {})
        if missing and check.get("only_if_given"):
            return None
        paths = [check["fact"]] if isinstance(check["fact"], str) else check["fact"]
        told, tellers = self._also(check, subject)
        unseen = self._unseen(check, (kind, subject), seen, paths, told)
        if unseen is not None:
            return self._verdict(clause, check, (kind, subject), unseen, seen, expected=expect)
        results: list[tuple[Outcome, Any, Document]] = []
        evidence: list[Observed] = []
        for item, values in self._witnesses(seen, paths, told):
            shown = values[paths[0]] if len(paths) == 1 else values
            expect, missing = self.expectation(check["expect"], subject, item.facts)
            if missing:
                names = ", ".join(missing)
                judged = outcome("unknown", f"未给出期望值：{names}", f"nobody gave the expected value: {names}")
            else:
                judged = self._weigh(check, expect, values, item)
            results.append((judged, shown, expect))
            evidence.append(item)
        # Two tools that disagree: the worse one counts.
        result, observed, expect = min(results, key=lambda row: STATES.index(row[0].verdict))
        evidence += tellers
        return self._verdict(clause, check, (kind, subject), result, evidence, expected=expect, observed=observed)

    def _also(self, check: Document, subject: str) -> tuple[list[Document], list[Observed]]:
        """What observations of other kinds tell of the same subject, as rows of evidence, and who told it."""
        rows: list[Document] = []
        tellers: list[Observed] = []
        for entry in check.get("also", []):
            for item in self.by_subject.get((entry["kind"], subject), []):
                value = dig(item.facts, entry["fact"])
                if value is not None and value is not MISSING:
                    rows.append({"source": entry["source"], "value": value})
                    tellers.append(item)
        return rows, tellers

    def _witnesses(
        self, seen: Sequence[Observed], paths: Sequence[str], told: Sequence[Document] = ()
    ) -> list[tuple[Observed, Document]]:
        """The observations that saw one of the facts at least, newest first, with the values (null: not seen).

        :param told: rows that join a fact which is a list of evidence, or stand for it where it is null.
        """
        newest = sorted(seen, key=lambda item: item.document["collected_at"], reverse=True)
        rows = []
        for item in newest:
            values = {path: dig(item.facts, path) for path in paths}
            if told:
                values = {path: _joined(value, told) for path, value in values.items()}
            if any(value is not None and value is not MISSING for value in values.values()):
                rows.append((item, {path: None if value is MISSING else value for path, value in values.items()}))
        return rows

    def _unseen(
        self,
        check: Document,
        whom: tuple[str, str],
        seen: Sequence[Observed],
        paths: Sequence[str],
        told: Sequence[Document] = (),
    ) -> Outcome | None:
        """Why there is nothing to judge of ``whom`` (kind, id); None when some observation saw the fact."""
        kind, subject = whom
        stage = stage_of(check)
        ran = stage in self.run["stages"]
        if self._witnesses(seen, paths, told):
            return None
        absent = all(dig(item.facts, path) is MISSING for item in seen for path in paths)
        if absent and not ran:
            return outcome("not_run", f"阶段{stage}未运行", f"the stage {stage} was not run")
        if not seen:
            name = f"{kind} {subject}" if subject != ANY else kind
            return outcome(
                "unknown",
                f"阶段{stage}已运行，但没有{name}的观测记录",
                f"the stage {stage} ran without an observation of {name}",
            )
        why = _notes(seen, paths)
        fact = ", ".join(paths)
        return outcome(
            "unknown",
            f"未能读取{fact}" + (f"：{why}" if why else ""),
            f"{fact} could not be seen" + (f": {why}" if why else ""),
        )

    def _weigh(self, check: Document, expect: Document, values: Document, item: Observed) -> Outcome:
        """One witness: the worst of its facts, softened by ``undecided`` and ``otherwise``, guarded by ``given``."""
        results = []
        for path, value in values.items():
            if value is None:
                why = _notes([item], [path])
                text = f": {why}" if why else ""
                results.append(outcome("unknown", f"未能读取{path}{text}", f"{path} could not be seen{text}"))
                continue
            result = evaluate(expect, value, check.get("unit"), item.facts, self.contract.bios_vendors)
            if result.verdict == "fail" and value in check.get("undecided", []):
                result = outcome("unknown", f"当前为{show(value)}，尚不能判定", f"{show(value)}: cannot be told yet")
            elif result.verdict == "fail" and check.get("otherwise") == "unknown":
                why = _notes([item], [path])
                result = outcome("unknown", why or result.reason["zh"], why or result.reason["en"])
            elif result.verdict == "fail" and len(values) > 1:
                result = Outcome("fail", {lang: f"{path}: {text}" for lang, text in result.reason.items()})
            results.append(result)
        result = min(results, key=lambda row: STATES.index(row.verdict))
        return self._guard(check, item) or result if result.verdict == "pass" else result

    def _guard(self, check: Document, item: Observed) -> Outcome | None:
        """Why a pass does not count: a condition of ``given`` is not met (or could not be seen)."""
        for condition in check.get("given", []):
            path = condition["fact"]
            expect, missing = self.expectation(condition["expect"], item.id, item.facts)
            value = dig(item.facts, path)
            if missing or value is None or value is MISSING:
                why = _notes([item], [path]) or f"{path}: ?"
                return outcome("unknown", f"依据不全：{why}", f"not all was seen: {why}")
            met = evaluate(expect, value, None, item.facts, self.contract.bios_vendors)
            if met.verdict != "pass":
                return outcome(
                    "unknown", f"依据不全（{path}）：{show(value)}", f"not all was seen ({path}): {show(value)}"
                )
        return None

    def _across(self, clause: Document, check: Document) -> Document:
        kind, path = check["across"], check["fact"]
        names = self.subjects(kind)
        seen = [item for name in names for item in self.by_subject.get((kind, name), [])]
        subject = ("cluster", self.run["site"])
        unseen = self._unseen(check, (kind, ANY), seen, [path])
        if unseen is not None:
            return self._verdict(clause, check, subject, unseen, seen, expected=check["expect"])
        values: dict[str, Any] = {}
        for name in names:
            witnesses = self._witnesses(self.by_subject.get((kind, name), []), [path])
            values[name] = witnesses[0][1][path] if witnesses else None
        result = compare(check["expect"], values, self.inventory["profiles"])
        return self._verdict(clause, check, subject, result, seen, expected=check["expect"], observed=values)

    def _verdict(
        self,
        clause: Document,
        check: Document,
        subject: tuple[str, str],
        result: Outcome,
        evidence: Sequence[Observed],
        *,
        expected: Any = None,
        observed: Any = None,
    ) -> Document:
        simulated = self.run["provenance"] == "simulated" or any(
            item.document["provenance"] == "simulated" for item in evidence
        )
        return {
            "clause": clause["id"],
            "check": check["id"],
            "title": check["title"],
            "subject": {"kind": subject[0], "id": subject[1]},
            "verdict": result.verdict,
            "expected": expected,
            "observed": observed,
            "unit": check.get("unit"),
            "severity": check.get("severity"),
            "reason": result.reason,
            "remedy": _remedy(check, evidence),
            "evidence": sorted(item.reference for item in evidence),
            "provenance": "simulated" if simulated else "hardware",
        }


def _remedy(check: Document, evidence: Sequence[Observed]) -> Text | None:
    """The observer's own remedy for this check, which is more concrete, else the clause's."""
    for item in evidence:
        remedies = item.facts.get("remedies")
        if isinstance(remedies, dict) and check["id"] in remedies:
            own: Text = remedies[check["id"]]
            return own
    remedy: Text | None = check.get("remedy")
    return remedy


def _notes(seen: Sequence[Observed], paths: Sequence[str]) -> str:
    """What the observers noted about the facts: notes that name the fact's root, else all of them; three at most."""
    notes = [note for item in seen for note in item.facts.get("notes") or []]
    roots = {path.split(".")[0] for path in paths}
    near = [note for note in notes if any(root in note["where"].lower() for root in roots)]
    problems = dict.fromkeys(f"{note['where']}: {note['problem']}" for note in near or notes)
    return "; ".join(list(problems)[:3])


def _joined(value: Any, told: Sequence[Document]) -> Any:
    """A list of evidence with more of it; anything else but null stays what it is, to be judged as it is."""
    if value is None:
        return list(told)
    return [*value, *told] if isinstance(value, list) else value


class _Waivers:
    """The site's waivers ``{check, subject, reason, by, until}``; an incomplete or expired one waives nothing."""

    def __init__(self, rows: Iterable[Any], now: datetime) -> None:
        self.problems: list[str] = []
        self._rows: list[Document] = []
        for number, row in enumerate(rows, 1):
            problem = self._refusal(row, now)
            if problem:
                self.problems.append(f"waiver {number}: {problem}; it waives nothing")
            else:
                self._rows.append(row)

    @staticmethod
    def _refusal(row: Any, now: datetime) -> str | None:
        if not isinstance(row, dict):
            return "not a mapping"
        lacking = [key for key in ("check", "subject", "reason", "by", "until") if not str(row.get(key) or "").strip()]
        if lacking:
            return f"lacks {', '.join(lacking)}"
        end = _end(row["until"])
        if end is None:
            return f"until {row['until']!r} is not a date"
        return f"expired on {row['until']}" if now > end else None

    def apply(self, verdict: Document) -> Document:
        """The verdict, waived when it is fail or unknown and a waiver names its check and subject."""
        if verdict["verdict"] not in ("fail", "unknown"):
            return verdict
        kind, name = verdict["subject"]["kind"], verdict["subject"]["id"]
        for row in self._rows:
            if row["check"] == verdict["check"] and str(row["subject"]) in (name, f"{kind}:{name}"):
                waiver = {key: str(row[key]) for key in ("reason", "by", "until")}
                return {**verdict, "verdict": "waived", "waiver": {"was": verdict["verdict"], **waiver}}
        return verdict


def _end(until: Any) -> datetime | None:
    """The last moment of a waiver. A day lasts to its end in UTC; a time without zone is UTC."""
    if isinstance(until, date) and not isinstance(until, datetime):
        return datetime.combine(until, time.max, UTC)
    if isinstance(until, str):
        text = until.strip()
        try:
            if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
                return datetime.combine(date.fromisoformat(text), time.max, UTC)
            until = datetime.fromisoformat(text)
        except ValueError:
            return None
    if isinstance(until, datetime):
        return until if until.tzinfo else until.replace(tzinfo=UTC)
    return None


def _natural(name: str) -> list[tuple[int, int | str]]:
    """node10 after node9."""
    return [(0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", name)]
