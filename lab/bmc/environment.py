"""Cooling and power of the chassis, in the old schema (Thermal, Power) and the new one, and the sensors behind both."""

from __future__ import annotations

from lab.bmc.context import Context, shown
from lab.bmc.odata import CHASSIS, Json, Resource, Tree, collection, entity, link, status
from lab.physics import Part, Sensor

READING_TYPES = {"temperature": "Temperature", "fan": "Rotational", "voltage": "Voltage", "power": "Power"}


def _sensor_id(sensor: Sensor) -> str:
    return sensor.name.replace(" ", "")


def _sensor_path(sensor: Sensor) -> str:
    return f"{CHASSIS}/Sensors/{_sensor_id(sensor)}"


def _sensor_status(context: Context, sensor: Sensor) -> Json:
    if not sensor.present:
        return status("Absent", None)
    if sensor.value is None:
        return status("UnavailableOffline" if context.view.powered else "StandbyOffline", None)
    return status("Enabled", sensor.severity)


def sensors(context: Context, tree: Tree) -> Json:
    members = []
    for sensor in context.view.sensors:
        path = _sensor_path(sensor)
        members.append(path)
        limits = {
            "LowerCritical": sensor.lower_critical,
            "UpperCaution": sensor.upper_caution,
            "UpperCritical": sensor.upper_critical,
        }
        body = entity(
            path,
            "Sensor",
            _sensor_id(sensor),
            sensor.name,
            ReadingType=READING_TYPES[sensor.kind],
            Reading=sensor.value,
            ReadingUnits={"Cel": "Cel", "RPM": "{rev}/min", "V": "V", "W": "W"}[sensor.unit],  # UCUM
            PhysicalContext=sensor.context,
            Status=_sensor_status(context, sensor),
            Thresholds={key: {"Reading": limit} for key, limit in limits.items() if limit is not None},
        )
        tree[path] = Resource(body)
    return collection(tree, f"{CHASSIS}/Sensors", "Sensor", members)


def _temperatures(context: Context) -> list[Sensor]:
    return [sensor for sensor in context.view.sensors if sensor.kind == "temperature"]


def thermal(context: Context, tree: Tree) -> Json:
    path = f"{CHASSIS}/Thermal"
    temperatures = [
        {
            "@odata.id": f"{path}#/Temperatures/{index}",
            "MemberId": str(index),
            "Name": sensor.name,
            "ReadingCelsius": sensor.value,
            "UpperThresholdNonCritical": sensor.upper_caution,
            "UpperThresholdCritical": sensor.upper_critical,
            "PhysicalContext": sensor.context,
            "Status": _sensor_status(context, sensor),
        }
        for index, sensor in enumerate(_temperatures(context))
    ]
    fans = [
        {
            "@odata.id": f"{path}#/Fans/{index}",
            "MemberId": str(index),
            "Name": part.slot,
            "Model": shown(part, "model"),
            "PartNumber": shown(part, "part_number"),
            "Reading": part.readings["rpm"],
            "ReadingUnits": "RPM",
            "LowerThresholdCritical": shown(part, "lower_critical_rpm"),
            "MaxReadingRange": shown(part, "max_rpm"),
            "MinReadingRange": 0,
            "PhysicalContext": "Fan",
            "Status": status(part.state, part.health),
        }
        for index, part in enumerate(context.view.fans)
    ]
    rollup = context.view.rollups["fan"]
    tree[path] = Resource(
        entity(
            path,
            "Thermal",
            "Thermal",
            "Thermal",
            Temperatures=temperatures,
            Fans=fans,
            **{"Temperatures@odata.count": len(temperatures), "Fans@odata.count": len(fans)},
            Status=status("Enabled", "OK" if context.ibmc else rollup),
            Oem=context.oem(FanSummary={"Status": {"HealthRollup": rollup}}),
        )
    )
    return link(path)


def power(context: Context, tree: Tree) -> Json:
    path = f"{CHASSIS}/Power"
    supplies = [
        {
            "@odata.id": f"{path}#/PowerSupplies/{index}",
            "MemberId": str(index),
            "Name": part.slot,
            "PowerSupplyType": "AC" if part.present else None,
            "LineInputVoltage": part.readings["input_volts"],
            "LineInputVoltageType": "ACMidLine" if part.present else None,
            "PowerInputWatts": part.readings["input_watts"],
            "PowerOutputWatts": part.readings["output_watts"],
            "LastPowerOutputWatts": part.readings["output_watts"],
            "PowerCapacityWatts": shown(part, "capacity_watts"),
            "Manufacturer": shown(part, "manufacturer"),
            "Model": shown(part, "model"),
            "SerialNumber": shown(part, "serial"),
            "PartNumber": shown(part, "part_number"),
            "FirmwareVersion": shown(part, "firmware"),
            "Status": status(part.state, part.health),
        }
        for index, part in enumerate(context.view.psus)
    ]
    control = {
        "@odata.id": f"{path}#/PowerControl/0",
        "MemberId": "0",
        "Name": "System Power Control",
        "PowerConsumedWatts": context.view.power_watts,
        "PowerCapacityWatts": _capacity(context),
        "Status": status("Enabled", "OK"),
    }
    tree[path] = Resource(
        entity(
            path,
            "Power",
            "Power",
            "Power",
            PowerControl=[control],
            PowerSupplies=supplies,
            **{"PowerControl@odata.count": 1, "PowerSupplies@odata.count": len(supplies)},
        )
    )
    return link(path)


def _capacity(context: Context) -> float:
    return sum(part.truth["capacity_watts"] or 0 for part in context.view.psus if part.present)


def _sensor_of(context: Context, part: Part, kind: str) -> Sensor:
    return next(sensor for sensor in context.view.sensors if sensor.slot == part.slot and sensor.kind == kind)


def thermal_subsystem(context: Context, tree: Tree) -> Json:
    path = f"{CHASSIS}/ThermalSubsystem"
    members = []
    for part in context.view.fans:
        fan = f"{path}/Fans/{part.slot}"
        members.append(fan)
        rpm, top = part.readings["rpm"], part.truth["max_rpm"]
        speed: Json = {
            "DataSourceUri": _sensor_path(_sensor_of(context, part, "fan")),
            "SpeedRPM": rpm,
            "Reading": round(100 * rpm / top, 1) if rpm is not None and top else None,
        }
        body = entity(
            fan,
            "Fan",
            part.slot,
            part.slot,
            Model=shown(part, "model"),
            PartNumber=shown(part, "part_number"),
            HotPluggable=True,
            PhysicalContext="Chassis",
            SpeedPercent=speed,
            Status=status(part.state, part.health),
        )
        tree[fan] = Resource(body)
    fans = collection(tree, f"{path}/Fans", "Fan", members)
    metrics = f"{path}/ThermalMetrics"
    readings = [
        {
            "DataSourceUri": _sensor_path(sensor),
            "DeviceName": sensor.name,
            "PhysicalContext": sensor.context,
            "Reading": sensor.value,
        }
        for sensor in _temperatures(context)
    ]
    summary = {
        sensor.context: {"DataSourceUri": _sensor_path(sensor), "Reading": sensor.value}
        for sensor in _temperatures(context)
        if sensor.context in ("Intake", "Exhaust")
    }
    tree[metrics] = Resource(
        entity(
            metrics,
            "ThermalMetrics",
            "ThermalMetrics",
            "Thermal Metrics",
            TemperatureReadingsCelsius=readings,
            **{"TemperatureReadingsCelsius@odata.count": len(readings)},
            TemperatureSummaryCelsius=summary,
        )
    )
    tree[path] = Resource(
        entity(
            path,
            "ThermalSubsystem",
            "ThermalSubsystem",
            "Thermal Subsystem",
            Fans=fans,
            ThermalMetrics=link(metrics),
            Status=status("Enabled", "OK", context.view.rollups["fan"]),
        )
    )
    return link(path)


def power_subsystem(context: Context, tree: Tree) -> Json:
    path = f"{CHASSIS}/PowerSubsystem"
    members = []
    for part in context.view.psus:
        supply = f"{path}/PowerSupplies/{part.slot}"
        members.append(supply)
        volts, output = _sensor_of(context, part, "voltage"), _sensor_of(context, part, "power")
        metrics = f"{supply}/Metrics"
        tree[metrics] = Resource(
            entity(
                metrics,
                "PowerSupplyMetrics",
                "Metrics",
                f"{part.slot} Metrics",
                InputVoltage={"DataSourceUri": _sensor_path(volts), "Reading": volts.value},
                InputPowerWatts={"Reading": part.readings["input_watts"]},
                OutputPowerWatts={"DataSourceUri": _sensor_path(output), "Reading": output.value},
                Status=status(part.state, part.health),
            )
        )
        lost = part.present and not part.truth["input_connected"]
        body = entity(
            supply,
            "PowerSupply",
            part.slot,
            part.slot,
            PowerSupplyType="AC" if part.present else None,
            PowerCapacityWatts=shown(part, "capacity_watts"),
            LineInputStatus=("LossOfInput" if lost else "Normal") if part.present else None,
            Manufacturer=shown(part, "manufacturer"),
            Model=shown(part, "model"),
            SerialNumber=shown(part, "serial"),
            PartNumber=shown(part, "part_number"),
            FirmwareVersion=shown(part, "firmware"),
            HotPluggable=True,
            Metrics=link(metrics),
            Status=status(part.state, part.health),
        )
        tree[supply] = Resource(body)
    supplies = collection(tree, f"{path}/PowerSupplies", "PowerSupply", members)
    tree[path] = Resource(
        entity(
            path,
            "PowerSubsystem",
            "PowerSubsystem",
            "Power Subsystem",
            CapacityWatts=_capacity(context),
            PowerSupplies=supplies,
            Status=status("Enabled", "OK", context.view.rollups["psu"]),
        )
    )
    return link(path)


def metrics(context: Context, tree: Tree) -> Json:
    path = f"{CHASSIS}/EnvironmentMetrics"
    total = next(sensor for sensor in context.view.sensors if sensor.name == "Total Power")
    body = entity(
        path,
        "EnvironmentMetrics",
        "EnvironmentMetrics",
        "Chassis Environment Metrics",
        PowerWatts={"DataSourceUri": _sensor_path(total), "Reading": total.value},
    )
    tree[path] = Resource(body)
    return link(path)
