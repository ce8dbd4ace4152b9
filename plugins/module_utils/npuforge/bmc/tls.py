"""TLS towards BMCs: verified by a CA, pinned by fingerprint, or skipped on request; and why a handshake failed.

BMC certificates are often expired, self-signed or made out to another name, so the reason matters more than the fact.
The dates of a certificate that was not verified are read from its DER form (ssl gives no other access to it).
"""

from __future__ import annotations

import hashlib
import re
import socket
import ssl
from datetime import datetime, timezone

VERIFIED = "verified"
PINNED = "pinned"
SKIPPED = "skipped"


class TlsProblem(Exception):
    """The certificate is not acceptable; the text says why and is fit for a report."""


def fingerprint_bytes(text: str) -> bytes:
    """``sha256:AA:BB:...`` or 64 hex digits -> 32 bytes. Raises ``ValueError`` for anything else."""
    digits = re.sub(r"^sha-?256[:=]", "", text.strip(), flags=re.IGNORECASE).replace(":", "").replace(" ", "")
    if not re.match(r"^[0-9a-fA-F]{64}$", digits):
        raise ValueError("a fingerprint is the SHA-256 of the certificate: 64 hex digits, with or without colons")
    return bytes.fromhex(digits)


def context(mode: str, ca_file: str | None) -> ssl.SSLContext:
    """A client context for one of the three modes. Raises ``OSError``/``ssl.SSLError`` for an unreadable CA file."""
    made = ssl.create_default_context(cafile=ca_file)
    if mode != VERIFIED:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    return made


def check_pin(der: bytes | None, wanted: bytes) -> None:
    """Raises ``TlsProblem`` unless the peer's certificate is the pinned one."""
    seen = hashlib.sha256(der or b"").digest()
    if not der or seen != wanted:
        raise TlsProblem(f"the certificate is not the pinned one (its SHA-256 is {seen.hex()})")


def _element(data: bytes, at: int) -> tuple[int, int, int]:
    """(tag, start of content, end) of the DER element at ``at``; raises ``ValueError`` when it is cut off."""
    if at + 2 > len(data):
        raise ValueError("truncated")
    tag, length, start = data[at], data[at + 1], at + 2
    if length & 0x80:
        count = length & 0x7F
        if not 1 <= count <= 4 or start + count > len(data):
            raise ValueError("bad length")
        length = int.from_bytes(data[start : start + count], "big")
        start += count
    if start + length > len(data):
        raise ValueError("truncated")
    return tag, start, start + length


def _moment(tag: int, raw: bytes) -> datetime:
    text = raw.decode("ascii")
    form = "%y%m%d%H%M%SZ" if tag == 0x17 else "%Y%m%d%H%M%SZ"
    return datetime.strptime(text, form).replace(tzinfo=timezone.utc)


def validity(der: bytes | None) -> tuple[datetime, datetime] | None:
    """(not before, not after) of an X.509 certificate in DER form (RFC 5280 4.1); ``None`` when it cannot be read."""
    if not der:
        return None
    try:
        _, at, _ = _element(der, 0)  # Certificate
        _, at, _ = _element(der, at)  # tbsCertificate
        tag, _, end = _element(der, at)
        if tag == 0xA0:  # version, absent in v1
            at = end
        for _ in range(3):  # serialNumber, signature, issuer
            _, _, at = _element(der, at)
        _, at, _ = _element(der, at)  # validity
        tag, start, end = _element(der, at)
        before = _moment(tag, der[start:end])
        tag, start, end = _element(der, end)
        return before, _moment(tag, der[start:end])
    except (ValueError, UnicodeDecodeError):
        return None


def peer_certificate(host: str, port: int, timeout: float) -> bytes | None:
    """The certificate that the server shows, without trusting it: nothing is sent after the handshake."""
    try:
        with socket.create_connection((host, port), timeout=timeout) as plain:
            plain.settimeout(timeout)
            with context(SKIPPED, None).wrap_socket(plain, server_hostname=host) as secured:
                return secured.getpeercert(binary_form=True)
    except (OSError, ValueError):
        return None


def reason(error: ssl.SSLError, der: bytes | None) -> str:
    """Why the handshake failed, in words that name what to do; dates come from the certificate itself."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        return "TLS failed: %s" % (error.reason or error)
    dates = validity(der)
    now = datetime.now(timezone.utc)
    if dates and now > dates[1]:
        return "certificate expired on {}".format(dates[1].strftime("%Y-%m-%d"))
    if dates and now < dates[0]:
        return "certificate is not valid before {}".format(dates[0].strftime("%Y-%m-%d"))
    return "certificate not accepted: %s" % (error.verify_message or error)
