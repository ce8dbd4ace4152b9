"""For each failing item: what to do about it, with the figures that satisfy, in Chinese and English."""

from __future__ import annotations

import math
from collections import Counter

from controller.survey import climate, formulas
from controller.survey.electrical import phase_watts
from controller.survey.items import Item, Limits, Text
from controller.survey.measure import measure
from controller.survey.mechanical import rack_mass_kg
from controller.survey.model import Device, Survey
from controller.survey.moves import Move, Trials, free_outlet

MOST_DELTA_T_KELVIN = 20  # servers warm their air by 10 to 20 K; to promise more would be a guess


def _join(*options: Text | None) -> Text | None:
    """Alternatives, best first."""
    given = [option for option in options if option is not None]
    if not given:
        return None
    return {
        "zh": ";或".join(option["zh"] for option in given) + "。",
        "en": ", or ".join(option["en"] for option in given) + ".",
    }


def _text(zh: str, en: str) -> Text:
    return {"zh": zh, "en": en}


def _up(number: float, digits: int = 1) -> float:
    """Rounded up, so that the figure named suffices."""
    factor: int = 10**digits
    return math.ceil(number * factor - 1e-9) / factor


def more_units(present: list[float], redundant: int, needed: float) -> tuple[int, float]:
    """``(count, size)``: the fewest equal units to add, and the smallest size of each, so that ``needed`` is left when
    the ``redundant`` largest of all are lost.
    """

    def left(count: int, size: float) -> float:
        powers = sorted([*present, *[size] * count])
        return sum(powers[: max(len(powers) - redundant, 0)])

    count = 1
    while left(count, needed) < needed:  # a unit larger than what is needed adds nothing that it would not lose again
        count += 1
    low, high = 0.0, needed
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if left(count, middle) >= needed else (middle, high)
    return count, high


class Advisor:
    """Remedies for the failing items of one site."""

    def __init__(self, survey: Survey, limits: Limits, items: list[Item]) -> None:
        self.survey, self.limits = survey, limits
        self.trials = Trials(survey, limits, items, measure)
        self.by_quantity = {
            "feed_load_failover_percent": self._feed,
            "feed_load_normal_percent": self._feed,
            "phase_imbalance_percent": self._phases,
            "pdu_load_percent": self._pdu_load,
            "pdu_outlets_margin": self._outlets,
            "psu_spare_count": self._spare,
            "ups_margin_kva": self._ups,
            "ups_runtime_minutes": self._runtime,
            "rack_units_free": self._units,
            "rack_power_percent": self._rack_power,
            "rack_depth_margin_mm": self._depth,
            "floor_margin_kn_per_m2": self._floor,
            "floor_point_margin_kn": self._point,
            "airflow_conflicts_count": self._direction,
            "devices_unplaced_count": self._unplaced,
            "cooling_margin_kw": self._cooling,
            "airflow_margin_m3_per_h": self._airflow,
            "grounding_ohm": self._grounding,
            "inlet_celsius": self._inlet,
            "humidity_percent": self._humidity,
            "dew_point_celsius": self._dew_point,
            "clear_height_m": self._height,
        }

    def advise(self, item: Item) -> Text | None:
        return self.by_quantity[item.quantity](item)

    # power

    def _feed(self, item: Item) -> Text | None:
        feed = self.survey.feed(item.subject)
        on_feed = {pdu.name for _, pdu in self.survey.pdus() if pdu.feed == feed.name}
        devices = [d for d in self.survey.devices if any(cord.pdu in on_feed for cord in d.cords or ())]
        larger = None
        if feed.breaker_amps and item.value is not None and item.limit.max:
            needed = feed.breaker_amps * item.value / item.limit.max
            amps = self.limits.size("breaker_amps", needed)
            if amps is not None and feed.voltage_volts:
                kw = feed.phases * formulas.phase_capacity_watts(feed.phases, feed.voltage_volts, amps, 1) / 1000
                larger = _text(
                    f"将馈电 {feed.name} 增容至 {amps:g} A({kw:.1f} kVA,现 {feed.breaker_amps:g} A)",
                    f"a feed {feed.name} of {amps:g} A ({kw:.1f} kVA, now {feed.breaker_amps:g} A)",
                )
            else:
                larger = _text(
                    f"增加馈电分担负载(馈电 {feed.name} 需 {needed:.0f} A,超过常规断路器规格)",
                    f"more feeds (feed {feed.name} would need {needed:.0f} A, more than breakers are made for)",
                )
        return _join(self._move(item, self._smallest_first(devices, "max_watts")), larger)

    def _phases(self, item: Item) -> Text | None:
        found = self.trials.cord(item, item.subject)
        watts = phase_watts(self.survey, self.survey.feed(item.subject))
        high, low = max(watts, key=lambda p: watts[p]), min(watts, key=lambda p: watts[p])
        if found:
            device, old, new = found
            return _join(
                _text(
                    f"将 {device.name} 的 {old.psu} 电源线由 {old.pdu} {old.outlet} 改插 {new.outlet}",
                    f"move the cord of {device.name} {old.psu} on {old.pdu} from {old.outlet} to {new.outlet}",
                )
            )
        half = (watts[high] - watts[low]) / 2
        return _join(
            _text(
                f"将约 {half:.0f} W 负载由 {high} 相调至 {low} 相(单根电源线调整不足以平衡)",
                f"shift about {half:.0f} W from {high} to {low} (no single cord does it)",
            )
        )

    def _pdu_load(self, item: Item) -> Text | None:
        name = item.id.rpartition(":")[2]
        pdu = self.survey.pdu(name)
        devices = [d for d in self.survey.devices if any(cord.pdu == name for cord in d.cords or ())]
        larger = None
        if pdu.rated_amps and item.value is not None and item.limit.max:
            needed = pdu.rated_amps * item.value / item.limit.max
            amps = self.limits.size("breaker_amps", needed) or _up(needed, 0)
            larger = _text(
                f"{name} 更换为额定 {amps:g} A 的 PDU(现 {pdu.rated_amps:g} A)",
                f"a PDU of {amps:g} A as {name} (now {pdu.rated_amps:g} A)",
            )
        return _join(self._move(item, self._smallest_first(devices, "max_watts")), larger)

    def _outlets(self, item: Item) -> Text | None:
        pdu = self.survey.pdu(item.id.rpartition(":")[2])
        cords = [
            (device, cord) for device in self.survey.devices for cord in device.cords or () if cord.pdu == pdu.name
        ]
        seen: set[str] = set()
        short: Counter[str] = Counter()
        steps: list[Text] = []
        taken: set[str] = {cord.outlet for _, cord in cords}
        for device, cord in cords:
            if cord.outlet in pdu.outlets and cord.outlet not in seen:
                seen.add(cord.outlet)
                continue
            free = [o for o in pdu.outlets if o not in taken and o.rpartition("-")[0] == cord.plug]
            if free:
                taken.add(free[0])
                steps.append(
                    _text(
                        f"{device.name} {cord.psu} 改插 {pdu.name} {free[0]}",
                        f"plug {device.name} {cord.psu} into {pdu.name} {free[0]}",
                    )
                )
            else:
                short[cord.plug] += 1
        for plug, count in sorted(short.items()):
            steps.append(
                _text(
                    f"馈电 {pdu.feed} 增加带 {count} 个 {plug} 插口的 PDU",
                    f"add a PDU with {count} {plug} outlet(s) on feed {pdu.feed}",
                )
            )
        return _text("、".join(s["zh"] for s in steps) + "。", "; ".join(s["en"] for s in steps) + ".")

    def _spare(self, item: Item) -> Text | None:
        device = self.survey.device(item.id.rpartition(":")[2])
        feed_of = {pdu.name: pdu.feed for _, pdu in self.survey.pdus()}
        on_feed = Counter(feed_of[cord.pdu] for cord in device.cords or ())
        lack = int(-(item.value or 0))
        full = on_feed.most_common(1)[0][0] if on_feed else None
        for cord in device.cords or ():
            if feed_of[cord.pdu] != full:
                continue
            for rack, pdu in self.survey.pdus():
                outlet = free_outlet(self.survey, pdu, cord.plug)
                enough = len(device.cords or ()) - (device.psus_needed or 0) >= math.ceil(len(device.cords or ()) / 2)
                if rack.name == device.rack and pdu.feed != full and outlet and enough:
                    return _join(
                        _text(
                            f"将 {device.name} 的 {lack} 根电源线由馈电 {full} 改接馈电 {pdu.feed}"
                            f"(如 {cord.psu} 改插 {pdu.name} {outlet})",
                            f"move {lack} cord(s) of {device.name} from feed {full} to feed {pdu.feed}"
                            f" ({cord.psu} to {pdu.name} {outlet})",
                        )
                    )
        return _join(
            _text(
                f"为 {device.name} 增配 {lack} 个接至另一馈电的电源模块",
                f"{lack} more power supply(ies) for {device.name} on another feed",
            )
        )

    def _ups(self, item: Item) -> Text | None:
        ups = next(ups for ups in self.survey.ups if ups.name == item.id.rpartition(":")[2])
        needed = (ups.rated_kva or 0) - (item.value or 0)
        size = self.limits.size("ups_kva", needed) or _up(needed, 0)
        return _join(
            _text(
                f"{ups.name} 增容至不小于 {size:g} kVA(现 {ups.rated_kva:g} kVA)",
                f"a UPS of at least {size:g} kVA as {ups.name} (now {ups.rated_kva:g} kVA)",
            )
        )

    def _runtime(self, item: Item) -> Text | None:
        name = item.id.rpartition(":")[2]
        value, wanted = item.value or 0, item.limit.min or 0
        factor = f"(容量约为现有的 {_up(wanted / value, 2):g} 倍)" if value else ""
        times = f" (about {_up(wanted / value, 2):g} times the present capacity)" if value else ""
        return _join(
            _text(
                f"{name} 扩充电池,后备时间由 {value:g} 分钟增至 {wanted:g} 分钟{factor}",
                f"more batteries for {name}: {wanted:g} minutes instead of {value:g}{times}",
            )
        )

    # racks

    def _units(self, item: Item) -> Text | None:
        involved = [d for d in self.survey.in_rack(item.subject) if any(d.name in text.split() for text in item.detail)]
        order = self._smallest_first(involved, "height_units")
        moves = self.trials.moves(item, order, [self.survey.rack(item.subject)]) or self.trials.moves(item, order)
        tallest = max((device.height_units for device in order), default=1)
        return _join(
            self._said(moves)
            or _text(
                f"增加一个有 {tallest} 个连续空闲 U 位的机柜",
                f"another rack with {tallest} free units in a row",
            )
        )

    def _rack_power(self, item: Item) -> Text | None:
        rack = self.survey.rack(item.subject)
        budget = (rack.power_budget_kw or 0) * (item.value or 0) / (item.limit.max or 100)
        devices = self._smallest_first(list(self.survey.in_rack(rack.name)), "max_watts")
        return _join(
            self._move(item, devices),
            _text(
                f"将 {rack.name} 的功率配额提高到 {_up(budget):g} kW(现 {rack.power_budget_kw:g} kW)",
                f"a power budget of {_up(budget):g} kW for {rack.name} (now {rack.power_budget_kw:g} kW)",
            ),
        )

    def _depth(self, item: Item) -> Text | None:
        rack = self.survey.rack(item.subject)
        needed = (rack.usable_depth_mm or 0) - (item.value or 0)
        size = self.limits.size("rack_depth_mm", needed) or needed
        deepest = [device for device in self.survey.in_rack(rack.name) if device.name in item.detail]
        return _join(
            self._move(item, deepest),
            _text(
                f"更换为可用深度不小于 {needed:g} mm 的机柜(标准 {size:g} mm)",
                f"a rack with a usable depth of {needed:g} mm (a {size:g} mm rack or deeper)",
            ),
        )

    def _floor(self, item: Item) -> Text | None:
        rack = self.survey.rack(item.subject)
        weight = formulas.weight_kn(rack_mass_kg(self.survey, rack))
        area = _up(weight / (self.survey.room.floor_kn_per_m2 or 1), 2)
        devices = self._smallest_first(list(self.survey.in_rack(rack.name)), "mass_kg")
        return _join(
            _text(
                f"在 {rack.name} 下加装面积不小于 {area:g} m² 的散力架",
                f"a spreader plate of {area:g} m2 under {rack.name}",
            ),
            self._move(item, devices),
        )

    def _point(self, item: Item) -> Text | None:
        rack = self.survey.rack(item.subject)
        weight = formulas.weight_kn(rack_mass_kg(self.survey, rack))
        feet = math.ceil(weight / (self.survey.room.floor_point_kn or 1) - 1e-9)
        area = _up(weight / self.survey.room.floor_kn_per_m2, 2) if self.survey.room.floor_kn_per_m2 else None
        return _join(
            _text(
                f"{rack.name} 的荷载分散到至少 {feet} 个支脚",
                f"at least {feet} feet under {rack.name}",
            ),
            _text(f"加装面积不小于 {area:g} m² 的散力架", f"a spreader plate of {area:g} m2") if area else None,
        )

    def _direction(self, item: Item) -> Text | None:
        return _join(
            _text(
                f"{'、'.join(item.detail)}:更换风扇/电源模块的风向,或装导风罩使其与同柜设备一致",
                f"{', '.join(item.detail)}: order it with the other fan direction or fit an air duct",
            )
        )

    def _unplaced(self, item: Item) -> Text | None:
        parts: list[Text] = []
        trials = self.trials
        for name in item.detail:
            move = trials.move(None, [self.survey.device(name)], self.survey.racks)
            if move is not None:
                # The next one must not be sent to the same gap.
                trials = Trials(move.after, self.limits, measure(move.after, self.limits), measure)
            parts.append(
                self._said([move] if move else [])
                or _text(
                    f"为 {name} 准备一个有 {self.survey.device(name).height_units} 个连续空闲 U 位的机柜",
                    f"a rack with {self.survey.device(name).height_units} free units in a row for {name}",
                )
            )
        return _text("、".join(p["zh"] for p in parts) + "。", "; ".join(p["en"] for p in parts) + ".")

    # room

    def _cooling(self, item: Item) -> Text | None:
        watts, _ = climate.heat_watts(self.survey)
        powers = [unit.sensible_kw or 0.0 for unit in self.survey.room.cooling_units or ()]
        count, size = more_units(powers, self.survey.room.redundant_units, watts / 1000)
        return _join(
            _text(
                f"增加 {count} 台显冷量不小于 {_up(size):g} kW 的空调(失去冗余机组时缺 {-(item.value or 0):.1f} kW)",
                f"{count} more cooling unit(s) of {_up(size):g} kW sensible each"
                f" ({-(item.value or 0):.1f} kW lack with the redundant units lost)",
            )
        )

    def _airflow(self, item: Item) -> Text | None:
        watts, _ = climate.heat_watts(self.survey)
        rise = self.survey.room.delta_t_kelvin or 0
        flows = [unit.airflow_m3_per_h or 0.0 for unit in self.survey.room.cooling_units or ()]
        needed = formulas.airflow_m3_per_h(watts, rise)
        count, size = more_units(flows, self.survey.room.redundant_units, needed)
        flow = climate.airflow_left_m3_per_h(self.survey)
        warmer = _up(formulas.delta_t_kelvin(watts, flow)) if flow else None
        return _join(
            _text(
                f"增加 {count} 台风量不小于 {_up(size, 0):.0f} m³/h 的空调",
                f"{count} more cooling unit(s) that move {_up(size, 0):.0f} m3/h each",
            ),
            _text(
                f"封闭冷热通道,使送回风温差达到 {warmer:g} K(现 {rise:g} K)",
                f"contain the aisles, so that air warms by {warmer:g} K (now {rise:g} K)",
            )
            if warmer and warmer <= MOST_DELTA_T_KELVIN
            else None,
        )

    def _grounding(self, item: Item) -> Text | None:
        present, wanted = item.value or 0, item.limit.max or 1
        parallel = math.floor(formulas.parallel_ohm(present, wanted) * 100) / 100
        return _join(
            _text(
                f"并联一组接地电阻不大于 {parallel:g} Ω 的接地极,使 {present:g} Ω 降至 {wanted:g} Ω 以下后复测",
                f"an earth electrode of {parallel:g} ohm or less in parallel, to bring {present:g} ohm down to"
                f" {wanted:g} ohm; measure again",
            )
        )

    def _inlet(self, item: Item) -> Text | None:
        value = item.value or 0
        high, low = item.limit.max, item.limit.min
        if high is not None and value > high:
            return _join(
                _text(
                    f"将送风温度降低 {_up(value - high):g} K,并检查冷通道封闭",
                    f"supply air {_up(value - high):g} K cooler; check the containment of the cold aisle",
                )
            )
        return _join(
            _text(f"将送风温度提高 {_up((low or 0) - value):g} K", f"supply air {_up((low or 0) - value):g} K warmer")
        )

    def _humidity(self, item: Item) -> Text | None:
        value, celsius, high = item.value or 0, self.survey.room.inlet_celsius, item.limit.max
        if high is None or value <= high:
            return _join(_text(f"加湿至 {item.limit.min:g} % 以上", f"humidify to at least {item.limit.min:g} %"))
        dew = "" if celsius is None else f"{formulas.dew_point_celsius(celsius, high):.1f} °C"
        return _join(
            _text(
                f"除湿:相对湿度由 {value:g} % 降至 {high:g} % 以下" + (f"({celsius:g} °C 时露点 {dew})" if dew else ""),
                f"dehumidify from {value:g} % to {high:g} %" + (f" (dew point {dew} at {celsius:g} °C)" if dew else ""),
            )
        )

    def _dew_point(self, item: Item) -> Text | None:
        celsius = self.survey.room.inlet_celsius or 0
        target = item.limit.max if item.limit.max is not None and (item.value or 0) > item.limit.max else item.limit.min
        humidity = formulas.humidity_percent(celsius, target or 0)
        return _join(
            _text(
                f"将相对湿度调至 {humidity:.0f} %({celsius:g} °C 时露点 {target:g} °C)",
                f"relative humidity of {humidity:.0f} % (dew point {target:g} °C at {celsius:g} °C)",
            )
        )

    def _height(self, item: Item) -> Text | None:
        lack = _up((item.limit.min or 0) - (item.value or 0), 2)
        return _join(
            _text(
                f"净高增加 {lack:g} m(降低架空地板或调整吊顶),或选用其他机房",
                f"{lack:g} m more height (raised floor, ceiling), or another room",
            )
        )

    # moves

    def _smallest_first(self, devices: list[Device], attribute: str) -> list[Device]:
        """Known sizes ascending: the smallest move that cures is the first that is found."""
        known = [device for device in devices if getattr(device, attribute) is not None]
        return sorted(known, key=lambda device: (getattr(device, attribute), device.role == "switch", device.name))

    def _move(self, item: Item, devices: list[Device]) -> Text | None:
        return self._said(self.trials.moves(item, devices))

    def _said(self, moves: list[Move]) -> Text | None:
        if not moves:
            return None
        zh, en = [], []
        for move in moves:
            gap = f"U{move.free[0]}-U{move.free[-1]}"
            zh.append(f"将 {move.device.name} 移至 {move.rack.name} 的 {move.units}({gap} 有 {len(move.free)}U 空闲)")
            en.append(
                f"move {move.device.name} to {move.rack.name} {move.units} ({len(move.free)} free units at {gap})"
            )
        return _text("并".join(zh), " and ".join(en))
