"""Collects a release into a folder: what is right stays, the rest is fetched; then repository, manifest, signature.

A build may be killed at any moment and is simply run again. The manifest is written last, so a folder with a manifest
was complete once; what happened to it since is verify's question.
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from npuforge.bundle.manifest import FILES, PACKAGES, BundleError, Wanted, path_of
from npuforge.bundle.transfer import Limits, Opener, Received, download

from controller.contract import Document
from controller.files import locked, write_atomic

from . import keys, manifest, origin, repository, verify
from .progress import Progress

LOCK = ".lock"


@dataclass
class Built:
    """``fetched``: files that had to be; ``failed``: why others are missing; ``changed``: the folder is another now.

    ``extra``: files that are no part of the release (verify refuses a folder with such).
    """

    document: Document
    fetched: list[str] = field(default_factory=list)
    failed: list[BundleError] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    signed: bool = False
    changed: bool = False


@dataclass(frozen=True)
class _Way:
    progress: Progress
    source: str | None
    jobs: int
    opener: Opener
    limits: Limits | None
    sleep: Callable[[float], None]


def build(
    release: Document,
    folder: Path,
    progress: Progress,
    *,
    source: str | None = None,
    record: bool = False,
    jobs: int = 4,
    key: Ed25519PrivateKey | None = None,
    opener: Opener | None = None,
    limits: Limits | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Built:
    """Make ``folder`` hold the release. Nothing is signed, and no manifest written, while a file is missing or wrong.

    :param source: a URL or a folder instead of the origins that the manifest names
    :param record: take sizes and hashes that the manifest leaves open from the files that come
    :param key: signs the manifest; null leaves it unsigned
    :raises controller.bundle.repository.RepositoryError: RPMs without createrepo_c
    """
    for part in (FILES, PACKAGES):
        (folder / part).mkdir(parents=True, exist_ok=True)
    with locked(folder / LOCK):
        document = copy.deepcopy(release)
        before = _known(folder, release)
        built = Built(document)
        wanted = [_wanted(artifact, before, record) for artifact in document["artifacts"]]
        built.failed = [item for item in wanted if isinstance(item, BundleError)]
        if built.failed:  # what nobody could ever verify is not worth downloading the rest
            return built
        if any(artifact["kind"] == "rpm" for artifact in document["artifacts"]) and repository.program() is None:
            raise repository.RepositoryError(repository.MISSING)
        ready = [item for item in wanted if isinstance(item, Wanted)]
        way = _Way(progress, source, jobs, opener or origin.opener(), limits, sleep)
        received = _collect(document, ready, folder, way)
        for artifact, got in zip(document["artifacts"], received, strict=True):
            if isinstance(got, BundleError):
                built.failed.append(got)
                continue
            artifact["size_bytes"], artifact["sha256"] = got.size_bytes, got.sha256
            if got.fetched:
                built.fetched.append(artifact["file"])
        if built.failed:
            return built
        _complete(folder, built, before, key)
        return built


def _complete(folder: Path, built: Built, before: Document | None, key: Ed25519PrivateKey | None) -> None:
    packages = [artifact for artifact in built.document["artifacts"] if artifact["kind"] == "rpm"]
    same = before is not None and packages == [a for a in before["artifacts"] if a["kind"] == "rpm"]
    metadata, made = repository.make(folder, packages, before.get("repository") if before and same else None)
    if metadata:
        built.document["repository"] = metadata
    written = manifest.write_folder(folder, built.document)
    built.changed = bool(built.fetched) or made or written
    path = folder / manifest.SIGNATURE
    if key is not None:
        signature = keys.sign(manifest.encode(built.document), key)
        if not path.is_file() or path.read_bytes() != signature:
            write_atomic(path, signature)
            path.chmod(0o644)
            built.changed = True
    built.signed = path.is_file()
    built.extra = verify.unknown(folder, manifest.entries(built.document))


def _known(folder: Path, release: Document) -> Document | None:
    """The folder's manifest of an earlier build of the same release; null where there is none that can be used."""
    try:
        document, _ = manifest.read_folder(folder)
    except (FileNotFoundError, manifest.ManifestError):
        return None
    return document if document["release"] == release["release"] else None


def _wanted(artifact: Document, before: Document | None, record: bool) -> Wanted | BundleError:
    """What the file must be: as the release says, else as it was recorded before, else (``record``) whatever comes."""
    size, digest = artifact["size_bytes"], artifact["sha256"]
    for known in before["artifacts"] if before is not None else []:
        # Once recorded, a file may not become another one unseen.
        if digest is None and all(known.get(key) == artifact.get(key) for key in ("id", "file", "version")):
            size, digest = known["size_bytes"], known["sha256"]
    if digest is None and not record:
        problem = "no hash is known for it (the vendor tells customers only); --record takes it from the file you got"
        return BundleError(artifact["file"], problem)
    return Wanted(artifact["file"], size, digest)


def _collect(document: Document, wanted: list[Wanted], folder: Path, way: _Way) -> list[Received | BundleError]:
    """All files, ``jobs`` at a time; one that fails stops none of the others, Ctrl-C stops all and keeps what came."""
    stopped = threading.Event()

    def one(artifact: Document, item: Wanted) -> Received | BundleError:
        headers = {"Referer": artifact["referer"]} if artifact.get("referer") else {}
        where = (folder / path_of(artifact)).parent
        line = way.progress.file(item.file, item.size_bytes)

        def moved(done: int, total: int | None) -> None:
            if stopped.is_set():
                raise BundleError(item.file, "interrupted; what came is kept", unreachable=True)
            line.update(done, total)

        try:
            got = download(
                origin.address(artifact, way.source),
                item,
                where,
                line.say,
                opener=way.opener,
                limits=way.limits,
                progress=moved,
                sleep=way.sleep,
                headers=headers,
            )
        except BundleError as error:
            line.end(f"FAILED: {error}")
            return error
        line.end("fetched" if got.fetched else "is there", got.size_bytes)
        return got

    with ThreadPoolExecutor(max_workers=max(1, way.jobs), thread_name_prefix="bundle") as pool:
        futures: list[Future[Received | BundleError]] = [
            pool.submit(one, artifact, item) for artifact, item in zip(document["artifacts"], wanted, strict=True)
        ]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        except BaseException:
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        return [future.result() for future in futures]
