"""Parts in general: presence, health, labels, and the summary of one kind (docs/seams.md section 5, Part).

Rules that hold for every kind: presence follows from the part's own State (or, where that is null, from what the part
tells about itself), never from a summary; the Health of an absent part means nothing; a kind of which one member could
not be read has no count.
"""

from __future__ import annotations

from typing import Iterable, NamedTuple

from ..common import Document, as_dict, as_list, as_number, as_text, note
from .plan import oem_values

OK = "ok"
WARNING = "warning"
CRITICAL = "critical"
_RANK = {None: 0, OK: 1, WARNING: 2, CRITICAL: 3}
_HEALTH = {"ok": OK, "warning": WARNING, "critical": CRITICAL}
_NAMED = 64
_SHOWN = {WARNING: "Warning", CRITICAL: "Critical"}


class Status(NamedTuple):
    """``state`` is the device's word in lower case, or ``None``; ``health`` one of ok, warning, critical, ``None``."""

    state: str | None
    health: str | None


def status(document: Document) -> Status:
    """The Status of a resource. A roll-up counts only when it is worse than the part's own health."""
    given = document.get("Status")
    if isinstance(given, str):  # some first-generation trees: "Status": "OK"
        return Status(None, _HEALTH.get(given.strip().lower()))
    given = as_dict(given)
    state = given.get("State")
    if isinstance(state, bool):  # MindEdge (Atlas 500): State is true
        state = "Enabled" if state else None
    health = _HEALTH.get((as_text(given.get("Health")) or "").lower())
    rollup = _HEALTH.get((as_text(given.get("HealthRollup")) or "").lower())
    state = as_text(state)
    return Status(state.lower() if state else None, worst(health, rollup if rollup != OK else None))


def worst(*healths: str | None) -> str | None:
    return max(healths, key=lambda item: _RANK.get(item, 0)) if healths else None


def oem_text(document: Document, *keys: str) -> str | None:
    """The first text under one of ``keys`` in any vendor's part of ``Oem``."""
    for key in keys:
        for value in oem_values(document, key):
            text = as_text(value)
            if text:
                return text
    return None


def oem_number(document: Document, *keys: str) -> float | None:
    for key in keys:
        for value in oem_values(document, key):
            number = as_number(value)
            if number is not None:
                return number
    return None


def location(document: Document, *names: str) -> str | None:
    """The label of the place: ``Location``/``PhysicalLocation`` . PartLocation.ServiceLabel, or a plain text."""
    for name in names or ("Location", "PhysicalLocation"):
        value = document.get(name)
        for item in as_list(value) or [value]:
            label = as_text(as_dict(as_dict(item).get("PartLocation")).get("ServiceLabel")) or as_text(item)
            if label:
                return label
    return None


def last(uri: str) -> str:
    """The last segment of a URI: the name of a member that could not be read."""
    return uri.rstrip("/").rsplit("/", 1)[-1] or uri


def firmware_text(document: Document) -> str | None:
    """FirmwareVersion, which HPE's OEM resources nest, or Revision (drives)."""
    nested = as_dict(as_dict(document.get("FirmwareVersion")).get("Current")).get("VersionString")
    return as_text(document.get("FirmwareVersion")) or as_text(nested) or as_text(document.get("Revision"))


def new_part(document: Document, source: str, labels: Iterable[str | None]) -> Document:
    """The fields that all kinds share. ``labels``: candidates for the slot, best first (see ``name_slots``).

    ``state`` is ``None`` while nothing says whether the part is there.
    """
    seen = status(document)
    part: Document = {
        "slot": None,
        "state": None,
        "health": None,
        "manufacturer": as_text(document.get("Manufacturer")) or oem_text(document, "VendorName", "ChipManufacturer"),
        "model": as_text(document.get("Model")),
        "part_number": as_text(document.get("PartNumber")) or oem_text(document, "PartNumber", "BoardPartNumber"),
        "serial": as_text(document.get("SerialNumber")) or oem_text(document, "SerialNumber"),
        "firmware": firmware_text(document),
        "source": source,
        "_labels": [label for label in labels if label],
        "_state": seen.state,
    }
    told = [part[key] for key in ("model", "part_number", "serial", "firmware")]
    if seen.state == "absent":
        part["state"] = "absent"
    elif seen.state or seen.health or any(told):
        part["state"] = "present"
        part["health"] = seen.health
    return part


def name_slots(parts: list[Document]) -> None:
    """Give each part the first of its labels that nobody else of its kind has; numbered when all are taken.

    "HpeServerPowerSupply" four times names nothing, so a label that occurs twice is no slot name.
    """
    counts: dict[str, int] = {}
    for part in parts:
        for label in set(part["_labels"]):
            counts[label] = counts.get(label, 0) + 1
    taken: dict[str, int] = {}
    for part in parts:
        labels = part["_labels"] or ["?"]
        slot = next((label for label in labels if counts.get(label) == 1 and label not in taken), labels[0])
        taken[slot] = taken.get(slot, 0) + 1
        part["slot"] = slot if taken[slot] == 1 else f"{slot} ({taken[slot]})"


class Kind:
    """Collects what is known of one kind of part and writes its summary.

    ``seen`` says that the device showed the kind at all; ``unread`` names members that could not be read.
    """

    def __init__(self, name: str, notes: list[dict[str, str]]) -> None:
        self.name = name
        self.notes = notes
        self.parts: list[Document] = []
        self.seen = False
        self.complete = True
        self.extra_unhealthy: list[str] = []
        self._unread: dict[str, list[str]] = {}

    def unread(self, where: str, problem: str) -> None:
        """A member or collection that could not be read: from now on there is no count."""
        self.complete = False
        self._unread.setdefault(problem, []).append(where)

    def doubt(self, problem: str) -> None:
        """The count cannot be trusted for another reason."""
        self.complete = False
        self.notes.append(note(self.name, problem))

    def remark(self, problem: str) -> None:
        self.notes.append(note(self.name, problem))

    def add(self, part: Document) -> None:
        self.seen = True
        if part["state"] is None:
            label = part["_labels"][0] if part["_labels"] else "?"
            self.doubt(f"nothing says whether {label} is fitted (State and Health are null)")
            return
        self.parts.append(part)

    def summary(self, powered: bool | None, empty_is_possible: bool) -> Document | None:
        """The kind's facts, or ``None`` when it cannot be seen.

        ``empty_is_possible``: a server can do without this kind (drives), so an empty list of a running server is a
        count of nought; a server without CPUs is not one, so then the list is not believed.
        """
        for problem, members in self._unread.items():
            self.remark(f"{', '.join(members[:_NAMED])} could not be read: {problem}")
            if len(members) > _NAMED:
                self.remark(f"and {len(members) - _NAMED} more of this kind: {problem}")
        if not self.parts and (not self.seen or not self.complete):
            if self.complete:
                self.remark("the BMC shows no list of this kind")
            return None
        if not self.parts and (powered is not True or not empty_is_possible):
            if powered is False:
                self.remark("the list is empty while the machine is powered off")
            else:
                self.remark("the list is empty, which a running server's cannot be")
            return None
        name_slots(self.parts)
        unhealthy, unknown = list(self.extra_unhealthy), []
        for part in self.parts:
            words = part.pop("_words", [])
            for key in [key for key in part if key.startswith("_")]:
                del part[key]
            if part["state"] == "absent":
                continue
            if part["health"] in _SHOWN:
                unhealthy.append("{}: {}".format(part["slot"], ", ".join([_SHOWN[part["health"]], *words])))
            elif part["health"] is None:
                unknown.append("{}: {}".format(part["slot"], ", ".join(words) or "no health given"))
        present = [part for part in self.parts if part["state"] == "present"]
        return {
            "present_count": len(present) if self.complete else None,
            "absent_count": len(self.parts) - len(present) if self.complete else None,
            "unhealthy": unhealthy,
            "unknown_health": unknown,
            "parts": self.parts,
        }


def unpowered(part: Document) -> None:
    """A part without power cannot prove its health; a bad one that it remembers stays."""
    if part["state"] == "present" and part["health"] == OK:
        part["health"] = None
        say(part, "not powered")


def say(part: Document, words: str) -> None:
    """A word on the part's health for ``unhealthy`` and ``unknown_health``."""
    part.setdefault("_words", []).append(words)


def worsen(part: Document, health: str, words: str) -> None:
    """The part shows something worse than the health that it claims."""
    if part["state"] == "present":
        part["health"] = worst(part["health"], health)
        say(part, words)


def merge(part: Document, other: Document) -> None:
    """Two views of one part: what the first does not tell is taken from the second, and the worse health holds."""
    for key, value in other.items():
        if key == "_labels":
            part["_labels"] = part["_labels"] + [label for label in value if label not in part["_labels"]]
        elif key == "_words":
            part.setdefault("_words", []).extend(word for word in value if word not in part.get("_words", []))
        elif part.get(key) is None or (value is True and key.startswith("_")):
            part[key] = value
    if part["state"] == "present" and other["state"] == "present":
        part["health"] = worst(part["health"], other["health"])


def match_key(text: str | None) -> str:
    """A label reduced to letters and digits: ``Fan 1``, ``fan_1`` and ``FAN1`` are one."""
    return "".join(char for char in (text or "").lower() if char.isalnum())


def reading(document: Document, key: str) -> float | None:
    """A sensor excerpt ``{key: {"Reading": n}}``."""
    return as_number(as_dict(document.get(key)).get("Reading"))


def short(members: list[tuple[str, str]], limit: int = 5) -> str:
    """``a, b, c and 3 more``."""
    names = [last(uri) for uri, _ in members[:limit]]
    more = len(members) - len(names)
    return ", ".join(names) + (f" and {more} more" if more > 0 else "")
