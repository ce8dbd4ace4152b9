"""Build and verify: collected from servers and folders, resumed, recorded, signed; every wrong file is named."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from bundle_helpers import QUICK, Origin, artifact, content, manifest_of, origin, quiet, write
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from controller import contract
from controller.bundle import build, keys, manifest, progress, repository, verify

ROOT = Path(__file__).resolve().parents[2]
FILES = {f"file{number}.run": content(number, 100_000 + number) for number in range(8)}
KEY = Ed25519PrivateKey.generate()


def release(files: dict[str, bytes] | None = None, hashed: bool = True) -> dict[str, Any]:
    document = manifest_of(FILES if files is None else files, hashed)
    for number, entry in enumerate(document["artifacts"]):
        entry["id"] = entry["id"] if entry["kind"] == "rpm" else f"file:f{number}"
    return document


def collect(document: dict[str, Any], folder: Path, source: str | Path, **how: Any) -> build.Built:
    how = {"key": KEY, "limits": QUICK, "sleep": lambda _: None, **how}
    return build.build(document, folder, quiet(), source=str(source), **how)


def judge(folder: Path, document: dict[str, Any] | None = None, key: Ed25519PrivateKey = KEY) -> dict[str, str]:
    found = verify.verify(folder, key.public_key(), document)
    assert len({wrong.file for wrong in found.wrong}) == len(found.wrong) or document is not None
    return {wrong.file: wrong.why for wrong in found.wrong}


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_eight_files_in_parallel_then_nothing_to_do(tmp_path: Path) -> None:
    with origin(FILES, pause=0.02) as server:
        built = collect(release(), tmp_path / "b", server.url, jobs=8)
        assert sorted(built.fetched) == sorted(FILES) and built.signed and built.changed and not built.failed
        assert server.at_once >= 4
        assert judge(tmp_path / "b", release()) == {}
        before = snapshot(tmp_path / "b")
        again = collect(release(), tmp_path / "b", server.url)
    assert not again.changed and again.fetched == [] and snapshot(tmp_path / "b") == before
    assert len(server.asked) == 8


def test_from_a_folder_as_from_a_server(tmp_path: Path) -> None:
    built = collect(release(), tmp_path / "b", write(tmp_path / "s p a c e", FILES))
    assert not built.failed and judge(tmp_path / "b", release()) == {}


def test_a_file_that_is_not_in_the_folder_is_named(tmp_path: Path) -> None:
    built = collect(release(), tmp_path / "b", write(tmp_path / "s", {"file0.run": FILES["file0.run"]}))
    assert len(built.failed) == 7 and all(error.unreachable for error in built.failed)
    assert str(built.failed[0]) == f"file1.run: {tmp_path}/s/file1.run: no such file or directory"


def test_without_from_the_origins_are_asked(tmp_path: Path) -> None:
    with origin(FILES) as server:
        document = release()
        for entry in document["artifacts"]:
            entry["origin"] = f"{server.url}/far/away/{entry['file']}"
        built = build.build(document, tmp_path, quiet(), key=KEY, limits=QUICK)
    assert not built.failed and {path for path, _, _ in server.asked} == {f"/far/away/{name}" for name in FILES}


def test_one_missing_file_stops_no_other_and_signs_nothing(tmp_path: Path) -> None:
    with origin({name: data for name, data in FILES.items() if name != "file3.run"}) as server:
        built = collect(release(), tmp_path, server.url)
        assert [error.file for error in built.failed] == ["file3.run"] and len(built.fetched) == 7
        assert not (tmp_path / manifest.MANIFEST).exists() and not built.signed
        server.files["file3.run"] = FILES["file3.run"]
        built = collect(release(), tmp_path, server.url)
    assert built.fetched == ["file3.run"] and judge(tmp_path) == {}


def test_a_changed_byte_at_the_origin_is_refused_by_name(tmp_path: Path) -> None:
    source = write(tmp_path / "s", {**FILES, "file5.run": b"x" * len(FILES["file5.run"])})
    built = collect(release(), tmp_path / "b", source)
    assert [(error.file, error.problem) for error in built.failed] == [("file5.run", "wrong content")]
    assert not (tmp_path / "b" / "files" / "file5.run").exists()


def test_record_fills_in_what_the_vendor_does_not_publish(tmp_path: Path) -> None:
    source, open_release = write(tmp_path / "s", FILES), release(hashed=False)
    refused = collect(open_release, tmp_path / "b", source)
    assert {error.file for error in refused.failed} == set(FILES) and "--record" in str(refused.failed[0])
    assert not list((tmp_path / "b" / "files").iterdir())
    built = collect(open_release, tmp_path / "b", source, record=True)
    assert not built.failed and built.document == release()
    assert judge(tmp_path / "b", open_release) == {}, "hashes that the release leaves open may be any"
    assert not collect(open_release, tmp_path / "b", source).changed, "what was recorded holds without --record"


def test_what_was_recorded_may_not_become_another_file_unseen(tmp_path: Path) -> None:
    source, open_release = write(tmp_path / "s", FILES), release(hashed=False)
    collect(open_release, tmp_path / "b", source, record=True)
    changed = bytes(reversed(FILES["file1.run"]))
    write(source, {"file1.run": changed})
    (tmp_path / "b" / "files" / "file1.run").write_bytes(changed)
    built = collect(open_release, tmp_path / "b", source, record=True)
    assert [error.file for error in built.failed] == ["file1.run"]


Damage = Callable[[Path], object]


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    mark = path.stat()
    path.write_bytes(bytes(data))
    os.utime(path, ns=(mark.st_atime_ns, mark.st_mtime_ns))


def resign(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads((folder / manifest.MANIFEST).read_bytes())
    change(document)
    (folder / manifest.MANIFEST).write_bytes(manifest.encode(document))


DAMAGE: list[tuple[str, Damage, dict[str, str]]] = [
    ("a changed byte", lambda b: flip(b / "files/file2.run"), {"files/file2.run": "hash"}),
    ("truncated", lambda b: os.truncate(b / "files/file2.run", 5), {"files/file2.run": "size"}),
    ("gone", lambda b: (b / "files/file2.run").unlink(), {"files/file2.run": "missing"}),
    ("one too many", lambda b: (b / "files/more.run").write_bytes(b""), {"files/more.run": "extra"}),
    (
        "a link in its place",
        lambda b: ((b / "files/file2.run").rename(b / "x"), (b / "files/file2.run").symlink_to(b / "x")),
        {"files/file2.run": "missing"},
    ),
    ("unsigned", lambda b: (b / manifest.SIGNATURE).unlink(), {manifest.MANIFEST: "unsigned"}),
    ("a broken signature", lambda b: (b / manifest.SIGNATURE).write_bytes(b"{}"), {manifest.MANIFEST: "signature"}),
    ("garbage instead", lambda b: (b / manifest.SIGNATURE).write_bytes(b"\xff\x00"), {manifest.MANIFEST: "signature"}),
    (
        "a manifest that was changed with its file",
        lambda b: resign(b, lambda d: d["artifacts"][2].update(license="free")),
        {manifest.MANIFEST: "signature"},
    ),
    (
        "a hash taken out",
        lambda b: resign(b, lambda d: d["artifacts"][2].update(sha256=None)),
        {manifest.MANIFEST: "signature", "files/file2.run": "no_hash"},
    ),
    ("two at once", lambda b: (flip(b / "files/file2.run"), flip(b / "files/file6.run")),
     {"files/file2.run": "hash", "files/file6.run": "hash"}),
]  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    collect(release(), folder / "b", write(folder / "s", FILES))
    return folder / "b"


@pytest.mark.parametrize(("what", "damage", "expected"), DAMAGE, ids=[what for what, _, _ in DAMAGE])
def test_every_wrong_file_is_named_with_why(
    whole: Path, tmp_path: Path, what: str, damage: Damage, expected: dict[str, str]
) -> None:
    folder = shutil.copytree(whole, tmp_path / "b")
    assert judge(folder) == {}
    damage(folder)
    assert judge(folder) == expected, what


def test_a_signature_by_another_key_says_so(whole: Path) -> None:
    other = Ed25519PrivateKey.generate()
    found = verify.verify(whole, other.public_key())
    assert [wrong.why for wrong in found.wrong] == ["other_key"]
    assert keys.fingerprint(KEY.public_key()) in found.wrong[0].text


def test_another_release_than_named_is_refused(whole: Path) -> None:
    other = release()
    other["artifacts"][0]["version"] = "9.9"
    del other["artifacts"][7]
    found = [wrong.text for wrong in verify.verify(whole, KEY.public_key(), other).wrong]
    assert len(found) == 2 and "version is '1.0', in the release '9.9'" in found[0] and "file7.run" in found[1]


def test_another_version_in_the_same_folder_leaves_a_word_about_the_old(tmp_path: Path) -> None:
    collect(release(), tmp_path / "b", write(tmp_path / "s", FILES))
    fewer = release({name: data for name, data in FILES.items() if name != "file0.run"})
    built = collect(fewer, tmp_path / "b", tmp_path / "s")
    assert built.extra == ["files/file0.run"] and judge(tmp_path / "b") == {"files/file0.run": "extra"}


def test_rpms_become_a_repository_whose_metadata_is_signed_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if repository.program() is None or shutil.which("rpmbuild") is None:
        pytest.skip("createrepo_c and rpmbuild are not installed")
    (tmp_path / "t.spec").write_text(
        "Name: tiny\nVersion: 1\nRelease: 1\nSummary: t\nLicense: t\nBuildArch: noarch\n%description\nt\n%files\n"
    )
    rpmbuild = [
        "rpmbuild",
        "-bb",
        "--quiet",
        "--define",
        f"_topdir {tmp_path}/top",
        "--define",
        f"_dbpath {tmp_path}/db",
    ]
    subprocess.run([*rpmbuild, "t.spec"], cwd=tmp_path, check=True, capture_output=True)
    (built_rpm,) = (tmp_path / "top").rglob("*.rpm")
    files = {"a.run": b"x", "tiny-1-1.noarch.rpm": built_rpm.read_bytes()}
    document, folder = release(files), tmp_path / "b"
    source = write(tmp_path / "s", files)
    built = collect(document, folder, source)
    assert (folder / "rpm/repodata/repomd.xml").is_file() and len(built.document["repository"]) >= 4
    assert judge(folder, document) == {} and not collect(document, folder, source).changed
    flip(folder / "rpm/repodata/repomd.xml")
    assert judge(folder) == {"rpm/repodata/repomd.xml": "hash"}
    (folder / "rpm/.new").mkdir()  # as a build that was killed leaves it
    assert collect(document, folder, source).changed and judge(folder) == {}
    monkeypatch.setattr(repository, "program", lambda: None)
    with pytest.raises(repository.RepositoryError, match="createrepo-c"):
        collect(document, tmp_path / "c", source)


def test_keys_are_made_once_and_kept_closed(tmp_path: Path) -> None:
    private, public, fingerprint = keys.make(tmp_path)
    assert private.stat().st_mode & 0o777 == 0o600 and public.stat().st_mode & 0o777 == 0o644
    signature = keys.sign(b"data", keys.load_private(private))
    assert keys.problem(b"data", signature, keys.load_public(public)) is None
    assert fingerprint in signature.decode()
    assert keys.problem(b"datb", signature, keys.load_public(public)) == (
        "signature",
        "it was changed after it was signed",
    )
    with pytest.raises(keys.KeyProblem, match="never overwritten"):
        keys.make(tmp_path)
    with pytest.raises(keys.KeyProblem, match="stays at home"):
        keys.load_public(private)
    private.chmod(0o644)
    with pytest.raises(keys.KeyProblem, match="0600"):
        keys.load_private(private)
    for garbage in (b"", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"):
        public.write_bytes(garbage)
        with pytest.raises(keys.KeyProblem):
            keys.load_public(public)
    with pytest.raises(keys.KeyProblem, match="no such file"):
        keys.load_public(tmp_path / "none")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda d: d["artifacts"][1].update(file="file0.run"), "occurs twice"),
        (lambda d: d["artifacts"][1].update(file="FILE0.run"), "occurs twice"),
        (lambda d: d["artifacts"][1].update(id="file:f0"), "already"),
        (lambda d: d["artifacts"][1].update(kind="rpm"), "exactly when"),
        (lambda d: d["artifacts"][1].update(file="../x"), "does not match"),
        (lambda d: d["artifacts"][1].update(file="x\n"), "not the name"),
        (lambda d: d["artifacts"][1].update(sha256="0"), "sha256"),
        (lambda d: d["artifacts"][1].update(origin="ftp://x/"), "origin"),
        (lambda d: d["artifacts"][1].pop("license"), "license"),
        (lambda d: d.update(artifacts=[]), "non-empty|too short"),
        (lambda d: d.update(schema="npuforge.bundle/2"), "bundle/1"),
    ],
)
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, change: Callable[[Any], object], word: str) -> None:
    document = release()
    change(document)
    path = tmp_path / "m.yml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    with pytest.raises(manifest.ManifestError, match=word):
        manifest.load_file(path)


@pytest.mark.parametrize("text", ["", "[]", "a: [", "\x00", "- 1"])
def test_any_file_as_manifest_is_a_clear_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.yml").write_text(text, encoding="utf-8")
    with pytest.raises(manifest.ManifestError):
        manifest.load_file(tmp_path / "m.yml")


def test_the_sample_is_what_the_schema_says() -> None:
    assert contract.problems(release(), "bundle") == [] == contract.problems(release(hashed=False), "bundle")
    assert contract.problems(
        {**release(), "repository": [{"file": "rpm/x", "size_bytes": 1, "sha256": "0" * 64}]}, "bundle"
    )


@contextlib.contextmanager
def running_build(server: Origin, folder: Path, paths: Path) -> Any:
    argv = ["bundle", "build", "--manifest", str(paths / "m.yml"), "--folder", str(folder), "--from", server.url]
    process = subprocess.Popen(
        [sys.executable, "-m", "controller", *argv, "--record", "--key", str(paths / "bundle.key")],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT}/plugins/module_utils"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_killed_again_and_again_it_converges(tmp_path: Path) -> None:
    (tmp_path / "m.yml").write_text(yaml.safe_dump(release(hashed=False)), encoding="utf-8")
    keys.make(tmp_path)
    key = keys.load_private(tmp_path / "bundle.key")
    parts = tmp_path / "b" / "files"

    def arrived() -> int:
        return sum(path.stat().st_size for path in parts.glob("*")) + sum(
            path.stat().st_size for path in parts.glob(".*.part")
        )

    with origin(FILES, pause=0.05, piece=1 << 13) as server:
        for goal in (150_000, 400_000):
            with running_build(server, tmp_path / "b", tmp_path) as process:
                deadline = time.monotonic() + 20
                with contextlib.suppress(FileNotFoundError):
                    while arrived() < goal and process.poll() is None and time.monotonic() < deadline:
                        time.sleep(0.01)
                process.send_signal(signal.SIGKILL)
            assert not (tmp_path / "b" / manifest.MANIFEST).exists()
        server.pause = 0
        with running_build(server, tmp_path / "b", tmp_path) as process:
            out, err = process.communicate(timeout=30)
            assert process.returncode == 0, err
    assert b"signed" in out and judge(tmp_path / "b", release(), key) == {}
    assert any(asked[1] for asked in server.asked), "parts were taken up, not fetched anew"


def test_progress_is_plain_lines_without_a_terminal_and_redrawn_on_one() -> None:
    import io

    now = [0.0]
    for live in (False, True):
        stream = io.StringIO()
        board = progress.Progress(stream, live=live, clock=lambda: now[0])
        line = board.file("a.run", 100_000_000)
        for step in range(1, 51):
            now[0] += 1
            line.update(step * 1_000_000, None)
        line.end("fetched", 100_000_000)
        text = stream.getvalue()
        assert "a.run  40.0/100.0 MB  40 %  1.0 MB/s  01:00 left" in text and text.endswith(
            "a.run: fetched  100.0 MB\n"
        )
        assert ("\x1b[" in text) == live and (live or text.count("\n") == 6)


def test_an_entry_with_a_referer_sends_it(tmp_path: Path) -> None:
    seen: list[Any] = []
    entry = artifact("a.run", b"x", id="file:a", referer="https://www.example.invalid/")

    def opener(request: Any, timeout: float) -> Any:
        seen.append(request.get_header("Referer"))
        raise OSError("stop here")

    document = {**release(), "artifacts": [entry]}
    built = collect(document, tmp_path, "http://h", opener=opener)
    assert seen[0] == "https://www.example.invalid/" and len(built.failed) == 1
