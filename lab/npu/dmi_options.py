"""The command line of ``ascend-dmi``: one command, its options in any order, each as the user guide spells it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

COMMANDS = {
    **dict.fromkeys(("-i", "--info"), "-i"),
    **dict.fromkeys(("-v", "--version"), "-v"),
    **dict.fromkeys(("-c", "--compatible"), "-c"),
    **dict.fromkeys(("-bw", "--bw", "--bandwidth"), "--bw"),
    **dict.fromkeys(("-f", "--flops"), "-f"),
    **dict.fromkeys(("-p", "--power"), "-p"),
    **dict.fromkeys(("-dg", "--dg", "--diagnosis"), "--dg"),
    **dict.fromkeys(("-sq", "--sq", "--signal-quality"), "--sq"),
    **dict.fromkeys(("-pc", "--pc", "--prbs-check"), "--pc"),
    **dict.fromkeys(("-r", "--reset"), "-r"),
}
HELP = ("-h", "--help")
FLAGS = {
    "-i": {"-b": "brief", "--brief": "brief", "-dt": "detail", "--dt": "detail", "--detail": "detail"},
    "--bw": {"-q": "quiet", "--quiet": "quiet"},
    "--dg": {"-q": "quiet", "--quiet": "quiet"},
}
FORMAT = dict.fromkeys(("-fmt", "--fmt", "--format"), "format")
VALUES = {
    "-i": FORMAT,
    "-v": FORMAT,
    "--bw": {
        **FORMAT,
        **dict.fromkeys(("-t", "--type"), "type"),
        **dict.fromkeys(("-d", "--device"), "device"),
        **dict.fromkeys(("-s", "--size"), "size"),
        **dict.fromkeys(("-et", "--et", "--execute-times"), "times"),
        **dict.fromkeys(("-ds", "--ds", "--device-src"), "source"),
        **dict.fromkeys(("-dd", "--dd", "--device-dst"), "target"),
        **dict.fromkeys(("-m", "--mode"), "mode"),
    },
    "--dg": {
        **FORMAT,
        **dict.fromkeys(("-i", "--items"), "items"),
        **dict.fromkeys(("-d", "--device"), "device"),
        **dict.fromkeys(("-r", "--result"), "result"),
        **dict.fromkeys(("-p", "--path"), "path"),
    },
}


class Refused(Exception):
    """The command line is not understood; the text says which word."""


@dataclass(frozen=True)
class Options:
    """``command``: the first spelling in the guide's help (None: help of the whole tool); ``values``: by name."""

    command: str | None
    help: bool = False
    flags: frozenset[str] = frozenset()
    values: dict[str, str] = field(default_factory=dict)

    @property
    def json(self) -> bool:
        return self.values.get("format") == "json"

    @property
    def quiet(self) -> bool:
        return "quiet" in self.flags

    def number(self, name: str, least: int, most: int) -> int | None:
        """A whole number; None: not given. Refused: it is none, or out of its range."""
        text = self.values.get(name)
        if text is None:
            return None
        if not (text.isascii() and text.isdigit()) or not least <= int(text) <= most:
            raise Refused(f"The value {text!r} of {name} is invalid; it is a whole number from {least} to {most}.")
        return int(text)

    def numbers(self, name: str) -> list[int] | None:
        """Whole numbers with commas between them; None: not given."""
        text = self.values.get(name)
        if text is None:
            return None
        words = text.split(",")
        if not all(word.isascii() and word.isdigit() for word in words):
            raise Refused(f"The value {text!r} of {name} is invalid.")
        return [int(word) for word in words]


def parse(argv: Sequence[str]) -> Options:
    """Refused: an unknown word, an option that is given twice or without its value."""
    words = list(argv)
    if not words or words[0] in HELP:
        return Options(None)
    command = COMMANDS.get(words.pop(0))
    if command is None:
        raise Refused(f"The option {argv[0]!r} is invalid.")
    if command not in VALUES:
        return Options(command)
    flags: set[str] = set()
    values: dict[str, str] = {}
    while words:
        word = words.pop(0)
        if word in HELP:
            return Options(command, help=True)
        if word in FLAGS.get(command, {}):
            flags.add(FLAGS[command][word])
            continue
        name = VALUES[command].get(word)
        if name is None or name in values or not words:
            raise Refused(f"The option {word!r} is invalid, repeated or without its value.")
        values[name] = words.pop(0)
    if values.get("format", "normal") not in ("normal", "json"):
        raise Refused(f"The value {values['format']!r} of format is invalid; it is normal or json.")
    return Options(command, False, frozenset(flags), values)
