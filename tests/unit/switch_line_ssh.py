"""SSH servers on loopback for sessions that enter lines: a Comware model, and a real shell on a pseudo-terminal."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import socket
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import paramiko
import switch_sonic_shell as shell
from npuforge.switch.session import Target
from switch_comware_helpers import Switch, display

PASSWORD = "Sw-Secret-91"
Serve = Callable[[paramiko.Channel, threading.Event], None]


class _Login(paramiko.ServerInterface):
    def check_auth_password(self, username: str, password: str) -> int:
        return paramiko.AUTH_SUCCESSFUL if password == PASSWORD else paramiko.AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:
        return "password"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED

    def check_channel_pty_request(self, *arguments: object) -> bool:
        return True

    def check_channel_shell_request(self, channel: object) -> bool:
        return True


@dataclass
class Server:
    port: int = 0
    key: paramiko.PKey = field(default_factory=paramiko.ECDSAKey.generate)

    def target(self, folder: Path, timeout: float = 10) -> Target:
        known = folder / "known_hosts"
        known.write_text(f"[127.0.0.1]:{self.port} {self.key.get_name()} {self.key.get_base64()}\n")
        return Target("127.0.0.1", self.port, "admin", PASSWORD, str(known), timeout)


@contextlib.contextmanager
def serving(serve: Serve) -> Iterator[Server]:
    server, stop = Server(), threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.1)
    server.port = listener.getsockname()[1]
    transports: list[paramiko.Transport] = []

    def welcome(transport: paramiko.Transport) -> None:
        transport.add_server_key(server.key)
        with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
            transport.start_server(server=_Login())
            channel = transport.accept(5)
            if channel is not None:
                serve(channel, stop)
        transport.close()

    def loop() -> None:
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = listener.accept()
                transports.append(paramiko.Transport(connection))
                threading.Thread(target=welcome, args=(transports[-1],), daemon=True).start()

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        stop.set()
        for transport in transports:
            transport.close()
        thread.join(5)
        listener.close()


@dataclass
class Comware:
    """A Comware command line over the model: views in the prompt, ``save force``, and commit delay.

    ``dies_at``: the connection ends instead of an answer to such a line; then the delay's timer runs out.
    """

    switch: Switch
    saved: dict[str, frozenset[str]] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)
    knows_delay: bool = True
    dies_at: str = ""
    point: Switch | None = None

    def serve(self, channel: paramiko.Channel, stop: threading.Event) -> None:
        prompt = "<leaf1>"
        channel.settimeout(0.1)
        channel.sendall(b"\r\n* Copyright (c) 2004-2024 New H3C Technologies Co., Ltd. *\r\n\r\n" + prompt.encode())
        pending = ""
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                data = channel.recv(4096).decode()
                if not data:
                    return
                pending += data.replace("\r\n", "\n").replace("\r", "\n")
            while "\n" in pending:
                line, _, pending = pending.partition("\n")
                channel.sendall(f"{line}\r\n".encode())
                if self.dies_at and self.dies_at in line:
                    if self.point is not None:
                        self.switch.views = self.point.views
                    return
                answer, prompt = self.answer(line.strip(), prompt)
                channel.sendall((answer.replace("\n", "\r\n") + ("\r\n" if answer else "") + prompt).encode())

    def answer(self, line: str, prompt: str) -> tuple[str, str]:
        self.seen.append(line)
        shown = display(self.switch)
        if not line or line.startswith("screen-length"):
            return "", prompt
        if line.startswith("display "):
            return (shown.get(line) or "").rstrip("\n"), prompt
        if line == "save force":
            self.saved = self.switch.state()
            return (
                "Validating file. Please wait...\nSaved the current configuration to mainboard device successfully.",
                prompt,
            )
        if line == "return":
            self.switch.now = ""
            return "", "<leaf1>"
        if line == "system-view":
            return "System View: return to User View with Ctrl+Z.", "[leaf1]"
        if prompt.startswith("<"):
            return " % Unrecognized command found at '^' position.", prompt
        if line.startswith("configuration commit"):
            if not self.knows_delay:
                return "                ^\n % Unrecognized command found at '^' position.", prompt
            self.point = self.switch.copy() if "delay" in line else None
            return "", prompt
        answer = self.switch.enter(line)
        view = self.switch.now.replace("interface ", "").replace("qos map-table", "maptbl").replace(" ", "-")
        return answer, f"[leaf1-{view}]" if view else "[leaf1]"


def sonic_home(folder: Path, switch: shell.sample.Switch) -> dict[str, str]:
    """A home with SONiC's tools in its ``bin``; the environment of a shell there."""
    tools = folder / "bin"
    tools.mkdir()
    (tools / "sudo").write_text('#!/bin/sh\nexec "$@"\n')
    for name in shell.TOOLS:
        (tools / name).write_text(f'#!/bin/sh\nexec {sys.executable} {shell.__file__} {name} "$@"\n')
    for path in tools.iterdir():
        path.chmod(0o755)
    environment = {
        "HOME": str(folder),
        "PATH": f"{tools}:/usr/bin:/bin",
        "PYTHONPATH": str(Path(shell.__file__).parent),
        "PS1": "admin@leaf1:~$ ",
        "TERM": "vt100",
    }
    os.environ["HOME"], before = str(folder), os.environ["HOME"]
    shell.STATE = folder / "state.json"
    shell.keep(switch)
    os.environ["HOME"] = before
    return environment


def bash(environment: dict[str, str]) -> Serve:
    """A real shell on a pseudo-terminal behind each channel."""

    def serve(channel: paramiko.Channel, stop: threading.Event) -> None:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 1000, 511, 0, 0))  # as netmiko asks for
        process = subprocess.Popen(
            ["bash", "--norc", "--noprofile", "-i"],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment,
            cwd=environment["HOME"],
            start_new_session=True,
        )
        os.close(theirs)

        def back() -> None:
            with contextlib.suppress(OSError):
                while data := os.read(ours, 4096):
                    channel.sendall(data)
            channel.close()

        reader = threading.Thread(target=back, daemon=True)
        reader.start()
        channel.settimeout(0.1)
        try:
            while not stop.is_set() and process.poll() is None:
                with contextlib.suppress(TimeoutError):
                    data = channel.recv(4096)
                    if not data:
                        return
                    os.write(ours, data)
        finally:
            process.kill()
            process.wait()
            reader.join(5)  # else it would read what is opened next under the same number
            os.close(ours)

    return serve
