"""The small image that installs one host: the vendor's installer (kernel, initrd, EFI boot image) and a kickstart.

The vendor's own image is only read. Its EFI boot image (a FAT file system with GRUB in it) is taken over byte by byte,
but for ``EFI/BOOT/grub.cfg``, which gets our text in the place and with the size of the old one: GRUB then starts the
installer's kernel from our image, and that reads ``ks.cfg`` from there and everything else from the repository.

Only UEFI boots it, which every server of this kind has. The image holds secrets (see ``npuforge.install.kickstart``).
"""

from __future__ import annotations

import io
import os
import re
import struct
from pathlib import Path

import pycdlib
from pycdlib.pycdlibexception import PyCdlibException

LABEL = "NPUFORGE_KS"
KERNEL, INITRD, EFI_IMAGE = "/images/pxeboot/vmlinuz", "/images/pxeboot/initrd.img", "/images/efiboot.img"
GRUB = "/EFI/BOOT/grub.cfg"
# What pycdlib raises for a damaged volume, besides its own kind.
DAMAGED = (PyCdlibException, struct.error, ValueError, IndexError, KeyError, AttributeError)
# Of the vendor's menu: what is ours to say.
_OURS = re.compile(r"^\s*(set\s+(default|timeout)\s*=|search\s|export\s+root)")
_LINUX = re.compile(r"^\s*(linux\w*)\s", re.MULTILINE)
_INITRD = re.compile(r"^\s*(initrd\w*)\s", re.MULTILINE)


class ImageError(Exception):
    """The image cannot be made; the message says what of the vendor's image is not as expected."""


def build(installer: Path, kickstart: str, kernel_words: list[str], target: Path) -> int:
    """Write the image to ``target`` (0600, replaced when complete).

    :param installer: the vendor's installation image
    :param kernel_words: for the installer's kernel, besides where the kickstart is
    :returns: its size in bytes
    :raises ImageError: it cannot be made of that installer
    """
    parts = _read(installer)
    menu = grub_config(parts[GRUB].decode("utf-8", "replace"), kernel_words).encode()
    parts[EFI_IMAGE] = replaced(parts[EFI_IMAGE], parts[GRUB], menu)
    parts[GRUB] = menu
    parts["/ks.cfg"] = kickstart.encode()
    temporary = target.with_name(f".new-{target.name}")
    handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "w+b") as stream:
            _write(parts, stream)
            size = stream.seek(0, os.SEEK_END)
        temporary.replace(target)
    except PyCdlibException as error:
        raise ImageError(f"the image cannot be written: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return size


def grub_config(vendors: str, kernel_words: list[str]) -> str:
    """Our menu: what the vendor's says before its first entry, then one entry that starts by itself."""
    linux, initrd = _LINUX.search(vendors), _INITRD.search(vendors)
    if linux is None or initrd is None:
        raise ImageError(f"the vendor's {GRUB} has no entry that starts a kernel")
    head = vendors[: vendors.find("menuentry")].splitlines()
    kept = [line for line in head if line.strip() and not line.lstrip().startswith("#") and not _OURS.match(line)]
    words = " ".join([f"inst.ks=hd:LABEL={LABEL}:/ks.cfg", *kernel_words])
    return "\n".join(
        [
            *kept,
            "set default=0",
            "set timeout=3",
            f"search --no-floppy --set=root -l {LABEL}",
            "menuentry 'npuforge: unattended installation' {",
            f"{linux[1]} {KERNEL} {words}",
            f"{initrd[1]} {INITRD}",
            "}",
            "",
        ]
    )


def replaced(image: bytes, old: bytes, new: bytes) -> bytes:
    """``image`` with the one file ``old`` in it replaced by ``new``, filled up to its size with empty lines.

    :raises ImageError: ``old`` does not lie in one piece in exactly one place, or ``new`` is longer
    """
    count = image.count(old) if old else 0
    if count != 1:
        raise ImageError(f"{EFI_IMAGE} has the text of {GRUB} in one piece {count} times instead of once")
    if len(new) > len(old):
        raise ImageError(f"our menu ({len(new)} bytes) does not fit in the place of the vendor's ({len(old)} bytes)")
    return image.replace(old, new + b"\n" * (len(old) - len(new)))


def _read(installer: Path) -> dict[str, bytes]:
    """What we take from the vendor's image, by its path there."""
    iso = pycdlib.PyCdlib()
    try:
        iso.open(str(installer))
    except (*DAMAGED, OSError) as error:
        raise ImageError(f"{installer} is not a usable installation image: {error}") from error
    try:
        found, missing = {}, []
        for path in (KERNEL, INITRD, EFI_IMAGE, GRUB):
            stream = io.BytesIO()
            where = {"rr_path": path} if iso.has_rock_ridge() else {"iso_path": iso_path(path)}
            try:
                iso.get_file_from_iso_fp(stream, **where)
            except DAMAGED:
                missing.append(path)
            found[path] = stream.getvalue()
        if missing:
            raise ImageError(f"{installer} has not {', '.join(missing)}: it is no network installer for UEFI machines")
        return found
    finally:
        iso.close()


def _write(parts: dict[str, bytes], stream: io.BufferedRandom) -> None:
    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, rock_ridge="1.09", joliet=3, vol_ident=LABEL)
    made = set()
    for path, data in parts.items():
        for cut in [i for i, character in enumerate(path) if character == "/" and i]:
            folder = path[:cut]
            if folder not in made:
                made.add(folder)
                name = folder.rpartition("/")[2]
                iso.add_directory(iso_path(folder, folder=True), rr_name=name, joliet_path=folder)
        name = path.rpartition("/")[2]
        iso.add_fp(io.BytesIO(data), len(data), iso_path(path), rr_name=name, joliet_path=path, file_mode=0o100444)
    iso.add_eltorito(
        iso_path(EFI_IMAGE), bootcatfile="/BOOT.CAT;1", rr_bootcatname="boot.cat", efi=True, platform_id=0xEF
    )
    iso.write_fp(stream)
    iso.close()


def iso_path(path: str, folder: bool = False) -> str:
    """The plain ISO 9660 name of a path: capital letters, a version."""
    plain = re.sub(r"[^A-Z0-9_./]", "_", path.upper())
    if folder:
        return plain
    return f"{plain};1" if "." in plain.rpartition("/")[2] else f"{plain}.;1"
