"""Where a build gets its files: the origin that the manifest names, another server (``--from URL``), or a folder."""

from __future__ import annotations

import os
import re
import urllib.request
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from npuforge.bundle.manifest import BundleError
from npuforge.bundle.transfer import Opener

from controller.contract import Document


class _LocalAnswer:
    """A local file as an HTTP answer, so that one code resumes, counts and hashes both."""

    def __init__(self, path: Path, start: int) -> None:
        self._stream = path.open("rb")
        size = os.fstat(self._stream.fileno()).st_size
        self._status = 206 if 0 < start < size else 200
        self.headers = Message()
        if self._status == 206:
            self._stream.seek(start)
            self.headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        else:
            self.headers["Content-Length"] = str(size)

    def getcode(self) -> int:
        return self._status

    def read(self, count: int) -> bytes:
        return self._stream.read(count)

    def __enter__(self) -> _LocalAnswer:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()


def opener() -> Opener:
    """Opens http(s) through the proxies of the environment, and ``file:`` addresses as local files."""
    remote = urllib.request.build_opener().open

    def open_address(request: urllib.request.Request, timeout: float) -> Any:
        if urlsplit(request.full_url).scheme != "file":
            return remote(request, timeout=timeout)
        path = Path(unquote(urlsplit(request.full_url).path))
        match = re.fullmatch(r"bytes=(\d+)-", request.get_header("Range") or "")
        try:
            return _LocalAnswer(path, int(match.group(1)) if match else 0)
        except OSError as error:
            raise BundleError(
                path.name, f"{path}: {(error.strerror or str(error)).lower()}", unreachable=True
            ) from error

    return open_address


def address(artifact: Document, source: str | None) -> str:
    """Where the artifact is fetched from. ``source``: null for its own origin, else a URL or a folder."""
    if source is None:
        return str(artifact["origin"])
    if re.match(r"https?://", source):
        return f"{source.rstrip('/')}/{quote(artifact['file'])}"
    return (Path(source).absolute() / str(artifact["file"])).as_uri()
