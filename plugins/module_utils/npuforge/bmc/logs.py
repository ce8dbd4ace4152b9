"""The newest hardware events of all log services, each once."""

from __future__ import annotations

from ..common import Document, as_integer, as_list, as_text, note, parse_time
from .part import last
from .tree import Tree

NEWEST = 50


def parse(tree: Tree, notes: list[dict[str, str]]) -> Document | None:
    """``{entries_count, critical: [{time, message}], warning: [...]}``; ``None`` when no log could be read."""
    shown = any(True for _ in tree.role("entry*"))
    for role in ("log*", "log", "entry*"):
        for uri, problem in tree.unread(role):
            notes.append(note("log", f"{last(uri)} could not be read: {problem}"))
    unread = tree.unread("entry")
    if unread:
        notes.append(note("log", f"{len(unread)} entries could not be read: {unread[0][1]}"))
    if not shown:
        if not tree.wanted("entry*"):
            notes.append(note("log", "the BMC shows no log of hardware events"))
        return None
    found: dict[tuple[str | None, str], str] = {}
    for _, body in tree.role("entry"):
        severity = (as_text(body.get("Severity")) or "").lower()
        message = as_text(body.get("Message")) or as_text(body.get("MessageId")) or "no message"
        if severity in ("critical", "warning"):
            time = as_text(body.get("Created")) or as_text(body.get("EventTimestamp"))
            found[(time, message[:500])] = severity
    return {"entries_count": _count(tree), "critical": _newest(found, "critical"), "warning": _newest(found, "warning")}


def _count(tree: Tree) -> int:
    """What the collections declare (pages of one collection declare the same), or else what they list."""
    declared: dict[str, int] = {}
    listed: dict[str, int] = {}
    for uri, body in tree.role("entry*"):
        service = tree.owner(uri, "log") or uri
        listed[service] = listed.get(service, 0) + len(as_list(body.get("Members")))
        count = as_integer(body.get("Members@odata.count"))
        if count is not None:
            declared[service] = max(count, declared.get(service, 0))
    return sum(max(declared.get(service, 0), size) for service, size in listed.items())


def _newest(found: dict[tuple[str | None, str], str], severity: str) -> list[Document]:
    entries = [key for key, value in found.items() if value == severity]

    def moment(key: tuple[str | None, str]) -> float:
        parsed = parse_time(key[0])
        return parsed.timestamp() if parsed else 0.0

    entries.sort(key=moment, reverse=True)
    return [{"time": time, "message": message} for time, message in entries[:NEWEST]]
