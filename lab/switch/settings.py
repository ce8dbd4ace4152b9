"""The configuration commands that this switch knows. To teach it another: one line here.

A ``Setting`` is a line of a view (its ``undo`` takes it away); an ``Opening`` leads into a view. What is in neither
list is refused as the real device refuses it. Kinds of view: ``system``, ``interface``, ``vlanif``, ``management``,
``null``, and the first word of what opens any other. The lines of RoCE are in ``lab.switch.roce_settings``.
"""

from __future__ import annotations

from dataclasses import dataclass

from lab.switch.config import Path
from lab.switch.grammar import ALL


@dataclass(frozen=True)
class Setting:
    """``form`` as in the manual; ``key``: what it sets, its identity in the view; ``undo``: the form that unsets it.

    ``shown``: how the configuration prints it, if not as typed; ``also``: more forms that unset it; ``default``: the
    line that says what is so anyway, and which therefore is not kept; ``families``: see ``grammar.Rule``; ``asks``: the
    question before it is taken.
    """

    form: str
    kinds: tuple[str, ...]
    key: str
    undo: str
    shown: str = ""
    also: tuple[str, ...] = ()
    default: str = ""
    families: tuple[str, ...] = ALL
    asks: str = ""


@dataclass(frozen=True)
class Opening:
    """``header``: the view's first line, with the form's parameters in braces; ``undo``: what removes the view."""

    form: str
    kind: str  # of the view in which it may be typed
    header: str
    undo: str = ""
    families: tuple[str, ...] = ALL

    def path(self, arguments: dict[str, str]) -> Path:
        return (self.header.format(**arguments),)


PORTS = ("interface",)

SETTINGS = (
    # Basic Configuration, sysname
    Setting("sysname <sysname>", ("system",), "sysname", "undo sysname"),
    # LLDP Configuration Commands, lldp enable: "enabled by default on an interface once it is on globally"
    Setting("lldp enable", ("system",), "lldp enable", "undo lldp enable"),
    # the same, lldp disable, lldp tlv-enable
    Setting("lldp disable", (*PORTS, "management"), "lldp disable", "undo lldp disable"),
    Setting("lldp tlv-enable dcbx", PORTS, "lldp tlv-enable dcbx", "undo lldp tlv-enable dcbx"),
    # First login: the SSH service
    Setting("stelnet server enable", ("system",), "stelnet server enable", "undo stelnet server enable"),
    # Interface Basic Configuration Commands, description, shutdown (interface view), mtu
    Setting("description <description>", (*PORTS, "management", "vlanif"), "description", "undo description"),
    Setting("shutdown", PORTS, "shutdown", "undo shutdown"),
    Setting("mtu <mtu>", PORTS, "mtu", "undo mtu"),
    # jumboframe enable: the largest frame, 9216 by default
    Setting("jumboframe enable <frame>", PORTS, "jumboframe", "undo jumboframe enable"),
)

OPENINGS = (Opening("interface <interface>", "system", "interface {interface}"),)


def kind_of(path: Path) -> str:
    """The kind of the view at a path."""
    if not path:
        return "system"
    header = path[-1].removeprefix("interface ")
    if header == path[-1]:
        return header.split()[0]
    return {"M": "management", "N": "null", "V": "vlanif"}.get(header[0], "interface")


def prompt_suffix(path: Path) -> str:
    """What the prompt shows of a view: ``[~sw1-400GE1/0/1:1]``, ``[~sw1-dsdomain-ds1]``."""
    return "".join(f"-{_short(header)}" for header in path)


def _short(header: str) -> str:
    """A view in the prompt, as in the examples of the manual."""
    if header == "dcb pfc":
        return "dcb-pfc-default"
    for start, short in (("interface ", ""), ("dcb pfc ", "dcb-pfc-"), ("diffserv domain ", "dsdomain-")):
        if header.startswith(start):
            return short + header.removeprefix(start)
    return header.replace("drop-profile ", "drop-")
