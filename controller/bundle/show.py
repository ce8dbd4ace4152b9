"""A manifest as a table for people, with what the rules say about it."""

from __future__ import annotations

from controller.contract import Document


def table(document: Document, problems: list[Document], notes: list[Document]) -> str:
    """The artifacts, then contradictions, then what cannot be told."""
    title = document["title"]
    lines = [f"release {document['release']}: {title if isinstance(title, str) else title['en']}", ""]
    header = ("id", "version", "for", "size", "SHA-256", "license", "file")
    rows = [header, *(_row(artifact) for artifact in document["artifacts"])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    lines += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.append("")
    lines += [f"{artifact['file']} from {artifact['origin']}" for artifact in document["artifacts"]]
    missing = [artifact["file"] for artifact in document["artifacts"] if artifact["sha256"] is None]
    if missing:
        lines += ["", f"{len(missing)} without a hash (told to customers only): build --record takes it from the file"]
    for problem in problems:
        lines += ["", f"DOES NOT GO TOGETHER: {problem['problem']}", f"  source: {problem['source']}"]
    lines += [f"note: {note['problem']}" for note in notes]
    return "\n".join(lines) + "\n"


def _row(artifact: Document) -> tuple[str, ...]:
    chip = f", {artifact['chip']}" if artifact.get("chip") else ""
    size = "?" if artifact["size_bytes"] is None else f"{artifact['size_bytes'] / 1e6:.1f} MB"
    digest = "?" if artifact["sha256"] is None else f"{artifact['sha256'][:12]}..."
    return (
        artifact["id"],
        artifact["version"],
        ", ".join(artifact["arch"]) + chip,
        size,
        digest,
        artifact["license"],
        artifact["file"],
    )
