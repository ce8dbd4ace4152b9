"""Redfish trees for the tests of the BMC part: from a folder or a dict, through a fake client or a real TLS server."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import json
import os
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from npuforge.bmc import apply, parse
from npuforge.bmc.wire import Limits, Reply, Target, normal

USER = "reader"
PASSWORD = "planted-Pa55word-7f3a"
Documents = dict[str, Any]


def shared() -> Path:
    """The folder with the captures; tests skip where it does not exist."""
    default = Path(__file__).resolve().parents[2].parent / "shared"
    return Path(os.environ.get("NPUFORGE_SHARED", str(default)))


def load_tree(folder: Path) -> Documents:
    """``{normal uri: body}`` of a folder with ``redfish/v1/**/index.json``."""
    documents = {}
    for path in sorted(folder.glob("redfish/v1/**/index.json")):
        uri = "/" + str(path.parent.relative_to(folder))
        documents[normal(uri)] = json.loads(path.read_text(encoding="utf-8"))
    return documents


SAMPLES = Path(__file__).resolve().parents[1] / "data" / "redfish"
SYSTEM = "/redfish/v1/systems/1"
CHASSIS = "/redfish/v1/chassis/1"


def sample(name: str) -> Documents:
    """A private copy of one of our own small trees: ``openubmc`` or ``ibmc``."""
    tree = json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    return {normal(uri): body for uri, body in tree.items()}


def facts_of(documents: Documents) -> Any:
    """The facts of a tree, without a network."""
    root = documents.get("/redfish/v1")
    tree = apply.crawl(FakeClient(documents), root if isinstance(root, dict) else {})
    return parse.facts(tree, datetime.datetime.now(datetime.UTC))


class FakeClient:
    """What ``apply.crawl`` needs of a client, answering from a dict in this process."""

    def __init__(self, documents: Documents, limits: Limits | None = None) -> None:
        self.documents = documents
        self.limits = limits or Limits(pool=2)
        self.asked: list[str] = []

    def get(self, uri: str) -> Reply:
        self.asked.append(uri)
        key = normal(uri)
        if key not in self.documents:
            return Reply(uri, 404, None, "HTTP 404")
        body = self.documents[key]
        if not isinstance(body, dict):
            return Reply(uri, 200, body, "null instead of a JSON object")
        return Reply(uri, 200, body, "HTTP 200, but an error in the body" if "error" in body else None)

    def close_thread(self) -> None:
        pass


# A real server ---------------------------------------------------------------------------------------------------


def make_certificate(folder: Path, days: int = 30, name: str = "127.0.0.1") -> Path:
    """A self-signed certificate with its key in one PEM file; negative ``days``: it expired."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bmc under test")])
    now = datetime.datetime.now(datetime.UTC)
    end = now + datetime.timedelta(days=days)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, end) - datetime.timedelta(days=60))
        .not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(name))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"cert{days}-{name}.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


def fingerprint(pem: Path) -> str:
    return x509.load_pem_x509_certificate(pem.read_bytes()).fingerprint(hashes.SHA256()).hex()


Answer = Callable[["Handler"], bool]


class Handler(BaseHTTPRequestHandler):
    """Serves ``server.documents`` with sessions and ETags; ``server.special[path]`` answers instead of it."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet per answer: without it each waits 40 ms for a delayed acknowledgement
    server: Server

    def log_message(self, *_: Any) -> None:
        pass

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            super().handle()

    def reply(self, status: int, body: Any = None, headers: dict[str, str] | None = None) -> None:
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def body(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"null")

    def _serve(self) -> None:
        server = self.server
        with server.lock:
            server.seen.append((self.command, self.path, dict(self.headers)))
        special = server.special.get(self.path) or server.special.get("*")
        if special is not None and special(self):
            return
        getattr(self, "_" + self.command.lower())()

    do_GET = do_POST = do_PATCH = do_DELETE = _serve

    def _get(self) -> None:
        key = normal(self.path)
        if key != "/redfish/v1" and not self._authorized():
            self.reply(401)
        elif key in self.server.documents:
            body = self.server.documents[key]
            self.reply(200, body, {"ETag": self.server.etag(key)})
        else:
            self.reply(404, {"error": {"code": "Base.1.0.ResourceMissingAtURI", "message": "no such resource"}})

    def _authorized(self) -> bool:
        return self.headers.get("X-Auth-Token") in self.server.tokens or self.headers.get("Authorization") is not None

    def _post(self) -> None:
        body = self.body()
        if self.path.rstrip("/").endswith("/Sessions"):
            if not self.server.sessions:
                self.reply(404)
            elif body != {"UserName": USER, "Password": PASSWORD}:
                self.reply(401)
            else:
                token = f"token-{len(self.server.seen)}"
                self.server.tokens.add(token)
                self.reply(201, {}, {"X-Auth-Token": token, "Location": f"{self.path}/1"})
        else:
            self.reply(404)

    def _delete(self) -> None:
        self.server.tokens.discard(self.headers.get("X-Auth-Token") or "")
        self.reply(204)

    def _patch(self) -> None:
        key = normal(self.path)
        change = self.body()
        if self.headers.get("If-Match") != self.server.etag(key):
            self.reply(412)
            return
        for name, value in change.items():
            self.server.documents[key].setdefault(name, {}).update(value)
        self.reply(204)


class Server(ThreadingHTTPServer):
    """An HTTPS server on an ephemeral loopback port."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, documents: Documents, certificate: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.documents = documents
        self.certificate = certificate
        self.special: dict[str, Answer] = {}
        self.sessions = True
        self.tokens: set[str] = set()
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.lock = threading.Lock()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)

    def etag(self, key: str) -> str:
        return f'W/"{abs(hash(json.dumps(self.documents.get(key), sort_keys=True)))}"'

    def finish_request(self, request: Any, client_address: Any) -> None:
        with contextlib.suppress(ConnectionError, ssl.SSLError, TimeoutError):  # the client left: its right
            request.settimeout(20)
            super().finish_request(self._context.wrap_socket(request, server_side=True), client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass

    def target(self, **changes: Any) -> Target:
        fields: dict[str, Any] = {"ca_file": str(self.certificate)}
        fields.update(changes)
        return Target("127.0.0.1", USER, fields.pop("password", PASSWORD), port=self.server_address[1], **fields)

    def paths(self, method: str = "GET") -> list[str]:
        with self.lock:
            return [path for command, path, _ in self.seen if command == method]


@contextlib.contextmanager
def serving(documents: Documents, certificate: Path | None = None) -> Iterator[Server]:
    """``with serving(documents) as server: read(Job("n1", server.target()))``."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server(documents, certificate or make_certificate(Path(folder)))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            server.server_close()
            thread.join(5)
