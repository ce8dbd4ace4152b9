"""Asks a device whether it answers: bounded probes that log in nowhere. Used by ``up`` (wait) and ``status`` (show).

Each probe returns None when the device answers as its protocol says, else what is wrong in a few words.
"""

from __future__ import annotations

import contextlib
import socket
import ssl

# RMCP class IPMI, session 0, "Get Channel Authentication Capabilities" for channel 0xe, privilege administrator
# (IPMI 2.0, 13.1.2, 13.6 and 22.13): what every IPMI client asks first, before any user name.
IPMI_HELLO = bytes.fromhex("0600ff07000000000000000000092018c88100388e04b5")
IPMI_HELLO_REPLY = 0x38


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "no answer"
    return error.strerror or type(error).__name__


def tls(address: str, port: int, timeout: float = 2.0) -> str | None:
    """A TLS handshake. The certificate is not judged: a BMC whose certificate is broken on purpose is up."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((address, port), timeout) as plain,
            context.wrap_socket(plain, server_hostname=address),
        ):
            return None
    except ssl.SSLError as error:
        return f"no TLS: {error.reason or error}"
    except OSError as error:
        return _reason(error)


def ssh(address: str, port: int = 22, timeout: float = 2.0) -> str | None:
    """The server's greeting (RFC 4253, 4.2)."""
    try:
        with socket.create_connection((address, port), timeout) as stream:
            stream.settimeout(timeout)
            greeting = stream.recv(255)
    except OSError as error:
        return _reason(error)
    return None if greeting.startswith(b"SSH-2.0-") else f"greets with {greeting[:20]!r}, not as SSH"


def http(address: str, port: int, timeout: float = 2.0) -> str | None:
    """The first line of the answer to a question for ``/``."""
    try:
        with socket.create_connection((address, port), timeout) as stream:
            stream.settimeout(timeout)
            stream.sendall(b"HEAD / HTTP/1.0\r\n\r\n")
            line = stream.recv(255).split(b"\r\n")[0]
    except OSError as error:
        return _reason(error)
    return None if line.startswith(b"HTTP/") and b" 200 " in line else f"answers {line!r}"


def ipmi(address: str, port: int, timeout: float = 1.0, tries: int = 2) -> str | None:
    """The answer to the first question of every IPMI client; asked again once, because UDP loses."""
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as stream:
        stream.settimeout(timeout)
        try:
            stream.connect((address, port))
            for _ in range(tries):
                stream.send(IPMI_HELLO)
                with contextlib.suppress(TimeoutError):
                    answer = stream.recv(255)
                    if len(answer) > 20 and answer[:1] == b"\x06" and answer[19] == IPMI_HELLO_REPLY:
                        return None
                    return "answers, but not as IPMI"
        except OSError as error:
            return _reason(error)
    return "no answer"
