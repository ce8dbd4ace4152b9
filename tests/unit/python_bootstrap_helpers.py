"""A node that is a folder: its scripts run in a real sh with a PATH of ours, and Pythons that are shell scripts."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from controller.bootstrap import run

TOOLS = ("sh", "uname", "head", "tr", "rm", "mkdir", "mv", "tar", "gzip", "wc", "cat", "sync", "rmdir", "sha256sum")
MACHINE = os.uname().machine


def program(version: str) -> str:
    """A Python that knows nothing but its version."""
    return f"#!/bin/sh\nprintf '{version}'\n"


def archive(version: str = "3.11.9", top: str = "python/", body: str | None = None) -> bytes:
    """A relocatable Python as the bundle has it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        content = (program(version) if body is None else body).encode()
        entry = tarfile.TarInfo(f"{top}bin/python3")
        entry.size, entry.mode = len(content), 0o755
        tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def artifact(content: bytes, **more: Any) -> dict[str, Any]:
    """Its entry in the manifest."""
    entry = {
        "id": "python",
        "file": "python.tar.gz",
        "version": "3.11.9",
        "arch": [MACHINE],
        "chip": None,
        "kind": "tar",
    }
    return {**entry, "size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), **more}


@dataclass
class Node:
    """``top``: its folder. ``calls``: scripts that it was given."""

    top: Path
    content: bytes = field(default_factory=archive)
    calls: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.bin = self.top / "bin"
        self.bin.mkdir()
        for tool in TOOLS:
            found = next(path for folder in ("/usr/bin", "/bin") if (path := Path(folder, tool)).exists())
            (self.bin / tool).symlink_to(found)
        self.prefix = str(self.top / "opt/npuforge/python")
        self.bundle = run.Bundle("http://127.0.0.1:9", [artifact(self.content)], self.local)

    def local(self, _: dict[str, Any]) -> Path:
        path = self.top / "file"
        path.write_bytes(self.content)
        return path

    def has(self, name: str, version: str) -> None:
        """Give it a Python of its own, under this name on its PATH."""
        (self.bin / name).write_text(program(version), encoding="utf-8")
        (self.bin / name).chmod(0o755)

    def has_working(self, name: str, version: str) -> None:
        """One that says so of itself and can fetch."""
        text = f'case "$2" in *shutil*) exec {sys.executable} "$@" ;; esac\nprintf {version}\n'
        self.has(name, version)
        (self.bin / name).write_text(f"#!/bin/sh\n{text}", encoding="utf-8")

    def call(self, script: str, data: bytes | None) -> tuple[int, str, str]:
        self.calls.append(script)
        # The machine's own interpreter is not the node's.
        text = script.replace("/usr/bin/python3", "/nowhere/python3").replace("/usr/libexec/", "/nowhere/")
        done = subprocess.run(
            ["/bin/sh", "-c", text], input=data or b"", capture_output=True, env={"PATH": str(self.bin)}, check=False
        )
        return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")

    def wanted(self, **more: Any) -> run.Wanted:
        return run.Wanted(**{"prefix": self.prefix, **more})

    def present(self, **more: Any) -> dict[str, Any]:
        return run.present(self.call, self.wanted(**more), lambda: self.bundle, self.said.append)

    def files(self) -> dict[str, bytes]:
        """All that is below its /opt."""
        found = (self.top / "opt").rglob("*")
        return {str(path.relative_to(self.top)): path.read_bytes() for path in found if path.is_file()}
