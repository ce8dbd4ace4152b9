"""What was read from one BMC: every URI once, with its role, its parent and what was wrong with it."""

from __future__ import annotations

import re
from typing import Iterator, Tuple

from ..common import Document, as_integer, as_list
from .wire import Reply, link, normal

Found = Tuple[str, Document]


class Tree:
    """Documents by URI (compared as ``wire.normal`` says) and by role, in the order in which they were wanted.

    Not locked: ``apply.crawl`` is its only writer.
    """

    def __init__(self) -> None:
        self.root: Document = {}
        self.replies: dict[str, Reply] = {}
        self._roles: dict[str, list[str]] = {}
        self._parents: dict[str, str] = {}
        self._embedded: dict[str, Document] = {}
        self.truncated: list[str] = []

    def has(self, uri: str) -> bool:
        return normal(uri) in self._parents

    def want(self, role: str, uri: str, parent: str) -> bool:
        """Note that ``uri`` is wanted; ``False`` when it already was (the first parent and role stay)."""
        key = normal(uri)
        if key in self._parents:
            return False
        self._parents[key] = normal(parent)
        self._roles.setdefault(role, []).append(key)
        return True

    def add(self, reply: Reply) -> None:
        self.replies[normal(reply.uri)] = reply

    def embed(self, role: str, uri: str, parent: str, document: Document) -> None:
        """A member that its collection carried whole: as good as read."""
        if self.want(role, uri, parent):
            self._embedded[normal(uri)] = document

    def get(self, uri: str | None) -> Document:
        """A usable document, or an empty object."""
        if not uri:
            return {}
        key = normal(uri)
        if key in self._embedded:
            return self._embedded[key]
        reply = self.replies.get(key)
        return reply.document if reply is not None else {}

    def role(self, role: str) -> Iterator[Found]:
        """All usable documents of a role, in the natural order of their URIs (whichever answer came first)."""
        for key in self._keys(role):
            document = self.get(key)
            if document:
                yield key, document

    def unread(self, role: str) -> list[tuple[str, str]]:
        """(URI as the BMC wrote it, problem) of what was wanted in a role and could not be read."""
        found = []
        for key in self._keys(role):
            if key in self._embedded:
                continue
            reply = self.replies.get(key)
            if reply is None:
                found.append((key, "not read"))
            elif not reply.document:
                found.append((reply.uri, reply.problem or "empty"))
        return found

    def _keys(self, role: str) -> list[str]:
        return sorted(self._roles.get(role, ()), key=_natural)

    def wanted(self, role: str) -> bool:
        return bool(self._roles.get(role))

    def parent(self, uri: str) -> str:
        return self._parents.get(normal(uri), "")

    def first_page(self, uri: str, role: str) -> str:
        """The first page of the collection that ``uri`` is a page of."""
        pages = set(self._roles.get(role, ()))
        key = normal(uri)
        for _ in range(256):
            above = self._parents.get(key, "")
            if above not in pages:
                break
            key = above
        return key

    def gaps(self, role: str) -> list[tuple[str, str]]:
        """(first page, problem) of collections of a role that do not list what they declare."""
        listed: dict[str, int] = {}
        declared: dict[str, int] = {}
        found = []
        for uri, body in self.role(role):
            key = self.first_page(uri, role)
            members = body.get("Members")
            if not isinstance(members, list):
                found.append((key, "there is no list of members"))
            usable = sum(1 for member in as_list(members) if link(member))
            listed[key] = listed.get(key, 0) + usable
            told = max(as_integer(body.get("Members@odata.count")) or 0, len(as_list(members)))
            declared[key] = max(declared.get(key, 0), told)
            if any(normal(cut) == uri for cut in self.truncated):
                found.append((key, "it is longer than the limit and was not read to its end"))
        for key, count in declared.items():
            if count > listed[key]:
                found.append((key, f"it declares {count} members and lists {listed[key]}"))
        return found

    def owner(self, uri: str, role: str) -> str:
        """The nearest document of ``role`` above ``uri``; empty when there is none."""
        owners = set(self._roles.get(role, ()))
        key = normal(uri)
        for _ in range(16):
            if key in owners:
                return key
            key = self._parents.get(key, "")
        return ""


def _natural(text: str) -> list[tuple[int, int, str]]:
    """DIMM2 before DIMM10."""
    parts = re.findall(r"[0-9]{1,18}|[^0-9]+", text)
    return [(0, int(part), "") if part[0] in "0123456789" else (1, 0, part) for part in parts]
