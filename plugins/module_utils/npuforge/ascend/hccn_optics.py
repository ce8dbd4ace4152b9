"""The optical module of a port: ``hccn_tool -i N -optical -g``, and what is wrong with it.

Lines ``name : value unit`` by the tool's source (tool_ops_ip.c, tool_show_optical_info) and a sample in the fault
diagnosis guide; older tools print one ``Tx Power``, newer ones ``Tx Power0`` to ``3``. Values are mW, mV, mA, dB.
"""

from __future__ import annotations

import re
from typing import Any, Mapping

from .texts import Reading, lines, sample

SNR_LOW_DB = 8.0  # below it a link is called abnormal by the vendor's fault diagnosis (mind-cluster)
_LINE = re.compile(r"^\s{0,8}([A-Za-z][A-Za-z0-9 /()]{1,31}?)\s{0,20}: ?(.{0,80})$")
_NUMBER = re.compile(r"^(-?\d{1,7}(?:\.\d{1,6})?) (mW|mV|mA|dB|C)$")
_LANE = re.compile(r"^(Tx Power|Rx Power|Tx Bias|Host SNR Lane|Media SNR Lane)(\d{0,2})$")
_FLAG = re.compile(r"^0x([0-9A-Fa-f]{1,4})$")
_LANES = {
    "Tx Power": ("tx_power_mw", "mW"),
    "Rx Power": ("rx_power_mw", "mW"),
    "Tx Bias": ("tx_bias_ma", "mA"),
    "Host SNR Lane": ("host_snr_db", "dB"),
    "Media SNR Lane": ("snr_db", "dB"),
}
_SINGLES = {
    "temperature": ("temperature_celsius", "C"),
    "Vcc": ("vcc_mv", "mV"),
    "Vcc High Thres": ("vcc_high_mv", "mV"),
    "Vcc Low Thres": ("vcc_low_mv", "mV"),
    "Temp High Thres": ("temperature_high_celsius", "C"),
    "Temp Low Thres": ("temperature_low_celsius", "C"),
    "TxPower High Thres": ("tx_power_high_mw", "mW"),
    "TxPower Low Thres": ("tx_power_low_mw", "mW"),
    "RxPower High Thres": ("rx_power_high_mw", "mW"),
    "RxPower Low Thres": ("rx_power_low_mw", "mW"),
}
_FLAGS = {"Tx Los Flag": "tx_los", "Rx Los Flag": "rx_los", "Tx LoL Flag": "tx_lol", "Rx LoL Flag": "rx_lol"}
_WORDS = {
    "vendor name": "vendor",
    "vendor part number": "part_number",
    "vendor serial number": "serial",
    "manufact date code": "date_code",
}


def parse_optical(text: Any, device: int | None = None) -> Reading:
    """``{"present": bool, ...}``; powers, bias and SNR are lists by lane (None: not told), limits single numbers.

    Without a module nothing else is told, whatever the tool prints of it.
    """
    rows = lines(text)
    if "Optical module is not present." in rows and not any(row == "optical info:" for row in rows):
        return Reading({"present": False})
    found: dict[str, str] = {}
    for row in rows:
        match = _LINE.match(row)
        if match is None:
            continue
        name, value = match.group(1), match.group(2).strip()
        if name in found:
            return Reading(None, "two answers in one")
        found[name] = value
    word = found.get("present")
    if word == "not present":
        return Reading({"present": False})
    if word != "present":
        return Reading(None, f"unknown answer: {sample(text)}")
    # A copper cable has nothing to measure; the tool says so of its temperature.
    facts: dict[str, Any] = {"present": True, "diagnostics": found.get("temperature") != "not supported"}
    facts.update({key: _number(found.get(name), unit) for name, (key, unit) in _SINGLES.items()})
    facts.update({key: _flag(found.get(name)) for name, key in _FLAGS.items()})
    facts.update({key: found.get(name) or None for name, key in _WORDS.items()})
    for key, unit in _LANES.values():
        facts[key] = _lanes(found, key, unit)
    return Reading(facts)


def _number(text: str | None, unit: str) -> float | None:
    match = _NUMBER.match(text or "")
    return float(match.group(1)) if match is not None and match.group(2) == unit else None


def _flag(text: str | None) -> int | None:
    match = _FLAG.match(text or "")
    return int(match.group(1), 16) if match is not None else None


def _lanes(found: Mapping[str, str], key: str, unit: str) -> list[float | None] | None:
    """Values in the order of the lanes; None: no lane is told."""
    lanes: dict[int, float | None] = {}
    for name, text in found.items():
        match = _LANE.match(name)
        if match is not None and _LANES[match.group(1)][0] == key:
            lanes[int(match.group(2) or 0)] = _number(text, unit)
    # Lanes that the module does not have read "NA" at the end of the list.
    values = [lanes[lane] for lane in sorted(lanes)]
    while values and values[-1] is None:
        values.pop()
    return values or None


def problems(name: str, module: Mapping[str, Any] | None, given: Mapping[str, Any] | None = None) -> Reading:
    """Sentences on a module that is missing or weak.

    :param name: how the port is called, ``node2 NPU3``.
    :param given: limits of the plan (``rx_power_low_mw``, ``tx_power_low_mw``, ``snr_low_db``), taken where the module
        tells none of its own.
    """
    if module is None:
        return Reading(None, "the module was not read")
    if not module["present"]:
        return Reading([f"{name}: no optical module or cable is plugged in"])
    if not module["diagnostics"]:
        return Reading([])
    limits = given or {}
    told: list[str] = []
    judged = False
    for way in ("rx", "tx"):
        powers = [power for power in module.get(f"{way}_power_mw") or [] if power is not None]
        own = module.get(f"{way}_power_low_mw")
        low = own if own else limits.get(f"{way}_power_low_mw")
        if powers and low is not None:
            judged = True
            if min(powers) < low:
                lane = (module[f"{way}_power_mw"]).index(min(powers))
                source = "its own limit" if own else "the plan's limit"
                told.append(
                    f"{name}: {way.upper()} power of lane {lane} is {min(powers):.4f} mW, below {source} {low:.4f} mW"
                )
    snr = [value for value in module.get("snr_db") or [] if value is not None]
    low_snr = limits.get("snr_low_db", SNR_LOW_DB)
    if snr:
        judged = True
        if min(snr) < low_snr:
            told.append(
                f"{name}: SNR of lane {module['snr_db'].index(min(snr))} is {min(snr):.1f} dB, below {low_snr:g} dB"
            )
    # One bit a lane; a module that serves two ports flags the other port's lanes, too.
    dark = (module.get("rx_los") or 0) & ((1 << len(module.get("rx_power_mw") or [])) - 1)
    if dark:
        told.append(f"{name}: the module receives no light (Rx Los Flag 0x{module['rx_los']:x})")
    if not judged:
        return Reading(None, "the module tells neither power nor SNR that could be judged")
    return Reading(told)
