"""The node's software (``site_software``): a release that exists, versions that go together, an address, a key."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from controller.bundle import keys, manifest, rules
from controller.bundle.site import manifest_of
from controller.contract import Document

from .formats import check_address
from .load import Loaded
from .model import MISSING, Mistake, did_you_mean, relative, show

KEY = "site_software"


def check(loaded: Loaded) -> Iterator[Mistake]:
    """What is wrong about ``site_software``; nothing where the site gives none. Types are judged by the schema."""
    software = loaded.site.values.get(KEY)
    if not isinstance(software, dict):
        return
    yield from _url(loaded, software.get("url"))
    own, release = software.get("manifest"), software.get("release")
    if own and release:
        yield _mistake(loaded, f"{KEY}.manifest", own, "a release or a manifest of its own, not both")
        return
    if "manifest" not in software and "release" not in software:
        expected = f"a release ({', '.join(manifest.releases())}), or a manifest of its own"
        yield _mistake(loaded, f"{KEY}.release", None, expected)
        return
    document = None
    if not isinstance(own if "manifest" in software else release, str):
        pass  # the schema says it
    elif isinstance(release, str) and release not in manifest.releases():
        known = manifest.releases()
        expected = f"one of {', '.join(known)}{did_you_mean(release, known)}"
        yield _mistake(loaded, f"{KEY}.release", release, expected)
    else:
        document = yield from _document(loaded, software)
    yield from _key(loaded, software, document)
    if document is not None:
        where = f"{KEY}.release" if release else f"{KEY}.manifest"
        for problem in rules.problems(document, _kubernetes(loaded)):
            expected = f"versions that go together: {problem['problem']} [{problem['source']}]"
            yield _mistake(loaded, where, problem["where"], expected)


def notes(loaded: Loaded) -> Iterator[Mistake]:
    """Combinations of which no rule knows whether they go together."""
    software = loaded.site.values.get(KEY)
    if not isinstance(software, dict):
        return
    try:
        document = manifest_of(software, loaded.directory or Path())
    except manifest.ManifestError:
        return
    where = f"{KEY}.manifest" if software.get("manifest") else f"{KEY}.release"
    for note in rules.notes(document, _kubernetes(loaded)):
        yield _mistake(loaded, where, note["where"], f"a rule in contract/compatibility.yml: {note['problem']}")


def _document(loaded: Loaded, software: Document) -> Generator[Mistake, None, Document | None]:
    """The manifest (as the generator's value), or why it cannot be read."""
    try:
        return manifest_of(software, loaded.directory or Path())
    except manifest.ManifestError as error:
        where = "manifest" if software.get("manifest") else "release"
        yield _mistake(loaded, f"{KEY}.{where}", software.get(where), f"a manifest that can be used: {error}")
        return None


def _url(loaded: Loaded, url: Any) -> Iterator[Mistake]:
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        return  # the schema says it
    expected = "http://<address>:<port>"
    try:
        parts = urlsplit(url)
        if parts.username is not None or parts.query or parts.fragment:
            raise ValueError("without user, query or fragment")
        if parts.port == 0:
            raise ValueError("with a port from 1 to 65535")
        check_address(parts.hostname or "")
    except ValueError as error:
        yield _mistake(loaded, f"{KEY}.url", url, f"an address as {expected}: {error}")


def _key(loaded: Loaded, software: Document, document: Document | None) -> Iterator[Mistake]:
    key = software.get("key")
    if key is None:
        if document is not None and any(artifact["sha256"] is None for artifact in document["artifacts"]):
            expected = "the public key (bundle.pub): the release leaves hashes open, only a signed manifest tells them"
            yield _mistake(loaded, f"{KEY}.key", None, expected)
    elif isinstance(key, str):
        try:
            keys.load_public((loaded.directory or Path()) / Path(key).expanduser())
        except keys.KeyProblem as error:
            yield _mistake(loaded, f"{KEY}.key", relative(key), f"a public key that can be used: {error}")


def _kubernetes(loaded: Loaded) -> str | None:
    """The version of Kubernetes that the site says it runs, where it says one."""
    given = loaded.site.values.get("site_kubernetes")
    version = given.get("version") if isinstance(given, dict) else None
    return version if isinstance(version, str) else None


def _mistake(loaded: Loaded, key: str, value: Any, expected: str) -> Mistake:
    shown = MISSING if value is None else show(value, key, loaded.secrets)
    return Mistake(("all",), key, shown, expected, loaded.text.place(KEY, None, ["all"]))
