"""What a switch is made of and how it is: read from the world, with the names that the command line uses."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lab.switch import roce
from lab.switch.config import SYSTEM, Edit, Tree
from lab.switch.grammar import Context
from lab.switch.roce_settings import family
from lab.switch.store import Store, Who
from lab.world import World

Document = Mapping[str, Any]

MANAGEMENT = "MEth0/0/0"
# What the site's network team configured before anybody thought of RoCE: an address on the NPU network, and words.
VLANIF, VLANIF_ADDRESS = "Vlanif1", "10.88.0.1"
DESCRIPTIONS = {VLANIF: "gateway of the NPU network", "10GE1/0/1": "uplink to core, network team, do not touch"}


@dataclass(frozen=True)
class Alarm:
    """A part that is not as it should be. ``since``: Unix seconds at which this service saw it first."""

    sequence: int
    identifier: str
    severity: str  # Critical | Major
    since: float
    text: str


class Device:
    """One switch. ``read`` is its truth now; the configuration is in ``store``."""

    def __init__(self, world: World, name: str, clock: Callable[[], float] = time.time) -> None:
        self.world = world
        self.name = name
        self.clock = clock
        self.store = Store(world, name, factory, clock, refusals=_refusals, done=roce.reenabled)
        self.reboot_requested = threading.Event()
        self.sessions: dict[str, tuple[Who, float]] = {}  # terminals: who, since when
        self._alarms: dict[str, Alarm] = {}
        self._sequence = 0
        self._guard = threading.Lock()

    def read(self) -> Document:
        return self.world.read(self.name, "switches")

    def sysname(self) -> str:
        """The host name as committed; an unset one reads HUAWEI."""
        return (self.store.running().get(SYSTEM, "sysname") or "sysname HUAWEI").partition(" ")[2]

    def context(self) -> Context:
        document = self.read()
        return Context({name.lower(): name for name in interfaces(document)}, family(document["model"]))

    def alarms(self) -> list[Alarm]:
        """What is wrong now, oldest first."""
        wrong = _conditions(self.read())
        with self._guard:
            self._alarms = {text: alarm for text, alarm in self._alarms.items() if text in wrong}
            for text, (identifier, severity) in wrong.items():
                if text not in self._alarms:
                    self._sequence += 1
                    self._alarms[text] = Alarm(self._sequence, identifier, severity, self.clock(), text)
            return sorted(self._alarms.values(), key=lambda alarm: alarm.sequence)


def persona(document: Document) -> Mapping[str, Any]:
    """What is odd about this switch; see ``lab.switch.persona``."""
    return document.get("persona") or {}


def _refusals(document: Document, tree: Tree) -> list[str]:
    odd = persona(document).get("commit_fails")
    return [odd] if odd else roce.refusals(document, tree)


def ports(document: Document) -> list[str]:
    """The service ports. A port that is split is there as its lanes only, 400GE1/0/1:1 and 400GE1/0/1:2 ([CR] port
    split: "the original interface does not exist")."""
    return [port["name"] for port in document["ports"]]


def interfaces(document: Document) -> list[str]:
    return [*ports(document), MANAGEMENT, "NULL0", VLANIF]


def link(document: Document, name: str) -> Mapping[str, Any] | None:
    """What is plugged in: ``{"name", "speed_mbps", "link": "up"|"down", "neighbor": {"device", "interface"}|null}``."""
    return next((port for port in document["ports"] if port["name"] == name), None)


def splits(document: Document) -> list[str]:
    """The configuration lines that split the ports as they are split, one for each run of neighbours split alike."""
    lanes: dict[str, list[int]] = {}
    for port in document["ports"]:
        whole, colon, _ = port["name"].partition(":")
        if colon:
            lanes.setdefault(whole, []).append(port["speed_mbps"] // 1000)
    runs: list[tuple[list[str], list[int]]] = []
    for whole, speeds in lanes.items():
        start, _, number = whole.rpartition("/")
        if runs and runs[-1][1] == speeds and runs[-1][0][-1] == f"{start}/{int(number) - 1}":
            runs[-1][0].append(whole)
        else:
            runs.append(([whole], speeds))
    return [
        f"port split dimension interface {f'{names[0]} to {names[-1]}' if len(names) > 1 else names[0]} "
        f"split-type {len(speeds)}*{speeds[0]}GE"
        for names, speeds in runs
    ]


def factory(document: Document) -> Tree:
    """The configuration with which the switch is delivered to the site: named, reachable, ports split, LLDP on, no
    RoCE. The command that splits a port is not taught (``settings``): it deletes interfaces and makes others."""
    address = f"ip address {document['address']} 255.255.255.0"
    edits = [
        Edit("set", SYSTEM, "sysname", f"sysname {document['name']}"),
        *(Edit("set", SYSTEM, line, line) for line in splits(document)),
        Edit("set", SYSTEM, "lldp enable", "lldp enable"),
        Edit("set", (f"interface {MANAGEMENT}",), "ip address", address),
        Edit("set", (f"interface {VLANIF}",), "ip address", f"ip address {VLANIF_ADDRESS} 255.255.255.0"),
        *(Edit("enter", (f"interface {name}",)) for name in interfaces(document)),
        *(
            Edit("set", (f"interface {name}",), "description", f"description {text}")
            for name, text in DESCRIPTIONS.items()
            if name in interfaces(document)
        ),
        Edit("set", SYSTEM, "stelnet server enable", "stelnet server enable"),
    ]
    return Tree().after(edits)


def _conditions(document: Document) -> dict[str, tuple[str, str]]:
    """{alarm text: (alarm id, severity)}. Wording: display device alarm hardware, example in the CE6800 V300R023
    command reference; the manual shows it for power supplies, and the fans' follow it."""
    wrong: dict[str, tuple[str, str]] = {}
    for kind, noun, identifier in (("psus", "power", "0x8520010"), ("fans", "fan", "0x8520020")):
        for part in document[kind]:
            number = re.sub(r"\D", "", part["slot"])
            label = {"power": "PowerID=POWER", "fan": "FanID=FAN"}[noun]
            if not part["present"]:
                text = f"The {noun} totally failed.({label} slot {number}, Reason=The {noun} module was not present.)"
                wrong[text] = (identifier, "Critical")
            elif not supplies(part):
                text = f"The {noun} totally failed.({label} slot {number}, Reason=The {noun} module was faulty.)"
                wrong[text] = (identifier, "Critical")
            elif part["health"] != "OK":
                text = f"The {noun} partially failed.({label} slot {number}, Reason=The {noun} module was abnormal.)"
                wrong[text] = (identifier, "Major")
    return wrong


def supplies(part: Mapping[str, Any]) -> bool:
    """Whether a part does its work: there, not broken, and (a power supply) with its cord in."""
    return bool(part["present"]) and part["health"] != "Critical" and bool(part.get("input_connected", True))
