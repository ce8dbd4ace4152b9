"""Read one switch: one session, each command once, older forms where the newer is not accepted."""

from __future__ import annotations

import re
from typing import Any, Callable

from ..common import Document, note, observation
from . import parse
from .facts import facts, nothing_seen
from .session import Session, SessionError, Target

# What each part of the facts is read from; the first command that the switch accepts counts. The newer forms are those
# of V300 (YunShan), the others of V200 (VRP8) and V5.
COMMANDS: dict[str, tuple[str, ...]] = {
    "version": ("display version",),
    "device": ("display device",),
    "labels": (
        "display device elabel brief",
        "display device elabel",
        "display device manufacture-info",
        "display elabel",
    ),
    "esn": ("display device esn", "display esn"),
    "power": ("display device power", "display power"),
    "fan": ("display device fan", "display fan"),
}


def read(subject: str, target: Target, open_session: Callable[[Target], Any] = Session) -> Document:
    """``{"observation": {...}, "raw": [...]}`` of one switch. A switch that cannot be read is an observation too.

    :param open_session: makes the session (a context manager with ``run`` and ``banner``).
    """
    raw: list[Document] = []
    texts: dict[str, str | None] = {}
    notes: list[dict[str, str]] = []
    banner = ""
    try:
        with open_session(target) as session:
            banner = session.banner
            for name, commands in COMMANDS.items():
                if name == "esn" and parse.parse_labels(texts.get("labels"))["serial"]:
                    continue
                texts[name] = _ask(session, name, commands, raw, notes)
                if name == "version" and not parse.parse_version(texts[name])["understood"]:
                    # An unknown command line: what else would be sent to it is a guess.
                    break
    except SessionError as error:
        notes.append(note("session", str(error)))
    found = facts(texts, notes) if texts.get("version") is not None else nothing_seen(notes, bool(raw))
    text = "\n".join([banner, *[entry["text"] for entry in raw]])
    simulated = re.search(r"simulat", text, re.IGNORECASE) is not None
    return {"observation": observation("switch", subject, "switch_info", found, simulated), "raw": raw}


def _ask(
    session: Any, name: str, commands: tuple[str, ...], raw: list[Document], notes: list[dict[str, str]]
) -> str | None:
    """The output of the first command that is accepted (and, for labels, shows some); None with a note otherwise."""
    complaint = ""
    for command in commands:
        answer = session.run(command)
        problem = parse.rejected(answer.text)
        raw.append(
            {
                "name": re.sub(r"[^a-z0-9]+", "-", command) + ".txt",
                "argv": command.split(),
                "rc": 0 if problem is None else 1,
                "seconds": answer.seconds,
                "text": answer.text,
            }
        )
        if problem is None and name == "labels" and not parse.parse_labels(answer.text)["parts"]:
            problem = "no label is shown"
        if problem is None:
            return str(answer.text)
        complaint = problem
    notes.append(note(name, "nothing came of {}: {}".format(", ".join(commands), complaint)))
    return None
