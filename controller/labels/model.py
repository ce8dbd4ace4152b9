"""The cabling table as typed values: read from YAML or from NetBox's CSV, and bound to the survey's devices.

A field that is ``None`` was not filled in; ``controller.labels.check`` says so, reading does not refuse it.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from controller.survey.model import Survey
from controller.survey.reading import InputError, Problem, check_schema, parse_yaml, read_text, schema

FIBRE = ("mmf", "smf", "aoc")
KIND_LETTERS = {"power": "P", "fibre": "F", "copper": "C"}
_RANGE = re.compile(r"\[(\d+)-(\d+)\]")
LARGEST_RANGE = 4096


@dataclass(frozen=True)
class Place:
    """Where a device or PDU is. ``ports`` is None when nobody listed them; ``feed`` only for PDUs."""

    name: str
    rack: str | None
    unit: int | None
    ports: frozenset[str] | None
    feed: str | None = None
    psus_needed: int | None = None
    breakouts: dict[str, int] = field(default_factory=dict)  # port name -> its number of lanes

    def end_id(self, port: str) -> str:
        """TIA-606 style: rack, unit, device, port, as in ``R01-U20-NODE1-NPU3``. A PDU has no unit."""
        name = self.name
        if self.rack is not None and name.upper().startswith(f"{self.rack.upper()}-"):
            name = name[len(self.rack) + 1 :]
        parts = [self.rack, None if self.unit is None else f"U{self.unit:02d}", name, port]
        return "-".join(part for part in parts if part).upper()


@dataclass(frozen=True)
class End:
    device: str | None
    name: str | None

    @property
    def complete(self) -> bool:
        return self.device is not None and self.name is not None

    def __str__(self) -> str:
        return f"{self.device or '?'} {self.name or '?'}"


@dataclass(frozen=True)
class Cable:
    """One row. ``number`` counts from 1 in the order of the file; ``label`` is None when none could be made."""

    number: int
    a: End
    b: End
    type: str | None
    status: str
    color: str | None
    label: str | None
    length: float | None
    length_unit: str | None

    @property
    def kind(self) -> str:
        """``power``, ``fibre`` (also active optical cables) or ``copper``."""
        if self.type == "power":
            return "power"
        return "fibre" if (self.type or "").startswith(FIBRE) else "copper"

    @property
    def length_text(self) -> str:
        return "" if self.length is None else f"{self.length:g} {self.length_unit or 'm'}"

    def __str__(self) -> str:
        return f"{self.label or f'cable {self.number}'} ({self.a} - {self.b})"


@dataclass(frozen=True)
class Cabling:
    cables: tuple[Cable, ...]
    devices: dict[str, Place]
    text: str = ""
    path: str = ""

    def end_id(self, end: End) -> str | None:
        """The end's id on labels; None when the end or its device is not known."""
        if end.device is None or end.name is None or end.device not in self.devices:
            return None
        return self.devices[end.device].end_id(end.name)


def expand(pattern: str) -> list[str]:
    """NetBox's ranges: ``NPU[1-3]`` is NPU1, NPU2, NPU3.

    :raises ValueError: a range that runs backwards or is absurdly large.
    """
    pieces = _RANGE.split(pattern)
    choices: list[list[str]] = [[pieces[0]]]
    size = 1
    for low, high, text in zip(pieces[1::3], pieces[2::3], pieces[3::3], strict=True):
        first, last = int(low), int(high)
        size *= last - first + 1
        if first > last or size > LARGEST_RANGE:
            raise ValueError(f"{pattern!r} is not a usable range")
        choices += [[str(number) for number in range(first, last + 1)], [text]]
    return ["".join(choice) for choice in itertools.product(*choices)]


def places(survey: Survey) -> dict[str, Place]:
    """The devices and PDUs of a survey as places of cable ends.

    :raises InputError: a device's port pattern cannot be expanded.
    """
    result: dict[str, Place] = {}
    problems = []
    for device in survey.devices:
        try:
            ports = {port for pattern in device.ports for port in expand(pattern)}
            breakouts = {p: lanes for pattern, lanes in device.breakout_lanes.items() for p in expand(pattern)}
        except ValueError as error:
            problems.append(Problem(f"devices.{device.name}.ports", str(error)))
            continue
        ports |= {f"{port}:{lane}" for port, lanes in breakouts.items() for lane in range(1, lanes + 1)}
        psus = {cord.psu for cord in device.cords or ()}
        result[device.name] = Place(
            name=device.name,
            rack=device.rack,
            unit=device.unit,
            ports=frozenset(ports | psus) if device.ports and device.cords is not None else None,
            psus_needed=device.psus_needed,
            breakouts=breakouts,
        )
    if problems:
        raise InputError(survey.path, problems)
    for rack, pdu in survey.pdus():
        result[pdu.name] = Place(pdu.name, rack.name, None, frozenset(pdu.outlets), feed=pdu.feed)
    return result


def load(path: Path | str, survey: Survey | None = None) -> Cabling:
    """Read a table: ``.csv`` as CSV, anything else as YAML.

    :param survey: gives the devices, without which no end has a place (and every device is unknown).
    :raises InputError: not readable as a table; ``problems`` has every mistake with its place.
    """
    text = read_text(path)
    document = _from_csv(text, path) if Path(path).suffix.lower() == ".csv" else parse_yaml(text, path)
    problems = check_schema(document, "cabling.schema.json")
    if problems:
        raise InputError(path, problems)
    devices = {} if survey is None else places(survey)
    cables = [_cable(number, row, devices) for number, row in enumerate(document["cables"], start=1)]
    return Cabling(tuple(cables), devices, text, str(path))


def _from_csv(text: str, path: Path | str) -> dict[str, Any]:
    known = list(schema("cabling.schema.json")["properties"]["cables"]["items"]["properties"])
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        header = [name.strip() for name in reader.fieldnames or []]
        problems = [
            Problem("line 1", f"unknown column {name!r}; known: {', '.join(known)}")
            for name in header
            if name not in known
        ]
        problems += [
            Problem("line 1", f"column {name!r} occurs twice") for name in set(header) if header.count(name) > 1
        ]
        if not header:
            problems.append(Problem("line 1", "no header: the first line names the columns"))
        if problems:
            raise InputError(path, problems)
        reader.fieldnames = header
        cables = []
        for row in reader:
            if None in row:
                problems.append(Problem(f"line {reader.line_num}", "more fields than the header has columns"))
                continue
            cells = {key: (value or "").strip() or None for key, value in row.items()}
            cables.append({key: _number(value) if key == "length" else value for key, value in cells.items()})
    except csv.Error as error:
        raise InputError(path, [Problem("file", f"not CSV: {error}")]) from error
    if problems:
        raise InputError(path, problems)
    return {"schema": "npuforge.cabling/1", "cables": cables}


def _number(value: str | None) -> float | str | None:
    """A cell as number; what is none stays text, for the schema to name with its place."""
    try:
        return None if value is None else float(value)
    except ValueError:
        return value


def _cable(number: int, row: dict[str, Any], devices: dict[str, Place]) -> Cable:
    kind_type = row.get("type")
    if kind_type is None and "dcim.powerport" in (row.get("side_a_type"), row.get("side_b_type")):
        kind_type = "power"
    cable = Cable(
        number=number,
        a=End(row.get("side_a_device"), row.get("side_a_name")),
        b=End(row.get("side_b_device"), row.get("side_b_name")),
        type=kind_type,
        status=row.get("status") or "connected",
        color=row.get("color"),
        label=row.get("label"),
        length=row.get("length"),
        length_unit=row.get("length_unit"),
    )
    if cable.label is not None:
        return cable
    return Cable(**{**cable.__dict__, "label": _default_label(cable, devices)})


def _default_label(cable: Cable, devices: dict[str, Place]) -> str | None:
    """``F-R01U10-NPU3``: kind, place and port of side A. Short, so that the QR code's modules print large."""
    place = devices.get(cable.a.device or "")
    if place is None or cable.a.name is None or place.rack is None:
        return None
    where = place.rack if place.unit is None else f"{place.rack}U{place.unit:02d}"
    port = re.sub(r"[^A-Za-z0-9.:/]+", "-", cable.a.name)
    label = f"{KIND_LETTERS[cable.kind]}-{where}-{port}".upper()
    return label if len(label) <= 40 else None
