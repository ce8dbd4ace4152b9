"""What a target fetches is whole and right, or is not there: over real HTTP, with servers that misbehave."""

from __future__ import annotations

import collections
import hashlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from bundle_helpers import QUICK, artifact, content, origin
from hypothesis import given, settings
from hypothesis import strategies as st
from npuforge.bundle import transfer
from npuforge.bundle.fetch import fetch
from npuforge.bundle.manifest import BundleError, Wanted, path_of, select, wanted_of
from npuforge.bundle.transfer import download

ROOT = Path(__file__).resolve().parents[2]
DATA = content(1, 700_001)
NAME = "npu_driver.run"
ENTRY = artifact(NAME, DATA)


def get(url: str, folder: Path, entry: Any = ENTRY, said: list[str] | None = None) -> Path:
    return fetch(url, entry, folder, (said if said is not None else []).append, limits=QUICK)


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_fetched_once_and_left_alone_then(tmp_path: Path) -> None:
    with origin({NAME: DATA}) as server:
        path = get(server.url, tmp_path)
        stamp = path.stat()
        assert path == tmp_path / NAME and path.read_bytes() == DATA and leftovers(tmp_path) == [NAME]
        assert get(server.url + "/", tmp_path).stat().st_ctime_ns == stamp.st_ctime_ns
    assert [path for path, _, _ in server.asked] == [f"/files/{NAME}"]


def test_rpms_come_from_the_repository(tmp_path: Path) -> None:
    with origin({"a-1.rpm": DATA}) as server:
        get(server.url, tmp_path, artifact("a-1.rpm", DATA))
    assert server.asked[0][0] == "/rpm/a-1.rpm"


def test_an_interrupted_download_goes_on_where_it_was(tmp_path: Path) -> None:
    said: list[str] = []
    with origin({NAME: DATA}, break_after=[200_000, 300_000]) as server:
        assert get(server.url, tmp_path, said=said).read_bytes() == DATA
    assert [asked[1] for asked in server.asked] == [None, "bytes=200000-", "bytes=500000-"]
    assert all(asked[2] for asked in server.asked[1:]), "If-Range names the file that was begun"
    assert any("ended after 200000 of 700001 bytes" in line for line in said)
    assert leftovers(tmp_path) == [NAME]


def test_what_one_run_got_the_next_one_keeps(tmp_path: Path) -> None:
    with origin({NAME: DATA}, break_after=[400_000, 10, 10]) as server:
        with pytest.raises(BundleError, match="ended after 400020 of 700001") as caught:
            get(server.url, tmp_path)
        assert caught.value.unreachable and caught.value.file == NAME
        assert not (tmp_path / NAME).exists() and (tmp_path / f".{NAME}.part").stat().st_size == 400_020
        assert get(server.url, tmp_path).read_bytes() == DATA
    assert server.asked[-1][1] == "bytes=400020-"


def test_a_server_without_ranges_starts_over(tmp_path: Path) -> None:
    said: list[str] = []
    with origin({NAME: DATA}, ranges=False, break_after=[300_000]) as server:
        assert get(server.url, tmp_path, said=said).read_bytes() == DATA
    assert len(server.asked) == 2 and any("from the beginning" in line for line in said)


@pytest.mark.parametrize("etags", [True, False], ids=["with an ETag", "without one"])
def test_a_part_of_what_the_file_was_before_is_not_built_upon(tmp_path: Path, etags: bool) -> None:
    old = content(2, len(DATA))
    with origin({NAME: old}, break_after=[400_000, 1, 1], etags=etags) as server:
        with pytest.raises(BundleError):
            get(server.url, tmp_path)
        server.files[NAME] = DATA
        assert get(server.url, tmp_path).read_bytes() == DATA
    assert leftovers(tmp_path) == [NAME]


def test_a_file_that_is_replaced_between_two_answers_is_fetched_anew(tmp_path: Path) -> None:
    said: list[str] = []
    with origin({NAME: content(2, len(DATA))}, break_after=[300_000], etags=False) as server:

        def replace(_seconds: float) -> None:
            server.files[NAME] = DATA

        download(f"{server.url}/{NAME}", wanted_of(ENTRY), tmp_path, said.append, limits=QUICK, sleep=replace)
    assert (tmp_path / NAME).read_bytes() == DATA and any("do not belong to one file" in line for line in said)
    assert [asked[1] for asked in server.asked] == [None, "bytes=300000-", None]


def test_a_changed_byte_is_refused_by_name(tmp_path: Path) -> None:
    wrong = bytearray(DATA)
    wrong[350_000] ^= 1
    with origin({NAME: bytes(wrong)}) as server, pytest.raises(BundleError, match=NAME) as caught:
        get(server.url, tmp_path)
    assert caught.value.expected == f"SHA-256 {ENTRY['sha256']}"
    assert caught.value.seen == f"SHA-256 {hashlib.sha256(wrong).hexdigest()}"
    assert not caught.value.unreachable and leftovers(tmp_path) == []


def test_a_damaged_file_is_replaced_by_the_right_one(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(DATA[:-1] + b"!")
    said: list[str] = []
    with origin({NAME: DATA}) as server:
        assert get(server.url, tmp_path, said=said).read_bytes() == DATA
    assert any("not the wanted file" in line for line in said)


@pytest.mark.parametrize("seen", [700_000, 700_002, 0])
def test_another_length_is_refused_before_it_is_taken(tmp_path: Path, seen: int) -> None:
    with origin({NAME: content(3, seen)}) as server, pytest.raises(BundleError, match="wrong size") as caught:
        get(server.url, tmp_path)
    assert caught.value.expected == "700001 bytes" and caught.value.seen == f"{seen} bytes"
    assert leftovers(tmp_path) == []


def test_more_than_was_announced_is_refused(tmp_path: Path) -> None:
    with origin({NAME: DATA + b"x" * 99}, no_length=True) as server:
        with pytest.raises(BundleError, match="wrong size"):
            get(server.url, tmp_path)
        assert not (tmp_path / NAME).exists()
        server.files[NAME] = DATA
        assert get(server.url, tmp_path).read_bytes() == DATA


def test_an_answer_without_length_is_judged_by_the_hash(tmp_path: Path) -> None:
    entry = {**ENTRY, "size_bytes": None}
    with origin({NAME: DATA}, no_length=True) as server:
        assert get(server.url, tmp_path, entry).read_bytes() == DATA
        server.files[NAME] = DATA[:-5]
        with pytest.raises(BundleError, match="wrong content"):
            get(server.url, tmp_path / "b", entry)


@pytest.mark.parametrize("status", [404, 403, 410])
def test_what_is_not_there_is_said_at_once(tmp_path: Path, status: int) -> None:
    with origin({NAME: DATA}, statuses=[status]) as server, pytest.raises(BundleError, match=str(status)) as caught:
        get(server.url, tmp_path)
    assert len(server.asked) == 1 and caught.value.unreachable


def test_a_server_in_trouble_is_asked_again(tmp_path: Path) -> None:
    with origin({NAME: DATA}, statuses=[503, 502]) as server:
        assert get(server.url, tmp_path).read_bytes() == DATA
        server.statuses = [500] * 9
        with pytest.raises(BundleError, match="HTTP 500"):
            get(server.url, tmp_path / "b")
    assert len(server.asked) == 3 + QUICK.attempts


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="refused") as caught:
        get("http://127.0.0.1:9", tmp_path)
    assert caught.value.unreachable


def test_a_trickle_counts_as_broken_and_is_taken_up_again(tmp_path: Path) -> None:
    said: list[str] = []
    with origin({NAME: DATA}, pause=0.11, piece=64) as server:

        def hurry(_seconds: float) -> None:
            server.pause, server.piece = 0.0, 1 << 16

        download(f"{server.url}/{NAME}", wanted_of(ENTRY), tmp_path, said.append, limits=QUICK, sleep=hurry)
    assert (tmp_path / NAME).read_bytes() == DATA and any("only" in line and "bytes in" in line for line in said)
    assert int(re.findall(r"\d+", str(server.asked[1][1]))[0]) > 0


def test_a_silent_server_is_given_up(tmp_path: Path) -> None:
    with origin({NAME: DATA}, pause=1.0) as server, pytest.raises(BundleError, match="timed out"):
        fetch(server.url, ENTRY, tmp_path, [].append, limits=QUICK._replace(timeout=0.1, attempts=2))


def test_a_range_that_was_not_asked_is_not_taken(tmp_path: Path) -> None:
    with origin({NAME: DATA}, break_after=[300_000], shift=7) as server:
        assert get(server.url, tmp_path).read_bytes() == DATA
    assert server.asked[-1][1] is None


def test_a_full_disk_is_seen_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = collections.namedtuple("usage", "total used free")
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda _: usage(1, 1, 700_000))
    with origin({NAME: DATA}) as server, pytest.raises(BundleError, match="no room") as caught:
        get(server.url, tmp_path)
    assert caught.value.seen == "700000 bytes free" and leftovers(tmp_path) == []


def test_proxies_of_the_environment_are_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with origin({NAME: DATA}) as server:
        assert get(server.url, tmp_path).read_bytes() == DATA


def test_two_at_a_time_do_not_mix(tmp_path: Path) -> None:
    results: list[object] = []

    def one() -> None:
        try:
            results.append(get(server.url, tmp_path))
        except BundleError as error:
            results.append(error)

    with origin({NAME: DATA}, pause=0.01) as server:
        threads = [threading.Thread(target=one) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    refused = [str(result) for result in results if isinstance(result, BundleError)]
    assert len(refused) < 4 and all("another process" in text for text in refused)
    assert (tmp_path / NAME).read_bytes() == DATA


def test_killed_in_the_middle_the_next_one_goes_on(tmp_path: Path) -> None:
    program = (
        "import json, sys; from npuforge.bundle.fetch import fetch\n"
        "fetch(sys.argv[1], json.loads(sys.argv[2]), sys.argv[3], print)"
    )
    import json

    with origin({NAME: DATA}, pause=0.02, piece=1 << 14) as server:
        process = subprocess.Popen(
            [sys.executable, "-c", program, server.url, json.dumps(ENTRY), str(tmp_path)],
            env={**os.environ, "PYTHONPATH": str(ROOT / "plugins/module_utils")},
        )
        part, deadline = tmp_path / f".{NAME}.part", time.monotonic() + 20
        while time.monotonic() < deadline and (not part.exists() or part.stat().st_size < 100_000):
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        kept = part.stat().st_size
        assert 100_000 <= kept < len(DATA) and not (tmp_path / NAME).exists()
        server.pause = 0
        assert get(server.url, tmp_path).read_bytes() == DATA
    assert server.asked[-1][1] == f"bytes={kept}-"


@pytest.mark.parametrize("notes", ["", "[]", "{", '{"sha256": null}', "\udcff"], ids=repr)
def test_remains_of_anything_are_no_obstacle(tmp_path: Path, notes: str) -> None:
    (tmp_path / f".{NAME}.part").write_bytes(b"garbage" * 9)
    (tmp_path / f".{NAME}.part.json").write_bytes(notes.encode(errors="surrogateescape"))
    with origin({NAME: DATA}) as server:
        assert get(server.url, tmp_path).read_bytes() == DATA
    assert leftovers(tmp_path) == [NAME]


@settings(max_examples=15)
@given(st.integers(0, 150_000), st.lists(st.integers(1, 90_000), max_size=5), st.booleans(), st.booleans())
def test_however_it_breaks_it_becomes_whole(size: int, breaks: list[int], ranges: bool, etags: bool) -> None:
    import tempfile

    data = content(size, size)
    with (
        tempfile.TemporaryDirectory() as folder,
        origin({NAME: data}, break_after=breaks, ranges=ranges, etags=etags) as server,
    ):
        for _ in range(8):
            try:
                path = get(server.url, Path(folder), artifact(NAME, data))
                break
            except BundleError as error:
                assert error.unreachable
        assert path.read_bytes() == data and leftovers(Path(folder)) == [NAME]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"file": "../etc/passwd"}, "not the name of a file"),
        ({"file": "a/b"}, "not the name of a file"),
        ({"file": ".hidden"}, "not the name of a file"),
        ({"file": "x\n"}, "not the name of a file"),
        ({"file": None}, "not the name of a file"),
        ({"sha256": None}, "no hash"),
        ({"sha256": "A" * 64}, "not a SHA-256"),
        ({"sha256": 5}, "not a SHA-256"),
        ({"size_bytes": -1}, "not a number of bytes"),
        ({"size_bytes": True}, "not a number of bytes"),
        ({"size_bytes": "7"}, "not a number of bytes"),
    ],
)
def test_an_entry_that_is_none_is_refused_before_anything_is_asked(
    tmp_path: Path, change: dict[str, Any], problem: str
) -> None:
    with pytest.raises(BundleError, match=problem):
        get("http://127.0.0.1:9", tmp_path, {**ENTRY, **change})


@pytest.mark.parametrize("entry", [None, [], "x", {}])
def test_an_entry_of_another_shape_is_refused(tmp_path: Path, entry: Any) -> None:
    with pytest.raises(BundleError):
        get("http://127.0.0.1:9", tmp_path, entry)


@pytest.mark.parametrize("url", ["", "ftp://h/", "file:///etc", None, "10.0.0.1:8077"])
def test_an_address_that_is_none_is_refused(tmp_path: Path, url: Any) -> None:
    with pytest.raises(BundleError, match="address"):
        get(url, tmp_path)


def test_a_page_in_place_of_an_unhashed_file_is_refused(tmp_path: Path) -> None:
    wanted = Wanted(NAME, None, None)
    with origin({NAME: b"<html>log in"}, content_type="text/html; charset=utf-8") as server:
        with pytest.raises(BundleError, match="web page"):
            download(f"{server.url}/{NAME}", wanted, tmp_path, [].append, limits=QUICK)
        server.content_type, server.no_length = "application/octet-stream", True
        with pytest.raises(BundleError, match="does not say how long"):
            download(f"{server.url}/{NAME}", wanted, tmp_path, [].append, limits=QUICK)


def test_a_node_gets_what_is_for_it() -> None:
    entries = [
        artifact("a.run", arch=["aarch64"]),
        artifact("b.run", arch=["x86_64"]),
        artifact("c.run", arch=["noarch"], chip=None),
        artifact("d.run", arch=["aarch64", "x86_64"], chip="a3"),
    ]

    def names(*node: Any) -> str:
        return "".join(entry["file"][0] for entry in select(entries, *node))

    assert names("aarch64", "910b") == "ac" and names("arm64") == "acd" and names("x86-64", "a3") == "cd"
    assert names("riscv64", "910b") == "c"
    assert [path_of(entry) for entry in entries[:1]] == ["files/a.run"]
