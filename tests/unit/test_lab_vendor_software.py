"""The chips' side of the software: what is loaded, what runs, what waits for a boot, and what the tools say of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.hardware import Plan, build_site
from lab.npu import software
from lab.npu.call import Call, Gone
from lab.npu.runtime import Runtime
from lab.npu.tools import TOOLS
from lab.vendor import releases
from lab.world import World

FIRST, NEWER = releases.FIRST, releases.NEWER
COMPLETE = "UserName=HwHiAiUser\nDriver_Install_Status=complete\n"


class Host:
    """A node whose tools are called in process; ``disk`` holds the version files that its client would send."""

    def __init__(self, world: World) -> None:
        self.world, self.runtime = world, Runtime()
        self.disk: dict[str, str | None] = {
            software.VERSION_FILE: releases.driver_info(FIRST.driver),
            software.INSTALL_INFO: COMPLETE,
            "/etc/hccn.conf": "",
        }
        self.boot = "1"

    def call(self, tool: str, *argv: str) -> tuple[int, str]:
        said: list[str] = []
        files = {**self.disk}
        call = Call(self.world, "node1", list(argv), files, lambda message: said.extend(message.values()), self.runtime)
        self.runtime.settle(self.world, "node1", self.boot, files)
        rc = TOOLS[tool](call)
        return rc, "".join(said)

    @property
    def truth(self) -> dict[str, Any]:
        return self.world.read("node1")

    def install(self, release: releases.Release) -> None:
        """What the vendor's installers do: firmware to the chips, files to the disk, and the driver if it can."""
        assert self.call("upgrade-tool", "--firmware", release.firmware.version) == (0, "8\n")
        self.disk[software.VERSION_FILE] = releases.driver_info(release.driver)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    world = World(tmp_path / "world")
    world.create(*build_site(Plan(nodes=1)))
    return Host(world)


def test_a_new_world_is_delivered_with_the_first_release(host: Host) -> None:
    before = host.truth
    with host.world.update("node1") as document:
        software.deliver(document, bare=False)
    assert host.truth == before
    assert software.loaded(before) == FIRST.driver.version


def test_an_upgrade_waits_for_the_boot(host: Host) -> None:
    host.call("npu-smi", "info")
    host.install(NEWER)
    rc, text = host.call("npu-smi", "info")
    assert (rc, "npu-smi 25.0.rc1.1 " in text, "Version: 24.1.0.3 " in text) == (0, True, True)
    _, board = host.call("npu-smi", "info", "-t", "board", "-i", "0")
    assert f"Firmware Version               : {FIRST.firmware.version}\n" in board
    assert host.call("upgrade-tool", "--load", NEWER.driver.version)[0] == 1  # one is loaded already
    host.boot = "2"
    _, board = host.call("npu-smi", "info", "-t", "board", "-i", "0")
    assert f"Software Version               : {NEWER.driver.version}\n" in board
    assert f"Firmware Version               : {NEWER.firmware.version}\n" in board
    assert "Compatibility                  : OK\n" in board
    assert {npu["firmware_pending"] for npu in host.truth["npus"]} == {None}


def test_a_bare_machine_gets_its_driver_at_once_and_its_firmware_at_boot(host: Host) -> None:
    with host.world.update("node1") as document:
        software.deliver(document, bare=True)
    host.disk = {software.VERSION_FILE: None, software.INSTALL_INFO: None}
    rc, orders = host.call("upgrade-tool", "--install", "driver")
    assert (rc, "loaded=none\n" in orders, "chips=8\n" in orders) == (0, True, True)
    assert host.call("upgrade-tool", "--firmware", FIRST.firmware.version)[0] == 1  # nothing reaches the chips
    assert host.call("upgrade-tool", "--load", FIRST.driver.version)[0] == 0
    host.disk[software.VERSION_FILE] = releases.driver_info(FIRST.driver)
    assert software.loaded(host.truth) == FIRST.driver.version
    host.install(FIRST)
    assert {npu["firmware"] for npu in host.truth["npus"]} == {releases.FACTORY_FIRMWARE}
    host.boot = "2"
    host.call("npu-smi", "info")
    assert {npu["firmware"] for npu in host.truth["npus"]} == {FIRST.firmware.version}


def test_power_alone_lets_the_chips_start_with_new_firmware(host: Host) -> None:
    host.call("npu-smi", "info")
    host.install(NEWER)
    for power in ("off", "on"):
        with host.world.update("node1") as document:
            document["power"] = power
        host.runtime.settle(host.world, "node1")
    assert {npu["firmware"] for npu in host.truth["npus"]} == {NEWER.firmware.version}


def test_a_disk_without_a_driver_loads_none_and_the_tools_say_so(host: Host) -> None:
    host.call("npu-smi", "info")
    host.disk[software.VERSION_FILE] = None
    assert host.call("npu-smi", "info")[0] == 0  # it runs on until the machine boots
    host.boot = "2"
    rc, text = host.call("npu-smi", "info")
    assert (rc, text.splitlines()[-1]) == (187, "dcmi module initialize failed. ret is -8005")
    assert host.call("hccn_tool", "-i", "0", "-speed", "-g") == (1, "Command execute failed!\n")
    assert "retcode: 507899" in host.call("all_reduce_test")[1]
    assert host.call("ascend-dmi", "-v")[0] == 187


def test_a_client_that_sends_no_version_changes_nothing(host: Host) -> None:
    del host.disk[software.VERSION_FILE]
    host.call("npu-smi", "info")
    assert software.loaded(host.truth) == FIRST.driver.version


@pytest.mark.parametrize("info", [None, "", "Driver_Install_Status=incomplete\n"])
def test_an_unfinished_installation_is_warned_of(host: Host, info: str | None) -> None:
    assert "completely installed" not in host.call("npu-smi", "info", "-l")[1]
    host.disk[software.INSTALL_INFO] = info
    rc, text = host.call("npu-smi", "info", "-l")
    assert rc == 0
    assert text.endswith("Please reinstall it.\n")


@pytest.mark.parametrize(
    ("driver", "firmware", "verdict"),
    [
        ("24.1.0.3", "7.5.0.5.220", "OK"),
        ("24.1.0.3", "7.8.0.6.201", "NOK"),
        ("24.1.rc2.2", "7.5.0.5.220", "NOK"),
        ("25.0.rc1.1", "7.5.0.5.220", "OK"),
        ("99.1", "7.5.0.5.220", "UNKNOWN"),
    ],
)
def test_boards_judge_their_own_firmware(host: Host, driver: str, firmware: str, verdict: str) -> None:
    with host.world.update("node1") as document:
        document["npu_driver"]["loaded"] = driver
        document["npus"][2]["firmware"] = firmware
    assert software.compatibility(host.truth, host.truth["npus"][2]) == verdict


def test_a_missing_chip_gets_no_firmware(host: Host) -> None:
    with host.world.update("node1") as document:
        document["npus"][5]["present"] = False
    assert host.call("upgrade-tool", "--firmware", NEWER.firmware.version) == (0, "7\n")
    assert host.truth["npus"][5]["firmware_pending"] is None


def test_installers_are_told_what_is_in_store_and_nodes_differ_in_speed(host: Host) -> None:
    with host.world.update("node1") as document:
        document["installer"].update(fails_with="0x0091", lies=True)
    orders = dict(line.split("=") for line in host.call("upgrade-tool", "--install", "driver")[1].splitlines())
    assert (orders["fails_with"], orders["lies"]) == ("0x0091", "yes")
    assert 3500 <= int(orders["milliseconds"]) <= 6500
    assert host.call("upgrade-tool", "--bogus")[0] == 2
    assert host.call("upgrade-tool", "--bogus", "x")[0] == 1


def test_a_hanging_tool_ends_when_it_is_killed(host: Host) -> None:
    with host.world.update("node1") as document:
        document["npu_tools"]["hangs"] = True
    said: list[dict[str, str]] = []
    call = Call(host.world, "node1", ["info"], {}, said.append, host.runtime)
    call.gone.set()
    with pytest.raises(Gone):
        TOOLS["npu-smi"](call)
    assert said == []
