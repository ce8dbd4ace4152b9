"""The tables of docs/faults-*.md are the catalogue's parts, as integration tests prove them row by row.

NPUFORGE_WRITE_DOCS=1 writes them anew; what stands above a table is each document's own.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = {"faults-fabric.md": "4.1.2-", "faults-os.md": "4.1.3-1", "faults-npu.md": "4.1.3-2"}
TABLE = """\
| fault | what it does | clause | caught by | verdict | named |
|---|---|---|---|---|---|"""


def rows(clauses: str) -> list[str]:
    catalogue = yaml.safe_load((ROOT / "lab" / "faults.yml").read_text(encoding="utf-8"))
    return [
        f"| `{name}` | {row['does']} | {row['clause']} | `{row['check']}` | "
        f"{'none: the toolkit copes' if row['verdict'] == 'pass' else row['verdict']} | {row.get('names', '')} |"
        for name, row in catalogue.items()
        if row["clause"].startswith(clauses)
    ]


@pytest.mark.parametrize(("document", "clauses"), DOCUMENTS.items())
def test_the_document_is_the_catalogue(document: str, clauses: str) -> None:
    path = ROOT / "docs" / document
    wanted = rows(clauses)
    if not wanted and not path.exists():
        return  # nothing of these clauses can be broken yet
    text = path.read_text(encoding="utf-8")
    above, found, _ = text.partition(TABLE)
    assert found, f"{document} has no table"
    table = "\n".join([TABLE, *wanted]) + "\n"
    if os.environ.get("NPUFORGE_WRITE_DOCS"):
        path.write_text(above + table, encoding="utf-8")
        text = path.read_text(encoding="utf-8")
    assert text == above + table
