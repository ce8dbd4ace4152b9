"""Rules of the house that a machine can check: who imports whom, role interfaces, module interfaces."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
MODULE_UTILS = ROOT / "plugins" / "module_utils" / "npuforge"
# The standard library is enough on targets; these two run on the controller only and import lazily (docs/seams.md, 1).
LAZY = {MODULE_UTILS / "bmc" / "ipmi.py": {"pyghmi"}, MODULE_UTILS / "switch" / "session.py": {"netmiko", "paramiko"}}


def python_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def imports(path: Path) -> dict[str, int]:
    """Top-level names of absolute imports and the nesting depth of the shallowest one (0: module level)."""
    found: dict[str, int] = {}

    def walk(node: ast.AST, depth: int) -> None:
        for child in ast.iter_child_nodes(node):
            names: list[str] = []
            if isinstance(child, ast.Import):
                names = [alias.name for alias in child.names]
            elif isinstance(child, ast.ImportFrom) and child.level == 0:
                names = [child.module or ""]
            for name in names:
                top = name.split(".")[0]
                found[top] = min(found.get(top, depth), depth)
            walk(child, depth + isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef))

    walk(ast.parse(path.read_text(encoding="utf-8")), 0)
    return found


def test_the_twin_and_the_toolkit_never_import_each_other() -> None:
    wrong = []
    for path in python_files(ROOT / "lab"):
        wrong += [(path, name) for name in imports(path) if name in {"npuforge", "controller", "ansible"}]
    for folder in ("controller", "plugins", "library"):
        for path in python_files(ROOT / folder):
            wrong += [(path, name) for name in imports(path) if name == "lab"]
    assert wrong == []


@pytest.mark.parametrize("path", python_files(MODULE_UTILS), ids=lambda p: str(p.relative_to(MODULE_UTILS)))
def test_what_runs_on_targets_needs_only_the_standard_library(path: Path) -> None:
    import sys

    foreign = {name: depth for name, depth in imports(path).items() if name not in sys.stdlib_module_names}
    allowed = LAZY.get(path, set())
    assert set(foreign) <= allowed
    assert all(depth > 0 for depth in foreign.values()), "third-party imports must be lazy"


def roles() -> list[Path]:
    return sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())


@pytest.mark.parametrize("role", roles(), ids=lambda p: p.name)
def test_defaults_and_argument_specs_agree(role: Path) -> None:
    defaults = yaml.safe_load((role / "defaults" / "main.yml").read_text(encoding="utf-8")) or {}
    specs = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    options = specs["argument_specs"]["main"]["options"]
    required = {name for name, option in options.items() if option.get("required")}
    assert set(defaults) == set(options) - required
    for name, value in defaults.items():
        assert options[name].get("default") == value, f"{name}: default and specification differ"
    assert all(name.startswith(f"{role.name}_") for name in options)
    assert (role / "README.md").is_file()


def library() -> list[Path]:
    return python_files(ROOT / "library")


@pytest.mark.parametrize("path", library(), ids=lambda p: p.stem)
def test_modules_document_themselves_and_support_check_mode(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    texts = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    documentation = yaml.safe_load(texts["DOCUMENTATION"])
    assert documentation["module"] == path.stem
    assert yaml.safe_load(texts["EXAMPLES"])
    assert yaml.safe_load(texts["RETURN"])
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "AnsibleModule"
    ]
    if calls:  # a documentation stub of an action plugin has none
        keywords = {keyword.arg: keyword.value for keyword in calls[0].keywords}
        assert ast.literal_eval(keywords["supports_check_mode"]) is True


@pytest.mark.parametrize("path", library(), ids=lambda p: p.stem)
def test_module_options_are_documented(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documentation = next(
        yaml.safe_load(node.value.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "DOCUMENTATION"
    )
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "argument_spec" and isinstance(node.value, ast.Dict):
            spec = {key.value for key in node.value.keys if isinstance(key, ast.Constant)}
            assert spec == set(documentation["options"])


def test_no_file_of_the_project_names_a_machine_path() -> None:
    import subprocess

    names = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True, check=True
    ).stdout.split("\n")
    wrong = []
    for name in filter(None, names):
        path = ROOT / name
        if path.suffix in {".py", ".yml", ".md", ".sh", ".toml", ".cfg", ".j2", ""} and path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            wrong += [name for _ in re.finditer(r"(?<![A-Za-z0-9_])/(work|home)/[a-z]", text)]
    assert wrong == []
