"""The vendor's packages: their files, their archives, and the site that serves them. No installer runs here."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
from pathlib import Path

import pytest
import yaml
from aiohttp.test_utils import TestClient, TestServer

from lab.nodes import repo
from lab.state import LabError, State
from lab.vendor import build, payload, releases
from lab.vendor.server import application

SCHEMA_IDS = {"npu_driver", "npu_firmware", "cann_toolkit", "cann_kernels", "cann_nnal"}


# --- version files ---------------------------------------------------------------------------------------------------


def keys(text: str) -> list[str]:
    return [line.partition("=")[0] for line in text.splitlines()]


def capture(shared: Path, start: str) -> str:
    [path] = (shared / "fixtures" / "ascend").glob(start)
    return path.read_text(encoding="utf-8")


def test_version_files_are_those_of_the_captures(shared: Path) -> None:
    assert releases.driver_info(releases.NARROW) == capture(shared, "driver_version_info__24.1.rc2.2*")
    cann = capture(shared, "cann_install_info__toolkit_8.2.RC1*")
    path = "/usr/local/Ascend/ascend-toolkit/8.2.RC1/aarch64-linux"
    assert releases.cann_info("Ascend-cann-toolkit", releases.NEWER.cann, "aarch64", path).strip() == cann.strip()
    firmware = capture(shared, "firmware_version_info__*")
    assert keys(releases.firmware_info(releases.FIRST.firmware)) == keys(firmware)


@pytest.mark.parametrize("release", releases.RELEASES, ids=lambda release: release.name)
def test_the_packages_of_a_release_go_together(release: releases.Release) -> None:
    assert releases.works_with(release.driver, release.firmware.version)
    driver_generation, cann_generation = (text[8:11] for text in (release.driver.inner, release.cann.inner))
    assert driver_generation in release.cann.accepts or cann_generation in release.driver.accepts


def test_the_narrow_driver_works_with_neither_firmware() -> None:
    assert not any(releases.works_with(releases.NARROW, release.firmware.version) for release in releases.RELEASES)


def test_names_of_files_are_the_vendors() -> None:
    names = [package.file for package in payload.of_release(releases.FIRST, "x86_64")]
    assert names == [
        "Ascend-hdk-910b-npu-driver_24.1.0.3_linux-x86-64.run",
        "Ascend-hdk-910b-npu-firmware_7.5.0.5.220.run",
        "Ascend-cann-toolkit_8.1.RC1_linux-x86_64.run",
        "Ascend-cann-kernels-910b_8.1.RC1_linux-x86_64.run",
        "Ascend-cann-nnal_8.1.RC1_linux-x86_64.run",
    ]
    everything = payload.packages()
    assert len({package.file for package in everything}) == len(everything)
    assert {package.id for package in everything} == SCHEMA_IDS


# --- contents and archives -------------------------------------------------------------------------------------------


def test_a_driver_brings_the_tools_and_the_unit_but_not_its_version_file(tmp_path: Path) -> None:
    """version.info is what says that an installation came to its end, so the script lays it down last."""
    driver = payload.of_release(releases.FIRST, "x86_64")[0]
    assert driver.fill(tmp_path) == "driver.sh"
    for tool in ("usr/local/sbin/npu-smi", "usr/local/Ascend/driver/tools/hccn_tool"):
        assert (tmp_path / "files" / tool).stat().st_mode & 0o777 == 0o755
    assert "hccn_tool -a -cfg recovery" in (tmp_path / "files/etc/systemd/system/npu-network.service").read_text()
    assert not list((tmp_path / "files").rglob("version.info"))
    assert (tmp_path / "version.info").read_text().startswith("Version=24.1.0.3\n")


def test_scripts_are_shell() -> None:
    for script in payload.SCRIPTS.glob("*.sh"):
        subprocess.run(["bash", "-n", str(script)], check=True)


@pytest.mark.parametrize(
    ("version", "ranges", "inside"),
    [
        ("7.5.0.5.220", "[7.0.0,7.6.99]", True),
        ("7.7.0.1.231", "[7.0.0,7.6.99]", False),
        ("6.4.12", "[6.4.0,6.4.99],[7.0.0,8.9.9]", True),
        ("24.1.0.3", "[23.0.0,23.0.0.],[24.1,24.1.]", True),
        ("24.1", "[24.1,24.1.]", True),
        ("24.10", "[24.1,24.1.]", False),
        ("25.2.0", "[24.1,24.1.],[25.0,25.0.]", False),
    ],
)
def test_installers_judge_ranges_as_the_files_write_them(version: str, ranges: str, inside: bool) -> None:
    script = f'. {payload.SCRIPTS / "hdk.sh"}; within "$1" "$2"'
    done = subprocess.run(["bash", "-c", script, "sh", version, ranges], check=False)
    assert (done.returncode == 0) == inside


def test_another_makeself_is_refused() -> None:
    text = build.HEADER.read_text(encoding="utf-8")
    changed = build.header(text)
    assert "Unrecognized flag" not in changed
    with pytest.raises(LabError, match="not as expected"):
        build.header(changed)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A firmware package, built twice; the folder of the first."""
    root = tmp_path_factory.mktemp("vendor")
    own = root / "header.sh"
    own.write_text(build.header(build.HEADER.read_text(encoding="utf-8")), encoding="utf-8")
    package = payload.of_release(releases.FIRST, "x86_64")[1]
    for attempt in ("one", "two"):
        work = root / attempt
        work.mkdir()
        build._package(State(root / "state"), package, work / "content", work / "package.run", own)
    return root


def test_two_builds_give_the_same_bytes(made: Path) -> None:
    one, two = ((made / name / "package.run").read_bytes() for name in ("one", "two"))
    assert hashlib.sha256(one).digest() == hashlib.sha256(two).digest()
    assert str(made).encode() not in one


def test_an_archive_checks_itself_and_names_what_is_wrong(made: Path, tmp_path: Path) -> None:
    package = made / "one" / "package.run"
    content = bytearray(package.read_bytes())
    content[-1000] ^= 0x01
    broken, short = tmp_path / "broken.run", tmp_path / "short.run"
    broken.write_bytes(bytes(content))
    short.write_bytes(package.read_bytes()[:-4096])

    def told(path: Path) -> tuple[int, str]:
        done = subprocess.run(
            ["sh", str(path), "--noexec"], capture_output=True, text=True, errors="replace", check=False
        )
        return done.returncode, done.stdout + done.stderr

    code, text = told(package)
    assert code == 0
    assert "SHA256 checksums are OK." in text
    assert "Uncompressing ASCEND-HDK-910B-NPU FIRMWARE RUN PACKAGE" in text
    assert "Error in SHA256 checksums" in told(broken)[1]
    assert told(broken)[0] == 2
    assert "Unexpected archive size" in told(short)[1]


# --- manifest and site -----------------------------------------------------------------------------------------------


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the site serves, with files that are not the real ones."""
    monkeypatch.setattr(build, "rpms", lambda: [tmp_path / "kernel-devel-6.6.0-72.0.0.oe2403.x86_64.rpm"])
    files = tmp_path / "site" / "files"
    files.mkdir(parents=True)
    for name in [package.file for package in payload.packages()] + [path.name for path in build.rpms()]:
        (files / name).write_bytes(name.encode() * 50)
    for release in releases.RELEASES:
        build.manifest(tmp_path / "site", release)
    (tmp_path / "secret").write_text("not for you", encoding="utf-8")
    return tmp_path / "site"


def test_the_manifest_tells_sizes_and_hashes_of_the_files(site: Path) -> None:
    document = yaml.safe_load((site / "manifest-twin-2026.1.yml").read_text(encoding="utf-8"))
    assert (document["schema"], document["provenance"]) == ("npuforge.bundle/1", "simulated")
    slots = [(item["id"], item["arch"][0]) for item in document["artifacts"]]
    assert len(slots) == len(set(slots))
    assert {("npu_driver", "aarch64"), ("npu_driver", "x86_64"), ("npu_firmware", "noarch")} <= set(slots)
    for item in document["artifacts"]:
        content = (site / "files" / item["file"]).read_bytes()
        assert (item["size_bytes"], item["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    rpm = next(item for item in document["artifacts"] if item["kind"] == "rpm")
    assert (rpm["id"], rpm["version"], rpm["arch"]) == ("rpm:kernel-devel", "6.6.0-72.0.0.oe2403", ["x86_64"])


def test_the_site_serves_ranges_manifests_and_a_tampered_copy_and_nothing_else(site: Path) -> None:
    name = releases.firmware_file(releases.FIRST.firmware.version)
    whole = (site / "files" / name).read_bytes()

    async def ask() -> None:
        async with TestClient(TestServer(application(site))) as client:

            async def get(path: str, status: int = 200, **headers: str) -> bytes:
                async with client.get(path, headers=headers) as answer:
                    assert answer.status == status, path
                    return await answer.read()

            assert await get(f"/files/{name}") == whole
            assert await get(f"/files/{name}", 206, Range="bytes=10-19") == whole[10:20]
            assert await get(f"/files/{name}", 206, Range=f"bytes={len(whole) - 5}-") == whole[-5:]
            await get(f"/files/{name}", 416, Range=f"bytes={len(whole)}-")
            changed = await get(f"/tampered/{name}")
            assert len(changed) == len(whole)
            assert sum(one != two for one, two in zip(changed, whole, strict=True)) == 1
            first = yaml.safe_load(await get("/manifest.yml"))
            newer = yaml.safe_load(await get("/manifest-twin-2026.2.yml"))
            assert (first["release"], newer["release"]) == ("twin-2026.1", "twin-2026.2")
            origin = next(item["origin"] for item in first["artifacts"] if item["file"] == name)
            assert origin.startswith("http://127.0.0.1:")
            assert await get("/files/" + origin.rpartition("/")[2]) == whole
            assert f"/files/{name}\n".encode() in await get("/")
            for path in ("/files/../secret", "/files/%2e%2e%2fsecret", "/files/", "/manifest-none.yml", "/secret"):
                await get(path, 404)
            async with client.post(f"/files/{name}") as answer:
                assert answer.status == 405

    asyncio.run(ask())


def test_recipes_follow_what_goes_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first = build.recipe()
    assert build.recipe() == first
    monkeypatch.setattr(payload, "CLIENT", tmp_path / "client")
    (tmp_path / "client").write_text("another", encoding="utf-8")
    second = build.recipe()
    monkeypatch.setattr(repo, "BUILD_TIME", "1")
    assert len({first, second, build.recipe()}) == 3
