"""Keeps secrets out of the evidence: literal secrets in every form they take, and values under telling keys."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, quote_plus

MARK = "[redacted]"

# Below this length a secret is replaced only where it stands as a word of its own: replacing every "b" of a document
# would destroy the evidence and tell the secret by what is missing. `npuforge validate` refuses such passwords.
SHORT = 6

_KEYS = (
    "password|passwd|passphrase|pwd|secret|token|x-auth-token|authorization|cookie|set-cookie|api-?key|private-?key"
    "|access-?key|secret-?key|session-?key|session-?token|community"
)
_KEY = re.compile(rf"(?:.*[_.-])?(?:{_KEYS.replace('-', '[-_]')})", re.IGNORECASE)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WORD = _KEYS.replace("-", "[-_]?")
_PATTERNS = (
    # JSON; an unfinished string at the end of a cut text counts too
    re.compile(rf'("[^"\\]{{0,40}}(?:{_WORD})"\s*:\s*")((?:[^"\\]|\\.)+)', re.IGNORECASE | re.DOTALL),
    # JSON inside a JSON string: \"Password\": \"x\"
    re.compile(
        rf'(\\"[^"\\]{{0,40}}(?:{_WORD})\\"\s*:\s*\\")((?:[^"\\]|\\\\(?:\\.|[^\\]))+)', re.IGNORECASE | re.DOTALL
    ),
    # a header on a line of its own, with or without curl's "> "
    re.compile(r"(^[<> ]{0,3}(?:x-auth-token|authorization|cookie|set-cookie)[ \t]*:[ \t]*)([^\r\n]+)", re.I | re.M),
    # key=value of URLs, forms and command lines
    re.compile(rf"((?:^|[?&;,\s-])(?:[a-z]+[_-])?(?:{_WORD})=)([^\s&;,\"']+)", re.IGNORECASE),
    # user:password@host
    re.compile(r"(\b[a-z][a-z0-9+.-]*://[^/\s:@]+:)([^/\s@]+)(?=@)", re.IGNORECASE),
)
# What every one of the patterns needs.
_HINT = re.compile(rf"{_WORD}|://[^/\s@]*@", re.IGNORECASE)


class Redactor:
    """Replaces secrets by ``[redacted]``. ``secrets`` are the literal values; empty ones are ignored.

    ``text``, ``data`` and ``document`` are idempotent and leave everything else byte for byte.
    """

    def __init__(self, secrets: Iterable[object] = ()) -> None:
        forms: set[str] = set()
        words: set[str] = set()
        for secret in {str(secret) for secret in secrets if secret is not None}:
            if not secret.strip():
                continue
            if len(secret) < SHORT:
                words.update((secret, *_escaped(secret)))
            else:
                forms.update((secret, *_escaped(secret), *_base64(secret)))
        parts = [re.escape(form) for form in sorted(forms, key=len, reverse=True)]
        parts += [rf"(?<!\w){re.escape(word)}(?!\w)" for word in sorted(words, key=len, reverse=True)]
        self._literal = re.compile("|".join(parts)) if parts else None

    def text(self, text: str) -> str:
        """``text`` without secrets."""
        if self._literal is not None:
            text = self._literal.sub(MARK, text)
        if _HINT.search(text):  # most texts hold no telling word at all, and this is much cheaper than the patterns
            for pattern in _PATTERNS:
                text = pattern.sub(lambda match: match[1] + MARK, text)
        return text

    def literal(self, text: str) -> str:
        """``text`` without the literal secrets; telling keys are not looked for (prose may speak of passwords)."""
        return text if self._literal is None else self._literal.sub(MARK, text)

    def data(self, data: bytes) -> bytes:
        """The same for bytes: they are read as UTF-8, and what is not UTF-8 comes through unharmed."""
        return self.text(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")

    def document(self, node: Any) -> Any:
        """A copy of a JSON-like value: strings without secrets, values under telling keys replaced as a whole."""
        if isinstance(node, str):
            return self.text(node)
        if isinstance(node, dict):
            return {
                self.literal(str(key)): MARK if _tells(str(key), value) else self.document(value)
                for key, value in node.items()
            }
        if isinstance(node, list | tuple):
            return [self.document(value) for value in node]
        return node


def _tells(key: str, value: Any) -> bool:
    """Whether the value under ``key`` is itself a secret: not null, not a flag, not a structure that is named so."""
    if value is None or isinstance(value, bool | dict | list | tuple) or value == "":
        return False
    return _KEY.fullmatch(_CAMEL.sub("_", key)) is not None or _KEY.fullmatch(key) is not None


def _escaped(secret: str) -> set[str]:
    """The secret as JSON, a URL, XML or HTML and a Python literal would write it."""
    forms = {
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1].replace("/", "\\/"),
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        html.escape(secret, quote=False),
        html.escape(secret, quote=True),
        html.escape(secret, quote=True).replace("&#x27;", "&apos;").replace("&quot;", "&#34;"),
        repr(secret)[1:-1],
    }
    forms.update(form.lower() for form in {quote(secret, safe="")} if form != secret)
    # JSON within JSON, as raw output in a result has it
    forms.update(json.dumps(form)[1:-1] for form in (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)))
    return {form for form in forms if form}


def _base64(secret: str) -> set[str]:
    """The core of the secret's base64 at each of the three positions it can have in a longer text (Basic auth)."""
    raw = secret.encode()
    forms: set[str] = set()
    for offset in range(3):
        padded = b"\0" * offset + raw
        usable = len(padded) - len(padded) % 3
        encoded = base64.b64encode(padded[:usable]).decode()
        core = encoded[-(-offset * 4 // 3) if offset else 0 :]
        if len(core) >= 8:  # shorter ones occur by chance
            forms.update((core, core.replace("+", "-").replace("/", "_")))
    return forms
