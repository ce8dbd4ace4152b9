"""Builds the nodes' image: Debian packages by mmdebstrap, the openEuler persona over them, kept as a tar by recipe."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

from lab.nodes import persona, repo
from lab.nodes.podman import Podman
from lab.state import LabError, State, cache_directory, cache_lock, move
from lab.supervise import marked_environment

SUITE = "bookworm"
REPOSITORY = "localhost/npuforge-node"
KEPT_IMAGES = 2
BUILD_SECONDS = 900  # a slow mirror; normally half a minute

# "essential" leaves out apt, which openEuler has not. No daemon of the root file system needs its documentation.
OPTIONS = (
    "--variant=essential",
    "--format=tar",
    '--aptopt=Acquire::Languages "none"',
    '--aptopt=Acquire::Retries "3"',
    '--aptopt=APT::Sandbox::User "root"',
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=force-unsafe-io",
)


def recipe() -> str:
    """16 hex digits that change with anything that goes into the image."""
    parts = [SUITE, OPTIONS, persona.PACKAGES, dict(persona.FILES), persona.SETUP, repo.recipe()]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def name() -> str:
    return f"{REPOSITORY}:{recipe()}"


def tar_path() -> Path:
    return cache_directory() / f"node-{recipe()}.tar"


def ensure(state: State, podman: Podman, say: Callable[[str], None]) -> str:
    """Build and import what is missing; needs the RPM repository. ``say`` announces what takes long."""
    if podman.ok("image", "exists", name()):
        return "cached"
    with cache_lock():
        done = []
        if not tar_path().exists():
            say(f"node image: building it (half a minute with a near mirror; {state.log / 'node-image.log'})")
            _build(state)
            done.append("built")
            _prune(podman)
        say("node image: importing it into podman")
        try:
            podman.run("import", "--quiet", "--change", 'CMD ["/sbin/init"]', str(tar_path()), name(), timeout=300)
        except LabError as error:
            if "unexpected EOF" not in str(error):
                raise
            tar_path().unlink()
            raise LabError(f"{tar_path()} was damaged and is removed; call 'up' again to build it anew") from error
        done.append("imported")
    return ", ".join(done)


def _build(state: State) -> None:
    overlay, setup, target = (state.tmp / part for part in ("overlay.tar", "setup.sh", "node.tar"))
    overlay.write_bytes(_overlay())
    setup.write_text(persona.SETUP, encoding="utf-8")
    scratch = state.tmp / "mmdebstrap"
    scratch.mkdir(exist_ok=True)
    mirror = os.environ.get("NPUFORGE_DEBIAN_MIRROR")
    # In a mount and pid namespace of its own: whatever ends unshare ends all of it and leaves no mount behind.
    argv = [
        *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
        *("mmdebstrap", "--mode=root", *OPTIONS, f"--include={','.join(persona.PACKAGES)}"),
        f"--customize-hook=tar-in {overlay} /",
        f'--customize-hook=sh {setup} "$1"',
        *(SUITE, str(target), *([mirror] if mirror else [])),
    ]
    log = state.log / "node-image.log"
    with log.open("wb") as stream:
        try:
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                env={**marked_environment(state), "TMPDIR": str(scratch)},
                timeout=BUILD_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise LabError(f"mmdebstrap did not end within {BUILD_SECONDS} s; see {log}") from error
    if done.returncode != 0:
        tail = "\n".join(f"  | {line}" for line in log.read_text(errors="replace").splitlines()[-8:])
        raise LabError(
            f"mmdebstrap failed ({done.returncode}); a nearer mirror: NPUFORGE_DEBIAN_MIRROR=http://...; "
            f"{log} ends:\n{tail}"
        )
    move(target, tar_path())


def _prune(podman: Podman) -> None:
    """Of the images of earlier recipes keep one, for whoever goes back and forth between two versions."""
    tars = sorted(cache_directory().glob("node-*.tar"), key=lambda path: path.stat().st_mtime)
    for tar in tars[:-KEPT_IMAGES]:
        podman.ok("image", "rm", f"{REPOSITORY}:{tar.stem.removeprefix('node-')}")  # refused while a node uses it
        tar.unlink()


def _overlay() -> bytes:
    """The persona's files and the release package, as a tar."""
    [release] = (repo.path() / "main").glob("npuforge-twin-release-*.rpm")
    files = {name: content.encode() for name, content in persona.FILES.items()}
    files["root/npuforge-twin-release.rpm"] = release.read_bytes()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
