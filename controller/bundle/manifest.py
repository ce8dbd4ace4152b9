"""Manifests: a release's (``contract/bundles/<release>.yml``), a file of one's own, and the one in a bundle's folder.

The folder's ``manifest.json`` is the release's manifest with every size and hash filled in and with the RPM
repository's own files under ``repository``; it is written so that the same content gives the same bytes.
"""

from __future__ import annotations

import json
from pathlib import Path

import yaml
from npuforge.bundle.manifest import BundleError, path_of, wanted_of

from controller import contract
from controller.contract import Document
from controller.files import write_atomic

MANIFEST = "manifest.json"
SIGNATURE = "manifest.json.sig"
RELEASES = contract.DIRECTORY / "bundles"


class ManifestError(Exception):
    """There is no such manifest, or it cannot be used; the message tells every reason."""


def releases() -> list[str]:
    """Names of the releases that this toolkit knows."""
    return sorted(path.stem for path in RELEASES.glob("*.yml"))


def load_release(name: str) -> Document:
    """The manifest of a release by its name. :raises ManifestError: there is none, or it is wrong."""
    path = RELEASES / f"{name}.yml"
    if name not in releases():
        raise ManifestError(f"there is no release {name!r}; known: {', '.join(releases()) or 'none'}")
    document = load_file(path)
    if document["release"] != name:
        raise ManifestError(f"{path.name}: its release is {document['release']!r}, which must equal the file's name")
    return document


def load_file(path: Path) -> Document:
    """A manifest from a YAML or JSON file. :raises ManifestError: with every reason why it cannot be used."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error).replace("\n", " ")
        raise ManifestError(f"{path}: {reason}") from error
    return check(document, str(path))


def check(document: object, where: str) -> Document:
    """``document`` when it is a manifest. :raises ManifestError: with every reason why it is none."""
    found = contract.problems(document, "bundle")
    if not found and isinstance(document, dict):
        found = list(_contradictions(document))
        if not found:
            return document
    raise ManifestError(f"{where}: " + "; ".join(found))


def _contradictions(document: Document) -> list[str]:
    """What a schema cannot say: file names are unique, and so is each id for an architecture and chip."""
    found = []
    files: set[str] = set()
    slots: dict[tuple[str, str, str], str] = {}
    for artifact in document["artifacts"]:
        name = artifact["file"]
        try:
            wanted_of(artifact, hashed=False)  # stricter than the schema, whose $ lets a line break pass
        except BundleError as error:
            found.append(str(error))
        if name.lower() in files:
            found.append(f"{name} occurs twice")
        files.add(name.lower())
        if (artifact["kind"] == "rpm") != name.endswith(".rpm"):
            found.append(f"{name}: a file is of kind rpm exactly when its name ends in .rpm")
        if artifact["id"].startswith("rpm:"):
            continue  # a repository may hold several versions of a package
        for arch in artifact["arch"]:
            slot = (artifact["id"], arch, str(artifact.get("chip")))
            other = slots.setdefault(slot, name)
            if other != name:
                found.append(f"{name}: {other} is {artifact['id']} for {arch} already")
    return found


def encode(document: Document) -> bytes:
    """The bytes that are signed: keys sorted, so that they depend on the content alone."""
    return (json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def read_folder(folder: Path) -> tuple[Document, bytes]:
    """The manifest in a bundle's folder and its bytes as they are signed.

    :raises FileNotFoundError: the folder has none
    :raises ManifestError: it is broken
    """
    raw = (folder / MANIFEST).read_bytes()
    return decode(raw, str(folder / MANIFEST)), raw


def decode(raw: bytes, where: str) -> Document:
    """A manifest from the bytes of a ``manifest.json``. :raises ManifestError: with every reason why it is none"""
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"{where}: not JSON: {error}") from error
    return check(document, where)


def write_folder(folder: Path, document: Document) -> bool:
    """Put the manifest into the folder; says whether that changed anything. A signature of other bytes is removed."""
    data = encode(document)
    path = folder / MANIFEST
    if path.is_file() and path.read_bytes() == data:
        return False
    (folder / SIGNATURE).unlink(missing_ok=True)
    write_atomic(path, data)
    path.chmod(0o644)
    return True


def entries(document: Document) -> dict[str, Document]:
    """Every file of a bundle by its path in the folder, the RPM repository's too; each has size_bytes and sha256."""
    found = {path_of(artifact): artifact for artifact in document["artifacts"]}
    for item in document.get("repository") or []:
        found[item["file"]] = item
    return found


def belongs(folder_manifest: Document, release: Document) -> list[str]:
    """How a folder's manifest differs from the release it is to be; a hash that the release leaves open may be any."""
    found = []
    if folder_manifest["release"] != release["release"]:
        found.append(f"it is release {folder_manifest['release']}, not {release['release']}")
    there = {artifact["file"]: artifact for artifact in folder_manifest["artifacts"]}
    for artifact in release["artifacts"]:
        other = there.pop(artifact["file"], None)
        if other is None:
            found.append(f"{artifact['file']} is not in the folder's manifest")
            continue
        for key, value in artifact.items():
            if other.get(key) != value and not (key in ("size_bytes", "sha256") and value is None):
                found.append(f"{artifact['file']}: {key} is {other.get(key)!r}, in the release {value!r}")
    found += [f"{name} is not in the release" for name in there]
    return found
