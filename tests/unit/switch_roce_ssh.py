"""The tests' two-stage device behind SSH, for the session that speaks with it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import paramiko
from npuforge.switch.session import SessionError, Target

from tests.unit.switch_helpers import PASSWORD, _Login
from tests.unit.switch_roce_helpers import Device, Session

QUESTIONS = {
    "save": "Warning: all configuration will be written to the device.\nAre you sure to continue?[Y/N]",
    "abort trial": "Warning: The trial configuration will be rolled back. Continue? [Y/N]:",
    "reboot": "Warning: The system will reboot. Continue? [Y/N]:",
}


@dataclass
class Server:
    """``greeting`` comes before the first prompt; ``full``: no more sessions; ``enable``: another make's prompt."""

    device: Device
    greeting: str = "\nInfo: The max number of VTY users is 5, the number of current VTY users online is 1.\n"
    full: bool = False
    enable: bool = False
    port: int = 0
    key: paramiko.PKey = field(default_factory=paramiko.ECDSAKey.generate)
    sessions: list[Session] = field(default_factory=list)

    def target(self, folder: Path, password: str = PASSWORD, timeout: float = 5) -> Target:
        known = folder / "known_hosts"
        known.write_text(f"[127.0.0.1]:{self.port} {self.key.get_name()} {self.key.get_base64()}\n")
        return Target("127.0.0.1", self.port, "reader", password, str(known), timeout)


@contextlib.contextmanager
def serving(server: Server) -> Iterator[Server]:
    stop = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.1)
    server.port = listener.getsockname()[1]
    transports: list[paramiko.Transport] = []

    def loop() -> None:
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = listener.accept()
                transports.append(paramiko.Transport(connection))
                threading.Thread(target=welcome, args=(transports[-1],), daemon=True).start()

    def welcome(transport: paramiko.Transport) -> None:
        transport.add_server_key(server.key)
        with contextlib.suppress(paramiko.SSHException, EOFError, OSError, SessionError):
            transport.start_server(server=_Login())
            channel = transport.accept(5)
            if channel is not None and not server.full:
                _shell(server, channel, stop)
        transport.close()

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


def _shell(server: Server, channel: paramiko.Channel, stop: threading.Event) -> None:
    session = Session(server.device)
    server.sessions.append(session)

    def write(text: str) -> None:
        channel.sendall(text.replace("\n", "\r\n").encode())

    def lines() -> Iterator[str]:
        pending = ""
        channel.settimeout(0.1)
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                data = channel.recv(4096).decode()
                if not data:
                    return
                pending += data.replace("\r\n", "\n").replace("\r", "\n")
            while "\n" in pending:
                line, _, pending = pending.partition("\n")
                yield line

    write(server.greeting)
    incoming = lines()
    try:
        if server.greeting.rstrip(" :").endswith("[Y/N]"):
            write(next(incoming) + "\n")
        write("sw1>" if server.enable else session.prompt)
        for line in incoming:
            write(f"{line}\n")
            if line.strip() == "quit" and session.path is None:
                return
            answer = "N"
            if line.strip() in QUESTIONS:
                write(QUESTIONS[line.strip()])
                answer = next(incoming)
                write(f"{answer}\n")
            write(_answer(server, session, line.strip(), answer))
            write("sw1>" if server.enable else session.prompt)
    finally:
        session.drop()


def _answer(server: Server, session: Session, line: str, answer: str) -> str:
    if server.enable:
        return "" if not line else "% Invalid input detected at '^' marker.\n"
    if not line or line.startswith("screen-length"):
        return ""
    if session.path is None and line not in ("system-view", "save", "reboot") and not line.startswith("display "):
        return "    ^\nError: Unrecognized command found at '^' position.\n"
    text = session.run(line).text if line.startswith("display ") else session.enter(line, answer).text
    return f"{text}\n" if text else ""
