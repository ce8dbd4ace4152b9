"""The event log of a machine while something goes on: what is new since the last look, whatever its severity."""

from __future__ import annotations

from ..common import Document, as_text
from . import plan
from .apply import walk
from .client import Client

_ROLES = ("system", "log*", "log", "entry*", "entry")


class Watch:
    """Repeated looks at the logs of the systems that a BMC serves."""

    def __init__(self, client: Client, root: Document) -> None:
        self._seen: set[tuple[str | None, str]] = set()
        self.go_on(client, root)

    def go_on(self, client: Client, root: Document) -> None:
        """Look through another session from now on; what was seen stays seen."""
        self._client = client
        self._root = root

    def look(self) -> list[Document] | None:
        """``[{time, severity, message}]`` of what was not there at the look before, oldest first; empty where there is
        no log. ``None``: the BMC lets nothing be read now (a session may have ended with a restart of the BMC)."""
        seeds = [item for item in plan.seeds(self._root) if item[0] == "system*"]
        tree = walk(self._client, self._root, seeds, _follow)
        if not any(True for _ in tree.role("system")):
            return None
        found = []
        for _, body in tree.role("entry"):
            time = as_text(body.get("Created")) or as_text(body.get("EventTimestamp"))
            message = as_text(body.get("Message")) or as_text(body.get("MessageId"))
            if message is None or (time, message) in self._seen:
                continue
            self._seen.add((time, message))
            found.append({"time": time, "severity": as_text(body.get("Severity")), "message": message[:500]})
        return sorted(found, key=lambda entry: entry["time"] or "")


def _follow(role: str, document: Document, members: int) -> list[plan.Wanted]:
    return [item for item in plan.follow(role, document, members) if item[0] in _ROLES]
