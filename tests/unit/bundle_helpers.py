"""For tests of the bundle: a manifest of made files, and an HTTP server on loopback that can be told to misbehave."""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from npuforge.bundle.transfer import Limits

from controller.bundle.progress import Progress

QUICK = Limits(timeout=2.0, attempts=3, backoff=0.0, slow_seconds=0.3, slow_bytes_per_s=4096.0)
VERSIONS = {"npu_driver": "25.0.rc1.1", "npu_firmware": "7.7.0.1.231", "cann_toolkit": "8.2.RC1"}


def content(seed: int, size: int) -> bytes:
    """``size`` bytes that look like nothing else; the same for the same seed."""
    block = hashlib.sha512(str(seed).encode()).digest()
    return (block * (size // len(block) + 1))[:size]


def artifact(name: str, data: bytes | None = None, **changes: Any) -> dict[str, Any]:
    """An entry of a manifest; with ``data`` its size and hash are told."""
    kind = "rpm" if name.endswith(".rpm") else "run"
    return {
        "id": name.split(".", 1)[0] if kind == "run" else f"rpm:{name.split('-', 1)[0]}",
        "file": name,
        "version": VERSIONS.get(name.split(".", 1)[0], "1.0"),
        "arch": ["noarch"],
        "chip": "910b",
        "license": "test",
        "origin": f"http://vendor.invalid/{name}",
        "size_bytes": None if data is None else len(data),
        "sha256": None if data is None else hashlib.sha256(data).hexdigest(),
        "kind": kind,
        **changes,
    }


def manifest_of(files: dict[str, bytes], hashed: bool = True) -> dict[str, Any]:
    """A manifest of files; ``hashed``: whether it tells their sizes and hashes."""
    artifacts = [artifact(name, data if hashed else None) for name, data in files.items()]
    return {"schema": "npuforge.bundle/1", "release": "t1", "title": "test", "artifacts": artifacts}


def quiet() -> Progress:
    return Progress(io.StringIO(), live=False)


def write(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


@dataclass
class Origin:
    """What the server has and how it answers. ``asked``: (path, Range, If-Range) of each request, in order."""

    files: dict[str, bytes]
    url: str = ""
    asked: list[tuple[str, str | None, str | None]] = field(default_factory=list)
    at_once: int = 0  # most requests that were under way at the same time
    ranges: bool = True
    etags: bool = True
    break_after: list[int] = field(default_factory=list)  # bytes after which the next answers end, one each
    statuses: list[int] = field(default_factory=list)  # of the next answers, instead of the file
    says_length: int | None = None  # instead of the real one
    no_length: bool = False
    pause: float = 0.0  # seconds before each piece
    piece: int = 1 << 16
    content_type: str = "application/octet-stream"
    etag: str | None = None
    shift: int = 0  # a Content-Range that begins so many bytes later than was asked
    under_way: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def log_message(self, format: str, *arguments: Any) -> None:
        pass

    def do_GET(self) -> None:
        origin: Origin = self.server.origin
        with origin.lock:
            origin.under_way += 1
            origin.at_once = max(origin.at_once, origin.under_way)
            origin.asked.append((self.path, self.headers.get("Range"), self.headers.get("If-Range")))
        try:
            self._answer(origin)
        except OSError:
            pass
        finally:
            with origin.lock:
                origin.under_way -= 1

    def _answer(self, origin: Origin) -> None:
        data = origin.files.get(self.path.rsplit("/", 1)[-1])
        status = origin.statuses.pop(0) if origin.statuses else (200 if data is not None else 404)
        self.close_connection = True
        if status != 200 or data is None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        etag = origin.etag or f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'
        match = re.match(r"bytes=(\d+)-$", self.headers.get("Range") or "")
        condition = self.headers.get("If-Range")
        start = 0
        if match and origin.ranges and (condition is None or condition == etag):
            start = int(match.group(1))
            if start >= len(data):
                self.send_response(416)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            status = 206
        self.send_response(status)
        self.send_header("Content-Type", origin.content_type)
        length = len(data) - start if origin.says_length is None else origin.says_length
        if not origin.no_length:
            self.send_header("Content-Length", str(length))
        if status == 206:
            self.send_header("Content-Range", f"bytes {start + origin.shift}-{len(data) - 1}/{len(data)}")
        if origin.etags:
            self.send_header("ETag", etag)
        self.end_headers()
        end = start + origin.break_after.pop(0) if origin.break_after else len(data)
        for at in range(start, min(end, len(data)), origin.piece):
            time.sleep(origin.pause)
            self.wfile.write(data[at : min(at + origin.piece, end)])


@contextlib.contextmanager
def origin(files: dict[str, bytes], **how: Any) -> Iterator[Origin]:
    """A server of ``files`` on loopback; ``how`` are fields of Origin, which may be changed while it runs."""
    state = Origin(files, **how)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.origin = state  # type: ignore[attr-defined]  # read by the handler
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
