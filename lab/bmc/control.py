"""The local control of the BMCs' power and boot source, for the IPMI simulator's chassis script.

A unix socket; one line there, one line back, then it is closed::

    node1 get power            1 | 0
    node1 get boot             none | pxe | disk | cdrom | bios
    node1 set power 0|1        ok
    node1 set boot pxe         ok
    node1 reset | cycle        ok
    node1 shutdown             ok
    settle                     ok, once every BMC shows what the world holds

A line that cannot be carried out is answered ``error: <why>``. What was asked goes on when the asker hangs up early.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from lab.bmc.device import Bmc, Refused
from lab.bmc.odata import Json
from lab.world import WorldError

LOGGER = logging.getLogger("lab.bmc")
BOOT = {"none": "None", "pxe": "Pxe", "disk": "Hdd", "cdrom": "Cd", "bios": "BiosSetup"}
LINE_SECONDS = 10


class Control:
    """Serves the control socket at ``path`` (mode 0600) for these BMCs; ``settle`` is ``Fleet.settle``."""

    def __init__(self, path: Path, bmcs: Mapping[str, Bmc], settle: Callable[[], Awaitable[None]]) -> None:
        self.path = path
        self.bmcs = bmcs
        self.settle = settle
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)  # left by a service that was killed
        self._server = await asyncio.start_unix_server(self._serve, str(self.path))
        self.path.chmod(0o600)

    async def stop(self) -> None:
        if self._server:
            self._server.close()
            await self._server.wait_closed()
            self.path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await asyncio.wait_for(reader.readline(), LINE_SECONDS)
            try:
                answer = await self.obey(line.decode("utf-8", "replace").split())
            except (Refused, WorldError, ValueError) as problem:
                answer = f"error: {problem}"
            with contextlib.suppress(ConnectionError):
                writer.write(answer.replace("\n", " ").encode() + b"\n")
                await writer.drain()
        except (TimeoutError, ConnectionError, ValueError) as problem:
            LOGGER.info("control: %s", type(problem).__name__)
        finally:
            writer.close()

    async def obey(self, words: list[str]) -> str:
        """Carry out one request. ValueError, Refused or WorldError: it cannot be done."""
        if words == ["settle"]:
            await self.settle()
            return "ok"
        bmc = self.bmcs.get(words[0]) if words else None
        if bmc is None:
            raise ValueError(f"no BMC {words[0]!r}" if words else "empty request")
        bmc.refresh()
        match words[1:]:
            case ["get", "power"]:
                return "1" if bmc.context.view.powered else "0"
            case ["get", "boot"]:
                target = bmc.truth["boot"]["target"]
                return next((name for name, value in BOOT.items() if value == target), "none")
            case ["set", "power", "0" | "1" as value]:
                await bmc.power("on" if value == "1" else "force_off")
            case ["set", "boot", name] if name in BOOT:
                await bmc.change(lambda node: _set_boot(node, BOOT[name]))
            case ["reset", *_]:
                await bmc.power("reset")
            case ["cycle", *_]:
                await bmc.power("cycle")
            case ["shutdown", *_]:
                await bmc.power("graceful_off")
            case _:
                raise ValueError(f"cannot do {' '.join(words[1:])!r}")
        return "ok"


def _set_boot(node: Json, target: str) -> None:
    """IPMI sets a boot source for one boot (IPMI 2.0, 28.13: cleared after use)."""
    node["boot"].update(target=target, enabled="Disabled" if target == "None" else "Once")
