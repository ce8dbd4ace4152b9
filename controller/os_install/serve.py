"""One image over HTTP, for one BMC and for as long as an installation takes.

The image holds secrets and a BMC can show no password of its own, so the address has a long random word in it, nothing
else is answered, and the server ends by itself after the time limit and removes the image with it.

``python -m controller.os_install.serve --folder DIR --listen ADDRESS:PORT --seconds N`` (``start`` does it).
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import socket
import sys
import threading
from pathlib import Path
from typing import IO

from controller.bundle import background
from controller.bundle.server import Server, Shelf
from controller.contract import Document

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 10.0


class OneImage(Shelf):
    """A shelf with nothing but one file."""

    def __init__(self, path: Path, name: str) -> None:
        """``name``: its path in a URL, without the first slash. No bundle stands behind it."""
        self._path = path
        self._name = name
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        self._entry: Document = {"file": name, "size_bytes": path.stat().st_size, "sha256": digest}

    def open(self, name: str) -> tuple[IO[bytes], Document] | None:
        """The image, or null for any other name."""
        return (self._path.open("rb"), self._entry) if name == self._name else None


def start(folder: Path, word: str, listen: tuple[str, int], seconds: int) -> str:
    """Serve ``<folder>/*.iso`` as ``/<word>/<its name>`` from a process of its own; returns its address.

    :raises background.BackgroundError: it does not start, for instance as the port is taken
    """
    (folder / "word").write_text(word, encoding="ascii")  # not as an argument, which everybody on this machine sees
    (folder / "word").chmod(0o600)
    argv = [sys.executable, "-m", __name__, "--folder", str(folder), "--listen", f"{listen[0]}:{listen[1]}"]
    record = background.start(folder, [*argv, "--seconds", str(seconds)], ROOT, START_SECONDS)
    return f"{record['url']}/{word}/{_image(folder).name}"


def remove(folder: Path) -> bool:
    """End the server and remove everything; says whether there was anything."""
    if not folder.exists():
        return False
    background.stop(folder)
    shutil.rmtree(folder)
    return True


def towards(address: str) -> str:
    """The address of this machine that another one sees it by (no packet is sent).

    :raises OSError: there is no way to it
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((address, 443))
        found: str = probe.getsockname()[0]
    return found


def _image(folder: Path) -> Path:
    return next(iter(sorted(folder.glob("*.iso"))))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m controller.os_install.serve")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--listen", required=True, metavar="ADDRESS:PORT")
    parser.add_argument("--seconds", type=int, required=True)
    options = parser.parse_args(arguments)
    host, _, port = options.listen.rpartition(":")
    image = _image(options.folder)
    word = (options.folder / "word").read_text(encoding="ascii")
    with Server((host, int(port)), OneImage(image, f"{word}/{image.name}")) as server:
        background.end_on_signal(server.shutdown)
        limit = threading.Timer(options.seconds, server.shutdown)
        limit.daemon = True
        limit.start()
        background.remember(options.folder, server.url)
        server.serve_forever(0.2)
    # Whoever started us may be gone: the secrets go with the server.
    image.unlink(missing_ok=True)
    background.forget(options.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
