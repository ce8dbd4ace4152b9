"""Reading hand-written YAML: all mistakes at once, each with its place and what was expected."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = ROOT / "contract" / "schema"
LARGEST_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class Problem:
    """One mistake: ``where`` is a path such as ``devices[2].rack``."""

    where: str
    problem: str

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}"


class InputError(ValueError):
    """A file cannot be used; ``problems`` lists every reason that was found."""

    def __init__(self, path: Path | str, problems: list[Problem]) -> None:
        self.path = str(path)
        self.problems = problems
        super().__init__(f"{path}: {len(problems)} mistake(s)\n" + "\n".join(f"  {problem}" for problem in problems))


class _Loader(yaml.SafeLoader):
    """Refuses a key that is written twice: YAML would keep the last one silently."""


def _mapping(loader: _Loader, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} is not a word", key_node.start_mark)
        if key in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {key!r} is written twice", key_node.start_mark
            )
        seen.add(key)
    return yaml.SafeLoader.construct_mapping(loader, node, deep=deep)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
# A date stays the text that was written, as JSON Schema knows no dates.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_text(path: Path | str) -> str:
    """The file's text. :raises InputError: when it is absent, too large or not UTF-8."""
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise InputError(path, [Problem("file", error.strerror or str(error))]) from error
    if len(raw) > LARGEST_BYTES:
        raise InputError(path, [Problem("file", f"{len(raw)} bytes: more than {LARGEST_BYTES} is refused")])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(path, [Problem("file", f"not UTF-8 at byte {error.start}")]) from error


def parse_yaml(text: str, path: Path | str) -> Any:
    """:raises InputError: with line and column when the YAML is broken or has a key twice."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - _Loader is a SafeLoader that is stricter
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "file"
        raise InputError(path, [Problem(where, error.problem or str(error))]) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(path, [Problem("file", f"not YAML: {error or type(error).__name__}")]) from error


@cache
def schema(name: str) -> dict[str, Any]:
    """One of our JSON Schemas by its file name."""
    document: dict[str, Any] = json.loads((SCHEMAS / name).read_text(encoding="utf-8"))
    return document


def check_schema(document: Any, name: str) -> list[Problem]:
    """Every violation of ``contract/schema/<name>``, plus numbers that are not finite."""
    validator = jsonschema.Draft202012Validator(schema(name))
    problems = [
        problem
        for error in sorted(validator.iter_errors(document), key=lambda error: list(map(str, error.absolute_path)))
        for problem in _explain(error)
    ]
    return problems + list(_not_finite(document, ""))


def _explain(error: jsonschema.ValidationError) -> Iterator[Problem]:
    where = place(error.absolute_path)
    if error.validator == "additionalProperties" and isinstance(error.validator_value, bool):
        known = list(error.schema.get("properties", {}))
        for key in error.instance:
            if key not in known:
                near = difflib.get_close_matches(key, known, 1)
                hint = f", did you mean {near[0]!r}?" if near else f"; known: {', '.join(known)}"
                yield Problem(f"{where}.{key}".lstrip("."), f"unknown key{hint}")
        return
    if error.validator == "type":
        wanted = error.validator_value
        names = " or ".join(wanted) if isinstance(wanted, list) else wanted
        yield Problem(where, f"{error.instance!r} is not of type {names}")
        return
    yield Problem(where, error.message)


def place(path: Any) -> str:
    """``devices[2].rack`` for a path of keys and indexes."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.lstrip(".") or "file"


def _not_finite(value: Any, where: str) -> Iterator[Problem]:
    if isinstance(value, float) and not math.isfinite(value):
        yield Problem(where or "file", f"{value} is not a finite number")
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _not_finite(inner, f"{where}.{key}".lstrip("."))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _not_finite(inner, f"{where}[{index}]")
