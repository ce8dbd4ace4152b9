"""The path language: names one value of a device's document, ``bios.version`` or ``npus[NPU3].present``.

``list[key]`` selects the element whose ``slot`` (or ``name``, or of links the ``peer``) is the key:
``ports[400GE1/0/6:1].neighbor``, ``npus[NPU3].hccs[NPU5].ok``.
"""

from __future__ import annotations

import copy
import re
from typing import Any

from lab.state import LabError
from lab.world import Document

SELECTORS = ("slot", "name", "peer")
_SEGMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:\[([^\[\]]+)\])?")


def parse_path(path: object) -> list[tuple[str, str | None]]:
    """``npus[NPU3].present`` -> ``[("npus", "NPU3"), ("present", None)]``; ValueError says what is wrong with it."""
    segments = []
    for text in re.split(r"\.(?![^\[]*\])", path) if isinstance(path, str) else []:
        match = _SEGMENT.fullmatch(text)
        if match is None:
            raise ValueError(f"path {path!r}: {text!r} is neither a key nor list[slot]")
        segments.append((match[1], match[2]))
    if not segments or segments[-1][1] is not None:
        raise ValueError(f"path {path!r}: expected something like bios.version or npus[NPU3].present")
    return segments


def _holder(document: Document, path: str) -> tuple[Document, str]:
    """The object that holds the value of a path, and its key there. LabError when the device has no such value."""
    here: Any = document
    *outer, (last, _) = parse_path(path)
    for key, slot in outer:
        here = here.get(key) if isinstance(here, dict) else None
        if slot is not None:
            items = here if isinstance(here, list) else []
            here = next((item for item in items if slot in (item.get(key) for key in SELECTORS)), None)
    if not isinstance(here, dict) or last not in here:
        raise LabError(f"{document.get('name', 'the device')} has nothing at {path}")
    return here, last


def get(document: Document, path: str) -> Any:
    """A private copy of the value at a path."""
    holder, key = _holder(document, path)
    return copy.deepcopy(holder[key])


def put(document: Document, path: str, value: Any) -> None:
    holder, key = _holder(document, path)
    holder[key] = copy.deepcopy(value)
