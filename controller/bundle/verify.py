"""Looks at every byte of a bundle's folder: signature, each file's size and hash, and what should not be there."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from npuforge.bundle.manifest import FILES, PACKAGES
from npuforge.bundle.transfer import hash_file

from controller.contract import Document

from . import keys, manifest

Stamp = tuple[int, int, int, int]


@dataclass(frozen=True)
class Wrong:
    """``why``: size, hash, missing, extra, unreadable, no_hash, unsigned, other_key, signature or release."""

    file: str
    why: str
    text: str


@dataclass
class Verified:
    """``stamps``: of each right file, so that a later change is seen without reading it again."""

    document: Document
    wrong: list[Wrong] = field(default_factory=list)
    stamps: dict[str, Stamp] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return not self.wrong


def stamp(path: Path) -> Stamp:
    """What changes whenever a file's content does: device, inode, size, time of change (which cannot be set back)."""
    return stamp_of(path.stat())


def stamp_of(status: os.stat_result) -> Stamp:
    """As stamp(), of a status that is at hand already."""
    return (status.st_dev, status.st_ino, status.st_size, status.st_ctime_ns)


def verify(
    folder: Path,
    key: Ed25519PublicKey,
    release: Document | None = None,
    jobs: int = 4,
    seen: Callable[[str, int], None] | None = None,
) -> Verified:
    """Judge the whole folder.

    :param key: the public key that must have signed it
    :param release: the manifest that it is to be; null takes the folder's own word (which is signed)
    :param seen: is told each file's path and bytes when it was read
    :raises FileNotFoundError: there is no bundle in the folder
    :raises controller.bundle.manifest.ManifestError: its manifest is broken
    """
    document, raw = manifest.read_folder(folder)
    result = Verified(document)
    path = folder / manifest.SIGNATURE
    problem = keys.problem(raw, path.read_bytes() if path.is_file() else None, key)
    if problem:
        result.wrong.append(Wrong(manifest.MANIFEST, *problem))
    if release is not None:
        result.wrong += [Wrong(manifest.MANIFEST, "release", text) for text in manifest.belongs(document, release)]
    wanted = manifest.entries(document)

    def look(item: tuple[str, Document]) -> tuple[str, Wrong | None, Stamp | None]:
        name, entry = item
        wrong, mark = check_file(folder, name, entry)
        if seen is not None:
            seen(name, mark[2] if mark else 0)
        return name, wrong, mark

    with ThreadPoolExecutor(max_workers=max(1, jobs)) as pool:
        for name, wrong, mark in pool.map(look, wanted.items()):
            if wrong is not None:
                result.wrong.append(wrong)
            elif mark is not None:
                result.stamps[name] = mark
    result.wrong += [Wrong(name, "extra", "not in the manifest") for name in unknown(folder, wanted)]
    return result


def check_file(folder: Path, name: str, entry: Document) -> tuple[Wrong | None, Stamp | None]:
    """What is wrong with one file, and how it looked when it was read."""
    path = folder / name
    size, digest = entry.get("size_bytes"), entry.get("sha256")
    try:
        if path.is_symlink() or not path.is_file():
            return Wrong(name, "missing", "it is a link" if path.is_symlink() else "it is not there"), None
        if digest is None:
            return Wrong(name, "no_hash", "the manifest has no hash for it: build with --record"), None
        before = stamp(path)
        if size is not None and before[2] != size:
            return Wrong(name, "size", f"{before[2]} bytes instead of {size}"), before
        _, seen = hash_file(path)
        after = stamp(path)
    except OSError as error:
        return Wrong(name, "unreadable", (error.strerror or str(error)).lower()), None
    if before != after:
        return Wrong(name, "hash", "it changed while it was read"), after
    if seen != digest:
        return Wrong(name, "hash", f"SHA-256 {seen} instead of {digest}"), after
    return None, after


def unknown(folder: Path, wanted: dict[str, Document]) -> list[str]:
    """Files that the manifest does not name; not the hidden remains of an interrupted build, which nobody serves."""
    found = []
    for part in (FILES, PACKAGES):
        for path in sorted((folder / part).rglob("*")):
            name = path.relative_to(folder).as_posix()
            if (path.is_symlink() or not path.is_dir()) and name not in wanted and not path.name.startswith("."):
                found.append(name)
    return found
