"""The virtual machine's disk: where the boot loader is, what goes into the image, and when it is built anew."""

from __future__ import annotations

import io
import re
import struct
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.state import LabError, State
from lab.vm import disk, guest, image

SECTOR = 512


def test_the_partitions_follow_each_other_and_leave_room_for_both_tables() -> None:
    assert disk.CORE_FIRST >= 34, "the first GPT takes 34 sectors"
    assert disk.CORE_LAST < disk.ESP_FIRST
    assert disk.ESP_LAST < disk.ROOT_FIRST
    assert disk.ROOT_LAST < disk.DISK_SECTORS - 33, "the second GPT takes 33 sectors"


def test_the_boot_sector_points_at_the_core_and_leaves_signature_and_table_alone() -> None:
    sector = disk.boot_sector(bytes(range(256)) * 2)
    assert len(sector) == 440
    assert struct.unpack_from("<Q", sector, 0x5C) == (disk.CORE_FIRST,)
    assert sector[0x66:0x68] == b"\x90\x90"
    assert sector[:0x5C] == bytes(range(0x5C))


@given(length=st.integers(SECTOR + 1, 2048 * SECTOR))
def test_the_core_knows_its_other_sectors(length: int) -> None:
    core = disk.embedded_core(b"\xaa" * length)
    first, count, segment = struct.unpack_from("<QHH", core, SECTOR - 12)
    assert len(core) % SECTOR == 0
    assert (first, segment) == (disk.CORE_FIRST + 1, 0x820)
    assert (count + 1) * SECTOR == len(core) >= length
    assert first + count - 1 <= disk.CORE_LAST


@pytest.mark.parametrize("length", [0, SECTOR, 2048 * SECTOR + 1])
def test_a_core_that_does_not_fit_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="expected 2 to 2048"):
        disk.embedded_core(bytes(length))


def test_the_core_is_written_after_the_file_systems_and_the_foreign_table_is_wiped(tmp_path: Path) -> None:
    image_file, calls = tmp_path / "disk.raw", []
    (tmp_path / "boot.img").write_bytes(b"B" * SECTOR)
    (tmp_path / "core.img").write_bytes(b"C" * 5000)

    def run(argv: Sequence[str]) -> None:
        calls.append(argv[0])
        with image_file.open("r+b") as stream:
            if argv[0] == "sgdisk":
                stream.write(b"P" * SECTOR)
            if argv[0] == "mformat":
                stream.seek(disk.ESP_FIRST * SECTOR)
                stream.write(b"F" * SECTOR)

    disk.assemble(tmp_path / "tree", tmp_path, image_file, run)
    assert calls == ["sgdisk", "mformat", "mmd", "mcopy", "mke2fs"]
    with image_file.open("rb") as stream:
        assert stream.read(SECTOR)[440:] == b"P" * 72, "the partition table stays"
        stream.seek(disk.CORE_FIRST * SECTOR)
        assert stream.read(10) == b"C" * 10
        stream.seek(disk.ESP_FIRST * SECTOR)
        assert stream.read(SECTOR) == b"F" * 446 + bytes(64) + b"F" * 2
    assert image_file.stat().st_size == disk.DISK_SECTORS * SECTOR


def test_no_tool_is_told_to_be_quiet_that_cannot_be() -> None:
    assert "-q" not in disk.partition_argv(Path("x"))


def test_the_root_file_system_fits_its_partition() -> None:
    argv = disk.root_argv(Path("disk.raw"), Path("tree"))
    kib = int(argv[-1].removesuffix("k"))
    [options] = [word for word in argv if word.startswith("offset=")]
    offset = int(options.split(",")[0].removeprefix("offset="))
    assert offset == disk.ROOT_FIRST * SECTOR
    assert offset + kib * 1024 == (disk.ROOT_LAST + 1) * SECTOR


def test_the_image_holds_no_key_and_no_secret() -> None:
    with tarfile.open(fileobj=io.BytesIO(image._files())) as tar:
        content = {member.name: tar.extractfile(member).read().decode() for member in tar}
    assert content == dict(guest.FILES)
    text = "\n".join(content.values()) + guest.SETUP
    assert "PRIVATE KEY" not in text
    assert not re.search(r"ssh-(ed25519|rsa) AAAA", text)
    assert 'rm -f "$root"/etc/ssh/ssh_host_*_key' in guest.SETUP, "keys that the package made are known to nobody"


def test_the_setup_script_is_a_shell_script() -> None:
    done = subprocess.run(["sh", "-n"], input=guest.SETUP, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        (guest, "PACKAGES", (*guest.PACKAGES, "nano")),
        (guest, "FILES", {**guest.FILES, "etc/hostname": "other\n"}),
        (guest, "SETUP", guest.SETUP + "\n"),
        (guest, "SUITE", "trixie"),
        (image, "OPTIONS", (*image.OPTIONS, "--verbose")),
    ],
)
def test_the_recipe_changes_with_what_goes_into_the_image(
    monkeypatch: pytest.MonkeyPatch, module: object, name: str, value: object
) -> None:
    before = image.recipe()
    assert image.recipe() == before
    assert re.fullmatch(r"[0-9a-f]{16}", before)
    monkeypatch.setattr(module, name, value)
    assert image.recipe() != before


def test_a_cached_image_is_used_and_two_of_them_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NPUFORGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(image.os, "geteuid", lambda: 0)
    monkeypatch.setattr(image, "missing_programs", lambda wanted: None)
    state, said, built = State(tmp_path / "state"), [], []
    state.make_folders()
    for number in range(3):
        old = tmp_path / "cache" / f"vm-{number:016d}.qcow2"
        old.parent.mkdir(exist_ok=True)
        old.write_bytes(b"old")

    def build(_state: State) -> None:
        built.append(1)
        image.path().write_bytes(b"new")

    monkeypatch.setattr(image, "_build", build)
    assert image.ensure(state, said.append) == image.path()
    assert image.ensure(state, said.append).read_bytes() == b"new"
    assert (len(built), len(said)) == (1, 1)
    assert len(list((tmp_path / "cache").glob("vm-*.qcow2"))) == image.KEPT_IMAGES


def test_a_build_that_fails_says_why_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NPUFORGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(image.os, "geteuid", lambda: 0)
    monkeypatch.setattr(image, "missing_programs", lambda wanted: None)
    monkeypatch.setattr(image, "bootstrap_argv", lambda scratch: ["sh", "-c", "echo no mirror answers; exit 25"])
    state = State(tmp_path / "state")
    state.make_folders()
    with pytest.raises(LabError, match=r"sh failed \(25\).*NPUFORGE_DEBIAN_MIRROR(.|\n)*no mirror answers"):
        image.ensure(state, lambda text: None)
    assert not image.path().exists()
    assert list(state.tmp.iterdir()) == []


def test_what_is_missing_is_named_by_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image.shutil, "which", lambda program, path: None if program in {"qemu-img", "mcopy"} else "/x")
    image.missing_programs({"mke2fs": "e2fsprogs"})
    with pytest.raises(LabError, match="needs mtools, qemu-utils: bin/system-packages --tests") as caught:
        image.missing_programs({"qemu-img": "qemu-utils", "mcopy": "mtools", "mke2fs": "e2fsprogs"})
    assert caught.value.code == 3
