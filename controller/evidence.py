"""The run folder: the one place where evidence is written, and how it is read back.

Layout (docs/seams.md section 7): ``artifacts/<site>/<run id>/{run.json, observations/, raw/, verdicts.json, ...}``.
Every byte passes the folder's Redactor; folders are 0700, files 0600 and replaced atomically. Several processes write
at once (Ansible's workers): run.json changes under a lock, each observation has a file of its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from controller import contract
from controller.contract import ContractError, Document, Observed
from controller.files import link_atomic, locked, make_directory, write_atomic
from controller.redact import Redactor

CONCURRENT_RUNS = 20  # how many other runs of a site may have begun after ours
RAW_LIMIT_BYTES = 4 * 1024 * 1024
# Read this much beyond the limit before redacting, so that a secret across the cut is still seen whole.
_SLACK = 64 * 1024
TEXT_SUFFIXES = {".json", ".jsonl", ".xml", ".html", ".csv", ".txt", ".svg", ".md", ".yml"}


class EvidenceError(Exception):
    """The run folder cannot be used, or what should be written is not what the schemas allow."""


def artifacts_root() -> Path:
    """``artifacts/`` of the checkout, or ``NPUFORGE_ARTIFACTS``."""
    given = os.environ.get("NPUFORGE_ARTIFACTS")
    return Path(given) if given else contract.PROJECT / "artifacts"


def utc(moment: datetime) -> str:
    """``2026-11-24T06:04:05Z``"""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def process_identity(pid: int) -> Document | None:
    """``{pid, started}`` of a living process (start in clock ticks since boot), None when there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return {"pid": pid, "started": int(fields[19])}
    except (OSError, IndexError, ValueError):
        return None


class RunFolder:
    """One run's folder. ``RunFolder(path)`` is an existing one; ``RunFolder.create`` makes one."""

    def __init__(self, path: Path, secrets: Iterable[object] = ()) -> None:
        self.path = Path(path)
        self.redactor = Redactor(secrets)

    @classmethod
    def create(
        cls,
        root: Path,
        site: str,
        inventory: Document,
        provenance: str,
        *,
        run_id: str | None = None,
        process: Document | None = None,
        secrets: Iterable[object] = (),
        now: datetime | None = None,
    ) -> RunFolder:
        """Make the folder of a new run with its run.json and point ``latest`` at it.

        :param inventory: run.json's ``inventory`` (``run.schema.json``).
        :param run_id: taken as it is when free; None makes one from ``now``, counted on when two start in one second.
        :raises EvidenceError: the run exists already, or run.json would not follow its schema.
        """
        now = now or datetime.now(UTC)
        base = name = run_id or now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        document: Document = {
            "schema": "npuforge.run/1",
            "site": site,
            "run_id": base,
            "started_at": utc(now),
            "finished_at": None,
            "provenance": provenance,
            "inventory": inventory,
            "stages": {},
            "tool": {"name": "npuforge", "version": contract.version()},
        }
        if process is not None:
            document["process"] = process
        _demand(document, "run")  # before anything is made: a bad site name must not become a path
        make_directory(root / site)
        with locked(root / site / ".lock"):
            number = 1
            while (root / site / name).exists():
                if run_id is not None:
                    raise EvidenceError(f"the run {run_id} of {site} exists already")
                number += 1
                name = document["run_id"] = f"{base}-{number}"
            folder = cls(make_directory(root / site / name), secrets)
            make_directory(folder.path / "observations")
            make_directory(folder.path / "raw")
            folder._write_run(document)
            link_atomic(root / site / "latest", name)
        return folder

    @property
    def site_directory(self) -> Path:
        """``artifacts/<site>``: holds the ledger and every run."""
        return self.path.parent

    def run(self) -> Document:
        """run.json. :raises EvidenceError: it is missing, half-written or not ours."""
        document = _load(self.path / "run.json")
        _demand(document, "run")
        return document

    def mark_stage(self, stage: str, state: str, now: datetime | None = None) -> None:
        """Note in run.json that a stage ``started`` or is ``done``; the first start is kept."""
        moment = utc(now or datetime.now(UTC))
        with self._changing() as run:
            known = run["stages"].get(stage)
            run["stages"][stage] = {
                "started_at": known["started_at"] if known else moment,
                "finished_at": moment if state == "done" else (known or {}).get("finished_at"),
                "state": "done" if known and known["state"] == "done" else state,
            }

    def finish(self, now: datetime | None = None) -> None:
        """Note the end of the run in run.json; a run that goes on is simply finished again later."""
        with self._changing() as run:
            run["finished_at"] = utc(now or datetime.now(UTC))

    def update_inventory(self, inventory: Document, provenance: str) -> None:
        """Take over what the inventory says now. The stamp ``simulated``, once given, stays."""
        with self._changing() as run:
            run["inventory"] = inventory
            if provenance == "simulated":
                run["provenance"] = provenance

    def record(self, entry: Document, simulated: bool = False) -> Path:
        """Write one observation and its raw output.

        :param entry: as modules return it: ``{"observation": {... without raw}, "raw": [{name, argv, rc, ...}]}``.
        :param simulated: add the stamp ``simulated``; a stamp that the observation has is never removed.
        :returns: the observation's file. The same subject seen again by the same collector replaces it.
        :raises EvidenceError: the entry does not follow ``observation.schema.json``; nothing is written.
        """
        if not isinstance(entry, Mapping) or not isinstance(entry.get("observation"), Mapping):
            raise EvidenceError("not an observation: a mapping with the key 'observation' is expected")
        document: Document = {**self.redactor.document(dict(entry["observation"])), "raw": []}
        if simulated:
            document["provenance"] = "simulated"
        _demand(document, "observation")
        subject = document["subject"]
        stem = file_name(subject["kind"], subject["id"], document["collector"])
        pieces = [self._raw(stem, number, raw) for number, raw in enumerate(entry.get("raw") or [])]
        document["raw"] = [description for description, _ in pieces]
        _demand({**document, "facts": {}}, "observation")  # the facts were looked at above
        for description, data in pieces:
            write_atomic(self.path / description["file"], data)
        target = self.path / "observations" / f"{stem}.json"
        write_atomic(target, _dump(document))
        return target

    def write_json(self, name: str, document: Document, schema: str | None = None) -> Path:
        """Write a JSON document of the run, redacted; with ``schema`` it is validated first."""
        clean = self.redactor.document(document)
        if schema is not None:
            _demand(clean, schema)
        return self._write(name, _dump(clean))

    def write_text(self, name: str, text: str) -> Path:
        """Write a text of the run (report.html, junit.xml, ...), redacted."""
        return self._write(name, self.redactor.data(text.encode("utf-8", "surrogatepass")))

    def write_bytes(self, name: str, data: bytes) -> Path:
        """Write a file of the run. Texts are redacted; a PDF or DOCX cannot be: make it from redacted documents."""
        return self._write(name, self.redactor.data(data) if Path(name).suffix in TEXT_SUFFIXES else data)

    def observed(self) -> tuple[list[Observed], list[str]]:
        """Every valid observation of the run, ordered by file name, and what was there but could not be used."""
        found, problems = [], []
        for path in sorted((self.path / "observations").glob("*")):
            name = f"observations/{path.name}"
            if path.name.startswith(".new-"):
                problems.append(f"{name}: left behind by a writer that was stopped")
                continue
            try:
                data = path.read_bytes()
                document = json.loads(data)
            except (OSError, ValueError) as error:
                problems.append(f"{name}: not readable as JSON ({error})")
                continue
            wrong = contract.problems(document, "observation")
            if wrong:
                problems.append(f"{name}: not an observation ({'; '.join(wrong[:3])})")
                continue
            found.append(Observed(document, f"{name}#{hashlib.sha256(data).hexdigest()}"))
        return found, problems

    def verify(self) -> list[str]:
        """What is not as the observations say: raw files that are missing or whose SHA-256 differs."""
        observed, problems = self.observed()
        for item in observed:
            for raw in item.document["raw"]:
                path = self.path / raw["file"]
                try:
                    digest = hashlib.sha256(path.read_bytes()).hexdigest()
                except OSError as error:
                    problems.append(f"{raw['file']}: {error.strerror}")
                    continue
                if digest != raw["sha256"]:
                    problems.append(f"{raw['file']}: differs from its SHA-256 in {item.reference.split('#')[0]}")
        return problems

    def _raw(self, stem: str, number: int, raw: Any) -> tuple[Document, bytes]:
        """One raw output, redacted and cut to the limit: its description and its bytes."""
        if not isinstance(raw, Mapping):
            raise EvidenceError(f"raw output {number} of {stem} is not a mapping")
        text = raw.get("text")
        data = ("" if text is None else str(text)).encode("utf-8", "surrogateescape")
        size = len(data)
        clean = self.redactor.data(data[: RAW_LIMIT_BYTES + _SLACK])
        name = _safe(str(raw.get("name") or f"raw{number}"))
        description: Document = {
            "name": name,
            "argv": [self.redactor.text(str(word)) for word in raw.get("argv") or []],
            "rc": raw.get("rc"),
            "seconds": raw.get("seconds"),
            "file": f"raw/{stem}-{number}-{name}",
        }
        if size > RAW_LIMIT_BYTES:
            clean = clean[:RAW_LIMIT_BYTES]
            description["note"] = f"cut to {RAW_LIMIT_BYTES} bytes of {size}"
        description["bytes"] = len(clean)
        description["sha256"] = hashlib.sha256(clean).hexdigest()
        return description, clean

    @contextlib.contextmanager
    def _changing(self) -> Iterator[Document]:
        with locked(self.path / ".lock"):
            run = self.run()
            yield run
            self._write_run(run)

    def _write_run(self, document: Document) -> None:
        self.write_json("run.json", document, "run")

    def _write(self, name: str, data: bytes) -> Path:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise EvidenceError(f"{name!r} leads out of the run folder")
        write_atomic(self.path / name, data)
        return self.path / name


def join_or_create(
    root: Path,
    site: str,
    inventory: Document,
    provenance: str,
    *,
    wanted: str | None = None,
    process: Document | None = None,
    secrets: Iterable[object] = (),
) -> tuple[RunFolder, bool]:
    """The run to write to, and whether it was there already.

    :param wanted: ``latest``, a run id (joined when it exists, else made with that id), or None: the run that this very
        process opened, if it did, else a new one. Two processes may work on one site at a time.
    :raises EvidenceError: ``latest`` is wanted and the site has no run, or the run's folder is damaged.
    """
    secrets = list(secrets)
    folder: RunFolder | None = None
    if wanted == "latest":
        folder = RunFolder(find_run(root, site), secrets)
    elif wanted:
        if not re.fullmatch(r"\d{8}T\d{6}Z(-\d+)?", wanted):
            raise EvidenceError(f"{wanted!r} is not a run id such as 20261124T060405Z")
        folder = RunFolder(root / site / wanted, secrets) if (root / site / wanted).is_dir() else None
    elif process is not None:
        folder = _opened_by(process, root / site, secrets)
    if folder is None:
        made = RunFolder.create(root, site, inventory, provenance, run_id=wanted, process=process, secrets=secrets)
        return made, False
    folder.update_inventory(inventory, provenance)
    return folder, True


def _opened_by(process: Document, site_directory: Path, secrets: list[object]) -> RunFolder | None:
    """The run of this process among the newest of the site."""
    for path in sorted(site_directory.glob("[0-9]*Z*"), reverse=True)[:CONCURRENT_RUNS]:
        with contextlib.suppress(EvidenceError):
            folder = RunFolder(path, secrets)
            if folder.run().get("process") == process:
                return folder
    return None


def find_run(root: Path, site: str, run_id: str = "latest") -> Path:
    """The folder of one of the site's runs. :raises EvidenceError: there is none."""
    path = root / site / run_id
    if not (path / "run.json").is_file():
        raise EvidenceError(f"no run {run_id} of the site {site!r} under {root}")
    return path.resolve()


def file_name(kind: str, subject: str, collector: str) -> str:
    """``bmc-node1-bmc_info``. An id with characters that a file name should not have gets a hash, to stay unique."""
    return f"{kind}-{_safe(subject)}-{collector}"


def _safe(name: str) -> str:
    clean = re.sub(r"[^A-Za-z0-9._-]", "_", name)[:80].lstrip(".") or "_"
    return clean if clean == name else f"{clean}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _dump(document: Document) -> bytes:
    try:
        text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise EvidenceError(f"cannot be written as JSON: {error}") from error
    return text.encode("utf-8", "surrogatepass") + b"\n"


def _load(path: Path) -> Document:
    try:
        document: Document = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise EvidenceError(f"{path} does not exist") from error
    except (OSError, ValueError) as error:
        raise EvidenceError(f"{path} cannot be read: {error}") from error
    return document


def _demand(document: Document, schema: str) -> None:
    try:
        contract.validate(document, schema)
    except ContractError as error:
        raise EvidenceError(str(error)) from error
