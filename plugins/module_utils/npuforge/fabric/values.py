"""The values of a fabric plan: the product's, overridden by the site's, each of the right type and within its limits.

People write the overrides: whatever stands there, the answer is a value or a ``Problem``, never an exception. A value
that is missing or wrong is None from here on, so that one mistake is told once.
"""

from __future__ import annotations

import re
from typing import Any, Iterable

from ..common import Document
from .refuse import DSCP, MTU, NPU_TC, PRIORITY, Problem

# Queue and PHB names of a Huawei DiffServ domain, by queue (CE V300R023 configuration guide, QoS: priority mapping).
PHBS = ("be", "af1", "af2", "af3", "af4", "ef", "cs6", "cs7")
SITE = "site_fabric"
_BYTES = (1, 1 << 40)
# Whole numbers by group and their limits. Deadlock: dcb pfc of CE V300R023 (detection 1 to 15, recovery 0 to 31, both
# times 10 ms; turn-off 1 to 300). Frames: the jumbo limits of the switches at hand lie between these two.
LIMITS = {
    "": {"roce_port": (1, 65535), "tls_enable": (0, 1)},
    "qos": {
        "traffic_class": (0, 252),
        "service_level": PRIORITY,
        "npu_tc": NPU_TC,
        "dscp": DSCP,
        "priority": PRIORITY,
        "queue": PRIORITY,
    },
    "qos.cnp": {"dscp": DSCP, "priority": PRIORITY, "queue": PRIORITY},
    "pfc.deadlock": {"detect_time": (1, 15), "recovery_time": (0, 31), "turn_off_threshold": (1, 300)},
    "ecn": {"low_limit_bytes": _BYTES, "high_limit_bytes": _BYTES, "discard_percentage": (1, 100)},
    "link": {"speed_mbps": (1000, 1600000), "mtu_bytes": MTU, "max_frame_bytes": (1518, 16383)},
    "test": {
        "message_bytes": (1, 1 << 30),
        "iterations": (1, 1000000),
        "probe_small_bytes": (1, MTU[1]),
        "probe_large_bytes": (1, MTU[1]),
    },
    "switches": {"cell_bytes": (1, 4096), "headroom_pool_kib": (1, 1 << 20)},
    "switches.buffer": {
        "xon": (-128, 1 << 30),
        "xoff": (-128, 1 << 30),
        "xoff_bytes": _BYTES,
        "headroom_bytes": _BYTES,
    },
}
# What need not be given: it follows from the rest, or the plan does without.
OPTIONAL = frozenset(
    (
        "qos.dscp",
        "qos.priority",
        "qos.queue",
        "qos.cnp.queue",
        "link.max_frame_bytes",
        "pfc.deadlock.detect_time",
        "pfc.deadlock.recovery_time",
        "pfc.deadlock.turn_off_threshold",
    )
)
FEC = ("rs", "no", "auto")  # words of hccn_tool -fec (its source)
# Limits of the vendor's environment variable reference (CANN 8: envref_07_0077, 0091, 0092) for A2 products.
ENVIRONMENT = {"HCCL_CONNECT_TIMEOUT": (120, 7200), "HCCL_RDMA_TIMEOUT": (5, 20), "HCCL_RDMA_RETRY_CNT": (1, 7)}
# Given by the priority chain; a second place to say them would be a second truth.
FOLLOWS = {"HCCL_RDMA_TC": "qos.traffic_class", "HCCL_RDMA_SL": "qos.service_level"}


def mapping(given: Any, where: str, problems: list[Problem]) -> Document:
    """``given`` with text keys when it is a mapping, nothing when it is absent; else a problem."""
    if given is None:
        return {}
    if not isinstance(given, dict):
        problems.append(Problem(where, f"is {_short(given)}: keys with values"))
        return {}
    return {str(key): value for key, value in given.items()}


def whole(value: Any) -> bool:
    """Whether it is a whole number (true and false are none)."""
    return isinstance(value, int) and not isinstance(value, bool)


def known(given: Document, names: Iterable[str], where: str, problems: list[Problem]) -> None:
    """A problem for each key that nobody would read: an override with a typing error in it overrides nothing."""
    names = sorted(names)
    for key in given:
        if key not in names:
            problems.append(Problem(f"{where}.{key}", "is unknown here; there are {}".format(", ".join(names))))


def numbers(given: Document, group: str, where: str, problems: list[Problem], partial: bool = False) -> Document:
    """The whole numbers of a group of ``LIMITS``; ``partial``: none of them need be given."""
    found = {}  # type: Document
    for key, limits in LIMITS[group].items():
        value = given.get(key)
        place = f"{where}.{key}"
        name = f"{group}.{key}" if group else key
        if value is None:
            if partial or name in OPTIONAL:
                continue
            problems.append(Problem(place, "is not given"))
        elif not whole(value):
            problems.append(Problem(place, f"is {_short(value)}: a whole number"))
        elif not limits[0] <= value <= limits[1]:
            problems.append(Problem(place, "is {}: from {} to {}".format(_short(value), *limits)))
        else:
            found[key] = value
            continue
        found[key] = None
    return found


def of(product: Document, fabric: Document, problems: list[Problem]) -> Document:
    """``qos, pfc, ecn, link, test, roce_port, tls_enable, hccl_environment`` of a plan.

    :param product: key ``fabric`` of the product's profile.
    :param fabric: the inventory's ``site_fabric``.
    """
    plan = {}  # type: Document
    for group in ("qos", "pfc", "ecn", "link", "test"):
        where = f"{SITE}.{group}"
        base = mapping(product.get(group), where, problems)
        given = mapping(fabric.get(group), where, problems)
        extra = {"qos": ("cnp",), "pfc": ("lossless_priorities", "deadlock"), "link": ("fec",)}.get(group, ())
        known(given, (*LIMITS.get(group, ()), *extra), where, problems)
        merged = {**base, **given}
        plan[group] = numbers(merged, group, where, problems) if group in LIMITS else {}
        for key in extra:
            if f"{group}.{key}" in LIMITS:
                inner = mapping(given.get(key), f"{where}.{key}", problems)
                known(inner, LIMITS[f"{group}.{key}"], f"{where}.{key}", problems)
                both = {**mapping(base.get(key), f"{where}.{key}", problems), **inner}
                plan[group][key] = numbers(both, f"{group}.{key}", f"{where}.{key}", problems)
            else:
                plan[group][key] = merged.get(key)
    top = {key: fabric[key] if fabric.get(key) is not None else product.get(key) for key in LIMITS[""]}
    plan.update(numbers(top, "", SITE, problems))
    if plan["link"]["fec"] not in FEC:
        problems.append(
            Problem(f"{SITE}.link.fec", "is {}: one of {}".format(_short(plan["link"]["fec"]), ", ".join(FEC)))
        )
    _chain(plan["qos"])
    plan["pfc"].update(_lossless(plan["pfc"], plan["qos"], problems))
    plan["hccl_environment"] = _environment(product, fabric, plan["qos"], problems)
    return plan


def _chain(qos: Document) -> None:
    """What follows from what HCCL sends, unless somebody insists; ``refuse.chain`` compares what was insisted on."""
    tc = qos["traffic_class"]
    if "dscp" not in qos:
        qos["dscp"] = None if tc is None else tc // 4
    qos.setdefault("priority", qos["service_level"])
    qos.setdefault("queue", qos["priority"])
    qos["phb"] = None if qos["queue"] is None else PHBS[qos["queue"]]
    cnp = qos["cnp"]
    cnp.setdefault("queue", cnp["priority"])
    cnp["phb"] = None if cnp["queue"] is None else PHBS[cnp["queue"]]


def _lossless(pfc: Document, qos: Document, problems: list[Problem]) -> Document:
    given = pfc.get("lossless_priorities")
    if given is None:
        given = [] if qos["priority"] is None else [qos["priority"]]
    if not isinstance(given, list) or not all(whole(each) and 0 <= each <= 7 for each in given):
        problems.append(
            Problem(f"{SITE}.pfc.lossless_priorities", f"is {_short(given)}: a list of whole numbers from 0 to 7")
        )
        return {"lossless_priorities": None, "bitmap": None}
    given = sorted(set(given))
    return {"lossless_priorities": given, "bitmap": [1 if priority in given else 0 for priority in range(8)]}


def _environment(product: Document, fabric: Document, qos: Document, problems: list[Problem]) -> Document:
    where = f"{SITE}.hccl_environment"
    given = mapping(fabric.get("hccl_environment"), where, problems)
    merged = {**mapping(product.get("hccl_environment"), where, problems), **given}
    found = {}
    for name, value in sorted(merged.items()):
        place = f"{where}.{name}"
        if name in FOLLOWS:
            problems.append(Problem(place, f"follows from {SITE}.{FOLLOWS[name]}: say it there"))
        elif not re.match(r"^[A-Z][A-Z0-9_]{0,63}\Z", name):
            problems.append(Problem(place, "is no name of a variable: capital letters, digits and '_'"))
        elif not (whole(value) or (isinstance(value, str) and re.match(r"^[!-~]{1,256}\Z", value))):
            # What stands in the file is read by a shell and by systemd: one word, or each reads its own value.
            problems.append(Problem(place, f"is {_short(value)}: a whole number, or a word without blanks"))
        elif name in ENVIRONMENT and not _within(value, ENVIRONMENT[name]):
            problems.append(Problem(place, "is {}: from {} to {}".format(_short(value), *ENVIRONMENT[name])))
        else:
            found[name] = str(value)
    for name, key in (("HCCL_RDMA_TC", "traffic_class"), ("HCCL_RDMA_SL", "service_level")):
        found[name] = str(qos[key])
    return {name: found[name] for name in sorted(found)}


def _within(value: Any, limits: tuple[int, int]) -> bool:
    text = _short(value) if whole(value) else str(value)
    return text.isascii() and text.isdigit() and len(text) <= 9 and limits[0] <= int(text) <= limits[1]


def _short(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # a whole number of more digits than Python writes
        return "a number beyond reason"
    return text if len(text) <= 60 else text[:57] + "..."
