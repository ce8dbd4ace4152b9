"""Carrying a media plan out: the walk to the virtual drives, each step with its task and its read-back."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

from ..common import Document, as_dict, as_list, as_text
from . import media, plan
from .apply import Failed, walk
from .client import Client
from .tree import Tree
from .wire import Reply, link

_POLL_SECONDS = 1.0
_TRIES = 3  # an iBMC's Connect may fail and succeed when it is asked again
_OVER = ("Completed", "Exception", "Cancelled", "Killed", "Interrupted")


def read_drives(client: Client, root: Document) -> Tree:
    """The virtual drives of a BMC and what leads to them, and nothing else."""
    seeds = [item for item in plan.seeds(root) if item[0] in ("system*", "manager*")]
    return walk(client, root, seeds, lambda role, body, _: media.follow(role, body))


def run_steps(client: Client, drive: media.Drive, steps: list[Document], wait_seconds: float) -> list[str]:
    """Carry a plan out. Returns remarks.

    :param wait_seconds: how long one step may take until the drive shows its effect
    :raises Failed: a step was refused, its task failed, or the effect did not show
    """
    remarks: list[str] = []
    for step in steps:
        end = time.monotonic() + wait_seconds
        for attempt in range(1, _TRIES + 1):
            try:
                _carry_out(client, drive, step, end)
                break
            except _TaskFailed as error:
                if attempt == _TRIES or time.monotonic() > end:
                    raise Failed(f"{error} ({attempt} tries)") from error
                remarks.append(f"{step['do']} was asked again: {error}")
                time.sleep(_POLL_SECONDS)
    return remarks


class _TaskFailed(Exception):
    """The BMC took the request and its task ended badly."""


def _carry_out(client: Client, drive: media.Drive, step: Document, end: float) -> None:
    reply = client.send(step["method"], step["uri"], step["body"], _precondition(client, drive))
    if reply.status == 412:
        reply = client.send(step["method"], step["uri"], step["body"], _precondition(client, drive))
    if reply.status is None or reply.status >= 300 or "error" in as_dict(reply.body):
        raise Failed(f"{step['do']} was refused: {reply.problem}")
    if reply.status == 202:
        _await_task(client, step, reply, end)
    seen = media.shown(drive.document)
    while True:
        document = client.get(drive.uri).document
        if document:
            seen = media.shown(document)
            if _as_wanted(seen, step["expect"]):
                return
        if time.monotonic() > end or client.remaining <= 0:
            break
        time.sleep(_POLL_SECONDS)
    state = f"holds {seen['image'] or 'an image'}" if seen["inserted"] else "is empty"
    raise Failed(f"{step['do']} was accepted, but virtual drive {drive.name} {state}")


def _precondition(client: Client, drive: media.Drive) -> dict[str, str]:
    """If-Match with the drive's ETag, where the BMC gives one."""
    etag = client.get(drive.uri).etag
    return {"If-Match": etag} if etag else {}


def _as_wanted(seen: Document, expect: Document) -> bool:
    """A BMC may show an image without its user, or by its file name only: what is inserted just now is what we sent."""
    if seen["inserted"] != expect["inserted"]:
        return False
    if not seen["inserted"] or seen["image"] is None:
        return True
    return _file(seen["image"]) == _file(expect["image"])


def _file(uri: str) -> str:
    return urlsplit(uri).path.rsplit("/", 1)[-1]


def _await_task(client: Client, step: Document, reply: Reply, end: float) -> None:
    """Wait for the task of an answer 202, by its own resource or its monitor."""
    uri = link(reply.body) or urlsplit(reply.headers.get("location", "")).path
    if not uri:
        return  # nobody says where to look: the drive itself will show
    while True:
        answer = client.get(uri)
        task = answer.document
        state = as_text(task.get("TaskState"))
        if state is None and answer.status is not None and answer.status != 202:
            return  # a monitor that has done its work answers with the result, or is gone
        if state in _OVER:
            if state == "Completed" and task.get("TaskStatus") in (None, "OK"):
                return
            raise _TaskFailed(f"the task of {step['do']} ended as {state}{_words(task)}")
        if time.monotonic() > end or client.remaining <= 0:
            raise Failed(f"the task of {step['do']} did not end in time (it is {state or 'unknown'})")
        time.sleep(_POLL_SECONDS)


def _words(task: Document) -> str:
    """``: <what the task says>``; iBMC has one object where the standard has a list."""
    messages = task.get("Messages")
    for item in as_list(messages) or [messages]:
        text = as_text(as_dict(item).get("Message"))
        if text:
            return ": " + text[:200]
    return ""
