"""The RPM repository of a bundle: createrepo_c over ``<folder>/rpm``, its metadata hashed into the manifest."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

from npuforge.bundle.manifest import PACKAGES
from npuforge.bundle.transfer import hash_file

from controller.contract import Document

PROGRAMS = ("createrepo_c", "createrepo")
MISSING = "RPMs need createrepo_c to become a repository (package createrepo_c, on Debian createrepo-c)"
TIMEOUT_SECONDS = 1800


class RepositoryError(Exception):
    """The repository could not be made; the message is one sentence."""


def program() -> str | None:
    """The program that makes repositories, as its path; null where there is none."""
    return next((path for path in map(shutil.which, PROGRAMS) if path), None)


def describe(folder: Path) -> list[Document]:
    """The metadata's files as the manifest lists them: ``[{file, size_bytes, sha256}]``, sorted."""
    found: list[Document] = []
    for path in sorted((folder / PACKAGES / "repodata").glob("*")):
        if path.is_file():
            size, digest = hash_file(path)
            found.append({"file": path.relative_to(folder).as_posix(), "size_bytes": size, "sha256": digest})
    return found


def make(folder: Path, packages: list[Document], before: list[Document] | None) -> tuple[list[Document], bool]:
    """Metadata for ``packages`` (artifacts with hashes); says what it is and whether it had to be made.

    :param before: what the last build recorded for these very packages; metadata that still is that stays
    :raises RepositoryError: there is no createrepo_c, or it failed
    """
    if not packages:
        shutil.rmtree(folder / PACKAGES, ignore_errors=True)
        return [], False
    if before and describe(folder) == before:
        return before, False
    tool = program()
    if tool is None:
        raise RepositoryError(MISSING)
    # Only these packages: what else lies in the folder is no part of the bundle.
    listing = folder / PACKAGES / ".packages"
    listing.write_text("".join(f"{package['file']}\n" for package in packages), encoding="utf-8")
    work = folder / PACKAGES / ".new"
    shutil.rmtree(work, ignore_errors=True)  # of a build that was killed
    work.mkdir()
    revision = hashlib.sha256(repr([(p["file"], p["sha256"]) for p in packages]).encode()).hexdigest()[:16]
    argv = [tool, "--quiet", "--revision", revision, "--pkglist", str(listing), "--outputdir", str(work)]
    try:
        done = subprocess.run(
            [*argv, str(folder / PACKAGES)], capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RepositoryError(f"{tool} could not be run: {error}") from error
    if done.returncode != 0 or not (work / "repodata" / "repomd.xml").is_file():
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise RepositoryError(f"{tool} failed ({done.returncode}): {last}")
    shutil.rmtree(folder / PACKAGES / "repodata", ignore_errors=True)
    (work / "repodata").rename(folder / PACKAGES / "repodata")
    shutil.rmtree(work)
    listing.unlink()
    return describe(folder), True
