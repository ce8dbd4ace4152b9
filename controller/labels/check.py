"""The cabling check: every mistake of the table at once, before a label is printed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from controller.labels.model import Cable, Cabling, End, Place
from controller.survey.model import Survey

# Which fact of the observation a problem belongs to.
INCOMPLETE = (
    "missing_end",
    "unknown_device",
    "unknown_port",
    "length_missing",
    "label_missing",
    "same_end",
    "uncabled",
)
PORT_CONFLICTS = ("port_twice", "breakout_lane", "power_end")
LABEL_CONFLICTS = ("label_twice",)
POWER = ("power_redundancy",)


@dataclass(frozen=True)
class CablingProblem:
    """One mistake. ``cables`` are numbers of rows; ``en`` and ``zh`` say the same."""

    kind: str
    cables: tuple[int, ...]
    en: str
    zh: str

    def __str__(self) -> str:
        return self.en


def validate(cabling: Cabling, devices: dict[str, Place] | None = None) -> list[CablingProblem]:
    """Every problem of the table.

    :param devices: where devices are; those that the table was loaded with when omitted.
    Cables that are to be removed (status ``decommissioning``) are left out.
    """
    devices = cabling.devices if devices is None else devices
    cables = [cable for cable in cabling.cables if cable.status != "decommissioning"]
    problems: list[CablingProblem] = []
    for cable in cables:
        problems += _row(cable, devices)
    problems += _ports(cables, devices)
    problems += _labels(cables)
    problems += _power(cables, devices)
    return problems


def _row(cable: Cable, devices: dict[str, Place]) -> Iterator[CablingProblem]:
    number = (cable.number,)
    for side, end in (("A", cable.a), ("B", cable.b)):
        if not end.complete:
            lack_en = "device" if end.device is None else "port"
            lack_zh = "设备" if end.device is None else "端口"
            yield CablingProblem(
                "missing_end", number, f"{cable}: side {side} has no {lack_en}", f"{cable}:{side} 端缺少{lack_zh}"
            )
            if end.device is None:
                continue
        place = devices.get(end.device or "")
        if place is None:
            yield CablingProblem(
                "unknown_device",
                number,
                f"{cable}: no device is named {end.device!r}",
                f"{cable}:没有名为 {end.device} 的设备",
            )
        elif end.name is not None and place.ports is not None and end.name not in place.ports:
            yield CablingProblem(
                "unknown_port",
                number,
                f"{cable}: {end.device} has no port {end.name!r}",
                f"{cable}:{end.device} 没有端口 {end.name}",
            )
    if cable.a.complete and cable.a == cable.b:
        yield CablingProblem("same_end", number, f"{cable}: both ends are the same port", f"{cable}:两端为同一端口")
    if cable.length is None:
        yield CablingProblem("length_missing", number, f"{cable}: no length", f"{cable}:缺少长度")
    if cable.label is None:
        yield CablingProblem(
            "label_missing",
            number,
            f"{cable}: no label, and none can be made without the place of side A",
            f"{cable}:没有标签编号,且 A 端位置未知,无法生成",
        )


def _ports(cables: list[Cable], devices: dict[str, Place]) -> Iterator[CablingProblem]:
    users: dict[tuple[str, str], list[Cable]] = defaultdict(list)
    for cable in cables:
        for end in {cable.a, cable.b}:
            if end.device is not None and end.name is not None:
                users[end.device, end.name].append(cable)
    for (device, port), using in users.items():
        place = devices.get(device)
        trunk, _, lane = port.rpartition(":")
        is_lane = place is not None and trunk in place.breakouts
        numbers = tuple(cable.number for cable in using)
        if len(using) > 1:
            names = " and ".join(str(cable) for cable in using)
            what_en, what_zh = (
                (f"lane {lane} of breakout port {trunk}", f"分支端口 {trunk} 的第 {lane} 路") if is_lane else
                (f"port {port}", f"端口 {port}")
            )  # fmt: skip
            yield CablingProblem(
                "breakout_lane" if is_lane else "port_twice",
                numbers,
                f"{device}: {what_en} is used {len(using)} times: {names}",
                f"{device}:{what_zh} 被使用 {len(using)} 次:{names}",
            )
        if is_lane and (device, trunk) in users:
            yield CablingProblem(
                "breakout_lane",
                numbers + tuple(cable.number for cable in users[device, trunk]),
                f"{device}: port {trunk} is used whole and as lane {lane}",
                f"{device}:端口 {trunk} 既整体使用又作为第 {lane} 路使用",
            )
    for cable in cables:
        pdus = [end for end in (cable.a, cable.b) if _feed(end, devices) is not None]
        if (cable.kind == "power") != bool(pdus) and cable.a.complete and cable.b.complete:
            if cable.a.device not in devices or cable.b.device not in devices:
                continue
            yield CablingProblem(
                "power_end",
                (cable.number,),
                f"{cable}: a {cable.kind} cable {'at an outlet' if pdus else 'without an outlet'}",
                f"{cable}:{'电源插口上接了非电源线' if pdus else '电源线未接到 PDU 插口'}",
            )


def _labels(cables: list[Cable]) -> Iterator[CablingProblem]:
    users: dict[str, list[Cable]] = defaultdict(list)
    for cable in cables:
        if cable.label is not None:
            users[cable.label.upper()].append(cable)
    for label, using in users.items():
        if len(using) > 1:
            ends = "; ".join(f"{cable.a} - {cable.b}" for cable in using)
            yield CablingProblem(
                "label_twice",
                tuple(cable.number for cable in using),
                f"label {label} is on {len(using)} cables: {ends}",
                f"标签 {label} 用于 {len(using)} 根线缆:{ends}",
            )


def _feed(end: End, devices: dict[str, Place]) -> str | None:
    place = devices.get(end.device or "")
    return None if place is None else place.feed


def _power(cables: list[Cable], devices: dict[str, Place]) -> Iterator[CablingProblem]:
    """A device whose power supplies hang on one feed, or that keeps too few when a feed is lost."""
    feeds: dict[str, dict[str, str]] = defaultdict(dict)  # device -> power supply -> feed
    for cable in cables:
        for own, other in ((cable.a, cable.b), (cable.b, cable.a)):
            feed = _feed(other, devices)
            if feed is not None and own.device is not None and own.name is not None and _feed(own, devices) is None:
                feeds[own.device][own.name] = feed
    for device, supplies in feeds.items():
        numbers = tuple(c.number for c in cables if device in (c.a.device, c.b.device) and c.kind == "power")
        on_feed = {feed: sorted(psu for psu, f in supplies.items() if f == feed) for feed in set(supplies.values())}
        worst = max(sorted(on_feed), key=lambda feed: len(on_feed[feed]))
        left = len(supplies) - len(on_feed[worst])
        needed = devices[device].psus_needed if device in devices else None
        # Without the data sheet's figure, at least one must live.
        if len(supplies) > 1 and left < (needed or 1):
            names = ", ".join(on_feed[worst])
            yield CablingProblem(
                "power_redundancy",
                numbers,
                f"{device}: with feed {worst} lost ({names}) {left} of {needed or 1} needed power supplies live",
                f"{device}:馈电 {worst}({names})失效后仅剩 {left} 个电源,需要 {needed or 1} 个",
            )


def problems(cabling: Cabling, survey: Survey) -> list[CablingProblem]:
    """``validate``, and where the table contradicts the survey."""
    return validate(cabling) + list(_uncabled(cabling, survey))


def _uncabled(cabling: Cabling, survey: Survey) -> Iterator[CablingProblem]:
    """Power cords that the survey counts on but the table lacks or plugs in elsewhere."""
    plugged: dict[tuple[str | None, str | None], End] = {}
    for cable in cabling.cables:
        if cable.status != "decommissioning":
            plugged[cable.a.device, cable.a.name] = cable.b
            plugged[cable.b.device, cable.b.name] = cable.a
    for device in survey.devices:
        for cord in device.cords or ():
            actual = plugged.get((device.name, cord.psu))
            if actual == End(cord.pdu, cord.outlet):
                continue
            where_en = "nowhere" if actual is None else f"into {actual}"
            where_zh = "未出现" if actual is None else f"接到 {actual}"
            yield CablingProblem(
                "uncabled",
                (),
                f"{device.name} {cord.psu}: the survey plugs it into {cord.pdu} {cord.outlet},"
                f" the cabling table {where_en}",
                f"{device.name} {cord.psu}:机房资料接 {cord.pdu} {cord.outlet},布线表中{where_zh}",
            )
