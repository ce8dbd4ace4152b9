"""Which site a command is about: found from the inventory, or named."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import ROOT, CommandError, Exit

DEFAULT_INVENTORY = ROOT / "inventory" / "twin"


@dataclass(frozen=True)
class Site:
    """``values`` is what group ``all`` says; ``directory`` is what its relative paths count from."""

    name: str
    directory: Path
    values: Mapping[str, Any]

    def file(self, key: str) -> Path:
        """A file that the inventory names under ``key``. :raises CommandError: it names none."""
        given = self.values.get(key)
        if not isinstance(given, str) or not given:
            raise CommandError(Exit.INVALID, f"the inventory names no {key}")
        return self.directory / given

    def language(self, wanted: str | None) -> str:
        return wanted or ("en" if self.values.get("site_report_language") == "en" else "zh")


def settle_ansible() -> None:
    """Ansible reads its configuration when it is imported: it shall be the project's, wherever we were called from."""
    os.environ.setdefault("ANSIBLE_CONFIG", str(ROOT / "ansible.cfg"))


def inventories(options: Namespace) -> list[Path]:
    """The inventories of ``-i`` (default: the twin), as absolute paths that exist."""
    found = []
    for given in options.inventory or [str(DEFAULT_INVENTORY)]:
        path = Path(given).absolute()
        if not path.exists():
            known = sorted(entry.name for entry in (ROOT / "inventory").iterdir() if entry.is_dir())
            raise CommandError(
                Exit.INVALID, f"there is no inventory {given}; in {ROOT / 'inventory'}: {', '.join(known)}"
            )
        found.append(path)
    return found


def hosts_files(paths: list[Path]) -> list[Path]:
    """Folders stand for their ``hosts.yml``: what else lies there (survey, cabling) is no list of hosts."""
    return [path / "hosts.yml" if (path / "hosts.yml").is_file() else path for path in paths]


def read_site(options: Namespace) -> Site:
    """The site of the inventory. :raises CommandError: the inventory gives no name."""
    settle_ansible()
    from controller.validate import load  # noqa: PLC0415 - Ansible's configuration had to be settled first

    paths = inventories(options)
    loaded = load.load([str(path) for path in paths])
    name = loaded.site.values.get("site_name")
    if not isinstance(name, str) or not name or "/" in name or name.startswith("."):
        raise CommandError(Exit.INVALID, f"{paths[0]} gives no usable site_name; npuforge validate tells more")
    return Site(name, loaded.directory or paths[0].parent, loaded.site.values)


def site_name(options: Namespace) -> str:
    """``--site``, else the inventory's."""
    if options.site:
        if "/" in options.site or options.site.startswith("."):
            raise CommandError(Exit.INVALID, f"{options.site!r} is not the name of a site")
        return str(options.site)
    return read_site(options).name
