"""Following an installation from outside: the BMC's event log, and SSH until the new system shows its marker.

Who a machine is after an installation cannot be known by its host key, which is new. It is known by the secret word of
this installation, which only the image had: a system that shows it was made by that image, so its key is kept.
"""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from npuforge.bmc import power
from npuforge.bmc.apply import read_systems
from npuforge.bmc.client import Client, Unreachable
from npuforge.bmc.events import Watch
from npuforge.bmc.wire import Limits, Target
from npuforge.install import verify

PAUSE_SECONDS = 5.0
SSH_SECONDS = 20.0
REOPEN_SECONDS = 60.0
STOPPED = ("installer stopped",)  # what the twin's BMC says; a real one says nothing of the kind


@dataclass(frozen=True)
class Login:
    """How to reach a host: ``options`` are further words for ssh (those of the inventory)."""

    address: str
    port: int
    user: str
    key: str | None
    options: tuple[str, ...] = ()

    def argv(self, more: tuple[str, ...]) -> list[str]:
        words = ["ssh", "-T", "-p", str(self.port), "-o", "BatchMode=yes", "-o", "ConnectTimeout=5"]
        if self.key:
            words += ["-o", "IdentitiesOnly=yes", "-i", self.key]
        return [*words, *more, f"{self.user}@{self.address}", "sh -s"]


class FollowError(Exception):
    """The installation did not end well; the message says how far it came."""


def answers(login: Login) -> bool:
    """Whether something listens where the host's SSH is. Through another host (a proxy) it cannot be told: true."""
    if "proxy" in " ".join(login.options).lower():
        return True
    try:
        with socket.create_connection((login.address, login.port), timeout=5):
            return True
    except OSError:
        return False


def look(login: Login, more: tuple[str, ...] = ()) -> dict[str, str | None] | str:
    """What the system shows (``npuforge.install.verify``), or why it cannot be looked at."""
    try:
        done = subprocess.run(
            login.argv((*more, *login.options)),  # of an option that is given twice, ssh takes the first
            input=verify.script(),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SSH_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"ssh did not end within {SSH_SECONDS:.0f} s"
    except OSError as error:
        return f"ssh cannot be started: {error.strerror}"
    seen = verify.parts(done.stdout)
    if done.returncode == 255 or all(value is None for value in seen.values()):
        return done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"ssh ended with {done.returncode}"
    return seen


def in_use(login: Login) -> list[str]:
    """Why this host must not be installed just so: sentences; none when nothing answers or nothing is there."""
    if not answers(login):
        return []
    seen = look(login)
    if isinstance(seen, str):
        return [f"it answers SSH and does not let us look for mounted data ({seen})"]
    found = verify.mounted_data(seen)
    return ["it answers SSH, but what is mounted cannot be seen"] if found is None else found


def follow(
    target: Target, login: Login, folder: Path, limit_seconds: float, say: Callable[[str], None]
) -> dict[str, str | None]:
    """Wait until the new system shows the word of this installation; returns what it shows.

    :param folder: has ``install`` with the word, and gets ``known_hosts`` with the key of the system that showed it
    :param say: told each new entry of the BMC's log, and when SSH begins to answer
    :raises FollowError: time is over, or the log says that the installer stopped
    """
    end = time.monotonic() + limit_seconds
    install = (folder / "install").read_text(encoding="ascii")
    known = folder / "known_hosts"
    trust = ("-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=accept-new", "-o", "HashKnownHosts=no")
    state = "nothing answers SSH"
    with _Log(target, limit_seconds, say) as log:
        while True:
            stopped = log.look()
            if stopped:
                raise FollowError(f"the installer stopped: {stopped}")
            known.unlink(missing_ok=True)  # each look may meet another system: the old one, the installer, the new one
            seen = look(login, trust) if answers(login) else None
            if isinstance(seen, dict) and verify.install_of(seen) == install:
                log.look()
                return seen
            now = _words(seen)
            if now != state:
                say(now)
                state = now
            if time.monotonic() > end:
                raise FollowError(f"not installed within {limit_seconds:.0f} s; {state}; {log.last}")
            time.sleep(min(PAUSE_SECONDS, max(0.2, limit_seconds / 60)))


def _words(seen: dict[str, str | None] | str | None) -> str:
    if seen is None:
        return "nothing answers SSH"
    return f"SSH: {seen}" if isinstance(seen, str) else "another system answers SSH"


class _Log:
    """The BMC's event log, as well as it answers: an installation does not fail because a BMC is busy."""

    def __init__(self, target: Target, limit_seconds: float, say: Callable[[str], None]) -> None:
        self._limits = Limits(timeout=20.0, deadline=limit_seconds + 120, pool=1, requests=1_000_000)
        self._target = target
        self._say = say
        self._client: Client | None = None
        self._watch: Watch | None = None
        self._opened = 0.0
        self.last = "the BMC's log says nothing"

    def __enter__(self) -> _Log:
        self._open()
        if self._watch:
            self._watch.look()  # what was there before is not of this installation
        return self

    def _open(self) -> None:
        """A new session; an installation goes on while there is none."""
        self._close()
        client = Client(self._target, self._limits)
        client.__enter__()
        self._client, self._opened = client, time.monotonic()
        try:
            root = client.login()
            if self._watch is None:
                self._watch = Watch(client, root)
            else:
                self._watch.go_on(client, root)
        except Unreachable as error:
            self._say(f"the BMC's log cannot be followed: {error}")

    def look(self) -> str | None:
        """Tell what is new; the sentence of an installer that stopped."""
        found = self._watch.look() if self._watch else None
        if found is None and time.monotonic() - self._opened > REOPEN_SECONDS:
            self._open()
        stopped = None
        for entry in found or []:
            self._say(f"{entry['time'] or ''} {entry['message']}".strip())
            self.last = f"last of the BMC's log: {entry['message']}"
            if entry["message"].lower().startswith(STOPPED):
                stopped = str(entry["message"])
        return stopped

    def _close(self) -> None:
        if self._client:
            self._client.__exit__()
            self._client = None

    def __exit__(self, *_: object) -> None:
        self._close()


def boot_order(target: Target) -> str | None:
    """What the next boot starts from when that is not the machine's own order; null when it is.

    :raises Unreachable, power.Refused: the BMC does not tell
    """
    with Client(target, Limits(timeout=35.0, deadline=120.0, pool=1)) as client:
        system = power.find_system(read_systems(client, client.login()), None)
    source, enabled = power.boot_of(system.document)
    return None if enabled == "Disabled" or source == "None" else f"{source} ({enabled})"


def keep_key(learned: Path, site: Path) -> bool:
    """Replace the host's lines in the site's known_hosts by what was learned; says whether anything changed."""
    new = [line for line in learned.read_text(encoding="utf-8").splitlines() if line.strip()]
    old = site.read_text(encoding="utf-8").splitlines() if site.exists() else []
    names = {name for line in new for name in line.split()[0].split(",")}
    pairs = {tuple(line.split()[1:3]) for line in new}
    mine = [line for line in old if names & set(line.split()[0].split(",")) and not line.startswith(("#", "|", "@"))]
    if mine and all(tuple(line.split()[1:3]) in pairs for line in mine):
        return False
    rest = [line for line in old if line not in mine]
    extra = sorted({name for line in mine for name in line.split()[0].split(",")} - names)
    site.parent.mkdir(parents=True, exist_ok=True)
    lines = [" ".join([",".join([line.split()[0], *extra]), *line.split()[1:]]) for line in new]
    temporary = site.with_name(f".new-{site.name}")
    temporary.write_text("\n".join([*rest, *lines]) + "\n", encoding="utf-8")
    temporary.chmod(site.stat().st_mode & 0o777 if site.exists() else 0o600)
    temporary.replace(site)
    return True
