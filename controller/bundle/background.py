"""``bundle serve --background`` and ``--stop``: one server per folder, known by its pid and when it started.

``<folder>/.serve.json`` is ``{pid, started, url, log}``. A pid alone may long be somebody else's; pid and
start time (clock ticks of ``/proc/<pid>/stat``) together are ours.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from controller.contract import Document
from controller.files import write_atomic

RECORD, LOG = ".serve.json", ".serve.log"
START_SECONDS = 15.0  # after it was verified: from fork to an open port
STOP_SECONDS = 10.0


class BackgroundError(Exception):
    """It could not be started or stopped; the message is one sentence."""


def started_at(pid: int) -> int | None:
    """Start time of a process in clock ticks; null when there is none, or it has ended and waits for its parent."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        fields = text[text.rindex(")") + 2 :].split()
        return None if fields[0] in ("Z", "X") else int(fields[19])
    except (OSError, ValueError, IndexError):
        return None


def running(folder: Path) -> Document | None:
    """The record of the folder's server when that very process still runs."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        if isinstance(record, dict) and started_at(int(record["pid"])) == record["started"]:
            return record
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def remember(folder: Path, url: str) -> None:
    """Called by the server itself once its port is open."""
    pid = os.getpid()
    record = {"pid": pid, "started": started_at(pid), "url": url, "log": str(folder / LOG)}
    write_atomic(folder / RECORD, json.dumps(record).encode())


def forget(folder: Path) -> None:
    """Called by the server when it ends; leaves the record of another one alone."""
    record = running(folder)
    if record is not None and record["pid"] == os.getpid():
        (folder / RECORD).unlink(missing_ok=True)


def end_on_signal(shutdown: Callable[[], None]) -> None:
    """SIGTERM ends the server as Ctrl-C does: after the answers that are under way have been told."""

    def ended(_number: int, _frame: object) -> None:
        # shutdown() waits for serve_forever(), which is what the signal interrupted.
        threading.Thread(target=shutdown, daemon=True).start()

    signal.signal(signal.SIGTERM, ended)


def start(folder: Path, argv: list[str], root: Path, wait_seconds: float) -> Document:
    """Start ``argv`` (which serves in the foreground) apart from us; returns its record once it answers.

    :param root: the project: its working directory, from which it imports
    :param wait_seconds: how long verifying may take
    :raises BackgroundError: it ended, with its last words, or did not open its port in time
    """
    log = folder / LOG
    path = os.pathsep.join([str(root), str(root / "plugins" / "module_utils")])
    environment = {**os.environ, "PYTHONPATH": path}
    with log.open("ab") as stream:
        begin = stream.tell()
        process = subprocess.Popen(
            argv,
            cwd=root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    deadline = time.monotonic() + wait_seconds + START_SECONDS
    while time.monotonic() < deadline:
        record = running(folder)
        if record is not None and record["pid"] == process.pid:
            return record
        if process.poll() is not None:
            said = log.read_bytes()[begin:].decode(errors="replace").strip()
            raise BackgroundError(f"the server ended at once ({process.returncode}): {said or 'it said nothing'}")
        time.sleep(0.05)
    process.kill()
    process.wait()
    raise BackgroundError(f"the server did not open its port within {wait_seconds + START_SECONDS:.0f} s")


def stop(folder: Path) -> bool:
    """End the folder's server; says whether there was one. :raises BackgroundError: it does not end"""
    record = running(folder)
    if record is None:
        (folder / RECORD).unlink(missing_ok=True)
        return False
    pid = int(record["pid"])
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            break
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline:
            if started_at(pid) != record["started"]:
                (folder / RECORD).unlink(missing_ok=True)
                return True
            time.sleep(0.05)
    if started_at(pid) == record["started"]:
        raise BackgroundError(f"process {pid} does not end")
    (folder / RECORD).unlink(missing_ok=True)
    return True
