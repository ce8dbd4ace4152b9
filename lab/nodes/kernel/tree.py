"""What the kernel serves: folders, attributes (files with a ``show`` and a ``store``) and links, found by path."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

Show = Callable[[], str]
Store = Callable[[str], None]


def refuse(number: int) -> OSError:
    """What a ``store`` raises: ``refuse(errno.EINVAL)``."""
    return OSError(number, os.strerror(number))


@dataclass
class Attribute:
    """A file. ``show`` gives its content, read whole at each open; ``store`` gets what one write(2) brings.

    No ``store``: nobody may write. A ``store`` refuses with OSError, as the kernel does (EINVAL, EIO, ENOMEM).
    """

    show: Show
    store: Store | None = None
    mode: int = 0

    @property
    def permissions(self) -> int:
        return self.mode or (0o644 if self.store else 0o444)


@dataclass
class Link:
    target: str


@dataclass
class Folder:
    """Entries by name. ``make`` builds them when somebody looks for the first time (256 CPUs have many files)."""

    entries: dict[str, Node] = field(default_factory=dict)
    make: Callable[[], Mapping[str, Node]] | None = None

    def filled(self) -> dict[str, Node]:
        if self.make is not None:
            make, self.make = self.make, None
            self.entries = {**make(), **self.entries}
        return self.entries

    def put(self, path: str, node: Node) -> None:
        """Place a node below; folders on the way are made."""
        here = self
        *folders, name = path.strip("/").split("/")
        for part in folders:
            child = here.filled().setdefault(part, Folder())
            if not isinstance(child, Folder):
                raise ValueError(f"{path}: {part} is no folder")
            here = child
        here.filled()[name] = node

    def find(self, path: str) -> Node:
        """The node at a path below; FileNotFoundError. Links are not followed: the kernel above does that."""
        here: Node = self
        for part in filter(None, path.split("/")):
            if not isinstance(here, Folder):
                raise refuse(errno.ENOTDIR)
            child = here.filled().get(part)
            if child is None:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            here = child
        return here


Node = Folder | Attribute | Link


def file_type(node: Node) -> int:
    """``st_mode`` of a node."""
    if isinstance(node, Folder):
        return stat.S_IFDIR | 0o555
    if isinstance(node, Link):
        return stat.S_IFLNK | 0o777
    return stat.S_IFREG | node.permissions


def fixed(value: object) -> Attribute:
    """A value that never changes, with the newline that every attribute ends with."""
    text = f"{value}\n"
    return Attribute(lambda: text)


def line(say: Callable[..., object], *arguments: object) -> Attribute:
    """What a function says at that moment, with the newline."""
    return Attribute(lambda: f"{say(*arguments)}\n")


def told(text: str) -> Attribute:
    """A uevent: it shows properties, and takes the order for an event, which nobody hears here."""
    return Attribute(lambda: text, lambda _: None)


def numbers(text: str) -> list[int]:
    """The whole numbers in what somebody wrote, base as in C (10, 0x10, 010); OSError EINVAL: anything else."""
    words = text.strip("\0").split()
    try:
        return [c_number(word) for word in words]
    except ValueError as error:
        raise refuse(errno.EINVAL) from error


def c_number(word: str) -> int:
    """``strtol`` with base 0 over the whole word; ValueError."""
    digits = word.lstrip("+-")
    if len(word) - len(digits) > 1 or not (digits.isascii() and digits.isalnum()):
        raise ValueError(word)
    base = 16 if digits[:2].lower() == "0x" else 8 if digits[0] == "0" else 10
    return int(digits, base) * (-1 if word[0] == "-" else 1)


class Number:
    """A whole number that can be set within bounds."""

    def __init__(self, value: int, low: int = 0, high: int = 2**32 - 1) -> None:
        self.value, self.low, self.high = value, low, high

    def show(self) -> str:
        return f"{self.value}\n"

    def store(self, text: str) -> None:
        found = numbers(text)
        if len(found) != 1 or not self.low <= found[0] <= self.high:
            raise refuse(errno.EINVAL)
        self.value = found[0]

    def attribute(self) -> Attribute:
        return Attribute(self.show, self.store)


class Choice:
    """One of several words, shown as ``always [madvise] never``. sysfs_streq: exactly the word, or with a newline."""

    def __init__(self, words: Iterable[str], value: str) -> None:
        self.words, self.value = tuple(words), value

    def show(self) -> str:
        return " ".join(f"[{word}]" if word == self.value else word for word in self.words) + "\n"

    def store(self, text: str) -> None:
        word = text[:-1] if text.endswith("\n") else text
        if word not in self.words:
            raise refuse(errno.EINVAL)
        self.value = word

    def attribute(self) -> Attribute:
        return Attribute(self.show, self.store)
