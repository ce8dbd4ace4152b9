"""What lives in the NPUs while they have power and is no setting: who uses the tool, and which tests run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from lab.hardware import factory_port
from lab.npu import software
from lab.npu.perftest import Benches
from lab.world import World

Document = dict[str, Any]
NOTICE_SECONDS = 0.2


class Runtime:
    """What all calls share. Threads use it; nothing of it survives the service."""

    def __init__(self) -> None:
        self.benches = Benches()
        self._guard = threading.Lock()
        self._users: dict[str, object] = {}

    def take(self, node: str) -> Callable[[], None] | None:
        """Become the one user of hccn_tool on a node. Returns what gives it back; None: it is in use.

        A call that has ended is noticed a moment after its client is gone; who calls right after it must not be told
        that the tool is busy.
        """
        token = object()
        deadline = time.monotonic() + NOTICE_SECONDS
        while not self._took(node, token):
            if time.monotonic() > deadline:
                return None
            time.sleep(0.005)

        def give_back() -> None:
            with self._guard:
                if self._users.get(node) is token:
                    del self._users[node]

        return give_back

    def _took(self, node: str, token: object) -> bool:
        with self._guard:
            return self._users.setdefault(node, token) is token

    def settle(
        self, world: World, node: str, boot: str | None = None, files: Mapping[str, str | None] | None = None
    ) -> None:
        """Let what follows from power come true: NPUs without power, or in a host that booted, forget their settings.

        ``boot`` names the boot of the host from which a tool was called (None: unknown); ``files``: what its client
        sent of the node's disk. A host that booted has loaded the driver that is there, and its NPUs the firmware that
        waited.
        """
        if not _stale(world.read(node), boot, files):
            return
        with world.update(node) as document:
            if not _stale(document, boot, files):
                return
            software.seen(document, files)
            tools = document["npu_tools"]
            powered = document["power"] == "on"
            # Losing power is noticed once: the next host may call before the power button's owner says that it is on.
            if (tools["powered"] and not powered) or (boot is not None and boot != tools["boot"]):
                forget(document)
                self.benches.drop(node)
            if powered and not tools["powered"]:
                software.flash(document)
            tools["powered"] = powered
            if boot is not None and boot != tools["boot"]:
                software.booted(document, files)
                tools["boot"] = boot


def forget(document: Document) -> None:
    """The NPUs of a node start anew: settings and counters are those of the factory."""
    for npu in document["npus"]:
        npu["net"]["conf"] = factory_port()
        npu["net"]["counters"] = {}


def _stale(document: Mapping[str, Any], boot: str | None, files: Mapping[str, str | None] | None) -> bool:
    tools = document["npu_tools"]
    if software.stale(document, files):
        return True
    return tools["powered"] != (document["power"] == "on") or (boot is not None and boot != tools["boot"])
