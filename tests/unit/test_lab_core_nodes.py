"""What nodes are made of, as far as it can be judged without podman."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from lab.nodes import image, persona, podman, repo

SHADOW = "root:*:20000:0:99999:7:::\ndeploy:!:20000:0:99999:7:::\n"


def node_files(**more: object) -> persona.NodeFiles:
    values = {
        "site": "twin",
        "node": "node1",
        "host_key": b"private",
        "host_key_public": b"public",
        "authorized_key": b"ssh-ed25519 AAAA deploy",
        "shadow": SHADOW,
        "password_hash": "$6$salt$hash",
    }
    return persona.NodeFiles(**{**values, **more})


def test_a_nodes_own_files() -> None:
    with tarfile.open(fileobj=io.BytesIO(node_files().tar())) as tar:
        entries = {entry.name: entry for entry in tar}
        texts = {name: tar.extractfile(entry).read().decode() for name, entry in entries.items()}
    assert entries["etc/ssh/ssh_host_ed25519_key"].mode == 0o600
    assert entries["home/deploy/.ssh/authorized_keys"].uid == 1000
    assert entries["etc/shadow"].mode == 0o640
    assert texts["etc/shadow"] == "root:*:20000:0:99999:7:::\ndeploy:$6$salt$hash:20000:0:99999:7:::\n"
    marker = texts["etc/tmpfiles.d/npuforge-twin.conf"].split(" - ", 1)[1]
    assert json.loads(marker) == {"provenance": "simulated", "site": "twin", "node": "node1"}


@pytest.mark.parametrize("shadow", ["", "root:*:::::::\n", "deploy\n", "deploy:x:1\n"])
def test_a_shadow_without_the_user_is_refused(shadow: str) -> None:
    with pytest.raises(ValueError, match="deploy"):
        persona.with_password(shadow, "deploy", "$6$x$y")


def test_first_file_of_a_tar() -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        folder = tarfile.TarInfo("etc")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        entry = tarfile.TarInfo("shadow")
        entry.size = 3
        tar.addfile(entry, io.BytesIO(b"abc"))
    assert persona.first_file(buffer.getvalue()) == "abc"
    with pytest.raises(ValueError, match="no file"):
        persona.first_file(b"\0" * 10240)


def test_persona_says_openeuler_and_simulated() -> None:
    release = dict(line.split("=", 1) for line in persona.FILES["usr/lib/os-release"].splitlines())
    assert release["ID"] == '"openEuler"'
    assert release["VERSION_ID"] == '"24.03"'
    assert "simulated" in release["VARIANT"]
    assert "gpgcheck=1" in persona.FILES["etc/yum.repos.d/npuforge-twin.repo"]
    assert "gpgcheck=0" not in str(persona.FILES)


def test_hybrid_cgroups_are_told_from_the_two_pure_layouts(tmp_path: Path) -> None:
    pure_v1, pure_v2, hybrid = (tmp_path / name for name in ("v1", "v2", "hybrid"))
    (pure_v1 / "memory").mkdir(parents=True)
    pure_v2.mkdir()
    (pure_v2 / "cgroup.controllers").touch()
    (hybrid / "unified").mkdir(parents=True)
    (hybrid / "unified" / "cgroup.controllers").touch()
    found = [podman.hybrid_cgroups(root) for root in (pure_v1, pure_v2, hybrid, tmp_path / "none")]
    assert found == [False, False, True, False]


def test_runtime_wrapper_only_where_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(podman, "hybrid_cgroups", lambda: False)
    assert podman.runtime(tmp_path) is None
    monkeypatch.setattr(podman, "hybrid_cgroups", lambda: True)
    wrapper = Path(podman.runtime(tmp_path))
    assert wrapper.name == "crun"  # podman judges a runtime's abilities by its file name
    assert wrapper.stat().st_mode & 0o111
    before = wrapper.stat().st_mtime_ns
    podman.runtime(tmp_path)
    assert wrapper.stat().st_mtime_ns == before


def test_ulimits_never_exceed_the_hard_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (100, 4096))
    assert podman.ulimits() == ["--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096"]
    monkeypatch.setattr("resource.getrlimit", lambda _: (-1, -1))
    assert podman.ulimits()[1] == "nofile=65536:65536"


@pytest.mark.parametrize(
    ("stderr", "hint"),
    [
        ("Error: kernel does not support overlay fs: invalid argument", "vfs"),
        ("Error: writing blob: no space left on device", "the disk of podman's storage is full"),
        ("Error: subnet 10.77.0.0/24 is already used on the host", "--subnet"),
        ('Error: could not find "netavark" in one of []', "make system-packages"),
        ("Error: could not find netavark: not found", "make system-packages"),
        ("Error: crun: setrlimit `RLIMIT_NOFILE`: Operation not permitted", "hard limits"),
    ],
)
def test_podmans_errors_come_with_advice(stderr: str, hint: str) -> None:
    text = podman.explain(f'time="x" level=warning msg="noise"\n{stderr}\n')
    assert stderr in text
    assert hint in text
    assert "noise" not in text


def test_an_unknown_error_of_podman_is_shown_as_it_is() -> None:
    assert podman.explain("Error: something else\n") == "Error: something else"
    assert podman.explain("") == "no reason given"


def test_missing_programs_are_named_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", lambda program: None if program in ("crun", "createrepo_c") else "/bin/true")
    with pytest.raises(podman.LabError) as caught:
        podman.check_machine()
    assert caught.value.code == 3
    assert "crun (package crun), createrepo_c (package createrepo-c); run 'make system-packages'" in str(caught.value)


def test_without_root_there_is_no_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(podman.LabError, match="needs root") as caught:
        podman.check_machine()
    assert caught.value.code == 3


def test_recipes_follow_what_goes_in(monkeypatch: pytest.MonkeyPatch) -> None:
    first = image.recipe()
    assert image.recipe() == first
    assert image.name() == f"localhost/npuforge-node:{first}"
    monkeypatch.setattr(persona, "PACKAGES", (*persona.PACKAGES, "strace"))
    second = image.recipe()
    assert second != first
    monkeypatch.setattr(repo, "KEY_PARAMETERS", repo.KEY_PARAMETERS.replace("3072", "4096"))
    assert len({first, second, image.recipe()}) == 3
