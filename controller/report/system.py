"""The chapter on the operating system (4.1.3-1): settings as they run and as they boot, CPUs, command line, clock.

It rests on the verdicts of the stage ``os`` and on the facts of ``kernel_tuning``, ``time_sync`` and, for the places of
the NPUs, ``npu_info``. docs/node-software.md, sections 3 and 4, describes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from . import differences
from .differences import Block, names_text
from .figures import Figure
from .heatmap import number
from .i18n import Words
from .load import RunData
from .matrix import ANY, WORST_FIRST, subject_of, verdict_word, worst
from .numa import Layout, cpu_list, draw, isolated_by
from .text import NOTHING, as_dict, as_list, as_text, dicts, natural, shorten

CLAUSE = "4.1.3-1"
# Subjects in the order of the page. Checks of the clock are one; a check that is not known here stands behind these.
GROUPS = (
    *("distribution", "thp", "isolation", "scheduler", "sysctl", "limits", "hugepages", "governor", "iommu"),
    *("kernel_arguments", "modules", "swap", "security", "names", "locale", "retention", "boot_loader"),
    *("reboot_pending", "time"),
)
MOST_NODES = 16  # of a larger site those that are not sound, and a sentence about the others
MOST_DRAWINGS = 6
MOST_COMMAND_LINES = 6


@dataclass(frozen=True)
class NodeRow:
    """``cells``: a verdict word for each of the chapter's groups, empty where none was judged."""

    node: str
    verdict: str
    cells: tuple[str, ...]
    distribution: str
    kernel: str
    agree: str
    reboot: str
    synchronised: str
    source: str
    stratum: str
    offset: str
    against: str


@dataclass
class System:
    """``groups``: the columns' titles; ``badges``: (title, worst verdict word) of each; ``agree`` of ``total`` settings
    of all nodes are as wanted, ``unseen`` of them could not be seen."""

    present: bool = False
    groups: list[str] = field(default_factory=list)
    badges: list[tuple[str, str]] = field(default_factory=list)
    nodes: list[NodeRow] = field(default_factory=list)
    sound: int = 0  # nodes that are not in the tables because nothing is wrong with them
    agree: int = 0
    unseen: int = 0
    total: int = 0
    drawings: list[tuple[str, Figure]] = field(default_factory=list)
    more_drawings: int = 0
    command_lines: list[tuple[str, str]] = field(default_factory=list)  # (nodes, text)
    more_command_lines: int = 0
    blocks: list[Block] = field(default_factory=list)


def read(data: RunData, words: Words) -> System:
    """The chapter; ``present`` is false where the stage left neither facts nor verdicts."""
    judged = [item for item in data.verdicts if _concerns(item)]
    facts = {
        name: seen for name, seen in data.nodes.items() if any(key in seen for key in ("kernel_tuning", "time_sync"))
    }
    said = [item for item in judged if verdict_word(item.get("verdict")) != "not_run"]
    if not facts and not said:
        return System()
    names = {subject_of(item)[1] for item in judged if subject_of(item)[0] == "node"} - {ANY} | set(facts)
    chapter = System(present=True)
    keys = _keys(judged)
    chapter.groups = [shorten(words.word("system.group", key), 24) for key in keys]
    by_group: dict[tuple[str, str], list[str]] = {}
    for item in judged:
        word, key = verdict_word(item.get("verdict")), group_of(as_text(item.get("check")))
        by_group.setdefault((subject_of(item)[1], key), []).append(word)
        by_group.setdefault(("", key), []).append(word)
    chapter.badges = [(title, worst(by_group[("", key)])) for title, key in zip(chapter.groups, keys, strict=True)]
    ordered = sorted(names, key=natural)
    for name in ordered:
        cells = tuple(worst(by_group[(name, key)]) if (name, key) in by_group else "" for key in keys)
        seen = facts.get(name, {})
        _count(chapter, seen)
        chapter.nodes.append(_row(name, cells, seen, words))
    if len(chapter.nodes) > MOST_NODES:
        odd = [row for row in chapter.nodes if row.verdict != "pass"]
        chapter.sound = len(chapter.nodes) - len(odd)
        chapter.nodes = odd
    order = {word: rank for rank, word in enumerate(WORST_FIRST)}
    chapter.nodes.sort(key=lambda row: order[row.verdict])
    _draw(chapter, data, [name for name in ordered if name in facts], words)
    _command_lines(chapter, facts, ordered, words)
    chapter.blocks = differences.read(judged, facts, words, lambda check: keys.index(group_of(check)))
    return chapter


def _concerns(item: Mapping[str, Any]) -> bool:
    check = as_text(item.get("check"))
    return as_text(item.get("clause")) == CLAUSE and check.startswith(("os.", "time."))


def group_of(check: str) -> str:
    """``thp`` of ``os.thp``; every check of the clock is ``time``."""
    return "time" if check.startswith("time.") else shorten(check.partition(".")[2], 40)


def _keys(judged: list[dict[str, Any]]) -> list[str]:
    found = dict.fromkeys(group_of(as_text(item.get("check"))) for item in judged)
    return [key for key in GROUPS if key in found] + [key for key in found if key not in GROUPS]


def _os(seen: Mapping[str, Any]) -> dict[str, Any]:
    return as_dict(as_dict(seen.get("kernel_tuning")).get("os"))


def _counts(seen: Mapping[str, Any]) -> tuple[int, int, int]:
    """(agree, not seen, all) settings of a node."""
    settings = dicts(_os(seen).get("settings"))
    why = differences.unseen(as_dict(seen.get("kernel_tuning")))
    hidden = sum(1 for each in settings if not as_list(each.get("differs")) and as_text(each.get("id")) in why)
    differ = sum(1 for each in settings if as_list(each.get("differs")))
    return len(settings) - hidden - differ, hidden, len(settings)


def _count(chapter: System, seen: Mapping[str, Any]) -> None:
    agree, hidden, total = _counts(seen)
    chapter.agree += agree
    chapter.unseen += hidden
    chapter.total += total


def _row(name: str, cells: tuple[str, ...], seen: Mapping[str, Any], words: Words) -> NodeRow:
    system, clock = _os(seen), as_dict(as_dict(seen.get("time_sync")).get("time"))
    distribution = as_dict(system.get("distribution"))
    known = as_text(distribution.get("name")) or " ".join(
        filter(None, (as_text(distribution.get("id")), as_text(distribution.get("version"))))
    )
    agree, _, total = _counts(seen)
    source = as_dict(clock.get("source"))
    kind = as_text(source.get("kind"))
    server = f"{as_text(source.get('name'))} ({words.word('system.source', kind)})" if kind else ""
    said = [cell for cell in cells if cell]
    return NodeRow(
        node=shorten(name, 60),
        verdict=worst(said),
        cells=cells,
        distribution=shorten(known, 60) or NOTHING,
        kernel=shorten(" ".join(filter(None, (as_text(system.get(key)) for key in ("kernel", "architecture")))), 80)
        or NOTHING,
        agree=f"{agree} / {total}" if total else NOTHING,
        reboot=_yes(system.get("reboot_required"), words),
        synchronised=_yes(clock.get("synchronised"), words),
        source=shorten(server, 80) or NOTHING,
        stratum=_figure(clock.get("stratum"), ".0f", ""),
        offset=_figure(clock.get("offset_milliseconds"), "+.3f", " ms"),
        against=_figure(clock.get("clock_against_controller_seconds"), "+.1f", " s"),
    )


def _yes(value: Any, words: Words) -> str:
    return words("yes" if value else "no") if isinstance(value, bool) else NOTHING


def _figure(value: Any, form: str, unit: str) -> str:
    known = number(value)
    return NOTHING if known is None else shorten(f"{known:{form}}{unit}", 24)


def _draw(chapter: System, data: RunData, names: list[str], words: Words) -> None:
    """One drawing for all nodes whose CPUs are divided alike."""
    layouts: dict[Layout, list[str]] = {}
    for name in names:
        layout = layout_of(name, data.nodes[name], data.chips)
        if layout.numa:
            layouts.setdefault(layout, []).append(name)
    ordered = sorted(layouts.items(), key=lambda pair: not pair[0].wrong)  # one that is not as wanted leads
    shown = ordered[:MOST_DRAWINGS]
    chapter.more_drawings = len(ordered) - len(shown)
    for place, (layout, members) in enumerate(shown):
        figure = draw(layout, words, name=f"numa-{place}.svg", prefix=f"numa-{place}-")
        key = "system.numa.caption" if layout.npus else "system.numa.caption_without"
        if figure is not None:
            chapter.drawings.append((words.say(key, nodes=names_text(members, words)), figure))


def layout_of(name: str, seen: Mapping[str, Any], chips: Mapping[str, Mapping[str, Any]]) -> Layout:
    """How a node's CPUs are divided and where its NPUs belong, from its facts; what is not known is left out."""
    system = _os(seen)
    numa = []
    for each in dicts(system.get("numa")):
        cpus = cpu_list(as_text(each.get("cpus")))
        if cpus is not None and as_text(each.get("node")):
            numa.append((as_text(each.get("node")), cpus))
    divided = {
        key: cpu_list(as_text(system[f"{key}_cpus"])) if isinstance(system.get(f"{key}_cpus"), str) else None
        for key in ("housekeeping", "isolated")
    }
    running = None
    for setting in dicts(system.get("settings")):
        if setting.get("id") == "isolation.isolcpus" and isinstance(setting.get("runtime"), str):
            running = isolated_by(setting["runtime"])
    topology = as_dict(as_dict(as_dict(seen.get("npu_info")).get("npu_smi")).get("topology"))
    npus = []
    places = _places(name, chips)
    for tool_name, affinity in as_dict(topology.get("cpu_affinity")).items():
        near = cpu_list(as_text(affinity)) or frozenset()
        homes = [label for label, cpus in numa if near & cpus] or [""]
        npus += [(places.get(_short(tool_name), _short(tool_name)), home) for home in homes]
    npus.sort(key=lambda npu: natural(npu[0]))
    return Layout(tuple(numa), divided["housekeeping"], divided["isolated"], running, tuple(npus))


def _short(text: str) -> str:
    return shorten(as_text(text), 20)


def _places(node: str, chips: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The tool counts NPUs from 0, the site's names from 1: ``NPU0`` -> ``NPU1``, where each chip says its number."""
    found: dict[str, str] = {}
    for name, facts in chips.items():
        owner, _, place = name.partition("/")
        told = facts.get("npu_id")
        if owner == node and place and isinstance(told, int) and not isinstance(told, bool):
            if f"NPU{told}" in found:  # two chips on one card: the tool's number is not the card's
                return {}
            found[f"NPU{told}"] = _short(place)
    return found


def _command_lines(chapter: System, facts: Mapping[str, Mapping[str, Any]], names: list[str], words: Words) -> None:
    lines: dict[str, list[str]] = {}
    for name in names:
        text = as_text(_os(facts.get(name, {})).get("command_line"))
        if text:
            lines.setdefault(text, []).append(name)
    shown = list(lines.items())[:MOST_COMMAND_LINES]
    chapter.command_lines = [(names_text(members, words), shorten(text, 1500)) for text, members in shown]
    chapter.more_command_lines = len(lines) - len(shown)
