"""GRUB's part of a boot: runs grub.cfg, chooses an entry, and says which kernel it starts with which command line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from .grub_script import Entry, GrubError, Shell, scan


@dataclass(frozen=True)
class Start:
    """What is started: the file of the kernel and its command line (with BOOT_IMAGE), and from which entry."""

    entry: str
    kernel: str
    command_line: str


def start(boot: Path) -> Start:
    """Boot from ``<boot>/grub2/grub.cfg``. An entry that fails gives way to ``fallback``. GrubError: nothing starts."""
    prefix = boot / "grub2"
    configuration = prefix / "grub.cfg"
    if not configuration.is_file():
        raise GrubError("grub> (there is no grub.cfg)")
    shell = Shell(boot, prefix)
    shell.variables |= {"prefix": str(prefix), "config_directory": str(prefix), "feature_menuentry_id": "y"}
    shell.variables |= {"feature_default_font_path": "y", "grub_platform": "efi", "grub_cpu": "arm64"}
    shell.run(list(scan(configuration.read_text(encoding="utf-8", errors="replace"))))
    if not shell.menu:
        raise GrubError("grub> (grub.cfg has no entry)")
    errors = []
    fallback = shell.variables.get("fallback", "").split()
    for wanted in (shell.variables.get("default", ""), *fallback):
        entry = choose(shell.menu, wanted)
        shell.variables["chosen"] = entry.identifier
        shell.kernel = None
        try:
            shell.run(entry.body)
        except GrubError as error:
            errors.append(str(error))
            continue
        if shell.kernel is not None:
            return Start(entry.identifier, *shell.kernel)
        errors.append("error: you need to load the kernel first.")
    raise GrubError("; ".join(errors))


def choose(menu: list[Entry], wanted: str) -> Entry:
    """The entry of a number, an id or a title, ``a>b`` inside a submenu; the first one when there is no such."""
    here, rest = menu, wanted
    while True:
        word, inside, rest = _first(rest, here)
        found = _named(here, word)
        if found is None:
            found, inside = here[0], False
        if found.entries is None:
            return found
        if not found.entries:
            raise GrubError("error: a submenu without entries")
        here, rest = found.entries, rest if inside else ""


def _named(menu: list[Entry], word: str) -> Entry | None:
    for entry in menu:
        if word in (entry.identifier, entry.title):
            return entry
    return menu[int(word)] if word.isdigit() and int(word) < len(menu) else None


def _first(wanted: str, menu: list[Entry]) -> tuple[str, bool, str]:
    """The part of ``a>b`` before the first single ">"; titles may have one themselves, written ">>"."""
    if _named(menu, wanted):
        return wanted, False, ""
    head, arrow, rest = re.sub(">>", "\0", wanted).partition(">")
    return head.replace("\0", ">"), bool(arrow), rest.replace("\0", ">>")
