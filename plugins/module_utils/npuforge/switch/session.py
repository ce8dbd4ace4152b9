"""One SSH session to a switch's command line, through netmiko. Runs on the controller only.

``Session`` reads only: questions of the switch are answered with no. ``Configurator`` (two-stage Huawei switches) can
also enter lines; it shows the prompt after each, because there the prompt tells whether something is uncommitted, and
leaves commits to its user. The host key must be in the given file; there is no trust on first use. The password is
given to netmiko and to nothing else.
"""

from __future__ import annotations

import io
import re
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Callable, NamedTuple

PAGER_OFF = "screen-length 0 temporary"  # netmiko's huawei driver sends it
_ASKS = r"\[[Yy](?:\([^)]*\))?/[Nn][^\]]*\]\s*:?\s*$"
_QUESTION = re.compile(_ASKS)
# Huawei VRP when every VTY is taken (the session then ends), H3C Comware and OpenSSH when theirs are.
_FULL = re.compile(
    rb"All user interfaces are (?:in use|used)|too many (?:open )?(?:sessions|connections|users)|"
    rb"(?:maximum|max) number of (?:sessions|login users|connections) (?:has been |is )?(?:reached|exceeded)",
    re.IGNORECASE,
)


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

    @classmethod
    def of(cls, options: dict[str, Any]) -> Target:
        """From the options that all switch modules share."""
        return cls(*(options[name] for name in cls._fields))

    def __repr__(self) -> str:
        return f"Target({self.user}@{self.address}:{self.port})"


class Answer(NamedTuple):
    """What the switch printed, and how long it took."""

    text: str
    seconds: float


class Session:
    """``with Session(target) as session: session.run("display version")``.

    :param os: the command line: huawei_vrpv8, h3c_comware or sonic (a Linux shell).
    """

    def __init__(self, target: Target, os: str = "huawei_vrpv8") -> None:
        self.target = target
        self.os = os
        self._connection: Any = None
        self._prompt = ""

    def __enter__(self) -> Session:
        """:raises SessionError: not reachable, refused, unknown or changed host key, no prompt."""
        try:
            import netmiko  # noqa: PLC0415 - a controller without switches need not have it
        except ImportError as error:
            raise SessionError("netmiko is not installed on the controller") from error
        target = self.target
        timeout = target.timeout_seconds
        device_type, driver = _netmiko_driver(self.os, timeout)
        if not Path(target.known_hosts).is_file():
            raise SessionError(f"the known_hosts file {target.known_hosts} does not exist")
        heard = io.BytesIO()  # what the switch said while logging in; netmiko's errors do not tell it
        try:
            self._connection = driver(
                host=target.address,
                port=target.port,
                username=target.user,
                password=target.password,
                device_type=device_type,
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
                session_log=heard,
            )
            self._prompt = self._connection.find_prompt()
            self._connection.session_log = None
        except netmiko.NetmikoAuthenticationException as error:
            raise SessionError(f"user {target.user} is refused (wrong password, or not allowed)") from error
        except Exception as error:  # netmiko raises from four libraries, also plain ValueError and EOFError
            self.close()
            if _FULL.search(heard.getvalue()):
                where = f"{target.address}:{target.port}"
                raise SessionError(f"{where} has no session left (too many sessions): end one, then again") from error
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


class Entered(NamedTuple):
    """What a line printed, the prompt that came after it, and the questions that it asked."""

    text: str
    seconds: float
    prompt: str
    questions: tuple[str, ...]

    @property
    def dirty(self) -> bool:
        """Whether the prompt says that something is uncommitted (``[*sw1]``)."""
        return self.prompt.startswith("[*")


class Configurator(Session):
    """A session with a two-stage Huawei switch that may enter lines. ``run`` stays for reading, in any view."""

    prompt = ""

    def __enter__(self) -> Session:
        """:raises SessionError: as ``Session``; and for a prompt that is not a user view's (``<sw1>``)."""
        super().__enter__()
        if not self._prompt.startswith("<"):
            shown = self._prompt
            self.drop()
            raise SessionError(
                f"its prompt is {shown[:60]!r}, not the user view's of a Huawei or Comware switch (<name>)"
            )
        return self

    def run(self, command: str) -> Answer:
        """A ``display`` command's output. Nothing else is sent.

        :raises SessionError: no prompt in time, or the connection is gone.
        """
        if not command.startswith("display "):
            raise ValueError(f"{command!r} does not only read")
        entered = self.enter(command)
        return Answer(entered.text, entered.seconds)

    def enter(
        self, line: str, answer: str | Callable[[str], str] = "N", timeout_seconds: float | None = None
    ) -> Entered:
        """Send a line and wait for the next prompt; each question that it asks gets ``answer`` (or what that says).

        :raises SessionError: no prompt in time, or the connection is gone. What the switch did with the line is then
            not known, and the session cannot be used further.
        """
        started = time.monotonic()
        limit = timeout_seconds or self.target.timeout_seconds
        text, questions, sent = "", [], line
        try:
            for _ in range(4):
                self._connection.write_channel(sent + self._connection.RETURN)
                text += self._until_prompt(sent, limit)
                if _QUESTION.search(text) is None:
                    break
                questions.append(text.strip().rsplit("\n", 1)[-1])
                sent = answer if isinstance(answer, str) else answer(questions[-1])
        except TimeoutError as error:
            raise SessionError(f"{line!r}: no prompt within {limit:g} s") from error
        except Exception as error:  # paramiko, the socket, or netmiko
            raise SessionError(f"{line!r}: the connection is gone ({type(error).__name__})") from error
        body, _, self.prompt = text.rstrip().rpartition("\n")
        return Entered(body.strip("\n"), round(time.monotonic() - started, 3), self.prompt, tuple(questions))

    def _until_prompt(self, sent: str, limit: float) -> str:
        """What comes after a line's echo, up to a prompt or a question. Only a prompt after the echo is the line's:
        netmiko's login leaves others behind. (netmiko's own reading does not notice that the other side hung up.)

        :raises TimeoutError: not in time. EOFError: hung up.
        """
        host = re.escape(self._prompt.strip("<>[]~*"))
        ends = re.compile(rf"(?:[\r\n][\[<][~*]?{host}[^\r\n\]>]*[\]>]\s*$|{_ASKS})")
        deadline = time.monotonic() + limit
        text = ""
        while time.monotonic() < deadline:
            data = str(self._connection.read_channel())
            text += data
            _, echo, rest = text.partition(sent)
            if data and echo and ends.search(rest[-400:]):
                return rest.replace("\r", "")
            if not data:
                if self._connection.remote_conn.closed:
                    raise EOFError
                time.sleep(0.005)
        raise TimeoutError

    def drop(self) -> None:
        """Hang up without a word: whatever is said on the way out could be taken for an answer."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):  # the other side may have hung up first
                connection.paramiko_cleanup()

    def close(self) -> None:
        """Say quit in the user view; from anywhere else hang up: what is said there may be taken for an answer."""
        if self._connection is not None and (self.prompt or self._prompt).startswith("<"):
            with suppress(Exception):  # gone already: that is what was wanted
                self._connection.write_channel("quit" + self._connection.RETURN)
        self.drop()


def _netmiko_driver(os: str, timeout: float) -> tuple[str, Any]:
    """netmiko's name for a command line and the class that speaks it."""
    if os == "h3c_comware":
        from netmiko.hp.hp_comware import HPComwareSSH  # noqa: PLC0415 - netmiko is loaded only where it is used

        return "hp_comware", HPComwareSSH
    if os == "sonic":
        from netmiko.linux.linux_ssh import LinuxSSH  # noqa: PLC0415 - as above

        return "linux", LinuxSSH
    from netmiko.huawei.huawei import HuaweiVrpv8SSH  # noqa: PLC0415 - as above

    class Reader(HuaweiVrpv8SSH):
        """netmiko's driver, but at login it would answer Y and save when asked to secure the configuration."""

        def special_login_handler(self, delay_factor: float = 1.0) -> None:
            data = self.read_until_pattern(pattern=r"(?:[>\]]\s*$|\[[Yy]/[Nn]\])", read_timeout=timeout)
            for _ in range(3):
                if not _QUESTION.search(data):
                    return
                self.write_channel("N" + self.RETURN)
                data = self.read_until_pattern(pattern=r"(?:[>\]]\s*$|\[[Yy]/[Nn]\])", read_timeout=timeout)

    return "huawei_vrpv8", Reader


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
    if "ConnectionReset" in text or "EOFError" in text or "Socket is closed" in text:
        return f"{where} closed the session before its prompt (too many sessions, or no command line for {target.user})"
    if "banner" in text.lower() or "No existing session" in text:
        return f"{where} does not speak SSH"
    return f"no session with {where} ({type(error).__name__})"
