"""Artifacts of a bundle's manifest (``contract/schema/bundle.schema.json``) as a target sees them.

What comes over the wire is judged before it is used: a file name that is a path, a hash that is none, a negative size.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from ..common import Document

FILES = "files"  # of a bundle's folder and of the server: everything but RPMs
PACKAGES = "rpm"  # RPMs, beside their repodata
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~^-]{0,199}")
HASH = re.compile(r"[0-9a-f]{64}")
ALIASES = {"arm64": "aarch64", "amd64": "x86_64", "x86-64": "x86_64"}  # the vendor's files say x86-64


class BundleError(Exception):
    """A file of the bundle that cannot be had as it should be.

    :ivar file: its name in the manifest
    :ivar expected: what it should be, or ``None`` where that is not the question (a server that does not answer)
    :ivar seen: what came instead, or ``None``
    :ivar unreachable: it could not be had at all, as opposed to: what came is wrong
    """

    def __init__(
        self, file: str, problem: str, expected: str | None = None, seen: str | None = None, unreachable: bool = False
    ) -> None:
        text = f"{file}: {problem}"
        if expected is not None or seen is not None:
            text += f" (expected {expected or 'nothing'}, seen {seen or 'nothing'})"
        super().__init__(text)
        self.file = file
        self.problem = problem
        self.expected = expected
        self.seen = seen
        self.unreachable = unreachable


class Wanted(NamedTuple):
    """A file as it must be. ``size_bytes`` or ``sha256`` may be ``None`` where nobody has told it yet."""

    file: str
    size_bytes: int | None
    sha256: str | None


def wanted_of(artifact: Any, hashed: bool = True) -> Wanted:
    """What the manifest says about one file.

    :param hashed: whether an artifact without a hash is refused, as on every target
    :raises BundleError: the entry is not usable; the message says why
    """
    entry: Document = artifact if isinstance(artifact, dict) else {}
    file, size, digest = entry.get("file"), entry.get("size_bytes"), entry.get("sha256")
    if not isinstance(file, str) or not NAME.fullmatch(file):
        raise BundleError(repr(file)[:80], "not the name of a file")
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 0):
        raise BundleError(file, "size_bytes is not a number of bytes", "a whole number", repr(size)[:40])
    if digest is not None and (not isinstance(digest, str) or not HASH.fullmatch(digest)):
        raise BundleError(file, "sha256 is not a SHA-256", "64 hex digits", repr(digest)[:80])
    if digest is None and hashed:
        raise BundleError(file, "the manifest has no hash for it, so nobody can tell whether it is the right file")
    return Wanted(file, size, digest)


def path_of(artifact: Document) -> str:
    """Where the file lies in the bundle's folder and under the server's address: ``files/x.run`` or ``rpm/x.rpm``."""
    return f"{PACKAGES if artifact.get('kind') == 'rpm' else FILES}/{wanted_of(artifact, hashed=False).file}"


def select(artifacts: list[Document], architecture: str, chip: str | None = None) -> list[Document]:
    """Those artifacts that are for a node, in the manifest's order.

    :param architecture: as ``uname -m`` says it
    :param chip: ``910b`` or ``a3``; ``None`` leaves chips out of consideration
    """
    machine = ALIASES.get(architecture.lower(), architecture.lower())
    found = []
    for artifact in artifacts:
        arches = artifact.get("arch") or []
        if machine not in arches and "noarch" not in arches:
            continue
        if chip is not None and artifact.get("chip") not in (None, chip):
            continue
        found.append(artifact)
    return found
