"""Loads an inventory through Ansible's own loader and resolves its templates, collecting every error on the way.

Imports Ansible, which reads its configuration at import: call it after ``ANSIBLE_CONFIG`` is settled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleError, AnsibleUndefinedVariable
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultSecretsContext, get_file_vault_secret
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar
from ansible.utils.collection_loader import AnsibleCollectionConfig
from ansible.utils.display import Display
from ansible.vars.manager import VariableManager
from ansible.vars.plugins import get_vars_from_inventory_sources

from controller.playbook import plain

from .model import MISSING, Mistake, Place, did_you_mean, is_secret_key, relative
from .sources import Sources, is_inventory_name

VaultSecrets = list[tuple[str, Any]]
# Ansible sets these on each host itself.
MAGIC = ("inventory_file", "inventory_dir")


@dataclass
class HostVars:
    """One host: its groups (nearest first), its variables resolved, and the keys whose templates did not resolve."""

    name: str
    groups: list[str]
    values: dict[str, Any] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)


@dataclass
class Loaded:
    """An inventory. ``site`` is what group ``all`` says; ``inherited`` are the keys that hosts have from there."""

    sources: list[str]
    text: Sources
    site: HostVars
    hosts: dict[str, HostVars] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)  # group -> hosts, children included
    mistakes: list[Mistake] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)

    @property
    def directory(self) -> Path | None:
        """The folder that relative paths of the site count from."""
        return self.text.directories[0] if self.text.directories else None


class TolerantLoader(DataLoader):  # type: ignore[misc]  # Ansible has no types
    """A file that is broken, or that the vault password does not open, reads as empty and is kept in ``failures``."""

    def __init__(self) -> None:
        super().__init__()
        self.failures: dict[str, str] = {}

    def load_from_file(self, file_name: str, *args: Any, **kwargs: Any) -> Any:
        try:
            loaded = super().load_from_file(file_name, *args, **kwargs)
        except AnsibleError as error:
            self.failures[file_name] = _first_line(error)
            return {}
        if loaded is not None and not isinstance(loaded, Mapping):
            self.failures[file_name] = "not a mapping of keys to values"
            return {}
        return loaded


def vault_secrets(ask: bytes | None = None) -> VaultSecrets:
    """The secrets that ansible.cfg names (``vault_password_file``), and one asked of the user."""
    loader = DataLoader()
    secrets: VaultSecrets = []
    if ask is not None:
        from ansible.parsing.vault import VaultSecret  # noqa: PLC0415 - only here

        secrets.append(("default", VaultSecret(ask)))
    if C.DEFAULT_VAULT_PASSWORD_FILE:
        secret = get_file_vault_secret(filename=C.DEFAULT_VAULT_PASSWORD_FILE, loader=loader)
        secret.load()
        secrets.append(("default", secret))
    return secrets


def load(sources: list[str], secrets: VaultSecrets | None = None) -> Loaded:
    """Everything that the inventory says, and every error on the way. Never raises for what the inventory holds.

    :param sources: paths of inventory files or folders
    :param secrets: vault secrets as Ansible holds them; null takes those of ansible.cfg
    """
    if AnsibleCollectionConfig.collection_finder is None:  # within ansible-playbook it is set up already
        init_plugin_loader()
    text = Sources(sources)
    loaded = Loaded(sources, text, HostVars("all", ["all"]))
    loader = TolerantLoader()
    secrets = vault_secrets() if secrets is None else secrets
    loader.set_vault_secrets(secrets)
    context = VaultSecretsContext.current(optional=True)
    if context is None:
        VaultSecretsContext.initialize(VaultSecretsContext(secrets))
    else:
        context.secrets = secrets
    files = [file for source in sources for file in _files(source)]
    with _quiet():
        inventory = InventoryManager(loader=loader, sources=files)
        variables = VariableManager(loader=loader, inventory=inventory)
        _resolve(loaded, loader, inventory, variables, files)
    broken = {mistake.place.file for mistake in text.mistakes if mistake.place}
    for file, problem in loader.failures.items():
        shown = relative(file)
        if shown not in broken:  # its YAML error was reported with its line
            loaded.mistakes.append(
                Mistake((), shown, problem, "a readable file that the vault password opens", Place(shown))
            )
    return loaded


def _resolve(loaded: Loaded, loader: DataLoader, inventory: Any, variables: Any, files: list[str]) -> None:
    groups = inventory.get_groups_dict()
    loaded.groups = {name: list(hosts) for name, hosts in groups.items() if name not in ("all", "ungrouped")}
    for name in inventory.groups:
        if name not in ("all", "ungrouped"):
            loaded.groups.setdefault(name, [])
    all_keys = _written(loader, files, inventory.groups["all"])
    context = variables.get_vars(host=inventory.get_host("localhost"), include_hostvars=False)
    loaded.secrets |= set(_secret_texts(context))
    _template(loaded, loader, loaded.site, {key: context[key] for key in all_keys if key in context}, context)
    for host in inventory.hosts.values():
        if host.name == "localhost":
            continue
        members = sorted(host.get_groups(), key=lambda group: (group.depth, group.priority), reverse=True)
        entry = HostVars(host.name, [group.name for group in members if group.name != "ungrouped"])
        keys = set(_written(loader, files, host))
        for group in members:
            if group.name != "all":
                keys |= set(_written(loader, files, group))
        keys |= set(all_keys)
        context = variables.get_vars(host=host, include_hostvars=False)
        loaded.secrets |= set(_secret_texts(context))
        _template(loaded, loader, entry, {key: context[key] for key in sorted(keys) if key in context}, context)
        loaded.hosts[host.name] = entry


def _written(loader: DataLoader, files: list[str], entity: Any) -> dict[str, Any]:
    """The variables that the inventory's files give to one host or group."""
    found = {**entity.vars, **get_vars_from_inventory_sources(loader, files, [entity], "task")}
    return {str(key): value for key, value in found.items() if key not in MAGIC}


def _template(
    loaded: Loaded, loader: DataLoader, entry: HostVars, raw: dict[str, Any], context: dict[str, Any]
) -> None:
    templar = Templar(loader=loader, variables=context)
    for key, value in raw.items():
        try:
            entry.values[key] = plain(templar.template(value))
            if is_secret_key(key) and isinstance(entry.values[key], str):
                loaded.secrets.add(entry.values[key])
        except AnsibleUndefinedVariable as error:
            entry.broken.add(key)
            if not key.startswith("local_"):  # only what uses it matters
                _undefined(loaded, entry, key, error, context)
        except AnsibleError as error:
            entry.broken.add(key)
            place = loaded.text.place(key, entry.name, entry.groups)
            problem = "a value that can be decrypted" if is_secret_key(key) else "a template that can be resolved"
            shown = "cannot be resolved" if is_secret_key(key) else _first_line(error)
            loaded.mistakes.append(Mistake((entry.name,), key, shown, problem, place))


def _undefined(loaded: Loaded, entry: HostVars, key: str, error: AnsibleError, context: dict[str, Any]) -> None:
    message = _first_line(error)
    name = message.split("'")[1] if message.count("'") >= 2 else message
    place = loaded.text.place(key, entry.name, entry.groups)
    near = did_you_mean(name, context)
    if name.startswith("vault_"):
        expected = f"the secret {name}, defined in a vaulted file of group_vars{near}"
        loaded.mistakes.append(Mistake((entry.name,), key, f"{MISSING}: {name} is not defined", expected, place))
    else:
        expected = f"a variable {name} that is defined{near}"
        loaded.mistakes.append(Mistake((entry.name,), key, f"{name} is not defined", expected, place))


def _secret_texts(context: Mapping[str, Any]) -> Iterator[str]:
    for key, value in context.items():
        if is_secret_key(str(key)) and isinstance(value, str) and "{{" not in value:
            yield str(value)


def _files(source: str) -> Iterator[str]:
    path = Path(source)
    if not path.is_dir():
        yield str(path.absolute())
        return
    for entry in sorted(path.iterdir()):
        usable = entry.is_file() and not entry.name.startswith((".", "known_hosts"))
        if usable and is_inventory_name(entry.name) and not entry.name.endswith(tuple(C.INVENTORY_IGNORE_EXTS)):
            yield str(entry.absolute())


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


@contextmanager
def _quiet() -> Iterator[None]:
    """Ansible warns about what we report properly; its warnings would only stand in front of the list."""
    display = Display()  # a singleton; an attribute of the instance hides the method for a while
    names = ("warning", "error_as_warning", "deprecated")
    try:
        for name in names:
            setattr(display, name, lambda *_args, **_kwargs: None)
        yield
    finally:
        for name in names:
            delattr(display, name)
