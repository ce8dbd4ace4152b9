"""Versions, ranges, version files, compatibility, installers' logs and errors: as they are, torn, mixed and foreign."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from npu_software_helpers import driver_file, firmware_file
from npuforge.ascend.software import compatibility, errors, install_log, version_files, versions
from npuforge.ascend.software.versions import Range

DRIVER_LOG = """[Driver] [2026-11-24 10:00:00] [INFO]Start time: 2026-11-24 10:00:00
[Driver] [2026-11-24 10:00:00] [WARNING]\x1b[33m\
Do not power off or restart the system during the installation/upgrade\x1b[0m
[Driver] [2026-11-24 10:00:01] [INFO]set username and usergroup, HwHiAiUser:HwHiAiUser
[Driver] [2026-11-24 10:00:02] [INFO]driver install type: DKMS
[Driver] [2026-11-24 10:00:03] [INFO]upgradePercentage:10%
[Driver] [2026-11-24 10:00:09] [INFO]upgradePercentage:100%
"""
NOW = (
    "[Driver] [2026-11-24 10:01:00] [INFO]Driver package installed successfully! "
    "The new version takes effect immediately. \n"
)
LATER = (
    "[Driver] [2026-11-24 10:01:00] [INFO]\x1b[32mDriver package upgraded successfully! \x1b[0m\x1b[31m"
    "Reboot needed for installation/upgrade to take effect! \x1b[0m\n"
)
STUCK = (
    "[Driver] [2026-11-24 10:01:00] [INFO]Driver package upgraded finished! \n[Driver] [2026-11-24 10:01:00] [WARNING]"
    "Kernel modules can not be removed, reboot needed for installation/upgrade to take effect! \n"
)
FIRMWARE = """[Firmware] [2026-11-24 10:02:00] [INFO]upgradePercentage: 90%
[Firmware] [2026-11-24 10:02:10] [INFO]upgradePercentage: 100%
[Firmware] [2026-11-24 10:02:10] [INFO]The firmware of [8] chips are successfully upgraded.
[Firmware] [2026-11-24 10:02:11] [INFO]Firmware package upgraded successfully! Reboot now or after driver installation \
for the installation/upgrade to take effect.
"""


def captures(shared: Path, kind: str) -> list[tuple[str, dict[str, Any]]]:
    folder = shared / "fixtures" / "ascend"
    with (folder / "MANIFEST.tsv").open(encoding="utf-8") as stream:
        rows = list(csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [((folder / row[0]).read_text(encoding="utf-8"), json.loads(row[3])) for row in rows if row[1] == kind]


@pytest.mark.parametrize(
    ("smaller", "greater"),
    [
        ("24.1.rc2", "24.1.rc2.2"),
        ("24.1.rc2.2", "24.1.rc3"),
        ("24.1.rc3", "24.1.0"),
        ("24.1.rc3", "24.1.0.3"),
        ("25.0.rc1.1", "25.0.0"),
        ("7.2.99", "7.3.0.1.231"),
        ("7.8.0.6.201", "7.10.0.1.1"),
        ("8.3.RC1.alpha001", "8.3.RC1"),
        ("8.2.RC1", "8.5.0"),
        ("9.0.0-beta.1", "9.0.0"),
        ("8.1", "8.1.0"),
    ],
)
def test_order_of_versions(smaller: str, greater: str) -> None:
    assert (versions.compare(smaller, greater), versions.compare(greater, smaller)) == (-1, 1)


def test_versions_that_have_no_place_equal_only_themselves() -> None:
    assert versions.compare("7.6.T8.0.B059", "7.6.T8.0.B059") == 0
    assert versions.compare("7.6.T8.0.B059", "7.6.0") is None
    assert versions.same("8.2.RC1", "8.2.rc1")
    assert not versions.same(None, None)
    for text in ("", "24.", ".1", "v1", "NA", "24.1 rc1", "1" * 400, None, 25):
        assert not versions.is_version(text)


@pytest.mark.parametrize(
    ("version", "low", "high", "told"),
    [
        ("7.2.0.1.231", "7.0.0", "7.2.99", True),
        ("7.3.0.1.231", "7.0.0", "7.2.99", False),
        ("7.0.0", "7.0.0", "7.2.99", True),
        ("6.4.12.1.241", "7.0.0", "7.2.99", False),
        ("24.1.rc3", "24.1", "24.1.", True),
        ("24.1.0.3", "24.1", "24.1.", True),
        ("24.10.0", "24.1", "24.1.", False),
        ("23.0.rc3.5", "23.0.rc3", "23.0.rc3.", True),
        ("23.0.0", "23.0.rc3", "23.0.rc3.", False),
        ("7.6.T8.0.B059", "7.0.0", "7.7.99", None),  # an internal build, though its beginning suggests a place
        ("7.T8.0", "7.0.0", "7.7.99", None),
        ("25.x", "24.1", "24.1.", None),
    ],
)
def test_ranges(version: str, low: str, high: str, told: bool | None) -> None:
    assert versions.inside(version, Range(low, high)) is told


def test_several_ranges_and_lists_that_were_cut_off() -> None:
    ranges = versions.parse_ranges("[6.4.0,6.4.99],[7.0.0,8.9.9]")
    assert ranges == [Range("6.4.0", "6.4.99"), Range("7.0.0", "8.9.9")]
    assert [versions.inside_any(each, ranges) for each in ("6.4.12", "6.5.0", "8.9.9", "9.0.0")] == [
        True,
        False,
        True,
        False,
    ]
    for text in ("[6.4.0,6.4.99],[7.0.0,", "[6.4.0]", "", None, "6.4.0,6.4.99", "[a,b],c"):
        assert versions.parse_ranges(text) is None


def test_driver_files_of_the_captures(shared: Path) -> None:
    found = captures(shared, "driver_version_info")
    assert len(found) == 2
    for text, truth in found:
        package = version_files.parse_package(text)
        assert package.version == truth["version"]
        assert package.firmware_ranges == [Range(*truth["fw_range"])]
        if "innerversion" in truth:
            assert package.inner == truth["innerversion"]
        for version, told in truth.get("compatible_with_firmware", {}).items():
            firmware = version_files.Package(version)
            judged = compatibility.driver_and_firmware(package, firmware)
            assert (judged.verdict == "ok", judged.relied_on) == (told, "driver")


def test_the_firmware_of_the_captures_says_on_which_side_a_verdict_relies(shared: Path) -> None:
    ((text, truth),) = captures(shared, "firmware_version_info")
    firmware = version_files.parse_package(text)
    assert (firmware.version, firmware.package_version) == (truth["version"], truth["package_version"])
    assert firmware.driver_ranges == [Range(*each) for each in truth["drv_ranges"]]
    # The trap: the driver's list takes this firmware, the firmware's list does not name the driver, and both are fine.
    driver = version_files.parse_package("Version=24.1.rc1\ncompatible_version_fw=[7.0.0,7.2.99]\n")
    judged = compatibility.driver_and_firmware(driver, firmware)
    assert (judged.verdict, judged.relied_on) == ("ok", "driver")
    assert "relied on the driver's list" in judged.sentences[-1]


def test_the_newer_firmware_decides_over_the_older_driver() -> None:
    driver = version_files.parse_package("Version=23.0.0\ncompatible_version_fw=[7.0.0,8.9.9]\n")
    firmware = version_files.parse_package(firmware_file("7.8.0.2.212"))
    judged = compatibility.driver_and_firmware(driver, firmware)
    assert (judged.verdict, judged.relied_on) == ("nok", "firmware")


def test_compatibility_that_cannot_be_told() -> None:
    whole = version_files.parse_package(driver_file("25.0.rc1.1"))
    assert compatibility.driver_and_firmware(whole, version_files.ABSENT).verdict is None
    bare = version_files.parse_package("Version=1.2.3\n")
    assert compatibility.driver_and_firmware(bare, bare).verdict is None


@pytest.mark.parametrize(
    ("boards", "loaded", "runs", "verdict", "side"),
    [
        (["OK"] * 8, "25.0.rc1.1", True, "ok", "board"),
        (["OK"] * 7 + ["NOK"], "25.0.rc1.1", True, "nok", "board"),
        (["OK"] * 8, "24.1.rc3", True, "nok", "both"),  # the boards speak of the driver before
        (["UNKNOWN"] * 8, "25.0.rc1.1", True, "nok", "both"),
        ([], None, False, "nok", "both"),
    ],
)
def test_boards_are_a_gate(boards: list[str | None], loaded: str | None, runs: bool, verdict: str, side: str) -> None:
    driver = version_files.parse_package(driver_file("25.0.rc1.1"))
    doubted = compatibility.driver_and_firmware(
        driver, version_files.Package("7.9.0.1.1", driver_ranges=[Range("9.0", "9.0.")])
    )
    assert doubted.verdict == "nok"
    judged = compatibility.with_boards(doubted, boards, driver, loaded, firmware_runs=runs)
    assert (judged.verdict, judged.relied_on) == (verdict, side)


def test_cann_and_driver() -> None:
    def cann(inner: str, inners: str) -> version_files.Cann:
        text = f"package_name=Ascend-cann-toolkit\nversion=8.5.0\ninnerversion={inner}\ncompatible_version={inners}\n"
        found = version_files.parse_cann(text)
        assert found is not None
        return found

    driver = version_files.parse_package(driver_file("25.0.rc1.1"))  # C21, serves C19 to C21
    assert (
        compatibility.driver_and_cann(driver, cann("V100R001C25SPC001B212", "[V100R001C20],[V100R001C21]")).verdict
        == "ok"
    )
    assert compatibility.driver_and_cann(driver, cann("V100R001C20B1", "[V100R001C18]")).relied_on == "driver"
    assert compatibility.driver_and_cann(driver, cann("V100R001C21B1", "[V100R001C18]")).verdict == "ok"
    nok = compatibility.driver_and_cann(driver, cann("V100R001C29B1", "[V100R001C27],[V100R001C28]"))
    assert nok.verdict == "nok"
    assert "neither names the other" in nok.sentences[0]
    assert compatibility.driver_and_cann(driver, cann("V100R001C29B1", "[V100R001C27],[V1")).verdict is None
    assert compatibility.driver_and_cann(version_files.ABSENT, cann("V100R001C29B1", "[V100R001C27]")).verdict is None


def test_cann_of_the_captures(shared: Path) -> None:
    ((text, truth),) = captures(shared, "cann_install_info")
    found = version_files.parse_cann(text)
    assert found is not None
    assert (found.package, found.version, found.inner) == (
        truth["package_name"],
        truth["version"],
        truth["innerversion"],
    )
    assert (found.arch, found.path, len(found.inners or [])) == (
        truth["arch"],
        truth["path"],
        truth["compatible_count"],
    )


def test_the_log_of_the_captures_asks_for_no_restart(shared: Path) -> None:
    ((text, truth),) = captures(shared, "driver_install_log")
    found = install_log.parse(text)
    for key in ("component", "success", "reboot_required", "install_type", "percent", "version", "user"):
        assert found[key] == truth[key], key
    assert errors.explain(text, 0) is None


@pytest.mark.parametrize(
    ("tail", "success", "reboot"),
    [(NOW, True, False), (LATER, True, True), (STUCK, True, True), ("", False, None), (NOW + LATER, True, True)],
)
def test_who_asks_for_a_restart(tail: str, success: bool, reboot: bool | None) -> None:
    found = install_log.parse(DRIVER_LOG + tail)
    assert (found["success"], found["reboot_required"], found["percent"]) == (success, reboot, 100)
    assert (found["component"], found["install_type"]) == ("driver", "DKMS")


def test_firmware_counts_its_chips() -> None:
    found = install_log.parse(FIRMWARE)
    assert (found["firmware_chips"], found["reboot_required"], found["component"]) == (8, True, "firmware")


def test_success_inside_an_error_is_none() -> None:
    row = "[Driver] [2026-11-24 10:00:00] [ERROR]Driver package installed successfully! expected, got nothing\n"
    assert install_log.parse(row)["success"] is False


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (
            "[Driver] [2026-11-24 10:00:00] [ERROR]ERR_NO:0x0091;ERR_DES:HwHiAiUser not exists! Please add HwHiAiUser",
            "0x0091",
        ),
        ("ERR_NO:0x0093;ERR_DES:do not have root permission, operation failed, please use root permission!", "0x0093"),
        ("[ERROR]ERR_NO:0x0094;ERR_DES:There is already a process being executed,please do not", "0x0094"),
        ("[ERROR]ERR_NO:0x0095;ERR_DES:The user and group are not same with last installation", "0x0095"),
        ("[ERROR]ERR_NO:0x0096;ERR_DES:HwHiAiUser not right!", "0x0096"),
        ("[ERROR]ERR_NO:0x0002;ERR_DES:input error", "0x0002"),
        ("[ERROR]ERR_NO:0x0003;ERR_DES:install path is null, install failed", "0x0003"),
        ("[ERROR]ERR_NO:0x0004;ERR_DES: Unrecognized parameters: --x", "0x0004"),
        ("[ERROR]\\033[31mDrv_dkms_env_check failed, details in : /var/log/x \\033[0m", "dkms_environment"),
        (
            "[ERROR]Dkms install failed, details in : var/log/x\n[ERROR]Driver_ko_install failed, details in",
            "dkms_build",
        ),
        ("tar: driver: Cannot write: No space left on device", "no_space"),
        ("[ERROR]free space only 120M, cannot install driver package (greater than 300M)", "no_space"),
        ("[ERROR]\x1b[31mArch mismatch, src package is x86_64, cur os is aarch64 \x1b[0m", "wrong_arch"),
        ("./driver/tools/upgrade-tool: cannot execute binary file: Exec format error", "wrong_arch"),
        ("[ERROR]The davinci nodes are occupied by some processes, please stop processes", "busy"),
        ("[ERROR]The list of missing tools: ifconfig,ifconfig,", "missing_tools"),
        ("Error in SHA256 checksums: 12 is different from 34", "damaged"),
        ("[ERROR]Something nobody has seen", "unknown"),
        ("", "unknown"),
    ],
)
def test_errors_are_explained_in_two_languages(text: str, code: str) -> None:
    found = errors.explain(DRIVER_LOG + text + "\n", 1)
    assert found is not None
    assert found.code == code
    assert found.meaning and found.zh and found.en
    assert any(ord(char) > 0x4E00 for char in found.zh)
    assert "\x1b" not in found.text and "\\033" not in found.text


def test_an_unknown_error_keeps_its_first_line_and_success_is_none() -> None:
    later = "[Driver] [x] [ERROR]Failed to install\n"
    found = errors.explain(DRIVER_LOG + "[Driver] [x] [ERROR]Something nobody has seen\n" + later, 1)
    assert found is not None and found.text == "Something nobody has seen"
    assert errors.explain(DRIVER_LOG + NOW, 0) is None
    assert errors.explain(DRIVER_LOG + LATER, 2) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Version=", "no whole version"),
        ("Version=25.0.rc1", "no whole version"),  # the line was never ended: perhaps 25.0.rc1.1
        ("Version=25.0.rc1\nVersion=25.2.0\n", "two versions"),
        ("\x00\x01\x02" * 100, "no whole version"),
        ("<html>404</html>\n", "no whole version"),
    ],
)
def test_half_a_version_file_is_none(text: str, problem: str) -> None:
    package = version_files.parse_package(text)
    assert package.version is None
    assert problem in str(package.problem)


def test_install_info() -> None:
    text = "UserName=a\nUserGroup=b\nDriver_Install_Path_Param=/opt/Ascend\n"
    found = version_files.parse_install_info(text + "Driver_Install_Status=complete\nDriver_Install_Status=complete\n")
    assert (found.user, found.group, found.path, found.status, found.doubted) == (
        "a",
        "b",
        "/opt/Ascend",
        "complete",
        False,
    )
    assert version_files.parse_install_info(text).status is None
    assert version_files.parse_install_info(text + "Driver_Install_Status=comp").status is None


PIECES = [
    DRIVER_LOG,
    NOW,
    LATER,
    STUCK,
    FIRMWARE,
    driver_file("25.0.rc1.1"),
    firmware_file("7.5.0.1.129"),
    "\x00\xff中\x1b[",
]


@settings(max_examples=150)
@given(data=st.data())
def test_torn_and_mixed_texts_are_never_a_traceback(data: st.DataObject) -> None:
    parts = data.draw(st.lists(st.sampled_from(PIECES), min_size=1, max_size=4))
    text = "".join(part[data.draw(st.integers(0, len(part))) :] for part in parts)
    cut = data.draw(st.integers(0, len(text)))
    text = text[:cut] + data.draw(st.text(max_size=20)) + text[cut:]
    package = version_files.parse_package(text)
    assert package.version is None or f"={package.version}" in text.replace(" ", "")
    version_files.parse_install_info(text)
    version_files.parse_cann(text)
    found = install_log.parse(text)
    assert found["success"] in (True, False) and found["reboot_required"] in (True, False, None)
    errors.explain(text, data.draw(st.sampled_from([0, 1, None])))


def test_four_mebibytes_of_garbage_cost_little() -> None:
    for text in (
        "[" * (4 << 20),
        "Version=1.2\n" * (1 << 18),
        "[Driver] " * (1 << 18),
        "\r" * (1 << 20),
        "[1.0,2." * (1 << 19),
    ):
        assert version_files.parse_package(text).version is None
        install_log.parse(text)
        errors.explain(text, 1)
        versions.parse_ranges(text)
