"""One BMC over HTTPS: keep-alive connections, one session, bounded retries, bodies and time.

Safe for several threads: each has its own connection, all share the session. ``get`` never raises for what a device
does wrong; the ``Reply`` says what was wrong in words.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import socket
import ssl
import threading
import time
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from ..common import Document, as_dict, as_list, as_text
from . import tls
from .wire import ROOT, SESSIONS, Limits, Reply, Target, link

CONNECT_SECONDS = 10.0
_RETRY_STATUS = (429, 503)
_NO_SERVICE = (301, 302, 307, 308, 404, 405, 501)
_JSON_ERRORS = (ValueError, RecursionError)


class Unreachable(Exception):
    """The BMC cannot be used at all; the text is the reason for the report."""


class _Refused(Exception):
    """A request that is given up without another try; the text is its problem."""


class _Connection(http.client.HTTPSConnection):
    """HTTPS whose peer is checked (pin) before anything is sent, and that a watchdog can cut."""

    def __init__(self, target: Target, context: ssl.SSLContext, timeout: float) -> None:
        super().__init__(target.address, target.port, timeout=timeout, context=context)
        self.target = target
        self.certificate: bytes | None = None
        self.overdue_at: float | None = None
        self.used_at = 0.0

    def connect(self) -> None:
        super().connect()
        sock: Any = self.sock
        self.certificate = sock.getpeercert(binary_form=True)
        if self.target.fingerprint:
            try:
                tls.check_pin(self.certificate, tls.fingerprint_bytes(self.target.fingerprint))
            except tls.TlsProblem:
                self.close()
                raise

    def cut(self) -> None:
        """Wake a thread that waits for this connection; its read fails at once."""
        sock = self.sock
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


class Client:
    """``with Client(target, limits) as bmc: root = bmc.login(); bmc.get("/redfish/v1/Systems")``. Leaving logs out."""

    def __init__(self, target: Target, limits: Limits | None = None) -> None:
        self.target = target
        self.limits = limits or Limits()
        self.deadline = time.monotonic() + self.limits.deadline
        self.requests: list[Document] = []
        self.certificate: bytes | None = None
        self.authentication: str | None = None  # "session" or "basic", once logged in
        self.notes: list[str] = []
        self._context = tls.context(target.tls_mode, target.ca_file)
        self._headers: dict[str, str] = {}
        self._session: str | None = None
        self._local = threading.local()
        self._lock = threading.Lock()
        self._open: list[_Connection] = []
        self._stop = threading.Event()
        self._watch = threading.Thread(target=self._cut_overdue, name="bmc-watch", daemon=True)

    def __enter__(self) -> Client:
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._logout()
        finally:
            self._stop.set()
            with self._lock:
                connections, self._open = self._open, []
            for connection in connections:
                connection.close()

    @property
    def remaining(self) -> float:
        return self.deadline - time.monotonic()

    # Requests ---------------------------------------------------------------------------------------------------

    def get(self, uri: str) -> Reply:
        """GET one resource as a JSON object. Never raises for what the device does; see ``Reply.problem``."""
        return self.send("GET", uri)

    def send(self, method: str, uri: str, body: Document | None = None, headers: dict[str, str] | None = None) -> Reply:
        """One request with its retries. Only GETs follow redirects, and only to the same host and port."""
        started = time.monotonic()
        reply = Reply(uri)
        try:
            reply = self._with_retries(method, uri, body, headers or {})
        except _Refused as error:
            reply.problem = str(error)
        reply.received = time.time()
        reply.seconds = round(time.monotonic() - started, 4)
        return reply

    def _with_retries(self, method: str, uri: str, body: Document | None, headers: dict[str, str]) -> Reply:
        path, hops = uri, 0
        waited = 0.0
        for attempt in range(1, self.limits.attempts + 1):
            status, answer, raw = self._once_more_if_reset(method, path, body, headers)
            if status in _RETRY_STATUS and attempt < self.limits.attempts:
                pause = self._retry_after(answer, attempt)
                if pause < self.remaining and waited + pause <= 4 * self.limits.retry_after:
                    waited += pause
                    self._stop.wait(pause)
                    continue
            if status in (301, 302, 307, 308) and method == "GET":
                hops += 1
                if hops > 3:
                    raise _Refused("too many redirects")
                path = self._redirect(path, answer.get("location", ""))
                continue
            return self._judge(uri, status, answer, raw)
        raise _Refused(f"no useful answer in {self.limits.attempts} tries")

    def _once_more_if_reset(
        self, method: str, path: str, body: Document | None, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        """A server may close an idle connection just as we write. A GET gets one new connection; what changes
        something is never sent twice, so it does not start on an idle connection."""
        if method != "GET":
            self._drop_idle()
        try:
            return self._exchange(method, path, body, headers)
        except (ConnectionError, http.client.BadStatusLine, http.client.IncompleteRead) as error:
            if isinstance(error, ConnectionRefusedError) or method != "GET" or self.remaining <= 0:
                raise _Refused(_network_problem(error)) from error
        try:
            return self._exchange(method, path, body, headers)
        except (ConnectionError, http.client.HTTPException) as error:
            raise _Refused(_network_problem(error)) from error

    def _exchange(
        self, method: str, path: str, body: Document | None, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        allowed = min(self.limits.timeout, self.remaining)
        if allowed <= 0:
            raise _Refused(f"not read: the deadline of {self.limits.deadline:g} s was over")
        started = time.monotonic()
        entry: Document = {"method": method, "uri": path, "status": None, "seconds": 0.0, "bytes": 0}
        with self._lock:
            if len(self.requests) >= self.limits.requests:
                raise _Refused(f"not read: more than {self.limits.requests} requests")
            self.requests.append(entry)
        connection = self._connection(allowed)
        try:
            connection.overdue_at = started + allowed
            self._connect(connection, min(allowed, CONNECT_SECONDS), allowed)
            sent = {"Accept": "application/json", "OData-Version": "4.0"}
            sent.update(self._headers)
            sent.update(headers)
            data = None
            if body is not None:
                data = json.dumps(body).encode("utf-8")
                sent["Content-Type"] = "application/json"
            connection.request(method, path, body=data, headers=sent)
            response = connection.getresponse()
            entry["status"] = response.status
            raw = self._body(response)
            entry["bytes"] = len(raw)
            if time.monotonic() - started >= allowed:  # cut by the watchdog: what came may look whole
                raise _Refused(f"no complete answer within {allowed:.3g} s")
            if response.will_close:
                self._drop(connection)
            return response.status, {key.lower(): value for key, value in response.getheaders()}, raw
        except ssl.SSLError as error:
            self._drop(connection)
            if isinstance(error, ssl.SSLCertVerificationError):
                der = tls.peer_certificate(self.target.address, self.target.port, min(allowed, CONNECT_SECONDS))
                raise _Refused(tls.reason(error, der)) from error
            if time.monotonic() - started >= allowed:
                raise _Refused(f"no complete answer within {allowed:.3g} s") from error
            raise _Refused(tls.reason(error, None)) from error
        except tls.TlsProblem as error:
            self._drop(connection)
            raise _Refused(str(error)) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._drop(connection)
            if time.monotonic() - started >= allowed:
                raise _Refused(f"no complete answer within {allowed:.3g} s") from error
            if isinstance(error, (ConnectionError, http.client.BadStatusLine, http.client.IncompleteRead)):
                raise
            raise _Refused(_network_problem(error)) from error
        except _Refused:
            self._drop(connection)
            raise
        finally:
            connection.overdue_at = None
            connection.used_at = time.monotonic()
            entry["seconds"] = round(time.monotonic() - started, 4)

    def _connect(self, connection: _Connection, connect_seconds: float, allowed: float) -> None:
        if connection.sock is None:
            connection.timeout = connect_seconds
            connection.connect()
            self.certificate = connection.certificate
        connection.sock.settimeout(allowed)

    def _body(self, response: http.client.HTTPResponse) -> bytes:
        """The whole body, but never more than the limit: a longer one closes the connection unread."""
        declared = response.length
        limit = self.limits.body_bytes
        if declared is not None and declared > limit:
            raise _Refused(f"body of {declared} bytes refused (limit {limit})")
        parts: list[bytes] = []
        size = 0
        while True:
            part = response.read(65536)
            if not part:
                break
            size += len(part)
            if size > limit:
                raise _Refused(f"body longer than {limit} bytes refused")
            parts.append(part)
        if declared is not None and size < declared:
            raise http.client.IncompleteRead(b"", declared - size)
        return b"".join(parts)

    def _redirect(self, path: str, location: str) -> str:
        """The path to go on with, or a refusal: credentials do not travel to another host, port or scheme."""
        parts = urlsplit(location)
        if parts.scheme or parts.netloc:
            default = 443 if parts.scheme == "https" else 80
            try:
                same = parts.scheme == "https" and (parts.hostname or "").lower() == self.target.address.lower()
                same = same and (parts.port or default) == self.target.port
            except ValueError:
                same = False
            if not same:
                raise _Refused("redirect from {} to {}://{} refused".format(path, parts.scheme or "?", parts.netloc))
        if not parts.path.startswith("/"):
            raise _Refused(f"redirect from {path} without a path refused")
        return parts.path + ("?" + parts.query if parts.query else "")

    def _retry_after(self, answer: dict[str, str], attempt: int) -> float:
        value = answer.get("retry-after", "").strip()
        pause: float = min(0.5 * 2.0 ** (attempt - 1), 4.0)
        if value.isdigit():
            pause = float(value)
        elif value:
            with contextlib.suppress(TypeError, ValueError, OverflowError):
                pause = parsedate_to_datetime(value).timestamp() - time.time()
        return max(0.1, min(pause, self.limits.retry_after))

    def _judge(self, uri: str, status: int, answer: dict[str, str], raw: bytes) -> Reply:
        reply = Reply(uri, status)
        reply.headers = answer
        reply.etag = answer.get("etag")
        text = raw.strip()
        if text:
            try:
                reply.body = json.loads(text.decode("utf-8", "replace"))
            except _JSON_ERRORS:
                kind = "HTML" if text[:1] == b"<" else "truncated or broken text"
                reply.problem = f"{kind} instead of JSON (HTTP {status})"
        if status >= 300:
            reply.problem = f"HTTP {status}{_error_text(reply.body)}"
        elif reply.problem is None and not isinstance(reply.body, dict):
            reply.problem = None if status == 204 else f"{_kind(reply.body)} instead of a JSON object"
        elif isinstance(reply.body, dict) and "error" in reply.body:
            reply.problem = f"HTTP {status}, but an error in the body{_error_text(reply.body)}"
        if reply.etag is None and isinstance(reply.body, dict):
            reply.etag = as_text(reply.body.get("@odata.etag"))
        return reply

    # Connections ------------------------------------------------------------------------------------------------

    def _connection(self, allowed: float) -> _Connection:
        connection: _Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = _Connection(self.target, self._context, allowed)
            self._local.connection = connection
            with self._lock:
                self._open.append(connection)
        return connection

    def _drop(self, connection: _Connection) -> None:
        connection.close()
        self._local.connection = None
        with self._lock:
            if connection in self._open:
                self._open.remove(connection)

    def _drop_idle(self, seconds: float = 2.0) -> None:
        connection = getattr(self._local, "connection", None)
        if connection is not None and time.monotonic() - connection.used_at > seconds:
            self._drop(connection)

    def close_thread(self) -> None:
        """Close the calling thread's connection (a worker that ends calls this)."""
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            self._drop(connection)

    def _cut_overdue(self) -> None:
        """Socket timeouts are per read: a byte now and then would hold a thread for ever."""
        while not self._stop.wait(0.25):
            now = time.monotonic()
            with self._lock:
                overdue = [item for item in self._open if item.overdue_at is not None and item.overdue_at < now]
            for connection in overdue:
                connection.cut()

    # Session ----------------------------------------------------------------------------------------------------

    def login(self) -> Document:
        """Log in, and read the service root meanwhile (it is open to everybody, DSP0266 13.1). Returns the root; empty
        where a BMC has no usable one, as the usual places may be there all the same. Raises ``Unreachable``."""
        found: list[Reply] = []

        def read_root() -> None:
            try:
                found.append(self.get(ROOT))
            finally:
                self.close_thread()

        reader = threading.Thread(target=read_root, name="bmc-root")
        reader.start()
        problem: Unreachable | None = None
        opened = False
        try:
            opened = self.open_session()
        except Unreachable as error:
            problem = error
        reader.join()
        root = found[0] if found else Reply(ROOT, problem="not read")
        if problem is not None:
            raise problem
        if root.problem is not None:
            self.notes.append(f"{ROOT}: {root.problem}")
        named = link(as_dict(root.document.get("Links")).get("Sessions"))
        if not opened and named and named != SESSIONS:
            opened = self.open_session(named)
        if not opened:
            self.use_basic()
        return root.document

    def open_session(self, uri: str = SESSIONS) -> bool:
        """Open a session (DSP0266 13.3.4); ``False`` when there is no session service at ``uri``.

        Raises ``Unreachable`` when the BMC refuses the password (no second try: accounts lock) or does not answer.
        """
        credentials = {"UserName": self.target.user, "Password": self.target.password}
        reply = self.send("POST", uri, credentials)
        if reply.status is None:
            raise Unreachable(reply.problem or "no answer to the login")
        if reply.status in (401, 403):
            raise Unreachable(f"BMC refused the password of user {self.target.user} (HTTP {reply.status})")
        token = reply.headers.get("x-auth-token")
        if reply.status < 300 and token:
            self._headers = {"X-Auth-Token": token}
            place = urlsplit(reply.headers.get("location", "")).path or link(reply.body)
            self._session = place if place and place.startswith("/") else None
            self.authentication = "session"
            return True
        if reply.status not in _NO_SERVICE:
            self.notes.append(f"no session ({reply.problem or 'no token given'}): basic authentication used")
        return False

    def use_basic(self) -> None:
        """Authenticate each request by itself, where there is no session service."""
        pair = f"{self.target.user}:{self.target.password}"
        self._headers = {"Authorization": "Basic " + base64.b64encode(pair.encode("utf-8")).decode("ascii")}
        self.authentication = "basic"

    def _logout(self) -> None:
        """End the session, also after the deadline: a BMC has few of them."""
        if self._session is None:
            return
        session, self._session = self._session, None
        self.limits = self.limits._replace(timeout=min(self.limits.timeout, CONNECT_SECONDS), attempts=1)
        self.deadline = max(self.deadline, time.monotonic() + CONNECT_SECONDS)
        reply = self.send("DELETE", session)
        if reply.status is None or reply.status >= 400:
            self.notes.append(f"the session was not closed: {reply.problem}")


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    return {list: "a list", str: "a text", bool: "a boolean"}.get(type(value), "a number")


def _error_text(body: Any) -> str:
    """``: <message>`` of a Redfish error body, in one line of at most 200 characters; empty without one."""
    error = as_dict(as_dict(body).get("error"))
    for info in as_list(error.get("@Message.ExtendedInfo")):
        text = as_text(as_dict(info).get("Message")) or as_text(as_dict(info).get("MessageId"))
        if text:
            return ": " + text[:200]
    text = as_text(error.get("message")) or as_text(error.get("code"))
    return ": " + text[:200] if text else ""


def _network_problem(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, TimeoutError) or "timed out" in str(error):
        return "connection timed out"
    if isinstance(error, http.client.IncompleteRead):
        return "the answer ended early"
    if isinstance(error, (ConnectionError, http.client.BadStatusLine)):
        return f"the connection was closed ({type(error).__name__})"
    return "no connection: %s" % (getattr(error, "strerror", None) or type(error).__name__)
