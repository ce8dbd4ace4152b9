"""The catalogue of faults: rows of ``lab/faults.yml``, read and checked. What each key means: ``lab.faults``."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lab import physics
from lab.breaking.paths import parse_path
from lab.state import LabError

CATALOGUE = Path(__file__).parent.parent / "faults.yml"
KINDS = ("nodes", "switches")
VERDICTS = ("fail", "unknown", "pass")
SCOPES = ("one", "pair", "all_but_one")
LOG_KEYS = {"severity", "sensor", "message"}
REQUIRED = {"kind", "does", "clause", "check", "verdict"}
CAUSES = {"set": "nodes", "configure": "switches", "files": "nodes"}  # at least one; where the last two can be
OPTIONAL = {"scope", "log", "names", *CAUSES}
TEXTS = ("append", "create", "write")  # what a file or a setting of the kernel gets
COMPUTED = ("from", "seconds_ago")


@dataclass(frozen=True)
class Change:
    """One value that becomes another. ``source``: the path to copy from another device, instead of ``value``;
    ``ago``: times so many seconds before the moment of planting (Unix seconds), instead of ``value``."""

    path: str
    value: Any = None
    source: str | None = None
    ago: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Session:
    """What a human enters on a switch, from the system view on, and commits. ``save``: and saves."""

    lines: tuple[str, ...]
    save: bool


@dataclass(frozen=True)
class FileChange:
    """What becomes of a file of a node: ``old`` is replaced by ``new``, or it is removed, or ``append`` is added, or
    it is made with ``create``. ``write``: what somebody writes into a setting of the running kernel."""

    path: str
    old: str | None = None
    new: str = ""
    append: str | None = None
    create: str | None = None
    write: str | None = None

    @property
    def removes(self) -> bool:
        return self.old is self.append is self.create is self.write is None


@dataclass(frozen=True)
class Fault:
    """One row of the catalogue."""

    name: str
    kind: str
    does: str
    clause: str
    check: str
    verdict: str
    scope: str
    changes: tuple[Change, ...]
    log: Mapping[str, str] | None
    session: Session | None = None
    files: tuple[FileChange, ...] = ()
    names: str | None = None


def load(path: Path = CATALOGUE) -> dict[str, Fault]:
    """The catalogue by name. LabError names every mistake in it at once."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise LabError(f"{path} cannot be read: {error}") from error
    if not isinstance(document, dict) or not document:
        raise LabError(f"{path}: expected a mapping of faults by name")
    mistakes: list[str] = []
    found: dict[str, Fault] = {}
    for name, row in document.items():
        wrong = list(_mistakes(name, row))
        mistakes += [f"{name}: {text}" for text in wrong]
        if not wrong:
            found[name] = _fault(name, row)
    mistakes += _overlaps(found.values())
    if mistakes:
        raise LabError(f"{path}:\n" + "\n".join(f"  {text}" for text in mistakes))
    return found


def near(word: str, known: Iterable[str]) -> str:
    """``"; did you mean x or y?"`` for a message about an unknown name; empty when nothing is like it."""
    close = difflib.get_close_matches(word, sorted(known), n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(close)}?" if close else ""


# --- checks ----------------------------------------------------------------------------------------------------------


def _mistakes(name: object, row: object) -> Iterable[str]:
    if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        yield "a name has a-z, 0-9 and _"
    if not isinstance(row, dict):
        yield "expected a mapping"
        return
    for key in sorted(REQUIRED - row.keys()):
        yield f"{key} is missing"
    for key in sorted(row.keys() - REQUIRED - OPTIONAL, key=str):
        yield f"unknown key {key}" + near(str(key), REQUIRED | OPTIONAL)
    if not CAUSES.keys() & row.keys():
        yield f"set is missing (or {' or '.join(key for key in CAUSES if key != 'set')})"
    for key, allowed in (("kind", KINDS), ("verdict", VERDICTS), ("scope", SCOPES)):
        if key in row and row[key] not in allowed:
            yield f"{key} {row[key]!r}: expected one of {', '.join(allowed)}"
    for key in ("does", "clause", "check", "names"):
        if key in row and not (isinstance(row[key], str) and row[key].strip()):
            yield f"{key}: expected a text"
    yield from _wrong_changes(row)
    yield from _wrong_log(row.get("log"))
    for key, kind in CAUSES.items():
        if key != "set" and key in row and row.get("kind") != kind:
            yield f"{key}: only {kind} have that"
    if "configure" in row:
        yield from _wrong_session(row["configure"])
    if "files" in row:
        yield from _wrong_files(row["files"])


def _wrong_changes(row: Mapping[str, Any]) -> Iterable[str]:
    changes = row.get("set", [])
    if "set" in row and not (isinstance(changes, list) and changes):
        yield "set: expected a list of {path, value}"
        changes = []
    for change in changes:
        if not isinstance(change, dict) or set(change) != {"path", "value"}:
            yield f"set: {change!r}: expected exactly path and value"
            continue
        computed = _computed(change["value"])
        sources = [change["value"]["from"]] if computed == "from" else []
        for path in (change["path"], *sources):
            try:
                parse_path(path)
            except ValueError as error:
                yield f"set: {error}"
        if sources and row.get("scope") != "pair":
            yield "set: a value that is copied from another device needs scope: pair"
        if computed == "seconds_ago" and not _numbers(change["value"]["seconds_ago"]):
            yield "set: seconds_ago: expected a list of numbers"


def _computed(value: object) -> str | None:
    """How a value is made when the fault is planted; None: it stands in the row."""
    return next((key for key in COMPUTED if isinstance(value, dict) and set(value) == {key}), None)


def _numbers(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(type(item) in (int, float) and item >= 0 for item in value)


def _wrong_log(log: object) -> Iterable[str]:
    if log is None:
        return
    if not isinstance(log, dict) or set(log) != LOG_KEYS:
        yield f"log: expected {', '.join(sorted(LOG_KEYS))}"
    elif log["severity"] not in physics.SEVERITIES:
        yield f"log: severity {log['severity']!r}: expected one of {', '.join(physics.SEVERITIES)}"


def _wrong_session(session: object) -> Iterable[str]:
    if not isinstance(session, dict) or set(session) != {"lines", "save"}:
        yield "configure: expected lines and save"
        return
    if not _texts(session["lines"]):
        yield "configure: lines: expected a list of texts"
    if not isinstance(session["save"], bool):
        yield "configure: save: expected true or false"


def _wrong_files(files: object) -> Iterable[str]:
    if not isinstance(files, list) or not files:
        yield "files: expected a list"
        return
    for item in files:
        keys = set(item) if isinstance(item, dict) else set()
        if "path" not in keys or len(keys) != 2 or not keys <= {"path", "replace", "remove", *TEXTS}:
            yield f"files: {item!r}: expected path and one of replace, remove, {', '.join(TEXTS)}"
        elif not (isinstance(item["path"], str) and item["path"].startswith("/")):
            yield f"files: {item['path']!r}: expected an absolute path"
        elif "replace" in item and not (_texts(item["replace"]) and len(item["replace"]) == 2 and item["replace"][0]):
            yield "files: replace: expected [old, new]"
        elif "remove" in item and item["remove"] is not True:
            yield "files: remove: expected true"
        for key in TEXTS:
            if key in keys and not (isinstance(item[key], str) and item[key]):
                yield f"files: {key}: expected a text"


def _texts(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)


def _overlaps(found: Iterable[Fault]) -> list[str]:
    """Two faults may set the same value, but not one a value and the other the object that holds it."""
    paths = {(fault.kind, change.path): fault.name for fault in found for change in fault.changes}
    mistakes = []
    for (kind, path), name in paths.items():
        for (other_kind, inner), other in paths.items():
            if kind == other_kind and (inner.startswith((path + ".", path + "["))):
                mistakes.append(f"{name} sets {path}, which holds {inner} of {other}: heal could not tell them apart")
    return mistakes


# --- rows ------------------------------------------------------------------------------------------------------------


def _fault(name: str, row: Mapping[str, Any]) -> Fault:
    session = row.get("configure")
    return Fault(
        name,
        row["kind"],
        row["does"],
        row["clause"],
        row["check"],
        row["verdict"],
        row.get("scope", "one"),
        tuple(_change(change) for change in row.get("set", [])),
        row.get("log"),
        Session(tuple(session["lines"]), session["save"]) if session else None,
        tuple(_file(item) for item in row.get("files", [])),
        row.get("names"),
    )


def _change(change: Mapping[str, Any]) -> Change:
    path, value = change["path"], change["value"]
    computed = _computed(value)
    if computed == "from":
        return Change(path, source=value["from"])
    if computed == "seconds_ago":
        return Change(path, ago=tuple(value["seconds_ago"]))
    return Change(path, value)


def _file(item: Mapping[str, Any]) -> FileChange:
    replace: Sequence[str | None] = item.get("replace", [None, ""])
    texts = {key: item.get(key) for key in TEXTS}
    return FileChange(item["path"], replace[0], str(replace[1]), **texts)
