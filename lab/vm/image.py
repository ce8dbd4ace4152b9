"""Builds the virtual machine's disk: Debian by mmdebstrap, GRUB, kept as ``vm-<recipe>.qcow2`` in the cache."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

from lab.state import LabError, State, cache_directory, cache_lock, move
from lab.supervise import marked_environment
from lab.vm import disk, guest

KEPT_IMAGES = 2
BUILD_SECONDS = 900  # a slow mirror; normally a minute
PROGRAMS = {
    "mke2fs": "e2fsprogs",
    "mmdebstrap": "mmdebstrap",
    "mformat": "mtools",
    "qemu-img": "qemu-utils",
    "sgdisk": "gdisk",
}
OPTIONS = (
    "--variant=essential",
    "--format=directory",
    '--aptopt=Acquire::Languages "none"',
    '--aptopt=Acquire::Retries "3"',
    '--aptopt=APT::Sandbox::User "root"',
    '--aptopt=APT::Install-Recommends "false"',
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=force-unsafe-io",
)


def recipe() -> str:
    """16 hex digits that change with anything that goes into the image."""
    layout = Path(disk.__file__).read_text(encoding="utf-8")
    parts = [guest.SUITE, OPTIONS, guest.PACKAGES, dict(guest.FILES), guest.SETUP, layout]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def path() -> Path:
    return cache_directory() / f"vm-{recipe()}.qcow2"


def missing_programs(wanted: dict[str, str]) -> None:
    """Raise LabError naming the packages of what is not installed. ``wanted``: program -> Debian package."""
    # mke2fs and sgdisk are in sbin, which is not on everybody's PATH.
    search = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
    packages = sorted({package for program, package in wanted.items() if not shutil.which(program, path=search)})
    if packages:
        raise LabError(f"the VM tier needs {', '.join(packages)}: bin/system-packages --tests", code=3)


def ensure(state: State, say: Callable[[str], None]) -> Path:
    """The disk image of today's recipe, built when it is not in the cache (root; about a minute and a half)."""
    if path().exists():
        return path()
    missing_programs(PROGRAMS)
    if os.geteuid() != 0:
        raise LabError("building the VM's image needs root (mmdebstrap): use sudo", code=3)
    with cache_lock():
        if not path().exists():
            say(f"VM image: building it (a minute or two; {_log(state)})")
            try:
                _build(state)
            finally:
                shutil.rmtree(_scratch(state), ignore_errors=True)
            _prune()
    return path()


def _log(state: State) -> Path:
    return state.log / "vm-image.log"


def _scratch(state: State) -> Path:
    return state.tmp / "vm-image"


def bootstrap_argv(scratch: Path) -> list[str]:
    """mmdebstrap into ``scratch/root``; the guest's files first, so that its packages' scripts already see them."""
    mirror = os.environ.get("NPUFORGE_DEBIAN_MIRROR")
    # In a mount and pid namespace of its own: whatever ends unshare ends all of it and leaves no mount behind.
    return [
        *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
        *("mmdebstrap", "--mode=root", *OPTIONS, f"--include={','.join(guest.PACKAGES)}"),
        f"--essential-hook=tar-in {scratch / 'files.tar'} /",
        f'--customize-hook=sh {scratch / "setup.sh"} "$1"',
        *(guest.SUITE, str(scratch / "root"), *([mirror] if mirror else [])),
    ]


def _build(state: State) -> None:
    scratch = _scratch(state)
    shutil.rmtree(scratch, ignore_errors=True)
    (scratch / "tmp").mkdir(parents=True)
    scratch.chmod(0o755)
    (scratch / "files.tar").write_bytes(_files())
    (scratch / "setup.sh").write_text(guest.SETUP, encoding="utf-8")
    environment = {**marked_environment(state), "TMPDIR": str(scratch / "tmp"), "MTOOLS_SKIP_CHECK": "1"}
    environment["PATH"] = f"{environment.get('PATH', '')}:/usr/sbin:/sbin"
    with _log(state).open("wb") as stream:

        def run(argv: Sequence[str]) -> None:
            stream.write(f"--- {' '.join(argv)}\n".encode())
            stream.flush()
            try:
                done = subprocess.run(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=stream,
                    stderr=stream,
                    env=environment,
                    timeout=BUILD_SECONDS,
                    check=False,
                )
            except subprocess.TimeoutExpired as error:
                raise LabError(f"{argv[0]} did not end within {BUILD_SECONDS} s; see {_log(state)}") from error
            if done.returncode != 0:
                tail = _log(state).read_text(encoding="utf-8", errors="replace").splitlines()[-8:]
                raise LabError(
                    f"{argv[0]} failed ({done.returncode}); a nearer mirror: NPUFORGE_DEBIAN_MIRROR=http://...; "
                    f"{_log(state)} ends:\n" + "\n".join(f"  | {line}" for line in tail)
                )

        run(bootstrap_argv(scratch))
        boot = scratch / "boot"
        shutil.move(scratch / "root" / guest.BOOT_FOLDER, boot)
        raw, packed = scratch / "disk.raw", scratch / "disk.qcow2"
        disk.assemble(scratch / "root", boot, raw, run)
        run(["qemu-img", "convert", "-O", "qcow2", str(raw), str(packed)])
    move(packed, path())


def _prune() -> None:
    """Of the images of earlier recipes keep one, for whoever goes back and forth between two versions."""
    images = sorted(cache_directory().glob("vm-*.qcow2"), key=lambda image: image.stat().st_mtime)
    for image in images[:-KEPT_IMAGES]:
        image.unlink()  # a machine that runs on it keeps it open


def _files() -> bytes:
    """The guest's files as a tar."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in guest.FILES.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content.encode()), 0o644
            tar.addfile(entry, io.BytesIO(content.encode()))
    return buffer.getvalue()
