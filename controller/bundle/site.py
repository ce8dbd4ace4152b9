"""What an inventory says about the bundle (``site_software``), and the manifest with every hash that nodes are given.

A release of the contract leaves hashes open that the vendor tells to customers only. They were recorded and signed
when the bundle was built; the controller fetches that manifest from the file server and believes it only under the
public key that the inventory names. So every target gets a hash that the integrator signed.
"""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from npuforge.bundle.transfer import Opener, direct_opener

from controller.contract import Document

from . import keys, manifest

LARGEST_MANIFEST = 8 << 20  # bytes
TIMEOUT_SECONDS = 20.0


def manifest_of(software: Mapping[str, Any], directory: Path) -> Document:
    """The manifest that ``site_software`` names: ``release``, or a file of its own, ``manifest``; nothing is fetched.

    :param directory: the inventory's folder, from which a relative path counts
    :raises controller.bundle.manifest.ManifestError: it names none, or one that cannot be used
    """
    own, release = software.get("manifest"), software.get("release")
    if isinstance(own, str) and own:
        return manifest.load_file(directory / Path(own).expanduser())
    if isinstance(release, str) and release:
        return manifest.load_release(release)
    raise manifest.ManifestError("site_software names neither a release nor a manifest")


def recorded(software: Mapping[str, Any], directory: Path, opener: Opener | None = None) -> Document:
    """The manifest with every hash: as named, or where hashes are open, the signed one of the file server.

    :raises controller.bundle.manifest.ManifestError: hashes are open and the server's manifest cannot be believed
    """
    document = manifest_of(software, directory)
    if all(artifact["sha256"] for artifact in document["artifacts"]):
        return document
    url, key = software.get("url"), software.get("key")
    if not isinstance(key, str) or not key:
        problem = "hashes are open, so site_software must name the public key (key) of the bundle's signed manifest"
        raise manifest.ManifestError(f"release {document['release']}: {problem}")
    try:
        public = keys.load_public(directory / Path(key).expanduser())
    except keys.KeyProblem as error:
        raise manifest.ManifestError(str(error)) from error
    raw = _get(f"{url}/{manifest.MANIFEST}", opener)
    unproven = keys.problem(raw, _get(f"{url}/{manifest.SIGNATURE}", opener), public)
    if unproven:
        raise manifest.ManifestError(f"{url}/{manifest.MANIFEST}: {unproven[1]}")
    served = manifest.decode(raw, f"{url}/{manifest.MANIFEST}")
    differs = manifest.belongs(served, document)
    if differs:
        raise manifest.ManifestError(f"{url} does not serve release {document['release']}: " + "; ".join(differs))
    return served


def _get(address: str, opener: Opener | None) -> bytes:
    if not address.startswith(("http://", "https://")):
        raise manifest.ManifestError(f"{address!r} is no address of a file server")
    request = urllib.request.Request(address)  # noqa: S310 - its scheme was just looked at
    try:
        with (opener or direct_opener())(request, timeout=TIMEOUT_SECONDS) as answer:
            data: bytes = answer.read(LARGEST_MANIFEST + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise manifest.ManifestError(f"{address} cannot be had: {reason}") from error
    if len(data) > LARGEST_MANIFEST:
        raise manifest.ManifestError(f"{address} is larger than {LARGEST_MANIFEST} bytes")
    return data
