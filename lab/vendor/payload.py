"""The packages' contents: for each package a folder that makeself turns into a ``.run`` file.

What a package brings into a node are thin clients (``lab/nodes/tools/npu_client``) under the tools' names, the vendor's
version files, and filler of a known size in place of images and libraries. Beside the vendor's own: the toolkit brings
``mpirun`` (a site builds MPICH itself) and ``ascend-dmi`` (which has a package of its own).
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.npu.collective import OPERATIONS
from lab.vendor import releases
from lab.vendor.releases import Cann, Driver, Firmware

SCRIPTS = Path(__file__).parent / "scripts"
CLIENT = Path(__file__).parent.parent / "nodes" / "tools" / "npu_client"
LICENSE = "simulated (npuforge twin); the vendor's own packages: Huawei Ascend software licence"
KIB = 1024
BUILD_DATE = "20251226"

# The driver replays the network settings of its devices whenever the host boots.
NETWORK_UNIT = """\
[Unit]
Description=Replay /etc/hccn.conf into the NPUs (simulated)
After=local-fs.target

[Service]
Type=oneshot
ExecStart=/usr/local/Ascend/driver/tools/hccn_tool -a -cfg recovery
RemainAfterExit=yes

[Install]
WantedBy=multi-user.target
"""
TOOLKIT_ENVIRONMENT = """\
export ASCEND_TOOLKIT_HOME=@PATH@/ascend-toolkit/latest
export LD_LIBRARY_PATH=${ASCEND_TOOLKIT_HOME}/lib64:${ASCEND_TOOLKIT_HOME}/lib64/plugin/opskernel:$LD_LIBRARY_PATH
export PYTHONPATH=${ASCEND_TOOLKIT_HOME}/python/site-packages:$PYTHONPATH
export PATH=${ASCEND_TOOLKIT_HOME}/bin:${ASCEND_TOOLKIT_HOME}/compiler/ccec_compiler/bin:$PATH
export ASCEND_AICPU_PATH=${ASCEND_TOOLKIT_HOME}
export ASCEND_OPP_PATH=${ASCEND_TOOLKIT_HOME}/opp
export TOOLCHAIN_HOME=${ASCEND_TOOLKIT_HOME}/toolkit
export ASCEND_HOME_PATH=${ASCEND_TOOLKIT_HOME}
"""
ATB_ENVIRONMENT = """\
export ATB_HOME_PATH=@PATH@/nnal/atb/latest/atb/cxx_abi_${ATB_ABI:-0}
export LD_LIBRARY_PATH=${ATB_HOME_PATH}/lib:$LD_LIBRARY_PATH
export PATH=${ATB_HOME_PATH}/bin:$PATH
"""
TOOLBOX_ENVIRONMENT = """\
export PATH=/usr/local/Ascend/toolbox/latest/Ascend-DMI/bin:$PATH
export LD_LIBRARY_PATH=/usr/local/Ascend/toolbox/latest/Ascend-DMI/lib64:$LD_LIBRARY_PATH
"""


@dataclass(frozen=True)
class Package:
    """One ``.run`` file. ``id``, ``arch`` and ``chip`` are those of a manifest; ``title`` is what it says of itself."""

    id: str
    file: str
    title: str
    version: str
    arch: str | None
    chip: str | None
    made: Driver | Firmware | Cann

    def fill(self, folder: Path) -> str:
        """Put the package's contents into a folder; the name of the script that installs it."""
        if isinstance(self.made, Driver):
            return _driver(self, self.made, folder)
        if isinstance(self.made, Firmware):
            return _firmware(self, self.made, folder)
        return _cann(self, self.made, folder)


def packages() -> list[Package]:
    """Everything that the vendor has, each release for each architecture."""
    found = [_hdk(made, arch) for made in releases.DRIVERS for arch in releases.ARCHITECTURES]
    for release in releases.RELEASES:
        found.append(_flash(release.firmware))
        found += [_part(part, release.cann, arch) for part in PARTS for arch in releases.ARCHITECTURES]
    return found


def of_release(release: releases.Release, arch: str) -> list[Package]:
    """The packages of one release for one architecture, in the order of a first installation."""
    return [
        _hdk(release.driver, arch),
        _flash(release.firmware),
        *(_part(part, release.cann, arch) for part in PARTS),
    ]


def _hdk(made: Driver, arch: str) -> Package:
    name = releases.driver_file(made.version, arch)
    return Package("npu_driver", name, "ASCEND DRIVER RUN PACKAGE", made.version, arch, releases.CHIP, made)


def _flash(made: Firmware) -> Package:
    title = f"ASCEND-HDK-{releases.CHIP.upper()}-NPU FIRMWARE RUN PACKAGE"
    name = releases.firmware_file(made.version)
    return Package("npu_firmware", name, title, made.version, None, releases.CHIP, made)


def _part(part: str, made: Cann, arch: str) -> Package:
    chip = releases.CHIP if part == "kernels" else None
    name = releases.cann_file(part, made.version, arch)
    return Package(f"cann_{part}", name, "ASCEND_RUN_PACKAGE", made.version, arch, chip, made)


# --- contents --------------------------------------------------------------------------------------------------------


def _driver(package: Package, made: Driver, folder: Path) -> str:
    base = folder / "files/usr/local/Ascend/driver"
    client = CLIENT.read_text(encoding="utf-8")
    _file(base / "tools/hccn_tool", client, 0o755)
    _file(base / "tools/upgrade-tool", client, 0o755)
    _file(folder / "files/usr/local/sbin/npu-smi", client, 0o755)
    _file(folder / "files/etc/systemd/system/npu-network.service", NETWORK_UNIT)
    _filler(base / "device/ascend_910b_device_sw.img", 3072, made.version)
    for name in ("ascend_hal", "dcmi", "drvdsmi_host"):
        _filler(base / f"lib64/driver/lib{name}.so", 64, made.version + name)
    _file(folder / "version.info", releases.driver_info(made))
    _file(folder / "upgrade-tool", client, 0o755)
    settings = {"label": "Driver", "package": "driver", "version": made.version, "arch": package.arch or ""}
    return _scripts(folder, "driver.sh", settings, "hdk.sh")


def _firmware(package: Package, made: Firmware, folder: Path) -> str:
    base = folder / "files/usr/local/Ascend/firmware"
    _filler(base / "image/ascend910b_nve.bin", 384, made.version)
    _file(base / "script/README", "npuforge twin: the chips are simulated\n")
    _file(folder / "version.info", releases.firmware_info(made))
    _file(folder / "upgrade-tool", CLIENT.read_text(encoding="utf-8"), 0o755)
    settings = {"label": "Firmware", "package": "firmware", "version": made.version, "arch": package.arch or ""}
    return _scripts(folder, "firmware.sh", settings, "hdk.sh")


@dataclass(frozen=True)
class Part:
    """A CANN package: the packages within, and where (below its version) the file that names it lies."""

    label: str
    pieces: Sequence[str]
    info_folder: str


PARTS = {
    "toolkit": Part("Toolkit", ("runtime", "compiler", "hccl", "opp", "toolkit", "aoe"), "{arch}-linux"),
    "kernels": Part("Kernels", ("opp_kernel",), "{arch}-linux"),
    "nnal": Part("Nnal", ("atb",), "."),
}


def _cann(package: Package, made: Cann, folder: Path) -> str:
    name = package.id.removeprefix("cann_")
    part, arch = PARTS[name], str(package.arch)
    if name == "toolkit":
        _toolkit(made, arch, folder)
    elif name == "kernels":
        _filler(folder / "files/opp_kernel/opp_kernel/built-in/kernels.o", 2048, made.version)
        _file(folder / "files/opp_kernel/opp_kernel/version.info", _component(made))
    else:
        _atb(made, arch, folder)
    home = "nnal/atb" if name == "nnal" else "ascend-toolkit"
    info_folder = part.info_folder.format(arch=arch)
    path = f"@PATH@/{home}/{made.version}" + ("" if info_folder == "." else f"/{info_folder}")
    title = f"Ascend-cann-{name}" + (f"-{releases.CHIP}" if package.chip else "")
    _file(folder / "install.info", releases.cann_info(title, made, arch, path))
    _file(folder / "upgrade-tool", CLIENT.read_text(encoding="utf-8"), 0o755)
    settings = {
        **{"label": part.label, "package": title, "version": made.version, "arch": arch, "build": made.build},
        **{"part": name, "pieces": " ".join(part.pieces), "info_folder": info_folder},
    }
    return _scripts(folder, "cann.sh", settings)


def _toolkit(made: Cann, arch: str, folder: Path) -> None:
    client = CLIENT.read_text(encoding="utf-8")
    for component in ("runtime", "compiler", "hccl", "opp", "toolkit"):
        _file(folder / f"files/{component}/{component}/version.info", _component(made))
    _filler(folder / "files/runtime/lib64/libascendcl.so", 1024, made.version)
    _filler(folder / "files/hccl/lib64/libhccl.so", 1024, made.version + "hccl")
    _filler(folder / "files/compiler/compiler/ccec_compiler/bin/bisheng", 2048, made.version + "ccec")
    _file(folder / f"files/runtime/{arch}-linux/include/acl/acl.h", "/* npuforge twin, simulated */\n")
    _file(folder / "files/toolkit/bin/setenv.bash", TOOLKIT_ENVIRONMENT.replace("@PATH@", "/usr/local/Ascend"))
    for operation in OPERATIONS:
        _file(folder / f"files/toolkit/tools/hccl_test/bin/{operation}_test", client, 0o755)
    root = folder / "root"
    _file(root / "usr/local/mpich/bin/mpirun", client, 0o755)
    _link(root / "usr/local/bin/mpirun", "/usr/local/mpich/bin/mpirun")
    _file(root / "usr/local/Ascend/toolbox/latest/Ascend-DMI/bin/ascend-dmi", client, 0o755)
    _file(root / "usr/local/Ascend/toolbox/set_env.sh", TOOLBOX_ENVIRONMENT)
    _file(folder / "set_env.sh", TOOLKIT_ENVIRONMENT)


def _atb(made: Cann, arch: str, folder: Path) -> None:
    for abi in (0, 1):
        _filler(folder / f"files/atb/atb/cxx_abi_{abi}/lib/libatb.so", 512, f"{made.version}{abi}")
    _file(
        folder / "files/atb/version.info",
        f"    Ascend-cann-atb : {made.version}\n    Ascend-cann-atb Version : {made.version}.B110\n"
        f"    Platform : {arch}\n    branch : br_release_cann_{made.version}_{BUILD_DATE}\n"
        f"    commit id : {'0' * 40}\n",
    )
    _file(folder / "set_env.sh", ATB_ENVIRONMENT)


def _component(made: Cann) -> str:
    return f"Version={made.build}\nversion_dir={made.version}\ntimestamp={BUILD_DATE}_000000000\n"


def _scripts(folder: Path, installer: str, settings: dict[str, str], *more: str) -> str:
    for name in ("common.sh", installer, *more):
        shutil.copyfile(SCRIPTS / name, folder / name)
    (folder / installer).chmod(0o755)
    _file(folder / "package.conf", "".join(f"{key}='{value}'\n" for key, value in settings.items()))
    return installer


def _file(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def _filler(path: Path, kib: int, seed: str) -> None:
    """Bytes that do not compress and are the same in every build."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(hashlib.shake_256(seed.encode()).digest(kib * KIB))
    path.chmod(0o644)


def _link(path: Path, target: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)
