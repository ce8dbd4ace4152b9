"""``npu-smi``: its command line, as far as ``info`` goes, and what it says when it is not understood.

Followed is the program's source as published with the driver (npu_smi.c, npu_info.c, npu_info_print.c), and the public
captures that ``smi_table`` and ``smi_types`` name. The words for a wrong option are the source's; which of them a wrong
*number* gets is an assumption. Other commands (``set``, ``clear``, ``upgrade``) change devices and are not simulated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.npu import smi_hccs, smi_table, smi_types
from lab.npu.call import Say
from lab.world import World

Document = Mapping[str, Any]
# Error numbers of the source (npu_smi.h); the exit status is their low byte.
INVALID_PARAMETER, INNER_ERROR, NOT_SUPPORTED = -9001 & 0xFF, -9005 & 0xFF, -9255 & 0xFF
NUMBERS = ("-i", "-c", "-time")
TOOL_HELP = """\
Usage: npu-smi <Command|-h|-v> [Options...]

npu-smi Command:
\t-h            This command's help information
\t-v            Show npu-smi version information
\tinfo          Show hardware details
"""
INFO_HELP = f"""\
Usage: npu-smi info <-h|-m|-l|-t type> [Options...]

Commands:
       -h, --help     Show this help text and exit
       -m             Show all device's mapping information
       -l             Show all device's topology information
       -t type        Show information for type
                      type: {", ".join([*smi_types.TYPES, *smi_hccs.TYPES, "topo", *smi_types.UNSUPPORTED])}.

Options:
       -i %d          Card ID
       -c %d          Chip ID
       -time %d       Window of hccs-bw in ms (1-1000)
"""


class Refused(Exception):
    """The command line is not understood; the text goes before the help."""


@dataclass(frozen=True)
class Wanted:
    """``npu-smi info``: which type of which card and chip, and for how many ms; None: not given."""

    type: str
    card: int | None
    chip: int | None
    window_ms: int | None


def run(world: World, node: str, argv: Sequence[str], say: Say) -> int:
    """One call on one server; the tool's exit status. What it prints goes to ``say``: all of it is standard output."""
    words = list(argv)
    document = world.read(node)
    if not words:
        say(TOOL_HELP)
        return INVALID_PARAMETER
    if words[0] in ("-h", "--help"):
        say(TOOL_HELP)
        return 0
    if words[0] == "-v":
        say(f"npu-smi version: {version(document)}\n")
        return 0
    if words[0] != "info":
        say("Command or option is not found.\n" + TOOL_HELP)
        return INNER_ERROR
    try:
        text, rc = info(document, words[1:])
    except Refused as problem:
        say(f"{problem}\n{INFO_HELP}")
        return INVALID_PARAMETER
    say(_future(text) if document["npu_tools"]["layout"] == "future" else text)
    return rc


def version(document: Document) -> str:
    return str(document["npu_tools"]["version"])


def info(document: Document, words: Sequence[str]) -> tuple[str, int]:
    """What ``npu-smi info`` prints and its exit status. Refused: an option or a value that is not known."""
    cards = smi_table.present(document)
    if not words:
        return smi_table.table(document, cards, version(document)), 0
    if words[0] in ("-h", "--help"):
        return INFO_HELP, 0
    if words[0] in ("-l", "-m"):
        if len(words) > 1:
            raise Refused(f"Error parameter of {words[1]}")
        if not cards:
            return "There is no NPU card on this server.\n", 0
        return (smi_table.listing(cards) if words[0] == "-l" else smi_table.mapping(cards)), 0
    wanted = _wanted(words)
    if wanted.type in smi_types.UNSUPPORTED:
        return f"This device does not support querying {wanted.type}.\n", NOT_SUPPORTED
    if wanted.type == "topo":
        return smi_hccs.topo(document, cards), 0
    if wanted.type not in (*smi_types.TYPES, *smi_hccs.TYPES):
        raise Refused("Error parameter of -t")
    if wanted.type in smi_hccs.TYPES and None in (wanted.card, wanted.chip):
        return smi_hccs.NO_CHIP, INVALID_PARAMETER
    npu = next((card for card in cards if smi_table.number(card) == wanted.card), None)
    if npu is None:
        raise Refused("Error parameter of -i")
    if wanted.chip not in (None, smi_types.CHIP, smi_types.MCU):
        raise Refused("Error parameter of -c")
    if wanted.type in smi_hccs.TYPES:
        return _links(document, npu, wanted)
    return smi_types.TYPES[wanted.type](document, npu, wanted.chip), 0


def _links(document: Document, npu: Document, wanted: Wanted) -> tuple[str, int]:
    """The card's controller has no links; the bandwidth needs a window."""
    shortest, longest = smi_hccs.WINDOW_MS
    if wanted.type == "hccs-bw" and wanted.window_ms is None:
        return smi_hccs.NO_TIME, INVALID_PARAMETER
    if wanted.window_ms is not None and not shortest <= wanted.window_ms <= longest:
        raise Refused("Error parameter of -time")
    if wanted.chip != smi_types.CHIP:
        return f"This device does not support querying {wanted.type}.\n", NOT_SUPPORTED
    return smi_hccs.TYPES[wanted.type](document, npu), 0


def _wanted(words: Sequence[str]) -> Wanted:
    values: dict[str, str] = {}
    rest = list(words)
    while rest:
        option = rest.pop(0)
        if option not in ("-t", *NUMBERS) or option in values or not rest:
            raise Refused(f"Error parameter of {option}")
        values[option] = rest.pop(0)
    for option in NUMBERS:
        if option in values and not (values[option].isascii() and values[option].isdigit()):
            raise Refused(f"Error parameter of {option}")
    if "-t" not in values:
        raise Refused("Error parameter of -t")
    return Wanted(values["-t"], *(int(values[option]) if option in values else None for option in NUMBERS))


def _future(text: str) -> str:
    """How a version that nobody knows yet might print it: no table, no colons, other words around the same numbers."""
    rows = [" ".join(line.replace("|", " ").replace(":", " ").replace("+", " ").split()) for line in text.splitlines()]
    kept = [f"* {row.lower()}" for row in rows if row.strip("-= ")]
    return f"npu-smi 29.0.rc1 report ({len(kept)} lines)\n" + "".join(f"{row}\n" for row in kept)
