"""Builds the nodes' offline dnf repository: small real RPMs, signed, with metadata; kept by recipe in the cache.

``<cache>/repo-<recipe>/``: ``main/`` (signed: npuforge-twin-release, npuforge-hello 1.0 and 1.1, and stand-ins for what
a driver's installer asks for: kernel-devel and kernel-headers of the running kernel, gcc, make, dkms, net-tools,
pciutils), ``unsigned/`` (a package that must be refused) and ``RPM-GPG-KEY-npuforge-twin``. The signing key lives for
one build only: what can be signed with it later is nothing, and a new recipe brings a new key.
"""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from lab.state import LabError, State, cache_directory, cache_lock, move
from lab.supervise import marked_environment

SPECS = Path(__file__).parent / "rpm"
KEY_FILE = "RPM-GPG-KEY-npuforge-twin"
# (repository, spec, definitions)
PACKAGES: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("main", "npuforge-twin-release", {}),
    ("main", "npuforge-hello", {"hello_version": "1.0"}),
    ("main", "npuforge-hello", {"hello_version": "1.1"}),
    ("main", "kernel-devel", {"kernel_release": platform.release()}),
    ("main", "kernel-headers", {"kernel_release": platform.release()}),
    ("main", "build-tool", {"tool": "gcc", "command": "gcc", "tool_version": "12.3.1"}),
    ("main", "build-tool", {"tool": "make", "command": "make", "tool_version": "4.4.1"}),
    ("main", "build-tool", {"tool": "dkms", "command": "dkms", "tool_version": "3.0.12"}),
    ("main", "build-tool", {"tool": "net-tools", "command": "ifconfig", "tool_version": "2.10"}),
    ("main", "build-tool", {"tool": "pciutils", "command": "lspci", "tool_version": "3.10.0"}),
    ("unsigned", "npuforge-unsigned", {}),
)
KEY_PARAMETERS = """\
%no-protection
Key-Type: RSA
Key-Length: 3072
Key-Usage: sign
Name-Real: npuforge twin package signing (simulated)
Name-Email: packages@npuforge-twin.invalid
Expire-Date: 0
%commit
"""
SOCKET_PATH_LIMIT = 107  # sun_path; gpg-agent's sockets live in its home
BUILD_TIME = "1767225600"  # 2026-01-01: the packages of two builds differ in their signature only


def recipe() -> str:
    digest = hashlib.sha256((repr(PACKAGES) + KEY_PARAMETERS + BUILD_TIME).encode())
    for spec in sorted(SPECS.glob("*.spec")):
        digest.update(spec.read_bytes())
    return digest.hexdigest()[:16]


def path() -> Path:
    return cache_directory() / f"repo-{recipe()}"


def ensure(state: State, say: Callable[[str], None]) -> str:
    """Build the repository unless it is there."""
    if path().exists():
        return "cached"
    with cache_lock():
        if path().exists():
            return "cached"
        say("RPM repository: building and signing")
        _Build(state).run()
    return "built"


class _Build:
    def __init__(self, state: State) -> None:
        self.work = state.tmp / "rpm"
        self.gnupg = state.tmp / "gpg"
        self.log = state.log / "rpm-repository.log"
        self.environment = {
            **marked_environment(state),
            "GNUPGHOME": str(self.gnupg),
            "HOME": str(self.work),  # no ~/.rpmmacros of the user's
            "SOURCE_DATE_EPOCH": BUILD_TIME,
            "LC_ALL": "C.UTF-8",
        }
        if len(str(self.gnupg / "S.gpg-agent.browser")) > SOCKET_PATH_LIMIT:
            raise LabError(f"the state directory's path is too long for gpg's sockets: {state.root}", code=2)

    def run(self) -> None:
        for folder in (self.work, self.gnupg):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o700, parents=True)
        self.log.write_bytes(b"")
        result = self.work / "result"
        try:
            self._call("gpg", "--batch", "--quiet", "--gen-key", stdin=KEY_PARAMETERS)
            fingerprint = self._fingerprint()
            for repository, spec, definitions in PACKAGES:
                built = self._package(spec, definitions)
                if repository == "main":
                    self._sign(built, fingerprint)
                (result / repository).mkdir(parents=True, exist_ok=True)
                built.rename(result / repository / built.name)
            for repository in sorted({package[0] for package in PACKAGES}):
                self._call("createrepo_c", "--quiet", "--revision", recipe(), str(result / repository))
            (result / KEY_FILE).write_text(self._call("gpg", "--batch", "--armor", "--export", fingerprint))
        finally:
            self._call("gpgconf", "--kill", "all", check=False)
            shutil.rmtree(self.gnupg, ignore_errors=True)
        for entry in (result, *result.rglob("*")):
            entry.chmod(0o755 if entry.is_dir() else 0o644)
        move(result, path())
        shutil.rmtree(self.work)

    def _fingerprint(self) -> str:
        for line in self._call("gpg", "--batch", "--with-colons", "--list-secret-keys").splitlines():
            fields = line.split(":")
            if fields[0] == "fpr":
                return fields[9]
        raise LabError(f"gpg made no key; see {self.log}")

    def _package(self, spec: str, definitions: dict[str, str]) -> Path:
        top = self.work / "build"
        shutil.rmtree(top, ignore_errors=True)
        macros = {
            "_topdir": str(top),
            "_dbpath": str(self.work / "db"),  # an empty database: rpm on Debian has none
            "_buildhost": "npuforge-twin.invalid",
            "use_source_date_epoch_as_buildtime": "1",
            "clamp_mtime_to_source_date_epoch": "1",
            **definitions,
        }
        self._call("rpmbuild", "-bb", "--quiet", *_defines(macros), str(SPECS / f"{spec}.spec"))
        built = list((top / "RPMS").rglob("*.rpm"))
        if len(built) != 1:
            raise LabError(f"rpmbuild of {spec} gave {len(built)} packages instead of one; see {self.log}")
        return built[0]

    def _sign(self, package: Path, fingerprint: str) -> None:
        macros = {"_gpg_name": fingerprint, "_gpg_path": str(self.gnupg), "__gpg": str(shutil.which("gpg"))}
        self._call("rpm", "--addsign", *_defines(macros), str(package))

    def _call(self, *argv: str, stdin: str | None = None, check: bool = True) -> str:
        with self.log.open("ab") as log:
            log.write(f"$ {' '.join(argv)}\n".encode())
            log.flush()
            done = subprocess.run(
                argv,
                input=stdin.encode() if stdin is not None else None,
                stdin=subprocess.DEVNULL if stdin is None else None,
                stdout=subprocess.PIPE,
                stderr=log,
                env=self.environment,
                timeout=120,
                check=False,
            )
        if check and done.returncode != 0:
            tail = "\n".join(f"  | {line}" for line in self.log.read_text(errors="replace").splitlines()[-8:])
            raise LabError(f"{argv[0]} failed ({done.returncode}); {self.log} ends:\n{tail}")
        return done.stdout.decode(errors="replace")


def _defines(macros: dict[str, str]) -> list[str]:
    return [part for name, value in macros.items() for part in ("--define", f"{name} {value}")]
