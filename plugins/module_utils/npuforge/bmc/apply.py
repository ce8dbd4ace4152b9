"""Carrying plans out: the walk over a BMC's resources, and the steps of a power plan with their read-back."""

from __future__ import annotations

import threading
from collections import deque

from ..common import Document, as_dict, as_list
from . import plan
from .client import Client, Limits, Reply, link
from .tree import Tree

# A log entry that its collection carries whole needs no request of its own; other members are trusted to be whole
# only with their status (some BMCs embed a name and leave the rest to the member's own URI).
_WHOLE = {"entry": ("Id", "Severity"), "sensor": ("Id", "Status")}
_WHOLE_OTHERS = ("Id", "Name", "Status", "@odata.type")
_ROUNDS = 4


class _Walk:
    """A queue of wanted URIs that ``pool`` threads empty. Threads only fetch; the tree is changed under the lock."""

    def __init__(self, client: Client, tree: Tree) -> None:
        self.client = client
        self.tree = tree
        self._limits: Limits = client.limits
        self._queue: deque[tuple[str, str]] = deque()
        self._condition = threading.Condition()
        self._busy = 0
        self._pages = 0
        self._rounds = _ROUNDS

    def run(self, wanted: list[plan.Wanted]) -> None:
        for role, uri in wanted:
            self._want(role, uri, "")
        threads = [threading.Thread(target=self._work, name=f"bmc-{i}") for i in range(self._limits.pool)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _want(self, role: str, uri: str, parent: str) -> None:
        if self.tree.want(role, uri, parent):
            self._queue.append((role, uri))

    def _work(self) -> None:
        try:
            while True:
                with self._condition:
                    while not self._queue and self._busy:
                        self._condition.wait()
                    if not self._queue:
                        self._ask_again()
                    if not self._queue:
                        return
                    role, uri = self._queue.popleft()
                    self._busy += 1
                reply = Reply(uri, problem="not read")
                try:
                    reply = self.client.get(uri)
                finally:
                    self._finish(role, reply)
        finally:
            self.client.close_thread()

    def _ask_again(self) -> None:
        """All is read: ask the plan what is still missing, a bounded number of times."""
        if self._rounds > 0:
            self._rounds -= 1
            for role, uri in plan.follow_up(self.tree):
                self._want(role, uri, "")
            self._condition.notify_all()

    def _finish(self, role: str, reply: Reply) -> None:
        with self._condition:
            try:
                self._take(role, reply)
            finally:
                self._busy -= 1
                self._condition.notify_all()

    def _take(self, role: str, reply: Reply) -> None:
        self.tree.add(reply)
        body = reply.document
        if not body:
            return
        if role.endswith(plan.COLLECTION):
            self._embedded(role[: -len(plan.COLLECTION)], reply.uri, body)
            if len(as_list(body.get("Members"))) > self._limits.members:
                self.tree.truncated.append(reply.uri)
        for wanted_role, uri in plan.follow(role, body, self._limits.members):
            if wanted_role == role and role.endswith(plan.COLLECTION):
                self._pages += 1
                if self._pages > self._limits.pages:
                    self.tree.truncated.append(reply.uri)
                    continue
            self._want(wanted_role, uri, reply.uri)

    def _embedded(self, member: str, parent: str, body: Document) -> None:
        needed = _WHOLE.get(member, _WHOLE_OTHERS)
        for value in as_list(body.get("Members"))[: self._limits.members]:
            uri = link(value)
            if uri and all(key in value for key in needed):
                self.tree.embed(member, uri, parent, as_dict(value))


def crawl(client: Client, root: Document) -> Tree:
    """Read all that a reading wants, ``client.limits.pool`` requests at a time. Never raises for the device's faults:
    what could not be read stays in the tree with its problem."""
    tree = Tree()
    tree.root = root
    _Walk(client, tree).run(plan.seeds(root))
    return tree
