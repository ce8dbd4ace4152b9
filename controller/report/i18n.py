"""Every sentence of the report, in Chinese and English, by key; the words themselves are in ``words_*.py``.

No other file of this package holds words a reader sees. ``{name}`` in a sentence is filled by
``Words.say(key, name=...)``.
"""

from __future__ import annotations

from . import words_document, words_fabric, words_judged, words_nodes, words_site
from .text import LANGUAGES

TABLES = tuple(part.TABLE for part in (words_document, words_judged, words_nodes, words_fabric, words_site))

STRINGS: dict[str, dict[str, str]] = {
    language: {key: pair[index] for table in TABLES for key, pair in table.items()}
    for index, language in enumerate(LANGUAGES)
}


class Words:
    """The sentences of one language.

    >>> Words("en").say("expect.min", value="190 GB/s")
    '≥ 190 GB/s'
    """

    def __init__(self, language: str) -> None:
        if language not in STRINGS:
            raise ValueError(f"no report language {language!r}; there are {', '.join(LANGUAGES)}")
        self.language = language
        self._table = STRINGS[language]

    def __call__(self, key: str) -> str:
        return self._table[key]

    def say(self, key: str, /, **values: object) -> str:
        """The sentence with its blanks filled; the values are taken as they are, braces in them included."""
        return self._table[key].format(**{name: str(value) for name, value in values.items()})

    def word(self, group: str, name: str) -> str:
        """``group.name`` if the table has it, else the name itself: the world may know kinds that we do not."""
        return self._table.get(f"{group}.{name}", name)
