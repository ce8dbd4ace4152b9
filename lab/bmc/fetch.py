"""Reading an image from where the client says it is: virtual media and firmware. Only its fingerprint is kept."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp

CHUNK = 1 << 20
HEAD = 4096
MAX_BYTES = 16 << 30
TIMEOUT = aiohttp.ClientTimeout(total=900, connect=10, sock_read=30)


class FetchError(Exception):
    """The image could not be read; the text says why."""


@dataclass(frozen=True)
class Image:
    """What is known of an image that was read to its end."""

    sha256: str
    size_bytes: int
    head: bytes  # the first 4 KiB


def usable(uri: object) -> bool:
    """Whether this is an http or https URI with a host."""
    if not isinstance(uri, str):
        return False
    try:
        parts = urlsplit(uri)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


async def image(client: aiohttp.ClientSession, uri: str) -> Image:
    """Read the whole image. FetchError for anything but a complete answer 200."""
    digest, size, head = hashlib.sha256(), 0, b""
    try:
        async with client.get(uri, timeout=TIMEOUT, max_redirects=3) as answer:
            if answer.status != 200:
                raise FetchError(f"the server answered {answer.status}")
            async for chunk in answer.content.iter_chunked(CHUNK):
                digest.update(chunk)
                size += len(chunk)
                head = head or chunk[:HEAD]
                if size > MAX_BYTES:
                    raise FetchError(f"the image is larger than {MAX_BYTES} bytes")
    except (aiohttp.ClientError, TimeoutError, ValueError) as problem:
        raise FetchError(str(problem) or type(problem).__name__) from problem
    if not size:
        raise FetchError("the image is empty")
    return Image(digest.hexdigest(), size, head)
