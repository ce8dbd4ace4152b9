"""The argument list of QEMU: a small two-socket server in software emulation, reachable on a loopback port only."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

PROGRAM = "qemu-system-x86_64"
FIRMWARES = ("bios", "efi")
OVMF = Path("/usr/share/OVMF")
OVMF_CODE, OVMF_VARIABLES = OVMF / "OVMF_CODE_4M.fd", OVMF / "OVMF_VARS_4M.fd"
NUMA_CPUS = ((0, 1), (2, 3))
NODE_MIB = 1024


@dataclass(frozen=True)
class Disks:
    """The files of one machine. ``credentials``: SMBIOS strings (``credential``), one file each."""

    overlay: Path
    nvme: Path
    scsi: Path
    efi_variables: Path
    credentials: tuple[Path, ...] = ()


def credential(name: str, content: bytes) -> str:
    """An SMBIOS string of type 11 that systemd takes for a credential (systemd.system-credentials(7))."""
    return f"io.systemd.credential.binary:{name}={base64.b64encode(content).decode()}"


def _value(path: Path) -> str:
    """A path within an option: QEMU takes a doubled comma for a comma."""
    return str(path).replace(",", ",,")


def argv(disks: Disks, port: int, firmware: str, serial_log: Path) -> list[str]:
    """QEMU in the foreground. ``port``: where 127.0.0.1 leads to the guest's sshd; the guest itself reaches nothing."""
    cpus = sum(len(node) for node in NUMA_CPUS)
    result = [
        *(PROGRAM, "-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none"),
        *("-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "qemu64,-svm"),
        *("-smp", f"{cpus},sockets={len(NUMA_CPUS)},cores={len(NUMA_CPUS[0])},threads=1"),
        *("-m", f"{NODE_MIB * len(NUMA_CPUS)}M"),
    ]
    for node, members in enumerate(NUMA_CPUS):
        result += ["-object", f"memory-backend-ram,id=m{node},size={NODE_MIB}M"]
        result += ["-numa", f"node,nodeid={node},memdev=m{node},cpus={members[0]}-{members[-1]}"]
    if firmware == "efi":
        result += ["-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={OVMF_CODE}"]
        result += ["-drive", f"if=pflash,format=raw,unit=1,file={_value(disks.efi_variables)}"]
    for name, path, form in (("d0", disks.overlay, "qcow2"), ("d1", disks.nvme, "raw"), ("d2", disks.scsi, "raw")):
        # unsafe: nobody keeps these disks, so nothing need reach the host's own.
        result += ["-drive", f"if=none,id={name},file={_value(path)},format={form},cache=unsafe"]
    result += ["-device", "virtio-blk-pci,drive=d0,bootindex=0"]
    result += ["-device", "nvme,serial=nvme0,drive=d1"]
    result += ["-device", "virtio-scsi-pci,id=s0", "-device", "scsi-hd,bus=s0.0,drive=d2,serial=scsi0"]
    # restrict: the guest reaches neither this machine nor the network; only the forwarded port leads in.
    result += ["-netdev", f"user,id=n0,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22"]
    result += ["-device", "virtio-net-pci,netdev=n0,romfile=", "-device", "virtio-rng-pci"]
    for path in disks.credentials:
        result += ["-smbios", f"type=11,path={_value(path)}"]
    return [*result, "-serial", f"file:{serial_log}"]
