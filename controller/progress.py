"""What the console callback shows, as text: progress, one line per result, the table at the end. No Ansible import.

``Tally`` counts; ``Console`` words and aligns. Both are told of results by ``plugins/callback/npuforge.py``.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

STATES = ("ok", "changed", "skipped", "ignored", "failed", "unreachable")
COLUMNS = ("ok", "changed", "failed", "unreachable", "skipped", "ignored")
# What takes the place of the symbols of verdicts and lines on a terminal that has ASCII only.
PLAIN = str.maketrans(
    {
        "✓": "+",
        "□": "o",
        "△": "~",
        "✗": "x",
        "×": "x",
        "…": "...",
        "—": "-",
        "–": "-",
        "─": "-",
        "·": ".",
        "≥": ">=",
        "≤": "<=",
    }
)
WORDS = {
    "en": {
        "host": "host",
        "modules": "modules",
        "seconds": "seconds",
        "total": "total",
        "evidence": "evidence",
        "check": "check mode: nothing is changed",
        "no_hosts": "no hosts",
        "items": "items",
        "again": "trying again",
        **{state: state for state in STATES},
    },
    "zh": {
        "host": "主机",
        "modules": "模块次数",
        "seconds": "秒",
        "total": "合计",
        "evidence": "证据",
        "check": "检查模式：不做任何更改",
        "no_hosts": "没有匹配的主机",
        "items": "项",
        "again": "重试",
        "ok": "正常",
        "changed": "已更改",
        "skipped": "跳过",
        "ignored": "已忽略",
        "failed": "失败",
        "unreachable": "不可达",
    },
}


@dataclass
class HostTally:
    """What happened on one host; ``seconds`` is the sum of its tasks' durations."""

    states: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STATES, 0))
    module_runs: int = 0
    seconds: float = 0.0

    def as_dict(self) -> dict[str, float | int]:
        return {**self.states, "module_runs": self.module_runs, "seconds": round(self.seconds, 3)}


@dataclass
class Tally:
    """Counts of a whole run, and how far it is: ``done`` of ``expected`` results (a task on a host).

    ``expected`` is known as far as plays have been planned; a play that ends early counts as done as a whole.
    """

    hosts: dict[str, HostTally] = field(default_factory=dict)
    expected: int = 0
    done: int = 0
    _play_end: int = 0

    def plan(self, sizes: list[int]) -> None:
        """The number of results of each play to come."""
        self.expected = sum(sizes)

    def begin_play(self, size: int) -> None:
        """The play before has ended, whatever it left out; the next one has ``size`` results."""
        self.done = self._play_end
        self._play_end = self.done + size
        self.expected = max(self.expected, self._play_end)

    def add(self, host: str, state: str, seconds: float) -> None:
        entry = self.hosts.setdefault(host, HostTally())
        entry.states[state] += 1
        entry.seconds += seconds
        self.done = min(self.done + 1, max(self._play_end, self.done))

    def module_run(self, host: str) -> None:
        self.hosts.setdefault(host, HostTally()).module_runs += 1

    @property
    def progress(self) -> str:
        """``[12/24]``, or nothing while the size of the run is not known."""
        if not self.expected:
            return ""
        width = len(str(self.expected))
        return f"[{self.done:>{width}}/{self.expected}]"


@dataclass(frozen=True)
class Console:
    """Words and layout for one language and terminal. ``ascii`` is for terminals that cannot show more."""

    language: str = "en"
    ascii: bool = False
    width: int = 100
    host_width: int = 12

    def word(self, name: str) -> str:
        return WORDS[self._language][name]

    @property
    def _language(self) -> str:
        return "zh" if self.language == "zh" and not self.ascii else "en"

    def result(
        self, stage: str, host: str, state: str, what: str, *, seconds: float | None = None, progress: str = ""
    ) -> str:
        """``hardware    node2   ok   bmc_info  3.4 s   [12/24]`` (seconds null: nothing was timed)."""
        line = f"{pad(shorten(stage, 14, self.ascii), 14)}  {pad(host, self.host_width)}  {pad(self.word(state), 11)}  "
        time = f"{seconds:>6.1f} s" if seconds is not None else " " * 8
        room = max(12, self.width - width_of(line) - len(time) - len(progress) - 4)
        return (line + f"{pad(shorten(what, room, self.ascii), room)}  {time}  {progress}").rstrip()

    def table(self, hosts: Mapping[str, HostTally]) -> list[str]:
        """The summary: a row per host and, for more than one, a total."""
        shown = [name for name in COLUMNS if name != "ignored" or any(h.states[name] for h in hosts.values())]
        header = [self.word("host"), *map(self.word, shown), self.word("modules"), self.word("seconds")]
        rows = [self._row(name, hosts[name], shown) for name in hosts]
        if len(hosts) > 1:
            total = HostTally()
            for entry in hosts.values():
                total.module_runs += entry.module_runs
                total.seconds += entry.seconds
                for state, count in entry.states.items():
                    total.states[state] += count
            rows.append(self._row(self.word("total"), total, shown))
        widths = [max(width_of(row[i]) for row in [header, *rows]) for i in range(len(header))]
        rule = ("-" if self.ascii else "─") * (sum(widths) + 2 * (len(widths) - 1))
        lines = ["  ".join(pad(cell, widths[i], right=i > 0) for i, cell in enumerate(row)) for row in [header, *rows]]
        if len(hosts) > 1:
            lines.insert(-1, rule)
        return [lines[0], rule, *lines[1:]]

    @staticmethod
    def _row(name: str, entry: HostTally, shown: list[str]) -> list[str]:
        counts = [str(entry.states[state]) for state in shown]
        return [name, *counts, str(entry.module_runs), f"{entry.seconds:.1f}"]

    def fit(self, text: str) -> str:
        """The text as this terminal can show it."""
        return text.translate(PLAIN).encode("ascii", "replace").decode() if self.ascii else text


def width_of(text: str) -> int:
    """Columns that the text fills: Chinese characters fill two, combining marks none."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def pad(text: str, width: int, right: bool = False) -> str:
    """The text filled up with spaces to ``width`` columns; to its left when ``right``."""
    fill = " " * max(0, width - width_of(text))
    return fill + text if right else text + fill


def shorten(text: str, width: int, ascii_only: bool = False) -> str:
    """The text on one line and within ``width`` columns."""
    text = " ".join(text.split())
    if width_of(text) <= width:
        return text
    mark = "..." if ascii_only else "…"
    kept = ""
    for character in text:
        if width_of(kept + character) > width - width_of(mark):
            break
        kept += character
    return kept + mark
