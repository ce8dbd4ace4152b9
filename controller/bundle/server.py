"""The closed side's file server: a verified bundle over HTTP, read-only, with ranges; one log line per file.

Only paths of the verified manifest are answered, by looking them up: no path of a request ever reaches the file system.
A file that changed since it was verified is read again, and refused by name when it is another one.
"""

from __future__ import annotations

import os
import re
import socket
import socketserver
import sys
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any, TextIO
from urllib.parse import unquote, urlsplit

from npuforge.bundle.transfer import hash_file

from controller.contract import Document

from . import manifest
from .verify import Stamp, Verified, check_file, stamp, stamp_of

CHUNK = 1 << 18
IDLE_SECONDS = 60.0  # a client that neither asks nor takes for so long is hung up on
RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class Shelf:
    """The files of one verified bundle by their path in a URL (without the first slash)."""

    def __init__(self, folder: Path, verified: Verified) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._entries: dict[str, Document] = dict(manifest.entries(verified.document))
        self._stamps: dict[str, Stamp] = dict(verified.stamps)
        for name in (manifest.MANIFEST, manifest.SIGNATURE):
            size, digest = hash_file(folder / name)
            self._entries[name] = {"file": name, "size_bytes": size, "sha256": digest}
            self._stamps[name] = stamp(folder / name)

    def open(self, name: str) -> tuple[IO[bytes], Document] | None:
        """The file and its entry; null for what the manifest does not name.

        :raises ValueError: the file is no longer the verified one; the message says why
        """
        entry = self._entries.get(name)
        if entry is None:
            return None
        with self._lock:
            stream = self._opened(name)
            if stream is None:
                wrong, mark = check_file(self._folder, name, entry)
                if wrong is None and mark is not None:
                    self._stamps[name] = mark
                    stream = self._opened(name)
                if stream is None:
                    why = wrong.text if wrong else "it changes while it is read"
                    raise ValueError(f"{name} is no longer the verified file: {why}")
        return stream, entry

    def _opened(self, name: str) -> IO[bytes] | None:
        """The file when what was opened (not what is at its path a moment later) is what was verified."""
        try:
            stream = (self._folder / name).open("rb")
        except OSError:
            return None
        if stamp_of(os.fstat(stream.fileno())) == self._stamps.get(name):
            return stream
        stream.close()
        return None


class Server(ThreadingHTTPServer):
    """Serves a shelf until ``shutdown()``. ``log`` takes a line per answer."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], shelf: Shelf, log: TextIO | None = None) -> None:
        self.shelf = shelf
        self._log = log or sys.stderr
        self._log_lock = threading.Lock()
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Without the base class's reverse look-up of the address, which waits for a name server that is not there."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    @property
    def url(self) -> str:
        host = f"[{self.server_name}]" if ":" in self.server_name else self.server_name
        return f"http://{host}:{self.server_port}"

    def write_log(self, text: str) -> None:
        with self._log_lock:
            print(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), text, file=self._log, flush=True)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no error of ours; anything else is told in a line."""
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError | TimeoutError):
            self.write_log(f"{client_address[0]} internal error: {type(error).__name__}: {error}")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    server: Server

    def version_string(self) -> str:
        return "npuforge-bundle"

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, body: bool) -> None:
        name = unquote(urlsplit(self.path).path)[1:]
        try:
            found = self.server.shelf.open(name)
        except ValueError as problem:
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, str(problem), body)
            return
        except OSError as error:
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, f"{name}: {error.strerror}", body)
            return
        if found is None:
            self._refuse(HTTPStatus.NOT_FOUND, "no such file in the bundle", body)
            return
        stream, entry = found
        with stream:
            self._send(stream, name, entry, body)

    def _send(self, stream: IO[bytes], name: str, entry: Document, body: bool) -> None:
        size, etag = int(entry["size_bytes"]), f'"{entry["sha256"]}"'
        if etag in (self.headers.get("If-None-Match") or ""):
            self.send_response(HTTPStatus.NOT_MODIFIED)
            self.send_header("ETag", etag)
            self.end_headers()
            self._note(HTTPStatus.NOT_MODIFIED, name, 0)
            return
        span = self._span(size, etag)
        if span is None:
            self.send_response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
            self.send_header("Content-Range", f"bytes */{size}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            self._note(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, name, 0)
            return
        start, end = span
        partial = (start, end) != (0, size)
        status = HTTPStatus.PARTIAL_CONTENT if partial else HTTPStatus.OK
        self.send_response(status)
        self.send_header("Content-Type", _type_of(name))
        self.send_header("Content-Length", str(end - start))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", etag)
        if partial:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
        self.end_headers()
        sent = self._copy(stream, start, end) if body else 0
        self._note(status, name, sent, "" if not body or sent == end - start else " (broken off)")

    def _span(self, size: int, etag: str) -> tuple[int, int] | None:
        """First byte and the one after the last; null where the range lies outside. Odd ranges: the whole file."""
        match = RANGE.fullmatch((self.headers.get("Range") or "").strip())
        condition = self.headers.get("If-Range")
        if match is None or (condition is not None and condition.strip() != etag):
            return 0, size
        first, last = match.groups()
        if not first:
            if not last:
                return 0, size
            return (max(0, size - int(last)), size) if int(last) and size else None
        start = int(first)
        end = min(size, int(last) + 1) if last else size
        if last and int(last) < start:
            return 0, size
        return (start, end) if start < size else None

    def _copy(self, stream: IO[bytes], start: int, end: int) -> int:
        stream.seek(start)
        sent = 0
        try:
            while sent < end - start:
                block = stream.read(min(CHUNK, end - start - sent))
                if not block:
                    break
                self.wfile.write(block)
                sent += len(block)
        except OSError:
            pass
        if sent < end - start:
            self.close_connection = True
        return sent

    def _refuse(self, status: HTTPStatus, text: str, body: bool) -> None:
        data = f"{text}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data)
        self._note(status, self.path, len(data), f" {text}" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "")

    def _note(self, status: HTTPStatus, name: str, sent: int, remark: str = "") -> None:
        asked = f" {self.headers.get('Range')}" if status == HTTPStatus.PARTIAL_CONTENT else ""
        self.server.write_log(
            f"{self.client_address[0]} {self.command} {_printable(name)} {int(status)} {sent}{asked}{remark}"
        )

    def log_message(self, format: str, *arguments: Any) -> None:
        """The base class's lines (bad requests); ours are written by _note."""
        if "%s" in format and not format.startswith('"'):
            text = format % arguments
            self.server.write_log(f"{self.client_address[0]} {_printable(text)}")


def _printable(text: str) -> str:
    """For the log: one line whatever a client sent."""
    return "".join(character if character.isprintable() else "?" for character in text)[:200]


def _type_of(name: str) -> str:
    if name.endswith(".json"):
        return "application/json"
    return "application/xml" if name.endswith(".xml") else "application/octet-stream"
