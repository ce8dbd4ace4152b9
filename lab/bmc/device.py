"""One BMC: its truth, its memory, and what it can do. The HTTP side is in ``http``, the listener in ``server``."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp

from lab import physics, power
from lab.bmc import messages, tree
from lab.bmc.context import Context
from lab.bmc.odata import Json, Resource, Tree
from lab.bmc.runtime import Runtime
from lab.world import World

LOGGER = logging.getLogger("lab.bmc")
TRUST_AGE = 0.05  # seconds; a file's time stamp is too coarse to tell two writes apart that are closer
PATIENCE = 3.0  # how long a power request waits for the backend before it says "accepted" and goes on by itself
RESTART_SECONDS = 2.0  # how long a BMC is away after Manager.Reset


class Refused(Exception):
    """A request that gets an error answer: status code, extended messages, more headers."""

    def __init__(self, status: int, *extended: Json, headers: dict[str, str] | None = None) -> None:
        super().__init__(extended[0]["Message"] if extended else str(status))
        self.status = status
        self.body = messages.error(*extended)
        self.headers = headers or {}


class Bmc:
    """The BMC of one node. Everything that blocks (files under a lock, podman) runs in ``executor``."""

    def __init__(self, world: World, name: str, backend: power.Backend, password: str, executor: Executor) -> None:
        self.world = world
        self.name = name
        self.backend = backend
        self.executor = executor
        self.truth: Json = world.read(name)
        self.runtime = Runtime(self.truth["bmc"]["user"], password)
        self.away_until = 0.0  # monotonic; the BMC restarts
        self.client: aiohttp.ClientSession | None = None  # for images and events; the fleet lends it
        self.changing = asyncio.Lock()  # precondition and write of a PATCH are one step
        self._seen: tuple[int, float] = (0, 0.0)  # revision of the truth, and when it was read (wall clock)
        self._followed: Json | None = None  # the reading of the truth that ``tick`` dealt with last
        self._hardware: Tree = {}
        self._last_event = self._newest_entry()
        self.refresh()

    # --- the truth and its tree

    def refresh(self) -> None:
        """Read the truth again if it may have changed."""
        revision = self.world.revision(self.name)
        if revision == self._seen[0] and self._seen[1] - revision / 1e9 > TRUST_AGE:
            return
        self._seen = (revision, time.time())
        self.truth = self.world.read(self.name)
        self._hardware = tree.hardware(self.context)

    @property
    def context(self) -> Context:
        return Context.of(self.truth)

    def tree(self) -> Tree:
        """The whole tree as it is now."""
        self.refresh()
        return {**self._hardware, **tree.memory(self.context, self.runtime)}

    def find(self, path: str) -> Resource | None:
        """A resource by its path. BMCs of this family do not mind the case of a URI; the exact path wins."""
        found = self.tree()
        if path in found:
            return found[path]
        folded = path.lower()
        return next((resource for known, resource in found.items() if known.lower() == folded), None)

    def clock(self) -> str:
        """What the BMC thinks that the time is."""
        offset = self.truth["bmc"]["clock_offset_seconds"] or 0
        return (datetime.now(UTC) + timedelta(seconds=offset)).strftime("%Y-%m-%dT%H:%M:%S+00:00")

    async def change(self, alter: Callable[[Json], Any]) -> Any:
        """Change the truth under the world's lock; what ``alter`` returns."""

        def work() -> Any:
            with self.world.update(self.name) as node:
                return alter(node)

        result = await asyncio.get_running_loop().run_in_executor(self.executor, work)
        self.refresh()
        return result

    # --- power

    async def power(self, action: str) -> None:
        """Press the button. What takes long goes on after this returned; Refused when it cannot be done."""
        job = asyncio.get_running_loop().run_in_executor(
            self.executor, power.apply, self.world, self.name, action, self.backend
        )
        done, _ = await asyncio.wait({job}, timeout=PATIENCE)
        if not done:
            self.background(self._watch_power(job, action))
            return
        self.refresh()
        if isinstance(problem := job.exception(), power.PowerError):
            raise Refused(409, messages.message("ResourceInUse", problem))
        job.result()

    async def _watch_power(self, job: asyncio.Future[None], action: str) -> None:
        try:
            await job
        except power.PowerError as problem:
            LOGGER.warning("%s: power %s failed: %s", self.name, action, problem)
            text = f"Power action {action} failed: {problem}"
            await self.change(lambda node: physics.add_entry(node, datetime.now(UTC), "Critical", "Power", text))

    def background(self, work: Any) -> None:
        """Run in the background; the reference keeps it alive."""
        task = asyncio.get_running_loop().create_task(work)
        self.runtime.work.add(task)
        task.add_done_callback(self.runtime.work.discard)

    def restart(self) -> None:
        """The BMC itself restarts: its sessions are gone, and it does not answer for a moment."""
        self.runtime.sessions.clear()
        self.away_until = time.monotonic() + RESTART_SECONDS

    @property
    def answers(self) -> bool:
        return not self.truth["bmc"]["dead"] and time.monotonic() >= self.away_until

    # --- what happens without a request

    async def tick(self) -> None:
        """Follow the truth: the self-test ends, changes of health get into the log, the log gets to the subscribers."""
        if self.truth["post"] == "in_progress":
            await asyncio.get_running_loop().run_in_executor(self.executor, power.settle, self.world, self.name)
        self.refresh()
        if self.truth is self._followed:
            return
        self._followed = self.truth
        told = {name: list(item) for name, item in physics.conditions(self.context.view).items()}
        if told != (self.truth.get("told") or {}):
            await self.change(lambda node: physics.record(node, datetime.now(UTC)))
        fresh = [entry for entry in self.truth["log"] if int(entry["id"]) > self._last_event]
        self._last_event = max(self._last_event, self._newest_entry())
        for entry in fresh:
            self.publish(entry)

    def _newest_entry(self) -> int:
        return max((int(entry["id"]) for entry in self.truth["log"]), default=0)

    def publish(self, entry: Json) -> None:
        """Send one log entry to every subscriber, in the background."""
        number = self.runtime.number("event")
        event = {
            "EventId": str(number),
            "EventTimestamp": self.clock(),
            "MemberId": "0",
            "Severity": entry["severity"],
            "MessageSeverity": entry["severity"],
            "Message": entry["message"],
            "MessageId": entry.get("message_id") or f"ResourceEvent.1.3.ResourceStatusChanged{entry['severity']}",
            "MessageArgs": [entry["sensor"], entry["severity"]],
        }
        for subscription in self.runtime.subscriptions.values():
            body = {
                "@odata.type": "#Event.v1_7_0.Event",
                "Id": str(number),
                "Name": "Event Array",
                "Context": subscription.context,
                "Events": [event],
            }
            self.background(self._deliver(subscription.destination, body, subscription.headers))

    async def _deliver(self, destination: str, body: Json, headers: dict[str, str]) -> None:
        if self.client is None:
            return
        for _ in range(3):
            try:
                async with self.client.post(destination, json=body, headers=headers) as answer:
                    if answer.status < 400:
                        return
            except (aiohttp.ClientError, TimeoutError) as problem:
                LOGGER.info("%s: event to %s: %s", self.name, destination, type(problem).__name__)
            await asyncio.sleep(1)

    async def stop(self) -> None:
        """End the background work."""
        for task in list(self.runtime.work):
            task.cancel()
        await asyncio.gather(*self.runtime.work, return_exceptions=True)
