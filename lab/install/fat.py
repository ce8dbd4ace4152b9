"""FAT12 images: small ones are written (a stand-in of a vendor's EFI boot image), and files are read out of them.

As Microsoft's "FAT: General Overview of On-Disk Format" has it. Written: one sector per cluster, short names only, no
time stamps. Read: FAT12 and FAT16, short names (what the twin's firmware needs of an EFI system partition).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

SECTOR = 512
ROOT_ENTRIES = 64
DIRECTORY = 0x10
LONG_NAME = 0x0F
FAT12_CLUSTERS = 4085  # fewer clusters than this: FAT12; fewer than 65525: FAT16


class FatError(Exception):
    """This is not a FAT file system that can be read."""


def write(files: Mapping[str, bytes]) -> bytes:
    """An image with these files (``/EFI/BOOT/grub.cfg``); long names are an error."""
    data: list[bytes] = []  # one cluster each, numbered from 2 on
    fat: list[int] = [0xFF8, 0xFFF]

    def store(content: bytes) -> int:
        """Number of the first cluster, 0 for an empty file."""
        count = -(-len(content) // SECTOR)
        first = len(fat)
        for number in range(count):
            data.append(content[number * SECTOR : (number + 1) * SECTOR].ljust(SECTOR, b"\0"))
            fat.append(first + number + 1 if number + 1 < count else 0xFFF)
        return first if count else 0

    def folder(path: str) -> bytes:
        entries = b""
        inside = {name[len(path) + 1 :]: content for name, content in files.items() if name.startswith(f"{path}/")}
        for name in sorted({rest.split("/")[0] for rest in inside}):
            if name in inside:
                entries += _entry(name, 0x20, store(inside[name]), len(inside[name]))
            else:
                entries += _entry(name, DIRECTORY, store(folder(f"{path}/{name}") or bytes(SECTOR)), 0)
        return entries

    root = folder("")
    if len(root) > ROOT_ENTRIES * 32:
        raise FatError("too many files in the root")
    table = _packed(fat)
    fat_sectors = -(-len(table) // SECTOR)
    total = 1 + fat_sectors + ROOT_ENTRIES * 32 // SECTOR + len(data)
    if len(data) >= FAT12_CLUSTERS or total > 0xFFFF:
        raise FatError("too much for a FAT12")
    head = b"\xeb\x3c\x90MSDOS5.0" + struct.pack(
        "<HBHBHHBHHHII", SECTOR, 1, 1, 1, ROOT_ENTRIES, total, 0xF8, fat_sectors, 32, 2, 0, 0
    )
    boot = head.ljust(510, b"\0") + b"\x55\xaa"
    parts = [boot, table.ljust(fat_sectors * SECTOR, b"\0"), root.ljust(ROOT_ENTRIES * 32, b"\0"), *data]
    return b"".join(parts)


def _entry(name: str, kind: int, cluster: int, size: int) -> bytes:
    stem, _, suffix = name.upper().partition(".")
    if len(stem) > 8 or len(suffix) > 3 or not stem.isascii():
        raise FatError(f"{name} is no short name")
    return struct.pack("<8s3sB14xHI", stem.ljust(8).encode(), suffix.ljust(3).encode(), kind, cluster, size)


def _packed(fat: list[int]) -> bytes:
    """Two entries of 12 bits in three bytes."""
    pairs = [*fat, 0] if len(fat) % 2 else fat
    packed = bytearray()
    for low, high in zip(pairs[::2], pairs[1::2], strict=True):
        packed += bytes((low & 0xFF, low >> 8 | (high & 0xF) << 4, high >> 4))
    return bytes(packed)


@dataclass(frozen=True)
class _Shape:
    """Where things are in an image, in bytes."""

    cluster: int
    fat: int
    root: int
    root_entries: int
    data: int
    sixteen: bool


def read(image: bytes, path: str) -> bytes | None:
    """A file's content; None: there is none at this path (case does not matter). FatError: damaged."""
    shape = _shape(image)
    entries = image[shape.root : shape.root + shape.root_entries * 32]
    parts = path.strip("/").upper().split("/")
    for depth, wanted in enumerate(parts, 1):
        found = next((entry for entry in _entries(entries) if entry[0] == wanted), None)
        if found is None:
            return None
        _, is_folder, first, size = found
        content = b"".join(_chain(image, shape, first))
        if depth == len(parts):
            return None if is_folder else content[:size]
        if not is_folder:
            return None
        entries = content
    return None


def _shape(image: bytes) -> _Shape:
    if len(image) < SECTOR or image[510:512] != b"\x55\xaa":
        raise FatError("no boot sector")
    size, per_cluster, reserved, fats, roots, total, _, fat_size, *_ = struct.unpack_from("<HBHBHHBHHHII", image, 11)
    total = total or struct.unpack_from("<I", image, 32)[0]
    if size not in (512, 1024, 2048, 4096) or not per_cluster or not fats or not fat_size or not roots:
        raise FatError("not a FAT12 or FAT16")
    root = (reserved + fats * fat_size) * size
    data = root + roots * 32
    clusters = (total * size - data) // (per_cluster * size)
    return _Shape(per_cluster * size, reserved * size, root, roots, data, clusters >= FAT12_CLUSTERS)


def _entries(folder: bytes) -> Iterator[tuple[str, bool, int, int]]:
    """(name, whether it is a folder, first cluster, size)."""
    for at in range(0, len(folder) - 31, 32):
        stem, suffix, kind, cluster, size = struct.unpack_from("<8s3sB14xHI", folder, at)
        if stem[0] == 0:
            return
        if stem[0] == 0xE5 or kind & LONG_NAME == LONG_NAME or kind & 0x08:
            continue
        name = stem.decode("ascii", "replace").rstrip()
        end = suffix.decode("ascii", "replace").rstrip()
        yield f"{name}.{end}" if end else name, bool(kind & DIRECTORY), cluster, size


def _chain(image: bytes, shape: _Shape, first: int) -> Iterator[bytes]:
    cluster, seen = first, 0
    last = 0xFFF8 if shape.sixteen else 0xFF8
    while 2 <= cluster < last:
        start = shape.data + (cluster - 2) * shape.cluster
        yield image[start : start + shape.cluster]
        seen += shape.cluster
        if seen > len(image):
            raise FatError("a file whose clusters go round in circles")
        try:
            if shape.sixteen:
                (cluster,) = struct.unpack_from("<H", image, shape.fat + 2 * cluster)
            else:
                (both,) = struct.unpack_from("<H", image, shape.fat + cluster * 3 // 2)
                cluster = both >> 4 if cluster % 2 else both & 0xFFF
        except struct.error as error:
            raise FatError("a file that leads out of the image") from error
