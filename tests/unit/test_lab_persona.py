"""The twin's other persona and the vendor's Python, as far as they need no podman."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from lab import cli
from lab.nodes import persona_kylin
from lab.nodes.containers import Nodes
from lab.nodes.podman import Podman
from lab.state import LabError, Settings, State
from lab.up import wanted_settings
from lab.vendor import interpreter


@pytest.mark.parametrize(
    ("given", "expected"),
    [("", {}), ("none", {}), ("node3=kylin", {"node3": "kylin"}), ("node1=kylin, node2=kylin", {"node1", "node2"})],
)
def test_personas_by_node(given: str, expected: object) -> None:
    found = Settings(persona=given).personas()
    assert (found if isinstance(expected, dict) else set(found)) == expected


@pytest.mark.parametrize("given", ["node4=kylin", "node1", "node1=debian", "kylin", "node0=kylin"])
def test_a_persona_that_is_none_is_refused(given: str) -> None:
    with pytest.raises(LabError, match="expected node<1 to 3>=kylin") as caught:
        Settings(persona=given).personas()
    assert caught.value.code == 2


def test_it_is_remembered_and_makes_another_image_of_that_node_alone(tmp_path: Path) -> None:
    options = cli.parser().parse_args(["up", "--persona", "node3=kylin"])
    state = State(tmp_path / "state")
    state.make_folders()
    settings = wanted_settings(state, None, persona=options.persona)
    state.save_settings(settings)
    assert wanted_settings(state, None, persona=None).personas() == {"node3": "kylin"}
    assert wanted_settings(state, None, persona="none").personas() == {}
    nodes, plain = (Nodes(state, each, Podman()) for each in (settings, replace(settings, persona="")))
    assert nodes.image("node1") == plain.image("node3") == nodes.base()
    assert nodes.image("node3") == persona_kylin.name(nodes.base()) != nodes.base()


def old(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run code under what the persona lays over an interpreter."""
    path = f"{persona_kylin.OLD[1:]}/lib/python3.11/site-packages/twin_old_python.py"
    (folder / "twin_old_python.py").write_text(persona_kylin.FILES[path], encoding="utf-8")
    argv = [sys.executable, "-B", "-c", f"import twin_old_python\n{code}"]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)


def test_the_simulated_python_is_3_7_in_name_and_grammar(tmp_path: Path) -> None:
    told = old("import sys, platform; print(sys.version_info >= (3, 8), sys.version_info.minor, *sys.version_info[:3],"
               " platform.python_version(), '%x' % sys.hexversion)", tmp_path)  # fmt: skip
    assert told.stdout.split() == ["False", "7", "3", "7", "9", "3.7.9", "30709f0"], told.stderr
    (tmp_path / "new.py").write_text("def f(a, /):\n    return a\n", encoding="ascii")
    (tmp_path / "fine.py").write_text(
        "import dataclasses, subprocess\n\n\ndef f(a):\n    return f'{a}'\n", encoding="ascii"
    )
    refused = old("import new", tmp_path)
    assert refused.returncode == 1
    assert refused.stderr.endswith("SyntaxError: invalid syntax\n")
    assert old("import fine; print(fine.f(1))", tmp_path).stdout == "1\n"


def test_the_vendors_python_is_one_folder_without_a_c_library_or_links_out_of_it(tmp_path: Path) -> None:
    for path, content in {
        "usr/bin/python3.11": "program",
        "usr/lib/python3.11/os.py": "os",
        "usr/lib/python3.11/idlelib/x.py": "left out",
        "usr/lib/x86_64-linux-gnu/libssl.so.3": "ssl",
        "lib/x86_64-linux-gnu/libz.so.1.2.13": "z",
        "lib/x86_64-linux-gnu/libc.so.6": "c",
        "lib/x86_64-linux-gnu/libm.so.6": "m",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content, encoding="ascii")
    (tmp_path / "lib/x86_64-linux-gnu/libz.so.1").symlink_to("libz.so.1.2.13")
    (tmp_path / "usr/lib/python3.11/sitecustomize.py").symlink_to("/etc/hostname")
    packed = interpreter.pack(tmp_path)
    assert packed == interpreter.pack(tmp_path)
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        members = {member.name: member for member in tar}
        assert tar.extractfile("python/lib/needed/libz.so.1").read() == b"z"  # type: ignore[union-attr] # a file
        assert b"NPUFORGE_LIBRARY_PATH" in tar.extractfile("python/lib/python3.11/sitecustomize.py").read()  # type: ignore[union-attr] # a file
    assert set(members) == {
        *("python/bin/python3", "python/bin/python3.11", "python/libexec/python3.11", "python/lib/python3.11/os.py"),
        *("python/lib/python3.11/sitecustomize.py", "python/lib/needed/libssl.so.3", "python/lib/needed/libz.so.1"),
    }
    assert [name for name, member in members.items() if not member.isfile()] == ["python/bin/python3"]
    assert interpreter.version("python-3.11.2-linux-x86_64.tar.gz") == "3.11.2"
