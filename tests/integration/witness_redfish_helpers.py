"""For the witnesses of the simulated BMCs: the service as a process of its own, and DMTF's schemas.

The schema files (DSP8010, CSDL) are not ours to ship and DMTF's site may be out of reach. They are taken from the
folder that ``NPUFORGE_REDFISH_SCHEMAS`` names, else from the crate ``nv-redfish-schema`` (its purpose is to carry
them), which cargo fetches once by pinned checksum into its own cache.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab import hardware
from lab.world import World
from tests.unit.lab_bmc_helpers import PASSWORD

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
NO_SCHEMAS = "DMTF's Redfish schemas are not at hand: neither NPUFORGE_REDFISH_SCHEMAS nor a cargo that can fetch them"
CRATE = "nv-redfish-schema", "0.10.1", "1bdee22eb005df9021012e5014584c282b50b6d80c3aa49aca5480760920b05d"
GLOB = "glob", "0.3.4", "e4eba85ea1d0a966a983acd07deee566e67395d2d96b6fb39e62b5a833f1eb0b"
MANIFEST = f"""[package]
name = "redfish-schemas"
version = "0.0.0"
edition = "2021"
[dependencies]
{CRATE[0]} = "={CRATE[1]}"
"""


def _locked(name: str, version: str, checksum: str, needs: str = "") -> str:
    source = "registry+https://github.com/rust-lang/crates.io-index"
    more = f'dependencies = [\n "{needs}",\n]\n' if needs else ""
    return (
        f'\n[[package]]\nname = "{name}"\nversion = "{version}"\nsource = "{source}"\nchecksum = "{checksum}"\n{more}'
    )


LOCK = (
    "version = 3\n"
    + _locked(*GLOB)
    + _locked(*CRATE, needs="glob")
    + f'\n[[package]]\nname = "redfish-schemas"\nversion = "0.0.0"\ndependencies = [\n "{CRATE[0]}",\n]\n'
)


def environment(ca_file: Path, home: Path) -> dict[str, str]:
    """For a program that is not ours: it trusts the lab's CA alone, and no setting of ours changes what it does."""
    kept = {key: value for key, value in os.environ.items() if key in ("LANG", "LC_ALL", "TMPDIR")}
    return {
        **kept,
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        # requests prefers these to what a program passes it itself
        "REQUESTS_CA_BUNDLE": str(ca_file),
        "SSL_CERT_FILE": str(ca_file),
    }


def run(argv: list[str], env: dict[str, str], cwd: Path, seconds: int = 150) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; its output is in the result, its exit code is for the caller to judge."""
    return subprocess.run(argv, env=env, cwd=cwd, capture_output=True, text=True, timeout=seconds, check=False)


def schemas(folder: Path) -> Path:
    """The folder of DMTF's CSDL files; skips the test when they cannot be had."""
    given = os.environ.get("NPUFORGE_REDFISH_SCHEMAS")
    if given:
        return Path(given)
    cargo = shutil.which("cargo")
    if not cargo:
        pytest.skip(NO_SCHEMAS)
    (folder / "src").mkdir(parents=True, exist_ok=True)
    (folder / "src" / "main.rs").write_text("fn main() {}\n")
    (folder / "Cargo.toml").write_text(MANIFEST)
    (folder / "Cargo.lock").write_text(LOCK)
    for more in (["--offline"], []):  # what was fetched before is not asked for again
        done = subprocess.run(
            [cargo, "vendor", "--locked", *more, "vendored"], cwd=folder, capture_output=True, timeout=300, check=False
        )
        if done.returncode == 0:
            return folder / "vendored" / CRATE[0] / "redfish-csdl" / "csdl"
    pytest.skip(NO_SCHEMAS)


@dataclass(frozen=True)
class Service:
    """A running ``python -m lab.bmc``, and the world behind it."""

    world: World
    state: Path

    @property
    def ca_file(self) -> Path:
        return self.state / "pki" / "ca.pem"

    def base_url(self, node: str) -> str:
        bmc = self.world.read(node)["bmc"]
        return f"https://{bmc['address']}:{bmc['port']}"


@contextmanager
def service(state: Path) -> Iterator[Service]:
    """node1 speaks openubmc, node2 openubmc with the strict schema, node3 ibmc. Loopback addresses of its own."""
    network = f"127.{100 + os.getpid() % 100}.7"
    site, nodes, switches = hardware.build_site(hardware.Plan(nodes=3, dialect="mixed", bmc_network=network))
    for node in nodes:
        node["post_seconds"] = 0.4
        node["bmc"]["port"] = 8443
    nodes[1]["bmc"]["strict_schema"] = True
    world = World(state / "world")
    world.create(site, nodes, switches)
    (state / "secrets.json").write_text(json.dumps({"bmc_password": PASSWORD}))
    argv = [sys.executable, "-m", "lab.bmc", "--state", str(state), "--backend", "world"]
    with (state / "bmc.log").open("w") as log:
        process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line == "serving 3 BMCs\n", line + (state / "bmc.log").read_text()
            yield Service(world, state)
            assert PASSWORD not in (state / "bmc.log").read_text()
        finally:
            process.terminate()
            assert process.wait(20) == 0
    assert not (state / "run" / "bmc-control.sock").exists()
