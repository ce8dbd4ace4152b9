"""``ascend-dmi --dg``: what the tool itself thinks of the chips, item by item.

The user guide shows both forms (summary, group, item, result; JSON with ``item_info`` and ``item_info_element``), the
words of a failed bandwidth item and of each result: HEALTH, GENERAL_WARN, IMPORTANT_WARN and EMERGENCY_WARN of driver
and device, PASS, FAIL and SKIP ("not supported in this scenario") of the others. The twin looks at driver, device, hbm,
bandwidth and signalQuality; other items are SKIP. Assumptions: the sentences of hbm, device and signalQuality, and the
references of bandwidth, which the real tool keeps in a file of its own: ``REFERENCE_SHARE`` of a healthy 910B3.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from lab import chips
from lab.npu.dmi_options import Options, Refused

Document = Mapping[str, Any]
Cards = Mapping[int, Document]
SECONDS = 0.2
REFERENCE_SHARE = 0.9
SOFTWARE = ("cann",)
HARDWARE = (
    *("driver", "device", "network", "signalQuality", "hbm", "bandwidth", "aiflops"),
    *("aicore", "prbs", "tdp", "edp", "nic", "aicpu"),
)
BY_DEFAULT = ("cann", "driver", "device", "network", "signalQuality", "hbm", "bandwidth", "aiflops")
DISTURBING = ("hbm", "bandwidth", "aiflops", "aicore", "prbs", "tdp", "edp", "nic", "aicpu")
WORDS = {"OK": "HEALTH", "Warning": "GENERAL_WARN", "Alarm": "IMPORTANT_WARN", "Critical": "EMERGENCY_WARN"}
MODE = "Ascend 910"


@dataclass(frozen=True)
class Item:
    """``missed``: (device id, test, measured, reference), which the JSON form lists apart."""

    result: str
    info: list[str] = field(default_factory=list)
    missed: list[tuple[int, str, float, float]] = field(default_factory=list)


def disturbs(options: Options) -> bool:
    """Whether the tool asks before it starts."""
    return options.command == "--dg" and any(name in DISTURBING for name in _names(options))


def text(document: Document, cards: Cards, options: Options) -> str:
    """The whole answer. Refused: an item or a chip that is not known."""
    wanted = options.numbers("device")
    for number in wanted or []:
        if number not in cards:
            raise Refused(f"The device ID {number} is invalid.")
    names = _names(options)
    chosen = {number: npu for number, npu in cards.items() if wanted is None or number in wanted}
    # With -d the guide's tool leaves the pairs out.
    found = {name: _item(name, document, chosen, pairs=wanted is None) for name in names}
    groups = [
        (title, {name: found[name] for name in names if name in members})
        for title, members in (("Software", SOFTWARE), ("Hardware", HARDWARE))
    ]
    summary = {"Arch": "aarch64", "Mode": MODE, "Time": datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S")}
    filled = [(title, items) for title, items in groups if items]
    return _json(filled, summary) if options.json else _normal(filled, summary)


def _names(options: Options) -> list[str]:
    names = options.values.get("items", ",".join(BY_DEFAULT)).split(",")
    for name in names:
        if name not in (*SOFTWARE, *HARDWARE):
            raise Refused(f"The diagnosis item {name!r} is invalid.")
    return list(dict.fromkeys(names))


def _item(name: str, document: Document, cards: Cards, *, pairs: bool) -> Item:
    if name == "bandwidth":
        return _bandwidth(document, cards, pairs=pairs)
    looks: Mapping[str, Callable[[Document, Cards], Item]] = {
        "driver": lambda *_: Item("HEALTH"),
        "device": _device,
        "hbm": _hbm,
        "signalQuality": _signal,
    }
    return looks[name](document, cards) if name in looks else Item("SKIP")


def _device(_: Document, cards: Cards) -> Item:
    order = list(WORDS)
    worst = max((npu["health"] for npu in cards.values()), key=order.index, default="OK")
    info = [
        f"device {number} health status is {npu['health']}, error code {npu['error_code'] or 'NA'}"
        for number, npu in cards.items()
        if npu["health"] != "OK"
    ]
    return Item(WORDS[worst], info)


def _hbm(_: Document, cards: Cards) -> Item:
    info = [
        f"hbm diagnosis failed on device {number} with {npu['ecc']['double_bit']} double bit errors"
        for number, npu in cards.items()
        if npu["ecc"]["double_bit"]
    ]
    return Item("FAIL" if info else "PASS", info)


def _signal(document: Document, cards: Cards) -> Item:
    info = [
        f"hccs link {link.number} of device {number} is not linked"
        for number, npu in cards.items()
        for link in chips.links(document, npu)
        if not link.up
    ]
    return Item("FAIL" if info else "PASS", info)


def _bandwidth(document: Document, cards: Cards, *, pairs: bool) -> Item:
    info: list[str] = []
    missed: list[tuple[int, str, float, float]] = []
    for number, npu in cards.items():
        for way, healthy in (("d2d", chips.D2D), ("d2h", chips.D2H), ("h2d", chips.H2D)):
            measured, reference = chips.rate(npu, way), healthy * REFERENCE_SHARE
            if measured < reference:
                info.append(
                    f"{way} bandwidth diagnosis failed on device {number} with bandwidth {measured} / {reference}"
                )
                missed.append((number, way, measured, reference))
    ordered = [(a, b) for a in cards for b in cards if a != b] if pairs else []
    for source, target in ordered:
        rates = chips.pair(document, cards[source], cards[target])
        for word, measured, healthy in zip(
            ("unidirectional", "bidirectional"), rates, (chips.ONE_WAY, chips.TWO_WAYS), strict=True
        ):
            if measured < healthy * REFERENCE_SHARE:
                info.append(
                    f"p2p {word} bandwidth diagnosis failed from device {source} to device {target} "
                    f"with bandwidth {measured} / {healthy * REFERENCE_SHARE}"
                )
    return Item("FAIL" if info else "PASS", info, missed)


def _normal(groups: list[tuple[str, dict[str, Item]]], summary: Mapping[str, str]) -> str:
    lines = ["Summary:", *(f"    {key}: {value}" for key, value in summary.items()), ""]
    for title, items in groups:
        lines.append(f"{title}:")
        for name, item in items.items():
            lines += [f"    {name}:", f"        {item.result}", *(f"        {line}" for line in item.info)]
    return "\n".join(lines) + "\n"


def _json(groups: list[tuple[str, dict[str, Item]]], summary: Mapping[str, str]) -> str:
    def group(title: str, items: Mapping[str, Item]) -> Mapping[str, Any]:
        bad = any(item.result not in ("PASS", "HEALTH", "SKIP") for item in items.values())
        return {
            "group_name": title,
            "group_results": "FAIL" if bad else "PASS",
            "sub_items": [_sub_item(name, item) for name, item in items.items()],
        }

    body = {"DiagnosisItems": [group(title, items) for title, items in groups], "Summary": summary}
    return json.dumps(body, indent=4) + "\n"


def _sub_item(name: str, item: Item) -> Mapping[str, Any]:
    numbers = dict.fromkeys(number for number, *_ in item.missed)
    elements = [
        {
            "device_id": str(number),
            "threshold_info": [
                {
                    "actual_value": str(measured),
                    "expected_status": f"The value must be greater than {reference}",
                    "test_item": way,
                }
                for owner, way, measured, reference in item.missed
                if owner == number
            ],
        }
        for number in numbers
    ]
    whole = {"item_info": item.info, "item_info_element": elements, "item_name": name, "item_result": item.result}
    return {key: value for key, value in whole.items() if value}
