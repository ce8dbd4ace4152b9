"""A make-believe node whose software is installed by shell scripts that behave, fail, lie and die as told."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from npuforge.ascend.software import driver_run
from npuforge.ascend.software.driver_facts import Result, result
from npuforge.ascend.software.host import Host, Process
from npuforge.bundle.manifest import BundleError
from npuforge.fabric.tool import Answer

OLD, NEW = ("24.1.rc3", "7.5.0.1.129"), ("25.0.rc1.1", "7.7.0.1.231")
KERNEL = "5.10.0-60.18.0.50.oe2203.aarch64"
# C numbers and ranges as in version files seen in public notes; made up for versions that nobody showed.
DRIVERS = {
    "24.1.rc3": ("V100R001C19SPC001B124", "[V100R001C17],[V100R001C18],[V100R001C19]", "[7.0.0,7.5.99]"),
    "25.0.rc1.1": ("V100R001C21SPC002B220", "[V100R001C19],[V100R001C20],[V100R001C21]", "[7.0.0,7.7.99]"),
    "25.2.0": ("V100R001C22SPC002B220", "[V100R001C20],[V100R001C21],[V100R001C22]", "[6.4.0,6.4.99],[7.0.0,7.8.99]"),
}
FIRMWARES = {
    "7.5.0.1.129": ("24.1.rc3", "[23.0.0,23.0.0.],[24.0,24.0.],[24.1,24.1.]"),
    "7.7.0.1.231": ("25.0.rc1.1", "[23.0.0,23.0.0.],[24.0,24.0.],[24.1,24.1.],[25.0,25.0.]"),
    "7.8.0.2.212": ("25.2.0", "[24.1,24.1.],[25.0,25.0.],[25.2,25.2.]"),
}


def driver_file(version: str) -> str:
    inner, inners, firmware = DRIVERS[version]
    return (
        f"Version={version}\nascendhal_version=7.35.23\nInnerversion={inner}\ncompatible_version={inners}\n"
        f"compatible_version_fw={firmware}\npackage_version={version}\n"
    )


def firmware_file(version: str) -> str:
    package, drivers = FIRMWARES[version]
    return f"Version={version}\nfirmware_version=1.0\npackage_version={package}\ncompatible_version_drv={drivers}\n"


SCRIPT = r"""#!/bin/sh
# A small package: @COMPONENT@ @VERSION@. How it behaves stands in the world, one word a line.
R='@ROOT@'; C=@COMPONENT@; V=@VERSION@; T=@TITLE@
h=; [ ! -f "$R/world/how_$C" ] || read -r h < "$R/world/how_$C" || :
how() { case " $h " in *" $1 "*) return 0;; esac; return 1; }
L="$R/var/log/ascend_seclog"
log() { echo "[$T] [2026-11-24 10:00:00] $1"; echo "[$T] [2026-11-24 10:00:00] $1" >> "$L/ascend_install.log"; }
done_() { log "[INFO]$T package installed successfully! $1"; }
n=0
step() { n=$((n + 1)); if how "dies$n"; then kill -9 $$; fi; if how "hangs$n"; then sleep 30; fi; }
mkdir -p "$R/var/log/ascend_seclog" "$R/usr/local/Ascend/$C"
echo "$V $*" >> "$R/world/calls_$C"
log "[INFO]Start time: 2026-11-24 10:00:00"
log "[WARNING]Do not power off or restart the system during the installation/upgrade"
if how code; then log "[ERROR]$(cat "$R/world/text_$C")"; exit 1; fi
step
I="$R/etc/ascend_install.info"
if how lies; then done_ "The new version takes effect immediately. "; exit 0; fi
rm -f "$R/usr/local/Ascend/$C/version.info"
if [ $C = driver ]; then
  if ! grep -q UserName "$I" 2>/dev/null; then
    printf 'UserName=HwHiAiUser\nUserGroup=HwHiAiUser\nDriver_Install_Path_Param=/usr/local/Ascend\n' >> "$I"
  fi
fi
log "[INFO]upgradePercentage:30%"
step
if how "late$V"; then log "[ERROR]$(cat "$R/world/text_$C")"; exit 1; fi
log "[INFO]upgradePercentage:90%"
printf 'Version=' > "$R/usr/local/Ascend/$C/version.info"
step
cp "$R/world/files/$C-$V" "$R/usr/local/Ascend/$C/version.info"
step
if [ $C = firmware ]; then
  echo "$V" > "$R/world/pending"
  k=8; if how few; then k=7; fi
  log "[INFO]The firmware of [$k] chips are successfully upgraded."
  done_ "Reboot now or after driver installation for the installation/upgrade to take effect."
  exit 0
fi
echo "Driver_Install_Status=complete" >> "$I"
if how reboot; then done_ "Reboot needed for installation/upgrade to take effect! "; exit 2; fi
echo "$V" > "$R/world/loaded"
[ -f "$R/world/running" ] || echo 7.1.0.1.1 > "$R/world/running"
done_ "The new version takes effect immediately. "
exit 0
"""


class Killed(BaseException):
    """Our own process was killed here; no cleaning up may follow."""


class FakeHost(Host):
    """Files below a folder; the rest as the world says. ``kill_at``: the change at which our process is killed."""

    def __init__(self, world: World) -> None:
        super().__init__(str(world.root))
        self.world = world
        self.kill_at: int | None = None
        self.changes = 0

    def change(self) -> None:
        self.changes += 1
        if self.kill_at is not None and self.changes >= self.kill_at:
            raise Killed

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        if "/progress/" not in path:
            self.change()
        super().write(path, text, mode)

    def relink(self, path: str, target: str) -> None:
        self.change()
        super().relink(path, target)

    def uid(self) -> int:
        return self.world.uid

    def machine(self) -> str:
        return self.world.machine

    def kernel(self) -> str:
        return self.world.kernel

    def boot_id(self) -> str | None:
        return self.world.boot_id

    def which(self, program: str) -> str | None:
        return f"/usr/bin/{program}" if program in self.world.programs else None

    def processes(self) -> list[Process]:
        return self.world.processes

    def started(self, pid: int) -> str | None:
        return Host("/").started(pid)

    def chip_holders(self) -> list[str]:
        return self.world.holders

    def pci_devices(self) -> list[str] | None:
        return ["0xd802"] * self.world.chips

    def free_mib(self, path: str) -> int | None:
        return self.world.free_mib.get(path, 100_000)

    def run(self, argv: Sequence[str], seconds: float = 30.0) -> Answer:
        self.change()
        if argv[0] == "groupadd":
            self._add("etc/group", f"{argv[-1]}:x:{argv[2] if '-g' in argv else 1000}:")
        elif argv[0] == "useradd":
            number = argv[argv.index("-u") + 1] if "-u" in argv else "1000"
            group = self.group(argv[argv.index("-g") + 1])
            self._add("etc/passwd", f"{argv[-1]}:x:{number}:{group}::/home/{argv[-1]}:/bin/bash")
        elif argv[0] == "usermod":
            path = self.world.root / "etc/group"
            rows = path.read_text().splitlines()
            path.write_text("".join(f"{row}{argv[-1] if row.startswith(argv[3] + ':') else ''}\n" for row in rows))
        else:
            return Answer(list(argv), 127, "no such program", 0.0)
        return Answer(list(argv), 0, "", 0.0)

    def _add(self, name: str, row: str) -> None:
        with (self.world.root / name).open("a") as stream:
            stream.write(row + "\n")


class FakeSmi:
    """npu-smi of the world: boards with the loaded driver and the running firmware."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.calls = 0

    def spread(self, function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
        return [function(each) for each in items]

    def short(self, words: Sequence[str], seconds: float | None = None) -> Answer:
        self.calls += 1
        argv = ["npu-smi", *words]
        world = self.world
        if world.smi == "hangs":
            return Answer(argv, None, "", 20.0)
        if world.smi == "absent" or (world.loaded is None and world.smi is None):
            return Answer(argv, 127, "No such file or directory", 0.0)
        if list(words) == ["info", "-l"]:
            rows = [f"        Total Count                    : {world.chips}\n"]
            for npu in range(world.chips):
                rows.append(f"\n        NPU ID                         : {npu}\n")
                rows.append("        Chip Count                     : 1\n")
            return Answer(argv, 0, "".join(rows) + world.smi_tail, 0.01)
        if list(words[:3]) == ["info", "-t", "board"]:
            npu = words[4]
            told = world.compatibility.get(int(npu), "OK")
            text = (
                f"        NPU ID                         : {npu}\n"
                f"        Software Version               : {world.loaded}\n"
                f"        Firmware Version               : {world.running}\n"
                f"        Compatibility                  : {told}\n"
                "        PCI Device ID                  : 0xD802\n"
                "        Chip Count                     : 1\n"
            )
            return Answer(argv, 0, text, 0.01)
        return Answer(argv, 0, world.table, 0.01)


class World:
    """One node. ``how(component, words)`` tells a package how to behave: ok, lies, code, late<version>, reboot, few,
    dies<n>, hangs<n>."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.uid, self.machine, self.kernel, self.boot_id = 0, "aarch64", KERNEL, "boot-1"
        self.programs = {"dkms", "gcc", "make", "ifconfig", "lspci"}
        self.processes: list[Process] = []
        self.holders: list[str] = []
        self.free_mib: dict[str, int] = {}
        self.chips = 8
        self.smi: str | None = None
        self.smi_tail = ""
        self.table = ""
        self.compatibility: dict[int, str] = {}
        self.fetched: list[str] = []
        self.broken_files: set[str] = set()
        for folder in ("world/files", "etc", "usr/local/Ascend", "run", "var/lib", f"lib/modules/{KERNEL}/build"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        (root / f"lib/modules/{KERNEL}/build/Makefile").write_text("")
        for version in DRIVERS:
            (root / "world/files" / f"driver-{version}").write_text(driver_file(version))
        for version in FIRMWARES:
            (root / "world/files" / f"firmware-{version}").write_text(firmware_file(version))
        (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/bash\n")
        (root / "etc/group").write_text("root:x:0:\n")
        self.host = FakeHost(self)
        self.tool = FakeSmi(self)

    def fact(self, name: str) -> str | None:
        path = self.root / "world" / name
        return path.read_text().strip() if path.is_file() else None

    @property
    def loaded(self) -> str | None:
        return self.fact("loaded")

    @property
    def running(self) -> str | None:
        return self.fact("running")

    def how(self, component: str, words: str, text: str = "") -> None:
        (self.root / f"world/how_{component}").write_text(words)
        (self.root / f"world/text_{component}").write_text(text)

    def calls(self, component: str) -> list[str]:
        return (self.fact(f"calls_{component}") or "").splitlines()

    def restart(self) -> None:
        """What a start of the machine does: firmware takes effect, the installed driver is loaded."""
        self.boot_id += "+"
        pending = self.fact("pending")
        if pending:
            (self.root / "world/running").write_text(pending + "\n")
        installed = self.version("driver")
        if installed and "complete" in self.read("etc/ascend_install.info"):
            (self.root / "world/loaded").write_text(installed + "\n")

    def read(self, name: str) -> str:
        path = self.root / name
        return path.read_text() if path.is_file() else ""

    def version(self, component: str) -> str | None:
        text = self.read(f"usr/local/Ascend/{component}/version.info")
        return text.splitlines()[0].partition("=")[2] or None if text else None

    def have(self, driver: str, firmware: str | None, kept: bool = False) -> None:
        """Put versions there as if installed long ago, by hand or (``kept``) by us."""
        for component, version in (("driver", driver), ("firmware", firmware)):
            if version is not None:
                target = self.root / f"usr/local/Ascend/{component}"
                target.mkdir(parents=True, exist_ok=True)
                shutil.copy(self.root / f"world/files/{component}-{version}", target / "version.info")
        (self.root / "etc/ascend_install.info").write_text(
            "UserName=HwHiAiUser\nUserGroup=HwHiAiUser\nDriver_Install_Path_Param=/usr/local/Ascend\n"
            "Driver_Install_Type=full\nDriver_Install_Status=complete\n"
        )
        (self.root / "world/loaded").write_text(driver + "\n")
        (self.root / "world/running").write_text((firmware or "7.1.0.1.1") + "\n")
        for name, row in (("passwd", "HwHiAiUser:x:1000:1000::/h:/bin/sh\n"), ("group", "HwHiAiUser:x:1000:\n")):
            if row not in self.read(f"etc/{name}"):
                with (self.root / f"etc/{name}").open("a") as stream:
                    stream.write(row)
        if kept:
            rows = []
            for artifact in self.artifacts(driver, firmware or NEW[1]):
                path = self.fetch("", artifact, self.root / "var/lib/npuforge/packages", print)
                rows.append(
                    {"component": artifact["id"][4:], "version": artifact["version"], "file": path.name}
                    | {"sha256": artifact["sha256"]}
                )
            self.host.write_json("/var/lib/npuforge/software/npu_driver.json", {"packages": rows})
            self.fetched.clear()

    def package(self, component: str, version: str) -> str:
        made = SCRIPT.replace("@ROOT@", str(self.root)).replace("@COMPONENT@", component)
        return made.replace("@VERSION@", version).replace("@TITLE@", component.title())

    def artifacts(self, driver: str = NEW[0], firmware: str = NEW[1], arch: str = "aarch64") -> list[dict[str, Any]]:
        rows = []
        for component, version, arches in (("driver", driver, [arch]), ("firmware", firmware, ["noarch"])):
            text = self.package(component, version).encode()
            tail = f"_linux-{arch.replace('_', '-')}" if component == "driver" else ""
            rows.append(
                {
                    "id": f"npu_{component}",
                    "file": f"Ascend-hdk-910b-npu-{component}_{version}{tail}.run",
                    "version": version,
                    "arch": arches,
                    "chip": "910b",
                    "kind": "run",
                    "size_bytes": len(text),
                    "sha256": hashlib.sha256(text).hexdigest(),
                }
            )
        return rows

    def fetch(self, url: str, artifact: Any, folder: Any, say: Callable[[str], None], opener: Any = None) -> Path:
        """As ``npuforge.bundle.fetch.fetch``."""
        if artifact["file"] in self.broken_files:
            raise BundleError(artifact["file"], "the SHA-256 is wrong", artifact["sha256"][:8], "00000000")
        self.host.change()
        say(f"{artifact['file']}: fetched")
        self.fetched.append(artifact["file"])
        path = Path(folder) / artifact["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.package(artifact["id"][4:], artifact["version"]))
        return path

    def request(self, versions: tuple[str | None, str | None] = NEW, check: bool = False, **more: Any) -> Any:
        wanted = {"driver": versions[0], "firmware": versions[1]}
        bundle = {"url": "http://192.0.2.1", "artifacts": self.artifacts(versions[0] or NEW[0], versions[1] or NEW[1])}
        given = {"bundle": bundle, "chip_count": 8, "timeout_seconds": 20.0, "check": check, **more}
        return driver_run.Request("node1", wanted, **given)

    def run(self, versions: tuple[str | None, str | None] = NEW, check: bool = False, **more: Any) -> Result:
        request = self.request(versions, check, **more)
        bench = driver_run.Bench(self.host, self.tool, self.fetch, lambda seconds: None)
        return result(request, driver_run.run(request, bench), True)


def facts(made: Result) -> dict[str, Any]:
    return dict(made.observations[0]["observation"]["facts"])


def software(made: Result) -> dict[str, Any]:
    return dict(facts(made)["npu_software"])


def snapshot(root: Path) -> dict[str, str]:
    """All files below a folder, for: nothing was touched."""
    found = {}
    for folder, _, names in os.walk(root):
        for each in names:
            path = Path(folder) / each
            name = str(path.relative_to(root))
            found[name] = str(path.readlink()) if path.is_symlink() else path.read_text(errors="replace")
    return found
