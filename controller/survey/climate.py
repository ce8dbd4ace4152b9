"""The room: heat against cooling and air, temperature, humidity, grounding, height."""

from __future__ import annotations

from collections.abc import Iterator

from controller.survey.formulas import (
    BTU_PER_HOUR_PER_WATT,
    KW_PER_REFRIGERATION_TON,
    airflow_m3_per_h,
    dew_point_celsius,
)
from controller.survey.items import Item, Limits, item
from controller.survey.model import Survey


def heat_watts(survey: Survey) -> tuple[float, list[str]]:
    """What the room must get rid of, at the devices' maximum, and what is not known of it."""
    missing = [f"devices.{device.name}.max_watts" for device in survey.devices if device.max_watts is None]
    watts = sum(device.max_watts or 0 for device in survey.devices)
    watts += 1000 * (sum(rack.other_load_kw for rack in survey.racks) + survey.room.cooling_other_kw)
    return watts, missing


def cooling_left_kw(survey: Survey) -> float | None:
    """Sensible cooling with the largest ``redundant_units`` lost; None when a unit's power is not known."""
    units = survey.room.cooling_units
    if units is None or any(unit.sensible_kw is None for unit in units):
        return None
    powers = sorted(unit.sensible_kw or 0 for unit in units)
    return sum(powers[: max(len(powers) - survey.room.redundant_units, 0)])


def airflow_left_m3_per_h(survey: Survey) -> float | None:
    """Air moved with the largest ``redundant_units`` lost."""
    units = survey.room.cooling_units
    if units is None or any(unit.airflow_m3_per_h is None for unit in units):
        return None
    flows = sorted(unit.airflow_m3_per_h or 0 for unit in units)
    return sum(flows[: max(len(flows) - survey.room.redundant_units, 0)])


def room_items(survey: Survey, limits: Limits) -> Iterator[Item]:
    site = ("site", survey.site)
    room = survey.room
    yield _cooling(survey, limits)
    yield _airflow(survey, limits)
    for quantity, value, check, key in (
        ("grounding_ohm", room.grounding_ohm, "survey.grounding", "room.grounding_ohm"),
        ("inlet_celsius", room.inlet_celsius, "survey.inlet", "room.inlet_celsius"),
        ("humidity_percent", room.humidity_percent, "survey.humidity", "room.humidity_percent"),
    ):
        yield item(
            quantity,
            site,
            value,
            limits[quantity],
            "measured" if value is not None else "not measured",
            check=check,
            missing=[] if value is not None else [key],
        )
    missing = [f"room.{key}" for key in ("inlet_celsius", "humidity_percent") if getattr(room, key) is None]
    dew, formula = None, "needs temperature and humidity"
    if room.inlet_celsius is not None and room.humidity_percent is not None:
        dew = dew_point_celsius(room.inlet_celsius, room.humidity_percent)
        formula = f"Magnus({room.inlet_celsius:g} °C, {room.humidity_percent:g} %) = {dew:.1f} °C"
    yield item("dew_point_celsius", site, dew, limits["dew_point_celsius"], formula, missing=missing)
    name = "clear_height_renovated_m" if room.renovated else "clear_height_new_m"
    yield item(
        "clear_height_m",
        site,
        room.clear_height_m,
        limits[name],
        f"measured, {'converted' if room.renovated else 'new'} room",
        missing=[] if room.clear_height_m is not None else ["room.clear_height_m"],
    )


def _cooling(survey: Survey, limits: Limits) -> Item:
    watts, missing = heat_watts(survey)
    left = cooling_left_kw(survey)
    if left is None:
        missing.append("room.cooling.units")
    heat = (
        f"{watts / 1000:.2f} kW = {watts * BTU_PER_HOUR_PER_WATT:.0f} BTU/h"
        f" = {watts / 1000 / KW_PER_REFRIGERATION_TON:.2f} RT"
    )
    lost = survey.room.redundant_units
    return item(
        "cooling_margin_kw",
        ("site", survey.site),
        None if left is None else left - watts / 1000,
        limits["cooling_margin_kw"],
        f"cooling with {lost} unit(s) lost {'unknown' if left is None else f'{left:g} kW'} - heat {heat}",
        check="survey.heat",
        missing=missing,
    )


def _airflow(survey: Survey, limits: Limits) -> Item:
    watts, missing = heat_watts(survey)
    left = airflow_left_m3_per_h(survey)
    rise = survey.room.delta_t_kelvin
    if left is None:
        missing.append("room.cooling.units.airflow_m3_per_h")
    if rise is None:
        missing.append("room.cooling.delta_t_kelvin")
    value, formula = None, f"air for {watts:.0f} W"
    if left is not None and rise is not None:
        needed = airflow_m3_per_h(watts, rise)
        value = left - needed
        formula = f"{left:.0f} m3/h - {watts:.0f} W / (0.335 x {rise:g} K) (= {needed:.0f} m3/h)"
    return item(
        "airflow_margin_m3_per_h",
        ("site", survey.site),
        value,
        limits["airflow_margin_m3_per_h"],
        formula,
        check="survey.airflow",
        missing=missing,
    )
