"""A complete, correct inventory in a folder of its own, made from inventory/example; tests then break it."""

from __future__ import annotations

import datetime
import shutil
from pathlib import Path
from typing import Any

import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ROOT = Path(__file__).resolve().parents[2]
VAULT_PASSWORD = b"vault-password-of-the-test"
SECRETS = {
    "vault_bmc_password": "Quiet-River-41!bmc",
    "vault_switch_password": "Quiet-River-42!switch",
    "vault_become_password": "Quiet-River-43!become",
}
TODAY = datetime.date(2026, 11, 24)


def vault_secrets(password: bytes = VAULT_PASSWORD) -> list[tuple[str, Any]]:
    return [("default", VaultSecret(password))]


def encrypt(text: str, password: bytes = VAULT_PASSWORD) -> str:
    encrypted: bytes = VaultLib(vault_secrets(password)).encrypt(text)
    return encrypted.decode()


def make_site(directory: Path, secrets: dict[str, str] | None = None) -> Path:
    """``directory/site``: the example, filled in as its README says."""
    site = directory / "site"
    shutil.copytree(ROOT / "inventory/example", site)
    text = yaml.safe_dump(SECRETS if secrets is None else secrets)
    (site / "group_vars/all/vault.yml").write_text(encrypt(text), encoding="utf-8")
    for name in ("survey.yml", "cabling.yml"):
        if not (site / name).exists():
            text = (ROOT / "inventory/twin" / name).read_text(encoding="utf-8")
            (site / name).write_text(text.replace("site: twin", "site: example-hospital"), encoding="utf-8")
    for name, content in (
        ("pki/bmc-ca.pem", ca_certificate()),
        ("ssh/id_ed25519", "key\n"),
        ("known_hosts", "host key\n"),
    ):
        (site / name).parent.mkdir(exist_ok=True)
        (site / name).write_text(content, encoding="utf-8")
    return site


def ca_certificate() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test CA")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.datetime(2026, 1, 1))
        .not_valid_after(datetime.datetime(2036, 1, 1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def edit(file: Path, *changes: tuple[str, str]) -> None:
    """Replace texts in a file; each must be there, so that no test silently changes nothing."""
    text = file.read_text(encoding="utf-8")
    for before, after in changes:
        assert before in text, f"{before!r} is not in {file}"
        text = text.replace(before, after, 1)
    file.write_text(text, encoding="utf-8")
