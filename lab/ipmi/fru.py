"""FRU inventory areas, encoded as in "IPMI Platform Management FRU Information Storage Definition" v1.0 rev 1.3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

SIZE = 1024  # bytes of each FRU device; areas are padded to it, so that their content may grow while it is served
FIELD_MAX = 63  # six bits of length
RACK_MOUNT_CHASSIS = 0x17  # SMBIOS chassis type
ENGLISH = 0x19
NO_DATE = (0x00, 0x00, 0x00)  # minutes since 1996-01-01; 0 = unspecified


def system(node: Mapping[str, Any]) -> bytes:
    """The server's own FRU: chassis, board and product area."""
    board = node["board"]
    chassis = _area([RACK_MOUNT_CHASSIS], [node["part_number"], node["serial"]])
    main_board = _area(
        [ENGLISH, *NO_DATE], [node["manufacturer"], board["model"], board["serial"], board["part_number"], ""]
    )
    product = _area(
        [ENGLISH],
        [node["manufacturer"], node["model"], node["part_number"], "", node["serial"], node["asset_tag"], ""],
    )
    return image(chassis, main_board, product)


def power_supply(psu: Mapping[str, Any]) -> bytes:
    """A power supply's FRU: a product area."""
    fields = [psu["manufacturer"], psu["model"], psu["part_number"], psu["firmware"], psu["serial"], "", ""]
    return image(b"", b"", _area([ENGLISH], fields))


def image(chassis: bytes, board: bytes, product: bytes) -> bytes:
    """Common header and areas, padded to ``SIZE``; an empty area is left out."""
    offset = 8
    header = [0x01, 0x00]  # format version, no internal use area
    for area in (chassis, board, product):
        header.append(offset // 8 if area else 0)
        offset += len(area)
    header += [0x00, 0x00]  # no multi-record area, pad
    content = bytes([*header, _checksum(header)]) + chassis + board + product
    if len(content) > SIZE:
        raise ValueError(f"FRU data of {len(content)} bytes do not fit in {SIZE}")
    return content.ljust(SIZE, b"\0")


def field(value: object) -> bytes:
    """Type/length byte and Latin-1 text. Empty is 0xC0; one character is padded, since 0xC1 ends the list."""
    given = "" if value is None else str(value)
    text = "".join(letter if letter.isprintable() else "?" for letter in given)
    data = text.encode("latin-1", "replace")[:FIELD_MAX]
    if len(data) == 1:
        data += b" "
    return bytes([0xC0 | len(data)]) + data


def _area(head: Sequence[int], fields: Sequence[object]) -> bytes:
    body = bytes([0x01, 0x00, *head]) + b"".join(field(value) for value in fields) + b"\xc1"
    body = body.ljust(-(-(len(body) + 1) // 8) * 8 - 1, b"\0")
    body = bytes([body[0], (len(body) + 1) // 8]) + body[2:]
    return body + bytes([_checksum(body)])


def _checksum(data: Sequence[int] | bytes) -> int:
    """The byte that makes the sum zero modulo 256."""
    return -sum(data) & 0xFF
