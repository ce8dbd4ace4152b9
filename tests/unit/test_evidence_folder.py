"""The run folder: atomic, private, joined by its process only, and read back whatever lies in it."""

from __future__ import annotations

import concurrent.futures
import hashlib
import json
import multiprocessing
import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from evidence_helpers import bmc_facts, inventory, observation

from controller import evidence
from controller.contract import Document
from controller.evidence import EvidenceError, RunFolder, find_run, join_or_create, process_identity
from controller.verdicts import judge_run

NOW = datetime(2026, 11, 24, 6, 4, 5, tzinfo=UTC)
SECRET = "Pl4nted/secret"


def new(tmp_path: Path, **more: Any) -> RunFolder:
    return RunFolder.create(tmp_path, "twin", inventory(), "hardware", secrets=[SECRET], now=NOW, **more)


def entry(text: str | None = "out", facts: Document | None = None, **more: Any) -> Document:
    raw = {"name": "redfish.json", "argv": ["GET", "/redfish/v1"], "rc": 0, "seconds": 0.5, "text": text}
    return {"observation": observation("bmc", "node1", facts or bmc_facts()), "raw": [{**raw, **more}]}


def test_a_new_run(tmp_path: Path) -> None:
    os.umask(0o022)
    folder = new(tmp_path)
    folder.record(entry())
    assert folder.path == tmp_path / "twin" / "20261124T060405Z"
    assert (tmp_path / "twin" / "latest").readlink() == Path("20261124T060405Z")
    for path in [tmp_path / "twin", *tmp_path.glob("twin/2*"), *tmp_path.rglob("twin/2*/*")]:
        wanted = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == wanted, path
    run = folder.run()
    assert (run["run_id"], run["started_at"], run["finished_at"]) == ("20261124T060405Z", "2026-11-24T06:04:05Z", None)


def test_two_runs_in_one_second_are_two(tmp_path: Path) -> None:
    assert [new(tmp_path).run()["run_id"] for _ in range(3)] == [
        "20261124T060405Z",
        "20261124T060405Z-2",
        "20261124T060405Z-3",
    ]
    assert find_run(tmp_path, "twin").name == "20261124T060405Z-3"


@pytest.mark.parametrize("site", ["../x", "", "a/b", ".hidden", "a b"])
def test_a_site_name_cannot_lead_elsewhere(tmp_path: Path, site: str) -> None:
    with pytest.raises(EvidenceError, match="site"):
        RunFolder.create(tmp_path, site, inventory(), "hardware")
    assert list(tmp_path.iterdir()) == []


def test_a_process_joins_its_own_run_and_no_other(tmp_path: Path) -> None:
    me = process_identity(os.getpid())
    other = process_identity(os.getppid())
    first, joined = join_or_create(tmp_path, "twin", inventory(), "hardware", process=me)
    assert not joined
    again, joined = join_or_create(tmp_path, "twin", inventory(2), "simulated", process=me)
    assert joined
    assert again.path == first.path
    assert again.run()["provenance"] == "simulated"
    assert len(again.run()["inventory"]["profiles"]) == 2
    third, joined = join_or_create(tmp_path, "twin", inventory(), "hardware", process=other)
    assert not joined
    assert third.path != first.path
    mine, joined = join_or_create(tmp_path, "twin", inventory(), "hardware", process=me)
    assert (mine.path, joined) == (first.path, True), "another process's run has begun since, and must not matter"
    assert join_or_create(tmp_path, "other", inventory(), "hardware", process=other)[1] is False


def test_a_stamp_of_simulation_stays(tmp_path: Path) -> None:
    folder, _ = join_or_create(tmp_path, "twin", inventory(), "simulated", wanted="20261124T000000Z")
    join_or_create(tmp_path, "twin", inventory(), "hardware", wanted="20261124T000000Z")
    assert folder.run()["provenance"] == "simulated"


def test_a_run_that_is_named(tmp_path: Path) -> None:
    made, joined = join_or_create(tmp_path, "twin", inventory(), "hardware", wanted="20260101T000000Z")
    assert (made.path.name, joined) == ("20260101T000000Z", False)
    newer = new(tmp_path)
    assert join_or_create(tmp_path, "twin", inventory(), "hardware", wanted="20260101T000000Z")[0].path == made.path
    assert join_or_create(tmp_path, "twin", inventory(), "hardware", wanted="latest")[0].path == newer.path.resolve()
    for bad in ("../x", "newest", "2026"):
        with pytest.raises(EvidenceError, match="not a run id"):
            join_or_create(tmp_path, "twin", inventory(), "hardware", wanted=bad)
    with pytest.raises(EvidenceError, match="no run latest of the site 'empty'"):
        join_or_create(tmp_path, "empty", inventory(), "hardware", wanted="latest")


def test_a_damaged_latest_run_is_left_alone(tmp_path: Path) -> None:
    first = new(tmp_path)
    (first.path / "run.json").write_text("{half", encoding="utf-8")
    folder, joined = join_or_create(tmp_path, "twin", inventory(), "hardware", process=process_identity(os.getpid()))
    assert not joined
    assert folder.path != first.path
    with pytest.raises(EvidenceError, match=r"run\.json cannot be read"):
        first.run()


def test_raw_output_is_kept_redacted_and_hashed_as_it_is_stored(tmp_path: Path) -> None:
    folder = new(tmp_path)
    text = f'{{"Password": "other", "x": "{SECRET}", "ok": "Enabled"}}'
    path = folder.record(entry(text, argv=["curl", f"--header=X-Auth-Token: {SECRET}"]))
    document = json.loads(path.read_text(encoding="utf-8"))
    (raw,) = document["raw"]
    stored = (folder.path / raw["file"]).read_bytes()
    assert raw["sha256"] == hashlib.sha256(stored).hexdigest()
    assert raw["bytes"] == len(stored)
    assert b"Enabled" in stored
    assert folder.verify() == []
    for file in folder.path.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            assert b"Pl4nted" not in data
            assert b"other" not in data
    (folder.path / raw["file"]).write_bytes(b"forged")
    assert folder.verify() == [f"{raw['file']}: differs from its SHA-256 in observations/bmc-node1-bmc_info.json"]
    (folder.path / raw["file"]).unlink()
    assert "No such file" in folder.verify()[0]


def test_large_raw_output_is_cut_with_a_note_and_no_half_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "RAW_LIMIT_BYTES", 1000)
    folder = new(tmp_path)
    path = folder.record(entry("x" * 995 + SECRET + "y" * 5000))
    (raw,) = json.loads(path.read_text(encoding="utf-8"))["raw"]
    assert raw["note"] == f"cut to 1000 bytes of {995 + len(SECRET) + 5000}"
    stored = (folder.path / raw["file"]).read_bytes()
    assert len(stored) == raw["bytes"] == 1000
    assert b"Pl4" not in stored


def test_text_that_is_missing_or_not_unicode_is_kept(tmp_path: Path) -> None:
    folder = new(tmp_path)
    folder.record(entry(None))
    assert folder.verify() == []
    folder.record(entry("caf\udce9", name="../../etc/passwd"))
    (item,), problems = folder.observed()
    assert problems == []
    (raw,) = item.document["raw"]
    assert Path(raw["file"]).parent == Path("raw")
    assert (folder.path / raw["file"]).read_bytes() == b"caf\xe9"


def test_what_is_no_observation_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    folder = new(tmp_path)
    bad: list[Any] = [
        None,
        {},
        {"observation": {"facts": {}}},
        {**entry(), "observation": {**entry()["observation"], "subject": {"kind": "moon", "id": "1"}}},
        {**entry(), "raw": ["text"]},
        {**entry(), "raw": [{"name": "x", "rc": "zero", "seconds": 0, "text": ""}]},
        entry(facts={"reading": float("nan")}),
    ]
    for document in bad:
        with pytest.raises(EvidenceError):
            folder.record(document)
    assert list((folder.path / "observations").iterdir()) == []
    assert folder.observed() == ([], [])


def test_strange_ids_get_file_names_of_their_own(tmp_path: Path) -> None:
    folder = new(tmp_path)
    for name in ("a/b", "a_b", "..", "机柜1", "x" * 200):
        folder.record({"observation": observation("rack", name, {}, collector="survey"), "raw": []})
    items, problems = folder.observed()
    assert problems == []
    assert {item.id for item in items} == {"a/b", "a_b", "..", "机柜1", "x" * 200}


def test_half_written_and_foreign_files_are_named_and_passed_over(tmp_path: Path) -> None:
    folder = new(tmp_path)
    folder.record(entry())
    place = folder.path / "observations"
    (place / "half.json").write_text('{"schema": "npuforge.obs', encoding="utf-8")
    (place / "other.json").write_text("[1, 2]", encoding="utf-8")
    (place / "binary").write_bytes(b"\xff\xfe\x00")
    (place / ".new-abc").write_text("{}", encoding="utf-8")
    (place / "directory").mkdir()
    items, problems = folder.observed()
    assert [item.id for item in items] == ["node1"]
    assert len(problems) == 5
    assert any("left behind" in problem for problem in problems)


def test_the_reference_is_the_hash_of_the_file(tmp_path: Path) -> None:
    folder = new(tmp_path)
    path = folder.record(entry())
    (item,), _ = folder.observed()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert item.reference == f"observations/bmc-node1-bmc_info.json#{digest}"


def test_stages_keep_their_first_start(tmp_path: Path) -> None:
    folder = new(tmp_path)
    later = datetime(2026, 11, 24, 7, tzinfo=UTC)
    folder.mark_stage("hardware", "started", NOW)
    assert folder.run()["stages"]["hardware"]["finished_at"] is None
    folder.mark_stage("hardware", "done", later)
    folder.mark_stage("hardware", "started", later)
    assert folder.run()["stages"]["hardware"] == {
        "started_at": "2026-11-24T06:04:05Z",
        "finished_at": "2026-11-24T07:00:00Z",
        "state": "done",
    }


def test_nothing_is_written_outside_the_folder(tmp_path: Path) -> None:
    folder = new(tmp_path)
    for name in ("../x.json", "/tmp/x.json", "a/../../x"):
        with pytest.raises(EvidenceError, match="leads out"):
            folder.write_text(name, "x")


def test_texts_are_redacted_and_binaries_are_not_touched(tmp_path: Path) -> None:
    folder = new(tmp_path)
    assert SECRET not in folder.write_text("report.html", f"<p>{SECRET}</p>").read_text(encoding="utf-8")
    assert folder.write_bytes("events.jsonl", SECRET.encode()).read_bytes() == b"[redacted]"
    assert folder.write_bytes("report.pdf", b"\x00\xffPl4").read_bytes() == b"\x00\xffPl4"


def record_one(path: str, number: int) -> None:
    """What one of Ansible's workers does."""
    folder = RunFolder(Path(path))
    facts = {**bmc_facts(number), "notes": []}
    folder.record({"observation": observation("bmc", f"node{number}", facts), "raw": []})
    folder.mark_stage(f"stage{number}", "done")


def test_workers_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    folder = new(tmp_path)
    context = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(4, mp_context=context) as pool:
        list(pool.map(record_one, [str(folder.path)] * 24, range(24)))
    assert len(folder.observed()[0]) == 24
    assert set(folder.run()["stages"]) == {f"stage{number}" for number in range(24)}


def test_judging_a_folder_writes_verdicts_and_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controller.verdicts._render", lambda *_: ({}, []))
    folder = new(tmp_path)
    for number in (1, 2, 3):
        observed = {"observation": observation("bmc", f"node{number}", bmc_facts(number)), "raw": []}
        folder.record(observed)
    folder.mark_stage("hardware", "done")
    (folder.path / "observations" / "half.json").write_text("{", encoding="utf-8")
    result = judge_run(folder)
    assert result["counts"]["fail"] == 0
    assert {row["subject"]["kind"] for row in result["findings"]} == {"switch"}, "sw1 was not observed"
    assert result["ledger"] == {"devices": 3, "inventory_items": 189, "events": 0, "outliers": 0}
    assert "half.json" in result["problems"][0]
    assert {path.name for path in folder.site_directory.glob("ledger.*")} == {
        "ledger.json",
        "ledger.csv",
        "ledger.xlsx",
    }
    before = (folder.site_directory / "ledger.json").read_bytes()
    assert judge_run(folder)["counts"] == result["counts"]
    assert (folder.site_directory / "ledger.json").read_bytes() == before


def test_a_report_that_fails_is_a_warning_and_the_verdicts_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> dict[str, Path]:
        raise RuntimeError("no font")

    monkeypatch.setattr("controller.report.render_all", broken)
    folder = new(tmp_path)
    result = judge_run(folder)
    assert result["warnings"] == ["the report could not be made: RuntimeError: no font"]
    assert (folder.path / "verdicts.json").is_file()
