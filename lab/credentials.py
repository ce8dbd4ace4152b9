"""The twin's secrets, SSH keys and vault: made at random once, kept until ``down --purge``.

Nothing secret is ever in an argument list or in a plain file outside the state directory (0700, files 0600): the
vault's plaintext and the become password reach other programs through their standard input only.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from lab.state import LabError, State
from lab.world import write_atomic

NAMES = ("bmc_password", "bmc_wrong_password", "switch_password", "become_password")
USER = "deploy"


def ensure_secrets(state: State) -> dict[str, str]:
    """``secrets.json`` with every name of NAMES; those already there are kept."""
    try:
        known = json.loads(state.secrets.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = {}
    except ValueError as error:
        raise LabError(f"{state.secrets} is damaged ({error}); remove it, and 'up' makes new ones") from error
    complete = {name: known.get(name) or _password() for name in NAMES}
    if complete != known:
        write_atomic(state.secrets, json.dumps(complete, indent=1) + "\n")
    if not state.vault_password.exists():
        write_atomic(state.vault_password, secrets.token_urlsafe(32) + "\n")
    return complete


def _password() -> str:
    """16 random characters with a letter of each case and a digit, as BMCs and switches demand; IPMI allows 20."""
    while True:
        password = secrets.token_urlsafe(12)
        classes = (str.isupper, str.islower, str.isdigit)
        if password[0].isalpha() and all(any(map(test, password)) for test in classes):
            return password


def ensure_keys(state: State, hosts: Mapping[str, str]) -> None:
    """The key of user ``deploy``, one host key per host, ``known_hosts``, and an ssh_config(5) that names the hosts.

    ``hosts``: name -> what a client may dial, as known_hosts writes it: ``10.77.0.11,node1``, ``[127.77.2.1]:2222``.
    The keys are made before a node boots, so that the first connection is already checked.
    """
    _ensure_key(state.ssh / "id_ed25519", "deploy@npuforge-twin")
    lines = []
    for name, dialled in hosts.items():
        public = _ensure_key(host_key(state, name), f"root@{name}")
        lines.append(f"{dialled} {' '.join(public.split()[:2])}")
    for path, text in (
        (state.ssh / "known_hosts", "\n".join(lines) + "\n"),
        (state.ssh / "config", _ssh_config(state, hosts)),
    ):
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write_atomic(path, text, 0o644)


def _ssh_config(state: State, hosts: Mapping[str, str]) -> str:
    """For people and test tools: ``ssh -F <state>/ssh/config node1``."""
    blocks = [
        f"Host {name}\n  HostName {dialled.split(',', maxsplit=1)[0]}\n"
        for name, dialled in hosts.items()
        if not dialled.startswith("[")  # the switch has no account of ours
    ]
    common = (
        f"Host *\n  User {USER}\n  IdentityFile {state.ssh / 'id_ed25519'}\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {state.ssh / 'known_hosts'}\n  StrictHostKeyChecking yes\n"
    )
    return "".join([*blocks, common])


def host_key(state: State, name: str) -> Path:
    """Where a host's private key is; the public one beside it has ``.pub``."""
    return state.ssh / f"{name}_host_ed25519"


def _ensure_key(path: Path, comment: str) -> str:
    """The public key's line; makes the pair when it is not there."""
    public = path.with_name(path.name + ".pub")
    if not (path.exists() and public.exists()):
        key = Ed25519PrivateKey.generate()
        line = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        write_atomic(public, f"{line} {comment}\n", 0o644)
        write_atomic(path, key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode())
    return public.read_text(encoding="utf-8").strip()


def password_hash(password: str) -> str:
    """A SHA-512 crypt hash for /etc/shadow (``openssl passwd -6``, with the password on its standard input)."""
    done = subprocess.run(
        ["openssl", "passwd", "-6", "-stdin"], input=password + "\n", text=True, capture_output=True, check=False
    )
    if done.returncode != 0 or not done.stdout.startswith("$6$"):
        raise LabError(f"openssl passwd -6 failed: {done.stderr.strip()}")
    return done.stdout.strip()


def ensure_vault(state: State, known: Mapping[str, str], inventory: Path) -> bool:
    """``group_vars/all/vault.yml`` in the inventory, encrypted with ``<state>/vault_password``; True when (re)written.

    A keyed digest of plaintext and ciphertext in the state directory tells without decrypting whether it is current.
    """
    target = inventory / "group_vars" / "all" / "vault.yml"
    stamp = state.root / "vault.stamp"
    plain = yaml.safe_dump(
        {
            "vault_bmc_password": known["bmc_password"],
            "vault_switch_password": known["switch_password"],
            "vault_become_password": known["become_password"],
        }
    )
    key = state.vault_password.read_bytes()
    if target.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == _stamp(key, plain, target):
        return False
    program = shutil.which("ansible-vault", path=str(Path(sys.executable).parent)) or shutil.which("ansible-vault")
    if program is None:
        raise LabError("ansible-vault is missing; run 'make setup'", code=3)
    target.parent.mkdir(parents=True, exist_ok=True)
    # Without anyone's ansible.cfg: a second vault password from there would make ansible-vault ask which to use.
    empty = state.tmp / "ansible.cfg"
    write_atomic(empty, "")
    clean = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    done = subprocess.run(
        [program, "encrypt", "--vault-password-file", str(state.vault_password), "--output", "-", "-"],
        input=plain,
        text=True,
        capture_output=True,
        env={**clean, "ANSIBLE_CONFIG": str(empty)},
        check=False,
    )
    if done.returncode != 0 or not done.stdout.startswith("$ANSIBLE_VAULT;"):
        raise LabError(f"ansible-vault encrypt failed: {done.stderr.strip()}")
    write_atomic(target, done.stdout)
    write_atomic(stamp, _stamp(key, plain, target))
    return True


def _stamp(key: bytes, plain: str, target: Path) -> str:
    digest = hmac.new(key, plain.encode() + b"\0" + target.read_bytes(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode() + "\n"


def forget_inventory(inventory: Path) -> None:
    """Remove what ``up`` wrote into an inventory; without the state directory it opens nothing any more."""
    (inventory / "group_vars" / "all" / "vault.yml").unlink(missing_ok=True)
