"""A relocatable Python for nodes whose own is too old, as a tar: Debian's 3.11 with the libraries that it needs.

The packages are only unpacked (mmdebstrap's ``extract`` is ``dpkg-deb -x`` with the dependencies found by apt), then
laid out as common relocatable builds are: one folder ``python`` with ``bin/python3``, which runs wherever it is put.
It needs the C library of the node, which in the twin is Debian's too; a real site gets a build against an old one.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import platform
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

from lab.state import LabError, State, cache_directory, move
from lab.supervise import marked_environment

SUITE = "bookworm"
SERIES = "3.11"
PACKAGES = (f"python{SERIES}-minimal", f"libpython{SERIES}-stdlib")
LICENSE = "PSF-2.0"
BUILD_SECONDS = 300  # a slow mirror; normally five seconds
BUILD_TIME = 1767225600  # 2026-01-01
LEFT_OUT = {"__pycache__", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "tkinter", "turtledemo"}
# The C library and its parts: they and the loader belong together, and the loader is the node's.
OF_THE_NODE = re.compile(
    r"(ld-|libc\.|libc_malloc|libm\.|libmvec|libpthread|libdl|librt|libresolv|libutil|libnss_|libnsl\.so\.1$|libanl"
    r"|libBroken|libmemusage|libpcprofile|libthread_db)"
)
KEPT = 2
FOLDER = "python"

# bash, for exec -a: Python finds its library beside the program that it takes itself for, and starts others by it.
PROGRAM = f"""\
#!/bin/bash
# Python {SERIES} with its own libraries, wherever this folder lies.
top=$(dirname -- "$(dirname -- "$(readlink -f -- "${{BASH_SOURCE[0]}}")")")
export NPUFORGE_LIBRARY_PATH="${{LD_LIBRARY_PATH-}}"
export LD_LIBRARY_PATH="$top/lib/needed${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"
exec -a "$top/bin/python{SERIES}" "$top/libexec/python{SERIES}" "$@"
"""
# The loader has read the variable by now; programs that this Python starts shall find their own libraries.
CUSTOMIZE = """\
import os

given = os.environ.pop("NPUFORGE_LIBRARY_PATH", None)
if given is not None:
    os.environ.pop("LD_LIBRARY_PATH", None)
    if given:
        os.environ["LD_LIBRARY_PATH"] = given
"""


def recipe() -> str:
    """16 hex digits that change with anything that goes into the tar, but for Debian's own updates."""
    parts = [SUITE, PACKAGES, BUILD_TIME, sorted(LEFT_OUT), PROGRAM, CUSTOMIZE, platform.machine()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def ensure(state: State) -> Path:
    """The tar in the cache, ``python-<version>-linux-<machine>.tar.gz``; built unless it is there.

    The caller holds the cache's lock.
    """
    folder = cache_directory() / f"python-{recipe()}"
    if not folder.exists():
        _build(state, folder)
        for old in sorted(cache_directory().glob("python-*"), key=lambda path: path.stat().st_mtime)[:-KEPT]:
            shutil.rmtree(old)
    [tar] = folder.glob("python-*.tar.gz")
    return tar


def version(file: str) -> str:
    """``python-3.11.2-linux-x86_64.tar.gz`` is 3.11.2."""
    return file.split("-")[1]


def _build(state: State, target: Path) -> None:
    work = state.tmp / "interpreter"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    root, log = work / "root", state.log / "vendor-python.log"
    mirror = os.environ.get("NPUFORGE_DEBIAN_MIRROR")
    argv = [
        *("mmdebstrap", "--mode=root", "--variant=extract", f"--include={','.join(PACKAGES)}"),
        *(SUITE, str(root), *([mirror] if mirror else [])),
    ]
    with log.open("wb") as stream:
        try:
            code = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                env={**marked_environment(state), "TMPDIR": str(work)},
                timeout=BUILD_SECONDS,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired as error:
            raise LabError(f"mmdebstrap of a Python did not end within {BUILD_SECONDS} s; see {log}") from error
    if code:
        raise LabError(f"mmdebstrap of a Python failed ({code}), another mirror: NPUFORGE_DEBIAN_MIRROR; see {log}")
    result = work / "result"
    result.mkdir()
    name = f"python-{_number(root)}-linux-{platform.machine()}.tar.gz"
    (result / name).write_bytes(pack(root))
    move(result, target)


def _number(root: Path) -> str:
    """The version as the unpacked program itself says it, under the C library that came with it."""
    program = ["chroot", str(root), f"/usr/bin/python{SERIES}", "--version"]
    done = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)
    word, _, number = done.stdout.strip().partition(" ")
    if done.returncode or word != "Python":
        raise LabError(f"the unpacked Python does not run: {(done.stderr or done.stdout).strip()[-300:]}")
    return number


def pack(root: Path) -> bytes:
    """The tar of an unpacked root: program, standard library and its shared libraries, but not the C library."""
    files: dict[str, Path | bytes] = {
        f"bin/python{SERIES}": PROGRAM.encode(),
        f"lib/python{SERIES}/sitecustomize.py": CUSTOMIZE.encode(),
        f"libexec/python{SERIES}": root / f"usr/bin/python{SERIES}",
    }
    library = root / f"usr/lib/python{SERIES}"
    for path in library.rglob("*"):
        part = path.relative_to(library)
        if path.is_file() and not LEFT_OUT.intersection(part.parts):
            files.setdefault(f"lib/python{SERIES}/{part}", path)
    for folder in (root / "lib", root / "usr/lib"):
        for path in folder.glob("*-linux-gnu*/lib*.so*"):
            # By the name that the loader looks for; whole files, so that no link can point out of the folder.
            if path.is_file() and not OF_THE_NODE.match(path.name) and re.search(r"\.so(\.\d+(\.0)?)?$", path.name):
                files.setdefault(f"lib/needed/{path.name}", path)
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in sorted(files):
            given = files[name]
            content = given if isinstance(given, bytes) else given.read_bytes()
            entry = tarfile.TarInfo(f"{FOLDER}/{name}")
            entry.size, entry.mtime = len(content), BUILD_TIME
            entry.mode = 0o755 if name.startswith(("bin/", "libexec/")) else 0o644
            tar.addfile(entry, io.BytesIO(content))
        link = tarfile.TarInfo(f"{FOLDER}/bin/python3")
        link.type, link.linkname, link.mtime = tarfile.SYMTYPE, f"python{SERIES}", BUILD_TIME
        tar.addfile(link)
    return gzip.compress(plain.getvalue(), mtime=BUILD_TIME)
