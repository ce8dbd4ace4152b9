"""A hundred BMCs in one process: none waits for another's latency, and idle ones cost next to nothing."""

from __future__ import annotations

import asyncio
import base64
import ssl
import time
from pathlib import Path

import aiohttp

from lab import power
from lab.bmc.server import Fleet
from tests.unit.lab_bmc_helpers import PASSWORD, SYSTEM, USER, make_world

BMCS, LATENCY = 100, 0.2


def test_a_hundred_bmcs(tmp_path: Path) -> None:
    asyncio.run(scenario(tmp_path))


async def scenario(state: Path) -> None:
    world = make_world(state, nodes=BMCS, dialect="openubmc")
    fleet = Fleet(world, state, power.WorldBackend(), password=PASSWORD, ephemeral=True, latency_seconds=LATENCY)
    await fleet.start()
    try:
        before = time.process_time()
        await asyncio.sleep(1)
        assert time.process_time() - before < 0.3, "idle BMCs keep the machine busy"
        secret = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        trust = ssl.create_default_context(cafile=str(fleet.ca_file))
        connector = aiohttp.TCPConnector(ssl=trust, limit=0)
        async with aiohttp.ClientSession(connector=connector, headers={"Authorization": f"Basic {secret}"}) as client:

            async def serial(node: str) -> str:
                async with client.get(fleet.base_url(node) + SYSTEM) as answer:
                    return str((await answer.json())["SerialNumber"])

            started = time.monotonic()
            serials = await asyncio.gather(*map(serial, fleet.bmcs))
            took = time.monotonic() - started
    finally:
        await fleet.stop()
    assert len(set(serials)) == BMCS
    assert LATENCY <= took < BMCS * LATENCY / 2, f"{took:.1f} s: they waited for each other"
