"""From an image in the virtual CD to a running installer: UEFI firmware, GRUB, and the kernel's words.

What is read: ISO 9660 with Rock Ridge, an El Torito catalogue with an entry for EFI (platform 0xEF), the FAT image that
it points to, GRUB's configuration in there, and dracut's ``inst.ks`` (anaconda's boot options).
"""

from __future__ import annotations

import io
import re
import shlex
import struct
from dataclasses import dataclass

import pycdlib
from pycdlib.pycdlibexception import PyCdlibException

from lab.install import fat

EFI_PLATFORM = 0xEF
MOST_BYTES = 1 << 30
# What pycdlib raises for a damaged volume, besides its own kind.
DAMAGED = (PyCdlibException, struct.error, ValueError, IndexError, KeyError, AttributeError)
_ENTRY = re.compile(r"menuentry\s+(?P<quote>['\"])(?P<title>.*?)(?P=quote)[^{]*\{(?P<body>.*?)\n\}", re.DOTALL)
_DISC = re.compile(r"(?:hd:LABEL=(?P<label>[^:]+)|cdrom(?::sr0|:/dev/sr0)?):(?P<path>/.*)")


class NotBootable(Exception):
    """The firmware finds nothing on this disc that it could start, and goes on with the next device."""


class BootFailed(Exception):
    """The disc was started, and then it went wrong; the machine stands still with this on its screen."""


@dataclass(frozen=True)
class Started:
    """An installer that runs. ``words``: of its kernel's command line; ``kickstart``: the text, undecoded."""

    label: str
    entry: str
    words: tuple[str, ...]
    kickstart: bytes

    def word(self, name: str) -> str | None:
        """``name=value``; the last one counts."""
        return next((word[len(name) + 1 :] for word in reversed(self.words) if word.startswith(f"{name}=")), None)


def start(image: bytes) -> Started:
    """Boot an image. NotBootable or BootFailed: the reason, as a person would see it."""
    iso = pycdlib.PyCdlib()
    try:
        iso.open_fp(io.BytesIO(image))
    except DAMAGED as error:
        raise NotBootable(f"the medium is no ISO 9660 volume: {error}") from error
    try:
        return _start(iso, image)
    except DAMAGED as error:
        raise BootFailed(f"the disc cannot be read: {error}") from error
    finally:
        iso.close()


def _start(iso: pycdlib.PyCdlib, image: bytes) -> Started:
    label = iso.pvd.volume_identifier.decode("ascii", "replace").rstrip()
    config = _grub_config(iso, image)
    searched = re.findall(r"^\s*search\s.*?(?:-l|--label)\s+['\"]?([^'\"\s]+)", config, re.MULTILINE)
    if searched and searched[-1] != label:
        raise BootFailed(f"grub: no such device: {searched[-1]} (the disc is called {label})")
    entries = list(_ENTRY.finditer(config))
    default = re.findall(r"^\s*set\s+default=['\"]?(\w+)['\"]?", config, re.MULTILINE)
    number = int(default[-1]) if default and default[-1].isdigit() else 0
    if number >= len(entries):
        raise BootFailed(f"grub: there is no menu entry {number}; it waits for somebody to choose")
    entry = entries[number]
    words: list[str] = []
    for command, needed in (("linux", True), ("initrd", True)):
        found = re.search(rf"^\s*{command}(?:efi)?\s+(.*)$", entry["body"], re.MULTILINE)
        if found is None and needed:
            raise BootFailed(f"grub: the entry '{entry['title']}' loads no {command}")
        parts = shlex.split(found[1]) if found else []
        if not parts or _file(iso, parts[0]) is None:
            raise BootFailed(f"grub: file '{parts[0] if parts else ''}' not found")
        words += parts[1:]
    return Started(label, entry["title"], tuple(words), _kickstart(iso, label, words))


def _grub_config(iso: pycdlib.PyCdlib, image: bytes) -> str:
    catalog = iso.eltorito_boot_catalog
    if catalog is None:
        raise NotBootable("the medium has no boot catalogue")
    entries = [catalog.initial_entry] if catalog.validation_entry.platform_id == EFI_PLATFORM else []
    for section in catalog.sections:
        if section.platform_id == EFI_PLATFORM:
            entries += section.section_entries
    for entry in entries:
        begin = entry.get_rba() * 2048
        try:
            config = fat.read(image[begin:], "/EFI/BOOT/grub.cfg")
            loader = fat.read(image[begin:], "/EFI/BOOT/BOOTAA64.EFI")
        except fat.FatError as error:
            raise NotBootable(f"the EFI boot image is damaged: {error}") from error
        if loader is None:
            raise NotBootable("the EFI boot image has no /EFI/BOOT/BOOTAA64.EFI")
        if config is None:
            raise BootFailed("grub: no configuration; it waits at its prompt")
        return config.decode("utf-8", "replace")
    raise NotBootable("the medium has no boot entry for UEFI")


def _kickstart(iso: pycdlib.PyCdlib, label: str, words: list[str]) -> bytes:
    given = next((word[8:] for word in reversed(words) if word.startswith("inst.ks=")), None)
    if given is None:
        raise BootFailed("anaconda: no kickstart (inst.ks); the installer waits for somebody to answer its questions")
    match = _DISC.fullmatch(given)
    if match is None or match["label"] not in (None, label):
        raise BootFailed(f"anaconda: the kickstart {given} cannot be reached")
    text = _file(iso, match["path"])
    if text is None:
        raise BootFailed(f"anaconda: the kickstart {match['path']} is not on the disc")
    if not any(word.startswith(("inst.repo=", "inst.stage2=")) for word in words):
        raise BootFailed("anaconda: no second stage (inst.repo or inst.stage2)")
    return text


def _file(iso: pycdlib.PyCdlib, path: str) -> bytes | None:
    stream = io.BytesIO()
    try:
        iso.get_file_from_iso_fp(stream, rr_path=path)
    except PyCdlibException:
        return None
    return stream.getvalue()
