"""Matching a typed line to a command, as VRP does: any case, any unambiguous beginning of a keyword, and an error
that points at the word it does not understand.

A rule's form is written like the manual's: ``commit trial <seconds>``; ``<x>`` is a parameter of ``PARAMETERS``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

ANY_VIEW = "*"
USER_VIEW = "user"
CONFIGURATION = "configuration"  # any view but the user view
# Families of models, which differ in their commands and ranges: see ``lab.switch.roce_settings``.
POOLS, PAIRS, PLAIN = "pools", "pairs", "plain"
LOSSLESS = (POOLS, PAIRS)  # those that have PFC
ALL = (POOLS, PAIRS, PLAIN)


@dataclass(frozen=True)
class Parameter:
    """``check`` gives the value as it is kept, or None for a value that is not allowed.

    ``rest``: takes the rest of the line, blanks included. ``joins``: may be written as two words (100GE 1/0/1).
    """

    check: Callable[[str, Context], str | None]
    rest: bool = False
    joins: bool = False


@dataclass(frozen=True)
class Context:
    """What a check may ask: the device's interfaces, as {lower case name: name}, and the family of its model, which
    decides on commands and ranges."""

    interfaces: dict[str, str] = field(default_factory=dict)
    family: str = PLAIN


@dataclass(frozen=True)
class Rule:
    """``run(cli, arguments)`` returns what is printed. ``view``: a kind of view, USER_VIEW, CONFIGURATION or ANY_VIEW.

    ``whole``: takes no abbreviation ("the reboot command needs to be delivered completely"). ``families``: on which
    models it exists.
    """

    form: str
    view: str
    run: Callable[[Any, dict[str, str]], str]
    whole: bool = False
    families: tuple[str, ...] = ALL

    @property
    def elements(self) -> list[str]:
        return self.form.split()


@dataclass(frozen=True)
class Match:
    rule: Rule
    arguments: dict[str, str]


class SyntaxFault(Exception):
    """A line that is no command: what is wrong, and at which column of the line."""

    def __init__(self, what: str, column: int) -> None:
        super().__init__(what)
        self.what = what
        self.column = column

    def text(self, prompt: str) -> str:
        """Caret and message. Shape: a V600R023 session (``<X>en``), the caret under the word, prompt counted in."""
        return f"{' ' * (len(prompt) + self.column)}^\nError: {self.what} found at '^' position."


def integer(low: int, high: int) -> Parameter:
    return Parameter(lambda text, _: text if text.isdecimal() and low <= int(text) <= high else None)


def by_family(usual: tuple[int, int], pairs: tuple[int, int]) -> Parameter:
    """An integer with another range on the models that set thresholds in pairs."""

    def check(text: str, context: Context) -> str | None:
        low, high = pairs if context.family == PAIRS else usual
        return text if text.isdecimal() and low <= int(text) <= high else None

    return Parameter(check)


def _priorities(text: str, context: Context) -> str | None:
    """[CR] priority (DCB PFC view): four of 0 to 7, or three of 0 to 5, in one line."""
    words = text.split()
    most, highest = (3, 5) if context.family == PAIRS else (4, 7)
    fits = len(words) <= most and all(word.isdecimal() and int(word) <= highest for word in words)
    return " ".join(words) if fits else None


def pattern(expression: str, rest: bool = False) -> Parameter:
    compiled = re.compile(expression)
    return Parameter(lambda text, _: text if compiled.fullmatch(text) else None, rest=rest)


def _interface(text: str, context: Context) -> str | None:
    return context.interfaces.get(text.lower())


PARAMETERS: dict[str, Parameter] = {
    "seconds": integer(60, 65535),
    "label": pattern(r"[!-~]{1,256}(?<!^-)"),
    "persist": pattern(r"[!-~]{1,256}"),
    "sysname": pattern(r"[!-~]{1,246}"),
    # "1 to 242 case-sensitive characters, spaces supported" (description, interface view)
    "description": pattern(r"[^\x00-\x1f]{1,242}", rest=True),
    "comment": pattern(r"[ -~]{1,60}", rest=True),
    "interface": Parameter(_interface, joins=True),
    "lines": integer(0, 512),
    "count": integer(1, 80),
    "commit-id": integer(1000000001, 2999999999),
    "mtu": integer(46, 9600),
    "slot": integer(1, 1),
    # DCB and QoS commands; [CR] gives the ranges
    "pool-kbytes": by_family((16, 30720), (1, 2048)),
    "pool-mbytes": by_family((1, 30), (1, 2)),
    "queue": by_family((0, 7), (0, 5)),
    "alpha": by_family((1, 12), (0, 10)),
    "xon-alpha": by_family((1, 12), (0, 10)),
    "xoff": by_family((1, 30720), (1, 6144)),
    "xon": by_family((1, 30720), (1, 6144)),
    "headroom": integer(16, 30720),
    "priority": by_family((0, 7), (0, 5)),
    "priorities": Parameter(_priorities, rest=True),
    "precision": pattern(r"10|100|500|1000"),
    "milliseconds": integer(10, 1500),
    "detect": integer(1, 15),
    "recovery": integer(0, 31),
    "deadlocks": integer(1, 300),
    "dscp": integer(0, 63),
    "phb": pattern(r"be|af[1-4]|ef|cs[67]"),
    "color": pattern(r"green|yellow|red"),
    "pfc-profile": pattern(r"(?!(?:enable|buffer|global|dscp-mapping|interface|mode)$)[!-~]{1,31}"),
    "ds-domain": pattern(r"[!-~]{1,31}"),
    "drop": pattern(r"[!-~]{1,31}"),
    "low-limit": integer(1, 100_000_000),
    "high-limit": integer(1, 100_000_000),
    "low-percentage": integer(0, 100),
    "high-percentage": integer(0, 100),
    "percentage": integer(1, 100),
    "frame": integer(1518, 12288),
}


@dataclass
class _Path:
    rule: Rule
    place: int
    arguments: dict[str, str]
    done: bool = False

    def element(self) -> str | None:
        elements = self.rule.elements
        return None if self.done or self.place >= len(elements) else elements[self.place]


class Grammar:
    """All commands of a device."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = list(rules)

    def match(self, line: str, view: str, context: Context) -> Match:
        """The command that a line means in a view. Raises SyntaxFault."""
        words = [(word.group(), word.start()) for word in re.finditer(r"\S+", line)]
        paths = [_Path(rule, 0, {}) for rule in self._rules(view, context)]
        index = 0
        while index < len(words):
            paths, used = self._step(paths, words, index, line, context)
            index += used
        complete = [path for path in paths if path.element() is None]
        if not complete:
            raise SyntaxFault("Incomplete command", len(line.rstrip()))
        return Match(complete[0].rule, complete[0].arguments)

    def words(self, beginning: str, view: str, context: Context) -> list[str]:
        """What may come next (the ``?`` key): keywords and <parameters>, sorted."""
        head, _, tail = beginning.rpartition(" ")
        words = [(word.group(), word.start()) for word in re.finditer(r"\S+", head)]
        paths = [_Path(rule, 0, {}) for rule in self._rules(view, context)]
        index = 0
        try:
            while index < len(words):
                paths, used = self._step(paths, words, index, head, context)
                index += used
        except SyntaxFault:
            return []
        following = {path.element() or "<cr>" for path in paths}
        return sorted(word for word in following if word.startswith("<") or word.startswith(tail.lower()))

    def _rules(self, view: str, context: Context) -> list[Rule]:
        allowed = {ANY_VIEW, view} | (set() if view == USER_VIEW else {CONFIGURATION})
        return [rule for rule in self.rules if rule.view in allowed and context.family in rule.families]

    def _step(
        self, paths: list[_Path], words: list[tuple[str, int]], index: int, line: str, context: Context
    ) -> tuple[list[_Path], int]:
        word, column = words[index]
        low = word.lower()
        keywords = {e for path in paths if (e := path.element()) is not None and not e.startswith("<")}
        chosen = {low} if low in keywords else {keyword for keyword in keywords if keyword.startswith(low)}
        taken = [path for path in paths if path.element() in chosen and (not path.rule.whole or path.element() == low)]
        if taken:
            if len({path.element() for path in taken}) > 1:
                raise SyntaxFault("Ambiguous command", column)
            return [_Path(path.rule, path.place + 1, path.arguments) for path in taken], 1
        wrong = False
        readings: list[tuple[int, _Path]] = []
        for path in paths:
            element = path.element()
            if element is None or not element.startswith("<"):
                continue
            wrong = True
            name = element[1:-1]
            parameter = PARAMETERS[name]
            for text, used in _readings(parameter, words, index, line):
                value = parameter.check(text, context)
                if value is not None:
                    arguments = {**path.arguments, name: value}
                    readings.append((used, _Path(path.rule, path.place + 1, arguments, parameter.rest)))
                    break
        if readings:
            used = readings[0][0]
            return [path for length, path in readings if length == used], used
        if wrong:
            raise SyntaxFault("Wrong parameter", column)
        if any(path.element() is None for path in paths) and not keywords:
            raise SyntaxFault("Too many parameters", column)
        raise SyntaxFault("Unrecognized command", column)


def _readings(parameter: Parameter, words: list[tuple[str, int]], index: int, line: str) -> Iterable[tuple[str, int]]:
    """The ways to read a parameter from here: (text, how many words it takes)."""
    word, column = words[index]
    if parameter.rest:
        yield line[column:].rstrip(), len(words) - index
        return
    yield word, 1
    if parameter.joins and index + 1 < len(words):
        yield word + words[index + 1][0], 2
