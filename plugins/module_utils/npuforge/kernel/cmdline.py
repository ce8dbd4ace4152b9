"""The kernel's command line: words, which of them count, and how wanted ones are put among those of others.

Kernel: admin-guide/kernel-parameters.rst. A parameter's name may be written with ``-`` or ``_``, values with blanks are
quoted by ``"``, and of a parameter given twice the last one counts.
"""

from __future__ import annotations

import re
from typing import Iterable, Mapping, NamedTuple, Sequence

from .model import NOT_SET

BARE = "set"
ABSENT = "absent"
# Within a quoted shell string a kernel quote is \" or, in single quotes, a plain ".
_TOKEN = re.compile(r'(?:\\"(?:(?!\\").)*\\"|"[^"]*"|\S)+', re.DOTALL)
SAFE = re.compile(r"^[A-Za-z0-9_.,:/@+%=-]+$")


class Word(NamedTuple):
    """``value``: text, True for a word without one, False: the parameter must not be there."""

    name: str
    value: str | bool
    group: str

    @property
    def text(self) -> str:
        return self.name if self.value is True else f"{self.name}={self.value}"

    @property
    def shown(self) -> str:
        """The wanted value, as ``value_in`` tells one that is there."""
        return NOT_SET if self.value is False else BARE if self.value is True else str(self.value)


def split(text: str) -> list[str]:
    """The words; a quoted value stays in one."""
    return [match.group(0) for match in _TOKEN.finditer(text)]


def name_of(token: str) -> str:
    return token.split("=", 1)[0].strip('"').replace("-", "_")


def value_in(tokens: Iterable[str], name: str) -> str:
    """The value that counts, ``set`` for a word without one, ``not set``."""
    found = NOT_SET
    for token in tokens:
        if name_of(token) == name.replace("-", "_"):
            found = token.split("=", 1)[1].strip('"') if "=" in token else BARE
    return found


def holds(tokens: Iterable[str], word: Word) -> bool:
    """Whether the word as wanted is among them (or, unwanted, its parameter is not), wherever it stands."""
    own = [token for token in tokens if name_of(token) == name_of(word.name)]
    return not own if word.value is False else word.text in own


def edit(text: str, words: Sequence[Word], *, add: bool = True) -> str:
    """Put the wanted words into a command line and leave every other byte of it.

    A wanted parameter that is there is changed where it stands, its second occurrence goes; the others are appended
    (``add``).
    """
    left = {name_of(word.name): word for word in words if word.value is not False and add}
    own = {name_of(word.name) for word in words}
    made: list[str] = []
    place, lead = 0, None
    for match in _TOKEN.finditer(text):
        blank, token = text[place : match.start()], match.group(0)
        place = match.end()
        name = name_of(token)
        if name in left:
            token = left.pop(name).text
        elif name in own:
            lead = blank if lead is None and not made else lead
            continue
        made.append((blank if made or lead is None else lead) + token)
    for word in left.values():
        made.append((" " if made else "") + word.text)
    return "".join(made) + text[place:]


def differing(tokens: Sequence[str], words: Iterable[Word]) -> list[Word]:
    return [word for word in words if value_in(tokens, word.name) != word.shown]


def own_words(tokens: Iterable[str], words: Iterable[Word]) -> list[str]:
    """Those of the tokens that speak of the wanted parameters, in their order."""
    names = {name_of(word.name) for word in words}
    return [token for token in tokens if name_of(token) in names]


def wanted_of(arguments: Mapping[str, object]) -> list[Word]:
    """``kernel_arguments``: text or number, empty (a word without value), ``absent``; null is left alone."""
    plain: dict[str, str | bool] = {"": True, ABSENT: False}
    return [
        Word(name, plain.get(str(value), str(value)), "kernel_arguments")
        for name, value in arguments.items()
        if value is not None
    ]
