"""Is the BIOS domestic firmware? Three answers, from the names that the firmware gives for its maker.

No standard field says it, and a maker's name alone is no proof where the maker builds on foreign code. So the answer is
taken from ``contract/bios_vendors.yml`` and is ``undetermined`` whenever the list does not settle it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from controller.contract import Document

Text = dict[str, str]


@dataclass(frozen=True)
class Origin:
    """``answer``: domestic, foreign or undetermined; ``reason`` in both languages."""

    answer: str
    reason: Text


@dataclass(frozen=True)
class _Match:
    said: str  # "FirmwareInventory/Bios: Huawei"
    vendor: str
    origin: str
    verified: bool
    source: str


def architecture(facts: Document) -> str | None:
    """``arm``, ``x86`` or ``loongarch`` from the CPUs of ``facts``; None when they do not say or disagree."""
    group = facts.get("cpu")
    parts = group.get("parts") if isinstance(group, dict) else None
    found = set()
    for part in parts if isinstance(parts, list) else []:
        if not isinstance(part, dict) or part.get("state") != "present":
            continue
        words = " ".join(str(part.get(key) or "") for key in ("architecture", "model", "manufacturer")).lower()
        for name, pattern in (
            ("arm", r"\barm|aarch64|kunpeng|鲲鹏|phytium|飞腾"),
            ("x86", r"x86|amd64|xeon|epyc|hygon|zhaoxin"),
            ("loongarch", r"loongarch|loongson|龙芯"),
        ):
            if re.search(pattern, words):
                found.add(name)
    return found.pop() if len(found) == 1 else None


def decide(evidence: Any, platform: str | None, vendors: Document) -> Origin:
    """Judge ``evidence`` (``[{source, value}]``, see seams section 5) on ``platform`` by ``bios_vendors.yml``.

    A foreign name decides, unless a domestic one contradicts it. A domestic name decides only when the list says so
    with a verified source for this platform and no other name speaks against it.
    """
    if not isinstance(evidence, list):
        return _undetermined("厂商信息格式无法识别", "the vendor evidence is not a list")
    matches: list[_Match] = []
    strangers: list[str] = []
    for row in evidence:
        source, value = (row.get("source"), row.get("value")) if isinstance(row, dict) else (None, row)
        if not isinstance(value, str) or not value.strip():
            continue
        if source in vendors["sources"]["context"]:
            continue
        said = f"{source}: {value.strip()}" if source else value.strip()
        found = [_match(said, vendor, platform) for vendor in vendors["vendors"] if _names(vendor, value)]
        matches += found
        # A version names nobody unless it matched; any other word that nobody knows must not be passed over.
        if not found and source not in vendors["sources"]["version"]:
            strangers.append(said)
    if not matches and not strangers:
        return _undetermined("BMC与系统均未给出BIOS厂商", "neither BMC nor system names the maker of the BIOS")
    return _weigh(matches, strangers, platform)


def _weigh(matches: list[_Match], strangers: list[str], platform: str | None) -> Origin:
    by_origin = {
        origin: [m for m in matches if m.origin == origin] for origin in ("domestic", "foreign", "undetermined")
    }
    domestic, foreign, open_ones = by_origin["domestic"], by_origin["foreign"], by_origin["undetermined"]
    if foreign and domestic:
        both = "; ".join(match.said for match in domestic + foreign)
        return _undetermined(f"证据互相矛盾（{both}）", f"the evidence contradicts itself ({both})")
    if foreign:
        match = foreign[0]
        return Origin(
            "foreign",
            {"zh": f"{match.said}，属国外固件厂商{match.vendor}", "en": f"{match.said}: foreign vendor {match.vendor}"},
        )
    if open_ones:
        match = open_ones[0]
        where = platform or "?"
        return _undetermined(
            f"{match.said}，但在该平台（{where}）上仅凭厂商名不能证明：{match.source}",
            f"{match.said}, but on this platform ({where}) the name alone proves nothing: {match.source}",
        )
    if strangers:
        return _undetermined(f"名单中没有此厂商（{strangers[0]}）", f"a maker that is on no list ({strangers[0]})")
    unverified = [match for match in domestic if not match.verified]
    if unverified:
        match = unverified[0]
        return _undetermined(
            f"{match.said}，{match.vendor}在名单中但来源未核实",
            f"{match.said}: {match.vendor} is listed, its source unverified",
        )
    match = domestic[0]
    return Origin(
        "domestic",
        {"zh": f"{match.said}；依据：{match.source}", "en": f"{match.said}; basis: {match.source}"},
    )


def _undetermined(zh: str, en: str) -> Origin:
    return Origin("undetermined", {"zh": f"无法判定：{zh}", "en": f"undetermined: {en}"})


def _names(vendor: Document, value: str) -> bool:
    """Whether ``value`` holds one of the vendor's names as a word of its own (Chinese has no word borders)."""
    return any(
        re.search(rf"(?<![0-9A-Za-z]){re.escape(name)}(?![0-9A-Za-z])", value, re.IGNORECASE)
        for name in vendor["names"]
    )


def _match(said: str, vendor: Document, platform: str | None) -> _Match:
    row = vendor
    if "platforms" in vendor:
        rows = [entry for entry in vendor["platforms"] if entry["architecture"] == platform]
        row = (
            rows[0]
            if rows
            else {"origin": "undetermined", "verified": False, "source": "the platform is not on the list"}
        )
    return _Match(said, vendor["name"], row["origin"], row["verified"], row["source"])
