"""Builds the vendor's packages with makeself and writes manifests with their real sizes and hashes; kept by recipe.

``<cache>/vendor-<recipe>/``: ``files/`` (``.run`` files, and the RPMs that a driver's installation needs) and
``manifest-<release>.yml`` for each release. Two builds of one recipe on one machine give the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from lab.nodes import repo
from lab.npu.collective import OPERATIONS
from lab.state import LabError, State, cache_directory, cache_lock, move
from lab.supervise import marked_environment
from lab.vendor import interpreter, payload, releases
from lab.vendor.payload import Package

SCHEMA = "npuforge.bundle/1"
HEADER = Path("/usr/share/makeself/makeself-header.sh")
BUILD_TIME = "1767225600"  # 2026-01-01
BUILD_SECONDS = 120
KEPT = 4
RPMS = ("kernel-devel", "kernel-headers", "gcc", "make", "dkms", "net-tools", "pciutils")
# The vendor's archives hand the options that they do not know to their own script, and check themselves before that.
CHANGES = (
    ("    -q | --quiet)\n", "    -q)\n"),
    ('    --check)\n\tMS_Check "\\$0" y\n\texit 0\n\t;;', '    --check)\n\tMS_Check "\\$0" n\n\tbreak\n\t;;'),
    ('    -*)\n\techo Unrecognized flag : "\\$1" >&2\n\tMS_Help\n\texit 1\n\t;;', "    -*)\n\tbreak ;;"),
)


def recipe() -> str:
    """16 hex digits that change with anything that goes into the packages."""
    digest = hashlib.sha256((repo.recipe() + BUILD_TIME + repr(CHANGES)).encode())
    sources = [*Path(__file__).parent.glob("*.py"), *payload.SCRIPTS.glob("*.sh"), payload.CLIENT, HEADER]
    for source in sorted(sources):
        if source.exists():
            digest.update(source.read_bytes())
    digest.update(repr(OPERATIONS).encode())
    return digest.hexdigest()[:16]


def path() -> Path:
    return cache_directory() / f"vendor-{recipe()}"


def served(state: State) -> Path:
    """What the site of a twin serves: a link to the packages that its ``up`` saw."""
    return state.root / "vendor"


def ensure(state: State, say: Callable[[str], None]) -> str:
    """Build the packages unless they are there, and let the site serve them; needs the RPM repository."""
    done = "cached"
    with cache_lock():
        if not path().exists():
            say("vendor's packages: building them")
            _build(state)
            _prune()
            done = "built"
    link = state.tmp / "vendor-link"
    link.unlink(missing_ok=True)
    link.symlink_to(path())
    link.replace(served(state))
    return done


def _prune() -> None:
    """Of the packages of earlier recipes keep some: another twin may serve them."""
    found = sorted(cache_directory().glob("vendor-*"), key=lambda folder: folder.stat().st_mtime)
    for folder in found[:-KEPT]:
        shutil.rmtree(folder)


def header(text: str) -> str:
    """makeself's header as the vendor's is. LabError: this makeself has another one."""
    for old, new in CHANGES:
        if text.count(old) != 1:
            raise LabError(f"{HEADER} is not as expected (2.4.5): no {old.split(chr(10))[0].strip()!r} to change")
        text = text.replace(old, new)
    return text


def _build(state: State) -> None:
    work = state.tmp / "vendor"
    shutil.rmtree(work, ignore_errors=True)
    files = work / "result" / "files"
    files.mkdir(parents=True)
    own = work / "header.sh"
    try:
        own.write_text(header(HEADER.read_text(encoding="utf-8")), encoding="utf-8")
    except FileNotFoundError as error:
        raise LabError("makeself is missing on this machine; run 'make system-packages'", code=3) from error
    for package in payload.packages():
        _package(state, package, work / "content", files / package.file, own)
    for rpm in rpms():
        shutil.copyfile(rpm, files / rpm.name)
    python = interpreter.ensure(state)
    shutil.copyfile(python, files / python.name)
    for release in releases.RELEASES:
        manifest(work / "result", release)
    for entry in (work / "result").rglob("*"):
        entry.chmod(0o755 if entry.is_dir() else 0o644)
    move(work / "result", path())


def _package(state: State, package: Package, content: Path, target: Path, own_header: Path) -> None:
    """makeself writes its command into the archive, so it runs beside the contents and is given no path of ours."""
    shutil.rmtree(content, ignore_errors=True)
    content.mkdir()
    script = package.fill(content)
    tar = f"--sort=name --owner=0 --group=0 --numeric-owner --mtime=@{BUILD_TIME}"
    done = subprocess.run(
        [
            *("makeself", "--quiet", "--sha256", "--nomd5", "--nocrc", "--nox11"),
            *("--header", f"./{os.path.relpath(own_header, content.parent)}"),
            *("--packaging-date", "2026-01-01", "--tar-extra", tar),
            *(content.name, package.file, package.title, f"./{script}", package.file),
        ],
        cwd=content.parent,
        capture_output=True,
        text=True,
        errors="replace",
        env={**marked_environment(state), "GZIP": "-n", "LC_ALL": "C.UTF-8"},
        timeout=BUILD_SECONDS,
        check=False,
    )
    if done.returncode:
        raise LabError(f"makeself of {package.file} failed ({done.returncode}): {done.stderr.strip()[-400:]}")
    (content.parent / package.file).rename(target)


def rpms() -> list[Path]:
    """What a driver's installation needs of the system, as packages of the nodes' repository."""
    main = repo.path() / "main"
    return sorted(found for name in RPMS for found in main.glob(f"{name}-[0-9]*.rpm"))


def manifest(folder: Path, release: releases.Release) -> None:
    """Write ``manifest-<release>.yml``; an origin there is relative to the site that serves it."""
    entries: list[dict[str, Any]] = [
        {
            "id": package.id,
            "file": package.file,
            "version": package.version,
            "arch": [package.arch or "noarch"],
            "chip": package.chip,
            "kind": "run",
            "license": payload.LICENSE,
        }
        for arch in releases.ARCHITECTURES
        for package in payload.of_release(release, arch)
        if package.arch == arch or arch == platform.machine()
    ]
    entries += [_rpm(file) for file in rpms()]
    entries += [_python(file) for file in sorted((folder / "files").glob("python-*.tar.gz"))]
    for entry in entries:
        content = (folder / "files" / str(entry["file"])).read_bytes()
        entry["origin"] = f"files/{entry['file']}"
        entry["size_bytes"] = len(content)
        entry["sha256"] = hashlib.sha256(content).hexdigest()
    document = {
        **{"schema": SCHEMA, "release": release.name, "title": release.title, "provenance": "simulated"},
        "artifacts": entries,
    }
    (folder / f"manifest-{release.name}.yml").write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")


def _rpm(file: Path) -> dict[str, Any]:
    name, version, rest = file.name.rsplit("-", 2)
    arch = rest.removesuffix(".rpm").rpartition(".")[2]
    return {
        "id": f"rpm:{name}",
        "file": file.name,
        "version": f"{version}-{rest.removesuffix(f'.{arch}.rpm')}",
        "arch": [arch],
        "chip": None,
        "kind": "rpm",
        "license": "Apache-2.0",
    }


def _python(file: Path) -> dict[str, Any]:
    return {
        "id": "python",
        "file": file.name,
        "version": interpreter.version(file.name),
        "arch": [platform.machine()],
        "chip": None,
        "kind": "tar",
        "license": interpreter.LICENSE,
    }


def installers(arch: str = os.uname().machine) -> list[Path]:
    """The packages of the first release for one architecture, in the order of a first installation."""
    return [path() / "files" / package.file for package in payload.of_release(releases.FIRST, arch)]
