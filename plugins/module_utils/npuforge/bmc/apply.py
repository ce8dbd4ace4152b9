"""Carrying plans out: the walk over a BMC's resources, and the steps of a power plan with their read-back."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Callable, List

from ..common import Document, as_dict, as_list
from . import plan, power
from .client import Client
from .tree import Tree
from .wire import Limits, Reply, link

# A log entry that its collection carries whole needs no request of its own; other members are trusted to be whole
# only with their status (some BMCs embed a name and leave the rest to the member's own URI).
_WHOLE = {"entry": ("Id", "Severity"), "sensor": ("Id", "Status")}
_WHOLE_OTHERS = ("Id", "Name", "Status", "@odata.type")
_ROUNDS = 4


Follow = Callable[[str, Document, int], List[plan.Wanted]]
FollowUp = Callable[[Tree], List[plan.Wanted]]


class _Walk:
    """A queue of wanted URIs that ``pool`` threads empty. Threads only fetch; the tree is changed under the lock."""

    def __init__(self, client: Client, tree: Tree, follow: Follow, follow_up: FollowUp) -> None:
        self.client = client
        self.tree = tree
        self._follow = follow
        self._follow_up = follow_up
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
        if not self.tree.want(role, uri, parent):
            return
        if plan.leads_on(role):
            self._queue.appendleft((role, uri))
        else:
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
            for role, uri in self._follow_up(self.tree):
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
        for wanted_role, uri in self._follow(role, body, self._limits.members):
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
    _Walk(client, tree, plan.follow, plan.follow_up).run(plan.seeds(root))
    return tree


# The power button ------------------------------------------------------------------------------------------------

_POLL_SECONDS = 1.0
_BOOT_SECONDS = 15.0


class Failed(Exception):
    """A step was refused or its effect did not show. The text says what state was left."""


def walk(client: Client, root: Document, seeds: list[plan.Wanted], follow: Follow) -> Tree:
    """What ``follow`` leads to from ``seeds``, and nothing else."""
    tree = Tree()
    tree.root = root
    _Walk(client, tree, follow, lambda _: []).run(seeds)
    return tree


def read_systems(client: Client, root: Document) -> Tree:
    """The systems of a BMC and what explains their reset action, and nothing else."""
    seeds = [item for item in plan.seeds(root) if item[0] == "system*"]
    return walk(client, root, seeds, lambda role, body, _: power.reading_of(role, body))


def run_steps(client: Client, system: power.System, steps: list[Document], wait_seconds: float) -> list[str]:
    """Carry a power plan out, each step with its read-back. Returns remarks.

    Raises ``Failed``; a boot override that was set for a reset that then failed is put back first.
    """
    before = power.boot_of(system.document)
    remarks: list[str] = []
    boot_set = False
    for step in steps:
        try:
            if step["do"] == "boot_override":
                boot_set = True
                _set_boot(client, system.uri, step)
            else:
                remarks += _reset(client, system, step, wait_seconds)
        except Failed as error:
            undone = _put_boot_back(client, system.uri, before) if boot_set else ""
            raise Failed(f"{error}{undone}") from error
    return remarks


def _set_boot(client: Client, uri: str, step: Document) -> None:
    _patch(client, uri, step["body"])
    wanted = tuple(step["expect"]["boot"])
    end = time.monotonic() + _BOOT_SECONDS
    while True:
        seen = power.boot_of(client.get(uri).document)
        if seen == wanted or (wanted[1] == "Disabled" and seen[1] == "Disabled"):
            return
        if time.monotonic() > end:
            raise Failed(f"the boot override reads {seen[0]}/{seen[1]} instead of {wanted[0]}/{wanted[1]}")
        time.sleep(_POLL_SECONDS)


def _patch(client: Client, uri: str, body: Document) -> None:
    """PATCH with the current ETag (iBMC answers 412 without one); once more with a fresh one when it was outdated."""
    for attempt in (1, 2):
        etag = client.get(uri).etag
        reply = client.send("PATCH", uri, body, {"If-Match": etag} if etag else {})
        if reply.status == 412 and attempt == 1:
            continue
        if reply.status is None or reply.status >= 300:
            raise Failed(f"PATCH of the boot override was refused: {reply.problem}")
        return


def _put_boot_back(client: Client, uri: str, before: tuple[str, str]) -> str:
    body = {"Boot": {"BootSourceOverrideTarget": before[0], "BootSourceOverrideEnabled": before[1]}}
    try:
        _patch(client, uri, body)
    except Failed as error:
        return f"; the boot override could NOT be put back to {before[0]}/{before[1]}: {error}"
    return f"; the boot override was put back to {before[0]}/{before[1]}"


def _reset(client: Client, system: power.System, step: Document, wait_seconds: float) -> list[str]:
    reply = client.send("POST", step["uri"], step["body"])
    kind = step["body"]["ResetType"]
    if reply.status is None or reply.status >= 300 or "error" in as_dict(reply.body):
        raise Failed(f"reset {kind} was refused: {reply.problem}; the machine was {system.power} before")
    wanted = step["expect"]["power"]
    restart = wanted == system.power
    end = time.monotonic() + wait_seconds
    left = False  # whether the state before the restart was seen to end
    seen = system.power
    while time.monotonic() < end and client.remaining > 0:
        document = client.get(system.uri).document
        seen = power.power_of(document) or seen
        left = left or seen != system.power or (restart and _restarted(system.document, document))
        if seen == wanted and (left or not restart):
            return []
        time.sleep(_POLL_SECONDS)
    if restart and seen == wanted:
        return [f"{kind} was accepted and the machine is {seen}, but the BMC shows no trace of the restart"]
    raise Failed(f"{kind} was accepted, but after {wait_seconds:g} s the machine is {seen or 'unknown'}, not {wanted}")


def _restarted(before: Document, now: Document) -> bool:
    """Whether a time of the last reset or the progress of the boot moved."""
    progress = [as_dict(document.get("BootProgress")) for document in (before, now)]
    return before.get("LastResetTime") != now.get("LastResetTime") or progress[0] != progress[1]
