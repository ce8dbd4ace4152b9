"""Loads the contract (``contract/``) and validates documents against its JSON Schemas."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # its stubs are not among our requirements
import yaml
from referencing import Registry, Resource

Document = dict[str, Any]

PROJECT = Path(__file__).resolve().parent.parent
DIRECTORY = PROJECT / "contract"
KINDS = ("node", "bmc", "npu", "switch", "port", "node_pair", "cluster", "service", "site", "rack", "feed")


class ContractError(Exception):
    """The contract, or a document that must follow one of its schemas, is wrong; the message names every place."""


@dataclass(frozen=True)
class Observed:
    """One observation (``observation.schema.json``) and where it is kept: ``observations/<file>#<sha256>``."""

    document: Document
    reference: str

    @property
    def kind(self) -> str:
        kind: str = self.document["subject"]["kind"]
        return kind

    @property
    def id(self) -> str:
        name: str = self.document["subject"]["id"]
        return name

    @property
    def facts(self) -> Document:
        facts: Document = self.document["facts"]
        return facts


@dataclass(frozen=True)
class Contract:
    """The contract as data. ``clauses`` in the tender's order; the others as in their files."""

    clauses: list[Document]
    profiles: dict[str, Document]
    bios_vendors: Document
    switches: Document

    def checks(self) -> Iterator[tuple[Document, Document]]:
        """``(clause, check)`` of every check, in order."""
        for clause in self.clauses:
            for check in clause["checks"]:
                yield clause, check

    def profile_value(self, profile: str | None, key: str) -> Any:
        """What the profile expects under ``key``; None when the profile or the key does not exist."""
        document = self.profiles.get(profile or "")
        return None if document is None else document["expect"].get(key)


@lru_cache(maxsize=1)
def version() -> str:
    """The version of this toolkit, which it stamps on what it writes."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    number: str = project["project"]["version"]
    return number


def stage_of(check: Document) -> str:
    """The stage that observes what the check judges: ``stage``, or the first word of its id."""
    stage: str = check.get("stage") or check["id"].split(".")[0]
    return stage


def load(directory: Path = DIRECTORY) -> Contract:
    """Read and validate clauses, profiles and BIOS vendors; raises ContractError naming all that is wrong."""
    clauses = _read(directory / "clauses.yml")
    validate(clauses, "clauses")
    profiles = {}
    for path in sorted((directory / "profiles").glob("*.yml")):
        profile = _read(path)
        validate(profile, "profile")
        if profile["id"] != path.stem:
            raise ContractError(f"{path.name}: its id is {profile['id']!r}, which must equal the file's name")
        profiles[profile["id"]] = profile
    bios_vendors = _read(directory / "bios_vendors.yml")
    validate(bios_vendors, "bios_vendors")
    switches = _read(directory / "switches.yml")
    validate(switches, "switches")
    contract = Contract(clauses, profiles, bios_vendors, switches)
    _check_names(contract)
    return contract


def _check_names(contract: Contract) -> None:
    """What a schema cannot say: ids are unique, and every key of a profile that a check names is in some profile."""
    problems = []
    seen: set[str] = set()
    for name in [clause["id"] for clause in contract.clauses] + [check["id"] for _, check in contract.checks()]:
        if name in seen:
            problems.append(f"{name} occurs twice")
        seen.add(name)
    known = {key for profile in contract.profiles.values() for key in profile["expect"]}
    for _, check in contract.checks():
        for key in sorted(_profile_keys(check)):
            if key not in known:
                problems.append(f"{check['id']}: no profile knows {key!r}")
    if problems:
        raise ContractError("contract: " + "; ".join(problems))


def _profile_keys(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["profile"]} if isinstance(node.get("profile"), str) else set()
        return own.union(*(_profile_keys(value) for value in node.values()))
    if isinstance(node, list):
        return set().union(*(_profile_keys(value) for value in node))
    return set()


def _read(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ContractError(f"{path} does not exist") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ContractError(f"{path}: {error}") from error


def problems(document: Any, schema: str) -> list[str]:
    """Why ``document`` does not follow ``contract/schema/<schema>.schema.json``; empty when it does. At most 20."""
    found = []
    for error in _validator(schema).iter_errors(document):
        where = "/".join(str(part) for part in error.absolute_path) or "(document)"
        found.append(f"{where}: {error.message[:300]}")
        if len(found) == 20:
            break
    return found


def validate(document: Any, schema: str) -> None:
    """Raise ContractError unless ``document`` follows the schema."""
    found = problems(document, schema)
    if found:
        raise ContractError(f"not a valid {schema}: " + "; ".join(found))


@lru_cache(maxsize=1)
def _schemas() -> tuple[dict[str, Document], Registry[Any]]:
    by_name = {}
    for path in sorted((DIRECTORY / "schema").glob("*.schema.json")):
        by_name[path.name.removesuffix(".schema.json")] = json.loads(path.read_text(encoding="utf-8"))
    resources = [(schema["$id"], Resource.from_contents(schema)) for schema in by_name.values()]
    return by_name, Registry().with_resources(resources)


@lru_cache(maxsize=32)
def _validator(schema: str) -> jsonschema.Draft202012Validator:
    by_name, registry = _schemas()
    if schema not in by_name:
        raise ContractError(f"no schema named {schema!r}; there are: {', '.join(by_name)}")
    return jsonschema.Draft202012Validator(by_name[schema], registry=registry)
