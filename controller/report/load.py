"""Reads a run folder (docs/seams.md sections 5 to 7) without believing it.

Files may be missing, half written or of another version. What can be read is read; what cannot is listed in
``RunData.problems`` and shown in the report, because a reader must know what the report could not see.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from controller.redact import Redactor

from .text import as_dict, as_list, as_text, dicts

CONTRACT = Path(__file__).resolve().parents[2] / "contract" / "clauses.yml"
# Collectors of facts of kind node that the chapter on the operating system is made of.
NODE_COLLECTORS = ("kernel_tuning", "time_sync", "npu_info")
# Larger files are evidence of something else having gone wrong; reading them would take the controller down with it.
LARGEST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Problem:
    """Something the report could not read: ``key`` of the sentence and what fills its blanks."""

    key: str
    values: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class EvidenceFile:
    """One file of the run that verdicts may rest on."""

    file: str
    sha256: str
    size_bytes: int
    collector: str = ""
    collected_at: str = ""
    provenance: str = ""


@dataclass
class RunData:
    """What a run folder holds, shapes checked, words not yet chosen."""

    folder: Path
    redactor: Redactor
    run: dict[str, Any] = field(default_factory=dict)
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    rollup: list[dict[str, Any]] = field(default_factory=list)
    accepted: bool | None = None
    judged_at: str = ""
    contract: list[dict[str, Any]] = field(default_factory=list)
    observations: list[EvidenceFile] = field(default_factory=list)
    raw: list[EvidenceFile] = field(default_factory=list)
    provenances: set[str] = field(default_factory=set)
    ledger: dict[str, Any] | None = None
    survey: dict[str, Any] | None = None
    cabling: dict[str, Any] | None = None
    fabric_plan: dict[str, Any] | None = None
    pairs: list[dict[str, Any]] = field(default_factory=list)  # facts of node pairs, each with its `pair`
    chips: dict[str, dict[str, Any]] = field(default_factory=dict)  # facts of npu_info and hbm_test by NPU
    interconnects: dict[str, dict[str, Any]] = field(default_factory=dict)  # facts of interconnect_test by node
    nodes: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)  # facts of NODE_COLLECTORS by node
    figures: list[tuple[str, bytes]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def load(run_dir: Path, contract: Path | None = None, redactor: Redactor | None = None) -> RunData:
    """Everything the report is made of, redacted; ``redactor`` knows the literal values that must not occur.

    What a run folder holds was redacted when it was written. It is done again here, on the data, because a PDF or a
    Word file cannot be searched afterwards, and because replacing inside finished markup would break it.
    Raises FileNotFoundError only when the folder itself is not there.
    """
    folder = Path(run_dir)
    if not folder.is_dir():
        raise FileNotFoundError(f"no run folder at {folder}")
    data = RunData(folder, redactor=redactor or Redactor())
    data.run = as_dict(_read_object(data, folder / "run.json", "run.json", needed=True))
    _take_verdicts(data, _read_json(data, folder / "verdicts.json", "verdicts.json", needed=True))
    _take_contract(data, contract or CONTRACT)
    _take_observations(data)
    data.ledger = _read_object(data, folder.parent / "ledger.json", "../ledger.json")
    data.survey = _read_object(data, folder / "survey.json", "survey.json")
    data.cabling = _read_object(data, folder / "cabling.json", "cabling.json")
    data.fabric_plan = _read_object(data, folder / "fabric" / "plan.json", "fabric/plan.json")
    for path in _files([*folder.glob("figures/*.svg"), *folder.glob("rack-*.svg")]):
        content = _read_bytes(data, path, path.name)
        if content is not None:
            # Literal secrets only: patterns made for logs ("token=...") would cut into the drawing's markup.
            text = data.redactor.literal(content.decode("utf-8", "surrogateescape"))
            data.figures.append((path.name, text.encode("utf-8", "surrogateescape")))
    _check_evidence(data)
    return data


def _files(paths: Iterable[Path]) -> list[Path]:
    """Regular files only: a link in a run folder could point anywhere."""
    return sorted({path for path in paths if path.is_file() and not path.is_symlink()})


def _read_bytes(data: RunData, path: Path, name: str) -> bytes | None:
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise OSError(f"larger than {LARGEST_BYTES} bytes")
        return path.read_bytes()
    except OSError as error:
        data.problems.append(Problem("problem.broken", {"file": name, "problem": error.strerror or str(error)}))
        return None


def _read_json(data: RunData, path: Path, name: str, *, needed: bool = False) -> Any:
    if not path.is_file():
        if needed:
            data.problems.append(Problem("problem.missing", {"file": name}))
        return None
    content = _read_bytes(data, path, name)
    if content is None:
        return None
    try:
        return data.redactor.document(json.loads(content))
    except (ValueError, RecursionError) as error:
        data.problems.append(Problem("problem.broken", {"file": name, "problem": str(error)[:200]}))
        return None


def _read_object(data: RunData, path: Path, name: str, *, needed: bool = False) -> dict[str, Any] | None:
    document = _read_json(data, path, name, needed=needed)
    if document is None or isinstance(document, dict):
        return document
    if isinstance(document, list):
        return {"items": document}
    data.problems.append(Problem("problem.shape", {"file": name}))
    return None


def _take_verdicts(data: RunData, document: Any) -> None:
    if isinstance(document, list):
        document = {"verdicts": document}
    if document is not None and not (isinstance(document, dict) and isinstance(document.get("verdicts"), list)):
        data.problems.append(Problem("problem.shape", {"file": "verdicts.json"}))
    body = as_dict(document)
    data.verdicts = dicts(body.get("verdicts"))
    data.judged_at = as_text(body.get("judged_at"))
    clauses = body.get("clauses")
    if isinstance(clauses, dict):  # {id: verdict} or {id: {...}}
        clauses = [
            {"id": key, **(value if isinstance(value, dict) else {"verdict": value})} for key, value in clauses.items()
        ]
    data.rollup = dicts(clauses)
    data.problems += [Problem("problem.judge", {"text": as_text(text)}) for text in as_list(body.get("problems"))]
    if isinstance(body.get("site_accepted"), bool):
        data.accepted = body["site_accepted"]


def _take_contract(data: RunData, path: Path) -> None:
    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 - a safe loader, C or Python
    except FileNotFoundError:
        document = None
    except (OSError, ValueError, yaml.YAMLError) as error:
        problem = {"file": "contract/clauses.yml", "problem": " ".join(str(error).split())[:200]}
        data.problems.append(Problem("problem.broken", problem))
        document = None
    if isinstance(document, dict):
        document = document.get("clauses")
    data.contract = [clause for clause in dicts(document) if as_text(clause.get("id"))]
    if not data.contract:
        data.problems.append(Problem("problem.contract"))


def _take_observations(data: RunData) -> None:
    known: dict[str, EvidenceFile] = {}
    for path in _files((data.folder / "observations").glob("*.json")):
        name = f"observations/{path.name}"
        content = _read_bytes(data, path, name)
        if content is None:
            continue
        try:
            document = as_dict(data.redactor.document(json.loads(content)))
        except (ValueError, RecursionError) as error:
            data.problems.append(Problem("problem.broken", {"file": name, "problem": str(error)[:200]}))
            document = {}
        collector, collected = as_text(document.get("collector")), as_text(document.get("collected_at"))
        provenance = as_text(document.get("provenance"))
        data.observations.append(
            EvidenceFile(name, hashlib.sha256(content).hexdigest(), len(content), collector, collected, provenance)
        )
        data.provenances.add(provenance or "unknown")
        subject = as_dict(document.get("subject"))
        if subject.get("kind") == "node_pair":
            data.pairs.append({**as_dict(document.get("facts")), "pair": as_text(subject.get("id"))})
        elif subject.get("kind") == "npu" and collector in ("npu_info", "hbm_test"):
            facts = {key: value for key, value in as_dict(document.get("facts")).items() if key != "notes"}
            data.chips.setdefault(as_text(subject.get("id")), {}).update(facts)
        elif subject.get("kind") == "node" and collector == "interconnect_test":
            data.interconnects[as_text(subject.get("id"))] = as_dict(document.get("facts"))
        elif subject.get("kind") == "node" and collector in NODE_COLLECTORS:
            data.nodes.setdefault(as_text(subject.get("id")), {})[collector] = as_dict(document.get("facts"))
        for entry in dicts(document.get("raw")):
            known[as_text(entry.get("file"))] = EvidenceFile(
                "", as_text(entry.get("sha256")), 0, collector, collected, provenance
            )
    for path in _files((data.folder / "raw").rglob("*")):
        name = path.relative_to(data.folder).as_posix()
        content = _read_bytes(data, path, name)
        if content is None:
            continue
        digest = hashlib.sha256(content).hexdigest()
        source = known.get(name) or known.get(path.name) or EvidenceFile("", "", 0)
        if source.sha256 and source.sha256 != digest:
            data.problems.append(Problem("problem.digest", {"file": name}))
        data.raw.append(
            EvidenceFile(name, digest, len(content), source.collector, source.collected_at, source.provenance)
        )


def _check_evidence(data: RunData) -> None:
    """Each file a verdict names must be there and unchanged. Only names found in the folder are ever opened."""
    present = {item.file: item.sha256 for item in [*data.observations, *data.raw]}
    seen: set[str] = set()
    for verdict in data.verdicts:
        for reference in as_list(verdict.get("evidence")):
            if not isinstance(reference, str) or reference in seen:
                continue
            seen.add(reference)
            name, _, digest = reference.partition("#")
            if name not in present:
                data.problems.append(Problem("problem.absent", {"file": name}))
            elif digest and not present[name].startswith(digest.removeprefix("sha256:").lower()):
                data.problems.append(Problem("problem.digest", {"file": name}))
