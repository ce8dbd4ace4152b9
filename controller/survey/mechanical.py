"""Racks: units, depth, power budget, direction of air, and what the floor bears."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from controller.survey.formulas import weight_kn
from controller.survey.items import Item, Limits, item
from controller.survey.model import Device, Rack, Survey


def rack_items(survey: Survey, limits: Limits) -> Iterator[Item]:
    for rack in survey.racks:
        yield units_item(survey, rack, limits)
        yield _power(survey, rack, limits)
        yield _depth(survey, rack, limits)
        yield from _floor(survey, rack, limits)
        yield _airflow(survey, rack, limits)


def site_items(survey: Survey, limits: Limits) -> Iterator[Item]:
    unplaced = [device.name for device in survey.devices if device.rack is None]
    yield item(
        "devices_unplaced_count",
        ("site", survey.site),
        len(unplaced),
        limits["devices_unplaced_count"],
        f"{len(survey.devices)} devices, {len(unplaced)} without rack and unit",
        detail=unplaced,
    )


def occupancy(survey: Survey, rack: Rack) -> dict[int, list[str]]:
    """Who takes each unit, also units outside the rack. Equipment that is not ours is called ``(in use)``."""
    units: dict[int, list[str]] = {unit: ["(in use)"] for unit in rack.used_units}
    for device in survey.in_rack(rack.name):
        for unit in device.occupies:
            units.setdefault(unit, []).append(device.name)
    return units


def free_spans(survey: Survey, rack: Rack) -> list[range]:
    """The gaps of a rack, lowest first."""
    taken = occupancy(survey, rack)
    spans: list[range] = []
    start = None
    for unit in range(1, rack.units + 2):
        free = unit <= rack.units and unit not in taken
        if free and start is None:
            start = unit
        elif not free and start is not None:
            spans.append(range(start, unit))
            start = None
    return spans


def lowest_gap(survey: Survey, rack: Rack, height_units: int) -> int | None:
    """Where a device of that height fits; the lowest, as heavy machines belong low."""
    return next((span[0] for span in free_spans(survey, rack) if len(span) >= height_units), None)


def units_item(survey: Survey, rack: Rack, limits: Limits) -> Item:
    """Free units; below zero as many as are taken twice or lie outside the rack."""
    taken = occupancy(survey, rack)
    conflicts: Counter[str] = Counter()
    wrong = 0
    for unit, names in taken.items():
        if not 1 <= unit <= rack.units:
            conflicts[f"{names[0]} reaches outside the rack (U1-U{rack.units})"] += 1
            wrong += 1
        elif len(names) > 1:
            conflicts[f"{' and '.join(sorted(names))} overlap"] += 1
            wrong += 1
    used = sum(1 for unit in taken if 1 <= unit <= rack.units)
    free = rack.units - used
    return item(
        "rack_units_free",
        ("rack", rack.name),
        -wrong if wrong else free,
        limits["rack_units_free"],
        f"{rack.units} U - {used} U taken = {free} U free; {wrong} U in conflict",
        check="survey.rack_units",
        detail=[f"{text}: {count} U" for text, count in sorted(conflicts.items())],
    )


def _lacking(devices: tuple[Device, ...], attribute: str) -> list[str]:
    return [f"devices.{device.name}.{attribute}" for device in devices if getattr(device, attribute) is None]


def _power(survey: Survey, rack: Rack, limits: Limits) -> Item:
    devices = survey.in_rack(rack.name)
    watts = sum(device.max_watts or 0 for device in devices) + rack.other_load_kw * 1000
    missing = _lacking(devices, "max_watts")
    budget = rack.power_budget_kw
    if budget is None:
        missing.append(f"racks.{rack.name}.power_budget_kw")
    return item(
        "rack_power_percent",
        ("rack", rack.name),
        None if budget is None else watts / budget / 10,
        limits["rack_power_percent"],
        f"{watts:.0f} W / {'unknown' if budget is None else f'{budget * 1000:.0f} W'}",
        check="survey.rack_power",
        missing=missing,
    )


def _depth(survey: Survey, rack: Rack, limits: Limits) -> Item:
    devices = survey.in_rack(rack.name)
    missing = _lacking(devices, "depth_mm")
    clearance = limits.parameter("rack_depth_clearance_mm")
    deepest = max((device for device in devices if device.depth_mm), key=lambda d: d.depth_mm or 0, default=None)
    depth = rack.usable_depth_mm
    if depth is None:
        missing.append(f"racks.{rack.name}.usable_depth_mm")
    needed = (deepest.depth_mm or 0) + clearance if deepest else 0.0
    formula = f"{'unknown' if depth is None else f'{depth:g}'} mm"
    formula += f" - {deepest.name} {deepest.depth_mm:g} mm - {clearance:g} mm" if deepest else ", no device"
    return item(
        "rack_depth_margin_mm",
        ("rack", rack.name),
        None if depth is None else depth - needed,
        limits["rack_depth_margin_mm"],
        formula,
        check="survey.rack_depth",
        missing=missing,
        detail=[deepest.name] if deepest else [],
    )


def rack_mass_kg(survey: Survey, rack: Rack) -> float:
    """Rack and all that is in it; unknown masses count nothing."""
    return (rack.mass_kg or 0) + rack.other_mass_kg + sum(device.mass_kg or 0 for device in survey.in_rack(rack.name))


def _floor(survey: Survey, rack: Rack, limits: Limits) -> Iterator[Item]:
    missing = _lacking(survey.in_rack(rack.name), "mass_kg")
    missing += [] if rack.mass_kg else [f"racks.{rack.name}.mass_kg"]
    mass = rack_mass_kg(survey, rack)
    weight = weight_kn(mass)
    # A rack on a spreader plate loads the floor over the plate.
    area = rack.spread_m2 or rack.footprint_m2
    capacity = survey.room.floor_kn_per_m2
    lacking = [] if area else [f"racks.{rack.name}.footprint_m2"]
    lacking += [] if capacity else ["room.floor.capacity_kn_per_m2"]
    value, formula = None, f"{mass:.0f} kg x 9.81 / 1000 = {weight:.2f} kN"
    if area and capacity:
        value = capacity - weight / area
        formula = f"{capacity:g} kN/m2 - {mass:.0f} kg x 9.81 / 1000 / {area:g} m2 (= {weight / area:.2f} kN/m2)"
    yield item(
        "floor_margin_kn_per_m2",
        ("rack", rack.name),
        value,
        limits["floor_margin_kn_per_m2"],
        formula,
        check="survey.floor_load",
        missing=missing + lacking,
    )
    point = survey.room.floor_point_kn
    lacking = [] if rack.feet else [f"racks.{rack.name}.feet"]
    lacking += [] if point else ["room.floor.point_capacity_kn"]
    value, formula = None, f"{weight:.2f} kN on the feet"
    if rack.spread_m2:
        # The plate takes the feet's load: no point load is left to judge.
        value, lacking, missing = point or 0.0, [], []
        formula = f"on a spreader plate of {rack.spread_m2:g} m2: no point load"
    elif point and rack.feet:
        value = point - weight / rack.feet
        formula = f"{point:g} kN - {weight:.2f} kN / {rack.feet} feet (= {weight / rack.feet:.2f} kN)"
    yield item(
        "floor_point_margin_kn",
        ("rack", rack.name),
        value,
        limits["floor_point_margin_kn"],
        formula,
        missing=missing + lacking,
    )


def _airflow(survey: Survey, rack: Rack, limits: Limits) -> Item:
    devices = [device for device in survey.in_rack(rack.name) if device.airflow != "none"]
    directions = Counter(device.airflow for device in devices if device.airflow)
    usual = directions.most_common(1)[0][0] if directions else None
    odd = [f"{device.name} blows {device.airflow}" for device in devices if device.airflow not in (None, usual)]
    return item(
        "airflow_conflicts_count",
        ("rack", rack.name),
        len(odd),
        limits["airflow_conflicts_count"],
        f"{len(devices)} devices, {len(odd)} not {usual or 'known'}",
        missing=[f"devices.{device.name}.airflow" for device in devices if device.airflow is None],
        detail=odd,
    )
