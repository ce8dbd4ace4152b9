"""One file over HTTP, whole or not at all: resumed, counted, hashed on the way, and put in place by a rename.

What was received before an interruption lies beside the target as ``.<file>.part`` with ``.<file>.part.json``, which
says of which content it is a part (address, ETag, hash). A resumed part of a file that has changed at its origin gives
a wrong hash; then the transfer starts once more from nothing before anybody is told.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import http.client
import json
import os
import re
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, Any, Callable, NamedTuple

from .manifest import BundleError, Wanted

CHUNK = 1 << 20
HEADWAY = 1 << 16  # bytes; an attempt that brought so many shows that going on is worth it
SPACE_MARGIN = 16 << 20  # bytes that stay free: a full disk breaks more than this download
RETRIED = frozenset((408, 425, 429, 500, 502, 503, 504))
Opener = Callable[..., Any]
Say = Callable[[str], None]
Progress = Callable[[int, "int | None"], None]


class Limits(NamedTuple):
    """What a transfer may cost. A transfer slower than ``slow_bytes_per_s`` over ``slow_seconds`` counts as broken."""

    timeout: float = 30.0  # seconds for the connection and for each read
    attempts: int = 5  # in a row that brought less than 64 KiB each
    backoff: float = 1.0  # seconds before the second attempt; doubles up to a minute
    slow_seconds: float = 60.0
    slow_bytes_per_s: float = 1024.0


class Received(NamedTuple):
    """``path``: the file in its place. ``fetched``: false where it was there already."""

    path: Path
    size_bytes: int
    sha256: str
    fetched: bool


class _Broken(Exception):
    """The connection failed in a way that another attempt may heal; what has come so far is kept."""


def direct_opener() -> Opener:
    """Opens addresses without a proxy, whatever the environment says: the bundle's server is in the closed network."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({})).open


def hash_file(path: Path, progress: Progress | None = None) -> tuple[int, str]:
    """Size in bytes and SHA-256 of a file. :raises OSError: it cannot be read."""
    digest = hashlib.sha256()
    done = 0
    with open(path, "rb") as stream:
        while True:
            block = stream.read(CHUNK)
            if not block:
                return done, digest.hexdigest()
            digest.update(block)
            done += len(block)
            if progress is not None:
                progress(done, None)


def difference(wanted: Wanted, size: int, digest: str) -> BundleError | None:
    """Why a file is not the wanted one: by its size, else by its hash; ``None`` where it is."""
    if wanted.size_bytes is not None and size != wanted.size_bytes:
        return BundleError(wanted.file, "wrong size", f"{wanted.size_bytes} bytes", f"{size} bytes")
    if wanted.sha256 is not None and digest != wanted.sha256:
        return BundleError(wanted.file, "wrong content", f"SHA-256 {wanted.sha256}", f"SHA-256 {digest}")
    return None


def download(
    address: str,
    wanted: Wanted,
    folder: Path,
    say: Say,
    *,
    opener: Opener | None = None,
    limits: Limits | None = None,
    progress: Progress | None = None,
    sleep: Callable[[float], None] = time.sleep,
    headers: dict[str, str] | None = None,
) -> Received:
    """Get the file into ``folder``; one that is right is left alone, one that is wrong is replaced by the right one.

    :param say: takes one line of text for each thing worth telling
    :param opener: as ``urllib.request.urlopen``; without one, addresses are opened without any proxy
    :param progress: takes (bytes so far, bytes in all or None)
    :param headers: sent with each request
    :raises BundleError: with the file, what was expected and what came
    """
    way = _Way(address, say, opener or direct_opener(), limits or Limits(), progress, sleep, headers or {})
    target = folder / wanted.file
    try:
        # Hashing gigabytes is only worth it where the size is right.
        if target.is_file() and wanted.size_bytes in (None, target.stat().st_size):
            size, digest = hash_file(target)
            if difference(wanted, size, digest) is None:
                return Received(target, size, digest, False)
        if target.is_file():
            say(f"{wanted.file}: what is there is not the wanted file; fetching it")
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / f".{wanted.file}.part", wanted.file) as part:
            return _Transfer(way, wanted, target, part).run()
    except OSError as error:
        raise BundleError(wanted.file, f"cannot be written to {folder}: {error.strerror}", unreachable=True) from error


class _Way(NamedTuple):
    address: str
    say: Say
    opener: Opener
    limits: Limits
    progress: Progress | None
    sleep: Callable[[float], None]
    headers: dict[str, str]


def _locked(path: Path, name: str) -> IO[bytes]:
    """The part file, open and ours alone until it is closed."""
    while True:
        part = open(path, "a+b")  # noqa: SIM115 - the caller closes it
        try:
            fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            part.close()
            raise BundleError(name, "another process is fetching it right now", unreachable=True) from None
        try:
            if os.fstat(part.fileno()).st_ino == os.stat(path).st_ino:
                return part
        except FileNotFoundError:
            pass
        part.close()  # whoever held it finished in between: what we opened is the finished file


class _Transfer:
    def __init__(self, way: _Way, wanted: Wanted, target: Path, part: IO[bytes]) -> None:
        self.way = way
        self.wanted = wanted
        self.target = target
        self.part = part
        self.notes = target.with_name(f".{target.name}.part.json")
        self.etag: str | None = None
        self.length = wanted.size_bytes  # of the whole file, as soon as anybody says it
        self.done = 0
        self.digest = hashlib.sha256()
        self.joined = False  # whether what is here came in several answers, which may be of several files

    def run(self) -> Received:
        try:
            return self._run()
        except BundleError:
            if not self.done and os.path.exists(self.part.name):  # nothing worth resuming
                self._forget()
            raise

    def _run(self) -> Received:
        self._resume()
        anew = False
        while True:
            self._receive()
            problem = difference(self.wanted, self.done, self.digest.hexdigest())
            if problem is None:
                return self._finish()
            self._restart()
            if anew or not self.joined:
                raise problem
            self._say("its parts do not belong to one file; fetching it anew")
            anew = True

    def _resume(self) -> None:
        """Take up what is there when it is a part of the same content."""
        try:
            known = json.loads(self.notes.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            known = None
        size = os.fstat(self.part.fileno()).st_size
        same = isinstance(known, dict) and (
            known.get("sha256") == self.wanted.sha256
            if self.wanted.sha256
            # Without a hash only the origin's own word (ETag) can tell that it is still the same file.
            else known.get("address") == self.way.address and isinstance(known.get("etag"), str)
        )
        if not same or not size or (self.length is not None and size > self.length):
            self._restart()
            return
        etag = known.get("etag") if isinstance(known, dict) and known.get("address") == self.way.address else None
        self.etag = etag if isinstance(etag, str) else None
        self.part.seek(0)
        for block in iter(lambda: self.part.read(CHUNK), b""):
            self.digest.update(block)
            self.done += len(block)
        self._say(f"resuming at {self.done} bytes")
        self.joined = True

    def _say(self, text: str) -> None:
        self.way.say(f"{self.wanted.file}: {text}")

    def _forget(self) -> None:
        os.unlink(self.part.name)
        if self.notes.exists():
            self.notes.unlink()

    def _restart(self) -> None:
        self.part.truncate(0)
        self.done = 0
        self.digest = hashlib.sha256()
        self.etag = None
        self.length = self.wanted.size_bytes

    def _receive(self) -> None:
        """Attempt after attempt until the file is complete; those that brought something are not counted."""
        failures = 0
        while not self._complete():
            before = self.done
            try:
                self._attempt()
                if self._complete() or self.length is None:
                    return
                # read() says nothing of a connection that ended early: only counting does.
                raise _Broken(f"the connection ended after {self.done} of {self.length} bytes")
            except _Broken as error:
                failures = 1 if self.done - before >= HEADWAY else failures + 1
                if failures >= self.way.limits.attempts:
                    expected = None if self.length is None else f"{self.length} bytes"
                    raise BundleError(
                        self.wanted.file, f"{self.way.address}: {error}", expected, f"{self.done} bytes", True
                    ) from error
                pause = min(60.0, self.way.limits.backoff * 2 ** (failures - 1))
                self._say(f"{error}; again in {pause:g} s")
                self.way.sleep(pause)

    def _complete(self) -> bool:
        return self.length is not None and self.done == self.length

    def _attempt(self) -> None:
        # S310: the scheme is the caller's affair: a build reads local folders through the same code.
        request = urllib.request.Request(  # noqa: S310
            self.way.address, headers={"Accept-Encoding": "identity", **self.way.headers}
        )
        if self.done:
            request.add_header("Range", f"bytes={self.done}-")
            if self.etag:
                request.add_header("If-Range", self.etag)
        try:
            with self.way.opener(request, timeout=self.way.limits.timeout) as response:
                self._accept(response)
                self._space()
                self._read(response)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416 and self.done:  # our part is longer than the file now is
                self._restart()
                raise _Broken("the server has no more of it than the part that is here") from error
            if error.code in RETRIED:
                raise _Broken(f"HTTP {error.code}") from error
            raise BundleError(
                self.wanted.file, f"{self.way.address} answers HTTP {error.code} {error.reason}", unreachable=True
            ) from error
        except (ValueError, http.client.InvalidURL) as error:
            raise BundleError(self.wanted.file, f"{self.way.address} is no usable address: {error}") from error
        except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
            reason = getattr(error, "reason", None) or error
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS):
                raise
            raise _Broken(str(reason) or type(reason).__name__) from error

    def _accept(self, response: Any) -> None:
        """Settle where the answer begins and how long the whole is."""
        status = response.getcode()
        if status == 206 and self.done:
            text = (response.headers.get("Content-Range") or "").strip()
            match = re.fullmatch(r"bytes (\d{1,18})-\d+/(\d{1,18}|\*)", text)
            if match is None or int(match.group(1)) != self.done:
                self._restart()
                raise _Broken("the server sent another range than the asked one")
            total = None if match.group(2) == "*" else int(match.group(2))
            self.joined = True
        elif status == 200:
            if self.done:  # a server without ranges, or the file is another one by now
                self._say("the server cannot continue the part that is here; from the beginning")
                self._restart()
            text = (response.headers.get("Content-Length") or "").strip()
            total = int(text) if re.fullmatch(r"\d{1,18}", text) else None
        else:
            raise BundleError(self.wanted.file, f"{self.way.address} answers HTTP {status}", "200 or 206", str(status))
        if total is not None and self.length is not None and total != self.length:
            raise BundleError(self.wanted.file, "wrong size", f"{self.length} bytes", f"{total} bytes")
        self.length = self.length if total is None else total
        if self.length is None and self.wanted.sha256 is None:
            raise BundleError(
                self.wanted.file, f"{self.way.address} does not say how long it is, and nobody knows its hash"
            )
        kind = (response.headers.get("Content-Type") or "").strip().lower()
        if self.wanted.sha256 is None and kind.startswith("text/html"):
            # A vendor's page with a login in place of the file; with a hash the content itself would tell.
            raise BundleError(self.wanted.file, f"{self.way.address} answers with a web page", "the file", kind)
        etag = response.headers.get("ETag")
        self.etag = etag if etag and not etag.startswith("W/") else None
        notes = {"address": self.way.address, "etag": self.etag, "sha256": self.wanted.sha256}
        self.notes.write_text(json.dumps(notes), encoding="utf-8")

    def _space(self) -> None:
        if self.length is None:
            return
        free = shutil.disk_usage(str(self.target.parent)).free
        needed = self.length - self.done + SPACE_MARGIN
        if free < needed:
            raise BundleError(
                self.wanted.file, f"no room in {self.target.parent}", f"{needed} bytes free", f"{free} bytes free", True
            )

    def _read(self, response: Any) -> None:
        self.part.seek(0, os.SEEK_END)
        since, mark = time.monotonic(), self.done
        read = getattr(response, "read1", response.read)  # what is there, without waiting for a whole chunk
        while True:
            block = read(CHUNK)
            if not block:
                return
            if self.length is not None and self.done + len(block) > self.length:
                raise BundleError(
                    self.wanted.file, "wrong size", f"{self.length} bytes", f"{self.done + len(block)} bytes or more"
                )
            self.part.write(block)
            self.digest.update(block)
            self.done += len(block)
            if self.way.progress is not None:
                self.way.progress(self.done, self.length)
            elapsed = time.monotonic() - since
            if elapsed >= self.way.limits.slow_seconds:
                if self.done - mark < self.way.limits.slow_bytes_per_s * elapsed:
                    raise _Broken(f"only {self.done - mark} bytes in {elapsed:.0f} s")
                since, mark = time.monotonic(), self.done

    def _finish(self) -> Received:
        self.part.flush()
        os.fsync(self.part.fileno())
        os.replace(self.part.name, str(self.target))
        if self.notes.exists():
            self.notes.unlink()
        handle = os.open(str(self.target.parent), os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        return Received(self.target, self.done, self.digest.hexdigest(), True)
