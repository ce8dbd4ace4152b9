"""What the simulated vendor has released: versions, what they accept, and the packages' names. Data only.

The newer release and the narrow driver are public captures of version files: driver 25.0.rc1.1, firmware 7.7.0.1.231
and toolkit 8.2.RC1; driver 24.1.rc2.2. The first release, with which the nodes come, is near to captures of driver
24.1.0 (firmware up to 7.6.99) and firmware 7.5.0.1.129; made up are its SPC numbers and what 8.1.RC1 lists.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

Range = tuple[str, str]
ARCHITECTURES = ("x86_64", "aarch64")
CHIP = "910b"


@dataclass(frozen=True)
class Driver:
    """``firmware``: the ranges that it works with. ``accepts``: the generations (C numbers) of CANN."""

    version: str
    inner: str
    accepts: tuple[str, ...]
    firmware: tuple[Range, ...]


@dataclass(frozen=True)
class Firmware:
    """``drivers``: the ranges that it works with; an upper end with a dot at its end is a prefix."""

    version: str
    package: str
    drivers: tuple[Range, ...]


@dataclass(frozen=True)
class Cann:
    """Toolkit, kernels and nnal of one version. ``build``: the version of the packages within."""

    version: str
    inner: str
    accepts: tuple[str, ...]
    build: str


@dataclass(frozen=True)
class Release:
    """Packages that belong together. ``name`` is that of the manifest."""

    name: str
    title: str
    driver: Driver
    firmware: Firmware
    cann: Cann


FIRST = Release(
    "twin-2026.1",
    "Ascend HDK 24.1.0.3, CANN 8.1.RC1 (npuforge twin, simulated)",
    Driver("24.1.0.3", "V100R001C19SPC003B220", ("C13", "C15", "C17", "C18", "C19"), (("7.0.0", "7.6.99"),)),
    Firmware("7.5.0.5.220", "24.1.0.3", (("23.0.0", "23.0.0."), ("24.0", "24.0."), ("24.1", "24.1."))),
    Cann("8.1.RC1", "V100R001C21SPC001B201", ("C15", "C18", "C19", "C20"), "7.7.0.1.238"),
)
NEWER = Release(
    "twin-2026.2",
    "Ascend HDK 25.0.RC1.1, CANN 8.2.RC1 (npuforge twin, simulated)",
    Driver("25.0.rc1.1", "V100R001C21SPC002B220", ("C17", "C18", "C19", "C20", "C21"), (("7.0.0", "7.7.99"),)),
    Firmware(
        "7.7.0.1.231",
        "25.0.rc1.1",
        (("23.0.0", "23.0.0."), ("24.0", "24.0."), ("24.1", "24.1."), ("25.0", "25.0.")),
    ),
    Cann("8.2.RC1", "V100R001C22SPC001B231", ("C15", "C18", "C19", "C20", "C21", "C23"), "8.2.0.0.201"),
)
RELEASES = (FIRST, NEWER)
# Its firmware range ends below the firmware of both releases.
NARROW = Driver("24.1.rc2.2", "V100R001C18SPC001B233", ("C30", "C13", "C15", "C17", "C18"), (("7.0.0", "7.2.99"),))
DRIVERS = (*(release.driver for release in RELEASES), NARROW)
# What the chips leave the factory with: older than both releases.
FACTORY_FIRMWARE = "7.3.0.1.231"


def driver(version: str | None) -> Driver | None:
    """The released driver of a version; None: the vendor has no such version."""
    return next((known for known in DRIVERS if known.version == version), None)


def works_with(made: Driver, firmware: str) -> bool:
    """Whether a firmware lies in one of the ranges of a driver."""
    return any(_numbers(low) <= _numbers(firmware) <= _numbers(high) for low, high in made.firmware)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def driver_info(made: Driver) -> str:
    """The driver's version.info."""
    return (
        f"Version={made.version}\nascendhal_version=7.35.23\naicpu_version=1.0\ntdt_version=1.0\nlog_version=1.0\n"
        f"prof_version=2.0\ndvppkernels_version=1.1\ntsfw_version=1.0\nInnerversion={made.inner}\n"
        f"compatible_version={_generations(made.accepts)}\ncompatible_version_fw={_ranges(made.firmware)}\n"
        f"package_version={made.version}\n"
    )


def firmware_info(made: Firmware) -> str:
    """The firmware's version.info."""
    return (
        f"Version={made.version}\nfirmware_version=1.0\npackage_version={made.package}\n"
        f"compatible_version_drv={_ranges(made.drivers)}\n"
    )


def cann_info(package: str, made: Cann, arch: str, path: str) -> str:
    """``ascend_<part>_install.info`` of a CANN package."""
    return (
        f"package_name={package}\nversion={made.version}\ninnerversion={made.inner}\n"
        f"compatible_version={_generations(made.accepts)}\narch={arch}\nos=linux\npath={path}\n"
    )


def _generations(names: tuple[str, ...]) -> str:
    return ",".join(f"[V100R001{name}]" for name in names)


def _ranges(ranges: tuple[Range, ...]) -> str:
    return ",".join(f"[{low},{high}]" for low, high in ranges)


def driver_file(version: str, arch: str) -> str:
    """The vendor writes x86-64 in names of drivers, x86_64 in those of CANN."""
    return f"Ascend-hdk-{CHIP}-npu-driver_{version}_linux-{arch.replace('_', '-')}.run"


def firmware_file(version: str) -> str:
    return f"Ascend-hdk-{CHIP}-npu-firmware_{version}.run"


def cann_file(part: str, version: str, arch: str) -> str:
    """``part``: toolkit, kernels or nnal."""
    return f"Ascend-cann-{part}{f'-{CHIP}' if part == 'kernels' else ''}_{version}_linux-{arch}.run"
