"""The world: the truth about the simulated site's hardware, as small JSON files under one lock.

Every simulator (Redfish, IPMI, switch CLI, nodes) reads and writes this truth and nothing else, so that a cause
planted in one place has its effect in every view that a real device would show it in.

Layout of the directory: ``site.json`` (what the site is made of) and ``<kind>/<name>.json`` with kind ``nodes`` or
``switches``. Files are replaced atomically; writers hold an exclusive lock on ``lock``; readers need none.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Document = dict[str, Any]


class WorldError(Exception):
    """The world cannot answer: it does not exist, or has no such device."""


def write_atomic(path: Path, text: str, mode: int = 0o600) -> None:
    """Replace ``path`` by ``text``; a reader sees the old or the new content, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise


class World:
    """One simulated site. ``kind`` below is ``nodes`` or ``switches``."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    @property
    def exists(self) -> bool:
        return (self.root / "site.json").is_file()

    def site(self) -> Document:
        """The site document: ``{"name", "nodes": [names], "switches": [names], ...}``."""
        return self._read(self.root / "site.json")

    def names(self, kind: str = "nodes") -> list[str]:
        return sorted(path.stem for path in (self.root / kind).glob("*.json"))

    def read(self, name: str, kind: str = "nodes") -> Document:
        """A private copy of one device's truth."""
        return self._read(self._path(name, kind))

    def revision(self, name: str, kind: str = "nodes") -> int:
        """A number that changes whenever the device's truth changes (cheap: one stat)."""
        try:
            return self._path(name, kind).stat().st_mtime_ns
        except FileNotFoundError as error:
            raise WorldError(f"no {kind[:-1]} {name!r} in {self.root}") from error

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Exclusive over all writers, in this and other processes. Not re-entrant."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "lock").open("a") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield

    @contextlib.contextmanager
    def update(self, name: str, kind: str = "nodes") -> Iterator[Document]:
        """Change one device: ``with world.update("node1") as node: ...``. An exception writes nothing."""
        with self.lock():
            document = self.read(name, kind)
            before = json.dumps(document, sort_keys=True)
            yield document
            if json.dumps(document, sort_keys=True) != before:
                self._write(self._path(name, kind), document)

    def create(self, site: Document, nodes: list[Document], switches: list[Document]) -> None:
        """Write a whole new world; an existing one is replaced, with what was planted in it."""
        with self.lock():
            for kind, devices in (("nodes", nodes), ("switches", switches)):
                wanted = {device["name"] for device in devices}
                for stale in set(self.names(kind)) - wanted:
                    self._path(stale, kind).unlink()
                for device in devices:
                    self._write(self._path(device["name"], kind), device)
            self._write(self.root / "site.json", site)

    def _path(self, name: str, kind: str) -> Path:
        if kind not in ("nodes", "switches"):
            raise WorldError(f"unknown kind {kind!r}")
        return self.root / kind / f"{name}.json"

    def _read(self, path: Path) -> Document:
        try:
            document: Document = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise WorldError(f"{path} does not exist: is the twin up?") from error
        return document

    def _write(self, path: Path, document: Document) -> None:
        write_atomic(path, json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
