"""Secrets, keys and the vault: made once, readable by nobody else, and what they claim to be."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import paramiko
import pytest
import yaml

from lab import credentials
from lab.state import LabError, State

HOSTS = {"node1": "10.77.0.11,node1", "sw1": "[127.77.2.1]:2222,[sw1]:2222"}


@pytest.fixture
def state(tmp_path: Path) -> State:
    state = State(tmp_path / "state")
    state.make_folders()
    return state


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_secrets_are_random_private_and_kept(state: State, tmp_path: Path) -> None:
    secrets = credentials.ensure_secrets(state)
    assert set(secrets) == set(credentials.NAMES)
    assert len(set(secrets.values())) == len(secrets)
    assert mode(state.secrets) == mode(state.vault_password) == 0o600
    assert mode(state.root) == 0o700
    assert credentials.ensure_secrets(state) == secrets
    other = State(tmp_path / "other")
    other.make_folders()
    assert not set(credentials.ensure_secrets(other).values()) & set(secrets.values())


def test_passwords_satisfy_bmcs_and_switches(state: State) -> None:
    for _ in range(30):
        state.secrets.unlink(missing_ok=True)
        for password in credentials.ensure_secrets(state).values():
            assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{15}", password)  # IPMI 2.0 allows 20 bytes
            assert re.search(r"[a-z]", password)
            assert re.search(r"[A-Z]", password)
            assert re.search(r"[0-9]", password)


def test_a_missing_secret_is_added_and_the_others_stay(state: State) -> None:
    secrets = credentials.ensure_secrets(state)
    del secrets["switch_password"]
    state.secrets.write_text(json.dumps(secrets))
    assert secrets.items() <= credentials.ensure_secrets(state).items()


def test_damaged_secrets_are_an_error(state: State) -> None:
    state.secrets.write_text("{")
    with pytest.raises(LabError, match="is damaged"):
        credentials.ensure_secrets(state)


def test_keys_and_known_hosts_are_read_by_another_implementation(state: State) -> None:
    credentials.ensure_keys(state, HOSTS)
    known = paramiko.HostKeys(str(state.ssh / "known_hosts"))
    for host, name in (("10.77.0.11", "node1"), ("node1", "node1"), ("[127.77.2.1]:2222", "sw1")):
        path = credentials.host_key(state, name)
        assert mode(path) == 0o600
        assert known.check(host, paramiko.Ed25519Key.from_private_key_file(str(path)))
    assert not known.check("10.77.0.11", paramiko.Ed25519Key.from_private_key_file(str(state.ssh / "id_ed25519")))
    config = paramiko.SSHConfig.from_path(str(state.ssh / "config"))
    assert config.lookup("node1")["hostname"] == "10.77.0.11"
    assert config.lookup("node1")["stricthostkeychecking"] == "yes"
    before = {path: path.read_bytes() for path in state.ssh.iterdir()}
    credentials.ensure_keys(state, HOSTS)
    assert {path: path.read_bytes() for path in state.ssh.iterdir()} == before


def test_password_hash_is_sha512_crypt_of_the_password() -> None:
    hashed = credentials.password_hash("Correct-Horse1")
    salt = hashed.split("$")[2]
    done = subprocess.run(
        ["openssl", "passwd", "-6", "-salt", salt, "Correct-Horse1"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == hashed


def test_vault_opens_with_the_password_and_is_rewritten_only_when_something_changed(
    state: State, tmp_path: Path
) -> None:
    inventory = tmp_path / "inventory"
    secrets = credentials.ensure_secrets(state)
    assert credentials.ensure_vault(state, secrets, inventory) is True
    vault = inventory / "group_vars" / "all" / "vault.yml"
    text = vault.read_text()
    assert text.startswith("$ANSIBLE_VAULT;1.1;AES256")
    assert mode(vault) == 0o600
    assert open_vault(vault, state) == {
        "vault_bmc_password": secrets["bmc_password"],
        "vault_switch_password": secrets["switch_password"],
        "vault_become_password": secrets["become_password"],
    }
    assert credentials.ensure_vault(state, secrets, inventory) is False
    assert vault.read_text() == text
    vault.write_text(text[:-40])  # damaged
    assert credentials.ensure_vault(state, secrets, inventory) is True
    assert credentials.ensure_vault(state, {**secrets, "bmc_password": "Another-Word1"}, inventory) is True
    assert open_vault(vault, state)["vault_bmc_password"] == "Another-Word1"
    for path in (*state.root.rglob("*"), *inventory.rglob("*")):
        if path.is_file() and path != state.secrets:
            assert secrets["become_password"].encode() not in path.read_bytes(), path
    credentials.forget_inventory(inventory)
    assert [path for path in inventory.rglob("*") if path.is_file()] == []


def open_vault(vault: Path, state: State) -> dict[str, str]:
    program = shutil.which("ansible-vault") or str(Path(shutil.sys.executable).parent / "ansible-vault")
    done = subprocess.run(
        [program, "view", "--vault-password-file", str(state.vault_password), str(vault)],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    )
    return yaml.safe_load(done.stdout)
