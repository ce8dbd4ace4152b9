"""A small interpreter of GRUB's shell (GRUB manual 2.06, "Writing full configuration files").

Enough for what grub-mkconfig writes and for entries by hand. What draws menus or loads drivers does nothing and
succeeds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

HEADER = "# GRUB Environment Block\n"
BLOCK_SIZE = 1024
MOST_STEPS = 20000
OPERATORS = (";", "\n", "{", "}", "&&", "||")


class GrubError(Exception):
    """GRUB stops here and waits for somebody at the console; the message is what its screen shows."""


@dataclass
class Entry:
    """A menu entry: its title, its id, the commands in it; a submenu has entries in it."""

    title: str
    identifier: str
    body: list[Word]
    entries: list[Entry] | None = None


# --- the environment block --------------------------------------------------------------------------------------------


def read_block(path: Path) -> dict[str, str]:
    """Variables of a grubenv; nothing when it is not there or is no block."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    if not text.startswith(HEADER):
        return {}
    rows = (line for line in text[len(HEADER) :].split("\n") if "=" in line and not line.startswith("#"))
    return dict(row.split("=", 1) for row in rows)


def write_block(path: Path, variables: dict[str, str]) -> None:
    """GRUB writes in place: the file must be there."""
    text = HEADER + "".join(f"{key}={value}\n" for key, value in variables.items())
    path.write_text(text.ljust(BLOCK_SIZE, "#"), encoding="utf-8")


# --- words ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Word:
    """A word, or an operator (``text`` one of OPERATORS). ``parts``: (text, quote), quote "" splits and expands,
    '"' expands, "'" is literal."""

    parts: tuple[tuple[str, str], ...]
    operator: bool = False

    @property
    def text(self) -> str:
        return "".join(text for text, _ in self.parts)

    @property
    def plain(self) -> str | None:
        """What it is as a keyword; None: it was quoted."""
        return self.text if all(quote == "" for _, quote in self.parts) else None


def scan(text: str) -> Iterator[Word]:
    """Words and operators of a script. GrubError: a quote that does not end."""
    parts: list[tuple[str, str]] = []
    index, size = 0, len(text)
    while index < size:
        character = text[index]
        if character == "\\" and index + 1 < size:
            if text[index + 1] != "\n":
                parts.append((text[index + 1], "'"))
            index += 2
        elif character in "'\"":
            end = _closing(text, index)
            body = text[index + 1 : end]
            if character == '"':
                body = re.sub(r'\\(["\\])', r"\1", body)
            parts.append((body, character))
            index = end + 1
        elif character.isspace() or character == ";" or text[index : index + 2] in ("&&", "||"):
            if parts:
                yield Word(tuple(parts))
                parts = []
            both = text[index : index + 2] in ("&&", "||")
            if both or character in ";\n":
                yield Word(((text[index : index + 2] if both else character, ""),), operator=True)
            index += 2 if both else 1
        elif character == "#" and not parts:
            end = text.find("\n", index)
            index = size if end < 0 else end
        elif character in "{}" and not parts and not text[index + 1 : index + 2].strip(" \t\n;"):
            yield Word(((character, ""),), operator=True)
            index += 1
        else:
            end = index + 1
            if text.startswith("${", index):
                end = text.find("}", index) + 1 or size
            before = parts.pop()[0] if parts and parts[-1][1] == "" else ""
            parts.append((before + text[index:end], ""))
            index = end
    if parts:
        yield Word(tuple(parts))


def _closing(text: str, start: int) -> int:
    quote, index = text[start], start + 1
    while index < len(text):
        if text[index] == "\\" and quote == '"':
            index += 2
            continue
        if text[index] == quote:
            return index
        index += 1
    raise GrubError("error: syntax error: a quote does not end")


# --- the interpreter --------------------------------------------------------------------------------------------------


@dataclass
class Shell:
    """Runs scripts over the files of /boot (``boot``). ``menu`` fills; ``kernel`` is what ``linux`` loaded."""

    boot: Path
    prefix: Path
    variables: dict[str, str] = field(default_factory=dict)
    menu: list[Entry] = field(default_factory=list)
    functions: dict[str, list[Word]] = field(default_factory=dict)
    kernel: tuple[str, str] | None = None
    steps: int = 0

    def run(self, script: list[Word]) -> bool:
        """True: the last command succeeded."""
        done = True
        index = 0
        while index < len(script):
            word = script[index]
            if word.operator and word.text in (";", "\n"):
                index += 1
                continue
            if word.operator and word.text in ("&&", "||"):
                index += 1
                if done != (word.text == "&&"):
                    index = _command_end(script, index)
                continue
            end, done = self._command(script, index)
            if end <= index:
                raise GrubError(f"error: syntax error near {word.text!r}")
            index = end
        return done

    def _command(self, script: list[Word], index: int) -> tuple[int, bool]:
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise GrubError("error: the script does not end")
        keyword = script[index].plain
        if keyword == "if":
            return self._if(script, index)
        if keyword in ("for", "while", "until"):
            return self._loop(script, index, keyword)
        if keyword == "function":
            body, end = _braces(script, index + 2)
            self.functions[script[index + 1].text] = body
            return end, True
        end = _command_end(script, index)
        words = script[index:end]
        if keyword in ("menuentry", "submenu"):
            opening = next((at for at in range(index, len(script)) if _is(script[at], "{")), None)
            if opening is None:
                raise GrubError("error: syntax error: an entry without commands")
            words = script[index:opening]
            body, end = _braces(script, opening)
            self._entry(keyword, [part for word in words[1:] for part in self._expand(word)], body)
            return end, True
        return end, self._simple([part for word in words for part in self._expand(word)])

    def _if(self, script: list[Word], index: int) -> tuple[int, bool]:
        branches, end = _if_parts(script, index)
        for condition, body in branches:
            if condition is None or self.run(condition):
                return end, self.run(body)
        return end, True

    def _loop(self, script: list[Word], index: int, keyword: str) -> tuple[int, bool]:
        head, body, end = _loop_parts(script, index)
        done = True
        if keyword == "for":
            name = head[0].text
            for value in [part for word in head[2:] if not word.operator for part in self._expand(word)]:
                self.variables[name] = value
                done = self.run(body)
            return end, done
        while self.run(head) == (keyword == "while"):
            done = self.run(body)
        return end, done

    def _expand(self, word: Word) -> list[str]:
        """The words that one word becomes: what was not quoted is split at blanks."""
        made, current, begun = [], "", False
        for text, quote in word.parts:
            value = text if quote == "'" else re.sub(r"\$(?:\{(\w+)\}|(\w+|[?@#*]))", self._value, text)
            if quote or value == text:
                current, begun = current + value, True
                continue
            pieces = re.split(r"[ \t\n]+", value)
            current += pieces[0]
            begun = begun or bool(pieces[0])
            for piece in pieces[1:]:
                if begun:
                    made.append(current)
                current, begun = piece, bool(piece)
        return [*made, current] if begun else made

    def _value(self, found: re.Match[str]) -> str:
        return self.variables.get(found[1] or found[2], "")

    def _entry(self, keyword: str, words: list[str], body: list[Word]) -> None:
        title, identifier = "", ""
        at = 0
        while at < len(words):
            word = words[at]
            if word in ("--id", "--class", "--users", "--hotkey"):
                identifier = words[at + 1] if word == "--id" and at + 1 < len(words) else identifier
                at += 2
                continue
            name, equals, value = word.partition("=")
            if equals and name == "--id":
                identifier = value
            elif not word.startswith("--") and not title:
                title = word
            at += 1
        entry = Entry(title, identifier or title, body)
        if keyword == "submenu":
            inner = Shell(self.boot, self.prefix, self.variables, [], self.functions)
            inner.run(body)
            entry.entries = inner.menu
        self.menu.append(entry)

    def _simple(self, words: list[str]) -> bool:
        if not words:
            return True
        name, *rest = words
        if re.match(r"\w+=", name):
            return self._do_set([name])
        if name in self.functions:
            return self.run(self.functions[name])
        found: Callable[[list[str]], bool] | None = getattr(self, f"_do_{COMMANDS.get(name, '')}", None)
        if found is not None:
            return found(rest)
        return name != "false"

    def _do_set(self, words: list[str]) -> bool:
        for word in words:
            name, equals, value = word.partition("=")
            if equals:
                self.variables[name] = value
        return True

    def _do_unset(self, words: list[str]) -> bool:
        for word in words:
            self.variables.pop(word, None)
        return True

    def _do_test(self, words: list[str]) -> bool:
        return self._test(words[:-1] if words[-1:] == ["]"] else words)

    def _test(self, words: list[str]) -> bool:
        for operator, both in (("-o", any), ("-a", all)):
            if operator in words:
                at = words.index(operator)
                return both([self._test(words[:at]), self._test(words[at + 1 :])])
        if words[:1] == ["!"]:
            return not self._test(words[1:])
        if len(words) == 3:
            left, operator, right = words
            if operator in ("=", "==", "!="):
                return (left == right) == (operator != "!=")
            pairs = {"-eq": 0, "-gt": 1, "-lt": -1}
            if operator in pairs and left.isdigit() and right.isdigit():
                return (int(left) > int(right)) - (int(left) < int(right)) == pairs[operator]
            return False
        if len(words) == 2 and words[0] in ("-s", "-f", "-e", "-d"):
            path = self.file(words[1])
            return (
                path.is_dir() if words[0] == "-d" else path.is_file() and (words[0] != "-s" or path.stat().st_size > 0)
            )
        if len(words) == 2 and words[0] in ("-n", "-z"):
            return bool(words[1]) == (words[0] == "-n")
        return len(words) == 1 and bool(words[0])

    def _do_load_env(self, words: list[str]) -> bool:
        path = self._block(words)
        names = [word for word in words if not word.startswith("-") and word != str(path)]
        for key, value in read_block(path).items():
            if not names or key in names:
                self.variables[key] = value
        return path.exists()

    def _do_save_env(self, words: list[str]) -> bool:
        path = self._block(words)
        if not path.exists():
            return False
        block = read_block(path)
        for name in (word for word in words if not word.startswith("-")):
            block.pop(name, None)
            if self.variables.get(name):
                block[name] = self.variables[name]
        write_block(path, block)
        return True

    def _block(self, words: list[str]) -> Path:
        for flag, value in pairwise(words):
            if flag in ("-f", "--file"):
                words.remove(value)
                return self.file(value)
        return self.prefix / "grubenv"

    def _do_source(self, words: list[str]) -> bool:
        path = self.file(words[0]) if words else self.prefix
        return path.is_file() and self.run(list(scan(path.read_text(encoding="utf-8", errors="replace"))))

    def _do_linux(self, words: list[str]) -> bool:
        if not words:
            raise GrubError("error: filename expected.")
        if not self.file(words[0]).is_file():
            raise GrubError(f"error: file `{words[0]}' not found.")
        arguments = [f'"{word}"' if " " in word else word for word in words[1:]]
        self.kernel = (words[0], " ".join([f"BOOT_IMAGE={words[0]}", *arguments]))
        return True

    def file(self, name: str) -> Path:
        """A file as GRUB names it: ``(hd0,gpt2)/vmlinuz-6.6``, on the partition of /boot or on the one of /."""
        if name.startswith(str(self.boot)):
            return Path(name)
        inner = re.sub(r"^\([^)]*\)", "", name).lstrip("/")
        return self.boot / (inner.removeprefix("boot/"))


COMMANDS = {
    "set": "set", "export": "export", "unset": "unset", "[": "test", "test": "test", "load_env": "load_env",
    "save_env": "save_env", "source": "source", "configfile": "source", ".": "source", "linux": "linux",
    "linuxefi": "linux", "linux16": "linux",
}  # fmt: skip


def _is(word: Word, operator: str) -> bool:
    return word.operator and word.text == operator


def _command_end(script: list[Word], index: int) -> int:
    while index < len(script) and not (script[index].operator and script[index].text in (";", "\n", "&&", "||")):
        index += 1
    return index


def _braces(script: list[Word], index: int) -> tuple[list[Word], int]:
    """The commands between the braces that open at ``index`` (blanks before them), and where they end."""
    while index < len(script) and _is(script[index], "\n"):
        index += 1
    depth = 0
    for at in range(index, len(script)):
        depth += _is(script[at], "{") - _is(script[at], "}")
        if depth == 0:
            return script[index + 1 : at], at + 1
    raise GrubError("error: syntax error: a brace does not close")


def _if_parts(script: list[Word], index: int) -> tuple[list[tuple[list[Word] | None, list[Word]]], int]:
    """``[(condition or None for else, body)]`` and where ``fi`` ends."""
    branches: list[tuple[list[Word] | None, list[Word]]] = []
    depth, begin, condition = 0, index + 1, None
    for at in range(index, len(script)):
        keyword = script[at].plain if _starts_command(script, at) else None
        depth += (keyword == "if") - (keyword == "fi")
        if keyword == "then" and depth == 1:
            condition, begin = script[begin:at], at + 1
        elif (keyword in ("elif", "else") and depth == 1) or (keyword == "fi" and depth == 0):
            branches.append((condition, script[begin:at]))
            condition, begin = None, at + 1
            if keyword == "fi":
                return branches, at + 1
    raise GrubError("error: syntax error: if without fi")


def _loop_parts(script: list[Word], index: int) -> tuple[list[Word], list[Word], int]:
    depth, begin = 0, None
    for at in range(index, len(script)):
        keyword = script[at].plain if _starts_command(script, at) else None
        depth += (keyword in ("for", "while", "until")) - (keyword == "done")
        if depth == 1 and keyword == "do" and begin is None:
            begin = at
        if depth == 0 and begin is not None:
            return script[index + 1 : begin], script[begin + 1 : at], at + 1
    raise GrubError("error: syntax error: a loop without done")


def _starts_command(script: list[Word], at: int) -> bool:
    before = script[at - 1] if at else None
    return before is None or before.operator or before.plain in ("then", "else", "elif", "do", "if", "while", "until")
