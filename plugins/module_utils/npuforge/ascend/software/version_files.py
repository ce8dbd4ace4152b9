"""Files of ``key=value`` lines that the vendor's packages leave behind, as they are.

``/usr/local/Ascend/{driver,firmware}/version.info``, ``/etc/ascend_install.info``, ``ascend_toolkit_install.info``.
Keys differ between releases (captures: driver 24.1.rc2.2 to 25.3.rc1, firmware 7.1 to 7.8, CANN 8.2.RC1); a file that
was cut off while it was written has no end of line, and its last line does not count.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ..texts import lines, sample
from . import versions
from .versions import Range

_LINE = re.compile(r"^([A-Za-z][A-Za-z0-9_ -]{0,63}?)\s{0,8}=\s{0,8}(.{0,1900})$")
_INNER = re.compile(r"^V\d{3}R\d{3}(C\d{1,4})")
_INNERS = re.compile(r"^\[(V\d{3}R\d{3}C\d{1,4})\](?:\s{0,4},\s{0,4}\[(V\d{3}R\d{3}C\d{1,4})\]){0,63}$")
COMPLETE = "complete"


class Package(NamedTuple):
    """A ``version.info``. ``problem``: why there is no version in it (None: there is one)."""

    version: str | None
    problem: str | None = None
    package_version: str | None = None
    inner: str | None = None
    inners: list[str] | None = None
    firmware_ranges: list[Range] | None = None
    driver_ranges: list[Range] | None = None


class InstallInfo(NamedTuple):
    """``/etc/ascend_install.info``. ``status``: text of Driver_Install_Status, None where the key is missing."""

    present: bool = False
    user: str | None = None
    group: str | None = None
    path: str | None = None
    status: str | None = None
    doubted: bool = False


class Cann(NamedTuple):
    """An ``ascend_*_install.info`` of CANN."""

    package: str | None
    version: str | None
    inner: str | None
    inners: list[str] | None
    arch: str | None
    path: str | None


ABSENT = Package(None, "there is no such file")


def values(text: str | None) -> tuple[dict[str, str], set[str]]:
    """(keys in lower case with their values, keys that stand with two values). What stands twice has its last value."""
    found: dict[str, str] = {}
    doubted: set[str] = set()
    for row in lines(text or ""):
        match = _LINE.match(row)
        if match is None:
            continue
        key, value = match.group(1).lower(), match.group(2).strip().strip('"')
        if key in found and found[key] != value:
            doubted.add(key)
        found[key] = value
    return found, doubted


def parse_package(text: str | None) -> Package:
    """A driver's or a firmware's ``version.info``; one without a whole version says why."""
    if text is None:
        return ABSENT
    found, doubted = values(text)
    version = found.get("version")
    if version is None or not versions.is_version(version) or "version" in doubted:
        why = "two versions in one file" if "version" in doubted else f"no whole version in it: {sample(text)}"
        return Package(None, why)
    package = found.get("package_version")
    inner = found.get("innerversion")
    return Package(
        version,
        None,
        package if versions.is_version(package) else None,
        inner if inner is not None and _INNER.match(inner) else None,
        parse_inners(found.get("compatible_version")),
        versions.parse_ranges(found.get("compatible_version_fw")),
        versions.parse_ranges(found.get("compatible_version_drv")),
    )


def parse_install_info(text: str | None) -> InstallInfo:
    """What the driver's installer keeps about itself. It appends its status at the very end (vendor's install.sh)."""
    if text is None:
        return InstallInfo()
    found, doubted = values(text)
    return InstallInfo(
        True,
        found.get("username") or None,
        found.get("usergroup") or None,
        found.get("driver_install_path_param") or None,
        found.get("driver_install_status"),
        "driver_install_status" in doubted,
    )


def parse_cann(text: str | None) -> Cann | None:
    """None: no such file, or nothing of a package in it."""
    found, doubted = values(text)
    version = found.get("version")
    name = found.get("package_name")
    if not versions.is_version(version) or name is None or doubted & {"version", "package_name"}:
        return None
    inner = found.get("innerversion")
    return Cann(
        name,
        version,
        inner if inner is not None and _INNER.match(inner) else None,
        parse_inners(found.get("compatible_version")),
        found.get("arch") or None,
        found.get("path") or None,
    )


def parse_inners(text: str | None) -> list[str] | None:
    """``[V100R001C15],[V100R001C18]`` -> ``["C15", "C18"]``; None: anything else, also a list that was cut off."""
    words = (text or "").strip()
    if _INNERS.match(words) is None:
        return None
    return [each[len("V100R001") :] for each in re.findall(r"V\d{3}R\d{3}C\d{1,4}", words)]


def release(inner: str | None) -> str | None:
    """``V100R001C22SPC001B231`` -> ``C22``."""
    match = _INNER.match(inner or "")
    return None if match is None else match.group(1)
