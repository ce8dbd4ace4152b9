"""The switch's SSH server: password login, one session per shell, a terminal with paging and simple line editing."""

from __future__ import annotations

import contextlib
import hmac
import secrets
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import paramiko
from paramiko import common

from lab.switch.device import Device, persona
from lab.switch.persona import Shell, shell
from lab.switch.store import REBOOT_SECONDS, Who

BACKLOG = 32
MAX_VTY = 21  # the manual's maximum
LOGIN_SECONDS = 60.0
IDLE_SECONDS = 600.0  # the default of ``idle-timeout``
# What a client is told before it logs in: as a CloudEngine does it, with the comment that RFC 4253, 4.2 allows.
VERSION = "SSH-2.0-HUAWEI-1.5 simulated"
MORE = "  ---- More ----"
# VRP's words for it over Telnet, as clients that look for them have them; taken to be the same over SSH.
FULL = "All user interfaces are used, please try later!"
ERASE = f"\x1b[{len(MORE)}D{' ' * len(MORE)}\x1b[{len(MORE)}D"

Say = Callable[[str], None]


class Hangup(Exception):
    """The other side is gone, silent for too long, or the switch lost its power."""


class Login(paramiko.ServerInterface):
    """Password authentication against the world's user."""

    def __init__(self, user: str, password: str) -> None:
        self._user, self._password = user, password
        self.user = ""
        self.shell = threading.Event()

    def get_allowed_auths(self, username: str) -> str:
        return "password"

    def check_auth_password(self, username: str, password: str) -> int:
        right = hmac.compare_digest(password.encode(), self._password.encode())
        if right and hmac.compare_digest(username.encode(), self._user.encode()):
            self.user = username
            return common.AUTH_SUCCESSFUL
        return common.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return common.OPEN_SUCCEEDED if kind == "session" else common.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_pty_request(self, *_: Any) -> bool:
        return True

    def check_channel_shell_request(self, channel: paramiko.Channel) -> bool:
        self.shell.set()
        return True


class Server:
    """Serves one switch until ``stop``. Its port is closed while it has no power, is dead, or boots."""

    def __init__(self, device: Device, key: paramiko.PKey, password: Callable[[], str], say: Say) -> None:
        self.device = device
        self._key = key
        self._password = password
        self._say = say
        self._listener: socket.socket | None = None
        self._transports: set[paramiko.Transport] = set()
        self._closed_until = 0.0
        self._guard = threading.Lock()

    @property
    def port(self) -> int | None:
        """The port on which it listens now; None while it is off or boots."""
        return int(self._listener.getsockname()[1]) if self._listener else None

    def tick(self) -> None:
        """Follow the world and the clock: power, reboots, trial runs. Call it a few times a second."""
        self.device.store.tick()
        if self.device.reboot_requested.is_set():
            self.device.reboot_requested.clear()
            self._say(f"{self.device.name}: reboots")
            self._close()
            self.device.store.reboot()
            self._closed_until = time.monotonic() + REBOOT_SECONDS
        document = self.device.read()
        on = document["power"] == "on" and not document["dead"] and time.monotonic() >= self._closed_until
        if on and self._listener is None:
            self._open(document["address"], document["port"])
        elif not on and self._listener is not None:
            self._say(f"{self.device.name}: {'is dead' if document['dead'] else 'is off'}")
            self._close()

    def stop(self) -> None:
        self._close()

    def _open(self, address: str, port: int) -> None:
        listener = socket.create_server((address, port), backlog=BACKLOG)
        self._listener = listener
        self._say(f"{self.device.name}: SSH on {address}:{listener.getsockname()[1]}")
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _close(self) -> None:
        listener, self._listener = self._listener, None
        if listener:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits in accept
            listener.close()
        with self._guard:
            transports = list(self._transports)
        for transport in transports:
            transport.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            # Echo and answer are small packets: without this each waits for the client's delayed acknowledgement.
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        transport = paramiko.Transport(client)
        transport.local_version = VERSION
        transport.add_server_key(self._key)
        with self._guard:
            self._transports.add(transport)
        who: Who | None = None
        try:
            if self._listener is None:
                return
            login = Login(str(self.device.read()["user"]), self._password())
            transport.start_server(server=login)
            channel = transport.accept(LOGIN_SECONDS)
            if channel is None or not login.shell.wait(LOGIN_SECONDS):
                return
            who = self._admit(login.user)
            if who is None:
                channel.sendall(f"\r\n{FULL}\r\n".encode())
                return
            Terminal(channel, shell(self.device, who), self._banner()).run()
        except (paramiko.SSHException, OSError, EOFError, Hangup):
            return  # a client that goes away, or never spoke SSH, is no trouble of ours
        finally:
            with self._guard:
                self._transports.discard(transport)
                self.device.sessions.pop(who.session if who else "", None)
            transport.close()

    def _limit(self) -> int:
        return int(persona(self.device.read()).get("terminals", MAX_VTY))

    def _admit(self, user: str) -> Who | None:
        """The lowest free terminal, taken until the session ends; None: all are in use."""
        with self._guard:
            taken = {who.interface for who, _ in self.device.sessions.values()}
            free = next((line for line in map("VTY {}".format, range(self._limit())) if line not in taken), None)
            if free is None:
                return None
            who = Who(user, free, secrets.token_hex(8))
            self.device.sessions[who.session] = (who, self.device.clock())
            return who

    def _banner(self) -> str:
        """Capture of a CE6851 login, after the text that ``header shell`` lets a site print: here, what this is."""
        online = len(self.device.sessions)
        now = datetime.fromtimestamp(self.device.clock(), UTC).strftime("%Y-%m-%d %H:%M:%S+00:00")
        header = "\nThis switch is simulated." if self.device.world.site().get("simulated") else ""
        words = persona(self.device.read()).get("banner")
        header += f"\n{words}" if words else ""
        return (
            f"{header}\nInfo: The max number of VTY users is {self._limit()}, the number of current VTY users online "
            f"is {online}, and total number of terminal users online is {online}.\n"
            f"      The current login time is {now}."
        )


class Terminal:
    """Characters to lines and back: echo, backspace, ``?``, Ctrl+C, and ``---- More ----``."""

    def __init__(self, channel: paramiko.Channel, cli: Shell, banner: str) -> None:
        self._channel = channel
        self._cli = cli
        self._banner = banner
        self._pending = ""
        self._after_return = False

    def run(self) -> None:
        """Until the operator quits or hangs up."""
        self._channel.settimeout(IDLE_SECONDS)
        try:
            self._write(self._banner + "\n")
            while not self._cli.closed:
                self._write(self._cli.prompt)
                self._show(self._cli.enter(self._line()))
        finally:
            self._cli.end()
        if self._cli.reboot:
            self._cli.device.reboot_requested.set()

    def _line(self) -> str:
        line = ""
        while True:
            letter = self._key()
            if letter == "\r":
                self._write("\n")
                return line
            if letter in "\x7f\b":
                if line:
                    line = line[:-1]
                    self._write("\b \b")
            elif letter == "\x03":
                self._write("\n" + self._cli.prompt)
                line = ""
            elif letter == "?":
                self._write(f"?\n{self._cli.help(line)}\n{self._cli.prompt}{line}")
            elif letter.isprintable():
                line += letter
                self._write(letter)

    def _key(self) -> str:
        """The next character; a line end is ``\\r``, whether the client sends CR, LF or both."""
        while True:
            while not self._pending:
                try:
                    data = self._channel.recv(4096)
                except TimeoutError as error:
                    raise Hangup("idle") from error
                if not data:
                    raise Hangup("closed")
                self._pending = data.decode("utf-8", "replace")
            letter, self._pending = self._pending[0], self._pending[1:]
            doubled, self._after_return = letter == "\n" and self._after_return, letter == "\r"
            if not doubled:
                return "\r" if letter == "\n" else letter

    def _show(self, text: str) -> None:
        if not text:
            return
        lines = text.split("\n")
        page = self._cli.screen_length - 1
        if page <= 0 or len(lines) <= page:
            self._write(text + "\n")
            return
        shown, room = 0, page
        while shown < len(lines):
            self._write("\n".join(lines[shown : shown + room]) + "\n")
            shown += room
            if shown >= len(lines):
                return
            self._write(MORE)
            key = self._key()
            self._write(ERASE)
            if key in "\x03qQ":
                return
            room = 1 if key == "\r" else page

    def _write(self, text: str) -> None:
        self._channel.sendall(text.replace("\n", "\r\n").encode())
