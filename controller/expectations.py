"""The operators of a check: does a value meet an expectation? Three answers; what cannot be compared is unknown."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from controller import bios_origin
from controller.contract import Document

Text = dict[str, str]

MISSING = object()  # a fact whose key is not there at all, as against one that is null


@dataclass(frozen=True)
class Outcome:
    """``verdict`` is pass, fail or unknown; ``reason`` in both languages."""

    verdict: str
    reason: Text


def outcome(verdict: str, zh: str, en: str) -> Outcome:
    return Outcome(verdict, {"zh": zh, "en": en})


def dig(facts: Any, path: str) -> Any:
    """The value at a dotted path; None when it or something above it is null, MISSING when a key is not there."""
    node = facts
    for key in path.split("."):
        if node is None:
            return None
        if not isinstance(node, Mapping) or key not in node:
            return MISSING
        node = node[key]
    return node


def resolve(expect: Document, lookup: Callable[[str, str], Any]) -> tuple[Document, list[str]]:
    """``expect`` with each ``{profile|site|fact: key}`` replaced by ``lookup(where, key)``, else its default.

    Returns the expectation and the names that nobody gave a value (``["profile.npu_count"]``).
    """
    missing: list[str] = []

    def value_of(node: Any) -> Any:
        if isinstance(node, list):
            return [value_of(item) for item in node]
        if not isinstance(node, dict):
            return node
        where = next(name for name in ("profile", "site", "fact") if name in node)
        found = lookup(where, node[where])
        if found is None:
            found = node.get("default")
        if found is None:
            missing.append(f"{where}.{node[where]}")
        return found

    return {operator: value_of(wanted) for operator, wanted in expect.items()}, missing


def evaluate(expect: Document, value: Any, unit: str | None, facts: Document, vendors: Document) -> Outcome:
    """Judge one value (neither null nor MISSING) by a resolved expectation of one subject."""
    ((operator, wanted),) = expect.items()
    if operator in ("min", "max", "between"):
        return _number(operator, wanted, value, unit)
    if operator == "equals":
        return _equals(wanted, value, unit)
    if operator == "one_of":
        return _one_of(wanted, value, unit)
    if operator == "empty":
        return _empty(value)
    if operator == "not_empty":
        return _not_empty(value)
    if operator == "decide":
        origin = bios_origin.decide(value, bios_origin.architecture(facts), vendors)
        verdict = {"domestic": "pass", "foreign": "fail"}.get(origin.answer, "unknown")
        return Outcome(verdict, origin.reason)
    return outcome("unknown", f"无法识别的判定方式 {operator}", f"the operator {operator} is not known")


def compare(expect: Document, values: Mapping[str, Any], groups: Mapping[str, str | None]) -> Outcome:
    """``all_equal`` (within each group, which is the subjects' profile) or ``unique`` over ``{subject: value}``.

    A null, MISSING or composite value is one that could not be seen: a difference or a double among the others still
    fails, but nothing passes.
    """
    seen = {name: value for name, value in values.items() if _comparable(value)}
    unseen = sorted(set(values) - set(seen))
    problem = _doubles(seen) if "unique" in expect else _differences(seen, groups)
    if problem:
        return Outcome("fail", problem)
    if unseen or not seen:
        names = ", ".join(unseen) or "-"
        return outcome("unknown", f"以下对象未能读取：{names}", f"could not be seen on: {names}")
    if "unique" in expect:
        return outcome("pass", f"{len(seen)}个值互不相同", f"{len(seen)} values, all different")
    return outcome("pass", f"{len(seen)}个对象一致", f"{len(seen)} subjects agree")


def show(value: Any, unit: str | None = None) -> str:
    """A value for people: ``8``, ``PSU2: Critical; PSU3: ...``."""
    if isinstance(value, list):
        text = "; ".join(show(item) for item in value[:8]) + (f"; ... ({len(value)})" if len(value) > 8 else "")
    elif isinstance(value, dict):
        text = "; ".join(f"{key}: {show(item)}" for key, item in list(value.items())[:8])
    elif isinstance(value, float):
        text = f"{value:.10g}"
    else:
        text = {True: "true", False: "false", None: "null"}.get(value, str(value)) if _plain(value) else str(value)
    return f"{text} {unit}" if unit and not isinstance(value, list | dict) else text


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _comparable(value: Any) -> bool:
    if value is None or value is MISSING or not isinstance(value, Hashable):
        return False
    return bool(value.strip()) if isinstance(value, str) else True


def _number(operator: str, wanted: Any, value: Any, unit: str | None) -> Outcome:
    low = wanted if operator == "min" else wanted[0] if operator == "between" else None
    high = wanted if operator == "max" else wanted[1] if operator == "between" else None
    for bound in (low, high):
        if bound is not None and not _is_number(bound):
            return outcome("unknown", f"阈值不是数字：{show(bound)}", f"the threshold is not a number: {show(bound)}")
    if not _is_number(value):
        return outcome("unknown", f"实测值不是数字：{show(value)}", f"not a number: {show(value)}")
    shown = show(value, unit)
    if low is not None and value < low:
        return outcome("fail", f"{shown}，低于要求的{show(low, unit)}", f"{shown}, below {show(low, unit)}")
    if high is not None and value > high:
        return outcome("fail", f"{shown}，高于允许的{show(high, unit)}", f"{shown}, above {show(high, unit)}")
    return outcome("pass", f"{shown}，符合要求", f"{shown}, as required")


def _same(wanted: Any, value: Any) -> bool | None:
    """Whether two scalars are equal; None when they are not of one type and so cannot be compared."""
    if _is_number(wanted) and _is_number(value):
        return bool(wanted == value)
    if isinstance(wanted, bool) and isinstance(value, bool):
        return wanted is value
    if isinstance(wanted, str) and isinstance(value, str):
        return wanted.strip() == value.strip()
    return None


def _equals(wanted: Any, value: Any, unit: str | None) -> Outcome:
    same = _same(wanted, value)
    if same is None:
        return outcome(
            "unknown",
            f"实测值{show(value)}与期望值{show(wanted)}类型不同，无法比较",
            f"{show(value)} cannot be compared with {show(wanted)}",
        )
    if same:
        return outcome("pass", f"{show(value, unit)}，符合要求", f"{show(value, unit)}, as required")
    return outcome(
        "fail", f"{show(value, unit)}，应为{show(wanted, unit)}", f"{show(value, unit)}, must be {show(wanted, unit)}"
    )


def _one_of(wanted: Any, value: Any, unit: str | None) -> Outcome:
    allowed = wanted if isinstance(wanted, list) else [wanted]
    answers = [_same(item, value) for item in allowed]
    listed = " / ".join(show(item) for item in allowed)
    if True in answers:
        return outcome("pass", f"{show(value, unit)}，符合要求", f"{show(value, unit)}, as required")
    if False in answers:
        return outcome(
            "fail", f"{show(value, unit)}，应为{listed}之一", f"{show(value, unit)}, must be one of {listed}"
        )
    return outcome(
        "unknown", f"实测值{show(value)}无法与{listed}比较", f"{show(value)} cannot be compared with {listed}"
    )


def _empty(value: Any) -> Outcome:
    if not isinstance(value, list | dict):
        return outcome("unknown", f"不是列表：{show(value)}", f"not a list: {show(value)}")
    if value:
        return outcome("fail", show(value), show(value))
    return outcome("pass", "无异常项", "nothing listed")


def _not_empty(value: Any) -> Outcome:
    if not isinstance(value, str | list | dict):
        return outcome("unknown", f"不是文本或列表：{show(value)}", f"neither text nor a list: {show(value)}")
    if not (value.strip() if isinstance(value, str) else value):
        return outcome("fail", "为空", "is empty")
    return outcome("pass", f"已记录：{show(value)}", f"recorded: {show(value)}")


def _doubles(seen: Mapping[str, Any]) -> Text | None:
    holders: dict[Any, list[str]] = {}
    for name, value in seen.items():
        holders.setdefault(value.strip() if isinstance(value, str) else value, []).append(name)
    doubles = {value: names for value, names in holders.items() if len(names) > 1}
    if not doubles:
        return None
    listed = "; ".join(f"{show(value)}: {', '.join(names)}" for value, names in doubles.items())
    return {"zh": f"重复：{listed}", "en": f"shared: {listed}"}


def _differences(seen: Mapping[str, Any], groups: Mapping[str, str | None]) -> Text | None:
    by_group: dict[str | None, dict[Any, list[str]]] = {}
    for name, value in seen.items():
        by_group.setdefault(groups.get(name), {}).setdefault(value, []).append(name)
    listed = [
        "; ".join(f"{show(value)}: {', '.join(names)}" for value, names in holders.items())
        for holders in by_group.values()
        if len(holders) > 1
    ]
    return {"zh": f"不一致：{'; '.join(listed)}", "en": f"differ: {'; '.join(listed)}"} if listed else None
