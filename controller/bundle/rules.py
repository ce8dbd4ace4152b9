"""Which versions go together (``contract/compatibility.yml``), asked before anything is collected or installed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml

from controller import contract
from controller.contract import ContractError, Document

from . import versions

FILE = contract.DIRECTORY / "compatibility.yml"
KUBERNETES = "kubernetes"


@dataclass(frozen=True)
class Part:
    """One version of one component: of an artifact, or Kubernetes, which a site chooses and a bundle does not hold."""

    component: str
    version: str
    arch: frozenset[str]
    chip: str | None

    def meets(self, other: Part) -> bool:
        """Whether one node could get both."""
        arch = "noarch" in self.arch | other.arch or bool(self.arch & other.arch)
        return arch and (self.chip is None or other.chip is None or self.chip == other.chip)

    def __str__(self) -> str:
        return f"{self.component} {self.version}"


@lru_cache(maxsize=4)
def load(path: Path = FILE) -> Document:
    """The rules; every range can be read and every source exists. :raises ContractError: naming all that is wrong"""
    try:
        document: Document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ContractError(f"{path}: {error}") from error
    contract.validate(document, "compatibility")
    wrong = []
    for number, rule in enumerate(document["needs"]):
        for key in ("versions", "allowed"):
            try:
                versions.parse_ranges(rule[key])
            except ValueError as error:
                wrong.append(f"needs/{number}/{key}: {error}")
    for rule in (*document["needs"], *document["same_version"]):
        if rule["source"] not in document["sources"]:
            wrong.append(f"no source is called {rule['source']!r}")
    if wrong:
        raise ContractError(f"{path.name}: " + "; ".join(wrong))
    return document


def problems(manifest: Document, kubernetes: str | None = None, rules: Document | None = None) -> list[Document]:
    """Every contradiction among the versions of a manifest, with whom it was that said so.

    :param kubernetes: the version that the site runs; null where it runs none yet
    :return: ``[{where, problem, source}]``; ``where`` names both components with their versions
    """
    return _examine(manifest, kubernetes, rules or load())[0]


def notes(manifest: Document, kubernetes: str | None = None, rules: Document | None = None) -> list[Document]:
    """What the rules cannot tell about a manifest: ``[{where, problem}]``. Not known is neither right nor wrong."""
    return _examine(manifest, kubernetes, rules or load())[1]


def _examine(manifest: Document, kubernetes: str | None, rules: Document) -> tuple[list[Document], list[Document]]:
    parts = list(dict.fromkeys(_parts(manifest, kubernetes)))
    wrong: list[Document] = []
    open_questions: list[Document] = []
    for same in rules["same_version"]:
        contradictions, unknown = _unequal(parts, same, rules["sources"])
        wrong += contradictions
        open_questions += unknown
    pairs = dict.fromkeys((rule["given"], rule["needs"]) for rule in rules["needs"])
    for given_name, needed_name in pairs:
        about = [rule for rule in rules["needs"] if (rule["given"], rule["needs"]) == (given_name, needed_name)]
        for given in (part for part in parts if part.component == given_name):
            for needed in (part for part in parts if part.component == needed_name and part.meets(given)):
                where = f"{given}, {needed}"
                apply = [rule for rule in about if versions.within(given.version, rule["versions"])]
                unread = [part for part in (given, needed) if versions.parse(part.version) is None]
                if unread:
                    text = " and ".join(f"{part.version!r}" for part in unread)
                    open_questions.append(
                        {"where": where, "problem": f"cannot tell: {text} cannot be read as a version"}
                    )
                elif not apply:
                    problem = f"cannot tell: no rule knows which {needed_name} goes with {given}"
                    open_questions.append({"where": where, "problem": problem})
                for rule in apply if not unread else []:
                    if not versions.within(needed.version, rule["allowed"]):
                        problem = f"{given} needs {needed_name} in {rule['allowed']}, not {needed.version}"
                        wrong.append({"where": where, "problem": problem, "source": _source(rule, rules["sources"])})
    return _once(wrong), _once(open_questions)


def _once(items: list[Document]) -> list[Document]:
    """A pair for each architecture says the same twice."""
    return list({(item["where"], item["problem"]): item for item in items}.values())


def _parts(manifest: Document, kubernetes: str | None) -> Iterable[Part]:
    for artifact in manifest["artifacts"]:
        yield Part(artifact["id"], artifact["version"], frozenset(artifact["arch"]), artifact.get("chip"))
    if kubernetes is not None:
        yield Part(KUBERNETES, kubernetes, frozenset(["noarch"]), None)


def _unequal(parts: list[Part], rule: Document, sources: Document) -> tuple[list[Document], list[Document]]:
    """Contradictions and open questions of one rule about equal versions."""
    wrong: list[Document] = []
    open_questions: list[Document] = []
    first_name, *others = rule["components"]
    for first in (part for part in parts if part.component == first_name):
        for other in (part for part in parts if part.component in others and part.meets(first)):
            same = versions.compare(first.version, other.version)
            if same == 0 or first.version == other.version:
                continue
            problem = f"{other.component} must have the version of {first.component}, {first.version}"
            entry = {"where": f"{first}, {other}", "problem": f"{problem}, not {other.version}"}
            if same is None:
                entry["problem"] = f"cannot tell: {problem}, and one of the two cannot be read as a version"
                open_questions.append(entry)
            else:
                wrong.append({**entry, "source": _source(rule, sources)})
    return wrong, open_questions


def _source(rule: Document, sources: Document) -> str:
    source = sources[rule["source"]]
    return f"{source['title']} ({source['url']})" if source.get("url") else str(source["title"])
