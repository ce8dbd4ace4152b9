"""docs/faults-fabric.md is the catalogue's fabric part, as tests/integration/test_fabric.py proves it row by row.

NPUFORGE_WRITE_DOCS=1 writes it anew.
"""

from __future__ import annotations

import os
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "faults-fabric.md"
HEADER = """\
# Faults of the fabric and what catches them

Each of these was planted on the twin (`bin/lab break node2 <fault>`, `bin/lab break sw1 <fault>`), the stage ran,
and the check named here gave the verdict, with the port or machine in its words (`tests/integration/test_fabric.py`).
Settings are looked at with `--check`: a real run mends them before anybody sees them. Those under 4.1.2-2 take a
measurement. Faults of servers and switch themselves: [faults.md](faults.md).

| fault | what it does | clause | caught by | verdict | named |
|---|---|---|---|---|---|"""


def text() -> str:
    catalogue = yaml.safe_load((ROOT / "lab" / "faults.yml").read_text(encoding="utf-8"))
    rows = [
        f"| `{name}` | {row['does']} | {row['clause']} | `{row['check']}` | "
        f"{'none: the toolkit copes' if row['verdict'] == 'pass' else row['verdict']} | {row.get('names', '')} |"
        for name, row in catalogue.items()
        if row["clause"].startswith("4.1.2-")
    ]
    return "\n".join([HEADER, *rows]) + "\n"


def test_the_document_is_the_catalogue() -> None:
    if os.environ.get("NPUFORGE_WRITE_DOCS"):
        DOCUMENT.write_text(text(), encoding="utf-8")
    assert DOCUMENT.read_text(encoding="utf-8") == text()
