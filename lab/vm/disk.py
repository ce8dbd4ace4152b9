"""Lays out a bootable disk image without loop devices: GPT, GRUB for BIOS and EFI, an ext4 root file system.

All positions are in sectors of 512 bytes. Sources: UEFI specification 2.10, 5.3 (GPT); GRUB 2.06,
include/grub/i386/pc/boot.h and grub-core/boot/i386/pc/{boot,diskboot}.S (what grub-bios-setup writes where).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from pathlib import Path

from lab.vm import guest

SECTOR = 512
DISK_SECTORS = 2 * 1024**3 // SECTOR  # sparse: what is really used is about 400 MB
CORE_FIRST, CORE_LAST = 2048, 4095  # the BIOS boot partition
ESP_FIRST, ESP_LAST = 4096, 36863
ROOT_FIRST = 36864
ROOT_LAST = DISK_SECTORS - 2048 - 1  # the second GPT and its alignment

_KERNEL_SECTOR = 0x5C  # GRUB_BOOT_MACHINE_KERNEL_SECTOR: where boot.img finds the rest, a 64-bit sector number
_DRIVE_CHECK = 0x66  # GRUB_BOOT_MACHINE_DRIVE_CHECK: two bytes of jump; grub-bios-setup makes them NOPs on hard disks
_BOOT_CODE_BYTES = 440  # what follows in the first sector is the disk's signature and its partition table
_TABLE, _TABLE_BYTES = 446, 64  # of a sector that is a master boot record
_BLOCKLIST = SECTOR - 12  # in core.img's first sector: u64 first sector, u16 count, u16 segment
_SEGMENT = 0x820  # diskboot.img and the rest are loaded from 0x8000 on; the rest starts at 0x8200

Run = Callable[[Sequence[str]], object]


def boot_sector(boot: bytes) -> bytes:
    """The first 440 bytes of the disk: GRUB's boot.img, told where core.img is."""
    patched = bytearray(boot[:_BOOT_CODE_BYTES])
    struct.pack_into("<Q", patched, _KERNEL_SECTOR, CORE_FIRST)
    patched[_DRIVE_CHECK : _DRIVE_CHECK + 2] = b"\x90\x90"
    return bytes(patched)


def embedded_core(core: bytes) -> bytes:
    """core.img in whole sectors, its first one told where the others are. Raises ValueError when it does not fit."""
    count = -(-len(core) // SECTOR)
    if not 1 < count <= CORE_LAST - CORE_FIRST + 1:
        raise ValueError(f"core.img has {count} sectors; expected 2 to {CORE_LAST - CORE_FIRST + 1}")
    patched = bytearray(core.ljust(count * SECTOR, b"\0"))
    struct.pack_into("<QHH", patched, _BLOCKLIST, CORE_FIRST + 1, count - 1, _SEGMENT)
    return bytes(patched)


def partition_argv(image: Path) -> list[str]:
    # No -q: sgdisk has none, does nothing when given one, and says success.
    return [
        *("sgdisk", "-a", "1"),
        *("-n", f"1:{CORE_FIRST}:{CORE_LAST}", "-t", "1:ef02"),
        *("-n", f"2:{ESP_FIRST}:{ESP_LAST}", "-t", "2:ef00"),
        *("-n", f"3:{ROOT_FIRST}:{ROOT_LAST}", "-t", "3:8300", "-c", "3:root"),
        str(image),
    ]


def esp_argvs(image: Path, program: Path) -> list[list[str]]:
    """Format the EFI system partition and put GRUB where firmware looks when no boot entry names another file."""
    at = f"{image}@@{ESP_FIRST * SECTOR}"
    return [
        ["mformat", "-i", at, "-T", str(ESP_LAST - ESP_FIRST + 1), "-h", "64", "-s", "32", "-v", "ESP", "::"],
        ["mmd", "-i", at, "::/EFI", "::/EFI/BOOT"],
        ["mcopy", "-i", at, str(program), "::/EFI/BOOT/BOOTX64.EFI"],
    ]


def root_argv(image: Path, tree: Path) -> list[str]:
    kib = (ROOT_LAST - ROOT_FIRST + 1) * SECTOR // 1024
    return [
        *("mke2fs", "-q", "-F", "-t", "ext4", "-L", guest.LABEL, "-m", "0"),
        # GRUB 2.06 reads neither of the first two; a journal is for those who keep the disk.
        *("-O", "^metadata_csum_seed,^orphan_file,^has_journal"),
        *("-E", f"offset={ROOT_FIRST * SECTOR},lazy_itable_init=0,nodiscard", "-d", str(tree), str(image), f"{kib}k"),
    ]


def assemble(tree: Path, boot: Path, image: Path, run: Run) -> None:
    """Make ``image`` (raw, sparse) from the root file system ``tree`` and from boot.img, core.img, BOOTX64.EFI."""
    with image.open("wb") as stream:
        stream.truncate(DISK_SECTORS * SECTOR)
    run(partition_argv(image))
    for argv in esp_argvs(image, boot / "BOOTX64.EFI"):
        run(argv)
    run(root_argv(image, tree))
    with image.open("r+b") as stream:
        # mformat writes a partition table of its own into the file system's first sector, which irritates grub-probe.
        stream.seek(ESP_FIRST * SECTOR + _TABLE)
        stream.write(bytes(_TABLE_BYTES))
        stream.seek(0)
        stream.write(boot_sector((boot / "boot.img").read_bytes()))
        stream.seek(CORE_FIRST * SECTOR)
        stream.write(embedded_core((boot / "core.img").read_bytes()))
