"""The lab's certificate authority and the certificates of its BMCs, good ones and bad ones on purpose.

``<state>/pki/ca.pem`` is what a client trusts; ``<state>/pki/bmc/<node>.{pem,key}`` is the BMC's own certificate. The
misbehaviours of ``node["bmc"]["certificate"]`` have certificates of their own, ``<node>.<variant>.{pem,key}``:
``expired``, ``wrong_name`` (another host's names) and ``unknown_ca`` (signed by a CA that is not in ``ca.pem``).
Files that still fit are reused, so that a pinned fingerprint survives a restart; one is renewed when it is nearly
expired, when the CA changed or when the BMC moved to another address.
"""

from __future__ import annotations

import fcntl
import ipaddress
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lab.world import write_atomic

ORGANISATION = "npuforge twin (simulated)"
VARIANTS = ("valid", "expired", "wrong_name", "unknown_ca")
RENEW_BEFORE = timedelta(days=30)
LEAF_LIFE = timedelta(days=365)
CA_LIFE = timedelta(days=3650)
# Reserved for documentation (RFC 5737, RFC 6761): a name and an address that no BMC of a twin can have.
OTHER_HOST, OTHER_ADDRESS = "another-bmc.invalid", "192.0.2.1"


def ensure(state_dir: Path, nodes: Iterable[Mapping[str, Any]]) -> Path:
    """Make the CA and every node's valid certificate, where missing or nearly expired; the path of ``ca.pem``."""
    for node in nodes:
        bmc = node["bmc"]
        certificate(state_dir, node["name"], bmc["address"], bmc["hostname"])
    return authority(state_dir)


def authority(state_dir: Path) -> Path:
    """The path of the CA's certificate, which is made if need be."""
    with _lock(state_dir):
        _authority(state_dir, "ca", f"{ORGANISATION} CA")
    return state_dir / "pki" / "ca.pem"


def certificate(state_dir: Path, name: str, address: str, hostname: str, variant: str = "valid") -> tuple[Path, Path]:
    """``(certificate, key)`` of a BMC in one of ``VARIANTS``, made or renewed if need be. ValueError: no variant."""
    if variant not in VARIANTS:
        raise ValueError(f"no certificate variant {variant!r}; there are {', '.join(VARIANTS)}")
    with _lock(state_dir):
        if variant == "unknown_ca":
            signer = _authority(state_dir, "unknown-ca", "a CA that nobody trusts (simulated)")
        else:
            signer = _authority(state_dir, "ca", f"{ORGANISATION} CA")
        stem = name if variant == "valid" else f"{name}.{variant}"
        folder = state_dir / "pki" / "bmc"
        paths = folder / f"{stem}.pem", folder / f"{stem}.key"
        names = (OTHER_HOST, OTHER_ADDRESS) if variant == "wrong_name" else (hostname, address)
        if not _fits(paths, signer[0], names, variant):
            _issue(paths, signer, names, variant)
    return paths


class _lock:
    """One maker of certificates at a time, over all processes: two would sign with different CAs."""

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / "pki" / ".lock"

    def __enter__(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.stream = self.path.open("a")
        fcntl.flock(self.stream, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        self.stream.close()


Signer = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def _authority(state_dir: Path, stem: str, common_name: str) -> Signer:
    paths = state_dir / "pki" / f"{stem}.pem", state_dir / "pki" / f"{stem}.key"
    found = _load(paths)
    if found and _good_for(found[0]) > RENEW_BEFORE + LEAF_LIFE:
        return found
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(common_name)
    now = datetime.now(UTC)
    usage = _key_usage(sign_certificates=True)
    cert = (
        _builder(name, name, key, now - timedelta(hours=1), now + CA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _save(paths, cert, key)
    return cert, key


def _issue(paths: tuple[Path, Path], signer: Signer, names: tuple[str, str], variant: str) -> None:
    hostname, address = names
    now = datetime.now(UTC)
    start, end = now - timedelta(hours=1), now + LEAF_LIFE
    if variant == "expired":
        start, end = now - timedelta(days=400), now - timedelta(days=30)
    key = ec.generate_private_key(ec.SECP256R1())
    cert = (
        _builder(_name(hostname), signer[0].subject, key, start, end)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(hostname), x509.IPAddress(ipaddress.ip_address(address))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(sign_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer[1].public_key()),
            critical=False,
        )
        .sign(signer[1], hashes.SHA256())
    )
    _save(paths, cert, key)


def _fits(paths: tuple[Path, Path], issuer: x509.Certificate, names: tuple[str, str], variant: str) -> bool:
    found = _load(paths)
    if not found:
        return False
    cert = found[0]
    try:
        cert.verify_directly_issued_by(issuer)
        alternatives = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (InvalidSignature, ValueError, TypeError, x509.ExtensionNotFound):
        return False
    known = {*alternatives.get_values_for_type(x509.DNSName)}
    known |= {str(ip) for ip in alternatives.get_values_for_type(x509.IPAddress)}
    if known != set(names):
        return False
    return variant == "expired" or _good_for(cert) > RENEW_BEFORE


def _good_for(cert: x509.Certificate) -> timedelta:
    return cert.not_valid_after_utc - datetime.now(UTC)


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _key_usage(sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, start: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _load(paths: tuple[Path, Path]) -> Signer | None:
    """The certificate and its key; None when a file is missing, damaged, or they do not belong together."""
    try:
        cert = x509.load_pem_x509_certificate(paths[0].read_bytes())
        key = serialization.load_pem_private_key(paths[1].read_bytes(), password=None)
    except (OSError, ValueError):
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != cert.public_key():
        return None
    return cert, key


def _save(paths: tuple[Path, Path], cert: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_atomic(paths[1], private.decode(), 0o600)
    write_atomic(paths[0], cert.public_bytes(serialization.Encoding.PEM).decode(), 0o644)
