"""The signature of a manifest: Ed25519 over its bytes, checked by a key that came another way than the bundle.

``manifest.json.sig`` is JSON, ``{schema, algorithm, key, signature}``; ``key`` is the fingerprint of the public key, so
that a signature by another key is told apart from a manifest that was changed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from controller.files import write_atomic

SCHEMA = "npuforge.signature/1"
PRIVATE, PUBLIC = "bundle.key", "bundle.pub"


class KeyProblem(Exception):
    """A key file that cannot be used; the message says which and why."""


def make(folder: Path) -> tuple[Path, Path, str]:
    """A new pair in ``folder``: ``bundle.key`` (0600), ``bundle.pub``; returns both and the fingerprint.

    :raises KeyProblem: there is one already; it is never overwritten
    """
    private, public = folder / PRIVATE, folder / PUBLIC
    for path in (private, public):
        if path.exists():
            raise KeyProblem(f"{path} exists; a key is never overwritten")
    key = Ed25519PrivateKey.generate()
    encoding = serialization.Encoding.PEM
    secret = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_atomic(private, secret)
    write_atomic(public, key.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo))
    public.chmod(0o644)
    return private, public, fingerprint(key.public_key())


def fingerprint(key: Ed25519PublicKey) -> str:
    """First 32 hex digits of the SHA-256 of the raw public key: what one reads to the other over the telephone."""
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:32]


def load_private(path: Path) -> Ed25519PrivateKey:
    """:raises KeyProblem: it is missing, open to others, or no Ed25519 private key"""
    data = _read(path)
    mode = path.stat().st_mode & 0o777
    if mode & 0o077 and path.stat().st_uid == os.getuid():
        raise KeyProblem(f"{path} can be read by others (mode {mode:04o}); make it 0600")
    try:
        key = serialization.load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyProblem(f"{path} is no private key in PEM form without a passphrase") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyProblem(f"{path} is no Ed25519 key")
    return key


def load_public(path: Path) -> Ed25519PublicKey:
    """:raises KeyProblem: it is missing, or no Ed25519 public key"""
    data = _read(path)
    if b"PRIVATE KEY" in data:
        raise KeyProblem(f"{path} is a private key, which stays at home; the public one ({PUBLIC}) is asked for")
    try:
        key = serialization.load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyProblem(f"{path} is no public key in PEM form") from error
    if not isinstance(key, Ed25519PublicKey):
        raise KeyProblem(f"{path} is no Ed25519 key")
    return key


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise KeyProblem(f"{path}: {(error.strerror or str(error)).lower()}") from error


def sign(data: bytes, key: Ed25519PrivateKey) -> bytes:
    """The content of the signature file for ``data``. The same data and key give the same bytes."""
    document = {
        "schema": SCHEMA,
        "algorithm": "ed25519",
        "key": fingerprint(key.public_key()),
        "signature": base64.b64encode(key.sign(data)).decode(),
    }
    return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()


def problem(data: bytes, signature: bytes | None, key: Ed25519PublicKey) -> tuple[str, str] | None:
    """Why the signature does not prove ``data``: (unsigned | signature | other_key, a sentence); null when it does.

    :param signature: the content of the signature file; null where there is none
    """
    if signature is None:
        return "unsigned", "it is not signed"
    try:
        document = json.loads(signature)
        raw = base64.b64decode(document["signature"], validate=True)
        signer = document["key"]
    except (ValueError, KeyError, TypeError, binascii.Error):
        return "signature", "its signature file is broken"
    try:
        key.verify(raw, data)
    except InvalidSignature:
        if signer != fingerprint(key):
            return "other_key", f"it is signed by another key ({str(signer)[:32]}), not by {fingerprint(key)}"
        return "signature", "it was changed after it was signed"
    return None
