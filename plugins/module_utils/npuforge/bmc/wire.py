"""What a talk with a BMC is made of: whom to ask, what it may cost, what came back, and how URIs are compared."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..common import Document, as_dict
from . import tls

ROOT = "/redfish/v1"
SESSIONS = ROOT + "/SessionService/Sessions"


class Target(NamedTuple):
    """Where and as whom. ``password`` is a secret: never print a Target."""

    address: str
    user: str
    password: str
    port: int = 443
    ca_file: str | None = None
    fingerprint: str | None = None
    validate_certs: bool = True

    @property
    def tls_mode(self) -> str:
        if self.fingerprint:
            return tls.PINNED
        return tls.VERIFIED if self.validate_certs else tls.SKIPPED

    @property
    def base(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"https://{host}:{self.port}"


class Limits(NamedTuple):
    """What one BMC may cost. Seconds and bytes."""

    timeout: float = 35.0
    deadline: float = 120.0
    pool: int = 8
    body_bytes: int = 8 * 1024 * 1024
    requests: int = 2000
    members: int = 4096
    pages: int = 64
    attempts: int = 5
    retry_after: float = 15.0


class Reply:
    """What a request brought. ``problem`` is ``None`` exactly when ``body`` is a usable JSON object."""

    __slots__ = ("body", "etag", "headers", "problem", "received", "seconds", "status", "uri")

    def __init__(self, uri: str, status: int | None = None, body: Any = None, problem: str | None = None) -> None:
        self.uri = uri
        self.status = status
        self.body = body
        self.problem = problem
        self.seconds = 0.0
        self.received = 0.0  # time.time() when the answer was complete
        self.etag: str | None = None
        self.headers: dict[str, str] = {}

    @property
    def document(self) -> Document:
        """The body, or an empty object when it is not usable."""
        return self.body if self.problem is None and isinstance(self.body, dict) else {}


def link(value: Any) -> str | None:
    """The local path of a Redfish link ``{"@odata.id": "/redfish/..."}``; other hosts and other shapes are ``None``."""
    target = as_dict(value).get("@odata.id")
    if not isinstance(target, str):
        return None
    target = target.strip().split("#", 1)[0]
    return target if target.startswith("/") and not target.startswith("//") and len(target) < 2048 else None


def normal(uri: str) -> str:
    """The form in which URIs are compared: vendors mix the case and the trailing slash of one and the same."""
    path, mark, query = uri.partition("?")
    return path.rstrip("/").lower() + mark + query
