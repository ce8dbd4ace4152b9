"""What of the operating system and the clock is not as wanted, worst first; equal ones of several nodes once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .findings import SEVERITIES, observed_text
from .i18n import Words
from .matrix import ANY, WORST_FIRST, subject_of, verdict_word
from .text import NOTHING, as_dict, as_list, as_text, dicts, in_language, natural, one_line, shorten

TOLD = ("fail", "unknown", "waived")
MOST_ROWS = 12
MOST_LINES = 8
MOST_REMEDIES = 4
MOST_NAMES = 12
# Setting, running value, value at boot, wanted, what differs, reason.
_Key = tuple[str, str, str, str, tuple[str, ...], str]
# How a sentence of the facts names a value (docs/node-software.md, section 3).
_WHEN = {"runtime": "running", "boot": "at boot"}
# Of these groups a sentence names the setting without the group before it.
_BARE = ("sysctl.", "limits.", "kernel_arguments.")


@dataclass(frozen=True)
class Row:
    """One setting on all nodes where it stands alike; ``differs``: which of runtime and boot are not as wanted."""

    nodes: str
    setting: str
    runtime: str
    boot: str
    wanted: str
    differs: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Block:
    """What one check found. ``lines``: what no row says; ``more``: rows and lines that had no room."""

    verdict: str
    title: str
    severity: str
    nodes: str
    rows: tuple[Row, ...]
    lines: tuple[str, ...]
    more: int
    remedies: tuple[str, ...]

    @property
    def reasoned(self) -> bool:
        return any(row.reason for row in self.rows)


def read(
    judged: Sequence[dict[str, Any]],
    facts: Mapping[str, Mapping[str, Any]],
    words: Words,
    rank: Callable[[str], int],
) -> list[Block]:
    """Blocks of the checks that failed, are unknown or waived: by severity, then fail before unknown, then ``rank``.

    :param facts: by node and collector.
    """
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for item in judged:
        word = verdict_word(item.get("verdict"))
        if word in TOLD:
            found.setdefault((as_text(item.get("check")), word), []).append(item)
    ordered = sorted(
        found.items(),
        key=lambda pair: (_severity(pair[1]), WORST_FIRST.index(pair[0][1]), rank(pair[0][0]), pair[0][0]),
    )
    return [_block(check, word, items, facts, words) for (check, word), items in ordered]


def unseen(facts: Mapping[str, Any]) -> dict[str, str]:
    """Setting -> why a value of it could not be seen, from the facts of ``kernel_tuning``."""
    notes = {
        as_text(note.get("where")).removeprefix("os."): as_text(note.get("problem"))
        for note in dicts(facts.get("notes"))
    }
    hidden = {}
    for each in dicts(as_dict(facts.get("os")).get("settings")):
        ident = as_text(each.get("id"))
        # Some settings have no such value at all, without a note; and a note may be about a value that was seen.
        if ident in notes and (each.get("runtime") is None or each.get("boot") is None):
            hidden[ident] = notes[ident]
    return hidden


def names_text(names: Sequence[str], words: Words, most: int = MOST_NAMES) -> str:
    """Names in one line, in their natural order; of many the first and how many there are."""
    ordered = sorted(dict.fromkeys(names), key=natural)
    shown = words("and").join(shorten(name, 60) for name in ordered[:most])
    return shown if len(ordered) <= most else f"{shown} {words.say('more', count=len(ordered))}"


def _severity(items: Sequence[Mapping[str, Any]]) -> int:
    said = [as_text(item.get("severity")) for item in items]
    return min((SEVERITIES.index(word) for word in said if word in SEVERITIES), default=len(SEVERITIES))


def _block(
    check: str, word: str, items: list[dict[str, Any]], facts: Mapping[str, Mapping[str, Any]], words: Words
) -> Block:
    rows: dict[_Key, list[str]] = {}
    lines: dict[str, list[str]] = {}
    nodes = []
    for item in items:
        node = subject_of(item)[1]
        node = words("subject.any") if node == ANY else node
        nodes.append(node)
        group = check.partition(".")[2] if check.startswith("os.") else ""
        known, told = _of_node(group, as_dict(facts.get(node, {}).get("kernel_tuning")))
        for row in known:
            rows.setdefault(row, []).append(node)
        told = told or ([] if known else _said(item, words))
        for line in told:
            lines.setdefault(shorten(one_line(line), 300), []).append(node)
    made = tuple(
        Row(names_text(members, words), setting, runtime, boot, wanted, differs, reason)
        for (setting, runtime, boot, wanted, differs, reason), members in list(rows.items())[:MOST_ROWS]
    )
    spoken = tuple(f"{names_text(members, words)}{words('colon')}{line}" for line, members in lines.items())
    severity = _severity(items)
    remedies = dict.fromkeys(shorten(in_language(item.get("remedy"), words.language)) for item in items)
    return Block(
        verdict=word,
        title=shorten(in_language(items[0].get("title"), words.language) or check, 120),
        severity=SEVERITIES[severity] if severity < len(SEVERITIES) else "",
        nodes=names_text(nodes, words),
        rows=made,
        lines=spoken[:MOST_LINES],
        more=len(rows) - len(made) + max(len(spoken) - MOST_LINES, 0),
        remedies=tuple(remedy for remedy in remedies if remedy)[:MOST_REMEDIES],
    )


def _of_node(group: str, facts: Mapping[str, Any]) -> tuple[list[_Key], list[str]]:
    """(settings of a group that differ or could not be seen, sentences that none of them covers)."""
    system = as_dict(facts.get("os"))
    hidden = unseen(facts)
    sentences = [as_text(text) for text in as_list(system.get(f"{group}_differences"))] if group else []
    rows: list[_Key] = []
    covered = set()
    for each in dicts(system.get("settings")):
        ident = as_text(each.get("id"))
        differs = tuple(side for side in _WHEN if side in as_list(each.get("differs")))
        if not group or as_text(each.get("group")) != group or not (differs or ident in hidden):
            continue
        name = next((ident.removeprefix(start) for start in _BARE if ident.startswith(start)), ident)
        wanted, reasons = as_text(each.get("wanted")), []
        for side in differs:
            start = f"{name} is {as_text(each.get(side))} {_WHEN[side]}, wanted {wanted}"
            for sentence in sentences:
                rest = sentence[len(start) :]
                if sentence.startswith(start) and (not rest or (rest.startswith(" (") and rest.endswith(")"))):
                    covered.add(sentence)
                    reasons.append(rest[2:-1])
        if ident in hidden:
            reasons.append(hidden[ident])
        runtime, boot = (shorten(as_text(each.get(side)), 200) or NOTHING for side in _WHEN)
        reason = "; ".join(dict.fromkeys(filter(None, reasons)))
        rows.append((shorten(name, 80), runtime, boot, shorten(wanted, 200) or NOTHING, differs, shorten(reason, 300)))
    return rows, [sentence for sentence in sentences if sentence and sentence not in covered]


def _said(item: Mapping[str, Any], words: Words) -> list[str]:
    """What a verdict without settings says: the sentences that it saw, or why it was given."""
    seen = [as_text(text) for text in as_list(item.get("observed"))]
    if any(seen):
        return [text for text in seen if text]
    return [in_language(item.get("reason"), words.language) or observed_text(dict(item), words)]
