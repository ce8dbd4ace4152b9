"""Reads the inventory's files as text: where each key is written, keys written twice, and secrets that are not vaulted.

Ansible merges all files into one set of variables and forgets where each came from; a reader who must correct a
mistake needs the line. Nothing here is decrypted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from .model import HIDDEN, Mistake, Place, did_you_mean, is_secret_key, relative

GROUP_KEYS = ("hosts", "children", "vars")
NOT_INVENTORY = re.compile(r"(^\.)|(\.(md|txt|rst|example|j2|pem|crt|key|pub|svg|pdf)$)|(^known_hosts)", re.IGNORECASE)
YAML_SUFFIXES = (".yml", ".yaml", ".json")
VAULT_HEADER = "$ANSIBLE_VAULT;"
# A secret is fine where it only names another one: "{{ vault_x }}", or a lookup that fetches it at run time.
REFERENCE = re.compile(r"^\s*\{\{.*(\bvault_\w+|\b(lookup|query|q)\s*\().*\}\}\s*$", re.DOTALL)
LITERAL_IN_TEMPLATE = re.compile(r"default\s*\(\s*(['\"])(?=[^'\"])")
INI_SECRET = re.compile(r"(?:^|\s)([A-Za-z_][\w-]*)\s*=\s*('[^']*'|\"[^\"]*\"|\S+)")


@dataclass(frozen=True)
class Definition:
    """A variable written for a host or a group (``scope``), and the name of that host or group."""

    scope: str
    name: str
    key: str
    place: Place


class Sources:
    """The files of an inventory. ``definitions``: where keys are written; ``mistakes``: what is wrong in the text."""

    def __init__(self, sources: list[str]) -> None:
        self.definitions: list[Definition] = []
        self.mistakes: list[Mistake] = []
        self.directories: list[Path] = []
        for source in sources:
            path = Path(source)
            if not path.exists():
                self._mistake((), "inventory", source, "an inventory file or folder that exists")
                continue
            directory = path if path.is_dir() else path.parent
            if directory not in self.directories:
                self.directories.append(directory)
                for kind in ("group_vars", "host_vars"):
                    for scope, file in _vars_files(directory / kind):
                        self._vars_file(file, kind.removesuffix("_vars"), scope)
            for file in _inventory_files(path):
                self._inventory_file(file)

    def place(self, key: str, host: str | None, groups: list[str]) -> Place | None:
        """Where ``key`` is written for the host: its own line, else the nearest group's (nearest first)."""
        if host is not None:
            for definition in reversed(self.definitions):
                if definition.key == key and definition.scope == "host" and definition.name == host:
                    return definition.place
        for group in groups:
            for definition in reversed(self.definitions):
                if definition.key == key and definition.scope == "group" and definition.name == group:
                    return definition.place
        return None

    def _mistake(self, hosts: tuple[str, ...], key: str, value: str, expected: str, place: Place | None = None) -> None:
        self.mistakes.append(Mistake(hosts, key, value, expected, place))

    def _compose(self, file: Path) -> tuple[Node | None, str]:
        """The document's tree, or None where the file is vaulted, empty or broken (the broken one is a mistake)."""
        name = relative(str(file))
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            self._mistake((), name, f"cannot be read: {reason}", "a readable text file", Place(name))
            return None, ""
        if text.startswith(VAULT_HEADER):
            return None, ""
        try:
            return yaml.compose(text, Loader=yaml.SafeLoader), text
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            if file.suffix in YAML_SUFFIXES:  # another may be INI
                problem = getattr(error, "problem", None) or "not YAML"
                self._mistake((), name, str(problem), "a YAML file", Place(name, mark.line + 1 if mark else 0))
            return None, text

    def _vars_file(self, file: Path, scope: str, name: str) -> None:
        root, text = self._compose(file)
        if isinstance(root, MappingNode):
            self._variables(root, relative(str(file)), scope, name)
        elif root is not None:
            shown = relative(str(file))
            self._mistake((name,), shown, "not a mapping", "variables, one 'key: value' a line", Place(shown))
        elif text:
            self._ini(text, relative(str(file)))

    def _inventory_file(self, file: Path) -> None:
        root, text = self._compose(file)
        if isinstance(root, MappingNode):
            for key, value in _pairs(root):
                self._duplicates(root, relative(str(file)), ("inventory",))
                self._group(key.value, value, relative(str(file)))
        elif text:
            self._ini(text, relative(str(file)))

    def _group(self, name: str, node: Node, file: str) -> None:
        if not isinstance(node, MappingNode):
            return
        self._duplicates(node, file, (name,))
        for key, value in _pairs(node):
            if key.value not in GROUP_KEYS:
                place = Place(file, key.start_mark.line + 1)
                near = did_you_mean(key.value, GROUP_KEYS)
                self._mistake((name,), key.value, "unknown key of a group", f"hosts, children or vars{near}", place)
            elif not isinstance(value, MappingNode):
                continue
            elif key.value == "vars":
                self._variables(value, file, "group", name)
            elif key.value == "children":
                for child, body in _pairs(value):
                    self._group(child.value, body, file)
            else:
                self._duplicates(value, file, (name,))
                for host, body in _pairs(value):
                    if isinstance(body, MappingNode):
                        for expanded in _expand(host.value):
                            self._variables(body, file, "host", expanded)

    def _variables(self, node: MappingNode, file: str, scope: str, name: str) -> None:
        self._duplicates(node, file, (name,))
        for key, value in _pairs(node):
            if Path(file).suffix in (*YAML_SUFFIXES, ""):  # Ansible reads no others; we read them for secrets only
                self.definitions.append(Definition(scope, name, key.value, Place(file, key.start_mark.line + 1)))
            self._plaintext(key.value, value, file, name)

    def _duplicates(self, node: MappingNode, file: str, hosts: tuple[str, ...]) -> None:
        lines: dict[str, int] = {}
        for key, _ in _pairs(node):
            line = key.start_mark.line + 1
            if key.value in lines:
                expected = f"each key once; line {lines[key.value]} has it too and is silently overridden"
                self._mistake(hosts, key.value, "written twice", expected, Place(file, line))
            lines[key.value] = line

    def _plaintext(self, key: str, node: Node, file: str, name: str) -> None:
        """Walk into the value: a secret may be nested (``{snmp: {community: public}}``)."""
        if isinstance(node, MappingNode):
            for inner, value in _pairs(node):
                self._plaintext(inner.value, value, file, name)
        elif isinstance(node, SequenceNode):
            for value in node.value:
                self._plaintext(key, value, file, name)
        elif isinstance(node, ScalarNode) and is_secret_key(key) and _is_plain(node):
            self._secret(key, file, node.start_mark.line + 1, name)

    def _secret(self, key: str, file: str, line: int, name: str) -> None:
        target = key if key.startswith("vault_") else f"vault_{key}"
        expected = f"no secret in plain text: put it into a file encrypted by ansible-vault as {target}"
        if target != key:
            expected += f' and write "{{{{ {target} }}}}" here'
        self._mistake((name,), key, HIDDEN, expected, Place(file, line))

    def _ini(self, text: str, file: str) -> None:
        for number, line in enumerate(text.splitlines(), 1):
            if line.lstrip().startswith(("#", ";")):
                continue
            for match in INI_SECRET.finditer(line):
                value = match.group(2).strip("'\"")
                if is_secret_key(match.group(1)) and value and not _is_reference(value) and "{{" not in value:
                    host = line.split()[0] if "=" not in line.split()[0] else "inventory"
                    self._secret(match.group(1), file, number, host)


def _pairs(node: MappingNode) -> Iterator[tuple[ScalarNode, Node]]:
    for key, value in node.value:
        if isinstance(key, ScalarNode):
            yield key, value


def _is_plain(node: ScalarNode) -> bool:
    return (
        node.tag not in ("!vault", "tag:yaml.org,2002:null")
        and bool(node.value.strip())
        and not _is_reference(node.value)
    )


def _is_reference(text: str) -> bool:
    return bool(REFERENCE.match(text)) and not LITERAL_IN_TEMPLATE.search(text)


def _vars_files(directory: Path) -> Iterator[tuple[str, Path]]:
    """``(host or group, file)`` of ``all.yml`` and ``all/*.yml``; editors' copies too: they may hold secrets."""
    if not directory.is_dir():
        return
    for entry in sorted(directory.iterdir()):
        if entry.is_dir():
            for file in sorted(entry.rglob("*")):
                if file.is_file() and not NOT_INVENTORY.search(file.name):
                    yield entry.name, file
        elif entry.is_file() and not NOT_INVENTORY.search(entry.name):
            yield (
                entry.name.removesuffix(entry.suffix) if entry.suffix in YAML_SUFFIXES else entry.name,
                entry,
            )


def _inventory_files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    for entry in sorted(path.iterdir()):
        if entry.is_file() and not NOT_INVENTORY.search(entry.name) and is_inventory_name(entry.name):
            yield entry


def is_inventory_name(name: str) -> bool:
    """Whether a file of an inventory folder lists hosts (the survey and the cabling table do not)."""
    return not re.match(r"(survey|cabling)\.(ya?ml|csv)$", name)


def _expand(pattern: str) -> list[str]:
    """``node[1:3]`` means three hosts."""
    from ansible.errors import AnsibleError  # noqa: PLC0415 - as below
    from ansible.plugins.inventory import detect_range, expand_hostname_range  # noqa: PLC0415 - heavy, and only here

    try:
        return list(expand_hostname_range(pattern)) if detect_range(pattern) else [pattern]
    except (AnsibleError, ValueError):  # Ansible's own loader complains about the range
        return [pattern]
