"""What ``ipmi_sim`` is told about a node: lan.conf(5), the emulator file, and the commands that keep it current.

Tried against OpenIPMI 2.0.33. What its manual does not say: user names hold 15 bytes and passwords 19; a threshold
counts only after the value was set again, and stays crossed when it is disabled; adding FRU data twice crashes it, but
a FRU that is a *file* is read at each request (no file: "Device not present"); ``sensor_set_bit_clr_rest`` logs events
even when told not to; ``persist_sdr`` would add the records again at each start; cipher suite 3 works, 17 is not known
to it; boot flags never say that they are valid.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from lab.ipmi import fru, sdr, sel, sensors
from lab.ipmi.sensors import Analog, Reading, Sensor, State

MC = f"0x{sdr.BMC_ADDRESS:02x}"
HUAWEI = 2011  # IANA enterprise number
PRODUCT_ID = 1
DEVICE_SUPPORT = 0x9F  # chassis, event receiver, FRU, SEL, SDR repository, sensors
SEL_SUPPORT = 0x0A  # reserve, delete
SESSIONS = 10
USER_MAX, PASSWORD_MAX = 15, 19
PLAIN = re.compile(r"[!#-\[\]-~]+")  # ASCII that needs no quoting in lan.conf
THRESHOLD_ORDER = (None, sdr.UPPER_CRITICAL, sdr.UPPER_CAUTION, None, sdr.LOWER_CRITICAL, None)  # UNR .. LNC


@dataclass(frozen=True)
class Paths:
    """Where one node's simulator keeps its files."""

    root: Path

    @property
    def lan(self) -> Path:
        return self.root / "lan.conf"

    @property
    def emulator(self) -> Path:
        return self.root / "bmc.emu"

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def password(self) -> Path:
        return self.root / "password"

    def sel(self, name: str) -> Path:
        """The SEL as ``ipmi_sim`` keeps it, rewritten at each change."""
        return self.state / "ipmi_sim" / name / "sel.20"

    def fru(self, fru_id: int) -> Path:
        return self.root / f"fru{fru_id}.bin"


def lan_conf(node: Mapping[str, Any], password: str, chassis_command: list[str]) -> str:
    """lan.conf: where to listen, who may come in, and the program behind the power button.

    ValueError: a name or password that ``ipmi_sim`` would cut short or misread.
    """
    bmc = node["bmc"]
    for what, value, longest in (("user", bmc["user"], USER_MAX), ("password", password, PASSWORD_MAX)):
        if not PLAIN.fullmatch(value) or len(value.encode()) > longest:
            raise ValueError(f"{node['name']}: IPMI {what}: 1 to {longest} of ASCII, no blank, quote or backslash")
    command = shlex.join([*chassis_command, MC])
    if '"' in command:
        raise ValueError(f"{node['name']}: lan.conf cannot hold a double quote: {command}")
    return "\n".join(
        [
            f'name "{node["name"]}"',
            f"set_working_mc {MC}",
            f'  chassis_control "{command}"',
            "  startlan 1",
            f"    addr {bmc['address']} {bmc['ipmi_port']}",
            "    priv_limit admin",
            *(f"    allowed_auths_{level} md5" for level in ("callback", "user", "operator", "admin")),
            # GET SYSTEM GUID goes least significant byte first.
            f"    guid {UUID(node['uuid']).bytes[::-1].hex()}",
            "  endlan",
            f'  user 2 true "{bmc["user"]}" "{password}" admin {SESSIONS} md5',
            "",
        ]
    )


def structure(node: Mapping[str, Any], catalogue: list[Sensor], paths: Paths) -> list[str]:
    """Emulator commands for what the machine is made of. A change here needs a new process."""
    firmware = "0x{:02x} 0x{:02x}".format(*_firmware(node["bmc"]["firmware"]))
    lines = [
        f"mc_setbmc {MC}",
        f"mc_add {MC} 0 no-device-sdrs 0x01 {firmware} 0x{DEVICE_SUPPORT:02x} 0x{HUAWEI:06x} 0x{PRODUCT_ID:04x}",
        f"sel_enable {MC} {sel.CAPACITY} 0x{SEL_SUPPORT:02x}",
        _sdr(sdr.controller_locator(node["bmc"]["model"])),
    ]
    for sensor in catalogue:
        number = sensor.place.number
        lines.append(_sdr(sensor.record()))
        lines.append(f"sensor_add {MC} 0 {number} {sensor.sensor_type} 0x{sensor.reading_type:02x}")
    for fru_id, _ in frus(node):
        lines.append(f'mc_add_fru_data {MC} {fru_id} {fru.SIZE} file 0 "{paths.fru(fru_id)}"')
    for index, psu in enumerate(node["psus"], 1):
        lines.append(_sdr(sdr.fru_locator(index, sensors.PSU_ENTITY, index, psu["slot"])))
    return lines


def frus(node: Mapping[str, Any]) -> list[tuple[int, bytes | None]]:
    """``(FRU id, data)``: 0 is the server, then one per power supply; None = not there."""
    supplies = [fru.power_supply(psu) if psu["present"] else None for psu in node["psus"]]
    return list(enumerate([fru.system(node), *supplies]))


def changes(
    catalogue: Iterable[Sensor], before: Mapping[int, State], after: Mapping[int, State], power_up: bool = False
) -> list[str]:
    """The commands that lead from one state to the next. ``power_up``: everything is said, whatever was before."""
    lines: list[str] = []
    for sensor in catalogue:
        number = sensor.place.number
        old, new = before.get(number), after[number]
        if isinstance(new, Reading):
            if power_up or new != old:
                lines += _analog(sensor, new)
        elif not isinstance(old, Reading):
            different = (old or 0) ^ new
            lines += [
                f"sensor_set_bit {MC} 0 {number} {bit} {new >> bit & 1} 0" for bit in range(15) if different >> bit & 1
            ]
    return lines


def _analog(sensor: Sensor, new: Reading) -> list[str]:
    number, none = sensor.place.number, "0" * 15
    scanning = "disable no-scanning" if new.value is None else "enable scanning"
    lines = [f"sensor_set_event_support {MC} 0 {number} {scanning} per-state {none} {none} {none} {none}"]
    if new.value is None:
        return lines
    if isinstance(sensor, Analog) and sensor.limits:
        enabled = "".join("1" if offset in new.limits else "0" for offset in THRESHOLD_ORDER)
        values = " ".join(str(new.limits.get(offset, 0)) if offset is not None else "0" for offset in THRESHOLD_ORDER)
        lines.append(f"sensor_set_threshold {MC} 0 {number} settable {enabled} {values}")
        # What was crossed stays crossed for a limit that is no longer in force, so it is taken back by hand.
        bits = [5 - place for place, offset in enumerate(THRESHOLD_ORDER) if offset not in new.limits]
        lines += [f"sensor_set_bit {MC} 0 {number} {bit} 0 0" for bit in bits]
    lines.append(f"sensor_set_value {MC} 0 {number} {new.value} 0")
    return lines


def _sdr(record: list[int]) -> str:
    return f"main_sdr_add {MC} " + " ".join(f"0x{byte:02x}" for byte in record)


def _firmware(version: str) -> tuple[int, int]:
    """Major (7 bits) and minor (BCD) of "5.03.02.11"; what is no number is 0, as in a BMC that does not say."""
    numbers = [*re.findall(r"\d+", version), "0", "0"]
    return min(int(numbers[0]), 0x7F), int(numbers[1][:2], 16)
