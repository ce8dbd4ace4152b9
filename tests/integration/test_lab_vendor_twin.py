"""The vendor's packages inside a node of the twin: they install, upgrade and fail as the vendor's own do.

One node is stripped and filled again; at the end its container is thrown away and made anew, as it was delivered.
"""

from __future__ import annotations

import platform
import re
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from lab.state import State
from lab.vendor import build, payload, releases
from lab.world import World
from tests.integration.conftest import Twin

pytestmark = [pytest.mark.twin, pytest.mark.root]
NODE = "node3"
FIRST, NEWER = releases.FIRST, releases.NEWER
HERE = platform.machine()
OTHER = next(arch for arch in releases.ARCHITECTURES if arch != HERE)
INFO = "/etc/ascend_install.info"
VERSION = "/usr/local/Ascend/driver/version.info"


@dataclass
class Node:
    """A root shell in the node, and the vendor's files in its /root/vendor."""

    twin: Twin
    container: str
    url: str

    def shell(self, script: str) -> subprocess.CompletedProcess[str]:
        argv = ["podman", "exec", self.container, "bash", "-c", script]
        return subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=120, check=False)

    def out(self, script: str) -> str:
        done = self.shell(script)
        assert done.returncode == 0, done
        return done.stdout

    def run(self, file: str, *flags: str) -> tuple[int, str]:
        """A package with these flags: its exit status and what it said."""
        done = self.shell(f"sh /root/vendor/{file} {' '.join(flags)} </dev/null")
        return done.returncode, done.stdout + done.stderr

    def bring(self, file: str, path: str = "files") -> None:
        with urllib.request.urlopen(f"{self.url}/{path}/{file}", timeout=10) as stream:  # noqa: S310 - the twin's own site
            content = stream.read()
        argv = ["podman", "exec", "-i", self.container, "sh", "-c", f"mkdir -p /root/vendor; cat > /root/vendor/{file}"]
        subprocess.run(argv, input=content, check=True, timeout=60)

    def boot(self) -> None:
        self.twin.lab("power", NODE, "cycle")
        self.until("systemctl is-system-running | grep -Eq 'running|degraded'")

    def until(self, script: str, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while self.shell(script).returncode:
            assert time.monotonic() < deadline, script
            time.sleep(0.3)


@pytest.fixture(scope="module")
def node(raised: Twin) -> Iterator[Node]:
    """A delivered node that is a new one afterwards."""
    state = State(raised.state)
    settings = state.settings()
    assert settings is not None
    if settings.bare:
        raised.lab("up", "--no-bare")
    address, port = settings.vendor_address()
    made = Node(raised, f"npuforge-{settings.site}-{NODE}", f"http://{address}:{port}")
    for package in payload.packages():
        if package.arch in (None, HERE) or package.id == "npu_driver":
            made.bring(package.file)
    yield made
    raised.lab("heal", "--all")
    subprocess.run(["podman", "rm", "--force", "--time", "0", made.container], check=True, capture_output=True)
    raised.lab("up", *(["--bare"] if settings.bare else []))


@pytest.fixture
def world(node: Node) -> World:
    return World(node.twin.state / "world")


def driver(release: releases.Release, arch: str = HERE) -> str:
    return releases.driver_file(release.driver.version, arch)


def firmware(release: releases.Release) -> str:
    return releases.firmware_file(release.firmware.version)


def board(node: Node) -> dict[str, str]:
    text = node.out("npu-smi info -t board -i 0")
    return {key.strip(): value.strip() for key, _, value in (line.partition(" : ") for line in text.splitlines())}


def wipe(node: Node) -> None:
    """What a machine is before anybody installed anything; its disk keeps the logs."""
    node.shell(f"sh /root/vendor/{firmware(FIRST)} --uninstall; sh /root/vendor/{driver(FIRST)} --uninstall")
    node.out("rm -rf /usr/local/Ascend /etc/Ascend; rm -f /usr/local/bin/mpirun")
    node.boot()


def test_a_delivered_node_has_the_first_release(node: Node) -> None:
    shown = board(node)
    assert (shown["Software Version"], shown["Firmware Version"]) == (FIRST.driver.version, FIRST.firmware.version)
    assert shown["Compatibility"] == "OK"
    assert node.out(f"cat {VERSION}") == releases.driver_info(FIRST.driver)
    assert node.out("cat /usr/local/Ascend/firmware/version.info") == releases.firmware_info(FIRST.firmware)
    assert "Driver_Install_Status=complete\n" in node.out(f"cat {INFO}")
    assert "WARNING" not in node.out("npu-smi info")
    toolkit = f"/usr/local/Ascend/ascend-toolkit/latest/{HERE}-linux"
    assert "version=8.1.RC1\n" in node.out(f"cat {toolkit}/ascend_toolkit_install.info")
    assert node.out("getent passwd HwHiAiUser; id -Gn HwHiAiUser").endswith("HwHiAiUser\n")
    assert node.out("test -f /lib/modules/$(uname -r)/build/Makefile && command -v gcc make dkms lspci ifconfig")
    environment = "source /usr/local/Ascend/ascend-toolkit/set_env.sh; source /usr/local/Ascend/toolbox/set_env.sh"
    assert node.out(f"{environment}; command -v ascend-dmi; ls $ASCEND_TOOLKIT_HOME/tools/hccl_test/bin | wc -l")


def test_an_upgrade_takes_effect_with_the_boot(node: Node, world: World) -> None:
    rc, text = node.run(firmware(NEWER), "--upgrade", "--quiet")
    assert rc == 0
    assert "The firmware of [8] chips are successfully upgraded.\n" in text
    rc, text = node.run(driver(NEWER), "--upgrade", "--quiet")
    assert (rc, "Reboot needed" in text) == (2, True)
    percents = [int(found) for found in re.findall(r"upgradePercentage:(\d+)%", text)]
    assert percents == [10, 30, 40, 90, 100]
    assert board(node)["Software Version"] == FIRST.driver.version
    assert {npu["firmware_pending"] for npu in world.read(NODE)["npus"]} == {NEWER.firmware.version}
    assert "Driver_Install_For_All=yes\n" in node.out(f"cat {INFO}")
    assert "Upgrade MINOR root " in node.out("tail -n 1 /var/log/ascend_seclog/operation.log")
    node.boot()
    shown = board(node)
    assert (shown["Software Version"], shown["Firmware Version"]) == (NEWER.driver.version, NEWER.firmware.version)


def test_cann_versions_lie_side_by_side(node: Node) -> None:
    home = "/usr/local/Ascend/ascend-toolkit"
    toolkit, kernels, nnal = (releases.cann_file(part, "8.2.RC1", HERE) for part in ("toolkit", "kernels", "nnal"))
    rc, text = node.run(kernels, "--install", "--quiet")
    assert (rc, "install it first" in text) == (1, True)
    assert "EULA is not accepted" in node.run(toolkit, "--install")[1]
    for package in (toolkit, kernels, nnal):
        rc, text = node.run(package, "--install", "--quiet", "--install-for-all")
        assert (rc, "install success, installed in /usr/local/Ascend." in text) == (0, True), text
    assert node.out(f"ls {home}").split() == ["8.1.RC1", "8.2.RC1", "latest", "set_env.sh"]
    assert node.out(f"readlink {home}/latest/opp_kernel {home}/latest/tools").split() == [
        "../8.2.RC1/opp_kernel",
        "../8.2.RC1/tools",
    ]
    assert node.out("readlink /usr/local/Ascend/nnal/atb/latest") == "8.2.RC1\n"
    assert node.run(toolkit, "--uninstall")[0] == 0
    assert node.out(f"ls {home}").split() == ["8.1.RC1", "set_env.sh"]


def test_a_first_installation_is_there_at_once(node: Node) -> None:
    wipe(node)
    assert node.shell("npu-smi info").returncode == 127
    rc, text = node.run(firmware(FIRST), "--full", "--quiet")
    assert (rc, "driver is loaded" in text) == (1, True)  # the other way round
    rc, text = node.run(driver(FIRST), "--full", "--install-for-all", "--quiet")
    assert rc == 0
    assert "Device startup success\n" in text
    assert "Driver package installed successfully! The new version takes effect immediately. \n" in text
    assert node.run(firmware(FIRST), "--full", "--quiet")[0] == 0
    assert board(node)["Software Version"] == FIRST.driver.version


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("installer_user_missing", "ERR_NO:0x0091;ERR_DES:HwHiAiUser not exists! Please add HwHiAiUser"),
        ("installer_not_root", "ERR_NO:0x0093;ERR_DES:do not have root permission"),
        ("installer_busy", "ERR_NO:0x0094;ERR_DES:There is already a process being executed"),
        ("installer_user_differs", "ERR_NO:0x0095;ERR_DES:The user and group are not same with last installation"),
        ("installer_bad_input", "ERR_NO:0x0002;ERR_DES:input error"),
        ("installer_dkms", "Drv_dkms_env_check failed, details in : /var/log/ascend_seclog/ascend_install.log"),
        ("kernel_headers_missing", "Drv_dkms_env_check failed"),
        ("installer_disk_full", "Drv_file_copy failed"),
        ("installer_killed", "upgradePercentage:10%"),
    ],
)
def test_an_installer_that_fails_says_why_and_leaves_no_whole_driver(node: Node, fault: str, words: str) -> None:
    node.twin.lab("break", NODE, fault)
    try:
        rc, text = node.run(driver(NEWER), "--full", "--quiet")
    finally:
        node.twin.lab("heal", NODE, "--all")
    assert rc not in (0, 2)
    assert words in text
    assert "successfully" not in text
    assert NEWER.driver.version not in node.shell(f"cat {VERSION}").stdout
    if fault == "installer_disk_full":
        assert "No space left on device" in node.out("tail -n 20 /var/log/ascend_seclog/ascend_install.log")
    if fault in ("installer_disk_full", "installer_killed"):
        assert "Driver_Install_Status" not in node.out(f"cat {INFO}")
        assert node.run(driver(FIRST), "--full", "--quiet")[0] == 2  # the next one mends it


def test_installers_that_lie_change_nothing(node: Node) -> None:
    everything = f"cat {VERSION} {INFO} /usr/local/Ascend/firmware/version.info; find /usr/local/Ascend | sort"
    before = node.out(everything)
    node.twin.lab("break", NODE, "installer_lies")
    try:
        for file, words in (
            (driver(NEWER), "takes effect immediately"),
            (firmware(NEWER), "The firmware of [8] chips"),
        ):
            rc, text = node.run(file, "--full", "--quiet")
            assert (rc, words in text) == (0, True)
    finally:
        node.twin.lab("heal", NODE, "--all")
    assert node.out(everything) == before


def test_the_wrong_package_is_refused_by_the_installer(node: Node) -> None:
    rc, text = node.run(driver(FIRST, OTHER), "--full", "--quiet")
    assert (rc, f"Arch mismatch, src package is {OTHER}, cur os is {HERE}" in text) == (1, True)
    node.bring(firmware(FIRST), "tampered")
    rc, text = node.run(firmware(FIRST), "--full", "--quiet")
    assert (rc, "Error in SHA256 checksums" in text) == (2, True)
    node.bring(firmware(FIRST))
    rc, text = node.run(releases.driver_file(releases.NARROW.version, HERE), "--check")
    assert (rc, "does not match the firmware" in text) == (1, True)


def test_a_tampered_rpm_is_refused(node: Node) -> None:
    [rpm] = [path.name for path in build.rpms() if path.name.startswith("dkms-")]
    node.bring(rpm, "tampered")
    assert node.shell(f"rpm -K --nosignature /root/vendor/{rpm}").returncode != 0
    node.bring(rpm)
    assert node.shell(f"rpm -K --nosignature /root/vendor/{rpm}").returncode == 0


def test_two_installers_at_once(node: Node) -> None:
    script = (
        f"sh /root/vendor/{firmware(FIRST)} --full --quiet >/tmp/one 2>&1 & sleep 1; "
        f"sh /root/vendor/{firmware(FIRST)} --full --quiet; echo $?; wait"
    )
    lines = node.out(script).splitlines()
    assert any("ERR_NO:0x0094" in line for line in lines)
    assert lines[-1] == "1"


@pytest.mark.parametrize("fault", ["npu_smi_missing", "npu_smi_hangs", "npu_smi_unknown_layout", "driver_not_loaded"])
def test_a_tool_that_fails_tells_nothing(node: Node, fault: str) -> None:
    node.twin.lab("break", NODE, fault)
    try:
        done = node.shell("timeout -s KILL 2 npu-smi info -l")
    finally:
        node.twin.lab("heal", NODE, "--all")
    expected = {"npu_smi_missing": (127, ""), "npu_smi_hangs": (137, "")}
    if fault in expected:
        assert (done.returncode, done.stdout) == expected[fault]
    assert "Total Count" not in done.stdout
