"""The lab's CA and its good and bad certificates, judged by OpenSSL's own verification."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest
from cryptography import x509

from lab import hardware, pki


def shake_hands(ca_file: Path, files: tuple[Path, Path], name: str) -> dict[str, object]:
    """A TLS handshake over a socket pair, the client trusting ``ca_file`` and wanting ``name``; the certificate."""
    server_side, client_side = socket.socketpair()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*files)

    def serve() -> None:
        try:
            server.wrap_socket(server_side, server_side=True).close()
        except (ssl.SSLError, OSError):
            server_side.close()

    thread = threading.Thread(target=serve)
    thread.start()
    client = ssl.create_default_context(cafile=str(ca_file))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    try:
        with client.wrap_socket(client_side, server_hostname=name) as channel:
            return dict(channel.getpeercert() or {})
    finally:
        client_side.close()
        thread.join(10)


@pytest.mark.parametrize("name", ["node1-bmc", "127.77.1.11"])
def test_a_valid_certificate_is_accepted_by_name_and_address(tmp_path: Path, name: str) -> None:
    node = hardware.build_node(hardware.Plan(), 1)
    ca_file = pki.ensure(tmp_path, [node])
    files = pki.certificate(tmp_path, "node1", node["bmc"]["address"], node["bmc"]["hostname"])
    issuer = dict(pair[0] for pair in shake_hands(ca_file, files, name)["issuer"])  # type: ignore[attr-defined]  # getpeercert's type is loose
    assert issuer["organizationName"] == "npuforge twin (simulated)"


@pytest.mark.parametrize(
    ("variant", "reason"),
    [
        ("expired", "certificate has expired"),
        ("wrong_name", "not valid for|mismatch"),
        ("unknown_ca", "unable to get local issuer"),
    ],
)
def test_a_bad_certificate_is_refused_for_its_own_reason(tmp_path: Path, variant: str, reason: str) -> None:
    files = pki.certificate(tmp_path, "node1", "127.77.1.11", "node1-bmc", variant)
    with pytest.raises(ssl.SSLCertVerificationError, match=reason):
        shake_hands(pki.authority(tmp_path), files, "127.77.1.11")


def test_files_are_reused_and_renewed_when_the_address_changes(tmp_path: Path) -> None:
    arguments = (tmp_path, "node1", "127.77.1.11", "node1-bmc")
    cert, key = pki.certificate(*arguments)
    first = cert.read_bytes()
    assert pki.certificate(*arguments)[0].read_bytes() == first
    assert key.stat().st_mode & 0o777 == 0o600
    pki.certificate(tmp_path, "node1", "127.77.1.99", "node1-bmc")
    assert cert.read_bytes() != first


@pytest.mark.parametrize("damage", [b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_damaged_file_is_replaced(tmp_path: Path, damage: bytes) -> None:
    cert, _ = pki.certificate(tmp_path, "node1", "127.77.1.11", "node1-bmc")
    cert.write_bytes(damage)
    pki.certificate(tmp_path, "node1", "127.77.1.11", "node1-bmc")
    assert x509.load_pem_x509_certificate(cert.read_bytes())


def test_a_certificate_that_ends_soon_is_renewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as short:
        short.setattr(pki, "LEAF_LIFE", pki.RENEW_BEFORE / 2)
        cert, _ = pki.certificate(tmp_path, "node1", "127.77.1.11", "node1-bmc")
        first = cert.read_bytes()
    pki.certificate(tmp_path, "node1", "127.77.1.11", "node1-bmc")
    assert cert.read_bytes() != first


def test_an_unknown_variant_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="bogus"):
        pki.certificate(tmp_path, "node1", "127.77.1.11", "node1-bmc", "bogus")
