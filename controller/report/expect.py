"""Writes what the contract expects (docs/seams.md section 6: one operator and its operand) as people write it."""

from __future__ import annotations

from typing import Any

from .i18n import Words
from .text import as_text, clean, shorten, show

_FLAGS = ("empty", "not_empty", "all_equal", "unique")


def expectation(expect: Any, unit: str, words: Words) -> str:
    """``{"min": 190}`` with unit GB/s becomes ``≥ 190 GB/s``; a plain value stands for itself; null is empty.

    An operator that is not in the list is shown as it stands rather than hidden.
    """
    if expect is None or expect == {}:
        return ""
    if not isinstance(expect, dict):
        return _value(expect, unit, words)
    parts = [_operator(clean(name), operand, unit, words) for name, operand in expect.items() if name != "unit"]
    return shorten("; ".join(part for part in parts if part), 300)


def _operator(name: str, operand: Any, unit: str, words: Words) -> str:
    if name in ("profile", "site"):  # a bare reference to a value that nobody gave
        return words.say(f"expect.{name}", key=as_text(operand))
    if name in _FLAGS and isinstance(operand, bool):
        return words(f"expect.{name}") if operand else f"{name}: {_value(False, '', words)}"
    if name == "decide":
        return words.word("expect.decide", as_text(operand))
    if name == "between" and isinstance(operand, list) and len(operand) == 2:
        low, high = (_value(end, "", words) for end in operand)
        return f"{words.say('expect.between', low=low, high=high)} {unit}".strip()
    if name == "one_of" and isinstance(operand, list):
        return words.say("expect.one_of", value=" / ".join(_value(item, unit, words) for item in operand))
    if name in ("equals", "min", "max"):
        return words.say(f"expect.{name}", value=_value(operand, unit, words))
    return f"{name}: {_value(operand, unit, words)}"


def _value(value: Any, unit: str, words: Words) -> str:
    if isinstance(value, dict):
        if "default" in value:  # nobody said otherwise, so this is what was judged by
            value = value["default"]
        else:
            for name in ("profile", "site"):
                if name in value:
                    return words.say(f"expect.{name}", key=as_text(value[name]))
    return show(value, unit, yes=words("yes"), no=words("no"), limit=200)
