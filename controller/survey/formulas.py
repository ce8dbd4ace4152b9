"""The physics of a machine room, each formula with its source. Arguments and results carry units in their names."""

from __future__ import annotations

import math

GRAVITY_M_PER_S2 = 9.81
BTU_PER_HOUR_PER_WATT = 3.412  # 1 W = 3.412 BTU/h
KW_PER_REFRIGERATION_TON = 3.517  # 1 RT = 12000 BTU/h
AIR_WATT_HOURS_PER_M3_KELVIN = 0.335  # density 1.2 kg/m3 x heat 1.005 kJ/(kg K) / 3.6; ASHRAE Fundamentals


def phase_capacity_watts(phases: int, voltage_volts: float, amps: float, power_factor: float) -> float:
    """What one phase carries at the rated current: U I pf; U is the line voltage / sqrt(3) when there are three."""
    to_neutral = voltage_volts / math.sqrt(3) if phases == 3 else voltage_volts
    return to_neutral * amps * power_factor


def airflow_m3_per_h(watts: float, delta_t_kelvin: float) -> float:
    """Air that carries ``watts`` away while it warms by ``delta_t_kelvin``."""
    return watts / (AIR_WATT_HOURS_PER_M3_KELVIN * delta_t_kelvin)


def delta_t_kelvin(watts: float, flow_m3_per_h: float) -> float:
    """How much that flow of air warms."""
    return watts / (AIR_WATT_HOURS_PER_M3_KELVIN * flow_m3_per_h)


def ups_kva(watts: float, power_factor: float, reserve_percent: float) -> float:
    return watts / 1000 / power_factor * (1 + reserve_percent / 100)


def weight_kn(mass_kg: float) -> float:
    return mass_kg * GRAVITY_M_PER_S2 / 1000


def dew_point_celsius(celsius: float, humidity_percent: float) -> float:
    """Magnus formula with Sonntag's constants over water (1990); good to 0.2 K between -40 and 60 °C."""
    b, c = 17.62, 243.12
    gamma = math.log(humidity_percent / 100) + b * celsius / (c + celsius)
    return c * gamma / (b - gamma)


def humidity_percent(celsius: float, dew_celsius: float) -> float:
    """The relative humidity at which air of ``celsius`` has that dew point (inverse of the formula above)."""
    b, c = 17.62, 243.12
    return 100 * math.exp(b * dew_celsius / (c + dew_celsius) - b * celsius / (c + celsius))


def parallel_ohm(present_ohm: float, wanted_ohm: float) -> float:
    """The resistance that, in parallel to ``present_ohm``, makes ``wanted_ohm`` (mutual influence neglected)."""
    return 1 / (1 / wanted_ohm - 1 / present_ohm)
