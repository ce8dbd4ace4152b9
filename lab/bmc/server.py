"""All BMCs of a world in one process: a TLS listener per BMC, and a loop that lets them follow the truth.

In a test: ``fleet = Fleet(world, state, WorldBackend(), password="...", ephemeral=True)``, ``await fleet.start()``,
``fleet.base_url("node1")``, ``await fleet.stop()``; or ``with running(fleet):`` from code that is not asynchronous.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from lab import pki, power
from lab.bmc.device import Bmc
from lab.bmc.http import handle
from lab.world import World, WorldError

LOGGER = logging.getLogger("lab.bmc")
TICK_SECONDS = 0.25
RECONCILE_SECONDS = 2.0
WORKERS = 16  # threads for what blocks: the world's lock, podman
LOOPBACK = "127.0.0.1"


class _Protocol(RequestHandler):
    """aiohttp answers 400 to a method that it does not know; DSP0266 wants 405 or 501."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if status == 400 and "method" in f"{message} {exc}".lower():
            answer = web.Response(status=501)
            answer.force_close()
            return answer
        return super().handle_error(request, status, exc, message)


class _Server(web.Server):
    def __call__(self) -> RequestHandler:
        return _Protocol(self, loop=self._loop, **self._kwargs)


class Listener:
    """The socket of one BMC, which comes and goes with the truth: dead, alive, another certificate."""

    def __init__(self, fleet: Fleet, bmc: Bmc) -> None:
        self.fleet = fleet
        self.bmc = bmc
        where = bmc.truth["bmc"]
        self.address: str = LOOPBACK if fleet.ephemeral else where["address"]
        self.port: int = 0 if fleet.ephemeral else where["port"]
        self.certificate: str | None = None  # the variant being shown; None: not listening
        self._runner: web.ServerRunner | None = None

    async def follow(self) -> None:
        """Listen, or not, as the truth has it."""
        wanted = str(self.bmc.truth["bmc"]["certificate"]) if self.bmc.answers else None
        if wanted == self.certificate:
            return
        await self.close()
        if wanted is None:
            return
        context = await asyncio.get_running_loop().run_in_executor(self.fleet.executor, self._tls, wanted)
        server = _Server(self._handle, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.address, self.port, ssl_context=context)
        await site.start()
        if not self.port:
            self.port = self._runner.addresses[0][1]  # kept: the BMC is found again after it was dead
        self.certificate = wanted

    def _tls(self, variant: str) -> ssl.SSLContext:
        host = self.bmc.truth["bmc"]["hostname"]
        files = pki.certificate(self.fleet.state, self.bmc.name, self.address, host, variant)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(*files)
        return context

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        return await handle(self.bmc, request, self.fleet.latency_seconds)

    async def close(self) -> None:
        """Refuse new connections and drop the old ones."""
        runner, self._runner, self.certificate = self._runner, None, None
        if runner:
            await runner.cleanup()


class Fleet:
    """The BMCs of some nodes (default: all of the world).

    ``ephemeral``: on free ports of 127.0.0.1 instead of the world's addresses. ``latency_seconds``: replaces that of
    every node. ``password`` is that of each BMC's own user; it is neither stored nor logged.
    """

    def __init__(
        self,
        world: World,
        state: Path,
        backend: power.Backend,
        *,
        password: str,
        nodes: Iterable[str] | None = None,
        ephemeral: bool = False,
        latency_seconds: float | None = None,
    ) -> None:
        self.world = world
        self.state = Path(state)
        self.backend = backend
        self.ephemeral = ephemeral
        self.latency_seconds = latency_seconds
        self.executor = ThreadPoolExecutor(WORKERS, thread_name_prefix="bmc")
        names = list(nodes) if nodes is not None else world.names()
        self.bmcs = {name: Bmc(world, name, backend, password, self.executor) for name in names}
        self.listeners = {name: Listener(self, bmc) for name, bmc in self.bmcs.items()}
        self.rounds = 0  # how often all BMCs have been brought in line with the world
        self._work: list[asyncio.Task[None]] = []
        self._client: aiohttp.ClientSession | None = None

    def base_url(self, node: str) -> str:
        """``https://<address>:<port>``. In a started ephemeral fleet the port is a real one."""
        listener = self.listeners[node]
        return f"https://{listener.address}:{listener.port}"

    @property
    def ca_file(self) -> Path:
        """The CA that signed the BMCs' certificates."""
        return self.state / "pki" / "ca.pem"

    async def start(self) -> None:
        """Listen on every BMC's address. OSError when one cannot be had; nothing is left listening then."""
        loop = asyncio.get_running_loop()
        ca_file = await loop.run_in_executor(self.executor, pki.authority, self.state)
        trust = ssl.create_default_context()
        trust.load_verify_locations(ca_file)
        self._client = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=trust), timeout=aiohttp.ClientTimeout(total=10)
        )
        try:
            for name, bmc in self.bmcs.items():
                bmc.client = self._client
                await self.listeners[name].follow()
        except BaseException:
            await self.stop()
            raise
        self._work = [loop.create_task(self._follow()), loop.create_task(self._reconcile())]

    async def stop(self) -> None:
        """Close everything; every connection is dropped."""
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        self._work = []
        for name, bmc in self.bmcs.items():
            await bmc.stop()
            await self.listeners[name].close()
        if self._client:
            await self._client.close()
        self.executor.shutdown(wait=False, cancel_futures=True)

    async def settle(self) -> None:
        """Return when every BMC shows what the world held at the call: one round may have begun before it."""
        wanted = self.rounds + 2
        while self.rounds < wanted:
            await asyncio.sleep(TICK_SECONDS / 10)

    async def _follow(self) -> None:
        while True:
            for name, bmc in self.bmcs.items():
                try:
                    await bmc.tick()
                    await self.listeners[name].follow()
                except (WorldError, OSError, ValueError, KeyError, TypeError) as problem:
                    # One node's damaged document or busy port must not stop the others; the next tick tries again.
                    LOGGER.warning("%s: %s: %s", name, type(problem).__name__, problem)
            self.rounds += 1
            await asyncio.sleep(TICK_SECONDS)

    async def _reconcile(self) -> None:
        if isinstance(self.backend, power.WorldBackend):
            return  # the world is all there is
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(RECONCILE_SECONDS)
            for name in self.bmcs:
                try:
                    await loop.run_in_executor(self.executor, power.reconcile, self.world, name, self.backend)
                except (WorldError, power.PowerError, OSError, ValueError, KeyError) as problem:
                    LOGGER.warning("%s: %s: %s", name, type(problem).__name__, problem)


@contextlib.contextmanager
def running(fleet: Fleet) -> Iterator[Fleet]:
    """Run a fleet in a thread of its own, for callers that are not asynchronous (tests, benchmarks)."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="fleet", daemon=True)
    thread.start()

    def run(work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, loop).result(timeout=60)

    try:
        run(fleet.start())
        try:
            yield fleet
        finally:
            run(fleet.stop())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
