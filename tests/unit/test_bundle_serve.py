"""The file server answers what was verified and nothing else; exit codes; what the controller believes."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from bundle_helpers import QUICK, content, manifest_of, quiet, write
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from npuforge.bundle.fetch import fetch
from npuforge.bundle.manifest import BundleError

from controller.bundle import background, build, keys, manifest, server, site, verify

FILES = {"npu_driver.run": content(1, 300_000), "npu_firmware.run": content(2, 1000), "cann_toolkit.run": b""}
KEY = Ed25519PrivateKey.generate()
DRIVER = "/files/npu_driver.run"


def make(folder: Path, key: Ed25519PrivateKey = KEY) -> Path:
    source = write(folder / "source", FILES)
    built = build.build(manifest_of(FILES), folder / "bundle", quiet(), source=str(source), key=key, limits=QUICK)
    assert built.signed
    return folder / "bundle"


@contextlib.contextmanager
def serving(folder: Path, key: Ed25519PrivateKey = KEY) -> Iterator[tuple[str, io.StringIO]]:
    log = io.StringIO()
    verified = verify.verify(folder, key.public_key())
    assert verified.ok
    with server.Server(("127.0.0.1", 0), server.Shelf(folder, verified), log) as service:
        thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{service.server_address[1]}", log
        finally:
            service.shutdown()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, io.StringIO]]:
    with serving(make(tmp_path_factory.mktemp("served"))) as where:
        yield where


def ask(where: str, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(where, timeout=5)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def logged(log: io.StringIO, text: str) -> bool:
    """Whether the line comes: it is written once the answer is out."""
    deadline = time.monotonic() + 5
    while text not in log.getvalue() and time.monotonic() < deadline:
        time.sleep(0.01)
    return text in log.getvalue()


def test_whole_files_with_their_hash_as_etag(served: tuple[str, io.StringIO]) -> None:
    where, log = served
    for name, data in FILES.items():
        status, headers, body = ask(where, f"/files/{name}")
        assert (status, body, headers["Content-Length"]) == (200, data, str(len(data)))
        assert ask(where, f"/files/{name}", If_None_Match=headers["ETag"])[0] == 304
        assert ask(where, f"/files/{name}", "HEAD")[2] == b""
        assert logged(log, f"127.0.0.1 GET files/{name} 200 {len(data)}")
    assert json.loads(ask(where, "/manifest.json")[2]) == manifest_of(FILES)
    assert ask(where, "/manifest.json.sig")[0] == 200


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 400_000), st.integers(0, 400_000) | st.none())
def test_ranges(served: tuple[str, io.StringIO], first: int, last: int | None) -> None:
    data = FILES["npu_driver.run"]
    status, headers, body = ask(served[0], DRIVER, Range=f"bytes={first}-{'' if last is None else last}")
    if last is not None and last < first:
        assert status == 200 and body == data
    elif first >= len(data):
        assert status == 416 and headers["Content-Range"] == f"bytes */{len(data)}"
    else:
        end = len(data) if last is None else min(last + 1, len(data))
        assert body == data[first:end] and status == (200 if (first, end) == (0, len(data)) else 206)


def test_odd_ranges_and_conditions(served: tuple[str, io.StringIO]) -> None:
    where, data = served[0], FILES["npu_driver.run"]
    assert ask(where, DRIVER, Range="bytes=-5")[2] == data[-5:]
    assert ask(where, DRIVER, Range="bytes=-0")[0] == 416
    for odd in ("bytes=-", "bytes=1-2,4-5", "lines=1-2", "bytes=a-b", f"bytes={'9' * 40}-"):
        assert ask(where, DRIVER, Range=odd)[::2] == (200, data)
    etag = ask(where, DRIVER, "HEAD")[1]["ETag"]
    assert ask(where, DRIVER, Range="bytes=7-", If_Range=etag)[2] == data[7:]
    assert ask(where, DRIVER, Range="bytes=7-", If_Range='"other"')[2] == data


@pytest.mark.parametrize(
    "path",
    ["/", "/files/", "/files", "/../bundle.key", "/files/../manifest.json", "/files/%2e%2e/%2e%2e/etc/passwd",
     "//etc/passwd", "/files/npu_driver.run/", "/files/none", "/.serve.json", "/.lock", "/files/npu_driver.run%00",
     "/FILES/npu_driver.run", "http://other/etc/passwd", "/rpm/repodata/repomd.xml"],
)  # fmt: skip
def test_nothing_but_the_manifest_is_answered(served: tuple[str, io.StringIO], path: str) -> None:
    assert ask(served[0], path)[::2] == (404, b"no such file in the bundle\n")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_it_is_read_only(served: tuple[str, io.StringIO], method: str) -> None:
    assert ask(served[0], DRIVER, method)[0] == 501


@pytest.mark.parametrize("raw", [b"\x00\xff\xfe\r\n\r\n", b"GET /\n\x1b[31mx HTTP/9.9\r\n\r\n", b"A" * 70_000, b""])
def test_garbage_ends_one_connection_and_writes_no_control_characters(
    served: tuple[str, io.StringIO], raw: bytes
) -> None:
    host, port = served[0].split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection, contextlib.suppress(OSError):
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1000)
    assert ask(served[0], DRIVER, "HEAD")[0] == 200
    assert all(character.isprintable() or character == "\n" for character in served[1].getvalue())


def test_a_file_changed_after_it_was_verified_is_refused_by_name(tmp_path: Path) -> None:
    folder = make(tmp_path)
    path = folder / "files" / "npu_firmware.run"
    with serving(folder) as (where, log):
        entry = manifest_of(FILES)["artifacts"][1]
        mark, data = path.stat(), path.read_bytes()
        path.write_bytes(data[:-1] + b"!")
        os.utime(path, ns=(mark.st_atime_ns, mark.st_mtime_ns))
        status, _, text = ask(where, "/files/npu_firmware.run")
        assert status == 500 and b"files/npu_firmware.run is no longer the verified file" in text
        assert logged(log, "no longer the verified file")
        with pytest.raises(BundleError, match="HTTP 500"):
            fetch(f"http://{where}", entry, tmp_path / "t", [].append, limits=QUICK)
        path.unlink()
        assert ask(where, "/files/npu_firmware.run")[0] == 500
        path.write_bytes(data)
        assert ask(where, "/files/npu_firmware.run")[::2] == (200, data), "touched, but the same"
        assert fetch(f"http://{where}", entry, tmp_path / "t", [].append, limits=QUICK).read_bytes() == data


def test_many_clients_at_once(served: tuple[str, io.StringIO], tmp_path: Path) -> None:
    entry = manifest_of(FILES)["artifacts"][0]
    done: list[Path] = []

    def client(number: int) -> None:
        done.append(fetch(f"http://{served[0]}", entry, tmp_path / str(number), [].append, limits=QUICK))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 12


def npuforge(*argv: str) -> tuple[int, str]:
    """Exit code and what the command said, stdout first."""
    from controller import cli

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.main(["bundle", *argv])
    return code, out.getvalue() + err.getvalue()


def test_the_command_from_keys_to_stop(tmp_path: Path) -> None:
    own, folder = tmp_path / "m.yml", tmp_path / "b"
    own.write_text(yaml.safe_dump(manifest_of(FILES, hashed=False)), encoding="utf-8")
    named, source = ["--manifest", str(own), "--folder", str(folder)], str(write(tmp_path / "s", FILES))
    assert npuforge("keys", "--folder", str(tmp_path))[0] == 0
    assert npuforge("verify", "--folder", str(folder), "--key", str(tmp_path / "bundle.pub"))[0] == 4
    code, text = npuforge("build", *named, "--from", source)
    assert code == 1 and "npu_driver.run: no hash is known" in text
    code, text = npuforge("build", *named, "--from", source, "--record", "--key", str(tmp_path / "bundle.key"))
    assert code == 0 and "3 files" in text and "\nsigned" in text
    public = ["--key", str(tmp_path / "bundle.pub")]
    code, text = npuforge("serve", *named, *public, "--port", "0", "--background")
    assert code == 0 and "serving at http://127.0.0.1:" in text
    try:
        record = background.running(folder)
        assert record is not None
        entry = manifest_of(FILES)["artifacts"][0]
        url = record["url"]
        assert fetch(url, entry, tmp_path / "t", [].append, limits=QUICK).read_bytes() == FILES["npu_driver.run"]
        code, text = npuforge("serve", *named, *public, "--background")
        assert code == 4 and "is served already" in text
    finally:
        code, text = npuforge("serve", "--folder", str(folder), "--stop")
    assert code == 0 and text == "stopped\n" and background.running(folder) is None
    assert background.started_at(record["pid"]) != record["started"]
    (folder / "files" / "npu_driver.run").write_bytes(b"x")
    code, text = npuforge("serve", *named, *public, "--background")
    assert code == 1 and "files/npu_driver.run: size: 1 bytes instead of 300000" in text
    code, text = npuforge("verify", *named, *public, "--json")
    assert code == 1 and json.loads(text)["wrong"][0]["why"] == "size"


def test_a_foreign_process_is_never_stopped(tmp_path: Path) -> None:
    sleeper = subprocess.Popen(["sleep", "60"])
    try:
        started = background.started_at(sleeper.pid)
        record = {"pid": sleeper.pid, "started": (started or 0) + 1, "url": "x", "log": ""}
        (tmp_path / background.RECORD).write_text(json.dumps(record))
        assert background.running(tmp_path) is None and background.stop(tmp_path) is False
        assert sleeper.poll() is None and not (tmp_path / background.RECORD).exists()
        (tmp_path / background.RECORD).write_text(json.dumps({**record, "started": started}))
        waiter = threading.Thread(target=sleeper.wait, daemon=True)
        waiter.start()
        assert background.stop(tmp_path) is True
        waiter.join(5)
        assert sleeper.returncode == -signal.SIGTERM
    finally:
        sleeper.kill()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}', '{"pid": 1}'])
def test_a_broken_record_is_no_server(tmp_path: Path, text: str) -> None:
    (tmp_path / background.RECORD).write_text(text)
    assert background.running(tmp_path) is None and background.stop(tmp_path) is False


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    folder = make(tmp_path)
    key = tmp_path / "k.pub"
    from cryptography.hazmat.primitives import serialization

    form = serialization.PublicFormat.SubjectPublicKeyInfo
    key.write_bytes(KEY.public_key().public_bytes(serialization.Encoding.PEM, form))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        began = time.monotonic()
        code, text = npuforge("serve", "--folder", str(folder), "--key", str(key), "--port", port, "--background")
    assert code == 4 and "in use" in text and time.monotonic() - began < 15


def test_the_controller_believes_hashes_only_under_the_named_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private, _, _ = keys.make(tmp_path)
    folder = make(tmp_path, keys.load_private(private))
    release = manifest_of(FILES, hashed=False)
    (tmp_path / "open.yml").write_text(yaml.safe_dump(release), encoding="utf-8")
    with serving(folder, keys.load_private(private)) as (where, _log):
        software = {"manifest": "open.yml", "url": f"http://{where}", "key": "bundle.pub"}
        assert site.recorded(software, tmp_path) == manifest_of(FILES)
        with pytest.raises(manifest.ManifestError, match="must name the public key"):
            site.recorded({**software, "key": None}, tmp_path)
        keys.make(tmp_path / "other")
        with pytest.raises(manifest.ManifestError, match="another key"):
            site.recorded({**software, "key": "other/bundle.pub"}, tmp_path)
        (tmp_path / "open.yml").write_text(yaml.safe_dump({**release, "release": "t2"}), encoding="utf-8")
        with pytest.raises(manifest.ManifestError, match="does not serve release t2"):
            site.recorded(software, tmp_path)
    with pytest.raises(manifest.ManifestError, match="cannot be had"):
        site.recorded(software, tmp_path)
    (tmp_path / "known.yml").write_text(yaml.safe_dump(manifest_of(FILES)), encoding="utf-8")
    assert site.recorded({"manifest": "known.yml", "url": "http://nobody"}, tmp_path) == manifest_of(FILES)
    with pytest.raises(manifest.ManifestError, match="neither"):
        site.recorded({}, tmp_path)


@pytest.mark.parametrize(
    ("argv", "word"),
    [
        (["show", "1999.9"], "no release '1999.9'"),
        (["show"], "name a release"),
        (["show", "2026.1", "--manifest", "x"], "not both"),
        (["show", "--manifest", "/proc/nonexistent"], "No such file"),
        (["verify", "2026.1", "--folder", "/proc/nonexistent"], "--key bundle.pub"),
        (["build", "2026.1", "--folder", "/tmp/x", "--key", "/proc/nonexistent"], "no such file"),
        (["build", "2026.1", "--folder", "x", "--jobs", "0"], "from 1 to 64"),
        (["serve", "--folder", "x", "--port", "70000"], "a port"),
    ],
)
def test_wrong_arguments_are_told_in_a_line(argv: list[str], word: str, capsys: pytest.CaptureFixture[str]) -> None:
    from controller import cli

    try:
        code = cli.main(["bundle", *argv])
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    assert code == 3 and word in capsys.readouterr().err


def test_a_release_is_shown_with_what_does_not_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from controller import cli

    assert cli.main(["bundle", "show", "2026.1", "--kubernetes", "1.28.15"]) == 0
    assert "5 without a hash" in capsys.readouterr().out
    wrong = manifest_of(FILES)
    wrong["artifacts"][0]["version"] = "24.1.rc2.2"
    (tmp_path / "m.yml").write_text(yaml.safe_dump(wrong), encoding="utf-8")
    assert cli.main(["bundle", "show", "--manifest", str(tmp_path / "m.yml")]) == 1
    out = capsys.readouterr().out
    assert "DOES NOT GO TOGETHER: npu_driver 24.1.rc2.2 needs npu_firmware" in out and "source: version.info" in out
    assert cli.main(["bundle", "build", "--manifest", str(tmp_path / "m.yml"), "--folder", str(tmp_path / "b")]) == 3
    assert not (tmp_path / "b").exists(), "nothing is touched"
