"""What a target does: get one artifact of the bundle from the site's file server, or say why it cannot be had."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .manifest import BundleError, path_of, wanted_of
from .transfer import Limits, Opener, Say, download

REPORT_SECONDS = 5.0


def fetch(
    url: str,
    artifact: Any,
    folder: str | Path,
    say: Say,
    opener: Opener | None = None,
    *,
    limits: Limits | None = None,
) -> Path:
    """Fetch one artifact into ``folder``; it is there with the manifest's size and SHA-256, or not at all.

    :param url: where ``npuforge bundle serve`` answers, as ``http://10.77.0.1:8077``
    :param artifact: an entry of the manifest's ``artifacts``
    :param say: takes a line of text: what happens, and every few seconds how far it is
    :param opener: as ``urllib.request.urlopen``; without one, addresses are opened without any proxy
    :return: its path
    :raises BundleError: names the file, what was expected and what came; what came so far is kept for the next time
    """
    wanted = wanted_of(artifact)
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise BundleError(wanted.file, "the bundle's address is not one", "http://<address>:<port>", repr(url)[:80])
    address = f"{url.rstrip('/')}/{quote(path_of(artifact))}"
    last = started = time.monotonic()

    def progress(done: int, total: int | None) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= REPORT_SECONDS:
            last = now
            of = f" of {total / 1e6:.1f}" if total else ""
            say(f"{wanted.file}: {done / 1e6:.1f}{of} MB, {done / 1e6 / (now - started):.1f} MB/s")

    received = download(address, wanted, Path(folder), say, opener=opener, limits=limits, progress=progress)
    if received.fetched:
        say(f"{wanted.file}: {received.size_bytes} bytes, SHA-256 {received.sha256}")
    return received.path
