"""Types and keys: the inventory against contract/schema/inventory.schema.json; 'expected' is said in its words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # its stubs are not among our requirements
import yaml
from ansible import constants as C
from ansible.plugins.loader import become_loader, connection_loader, shell_loader

from .formats import FORMATS
from .load import HostVars, Loaded
from .model import MISSING, Mistake, did_you_mean, first_key, is_secret_key, show

KINDS = {"npu_servers": "npu_server", "switches": "switch"}
TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "string": "a text",
    "boolean": "true or false",
    "object": "keys with values",
    "array": "a list",
}
SCHEMA_FILE = Path(__file__).resolve().parents[2] / "contract/schema/inventory.schema.json"
FREE_PREFIXES = ("ansible", "local", "vault")  # the schema's patternProperties


@cache
def definitions() -> dict[str, Any]:
    """``$defs`` of the schema."""
    found: dict[str, Any] = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))["$defs"]
    return found


def check(loaded: Loaded, root: Path) -> Iterator[Mistake]:
    """All errors of types, ranges, required and unknown keys. ``root`` is the project, for its roles.

    What group ``all`` gives to every host is judged once, as the site's; a host key written there (``bmc_port``) is
    judged as each host's.
    """
    roles = role_variables(root)
    host_keys = {key for kind in KINDS.values() for key in definitions()[kind]["properties"]}
    names = frozenset(host_keys | set(definitions()["site"]["properties"]) | ansible_variables())
    own = {key: value for key, value in loaded.site.values.items() if key not in host_keys and key not in roles}
    yield from _Judge(loaded, loaded.site, "site", names).document(own)
    for group, kind in KINDS.items():
        for name in loaded.groups.get(group, []):
            host = loaded.hosts.get(name)
            if host is None:
                continue
            properties = definitions()[kind]["properties"]
            document = {
                key: value
                for key, value in host.values.items()
                if key not in roles and (key in properties or not _inherited(loaded, host, key))
            }
            yield from _Judge(loaded, host, kind, names).document(document)


def _inherited(loaded: Loaded, host: HostVars, key: str) -> bool:
    return key in loaded.site.values and loaded.site.values[key] == host.values[key]


@dataclass(frozen=True)
class _Judge:
    """Judges the variables of one host (or of the site) against one of the schema's kinds."""

    loaded: Loaded
    host: HostVars
    kind: str
    names: frozenset[str]

    def document(self, document: dict[str, Any]) -> Iterator[Mistake]:
        for key, value in document.items():
            if key.startswith("ansible_") and key not in self.names:
                yield self._mistake(key, value, f"a variable that Ansible knows{did_you_mean(key, self.names)}")
        rules = {"$defs": definitions(), "$ref": f"#/$defs/{self.kind}"}
        errors = jsonschema.Draft202012Validator(rules, format_checker=FORMATS).iter_errors(document)
        for error in sorted(errors, key=lambda error: list(map(str, error.absolute_path))):
            yield from self._explain(error)

    def _explain(self, error: jsonschema.ValidationError) -> Iterator[Mistake]:
        path = _path(error.absolute_path)
        properties = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
        if error.validator == "required":
            for key in error.validator_value:
                # jsonschema gives one error for each missing key; its message begins with that key.
                if error.message.startswith(f"'{key}'") and key not in self.host.broken:
                    yield self._missing(_join(path, key), describe(properties.get(key, {})))
        elif error.validator == "dependentRequired":
            for key, needed in error.validator_value.items():
                for other in needed:
                    if key in error.instance and other not in error.instance:
                        yield self._missing(other, f"a value, as {key} is given")
        elif error.validator == "additionalProperties":
            for key, value in error.instance.items():
                if key not in properties and (path or key.split("_", 1)[0] not in FREE_PREFIXES):
                    expected = self._instead_of(key) if not path else _one_of(key, properties)
                    yield self._mistake(_join(path, key), value, expected)
        else:
            yield self._mistake(path, error.instance, self._expected(error))

    def _expected(self, error: jsonschema.ValidationError) -> str:
        if error.validator == "format" and error.cause:
            return str(error.cause)
        expected = describe(error.schema)
        if len(error.absolute_path) == 1:  # a property says more than the type that it refers to
            node = definitions()[self.kind]["properties"].get(error.absolute_path[0])
            expected = describe(node) if node else expected
        if error.validator == "type":
            if error.validator_value in ("integer", "number") and _is_number(error.instance):
                expected += "; it is written as text: leave out the quotes"
            elif error.validator_value == "string" and isinstance(error.instance, int | float):
                expected += "; put it in quotes"
        return expected

    def _instead_of(self, key: str) -> str:
        if self.kind != "site" and key.startswith("site_") and key in self.names:
            return "no key of the site here: it belongs in group_vars/all"
        if key in self.names:
            return f"no such key here: it belongs to {'switches' if self.kind == 'npu_server' else 'npu_servers'}"
        return f"a known key{did_you_mean(key, self.names)} (own variables begin with local_)"

    def _mistake(self, path: str, value: Any, expected: str) -> Mistake:
        place = self.loaded.text.place(first_key(path), self.host.name, self.host.groups)
        return Mistake((self.host.name,), path, show(value, path, self.loaded.secrets), expected, place)

    def _missing(self, path: str, expected: str) -> Mistake:
        what = "(missing secret)" if is_secret_key(path) else MISSING
        place = self.loaded.text.place(first_key(path), self.host.name, self.host.groups)
        return Mistake((self.host.name,), path, what, expected, place)


def describe(node: dict[str, Any]) -> str:
    """The sentence for 'expected': the schema's description, of the node or of what it refers to."""
    if "description" in node:
        return str(node["description"])
    if "$ref" in node:
        return describe(definitions()[node["$ref"].rsplit("/", 1)[1]])
    return TYPES.get(str(node.get("type")), "another value")


def _one_of(key: str, properties: Iterable[str]) -> str:
    return f"one of {', '.join(sorted(properties))}{did_you_mean(key, properties)}"


def _path(parts: Iterable[Any]) -> str:
    path = ""
    for part in parts:
        path = f"{path}[{part}]" if isinstance(part, int) else _join(path, str(part))
    return path


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _is_number(value: Any) -> bool:
    return isinstance(value, str) and value.strip().lstrip("+-").replace(".", "", 1).isdigit()


@cache
def role_variables(root: Path) -> frozenset[str]:
    """What the roles let a site set: the options of their argument_specs."""
    found: set[str] = set()
    for file in root.glob("roles/*/meta/argument_specs.yml"):
        specs = (yaml.safe_load(file.read_text(encoding="utf-8")) or {}).get("argument_specs", {})
        for entry in specs.values():
            found |= set(entry.get("options", {}))
    return frozenset(found)


@cache
def ansible_variables() -> frozenset[str]:
    """``ansible_*`` variables of connections, become methods and shells, as this Ansible documents them."""
    found = {name for names in C.MAGIC_VARIABLE_MAPPING.values() for name in names}
    plugins = {
        "connection": (connection_loader, ("ssh", "local", "paramiko_ssh")),
        "become": (become_loader, ("sudo", "su")),
        "shell": (shell_loader, ("sh",)),
    }
    for kind, (loader, members) in plugins.items():
        for plugin in members:
            if loader.get(plugin, class_only=True) is not None:
                found |= set(C.config.get_plugin_vars(kind, plugin))
    found |= {"ansible_python_interpreter", "ansible_network_os", "ansible_become_password", "ansible_port"}
    return frozenset(name for name in found if name.startswith("ansible_"))
