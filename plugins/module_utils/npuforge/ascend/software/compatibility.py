"""Whether driver, firmware and CANN go together, by what their own files say, both ways.

Driver and firmware each name the versions of the other that they take. The lists can disagree without a fault: a
package cannot name what came out after it (the vendor's own document pairs firmware 7.1.0.11.220, whose list ends at
23.0.0, with driver 24.1.rc1, whose list takes that firmware). So the list of the newer package decides, and the answer
says on which side it relies. ``npu-smi`` gives its own verdict of the versions that run (board: ``Compatibility``).
"""

from __future__ import annotations

from typing import NamedTuple, Sequence

from . import versions
from .version_files import Cann, Package, release


class Judgement(NamedTuple):
    """``verdict``: ok, nok or None (cannot be told). ``relied_on``: driver, firmware, both, board or None."""

    verdict: str | None
    relied_on: str | None
    sentences: list[str]


def driver_and_firmware(driver: Package, firmware: Package) -> Judgement:
    """By the two version files."""
    if driver.version is None or firmware.version is None:
        missing = "driver" if driver.version is None else "firmware"
        return Judgement(None, None, [f"the {missing}'s version is not known"])
    by_driver = (
        None if driver.firmware_ranges is None else versions.inside_any(firmware.version, driver.firmware_ranges)
    )
    by_firmware = (
        None if firmware.driver_ranges is None else versions.inside_any(driver.version, firmware.driver_ranges)
    )
    sentences = [
        _sentence("driver", driver, firmware, driver.firmware_ranges, by_driver),
        _sentence("firmware", firmware, driver, firmware.driver_ranges, by_firmware),
    ]
    if by_driver is None and by_firmware is None:
        return Judgement(None, None, sentences)
    if by_driver == by_firmware:
        return Judgement("ok" if by_driver else "nok", "both", sentences)
    if by_driver is None or by_firmware is None:
        side = "firmware" if by_driver is None else "driver"
        told = by_firmware if by_driver is None else by_driver
        return Judgement("ok" if told else "nok", side, [*sentences, f"relied on the {side}'s list, the only one"])
    order = None if firmware.package_version is None else versions.compare(driver.version, firmware.package_version)
    side = "firmware" if order is not None and order < 0 else "driver"
    told = by_firmware if side == "firmware" else by_driver
    why = "the newer package, which knows the older one" if order else "the two lists disagree"
    return Judgement("ok" if told else "nok", side, [*sentences, f"relied on the {side}'s list ({why})"])


def _sentence(one: str, mine: Package, its: Package, ranges: Sequence[versions.Range] | None, told: bool | None) -> str:
    """``one``: driver or firmware, whose list it is."""
    other = "firmware" if one == "driver" else "driver"
    if ranges is None:
        return f"{one} {mine.version} names no {other} versions that it takes"
    listed = ",".join(str(each) for each in ranges[:8])
    if told is None:
        return f"{one} {mine.version} takes {other} {listed}; whether {its.version} is among them cannot be told"
    return f"{one} {mine.version} takes {other} {listed}: {its.version} is {'' if told else 'not '}among them"


def with_boards(
    by_files: Judgement, boards: Sequence[str | None], driver: Package, loaded: str | None, *, firmware_runs: bool
) -> Judgement:
    """Join the files' verdict with what ``npu-smi`` says of each chip's board (OK, NOK, UNKNOWN).

    :param loaded: version of the driver that runs. :param firmware_runs: the installed firmware is what runs.
    """
    if "NOK" in boards:
        number = list(boards).count("NOK")
        return Judgement(
            "nok", "board", [f"npu-smi: Compatibility NOK on {number} of {len(boards)}", *by_files.sentences]
        )
    all_ok = bool(boards) and all(each == "OK" for each in boards)
    if not all_ok:
        return by_files
    words = f"npu-smi: Compatibility OK on all {len(boards)}"
    if by_files.verdict == "nok" and versions.same(driver.version, loaded) and firmware_runs:
        # The very versions that the files doubt run, and the driver itself takes them.
        return Judgement("ok", "board", [words, *by_files.sentences])
    if by_files.verdict is None and firmware_runs:
        return Judgement("ok", "board", [words, *by_files.sentences])
    return Judgement(by_files.verdict, by_files.relied_on, [words, *by_files.sentences])


def driver_and_cann(driver: Package, cann: Cann) -> Judgement:
    """By the C number of ``Innerversion``: the same one, or one that the other's ``compatible_version`` names.

    Agrees with the published pairs (CANN 8.5.0 names C23, the number of driver 25.3.rc1) and with installations seen
    running (CANN 8.2.RC2 on driver 24.1.rc2.2). It is a reading of the files, not a rule that the vendor wrote down.
    """
    mine, its = release(driver.inner), release(cann.inner)
    names = f"driver {driver.version} ({mine}) and CANN {cann.version} ({its})"
    if mine is None or its is None:
        lacking = "the driver" if mine is None else f"CANN {cann.version}"
        return Judgement(None, None, [f"{lacking} tells no Innerversion"])
    if mine == its:
        return Judgement("ok", "both", [f"{names} are of one release"])
    if mine in (cann.inners or []):
        return Judgement("ok", "cann", [f"{names}: CANN names {mine} among the drivers it takes"])
    if its in (driver.inners or []):
        return Judgement("ok", "driver", [f"{names}: the driver names {its} among those it serves"])
    if cann.inners is None or driver.inners is None:
        return Judgement(None, None, [f"{names}: a list of compatible versions is missing"])
    listed = f"CANN takes drivers {','.join(cann.inners)}; the driver serves {','.join(driver.inners)}"
    return Judgement("nok", "both", [f"{names}: neither names the other ({listed})"])
