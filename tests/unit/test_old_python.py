"""What runs on targets works on the Pythons that are found here, and says the same on each (Kylin V10 has 3.7)."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = sorted(str(path) for path in (ROOT / "tests" / "data" / "redfish").glob("*.json"))
VERSIONS = ("3.7", "3.8", "3.9", "3.10", "3.12", "3.13")
# Imports every module of the package, reads both sample trees without a network, and plans a record.
PROGRAM = """
import datetime, importlib, json, pkgutil, sys
sys.path.insert(0, sys.argv[1])
import npuforge
names = sorted(module.name for module in pkgutil.walk_packages(npuforge.__path__, "npuforge."))
for name in names:
    importlib.import_module(name)
from npuforge.bmc import apply, parse
from npuforge.bmc.tree import normal
from npuforge.bmc.wire import Limits, Reply
from npuforge.identity import plan

class Client:
    limits = Limits(pool=1)
    def __init__(self, documents):
        self.documents = documents
    def get(self, uri):
        body = self.documents.get(normal(uri))
        return Reply(uri, 200, body, None) if body is not None else Reply(uri, 404, None, "HTTP 404")
    def close_thread(self):
        pass

facts = {}
for sample in sys.argv[2:]:
    with open(sample, encoding="utf-8") as stream:
        documents = {normal(uri): body for uri, body in json.load(stream).items()}
    tree = apply.crawl(Client(documents), documents["/redfish/v1"])
    facts[sample] = parse.facts(tree, datetime.datetime(2026, 11, 24, tzinfo=datetime.timezone.utc))
wanted = {"name": "node1", "site": "s", "rack": "R01", "rack_position": 8, "asset_serial": "A", "bmc_address": None}
record = plan.render_record(wanted) + plan.render_banner(wanted)
print(json.dumps({"modules": names, "record": record, "facts": facts}, sort_keys=True))
"""


def interpreter(version: str) -> str | None:
    """A Python of this version, from PATH or from pyenv."""
    found = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}"))
    return str(found[-1]) if found else shutil.which(f"python{version}", path="/usr/local/bin:/usr/bin")


@pytest.mark.parametrize("version", VERSIONS)
def test_every_module_loads_and_answers_alike(version: str) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"Python {version} is not installed")
    answers = [
        json.loads(
            subprocess.run(
                [program, "-S", "-c", PROGRAM, str(ROOT / "plugins" / "module_utils"), *SAMPLES],
                capture_output=True,
                text=True,
                timeout=60,
                check=True,
                env={"PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C.UTF-8"},
            ).stdout
        )
        for program in (python, sys.executable)
    ]
    assert answers[0] == answers[1]
    assert "npuforge.bmc.read" in answers[0]["modules"]
    assert all(facts["npu"]["present_count"] for facts in answers[0]["facts"].values())


@pytest.mark.parametrize("version", VERSIONS)
def test_every_ansible_module_compiles(version: str) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"Python {version} is not installed")
    code = "import sys\nfor p in sys.argv[1:]:\n    compile(open(p, encoding='utf-8').read(), p, 'exec')\n"
    modules = sorted(str(path) for path in (ROOT / "library").glob("*.py"))
    assert modules
    subprocess.run([python, "-c", code, *modules], check=True, timeout=60)
