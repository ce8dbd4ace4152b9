"""Feeds, PDUs, phases, power supplies and UPS: who carries how much, also with one feed lost.

A device's power supplies share its load evenly. With a feed lost, those on the other feeds take all of it. What else
a feed carries (``other_load_kw``) is taken as declared for that state and spread over its phases.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from controller.survey.formulas import phase_capacity_watts, ups_kva
from controller.survey.items import Item, Limits, item
from controller.survey.model import PHASES, Cord, Device, Feed, Pdu, Survey


@dataclass(frozen=True)
class Share:
    """What one cord carries."""

    device: Device
    cord: Cord
    watts: float | None
    phase: str | None


def shares(survey: Survey, lost: str | None = None) -> list[Share]:
    """The load of each live cord when the feed ``lost`` is dead."""
    feed_of = {pdu.name: pdu.feed for _, pdu in survey.pdus()}
    phase_of = {(pdu.name, outlet): phase for _, pdu in survey.pdus() for outlet, phase in pdu.outlets.items()}
    result = []
    for device in survey.devices:
        live = [cord for cord in device.cords or () if feed_of[cord.pdu] != lost]
        for cord in live:
            watts = None if device.max_watts is None else device.max_watts / len(live)
            result.append(Share(device, cord, watts, phase_of.get((cord.pdu, cord.outlet))))
    return result


def phase_watts(survey: Survey, feed: Feed, lost: str | None = None) -> dict[str, float]:
    """Load per phase of one feed; a single-phase feed has one entry, ``L1``. Unknown devices count nothing."""
    phases = PHASES if feed.phases == 3 else PHASES[:1]
    watts = dict.fromkeys(phases, feed.other_load_kw * 1000 / len(phases))
    on_feed = {pdu.name for _, pdu in survey.pdus() if pdu.feed == feed.name}
    for share in shares(survey, lost):
        if share.cord.pdu in on_feed and share.watts is not None:
            over = (share.phase,) if share.phase in watts else phases
            for phase in over:
                watts[phase] += share.watts / len(over)
    return watts


def power_factor(feed: Feed, limits: Limits) -> float:
    return limits.parameter("power_factor") if feed.power_factor is None else feed.power_factor


def _unknown_devices(survey: Survey, pdus: set[str]) -> list[str]:
    """Why the sum over these PDUs may be too small."""
    reasons = [f"devices.{device.name}.power_cords" for device in survey.devices if device.cords is None]
    for device in survey.devices:
        if device.max_watts is None and any(cord.pdu in pdus for cord in device.cords or ()):
            reasons.append(f"devices.{device.name}.max_watts")
    return reasons


def feed_items(survey: Survey, limits: Limits) -> Iterator[Item]:
    for feed in survey.feeds:
        pdus = {pdu.name for _, pdu in survey.pdus() if pdu.feed == feed.name}
        missing = _unknown_devices(survey, pdus)
        missing += [f"feeds.{feed.name}.{key}" for key in ("voltage_volts", "breaker_amps") if not getattr(feed, key)]
        # Every other feed may be the one that is lost; the worst counts.
        scenarios: dict[str | None, dict[str, float]] = {
            other.name: phase_watts(survey, feed, other.name) for other in survey.feeds if other.name != feed.name
        }
        normal = phase_watts(survey, feed)
        worst = max(scenarios, key=lambda name: max(scenarios[name].values()), default=None)
        for quantity, check, lost, watts in (
            ("feed_load_failover_percent", "survey.feed_load", worst, scenarios.get(worst, normal)),
            ("feed_load_normal_percent", None, None, normal),
        ):
            value, formula = _percent(feed, watts, feed.breaker_amps, limits)
            state = f"feed {lost} lost" if lost else "all feeds live"
            yield item(
                quantity,
                ("feed", feed.name),
                value,
                limits["feed_load_percent"],
                f"{state}; {formula}",
                check=check,
                missing=missing,
            )
        if feed.phases == 3:
            yield _balance(survey, feed, normal, missing, limits)


def _percent(feed: Feed, watts: dict[str, float], amps: float | None, limits: Limits) -> tuple[float | None, str]:
    """The most loaded phase against the rated current. ``(percent or None, formula with its numbers)``."""
    phase = max(watts, key=lambda name: watts[name])
    if feed.voltage_volts is None or amps is None:
        return None, f"load {watts[phase]:.0f} W on the most loaded phase; rating unknown"
    factor = power_factor(feed, limits)
    capacity = phase_capacity_watts(feed.phases, feed.voltage_volts, amps, factor)
    volts = f"{feed.voltage_volts:g} V / sqrt(3)" if feed.phases == 3 else f"{feed.voltage_volts:g} V"
    name = f"{phase}: " if feed.phases == 3 else ""
    percent = 100 * watts[phase] / capacity
    return percent, f"{name}{watts[phase]:.0f} W / ({volts} x {amps:g} A x {factor:g}) = {percent:.1f} %"


def _balance(survey: Survey, feed: Feed, watts: dict[str, float], missing: list[str], limits: Limits) -> Item:
    mean = sum(watts.values()) / 3
    percent = 100 * max(abs(load - mean) for load in watts.values()) / mean if mean else 0.0
    loads = ", ".join(f"{name} {load:.0f} W" for name, load in watts.items())
    return item(
        "phase_imbalance_percent",
        ("feed", feed.name),
        # Unknown loads may also balance the phases: a sum that lacks some is not even a bound.
        None if missing else percent,
        limits["phase_imbalance_percent"],
        f"{loads}; max |L - mean| / mean = {percent:.1f} %",
        missing=missing,
    )


def pdu_items(survey: Survey, limits: Limits) -> Iterator[Item]:
    for rack, pdu in survey.pdus():
        feed = survey.feed(pdu.feed)
        missing = _unknown_devices(survey, {pdu.name})
        missing += [] if feed.voltage_volts else [f"feeds.{feed.name}.voltage_volts"]
        missing += [] if pdu.rated_amps else [f"racks.{rack.name}.pdus.{pdu.name}.rated_amps"]
        watts = _pdu_watts(survey, pdu, feed)
        value, formula = _percent(feed, watts, pdu.rated_amps, limits)
        yield item(
            "pdu_load_percent",
            ("rack", rack.name),
            value,
            limits["pdu_load_percent"],
            f"{pdu.name}, the other feeds lost; {formula}",
            missing=missing,
            part=pdu.name,
        )
        yield _outlets(survey, rack.name, pdu, limits)


def _pdu_watts(survey: Survey, pdu: Pdu, feed: Feed) -> dict[str, float]:
    phases = PHASES if feed.phases == 3 else PHASES[:1]
    worst = dict.fromkeys(phases, 0.0)
    for other in [None, *(other.name for other in survey.feeds if other.name != feed.name)]:
        watts = dict.fromkeys(phases, 0.0)
        for share in shares(survey, other):
            if share.cord.pdu == pdu.name and share.watts is not None:
                over = (share.phase,) if share.phase in watts else phases
                for phase in over:
                    watts[phase] += share.watts / len(over)
        if max(watts.values()) > max(worst.values()):
            worst = watts
    return worst


def _outlets(survey: Survey, rack: str, pdu: Pdu, limits: Limits) -> Item:
    """Outlets that cords ask for but that are not there, or that two cords share."""
    wanted = Counter(cord.outlet for device in survey.devices for cord in device.cords or () if cord.pdu == pdu.name)
    absent = [f"{outlet}: {pdu.name} has no such outlet" for outlet in sorted(wanted) if outlet not in pdu.outlets]
    twice = [f"{outlet}: {number} cords" for outlet, number in sorted(wanted.items()) if number > 1]
    count, cords = len(pdu.outlets), sum(wanted.values())
    bare = sum(1 for outlet in wanted if outlet not in pdu.outlets) + sum(n - 1 for n in wanted.values())
    return item(
        "pdu_outlets_margin",
        ("rack", rack),
        -bare if bare else count - cords,
        limits["pdu_outlets_margin"],
        f"{pdu.name}: {count} outlets, {cords} cords, {bare} without an outlet of their own",
        detail=absent + twice,
        part=pdu.name,
    )


def redundancy_items(survey: Survey, limits: Limits) -> Iterator[Item]:
    """How many power supplies a device keeps beyond its need when its worst feed is lost."""
    feed_of = {pdu.name: pdu.feed for _, pdu in survey.pdus()}
    for device in survey.devices:
        if device.rack is None:
            continue
        missing = [f"devices.{device.name}.{key}" for key in ("psus_needed",) if device.psus_needed is None]
        missing += [f"devices.{device.name}.power_cords"] if device.cords is None else []
        value, formula = None, f"{device.name}: power supplies not surveyed"
        if device.psus_needed is not None and device.cords is not None:
            on_feed = Counter(feed_of[cord.pdu] for cord in device.cords)
            worst, lost = max(on_feed.items(), key=lambda pair: pair[1], default=("none", 0))
            value = len(device.cords) - lost - device.psus_needed
            formula = (
                f"{device.name}: {len(device.cords)} cords - {lost} on feed {worst} - {device.psus_needed} needed"
                f" = {value}"
            )
        yield item(
            "psu_spare_count",
            ("rack", device.rack),
            value,
            limits["psu_spare_count"],
            formula,
            missing=missing,
            part=device.name,
        )


def ups_items(survey: Survey, limits: Limits) -> Iterator[Item]:
    site = ("site", survey.site)
    if not survey.ups:
        yield item(
            "ups_margin_kva",
            site,
            None,
            limits["ups_margin_kva"],
            "no UPS in the survey",
            check="survey.ups",
            missing=["ups"],
        )
        return
    reserve = limits.parameter("ups_reserve_percent")
    for ups in survey.ups:
        feeds = [feed for feed in survey.feeds if feed.ups == ups.name]
        pdus = {pdu.name for _, pdu in survey.pdus() if pdu.feed in {feed.name for feed in feeds}}
        missing = _unknown_devices(survey, pdus) + ([] if ups.rated_kva else [f"ups.{ups.name}.rated_kva"])
        if not feeds:
            missing.append(f"feeds: none names {ups.name}")
        watts, lost = max(
            (
                (sum(sum(phase_watts(survey, feed, name).values()) for feed in feeds), name)
                for name in [None, *(f.name for f in survey.feeds if f.ups != ups.name)]
            ),
            key=lambda pair: pair[0],
        )
        watts += ups.other_load_kw * 1000
        factor = min((power_factor(feed, limits) for feed in feeds), default=limits.parameter("power_factor"))
        needed = ups_kva(watts, factor, reserve)
        state = f"feed {lost} lost" if lost else "all feeds live"
        rating = "unknown" if ups.rated_kva is None else f"{ups.rated_kva:g}"
        yield item(
            "ups_margin_kva",
            site,
            None if ups.rated_kva is None or not feeds else ups.rated_kva - needed,
            limits["ups_margin_kva"],
            f"{ups.name}, {state}: {rating} kVA - {watts / 1000:.2f} kW / {factor:g} x {1 + reserve / 100:g}"
            f" (= {needed:.2f} kVA)",
            check="survey.ups",
            missing=missing,
            part=ups.name,
        )
        yield item(
            "ups_runtime_minutes",
            site,
            ups.runtime_minutes,
            limits["ups_runtime_minutes"],
            f"{ups.name}: declared runtime at this load",
            missing=[] if ups.runtime_minutes is not None else [f"ups.{ups.name}.runtime_minutes"],
            part=ups.name,
        )
