"""One SSH session to a switch's command line, through netmiko. Runs on the controller only.

Reads only: questions of the switch are answered with no. The host key must be in the given file; there is no trust on
first use. The password is given to netmiko and to nothing else.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any, NamedTuple

PAGER_OFF = "screen-length 0 temporary"  # netmiko's huawei driver sends it
_QUESTION = re.compile(r"\[[Yy](?:\([^)]*\))?/[Nn][^\]]*\]\s*:?\s*$")


class SessionError(Exception):
    """No session, or one that can no longer be used; the text says why and holds no secret."""


class Target(NamedTuple):
    """Where and as whom. ``known_hosts``: the file with the switch's host key."""

    address: str
    port: int
    user: str
    password: str
    known_hosts: str
    timeout_seconds: float

    def __repr__(self) -> str:
        return f"Target({self.user}@{self.address}:{self.port})"


class Answer(NamedTuple):
    """What the switch printed, and how long it took."""

    text: str
    seconds: float


class Session:
    """``with Session(target) as session: session.run("display version")``."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._connection: Any = None
        self._prompt = ""

    def __enter__(self) -> Session:
        """:raises SessionError: not reachable, refused, unknown or changed host key, no prompt."""
        try:
            import netmiko  # noqa: PLC0415 - a controller without switches need not have it
            from netmiko.huawei.huawei import HuaweiVrpv8SSH  # noqa: PLC0415 - as above
        except ImportError as error:
            raise SessionError("netmiko is not installed on the controller") from error

        class Reader(HuaweiVrpv8SSH):
            """netmiko's driver, but at login it would answer Y and save when asked to secure the configuration."""

            def special_login_handler(self, delay_factor: float = 1.0) -> None:
                data = self.read_until_pattern(pattern=r"(?:[>\]]\s*$|\[[Yy]/[Nn]\])", read_timeout=timeout)
                for _ in range(3):
                    if not _QUESTION.search(data):
                        return
                    self.write_channel("N" + self.RETURN)
                    data = self.read_until_pattern(pattern=r"(?:[>\]]\s*$|\[[Yy]/[Nn]\])", read_timeout=timeout)

        target = self.target
        timeout = target.timeout_seconds
        if not Path(target.known_hosts).is_file():
            raise SessionError(f"the known_hosts file {target.known_hosts} does not exist")
        try:
            self._connection = Reader(
                host=target.address,
                port=target.port,
                username=target.user,
                password=target.password,
                device_type="huawei_vrpv8",
                ssh_strict=True,
                system_host_keys=False,
                alt_host_keys=True,
                alt_key_file=target.known_hosts,
                use_keys=False,
                allow_agent=False,
                conn_timeout=timeout,
                banner_timeout=timeout,
                auth_timeout=timeout,
                read_timeout_override=timeout,
            )
            self._prompt = self._connection.find_prompt()
        except netmiko.NetmikoAuthenticationException as error:
            raise SessionError(f"user {target.user} is refused (wrong password, or not allowed)") from error
        except Exception as error:  # netmiko raises from four libraries, also plain ValueError and EOFError
            self.close()
            raise SessionError(_reason(error, target)) from error
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    @property
    def banner(self) -> str:
        """The SSH server's version string, which says what it is."""
        transport = getattr(getattr(self._connection, "remote_conn_pre", None), "get_transport", lambda: None)()
        return str(getattr(transport, "remote_version", "") or "")

    def run(self, command: str) -> Answer:
        """One command's output, without echo and prompt.

        :raises SessionError: no prompt in time, or the connection is gone. The session cannot be used further.
        """
        started = time.monotonic()
        wanted = rf"(?:{re.escape(self._prompt)}\s*$|\[[Yy]/[Nn]\])"
        try:
            text = self._connection.send_command(
                command, expect_string=wanted, read_timeout=self.target.timeout_seconds, strip_prompt=True
            )
            if _QUESTION.search(text):
                text += self._connection.send_command(
                    "N", expect_string=wanted, read_timeout=self.target.timeout_seconds
                )
        except Exception as error:
            raise SessionError(
                f"{command!r}: no prompt within {self.target.timeout_seconds:g} s"
                if type(error).__name__ in ("ReadTimeout", "NetmikoTimeoutException")
                else f"{command!r}: the connection is gone ({type(error).__name__})"
            ) from error
        return Answer(str(text), round(time.monotonic() - started, 3))

    def close(self) -> None:
        """Log out; whatever goes wrong there is of no interest any more."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.disconnect()
            except Exception:
                connection.paramiko_cleanup()


def _reason(error: BaseException, target: Target) -> str:
    """netmiko's long texts as one sentence."""
    chain: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(chain) < 5:
        chain.append("{} {} {}".format(type(cause).__name__, cause, getattr(cause, "errors", "")))
        cause = cause.__cause__ or cause.__context__
    text = " ".join(chain)
    where = f"{target.address}:{target.port}"
    if "not found in known_hosts" in text:
        return f"the host key of {where} is not in {target.known_hosts}"
    if "BadHostKeyException" in text:
        return f"{where} shows another host key than {target.known_hosts} has: it may not be the switch"
    if "refused" in text.lower():
        return f"{where} refuses connections"
    if "ReadTimeout" in text or "timed out" in text.lower() or "TCP connection to device failed" in text:
        return f"{where} does not answer within {target.timeout_seconds:g} s"
    if "banner" in text.lower() or "No existing session" in text:
        return f"{where} does not speak SSH"
    return f"no session with {where} ({type(error).__name__})"
