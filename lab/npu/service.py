"""Serves the NPU tools: for each node a Unix socket, which its container sees as /opt/npuforge-twin/run/npu.sock.

One connection is one call of a tool (docs/fabric.md, section 8). The request is one JSON line ``{"tool", "argv",
"files", "boot", "environment"}``; the answers are JSON lines ``{"out": text}`` and ``{"err": text}`` as they come, then
``{"rc", "files"}``. The client replaces the files and closes; closing before that is what killing the tool is. ``boot``
(may be missing) names the boot of the host: NPUs of a host that booted since have forgotten what they were told.
``environment`` (may be missing): the caller's variables that the tools read.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.npu.call import Call, Gone, Session
from lab.npu.runtime import Runtime
from lab.npu.sockets import SOCKET, folder, listen
from lab.npu.tools import TOOLS
from lab.world import World, WorldError

REQUEST_LIMIT = 4 << 20
REQUEST_SECONDS, CLOSE_SECONDS = 10.0, 5.0
UNKNOWN_TOOL, CRASHED = 127, 70


class Server:
    """The sockets of all nodes of a world."""

    def __init__(self, state: Path, world: World, tools: Mapping[str, Session] = TOOLS) -> None:
        self.state = state
        self.world = world
        self.tools = tools
        self.runtime = Runtime()
        self._listeners: dict[str, socket.socket] = {}
        self._closed = False

    def start(self) -> None:
        for node in self.world.names():
            listener = listen(folder(self.state, node))
            self._listeners[node] = listener
            threading.Thread(target=self._accept, args=(node, listener), daemon=True).start()

    def stop(self) -> None:
        self._closed = True
        for node, listener in self._listeners.items():
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            (folder(self.state, node) / SOCKET).unlink(missing_ok=True)
        self._listeners.clear()

    def tick(self) -> None:
        """Follow the power of the nodes; call it now and then."""
        for node in list(self._listeners):
            self.runtime.settle(self.world, node)

    def _accept(self, node: str, listener: socket.socket) -> None:
        while not self._closed:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(node, client), daemon=True).start()

    def _serve(self, node: str, client: socket.socket) -> None:
        with client:
            client.settimeout(REQUEST_SECONDS)
            try:
                request = _request(client)
                if request is None:
                    return
                client.settimeout(None)
                self._answer(node, client, request)
            except OSError:
                return  # a client that goes away is no trouble of ours

    def _answer(self, node: str, client: socket.socket, request: Mapping[str, Any]) -> None:
        guard = threading.Lock()

        def send(message: Mapping[str, Any]) -> None:
            with guard:
                try:
                    client.sendall(json.dumps(message).encode() + b"\n")
                except OSError as error:
                    call.gone.set()
                    raise Gone(node) from error

        call = Call(
            self.world, node, request["argv"], request["files"], send, self.runtime, request.get("environment", {})
        )
        watcher = threading.Thread(target=_watch, args=(client, call.gone), daemon=True)
        watcher.start()
        try:
            rc = self._run(call, request["tool"], request.get("boot"))
            send({"rc": rc, "files": call.written})
            watcher.join(CLOSE_SECONDS)  # until the client has written its files and closed
        except Gone:
            pass
        finally:
            for done in call.after:
                done()
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)  # wakes the watcher, and tells a client that stays

    def _run(self, call: Call, tool: str, boot: str | None) -> int:
        session = self.tools.get(tool)
        if session is None:
            call.complain(f"{tool}: the twin simulates no such tool\n")
            return UNKNOWN_TOOL
        try:
            self.runtime.settle(self.world, call.node, boot, call.files)
            return session(call)
        except WorldError as error:
            call.complain(f"{tool}: {error}\n")
        except Gone:
            raise
        except Exception:
            # A fault of the simulator must not look like one of the simulated tool.
            traceback.print_exc()
            call.complain(f"{tool}: the simulator failed; see its log\n")
        return CRASHED


def _request(client: socket.socket) -> dict[str, Any] | None:
    """The first line, if it is a request."""
    data = b""
    while not data.endswith(b"\n"):
        part = client.recv(65536)
        data += part
        if not part or len(data) > REQUEST_LIMIT:
            return None
    try:
        request = json.loads(data)
    except ValueError:
        return None
    if not isinstance(request, dict):
        return None
    argv, files, boot = request.get("argv"), request.get("files", {}), request.get("boot")
    variables = request.get("environment", {})
    good = isinstance(request.get("tool"), str) and isinstance(boot, str | None)
    good = good and isinstance(argv, list) and all(isinstance(word, str) for word in argv)
    good = good and isinstance(variables, dict) and all(isinstance(text, str) for text in variables.values())
    good = good and isinstance(files, dict) and all(isinstance(text, str | None) for text in files.values())
    return {**request, "files": files} if good else None


def _watch(client: socket.socket, gone: threading.Event) -> None:
    """A client says nothing after its request; the end of its side is the end of the tool."""
    with contextlib.suppress(OSError):
        while client.recv(4096):
            pass
    gone.set()
