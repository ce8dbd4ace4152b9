"""Probes: they tell an answer from silence, refusal and nonsense, and always end."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab import pki, readiness
from lab.hardware import Plan, build_node

IPMI_REPLY = bytes.fromhex("0600ff07000000000000000000108118632000380001800002000000000000")


@contextmanager
def tcp_server(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)

        def serve() -> None:
            try:
                client, _ = server.accept()
            except OSError:
                return
            with client:
                try:
                    talk(client)
                except OSError:
                    return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
    thread.join(5)


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def silent(client: socket.socket) -> None:
    client.recv(4096)
    time.sleep(0.6)


def test_ssh_greeting() -> None:
    with tcp_server(lambda client: client.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")) as port:
        assert readiness.ssh("127.0.0.1", port) is None
    with tcp_server(lambda client: client.sendall(b"HTTP/1.1 400\r\n")) as port:
        assert "not as SSH" in readiness.ssh("127.0.0.1", port)
    with tcp_server(silent) as port:
        assert readiness.ssh("127.0.0.1", port, timeout=0.2) == "no answer"
    assert readiness.ssh("127.0.0.1", closed_port()) == "Connection refused"


@pytest.mark.parametrize("variant", ["valid", "expired", "unknown_ca"])
def test_tls_handshake_whatever_the_certificate(tmp_path: Path, variant: str) -> None:
    bmc = build_node(Plan(), 1)["bmc"]
    certificate, key = pki.certificate(tmp_path, "node1", bmc["address"], bmc["hostname"], variant)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def talk(client: socket.socket) -> None:
        with context.wrap_socket(client, server_side=True) as secure:
            secure.recv(1)

    with tcp_server(talk) as port:
        assert readiness.tls("127.0.0.1", port) is None


def test_what_is_not_tls() -> None:
    with tcp_server(lambda client: client.sendall(b"hello, this is plain text\n")) as port:
        assert readiness.tls("127.0.0.1", port).startswith("no TLS")
    with tcp_server(silent) as port:
        assert readiness.tls("127.0.0.1", port, timeout=0.2) == "no answer"
    assert readiness.tls("127.0.0.1", closed_port()) == "Connection refused"


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        ([IPMI_REPLY], None),
        ([None, IPMI_REPLY], None),  # the first question was lost
        ([b"\x06\x00"], "answers, but not as IPMI"),
        ([b"x" * 30], "answers, but not as IPMI"),
        ([None, None], "no answer"),
    ],
)
def test_ipmi_question(replies: list[bytes | None], expected: str | None) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)

        def serve() -> None:
            for reply in replies:
                question, client = server.recvfrom(512)
                assert question == readiness.IPMI_HELLO
                if reply is not None:
                    server.sendto(reply, client)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        assert readiness.ipmi("127.0.0.1", server.getsockname()[1], timeout=0.2) == expected
        thread.join(5)


def test_nobody_at_the_ipmi_port() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
    assert readiness.ipmi("127.0.0.1", port, timeout=0.2) == "Connection refused"
