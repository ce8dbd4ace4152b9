"""``ascend-dmi --bw``: copies within a chip, between chip and host, and between chips, as tables and as JSON.

Tables of h2d and d2h: a public transcript of both (fixed and stepped sizes; its blanks are lost, so the columns are
spread over the width of its rules). JSON: ``bandwidths[].{type, device_id | source_device_id, target_device_id,
results[].{size, bandwidth, elapsed_time, execute_times}}`` with units in the values, as public parsers of version 26.1
and their samples have it. The matrix of all pairs: sections and columns of such a parser; ``NA`` for a chip and itself
is an assumption. From the user guide: the defaults (device 0; five copies; 2 B to 32 MB where no size is given), that
on an A2 d2d ignores ``-s`` and ``--et`` (it copies 20.97 GB, a published figure), and that p2p without ``--ds`` and
``--dd`` measures all pairs and ignores ``-s``, ``--et`` and ``--fmt``; ``Some processes are seizing the NPU`` where
others use a chip. What such a test takes of real time is shortened to ``SECONDS`` for each of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab import chips
from lab.npu.dmi_options import Options, Refused

Document = Mapping[str, Any]
Cards = Mapping[int, Document]  # by logic id
TITLES = {"h2d": "Host to Device Test", "d2h": "Device to Host Test", "d2d": "Device to Device Test"}
ONE_WAY, TWO_WAYS = "Unidirectional Peer to Peer Test", "Bidirectional Peer to Peer Test"
SEIZED = "Some processes are seizing the NPU.\n"
STEPS = [2**power for power in range(1, 26)]
D2D_BYTES, MOST_BYTES = 20_971_520_000, 512 << 20
TIMES, MOST_TIMES = 5, 1000
SECONDS = 0.05
COLUMNS = ("Size(Bytes)", "Execute Times", "Bandwidth(GB/s)", "Elapsed Time(us)")


@dataclass(frozen=True)
class Part:
    """What is printed at once, and the seconds before it."""

    takes: float
    text: str


@dataclass(frozen=True)
class Copies:
    """One row: copies of one size. ``gbytes_per_s`` of a single direction or of both together, as the test has it."""

    size: int
    times: int
    gbytes_per_s: float
    microseconds: float

    @classmethod
    def of(cls, size: int, times: int, gbytes_per_s: float, way: str, directions: int = 1) -> Copies:
        moved = size * directions
        seconds = chips.seconds(moved, gbytes_per_s, way)
        return cls(size, times, moved / seconds / 1e9, seconds * 1e6)

    def cells(self) -> tuple[str, str, str, str]:
        return str(self.size), str(self.times), f"{self.gbytes_per_s:.6f}", f"{self.microseconds:.2f}"

    def json(self) -> Mapping[str, Any]:
        return {
            "size": f"{self.size} Bytes",
            "bandwidth": f"{round(self.gbytes_per_s, 6)} GB/s",
            "elapsed_time": f"{round(self.microseconds, 2)} us",
            "execute_times": self.times,
        }


@dataclass(frozen=True)
class Test:
    """One direction of one chip or one pair."""

    title: str
    ends: tuple[int, ...]
    rows: Sequence[Copies]

    def json(self) -> Mapping[str, Any]:
        named = ("device_id",) if len(self.ends) == 1 else ("source_device_id", "target_device_id")
        ends = dict(zip(named, self.ends, strict=True))
        return {"type": self.title, **ends, "results": [row.json() for row in self.rows]}


def is_matrix(options: Options) -> bool:
    """p2p of all pairs, which no other option changes."""
    return options.command == "--bw" and options.values.get("type") == "p2p" and "source" not in options.values


def touched(cards: Cards, options: Options) -> list[int]:
    """The logic ids that a test needs. Refused: options that do not fit together, or a chip that is not there."""
    kind = options.values.get("type")
    if kind not in (None, *TITLES, "p2p"):
        raise Refused(f"The value {kind!r} of type is invalid; it is h2d, d2h, d2d or p2p.")
    if options.values.get("mode", "device") != "device":
        raise Refused("The option -m card is for products with several dies on a card.")
    if ("source" in options.values) != ("target" in options.values):
        raise Refused("The options --ds and --dd are given together.")
    if "source" in options.values and kind != "p2p":
        raise Refused("The options --ds and --dd belong to -t p2p.")
    if kind == "p2p" and "device" in options.values:
        raise Refused("The option -d does not belong to -t p2p.")
    options.number("size", 1, MOST_BYTES)
    options.number("times", 1, MOST_TIMES)
    ends = [options.number(name, 0, 255) for name in ("source", "target") if name in options.values]
    wanted = [end for end in ends if end is not None]
    if len(wanted) == 2 and wanted[0] == wanted[1]:
        raise Refused("The values of --ds and --dd are the same.")
    wanted = wanted or (sorted(cards) if kind == "p2p" else options.numbers("device") or [0])
    missing = [number for number in wanted if number not in cards]
    if missing:
        raise Refused(f"The device ID {missing[0]} is invalid.")
    return wanted


def parts(document: Document, cards: Cards, options: Options) -> Iterator[Part]:
    """What the tool prints, in order; JSON comes at the end in one piece."""
    wanted = touched(cards, options)
    seized = SEIZED if any(cards[number]["processes"] for number in wanted) else ""
    if is_matrix(options):
        yield Part(SECONDS * len(cards), _matrix(document, cards) + seized)
        return
    tests = _tests(document, cards, options, wanted)
    if options.json:
        body = {"bandwidths": [test.json() for test in tests]}
        yield Part(SECONDS * len(tests), json.dumps(body, indent=4) + "\n")
        return
    for test in tests:
        yield Part(SECONDS, _table(cards, test, fixed=len(test.rows) == 1))
    if seized:
        yield Part(0, seized)


def _tests(document: Document, cards: Cards, options: Options, wanted: Sequence[int]) -> list[Test]:
    kind = options.values.get("type")
    if kind == "p2p":
        source, target = wanted
        rates = chips.pair(document, cards[source], cards[target])
        return [
            Test(title, (source, target), _rows(options, rate, "p2p", directions))
            for directions, (title, rate) in enumerate(zip((ONE_WAY, TWO_WAYS), rates, strict=True), 1)
        ]
    ways = [kind] if kind else ["h2d", "d2h", "d2d"]
    return [
        Test(TITLES[way], (number,), _rows(options, chips.rate(cards[number], way), way))
        for way in ways
        for number in wanted
    ]


def _rows(options: Options, rate: float, way: str, directions: int = 1) -> list[Copies]:
    if way == "d2d":
        return [Copies.of(D2D_BYTES, TIMES, rate, way)]
    size = options.number("size", 1, MOST_BYTES)
    times = options.number("times", 1, MOST_TIMES) or TIMES
    return [Copies.of(each, times, rate, way, directions) for each in ([size] if size else STEPS)]


def _table(cards: Cards, test: Test, *, fixed: bool) -> str:
    """A single size has a column for the chip's id, steps have none."""
    widths = (14, 16, 18, 16) if not fixed else (13, 16, 18, 16)
    lead = f"{test.ends[0]:<4}" if fixed else ""
    rule = "-" * (sum(widths) + len(lead))
    head = f"{'ID':<4}" if fixed else ""
    lines = [test.title, *(f"Device {number}: {cards[number]['model']}." for number in test.ends), rule]
    lines.append((head + _cells(COLUMNS, widths)).rstrip())
    lines.append(rule)
    lines += [(lead + _cells(row.cells(), widths)).rstrip() for row in test.rows]
    return "\n".join([*lines, rule]) + "\n"


def _cells(texts: Sequence[str], widths: Sequence[int]) -> str:
    return "".join(f"{text:<{width}}" for text, width in zip(texts, widths, strict=True))


def _matrix(document: Document, cards: Cards) -> str:
    """Rows are sources, columns are targets, GB/s of the largest copies."""
    rule = "-" * (4 + 12 * len(cards))
    lines: list[str] = []
    for place, title in enumerate((ONE_WAY, TWO_WAYS)):
        lines += [title, *(f"Device {number}: {npu['model']}." for number, npu in cards.items()), rule]
        lines += [(" " * 4 + "".join(f"{number:<12}" for number in cards)).rstrip(), rule]
        for source, npu in cards.items():
            cells = [
                "NA" if source == target else f"{chips.pair(document, npu, other)[place]:.6f}"
                for target, other in cards.items()
            ]
            lines.append((f"{source:<4}" + "".join(f"{cell:<12}" for cell in cells)).rstrip())
        lines.append(rule)
    return "\n".join(lines) + "\n"
