"""One reading of one BMC, or of many at once: the observation and the raw evidence of docs/seams.md section 5."""

from __future__ import annotations

import json
import re
import ssl
import threading
import time
from typing import Any, Callable, NamedTuple, Sequence

from ..common import Document, as_list, note, observation
from . import apply, identity, ipmi, parse, tls
from .client import Client, Unreachable
from .tree import Tree
from .wire import ROOT, Limits, Target

COLLECTOR = "bmc_info"
_SECRET_KEY = re.compile(r"passw|token|secret|privatekey|authorization|community|credential", re.IGNORECASE)


class Job(NamedTuple):
    """One BMC to read. ``subject`` is its id in the inventory; ``ipmi`` is auto, never or always."""

    subject: str
    target: Target
    limits: Limits = Limits()
    ipmi: str = "auto"
    ipmi_port: int = 623


class _Reading(NamedTuple):
    facts: Document
    simulated: bool
    raw: list[Document]


def read(job: Job) -> Document:
    """``{"observation": ..., "raw": [...]}`` of one BMC. Never raises for what a BMC does or does not do."""
    reading = _read_redfish(job)
    made = observation("bmc", job.subject, COLLECTOR, reading.facts, reading.simulated)
    return {"observation": made, "raw": reading.raw}


def read_many(jobs: Sequence[Job], parallel: int, reader: Callable[[Job], Document] = read) -> list[Document]:
    """All of ``jobs``, ``parallel`` at a time, in their order. A reading that fails by a fault of ours says so in its
    own observation and leaves the others alone."""
    results: list[Document | None] = [None] * len(jobs)
    waiting = iter(range(len(jobs)))
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                index = next(waiting, None)
            if index is None:
                return
            try:
                results[index] = reader(jobs[index])
            except Exception as error:  # one BMC must not take the others with it
                facts = parse.unreachable(f"internal error while reading: {type(error).__name__}")
                made = observation("bmc", jobs[index].subject, COLLECTOR, facts, simulated=False)
                results[index] = {"observation": made, "raw": []}

    threads = [threading.Thread(target=work, name=f"bmc-read-{i}") for i in range(max(1, min(parallel, len(jobs))))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [result for result in results if result is not None]


def _read_redfish(job: Job) -> _Reading:
    started = time.monotonic()
    try:
        client = Client(job.target, job.limits)
    except (OSError, ssl.SSLError, ValueError) as error:
        return _Reading(parse.unreachable(f"CA file {job.target.ca_file}: {error}"), False, [])
    tree = Tree()
    try:
        with client:
            root = client.login()
            read_at = time.time()
            tree = apply.crawl(client, root)
            facts = parse.facts(tree, identity.utc(_clock_moment(tree, read_at)))
    except Unreachable as error:
        facts = parse.unreachable(str(error))
    _connection_facts(client, facts)
    raw = [_raw(client, tree, time.monotonic() - started, facts["reachable"])]
    if facts["reachable"] and job.ipmi != "never":
        raw += ipmi.complete(job.target, job.ipmi_port, facts, always=job.ipmi == "always")
    host = identity.choose_host(tree, [])
    return _Reading(facts, identity.is_simulated(tree, host.document if host else {}), raw)


def _clock_moment(tree: Tree, fallback: float) -> float:
    """The controller's time at which the manager told its time: the walk is over by now."""
    for uri, _ in tree.role("manager"):
        reply = tree.replies.get(uri)
        if reply is not None and reply.received:
            return reply.received - reply.seconds / 2
    return fallback


def _connection_facts(client: Client, facts: Document) -> None:
    dates = tls.validity(client.certificate)
    if facts["bmc"] is not None:
        facts["bmc"]["tls"] = client.target.tls_mode
        facts["bmc"]["certificate_not_after"] = dates[1].strftime("%Y-%m-%dT%H:%M:%SZ") if dates else None
    if dates and dates[1].timestamp() < time.time() and facts["reachable"]:
        problem = "the certificate expired on %s and was accepted (%s)"
        facts["notes"].append(note("bmc.tls", problem % (dates[1].strftime("%Y-%m-%d"), client.target.tls_mode)))
    for text in client.notes:
        facts["notes"].append(note("bmc", text))


def _raw(client: Client, tree: Tree, seconds: float, reachable: bool) -> Document:
    """Every document as the BMC gave it, secrets blanked, and the log of requests."""
    documents: Document = {ROOT: _blank(tree.root)} if tree.root else {}
    for reply in tree.replies.values():
        documents[reply.uri] = _blank(reply.body) if reply.problem is None else {"problem": reply.problem}
    text = json.dumps({"documents": documents, "requests": client.requests}, ensure_ascii=False, separators=(",", ":"))
    argv = ["GET", client.target.base + ROOT, f"and what it links to, as {client.target.user}"]
    return {
        "name": "redfish.json",
        "argv": argv,
        "rc": 0 if reachable else 1,
        "seconds": round(seconds, 3),
        "text": text,
    }


def _blank(value: Any) -> Any:
    """A copy without the values of keys that name secrets (Supermicro prints SmtpPassword and the like)."""
    if isinstance(value, dict):
        return {
            key: "" if _SECRET_KEY.search(key) and isinstance(item, str) else _blank(item)
            for key, item in value.items()
        }
    return [_blank(item) for item in as_list(value)] if isinstance(value, list) else value
