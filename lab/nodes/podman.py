"""Calls podman, finds out what this machine needs for it, and turns its failures into sentences."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
from pathlib import Path
from typing import Any

from lab.state import LabError
from lab.world import write_atomic

# program -> the Debian package that brings it
PROGRAMS = {
    "podman": "podman",
    "crun": "crun",
    "mmdebstrap": "mmdebstrap",
    "makeself": "makeself",
    "createrepo_c": "createrepo-c",
    "rpmbuild": "rpm",
    "rpm": "rpm",
    "gpg": "gnupg",
    "openssl": "openssl",
    "ssh": "openssh-client",
    "unshare": "util-linux",
}
HELPERS = ("/usr/lib/podman/netavark", "/usr/libexec/podman/netavark", "/usr/local/libexec/podman/netavark")

# crun stops at the "hybrid" cgroup layout (v1 controllers plus a v2 tree at .../unified): it takes the unified tree for
# the whole. The wrapper hides that one mount from crun alone, in a mount namespace of its own.
WRAPPER = """\
#!/bin/sh
exec unshare -m --propagation slave sh -c 'umount /sys/fs/cgroup/unified 2>/dev/null; exec {crun} "$@"' crun "$@"
"""

# (words in podman's error: the first and one of the rest, what to do about it)
HINTS = (
    (
        ("overlay", "not supported", "invalid argument"),
        "this file system cannot hold overlay storage: put driver = 'vfs' into /etc/containers/storage.conf",
    ),
    (("no space left on device",), "the disk of podman's storage is full: free some, or podman image prune"),
    (("subnet", "already used"), "choose another number with --subnet"),
    (("netavark", "iptables", "not find"), "netavark and iptables are needed: run 'make system-packages'"),
    (("rlimit",), "the machine's hard limits (ulimit -H) are below what was asked for"),
)

Record = dict[str, Any]


def need_root() -> None:
    """The twin's containers are root's; another user's podman would not even see them."""
    if os.geteuid() != 0:
        raise LabError("the twin needs root (podman, low ports): use sudo, or the make targets", code=3)


def check_machine() -> None:
    """Raise one LabError that names everything this machine lacks for the twin."""
    need_root()
    missing = [f"{program} (package {package})" for program, package in PROGRAMS.items() if not shutil.which(program)]
    if not (shutil.which("netavark") or any(Path(helper).exists() for helper in HELPERS)):
        missing.append("netavark (package netavark)")
    if not Path("/dev/fuse").is_char_device():
        missing.append("/dev/fuse (the kernel's FUSE, for the nodes' own /proc and /sys)")
    if missing:
        raise LabError("missing on this machine: " + ", ".join(missing) + "; run 'make system-packages'", code=3)


def hybrid_cgroups(root: Path = Path("/sys/fs/cgroup")) -> bool:
    """Whether v1 controllers and a v2 tree are mounted side by side."""
    return not (root / "cgroup.controllers").exists() and (root / "unified" / "cgroup.controllers").exists()


def runtime(cache: Path) -> str | None:
    """The OCI runtime to name at creation: None = podman's own choice; the wrapper on hybrid cgroups.

    podman keeps the path with the container and uses it at every later start, so the wrapper must stay where it is. Its
    file name is ``crun`` because podman derives from the name what the runtime can do.
    """
    if not hybrid_cgroups():
        return None
    wrapper = cache / "runtime" / "crun"
    text = WRAPPER.format(crun=shutil.which("crun"))
    if not wrapper.exists() or wrapper.read_text(encoding="utf-8") != text:
        write_atomic(wrapper, text, 0o755)
    return str(wrapper)


def ulimits() -> list[str]:
    """``--ulimit`` options: podman's defaults exceed the hard limits of a machine without CAP_SYS_RESOURCE."""
    options = []
    for name, number, wanted in (
        ("nofile", resource.RLIMIT_NOFILE, 65536),
        ("nproc", resource.RLIMIT_NPROC, 32768),
    ):
        hard = resource.getrlimit(number)[1]
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        options += ["--ulimit", f"{name}={value}:{value}"]
    return options


class Podman:
    """The podman command, with the twin's environment (so that ``down`` finds calls that were cut off)."""

    def __init__(self, environment: dict[str, str] | None = None) -> None:
        self.environment = environment

    def run(self, *arguments: str, stdin: bytes | None = None, timeout: float = 120) -> str:
        """Its standard output as text; see ``run_bytes``."""
        return self.run_bytes(*arguments, stdin=stdin, timeout=timeout).decode(errors="replace")

    def run_bytes(self, *arguments: str, stdin: bytes | None = None, timeout: float = 120) -> bytes:
        """Its standard output. Raises LabError with its last words when it fails."""
        try:
            done = subprocess.run(
                ["podman", *arguments],
                input=stdin if stdin is not None else b"",
                capture_output=True,
                env=self.environment,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise LabError(f"podman {arguments[0]} did not end within {timeout:.0f} s") from error
        except OSError as error:
            raise LabError(f"podman cannot be started ({error}); run 'make system-packages'", code=3) from error
        if done.returncode != 0:
            raise LabError(f"podman {' '.join(arguments[:2])} failed: {explain(done.stderr.decode(errors='replace'))}")
        return done.stdout

    def ok(self, *arguments: str) -> bool:
        """Whether a question such as ``image exists`` is answered with yes."""
        done = subprocess.run(["podman", *arguments], capture_output=True, env=self.environment, check=False)
        return done.returncode == 0

    def list(self, *arguments: str) -> list[Record]:
        """The answer of a command that speaks JSON lists."""
        try:
            answer = json.loads(self.run(*arguments, "--format", "json") or "[]")
        except ValueError as error:
            raise LabError(f"podman {arguments[0]} answered something that is not JSON: {error}") from error
        return answer if isinstance(answer, list) else []


def explain(stderr: str) -> str:
    """podman's error, and in plain words what to do about the ones that a new machine meets."""
    lines = [line for line in stderr.strip().splitlines() if "level=warning" not in line]
    text = " ".join(lines[-3:]) or stderr.strip()[-300:] or "no reason given"
    lower = text.lower()
    for words, hint in HINTS:
        first, *rest = words
        if first in lower and (not rest or any(word in lower for word in rest)):
            return f"{text} [{hint}]"
    return text
