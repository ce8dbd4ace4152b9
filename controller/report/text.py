"""Turns whatever a run folder holds into text that every report format can carry.

A report is read by people and parsed by machines; what devices say is neither trusted nor dropped. ``clean`` makes
any string legal in XML 1.0 and visually honest; ``show`` writes any JSON value; ``shorten`` bounds both.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

LANGUAGES = ("zh", "en")
NOTHING = "—"
# A cell never grows beyond this; the whole value is in the evidence that stands beside it.
CELL_CHARACTERS = 600
DEEPEST = 6  # levels of an observed value that are written out

# Everything XML 1.0 forbids (production [2] Char), plus characters that reorder or hide what stands around them:
# bidirectional controls ("Trojan Source"), zero-width characters, and the line separators that break layouts.
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
    "\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e0fff]"
    "|[\U0001fffe\U0001ffff\U0002fffe\U0002ffff\U0003fffe\U0003ffff\U0010fffe\U0010ffff]"
)


def clean(value: object) -> str:
    """``value`` as text legal in XML 1.0, HTML and OOXML. Control characters are made visible, never silently lost.

    >>> clean("a\\x00b\\u202ec")
    'a␀b⟨U+202E⟩c'
    """
    text = value if isinstance(value, str) else str(value)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _FORBIDDEN.sub(_visible, text)


def _visible(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(0x2400 + code)  # Unicode's own pictures of control characters
    if 0xD800 <= code <= 0xDFFF or (code & 0xFFFE) == 0xFFFE:
        return "\ufffd"
    return f"⟨U+{code:04X}⟩"


def shorten(text: str, limit: int = CELL_CHARACTERS) -> str:
    """``text``, or its beginning and an ellipsis when it is longer than ``limit`` characters."""
    return text if len(text) <= limit else text[: max(limit - 1, 1)].rstrip() + "…"


def one_line(text: str) -> str:
    return " ".join(text.split())


def in_language(value: object, language: str) -> str:
    """A ``{zh, en}`` object or a plain string in the wanted language; the other one when that is all there is."""
    if isinstance(value, Mapping):
        for key in (language, *LANGUAGES):
            if isinstance(value.get(key), str) and value[key].strip():
                return clean(value[key])
        return show(dict(value)) if value else ""
    return "" if value is None else clean(value)


def show(
    value: object,
    unit: str = "",
    *,
    yes: str = "true",
    no: str = "false",
    empty: str = "[]",
    limit: int = CELL_CHARACTERS,
) -> str:
    """One JSON value as a person writes it: null is a dash, numbers carry their unit, lists are joined."""
    if value is None:
        return NOTHING
    text = _show(value, (yes, no, empty), 0)
    if not text.strip():
        text = f'"{text}"'  # an empty text was seen, which is not the same as nothing seen
    if unit and isinstance(value, (int, float)) and not isinstance(value, bool):
        text = f"{text} {clean(unit)}"
    return shorten(text, limit)


def _show(value: object, words: tuple[str, str, str], depth: int) -> str:
    yes, no, empty = words
    if isinstance(value, bool):
        return yes if value else no
    if isinstance(value, float):
        return f"{value:.6g}"
    if value is None or depth > DEEPEST:
        return NOTHING if value is None else "…"
    if isinstance(value, Mapping):
        if value.keys() == {"source", "value"}:  # an observation's claim and where it was read
            return f"{_show(value['value'], words, depth + 1)} ({_show(value['source'], words, depth + 1)})"
        text = "; ".join(f"{clean(key)}: {_show(item, words, depth + 1)}" for key, item in value.items())
        return (f"({text})" if depth else text) if value else empty
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_show(item, words, depth + 1) for item in value) if value else empty
    return clean(value)


def as_dict(value: Any) -> dict[str, Any]:
    """``value`` if it is an object with text keys, else an empty one: half-written files reach the report too."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def dicts(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; anything else in it is left out."""
    return [item for item in as_list(value) if isinstance(item, dict)]


def as_text(value: Any, default: str = "") -> str:
    """Cleaned text of a scalar; ``default`` for null, objects and lists."""
    return default if value is None or isinstance(value, (dict, list)) else clean(value)


_NUMBER = re.compile(r"(\d+)")


def natural(text: str) -> list[tuple[int, int, str]]:
    """Sort key that puts node2 before node10."""
    return [
        (0, int(part), "") if part.isdecimal() and part.isascii() else (1, 0, part)
        for part in _NUMBER.split(text[:200])
    ]


def columns(text: str) -> int:
    """How many terminal columns ``text`` takes: wide East Asian characters take two, combining marks none."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def fit(text: str, width: int) -> str:
    """``text`` cut to ``width`` terminal columns, with an ellipsis where something was cut."""
    if columns(text) <= width:
        return text
    room, taken = max(width - 1, 0), []
    for char in text:
        room -= columns(char)
        if room < 0:
            break
        taken.append(char)
    return "".join(taken) + ("…" if width > 0 else "")
