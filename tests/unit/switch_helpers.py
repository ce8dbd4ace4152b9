"""A small SSH command line for tests: answers from a dictionary, and every way of not answering. Not the twin's switch.

The outputs are our own, in the shapes of the Huawei CE6800/CE8800 V300R023C00 command reference.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import paramiko
from npuforge.switch.session import Target

PASSWORD = "Sw-Secret-77"

VERSION = """Huawei Versatile Routing Platform Software
YunShan OS, Version 1.23.0.1 (CE8800 V300R023C00SPC500)
Copyright (C) 2021-2023 Huawei Technologies Co., Ltd.
HUAWEI CE8855-32CQ8BQ uptime is 1 day, 2 hours, 3 minutes
Patch Version: V300R023SPH010
"""
DEVICE = """CE8855-32CQ8BQ's Device status:
--------------------------------------------------------------------------------
Slot  Card   Type                     Online   Power Register     Alarm     Primary
--------------------------------------------------------------------------------
1     -      CE8855-32CQ8BQ           Present  On    Registered   Normal    Master
      FAN1   FAN                      Present  On    Registered   Normal    NA
      FAN2   FAN                      Present  On    Registered   Abnormal  NA
      PWR1   PAC1K2S12-CB             Present  On    Registered   Normal    NA
      PWR2   PAC1K2S12-CB             Present  On    Registered   Normal    NA
--------------------------------------------------------------------------------
"""
LABELS = """Equipment SN(ESN): 2102353TESTCE0000001
License ESN: --
-------------------------------------------------------------------------------
SlotID     Sub    Type                  SN                       P/N
-------------------------------------------------------------------------------
1          --     CE8855-32CQ8BQ        2102353TESTCE0000001     02353TST
           FAN1   --                    --                       --
           FAN2   --                    --                       --
           PWR1   PAC1K2S12-CB          2102PWRTEST01            02312PWR
           PWR2   PAC1K2S12-CB          2102PWRTEST02            02312PWR
-------------------------------------------------------------------------------
"""
MANUFACTURE = """Slot       Card   Type               Serial-number            Manu-date
----------------------------------------------------------------------------
1          --     CE6855-48S6Q-HI    2102350TESTCE0000002     2026-01-15
        PWR1   PAC600S12             2102PWRTEST03            2026-01-15
----------------------------------------------------------------------------
"""
POWER = """------------------------------------------------------------------------------------
Slot   PowerNo  Present Mode State     Current    Voltage   ActualPower   RatedPower
                                       (Ampere)   (Volt)    (Watts)       (Watts)
------------------------------------------------------------------------------------
1      PWR1     YES     AC   Supply        9.6       12.1           116         1200
       PWR2     YES     AC   NotSupply     --        --              --         1200
       PWR3     NO      --   --            --        --              --           --
------------------------------------------------------------------------------------
internal fan info:
-------------------------------------------
Slot   PowerNo  FanExist  Airflow Direction
-------------------------------------------
1      PWR1     YES       Back-to-Front
-------------------------------------------
"""
FAN = """Fan module:
-----------------------------------------------------------------------------------------------------------------
Slot       FanID      FanNum      Present      Register      Status      Speed        Mode      Airflow Direction
-----------------------------------------------------------------------------------------------------------------
   1       FAN1       [ 1 ]       YES          YES           Normal      43%(10700)   Auto      Front-to-Back
                        1                                                10700
           FAN2       [ 1 ]       YES          YES           Normal      42%(10500)   Auto      Front-to-Back
                        1                                                10500
           FAN3       [ 1 ]       NO           --            --          --           --        --
-----------------------------------------------------------------------------------------------------------------
"""
V300 = {
    "display version": VERSION,
    "display device": DEVICE,
    "display device elabel brief": LABELS,
    "display device power": POWER,
    "display device fan": FAN,
}
UNKNOWN = "                  ^\nError: Unrecognized command found at '^' position.\n"
QUESTION = "Warning: It may take a long time. Continue? [Y/N]:"


class _Login(paramiko.ServerInterface):
    def check_auth_password(self, username: str, password: str) -> int:
        good = username == "reader" and password == PASSWORD
        return paramiko.AUTH_SUCCESSFUL if good else paramiko.AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:
        return "password"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED

    def check_channel_pty_request(self, *arguments: object) -> bool:
        return True

    def check_channel_shell_request(self, channel: object) -> bool:
        return True


@dataclass
class Cli:
    """``answers``: command to output. ``silent``: commands that never end. ``greeting``: printed before the prompt."""

    answers: dict[str, str]
    silent: tuple[str, ...] = ()
    greeting: str = ""
    seen: list[str] = field(default_factory=list)
    key: paramiko.PKey = field(default_factory=paramiko.ECDSAKey.generate)
    port: int = 0

    def target(
        self, folder: Path, password: str = PASSWORD, timeout: float = 5, key: paramiko.PKey | None = None
    ) -> Target:
        known = folder / "known_hosts"
        public = key or self.key
        known.write_text(f"[127.0.0.1]:{self.port} {public.get_name()} {public.get_base64()}\n")
        return Target("127.0.0.1", self.port, "reader", PASSWORD, str(known), timeout)


@contextlib.contextmanager
def serving(cli: Cli) -> Iterator[Cli]:
    stop = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.2)
    cli.port = listener.getsockname()[1]
    transports: list[paramiko.Transport] = []

    def loop() -> None:
        while not stop.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            transport = paramiko.Transport(connection)
            transports.append(transport)
            threading.Thread(target=welcome, args=(transport,), daemon=True).start()

    def welcome(transport: paramiko.Transport) -> None:
        transport.add_server_key(cli.key)
        with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
            transport.start_server(server=_Login())
            channel = transport.accept(5)
            if channel is not None:
                _shell(cli, channel, stop)

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    try:
        yield cli
    finally:
        stop.set()
        for transport in transports:
            transport.close()
        thread.join(5)
        listener.close()


def _shell(cli: Cli, channel: paramiko.Channel, stop: threading.Event) -> None:
    channel.settimeout(0.2)
    channel.sendall(f"\r\n{cli.greeting}".replace("\n", "\r\n").encode())
    if not cli.greeting.rstrip(":").endswith("]"):
        channel.sendall(b"<sw1>")
    line, question = "", cli.greeting.rstrip(":").endswith("]")
    while not stop.is_set():
        try:
            data = channel.recv(1024).decode()
        except TimeoutError:
            continue
        except OSError:
            return
        if not data:
            return
        for character in data.replace("\r\n", "\n").replace("\r", "\n"):
            if character != "\n":
                line += character
                continue
            command, line = line.strip(), ""
            cli.seen.append(command)
            channel.sendall(f"{command}\r\n".encode())
            if command == "quit":
                channel.close()
                return
            if command in cli.silent:
                continue
            output = "" if question or not command or command.startswith("screen-length") else None
            question = False
            if output is None:
                output = cli.answers.get(command, UNKNOWN)
            channel.sendall(output.replace("\n", "\r\n").encode())
            question = output.rstrip(":").endswith("]")
            if not question:
                channel.sendall(b"<sw1>")
