"""What a BMC keeps in its own memory and loses when its process ends: sessions, accounts, tasks, subscriptions, audit.

Passwords are kept as salted hashes; no password is ever written to a log, an answer or the world.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from lab.bmc.odata import Json

ROLES = {
    "Administrator": ["Login", "ConfigureManager", "ConfigureUsers", "ConfigureComponents", "ConfigureSelf"],
    "Operator": ["Login", "ConfigureComponents", "ConfigureSelf"],
    "ReadOnly": ["Login", "ConfigureSelf"],
}
MAX_SESSIONS = 64
MAX_ACCOUNTS = 17  # as in iBMC: ids 1 to 17
AUDIT_LENGTH = 200
MIN_PASSWORD, MAX_PASSWORD = 8, 64


def stamp() -> str:
    """Now, in true UTC, as the log writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Account:
    """One user. The password itself is not kept."""

    identifier: str
    user: str
    role: str
    enabled: bool = True
    salt: bytes = b""
    digest: bytes = b""

    def set_password(self, password: str) -> None:
        self.salt = secrets.token_bytes(16)
        self.digest = self._hash(password)

    def accepts(self, password: str) -> bool:
        return self.enabled and hmac.compare_digest(self.digest, self._hash(password))

    def _hash(self, password: str) -> bytes:
        # A random salt and one round: it guards a simulated BMC's memory, and 100 of them log in per second on 2 cores.
        return hashlib.sha256(self.salt + password.encode()).digest()

    @property
    def privileges(self) -> list[str]:
        return ROLES[self.role]


@dataclass
class Session:
    identifier: str
    token: str
    account: Account
    origin: str
    created: str
    used: float


@dataclass
class Task:
    """A long operation. ``work`` runs it; the task's resource shows how far it came."""

    identifier: str
    name: str
    started: str
    state: str = "Running"
    health: str = "OK"
    percent: int = 0
    ended: str | None = None
    messages: list[Json] = field(default_factory=list)

    @property
    def over(self) -> bool:
        return self.state in ("Completed", "Exception", "Cancelled")

    def finish(self, state: str, message: Json) -> None:
        self.state, self.ended, self.percent = state, stamp(), 100
        self.health = "OK" if state == "Completed" else "Critical"
        self.messages.append(message)


@dataclass
class Subscription:
    identifier: str
    destination: str
    context: str | None
    headers: dict[str, str]


class Runtime:
    """One BMC's memory. ``session_timeout`` in seconds."""

    def __init__(self, user: str, password: str) -> None:
        self.session_timeout = 300
        self.accounts: dict[str, Account] = {}
        self.sessions: dict[str, Session] = {}
        self.tasks: dict[str, Task] = {}
        self.subscriptions: dict[str, Subscription] = {}
        self.audit: list[Json] = []
        self.work: set[asyncio.Task[None]] = set()
        self._numbers = {"session": 0, "task": 0, "subscription": 0, "audit": 0, "event": 0}
        self.add_account(user, password, "Administrator", "2")  # id 2: iBMC's default administrator

    def number(self, kind: str) -> int:
        self._numbers[kind] += 1
        return self._numbers[kind]

    def add_account(self, user: str, password: str, role: str, identifier: str | None = None) -> Account:
        """ValueError when all places are taken."""
        free = (str(number) for number in range(2, MAX_ACCOUNTS + 1) if str(number) not in self.accounts)
        chosen = identifier or next(free, None)
        if chosen is None:
            raise ValueError("no account is free")
        account = Account(chosen, user, role)
        account.set_password(password)
        self.accounts[chosen] = account
        return account

    def find_account(self, user: str) -> Account | None:
        return next((account for account in self.accounts.values() if account.user == user), None)

    def log_in(self, user: str, password: str) -> Account | None:
        account = self.find_account(user)
        return account if account and account.accepts(password) else None

    def open_session(self, account: Account, origin: str) -> Session:
        """The oldest session gives way when all places are taken."""
        self.expire_sessions()
        if len(self.sessions) >= MAX_SESSIONS:
            oldest = min(self.sessions.values(), key=lambda session: session.used)
            del self.sessions[oldest.identifier]
        identifier = f"{self.number('session'):08x}"
        session = Session(identifier, secrets.token_hex(16), account, origin, stamp(), time.monotonic())
        self.sessions[identifier] = session
        return session

    def session_of(self, token: str) -> Session | None:
        """The living session of a token, whose time starts again."""
        self.expire_sessions()
        for session in self.sessions.values():
            if hmac.compare_digest(session.token, token):
                session.used = time.monotonic()
                return session
        return None

    def expire_sessions(self) -> None:
        """Sessions end by time, and with their account."""
        now = time.monotonic()
        for session in list(self.sessions.values()):
            known = self.accounts.get(session.account.identifier) is session.account and session.account.enabled
            if not known or now - session.used > self.session_timeout:
                del self.sessions[session.identifier]

    def note(self, user: str, what: str, severity: str = "OK") -> None:
        """An entry of the BMC's operation log."""
        entry = {
            "id": self.number("audit"),
            "time": stamp(),
            "severity": severity,
            "sensor": user,
            "message": what,
        }
        self.audit = [*self.audit, entry][-AUDIT_LENGTH:]

    def new_task(self, name: str) -> Task:
        task = Task(str(self.number("task")), name, stamp())
        self.tasks[task.identifier] = task
        return task
