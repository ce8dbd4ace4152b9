"""What GRUB will boot: the entries of a generated grub.cfg, and of files after the Boot Loader Specification.

Only what grub-mkconfig and grubby write is understood (GRUB manual: menuentry, submenu, default, Environment block);
the scripts around it are not run.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Sequence

from . import cmdline
from .host import Host

_ENTRY = re.compile(r"^\s*(menuentry|submenu)\s+(?:'((?:[^']|'\\'')*)'|\"((?:[^\"\\]|\\.)*)\"|(\S+))(.*)$")
_ID = re.compile(r"(?:--id[ =]|\$\{?menuentry_id_option\}?\s+)(?:'([^']*)'|\"([^\"]*)\"|(\S+))")
_LINUX = re.compile(r"^\s*linux(?:16|efi)?\s+(\S+)[ \t]*(.*)$")
_DEFAULT = re.compile(r"^\s*set\s+default=(?:\"([^\"]*)\"|'([^']*)'|(\S*))\s*$", re.MULTILINE)
_RESCUE = re.compile(r"recovery|rescue|single", re.IGNORECASE)
_DEPTH = 16


class Entry(NamedTuple):
    """``place``: indices from the top menu down; ``words``: None where the entry boots no Linux; ``file``: of BLS."""

    title: str
    ident: str
    place: tuple[int, ...]
    words: list[str] | None
    kernel: str = ""
    file: str = ""

    @property
    def rescue(self) -> bool:
        return bool(_RESCUE.search(self.title)) or "single" in (self.words or ())


class Menu(NamedTuple):
    """``default``: as ``set default`` says it, ``saved``: whether the saved entry is asked for."""

    entries: list[Entry]
    default: str
    saved: bool


def parse(text: str) -> Menu:
    """The menu of a grub.cfg. Garbage gives no entries."""
    entries: list[Entry] = []
    counts = [0]
    inside: tuple[int, ...] = ()
    kinds: list[str] = []
    current: Entry | None = None
    for raw in text.split("\n"):
        line = raw.rstrip("\r")
        if line.strip() == "}":
            kind = kinds.pop() if kinds else ""
            if kind == "menuentry" and current is not None:
                entries.append(current)
                current = None
            elif kind == "submenu":
                counts, inside = counts[:-1] or [0], inside[:-1]
            continue
        match = _ENTRY.match(line)
        if match is not None and line.rstrip().endswith("{") and current is None and len(counts) < _DEPTH:
            title = next((each for each in match.groups()[1:4] if each is not None), "").replace("'\\''", "'")
            named = _ID.search(match.group(5))
            ident = next((each for each in named.groups() if each is not None), "") if named else ""
            place = (*inside, counts[-1])
            counts[-1] += 1
            kinds.append(match.group(1))
            if match.group(1) == "menuentry":
                current = Entry(title, ident, place, None)
            else:
                counts, inside = [*counts, 0], place
                entries.append(Entry(title, ident, place, None))
            continue
        if line.rstrip().endswith("{"):
            kinds.append("other")
        linux = _LINUX.match(line)
        if linux is not None and current is not None:
            current = current._replace(words=cmdline.split(linux.group(2)), kernel=linux.group(1))
    said = [next((each for each in match.groups() if each is not None), "") for match in _DEFAULT.finditer(text)]
    said = [each for each in said if "next_entry" not in each]
    saved = any("saved_entry" in each for each in said)
    plain = [each for each in said if "$" not in each]
    return Menu(entries, plain[-1] if plain and not (said and "saved_entry" in said[-1]) else "", saved)


def environment(text: str | None) -> dict[str, str]:
    """The environment block (grubenv)."""
    found = {}
    for line in (text or "").split("\n"):
        name, sign, value = line.partition("=")
        if sign and not line.startswith("#"):
            found[name.strip()] = value.rstrip("\r")
    return found


def chosen(menu: Menu, saved: str) -> Entry | None:
    """The entry that boots when nobody intervenes; None: the menu has none that boots Linux.

    A name that GRUB does not find falls back to the first entry, as in GRUB.
    """
    asked = (saved if menu.saved and saved else menu.default) or "0"
    bootable = [entry for entry in menu.entries if entry.words is not None]
    entry = _find(menu.entries, asked)
    if entry is not None and entry.words is None:  # a submenu: its first entry boots
        inside = [each for each in bootable if each.place[: len(entry.place)] == entry.place]
        entry = inside[0] if inside else None
    if entry is None and bootable:
        entry = bootable[0]
    return entry


def _find(entries: Sequence[Entry], asked: str) -> Entry | None:
    inside: tuple[int, ...] = ()
    found: Entry | None = None
    for part in asked.split(">"):
        level = [each for each in entries if each.place[:-1] == inside]
        found = next((each for each in level if part in (each.ident, each.title)), None)
        if found is None and part.strip().isdigit():
            found = next((each for each in level if each.place[-1] == int(part)), None)
        if found is None:
            return None
        inside = found.place
    return found


def bls_entries(host: Host, folder: str, kernelopts: str) -> list[Entry]:
    """Entries after the Boot Loader Specification, in GRUB's order (newest version first)."""
    found: list[Entry] = []
    names = [name for name in host.names(folder) if name.endswith(".conf")]
    for name in sorted(names, key=_version_key, reverse=True):
        keys: dict[str, str] = {}
        for line in (host.read(f"{folder}/{name}") or "").splitlines():
            words = line.strip().split(None, 1)
            if len(words) == 2 and not words[0].startswith("#"):
                keys[words[0]] = (
                    f"{keys[words[0]]} {words[1]}" if words[0] == "options" and "options" in keys else words[1]
                )
        if "linux" in keys:
            options = keys.get("options", "").replace("${kernelopts}", kernelopts).replace("$kernelopts", kernelopts)
            path = f"{folder}/{name}"
            place = (len(found),)
            found.append(
                Entry(keys.get("title", name[:-5]), name[:-5], place, cmdline.split(options), keys["linux"], path)
            )
    return found


def _version_key(name: str) -> list[tuple[int, int, str]]:
    return [
        (1, int(piece), "") if piece.isdigit() else (0, 0, piece)
        for piece in re.findall(r"\d+|[A-Za-z]+", name[:-5])
        if piece
    ]
