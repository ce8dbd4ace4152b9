"""The switch's host key, and its line in ``known_hosts``."""

from __future__ import annotations

from pathlib import Path

import paramiko
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from lab.world import write_atomic


def host_key(ssh: Path, name: str) -> paramiko.PKey:
    """The key of a switch: the one that ``up`` made with those of the nodes, else our own, made once and kept."""
    made_by_up = ssh / f"{name}_host_ed25519"
    path = made_by_up if made_by_up.exists() else ssh / "switch_host_key"
    if not path.exists():
        pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
        write_atomic(path, pem.decode())
    return paramiko.Ed25519Key.from_private_key_file(str(path))


def announce(ssh: Path, address: str, port: int, key: paramiko.PKey) -> None:
    """Put the key into ``known_hosts`` unless it is there; another key for the same place is replaced."""
    path = ssh / "known_hosts"
    place = address if port == 22 else f"[{address}]:{port}"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    wanted = f"{key.get_name()} {key.get_base64()}"
    if any(place in line.split(" ", 1)[0].split(",") and line.endswith(wanted) for line in lines):
        return
    kept = [line for line in lines if place not in line.split(" ", 1)[0].split(",")]
    write_atomic(path, "\n".join([*kept, f"{place} {wanted}"]) + "\n", 0o644)
